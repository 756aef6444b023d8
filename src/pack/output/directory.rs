//! The output directory: the old one stays complete until a new one, written and synced beside it, replaces it in one step.
//! Files that layerfit did not write are in the new one too, never removed; its owner, group and mode stay. Other files that a run
//! writes (a lock, a template) are replaced in the same step, or none of them is.
//!
//! Beside `out` there is `.out.layerfit-new` meanwhile, which only this user can enter: `new` in it becomes `out`. It is made,
//! never found: whatever has that name and is not what a killed run of layerfit left is left alone, and the run refused. What a
//! killed run left has a link `mark` whose target names the inodes of the directory and of `new`, which no copy of it has.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use super::carry::{Linked, REPORTS, Written, link_foreign, move_foreign};
use super::manifest::MANIFEST;
use crate::base::atomic::{Replacement, can_replace, put_all};
use crate::base::directory::{Directory, Status, real};
use crate::base::error::{Error, Result};
use crate::base::interrupt::HalfWritten;

/// The new version, in the staging directory.
const NEW: &str = "new";
/// The old version, in the staging directory, on file systems where two names cannot be exchanged.
const OLD: &str = "old";
/// The link that shows that the staging directory is layerfit's.
const MARK: &str = "mark";

/// A new output directory in the making. Dropped without [`Output::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    /// As the user named it.
    named: PathBuf,
    parent: Directory,
    name: OsString,
    staging_name: OsString,
    /// Locked while this process writes, so that another layerfit can tell a staging directory in use from one that a killed
    /// run left.
    staging: Directory,
    new: Directory,
    /// Removes the staging directory when a signal ends the process.
    half_written: HalfWritten,
    /// Whether the staging directory has the old version now, which is removed with care.
    swapped: bool,
}

impl Output {
    /// Starts a new version of the directory `target`. What a killed run left beside it is removed.
    ///
    /// # Errors
    /// When another layerfit writes there, `target` is not a directory or cannot be replaced, its parent cannot be written, or
    /// something that is not layerfit's has the name of the staging directory.
    pub fn begin(target: &Path) -> Result<Self> {
        let absolute = std::path::absolute(target).map_err(Error::io("find", target))?;
        let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(Error::Usage {
                message: format!("-o {}: cannot be replaced", target.display()),
                help: "give a directory that layerfit can create, such as -o layers".to_owned(),
            });
        };
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let parent = Directory::open(parent)?;
        let existing = parent.status(name)?;
        if existing.is_some_and(|status| !status.is_directory()) {
            return Err(Error::Usage {
                message: format!("-o {}: exists and is not a directory", target.display()),
                help: "give a directory; instead of a link to one, give its target".to_owned(),
            });
        }
        if existing.is_some() && parent.is_mount_point(name) {
            return Err(mount_point(target));
        }
        let mut staging_name = OsString::from(".");
        staging_name.push(name);
        staging_name.push(".layerfit-new");
        sweep(&parent, name, &staging_name, target)?;
        let (half_written, staging) = HalfWritten::make(|| {
            let staging = parent.make(&staging_name, 0o700)?;
            // Another run could have taken it for what a killed one left.
            let there = parent.status(&staging_name)?.map(|status| status.inode);
            if !staging.lock()? || there != Some(staging.own_status()?.inode) {
                return Err(Error::OutputBusy(target.to_owned()));
            }
            Ok((parent.path(&staging_name), staging))
        })?;
        let new = match staging.make(NEW, if existing.is_some() { 0o700 } else { 0o777 }) {
            Ok(new) => new,
            Err(error) => {
                let _ = parent.remove_all(&staging_name);
                return Err(error);
            }
        };
        let output = Self {
            named: target.to_owned(),
            name: name.to_owned(),
            parent,
            staging_name,
            staging,
            new,
            half_written,
            swapped: false,
        };
        output.staging.make_link(MARK, mark(&output.staging, &output.new)?)?;
        if let Some(status) = existing {
            output.belong_to(&status)?;
        }
        Ok(output)
    }

    /// Creates a file of this name; the path is only for messages.
    ///
    /// # Errors
    /// When it exists, or cannot be created.
    pub fn create(&self, name: &str) -> Result<(File, PathBuf)> {
        Ok((self.new.create(name, 0o666)?, self.new.path(name)))
    }

    /// Writes and syncs a small file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let (mut file, path) = self.create(name)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
    }

    /// Replaces the old directory by the new one, and with it `others`: files elsewhere, or in the directory, and their content.
    ///
    /// # Errors
    /// When the old directory has a file that layerfit did not write under a name that a new one needs, another file cannot be
    /// written, or the system refuses. The old directory and the other files are then unchanged.
    pub fn commit(mut self, others: &[(&Path, Vec<u8>)]) -> Result<()> {
        let old = self.parent.status(&self.name)?;
        for (path, _) in others {
            if self.has(path)? {
                return Err(taken(path));
            }
        }
        let (mut written, mut linked) = (Written::default(), Linked::default());
        if let Some(status) = &old {
            // Its mode can have been changed since this began.
            let directory = self.parent.open_in(&self.name)?;
            self.new.take_attributes(&directory).map_err(self.parent.failed("keep the attributes of", &self.name))?;
            self.belong_to(status)?;
            written = Written::in_directory(&directory)?;
            linked = link_foreign(&directory, &written, &self.new)?;
        }
        self.new.sync()?;
        // The signal handler removes the staging directory, so it must not run while the old version is in it.
        let (mut swapped, this) = (false, &self);
        let done = this.half_written.undisturbed(|| {
            let (mut outside, mut inside) = this.written(others)?;
            put_all(&mut outside)?;
            let place = this.swap(old.as_ref()).inspect_err(|_| outside.iter_mut().for_each(Replacement::undo))?;
            swapped = true;
            if let Some(place) = place {
                move_foreign((&this.staging, OsStr::new(place)), &written, &linked, &this.new)?;
            }
            put_all(&mut inside)?;
            this.parent.remove_all(&this.staging_name)
        });
        self.swapped = swapped;
        done?;
        self.parent.sync()
    }

    /// Tries whether another file can be written when this is committed: what can be known before the work is told then.
    ///
    /// # Errors
    /// When it cannot be written, or has a name in the directory that is not free for it.
    pub fn try_other(&self, path: &Path) -> Result<()> {
        let Some(place) = self.place(path)? else { return can_replace(path) };
        let is_ours = |name: &OsStr| name == MANIFEST || REPORTS.iter().any(|report| name == *report);
        if place.as_os_str().is_empty() && path.file_name().is_some_and(is_ours) {
            return Err(taken(path));
        }
        let directory = std::path::absolute(&self.named).map_err(Error::io("find", &self.named))?.join(&place);
        match directory.join(path.file_name().unwrap_or_default()).symlink_metadata() {
            Ok(_) => can_replace(path),
            Err(_) if place.as_os_str().is_empty() || directory.is_dir() => Ok(()),
            Err(error) => Err(Error::unwritable(path)(error)),
        }
    }

    /// The directory of another file relative to this one, if it is in it.
    fn place(&self, path: &Path) -> Result<Option<PathBuf>> {
        let whole = real(&self.parent.path(&self.name))?;
        let directory = std::path::absolute(path).map_err(Error::unwritable(path))?;
        let Some(directory) = directory.parent() else { return Ok(None) };
        Ok(real(directory)?.strip_prefix(whole).ok().map(Path::to_owned))
    }

    /// Whether the new version itself has a file at this path.
    fn has(&self, path: &Path) -> Result<bool> {
        let is_top = self.place(path)?.is_some_and(|place| place.as_os_str().is_empty());
        Ok(is_top && self.new.status(path.file_name().unwrap_or_default())?.is_some())
    }

    /// The new content of other files, each written beside its place: those elsewhere, and those in the new version.
    fn written(&self, others: &[(&Path, Vec<u8>)]) -> Result<(Vec<Replacement>, Vec<Replacement>)> {
        let (mut outside, mut inside) = (Vec::new(), Vec::new());
        for (path, content) in others {
            let Some(place) = self.place(path)? else {
                outside.push(Replacement::written(path, content)?);
                continue;
            };
            let mut directory = self.new.again()?;
            for name in &place {
                directory = directory.open_in(name)?;
            }
            inside.push(Replacement::written_in(directory, path.file_name().unwrap_or_default(), path, content)?);
        }
        Ok((outside, inside))
    }

    /// Gives the new version the owner, group and mode of the old one.
    fn belong_to(&self, old: &Status) -> Result<()> {
        match self.new.belong_to(old.owner, old.group, old.mode) {
            Ok(()) => Ok(()),
            Err(Errno::PERM) => Err(Error::Usage {
                message: format!(
                    "-o {}: belongs to user {} and group {}, which a new version of it cannot be given to",
                    self.named.display(),
                    old.owner,
                    old.group
                ),
                help: format!(
                    "run as that user, or give a directory in it, such as -o {}/layers",
                    self.named.display()
                ),
            }),
            Err(error) => Err(Error::io("set the mode of", self.parent.path(&self.name))(error.into())),
        }
    }

    /// Exchanges the names of the new and the old version, or renames the new one if there is no old one. Returns where in the
    /// staging directory the old version is now.
    fn swap(&self, old: Option<&Status>) -> Result<Option<&'static str>> {
        let refused = |error| match error {
            Errno::BUSY => mount_point(&self.named),
            _ => self.parent.failed("replace", &self.name)(error),
        };
        let out = (&self.parent, &self.name);
        let Some(old) = old else {
            let moved = match self.staging.rename(NEW, out.0, out.1, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    self.staging.rename(NEW, out.0, out.1, RenameFlags::empty())
                }
                moved => moved,
            };
            return moved.map(|()| None).map_err(refused);
        };
        match self.staging.rename(NEW, out.0, out.1, RenameFlags::EXCHANGE) {
            Ok(()) => {
                let place = self.staging.status(NEW)?;
                if place.is_some_and(|status| status.inode == old.inode) {
                    return Ok(Some(NEW));
                }
                // Somebody put something else there in between.
                self.staging.rename(NEW, out.0, out.1, RenameFlags::EXCHANGE).map_err(refused)?;
                Err(Error::OutputBusy(self.named.clone()))
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                out.0.rename(out.1, &self.staging, OLD, RenameFlags::empty()).map_err(refused)?;
                if let Err(error) = self.staging.rename(NEW, out.0, out.1, RenameFlags::empty()) {
                    self.staging.rename(OLD, out.0, out.1, RenameFlags::empty()).map_err(refused)?;
                    return Err(refused(error));
                }
                Ok(Some(OLD))
            }
            Err(error) => Err(refused(error)),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let there = self.parent.status(&self.staging_name).ok().flatten();
        let own = self.staging.own_status().ok();
        if !self.swapped && there.is_some_and(|there| own.is_some_and(|own| own.inode == there.inode)) {
            // A failure cannot be handled here; the next run removes the directory.
            let _ = self.parent.remove_all(&self.staging_name);
        }
    }
}

/// The target of the link that marks a staging directory as layerfit's.
fn mark(staging: &Directory, new: &Directory) -> Result<OsString> {
    let ((device, inode), new) = (staging.own_status()?.inode, new.own_status()?.inode.1);
    Ok(format!("layerfit:{device}:{inode}:{new}").into())
}

/// Removes the staging directory that a killed run left, after what users put into an old version in it was moved back.
///
/// # Errors
/// When another layerfit writes there, or something else has that name.
fn sweep(parent: &Directory, name: &OsStr, staging_name: &OsStr, named: &Path) -> Result<()> {
    let Some(status) = parent.status(staging_name)? else { return Ok(()) };
    let not_ours = || Error::Usage {
        message: format!(
            "{}: layerfit needs this name for its work, and did not make what is there",
            parent.path(staging_name).display()
        ),
        help: "move it away, or name another directory with -o".to_owned(),
    };
    if !status.is_directory() || status.owner != geteuid().as_raw() {
        return Err(not_ours());
    }
    let staging = parent.open_in(staging_name)?;
    if staging.own_status()?.inode != status.inode {
        return Err(not_ours());
    }
    if !staging.lock()? {
        return Err(Error::OutputBusy(named.to_owned()));
    }
    let (device, inode) = status.inode;
    let marked = staging.link_target(MARK);
    let new_inode = marked.as_ref().and_then(|mark| {
        let rest = mark.to_str()?.strip_prefix(&format!("layerfit:{device}:{inode}:"))?;
        rest.parse::<u64>().ok()
    });
    let Some(new_inode) = new_inode else {
        // A run that was killed before it had made the mark left two directories, both empty.
        let names = staging.names()?;
        let empty = names.is_empty() || names == [NEW] && staging.remove_empty(NEW).is_ok();
        return if empty && parent.remove_empty(staging_name).is_ok() { Ok(()) } else { Err(not_ours()) };
    };
    for place in [NEW, OLD] {
        let Some(version) = staging.status(place)?.filter(Status::is_directory) else { continue };
        if place == NEW && version.inode.1 == new_inode {
            continue;
        }
        // The run was killed after the old version had been replaced, or before the new one was in its place.
        if parent.status(name)?.is_some() {
            let written = Written::in_directory(&staging.open_in(place)?)?;
            move_foreign((&staging, OsStr::new(place)), &written, &Linked::default(), &parent.open_in(name)?)?;
        } else {
            staging.rename(place, parent, name, RenameFlags::empty()).map_err(parent.failed("restore", name))?;
        }
    }
    parent.remove_all(staging_name)
}

/// The error for another file that has the name of one that is written.
fn taken(path: &Path) -> Error {
    Error::Usage {
        message: format!("{}: the layers in this directory have a file of that name", path.display()),
        help: "name another file".to_owned(),
    }
}

fn mount_point(named: &Path) -> Error {
    Error::Usage {
        message: format!("-o {}: is a mount point, which cannot be replaced as a whole", named.display()),
        help: format!("give a directory in it, such as -o {}", named.join("layers").display()),
    }
}
