//! The cache of compressed contents in the user's cache directory: what is in it saves the work, whatever happens to it
//! changes nothing but the time, and it stays under its size.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Run, World, noise};

fn plan(world: &World, more: &[&str]) -> Run {
    let mut command = world.command(&[&["plan", "ROOT", "--format", "json"], more].concat());
    command.env("XDG_CACHE_HOME", world.beside("cache"));
    Run::of(command)
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("listed").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn what_was_used_least_recently_goes_when_a_run_has_made_the_cache_too_large() {
    let world = World::new();
    world.file("share/first", noise(1, 20_000));
    assert_eq!(plan(&world, &[]).code, 0);
    let cache = world.beside("cache");
    let [first] = files(&cache).try_into().expect("one entry");
    // Files of three GB without a block on the disk, used long ago.
    let old = SystemTime::now() - Duration::from_secs(100_000);
    for name in ["old", "older"] {
        let file = File::create(first.with_file_name(name)).expect("made");
        file.set_len(3 << 30).expect("no block is taken");
        file.set_modified(old).expect("set");
    }
    File::open(&first).expect("there").set_modified(old - Duration::from_secs(1)).expect("set");

    // A run that adds nothing leaves it as it is; what it used is as good as new.
    assert_eq!(plan(&world, &[]).code, 0);
    assert_eq!(files(&cache).len(), 3);
    // Nor does one that looks nothing up.
    world.file("share/second", noise(2, 20_000));
    assert_eq!(plan(&world, &["--no-cache"]).code, 0);
    assert_eq!(files(&cache).len(), 3);
    // One that adds something trims it.
    assert_eq!(plan(&world, &[]).code, 0);
    let left = files(&cache);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&first), "{left:?}");
}

#[test]
fn two_machines_with_one_store_make_the_same_bytes_and_a_store_that_fails_is_reported() {
    let world = World::new();
    world.file("share/noise", noise(1, 300_000));
    world.file("share/text", "the same again ".repeat(30_000));
    let pack = |machine: &str, store: &str| {
        let mut command = world.command(&["pack", "ROOT", "-o", machine, "--shared-cache", store]);
        command.env("XDG_CACHE_HOME", world.beside(&format!("cache-{machine}")));
        let run = Run::of(command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        (fs::read(world.beside(machine).join("layer-1.zip")).expect("packed"), run.stderr)
    };
    let store = world.beside("store");
    let first = pack("one", &store.display().to_string());
    let stored = files(&store);
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert_eq!(pack("two", &store.display().to_string()), first);
    assert_eq!(files(&world.beside("cache-two")).len(), files(&world.beside("cache-one")).len());
    assert_eq!(files(&store), stored);

    let blocked = stored[0].join("store");
    let (zip, said) = pack("three", &format!("file://{}", blocked.display()));
    assert_eq!(zip, first.0);
    assert!(said.contains("could not be used: cannot read "), "{said}");
    assert!(first.1.is_empty() || !first.1.contains("shared"), "{}", first.1);
    if cfg!(not(feature = "shared-cache")) {
        let (zip, said) = pack("four", "s3://bucket/prefix");
        assert_eq!(zip, first.0);
        assert!(said.contains("could not be used: this program was built without object stores"), "{said}");
    }
    let run = world.run(&["plan", "ROOT", "--shared-cache", "gopher://store"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("s3://BUCKET/PREFIX"), "{}", run.stderr);
}

#[test]
fn a_damaged_cache_changes_nothing_but_the_time() {
    let world = World::new();
    world.file("share/first", noise(1, 20_000)).file("share/text", "the same again ".repeat(4000));
    let report = plan(&world, &[]).stdout;
    let entries = files(&world.beside("cache"));
    assert_eq!(entries.len(), 2);
    for entry in &entries {
        let mut bytes = fs::read(entry).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes[8] ^= 1;
        fs::write(entry, bytes).expect("written");
    }
    assert_eq!(plan(&world, &[]).stdout, report);
    assert_eq!(plan(&world, &["--no-cache"]).stdout, report);
    assert_eq!(plan(&world, &[]).stdout, report);
    // Where no cache can be, none is needed.
    fs::remove_dir_all(world.beside("cache")).expect("removed");
    fs::write(world.beside("cache"), "a file").expect("written");
    assert_eq!(plan(&world, &[]).stdout, report);
}

/// What is in the files of the cache, and when they were written.
fn written(world: &World) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let of_each = files(&world.beside("cache")).into_iter().map(|path| {
        let at = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("there");
        (path.clone(), fs::read(path).expect("read"), at)
    });
    of_each.collect()
}

#[test]
fn a_run_that_finds_everything_writes_nothing_and_one_with_another_key_signs_it_once() {
    let world = World::new();
    world.file("share/first", noise(1, 20_000)).file("share/text", "the same again ".repeat(4000));
    let pack = |state: &str| {
        let mut command = world.command(&["pack", "ROOT", "-o", "OUT"]);
        command.env("XDG_CACHE_HOME", world.beside("cache")).env("XDG_STATE_HOME", world.beside(state));
        assert_eq!(Run::of(command).code, 0);
        fs::read(world.beside("out/layer-1.zip")).expect("packed")
    };
    let zip = pack("mine");
    let key = fs::metadata(world.beside("mine/layerfit/cache-key")).expect("made");
    assert_eq!((key.len(), key.permissions().mode() & 0o7777), (32, 0o600));
    let first = written(&world);
    assert_eq!(first.len(), 2);
    assert!(pack("mine") == zip && written(&world) == first);
    // A cache that is restored where there is no key yet, or another.
    assert!(pack("theirs") == zip);
    let signed = written(&world);
    let parts = |all: &[(PathBuf, Vec<u8>, SystemTime)], of: std::ops::RangeFrom<usize>| {
        all.iter().map(|(path, bytes, _)| (path.clone(), bytes[of.clone()].to_vec())).collect::<Vec<_>>()
    };
    assert!(parts(&signed, 0..) != parts(&first, 0..) && parts(&signed, 89..) == parts(&first, 89..));
    assert!(pack("theirs") == zip && written(&world) == signed);
    // Where no key can be made, nothing is signed, and all is as it was.
    fs::write(world.beside("file"), "").expect("written");
    assert!(pack("file") == zip && written(&world) == signed);
    // One that comes back was signed before, and is right.
    for (path, bytes, _) in &first {
        fs::write(path, bytes).expect("written");
    }
    assert!(pack("mine") == zip && parts(&written(&world), 0..) == parts(&first, 0..));
}

#[test]
fn what_is_too_short_for_a_file_of_its_own_is_kept_with_others_and_what_is_compressed_faster_than_found_is_not() {
    let world = World::new();
    let text = "text ".repeat(4000).into_bytes();
    let names = |world: &World| {
        let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        files(&world.beside("cache")).into_iter().map(name).collect::<Vec<_>>()
    };
    world.file("share/tiny", &text[..511]);
    assert_eq!(plan(&world, &[]).code, 0);
    assert_eq!(names(&world).len(), 0);
    world.file("share/short", &text[..16_383]);
    assert_eq!(plan(&world, &[]).code, 0);
    let short = names(&world);
    assert!(short.len() == 1 && short[0].starts_with("short-"), "{short:?}");
    world.file("share/long", &text[..16_384]);
    assert_eq!(plan(&world, &[]).code, 0);
    assert_eq!(files(&world.beside("cache")).len(), 2);
    // The same content twice is one entry, at each level.
    world.file("share/again", &text[..16_384]);
    assert_eq!(plan(&world, &[]).code, 0);
    assert_eq!(files(&world.beside("cache")).len(), 2);
    assert_eq!(plan(&world, &["--level", "max"]).code, 0);
    assert_eq!(files(&world.beside("cache")).len(), 3);
}

#[test]
fn zips_are_the_same_whatever_became_of_the_cache_that_they_are_packed_from() {
    let world = World::new();
    world.file("share/noise", noise(1, 20_000)).file("share/text", "the same again ".repeat(4000));
    world.file("share/short", "the same again ".repeat(100)).file("share/short-noise", noise(2, 2000));
    let pack = |more: &[&str]| {
        let mut command = world.command(&[&["pack", "ROOT", "-o", "OUT"], more].concat());
        command.env("XDG_CACHE_HOME", world.beside("cache"));
        let run = Run::of(command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        fs::read(world.beside("out/layer-1.zip")).expect("packed")
    };
    let zip = pack(&["--no-cache"]);
    assert_eq!(files(&world.beside("cache")).len(), 0);
    // Made by a run that only needed the lengths, and packed from; then packed from as it was verified.
    assert_eq!(plan(&world, &[]).code, 0);
    let lengths = written(&world);
    assert!(pack(&[]) == zip && written(&world) != lengths);
    let verified = written(&world);
    assert!(pack(&[]) == zip && written(&world) == verified);
    // Each byte of it damaged in turn would take long: the last and those of the headers.
    for (path, bytes, _) in &verified {
        for at in (0..bytes.len().min(100)).step_by(9).chain([bytes.len() - 1]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(path, damaged).expect("written");
            assert!(pack(&[]) == zip, "{} at {at}", path.display());
        }
    }
}

#[test]
fn a_cache_that_others_can_write_to_is_not_used_and_a_note_tells_it() {
    let world = World::new();
    world.file("share/first", noise(1, 20_000));
    let trusted = plan(&world, &[]);
    assert_eq!(trusted.stderr, "");
    let cache = world.beside("cache");
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
    let version = cache.join("layerfit").join(env!("CARGO_PKG_VERSION"));
    for part in [cache.clone(), cache.join("layerfit"), version] {
        chmod(&part, 0o777);
        let run = plan(&world, &[]);
        assert!(run.stderr.contains(&format!("the cache is not used: {}", part.display())), "{}", run.stderr);
        assert!(run.stderr.contains("help: remove it"), "{}", run.stderr);
        assert_eq!((run.code, run.stdout), (0, trusted.stdout.clone()));
        assert_eq!(plan(&world, &["--no-cache"]).stderr, "");
        chmod(&part, 0o700);
    }
    assert_eq!(plan(&world, &[]).stderr, "");
}
