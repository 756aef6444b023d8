//! The program that a function's sandbox starts: a bootstrap, as in Lambda's provided runtimes, or, as in its managed ones, an
//! interpreter with a runtime client: the image's own where `--rootfs` has one, and otherwise layerfit's.
//!
//! An interpreter of this machine that is not in a directory of the system (pyenv, uv, nvm …) is bound to `/var/lang`, where Lambda
//! has its own. Packages that are installed for it are hidden: Lambda does not have them.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use super::mounts::is_of_the_system;
use crate::base::error::{Error, Result};
use crate::base::list::with_last;
use crate::languages::{ALL, Interpreter, Language, ManagedRuntime};
use crate::runtime::sysroot::Sysroot;
use crate::runtime::{LanguageVersion, RuntimeProfile};

/// Where Lambda has its interpreters, and its runtime clients.
const LANG: &str = "/var/lang";
const RUNTIME: &str = "/var/runtime";

/// Where an image that is not Lambda's has its interpreter.
const PROGRAMS: &[&str] = &["/var/lang/bin", "/usr/local/bin", "/usr/bin", "/bin"];

/// How the function is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// The program and its arguments; a bootstrap is searched for when there are none.
    pub command: Vec<String>,
    /// Paths of this machine, and where they are in the sandbox.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Directories of the sandbox that are empty.
    pub hidden: Vec<PathBuf>,
    /// The runtime client: its path and content.
    pub client: Option<(PathBuf, String)>,
    /// Variables that the runtime sets.
    pub variables: BTreeMap<String, String>,
}

impl Program {
    /// The program for a function of this runtime, in the system at `rootfs` or of this machine; `variables` are the function's.
    ///
    /// # Errors
    /// When there is no interpreter of the runtime's version.
    pub(super) fn find(
        profile: &RuntimeProfile,
        rootfs: Option<&Path>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let Some((language, runtime, version)) = managed(profile) else { return Ok(Self::default()) };
        let mut program = match rootfs {
            Some(rootfs) => of_an_image(&Sysroot::new(rootfs), runtime, &version.version)
                .ok_or_else(|| missing_in_image(language, profile, version))?,
            None => of_this_machine(language, runtime, profile, version, variables)?,
        };
        program.variables =
            (runtime.variables)(&version.version).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let name = format!("AWS_Lambda_{}", (runtime.name)(&version.version));
        program.variables.insert("AWS_EXECUTION_ENV".to_owned(), name);
        Ok(program)
    }

    /// Makes it run the client with an interpreter that has these options.
    fn with_client(mut self, interpreter: String, options: Vec<String>, runtime: &ManagedRuntime) -> Self {
        let (name, text) = runtime.client;
        let path = Path::new(RUNTIME).join(name);
        self.command = vec![interpreter];
        self.command.extend(options);
        self.command.push(path.display().to_string());
        self.client = Some((path, text.to_owned()));
        self
    }
}

/// The language of a managed runtime.
fn managed(profile: &RuntimeProfile) -> Option<(&'static dyn Language, &'static ManagedRuntime, &LanguageVersion)> {
    let version = profile.language.as_ref()?;
    let language = *ALL.iter().find(|language| language.id().as_str() == version.id)?;
    Some((language, language.managed()?, version))
}

/// The managed runtimes that run a function whose source is in the directory of its code, by the source's name.
pub(super) fn runtimes_for(code: &Path, handler: &str) -> Vec<String> {
    let module = handler.split('.').next().unwrap_or_default();
    let path = code.join(module);
    // The handler is not yet known to be a path in the code.
    if Path::new(module).components().any(|part| !matches!(part, Component::Normal(_))) {
        return Vec::new();
    }
    let Some((directory, stem)) = path.parent().zip(path.file_name()) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let sources: Vec<String> = names.filter(|name| Path::new(name).file_stem() == Some(stem)).collect();
    let languages = ALL.iter().filter(|language| {
        language.managed().is_some() && sources.iter().any(|source| language.is_source_name(source))
    });
    languages.flat_map(|language| RuntimeProfile::of_language(language.id().as_str())).map(str::to_owned).collect()
}

/// What to do about a package that the function did not find, if Lambda's image has it and the system around the layers does not.
pub(super) fn only_in_the_image(profile: &RuntimeProfile, program: &Program, log: &[u8]) -> Option<String> {
    let packages = &profile.language.as_ref().filter(|_| program.client.is_some())?.packages;
    let log = String::from_utf8_lossy(log);
    // Both languages name what they did not find in quotes: "No module named 'boto3'", "Cannot find module '@aws-sdk/client-s3'".
    let names = MISSING.iter().flat_map(|words| log.match_indices(words)).filter_map(|(at, words)| {
        let rest = log[at + words.len()..].strip_prefix('\'')?;
        rest.split('\'').next()
    });
    let of = |name: &str| {
        let in_scope = packages.keys().any(|package| package.ends_with('/') && name.starts_with(package.as_str()));
        in_scope || packages.contains_key(name.split('.').next().unwrap_or(name))
    };
    let name = names.into_iter().find(|name| of(name))?;
    Some(format!(
        "Lambda's image of {} has {name}, and this system does not: use that image with --rootfs, or put {name} into the code",
        profile.name
    ))
}

/// How messages about what was not found begin.
const MISSING: &[&str] = &["No module named ", "Cannot find module ", "Cannot find package "];

/// The program in an image: its own client, which Lambda's images have, or its interpreter.
fn of_an_image(image: &Sysroot, runtime: &ManagedRuntime, version: &str) -> Option<Program> {
    let own = format!("{RUNTIME}/bootstrap");
    if image.is_file(&own) {
        return Some(Program { command: vec![own], ..Program::default() });
    }
    let programs = (runtime.programs)(version);
    let mut paths = programs.iter().flat_map(|name| PROGRAMS.iter().map(move |place| format!("{place}/{name}")));
    // The client compares the version.
    Some(Program::default().with_client(paths.find(|path| image.is_file(path))?, Vec::new(), runtime))
}

fn missing_in_image(language: &dyn Language, profile: &RuntimeProfile, version: &LanguageVersion) -> Error {
    let name = language.name();
    Error::Usage {
        message: format!("--runtime {}: --rootfs has no {name} in {}", profile.name, with_last(PROGRAMS, "or")),
        help: format!("use an image with {name} {}, or leave --rootfs out to use this machine's", version.version),
    }
}

/// The program on this machine: the first interpreter in PATH that has the version.
fn of_this_machine(
    language: &dyn Language,
    runtime: &ManagedRuntime,
    profile: &RuntimeProfile,
    version: &LanguageVersion,
    variables: &BTreeMap<String, String>,
) -> Result<Program> {
    let mut others: BTreeMap<String, PathBuf> = BTreeMap::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // An element that is not absolute depends on the working directory, which can be anyone's.
    let directories: Vec<PathBuf> = std::env::split_paths(&path).filter(|path| path.is_absolute()).collect();
    for name in (runtime.programs)(&version.version) {
        for candidate in directories.iter().map(|directory| directory.join(&name)).filter(|path| path.is_file()) {
            // A shim that does not run here stands for versions that are installed beside it.
            let found = described(&candidate, runtime).map(|found| (candidate.clone(), found));
            let behind = || {
                let programs = behind_shim(&candidate).into_iter();
                programs.filter_map(|program| described(&program, runtime).map(|found| (program, found))).collect()
            };
            for (program, found) in found.map_or_else(behind, |found| vec![found]) {
                if found.version == version.version {
                    return Ok(placed(found, runtime, variables));
                }
                others.entry(found.version).or_insert(program);
            }
        }
    }
    let name = language.name();
    let mut message = format!("--runtime {}: this machine has no {name} {} in PATH", profile.name, version.version);
    let mut help = (runtime.install)(&version.version);
    help += "; or use an image that has it, such as Lambda's, with --rootfs (`docker save` writes one to a file)";
    let names: Vec<String> = others.keys().map(|version| (runtime.name)(version)).collect();
    if !others.is_empty() {
        let found: Vec<String> =
            others.iter().map(|(version, path)| format!("{version} ({})", path.display())).collect();
        message += &format!(", only {}", with_last(&found, "and"));
    }
    if let Some(other) = names.iter().find(|name| RuntimeProfile::is_built_in(name)) {
        help += &format!("; or try --runtime {other}, if the layers are for that as well");
    }
    Err(Error::Usage { message, help })
}

/// The programs that a shim of pyenv or nodenv stands for, the newest first: `versions/3.13.0/bin/python3.13` beside
/// `shims/python3.13`. The shim itself runs the one that is set for the directory, and otherwise none.
fn behind_shim(shim: &Path) -> Vec<PathBuf> {
    let (Some(name), Some(directory)) =
        (shim.file_name(), shim.parent().filter(|directory| directory.ends_with("shims")))
    else {
        return Vec::new();
    };
    let versions = directory.with_file_name("versions");
    let entries = std::fs::read_dir(versions).into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin").join(name)).collect();
    programs.retain(|program| program.is_file());
    programs.sort();
    programs.reverse();
    programs
}

/// What an interpreter says of itself; `None` if it does not run.
fn described(program: &Path, runtime: &ManagedRuntime) -> Option<Interpreter> {
    let mut command = Command::new(program);
    command.args(runtime.describe).stdin(Stdio::null()).stderr(Stdio::null());
    if let Some(name) = runtime.options_variable {
        command.env_remove(name);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    serde_json::from_slice(&output.stdout).ok()
}

/// An interpreter where it is, or in /var/lang when the sandbox would not have it.
fn placed(found: Interpreter, runtime: &ManagedRuntime, variables: &BTreeMap<String, String>) -> Program {
    let prefix = Path::new(&found.prefix);
    let mut options = found.options;
    if let Some(set) = runtime.options_variable.and_then(|name| variables.get(name)) {
        // What the function sets is not set otherwise.
        options.retain(|option| !set.contains(option.trim_start_matches("--no-")));
    }
    let mut program = Program::default();
    let mut at = prefix.to_owned();
    if !is_of_the_system(prefix) {
        at = PathBuf::from(LANG);
        let parts = found
            .parts
            .iter()
            .filter(|(name, _)| Path::new(name).components().all(|part| matches!(part, Component::Normal(_))));
        program.mounts = parts.map(|(name, path)| (PathBuf::from(path), at.join(name))).collect();
    }
    let inside = |path: &String| match Path::new(path).strip_prefix(prefix) {
        Ok(below) => at.join(below),
        Err(_) => PathBuf::from(path),
    };
    program.hidden = found.hidden.iter().map(inside).filter(|path| path.is_absolute()).collect();
    program.with_client(at.join(&found.program).display().to_string(), options, runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_stands_for_the_versions_beside_it() {
        let home = tempfile::tempdir().expect("a directory");
        let make = |path: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(&path, "").expect("written");
            path
        };
        let shim = make("shims/python3.13");
        let (old, new) = (make("versions/3.13.0/bin/python3.13"), make("versions/3.13.1/bin/python3.13"));
        make("versions/3.11.2/bin/python3.11");
        assert_eq!(behind_shim(&shim), [new, old]);
        assert!(behind_shim(&make("bin/python3.13")).is_empty());
    }
}
