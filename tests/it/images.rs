//! A tree is read from the image that it was built in: whichever program saved it, in whatever format, its layers merged as
//! containers see them, and with nothing written outside temporary files that have no name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tar::EntryType;

use crate::bundle_and_capture::{bundled, host, to_host};
use crate::support::function::sandboxes_can_be_made;
use crate::support::image::{Files, Layer, TestImage, archive, gzip, layout, write, zstd};
use crate::support::{
    Run, World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, names, zip_entries,
};
use layerfit::base::finding::Code;

/// No compression.
fn plain(content: &[u8]) -> Vec<u8> {
    content.to_vec()
}

fn xz(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
    writer.write_all(content).expect("written");
    writer.finish().expect("finished")
}

/// A tree with what trees have: R, a library, a program, links, hard links and modes.
fn tree() -> World {
    let world = World::new();
    world.r().library("lib/libx.so.1", &[], &[]).link("lib/libx.so", "libx.so.1").program(
        "bin/x",
        &["lib/libx.so.1"],
        &[],
    );
    world.file("share/a name with spaces/é", "text").directory("share/empty").mode("share/empty", 0o700);
    world.file("share/one", "the same file").file(format!("share/{}/long", "d/".repeat(120)), "long");
    fs::hard_link(world.root().join("share/one"), world.root().join("share/two")).expect("linked");
    world
}

/// A report without what names its source.
fn anonymous(mut report: Value) -> Value {
    for key in ["root", "image"] {
        report.as_object_mut().expect("an object").remove(key);
    }
    report
}

/// The image in the formats of all programs: its name beside the tree, and how it is written there.
fn formats(world: &World, image: &TestImage) -> Vec<String> {
    let archives: [(&str, Vec<u8>); 7] = [
        ("oci.tar", archive(&image.oci(plain))),
        ("oci-gzip.tar", archive(&image.oci(gzip))),
        ("oci-zstd.tar", archive(&image.oci(zstd))),
        ("docker.tar", archive(&image.docker())),
        ("docker.tar.gz", gzip(&archive(&image.docker()))),
        ("docker.tar.zst", zstd(&archive(&image.docker()))),
        ("docker.tar.xz", xz(&archive(&image.docker()))),
    ];
    let mut all = Vec::new();
    for (name, bytes) in archives {
        fs::write(world.beside(name), bytes).expect("written");
        all.push(name.to_owned());
    }
    write(&image.oci(gzip), &world.beside("layout"));
    all.push("layout".to_owned());
    all
}

#[test]
fn every_format_gives_the_report_and_the_layers_of_the_directory() {
    let world = tree();
    let (_, of_directory) = world.json(&["plan", "ROOT"]);
    world.run(&["pack", "ROOT", "-o", "OUT"]);
    let layer = fs::read(world.beside("out/layer-1.zip")).expect("packed");
    let system = Layer::new().file("etc/os-release", "ID=amzn\n").directory("usr/lib64").link("lib64", "usr/lib64");
    let image = TestImage::new(vec![system, Layer::of(&world.root(), "opt")]);
    for name in formats(&world, &image) {
        let (code, report) = world.json(&["plan", &name]);
        assert_eq!(code, 0, "{name}: {:#}", report["findings"]);
        assert_eq!(report["image"]["name"], "my-r:latest", "{name}");
        assert_eq!(report["image"]["platform"], "linux/amd64", "{name}");
        assert_eq!(report["image"]["layers"], 2, "{name}");
        assert!(report["image"]["config"].as_str().is_some_and(|id| id.starts_with("sha256:")), "{name}");
        assert_eq!(anonymous(report), anonymous(of_directory.clone()), "{name}");
        let out = format!("out-{name}");
        assert_eq!(world.run(&["pack", &name, "-o", &out]).code, 0, "{name}");
        assert!(fs::read(world.beside(&out).join("layer-1.zip")).expect("packed") == layer, "{name}: other bytes");
        assert_eq!(world.run(&["check", &name]).code, 0, "{name}");
    }
    let run = world.run(&["plan", "docker.tar"]);
    let text = run.stdout.replace('\n', " ");
    assert!(text.contains("docker.tar (image my-r:latest, linux/amd64, sha256:"), "{text}");
    let run = world.run(&["diff", "ROOT", "docker.tar", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).expect("JSON")["files"], json!([]), "{}", run.stdout);
    let run = world.run(&["why", "libx.so.1", "layout"]);
    assert!(run.code == 0 && run.stdout.contains("bin/x"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn archives_of_a_file_system_and_of_a_tree_are_read_too() {
    let world = tree();
    let (_, of_directory) = world.json(&["plan", "ROOT"]);
    let write = |name: &str, bytes: Vec<u8>| fs::write(world.beside(name), bytes).expect("written");
    // docker export; tar -C / opt; tar -C /opt .
    let system = fs::canonicalize(world.root().join("..")).expect("there");
    write("export.tar", Layer::of(&world.root(), "opt").file("etc/passwd", "").directory("usr").tar());
    write("opt.tar", Layer::of(&world.root(), "./opt").tar());
    write("inside.tar.gz", gzip(&Layer::of(&world.root(), ".").tar()));
    assert!(system.is_dir());
    for name in ["export.tar", "opt.tar", "inside.tar.gz"] {
        let (code, report) = world.json(&["plan", name]);
        assert_eq!(code, 0, "{name}");
        assert!(report.get("image").is_none(), "{name} does not say which image it is");
        assert_eq!(anonymous(report), anonymous(of_directory.clone()), "{name}");
    }
    // In a file system, nothing is a whiteout.
    write("names.tar", Layer::new().file("lib/.wh.x", "").file("lib/x", "").tar());
    assert_finding(&world.json(&["plan", "names.tar"]).1, "S111", "lib/.wh.x", "lib/x was deleted");
}

/// An image with these layers as an archive beside the tree.
fn saved(world: &World, layers: Vec<Layer>) -> String {
    fs::write(world.beside("image.tar"), archive(&TestImage::new(layers).oci(gzip))).expect("written");
    "image.tar".to_owned()
}

#[test]
fn layers_are_merged_as_a_container_sees_them() {
    let world = World::new();
    let lower = Layer::new()
        .file("opt/lib/kept", "kept")
        .file("opt/lib/replaced", "old")
        .file("opt/lib/removed", "old")
        .file("opt/share/hidden/old", "old")
        .file("opt/share/removed/deep/old", "old")
        .file("opt/etc/was-a-file", "old");
    let upper = Layer::new()
        .file("opt/lib/replaced", "new")
        .file("opt/lib/.wh.removed", "")
        .file("opt/share/hidden/new", "new")
        .file("opt/share/hidden/.wh..wh..opq", "")
        .file("opt/share/.wh.removed", "")
        .file("opt/etc/was-a-file/now-below", "new")
        .file("opt/.wh..wh.plnk/1.2", "what AUFS keeps");
    // What was a file is a directory only after it was removed.
    let between = Layer::new().file("opt/etc/.wh.was-a-file", "");
    let last = Layer::new().hard_link("opt/lib/second", "opt/lib/replaced").file("opt/lib/replaced", "newest");
    let image = saved(&world, vec![lower, between, upper, last]);
    let run = world.run(&["pack", &image, "-o", "OUT", "--ignore", "safe"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let entries = zip_entries(&world.beside("out/layer-1.zip"));
    let entries: Vec<(&str, &str)> =
        entries.iter().map(|(name, _, text)| (name.as_str(), std::str::from_utf8(text).expect("text"))).collect();
    assert_eq!(
        entries,
        [
            ("etc/was-a-file/now-below", "new"),
            ("lib/kept", "kept"),
            ("lib/replaced", "newest"),
            ("lib/second", "new"),
            ("share/hidden/new", "new"),
        ]
    );
}

#[test]
fn links_in_an_image_never_lead_out_of_it() {
    let world = World::new();
    fs::create_dir(world.beside("victim")).expect("made");
    let victim = world.beside("victim").display().to_string();
    let lower =
        Layer::new().file("usr/real/kept", "kept").link("opt", "/usr/real").link("out", &victim).link("up", "../../..");
    let upper = Layer::new().file("opt/lib/added", "x").file("out/x", "x").file("up/y", "y").file("/opt/absolute", "z");
    let (code, report) = world.json(&["plan", &saved(&world, vec![lower, upper])]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    // /opt is where the link leads.
    assert_eq!(report["totals"]["scanned"]["files"], 3);
    assert_eq!(names(&world.beside("victim")), Vec::<String>::new());
}

#[test]
fn what_an_attacker_writes_is_refused_and_named() {
    let world = World::new();
    let refused = |bytes: Vec<u8>, words: &[&str]| {
        fs::write(world.beside("image.tar"), bytes).expect("written");
        for command in [&["plan", "image.tar"][..], &["check", "image.tar"], &["pack", "image.tar", "-o", "OUT"]] {
            let run = world.run(command);
            assert_eq!(run.code, 2, "{command:?}: {}{}", run.stdout, run.stderr);
            for word in [&["image.tar: ", "help: "], words].concat() {
                assert!(run.stderr.contains(word), "{command:?} lacks {word:?}: {}", run.stderr);
            }
        }
    };
    let layer = |layer: Layer| archive(&TestImage::new(vec![layer]).oci(gzip));
    refused(layer(Layer::new().file("opt/../../etc/cron.d/x", "x")), &["leads out of the image"]);
    refused(layer(Layer::new().hard_link("opt/x", "../../etc/shadow")), &["../../etc/shadow, which leads out"]);
    refused(layer(Layer::new().hard_link("opt/x", "etc/shadow")), &["opt/x is a hard link to etc/shadow"]);
    refused(layer(Layer::new().file("opt/x", "").file("opt/x/y", "")), &["opt/x is not a directory"]);
    refused(layer(Layer::new().link("opt/a", "b").link("opt/b", "a").file("opt/a/x", "")), &["lead to each other"]);
    refused(layer(Layer::new().file("opt/.wh...", "")), &["opt/.wh..., which removes \"..\""]);
    refused(layer(Layer::new().member(EntryType::GNUSparse, "opt/x", "", &[])), &["--sparse"]);
    refused(layer(Layer::new().member(EntryType::new(b'Q'), "opt/x", "", &[])), &["unknown type 'Q'"]);
    let image = TestImage::new(vec![Layer::new().file("opt/x", "x".repeat(5000))]);
    // A byte of a blob, a blob that is cut off, and one that is missing.
    let change = |files: &Files, of: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = files.clone();
        let (_, content) = files.iter_mut().find(|(path, _)| path.contains(of)).expect("there");
        change(content);
        archive(&files)
    };
    for (files, of) in [(image.oci(gzip), "blobs/"), (image.oci(plain), "blobs/"), (image.docker(), "layer.tar")] {
        refused(change(&files, of, &|blob| *blob.last_mut().expect("long") ^= 1), &["is damaged"]);
        refused(change(&files, of, &|blob| blob.truncate(blob.len() / 2)), &["is damaged"]);
        let mut without = files.clone();
        let layer = without.iter().position(|(path, _)| path.contains(of)).expect("there");
        without.remove(layer);
        refused(archive(&without), &["is not in it"]);
    }
    let docker = image.docker();
    refused(change(&docker, ".json", &|config| config.push(b' ')), &["its digest is sha256:"]);
    refused(
        change(&docker, "manifest.json", &|list| *list = b"[{}]".to_vec()),
        &["manifest.json is not what an image has"],
    );
    refused(change(&docker, "manifest.json", &|list| *list = b"[]".to_vec()), &["has no image"]);
    let oci = image.oci(gzip);
    refused(change(&oci, "index.json", &|index| *index = b"{}".to_vec()), &["has no image"]);
    let outside = br#"{"manifests": [{"digest": "sha256:../../../etc/passwd", "size": 1}]}"#;
    refused(change(&oci, "index.json", &|index| *index = outside.to_vec()), &["is not a digest of SHA-256"]);
    refused(gzip(b"this is not an archive"), &["is not an archive of an image"]);
    refused(archive(&oci)[..700].to_vec(), &["index.json is not in it"]);
    let export = Layer::new().file("opt/x", "x").file("opt/y", "y".repeat(600)).tar();
    refused(export[..1024].to_vec(), &["cut off"]);
    refused(export[..2000].to_vec(), &["cut off"]);
    // What nothing was written for.
    assert!(!world.beside("out").exists());
}

#[test]
fn what_a_layer_cannot_contain_is_left_out() {
    let world = World::new();
    let layer = Layer::new()
        .file("opt/lib/x", "x")
        .member(EntryType::Char, "opt/dev/null", "", &[])
        .member(EntryType::Fifo, "opt/dev/pipe", "", &[])
        .member(EntryType::Block, "dev/sda", "", &[]);
    let (_, report) = world.json(&["analyze", &saved(&world, vec![layer])]);
    let special = findings(&report, "S104");
    assert_eq!(special.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["dev/null", "dev/pipe"]);
}

#[test]
fn a_bomb_ends_at_its_bound_and_leaves_nothing() {
    let world = World::new();
    let temporary = world.beside("tmp");
    fs::create_dir(&temporary).expect("made");
    // Names; the content of a bomb is bounded in the same way.
    for (files, directory, told) in [
        (530_000, "usr", "image.tar: has more than 524288 files"),
        (270_000, "opt", "image.tar: /opt has more than 262144 files"),
    ] {
        let mut layer = Layer::new();
        for number in 0..files {
            layer = layer.file(&format!("{directory}/{number}"), "");
        }
        let mut command = world.command(&["plan", &saved(&world, vec![layer])]);
        command.env("TMPDIR", &temporary);
        let run = Run::of(command);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert_eq!(names(&temporary), Vec::<String>::new());
    }
}

#[test]
fn of_several_images_one_is_chosen_by_its_architecture_or_they_are_listed() {
    let world = World::new();
    let of = |architecture, name, file: &str| {
        let image = TestImage::new(vec![Layer::new().file(file, "x")]);
        TestImage { architecture, name, ..image }
    };
    let (amd, arm) = (of("amd64", "r:4", "opt/share/amd"), of("arm64", "r:4", "opt/share/arm"));
    for nested in [false, true] {
        write(&layout(&[&amd, &arm], gzip, nested), &world.beside("several"));
        let run = world.run(&["plan", "several"]);
        assert_eq!(run.code, 2);
        let listed = "several: has images for several platforms: r:4 (linux/amd64) and r:4 (linux/arm64)";
        assert!(run.stderr.contains(if nested { "for several platforms" } else { listed }), "{}", run.stderr);
        assert!(run.stderr.contains("help: choose one with --arch x86_64 or --arch arm64"), "{}", run.stderr);
        let (_, report) = world.json(&["plan", "several", "--arch", "arm64"]);
        assert_eq!(report["image"]["platform"], "linux/arm64");
        fs::remove_dir_all(world.beside("several")).expect("removed");
    }
    let other = of("s390x", "r:4", "opt/share/s390x");
    write(&layout(&[&amd, &other], gzip, false), &world.beside("several"));
    let run = world.run(&["plan", "several", "--arch", "arm64"]);
    assert!(run.stderr.contains("has no image for --arch arm64, only r:4 (linux/amd64) and r:4 (linux/s390x)"));
    write(&layout(&[&amd, &of("amd64", "other:1", "opt/share/o")], gzip, false), &world.beside("names"));
    let run = world.run(&["plan", "names"]);
    assert!(run.stderr.contains("has several images: r:4 (linux/amd64) and other:1 (linux/amd64)"), "{}", run.stderr);
    assert!(run.stderr.contains("docker save IMAGE -o FILE"), "{}", run.stderr);
    // What BuildKit records about an image is none, and neither is what is not in the archive.
    let mut files = amd.oci(gzip);
    let index = files.iter_mut().find(|(path, _)| path == "index.json").expect("there");
    let mut list: Value = serde_json::from_slice(&index.1).expect("JSON");
    let missing = format!("sha256:{}", "0".repeat(64));
    let all = list["manifests"].as_array_mut().expect("a list");
    all.push(json!({"digest": missing, "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}}));
    all.push(json!({"digest": missing, "size": 1, "platform": {"os": "linux", "architecture": "arm64"}}));
    index.1 = list.to_string().into_bytes();
    fs::write(world.beside("docker.tar"), archive(&files)).expect("written");
    assert_eq!(world.json(&["plan", "docker.tar"]).1["image"]["platform"], "linux/amd64");
}

#[test]
fn an_image_without_opt_lists_what_it_has() {
    let world = World::new();
    let layer = || Layer::new().file("usr/lib/R/bin/R", "x").file("etc/passwd", "").directory("bin");
    let run = world.run(&["plan", &saved(&world, vec![layer()])]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("image.tar: the image has no directory /opt; it has bin, etc, usr"), "{}", run.stderr);
    assert!(run.stderr.contains("help: build the runtime below /opt"), "{}", run.stderr);
    fs::write(world.beside("export.tar"), layer().tar()).expect("written");
    assert!(world.run(&["plan", "export.tar"]).stderr.contains("has no directory /opt"));
    assert_finding(
        &world.json(&["plan", &saved(&world, vec![Layer::new().directory("opt")])]).1,
        "S108",
        "image.tar",
        "empty",
    );
    // Neither an image nor a tree.
    fs::write(world.beside("text"), "text").expect("written");
    let run = world.run(&["plan", "text"]);
    assert!(run.code == 2 && run.stderr.contains("text: neither a directory nor an image"), "{}", run.stderr);
    let run = world.run(&["check", "image.tar", "image.tar"]);
    assert!(run.code == 2 || run.code == 1, "{}", run.stdout);
}

#[test]
fn the_rest_of_the_image_is_the_build_host() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libonlyhere.so.1", &[], &[]).program("bin/tool", &["lib/libonlyhere.so.1"], &[]);
    to_host(&world, &host, "lib/libonlyhere.so.1");
    let image = saved(&world, vec![Layer::of(&host, "."), Layer::of(&world.root(), "opt")]);
    assert_finding(&world.json(&["plan", &image]).1, "L201", "bin/tool", "needs libonlyhere.so.1");
    let (code, report) = world.json(&["pack", &image, "-o", "OUT", "--bundle"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(bundled(&report), [("lib/libonlyhere.so.1".to_owned(), "bin/tool".to_owned())]);
    let from = "copied from image.tar:/usr/lib64/libonlyhere.so.1 for bin/tool";
    assert!(findings(&report, "L209").iter().any(|(_, message)| message.contains(from)), "{:#}", report["findings"]);
    let content = fs::read(host.join("usr/lib64/libonlyhere.so.1")).expect("read");
    let zipped = zip_entries(&world.beside("out/layer-1.zip"));
    assert!(zipped.iter().any(|(name, _, bytes)| name == "lib/libonlyhere.so.1" && *bytes == content));
    // For a directory, an image is a sysroot like an unpacked one.
    let (_, with_image) = world.json(&["plan", "ROOT", "--bundle", "--sysroot", &image]);
    assert_eq!(bundled(&with_image), bundled(&report));
    // What a run looked for in vain is looked for there too, not on this machine.
    fs::create_dir_all(host.join("usr/share/own")).expect("made");
    fs::write(host.join("usr/share/own/data.bin"), "data").expect("written");
    let image = saved(&world, vec![Layer::of(&host, ".")]);
    let log = "openat(AT_FDCWD, \"/usr/share/own/data.bin\", O_RDONLY) = -1 ENOENT (No such file or directory)\n";
    fs::write(world.beside("run.log"), log).expect("written");
    fs::write(world.beside("layerfit.toml"), format!("sysroot = {image:?}\n")).expect("written");
    let (_, traced) = world.json(&["check", "ROOT", "--trace", "run.log"]);
    assert_finding(&traced, "N107", "/usr/share/own/data.bin", "the build host has it");
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    let run = world.run(&["plan", "ROOT", "--bundle", "--sysroot", "none.tar"]);
    assert!(
        run.code == 2 && run.stderr.contains("--sysroot none.tar: is neither a directory nor an image"),
        "{}",
        run.stderr
    );
    let run = world.run(&["plan", &saved(&world, vec![Layer::of(&world.root(), "opt").directory("usr")]), "--bundle"]);
    assert!(run.code == 2 && run.stderr.contains("image.tar: contains none of /lib64/ld-linux"), "{}", run.stderr);
}

#[test]
fn a_profile_is_the_same_from_an_image_and_from_its_root() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libz.so.1", &[], &[]);
    to_host(&world, &host, "lib/libz.so.1");
    fs::write(host.join("usr/bin/curl"), "x").expect("written");
    let sysroot = host.to_str().expect("UTF-8").to_owned();
    let capture = |sysroot: &str| {
        let run = world.run(&["runtime", "capture", "--sysroot", sysroot, "-o", "-", "mine"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout
    };
    let image = saved(&world, vec![Layer::of(&host, ".")]);
    let of_directory = capture(&sysroot);
    assert!(of_directory.contains("libz.so.1") && of_directory.contains("curl"));
    assert_eq!(capture(&image), of_directory);
    // The variables of an image are a function's if the image is Lambda's.
    let mut lambda = TestImage::new(vec![Layer::of(&host, ".")]);
    lambda.variables = vec!["LD_LIBRARY_PATH=/var/lang/lib:/opt/lib", "PATH=/var/lang/bin:/opt/bin"];
    fs::write(world.beside("lambda.tar"), archive(&lambda.docker())).expect("written");
    assert_eq!(capture("lambda.tar"), of_directory);
    lambda.variables.push("LAMBDA_RUNTIME_DIR=/var/runtime");
    fs::write(world.beside("lambda.tar"), archive(&lambda.docker())).expect("written");
    assert!(capture("lambda.tar").contains("ld_library_path = [\n    \"/var/lang/lib\",\n    \"/opt/lib\",\n]"));
}

#[test]
fn variables_of_the_image_that_the_function_lacks_are_named() {
    let world = World::new();
    let plan = |variables: &[&'static str], arguments: &[&str]| {
        let mut image = TestImage::new(vec![Layer::new().file("opt/lib/x", "x")]);
        image.variables = variables.to_vec();
        fs::write(world.beside("image.tar"), archive(&image.docker())).expect("written");
        world.json(&[&["plan", "image.tar"], arguments].concat()).1
    };
    let variables =
        ["PATH=/usr/bin:/opt/bin:/opt/R/bin", "LD_LIBRARY_PATH=/opt/lib:/opt/lib64", "R_LIBS=/opt/site", "HOME=/root"];
    let lacking = "3 variables of the image name places in /opt, and a function does not get them: PATH has /opt/R/bin; \
                   LD_LIBRARY_PATH has /opt/lib64; R_LIBS has /opt/site";
    assert_finding(&plan(&variables, &[]), "N106", "variables of the image", lacking);
    let path = "PATH=/opt/R/bin:/bin:/opt/bin";
    let set = ["--env", "R_LIBS=/opt/site", "--env", "LD_LIBRARY_PATH=/opt/lib64:/lib64:/opt/lib", "--env", path];
    assert_no_finding(&plan(&variables, &set), "N106");
    // Lambda's own have these.
    assert_no_finding(&plan(&["PATH=/usr/bin:/opt/bin", "LD_LIBRARY_PATH=/opt/lib"], &[]), "N106");
    assert_fired_and_nearly_missed(Code::ImageVariables);
}

#[test]
fn a_function_runs_from_an_image_and_in_the_system_of_another() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    // A program that needs nothing of the system, which is another one.
    let source = "#include <stdio.h>\nint main(void) { char line[99] = \"\"; FILE *file = fopen(\"/etc/marker\", \"r\");\n\
                  if (file) fgets(line, 99, file); printf(\"found: %s\\n\", line); return 7; }\n";
    world.c("bootstrap", source, &[], &["-static"]).mode("bootstrap", 0o755);
    let image = saved(&world, vec![Layer::of(&world.root(), "opt")]);
    fs::write(
        world.beside("system.tar"),
        gzip(&Layer::new().file("etc/marker", "another system").directory("usr").tar()),
    )
    .expect("written");
    let temporary = world.beside("tmp");
    fs::create_dir(&temporary).expect("made");
    let invoke = |arguments: &[&str]| {
        let mut command = world.command(&[&["invoke", &image, "--handler", "main.handler"], arguments].concat());
        command.env("TMPDIR", &temporary);
        let run = Run::of(command);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert_eq!(names(&temporary), Vec::<String>::new());
        run.stderr
    };
    let log = invoke(&[]);
    assert!(log.contains("found: ") && !log.contains("another system"), "{log}");
    let log = invoke(&["--rootfs", "system.tar"]);
    assert!(log.contains("found: another system"), "{log}");
}

#[test]
fn what_an_image_says_of_itself_is_text() {
    let world = World::new();
    let mut image = TestImage::new(vec![Layer::new().file("opt/lib/x", "x")]);
    image.name = "r:1\u{1b}[31m\n::error::planted\n<u>planted";
    image.variables = vec!["A=/opt/\u{1b}[31m\n::error::planted"];
    fs::write(world.beside("image.tar"), archive(&image.docker())).expect("written");
    for format in ["table", "markdown", "html", "sarif", "junit"] {
        let text = world.run(&["plan", "image.tar", "-v", "--format", format]).stdout;
        // Findings alone do not name the image.
        assert!(text.contains("planted") || matches!(format, "sarif" | "junit"), "{format}: {text}");
        assert!(!text.contains('\u{1b}'), "{format}: {text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::error")), "{format}: {text}");
        let is_markup = matches!(format, "html" | "junit") && text.contains("<u>planted");
        assert!(!is_markup, "{format}: {text}");
    }
    // Nor is it ever longer than a name.
    let mut files = image.docker();
    let list = files.iter_mut().find(|(path, _)| path == "manifest.json").expect("there");
    list.1 =
        String::from_utf8(list.1.clone()).expect("text").replace("<u>planted", &"n".repeat(1_000_000)).into_bytes();
    fs::write(world.beside("image.tar"), archive(&files)).expect("written");
    assert!(world.run(&["plan", "image.tar"]).stdout.len() < 10_000);
}

#[test]
fn images_of_umoci_and_skopeo_are_read() {
    let run = |program: &str, arguments: &[&str], at: &Path| {
        let output = Command::new(program).args(arguments).current_dir(at).output().expect("it runs");
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let missing = |program: &&&str| Command::new(program).arg("--version").output().is_err();
    if let Some(program) = ["umoci", "skopeo"].iter().find(missing) {
        eprintln!("not tried: there is no {program}");
        return;
    }
    let world = tree();
    let (_, of_directory) = world.json(&["plan", "ROOT"]);
    let beside: PathBuf = world.beside("");
    let umoci = |arguments: &[&str]| run("umoci", arguments, &beside);
    fs::create_dir_all(world.beside("etc")).expect("made");
    fs::write(world.beside("etc/os-release"), "ID=amzn\n").expect("written");
    fs::create_dir_all(world.beside("gone/lib")).expect("made");
    fs::write(world.beside("gone/lib/old"), "old").expect("written");
    umoci(&["init", "--layout", "lay"]);
    umoci(&["new", "--image", "lay:r"]);
    umoci(&["insert", "--rootless", "--image", "lay:r", "etc", "/etc"]);
    umoci(&["insert", "--rootless", "--image", "lay:r", "gone", "/opt/gone"]);
    umoci(&["insert", "--rootless", "--image", "lay:r", "gone", "/opt/share/empty"]);
    umoci(&["insert", "--rootless", "--image", "lay:r", "opt", "/opt"]);
    umoci(&["insert", "--rootless", "--image", "lay:r", "--whiteout", "/opt/gone"]);
    umoci(&["insert", "--rootless", "--image", "lay:r", "--opaque", "opt/share/empty", "/opt/share/empty"]);
    let policy = world.beside("policy.json");
    fs::write(&policy, r#"{"default": [{"type": "insecureAcceptAnything"}]}"#).expect("written");
    let copy = |to: &str, more: &[&str]| {
        let policy = policy.to_str().expect("UTF-8");
        run("skopeo", &[&["--policy", policy, "copy", "oci:lay:r"], more, &[to]].concat(), &beside);
    };
    copy("docker-archive:docker.tar:my-r:latest", &[]);
    copy("oci-archive:oci.tar:r", &[]);
    copy("oci-archive:zstd.tar:r", &["--dest-compress-format", "zstd"]);
    copy("dir:plain", &[]);
    for name in ["lay", "docker.tar", "oci.tar", "zstd.tar"] {
        let (code, report) = world.json(&["plan", name]);
        assert_eq!(code, 0, "{name}: {:#}", report["findings"]);
        assert_eq!(report["image"]["layers"], 6, "{name}");
        assert_eq!(anonymous(report), anonymous(of_directory.clone()), "{name}");
    }
}
