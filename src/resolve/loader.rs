//! The dynamic loader: which file a needed library is, for the process that loads it.
//!
//! Follows glibc's `_dl_map_object` and `_dl_map_object_deps` (elf/dl-load.c, elf/dl-deps.c; ld.so(8)): breadth first; a
//! name that some loaded object already answers to is that object; then DT_RPATH of the object that needs it and of those
//! that loaded it (unless it has DT_RUNPATH), LD_LIBRARY_PATH, DT_RUNPATH, and the default directories. A library of
//! another class or machine is passed over; a file that is no ELF file stops the loader.

use std::collections::BTreeSet;

use super::image::{Answer, Image};
use crate::facts::Facts;
use crate::formats::elf::{Elf, Machine, Type};
use crate::path::TreePath;
use crate::scan::{EntryId, Place, Tree};

/// A loaded object: a file of the tree, or a library of the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// In the tree.
    Tree(EntryId),
    /// In the image, at this path.
    Image(String),
}

/// What became of one needed library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The loader takes this object, opened under this path.
    Found {
        /// The object.
        object: Object,
        /// The path it was opened by, links not followed.
        opened: String,
    },
    /// The loader finds none.
    Missing {
        /// The directories it looked in, in order.
        searched: Vec<String>,
        /// What made it stop before the end, if anything did.
        stopped: Option<String>,
    },
}

/// One needed library of one object, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The object that needs it.
    pub from: Object,
    /// The name as in DT_NEEDED.
    pub soname: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the loader sees: the tree at `/opt`, and the image around it.
pub struct View<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// What its ELF files say.
    pub facts: &'a Facts,
    /// The image.
    pub image: &'a Image<'a>,
}

/// A process: what it has loaded so far, in load order.
#[derive(Clone)]
pub struct Process<'a> {
    view: &'a View<'a>,
    library_path: Vec<String>,
    loaded: Vec<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    object: Object,
    /// The path it was opened by.
    opened: String,
    /// Names that were asked for and answered by it.
    names: BTreeSet<String>,
    soname: Option<String>,
    needed: Vec<String>,
    rpath: Vec<String>,
    runpath: Option<Vec<String>>,
    nodeflib: bool,
    machine: Option<Machine>,
    /// Who loaded it: the way up along which RPATH is inherited.
    loader: Option<usize>,
}

impl<'a> Process<'a> {
    /// A process with this LD_LIBRARY_PATH that has loaded nothing yet.
    pub fn new(view: &'a View<'a>, library_path: Vec<String>) -> Self {
        Self { view, library_path, loaded: Vec::new() }
    }

    /// Starts the program, or treats a library as one, and loads what it needs, breadth first.
    ///
    /// Gives every needed library of every object loaded, in load order.
    pub fn start(&mut self, program: EntryId) -> Vec<Edge> {
        self.open_root(program, None)
    }

    /// Loads a library into the running process as `dlopen()` called by the object `caller` would.
    pub fn dlopen(&mut self, library: EntryId, caller: Option<EntryId>) -> Vec<Edge> {
        let caller = caller.and_then(|id| self.loaded.iter().position(|l| l.object == Object::Tree(id)));
        self.open_root(library, caller.or(if self.loaded.is_empty() { None } else { Some(0) }))
    }

    fn open_root(&mut self, id: EntryId, loader: Option<usize>) -> Vec<Edge> {
        if self.loaded.iter().any(|l| l.object == Object::Tree(id)) {
            return Vec::new();
        }
        let Some(elf) = self.view.facts.elf.get(&id) else { return Vec::new() };
        let opened = self.view.tree.path(id).mounted();
        let loaded = Loaded::new(Object::Tree(id), opened, Some(elf), loader);
        self.loaded.push(loaded);
        self.load_needed(self.loaded.len() - 1)
    }

    fn load_needed(&mut self, first: usize) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut next = first;
        while next < self.loaded.len() {
            for soname in self.loaded[next].needed.clone() {
                let outcome = self.map(&soname, next);
                edges.push(Edge { from: self.loaded[next].object.clone(), soname, outcome });
            }
            next += 1;
        }
        edges
    }

    /// Finds the object for a needed name, and adds it to the process when it is new.
    fn map(&mut self, name: &str, needed_by: usize) -> Outcome {
        let answers = |l: &Loaded| l.names.contains(name) || l.opened == name || l.soname.as_deref() == Some(name);
        if let Some(loaded) = self.loaded.iter_mut().find(|l| answers(l)) {
            loaded.names.insert(name.to_owned());
            return Outcome::Found { object: loaded.object.clone(), opened: loaded.opened.clone() };
        }
        let machine = self.loaded[needed_by].machine;
        let mut searched = Vec::new();
        if name.contains('/') {
            let path = self.expand(name, needed_by);
            return match self.open(&path, machine) {
                Opened::Found(loaded) => self.add(loaded, name, needed_by),
                Opened::NotThere => Outcome::Missing { searched: vec![path], stopped: None },
                Opened::Stop(why) => Outcome::Missing { searched, stopped: Some(why) },
            };
        }
        for directory in self.search_path(needed_by) {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            match self.open(&path, machine) {
                Opened::Found(loaded) => return self.add(loaded, name, needed_by),
                Opened::NotThere => searched.push(directory),
                Opened::Stop(why) => return Outcome::Missing { searched, stopped: Some(why) },
            }
        }
        Outcome::Missing { searched, stopped: None }
    }

    fn add(&mut self, mut new: Loaded, name: &str, needed_by: usize) -> Outcome {
        // One file under two names is one object: the loader compares device and inode.
        if let Some(loaded) = self.loaded.iter_mut().find(|l| l.object == new.object) {
            loaded.names.insert(name.to_owned());
            return Outcome::Found { object: loaded.object.clone(), opened: loaded.opened.clone() };
        }
        new.loader = Some(needed_by);
        new.names.insert(name.to_owned());
        let outcome = Outcome::Found { object: new.object.clone(), opened: new.opened.clone() };
        self.loaded.push(new);
        outcome
    }

    /// The directories to search for what the object `of` needs, in order, each once.
    fn search_path(&self, of: usize) -> Vec<String> {
        let mut directories = Vec::new();
        if self.loaded[of].runpath.is_none() {
            let mut up = Some(of);
            while let Some(object) = up {
                directories.extend(self.loaded[object].rpath.iter().cloned());
                up = self.loaded[object].loader;
            }
            // The program's own RPATH counts for everything in its process.
            if let Some(program) = self.loaded.first() {
                directories.extend(program.rpath.iter().cloned());
            }
        }
        let at = |path: &str| self.expand(path, of);
        directories.extend(self.library_path.iter().map(|path| at(path)));
        directories.extend(self.loaded[of].runpath.iter().flatten().cloned());
        if !self.loaded[of].nodeflib {
            directories.extend(self.view.image.default_directories().iter().cloned());
        }
        let mut seen = BTreeSet::new();
        directories.retain(|directory| !directory.is_empty() && seen.insert(directory.clone()));
        directories
    }

    fn expand(&self, path: &str, of: usize) -> String {
        expand(path, &self.loaded[of].opened, self.loaded[of].machine)
    }

    fn open(&self, path: &str, machine: Option<Machine>) -> Opened {
        let place = match TreePath::from_mounted(path.as_bytes()) {
            Some(_) => self.view.tree.locate(path.as_bytes()),
            None => Place::Outside(path.as_bytes().to_vec()),
        };
        match place {
            Place::Inside(id) if !self.view.tree.entry(id).is_file() => Opened::NotThere,
            Place::Inside(id) => match self.view.facts.elf.get(&id) {
                Some(elf) if machine.is_some_and(|machine| machine != elf.machine) => Opened::NotThere,
                Some(elf) if elf.kind == Type::Shared => {
                    Opened::Found(Loaded::new(Object::Tree(id), path.to_owned(), Some(elf), None))
                }
                Some(_) => Opened::Stop(format!("{path} is no shared library")),
                None => Opened::Stop(format!("{path} is no ELF file, or a damaged one")),
            },
            Place::Outside(outside) => {
                let Some(machine) = machine else { return Opened::NotThere };
                match self.view.image.ask(&String::from_utf8_lossy(&outside), machine) {
                    Answer::There(library) => {
                        let object = Object::Image(library.path);
                        Opened::Found(Loaded::new(object, path.to_owned(), library.elf.as_ref(), None))
                    }
                    Answer::NotThere => Opened::NotThere,
                    Answer::Damaged(why) => Opened::Stop(format!("{path}: {why}")),
                }
            }
            Place::Root | Place::Nowhere | Place::Loop => Opened::NotThere,
        }
    }
}

enum Opened {
    Found(Loaded),
    NotThere,
    Stop(String),
}

impl Loaded {
    fn new(object: Object, opened: String, elf: Option<&Elf>, loader: Option<usize>) -> Self {
        let machine = elf.map(|elf| elf.machine);
        let split =
            |path: &str| -> Vec<String> { path.split(':').map(|part| expand(part, &opened, machine)).collect() };
        let runpath = elf.and_then(|elf| elf.runpath.as_deref()).map(split);
        let rpath = match &runpath {
            // "DT_RPATH is ignored if DT_RUNPATH exists" (ld.so(8)).
            Some(_) => Vec::new(),
            None => elf.and_then(|elf| elf.rpath.as_deref()).map(split).unwrap_or_default(),
        };
        // A listed library's own name is all that is known of it.
        let file_name = opened.rsplit('/').next().map(str::to_owned);
        Self {
            soname: elf.map_or(file_name, |elf| elf.soname.clone()),
            needed: elf.map(|elf| elf.needed.clone()).unwrap_or_default(),
            nodeflib: elf.is_some_and(|elf| elf.nodeflib),
            names: BTreeSet::new(),
            object,
            opened,
            rpath,
            runpath,
            machine,
            loader,
        }
    }
}

/// Puts in what `$ORIGIN`, `$LIB` and `$PLATFORM` stand for (ld.so(8), dynamic string tokens).
fn expand(path: &str, opened: &str, machine: Option<Machine>) -> String {
    if !path.contains('$') {
        return path.to_owned();
    }
    let origin = opened.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut path = path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
    if let Some(machine) = machine {
        path = path.replace("${LIB}", machine.lib_directory()).replace("$LIB", machine.lib_directory());
        path = path.replace("${PLATFORM}", machine.platform()).replace("$PLATFORM", machine.platform());
    }
    path
}
