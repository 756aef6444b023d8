//! Whole outputs of the real program on a small tree, word for word and number for number: `tests/snapshots/` has what a
//! reviewer accepted. After a change that is meant, `INSTA_UPDATE=always cargo test --test outputs_are_as_reviewed`
//! writes them again, and `git diff tests/snapshots` is what there is to review.

mod support;

use std::fs;

use serde_json::Value;
use support::elf::Elf;
use support::{Run, World, noise};

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
            .needs_version("libm.so.6", "GLIBC_2.99")
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
    world.package(LIBRARY, "mgcv", "1.8", "Depends: R (>= 4.0), Matrix\nSuggests: xgone\n");
    world.package(LIBRARY, "tcltk", "4.2.2", "Priority: base\n").package(LIBRARY, "gui", "1.0", "Imports: tcltk\n");
    world.package("site", "young", "2.0", "Imports: Matrix (>= 9.9), gone\n").package("site", "mgcv", "1.9", "");

    world.file("share/man/man1/tool.1", "a page\n".repeat(30)).link("manual", "share/man");
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
const LIMITS: [&str; 4] = ["--max-zipped", "30000", "--max-layers", "4"];

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
    reviewed(name, &printed(&world.run(arguments)));
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
            out += &format!("data: {data:#}");
        }
        rest = &element[length + end.len()..];
    }
    out + rest
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
    reviewed_plan("too-many-layers.txt", &["--max-zipped", "20000", "--max-layers", "1"]);
    let too_large = ["--max-unzipped", "60000", "--function-size", "10000", "--max-zipped", "52000"];
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
    reviewed_plan("file-too-large.txt", &["--max-zipped", "9100"]);
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
        "share/doc/x",
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
        world.file(path, noise(number as u64, 100 * number));
    }
    world.file("share/x", "x");
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
    reviewed_run("output-in-tree.txt", &world, &["pack", "opt", "-o", "opt/out"]);
    world.link("../out", "opt");
    reviewed_run("output-is-a-link.txt", &world, &["pack", "opt", "-o", "out"]);
}

#[test]
fn findings_as_junit_and_of_the_gate_too() {
    let world = world();
    reviewed_plan("plan-junit.xml", &[&LIMITS[..], &["--format", "junit"]].concat());
    fs::write(world.beside("layerfit.toml"), "[[budget]]\nof = \"total\"\nzipped = 100\n").expect("written");
    let gate = ["check", "opt", "--format", "junit", "--max-layers", "1", "--max-zipped", "20000"];
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
    let page = page(&world.run(&["plan", "opt", "--drop", "pkg:gui", "--format", "html"]).stdout);
    reviewed("dropped-page.html", &page);
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
    reviewed_run("if-dropped-does-not-fit.txt", &world, &all(&["bin", "--max-zipped", "20000", "--max-layers", "1"]));
}

#[test]
fn what_is_packed() {
    let world = world();
    let pack = [&["pack", "opt", "-o", "out", "--lock", "my.lock"], &LIMITS[..]].concat();
    reviewed_run("pack.txt", &world, &pack);
    let read = |name: &str| fs::read_to_string(world.beside(name)).expect("written");
    reviewed("manifest.json", &read("out/manifest.json"));
    reviewed("my.lock", &read("my.lock"));
    reviewed_run("check-packed.txt", &world, &["check", "out"]);
    reviewed_run(
        "check-packed.json",
        &world,
        &["check", "out", "--format", "json", "--max-zipped", "10000", "--max-layers", "1"],
    );
    reviewed("check-page.html", &page(&world.run(&["check", "out", "--format", "html"]).stdout));
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
    world.mode("bin/runs", 0o644).file("share/man/man1/more.1", "another page\n".repeat(50));
    fs::remove_file(world.root().join("share/deep/same")).expect("removed");
    fs::remove_file(world.root().join("bin/arm")).expect("removed");
    world
}

#[test]
fn what_the_gate_finds_in_the_next_version() {
    let world = next_version();
    reviewed_run("plan-since-the-lock.txt", &world, &[&["plan", "opt", "--lock", "my.lock"], &LIMITS[..]].concat());
    let config = "baseline = \"out/manifest.json\"\nmax-growth = \"0.5%\"\n\
        [[budget]]\nof = \"total\"\nunzipped = \"10KB\"\n[[budget]]\nof = \"layer:layer-1\"\nzipped = 100\n\
        [[budget]]\nof = \"pkg:Matrix\"\ngrowth = \"10\"\n[[budget]]\nof = \"share/**\"\nzipped = 100\nunzipped = 100\n\
        [[budget]]\nof = \"pkg:none\"\nzipped = 100\n\
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
    fs::write(world.beside("layerfit.toml"), "[[budget]]\nof = \"pkg:*\"\ngrowth = \"1%\"\n").expect("written");
    reviewed_run("baseline-held.json", &world, &[&baseline[..4], &["--format", "json"]].concat());
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    world.run(&baseline);
    reviewed("baseline-shrunk.json", &written());
    // All of it grows.
    world.file("share/near", noise(4, 30_000));
    reviewed_run("baseline-grown.txt", &world, &baseline);
    assert_eq!(written(), fs::read_to_string(world.beside("base.json")).expect("there"));
}
