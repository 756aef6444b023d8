//! Sysroot: the root file system of an image or of this machine, read as a process inside it would see it.
//!
//! A root that was unpacked somewhere contains absolute links (`/lib64 -> /usr/lib64`); they refer to the root's own
//! directories, never to this machine's. Nothing is written and nothing is run.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::base::read;

/// A larger file is not read: it is not a library of any image.
const MAX_BYTES: u64 = 1 << 28;

/// How many links the kernel follows before it fails with ELOOP (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// A root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysroot(PathBuf);

impl Sysroot {
    /// The file system below `root`; `/` is this machine's own.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Where a path inside the root leads, with every link followed: a path inside the root; `None` when it does not exist.
    pub fn canonical(&self, inside: &str) -> Option<String> {
        let mut left: Vec<OsString> = names(Path::new(inside));
        let mut done = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                done.pop();
                continue;
            }
            done.push(&name);
            let metadata = fs::symlink_metadata(self.outside(&done)).ok()?;
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                let target = fs::read_link(self.outside(&done)).ok()?;
                if target.is_absolute() {
                    done = PathBuf::from("/");
                } else {
                    done.pop();
                }
                left.extend(names(&target));
            } else if !left.is_empty() && !metadata.is_dir() {
                return None;
            }
        }
        done.into_os_string().into_string().ok()
    }

    /// Whether a path inside the root leads to a directory.
    pub fn is_directory(&self, inside: &str) -> bool {
        self.canonical(inside).is_some_and(|path| self.outside(Path::new(&path)).is_dir())
    }

    /// Whether a path inside the root leads to a regular file.
    pub fn is_file(&self, inside: &str) -> bool {
        self.canonical(inside).is_some_and(|path| self.outside(Path::new(&path)).is_file())
    }

    /// The path on this machine of a file inside the root, with every link followed; `None` when it does not exist.
    pub fn locate(&self, inside: &str) -> Option<PathBuf> {
        Some(self.outside(Path::new(&self.canonical(inside)?)))
    }

    /// The content of a file inside the root.
    ///
    /// # Errors
    /// When it does not exist, is not a regular file, is larger than any library, or cannot be read.
    pub fn read(&self, inside: &str) -> io::Result<Vec<u8>> {
        let path = self.locate(inside).filter(|path| path.is_file());
        let path = path.ok_or(io::ErrorKind::NotFound)?;
        if fs::metadata(&path)?.len() > MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let content = read::up_to(path, MAX_BYTES + 1)?;
        if content.len() as u64 > MAX_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
    }

    /// The UTF-8 names in a directory inside the root, sorted; none when it does not exist.
    pub fn list(&self, inside: &str) -> Vec<String> {
        let entries = self.locate(inside).and_then(|path| fs::read_dir(path).ok());
        let mut names: Vec<String> =
            entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The regular files below a directory inside the root, relative to it, at most `most` of them. Links to directories are
    /// followed, to a bounded depth.
    pub fn walk(&self, inside: &str, most: usize) -> Vec<String> {
        const MAX_DEPTH: usize = 6;
        let mut found = Vec::new();
        let mut left = vec![(String::new(), 0)];
        while let Some((below, depth)) = left.pop() {
            for name in self.list(&format!("{inside}/{below}")) {
                let path = if below.is_empty() { name } else { format!("{below}/{name}") };
                if found.len() >= most {
                    return found;
                }
                let whole = format!("{inside}/{path}");
                if self.is_file(&whole) {
                    found.push(path);
                } else if depth < MAX_DEPTH && self.is_directory(&whole) {
                    left.push((path, depth + 1));
                }
            }
        }
        found
    }

    fn outside(&self, inside: &Path) -> PathBuf {
        self.0.join(inside.strip_prefix("/").unwrap_or(inside))
    }
}

/// The components of a path, the last first, including `..`.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_absolute_link_stays_inside_and_a_circle_ends() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("usr/lib64")).expect("made");
        fs::write(root.path().join("usr/lib64/libx.so.1.2"), "x").expect("written");
        symlink("/usr/lib64", root.path().join("lib64")).expect("linked");
        symlink("../../../../usr/lib64/libx.so.1.2", root.path().join("usr/lib64/libx.so.1")).expect("linked");
        symlink("b", root.path().join("a")).expect("linked");
        symlink("a", root.path().join("b")).expect("linked");
        let sysroot = Sysroot::new(root.path());
        assert_eq!(sysroot.canonical("/lib64/libx.so.1").as_deref(), Some("/usr/lib64/libx.so.1.2"));
        assert_eq!(sysroot.read("/lib64/libx.so.1").expect("read"), b"x");
        assert_eq!(sysroot.list("/lib64"), ["libx.so.1", "libx.so.1.2"]);
        assert!(sysroot.is_directory("/lib64") && !sysroot.is_directory("/lib64/libx.so.1"));
        assert_eq!(sysroot.canonical("/a"), None);
        assert_eq!(sysroot.canonical("/lib64/libx.so.1/y"), None);
        assert_eq!(sysroot.canonical("/").as_deref(), Some("/"));
    }
}
