//! Measure: the exact raw and compressed length of every file. Each is deflated once, in parallel, and its compressed
//! bytes are kept (in a temporary file, so memory stays bounded) until they go into a zip.

mod gate;
mod spool;

use std::collections::BTreeMap;

use libdeflater::{CompressionLvl, Compressor};
use rayon::prelude::*;

use crate::error::Result;
use crate::path::TreePath;
use crate::progress::Progress;
use crate::scan::{EntryId, Kind, Tree};
use gate::Gate;
pub use spool::Spool;

/// libdeflate's level 6: measured on R trees it beats `zip -9` in bytes at a tenth of its time; higher levels gain under
/// half a percent (README, "Speed and size").
const LEVEL: i32 = 6;

/// How many bytes of file content may be in memory at once, whatever the number of cores. One larger file passes alone.
const BYTES_IN_FLIGHT: u64 = 128 << 20;

/// How an entry's bytes are stored in a zip (APPNOTE.TXT 4.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As they are (0): deflate would not make them fewer.
    Stored,
    /// Deflated (8).
    Deflated,
}

/// What a zip entry will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The content's length in bytes.
    pub bytes: u64,
    /// Its length in the zip, in bytes, without headers.
    pub compressed: u64,
    /// Its CRC-32.
    pub crc32: u32,
    /// How it is stored.
    pub method: Method,
    at: u64,
}

/// The lengths and compressed bytes of the files of a tree.
pub struct Measurements {
    files: BTreeMap<EntryId, Measured>,
    spool: Spool,
}

impl Measurements {
    /// Reads and deflates every regular file and link of the tree, on all cores of the current rayon pool.
    ///
    /// Files longer than `limit` bytes fit no layer and are left out.
    ///
    /// # Errors
    /// When a file cannot be read or has changed since the scan, or the temporary file cannot be written.
    pub fn take(tree: &Tree, limit: u64, progress: &dyn Progress) -> Result<Self> {
        let spool = Spool::new()?;
        let gate = Gate::new(BYTES_IN_FLIGHT);
        let mut ids: Vec<EntryId> = tree
            .iter()
            .filter(|(_, entry)| !entry.is_directory() && entry.bytes() <= limit)
            .map(|(id, _)| id)
            .collect();
        // The largest first, so that no core is left with a large file when the others are done.
        ids.sort_by_key(|id| (std::cmp::Reverse(tree.entry(*id).bytes()), *id));
        progress.stage("compressing", ids.iter().map(|id| tree.entry(*id).bytes()).sum());
        let files = ids
            .into_par_iter()
            // One at a time: splitting by halves would undo the order.
            .by_uniform_blocks(64)
            .map_init(compressor, |compressor, id| {
                let entry = tree.entry(id);
                let _held = gate.pass(entry.bytes());
                let measured = match &entry.kind {
                    Kind::Link { target } => measure(target, compressor, &spool)?,
                    _ => measure(&tree.read(id)?, compressor, &spool)?,
                };
                progress.advance(entry.bytes());
                Ok((id, measured))
            })
            .collect::<Result<BTreeMap<_, _>>>()?;
        progress.done();
        Ok(Self { files, spool })
    }

    /// What a file or link measures; `None` for a directory or a file too large for any layer.
    pub fn get(&self, id: EntryId) -> Option<&Measured> {
        self.files.get(&id)
    }

    /// Adds the compressed bytes of a file to `out`.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn compressed(&self, measured: &Measured, out: &mut Vec<u8>) -> Result<()> {
        self.spool.read(measured.at, measured.compressed, out)
    }
}

fn compressor() -> Compressor {
    Compressor::new(CompressionLvl::new(LEVEL).unwrap_or_default())
}

fn measure(content: &[u8], compressor: &mut Compressor, spool: &Spool) -> Result<Measured> {
    let mut deflated = vec![0; compressor.deflate_compress_bound(content.len())];
    let length = compressor.deflate_compress(content, &mut deflated).unwrap_or(usize::MAX);
    let (method, stored) = match deflated.get(..length) {
        Some(deflated) if length < content.len() => (Method::Deflated, deflated),
        _ => (Method::Stored, content),
    };
    Ok(Measured {
        bytes: content.len() as u64,
        compressed: stored.len() as u64,
        crc32: crc32fast::hash(content),
        method,
        at: spool.append(stored)?,
    })
}

/// Header bytes of an entry besides its compressed content: local header (30) and central header (46), each with the name
/// (APPNOTE.TXT 4.3.7 and 4.3.12). layerfit writes no extra fields, comments or data descriptors.
pub fn entry_overhead(path: &TreePath, is_directory: bool) -> u64 {
    30 + 46 + 2 * (path.as_bytes().len() as u64 + u64::from(is_directory))
}

/// Bytes of a zip besides its entries: the end of central directory record (APPNOTE.TXT 4.3.16).
pub const ZIP_OVERHEAD: u64 = 22;
