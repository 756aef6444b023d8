//! What R itself needs at run time, from `rules/r.toml`.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::from_toml;
use crate::error::{Error, Result};

/// What R needs to start and what `library()` needs of a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RNeeds {
    start: Vec<StartPackage>,
    home: Vec<Requirement>,
    package: Vec<Requirement>,
    optional: Vec<Requirement>,
    left_alone: Vec<Requirement>,
    /// The names of R's own packages.
    pub names: StandardPackages,
    #[serde(skip)]
    home_globs: GlobSet,
    #[serde(skip)]
    package_globs: GlobSet,
    #[serde(skip)]
    optional_globs: GlobSet,
    #[serde(skip)]
    left_alone_globs: GlobSet,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "source must be there; people read it in the file")]
struct StartPackage {
    package: String,
    why: String,
    source: String,
}

/// Files that must be there, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// A glob, relative to R's home or to the package.
    #[serde(rename = "match")]
    pub glob: String,
    /// Why they must be there.
    pub why: String,
    /// Where that is known from.
    pub source: String,
}

/// The packages that come with R.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardPackages {
    /// R's base packages.
    pub base: Vec<String>,
    /// The recommended packages.
    pub recommended: Vec<String>,
    /// Where the lists come from.
    pub source: String,
}

impl RNeeds {
    /// The built-in knowledge.
    ///
    /// # Errors
    /// When the built-in file is damaged, which a test rules out.
    pub fn built_in() -> Result<Self> {
        let mut needs: Self = from_toml("rules/r.toml", include_str!("../../rules/r.toml"))?;
        needs.home_globs = globs(&needs.home)?;
        needs.package_globs = globs(&needs.package)?;
        needs.optional_globs = globs(&needs.optional)?;
        needs.left_alone_globs = globs(&needs.left_alone)?;
        Ok(needs)
    }

    /// The packages without which R does not start, or starts with its default session broken.
    pub fn start_packages(&self) -> impl Iterator<Item = &str> {
        self.start.iter().map(|start| start.package.as_str())
    }

    /// What happens without a package that R starts with; `None` for any other.
    pub fn without(&self, package: &str) -> Option<&str> {
        self.start.iter().find(|start| start.package == package).map(|start| start.why.as_str())
    }

    /// Whether a session needs this file; the path is relative to R's home.
    pub fn session_needs(&self, below_home: &[u8]) -> bool {
        self.home_globs.is_match(std::path::Path::new(bytes_as_os(below_home)))
    }

    /// Whether `library()` needs this file; the path is relative to the package's directory.
    pub fn package_needs(&self, below_package: &[u8]) -> bool {
        self.package_globs.is_match(std::path::Path::new(bytes_as_os(below_package)))
    }

    /// Whether a script is on no way to an invocation; the path is relative to R's home.
    pub fn is_left_alone(&self, below_home: &[u8]) -> bool {
        self.left_alone_globs.is_match(std::path::Path::new(bytes_as_os(below_home)))
    }

    /// Whether R loads this library only when something asks for it; the path is relative to R's home.
    pub fn is_optional(&self, below_home: &[u8]) -> bool {
        self.optional_globs.is_match(std::path::Path::new(bytes_as_os(below_home)))
    }
}

fn bytes_as_os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

fn globs(requirements: &[Requirement]) -> Result<GlobSet> {
    let build = || -> std::result::Result<GlobSet, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for requirement in requirements {
            let glob: Glob = GlobBuilder::new(&requirement.glob).literal_separator(true).build()?;
            set.add(glob);
        }
        set.build()
    };
    build().map_err(|error| Error::Data {
        file: "rules/r.toml".to_owned(),
        message: error.to_string(),
        help: "correct the glob".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_library_reads_is_needed_and_documentation_is_not() {
        let needs = RNeeds::built_in().expect("built in");
        for path in ["NAMESPACE", "Meta/package.rds", "Meta/features.rds", "R/stats.rdb", "libs/stats.so"] {
            assert!(needs.package_needs(path.as_bytes()), "{path}");
        }
        for path in ["help/stats.rdb", "html/00Index.html", "doc/a/R/x.R", "INDEX"] {
            assert!(!needs.package_needs(path.as_bytes()), "{path}");
        }
        assert!(needs.is_optional(b"modules/R_X11.so") && !needs.is_optional(b"modules/lapack.so"));
        assert!(needs.is_left_alone(b"bin/Rcmd") && !needs.is_left_alone(b"bin/R"));
        assert!(needs.session_needs(b"etc/Renviron") && !needs.session_needs(b"doc/NEWS"));
        assert!(needs.start_packages().any(|name| name == "compiler"));
    }
}
