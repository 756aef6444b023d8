//! The map: what is kept and what was dropped, as treemaps whose areas are bytes.
//!
//! Each box is positioned relative to its parent, so that the page can show any part of the map at any size without
//! computing a layout.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use streemap::Rect;

use crate::report::Report;
use crate::report::contents::{ContentFile, ContentPlace, Contents, Kind};

/// The size that a map is laid out for: a little wider than high, for screens and phones.
const SIDES: (f64, f64) = (1500.0, 1000.0);
/// The length of a parent's side in the coordinates of its boxes.
const WHOLE: f64 = 65_535.0;

/// A tree of boxes in preorder; each array has one value per box.
#[derive(Debug, Default, Serialize)]
pub(super) struct Map {
    /// Whether areas are bytes in zips; otherwise they are the files' lengths.
    measured: bool,
    /// Its depth below the root.
    depth: Vec<u8>,
    /// Its name; a file's is a path below the base of its group.
    name: Vec<String>,
    /// The colour of its kind; -1 for boxes with several kinds.
    kind: Vec<i8>,
    /// What it adds to zips, in bytes, when that is known.
    zipped: Vec<u64>,
    /// Its length in bytes.
    unzipped: Vec<u64>,
    /// The groups, by the box's position: the unit's name and the directory that contains it.
    groups: BTreeMap<usize, (String, String)>,
    /// Left, top, right and bottom of each box in units of 1/65,535 of its parent's sides: little-endian numbers of 16 bits in
    /// base64.
    boxes: String,
}

/// A box before it has a position.
struct Node<'a> {
    name: &'a str,
    kind: Option<Kind>,
    group: Option<usize>,
    zipped: u64,
    unzipped: u64,
    children: Vec<Node<'a>>,
}

impl Node<'_> {
    fn area(&self, measured: bool) -> u64 {
        // Even an empty file should be visible.
        if measured { self.zipped } else { self.unzipped }.max(1)
    }
}

/// What is kept: by layer if there are layers, then by kind, group and file.
pub(super) fn kept(report: &Report) -> Map {
    let contents = &report.contents;
    let names: Vec<&str> = report.layers.iter().flatten().map(|layer| layer.name.as_str()).collect();
    let kinds: BTreeSet<Kind> = contents.groups.iter().map(|group| group.kind).collect();
    let kinds: Vec<(Kind, String)> = kinds.into_iter().map(|kind| (kind, kind.label())).collect();
    let kind_at = |kind: Kind| kinds.partition_point(|(other, _)| *other < kind);
    let mut files: Vec<(Vec<usize>, &ContentFile)> = Vec::new();
    for file in &contents.files {
        let layer = match file.place {
            ContentPlace::Layer(layer) => layer,
            ContentPlace::NoLayer => names.len(),
            ContentPlace::Dropped(_) => continue,
        };
        files.push((vec![layer, kind_at(contents.groups[file.group].kind), file.group], file));
    }
    if !contents.measured {
        // Then there are no layers, or zips of which it is not known which one a merged file is from.
        for (steps, _) in &mut files {
            steps.remove(0);
        }
    }
    let levels: &[Level<'_>] = &[
        &|layer| (names.get(layer).copied().unwrap_or("in no layer"), None, None),
        &|kind| (kinds[kind].1.as_str(), Some(kinds[kind].0), None),
        &|group| of_group(contents, group),
    ];
    map(contents, ("Kept files", contents.measured), files, &levels[usize::from(!contents.measured)..])
}

/// What was dropped: by rule, then by group and file.
pub(super) fn dropped(report: &Report) -> Map {
    let contents = &report.contents;
    let names: Vec<String> = contents.rules.iter().map(|rule| format!("{} {}", rule.code, rule.name)).collect();
    let files = contents.files.iter().filter_map(|file| match file.place {
        ContentPlace::Dropped(rule) => Some((vec![rule, file.group], file)),
        _ => None,
    });
    let levels: &[Level<'_>] = &[&|rule| (names[rule].as_str(), None, None), &|group| of_group(contents, group)];
    map(contents, ("Pruned files", contents.weighed), files.collect(), levels)
}

fn of_group(contents: &Contents, group: usize) -> (&str, Option<Kind>, Option<usize>) {
    (&contents.groups[group].label, Some(contents.groups[group].kind), Some(group))
}

/// Name, kind and group of the box for a step.
type Level<'a> = &'a dyn Fn(usize) -> (&'a str, Option<Kind>, Option<usize>);

fn map<'a>(
    contents: &'a Contents,
    (root, measured): (&'a str, bool),
    mut files: Vec<(Vec<usize>, &'a ContentFile)>,
    levels: &[Level<'a>],
) -> Map {
    // The sort is stable, so files stay sorted by path.
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let mut root = inner((root, None, None), branch(contents, &files, 0, levels));
    sort(&mut root, measured);
    let mut map = Map { measured, ..Map::default() };
    let mut boxes = Vec::new();
    let whole = Rect { x: 0.0, y: 0.0, w: SIDES.0, h: SIDES.1 };
    flatten(contents, &root, 0, &mut map);
    place(&root, measured, (whole, [0, 0, 65_535, 65_535]), &mut boxes);
    map.boxes = BASE64_STANDARD.encode(boxes.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());
    map
}

fn branch<'a>(
    contents: &'a Contents,
    files: &[(Vec<usize>, &'a ContentFile)],
    level: usize,
    levels: &[Level<'a>],
) -> Vec<Node<'a>> {
    let Some(of_step) = levels.get(level) else {
        let leaf = |(_, file): &(Vec<usize>, &'a ContentFile)| Node {
            name: &file.name,
            kind: Some(contents.groups[file.group].kind),
            group: None,
            zipped: file.zipped_bytes,
            unzipped: file.unzipped_bytes,
            children: Vec::new(),
        };
        return files.iter().map(leaf).collect();
    };
    let same = |a: &(Vec<usize>, _), b: &(Vec<usize>, _)| a.0[level] == b.0[level];
    let chunks = files.chunk_by(|a, b| same(a, b));
    chunks.map(|chunk| inner(of_step(chunk[0].0[level]), branch(contents, chunk, level + 1, levels))).collect()
}

fn inner<'a>((name, kind, group): (&'a str, Option<Kind>, Option<usize>), children: Vec<Node<'a>>) -> Node<'a> {
    let zipped = children.iter().map(|child| child.zipped).sum();
    let unzipped = children.iter().map(|child| child.unzipped).sum();
    Node { name, kind, group, zipped, unzipped, children }
}

/// Sorts boxes by size, the largest first, as squarified layouts require.
fn sort(node: &mut Node<'_>, measured: bool) {
    node.children.sort_by(|a, b| b.area(measured).cmp(&a.area(measured)).then_with(|| a.name.cmp(b.name)));
    node.children.iter_mut().for_each(|child| sort(child, measured));
}

fn flatten(contents: &Contents, node: &Node<'_>, depth: u8, map: &mut Map) {
    if let Some(group) = node.group {
        let group = &contents.groups[group];
        map.groups.insert(map.depth.len(), (group.unit.clone(), group.base.clone()));
    }
    map.depth.push(depth);
    map.name.push(node.name.to_owned());
    map.kind.push(node.kind.and_then(|kind| i8::try_from(kind.colour()).ok()).unwrap_or(-1));
    map.zipped.push(node.zipped);
    map.unzipped.push(node.unzipped);
    for child in &node.children {
        flatten(contents, child, depth + 1, map);
    }
}

/// Adds the edges of a box and of all boxes in it.
fn place(node: &Node<'_>, measured: bool, (rect, edges): (Rect<f64>, [u16; 4]), out: &mut Vec<u16>) {
    out.extend(edges);
    #[expect(clippy::cast_precision_loss, reason = "areas on a screen")]
    let mut places: Vec<(f64, Rect<f64>)> =
        node.children.iter().map(|child| (child.area(measured) as f64, rect)).collect();
    streemap::squarify(Rect { x: 0.0, y: 0.0, ..rect }, &mut places, |place| place.0, |place, rect| place.1 = rect);
    for (child, (_, at)) in node.children.iter().zip(places) {
        // Edges are rounded, not sides, so that neighbours share an edge.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 16 bits before")]
        let share = |edge: f64, side: f64| (edge / side * WHOLE).round().clamp(0.0, WHOLE) as u16;
        let edges = [share(at.x, rect.w), share(at.y, rect.h), share(at.x + at.w, rect.w), share(at.y + at.h, rect.h)];
        // A side of length 0 would make the boxes in it disappear.
        let inside = Rect { w: at.w.max(1e-6), h: at.h.max(1e-6), ..at };
        place(child, measured, (inside, edges), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of these weights, all in one box.
    fn laid_out(weights: &[u64]) -> Vec<[f64; 4]> {
        let leaf = |weight: &u64| Node {
            name: "",
            kind: None,
            group: None,
            zipped: *weight,
            unzipped: 0,
            children: Vec::new(),
        };
        let mut root = inner(("", None, None), weights.iter().map(leaf).collect());
        sort(&mut root, true);
        let mut out = Vec::new();
        place(&root, true, (Rect { x: 0.0, y: 0.0, w: SIDES.0, h: SIDES.1 }, [0; 4]), &mut out);
        let numbers: Vec<f64> = out.iter().map(|number| f64::from(*number) / WHOLE).collect();
        numbers.chunks(4).skip(1).map(|edges| edges.try_into().expect("four")).collect()
    }

    #[test]
    fn areas_are_bytes_and_boxes_are_nearly_square() {
        let weights: Vec<u64> = (1..=200).map(|i| 1 + 3_000_000 / (i * i)).collect();
        let boxes = laid_out(&weights);
        let total: u64 = weights.iter().sum();
        let mut ratios = Vec::new();
        for ([left, top, right, bottom], weight) in boxes.iter().zip(&weights) {
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = *weight as f64 / total as f64;
            assert!(((right - left) * (bottom - top) - share).abs() < 2e-4, "{weight}");
            let ratio = (right - left) * SIDES.0 / ((bottom - top) * SIDES.1);
            ratios.push(ratio.max(1.0 / ratio));
        }
        ratios.sort_by(f64::total_cmp);
        assert!(ratios[100] < 1.5, "the median is {}", ratios[100]);
    }

    #[test]
    fn boxes_do_not_overlap_and_fill_their_parent() {
        let boxes = laid_out(&[50, 20, 20, 5, 4, 1, 1, 1]);
        for (i, a) in boxes.iter().enumerate() {
            for b in &boxes[i + 1..] {
                assert!(a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1], "{a:?} {b:?}");
            }
        }
        let area: f64 = boxes.iter().map(|b| (b[2] - b[0]) * (b[3] - b[1])).sum();
        assert!((area - 1.0).abs() < 1e-9, "{area}");
    }

    #[test]
    fn thousands_of_empty_files_beside_a_huge_one_are_no_trouble() {
        let mut weights = vec![0; 5000];
        weights.push(u64::MAX / 1_000_000);
        assert_eq!(laid_out(&weights).len(), 5001);
        assert_eq!(laid_out(&[]).len(), 0);
    }
}
