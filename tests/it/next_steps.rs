//! The report ends with what could be done next; each step, done, saves exactly the bytes and layers that it names.

use crate::support::{RDS, World, noise};
use serde_json::Value;

fn zipped(report: &Value) -> (i64, i64, i64) {
    let kept = &report["totals"]["kept"];
    let layers = report["layers"].as_array().expect("layers").len();
    // The end of each zip is no file's.
    let zipped = kept["zipped_bytes"].as_i64().expect("a number") - 22 * i64::try_from(layers).expect("few");
    (zipped, kept["unzipped_bytes"].as_i64().expect("a number"), i64::try_from(layers).expect("few"))
}

/// A tree with something for every kind of step.
fn world() -> World {
    let world = World::new();
    world.r().library("lib/libidle.so.1", &[], &["-g"]).program("bin/curl", &[], &["-g"]);
    world.file("lib/libidle.so.1.data", noise(1, 60_000)).file("share/same", noise(2, 50_000));
    world.file("share/deep/same", noise(2, 50_000)).file("share/near", noise(3, 50_000));
    world.package("local/library", "data", "1.0", "").file("local/library/data/data/Rdata.rdb", noise(4, 30_000));
    world.file("local/library/data/data/Rdata.rdx", RDS).file("local/library/data/data/Rdata.rds", RDS);
    world
}

#[test]
fn each_step_that_is_an_option_saves_what_it_says() {
    let world = world();
    let plan = ["plan", "ROOT", "--max-zipped", "120KB"];
    let (_, report) = world.json(&plan);
    let before = zipped(&report);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let is_option = |step: &&Value| step["step"].as_str().expect("text").starts_with("--");
    let options: Vec<&Value> = steps.iter().filter(is_option).filter(|step| step["figures"] == "exact").collect();
    assert!(options.len() >= 4, "{steps:#?}");
    for step in options {
        let text = step["step"].as_str().expect("text");
        let arguments: Vec<&str> = text.split(' ').collect();
        let after = zipped(&world.json(&[&plan[..], &arguments].concat()).1);
        let saved = (before.0 - after.0, before.1 - after.1, before.2 - after.2);
        let said = |key: &str| step[key].as_i64().expect("a number");
        assert_eq!(saved, (said("zipped_bytes"), said("unzipped_bytes"), said("layers")), "{text}");
    }
}

/// What an image has itself is a step, unless something else in the tree requires it.
#[test]
fn packages_that_the_image_has_can_be_dropped() {
    let world = World::new();
    let distribution = |name: &str, metadata: &str, seed: u64| {
        world.file(format!("python/{name}/__init__.py"), noise(seed, 20_000));
        let info = format!("python/{name}-2.0.dist-info");
        world.file(format!("{info}/METADATA"), format!("Name: {name}\nVersion: 2.0\n{metadata}\n"));
        world.file(format!("{info}/RECORD"), format!("{name}/__init__.py,,\n"));
    };
    distribution("boto3", "Requires-Dist: botocore\nRequires-Dist: jmespath", 1);
    distribution("botocore", "Requires-Dist: jmespath\nRequires-Dist: urllib3", 2);
    distribution("jmespath", "", 3);
    distribution("urllib3", "", 4);
    distribution("requests", "Requires-Dist: urllib3", 5);
    for name in ["client-s3", "client-sqs", "core", "types"] {
        let manifest = "{\"version\": \"3.1.0\"}";
        world.file(format!("nodejs/node_modules/@aws-sdk/{name}/package.json"), manifest);
        world.file(format!("nodejs/node_modules/@aws-sdk/{name}/index.js"), noise(6, 9_000));
    }
    // Without it, nothing in the layers would be for Node.js.
    world.file("nodejs/node_modules/own/package.json", "{\"version\": \"1.0.0\"}");
    world.file("nodejs/node_modules/own/index.js", noise(7, 1_000));
    for (runtime, step, what) in [
        ("python3.12", "--drop pkg:boto3,pkg:botocore,pkg:jmespath", "pkg:boto3 1.42.97 (here 2.0)"),
        ("nodejs22.x", "--drop nodejs/node_modules/@aws-sdk", "pkg:@aws-sdk/client-s3 (here 3.1.0)"),
    ] {
        let plan = ["plan", "ROOT", "--runtime", runtime];
        let (_, report) = world.json(&plan);
        let steps = report["suggestions"].as_array().expect("suggestions");
        let found = steps.iter().find(|one| one["step"] == step).unwrap_or_else(|| panic!("{steps:#?}"));
        assert!(found["what"].as_str().expect("text").contains(what), "{found:#}");
        let (code, then) = world.json(&[&plan[..], &step.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!(code, 0, "{:#}", then["findings"]);
        assert_eq!(found["zipped_bytes"].as_i64(), Some(zipped(&report).0 - zipped(&then).0), "{step}");
    }
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert!(!report["suggestions"].to_string().contains("boto3"), "this image has none");
}

#[test]
fn the_same_content_twice_is_told_with_what_links_would_save() {
    let world = world();
    let (_, report) = world.json(&["plan", "ROOT"]);
    let before = zipped(&report);
    let step = report["suggestions"]
        .as_array()
        .expect("suggestions")
        .iter()
        .find(|s| s["step"] == "replace duplicate files with symbolic links");
    let step = step.expect("the two that are the same");
    assert!(step["what"].as_str().expect("text").contains("share/same equals share/deep/same"), "{step:#}");
    std::fs::remove_file(world.root().join("share/same")).expect("removed");
    world.link("share/same", "deep/same");
    let after = zipped(&world.json(&["plan", "ROOT"]).1);
    assert_eq!(step["zipped_bytes"].as_i64(), Some(before.0 - after.0));
    assert_eq!(step["unzipped_bytes"].as_i64(), Some(before.1 - after.1));
}

#[test]
fn what_a_run_opened_nothing_of_is_offered_for_dropping() {
    let world = world();
    std::fs::write(world.beside("run.log"), "1 open(\"/opt/R/lib/R/library/base/R/base.rdb\", O_RDONLY) = 3\n")
        .expect("written");
    let (_, report) = world.json(&["plan", "ROOT", "--trace", "run.log"]);
    let steps =
        report["suggestions"].as_array().expect("suggestions").iter().map(|s| s["step"].as_str().expect("text"));
    let drop = steps.into_iter().find(|step| step.starts_with("--drop ")).expect("offered").to_owned();
    assert!(drop.contains("pkg:data") && !drop.contains("pkg:base"), "{drop}");
}

#[test]
fn the_step_that_saves_a_layer_comes_first_and_then_the_one_that_saves_most() {
    let world = world();
    let (_, report) = world.json(&["plan", "ROOT", "--max-zipped", "120KB"]);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let number = |step: &Value, key: &str| step[key].as_i64().expect("a number");
    // What needs more unzipped without saving a layer comes last.
    let saved = |step: &Value| {
        let grows = number(step, "layers") == 0 && number(step, "unzipped_bytes") < 0;
        (number(step, "layers"), !grows, number(step, "zipped_bytes"))
    };
    let saved: Vec<(i64, bool, i64)> = steps.iter().map(saved).collect();
    assert!(saved.first() != saved.last(), "{saved:?}");
    assert!(saved.is_sorted_by(|a, b| a >= b), "{saved:?}");
}

/// The names of the steps that a run lists.
fn names(report: &Value) -> Vec<String> {
    let steps = report["suggestions"].as_array().expect("suggestions").iter();
    steps.map(|step| step["name"].as_str().expect("text").to_owned()).collect()
}

fn named<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut steps = report["suggestions"].as_array().expect("suggestions").iter();
    steps.find(|step| step["name"] == name).unwrap_or_else(|| panic!("{name} in {:?}", names(report)))
}

fn errors(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings").iter();
    findings.filter(|finding| finding["severity"] == "error").map(|finding| format!("{finding:#}")).collect()
}

/// Packages that need each other: `top` needs `middle`, which needs `bottom`; `bottom` is also needed by `other`. Two that need
/// each other are needed by nothing else.
fn packages(world: &World) {
    let site = "R/lib/R/library";
    for (name, lines) in [
        ("top", "Imports: middle\nSuggests: other\n"),
        ("middle", "Imports: bottom, only\n"),
        ("only", "Imports: stats\n"),
        ("bottom", ""),
        ("other", "Imports: bottom\n"),
        ("one", "Imports: two\n"),
        ("two", "Imports: one\n"),
    ] {
        world.package(site, name, "1.0", lines).file(format!("{site}/{name}/data.bin"), noise(name.len() as u64, 9000));
    }
}

#[test]
fn packages_that_nothing_needs_are_steps_with_those_that_only_they_need() {
    let world = world();
    packages(&world);
    let (_, report) = world.json(&["plan", "ROOT"]);
    let options: Vec<(&str, &str)> = ["top", "other", "one"]
        .map(|name| (name, named(&report, &format!("drop-{name}"))["step"].as_str().expect("text")))
        .into();
    let expected = [
        ("top", "--drop pkg:top,pkg:middle,pkg:only"),
        ("other", "--drop pkg:other"),
        ("one", "--drop pkg:one,pkg:two"),
    ];
    assert_eq!(options, expected);
    assert!(named(&report, "drop-other")["risk"].as_str().expect("text").contains("top can use it"), "{report:#}");
    let all = names(&report);
    assert!(["bottom", "middle", "two", "stats"].iter().all(|name| !all.contains(&format!("drop-{name}"))), "{all:?}");
    // None of them is one that a check calls an error, and each saves what it says.
    for (_, option) in options {
        let (_, without) = world.json(&[&["plan", "ROOT"][..], &option.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!(errors(&without), errors(&report), "{option}");
    }
    // What is kept on request is not offered, nor what the function uses.
    let kept = names(&world.json(&["plan", "ROOT", "--keep", "pkg:other"]).1);
    assert!(!kept.contains(&"drop-other".to_owned()) && kept.contains(&"drop-top".to_owned()), "{kept:?}");
    std::fs::write(world.beside("f.R"), "library(other)\n").expect("written");
    let used = names(&world.json(&["plan", "ROOT", "--handler", "f.R"]).1);
    assert!(!used.iter().any(|name| name.starts_with("drop-") || name == "handler"), "{used:?}");
}

#[test]
fn reading_the_code_of_the_function_saves_no_more_than_it_says() {
    let world = world();
    packages(&world);
    let (_, report) = world.json(&["plan", "ROOT"]);
    let step = named(&report, "handler");
    assert_eq!((&step["figures"], &step["step"]), (&"at-most".into(), &"--handler DIR".into()));
    std::fs::write(world.beside("f.R"), "1\n").expect("written");
    let saved = zipped(&report).0 - zipped(&world.json(&["plan", "ROOT", "--handler", "f.R"]).1).0;
    assert_eq!(step["zipped_bytes"].as_i64(), Some(saved), "of a function that uses nothing");
}

#[test]
fn plan_pack_and_check_list_the_same_steps() {
    let world = world();
    packages(&world);
    let functions: String = (0..400).map(|number| format!("void exported_function_{number}(void) {{}}\n")).collect();
    world.c("lib/libsymbols.so.1", &functions, &[], &["-shared", "-nostdlib", "-fPIC"]);
    let (_, plan) = world.json(&["plan", "ROOT"]);
    let (_, pack) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    let (_, check) = world.json(&["check", "ROOT"]);
    let sorted = |report: &Value| {
        let mut names = names(report);
        names.sort();
        names
    };
    assert_eq!((sorted(&pack), sorted(&check)), (sorted(&plan), sorted(&plan)));
    let page = std::fs::read_to_string(world.beside("out/report.html")).expect("a page");
    let markdown = std::fs::read_to_string(world.beside("out/report.md")).expect("a report");
    for name in names(&pack) {
        assert!(page.contains(&name) && markdown.contains(&name), "{name}");
    }
    // What was not measured is marked, and near what measuring finds.
    let (estimated, exact) = (named(&pack, "strip-all"), named(&plan, "strip-all"));
    assert_eq!((&estimated["figures"], &exact["figures"]), (&"estimated".into(), &"exact".into()));
    let bytes = |step: &Value, key: &str| step[key].as_i64().expect("a number");
    for key in ["unzipped_bytes", "zipped_bytes"] {
        let (about, exactly) = (bytes(estimated, key), bytes(exact, key));
        assert!(about <= exactly * 2 && about * 4 >= exactly, "{key}: {about} {exactly}");
    }
}

#[test]
fn nothing_of_a_tree_far_longer_than_layers_can_be_is_compressed_in_other_forms() {
    let world = world();
    let functions: String = (0..400).map(|number| format!("void exported_function_{number}(void) {{}}\n")).collect();
    world.c("lib/libsymbols.so.1", &functions, &[], &["-shared", "-nostdlib", "-fPIC"]);
    // No block of it is on the disk.
    world.file("share/long", "");
    let long = std::fs::File::options().write(true).open(world.beside("opt/share/long")).expect("there");
    let figures = |bytes: u64| {
        long.set_len(bytes).expect("set");
        let options = ["plan", "ROOT", "--max-unzipped", "4GB", "--level", "fast"];
        named(&world.json(&options).1, "strip-all")["figures"].clone()
    };
    assert_eq!(figures(1 << 20), "exact");
    assert_eq!(figures(600 << 20), "estimated");
}

#[test]
fn a_rule_that_is_turned_off_by_name_is_no_step() {
    let world = world();
    packages(&world);
    let offered = |config: &str, options: &[&str]| {
        std::fs::write(world.beside("layerfit.toml"), config).expect("written");
        let (_, report) = world.json(&[&["plan", "ROOT"], options].concat());
        names(&report).contains(&"select-package-data".to_owned())
    };
    assert!(offered("", &[]));
    assert!(!offered("ignore = [\"package-data\"]\n", &[]));
    assert!(!offered("", &["--ignore", "package-data"]));
    let run = world.run(&["plan", "ROOT", "--select", "package-data", "--ignore", "package-data"]);
    assert!(run.code == 2 && run.stderr.contains("contradict each other"), "{}", run.stderr);
    // The command line can undo what the file says.
    std::fs::write(world.beside("layerfit.toml"), "ignore = [\"package-data\"]\n").expect("written");
    assert_eq!(world.run(&["plan", "ROOT", "--select", "package-data"]).code, 0);
}

#[test]
fn chosen_steps_are_written_into_the_file_and_the_next_plan_has_them() {
    let world = world();
    packages(&world);
    let before = "# Kept.\nselect = [\"help\"] # and this\nrepack-rdb = true\n";
    std::fs::write(world.beside("layerfit.toml"), before).expect("written");
    let run = world.run(&["plan", "ROOT", "--apply", "drop-top,select-package-data", "--apply", "strip-all"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("layerfit.toml: strip = \"all\"\n"), "{}", run.stdout);
    // What the plan was, and what it is with what was written.
    let (_, now) = world.json(&["plan", "ROOT"]);
    let bytes = |size: &serde_json::Value| size.as_u64().expect("bytes");
    let kept = &now["totals"]["kept"];
    let shown = |bytes| layerfit::base::bytes::size(bytes);
    let line = format!(
        "\nNow: PASS: fits in 1 layer, {} zipped. {} unzipped.\n",
        shown(bytes(&kept["zipped_bytes"])),
        shown(bytes(&kept["unzipped_bytes"]))
    );
    assert!(
        run.stdout.contains("\nBefore: PASS: fits in 1 layer, ") && run.stdout.ends_with(&line),
        "{line}{}",
        run.stdout
    );
    assert_eq!(run.stderr.matches("settings from").count(), 1, "{}", run.stderr);
    let text = std::fs::read_to_string(world.beside("layerfit.toml")).expect("read");
    let added = "drop = [\"pkg:top\", \"pkg:middle\", \"pkg:only\"]\nstrip = \"all\"\n";
    assert_eq!(text, format!("{}{added}", before.replace("\"help\"", "\"help\", \"package-data\"")));
    let (_, report) = world.json(&["plan", "ROOT"]);
    let names = names(&report);
    assert!(!["drop-top", "select-package-data", "strip-all"].iter().any(|step| names.contains(&(*step).to_owned())));
    let packages = report["packages"].as_array().expect("packages");
    assert!(!packages.iter().any(|package| package["name"] == "top"), "{packages:?}");

    // What cannot be written changes nothing.
    for (step, said) in [
        ("drop-othr", "did you mean drop-other?"),
        ("handler", "--apply handler=DIR"),
        ("handler=none", "none"),
        ("select-network-commands=1", "takes no value"),
        ("link-duplicates", "is a change to the tree"),
        ("repack-rdb", "is already on in layerfit.toml"),
    ] {
        let run = world.run(&["plan", "ROOT", "--apply", &format!("drop-other,{step}")]);
        assert!(run.code == 2 && run.stderr.contains(said), "{step}: {}", run.stderr);
        assert_eq!(std::fs::read_to_string(world.beside("layerfit.toml")).expect("read"), text);
    }
    std::fs::create_dir(world.beside("code")).expect("made");
    std::fs::write(world.beside("code/f.R"), "library(other)\n").expect("written");
    std::fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    let run = world.run(&["plan", "ROOT", "--apply", "handler=code", "--max-zipped", "20MB"]);
    assert!(run.code == 0 && run.stdout.contains("The limits that you gave are not written"), "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(world.beside("layerfit.toml")).expect("new"), "handler = [\"code\"]\n");
    assert_eq!(world.json(&["plan", "ROOT"]).1["packages"].as_array().expect("packages").len(), 9);
}

#[test]
fn what_is_applied_leaves_the_bytes_the_link_and_the_permissions_of_the_file() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    let world = world();
    packages(&world);
    let real = world.beside("settings/real.toml");
    std::fs::create_dir(world.beside("settings")).expect("made");
    let before = "\u{feff}# Kept.\r\nselect = [\r\n  \"help\", # not needed\r\n  # \"datasets\",\r\n]   # until here\r\n\
                  drop = [ 'pkg:other' ]\r\nenv . \"TZ\" = \"UTC\"\r\ntemplate = { handler = \"a.b\" } # inline\r\n\r\n\
                  # Published as.\r\n[publish]\r\nprefix = \"r-\"";
    std::fs::write(&real, before).expect("written");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).expect("changed");
    symlink("settings/real.toml", world.beside("layerfit.toml")).expect("linked");
    let run = world.run(&["plan", "ROOT", "--apply", "drop-top,select-package-data", "--apply", "strip-all"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let after = before
        .replace("# not needed\r\n", "# not needed\r\n  \"package-data\",\r\n")
        .replace("'pkg:other' ]", "'pkg:other', \"pkg:top\", \"pkg:bottom\", \"pkg:middle\", \"pkg:only\" ]")
        .replace("# inline\r\n", "# inline\r\nstrip = \"all\"\r\n");
    assert_eq!(std::fs::read_to_string(&real).expect("read"), after);
    assert_eq!(std::fs::metadata(&real).expect("there").mode() & 0o7777, 0o640);
    let link = std::fs::read_link(world.beside("layerfit.toml")).expect("a link");
    assert_eq!(link.to_str(), Some("settings/real.toml"));
    assert_eq!(crate::support::names(&world.beside("settings")), ["real.toml"]);
    assert_eq!(world.json(&["plan", "ROOT"]).1["runtime"], "provided.al2023");

    // A file that cannot be written is told before the plan is worked out: of a tree that is not even there.
    std::fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    symlink("gone.toml", world.beside("layerfit.toml")).expect("linked");
    let run = world.run(&["plan", "nowhere", "--apply", "strip-all"]);
    assert!(run.code == 2 && run.stderr.contains("layerfit.toml: is a symbolic link"), "{}", run.stderr);
}

#[test]
fn only_rules_that_are_off_until_somebody_turns_them_on_are_offered() {
    let world = world();
    let steps = |more: &[&str]| -> Vec<String> {
        let (_, report) = world.json(&[&["plan", "ROOT"], more].concat());
        let steps = report["suggestions"].as_array().expect("suggestions").iter();
        steps.map(|step| step["step"].as_str().expect("text").to_owned()).collect()
    };
    let select = "--select package-data".to_owned();
    assert!(steps(&[]).contains(&select));
    // One that was turned off was turned off for a reason, and one that is on saves nothing more.
    let off = steps(&["--ignore", "D101"]);
    assert!(off.contains(&select) && !off.iter().any(|step| step == "--select help"), "{off:?}");
    assert!(!steps(&["--select", "package-data"]).contains(&select));
    let strip = "--strip all".to_owned();
    assert!(steps(&[]).contains(&strip) && steps(&["--strip", "none"]).contains(&strip));
    assert!(!steps(&["--strip", "all"]).contains(&strip));
    // Nor is one for what is to be kept.
    assert!(!steps(&["--keep", "pkg:data"]).contains(&select));
}

/// What a run did not open and is needed all the same: packages that an opened one imports, also through another.
#[test]
fn a_step_that_the_checks_would_call_an_error_is_not_offered() {
    let world = world();
    world.package("local/library", "used", "1.0", "Imports: middle\n");
    world.package("local/library", "middle", "1.0", "Imports: last\n").package("local/library", "last", "1.0", "");
    world.package("local/library", "idle", "1.0", "Imports: below\n").package("local/library", "below", "1.0", "");
    let log = "1 open(\"/opt/R/lib/R/library/base/R/base.rdb\", O_RDONLY) = 3\n\
               1 open(\"/opt/local/library/used/R/used.rdb\", O_RDONLY) = 3\n";
    std::fs::write(world.beside("run.log"), log).expect("written");
    let arguments = ["plan", "ROOT", "--trace", "run.log"];
    let (_, report) = world.json(&arguments);
    let steps =
        report["suggestions"].as_array().expect("suggestions").iter().map(|s| s["step"].as_str().expect("text"));
    let step = steps.into_iter().find(|step| step.starts_with("--drop ")).expect("offered").to_owned();
    let named: Vec<&str> = step["--drop ".len()..].split(',').collect();
    assert!(["pkg:idle", "pkg:below", "pkg:data"].iter().all(|name| named.contains(name)), "{step}");
    assert!(!["pkg:used", "pkg:middle", "pkg:last"].iter().any(|name| named.contains(name)), "{step}");
    let drop: Vec<&str> = step.split(' ').collect();
    assert_eq!(errors(&world.json(&[&arguments[..], &drop].concat()).1), errors(&report));
}

#[test]
fn pack_names_the_files_that_it_wrote_and_what_to_do_with_them() {
    let world = world();
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--lock", "my.lock"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in ["layer-1.zip", "manifest.json", "report.md", "report.html"] {
        let path = world.beside("out").join(name);
        let bytes = std::fs::metadata(&path).expect("written").len();
        assert!(
            text.contains(name) && (!name.ends_with("zip") || text.contains(&format!("{name} ({bytes} bytes)"))),
            "{name}: {}",
            run.stdout
        );
    }
    assert!(text.contains(" Also my.lock."), "{text}");
    for command in ["layerfit invoke", "layerfit publish", "layerfit check"] {
        assert!(text.contains(command), "{command}: {text}");
    }
    // What is for programs is only that, and what does not fit is not written.
    assert!(!world.run(&["pack", "ROOT", "-o", "OUT", "-q"]).stdout.contains("Written"));
    let run = world.run(&["pack", "ROOT", "-o", "other", "--max-layers", "1", "--max-zipped", "100KiB"]);
    assert!(run.code == 1 && run.stdout.contains("Nothing is written"), "{}", run.stdout);
    // It is no tree to be packed again.
    let run = world.run(&["plan", "OUT"]);
    assert!(run.code == 2 && run.stderr.contains("is a directory that pack wrote"), "{}", run.stderr);
    // With errors, the next thing to do is to correct them.
    world.package("local/library", "needy", "1.0", "Imports: gone\n");
    let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
    assert!(run.code == 1 && run.stdout.contains("Next: correct the errors"), "{}", run.stdout);
    assert!(!run.stdout.contains("layerfit publish"), "{}", run.stdout);
}

#[test]
fn what_has_too_much_unzipped_gets_the_steps_that_save_most_of_that() {
    let world = world();
    // Zeros are much unzipped, and nearly nothing in a zip.
    world.package("local/library", "zeros", "1.0", "").file("local/library/zeros/data.bin", vec![0; 2_000_000]);
    let plan = ["plan", "ROOT", "--max-unzipped", "1MB"];
    let (code, report) = world.json(&plan);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let saved = |step: &Value| step["unzipped_bytes"].as_i64().expect("a number");
    assert_eq!((code, report["fits"].as_bool()), (1, Some(false)));
    assert!(steps.iter().all(|step| saved(step) > 0) && steps.is_sorted_by(|a, b| saved(a) >= saved(b)), "{steps:#?}");
    assert!(steps[..2].iter().any(|step| step["name"] == "drop-zeros"), "{steps:#?}");
    let shown = world.run(&plan).stdout;
    let steps = shown.split_once("Next steps").expect("steps").1;
    assert!(steps.lines().nth(1).is_some_and(|header| header.ends_with("unzipped  risk")), "{shown}");
    // And of the findings, what does not fit is the first.
    world.package("local/library", "needy", "1.0", "Imports: gone\n");
    let shown = world.run(&plan).stdout;
    assert!(shown.contains("Findings\n error F102  layers: "), "{shown}");
    assert!(shown.contains("   → prune more; additional layers do not help\n"), "{shown}");
}
