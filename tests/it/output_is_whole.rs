//! What the user had is never lost, and nothing half-written stays.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Run, World, names, noise};

fn packed() -> World {
    let world = World::new();
    world.file("a", "one");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    world
}

#[test]
fn an_old_output_is_replaced_whole() {
    let world = packed();
    let before = fs::read(world.beside("out/layer-1.zip")).expect("read");
    world.file("a", "two").file("b", "more");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    assert_ne!(fs::read(world.beside("out/layer-1.zip")).expect("read"), before);
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn layers_that_are_no_longer_needed_go_with_the_old_output() {
    let world = World::new();
    world.file("a/x", noise(1, 4000)).file("b/y", noise(2, 4000));
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "--max-zipped", "5KB"]).code, 0);
    assert_eq!(
        names(&world.beside("out")),
        ["layer-1.zip", "layer-2.zip", "manifest.json", "report.html", "report.md"]
    );
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    assert_eq!(names(&world.beside("out")), ["layer-1.zip", "manifest.json", "report.html", "report.md"]);
}

#[test]
fn files_that_layerfit_did_not_write_are_carried_along() {
    let world = packed();
    fs::write(world.beside("out/notes.txt"), "mine").expect("written");
    fs::create_dir(world.beside("out/kept")).expect("made");
    fs::write(world.beside("out/kept/deep"), "mine too").expect("written");
    std::os::unix::fs::symlink("notes.txt", world.beside("out/link")).expect("linked");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    assert_eq!(fs::read(world.beside("out/notes.txt")).expect("read"), b"mine");
    assert_eq!(fs::read(world.beside("out/kept/deep")).expect("read"), b"mine too");
    assert_eq!(fs::read_link(world.beside("out/link")).expect("a link").as_os_str(), "notes.txt");
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn a_file_of_the_users_under_a_layers_name_is_not_overwritten() {
    let world = World::new();
    world.file("a", "one");
    fs::create_dir(world.beside("out")).expect("made");
    fs::write(world.beside("out/layer-1.zip"), "my own work").expect("written");
    let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("layer-1.zip: layerfit did not write this file"), "{}", run.stderr);
    assert_eq!(fs::read(world.beside("out/layer-1.zip")).expect("read"), b"my own work");
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn a_zip_that_was_changed_since_is_the_users_too() {
    let world = packed();
    fs::write(world.beside("out/layer-1.zip"), "changed by hand").expect("written");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 2);
    assert_eq!(fs::read(world.beside("out/layer-1.zip")).expect("read"), b"changed by hand");
}

#[test]
fn a_zip_that_was_changed_without_its_length_is_the_users_whatever_its_times_say() {
    let zip = |world: &World| world.beside("out/layer-1.zip");
    let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    // A byte is changed in place; then its time is set to one before that of the manifest; or the directory is a copy with the
    // times of contents, as `cp -a` makes it.
    for (what, set_back, copied) in [("changed", false, false), ("set back", true, false), ("copied", false, true)] {
        let world = packed();
        let file = fs::File::options().write(true).open(zip(&world)).expect("opened");
        file.write_all_at(b"?", 12).expect("written");
        if set_back {
            file.set_modified(ago).expect("set");
        }
        let mine = fs::read(zip(&world)).expect("read");
        if copied {
            let of = |name: &str| world.beside(name).display().to_string();
            let copy = format!("cp -a {0} {1} && rm -r {0} && mv {1} {0}", of("out"), of("copy"));
            assert!(Command::new("sh").args(["-c", &copy]).status().expect("run").success());
        }
        let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
        assert_eq!(run.code, 2, "{what}: {}", run.stderr);
        assert!(run.stderr.contains("layer-1.zip: layerfit did not write this file"), "{what}: {}", run.stderr);
        assert_eq!(fs::read(zip(&world)).expect("read"), mine, "{what}");
    }
}

#[test]
fn what_does_not_fit_is_not_written_and_the_old_output_stays() {
    let world = packed();
    let before = fs::read(world.beside("out/manifest.json")).expect("read");
    world.file("b", noise(3, 9000));
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--max-zipped", "1KB"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("FAIL: does not fit"), "{}", run.stdout);
    assert_eq!(fs::read(world.beside("out/manifest.json")).expect("read"), before);
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn content_that_fits_is_written_although_a_finding_is_an_error() {
    let world = World::new();
    world.file("lib/bad.so", b"\x7fELF");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 1);
    assert!(world.beside("out/layer-1.zip").is_file());
}

#[test]
fn an_output_inside_the_tree_or_around_it_is_refused() {
    let world = World::new();
    world.file("a", "one");
    for output in ["opt/layers", "opt", "."] {
        let run = world.run(&["pack", "ROOT", "-o", output]);
        assert_eq!(run.code, 2, "{output}");
        assert!(run.stderr.contains("help:"), "{output}: {}", run.stderr);
    }
    assert_eq!(world.names_beside(), ["opt"]);
    assert_eq!(names(&world.root()), ["a"]);
}

/// The staging directory of the output.
fn staging(world: &World) -> PathBuf {
    world.beside(".out.layerfit-new")
}

/// Starts a run that takes a while, waits until it has begun to write, and kills it.
fn killed(world: &World) {
    for number in 0..4 {
        world.file(format!("share/{number}"), noise(number, 2_000_000));
    }
    let mut command = world.command(&["pack", "ROOT", "-o", "OUT", "--no-cache", "--level", "max"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    while fs::symlink_metadata(staging(world).join("mark")).is_err() {
        assert!(child.try_wait().expect("asked").is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("ends");
    assert!(staging(world).is_dir());
}

#[test]
fn what_a_killed_run_left_is_cleared_away_by_the_next() {
    let world = packed();
    killed(&world);
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn an_old_version_that_a_killed_run_left_gives_back_what_is_the_users() {
    let world = packed();
    fs::write(world.beside("out/kept"), "old").expect("written");
    fs::create_dir(world.beside("out/sub")).expect("made");
    killed(&world);
    // As if it had been killed after the exchange of the two versions, and something had been put into the old one late.
    let (old, out) = (staging(&world).join("new"), world.beside("out"));
    fs::rename(&old, world.beside("exchanged")).expect("moved");
    fs::rename(&out, &old).expect("moved");
    fs::rename(world.beside("exchanged"), &out).expect("moved");
    fs::hard_link(old.join("kept"), out.join("kept")).expect("linked");
    fs::create_dir(out.join("sub")).expect("made");
    for (name, text) in [("late", "late"), ("sub/deep", "deep"), ("both", "theirs")] {
        fs::write(old.join(name), text).expect("written");
    }
    fs::write(out.join("both"), "mine").expect("written");
    let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let expected = [("kept", "old"), ("late", "late"), ("sub/deep", "deep"), ("both", "mine"), ("both.1", "theirs")];
    for (name, text) in expected {
        assert_eq!(fs::read_to_string(out.join(name)).expect(name), text);
    }
    assert_eq!(world.names_beside(), ["opt", "out"]);
    assert_eq!(world.run(&["check", "OUT"]).code, 0);
}

#[test]
fn what_layerfit_did_not_make_is_never_taken_for_its_staging_directory() {
    type Plant = fn(&World);
    let plants: [(&str, Plant); 7] = [
        ("a link to a directory", |world| symlink("precious", staging(world)).expect("linked")),
        ("a link to the tree", |world| symlink("opt", staging(world)).expect("linked")),
        ("a dangling link", |world| symlink("missing", staging(world)).expect("linked")),
        ("a file", |world| fs::write(staging(world), "mine").expect("written")),
        ("a directory", |world| {
            fs::create_dir_all(staging(world).join("new")).expect("made");
            fs::write(staging(world).join("new/mine"), "mine").expect("written");
        }),
        ("a directory with a mark of another", |world| {
            fs::create_dir_all(staging(world).join("new")).expect("made");
            symlink("layerfit:1:2:3", staging(world).join("mark")).expect("linked");
        }),
        ("a copy of what a killed run left", |world| {
            killed(world);
            fs::rename(staging(world), world.beside("moved")).expect("moved");
            fs::create_dir(staging(world)).expect("made");
            fs::rename(world.beside("moved/new"), staging(world).join("new")).expect("moved");
            fs::rename(world.beside("moved/mark"), staging(world).join("mark")).expect("moved");
            fs::remove_dir(world.beside("moved")).expect("removed");
        }),
    ];
    for (what, plant) in plants {
        let world = packed();
        fs::create_dir_all(world.beside("precious/a")).expect("made");
        fs::write(world.beside("precious/a/f"), "1").expect("written");
        fs::write(world.beside("precious/g"), "2").expect("written");
        plant(&world);
        let before = everything(&world);
        let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
        assert_eq!(run.code, 2, "{what}: {}", run.stderr);
        assert!(run.stderr.contains(".out.layerfit-new: layerfit needs this name"), "{what}: {}", run.stderr);
        assert!(run.stderr.contains("help: move it away"), "{what}: {}", run.stderr);
        assert_eq!(everything(&world), before, "{what}");
    }
}

/// Every path of the world with what is there.
fn everything(world: &World) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let walk = walkdir::WalkDir::new(world.beside("")).sort_by_file_name().into_iter();
    walk.map(|entry| entry.expect("listed").into_path())
        .map(|path| {
            let link = fs::read_link(&path).ok().map(|target| target.into_os_string().into_encoded_bytes());
            let content = link.or_else(|| fs::read(&path).ok());
            (path, content)
        })
        .collect()
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let world = packed();
    let staging = staging(&world);
    fs::create_dir(&staging).expect("made");
    let held = fs::File::open(&staging).expect("opened");
    held.lock().expect("locked");
    let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("another layerfit is writing there"), "{}", run.stderr);
    assert!(staging.is_dir(), "the other run's work is left alone");
}

#[test]
fn an_output_directory_keeps_its_mode_and_owner_and_is_private_meanwhile() {
    let world = packed();
    let out = world.beside("out");
    for mode in [0o700, 0o2775, 0o755] {
        // Only root can give it away.
        let given = std::os::unix::fs::chown(&out, Some(65_534), Some(4242)).is_ok();
        fs::set_permissions(&out, fs::Permissions::from_mode(mode)).expect("changed");
        assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
        let metadata = fs::metadata(&out).expect("there");
        assert_eq!(metadata.mode() & 0o7777, mode);
        assert!(!given || (metadata.uid(), metadata.gid()) == (65_534, 4242));
    }
    killed(&world);
    assert_eq!(fs::metadata(staging(&world)).expect("there").mode() & 0o777, 0o700);
}

#[test]
fn what_is_put_there_while_it_is_replaced_is_not_lost() {
    let world = packed();
    let out = world.beside("out");
    fs::create_dir(out.join("sub")).expect("made");
    for number in 0..300 {
        fs::write(out.join(format!("sub/{number}")), "there before").expect("written");
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for name in [format!("{}.mine", written.len()), format!("sub/{}.mine", written.len())] {
                    fs::write(out.join(&name), &name).expect("written");
                    written.push(name);
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            written
        });
        let runs: Vec<Run> = (0..12).map(|_| world.run(&["pack", "ROOT", "-o", "OUT"])).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let written = writer.join().expect("written");
        assert!(runs.iter().all(|run| run.code == 0), "{}", runs.iter().map(|run| &*run.stderr).collect::<String>());
        written
    });
    let whole = |name: &&String| fs::read_to_string(out.join(name)).ok().as_ref() == Some(*name);
    let lost: Vec<&String> = written.iter().filter(|name| !whole(name)).collect();
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), written.len());
    assert_eq!(fs::read_dir(out.join("sub")).expect("listed").count(), 300 + written.len() / 2);
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn a_mount_point_is_refused_with_a_remedy() {
    let world = packed();
    let out = world.beside("out");
    let layerfit = world.command(&[]).get_program().to_owned();
    // In a namespace of its own, where there can be one; what is mounted there is nowhere else.
    let script = format!(
        "mount -t tmpfs none '{out}' && touch '{out}/mine' && '{}' pack '{}' -o '{out}' --no-cache; code=$?; \
         test -e '{out}/mine' && exit $code",
        layerfit.display(),
        world.root().display(),
        out = out.display()
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "--propagation", "private", "sh", "-c", &script]);
    let run = Run::of(unshare);
    if run.stderr.contains("unshare:") || run.stderr.contains("mount:") {
        return;
    }
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("is a mount point"), "{}", run.stderr);
    assert!(run.stderr.contains("help: give a directory in it"), "{}", run.stderr);
}

#[test]
fn a_limit_of_the_length_of_files_is_an_error_that_leaves_nothing() {
    let world = packed();
    let before = everything(&world);
    let direct = world.command(&["pack", "ROOT", "-o", "OUT", "--no-cache"]);
    for blocks in ["0", "1"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -f $1; shift; exec \"$@\"", "sh", blocks]);
        shell.arg(direct.get_program()).args(direct.get_args());
        let run = Run::of(shell);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("ulimit -f"), "{}", run.stderr);
        assert_eq!(everything(&world), before);
    }
}

#[test]
fn what_cannot_be_printed_is_not_called_unchanged() {
    let world = packed();
    world.file("b", "more");
    let mut command = world.command(&["pack", "ROOT", "-o", "OUT"]);
    command.stdout(fs::File::options().write(true).open("/dev/full").expect("opened"));
    let run = command.output().expect("runs");
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr.contains("standard output") && !stderr.contains("nothing was changed"), "{stderr}");
    assert!(fs::read_to_string(world.beside("out/manifest.json")).expect("read").contains("\"b\""));
}

#[test]
fn help_that_cannot_be_printed_is_a_failure() {
    let world = World::new();
    for arguments in [&["--help"][..], &["--version"], &["help", "pack"], &["check", "-h"]] {
        let mut command = world.command(arguments);
        command.stdout(fs::File::options().write(true).open("/dev/full").expect("opened"));
        let run = command.output().expect("runs");
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.contains("standard output"), "{stderr}");
    }
}

#[test]
fn a_lock_and_a_baseline_in_the_tree_are_refused() {
    let world = World::new();
    world.file("a", "one").directory("sub");
    for arguments in [
        ["pack", "ROOT", "-o", "OUT", "--lock", "opt/l.lock"],
        ["pack", "ROOT", "-o", "OUT", "--lock", "opt/sub/../sub/l.lock"],
        ["check", "ROOT", "--update-baseline", "--no-cache", "--baseline", "opt/b.json"],
    ] {
        let run = world.run(&arguments);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("is inside the tree") && run.stderr.contains("help:"), "{}", run.stderr);
    }
    assert_eq!(names(&world.root()), ["a", "sub"]);
    assert_eq!(world.names_beside(), ["opt"]);
}

#[test]
fn no_file_is_written_through_a_link() {
    let world = World::new();
    world.file("a", "one");
    fs::write(world.beside("precious"), "mine").expect("written");
    symlink("precious", world.beside("link")).expect("linked");
    for arguments in [
        &["pack", "ROOT", "-o", "OUT", "--lock", "link"][..],
        &["check", "ROOT", "--update-baseline", "--baseline", "link"],
        &["pack", "ROOT", "-o", "OUT", "--template", "link"],
        &["runtime", "capture", "x", "--sysroot", "/", "-o", "link"],
        &["invoke", "ROOT", "--handler", "a.b", "--trace", "link"],
    ] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}{}", run.stdout, run.stderr);
        assert_eq!(fs::read(world.beside("precious")).expect("read"), b"mine", "{arguments:?}");
        assert!(fs::symlink_metadata(world.beside("link")).expect("there").is_symlink(), "{arguments:?}");
    }
}

#[test]
fn a_bootstrap_is_not_written_through_a_link() {
    let world = World::new();
    fs::create_dir(world.beside("precious")).expect("made");
    symlink("precious", world.beside("link")).expect("linked");
    for name in ["link", "link/"] {
        let run = world.run(&["init", "--bootstrap", name]);
        assert_eq!(run.code, 2, "{name}: {}", run.stdout);
        assert!(run.stderr.contains("name its target"), "{}", run.stderr);
    }
    assert_eq!(fs::read_dir(world.beside("precious")).expect("listed").count(), 0);
}

#[test]
fn an_output_directory_keeps_its_access_control_list() {
    let world = packed();
    let out = world.beside("out");
    // acl(5): the version, then tag, permissions and id of each entry: the owner, user 1000, the group, the mask, the others.
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, u32::MAX), (2, 5, 1000), (4, 0, u32::MAX), (0x10, 5, u32::MAX), (0x20, 0, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let name = "system.posix_acl_access";
    if rustix::fs::setxattr(&out, name, &list, rustix::fs::XattrFlags::empty()).is_err() {
        eprintln!("not tried: this file system has no access control lists");
        return;
    }
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let mut found = vec![0; 1024];
    let length = rustix::fs::getxattr(&out, name, &mut found).expect("there");
    assert_eq!(&found[..length], list);
    assert_eq!(fs::metadata(&out).expect("there").mode() & 0o7777, 0o750);
}
