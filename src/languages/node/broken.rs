//! Packages that cannot be loaded: what their main files load by statements of their own leads nowhere, or is not code.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use rayon::prelude::*;
use regex::bytes::Regex;

use super::exports::{self, WAYS};
use super::loaded::{is_code, module};
use super::packages::manifest;
use super::platform::platform;
use super::resolution::{Fault, Leads, Resolver, Way};
use super::source::{self, at_start};
use crate::base::path::TreePath;
use crate::languages::read_once::ReadOnce;
use crate::languages::{Package, Packages, conflicts};
use crate::tree::{EntryId, Tree};

/// What may be before an expression in a statement of its own: names that it is bound to.
const BINDS: &str =
    r"(?:const|let|var)[ \t]+[^=;()\n]+=[ \t]*|\}[ \t]*=[ \t]*|(?:module\.)?exports(?:\.\w+)?[ \t]*=[ \t]*";

/// The same within a statement that binds several.
const BINDS_NEXT: &str = r",[ \t\r]*\n[ \t]+[\w$]+[ \t]*=[ \t]*";

/// A function that it may be passed to.
const PASSED: &str = r"(?:\(?[\w.$]+\([ \t]*)?";

/// A package that finds the addon of another one, which a statement of its own requires.
static ADDON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let packages = "bindings|node-gyp-build|(?:@mapbox/)?node-pre-gyp";
    Regex::new(&format!(
        r#"(?m)^(?:(?:const|let|var)[ \t]+(?P<name>\w+)[ \t]*=[ \t]*|{BINDS})?require\([ \t]*["'](?P<by>{packages})["'][ \t]*\)(?P<called>\(?)"#
    ))
    .ok()
});

/// What is loaded by a statement that seems to be one of its own, by the beginning of its line: by `require()`, or by `import`.
static LOADED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let required = format!(r#"(?:^(?:{BINDS})?|{BINDS_NEXT}){PASSED}require\([ \t]*["'](?P<required>[^"'\n]+)["']"#);
    let imported = r#"^(?:(?:import|export)\b[^;"'()\n]*?|\}[ \t]*)(?:\bfrom[ \t]*)?["'](?P<imported>[^"'\n]+)["']"#;
    Regex::new(&format!("(?m-u)(?:{required}|{imported})")).ok()
});

/// Why a package cannot be loaded.
pub(super) struct Broken {
    /// The file.
    pub(super) what: String,
    /// What is wrong with it.
    pub(super) why: String,
    /// What it loads and does not get.
    pub(super) fault: Option<Fault>,
    /// The way of loading the package that fails, if it is one of two.
    pub(super) way: Option<&'static str>,
    /// Whether the package is there, but for other platforms.
    pub(super) for_others: bool,
    /// The file, in the tree.
    file: EntryId,
}

/// What a source loads.
#[derive(Default)]
struct Source {
    /// What is wrong with it, so that it is not code.
    damage: Option<String>,
    /// The files that it seems to load, by their specifiers.
    to: Vec<(Way, String, EntryId)>,
    /// What it seems to load and does not get.
    faults: Vec<(Way, String, Fault)>,
    /// The package by which it seems to load the addon of its own package.
    addon: Option<String>,
}

/// The specifiers that a source loads for certain, each with whether by `import`.
type Certain = BTreeSet<(bool, String)>;

/// Reads what is loaded with packages, each source once.
struct Reader<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    resolver: Resolver<'a>,
    sources: ReadOnce<Source>,
    certain: ReadOnce<Certain>,
}

/// The packages, of those that are there, that cannot be loaded, in their order, each with the first file without which loading it
/// fails for certain: its main file, or one that this loads by a statement of its own, not in a function or condition.
pub(super) fn broken<'p>(packages: &Packages, tree: &Tree, there: &[&'p Package]) -> Vec<(&'p Package, Broken)> {
    let resolver = Resolver::new(packages, tree);
    let reader = Reader { packages, tree, resolver, sources: ReadOnce::default(), certain: ReadOnce::default() };
    let found = there.par_iter().filter_map(|package| Some((*package, reader.of_package(package)?)));
    let found: Vec<(&Package, Broken)> = found.collect();
    // A file fails the package that it is in. Others that load it have no finding of their own, unless that can be loaded.
    let owners: BTreeSet<(EntryId, EntryId)> =
        found.iter().map(|(package, broken)| (package.entry, broken.file)).collect();
    let is_of_another = |package: &Package, broken: &Broken| {
        let owner = packages.of_path(tree.path(broken.file)).map(|owner| packages.get(owner).entry);
        owner.is_some_and(|owner| owner != package.entry && owners.contains(&(owner, broken.file)))
    };
    let of_others: Vec<bool> = found.iter().map(|(package, broken)| is_of_another(package, broken)).collect();
    found.into_iter().zip(of_others).filter(|(_, of_another)| !of_another).map(|(found, _)| found).collect()
}

impl Reader<'_> {
    fn of_package(&self, package: &Package) -> Option<Broken> {
        let tree = self.tree;
        let declared = manifest(tree, package.entry)?;
        let own = exports::of_package(&declared);
        let mains: Vec<(&'static str, EntryId)> = if let Some(own) = own {
            let main = |(way, conditions): &(&'static str, &[&str])| {
                let targets = exports::targets(own, conditions);
                // Which of several is loaded is not known.
                let [target] = targets.as_slice() else { return None };
                Some((*way, exports::file(tree, package, target)?))
            };
            WAYS.iter().filter_map(main).collect()
        } else {
            let named = declared["main"].as_str().filter(|main| !main.is_empty());
            let main = named.into_iter().chain(["index"]).find_map(|main| module(tree, &package.directory, main));
            main.into_iter().map(|main| ("require()", main)).collect()
        };
        let is_open =
            own.is_some_and(|own| WAYS.iter().any(|(_, conditions)| exports::targets(own, conditions).len() > 1));
        let is_same = mains.iter().all(|(_, main)| *main == mains[0].1);
        let of = |(way, main): &(&'static str, EntryId)| {
            let broken = self.breaks(package, *main)?;
            Some(Broken { way: Some(*way), ..broken })
        };
        let mut found: Vec<Broken> = mains.iter().take(if is_same { 1 } else { mains.len() }).filter_map(of).collect();
        let fails_always = !is_open && (is_same || found.len() == mains.len());
        found.truncate(1);
        found.pop().map(|first| Broken { way: first.way.filter(|_| !fails_always), ..first })
    }

    /// The first file without which loading a file of a package fails. Of other packages that is followed which is loaded by a path
    /// in them; what they are loaded by themselves is their own.
    fn breaks(&self, package: &Package, main: EntryId) -> Option<Broken> {
        let tree = self.tree;
        // What has another ending is not loaded as code. Each with what loads it.
        let mut queue: Vec<(EntryId, Option<usize>)> =
            Some((main, None)).filter(|_| is_code(tree.path(main))).into_iter().collect();
        let mut seen: BTreeSet<EntryId> = BTreeSet::from([main]);
        let mut chain: Vec<(Option<usize>, Way, String, EntryId)> = Vec::new();
        while let Some((id, by)) = queue.pop() {
            let source = self.source(id);
            let broken = |why: String, fault: Option<Fault>| {
                let is_loaded = || self.is_loaded(&chain, by);
                is_loaded().then(|| Broken {
                    what: tree.path(id).to_string(),
                    why,
                    fault,
                    way: None,
                    for_others: false,
                    file: id,
                })
            };
            let damaged = source.damage.as_ref().and_then(|damage| broken(damage.clone(), None));
            let without_addon = || {
                let by = source.addon.as_ref()?;
                let (what, for_others) = self.lacks_addon(package, id)?;
                let broken =
                    broken(format!("loads an addon with {by}, and the package has no .node file{what}"), None)?;
                Some(Broken { for_others, ..broken })
            };
            let nowhere = || {
                let certain = Some(&source.faults).filter(|faults| !faults.is_empty()).map(|_| self.at_start(id))?;
                let mut faults = source.faults.iter();
                let is_certain = |(way, name): (&Way, &String)| certain.contains(&(*way == Way::Import, name.clone()));
                let (way, specifier, fault) = faults.find(|(way, name, _)| is_certain((way, name)))?;
                broken(format!("{} {specifier}{}", way.verb(), fault.why), Some(fault.clone()))
            };
            if let Some(broken) = damaged.or_else(without_addon).or_else(nowhere) {
                return Some(broken);
            }
            for (way, specifier, to) in &source.to {
                if seen.insert(*to) {
                    queue.push((*to, Some(chain.len())));
                    chain.push((by, *way, specifier.clone(), id));
                }
            }
        }
        None
    }

    /// Whether each file that leads to one is loaded for certain by the one before it.
    fn is_loaded(&self, chain: &[(Option<usize>, Way, String, EntryId)], by: Option<usize>) -> bool {
        let mut next = by;
        while let Some((above, way, specifier, from)) = next.and_then(|at| chain.get(at)) {
            if !self.at_start(*from).contains(&(*way == Way::Import, specifier.clone())) {
                return false;
            }
            next = *above;
        }
        true
    }

    /// What a source loads for certain: only those are parsed of which that matters.
    fn at_start(&self, id: EntryId) -> Arc<Certain> {
        self.certain.get(id, || self.tree.read_text(id).map(|text| at_start::loads(&text)).unwrap_or_default())
    }

    /// Whether the package of a source has no addon that Node.js loads on Linux with glibc, as a message ends, and whether it has
    /// others. What the build host's rules leave out is in the tree.
    fn lacks_addon(&self, package: &Package, source: EntryId) -> Option<(&'static str, bool)> {
        let own = self.packages.of_path(self.tree.path(source)).map_or(package, |owner| self.packages.get(owner));
        let addons = self.tree.all().filter(|(_, entry)| entry.path.name().ends_with(b".node"));
        let mut below = addons.filter_map(|(_, entry)| entry.path.below(&own.directory)).peekable();
        let has_any = below.peek().is_some();
        let is_foreign = |below: &[u8]| {
            let platform = platform(&String::from_utf8_lossy(below));
            platform.other_system || platform.musl
        };
        below.all(is_foreign).then_some(if has_any { (" for Linux with glibc", true) } else { ("", false) })
    }

    fn source(&self, id: EntryId) -> Arc<Source> {
        self.sources.get(id, || self.read(id))
    }

    fn read(&self, id: EntryId) -> Source {
        let path = self.tree.path(id);
        let Ok(text) = self.tree.read_text(id) else { return Source::default() };
        if text.starts_with(b"version https://git-lfs.github.com/spec/") {
            let damage = Some("is a pointer of Git LFS in place of the file".to_owned());
            return Source { damage, ..Source::default() };
        }
        if let Some(line) = conflicts::line_of_marker(&text, is_in_text) {
            return Source { damage: Some(conflicts::describe(line)), ..Source::default() };
        }
        let mut read = Source { addon: by_package(path, &text), ..Source::default() };
        let mut names: Vec<(Way, String)> = Vec::new();
        for found in LOADED.iter().flat_map(|pattern| pattern.captures_iter(&text)) {
            let name = |group: &str| Some(String::from_utf8_lossy(found.name(group)?.as_bytes()).into_owned());
            names.extend(name("required").map(|name| (Way::Require, name)));
            names.extend(name("imported").map(|name| (Way::Import, name)));
        }
        let own = self.packages.of_path(path);
        for (way, specifier) in names {
            match self.resolver.resolve(id, &specifier, way) {
                Leads::To(to) => {
                    let is_main = !specifier.starts_with(['.', '#'])
                        && source::package_of(&specifier) == Some(specifier.as_str())
                        && self.packages.of_path(self.tree.path(to)) != own;
                    if is_code(self.tree.path(to)) && !is_main {
                        read.to.push((way, specifier, to));
                    }
                }
                Leads::Nowhere(fault) => read.faults.push((way, specifier, fault)),
                Leads::Somewhere => {}
            }
        }
        read
    }
}

/// Whether what is before a place in a source ends inside a comment or a template, by what begins these.
fn is_in_text(before: &[u8]) -> bool {
    let last = |mark: &[u8]| before.windows(mark.len()).rposition(|window| window == mark);
    let in_comment = last(b"/*").is_some_and(|start| last(b"*/").is_none_or(|end| end < start));
    in_comment || memchr::memchr_iter(b'`', before).count() % 2 == 1
}

/// The package by which a source loads the addon of its own package when it is loaded itself.
fn by_package(path: &TreePath, text: &[u8]) -> Option<String> {
    let by = ADDON.iter().flat_map(|pattern| pattern.captures_iter(text)).find_map(|found| {
        let by = String::from_utf8_lossy(found.name("by")?.as_bytes()).into_owned();
        let bound = found.name("name").map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        // It is called at once, or by the name that it is bound to.
        let is_called = found.name("called").is_some_and(|called| !called.is_empty())
            || bound.is_some_and(|name| {
                let call = format!(r"(?m)^(?:{BINDS})?{}(?:\.find)?\(", regex::escape(&name));
                Regex::new(&call).is_ok_and(|call| call.is_match(text))
            });
        is_called.then_some(by)
    })?;
    requires(path, text, &by).then_some(by)
}

/// Whether the code of a source requires a package, and does not do without it.
fn requires(path: &TreePath, text: &[u8], name: &str) -> bool {
    let Some(Ok(source)) = source::read(&String::from_utf8_lossy(path.name()), text, None) else { return false };
    source.follows.iter().any(|follow| !follow.optional && follow.otherwise.as_deref() == Some(name))
}
