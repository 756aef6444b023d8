//! The function's code counts with its layers against the unzipped limit wherever it is given, to the byte, and what `--handler`
//! names only warns.

use std::fs;

use serde_json::json;

use crate::support::function::sandboxes_can_be_made;
use crate::support::raw_zip::{Part, zip};
use crate::support::{World, assert_finding, assert_no_finding, noise};

/// A tree of 6,000 bytes, and what holds 10,240 with the function's code.
fn world() -> World {
    let world = World::new();
    world.file("a", noise(1, 6000));
    world
}

const LIMIT: [&str; 2] = ["--max-unzipped", "10KB"];

/// The function's code beside the tree, with files of so many bytes, and a zip of it.
fn code(world: &World, bytes: usize) {
    fs::create_dir_all(world.beside("fn/sub")).expect("made");
    fs::write(world.beside("fn/app.py"), noise(2, 1000)).expect("written");
    fs::write(world.beside("fn/sub/model"), noise(3, bytes - 1000)).expect("written");
    let parts = [Part::deflated("app.py", noise(2, 1000)), Part::stored("sub/model", vec![7; bytes - 1000])];
    fs::write(world.beside("fn.zip"), zip(&parts)).expect("written");
}

#[test]
fn code_of_the_template_counts_with_the_layers() {
    let world = world();
    code(&world, 4240);
    for (file, bytes) in [("fn", 4240), ("fn.zip", 4240), ("fn", 4241), ("fn.zip", 4241)] {
        code(&world, bytes);
        let text = format!("[template]\ncode = \"{file}\"\nhandler = \"app.handler\"\n");
        fs::write(world.beside("layerfit.toml"), text).expect("written");
        for command in
            [&["plan", "ROOT"][..], &["check", "ROOT"], &["pack", "ROOT", "-o", "OUT", "--template", "t.yaml"]]
        {
            let (exit, report) = world.json(&[command, &LIMIT[..]].concat());
            assert_eq!(report["limits"]["code_unzipped"], bytes, "{file} {command:?}");
            if bytes == 4240 {
                assert_eq!(exit, 0, "{file} {command:?}: {:#}", report["findings"]);
                assert_no_finding(&report, "F102");
            } else {
                assert_eq!(exit, 1, "{file} {command:?}");
                let words = "5.86 KiB unzipped and 4.14 KiB of the function's code are 1 B over the limit of 10.00 KiB";
                assert_finding(&report, "F102", "layers", words);
            }
        }
    }
    // What is reserved counts if it is more.
    let (_, report) = world.json(&[&["plan", "ROOT", "--function-size", "4242B"], &LIMIT[..]].concat());
    assert_finding(&report, "F102", "layers", "2 B over the limit of 10.00 KiB, less 4.14 KiB for the function");
    code(&world, 1240);
    let run = world.run(&[&["plan", "ROOT"], &LIMIT[..]].concat());
    let flat = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("The function's code has 1.21 KiB unzipped; 2.93 KiB is left."), "{}", run.stdout);
    // Code that is not there yet is not counted, and the code alone can be too much.
    fs::write(world.beside("layerfit.toml"), "[template]\ncode = \"gone\"\n").expect("written");
    assert_eq!(world.json(&[&["plan", "ROOT"], &LIMIT[..]].concat()).1["limits"]["code_unzipped"], json!(null));
    let run = world.run(&[&["plan", "ROOT"], &LIMIT[..]].concat());
    assert!(run.stderr.contains("template.code: ") && run.stderr.contains("gone is not there"), "{}", run.stderr);
    code(&world, 20_000);
    fs::write(world.beside("layerfit.toml"), "[template]\ncode = \"fn\"\n").expect("written");
    let (exit, report) = world.json(&[&["plan", "ROOT"], &LIMIT[..]].concat());
    assert_eq!(exit, 1);
    assert_finding(&report, "F102", "layers", "19.53 KiB of the function's code are 15.39 KiB over");
}

#[test]
fn code_in_the_templates_default_place_counts() {
    let world = world();
    fs::create_dir(world.beside("function")).expect("made");
    fs::write(world.beside("function/test.R"), noise(1, 4241)).expect("written");
    let pack = [&["pack", "ROOT", "-o", "OUT"], &LIMIT[..]].concat();
    assert_eq!(world.run(&pack).code, 0);
    let (exit, report) = world.json(&[&pack[..], &["--template", "t.yaml"]].concat());
    assert_eq!(exit, 1);
    assert_finding(&report, "F102", "layers", "1 B over");
}

#[test]
fn code_that_is_run_counts_with_the_layers() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("serve(lambda event: 'answered')\n");
    // The manifest has the limit.
    let pack = world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", "host", "--max-unzipped", "1MiB"]);
    assert_eq!(pack.code, 0, "{}", pack.stdout);
    let (_, report) = world.json(&["check", "OUT"]);
    let layers = report["totals"]["kept"]["unzipped_bytes"].as_u64().expect("bytes");
    let left = usize::try_from((1 << 20) - layers).expect("small");
    for bytes in [left, left + 1] {
        code(&world, bytes);
        for given in ["fn", "fn.zip"] {
            let function = ["--code", given, "--timeout", "60"];
            let invoke = [&["invoke", "OUT", "--handler", "main.handler"], &function[..]].concat();
            let run = world.run(&invoke);
            assert!(run.stdout.contains("answered"), "{}{}", run.stdout, run.stderr);
            let (code, report) = world.json(&[&["check", "OUT", "--run", "main.handler"], &function[..]].concat());
            let told = run.stderr.contains("error F102 ") && run.stderr.contains("function's code are 1 B over");
            assert_eq!(
                (run.code, code, told),
                if bytes == left { (0, 0, false) } else { (1, 1, true) },
                "{}",
                run.stderr
            );
            if bytes > left {
                assert_finding(&report, "F102", "layers", "1 B over the limit of 1.00 MiB");
            }
        }
    }
    // A tree is packed into layers that can be smaller.
    world.file("large", noise(1, 2 << 20));
    fs::write(world.beside("layerfit.toml"), "max-unzipped = \"1MiB\"\n").expect("written");
    let run = world.run(&["invoke", "ROOT", "--runtime", "host", "--handler", "main.handler", "--timeout", "60"]);
    assert_eq!((run.code, run.stderr.contains("F102")), (0, false), "{}", run.stderr);
}

#[test]
fn a_directory_of_handlers_only_warns_as_it_can_have_more_than_is_deployed() {
    let world = World::new();
    world.file("a", noise(1, 6000));
    fs::create_dir_all(world.beside("fn/.git")).expect("made");
    fs::write(world.beside("fn/app.R"), "1\n").expect("written");
    fs::write(world.beside("fn/.git/pack"), noise(2, 9000)).expect("written");
    let plan = [&["plan", "ROOT", "--handler", "fn"], &LIMIT[..]].concat();
    let (_, report) = world.json(&plan);
    assert_no_finding(&report, "F102");
    fs::write(world.beside("fn/data"), noise(2, 4239)).expect("written");
    let (code, report) = world.json(&plan);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_finding(&report, "F102", "fn", "its 4.14 KiB and the 5.86 KiB of the layers unzipped are 1 B over");
    assert!(report["findings"].to_string().contains("\"severity\":\"warning\""), "{:#}", report["findings"]);
    // Where the size of the code is known, the directory does not matter.
    let (_, report) = world.json(&[&plan[..], &["--function-size", "10B"]].concat());
    assert_no_finding(&report, "F102");
    // The tree in the directory of the project is not its code.
    let (_, report) = world.json(&[&["plan", "ROOT", "--handler", "."], &["--max-unzipped", "11KB"][..]].concat());
    assert_no_finding(&report, "F102");
}
