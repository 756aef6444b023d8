//! Each code of a check has a tree or zip that fires it, and one that differs by what matters and does not. Codes whose
//! conditions take more than a few lines have their two in the test of the promise they belong to; that none is forgotten is
//! checked by reading the tests.

use std::fs;
use std::process::Command;

use layerfit::finding::Code;
use crate::support::raw_zip::{Part, zip};
use crate::support::{World, findings, noise};

/// Makes a world and gives the arguments to run.
type Setup = fn(&World) -> Vec<&'static str>;

/// A code, what fires it, and what nearly does.
struct Pair(Code, Setup, Setup);

const ANALYZE: [&str; 2] = ["analyze", "ROOT"];
const CHECK: [&str; 2] = ["check", "ROOT"];
const LIBRARY: &str = "R/lib/R/library";

fn with(arguments: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [arguments, more].concat()
}

fn config(world: &World, text: &str) {
    fs::write(world.beside("layerfit.toml"), text).expect("written");
}

fn zipped(world: &World, parts: &[Part]) -> Vec<&'static str> {
    fs::write(world.beside("a.zip"), zip(parts)).expect("written");
    vec!["check", "a.zip"]
}

fn handler(world: &World, source: &str) -> Vec<&'static str> {
    world.r();
    fs::write(world.beside("test.R"), source).expect("written");
    vec!["plan", "ROOT", "--handler", "test.R"]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn trees() -> Vec<Pair> {
    use Code::*;
    vec![
        Pair(
            LinkLoop,
            |w| {
                w.link("a", "b").link("b", "a");
                ANALYZE.into()
            },
            |w| {
                w.link("a", "b").link("b", "c").file("c", "");
                ANALYZE.into()
            },
        ),
        Pair(
            LinkLeavesRoot,
            |w| {
                w.link("a", "/etc/hosts").link("b", "../etc/hosts");
                ANALYZE.into()
            },
            |w| {
                w.file("etc/hosts", "").link("a", "/opt/etc/hosts").link("b", "../opt/etc/hosts");
                ANALYZE.into()
            },
        ),
        Pair(
            SpecialFile,
            |w| {
                assert!(Command::new("mkfifo").arg(w.root().join("pipe")).status().expect("mkfifo runs").success());
                w.file("x", "");
                ANALYZE.into()
            },
            |w| {
                w.file("pipe", "");
                ANALYZE.into()
            },
        ),
        Pair(
            NameNotUtf8,
            |w| {
                w.file(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"caf\xe9"), "");
                ANALYZE.into()
            },
            |w| {
                w.file("café", "");
                ANALYZE.into()
            },
        ),
        Pair(
            HardLinks,
            |w| {
                w.file("a", "x");
                fs::hard_link(w.root().join("a"), w.root().join("b")).expect("linked");
                ANALYZE.into()
            },
            |w| {
                w.file("a", "x").file("b", "x");
                ANALYZE.into()
            },
        ),
        Pair(
            EmptyTree,
            |_| ANALYZE.into(),
            |w| {
                w.file("a", "");
                ANALYZE.into()
            },
        ),
        Pair(
            MissingInterpreter,
            |w| {
                w.program("bin/a", &[], &["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"]);
                ANALYZE.into()
            },
            |w| {
                w.program("bin/a", &[], &["-Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2"]);
                ANALYZE.into()
            },
        ),
        Pair(
            NotFollowed,
            |w| {
                w.file("bootstrap", "#!/bin/sh\n$HANDLER x\n").mode("bootstrap", 0o755);
                ANALYZE.into()
            },
            |w| {
                w.file("bootstrap", "#!/bin/sh\nHANDLER=sed\n$HANDLER x\n").mode("bootstrap", 0o755);
                ANALYZE.into()
            },
        ),
        Pair(
            NoBootstrap,
            |w| {
                w.r();
                ANALYZE.into()
            },
            |w| {
                w.r().file("bootstrap", "#!/bin/sh\n").mode("bootstrap", 0o755);
                ANALYZE.into()
            },
        ),
        Pair(
            DamagedDescription,
            |w| {
                w.r().file(format!("{LIBRARY}/a/DESCRIPTION"), "Package: a\nBuilt: R 4.2.2; ; ; unix\n");
                ANALYZE.into()
            },
            |w| {
                w.r().file(format!("{LIBRARY}/a/DESCRIPTION"), "Package: a\n");
                ANALYZE.into()
            },
        ),
        Pair(
            MissingPackage,
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "Imports: b");
                ANALYZE.into()
            },
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "Suggests: b");
                ANALYZE.into()
            },
        ),
        Pair(
            PackageTooOld,
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "Imports: b (>= 1.10)").package(LIBRARY, "b", "1.9", "");
                ANALYZE.into()
            },
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "Imports: b (>= 1.10)").package(LIBRARY, "b", "1.10", "");
                ANALYZE.into()
            },
        ),
        Pair(
            DuplicatePackage,
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "").package("R/lib/R/site-library", "a", "1.0", "");
                ANALYZE.into()
            },
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "").package("R/lib/R/site-library", "b", "1.0", "");
                ANALYZE.into()
            },
        ),
        Pair(
            BuiltForAnotherR,
            |w| {
                w.r().file(format!("{LIBRARY}/a/DESCRIPTION"), "Package: a\nVersion: 1\nBuilt: R 4.3.0; ; ; unix\n");
                ANALYZE.into()
            },
            |w| {
                w.r().file(format!("{LIBRARY}/a/DESCRIPTION"), "Package: a\nVersion: 1\nBuilt: R 4.2.1; ; ; unix\n");
                ANALYZE.into()
            },
        ),
        Pair(
            HandlerPackageMissing,
            |w| handler(w, "library(gone)\n"),
            |w| handler(w, "library(stats)\n# library(gone)\n"),
        ),
        Pair(
            HandlerNotFollowed,
            |w| handler(w, "f <- function(p) library(p, character.only = TRUE)\n"),
            |w| handler(w, "f <- function(p) library(stats)\n"),
        ),
        Pair(
            RuleMatchedNothing,
            |w| {
                w.r();
                with(&["plan", "ROOT"], &["--ignore", "safe", "--select", "datasets"])
            },
            |w| {
                w.r()
                    .package(LIBRARY, "datasets", "4.2.2", "Priority: base\n")
                    .file(format!("{LIBRARY}/datasets/data/x"), "x");
                with(&["plan", "ROOT"], &["--ignore", "safe", "--select", "datasets"])
            },
        ),
        Pair(
            NothingToIgnore,
            |w| {
                w.file("a", "");
                with(&CHECK, &["--ignore", "S102"])
            },
            |w| {
                w.link("a", "gone");
                with(&CHECK, &["--ignore", "S102"])
            },
        ),
        Pair(
            LayerTooLarge,
            |w| zipped(w, &[Part::stored("a", [7; 1024])]).into_iter().chain(["--max-zipped", "1KB"]).collect(),
            |w| {
                zipped(w, &[Part::stored("a", [7; 1024 - 2 - 22 - 76])])
                    .into_iter()
                    .chain(["--max-zipped", "1KB"])
                    .collect()
            },
        ),
        Pair(
            UnzippedTooLarge,
            |w| {
                w.file("a", [7; 1025]);
                with(&CHECK, &["--max-unzipped", "1KB"])
            },
            |w| {
                w.file("a", [7; 1024]);
                with(&CHECK, &["--max-unzipped", "1KB"])
            },
        ),
        Pair(
            FileTooLarge,
            |w| {
                w.file("a", noise(1, 1024 - 2 - 22 - 76 + 1));
                with(&CHECK, &["--max-zipped", "1KB"])
            },
            |w| {
                w.file("a", noise(1, 1024 - 2 - 22 - 76));
                with(&CHECK, &["--max-zipped", "1KB"])
            },
        ),
        Pair(
            LittleHeadroom,
            |w| {
                w.file("a", [7; 24]);
                with(&CHECK, &["--max-unzipped", "1KB", "--headroom", "1001"])
            },
            |w| {
                w.file("a", [7; 24]);
                with(&CHECK, &["--max-unzipped", "1KB", "--headroom", "1000"])
            },
        ),
        Pair(
            BudgetOfNothing,
            |w| {
                w.r();
                config(w, "[[budget]]\nof = \"pkg:gone\"\nzipped = 9999\n");
                CHECK.into()
            },
            |w| {
                w.r();
                config(w, "[[budget]]\nof = \"pkg:stats\"\nzipped = 9999\n");
                CHECK.into()
            },
        ),
        Pair(
            Relocated,
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "");
                config(w, "[[relocate]]\npackages = [\"a\"]\nto = \"site\"\n");
                CHECK.into()
            },
            |w| {
                w.r().package("site", "a", "1.0", "");
                config(w, "[[relocate]]\npackages = [\"a\"]\nto = \"site\"\n");
                CHECK.into()
            },
        ),
        Pair(
            RenvironChanged,
            |w| {
                w.r();
                config(w, "r-libs-user = [\"site\"]\n");
                CHECK.into()
            },
            |w| {
                w.r();
                config(w, "r-libs-user = []\n");
                CHECK.into()
            },
        ),
    ]
}

fn zips() -> Vec<Pair> {
    use Code::*;
    let overlap: Setup = |w| {
        let again = |name: &str| Part::stored(name, "same").but(|part| (part.written, part.offset) = (false, Some(0)));
        zipped(w, &[Part::stored("a", "same"), again("a2")])
    };
    vec![
        Pair(EntryEscapes, |w| zipped(w, &[Part::stored("../a", "")]), |w| zipped(w, &[Part::stored("..a/b..", "")])),
        Pair(
            ManifestMismatch,
            |w| {
                w.file("a", "x").run(&["pack", "ROOT", "-o", "OUT"]);
                w.file("a", "y");
                with(&CHECK, &["--manifest", "out/manifest.json"])
            },
            |w| {
                w.file("a", "x").run(&["pack", "ROOT", "-o", "OUT"]);
                with(&CHECK, &["--manifest", "out/manifest.json"])
            },
        ),
        Pair(
            Encrypted,
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.flags = 1)]),
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.flags = 1 << 11)]),
        ),
        Pair(
            UnknownMethod,
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.method = 12)]),
            |w| zipped(w, &[Part::deflated("a", "x")]),
        ),
        Pair(
            Zip64,
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.extra = vec![1, 0, 0, 0])]),
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.extra = vec![2, 0, 0, 0])]),
        ),
        Pair(Overlapping, overlap, |w| zipped(w, &[Part::stored("a", "same"), Part::stored("a2", "same")])),
        Pair(
            HeadersDisagree,
            |w| zipped(w, &[Part::stored("a", "x").but(|p| p.local.crc32 = 1)]),
            // Lengths that follow the content are not in front of it.
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.flags = 8).but(|p| p.local.crc32 = 0)]),
        ),
        Pair(
            Bomb,
            |w| zipped(w, &[Part::deflated("a", vec![0; 16 << 20])]),
            |w| zipped(w, &[Part::deflated("a", vec![0; (16 << 20) - 1])]),
        ),
        Pair(
            StrayBytes,
            |w| {
                fs::write(w.beside("a.zip"), [b"x".to_vec(), zip(&[Part::stored("a", "")])].concat()).expect("written");
                vec!["check", "a.zip"]
            },
            |w| zipped(w, &[Part::stored("a", "")]),
        ),
        Pair(
            NameImpossible,
            |w| zipped(w, &[Part::stored([b'a'; 256], "")]),
            |w| zipped(w, &[Part::stored([b'a'; 255], "")]),
        ),
        Pair(
            BelowNoDirectory,
            |w| zipped(w, &[Part::stored("a", ""), Part::stored("a/b", "")]),
            |w| zipped(w, &[Part::stored("a/", ""), Part::stored("a/b", "")]),
        ),
    ]
}

#[test]
fn what_fires_it_does_and_what_nearly_does_does_not() {
    for Pair(code, fires, near) in trees().into_iter().chain(zips()) {
        for (setup, expected) in [(fires, true), (near, false)] {
            let world = World::new();
            let arguments = setup(&world);
            let (_, report) = world.json(&arguments);
            let found = findings(&report, code.as_str());
            assert_eq!(!found.is_empty(), expected, "{code} with {arguments:?}: {:#}", report["findings"]);
        }
    }
}

#[test]
fn no_code_is_without_both() {
    let here: Vec<Code> = trees().into_iter().chain(zips()).map(|Pair(code, ..)| code).collect();
    let mut tests = String::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).expect("listed") {
        let path = entry.expect("listed").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            tests += &fs::read_to_string(path).expect("read");
        }
    }
    let near = |code: Code| {
        tests.match_indices("assert_no_finding(").any(|(at, _)| {
            let call = &tests[at..];
            call[..call.find(");\n").unwrap_or(call.len())].contains(&format!("\"{code}\""))
        })
    };
    let fires = |code: Code| {
        ["assert_finding(", "findings(", "assert_failed("].iter().any(|call| {
            tests.match_indices(call).any(|(at, _)| {
                let call = &tests[at..];
                call[..call.find(");\n").unwrap_or(call.len())].contains(&format!("\"{code}\""))
            })
        })
    };
    let without: Vec<&Code> =
        Code::ALL.iter().filter(|code| !(here.contains(code) || fires(**code) && near(**code))).collect();
    assert!(without.is_empty(), "{without:?} want a test that fires them, and one that nearly does");
}
