//! The answer as tables for a terminal, as Markdown and as JSON, and its JSON Schema. Each format is returned as bytes.

use std::collections::BTreeSet;

use super::paths::{IN_TREE, INSTALLED};
use super::{About, IfDropped, InImage, NeededBy, Path, ThingKind, Unneeded, Why};
use crate::base::bytes::{plural, size};
use crate::base::error::Result;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::safe::{Form, safe};
use crate::report::{
    Detail, LoadedBy, Section, SectionKind, as_json, markdown_section, markdown_text, schema_of, table_section, wrapped,
};
use crate::resolve::{Certainty, FoundIn};

/// How many rows of each table a short answer has.
const ROWS_SHOWN: usize = 10;
/// How many names a sentence lists.
const MAX_NAMES: usize = 6;
/// How many rows the list of what nothing needs has in a short answer.
const UNNEEDED_SHOWN: usize = 25;
/// How many names a row of it lists.
const MAX_RETAINED: usize = 3;
/// How many searched directories a sentence lists.
const MAX_SEARCHED: usize = 12;
/// Up to how many rules are shown with their reasons.
const RULES_IN_FULL: usize = 2;

/// A part of the answer.
enum Block {
    Text(String),
    Table(Section),
}

/// The answer for a terminal.
pub fn table(why: &Why, detail: Detail, columns: u16) -> Vec<u8> {
    let mut out = String::new();
    for (number, answer) in answers(why, detail).into_iter().enumerate() {
        for (position, block) in answer.into_iter().enumerate() {
            match block {
                Block::Text(text) if (number, position) == (0, 0) => out += &wrapped(&text, columns),
                Block::Text(text) => out += &format!("\n{}", wrapped(&text, columns)),
                Block::Table(section) => out += &table_section(&section, columns),
            }
        }
    }
    safe(out.as_bytes(), Form::Text)
}

/// The answer as Markdown. Names from the tree are data: they cannot become markup.
pub fn markdown(why: &Why) -> Vec<u8> {
    let targets = if why.unneeded.is_some() { "not needed".to_owned() } else { why.targets.join(", ") };
    let mut out = format!("# Why {}\n", markdown_text(&targets));
    for block in answers(why, Detail::Full).into_iter().flatten() {
        match block {
            Block::Text(text) => out += &format!("\n{}\n", markdown_text(&text)),
            Block::Table(section) => out += &markdown_section(&section),
        }
    }
    safe(out.as_bytes(), Form::Text)
}

/// The answer as JSON, with a line end.
///
/// # Errors
/// When a value cannot be written as JSON, which no answer contains.
pub fn json(why: &Why) -> Result<Vec<u8>> {
    as_json(why)
}

/// The JSON Schema of the answer, generated from the types; `docs/why.schema.json` is a copy.
///
/// # Errors
/// As for [`fn@json`].
pub fn schema() -> Result<Vec<u8>> {
    as_json(&schema_of::<Why>())
}

fn answers(why: &Why, detail: Detail) -> Vec<Vec<Block>> {
    let things = why.things.iter().map(|thing| about(thing, detail));
    let if_dropped = why.if_dropped.as_ref().map(|dropped| if_dropped(&why.targets, dropped, detail));
    let unneeded = why.unneeded.as_ref().map(|all| unneeded(all, &why.root, detail));
    things.chain(if_dropped).chain(unneeded).collect()
}

/// What nothing needs: packages, and libraries that nothing loads.
fn unneeded(all: &[Unneeded], root: &str, detail: Detail) -> Vec<Block> {
    if all.is_empty() {
        return vec![Block::Text(format!("There is no package or library in {root} that nothing needs."))];
    }
    let shown = if detail == Detail::Full { all.len() } else { all.len().min(UNNEEDED_SHOWN) };
    let rows = all[..shown].iter().map(|item| {
        let short = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| name.trim_start_matches("pkg:").to_owned()).collect()
        };
        let mut about: Vec<String> = item.why.iter().cloned().collect();
        if !item.with_it.is_empty() {
            about.push(format!("only it needs {}", list::some(&short(&item.with_it), MAX_RETAINED)));
        }
        if !item.option_of.is_empty() {
            about.push(format!("{} can use it", list::some(&short(&item.option_of), MAX_RETAINED)));
        }
        vec![item.name.clone(), size(item.own.size.zipped_bytes), size(item.freed.size.zipped_bytes), about.join("; ")]
    });
    let mut notes = Vec::new();
    if shown < all.len() {
        notes.push(format!("{} more (-v).", all.len() - shown));
    }
    notes.push("frees: zipped bytes freed by dropping it with what only it needs.".to_owned());
    notes.push("The code of your function may use any of them: `layerfit plan --handler DIR` reads it.".to_owned());
    let text = format!("Nothing in {root} needs these packages and libraries ({}).", all.len());
    vec![
        Block::Text(text),
        Block::Table(Section {
            kind: SectionKind::Other,
            shares: Vec::new(),
            title: "Not needed by anything in the tree".to_owned(),
            header: vec!["name", "zipped", "frees", ""],
            numbers: vec![1, 2],
            rows: rows.collect(),
            note: Some(notes.join(" ")),
        }),
    ]
}

fn about(about: &About, detail: Detail) -> Vec<Block> {
    let mut blocks = vec![Block::Text(about.answer.clone())];
    // What is kept is asked about first; which rules drop the rest is in the first sentence.
    let dropped = dropped_by(about).map(Block::Table);
    let (first, last) = if about.own.files == 0 { (dropped, None) } else { (None, dropped) };
    blocks.extend(first);
    if !about.held_back.is_empty() {
        let rules = about.held_back.join(", ");
        let text = match about.kind {
            ThingKind::Package | ThingKind::Unit | ThingKind::Directory => format!(
                "{rules} would drop files of it that something kept needs; `layerfit why FILE` names what needs one of them."
            ),
            _ => format!("It matches {rules}, but something kept needs it."),
        };
        blocks.push(Block::Text(text));
    }
    blocks.extend(paths(about));
    blocks.extend(needed_by(&about.needed_by, detail));
    blocks.extend(about.in_image.as_ref().map(|image| Block::Text(in_image(about, image))));
    if !about.imported_by.is_empty() {
        let (verb, packages) = (if about.imported_by.len() == 1 { "needs" } else { "need" }, &about.imported_by);
        blocks.push(Block::Text(format!("{} {verb} it.", some(packages))));
    }
    if let Some(unneeded) = &about.unneeded {
        blocks.push(Block::Text(not_needed(unneeded)));
    }
    if !about.called_by.is_empty() {
        let verb = if about.called_by.len() == 1 { "calls" } else { "call" };
        blocks.push(Block::Text(format!("{} {verb} it.", some(&about.called_by))));
    }
    if !about.host_paths.is_empty() {
        let paths = about.host_paths.join(", ");
        blocks.push(Block::Text(format!("It has paths compiled in that only the build host has: {paths}.")));
    }
    if about.own.files > 0 || about.own.size.zipped_bytes > 0 {
        blocks.push(Block::Text(cost(about)));
    }
    blocks.extend(last);
    blocks
}

/// That nothing needs a package, and what dropping it would take.
fn not_needed(unneeded: &Unneeded) -> String {
    let names: Vec<&str> = std::iter::once(&unneeded.name).chain(&unneeded.with_it).map(String::as_str).collect();
    let mut text = "Nothing in the tree needs it; the code of your function may.".to_owned();
    if !unneeded.option_of.is_empty() {
        text += &format!(" {} can use it if it is installed.", some(&unneeded.option_of));
    }
    let with = if unneeded.with_it.is_empty() { "" } else { " (it, and what only it needs)" };
    text + &format!(" --drop {}{with} frees {} zipped.", names.join(","), size(unneeded.freed.size.zipped_bytes))
}

/// That the image has a library of the same name, which of the two is loaded, and whether the image's has the versions.
fn in_image(about: &About, InImage { soname, path, lacks }: &InImage) -> String {
    let mut text = format!("The image has a {soname} too: {path}.");
    let who = |of_tree: bool| -> BTreeSet<String> {
        let found = about.needed_by.iter().filter(|needer| match needer.found {
            FoundIn::Layer => of_tree,
            FoundIn::Runtime | FoundIn::Host => !of_tree,
            FoundIn::Missing => false,
        });
        found.map(|needer| process(needer.process)).collect()
    };
    let named = |who: BTreeSet<String>| list::with_last(&who.into_iter().collect::<Vec<_>>(), "and");
    text += &match (who(true), who(false)) {
        (tree, image) if tree.is_empty() && image.is_empty() => String::new(),
        (_, image) if image.is_empty() => " What needs it loads that of the tree.".to_owned(),
        (tree, _) if tree.is_empty() => " What needs it loads that of the image.".to_owned(),
        (tree, image) => {
            format!(" That of the tree is loaded in {}; that of the image in {}.", named(tree), named(image))
        }
    };
    text += &match lacks.as_deref() {
        None => " Symbol versions do not show whether it would do for all.".to_owned(),
        Some([]) => {
            " It defines each symbol version that is needed, which does not prove that it behaves alike.".to_owned()
        }
        Some(lacks) => format!(" It would not do for all: it does not define {}.", list::some(lacks, MAX_NAMES)),
    };
    text
}

/// The path in one line: each step by its last name, or its last two if the last one is not unique. The full paths are in
/// the table of steps.
fn arrows(path: &Path) -> String {
    let mut names = vec![path.root.as_str()];
    for step in &path.steps {
        let last = |count: usize| step.name.rmatch_indices('/').nth(count - 1).map_or(0, |(at, _)| at + 1);
        let short = if step.name.starts_with("pkg:") { 0 } else { last(1) };
        let short = if names.contains(&&step.name[short..]) { last(2) } else { short };
        names.push(&step.name[short..]);
    }
    names.join(" → ")
}

fn paths(about: &About) -> Vec<Block> {
    let Some(shortest) = about.paths.first() else { return Vec::new() };
    let why = match shortest.root.as_str() {
        _ if shortest.steps.len() > 1 || about.paths.len() > 1 => None,
        INSTALLED | IN_TREE if !about.kept_by.is_empty() => {
            let kept = format!("It is kept by --keep {}.", about.kept_by.join(","));
            // The first sentence may be this one.
            return if about.answer.contains("--keep") { Vec::new() } else { vec![Block::Text(kept)] };
        }
        INSTALLED => Some("It is kept because it is installed in the tree."),
        IN_TREE => Some("It is kept because it is in the tree, and no rule drops it."),
        _ => None,
    };
    if let Some(why) = why {
        return vec![Block::Text(why.to_owned())];
    }
    let mut blocks = vec![Block::Table(Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: arrows(shortest),
        header: vec!["how", "what"],
        numbers: vec![],
        rows: shortest.steps.iter().map(|step| vec![step.how.clone(), step.name.clone()]).collect(),
        note: None,
    })];
    if about.paths.len() > 1 {
        let more = if about.truncated { ", and more" } else { "" };
        blocks.push(Block::Table(Section {
            kind: SectionKind::Other,
            shares: Vec::new(),
            title: format!("{}{more}", plural(about.paths.len(), "path", "paths")),
            header: vec!["steps", "path"],
            numbers: vec![0],
            rows: about.paths.iter().map(|path| vec![path.steps.len().to_string(), arrows(path)]).collect(),
            note: None,
        }));
    }
    blocks
}

fn dropped_by(about: &About) -> Option<Section> {
    let full = about.dropped_by.len() <= RULES_IN_FULL;
    let mut rows = Vec::new();
    for rule in &about.dropped_by {
        rows.push(vec![rule.rule.clone(), rule.name.clone(), plural(rule.files, "file", "files")]);
        if full {
            for (heading, text) in [("what", &rule.what), ("why safe", &rule.why_safe), ("breaks", &rule.breaks)] {
                rows.push(vec![String::new(), heading.to_owned(), text.clone()]);
            }
        }
    }
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Dropped".to_owned(),
        header: vec!["rule", "name", ""],
        numbers: vec![],
        rows,
        note: (!full).then(|| "`layerfit rules CODE` explains why a rule is safe and what it breaks.".to_owned()),
    })
}

fn needed_by(needers: &[NeededBy], detail: Detail) -> Vec<Block> {
    let Some(first) = needers.first() else { return Vec::new() };
    let shown = if detail == Detail::Full { needers.len() } else { needers.len().min(ROWS_SHOWN) };
    let one_name = needers.iter().all(|needer| needer.soname == first.soname);
    let rows = needers[..shown].iter().map(|needer| {
        let found = match (&needer.path, needer.certainty) {
            (Some(path), _) => path.clone(),
            (None, Certainty::Required) => "missing".to_owned(),
            (None, _) => "missing, but possibly never loaded".to_owned(),
        };
        let mut row = vec![needer.file.clone()];
        row.extend((!one_name).then(|| needer.soname.clone()));
        row.extend([needer.process.to_string(), found]);
        row
    });
    let missing: Vec<&NeededBy> = needers.iter().filter(|needer| needer.path.is_none()).collect();
    let mut searches: Vec<String> = missing
        .iter()
        .map(|needer| match &needer.stopped {
            Some(why) => format!("For {}, the loader stops: {why}.", process(needer.process)),
            None => format!(
                "For {}, the loader searches {}.",
                process(needer.process),
                list::some(&needer.searched, MAX_SEARCHED)
            ),
        })
        .collect();
    searches.sort();
    searches.dedup();
    searches.truncate(2);
    if shown < needers.len() {
        searches.push(format!("{} more files need it (-v).", needers.len() - shown));
    }
    let title = if one_name { format!("Needed by, as {}", first.soname) } else { "Needed by".to_owned() };
    let header = if one_name { vec!["file", "process", "found at"] } else { vec!["file", "as", "process", "found at"] };
    let note = (!searches.is_empty()).then(|| searches.join(" "));
    vec![Block::Table(Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title,
        header,
        numbers: vec![],
        rows: rows.collect(),
        note,
    })]
}

fn process(process: LoadedBy) -> String {
    match process {
        LoadedBy::Language(_) => process.to_string(),
        LoadedBy::Other | LoadedBy::Any => "other programs".to_owned(),
    }
}

fn cost(about: &About) -> String {
    let own = &about.own;
    let has = format!(
        "It has {} zipped, {} unzipped, in {}.",
        size(own.size.zipped_bytes),
        size(own.size.unzipped_bytes),
        plural(own.files, "file", "files")
    );
    let frees = format!(
        "Dropping it alone frees {} zipped, {} unzipped",
        size(about.freed.size.zipped_bytes),
        size(about.freed.size.unzipped_bytes)
    );
    match about.goes_with.as_slice() {
        [] if about.freed == about.own => format!("{has} Dropping it alone frees exactly that."),
        [] => format!("{has} {frees}."),
        others => format!("{has} {frees}, because nothing else needs {}.", some(others)),
    }
}

/// Names, the first of them when there are many.
fn some(names: &[String]) -> String {
    list::some(names, MAX_NAMES)
}

fn if_dropped(targets: &[String], dropped: &IfDropped, detail: Detail) -> Vec<Block> {
    let (own, freed) = (&dropped.own, &dropped.freed);
    let mut text = format!(
        "Dropping {} frees {} zipped, {} unzipped, in {}.",
        targets.join(", "),
        size(freed.size.zipped_bytes),
        size(freed.size.unzipped_bytes),
        plural(freed.files, "file", "files")
    );
    if freed != own {
        text += &format!(" {} zipped of that are their own.", size(own.size.zipped_bytes));
    }
    let layers = plural(dropped.layers_then, "layer", "layers");
    text += &if dropped.layers_then == dropped.layers {
        format!(" There would still be {layers}")
    } else {
        format!(" There would be {layers} instead of {}", dropped.layers)
    };
    text += if dropped.fits_then { "." } else { ", which would not fit." };

    let mut blocks = vec![Block::Text(text)];
    blocks.extend(goes_with(dropped, detail).map(Block::Table));
    if !dropped.breaks.is_empty() {
        let rows = dropped.breaks.iter().map(|broken| vec![broken.name.clone(), broken.needs.join(", ")]);
        let directly = dropped.breaks.iter().filter(|broken| broken.directly).count();
        blocks.push(Block::Table(Section {
            kind: SectionKind::Other,
            shares: Vec::new(),
            title: "Would no longer load".to_owned(),
            header: vec!["package", "needs"],
            numbers: vec![],
            rows: rows.collect(),
            note: Some(format!(
                "{directly} of {} need something dropped directly; drop them too, or keep what they need.",
                dropped.breaks.len()
            )),
        }));
    }
    if !dropped.starts_with.is_empty() {
        let rows = dropped.starts_with.iter().map(|start| vec![start.name.clone(), start.without.clone()]);
        blocks.push(Block::Table(Section {
            kind: SectionKind::Other,
            shares: Vec::new(),
            title: "Needed at startup".to_owned(),
            header: vec!["package", "what happens without it"],
            numbers: vec![],
            rows: rows.collect(),
            note: None,
        }));
    }
    // A table above already shows packages that do not load.
    let does_not_load = |finding: &Finding| finding.code == Code::MissingPackage && finding.severity == Severity::Error;
    let others = dropped.findings.iter().filter(|finding| !does_not_load(finding));
    let rows: Vec<Vec<String>> = others
        .map(|finding| {
            let code = format!("{} {}", finding.severity, finding.code);
            vec![code, format!("{}: {}", finding.subject, finding.message)]
        })
        .collect();
    if !rows.is_empty() {
        let note = None;
        let title = "New findings".to_owned();
        blocks.push(Block::Table(Section {
            kind: SectionKind::Other,
            shares: Vec::new(),
            title,
            header: vec!["", "what"],
            numbers: vec![],
            rows,
            note,
        }));
    } else if dropped.breaks.is_empty() && dropped.starts_with.is_empty() && dropped.fits_then {
        blocks.push(Block::Text("There would be no new finding.".to_owned()));
    }
    blocks
}

fn goes_with(dropped: &IfDropped, detail: Detail) -> Option<Section> {
    let mut largest: Vec<_> = dropped.goes_with.iter().collect();
    largest.sort_by(|a, b| b.size.zipped_bytes.cmp(&a.size.zipped_bytes).then_with(|| a.path.cmp(&b.path)));
    let shown = if detail == Detail::Full { largest.len() } else { largest.len().min(ROWS_SHOWN) };
    let rows = largest[..shown].iter().map(|file| {
        vec![file.path.clone(), file.rule.clone(), size(file.size.unzipped_bytes), size(file.size.zipped_bytes)]
    });
    (!largest.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: format!("Removed with them: {}", plural(largest.len(), "file", "files")),
        header: vec!["path", "rule", "unzipped", "zipped"],
        numbers: vec![2, 3],
        rows: rows.collect(),
        note: (shown < largest.len()).then(|| format!("{} more (-v).", largest.len() - shown)),
    })
}
