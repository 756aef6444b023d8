//! Relocation: moves packages to a different library, and makes R search that library. The tree that the other stages see
//! is the one that will be at `/opt`; the files on disk are not changed.
//!
//! R's own library must contain base and what a session attaches; a package elsewhere is found if its library is on
//! `.libPaths()`. `etc/Renviron` sets R_LIBS_USER to libraries (R's help pages "libPaths", "Startup").

use super::homes::{homes, is_base_package};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::languages::Arrangement;
use crate::tree::{EntryId, Place, Tree};

/// Relocates packages of a tree. Returns notes about what was moved and changed, and warnings about what could not be.
///
/// # Errors
/// When a package to move is one of R's base packages or is not in the tree, or when its destination exists.
pub(super) fn arrange(tree: &mut Tree, arrangement: &Arrangement) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut libraries = arrangement.libraries.clone();
    for library in libraries.iter().filter(|library| tree.find(library).is_none()) {
        findings.push(Finding::warning(
            Code::HoldsNothing,
            Subject::setting("r-libs-user"),
            format!("r-libs-user: {library} is not in the tree, so R does not search it"),
            "correct the path, which is relative to the tree; or remove it, unless another layer has it",
        ));
    }
    for relocation in &arrangement.relocations {
        let mut moved = Vec::new();
        for package in &relocation.packages {
            if is_base_package(package) {
                return Err(Error::Usage {
                    message: format!("relocate: {package} is a base package, which R finds only in its own library"),
                    help: "remove it from the list".to_owned(),
                });
            }
            moved.extend(relocate(tree, package, &relocation.to)?.map(|from| (package, from)));
        }
        for (package, from) in moved {
            findings.push(Finding::info(
                Code::Relocated,
                Subject::package(package),
                format!("is packed into {}, but installed in {from}", relocation.to),
                "nothing to do: layerfit.toml requests this",
            ));
        }
        libraries.push(relocation.to.clone());
    }
    let mut named: Vec<TreePath> = Vec::new();
    for library in libraries {
        if !named.contains(&library) {
            named.push(library);
        }
    }
    for home in homes(tree) {
        findings.extend(name_libraries(tree, &home.path, &named)?);
    }
    Ok(findings)
}

/// Moves a package; returns the library that it was in, or `None` when it is already at its destination.
fn relocate(tree: &mut Tree, package: &str, to: &TreePath) -> Result<Option<TreePath>> {
    let wrong = |message: String, help: &str| Error::Usage { message, help: help.to_owned() };
    let Some(target) = to.join(package) else {
        return Err(wrong(format!("relocate: {package} is not a package name"), "remove it from the list"));
    };
    let descriptions = tree.entries().iter().filter(|entry| entry.path.name() == b"DESCRIPTION");
    let directories = descriptions.filter_map(|entry| entry.path.parent());
    let installed = directories.filter(|directory| {
        let meta = directory.join("Meta/package.rds").and_then(|path| tree.find(&path));
        directory.name() == package.as_bytes() && meta.is_some()
    });
    let from: Vec<TreePath> = installed.collect();
    match from.as_slice() {
        [one] if *one == target => Ok(None),
        [one] if tree.find(&target).is_none() => {
            tree.move_directory(one, &target);
            Ok(one.parent())
        }
        [_] => Err(wrong(
            format!("relocate: {target} already exists"),
            "remove it from the tree, or choose another library",
        )),
        [] => Err(wrong(
            format!("relocate: the package {package} is not in the tree"),
            "fix its name, or remove it from the list",
        )),
        several => {
            let places: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message = format!("relocate: {package} is installed {} times: {}", several.len(), places.join(" and "));
            Err(wrong(message, "remove all but one copy"))
        }
    }
}

/// Sets R_LIBS_USER in `etc/Renviron` to those of these libraries that R does not already search.
fn name_libraries(tree: &mut Tree, home: &TreePath, libraries: &[TreePath]) -> Result<Option<Finding>> {
    let own = home.join("library");
    let wanted: Vec<String> =
        libraries.iter().filter(|library| own.as_ref() != Some(library)).map(TreePath::mounted).collect();
    let Some(path) = home.join("etc/Renviron").filter(|_| !wanted.is_empty()) else { return Ok(None) };
    let file: Option<EntryId> = match tree.find(&path).map(|id| tree.follow(id)) {
        Some(Place::Inside(file)) if tree.entry(file).is_file() => Some(file),
        _ => None,
    };
    let Some(file) = file else {
        return Ok(Some(Finding::warning(
            Code::RenvironChanged,
            &path,
            format!("is not a file in the tree, so R will not search {}", wanted.join(" and ")),
            format!("set R_LIBS={} for the function", wanted.join(":")),
        )));
    };
    let text = tree.read_text(file)?;
    let Some(changed) = with_libraries(&text, &wanted) else { return Ok(None) };
    tree.replace(file, changed);
    Ok(Some(Finding::info(
        Code::RenvironChanged,
        tree.path(file),
        format!("is packed with R_LIBS_USER set to {}", wanted.join(":")),
        "nothing to do: layerfit.toml requests this",
    )))
}

/// An Renviron that sets R_LIBS_USER to these libraries unless the environment sets it; `None` when it already does. The
/// file's own lines for that variable become comments, as the last one would win.
fn with_libraries(text: &[u8], libraries: &[String]) -> Option<Vec<u8>> {
    let line = format!("R_LIBS_USER=${{R_LIBS_USER-'{}'}}", libraries.join(":"));
    let sets = |text: &[u8]| text.trim_ascii_start().starts_with(b"R_LIBS_USER=");
    let setting: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| sets(line)).collect();
    if setting == [line.as_bytes()] {
        return None;
    }
    let mut changed = Vec::with_capacity(text.len() + 2 * line.len());
    for old in text.split_inclusive(|b| *b == b'\n') {
        if sets(old) {
            changed.push(b'#');
        }
        changed.extend_from_slice(old);
    }
    if changed.last().is_some_and(|last| *last != b'\n') {
        changed.push(b'\n');
    }
    changed.extend_from_slice(line.as_bytes());
    changed.push(b'\n');
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_libs_user_is_set_once_and_what_was_there_is_kept_as_a_comment() {
        let libraries = ["/opt/local/library".to_owned(), "/opt/more".to_owned()];
        let text = b"A=1\nR_LIBS_USER=${R_LIBS_USER:-'%U'}\n#R_LIBS_USER=x\nB=2";
        let changed = with_libraries(text, &libraries).expect("changed");
        let expected = "A=1\n#R_LIBS_USER=${R_LIBS_USER:-'%U'}\n#R_LIBS_USER=x\nB=2\n\
                        R_LIBS_USER=${R_LIBS_USER-'/opt/local/library:/opt/more'}\n";
        assert_eq!(String::from_utf8(changed.clone()).expect("text"), expected);
        assert_eq!(with_libraries(&changed, &libraries), None);
    }
}
