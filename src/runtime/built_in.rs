//! The profiles that come with layerfit: of provided runtimes, from `rules/runtimes/*.toml`, and of managed ones, which add to
//! those; and how one is found by its name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;

use super::profile::{LanguageVersion, LibrarySource, RuntimeProfile, VersionBound};
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::base::toml::built_in;

/// The profiles that come with layerfit, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("provided.al2023", include_str!("../../rules/runtimes/provided.al2023.toml")),
    ("provided.al2", include_str!("../../rules/runtimes/provided.al2.toml")),
    ("provided", include_str!("../../rules/runtimes/provided.toml")),
    (RuntimeProfile::HOST, include_str!("../../rules/runtimes/host.toml")),
];

/// Lambda's managed runtimes, which add something to one of the profiles above.
const MANAGED: &str = include_str!("../../rules/runtimes/managed.toml");

/// The managed runtimes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManagedFile {
    runtime: Vec<Managed>,
}

/// What a managed runtime adds to the image of a provided one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Managed {
    name: String,
    what: String,
    checked: String,
    support: String,
    base: String,
    language: LanguageVersion,
    #[serde(default)]
    packages: BTreeMap<String, String>,
    sonames: Vec<String>,
    /// Those that only the image for one machine has, by that.
    #[serde(default)]
    sonames_only_for: BTreeMap<String, Vec<String>>,
    commands: Vec<String>,
    source: String,
    #[serde(default)]
    versions: Vec<VersionBound>,
}

impl Managed {
    fn all() -> &'static [Managed] {
        static ALL: LazyLock<Vec<Managed>> =
            LazyLock::new(|| built_in::<ManagedFile>("rules/runtimes/managed.toml", MANAGED).runtime);
        &ALL
    }

    fn profile(&self) -> Result<RuntimeProfile> {
        let mut profile = RuntimeProfile::load(&self.base)?;
        let with = |source: &str| format!("{source}; {}", self.source);
        profile.name.clone_from(&self.name);
        profile.what.clone_from(&self.what);
        profile.checked.clone_from(&self.checked);
        profile.support.clone_from(&self.support);
        profile.language = Some(LanguageVersion { packages: self.packages.clone(), ..self.language.clone() });
        let sonames = self.sonames.iter().cloned().collect();
        profile.libraries.only_in.insert(LANGUAGE_LIBRARIES.to_owned(), sonames);
        for (machine, sonames) in &self.sonames_only_for {
            let paths = sonames.iter().map(|soname| format!("{LANGUAGE_LIBRARIES}/{soname}"));
            profile.libraries.only_for.entry(machine.clone()).or_default().extend(paths);
        }
        profile.libraries.uncertain.retain(|soname| !self.sonames.contains(soname));
        profile.libraries.source = with(&profile.libraries.source);
        profile.commands.directories.insert(0, LANGUAGE_COMMANDS.to_owned());
        profile.commands.names.extend(self.commands.iter().cloned());
        profile.commands.source = with(&profile.commands.source);
        let is_replaced = |bound: &VersionBound| {
            self.versions.iter().any(|own| own.soname == bound.soname && own.prefix == bound.prefix)
        };
        profile.versions.retain(|bound| !is_replaced(bound));
        profile.versions.extend(self.versions.iter().cloned());
        Ok(profile)
    }
}

/// Where a managed runtime has its libraries, and its commands.
const LANGUAGE_LIBRARIES: &str = "/var/lang/lib";
const LANGUAGE_COMMANDS: &str = "/var/lang/bin";

impl RuntimeProfile {
    /// The name of the profile of this machine, which no function runs in.
    pub const HOST: &str = "host";

    /// The names of the built-in profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).chain(Managed::all().iter().map(|managed| managed.name.as_str()))
    }

    /// The names of Lambda's managed runtimes for a language, by its identifier.
    pub fn of_language(id: &str) -> impl Iterator<Item = &'static str> {
        Managed::all().iter().filter(move |managed| managed.language.id == id).map(|managed| managed.name.as_str())
    }

    /// Whether a profile of this name comes with layerfit.
    pub fn is_built_in(name: &str) -> bool {
        Self::names().any(|built_in| built_in == name)
    }

    /// Whether Lambda has a runtime of this name that layerfit has a profile of.
    pub fn is_lambda(name: &str) -> bool {
        name != Self::HOST && Self::is_built_in(name)
    }

    /// The provided runtime whose system the image of a runtime has: its own name for a provided one, `None` for a runtime of which
    /// layerfit has no profile.
    pub fn base_of(name: &str) -> Option<&str> {
        let managed = Managed::all().iter().find(|managed| managed.name == name);
        managed.map(|managed| managed.base.as_str()).or_else(|| Self::is_lambda(name).then_some(name))
    }

    /// The names of the built-in images that satisfy `fits` and that new functions can use, without the one called `except`.
    pub fn others(except: &str, fits: impl Fn(&Self) -> bool) -> Vec<&'static str> {
        static LISTED: OnceLock<Vec<RuntimeProfile>> = OnceLock::new();
        let listed = LISTED.get_or_init(|| {
            let profiles = BUILT_IN.iter().filter_map(|(name, _)| Self::load(name).ok());
            profiles.filter(|profile| profile.libraries.from == LibrarySource::List && !profile.closed).collect()
        });
        let others = listed.iter().filter(|profile| profile.name != except);
        others.filter(|profile| fits(profile)).map(|profile| profile.name.as_str()).collect()
    }

    /// The built-in profile called `name`, or the one in the file at that path.
    ///
    /// # Errors
    /// When there is neither, or the file is not a profile.
    pub fn load(name: &str) -> Result<Self> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(&format!("rules/runtimes/{name}.toml"), text);
        }
        if let Some(managed) = Managed::all().iter().find(|managed| managed.name == name) {
            return managed.profile();
        }
        let path = Path::new(name);
        if path.is_file() {
            let text = read::text(path, read::MAX_TEXT)?;
            return Self::parse(name, &text);
        }
        let names: Vec<&str> = Self::names().collect();
        Err(Error::Usage {
            message: format!("--runtime {name}: no built-in runtime and no file has this name"),
            help: format!("name one of {}, or the path of a profile", names.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl RuntimeProfile {
        fn highest_of(&self, soname: &str, prefix: &str) -> Vec<&str> {
            let bounds = self.versions.iter().filter(|bound| bound.soname == soname && bound.prefix == prefix);
            bounds.map(|bound| bound.max.as_str()).collect()
        }
    }

    #[test]
    fn every_built_in_profile_is_read_and_is_what_its_file_is_called() {
        for name in RuntimeProfile::names() {
            let profile = RuntimeProfile::load(name).expect(name);
            assert_eq!(profile.name, name);
            assert!(!profile.environment.ld_library_path.is_empty());
            match profile.libraries.from {
                LibrarySource::List => assert!(profile.libraries.sonames.contains("libc.so.6"), "{name}"),
                LibrarySource::Filesystem => assert!(profile.libraries.sonames.is_empty(), "{name}"),
            }
            assert!(profile.libraries.uncertain.is_subset(&profile.libraries.sonames), "{name}");
        }
    }

    #[test]
    fn what_every_lambda_image_lacks_is_in_no_profile() {
        for name in RuntimeProfile::names() {
            let profile = RuntimeProfile::load(name).expect(name);
            for soname in ["libtirpc.so.3", "libgfortran.so.5", "libquadmath.so.0"] {
                assert!(!profile.libraries.sonames.contains(soname), "{name}: {soname}");
            }
        }
    }

    #[test]
    fn a_managed_runtime_has_what_its_image_and_its_language_have() {
        let python = RuntimeProfile::load("python3.12").expect("built in");
        assert_eq!(python.python_minor(), Some(12));
        assert!(python.libraries.has("/var/lang/lib/libpython3.12.so.1.0") && python.libraries.has("/lib64/libz.so.1"));
        assert!(python.commands.has("/var/lang/bin/python3"));
        let old = "/var/lang/lib/libcrypt.so.1";
        assert!(python.libraries.has_for(old, "x86-64") && !python.libraries.has_for(old, "aarch64"));
        let node = RuntimeProfile::load("nodejs24.x").expect("built in");
        assert_eq!(node.highest_of("libstdc++.so.6", "GLIBCXX"), ["3.4.32"]);
    }

    #[test]
    fn an_unknown_runtime_names_those_there_are() {
        let error = RuntimeProfile::load("python2.7").expect_err("unknown").to_string();
        assert!(error.contains("provided.al2023"), "{error}");
    }
}
