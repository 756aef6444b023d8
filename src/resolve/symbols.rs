//! Symbol versions and symbols: what the loader checks after it has found every library. A version that the library does
//! not define stops the process (`_dl_check_map_versions` in elf/dl-version.c); an undefined symbol fails when it is called.

use std::collections::BTreeSet;

use super::loader::{LoadedObject, Object, Process};
use crate::formats::elf::NeededVersion;
use crate::formats::symbol_version;
use crate::formats::symbol_version::SymbolVersion;
use crate::runtime::{GlibcNames, Libraries, RuntimeProfile};
use crate::tree::EntryId;

/// A symbol version or symbols of a file that are not found in some process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolError {
    /// The library that is loaded does not define a version that the file needs.
    Version {
        /// The version, the library it is needed from, and a symbol that needs it.
        needed: NeededVersion,
        /// The library that is loaded.
        library: Object,
        /// The error.
        why: VersionError,
        /// The file that needs it.
        file: EntryId,
    },
    /// No loaded object defines these symbols.
    Undefined {
        /// The file that needs them.
        file: EntryId,
        /// Their names, sorted.
        symbols: Vec<String>,
        /// Whether they are bound when the file is loaded, which fails then; otherwise their first call does.
        at_load: bool,
    },
}

impl SymbolError {
    /// The file that needs the version or the symbols.
    pub fn file(&self) -> EntryId {
        match self {
            SymbolError::Version { file, .. } | SymbolError::Undefined { file, .. } => *file,
        }
    }
}

/// Whether and when a process binds symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// It is not known which objects can define them.
    Unknown,
    /// At their first call.
    Lazy,
    /// When an object is loaded (`RTLD_NOW`).
    AtLoad,
    /// When an object is loaded, but which of the symbols whose names begin like this the program defines is not known.
    Except {
        /// How the names begin.
        prefixes: &'static [&'static str],
        /// Whether functions are bound at their first call instead (`RTLD_LAZY`).
        lazy: bool,
    },
}

/// Libraries of images, besides glibc's, of which every symbol has a version.
const VERSIONED: &[&str] = &["libgcc_s.so.1", "libstdc++.so.6", "libgomp.so.1", "libgfortran.so.5", "libcrypt.so.1"];

/// Why a library does not satisfy a needed version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionError {
    /// It does not define the version.
    Absent {
        /// The highest version of the same family that it defines, if any: `GLIBC_2.34`.
        highest: Option<String>,
    },
    /// It has no versions at all: the loader prints a message on stderr, and continues.
    Unversioned,
    /// An ABI marker of a later glibc than the image's, which may still define it as a backport.
    AbiMarker {
        /// The release that introduced it.
        release: &'static str,
        /// The image's release.
        has: String,
    },
    /// It is private to glibc, so the file belongs to a different build of glibc.
    Private,
}

/// The errors of the objects of the tree that were loaded from position `first` on.
///
/// This includes undefined symbols, unless `binding` is unknown or a loaded object is not known.
pub(super) fn symbol_errors(process: &Process<'_>, first: usize, binding: Binding) -> Vec<SymbolError> {
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
    // The symbols of a missing library are not known, and that it is missing has a finding of its own.
    if let (Binding::Except { prefixes, lazy }, true) = (binding, process.is_complete()) {
        let missing =
            in_tree(new).filter_map(|(file, object)| Some((file, defined_nowhere(process, prefixes, object)?)));
        found.extend(missing.map(|(file, symbols)| SymbolError::Undefined { file, symbols, at_load: !lazy }));
    } else if binding != Binding::Unknown && process.is_complete() {
        // Symbols of objects loaded at start are visible to all, those of later ones only to objects loaded with them.
        let started = process.started_with().min(first);
        let scope: Vec<&LoadedObject> = objects[..started].iter().chain(new).collect();
        let at_load = binding == Binding::AtLoad;
        found.extend(in_tree(new).filter_map(|(file, object)| undefined(file, object, &scope, at_load)));
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
        (Some(elf), _) => Some(elf.defined_versions.as_slice()),
        (None, Object::Image(path)) => profile.libraries.defines.get(path).map(Vec::as_slice),
        (None, Object::Tree(_)) => None,
    };
    unsatisfied(profile, needed, defines)
}

/// Why a library that defines these versions, or of which that is not known, does not satisfy a needed one.
pub(crate) fn unsatisfied(
    profile: &RuntimeProfile,
    needed: &NeededVersion,
    defines: Option<&[String]>,
) -> Option<VersionError> {
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

fn undefined(file: EntryId, object: &LoadedObject, scope: &[&LoadedObject], at_load: bool) -> Option<SymbolError> {
    // A library whose symbols are not known may define anything.
    let known: Vec<_> = scope.iter().map(|loaded| loaded.elf.as_deref()).collect::<Option<_>>()?;
    let strong = object.elf.iter().flat_map(|elf| elf.symbols.undefined()).filter(|symbol| !symbol.weak);
    let missing = strong.filter(|symbol| !known.iter().any(|elf| elf.symbols.defines(&symbol.name)));
    let mut symbols: Vec<String> = missing.map(|symbol| symbol.name.clone()).collect();
    symbols.sort();
    symbols.dedup();
    (!symbols.is_empty()).then_some(SymbolError::Undefined { file, symbols, at_load })
}

/// The symbols of a file that nothing can define: neither a library that is loaded with it, nor any other file of the tree, nor what
/// every process has of glibc, nor the program.
///
/// What a file needs without a version is in none of the libraries of `VERSIONED` that it was linked with, and functions of glibc are
/// known by their names.
fn defined_nowhere(process: &Process<'_>, prefixes: &[&str], object: &LoadedObject) -> Option<Vec<String>> {
    let elf = object.elf.as_deref()?;
    let is_linked_with = |soname: &str| elf.needed_versions.iter().any(|needed| needed.soname == soname);
    let glibc = GlibcNames::built_in();
    let is_known = |loaded: &LoadedObject| {
        let is_versioned = |name: &str| glibc.has(name) || VERSIONED.contains(&name);
        loaded.elf.is_some()
            || matches!(&loaded.object, Object::Image(path) if path.rsplit('/').next().is_some_and(is_versioned))
    };
    if !process.objects().iter().all(is_known) {
        return None;
    }
    let is_cpp = is_linked_with("libstdc++.so.6");
    let can_tell = |name: &str| {
        // Compilers and loaders define what begins with an underscore, C++ its own names.
        let own = !name.starts_with('_') || is_cpp && name.starts_with("_Z") && !name.starts_with("_ZGV");
        own && !prefixes.iter().any(|prefix| name.starts_with(prefix)) && !glibc.has_function(name)
    };
    let wanted = elf.symbols.undefined().iter().filter(|symbol| !symbol.weak && !symbol.is_versioned());
    let mut missing: BTreeSet<&str> = wanted.map(|symbol| symbol.name.as_str()).filter(|name| can_tell(name)).collect();
    missing
        .retain(|name| !process.objects().iter().filter_map(|it| it.elf.as_ref()).any(|it| it.symbols.defines(name)));
    missing.retain(|name| !process.tree_objects().values().any(|other| other.symbols.defines(name)));
    let symbols: Vec<String> = missing.into_iter().map(str::to_owned).collect();
    (!symbols.is_empty()).then_some(symbols)
}

impl RuntimeProfile {
    /// The highest version of a family that a library of the image is known to define, such as `2.34`.
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
