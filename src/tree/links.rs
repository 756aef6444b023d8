//! Links: following them inside a tree the way the kernel will once the tree is at `/opt` (path_resolution(7)).

use super::{EntryId, Kind, Tree};
use crate::base::finding::{Code, Finding};
use crate::base::path::{MOUNT, TreePath, printable};

/// How many links the kernel follows before it fails with ELOOP (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To this file or directory of the tree, every link followed.
    Inside(EntryId),
    /// To the root of the tree itself.
    Root,
    /// Out of the tree, to this absolute path in Lambda.
    Outside(Vec<u8>),
    /// To a path that does not exist.
    Nowhere,
    /// In a loop.
    Loop,
}

impl Tree {
    /// Where an absolute path in Lambda leads, once the tree is at `/opt`.
    pub fn locate(&self, absolute: &[u8]) -> Place {
        self.walk(absolute)
    }

    /// Where a path of the tree leads, with every link followed.
    pub fn locate_inside(&self, path: &TreePath) -> Place {
        self.walk(&[MOUNT.as_bytes(), b"/", path.as_bytes()].concat())
    }

    /// Where the link `id` leads; an entry that is not a link leads to itself.
    pub fn follow(&self, id: EntryId) -> Place {
        self.locate_inside(self.path(id))
    }

    /// The entry that the link `id` points to directly, which can be another link; `None` when it is not a link, or its
    /// target's text alone does not lead to an entry.
    pub fn next_hop(&self, id: EntryId) -> Option<EntryId> {
        let entry = self.entry(id);
        let Kind::Link { target } = &entry.kind else { return None };
        let path = match target.first()? {
            b'/' => TreePath::from_mounted(target)?,
            _ => entry.path.parent()?.join(target)?,
        };
        self.find(&path)
    }

    /// Walks an absolute path one component at a time, as the kernel does; a link's target replaces its name.
    fn walk(&self, absolute: &[u8]) -> Place {
        let components = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes
                .split(|b| *b == b'/')
                .filter(|part| !part.is_empty() && *part != b".")
                .map(<[u8]>::to_vec)
                .rev()
                .collect()
        };
        let mut left = components(absolute);
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        let mut here = None;
        while let Some(part) = left.pop() {
            if part == b".." {
                done.pop();
            } else {
                done.push(part);
            }
            let so_far = [b"/", done.join(&b'/').as_slice()].concat();
            let Some(path) = TreePath::from_mounted(&so_far) else {
                here = None;
                continue;
            };
            if path.is_root() {
                here = None;
                continue;
            }
            let Some(id) = self.find(&path) else { return Place::Nowhere };
            match &self.entry(id).kind {
                Kind::Link { target } => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Place::Loop;
                    }
                    if target.starts_with(b"/") {
                        done.clear();
                    } else {
                        done.pop();
                    }
                    left.extend(components(target));
                    here = None;
                }
                Kind::Directory => here = Some(id),
                Kind::File { .. } if left.is_empty() => here = Some(id),
                Kind::File { .. } => return Place::Nowhere,
            }
        }
        // A relative link in the root can end at `/opt` itself or above it, with no component left to check.
        let end = [b"/", done.join(&b'/').as_slice()].concat();
        match (here, TreePath::from_mounted(&end)) {
            (_, Some(path)) if path.is_root() => Place::Root,
            (Some(id), Some(_)) => Place::Inside(id),
            (None, Some(path)) => self.find(&path).map_or(Place::Nowhere, Place::Inside),
            (_, None) => Place::Outside(end),
        }
    }
}

/// Findings about link loops, dangling links, and links that lead out of `/opt`.
pub fn link_findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, entry) in tree.iter() {
        let Kind::Link { target } = &entry.kind else { continue };
        let shown = printable(target);
        match tree.follow(id) {
            Place::Inside(_) | Place::Root => {}
            Place::Loop => findings.push(Finding::error(
                Code::LinkLoop,
                &entry.path,
                format!("the link to {shown} is part of a loop"),
                "remove the link, or point it to a file",
            )),
            Place::Nowhere => findings.push(Finding::warning(
                Code::DanglingLink,
                &entry.path,
                format!("the link points to {shown}, which is not in the tree"),
                "remove the link, or add its target",
            )),
            Place::Outside(end) => findings.push(Finding::warning(
                Code::LinkLeavesRoot,
                &entry.path,
                format!(
                    "the link points to {}, outside /opt: in Lambda it leads to whatever the image has there",
                    printable(&end)
                ),
                "copy the target into the tree, or point the link to a path inside the tree",
            )),
        }
    }
    findings
}
