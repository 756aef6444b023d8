//! The fuzz targets compile, and run on a few inputs: `make fuzz` takes hours, and so a target that no longer compiles would
//! be noticed late.
//!
//! The files of fuzz/fuzz_targets are modules of this one, with a `fuzz_target!` that makes a function of what the engine
//! would call.

/// The macro of the crate libfuzzer-sys, whose name main.rs gives to this program; it defines `run` in the target's module.
macro_rules! run {
    (|$input:ident: &[u8]| $body:block) => {
        pub(super) fn run($input: &[u8]) {
            $body
        }
    };
    (|$input:ident: &str| $body:block) => {
        pub(super) fn run(input: &[u8]) {
            // The engine makes no text of other bytes either.
            if let Ok($input) = std::str::from_utf8(input) {
                $body
            }
        }
    };
}
pub(crate) use run as fuzz_target;

/// The targets by name, each in a module of its own.
macro_rules! targets {
    ($($name:ident $file:literal),* $(,)?) => {
        $(#[path = $file]
        #[expect(unused_attributes, reason = "no_main is for the program that the engine starts")]
        mod $name;)*

        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::run)),*];
    };
}

targets! {
    description "../../fuzz/fuzz_targets/description.rs",
    elf "../../fuzz/fuzz_targets/elf.rs",
    images "../../fuzz/fuzz_targets/images.rs",
    r_source "../../fuzz/fuzz_targets/r_source.rs",
    rdx "../../fuzz/fuzz_targets/rdx.rs",
    report "../../fuzz/fuzz_targets/report.rs",
    rules "../../fuzz/fuzz_targets/rules.rs",
    runtime "../../fuzz/fuzz_targets/runtime.rs",
    shell "../../fuzz/fuzz_targets/shell.rs",
    zips "../../fuzz/fuzz_targets/zips.rs",
}

/// Text that each format could begin with, and bytes that none could.
const INPUTS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff\xfe\0\x7f\x80",
    b"\x7fELF\x02\x01\x01",
    b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    b"Package: a\nVersion: 1.0-2\nDepends: R (>= 3.5), b (> 1)\nImports: c\n",
    b"slibrary(a); b::f(x)\n",
    b"#!/bin/sh\nexec \"$(dirname \"$0\")/R\" \"$@\"\n",
    b"name = \"x\"\n[[rule]]\ncode = \"D999\"\n",
    b"lib/a.so\n::error::x\n\x1b[31m\n<b>|`\n",
];

#[test]
fn each_target_runs() {
    for (_, run) in TARGETS {
        for input in INPUTS {
            run(input);
        }
    }
}

#[test]
fn every_target_is_among_them_and_in_the_list_that_make_fuzz_runs() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("the targets")
        .map(|entry| entry.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), files);
    let script = include_str!("../../scripts/fuzz.sh");
    let list = script.lines().find_map(|line| line.split_once("targets=(elf ")).expect("the list").1;
    let mut listed: Vec<&str> = list.trim_end_matches(')').split(' ').chain(["elf"]).collect();
    listed.sort_unstable();
    assert_eq!(listed, files);
}
