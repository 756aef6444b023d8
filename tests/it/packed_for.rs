//! What layers are packed for holds when they are read again: `check`, `invoke` and `diff` of a packed directory or its zips take
//! runtime, architecture and limits from the manifest, unless an option or layerfit.toml sets another, which is told; and
//! the commands that `pack` names next work as they are.

use std::fs;

use serde_json::{Value, json};

use crate::support::function::{ready, sandboxes_can_be_made};
use crate::support::{World, assert_no_finding, findings, noise};

/// A program that needs a newer glibc than `provided` has.
fn with_new_program(world: &World) {
    let source = "#include <math.h>\nint main(int c, char **v) { return (int)(log((double)c) + pow(c, 1.5)); }\n";
    world.c("bin/tool", source, &[], &["-lm"]).mode("bin/tool", 0o755);
}

#[test]
fn layers_are_checked_for_the_runtime_that_they_are_packed_for() {
    let world = World::new();
    with_new_program(&world);
    let (code, packed) = world.json(&["pack", "ROOT", "-o", "OUT", "--runtime", "provided"]);
    assert_eq!((code, findings(&packed, "L204").is_empty()), (1, false), "{:#}", packed["findings"]);
    let zip = world.beside("out/layer-1.zip");
    let zip = zip.to_string_lossy();
    for layers in ["OUT", &zip] {
        let (code, report) = world.json(&["check", layers]);
        assert_eq!((code, &report["runtime"]), (1, &json!("provided")), "{layers}");
        assert_eq!(findings(&report, "L204"), findings(&packed, "L204"), "{layers}");
        assert_eq!(report["packed_for"]["runtime"], "provided");
        let run = world.run(&["check", layers]);
        assert!(!run.stderr.contains("packed for"), "{}", run.stderr);

        // An option or the file wins, and the difference is told once.
        let other = ["check", layers, "--runtime", "provided.al2023"];
        assert_eq!(world.json(&other).1["runtime"], "provided.al2023");
        let run = world.run(&other);
        assert_eq!(
            run.stderr.matches("packed for provided, checked for provided.al2023\n").count(),
            1,
            "{}",
            run.stderr
        );
        assert!(!world.run(&[&other[..], &["-q"]].concat()).stderr.contains("packed for"));
    }
    // A zip that the manifest does not list, and one beside a file of that name of another program, have the default.
    fs::create_dir(world.beside("other")).expect("made");
    fs::copy(&*zip, world.beside("other/mine.zip")).expect("copied");
    for manifest in [Some("{\"name\": \"a web app\"}"), None] {
        match manifest {
            Some(text) => fs::write(world.beside("other/manifest.json"), text).map(|()| 0),
            None => fs::copy(world.beside("out/manifest.json"), world.beside("other/manifest.json")),
        }
        .expect("written");
        let (_, report) = world.json(&["check", &world.beside("other/mine.zip").to_string_lossy()]);
        assert_eq!((&report["runtime"], &report["packed_for"]), (&json!("provided.al2023"), &Value::Null));
    }
    fs::write(world.beside("layerfit.toml"), "runtime = \"provided.al2\"\n").expect("written");
    assert_eq!(world.json(&["check", "OUT"]).1["runtime"], "provided.al2");
    assert!(world.run(&["check", "OUT"]).stderr.contains("packed for provided, checked for provided.al2\n"));
}

#[test]
fn layers_are_checked_within_the_limits_that_they_are_packed_within() {
    let world = World::new();
    for at in 0..6 {
        world.file(format!("d{at}/x"), noise(at, 4000));
    }
    let limits = ["--max-zipped", "5KB", "--max-layers", "6", "--max-unzipped", "25KB", "--function-size", "1KB"];
    let pack = world.run(&[&["pack", "ROOT", "-o", "OUT", "--arch", "arm64"], &limits[..]].concat());
    assert_eq!(pack.code, 0, "{}", pack.stdout);
    // As before, 6 layers are more than Lambda allows.
    let (code, report) = world.json(&["check", "OUT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    let recorded = json!({"layer_zipped": 5120, "total_unzipped": 25_600, "layers": 6, "function_unzipped": 1024});
    assert_eq!(report["limits"], recorded);
    assert_eq!(report["architecture"], json!({"name": "arm64", "assumed": false}));
    let run = world.run(&["check", "OUT", "--max-layers", "5", "--arch", "x86_64"]);
    assert_eq!(run.code, 1);
    let remark = "packed for arm64 and with max-layers 6, checked for x86_64 and with max-layers 5\n";
    assert!(run.stderr.contains(remark), "{}", run.stderr);

    // A manifest that lacks them, as an earlier layerfit wrote it, or one with limits that cannot be, has the defaults.
    let manifest = world.beside("out/manifest.json");
    let written: Value = serde_json::from_slice(&fs::read(&manifest).expect("read")).expect("JSON");
    for change in [json!({}), json!({"limits": {"layers": 0, "layer_zipped": 0, "total_unzipped": 0}})] {
        let mut changed = written.clone();
        let fields = changed.as_object_mut().expect("an object");
        for field in ["limits", "architecture", "runtime"] {
            fields.remove(field);
        }
        fields.extend(change.as_object().expect("an object").clone());
        fs::write(&manifest, changed.to_string()).expect("written");
        let (code, report) = world.json(&["check", "OUT"]);
        assert_eq!((code, findings(&report, "F103").len()), (1, 1), "{:#}", report["findings"]);
        assert_eq!(report["limits"]["total_unzipped"], 262_144_000);
        assert_eq!(report["runtime"], "provided.al2023");
    }
}

#[test]
fn a_profile_in_a_file_has_to_be_named_again() {
    let world = World::new();
    world.file("a", "one");
    let profile = world.run(&["runtime", "show", "provided.al2"]).stdout;
    let profile = profile.replacen("name = \"provided.al2\"", "name = \"ours\"", 1);
    fs::write(world.beside("ours.toml"), profile).expect("written");
    let pack = world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", "ours.toml"]);
    assert_eq!(pack.code, 0, "{}", pack.stderr);
    assert!(pack.stdout.contains(" --runtime ours.toml"), "{}", pack.stdout);
    let run = world.run(&["check", "OUT"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("the layers are packed for ours") && run.stderr.contains("--runtime"),
        "{}",
        run.stderr
    );
    let run = world.run(&["check", "OUT", "--runtime", "ours.toml"]);
    assert_eq!((run.code, run.stderr.contains("packed for")), (0, false), "{}", run.stderr);
    // Nothing of two packed directories is analyzed.
    assert_eq!(world.run(&["diff", "OUT", "OUT"]).code, 0);
}

#[test]
fn a_tree_is_compared_with_layers_as_they_are_packed() {
    let world = World::new();
    world.file("a", noise(1, 4000)).file("b/x", noise(2, 4000));
    let pack = ["pack", "ROOT", "-o", "OUT", "--runtime", "python3.13", "--max-zipped", "5KB"];
    assert_eq!(world.run(&pack).code, 0);
    let manifest = world.beside("out/manifest.json");
    for layers in ["OUT", &manifest.to_string_lossy()] {
        let (code, diff) = world.json(&["diff", layers, "ROOT"]);
        assert_eq!(code, 0);
        // For Lambda's own limits, everything would be in one layer.
        assert_eq!((&diff["layers"], &diff["moved"]), (&json!([]), &json!([])), "{diff:#}");
        let run = world.run(&["diff", "ROOT", layers, "--runtime", "provided.al2023"]);
        let remark = "packed for python3.13, compared for provided.al2023\n";
        assert_eq!(run.stderr.matches(remark).count(), 1, "{}", run.stderr);
    }
}

#[test]
fn a_function_runs_in_the_runtime_that_its_layers_are_packed_for() {
    let Some((runtime, _)) = ready("python3") else { return };
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.file("python/value.py", "VALUE = 'from a layer'\n");
    fs::create_dir(world.beside("code")).expect("made");
    fs::write(world.beside("code/app.py"), "import value\ndef handler(event, context): return value.VALUE\n")
        .expect("written");
    let pack = world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", &runtime]);
    assert_eq!(pack.code, 0, "{}", pack.stdout);
    let invoke = ["invoke", "OUT", "--code", "code", "--handler", "app.handler", "--timeout", "60"];
    let run = world.run(&invoke);
    assert_eq!((run.code, run.stdout.as_str()), (0, "\"from a layer\"\n"), "{}", run.stderr);
    assert!(!run.stderr.contains("packed for"), "{}", run.stderr);
    let run = world.run(&[&invoke[..], &["--runtime", "provided.al2023"]].concat());
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains(&format!("packed for {runtime}, run for provided.al2023\n")), "{}", run.stderr);
    let (code, report) = world.json(&["check", "OUT", "--run", "app.handler", "--code", "code", "--timeout", "60"]);
    assert_eq!((code, &report["runtime"]), (0, &json!(runtime)), "{:#}", report["findings"]);
}

/// The commands after "Next:", without their comments.
fn next(stdout: &str) -> Vec<String> {
    let (_, next) = stdout.split_once("Next: ").expect("a next step");
    next.lines().map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn the_commands_that_come_next_have_what_the_manifest_has_not() {
    let world = World::new();
    for at in 0..6 {
        world.file(format!("d{at}/x"), noise(at, 4000));
    }
    // L203 is a warning for a program whose library is nowhere; here it only has to be named.
    let options = [
        "--config",
        "settings.toml",
        "--max-zipped",
        "5KB",
        "--max-layers",
        "6",
        "--runtime",
        "provided.al2",
        "--arch",
        "arm64",
        "--env",
        "PROJ_DATA=/opt/share",
        "--env",
        "TOKEN=secret",
        "--env",
        "PATH",
        "--ignore",
        "help,L203",
    ];
    fs::write(world.beside("settings.toml"), "max-layers = 5\nruntime = \"provided.al2023\"\narch = \"x86_64\"\n")
        .expect("written");
    let run = world.run(&[&["pack", "ROOT", "-o", "OUT"], &options[..]].concat());
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let out = world.beside("out");
    let out = out.to_string_lossy();
    let set = "--env PROJ_DATA=/opt/share --env TOKEN=VALUE --env PATH";
    assert_eq!(
        next(&run.stdout),
        [
            format!(
                "layerfit invoke {out} --code DIR --handler FILE.FUNCTION --config settings.toml --runtime provided.al2 {set}"
            ),
            format!("layerfit publish {out} --config settings.toml --arch arm64"),
            format!(
                "layerfit check {out} --config settings.toml --runtime provided.al2 --arch arm64 --max-layers 6 {set} \
                 --ignore L203"
            ),
        ]
    );
    // Followed as it is, the check passes, and is for the same.
    let check = next(&run.stdout).remove(2);
    let words: Vec<&str> = check.split(' ').skip(1).collect();
    let (code, report) = world.json(&words);
    assert_eq!((code, &report["runtime"]), (0, &json!("provided.al2")), "{:#}", report["findings"]);
    assert_eq!(report["limits"]["layer_zipped"], 5120);

    // What the manifest has is not repeated.
    let run =
        world.run(&["pack", "ROOT", "-o", "OUT", "--max-zipped", "5KB", "--max-layers", "6", "--runtime", "host"]);
    assert_eq!(
        next(&run.stdout),
        [
            format!("layerfit invoke {out} --code DIR --handler FILE.FUNCTION"),
            format!("layerfit publish {out}"),
            format!("layerfit check {out}"),
        ]
    );
    assert_no_finding(&world.json(&["check", "OUT"]).1, "F103");
}

#[test]
fn layers_that_are_too_large_for_a_direct_upload_are_published_through_a_bucket() {
    let world = World::new();
    world.file("a", noise(1, 52_500_000));
    let pack = ["pack", "ROOT", "-o", "OUT", "--max-zipped", "250MB", "--level", "fast"];
    let published = |run: &crate::support::Run| next(&run.stdout).remove(1);
    let run = world.run(&pack);
    assert!(published(&run).ends_with(" --s3-bucket BUCKET"), "{}", run.stdout);
    assert_eq!(world.run(&["check", "OUT"]).code, 0);
    fs::write(world.beside("layerfit.toml"), "publish = { s3-bucket = \"ours\" }\n").expect("written");
    let run = world.run(&pack);
    assert!(!published(&run).contains("--s3-bucket"), "{}", run.stdout);
}
