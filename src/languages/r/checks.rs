//! Checks of R: packages built for a different R, libraries that R does not search, an R configured for a different path,
//! an R without a bootstrap.

use super::needs::ID;
use super::version::Version;
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::path::{TreePath, printable};
use crate::languages::{Installation, Package, Packages};
use crate::tree::{EntryId, Tree};

/// Findings about R and its packages that satisfy `kept`.
pub(super) fn check(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(home) = packages.installations_of(ID).next() {
        for package in packages.of_language(ID).filter(|package| kept(package.entry)) {
            findings.extend(built_for_another_r(package, home));
        }
        findings.extend(not_searched(packages, tree, kept));
        findings.extend(no_bootstrap(home, tree, kept));
    }
    findings
}

/// `library()` stops at a package built before R 3.0.0 or for another platform, and warns about one built under a newer R
/// (`testRversion` in R's src/library/base/R/library.R). Packages built under an older minor version are common: Debian
/// has them, and they load.
fn built_for_another_r(package: &Package, home: &Installation) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(built) = &package.built else { return findings };
    let subject = Subject::package(&package.name);
    let versions = built.version.parse::<Version>().ok().zip(home.version.parse::<Version>().ok());
    let numbers = |version: &Version, count: usize| version.numbers().iter().take(count).copied().collect::<Vec<_>>();
    let severity = versions.and_then(|(built, home)| {
        if numbers(&built, 1) < vec![3] {
            Some(Severity::Error)
        } else if numbers(&built, 2) > numbers(&home, 2) || numbers(&built, 1) != numbers(&home, 1) {
            Some(Severity::Warning)
        } else {
            (numbers(&built, 2) != numbers(&home, 2)).then_some(Severity::Info)
        }
    });
    if let Some(severity) = severity {
        findings.push(Finding::new(
            severity,
            Code::BuiltForAnotherR,
            subject.clone(),
            format!("was built under R {}, but the tree has R {}", built.version, home.version),
            "reinstall the package with the R in the tree",
        ));
    }
    if !built.platform.is_empty() && !home.platform.is_empty() && built.platform != home.platform {
        findings.push(Finding::error(
            Code::BuiltForAnotherR,
            subject,
            format!("was built for {}, but R in the tree is for {}", built.platform, home.platform),
            "reinstall the package with the R in the tree",
        ));
    }
    findings
}

/// Warnings about libraries that are not named in any file that R reads at startup.
fn not_searched(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let read = |path: Option<TreePath>| -> Option<String> {
        Some(String::from_utf8_lossy(&tree.read_text(tree.find(&path?)?).ok()?).into_owned())
    };
    let mut named = String::new();
    for home in packages.installations_of(ID) {
        for below in ["etc/Renviron", "etc/Renviron.site", "etc/Rprofile.site", "library/base/R/Rprofile"] {
            let text = read(home.path.join(below)).unwrap_or_default();
            // Commented lines do not count; `${R_HOME}` is this home.
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            named.extend(lines.map(|line| line.replace("${R_HOME}", &home.path.mounted()) + "\n"));
        }
    }
    named += &read(TreePath::new("bootstrap")).unwrap_or_default();
    let own = |library: &TreePath| {
        let beside = |home: &Installation, name: &str| home.path.join(name).as_ref() == Some(library);
        packages.installations_of(ID).any(|home| beside(home, "library") || beside(home, "site-library"))
    };
    let libraries: std::collections::BTreeSet<&TreePath> =
        packages.of_language(ID).map(|package| &package.library).collect();
    let unnamed = libraries.into_iter().filter(|library| !own(library) && !names_path(&named, &library.mounted()));
    unnamed
        .filter_map(|library| {
            let there = packages.of_language(ID).filter(|package| package.library == *library && kept(package.entry));
            let names: Vec<&str> = there.map(|package| package.name.as_str()).collect();
            if names.is_empty() {
                return None;
            }
            let packages = match names.as_slice() {
                [first, others @ ..] if !others.is_empty() => {
                    format!("{first} and {}", plural(others.len(), "more package", "more packages"))
                }
                names => names.concat(),
            };
            Some(Finding::warning(
                Code::LibraryNotSearched,
                library,
                format!("contains {packages}, but is not on R's library search path (.libPaths())"),
                format!("set R_LIBS={} for the function, or R_LIBS_SITE in etc/Renviron.site", library.mounted()),
            ))
        })
        .collect()
}

/// Whether a text contains a path, not only a longer one that begins with it.
fn names_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let rest = text[at + path.len()..].trim_start_matches('/');
        !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
    })
}

/// A finding about R without a bootstrap: without one, an invocation fails. A function can provide its own.
fn no_bootstrap(home: &Installation, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Option<Finding> {
    let bootstrap = TreePath::new("bootstrap").and_then(|path| tree.find(&path)).filter(|id| kept(*id));
    bootstrap.is_none().then(|| {
        Finding::info(
            Code::NoBootstrap,
            &home.path,
            "the tree has R but no bootstrap to start it: each function must provide its own",
            "layerfit init --bootstrap DIR writes one into the tree or into a function's code",
        )
    })
}

/// A finding about `bin/R`, which contains the home that R was configured with and uses, wherever the script itself is.
pub(super) fn home_elsewhere(home: &TreePath, script: &str) -> Option<Finding> {
    let written = script.lines().find_map(|line| line.trim().strip_prefix("R_HOME_DIR="))?.trim_matches(['"', '\'']);
    let expected = home.mounted();
    if written.trim_end_matches('/') == expected || written.contains('$') {
        return None;
    }
    Some(Finding::error(
        Code::HomeElsewhere,
        &home.join("bin/R")?,
        format!("R is configured to run from {}, but in Lambda it is at {expected}", printable(written.as_bytes())),
        "configure R with a --prefix below /opt, or fix R_HOME_DIR in bin/R",
    ))
}
