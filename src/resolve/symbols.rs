//! Symbol versions and symbols: what the loader checks when it has found every library. A version that a library does not
//! define stops the process (`_dl_check_map_versions` in elf/dl-version.c); a symbol that nobody defines, the call.

use super::loader::{LoadedObject, Object, Process};
use crate::formats::elf::NeededVersion;
use crate::formats::symbol_version;
use crate::formats::symbol_version::SymbolVersion;
use crate::runtime::{Libraries, RuntimeProfile};
use crate::tree::EntryId;

/// What would go wrong with versions or symbols of one file in some process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolError {
    /// The library that is loaded does not define a version that the file needs.
    Version {
        /// What is needed, of which library, with a symbol that needs it.
        needed: NeededVersion,
        /// The library that is loaded.
        library: Object,
        /// What is wrong with it.
        why: VersionError,
        /// The file that needs it.
        file: EntryId,
    },
    /// Nothing that is loaded defines these symbols, sorted.
    Undefined {
        /// The file that needs them.
        file: EntryId,
        /// Their names, sorted.
        symbols: Vec<String>,
    },
}

/// What is wrong with a library that is held against a needed version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionError {
    /// It has no such version; its highest of the family, if it has any: `GLIBC_2.34`.
    Absent {
        /// The highest version of the same family.
        highest: Option<String>,
    },
    /// It has no versions at all: the loader says so on stderr, and goes on.
    Unversioned,
    /// A marker that came with a later release than the image's, which may have it all the same.
    AbiMarker {
        /// The release that brought it.
        release: &'static str,
        /// The image's.
        has: String,
    },
    /// It is private to the C library's own parts, so the file belongs to another build of it.
    Private,
}

/// What would go wrong with the objects of the tree that were loaded from position `first` on.
///
/// With `symbols`, also which symbols nobody defines, where everything that is loaded is known.
pub(super) fn symbol_errors(process: &Process<'_>, first: usize, symbols: bool) -> Vec<SymbolError> {
    let objects = process.objects();
    let new = &objects[first.min(objects.len())..];
    let libraries = process.profile();
    let mut found = Vec::new();
    for (file, object) in in_tree(new) {
        for needed in object.elf.iter().flat_map(|elf| &elf.needed_versions) {
            let Some(library) = process.answering_to(&needed.soname) else { continue };
            if let Some(why) = version_error(libraries, needed, library) {
                let library = library.object.clone();
                found.push(SymbolError::Version { needed: needed.clone(), library, why, file });
            }
        }
    }
    // What would have been in a library that is missing is not known, and that it is missing is said.
    if symbols && process.is_complete() {
        // What was there when the program began to run is seen by all; what is loaded later, only beside its like.
        let started = process.started_with().min(first);
        let scope: Vec<&LoadedObject> = objects[..started].iter().chain(new).collect();
        found.extend(in_tree(new).filter_map(|(file, object)| undefined(file, object, &scope)));
    }
    found
}

fn in_tree(objects: &[LoadedObject]) -> impl Iterator<Item = (EntryId, &LoadedObject)> {
    objects.iter().filter_map(|object| match object.object {
        Object::Tree(id) => Some((id, object)),
        Object::Image(_) => None,
    })
}

fn version_error(profile: &RuntimeProfile, needed: &NeededVersion, library: &LoadedObject) -> Option<VersionError> {
    let defines = match (&library.elf, &library.object) {
        (Some(elf), _) => Some(&elf.defined_versions),
        (None, Object::Image(path)) => profile.libraries.defines.get(path),
        (None, Object::Tree(_)) => None,
    };
    if let Some(defines) = defines {
        if defines.contains(&needed.version) || needed.weak {
            return None;
        }
        if defines.is_empty() {
            return Some(VersionError::Unversioned);
        }
        return Some(VersionError::Absent { highest: highest(defines, &needed.version) });
    }
    if needed.weak {
        return None;
    }
    if symbol_version::is_private(&needed.version) {
        return Some(VersionError::Private);
    }
    let max = |prefix: &str| profile.highest_version(&needed.soname, prefix);
    if let Some(release) = symbol_version::abi_marker(&needed.version) {
        let has = max("GLIBC")?;
        let later = SymbolVersion { prefix: "GLIBC", numbers: symbol_version::numbers(release)? }.is_after(has);
        return later.then(|| VersionError::AbiMarker { release, has: has.to_owned() });
    }
    let version = SymbolVersion::parse(&needed.version)?;
    let has = max(version.prefix)?;
    version.is_after(has).then(|| VersionError::Absent { highest: Some(format!("{}_{has}", version.prefix)) })
}

/// The highest version of the same family as `version`.
fn highest(defined: &[String], version: &str) -> Option<String> {
    let family = SymbolVersion::parse(version)?.prefix;
    let of_family = defined.iter().filter_map(|v| SymbolVersion::parse(v)).filter(|v| v.prefix == family);
    let highest = of_family.max()?;
    let numbers: Vec<String> = highest.numbers.iter().map(ToString::to_string).collect();
    Some(format!("{family}_{}", numbers.join(".")))
}

fn undefined(file: EntryId, object: &LoadedObject, scope: &[&LoadedObject]) -> Option<SymbolError> {
    // A library whose symbols are not listed may define anything.
    let known: Vec<_> = scope.iter().map(|loaded| loaded.elf.as_deref()).collect::<Option<_>>()?;
    let strong = object.elf.iter().flat_map(|elf| elf.symbols.undefined()).filter(|symbol| !symbol.weak);
    let missing = strong.filter(|symbol| !known.iter().any(|elf| elf.symbols.defines(&symbol.name)));
    let mut symbols: Vec<String> = missing.map(|symbol| symbol.name.clone()).collect();
    symbols.sort();
    symbols.dedup();
    (!symbols.is_empty()).then_some(SymbolError::Undefined { file, symbols })
}

impl RuntimeProfile {
    /// The highest version of a family that a library of the image is known to define: `2.34` for `libc.so.6` and `GLIBC`.
    pub fn highest_version(&self, soname: &str, prefix: &str) -> Option<&str> {
        let mut bounds = self.versions.iter();
        bounds.find(|bound| bound.soname == soname && bound.prefix == prefix).map(|bound| bound.max.as_str())
    }

    /// Whether a library of the image is known to define a version; `None` when that is not known.
    pub fn defines_version(&self, soname: &str, version: &str) -> Option<bool> {
        let named = |path: &str| path.rsplit('/').next() == Some(soname);
        let mut captured = self.libraries.defines.iter().filter(|(path, _)| named(path));
        if let Some((_, defines)) = captured.next() {
            return Some(defines.iter().any(|defined| defined == version));
        }
        if !Libraries::names(&self.libraries).any(|name| name == soname) {
            return Some(false);
        }
        let version = SymbolVersion::parse(version)?;
        Some(!version.is_after(self.highest_version(soname, version.prefix)?))
    }
}
