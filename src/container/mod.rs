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
use crate::formats::compressed::Compression;
use crate::formats::oci::{DOCKER_MANIFEST, Digest, INDEX, LAYOUT, Platform};
use blobs::Blobs;
use choice::Chosen;
use layers::{Packed, Reading};
pub use root::{Node, NodeKind, Root};

/// The first four bytes of a zip: of a member, or of the end record of an empty one (APPNOTE 4.3.7, 4.3.16).
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

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
    /// The directory of it that is the tree.
    pub tree: TreePath,
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

    /// Reads the image at a path; of several, the one for `architecture` (Lambda's name).
    ///
    /// # Errors
    /// When it cannot be read, is damaged or incomplete, has several images to choose from, or none of them has an /opt.
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
        if blobs.open(LAYOUT)?.is_some() && blobs.open(INDEX)?.is_some() {
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
            name,
            config,
            platform: configuration.platform.clone(),
            layers: packed.len(),
            variables: configuration.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let root = merge(reading, &packed)?;
        let tree = tree_of_root(reading, &root)?;
        Ok(Self { path: reading.path.to_owned(), about: Some(about), root, tree })
    }

    /// Reads an archive of a file system: of a root with /opt in it, or of what will be /opt.
    fn of_file_system(reading: &Reading<'_>, archive: Part) -> Result<Self> {
        reading.progress.stage("reading", archive.bytes());
        let packed =
            Packed { content: archive, name: "the archive".to_owned(), digest: None, unpacked: None, is_layer: false };
        let root = merge(reading, &[packed])?;
        let has = |name: &str| TreePath::new(name).is_some_and(|path| root.get(&path).is_some());
        // A runtime in /opt has neither of both, and every system has.
        let is_root = has("opt") || (has("usr") && has("etc"));
        let tree = if is_root { tree_of_root(reading, &root)? } else { TreePath::default() };
        Ok(Self { path: reading.path.to_owned(), about: None, root, tree })
    }

    /// Whether it has more than the tree: the system that the tree was built on.
    pub fn has_system(&self) -> bool {
        !self.tree.is_root() && self.root.names(&TreePath::default()).len() > 1
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

/// The directory of a root that is mounted at /opt.
fn tree_of_root(reading: &Reading<'_>, root: &Root) -> Result<TreePath> {
    let opt = MOUNT.trim_start_matches('/');
    let found = TreePath::new(opt).and_then(|path| root.directory(&path));
    found.ok_or_else(|| {
        let names = root.names(&TreePath::default());
        let names: Vec<String> = names.into_iter().map(|name| printable(name).into_owned()).collect();
        let help = "build the runtime below /opt (./configure --prefix=/opt/R), or name another image";
        match names.as_slice() {
            [] => reading.error("the image is empty".to_owned(), help),
            names => reading.error(format!("the image has no directory {MOUNT}; it has {}", names.join(", ")), help),
        }
    })
}
