//! Reading a tree from a directory on disk.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::files::{file_findings, special};
use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Source, Tree};
use crate::base::directory::{Status, status};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Subject};
use crate::base::path::{TreePath, printable};

/// How many directories are read before what was read of them is put in its place.
const DIRECTORIES_AT_ONCE: usize = 256;

/// How many names of a directory one core looks at, at least.
const NAMES_AT_ONCE: usize = 64;

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

    let (mut entries, mut findings) = (Vec::new(), Vec::new());
    // One level of the tree after the other, some directories at a time: what is read of them is moved, and not kept twice.
    let mut level = vec![TreePath::default()];
    while !level.is_empty() {
        let mut next = Vec::new();
        for directories in level.chunks(DIRECTORIES_AT_ONCE) {
            let listed: Vec<Vec<Looked>> = directories.par_iter().map(|directory| list(root, directory)).collect();
            for looked in listed.into_iter().flatten() {
                match looked {
                    Looked::Entry(entry) => {
                        if entry.is_directory() {
                            next.push(entry.path.clone());
                        }
                        entries.push(entry);
                    }
                    Looked::Finding(finding) => findings.push(*finding),
                }
            }
        }
        level = next;
    }
    findings.sort_by(|a, b| a.subject.cmp(&b.subject));
    let tree = Tree::new(entries, Source::Directory(root.to_owned()));
    findings.extend(file_findings(&tree, root));
    Ok((tree, findings))
}

/// What one name in a directory is.
enum Looked {
    Entry(Entry),
    Finding(Box<Finding>),
}

/// Every name in a directory, which is opened once: the names in it are then found without its path. Each file's first bytes are
/// read, so that unreadable files are known before anything else is done.
fn list(root: &Path, directory: &TreePath) -> Vec<Looked> {
    let path = root.join(directory.as_path());
    let failed = |error: io::Error| vec![Looked::finding(unreadable(directory.as_bytes(), &error))];
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // The root itself can be a link.
    let flags = if directory.is_root() { flags } else { flags | OFlags::NOFOLLOW };
    let opened = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(error) => return failed(error.into()),
    };
    let (mut names, mut looked) = (Vec::new(), Vec::new());
    match Dir::read_from(&opened) {
        Ok(listed) => {
            for step in listed {
                match step {
                    Ok(found) if matches!(found.file_name().to_bytes(), b"." | b"..") => {}
                    Ok(found) => names.push((found.file_name().to_owned(), found.file_type())),
                    Err(error) => {
                        looked.extend(failed(error.into()));
                        break;
                    }
                }
            }
        }
        Err(error) => return failed(error.into()),
    }
    let paths = directory.entries(names.iter().map(|(name, _)| name.to_bytes()));
    let look = |((name, kind), path): (&(CString, FileType), TreePath)| {
        look(&opened, name, *kind, path.clone())
            .unwrap_or_else(|error| Looked::finding(unreadable(path.as_bytes(), &error)))
    };
    looked.par_extend(names.par_iter().with_min_len(NAMES_AT_ONCE).zip(paths).map(look));
    looked
}

/// What a name in an open directory is. `kind` is what the directory has of it, which can be nothing.
fn look(directory: impl AsFd, name: &CString, kind: FileType, path: TreePath) -> io::Result<Looked> {
    if kind == FileType::RegularFile {
        return regular(directory, name, path);
    }
    let found = status(&statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?);
    let what = match found.kind {
        FileType::RegularFile => return regular(directory, name, path),
        FileType::Directory => return Ok(Looked::entry(path, Kind::Directory, found)),
        FileType::Symlink => {
            let target = readlinkat(&directory, name, Vec::new())?.into_bytes().into();
            return Ok(Looked::entry(path, Kind::Link { target }, found));
        }
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    Ok(Looked::finding(special(&path, what)))
}

/// A regular file: its length, and what its first bytes show.
fn regular(directory: impl AsFd, name: &CString, path: TreePath) -> io::Result<Looked> {
    // It could have been replaced: a link is not followed, and a FIFO not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let no_longer = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file any more");
    let opened = openat(directory, name, flags, Mode::empty());
    let mut file =
        fs::File::from(opened.map_err(|error| if error == Errno::LOOP { no_longer() } else { error.into() })?);
    let found = status(&rustix::fs::fstat(&file)?);
    if !found.is_file() {
        return Err(no_longer());
    }
    let (mut head, mut length) = ([0; HEAD_BYTES], 0);
    while length < HEAD_BYTES {
        match file.read(&mut head[length..])? {
            0 => break,
            read => length += read,
        }
    }
    let hard = (found.links > 1).then(|| Box::new(found.inode));
    Ok(Looked::entry(path, Kind::File { bytes: found.bytes, magic: Magic::of(&head[..length]), hard }, found))
}

impl Looked {
    fn entry(path: TreePath, kind: Kind, found: Status) -> Self {
        Self::Entry(Entry { path, kind, mode: found.mode, origin: Origin::Directory })
    }

    fn finding(finding: Finding) -> Self {
        Self::Finding(Box::new(finding))
    }
}

fn unreadable(path: &[u8], why: &io::Error) -> Finding {
    Finding::error(
        Code::Unreadable,
        Subject::Path(printable(path).into_owned()),
        format!("cannot be read, so it is left out: {why}"),
        "run as a user with permission to read it, or run chmod -R o+rX on the tree, which Lambda needs too",
    )
}
