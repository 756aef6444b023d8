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

#[test]
fn a_plan_in_every_format() {
    let world = world();
    let plan = |name: &str, more: &[&str]| reviewed_run(name, &world, &[&["plan", "opt"], &LIMITS[..], more].concat());
    plan("plan.txt", &[]);
    plan("plan-verbose.txt", &["-v"]);
    plan("plan-tree.txt", &["--tree"]);
    plan("plan-tree-verbose.txt", &["--tree", "-v"]);
    plan("plan.json", &["--format", "json"]);
    plan("plan.md", &["--format", "markdown"]);
    plan("plan-junit.xml", &["--format", "junit"]);
    let run = world.run(&[&["plan", "opt", "--format", "html"], &LIMITS[..]].concat());
    reviewed("plan-page.html", &page(&run.stdout));
}

#[test]
fn a_plan_of_what_does_not_fit() {
    let world = world();
    let run = |name: &str, more: &[&str]| reviewed_run(name, &world, &[&["plan", "opt"], more].concat());
    run("too-many-layers.txt", &["--max-zipped", "20000", "--max-layers", "1"]);
    run("too-large-unzipped.txt", &["--max-unzipped", "60000", "--function-size", "10000"]);
    run("file-too-large.txt", &["--max-zipped", "9100"]);
    run("kinds.txt", &["--strategy", "kinds", "-v"]);
    run("every-rule.json", &["--select", "extra", "--strip", "all", "--format", "json", "--arch", "arm64"]);
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
    ] {
        reviewed_run(&format!("why-{name}.txt"), &world, &[&["why", target, "opt"], &more[..]].concat());
    }
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
fn what_is_packed_and_what_checks_of_it_find() {
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

    // The next version: what the lock, the gate and a diff say of it.
    world
        .package(LIBRARY, "Matrix", "1.6", "Priority: recommended\nImports: stats\n")
        .package("site", "fresh", "0.1", "");
    world.file("R/lib/R/library/Matrix/data/Rdata.rdb", noise(6, 14_000)).file("share/near", noise(4, 9_000));
    world.mode("bin/runs", 0o644).file("share/man/man1/more.1", "another page\n".repeat(50));
    fs::remove_file(world.root().join("share/deep/same")).expect("removed");
    fs::remove_file(world.root().join("bin/arm")).expect("removed");
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
    for (name, more) in
        [("txt", &[][..]), ("verbose.txt", &["-v"]), ("md", &["--format", "markdown"]), ("json", &["--format", "json"])]
    {
        reviewed_run(&format!("diff.{name}"), &world, &[&["diff", "out", "opt"], more].concat());
        reviewed_run(&format!("diff-back.{name}"), &world, &[&["diff", "opt", "out"], more].concat());
    }
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
    reviewed("baseline.json", &fs::read_to_string(world.beside("base.json")).unwrap_or_default());
}
