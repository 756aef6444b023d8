//! The output directory: the old one stays whole until a new one, written and synced beside it, takes its place in one
//! step. Files that layerfit did not write move along; they are never removed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::manifest::{MANIFEST, Manifest};
use crate::base::error::{Error, Result};
use crate::base::interrupt::HalfWritten;
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
    /// Held while this process writes: another layerfit sees that the staging directory is in use, and one that comes after
    /// a killed run sees that it is not.
    _lock: File,
    committed: bool,
}

impl Output {
    /// Begins to write what will be the directory `target`. What a killed run left beside it is cleared away.
    ///
    /// # Errors
    /// When another layerfit writes there, `target` is no directory, or the place cannot be written.
    pub fn begin(target: &Path) -> Result<Self> {
        let absolute = std::path::absolute(target).map_err(Error::io("find", target))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(Error::Usage {
                message: format!("-o {}: cannot be replaced", target.display()),
                help: "give a directory that layerfit may make, such as -o layers".to_owned(),
            });
        };
        fs::create_dir_all(parent).map_err(Error::io("make", parent))?;
        let beside = |what: &str| parent.join(format!(".{}.layerfit-{what}", name.to_string_lossy()));
        if fs::symlink_metadata(&absolute).is_ok_and(|m| !m.is_dir()) {
            return Err(Error::Usage {
                message: format!("-o {}: there is something that is not a directory", target.display()),
                help: "give a directory; a link to one has to be named by what it points to".to_owned(),
            });
        }
        let staging = beside("new");
        let (half_written, lock) = HalfWritten::make(|| {
            fs::create_dir_all(&staging).map_err(Error::io("make", &staging))?;
            let lock = File::open(&staging).map_err(Error::io("open", &staging))?;
            // What another run writes to is not this one's to remove.
            match lock.try_lock() {
                Ok(()) => Ok((staging.clone(), lock)),
                Err(_) => Err(Error::OutputBusy(target.to_owned())),
            }
        })?;
        let output = Self { target: absolute.clone(), staging, half_written, _lock: lock, committed: false };
        let old = beside("old");
        // A file system without exchange: a run that was killed between its two renames left the old directory here.
        if old.is_dir() && !absolute.exists() {
            fs::rename(&old, &absolute).map_err(Error::io("restore", &absolute))?;
        }
        clear(&output.staging)?;
        Ok(output)
    }

    /// Where to write a file of this name.
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

    /// Puts the new directory in the place of the old one.
    ///
    /// # Errors
    /// When the old directory has a file that layerfit did not write under a name that a new one needs, or the system
    /// refuses. The old directory is then as it was.
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
        // Whoever removes the staging directory for a signal must not meet the new one under its name.
        self.half_written.undisturbed(|| self.swap())?;
        sync(&parent)?;
        self.committed = true;
        if self.staging.exists() {
            remove(&self.staging)?;
        }
        Ok(())
    }

    /// Gives the new directory the old one's name, and the old one, if there was one, the new one's or none.
    fn swap(&self) -> Result<()> {
        if self.target.exists() {
            match renameat_with(CWD, &self.staging, CWD, &self.target, RenameFlags::EXCHANGE) {
                // The staging name now holds the old directory, and dropping clears it away.
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
            // Nothing more can be done about a failure here; the next run clears it away.
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

/// Names in an output directory that layerfit did not write: everything but reports, the manifest, and the zips it lists,
/// as long as they are still the ones it lists.
fn foreign_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", directory)(error)),
    };
    let manifest = fs::read_to_string(directory.join(MANIFEST)).ok().and_then(|text| Manifest::parse(&text).ok());
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

/// Gives a file or directory a second name, so that it is in the old directory and the new one; copies where that fails.
fn link_over(from: &Path, to: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(from).map_err(Error::io("read", from))?;
    if metadata.is_dir() {
        fs::create_dir(to).map_err(Error::io("make", to))?;
        fs::set_permissions(to, metadata.permissions()).map_err(Error::io("make", to))?;
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
