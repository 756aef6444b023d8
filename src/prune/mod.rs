//! Prune: one decision for each file. Rules propose what to drop; the guard reverts drops of what something kept needs.
//! `--keep` and `--drop` override the rules.

mod content;
mod literals;
mod matches;
mod retention;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

pub use content::Content;
use content::Prefixes;
use literals::Literals;
pub use matches::Matches;
pub use retention::{Removal, Retention};
use rules::candidate;
pub use rules::{CompiledRule, CompiledRules, Condition, Level, PruneRule, PruneRules, requested_rules};

use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::subject::Subject;
use crate::languages::{ALL, Packages, language};
use crate::resolve::{Node, Resolution};
use crate::tree::{EntryId, Kind, Place, Tree};

/// How many paths a finding lists.
const PATHS_SHOWN: usize = 3;

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is packed.
    Keep,
    /// The rule at this position of [`Pruning::rules`] drops it.
    Drop(usize),
}

/// What becomes of every entry of a tree.
pub struct Pruning {
    /// The rules that were on, in the order of their codes; after them those that stand for `--drop` and `--handler`.
    pub rules: Vec<PruneRule>,
    decisions: Decisions,
    /// The rules that match each entry; for a kept one, the guard reverted them.
    matches: Matches,
    /// What `--keep` names, and what a run opened.
    pinned: BTreeSet<EntryId>,
}

/// The decision on each entry, by its position: that of the rule that drops it, or `KEPT`.
struct Decisions(Vec<u32>);

/// No rule has this position.
const KEPT: u32 = u32::MAX;

impl Decisions {
    fn get(&self, id: EntryId) -> Decision {
        match self.0[id.index()] {
            KEPT => Decision::Keep,
            rule => Decision::Drop(rule as usize),
        }
    }

    fn set(&mut self, id: EntryId, decision: Decision) {
        self.0[id.index()] = encode(decision);
    }
}

fn encode(decision: Decision) -> u32 {
    match decision {
        Decision::Keep => KEPT,
        Decision::Drop(rule) => u32::try_from(rule).unwrap_or(KEPT),
    }
}

impl Pruning {
    /// Keeps everything; `pinned` is what `--keep` names.
    pub fn none(tree: &Tree, pinned: BTreeSet<EntryId>) -> Self {
        let entries = tree.entries().len();
        Self { rules: Vec::new(), decisions: Decisions(vec![KEPT; entries]), matches: Matches::none(entries), pinned }
    }

    /// Records what `--drop` and `--handler` removed from the tree as drops by rules of their own; `unused` is what no
    /// handler uses. What was kept `before` and was not removed is still kept, even if a rule now finds that nothing loads
    /// it; what is hidden and was not removed was already dropped `before`, by the same rule.
    pub fn record_removal(&mut self, tree: &Tree, removal: &Removal, unused: &BTreeSet<EntryId>, before: &Pruning) {
        let all: BTreeSet<EntryId> = removal.all().collect();
        for (id, _) in tree.all() {
            if tree.is_hidden(id) || (before.keeps(id) && !all.contains(&id)) {
                self.decisions.set(id, before.decision(id));
            }
            if tree.is_hidden(id) {
                // The rules were not tried on what is hidden, nor can those of a language tell that it had been a package's.
                self.matches.set(id.index(), before.matches.of(id.index()));
            }
        }
        let (by_handlers, named): (Vec<EntryId>, Vec<EntryId>) =
            removal.dropped.iter().partition(|id| unused.contains(id));
        for (rule, entries) in requested_rules().iter().zip([named, removal.with_it.clone(), by_handlers]) {
            for id in entries {
                self.decisions.set(id, Decision::Drop(self.rules.len()));
            }
            self.rules.push(rule.clone());
        }
    }

    /// The rules that match an entry; when it is kept, the guard reverted them.
    pub fn matching(&self, id: EntryId) -> impl Iterator<Item = &PruneRule> {
        self.matches.of(id.index()).iter().map(|rule| &self.rules[*rule])
    }

    /// A note about the rules that match nothing, also nothing of what `--drop` and `--handler` removed.
    pub fn idle_rules(&self) -> Option<Finding> {
        let by_decision = self.decisions.0.iter().filter(|rule| **rule != KEPT).map(|rule| *rule as usize);
        let matched: BTreeSet<usize> = self.matches.rules().into_iter().chain(by_decision).collect();
        let idle = self
            .rules
            .iter()
            .enumerate()
            .filter(|(position, rule)| rule.level != Level::Requested && !matched.contains(position));
        let idle: Vec<&str> = idle.map(|(_, rule)| rule.code.as_str()).collect();
        (!idle.is_empty()).then(|| {
            Finding::info(
                Code::RuleMatchedNothing,
                Subject::whole("rules"),
                format!("match nothing in this tree: {}", idle.join(", ")),
                "nothing to do; `layerfit rules CODE` explains a rule",
            )
        })
    }

    /// Whether `--keep` names an entry.
    pub fn is_pinned(&self, id: EntryId) -> bool {
        self.pinned.contains(&id)
    }

    /// What becomes of an entry. Always `Keep` for a directory, which is packed or not depending on what is in it.
    pub fn decision(&self, id: EntryId) -> Decision {
        self.decisions.get(id)
    }

    /// Whether an entry is packed.
    pub fn keeps(&self, id: EntryId) -> bool {
        self.decision(id) == Decision::Keep
    }
}

/// A drop that the guard reverted: of one file, or of everything a rule matched in one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Revoked {
    File(usize, EntryId),
    Package(usize, usize),
}

/// What no rule may drop.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    /// What `--keep` names.
    pub pinned: BTreeSet<EntryId>,
    /// What a run of the function opened.
    pub opened: BTreeSet<EntryId>,
    /// Data for something that the function does not name: all other data is protected from rules that ask for this.
    pub unnamed: BTreeSet<EntryId>,
    /// The packages that handlers use, by their positions: their files are needed, as those of a kept package are.
    pub used: BTreeSet<usize>,
}

/// Which of these rules match which entries, except what is protected from them.
struct Matching<'a> {
    tree: &'a Tree,
    rules: Vec<&'a CompiledRule>,
    literals: Literals,
    prefixes: Prefixes,
    packages: &'a Packages,
    protected: &'a Protected,
}

impl<'a> Matching<'a> {
    fn new(resolution: &'a Resolution<'_>, rules: Vec<&'a CompiledRule>, protected: &'a Protected) -> Self {
        let tree = &resolution.tree;
        let prefixes = Prefixes::of(tree, resolution.packages.installations.iter().map(|it| it.path.clone()));
        let literals = Literals::of(rules.iter().map(|compiled| &compiled.rule));
        Self { tree, rules, literals, prefixes, packages: &resolution.packages, protected }
    }

    /// The rules that would drop a file or link, if that is not protected, in their order.
    fn dropping(&self, id: EntryId) -> impl Iterator<Item = usize> {
        let path = self.tree.path(id);
        let possible = self.literals.rules(path);
        let candidate = (!possible.is_empty()).then(|| candidate(path));
        possible.into_iter().filter(move |rule| {
            candidate
                .as_ref()
                .is_some_and(|candidate| self.rules[*rule].drops(self.tree, &self.prefixes, id, candidate))
        })
    }

    /// Whether a file or link fulfils the condition of a rule, and is not protected from it.
    fn is_allowed(&self, rule: usize, id: EntryId) -> bool {
        let is_opened = self.protected.opened.contains(&id);
        match self.rules[rule].rule.only {
            Some(Condition::NeverUsed) => ALL.iter().any(|it| it.is_never_used(self.packages, self.tree, id)),
            Some(Condition::Unnamed) => !is_opened && self.protected.unnamed.contains(&id),
            Some(Condition::Unloaded) | None => !is_opened,
        }
    }

    /// The rules that match the entry at a position of the tree; a library that something loads, too, matches those for
    /// libraries that nothing loads.
    fn of(&self, at: usize) -> Vec<usize> {
        let id = self.tree.id_at(at);
        match self.tree.entry(id).kind {
            Kind::Directory => Vec::new(),
            _ if self.tree.is_hidden(id) || self.protected.pinned.contains(&id) => Vec::new(),
            _ => self.dropping(id).filter(|rule| self.is_allowed(*rule, id)).collect(),
        }
    }
}

/// The rules that match each entry of a tree, by its position, of these that are on or off, except what is protected from
/// them: what [`prune`] decides from.
pub fn matches(resolution: &Resolution<'_>, rules: Vec<&CompiledRule>, protected: &Protected) -> Matches {
    let matching = Matching::new(resolution, rules, protected);
    Matches::new(resolution.tree.entries().len(), |at| matching.of(at))
}

/// Applies the rules that are on, except to what is protected, and then the guard.
///
/// Returns the decisions, and findings about reverted drops and rules that matched nothing.
pub fn prune(resolution: &Resolution<'_>, rules: &CompiledRules, protected: &Protected) -> (Pruning, Vec<Finding>) {
    let tree = &resolution.tree;
    let compiled: Vec<&CompiledRule> = rules.on().collect();
    let matching = Matching::new(resolution, compiled.clone(), protected);
    let not_by_opening = |rule: &usize| compiled[*rule].rule.only != Some(Condition::NeverUsed);
    let held_back = |id: EntryId| matching.dropping(id).find(not_by_opening);
    let opened = protected.opened.iter().copied();
    let opened: Vec<(EntryId, usize)> = opened.filter_map(|id| Some((id, held_back(id)?))).collect();
    let matches = Matches::new(tree.entries().len(), |at| matching.of(at));
    // Of what a run opened, only what no process can use matches a rule, and is dropped.
    let opened_and_kept = protected.opened.iter().filter(|id| matches.of(id.index()).is_empty());
    let pinned = protected.pinned.iter().chain(opened_and_kept).copied().collect();
    let (pruning, revoked) = pruned(resolution, &compiled, matches, pinned, &protected.used);
    let mut findings = findings(resolution, &pruning, &revoked);
    findings.extend(opened_in_run(tree, &pruning, &opened));
    (pruning, findings)
}

/// What becomes of a tree with only some of these rules on, by their positions; `all` are the matches of all of them.
pub fn prune_with(
    resolution: &Resolution<'_>,
    (rules, on): (&[&CompiledRule], &[usize]),
    all: &Matches,
    pinned: BTreeSet<EntryId>,
    used: &BTreeSet<usize>,
) -> Pruning {
    let off: Vec<usize> = (0..rules.len()).filter(|rule| !on.contains(rule)).collect();
    pruned(resolution, rules, all.without(&off, |_| false), pinned, used).0
}

/// Decides from the matches of these rules, and the drops that the guard reverted, with what needs them.
fn pruned(
    resolution: &Resolution<'_>,
    compiled: &[&CompiledRule],
    mut matches: Matches,
    pinned: BTreeSet<EntryId>,
    used: &BTreeSet<usize>,
) -> (Pruning, BTreeMap<Revoked, String>) {
    let tree = &resolution.tree;
    let package_of = |at: usize| resolution.packages.of_path(&tree.entries()[at].path);

    // Which libraries nothing loads depends on what is kept, so the other rules are settled first. Dropping such libraries
    // changes nothing else: nothing kept needs them.
    let matched = matches.rules();
    let conditional = (0..compiled.len()).filter(|i| compiled[*i].rule.only == Some(Condition::Unloaded));
    let conditional: Vec<usize> = conditional.filter(|rule| matched.contains(rule)).collect();
    if !conditional.is_empty() {
        let set_aside = matches.without(&conditional, |_| false);
        let (kept, _) = settle(resolution, &set_aside, &package_of, used);
        let unloaded = resolution.unloaded(|id| kept.get(id) == Decision::Keep);
        let unloaded: BTreeSet<usize> = unloaded.iter().map(|library| library.entry.index()).collect();
        matches = matches.without(&conditional, |at| unloaded.contains(&at));
    }
    let (decisions, revoked) = settle(resolution, &matches, &package_of, used);
    let rules = compiled.iter().map(|compiled| compiled.rule.clone()).collect();
    let mut pruning = Pruning { rules, decisions, matches, pinned };
    drop_links_to_nothing(tree, &mut pruning);
    (pruning, revoked)
}

/// Decides every entry, reverting drops until nothing kept needs anything dropped. Returns the decisions, and the reverted
/// drops with what needs them.
fn settle(
    resolution: &Resolution<'_>,
    matches: &Matches,
    package_of: &impl Fn(usize) -> Option<usize>,
    used: &BTreeSet<usize>,
) -> (Decisions, BTreeMap<Revoked, String>) {
    let mut revoked: BTreeMap<Revoked, String> = BTreeMap::new();
    loop {
        let decide = |id: EntryId| -> Decision {
            let rules = matches.of(id.index());
            let package = match rules {
                [] => return Decision::Keep,
                [first, ..] if revoked.is_empty() => return Decision::Drop(*first),
                _ => package_of(id.index()),
            };
            let allowed = |rule: &&usize| {
                !revoked.contains_key(&Revoked::File(**rule, id))
                    && !package.is_some_and(|p| revoked.contains_key(&Revoked::Package(**rule, p)))
            };
            rules.iter().find(allowed).map_or(Decision::Keep, |rule| Decision::Drop(*rule))
        };
        let decisions = Decisions(resolution.tree.all().map(|(id, _)| encode(decide(id))).collect());
        let newly_revoked = guard(resolution, &decisions, package_of, used);
        if newly_revoked.is_empty() {
            return (decisions, revoked);
        }
        revoked.extend(newly_revoked);
    }
}

/// What is dropped although something kept needs it, and what needs it.
fn guard(
    resolution: &Resolution<'_>,
    decisions: &Decisions,
    package_of: &impl Fn(usize) -> Option<usize>,
    used: &BTreeSet<usize>,
) -> BTreeMap<Revoked, String> {
    let tree = &resolution.tree;
    let kept = |id: EntryId| decisions.get(id) == Decision::Keep;
    // A directory is always `Keep`, which is not a decision.
    let mut roots = resolution.roots(|id| kept(id) && !tree.entry(id).is_directory());
    roots.extend(used.iter().map(|position| Node::Package(*position)));
    let reached = resolution.graph.reach(roots);

    let mut revoked = BTreeMap::new();
    for (node, from) in &reached {
        let Node::Entry(id) = node else { continue };
        let Decision::Drop(rule) = decisions.get(*id) else { continue };
        let by = match from {
            Some(Node::Package(position)) if used.contains(position) => "a handler".to_owned(),
            Some(from) => describe(resolution, from, &reached),
            None => String::new(),
        };
        // A rule that takes what a package needs is wrong for the package, but one test that is code says nothing of the others.
        match package_of(id.index()).filter(|_| !resolution.graph.is_only_imported(node)) {
            Some(package) => revoked.entry(Revoked::Package(rule, package)).or_insert(by),
            None => revoked.entry(Revoked::File(rule, *id)).or_insert(by),
        };
    }
    revoked
}

/// What needs something, as text; for a package's own file, what needs the package.
fn describe(resolution: &Resolution<'_>, node: &Node, reached: &BTreeMap<Node, Option<Node>>) -> String {
    match node {
        Node::Runtime(id) => language(*id).name().to_owned(),
        Node::Entry(id) => resolution.tree.path(*id).to_string(),
        Node::Package(position) => match reached.get(node) {
            Some(Some(from)) => describe(resolution, from, reached),
            _ => format!("pkg:{}", resolution.packages.get(*position).name),
        },
        Node::Image(name) | Node::Missing(name) => name.clone(),
    }
}

/// Drops links to directories of which nothing is left, by the rule that dropped their content.
fn drop_links_to_nothing(tree: &Tree, pruning: &mut Pruning) {
    for (id, entry) in tree.iter() {
        if !matches!(entry.kind, Kind::Link { .. }) || !pruning.keeps(id) || pruning.is_pinned(id) {
            continue;
        }
        let Place::Inside(target) = tree.follow(id) else { continue };
        if !tree.entry(target).is_directory() {
            continue;
        }
        let mut rule = None;
        let mut below = tree.below(tree.path(target)).filter(|(_, entry)| !entry.is_directory());
        let all_dropped = below.all(|(id, _)| match pruning.decision(id) {
            Decision::Keep => false,
            Decision::Drop(by) => {
                rule.get_or_insert(by);
                true
            }
        });
        if let (true, Some(rule)) = (all_dropped, rule) {
            pruning.decisions.set(id, Decision::Drop(rule));
        }
    }
}

fn findings(resolution: &Resolution<'_>, pruning: &Pruning, revoked: &BTreeMap<Revoked, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (what, by) in revoked {
        let (rule, subject) = match what {
            Revoked::File(rule, id) => (*rule, Subject::from(resolution.tree.path(*id))),
            Revoked::Package(rule, package) => (*rule, Subject::package(&resolution.packages.get(*package).name)),
        };
        let rule = &pruning.rules[rule];
        findings.push(Finding::info(
            Code::RuleHeldBack,
            subject,
            format!("matches rule {} ({}), but is kept: {by} needs it", rule.code, rule.name),
            format!("drop what needs it as well, or turn the rule off with --ignore {}", rule.code),
        ));
    }
    findings
}

/// A note about each rule that matches what a run of the function opened.
fn opened_in_run(tree: &Tree, pruning: &Pruning, opened: &[(EntryId, usize)]) -> Vec<Finding> {
    let mut by_rule: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (id, rule) in opened.iter().filter(|(id, _)| !tree.entry(*id).is_directory()) {
        by_rule.entry(*rule).or_default().push(tree.path(*id).to_string());
    }
    let finding = |(rule, paths): (usize, Vec<String>)| {
        let rule = &pruning.rules[rule];
        Finding::info(
            Code::OpenedInRun,
            Subject::rule(format_args!("{} {}", rule.code, rule.name)),
            format!(
                "matches files that the run opened or tried to open, which are kept: {}",
                list::some(&paths, PATHS_SHOWN)
            ),
            format!("nothing to do; --ignore {} also keeps the other files that the rule matches", rule.code),
        )
    };
    by_rule.into_iter().map(finding).collect()
}
