//! R in a tree: its home, its libraries, the installed packages, and what they need of each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Facts;
use crate::finding::{Code, Finding, Severity};
use crate::formats::description::Description;
use crate::formats::ldpaths;
use crate::formats::version::Version;
use crate::path::{TreePath, printable};
use crate::rules::Roots;
use crate::scan::{EntryId, Tree};

/// An installation of R.
#[derive(Debug, Clone)]
pub struct RHome {
    /// Its directory: what `R RHOME` prints, in the tree.
    pub path: TreePath,
    /// Its version, that of its base package.
    pub version: Version,
    /// The platform its packages are built for.
    pub platform: String,
    /// The directories that `etc/ldpaths` puts before LD_LIBRARY_PATH.
    pub ld_library_path: Vec<String>,
}

/// An installed package.
#[derive(Debug, Clone)]
pub struct Package {
    /// What its DESCRIPTION says.
    pub description: Description,
    /// Its DESCRIPTION.
    pub entry: EntryId,
    /// Its directory.
    pub directory: TreePath,
    /// The library it is in.
    pub library: TreePath,
}

impl Package {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.description.package
    }
}

/// Everything of R in a tree.
#[derive(Debug, Default)]
pub struct RLayout {
    /// Installations of R: none or one, as a rule.
    pub homes: Vec<RHome>,
    /// Libraries, sorted.
    pub libraries: Vec<TreePath>,
    /// Packages, sorted by name, then by library.
    pub packages: Vec<Package>,
    /// What was there and is left out on request.
    pub left_out: LeftOut,
    by_directory: BTreeMap<TreePath, usize>,
}

/// What is left out of a tree on request.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// The names of packages, with their directories: what needs them says so.
    pub packages: BTreeMap<String, TreePath>,
    /// Where R and its libraries were: rules for what is left there apply all the same.
    pub roots: Roots,
}

impl RLayout {
    /// Finds R's homes, libraries and packages.
    pub fn find(tree: &Tree, facts: &Facts) -> (Self, Vec<Finding>) {
        let mut layout = Self::default();
        let mut findings = Vec::new();
        for (entry, description) in &facts.descriptions {
            let Some(directory) = tree.path(*entry).parent() else { continue };
            let Some(library) = directory.parent() else { continue };
            // A package inside another (its tests, its templates) is data of that one.
            let inside = directory.ancestors().skip(1).filter_map(|above| above.join("DESCRIPTION"));
            if inside.filter_map(|path| tree.find(&path)).any(|id| facts.descriptions.contains_key(&id)) {
                continue;
            }
            layout.packages.push(Package { description: description.clone(), entry: *entry, directory, library });
        }
        layout.packages.sort_by(|a, b| (a.name(), &a.library).cmp(&(b.name(), &b.library)));
        layout.by_directory = layout.packages.iter().enumerate().map(|(i, p)| (p.directory.clone(), i)).collect();
        layout.libraries = layout.packages.iter().map(|package| package.library.clone()).collect();
        layout.libraries.sort();
        layout.libraries.dedup();

        for base in layout.packages.iter().filter(|package| package.name() == "base") {
            let Some(path) = base.library.parent().filter(|_| base.library.name() == b"library") else { continue };
            let read = |below: &str| -> Option<String> {
                let id = tree.find(&path.join(below)?)?;
                Some(String::from_utf8_lossy(&tree.read(id).ok()?).into_owned())
            };
            let ldpaths = read("etc/ldpaths").unwrap_or_default();
            if let Some(script) = read("bin/R") {
                findings.extend(home_elsewhere(&path, &script));
            }
            let platforms = layout.packages.iter().filter(|package| package.library == base.library);
            let platform =
                platforms.filter_map(|package| package.description.built.as_ref()).map(|built| &built.platform);
            layout.homes.push(RHome {
                ld_library_path: ldpaths::directories(&ldpaths, &path.mounted()),
                version: base.description.version.clone(),
                platform: platform.filter(|platform| !platform.is_empty()).min().cloned().unwrap_or_default(),
                path,
            });
        }
        (layout, findings)
    }

    /// Warnings about libraries that nothing which R reads when it starts names.
    pub fn not_searched(&self, tree: &Tree, kept: impl Fn(&Package) -> bool) -> Vec<Finding> {
        if self.homes.is_empty() {
            return Vec::new();
        }
        let read = |path: Option<TreePath>| -> Option<String> {
            Some(String::from_utf8_lossy(&tree.read(tree.find(&path?)?).ok()?).into_owned())
        };
        let mut named = String::new();
        for home in &self.homes {
            for below in ["etc/Renviron", "etc/Renviron.site", "etc/Rprofile.site", "library/base/R/Rprofile"] {
                let text = read(home.path.join(below)).unwrap_or_default();
                // What is commented out is not set; `${R_HOME}` is this home.
                let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
                named.extend(lines.map(|line| line.replace("${R_HOME}", &home.path.mounted()) + "\n"));
            }
        }
        named += &read(TreePath::new("bootstrap")).unwrap_or_default();
        let own = |library: &TreePath| {
            let beside = |home: &RHome, name: &str| home.path.join(name).as_ref() == Some(library);
            self.homes.iter().any(|home| beside(home, "library") || beside(home, "site-library"))
        };
        let unnamed = self.libraries.iter().filter(|library| !own(library) && !names_path(&named, &library.mounted()));
        unnamed
            .filter_map(|library| {
                let packages = self.packages.iter().filter(|package| package.library == *library && kept(package));
                let names: Vec<&str> = packages.map(Package::name).collect();
                let (first, more) = names.split_first()?;
                let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                Some(Finding::warning(
                    Code::LibraryNotSearched,
                    library,
                    format!(
                        "holds {first}{others}, and nothing that R reads when it starts names {}",
                        library.mounted()
                    ),
                    format!("set R_LIBS={} for the function, or R_LIBS_SITE in etc/Renviron.site", library.mounted()),
                ))
            })
            .collect()
    }

    /// What the placeholders of rules stand for in this tree.
    pub fn roots(&self) -> Roots {
        let with = |here: Vec<TreePath>, before: &[TreePath]| -> Vec<TreePath> {
            here.into_iter().chain(before.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
        };
        Roots {
            r_home: with(self.homes.iter().map(|home| home.path.clone()).collect(), &self.left_out.roots.r_home),
            library: with(self.libraries.clone(), &self.left_out.roots.library),
        }
    }

    /// The positions of every copy of a package.
    pub fn find_package(&self, name: &str) -> impl Iterator<Item = usize> {
        let first = self.packages.partition_point(|package| package.name() < name);
        (first..self.packages.len()).take_while(move |i| self.packages[*i].name() == name)
    }

    /// The package that a path lies in.
    pub fn package_of(&self, path: &TreePath) -> Option<usize> {
        path.ancestors().find_map(|directory| self.by_directory.get(&directory).copied())
    }

    /// Findings about the packages for which `kept` holds: missing or too old needs, packages twice, built for another R.
    pub fn findings(&self, kept: impl Fn(&Package) -> bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let packages: Vec<&Package> = self.packages.iter().filter(|package| kept(package)).collect();
        let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
        for package in &packages {
            by_name.entry(package.name()).or_default().push(package);
        }
        for package in &packages {
            self.check_needs(package, &by_name, &mut findings);
            if let Some(home) = self.homes.first() {
                check_built(package, home, &mut findings);
            }
        }
        for (name, copies) in by_name.iter().filter(|(_, copies)| copies.len() > 1) {
            let places: Vec<String> =
                copies.iter().map(|copy| format!("{} ({})", copy.library, copy.description.version)).collect();
            findings.push(Finding::warning(
                Code::DuplicatePackage,
                format!("pkg:{name}"),
                format!(
                    "installed in {}: R uses the one whose library comes first on .libPaths()",
                    places.join(" and ")
                ),
                "remove all copies but one",
            ));
        }
        findings
    }

    fn check_needs(&self, package: &Package, by_name: &BTreeMap<&str, Vec<&Package>>, findings: &mut Vec<Finding>) {
        let subject = format!("pkg:{}", package.name());
        for need in package.description.needs() {
            let Some(copies) = by_name.get(need.package.as_str()) else {
                let elsewhere = match self.find_package(&need.package).next() {
                    Some(_) => ", for a rule drops it",
                    None if self.left_out.packages.contains_key(&need.package) => ", for --drop takes it",
                    None => "",
                };
                let help = if self.left_out.packages.contains_key(&need.package) {
                    format!("library({}) fails without it: drop pkg:{} too, or neither", package.name(), package.name())
                } else {
                    format!("install {} into the tree: library({}) fails without it", need.package, package.name())
                };
                findings.push(Finding::error(
                    Code::MissingPackage,
                    &subject,
                    format!("needs the package {}, which no library has{elsewhere}", need.package),
                    help,
                ));
                continue;
            };
            let Some(constraint) = &need.constraint else { continue };
            if !copies.iter().any(|copy| constraint.allows(&copy.description.version)) {
                let there: Vec<String> = copies.iter().map(|copy| copy.description.version.to_string()).collect();
                findings.push(Finding::error(
                    Code::PackageTooOld,
                    &subject,
                    format!("needs {} ({constraint}), and the tree has {}", need.package, there.join(" and ")),
                    format!("install a version of {} that will do", need.package),
                ));
            }
        }
        let Some(home) = self.homes.first() else { return };
        for constraint in package.description.r.iter().filter(|constraint| !constraint.allows(&home.version)) {
            findings.push(Finding::error(
                Code::PackageTooOld,
                &subject,
                format!("needs R ({constraint}), and the tree has R {}", home.version),
                "install a version of the package for this R, or build a newer R",
            ));
        }
    }
}

/// Whether a text names a path, and not only a longer one that begins with it.
fn names_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let rest = text[at + path.len()..].trim_start_matches('/');
        !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
    })
}

/// `library()` stops at a package built before R 3.0.0 or for another platform, and warns about one built under a newer R
/// (`testRversion` in R's src/library/base/R/library.R). Packages built under an older minor version are common: Debian
/// has them, and they load.
fn check_built(package: &Package, home: &RHome, findings: &mut Vec<Finding>) {
    let Some(built) = &package.description.built else { return };
    let subject = format!("pkg:{}", package.name());
    let numbers = |version: &Version, count: usize| version.numbers().iter().take(count).copied().collect::<Vec<_>>();
    let severity = if numbers(&built.r, 1) < vec![3] {
        Some(Severity::Error)
    } else if numbers(&built.r, 2) > numbers(&home.version, 2) || numbers(&built.r, 1) != numbers(&home.version, 1) {
        Some(Severity::Warning)
    } else if numbers(&built.r, 2) != numbers(&home.version, 2) {
        Some(Severity::Info)
    } else {
        None
    };
    if let Some(severity) = severity {
        findings.push(Finding {
            severity,
            code: Code::BuiltForAnotherR,
            subject: subject.clone(),
            message: format!("was built under R {}, and the tree has R {}", built.r, home.version),
            help: "install the package again with the R in the tree".to_owned(),
        });
    }
    if !built.platform.is_empty() && !home.platform.is_empty() && built.platform != home.platform {
        findings.push(Finding::error(
            Code::BuiltForAnotherR,
            &subject,
            format!("was built for {}, and R in the tree for {}", built.platform, home.platform),
            "install the package again with the R in the tree",
        ));
    }
}

/// `bin/R` holds the home that configure was told; R looks there, wherever the script itself is.
fn home_elsewhere(home: &TreePath, script: &str) -> Option<Finding> {
    let written = script.lines().find_map(|line| line.trim().strip_prefix("R_HOME_DIR="))?.trim_matches(['"', '\'']);
    let expected = home.mounted();
    if written.trim_end_matches('/') == expected || written.contains('$') {
        return None;
    }
    Some(Finding::error(
        Code::HomeElsewhere,
        format!("{home}/bin/R"),
        format!("R was built to run from {}, and in Lambda it is at {expected}", printable(written.as_bytes())),
        "configure R with a --prefix below /opt, or correct R_HOME_DIR in bin/R",
    ))
}
