//! Reading a tree from a directory of a container image: its /opt. Contents are read where the image has them.

use rayon::prelude::*;

use super::files::{file_findings, special};
use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Overlay, Source, Tree, narrow, part_head};
use crate::base::error::Result;
use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::container::{Image, Node, NodeKind};

/// Reads what an image has in a directory of its file system.
///
/// Returns the tree and findings about special files, names that are not UTF-8, hard links and dangling links.
///
/// # Errors
/// When the image was changed meanwhile, or can no longer be read.
pub fn scan_image(image: &Image, directory: &TreePath) -> Result<(Tree, Vec<Finding>)> {
    let inside = |path: &TreePath| path.below(directory).and_then(TreePath::new);
    let nodes: Vec<(TreePath, &Node)> =
        image.root.below(directory).filter_map(|(path, node)| Some((inside(path)?, node))).collect();
    let heads: Vec<Vec<u8>> = nodes
        .par_iter()
        .map(|(path, node)| match &node.kind {
            NodeKind::File { content, .. } => part_head(content, path, HEAD_BYTES),
            _ => Ok(Vec::new()),
        })
        .collect::<Result<_>>()?;
    let mut entries = Vec::with_capacity(nodes.len());
    let mut overlays = Vec::new();
    let mut findings = Vec::new();
    for ((path, node), head) in nodes.into_iter().zip(heads) {
        let mut origin = Origin::Directory { hash: None };
        let kind = match &node.kind {
            NodeKind::Directory => Kind::Directory,
            NodeKind::Link(target) => Kind::Link { target: target.as_slice().into() },
            NodeKind::File { content, hard } => {
                origin = Origin::Overlay(narrow(overlays.len()));
                overlays.push(Overlay::Part(content.clone()));
                Kind::File {
                    bytes: content.bytes(),
                    magic: Magic::of(&head),
                    hard: hard.map(|number| Box::new((0, number))),
                }
            }
            NodeKind::Special(what) => {
                findings.push(special(&path, what));
                continue;
            }
        };
        entries.push(Entry { path, kind, mode: node.mode, origin });
    }
    let tree = Tree { overlays, ..Tree::new(entries, Source::Image) };
    findings.extend(file_findings(&tree, &image.path));
    Ok((tree, findings))
}
