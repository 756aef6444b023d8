//! Paths inside a tree.
//!
//! A path in a layer is a string of bytes, '/'-separated, relative to the root (`R/lib64/R/lib/libR.so`). It is kept as
//! bytes because Linux allows names that are not UTF-8, and such a name must be reported, not lost.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use super::safe::printable;

/// The directory that Lambda merges layers into, and so the place where a tree will live.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html>
pub const MOUNT: &str = "/opt";

/// A path relative to the root of a tree: no leading, trailing or doubled '/', no `.` or `..`. The root itself is empty.
///
/// Ordered by bytes, which is the order of everything layerfit prints and writes. A copy shares the bytes, and so do the
/// directories above it: of a million files, each with an allocation of its own, paths would take twice as much memory.
#[derive(Clone, Default)]
pub struct TreePath {
    /// The bytes of this path and of others.
    shared: Arc<Vec<u8>>,
    /// Where those of this path start in `shared`.
    start: u32,
    /// How many there are.
    length: u32,
}

/// How many bytes paths of one directory share, about: what is left of them keeps them all in memory.
const SHARED_BYTES: usize = 16 << 10;

impl PartialEq for TreePath {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TreePath {}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// As the bytes are hashed, by which maps are searched.
impl Hash for TreePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Maps and sets of paths can be searched by bytes, without a path being made.
impl Borrow<[u8]> for TreePath {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl TreePath {
    /// Normalizes a relative path by its text alone; `None` when it climbs out of the root.
    pub fn new(bytes: impl AsRef<[u8]>) -> Option<Self> {
        let bytes = bytes.as_ref();
        if bytes.split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b"..")) {
            return Self::of(bytes.to_vec());
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in bytes.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        Self::of(parts.join(&b'/'))
    }

    /// A path of its own; `None` for one that is longer than any can be.
    fn of(bytes: Vec<u8>) -> Option<Self> {
        let length = u32::try_from(bytes.len()).ok()?;
        Some(Self { shared: Arc::new(bytes), start: 0, length })
    }

    /// The paths of entries of this directory, which share their bytes. A name is that of one entry: it is not empty, has no
    /// '/', and is neither `.` nor `..`.
    pub fn entries<'a>(&self, names: impl IntoIterator<Item = &'a [u8]>) -> Vec<TreePath> {
        let (mut paths, mut names) = (Vec::new(), names.into_iter().peekable());
        while names.peek().is_some() {
            let mut shared = Vec::with_capacity(SHARED_BYTES);
            let mut ends = Vec::new();
            while let Some(name) = names.next_if(|_| shared.len() < SHARED_BYTES) {
                if !self.is_root() {
                    shared.extend_from_slice(self.as_bytes());
                    shared.push(b'/');
                }
                shared.extend_from_slice(name);
                ends.push(shared.len());
            }
            shared.shrink_to_fit();
            let shared = Arc::new(shared);
            let mut start = 0;
            for end in ends {
                let at = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                paths.push(Self { shared: Arc::clone(&shared), start: at(start), length: at(end - start) });
                start = end;
            }
        }
        paths
    }

    /// The path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.shared.get(self.start as usize..).and_then(|rest| rest.get(..self.length as usize)).unwrap_or_default()
    }

    /// The path for file-system calls, relative to the root.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.as_bytes()))
    }

    /// The path as text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.length == 0
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let bytes = self.as_bytes();
        memchr::memrchr(b'/', bytes).and_then(|slash| bytes.get(slash + 1..)).unwrap_or(bytes)
    }

    /// The directory that contains it; `None` for the root.
    pub fn parent(&self) -> Option<TreePath> {
        let length = u32::try_from(self.parent_bytes()?.len()).ok()?;
        Some(Self { length, ..self.clone() })
    }

    /// The bytes of the directory that contains it; `None` for the root.
    pub fn parent_bytes(&self) -> Option<&[u8]> {
        parent_bytes(self.as_bytes())
    }

    /// This path and everything above it, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = TreePath> {
        std::iter::successors(Some(self.clone()), TreePath::parent)
    }

    /// The bytes of this path and of everything above it, the root last.
    pub fn ancestor_bytes(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::successors(Some(self.as_bytes()), |path| parent_bytes(path))
    }

    /// This path with `more` below it; `None` when `more` climbs out of the root.
    pub fn join(&self, more: impl AsRef<[u8]>) -> Option<TreePath> {
        TreePath::new([self.as_bytes(), b"/", more.as_ref()].concat())
    }

    /// The path relative to `base`; `None` when it is not below it. Relative to itself it is empty.
    pub fn below<'a>(&'a self, base: &TreePath) -> Option<&'a [u8]> {
        if base.is_root() {
            return Some(self.as_bytes());
        }
        match self.as_bytes().strip_prefix(base.as_bytes())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// The absolute path in Lambda: `/opt/` and the path.
    pub fn mounted(&self) -> String {
        if self.is_root() { MOUNT.to_owned() } else { format!("{MOUNT}/{self}") }
    }

    /// The path in the tree for an absolute path in Lambda; `None` when that is not below `/opt` by its text.
    pub fn from_mounted(absolute: &[u8]) -> Option<TreePath> {
        match absolute.strip_prefix(MOUNT.as_bytes())? {
            [] => Some(Self::default()),
            [b'/', rest @ ..] => Self::new(rest),
            _ => None,
        }
    }
}

/// The bytes of the directory that contains a path; `None` for the root.
fn parent_bytes(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return None;
    }
    path.get(..memchr::memrchr(b'/', path).unwrap_or(0))
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.as_bytes()))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("inside the root")
    }

    #[test]
    fn a_path_is_normalized_by_its_text_and_never_leaves_the_root() {
        assert_eq!(path("./lib//x/../y/").as_bytes(), b"lib/y");
        assert_eq!(path("/").as_bytes(), b"");
        assert_eq!(TreePath::new("lib/../../etc"), None);
    }

    #[test]
    fn parent_name_and_below_agree() {
        let p = path("R/lib/libR.so");
        assert_eq!(p.name(), b"libR.so");
        assert_eq!(p.parent(), Some(path("R/lib")));
        assert_eq!(path("R").parent(), Some(path("")));
        assert_eq!(path("").parent(), None);
        assert_eq!(p.below(&path("R")), Some(&b"lib/libR.so"[..]));
        assert_eq!(p.below(&path("R/li")), None);
        assert_eq!(p.ancestors().count(), 4);
        let ancestors: Vec<TreePath> = p.ancestors().collect();
        let bytes: Vec<&[u8]> = p.ancestor_bytes().collect();
        assert!(ancestors.iter().map(TreePath::as_bytes).eq(bytes));
    }

    #[test]
    fn paths_of_a_directory_share_their_bytes_and_are_as_if_each_had_its_own() {
        let names: Vec<Vec<u8>> = (0..5000).map(|number: u32| format!("item_{number}").into_bytes()).collect();
        for directory in [path(""), path("a/b")] {
            let together = directory.entries(names.iter().map(Vec::as_slice));
            let alone: Vec<TreePath> = names.iter().filter_map(|name| directory.join(name)).collect();
            assert_eq!(together, alone);
            assert!(together.iter().all(|entry| entry.parent().as_ref() == Some(&directory)));
            assert!(Arc::ptr_eq(&together[0].shared, &together[100].shared));
            let shared: usize = together.iter().map(|path| path.shared.capacity()).max().unwrap_or(0);
            assert!(shared < 2 * SHARED_BYTES, "{shared}");
            let set: std::collections::HashSet<TreePath> = together.into_iter().collect();
            assert!(alone.iter().all(|path| set.contains(path.as_bytes())));
        }
        assert!(size_of::<TreePath>() <= 16);
    }

    #[test]
    fn the_mount_point_is_a_directory_not_a_prefix_of_text() {
        assert_eq!(TreePath::from_mounted(b"/opt/lib/x"), Some(path("lib/x")));
        assert_eq!(TreePath::from_mounted(b"/optional/x"), None);
        assert_eq!(path("lib/x").mounted(), "/opt/lib/x");
    }
}
