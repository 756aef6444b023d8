//! The libraries that code loads with ctypes before it imports an extension module: the loader then finds them by their sonames,
//! and no search path has to lead to them. What is read is the code that runs first: the packages that the module is in, what they
//! import, and what imports the module beside it.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::sync::LazyLock;

use globset::GlobMatcher;
use regex::bytes::Regex;

use super::imports::Modules;
use super::uses::{statements, when_loaded};
use crate::base::globs;
use crate::base::path::TreePath;
use crate::languages::Packages;
use crate::tree::{EntryId, Objects, Tree};

/// How many sources are read for one module: what real packages import first are a few.
const MAX_SOURCES: usize = 300;

/// A call that loads a library.
static LOADS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b(?:CDLL|PyDLL|LoadLibrary|dlopen)\b").ok());

/// The name of a library, or a part of it.
static LIBRARY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"["']([^"'\n]*\.so(?:[.*?][^"'\n]*)?)["']"#).ok());

/// What a name has where only running the code tells what is there.
static COMPUTED: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(r"\{[^{}]*\}|%[a-z]").ok());

/// What a source does when it is loaded, each with where that is in its text, in bytes.
#[derive(Default)]
struct Source {
    /// What it imports.
    imports: Vec<(usize, Vec<EntryId>)>,
    /// The libraries that it loads.
    libraries: Vec<(usize, EntryId)>,
}

/// Finds what is loaded before the modules of a tree.
pub(super) struct Preloads<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    objects: &'a Objects,
    modules: OnceCell<Modules<'a>>,
    /// The sources that were read: modules of a package have most of them in common.
    read: RefCell<BTreeMap<EntryId, Rc<Source>>>,
}

impl<'a> Preloads<'a> {
    pub(super) fn new(packages: &'a Packages, tree: &'a Tree, objects: &'a Objects) -> Self {
        Self { packages, tree, objects, modules: OnceCell::new(), read: RefCell::default() }
    }

    fn modules(&self) -> &Modules<'a> {
        self.modules.get_or_init(|| Modules::new(self.packages, self.tree))
    }

    /// The libraries that code loads before an extension module is imported.
    pub(super) fn before(&self, module: EntryId) -> Vec<EntryId> {
        let path = self.tree.path(module);
        let (Some(root), Some(directory)) = (self.modules().directory(path), path.parent()) else { return Vec::new() };
        let packages = path.ancestors().skip(1).take_while(|above| above.below(&root).is_some_and(|it| !it.is_empty()));
        let packages = packages.filter_map(|above| self.tree.find(&above.join("__init__.py")?));
        let is_beside = |path: &TreePath| {
            path.parent().as_ref() == Some(&directory) && path.name().ends_with(b".py") && path.name() != b"__init__.py"
        };
        let beside = self.tree.below(&directory).filter(|(_, entry)| is_beside(&entry.path)).map(|(id, _)| id);
        let imports_it = |id: &EntryId| self.source(*id).imports.iter().any(|(_, files)| files.contains(&module));
        let mut queue: Vec<EntryId> = packages.chain(beside.take(MAX_SOURCES).filter(imports_it)).collect();
        let mut seen: BTreeSet<EntryId> = queue.iter().copied().collect();
        let mut libraries = BTreeSet::new();
        while let Some(id) = queue.pop().filter(|_| seen.len() < MAX_SOURCES) {
            let source = self.source(id);
            let import = source.imports.iter().find(|(_, files)| files.contains(&module));
            let until = import.map_or(usize::MAX, |(at, _)| *at);
            libraries.extend(source.libraries.iter().filter(|(at, _)| *at < until).map(|(_, library)| *library));
            let imports = source.imports.iter().filter(|(at, _)| *at < until).flat_map(|(_, files)| files);
            let is_source = |id: &&EntryId| self.tree.path(**id).name().ends_with(b".py");
            queue.extend(imports.filter(is_source).copied().filter(|id| seen.insert(*id)));
        }
        libraries.into_iter().collect()
    }

    fn source(&self, id: EntryId) -> Rc<Source> {
        let known = self.read.borrow().get(&id).cloned();
        known.unwrap_or_else(|| {
            let read = Rc::new(self.read_source(id).unwrap_or_default());
            self.read.borrow_mut().insert(id, Rc::clone(&read));
            read
        })
    }

    fn read_source(&self, id: EntryId) -> Option<Source> {
        let text = self.tree.read_text(id).ok()?;
        let name = self.modules().name(id).unwrap_or_default();
        let is_package = self.tree.path(id).name() == b"__init__.py";
        let loaded = when_loaded(&text);
        // Where lines of the text begin; those of what runs are the same in the same order, without their indentation.
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').scan(0, |end, line| {
            *end += line.len();
            Some((*end - line.len(), line.trim_ascii()))
        });
        let mut imports = Vec::new();
        for (start, names) in statements(&loaded, &name, is_package) {
            let line = loaded.get(start..)?.split(|byte| *byte == b'\n').next()?.trim_ascii();
            let (at, _) = lines.find(|(_, other)| *other == line)?;
            let files = names.iter().filter_map(|name| self.modules().find(name)).flat_map(|found| found.files);
            imports.push((at, files.collect()));
        }
        Some(Source { imports, libraries: self.loaded_by(id, &text) })
    }

    /// The libraries that a source loads: those whose names it has as literal strings, in its own package, or beside it if it is in
    /// none. In functions too, as most of them are called when the source is loaded.
    fn loaded_by(&self, source: EntryId, text: &[u8]) -> Vec<(usize, EntryId)> {
        let Some(first) = LOADS.as_ref().and_then(|loads| loads.find(text)) else { return Vec::new() };
        let names = LIBRARY.iter().flat_map(|pattern| pattern.captures_iter(text)).filter_map(|found| found.get(1));
        let patterns = names.filter_map(|name| {
            let at = name.start().max(first.start());
            let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
            let name = COMPUTED.as_ref().map_or(name.clone(), |computed| computed.replace_all(&name, "*").into_owned());
            let name = name.rsplit('/').next().unwrap_or_default();
            let pattern = if name.starts_with(".so") { format!("*{name}") } else { name.to_owned() };
            // What is not a glob is the name of something else.
            Some((at, globs::glob(&pattern).ok()?.compile_matcher()))
        });
        let patterns: Vec<_> = patterns.collect();
        let path = self.tree.path(source);
        let Some(unit) = self.modules().unit(path) else { return Vec::new() };
        let places: Vec<TreePath> = if unit == *path {
            path.parent().into_iter().collect()
        } else {
            let name = String::from_utf8_lossy(unit.name()).into_owned();
            let of_wheel = unit.parent().and_then(|parent| parent.join(format!("{name}.libs")));
            [Some(unit), of_wheel].into_iter().flatten().collect()
        };
        let below = places.iter().flat_map(|place| self.tree.below(place).map(|(id, _)| id));
        let libraries: Vec<EntryId> = below.filter(|id| self.objects.contains_key(id)).collect();
        let named = |(at, pattern): &(usize, GlobMatcher)| {
            let is_it = |id: &EntryId| pattern.is_match(OsStr::from_bytes(self.tree.path(*id).name()));
            libraries.iter().copied().filter(is_it).map(|id| (*at, id)).collect::<Vec<_>>()
        };
        patterns.iter().flat_map(named).collect()
    }
}
