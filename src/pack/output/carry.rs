//! What users put into an output directory: it is in the old and the new version of the directory before they change places,
//! and what came later follows before the old one is removed. The old one is only removed once it is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::manifest::{MANIFEST, Manifest};
use crate::base::directory::{Directory, Status};
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::tree::sha256;

/// The report in Markdown, in an output directory.
pub const REPORT: &str = "report.md";

/// Files besides zips and manifest that layerfit writes.
pub(super) const REPORTS: &[&str] = &[REPORT, "report.html"];

/// How often what was added meanwhile is moved, before the user is asked to stop adding more.
const TRIES: usize = 1000;

/// The files of an output directory that layerfit wrote: reports, the manifest, and the zips it lists, as long as they are unchanged.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<OsString, Status>);

impl Written {
    /// Those in this directory.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub(super) fn in_directory(directory: &Directory) -> Result<Self> {
        let manifest = directory.file(MANIFEST).ok().and_then(|file| {
            let bytes = read::rest(file, &directory.path(MANIFEST), read::MAX_MANIFEST).ok()?;
            Manifest::parse(&String::from_utf8(bytes).ok()?).ok()
        });
        let Some(manifest) = manifest else { return Ok(Self::default()) };
        // The manifest is written after the zips, so a zip was changed since if it is not older. Only then is it hashed, which takes
        // an eighth of a `pack` whose cache has everything. A file system whose times are coarse has them hashed, too.
        let manifest_changed = directory.changed(MANIFEST)?;
        let older = |name: &OsStr| {
            let changed = directory.changed(name);
            changed.is_ok_and(|changed| changed.iter().zip(&manifest_changed).all(|(zip, manifest)| zip < manifest))
        };
        let mut written = BTreeMap::new();
        for name in directory.names()? {
            let Some(status) = directory.status(&name)?.filter(Status::is_file) else { continue };
            let text = name.to_string_lossy();
            let unchanged = |expected: &str| {
                directory.file(&name).ok().and_then(|file| sha256(file).ok()).is_some_and(|sha256| sha256 == expected)
            };
            let listed = manifest.layers.iter().find(|layer| layer.zip == text);
            if text == MANIFEST
                || REPORTS.contains(&text.as_ref())
                || listed.is_some_and(|layer| {
                    status.bytes == layer.zipped_bytes && (older(&name) || unchanged(&layer.sha256))
                })
            {
                written.insert(name, status);
            }
        }
        Ok(Self(written))
    }

    /// Whether what is now at a name is what was there before, and layerfit wrote it.
    fn is(&self, name: &OsStr, now: &Status) -> bool {
        self.0.get(name) == Some(now)
    }
}

/// The inodes of the users' files in the new version: what was put into the old one later under the same names replaces them.
#[derive(Debug, Default)]
pub(super) struct Linked(BTreeSet<(u64, u64)>);

/// Links what users put into the old version of a directory into the new one.
///
/// # Errors
/// When one of their files has a name that the new version needs. Nothing is linked then.
pub(super) fn link_foreign(old: &Directory, written: &Written, new: &Directory) -> Result<Linked> {
    let mut foreign = Vec::new();
    for name in old.names()? {
        if old.status(&name)?.is_some_and(|status| !written.is(&name, &status)) {
            if new.status(&name)?.is_some() {
                return Err(Error::OutputTaken(old.path(&name)));
            }
            foreign.push(name);
        }
    }
    let mut linked = Linked::default();
    foreign.iter().try_for_each(|name| link_over(old, name, new, &mut linked))?;
    Ok(linked)
}

/// Hard-links a file, or each file of a directory; copies where that fails.
fn link_over(old: &Directory, name: &OsStr, new: &Directory, linked: &mut Linked) -> Result<()> {
    // What is gone by now has been removed by its user.
    let Some(status) = old.status(name)? else { return Ok(()) };
    if status.is_directory() {
        let (from, to) = (old.open_in(name)?, new.make(name, 0o700)?);
        for name in from.names()? {
            link_over(&from, &name, &to, linked)?;
        }
        return to.belong_to(status.owner, status.group, status.mode).map_err(old.failed("keep the owner of", name));
    }
    let done = match old.hard_link(name, new, name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(_) if status.is_link() => {
            let Some(target) = old.link_target(name) else { return Ok(()) };
            new.make_link(name, target)
        }
        Err(_) if status.is_file() => {
            let (mut from, mut to) = (old.file(name)?, new.create(name, 0o600)?);
            let copied = std::io::copy(&mut from, &mut to).and_then(|_| {
                let metadata = from.metadata()?;
                to.set_permissions(metadata.permissions())?;
                to.set_modified(metadata.modified()?)
            });
            copied.map_err(Error::io("copy", old.path(name)))
        }
        Err(_) => Err(Error::OutputTaken(old.path(name))),
    };
    linked.0.extend(new.status(name)?.map(|status| status.inode));
    done
}

/// Empties the directory of a name in `parent`, an old version, and removes it: what layerfit wrote is removed, and the rest is
/// moved into the new version unless it is there.
///
/// # Errors
/// When something cannot be moved or removed. It is still there then.
pub(super) fn move_foreign(
    (parent, name): (&Directory, &OsStr),
    written: &Written,
    linked: &Linked,
    new: &Directory,
) -> Result<()> {
    let old = parent.open_in(name)?;
    for _ in 0..TRIES {
        for name in old.names()? {
            let Some(status) = old.status(&name)? else { continue };
            if written.is(&name, &status) {
                old.remove_file(&name).map_err(old.failed("remove", &name))?;
            } else {
                move_over(&old, &name, linked, new)?;
            }
        }
        // This fails if something was added after it was listed.
        match parent.remove_empty(name) {
            Ok(()) => return Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(parent.failed("remove", name)(error)),
        }
    }
    Err(parent.failed("remove", name)(Errno::NOTEMPTY))
}

/// Moves what is at a name to the new version, unless it is there already.
fn move_over(old: &Directory, name: &OsStr, linked: &Linked, new: &Directory) -> Result<()> {
    match move_unless_taken(old, name, new, name) {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(error) => return Err(old.failed("move", name)(error)),
    }
    let (Some(here), Some(there)) = (old.status(name)?, new.status(name)?) else { return Ok(()) };
    if here.is_directory() && there.is_directory() {
        // In a directory, nothing was written by layerfit.
        return move_foreign((old, name), &Written::default(), linked, &new.open_in(name)?);
    }
    if here.inode == there.inode || same_content(old, new, name, (&here, &there)) {
        return old.remove_file(name).map_err(old.failed("remove", name));
    }
    // A directory is not replaced, as it can have files.
    if linked.0.contains(&there.inode) && !here.is_directory() && !there.is_directory() {
        return old.rename(name, new, name, RenameFlags::empty()).map_err(old.failed("move", name));
    }
    // Both are the user's, or one has the name of a new zip: both are kept.
    for number in 1..TRIES {
        let mut other = name.to_owned();
        other.push(format!(".{number}"));
        if move_unless_taken(old, name, new, &other).map_err(old.failed("move", name))? {
            return Ok(());
        }
    }
    Err(Error::OutputTaken(new.path(name)))
}

/// Renames what is at a name, if nothing has the new name; returns whether it did.
fn move_unless_taken(old: &Directory, name: &OsStr, new: &Directory, to: &OsStr) -> rustix::io::Result<bool> {
    match old.rename(name, new, to, RenameFlags::NOREPLACE) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // A file system without NOREPLACE.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if new.status(to).is_ok_and(|there| there.is_none()) {
                old.rename(name, new, to, RenameFlags::empty())?;
                return Ok(true);
            }
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether both are links to the same target, or files of the same content.
fn same_content(old: &Directory, new: &Directory, name: &OsStr, (here, there): (&Status, &Status)) -> bool {
    if here.is_link() && there.is_link() {
        return old.link_target(name) == new.link_target(name);
    }
    let hash = |directory: &Directory| directory.file(name).ok().and_then(|file| sha256(file).ok());
    here.is_file() && there.is_file() && here.bytes == there.bytes && hash(old).is_some_and(|a| hash(new) == Some(a))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_the_same_content_counts_as_there_already() {
        let home = tempfile::tempdir().expect("a directory");
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        let make = |name: &str, (mine, theirs): (&str, &str)| {
            for (directory, content) in [(&old, mine), (&new, theirs)] {
                match content.strip_prefix("-> ") {
                    Some(target) => symlink(target, directory.join(name)).expect("linked"),
                    None => fs::write(directory.join(name), content).expect("written"),
                }
            }
        };
        fs::create_dir(&old).expect("made");
        fs::create_dir(&new).expect("made");
        let cases = [
            ("equal", ("notes", "notes"), true),
            ("of-one-length", ("notes", "other"), false),
            ("longer", ("notes", "notes and more"), false),
            ("equal-links", ("-> equal", "-> equal"), true),
            ("links", ("-> equal", "-> longer"), false),
            ("link-to-it", ("notes", "-> equal"), false),
            ("link-from-it", ("-> equal", "notes"), false),
        ];
        for (name, contents, _) in &cases {
            make(name, *contents);
        }
        let (old, new) = (Directory::open(&old).expect("opened"), Directory::open(&new).expect("opened"));
        for (name, _, same) in cases {
            let status = |directory: &Directory| directory.status(name).expect("read").expect("there");
            assert_eq!(same_content(&old, &new, OsStr::new(name), (&status(&old), &status(&new))), same, "{name}");
        }
    }
}
