//! Layout: whether a tree is what a layer is, as far as its names tell. Lambda extracts a layer into `/opt` as it is, so content
//! that lies one directory deeper, or elsewhere than a runtime looks, is extracted without a word and never found.

use super::listing::Listing;
use super::nesting::{nested, only_archives};
use super::searched::not_searched;
use super::{Entry, Kind, Magic, Tree};
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Subject};
use crate::base::path::TreePath;

/// What the `.wh.` files of container images begin with (OCI image specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout that hides everything in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Findings about where things are in a tree that will be `/opt`.
pub fn layout_findings(tree: &Tree) -> Vec<Finding> {
    let listing = Listing::of(tree);
    let mut findings = Vec::new();
    let around = nested(&listing);
    // Where the content is inside the directory around it is the same question, and the answer the same.
    if around.is_none() {
        findings.extend(not_searched(&listing));
    }
    findings.extend(around);
    findings.extend(only_archives(&listing, tree));
    findings.extend(whiteouts(tree));
    findings.extend(not_executable(tree));
    findings
}

/// Whiteouts: files by which layers of container images delete files of lower ones. Lambda gives them no meaning.
fn whiteouts(tree: &Tree) -> Option<Finding> {
    let found: Vec<&Entry> =
        tree.iter().map(|(_, entry)| entry).filter(|entry| entry.path.name().starts_with(WHITEOUT)).collect();
    let first = found.first()?;
    // A file that should be gone, and is still there, is the better example.
    let deleted = |entry: &Entry| {
        let name = entry.path.name().strip_prefix(WHITEOUT).filter(|_| entry.path.name() != OPAQUE)?;
        let path = entry.path.parent()?.join(name)?;
        tree.find(&path).map(|_| path)
    };
    let still_there = found.iter().find_map(|entry| Some((*entry, deleted(entry)?)));
    let example = still_there.as_ref().map_or(&first.path, |(entry, _)| &entry.path);
    let more = match found.len() {
        1 => String::new(),
        many => format!(" ({many} in all)"),
    };
    let message = match &still_there {
        Some((_, path)) => {
            format!("is a whiteout of a container image{more}: it means that {path} was deleted, but it is here")
        }
        None => format!("is a whiteout of a container image{more}, which means nothing in a Lambda layer"),
    };
    Some(Finding::warning(
        Code::Whiteout,
        example,
        message,
        "copy the tree out of the merged file system of a container (docker cp), or delete .wh.* and what they name",
    ))
}

/// Programs directly in `bin` that no user may execute.
fn not_executable(tree: &Tree) -> Option<Finding> {
    let bin = TreePath::new(b"bin")?;
    let is_program = |entry: &Entry| match &entry.kind {
        Kind::File { magic: Magic::Script(_), .. } => true,
        // A library can be in bin, and is not executed.
        Kind::File { magic: Magic::Elf, .. } => !entry.path.name().windows(3).any(|part| part == b".so"),
        _ => false,
    };
    let programs = tree.iter().map(|(_, entry)| entry).filter(|entry| entry.path.parent().as_ref() == Some(&bin));
    let paths: Vec<String> = programs
        .filter(|entry| is_program(entry) && !entry.is_executable())
        .map(|entry| entry.path.to_string())
        .collect();
    let first = paths.first()?;
    let others = match paths.len() {
        1 => "is not executable".to_owned(),
        many => format!("and {} are not executable", plural(many - 1, "more program in bin", "more programs in bin")),
    };
    Some(Finding::warning(
        Code::NotExecutable,
        Subject::Path(first.clone()),
        format!("{others}: running it by its name fails with \"Permission denied\""),
        "chmod a+x before packing; zip on Windows does not record the permission",
    ))
}
