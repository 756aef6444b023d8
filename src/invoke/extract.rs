//! Layers as Lambda mounts them at `/opt`: a directory that `layerfit pack` wrote, layer zips in merge order, a plain tree, or
//! the /opt of a container image.
//!
//! Zips are read and merged by `tree`, which trusts nothing in them; the last one wins. What it leaves out (names that lead
//! outside, entries below a file or a link, contents different from those declared) is not written, so nothing is ever
//! written through a link.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::temporary::Temporary;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::progress::Silent;
use crate::base::read;
use crate::base::subject::Subject;
use crate::container::Image;
use crate::languages::package_directory;
use crate::pack::output::{Manifest, has_manifest};
use crate::runtime::Limits;
use crate::tree::{Kind, Tree, scan_image, scan_zips};

/// A directory to mount in the sandbox.
#[derive(Debug)]
pub(super) enum Mounted {
    /// A directory of the user, which is not changed.
    Own(PathBuf),
    /// An unzipped directory; it is removed at the end.
    Unzipped(Temporary),
}

impl Mounted {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Mounted::Own(path) => path,
            Mounted::Unzipped(unzipped) => unzipped.path(),
        }
    }
}

/// The layers named by `paths`: a directory that `pack` wrote, one that will be `/opt`, an image, or zips, the lowest first. Also
/// returns what is wrong with the zips, and how many bytes they have unzipped: none for what is not packed, of which the layers
/// can have less.
///
/// # Errors
/// When they cannot be read or unzipped, or are a mixture of directories and zips.
pub(super) fn layers(paths: &[PathBuf]) -> Result<(Mounted, Vec<Finding>, u64)> {
    let not_packed = |(mounted, findings)| (mounted, findings, 0);
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Error::RootMissing(missing.clone()));
    }
    match paths {
        [directory] if directory.is_dir() && has_manifest(directory)? => {
            let manifest = Manifest::read(directory)?;
            unzip(&manifest.layers.iter().map(|layer| directory.join(&layer.zip)).collect::<Vec<_>>())
        }
        [image] if Image::is_at(image)? => {
            let image = Image::open(image, None, &Silent)?;
            let (tree, findings) = scan_image(&image, &image.tree()?)?;
            written(&tree, findings).map(not_packed)
        }
        [directory] if directory.is_dir() => Ok(not_packed((Mounted::Own(absolute(directory)?), Vec::new()))),
        zips if zips.iter().all(|path| path.is_file()) => unzip(zips),
        _ => Err(Error::Usage {
            message: "the layers must be one directory, one image, or zips".to_owned(),
            help: "layerfit invoke layers/ …, layerfit invoke /opt …, or layerfit invoke low.zip high.zip …".to_owned(),
        }),
    }
}

/// The system around the layers: a directory, or an image.
///
/// # Errors
/// When an image cannot be read, or there is no room for it.
pub(super) fn rootfs(path: &Path) -> Result<Mounted> {
    if !Image::is_at(path)? {
        return Ok(Mounted::Own(absolute(path)?));
    }
    let (tree, _) = scan_image(&Image::open(path, None, &Silent)?, &TreePath::default())?;
    Ok(written(&tree, Vec::new())?.0)
}

/// The function's own code: a directory or a zip.
///
/// # Errors
/// When it cannot be read or unzipped.
pub(super) fn code(path: &Path) -> Result<(Mounted, Vec<Finding>)> {
    if path.is_dir() {
        Ok((Mounted::Own(absolute(path)?), Vec::new()))
    } else if path.is_file() {
        if !is_zip(path)? {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return Err(Error::Usage {
                message: format!("--code {}: is a file, but not a zip", path.display()),
                help: format!("name its directory: --code {} --handler {name}.FUNCTION", directory.display()),
            });
        }
        let (mounted, mut findings, _) = unzip(&[path.to_owned()])?;
        for finding in findings.iter_mut().filter(|finding| finding.code == Code::EmptyTree) {
            finding.subject = Subject::file(path.display());
            "the zip of the code is empty".clone_into(&mut finding.message);
            "zip the files of the function".clone_into(&mut finding.help);
        }
        Ok((mounted, findings))
    } else {
        Err(Error::Usage {
            message: format!("--code {}: no such directory or zip", path.display()),
            help: "name the directory that will be /var/task, or the zip that would be uploaded".to_owned(),
        })
    }
}

/// Whether a file can be a zip: it has an end record.
fn is_zip(path: &Path) -> Result<bool> {
    // The end record has 22 bytes and a comment of up to 65,535.
    const TAIL: u64 = 22 + 65_535;
    let mut file = read::regular(path)?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(Error::io("read", path))?;
    file.take(TAIL).read_to_end(&mut tail).map_err(Error::io("read", path))?;
    Ok(tail.windows(4).any(|bytes| bytes == b"PK\x05\x06"))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(Error::io("find", path))
}

fn unzip(zips: &[PathBuf]) -> Result<(Mounted, Vec<Finding>, u64)> {
    let (tree, layers, findings) = scan_zips(zips, Limits::built_in().total_unzipped, package_directory)?;
    let unzipped = layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.unzipped_bytes));
    let (mounted, findings) = written(&tree, findings)?;
    Ok((mounted, findings, unzipped))
}

fn written(tree: &Tree, findings: Vec<Finding>) -> Result<(Mounted, Vec<Finding>)> {
    let unzipped = Temporary::new()?;
    write(tree, unzipped.path())?;
    Ok((Mounted::Unzipped(unzipped), findings))
}

/// Writes a tree. Entries are sorted, so that a directory comes before what is in it.
fn write(tree: &Tree, root: &Path) -> Result<()> {
    // The function may run as a different user.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).map_err(Error::io("write", root))?;
    let entries: Vec<_> = tree.iter().collect();
    for (_, entry) in &entries {
        let path = root.join(entry.path.as_path());
        match &entry.kind {
            Kind::Directory => fs::create_dir(&path).map_err(Error::io("create", &path))?,
            Kind::Link { target } => {
                let target = std::ffi::OsStr::from_bytes(target);
                std::os::unix::fs::symlink(target, &path).map_err(Error::io("write", &path))?;
            }
            Kind::File { .. } => {}
        }
    }
    entries.par_iter().filter(|(_, entry)| entry.is_file()).try_for_each(|(id, entry)| {
        let path = root.join(entry.path.as_path());
        let mut file = fs::File::create(&path).map_err(Error::io("write", &path))?;
        let written = tree.read_in_chunks(*id, &mut |chunk| {
            file.write_all(chunk).map_err(Error::io("write", &path))?;
            Ok(ControlFlow::Continue(()))
        });
        match written {
            // A zip bomb or an encrypted file is not unzipped; a finding reports it.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::InvalidData => {
                return fs::remove_file(&path).map_err(Error::io("remove", &path));
            }
            written => written?,
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode(entry.mode))).map_err(Error::io("write", &path))
    })?;
    // Last, and the deepest first, as nothing can be written into a directory that is not writable.
    for (_, entry) in entries.iter().rev().filter(|(_, entry)| entry.is_directory()) {
        let path = root.join(entry.path.as_path());
        fs::set_permissions(&path, fs::Permissions::from_mode(mode(entry.mode))).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// The mode of an entry for a function that does not own it. In Lambda, `/opt` belongs to another user, so only the
/// permissions of others count. Here the function's user is the owner, so the owner gets the permissions of others.
fn mode(mode: u32) -> u32 {
    let others = mode & 0o005;
    (mode & 0o277) | (others << 6)
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn the_owner_may_read_and_execute_what_others_may() {
        for (given, shown) in [(0o755, 0o755), (0o644, 0o644), (0o600, 0o200), (0o750, 0o250), (0o4755, 0o755)] {
            assert_eq!(mode(given), shown, "{given:o}");
        }
    }
}
