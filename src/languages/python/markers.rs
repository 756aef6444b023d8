//! What distributions require: the lines `Requires-Dist` of their METADATA (PEP 508). Markers are evaluated in every environment
//! that a function can have: CPython on Lambda's Linux, of the image's version or of any, on either machine.

use std::collections::BTreeSet;
use std::str::FromStr;

use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VersionOrUrl};

use super::names::{Minor, normalized};

/// The longest line that is read, in bytes, and the most extras in it: the work that a marker takes grows with them.
const MAX_LINE: usize = 600;
const MAX_EXTRAS: usize = 8;

/// The versions of CPython that Lambda has, for an image of which it is not known.
const MINORS: std::ops::RangeInclusive<Minor> = 9..=14;

/// Releases of a version of which only the beginning is known: the first, and one after all that there are.
const RELEASES: [u32; 2] = [0, 99];

/// The machines of Lambda.
const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

/// The environments that a function can have.
pub(super) struct Environments(Vec<MarkerEnvironment>);

impl Environments {
    /// Those with this version of CPython, or with any.
    pub(super) fn new(minor: Option<Minor>) -> Self {
        let minors: Vec<Minor> = minor.map_or_else(|| MINORS.collect(), |minor| vec![minor]);
        let releases = minors.iter().flat_map(|minor| RELEASES.map(|release| (minor, release)));
        let all = releases.flat_map(|(minor, release)| MACHINES.map(|machine| (minor, release, machine)));
        Self(all.filter_map(|(minor, release, machine)| environment(*minor, release, machine)).collect())
    }
}

fn environment(minor: Minor, release: u32, machine: &str) -> Option<MarkerEnvironment> {
    let (version, full) = (format!("3.{minor}"), format!("3.{minor}.{release}"));
    let builder = MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: &full,
        python_version: &version,
        sys_platform: "linux",
    };
    MarkerEnvironment::try_from(builder).ok()
}

/// Whether something is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// In every environment.
    Always,
    /// In some, or where that is not known.
    Perhaps,
    /// In none.
    Never,
}

/// What a line requires.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// The normalized name of the distribution.
    pub(super) name: String,
    /// What it requires of it: `None` for a line that is not read.
    requirement: Option<Requirement>,
}

impl Declared {
    /// What a line requires; `None` when it begins with no name.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let is_short = line.len() <= MAX_LINE && line.matches("extra").count() <= MAX_EXTRAS;
        let requirement = is_short.then(|| Requirement::from_str(line).ok()).flatten();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = normalized(&line[..line.find(|c| !is_name(c)).unwrap_or(line.len())]);
        (!name.is_empty()).then_some(Self { name, requirement })
    }

    /// Whether it is required with these extras.
    pub(super) fn holds(&self, environments: &Environments, extras: &[ExtraName]) -> Holds {
        let Some(requirement) = &self.requirement else { return Holds::Perhaps };
        let all = environments.0.iter().map(|environment| requirement.evaluate_markers(environment, extras));
        let found: BTreeSet<bool> = all.collect();
        match (found.contains(&true), found.contains(&false)) {
            (true, false) => Holds::Always,
            (false, _) => Holds::Never,
            (true, true) => Holds::Perhaps,
        }
    }

    /// The extras of the distribution that it requires.
    pub(super) fn extras(&self) -> &[ExtraName] {
        self.requirement.as_ref().map_or(&[], |requirement| &requirement.extras)
    }

    /// The versions that it accepts, if not all.
    pub(super) fn constraint(&self) -> Option<String> {
        match self.requirement.as_ref()?.version_or_url.as_ref()? {
            VersionOrUrl::VersionSpecifier(versions) => {
                Some(versions.to_string()).filter(|versions| !versions.is_empty())
            }
            VersionOrUrl::Url(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(line: &str, minor: Option<Minor>, extras: &[&str]) -> Holds {
        let extras: Vec<ExtraName> = extras.iter().filter_map(|extra| extra.parse().ok()).collect();
        Declared::parse(line).expect("a name").holds(&Environments::new(minor), &extras)
    }

    #[test]
    fn a_marker_is_evaluated_in_every_environment() {
        for (line, expected) in [
            ("numpy>=1.26.0", Holds::Always),
            ("a; sys_platform == \"win32\"", Holds::Never),
            ("a; extra == 'test'", Holds::Never),
            ("a; python_version < '3.9' and extra == 'test'", Holds::Never),
            ("a; python_version < '3.9'", Holds::Never),
            ("a; python_version < '3.11'", Holds::Perhaps),
            ("a; platform_machine == 'x86_64'", Holds::Perhaps),
            ("a; (sys_platform == 'linux' or python_version < '3') and os_name != 'nt'", Holds::Always),
            ("a; 'linux' in sys_platform", Holds::Always),
            ("a; nonsense", Holds::Perhaps),
            ("a; (((", Holds::Perhaps),
        ] {
            assert_eq!(holds(line, None, &[]), expected, "{line}");
        }
        let line = "a; python_version < '3.11'";
        assert_eq!([holds(line, Some(10), &[]), holds(line, Some(12), &[])], [Holds::Always, Holds::Never]);
        assert_eq!(holds("a; python_full_version < '3.12.4'", Some(12), &[]), Holds::Perhaps);
        assert_eq!(holds("a; extra == 'My_Test'", None, &["my-test"]), Holds::Always);
        let long = format!("a; {}os_name == 'x'", "extra == 'a' or ".repeat(100));
        assert_eq!(holds(&long, None, &[]), Holds::Perhaps);
    }

    #[test]
    fn a_line_has_a_name_extras_and_versions() {
        let of = |line: &str| {
            let declared = Declared::parse(line)?;
            let extras: Vec<String> = declared.extras().iter().map(ToString::to_string).collect();
            Some((declared.name.clone(), extras.join(","), declared.constraint()))
        };
        let expected = |name: &str, extras: &str, constraint: Option<&str>| {
            Some((name.to_owned(), extras.to_owned(), constraint.map(str::to_owned)))
        };
        assert_eq!(of("Foo_Bar[b,a] (>=1,<2) ; os_name == 'posix'"), expected("foo-bar", "b,a", Some(">=1, <2")));
        assert_eq!(of("x @ https://a/b.whl"), expected("x", "", None));
        assert_eq!(of("numpy"), expected("numpy", "", None));
        assert_eq!(of(" ; x"), None);
    }
}
