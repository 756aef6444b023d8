//! Files: what is wrong with those of a tree that is not packed yet, whatever it was read from.

use std::cmp::Reverse;
use std::path::Path;

use super::{Entry, Kind, Tree, link_findings};
use crate::base::bytes::size;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::path::TreePath;
use crate::base::subject::Subject;

/// How many groups of hard links have a finding each: copies of whole directories by hard links (`cp -l`) have many more.
const MAX_GROUPS: usize = 10;

/// How many names a finding lists.
const MAX_NAMES: usize = 4;

/// Findings about an empty tree, names, hard links and links. `root` is what was named.
pub(super) fn file_findings(tree: &Tree, root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tree.entries().is_empty() {
        findings.push(Finding::error(
            Code::EmptyTree,
            Subject::file(root.display()),
            "the tree is empty",
            "name the directory whose content will be /opt",
        ));
    }
    findings.extend(name_findings(tree));
    findings.extend(hard_link_findings(tree));
    findings.extend(link_findings(tree));
    findings
}

/// A finding about something that is neither a file nor a directory nor a link.
pub(super) fn special(path: &TreePath, what: &str) -> Finding {
    Finding::warning(
        Code::SpecialFile,
        path,
        format!("is {what}, which a layer cannot contain; it is left out"),
        "remove it from the tree",
    )
}

/// A finding for each name whose encoding a zip cannot record.
pub(super) fn name_findings(tree: &Tree) -> impl Iterator<Item = Finding> {
    tree.entries().iter().filter(|entry| std::str::from_utf8(entry.path.name()).is_err()).map(|entry| {
        Finding::error(
            Code::NameNotUtf8,
            &entry.path,
            "the name is not UTF-8, so the name after extraction depends on the unzip program",
            "rename it, or drop it with a rule",
        )
    })
}

/// One finding per group of hard links, or one for many groups: a zip cannot store hard links, so each name becomes a copy.
fn hard_link_findings(tree: &Tree) -> Vec<Finding> {
    let mut groups: std::collections::BTreeMap<(u64, u64), Vec<&Entry>> = std::collections::BTreeMap::new();
    for entry in tree.entries() {
        if let Kind::File { hard: Some(inode), .. } = &entry.kind {
            groups.entry(**inode).or_default().push(entry);
        }
    }
    let mut groups: Vec<Vec<&Entry>> = groups.into_values().filter(|names| names.len() > 1).collect();
    if groups.len() > MAX_GROUPS {
        let copies = |names: &Vec<&Entry>| names[0].bytes() * (names.len() as u64 - 1);
        let all: u64 = groups.iter().map(copies).sum();
        groups.sort_by_key(|names| (Reverse(copies(names)), &names[0].path));
        let largest: Vec<String> = groups[0].iter().map(|entry| entry.path.to_string()).collect();
        return vec![Finding::info(
            Code::HardLinks,
            Subject::whole("files"),
            format!(
                "{} files have several names (hard links), which zip cannot store: a layer contains copies of {} that the tree \
                 does not, most of {}",
                groups.len(),
                size(all),
                list::some(&largest, MAX_NAMES)
            ),
            "replace all names but one of each with symbolic links",
        )];
    }
    groups
        .into_iter()
        .map(|names| {
            let others: Vec<String> = names[1..].iter().map(|entry| entry.path.to_string()).collect();
            Finding::info(
                Code::HardLinks,
                &names[0].path,
                format!(
                    "hard-linked to {}; zip cannot store hard links, so a layer contains {} copies of {}",
                    others.join(", "),
                    names.len(),
                    size(names[0].bytes())
                ),
                "replace all names but one with symbolic links",
            )
        })
        .collect()
}
