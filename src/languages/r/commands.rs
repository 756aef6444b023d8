//! Commands that R itself executes, by paths compiled into it: `which`, and `bin/R`, which Rscript runs. And the source
//! that a command line gives to R.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::needs::ID;
use super::start::{Start, rscript_content};
use super::{homes, process, rdb};
use crate::base::finding::Code;
use crate::base::path::TreePath;
use crate::base::toml::built_in_pattern;
use crate::formats::shell::Environment;
use crate::languages::{Executed, Installation, OwnCommand, Packages};
use crate::tree::{EntryId, Kind, Magic, Place, Tree};

/// A longer start-up file is not read.
const MAX_SOURCE_BYTES: u64 = 1 << 20;

/// The commands of each home and each Rscript.
pub(super) fn commands(packages: &Packages, tree: &Tree) -> Vec<OwnCommand> {
    let homes: Vec<&Installation> = packages.installations_of(ID).collect();
    let start = Start::of(tree, &packages.variables, &[]);
    // Lambda runs the bootstrap of the code before that of a layer.
    let is_replaced = code_replaces_which(&packages.code);
    let which = homes.iter().filter(|_| !is_replaced).filter_map(|home| which(tree, home, &start));
    let front_ends = process::front_ends(packages, tree).into_iter().filter_map(|id| match tree.follow(id) {
        Place::Inside(file) => Some(file),
        _ => None,
    });
    let directories: Vec<&TreePath> = homes.iter().map(|home| &home.path).collect();
    let is_needed = |file: &EntryId| !homes::is_in_build_directory(tree, &directories, tree.path(*file));
    let scripts: BTreeSet<EntryId> = front_ends.filter(is_needed).collect();
    let mut environment = start.environment.clone();
    if let Some((machine, _)) = homes.first().and_then(|home| home.platform.split_once('-')) {
        environment.set_output("uname -m", machine);
    }
    let starts = Start::all(tree, &packages.variables);
    let of_file = |file: EntryId| starts.iter().filter(move |start| start.program == Some(file)).collect::<Vec<_>>();
    let others = scripts.iter().filter_map(|file| script(tree, *file, (&directories, &of_file(*file)), &environment));
    let rscripts = scripts.iter().flat_map(|file| rscript(tree, *file, (&directories, &of_file(*file))));
    which.chain(rscripts).chain(others).collect()
}

/// What a copy of the script `bin/R` outside of R's home runs, as the one in the directory of the --prefix: the program of the home
/// that R was configured for. The one in the home itself has a finding of its own. `starts` are the ways in which scripts run it.
fn script(
    tree: &Tree,
    file: EntryId,
    (in_tree, starts): (&[&TreePath], &[&Start]),
    environment: &Environment,
) -> Option<OwnCommand> {
    let entry = tree.entry(file);
    let is_script = matches!(entry.kind, Kind::File { magic: Magic::Script(_), .. });
    if !is_script || entry.bytes() > MAX_SOURCE_BYTES || in_tree.iter().any(|home| entry.path.below(home).is_some()) {
        return None;
    }
    let text = tree.read(file).ok()?;
    let text = String::from_utf8_lossy(&text);
    // Another script of this name starts R in a way of its own.
    if !text.lines().any(|line| line.starts_with("R_HOME_DIR=")) {
        return None;
    }
    let home = homes::start(&text, environment, tree).home?;
    Some(OwnCommand {
        by: file,
        path: format!("{home}/bin/exec/R"),
        code: Code::HomeElsewhere,
        caller: "bin/R",
        consequence: "it does not start R",
        help: homes::remedy(tree, in_tree, &home)
            .unwrap_or_else(|| "configure R with a --prefix below /opt, or fix R_HOME_DIR in the script".to_owned()),
        executed: if starts.is_empty() { Executed::IfRun } else { Executed::ByScript },
    })
}

/// What an Rscript runs: `$RHOME/bin/R`, or `bin/R` of the home that was compiled into it (`main` in R's
/// src/unix/Rscript.c). Where the Rscript itself is does not matter. `starts` are the ways in which scripts run it.
fn rscript(tree: &Tree, file: EntryId, (in_tree, starts): (&[&TreePath], &[&Start])) -> Vec<OwnCommand> {
    let Some(content) = rscript_content(tree, file) else { return Vec::new() };
    let mut strings = content.split(|byte| *byte == 0);
    let has_r = |home: &str| matches!(tree.locate(format!("{home}/bin/R").as_bytes()), Place::Inside(id) if tree.entry(id).is_file());
    // The paths of what it was compiled from come later, in debug data.
    let homes: Vec<&str> = strings.by_ref().filter_map(directory).collect();
    let compiled = homes.first().filter(|_| !homes.iter().any(|home| has_r(home)));
    let command = |home: &str, caller, help, executed| OwnCommand {
        by: file,
        path: format!("{home}/bin/R"),
        code: Code::HomeElsewhere,
        caller,
        consequence: "it stops with \"Rscript execution error\"",
        help,
        executed,
    };
    let of_compiled = |executed| {
        let home = compiled?;
        let help = homes::remedy(tree, in_tree, home).unwrap_or_else(|| {
            "configure R with a --prefix below /opt, or have the script that starts Rscript export RHOME with R's home".to_owned()
        });
        Some(command(home, "Rscript", help, executed))
    };
    // Where RHOME is not known, the file is what tells.
    let known: Vec<&&Start> = starts.iter().filter(|start| !start.environment.is_unknown("RHOME")).collect();
    if known.is_empty() {
        return of_compiled(Executed::Unless { variable: "RHOME", below: "bin/R" }).into_iter().collect();
    }
    // An empty one counts as none, and a relative one depends on the working directory.
    let named = |start: &&&Start| start.environment.get("RHOME").unwrap_or_default().to_owned();
    let named: BTreeSet<String> = known.iter().map(named).collect();
    let of_name = |name: &String| match name.as_str() {
        "" => of_compiled(Executed::ByScript),
        name if !name.starts_with('/') || has_r(name) => None,
        name => {
            let own = if compiled.is_some() { None } else { homes.first().map(|home| (*home).to_owned()) };
            let right = own.or_else(|| in_tree.first().map(|home| home.mounted()));
            let right = right.map(|home| format!(": {home}")).unwrap_or_default();
            let help = format!("have the script that starts Rscript export RHOME with R's home{right}");
            Some(command(name, "Rscript, started with RHOME,", help, Executed::ByScript))
        }
    };
    named.iter().filter_map(of_name).collect()
}

/// A string that is an absolute path of a directory: not the program interpreter.
fn directory(string: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(string).ok()?;
    let is_path = text.len() > 2
        && text.starts_with('/')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '~' | '@'));
    (is_path && !text.contains(".so")).then_some(text)
}

/// The source among the arguments of a command that starts R: `Rscript [options] FILE`, `R -f FILE`, `R --file=FILE`,
/// `R CMD BATCH FILE`.
pub(super) fn source_argument<'a>(command: &str, arguments: &'a [Vec<String>]) -> &'a [String] {
    let starts = |values: &[String], prefix: &str| values.iter().any(|value| value.starts_with(prefix));
    let is = |values: &[String], word: &str| values.iter().any(|value| value == word);
    match command.rsplit('/').next().unwrap_or(command) {
        "Rscript" => {
            for values in arguments {
                if is(values, "-e") || values.is_empty() {
                    return &[];
                }
                if !starts(values, "-") {
                    return values;
                }
            }
            &[]
        }
        "R" => {
            let after = |word: &str| arguments.iter().position(|values| is(values, word)).map(|at| at + 1);
            let batch = after("BATCH").filter(|_| arguments.first().is_some_and(|values| is(values, "CMD")));
            let batch = batch.and_then(|at| arguments[at..].iter().find(|values| !starts(values, "-")));
            let file = after("-f").and_then(|at| arguments.get(at));
            batch.or(file).map_or(&[], Vec::as_slice)
        }
        _ => &[],
    }
}

/// The path of `which` compiled into R. `Sys.which()` runs it, and utils calls that when it is loaded (`.onLoad` and
/// `.osVersion` in R's src/library/utils/R): without it neither utils nor stats is attached.
fn which(tree: &Tree, home: &Installation, start: &Start) -> Option<OwnCommand> {
    // A profile that replaces the function is trusted.
    let site = start.reads_site_profile().then_some("etc/Rprofile.site");
    let profiles = site.into_iter().chain(["library/base/R/Rprofile"]).filter_map(|below| home.path.join(below));
    if profiles.into_iter().any(|path| replaces_which(tree, &path)) || bootstrap_replaces_which(tree, start) {
        return None;
    }
    let base = homes::inside(tree, &home.path, "library/base/R/base.rdb")?;
    let database = tree.read_text(base).ok()?;
    let path = rdb::records(&database)
        .find_map(|record| rdb::strings(&record, b"/which").find(|path| path.starts_with('/')).map(str::to_owned))?;
    Some(OwnCommand {
        by: base,
        path,
        code: Code::WhichMissing,
        caller: "Sys.which()",
        consequence: "R can neither load utils nor attach stats",
        help: "start R with layerfit's bootstrap, which does without it (layerfit init --bootstrap writes it into the tree, or into \
               the function's code, which --code or `code` in [template] of layerfit.toml names), or configure R with \
               WHICH=/opt/bin/which and put a which there, or replace Sys.which in etc/Rprofile.site: layerfit rules C103 \
               has the lines"
            .to_owned(),
        executed: Executed::Always,
    })
}

/// Whether a file assigns Sys.which, other than in a comment; one that calls it fails itself.
fn replaces_which(tree: &Tree, path: &TreePath) -> bool {
    let Place::Inside(file) = tree.locate_inside(path) else { return false };
    if tree.entry(file).bytes() > MAX_SOURCE_BYTES {
        return false;
    }
    let text = tree.read(file).unwrap_or_default();
    assigns_which(&String::from_utf8_lossy(&text))
}

/// Whether a source in R assigns Sys.which.
fn assigns_which(text: &str) -> bool {
    static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
        built_in_pattern(
            r#"(?x)
            \b(?:assign|assignInNamespace|assignInMyNamespace|unlockBinding|makeActiveBinding|delayedAssign)
                \s*\(\s*(?:x\s*=\s*|sym\s*=\s*)?["'`]?Sys\.which\b
            | \bSys\.which["'`]?\s*(?:\]\])?\s*(?:<<?-|=[^=])
            | ->>?\s*["'`]?Sys\.which\b"#,
        )
    });
    let code: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    ASSIGNMENT.is_match(&code.join("\n"))
}

/// Whether the bootstrap in the function's code, whose start files these are, starts R without the packages that call Sys.which, with
/// a source beside it that replaces it, as layerfit's own does.
fn code_replaces_which(files: &BTreeMap<String, String>) -> bool {
    let Some(bootstrap) = files.get("bootstrap") else { return false };
    let code: Vec<&str> = bootstrap.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let without_packages = code.iter().any(|line| line.contains("R_DEFAULT_PACKAGES") && line.contains("NULL"));
    let is_named = |name: &str| code.iter().any(|line| line.contains(&format!("/{name}")));
    without_packages && files.iter().any(|(name, text)| name != "bootstrap" && is_named(name) && assigns_which(text))
}

/// Whether the bootstrap starts R without the packages that call Sys.which, with a source that replaces it before they are
/// loaded, as layerfit's own does; or with a profile that replaces it.
fn bootstrap_replaces_which(tree: &Tree, start: &Start) -> bool {
    let Some(Place::Inside(file)) = TreePath::new("bootstrap").map(|path| tree.locate_inside(&path)) else {
        return false;
    };
    if tree.entry(file).bytes() > MAX_SOURCE_BYTES {
        return false;
    }
    let text = tree.read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let sets = |variable: &str, value: &str| {
        let has = |line: &&&str| line.contains(variable) && line.contains(value);
        code.iter().any(|line| has(&line))
    };
    let without_packages = sets("R_DEFAULT_PACKAGES", "NULL");
    let named = |path: &TreePath| {
        let name = String::from_utf8_lossy(path.name()).into_owned();
        let beside = path.parent().is_some_and(|parent| parent.is_root());
        let as_profile = (start.reads_site_profile() && sets("R_PROFILE=", &path.mounted()))
            || (start.reads_user_profile() && sets("R_PROFILE_USER=", &path.mounted()));
        as_profile || (without_packages && (sets("", &path.mounted()) || (beside && sets("", &format!("/{name}")))))
    };
    let sources = tree.iter().filter(|(_, entry)| entry.is_file() || matches!(entry.kind, Kind::Link { .. }));
    let names = sources.map(|(_, entry)| &entry.path).filter(|path| {
        let name = path.name().to_ascii_lowercase();
        name.ends_with(b".r") || name.windows(8).any(|window| window == b"rprofile")
    });
    names.into_iter().any(|path| named(path) && replaces_which(tree, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_a_command_line_is_found_behind_its_options() {
        let source = |line: &str| {
            let words: Vec<Vec<String>> = line.split(' ').skip(1).map(|word| vec![word.to_owned()]).collect();
            source_argument(line.split(' ').next().unwrap_or_default(), &words).join("|")
        };
        assert_eq!(source("/opt/R/bin/Rscript --vanilla a.R b.R"), "a.R");
        assert_eq!(source("Rscript -e 1"), "");
        assert_eq!(source("R --no-echo -f a.R"), "a.R");
        assert_eq!(source("R CMD BATCH --vanilla a.R out"), "a.R");
        assert_eq!(source("R --version"), "");
        assert_eq!(source("cat a.R"), "");
    }
}
