//! Findings in groups: those of one severity, code and remedy are one problem, and a short report lists them together.

use std::collections::BTreeMap;

use super::shorter;
use crate::base::check_pages::check_pages;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::safe::{MAX_SHOWN, cut};

/// How many groups of one code and severity a short list has before it counts the rest.
const GROUPS_SHOWN: usize = 5;
/// How many causes or subjects a group names before it counts the rest.
const NAMES_SHOWN: usize = 6;
/// How many subjects a cause names.
const SUBJECTS_SHOWN: usize = 2;

/// Findings of one severity and code that are one problem, in words.
pub(in crate::report) struct Group {
    pub(in crate::report) severity: Severity,
    pub(in crate::report) code: Code,
    /// What is wrong, with the names of what it is about.
    pub(in crate::report) what: String,
    /// What to do; empty for a line that counts further findings.
    pub(in crate::report) help: String,
    /// How many findings it has.
    pub(in crate::report) findings: usize,
}

/// Whether there is room for what is wrong, in these words.
pub(in crate::report) type Fits<'a> = &'a dyn Fn(Severity, Code, &str) -> bool;

/// Where there is room for everything.
pub(in crate::report) fn always(_: Severity, _: Code, _: &str) -> bool {
    true
}

/// Findings in their order, each by itself and in full.
pub(in crate::report) fn one_by_one(findings: &[&Finding]) -> Vec<Group> {
    let group = |finding: &&Finding| Group {
        severity: finding.severity,
        code: finding.code,
        what: format!("{}: {}", subject(finding), finding.message),
        help: finding.help.clone(),
        findings: 1,
    };
    findings.iter().map(group).collect()
}

/// Findings, which are sorted by severity and code, in groups. One cause can have a finding for each of a thousand files, and
/// would hide all others. What is wrong is in fewer words, with fewer names, if it does not fit otherwise.
pub(in crate::report) fn groups(findings: &[&Finding], fits: Fits<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for alike in findings.chunk_by(|a, b| (a.severity, a.code) == (b.severity, b.code)) {
        let plural =
            check_pages().iter().find(|page| page.code == alike[0].code).map_or("", |page| page.plural.as_str());
        let buckets = by_key(alike, |finding| key(finding, plural));
        // A line that says that there is one more is not shorter than the one more.
        let shown = if buckets.len() > GROUPS_SHOWN + 1 { GROUPS_SHOWN } else { buckets.len() };
        groups.extend(buckets[..shown].iter().map(|(_, bucket)| group(bucket, plural, fits)));
        let more: usize = buckets[shown..].iter().map(|(_, bucket)| bucket.len()).sum();
        if more > 0 {
            let (severity, code) = (alike[0].severity, alike[0].code);
            let what = format!("and {more} more");
            groups.push(Group { severity, code, what, help: String::new(), findings: more });
        }
    }
    groups
}

/// Findings by a key of theirs, in the order in which the keys occur first. There can be a hundred thousand.
fn by_key<'a, K: Ord + Clone>(findings: &[&'a Finding], key: impl Fn(&'a Finding) -> K) -> Vec<(K, Vec<&'a Finding>)> {
    let mut positions: BTreeMap<K, usize> = BTreeMap::new();
    let mut groups: Vec<(K, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let key = key(finding);
        let position = *positions.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[position].1.push(finding);
    }
    groups
}

/// What findings of one group have in common: the remedy, and unless the code has a phrase for several causes, the message.
fn key(finding: &Finding, plural: &str) -> String {
    let help = common(finding, &finding.help);
    match &finding.cause {
        Some(_) if !plural.is_empty() => help,
        _ => format!("{}\n{help}", without_subject(finding, finding.brief())),
    }
}

/// A text of a finding without the names that differ in a group.
fn common(finding: &Finding, text: &str) -> String {
    without_cause(finding, &without_subject(finding, text))
}

/// A text with `each` in place of the cause, or of a path that ends with it: directories can differ as well.
fn without_cause(finding: &Finding, text: &str) -> String {
    let Some(cause) = finding.cause.as_deref().filter(|cause| !cause.is_empty()) else { return text.to_owned() };
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(cause) {
        let word = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        found.push_str(if before.ends_with('/') { &before[..word] } else { before });
        found.push_str("each");
        rest = after;
    }
    found + rest
}

/// A text with `NAME` in place of the subject, and of what is called by the last part of its path: `library(x)`, `install x`.
/// Such a part alone can also be a word like any other.
fn without_subject(finding: &Finding, text: &str) -> String {
    let name = finding.subject.as_str();
    let name = name.strip_prefix("pkg:").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    // Short names are also parts of words.
    let text = if name.len() < 3 { text.to_owned() } else { text.replace(name, "NAME") };
    text.replace(&format!("({last})"), "(NAME)").replace(&format!("install {last} "), "install NAME ")
}

fn group(findings: &[&Finding], plural: &str, fits: Fits<'_>) -> Group {
    let first = findings[0];
    let (severity, code) = (first.severity, first.code);
    let causes = by_key(findings, |finding| finding.cause.as_deref().unwrap_or_default());
    let fits = |what: &str| fits(severity, code, what);
    let (what, help) = if plural.is_empty() || causes.len() == 1 {
        let mut subjects: Vec<String> = findings.iter().map(|finding| subject(finding)).collect();
        subjects.dedup();
        // What is the same of all has no name in it.
        let of_all = |text: &str| if subjects.len() == 1 { text.to_owned() } else { without_subject(first, text) };
        let forms = shorter::forms(&of_all(first.brief()));
        let of_form = |form: &String| {
            let with = |names: usize| format!("{}: {form}", listed(&subjects, names));
            (1..=at_most(subjects.len(), NAMES_SHOWN)).rev().map(with).find(|what| fits(what))
        };
        let shortest = || format!("{}: {}", listed(&subjects, 1), forms.last().map_or("", String::as_str));
        (forms.iter().find_map(of_form).unwrap_or_else(shortest), of_all(&first.help))
    } else {
        let one = |(cause, findings): &(&str, Vec<&Finding>)| {
            let names: Vec<String> = findings.iter().map(|finding| short_name(finding)).collect();
            format!("{cause} ({})", listed(&names, at_most(names.len(), SUBJECTS_SHOWN)))
        };
        let named: Vec<String> = causes.iter().map(one).collect();
        let with = |shown: usize| format!("{} {plural}: {}", causes.len(), listed(&named, shown));
        let most = at_most(causes.len(), NAMES_SHOWN);
        let what = (1..=most).rev().map(with).find(|what| fits(what)).unwrap_or_else(|| with(1));
        let is_one = findings.iter().all(|finding| finding.subject == first.subject);
        let help = if is_one { without_cause(first, &first.help) } else { common(first, &first.help) };
        (what, help)
    };
    Group { severity, code, what, help, findings: findings.len() }
}

/// How many of these names are listed: a text that says that there is one more is not shorter than the one more.
fn at_most(names: usize, most: usize) -> usize {
    if names > most + 1 { most } else { names }
}

/// The first names, and how many more there are.
fn listed(names: &[String], most: usize) -> String {
    let shown = names.len().min(most);
    let more = if names.len() > shown { format!(" and {} more", names.len() - shown) } else { String::new() };
    names[..shown].join(", ") + &more
}

fn subject(finding: &Finding) -> String {
    cut(finding.subject.as_str(), MAX_SHOWN).into_owned()
}

/// The last part of a path; `-v` shows the whole.
fn short_name(finding: &Finding) -> String {
    let name = finding.subject.as_str();
    cut(name.rsplit('/').next().unwrap_or(name), MAX_SHOWN).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::subject::Subject;

    fn missing(library: &str, file: &str) -> Finding {
        let message = format!("needs {library}, which nothing has (R searches: /opt/lib)");
        let help = format!("--bundle copies {library} and its dependencies");
        let finding = Finding::error(Code::MissingLibrary, Subject::Path(file.to_owned()), message, help);
        finding.in_short(format!("needs {library}, which nothing has")).caused_by(library)
    }

    fn shown(findings: &[Finding]) -> Vec<(String, String)> {
        let findings: Vec<&Finding> = findings.iter().collect();
        groups(&findings, &always).into_iter().map(|group| (group.what, group.help)).collect()
    }

    #[test]
    fn a_path_that_ends_with_the_cause_is_written_as_each() {
        let moved = |name: &str, directory: &str| {
            let help = format!("{directory}/{name} is not in a searched directory: move it to lib/");
            let mut finding = missing(name, "lib/x.so");
            finding.help = help;
            finding
        };
        let all = [moved("liba.so.1", "lib64"), moved("libb.so.2", "R/lib")];
        let what = "2 libraries are missing: liba.so.1 (x.so), libb.so.2 (x.so)".to_owned();
        assert_eq!(shown(&all), [(what, "each is not in a searched directory: move it to lib/".to_owned())]);
    }

    #[test]
    fn missing_libraries_with_one_remedy_are_one_group_without_search_paths() {
        let all =
            [missing("liba.so.1", "lib/x.so"), missing("libb.so.2", "lib/y.so"), missing("libb.so.2", "lib/z.so")];
        let what = "2 libraries are missing: liba.so.1 (x.so), libb.so.2 (y.so, z.so)".to_owned();
        assert_eq!(shown(&all), [(what, "--bundle copies each and its dependencies".to_owned())]);
        let what = "lib/x.so: needs liba.so.1, which nothing has".to_owned();
        assert_eq!(shown(&all[..1]), [(what, "--bundle copies liba.so.1 and its dependencies".to_owned())]);
    }

    #[test]
    fn another_remedy_is_another_group_and_figures_are_never_merged() {
        let mut other = missing("libc2.so.2", "lib/y.so");
        other.help = "move libc2.so.2".to_owned();
        assert_eq!(shown(&[missing("liba.so.1", "lib/x.so"), other]).len(), 2);
        let grew = |name: &str, bytes: u64| {
            Finding::error(Code::Grew, Subject::layer(name), format!("grew by {bytes}"), "shrink it")
        };
        assert_eq!(shown(&[grew("layer-1", 1), grew("layer-2", 2)]).len(), 2);
        let (what, _) = &shown(&[grew("layer-1", 1), grew("layer-2", 1)])[0];
        assert_eq!(what, "layer-1, layer-2: grew by 1");
    }

    #[test]
    fn findings_that_differ_in_their_names_only_are_one_group() {
        let damaged = |name: &str| {
            let subject = Subject::Path(format!("library/{name}"));
            let message = format!("library({name}) fails: it is damaged");
            Finding::error(Code::DamagedPackage, subject, message, format!("install {name} again, a copy of it"))
        };
        let what = "library/p1, library/p2: library(NAME) fails: it is damaged".to_owned();
        let help = "install NAME again, a copy of it".to_owned();
        assert_eq!(shown(&[damaged("p1"), damaged("p2")]), [(what, help)]);
        assert_eq!(shown(&[damaged("p1")])[0].1, "install p1 again, a copy of it");
    }

    #[test]
    fn where_there_is_little_room_there_are_fewer_names_and_clauses() {
        let many: Vec<Finding> = (10..40).map(|i| missing(&format!("lib{i}.so"), "lib/x.so")).collect();
        let what = |findings: &[Finding], most: usize| {
            let findings: Vec<&Finding> = findings.iter().collect();
            groups(&findings, &|_, _, what| what.len() <= most)[0].what.clone()
        };
        assert_eq!(what(&many, 80), "30 libraries are missing: lib10.so (x.so), lib11.so (x.so) and 28 more");
        assert_eq!(what(&many, 1), "30 libraries are missing: lib10.so (x.so) and 29 more");
        let mut two = [missing("liba.so", "lib/x.so"), missing("liba.so", "lib/another-long-name.so")];
        assert_eq!(what(&two, 60), "lib/x.so and 1 more: needs liba.so, which nothing has");
        two[1] = missing("liba.so", "lib/x.so");
        assert_eq!(what(&two, 30), "lib/x.so: needs liba.so");
    }

    #[test]
    fn long_lists_are_counted() {
        let many: Vec<Finding> = (10..40).map(|i| missing(&format!("lib{i}.so"), "lib/x.so")).collect();
        assert!(shown(&many)[0].0.ends_with("lib15.so (x.so) and 24 more"), "{:?}", shown(&many));
        let all: Vec<&Finding> = many.iter().collect();
        assert_eq!(one_by_one(&all).len(), 30);
        let different =
            |i: usize| Finding::error(Code::LinkLoop, Subject::Path(format!("a{i}")), format!("is {i}"), "mend");
        let different: Vec<Finding> = (0..9).map(different).collect();
        let shown = shown(&different);
        assert_eq!((shown.len(), shown[5].0.as_str()), (6, "and 4 more"));
    }

    #[test]
    fn many_findings_are_grouped_in_little_time() {
        // Comparing each with each would take minutes.
        let many: Vec<Finding> = (0..100_000).map(|i| missing(&format!("lib{i}.so"), "lib/x.so")).collect();
        assert!(shown(&many)[0].0.starts_with("100000 libraries are missing: lib0.so (x.so), "));
    }
}
