//! R's homes in a tree (`R RHOME`): which directories are one, which program and which script start R there, and whether the
//! script leads there.
//!
//! R's own library is `R_HOME/library` (R's help page "libPaths"), and base is in it, whatever links both are. A directory that
//! is called library and contains base is not R's own by that alone: it can be a copy.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::needs::NEEDS;
use crate::base::finding::{Code, Finding};
use crate::base::path::{TreePath, printable};
use crate::formats::shell::{Environment, Files};
use crate::tree::{EntryId, Kind, Place, Tree};

/// What only a home has: R's program, and files that are read when R starts.
const SIGNS: [&str; 3] = ["bin/exec/R", "etc/ldpaths", "etc/Renviron"];

/// A home of R.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    /// Its directory.
    pub path: TreePath,
    /// The directory of its package base, links followed.
    pub base: TreePath,
}

/// R's homes, sorted. Where no directory has R's program or what it reads when it starts, those that are parents of a library
/// with base: R can be in another layer, or only its packages be there.
pub(super) fn homes(tree: &Tree) -> Vec<Home> {
    let libraries = tree.iter().filter(|(_, entry)| {
        entry.path.name() == b"library" && (entry.is_directory() || matches!(entry.kind, Kind::Link { .. }))
    });
    let found = libraries.filter_map(|(_, entry)| {
        let path = entry.path.parent()?;
        let base = directory(tree, &entry.path.join("base")?)?;
        inside(tree, &base, "DESCRIPTION")?;
        Some((Home { path, base }, entry.is_directory()))
    });
    let found: Vec<(Home, bool)> = found.collect();
    let with_signs = found.iter().filter(|(home, _)| has_signs(tree, &home.path));
    let mut homes: Vec<Home> = with_signs.map(|(home, _)| home.clone()).collect();
    if homes.is_empty() {
        let in_directories = found.into_iter().filter(|(_, is_directory)| *is_directory);
        homes = in_directories.map(|(home, _)| home).collect();
    }
    homes.sort_by(|a, b| a.path.cmp(&b.path));
    homes
}

fn has_signs(tree: &Tree, home: &TreePath) -> bool {
    SIGNS.iter().any(|below| inside(tree, home, below).is_some()) || program(tree, home).is_some()
}

/// Whether a tree has R's program, with R's library or without.
pub(super) fn is_in_tree(tree: &Tree) -> bool {
    tree.iter().any(|(id, _)| home_of_program(tree, id).is_some())
}

/// The home of which this is the program: three levels above, or four in an R for one of several architectures.
pub(super) fn home_of_program(tree: &Tree, id: EntryId) -> Option<TreePath> {
    let path = tree.path(id);
    let may_be = path.name() == b"R" && !tree.entry(id).is_directory();
    may_be.then(|| path.ancestors().skip(3).take(2).find(|home| program(tree, home) == Some(id)))?
}

/// The entry at a path below a directory, links followed.
pub(super) fn inside(tree: &Tree, directory: &TreePath, below: &str) -> Option<EntryId> {
    match tree.locate_inside(&directory.join(below)?) {
        Place::Inside(id) => Some(id),
        _ => None,
    }
}

/// The directory that a path leads to, links followed.
pub(super) fn directory(tree: &Tree, path: &TreePath) -> Option<TreePath> {
    match tree.locate_inside(path) {
        Place::Inside(id) if tree.entry(id).is_directory() => Some(tree.path(id).clone()),
        _ => None,
    }
}

/// The library that R in `home` has its own packages in, links followed.
pub(super) fn own_library(tree: &Tree, home: &TreePath) -> Option<TreePath> {
    directory(tree, &home.join("library")?)
}

/// R's program: `bin/exec/R`, or `bin/exec/ARCH/R` of an R that was configured with r_arch.
pub(super) fn program(tree: &Tree, home: &TreePath) -> Option<EntryId> {
    let plain = home.join("bin/exec/R").and_then(|path| tree.find(&path)).or_else(|| inside(tree, home, "bin/exec/R"));
    plain.filter(|id| !tree.entry(*id).is_directory()).or_else(|| {
        let executables = directory(tree, &home.join("bin/exec")?)?;
        let mut below = tree.below(&executables);
        below.find_map(|(id, entry)| {
            let is_program = entry.path.name() == b"R" && !entry.is_directory();
            (is_program && entry.path.parent()?.parent()? == executables).then_some(id)
        })
    })
}

/// Whether R was built in this directory, as `configure` leaves it: R's home in its sources runs R as well, but no function
/// needs it beside the R that was installed from it.
pub(super) fn is_build_directory(tree: &Tree, home: &TreePath) -> bool {
    ["config.status", "Makefile", "src"].iter().all(|below| inside(tree, home, below).is_some())
}

/// Whether a path is in a directory in which R was built, while the tree also has an R that was installed.
pub(super) fn is_in_build_directory(tree: &Tree, homes: &[&TreePath], path: &TreePath) -> bool {
    let (built, installed): (Vec<&TreePath>, Vec<&TreePath>) =
        homes.iter().copied().partition(|home| is_build_directory(tree, home));
    !installed.is_empty() && built.iter().any(|home| path.below(home).is_some())
}

/// What the script `bin/R` of a home does before it starts R.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The home that it starts R in, an absolute path, if that is known.
    pub home: Option<String>,
    /// The part of paths for one of several architectures: `/x64`, or nothing.
    pub arch: String,
}

/// Runs the script `bin/R`, started with `environment` among these files. What configure
/// wrote falls back from lib to lib64 and back, and people correct it with further lines (R.sh.in in R's src/scripts).
pub(super) fn start(script: &str, environment: &Environment, files: &dyn Files) -> Start {
    let mut environment = environment.clone();
    for variable in ["R_HOME", "R_HOME_DIR"] {
        // The script that starts it may be another one, of the function's own.
        if environment.get(variable).is_none() {
            environment.forget_value(variable);
        }
    }
    // Its loop over options, which can set another architecture, does not run without any.
    let mut head = environment.clone();
    let lines: Vec<&str> = script.lines().take_while(|line| !line.starts_with("while ")).collect();
    let is_read = head.run_among(lines.join("\n").as_bytes(), files).is_ok();
    if !is_read || environment.run_among(script.as_bytes(), files).is_err() {
        return Start::default();
    }
    let assigns = |variable: &str| {
        let mut lines = script.lines().map(|line| line.trim_start().trim_start_matches("export "));
        lines.any(|line| line.strip_prefix(variable).is_some_and(|rest| rest.starts_with('=')))
    };
    let home = ["R_HOME", "R_HOME_DIR"].into_iter().find(|variable| assigns(variable));
    let home = home.and_then(|variable| environment.get(variable)).filter(|home| home.starts_with('/'));
    let arch = head.get("R_ARCH").filter(|arch| arch.starts_with('/')).unwrap_or_default().to_owned();
    Start { home: home.map(str::to_owned), arch }
}

/// A finding about `bin/R`, which starts R in the directory `started`, wherever the script itself is.
pub(super) fn home_elsewhere(tree: &Tree, home: &TreePath, started: &str) -> Option<Finding> {
    if matches!(tree.locate(started.as_bytes()), Place::Inside(id) if tree.path(id) == home) {
        return None;
    }
    let expected = home.mounted();
    let message =
        format!("R is configured to run from {}, but in Lambda it is at {expected}", printable(started.as_bytes()));
    if let Some(above) = directory_above(tree, home, started) {
        let help = format!("name {} as the tree: its content will be /opt", printable(above.as_os_str().as_bytes()));
        return Some(Finding::error(Code::HomeElsewhere, &home.join("bin/R")?, message, help).of_another_tree());
    }
    Some(Finding::error(
        Code::HomeElsewhere,
        &home.join("bin/R")?,
        message,
        remedy(tree, &[home], started)
            .unwrap_or_else(|| "configure R with a --prefix below /opt, or fix R_HOME_DIR in bin/R".to_owned()),
    ))
}

/// The directory to name as the tree, if the one that was named is a directory in it by its name: `/opt/R` for a home in
/// `/opt/R/lib/R` that is at `lib/R` of the tree.
fn directory_above<'t>(tree: &'t Tree, home: &TreePath, started: &str) -> Option<&'t Path> {
    let written = TreePath::from_mounted(started.trim_end_matches('/').as_bytes())?;
    let above = written.as_bytes().strip_suffix(home.as_bytes())?.strip_suffix(b"/")?;
    let above = Path::new(OsStr::from_bytes(above));
    let root = tree.root().filter(|root| root.ends_with(above))?;
    root.ancestors().nth(above.components().count()).filter(|path| !path.as_os_str().is_empty())
}

/// What makes a home that was compiled in, or written into a script, lead to one of those in the tree, if it is below /opt: a
/// link, or a tree that begins one directory higher.
pub(super) fn remedy(tree: &Tree, homes: &[&TreePath], written: &str) -> Option<String> {
    let written = TreePath::from_mounted(written.trim_end_matches('/').as_bytes()).filter(|path| !path.is_root())?;
    let components =
        |path: &TreePath| -> Vec<Vec<u8>> { path.as_bytes().split(|b| *b == b'/').map(<[u8]>::to_vec).collect() };
    let text = |parts: &[Vec<u8>]| printable(&parts.join(&b'/')).to_string();
    homes.iter().find_map(|home| {
        let (from, to) = (components(&written), components(home));
        let same = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
        if same == to.len() && same > 1 && from.len() > same {
            // The whole path of the home is below another directory.
            let above = text(&from[..from.len() - same]);
            return Some(format!(
                "name the directory above as the tree, if this one is /opt/{above}: what is packed will be in /opt itself; or \
                 move it to {above}/ of the tree"
            ));
        }
        if same == from.len() && to[..to.len() - same].last().is_some_and(|above| above == b"opt") {
            let inside = text(&to[..to.len() - same]);
            return Some(format!("name {inside}/ in this tree as the tree: what is packed will be in /opt itself"));
        }
        // The link has a name, and leads to more than /opt itself.
        let same = same.min(from.len() - 1).min(to.len() - 1);
        let (link, target) = (&from[..from.len() - same], &to[..to.len() - same]);
        let at = TreePath::new(link.join(&b'/'))?;
        // What is there already cannot become a link, nor can what is in a directory that is a file.
        let is_free = tree.find(&at).is_none();
        is_free.then(|| {
            let at = home.mounted();
            format!("link {} to /opt/{}, or configure R for {at} (--prefix, --libdir)", text(link), text(target))
        })
    })
}

/// The names of R's base packages, which it finds only in its own library.
pub(super) fn is_base_package(name: &str) -> bool {
    NEEDS.standard.base.iter().any(|base| base == name)
}
