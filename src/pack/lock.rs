//! The lock: which unit is in which layer, remembered between runs, so that a small change publishes few layers anew.
//!
//! A layer whose units are all as they were keeps its name, its content and so its sha256. Of all ways to pack into the
//! fewest layers, the one that changes the fewest of them is taken: exactly, by trying every set of layers to keep, the
//! largest first.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bins::{Capacity, Item, Verdict, fits};
use super::names::numbered;
use crate::base::error::{Error, Result};

/// The form of the file.
const VERSION: u32 = 1;

/// More layers than this are not kept apart: a function has five.
const MOST_LAYERS: usize = 12;

const HEADER: &str = "# Which unit is in which layer, written by layerfit pack --lock. Keep it beside the configuration of the function:\n\
                      # with it, a change publishes as few layers anew as possible.\n\n";

/// Which unit is in which layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    #[serde(default)]
    pub(super) layer: Vec<LockedLayer>,
    /// What new layers are called, with a number.
    #[serde(skip)]
    others: Option<String>,
}

/// A layer as it was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedLayer {
    pub(super) name: String,
    /// Each unit (or file of a unit that no layer holds whole) with the digest of its content.
    pub(super) units: BTreeMap<String, String>,
}

/// What became of a layer of the lock, or of a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// The layer's name.
    pub layer: String,
    /// Units that are in it and were not.
    pub added: Vec<String>,
    /// Units that were in it and are not.
    pub removed: Vec<String>,
    /// Units with other content than they had.
    pub updated: Vec<String>,
    /// Whether it was in the lock.
    pub known: bool,
}

impl LayerChange {
    /// Whether the layer is byte for byte what it was.
    pub fn is_unchanged(&self) -> bool {
        self.known && self.added.is_empty() && self.removed.is_empty() && self.updated.is_empty()
    }
}

/// What is to be divided.
#[derive(Clone, Copy)]
struct Task<'a> {
    pieces: &'a [Item],
    names: &'a [(String, String)],
    capacity: Capacity,
    fixed: &'a [String],
}

/// A layer to be: its name and the positions of its pieces.
pub(super) type Named = (String, Vec<usize>);

impl Lock {
    pub(super) fn new(layer: Vec<LockedLayer>) -> Self {
        Self { version: VERSION, layer, others: None }
    }

    /// Reads a lock file; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or is no lock file of this version.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let wrong = |message: String| Error::Data {
            file: path.display().to_string(),
            message,
            help: "remove it to divide the layers anew, or take it from an earlier state of your repository".to_owned(),
        };
        let lock: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        if lock.version == VERSION {
            Ok(Some(lock))
        } else {
            Err(wrong(format!("its version is {}, and this layerfit writes {VERSION}", lock.version)))
        }
    }

    /// Writes the lock file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; the old one is then as it was.
    pub fn store(&self, path: &Path) -> Result<()> {
        let body = toml::to_string(self).map_err(Error::bug("write the lock as TOML"))?;
        crate::base::atomic::replace_file(path, format!("{HEADER}{body}").as_bytes())
    }

    /// The layers that were a group's: those of its name, numbered or not. What new ones are called goes on from there.
    pub(super) fn of_group(&self, name: &str) -> Self {
        let of_group = |layer: &&LockedLayer| (0..=self.layer.len()).any(|number| numbered(name, number) == layer.name);
        Self { others: Some(name.to_owned()), ..Self::new(self.layer.iter().filter(of_group).cloned().collect()) }
    }

    /// Divides pieces (each with its name and digest) into as many layers as `fewest` has bins, so that as few as possible
    /// are other than in the lock. A piece with a pin is in the layer with that name of `fixed`.
    pub(super) fn assign(
        &self,
        pieces: &[Item],
        names: &[(String, String)],
        capacity: Capacity,
        fewest: &[Vec<usize>],
        fixed: &[String],
    ) -> Vec<Named> {
        let position: BTreeMap<&str, usize> =
            names.iter().enumerate().map(|(i, (name, _))| (name.as_str(), i)).collect();
        let same = |name: &str, digest: &str| position.get(name).copied().filter(|i| names[*i].1 == digest);
        let belongs = |layer: &LockedLayer, content: &[usize]| match fixed.iter().position(|name| *name == layer.name) {
            // All that is meant for this layer, and nothing that is meant for another.
            Some(pin) => (0..pieces.len()).all(|i| match pieces[i].pin {
                Some(of) => (of == pin) == content.contains(&i),
                None => true,
            }),
            None => content.iter().all(|piece| pieces[*piece].pin.is_none()),
        };
        // A layer can be kept when everything in it is as it was.
        let keepable: Vec<(usize, Vec<usize>)> = self
            .layer
            .iter()
            .enumerate()
            .filter_map(|(number, layer)| {
                let content: Option<Vec<usize>> = layer.units.iter().map(|(name, digest)| same(name, digest)).collect();
                let content = content.filter(|content| !content.is_empty() && belongs(layer, content));
                content.map(|content| (number, content))
            })
            .collect();
        let layers = fewest.len();
        let task = Task { pieces, names, capacity, fixed };
        if layers <= MOST_LAYERS && self.layer.len() <= MOST_LAYERS {
            for changed in 0..=layers {
                let kept = layers - changed;
                for set in subsets(keepable.len(), kept) {
                    let keep: Vec<&(usize, Vec<usize>)> = set.iter().map(|number| &keepable[*number]).collect();
                    if let Some(found) = self.with_kept(&task, &keep, changed) {
                        return found;
                    }
                }
            }
        }
        let bins = fewest.iter().enumerate().map(|(number, bin)| (fixed.get(number), bin.clone()));
        self.name(bins.collect(), names, &[])
    }

    /// The rest of the pieces into `changed` layers beside those that are kept.
    fn with_kept(&self, task: &Task<'_>, keep: &[&(usize, Vec<usize>)], changed: usize) -> Option<Vec<Named>> {
        let Task { pieces, names, capacity, fixed } = *task;
        let kept: std::collections::BTreeSet<usize> =
            keep.iter().flat_map(|(_, content)| content.iter().copied()).collect();
        let rest: Vec<usize> = (0..pieces.len()).filter(|piece| !kept.contains(piece)).collect();
        if changed == 0 {
            return rest.is_empty().then(|| self.name(Vec::new(), names, keep));
        }
        let is_kept = |name: &str| keep.iter().any(|(number, _)| self.layer[*number].name == name);
        // The layers that change: first those whose names are given, then those of the lock.
        let given: Vec<usize> = (0..fixed.len()).filter(|pin| !is_kept(&fixed[*pin])).collect();
        let open = self.layer.iter().filter(|layer| !is_kept(&layer.name) && !fixed.contains(&layer.name));
        let open: Vec<&LockedLayer> = open.collect();
        let given_pin = |piece: usize| given.iter().position(|pin| Some(*pin) == pieces[piece].pin);
        let free = rest.iter().map(|piece| Item { pin: given_pin(*piece), ..pieces[*piece] });
        let free: Vec<Item> = free.collect();
        // What was in a layer that changes best stays in it, and only what is new is put somewhere.
        let staying = free.iter().zip(&rest).map(|(piece, number)| {
            let name = &names[*number].0;
            let in_given = || given.iter().position(|pin| self.has(&fixed[*pin], name));
            let in_open = || open.iter().position(|layer| layer.units.contains_key(name)).map(|i| i + given.len());
            Item { pin: piece.pin.or_else(in_given).or_else(in_open).filter(|pin| *pin < changed), ..*piece }
        });
        let staying: Vec<Item> = staying.collect();
        for attempt in [&staying, &free] {
            if let Verdict::Feasible(bins) = fits(attempt, changed, capacity) {
                let bins = bins.into_iter().enumerate().filter(|(_, bin)| !bin.is_empty());
                let bins = bins.map(|(number, bin)| {
                    let name = given.get(number).map(|pin| &fixed[*pin]);
                    (name, bin.into_iter().map(|piece| rest[piece]).collect())
                });
                return Some(self.name(bins.collect(), names, keep));
            }
        }
        None
    }

    fn has(&self, layer: &str, unit: &str) -> bool {
        self.layer.iter().any(|known| known.name == layer && known.units.contains_key(unit))
    }

    /// Gives the kept layers their names, and each of the others the one that is given, or that of the layer of the lock it
    /// has most units of.
    fn name(
        &self,
        bins: Vec<(Option<&String>, Vec<usize>)>,
        names: &[(String, String)],
        keep: &[&(usize, Vec<usize>)],
    ) -> Vec<Named> {
        let mut named: BTreeMap<usize, Vec<usize>> =
            keep.iter().map(|(number, content)| (*number, content.clone())).collect();
        let given: Vec<&String> = bins.iter().filter_map(|(name, _)| *name).collect();
        let (mut fixed, mut new) = (Vec::new(), Vec::new());
        for (name, bin) in bins {
            if let Some(name) = name {
                fixed.push((name.clone(), bin));
                continue;
            }
            let shared =
                |layer: &LockedLayer| bin.iter().filter(|piece| layer.units.contains_key(&names[**piece].0)).count();
            let free = self.layer.iter().enumerate();
            let free = free.filter(|(number, layer)| !named.contains_key(number) && !given.contains(&&layer.name));
            let most = free.map(|(number, layer)| (shared(layer), std::cmp::Reverse(number))).max();
            match most.filter(|(shared, _)| *shared > 0) {
                Some((_, std::cmp::Reverse(number))) => {
                    named.insert(number, bin);
                }
                None => new.push(bin),
            }
        }
        let mut layers: Vec<Named> = fixed;
        layers.extend(named.into_iter().map(|(number, content)| (self.layer[number].name.clone(), content)));
        for bin in new {
            // A name that a layer had goes on meaning that one, even when it is gone.
            let taken = |name: &String| {
                layers.iter().any(|(layer, _)| layer == name) || self.layer.iter().any(|layer| layer.name == *name)
            };
            let most = self.layer.len() + layers.len() + 1;
            let candidates = (0..most).map(|number| numbered(self.others.as_deref().unwrap_or("layer"), number));
            let name = candidates.into_iter().find(|name| !taken(name)).unwrap_or_default();
            layers.push((name, bin));
        }
        layers
    }

    /// What is other than in this lock, layer by layer; layers that are gone come last.
    pub(super) fn changes(&self, now: &Lock) -> Vec<LayerChange> {
        let mut changes = Vec::new();
        for layer in &now.layer {
            let before = self.layer.iter().find(|before| before.name == layer.name);
            let old = |name: &String| before.and_then(|before| before.units.get(name));
            changes.push(LayerChange {
                layer: layer.name.clone(),
                added: layer.units.keys().filter(|name| old(name).is_none()).cloned().collect(),
                removed: before
                    .into_iter()
                    .flat_map(|before| before.units.keys())
                    .filter(|name| !layer.units.contains_key(*name))
                    .cloned()
                    .collect(),
                updated: layer
                    .units
                    .iter()
                    .filter(|(name, digest)| old(name).is_some_and(|old| old != *digest))
                    .map(|(name, _)| name.clone())
                    .collect(),
                known: before.is_some(),
            });
        }
        let gone = self.layer.iter().filter(|before| !now.layer.iter().any(|layer| layer.name == before.name));
        changes.extend(gone.map(|before| LayerChange {
            layer: before.name.clone(),
            added: Vec::new(),
            removed: before.units.keys().cloned().collect(),
            updated: Vec::new(),
            known: true,
        }));
        changes
    }
}

/// Every set of `size` numbers below `of`, in order.
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
    use crate::pack::bins::pack_bins;

    const CAPACITY: Capacity = Capacity { zipped: 100, unzipped: 1000 };

    fn piece(zipped: u64) -> Item {
        Item { zipped, unzipped: zipped, pin: None }
    }

    fn named(sizes: &[(&str, u64)]) -> (Vec<Item>, Vec<(String, String)>) {
        sizes.iter().map(|(name, size)| (piece(*size), ((*name).to_owned(), format!("{name}{size}")))).unzip()
    }

    fn lock(layers: &[(&str, &[(&str, u64)])]) -> Lock {
        let units = |units: &[(&str, u64)]| units.iter().map(|(n, s)| ((*n).to_owned(), format!("{n}{s}"))).collect();
        Lock::new(layers.iter().map(|(name, u)| LockedLayer { name: (*name).to_owned(), units: units(u) }).collect())
    }

    fn assigned(lock: &Lock, sizes: &[(&str, u64)]) -> Vec<(String, Vec<String>)> {
        let (pieces, names) = named(sizes);
        let fewest = pack_bins(&pieces, CAPACITY);
        let layers = lock.assign(&pieces, &names, CAPACITY, &fewest.bins, &[]);
        assert_eq!(layers.len(), fewest.bins.len(), "as few layers as without a lock");
        layers.into_iter().map(|(name, bin)| (name, bin.into_iter().map(|p| names[p].0.clone()).collect())).collect()
    }

    fn layer(name: &str, units: &[&str]) -> (String, Vec<String>) {
        (name.to_owned(), units.iter().map(|unit| (*unit).to_owned()).collect())
    }

    #[test]
    fn a_new_piece_changes_one_layer() {
        let before = lock(&[("one", &[("a", 60), ("b", 30)]), ("two", &[("c", 50), ("d", 20)])]);
        let sizes = [("a", 60), ("b", 30), ("c", 50), ("d", 20), ("new", 25)];
        assert_eq!(assigned(&before, &sizes), [layer("one", &["a", "b"]), layer("two", &["c", "d", "new"])]);
    }

    #[test]
    fn what_stays_the_same_stays_where_it_is_though_another_division_is_as_good() {
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
    fn a_piece_that_fits_no_layer_as_it_is_gets_a_new_one_or_moves_the_least() {
        let before = lock(&[("one", &[("a", 60), ("b", 30)]), ("two", &[("c", 60), ("d", 30)])]);
        let sizes = [("a", 60), ("b", 30), ("c", 60), ("d", 30), ("new", 90)];
        let layers = assigned(&before, &sizes);
        assert_eq!(layers[..2], [layer("one", &["a", "b"]), layer("two", &["c", "d"])]);
        assert_eq!(layers[2], layer("layer-1", &["new"]));
    }

    #[test]
    fn what_is_meant_for_a_named_layer_is_in_it_whatever_the_lock_says() {
        let before = lock(&[("r", &[("a", 60), ("b", 30)]), ("two", &[("c", 60), ("d", 30)])]);
        let (mut pieces, names) = named(&[("a", 60), ("b", 30), ("c", 60), ("d", 30)]);
        // c is meant for a layer called r: the other two change places, and nothing is as it was.
        pieces[2].pin = Some(0);
        let fewest = pack_bins(&pieces, CAPACITY);
        let layers = before.assign(&pieces, &names, CAPACITY, &fewest.bins, &["r".to_owned()]);
        assert_eq!(layers.len(), 2);
        let r = layers.iter().find(|(name, _)| name == "r").expect("named");
        assert!(r.1.contains(&2) && !r.1.contains(&0), "{layers:?}");
        // Meant for where it is, it stays, and so does everything.
        pieces[2].pin = None;
        pieces[0].pin = Some(0);
        let layers = before.assign(&pieces, &names, CAPACITY, &pack_bins(&pieces, CAPACITY).bins, &["r".to_owned()]);
        assert_eq!(layers, [("r".to_owned(), vec![0, 1]), ("two".to_owned(), vec![2, 3])]);
    }

    #[test]
    fn what_changed_is_said_layer_by_layer() {
        let before = lock(&[("one", &[("a", 1), ("b", 2)]), ("two", &[("c", 3)]), ("gone", &[("d", 4)])]);
        let now = lock(&[("one", &[("a", 9), ("e", 5)]), ("two", &[("c", 3)])]);
        let changes = before.changes(&now);
        let one = &changes[0];
        assert_eq!(
            (one.added.join(","), one.removed.join(","), one.updated.join(",")),
            ("e".into(), "b".into(), "a".into())
        );
        assert!(changes[1].is_unchanged() && !one.is_unchanged());
        assert_eq!((changes[2].layer.as_str(), changes[2].removed.join(",").as_str()), ("gone", "d"));
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
        before.store(&path).expect("written");
        assert_eq!(Lock::load(&path).expect("read"), Some(before));
        for text in ["version = 2\n", "versoin = 1\n", "[["] {
            std::fs::write(&path, text).expect("written");
            assert!(Lock::load(&path).expect_err(text).to_string().contains("layerfit.lock"));
        }
    }

    #[test]
    fn two_new_pieces_change_one_layer_where_one_has_room_for_both() {
        let before = lock(&[("one", &[("a", 60)]), ("two", &[("b", 30)])]);
        let sizes = [("a", 60), ("b", 30), ("new", 35), ("newer", 30)];
        assert_eq!(assigned(&before, &sizes), [layer("one", &["a"]), layer("two", &["b", "new", "newer"])]);
    }

    #[test]
    fn what_is_in_layers_that_change_stays_in_them() {
        let before =
            lock(&[("same", &[("e", 90)]), ("one", &[("a", 49), ("b", 40)]), ("two", &[("c", 49), ("d", 40)])]);
        let sizes = [("a", 50), ("b", 40), ("c", 50), ("d", 40), ("e", 90)];
        let layers = [layer("same", &["e"]), layer("one", &["a", "b"]), layer("two", &["c", "d"])];
        assert_eq!(assigned(&before, &sizes), layers);
        // Also where one of the layers has a given name.
        let before = lock(&[("r", &[("a", 49), ("b", 40)]), ("two", &[("c", 49), ("d", 40)])]);
        let (mut pieces, names) = named(&sizes[..4]);
        pieces[0].pin = Some(0);
        let fewest = pack_bins(&pieces, CAPACITY).bins;
        let layers = before.assign(&pieces, &names, CAPACITY, &fewest, &["r".to_owned()]);
        assert_eq!(layers, [("r".to_owned(), vec![0, 1]), ("two".to_owned(), vec![2, 3])]);
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
