//! `why` says for whom something is kept, by the shortest way or by all, or what dropped it; and where the loader looks.

use crate::support::World;
use crate::support::elf::Elf;
use serde_json::Value;

const LIBRARY: &str = "R/lib/R/library";

/// R with a library of its own, which needs one of lib; a package that needs both; and a program.
fn world() -> World {
    let world = World::new();
    world.r();
    world.library("lib/libdeep.so.5.0", &[], &["-Wl,-soname,libdeep.so.5"]).link("lib/libdeep.so.5", "libdeep.so.5.0");
    world.library("R/lib/R/lib/libR.so", &["lib/libdeep.so.5.0"], &[]);
    world.program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    world.package(LIBRARY, "Matrix", "1.5", "Imports: stats\n").package(LIBRARY, "mgcv", "1.8", "Depends: Matrix\n");
    world.library("R/lib/R/library/Matrix/libs/Matrix.so", &["lib/libdeep.so.5.0"], &[]);
    world.program("bin/tool", &["lib/libdeep.so.5.0"], &[]);
    world
}

fn why(world: &World, arguments: &[&str]) -> Value {
    let (code, answer) = world.json(&[&["why"], arguments].concat());
    assert_eq!(code, 0);
    answer
}

fn only(answer: &Value) -> &Value {
    let things = answer["things"].as_array().expect("things");
    assert_eq!(things.len(), 1, "{answer:#}");
    &things[0]
}

/// A way as one line: `R reads R/lib/R/lib/libR.so loads lib/libdeep.so.5.0`.
fn line(way: &Value) -> String {
    let step =
        |step: &Value| format!(" {} {}", step["how"].as_str().expect("how"), step["name"].as_str().expect("a name"));
    let steps: String = way["steps"].as_array().expect("steps").iter().map(step).collect();
    format!("{}{steps}", way["root"].as_str().expect("a root"))
}

fn lines(thing: &Value) -> Vec<String> {
    thing["paths"].as_array().expect("ways").iter().map(line).collect()
}

#[test]
fn a_library_is_there_for_who_loads_it_by_the_shortest_way_from_a_root() {
    let world = world();
    for name in ["libdeep.so.5", "lib/libdeep.so.5", "/opt/lib/libdeep.so.5.0", "lib:lib/libdeep.so.5.0"] {
        let answer = why(&world, &[name, "ROOT"]);
        let thing = only(&answer);
        assert_eq!(thing["state"], "kept");
        if !name.starts_with("lib:") {
            assert_eq!((thing["kind"].as_str(), thing["name"].as_str()), (Some("library"), Some("lib/libdeep.so.5.0")));
        }
        let way = &lines(thing)[0];
        assert!(way.starts_with("R reads R/lib/R/lib/libR.so loads lib/libdeep.so.5"), "{name}: {way}");
    }
}

#[test]
fn all_ways_are_every_one_the_shortest_first() {
    let world = world();
    let answer = why(&world, &["libdeep.so.5", "ROOT", "--all"]);
    let ways = lines(only(&answer));
    for way in [
        "R reads R/lib/R/lib/libR.so loads lib/libdeep.so.5.0",
        "R reads R/lib/R/bin/exec/R loads R/lib/R/lib/libR.so loads lib/libdeep.so.5.0",
        "installed is pkg:Matrix reads R/lib/R/library/Matrix/libs/Matrix.so loads lib/libdeep.so.5.0",
        "in the tree is bin/tool loads lib/libdeep.so.5.0",
    ] {
        assert!(ways.contains(&way.to_owned()), "{way} in {ways:#?}");
    }
    assert_eq!(only(&answer)["truncated"], false);
    let steps = |way: &Value| way["steps"].as_array().expect("steps").len();
    assert!(only(&answer)["paths"].as_array().expect("ways").is_sorted_by_key(steps), "{ways:#?}");

    let answer = why(&world, &["pkg:Matrix", "ROOT", "--all"]);
    assert_eq!(lines(only(&answer)), ["installed is pkg:Matrix", "installed is pkg:mgcv imports pkg:Matrix"]);
    assert_eq!(only(&answer)["imported_by"], serde_json::json!(["pkg:mgcv"]));
}

#[test]
fn more_ways_than_are_listed_are_said() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/p0", &["lib/libx.so"], &[]);
    for number in 1..60 {
        std::fs::copy(world.root().join("bin/p0"), world.root().join(format!("bin/p{number}"))).expect("copied");
    }
    let answer = why(&world, &["libx.so", "ROOT", "--all"]);
    let thing = only(&answer);
    assert_eq!((lines(thing).len(), thing["truncated"].as_bool()), (50, Some(true)));
    assert!(world.run(&["why", "libx.so", "ROOT", "--all"]).stdout.contains("50 paths, and more"));
    assert_eq!(thing["needed_by"].as_array().expect("needers").len(), 60);
}

#[test]
fn who_needs_a_library_is_said_for_each_process_with_the_place_where_it_is_found() {
    let world = world();
    world.library("lib/libcurl.so.4", &[], &[]);
    world.library("R/lib/R/library/Matrix/libs/curl.so", &["lib/libcurl.so.4"], &[]);
    world.program("bin/curl", &["lib/libcurl.so.4"], &[]);
    let answer = why(&world, &["libcurl.so.4", "ROOT"]);
    let found = |file: &str| {
        let needers = only(&answer)["needed_by"].as_array().expect("needers");
        let of = needers.iter().find(|n| n["file"] == file).unwrap_or_else(|| panic!("{file} in {needers:#?}"));
        [&of["process"], &of["found"], &of["path"]].map(|value| value.as_str().expect("text").to_owned())
    };
    assert_eq!(found("R/lib/R/library/Matrix/libs/curl.so"), ["R", "layer", "/opt/lib/libcurl.so.4"]);
    assert_eq!(found("bin/curl"), ["other", "runtime", "/lib64/libcurl.so.4"]);
    // Which of the two it is depends on who asks. Without versions, nothing is known of what the image's would do.
    let image = &only(&answer)["in_image"];
    assert_eq!((&image["soname"], &image["path"]), (&"libcurl.so.4".into(), &"/lib64/libcurl.so.4".into()), "{image}");
    assert!(image["lacks"].is_null(), "{image}");
    let text = world.run(&["why", "libcurl.so.4", "ROOT"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "The image has a libcurl.so.4 too: /lib64/libcurl.so.4. That of the tree is loaded in R; that of the image in \
                other programs. Symbol versions do not show whether it would do for all.";
    assert!(text.contains(said), "{text}");
    assert!(only(&why(&world, &["libdeep.so.5", "ROOT"])).get("in_image").is_none(), "the image has none of that name");
}

/// A symbol version that the image's library of the same name does not define, or does.
#[test]
fn the_images_library_of_a_name_lacks_the_versions_that_it_does_not_define() {
    for (version, lacks, said) in [
        ("ZLIB_9.9.9", vec!["ZLIB_9.9.9"], "It would not do for all: it does not define ZLIB_9.9.9."),
        (
            "ZLIB_1.2.9",
            vec![],
            "It defines each symbol version that is needed, which does not prove that it behaves alike.",
        ),
    ] {
        let world = World::new();
        let user = Elf::program().needs("libz.so.1").needs_version("libz.so.1", version);
        world.file("lib/libz.so.1", Elf::library("libz.so.1").bytes());
        world.file("bin/tool", user.bytes()).mode("bin/tool", 0o755);
        let profile = world.run(&["runtime", "show", "provided.al2023"]).stdout;
        let heading = "[libraries.defines]\n";
        assert!(profile.contains(heading), "{profile}");
        let profile = profile.replace(heading, &format!("{heading}\"/lib64/libz.so.1\" = [\"ZLIB_1.2.9\"]\n"));
        std::fs::write(world.beside("mine.toml"), profile).expect("written");
        std::fs::write(world.beside("layerfit.toml"), "runtime = \"mine.toml\"\n").expect("written");
        let answer = why(&world, &["lib/libz.so.1", "ROOT"]);
        assert_eq!(only(&answer)["in_image"]["lacks"], Value::from(lacks), "{answer:#}");
        let text = world.run(&["why", "lib/libz.so.1", "ROOT"]).stdout;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("What needs it loads that of the image.") && text.contains(said), "{text}");
    }
}

#[test]
fn a_library_of_the_image_and_one_of_nobody_are_answered_too() {
    let world = world();
    world.library("gone/libgone.so.1", &[], &[]);
    world.c(
        "bin/needy",
        "int entry(void) { return 0; }",
        &["gone/libgone.so.1"],
        &["-nostdlib", "-pie", "-fPIC", "-Wl,-e,entry", "-Wl,--no-as-needed", "-lm"],
    );
    world.mode("bin/needy", 0o755);
    std::fs::remove_dir_all(world.root().join("gone")).expect("removed");

    let answer = why(&world, &["libgone.so.1", "ROOT"]);
    let thing = only(&answer);
    assert_eq!(
        (thing["state"].as_str(), lines(thing)),
        (Some("missing"), vec!["in the tree is bin/needy loads libgone.so.1".to_owned()])
    );
    let searched = thing["needed_by"][0]["searched"].as_array().expect("directories");
    assert!(searched.contains(&Value::from("/opt/lib")) && searched.contains(&Value::from("/lib64")), "{searched:?}");
    assert!(thing["answer"].as_str().expect("text").contains("neither in the tree nor in provided.al2023"));

    let answer = why(&world, &["libm.so.6", "ROOT"]);
    let thing = only(&answer);
    assert_eq!(
        (thing["state"].as_str(), lines(thing)),
        (Some("runtime"), vec!["in the tree is bin/needy loads /lib64/libm.so.6".to_owned()])
    );
}

#[test]
fn a_dropped_file_names_the_rule_its_reason_and_what_it_breaks() {
    let world = world();
    let answer = why(&world, &["R/lib/R/library/Matrix/help/Matrix.rdb", "ROOT"]);
    let thing = only(&answer);
    assert_eq!((thing["kind"].as_str(), thing["state"].as_str()), (Some("file"), Some("dropped")));
    let rule = &thing["dropped_by"][0];
    assert_eq!((rule["rule"].as_str(), rule["name"].as_str()), (Some("D101"), Some("help")));
    for reason in ["what", "why_safe", "breaks"] {
        assert!(rule[reason].as_str().is_some_and(|text| text.len() > 20), "{reason}: {rule}");
    }
    assert!(lines(thing).is_empty());
    let text = world.run(&["why", "R/lib/R/library/Matrix/help/Matrix.rdb", "ROOT"]).stdout;
    assert!(text.contains("is dropped by D101 (help)") && text.contains("why safe"), "{text}");
    // With the rule off it is there, with its package.
    let answer = why(&world, &["R/lib/R/library/Matrix/help/Matrix.rdb", "ROOT", "--ignore", "D101"]);
    assert_eq!(lines(only(&answer)), ["installed is pkg:Matrix has R/lib/R/library/Matrix/help/Matrix.rdb"]);
}

#[test]
fn a_library_that_nothing_reaches_any_more_says_so() {
    let world = world();
    world.library("lib/libalone.so", &[], &[]).library("lib/libcurl.so.4", &[], &[]);
    world.program("bin/curl", &["lib/libcurl.so.4"], &[]);
    for (name, reason) in [
        ("libalone.so", "nothing kept needs it"),
        ("libcurl.so.4", "the loader finds /lib64/libcurl.so.4 of the image first"),
    ] {
        let answer = why(&world, &[name, "ROOT", "--select", "D901"]);
        let thing = only(&answer);
        assert_eq!((thing["state"].as_str(), thing["dropped_by"][0]["rule"].as_str()), (Some("dropped"), Some("D901")));
        assert!(thing["answer"].as_str().expect("text").contains(reason), "{}", thing["answer"]);
        let answer = why(&world, &[name, "ROOT"]);
        assert_eq!(only(&answer)["state"], "kept");
        assert!(only(&answer)["answer"].as_str().expect("text").contains(reason), "{}", only(&answer)["answer"]);
    }
}

#[test]
fn what_the_guard_holds_is_said_with_who_needs_it() {
    let world = World::new();
    world.r().package(LIBRARY, "tcltk", "4.2.2", "").package(LIBRARY, "gui", "1.0", "Imports: tcltk\n");
    let answer = why(&world, &["pkg:tcltk", "ROOT", "--all"]);
    let thing = only(&answer);
    assert_eq!(thing["held_back"], serde_json::json!(["D301"]));
    assert!(lines(thing).contains(&"installed is pkg:gui imports pkg:tcltk".to_owned()));
    let said = |name: &str| {
        let run = world.run(&["why", name, "ROOT", "--all"]);
        run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // Of a package, it can be a part.
    let text = said("pkg:tcltk");
    assert!(text.contains("D301 would drop files of it that something kept needs; `layerfit why FILE`"), "{text}");
    let text = said(&format!("{LIBRARY}/tcltk/DESCRIPTION"));
    assert!(!text.contains("files of it"), "{text}");
}

#[test]
fn a_name_that_is_not_there_is_exit_code_2_and_names_like_it() {
    let world = world();
    for (name, like) in [
        ("pkg:matrix", "pkg:Matrix"),
        ("libdep.so.5", "lib/libdeep.so.5"),
        ("lib/libdeep.so.6", "lib/libdeep.so.5"),
        ("R/lib/R/library/mgvc/NAMESPACE", "NAMESPACE"),
        ("matrix", "pkg:Matrix"),
    ] {
        let run = world.run(&["why", name, "ROOT"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{name}");
        assert!(run.stderr.contains("not found in the tree") && run.stderr.contains(like), "{}", run.stderr);
    }
    assert_eq!(world.run(&["why", "libdeep.so.5", "nowhere"]).code, 2);
    assert_eq!(world.run(&["why", "--all", "a", "b", "c"]).code, 2);
}

#[test]
fn the_answer_fits_80_columns_and_names_cannot_become_markup() {
    let world = world();
    world.file("share/a/very/long/path/that/does/not/end/before/the/line/of/a/terminal/is/full/of/it", "x");
    for arguments in [
        &["why", "libdeep.so.5", "ROOT", "--all"][..],
        &["why", "pkg:Matrix", "ROOT", "-v"],
        &["why", "share", "ROOT"],
        &["why", "r", "ROOT"],
        &["why", "--if-dropped", "pkg:stats,lib", "ROOT"],
    ] {
        let run = world.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
        for line in run.stdout.lines() {
            assert!(line.chars().count() <= 80 && line == line.trim_end(), "{line:?}");
        }
    }
    world.file("<script>|x", "x");
    let run = world.run(&["why", "<script>|x", "ROOT", "--format", "markdown"]);
    assert!(run.stdout.contains("&lt;script&gt;\\|x") && !run.stdout.contains("<script>"), "{}", run.stdout);
}

#[test]
fn a_package_is_known_by_its_name_alone_unless_something_else_has_it() {
    let world = world();
    let answer = why(&world, &["Matrix", "ROOT"]);
    assert_eq!((&only(&answer)["kind"], &only(&answer)["name"]), (&"package".into(), &"pkg:Matrix".into()));
    let dropped = world.json(&["plan", "ROOT", "--drop", "mgcv"]).1;
    assert!(dropped["packages"].as_array().expect("packages").iter().all(|package| package["name"] != "mgcv"));
    // A program of that name could be meant as well.
    world.file("share/x/Matrix", "");
    let run = world.run(&["why", "Matrix", "ROOT"]);
    assert!(run.code == 2 && run.stderr.contains("name one of them, such as why pkg:Matrix"), "{}", run.stderr);
    // A name that nothing has: where it was looked for.
    let run = world.run(&["why", "Matrx", "ROOT"]);
    let root = world.root().display().to_string();
    assert!(run.stderr.contains(&format!("not found in the tree ({root})")), "{}", run.stderr);
    assert!(run.stderr.contains("pkg:Matrix"), "{}", run.stderr);
}

#[test]
fn without_a_target_it_lists_what_nothing_needs_with_what_only_that_needs() {
    let world = world();
    world.package(LIBRARY, "alone", "1.0", "Suggests: mgcv\n").library("lib/libidle.so.1", &[], &[]);
    let root = world.root().display().to_string();
    let answer = why(&world, &[&root]);
    let all: Vec<(&str, &Value)> = answer["unneeded"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| (item["name"].as_str().expect("a name"), &item["with_it"]))
        .collect();
    let none = serde_json::json!([]);
    let matrix = serde_json::json!(["pkg:Matrix"]);
    let mut sorted = all.clone();
    sorted.sort_by_key(|(name, _)| *name);
    assert_eq!(sorted, [("lib/libidle.so.1", &none), ("pkg:alone", &none), ("pkg:mgcv", &matrix)]);
    let freed = |item: &Value| item["freed"]["zipped_bytes"].as_u64().expect("bytes");
    let items = answer["unneeded"].as_array().expect("a list");
    assert!(items.is_sorted_by(|a, b| freed(a) >= freed(b)), "{items:#?}");
    let mgcv = items.iter().find(|item| item["name"] == "pkg:mgcv").expect("listed");
    assert_eq!(mgcv["option_of"], serde_json::json!(["pkg:alone"]));
    // It frees what dropping both frees.
    let both = why(&world, &["--if-dropped", "pkg:mgcv,pkg:Matrix", "ROOT"]);
    assert_eq!(freed(mgcv), both["if_dropped"]["freed"]["zipped_bytes"].as_u64().expect("bytes"));
    // A package that nothing needs says so; one that another needs does not.
    let shown = world.run(&["why", "mgcv", "ROOT"]).stdout;
    assert!(shown.contains("Nothing in the tree needs it") && shown.contains("--drop pkg:mgcv,pkg:Matrix"), "{shown}");
    let shown = world.run(&["why", "pkg:Matrix", "ROOT"]).stdout;
    assert!(shown.contains("pkg:mgcv needs it.") && !shown.contains("Nothing in the tree"), "{shown}");
    let shown = world.run(&["why", &root]).stdout;
    assert!(shown.contains("only it needs Matrix; alone can use it"), "{shown}");
}

#[test]
fn what_is_kept_on_request_names_the_request() {
    let world = world();
    world.file("share/doc/tool/README", "text").file("share/plain", "text");
    let keep = ["--keep", "pkg:mgcv,share/doc/tool", "--keep", "share/plain"];
    for (target, words) in [
        ("mgcv", "It is kept by --keep pkg:mgcv."),
        ("share/doc/tool/README", "kept by --keep share/doc/tool."),
        ("share/plain", "share/plain is kept by --keep share/plain."),
    ] {
        let arguments = [&["why", target, "ROOT"], &keep[..]].concat();
        let run = world.run(&arguments);
        let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words) && text.matches("--keep").count() == 1, "{target}: {}{}", run.stdout, run.stderr);
        assert!(!text.contains("because it is installed"), "{text}");
        assert!(!world.run(&arguments[..3]).stdout.contains("--keep"));
    }
    let answer = why(&world, &[&["mgcv", "ROOT"], &keep[..]].concat());
    assert_eq!(only(&answer)["kept_by"], serde_json::json!(["pkg:mgcv"]));
}

#[test]
fn only_what_stays_is_named_as_what_can_use_an_unneeded_package() {
    let world = world();
    // `gone` is dropped, and `part` goes with `alone`; only `other` stays.
    world.package(LIBRARY, "alone", "1.0", "Imports: part\n").package(LIBRARY, "part", "1.0", "Suggests: alone\n");
    world.package(LIBRARY, "gone", "1.0", "Suggests: alone\n").package(LIBRARY, "other", "1.0", "Suggests: alone\n");
    let answer = why(&world, &[&world.root().display().to_string(), "--drop", "pkg:gone"]);
    let items = answer["unneeded"].as_array().expect("a list");
    let alone = items.iter().find(|item| item["name"] == "pkg:alone").expect("listed");
    assert_eq!(alone["with_it"], serde_json::json!(["pkg:part"]));
    assert_eq!(alone["option_of"], serde_json::json!(["pkg:other"]));
}

#[test]
fn a_dropped_package_is_needed_by_nothing_even_if_one_that_is_kept_names_it() {
    let world = world();
    // Two that need each other go together when one is dropped; `stays` is kept in spite of what it needs.
    world.package(LIBRARY, "gone", "1.0", "").package(LIBRARY, "stays", "1.0", "Imports: gone\n");
    let answer = why(&world, &["pkg:gone", "ROOT", "--drop", "pkg:gone"]);
    let thing = only(&answer);
    assert_eq!(thing["state"], "dropped");
    assert!(lines(thing).is_empty(), "{:?}", lines(thing));
}

#[test]
fn paths_of_this_machine_that_lie_in_the_tree_are_understood() {
    let world = World::new();
    world.file("lib/data", "x").link("lib/link", "data");
    let root = world.root();
    let name = root.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
    for path in [
        root.join("lib/data").display().to_string(),
        format!("./{name}/lib/data"),
        format!("{name}/lib/../lib/data"),
        format!(
            "../{}/{name}/lib/data",
            root.parent().and_then(|up| up.file_name()).expect("a name").to_str().expect("UTF-8")
        ),
    ] {
        assert_eq!(only(&why(&world, &[&path, "ROOT"]))["name"], "lib/data", "{path}");
    }
    assert_eq!(only(&why(&world, &[&format!("./{name}/lib/link"), "ROOT"]))["name"], "lib/link");
    assert_eq!(world.run(&["why", "./elsewhere/lib/data", "ROOT"]).code, 2);
    // A directory that is named alone is looked for in /opt, and may be the tree.
    let run = world.run(&["why", &name]);
    assert!(run.code == 2 && run.stderr.contains(&format!("layerfit why ./{name}")), "{}", run.stderr);
    let run = world.run(&["why", "elsewhere"]);
    assert!(run.code == 2 && !run.stderr.contains("layerfit why ./"), "{}", run.stderr);
}
