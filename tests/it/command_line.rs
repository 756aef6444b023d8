//! Exit codes, streams, formats: what scripts and people rely on.

use std::io::Read;
use std::process::Stdio;

use crate::support::{Run, World, noise};

fn world() -> World {
    let world = World::new();
    world.r().package("site", "a", "1.0", "Imports: gone\n").file("share/man/man1/x.1", ".PP\n");
    world.file("share/data", noise(1, 100_000));
    world
}

#[test]
fn the_table_answers_in_the_order_of_the_questions_and_fits_80_columns() {
    let world = world();
    let run = world.run(&["plan", "ROOT"]);
    assert_eq!(run.code, 1);
    let at = |word: &str| run.stdout.find(word).unwrap_or_else(|| panic!("{word} in {}", run.stdout));
    assert_eq!(at("FAIL: fits in 1 layer"), 0);
    assert!(
        at("Layers\n") < at("Findings\n") && at("Findings\n") < at("\nPruned: ") && at("\nPruned: ") < at(" units\n")
    );
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
        assert_eq!(line, line.trim_end());
    }
    assert_eq!(run.stderr, "", "no progress when stderr is no terminal");
}

#[test]
fn json_has_the_fields_of_the_documentation() {
    let (_, report) = world().json(&["plan", "ROOT"]);
    assert_eq!(report["schema"], 1);
    for field in
        ["root", "runtime", "limits", "totals", "pruned", "objects", "packages", "layers", "packing", "findings"]
    {
        assert!(!report[field].is_null(), "{field}");
    }
    assert_eq!(report["limits"]["layer_zipped"], 52_428_800);
    let (_, analyzed) = world().json(&["analyze", "ROOT"]);
    assert!(analyzed["layers"].is_null() && analyzed["packing"].is_null());
}

#[test]
fn markdown_is_what_report_md_holds() {
    let world = world();
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--format", "markdown"]);
    assert!(run.stdout.starts_with("# FAIL: fits in 1 layer"), "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(world.beside("out/report.md")).expect("read"), run.stdout);
}

#[test]
fn names_from_the_tree_cannot_become_markup() {
    let world = World::new();
    world.link("<script>|x", "nowhere");
    let run = world.run(&["analyze", "ROOT", "--format", "markdown"]);
    // Escaped, or as code, in which only a backtick has a meaning.
    assert!(run.stdout.contains("&lt;script&gt;\\|x"), "{}", run.stdout);
    assert!(!run.stdout.replace("`<script>|x`", "").contains("<script>"), "{}", run.stdout);
}

#[test]
fn quiet_prints_no_table_and_keeps_the_exit_code() {
    let run = world().run(&["check", "ROOT", "-q"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
}

#[test]
fn verbose_shows_remarks_and_every_unit() {
    let world = world();
    let (short, long) = (world.run(&["plan", "ROOT"]).stdout, world.run(&["plan", "ROOT", "-v"]).stdout);
    assert!(short.contains("with 2 of level info)") && !short.contains("P102"), "{short}");
    assert!(long.contains("P102") && long.lines().count() > short.lines().count(), "{long}");
}

#[test]
fn bad_arguments_are_exit_code_2() {
    let world = world();
    for arguments in [
        &["plan", "ROOT", "--runtime", "python2.7"][..],
        &["plan", "ROOT", "--max-zipped", "many"],
        &["plan", "ROOT", "--max-layers", "0"],
        &["plan", "ROOT", "--rules", "nowhere.toml"],
        &["rules", "D999"],
        &["pack", "ROOT"],
        &["nonsense"],
        &[],
    ] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stdout);
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(world.run(&["--help"]).code, 0);
    assert_eq!(world.run(&["--version"]).code, 0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = world();
    let mut child = world.command(&["plan", "ROOT", "--format", "json"]).stdout(Stdio::piped()).spawn().expect("runs");
    let mut first = [0; 1];
    child.stdout.take().expect("piped").read_exact(&mut first).expect("read");
    assert_eq!(child.wait().expect("ends").code(), Some(1), "the verdict stands");
}

#[test]
fn nobody_reading_ends_quietly_whatever_is_printed() {
    let world = world();
    for (arguments, code) in [
        (&["analyze", "ROOT"][..], 1),
        (&["rules"], 0),
        (&["rules", "L201"], 0),
        (&["man"], 0),
        (&["completions", "zsh"], 0),
        (&["--help"], 0),
        (&["runtime", "show", "provided.al2023"], 0),
    ] {
        let mut command = world.command(arguments);
        let mut child = command.stdout(closed()).stderr(Stdio::piped()).spawn().expect("runs");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
        assert_eq!((child.wait().expect("ends").code(), said.as_str()), (Some(code), ""), "{arguments:?}");
    }
    for arguments in [&["nonsense"][..], &["analyze", "nowhere"]] {
        let mut child = world.command(arguments).stdout(Stdio::null()).stderr(closed()).spawn().expect("runs");
        assert_eq!(child.wait().expect("ends").code(), Some(2), "{arguments:?}");
    }
}

/// The end of a pipe that nobody reads.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().expect("a pipe").1
}

#[test]
fn a_full_disk_is_an_error_that_is_told() {
    let world = world();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opened");
    let child = world.command(&["rules"]).stdout(full).stderr(Stdio::piped()).spawn().expect("runs");
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("cannot write to standard output") && said.contains("help:"), "{said}");
}

#[test]
fn the_environment_does_not_leak_into_the_result() {
    let world = world();
    let plain = world.run(&["plan", "ROOT", "--format", "json"]).stdout;
    let mut command = world.command(&["plan", "ROOT", "--format", "json"]);
    command.env("LD_LIBRARY_PATH", "/somewhere").env("R_HOME", "/elsewhere").env("LANG", "de_DE").env("COLUMNS", "20");
    assert_eq!(Run::of(command).stdout, plain);
}

#[test]
fn the_report_is_as_wide_as_columns_says_within_bounds() {
    let world = world();
    let widest = |columns: &str| {
        let mut command = world.command(&["plan", "ROOT"]);
        command.env("COLUMNS", columns);
        let run = Run::of(command);
        run.stdout.lines().map(|line| line.chars().count()).max().expect("lines")
    };
    assert!(widest("20") <= 80 && widest("0") <= 80 && widest("x") <= 80);
    assert!(widest("120") > 80 && widest("120") <= 120);
    assert!(widest("1000") <= 160);
}

#[test]
fn findings_with_one_remedy_are_one_entry_and_search_paths_are_for_v() {
    let world = World::new();
    for number in 10..40 {
        let missing = format!("libgone{number}.so.1");
        world.elf(&format!("bin/tool{number}"), &crate::support::elf::Elf::program().needs(&missing));
    }
    let short = world.run(&["plan", "ROOT"]).stdout;
    assert!(short.starts_with("FAIL: fits in 1 layer") && short.contains("has 30 errors: L201 (30)."), "{short}");
    assert!(short.contains("30 libraries are missing: libgone10.so.1 (tool10)"), "{short}");
    assert!(short.contains("--bundle copies each") && !short.contains("searched:"), "{short}");
    assert!(short.lines().count() <= 60, "{}", short.lines().count());
    let full = world.run(&["plan", "ROOT", "-v"]).stdout;
    assert!(full.contains("searched:") && full.matches("error L201").count() == 30, "{full}");
}

#[test]
fn what_cannot_be_a_size_a_handler_a_variable_or_a_file_is_told_with_its_place() {
    let world = World::new();
    world.file("share/a,b.txt", "x").file("share/c", "x");
    for (arguments, says) in [
        (&["--headroom", "-3MiB"][..], "-3MiB is not a size: it is negative"),
        (&["--max-zipped", "-3"], "-3 is not a size: it is negative"),
        (&["--max-growth", "-1%"], "-1% is negative"),
        (&["--headroom", "--baseline"], "a size is needed here, and --baseline is an option"),
        (&["--run", ""], "not a handler such as"),
        (&["--env", "=1"], "--env =1: a variable without a name"),
        (&["--lock", "."], "--lock is a directory (.)"),
        (&["--baseline", "."], "--baseline is a directory (.)"),
        (&["--drop", "share/a,b.txt"], "name a path that has one in layerfit.toml, drop = [\"share/a,b.txt\"]"),
        (&["--keep", "b.txt"], "name a path that has one in layerfit.toml, keep = [\"share/a,b.txt\"]"),
    ] {
        let run = world.run(&[&["check", "ROOT"], arguments].concat());
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.contains(says), "{arguments:?}: {}", run.stderr);
    }
    for (text, says) in [
        ("lock = \"\"\n", "layerfit.toml:1: lock is empty, and has to name a file"),
        ("\nlock = \".\"\n", "layerfit.toml:2: lock is a directory (.)"),
        ("baseline = \"\"\n", "layerfit.toml:1: baseline is empty"),
        ("[env]\nA = \"1\"\n\"B-C\" = \"2\"\n", "layerfit.toml:3: env.B-C: not the name of a variable"),
        ("[env]\nA = 1\n", "layerfit.toml:2:5: `A` is text in quotes: \"1\""),
        ("max-zipped = \"-3MiB\"\n", "layerfit.toml:1:14: -3MiB is not a size: it is negative"),
    ] {
        std::fs::write(world.beside("layerfit.toml"), text).expect("written");
        let run = world.run(&["check", "ROOT"]);
        assert_eq!(run.code, 2, "{text}");
        assert!(run.stderr.contains(says), "{text}: {}", run.stderr);
    }
    std::fs::write(world.beside("layerfit.toml"), "drop = [\"share/a,b.txt\"]\n").expect("written");
    assert_eq!(world.run(&["analyze", "ROOT"]).code, 0);
}
