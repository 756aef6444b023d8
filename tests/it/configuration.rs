//! layerfit.toml says what the command line would, and what it cannot: packages in another library, layers with names.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{
    Run, World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, noise, zip_entries,
};
use layerfit::base::finding::Code;
use serde_json::Value;

fn config(world: &World, text: &str) {
    fs::write(world.beside("layerfit.toml"), text).expect("written");
}

fn layers(report: &Value) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let of = |value: &Value| value.as_array().expect("a list").iter().map(text).collect();
    let layers = report["layers"].as_array().expect("layers").iter();
    layers.map(|layer| (text(&layer["name"]), of(&layer["units"]))).collect()
}

/// Renviron as R 4.2.2 installs it, and a package that is not R's own.
fn world_of_r() -> World {
    let world = World::new();
    world.r().file("R/lib/R/etc/Renviron", "R_LIBS_USER=${R_LIBS_USER:-'%U'}\nEDITOR=vi\n");
    world.package("R/lib/R/library", "survival", "3.4", "Depends: R (>= 3.5)\n");
    world
}

#[test]
fn the_file_is_found_upwards_and_the_command_line_comes_before_it() {
    let world = World::new();
    world.package("library", "a", "1.0", "");
    config(&world, "runtime = \"provided.al2\"\nmax-zipped = \"1KB\"\nmax-layers = 3\n");
    let below = world.beside("a/b");
    fs::create_dir_all(&below).expect("directories");
    let run = |arguments: &[&str]| {
        let root = world.root();
        let mut command = world.command(&["plan", root.to_str().expect("UTF-8"), "--format", "json"]);
        let run = Run::of({
            command.args(arguments).current_dir(&below);
            command
        });
        let report: Value = serde_json::from_str(&run.stdout).expect(&run.stderr);
        (report["runtime"].clone(), report["limits"]["layer_zipped"].clone(), report["limits"]["layers"].clone())
    };
    assert_eq!(run(&[]), ("provided.al2".into(), 1024.into(), 3.into()));
    assert_eq!(run(&["--max-zipped", "2KB", "--runtime", "provided"]), ("provided".into(), 2048.into(), 3.into()));
    assert_eq!(run(&["--config", "/dev/null"]), ("provided.al2023".into(), 52_428_800.into(), 5.into()));
}

#[test]
fn what_the_file_turns_on_the_command_line_can_turn_off() {
    let world = World::new();
    world.file("share/doc/x", "x").library("lib/libidle.so.1", &[], &[]);
    config(&world, "select = [\"unloaded-libraries\"]\nignore = [\"safe\"]\n");
    let pruned = |arguments: &[&str]| {
        let (_, report) = world.json(&[&["plan", "ROOT"], arguments].concat());
        report["totals"]["pruned"]["files"].as_u64().expect("a number")
    };
    assert_eq!(pruned(&[]), 1);
    assert_eq!(pruned(&["--ignore", "unloaded-libraries"]), 0);
}

#[test]
fn a_key_that_is_not_known_is_an_error_with_its_place() {
    let world = World::new();
    world.file("x", "x");
    for (text, words) in [
        ("runtme = \"x\"\n", "layerfit.toml:1:1: unknown key `runtme`; did you mean `runtime`?"),
        ("\nmax-layers = 0\n", "layerfit.toml:2:14: must be at least 1"),
        ("max-zipped = \"5 apples\"\n", "\"apples\""),
        ("max-zipped = 12\n", "layerfit.toml:1:14: 12 has no unit: did you mean 12MiB?"),
        ("max-zipped = 0\n", "layerfit.toml:1:14: no layer is as small as 0 bytes: leave it out for Lambda's limit"),
        (
            "\nfunction-size = \"250MiB\"\n",
            "layerfit.toml:2: function-size: the function's 250.00 MiB leave nothing of 250.00 MiB for layers",
        ),
        ("[budget]\nof = \"total\"\n", "layerfit.toml:1:1: `budget` is a list of tables: write [[budget]]"),
        ("headroom = \"3\"\n", "3 has no unit: did you mean 3MiB?"),
        ("max-growth = \"10\"\n", "10 has no unit: did you mean 10%, or 10MiB?"),
        ("[[budget]]\nof = \"total\"\nzipped = 100\n", "100 has no unit"),
        ("\nselect = [\n\"nosuch\"]\n", "layerfit.toml:3: select: no rule or check is called nosuch"),
        ("ignore = [\"D999\"]\n", "layerfit.toml:1: ignore: no rule or check is called D999"),
        (
            "runtime = \"al2023\"\n",
            "layerfit.toml:1: runtime: no runtime and no file is called al2023\n  help: did you mean provided.al2023?",
        ),
        ("[[layer]]\nname = \"a/b\"\nholds = []\n", "characters other than"),
        ("[[layer]]\nname = \"a\"\nholds = [\"[\"]\n", "layerfit.toml:1: layer a: error parsing glob '['"),
        (
            "[[relocate]]\npackages = [\"x\"]\nto = \"/usr/lib\"\n",
            "layerfit.toml:1: /usr/lib is not a directory of the tree",
        ),
    ] {
        config(&world, text);
        let run = world.run(&["plan", "ROOT"]);
        assert_eq!(run.code, 2, "{text}");
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn a_package_that_moves_is_packed_in_its_new_library_and_r_is_told() {
    let world = world_of_r();
    config(&world, "[[relocate]]\npackages = [\"survival\"]\nto = \"local/lib/R/site-library\"\n");
    let before = fs::read(world.root().join("R/lib/R/etc/Renviron")).expect("read");
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_finding(&report, "T103", "pkg:survival", "is packed into local/lib/R/site-library");
    assert_finding(&report, "T104", "R/lib/R/etc/Renviron", "R_LIBS_USER set to /opt/local/lib/R/site-library");
    // R will look there, and says so to the check that asks.
    assert_no_finding(&report, "R107");
    let entries = zip_entries(&world.beside("out/layer-1.zip"));
    let content = |path: &str| entries.iter().find(|(name, ..)| name == path).map(|(.., content)| content.clone());
    assert!(content("R/lib/R/library/survival/DESCRIPTION").is_none());
    let there = content("local/lib/R/site-library/survival/DESCRIPTION").expect("moved");
    assert_eq!(there, fs::read(world.root().join("R/lib/R/library/survival/DESCRIPTION")).expect("read"));
    let renviron = String::from_utf8(content("R/lib/R/etc/Renviron").expect("packed")).expect("text");
    let expected = "#R_LIBS_USER=${R_LIBS_USER:-'%U'}\nEDITOR=vi\n\
                    R_LIBS_USER=${R_LIBS_USER-'/opt/local/lib/R/site-library'}\n";
    assert_eq!(renviron, expected);
    assert_eq!(fs::read(world.root().join("R/lib/R/etc/Renviron")).expect("read"), before, "the tree is as it was");
    // What was packed is what is checked.
    assert_eq!(world.json(&["check", "OUT", "--config", "/dev/null"]).0, 0);
}

#[test]
fn a_library_of_its_own_is_named_without_moving_anything() {
    let world = world_of_r();
    world.package("local/library", "httr", "1.0", "");
    assert_finding(&world.json(&["plan", "ROOT"]).1, "R107", "local/library", "contains httr");
    config(&world, "r-libs-user = [\"/opt/local/library\"]\n");
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert_no_finding(&report, "R107");
    assert_finding(&report, "T104", "R/lib/R/etc/Renviron", "/opt/local/library");
}

#[test]
fn what_cannot_move_is_an_error_that_says_why() {
    let world = world_of_r();
    let relocate = |package: &str, to: &str| {
        config(&world, &format!("[[relocate]]\npackages = [{package:?}]\nto = {to:?}\n"));
        let run = world.run(&["plan", "ROOT"]);
        (run.code, run.stderr)
    };
    for (package, to, words) in [
        ("stats", "local/library", "stats is a base package"),
        ("gone", "local/library", "the package gone is not in the tree"),
        ("../x", "local/library", "the package ../x is not in the tree"),
        ("survival", "taken", "taken/survival already exists"),
    ] {
        world.file("taken/survival", "x");
        let (code, said) = relocate(package, to);
        assert_eq!(code, 2, "{package}");
        assert!(said.contains(words), "{words}: {said}");
    }
    // One that already exists is where it should be.
    assert_eq!(relocate("survival", "R/lib/R/library").0, 0);
}

#[test]
fn where_renviron_is_no_file_of_the_tree_that_is_a_warning() {
    let world = world_of_r();
    fs::remove_file(world.root().join("R/lib/R/etc/Renviron")).expect("removed");
    world.link("R/lib/R/etc/Renviron", "/etc/R/Renviron");
    config(&world, "r-libs-user = [\"local/library\"]\n");
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert_finding(&report, "T104", "R/lib/R/etc/Renviron", "will not search /opt/local/library");
}

#[test]
fn named_layers_hold_what_they_are_meant_to_hold() {
    let world = World::new();
    for (number, (name, kb)) in [("a", 60), ("b", 30), ("c", 40), ("d", 30)].into_iter().enumerate() {
        world.file(format!("{name}/data"), noise(number as u64 + 1, kb * 1000));
    }
    let plan = ["plan", "ROOT", "--max-zipped", "100KB"];
    config(&world, "[[layer]]\nname = \"system\"\nholds = [\"dir:c\", \"dir:b\"]\n");
    let (code, report) = world.json(&plan);
    assert_eq!(code, 0);
    let found = layers(&report);
    assert_eq!(found["system"][..2], ["dir:b", "dir:c"]);
    assert_eq!(found.len(), 2);
    assert_no_finding(&report, "P103");
    // Fewer layers come first, and it is said what is not where it was meant to be.
    config(
        &world,
        "[[layer]]\nname = \"one\"\nholds = [\"dir:a\"]\n[[layer]]\nname = \"two\"\nholds = [\"dir:b\"]\n[[layer]]\nname = \"three\"\nholds = [\"dir:c\"]\n",
    );
    let (code, report) = world.json(&plan);
    assert_eq!((code, layers(&report).len()), (0, 2));
    assert_finding(&report, "P103", "three", "dir:c");
    // With kinds each has its own, whatever it costs.
    let (_, report) = world.json(&[&plan[..], &["--strategy", "kinds"]].concat());
    let names: Vec<String> = layers(&report).into_keys().collect();
    assert_eq!(names, ["layer-1", "one", "three", "two"]);
    assert_eq!(report["packing"]["optimal"], true);
    assert_fired_and_nearly_missed(Code::NotInItsLayer);
}

#[test]
fn kinds_need_no_names_and_a_lock_keeps_them() {
    let world = world_of_r();
    world.library("lib/libown.so.1", &[], &[]).program("R/lib/R/bin/exec/R", &["lib/libown.so.1"], &[]);
    let pack = ["pack", "ROOT", "-o", "OUT", "--strategy", "kinds", "--lock", "my.lock"];
    let (code, report) = world.json(&pack);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    let found = layers(&report);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["packages", "runtime", "system"]);
    assert_eq!(found["runtime"], ["r"]);
    assert_eq!(found["system"], ["lib:lib/libown.so.1"]);
    // A package more changes the layer of packages alone.
    world.package("R/lib/R/library", "new", "1.0", "");
    let (_, report) = world.json(&pack);
    let states: Vec<(&str, &str)> = report["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| (change["layer"].as_str().expect("text"), change["state"].as_str().expect("text")))
        .collect();
    assert_eq!(states, [("runtime", "unchanged"), ("packages", "changed"), ("system", "unchanged")]);
}

#[test]
fn init_writes_nothing_for_a_tree_that_is_empty_or_another_than_was_meant() {
    let world = World::new();
    fs::create_dir_all(world.root()).expect("made");
    let refused = |words: &str| {
        let run = world.run(&["init", "ROOT"]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("so no layerfit.toml is written"), "{}", run.stderr);
        assert!(!world.beside("layerfit.toml").exists());
    };
    refused("the tree is empty (S108)");
    fs::create_dir(world.root().join("lib")).expect("made");
    refused("only directories");
    world.file("layer.zip", "PK");
    refused("(S112)");
    fs::remove_file(world.root().join("layer.zip")).expect("removed");
    fs::remove_dir(world.root().join("lib")).expect("removed");
    world.file("opt/python/a.py", "");
    refused("(Z113)");
    world.file("python/a.py", "");
    assert_eq!(world.run(&["init", "ROOT"]).code, 0);
}

#[test]
fn init_writes_a_configuration_for_the_tree_that_is_taken_as_it_is() {
    let world = world_of_r();
    world.package("local/library", "httr", "1.0", "");
    world.library("lib/libgone.so", &[], &[]).program("bin/tool", &["lib/libgone.so"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let run = world.run(&["init", "ROOT"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let text = fs::read_to_string(world.beside("layerfit.toml")).expect("written");
    for line in [
        "bundle = true",
        "r-libs-user = [\"local/library\"]",
        "lock = \"layerfit.lock\"",
        "runtime = \"provided.al2023\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // What is commented out is right too, when it is taken in.
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") || setting.starts_with('[') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_finding(&world.json(&["plan", "ROOT"]).1, "T104", "R/lib/R/etc/Renviron", "/opt/local/library");
    config(&world, &all.replace("bundle = true\n", ""));
    assert_eq!(world.run(&["plan", "ROOT"]).code, 1, "libgone is missing");
    assert!(!world.run(&["plan", "ROOT"]).stderr.contains("help: fix it"));
    // One that is there is never replaced.
    let run = world.run(&["init", "ROOT"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("layerfit.toml: already exists"), "{}", run.stderr);
}

/// Packages that a managed runtime runs: the configuration names it.
#[test]
fn init_names_the_managed_runtime_that_packages_are_for() {
    let world = World::new();
    world.library("python/pkg/m.cpython-313-x86_64-linux-gnu.so", &[], &[]);
    world.file("python/pkg-1.0.dist-info/METADATA", "Name: pkg\nVersion: 1.0\n\n");
    world.file("python/pkg-1.0.dist-info/RECORD", "pkg/m.cpython-313-x86_64-linux-gnu.so,,\n");
    assert_eq!(world.run(&["init", "ROOT"]).code, 0);
    let text = fs::read_to_string(world.beside("layerfit.toml")).expect("written");
    assert!(text.contains("\nruntime = \"python3.13\"\n") && text.contains("1 Python package,"), "{text}");
}

#[test]
fn init_writes_a_bootstrap_that_lambda_could_start_and_replaces_none() {
    let world = World::new();
    world.program("R/bin/Rscript", &[], &[]);
    for said in ["opt/runtime.R: written", "opt: already has this bootstrap; nothing is written"] {
        let run = world.run(&["init", "--bootstrap", "opt"]);
        assert!(run.code == 0 && run.stdout.contains(said), "{}{}", run.stdout, run.stderr);
    }
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    for code in ["C101", "C102", "C105"] {
        assert_no_finding(&report, code);
    }
    let before = fs::read(world.root().join("bootstrap")).expect("read");
    fs::remove_file(world.root().join("runtime.R")).expect("removed");
    assert_eq!(world.run(&["init", "--bootstrap", "opt"]).code, 2);
    assert_eq!(fs::read(world.root().join("bootstrap")).expect("read"), before);
    assert!(!world.root().join("runtime.R").exists(), "half of it is not left");
}

#[test]
fn a_layer_holds_units_named_by_a_package_a_path_or_a_library() {
    let world = World::new();
    world.r().library("lib/libdeep.so.5.0", &[], &[]).link("lib/libdeep.so.5", "libdeep.so.5.0");
    world.file("share/data/x", noise(1, 1000)).file("other/y", noise(2, 1000));
    world.package("R/lib/R/library", "digest", "0.6.31", "");
    let layer_of = |holds: &str| -> Vec<String> {
        config(&world, &format!("strategy = \"kinds\"\n[[layer]]\nname = \"named\"\nholds = [{holds}]\n"));
        let (_, report) = world.json(&["plan", "ROOT"]);
        let layers = report["layers"].as_array().expect("layers");
        let units = layers.iter().find(|layer| layer["name"] == "named").map(|layer| layer["units"].clone());
        units
            .iter()
            .flat_map(|units| units.as_array().expect("units").clone())
            .map(|unit| unit.as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(layer_of("\"digest\""), ["pkg:digest"]);
    assert_eq!(layer_of("\"libdeep.so.5\""), ["lib:lib/libdeep.so.5.0"]);
    assert_eq!(layer_of("\"share\""), ["dir:share"]);
    assert_eq!(layer_of("\"/opt/share/data/*\", \"other/**\""), ["dir:other", "dir:share"]);
    assert_eq!(layer_of("\"lib:*\""), ["lib:lib/libdeep.so.5.0"]);
    assert_eq!(layer_of("\"nothing/**\""), [""; 0]);
}

#[test]
fn a_file_of_another_user_above_a_directory_decides_nothing() {
    use std::os::unix::fs::chown;

    if !rustix::process::geteuid().is_root() {
        eprintln!("not tried: only root can give a file away");
        return;
    }
    let world = World::new();
    world.file("a", "x");
    config(&world, "max-layers = 3\n");
    let (file, inside) = (world.beside("layerfit.toml"), world.beside("inside"));
    fs::create_dir(&inside).expect("made");
    chown(&file, Some(1234), Some(1234)).expect("given away");
    let run = |more: &[&str]| {
        let mut command = world.command(&[&["plan", "../opt"], more].concat());
        command.current_dir(&inside);
        Run::of(command)
    };
    let refused = run(&[]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("layerfit.toml: belongs to another user"), "{}", refused.stderr);
    assert!(refused.stderr.contains("help: name it with --config"), "{}", refused.stderr);
    for named in ["../layerfit.toml", "/dev/null"] {
        assert_eq!(run(&["--config", named]).code, 0, "{named}");
    }
    // A checkout belongs to one user, whoever runs layerfit in it.
    chown(&inside, Some(1234), Some(1234)).expect("given away");
    assert_eq!(run(&[]).code, 0);
}

#[test]
fn a_misspelt_name_in_no_strip_or_r_libs_user_is_reported() {
    let world = World::new();
    world.r().library("lib/libx.so", &[], &[]).package("site", "a", "1.0", "");
    config(&world, "no-strip = [\"lib/libx.so\", \"libx.so\"]\nr-libs-user = [\"site\", \"stie\"]\n");
    let (_, report) = world.json(&["plan", "ROOT"]);
    let found = findings(&report, "P107");
    let messages: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "no-strip: no ELF file matches libx.so, so it has no effect",
            "r-libs-user: stie is not in the tree, so R does not search it"
        ]
    );
    config(&world, "[publish.names]\nlayer-1 = \"mine\"\nggplto2 = \"other\"\n");
    for command in ["plan", "check"] {
        let (_, report) = world.json(&[command, "ROOT"]);
        let found = findings(&report, "P107");
        let words = "no layer is called ggplto2, so its name in [publish.names] has no effect";
        assert_eq!(found, [("publish.names".to_owned(), words.to_owned())], "{command}");
    }
    config(&world, "no-strip = [\"**/libx.so*\"]\nr-libs-user = [\"site\"]\n");
    assert_no_finding(&world.json(&["plan", "ROOT"]).1, "P107");
}
