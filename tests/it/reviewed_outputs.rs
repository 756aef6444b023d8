//! Whole outputs of the real program on a small tree, word for word and number for number: `tests/snapshots/` has what a
//! reviewer accepted. After a change that is meant, `INSTA_UPDATE=always cargo test --test it reviewed_outputs`
//! writes them again, and `git diff tests/snapshots` is what there is to review.

use std::fs;

use crate::support::elf::Elf;
use crate::support::{RDS, Run, World, noise};
use serde_json::Value;

const LIBRARY: &str = "R/lib/R/library";

/// R and packages, libraries by links, programs, scripts, what rules drop and are held back from, the same content twice,
/// and something wrong of every kind. Nothing in it depends on the machine.
fn world() -> World {
    let world = World::new();
    world.r().elf("R/lib/R/lib/libR.so", &Elf::library("libR.so").needs("libdeep.so.5").needs("libm.so.6"));
    world.elf("R/lib/R/bin/exec/R", &Elf::program().needs("libR.so").needs("libc.so.6").debug(&noise(5, 3000)));
    world.elf(
        "lib/libdeep.so.5.0",
        &Elf::library("libdeep.so.5").needs("libbottom.so").debug(b"debug data of this library"),
    );
    world.link("lib/libdeep.so.5", "libdeep.so.5.0").link("lib/libdeep.so", "libdeep.so.5");
    world.elf("lib/libbottom.so", &Elf::library("libbottom.so"));
    world
        .elf("lib/libidle.so.1", &Elf::library("libidle.so.1").needs("libonly.so"))
        .elf("lib/libonly.so", &Elf::library("libonly.so"));
    world.elf("lib/libcurl.so.4", &Elf::library("libcurl.so.4").behind(b"more").debug(b"debug"));
    world.elf(
        "bin/tool",
        &Elf::program()
            .needs("libdeep.so.5")
            .needs("libcurl.so.4")
            .needs_version("libm.so.6", "GLIBC_2.2.5")
            .needs_version("libm.so.6", "GLIBC_2.99")
            .needs_version("libm.so.6", "GLIBC_2.14")
            .needs("libm.so.6"),
    );
    world.elf("bin/needy", &Elf::program().needs("libgone.so.1"));
    world.elf("bin/arm", &Elf::library("arm").machine(183));
    world.file("bin/runs", "#!/opt/bin/tool\n").mode("bin/runs", 0o755);
    world.file("bin/lost", "#!/opt/bin/nothing\n").mode("bin/lost", 0o755);
    world.file("bootstrap", "#!/bin/sh\nexec /opt/R/lib/R/bin/R --no-echo\n").mode("bootstrap", 0o755);

    world.package(LIBRARY, "Matrix", "1.5-1", "Priority: recommended\nImports: stats\n");
    world.elf("R/lib/R/library/Matrix/libs/Matrix.so", &Elf::library("Matrix.so").needs("libdeep.so.5"));
    world.file("R/lib/R/library/Matrix/data/Rdata.rdb", noise(6, 12_000));
    world.file("R/lib/R/library/Matrix/data/Rdata.rdx", RDS);
    world.package(LIBRARY, "mgcv", "1.8", "Depends: R (>= 4.0), Matrix\nSuggests: xgone\n");
    world.package(LIBRARY, "tcltk", "4.2.2", "Priority: base\n").package(LIBRARY, "gui", "1.0", "Imports: tcltk\n");
    world.package("site", "young", "2.0", "Imports: Matrix (>= 9.9), gone\n").package("site", "mgcv", "1.9", "");

    world.file("share/man/man1/tool.1", ".PP ab\n".repeat(30)).link("manual", "share/man");
    world.file("share/doc/tool/README", "read me").file("include/tool.h", "#define TOOL\n");
    world
        .file("share/same", noise(2, 9_000))
        .file("share/deep/same", noise(2, 9_000))
        .file("share/near", noise(3, 9_000));
    world.file("share/a|b <c> `d` & \"e\".txt", "text").directory("var/empty");
    world.link("nowhere", "gone").link("outside", "../etc");
    world
}

/// Four layers, so that steps can save one.
const LIMITS: [&str; 4] = ["--max-zipped", "30000B", "--max-layers", "4"];

/// Compares a text with the one that was accepted.
#[track_caller]
fn reviewed(name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&regex_of(env!("CARGO_PKG_VERSION")), "[VERSION]");
    settings.add_filter("sha256-[A-Za-z0-9+/]{43}=", "[HASH]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn regex_of(text: &str) -> String {
    format!("\\b{}\\b", text.replace('.', "\\."))
}

/// All that a run printed, and its exit code.
fn printed(run: &Run) -> String {
    let errors = if run.stderr.is_empty() { String::new() } else { format!("\nstderr:\n{}", run.stderr) };
    format!("exit code {}\n{}{errors}", run.code, run.stdout)
}

#[track_caller]
fn reviewed_run(name: &str, world: &World, arguments: &[&str]) {
    let run = world.run(arguments);
    // A snapshot does not tell how its text ends.
    let ends_a_line = run.stdout.ends_with('\n') && !run.stdout.ends_with("\n\n");
    assert!(run.stdout.is_empty() || ends_a_line, "{:?}", run.stdout);
    reviewed(name, &printed(&run));
}

/// A page as what is on it: its data as JSON that can be read, and without the style and the script.
fn page(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((start, end)) = [("<style>", "</style>"), ("<script", "</script>")]
        .iter()
        .filter_map(|(start, end)| Some((rest.find(start)?, end)))
        .min()
    {
        out += &rest[..start];
        let element = &rest[start..];
        let length = element.find(end).expect("closed");
        if let Some((_, json)) = element[..length].split_once("id=\"data\">") {
            let data: Value = serde_json::from_str(json).expect("JSON");
            out += &readable(&data);
        }
        rest = &element[length + end.len()..];
    }
    out + rest
}

/// The data of a page.
fn data_of(page: &str) -> Value {
    let (_, data) = page.split_once("id=\"data\">").expect("there");
    serde_json::from_str(&data[..data.find("</script>").expect("closed")]).expect("JSON")
}

/// The data of a page with a list on each line, and names below each other.
fn readable(data: &Value) -> String {
    let mut out = String::new();
    for (key, value) in data.as_object().expect("an object") {
        match value {
            Value::Object(inner) if inner.values().any(|value| value.as_array().is_some_and(|all| all.len() > 3)) => {
                out += &format!("{key}:\n{}", readable(value));
            }
            Value::Array(all) if all.iter().all(Value::is_string) => {
                let numbered = all.iter().enumerate().map(|(number, text)| format!("  {number} {text}\n"));
                out += &format!("{key}:\n{}", numbered.collect::<String>());
            }
            other => out += &format!("{key}: {other}\n"),
        }
    }
    out
}

#[track_caller]
fn reviewed_plan(name: &str, more: &[&str]) {
    reviewed_run(name, &world(), &[&["plan", "opt"], more].concat());
}

#[test]
fn a_plan_for_a_terminal() {
    reviewed_plan("plan.txt", &LIMITS);
    reviewed_plan("plan-verbose.txt", &[&LIMITS[..], &["-v"]].concat());
}

#[test]
fn a_plan_as_a_tree() {
    reviewed_plan("plan-tree.txt", &[&LIMITS[..], &["--tree"]].concat());
    reviewed_plan("plan-tree-verbose.txt", &[&LIMITS[..], &["--tree", "-v"]].concat());
    // A unit that no layer holds whole.
    reviewed_plan("plan-tree-split.txt", &["--tree", "--max-zipped", "20000B"]);
}

#[test]
fn a_plan_as_json_and_markdown() {
    reviewed_plan("plan.json", &[&LIMITS[..], &["--format", "json"]].concat());
    reviewed_plan("plan.md", &[&LIMITS[..], &["--format", "markdown"]].concat());
}

#[test]
fn a_plan_as_a_page() {
    let run = world().run(&[&["plan", "opt", "--format", "html"], &LIMITS[..]].concat());
    reviewed("plan-page.html", &page(&run.stdout));
}

#[test]
fn a_plan_of_what_does_not_fit() {
    reviewed_plan("too-many-layers.txt", &["--max-zipped", "15000B", "--max-layers", "2"]);
    let too_large = ["--max-unzipped", "60000B", "--function-size", "10000B", "--max-zipped", "52000B"];
    reviewed_plan("too-large-unzipped.txt", &too_large);
    let run = world().run(&[&["plan", "opt", "--format", "html"], &too_large[..]].concat());
    reviewed("too-large-page.html", bars(&run.stdout));
}

/// The part of a page that compares what there is with the limits.
fn bars(page: &str) -> &str {
    let start = page.find("<h2 id=\"limits-title\">").expect("there");
    &page[start..start + page[start..].find("</section>").expect("closed")]
}

#[test]
fn a_plan_of_what_no_layer_holds() {
    reviewed_plan("file-too-large.txt", &["--max-zipped", "9100B"]);
    reviewed_plan("kinds.txt", &["--strategy", "kinds", "-v"]);
}

#[test]
fn a_plan_with_every_rule() {
    let more = ["--select", "extra", "--strip", "all", "--format", "json", "--arch", "arm64"];
    reviewed_plan("every-rule.json", &more);
}

/// More rules drop something than a short report lists, and a package is not loaded by its name alone.
#[test]
fn many_rules_are_summed_up() {
    let world = World::new();
    for (number, path) in [
        "include/x.h",
        "lib/x.a",
        "lib/x.la",
        "lib/pkgconfig/x.pc",
        "lib/cmake/x/x-config.cmake",
        "share/aclocal/x.m4",
        "bin/x-config",
        "share/gir-1.0/x.gir",
        "share/man/man1/x.1",
        "share/doc/x.html",
        "share/info/x.info",
        ".DS_Store",
        "lib/x.dylib",
        ".git/HEAD",
        "x~",
        ".nfs00000000018d7f5c00000001",
    ]
    .iter()
    .enumerate()
    {
        // Most of them are only dropped for what is in them, or for the file beside it.
        let begin: &[u8] = match *path {
            "lib/x.dylib" => b"\xcf\xfa\xed\xfe",
            _ => b"--cflags\n.PP\nName: produced by makeinfo\n",
        };
        world.file(path, [begin, &noise(number as u64, 100 * number)[..]].concat());
    }
    world.file("share/x", "x").file("x", "x");
    reviewed_run("many-rules.txt", &world, &["plan", "opt"]);
    reviewed_run("many-rules-markdown.md", &world, &["plan", "opt", "--format", "markdown", "--ignore", "P102"]);
}

#[test]
fn a_tree_with_nothing_to_say_and_one_with_nothing_in_it() {
    let world = World::new();
    reviewed_run("empty.txt", &world, &["plan", "opt"]);
    world.file("share/x", "x");
    reviewed_run("nothing-to-say.txt", &world, &["analyze", "opt"]);
    reviewed_run("nothing-to-say-plan.txt", &world, &["plan", "opt"]);
    reviewed_run("nothing-to-say-junit.xml", &world, &["plan", "opt", "--format", "junit"]);
    reviewed_run("nothing-dropped.txt", &world, &["plan", "opt", "--drop", "share"]);
    reviewed_run("no-tree.txt", &world, &["pack", "nowhere", "-o", "out"]);
    reviewed_run("no-manifest.txt", &world, &["publish", "opt", "--dry-run"]);
    reviewed_run("output-is-a-file.txt", &world, &["pack", "opt", "-o", "opt/share/x"]);
    fs::write(world.beside("taken"), "a file").expect("written");
    reviewed_run("output-is-a-file-beside.txt", &world, &["pack", "opt", "-o", "taken"]);
    fs::create_dir(world.beside("real")).expect("made");
    world.link("../linked", "real");
    reviewed_run("output-is-a-link-beside.txt", &world, &["pack", "opt", "-o", "linked"]);
    reviewed_run("output-is-the-root.txt", &world, &["pack", "opt", "-o", "/"]);
    reviewed_run("output-in-tree.txt", &world, &["pack", "opt", "-o", "opt/out"]);
    world.link("../out", "opt");
    reviewed_run("output-is-a-link.txt", &world, &["pack", "opt", "-o", "out"]);
}

#[test]
fn findings_as_junit_and_of_the_gate_too() {
    let world = world();
    reviewed_plan("plan-junit.xml", &[&LIMITS[..], &["--format", "junit"]].concat());
    fs::write(world.beside("gate.toml"), "[[budget]]\nof = \"total\"\nzipped = \"100B\"\n").expect("written");
    let gate =
        ["check", "opt", "--config", "gate.toml", "--format", "junit", "--max-layers", "1", "--max-zipped", "20000B"];
    reviewed_run("gate-junit.xml", &world, &gate);
}

#[test]
fn findings_as_sarif_and_as_annotations() {
    let world = world();
    let sarif = world.run(&["analyze", "opt", "--format", "sarif"]).stdout;
    let mut sarif: Value = serde_json::from_str(&sarif).expect("JSON");
    // The pages of the checks are data.
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array_mut().expect("rules");
    rules.retain(|rule| rule["id"] == "L201" || rule["id"] == "S107");
    reviewed("findings.sarif.json", &format!("{sarif:#}"));
    let mut command = world.command(&["analyze", "opt", "-q"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", world.beside("summary.md"));
    reviewed("findings-github.txt", &printed(&Run::of(command)));
    reviewed("findings-github-summary.md", &fs::read_to_string(world.beside("summary.md")).expect("written"));
}

#[test]
fn an_analysis_and_a_page_of_it() {
    let world = world();
    reviewed_run("analyze.txt", &world, &["analyze", "opt"]);
    reviewed_run("analyze-verbose.txt", &world, &["analyze", "opt", "-v"]);
    reviewed_run("analyze.json", &world, &["analyze", "opt", "--format", "json", "--keep", "pkg:gui"]);
    reviewed("analyze-page.html", &page(&world.run(&["analyze", "opt", "--format", "html"]).stdout));
}

#[test]
fn what_is_dropped_and_kept_by_name() {
    let world = world();
    fs::write(world.beside("run.log"), "1 open(\"/opt/manual/man1/tool.1\", O_RDONLY) = 3\n").expect("written");
    let plan = |name: &str, more: &[&str]| reviewed_run(name, &world, &[&["plan", "opt"], more].concat());
    plan(
        "dropped.json",
        &["--drop", "pkg:Matrix,R/lib/R/etc/Renviron,bin/tool,pkg:stats", "--keep", "include", "--format", "json"],
    );
    plan("dropped.txt", &["--drop", "libdeep.so.5,pkg:gui", "-v"]);
    plan("traced.txt", &["--trace", "run.log", "-v"]);
    for (name, packages) in [("three", &["Matrix", "gui", "mgcv"][..]), ("four", &["Matrix", "gui", "mgcv", "base"])] {
        let line = |package: &&str| format!("1 open(\"/opt/{LIBRARY}/{package}/help/{package}.rdb\", O_RDONLY) = 3\n");
        fs::write(world.beside("run.log"), packages.iter().map(line).collect::<String>()).expect("written");
        let (_, report) = world.json(&["plan", "opt", "--trace", "run.log"]);
        let told = crate::support::findings(&report, "P105");
        reviewed(&format!("traced-{name}.txt"), &format!("{told:#?}"));
    }
    let page = world.run(&["plan", "opt", "--drop", "pkg:gui", "--format", "html"]).stdout;
    reviewed("dropped-page-data.txt", &readable(&data_of(&page)));
}

#[test]
fn why_something_is_there() {
    let world = world();
    let more = ["--select", "datasets"];
    for (name, target) in [
        ("library", "libdeep.so.5"),
        ("idle-library", "libidle.so.1"),
        ("shadowed-library", "lib/libcurl.so.4"),
        ("image-library", "libm.so.6"),
        ("missing-library", "libgone.so.1"),
        ("package", "pkg:Matrix"),
        ("held-package", "pkg:tcltk"),
        ("package-twice", "pkg:mgcv"),
        ("directory", "share"),
        ("dropped-file", "include/tool.h"),
        ("link", "manual"),
        ("r", "r"),
        ("unit", "dir:bin"),
        ("bootstrap", "bootstrap"),
        ("file-of-package", "R/lib/R/library/Matrix/NAMESPACE"),
        ("package-in-library", "pkg:mgcv@site"),
    ] {
        reviewed_run(&format!("why-{name}.txt"), &world, &[&["why", target, "opt"], &more[..]].concat());
    }
}

#[test]
fn every_way_to_something_and_names_that_nothing_has() {
    let world = world();
    reviewed_run("why-all-ways.json", &world, &["why", "libbottom.so", "opt", "--all", "--format", "json"]);
    reviewed_run("why-all-ways.txt", &world, &["why", "libbottom.so", "opt", "--all", "-v"]);
    reviewed_run("why.md", &world, &["why", "share/man", "opt", "--format", "markdown"]);
    for target in ["manual", "pkg:mgcv", "pkg:tcltk", "lib/libcurl.so.4", "libgone.so.1", "dir:bin", "bootstrap"] {
        let name = target.replace([':', '/'], "-");
        reviewed_run(&format!("why-{name}.json"), &world, &["why", target, "opt", "--format", "json"]);
    }
    let dropped = ["why", "pkg:tcltk", "opt", "--drop", "pkg:gui", "--keep", "R/lib/R/library/tcltk/R/tcltk"];
    reviewed_run("why-dropped-and-kept.txt", &world, &dropped);
    let dropped = ["why", "pkg:Matrix", "opt", "--drop", "pkg:Matrix,libdeep.so.5", "--format", "json"];
    reviewed_run("why-dropped.json", &world, &dropped);
    let dropped = ["why", "lib/libdeep.so.5.0", "opt", "--drop", "libdeep.so.5", "--format", "json"];
    reviewed_run("why-dropped-library.json", &world, &dropped);
    for (number, mistyped) in ["libdeep.so.6", "libdee", "pkg:matrx", "BIN/tool", "Mat", "xx"].iter().enumerate() {
        reviewed_run(&format!("why-mistyped-{number}.txt"), &world, &["why", mistyped, "opt"]);
    }
    reviewed_run("why-mistyped.txt", &world, &["why", "pkg:matrix", "opt"]);
    reviewed_run("why-nothing-like-it.txt", &world, &["why", "qqqqqqqqqqqqqqqqqqqq", "opt"]);
}

#[test]
fn what_dropping_would_do() {
    let world = world();
    let all = |more: &[&'static str]| [&["why", "opt", "--if-dropped"], more].concat();
    reviewed_run("if-dropped.txt", &world, &[&all(&["pkg:Matrix,pkg:stats,libdeep.so.5"])[..], &LIMITS].concat());
    reviewed_run("if-dropped.json", &world, &all(&["pkg:Matrix,pkg:gui,bin", "--format", "json"]));
    reviewed_run("if-dropped.md", &world, &all(&["pkg:gui", "--format", "markdown"]));
    reviewed_run("if-dropped-does-not-fit.txt", &world, &all(&["bin", "--max-zipped", "20000B", "--max-layers", "1"]));
}

#[test]
fn what_is_packed() {
    let world = world();
    let pack = [&["pack", "opt", "-o", "out", "--lock", "my.lock"], &LIMITS[..]].concat();
    reviewed_run("pack.txt", &world, &pack);
    let read = |name: &str| fs::read_to_string(world.beside(name)).expect("written");
    // The rest of a manifest is the report.
    let manifest: Value = serde_json::from_str(&read("out/manifest.json")).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers").iter().map(|layer| {
        let entries = layer["entries"].as_array().expect("entries").iter().map(|entry| format!("  {entry}\n"));
        format!("{} {}\n{}", layer["name"], layer["sha256"], entries.collect::<String>())
    });
    reviewed("manifest-layers.txt", &layers.collect::<String>());
    reviewed("my.lock", &read("my.lock"));
    reviewed_run("check-packed.txt", &world, &["check", "out"]);
    reviewed_run(
        "check-packed.json",
        &world,
        &["check", "out", "--format", "json", "--max-zipped", "10000B", "--max-layers", "1"],
    );
    reviewed("check-page.html", bars(&world.run(&["check", "out", "--format", "html"]).stdout));
}

/// A tree that was packed with a lock, and is the next version of it now.
fn next_version() -> World {
    let world = world();
    let pack = [&["pack", "opt", "-o", "out", "--lock", "my.lock", "-q"], &LIMITS[..]].concat();
    assert_eq!(world.run(&pack).code, 1, "there are errors, and it fits");
    world
        .package(LIBRARY, "Matrix", "1.6", "Priority: recommended\nImports: stats\n")
        .package("site", "fresh", "0.1", "");
    world.file("R/lib/R/library/Matrix/data/Rdata.rdb", noise(6, 14_000)).file("share/near", noise(4, 9_000));
    world.mode("bin/runs", 0o644).file("share/man/man1/more.1", ".PPnother ag\n".repeat(50));
    fs::remove_file(world.root().join("share/deep/same")).expect("removed");
    fs::remove_file(world.root().join("bin/arm")).expect("removed");
    world
}

#[test]
fn what_the_gate_finds_in_the_next_version() {
    let world = next_version();
    reviewed_run("plan-since-the-lock.txt", &world, &[&["plan", "opt", "--lock", "my.lock"], &LIMITS[..]].concat());
    let config = "baseline = \"out/manifest.json\"\nmax-growth = \"0.5%\"\n\
        [[budget]]\nof = \"total\"\nunzipped = \"10KB\"\n[[budget]]\nof = \"layer:layer-1\"\nzipped = \"100B\"\n\
        [[budget]]\nof = \"pkg:Matrix\"\ngrowth = \"10B\"\n[[budget]]\nof = \"share/**\"\nzipped = \"100B\"\nunzipped = \"100B\"\n\
        [[budget]]\nof = \"pkg:none\"\nzipped = \"100B\"\n\
        [[finding]]\ncode = \"L201\"\nsubject = \"bin/**\"\nseverity = \"info\"\n\
        [[finding]]\ncode = \"S102\"\nseverity = \"off\"\nreason = \"known\"\n\
        [[finding]]\ncode = \"R103\"\nsubject = \"pkg:old\"\nseverity = \"warning\"\n";
    fs::write(world.beside("gate.toml"), config).expect("written");
    let gate = ["check", "opt", "--config", "gate.toml", "--headroom", "249.97MB"];
    reviewed_run("gate.txt", &world, &[&gate[..], &LIMITS[..]].concat());
    reviewed_run(
        "gate-manifest.json",
        &world,
        &[&gate[..], &["--manifest", "out/manifest.json", "--format", "json"]].concat(),
    );
}

#[test]
fn what_a_diff_says_of_the_next_version() {
    let world = next_version();
    for (name, more) in
        [("txt", &[][..]), ("verbose.txt", &["-v"]), ("md", &["--format", "markdown"]), ("json", &["--format", "json"])]
    {
        reviewed_run(&format!("diff.{name}"), &world, &[&["diff", "out", "opt"], more].concat());
        reviewed_run(&format!("diff-back.{name}"), &world, &[&["diff", "opt", "out"], more].concat());
    }
}

#[test]
fn a_baseline_that_is_written_and_held() {
    let world = next_version();
    let baseline = [
        "check",
        "opt",
        "--baseline",
        "base.json",
        "--update-baseline",
        "--ignore",
        "L201,R102,R103,S103,C101,L204,L301",
    ];
    reviewed_run("baseline.txt", &world, &baseline);
    let written = || fs::read_to_string(world.beside("base.json")).expect("written");
    reviewed("baseline.json", &written());
    // Some of it grows, and more of it shrinks.
    world.file("share/near", noise(4, 2_000)).file("R/lib/R/library/gui/R/gui.rdb", noise(8, 900));
    world.file("site/fresh/R/fresh.rdb", noise(9, 600)).file("site/mgcv/R/mgcv.rdb", noise(10, 500));
    fs::write(world.beside("gate.toml"), "[[budget]]\nof = \"pkg:*\"\ngrowth = \"1%\"\n").expect("written");
    reviewed_run(
        "baseline-held.json",
        &world,
        &[&baseline[..4], &["--config", "gate.toml", "--format", "json"]].concat(),
    );
    world.run(&baseline);
    let shrunk = written();
    reviewed("baseline-shrunk.json", &shrunk);
    // All of it grows.
    world.file("share/near", noise(4, 30_000));
    reviewed_run("baseline-grown.txt", &world, &baseline);
    assert_eq!(written(), shrunk);
}

/// A manifest that was made by hand: layers with entries (path, length, length in the zip, checksum, mode, target of a
/// link), packages (name, version, path, whether it is kept), and what rules dropped (code, name, bytes, bytes in zips).
struct ByHand {
    layers: Vec<(&'static str, Vec<Entry>)>,
    packages: Vec<(&'static str, &'static str, &'static str, bool)>,
    pruned: Vec<(&'static str, &'static str, u64, u64)>,
}

type Entry = (String, u64, u64, u32, &'static str, Option<&'static str>);

fn file(path: impl Into<String>, size: u64, compressed: u64) -> Entry {
    (path.into(), size, compressed, 7, "100644", None)
}

impl ByHand {
    fn write(&self, world: &World, name: &str) {
        let entry = |(path, size, compressed, crc32, mode, link): &Entry| {
            let mut entry = serde_json::json!({
                "path": path, "size": size, "compressed": compressed, "crc32": format!("{crc32:08x}"), "mode": mode,
            });
            if let Some(link) = link {
                entry["link"] = Value::from(*link);
            }
            entry
        };
        let layer = |(name, entries): &(&str, Vec<Entry>)| {
            let zipped: u64 = entries.iter().map(|entry| entry.2 + 76 + 2 * entry.0.len() as u64).sum();
            serde_json::json!({
                "name": name,
                "zipped_bytes": zipped + 22,
                "unzipped_bytes": entries.iter().map(|entry| entry.1).sum::<u64>(),
                "entries": entries.iter().map(entry).collect::<Vec<_>>(),
            })
        };
        let package = |(name, version, path, kept): &(&str, &str, &str, bool)| serde_json::json!({"name": name, "version": version, "path": path, "kept": kept});
        let rule = |(rule, name, bytes, zipped): &(&str, &str, u64, u64)| serde_json::json!({"rule": rule, "name": name, "bytes": bytes, "zipped_bytes": zipped});
        let manifest = serde_json::json!({
            "root": name,
            "layers": self.layers.iter().map(layer).collect::<Vec<_>>(),
            "packages": self.packages.iter().map(package).collect::<Vec<_>>(),
            "pruned": self.pruned.iter().map(rule).collect::<Vec<_>>(),
        });
        fs::write(world.beside(name), manifest.to_string()).expect("written");
    }
}

fn before() -> ByHand {
    let many = (0..12).map(|n| file(format!("site/p{n:02}/DESCRIPTION"), 100, 60));
    ByHand {
        layers: vec![
            ("one", [file("bin/a", 1000, 500), file("bin/b", 1000, 500), file("lib/p/x", 400, 300)].into()),
            (
                "two",
                many.chain([file("lib/q/x", 900, 90), file("lib/s/x", 50, 50), file("etc/rest", 10, 10)]).collect(),
            ),
            (
                "three",
                vec![
                    ("bin/link".to_owned(), 1, 1, 7, "120777", Some("a")),
                    ("bin/mode".to_owned(), 5, 5, 7, "100644", None),
                    ("bin/sum".to_owned(), 5, 5, 7, "100644", None),
                    ("var/empty".to_owned(), 0, 0, 0, "040755", None),
                    file("lib/u/x", 30, 30),
                ],
            ),
        ],
        packages: vec![
            ("p", "1.0", "lib/p", true),
            ("q", "1.0", "lib/q", true),
            ("s", "1.0", "lib/s", true),
            ("u", "0.9", "other/u", false),
            ("u", "1.0", "lib/u", true),
        ],
        pruned: vec![
            ("D101", "help", 100, 50),
            ("D102", "same", 9, 9),
            ("D103", "nothing", 0, 0),
            ("D104", "gone", 5, 4),
        ],
    }
}

fn after() -> ByHand {
    let many = (0..12).map(|n| file(format!("site/p{n:02}/DESCRIPTION"), 100 + n, 60 + n / 2));
    let mut after = before();
    after.layers = vec![
        (
            "three",
            vec![
                ("bin/link".to_owned(), 1, 1, 7, "120777", Some("b")),
                ("bin/mode".to_owned(), 5, 5, 7, "100755", None),
                ("bin/sum".to_owned(), 5, 5, 8, "100644", None),
                ("var/empty".to_owned(), 0, 0, 0, "040755", None),
                file("lib/u/x", 30, 30),
            ],
        ),
        ("one", vec![file("bin/a", 1000, 500), file("bin/new", 20, 20), file("lib/p/x", 4000, 2000)]),
        ("four", many.chain([file("lib/q/x", 900, 90), file("lib/t/x", 70, 70), file("etc/rest", 10, 10)]).collect()),
    ];
    after.packages = vec![
        ("p", "1.0", "lib/p", true),
        ("q", "1.1", "lib/q", true),
        ("t", "1.0", "lib/t", true),
        ("u", "2.0", "other/u", false),
        ("u", "1.0", "lib/u", true),
    ];
    after.pruned = vec![
        ("D101", "help", 101, 48),
        ("D102", "same", 9, 9),
        ("D103", "nothing", 0, 0),
        ("D105", "new", 6, 5),
        ("D106", "empty", 0, 0),
    ];
    after
}

#[test]
fn a_diff_of_manifests_that_were_made_by_hand() {
    let world = World::new();
    before().write(&world, "before.json");
    after().write(&world, "after.json");
    for (name, more) in
        [("txt", &[][..]), ("verbose.txt", &["-v"]), ("md", &["--format", "markdown"]), ("json", &["--format", "json"])]
    {
        reviewed_run(&format!("by-hand.{name}"), &world, &[&["diff", "before.json", "after.json"], more].concat());
    }
    reviewed_run("by-hand-back.txt", &world, &["diff", "after.json", "before.json"]);
    reviewed_run("by-hand-same.txt", &world, &["diff", "before.json", "before.json"]);
}

#[test]
fn a_diff_of_as_many_bytes_and_one_from_nothing() {
    let world = World::new();
    let of = |layers| ByHand { layers, packages: Vec::new(), pruned: Vec::new() };
    of(vec![("one", vec![file("a", 100, 50), file("b", 7, 7)])]).write(&world, "one.json");
    of(vec![("one", vec![file("a", 100, 50), file("c", 7, 7)])]).write(&world, "other.json");
    of(vec![("one", vec![file("a", 100, 50)]), ("two", vec![file("b", 7, 7)])]).write(&world, "two.json");
    of(vec![("two", vec![file("a", 100, 50), file("b", 7, 7)])]).write(&world, "renamed.json");
    of(Vec::new()).write(&world, "nothing.json");
    let diff = |old: &str, new: &str| printed(&world.run(&["diff", old, new]));
    let names = ["one.json", "other.json", "two.json", "renamed.json", "nothing.json"];
    let all: String = names.iter().map(|new| format!("one.json {new}: {}\n", diff("one.json", new))).collect();
    reviewed("by-hand-small.txt", &(all + &diff("nothing.json", "one.json") + &diff("nothing.json", "nothing.json")));
}

/// R's lazy-load database of these variables, and its index, as R writes them: each record compressed on its own.
fn database(variables: &[String]) -> (Vec<u8>, Vec<u8>) {
    use std::io::Write;
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let name = |name: &str| [words(&[0x0004_0009, u32::try_from(name.len()).expect("short")]), name.into()].concat();
    let names = |all: &[String]| {
        let mut out = words(&[0x402, 1]);
        out.extend(name("names"));
        out.extend(words(&[16, u32::try_from(all.len()).expect("few")]));
        out.extend(all.iter().flat_map(|text| name(text)));
        out.extend(words(&[254]));
        out
    };
    let count = u32::try_from(variables.len()).expect("few");
    let mut rdb = Vec::new();
    let mut rdx = b"X\n".to_vec();
    rdx.extend(words(&[3, 0x4_0202, 0x3_0500, 5]));
    rdx.extend(b"UTF-8");
    rdx.extend(words(&[0x213, 3, 0x213, count]));
    for text in variables {
        let mut record = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        record.write_all(text.as_bytes()).expect("in memory");
        let record =
            [words(&[u32::try_from(text.len()).expect("short")]), record.finish().expect("in memory")].concat();
        let at = u32::try_from(rdb.len()).expect("short");
        rdx.extend(words(&[13, 2, at, u32::try_from(record.len()).expect("short")]));
        rdb.extend(record);
    }
    rdx.extend(names(&(0..variables.len()).map(|number| format!("x{number}")).collect::<Vec<_>>()));
    rdx.extend(words(&[19, 0, 10, 1, 1]));
    rdx.extend(names(&["variables", "references", "compressed"].map(str::to_owned)));
    (rdb, rdx)
}

#[test]
fn databases_get_the_form_that_the_room_allows() {
    let world = World::new();
    for (package, variables) in [("small", 20_usize), ("large", 60)] {
        world.package("site", package, "1.0", "");
        let text = |number: usize| format!("function(x) {{ stop(\"{package} {number}\") }}\n").repeat(20 + number % 5);
        let (rdb, rdx) = database(&(0..variables).map(text).collect::<Vec<_>>());
        world.file(format!("site/{package}/R/{package}.rdb"), rdb).file(format!("site/{package}/R/{package}.rdx"), rdx);
    }
    // What is a link is no database, nor an index.
    let (rdb, rdx) = database(&["value ".repeat(50)]);
    world.file("site/links/one.rdx", &rdx).link("site/links/one.rdb", "../small/R/small.rdb");
    world.file("site/links/two.rdb", &rdb).link("site/links/two.rdx", "../small/R/small.rdx");
    world.file("site/small/help/small.rdb", "dropped").file("site/small/help/small.rdx", "dropped");
    let plan = |more: &[&str]| world.json(&[&["plan", "ROOT", "--repack-rdb"], more].concat()).1;
    let forms = |report: &Value| {
        serde_json::json!({
            "rewritten": report["rewritten"],
            "kept": report["totals"]["kept"],
            "findings": report["findings"].as_array().expect("findings").iter().map(|f| &f["code"]).collect::<Vec<_>>(),
            "steps": report["suggestions"].as_array().expect("steps").iter().map(|s| &s["step"]).collect::<Vec<_>>(),
        })
    };
    let wide = plan(&[]);
    let unzipped = wide["totals"]["kept"]["unzipped_bytes"].as_u64().expect("bytes");
    let as_it_is = world.json(&["plan", "ROOT"]).1;
    let least = as_it_is["totals"]["kept"]["unzipped_bytes"].as_u64().expect("bytes");
    let mut shown = vec![("as it is".to_owned(), forms(&as_it_is)), ("as much as there is".to_owned(), forms(&wide))];
    for room in [unzipped, unzipped - 1, u64::midpoint(unzipped, least), least + 1000, least, least - 1] {
        let more = ["--max-unzipped", &format!("{room}B")];
        shown.push((format!("room for {room}"), forms(&plan(&more))));
    }
    // What opening them would save is known for the room there is.
    for room in [unzipped, unzipped - 1] {
        let (_, report) = world.json(&["plan", "ROOT", "--max-unzipped", &format!("{room}B")]);
        shown.push((format!("offered for {room}"), report["suggestions"].clone()));
    }
    let shown: String = shown.iter().map(|(room, forms)| format!("{room}: {forms:#}\n")).collect();
    reviewed("databases.json", &shown);
    // What is packed reads back: the records that R would find.
    assert_eq!(world.json(&["pack", "ROOT", "-o", "OUT", "--repack-rdb"]).0, 0);
    let zipped = crate::support::zip_entries(&world.beside("out/layer-1.zip"));
    let rdb = zipped.iter().find(|(name, ..)| name == "site/small/R/small.rdb").expect("there");
    assert!(String::from_utf8_lossy(&rdb.2).contains("stop(\"small 19\")"));
    // Where a step is done already, it is not offered; where it is not, it is.
    let steps = |report: &Value| report["suggestions"].to_string();
    assert!(steps(&as_it_is).contains("--repack-rdb") && !steps(&wide).contains("--repack-rdb"));
}

#[test]
fn long_answers_are_cut_and_whole_when_asked_for() {
    let world = World::new();
    let mut hub = Elf::program();
    for number in 10_u16..22 {
        let soname = format!("libonly{number}.so");
        hub = hub.needs(&soname);
        world.elf(
            &format!("lib/{soname}"),
            &Elf::library(&soname).debug(&noise(number.into(), 100 * usize::from(number))),
        );
        world.elf(&format!("bin/user{number}"), &Elf::program().needs("libshared.so.2").needs("libnone.so"));
        world.package("site", &format!("p{number}"), "1.0", "Imports: base0\n");
    }
    world.package("site", "base0", "1.0", "");
    world.elf("bin/hub", &hub).elf("lib/libshared.so.2", &Elf::library("libshared.so.2"));
    for (name, more) in [("txt", &[][..]), ("verbose.txt", &["-v"])] {
        for target in ["libshared.so.2", "libnone.so", "bin/hub", "pkg:base0", "libonly10.so"] {
            let file = format!("long-{}.{name}", target.replace([':', '/'], "-"));
            reviewed_run(&file, &world, &[&["why", target, "opt"], more].concat());
        }
        reviewed_run(
            &format!("long-if-dropped.{name}"),
            &world,
            &[&["why", "--if-dropped", "bin/hub", "opt"], more].concat(),
        );
        reviewed_run(&format!("long-plan.{name}"), &world, &[&["plan", "opt"], more].concat());
        reviewed_run(&format!("long-tree.{name}"), &world, &[&["plan", "opt", "--tree"], more].concat());
    }
}

#[test]
fn what_is_compressed_harder_to_save_a_layer_is_said() {
    let world = World::new();
    let words = |seed| noise(seed, 30_000).iter().map(|byte| format!("word{} ", byte % 61)).collect::<String>();
    world.file("one/words", words(1)).file("two/words", words(2));
    let zipped = |more: &[&str]| {
        let (_, report) = world.json(&[&["plan", "opt"], more].concat());
        report["totals"]["kept"]["zipped_bytes"].as_u64().expect("bytes")
    };
    let (default, max) = (zipped(&[]), zipped(&["--level", "max"]));
    let limit = format!("{}B", u64::midpoint(default, max));
    let run = world.run(&["plan", "opt", "--max-zipped", &limit, "-v"]);
    let rewritten = &run.stdout[run.stdout.find("Rewritten").expect("there")..];
    let line = rewritten.lines().find(|line| line.contains("compressed harder")).expect("said");
    assert!(line.starts_with("Rewritten: 1 file is compressed harder to save a layer: "), "{line}");
    // With a lock that keeps the layers apart it is still one layer less that counts.
    let (_, report) = world.json(&["plan", "opt", "--max-zipped", &limit]);
    assert_eq!(
        (report["layers"].as_array().expect("layers").len(), report["recompressed"]["files"].as_u64()),
        (1, Some(1))
    );
}

#[test]
fn circles_and_what_dropped_things_need() {
    let world = World::new();
    world.r().package("R/lib/R/library", "tcltk", "4.2.2", "Priority: base\nImports: stats\n");
    world.elf("lib/liba.so", &Elf::library("liba.so").needs("libb.so"));
    world.elf("lib/libb.so", &Elf::library("libb.so").needs("liba.so").needs("libc2.so"));
    world.elf("lib/libc2.so", &Elf::library("libc2.so").needs("liba.so").needs("libd.so"));
    world.elf("lib/libd.so", &Elf::library("libd.so"));
    world.elf("bin/one", &Elf::program().needs("liba.so")).elf("bin/two", &Elf::program().needs("libc2.so"));
    world.elf("site/p/libs/p.so", &Elf::library("p.so").needs("libb.so")).package("site", "p", "1.0", "");
    world.package("site", "q", "1.0", "Imports: p\n");
    for target in ["libb.so", "libd.so", "pkg:stats", "pkg:p"] {
        let name = target.replace(':', "-");
        reviewed_run(&format!("circle-{name}.json"), &world, &["why", target, "opt", "--all", "--format", "json"]);
    }
    reviewed_run("circle-dropped.json", &world, &["plan", "opt", "--drop", "bin,pkg:q", "--format", "json"]);
    reviewed_run("circle-if-dropped.json", &world, &["why", "opt", "--if-dropped", "pkg:p,bin", "--format", "json"]);
}

#[test]
fn many_changes_since_the_lock_are_cut_and_a_step_can_save_headers_alone() {
    let world = World::new();
    let packages = |from: usize, to: usize| {
        for number in from..to {
            world.package("site", &format!("p{number}"), "1.0", "");
        }
    };
    packages(10, 22);
    let pack = ["pack", "opt", "-o", "out", "--lock", "my.lock", "-q"];
    assert_eq!(world.run(&pack).code, 0);
    packages(22, 35);
    fs::remove_dir_all(world.root().join("site/p10")).expect("removed");
    world.file("site/p11/R/p11", "changed").file("site/p12/data/Rdata.rdb", "");
    world.file("site/p12/data/Rdata.rdx", RDS);
    let plan = ["plan", "opt", "--lock", "my.lock"];
    reviewed_run("many-changes.txt", &world, &plan);
    reviewed_run("many-changes-verbose.txt", &world, &[&plan[..], &["-v"]].concat());
}

#[test]
fn more_steps_than_a_short_report_has_and_texts_that_it_cuts() {
    let world = World::new();
    world.package("site", "idle-package-with-a-long-name", "1.0", "").package("site", "used", "1.0", "");
    for (number, path) in [
        "bin/setup.exe",
        "site/used/data/Rdata.rdb",
        "ssl/misc/CA.pl",
        "bin/bzip2",
        "bin/curl",
        "bin/xmllint",
        "site/used/examples/app.R",
        "site/used/CITATION",
    ]
    .iter()
    .enumerate()
    {
        // A program for Windows is recognized by its first bytes.
        let begin: &[u8] =
            if path.rsplit_once('.').is_some_and(|(_, extension)| extension == "exe") { b"MZ" } else { b"" };
        world.file(path, [begin, &noise(number as u64, 100 * (number + 1) - begin.len())[..]].concat());
    }
    world.file("site/used/data/Rdata.rdx", RDS);
    fs::write(world.beside("run.log"), "1 open(\"/opt/site/used/R/used.rdb\", O_RDONLY) = 3\n").expect("written");
    let plan = ["plan", "opt", "--trace", "run.log"];
    reviewed_run("many-steps.txt", &world, &plan);
    reviewed_run("many-steps-verbose.txt", &world, &[&plan[..], &["-v"]].concat());
    // Where there are several layers, whether a step saves one has a column.
    let (_, report) = world.json(&plan);
    let zipped = report["totals"]["kept"]["zipped_bytes"].as_u64().expect("bytes");
    let limit = format!("{}B", zipped - 1000);
    reviewed_run("steps-that-save-a-layer.txt", &world, &[&plan[..], &["--max-zipped", &limit]].concat());
}
