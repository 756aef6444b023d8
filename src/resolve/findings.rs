//! Findings about libraries, symbol versions, symbols and machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::Resolution;
use super::data::{DataContext, MissingData, remedy_for_part};
use super::graph::Node;
use super::loader::{LibraryLookup, NeededLibrary, Object};
use super::processes::{Certainty, ProcessKind, is_bundled_for};
use super::symbols::{SymbolError, VersionError};
use super::unloaded::{Unloaded, WhyUnloaded};
use crate::base::bytes::size;
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::list;
use crate::base::path::TreePath;
use crate::formats::elf::{Elf, Machine, NeededVersion, Type};
use crate::formats::foreign;
use crate::languages::{self, language};
use crate::runtime::{GlibcNames, LibrarySource, RuntimeProfile};
use crate::tree::{EntryId, Place, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 12;

/// Where a needed library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoundIn {
    /// In the tree, and so in a layer.
    Layer,
    /// In the image, according to its profile.
    Runtime,
    /// On this machine, for `--runtime host`.
    Host,
    /// Nowhere.
    Missing,
}

impl fmt::Display for FoundIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoundIn::Layer => "layer",
            FoundIn::Runtime => "runtime",
            FoundIn::Host => "host",
            FoundIn::Missing => "missing",
        })
    }
}

/// How many packages a message names.
const MAX_PACKAGES: usize = 4;

/// How much is looked at of a file that is not what its name says, in bytes.
const FOREIGN_BYTES: usize = 64 << 10;

/// Settings that the findings depend on.
#[derive(Debug, Clone, Default)]
pub struct FindingContext {
    /// The function's architecture, by Lambda's name; when not given, that of most files.
    pub architecture: Option<&'static str>,
    /// Whether libraries were already bundled from the build host, which then lacks the missing ones too.
    pub bundled: bool,
    /// The missing libraries that the build host has for another machine only, with that machine.
    pub of_other_machines: BTreeMap<String, String>,
    /// Why no module for a character set was copied from the build host, although it has that.
    pub charsets_refused: Option<String>,
}

/// A file that needs a library, the kind of process, the library, and the certainty.
type Needer<'a> = (EntryId, ProcessKind, &'a NeededLibrary, Certainty);

/// A soname, a version, the library that is loaded for it, and the error.
type VersionKey<'a> = (&'a str, &'a str, &'a Object, &'a VersionError);

/// A version that is needed from a library, the certainty, the file that needs it, and details in parentheses.
struct VersionNeed<'a> {
    soname: &'a str,
    version: &'a str,
    library: &'a Object,
    certainty: Certainty,
    file: EntryId,
    /// Which packages cannot be loaded, as the beginning of a message.
    fails: String,
    details: String,
}

/// The certainty of a need, the file that needs the version, and its entry for it.
type VersionNeeder<'a> = (Certainty, EntryId, &'a NeededVersion);

impl Resolution<'_> {
    /// Findings about the files and packages that satisfy `kept`.
    pub fn findings(&self, context: &FindingContext, kept: impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut findings = languages::check(&self.packages, &self.tree, &self.objects, self.image.profile(), &kept);
        findings.extend(self.command_findings(&kept));
        findings.extend(self.unloaded_finding(&kept));
        let (of_machines, wrong) = self.machines(context.architecture, &kept);
        findings.extend(of_machines);
        // What a file for another machine lacks does not matter: it would not be loaded with it either.
        let kept = |id| kept(id) && !wrong.contains(&id);
        findings.extend(self.missing_libraries(context, &kept));
        findings.extend(self.uncertain_libraries(&kept));
        findings.extend(self.version_findings(&kept));
        findings.extend(self.undefined_symbols(&kept));
        findings.extend(self.not_elf(&kept));
        findings.extend(self.data_findings(&kept));
        let kept_objects = self.objects.iter().filter(|(id, _)| kept(**id));
        findings.extend(kept_objects.filter_map(|(id, elf)| self.missing_interpreter(*id, elf)));
        findings
    }

    /// Findings about what is opened besides libraries, by what is kept and, if it is a library, loaded.
    fn data_findings(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut unreached = BTreeSet::new();
        let mut shadowed = BTreeMap::new();
        for Unloaded { entry, why } in self.unloaded(kept) {
            match why {
                WhyUnloaded::Unreached => {
                    unreached.insert(entry);
                }
                // Its dependents load it as soon as a script or a setting puts its directory first.
                WhyUnloaded::Shadowed(by) => {
                    shadowed.insert(entry, by);
                }
            }
        }
        let active = |id: EntryId| kept(id) && !unreached.contains(&id);
        let context = DataContext {
            tree: &self.tree,
            image: &self.image,
            packages: &self.packages,
            objects: &self.objects,
            shadowed: &shadowed,
        };
        self.data.findings(context, kept, &active)
    }

    /// The data that something kept and loaded opens, that is nowhere, and that can be copied from the build host.
    pub fn missing_data(&self, kept: impl Fn(EntryId) -> bool) -> Vec<MissingData> {
        let unloaded: BTreeSet<EntryId> = self.unloaded(&kept).into_iter().map(|library| library.entry).collect();
        self.data.missing(&|user| match user {
            Node::Entry(id) => kept(*id) && !unloaded.contains(id),
            Node::Package(position) => kept(self.packages.get(*position).entry),
            _ => true,
        })
    }

    /// The machine that the files which satisfy `kept` are for: that of most files that are loaded for certain, or else of
    /// most files. `None` without ELF files.
    pub fn machine(&self, kept: impl Fn(EntryId) -> bool) -> Option<Machine> {
        let by_machine = self.by_machine(&kept);
        let most = by_machine.iter().max_by_key(|(name, files)| {
            let used = files.iter().filter(|(id, _)| self.is_of_use(*id)).count();
            let loaded = files.iter().filter(|(id, _)| !self.loads.never.contains(id)).count();
            // A tree can have everything for both machines; x86-64 is Lambda's default.
            let is_default = files[0].1.machine.is_lambda("x86_64");
            (used, loaded, files.len(), is_default, std::cmp::Reverse((*name).clone()))
        });
        most.map(|(_, files)| files[0].1.machine)
    }

    /// The programs and libraries that satisfy `kept`, by the name of their machine.
    fn by_machine(&self, kept: &impl Fn(EntryId) -> bool) -> BTreeMap<String, Vec<(EntryId, &Elf)>> {
        let mut by_machine: BTreeMap<String, Vec<(EntryId, &Elf)>> = BTreeMap::new();
        let runs = |elf: &Elf| matches!(elf.kind, Type::Executable | Type::Shared);
        for (id, elf) in self.objects.iter().filter(|(id, elf)| kept(**id) && runs(elf)) {
            by_machine.entry(elf.machine.name()).or_default().push((*id, elf));
        }
        by_machine
    }

    /// Whether a file is loaded for certain, or is where the loader searches.
    fn is_of_use(&self, id: EntryId) -> bool {
        let directory = self.tree.path(id).parent().map(|parent| parent.mounted());
        let searched = |directory| self.image.profile().environment.ld_library_path.contains(&directory);
        self.loads.roots.get(&id) == Some(&Certainty::Required) || directory.is_some_and(searched)
    }

    /// Every edge of a kept file, by the needed name.
    fn by_soname<'a>(
        &'a self,
        kept: &'a impl Fn(EntryId) -> bool,
        wanted: impl Fn(&LibraryLookup) -> bool + 'a,
    ) -> BTreeMap<&'a str, Vec<Needer<'a>>> {
        let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (id, edges) in self.loads.edges.iter().filter(|(id, _)| kept(**id)) {
            for ((kind, edge), certainty) in edges.iter().filter(|((_, edge), _)| wanted(&edge.outcome)) {
                found.entry(&edge.soname).or_default().push((*id, *kind, edge, *certainty));
            }
        }
        // The needer with the highest certainty is named first.
        for needers in found.values_mut() {
            needers.sort_by_key(|(id, kind, _, certainty)| (std::cmp::Reverse(*certainty), *id, *kind));
        }
        found
    }

    fn missing_libraries(&self, context: &FindingContext, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let (tree, image) = (&self.tree, &self.image);
        let missing = self.by_soname(kept, |outcome| matches!(outcome, LibraryLookup::Missing { .. }));
        let mut in_tree: BTreeMap<&[u8], Vec<String>> = BTreeMap::new();
        let dropped: BTreeSet<&[u8]> =
            tree.all().filter(|(id, _)| tree.is_hidden(*id)).map(|(_, entry)| entry.path.name()).collect();
        for (_, entry) in tree.iter().filter(|(_, entry)| !entry.is_directory()) {
            if std::str::from_utf8(entry.path.name()).is_ok_and(|name| missing.contains_key(name)) {
                in_tree.entry(entry.path.name()).or_default().push(entry.path.to_string());
            }
        }
        let glibc = GlibcNames::built_in();
        missing
            .into_iter()
            .map(|(soname, needers)| {
                let (first, kind, edge, certainty) = needers[0];
                let (searched, stopped) = match &edge.outcome {
                    LibraryLookup::Missing { searched, stopped } => (searched.as_slice(), stopped.as_ref()),
                    LibraryLookup::Found { .. } => (&[][..], None),
                };
                let process = match kind {
                    ProcessKind::Language(id) => format!("{} searches", language(id).name()),
                    ProcessKind::Plain => "searched".to_owned(),
                };
                let looked = match stopped {
                    Some(why) => format!("the loader stops: {why}"),
                    None => format!("{process}: {}", some(searched)),
                };
                let is_musl = is_musl(soname);
                let help = if is_musl {
                    match kind {
                        ProcessKind::Language(id) => language(id).help_for_musl().to_owned(),
                        ProcessKind::Plain => "build it on a distribution with glibc, or link it statically".to_owned(),
                    }
                } else if dropped.contains(soname.as_bytes()) {
                    format!("it was dropped by --drop: drop its dependents too, or --keep {soname}")
                } else if let Some(paths) = in_tree.get(soname.as_bytes()) {
                    format!("{} is not in a searched directory: move it to lib/, or add a link there", some(paths))
                } else if glibc.has(soname) {
                    "it is part of glibc, from a different build than the image's: build the tree on the image"
                        .to_owned()
                } else if let Some(remedy) = remedy_for_part(soname) {
                    remedy.to_owned()
                } else if soname.contains('/') {
                    "it is needed by path: put it there, or relink with the library's soname".to_owned()
                } else if let Some(machine) = context.of_other_machines.get(soname) {
                    format!("--bundle found {soname} on the build host for {machine} only: build the tree and bundle on one machine")
                } else if context.bundled && is_bundled_for(kind, certainty) {
                    format!("--bundle did not find {soname} on the build host: install it there, or put it into lib/")
                } else if is_bundled_for(kind, certainty) {
                    format!("{BUNDLE_COPIES}{soname} and its dependencies from the build host")
                } else {
                    format!("put {soname} into lib/ if it is used, or drop what needs it")
                };
                let others: Vec<EntryId> = needers[1..].iter().map(|(id, ..)| *id).collect();
                let who = and_others(tree, first, &others);
                let (name, sure) = (&image.profile().name, self.how_sure(certainty, first));
                let loaded: Vec<EntryId> =
                    needers.iter().filter(|(.., sure)| *sure == Certainty::Required).map(|(id, ..)| *id).collect();
                let fails = self.cannot_load(&loaded);
                let (message, brief) = if is_musl {
                    let is = if fails.is_empty() { "is " } else { "" };
                    let message =
                        format!("{fails}{is}built for musl, and {name} has glibc: needs {soname}{who}{sure}");
                    (message.clone(), message)
                } else {
                    let needs = format!("{fails}needs {soname}{who}, which neither the tree nor {name} has");
                    let message = format!("{needs} ({looked}){sure}");
                    let brief = if stopped.is_some() { message.clone() } else { format!("{needs}{sure}") };
                    (message, brief)
                };
                Finding::new(severity(certainty), Code::MissingLibrary, tree.path(first), message, help)
                    .in_short(brief)
                    .caused_by(soname)
            })
            .collect()
    }

    fn uncertain_libraries(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let (tree, image) = (&self.tree, &self.image);
        let uncertain = &image.profile().libraries.uncertain;
        let from_image =
            self.by_soname(kept, |outcome| matches!(outcome, LibraryLookup::Found { object: Object::Image(_), .. }));
        from_image
            .into_iter()
            .filter(|(soname, _)| uncertain.contains(*soname))
            .map(|(soname, needers)| {
                let name = &image.profile().name;
                let others: Vec<EntryId> = needers[1..].iter().map(|(id, ..)| *id).collect();
                Finding::warning(
                    Code::UncertainLibrary,
                    tree.path(needers[0].0),
                    format!("needs {soname}{}, which {name} may not have", and_others(tree, needers[0].0, &others)),
                    format!("put {soname} into lib/ to be sure; {}", image.profile().libraries.uncertain_why),
                )
                .caused_by(soname)
            })
            .collect()
    }

    fn version_findings(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        // One finding for each version of each library.
        let mut by_version: BTreeMap<VersionKey<'_>, Vec<VersionNeeder<'_>>> = BTreeMap::new();
        for (error, certainty) in &self.loads.symbol_errors {
            let SymbolError::Version { needed, library, why, file } = error else { continue };
            if !kept(*file) {
                continue;
            }
            let key = (needed.soname.as_str(), needed.version.as_str(), library, why);
            by_version.entry(key).or_default().push((*certainty, *file, needed));
        }
        let finding = |((soname, version, library, why), mut needers): (VersionKey<'_>, Vec<VersionNeeder<'_>>)| {
            needers.sort_by_key(|(certainty, file, _)| (std::cmp::Reverse(*certainty), *file));
            let (certainty, file, needed) = needers[0];
            let others: Vec<EntryId> = needers[1..].iter().map(|(_, file, _)| *file).collect();
            let parts: Vec<String> =
                needed.symbol.iter().cloned().chain(others_in_words(&self.tree, file, &others)).collect();
            let loaded: Vec<EntryId> = needers
                .iter()
                .filter(|(certainty, ..)| *certainty == Certainty::Required)
                .map(|(_, file, _)| *file)
                .collect();
            let fails = match why {
                VersionError::Absent { .. } => self.cannot_load(&loaded),
                _ => String::new(),
            };
            let details = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
            self.version_finding(&VersionNeed { soname, version, library, certainty, file, fails, details }, why)
        };
        by_version.into_iter().map(finding).collect()
    }

    fn undefined_symbols(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let undefined = self.loads.symbol_errors.iter().filter_map(|error| match error {
            (SymbolError::Undefined { file, symbols, at_load }, certainty) if kept(*file) => {
                Some(((file, symbols), *at_load && *certainty == Certainty::Required))
            }
            _ => None,
        });
        // A file can be loaded by several processes: that one of them fails at once is what matters.
        let mut by_file: BTreeMap<_, bool> = BTreeMap::new();
        for (key, fails) in undefined {
            *by_file.entry(key).or_default() |= fails;
        }
        let finding = |((file, symbols), fails): ((&EntryId, &Vec<String>), bool)| {
            let path = self.tree.path(*file);
            let fails_how = if fails { self.load_fails(*file) } else { "the first call fails".to_owned() };
            Finding::new(
                if fails { Severity::Error } else { Severity::Warning },
                Code::UndefinedSymbol,
                path,
                format!("uses {}, which no library loaded with it defines: {fails_how}", some(symbols)),
                "link it with the library that defines them (-l), so that DT_NEEDED lists it",
            )
        };
        by_file.into_iter().map(finding).collect()
    }

    /// What happens when a file cannot be loaded, in the terms of the package that contains it.
    fn load_fails(&self, file: EntryId) -> String {
        match self.packages.of_path(self.tree.path(file)).map(|position| self.packages.get(position)) {
            Some(package) => language(package.language).load_fails(&package.name),
            None => "loading it fails".to_owned(),
        }
    }

    /// The packages that cannot be loaded as these files cannot, as the beginning of a message; empty where their languages
    /// do not name them.
    fn cannot_load(&self, files: &[EntryId]) -> String {
        let packages = files.iter().filter_map(|file| self.packages.of_path(self.tree.path(*file)));
        let packages: BTreeSet<usize> = packages.collect();
        let mut by_failure: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for package in packages.into_iter().map(|position| self.packages.get(position)) {
            if let Some(fails) = language(package.language).cannot_be_loaded() {
                by_failure.entry(fails).or_default().push(format!("{} {}", package.name, package.version));
            }
        }
        let part = |(fails, names): (&str, Vec<String>)| match names.len() {
            0..=MAX_PACKAGES => format!("{} {fails}: ", list::with_last(&names, "and")),
            _ => format!("{} {fails}: ", list::some(&names, MAX_PACKAGES)),
        };
        by_failure.into_iter().map(part).collect()
    }

    /// Files that something loads as a library and that are not ELF files.
    fn not_elf(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let finding = |id: &EntryId| {
            let path = self.tree.path(*id);
            let found = foreign::describe(&self.tree.read_head(*id, FOREIGN_BYTES).unwrap_or_default());
            let package = self.packages.of_path(path);
            // Packages for several systems have the modules of all of them, each loaded on its own system.
            if found.other_system && package.is_none() && is_for_another_system(path) {
                return None;
            }
            let message = format!("{}: the loader rejects it, and {}", found.what, self.load_fails(*id));
            let severity = if found.other_system && package.is_none() { Severity::Warning } else { Severity::Error };
            Some(Finding::new(severity, Code::DamagedElf, path, message, found.help))
        };
        self.loads.not_elf.iter().filter(|id| kept(**id)).filter_map(finding).collect()
    }

    fn unloaded_finding(&self, kept: &impl Fn(EntryId) -> bool) -> Option<Finding> {
        let tree = &self.tree;
        let unloaded = self.unloaded(kept);
        let bytes: u64 = unloaded.iter().map(|library| tree.entry(library.entry).bytes()).sum();
        let files: Vec<_> = unloaded.into_iter().filter(|library| tree.entry(library.entry).is_file()).collect();
        let (shadowed, unreached): (Vec<_>, Vec<_>) =
            files.iter().partition(|library| matches!(library.why, WhyUnloaded::Shadowed(_)));
        let names = |of: &[&Unloaded]| -> Vec<String> { of.iter().map(|l| tree.path(l.entry).to_string()).collect() };
        let part = |of: &[&Unloaded], why: &str| (!of.is_empty()).then(|| format!("{why}: {}", some(&names(of))));
        let image_has = format!("{} has its own, which is found first", self.image.profile().name);
        let parts = [part(&shadowed, &image_has), part(&unreached, "not needed by anything")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!files.is_empty()).then(|| {
            let what = if files.len() == 1 { "1 library".to_owned() } else { format!("{} libraries", files.len()) };
            Finding::info(
                Code::UnloadedLibraries,
                Subject::whole("libraries"),
                format!("nothing loads {what} ({}); {}", size(bytes), parts.join("; ")),
                "--select unloaded-libraries drops them",
            )
        })
    }

    /// Files for a different machine than `architecture`, or than most files when it is not given: an error where
    /// something would run or load one, a note where nothing does, as with prebuilt addons for several machines.
    fn machines(
        &self,
        architecture: Option<&str>,
        kept: &impl Fn(EntryId) -> bool,
    ) -> (Vec<Finding>, BTreeSet<EntryId>) {
        let tree = &self.tree;
        let by_machine = self.by_machine(kept);
        let most = self.machine(kept).map(Machine::name);
        let wrong = |(name, files): &(&String, &Vec<(EntryId, &Elf)>)| match architecture {
            Some(architecture) => !files[0].1.machine.is_lambda(architecture),
            None => Some(*name) != most.as_ref(),
        };
        let of_wrong: BTreeSet<EntryId> =
            by_machine.iter().filter(wrong).flat_map(|(_, files)| files.iter().map(|(id, _)| *id)).collect();
        let expected = architecture.map_or_else(
            || format!("the others are for {}", most.clone().unwrap_or_default()),
            |architecture| format!("--arch is {architecture}"),
        );
        let help = "drop them, or build the tree for one machine: a function runs on either x86-64 or aarch64 (arm64)";
        let findings = by_machine
            .iter()
            .filter(wrong)
            .map(|(name, files)| {
                // Of a module for several machines, and of what nothing loads, the files for other machines do no harm.
                let harmful: Vec<_> = files.iter().filter(|(id, _)| !self.is_replaced(*id, &of_wrong, kept)).collect();
                let is_error = match architecture {
                    Some(_) => !harmful.is_empty(),
                    None => harmful.iter().any(|(id, _)| self.is_of_use(*id)),
                };
                let listed = if is_error { harmful } else { files.iter().collect() };
                let paths: Vec<String> = listed.into_iter().map(|(id, _)| tree.path(*id).to_string()).collect();
                let message = format!("{} for {name}, but {expected}: {}", count(paths.len()), some(&paths));
                if is_error {
                    Finding::error(Code::WrongMachine, Subject::whole(name), message, help)
                } else {
                    Finding::info(Code::WrongMachine, Subject::whole(name), message + "; nothing loads them", help)
                }
            })
            .collect();
        (findings, of_wrong)
    }

    /// Whether a file for another machine is never loaded: it is for another system as well, or there is one for the right
    /// machine, which is loaded in its place.
    fn is_replaced(&self, file: EntryId, wrong: &BTreeSet<EntryId>, kept: &impl Fn(EntryId) -> bool) -> bool {
        let is_right = |id: &EntryId| self.objects.contains_key(id) && !wrong.contains(id) && kept(*id);
        let mut variants = self.loads.variants.iter().filter(|variants| variants.contains(&file));
        self.loads.never.contains(&file) || variants.any(|variants| variants.iter().any(is_right))
    }

    /// A finding about one needed version.
    fn version_finding(&self, needed: &VersionNeed<'_>, why: &VersionError) -> Finding {
        let tree = &self.tree;
        let VersionNeed { soname, version, library, certainty, file, fails, details } = needed;
        let name = &self.image.profile().name;
        let provider = match library {
            Object::Tree(id) => format!("{}, which is loaded,", tree.path(*id)),
            Object::Image(_) => name.clone(),
        };
        let needs = format!("{fails}needs {version} from {soname}{details}");
        let (severity, code, message, help) = match why {
            VersionError::Absent { highest } => {
                let provides = match highest {
                    Some(highest) => format!("only provides up to {highest}"),
                    None => "provides no version of that family".to_owned(),
                };
                let help = match library {
                    Object::Image(_) => {
                        format!(
                            "rebuild on the image or on an older distribution{}",
                            runtimes_with(soname, version, name)
                        )
                    }
                    Object::Tree(_) => {
                        format!("replace the tree's {soname} with the one that it was linked against, or relink it")
                    }
                };
                (
                    severity(*certainty),
                    Code::VersionTooNew,
                    format!("{needs}; {provider} {provides}{}", self.how_sure(*certainty, *file)),
                    help,
                )
            }
            VersionError::Unversioned => (
                Severity::Info,
                Code::NoVersionInformation,
                format!(
                    "{needs}; {provider} has no symbol versions: the loader prints \"no version information available\""
                ),
                format!("relink it against the {soname} that is loaded to avoid the message; it works either way"),
            ),
            VersionError::AbiMarker { release, has } => (
                Severity::Warning,
                Code::VersionTooNew,
                format!("{needs}, introduced in glibc {release}; {name} has {has}, which defines it only if patched"),
                "relink it with -z nopack-relative-relocs, or rebuild it on the image".to_owned(),
            ),
            VersionError::Private if tree.path(*file).to_string().contains("gconv/") => (
                Severity::Info,
                Code::PrivateVersion,
                format!("{needs}, which is private to one build of glibc, as in every module for a character set"),
                format!("take {} from the same release of glibc as that of {name}", tree.path(*file)),
            ),
            VersionError::Private => (
                Severity::Warning,
                Code::PrivateVersion,
                format!("{needs}, which is private to one build of glibc; {name} has its own build"),
                format!("remove {}: the image has its own copy that matches its glibc", tree.path(*file)),
            ),
        };
        Finding::new(severity, code, tree.path(*file), message, help).caused_by(format!("{soname} {version}"))
    }

    fn missing_interpreter(&self, id: EntryId, elf: &Elf) -> Option<Finding> {
        let interpreter = elf.interpreter.as_deref()?;
        let in_tree = matches!(self.tree.locate(interpreter.as_bytes()), Place::Inside(_));
        (!in_tree && !self.image.has_interpreter(interpreter)).then(|| {
            Finding::error(
                Code::MissingInterpreter,
                self.tree.path(id),
                format!(
                    "needs the program interpreter {interpreter}, which {} does not have",
                    self.image.profile().name
                ),
                "rebuild it for the image: a program built for musl or another machine does not start there",
            )
        })
    }

    /// Who loads a file, unless that is certain.
    fn how_sure(&self, certainty: Certainty, file: EntryId) -> String {
        let path = self.tree.path(file);
        let package = self.packages.of_path(path).map(|position| self.packages.get(position));
        // A library that a package loads by itself, beside those that are loaded with it.
        let extra = package.filter(|package| {
            let below = path.below(&package.directory).unwrap_or_default();
            !language(package.language).needs().package_needs(below)
        });
        match (certainty, extra) {
            (Certainty::Required, _) => String::new(),
            (Certainty::Optional, Some(package)) => format!("; the package {} loads it by itself", package.name),
            (Certainty::Optional, None) => "; few functions load it".to_owned(),
            (Certainty::Unknown, _) => "; nothing in the tree loads it".to_owned(),
        }
    }

    /// Where a needed library was found.
    pub fn found(&self, outcome: &LibraryLookup) -> FoundIn {
        match outcome {
            LibraryLookup::Found { object: Object::Tree(_), .. } => FoundIn::Layer,
            LibraryLookup::Found { object: Object::Image(_), .. } => match self.image.profile().libraries.from {
                LibrarySource::List => FoundIn::Runtime,
                LibrarySource::Filesystem => FoundIn::Host,
            },
            LibraryLookup::Missing { .. } => FoundIn::Missing,
        }
    }
}

/// A remedy that names the other built-in runtimes whose library is known to define a version; empty when there is none.
fn runtimes_with(soname: &str, version: &str, current: &str) -> String {
    let with = RuntimeProfile::others(current, |profile| profile.defines_version(soname, version) == Some(true));
    if with.is_empty() { String::new() } else { format!(", or use --runtime {}, which has it", with.join(" or ")) }
}

fn severity(certainty: Certainty) -> Severity {
    match certainty {
        Certainty::Required => Severity::Error,
        Certainty::Optional | Certainty::Unknown => Severity::Warning,
    }
}

/// Whether a directory on the way to a file names another operating system: `prebuilds/darwin-arm64`, `win32`.
fn is_for_another_system(path: &TreePath) -> bool {
    let text = path.to_string().to_ascii_lowercase();
    ["darwin", "macos", "osx", "win32", "win64", "windows", "android", "freebsd"].iter().any(|name| text.contains(name))
}

/// Whether a library is musl's: `libc.musl-x86_64.so.1` on Alpine, or `libc.so`, which is only a linker script in glibc.
fn is_musl(soname: &str) -> bool {
    soname.starts_with("libc.musl-") || soname.starts_with("ld-musl-") || soname == "libc.so"
}

/// The other needers in parentheses; empty when there is none.
fn and_others(tree: &Tree, first: EntryId, needers: &[EntryId]) -> String {
    others_in_words(tree, first, needers).map(|others| format!(" ({others})")).unwrap_or_default()
}

/// How the help begins about a missing library that `--bundle` may copy.
pub(crate) const BUNDLE_COPIES: &str = "--bundle copies ";

/// The other needers: `lib/x.so needs it too`.
pub(super) fn others_in_words(tree: &Tree, first: EntryId, needers: &[EntryId]) -> Option<String> {
    let mut others: Vec<EntryId> = needers.iter().copied().filter(|id| *id != first).collect();
    others.sort();
    others.dedup();
    match others.as_slice() {
        [] => None,
        [one] => Some(format!("{} needs it too", tree.path(*one))),
        [one, rest @ ..] => Some(format!("{} and {} more need it too", tree.path(*one), rest.len())),
    }
}

/// The first names of a list.
pub(super) fn some(names: &[String]) -> String {
    list::some(names, MAX_NAMES)
}

fn count(files: usize) -> String {
    if files == 1 { "1 ELF file is".to_owned() } else { format!("{files} ELF files are") }
}
