//! Reads a zip that was written with a reader that shares no code with the writer, and compares it with the plan: the names and
//! their order, methods, lengths, modes, CRC-32 and targets of links, and every compressed byte.
//!
//! The compressed bytes of each entry are compared, by their hashes, with those of which it was verified that they inflate to the
//! content of that CRC-32, by an inflater that shares no code with what compressed them: in this run when they were made, or in
//! the run that signed them in this user's cache (`measure/engine.rs`, `measure/signing.rs`). So no byte has to be inflated twice, and
//! whatever happens to one on its way through the temporary file, the cache and the zip is found.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rayon::prelude::*;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::zip::unix_mode;
use crate::base::error::{Error, Result};
use crate::pack::Layer;
use crate::pack::measure::{Measured, Measurements, Method};
use crate::tree::{Entry, Kind, Tree};

/// How many bytes are read ahead of a short read.
const AHEAD_BYTES: usize = 32 << 10;

/// How many bytes are read at once.
const PART_BYTES: usize = 64 << 10;

/// Reads back the zip of a layer, on all cores. `hashes` are those of the compressed bytes of its entries; the path is only for
/// messages.
///
/// # Errors
/// When it cannot be read, or is not what was planned.
pub(super) fn read_back(
    (file, path): (&File, &Path),
    tree: &Tree,
    layer: &Layer,
    (measurements, hashes): (&Measurements, &[blake3::Hash]),
) -> Result<()> {
    let wrong = |what: String| Error::Data {
        file: path.display().to_string(),
        message: format!("was read back after it was written, and is not what was planned: {what}"),
        help: "check the disk, and pack again; if the same happens on another disk, please report it".to_owned(),
    };
    let end = file.metadata().map_err(Error::io("read", path))?.len();
    if end != layer.zipped_bytes {
        return Err(wrong(format!("it has {end} bytes instead of {}", layer.zipped_bytes)));
    }
    let archive = ZipArchive::new(Positioned::new(file, end)).map_err(|error| wrong(error.to_string()))?;
    if archive.len() != layer.entries.len() {
        return Err(wrong(format!("it has {} entries instead of {}", archive.len(), layer.entries.len())));
    }
    if hashes.len() != layer.entries.len() {
        return Err(wrong(format!("{} of its entries were written", hashes.len())));
    }
    // Neighbours are read by one thread, so that there are few copies of the archive's position.
    layer.entries.par_iter().zip(hashes).enumerate().with_min_len(16).try_for_each_init(
        || (archive.clone(), vec![0; PART_BYTES]),
        |(archive, buffer), (index, (id, hash))| {
            let entry = tree.entry(*id);
            let wrong = |why| wrong(format!("{}: {why}", entry.path));
            if let Kind::Link { target } = &entry.kind {
                let found = archive.by_index(index).map_err(|error| error.to_string());
                found.and_then(|found| leads_to(found, target)).map_err(wrong)?;
            }
            let found = archive.by_index_raw(index).map_err(|error| error.to_string());
            found.and_then(|found| compare(found, (entry, measurements.get(*id)), hash, buffer)).map_err(wrong)
        },
    )
}

/// Compares an entry of the zip with what was planned; what is read of it is its compressed bytes.
fn compare<R: Read>(
    mut found: ZipFile<'_, R>,
    (entry, measured): (&Entry, Option<&Measured>),
    hash: &blake3::Hash,
    buffer: &mut [u8],
) -> std::result::Result<(), String> {
    let name = [entry.path.as_bytes(), if entry.is_directory() { b"/" } else { b"" }].concat();
    if found.name_raw() != name {
        return Err(format!("its name is {:?}", String::from_utf8_lossy(found.name_raw())));
    }
    if found.unix_mode() != Some(unix_mode(entry)) {
        return Err(format!("its mode is {:o}", found.unix_mode().unwrap_or(0)));
    }
    let (bytes, compressed, crc32) = measured.map_or((0, 0, 0), |m| (m.bytes, m.compressed, m.crc32));
    let method = match measured.map(|m| m.method) {
        Some(Method::Deflated) => zip::CompressionMethod::Deflated,
        _ => zip::CompressionMethod::Stored,
    };
    if (found.size(), found.compressed_size(), found.crc32()) != (bytes, compressed, crc32)
        || found.compression() != method
    {
        return Err("its lengths, checksum or method are others".to_owned());
    }
    let (mut there, mut length) = (blake3::Hasher::new(), 0);
    loop {
        match found.read(buffer).map_err(|error| error.to_string())? {
            0 => break,
            read => {
                there.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
    if length != compressed {
        return Err(format!("it has {length} compressed bytes"));
    }
    if there.finalize() != *hash {
        return Err("its compressed bytes are not those that inflate to its content".to_owned());
    }
    Ok(())
}

/// Whether an entry of the zip inflates to this target of a link.
fn leads_to<R: Read>(found: ZipFile<'_, R>, target: &[u8]) -> std::result::Result<(), String> {
    let mut content = Vec::with_capacity(target.len());
    found.take(target.len() as u64 + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content == target { Ok(()) } else { Err("it leads to another target".to_owned()) }
}

/// A file with a position of its own, so that several threads can read it. Headers are read with what follows them: that is most
/// often the next thing to be read.
struct Positioned<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    /// What was read ahead, and where it is in the file.
    ahead: Vec<u8>,
    ahead_at: u64,
}

impl<'a> Positioned<'a> {
    fn new(file: &'a File, end: u64) -> Self {
        Self { file, at: 0, end, ahead: Vec::new(), ahead_at: 0 }
    }

    /// What was read ahead from the position on; nothing if that is elsewhere.
    fn left(&self) -> &[u8] {
        let from = self.at.checked_sub(self.ahead_at).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.ahead.get(from..)).unwrap_or_default()
    }

    fn read_ahead(&mut self) -> std::io::Result<()> {
        self.ahead.resize(AHEAD_BYTES, 0);
        let read = self.file.read_at(&mut self.ahead, self.at);
        self.ahead.truncate(read.as_ref().map_or(0, |read| *read));
        self.ahead_at = self.at;
        read.map(drop)
    }
}

impl Clone for Positioned<'_> {
    fn clone(&self) -> Self {
        Self { at: self.at, ..Self::new(self.file, self.end) }
    }
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left().is_empty() && buffer.len() < AHEAD_BYTES {
            self.read_ahead()?;
        }
        let left = self.left();
        let read = if left.is_empty() {
            self.file.read_at(buffer, self.at)?
        } else {
            let read = left.len().min(buffer.len());
            buffer[..read].copy_from_slice(&left[..read]);
            read
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base::progress::Silent;
    use crate::pack::measure::{Check, Level, Options, Want, ZIP_OVERHEAD};
    use crate::pack::output::zip::write_zip;
    use crate::pack::rewrite::Transforms;

    #[test]
    fn a_byte_that_is_not_as_planned_is_found_wherever_it_is() {
        let home = tempfile::tempdir().expect("a directory");
        let root = home.path().join("opt");
        fs::create_dir_all(root.join("empty")).expect("made");
        fs::write(root.join("stored"), "abc").expect("written");
        fs::write(root.join("deflated"), "the same again ".repeat(40)).expect("written");
        symlink("stored", root.join("link")).expect("linked");
        let (tree, _) = crate::tree::scan_directory(&root).expect("read");
        let transforms = Transforms::default();
        let options = Options {
            longest: 1 << 30,
            unzipped: 1 << 30,
            level: Level::Default,
            transforms: &transforms,
            cache: None,
            shared: None,
            want: Want::Bytes,
            weigh: false,
        };
        let (measurements, _) = Measurements::take(&tree, |_| true, options, &Silent).expect("measured");
        let entries: Vec<_> = tree.iter().map(|(id, _)| id).collect();
        let length = |id: &crate::tree::EntryId| {
            let entry = tree.entry(*id);
            let overhead = crate::pack::measure::entry_overhead(&entry.path, entry.is_directory());
            overhead + measurements.get(*id).map_or(0, |measured| measured.compressed)
        };
        let layer = Layer {
            name: "layer-1".to_owned(),
            units: Vec::new(),
            zipped_bytes: ZIP_OVERHEAD + entries.iter().map(length).sum::<u64>(),
            unzipped_bytes: 0,
            entries,
        };
        let path = home.path().join("layer-1.zip");
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).expect("opened");
        let (_, hashes) = write_zip((&open(), &path), (&tree, &layer), (&measurements, Check::Later)).expect("written");
        let check = || read_back((&open(), &path), &tree, &layer, (&measurements, &hashes));
        check().expect("as planned");
        let whole = fs::read(&path).expect("read");
        // Contents, names, modes, lengths, checksums and offsets: everything in the central directory but versions, dates,
        // comments, disks and internal attributes, and what follows each local header's 26 fixed bytes.
        let mut compared = Vec::new();
        for (at, _) in whole.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x01\x02") {
            let name = usize::from(whole[at + 28]);
            let number = |from: usize| u32::from_le_bytes(whole[from..from + 4].try_into().expect("four")) as usize;
            compared.extend([10..12, 16..28, 40..42, 42..46, 46..46 + name].into_iter().flatten().map(|o| at + o));
            let local = number(at + 42);
            compared.extend(local + 30 + name..local + 30 + name + number(at + 20));
        }
        assert!(compared.len() > 100);
        for at in compared {
            let mut other = whole.clone();
            // Also where what deflate wrote has bits that mean nothing.
            for bit in [1, 0x80] {
                other[at] = whole[at] ^ bit;
                fs::write(&path, &other).expect("written");
                assert!(check().is_err(), "byte {at}");
            }
        }
        for cut in [1, 22, whole.len() / 2] {
            fs::write(&path, &whole[..whole.len() - cut]).expect("written");
            assert!(check().is_err(), "{cut}");
        }
    }
}
