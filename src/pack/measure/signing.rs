//! The key with which this user's layerfit signs what it writes to the cache, so that it need not be inflated to be believed, and
//! so that verdicts of earlier runs on contents are believed.
//!
//! Caches are restored from places that others can write to, such as those of CI services, so the key is not in the cache:
//! it is in the user's state directory (XDG Base Directory Specification), made of random bytes when it is first needed, and
//! readable by this user alone. A cache that comes from elsewhere has no signature of this key, and is verified by content.
//!
//! What an attacker can do:
//! - Who can write to the cache, and not read the key, can make no signature. Signatures cover the version, the content, the level
//!   and all that an entry records, so an entry that was signed once is right wherever and whenever it is put back; anywhere else it
//!   is not signed. Other bytes in place of its compressed ones do not have the hash that was signed.
//! - Who can read or replace the key can have forged lengths reported, forged compressed bytes packed, and a damaged file of a
//!   package not reported. It takes this user's rights, with which layerfit itself can be replaced; a backup of the state directory is
//!   to be kept like one of `~/.ssh`.
//!
//! A signature is also what tells that compressed bytes were inflated and compared with the content once, by which `pack` packs them
//! without inflating them again; entries that were made for their lengths alone are signed as such.
//!
//! Whatever fails about the key, entries are then not signed, and verified by content. A key is not used if another user can
//! read or write it, if it is a link or has another name, or if it is below the directory of caches, with which it would be
//! restored.

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use super::own;

/// The file, in the directory of layerfit in the user's state directory.
const FILE: &str = "cache-key";

/// How many bytes a key has.
const KEY: usize = blake3::KEY_LEN;

/// A key of this user.
#[derive(Clone)]
pub(super) struct SigningKey([u8; KEY]);

impl SigningKey {
    /// The key of the user, for a cache below the directory `caches`; it is made if there is none.
    pub(super) fn of_the_user(caches: &Path) -> Option<Self> {
        let base = own::base("XDG_STATE_HOME", ".local/state")?;
        if own::others_write(&base) { None } else { Self::at(&base.join("layerfit"), caches) }
    }

    /// The key in a directory, for a cache below the directory `caches`.
    pub(super) fn at(directory: &Path, caches: &Path) -> Option<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).ok()?;
        // Links are resolved: what counts is where the file is.
        let (directory, caches) = (directory.canonicalize().ok()?, caches.canonicalize().ok()?);
        if directory.starts_with(caches) || !own::is_own(&directory) {
            return None;
        }
        let path = directory.join(FILE);
        Self::read(&path).or_else(|| {
            // Only where there is none: of two runs that make one, both take the one that was there first.
            let _ = Self::make(&directory, &path);
            Self::read(&path)
        })
    }

    fn read(path: &Path) -> Option<Self> {
        let (mut file, metadata) = own::open(path, File::options().read(true))?;
        if metadata.mode() & 0o077 != 0 || metadata.nlink() != 1 || metadata.len() != KEY as u64 {
            return None;
        }
        let mut key = [0; KEY];
        file.read_exact(&mut key).ok()?;
        Some(Self(key))
    }

    fn make(directory: &Path, path: &Path) -> Option<()> {
        if fs::symlink_metadata(path).is_ok() {
            return None;
        }
        let mut key = [0; KEY];
        getrandom::fill(&mut key).ok()?;
        // Its permissions are those of its user alone.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory).ok()?;
        file.write_all(&key).ok()?;
        file.as_file().sync_all().ok()?;
        file.persist_noclobber(path).ok()?;
        Some(())
    }

    /// The signature of a message: its keyed hash.
    pub(super) fn sign(&self, message: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, message)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn signature(state: &Path, caches: &Path) -> Option<blake3::Hash> {
        SigningKey::at(state, caches).map(|key| key.sign(b"message"))
    }

    #[test]
    fn a_key_is_made_once_and_each_has_its_own() {
        let (home, caches) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (state, other) = (home.path().join("state"), home.path().join("other"));
        let all: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| signature(&state, caches.path()))).collect();
            runs.into_iter().map(|run| run.join().expect("ended")).collect()
        });
        assert!(all[0].is_some() && all.iter().all(|one| *one == all[0]), "{all:?}");
        assert_ne!(signature(&other, caches.path()), all[0]);
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&state).expect("listed").count(), 1);
    }

    #[test]
    fn a_key_that_others_know_or_could_have_made_is_none_and_stays_as_it_is() {
        let (home, caches) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let state = home.path().join("state");
        let key = || signature(&state, caches.path());
        let first = key();
        assert!(first.is_some());
        let path = state.join(FILE);
        let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
            chmod(&path, mode);
            assert_eq!(key(), None, "{mode:o}");
        }
        chmod(&path, 0o600);
        for mode in [0o770, 0o707, 0o1777] {
            chmod(&state, mode);
            assert_eq!(key(), None, "{mode:o}");
        }
        chmod(&state, 0o700);
        assert_eq!(key(), first);
        // Another name, a link, another length, a FIFO, a directory.
        let moved = home.path().join("moved");
        fs::hard_link(&path, &moved).expect("linked");
        assert_eq!(key(), None);
        fs::remove_file(&path).expect("removed");
        symlink(&moved, &path).expect("linked");
        assert_eq!(key(), None);
        fs::remove_file(&path).expect("removed");
        for bytes in [0, KEY - 1, KEY + 1] {
            fs::write(&path, vec![1; bytes]).expect("written");
            chmod(&path, 0o600);
            assert_eq!(key(), None, "{bytes}");
        }
        fs::remove_file(&path).expect("removed");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).expect("made");
        assert_eq!(key(), None);
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("made");
        assert_eq!(key(), None);
        fs::remove_dir(&path).expect("removed");
        fs::rename(&moved, &path).expect("moved");
        assert_eq!(key(), first);
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            assert_eq!(key(), None);
        }
    }

    #[test]
    fn a_key_that_would_be_restored_with_the_cache_is_none() {
        let home = tempfile::tempdir().expect("a directory");
        let caches = home.path().join("caches");
        fs::create_dir(&caches).expect("made");
        assert!(signature(&home.path().join("state"), &caches).is_some());
        assert_eq!(signature(&caches.join("layerfit"), &caches), None);
        assert_eq!(signature(&caches, &caches), None);
        symlink(&caches, home.path().join("linked")).expect("linked");
        assert_eq!(signature(&home.path().join("linked/layerfit"), &caches), None);
        // Where none can be made, there is none.
        fs::write(home.path().join("file"), "").expect("written");
        assert_eq!(signature(&home.path().join("file/state"), &caches), None);
    }
}
