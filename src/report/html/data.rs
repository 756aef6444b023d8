//! The data of the page: every file, the dependencies, and what the page needs to work out what a plan with other options would
//! keep, as JSON that is safe inside a `<script>` element. It is written for size: a tree can have 100,000 files.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::base::safe::is_control;
use crate::languages::ALL;
use crate::plan::suggest::{Figures, Setting, Suggestion};
use crate::prune::{Level, PruneRule};
use crate::report::Report;
use crate::report::contents::{ContentPlace, Contents, Kind, Thing};
use crate::report::what_if::WhatIf;
use crate::resolve::Need;

/// The longest common prefix of two names that is not repeated, so that its length is one character.
const MAX_SHARED: usize = 90;

/// What the script reads. Files are sorted by path, and what is said of each has one value per file.
#[derive(Serialize)]
struct Data<'a> {
    /// Whether the files' lengths in zips are known.
    measured: bool,
    /// Whether those of pruned files are, too.
    weighed: bool,
    /// The paths, each in a line: how many UTF-16 units it has in common with the one before, as a character from a space on,
    /// and the rest.
    names: String,
    /// What each file adds to zips, in bytes; empty if none was measured.
    zipped: Vec<u64>,
    /// The length of each file in bytes.
    unzipped: Vec<u64>,
    /// The kinds of groups: the name, and the number of the colour.
    kinds: Vec<(String, usize)>,
    /// The groups: the unit's name, the name to show, the directory that contains all of it, and the kind.
    groups: Vec<(&'a str, &'a str, &'a str, usize)>,
    /// The group of each file, in runs: the group, and how many files.
    group: Vec<usize>,
    /// The names of the layers.
    layers: Vec<&'a str>,
    /// The rules, by code and name: those that are on first.
    rules: Vec<String>,
    /// The states of files: the place (a layer, -1 for no layer, -2 and less for the rule that dropped it), the set of rules
    /// that match, and the flags.
    states: Vec<(i64, usize, u8)>,
    /// The state of each file, in runs as `group`.
    state: Vec<usize>,
    /// The names of the languages, by what they are called among the things.
    languages: BTreeMap<String, &'static str>,
    /// What needs something or is needed: a file, or the name of anything else.
    things: Vec<ThingData<'a>>,
    /// Three numbers for each dependency: what needs, how, and what is needed.
    needs: Vec<usize>,
    /// What other options would change; `null` without a plan.
    plan: Option<PlanData<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ThingData<'a> {
    File(usize),
    Named(&'a str),
}

/// What the script needs to work out what a plan with other options would keep.
#[derive(Serialize)]
struct PlanData<'a> {
    /// What was planned, as named on the command line.
    root: &'a str,
    /// The rules that are on.
    on: Vec<usize>,
    /// The rules that only drop libraries that nothing loads.
    unloaded: Vec<usize>,
    /// The sets of rules that match a file.
    sets: &'a [Vec<usize>],
    /// Two numbers for each link: the link, and what it leads to.
    links: Vec<usize>,
    /// Three numbers for each link to a directory: the link, and the files below, from and to.
    folders: Vec<usize>,
    /// The packages: the unit's name, the file that declares it, 1 if every installation has it plus 2 if a handler uses it, and
    /// the files, from and to.
    packages: Vec<(&'a str, usize, u8, Vec<usize>)>,
    languages: &'a [String],
    /// The limits: of a layer's zip, of all layers unzipped, and of their number.
    limits: (u64, u64, usize),
    /// Whether layers are not only as few as possible, forms depend on the room, handlers decide what is used, and files are
    /// compressed harder where that saves a layer.
    reservations: (bool, bool, bool, bool),
    /// Files that were compressed harder to save a layer: each with what it adds to zips otherwise.
    harder: Vec<u64>,
    steps: Vec<StepData<'a>>,
}

/// A next step.
#[derive(Serialize)]
struct StepData<'a> {
    name: &'a str,
    /// Its key in layerfit.toml, and the values; none if it is nothing that can be set here.
    key: Option<&'static str>,
    values: Vec<&'a str>,
    exact: bool,
    zipped: Option<i64>,
    unzipped: i64,
    /// Three numbers for each file that it changes: the file, and its bytes then, zipped and unzipped.
    forms: Vec<u64>,
}

/// The data as JSON without any character that has a meaning in HTML.
pub(super) fn json(report: &Report) -> Result<String> {
    let contents = &report.contents;
    let files = &contents.files;
    let kinds: BTreeMap<Kind, usize> = contents.groups.iter().map(|group| (group.kind, 0)).collect();
    let kinds: BTreeMap<Kind, usize> = kinds.into_keys().enumerate().map(|(number, kind)| (kind, number)).collect();
    let mut states: BTreeMap<(i64, usize, u8), usize> = BTreeMap::new();
    let state = files.iter().enumerate().map(|(at, file)| {
        let place = match file.place {
            ContentPlace::Layer(layer) => signed(layer),
            ContentPlace::NoLayer => -1,
            ContentPlace::Dropped(rule) => -2 - signed(rule),
        };
        let (set, flags) = contents.what_if.as_ref().map_or((0, 0), |what_if| (what_if.set_of[at], what_if.flags[at]));
        let next = states.len();
        *states.entry((place, set, flags)).or_insert(next)
    });
    let state = runs(state);
    let mut states: Vec<_> = states.into_iter().collect();
    states.sort_by_key(|(_, number)| *number);
    let off = contents.what_if.iter().flat_map(|what_if| &what_if.rules[contents.rules.len()..]);
    let rules = contents.rules.iter().chain(off.map(|state| &state.rule));
    let data = Data {
        measured: contents.measured,
        weighed: contents.weighed,
        names: names(files.iter().map(|file| file.path.as_str())),
        zipped: if contents.measured { files.iter().map(|file| file.zipped_bytes).collect() } else { Vec::new() },
        unzipped: files.iter().map(|file| file.unzipped_bytes).collect(),
        groups: contents
            .groups
            .iter()
            .map(|group| (group.unit.as_str(), group.label.as_str(), group.base.as_str(), kinds[&group.kind]))
            .collect(),
        group: runs(files.iter().map(|file| file.group)),
        kinds: kinds.into_keys().map(|kind| (kind.label(), kind.colour())).collect(),
        layers: report.layers.iter().flatten().map(|layer| layer.name.as_str()).collect(),
        rules: rules.map(|rule| format!("{} {}", rule.code, rule.name)).collect(),
        states: states.into_iter().map(|(state, _)| state).collect(),
        state,
        languages: ALL.iter().map(|language| (language.id().to_string(), language.name())).collect(),
        things: contents
            .things
            .iter()
            .map(|thing| match thing {
                Thing::File(position) => ThingData::File(*position),
                Thing::Named(name) => ThingData::Named(name),
            })
            .collect(),
        needs: contents.needs.iter().flat_map(|(from, need, to)| [*from, number(*need), *to]).collect(),
        plan: contents.what_if.as_ref().map(|what_if| plan(report, contents, what_if)),
    };
    let json = serde_json::to_string(&data).map_err(Error::bug("write the data of the page"))?;
    Ok(without_markup(&json))
}

fn plan<'a>(report: &'a Report, contents: &'a Contents, what_if: &'a WhatIf) -> PlanData<'a> {
    let requested = |rule: &PruneRule| rule.level == Level::Requested;
    let rules = || what_if.rules.iter().enumerate().filter(|(_, state)| !requested(&state.rule));
    let ranges = |ranges: &[std::ops::Range<usize>]| ranges.iter().flat_map(|range| [range.start, range.end]).collect();
    let package = |package: &'a crate::report::what_if::PackageFiles| {
        let flags = u8::from(package.standard) + 2 * u8::from(package.used);
        (package.unit.as_str(), package.entry, flags, ranges(&package.files))
    };
    let limits = &report.limits;
    let reservations = what_if.reservations;
    PlanData {
        root: &report.root,
        on: rules().filter(|(_, state)| state.on).map(|(number, _)| number).collect(),
        unloaded: rules().filter(|(_, state)| state.unloaded).map(|(number, _)| number).collect(),
        sets: &what_if.sets,
        links: what_if.links.iter().flat_map(|(link, to)| [*link, *to]).collect(),
        folders: what_if.folders.iter().flat_map(|(link, below)| [*link, below.start, below.end]).collect(),
        packages: what_if.packages.iter().map(package).collect(),
        languages: &what_if.languages,
        limits: (limits.layer_zipped, limits.layers_unzipped(), limits.layers),
        reservations: (reservations.layers, reservations.forms, reservations.handlers, reservations.harder),
        harder: what_if.harder.iter().flat_map(|(file, zipped)| [*file as u64, *zipped]).collect(),
        steps: report.suggestions.iter().map(|step| step_data(step, contents)).collect(),
    }
}

fn step_data<'a>(step: &'a Suggestion, contents: &Contents) -> StepData<'a> {
    let (key, values) = match &step.setting {
        Some(Setting::On(key)) => (Some(*key), Vec::new()),
        Some(Setting::Text(key, text)) => (Some(*key), vec![text.as_str()]),
        Some(Setting::Add(key, values)) => (Some(*key), values.iter().map(String::as_str).collect()),
        Some(Setting::Paths(_)) | None => (None, Vec::new()),
    };
    let exact = step.figures == Figures::Exact;
    let forms = step.forms.iter().filter(|_| exact).filter_map(|(id, size)| {
        let file = contents.ids.binary_search(id).ok()?;
        Some([file as u64, size.zipped_bytes, size.unzipped_bytes])
    });
    StepData {
        name: &step.name,
        key,
        values,
        exact,
        zipped: step.zipped_bytes,
        unzipped: step.unzipped_bytes,
        forms: forms.flatten().collect(),
    }
}

/// Names in lines, without what each has in common with the one before. No name has a line end: control characters are escaped.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut before = "";
    for name in names {
        let mut shared = 0;
        let mut bytes = 0;
        for (a, b) in before.chars().zip(name.chars()) {
            if a != b || shared + a.len_utf16() > MAX_SHARED {
                break;
            }
            shared += a.len_utf16();
            bytes += a.len_utf8();
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.extend(u8::try_from(shared).map(|shared| char::from(b' ' + shared)));
        out += &name[bytes..];
        before = name;
    }
    out
}

/// Numbers in runs: each number with how many times it comes.
fn runs(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    for number in numbers {
        match out.as_mut_slice() {
            [.., last, count] if *last == number => *count += 1,
            _ => out.extend([number, 1]),
        }
    }
    out
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number of a kind of dependency in the script.
fn number(need: Need) -> usize {
    match need {
        Need::Loads => 0,
        Need::Imports => 1,
        Need::Runs => 2,
        Need::LinksTo => 3,
        Need::Contains => 4,
        Need::Opens => 5,
        Need::Lacks => 6,
    }
}

/// Escapes characters that have a meaning in HTML, and those that are controls, among them U+2028 and U+2029, which end lines
/// in older JavaScript. JSON has them only in strings, where they can be written as numbers.
fn without_markup(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if is_control(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_the_script_element_and_all_of_it_comes_back() {
        let text = "</script><!--&\u{2028}\u{2029}\\\"é";
        let json = without_markup(&serde_json::to_string(text).expect("JSON"));
        assert!(!json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }

    #[test]
    fn names_come_back_from_what_they_do_not_share() {
        let long = "x".repeat(2 * MAX_SHARED);
        let all = ["", "a/b", "a/bc", "a/é\u{1f600}", "a/é\u{1f601}z", "b", &long, &format!("{long}y")];
        let mut before: Vec<u16> = Vec::new();
        let lines = names(all.into_iter());
        let back = lines.split('\n').map(|line| {
            let units: Vec<u16> = line.encode_utf16().collect();
            let shared = units.first().map_or(0, |first| usize::from(first - u16::from(b' ')));
            before = [&before[..shared], units.get(1..).unwrap_or_default()].concat();
            String::from_utf16(&before).expect("text")
        });
        assert_eq!(back.collect::<Vec<_>>(), all);
    }

    #[test]
    fn runs_have_each_number_with_how_often_it_comes() {
        assert_eq!(runs([7, 7, 7, 0, 7].into_iter()), [7, 3, 0, 1, 7, 1]);
        assert_eq!(runs([].into_iter()), [0; 0]);
        // A count is not a number that was there before.
        assert_eq!(runs([1, 1, 2, 2, 2].into_iter()), [1, 2, 2, 3]);
    }
}
