//! What would not load, in words: findings about libraries, versions, symbols and machines.

use std::collections::{BTreeMap, BTreeSet};

use super::loader::{Edge, Object, Outcome};
use super::processes::{ProcessKind, Reach};
use super::symbols::{Fault, VersionFault};
use super::unloaded::{Unloaded, WhyUnloaded};
use super::{Image, Resolution};
use crate::bytes::size;
use crate::facts::Facts;
use crate::finding::{Code, Finding, Severity};
use crate::formats::elf::{Elf, NeededVersion, Type};
use crate::path::TreePath;
use crate::rules::{GlibcNames, LibrarySource, RuntimeProfile};
use crate::scan::{EntryId, Place, Tree};

/// How many names a message lists.
const NAMES_SHOWN: usize = 12;

/// What the findings are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Lambda's name for the machine of the function; the one that most files are for when it is not said.
    pub architecture: Option<&'static str>,
    /// Whether libraries of the build host were taken already: what is missing then, it has neither.
    pub bundling: bool,
}

/// Who needs something, in which process, how, and how surely.
type Needer<'a> = (EntryId, ProcessKind, &'a Edge, Reach);

/// A library's name, a version, the library that is loaded, and what is wrong with it.
type VersionKey<'a> = (&'a str, &'a str, &'a Object, &'a VersionFault);

/// How surely a version is needed, by which file, and what it says of it.
type VersionNeeder<'a> = (Reach, EntryId, &'a NeededVersion);

impl Resolution {
    /// What would not load, of the files and packages for which `kept` holds.
    pub fn findings(
        &self,
        tree: &Tree,
        facts: &Facts,
        image: &Image<'_>,
        asked: Asked,
        kept: impl Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        let mut findings = self.r.findings(|package| kept(package.entry));
        findings.extend(self.r.not_searched(tree, |package| kept(package.entry)));
        findings.extend(self.missing_libraries(tree, image, asked.bundling, &kept));
        findings.extend(self.uncertain_libraries(tree, image, &kept));
        findings.extend(self.version_findings(tree, image, &kept));
        findings.extend(self.undefined_symbols(tree, &kept));
        findings.extend(self.commands.findings(tree, image, &kept));
        findings.extend(self.no_bootstrap(tree, &kept));
        findings.extend(self.unloaded_finding(tree, facts, image, &kept));
        findings.extend(self.machines(tree, facts, image, asked.architecture, &kept));
        for (id, elf) in facts.elf.iter().filter(|(id, _)| kept(**id)) {
            findings.extend(missing_interpreter(tree, image, *id, elf));
        }
        findings
    }

    /// R without a bootstrap: where none is found, an invocation ends before it begins. A function can bring its own.
    fn no_bootstrap(&self, tree: &Tree, kept: impl Fn(EntryId) -> bool) -> Option<Finding> {
        let bootstrap = TreePath::new("bootstrap").and_then(|path| tree.find(&path)).filter(|id| kept(*id));
        let home = self.r.homes.first()?;
        bootstrap.is_none().then(|| {
            Finding::info(
                Code::NoBootstrap,
                &home.path,
                "R is here, and no bootstrap that would start it: each function must bring its own",
                "layerfit init --bootstrap DIR writes one, into the tree or into a function's code",
            )
        })
    }

    /// Every edge of a kept file, by the needed name.
    fn by_soname<'a>(
        &'a self,
        kept: &'a impl Fn(EntryId) -> bool,
        wanted: impl Fn(&Outcome) -> bool + 'a,
    ) -> BTreeMap<&'a str, Vec<Needer<'a>>> {
        let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (id, edges) in self.loads.edges.iter().filter(|(id, _)| kept(**id)) {
            for ((kind, edge), reach) in edges.iter().filter(|((_, edge), _)| wanted(&edge.outcome)) {
                found.entry(&edge.soname).or_default().push((*id, *kind, edge, *reach));
            }
        }
        // Who needs it most surely is named first.
        for needers in found.values_mut() {
            needers.sort_by_key(|(id, kind, _, reach)| (std::cmp::Reverse(*reach), *id, *kind));
        }
        found
    }

    fn missing_libraries(
        &self,
        tree: &Tree,
        image: &Image<'_>,
        bundling: bool,
        kept: &impl Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        let missing = self.by_soname(kept, |outcome| matches!(outcome, Outcome::Missing { .. }));
        let mut in_tree: BTreeMap<&[u8], Vec<String>> = BTreeMap::new();
        let dropped: BTreeSet<&[u8]> =
            tree.all().filter(|(id, _)| tree.is_hidden(*id)).map(|(_, entry)| entry.path.name()).collect();
        for (_, entry) in tree.iter().filter(|(_, entry)| !entry.is_directory()) {
            if std::str::from_utf8(entry.path.name()).is_ok_and(|name| missing.contains_key(name)) {
                in_tree.entry(entry.path.name()).or_default().push(entry.path.to_string());
            }
        }
        let glibc = GlibcNames::built_in().ok();
        missing
            .into_iter()
            .map(|(soname, needers)| {
                let (first, kind, edge, reach) = needers[0];
                let (searched, stopped) = match &edge.outcome {
                    Outcome::Missing { searched, stopped } => (searched.as_slice(), stopped.as_ref()),
                    Outcome::Found { .. } => (&[][..], None),
                };
                let process = if kind == ProcessKind::R { "for R " } else { "" };
                let looked = match stopped {
                    Some(why) => format!("the loader stops: {why}"),
                    None => format!("looked {process}in {}", searched.join(", ")),
                };
                let help = if dropped.contains(soname.as_bytes()) {
                    format!("--drop takes it: drop what needs it too, or keep it with --keep {soname}")
                } else if let Some(paths) = in_tree.get(soname.as_bytes()) {
                    format!("{} is not in a directory that is searched: move it to lib/, or link it there", some(paths))
                } else if glibc.as_ref().is_some_and(|glibc| glibc.has(soname)) {
                    "it is a part of glibc, of another build than the image's: build the tree on the image".to_owned()
                } else if soname.contains('/') {
                    "it is asked for by its path: put it there, or link it again with the library's soname".to_owned()
                } else if bundling {
                    format!("--bundle did not find {soname} on the build host: install it there, or put it into lib/")
                } else if reach == Reach::Needed {
                    format!("--bundle takes {soname} and what it needs from the machine that built the tree")
                } else {
                    format!("put {soname} into lib/ if it is used, or drop what needs it")
                };
                let others: Vec<EntryId> = needers[1..].iter().map(|(id, ..)| *id).collect();
                Finding {
                    severity: severity(reach),
                    code: Code::MissingLibrary,
                    subject: tree.path(first).to_string(),
                    message: format!(
                        "needs {soname}{}, which neither the tree nor {} has ({looked}){}",
                        and_others(tree, first, &others),
                        image.profile().name,
                        how_sure(reach),
                    ),
                    help,
                }
            })
            .collect()
    }

    fn uncertain_libraries(&self, tree: &Tree, image: &Image<'_>, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let uncertain = &image.profile().libraries.uncertain;
        let from_image =
            self.by_soname(kept, |outcome| matches!(outcome, Outcome::Found { object: Object::Image(_), .. }));
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
            })
            .collect()
    }

    fn version_findings(&self, tree: &Tree, image: &Image<'_>, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        // One finding for each version of each library, whoever needs it.
        let mut by_version: BTreeMap<VersionKey<'_>, Vec<VersionNeeder<'_>>> = BTreeMap::new();
        for (fault, reach) in &self.loads.faults {
            let Fault::Version { needed, library, why, file } = fault else { continue };
            if !kept(*file) {
                continue;
            }
            let key = (needed.soname.as_str(), needed.version.as_str(), library, why);
            by_version.entry(key).or_default().push((*reach, *file, needed));
        }
        let finding = |((soname, version, library, why), mut needers): (VersionKey<'_>, Vec<VersionNeeder<'_>>)| {
            needers.sort_by_key(|(reach, file, _)| (std::cmp::Reverse(*reach), *file));
            let (reach, file, needed) = needers[0];
            let others: Vec<EntryId> = needers[1..].iter().map(|(_, file, _)| *file).collect();
            let symbol = needed.symbol.as_ref().map(|symbol| format!(" (for {symbol})")).unwrap_or_default();
            let so_do = and_others(tree, file, &others);
            version_finding(tree, image, (soname, version), library, why, (reach, file, &format!("{symbol}{so_do}")))
        };
        by_version.into_iter().map(finding).collect()
    }

    fn undefined_symbols(&self, tree: &Tree, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let undefined = self.loads.faults.keys().filter_map(|fault| match fault {
            Fault::Undefined { file, symbols } if kept(*file) => Some((file, symbols)),
            _ => None,
        });
        undefined
            .map(|(file, symbols)| {
                Finding::warning(
                    Code::UndefinedSymbol,
                    tree.path(*file),
                    format!("uses {}, which nothing that is loaded with it defines", some(symbols)),
                    "link it with the library that has them (-l), so that DT_NEEDED names it; until then, the first call fails",
                )
            })
            .collect()
    }

    fn unloaded_finding(
        &self,
        tree: &Tree,
        facts: &Facts,
        image: &Image<'_>,
        kept: &impl Fn(EntryId) -> bool,
    ) -> Option<Finding> {
        let unloaded = self.unloaded(tree, facts, kept);
        let bytes: u64 = unloaded.iter().map(|library| tree.entry(library.entry).bytes()).sum();
        let files: Vec<_> = unloaded.into_iter().filter(|library| tree.entry(library.entry).is_file()).collect();
        let (shadowed, unreached): (Vec<_>, Vec<_>) =
            files.iter().partition(|library| matches!(library.why, WhyUnloaded::Shadowed(_)));
        let names = |of: &[&Unloaded]| -> Vec<String> { of.iter().map(|l| tree.path(l.entry).to_string()).collect() };
        let part = |of: &[&Unloaded], why: &str| (!of.is_empty()).then(|| format!("{why}: {}", some(&names(of))));
        let image_has = format!("{} has its own and it comes first", image.profile().name);
        let parts = [part(&shadowed, &image_has), part(&unreached, "nothing asks for it")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!files.is_empty()).then(|| {
            let what = if files.len() == 1 { "1 library".to_owned() } else { format!("{} libraries", files.len()) };
            Finding::info(
                Code::UnloadedLibraries,
                "libraries",
                format!("nothing loads {what} ({}); {}", size(bytes), parts.join("; ")),
                "--select unloaded-libraries drops them",
            )
        })
    }

    /// Files for another machine than `architecture`, or than most files are for when it is not said: an error where
    /// something would run or load one, a remark where they lie beside what is used, as prebuilt addons do.
    fn machines(
        &self,
        tree: &Tree,
        facts: &Facts,
        image: &Image<'_>,
        architecture: Option<&str>,
        kept: &impl Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        let mut by_machine: BTreeMap<String, Vec<(EntryId, &Elf)>> = BTreeMap::new();
        let runs = |elf: &Elf| matches!(elf.kind, Type::Executable | Type::Shared);
        for (id, elf) in facts.elf.iter().filter(|(id, elf)| kept(**id) && runs(elf)) {
            by_machine.entry(elf.machine.name()).or_default().push((*id, elf));
        }
        let searched = |id: EntryId| {
            let directory = tree.path(id).parent().map(|parent| parent.mounted());
            directory.is_some_and(|directory| image.profile().environment.ld_library_path.contains(&directory))
        };
        let of_use = |id: EntryId| self.loads.roots.get(&id) == Some(&Reach::Needed) || searched(id);
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
                    Finding::error(Code::WrongMachine, name, message, help)
                } else {
                    Finding::info(Code::WrongMachine, name, message + "; nothing loads them", help)
                }
            })
            .collect()
    }

    /// Where a needed library was found, in the words of the report: `layer`, `runtime`, `host` or `missing`.
    pub fn found(outcome: &Outcome, image: &Image<'_>) -> &'static str {
        match outcome {
            Outcome::Found { object: Object::Tree(_), .. } => "layer",
            Outcome::Found { object: Object::Image(_), .. } => match image.profile().libraries.from {
                LibrarySource::List => "runtime",
                LibrarySource::Filesystem => "host",
            },
            Outcome::Missing { .. } => "missing",
        }
    }
}

/// A finding about one needed version; `who` is how surely it is needed, the file that needs it, and what to say of it.
fn version_finding(
    tree: &Tree,
    image: &Image<'_>,
    (soname, version): (&str, &str),
    library: &Object,
    why: &VersionFault,
    (reach, file, details): (Reach, EntryId, &str),
) -> Finding {
    let name = &image.profile().name;
    let (whose, where_from) = match library {
        Object::Tree(id) => (format!("{}, which is loaded,", tree.path(*id)), "the tree"),
        Object::Image(_) => (format!("that of {name}"), "the image"),
    };
    let needs = format!("needs {version} of {soname}{details}");
    let (severity, code, message, help) = match why {
        VersionFault::Absent { highest } => {
            let has = highest.as_ref().map_or_else(|| "has none of that family".to_owned(), |h| format!("has {h}"));
            let help = match library {
                Object::Image(_) => {
                    format!("build it on the image or an older system{}", runtimes_with(soname, version, name))
                }
                Object::Tree(_) => {
                    format!("put the {soname} that it was linked with in the place of {where_from}'s, or link it again")
                }
            };
            (severity(reach), Code::VersionTooNew, format!("{needs}, but {whose} {has}{}", how_sure(reach)), help)
        }
        VersionFault::Unversioned => (
            Severity::Info,
            Code::NoVersionInformation,
            format!("{needs}, and {whose} has no versions: the loader prints \"no version information available\""),
            format!("link it with the {soname} that is loaded to be rid of the message; it works all the same"),
        ),
        VersionFault::Marker { release, has } => (
            Severity::Warning,
            Code::VersionTooNew,
            format!("{needs}, which came with glibc {release}, and {name} has {has}: only a patched one has it"),
            "link it with -z nopack-relative-relocs, or build it on the image".to_owned(),
        ),
        VersionFault::Private => (
            Severity::Warning,
            Code::PrivateVersion,
            format!("{needs}, which is private to one build of glibc, and {name} has its own"),
            format!("remove {}: the image has the parts of glibc that fit its own", tree.path(file)),
        ),
    };
    Finding { severity, code, subject: tree.path(file).to_string(), message, help }
}

/// The built-in runtimes, but for this one, whose library is known to define a version, in words.
fn runtimes_with(soname: &str, version: &str, but: &str) -> String {
    let with = RuntimeProfile::others(but, |profile| profile.defines_version(soname, version) == Some(true));
    if with.is_empty() { String::new() } else { format!(", or use --runtime {}, which has it", with.join(" or ")) }
}

fn severity(reach: Reach) -> Severity {
    match reach {
        Reach::Needed => Severity::Error,
        Reach::Optional | Reach::Nothing => Severity::Warning,
    }
}

fn how_sure(reach: Reach) -> &'static str {
    match reach {
        Reach::Needed => "",
        Reach::Optional => "; few functions load it",
        Reach::Nothing => "; nothing in the tree loads it",
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
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn count(files: usize) -> String {
    if files == 1 { "1 ELF file is".to_owned() } else { format!("{files} ELF files are") }
}

fn missing_interpreter(tree: &Tree, image: &Image<'_>, id: EntryId, elf: &Elf) -> Option<Finding> {
    let interpreter = elf.interpreter.as_deref()?;
    let there = image.has_interpreter(interpreter) || matches!(tree.locate(interpreter.as_bytes()), Place::Inside(_));
    (!there).then(|| {
        Finding::error(
            Code::MissingInterpreter,
            tree.path(id),
            format!("is started by {interpreter}, which {} does not have", image.profile().name),
            "build it for the image: a program for musl or another machine does not start there",
        )
    })
}
