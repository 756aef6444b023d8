//! `layerfit init`: a commented layerfit.toml for what is in a tree, or a bootstrap for R.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::args::{InitArgs, PlanOptions};
use super::config::{Config, NAME};
use super::exit::Exit;
use super::{output, progress, settings};
use crate::base::atomic::{can_create, create_file};
use crate::base::bytes::{plural, size};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::read;
use crate::base::safe::one_line;
use crate::commands;
use crate::report::{PackageReport, Report};
use crate::runtime::{GlibcNames, RuntimeProfile};

pub(super) fn run(arguments: &InitArgs) -> Result<Exit> {
    if let Some(directory) = &arguments.bootstrap {
        return output::done(&bootstrap(directory)?);
    }
    // Before the tree is read, which can take long.
    can_create(Path::new(NAME), EXISTS)?;
    let settings = settings::settings(&PlanOptions::default(), &Config::default(), None)?;
    let progress = progress::bar(false);
    let report = commands::plan(&arguments.root, &settings, progress.as_ref());
    progress.done();
    let report = report?;
    ensure_meant(&report)?;
    output::done(&write(&report)?)
}

/// Refuses a tree that is empty, or certainly another than was meant: its configuration would be in the way of the right one.
fn ensure_meant(report: &Report) -> Result<()> {
    let is_another = |finding: &&Finding| {
        let is_error = finding.severity == Severity::Error;
        finding.code == Code::EmptyTree || is_error && (finding.of_another_tree || finding.code == Code::OnlyArchives)
    };
    match report.findings.iter().find(is_another) {
        Some(finding) => Err(Error::Usage {
            message: format!("{}: {} ({}), so no {NAME} is written", report.root, finding.message, finding.code),
            help: finding.help.clone(),
        }),
        None => Ok(()),
    }
}

/// What to do with a configuration that is there already.
const EXISTS: &str = "edit it, or remove it to have a new one written";

/// Writes the configuration with which `layerfit plan` needs no options; returns what to print.
///
/// # Errors
/// When there is one already, or it cannot be written.
fn write(report: &Report) -> Result<Vec<u8>> {
    create_file(Path::new(NAME), configuration(report).as_bytes(), 0o644, EXISTS)?;
    let root = one_line(&report.root);
    Ok(format!("{NAME}: written for this tree; `layerfit plan {root}` now uses it\n").into_bytes())
}

/// The Lambda custom runtime client for R: names, content and modes.
const BOOTSTRAP: [(&str, &str, u32); 2] = [
    ("runtime.R", include_str!("../../bootstrap/runtime.R"), 0o644),
    ("bootstrap", include_str!("../../bootstrap/bootstrap"), 0o755),
];

/// The Rscript that the bootstrap runs.
const RSCRIPT: &str = "/opt/R/bin/Rscript";

/// How many directories below a tree are looked into for an R: `R/4.2.2` is two.
const MAX_R_DEPTH: usize = 3;

/// The path in a function of the Rscript that a tree has, if it has none where the bootstrap runs it, and one elsewhere: that in
/// `bin/` of the directory that R was installed into.
fn rscript(tree: &Path) -> Option<String> {
    let is_there = |path: &Path| tree.join(path).symlink_metadata().is_ok();
    // A link can be absolute, and leads somewhere only in the function.
    if RSCRIPT.strip_prefix("/opt/").is_some_and(|path| is_there(Path::new(path))) {
        return None;
    }
    let mut directories = vec![PathBuf::new()];
    for _ in 0..=MAX_R_DEPTH {
        let found = directories.iter().map(|directory| directory.join("bin/Rscript"));
        let found = found.filter(|path| is_there(path)).filter_map(|path| path.to_str().map(str::to_owned));
        if let Some(path) = found.into_iter().find(|path| is_plain(path)) {
            return Some(format!("/opt/{path}"));
        }
        let inside = directories.iter().flat_map(|directory| {
            let names = std::fs::read_dir(tree.join(directory)).into_iter().flatten().flatten();
            let names = names.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            names.map(|entry| directory.join(entry.file_name())).collect::<Vec<_>>()
        });
        directories = inside.collect();
        directories.sort();
    }
    None
}

/// The library that the bootstrap sets for packages other than R's own.
const LIBRARY: &str = "/opt/local/lib/R/site-library";

/// How many directories below a tree are looked into for libraries, and how many of these the bootstrap names at most.
const MAX_LIBRARY_DEPTH: usize = 5;
const MAX_LIBRARIES: usize = 4;

/// The libraries of packages other than R's own that a tree has, by their paths in a function, if it has not the one that the bootstrap
/// sets. R searches its own without being told.
fn libraries(tree: &Path) -> Option<String> {
    if LIBRARY.strip_prefix("/opt/").is_some_and(|path| tree.join(path).symlink_metadata().is_ok()) {
        return None;
    }
    let inside = |directory: &Path| {
        let names = std::fs::read_dir(tree.join(directory)).into_iter().flatten().flatten();
        names.map(|entry| directory.join(entry.file_name())).collect::<Vec<_>>()
    };
    let is_package = |path: &Path| tree.join(path).join("Meta/package.rds").is_file();
    let (mut found, mut directories) = (Vec::new(), vec![PathBuf::new()]);
    for _ in 0..=MAX_LIBRARY_DEPTH {
        let mut next = Vec::new();
        for directory in directories {
            let names = inside(&directory);
            if names.iter().any(|path| is_package(path)) {
                // Beside R's own library, `site-library` is searched as well.
                let of_r = tree.join(&directory).join("base").exists()
                    || directory.ends_with("site-library")
                        && tree.join(&directory).with_file_name("library").join("base").exists();
                found.extend((!of_r).then_some(directory));
            } else {
                let is_directory =
                    |path: &PathBuf| tree.join(path).symlink_metadata().is_ok_and(|found| found.is_dir());
                next.extend(names.into_iter().filter(is_directory));
            }
        }
        directories = next;
    }
    found.sort();
    found.truncate(MAX_LIBRARIES);
    let paths = found.iter().filter_map(|path| path.to_str()).filter(|path| is_plain(path));
    let paths: Vec<String> = paths.map(|path| format!("/opt/{path}")).collect();
    (!paths.is_empty()).then(|| paths.join(":"))
}

/// Whether a path is one that the shell neither splits nor expands.
fn is_plain(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c))
}

/// Writes the bootstrap and what it runs into a directory; returns what to print.
///
/// # Errors
/// When one of them exists, or cannot be written; the one that was written before is removed again.
fn bootstrap(directory: &Path) -> Result<Vec<u8>> {
    // Without the slash at its end, which would follow a link.
    let directory = directory.components().as_path();
    if directory.is_symlink() {
        return Err(Error::Usage {
            message: format!("--bootstrap {}: is a symbolic link, which is not followed", directory.display()),
            help: "name its target, or another directory".to_owned(),
        });
    }
    std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
    let (rscript, libraries) = (rscript(directory), libraries(directory));
    let files = BOOTSTRAP.map(|(name, text, mode)| {
        let mut text = text.to_owned();
        if name == "bootstrap" {
            text = text.replace(RSCRIPT, rscript.as_deref().unwrap_or(RSCRIPT));
            text = text.replace(LIBRARY, libraries.as_deref().unwrap_or(LIBRARY));
        }
        (name, text, mode)
    });
    let has = |(name, text, _): &(&str, String, u32)| {
        read::text_if_there(&directory.join(name), read::MAX_TEXT).is_ok_and(|content| content.as_ref() == Some(text))
    };
    if files.iter().all(has) {
        let shown = one_line(&directory.to_string_lossy());
        return Ok(format!("{shown}: already has this bootstrap; nothing is written\n").into_bytes());
    }
    let mut written = Vec::new();
    for (name, text, mode) in &files {
        let path = directory.join(name);
        if let Err(error) = create_file(&path, text.as_bytes(), *mode, "remove it, or name another directory") {
            for path in written {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
            return Err(error);
        }
        written.push(path);
    }
    let runs = match &rscript {
        Some(path) => format!("it runs {path}, where this tree has R"),
        None => format!("it runs {RSCRIPT}: change that if R is elsewhere"),
    };
    let searches = libraries.map(|libraries| format!("; R_LIBS is {libraries}, where this tree has packages"));
    let runs = runs + &searches.unwrap_or_default();
    Ok(format!(
        "{} and {}: written; a handler is a function of the event, as the head of runtime.R describes; {}\n",
        one_line(&directory.join("bootstrap").to_string_lossy()),
        one_line(&directory.join("runtime.R").to_string_lossy()),
        one_line(&runs)
    )
    .into_bytes())
}

/// The libraries that --bundle would search for on the build host: those that are needed for certain and missing, and not part
/// of glibc.
fn to_be_bundled(report: &Report) -> BTreeSet<&str> {
    let glibc = GlibcNames::built_in();
    let missing = report.findings.iter().filter(|f| f.code == Code::MissingLibrary && f.severity == Severity::Error);
    let lacking: BTreeSet<&str> = missing.map(|finding| finding.subject.as_str()).collect();
    let objects = report.objects.iter().filter(|object| lacking.contains(object.path.as_str()));
    let needed = objects.flat_map(|object| &object.needed).filter(|needed| needed.path.is_none());
    // A library that is needed by its path has to be at that path, not in lib/.
    needed.map(|needed| needed.soname.as_str()).filter(|name| !name.contains('/') && !glibc.has(name)).collect()
}

/// The managed runtime that the tree is for, where that shows: it has packages, but no program to run them. Extension modules
/// are for one version of Python; packages of npm for any Node.js, so that the newest is as good as another.
fn managed_runtime(report: &Report) -> Option<String> {
    let has_program = |name: &str| {
        report.objects.iter().any(|object| object.path.rsplit('/').next().is_some_and(|own| own.starts_with(name)))
    };
    let has_packages = |id: &str| report.packages.iter().any(|package| package.language.as_str() == id);
    if has_packages("python") && !has_packages("r") && !has_program("python3") {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for object in &report.objects {
            let tagged = object.path.split_once(".cpython-3").and_then(|(_, rest)| rest.split_once('-'));
            if let Some((minor, _)) = tagged {
                *counts.entry(minor).or_default() += 1;
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        return most.map(|(minor, _)| format!("python3.{minor}")).filter(|name| RuntimeProfile::is_built_in(name));
    }
    let for_node = has_packages("node") && !has_packages("r") && !has_packages("python") && !has_program("node");
    let newest = RuntimeProfile::names().filter(|name| name.starts_with("nodejs")).max();
    newest.filter(|_| for_node).map(str::to_owned)
}

/// The variables that findings say are to be set, without a table, so that a line can follow; a comment if there are none.
fn environment(report: &Report) -> String {
    let variables: BTreeMap<&String, &String> = report.findings.iter().flat_map(|finding| &finding.env).collect();
    if variables.is_empty() {
        return "# env.TZ = \"UTC\"\n\n".to_owned();
    }
    // A string in JSON is one in TOML.
    let line =
        |(name, value): (&String, &String)| format!("env.{name} = {}\n", serde_json::Value::from(value.as_str()));
    variables.into_iter().map(line).collect::<String>() + "\n"
}

/// The configuration, as text. Every setting is before the first table, and every table is commented out, so that a line can be
/// added anywhere.
fn configuration(report: &Report) -> String {
    let kept = &report.totals.kept;
    let zipped = kept
        .zipped_bytes
        .zip(report.packing)
        .map(|(zipped, packing)| format!(", {} zipped in {}", size(zipped), plural(packing.layers, "layer", "layers")));
    let mut text = format!(
        "# How layerfit packs {}: {}, {} unzipped{}.\n\
         # Command-line options override this file. Paths are relative to its directory.\n\n\
         # Lambda runtime: provided.al2023, python3.13, nodejs22.x or another, host (this machine), or\n\
         # the path of a profile.\n\
         runtime = {}\n\n",
        one_line(&report.root),
        report.package_counts(),
        size(kept.unzipped_bytes),
        zipped.unwrap_or_default(),
        // A string in JSON is one in TOML.
        serde_json::Value::from(managed_runtime(report).as_deref().unwrap_or(&report.runtime)),
    );
    text += "# Copy missing libraries (in neither the tree nor the runtime) from the machine that built the tree.\n";
    let missing: Vec<&str> = to_be_bundled(report).into_iter().collect();
    text += &match missing.as_slice() {
        [] => "# bundle = true\n\n".to_owned(),
        // A name must not end the comment: what follows would be a setting.
        names => format!("# Missing here: {}.\nbundle = true\n\n", one_line(&names.join(", "))),
    };
    let has_packages = |id: &str| report.packages.iter().any(|package| package.language.as_str() == id);
    let has_r = has_packages("r") || !has_packages("python") && !has_packages("node");
    let is_r = |package: &PackageReport| package.language.as_str() == "r";
    let is_of_r = |library: &str| {
        let mut others = report.packages.iter().filter(|package| !is_r(package));
        !others.any(|package| package.path.starts_with(library))
    };
    let unnamed: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.code == Code::LibraryNotSearched && finding.severity != Severity::Info)
        .filter(|finding| is_of_r(finding.subject.as_str()))
        .map(|finding| format!("{:?}", finding.subject.as_str()))
        .collect();
    if has_r {
        text += "# R package libraries to put into R_LIBS_USER in etc/Renviron, besides R's own.\n";
        text += &match unnamed.as_slice() {
            [] => "# r-libs-user = [\"local/lib/R/site-library\"]\n\n".to_owned(),
            libraries => format!("r-libs-user = [{}]\n\n", libraries.join(", ")),
        };
    }
    text += "# Record which unit is in which layer, so that after a change, few layers have to be published again.\n\
             lock = \"layerfit.lock\"\n\n";
    text += if has_r {
        "# Smaller zips: R's databases stored uncompressed, so that deflate does better; symbol tables stripped; slowest\n\
         # compression.\n\
         # repack-rdb = true\n"
    } else {
        "# Smaller zips: symbol tables stripped; slowest compression.\n"
    };
    text += &format!(
        "# strip = \"all\"\n# level = \"max\"\n\n\
         # Prune rules to turn on, and rules and checks to turn off: `layerfit rules` lists them.\n\
         # select = [\"{}\"]\n# ignore = [\"{}\", \"L206\"]\n\n",
        if has_r { "datasets" } else { "extra" },
        if has_r { "D105" } else { "D401" },
    );
    text += "# Lambda's limits, and space reserved for the function's own code.\n\
             # max-zipped = \"250MiB\"   # when layers are uploaded through S3\n# function-size = \"3MiB\"\n\n\
             # Baseline that `layerfit check` compares sizes with; `layerfit check --update-baseline` writes it.\n\
             # baseline = \"layerfit.baseline.json\"\n# max-growth = \"2%\"\n\n\
             # Environment variables of the function: what is looked for, and where, depends on them. The template of\n\
             # `layerfit pack --template` sets them.\n";
    text += &environment(report);
    text += "# Tables follow. Put keys such as those above before the first [table]: TOML would make them part of it.\n\n\
             # Budgets: of total, layer:NAME, pkg:NAME, or a glob of paths.\n\
             # [[budget]]\n# of = \"pkg:*\"\n# zipped = \"5MiB\"\n\n\
             # Findings with a different severity, or turned off for a reason.\n\
             # [[finding]]\n# code = \"L201\"\n";
    text += if has_r {
        "# subject = \"R/lib64/R/library/nlme/**\"\n# severity = \"off\"\n# reason = \"nothing loads nlme\"\n\n"
    } else {
        "# subject = \"python/a/**\"\n# severity = \"off\"\n# reason = \"nothing loads a\"\n\n"
    };
    let is_movable = |package: &&PackageReport| is_r(package) && package.priority.as_deref() != Some("base");
    let movable = report.packages.iter().filter(is_movable);
    let largest = movable.max_by_key(|package| (package.cost.zipped_bytes, std::cmp::Reverse(&package.name)));
    if let Some(package) = largest.map(|package| &package.name) {
        text += &format!(
            "# Pack packages into a library different from the one they are installed in.\n\
             # [[relocate]]\n# packages = [{package:?}]\n# to = \"local/lib/R/site-library\"\n\n"
        );
    }
    let (layer, holds, prefix) =
        if has_r { ("runtime", "\"r\", \"lib:*\"", "r-") } else { ("packages", "\"pkg:*\"", "my-") };
    text += &format!(
        "# Named layers, and the units they hold (`layerfit plan -v` lists the units).\n\
         # [[layer]]\n# name = {layer:?}\n# holds = [{holds}]\n\n\
         # Options of `layerfit publish`. A layer's name in AWS is the prefix and the layer's name.\n\
         # [publish]\n# prefix = {prefix:?}\n# license-info = \"MIT\"\n# function = \"my-function\"\n\n\
         # The function in the template of `layerfit pack --template`; a trigger can be none, s3, or s3:SUFFIX.\n\
         # [template]\n# code = \"hello\"\n# handler = \"hello.handler\"\n# trigger = \"none\"\n"
    );
    text
}
