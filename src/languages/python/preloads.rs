//! The libraries that code loads with ctypes before it imports an extension module: the loader then finds them by their sonames,
//! and no search path has to lead to them. What is read is the code that runs first: the packages that the module is in, what they
//! import, and what imports the module beside it.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::imports::Modules;
use super::uses::{imported, statements, when_loaded};
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

/// Finds what is loaded before the modules of a tree.
pub(super) struct Preloads<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    objects: &'a Objects,
    modules: OnceCell<Modules<'a>>,
}

impl<'a> Preloads<'a> {
    pub(super) fn new(packages: &'a Packages, tree: &'a Tree, objects: &'a Objects) -> Self {
        Self { packages, tree, objects, modules: OnceCell::new() }
    }

    fn modules(&self) -> &Modules<'a> {
        self.modules.get_or_init(|| Modules::new(self.packages, self.tree))
    }

    /// The libraries that code loads before an extension module is imported.
    pub(super) fn before(&self, module: EntryId) -> Vec<EntryId> {
        let path = self.tree.path(module);
        let modules = self.modules();
        let (Some(root), Some(directory)) = (modules.directory(path), path.parent()) else { return Vec::new() };
        let packages = path.ancestors().skip(1).take_while(|above| above.below(&root).is_some_and(|it| !it.is_empty()));
        let packages = packages.filter_map(|above| self.tree.find(&above.join("__init__.py")?));
        let is_beside = |path: &TreePath| {
            path.parent().as_ref() == Some(&directory) && path.name().ends_with(b".py") && path.name() != b"__init__.py"
        };
        let beside = self.tree.below(&directory).filter(|(_, entry)| is_beside(&entry.path)).map(|(id, _)| id);
        let mut libraries = BTreeSet::new();
        let mut queue: Vec<EntryId> = Vec::new();
        for id in packages.chain(beside.take(MAX_SOURCES)) {
            let Ok(text) = self.tree.read_text(id) else { continue };
            let until = self.import_of(id, &text, module);
            let is_package = self.tree.path(id).name() == b"__init__.py";
            if until.is_none() && !is_package {
                continue;
            }
            let before = &text[..until.unwrap_or(text.len())];
            libraries.extend(self.loaded_by(id, before));
            queue.extend(self.imports(id, before));
        }
        let mut seen: BTreeSet<EntryId> = queue.iter().copied().collect();
        while let Some(id) = queue.pop().filter(|_| seen.len() < MAX_SOURCES) {
            let Ok(text) = self.tree.read_text(id) else { continue };
            let before = &text[..self.import_of(id, &text, module).unwrap_or(text.len())];
            libraries.extend(self.loaded_by(id, before));
            queue.extend(self.imports(id, before).into_iter().filter(|id| seen.insert(*id)));
        }
        libraries.into_iter().collect()
    }

    /// Where a source imports a module itself, in bytes from its beginning.
    fn import_of(&self, source: EntryId, text: &[u8], module: EntryId) -> Option<usize> {
        let name = self.modules().name(source)?;
        let is_package = self.tree.path(source).name() == b"__init__.py";
        let loaded = when_loaded(text);
        let is_of = |name: &String| self.modules().find(name).is_some_and(|found| found.files.contains(&module));
        let (start, _) =
            statements(&loaded, &name, is_package).into_iter().find(|(_, names)| names.iter().any(is_of))?;
        let line = loaded.get(start..)?.split(|byte| *byte == b'\n').next()?;
        let mut at = 0;
        for candidate in text.split_inclusive(|byte| *byte == b'\n') {
            if candidate.trim_ascii() == line.trim_ascii() {
                return Some(at);
            }
            at += candidate.len();
        }
        None
    }

    /// The sources that a source imports when it is loaded.
    fn imports(&self, source: EntryId, text: &[u8]) -> Vec<EntryId> {
        let name = self.modules().name(source).unwrap_or_default();
        let is_package = self.tree.path(source).name() == b"__init__.py";
        let names = imported(&when_loaded(text), &name, is_package);
        let files = names.iter().filter_map(|name| self.modules().find(name)).flat_map(|found| found.files);
        files.filter(|id| self.tree.path(*id).name().ends_with(b".py")).collect()
    }

    /// The libraries that a source loads: those whose names it has as literal strings, in its own package, or beside it if it is in
    /// none. In functions too, as most of them are called when the source is loaded.
    fn loaded_by(&self, source: EntryId, text: &[u8]) -> Vec<EntryId> {
        if !LOADS.as_ref().is_some_and(|loads| loads.is_match(text)) {
            return Vec::new();
        }
        let names = LIBRARY.iter().flat_map(|pattern| pattern.captures_iter(text)).filter_map(|found| found.get(1));
        let patterns = names.map(|name| {
            let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
            let name = COMPUTED
                .as_ref()
                .map_or_else(|| name.clone(), |computed| computed.replace_all(&name, "*").into_owned());
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            if name.starts_with(".so") { format!("*{name}") } else { name }
        });
        // What is not a glob is the name of something else.
        let patterns: BTreeSet<String> = patterns.filter(|name| globs::glob(name).is_ok()).collect();
        let Ok(patterns) = globs::set(patterns) else { return Vec::new() };
        let path = self.tree.path(source);
        let Some(unit) = self.modules().unit(path) else { return Vec::new() };
        let places: Vec<TreePath> = if unit == *path {
            path.parent().into_iter().collect()
        } else {
            let name = String::from_utf8_lossy(unit.name()).into_owned();
            let of_wheel = unit.parent().and_then(|parent| parent.join(format!("{name}.libs")));
            [Some(unit), of_wheel].into_iter().flatten().collect()
        };
        let is_named = |id: &EntryId| patterns.is_match(OsStr::from_bytes(self.tree.path(*id).name()));
        let below = places.iter().flat_map(|place| self.tree.below(place).map(|(id, _)| id));
        below.filter(|id| self.objects.contains_key(id) && is_named(id)).collect()
    }
}
