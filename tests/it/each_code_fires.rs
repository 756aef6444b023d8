//! Each code of a check has a tree or zip that fires it, and one that differs by what matters and does not. Codes whose
//! conditions take more than a few lines to set up have their two in the test of the promise they belong to, which asserts
//! at its end that it had both.

use std::fs;
use std::process::Command;

use crate::support::raw_zip::{Header, Part, zip};
use crate::support::{World, findings, noise};
use layerfit::base::finding::Code;

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

/// A bootstrap that runs the function's code so, and then sends the response.
fn answering(run: &str) -> String {
    format!("#!/bin/sh\nwhile true; do\n{run}\n: > /runtime/invocation/1/response\ndone\n")
}

/// A program that needs a library, which is there or is not.
fn needing(world: &World, library: &str, there: bool) -> Vec<&'static str> {
    let library = format!("lib/{library}");
    world.library(&library, &[], &[]).program("bin/a", &[&library], &[]);
    if !there {
        fs::remove_file(world.root().join(library)).expect("removed");
    }
    ANALYZE.into()
}

/// A file of so many bytes, in zip as long, that had another length when the baseline was written.
fn since(world: &World, then: usize, now: usize) -> Vec<&'static str> {
    let check = with(&CHECK, &["--baseline", "base.json"]);
    world.file("a", noise(1, then));
    assert_eq!(world.run(&with(&check, &["--update-baseline"])).code, 0);
    world.file("a", noise(1, now));
    check
}

fn two_zips(world: &World, low: &Part, high: &Part) -> Vec<&'static str> {
    for (name, part) in [("low.zip", low), ("high.zip", high)] {
        fs::write(world.beside(name), zip(std::slice::from_ref(part))).expect("written");
    }
    vec!["check", "low.zip", "high.zip"]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn trees() -> Vec<Pair> {
    use Code::*;
    vec![
        Pair(
            DanglingLink,
            |w| {
                w.link("a", "gone");
                ANALYZE.into()
            },
            |w| {
                w.link("a", "there").file("there", "");
                ANALYZE.into()
            },
        ),
        Pair(
            DamagedElf,
            |w| {
                w.file("lib/a.so", "\x7fELF");
                ANALYZE.into()
            },
            |w| {
                w.file("lib/a.so", "ELF");
                ANALYZE.into()
            },
        ),
        Pair(MissingLibrary, |w| needing(w, "libgone.so", false), |w| needing(w, "libthere.so", true)),
        Pair(
            UncertainLibrary,
            |w| with(&needing(w, "libexpat.so.1", false), &["--runtime", "provided.al2"]),
            |w| with(&needing(w, "libexpat.so.1", false), &["--runtime", "provided"]),
        ),
        Pair(
            UnloadedLibraries,
            |w| {
                w.library("lib/liba.so", &[], &[]).program("bin/a", &[], &[]);
                CHECK.into()
            },
            |w| {
                w.library("lib/liba.so", &[], &[]).program("bin/a", &["lib/liba.so"], &[]);
                CHECK.into()
            },
        ),
        Pair(
            WrongMachine,
            |w| {
                w.library("lib/liba.so", &[], &[]).library("lib/libb.so", &[], &[]).library("lib/libc.so", &[], &[]);
                w.change_byte("lib/libc.so", 18, |machine| if machine == 183 { 62 } else { 183 });
                ANALYZE.into()
            },
            |w| {
                w.library("lib/liba.so", &[], &[]).library("lib/libb.so", &[], &[]).library("lib/libc.so", &[], &[]);
                ANALYZE.into()
            },
        ),
        Pair(
            ScriptInterpreterMissing,
            |w| {
                w.file("bin/job", "#!/opt/bin/interpreter\n").mode("bin/job", 0o755);
                ANALYZE.into()
            },
            |w| {
                w.file("bin/job", "#!/opt/bin/interpreter\n").mode("bin/job", 0o755);
                w.program("bin/interpreter", &[], &[]);
                ANALYZE.into()
            },
        ),
        Pair(
            CommandMissing,
            |w| {
                w.file("bootstrap", "#!/bin/sh\njq .\n").mode("bootstrap", 0o755);
                ANALYZE.into()
            },
            |w| {
                w.file("bootstrap", "#!/bin/sh\njq .\n").mode("bootstrap", 0o755).program("bin/jq", &[], &[]);
                ANALYZE.into()
            },
        ),
        Pair(
            DoesNotStart,
            |w| {
                w.file("bootstrap", "#!/bin/sh\n").mode("bootstrap", 0o644);
                ANALYZE.into()
            },
            |w| {
                w.file("bootstrap", "#!/bin/sh\n").mode("bootstrap", 0o755);
                ANALYZE.into()
            },
        ),
        Pair(
            HomeElsewhere,
            |w| {
                w.r().file("R/lib/R/bin/R", "#!/bin/sh\nR_HOME_DIR=/usr/lib/R\n");
                ANALYZE.into()
            },
            |w| {
                w.r().file("R/lib/R/bin/R", "#!/bin/sh\nR_HOME_DIR=/opt/R/lib/R\n");
                ANALYZE.into()
            },
        ),
        Pair(
            LibraryNotSearched,
            |w| {
                w.r().package("site", "a", "1.0", "").file("R/lib/R/etc/Renviron.site", "R_LIBS=/opt/site2\n");
                ANALYZE.into()
            },
            |w| {
                w.r().package("site", "a", "1.0", "").file("R/lib/R/etc/Renviron.site", "R_LIBS=/opt/site\n");
                ANALYZE.into()
            },
        ),
        Pair(
            RuleHeldBack,
            |w| {
                w.file("share/man/man1/a.1", ".PP\n").link("bin/page", "../share/man/man1/a.1");
                CHECK.into()
            },
            |w| {
                w.file("share/man/man1/a.1", ".PP\n").link("bin/page", "../share/a.1").file("share/a.1", ".PP\n");
                CHECK.into()
            },
        ),
        Pair(
            DroppedThoughNeeded,
            |w| {
                w.r();
                with(&CHECK, &["--drop", "pkg:stats"])
            },
            |w| {
                w.r().package(LIBRARY, "a", "1.0", "");
                with(&CHECK, &["--drop", "pkg:a"])
            },
        ),
        Pair(
            TooManyLayers,
            |w| {
                w.file("a/x", noise(1, 900)).file("b/x", noise(2, 900));
                with(&CHECK, &["--max-zipped", "1KB", "--max-layers", "1"])
            },
            |w| {
                w.file("a/x", noise(1, 900)).file("b/x", noise(2, 900));
                with(&CHECK, &["--max-zipped", "1KB", "--max-layers", "2"])
            },
        ),
        Pair(
            OverBudget,
            |w| {
                w.file("a", [7; 1001]);
                config(w, "[[budget]]\nof = \"total\"\nunzipped = \"1000B\"\n");
                CHECK.into()
            },
            |w| {
                w.file("a", [7; 1000]);
                config(w, "[[budget]]\nof = \"total\"\nunzipped = \"1000B\"\n");
                CHECK.into()
            },
        ),
        Pair(Grew, |w| since(w, 1000, 1001), |w| since(w, 1000, 1000)),
        Pair(CanShrink, |w| since(w, 1000, 999), |w| since(w, 1000, 1000)),
        Pair(
            NotRepacked,
            |w| {
                w.r().file(format!("{LIBRARY}/base/R/base.rdx"), "not an index");
                with(&CHECK, &["--repack-rdb"])
            },
            |w| {
                w.r().file(format!("{LIBRARY}/base/R/base.rdx"), "not an index");
                CHECK.into()
            },
        ),
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
            DamagedPackage,
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
            UnusedIgnore,
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
                with(&CHECK, &["--max-unzipped", "1KB", "--headroom", "1001B"])
            },
            |w| {
                w.file("a", [7; 24]);
                with(&CHECK, &["--max-unzipped", "1KB", "--headroom", "1000B"])
            },
        ),
        Pair(
            OverLambdasLimit,
            |w| {
                for n in 1..=6 {
                    w.file(format!("lib/{n}"), noise(n, 700));
                }
                with(&CHECK, &["--max-zipped", "1KB", "--max-layers", "6"])
            },
            |w| {
                for n in 1..=5 {
                    w.file(format!("lib/{n}"), noise(n, 700));
                }
                with(&CHECK, &["--max-zipped", "1KB", "--max-layers", "6"])
            },
        ),
        Pair(
            UnmatchedBudget,
            |w| {
                w.r();
                config(w, "[[budget]]\nof = \"pkg:gone\"\nzipped = \"9999B\"\n");
                CHECK.into()
            },
            |w| {
                w.r();
                config(w, "[[budget]]\nof = \"pkg:stats\"\nzipped = \"9999B\"\n");
                CHECK.into()
            },
        ),
        Pair(
            NotSearched,
            |w| {
                w.file("site-packages/a.py", "");
                CHECK.into()
            },
            |w| {
                w.file("python/a.py", "");
                CHECK.into()
            },
        ),
        Pair(
            Whiteout,
            |w| {
                w.file("lib/.wh.libx.so", "");
                CHECK.into()
            },
            |w| {
                w.file("lib/.wheel", "");
                CHECK.into()
            },
        ),
        Pair(
            OnlyArchives,
            |w| {
                w.file("layer.zip", "");
                CHECK.into()
            },
            |w| {
                w.file("layer.zip", "").file("share/a", "");
                CHECK.into()
            },
        ),
        Pair(
            NothingKnown,
            |w| {
                w.file("lib/notes.txt", "").file("data/a.csv", "");
                CHECK.into()
            },
            |w| {
                w.file("data/a.csv", "").file("python/a.py", "");
                CHECK.into()
            },
        ),
        Pair(
            NotExecutable,
            |w| {
                w.file("bin/a", "#!/bin/sh\n");
                CHECK.into()
            },
            |w| {
                w.file("bin/a", "#!/bin/sh\n").mode("bin/a", 0o755).file("bin/b", "");
                CHECK.into()
            },
        ),
        Pair(
            FailureAnswered,
            |w| {
                w.file("bootstrap", answering("Rscript $LAMBDA_TASK_ROOT/a.R")).mode("bootstrap", 0o755);
                CHECK.into()
            },
            |w| {
                w.file("bootstrap", answering("Rscript $LAMBDA_TASK_ROOT/a.R || exit 1")).mode("bootstrap", 0o755);
                CHECK.into()
            },
        ),
        Pair(
            HoldsNothing,
            |w| {
                w.file("share/a", "");
                config(w, "[[layer]]\nname = \"z\"\nholds = [\"dir:shrae\"]\n");
                vec!["plan", "ROOT"]
            },
            |w| {
                w.file("share/a", "");
                config(w, "[[layer]]\nname = \"z\"\nholds = [\"dir:share\"]\n");
                vec!["plan", "ROOT"]
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
        Pair(
            ModeUnreadable,
            |w| zipped(w, &[Part::stored("a", "").mode(0o100_640)]),
            |w| zipped(w, &[Part::stored("a", "").mode(0o100_604)]),
        ),
        Pair(
            DamagedZip,
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.crc32 ^= 1)]),
            |w| zipped(w, &[Part::stored("a", "x")]),
        ),
        Pair(
            DuplicateEntry,
            |w| zipped(w, &[Part::stored("a", "x"), Part::stored("a", "x")]),
            |w| zipped(w, &[Part::stored("a", "x"), Part::stored("A", "x")]),
        ),
        Pair(
            Overwritten,
            |w| two_zips(w, &Part::stored("lib/a", "low"), &Part::stored("lib/a", "high")),
            |w| two_zips(w, &Part::stored("lib/a", "same"), &Part::stored("lib/a", "same")),
        ),
        Pair(
            NestedRoot,
            |w| zipped(w, &[Part::stored("opt/lib/x", "x"), Part::stored("README", "")]),
            |w| zipped(w, &[Part::stored("opt/lib/x", "x"), Part::stored("lib/a", "")]),
        ),
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
            |w| zipped(w, &[described_after(Part::stored("a", "x").says(|h| h.flags = 8))]),
        ),
        Pair(
            Bomb,
            |w| zipped(w, &[Part::stored("a", "x").says(|h| h.bytes = 262_144_001)]),
            // However far it is compressed.
            |w| zipped(w, &[Part::deflated("a", vec![0; 19 << 20])]),
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
            ParentNotDirectory,
            |w| zipped(w, &[Part::stored("a", ""), Part::stored("a/b", "")]),
            |w| zipped(w, &[Part::stored("a/", ""), Part::stored("a/b", "")]),
        ),
    ]
}

/// A member whose lengths and checksum follow its content, with a signature (APPNOTE 4.3.9).
fn described_after(part: Part) -> Part {
    part.but(|part| {
        part.local.crc32 = 0;
        let Header { crc32, compressed, bytes, .. } = part.central;
        for number in [0x0807_4b50, crc32, compressed, bytes] {
            part.data.extend(number.to_le_bytes());
        }
    })
}

#[test]
fn what_fires_it_does_and_what_nearly_does_does_not() {
    let mut wrong = String::new();
    for Pair(code, fires, near) in trees().into_iter().chain(zips()) {
        for (setup, expected) in [(fires, true), (near, false)] {
            let world = World::new();
            let arguments = setup(&world);
            let (_, report) = world.json(&arguments);
            if findings(&report, code.as_str()).is_empty() == expected {
                wrong +=
                    &format!("{code} with {arguments:?}, which is to fire it: {expected}: {:#}\n", report["findings"]);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_code_is_without_both() {
    let here: Vec<Code> = trees().into_iter().chain(zips()).map(|Pair(code, ..)| code).collect();
    let mut tests = String::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).expect("listed") {
        let path = entry.expect("listed").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            tests += &fs::read_to_string(path).expect("read");
        }
    }
    // Only that such a test is there is read from its text; that both happen in it, it asserts when it runs.
    let elsewhere = |code: Code| tests.contains(&format!("assert_fired_and_nearly_missed(Code::{code:?});"));
    let without: Vec<&Code> = Code::ALL.iter().filter(|code| !here.contains(code) && !elsewhere(**code)).collect();
    assert!(without.is_empty(), "{without:?} want a test that fires them, and one that nearly does");
}
