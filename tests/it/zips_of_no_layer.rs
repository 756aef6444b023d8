//! Zips and trees whose content would not be found in `/opt` are told, with what to do; those that are used as they are, are not.

use std::fs;

use crate::support::raw_zip::{Part, zip};
use crate::support::{World, assert_finding, assert_no_finding, findings};
use serde_json::Value;

const RUN: u32 = 0o100_755;

fn program(name: &str) -> Part {
    Part::stored(name, "#!/bin/sh\n").mode(RUN)
}

fn file(name: &str) -> Part {
    Part::stored(name, if name.ends_with("/package.json") { "{}" } else { "x" })
}

fn checked(parts: &[Part]) -> (i32, Value) {
    let world = World::new();
    fs::write(world.beside("a.zip"), zip(parts)).expect("written");
    world.json(&["check", "a.zip"])
}

fn assert_clean(parts: &[Part]) {
    let (code, report) = checked(parts);
    let told = report["findings"].as_array().expect("findings").iter().filter(|f| f["severity"] != "info").count();
    assert_eq!((code, told), (0, 0), "{:#}", report["findings"]);
}

#[test]
fn one_directory_around_a_layer() {
    for parts in [
        vec![program("my-layer-1.0/bootstrap"), program("my-layer-1.0/bin/x")],
        vec![file("layer/python/a.py"), file("README.md"), file("__MACOSX/layer/python/._a.py"), file(".DS_Store")],
        vec![program("agent/extensions/agent")],
        vec![program("opt/bootstrap"), file("README.md")],
        vec![program("opt/bootstrap"), file("__MACOSX/opt/._bootstrap")],
        vec![file("opt/share/a")],
        vec![program("a/b/bootstrap"), program("a/b/bin/x")],
        vec![file("layer/opt/python/requests/__init__.py")],
        vec![program("rootfs/opt/bin/x")],
        vec![file("package/nodejs/node_modules/x/index.js"), file("docs/a.md"), file(".github/ci.yml")],
        vec![program("opt/bootstrap"), file("var/task/handler.py")],
    ] {
        let (code, report) = checked(&parts);
        assert_eq!((code, findings(&report, "Z113").len()), (1, 1), "{:#}", report["findings"]);
    }
    // It may be used by its full path.
    let (code, report) = checked(&[program("tool/bin/x"), file("tool/lib/a")]);
    assert_eq!(code, 0);
    assert_finding(&report, "Z113", "tool", "looks like the content of a layer");
    assert_clean(&[program("jre17/bin/java"), file("jre17/lib/modules")]);
    assert_clean(&[file("local/lib/R/site-library/a/x"), file("local/bin/x")]);
    assert_clean(&[program("tool/bin/x"), file("share/a")]);
    assert_clean(&[program("tool/bin/x"), program("bootstrap")]);
    // Directories of an application that have such names.
    assert_clean(&[file("app/bootstrap/app.php"), file("app/public/index.php")]);
    assert_clean(&[file("editor/extensions/git/package.json"), file("editor/product.json")]);
    assert_clean(&[program("sdk/python/bin/python3"), file("sdk/python/lib/os.py")]);
    for content in [vec![file("models/m.bin")], vec![file("data/de/a.csv")], vec![file("share/x")]] {
        assert_clean(&content);
    }
    for content in [program("opt/bin/x"), file("opt/lib/x")] {
        let of_root_file_system = [content.clone(), file("etc/a"), file("usr/share/a")];
        assert_finding(&checked(&of_root_file_system).1, "Z113", "opt", "it would be in /opt/opt");
        assert_clean(&[content, program("lib/y")]);
    }
}

#[test]
fn programs_of_a_whole_system_and_those_in_opt_beside_a_layer() {
    for (parts, subject) in [
        (vec![program("usr/local/bin/x"), file("usr/local/lib/a")], "usr/local"),
        (vec![program("usr/bin/x"), file("usr/share/a"), file("README.md")], "usr"),
    ] {
        let (code, report) = checked(&parts);
        assert_eq!(code, 0);
        assert_finding(&report, "Z113", subject, "which is in no search path");
    }
    assert_clean(&[program("usr/bin/x"), program("bin/y")]);
    assert_clean(&[program("usr/bin/x"), program("bootstrap")]);
    assert_clean(&[file("usr/share/x/a"), file("usr/lib/x.conf")]);
    assert_clean(&[program("usr/bin/node"), file("usr/lib/node22/a"), program("usr/lib/x")]);
    for (parts, subject) in [
        (vec![program("opt/bin/x"), program("bin/y")], "opt/bin"),
        (vec![file("opt/python/a.py"), file("python/b.py")], "opt/python"),
    ] {
        assert_finding(&checked(&parts).1, "S110", subject, "is searched");
    }
    assert_clean(&[file("opt/bin/notes.txt"), program("bin/y")]);
    assert_clean(&[program("opt/tool/bin/x"), program("bin/y")]);
}

#[test]
fn a_store_of_pnpm_without_its_links() {
    let store = [
        file("nodejs/node_modules/.pnpm/x@1.0.0/node_modules/x/package.json"),
        file("nodejs/node_modules/.pnpm/x@1.0.0/node_modules/x/index.js"),
        file("nodejs/node_modules/.modules.yaml"),
    ];
    let lost = |more: Vec<Part>| checked(&[store.to_vec(), more].concat()).1;
    let message = "none of the links to it by which Node.js finds the packages";
    assert_finding(&lost(Vec::new()), "S110", "nodejs/node_modules", message);
    assert_finding(&lost(vec![Part::stored("nodejs/node_modules/x", "")]), "S110", "nodejs/node_modules", message);
    let link = Part::link("nodejs/node_modules/x", ".pnpm/x@1.0.0/node_modules/x");
    assert_eq!(findings(&lost(vec![link]), "S110"), []);
    assert_eq!(findings(&lost(vec![file("nodejs/node_modules/x/package.json")]), "S110"), []);
}

#[test]
fn packages_where_their_runtime_does_not_look() {
    for (parts, subject) in [
        (vec![file("site-packages/requests/__init__.py")], "site-packages"),
        (vec![file("node_modules/x/package.json")], "node_modules"),
        (vec![file("requests/__init__.py"), file("requests-2.0.dist-info/METADATA")], "requests-2.0.dist-info"),
        (vec![file("lib/python3.12/site-packages/requests/__init__.py")], "lib/python3.12/site-packages"),
        (vec![file("lib64/python3.12/site-packages/a.py")], "lib64/python3.12/site-packages"),
        (vec![file("requests/__init__.py"), file("idna/__init__.py")], "idna"),
        (vec![file("python/site-packages/requests/__init__.py")], "python/site-packages"),
        (vec![file("python/lib/site-packages/requests/__init__.py")], "python/lib/site-packages"),
        (vec![file("python/lib64/python3.12/site-packages/a.py")], "python/lib64/python3.12/site-packages"),
        (vec![file("python3.12/site-packages/a.py")], "python3.12/site-packages"),
        (vec![file("usr/lib/python3/dist-packages/a.py")], "usr/lib/python3/dist-packages"),
        (vec![file("python/python/requests/__init__.py")], "python/python"),
        (vec![file("lib/node_modules/x/index.js")], "lib/node_modules"),
        (vec![file("node/node_modules/x/index.js")], "node/node_modules"),
        (vec![file("gems/a-1/lib/a.rb"), file("specifications/a-1.gemspec")], "gems"),
        (vec![file("ruby/3.3.0/gems/a-1/a.rb"), file("ruby/3.3.0/specifications/a")], "ruby/3.3.0/gems"),
    ] {
        assert_finding(&checked(&parts).1, "S110", subject, "in Lambda looks ");
    }
    assert_clean(&[file("python/requests/__init__.py"), file("python/requests-2.0.dist-info/METADATA")]);
    for (parts, subject) in [
        (file("Python/requests/__init__.py"), "Python"),
        (file("NodeJS/node_modules/x/index.js"), "NodeJS"),
        (program("Bootstrap"), "Bootstrap"),
        (program("Bin/x"), "Bin"),
    ] {
        assert_finding(&checked(&[parts]).1, "S110", subject, "names on Linux are case-sensitive");
    }
    assert_finding(
        &checked(&[file("nodejs/axios/package.json"), file("nodejs/axios/index.js")]).1,
        "S110",
        "nodejs/axios",
        "looks in /opt/nodejs/node_modules",
    );
    assert_clean(&[file("nodejs/util.js"), file("nodejs/lib/a.js")]);
    assert_clean(&[file("nodejs/node20/node_modules/x/index.js")]);
    assert_clean(&[file("nodejs/node_modules/x/package.json")]);
    assert_clean(&[file("ruby/gems/3.3.0/gems/a-1/a.rb"), file("ruby/gems/3.3.0/specifications/a")]);
    assert_clean(&[file("python/pkg/__init__.py"), file("python/pkg/vendor/site-packages/a.py")]);
    assert_clean(&[file("app/Python/settings.json"), file("Library/a"), file("share/a")]);
    assert_clean(&[file("python/lib/python3.12/site-packages/requests/__init__.py")]);
    // A Python of one's own looks there, and so does a program of one's own at the root.
    assert_clean(&[program("bin/python3.12"), file("lib/python3.12/site-packages/requests/__init__.py")]);
    assert_clean(&[program("bootstrap"), file("node_modules/x/package.json")]);
}

#[test]
fn what_is_not_found_inside_a_directory_that_is_looked_for() {
    for (parts, subject) in [
        (vec![file("java/a.jar")], "java/a.jar"),
        (vec![file("java/lib/sub/a.jar")], "java/lib/sub/a.jar"),
        (vec![file("java/com/x/A.class")], "java/com/x/A.class"),
        (vec![program("extensions/agent/run")], "extensions/agent/run"),
        (vec![program("extension/run")], "extension/run"),
        (vec![file("opt/python/a/__init__.py"), file("python/b/__init__.py")], "opt/python"),
        (vec![file("nodejs/app/node_modules/x/package.json")], "nodejs/app/node_modules"),
        (vec![file("nodejs/node_modules/node_modules/x/package.json")], "nodejs/node_modules/node_modules"),
        (vec![file("nodejs/package.json"), file("nodejs/package-lock.json")], "nodejs/package-lock.json"),
        (vec![file("python/requirements.txt")], "python/requirements.txt"),
        (
            vec![file("vendor/bundle/ruby/3.3.0/gems/a-1/a.rb"), file("vendor/bundle/ruby/3.3.0/specifications/a")],
            "vendor/bundle/ruby/3.3.0/gems",
        ),
    ] {
        let (code, report) = checked(&parts);
        assert_eq!(code, 0, "{:#}", report["findings"]);
        assert_finding(&report, "S110", subject, "");
    }
    for parts in [vec![file("__MACOSX/._a")], vec![file(".DS_Store")], vec![Part::stored("python/", "").mode(0o40_755)]]
    {
        let (code, report) = checked(&parts);
        assert_eq!(code, 0);
        assert_finding(&report, "S108", "layers", "has no file");
    }
    for parts in [vec![file("python/requests-2.0.tar.gz")], vec![file("nodejs/x-1.0.0.tgz")]] {
        assert_eq!(findings(&checked(&parts).1, "S112").len(), 1);
    }
    assert_clean(&[file("java/lib/a.jar"), file("java/lib/sub/b.jar")]);
    assert_clean(&[file("java/jre/bin/java"), file("java/jre/lib/a.jar")]);
    assert_clean(&[program("extensions/agent"), program("extensions/data/run")]);
    assert_clean(&[program("extension/run"), program("bin/x")]);
    assert_clean(&[file("nodejs/package.json"), file("nodejs/index.js")]);
    assert_clean(&[file("python/a.py"), file("python/requirements.txt"), file("python/data.tar.gz")]);
    assert_clean(&[file("ruby/gems/3.3.0/gems/a-1/a.rb"), file("ruby/gems/3.3.0/specifications/a")]);
}

#[test]
fn a_directory_of_archives_does_not_pass_as_a_tree() {
    let shown = |world: &World| world.root().display().to_string();
    for (names, help) in [
        (
            &["r.zip", "r_lib.zip", "subsystem.zip"][..],
            "name the zips of layers themselves (layerfit check ROOT/*.zip)",
        ),
        (&["layer.zip"], "name the zips of layers themselves (layerfit check ROOT/*.zip)"),
        (&["r.tar.gz"], "name the file itself if it is a container image (layerfit plan ROOT/r.tar.gz)"),
        (&["my-r.tar"], "name the file itself if it is a container image (layerfit plan ROOT/my-r.tar)"),
    ] {
        let world = World::new();
        for name in names {
            world.file(name, "an archive");
        }
        for command in ["check", "plan", "analyze"] {
            let (code, report) = world.json(&[command, "ROOT"]);
            assert_eq!(code, 1, "{command} {names:?}");
            assert_finding(&report, "S112", names[0], "Lambda unzips a layer once");
            let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "S112");
            let text = found.expect("S112")["help"].as_str().expect("text").to_owned();
            assert!(text.starts_with(&help.replace("ROOT", &shown(&world))), "{text}");
        }
        // Data beside it makes it a layer of data.
        world.file("models/weights.bin", "data");
        let (code, report) = world.json(&["check", "ROOT"]);
        assert_eq!(code, 0);
        assert_no_finding(&report, "S112");
    }
}

/// What is said of a tree by every command that reads one: the exit code, the path and the remedy of S112.
fn told_by_each(world: &World, tree: &str) -> (i32, String, String) {
    let told = |arguments: &[&str]| {
        let (code, report) = world.json(arguments);
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "S112");
        let text = |key: &str| found.map_or_else(String::new, |found| found[key].as_str().expect("text").to_owned());
        (code, text("subject"), text("help"))
    };
    let first = told(&["check", tree]);
    for arguments in [&["plan", tree][..], &["analyze", tree], &["pack", tree, "-o", "again"]] {
        assert_eq!(told(arguments), first, "{arguments:?}");
    }
    first
}

#[test]
fn packed_layers_below_what_was_named_as_a_tree_are_an_error_that_names_them() {
    let world = World::new();
    world.file("python/a.py", "x = 1\n");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "proj/ci/layers"]).code, 0);
    fs::create_dir(world.beside("proj/opt")).expect("made");
    for (tree, subject) in [("proj", "ci/layers/manifest.json"), ("proj/ci", "layers/manifest.json")] {
        let (code, found, help) = told_by_each(&world, tree);
        assert_eq!((code, found.as_str()), (1, subject));
        assert_eq!(help, "name proj/ci/layers, which has the packed layers, or the directory that will be /opt");
    }
    // What was packed is read as such by check alone.
    assert_eq!(world.run(&["check", "proj/ci/layers"]).code, 0);
    let run = world.run(&["plan", "proj/ci/layers"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("is a directory that pack wrote, not a tree"), "{}", run.stderr);
    // Sources beside them do not make it a layer; programs where layers have them do.
    fs::create_dir(world.beside("proj/R")).expect("made");
    fs::write(world.beside("proj/R/a.R"), "f <- 1\n").expect("written");
    assert_eq!(told_by_each(&world, "proj").0, 1);
    fs::create_dir(world.beside("proj/bin")).expect("made");
    world.program("bin/x", &[], &[]);
    fs::copy(world.root().join("bin/x"), world.beside("proj/bin/x")).expect("copied");
    assert_eq!(told_by_each(&world, "proj").0, 0);
}

#[test]
fn zips_beside_a_manifest_of_another_program_are_data() {
    for manifest in [
        "{\"name\": \"app\", \"start_url\": \"/\"}",
        "{\"schema\": 1, \"layers\": [{\"zip\": \"gone.zip\", \"sha256\": \"0\"}]}",
        "[1]",
        "not JSON",
    ] {
        let world = World::new();
        world.file("fn/data/manifest.json", manifest).file("fn/data/layer-1.zip", "PK").file("fn/app.py", "x = 1\n");
        assert_eq!(told_by_each(&world, "ROOT"), (0, String::new(), String::new()), "{manifest}");
    }
}

#[test]
fn an_image_in_separate_files_does_not_pass_as_a_tree() {
    let digest = "0".repeat(64);
    let skopeo = [
        ("version", "Directory Transport Version: 1.1\n"),
        ("manifest.json", "{\"schemaVersion\": 2, \"config\": {}, \"layers\": [{\"digest\": \"sha256:0\"}]}"),
        (digest.as_str(), "a layer"),
    ];
    let docker = [
        ("manifest.json", "[{\"Config\": \"a.json\", \"RepoTags\": null, \"Layers\": [\"b.tar\"]}]"),
        ("a.json", "{}"),
        ("b.tar", "a layer"),
    ];
    for (files, help) in [
        (skopeo, "give the image as an OCI layout or an archive: skopeo copy dir:"),
        (docker, "name the archive that the image was saved to, without unpacking it"),
    ] {
        let world = World::new();
        for (name, content) in files {
            world.file(format!("image/{name}"), content);
        }
        for (tree, subject) in [("opt/image", "manifest.json"), ("ROOT", "image/manifest.json")] {
            let (code, found, told) = told_by_each(&world, tree);
            assert_eq!((code, found.as_str()), (1, subject), "{tree}");
            assert!(told.starts_with(help), "{told}");
        }
        // Commands that take packed layers say it too, and no field of a manifest.
        let run = world.run(&["diff", "opt/image", "opt/image"]);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains("is of a container image that is in separate files"), "{}", run.stderr);
        // In a layer, one below the root is data.
        world.program("bin/x", &[], &[]);
        assert_eq!(told_by_each(&world, "ROOT").0, 0);
    }
}

#[test]
fn a_manifest_or_its_directory_in_the_place_of_the_other_is_told() {
    let world = World::new();
    world.file("python/a.py", "x = 1\n");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let run = world.run(&["check", "out/manifest.json"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("is a manifest, and not a zip") && run.stderr.contains("name its directory: out"));
    let run = world.run(&["check", "ROOT", "--baseline", "out"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("name its manifest: out/manifest.json"), "{}", run.stderr);
}

#[test]
fn archives_in_an_archive() {
    for name in ["inner.zip", "layer.tar.gz", "Layer.TGZ"] {
        assert_finding(&checked(&[file(name), file("README.md")]).1, "S112", name, "Lambda unzips a layer once");
    }
    assert_finding(&checked(&[file("dist/layer.zip")]).1, "S112", "dist/layer.zip", "Lambda unzips a layer once");
    assert_finding(&checked(&[file("python/a-1-py3-none-any.whl")]).1, "S112", "python/a-1-py3-none-any.whl", "unzips");
    assert_finding(&checked(&[Part::stored("artifact", "PK\x03\x04")]).1, "S112", "artifact", "unzips");
    for image in [["oci-layout", "blobs/sha256/0"], ["manifest.json", "0a/layer.tar"]] {
        assert_finding(&checked(&image.map(file)).1, "S112", image[0], "is a container image");
    }
    assert_clean(&[file("data.csv"), file("more.zip")]);
    assert_clean(&[file("models/weights.tar.gz")]);
    assert_clean(&[file("artifact")]);
    assert_clean(&[file("share/inner.zip")]);
    assert_clean(&[file("payload.zip"), program("bootstrap")]);
}

#[test]
fn whiteouts_name_what_they_were_to_delete() {
    let world = World::new();
    world.file("lib/.wh..wh..opq", "").file("lib/.wh.libold.so.1", "").file("lib/a", "x");
    let told = |world: &World| world.json(&["check", "ROOT"]).1;
    assert_finding(&told(&world), "S111", "lib/.wh..wh..opq", "a whiteout of a container image (2 in all)");
    world.file("lib/libold.so.1", "x");
    assert_finding(&told(&world), "S111", "lib/.wh.libold.so.1", "lib/libold.so.1 was deleted, but it is here");
    // What pack makes of the tree is told the same.
    assert_eq!(world.json(&["pack", "ROOT", "-o", "OUT"]).0, 0);
    assert_eq!(findings(&world.json(&["check", "OUT"]).1, "S111"), findings(&told(&world), "S111"));
}

#[test]
fn programs_in_bin_that_cannot_be_run() {
    let (_, report) = checked(&[file("bin/data"), program("bin/a"), program("bin/b").mode(0o100_644)]);
    assert_finding(&report, "C107", "bin/b", "is not executable");
    assert_clean(&[program("bin/a"), file("bin/data"), program("share/b").mode(0o100_644)]);
}

#[test]
fn zips_without_modes_are_not_blamed_for_modes() {
    for (made_by, mode) in [(0x0014, 0), (0x0714, 0), (0x0314, 0), (0x0b14, 0)] {
        let part = |name: &str, content: &str| {
            Part::stored(name, content).but(|part| (part.made_by, part.mode) = (made_by, mode))
        };
        assert_clean(&[part("java/", ""), part("java/lib/", ""), part("java/lib/a.txt", "x")]);
    }
}

#[test]
fn more_entries_than_a_zip_has_without_zip64() {
    let parts: Vec<Part> = (0..65_535).map(|number| Part::stored(format!("share/{number}"), "")).collect();
    let (code, report) = checked(&parts);
    assert_eq!((code, report["fits"].as_bool()), (1, Some(false)));
    assert_finding(&report, "F105", "a.zip", "has 65535 entries");
}

#[test]
fn copies_of_a_library_are_links_only_where_one_name_continues_the_other() {
    let elf = b"\x7fELF, or not";
    let told = |names: &[&str]| {
        let parts: Vec<Part> = names.iter().map(|name| Part::stored(name, elf)).collect();
        findings(&checked(&parts).1, "Z115").len()
    };
    assert_eq!(told(&["lib/libbz2.so.1.0.4", "lib/libbz2.so.1.0.8"]), 0);
    assert_eq!(told(&["lib/libz.so.1", "lib/libz.so.1.3"]), 1);
    assert_eq!(told(&["lib/libz.so", "lib/libz.so.10", "lib/libz.so.1"]), 1);
    assert_eq!(told(&["lib/libz.so.1", "lib/libz.so.10"]), 0);
}

/// A tree in which nothing is known may be another directory than the one that was meant: a remark, and no more.
#[test]
fn a_tree_in_which_nothing_is_known_has_a_remark() {
    let known = |path: &str| {
        let world = World::new();
        world.file("share/models/a.bin", "1").file("lib/notes.txt", "2").file(path, "#!/bin/sh\n").mode(path, 0o755);
        let (code, report) = world.json(&["plan", "ROOT"]);
        assert_eq!(code, 0, "{:#}", report["findings"]);
        let found = findings(&report, "S113");
        let shown = world.run(&["plan", "ROOT"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            shown.contains("Nothing in it is known (S113): is it what will be /opt?"),
            !found.is_empty(),
            "{shown}"
        );
        assert!(found.iter().all(|(subject, _)| subject == "tree"), "{found:?}");
        // Zips that were made are not asked about.
        assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
        assert!(findings(&world.json(&["check", "OUT"]).1, "S113").is_empty());
        found.is_empty()
    };
    for path in ["README.md", "src/main.sh", "lib/run.sh", "bootstrap.d/a", "share/bin/a"] {
        assert!(!known(path), "{path}");
    }
    for path in
        ["bin/tool", "bootstrap", "extensions/e", "python/a.py", "nodejs/node_modules/a/index.js", "ruby/lib/a.rb"]
    {
        assert!(known(path), "{path}");
    }
}

#[test]
fn the_remedy_of_a_tree_is_the_directory_to_name() {
    let help = |world: &World, what: &str| {
        let report = world.json(&["check", what]).1;
        let of_nesting = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "Z113");
        of_nesting.expect("a finding")["help"].as_str().expect("text").to_owned()
    };
    let world = World::new();
    world.file("opt/bootstrap", "#!/bin/sh\n").mode("opt/bootstrap", 0o755);
    let named = help(&world, "ROOT");
    assert!(named.starts_with("name ") && named.contains("/opt/opt as the tree"), "{named}");
    // A directory that can be used by its path keeps that advice.
    let world = World::new();
    world.file("tool/bin/x", "#!/bin/sh\n").mode("tool/bin/x", 0o755).file("tool/lib/a", "x");
    let named = help(&world, "ROOT");
    assert!(named.contains("/tool as the tree") && named.ends_with("ignore this finding"), "{named}");
    fs::write(world.beside("a.zip"), zip(&[program("opt/bootstrap")])).expect("written");
    assert!(help(&world, "a.zip").starts_with("create the zip inside the directory: cd opt"));
}
