//! Steps about packages: those that the function does not use, that nothing needs, or that a run did not open.

use std::collections::BTreeSet;

use super::step::{Change, Draft, Figures, Setting, Steps, Suggestion, is_plain};
use crate::base::bytes::plural;
use crate::base::list;
use crate::languages::language;
use crate::pack::Unit;
use crate::plan::unneeded::{Unneeded, unneeded};
use crate::prune::Retention;
use crate::resolve::Node;
use crate::tree::EntryId;

/// How many packages that nothing needs are steps, the largest first.
const MAX_UNNEEDED: usize = 5;

/// How many names a sentence lists.
const MAX_NAMES: usize = 3;

impl Steps<'_> {
    /// Reading the function's own code, when that was not done: at most everything goes that its language starts without.
    pub(super) fn handler(&self) -> Option<Suggestion> {
        if !self.settings.handlers.is_empty() {
            return None;
        }
        let resolution = &self.plan.analysis.resolution;
        let (tree, packages) = (&resolution.tree, &resolution.packages);
        let pinned = |position: &usize| packages.get(*position).entries(tree).any(|id| self.plan.pruning.is_pinned(id));
        let languages = packages.languages();
        let start = (0..packages.all.len()).filter(pinned).map(Node::Package);
        let used = resolution.graph.reach(languages.iter().copied().map(Node::Runtime).chain(start));
        let is_unused = |position: &usize| {
            let package = packages.get(*position);
            let kept = self.plan.pruning.keeps(package.entry) && languages.contains(&package.language);
            kept && !used.contains_key(&Node::Package(*position))
        };
        let unused: Vec<usize> = (0..packages.all.len()).filter(is_unused).collect();
        let of: BTreeSet<_> = unused.iter().map(|position| packages.get(*position).language).collect();
        let of: Vec<&str> = of.into_iter().map(|id| language(id).name()).collect();
        let entries = unused.iter().flat_map(|position| packages.get(*position).entries(tree));
        let change = self.dropping(entries);
        let draft = Draft {
            name: "handler".to_owned(),
            step: "--handler DIR".to_owned(),
            what: format!(
                "keeps only the {} packages that the code of your function in DIR uses, with what they need",
                list::with_last(&of, "and")
            ),
            risk: "packages that code names only at run time".to_owned(),
            setting: Some(Setting::Paths("handler")),
        };
        (!unused.is_empty()).then(|| Suggestion { figures: Figures::AtMost, ..self.step(draft, &change) })
    }

    /// Packages that nothing in the tree needs, each with those that only it needs. With handlers or a trace, other steps and
    /// findings say which packages are not used.
    pub(super) fn unneeded(&self) -> Vec<Suggestion> {
        if !self.settings.handlers.is_empty() || !self.settings.run.paths.is_empty() {
            return Vec::new();
        }
        let resolution = &self.plan.analysis.resolution;
        let mut retention = Retention::new(resolution, &self.plan.pruning);
        let mut sized: Vec<(u64, Unneeded, Change)> = Vec::new();
        for unneeded in unneeded(resolution, &self.plan.pruning) {
            let change = self.removing(&mut retention, unneeded.entries(resolution));
            let zipped = change.keys().map(|id| self.size(*id).0).sum();
            sized.push((zipped, unneeded, change));
        }
        sized.sort_by(|a, b| (b.0, a.1.package).cmp(&(a.0, b.1.package)));
        let steps = sized.into_iter().filter_map(|(_, unneeded, change)| self.drop_step(&unneeded, &change));
        steps.take(MAX_UNNEEDED).collect()
    }

    fn drop_step(&self, unneeded: &Unneeded, change: &Change) -> Option<Suggestion> {
        let packages = &self.plan.analysis.resolution.packages;
        let names: Vec<String> = unneeded.packages().map(|position| packages.unit_name(position)).collect();
        if !names.iter().all(|name| is_plain(name)) {
            return None;
        }
        let short = |positions: &[usize]| -> Vec<String> {
            positions.iter().map(|position| packages.get(*position).name.clone()).collect()
        };
        let name = &packages.get(unneeded.package).name;
        let with_it = short(&unneeded.with_it);
        let what = match with_it.as_slice() {
            [] => format!("nothing in the tree needs {name}"),
            others => format!("nothing in the tree needs {name}, and only it needs {}", list::some(others, MAX_NAMES)),
        };
        let used: Vec<&str> = std::iter::once(name.as_str()).chain(with_it.iter().map(String::as_str)).collect();
        let mut risk = match used.len() {
            ..=MAX_NAMES => format!("code of the function that uses {}", list::with_last(&used, "or")),
            _ => format!("code of the function that uses {name} or one of the {} others", with_it.len()),
        };
        match short(&unneeded.option_of).as_slice() {
            [] => {}
            [one] => risk += &format!("; {one} can use it"),
            some => risk += &format!("; {} can use it", list::some(some, MAX_NAMES)),
        }
        let draft = Draft {
            name: format!("drop-{}", names[0].trim_start_matches("pkg:")),
            step: format!("--drop {}", names.join(",")),
            what,
            risk,
            setting: Some(Setting::Add("drop", names)),
        };
        Some(self.step(draft, change))
    }

    /// Packages of which no run opened a file, except those that are needed without the others.
    pub(super) fn not_opened(&self) -> Option<Suggestion> {
        if self.settings.run.paths.is_empty() {
            return None;
        }
        let is_idle = |unit: &&Unit| {
            let opened = unit.entries.iter().any(|entry| self.plan.pruning.is_pinned(entry.id));
            unit.name.starts_with("pkg:") && is_plain(&unit.name) && !opened
        };
        let mut idle: Vec<&Unit> = self.plan.units.iter().filter(is_idle).collect();
        // A package that stays has needs of its own, so this is repeated until nothing changes.
        loop {
            let needed = self.needed_without(&idle);
            let before = idle.len();
            idle.retain(|unit| !unit.entries.iter().any(|entry| needed.contains(&entry.id)));
            if idle.len() == before {
                break;
            }
        }
        let change: Change = idle.iter().flat_map(|unit| &unit.entries).map(|entry| (entry.id, None)).collect();
        let names: Vec<String> = idle.iter().map(|unit| unit.name.clone()).collect();
        let draft = Draft {
            name: "drop-not-opened".to_owned(),
            step: format!("--drop {}", names.join(",")),
            what: format!("the run opened no file of {}", plural(names.len(), "package", "packages")),
            risk: "code of the function that the run did not reach".to_owned(),
            setting: Some(Setting::Add("drop", names.clone())),
        };
        (!names.is_empty()).then(|| self.step(draft, &change))
    }

    /// What dropping entries removes.
    fn dropping(&self, entries: impl IntoIterator<Item = EntryId>) -> Change {
        let mut retention = Retention::new(&self.plan.analysis.resolution, &self.plan.pruning);
        self.removing(&mut retention, entries)
    }

    fn removing(&self, retention: &mut Retention, entries: impl IntoIterator<Item = EntryId>) -> Change {
        let removal = retention.drop(entries);
        removal.all().filter(|id| self.now.get(*id).is_some()).map(|id| (id, None)).collect()
    }
}
