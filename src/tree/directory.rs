//! Reading a tree from a directory on disk.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Source, Tree, link_findings};
use crate::base::bytes::size;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Subject};
use crate::base::path::{TreePath, printable};
use crate::base::read::still_regular;

/// Reads the directory `root` (that will be `/opt`) without following links and without changing anything.
///
/// Returns the tree and findings about special files, unreadable files (left out of the tree), names that are not UTF-8,
/// hard links and dangling links.
///
/// # Errors
/// When `root` itself is missing, is not a directory or cannot be listed.
pub fn scan_directory(root: &Path) -> Result<(Tree, Vec<Finding>)> {
    let metadata = fs::metadata(root).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::RootMissing(root.to_owned()),
        _ => Error::io("read", root)(e),
    })?;
    if !metadata.is_dir() {
        return Err(Error::NotATree(root.to_owned()));
    }
    fs::read_dir(root).map_err(Error::io("list", root))?;

    let mut findings = Vec::new();
    let mut paths = Vec::new();
    for step in WalkDir::new(root).min_depth(1).follow_links(false) {
        match step {
            Ok(found) => paths.push(found.into_path()),
            Err(error) => findings.push(unreadable(root, error.path().unwrap_or(root), &error)),
        }
    }

    // Each file's first bytes are read here, so that unreadable files are known before anything else is done.
    let looked_at: Vec<Looked> = paths.par_iter().map(|path| look(root, path)).collect();
    let mut entries = Vec::with_capacity(looked_at.len());
    for looked in looked_at {
        match looked {
            Looked::Entry(entry) => entries.push(entry),
            Looked::Finding(finding) => findings.push(finding),
        }
    }
    let tree = Tree::new(entries, Source::Directory(root.to_owned()));

    if tree.entries().is_empty() {
        findings.push(Finding::error(
            Code::EmptyTree,
            Subject::file(root.display()),
            "the tree is empty",
            "name the directory whose content will be /opt",
        ));
    }
    findings.extend(name_findings(&tree));
    findings.extend(hard_link_findings(&tree));
    findings.extend(link_findings(&tree));
    Ok((tree, findings))
}

enum Looked {
    Entry(Entry),
    Finding(Finding),
}

fn look(root: &Path, path: &Path) -> Looked {
    let Some(relative) = path.strip_prefix(root).ok().and_then(|p| TreePath::new(p.as_os_str().as_bytes())) else {
        return Looked::Finding(unreadable(root, path, &"its path is not below the root"));
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Looked::Finding(unreadable(root, path, &error)),
    };
    let kind = metadata.file_type();
    let kind = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        match fs::read_link(path) {
            Ok(target) => Kind::Link { target: target.as_os_str().as_bytes().to_vec() },
            Err(error) => return Looked::Finding(unreadable(root, path, &error)),
        }
    } else if kind.is_file() {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let read = still_regular(path).and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head));
        if let Err(error) = read {
            return Looked::Finding(unreadable(root, path, &error));
        }
        Kind::File {
            bytes: metadata.len(),
            magic: Magic::of(&head),
            hard: (metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino())),
        }
    } else {
        let what = if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        return Looked::Finding(Finding::warning(
            Code::SpecialFile,
            &relative,
            format!("is {what}, which a layer cannot contain; it is left out"),
            "remove it from the tree",
        ));
    };
    Looked::Entry(Entry { path: relative, kind, mode: metadata.mode() & 0o7777, origin: Origin::Directory })
}

fn unreadable(root: &Path, path: &Path, why: &dyn std::fmt::Display) -> Finding {
    let shown = path.strip_prefix(root).unwrap_or(path);
    Finding::error(
        Code::Unreadable,
        Subject::Path(printable(shown.as_os_str().as_bytes()).into_owned()),
        format!("cannot be read, so it is left out: {why}"),
        "run as a user with permission to read it, or run chmod -R o+rX on the tree, which Lambda needs too",
    )
}

fn name_findings(tree: &Tree) -> impl Iterator<Item = Finding> {
    tree.entries().iter().filter(|entry| std::str::from_utf8(entry.path.name()).is_err()).map(|entry| {
        Finding::error(
            Code::NameNotUtf8,
            &entry.path,
            "the name is not UTF-8, so the name after extraction depends on the unzip program",
            "rename it, or drop it with a rule",
        )
    })
}

/// One finding per group of hard links: a zip cannot store hard links, so each name becomes a copy.
fn hard_link_findings(tree: &Tree) -> Vec<Finding> {
    let mut groups: std::collections::BTreeMap<(u64, u64), Vec<&Entry>> = std::collections::BTreeMap::new();
    for entry in tree.entries() {
        if let Kind::File { hard: Some(inode), .. } = entry.kind {
            groups.entry(inode).or_default().push(entry);
        }
    }
    groups
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|names| {
            let others: Vec<String> = names[1..].iter().map(|entry| entry.path.to_string()).collect();
            Finding::info(
                Code::HardLinks,
                &names[0].path,
                format!(
                    "hard-linked to {}; zip cannot store hard links, so a layer contains {} copies of {}",
                    others.join(", "),
                    names.len(),
                    size(names[0].bytes())
                ),
                "replace all names but one with symbolic links",
            )
        })
        .collect()
}
