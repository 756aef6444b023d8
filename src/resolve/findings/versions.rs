//! Findings about symbol versions and symbols.

use std::collections::BTreeMap;

use super::{after, before, others_in_words, severity, some};
use crate::base::finding::{Code, Finding, Severity};
use crate::formats::elf::NeededVersion;
use crate::resolve::Resolution;
use crate::resolve::loader::Object;
use crate::resolve::processes::Certainty;
use crate::resolve::symbols::{SymbolError, VersionError};
use crate::runtime::RuntimeProfile;
use crate::tree::EntryId;

/// A soname, a version, the library that is loaded for it, and the error.
type VersionKey<'a> = (&'a str, &'a str, &'a Object, &'a VersionError);

/// A version that is needed from a library, the certainty, the file that needs it, and details in parentheses.
struct VersionNeed<'a> {
    soname: &'a str,
    version: &'a str,
    library: &'a Object,
    certainty: Certainty,
    file: EntryId,
    /// Which packages cannot be loaded, as a clause.
    fails: String,
    details: String,
}

/// The certainty of a need, the file that needs the version, and its entry for it.
type VersionNeeder<'a> = (Certainty, EntryId, &'a NeededVersion);

impl Resolution<'_> {
    pub(super) fn version_findings(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        // One finding for each version of each library.
        let mut by_version: BTreeMap<VersionKey<'_>, Vec<VersionNeeder<'_>>> = BTreeMap::new();
        for (error, certainty) in &self.loads.symbol_errors {
            let SymbolError::Version { needed, library, why, file } = error else { continue };
            if !kept(*file) || !self.is_reported(error) {
                continue;
            }
            let key = (needed.soname.as_str(), needed.version.as_str(), library, why);
            by_version.entry(key).or_default().push((*certainty, *file, needed));
        }
        let finding = |((soname, version, library, why), mut needers): (VersionKey<'_>, Vec<VersionNeeder<'_>>)| {
            needers.sort_by_key(|(certainty, file, _)| (std::cmp::Reverse(*certainty), *file));
            let (certainty, file, needed) = needers[0];
            let others: Vec<EntryId> = needers[1..].iter().map(|(_, file, _)| *file).collect();
            let parts: Vec<String> =
                needed.symbol.iter().cloned().chain(others_in_words(&self.tree, file, &others)).collect();
            let loaded: Vec<EntryId> = needers
                .iter()
                .filter(|(certainty, ..)| *certainty == Certainty::Required)
                .map(|(_, file, _)| *file)
                .collect();
            let fails = match why {
                VersionError::Absent { .. } => self.cannot_load(&loaded),
                _ => String::new(),
            };
            let details = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
            self.version_finding(&VersionNeed { soname, version, library, certainty, file, fails, details }, why)
        };
        by_version.into_iter().map(finding).collect()
    }

    /// A finding about one needed version.
    fn version_finding(&self, needed: &VersionNeed<'_>, why: &VersionError) -> Finding {
        let tree = &self.tree;
        let VersionNeed { soname, version, library, certainty, file, fails, details } = needed;
        let name = &self.image.profile().name;
        let provider = match library {
            Object::Tree(id) => format!("{}, which is loaded,", tree.path(*id)),
            Object::Image(_) => name.clone(),
        };
        let needs = format!("needs {version} from {soname}{details}");
        let mut brief = None;
        let (severity, code, message, help) = match why {
            VersionError::Absent { highest } => {
                let provides = match highest {
                    Some(highest) => format!("only provides up to {highest}"),
                    None => "provides no version of that family".to_owned(),
                };
                let help = match library {
                    _ if self.is_of_glibc(*file) => self.remove_part_of_glibc(*file),
                    Object::Tree(id) if self.is_of_glibc(*id) => self.remove_part_of_glibc(*id),
                    Object::Image(_) => {
                        format!(
                            "rebuild on the image or on an older distribution{}",
                            runtimes_with(soname, version, name)
                        )
                    }
                    Object::Tree(_) => {
                        format!("replace the tree's {soname} with the one that it was linked against, or relink it")
                    }
                };
                let what = format!("{needs}; {provider} {provides}{}", self.how_sure(*certainty, *file));
                // What has little room names the version rather than what fails without it.
                brief = (!fails.is_empty()).then(|| format!("{what}{}", after(fails)));
                (severity(*certainty), Code::VersionTooNew, format!("{}{what}", before(fails)), help)
            }
            VersionError::Unversioned => (
                Severity::Info,
                Code::NoVersionInformation,
                format!(
                    "{needs}; {provider} has no symbol versions: the loader prints \"no version information available\""
                ),
                format!("relink it against the {soname} that is loaded to avoid the message; it works either way"),
            ),
            VersionError::AbiMarker { release, has } => (
                Severity::Warning,
                Code::VersionTooNew,
                format!("{needs}, introduced in glibc {release}; {name} has {has}, which defines it only if patched"),
                "relink it with -z nopack-relative-relocs, or rebuild it on the image".to_owned(),
            ),
            VersionError::Private if tree.path(*file).to_string().contains("gconv/") => (
                Severity::Info,
                Code::PrivateVersion,
                format!("{needs}, which is private to one build of glibc, as in every module for a character set"),
                format!("take {} from the same release of glibc as that of {name}", tree.path(*file)),
            ),
            VersionError::Private => (
                Severity::Warning,
                Code::PrivateVersion,
                format!("{needs}, which is private to one build of glibc; {name} has its own build"),
                self.remove_part_of_glibc(*file),
            ),
        };
        let finding = Finding::new(severity, code, tree.path(*file), message, help);
        let finding = match brief {
            Some(brief) => finding.in_short(brief),
            None => finding,
        };
        finding.caused_by(format!("{soname} {version}"))
    }

    pub(super) fn undefined_symbols(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let undefined = self.loads.symbol_errors.iter().filter_map(|error| match error {
            (SymbolError::Undefined { file, symbols, at_load }, certainty)
                if kept(*file) && self.is_reported(error.0) =>
            {
                Some(((file, symbols), *at_load && *certainty == Certainty::Required))
            }
            _ => None,
        });
        // A file can be loaded by several processes: that one of them fails at once is what matters.
        let mut by_file: BTreeMap<_, bool> = BTreeMap::new();
        for (key, fails) in undefined {
            *by_file.entry(key).or_default() |= fails;
        }
        let finding = |((file, symbols), fails): ((&EntryId, &Vec<String>), bool)| {
            let path = self.tree.path(*file);
            let fails_how = if fails { self.load_fails(*file) } else { "the first call fails".to_owned() };
            Finding::new(
                if fails { Severity::Error } else { Severity::Warning },
                Code::UndefinedSymbol,
                path,
                format!("uses {}, which no library loaded with it defines: {fails_how}", some(symbols)),
                if self.is_of_glibc(*file) {
                    self.remove_part_of_glibc(*file)
                } else {
                    "link it with the library that defines them (-l), so that DT_NEEDED lists it".to_owned()
                },
            )
        };
        by_file.into_iter().map(finding).collect()
    }
}

/// A remedy that names the other built-in runtimes whose library is known to define a version; empty when there is none.
fn runtimes_with(soname: &str, version: &str, current: &str) -> String {
    let with = RuntimeProfile::others(current, |profile| profile.defines_version(soname, version) == Some(true));
    if with.is_empty() { String::new() } else { format!(", or use --runtime {}, which has it", with.join(" or ")) }
}
