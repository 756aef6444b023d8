//! What a terminal shows by default is about one screen, whatever the tree: the verdict, why, the layers and what to do next. The
//! words in it are whole, and `-v` has the rest.

use crate::support::elf::Elf;
use crate::support::{RDS, Run, World, noise};

/// The lines that a person can be expected to read.
const LINES: usize = 60;

const LIBRARY: &str = "R/lib/R/library";

/// R with 80 packages, and many findings of every severity, with causes of their own.
fn world() -> World {
    let world = World::new();
    world.r().elf("R/lib/R/lib/libR.so", &Elf::library("libR.so").needs("libgone0.so.1"));
    for number in 0..80_u16 {
        let name = if number % 9 == 0 { format!("a.package.with.a.long.name.{number}") } else { format!("p{number}") };
        let needs =
            if number % 3 == 0 { format!("Imports: p{}\nSuggests: gone{number}\n", number + 1) } else { String::new() };
        world.package(LIBRARY, &name, "1.0.0-12", &needs);
        world.file(format!("{LIBRARY}/{name}/data.bin"), noise(number.into(), 3000 + 90 * usize::from(number)));
        let module = Elf::library("x").needs(&format!("libgone{}.so.1", number % 20));
        let module = module.needs_version("libm.so.6", &format!("GLIBC_2.{}", 40 + number % 7)).needs("libm.so.6");
        world.elf(&format!("{LIBRARY}/{name}/libs/{name}.so"), &module);
        world.file(format!("{LIBRARY}/{name}/exec/example"), "#!/usr/bin/some-interpreter\n");
        world.mode(&format!("{LIBRARY}/{name}/exec/example"), 0o755);
    }
    for number in 0..12 {
        world.package(
            &format!("site{number}"),
            &format!("hidden{number}"),
            "1.0",
            "Imports: nowhere (>= 2.0), p1 (>= 9)\n",
        );
        let script = format!("bin/a-command-with-a-rather-long-name-{number}");
        world.file(&script, format!("#!/usr/bin/interpreter{number}\n")).mode(&script, 0o755);
        world.link(&format!("share/a-directory/with/a/long/path/to/a/link-{number}"), "gone");
        world.link(&format!("share/outside-{number}"), "/usr/share/zoneinfo");
    }
    let long = "lib/a-directory-with-a-long-name/and-another-one-in-it/libwith-a-long-name.so.1.22.333";
    world.elf(long, &Elf::library("libwith-a-long-name.so.1").debug(&noise(7, 90_000)));
    world.file("bootstrap", "#!/bin/sh\njq x\nyq y\nexec /opt/R/lib/R/bin/R --no-echo\n").mode("bootstrap", 0o755);
    for name in ["one", "two"] {
        world.file(format!("share/{name}/same"), noise(2, 90_000));
    }
    world
        .file(format!("{LIBRARY}/p1/data/Rdata.rdb"), noise(4, 30_000))
        .file(format!("{LIBRARY}/p1/data/Rdata.rdx"), RDS);
    world.file("share/man/man1/tool.1", "x".repeat(900)).file("share/doc/tool/README", "read me");
    world.file("include/tool.h", "#define TOOL\n").file("share/info/x.info", "x").file("lib/libold.a", "!<arch>\n");
    world
}

/// What is printed at this width.
fn shown(world: &World, columns: u16, arguments: &[&str]) -> Run {
    let mut command = world.command(arguments);
    command.env("COLUMNS", columns.to_string());
    Run::of(command)
}

/// Names of units and steps are copied: one for which there is no room has a line of its own.
#[test]
fn names_are_not_broken_however_long_they_are() {
    let world = World::new();
    let name = "a-package-with-a-name-that-no-table-of-eighty-columns-has-room-for";
    let path = format!("nodejs/node_modules/{name}/package.json");
    world.file(&path, format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"}}"));
    world.file("nodejs/node_modules/b/package.json", "{\"name\": \"b\", \"version\": \"1.0.0\"}");
    let runtime = ["--runtime", "nodejs22.x"];
    for (command, names) in
        [("plan", vec![format!("pkg:{name}"), format!("drop-{name}")]), ("analyze", vec![name.to_owned()])]
    {
        let full = shown(&world, 80, &[&[command, "ROOT", "-v"], &runtime[..]].concat()).stdout;
        let text = shown(&world, 80, &[&[command, "ROOT"], &runtime[..]].concat()).stdout;
        for name in names {
            assert!(full.lines().any(|line| line.trim_start().starts_with(&name)), "{name}: {full}");
            let at = text.lines().position(|line| line.trim() == name).unwrap_or_else(|| panic!("{name}: {text}"));
            let figures = text.lines().nth(at + 1).expect("a line");
            assert!(figures.starts_with("    ") && figures.contains(" B"), "{text}");
        }
        assert_one_screen(&text, 80);
    }
}

/// One screen, with whole words; returns how many lines it has.
fn assert_one_screen(text: &str, columns: u16) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= LINES, "{} lines at {columns} columns:\n{text}", lines.len());
    for line in &lines {
        // A word that is longer than a line is not broken, so that it can be copied.
        let is_word = |line: &str| !line.trim().trim_start_matches("→ ").contains(' ');
        assert!(line.chars().count() <= usize::from(columns) || is_word(line), "{line}");
        let cut = line.contains('…') && !line.contains(":…/");
        assert!(!cut, "{line}");
    }
    lines.len()
}

#[test]
fn reports_have_one_screen_at_every_width_however_much_there_is_to_say() {
    let world = world();
    let most = [
        &["plan", "ROOT"][..],
        &["plan", "ROOT", "--max-zipped", "120KB", "--max-layers", "20", "--weigh-pruned"],
        &["analyze", "ROOT"],
        &["check", "ROOT", "--max-zipped", "120KB", "--max-unzipped", "2MB"],
        &["pack", "ROOT", "-o", "OUT", "--lock", "my.lock", "--template", "template.yaml", "--max-zipped", "300KB"],
        &["pack", "ROOT", "-o", "other", "--max-layers", "1", "--max-zipped", "100KB"],
    ];
    for arguments in most {
        for columns in [80, 100, 120] {
            let run = shown(&world, columns, arguments);
            assert_eq!(run.code, 1, "{arguments:?}: {}{}", run.stdout, run.stderr);
            let lines = assert_one_screen(&run.stdout, columns);
            assert!(lines > LINES - 12, "{arguments:?}: only {lines} lines at {columns} columns:\n{}", run.stdout);
            assert!(run.stdout.starts_with("FAIL: "), "{}", run.stdout);
            assert!(run.stdout.contains("(-v shows them in full, with "), "{}", run.stdout);
        }
    }
    // All changed since the lock, and the baseline.
    for number in 0..30 {
        world.file(format!("{LIBRARY}/p{number}/more.bin"), noise(number, 20_000));
    }
    let update = ["check", "ROOT", "--max-zipped", "300KB", "--baseline", "OUT/manifest.json", "--lock", "my.lock"];
    let baseline = world.beside("out/manifest.json");
    let update: Vec<&str> = update
        .iter()
        .map(|word| if word.starts_with("OUT/") { baseline.to_str().expect("UTF-8") } else { word })
        .collect();
    for columns in [80, 100, 120] {
        let run = shown(&world, columns, &update);
        assert!(run.stdout.contains("Change since the baseline"), "{}", run.stdout);
        assert_one_screen(&run.stdout, columns);
    }
}

#[test]
fn every_step_is_named_with_its_whole_risk_and_has_its_option_where_there_is_room_or_in_full() {
    let world = world();
    let plan = ["plan", "ROOT", "--strip", "none"];
    let (_, report) = world.json(&plan);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let (narrow, wide) = (shown(&world, 80, &plan).stdout, shown(&world, 160, &plan).stdout);
    let full = shown(&world, 80, &[&plan[..], &["-v"]].concat()).stdout;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(steps.len() > 6, "{steps:#?}");
    for step in &steps[..5] {
        assert!(
            [&narrow, &wide].iter().all(|text| text.contains(&format!("\n {} ", text_of(step, "name")))),
            "{narrow}"
        );
        assert!(wide.contains(&text(&step["step"])), "{wide}");
    }
    for step in steps {
        let lines = full.lines().map(str::trim);
        assert!(lines.clone().any(|line| line == text(&step["step"])), "{full}");
        assert!(words(&full).contains(&words(&text(&step["risk"]))), "{full}");
    }
    assert!(!narrow.contains("\n libgone"), "{narrow}");
}

fn text_of<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().expect("text")
}

#[test]
fn rows_are_sorted_and_as_many_as_asked_for_also_as_csv() {
    let world = World::new();
    world.r();
    for (name, files, bytes) in [("many", 9_u64, 10), ("large", 1, 9000), ("middle", 1, 4000)] {
        world.package(LIBRARY, name, "1.0", if name == "middle" { "Imports: large\n" } else { "" });
        for number in 0..files {
            world.file(format!("{LIBRARY}/{name}/{number}.bin"), noise(number, bytes));
        }
    }
    let rows = |arguments: &[&str]| -> Vec<String> {
        let run = world.run(&[arguments, &["--format", "csv"]].concat());
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        run.stdout.lines().map(|line| line.split(',').next().expect("a cell").to_owned()).collect()
    };
    assert_eq!(rows(&["plan", "ROOT", "-n", "2"]), ["unit", "pkg:large", "pkg:middle"]);
    assert_eq!(rows(&["plan", "ROOT", "--sort", "files", "--top", "1"]), ["unit", "pkg:many"]);
    assert_eq!(rows(&["analyze", "ROOT", "--sort", "name"]), ["package", "large", "many", "middle"]);
    assert_eq!(rows(&["check", "ROOT", "-n1"]).len(), 2);
    let all = rows(&["plan", "ROOT"]);
    let (_, report) = world.json(&["plan", "ROOT"]);
    let units = report["units"].as_array().expect("units");
    assert_eq!(all.len(), units.len() + 1);
    let csv = world.run(&["plan", "ROOT", "--format", "csv"]).stdout;
    let large = units.iter().find(|unit| unit["name"] == "pkg:large").expect("there");
    let of = |key: &str| large[key].to_string();
    let row = [
        "pkg:large".to_owned(),
        "layer-1".to_owned(),
        of("files"),
        of("unzipped_bytes"),
        of("zipped_bytes"),
        of("retained_unzipped_bytes"),
        of("retained_zipped_bytes"),
        "pkg:middle".to_owned(),
    ];
    assert!(csv.lines().any(|line| line == row.join(",")), "{csv}");
    let table = world.run(&["plan", "ROOT", "--sort", "name", "-n", "3"]).stdout;
    assert!(table.contains("The first 3 of ") && table.matches("\n pkg:").count() == 3, "{table}");
    // Where all is shown anyway, it is not an option.
    let run = world.run(&["plan", "ROOT", "-n", "3", "--format", "json"]);
    assert!(run.code == 2 && run.stderr.contains("--top has no effect"), "{}", run.stderr);
}

#[test]
fn packages_cannot_be_sorted_by_what_is_not_counted_of_them() {
    let world = World::new();
    world.r();
    let run = world.run(&["analyze", "ROOT", "--sort", "files"]);
    assert!(run.code == 2 && run.stderr.contains("--sort files has no effect here"), "{}", run.stderr);
}

#[test]
fn forty_layers_since_the_lock_are_one_screen() {
    let world = World::new();
    for number in 0..40 {
        world.file(format!("share/d{number}/x"), noise(number, 30_000));
    }
    let lock = world.beside("layers.lock").display().to_string();
    let options = ["--max-zipped", "40KB", "--max-layers", "60", "--lock", &lock];
    world.run(&[&["pack", "ROOT", "-o", "OUT"], &options[..]].concat());
    for number in 0..40 {
        world.file(format!("share/d{number}/x"), noise(number + 100, 30_000));
    }
    let short = shown(&world, 80, &[&["plan", "ROOT"], &options[..]].concat()).stdout;
    assert!(short.contains("Changed: 40 layers") && short.contains("32 more with -v."), "{short}");
    assert_one_screen(&short, 80);
    let whole = shown(&world, 80, &[&["plan", "ROOT", "-v"], &options[..]].concat()).stdout;
    assert!(!whole.contains("more with -v."), "{whole}");
}

#[test]
fn an_analysis_shows_the_packages_with_what_they_need_and_what_needs_them() {
    let world = World::new();
    world.r().package(LIBRARY, "user", "2.1", "Imports: used, stats\n").package(LIBRARY, "used", "1.0", "");
    world.file(format!("{LIBRARY}/used/data.bin"), noise(1, 30_000));
    let line = |text: &str, name: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(&format!(" {name} ")));
        line.unwrap_or_else(|| panic!("{name}: {text}"))
            .split("  ")
            .map(|cell| cell.trim().to_owned())
            .filter(|c| !c.is_empty())
            .collect()
    };
    let short = world.run(&["analyze", "ROOT"]).stdout;
    assert!(short.contains("\n2 packages\n"), "{short}");
    let used = line(&short, "used");
    assert_eq!((used[1].as_str(), used[4].as_str(), used[5].as_str()), ("1.0", "nothing", "1 package"), "{short}");
    let user = line(&world.run(&["analyze", "ROOT", "-v"]).stdout, "user");
    assert_eq!((user[1].as_str(), user[4].as_str(), user[5].as_str()), ("2.1", "used, stats", "nothing"));
}

#[test]
fn without_bundle_nothing_is_looked_up_on_this_machine() {
    let world = World::new();
    // The one is on every machine that can build layerfit, the other on none.
    world.elf("bin/tool", &Elf::program().needs("libstdc++.so.6").needs("libnowhere.so.9"));
    let (_, report) = world.json(&["plan", "ROOT"]);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let bundle = steps.iter().find(|step| step["name"] == "bundle").expect("offered");
    assert_eq!((&bundle["figures"], &bundle["files"]), (&"unknown".into(), &0.into()), "{bundle:#}");
    assert!(text_of(bundle, "what").contains("libnowhere.so.9"), "{bundle:#}");
}
