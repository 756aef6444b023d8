//! Layer zips, byte for byte as planned (PKWARE APPNOTE.TXT).
//!
//! The zip crate does not accept data that is already deflated, and chooses extra fields and descriptors itself; here each
//! entry is exactly its local header, its compressed bytes and its central header, so that the written length is the
//! planned one. Entries are sorted, their time is fixed, links stay links, and modes are what Lambda needs: "Lambda
//! requires global read permissions on code files and any dependent libraries"
//! (<https://www.repost.aws/knowledge-center/lambda-deployment-package-errors>).

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::FallocateFlags;
use sha2::{Digest, Sha256};

use super::manifest::ManifestEntry;
use crate::base::bytes::hex;
use crate::base::error::{Error, Result};
use crate::base::path::printable;
use crate::pack::Layer;
use crate::pack::measure::{Check, Measured, Measurements, Method};
use crate::tree::{Entry, Kind, Tree};

/// 1980-01-01 00:00, the earliest time of the format (4.4.6), so that the same input gives the same bytes.
const DOS_DATE: u16 = 0x0021;
/// "Made by" Unix (4.4.2), so that modes are used, with version 2.0.
const MADE_BY: u16 = 0x0314;
/// Version 2.0 is needed for deflate and directories (4.4.3).
const NEEDED: u16 = 20;
/// How many bytes are written at once. For more, Linux looks for contiguous memory, which can take longer than writing them.
const PART_BYTES: usize = 256 << 10;
/// Bit 11: the name is UTF-8 (4.4.4).
const UTF8: u16 = 1 << 11;

/// The permission bits and type that an entry has in the zip: readable by all; executables and directories 755.
pub(super) fn unix_mode(entry: &Entry) -> u32 {
    match entry.kind {
        Kind::Directory => 0o040_755,
        Kind::Link { .. } => 0o120_777,
        Kind::File { .. } if entry.is_executable() => 0o100_755,
        Kind::File { .. } => 0o100_644,
    }
}

/// A zip that was written.
pub struct Written {
    /// Its sha256, in hexadecimal.
    pub sha256: String,
    /// The manifest's records of its entries.
    pub entries: Vec<ManifestEntry>,
}

/// Writes a layer's zip to an empty file, whose path is only for messages, and syncs it to disk. `check` is when compressed bytes
/// are compared with their hashes.
///
/// Returns with it the hashes of the compressed bytes of its entries, from when these were made and it was verified that they inflate
/// to the contents: what they are to be in the zip.
///
/// # Errors
/// When the zip cannot be written, a file has changed since it was measured, or a length does not fit into the format's 32 bits.
pub(super) fn write_zip(
    (file, path): (&File, &Path),
    (tree, layer): (&Tree, &Layer),
    (measurements, check): (&Measurements, Check),
) -> Result<(Written, Vec<blake3::Hash>)> {
    // Finding room for each part by itself takes a third of the time of writing. It is only a hint, and its length stays 0.
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, layer.zipped_bytes);
    let file = std::io::BufWriter::with_capacity(PART_BYTES, file);
    let mut out = Sink { file, hash: Sha256::new(), written: 0 };
    let mut central = Vec::new();
    let mut entries = Vec::with_capacity(layer.entries.len());
    let mut hashes = Vec::with_capacity(layer.entries.len());
    let mut buffer = Vec::new();

    for id in &layer.entries {
        let entry = tree.entry(*id);
        let mut name = entry.path.as_bytes().to_vec();
        if entry.is_directory() {
            name.push(b'/');
        }
        let measured = measurements.get(*id);
        let (method, crc32, compressed, bytes) = match measured {
            Some(m) => (m.method, m.crc32, m.compressed, m.bytes),
            None => (Method::Stored, 0, 0, 0),
        };
        let flags = if name.is_ascii() || std::str::from_utf8(&name).is_err() { 0 } else { UTF8 };
        let mut common = Vec::with_capacity(26);
        for field in [NEEDED, flags, if method == Method::Deflated { 8 } else { 0 }, 0, DOS_DATE] {
            common.extend(field.to_le_bytes());
        }
        common.extend(crc32.to_le_bytes());
        common.extend(narrow(path, compressed)?.to_le_bytes());
        common.extend(narrow(path, bytes)?.to_le_bytes());
        common.extend(short(path, name.len())?.to_le_bytes());
        common.extend(0_u16.to_le_bytes()); // no extra fields

        let offset = narrow(path, out.written)?;
        buffer.clear();
        buffer.extend(0x0403_4b50_u32.to_le_bytes());
        buffer.extend(&common);
        buffer.extend(&name);
        out.write(&buffer).map_err(Error::io("write", path))?;
        let each = &mut |part: &[u8]| out.write(part).map_err(Error::io("write", path));
        hashes.push(measurements.compressed(tree, *id, check, each)?);

        central.extend(0x0201_4b50_u32.to_le_bytes());
        central.extend(MADE_BY.to_le_bytes());
        central.extend(&common);
        central.extend([0; 6]); // no comment, disk 0, internal attributes: binary
        let directory_bit = u32::from(entry.is_directory()) << 4; // for readers that know only MS-DOS
        central.extend((unix_mode(entry) << 16 | directory_bit).to_le_bytes());
        central.extend(offset.to_le_bytes());
        central.extend(&name);

        entries.push(manifest_entry(entry, measured));
    }

    let start = narrow(path, out.written)?;
    let count = short(path, layer.entries.len())?;
    let length = narrow(path, central.len() as u64)?;
    central.extend(0x0605_4b50_u32.to_le_bytes());
    central.extend([0; 4]); // this disk, and the one the directory starts on
    central.extend(count.to_le_bytes());
    central.extend(count.to_le_bytes());
    central.extend(length.to_le_bytes());
    central.extend(start.to_le_bytes());
    central.extend(0_u16.to_le_bytes()); // no comment
    out.write(&central).map_err(Error::io("write", path))?;

    out.file.flush().and_then(|()| out.file.get_ref().sync_all()).map_err(Error::io("write", path))?;
    Ok((Written { sha256: hex(&out.hash.finalize()), entries }, hashes))
}

/// The manifest's record of an entry.
fn manifest_entry(entry: &Entry, measured: Option<&Measured>) -> ManifestEntry {
    ManifestEntry {
        path: entry.path.to_string(),
        size: measured.map_or(0, |measured| measured.bytes),
        compressed: measured.map_or(0, |measured| measured.compressed),
        crc32: format!("{:08x}", measured.map_or(0, |measured| measured.crc32)),
        mode: format!("{:06o}", unix_mode(entry)),
        link: match &entry.kind {
            Kind::Link { target } => Some(printable(target).into_owned()),
            _ => None,
        },
    }
}

/// The manifest's records of a layer's entries, in the order of its zip.
pub(crate) fn layer_entries(tree: &Tree, layer: &Layer, measurements: &Measurements) -> Vec<ManifestEntry> {
    layer.entries.iter().map(|id| manifest_entry(tree.entry(*id), measurements.get(*id))).collect()
}

struct Sink<'a> {
    file: std::io::BufWriter<&'a File>,
    hash: Sha256,
    written: u64,
}

impl Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.written += bytes.len() as u64;
        // What is hashed is still in the processor's cache when it is written.
        bytes.chunks(PART_BYTES).try_for_each(|part| {
            self.hash.update(part);
            self.file.write_all(part)
        })
    }
}

/// Lambda's limits are far below those of zip without zip64, so a larger zip is refused.
fn narrow(path: &Path, value: u64) -> Result<u32> {
    u32::try_from(value).map_err(|_| too_large(path, "4 GiB"))
}

fn short(path: &Path, value: usize) -> Result<u16> {
    u16::try_from(value).ok().filter(|value| *value < u16::MAX).ok_or_else(|| too_large(path, "65,534 entries"))
}

fn too_large(path: &Path, limit: &str) -> Error {
    Error::Usage {
        message: format!("{}: a zip over {limit} needs zip64, which layerfit does not write", path.display()),
        help: "set --max-zipped to Lambda's limit, or drop files".to_owned(),
    }
}
