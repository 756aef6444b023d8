//! The verdicts of earlier runs in the cache (`base::verdicts`), in one signed file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::signed;
use super::signing::SigningKey;
use crate::base::verdicts::{Verdict, Verdicts};

/// The file, in the directory of the version.
const FILE: &str = "verdicts";
const KIND: [u8; 4] = *b"LFV1";

/// What there are at most: a database of R has one, and a large tree some thousands.
const MAX: usize = 1 << 16;

/// The verdicts of this user's cache.
pub(super) struct Kept {
    path: PathBuf,
    key: SigningKey,
    /// Those of earlier runs, sorted.
    before: OnceLock<Vec<[u8; blake3::OUT_LEN]>>,
    new: Mutex<BTreeSet<[u8; blake3::OUT_LEN]>>,
}

impl Kept {
    /// Those in a directory of the cache.
    pub(super) fn new(directory: &Path, key: SigningKey) -> Self {
        Self { path: directory.join(FILE), key, before: OnceLock::new(), new: Mutex::default() }
    }

    fn before(&self) -> &[[u8; blake3::OUT_LEN]] {
        self.before.get_or_init(|| {
            let read = signed::read(&self.path, KIND, &self.key, (MAX * blake3::OUT_LEN) as u64);
            read.map(|(body, _)| body.as_chunks().0.to_vec()).unwrap_or_default()
        })
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Verdicts for Kept {
    fn has(&self, Verdict(verdict): Verdict) -> bool {
        self.before().binary_search(&verdict).is_ok()
            || self.new.lock().unwrap_or_else(PoisonError::into_inner).contains(&verdict)
    }

    fn add(&self, Verdict(verdict): Verdict) {
        let before = self.before().len();
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if before + new.len() < MAX {
            new.insert(verdict);
        }
    }

    fn save(&self) {
        let new = std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner));
        if new.is_empty() {
            return;
        }
        let all: BTreeSet<_> = self.before().iter().copied().chain(new).collect();
        let body: Vec<u8> = all.into_iter().flatten().collect();
        // Without it, the same is found again.
        let _ = signed::write(&self.path, KIND, &self.key, &body, |_| Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &[u8]) -> Verdict {
        Verdict::new("a check", &[blake3::hash(name)])
    }

    #[test]
    fn verdicts_are_those_of_this_key_and_check_and_are_kept_until_they_are_old() {
        let home = tempfile::tempdir().expect("a directory");
        let (cache, state) = (home.path().join("cache"), home.path().join("state"));
        std::fs::create_dir(&cache).expect("made");
        let kept = |state: &Path| Kept::new(&cache, SigningKey::at(state, &cache).expect("a key"));
        let first = kept(&state);
        assert!(!first.has(verdict(b"one")));
        first.save();
        assert!(!cache.join(FILE).exists());
        first.add(verdict(b"one"));
        assert!(first.has(verdict(b"one")) && !first.has(verdict(b"two")));
        first.save();
        let second = kept(&state);
        assert!(second.has(verdict(b"one")) && !second.has(verdict(b"two")));
        assert!(!second.has(Verdict::new("another check", &[blake3::hash(b"one")])));
        let written = || std::fs::metadata(cache.join(FILE)).and_then(|metadata| metadata.modified()).expect("there");
        let at = written();
        second.save();
        assert_eq!(written(), at);
        second.add(verdict(b"two"));
        second.save();
        assert!(kept(&state).has(verdict(b"one")) && kept(&state).has(verdict(b"two")));
        assert!(!kept(&home.path().join("other")).has(verdict(b"one")));
        let whole = std::fs::read(cache.join(FILE)).expect("read");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(cache.join(FILE), damaged).expect("written");
            assert!(!kept(&state).has(verdict(b"one")), "byte {at}");
        }
        std::fs::write(cache.join(FILE), whole).expect("written");
        let file = std::fs::File::open(cache.join(FILE)).expect("there");
        file.set_modified(std::time::SystemTime::now() - 2 * super::super::record::STALE).expect("set");
        assert!(!kept(&state).has(verdict(b"one")));
    }
}
