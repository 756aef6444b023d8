//! Each zip: whether what is in one of several zips would be found. Lambda extracts every layer into `/opt` by itself, so a zip with
//! its content a directory too deep stays one, whatever is in the others.
//!
//! What others have can still use it: a part of the same directory, a file that names its path, or a runtime of one's own.

use std::collections::BTreeSet;

use super::entry::Origin;
use super::listing::{Listing, join};
use super::nesting::{nested, only_archives};
use super::searched::{has_own_program, not_searched, other_case};
use super::zips::Archive;
use super::{Entry, Kind, Magic, Source, Tree};
use crate::base::finding::{Code, Finding};
use crate::base::path::MOUNT;
use crate::base::subject::Subject;

/// How the names of programs in `bin` begin that run code of a managed runtime's language.
const INTERPRETERS: &[&str] = &["python", "node", "ruby", "java"];

/// One of several zips.
struct Zip<'a> {
    number: usize,
    shown: String,
    is_empty: bool,
    listing: Listing<'a>,
    nested: Option<Finding>,
}

/// Findings about zips of a tree that hold nothing that would be found, with those of `whole`, the findings about all zips
/// together. What both say is said of the zip.
pub(super) fn of_each_zip(tree: &Tree, mut whole: Vec<Finding>) -> Vec<Finding> {
    let Source::Zips(archives) = &tree.source else { return whole };
    if archives.len() < 2 {
        return whole;
    }
    let zip = |(number, archive): (usize, &Archive)| {
        let listing = Listing::of_entries(tree, |entry| zip_of(entry) == Some(number));
        let nested = nested(&listing);
        let is_empty = archive.is_empty();
        Zip { number, shown: archive.path().display().to_string(), is_empty, listing, nested }
    };
    let zips: Vec<Zip<'_>> = archives.iter().enumerate().map(zip).collect();
    let merged = Listing::of(tree);
    let mut findings = Vec::new();
    let mut said: Vec<(Code, Subject)> = Vec::new();
    for zip in &zips {
        if let Some(finding) = nothing(zip).filter(|_| merged.has_file()) {
            findings.push(finding);
            continue;
        }
        let mut found: Vec<Finding> = match &zip.nested {
            Some(nested) if is_among(nested, &whole) => vec![nested.clone()],
            // What is wrong with the others does not follow from it.
            Some(nested) if !is_continued(&zips, zip, nested) => {
                let mut nested = nested.clone();
                nested.of_another_tree = false;
                vec![nested]
            }
            Some(_) => Vec::new(),
            None => misplaced(zip, &merged, &whole),
        };
        found.extend(only_archives(&zip.listing, tree, &|entry| zip_of(entry) == Some(zip.number)));
        found.retain(|finding| is_among(finding, &whole) || !is_named(tree, zip, finding));
        for mut finding in found {
            said.push((finding.code, finding.subject.clone()));
            if let Subject::Path(path) = &finding.subject {
                finding.subject = Subject::entry(&zip.shown, path.as_bytes());
            }
            findings.push(finding);
        }
    }
    whole.retain(|finding| !said.iter().any(|(code, subject)| covers(*code, subject, finding)));
    whole.extend(findings);
    whole
}

/// The number of the zip that an entry is from; `None` for a directory that no zip lists.
fn zip_of(entry: &Entry) -> Option<usize> {
    match entry.origin {
        Origin::Zip { archive, .. } => Some(archive as usize),
        _ => None,
    }
}

fn is_among(finding: &Finding, others: &[Finding]) -> bool {
    others.iter().any(|it| it.code == finding.code && it.subject == finding.subject)
}

/// Whether a finding about a zip says what one about all zips does: the same, or what is inside a directory around the content.
fn covers(code: Code, subject: &Subject, finding: &Finding) -> bool {
    let rest = finding.subject.as_str().strip_prefix(subject.as_str());
    match (code, finding.code) {
        (Code::NestedRoot, Code::NotSearched) => rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        (code, other) => code == other && rest.is_some_and(str::is_empty),
    }
}

/// A zip without any file.
fn nothing(zip: &Zip<'_>) -> Option<Finding> {
    let subject = Subject::layer(&zip.shown);
    if zip.is_empty {
        return Some(Finding::error(Code::EmptyTree, subject, "the zip is empty", "add the content, or leave it out"));
    }
    zip.listing.has_no_file().then(|| {
        Finding::warning(
            Code::EmptyTree,
            subject,
            "has no file, but only directories or what macOS adds to archives",
            "add the content, and exclude __MACOSX and .DS_Store: zip -x '__MACOSX/*' '*.DS_Store'",
        )
    })
}

/// What one zip has where nothing looks, without what others make a matter of all of them.
fn misplaced(zip: &Zip<'_>, merged: &Listing<'_>, whole: &[Finding]) -> Vec<Finding> {
    // A runtime of one's own, or an interpreter, can search any directory.
    let has_runtime = merged.names("").is_some_and(|names| names.files.contains("bootstrap"))
        || merged.paths().filter(|path| *path == "bin" || path.ends_with("/bin")).any(|bin| {
            let mut files = merged.names(bin).into_iter().flat_map(|names| names.files.iter());
            files.any(|name| INTERPRETERS.iter().any(|start| name.starts_with(start)))
        });
    let found = not_searched(&zip.listing, has_own_program(&zip.listing) || has_runtime);
    if found.is_empty() {
        return found;
    }
    // Other reasons for which the others change it than that they have a program hold for all zips together.
    let subjects = |findings: Vec<Finding>| -> BTreeSet<String> {
        findings.into_iter().map(|finding| finding.subject.to_string()).collect()
    };
    let (unless_named, by_case) = (subjects(not_searched(merged, false)), subjects(other_case(&zip.listing)));
    let stays = |finding: &Finding| {
        let subject = finding.subject.as_str();
        finding.code == Code::NotSearched
            && (is_among(finding, whole) || unless_named.contains(subject) || by_case.contains(subject))
    };
    found.into_iter().filter(stays).collect()
}

/// Whether another zip has something in the directory around a zip's content, and not as the whole of what it has: both are parts of
/// what is there.
fn is_continued(zips: &[Zip<'_>], zip: &Zip<'_>, finding: &Finding) -> bool {
    let top = first(finding.subject.as_str());
    let has_more = |other: &Zip<'_>| other.nested.is_none() && other.listing.has("", top);
    top != "opt" && zips.iter().any(|other| other.number != zip.number && has_more(other))
}

/// The first name in a path.
fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// Whether another zip has a link or a file that names what a finding about a zip is about.
fn is_named(tree: &Tree, zip: &Zip<'_>, finding: &Finding) -> bool {
    let subject = finding.subject.as_str();
    let name = if finding.code == Code::NestedRoot { first(subject) } else { subject };
    let by_path = join(MOUNT, name);
    let is_below =
        |path: &[u8]| path.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let is_archive = finding.code == Code::OnlyArchives;
    tree.iter().filter(|(_, entry)| zip_of(entry).is_some_and(|number| number != zip.number)).any(|(id, entry)| {
        match &entry.kind {
            Kind::Directory => false,
            Kind::Link { .. } => tree.next_hop(id).is_some_and(|to| is_below(tree.path(to).as_bytes())),
            Kind::File { magic, .. } => tree.read(id).is_ok_and(|content| {
                let is_script = matches!(magic, Magic::Script(_)) && name != "opt";
                mentions(&content, by_path.as_bytes(), |_, _| true)
                    || is_script
                        && mentions(&content, name.as_bytes(), |before, after| is_archive || is_relative(before, after))
            }),
        }
    })
}

/// Whether a text has a name as a whole, where `fits` holds for what is before and after it.
fn mentions(text: &[u8], name: &[u8], fits: impl Fn(&[u8], Option<u8>) -> bool) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    memchr::memmem::find_iter(text, name).any(|at| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + name.len()).copied());
        before.last().is_none_or(|byte| !is_of_name(*byte))
            && after.is_none_or(|byte| !is_of_name(byte))
            && fits(before, after)
    })
}

/// Whether a name in a script is in a path that is relative, or begins with a variable: `tool/bin`, `$root/tool`.
fn is_relative(before: &[u8], after: Option<u8>) -> bool {
    match before {
        [.., above, b'/'] => above.is_ascii_alphanumeric() || matches!(above, b'_' | b'}' | b')' | b'.'),
        [b'/'] => false,
        _ => after == Some(b'/'),
    }
}
