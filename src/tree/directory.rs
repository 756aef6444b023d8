//! Reading a tree from a directory on disk.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::files::{file_findings, special};
use super::hashes::Hashes;
use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Source, Tree, narrow};
use crate::base::directory::{Status, status};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::path::{TreePath, printable};
use crate::base::subject::Subject;

/// How many directories are read before what was read of them is put in its place.
const DIRECTORIES_AT_ONCE: usize = 256;

/// Shorter contents are not looked up by their hashes, as compressing them takes no longer.
const MIN_SHORT: u64 = 512;

/// How many bytes a short content has, at most: opening a longer one takes little of the time in which it is read.
const MAX_SHORT: u64 = 64 << 10;

/// So many contents are hashed, at most: of a million, hashes would take much memory.
const MAX_HASHES: usize = 1 << 17;

/// How many names of a directory one core looks at, at least.
const NAMES_AT_ONCE: usize = 64;

/// What is done with short contents when a directory is read, besides looking at their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShortContents {
    /// Nothing.
    NotRead,
    /// They are read and hashed, so that none is opened again for what is found by its hash: opening a file takes longer than
    /// reading so little.
    Hashed,
}

/// Reads the directory `root` (that will be `/opt`) without following links and without changing anything.
///
/// Returns the tree and findings about special files, unreadable files (left out of the tree), names that are not UTF-8,
/// hard links and dangling links.
///
/// # Errors
/// When `root` itself is missing, is not a directory or cannot be listed.
pub fn scan_directory(root: &Path) -> Result<(Tree, Vec<Finding>)> {
    scan_directory_and(root, ShortContents::NotRead)
}

/// The same, with short contents hashed or not.
///
/// # Errors
/// As for [`scan_directory`].
pub fn scan_directory_and(root: &Path, short: ShortContents) -> Result<(Tree, Vec<Finding>)> {
    let metadata = fs::metadata(root).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::RootMissing(root.to_owned()),
        _ => Error::io("read", root)(e),
    })?;
    if !metadata.is_dir() {
        return Err(Error::NotATree(root.to_owned()));
    }
    fs::read_dir(root).map_err(Error::io("list", root))?;

    let (mut entries, mut findings, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    // One level of the tree after the other, some directories at a time: what is read of them is moved, and not kept twice.
    let mut level = vec![TreePath::default()];
    while !level.is_empty() {
        let mut next = Vec::new();
        for directories in level.chunks(DIRECTORIES_AT_ONCE) {
            let short = if hashes.len() < MAX_HASHES { short } else { ShortContents::NotRead };
            let listed: Vec<Vec<Looked>> =
                directories.par_iter().map(|directory| list(root, directory, short)).collect();
            for looked in listed.into_iter().flatten() {
                match looked {
                    Looked::Entry(mut entry, hash) => {
                        if entry.is_directory() {
                            next.push(entry.path.clone());
                        }
                        if let Some(hash) = hash {
                            entry.origin = Origin::Directory { hash: Some(narrow(hashes.len())) };
                            hashes.push(*hash);
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
    let tree = Tree { hashes: Hashes::of_short(hashes), ..tree };
    findings.extend(file_findings(&tree, root));
    Ok((tree, findings))
}

/// What one name in a directory is.
enum Looked {
    /// With the hash of the content, if it was hashed.
    Entry(Entry, Option<Box<blake3::Hash>>),
    Finding(Box<Finding>),
}

/// Every name in a directory, which is opened once: the names in it are then found without its path. Each file's first bytes are
/// read, so that unreadable files are known before anything else is done.
fn list(root: &Path, directory: &TreePath, short: ShortContents) -> Vec<Looked> {
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
        look(&opened, name, *kind, path.clone(), short)
            .unwrap_or_else(|error| Looked::finding(unreadable(path.as_bytes(), &error)))
    };
    looked.par_extend(names.par_iter().with_min_len(NAMES_AT_ONCE).zip(paths).map(look));
    looked
}

/// What a name in an open directory is. `kind` is what the directory has of it, which can be nothing.
fn look(
    directory: impl AsFd,
    name: &CString,
    kind: FileType,
    path: TreePath,
    short: ShortContents,
) -> io::Result<Looked> {
    if kind == FileType::RegularFile {
        return regular(directory, name, path, short);
    }
    let found = status(&statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?);
    let what = match found.kind {
        FileType::RegularFile => return regular(directory, name, path, short),
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

/// A regular file: its length, what its first bytes show, and the hash of its content.
fn regular(directory: impl AsFd, name: &CString, path: TreePath, short: ShortContents) -> io::Result<Looked> {
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
    let is_hashed = short == ShortContents::Hashed && (MIN_SHORT..=MAX_SHORT).contains(&found.bytes);
    let most = if is_hashed { usize::try_from(found.bytes).unwrap_or(usize::MAX) } else { HEAD_BYTES };
    let (magic, hash) = with_first_bytes(&mut file, most, |first| {
        let magic = Magic::of(&first[..first.len().min(HEAD_BYTES)]);
        // An ELF file is read as a whole later. One that became shorter meanwhile is found when it is read again.
        let is_whole = is_hashed && first.len() as u64 == found.bytes && magic != Magic::Elf;
        (magic, is_whole.then(|| Box::new(blake3::hash(first))))
    })?;
    let hard = (found.links > 1).then(|| Box::new(found.inode));
    let kind = Kind::File { bytes: found.bytes, magic, hard };
    Ok(Looked::Entry(Entry { path, kind, mode: found.mode, origin: Origin::Directory { hash: None } }, hash))
}

/// Calls `with` with the first bytes of a file, at most `most`, in a buffer of this thread.
fn with_first_bytes<T>(file: &mut fs::File, most: usize, with: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < most {
            buffer.resize(most, 0);
        }
        let mut length = 0;
        while length < most {
            match file.read(&mut buffer[length..most])? {
                0 => break,
                read => length += read,
            }
        }
        Ok(with(&buffer[..length]))
    })
}

impl Looked {
    fn entry(path: TreePath, kind: Kind, found: Status) -> Self {
        Self::Entry(Entry { path, kind, mode: found.mode, origin: Origin::Directory { hash: None } }, None)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_contents_are_hashed_as_they_are_and_keep_their_hashes_where_entries_move() {
        let home = tempfile::tempdir().expect("a directory");
        let text = |bytes: u64| "again ".repeat(20_000).into_bytes()[..usize::try_from(bytes).expect("short")].to_vec();
        let lengths = [0, 1, MIN_SHORT - 1, MIN_SHORT, 3000, MAX_SHORT, MAX_SHORT + 1];
        fs::create_dir_all(home.path().join("b/c")).expect("made");
        for bytes in lengths {
            for directory in ["", "b", "b/c"] {
                let content = [directory.as_bytes(), &text(bytes)].concat();
                fs::write(home.path().join(directory).join(format!("{bytes}")), &content[..text(bytes).len()])
                    .expect("written");
            }
        }
        fs::write(home.path().join("elf"), [b"\x7fELF".as_slice(), &text(3000)].concat()).expect("written");
        fs::write(home.path().join("script"), [b"#!/bin/sh\n".as_slice(), &text(3000)].concat()).expect("written");
        std::os::unix::fs::symlink("3000", home.path().join("link")).expect("linked");
        let (tree, _) = scan_directory(home.path()).expect("read");
        assert!(tree.iter().all(|(id, _)| tree.known_hash(id).is_none()));
        let (mut tree, _) = scan_directory_and(home.path(), ShortContents::Hashed).expect("read");
        let hashed = |tree: &Tree| {
            let known = |id| Some((tree.path(id).to_string(), tree.known_hash(id)?));
            tree.iter().filter_map(|(id, _)| known(id)).collect::<Vec<_>>()
        };
        let found = hashed(&tree);
        assert_eq!(found.len(), 3 * 3 + 1, "{found:?}");
        for (path, hash) in found {
            assert_eq!(hash, blake3::hash(&fs::read(home.path().join(&path)).expect("read")), "{path}");
        }
        let script = tree.find(&TreePath::new(b"script").expect("a path")).expect("there");
        assert!(
            matches!(&tree.entry(script).kind, Kind::File { magic: Magic::Script(rest), .. } if **rest == *b"/bin/sh")
        );
        // Ids are others when files are added, and a replaced content has no hash.
        let added = |path: &str| TreePath::new(path.as_bytes()).expect("a path");
        tree.add_files(vec![(added("a"), crate::base::part::Content::Bytes(text(600)))]).expect("added");
        let script = tree.find(&added("script")).expect("there");
        assert_eq!(tree.known_hash(script), Some(blake3::hash(&tree.read(script).expect("read"))));
        tree.replace(script, text(700));
        assert_eq!(tree.known_hash(script), None);
        assert_eq!(hashed(&tree).len(), 3 * 3);
    }
}
