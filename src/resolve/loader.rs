//! The dynamic loader: which file a needed library resolves to in a process.
//!
//! Follows glibc's `_dl_map_object` and `_dl_map_object_deps` (elf/dl-load.c, elf/dl-deps.c; ld.so(8)): breadth first; a
//! name that a loaded object (including the program interpreter) already answers to is that object; then DT_RPATH of the
//! object that needs it and of those that loaded it (unless it has DT_RUNPATH), LD_LIBRARY_PATH, DT_RUNPATH, the cache, and
//! the default directories, each with its subdirectories for the processor. A library of another class or machine is
//! skipped; a file that is not a library stops the loader. Filters (DT_FILTER, DT_AUXILIARY), which have been obsolete for
//! twenty years, are not followed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::tokens::expand;
use crate::base::path::TreePath;
use crate::formats::elf::{Elf, Machine, Type};
use crate::runtime::{Image, Lookup};
use crate::runtime::{LoaderFacts, RuntimeProfile};
use crate::tree::{EntryId, Kind, Objects, Place, Tree};

/// How many directories of an unsuccessful search are listed.
const MAX_LISTED: usize = 64;

/// How many files a process tries to open: hundreds of times more than any real one. A file with thousands of needed libraries
/// and directories to search would otherwise take minutes.
const MAX_OPENED: usize = 1 << 20;

/// A loaded object: a file of the tree, or a library of the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// In the tree.
    Tree(EntryId),
    /// In the image, at this path.
    Image(String),
}

/// The result of looking up a needed library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LibraryLookup {
    /// The loader finds this object.
    Found {
        /// The object.
        object: Object,
        /// The path by which it was opened, without following links.
        opened: String,
    },
    /// The loader finds nothing.
    Missing {
        /// The directories it searched, in order; of very many the first, and how many more there are.
        searched: Vec<String>,
        /// Why it stopped before the end of the search, if it did.
        stopped: Option<String>,
    },
}

/// A needed library of an object, and the result of looking it up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededLibrary {
    /// The object that needs it.
    pub from: Object,
    /// The name as in DT_NEEDED.
    pub soname: String,
    /// The result.
    pub outcome: LibraryLookup,
}

/// A directory, and the machine whose libraries are searched in it.
type DirectoryOfMachine = (String, Option<String>);

/// Where a list of directories leads: the position in the list of each one that exists, and the directories to search for it,
/// which are those for the processor and itself.
type Existing = Vec<(usize, Rc<Vec<String>>)>;

/// The directories of a search path, each once, as the loader keeps them (`fillin_rpath` in elf/dl-load.c).
#[derive(Debug, Default)]
struct Directories {
    all: Vec<String>,
    /// For each machine searched for so far: those that exist. Most do not, which is remembered, as in the loader.
    existing: RefCell<BTreeMap<Option<String>, Rc<Existing>>>,
}

impl Directories {
    fn new(all: impl IntoIterator<Item = String>) -> Rc<Self> {
        let mut seen = HashSet::new();
        let all = all.into_iter().filter(|directory| seen.insert(directory.clone())).collect();
        Rc::new(Self { all, existing: RefCell::default() })
    }

    fn existing(&self, view: &LoaderView<'_>, loader: Option<&LoaderFacts>) -> Rc<Existing> {
        let key = loader.map(|loader| loader.machine.clone());
        if let Some(known) = self.existing.borrow().get(&key) {
            return Rc::clone(known);
        }
        let there = self.all.iter().map(|directory| view.with_subdirectories(directory, loader)).enumerate();
        let there: Rc<Existing> = Rc::new(there.filter(|(_, there)| !there.is_empty()).collect());
        self.existing.borrow_mut().insert(key, Rc::clone(&there));
        there
    }
}

/// The directories of an unsuccessful search, for a message.
#[derive(Default)]
struct Searched {
    listed: Vec<String>,
    more: usize,
}

impl Searched {
    fn add(&mut self, directories: &[String]) {
        for (position, directory) in directories.iter().enumerate() {
            if self.listed.len() == MAX_LISTED {
                self.more += directories.len() - position;
                return;
            }
            if !self.listed.contains(directory) {
                self.listed.push(directory.clone());
            }
        }
    }

    fn names(mut self) -> Vec<String> {
        self.listed.extend((self.more > 0).then(|| format!("{} more", self.more)));
        self.listed
    }
}

/// What the loader sees: the tree at `/opt`, and the image around it.
pub struct LoaderView<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// Its ELF files.
    pub objects: &'a Objects,
    /// The image.
    pub image: &'a Image<'a>,
    /// For each directory and machine searched so far: the directories to search that exist.
    existing: RefCell<BTreeMap<DirectoryOfMachine, Rc<Vec<String>>>>,
}

impl<'a> LoaderView<'a> {
    /// The tree at `/opt` in the image.
    pub fn new(tree: &'a Tree, objects: &'a Objects, image: &'a Image<'a>) -> Self {
        Self { tree, objects, image, existing: RefCell::default() }
    }

    /// Where a path of a running process leads: into the tree, or to a path of the image.
    fn place(&self, path: &str) -> Place {
        match TreePath::from_mounted(path.as_bytes()) {
            Some(_) => self.tree.locate(path.as_bytes()),
            None => Place::Outside(path.as_bytes().to_vec()),
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        match self.place(path) {
            Place::Inside(id) => self.tree.entry(id).is_directory(),
            Place::Root => true,
            Place::Outside(outside) => self.image.is_directory(&String::from_utf8_lossy(&outside)),
            Place::Nowhere | Place::Loop => false,
        }
    }

    /// The subdirectories of a directory for the processor and the directory itself, if they exist. Most do not, which is
    /// cached, as in the loader.
    fn with_subdirectories(&self, directory: &str, loader: Option<&LoaderFacts>) -> Rc<Vec<String>> {
        let key = (directory.to_owned(), loader.map(|loader| loader.machine.clone()));
        if let Some(known) = self.existing.borrow().get(&key) {
            return Rc::clone(known);
        }
        let below = loader.map(|loader| loader.subdirectories.as_slice()).unwrap_or_default();
        let all = below.iter().map(|below| format!("{directory}/{below}")).chain([directory.to_owned()]);
        let there = Rc::new(all.filter(|path| self.is_directory(path)).collect::<Vec<_>>());
        self.existing.borrow_mut().insert(key, Rc::clone(&there));
        there
    }
}

/// The parts of a process's environment that the loader uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessEnvironment {
    /// The elements of LD_LIBRARY_PATH. An empty one is the working directory.
    pub library_path: Vec<String>,
    /// The working directory.
    pub working_directory: String,
}

/// A process: the objects that it has loaded so far, in load order.
#[derive(Clone)]
pub struct Process<'a> {
    view: &'a LoaderView<'a>,
    environment: ProcessEnvironment,
    /// LD_LIBRARY_PATH with its tokens expanded for the program, whichever object is searched for.
    library_path: Rc<Directories>,
    loaded: Vec<LoadedObject>,
    /// How many files it has tried to open.
    opened: Cell<usize>,
    /// How many objects were loaded before the program began to run: their symbols are visible to all objects.
    started_with: usize,
    /// Whether every needed library was found so far.
    complete: bool,
}

/// An object in a process.
#[derive(Clone)]
pub(super) struct LoadedObject {
    pub(super) object: Object,
    /// Its ELF data; unknown for a listed library of an image.
    pub(super) elf: Option<Arc<Elf>>,
    /// The path by which it was opened.
    opened: String,
    /// The requested names that it answered.
    names: BTreeSet<String>,
    soname: Option<String>,
    machine: Option<Machine>,
    rpath: Rc<Directories>,
    runpath: Rc<Directories>,
    has_runpath: bool,
    /// The object that loaded it, from which it inherits RPATH.
    loader: Option<usize>,
}

impl LoadedObject {
    fn answers_to(&self, name: &str) -> bool {
        self.names.contains(name) || self.soname.as_deref() == Some(name)
    }
}

impl<'a> Process<'a> {
    /// A process with this environment that has loaded nothing yet.
    pub fn new(view: &'a LoaderView<'a>, environment: ProcessEnvironment) -> Self {
        // Without the program, as in a tree whose R is in another layer, its tokens are not known.
        let library_path = Directories::new(environment.library_path.iter().cloned());
        let opened = Cell::new(0);
        Self { view, environment, library_path, loaded: Vec::new(), opened, started_with: 0, complete: true }
    }

    /// Starts the program, or treats a library as one, and loads what it needs, breadth first.
    ///
    /// Returns every needed library of every object loaded, in load order.
    pub fn start(&mut self, program: EntryId) -> Vec<NeededLibrary> {
        let Some(elf) = self.view.objects.get(&program) else { return Vec::new() };
        // The kernel passes the path with every link followed, which is what $ORIGIN of a program expands to.
        let opened = self.view.tree.path(program).mounted();
        let root = self.loaded(Object::Tree(program), &opened, Some(Arc::clone(elf)));
        self.loaded.push(root);
        let elements = std::mem::take(&mut self.environment.library_path);
        self.library_path = Directories::new(elements.iter().filter_map(|element| self.element(element, &opened, elf)));
        self.environment.library_path = elements;
        self.load_interpreter(elf);
        let edges = self.load_needed(0);
        self.started_with = self.loaded.len();
        edges
    }

    /// Loads a library into the running process as `dlopen()` of its path would. The caller's RPATH is not inherited: only
    /// the program's own is searched besides those of the new objects.
    ///
    /// Returns every needed library of every object that was not loaded before, in load order.
    pub fn dlopen(&mut self, library: EntryId) -> Vec<NeededLibrary> {
        let Place::Inside(file) = self.view.tree.follow(library) else { return Vec::new() };
        if self.loaded.iter().any(|l| l.object == Object::Tree(file)) {
            return Vec::new();
        }
        let Some(elf) = self.view.objects.get(&file) else { return Vec::new() };
        let opened = self.view.tree.path(library).mounted();
        let new = self.loaded(Object::Tree(file), &opened, Some(Arc::clone(elf)));
        let at = self.loaded.len();
        self.loaded.push(new);
        if at == 0 {
            // The program is not known, but the loader is there.
            self.load_interpreter(elf);
        }
        self.load_needed(at)
    }

    /// Loads what `dlopen(name)` would find in the search path of `caller`, as a `.note.dlopen` describes.
    pub fn dlopen_by_name(&mut self, name: &str, caller: EntryId) -> (LibraryLookup, Vec<NeededLibrary>) {
        let caller = self.loaded.iter().position(|l| l.object == Object::Tree(caller)).unwrap_or(0);
        let before = self.loaded.len();
        let outcome = self.map(name, caller);
        if let Some(new) = self.loaded.get_mut(before) {
            new.loader = None;
        }
        (outcome, self.load_needed(before))
    }

    /// The profile of the image it runs in.
    pub(super) fn profile(&self) -> &'a RuntimeProfile {
        self.view.image.profile()
    }

    /// The ELF files of the tree.
    pub(super) fn tree_objects(&self) -> &'a Objects {
        self.view.objects
    }

    /// The loaded objects, in load order; the first is the program.
    pub(super) fn objects(&self) -> &[LoadedObject] {
        &self.loaded
    }

    /// Whether every library that its objects need was found.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many objects were loaded when the program began to run.
    pub(super) fn started_with(&self) -> usize {
        self.started_with
    }

    /// The object whose versions the loader checks for a needed version: the first that answers to the library's name.
    pub(super) fn answering_to(&self, name: &str) -> Option<&LoadedObject> {
        self.loaded.iter().find(|l| l.answers_to(name))
    }

    /// Loads the interpreter, which the kernel maps first and independently of the search path.
    fn load_interpreter(&mut self, elf: &Elf) {
        let of_machine = self.view.image.loader(elf.machine).map(|loader| loader.interpreter.clone());
        let Some(path) = elf.interpreter.clone().or(of_machine) else { return };
        if let Open::Found(mut loaded) = self.open(&path, Some(elf.machine)) {
            loaded.names.insert(path);
            self.loaded.push(loaded);
        }
    }

    fn load_needed(&mut self, first: usize) -> Vec<NeededLibrary> {
        let mut edges = Vec::new();
        let mut next = first;
        while next < self.loaded.len() {
            let elf = self.loaded[next].elf.clone();
            for soname in elf.iter().flat_map(|elf| &elf.needed) {
                let outcome = self.map(soname, next);
                self.complete &= matches!(outcome, LibraryLookup::Found { .. });
                edges.push(NeededLibrary { from: self.loaded[next].object.clone(), soname: soname.clone(), outcome });
            }
            next += 1;
        }
        edges
    }

    /// Finds the object for a needed name, and adds it to the process when it is new.
    fn map(&mut self, needed: &str, needed_by: usize) -> LibraryLookup {
        let by = &self.loaded[needed_by];
        let machine = by.machine;
        let Some(name) = self.expand(needed, &by.opened, by.machine) else {
            let stopped = Some(format!("{needed} cannot be expanded"));
            return LibraryLookup::Missing { searched: Vec::new(), stopped };
        };
        if let Some(loaded) = self.loaded.iter_mut().find(|l| l.answers_to(&name)) {
            loaded.names.insert(name);
            return LibraryLookup::Found { object: loaded.object.clone(), opened: loaded.opened.clone() };
        }
        if name.contains('/') {
            let path = self.absolute(&name);
            return match self.open(&path, machine) {
                Open::Found(loaded) => self.add(loaded, name, needed_by),
                Open::NotFound | Open::SkipList => LibraryLookup::Missing { searched: vec![path], stopped: None },
                Open::Fatal(why) => LibraryLookup::Missing { searched: Vec::new(), stopped: Some(why) },
            };
        }
        let mut searched = Searched::default();
        for list in self.search_lists(needed_by, &name) {
            match self.search(&list, &name, machine, &mut searched) {
                Open::Found(loaded) => return self.add(loaded, name, needed_by),
                Open::NotFound | Open::SkipList => {}
                Open::Fatal(why) => {
                    return LibraryLookup::Missing { searched: searched.names(), stopped: Some(why) };
                }
            }
        }
        LibraryLookup::Missing { searched: searched.names(), stopped: None }
    }

    fn add(&mut self, mut new: LoadedObject, name: String, needed_by: usize) -> LibraryLookup {
        // A file with two names is one object: the loader compares device and inode.
        if let Some(loaded) = self.loaded.iter_mut().find(|l| l.object == new.object) {
            loaded.names.insert(name);
            return LibraryLookup::Found { object: loaded.object.clone(), opened: loaded.opened.clone() };
        }
        new.loader = Some(needed_by);
        new.names.insert(name);
        let outcome = LibraryLookup::Found { object: new.object.clone(), opened: new.opened.clone() };
        self.loaded.push(new);
        outcome
    }

    /// The search lists for what the object `of` needs, in order.
    fn search_lists(&self, of: usize, name: &str) -> Vec<Search> {
        let object = &self.loaded[of];
        let mut lists = Vec::new();
        if !object.has_runpath {
            let mut up = Some(of);
            let mut program_too = true;
            while let Some(position) = up {
                lists.push(Search::Directories(Rc::clone(&self.loaded[position].rpath)));
                program_too &= position != 0;
                up = self.loaded[position].loader;
            }
            // The program's own RPATH applies to everything in its process.
            if program_too {
                lists.push(Search::Directories(Rc::clone(&self.loaded[0].rpath)));
            }
        }
        lists.push(Search::Directories(Rc::clone(&self.library_path)));
        lists.push(Search::Directories(Rc::clone(&object.runpath)));
        let nodeflib = object.elf.as_ref().is_some_and(|elf| elf.nodeflib);
        let defaults = self.view.image.system_directories(object.machine);
        if let Some(cached) = object.machine.and_then(|machine| self.view.image.cached(name, machine)) {
            let in_default = defaults.iter().any(|directory| cached.starts_with(&format!("{directory}/")));
            if !(nodeflib && in_default) {
                lists.push(Search::File(cached));
            }
        }
        if !nodeflib {
            lists.push(Search::Directories(Directories::new(defaults.iter().cloned())));
        }
        lists
    }

    fn search(&self, list: &Search, name: &str, machine: Option<Machine>, searched: &mut Searched) -> Open {
        let directories = match list {
            Search::Directories(directories) => directories,
            Search::File(path) => return self.open(path, machine),
        };
        let loader = machine.and_then(|machine| self.view.image.loader(machine));
        for (position, there) in directories.existing(self.view, loader).iter() {
            let mut fails = false;
            for place in there.iter() {
                self.opened.set(self.opened.get() + 1);
                if self.opened.get() > MAX_OPENED {
                    return Open::Fatal(format!("layerfit gives up after trying {MAX_OPENED} files for one process"));
                }
                match self.open(&format!("{place}/{name}"), machine) {
                    Open::NotFound => fails = false,
                    Open::SkipList => fails = true,
                    end => return end,
                }
            }
            // Any error except ENOENT ends this list, and the next one is searched (open_path in elf/dl-load.c).
            if fails {
                searched.add(&directories.all[..=*position]);
                return Open::SkipList;
            }
        }
        searched.add(&directories.all);
        Open::NotFound
    }

    fn open(&self, path: &str, machine: Option<Machine>) -> Open {
        match self.view.place(path) {
            Place::Inside(id) => match &self.view.tree.entry(id).kind {
                Kind::File { .. } => match self.view.objects.get(&id) {
                    Some(elf) => self.accept(Object::Tree(id), path, elf, machine),
                    None => Open::Fatal(format!("{path} is not an ELF file, or is damaged")),
                },
                _ => Open::Fatal(format!("{path} is a directory")),
            },
            Place::Root => Open::Fatal(format!("{path} is a directory")),
            Place::Outside(outside) => {
                let Some(machine) = machine else { return Open::NotFound };
                match self.view.image.lookup(&String::from_utf8_lossy(&outside), machine) {
                    Lookup::Found { path: real, elf: Some(elf) } => {
                        self.accept(Object::Image(real), path, &elf, Some(machine))
                    }
                    Lookup::Found { path: real, elf: None } => {
                        Open::Found(self.loaded(Object::Image(real), path, None))
                    }
                    Lookup::NotFound => Open::NotFound,
                    Lookup::Invalid(why) => Open::Fatal(format!("{path}: {why}")),
                }
            }
            Place::Nowhere => Open::NotFound,
            Place::Loop => Open::SkipList,
        }
    }

    /// Whether the loader accepts an ELF file that it has opened (`open_verify` and `_dl_map_object_from_fd`).
    fn accept(&self, object: Object, path: &str, elf: &Arc<Elf>, machine: Option<Machine>) -> Open {
        if let Some(machine) = machine {
            if machine.is_64 != elf.machine.is_64 {
                return Open::NotFound;
            }
            if machine.little_endian != elf.machine.little_endian {
                return Open::Fatal(format!("{path} has a different byte order"));
            }
            if machine.machine != elf.machine.machine {
                return Open::NotFound;
            }
        }
        // The program itself can be a needed library, under any name of its file.
        let loaded = self.loaded.iter().any(|l| l.object == object);
        match elf.kind {
            Type::Relocatable | Type::Core => Open::Fatal(format!("{path} is not a shared library")),
            Type::Executable | Type::Shared if !loaded && (elf.pie || elf.kind == Type::Executable) => {
                Open::Fatal(format!("{path} is a program and cannot be loaded as a library"))
            }
            Type::Executable | Type::Shared => Open::Found(self.loaded(object, path, Some(Arc::clone(elf)))),
        }
    }

    fn loaded(&self, object: Object, opened: &str, elf: Option<Arc<Elf>>) -> LoadedObject {
        let machine = elf.as_ref().map(|elf| elf.machine);
        let split = |path: Option<&String>| {
            let elements = path.into_iter().filter(|path| !path.is_empty()).flat_map(|path| path.split(':'));
            let elements = elf.iter().flat_map(|elf| elements.clone().filter_map(|e| self.element(e, opened, elf)));
            Directories::new(elements)
        };
        let runpath = elf.as_ref().and_then(|elf| elf.runpath.as_ref());
        let rpath = match runpath {
            // "DT_RPATH is ignored if DT_RUNPATH exists" (ld.so(8)).
            Some(_) => Rc::default(),
            None => split(elf.as_ref().and_then(|elf| elf.rpath.as_ref())),
        };
        // Of a listed library only the name is known.
        let file_name = opened.rsplit('/').next().map(str::to_owned);
        LoadedObject {
            soname: elf.as_ref().map_or(file_name, |elf| elf.soname.clone()),
            names: BTreeSet::new(),
            has_runpath: runpath.is_some(),
            runpath: split(runpath),
            opened: opened.to_owned(),
            object,
            rpath,
            machine,
            loader: None,
            elf,
        }
    }

    /// The directory that an element of a search path denotes: an empty one is the working directory, and one whose tokens
    /// have no value is dropped.
    fn element(&self, element: &str, opened: &str, elf: &Elf) -> Option<String> {
        let element = self.expand(element, opened, Some(elf.machine))?;
        let element = self.absolute(&element);
        let trimmed = element.trim_end_matches('/');
        Some(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.environment.working_directory) }
    }

    fn expand(&self, path: &str, opened: &str, machine: Option<Machine>) -> Option<String> {
        expand(path, opened, machine.and_then(|machine| self.view.image.loader(machine)))
    }
}

/// One step of a search.
enum Search {
    /// Directories, in order.
    Directories(Rc<Directories>),
    /// A file from the loader's cache.
    File(String),
}

/// The result of opening a candidate for a needed library.
enum Open {
    Found(LoadedObject),
    /// It does not exist, or is skipped.
    NotFound,
    /// Opening it is an error that ends one list of directories.
    SkipList,
    /// It makes the loader stop, for this reason.
    Fatal(String),
}
