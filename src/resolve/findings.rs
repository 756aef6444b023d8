//! What would not load, in words: findings about libraries, versions, symbols and machines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::Resolution;
use super::loader::{LibraryLookup, NeededLibrary, Object};
use super::processes::{Certainty, ProcessKind};
use super::symbols::{SymbolError, VersionError};
use super::unloaded::{Unloaded, WhyUnloaded};
use crate::base::bytes::size;
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::list;
use crate::formats::elf::{Elf, NeededVersion, Type};
use crate::languages::{self, language};
use crate::runtime::{GlibcNames, LibrarySource, RuntimeProfile};
use crate::tree::{EntryId, Place, Tree};

/// How many names a message lists.
const NAMES_SHOWN: usize = 12;

/// Where a needed library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoundIn {
    /// In the tree, and so in a layer.
    Layer,
    /// In the image, by its profile.
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

/// What the findings are wanted for.
#[derive(Debug, Clone, Copy, Default)]
pub struct FindingContext {
    /// Lambda's name for the architecture of the function; that of most files when it is not given.
    pub architecture: Option<&'static str>,
    /// Whether libraries of the build host were bundled already: what is missing then, it does not have either.
    pub bundled: bool,
}

/// Who needs something, in which process, how, and how surely.
type Needer<'a> = (EntryId, ProcessKind, &'a NeededLibrary, Certainty);

/// A library's name, a version, the library that is loaded, and what is wrong with it.
type VersionKey<'a> = (&'a str, &'a str, &'a Object, &'a VersionError);

/// A version that is needed: of which library, how surely, by which file, and what to add to that.
struct VersionNeed<'a> {
    soname: &'a str,
    version: &'a str,
    library: &'a Object,
    certainty: Certainty,
    file: EntryId,
    details: String,
}

/// How surely a version is needed, by which file, and what it says of it.
type VersionNeeder<'a> = (Certainty, EntryId, &'a NeededVersion);

impl Resolution<'_> {
    /// What would not load, of the files and packages that satisfy `kept`.
    pub fn findings(&self, context: FindingContext, kept: impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut findings = languages::check(&self.packages, &self.tree, &kept);
        findings.extend(self.missing_libraries(context.bundled, &kept));
        findings.extend(self.uncertain_libraries(&kept));
        findings.extend(self.version_findings(&kept));
        findings.extend(self.undefined_symbols(&kept));
        findings.extend(self.command_findings(&kept));
        findings.extend(self.unloaded_finding(&kept));
        findings.extend(self.machines(context.architecture, &kept));
        let kept_objects = self.objects.iter().filter(|(id, _)| kept(**id));
        findings.extend(kept_objects.filter_map(|(id, elf)| self.missing_interpreter(*id, elf)));
        findings
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
        // Who needs it most surely is named first.
        for needers in found.values_mut() {
            needers.sort_by_key(|(id, kind, _, certainty)| (std::cmp::Reverse(*certainty), *id, *kind));
        }
        found
    }

    fn missing_libraries(&self, bundled: bool, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
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
                    None => format!("{process}: {}", searched.join(", ")),
                };
                let help = if dropped.contains(soname.as_bytes()) {
                    format!("it was dropped by --drop: drop its dependents too, or --keep {soname}")
                } else if let Some(paths) = in_tree.get(soname.as_bytes()) {
                    format!("{} is not in a searched directory: move it to lib/, or link it there", some(paths))
                } else if glibc.has(soname) {
                    "it is part of glibc, from a different build than the image's: build the tree on the image"
                        .to_owned()
                } else if soname.contains('/') {
                    "it is needed by path: put it there, or relink with the library's soname".to_owned()
                } else if bundled {
                    format!("--bundle did not find {soname} on the build host: install it there, or put it into lib/")
                } else if certainty == Certainty::Required {
                    format!("--bundle copies {soname} and its dependencies from the machine that built the tree")
                } else {
                    format!("put {soname} into lib/ if it is used, or drop what needs it")
                };
                let others: Vec<EntryId> = needers[1..].iter().map(|(id, ..)| *id).collect();
                let who = and_others(tree, first, &others);
                let (name, sure) = (&image.profile().name, how_sure(certainty));
                let message = format!("needs {soname}{who}, which neither the tree nor {name} has ({looked}){sure}");
                Finding::new(severity(certainty), Code::MissingLibrary, tree.path(first), message, help)
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
        // One finding for each version of each library, whoever needs it.
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
            let symbol = needed.symbol.as_ref().map(|symbol| format!(" (for {symbol})")).unwrap_or_default();
            let so_do = and_others(&self.tree, file, &others);
            let details = format!("{symbol}{so_do}");
            self.version_finding(&VersionNeed { soname, version, library, certainty, file, details }, why)
        };
        by_version.into_iter().map(finding).collect()
    }

    fn undefined_symbols(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let undefined = self.loads.symbol_errors.keys().filter_map(|error| match error {
            SymbolError::Undefined { file, symbols } if kept(*file) => Some((file, symbols)),
            _ => None,
        });
        undefined
            .map(|(file, symbols)| {
                Finding::warning(
                    Code::UndefinedSymbol,
                    self.tree.path(*file),
                    format!("uses {}, which nothing that is loaded with it defines", some(symbols)),
                    "link it with the library that has them (-l), so that DT_NEEDED names it; until then, the first call fails",
                )
            })
            .collect()
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
        let image_has = format!("{} has its own, which comes first", self.image.profile().name);
        let parts = [part(&shadowed, &image_has), part(&unreached, "nothing asks for it")];
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

    /// Files for another machine than `architecture`, or than most files are for when it is not said: an error where
    /// something would run or load one, a remark where they lie beside what is used, as prebuilt addons do.
    fn machines(&self, architecture: Option<&str>, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let (tree, image) = (&self.tree, &self.image);
        let mut by_machine: BTreeMap<String, Vec<(EntryId, &Elf)>> = BTreeMap::new();
        let runs = |elf: &Elf| matches!(elf.kind, Type::Executable | Type::Shared);
        for (id, elf) in self.objects.iter().filter(|(id, elf)| kept(**id) && runs(elf)) {
            by_machine.entry(elf.machine.name()).or_default().push((*id, elf));
        }
        let searched = |id: EntryId| {
            let directory = tree.path(id).parent().map(|parent| parent.mounted());
            directory.is_some_and(|directory| image.profile().environment.ld_library_path.contains(&directory))
        };
        let of_use = |id: EntryId| self.loads.roots.get(&id) == Some(&Certainty::Required) || searched(id);
        // Of as many files each, the one that comes first by name: the same for everybody.
        let most = by_machine.iter().max_by_key(|(name, files)| {
            let used = files.iter().filter(|(id, _)| of_use(*id)).count();
            (used, files.len(), std::cmp::Reverse((*name).clone()))
        });
        let most = most.map(|(name, _)| name.clone());
        let wrong = |(name, files): &(&String, &Vec<(EntryId, &Elf)>)| match architecture {
            Some(architecture) => !files[0].1.machine.is_lambda(architecture),
            None => Some(*name) != most.as_ref(),
        };
        let expected = architecture.map_or_else(
            || format!("the others for {}", most.clone().unwrap_or_default()),
            |architecture| format!("--arch says {architecture}"),
        );
        let help = "leave them out, or build the tree for one machine: a function runs on x86-64 or on aarch64 (arm64)";
        by_machine
            .iter()
            .filter(wrong)
            .map(|(name, files)| {
                let paths: Vec<String> = files.iter().map(|(id, _)| tree.path(*id).to_string()).collect();
                let message = format!("{} for {name}, and {expected}: {}", count(paths.len()), some(&paths));
                if architecture.is_some() || files.iter().any(|(id, _)| of_use(*id)) {
                    Finding::error(Code::WrongMachine, Subject::whole(name), message, help)
                } else {
                    Finding::info(Code::WrongMachine, Subject::whole(name), message + "; nothing loads them", help)
                }
            })
            .collect()
    }

    /// A finding about one needed version.
    fn version_finding(&self, needed: &VersionNeed<'_>, why: &VersionError) -> Finding {
        let tree = &self.tree;
        let VersionNeed { soname, version, library, certainty, file, details } = needed;
        let name = &self.image.profile().name;
        let (whose, where_from) = match library {
            Object::Tree(id) => (format!("{}, which is loaded,", tree.path(*id)), "the tree"),
            Object::Image(_) => (format!("that of {name}"), "the image"),
        };
        let needs = format!("needs {version} of {soname}{details}");
        let (severity, code, message, help) = match why {
            VersionError::Absent { highest } => {
                let has = highest.as_ref().map_or_else(|| "has none of that family".to_owned(), |h| format!("has {h}"));
                let help = match library {
                    Object::Image(_) => {
                        format!("build it on the image or an older system{}", runtimes_with(soname, version, name))
                    }
                    Object::Tree(_) => {
                        format!(
                            "put the {soname} that it was linked with in the place of {where_from}'s, or link it again"
                        )
                    }
                };
                (
                    severity(*certainty),
                    Code::VersionTooNew,
                    format!("{needs}, but {whose} {has}{}", how_sure(*certainty)),
                    help,
                )
            }
            VersionError::Unversioned => (
                Severity::Info,
                Code::NoVersionInformation,
                format!("{needs}, and {whose} has no versions: the loader prints \"no version information available\""),
                format!("link it with the {soname} that is loaded to be rid of the message; it works all the same"),
            ),
            VersionError::AbiMarker { release, has } => (
                Severity::Warning,
                Code::VersionTooNew,
                format!("{needs}, which came with glibc {release}, and {name} has {has}: only a patched one has it"),
                "link it with -z nopack-relative-relocs, or build it on the image".to_owned(),
            ),
            VersionError::Private => (
                Severity::Warning,
                Code::PrivateVersion,
                format!("{needs}, which is private to one build of glibc, and {name} has its own"),
                format!("remove {}: the image has the parts of glibc that fit its own", tree.path(*file)),
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
                format!("is started by {interpreter}, which {} does not have", self.image.profile().name),
                "build it for the image: a program for musl or another machine does not start there",
            )
        })
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

/// The built-in runtimes, but for this one, whose library is known to define a version, in words.
fn runtimes_with(soname: &str, version: &str, but: &str) -> String {
    let with = RuntimeProfile::others(but, |profile| profile.defines_version(soname, version) == Some(true));
    if with.is_empty() { String::new() } else { format!(", or use --runtime {}, which has it", with.join(" or ")) }
}

fn severity(certainty: Certainty) -> Severity {
    match certainty {
        Certainty::Required => Severity::Error,
        Certainty::Optional | Certainty::Unknown => Severity::Warning,
    }
}

fn how_sure(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Required => "",
        Certainty::Optional => "; few functions load it",
        Certainty::Unknown => "; nothing in the tree loads it",
    }
}

fn and_others(tree: &Tree, first: EntryId, needers: &[EntryId]) -> String {
    let mut others: Vec<EntryId> = needers.iter().copied().filter(|id| *id != first).collect();
    others.sort();
    others.dedup();
    match others.as_slice() {
        [] => String::new(),
        [one] => format!(" (so does {})", tree.path(*one)),
        [one, rest @ ..] => format!(" (so do {} and {} more)", tree.path(*one), rest.len()),
    }
}

/// Names, the first of them when there are many.
pub(super) fn some(names: &[String]) -> String {
    list::some(names, NAMES_SHOWN)
}

fn count(files: usize) -> String {
    if files == 1 { "1 ELF file is".to_owned() } else { format!("{files} ELF files are") }
}
