//! What the user had is never lost, and nothing half-written stays.

use std::fs;

use crate::support::{World, names, noise};

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
fn what_does_not_fit_is_not_written_and_the_old_output_stays() {
    let world = packed();
    let before = fs::read(world.beside("out/manifest.json")).expect("read");
    world.file("b", noise(3, 9000));
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--max-zipped", "1KB"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("Does not fit"), "{}", run.stdout);
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

#[test]
fn what_a_killed_run_left_is_cleared_away_by_the_next() {
    let world = packed();
    let left = world.beside(".out.layerfit-new");
    fs::create_dir(&left).expect("made");
    fs::write(left.join("layer-1.zip"), "half").expect("written");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let world = packed();
    let staging = world.beside(".out.layerfit-new");
    fs::create_dir(&staging).expect("made");
    let held = fs::File::open(&staging).expect("opened");
    held.lock().expect("locked");
    let run = world.run(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("another layerfit is writing there"), "{}", run.stderr);
    assert!(staging.is_dir(), "the other run's work is left alone");
}
