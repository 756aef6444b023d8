//! Container: the image that a tree was built in, read from what programs save it to, without a daemon: an OCI image layout (a
//! directory or an archive), an archive of `docker save`, or one of the file system itself (`docker export`, `tar`).
//!
//! Its layers are merged into one list of paths ([`Root`]); nothing of it is created on this machine. `blobs.rs` finds its
//! files, `choice.rs` the image among several, `layers.rs` reads the layers within bounds and compares their digests, and
//! `root.rs` merges them.

mod blobs;
mod choice;
mod layers;
mod root;

use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::base::error::{Error, Result};
use crate::base::part::Part;
use crate::base::path::{MOUNT, TreePath, printable};
use crate::base::progress::Progress;
use crate::base::safe::cut;
use crate::formats::compressed::Compression;
use crate::formats::oci::{
    DIRECTORY_VERSION, DOCKER_MANIFEST, Digest, INDEX, LAYOUT, Platform, is_directory_of_skopeo, is_list_of_docker,
};
use blobs::Blobs;
use choice::Chosen;
use layers::{Packed, Reading};
pub use root::{Node, NodeKind, Root};

/// The first four bytes of a zip: of a member, or of the end record of an empty one (APPNOTE 4.3.7, 4.3.16).
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// The longest name of an image that is shown, in bytes: a registry's name and a tag have up to 255 and 128 characters.
const MAX_NAME: usize = 400;

/// How many files a tree may have: as many as are listed of a zip.
const MAX_TREE: usize = 1 << 18;

/// How much of a file of an unpacked image tells what it is.
const UNPACKED_HEAD: u64 = 64 << 10;

/// Where a tar archive says that it is one (POSIX, ustar).
const USTAR: std::ops::Range<usize> = 257..262;

/// An image.
pub struct Image {
    /// What was named: an archive or a directory.
    pub path: PathBuf,
    /// What is known of the image; `None` for an archive of a file system.
    pub about: Option<About>,
    /// Its file system.
    pub root: Root,
    /// Whether that is a system, and not what will be /opt.
    is_system: bool,
}

/// Which image it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name, such as `my-r:latest`.
    pub name: Option<String>,
    /// The digest of its configuration, which `docker images` shows as its id.
    pub config: Digest,
    /// What it is for.
    pub platform: Platform,
    /// How many layers it has.
    pub layers: usize,
    /// The environment of its processes.
    pub variables: Vec<(String, String)>,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}, ")?;
        }
        write!(f, "{}, {}", self.platform, self.config)
    }
}

impl Image {
    /// Whether a path names an image: a directory with an image layout, or a file that is a tar archive, compressed or not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_at(path: &Path) -> Result<bool> {
        if path.is_dir() {
            return Ok(path.join(INDEX).is_file() && path.join(LAYOUT).is_file());
        }
        if !path.is_file() {
            return Ok(false);
        }
        let head = blobs::whole(path)?.head(512).map_err(Error::io("read", path))?;
        Ok(!ZIP.iter().any(|zip| head.starts_with(zip))
            && (Compression::of(&head).is_some() || head.get(USTAR) == Some(b"ustar")))
    }

    /// Whether a directory has the files of an image in a form that is not read: an unpacked archive of `docker save`, or what
    /// skopeo wrote to `dir:`.
    pub fn is_unpacked(directory: &Path) -> bool {
        let head = |name: &str| {
            let file = directory.join(name);
            let blob = file.is_file().then(|| blobs::whole(&file).ok()).flatten();
            blob.and_then(|blob| blob.head(UNPACKED_HEAD).ok()).unwrap_or_default()
        };
        is_list_of_docker(&head(DOCKER_MANIFEST))
            || directory.join(DOCKER_MANIFEST).is_file() && is_directory_of_skopeo(&head(DIRECTORY_VERSION))
    }

    /// Reads the image at a path; of several, the one for `architecture` (Lambda's name).
    ///
    /// # Errors
    /// When it cannot be read, is damaged or incomplete, or has several images to choose from.
    pub fn open(path: &Path, architecture: Option<&str>, progress: &dyn Progress) -> Result<Self> {
        let reading = Reading::new(path, progress);
        if path.is_dir() {
            let blobs = Blobs::Directory(path.to_owned());
            return Self::of_layers(&reading, &blobs, choice::of_index(&reading, &blobs, architecture)?);
        }
        let mut archive = blobs::whole(path)?;
        let head = archive.head(6).map_err(Error::io("read", path))?;
        if let Some(compression) = Compression::of(&head) {
            progress.stage("decompressing", 0);
            archive = reading.unpack(&archive, compression)?;
        }
        let blobs = Blobs::of_archive(&archive).map_err(|error| match error.raw_os_error() {
            Some(_) => Error::io("read", path)(error),
            None => reading.error(
                format!("is not an archive of an image, or is damaged: {error}"),
                "name what `docker save` or `skopeo copy` wrote, or the directory that will be /opt",
            ),
        })?;
        if blobs.open(LAYOUT)?.is_some() {
            Self::of_layers(&reading, &blobs, choice::of_index(&reading, &blobs, architecture)?)
        } else if blobs.open(DOCKER_MANIFEST)?.is_some_and(|list| list.head(1).is_ok_and(|head| head == b"[")) {
            Self::of_layers(&reading, &blobs, choice::of_docker(&reading, &blobs, architecture)?)
        } else {
            Self::of_file_system(&reading, archive)
        }
    }

    /// Merges the layers of the chosen image.
    fn of_layers(reading: &Reading<'_>, blobs: &Blobs, chosen: Chosen) -> Result<Self> {
        let Chosen { name, config, configuration, layers } = chosen;
        let mut packed = Vec::new();
        for layer in layers {
            let content = blobs.open(&layer.path)?.ok_or_else(|| {
                reading.error(
                    format!("the layer {} is not in it", printable(layer.path.as_bytes())),
                    "save the whole image again; layers that only a registry has (\"foreign\") are not read",
                )
            })?;
            packed.push(Packed {
                content,
                name: format!("the layer {}", printable(layer.path.as_bytes())),
                digest: layer.digest,
                unpacked: layer.unpacked,
                is_layer: true,
            });
        }
        reading.progress.stage("reading layers", packed.iter().map(|layer| layer.content.bytes()).sum());
        let about = About {
            name: name.map(|name| cut(&name, MAX_NAME).into_owned()),
            config,
            platform: configuration.platform.clone(),
            layers: packed.len(),
            variables: configuration.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let root = merge(reading, &packed)?;
        Ok(Self { path: reading.path.to_owned(), about: Some(about), root, is_system: true })
    }

    /// Reads an archive of a file system: of a root with /opt in it, or of what will be /opt.
    fn of_file_system(reading: &Reading<'_>, archive: Part) -> Result<Self> {
        reading.progress.stage("reading", archive.bytes());
        let packed =
            Packed { content: archive, name: "the archive".to_owned(), digest: None, unpacked: None, is_layer: false };
        let root = merge(reading, &[packed])?;
        let has = |name: &str| TreePath::new(name).is_some_and(|path| root.get(&path).is_some());
        // A runtime in /opt has neither of both, and every system has.
        let is_system = has("opt") || (has("usr") && has("etc"));
        Ok(Self { path: reading.path.to_owned(), about: None, root, is_system })
    }

    /// Whether it has more than the tree: the system that the tree was built on.
    pub fn has_system(&self) -> bool {
        self.is_system && self.root.names(&TreePath::default()).len() > 1
    }

    /// The directory of its file system that is the tree.
    ///
    /// # Errors
    /// When it has none, or one with more files than any layers can have.
    pub fn tree(&self) -> Result<TreePath> {
        if !self.is_system {
            return Ok(TreePath::default());
        }
        let found = TreePath::new(MOUNT.trim_start_matches('/')).and_then(|path| self.root.directory(&path));
        if found.as_ref().is_some_and(|tree| self.root.below(tree).nth(MAX_TREE).is_some()) {
            return Err(Error::Data {
                file: self.path.display().to_string(),
                message: format!("{MOUNT} has more than {MAX_TREE} files"),
                help: "remove what no function needs: a layer has at most 65,535".to_owned(),
            });
        }
        found.ok_or_else(|| {
            let names = self.root.names(&TreePath::default());
            let names: Vec<String> = names.into_iter().map(|name| printable(name).into_owned()).collect();
            Error::Data {
                file: self.path.display().to_string(),
                message: match names.as_slice() {
                    [] => "the image is empty".to_owned(),
                    names => format!("the image has no directory {MOUNT}; it has {}", names.join(", ")),
                },
                help: "build the runtime below /opt (./configure --prefix=/opt/R), or name another image".to_owned(),
            }
        })
    }
}

/// Reads layers, and merges them in their order.
fn merge(reading: &Reading<'_>, packed: &[Packed]) -> Result<Root> {
    let layers: Vec<_> = packed.par_iter().map(|packed| reading.read(packed)).collect();
    let mut root = Root::default();
    for (layer, packed) in layers.into_iter().zip(packed) {
        root.apply(layer?).map_err(|message| {
            reading.error(format!("{}: {message}", packed.name), "build the image again from sources that you trust")
        })?;
    }
    Ok(root)
}
