//! What `--drop` and `--keep` name: targets become entries, what is dropped is hidden in the tree with what only it needed,
//! and the tree is looked at again as it is without that. So what breaks is found as in any other tree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Analyzed, Decided, Settings, analyze_tree};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::path::TreePath;
use crate::progress::Progress;
use crate::prune::{Gone, Holds, Pruning, Spared};
use crate::resolve::{LeftOut, Need, Node};
use crate::rules::RNeeds;
use crate::scan::{EntryId, Place, Tree};
use crate::target;

/// How many names a message lists.
const NAMES_SHOWN: usize = 6;

/// What no rule may drop: what `--keep` names, and what a run opened.
pub(super) fn spared(analyzed: &Analyzed<'_>, settings: &Settings) -> Spared {
    Spared { on_request: on_request(analyzed, settings), opened: opened(&analyzed.tree, settings) }
}

/// The entries that runs opened, with every link on the way to them.
fn opened(tree: &Tree, settings: &Settings) -> BTreeSet<EntryId> {
    let mut entries = BTreeSet::new();
    for path in &settings.opened {
        let named = TreePath::from_mounted(path).and_then(|path| tree.find(&path));
        let mut next = named;
        // A link and each that it leads to; a circle opens nothing.
        while let Some(id) = next.filter(|id| entries.insert(*id)) {
            next = tree.next_hop(id);
        }
        if let Place::Inside(id) = tree.locate(path) {
            entries.insert(id);
        }
    }
    entries
}

/// What `--keep` names and is there. What is not there yet may be bundled; at the end [`leave_out`] wants all of it.
pub(super) fn on_request(analyzed: &Analyzed<'_>, settings: &Settings) -> BTreeSet<EntryId> {
    let things: Vec<_> = settings.keep.iter().flat_map(|text| target::find(analyzed, text)).collect();
    target::entries(analyzed, &things)
}

/// Leaves out of an analyzed tree what `--drop` names and what only that needed, and decides anew.
///
/// # Errors
/// When a target of `--drop` or `--keep` is not there, or both name the same.
pub(super) fn leave_out<'a>(
    analyzed: Analyzed<'a>,
    (said, pruning): Decided,
    scanned: Vec<Finding>,
    (settings, progress): (&'a Settings, &dyn Progress),
    decide: impl Fn(&Analyzed<'a>) -> Result<Decided>,
) -> Result<(Analyzed<'a>, Decided)> {
    for text in &settings.keep {
        in_tree(&analyzed, "--keep", text)?;
    }
    let mut dropped: BTreeSet<EntryId> = BTreeSet::new();
    for text in &settings.drop {
        let entries = in_tree(&analyzed, "--drop", text)?;
        let files = |id: &&EntryId| !analyzed.tree.entry(**id).is_directory();
        if entries.iter().filter(files).all(|id| pruning.keeps_on_request(*id)) && entries.iter().any(|id| files(&id)) {
            return Err(Error::Usage {
                message: format!("--drop {text}: --keep names all of it"),
                help: "take it out of one of the two".to_owned(),
            });
        }
        dropped.extend(entries);
    }
    let unused = unused_by_handlers(&analyzed, &pruning)?;
    let unused: BTreeSet<EntryId> = unused.difference(&dropped).copied().collect();
    dropped.extend(&unused);
    if dropped.is_empty() {
        return Ok((analyzed, (said, pruning)));
    }
    let gone = Holds::new(&analyzed.tree, &analyzed.resolution, &pruning).drop(dropped.iter().copied());
    let needed = needed_all_the_same(&analyzed, &pruning, &gone)?;
    // What rules drop of a package is not to come back because the package is not there any more; nor a link that a rule
    // drops, because it leads to nothing now.
    let all: BTreeSet<EntryId> = gone.all().collect();
    let leads_there = |id: EntryId| match analyzed.tree.follow(id) {
        Place::Inside(target) => target != id && all.contains(&target),
        _ => false,
    };
    let by_rules: Vec<EntryId> = analyzed
        .tree
        .iter()
        .map(|(id, _)| id)
        .filter(|id| !pruning.keeps(*id) && (dropped.contains(id) || leads_there(*id)))
        .collect();
    let packages = analyzed.resolution.r.packages.iter();
    let packages = packages
        .filter(|package| gone.dropped.binary_search(&package.entry).is_ok())
        .map(|p| (p.name().to_owned(), p.directory.clone()));
    let left_out = LeftOut { packages: packages.collect(), roots: analyzed.resolution.r.roots() };

    let Analyzed { mut tree, mut bundled, handlers, .. } = analyzed;
    tree.hide(gone.dropped.iter().chain(&gone.with_it).chain(&by_rules).copied());
    let mut analyzed = analyze_tree((tree, scanned), settings, progress)?;
    let is_there = |path: &str| TreePath::new(path).is_some_and(|path| analyzed.tree.find(&path).is_some());
    bundled.retain(|library| is_there(&library.path));
    analyzed.bundled = bundled;
    analyzed.handlers = handlers;
    analyzed.resolution.r.left_out = left_out;
    let (mut said, mut now) = decide(&analyzed)?;
    now.note_gone(&analyzed.tree, &gone, &unused, &pruning)?;
    said.extend(needed);
    Ok((analyzed, (said, now)))
}

/// The entries of packages that no handler uses: not by name, nor through what a used one needs, nor because R starts with
/// them. What is kept on request, or opened in a run, is used, and so is what that needs.
fn unused_by_handlers(analyzed: &Analyzed<'_>, pruning: &Pruning) -> Result<BTreeSet<EntryId>> {
    let Some(handlers) = &analyzed.handlers else { return Ok(BTreeSet::new()) };
    let (tree, r) = (&analyzed.tree, &analyzed.resolution.r);
    let needs = RNeeds::built_in()?;
    let below = |position: usize| tree.below(&r.packages[position].directory).map(|(id, _)| id);
    let named = handlers.packages.keys().map(String::as_str).chain(needs.start_packages());
    let named = named.flat_map(|name| r.find_package(name));
    let asked = (0..r.packages.len()).filter(|position| below(*position).any(|id| pruning.keeps_on_request(id)));
    let roots = named.chain(asked).map(Node::Package).chain([Node::R]);
    let reached = analyzed.resolution.graph.reach(roots);
    let unused = (0..r.packages.len()).filter(|position| !reached.contains_key(&Node::Package(*position)));
    Ok(unused.flat_map(below).collect())
}

/// The entries that an argument names.
fn in_tree(analyzed: &Analyzed<'_>, option: &str, text: &str) -> Result<BTreeSet<EntryId>> {
    let things = target::find_or_say(analyzed, option, text)?;
    let entries = target::entries(analyzed, &things);
    if entries.is_empty() {
        return Err(Error::Usage {
            message: format!("{option} {text}: it is not in the tree"),
            help: format!("layerfit why {text} says where it comes from"),
        });
    }
    Ok(entries)
}

/// What goes though something that stays needs it: of R and of packages, files and the packages that R starts with. What
/// packages and libraries need of others is found when the tree is looked at again.
fn needed_all_the_same(analyzed: &Analyzed<'_>, pruning: &Pruning, gone: &Gone) -> Result<Vec<Finding>> {
    let (tree, r) = (&analyzed.tree, &analyzed.resolution.r);
    let all: BTreeSet<EntryId> = gone.all().collect();
    let stays = |id: EntryId| pruning.keeps(id) && !all.contains(&id);
    let in_r = |id: EntryId| {
        let path = tree.path(id);
        r.package_of(path).is_some() || r.homes.iter().any(|home| path.below(&home.path).is_some())
    };
    let r_stays = tree.iter().any(|(id, entry)| !entry.is_directory() && stays(id) && in_r(id));

    let needs = RNeeds::built_in()?;
    let mut findings = Vec::new();
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for from in analyzed.resolution.graph.nodes() {
        let who = match from {
            Node::R if r_stays => "R".to_owned(),
            Node::Package(position) if stays(r.packages[*position].entry) => target::package_name(analyzed, *position),
            Node::Entry(id) if stays(*id) => tree.path(*id).to_string(),
            _ => continue,
        };
        for (to, need) in analyzed.resolution.graph.needs(from) {
            match (to, need) {
                (Node::Entry(id), Need::Contains | Need::LinksTo) if all.contains(id) => {
                    files.entry(who.clone()).or_default().push(tree.path(*id).to_string());
                }
                (Node::Package(position), Need::Imports) if *from == Node::R => {
                    let package = &r.packages[*position];
                    // Another copy will do.
                    let copies = r.find_package(package.name()).filter(|copy| stays(r.packages[*copy].entry)).count();
                    if let (true, 0, Some(why)) = (all.contains(&package.entry), copies, needs.without(package.name()))
                    {
                        findings.push(Finding::error(
                            Code::DroppedThoughNeeded,
                            target::package_name(analyzed, *position),
                            format!("--drop takes it, and R starts with it: {why}"),
                            "take it out of --drop",
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    for (who, paths) in files {
        let more = paths.len().saturating_sub(NAMES_SHOWN);
        let others = if more > 0 { format!(" and {more} more") } else { String::new() };
        findings.push(Finding::error(
            Code::DroppedThoughNeeded,
            &who,
            format!("needs what --drop takes: {}{others}", paths[..paths.len() - more].join(", ")),
            format!("take it out of --drop, or drop {who} as a whole"),
        ));
    }
    Ok(findings)
}
