//! Sysroot: the root file system of an image, of this machine or of a container image, read as a process inside it would see
//! it.
//!
//! A root that was unpacked somewhere contains absolute links (`/lib64 -> /usr/lib64`); they refer to the root's own
//! directories, never to this machine's. Nothing is written and nothing is run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::base::error::Result;
use crate::base::part::Content;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::read;
use crate::container::{Image, NodeKind};

/// A larger file is not read: it is not a library of any image.
const MAX_BYTES: u64 = 1 << 28;

/// How many links the kernel follows before it fails with ELOOP (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// A root file system.
#[derive(Clone)]
pub struct Sysroot(At);

#[derive(Clone)]
enum At {
    Directory(PathBuf),
    Image(Arc<Image>),
}

/// What is at a path.
enum Found {
    Directory,
    File,
    Link(OsString),
    Other,
}

/// A file of a root.
pub struct Located {
    /// Where it is, with every link followed, for people.
    pub shown: String,
    /// Its content.
    pub content: Content,
}

impl Sysroot {
    /// The file system below `root`; `/` is this machine's own.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(At::Directory(root.into()))
    }

    /// The file system of an image.
    pub fn of_image(image: Arc<Image>) -> Self {
        Self(At::Image(image))
    }

    /// The file system that is named by a directory or by an image; `None` if it is neither. Of several images, the one for
    /// `architecture` is read.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn open(path: &Path, architecture: Option<&str>, progress: &dyn Progress) -> Result<Option<Self>> {
        if Image::is_at(path)? {
            return Ok(Some(Self::of_image(Arc::new(Image::open(path, architecture, progress)?))));
        }
        Ok(path.is_dir().then(|| Self::new(path)))
    }

    /// The image, if it is the file system of one.
    pub fn image(&self) -> Option<&Image> {
        match &self.0 {
            At::Directory(_) => None,
            At::Image(image) => Some(image),
        }
    }

    /// What is at a path inside the root, without following a link there.
    fn look(&self, inside: &Path) -> Option<Found> {
        match &self.0 {
            At::Directory(root) => {
                let path = outside(root, inside);
                let kind = fs::symlink_metadata(&path).ok()?.file_type();
                Some(match kind {
                    kind if kind.is_symlink() => Found::Link(fs::read_link(&path).ok()?.into_os_string()),
                    kind if kind.is_dir() => Found::Directory,
                    kind if kind.is_file() => Found::File,
                    _ => Found::Other,
                })
            }
            At::Image(image) => {
                let path = TreePath::new(inside.as_os_str().as_bytes())?;
                if path.is_root() {
                    return Some(Found::Directory);
                }
                Some(match &image.root.get(&path)?.kind {
                    NodeKind::Link(target) => Found::Link(OsString::from_vec(target.clone())),
                    NodeKind::Directory => Found::Directory,
                    NodeKind::File { .. } => Found::File,
                    NodeKind::Special(_) => Found::Other,
                })
            }
        }
    }

    /// Where a path inside the root leads, with every link followed, and what is there; `None` when it does not exist.
    fn follow(&self, inside: &str) -> Option<(PathBuf, Found)> {
        let mut left: Vec<OsString> = names(Path::new(inside));
        let mut done = PathBuf::from("/");
        let mut at = Found::Directory;
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                done.pop();
                at = Found::Directory;
                continue;
            }
            done.push(&name);
            at = self.look(&done)?;
            match &at {
                Found::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    let target = Path::new(target);
                    if target.is_absolute() {
                        done = PathBuf::from("/");
                    } else {
                        done.pop();
                    }
                    left.extend(names(target));
                    at = Found::Directory;
                }
                Found::Directory => {}
                Found::File | Found::Other if left.is_empty() => {}
                Found::File | Found::Other => return None,
            }
        }
        Some((done, at))
    }

    /// Where a path inside the root leads, with every link followed: a path inside the root; `None` when it does not exist.
    pub fn canonical(&self, inside: &str) -> Option<String> {
        self.follow(inside)?.0.into_os_string().into_string().ok()
    }

    /// Whether a path inside the root leads to a directory.
    pub fn is_directory(&self, inside: &str) -> bool {
        matches!(self.follow(inside), Some((_, Found::Directory)))
    }

    /// Whether a path inside the root leads to a regular file.
    pub fn is_file(&self, inside: &str) -> bool {
        matches!(self.follow(inside), Some((_, Found::File)))
    }

    /// The file that a path inside the root leads to, with every link followed; `None` when there is none.
    pub fn locate(&self, inside: &str) -> Option<Located> {
        let (path, Found::File) = self.follow(inside)? else { return None };
        match &self.0 {
            At::Directory(root) => {
                let path = outside(root, &path);
                Some(Located { shown: path.display().to_string(), content: Content::Path(path) })
            }
            At::Image(image) => {
                let node = image.root.get(&TreePath::new(path.as_os_str().as_bytes())?)?;
                let NodeKind::File { content, .. } = &node.kind else { return None };
                let shown = format!("{}:{}", image.path.display(), path.display());
                Some(Located { shown, content: Content::Part(content.clone()) })
            }
        }
    }

    /// The content of a file inside the root.
    ///
    /// # Errors
    /// When it does not exist, is not a regular file, is larger than any library, or cannot be read.
    pub fn read(&self, inside: &str) -> io::Result<Vec<u8>> {
        let content = match self.locate(inside).ok_or(io::ErrorKind::NotFound)?.content {
            Content::Path(path) if fs::metadata(&path)?.len() > MAX_BYTES => Err(io::ErrorKind::FileTooLarge)?,
            Content::Part(part) if part.bytes() > MAX_BYTES => Err(io::ErrorKind::FileTooLarge)?,
            Content::Path(path) => read::up_to(path, MAX_BYTES + 1)?,
            Content::Part(part) => part.head(MAX_BYTES)?,
            Content::Bytes(bytes) => bytes,
        };
        if content.len() as u64 > MAX_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
    }

    /// The UTF-8 names in a directory inside the root, sorted; none when it does not exist.
    pub fn list(&self, inside: &str) -> Vec<String> {
        let Some((path, Found::Directory)) = self.follow(inside) else { return Vec::new() };
        let mut names: Vec<String> = match &self.0 {
            At::Directory(root) => {
                let entries = fs::read_dir(outside(root, &path)).ok();
                entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
            }
            At::Image(image) => {
                let path = TreePath::new(path.as_os_str().as_bytes()).unwrap_or_default();
                let names = image.root.names(&path).into_iter();
                names.filter_map(|name| Some(OsStr::from_bytes(name).to_str()?.to_owned())).collect()
            }
        };
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
}

fn outside(root: &Path, inside: &Path) -> PathBuf {
    root.join(inside.strip_prefix("/").unwrap_or(inside))
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
