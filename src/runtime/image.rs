//! The image: the libraries and commands that a function has without any layer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::formats::elf::{Elf, Machine};
use crate::runtime::capture;
use crate::runtime::sysroot::Sysroot;
use crate::runtime::{LibrarySource, LoaderFacts, RuntimeProfile};

/// How many files of a directory of this machine are looked at.
const MAX_WALKED: usize = 10_000;

/// The result of looking up a path in the image, as the loader sees it.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    /// The path leads to a file.
    Found {
        /// Its path with every link followed; for a listed library, the path as requested.
        path: String,
        /// What the loader reads from it; unknown for a listed library.
        elf: Option<Arc<Elf>>,
    },
    /// The path does not exist.
    NotFound,
    /// The path leads to something that makes the loader stop, for this reason.
    Invalid(String),
}

/// The libraries and commands of a runtime's image, looked up by path.
pub struct Image<'a> {
    profile: &'a RuntimeProfile,
    loaders: Vec<LoaderFacts>,
    /// The root to read, when the profile does not list libraries.
    root: Option<Sysroot>,
    /// The loader cache's paths for each soname, with their flags.
    cache: BTreeMap<String, Vec<(i32, String)>>,
    lookups: Mutex<BTreeMap<String, Lookup>>,
}

impl<'a> Image<'a> {
    /// The image that `profile` describes. With `from = "filesystem"` this machine's own files are read.
    pub fn new(profile: &'a RuntimeProfile) -> Self {
        let root = match profile.libraries.from {
            LibrarySource::Filesystem => Some(Sysroot::new("/")),
            LibrarySource::List => None,
        };
        let loaders = match &root {
            Some(root) => capture::loaders(root, &capture::Processor::of_this_machine()),
            None => profile.loader.clone(),
        };
        let cache = root.as_ref().map(capture::loader_cache).unwrap_or_default();
        Self { profile, loaders, root, cache, lookups: Mutex::default() }
    }

    /// The profile.
    pub fn profile(&self) -> &'a RuntimeProfile {
        self.profile
    }

    /// The loader for a machine; `None` when the image has none.
    pub fn loader(&self, machine: Machine) -> Option<&LoaderFacts> {
        self.loaders.iter().find(|loader| loader.machine == machine.name())
    }

    /// The directories that the loader searches last (ld.so(8)).
    pub fn system_directories(&self, machine: Option<Machine>) -> &[String] {
        let loader = machine.and_then(|machine| self.loader(machine)).or(self.loaders.first());
        loader.map(|loader| loader.directories.as_slice()).unwrap_or_default()
    }

    /// The path that the loader's cache has for a soname (`_dl_load_cache_lookup` in elf/dl-cache.c): that in the best
    /// subdirectory for the processor, or else the first.
    pub(crate) fn cached(&self, name: &str, machine: Machine) -> Option<String> {
        let loader = self.loader(machine)?;
        let flags = capture::cache_flags(machine)?;
        let rank = |path: &str| match path.split_once("/glibc-hwcaps/") {
            // Subdirectories for other processors do not count.
            Some((_, below)) => loader.subdirectories.iter().position(|subdirectory| {
                let wanted = subdirectory.strip_prefix("glibc-hwcaps/");
                wanted.is_some_and(|wanted| below.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/')))
            }),
            None => Some(usize::MAX),
        };
        let found = self.cache.get(name)?.iter().filter(|(of, _)| *of == flags);
        found.filter_map(|(_, path)| Some((rank(path)?, path))).min_by_key(|(rank, _)| *rank).map(|(_, p)| p.clone())
    }

    /// Whether the image has a program interpreter.
    pub fn has_interpreter(&self, path: &str) -> bool {
        self.loaders.iter().any(|loader| loader.interpreter == path) || self.has_file(path)
    }

    /// Whether the image has a directory.
    pub(crate) fn is_directory(&self, path: &str) -> bool {
        match &self.root {
            Some(root) => root.is_directory(path),
            None => self.profile.libraries.has_directory(path),
        }
    }

    /// Whether the image has a command or script at this absolute path.
    pub fn has_command(&self, path: &str) -> bool {
        if self.root.is_some() {
            return self.has_file(path);
        }
        self.profile.commands.has(path)
    }

    /// Whether a path is that of a directory with commands in it, or above one.
    pub(crate) fn has_directory_of_commands(&self, path: &str) -> bool {
        let is_below = |directory: &String| {
            directory.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match &self.root {
            Some(root) => root.is_directory(path),
            None => self.profile.commands.directories.iter().any(is_below),
        }
    }

    /// Whether it is known which commands are in the directory of this path.
    pub(crate) fn knows_commands_beside(&self, path: &str) -> bool {
        let commands = &self.profile.commands;
        let beside =
            path.rsplit_once('/').is_some_and(|(directory, _)| commands.directories.iter().any(|d| d == directory));
        self.root.is_some() || (commands.complete && beside)
    }

    /// Whether the image has a regular file.
    fn has_file(&self, path: &str) -> bool {
        self.root.as_ref().is_some_and(|root| root.is_file(path))
    }

    /// Whether the image has a file that a program opens: data, configuration, a library or a command. `None` when that is
    /// not known.
    pub fn has_data(&self, path: &str) -> Option<bool> {
        let profile = self.profile;
        match &self.root {
            Some(root) => Some(root.is_file(path) || capture::has_locale(root, path)),
            None if profile.files.has(path) || profile.libraries.has(path) || profile.commands.has(path) => Some(true),
            None => profile.files.complete.then_some(false),
        }
    }

    /// Whether the image's C library has the module for a character set; `None` if that is not known.
    pub fn has_charset_module(&self, module: &str) -> Option<bool> {
        let name = format!("{module}.so");
        match &self.root {
            Some(root) => Some(capture::charset_directory(root, &name).is_some()),
            None => self.profile.files.has_charset_module(&name),
        }
    }

    /// The release of the image's C library, such as `2.34`, if that is known.
    pub fn glibc(&self) -> Option<String> {
        match &self.root {
            Some(root) => capture::glibc(root, &self.loaders),
            None => self.profile.glibc().map(str::to_owned),
        }
    }

    /// The files that the image is known to have below a directory, relative to it, sorted.
    pub fn data_below(&self, directory: &str) -> Vec<String> {
        let mut found = match &self.root {
            Some(root) => root.walk(directory, MAX_WALKED),
            None => self.profile.files.below(directory).map(str::to_owned).collect(),
        };
        found.sort();
        found
    }

    /// Whether it is known what the directories of the image have.
    pub fn knows_directories(&self) -> bool {
        self.root.is_some() || self.profile.files.complete
    }

    /// Whether the image has a directory that programs look for data in.
    pub fn has_data_directory(&self, path: &str) -> bool {
        self.is_directory(path)
            || !self.data_below(path).is_empty()
            || self.profile.files.zoneinfo.iter().any(|z| z == path)
    }

    /// What the loader finds at `path`, which is not below `/opt`.
    pub(crate) fn lookup(&self, path: &str, machine: Machine) -> Lookup {
        let Some(root) = &self.root else {
            let interpreter = self.loaders.iter().any(|l| l.interpreter == path && l.machine == machine.name());
            let library = self.profile.libraries.has_for(path, &machine.name());
            let answer = Lookup::Found { path: path.to_owned(), elf: None };
            return if interpreter || library { answer } else { Lookup::NotFound };
        };
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = lookups.get(path) {
            return answer.clone();
        }
        let answer = lookup_in_root(root, path, &lookups);
        if let Lookup::Found { path: real, .. } = &answer {
            lookups.insert(real.clone(), answer.clone());
        }
        lookups.insert(path.to_owned(), answer.clone());
        answer
    }
}

fn lookup_in_root(root: &Sysroot, path: &str, lookups: &BTreeMap<String, Lookup>) -> Lookup {
    let Some(real) = root.canonical(path) else { return Lookup::NotFound };
    if let Some(answer) = lookups.get(&real) {
        return answer.clone();
    }
    if root.is_directory(&real) {
        return Lookup::Invalid("it is a directory".to_owned());
    }
    let Ok(bytes) = root.read(&real) else { return Lookup::NotFound };
    if !bytes.starts_with(b"\x7fELF") {
        return Lookup::Invalid("it is not an ELF file".to_owned());
    }
    match Elf::parse(&bytes) {
        Ok(elf) => Lookup::Found { path: real, elf: Some(Arc::new(elf)) },
        Err(why) => Lookup::Invalid(why),
    }
}
