//! A tree from layer zips, merged as Lambda merges them.
//!
//! "Lambda extracts the layers in the order (low to high) listed by the function … if the same file appears in multiple
//! layers, the function uses the version in the last extracted layer" (AWS Lambda Developer Guide, layers). Nothing is
//! unpacked to disk; contents are read with the limits the central directory promises.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use super::{Entry, HEAD_BYTES, Kind, Magic, Origin, Source, Tree, implied_directories, link_findings};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::path::{TreePath, printable};

/// A link's target longer than this is no path (PATH_MAX, limits.h), so an entry that claims it is not read.
const MAX_LINK_BYTES: u64 = 4096;

/// An entry longer than this is not read: it is over every limit of Lambda (`rules/limits.toml`) twice.
const MAX_READ_BYTES: u64 = 1 << 29;

/// What `check` must know of one zip besides its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerZip {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes: what the direct-upload limit counts.
    pub zipped_bytes: u64,
    /// The sum of its entries' lengths in bytes: what the unzipped limit counts.
    pub unzipped_bytes: u64,
    /// How many entries it has.
    pub entries: usize,
    /// The sha256 of the zip, in hexadecimal.
    pub sha256: String,
}

/// Reads `zips`, lowest layer first, into the tree that a function would see at `/opt`.
///
/// Gives the tree, what each zip weighs, and findings about zips that cannot be read, entries that would land outside
/// `/opt`, names that occur twice, and files that a later layer replaces with other content.
///
/// # Errors
/// When a zip cannot be opened or read from disk; a zip that is damaged is a finding.
pub fn scan_zips(zips: &[PathBuf]) -> Result<(Tree, Vec<LayerZip>, Vec<Finding>)> {
    let mut findings = Vec::new();
    let mut layers = Vec::new();
    let mut archives = Vec::new();
    let mut merged: BTreeMap<TreePath, (Entry, u32)> = BTreeMap::new();

    for path in zips {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let zipped_bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let sha256 = sha256_of(path)?;
        let mut layer = LayerZip { path: path.clone(), zipped_bytes, unzipped_bytes: 0, entries: 0, sha256 };
        let mut archive = match ZipArchive::new(file) {
            Ok(archive) => archive,
            Err(error) => {
                findings.push(damaged(path.display(), &error));
                layers.push(layer);
                continue;
            }
        };
        if archive.has_duplicate_names() {
            findings.push(Finding::error(
                Code::DuplicateEntry,
                path.display(),
                "a name occurs more than once: which of them is used depends on who unzips",
                "make the zip anew, each name once",
            ));
        }
        layer.entries = archive.len();
        let number = archives.len();
        for index in 0..archive.len() {
            match read_entry(path, &mut archive, number, index) {
                Ok(Some((entry, crc))) => {
                    layer.unzipped_bytes += entry.bytes();
                    if let Some(finding) = replaced(&merged, path, &entry, crc) {
                        findings.push(finding);
                    }
                    if !entry.path.is_root() {
                        merged.insert(entry.path.clone(), (entry, crc));
                    }
                }
                Ok(None) => {}
                Err(finding) => findings.push(finding),
            }
        }
        layers.push(layer);
        archives.push((path.clone(), Mutex::new(archive)));
    }

    let mut entries: Vec<Entry> = merged.into_values().map(|(entry, _)| entry).collect();
    entries.extend(implied_directories(&entries));
    let tree = Tree::new(entries, Source::Zips(archives));
    if tree.entries().is_empty() {
        findings.push(Finding::error(
            Code::EmptyTree,
            "layers",
            "the layers hold nothing",
            "name the zips to check, lowest layer first",
        ));
    }
    findings.extend(link_findings(&tree));
    Ok((tree, layers, findings))
}

/// One entry with its CRC-32; `Err` is a finding about it.
fn read_entry(
    zip: &Path,
    archive: &mut ZipArchive<File>,
    number: usize,
    index: usize,
) -> std::result::Result<Option<(Entry, u32)>, Finding> {
    let subject = |name: &[u8]| format!("{}: {}", zip.display(), printable(name));
    let mut file = archive.by_index(index).map_err(|error| {
        let at = format!("{}: entry {index}", zip.display());
        damaged(at, &error)
    })?;
    let raw = file.name_raw().to_vec();
    let escapes = raw.starts_with(b"/") || raw.split(|b| *b == b'/').any(|part| part == b"..");
    let Some(path) = TreePath::new(&raw).filter(|_| !escapes) else {
        return Err(Finding::error(
            Code::EntryEscapes,
            subject(&raw),
            "the name would put the entry outside /opt; it is passed over",
            "make the zip from inside the directory that will be /opt, so that names are relative",
        ));
    };
    let mode = file.unix_mode();
    let read_failed = |error: std::io::Error| damaged(subject(&raw), &error);
    let kind = if file.is_dir() {
        Kind::Directory
    } else if file.is_symlink() {
        let mut target = Vec::new();
        file.by_ref().take(MAX_LINK_BYTES + 1).read_to_end(&mut target).map_err(read_failed)?;
        if target.len() as u64 > MAX_LINK_BYTES {
            return Err(damaged(subject(&raw), &"the link's target is longer than a path can be"));
        }
        Kind::Link { target }
    } else {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(read_failed)?;
        let bytes = file.size();
        // Reading to the end compares the CRC-32 and the length. A file that could not be in any layer is a finding by its
        // length alone, so a bomb that admits to what it is costs nothing, and one that lies ends at the length it claims.
        if bytes <= MAX_READ_BYTES {
            let rest = bytes.saturating_sub(head.len() as u64);
            let read = std::io::copy(&mut file.by_ref().take(rest + 1), &mut std::io::sink()).map_err(read_failed)?;
            if read != rest {
                return Err(damaged(subject(&raw), &"the entry is not as long as the zip says"));
            }
        }
        Kind::File { bytes, magic: Magic::of(&head), hard: None }
    };
    let default_mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
    let entry = Entry {
        path,
        kind,
        mode: mode.unwrap_or(default_mode) & 0o7777,
        origin: Origin::Zip { archive: number, index },
    };
    Ok(Some((entry, file.crc32())))
}

fn replaced(merged: &BTreeMap<TreePath, (Entry, u32)>, zip: &Path, new: &Entry, crc: u32) -> Option<Finding> {
    let (old, old_crc) = merged.get(&new.path)?;
    let same = match (&old.kind, &new.kind) {
        (Kind::Directory, Kind::Directory) => true,
        (Kind::File { bytes: a, .. }, Kind::File { bytes: b, .. }) => a == b && *old_crc == crc,
        (a, b) => a == b,
    };
    (!same).then(|| {
        Finding::warning(
            Code::Overwritten,
            &new.path,
            format!("{} replaces the file of a lower layer with other content", zip.display()),
            "keep the file in one layer only",
        )
    })
}

fn damaged(subject: impl ToString, why: &dyn std::fmt::Display) -> Finding {
    Finding::error(
        Code::DamagedZip,
        subject,
        format!("cannot be unzipped: {why}"),
        "make the zip anew: Lambda would say \"Could not unzip uploaded file\"",
    )
}

pub(super) fn unreadable(path: &Path, error: ZipError) -> Error {
    Error::Io { doing: "read an entry of", path: path.to_owned(), source: error.into() }
}

/// The sha256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        use std::fmt::Write;
        let _ = write!(out, "{byte:02x}");
        out
    })
}
