//! Signed files: small files of the cache that are read and written as a whole, with the signature of this user's key at their
//! ends. One that is damaged, that another user could have written, or that another key signed is treated as missing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::SystemTime;

use super::own;
use super::record::{STALE, VERSION};
use super::signing::SigningKey;

/// What the beginning of such a file has that a signature covers, and opened behind it. `None` if it has no signature of the
/// key, was not written for long, or has more than `most` bytes. `kind` is what the file is.
pub(super) fn read(path: &Path, kind: [u8; 4], key: &SigningKey, most: u64) -> Option<(Vec<u8>, File)> {
    let (mut file, metadata) = own::open(path, File::options().read(true))?;
    // What it is full of can be of no use any more, as nothing of it is removed.
    let is_stale = metadata
        .modified()
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .is_some_and(|age| age > STALE);
    if is_stale {
        return None;
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = Some(u64::from_le_bytes(length)).filter(|length| *length <= most.min(metadata.len()))?;
    let mut body = vec![0; usize::try_from(length).ok()?];
    let mut signature = [0; blake3::OUT_LEN];
    file.read_exact(&mut body).and_then(|()| file.read_exact(&mut signature)).ok()?;
    // Hashes are compared in constant time.
    (sign(kind, key, &body) == blake3::Hash::from_bytes(signature)).then_some((body, file))
}

/// Writes such a file, and what follows the signature.
pub(super) fn write(
    path: &Path,
    kind: [u8; 4],
    key: &SigningKey,
    body: &[u8],
    rest: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    {
        let mut file = std::io::BufWriter::new(&mut file);
        file.write_all(&(body.len() as u64).to_le_bytes())?;
        file.write_all(body)?;
        file.write_all(sign(kind, key, body).as_bytes())?;
        rest(&mut file)?;
        file.flush()?;
    }
    file.persist(path)?;
    Ok(())
}

fn sign(kind: [u8; 4], key: &SigningKey, body: &[u8]) -> blake3::Hash {
    key.sign(&[&kind, VERSION.as_bytes(), &[0], body].concat())
}
