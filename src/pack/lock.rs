//! The lock: which unit is in which layer, remembered between runs, so that after a small change few layers are published.
//!
//! A layer whose units are all unchanged keeps its name, its content and so its sha256. Of all divisions into the fewest
//! layers, one that changes the fewest of them is chosen: exactly, by trying every set of layers to keep, the largest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bins::{Capacity, Item, Verdict, fits};
use super::names::{is_layer_name, numbered};
use crate::base::error::{Error, Result};
use crate::base::read;

/// The version of the file format.
const VERSION: u32 = 1;

/// With more layers than this, not every set of layers to keep is tried. A function can have five.
const MAX_LAYERS: usize = 12;

const HEADER: &str = "# Which unit is in which layer, written by layerfit pack --lock. Keep it beside the configuration of the function:\n\
                      # with it, as few layers as possible have to be published after a change.\n\n";

/// Which unit is in which layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    #[serde(default)]
    pub(super) layer: Vec<LockedLayer>,
    /// The name of new layers, to which a number is added.
    #[serde(skip)]
    new_name: Option<String>,
}

/// A layer as it was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedLayer {
    pub(super) name: String,
    /// Each unit (or file of a unit that no layer holds whole) with the digest of its content.
    pub(super) units: BTreeMap<String, String>,
}

/// The difference between a layer of the lock and the layer of that name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// The layer's name.
    pub layer: String,
    /// Units that were added to it.
    pub added: Vec<String>,
    /// Units that were removed from it.
    pub removed: Vec<String>,
    /// Units whose content changed.
    pub updated: Vec<String>,
    /// Units that are in it now, and were in another layer.
    pub moved_in: Vec<MovedUnit>,
    /// Units that were in it, and are in another layer now.
    pub moved_out: Vec<MovedUnit>,
    /// Whether it was in the lock.
    pub known: bool,
}

/// A unit that moved, seen from one of the layers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovedUnit {
    /// The unit.
    pub unit: String,
    /// The other layer.
    pub layer: String,
    /// Whether the layer where it was has no room for it any more.
    pub full: bool,
}

impl LayerChange {
    /// Whether the layer is byte for byte the same.
    pub fn is_unchanged(&self) -> bool {
        let moved = !self.moved_in.is_empty() || !self.moved_out.is_empty();
        self.known && !moved && self.added.is_empty() && self.removed.is_empty() && self.updated.is_empty()
    }
}

/// How the lock identifies an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ItemKey {
    /// Its name: a unit's, or a unit's and a file's.
    pub(super) name: String,
    /// The digest of its content.
    pub(super) digest: String,
}

/// Items to be divided into layers.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    /// Their sizes. One with a pin has to be in the layer of that position in `fixed`.
    pub(super) sizes: &'a [Item],
    /// The key of each.
    pub(super) keys: &'a [ItemKey],
    /// What one layer holds at most.
    pub(super) capacity: Capacity,
    /// What one layer holds if it leaves the room that is wanted.
    pub(super) roomy: Capacity,
    /// The names of the layers that items are pinned to.
    pub(super) fixed: &'a [String],
}

/// A layer's name and the positions of its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedLayer {
    pub(super) name: String,
    pub(super) items: Vec<usize>,
}

/// A layer of the lock that can stay as it is: its position there, and the positions of its items now.
struct UnchangedLayer {
    locked: usize,
    items: Vec<usize>,
}

/// A layer that changes: its name when that is fixed, and the positions of its items.
struct ChangedLayer<'a> {
    fixed: Option<&'a String>,
    items: Vec<usize>,
}

impl Lock {
    pub(super) fn new(layer: Vec<LockedLayer>) -> Self {
        Self { version: VERSION, layer, new_name: None }
    }

    /// Reads a lock file; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not a lock file of this version.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read::text_if_there(path, read::MAX_TEXT)? else { return Ok(None) };
        let wrong = |message: String| Error::Data {
            file: path.display().to_string(),
            message,
            help: "remove it to start a new lock, or restore it from version control".to_owned(),
        };
        let lock: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        if lock.version != VERSION {
            return Err(wrong(format!("its version is {}; this layerfit reads version {VERSION}", lock.version)));
        }
        match lock.contradiction() {
            Some(contradiction) => Err(wrong(contradiction)),
            None => Ok(Some(lock)),
        }
    }

    /// What the lock records twice, as after a merge of two branches, or a name that no layer can have: layers are written
    /// to files of these names.
    fn contradiction(&self) -> Option<String> {
        let (mut names, mut units) = (BTreeSet::new(), BTreeMap::new());
        for LockedLayer { name, units: own } in &self.layer {
            if !is_layer_name(name) {
                return Some(format!("{name:?} cannot be the name of a layer: use letters, digits, '-' and '_'"));
            }
            if !names.insert(name) {
                return Some(format!("it has two layers called {name}"));
            }
            for unit in own.keys() {
                if let Some(other) = units.insert(unit, name) {
                    return Some(format!("it has {unit} in two layers, {other} and {name}"));
                }
            }
        }
        None
    }

    /// The content of the lock file.
    ///
    /// # Errors
    /// When it cannot be written as TOML, which would be a bug.
    pub fn content(&self) -> Result<Vec<u8>> {
        let body = toml::to_string(self).map_err(Error::bug("write the lock as TOML"))?;
        Ok(format!("{HEADER}{body}").into_bytes())
    }

    /// The layers of a group: those of its name, numbered or not. New layers are numbered on from these.
    pub(super) fn of_group(&self, name: &str) -> Self {
        let of_group = |layer: &&LockedLayer| (0..=self.layer.len()).any(|number| numbered(name, number) == layer.name);
        Self { new_name: Some(name.to_owned()), ..Self::new(self.layer.iter().filter(of_group).cloned().collect()) }
    }

    /// Divides items into as many layers as `fewest` has bins, so that as few as possible differ from the lock.
    pub(super) fn assign(&self, items: Items<'_>, fewest: &[Vec<usize>]) -> Vec<NamedLayer> {
        let candidates = self.unchanged_layers(items);
        let layers = fewest.len();
        if layers <= MAX_LAYERS && self.layer.len() <= MAX_LAYERS {
            for changed in 0..=layers {
                for set in subsets(candidates.len(), layers - changed) {
                    let unchanged: Vec<&UnchangedLayer> = set.iter().map(|number| &candidates[*number]).collect();
                    if let Some(rest) = self.pack_rest(items, &unchanged, changed) {
                        return self.name(&unchanged, rest, items.keys);
                    }
                }
            }
        }
        let bins = fewest.iter().enumerate();
        let bins = bins.map(|(number, bin)| ChangedLayer { fixed: items.fixed.get(number), items: bin.clone() });
        self.name(&[], bins.collect(), items.keys)
    }

    /// The layers that can stay as they are: all their units have the digest of the lock, they are within the limits, which
    /// can be lower than those that the lock was written with, and they agree with the pins.
    fn unchanged_layers(&self, Items { sizes: items, keys, fixed, capacity, .. }: Items<'_>) -> Vec<UnchangedLayer> {
        let positions: BTreeMap<&str, usize> =
            keys.iter().enumerate().map(|(position, key)| (key.name.as_str(), position)).collect();
        let same = |(name, digest): (&String, &String)| {
            positions.get(name.as_str()).copied().filter(|position| keys[*position].digest == *digest)
        };
        let agrees_with_pins =
            |layer: &LockedLayer, content: &[usize]| match fixed.iter().position(|name| *name == layer.name) {
                // It has every item that is pinned to it, and none that is pinned to another.
                Some(own) => (0..items.len()).all(|item| match items[item].pin {
                    Some(pin) => (pin == own) == content.contains(&item),
                    None => true,
                }),
                None => content.iter().all(|item| items[*item].pin.is_none()),
            };
        let unchanged = |(locked, layer): (usize, &LockedLayer)| {
            let content: Vec<usize> = layer.units.iter().map(same).collect::<Option<_>>()?;
            let stays = !content.is_empty()
                && capacity.holds(content.iter().map(|item| &items[*item]))
                && agrees_with_pins(layer, &content);
            stays.then_some(UnchangedLayer { locked, items: content })
        };
        self.layer.iter().enumerate().filter_map(unchanged).collect()
    }

    /// Packs the items that are in no unchanged layer into `changed` other layers; `None` when they do not fit.
    fn pack_rest<'a>(
        &self,
        Items { sizes: items, keys, capacity, roomy, fixed }: Items<'a>,
        unchanged: &[&UnchangedLayer],
        changed: usize,
    ) -> Option<Vec<ChangedLayer<'a>>> {
        let placed: BTreeSet<usize> = unchanged.iter().flat_map(|layer| layer.items.iter().copied()).collect();
        let rest: Vec<usize> = (0..items.len()).filter(|item| !placed.contains(item)).collect();
        if changed == 0 {
            return rest.is_empty().then(Vec::new);
        }
        // The bins stand for the layers that change: first those with fixed names, then those of the lock.
        let is_unchanged = |name: &str| unchanged.iter().any(|layer| self.layer[layer.locked].name == name);
        let pins: Vec<usize> = (0..fixed.len()).filter(|pin| !is_unchanged(&fixed[*pin])).collect();
        let locked = self.layer.iter().filter(|layer| !is_unchanged(&layer.name) && !fixed.contains(&layer.name));
        let locked: Vec<&LockedLayer> = locked.collect();
        let bin_of_pin = |item: usize| pins.iter().position(|pin| Some(*pin) == items[item].pin);
        let pinned: Vec<Item> = rest.iter().map(|item| Item { pin: bin_of_pin(*item), ..items[*item] }).collect();
        // First with every item in the bin of its layer of the lock, so that only new ones have to be placed.
        let in_place = pinned.iter().zip(&rest).map(|(item, position)| {
            let name = &keys[*position].name;
            let of_fixed = || pins.iter().position(|pin| self.has(&fixed[*pin], name));
            let of_locked = || Some(pins.len() + locked.iter().position(|layer| layer.units.contains_key(name))?);
            Item { pin: item.pin.or_else(of_fixed).or_else(of_locked).filter(|bin| *bin < changed), ..*item }
        });
        let in_place: Vec<Item> = in_place.collect();
        // What is in a layer stays there before room is made in it.
        let attempts = [(&in_place, roomy), (&in_place, capacity), (&pinned, roomy), (&pinned, capacity)];
        attempts.into_iter().find_map(|(attempt, capacity)| {
            let Verdict::Feasible(bins) = fits(attempt, changed, capacity) else { return None };
            let bins = bins.into_iter().enumerate().filter(|(_, bin)| !bin.is_empty());
            let layers = bins.map(|(number, bin)| ChangedLayer {
                fixed: pins.get(number).map(|pin| &fixed[*pin]),
                items: bin.into_iter().map(|item| rest[item]).collect(),
            });
            Some(layers.collect())
        })
    }

    fn has(&self, layer: &str, unit: &str) -> bool {
        self.layer.iter().any(|known| known.name == layer && known.units.contains_key(unit))
    }

    /// Names the layers. Unchanged ones keep their names; a changed one has its fixed name, or that of the layer of the lock
    /// that it shares most units with, or a new one.
    fn name(&self, unchanged: &[&UnchangedLayer], changed: Vec<ChangedLayer<'_>>, keys: &[ItemKey]) -> Vec<NamedLayer> {
        let mut by_locked: BTreeMap<usize, Vec<usize>> =
            unchanged.iter().map(|layer| (layer.locked, layer.items.clone())).collect();
        let fixed_names: Vec<&String> = changed.iter().filter_map(|layer| layer.fixed).collect();
        let (mut layers, mut new) = (Vec::new(), Vec::new());
        for ChangedLayer { fixed, items } in changed {
            if let Some(name) = fixed {
                layers.push(NamedLayer { name: name.clone(), items });
                continue;
            }
            let shared =
                |layer: &LockedLayer| items.iter().filter(|item| layer.units.contains_key(&keys[**item].name)).count();
            let unused = self.layer.iter().enumerate();
            let unused =
                unused.filter(|(number, layer)| !by_locked.contains_key(number) && !fixed_names.contains(&&layer.name));
            let most = unused.map(|(number, layer)| (shared(layer), Reverse(number))).max();
            match most.filter(|(shared, _)| *shared > 0) {
                Some((_, Reverse(number))) => {
                    by_locked.insert(number, items);
                }
                None => new.push(items),
            }
        }
        let locked = by_locked.into_iter();
        layers.extend(locked.map(|(number, items)| NamedLayer { name: self.layer[number].name.clone(), items }));
        for items in new {
            // The name of a layer of the lock is not reused, even when that layer is removed.
            let is_used = |name: &String| {
                layers.iter().any(|layer| layer.name == *name) || self.layer.iter().any(|layer| layer.name == *name)
            };
            let numbers = 0..=self.layer.len() + layers.len();
            let mut names = numbers.map(|number| numbered(self.new_name.as_deref().unwrap_or("layer"), number));
            let name = names.find(|name| !is_used(name)).unwrap_or_default();
            layers.push(NamedLayer { name, items });
        }
        layers
    }

    /// The changes since this lock, in its order; new layers come last.
    pub(super) fn changes(&self, now: &Lock) -> Vec<LayerChange> {
        fn layers_of(lock: &Lock) -> BTreeMap<&str, &str> {
            lock.layer
                .iter()
                .flat_map(|layer| layer.units.keys().map(|unit| (unit.as_str(), layer.name.as_str())))
                .collect()
        }
        let (was_in, is_in) = (layers_of(self), layers_of(now));
        let empty = BTreeMap::new();
        // In the order of the lock, then those that are new.
        let known = self.layer.iter().map(|layer| layer.name.as_str());
        let new =
            now.layer.iter().map(|layer| layer.name.as_str()).filter(|name| !known.clone().any(|old| old == *name));
        let names: Vec<&str> = known.clone().chain(new).collect();
        let of = |lock: &Lock, name: &str| lock.layer.iter().position(|layer| layer.name == name);
        let changes = names.into_iter().map(|name| {
            let before = of(self, name).map_or(&empty, |at| &self.layer[at].units);
            let after = of(now, name).map_or(&empty, |at| &now.layer[at].units);
            let elsewhere = |places: &BTreeMap<&str, &str>, unit: &String| {
                let layer = places.get(unit.as_str()).map(|layer| (*layer).to_owned())?;
                Some(MovedUnit { unit: unit.clone(), layer, full: false })
            };
            let new: Vec<&String> = after.keys().filter(|unit| !before.contains_key(*unit)).collect();
            let gone: Vec<&String> = before.keys().filter(|unit| !after.contains_key(*unit)).collect();
            let added = new.iter().filter(|unit| !was_in.contains_key(unit.as_str()));
            let removed = gone.iter().filter(|unit| !is_in.contains_key(unit.as_str()));
            let updated = after.iter().filter(|(unit, digest)| before.get(*unit).is_some_and(|old| old != *digest));
            LayerChange {
                layer: name.to_owned(),
                added: added.map(|unit| (*unit).clone()).collect(),
                removed: removed.map(|unit| (*unit).clone()).collect(),
                updated: updated.map(|(unit, _)| unit.clone()).collect(),
                moved_in: new.iter().filter_map(|unit| elsewhere(&was_in, unit)).collect(),
                moved_out: gone.iter().filter_map(|unit| elsewhere(&is_in, unit)).collect(),
                known: of(self, name).is_some(),
            }
        });
        changes.collect()
    }
}

/// Every set of `size` numbers below `of`, in lexicographic order.
fn subsets(of: usize, size: usize) -> Vec<Vec<usize>> {
    if size > of {
        return Vec::new();
    }
    let mut sets = Vec::new();
    let mut set: Vec<usize> = (0..size).collect();
    loop {
        sets.push(set.clone());
        let Some(last) = (0..size).rfind(|i| set[*i] < of - size + i) else { return sets };
        set[last] += 1;
        for next in last + 1..size {
            set[next] = set[next - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::{pack_bins, random::Random};

    const CAPACITY: Capacity = Capacity { zipped: 100, unzipped: 1000 };

    fn item(zipped: u64) -> Item {
        Item { zipped, unzipped: zipped, pin: None }
    }

    fn keyed(sizes: &[(&str, u64)]) -> (Vec<Item>, Vec<ItemKey>) {
        let key = |name: &str, size: u64| ItemKey { name: name.to_owned(), digest: format!("{name}{size}") };
        sizes.iter().map(|(name, size)| (item(*size), key(name, *size))).unzip()
    }

    fn lock(layers: &[(&str, &[(&str, u64)])]) -> Lock {
        let units = |units: &[(&str, u64)]| units.iter().map(|(n, s)| ((*n).to_owned(), format!("{n}{s}"))).collect();
        Lock::new(layers.iter().map(|(name, u)| LockedLayer { name: (*name).to_owned(), units: units(u) }).collect())
    }

    fn assigned(lock: &Lock, sizes: &[(&str, u64)]) -> Vec<(String, Vec<String>)> {
        let (items, keys) = keyed(sizes);
        let fewest = pack_bins(&items, CAPACITY);
        let items = Items { sizes: &items, keys: &keys, capacity: CAPACITY, roomy: CAPACITY, fixed: &[] };
        let layers = lock.assign(items, &fewest.bins);
        assert_eq!(layers.len(), fewest.bins.len(), "as few layers as without a lock");
        let names = |items: Vec<usize>| items.into_iter().map(|item| keys[item].name.clone()).collect();
        layers.into_iter().map(|layer| (layer.name, names(layer.items))).collect()
    }

    fn layer(name: &str, units: &[&str]) -> (String, Vec<String>) {
        (name.to_owned(), units.iter().map(|unit| (*unit).to_owned()).collect())
    }

    #[test]
    fn a_new_item_changes_one_layer() {
        let before = lock(&[("one", &[("a", 60), ("b", 30)]), ("two", &[("c", 50), ("d", 20)])]);
        let sizes = [("a", 60), ("b", 30), ("c", 50), ("d", 20), ("new", 25)];
        assert_eq!(assigned(&before, &sizes), [layer("one", &["a", "b"]), layer("two", &["c", "d", "new"])]);
    }

    #[test]
    fn unchanged_items_stay_where_they_are_even_if_another_division_is_as_good() {
        let before = lock(&[("one", &[("a", 50)]), ("two", &[("b", 50), ("c", 40)])]);
        assert_eq!(
            assigned(&before, &[("a", 50), ("b", 50), ("c", 40)]),
            [layer("one", &["a"]), layer("two", &["b", "c"])]
        );
    }

    #[test]
    fn fewer_layers_come_before_fewer_changes() {
        let before = lock(&[("one", &[("a", 50)]), ("two", &[("b", 50)])]);
        assert_eq!(assigned(&before, &[("a", 50), ("b", 50)]).len(), 1);
    }

    #[test]
    fn an_item_that_fits_no_unchanged_layer_gets_a_new_one() {
        let before = lock(&[("one", &[("a", 60), ("b", 30)]), ("two", &[("c", 60), ("d", 30)])]);
        let sizes = [("a", 60), ("b", 30), ("c", 60), ("d", 30), ("new", 90)];
        let layers = assigned(&before, &sizes);
        assert_eq!(layers[..2], [layer("one", &["a", "b"]), layer("two", &["c", "d"])]);
        assert_eq!(layers[2], layer("layer-1", &["new"]));
    }

    #[test]
    fn pins_override_the_lock() {
        let before = lock(&[("r", &[("a", 60), ("b", 30)]), ("two", &[("c", 60), ("d", 30)])]);
        let (mut sizes, keys) = keyed(&[("a", 60), ("b", 30), ("c", 60), ("d", 30)]);
        let assign = |sizes: &[Item]| {
            let items = Items { sizes, keys: &keys, capacity: CAPACITY, roomy: CAPACITY, fixed: &["r".to_owned()] };
            before.assign(items, &pack_bins(sizes, CAPACITY).bins)
        };
        // c is pinned to a layer called r: the other two change places, and no layer is unchanged.
        sizes[2].pin = Some(0);
        let layers = assign(&sizes);
        assert_eq!(layers.len(), 2);
        let r = layers.iter().find(|layer| layer.name == "r").expect("named");
        assert!(r.items.contains(&2) && !r.items.contains(&0), "{layers:?}");
        // Pinned to the layer where it is, an item changes nothing.
        sizes[2].pin = None;
        sizes[0].pin = Some(0);
        let named = |name: &str, items: Vec<usize>| NamedLayer { name: name.to_owned(), items };
        assert_eq!(assign(&sizes), [named("r", vec![0, 1]), named("two", vec![2, 3])]);
    }

    #[test]
    fn an_item_stays_in_the_layer_that_it_is_pinned_to_when_an_earlier_layer_is_unchanged() {
        let before = lock(&[("one", &[("a", 60)]), ("two", &[("b", 50)]), ("three", &[("c", 70)])]);
        let (mut sizes, keys) = keyed(&[("a", 60), ("b", 55), ("c", 71)]);
        (sizes[0].pin, sizes[1].pin) = (Some(0), Some(1));
        let fixed = ["one".to_owned(), "two".to_owned()];
        let items = Items { sizes: &sizes, keys: &keys, capacity: CAPACITY, roomy: CAPACITY, fixed: &fixed };
        let layers = before.assign(items, &pack_bins(&sizes, CAPACITY).bins);
        let named = |name: &str, items: Vec<usize>| NamedLayer { name: name.to_owned(), items };
        assert_eq!(layers, [named("two", vec![1]), named("one", vec![0]), named("three", vec![2])]);
    }

    #[test]
    fn changes_are_listed_by_layer() {
        let before = lock(&[("one", &[("a", 1), ("b", 2)]), ("two", &[("c", 3)]), ("gone", &[("d", 4)])]);
        let now = lock(&[("one", &[("a", 9), ("e", 5)]), ("two", &[("c", 3)])]);
        let changes = before.changes(&now);
        let one = changes.iter().find(|change| change.layer == "one").expect("one");
        assert_eq!(
            (one.added.join(","), one.removed.join(","), one.updated.join(",")),
            ("e".into(), "b".into(), "a".into())
        );
        let named = |name: &str| changes.iter().find(|change| change.layer == name).expect("listed");
        assert!(named("two").is_unchanged() && !one.is_unchanged());
        assert_eq!(named("gone").removed, ["d"]);
    }

    #[test]
    fn a_unit_that_moves_is_neither_new_nor_removed() {
        let before = lock(&[("one", &[("a", 1), ("b", 2)]), ("two", &[("c", 3)])]);
        let now = lock(&[("one", &[("a", 9)]), ("two", &[("b", 2), ("c", 3)])]);
        let changes = before.changes(&now);
        let moved = |layer: &str| [MovedUnit { unit: "b".to_owned(), layer: layer.to_owned(), full: false }];
        assert_eq!((&changes[0].moved_out[..], &changes[1].moved_in[..]), (&moved("two")[..], &moved("one")[..]));
        assert!(changes.iter().all(|change| change.added.is_empty() && change.removed.is_empty()));
        assert!(!changes[1].is_unchanged());
    }

    #[test]
    fn subsets_are_all_there_are() {
        assert_eq!(subsets(4, 2), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!((subsets(3, 0), subsets(2, 3).len()), (vec![Vec::<usize>::new()], 0));
    }

    #[test]
    fn a_file_reads_back_and_another_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("layerfit.lock");
        assert_eq!(Lock::load(&path).expect("none"), None);
        let before = lock(&[("one", &[("pkg:a", 60), ("lib:lib/b.so.1", 30)])]);
        std::fs::write(&path, before.content().expect("TOML")).expect("written");
        assert_eq!(Lock::load(&path).expect("read"), Some(before));
        let layer = |name: &str, unit: &str| format!("[[layer]]\nname = {name:?}\n[layer.units]\n{unit:?} = \"x\"\n");
        let twice = |a: (&str, &str), b: (&str, &str)| format!("version = 1\n{}{}", layer(a.0, a.1), layer(b.0, b.1));
        for text in [
            "version = 2\n",
            "versoin = 1\n",
            "[[",
            &twice(("a", "pkg:x"), ("a", "pkg:y")),
            &twice(("a", "pkg:x"), ("b", "pkg:x")),
            &twice(("a", "pkg:x"), ("../b", "pkg:y")),
        ] {
            std::fs::write(&path, text).expect("written");
            assert!(Lock::load(&path).expect_err(text).to_string().contains("layerfit.lock"));
        }
    }

    #[test]
    fn a_layer_over_a_limit_that_was_lowered_does_not_stay() {
        let before = lock(&[("one", &[("a", 60), ("b", 50)]), ("two", &[("c", 70), ("d", 20)])]);
        let sizes = [("a", 60), ("b", 50), ("c", 70), ("d", 20)];
        let layers = [layer("two", &["c", "d"]), layer("one", &["a"]), layer("layer-1", &["b"])];
        let found = assigned(&before, &sizes);
        assert_eq!(found.iter().find(|found| found.0 == "two"), Some(&layers[0]), "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");
        // Also where it is over the limit unzipped only.
        let (mut items, keys) = keyed(&[("a", 40), ("b", 40)]);
        for item in &mut items {
            item.unzipped = 600;
        }
        let before = lock(&[("one", &[("a", 40), ("b", 40)])]);
        let fewest = pack_bins(&items, CAPACITY).bins;
        let items = Items { sizes: &items, keys: &keys, capacity: CAPACITY, roomy: CAPACITY, fixed: &[] };
        assert_eq!(before.assign(items, &fewest).len(), 2);
    }

    #[test]
    fn whatever_the_lock_no_layer_is_over_a_limit_and_each_item_is_in_one() {
        let mut random = Random(3);
        for _ in 0..2000 {
            let sizes: Vec<(String, u64)> =
                (0..random.below(8)).map(|n| (format!("u{n}"), 1 + random.below(100) as u64)).collect();
            let mut layers: Vec<(&str, Vec<(&str, u64)>)> =
                ["one", "two", "three"].map(|name| (name, Vec::new())).into();
            for (name, size) in &sizes {
                // Some are in the lock as they are, some with other content, and some are new.
                let other = [0, 0, 1][random.below(3)];
                if let Some((_, units)) = layers.get_mut(random.below(4)) {
                    units.push((name, size + other));
                }
            }
            let layers: Vec<(&str, &[(&str, u64)])> = layers.iter().map(|(name, units)| (*name, &units[..])).collect();
            let before = lock(&layers);
            let sizes: Vec<(&str, u64)> = sizes.iter().map(|(name, size)| (name.as_str(), *size)).collect();
            let (mut items, keys) = keyed(&sizes);
            for item in &mut items {
                item.unzipped = 1 + random.below(1000) as u64;
            }
            let fewest = pack_bins(&items, CAPACITY).bins;
            let of = Items { sizes: &items, keys: &keys, capacity: CAPACITY, roomy: CAPACITY, fixed: &[] };
            let layers = before.assign(of, &fewest);
            assert_eq!(layers.len(), fewest.len(), "{sizes:?} {before:?}");
            let mut placed: Vec<usize> = layers.iter().flat_map(|layer| layer.items.clone()).collect();
            placed.sort_unstable();
            assert_eq!(placed, (0..items.len()).collect::<Vec<_>>(), "{sizes:?} {before:?}");
            for layer in layers {
                assert!(CAPACITY.holds(layer.items.iter().map(|item| &items[*item])), "{layer:?} {items:?} {before:?}");
            }
        }
    }

    #[test]
    fn two_new_items_change_one_layer_where_one_has_room_for_both() {
        let before = lock(&[("one", &[("a", 60)]), ("two", &[("b", 30)])]);
        let sizes = [("a", 60), ("b", 30), ("new", 35), ("newer", 30)];
        assert_eq!(assigned(&before, &sizes), [layer("one", &["a"]), layer("two", &["b", "new", "newer"])]);
    }

    #[test]
    fn items_of_changed_layers_stay_in_them() {
        let before =
            lock(&[("same", &[("e", 90)]), ("one", &[("a", 49), ("b", 40)]), ("two", &[("c", 49), ("d", 40)])]);
        let sizes = [("a", 50), ("b", 40), ("c", 50), ("d", 40), ("e", 90)];
        let layers = [layer("same", &["e"]), layer("one", &["a", "b"]), layer("two", &["c", "d"])];
        assert_eq!(assigned(&before, &sizes), layers);
        // Also where one of the layers has a given name.
        let before = lock(&[("r", &[("a", 49), ("b", 40)]), ("two", &[("c", 49), ("d", 40)])]);
        let (mut items, keys) = keyed(&sizes[..4]);
        items[0].pin = Some(0);
        let fewest = pack_bins(&items, CAPACITY).bins;
        let items = Items { sizes: &items, keys: &keys, capacity: CAPACITY, roomy: CAPACITY, fixed: &["r".to_owned()] };
        let named = |name: &str, items: Vec<usize>| NamedLayer { name: name.to_owned(), items };
        assert_eq!(before.assign(items, &fewest), [named("r", vec![0, 1]), named("two", vec![2, 3])]);
    }

    #[test]
    fn a_new_layer_has_the_first_number_that_no_layer_has_or_had() {
        let before = lock(&[("layer-1", &[("a", 60)])]);
        assert_eq!(assigned(&before, &[("a", 60), ("b", 60)]), [layer("layer-1", &["a"]), layer("layer-2", &["b"])]);
        let before = lock(&[("layer-1", &[("gone", 60)]), ("layer-2", &[("a", 60)]), ("layer-4", &[("b", 60)])]);
        let sizes = [("a", 60), ("b", 60), ("c", 60), ("d", 60)];
        let names: Vec<String> = assigned(&before, &sizes).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["layer-2", "layer-4", "layer-3", "layer-5"]);
        let of_group = before.of_group("layer");
        assert_eq!(of_group.layer.len(), 3);
        let kinds = lock(&[("r", &[("a", 60)]), ("r-2", &[("b", 60)]), ("ring", &[("c", 60)])]).of_group("r");
        assert_eq!(kinds.layer.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["r", "r-2"]);
        let new: Vec<String> = assigned(&kinds, &sizes[..3]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(new, ["r", "r-2", "r-3"]);
    }
}
