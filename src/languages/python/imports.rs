//! What an import finds: the directories of `sys.path` that are in a tree, and the modules in them.

use std::collections::{BTreeMap, BTreeSet};

use super::names::module;
use super::needs::ID;
use crate::base::path::TreePath;
use crate::languages::Packages;
use crate::tree::{EntryId, Tree};

/// How many .pth files, lines of one, and directories that they name are followed: a real tree has a few.
const MAX_NAMED: usize = 100;

/// The modules that a process of a function can import from a tree.
pub(super) struct Modules<'a> {
    tree: &'a Tree,
    /// What is searched, in order.
    directories: Vec<TreePath>,
    /// The files of each module, by its directory and name.
    files: BTreeMap<TreePath, EntryId>,
}

/// What an import finds.
pub(super) struct Found {
    /// The files that are loaded: those of the module and of the packages that it is in.
    pub(super) files: Vec<EntryId>,
    /// The directories of a package without `__init__`, if the import ends with one.
    pub(super) portions: Vec<TreePath>,
    /// How many parts of the name are modules; the next one is a name in the last of them, or missing.
    pub(super) depth: usize,
}

impl<'a> Modules<'a> {
    /// The modules of a tree.
    pub(super) fn new(packages: &Packages, tree: &'a Tree) -> Self {
        let directories = directories(packages, tree);
        let mut files: BTreeMap<TreePath, (u8, EntryId)> = BTreeMap::new();
        for (id, entry) in tree.iter().filter(|(_, entry)| !entry.is_directory()) {
            if !directories.iter().any(|directory| entry.path.below(directory).is_some()) {
                continue;
            }
            let Some((name, rank)) = of_name(entry.path.name()) else { continue };
            let Some(path) = entry.path.parent().and_then(|parent| parent.join(name)) else { continue };
            // The finder tries extension modules, then sources, then compiled code.
            let known = files.entry(path).or_insert((rank, id));
            *known = (*known).min((rank, id));
        }
        let files = files.into_iter().map(|(path, (_, id))| (path, id)).collect();
        Self { tree, directories, files }
    }

    /// What `import NAME` finds; `None` if its first part is nowhere.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let mut found = Found { files: Vec::new(), portions: self.directories.clone(), depth: 0 };
        for part in name.split('.') {
            let Some(at) = self.step(&found.portions, part) else { break };
            found.depth += 1;
            match at {
                Step::Package(directory, file) => {
                    found.files.push(file);
                    found.portions = vec![directory];
                }
                Step::Module(file) => {
                    found.files.push(file);
                    found.portions = Vec::new();
                    break;
                }
                Step::Portions(directories) => found.portions = directories,
            }
        }
        (found.depth > 0).then_some(found)
    }

    fn step(&self, directories: &[TreePath], part: &str) -> Option<Step> {
        let mut portions = Vec::new();
        for directory in directories {
            let Some(path) = directory.join(part) else { continue };
            if let Some(file) = path.join("__init__").and_then(|init| self.files.get(&init)) {
                return Some(Step::Package(path, *file));
            }
            if let Some(file) = self.files.get(&path) {
                return Some(Step::Module(*file));
            }
            if self.tree.find(&path).is_some_and(|id| self.tree.entry(id).is_directory()) {
                portions.push(path);
            }
        }
        (!portions.is_empty()).then_some(Step::Portions(portions))
    }

    /// The dotted name of a file's module, by the directory that is searched for it.
    pub(super) fn name(&self, file: EntryId) -> Option<String> {
        let path = self.tree.path(file);
        // A directory can be in another one that is searched.
        let below =
            self.directories.iter().filter_map(|directory| path.below(directory)).min_by_key(|below| below.len())?;
        let below = std::str::from_utf8(below).ok()?;
        let (directories, name) = below.rsplit_once('/').unwrap_or(("", below));
        let (name, _) = of_name(name.as_bytes())?;
        let parts = directories.split('/').chain([name]).filter(|part| !part.is_empty() && *part != "__init__");
        Some(parts.collect::<Vec<_>>().join("."))
    }

    /// The directory that is searched for a file.
    pub(super) fn directory(&self, path: &TreePath) -> Option<TreePath> {
        self.directories.iter().filter(|directory| path.below(directory).is_some()).max().cloned()
    }

    /// The package or module of the first level that a file belongs to.
    pub(super) fn unit(&self, path: &TreePath) -> Option<TreePath> {
        let directory = self.directory(path)?;
        let first = path.below(&directory)?.split(|byte| *byte == b'/').next()?;
        directory.join(first)
    }

    /// The directories that are searched, in their order.
    pub(super) fn directories(&self) -> &[TreePath] {
        &self.directories
    }

    /// The modules and packages of the first level: their names and files.
    pub(super) fn units(&self) -> impl Iterator<Item = (String, EntryId)> {
        self.files.iter().filter_map(|(path, file)| {
            let unit = if path.name() == b"__init__" { path.parent()? } else { path.clone() };
            let is_first = self.directories.contains(&unit.parent()?);
            is_first.then(|| (String::from_utf8_lossy(unit.name()).into_owned(), *file))
        })
    }

    /// The source files that are searched.
    pub(super) fn sources(&self) -> impl Iterator<Item = EntryId> {
        let is_source = |id: &EntryId| self.tree.path(*id).name().ends_with(b".py");
        self.files.values().copied().filter(is_source)
    }
}

enum Step {
    Package(TreePath, EntryId),
    Module(EntryId),
    Portions(Vec<TreePath>),
}

/// The name of a module in that of a file, and the place of its kind in the order in which they are tried.
fn of_name(file_name: &[u8]) -> Option<(&str, u8)> {
    let text = std::str::from_utf8(file_name).ok()?;
    let ending = |ending: &str| text.strip_suffix(ending).filter(|name| !name.contains('.'));
    if let Some((name, tag)) = module(file_name) {
        return (!tag.is_musl() && !tag.is_for_another_system() && tag.fits(None)).then_some((name, 0));
    }
    ending(".py").map(|name| (name, 1)).or_else(|| ending(".pyc").map(|name| (name, 2)))
}

/// The directories in which Lambda's Python of a version, such as `3.12`, searches, in their order.
pub(super) fn directories_of_lambda(version: &str) -> impl Iterator<Item = TreePath> {
    [format!("python/lib/python{version}/site-packages"), "python".to_owned()].into_iter().filter_map(TreePath::new)
}

/// The directories of `sys.path` in a tree: those that the managed runtimes add, and those with distributions for any other;
/// with the directories that .pth files there name, as `site.addsitedir()` adds them.
fn directories(packages: &Packages, tree: &Tree) -> Vec<TreePath> {
    let minor = packages.runtime_version(ID);
    let managed = match minor {
        Some(version) => directories_of_lambda(version).collect(),
        None => Vec::from_iter(TreePath::new("python")),
    };
    let libraries: BTreeSet<TreePath> = packages.of_language(ID).map(|package| package.library.clone()).collect();
    let is_searched = |library: &TreePath| {
        // A managed runtime does not search the directory of another version.
        minor.is_none() || !library.as_bytes().starts_with(b"python/lib/")
    };
    let mut directories: Vec<TreePath> = Vec::new();
    for directory in managed.into_iter().chain(libraries.into_iter().filter(is_searched)) {
        let is_there = directory.is_root() || tree.find(&directory).is_some();
        if is_there && !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    let named: Vec<TreePath> = directories.iter().flat_map(|directory| of_pth_files(tree, directory)).collect();
    for directory in named.into_iter().take(MAX_NAMED) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

/// The directories that the .pth files in a directory name. Other lines of them are code.
fn of_pth_files(tree: &Tree, directory: &TreePath) -> Vec<TreePath> {
    let mut files: Vec<EntryId> = tree
        .below(directory)
        .filter(|(_, entry)| entry.path.name().ends_with(b".pth") && entry.path.parent().as_ref() == Some(directory))
        .map(|(id, _)| id)
        .collect();
    files.sort_by_key(|id| tree.path(*id).clone());
    let mut named = Vec::new();
    for file in files.into_iter().take(MAX_NAMED) {
        let Ok(text) = tree.read_text(file) else { continue };
        for line in String::from_utf8_lossy(&text).lines().map(str::trim_end).take(MAX_NAMED) {
            let is_path = !line.is_empty() && !line.starts_with('#') && !line.starts_with("import");
            let path = is_path.then(|| match line.strip_prefix('/') {
                Some(_) => TreePath::from_mounted(line.as_bytes()),
                None => directory.join(line),
            });
            named.extend(path.flatten().filter(|path| tree.find(path).is_some_and(|id| tree.entry(id).is_directory())));
        }
    }
    named
}
