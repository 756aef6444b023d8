//! The zip of a layer, written and read back. Compressed bytes of the cache, and contents that are stored, are compared with their
//! hashes where they were written: that is once in nearly every run. If something of the zip is not as planned, it is written again
//! from bytes that are compared before, so that what is damaged in the cache is made again.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use super::read_back::read_back;
use super::zip::{Written, write_zip};
use crate::base::error::{Error, Result};
use crate::pack::Layer;
use crate::pack::measure::{Check, Measurements};
use crate::tree::Tree;

/// Writes a layer's zip to an empty file, whose path is only for messages, syncs it to disk, and reads it back.
///
/// # Errors
/// When the zip cannot be written or read, is not what was planned, a file has changed since it was measured, or a length does not
/// fit into the format's 32 bits.
pub fn write_layer(
    (mut file, path): (&File, &Path),
    tree: &Tree,
    layer: &Layer,
    measurements: &Measurements,
) -> Result<Written> {
    let write = |check| {
        let (written, hashes) = write_zip((file, path), (tree, layer), (measurements, check))?;
        let is_right = read_back((file, path), tree, layer, (measurements, &hashes));
        Ok((written, is_right))
    };
    if let (written, Ok(())) = write(Check::Later)? {
        return Ok(written);
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(Error::io("write", path))?;
    let (written, is_right) = write(Check::First)?;
    is_right.map(|()| written)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::progress::Silent;
    use crate::pack::measure::{Cache, Level, Options, Want, ZIP_OVERHEAD, entry_overhead};
    use crate::pack::rewrite::Transforms;

    #[test]
    fn what_was_damaged_in_the_cache_after_it_was_measured_is_made_again_for_the_zip() {
        let home = tempfile::tempdir().expect("a directory");
        let (root, caches, state) = (home.path().join("opt"), home.path().join("cache"), home.path().join("state"));
        fs::create_dir(&root).expect("made");
        let noise: Vec<u8> = (0..700_u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        fs::write(root.join("long"), "again ".repeat(9000)).expect("written");
        fs::write(root.join("noise"), &noise).expect("written");
        fs::write(root.join("short"), "again ".repeat(900)).expect("written");
        let (tree, _) = crate::tree::scan_directory(&root).expect("read");
        let transforms = Transforms::default();
        let take = || {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level: Level::Default,
                transforms: &transforms,
                cache: Some(Cache::signing_at(&caches, &state)),
                shared: None,
                want: Want::Bytes,
                weigh: false,
            };
            Measurements::take(&tree, |_| true, options, &Silent).expect("measured").0
        };
        let path = home.path().join("layer-1.zip");
        let write = |measurements: &Measurements| {
            let entries: Vec<_> = tree.iter().map(|(id, _)| id).collect();
            let compressed = |id| measurements.get(id).map_or(0, |measured| measured.compressed);
            let length = |id| entry_overhead(tree.path(id), false) + compressed(id);
            let layer = Layer {
                name: "layer-1".to_owned(),
                units: Vec::new(),
                zipped_bytes: ZIP_OVERHEAD + entries.iter().map(|id| length(*id)).sum::<u64>(),
                unzipped_bytes: 0,
                entries,
            };
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("opened");
            write_layer((&file, &path), &tree, &layer, measurements).map(|written| written.sha256)
        };
        let right = (write(&take()).expect("written"), fs::read(&path).expect("read"));
        let entries = || {
            let walk = walkdir::WalkDir::new(&caches).into_iter().map(|entry| entry.expect("listed").into_path());
            walk.filter(|path| path.is_file()).collect::<Vec<_>>()
        };
        let whole: Vec<_> = entries().into_iter().map(|path| (fs::read(&path).expect("read"), path)).collect();
        assert!(whole.len() >= 3);
        for (content, entry) in &whole {
            let measured = take();
            let mut damaged = content.clone();
            damaged.iter_mut().rev().take(20).for_each(|byte| *byte ^= 1);
            fs::write(entry, damaged).expect("written");
            assert_eq!(write(&measured).expect("written"), right.0, "{}", entry.display());
            assert_eq!(fs::read(&path).expect("read"), right.1, "{}", entry.display());
            fs::write(entry, content).expect("written");
        }
        // A file that is packed as it is, and is another by then.
        let measured = take();
        fs::write(root.join("noise"), [&noise[1..], b"x"].concat()).expect("written");
        let error = write(&measured).expect_err("changed").to_string();
        assert!(error.contains("noise: changed"), "{error}");
    }
}
