//! Compiled modules of Python are packed only where Python uses them in a layer.

use std::collections::BTreeSet;

use crate::support::{World, assert_no_finding, findings, zip_entries};

/// 1980-01-01 00:00 UTC: the time that files of a layer have.
const LAYER_TIME: u32 = 315_532_800;

/// A compiled module with these flags, and what it is compared with.
fn compiled(flags: u32, time: u32, length: u32) -> Vec<u8> {
    let numbers = [0x0a0d_0dcb, flags, time, length];
    numbers.iter().flat_map(|number| number.to_le_bytes()).chain(*b"\xe3code").collect()
}

/// The names that are packed.
fn packed(world: &World, options: &[&str]) -> BTreeSet<String> {
    let arguments = [&["pack", "ROOT", "-o", "OUT", "--quiet"], options].concat();
    let run = world.run(&arguments);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect()
}

#[test]
fn compiled_modules_that_python_does_not_use_in_a_layer_are_dropped() {
    let build = 1_700_000_000;
    let cache = "python/a/__pycache__";
    let dropped = [
        // As pip and compileall write them.
        (format!("{cache}/x.cpython-312.pyc"), compiled(0, build, 4)),
        (format!("{cache}/x.cpython-312.opt-1.pyc"), compiled(0, build, 4)),
        (format!("{cache}/x.y.cpython-312.pyc"), compiled(0, build, 4)),
        ("app/__pycache__/own.cpython-312.pyc".to_owned(), compiled(0, build, 4)),
        // The time is that of a layer, the length is not that of the source.
        (format!("{cache}/z.cpython-312.pyc"), compiled(0, LAYER_TIME, 5)),
        // No import looks in __pycache__ for a module without a source.
        (format!("{cache}/gone.cpython-312.pyc"), compiled(1, 0, 0)),
        // Python 3.12 looks for x.cpython-312.pyc.
        (format!("{cache}/x.cpython-311.pyc"), compiled(1, 1, 2)),
        ("python/lib/python3.11/site-packages/__pycache__/b.cpython-312.pyc".to_owned(), compiled(1, 1, 2)),
    ];
    let kept = [
        (format!("{cache}/hashed.cpython-312.pyc"), compiled(0b01, 1, 2)),
        (format!("{cache}/checked.cpython-312.pyc"), compiled(0b11, 1, 2)),
        (format!("{cache}/timed.cpython-312.pyc"), compiled(0, LAYER_TIME, 4)),
        ("python/lib/python3.11/site-packages/__pycache__/b.cpython-311.pyc".to_owned(), compiled(1, 1, 2)),
        // In the place of a source.
        ("python/a/only.pyc".to_owned(), compiled(0, build, 4)),
        ("python/a/only.cpython-312.pyc".to_owned(), compiled(0, build, 4)),
        // Others write these, and read them themselves.
        (format!("{cache}/x.cpython-312-pytest-8.0.0.pyc"), compiled(0, build, 4)),
        (format!("{cache}/x.pypy310.pyc"), compiled(0, build, 4)),
        // Not compiled modules, or of a format without flags.
        (format!("{cache}/notes.cpython-312.pyc"), b"a text that is long enough".to_vec()),
        (format!("{cache}/x.cpython-36.pyc"), compiled(build, 4, 0)),
        // What the source is in the function is not known.
        (format!("{cache}/elsewhere.cpython-312.pyc"), compiled(0, build, 4)),
    ];
    let world = World::new();
    for name in ["x", "x.y", "z", "hashed", "checked", "timed", "notes"] {
        world.file(format!("python/a/{name}.py"), "x=1\n");
    }
    world.file("python/lib/python3.11/site-packages/b.py", "x=1\n").file("app/own.py", "x=1\n");
    world.link("python/a/elsewhere.py", "/var/task/elsewhere.py");
    for (path, content) in dropped.iter().chain(&kept) {
        world.file(path, content);
    }
    let names = packed(&world, &["--runtime", "python3.12"]);
    for (path, _) in &dropped {
        assert!(!names.contains(path), "{path} is packed");
    }
    for (path, _) in &kept {
        assert!(names.contains(path), "{path} is not packed");
    }
    // Where the function's Python is not known, a module for any version may be used.
    let names = packed(&world, &["--runtime", "provided.al2023"]);
    assert!(names.contains(&format!("{cache}/x.cpython-311.pyc")), "{names:?}");
    assert!(!names.contains(&format!("{cache}/x.cpython-312.pyc")), "{names:?}");
    assert!(packed(&world, &["--ignore", "python-stale-bytecode"]).contains(&dropped[0].0));
}

/// Python opens a compiled module to find out that it is not of its source, so that says nothing.
#[test]
fn a_run_that_opened_a_compiled_module_does_not_keep_it() {
    let world = World::new();
    world.file("python/x.py", "x=1\n").file("python/__pycache__/x.cpython-312.pyc", compiled(0, 1_700_000_000, 4));
    world.file("python/py.typed", "");
    let trace = world.beside("run.strace");
    let opened = ["x.py", "__pycache__/x.cpython-312.pyc", "py.typed"];
    let lines = opened.map(|name| format!("openat(AT_FDCWD, \"/opt/python/{name}\", O_RDONLY) = 3\n"));
    std::fs::write(&trace, lines.concat()).expect("written");
    let trace = trace.to_str().expect("UTF-8");
    let names = packed(&world, &["--trace", trace]);
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["python/py.typed", "python/x.py"]);
    let (_, report) = world.json(&["plan", "ROOT", "--trace", trace]);
    let told = findings(&report, "P105");
    assert!(told.iter().all(|(_, message)| !message.contains("pyc")), "{told:?}");
    assert!(
        packed(&world, &["--keep", "python/__pycache__/x.cpython-312.pyc"]).iter().any(|name| name.ends_with("pyc"))
    );
    assert_no_finding(&report, "R101");
}
