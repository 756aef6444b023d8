//! Variables of the function's environment that name places where nothing is.

use std::cmp::Reverse;
use std::path::Path;

use super::catalogue::Catalogue;
use super::lookup::{Environment, Outcome};
use super::opened::{Files, Mounted, Presence};
use super::uses::DataUse;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::path::MOUNT;
use crate::base::subject::Subject;
use crate::languages::ALL;
use crate::tree::{Entry, Tree};

/// How many paths a message lists.
const MAX_PATHS: usize = 3;

/// A variable of whose places none is there.
pub(super) struct PointsNowhere {
    variable: String,
    /// The places: absolute paths.
    paths: Vec<String>,
}

/// The variables that name only places where nothing is: in the tree, and for those of the catalogue in the image, too.
/// What is looked for at such a place has a finding of its own.
pub(super) fn find(mounted: &Mounted<'_>, environment: &Environment, uses: &[DataUse]) -> Vec<PointsNowhere> {
    let looked: Vec<&String> = uses
        .iter()
        .filter_map(|one| match &one.outcome {
            Outcome::Missing(looked) if one.is_reported() => Some(looked),
            _ => None,
        })
        .flatten()
        .collect();
    let is_read = |variable: &String| !ALL.iter().any(|it| it.unread_variables().contains(&variable.as_str()));
    let mut found = Vec::new();
    for (variable, values) in environment.iter().filter(|(variable, _)| is_read(variable)) {
        let mut all = Vec::new();
        for value in values {
            let paths = paths(variable, value);
            if paths.is_empty() || !paths.iter().all(|path| is_nowhere(mounted, variable, path)) {
                all.clear();
                break;
            }
            all.extend(paths.into_iter().map(str::to_owned));
        }
        let is_reported = all.iter().any(|path| looked.iter().any(|looked| Path::new(looked).starts_with(path)));
        if !all.is_empty() && !is_reported {
            found.push(PointsNowhere { variable: variable.clone(), paths: all });
        }
    }
    found
}

/// The paths that a value consists of; none if it is something else.
fn paths<'a>(variable: &str, value: &'a str) -> Vec<&'a str> {
    // ld.so(8): the elements of this one are separated by spaces, too.
    let separators: &[char] = if variable == "LD_PRELOAD" { &[':', ' '] } else { &[':'] };
    let elements: Vec<&str> = value.split(separators).filter(|element| !element.is_empty()).collect();
    let is_path = |element: &&str| {
        element.starts_with('/') && !element.contains(|c: char| c.is_whitespace() || "*?$%{}<>|;,=\"'`".contains(c))
    };
    if elements.iter().all(is_path) { elements } else { Vec::new() }
}

fn is_nowhere(mounted: &Mounted<'_>, variable: &str, path: &str) -> bool {
    let below_mount = path.strip_prefix(MOUNT).is_some_and(|below| below.starts_with('/'));
    let known = || Catalogue::built_in().needs.iter().flat_map(|need| &need.need.variables);
    // What the image has is only known of what the catalogue is about.
    (below_mount || (is_of_system(path) && known().any(|one| one.name == variable)))
        && mounted.presence(path) == Presence::Absent
        && mounted.has_directory(path) == Presence::Absent
}

/// Whether a path is in a directory that only the image has files in.
fn is_of_system(path: &str) -> bool {
    ["/etc/", "/usr/", "/lib/", "/lib64/"].iter().any(|directory| path.starts_with(directory))
}

impl PointsNowhere {
    pub(super) fn finding(&self, tree: &Tree, image: &str) -> Finding {
        // How many names at the end of a path are those of the variable's.
        let alike = |entry: &Entry| {
            let of = |path: &String| {
                let here = entry.path.as_bytes().rsplit(|b| *b == b'/');
                path.as_bytes().rsplit(|b| *b == b'/').zip(here).take_while(|(a, b)| a == b).count()
            };
            self.paths.iter().map(of).max().unwrap_or_default()
        };
        let similar = tree.iter().map(|(id, entry)| (alike(entry), entry.is_directory(), Reverse(id)));
        let similar = similar.max().filter(|(alike, _, _)| *alike > 0).map(|(_, _, Reverse(id))| tree.entry(id));
        let help = match similar {
            Some(entry) => format!("the tree has {}: set the variable to {}", entry.path, entry.path.mounted()),
            None => "correct the path, or put what it names into the tree; if another layer of the function has it, turn this \
                     off in layerfit.toml ([[finding]], with the reason)"
                .to_owned(),
        };
        let places = list::some(&self.paths, MAX_PATHS);
        let message = match self.paths.as_slice() {
            [_] => format!("names {places}, which neither the tree nor {image} has"),
            _ => format!("names {places}, none of which the tree or {image} has"),
        };
        Finding::warning(Code::SettingBreaks, Subject::setting(&self.variable), message, help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_of_paths_count() {
        for (variable, value, expected) in [
            ("A", "/opt/a.conf", &["/opt/a.conf"][..]),
            ("A", "/opt/a:/opt/b", &["/opt/a", "/opt/b"]),
            ("A", "/opt/a::/opt/b:", &["/opt/a", "/opt/b"]),
            ("LD_PRELOAD", "/opt/a.so /opt/b.so", &["/opt/a.so", "/opt/b.so"]),
            ("A", "/opt/a.so /opt/b.so", &[]),
            ("A", "https://example.org/opt/a", &[]),
            ("A", "-javaagent:/opt/a.jar", &[]),
            ("A", "/opt/a:b", &[]),
            ("A", "/opt/*.jar", &[]),
            ("A", "", &[]),
        ] {
            assert_eq!(paths(variable, value), expected, "{value}");
        }
    }
}
