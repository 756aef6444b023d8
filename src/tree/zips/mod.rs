//! Reading a tree from layer zips, merged as Lambda merges them.
//!
//! "Lambda extracts the layers in the order (low to high) listed by the function … if the same file appears in multiple
//! layers, the function uses the version in the last extracted layer" (AWS Lambda Developer Guide, layers). Nothing is
//! unpacked to disk: `archive.rs` reads one zip within bounds, `integrity.rs` reports its problems, and `merge.rs` those
//! between layers.

mod archive;
mod integrity;
mod merge;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub(in crate::tree) use archive::Archive;
use archive::{Member, Unread};
use merge::Merged;
pub use merge::PackageDirectory;

use super::files::name_findings;
use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Source, Tree, implied_directories, link_findings, narrow};
use crate::base::bytes::hex;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::read;
use crate::base::subject::Subject;

/// The longest zip without zip64 in bytes (APPNOTE 4.4.24): what is longer is not hashed.
const MAX_ZIP: u64 = 1 << 32;

/// The maximum length of a link's target in bytes (PATH_MAX, limits.h).
const MAX_LINK_BYTES: u64 = 4096;

/// One layer's zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerZip {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes, which counts against the direct-upload limit.
    pub zipped_bytes: u64,
    /// The sum of its entries' lengths in bytes, which counts against the unzipped limit.
    pub unzipped_bytes: u64,
    /// How many entries it has.
    pub entries: usize,
    /// The sha256 of the zip, in hexadecimal.
    pub sha256: String,
    /// Its entries without those that are ignored, sorted by path.
    pub contents: Vec<LayerEntry>,
}

/// An entry of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEntry {
    /// Where it is.
    pub path: TreePath,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its length in the zip in bytes, without headers.
    pub compressed: u64,
    /// Its CRC-32.
    pub crc32: u32,
    /// File type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Its target, when it is a link.
    pub link: Option<Vec<u8>>,
}

impl LayerEntry {
    /// Whether it is of a directory.
    pub fn is_directory(&self) -> bool {
        rustix::fs::FileType::from_raw_mode(self.mode).is_dir()
    }
}

/// Reads `zips`, lowest layer first, into the tree that a function would see at `/opt`.
///
/// Contents longer than `longest` bytes, the limit for all content unzipped, are not read; nor is the rest of a zip that has
/// more than four times as much. `package_directory` recognizes packages by their files, so that a finding can name a package instead of each file.
///
/// Returns the tree, the zips with their sizes, and findings: unreadable zips and entries, entries that unzip programs
/// treat differently, entries that would be extracted outside `/opt`, files that Lambda cannot read, and collisions
/// between layers.
///
/// # Errors
/// When a zip cannot be opened or read from disk, or is longer than any zip without zip64; a zip that is damaged is a finding.
pub fn scan_zips(
    zips: &[PathBuf],
    longest: u64,
    package_directory: PackageDirectory,
) -> Result<(Tree, Vec<LayerZip>, Vec<Finding>)> {
    let mut findings = Vec::new();
    let mut layers = Vec::new();
    let mut archives: Vec<Archive> = Vec::new();
    let mut merged = Merged::default();

    for path in zips {
        let file = read::regular(path)?;
        let zipped_bytes = file.metadata().map_err(Error::io("read", path))?.len();
        if zipped_bytes > MAX_ZIP {
            return Err(Error::TooLarge { path: path.clone(), most: MAX_ZIP });
        }
        let sha256 = sha256_of(path)?;
        let mut layer =
            LayerZip { path: path.clone(), zipped_bytes, unzipped_bytes: 0, entries: 0, sha256, contents: Vec::new() };
        let mut archive = match Archive::open(path, file, longest) {
            Ok(archive) => archive,
            Err(why) => {
                findings.push(integrity::damaged(Subject::layer(path.display()), &why));
                layers.push(layer);
                continue;
            }
        };
        findings.extend(integrity::findings(&mut archive, zipped_bytes));
        layer.entries = archive.members.len();
        let number = archives.len();
        let read: Vec<_> = archive.members.par_iter().enumerate().map(|at| read_member(&archive, number, at)).collect();
        for (index, read) in read.into_iter().enumerate() {
            layer.unzipped_bytes = layer.unzipped_bytes.saturating_add(archive.members[index].bytes);
            match read {
                Ok(Some(entry)) => {
                    layer.contents.push(layer_entry(&entry, &archive.members[index]));
                    merged.insert(entry, number, archive.members[index].crc32);
                }
                Ok(None) => {}
                Err(finding) => findings.push(finding),
            }
        }
        layer.contents.sort_by(|a, b| a.path.cmp(&b.path));
        layers.push(layer);
        archives.push(archive);
    }

    let names: Vec<String> = archives.iter().map(|archive| archive.path().display().to_string()).collect();
    findings.extend(merged.findings(&names, package_directory));
    let mut entries = merged.into_entries();
    entries.extend(implied_directories(&entries));
    let tree = Tree::new(entries, Source::Zips(archives));
    // One that cannot be read has a finding of its own.
    if tree.entries().is_empty() && names.len() == layers.len() {
        findings.push(Finding::error(
            Code::EmptyTree,
            Subject::whole("layers"),
            "the layers are empty",
            "name the zips to check, lowest layer first",
        ));
    }
    findings.extend(name_findings(&tree));
    findings.extend(link_findings(&tree));
    Ok((tree, layers, findings))
}

/// One member as an entry, with its content verified; `None` for one that `integrity` has reported. `Err` is a finding
/// about it.
fn read_member(
    archive: &Archive,
    number: usize,
    (index, member): (usize, &Member),
) -> std::result::Result<Option<Entry>, Finding> {
    let Some(path) = integrity::path(member).filter(|path| !path.is_root() && !member.is_special()) else {
        return Ok(None);
    };
    let broken = |why: String| integrity::damaged(Subject::entry(archive.path().display(), &member.name), &why);
    let kind = if member.is_directory() {
        // Its content is empty, and so has a length and a CRC-32, which unzip programs check.
        if member.unread.is_none() {
            archive.verify(member, 0).map_err(broken)?;
        }
        Kind::Directory
    } else if member.is_link() {
        if member.bytes > MAX_LINK_BYTES {
            return Err(broken("the link's target is longer than the longest path".to_owned()));
        }
        if member.unread == Some(Unread::Untrusted) {
            return Ok(None);
        }
        Kind::Link { target: archive.verify(member, MAX_LINK_BYTES).map_err(broken)?.into() }
    } else {
        let head = match member.unread {
            Some(_) => Vec::new(),
            None => archive.verify(member, HEAD_BYTES as u64).map_err(broken)?,
        };
        Kind::File { bytes: member.bytes, magic: Magic::of(&head), hard: None }
    };
    Ok(Some(Entry {
        path,
        kind,
        mode: member.mode & 0o7777,
        origin: Origin::Zip { archive: narrow(number), index: narrow(index) },
    }))
}

fn layer_entry(entry: &Entry, member: &Member) -> LayerEntry {
    let (kind, link) = match &entry.kind {
        Kind::Directory => (0o040_000, None),
        Kind::File { .. } => (0o100_000, None),
        Kind::Link { target } => (0o120_000, Some(target.to_vec())),
    };
    LayerEntry {
        path: entry.path.clone(),
        bytes: if entry.is_directory() { 0 } else { member.bytes },
        compressed: member.compressed,
        crc32: member.crc32,
        mode: kind | entry.mode,
        link,
    }
}

/// The sum of the lengths of a zip's entries in bytes, as its directory lists them; `None` if it cannot be read as a zip.
pub(super) fn unzipped_size(zip: &Path) -> Option<u64> {
    let archive = Archive::open(zip, read::regular(zip).ok()?, 0).ok()?;
    Some(archive.members.iter().fold(0_u64, |sum, member| sum.saturating_add(member.bytes)))
}

/// The texts of the files in a zip whose names are wanted, by these names: at most so many, of at most so many bytes each. Empty if
/// it cannot be read as a zip.
pub(super) fn texts(
    zip: &Path,
    is_wanted: impl Fn(&str) -> bool,
    (most, longest): (usize, u64),
) -> BTreeMap<String, String> {
    let archive = read::regular(zip).ok().and_then(|file| Archive::open(zip, file, longest).ok());
    let Some(archive) = archive else { return BTreeMap::new() };
    let text = |(index, member): (usize, &Member)| {
        let name = std::str::from_utf8(&member.name).ok().filter(|name| is_wanted(name) && member.bytes <= longest)?;
        let content = archive.read(index).ok()?;
        Some((name.to_owned(), String::from_utf8_lossy(&content).into_owned()))
    };
    archive.members.iter().enumerate().filter_map(text).take(most).collect()
}

/// The sha256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    sha256(read::regular(path)?).map_err(Error::io("read", path))
}

/// The sha256 of what a file has from its position on, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn sha256(mut file: File) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}
