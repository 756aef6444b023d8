//! The source is laid out as ARCHITECTURE.md says: rooms in one order, no two files that import each other, every language
//! with the same parts. What is wrong is a list, so that the tests can also plant a fault and see it found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;
use regex::Regex;
use walkdir::WalkDir;

/// From the ground up: a room imports itself and those before it.
const ROOMS: [&str; 15] = [
    "base",
    "formats",
    "container",
    "runtime",
    "tree",
    "languages",
    "resolve",
    "prune",
    "pack",
    "plan",
    "report",
    "commands",
    "invoke",
    "publish",
    "cli",
];

/// What a language's folder has.
const PARTS: [&str; 5] = ["mod.rs", "packages.rs", "process.rs", "checks.rs", "source"];

/// The rooms that know no language by name.
const NEUTRAL: [&str; 4] = ["resolve", "prune", "plan", "report"];

/// A module of the crate: `["pack", "bins"]`.
type Module = Vec<String>;

/// The code of a tree of sources.
struct Sources {
    /// The file of each module, relative to `src`, and its text without tests and comments.
    files: BTreeMap<Module, (String, String)>,
    /// What each module re-exports of its children: the name, and the path that it stands for.
    exports: BTreeMap<Module, BTreeMap<String, Module>>,
}

/// A path that a file names, from the root of the crate.
struct Import {
    path: Vec<String>,
    line: usize,
    /// Whether it only passes on what another file has.
    export: bool,
}

impl Sources {
    fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in WalkDir::new(src).sort_by_file_name() {
            let entry = entry.expect("src can be read");
            let path = entry.path().strip_prefix(src).expect("inside").to_owned();
            if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("tests.rs") {
                continue;
            }
            let mut module: Module =
                path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            let text = fs::read_to_string(entry.path()).expect("text");
            files.insert(module, (path.display().to_string(), code(&text)));
        }
        let mut sources = Self { files, exports: BTreeMap::new() };
        let exports = sources.files.keys().map(|module| (module.clone(), sources.exports_of(module))).collect();
        sources.exports = exports;
        sources
    }

    fn exports_of(&self, module: &Module) -> BTreeMap<String, Module> {
        let exports = self.imports(module).into_iter().filter(|import| import.export);
        exports.filter_map(|import| Some((import.path.last()?.clone(), import.path))).collect()
    }

    /// Every path of the crate that a file names.
    fn imports(&self, module: &Module) -> Vec<Import> {
        let uses = Regex::new(r"(?m)^[ \t]*(pub(?:\([^)]*\))? )?use ([^;]+);").expect("a pattern");
        let inline = Regex::new(r"\b(?:crate|super)(?:::\w+)+").expect("a pattern");
        let text = &self.files[module].1;
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let mut imports = Vec::new();
        let mut rest = text.clone();
        for found in uses.captures_iter(text) {
            let whole = found.get(0).expect("a match");
            rest.replace_range(whole.range(), &" ".repeat(whole.len()));
            for path in leaves(&found[2]) {
                let export = found.get(1).is_some();
                imports.extend(self.absolute(module, &path).map(|path| Import {
                    path,
                    line: line(whole.start()),
                    export,
                }));
            }
        }
        for found in inline.find_iter(&rest) {
            let path: Vec<String> = found.as_str().split("::").map(str::to_owned).collect();
            imports.extend(self.absolute(module, &path).map(|path| Import {
                path,
                line: line(found.start()),
                export: false,
            }));
        }
        imports
    }

    /// A path as the file of `module` names it, from the root of the crate; `None` when it is not of this crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        match path.first().map(String::as_str) {
            Some("crate") => Some(path[1..].to_vec()),
            Some("super") => {
                let mut base = module.clone();
                let ups = path.iter().take_while(|part| *part == "super").count();
                base.truncate(base.len().checked_sub(ups)?);
                Some([&base[..], &path[ups..]].concat())
            }
            Some(first) => {
                let child = [&module[..], &[first.to_owned()]].concat();
                self.files.contains_key(&child).then(|| [&module[..], path].concat())
            }
            None => None,
        }
    }

    /// The module that has what a path names, through re-exports.
    fn owner(&self, path: &[String]) -> Module {
        let mut module = Module::new();
        for (depth, part) in path.iter().enumerate() {
            let next = [&module[..], std::slice::from_ref(part)].concat();
            // A function can have the name of a module; only the module has something below it.
            let is_module = self.files.contains_key(&next);
            if let Some(target) = self.exports.get(&module).and_then(|exports| exports.get(part))
                && !(is_module && depth + 1 < path.len())
                && !target.starts_with(&path[..=depth])
            {
                return self.owner(&[&target[..], &path[depth + 1..]].concat());
            }
            if !is_module {
                break;
            }
            module = next;
        }
        module
    }
}

/// The code of a file: no tests, no comments; every line where it was.
fn code(text: &str) -> String {
    let before_tests = text.find("\n#[cfg(test)]").map_or(text, |end| &text[..end]);
    let lines = before_tests.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    let visibility = Regex::new(r"pub\(in [^)]*\)").expect("a pattern");
    visibility.replace_all(&lines.collect::<Vec<_>>().join("\n"), "pub(crate)").into_owned()
}

/// Every path of a `use`: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn leaves(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        let mut parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
        if parts.last().is_some_and(|last| last == "self") {
            parts.pop();
        }
        return vec![parts];
    };
    let head: Vec<String> =
        tree[..open].split("::").map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let inside = &tree[open + 1..tree.rfind('}').expect("braces close")];
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&inside[start..]);
    let items = items.into_iter().filter(|item| !item.trim().is_empty());
    items.flat_map(leaves).map(|leaf| [&head[..], &leaf[..]].concat()).collect()
}

/// What is wrong with the layout of these sources.
fn faults(src: &Path) -> Vec<String> {
    let sources = Sources::read(src);
    let mut faults = Vec::new();

    let folders: BTreeSet<String> = names(src, Path::is_dir);
    let rooms: BTreeSet<String> = ROOMS.iter().map(|room| (*room).to_owned()).collect();
    faults.extend(
        folders.symmetric_difference(&rooms).map(|name| format!("src/{name}: the rooms are {}", ROOMS.join(" "))),
    );
    let files = names(src, Path::is_file);
    if files != BTreeSet::from(["lib.rs".to_owned(), "main.rs".to_owned()]) {
        faults.push(format!("src has main.rs, lib.rs and the rooms, not {files:?}"));
    }

    let rank = |room: &str| ROOMS.iter().position(|other| *other == room);
    let mut graph = DiGraph::<Module, ()>::new();
    let nodes: BTreeMap<Module, _> =
        sources.files.keys().map(|module| (module.clone(), graph.add_node(module.clone()))).collect();
    for (module, (file, _)) in &sources.files {
        let own = module.first().and_then(|room| rank(room));
        for import in sources.imports(module) {
            let owner = sources.owner(&import.path);
            let (line, path) = (import.line, import.path.join("::"));
            let theirs = owner.first().and_then(|room| rank(room));
            if own.zip(theirs).is_some_and(|(own, theirs)| theirs > own) {
                faults.push(format!("{file}:{line}: imports {path}, of a room above it"));
            }
            let room = module.first().map(String::as_str).unwrap_or_default();
            if NEUTRAL.contains(&room) && owner.len() > 1 && owner[0] == "languages" && is_language(src, &owner[1]) {
                faults.push(format!("{file}:{line}: {room} knows the language {} by name", owner[1]));
            }
            if !import.export && owner != *module && !module.is_empty() && !owner.is_empty() {
                graph.update_edge(nodes[module], nodes[&owner], ());
            }
        }
    }
    for circle in tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1) {
        let mut files: Vec<&str> = circle.iter().map(|node| sources.files[&graph[*node]].0.as_str()).collect();
        files.sort_unstable();
        faults.push(format!("these import each other: {}", files.join(", ")));
    }

    let languages = names(&src.join("languages"), Path::is_dir);
    for language in languages {
        for part in PARTS.iter().filter(|part| !src.join("languages").join(&language).join(part).exists()) {
            faults.push(format!("src/languages/{language} has no {part}"));
        }
    }
    faults
}

fn is_language(src: &Path, name: &str) -> bool {
    src.join("languages").join(name).is_dir()
}

fn names(directory: &Path, wanted: impl Fn(&Path) -> bool) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("readable").path());
    let wanted = entries.filter(|path| wanted(path));
    wanted.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect()
}

fn own_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A copy of the sources, with a fault planted.
fn planted(plant: impl Fn(&Path)) -> Vec<String> {
    let copy = tempfile::tempdir().expect("a directory");
    for entry in WalkDir::new(own_source()) {
        let entry = entry.expect("readable");
        let target = copy.path().join(entry.path().strip_prefix(own_source()).expect("inside"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).expect("made");
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
    plant(copy.path());
    faults(copy.path())
}

fn prepend(file: &Path, text: &str) {
    let old = fs::read_to_string(file).expect("there");
    fs::write(file, format!("{text}\n{old}")).expect("written");
}

#[test]
fn the_source_is_laid_out_as_architecture_md_says() {
    let faults = faults(&own_source());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn documents_name_the_rooms_in_their_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, mark) in [("ARCHITECTURE.md", "| `{}/`"), ("src/lib.rs", "| [`{}`]")] {
        let text = fs::read_to_string(root.join(file)).expect("there");
        let places = ROOMS.map(|room| {
            let row = mark.replace("{}", room);
            text.find(&row).unwrap_or_else(|| panic!("{file} has no row {row}"))
        });
        assert!(places.is_sorted(), "{file} names the rooms in another order");
    }
}

#[test]
fn only_one_file_reads_whole_files_and_it_has_a_bound() {
    // `take` bounds what follows it in the same statement.
    let unbounded = Regex::new(r"\bfs::read(_to_string)?\(|\.read_to_(end|string)\(").expect("a pattern");
    let mut faults = Vec::new();
    for (file, text) in Sources::read(&own_source()).files.into_values() {
        for found in unbounded.find_iter(&text) {
            let statement = text[..found.start()].rsplit([';', '{', '}']).next().unwrap_or_default();
            let line = text[..found.start()].matches('\n').count() + 1;
            if !statement.contains("take(") {
                faults.push(format!("{file}:{line}: {} has no bound: use base::read", found.as_str()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_one_file_prints() {
    let printing = Regex::new(r"\be?print(ln)?!|\bdbg!|\bio::std(out|err)\(").expect("a pattern");
    let files = Sources::read(&own_source()).files.into_values();
    let mut files: Vec<String> = files.filter(|(_, text)| printing.is_match(text)).map(|(file, _)| file).collect();
    files.sort();
    // The inside of a sandbox talks to the program that started it, and progress asks whether stderr is a terminal.
    assert_eq!(files, ["cli/output.rs", "cli/progress.rs", "invoke/inside.rs"]);
}

#[test]
fn an_import_of_a_higher_room_is_found() {
    let faults = planted(|src| prepend(&src.join("tree/links.rs"), "use crate::prune::Pruning;"));
    assert!(faults.iter().any(|fault| fault.contains("tree/links.rs:1: imports prune::Pruning")), "{faults:?}");
    let faults = planted(|src| {
        let file = src.join("prune/mod.rs");
        let text = fs::read_to_string(&file).expect("there");
        fs::write(&file, format!("{text}\nfn planted() {{ crate::report::html(); }}\n")).expect("written");
    });
    assert!(faults.iter().any(|fault| fault.contains("imports report::html")), "{faults:?}");
}

#[test]
fn files_that_import_each_other_are_found() {
    let faults = planted(|src| {
        fs::write(src.join("base/one.rs"), "use super::two::Two;\npub struct One;\n").expect("written");
        fs::write(src.join("base/two.rs"), "use super::one::One;\npub struct Two;\n").expect("written");
    });
    assert!(faults.iter().any(|fault| fault.contains("import each other: base/one.rs, base/two.rs")), "{faults:?}");
}

#[test]
fn a_language_without_its_parts_is_found_and_so_is_one_that_is_named() {
    let faults = planted(|src| fs::remove_file(src.join("languages/r/checks.rs")).expect("removed"));
    assert!(faults.iter().any(|fault| fault == "src/languages/r has no checks.rs"), "{faults:?}");
    let faults = planted(|src| prepend(&src.join("report/build.rs"), "use crate::languages::r::R;"));
    assert!(faults.iter().any(|fault| fault.contains("report knows the language r by name")), "{faults:?}");
}

#[test]
fn a_folder_that_is_not_a_room_is_found() {
    let faults = planted(|src| fs::create_dir(src.join("utils")).expect("made"));
    assert!(faults.iter().any(|fault| fault.starts_with("src/utils: ")), "{faults:?}");
}
