//! Findings about libraries that are missing, uncertain, not loaded, or not ELF files.

use std::collections::{BTreeMap, BTreeSet};

use super::remedies::Missing;
use super::{FindingContext, after, and_others, before, severity, some};
use crate::base::bytes::size;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::formats::elf::Elf;
use crate::formats::foreign;
use crate::languages::language;
use crate::resolve::Resolution;
use crate::resolve::data::remedy_for_part;
use crate::resolve::loader::{LibraryLookup, NeededLibrary, Object};
use crate::resolve::processes::{Certainty, ProcessKind, is_bundled_for};
use crate::resolve::unloaded::{Unloaded, WhyUnloaded};
use crate::runtime::GlibcNames;
use crate::tree::{EntryId, Place};

/// How much is looked at of a file that is not what its name says, in bytes.
const FOREIGN_BYTES: usize = 64 << 10;

/// A file that needs a library, the kind of process, the library, and the certainty.
type Needer<'a> = (EntryId, ProcessKind, &'a NeededLibrary, Certainty);

impl Resolution<'_> {
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

    pub(super) fn missing_libraries(&self, context: &FindingContext, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let (tree, image) = (&self.tree, &self.image);
        let missing = self.by_soname(kept, |outcome| matches!(outcome, LibraryLookup::Missing { .. }));
        let in_tree = self.in_tree(|name| missing.contains_key(name));
        let dropped: BTreeSet<&[u8]> =
            tree.all().filter(|(id, _)| tree.is_hidden(*id)).map(|(_, entry)| entry.path.name()).collect();
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
                let files: Vec<EntryId> = needers.iter().map(|(id, ..)| *id).collect();
                let machine = self.objects.get(&first).map(|elf| elf.machine);
                let lost = Missing { soname, machine, searched, stopped: stopped.map(String::as_str) };
                let is_musl = is_musl(soname);
                let mut for_bundle = false;
                let help = if is_musl {
                    match kind {
                        ProcessKind::Language(id) => language(id).help_for_musl().to_owned(),
                        ProcessKind::Plain => "build it on a distribution with glibc, or link it statically".to_owned(),
                    }
                } else if dropped.contains(soname.as_bytes()) {
                    format!("it was dropped by --drop: drop its dependents too, or --keep {soname}")
                } else if let Some(remedy) = self.remedy_of_language(soname, &files) {
                    remedy
                } else if let Some(remedy) = self.remedy_in_tree(&in_tree, &lost) {
                    remedy
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
                } else if context.finished {
                    format!(
                        "pack again with {soname} in lib/ of the tree, or with --bundle, which copies it from the build host if it is \
                         there"
                    )
                } else if is_bundled_for(kind, certainty) {
                    for_bundle = true;
                    format!("--bundle copies {soname} from the build host, if it is there; also what it needs")
                } else {
                    format!("put {soname} into lib/ if it is used, or drop what needs it")
                };
                let others: Vec<EntryId> = needers[1..].iter().map(|(id, ..)| *id).collect();
                let who = and_others(tree, first, &others);
                let (name, sure) = (&image.profile().name, self.how_sure(certainty, first));
                let loaded: Vec<EntryId> =
                    needers.iter().filter(|(.., sure)| *sure == Certainty::Required).map(|(id, ..)| *id).collect();
                let fails = self.cannot_load(&loaded);
                // What has little room names the library, whose remedy is beside it, rather than what fails without it.
                let (message, brief) = if is_musl {
                    let is = if fails.is_empty() { "is " } else { "" };
                    let built = format!("built for musl, and {name} has glibc");
                    let message = format!("{}{is}{built}: needs {soname}{who}{sure}", before(&fails));
                    (message, format!("is {built}{}: needs {soname}{who}{sure}", after(&fails)))
                } else {
                    let needs = format!("needs {soname}{who}, which neither the tree nor {name} has");
                    let message = format!("{}{needs} ({looked}){sure}", before(&fails));
                    let stopped = if stopped.is_some() { format!(" ({looked})") } else { String::new() };
                    (message, format!("{needs}{stopped}{sure}{}", after(&fails)))
                };
                let mut finding =
                    Finding::new(severity(certainty), Code::MissingLibrary, tree.path(first), message, help);
                finding.for_bundle = for_bundle;
                finding.in_short(brief).caused_by(soname)
            })
            .collect()
    }

    pub(super) fn uncertain_libraries(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
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

    pub(super) fn unloaded_finding(&self, kept: &impl Fn(EntryId) -> bool) -> Option<Finding> {
        let tree = &self.tree;
        // Parts of glibc have a finding of their own.
        let unloaded = self.unloaded(kept).into_iter().filter(|library| !self.is_of_glibc(library.entry));
        let unloaded: Vec<Unloaded> = unloaded.collect();
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

    /// Files that something loads as a library and that are not ELF files.
    pub(super) fn not_elf(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let finding = |id: &EntryId| {
            let path = self.tree.path(*id);
            let found = foreign::describe(&self.tree.read_head(*id, FOREIGN_BYTES).unwrap_or_default());
            let package = self.packages.of_path(path);
            // Packages for several systems have the modules of all of them, each loaded on its own system.
            if found.other_system && package.is_none() && is_for_another_system(path) {
                return None;
            }
            let owner = package.map(|position| language(self.packages.get(position).language));
            let is_tried = owner.is_some_and(|owner| owner.does_without(&self.packages, &self.tree, *id));
            let then = if is_tried { "the package does without it".to_owned() } else { self.load_fails(*id) };
            let message = format!("{}: the loader rejects it, and {then}", found.what);
            let is_warning = is_tried || found.other_system && package.is_none();
            let severity = if is_warning { Severity::Warning } else { Severity::Error };
            Some(Finding::new(severity, Code::DamagedElf, path, message, found.help))
        };
        self.loads.not_elf.iter().filter(|id| kept(**id)).filter_map(finding).collect()
    }

    pub(super) fn missing_interpreter(&self, id: EntryId, elf: &Elf) -> Option<Finding> {
        let interpreter = elf.interpreter.as_deref()?;
        let found = self.tree.locate(interpreter.as_bytes());
        let (message, help) = match found {
            // The kernel opens it to execute it. A library with an interpreter, such as libc.so.6, is rarely run.
            Place::Inside(file) if elf.soname.is_none() && !self.tree.entry(file).is_executable() => (
                format!("needs the program interpreter {interpreter}, which is not executable: it cannot be started"),
                format!("chmod +x {}", self.tree.path(file)),
            ),
            Place::Inside(_) => return None,
            _ if self.image.has_interpreter(interpreter) => return None,
            _ => (
                format!(
                    "needs the program interpreter {interpreter}, which {} does not have",
                    self.image.profile().name
                ),
                "rebuild it for the image: a program built for musl or another machine does not start there".to_owned(),
            ),
        };
        Some(Finding::error(Code::MissingInterpreter, self.tree.path(id), message, help))
    }
}

/// Whether a library is musl's: `libc.musl-x86_64.so.1` on Alpine, or `libc.so`, which is only a linker script in glibc.
fn is_musl(soname: &str) -> bool {
    soname.starts_with("libc.musl-") || soname.starts_with("ld-musl-") || soname == "libc.so"
}

/// Whether a directory on the way to a file names another operating system: `prebuilds/darwin-arm64`, `win32`.
fn is_for_another_system(path: &TreePath) -> bool {
    let text = path.to_string().to_ascii_lowercase();
    ["darwin", "macos", "osx", "win32", "win64", "windows", "android", "freebsd"].iter().any(|name| text.contains(name))
}
