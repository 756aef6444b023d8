//! `--drop`, `--keep` and `--handler`: targets become entries, what is dropped is hidden in the tree with what only it
//! needed, and the remaining tree is analyzed again. So what breaks is found as in any other tree.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::Analysis;
use super::decide::{Decider, Decisions};
use super::settings::Settings;
use super::target;
use super::unneeded::needed_only_by;
use super::used::{self, Unused};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::languages::{Excluded, LanguageId, language};
use crate::prune::{Pruning, Removal, Retention};
use crate::resolve::{Need, Node};
use crate::tree::{EntryId, Place, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 6;

/// Removes from an analyzed tree what `--drop` names, what no handler uses, and what only that needed; `again` analyzes the
/// remaining tree.
///
/// # Errors
/// When a target of `--drop` or `--keep` is not found, or both name the same.
pub(super) fn apply<'a>(
    mut analysis: Analysis<'a>,
    decisions: Decisions,
    decider: Decider,
    settings: &'a Settings,
    again: impl FnOnce(Tree, Excluded) -> Analysis<'a>,
) -> Result<(Analysis<'a>, Decisions)> {
    for text in settings.keep.iter().filter(|text| !settings.passed_over.contains(*text)) {
        entries_named(&analysis, "--keep", text)?;
    }
    let mut dropped = named_by_drop(&analysis, &decisions.pruning, settings)?;
    let Unused { entries: unused, calls } = match &analysis.handlers {
        Some(handlers) => used::unused(&analysis, handlers, &decisions.pruning, &dropped),
        None => Unused::default(),
    };
    let unused: BTreeSet<EntryId> = unused.difference(&dropped).copied().collect();
    dropped.extend(&unused);
    analysis.calls = calls;
    if dropped.is_empty() {
        return Ok((analysis, decisions));
    }
    let removal = Retention::new(&analysis.resolution, &decisions.pruning).drop(dropped.iter().copied());
    let broken = broken_by_drop(&analysis, &decisions.pruning, &removal);
    let by_rules = stays_pruned(analysis.tree(), &decisions.pruning, &dropped, &removal);
    let packages = analysis.resolution.packages.all.iter();
    let packages = packages
        .filter(|package| removal.dropped.binary_search(&package.entry).is_ok())
        .map(|package| ((package.language, package.name.clone()), package.directory.clone()));
    let excluded = Excluded { packages: packages.collect(), roots: analysis.resolution.packages.roots() };

    let Analysis { resolution, mut bundled, handlers, calls, .. } = analysis;
    let mut tree = resolution.tree;
    tree.hide(removal.dropped.iter().chain(&removal.with_it).chain(&by_rules).copied());
    let mut analysis = again(tree, excluded);
    let is_there = |path: &str| TreePath::new(path).is_some_and(|path| analysis.tree().find(&path).is_some());
    bundled.retain(|library| is_there(&library.path));
    analysis.bundled = bundled;
    analysis.handlers = handlers;
    analysis.calls = calls;
    let mut now = decider.decide(&analysis, settings)?;
    now.pruning.record_removal(analysis.tree(), &removal, &unused, &decisions.pruning);
    now.findings.extend(broken);
    Ok((analysis, now))
}

/// What [`apply`] removes from the tree as it is: for what is still to be copied from the build host, which must not be needed
/// by that only. Targets that are not there yet, because they are to be copied, are passed over.
pub(super) fn removed(analysis: &mut Analysis<'_>, pruning: &Pruning, settings: &Settings) -> BTreeSet<EntryId> {
    let named = settings.drop.iter().filter_map(|text| entries_named(analysis, "--drop", text).ok());
    let mut dropped: BTreeSet<EntryId> = named.flatten().collect();
    dropped.extend(autoremoved(analysis, pruning, settings, &dropped));
    if let Some(handlers) = analysis.handlers.clone() {
        let Unused { entries, calls } = used::unused(analysis, &handlers, pruning, &dropped);
        dropped.extend(entries);
        analysis.calls = calls;
    }
    if dropped.is_empty() {
        return dropped;
    }
    Retention::new(&analysis.resolution, pruning).drop(dropped).all().collect()
}

/// The entries that `--drop` names.
fn named_by_drop(analysis: &Analysis<'_>, pruning: &Pruning, settings: &Settings) -> Result<BTreeSet<EntryId>> {
    let mut dropped = BTreeSet::new();
    for text in &settings.drop {
        let is_passed_over = settings.passed_over.contains(text);
        let entries = match entries_named(analysis, "--drop", text) {
            Err(_) if is_passed_over => continue,
            entries => entries?,
        };
        let mut files = entries.iter().filter(|id| !analysis.tree().entry(**id).is_directory()).peekable();
        if files.peek().is_some() && files.all(|id| pruning.is_pinned(*id)) {
            if is_passed_over {
                continue;
            }
            return Err(Error::Usage {
                message: format!("--drop {text}: all of it is kept by --keep"),
                help: "remove it from one of the two".to_owned(),
            });
        }
        dropped.extend(entries);
    }
    dropped.extend(autoremoved(analysis, pruning, settings, &dropped));
    Ok(dropped)
}

/// With `--autoremove`, the entries of packages that only packages with their description among these entries need.
pub(crate) fn autoremoved(
    analysis: &Analysis<'_>,
    pruning: &Pruning,
    settings: &Settings,
    dropped: &BTreeSet<EntryId>,
) -> BTreeSet<EntryId> {
    let packages = &analysis.resolution.packages;
    let named: BTreeSet<usize> =
        (0..packages.all.len()).filter(|position| dropped.contains(&packages.get(*position).entry)).collect();
    if !settings.autoremove || named.is_empty() {
        return BTreeSet::new();
    }
    let more = needed_only_by(&analysis.resolution, pruning, &named);
    more.into_iter().flat_map(|position| packages.get(position).entries(analysis.tree())).collect()
}

/// What rules drop and must stay dropped: files of a dropped package, which no rule matches once the package is not found
/// any more, and links that now lead to nothing.
fn stays_pruned(tree: &Tree, pruning: &Pruning, dropped: &BTreeSet<EntryId>, removal: &Removal) -> Vec<EntryId> {
    let all: BTreeSet<EntryId> = removal.all().collect();
    let leads_there = |id: EntryId| match tree.follow(id) {
        Place::Inside(target) => target != id && (all.contains(&target) || dropped.contains(&target)),
        _ => false,
    };
    let ids = tree.iter().map(|(id, _)| id);
    ids.filter(|id| !pruning.keeps(*id) && (dropped.contains(id) || leads_there(*id))).collect()
}

/// The entries that an argument names.
fn entries_named(analysis: &Analysis<'_>, option: &str, text: &str) -> Result<BTreeSet<EntryId>> {
    let targets = target::resolve_target(analysis, option, text)?;
    let entries = target::entries(analysis, &targets);
    if entries.is_empty() {
        return Err(Error::Usage {
            message: format!("{option} {text}: not in the tree"),
            help: format!("layerfit why {text} shows where it comes from"),
        });
    }
    Ok(entries)
}

/// Findings about what is removed although something that stays needs it: files of languages and packages, and packages that
/// a session loads at startup. What packages and libraries need of each other is found when the tree is analyzed again.
fn broken_by_drop(analysis: &Analysis<'_>, pruning: &Pruning, removal: &Removal) -> Vec<Finding> {
    let (tree, packages) = (analysis.tree(), &analysis.resolution.packages);
    let all: BTreeSet<EntryId> = removal.all().collect();
    let stays = |id: EntryId| pruning.keeps(id) && !all.contains(&id);
    let language_of = |path: &TreePath| match packages.of_path(path) {
        Some(position) => Some(packages.get(position).language),
        None => packages.installation_of(path).map(|installation| installation.language),
    };
    let files = tree.iter().filter(|(id, entry)| !entry.is_directory() && stays(*id));
    let remaining: BTreeSet<LanguageId> = files.filter_map(|(_, entry)| language_of(&entry.path)).collect();

    let mut findings = Vec::new();
    let mut lost: BTreeMap<Subject, Vec<String>> = BTreeMap::new();
    for from in analysis.resolution.graph.nodes() {
        let who = match from {
            Node::Runtime(id) if remaining.contains(id) => Subject::whole(language(*id).name()),
            Node::Package(position) if stays(packages.get(*position).entry) => {
                Subject::unit(packages.unit_name(*position))
            }
            Node::Entry(id) if stays(*id) => Subject::from(tree.path(*id)),
            _ => continue,
        };
        for (to, need) in analysis.resolution.graph.needs(from) {
            match (from, to, need) {
                (_, Node::Entry(id), Need::Contains | Need::LinksTo) if all.contains(id) => {
                    lost.entry(who.clone()).or_default().push(tree.path(*id).to_string());
                }
                (Node::Runtime(id), Node::Package(position), Need::Imports) => {
                    let package = packages.get(*position);
                    // Another copy is as good.
                    let another = packages.copies(*id, &package.name).any(|copy| stays(packages.get(copy).entry));
                    let why = language(*id).needs().without(&package.name);
                    if let (true, false, Some(why)) = (all.contains(&package.entry), another, why) {
                        let name = language(*id).name();
                        findings.push(Finding::error(
                            Code::DroppedThoughNeeded,
                            Subject::unit(packages.unit_name(*position)),
                            format!("--drop removes it, but {name} loads it at startup: {why}"),
                            "remove it from --drop",
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    for (who, paths) in lost {
        let message = format!("needs files that --drop removes: {}", list::some(&paths, MAX_NAMES));
        let help = format!("remove them from --drop, or drop all of {who}");
        findings.push(Finding::error(Code::DroppedThoughNeeded, who, message, help));
    }
    findings
}
