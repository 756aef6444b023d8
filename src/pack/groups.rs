//! Groups: units that are meant for a layer of their own, by the names of the units.
//!
//! With [`Strategy::Fewest`] a group is kept together in a layer of its name, unless that would need another layer. With
//! [`Strategy::Kinds`] no layer holds units of two groups, even if that needs more layers: what changes together is
//! published together.

use std::path::Path;

use globset::GlobSet;

use super::bins::{Assignment, Capacity, Item, Verdict, fits, pack_bins};
use super::lock::{ItemKey, Items, Lock, NamedLayer};
use super::names::numbered;
use super::units::{Unit, UnitEntry};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::globs;
use crate::base::list;
use crate::base::similar::nearest;
use crate::base::subject::Subject;
use crate::base::toml::built_in_names;
use crate::resolve::is_library_name;

/// How many names a finding lists.
const MAX_NAMES: usize = 5;

/// How units are divided into layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Into as few layers as possible.
    #[default]
    Fewest,
    /// Into as few layers as possible for each group.
    Kinds,
}

/// Units that are meant for one layer.
#[derive(Debug, Clone)]
pub struct Group {
    /// The layer's name.
    pub name: String,
    /// Globs of units' names.
    names: Globs,
    /// Globs of the paths of files, and of the names of libraries.
    paths: Globs,
    libraries: Globs,
    /// The globs as layerfit.toml has them; none in a built-in group, which may hold nothing.
    written: Vec<String>,
}

/// Globs, each with the position of the text in layerfit.toml that it stands for.
#[derive(Debug, Clone)]
struct Globs {
    set: GlobSet,
    of: Vec<usize>,
}

impl Globs {
    fn new(
        globs: impl Iterator<Item = (usize, String)>,
        compiled: fn(Vec<String>) -> std::result::Result<GlobSet, globs::GlobError>,
    ) -> std::result::Result<Self, globs::GlobError> {
        let (of, globs): (Vec<usize>, Vec<String>) = globs.unzip();
        Ok(Self { set: compiled(globs)?, of })
    }

    /// Those of a built-in group.
    fn built_in(set: GlobSet) -> Self {
        Self { set, of: Vec::new() }
    }

    /// Sets what the globs that match a text stand for.
    fn mark(&self, text: impl AsRef<Path>, found: &mut [bool]) {
        #[cfg(test)]
        tests::LOOKED_AT.with(|count| count.set(count.get() + 1));
        for matching in self.set.matches(text) {
            if let Some(found) = self.of.get(matching).and_then(|at| found.get_mut(*at)) {
                *found = true;
            }
        }
    }
}

impl Group {
    /// The units whose names match one of these globs (`pkg:*`, `lib:lib/libcurl*`, `r`), packages of these names, and the units
    /// of files with a path (`local/**`, or a directory) or of libraries with a name (`libcurl.so.4`) that matches one.
    ///
    /// # Errors
    /// When one of the globs is not valid.
    pub fn new(name: &str, holds: &[String]) -> Result<Self> {
        let wrong = |error: globs::GlobError| Error::Usage {
            message: format!("layer {name}: {error}"),
            help: "give units such as 'pkg:*' (layerfit plan -v lists them), paths such as 'local/**', or libraries"
                .to_owned(),
        };
        let others = || {
            let others = holds.iter().enumerate().filter(|(_, text)| !is_unit_name(text));
            others.map(|(at, text)| (at, text.trim_start_matches("/opt/")))
        };
        let packages = others().filter(|(_, text)| !text.contains('/')).map(|(at, text)| (at, format!("pkg:{text}")));
        let paths = others().flat_map(|(at, text)| {
            let directory = text.trim_end_matches('/');
            [(at, directory.to_owned()), (at, format!("{directory}/**"))]
        });
        let libraries = others().filter(|(_, text)| !text.contains('/') && text.contains(".so"));
        // A glob that stands for every unit stands for itself.
        let packages = packages.filter(|(_, package)| package != "pkg:*");
        let names = holds.iter().cloned().enumerate().chain(packages);
        Ok(Self {
            name: name.to_owned(),
            names: Globs::new(names, globs::set_of_names).map_err(wrong)?,
            paths: Globs::new(paths, globs::set).map_err(wrong)?,
            libraries: Globs::new(libraries.map(|(at, text)| (at, text.to_owned())), globs::set_of_names)
                .map_err(wrong)?,
            written: holds.to_vec(),
        })
    }

    /// Findings about groups that hold none of these units, and about names in them that no unit has.
    pub(super) fn findings(groups: &[Self], units: &[Unit]) -> Vec<Finding> {
        let finding = |(number, group): (usize, &Self)| {
            let matching = || units.iter().filter(|unit| group.holds(unit));
            let earlier = |unit: &Unit| groups[..number].iter().find(|earlier| earlier.holds(unit));
            let unmatched = group.unmatched(units);
            let misspelt: Vec<&String> = unmatched.iter().copied().filter(|glob| !is_pattern(glob)).collect();
            let (message, about) = if group.written.is_empty() {
                return None;
            } else if matching().next().is_none() {
                (
                    format!("holds nothing: no unit, file or library is called {}", list::some(&unmatched, MAX_NAMES)),
                    &unmatched,
                )
            } else if let Some(taken) = matching().map(earlier).collect::<Option<Vec<_>>>() {
                let mut by: Vec<&str> = taken.iter().map(|earlier| earlier.name.as_str()).collect();
                by.sort_unstable();
                by.dedup();
                let message =
                    format!("holds nothing: what it names is in {}, which comes before it", list::some(&by, MAX_NAMES));
                return Some(group.unheld(message, "put it before the other in layerfit.toml, or remove it"));
            } else if misspelt.is_empty() {
                return None;
            } else {
                (format!("no unit, file or library is called {}", list::some(&misspelt, MAX_NAMES)), &misspelt)
            };
            let near = about
                .iter()
                .take(MAX_NAMES)
                .find_map(|glob| nearest(glob, units.iter().map(|unit| unit.name.as_str())));
            let help = match near {
                Some(near) => format!("did you mean {near}? `layerfit plan -v` lists the units"),
                None => "`layerfit plan -v` lists the units".to_owned(),
            };
            Some(group.unheld(message, &help))
        };
        groups.iter().enumerate().filter_map(finding).collect()
    }

    fn unheld(&self, message: String, help: &str) -> Finding {
        Finding::warning(Code::HoldsNothing, Subject::layer(&self.name), message, help)
    }

    /// What layerfit.toml names that stands for none of these units. Each is looked at once, however many globs there are.
    fn unmatched(&self, units: &[Unit]) -> Vec<&String> {
        let mut found = vec![false; self.written.len()];
        for unit in units.iter().filter(|_| !self.written.is_empty()) {
            self.names.mark(&unit.name, &mut found);
            if !self.has_files() {
                continue;
            }
            for entry in &unit.entries {
                self.paths.mark(entry.path.as_path(), &mut found);
                if let Some(name) = library_name(entry) {
                    self.libraries.mark(name, &mut found);
                }
            }
        }
        self.written.iter().zip(found).filter(|(_, found)| !found).map(|(glob, _)| glob).collect()
    }

    /// Whether it names files.
    fn has_files(&self) -> bool {
        !self.paths.set.is_empty() || !self.libraries.set.is_empty()
    }

    /// Whether a unit is meant for the layer: it is packed as a whole, so one file is enough.
    pub(super) fn holds(&self, unit: &Unit) -> bool {
        let is_library = |entry: &UnitEntry| library_name(entry).is_some_and(|name| self.libraries.set.is_match(name));
        let has = |entry: &UnitEntry| self.paths.set.is_match(entry.path.as_path()) || is_library(entry);
        self.names.set.is_match(&unit.name) || self.has_files() && unit.entries.iter().any(has)
    }
}

/// The name of a file that is a library.
fn library_name(entry: &UnitEntry) -> Option<&str> {
    std::str::from_utf8(entry.path.name()).ok().filter(|name| is_library_name(name.as_bytes()))
}

/// Whether a text can only be the name of a unit, or a glob of such names.
fn is_unit_name(text: &str) -> bool {
    ["pkg:", "lib:", "dir:", "file:"].iter().any(|prefix| text.starts_with(prefix)) || text == "*"
}

/// Whether a glob is meant for several names.
fn is_pattern(glob: &str) -> bool {
    glob.contains(['*', '?', '[', '{'])
}

/// The groups when layerfit.toml defines none: R, packages, and everything else.
pub fn kinds() -> Vec<Group> {
    let group = |name: &str, holds: &[&str]| Group {
        name: name.to_owned(),
        names: Globs::built_in(built_in_names(holds)),
        paths: Globs::built_in(GlobSet::empty()),
        libraries: Globs::built_in(GlobSet::empty()),
        written: Vec::new(),
    };
    vec![group("runtime", &["r", "dir:R"]), group("packages", &["pkg:*"]), group("system", &["*"])]
}

/// Items divided into layers.
pub(super) struct Division {
    /// The layers.
    pub layers: Vec<NamedLayer>,
    /// No division that the strategy allows has fewer layers.
    pub lower_bound: usize,
    /// Whether fewer layers are proven impossible.
    pub optimal: bool,
    /// Positions of items that are not in the layer meant for them, with that layer's name.
    pub elsewhere: Vec<(usize, String)>,
}

/// Divides items, each with its key and the group of its unit. `slack` is what layers leave free, if that needs no more of them.
pub(super) fn divide(
    items: &[Item],
    keys: &[ItemKey],
    group_of: Vec<Option<usize>>,
    (groups, strategy): (&[Group], Strategy),
    (capacity, slack): (Capacity, u64),
    lock: Option<&Lock>,
) -> Division {
    let input = Input { items, keys, group_of, groups, capacity, slack, lock };
    match strategy {
        Strategy::Fewest => input.fewest(),
        Strategy::Kinds => input.by_kind(),
    }
}

/// What is to be divided, and how.
struct Input<'a> {
    items: &'a [Item],
    keys: &'a [ItemKey],
    /// The group of each item.
    group_of: Vec<Option<usize>>,
    groups: &'a [Group],
    capacity: Capacity,
    /// The zipped bytes that a layer leaves free, if that needs no more layers.
    slack: u64,
    lock: Option<&'a Lock>,
}

impl Input<'_> {
    /// What a layer of these items holds if it leaves room, and the bins that leave the most of it: as many as there are.
    fn with_room(&self, items: &[Item], bins: Vec<Vec<usize>>) -> (Capacity, Vec<Vec<usize>>) {
        let largest = items.iter().map(|item| item.zipped).max().unwrap_or(0);
        for part in [1, 2, 4].into_iter().filter(|_| self.slack > 0) {
            let zipped = self.capacity.zipped.saturating_sub(self.slack / part).max(largest);
            let roomy = Capacity { zipped, ..self.capacity };
            if let Verdict::Feasible(found) = fits(items, bins.len(), roomy) {
                return (roomy, found);
            }
        }
        (self.capacity, bins)
    }

    /// The positions of a group's items, or of those that are in no group.
    fn members(&self, group: Option<usize>) -> Vec<usize> {
        (0..self.items.len()).filter(|item| self.group_of[*item] == group).collect()
    }

    fn fewest(&self) -> Division {
        let Input { capacity, groups, .. } = *self;
        let mut assignment = pack_bins(self.items, capacity);
        let (least, lower_bound, optimal) = (assignment.bins.len(), assignment.lower_bound, assignment.optimal);
        let mut items = self.items.to_vec();
        let mut fixed: Vec<&Group> = Vec::new();
        let mut elsewhere = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let members = self.members(Some(number));
            if members.is_empty() {
                continue;
            }
            let mut pinned = items.clone();
            for member in &members {
                pinned[*member].pin = Some(fixed.len());
            }
            let with = pack_bins(&pinned, capacity);
            // Pinned items that do not fit into one layer together overfill it in the result.
            let holds = with.bins.iter().all(|bin| capacity.holds(bin.iter().map(|item| &pinned[*item])));
            if with.bins.len() == least && holds {
                (items, assignment) = (pinned, with);
                fixed.push(group);
            } else {
                elsewhere.extend(members.into_iter().map(|member| (member, group.name.clone())));
            }
        }
        let fixed: Vec<String> = fixed.iter().map(|group| group.name.clone()).collect();
        let (roomy, bins) = self.with_room(&items, assignment.bins);
        let assignment = Assignment { bins, ..assignment };
        let layers = match self.lock {
            Some(lock) => {
                let items = Items { sizes: &items, keys: self.keys, capacity, roomy, fixed: &fixed };
                lock.assign(items, &assignment.bins)
            }
            None => by_size(&assignment, &items, &fixed, "layer"),
        };
        Division { layers, lower_bound, optimal, elsewhere }
    }

    fn by_kind(&self) -> Division {
        let mut division = Division { layers: Vec::new(), lower_bound: 0, optimal: true, elsewhere: Vec::new() };
        let all = self.groups.iter().enumerate().map(|(number, group)| (Some(number), group.name.as_str()));
        for (group, name) in all.chain([(None, "layer")]) {
            let members = self.members(group);
            if members.is_empty() {
                continue;
            }
            let own: Vec<Item> = members.iter().map(|member| self.items[*member]).collect();
            let own_keys: Vec<ItemKey> = members.iter().map(|member| self.keys[*member].clone()).collect();
            let assignment = pack_bins(&own, self.capacity);
            division.lower_bound += assignment.lower_bound;
            division.optimal &= assignment.optimal;
            let (roomy, bins) = self.with_room(&own, assignment.bins);
            let assignment = Assignment { bins, ..assignment };
            let layers = match self.lock.map(|lock| lock.of_group(name)) {
                Some(lock) => {
                    let items = Items { sizes: &own, keys: &own_keys, capacity: self.capacity, roomy, fixed: &[] };
                    lock.assign(items, &assignment.bins)
                }
                None => by_size(&assignment, &own, &[], name),
            };
            for mut layer in layers {
                layer.items.iter_mut().for_each(|item| *item = members[*item]);
                division.layers.push(layer);
            }
        }
        division
    }
}

/// Bins as layers: those of groups first, with their names, then the others with numbers, the largest first. Lambda does not
/// depend on the order, because no two layers have a file in common.
fn by_size(assignment: &Assignment, items: &[Item], fixed: &[String], new_name: &str) -> Vec<NamedLayer> {
    let zipped = |bin: &Vec<usize>| bin.iter().map(|item| items[*item].zipped).sum::<u64>();
    let named = assignment.bins.iter().take(fixed.len()).zip(fixed).filter(|(bin, _)| !bin.is_empty());
    let mut layers: Vec<NamedLayer> =
        named.map(|(bin, name)| NamedLayer { name: name.clone(), items: bin.clone() }).collect();
    let mut bins: Vec<&Vec<usize>> = assignment.bins.iter().skip(fixed.len()).filter(|bin| !bin.is_empty()).collect();
    bins.sort_by(|a, b| zipped(b).cmp(&zipped(a)).then_with(|| a.cmp(b)));
    for (number, bin) in bins.into_iter().enumerate() {
        layers.push(NamedLayer { name: numbered(new_name, number), items: bin.clone() });
    }
    layers
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many texts globs were compared with.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    const CAPACITY: Capacity = Capacity { zipped: 100, unzipped: 1000 };

    fn named(name: &str) -> Unit {
        Unit { name: name.to_owned(), entries: Vec::new() }
    }

    fn group_of(units: &[&str], groups: &[Group]) -> Vec<Option<usize>> {
        units.iter().map(|unit| groups.iter().position(|group| group.holds(&named(unit)))).collect()
    }

    #[test]
    fn layers_leave_room_if_that_needs_no_more_of_them() {
        let zipped = |slack: u64, sizes: &[u64]| -> Vec<u64> {
            let items: Vec<Item> = sizes.iter().map(|z| Item { zipped: *z, unzipped: *z, pin: None }).collect();
            let key = |number: usize| ItemKey { name: format!("{number}"), digest: String::new() };
            let keys: Vec<ItemKey> = (0..sizes.len()).map(key).collect();
            let division =
                divide(&items, &keys, vec![None; sizes.len()], (&[], Strategy::Fewest), (CAPACITY, slack), None);
            division.layers.iter().map(|layer| layer.items.iter().map(|item| sizes[*item]).sum()).collect()
        };
        let sizes = [60, 40, 20, 20, 20];
        assert_eq!(zipped(0, &sizes).iter().max(), Some(&100));
        assert_eq!(zipped(20, &sizes), [80, 80]);
        // A quarter of it is still better than nothing; with no room at all, layers are full.
        assert!(zipped(20, &[50, 45, 50, 45]).iter().all(|bytes| *bytes == 95));
        assert_eq!(zipped(20, &[100, 100]), [100, 100]);
    }

    fn divided(units: &[(&str, u64)], groups: &[(&str, &str)], strategy: Strategy) -> (Vec<(String, String)>, usize) {
        let items: Vec<Item> = units.iter().map(|(_, z)| Item { zipped: *z, unzipped: *z, pin: None }).collect();
        let key = |(name, z): &(&str, u64)| ItemKey { name: (*name).to_owned(), digest: z.to_string() };
        let keys: Vec<ItemKey> = units.iter().map(key).collect();
        let unit_names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        let groups: Vec<Group> =
            groups.iter().map(|(name, glob)| Group::new(name, &[(*glob).to_owned()]).expect("a glob")).collect();
        let group_of = group_of(&unit_names, &groups);
        let division = divide(&items, &keys, group_of, (&groups, strategy), (CAPACITY, 0), None);
        let names = |items: Vec<usize>| items.into_iter().map(|item| units[item].0).collect::<Vec<_>>().join(" ");
        let layers = division.layers.into_iter().map(|layer| (layer.name, names(layer.items)));
        (layers.collect(), division.elsewhere.len())
    }

    fn layers(layers: &[(&str, &str)]) -> Vec<(String, String)> {
        layers.iter().map(|(name, units)| ((*name).to_owned(), (*units).to_owned())).collect()
    }

    #[test]
    fn a_group_names_its_layer_and_others_can_be_in_it() {
        let units = [("pkg:a", 60), ("pkg:b", 30), ("r", 70), ("x", 20)];
        let (found, elsewhere) = divided(&units, &[("runtime", "r"), ("packages", "pkg:*")], Strategy::Fewest);
        assert_eq!((found, elsewhere), (layers(&[("runtime", "r x"), ("packages", "pkg:a pkg:b")]), 0));
    }

    #[test]
    fn fewer_layers_come_before_groups() {
        let units = [("pkg:a", 30), ("r", 60)];
        let (found, elsewhere) = divided(&units, &[("runtime", "r"), ("packages", "pkg:*")], Strategy::Fewest);
        assert_eq!((found, elsewhere), (layers(&[("runtime", "pkg:a r")]), 1));
        // One that is too large for one layer is not kept together.
        let units = [("pkg:a", 60), ("pkg:b", 60)];
        let (found, elsewhere) = divided(&units, &[("packages", "pkg:*")], Strategy::Fewest);
        assert_eq!((found.len(), elsewhere), (2, 2));
    }

    #[test]
    fn kinds_share_no_layer() {
        let units = [("lib:a", 10), ("pkg:a", 60), ("pkg:b", 50), ("r", 20)];
        let groups = [("runtime", "r"), ("packages", "pkg:*")];
        let (found, elsewhere) = divided(&units, &groups, Strategy::Kinds);
        let expected =
            layers(&[("runtime", "r"), ("packages", "pkg:a"), ("packages-2", "pkg:b"), ("layer-1", "lib:a")]);
        assert_eq!((found, elsewhere), (expected, 0));
        assert_eq!(kinds().len(), 3);
    }

    #[test]
    fn a_bin_holds_what_is_within_both_limits() {
        let item = |zipped, unzipped| Item { zipped, unzipped, pin: None };
        let items = [item(60, 10), item(40, 990), item(1, 0), item(0, 1)];
        let holds = |bin: &[usize]| CAPACITY.holds(bin.iter().map(|item| &items[*item]));
        assert!(holds(&[0, 1]));
        assert!(!holds(&[0, 1, 2]));
        assert!(!holds(&[0, 1, 3]));
        // A group that no layer holds unzipped gives no layer its name.
        let keys = ["pkg:a", "pkg:b"].map(|name| ItemKey { name: name.to_owned(), digest: String::new() });
        let groups = [Group::new("packages", &["pkg:*".to_owned()]).expect("a glob")];
        let items = [item(10, 600), item(10, 600)];
        let wanted = (&groups[..], Strategy::Fewest);
        let group_of = group_of(&["pkg:a", "pkg:b"], &groups);
        let division = divide(&items, &keys, group_of, wanted, (CAPACITY, 0), None);
        assert_eq!((division.layers.len(), division.elsewhere.len()), (2, 2));
    }

    #[test]
    fn a_layer_that_holds_nothing_is_reported_with_what_was_probably_meant() {
        let group = |name: &str, holds: &[&str]| {
            Group::new(name, &holds.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>()).expect("globs")
        };
        let units = ["dir:share", "pkg:curl", "pkg:ggplot2"].map(named);
        let told = |groups: &[Group]| -> Vec<String> {
            let findings = Group::findings(groups, &units).into_iter();
            findings.map(|finding| format!("{}: {}; {}", finding.subject, finding.message, finding.help)).collect()
        };
        assert_eq!(told(&[group("a", &["pkg:*"]), group("b", &["lib:*", "dir:*"])]), [""; 0]);
        assert_eq!(told(&kinds()), [""; 0]);
        let misspelt = told(&[group("a", &["pkg:ggplto2"])]);
        assert!(
            misspelt[0].contains("holds nothing") && misspelt[0].contains("did you mean pkg:ggplot2?"),
            "{misspelt:?}"
        );
        // A package is also known by its name alone.
        assert_eq!(told(&[group("a", &["ggplot2"])]), [""; 0]);
        let path = told(&[group("a", &["local/**"])]);
        assert!(path[0].contains("no unit, file or library is called local/**"), "{path:?}");
        let one = told(&[group("a", &["pkg:curl", "pkg:ggplto2"])]);
        assert!(
            one[0].starts_with("a: no unit, file or library is called pkg:ggplto2") && one[0].contains("pkg:ggplot2?"),
            "{one:?}"
        );
        let taken = told(&[group("a", &["pkg:*"]), group("b", &["pkg:curl"])]);
        assert!(taken.len() == 1 && taken[0].starts_with("b: holds nothing: what it names is in a"), "{taken:?}");
    }

    #[test]
    fn globs_that_hold_nothing_are_found_by_looking_at_each_name_once() {
        let units: Vec<Unit> = (0..50).map(|number| named(&format!("pkg:package{number}"))).collect();
        let looked_at = |globs: usize| {
            let holds: Vec<String> = (0..globs).map(|number| format!("pkg:package{number}")).collect();
            let group = Group::new("a", &holds).expect("globs");
            LOOKED_AT.with(|count| count.set(0));
            let unmatched = group.unmatched(&units).len();
            (unmatched, LOOKED_AT.with(Cell::get))
        };
        assert_eq!(looked_at(50), (0, 50));
        assert_eq!(looked_at(3000), (2950, 50));
    }
}
