//! Steps about packages: those that the function does not use, that nothing needs, or that a run did not open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::step::{Change, Draft, Figures, Setting, Steps, Suggestion, is_plain};
use crate::base::bytes::plural;
use crate::base::list;
use crate::base::path::TreePath;
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
        // A managed runtime has the language itself.
        let managed = packages.all.iter().map(|package| package.language);
        let managed = managed.filter(|language| packages.runtime_version(*language).is_some());
        let languages: BTreeSet<_> = packages.languages().into_iter().chain(managed).collect();
        let start = (0..packages.all.len()).filter(pinned).map(Node::Package);
        let used = resolution.graph.reach(languages.iter().copied().map(Node::Runtime).chain(start));
        let is_unused = |position: &usize| {
            let package = packages.get(*position);
            let kept = self.plan.pruning.keeps(package.entry) && languages.contains(&package.language);
            kept && !used.contains_key(&Node::Package(*position))
        };
        let unused: Vec<usize> = (0..packages.all.len()).filter(is_unused).collect();
        if unused.is_empty() {
            return None;
        }
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
        Some(Suggestion { figures: Figures::AtMost, ..self.step(draft, &change) })
    }

    /// Packages that nothing in the tree needs, each with those that only it needs. With handlers or a trace, other steps and
    /// findings say which packages are not used.
    pub(super) fn unneeded(&self) -> Vec<Suggestion> {
        if !self.settings.handlers.is_empty() || !self.settings.run.paths.is_empty() {
            return Vec::new();
        }
        let resolution = &self.plan.analysis.resolution;
        let mut sized: Vec<(u64, Unneeded, Change)> = Vec::new();
        for unneeded in unneeded(resolution, &self.plan.pruning) {
            let change = self.dropping(unneeded.entries(resolution));
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
        let idle = self.not_needed(self.plan.units.iter().filter(is_idle).collect());
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

    /// Packages that the image has as well, except those that others of the tree require.
    pub(super) fn in_image(&self) -> Option<Suggestion> {
        let packages = &self.plan.analysis.resolution.packages;
        let mut versions: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for (position, package) in packages.all.iter().enumerate() {
            let name = packages.unit_name(position);
            if let Some(version) = packages.version_in_image(package).filter(|_| is_plain(&name)) {
                versions.insert(name, (version, &package.version));
            }
        }
        let units = self.plan.units.iter().filter(|unit| versions.contains_key(&unit.name));
        let units = self.not_needed(units.collect());
        if units.is_empty() {
            return None;
        }
        let change = self.dropping(units.iter().flat_map(|unit| &unit.entries).map(|entry| entry.id));
        let runtime = &self.settings.runtime.name;
        let of = |unit: &&Unit| match versions[&unit.name] {
            ("", here) => format!("{} (here {here})", unit.name),
            (version, here) => format!("{} {version} (here {here})", unit.name),
        };
        let named: Vec<String> = units.iter().map(of).collect();
        let names = self.targets(&units);
        let draft = Draft {
            name: "drop-in-image".to_owned(),
            step: format!("--drop {}", names.join(",")),
            what: format!("{runtime} has itself: {}", list::some(&named, MAX_NAMES)),
            risk: "the function uses the image's versions, which Lambda updates".to_owned(),
            setting: Some(Setting::Add("drop", names.clone())),
        };
        Some(self.step(draft, &change))
    }

    /// What names these units on the command line: their names, or a directory that has nothing else.
    fn targets(&self, units: &[&Unit]) -> Vec<String> {
        let tree = self.plan.analysis.tree();
        let packages = &self.plan.analysis.resolution.packages;
        let entries: BTreeSet<EntryId> = units.iter().flat_map(|unit| &unit.entries).map(|entry| entry.id).collect();
        let mut names: BTreeSet<String> = units.iter().map(|unit| unit.name.clone()).collect();
        let mut by_directory: BTreeMap<TreePath, Vec<&str>> = BTreeMap::new();
        for unit in units {
            let package = unit.entries.first().and_then(|entry| packages.of_path(tree.path(entry.id)));
            let above = package.and_then(|package| packages.get(package).directory.parent());
            by_directory.entry(above.unwrap_or_default()).or_default().push(&unit.name);
        }
        for (directory, inside) in by_directory.iter().filter(|(_, inside)| inside.len() > MAX_NAMES) {
            let mut packed = tree.below(directory).filter(|(id, _)| self.now.get(*id).is_some());
            let path = directory.to_string();
            if !directory.is_root() && is_plain(&path) && packed.all(|(id, _)| entries.contains(&id)) {
                names.retain(|name| !inside.contains(&name.as_str()));
                names.insert(path);
            }
        }
        names.into_iter().collect()
    }

    /// Those of these units that nothing else needs.
    fn not_needed<'u>(&self, mut units: Vec<&'u Unit>) -> Vec<&'u Unit> {
        // A package that stays has needs of its own, so this is repeated until nothing changes.
        loop {
            if units.is_empty() {
                return units;
            }
            let needed = self.needed_without(&units);
            let before = units.len();
            units.retain(|unit| !unit.entries.iter().any(|entry| needed.contains(&entry.id)));
            if units.len() == before {
                return units;
            }
        }
    }

    /// What dropping entries removes.
    fn dropping(&self, entries: impl IntoIterator<Item = EntryId>) -> Change {
        let new = || Mutex::new(Retention::new(&self.plan.analysis.resolution, &self.plan.pruning));
        let mut retention = self.retention.get_or_init(new).lock().unwrap_or_else(PoisonError::into_inner);
        let removal = Retention::drop(&mut retention, entries);
        removal.all().filter(|id| self.now.get(*id).is_some()).map(|id| (id, None)).collect()
    }
}
