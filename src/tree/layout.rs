//! Layout: whether a tree is what a layer is, as far as its names tell. Lambda extracts a layer into `/opt` as it is, so content
//! that lies one directory deeper, or elsewhere than a runtime looks, is extracted without a word and never found.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use sha2::{Digest, Sha256};

use super::each_zip::of_each_zip;
use super::listing::Listing;
use super::nesting::{nested, only_archives, zip_inside};
use super::packed::{packed_layers, unpacked_image};
use super::searched::{has_own_program, not_searched};
use super::{Entry, EntryId, Kind, Magic, Tree};
use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::{TreePath, printable};
use crate::base::subject::Subject;

/// What the `.wh.` files of container images begin with (OCI image specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout that hides everything in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Findings about where things are in zips that were not made of one tree: each has to be a layer by itself.
pub fn layout_findings_of_zips(tree: &Tree) -> Vec<Finding> {
    of_each_zip(tree, layout_findings(tree))
}

/// Findings about where things are in a tree that will be `/opt`.
pub fn layout_findings(tree: &Tree) -> Vec<Finding> {
    let listing = Listing::of(tree);
    let mut findings = Vec::new();
    let around = nested(&listing);
    // Where the content is inside the directory around it is the same question, and the answer the same.
    if around.is_none() {
        findings.extend(not_searched(&listing, has_own_program(&listing)));
    }
    findings.extend(around.map(|finding| of_tree(finding, tree)));
    let packed = packed_layers(&listing, tree).or_else(|| unpacked_image(&listing, tree));
    // Those are archives too, and what is said of them is more.
    findings
        .extend(packed.or_else(|| only_archives(&listing, tree, &|_| true).map(|finding| of_archives(finding, tree))));
    findings.extend(whiteouts(tree));
    findings.extend(flattened(tree));
    findings.extend(not_executable(tree));
    findings
}

/// What is one directory too deep in a directory that was named as the tree: the one to name is inside.
fn of_tree(mut finding: Finding, tree: &Tree) -> Finding {
    if let (Some(root), Subject::Path(inside)) = (tree.root(), &finding.subject) {
        let of_zips = zip_inside(inside);
        let inside = root.join(inside);
        let of_tree =
            format!("name {} as the tree, not the directory around it", printable(inside.as_os_str().as_bytes()));
        finding.help = finding.help.replace(&of_zips, &of_tree);
    }
    finding
}

/// Archives in a directory that was named as the tree: what was meant is inside them.
fn of_archives(mut finding: Finding, tree: &Tree) -> Finding {
    let Some(root) = tree.root().filter(|_| finding.severity == Severity::Warning) else { return finding };
    let shown = printable(root.as_os_str().as_bytes());
    let name = finding.subject.as_str().to_ascii_lowercase();
    let is_one = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let help = if is_one(&[".zip"]) {
        format!(
            "name the zips of layers themselves (layerfit check {shown}/*.zip), or the directory that they were made from"
        )
    } else if is_one(&[".tar", ".tar.gz", ".tgz"]) {
        let file = format!("{shown}/{}", finding.subject.as_str());
        format!(
            "name the file itself if it is a container image (layerfit plan {file}); otherwise unpack it, and name the directory"
        )
    } else {
        finding.help.clone()
    };
    (finding.severity, finding.help) = (Severity::Error, help);
    finding
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

/// Copies of one library under several names: symbolic links that were followed when the tree was copied, or zipped.
fn flattened(tree: &Tree) -> Option<Finding> {
    // Only files that a link could stand for are compared: libraries of one name and length in one directory.
    let mut alike: BTreeMap<(TreePath, &[u8], u64), Vec<EntryId>> = BTreeMap::new();
    for (id, entry) in tree.iter() {
        let name = entry.path.name();
        let stem = name.windows(3).position(|part| part == b".so").and_then(|end| name.get(..end));
        if let (Kind::File { magic: Magic::Elf, bytes, .. }, Some(stem)) = (&entry.kind, stem) {
            let directory = entry.path.parent().unwrap_or_default();
            alike.entry((directory, stem, *bytes)).or_default().push(id);
        }
    }
    let (mut copies, mut wasted, mut example) = (0, 0, Vec::new());
    for ((_, _, bytes), ids) in alike.into_iter().filter(|(_, ids)| ids.len() > 1) {
        let paths: Vec<&TreePath> = ids.iter().map(|id| tree.path(*id)).collect();
        if of_one_library(&paths).is_empty() {
            continue;
        }
        let mut same: BTreeMap<Vec<u8>, Vec<&TreePath>> = BTreeMap::new();
        for id in ids {
            if let Ok(content) = tree.read(id) {
                same.entry(Sha256::digest(&content).to_vec()).or_default().push(tree.path(id));
            }
        }
        for chain in same.values().map(|paths| of_one_library(paths)).filter(|chain| chain.len() > 1) {
            copies += chain.len() - 1;
            wasted += bytes * (chain.len() as u64 - 1);
            if example.is_empty() {
                example = chain.into_iter().map(TreePath::to_string).collect();
            }
        }
    }
    let first = example.first()?.clone();
    Some(Finding::warning(
        Code::FlattenedLinks,
        Subject::Path(first),
        format!(
            "{} ({}) of libraries under different names, as if symbolic links had been followed: {}",
            plural(copies, "copy", "copies"),
            size(wasted),
            example.join(" = ")
        ),
        "replace the copies with symbolic links (cp -a copies links as links, and so does zip -y): Lambda extracts them",
    ))
}

/// Of files with the same content, those whose names are links of one library: one name continues another, as in `libz.so`,
/// `libz.so.1` and `libz.so.1.3`. `libbz2.so.1.0.4` and `libbz2.so.1.0.8` do not: a tree can have both.
fn of_one_library<'t>(paths: &[&'t TreePath]) -> Vec<&'t TreePath> {
    let continues = |long: &TreePath, short: &TreePath| {
        long.as_bytes().strip_prefix(short.as_bytes()).is_some_and(|rest| rest.starts_with(b"."))
    };
    let continued = |path: &&&TreePath| paths.iter().any(|other| continues(path, other) || continues(other, path));
    paths.iter().filter(continued).copied().collect()
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
