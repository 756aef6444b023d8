//! Budgets, growth since a baseline, the file that only shrinks, room that stays free, and how bad findings are: each makes
//! `check` fail when it should, and not a byte before.

use std::fs;

use crate::support::{World, assert_finding, assert_no_finding, findings, noise};
use serde_json::Value;

/// A tree of one R with a package of `bytes` that do not compress.
fn world(bytes: usize) -> World {
    let world = World::new();
    world.r().package("R/lib/R/library", "digest", "0.6.31", "");
    grow(&world, bytes);
    world
}

fn grow(world: &World, bytes: usize) {
    world.file("R/lib/R/library/digest/R/digest.rdb", noise(1, bytes));
}

fn config(world: &World, text: &str) {
    fs::write(world.beside("layerfit.toml"), text).expect("written");
}

fn weight(report: &Value, unit: &str) -> u64 {
    let units = report["units"].as_array().expect("units");
    let unit = units.iter().find(|found| found["name"] == unit).expect("there");
    unit["zipped_bytes"].as_u64().expect("a number")
}

#[test]
fn a_budget_holds_to_the_byte() {
    let world = world(20_000);
    let (_, plan) = world.json(&["plan", "ROOT"]);
    let digest = weight(&plan, "pkg:digest");
    let total = plan["totals"]["kept"]["zipped_bytes"].as_u64().expect("a number");
    let unzipped = plan["totals"]["kept"]["unzipped_bytes"].as_u64().expect("a number");
    let budgets = |less: u64| {
        format!(
            "[[budget]]\nof = \"total\"\nzipped = \"{}B\"\nunzipped = \"{}B\"\n[[budget]]\nof = \"layer:*\"\nzipped = \"{}B\"\n\
             [[budget]]\nof = \"pkg:dig*\"\nzipped = \"{}B\"\n[[budget]]\nof = \"R/lib/R/library/*/R/*.rdb\"\nunzipped = \"{}B\"\n",
            total - less,
            unzipped - less,
            total - less,
            digest - less,
            // The seven packages of R have 50 times their name each.
            20_000 + 50 * "basecompilermethodsutilsstatsgraphicsgrDevices".len() as u64 - less,
        )
    };
    config(&world, &budgets(0));
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!((code, findings(&report, "B101")), (0, Vec::new()));
    config(&world, &budgets(1));
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    let over: Vec<String> = findings(&report, "B101").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(over, ["R/lib/R/library/*/R/*.rdb", "layer:layer-1", "pkg:digest", "total", "total"]);
    assert!(findings(&report, "B101").iter().all(|(_, message)| message.contains("are 1 B over its budget of")));
    // What was packed, and its zips alone, are held to the same.
    config(&world, &budgets(0));
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    for path in ["OUT", "out/layer-1.zip"] {
        config(&world, &budgets(0));
        assert_no_finding(&world.json(&["check", path]).1, "B101");
        config(&world, &budgets(1));
        assert_eq!(findings(&world.json(&["check", path]).1, "B101").len(), 5, "{path}");
    }
}

#[test]
fn what_is_over_its_budget_is_listed_first() {
    let world = world(20_000);
    config(&world, "[[budget]]\nof = \"pkg:*\"\nzipped = \"19KB\"\n");
    let (_, report) = world.json(&["check", "ROOT"]);
    let rows = report["compared"].as_array().expect("rows");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names[..3], ["total", "pkg:digest", "layer:layer-1"], "{names:?}");
    assert_eq!(names[3], "pkg:base", "{names:?}");
}

#[test]
fn a_budget_of_nothing_is_told_and_one_that_allows_everything_is_refused() {
    let world = world(100);
    config(
        &world,
        "[[budget]]\nof = \"pkg:digset\"\nzipped = \"1MB\"\n[[budget]]\nof = \"pkg:digest\"\nzipped = \"1MB\"\n",
    );
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "B103", "pkg:digset", "matches nothing in the layers, so it can never be exceeded");
    for (of, near) in [
        ("pkg:digset", Some("pkg:digest")),
        ("pkg:cran/digest", Some("pkg:digest")),
        ("digset", Some("pkg:digest")),
        ("layer-1", Some("layer:layer-1")),
        ("R/lib/R/library/digest", Some("R/lib/R/library/digest/**")),
        ("/opt/R/lib/R/library/digest/DESCRIPTION", Some("R/lib/R/library/digest/DESCRIPTION")),
        ("/opt/R/**", Some("R/**")),
        ("pkg:zzzzzzzz", None),
        ("layer:zzzzzzzz", None),
    ] {
        config(&world, &format!("[[budget]]\nof = {of:?}\nzipped = \"1MB\"\n"));
        let (code, report) = world.json(&["check", "ROOT"]);
        assert_eq!((code, findings(&report, "B103").len()), (1, 1), "{of}");
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "B103");
        let help = found.expect("B103")["help"].as_str().expect("text").to_owned();
        match near {
            Some(near) => assert!(help.starts_with(&format!("did you mean {near}?")), "{of}: {help}"),
            None => assert!(help.starts_with("correct it in layerfit.toml"), "{of}: {help}"),
        }
    }
    // What a pattern is for may come later.
    for of in ["pkg:tidy*", "share/**", "layer:[ab]"] {
        config(&world, &format!("[[budget]]\nof = {of:?}\nzipped = \"1MB\"\n"));
        let (code, report) = world.json(&["check", "ROOT"]);
        assert_eq!((code, findings(&report, "B103").len()), (0, 1), "{of}");
    }
    config(&world, "[[budget]]\nof = \"total\"\n");
    let run = world.run(&["check", "ROOT"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("limits nothing"), "{}", run.stderr);
    config(&world, "[[budget]]\nof = \"total\"\ngrowth = \"2 apples\"\n");
    assert!(world.run(&["check", "ROOT"]).stderr.contains("layerfit.toml:3:10: "));
}

#[test]
fn a_budget_of_a_bare_name_is_that_of_the_package_unless_a_file_has_it() {
    let world = world(20_000);
    config(&world, "[[budget]]\nof = \"digest\"\nzipped = \"1KB\"\n");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "B101", "pkg:digest", "over its budget of 1.00 KiB");
    assert_no_finding(&report, "B103");
    world.file("digest", "short");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!((code, findings(&report, "B101")), (0, Vec::new()));
}

#[test]
fn growth_since_a_manifest_is_held_in_percent_and_in_bytes() {
    let world = world(20_000);
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let check = |growth: &[&str]| world.json(&[&["check", "ROOT", "--baseline", "out/manifest.json"], growth].concat());
    assert_eq!(check(&[]).0, 0);
    grow(&world, 20_100);
    let (code, report) = check(&[]);
    assert_eq!(code, 1);
    // Stored, because deflate would make it no smaller: 100 bytes are 100 bytes.
    let grown = findings(&report, "B102");
    // Zipped and unzipped, it is one cause.
    assert_eq!(grown.len(), 1, "{grown:?}");
    let (_, message) = &grown[0];
    assert!(message.contains("zipped are 100 B more than "), "{message}");
    assert!(message.contains("KiB unzipped are 100 B more than "), "{message}");
    assert!(
        message.contains("in out/manifest.json, and +0 B is allowed; largest increases: digest +100 B"),
        "{message}"
    );
    // However little room there is, what is allowed and what shows the growth are there.
    let short = |growth: &[&str]| {
        let run = world.run(&[&["check", "ROOT", "--baseline", "out/manifest.json"], growth].concat());
        run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (growth, allowed) in [(&[][..], "and +0 B is allowed"), (&["--max-growth", "0.01%"], "and +0.01% is allowed")] {
        let text = short(growth);
        assert!(text.contains(allowed) && text.contains("`layerfit diff out/manifest.json "), "{text}");
    }
    let in_percent = short(&["--max-growth", "0.01%"]);
    assert!(in_percent.contains("% more than") || in_percent.contains("% (100 B) more than"), "{in_percent}");
    let (code, report) = check(&["--max-growth", "100B"]);
    assert_eq!(code, 0);
    assert_no_finding(&report, "B102");
    assert_eq!(check(&["--max-growth", "99B"]).0, 1);
    assert_eq!(check(&["--max-growth", "2%"]).0, 0);
    assert_eq!(check(&["--max-growth", "0.01%"]).0, 1);
    // A package's own word, and what is new has not grown.
    config(
        &world,
        "baseline = \"out/manifest.json\"\nmax-growth = \"1MB\"\n[[budget]]\nof = \"pkg:*\"\ngrowth = \"50B\"\n",
    );
    world.package("R/lib/R/library", "sys", "3.4", "");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    assert!(findings(&report, "B102").iter().all(|(subject, _)| subject == "pkg:digest"));
}

/// The sizes in a baseline can be compared: of all layers, of each, and of each package.
#[test]
fn a_baseline_is_compared_with_layers_and_with_another_baseline_as_far_as_it_goes() {
    let world = world(20_000);
    let record = |name: &str| {
        assert_eq!(world.json(&["check", "ROOT", "--baseline", name, "--update-baseline"]).0, 0);
    };
    record("old.json");
    let same = world.run(&["diff", "old.json", "ROOT"]);
    assert!(same.code == 0 && same.stdout.contains("have the same sizes"), "{}{}", same.stdout, same.stderr);
    grow(&world, 20_100);
    world.package("R/lib/R/library", "sys", "3.4", "");
    record("new.json");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    for new in ["ROOT", "OUT", "new.json", "out/manifest.json"] {
        let (_, diff) = world.json(&["diff", "old.json", new]);
        let change = |of: &Value| {
            let bytes = |side: &str| of[side]["zipped_bytes"].as_i64().unwrap_or(0);
            (of["name"].as_str().expect("text").to_owned(), bytes("now") - bytes("before"))
        };
        let packages: Vec<(String, i64)> = diff["packages"].as_array().expect("a list").iter().map(change).collect();
        assert!(packages.contains(&("digest".to_owned(), 100)), "{new}: {packages:?}");
        assert!(packages.iter().any(|(name, _)| name == "sys"), "{new}: {packages:?}");
        assert_eq!(packages.len(), 2, "{new}: {packages:?}");
        assert_eq!(diff["layers"][0]["name"], "layer-1", "{new}");
        assert!(change(&diff["total"]).1 > 100, "{new}: {diff:#}");
        assert_eq!(diff["files"].as_array().map(Vec::len), Some(0), "{new}");
        assert!(
            diff["sizes_only"].as_array().is_some_and(|files| files.contains(&"old.json".into())),
            "{new}: {diff:#}"
        );
    }
    let words = |arguments: &[&str]| {
        let run = world.run(arguments);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = words(&["diff", "old.json", "OUT"]);
    assert!(
        text.contains(
            "old.json is a baseline, which records the sizes of layers and packages: versions, files, rules and"
        ),
        "{text}"
    );
    assert!(words(&["diff", "old.json", "new.json"]).contains("old.json and new.json are baselines, which record the"));
    for format in ["markdown", "html"] {
        assert!(words(&["diff", "old.json", "OUT", "--format", format]).contains("is a baseline, which records"));
    }
    assert!(!words(&["diff", "out/manifest.json", "OUT"]).contains("baseline"));
    // The remedy of growth names the command.
    let (_, report) = world.json(&["check", "ROOT", "--baseline", "old.json"]);
    assert!(report["findings"].to_string().contains("`layerfit diff old.json "), "{:#}", report["findings"]);

    // What is neither is refused, and so is a baseline where files are needed.
    fs::write(world.beside("odd.json"), "{\"layerfit_baseline\": 9, \"sizes\": {}}").expect("written");
    let run = world.run(&["diff", "odd.json", "OUT"]);
    assert!(run.code == 2 && run.stderr.contains("its format is version 9"), "{}", run.stderr);
    fs::write(world.beside("report.json"), world.run(&["plan", "ROOT", "--format", "json"]).stdout).expect("written");
    let run = world.run(&["diff", "report.json", "OUT"]);
    assert!(run.code == 2 && run.stderr.contains("a report as JSON does not list"), "{}", run.stderr);
    let run = world.run(&["check", "ROOT", "--manifest", "old.json"]);
    assert!(run.code == 2 && run.stderr.contains("old.json: is a baseline, which records sizes"), "{}", run.stderr);
}

#[test]
fn the_baseline_file_only_shrinks() {
    let world = world(20_000);
    let path = world.beside("base.json");
    let baseline = || -> Value { serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON") };
    let total = || baseline()["sizes"]["total"]["zipped_bytes"].as_u64().expect("a number");
    let check = |more: &[&str]| world.json(&[&["check", "ROOT", "--baseline", "base.json"], more].concat());
    let run = world.run(&["check", "ROOT", "--baseline", "base.json"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--update-baseline"), "{}", run.stderr);
    assert_eq!(check(&["--update-baseline"]).0, 0);
    let first = total();

    grow(&world, 20_050);
    assert_eq!(check(&["--update-baseline"]).0, 1);
    assert_eq!(total(), first);
    // What may grow still does not raise it.
    assert_eq!(check(&["--update-baseline", "--max-growth", "1KB"]).0, 0);
    assert_eq!(total(), first);

    grow(&world, 19_000);
    let (code, report) = check(&[]);
    assert_eq!((code, total()), (0, first));
    assert_finding(&report, "B104", "base.json", "1000 B zipped smaller than it records");
    assert_eq!(check(&["--update-baseline"]).0, 0);
    assert_eq!(total(), first - 1000);
    assert_no_finding(&check(&[]).1, "B104");
    grow(&world, 20_000);
    assert_eq!(check(&[]).0, 1);
    assert_eq!(world.names_beside(), ["base.json", "opt"]);
}

#[test]
fn a_baseline_that_is_none_is_refused_and_stays_as_it_was() {
    let world = world(100);
    fs::write(world.beside("base.json"), "{\"layerfit_baseline\": 1, \"weight\": {}}").expect("written");
    let run = world.run(&["check", "ROOT", "--baseline", "base.json", "--update-baseline"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("unknown field `weight`"), "{}", run.stderr);
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let before = fs::read(world.beside("out/manifest.json")).expect("read");
    let run = world.run(&["check", "ROOT", "--baseline", "out/manifest.json", "--update-baseline"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("is a manifest"), "{}", run.stderr);
    assert_eq!(fs::read(world.beside("out/manifest.json")).expect("read"), before);
    for alone in [&["--update-baseline"][..], &["--max-growth", "2%"]] {
        assert_eq!(world.run(&[&["check", "ROOT"], alone].concat()).code, 2);
    }
}

#[test]
fn growth_in_the_file_needs_a_baseline_as_the_option_does() {
    let world = world(100);
    for text in ["max-growth = \"2%\"\n", "[[budget]]\nof = \"total\"\ngrowth = \"2%\"\n"] {
        config(&world, text);
        let run = world.run(&["check", "ROOT"]);
        assert_eq!(run.code, 2, "{text}");
        assert!(run.stderr.contains("has no effect without a baseline"), "{}", run.stderr);
        assert!(run.stderr.contains("baseline = \"layerfit.baseline.json\""), "{}", run.stderr);
        assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0, "{text}");
        assert_eq!(world.run(&["check", "ROOT", "--baseline", "out/manifest.json"]).code, 0, "{text}");
    }
}

#[test]
fn too_little_headroom_is_told_before_it_is_needed() {
    let world = world(1000);
    let (_, plan) = world.json(&["plan", "ROOT"]);
    let left = 262_144_000 - plan["totals"]["kept"]["unzipped_bytes"].as_u64().expect("a number");
    let check = |bytes: u64| world.json(&["check", "ROOT", "--headroom", &format!("{bytes}B")]);
    let (code, report) = check(left + 1);
    assert_eq!(code, 0);
    let said = findings(&report, "F106");
    assert!(said.iter().any(|(_, message)| message.contains("left unzipped")), "{said:?}");
    assert!(!findings(&check(left).1, "F106").iter().any(|(_, message)| message.contains("left unzipped")));
}

#[test]
fn a_tree_that_has_changed_since_its_manifest_is_told() {
    let world = world(1000);
    // A file that a higher level makes smaller.
    let words: String = noise(3, 20_000).iter().map(|byte| format!("word{} ", byte % 61)).collect();
    world.file("share/words", words);
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let check = |level: &str| world.json(&["check", "ROOT", "--manifest", "out/manifest.json", "--level", level]);
    // How hard it is compressed does not matter.
    assert_eq!(check("max").0, 0);
    world.file("R/lib/R/library/digest/NAMESPACE", "other").file("new", "x");
    fs::remove_file(world.root().join("R/lib/R/library/digest/R/digest.rdb")).expect("removed");
    let (code, report) = check("default");
    assert_eq!(code, 1);
    assert_finding(&report, "Z105", "out/manifest.json", "1 file changed, 1 added, 1 removed");
}

#[test]
fn findings_are_as_bad_as_the_configuration_says_where_it_says_so() {
    let world = World::new();
    world.library("lib/libgone.so", &[], &[]);
    world.library("lib/libx.so", &["lib/libgone.so"], &[]).library("bin/liby.so", &["lib/libgone.so"], &[]);
    world.program("bin/tool", &["lib/libgone.so"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    assert_eq!(world.json(&["check", "ROOT"]).0, 1);
    config(&world, "[[finding]]\ncode = \"L201\"\nsubject = \"bin/**\"\nseverity = \"off\"\nreason = \"never run\"\n");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!((code, report["ignored"].as_u64()), (0, Some(1)), "{:#}", report["findings"]);
    assert_no_finding(&report, "L201");
    // A remark that somebody wants to fail for.
    config(
        &world,
        "[[finding]]\ncode = \"L201\"\nseverity = \"info\"\n[[finding]]\ncode = \"L206\"\nseverity = \"error\"\n",
    );
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1, "{:#}", report["findings"]);
    // Another place, and a finding that is not there, are told.
    config(&world, "[[finding]]\ncode = \"L201\"\nsubject = \"lib64/*\"\nseverity = \"off\"\nreason = \"misspelt\"\n");
    let (code, report) = world.json(&["check", "ROOT", "--ignore", "R104"]);
    assert_eq!(code, 1);
    let said: Vec<String> = findings(&report, "P106").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(said, ["L201 lib64/*", "R104"]);
    // Codes of zips are not looked for in a tree, nor the other way round.
    assert_no_finding(&world.json(&["check", "ROOT", "--ignore", "Z104,L201,B101"]).1, "Z104");
}

#[test]
fn what_is_turned_off_has_a_reason_and_a_limit_is_never_off() {
    let world = world(10);
    for (text, said) in [
        ("[[finding]]\ncode = \"L201\"\nseverity = \"off\"\n", "without a reason"),
        ("[[finding]]\ncode = \"F101\"\nseverity = \"off\"\nreason = \"S3\"\n", "max-zipped"),
        ("[[finding]]\ncode = \"L999\"\nseverity = \"off\"\n", "layerfit.toml:2:8: unknown code `L999`"),
        ("[[finding]]\ncode = \"L201\"\nseverity = \"of\"\n", "did you mean `off`?"),
        ("[[finding]]\ncode = \"L201\"\nsubject = \"[\"\nseverity = \"info\"\n", "is not a glob"),
    ] {
        config(&world, text);
        let run = world.run(&["check", "ROOT"]);
        assert_eq!(run.code, 2, "{text}");
        assert!(run.stderr.contains(said), "{text}: {}", run.stderr);
    }
}

#[test]
fn a_diff_says_what_grew_what_moved_and_what_rules_drop() {
    let world = world(20_000);
    world.file("lib/data", noise(3, 500));
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let diff = |old: &str, new: &str| -> Value {
        let run = world.run(&["diff", old, new, "--format", "json"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        serde_json::from_str(&run.stdout).expect("JSON")
    };
    // However they are read, the same layers are the same.
    for same in ["OUT", "ROOT", "out/manifest.json", "out/layer-1.zip"] {
        let diff = diff("OUT", same);
        assert_eq!(
            (diff["files"].to_string(), diff["layers"].to_string()),
            ("[]".to_owned(), "[]".to_owned()),
            "{same}"
        );
        assert_eq!(diff["total"]["before"], diff["total"]["now"], "{same}");
    }
    let run = world.run(&["diff", "OUT", "ROOT"]);
    assert!(run.stdout.contains("have the same content"), "{}", run.stdout);

    world.package("R/lib/R/library", "digest", "0.6.33", "");
    grow(&world, 25_000);
    world.package("R/lib/R/library", "sys", "3.4", "").file("R/lib/R/library/sys/help/more.rdb", noise(2, 3000));
    fs::remove_file(world.root().join("lib/data")).expect("removed");
    config(
        &world,
        "[[layer]]\nname = \"packages\"\nholds = [\"pkg:digest\", \"pkg:sys\"]\n[[layer]]\nname = \"r\"\nholds = [\"*\"]\n",
    );
    let diff = diff("OUT", "ROOT");
    let digest = &diff["packages"][0];
    assert_eq!((digest["name"].as_str(), &digest["versions"][1]), (Some("digest"), &Value::from("0.6.33")));
    let grown = |thing: &Value| {
        thing["now"]["zipped_bytes"].as_i64().unwrap_or(0) - thing["before"]["zipped_bytes"].as_i64().unwrap_or(0)
    };
    assert!((5000..5100).contains(&grown(digest)), "{digest}");
    assert_eq!((diff["packages"][1]["name"].as_str(), diff["packages"][1]["before"].is_null()), (Some("sys"), true));
    let gone = diff["files"].as_array().expect("files").iter().find(|file| file["which"] == "removed").expect("one");
    assert_eq!((gone["path"].as_str(), grown(gone)), (Some("lib/data"), -(500 + 76 + 2 * 8)));
    let help = diff["rules"].as_array().expect("rules").iter().find(|rule| rule["name"] == "D101 help").expect("D101");
    // It was not weighed in zips.
    let unzipped = |side: &str| help[side]["unzipped_bytes"].as_i64().unwrap_or(0);
    assert!(unzipped("now") - unzipped("before") > 3000 && grown(help) == 0, "{help}");
    let from_to: Vec<&Value> = diff["moved"].as_array().expect("moved").iter().map(|moved| &moved["to"]).collect();
    assert!(
        !from_to.is_empty() && from_to.iter().all(|to| *to == "packages" || *to == "r" || *to == "layer-1"),
        "{from_to:?}"
    );
    // Everything that grew and shrank adds up to the whole, but for what each zip has of its own.
    let sum: i64 = diff["files"].as_array().expect("files").iter().map(grown).sum();
    let zips = diff["layers"].as_array().expect("layers");
    let other = |there: &str| i64::try_from(zips.iter().filter(|layer| layer[there].is_null()).count()).expect("few");
    let more_zips = other("before") - other("now");
    assert_eq!(grown(&diff["total"]), sum + 22 * more_zips);
    for format in ["table", "markdown"] {
        let shown = world.run(&["diff", "OUT", "ROOT", "--format", format]).stdout;
        assert!(shown.contains("digest 0.6.31 → 0.6.33"), "{shown}");
    }
    assert_eq!(world.run(&["diff", "OUT", "ROOT", "--format", "sarif"]).code, 2);
    assert_eq!(world.run(&["diff", "OUT", "gone"]).code, 2);
}

#[test]
fn what_is_not_whole_is_not_compared() {
    let world = world(1000);
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let zip = world.beside("out/layer-1.zip");
    let bytes = fs::read(&zip).expect("read");
    fs::write(&zip, &bytes[..bytes.len() - 30]).expect("written");
    for cut in ["OUT", "out/layer-1.zip"] {
        let run = world.run(&["diff", "ROOT", cut]);
        assert!(run.code == 2 && run.stderr.contains("layer-1.zip"), "{cut}: {}{}", run.stdout, run.stderr);
    }
    fs::remove_file(&zip).expect("removed");
    let run = world.run(&["diff", "ROOT", "OUT"]);
    assert!(run.code == 2 && run.stderr.contains("not in the directory"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn too_little_headroom_in_the_zips_is_told_to_the_byte() {
    let world = world(1000);
    let limits = ["--max-zipped", "100000", "--max-layers", "3"];
    let (_, plan) = world.json(&[&["plan", "ROOT"], &limits[..]].concat());
    assert_eq!(plan["layers"].as_array().expect("layers").len(), 1);
    // What the layer has left, and two layers that are not there yet.
    let left = 300_000 - plan["totals"]["kept"]["zipped_bytes"].as_u64().expect("a number");
    let told = |headroom: u64| {
        let headroom = format!("{headroom}B");
        let (code, report) = world.json(&[&["check", "ROOT", "--headroom", &headroom], &limits[..]].concat());
        assert_eq!(code, 0);
        findings(&report, "F106").into_iter().map(|(_, message)| message).collect::<Vec<_>>()
    };
    assert_eq!(told(left), Vec::<String>::new());
    let [message] = told(left + 1).try_into().expect("one finding");
    assert!(message.contains("zipped") && !message.contains("unzipped"), "{message}");
}

#[test]
fn what_only_a_run_or_a_zip_or_the_gate_can_find_is_not_missed_where_nothing_is_run() {
    let world = world(100);
    config(
        &world,
        "[[finding]]\ncode = \"X101\"\nseverity = \"warning\"\n[[finding]]\ncode = \"Z104\"\nseverity = \"info\"\n",
    );
    for more in [&[][..], &["--ignore", "X102,X103,Z101,S109,B101,F106"]] {
        let (code, report) = world.json(&[&["plan", "ROOT"], more].concat());
        assert_eq!(code, 0);
        assert_no_finding(&report, "P106");
    }
    // What the run does look for is missed.
    let (_, report) = world.json(&["plan", "ROOT", "--ignore", "L201"]);
    assert_finding(&report, "P106", "L201", "no finding matches it");
    // The gate misses its own codes, when it is what looks.
    let (_, report) = world.json(&["check", "ROOT", "--ignore", "X101,B101,Z101"]);
    assert_finding(&report, "P106", "B101", "no finding matches it");
    // And zips theirs.
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let (_, report) = world.json(&["check", "OUT", "--ignore", "Z101,X101,L201"]);
    let missed: Vec<String> = findings(&report, "P106").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(missed, ["Z101", "Z104"]);
}

#[test]
fn a_baseline_of_another_form_is_refused() {
    let world = world(100);
    fs::write(world.beside("base.json"), "{\"layerfit_baseline\": 2, \"sizes\": {}}").expect("written");
    let run = world.run(&["check", "ROOT", "--baseline", "base.json", "--update-baseline"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("base.json"), "{}", run.stderr);
    // Nothing to hold it to, and nothing to be written: only a baseline that is to be made can be missing.
    let run = world.run(&["check", "ROOT", "--baseline", "gone.json"]);
    assert!(run.code == 2 && run.stderr.contains("--update-baseline"), "{}", run.stderr);
    assert_eq!(world.run(&["check", "ROOT", "--baseline", "gone.json", "--update-baseline"]).code, 0);
    assert!(world.beside("gone.json").exists());
}

#[test]
fn a_baseline_is_not_written_when_anything_fails() {
    let world = world(20_000);
    let update = ["check", "ROOT", "--baseline", "base.json", "--update-baseline"];
    assert_eq!(world.json(&update).0, 0);
    let first = fs::read(world.beside("base.json")).expect("read");
    grow(&world, 10_000);
    let same = |why: &str| assert_eq!(fs::read(world.beside("base.json")).expect("read"), first, "{why}");
    // A budget that is exceeded, though the whole has shrunk.
    config(&world, "[[budget]]\nof = \"pkg:digest\"\nzipped = \"100B\"\n");
    assert_eq!(world.json(&update).0, 1);
    same("over budget");
    // An error of the tree, with the gate content.
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    world.file("lib/bad.so", b"\x7fELF");
    assert_eq!(world.json(&update).0, 1);
    same("an error");
    // A warning is none.
    fs::remove_file(world.root().join("lib/bad.so")).expect("removed");
    world.link("nowhere", "gone");
    assert_eq!(world.json(&update).0, 0);
    assert_ne!(fs::read(world.beside("base.json")).expect("read"), first);
}

#[test]
fn sizes_are_listed_with_their_change_since_the_baseline_and_their_budgets() {
    let world = world(20_000);
    assert_eq!(world.json(&["pack", "ROOT", "-o", "OUT"]).0, 0);
    grow(&world, 20_100);
    world.package("R/lib/R/library", "fresh", "3.4", "");
    config(
        &world,
        "baseline = \"out/manifest.json\"\nmax-growth = \"1MB\"\n[[budget]]\nof = \"pkg:digest\"\nzipped = \"1MB\"\n",
    );
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    let compared = report["compared"].as_array().expect("compared");
    let bytes = |name: &str, key: &str| {
        let of = compared.iter().find(|of| of["name"] == name).unwrap_or_else(|| panic!("{name} in {compared:#?}"));
        of[key]["zipped_bytes"].as_i64()
    };
    let growth = |name: &str| bytes(name, "now").zip(bytes(name, "before")).map(|(now, before)| now - before);
    assert_eq!(growth("pkg:digest"), Some(100));
    assert_eq!((growth("pkg:fresh"), bytes("pkg:fresh", "before")), (None, None));
    assert_eq!(growth("total"), bytes("pkg:fresh", "now").map(|fresh| fresh + 100));
    assert_eq!(compared[0]["name"], "total");
    assert!(compared.iter().any(|of| of["name"] == "layer:layer-1"), "{compared:#?}");
    // What did not change and has no budget is left out.
    assert!(!compared.iter().any(|of| of["name"] == "pkg:stats"), "{compared:#?}");
    let shown = world.run(&["check", "ROOT"]).stdout;
    let row = shown.lines().find(|line| line.contains("pkg:digest")).expect("a row");
    assert!(row.contains("+100 B") && row.contains("1.00 MiB zipped"), "{shown}");
    let markdown = world.run(&["check", "ROOT", "--format", "markdown"]).stdout;
    assert!(markdown.starts_with("# PASS") && markdown.contains("| pkg:fresh | "), "{markdown}");
    // Without baseline and budget there is nothing to compare.
    config(&world, "");
    assert_eq!(world.json(&["check", "ROOT"]).1["compared"], Value::Null);
}

#[test]
fn what_becomes_of_the_baseline_file_is_told() {
    let world = world(20_000);
    let said = |more: &[&str]| {
        let run = world.run(&[&["check", "ROOT", "--baseline", "base.json", "--update-baseline"], more].concat());
        assert_eq!(run.code, 0, "{}", run.stdout);
        run.stderr
    };
    assert_eq!(said(&[]), "layerfit: base.json: written; commit it\n");
    assert_eq!(said(&[]), "layerfit: base.json: unchanged\n");
    grow(&world, 20_050);
    // The total, the layer and the package.
    let as_before = "3 sizes that grew are recorded as before (to accept growth, remove the file first)";
    assert_eq!(said(&["--max-growth", "1KB"]), format!("layerfit: base.json: unchanged; {as_before}\n"));
    world.package("R/lib/R/library", "sys", "3.4", "");
    assert!(said(&["--max-growth", "100KB"]).starts_with("layerfit: base.json: updated; "));
    assert_eq!(said(&["--max-growth", "100KB", "-q"]), "");
}

#[test]
fn a_baseline_that_is_not_there_is_told_before_the_tree_is_read() {
    let world = World::new();
    let run = world.run(&["check", "no-tree", "--baseline", "no-base.json"]);
    assert!(run.code == 2 && run.stderr.contains("no-base.json: no such baseline"), "{}", run.stderr);
}

#[test]
fn growth_without_a_unit_is_probably_a_percentage() {
    let run = world(100).run(&["check", "ROOT", "--baseline", "base.json", "--max-growth", "2"]);
    assert!(run.code == 2 && run.stderr.contains("2 has no unit: did you mean 2%, or 2MiB?"), "{}", run.stderr);
}
