//! The image: the libraries that are there before any layer is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::formats::elf::{Elf, Machine};
use crate::rules::{LibrarySource, RuntimeProfile};

/// A library of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLibrary {
    /// Its path with every link followed; for a listed library, the path as asked for.
    pub path: String,
    /// What the loader reads of it; unknown for a listed library.
    pub elf: Option<Elf>,
}

/// What the image answers when asked for a path.
pub(super) enum Answer {
    /// The library is there.
    There(ImageLibrary),
    /// Nothing is there, or something the loader passes over.
    NotThere,
    /// Something is there that makes the loader stop.
    Damaged(String),
}

/// The libraries of a runtime's image, asked for by path.
pub struct Image<'a> {
    profile: &'a RuntimeProfile,
    directories: Vec<String>,
    read: Mutex<BTreeMap<PathBuf, Option<Result<Elf, String>>>>,
}

impl<'a> Image<'a> {
    /// The image that `profile` describes. With `from = "filesystem"` this machine's own directories are read as asked.
    pub fn new(profile: &'a RuntimeProfile) -> Self {
        let mut directories = Vec::new();
        if profile.libraries.from == LibrarySource::Filesystem {
            configured_directories(Path::new("/etc/ld.so.conf"), &mut directories, 0);
        }
        for directory in &profile.libraries.directories {
            if !directories.contains(directory) {
                directories.push(directory.clone());
            }
        }
        Self { profile, directories, read: Mutex::default() }
    }

    /// The profile.
    pub fn profile(&self) -> &'a RuntimeProfile {
        self.profile
    }

    /// The directories the loader searches last (ld.so(8)): those of its configuration, then the default ones.
    pub fn default_directories(&self) -> &[String] {
        &self.directories
    }

    /// Whether a program interpreter is there.
    pub fn has_interpreter(&self, path: &str) -> bool {
        match self.profile.libraries.from {
            LibrarySource::List => self.profile.libraries.interpreters.iter().any(|there| there == path),
            LibrarySource::Filesystem => Path::new(path).is_file(),
        }
    }

    /// What the loader finds at `path`, which is not below `/opt`.
    pub(super) fn ask(&self, path: &str, machine: Machine) -> Answer {
        match self.profile.libraries.from {
            LibrarySource::List => {
                let Some((directory, name)) = path.rsplit_once('/') else { return Answer::NotThere };
                let known = self.directories.iter().any(|known| known == directory);
                if known && self.profile.libraries.sonames.contains(name) {
                    Answer::There(ImageLibrary { path: path.to_owned(), elf: None })
                } else {
                    Answer::NotThere
                }
            }
            LibrarySource::Filesystem => self.ask_filesystem(path, machine),
        }
    }

    fn ask_filesystem(&self, path: &str, machine: Machine) -> Answer {
        let Ok(real) = std::fs::canonicalize(path) else { return Answer::NotThere };
        let mut read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let elf = read.entry(real.clone()).or_insert_with(|| {
            let bytes = if real.is_file() { std::fs::read(&real).ok()? } else { return None };
            Some(if bytes.starts_with(b"\x7fELF") { Elf::parse(&bytes) } else { Err("it is no ELF file".to_owned()) })
        });
        match elf {
            None => Answer::NotThere,
            Some(Ok(elf)) if elf.machine != machine => Answer::NotThere,
            Some(Ok(elf)) => {
                Answer::There(ImageLibrary { path: real.to_string_lossy().into_owned(), elf: Some(elf.clone()) })
            }
            Some(Err(why)) => Answer::Damaged(why.clone()),
        }
    }
}

/// The directories that an ld.so.conf names, with the files it includes (ldconfig(8)).
fn configured_directories(file: &Path, found: &mut Vec<String>, depth: u32) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    if depth > 8 {
        return;
    }
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(pattern) = line.strip_prefix("include").map(str::trim) {
            let pattern = Path::new("/etc").join(pattern);
            let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|n| n.to_str())) else {
                continue;
            };
            let Ok(glob) = globset::Glob::new(name) else { continue };
            let glob = glob.compile_matcher();
            let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| path.file_name().is_some_and(|name| glob.is_match(name)))
                .collect();
            files.sort();
            for file in files {
                configured_directories(&file, found, depth + 1);
            }
        } else if line.starts_with('/') && !found.iter().any(|known| known == line) {
            found.push(line.trim_end_matches('/').to_owned());
        }
    }
}
