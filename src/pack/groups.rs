//! Groups: units that are meant for a layer of their own, by the names of their units.
//!
//! With [`Strategy::Fewest`] a group is kept together and gives its layer its name, as far as that costs no layer more.
//! With [`Strategy::Kinds`] no layer holds units of two groups, whatever it costs: what changes together is published
//! together.

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::bins::{Assignment, Capacity, Item, pack_bins};
use super::lock::{Lock, Named};
use super::names::numbered;
use crate::base::error::{Error, Result};

/// Which layers are best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// As few as can be.
    #[default]
    Fewest,
    /// As few as can be of each group.
    Kinds,
}

/// Units that are meant for one layer.
#[derive(Debug, Clone)]
pub struct Group {
    /// The layer's name.
    pub name: String,
    globs: GlobSet,
}

impl Group {
    /// The units whose names match one of these globs: `pkg:*`, `lib:lib/libcurl*`, `r`.
    ///
    /// # Errors
    /// When one of the globs cannot be read.
    pub fn new(name: &str, holds: &[String]) -> Result<Self> {
        let wrong = |glob: &str, error: &globset::Error| Error::Usage {
            message: format!("layer {name}: {glob}: {error}"),
            help: "a glob of unit names such as 'pkg:*'; layerfit plan -v lists the units".to_owned(),
        };
        let mut set = GlobSetBuilder::new();
        for glob in holds {
            set.add(Glob::new(glob).map_err(|error| wrong(glob, &error))?);
        }
        Ok(Self { name: name.to_owned(), globs: set.build().map_err(|error| wrong("", &error))? })
    }

    fn holds(&self, unit: &str) -> bool {
        self.globs.is_match(unit)
    }
}

/// The groups of a tree for which nobody named any: R, what R and others are linked with, and packages.
///
/// # Errors
/// When one of the globs cannot be read, which a test rules out.
pub fn kinds() -> Result<Vec<Group>> {
    let group =
        |name: &str, holds: &[&str]| Group::new(name, &holds.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>());
    Ok(vec![group("runtime", &["r", "dir:R"])?, group("packages", &["pkg:*"])?, group("system", &["*"])?])
}

/// Pieces divided into layers.
pub(super) struct Division {
    /// The layers: their names and the positions of their pieces.
    pub layers: Vec<Named>,
    /// No division that the strategy allows has fewer.
    pub lower_bound: usize,
    /// Whether it is proven that there are no fewer.
    pub optimal: bool,
    /// Positions of pieces that are not in the layer meant for them, with that layer's name.
    pub elsewhere: Vec<(usize, String)>,
}

/// Divides pieces, each with its name and digest, and the name of its unit.
pub(super) fn divide(
    pieces: &[Item],
    names: &[(String, String)],
    units: &[&str],
    (groups, strategy): (&[Group], Strategy),
    capacity: Capacity,
    lock: Option<&Lock>,
) -> Division {
    let group_of = units.iter().map(|unit| groups.iter().position(|group| group.holds(unit))).collect();
    let task = Task { pieces, names, group_of, groups, capacity, lock };
    match strategy {
        Strategy::Fewest => task.fewest(),
        Strategy::Kinds => task.by_kind(),
    }
}

/// What is to be divided, and within what.
struct Task<'a> {
    pieces: &'a [Item],
    names: &'a [(String, String)],
    /// The group of each piece.
    group_of: Vec<Option<usize>>,
    groups: &'a [Group],
    capacity: Capacity,
    lock: Option<&'a Lock>,
}

impl Task<'_> {
    /// The positions of a group's pieces, or of those that are in none.
    fn members(&self, group: Option<usize>) -> Vec<usize> {
        (0..self.pieces.len()).filter(|piece| self.group_of[*piece] == group).collect()
    }

    fn fewest(&self) -> Division {
        let Task { capacity, groups, .. } = *self;
        let mut assignment = pack_bins(self.pieces, capacity);
        let (least, lower_bound, optimal) = (assignment.bins.len(), assignment.lower_bound, assignment.optimal);
        let mut pieces = self.pieces.to_vec();
        let mut fixed: Vec<&Group> = Vec::new();
        let mut elsewhere = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let members = self.members(Some(number));
            if members.is_empty() {
                continue;
            }
            let mut pinned = pieces.clone();
            for member in &members {
                pinned[*member].pin = Some(fixed.len());
            }
            let with = pack_bins(&pinned, capacity);
            // Pieces that do not fit into one layer together are in as many as they need, and then with nothing proven.
            let holds = with.bins.iter().all(|bin| fits(&pinned, bin, capacity));
            if with.bins.len() == least && holds {
                (pieces, assignment) = (pinned, with);
                fixed.push(group);
            } else {
                elsewhere.extend(members.into_iter().map(|member| (member, group.name.clone())));
            }
        }
        let fixed: Vec<String> = fixed.iter().map(|group| group.name.clone()).collect();
        let layers = match self.lock {
            Some(lock) => lock.assign(&pieces, self.names, capacity, &assignment.bins, &fixed),
            None => by_weight(&assignment, &pieces, &fixed, "layer"),
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
            let own: Vec<Item> = members.iter().map(|member| self.pieces[*member]).collect();
            let own_names: Vec<(String, String)> = members.iter().map(|member| self.names[*member].clone()).collect();
            let assignment = pack_bins(&own, self.capacity);
            division.lower_bound += assignment.lower_bound;
            division.optimal &= assignment.optimal;
            let layers = match self.lock.map(|lock| lock.of_group(name)) {
                Some(lock) => lock.assign(&own, &own_names, self.capacity, &assignment.bins, &[]),
                None => by_weight(&assignment, &own, &[], name),
            };
            let layers = layers.into_iter().map(|(layer, bin)| (layer, bin.into_iter().map(|p| members[p]).collect()));
            division.layers.extend(layers);
        }
        division
    }
}

fn fits(pieces: &[Item], bin: &[usize], capacity: Capacity) -> bool {
    bin.iter().map(|piece| pieces[*piece].zipped).sum::<u64>() <= capacity.zipped
        && bin.iter().map(|piece| pieces[*piece].unzipped).sum::<u64>() <= capacity.unzipped
}

/// Bins as layers: those of groups with their names, the others with numbers. The order does not matter to Lambda, for no
/// two layers hold the same file: the fullest comes first.
fn by_weight(assignment: &Assignment, pieces: &[Item], fixed: &[String], others: &str) -> Vec<Named> {
    let weight = |bin: &Vec<usize>| bin.iter().map(|piece| pieces[*piece].zipped).sum::<u64>();
    let named = assignment.bins.iter().take(fixed.len()).zip(fixed).map(|(bin, name)| (name.clone(), bin.clone()));
    let mut layers: Vec<Named> = named.filter(|(_, bin)| !bin.is_empty()).collect();
    let mut bins: Vec<&Vec<usize>> = assignment.bins.iter().skip(fixed.len()).filter(|bin| !bin.is_empty()).collect();
    bins.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.cmp(b)));
    for (number, bin) in bins.into_iter().enumerate() {
        layers.push((numbered(others, number), bin.clone()));
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { zipped: 100, unzipped: 1000 };

    fn divided(units: &[(&str, u64)], groups: &[(&str, &str)], strategy: Strategy) -> (Vec<(String, String)>, usize) {
        let pieces: Vec<Item> = units.iter().map(|(_, z)| Item { zipped: *z, unzipped: *z, pin: None }).collect();
        let names: Vec<(String, String)> = units.iter().map(|(name, z)| ((*name).to_owned(), z.to_string())).collect();
        let unit_names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        let groups: Vec<Group> =
            groups.iter().map(|(name, glob)| Group::new(name, &[(*glob).to_owned()]).expect("a glob")).collect();
        let division = divide(&pieces, &names, &unit_names, (&groups, strategy), CAPACITY, None);
        let layers = division
            .layers
            .into_iter()
            .map(|(name, bin)| (name, bin.into_iter().map(|piece| units[piece].0).collect::<Vec<_>>().join(" ")));
        (layers.collect(), division.elsewhere.len())
    }

    fn layers(layers: &[(&str, &str)]) -> Vec<(String, String)> {
        layers.iter().map(|(name, units)| ((*name).to_owned(), (*units).to_owned())).collect()
    }

    #[test]
    fn a_group_names_its_layer_and_others_may_be_in_it() {
        let units = [("pkg:a", 60), ("pkg:b", 30), ("r", 70), ("x", 20)];
        let (found, elsewhere) = divided(&units, &[("runtime", "r"), ("packages", "pkg:*")], Strategy::Fewest);
        assert_eq!((found, elsewhere), (layers(&[("runtime", "r x"), ("packages", "pkg:a pkg:b")]), 0));
    }

    #[test]
    fn fewer_layers_come_before_groups() {
        let units = [("pkg:a", 30), ("r", 60)];
        let (found, elsewhere) = divided(&units, &[("runtime", "r"), ("packages", "pkg:*")], Strategy::Fewest);
        assert_eq!((found, elsewhere), (layers(&[("runtime", "pkg:a r")]), 1));
        // One that is too large for one layer is no group any more.
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
        assert_eq!(kinds().expect("built in").len(), 3);
    }

    #[test]
    fn a_bin_holds_what_is_within_both_limits() {
        let item = |zipped, unzipped| Item { zipped, unzipped, pin: None };
        let pieces = [item(60, 10), item(40, 990), item(1, 0), item(0, 1)];
        assert!(fits(&pieces, &[0, 1], CAPACITY));
        assert!(!fits(&pieces, &[0, 1, 2], CAPACITY));
        assert!(!fits(&pieces, &[0, 1, 3], CAPACITY));
        // A group that no layer holds unzipped gives no layer its name.
        let names: Vec<(String, String)> = ["pkg:a", "pkg:b"].map(|name| (name.to_owned(), String::new())).into();
        let groups = [Group::new("packages", &["pkg:*".to_owned()]).expect("a glob")];
        let pieces = [item(10, 600), item(10, 600)];
        let wanted = (&groups[..], Strategy::Fewest);
        let division = divide(&pieces, &names, &["pkg:a", "pkg:b"], wanted, CAPACITY, None);
        assert_eq!((division.layers.len(), division.elsewhere.len()), (2, 2));
    }
}
