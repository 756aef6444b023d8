//! Packages that cannot be imported: what they import, or load with ctypes, when they are imported themselves, is nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use rayon::prelude::*;
use regex::bytes::Regex;

use super::bound::{may_bind, may_set};
use super::imports::Modules;
use super::installed::foreign_module;
use super::names::{Minor, module, normalized};
use super::needs::ID;
use super::source::{library_calls, module_level};
use super::standard::{distribution_of, is_in_image, is_standard, part_to_install};
use super::uses::{Parsed, absolute, has_interpreter, minor, parsed};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::formats::foreign::describe;
use crate::languages::Packages;
use crate::languages::read_once::ReadOnce;
use crate::runtime::{LibrarySource, RuntimeProfile};
use crate::tree::{EntryId, Kind, Magic, Objects, Place, Tree};

/// Modules beside those of a distribution that no function imports.
const BESIDE: &[&str] =
    &["tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "conftest", "setup", "scripts"];

/// Code that changes where modules are found, or puts one into the table of those that are loaded.
static HOOKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"sys\.path\b|meta_path|path_hooks|__path__|addsitedir|sys\.modules\.(?:setdefault|update)|sys\.modules\[([^\]\n]+)\][ \t]*=[^=]").ok()
});

/// How the names of libraries begin that have no module of Python.
const OF_SYSTEM: &[&str] =
    &["libc.so", "libm.so", "libdl.so", "libpthread.so", "libgcc_s.so", "libstdc++.so", "ld-linux"];

/// How many bytes at the beginning of a file tell what it is.
const HEAD: usize = 64;

/// A call that loads a library by its name, and the name.
static LIBRARY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\b(?:CDLL|PyDLL|LoadLibrary|dlopen)\([ \t\n]*["']([^"'\n]+\.so(?:\.[\d.]+)?)["']"#).ok()
});

/// What is wrong with what a source loads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// A module of no distribution in the tree; what to install.
    Absent { name: String, install: String },
    /// A module that the standard library no longer has.
    Removed { name: String },
    /// A module that its package does not have.
    Gone { name: String },
    /// A module that is there for another system only.
    Foreign { file: EntryId, system: &'static str },
    /// A module in a file that no Python loads; what it is instead.
    Unusable { file: EntryId, what: String },
    /// A library.
    Library { name: String },
}

/// The forms of a module that Python does not import.
enum Other {
    /// There are none.
    Nothing,
    /// One for another system.
    Foreign(Fault),
    /// One for another version, which has a finding of its own.
    Told,
}

/// What a source does when it is loaded.
#[derive(Default)]
struct Source {
    /// The files that it seems to import, each with where in the text, in bytes.
    to: Vec<(usize, EntryId)>,
    /// What it seems to import and does not get.
    faults: Vec<(usize, Fault)>,
    /// The libraries that it names and that are nowhere.
    libraries: Vec<String>,
    /// Whether it changes what is found.
    hooks: bool,
}

/// A module or package of the first level.
struct Unit {
    file: EntryId,
    package: Option<usize>,
}

struct Reader<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    objects: &'a Objects,
    runtime: &'a RuntimeProfile,
    modules: &'a Modules<'a>,
    minor: Option<Minor>,
    has_interpreter: bool,
    /// The names that libraries of the tree answer to.
    libraries: BTreeSet<String>,
    sources: ReadOnce<Source>,
    certain: ReadOnce<BTreeSet<usize>>,
}

/// Findings about the packages and modules that satisfy `kept` and cannot be imported, except those of which that is told.
pub(super) fn check(
    packages: &Packages,
    tree: &Tree,
    objects: &Objects,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
    is_told: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let has_interpreter = has_interpreter(tree);
    // Where the interpreter of a tree searches is its own.
    if has_interpreter && packages.runtime_version(ID).is_none() {
        return Vec::new();
    }
    let modules = Modules::new(packages, tree);
    let name_of = |id: &EntryId| String::from_utf8_lossy(tree.path(*id).name()).into_owned();
    let named = tree.iter().map(|(id, _)| id).filter(|id| tree.path(*id).name().windows(3).any(|part| part == b".so"));
    let libraries = named.map(|id| name_of(&id)).chain(objects.values().filter_map(|elf| elf.soname.clone())).collect();
    let reader = Reader {
        packages,
        tree,
        objects,
        runtime,
        modules: &modules,
        minor: minor(packages),
        has_interpreter,
        libraries,
        sources: ReadOnce::default(),
        certain: ReadOnce::default(),
    };
    let units: Vec<Unit> = modules
        .units()
        .filter(|(name, file)| {
            let is_beside = BESIDE.contains(&name.as_str()) || name.starts_with("test_") || name.starts_with("__");
            !is_beside && kept(*file)
        })
        .map(|(_, file)| Unit { file, package: packages.of_path(tree.path(file)) })
        .filter(|unit| unit.package.is_none_or(|package| !is_told(&packages.get(package).name)))
        .collect();
    reader.read_all(&units);
    let broken: Vec<(usize, EntryId, Fault)> = units
        .par_iter()
        .enumerate()
        .filter_map(|(position, unit)| reader.breaks(unit).map(|(file, fault)| (position, file, fault)))
        .collect();
    let mut findings = reader.findings(&units, broken);
    findings.extend(reader.unloadable(&units));
    findings.extend(reader.foreign_units(kept));
    findings
}

impl Reader<'_> {
    /// Reads all that is loaded with these units.
    fn read_all(&self, units: &[Unit]) {
        let mut round: Vec<EntryId> = units.iter().map(|unit| unit.file).collect();
        let mut seen: BTreeSet<EntryId> = round.iter().copied().collect();
        while !round.is_empty() {
            let read: Vec<Arc<Source>> = round.par_iter().map(|id| self.source(*id)).collect();
            let next = read.iter().flat_map(|source| &source.to).map(|(_, to)| *to);
            round = next.filter(|to| seen.insert(*to)).collect();
        }
    }

    /// The first file that a unit loads for certain and that fails, and why.
    fn breaks(&self, unit: &Unit) -> Option<(EntryId, Fault)> {
        let mut queue: Vec<(EntryId, Option<usize>)> = vec![(unit.file, None)];
        let mut seen: BTreeSet<EntryId> = BTreeSet::from([unit.file]);
        let mut chain: Vec<(Option<usize>, usize, EntryId)> = Vec::new();
        let mut found: Option<(EntryId, Option<usize>, Fault)> = None;
        while let Some((id, by)) = queue.pop() {
            let source = self.source(id);
            // What the code of this unit changes, holds for all that it imports.
            if source.hooks && self.packages.of_path(self.tree.path(id)) == unit.package {
                return None;
            }
            if found.is_none() && !source.faults.is_empty() {
                let certain = self.module_level(id);
                let first = source.faults.iter().find(|(at, _)| certain.contains(at));
                found = first.map(|(_, fault)| (id, by, fault.clone()));
            }
            for (at, to) in &source.to {
                if seen.insert(*to) {
                    queue.push((*to, Some(chain.len())));
                    chain.push((by, *at, id));
                }
            }
        }
        let (file, by, fault) = found?;
        let mut next = by;
        while let Some((above, at, from)) = next.and_then(|link| chain.get(link)) {
            if !self.module_level(*from).contains(at) {
                return None;
            }
            next = *above;
        }
        Some((file, fault))
    }

    /// Where the statements of a source begin that run for certain: only those are parsed of which that matters.
    fn module_level(&self, id: EntryId) -> Arc<BTreeSet<usize>> {
        self.certain.get(id, || self.tree.read_text(id).map(|text| module_level(&text)).unwrap_or_default())
    }

    fn source(&self, id: EntryId) -> Arc<Source> {
        self.sources.get(id, || self.read(id))
    }

    fn read(&self, id: EntryId) -> Source {
        let path = self.tree.path(id);
        let text = if path.name().ends_with(b".py") { self.tree.read_text(id).unwrap_or_default() } else { Vec::new() };
        let mut read = Source { hooks: has_hooks(&text), ..Source::default() };
        let own = self.modules.name(id).unwrap_or_default();
        let is_package = path.name() == b"__init__.py";
        for (at, statement) in parsed(&text) {
            match statement {
                Parsed::Import(names) => {
                    for name in &names {
                        self.import(at, name, &mut read);
                    }
                }
                Parsed::From { dots, module, names } => {
                    let Some(base) = absolute(&own, is_package, dots, &module).filter(|base| !base.is_empty()) else {
                        continue;
                    };
                    let faults = read.faults.len();
                    self.import(at, &base, &mut read);
                    if faults == read.faults.len() {
                        for name in &names {
                            self.import_from(at, &base, name, &text, &mut read);
                        }
                        if is_package && base == own {
                            self.import_from_itself(at, &base, &names, &text, &mut read);
                        }
                    }
                }
            }
        }
        if memchr::memmem::find(&text, b".so").is_some() {
            let named =
                LIBRARY.iter().flat_map(|pattern| pattern.captures_iter(&text)).filter_map(|found| found.get(1));
            let named = named.map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
            read.libraries = named.filter(|name| self.is_nowhere(name)).collect();
        }
        read
    }

    /// Notes what importing a module by its whole name loads, or why that fails.
    fn import(&self, at: usize, name: &str, read: &mut Source) {
        let top = name.split('.').next().unwrap_or(name);
        let is_there = || is_standard(top, self.minor) || is_in_image(self.packages, self.has_interpreter, top);
        let fault = match self.modules.find(name) {
            None if top.starts_with("__") || is_there() => None,
            None => self.without(name, top),
            Some(found) => {
                read.to.extend(found.files.iter().map(|file| (at, *file)));
                let parts = name.split('.').count();
                if found.depth == parts {
                    found.files.last().and_then(|file| self.not_loadable(*file))
                } else if found.files.is_empty() && is_there() {
                    None
                } else {
                    let part = name.split('.').nth(found.depth).unwrap_or_default();
                    let is_open = |file: &EntryId| {
                        !self.tree.path(*file).name().ends_with(b".py")
                            || self.tree.read_text(*file).is_ok_and(|text| has_hooks(&text))
                    };
                    let gone = name.split('.').take(found.depth + 1).collect::<Vec<_>>().join(".");
                    if found.files.iter().any(is_open) {
                        None
                    } else if found.files.is_empty() {
                        Some(Fault::Absent { install: distribution_of(&gone), name: gone })
                    } else {
                        match self.other_forms(&found.portions, part) {
                            Other::Foreign(fault) => Some(fault),
                            Other::Told => None,
                            Other::Nothing => Some(Fault::Gone { name: gone }),
                        }
                    }
                }
            }
        };
        read.faults.extend(fault.map(|fault| (at, fault)));
    }

    /// Notes what `from BASE import NAME` loads, if that is a module, or why it fails, if it is one for another system.
    fn import_from(&self, at: usize, base: &str, name: &str, text: &[u8], read: &mut Source) {
        let Some(package) = self.modules.find(base).filter(|found| !found.portions.is_empty()) else { return };
        let whole = format!("{base}.{name}");
        let Some(found) = self.modules.find(&whole) else { return };
        if found.depth == whole.split('.').count() {
            read.to.extend(found.files.iter().map(|file| (at, *file)));
            let fault = found.files.last().and_then(|file| self.not_loadable(*file));
            let is_bound = || {
                let init = package.files.last().and_then(|file| self.tree.read_text(*file).ok()).unwrap_or_default();
                may_bind(&init, (init == text).then_some(at), name)
            };
            let fault = fault.filter(|fault| !matches!(fault, Fault::Unusable { .. }) || !is_bound());
            read.faults.extend(fault.map(|fault| (at, fault)));
            return;
        }
        // The package can have something else by this name.
        let is_bound = |text: &[u8]| {
            Regex::new(&format!(r"(?m)^[ \t]*{}[ \t]*(?:=|:)|__getattr__", regex::escape(name)))
                .is_ok_and(|bound| bound.is_match(text))
        };
        let init = package.files.last().and_then(|file| self.tree.read_text(*file).ok()).unwrap_or_default();
        if let Other::Foreign(fault) = self.other_forms(&package.portions, name)
            && !is_bound(&init)
            && !is_bound(text)
        {
            read.faults.push((at, fault));
        }
    }

    /// Notes what `from . import NAME` of a package's own code fails for: neither the code nor the directory has the name.
    fn import_from_itself(&self, at: usize, base: &str, names: &[String], text: &[u8], read: &mut Source) {
        let Some(package) = self.modules.find(base).filter(|found| !found.portions.is_empty()) else { return };
        for name in names.iter().filter(|name| !name.starts_with("__") && *name != "*") {
            let whole = format!("{base}.{name}");
            let is_there = self.modules.find(&whole).is_some_and(|found| found.depth == whole.split('.').count());
            if !is_there
                && !may_bind(text, Some(at), name)
                && !self.is_set_by_another(&package.portions, base, name)
                && matches!(self.other_forms(&package.portions, name), Other::Nothing)
            {
                read.faults.push((at, Fault::Gone { name: whole }));
            }
        }
    }

    /// Whether code below a package's directories may give the package this name from outside.
    fn is_set_by_another(&self, directories: &[TreePath], base: &str, name: &str) -> bool {
        let package = base.rsplit('.').next().unwrap_or(base);
        let below = directories.iter().flat_map(|directory| self.tree.below(directory));
        let sources = below.filter(|(_, entry)| entry.is_file() && entry.path.name().ends_with(b".py"));
        sources.into_iter().any(|(id, _)| self.tree.read_text(id).is_ok_and(|text| may_set(&text, package, name)))
    }

    /// Why a module that no directory has cannot be imported.
    fn without(&self, name: &str, top: &str) -> Option<Fault> {
        match self.other_forms(self.modules.directories(), top) {
            Other::Foreign(fault) => return Some(fault),
            Other::Told => return None,
            Other::Nothing => {}
        }
        Some(if is_standard(top, None) {
            Fault::Removed { name: top.to_owned() }
        } else {
            let name = part_to_install(name).to_owned();
            Fault::Absent { install: distribution_of(&name), name }
        })
    }

    /// Whether a module is there in a form that this Python does not import.
    fn other_forms(&self, directories: &[TreePath], name: &str) -> Other {
        let mut other = Other::Nothing;
        for directory in directories {
            for (id, entry) in
                self.tree.below(directory).filter(|(_, entry)| entry.path.parent().as_ref() == Some(directory))
            {
                if let Some((_, system)) = foreign_module(entry.path.name()).filter(|(found, _)| *found == name) {
                    other = Other::Foreign(Fault::Foreign { file: id, system });
                } else if module(entry.path.name()).is_some_and(|(found, _)| found == name) {
                    return Other::Told;
                }
            }
        }
        other
    }

    /// Why the file of a module cannot be loaded, if it is an extension module.
    fn not_loadable(&self, file: EntryId) -> Option<Fault> {
        self.not_elf(file).or_else(|| self.unusable(file))
    }

    /// A file with the plain name of an extension module, `m.so`, that is none: only an import shows that it should be one. What has
    /// a tag in its name is tried by the loader.
    fn unusable(&self, file: EntryId) -> Option<Fault> {
        let (name, tag) = module(self.tree.path(file).name())?;
        let Place::Inside(file) = self.tree.follow(file) else { return None };
        if tag.tagged || !self.tree.entry(file).is_file() {
            return None;
        }
        let what = match self.objects.get(&file) {
            // An ELF file that cannot be read has a finding of its own.
            None if matches!(&self.tree.entry(file).kind, Kind::File { magic: Magic::Elf, .. }) => return None,
            None => describe(&self.tree.read_head(file, HEAD).ok()?).what.to_owned(),
            Some(elf) => {
                // An import looks for the function in what the library needs, too.
                let is_of_system = |needed: &String| OF_SYSTEM.iter().any(|start| needed.starts_with(start));
                let function = format!("PyInit_{name}");
                if !name.is_ascii() || elf.symbols.defines(&function) || !elf.needed.iter().all(is_of_system) {
                    return None;
                }
                format!("does not define {function}, which an import calls")
            }
        };
        Some(Fault::Unusable { file, what })
    }

    /// An extension module of no distribution that is a file for another system.
    fn not_elf(&self, file: EntryId) -> Option<Fault> {
        let path = self.tree.path(file);
        let is_foreign = matches!(&self.tree.entry(file).kind, Kind::File { magic, bytes, .. } if *magic != Magic::Elf && *bytes > 0);
        if !path.name().ends_with(b".so") || !is_foreign || self.packages.of_path(path).is_some() {
            return None;
        }
        let head = self.tree.read_head(file, 4).unwrap_or_default();
        let system = match head.as_slice() {
            [0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe] => "macOS",
            [b'M', b'Z', ..] => "Windows",
            _ => return None,
        };
        Some(Fault::Foreign { file, system })
    }

    /// Whether neither the tree nor the image has a library of this name.
    fn is_nowhere(&self, name: &str) -> bool {
        if self.runtime.libraries.from == LibrarySource::Filesystem {
            return false;
        }
        match name.rsplit_once('/') {
            None => !self.libraries.contains(name) && !self.runtime.libraries.names().any(|known| known == name),
            Some(_) if name.starts_with("/opt/") => {
                TreePath::from_mounted(name.as_bytes()).is_some_and(|path| self.tree.find(&path).is_none())
            }
            Some(_) => false,
        }
    }

    fn findings(&self, units: &[Unit], broken: Vec<(usize, EntryId, Fault)>) -> Vec<Finding> {
        let mut by_package: BTreeMap<usize, Vec<(usize, EntryId, Fault)>> = BTreeMap::new();
        let mut findings = Vec::new();
        // A file fails the package that it is in: others have no finding of their own, unless that can be imported.
        let own: BTreeSet<EntryId> = broken
            .iter()
            .filter(|(unit, file, _)| self.packages.of_path(self.tree.path(*file)) == units[*unit].package)
            .map(|(_, file, _)| *file)
            .collect();
        for (unit, file, fault) in broken {
            let is_own = self.packages.of_path(self.tree.path(file)) == units[unit].package;
            if !is_own && own.contains(&file) {
                continue;
            }
            match units[unit].package {
                Some(package) => by_package.entry(package).or_default().push((unit, file, fault)),
                None => findings.push(self.finding(Severity::Error, None, &units[unit], file, &fault)),
            }
        }
        for (position, broken) in by_package {
            let package = self.packages.get(position);
            let of_package = units.iter().filter(|unit| unit.package == Some(position)).count();
            let is_main = |unit: usize| self.tree.path(units[unit].file).below(&package.directory).is_some();
            let main = broken.iter().find(|(unit, ..)| is_main(*unit));
            let severity =
                if main.is_some() || broken.len() == of_package { Severity::Error } else { Severity::Warning };
            if let Some((unit, file, fault)) = main.or(broken.first()) {
                // Another module of it that is for an extra.
                let is_extra =
                    matches!(fault, Fault::Absent { install, .. } if package.suggests.contains(&normalized(install)));
                let severity = if is_extra && severity == Severity::Warning { Severity::Info } else { severity };
                findings.push(self.finding(severity, Some(position), &units[*unit], *file, fault));
            }
        }
        findings
    }

    fn finding(
        &self,
        severity: Severity,
        package: Option<usize>,
        unit: &Unit,
        file: EntryId,
        fault: &Fault,
    ) -> Finding {
        let package = package.map(|position| self.packages.get(position));
        let (who, subject) = match package {
            Some(package) => {
                let which = match severity {
                    Severity::Error => String::new(),
                    _ => format!(" as {}", self.modules.name(unit.file).unwrap_or_default()),
                };
                (
                    format!("{} {} cannot be imported{which}", package.name, package.version),
                    Subject::package(&package.name),
                )
            }
            None => ("cannot be imported".to_owned(), Subject::from(self.tree.path(unit.file))),
        };
        let by = self.tree.path(file);
        let again = || match package {
            Some(package) => {
                format!("install it again: pip install --only-binary=:all: --target python {}", package.name)
            }
            None => "put the whole package there, and pack again".to_owned(),
        };
        let for_linux = "pip install --only-binary=:all: --platform manylinux2014_x86_64 (or _aarch64) --target python";
        let minor = self.minor.map(|minor| format!("3.{minor}")).unwrap_or_default();
        let (code, what, help, cause) = match fault {
            Fault::Absent { name, install } => (
                Code::MissingPackage,
                format!("imports {name}, which is not in the tree"),
                format!(
                    "install {install} into the tree, unless the function has it: pip install --target python {install}"
                ),
                Some(normalized(install)),
            ),
            Fault::Removed { name } => (
                Code::MissingPackage,
                format!("imports {name}, which Python {minor} does not have"),
                format!("install a version for Python {minor}, or choose a runtime with an older Python"),
                None,
            ),
            Fault::Gone { name } => {
                (Code::DamagedPackage, format!("imports {name}, which is not in the tree"), again(), None)
            }
            Fault::Foreign { file, system } => (
                Code::DamagedPackage,
                format!("imports {}, which is for {system}, and a function runs on Linux", self.tree.path(*file)),
                format!("install it for Linux: {for_linux}"),
                None,
            ),
            Fault::Unusable { file, what } => {
                (Code::DamagedPackage, format!("imports {}, which {what}", self.tree.path(*file)), again(), None)
            }
            Fault::Library { name } => (
                Code::MissingLibrary,
                format!("loads {name} with ctypes, which neither the tree nor {} has", self.runtime.name),
                format!("copy {name} to lib/ in the tree"),
                Some(name.clone()),
            ),
        };
        let finding = Finding::new(severity, code, subject, format!("{who}: {by} {what}"), help);
        match cause {
            Some(cause) => finding.caused_by(cause),
            None => finding,
        }
    }

    /// Libraries that code loads with ctypes, and that are nowhere: an error where importing a unit loads one, and a note where a
    /// function does.
    fn unloadable(&self, units: &[Unit]) -> Vec<Finding> {
        let mut found: BTreeMap<(Option<usize>, String), (bool, usize, EntryId)> = BTreeMap::new();
        for (position, unit) in units.iter().enumerate() {
            for id in self.loaded_with(unit) {
                let source = self.source(id);
                if source.libraries.is_empty() {
                    continue;
                }
                let Ok(text) = self.tree.read_text(id) else { continue };
                for (name, at_start) in library_calls(&text) {
                    if source.libraries.contains(&name) {
                        let of = self.packages.of_path(self.tree.path(id));
                        let known = found.entry((of, name)).or_insert((false, position, id));
                        known.0 |= at_start;
                    }
                }
            }
        }
        let finding = |((package, name), (certain, unit, file)): ((Option<usize>, String), (bool, usize, EntryId))| {
            let fault = Fault::Library { name: name.clone() };
            if certain {
                return self.finding(Severity::Error, package, &units[unit], file, &fault);
            }
            let path = self.tree.path(file);
            Finding::info(
                Code::MissingLibrary,
                path,
                format!(
                    "a function in it loads {name} with ctypes, which neither the tree nor {} has",
                    self.runtime.name
                ),
                format!("copy {name} to lib/ in the tree, if the function needs what loads it"),
            )
            .caused_by(name)
        };
        found.into_iter().map(finding).collect()
    }

    /// The files of a unit's own package that are loaded with it.
    fn loaded_with(&self, unit: &Unit) -> Vec<EntryId> {
        let first = self.modules.unit(self.tree.path(unit.file));
        let is_own = |to: &EntryId| {
            let path = self.tree.path(*to);
            let of = self.packages.of_path(path);
            of == unit.package && (of.is_some() || self.modules.unit(path) == first)
        };
        let mut found = vec![unit.file];
        let mut seen: BTreeSet<EntryId> = BTreeSet::from([unit.file]);
        let mut next = 0;
        while let Some(id) = found.get(next).copied() {
            next += 1;
            let source = self.source(id);
            found.extend(source.to.iter().map(|(_, to)| *to).filter(is_own).filter(|to| seen.insert(*to)));
        }
        found
    }

    /// Modules of no distribution, directly where modules are searched, that are only there for another system.
    fn foreign_units(&self, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for directory in self.modules.directories() {
            for (id, entry) in self.tree.below(directory) {
                if entry.path.parent().as_ref() != Some(directory)
                    || !kept(id)
                    || self.packages.of_path(&entry.path).is_some()
                {
                    continue;
                }
                let Some((name, system)) = foreign_module(entry.path.name()) else { continue };
                if self.modules.find(name).is_none()
                    && !matches!(self.other_forms(self.modules.directories(), name), Other::Told)
                {
                    findings.push(Finding::error(
                        Code::DamagedPackage,
                        Subject::from(&entry.path),
                        format!("cannot be imported: it is for {system}, and a function runs on Linux"),
                        "install it for Linux: pip install --only-binary=:all: --platform manylinux2014_x86_64 (or _aarch64) \
                         --target python",
                    ));
                }
            }
        }
        findings
    }
}

/// Whether a source changes what imports find; that it puts something in its own place is no such change.
fn has_hooks(text: &[u8]) -> bool {
    HOOKS
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text))
        .any(|found| found.get(1).is_none_or(|key| key.as_bytes().trim_ascii() != b"__name__"))
}
