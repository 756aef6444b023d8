//! Used: which packages a function uses, by its sources: those that they name, what these need, what their language loads
//! at startup, and the packages of its distribution that the code of all these calls without declaring it.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use crate::languages::handlers::Handlers;
use crate::languages::{CodeCalls, Package, language};
use crate::prune::Pruning;
use crate::resolve::Node;
use crate::tree::EntryId;

/// What no handler uses, and what the code of the used packages calls.
#[derive(Default)]
pub(super) struct Unused {
    /// The entries of the packages that no handler uses.
    pub(super) entries: BTreeSet<EntryId>,
    /// What the code of the used packages calls.
    pub(super) calls: CodeCalls,
}

/// The packages that no handler uses, if anything is dropped without which others are not used either: what is pinned or
/// was opened in a run counts as used, and so does what that needs. Packages of a language that no handler is written in are
/// left alone.
pub(super) fn unused(
    analysis: &Analysis<'_>,
    handlers: &Handlers,
    pruning: &Pruning,
    dropped: &BTreeSet<EntryId>,
) -> Unused {
    let (tree, packages) = (analysis.tree(), &analysis.resolution.packages);
    let below = |position: usize| packages.get(position).entries(tree);
    let languages = &handlers.languages;
    let named = analysis.used_packages().keys().copied();
    let at_start = languages
        .iter()
        .flat_map(|id| language(*id).needs().start_packages().flat_map(|name| packages.copies(*id, name)));
    let by_environment = languages.iter().flat_map(|id| {
        let names = language(*id).started_packages(packages, tree);
        names.into_iter().flat_map(|name| packages.copies(*id, &name).collect::<Vec<_>>())
    });
    let at_start = at_start.chain(by_environment);
    let pinned = (0..packages.all.len()).filter(|position| below(*position).any(|id| pruning.is_pinned(id)));
    let sessions = languages.iter().copied().map(Node::Runtime);
    // Code of the tree that Lambda starts uses packages as the handlers do.
    let started = analysis.resolution.commands.startup_scripts.keys().copied();
    let started = started.filter(|id| pruning.keeps(*id) && !dropped.contains(id)).map(Node::Entry);
    let mut roots: Vec<Node> =
        named.chain(at_start).chain(pinned).map(Node::Package).chain(sessions).chain(started).collect();

    // What only something dropped needs is not used.
    let is_dropped = |position: usize| {
        let entry = packages.get(position).entry;
        dropped.contains(&entry) && !pruning.is_pinned(entry)
    };
    let passes = |node: &Node| !matches!(node, Node::Package(position) if is_dropped(*position));
    // What was read before is not read again.
    let mut calls = analysis.calls.clone();
    let reached = loop {
        let reached =
            analysis.resolution.graph.reach_through(roots.iter().filter(|node| passes(node)).cloned(), passes);
        let of_handlers = reached.keys().filter_map(|node| match node {
            Node::Package(position) => Some(packages.get(*position)),
            _ => None,
        });
        let used: Vec<&Package> = of_handlers.filter(|package| languages.contains(&package.language)).collect();
        calls.read(packages, tree, used.iter().copied());
        let attached = attached(analysis);
        let mut more: BTreeSet<Node> = BTreeSet::new();
        for package in used {
            let Some(calls) = calls.of(package) else { continue };
            // Anything else that is not declared as required is an option, which is reported.
            let called =
                calls.callers.keys().filter(|name| language(package.language).is_used_if_called(package, name));
            let attaches = calls.at_attach.keys().filter(|_| attached.contains(&package.entry));
            for name in called.chain(calls.at_load.keys()).chain(attaches) {
                more.extend(packages.copies(package.language, name).map(Node::Package));
            }
        }
        more.retain(|node| passes(node) && !reached.contains_key(node));
        if more.is_empty() {
            break reached;
        }
        roots.extend(more);
    };
    let is_unused = |position: &usize| {
        languages.contains(&packages.get(*position).language) && !reached.contains_key(&Node::Package(*position))
    };
    Unused { entries: (0..packages.all.len()).filter(is_unused).flat_map(below).collect(), calls }
}

/// The packages that handlers attach, and those that are attached with these, by what declares them.
fn attached(analysis: &Analysis<'_>) -> BTreeSet<EntryId> {
    let packages = &analysis.resolution.packages;
    let used = analysis.used_packages().iter().filter(|(_, used)| used.attached);
    packages.attached_with(used.map(|(position, _)| *position))
}

/// The packages that the code of a package calls or that it suggests, if they are in the tree: those that `function` and the
/// functions of the package that it leads to call, or all without it.
pub(super) fn options(analysis: &Analysis<'_>, package: &Package, function: Option<&str>) -> BTreeSet<usize> {
    let calls_of = language(package.language).calls(&analysis.resolution.packages, analysis.tree());
    let calls = calls_of(package).unwrap_or_default();
    let of_function = function.map(|function| calls.reached([function]));
    let is_reached = |callers: &BTreeSet<String>| {
        of_function.as_ref().is_none_or(|reached| callers.iter().any(|caller| reached.contains(caller.as_str())))
    };
    let called = calls.callers.iter().filter(|(_, callers)| is_reached(callers)).map(|(name, _)| name);
    let suggested = package.suggests.iter().filter(|_| function.is_none());
    let packages = &analysis.resolution.packages;
    called.chain(suggested).flat_map(|name| packages.copies(package.language, name)).collect()
}
