//! The output directory: the old one stays complete until a new one, written and synced beside it, replaces it in one step.
//! Files that layerfit did not write are moved to the new one, never removed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::manifest::{MANIFEST, Manifest};
use crate::base::error::{Error, Result};
use crate::base::interrupt::HalfWritten;
use crate::base::read;
use crate::tree::sha256_of;

/// Files besides zips and manifest that layerfit writes.
const REPORTS: &[&str] = &["report.md", "report.html"];

/// A new output directory in the making. Dropped without [`Output::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    staging: PathBuf,
    /// Removes the staging directory when a signal ends the process.
    half_written: HalfWritten,
    /// Held while this process writes, so that another layerfit can tell a staging directory in use from one that a killed run
    /// left.
    _lock: File,
    committed: bool,
}

impl Output {
    /// Starts a new version of the directory `target`. What a killed run left beside it is removed.
    ///
    /// # Errors
    /// When another layerfit writes there, `target` is not a directory, or its parent cannot be written.
    pub fn begin(target: &Path) -> Result<Self> {
        let absolute = std::path::absolute(target).map_err(Error::io("find", target))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(Error::Usage {
                message: format!("-o {}: cannot be replaced", target.display()),
                help: "give a directory that layerfit can create, such as -o layers".to_owned(),
            });
        };
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let beside = |what: &str| parent.join(format!(".{}.layerfit-{what}", name.to_string_lossy()));
        if fs::symlink_metadata(&absolute).is_ok_and(|m| !m.is_dir()) {
            return Err(Error::Usage {
                message: format!("-o {}: exists and is not a directory", target.display()),
                help: "give a directory; instead of a link to one, give its target".to_owned(),
            });
        }
        let staging = beside("new");
        let (half_written, lock) = HalfWritten::make(|| {
            fs::create_dir_all(&staging).map_err(Error::io("create", &staging))?;
            let lock = File::open(&staging).map_err(Error::io("open", &staging))?;
            // A directory that another run is writing must not be removed.
            match lock.try_lock() {
                Ok(()) => Ok((staging.clone(), lock)),
                Err(_) => Err(Error::OutputBusy(target.to_owned())),
            }
        })?;
        let output = Self { target: absolute.clone(), staging, half_written, _lock: lock, committed: false };
        let old = beside("old");
        // Without an atomic exchange, a run that was killed between its two renames left the old directory under this name.
        if old.is_dir() && !absolute.exists() {
            fs::rename(&old, &absolute).map_err(Error::io("restore", &absolute))?;
        }
        clear(&output.staging)?;
        Ok(output)
    }

    /// The path at which to write a file of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.staging.join(name)
    }

    /// Writes and syncs a small file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path(name);
        let mut file = File::create_new(&path).map_err(Error::io("write", &path))?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::io("write", &path))
    }

    /// Replaces the old directory by the new one.
    ///
    /// # Errors
    /// When the old directory has a file that layerfit did not write under a name that a new one needs, or the system
    /// refuses. The old directory is then unchanged.
    pub fn commit(mut self) -> Result<()> {
        let foreign = foreign_files(&self.target)?;
        for name in &foreign {
            let new = self.staging.join(name);
            if new.exists() {
                return Err(Error::OutputTaken(self.target.join(name)));
            }
        }
        for name in &foreign {
            link_over(&self.target.join(name), &self.staging.join(name))?;
        }
        sync(&self.staging)?;
        let parent = self.target.parent().unwrap_or(&self.target).to_owned();
        // The signal handler removes the staging directory, so it must not run while that name is exchanged.
        self.half_written.undisturbed(|| self.swap())?;
        sync(&parent)?;
        self.committed = true;
        if self.staging.exists() {
            remove(&self.staging)?;
        }
        Ok(())
    }

    /// Exchanges the names of the new and the old directory, or renames the new one if there is no old one.
    fn swap(&self) -> Result<()> {
        if self.target.exists() {
            match renameat_with(CWD, &self.staging, CWD, &self.target, RenameFlags::EXCHANGE) {
                // The staging name is now that of the old directory, which `commit` removes.
                Ok(()) => {}
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                    let old = PathBuf::from(self.staging.to_string_lossy().replace(".layerfit-new", ".layerfit-old"));
                    fs::rename(&self.target, &old).map_err(Error::io("move", &self.target))?;
                    fs::rename(&self.staging, &self.target).map_err(Error::io("move", &self.staging))?;
                    remove(&old)?;
                }
                Err(error) => return Err(Error::io("replace", &self.target)(error.into())),
            }
        } else {
            fs::rename(&self.staging, &self.target).map_err(Error::io("move", &self.staging))?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.committed {
            // A failure cannot be handled here; the next run removes the directory.
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

/// Names in an output directory that layerfit did not write: everything but reports, the manifest, and the zips it lists,
/// as long as their content is unchanged.
fn foreign_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", directory)(error)),
    };
    let manifest =
        read::text(&directory.join(MANIFEST), read::MAX_MANIFEST).ok().and_then(|text| Manifest::parse(&text).ok());
    let mut foreign = Vec::new();
    for entry in listing {
        let entry = entry.map_err(Error::io("list", directory))?;
        let name = entry.file_name();
        let ours = manifest.as_ref().is_some_and(|manifest| {
            let text = name.to_string_lossy();
            let listed = manifest.layers.iter().find(|layer| layer.zip == text);
            text == MANIFEST
                || REPORTS.contains(&text.as_ref())
                || listed.is_some_and(|layer| sha256_of(&entry.path()).is_ok_and(|sha256| sha256 == layer.sha256))
        });
        if !ours {
            foreign.push(PathBuf::from(name));
        }
    }
    foreign.sort();
    Ok(foreign)
}

/// Hard-links a file, or each file of a directory, so that it is in the old and the new directory; copies where that fails.
fn link_over(from: &Path, to: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(from).map_err(Error::io("read", from))?;
    if metadata.is_dir() {
        fs::create_dir(to).map_err(Error::io("create", to))?;
        fs::set_permissions(to, metadata.permissions()).map_err(Error::io("create", to))?;
        for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
            let name = entry.map_err(Error::io("list", from))?.file_name();
            link_over(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    if metadata.is_symlink() {
        let target = fs::read_link(from).map_err(Error::io("read", from))?;
        return std::os::unix::fs::symlink(target, to).map_err(Error::io("write", to));
    }
    if !metadata.is_file() {
        return Err(Error::OutputTaken(from.to_owned()));
    }
    fs::copy(from, to).map(|_| ()).map_err(Error::io("copy", from))
}

fn clear(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        remove(&entry.map_err(Error::io("list", directory))?.path())?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let is_directory = fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
    if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(Error::io("remove", path))
}

fn sync(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::io("sync", directory))
}
