//! Reading a tree from a directory on disk.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::files::{file_findings, special};
use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Source, Tree};
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
    findings.extend(file_findings(&tree, root));
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
        return Looked::Finding(special(&relative, what));
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
