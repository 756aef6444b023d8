//! Pack: divides units into the fewest layers that hold them, with a lower bound for their number.

pub mod bins;
mod certain;
mod groups;
mod lock;
pub mod measure;
mod names;
pub mod output;
mod parts;
pub mod rewrite;
mod units;
pub(crate) mod verdict;

use std::collections::BTreeMap;

use bins::Capacity;
pub(crate) use certain::{does_not_fit as certainly_does_not_fit, is_far_too_long};
use groups::divide;
pub use groups::{Group, Strategy, kinds};
use lock::{ItemKey, LockedLayer, NamedLayer};
pub use lock::{LayerChange, Lock, MovedUnit};
pub(crate) use names::is_layer_name;
use parts::{Part, divided};
pub(crate) use units::{PackedEntries, UnitOf, unit_of};
pub use units::{Unit, UnitEntry, units};
use units::{largest, largest_unzipped};
use verdict::{LayerSize, or_through_s3, over_limits};

use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::subject::Subject;
use crate::pack::measure::ZIP_OVERHEAD;
use crate::runtime::Limits;
use crate::tree::EntryId;

/// How many names a finding lists.
const MAX_NAMES: usize = 5;

/// One layer: its content and its exact size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name, which is also its zip's without the extension.
    pub name: String,
    /// The names of its units, sorted. A unit that was split is in several layers.
    pub units: Vec<String>,
    /// Its entries, sorted by path.
    pub entries: Vec<EntryId>,
    /// The length of its zip in bytes.
    pub zipped_bytes: u64,
    /// The sum of its entries' lengths in bytes.
    pub unzipped_bytes: u64,
}

/// What is in which layer.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The layers, in the order to attach them.
    pub layers: Vec<Layer>,
    /// No division of the units has fewer layers than this.
    pub lower_bound: usize,
    /// Whether fewer layers are proven impossible.
    pub optimal: bool,
    /// Which unit is in which layer, for the next run.
    pub lock: Lock,
    /// Changes since the previous lock, by layer; `None` without one.
    pub changes: Option<Vec<LayerChange>>,
}

impl Layout {
    /// No layers: of what cannot fit, however it is divided.
    pub(crate) fn none() -> Self {
        Self { layers: Vec::new(), lower_bound: 0, optimal: false, lock: Lock::new(Vec::new()), changes: None }
    }

    /// The length of all zips together, in bytes.
    pub fn zipped_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.zipped_bytes).sum()
    }

    /// The lengths of all entries together, in bytes.
    pub fn unzipped_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.unzipped_bytes).sum()
    }
}

/// How units are divided into layers.
#[derive(Debug, Clone, Default)]
pub struct LayerPolicy {
    /// The groups of units that are meant for a layer of their own.
    pub groups: Vec<Group>,
    /// What comes first: few layers, or separate groups.
    pub strategy: Strategy,
    /// How many zipped bytes each layer leaves free, if that needs no more layers.
    pub slack: u64,
    /// The layers that have another name when they are published.
    pub published: Vec<String>,
}

/// A finding for each layer that is to have another name when it is published, and that there is not.
fn not_there(published: &[String], layout: &Layout) -> Vec<Finding> {
    let names: Vec<&str> = layout.layers.iter().map(|layer| layer.name.as_str()).collect();
    let missing = published.iter().filter(|name| !names.contains(&name.as_str()));
    let finding = |name: &String| {
        let message = format!("no layer is called {name}, so its name in [publish.names] has no effect");
        let help = format!("the layers are {}: correct the name, or remove it", list::with_last(&names, "and"));
        Finding::warning(Code::HoldsNothing, Subject::setting("publish.names"), message, help)
    };
    missing.filter(|_| !names.is_empty()).map(finding).collect()
}

/// Divides units (sorted by name) into as few layers as the policy allows; with a lock, so that the fewest of them change.
///
/// Returns the layout, even when there are more layers than allowed or the content is too large, and findings about what
/// does not fit, with the largest units and a remedy. Only files that are over a limit on their own are in no layer.
pub fn lay_out(units: &[Unit], limits: &Limits, policy: &LayerPolicy, lock: Option<&Lock>) -> (Layout, Vec<Finding>) {
    // Where the function's code takes all of it, that has a finding, and what the layers would be is still of use.
    let unzipped = Some(limits.layers_unzipped()).filter(|left| *left > 0).unwrap_or(limits.total_unzipped);
    let capacity = Capacity { zipped: limits.layer_zipped.saturating_sub(ZIP_OVERHEAD), unzipped };
    let mut findings = Vec::new();
    let mut parts = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        if unit.zipped_bytes() <= capacity.zipped && unit.unzipped_bytes() <= capacity.unzipped {
            parts.push(Part::new(number, unit.name.clone(), &unit.entries));
            continue;
        }
        let mut held = Vec::new();
        for entry in &unit.entries {
            if entry.zipped > capacity.zipped {
                findings.push(Finding::error(
                    Code::FileTooLarge,
                    &entry.path,
                    format!(
                        "takes {} in a zip of its own; a layer can have {}",
                        size(entry.zipped + ZIP_OVERHEAD),
                        size(limits.layer_zipped)
                    ),
                    format!(
                        "leave it out with --drop, strip it, or have the function download it to /tmp at startup{}",
                        or_through_s3(entry.zipped + ZIP_OVERHEAD, limits)
                    ),
                ));
            } else if entry.unzipped <= capacity.unzipped {
                held.push(entry);
            }
            // A file over the unzipped limit exceeds the limit of all layers together, which has its own finding.
        }
        parts.extend(divided(number, unit, &held, capacity));
    }
    let items: Vec<bins::Item> = parts.iter().map(|part| part.item).collect();
    let keys: Vec<ItemKey> = parts.iter().map(|part| part.key.clone()).collect();
    let unit_names: Vec<&str> = parts.iter().map(|part| units[part.unit].name.as_str()).collect();
    let group_of_unit = |unit: &Unit| policy.groups.iter().position(|group| group.holds(unit));
    let group_of_units: Vec<Option<usize>> = units.iter().map(group_of_unit).collect();
    let group_of = parts.iter().map(|part| group_of_units[part.unit]).collect();
    let wanted = (policy.groups.as_slice(), policy.strategy);
    let division = divide(&items, &keys, group_of, wanted, (capacity, policy.slack), lock);
    findings.extend(Group::findings(&policy.groups, units));
    findings.extend(not_in_their_layers(&division.elsewhere, &unit_names));
    let locked = |layer: &NamedLayer| {
        let keys = layer.items.iter().map(|item| parts[*item].key.clone());
        LockedLayer { name: layer.name.clone(), units: keys.map(|key| (key.name, key.digest)).collect() }
    };
    let now = Lock::new(division.layers.iter().map(locked).collect());
    let mut changes = lock.map(|lock| lock.changes(&now));
    let sizes: BTreeMap<&str, u64> = parts.iter().map(|part| (part.key.name.as_str(), part.item.zipped)).collect();
    for change in changes.iter_mut().flatten() {
        for moved in &mut change.moved_in {
            let own = sizes.get(moved.unit.as_str()).copied().unwrap_or(0);
            let of_layer = now.layer.iter().find(|layer| layer.name == moved.layer);
            moved.full = of_layer.is_some_and(|layer| {
                layer.units.keys().filter_map(|unit| sizes.get(unit.as_str())).sum::<u64>() + own > capacity.zipped
            });
        }
    }
    let layout = Layout {
        layers: division.layers.into_iter().map(|named| layer(units, &parts, named)).collect(),
        lower_bound: division.lower_bound,
        optimal: division.optimal,
        changes,
        lock: now,
    };
    findings.extend(not_there(&policy.published, &layout));
    findings.extend(does_not_fit(units, &layout, limits));
    (layout, findings)
}

/// How many zipped bytes have to be saved to need one layer less, if compressing harder could save as many, and if the layers
/// could fit then: neither a file that no layer holds, nor too many unzipped bytes, nor more than one layer too many becomes
/// less by it.
///
/// Level 12 of libdeflate makes an R tree 2 % smaller than level 6, and text up to 10 %.
pub fn saves_a_layer(layout: &Layout, does_not_fit: &[Finding], limits: &Limits) -> Option<u64> {
    let remains = |finding: &Finding| finding.severity == Severity::Error && finding.code != Code::TooManyLayers;
    if does_not_fit.iter().any(remains) {
        return None;
    }
    let fewer = layout.layers.len().checked_sub(1).filter(|fewer| (1..=limits.layers).contains(fewer))?;
    let room = fewer as u64 * limits.layer_zipped;
    // One layer less is one end record less.
    let zipped = layout.zipped_bytes() - ZIP_OVERHEAD;
    let wanted = zipped.checked_sub(room).filter(|wanted| *wanted > 0)?;
    (wanted <= zipped / 8).then_some(wanted)
}

/// A finding for each layer that does not hold all units meant for it.
fn not_in_their_layers(elsewhere: &[(usize, String)], units: &[&str]) -> Vec<Finding> {
    let mut by_layer: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (item, layer) in elsewhere {
        by_layer.entry(layer).or_default().push(units[*item]);
    }
    let finding = |(layer, mut units): (&str, Vec<&str>)| {
        units.dedup();
        Finding::warning(
            Code::NotInItsLayer,
            Subject::layer(layer),
            format!("another layer would be needed for {} to be in it", list::some(&units, MAX_NAMES)),
            "allow more layers with --strategy kinds, or change what the layer holds in layerfit.toml",
        )
    };
    by_layer.into_iter().map(finding).collect()
}

fn layer(units: &[Unit], parts: &[Part], NamedLayer { name, items }: NamedLayer) -> Layer {
    let parts = || items.iter().map(|item| &parts[*item]);
    let mut entries: Vec<EntryId> = parts().flat_map(|part| part.entries.iter().copied()).collect();
    entries.sort();
    let mut names: Vec<String> = parts().map(|part| units[part.unit].name.clone()).collect();
    names.sort();
    names.dedup();
    Layer {
        name,
        units: names,
        entries,
        zipped_bytes: ZIP_OVERHEAD + parts().map(|part| part.item.zipped).sum::<u64>(),
        unzipped_bytes: parts().map(|part| part.item.unzipped).sum(),
    }
}

fn does_not_fit(units: &[Unit], layout: &Layout, limits: &Limits) -> Vec<Finding> {
    let too_many = || {
        let room = limits.layer_zipped * limits.layers as u64;
        let over = layout.zipped_bytes().saturating_sub(room);
        let why = if layout.lower_bound > limits.layers && over > 0 {
            format!(
                "{} zipped are {} more than {} of {} {}",
                size(layout.zipped_bytes()),
                size(over),
                plural(limits.layers, "layer", "layers"),
                size(limits.layer_zipped),
                if limits.layers == 1 { "holds" } else { "hold" }
            )
        } else if layout.optimal {
            "the units cannot be divided into fewer".to_owned()
        } else {
            format!("no division into fewer was found; at least {} are needed", layout.lower_bound)
        };
        Finding::error(
            Code::TooManyLayers,
            Subject::whole("layers"),
            format!(
                "{} layers are needed and {} {} allowed: {why}",
                layout.layers.len(),
                limits.layers,
                if limits.layers == 1 { "is" } else { "are" }
            ),
            format!(
                "prune more (`layerfit rules` lists what --select can turn on), or drop some of the largest units: {}",
                largest(units, Unit::zipped_bytes)
            ),
        )
    };
    let layer = |layer: &Layer| LayerSize {
        subject: Subject::layer(&layer.name),
        entries: layer.entries.len(),
        zipped_bytes: layer.zipped_bytes,
    };
    let layers: Vec<LayerSize> = layout.layers.iter().map(layer).collect();
    // A file that is too large for a layer is in none, and counts all the same.
    let unzipped: u64 = units.iter().map(Unit::unzipped_bytes).sum();
    over_limits(&layers, unzipped, limits, &largest_unzipped(units), too_many)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { layer_zipped: 1000, total_unzipped: 10_000, layers: 5, function_unzipped: 0, code_unzipped: None };

    fn planned(zipped: &[u64]) -> Layout {
        let layer = |zipped_bytes: &u64| Layer {
            name: "layer".to_owned(),
            units: Vec::new(),
            entries: Vec::new(),
            zipped_bytes: *zipped_bytes,
            unzipped_bytes: 3,
        };
        let layers = zipped.iter().map(layer).collect();
        Layout { layers, lower_bound: 1, optimal: true, lock: Lock::new(Vec::new()), changes: None }
    }

    #[test]
    fn an_eighth_less_at_most_is_hoped_for_and_only_where_it_saves_a_layer() {
        assert_eq!(saves_a_layer(&planned(&[]), &[], &LIMITS), None);
        assert_eq!(saves_a_layer(&planned(&[1000]), &[], &LIMITS), None);
        // One end of a zip goes with the layer.
        assert_eq!(saves_a_layer(&planned(&[900, 122]), &[], &LIMITS), None);
        assert_eq!(saves_a_layer(&planned(&[900, 123]), &[], &LIMITS), Some(1));
        assert_eq!(saves_a_layer(&planned(&[800, 200 + 22 + 142]), &[], &LIMITS), Some(142));
        assert_eq!(saves_a_layer(&planned(&[800, 200 + 22 + 143]), &[], &LIMITS), None);
        assert_eq!(saves_a_layer(&planned(&[1000, 1000, 50]), &[], &LIMITS), Some(28));
    }

    #[test]
    fn nothing_is_compressed_harder_where_the_layers_would_not_fit_then_either() {
        let finding = |code| [Finding::error(code, Subject::whole("layers"), "", "")];
        let planned = planned(&[1000, 1000, 50]);
        for code in [Code::FileTooLarge, Code::UnzippedTooLarge] {
            assert_eq!(saves_a_layer(&planned, &finding(code), &LIMITS), None, "{code}");
        }
        assert_eq!(saves_a_layer(&planned, &finding(Code::TooManyLayers), &Limits { layers: 2, ..LIMITS }), Some(28));
        assert_eq!(saves_a_layer(&planned, &finding(Code::TooManyLayers), &Limits { layers: 1, ..LIMITS }), None);
    }

    #[test]
    fn a_plan_is_as_long_as_its_layers() {
        assert_eq!((planned(&[5, 7]).zipped_bytes(), planned(&[5, 7]).unzipped_bytes()), (12, 6));
    }
}
