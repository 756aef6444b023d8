//! Paths inside a tree.
//!
//! A path in a layer is a string of bytes, '/'-separated, relative to the root (`R/lib64/R/lib/libR.so`). It is kept as
//! bytes because Linux allows names that are not UTF-8, and such a name must be reported, not lost.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt;
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
/// Ordered by bytes, which is the order of everything layerfit prints and writes. A copy shares the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Arc<[u8]>);

/// Maps and sets of paths can be searched by bytes, without a path being made.
impl Borrow<[u8]> for TreePath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl TreePath {
    /// Normalizes a relative path by its text alone; `None` when it climbs out of the root.
    pub fn new(bytes: impl AsRef<[u8]>) -> Option<Self> {
        let bytes = bytes.as_ref();
        if bytes.split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b"..")) {
            return Some(Self(bytes.into()));
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
        Some(Self(parts.join(&b'/').into()))
    }

    /// The path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path for file-system calls, relative to the root.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The path as text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// The directory that contains it; `None` for the root.
    pub fn parent(&self) -> Option<TreePath> {
        parent_bytes(&self.0).map(|parent| Self(parent.into()))
    }

    /// The bytes of the directory that contains it; `None` for the root.
    pub fn parent_bytes(&self) -> Option<&[u8]> {
        parent_bytes(&self.0)
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
            return Some(&self.0);
        }
        match self.0.strip_prefix(base.as_bytes())? {
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
    path.get(..path.iter().rposition(|b| *b == b'/').unwrap_or(0))
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
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
    fn the_mount_point_is_a_directory_not_a_prefix_of_text() {
        assert_eq!(TreePath::from_mounted(b"/opt/lib/x"), Some(path("lib/x")));
        assert_eq!(TreePath::from_mounted(b"/optional/x"), None);
        assert_eq!(path("lib/x").mounted(), "/opt/lib/x");
    }
}
