//! Layers, lock and template are replaced together or not at all: what cannot be written is told by its own name with a remedy,
//! before long work where that can be known, and everything old stays.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Run, World, names};

const PACK: [&str; 8] = ["pack", "ROOT", "-o", "OUT", "--lock", "my.lock", "--template", "template.yaml"];

/// A tree that was packed with a lock and a template, and has changed since.
fn packed() -> World {
    let world = World::new();
    world.file("a", "one");
    let run = world.run(&PACK);
    assert_eq!(run.code, 0, "{}", run.stderr);
    world.file("a", "two").file("share/b", "more");
    world
}

/// The content of all files of the world, with links and directories.
fn everything(world: &World) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let walk = walkdir::WalkDir::new(world.beside(""));
    let paths = walk.into_iter().map(|entry| entry.expect("listed").into_path());
    paths.map(|path| (path.clone(), fs::read(path).ok())).collect()
}

#[test]
fn what_cannot_be_written_beside_the_layers_is_told_and_all_that_is_old_stays() {
    let world = packed();
    fs::create_dir(world.beside("directory")).expect("made");
    symlink("my.lock", world.beside("link")).expect("linked");
    let before = everything(&world);
    for (option, file, said, remedy) in [
        ("--lock", "nowhere/my.lock", "cannot write nowhere/my.lock: No such file", "create the directory"),
        ("--lock", "my.lock/x.lock", "my.lock/x.lock", "part of the path is a file"),
        ("--lock", "directory", "--lock is a directory (directory)", "name a file"),
        ("--lock", "link", "link: is a symbolic link", "name its target"),
        ("--lock", "out/nowhere/my.lock", "cannot write out/nowhere/my.lock: ", "create the directory"),
        ("--template", "nowhere/template.yaml", "no such directory: nowhere", "create the directory"),
        ("--template", "directory", "directory: ", "help: "),
        ("--template", "my.lock/template.yaml", "my.lock", "help: "),
    ] {
        let run = world.run(&["pack", "ROOT", "-o", "OUT", option, file]);
        assert_eq!(run.code, 2, "{option} {file}: {}", run.stdout);
        assert!(run.stderr.contains(said) && run.stderr.contains(remedy), "{option} {file}: {}", run.stderr);
        assert!(!run.stderr.contains(".layerfit-"), "no temporary file is named: {}", run.stderr);
        assert!(everything(&world) == before, "{option} {file}");
    }
    // Nor does the first pack leave anything.
    let world = World::new();
    world.file("a", "one");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "--lock", "nowhere/my.lock"]).code, 2);
    assert_eq!(world.names_beside(), ["opt"]);
}

/// Runs a script as root in a mount namespace of its own; `None` where there cannot be one.
fn in_namespace(world: &World, script: &str, pack: &[&str]) -> Option<Run> {
    let direct = world.command(pack);
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "--propagation", "private", "sh", "-c", script, "sh"]);
    unshare.arg(direct.get_program()).args(direct.get_args()).current_dir(world.beside(""));
    let run = Run::of(unshare);
    if run.stderr.contains("unshare:") || run.stderr.contains("mount:") {
        eprintln!("not tried: no mount namespaces");
        return None;
    }
    Some(run)
}

#[test]
fn a_full_disk_and_one_that_cannot_be_written_leave_the_layers_that_match_the_lock() {
    let world = packed();
    fs::create_dir(world.beside("locks")).expect("made");
    let before = everything(&world);
    let lock = ["pack", "ROOT", "-o", "OUT", "--lock", "locks/my.lock"];
    let template = ["pack", "ROOT", "-o", "OUT", "--lock", "my.lock", "--template", "locks/template.yaml"];
    // In the full one, a file can be made and has no room: it is only known when its content is written.
    let full = "mount -t tmpfs -o size=64k none locks && { cat /dev/zero >locks/filler 2>/dev/null; \"$@\"; code=$?; \
                ls -A locks >&2; exit $code; }";
    let read_only = "mount -t tmpfs -o ro none locks && \"$@\"";
    for (script, said, remedy) in [
        (full, "No space left on device", "free some space there"),
        (read_only, "Read-only file system", "on a file system that can be written"),
    ] {
        for (pack, file) in [(&lock[..], "locks/my.lock"), (&template, "locks/template.yaml")] {
            let Some(run) = in_namespace(&world, script, pack) else { return };
            assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains(&format!("cannot write {file}: {said}")), "{}", run.stderr);
            assert!(run.stderr.contains(remedy) && !run.stderr.contains(".layerfit-"), "{}", run.stderr);
            assert!(everything(&world) == before, "{file}: {said}");
        }
    }
}

#[test]
fn a_lock_that_is_a_mount_point_is_refused_with_a_remedy() {
    let world = packed();
    let before = everything(&world);
    let script = "touch other && mount --bind other my.lock && rm other && \"$@\"";
    let Some(run) = in_namespace(&world, script, &PACK) else { return };
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    // An empty file is no lock either.
    let said = run.stderr.contains("my.lock: is a mount point") && run.stderr.contains("help: mount the directory");
    assert!(said, "{}", run.stderr);
    assert!(everything(&world) == before);
}

#[test]
fn a_lock_and_a_template_can_be_in_the_output_directory() {
    for place in ["out", "out/sub"] {
        let world = World::new();
        world.file("a", "one");
        let (lock, template) = (format!("{place}/my.lock"), format!("{place}/template.yaml"));
        if place != "out" {
            fs::create_dir_all(world.beside(place)).expect("made");
        }
        let with_lock = ["pack", "ROOT", "-o", "OUT", "--lock", &lock];
        let with_both = [&with_lock[..], &["--template", &template]].concat();
        let run = world.run(&with_lock);
        assert_eq!(run.code, 0, "{place}: {}", run.stderr);
        fs::write(world.beside("out/notes"), "mine").expect("written");
        fs::set_permissions(world.beside(&lock), fs::Permissions::from_mode(0o640)).expect("changed");
        let old = fs::read(world.beside(&lock)).expect("read");
        world.file("share/b", "more");
        for pack in [&with_both[..], &with_both, &with_lock] {
            let run = world.run(pack);
            assert_eq!(run.code, 0, "{place}: {}", run.stderr);
            let new = fs::read(world.beside(&lock)).expect("read");
            assert_ne!(new, old, "{place}");
            let mode = fs::metadata(world.beside(&lock)).expect("there").permissions().mode();
            assert_eq!(mode & 0o7777, 0o640, "{place}");
            assert_eq!(fs::read(world.beside("out/notes")).expect("read"), b"mine");
            let text = fs::read_to_string(world.beside(&template)).expect("read");
            let zip = if place == "out" { "./layer-1.zip" } else { "../layer-1.zip" };
            assert!(text.contains(&format!("ContentUri: \"{zip}\"")), "{place}: {text}");
            let mut expected = vec!["layer-1.zip", "manifest.json", "notes", "report.html", "report.md"];
            let own = ["my.lock", "template.yaml"];
            if place == "out" {
                expected.extend(own);
                expected.sort_unstable();
            } else {
                expected.push("sub");
                assert_eq!(names(&world.beside(place)), own);
            }
            assert_eq!(names(&world.beside("out")), expected, "{place}");
            assert_eq!(world.names_beside(), ["opt", "out"]);
        }
    }
}

#[test]
fn no_other_file_has_the_name_of_one_that_pack_writes() {
    let world = packed();
    let before = everything(&world);
    for file in ["out/manifest.json", "out/report.md", "out/report.html"] {
        let run = world.run(&["pack", "ROOT", "-o", "OUT", "--template", file]);
        assert_eq!(run.code, 2, "{file}: {}", run.stdout);
        assert!(everything(&world) == before, "{file}");
    }
    let world = World::new();
    world.file("a", "one");
    for file in ["out/manifest.json", "out/layer-1.zip"] {
        let run = world.run(&["pack", "ROOT", "-o", "OUT", "--lock", file]);
        let said = format!("{file}: the layers in this directory have a file of that name");
        assert!(run.code == 2 && run.stderr.contains(&said), "{file}: {}", run.stderr);
        assert_eq!(world.names_beside(), ["opt"]);
    }
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--lock", "same", "--template", "./same"]);
    assert!(run.code == 2 && run.stderr.contains("cannot be the lock and the template at once"), "{}", run.stderr);
    assert_eq!(world.names_beside(), ["opt"]);
}

#[test]
fn what_init_and_capture_cannot_write_is_told_before_anything_is_read() {
    let world = World::new();
    fs::write(world.beside("layerfit.toml"), "").expect("written");
    fs::write(world.beside("mine.toml"), "").expect("written");
    // What they would read is not there, which is not found out any more.
    for arguments in [&["init", "nowhere"][..], &["runtime", "capture", "mine", "--sysroot", "nowhere"]] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains(".toml: already exists") && run.stderr.contains("help: "), "{}", run.stderr);
    }
    let run = world.run(&["runtime", "capture", "mine", "--sysroot", "nowhere", "-o", "none/mine.toml"]);
    assert!(
        run.stderr.contains("cannot write none/mine.toml: ") && run.stderr.contains("create the dir"),
        "{}",
        run.stderr
    );
}
