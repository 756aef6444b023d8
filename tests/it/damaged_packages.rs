//! Packages of which a part is missing or damaged: an error before the first invocation, as library() would stop.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::support::elf::Elf;
use crate::support::r_code::{self, Code, namespace_exports};
use crate::support::{RDS, Run, World, assert_finding, assert_no_finding, findings};

const SITE: &str = "local/lib/R/site-library";
const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

/// A record of a database: a serialized object that follows its length, compressed.
fn record(object: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(object).expect("written");
    let length = u32::try_from(object.len()).expect("short").to_be_bytes();
    [&length[..], &zlib.finish().expect("compressed")].concat()
}

/// A database of two records, and its index.
fn database(one: &[u8], two: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let length = |record: &[u8]| u32::try_from(record.len()).expect("short");
    ([one, two].concat(), index(&[(0, length(one)), (length(one), length(two))]))
}

/// An index with these records, or without any, as `makeLazyLoadDB()` writes it.
fn index(records: &[(u32, u32)]) -> Vec<u8> {
    named_index(records, &vec!["f"; records.len()])
}

/// An index with records of variables with these names.
fn named_index(records: &[(u32, u32)], variables: &[&str]) -> Vec<u8> {
    let mut out = b"X\n\0\0\0\x02\0\x04\x02\x02\0\x02\x03\0".to_vec();
    let word = |out: &mut Vec<u8>, number: u32| out.extend(number.to_be_bytes());
    let text = |out: &mut Vec<u8>, text: &str| {
        word(out, 0x0004_0009);
        word(out, u32::try_from(text.len()).expect("short"));
        out.extend(text.as_bytes());
    };
    let names = |out: &mut Vec<u8>, names: &[&str]| {
        // The attribute "names": a pairlist of one item.
        word(out, 0x0000_0402);
        word(out, 1);
        text(out, "names");
        word(out, 16);
        word(out, u32::try_from(names.len()).expect("few"));
        for name in names {
            text(out, name);
        }
        word(out, 0xfe);
    };
    word(&mut out, 0x0000_0213);
    word(&mut out, 3);
    let attributes = if records.is_empty() { 0x13 } else { 0x0000_0213 };
    word(&mut out, attributes);
    word(&mut out, u32::try_from(records.len()).expect("few"));
    for (offset, length) in records {
        word(&mut out, 13);
        word(&mut out, 2);
        word(&mut out, *offset);
        word(&mut out, *length);
    }
    if !records.is_empty() {
        names(&mut out, variables);
    }
    word(&mut out, 0x13);
    word(&mut out, 0);
    word(&mut out, 10);
    word(&mut out, 1);
    word(&mut out, 1);
    // The second reference to the symbol "names" is a reference to the first; with no records this is the first.
    if records.is_empty() {
        names(&mut out, &["variables", "references", "compressed"]);
    } else {
        word(&mut out, 0x0000_0402);
        word(&mut out, 0x01ff);
        word(&mut out, 16);
        word(&mut out, 3);
        for name in ["variables", "references", "compressed"] {
            text(&mut out, name);
        }
        word(&mut out, 0xfe);
    }
    out
}

/// A whole package with code in a database, compiled code and sysdata.
fn whole(world: &World) -> String {
    let at = format!("{SITE}/p");
    let database = database(&record(RDS), &record(RDS));
    world.r().package(SITE, "p", "1.0", "");
    world
        .file(format!("{at}/NAMESPACE"), "useDynLib(p, .registration = TRUE)\nexport(f)\n")
        .file(format!("{at}/R/p"), "local({ lazyLoad(dbbase, ns) })\n")
        .file(format!("{at}/R/p.rdb"), database.0)
        .file(format!("{at}/R/p.rdx"), database.1)
        .file(format!("{at}/R/sysdata.rdb"), "")
        .file(format!("{at}/R/sysdata.rdx"), index(&[]))
        .elf(&format!("{at}/libs/p.so"), &Elf::library("p.so"));
    at
}

#[test]
fn a_whole_package_has_no_finding_and_none_without_the_files_that_r_does_without() {
    let world = World::new();
    whole(&world);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "R101");
    world.package(SITE, "data", "1.0", "");
    for below in ["R/data", "R/data.rdb"] {
        fs::remove_file(world.root().join(SITE).join("data").join(below)).expect("removed");
    }
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_no_finding(&report, "R101");
    assert_no_finding(&report, "L101");
}

#[test]
fn what_is_missing_is_an_error() {
    for (file, words) in [
        ("NAMESPACE", "library(p) fails: NAMESPACE is missing"),
        ("Meta/package.rds", "Meta/package.rds is missing"),
        ("R/p", "R/p is missing"),
        ("R/p.rdb", "R/p.rdb is missing"),
        ("R/p.rdx", "R/p.rdx is missing"),
        ("R/sysdata.rdx", "R/sysdata.rdx is missing"),
        ("libs/p.so", "libs/p.so is missing"),
        ("DESCRIPTION", "\"there is no package called\": DESCRIPTION is missing"),
    ] {
        let world = World::new();
        let at = whole(&world);
        // Without its namespace R does not know of the library either.
        fs::remove_file(world.root().join(&at).join(file)).expect("removed");
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1, "{file}");
        assert_finding(&report, "R101", &at, words);
    }
}

#[test]
fn what_is_empty_truncated_or_a_pointer_is_an_error() {
    for (file, content, words) in [
        ("Meta/package.rds", &b""[..], "Meta/package.rds is empty"),
        ("Meta/package.rds", &RDS[..15], "Meta/package.rds is truncated or damaged"),
        ("Meta/package.rds", LFS.as_bytes(), "Meta/package.rds is a Git LFS pointer"),
        ("Meta/nsInfo.rds", b"", "Meta/nsInfo.rds is empty"),
        ("Meta/features.rds", b"\x1f\x8b\x08\0\0", "Meta/features.rds is truncated or damaged"),
        ("R/p", b"", "R/p is empty"),
        ("R/p", LFS.as_bytes(), "R/p is a Git LFS pointer"),
        (
            "R/p",
            b"#  File share/R/nspackloader.R\nlocal({",
            "library(p) fails: R/p is damaged: it does not read R/p.rdb",
        ),
        ("R/p.rdb", b"", "R/p.rdb is empty"),
        ("R/p.rdb", &[7; 40], "R/p.rdb is truncated: it has 40 bytes, and R/p.rdx lists"),
        ("R/p.rdb", &[0; 200], "R/p.rdb is damaged: the record that R/p.rdx lists at byte 0 cannot be read"),
        ("R/p.rdb", LFS.as_bytes(), "R/p.rdb is a Git LFS pointer"),
        ("R/p.rdx", b"", "R/p.rdx is empty"),
        ("R/p.rdx", b"X\n\0\0", "R/p.rdx is truncated or damaged"),
        ("data/Rdata.rdb", b"x", "data/Rdata.rdx is missing"),
    ] {
        let world = World::new();
        let at = whole(&world);
        world.file(format!("{at}/{file}"), content);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1, "{file}");
        assert_finding(&report, "R101", &at, words);
    }
}

#[test]
fn damage_that_is_met_when_something_is_used_is_not_said_to_stop_library() {
    let (one, two) = (record(RDS), record(RDS));
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
    let records = [(0, length(&one)), (length(&one), length(&two))];
    let damaged = [&one[..], &vec![0; two.len()]].concat();
    for (variables, file, content, words) in [
        (
            ["f", "g"],
            "R/p.rdb",
            None,
            "library(p) succeeds, but its functions cannot be read when used: R/p.rdb is missing",
        ),
        (["f", "g"], "R/p.rdb", Some(damaged.clone()), "library(p) succeeds, but its functions"),
        (["f", "g"], "R/p.rdb", Some(one.clone()), "library(p) succeeds, but its functions"),
        (["f", ".onLoad"], "R/p.rdb", None, "library(p) fails: R/p.rdb is missing"),
        (["f", ".onAttach"], "R/p.rdb", Some(one.clone()), "library(p) fails: R/p.rdb is truncated"),
        (["f", ".__C__k"], "R/p.rdb", Some(damaged.clone()), "library(p) fails: R/p.rdb is damaged"),
        ([".onLoad", "f"], "R/p.rdb", Some(damaged.clone()), "library(p) may fail, and its functions cannot be read"),
        (["f", "g"], "R/sysdata.rdb", None, "library(p) succeeds, but its internal data cannot be read when used"),
        (["f", "g"], "R/sysdata.rdb", Some(Vec::new()), "library(p) succeeds, but its internal data"),
        (["f", "g"], "data/Rdata.rdb", None, "library(p) succeeds, but its data sets cannot be read when used"),
        (["f", "g"], "R/sysdata.rdx", None, "library(p) fails: R/sysdata.rdx is missing"),
        (
            ["f", "g"],
            "data/Rdata.rdx",
            Some(b"X\n".to_vec()),
            "library(p) fails: data/Rdata.rdx is truncated or damaged",
        ),
    ] {
        let world = World::new();
        let at = whole(&world);
        for base in ["R/p", "R/sysdata", "data/Rdata"] {
            world.file(format!("{at}/{base}.rdb"), [&one[..], &two].concat());
            world.file(format!("{at}/{base}.rdx"), named_index(&records, &variables));
        }
        assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "R101");
        match content {
            Some(content) => _ = world.file(format!("{at}/{file}"), content),
            None => fs::remove_file(world.root().join(&at).join(file)).expect("removed"),
        }
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1, "{file}");
        assert_finding(&report, "R101", &at, words);
    }
}

#[test]
fn what_an_earlier_run_found_whole_is_found_damaged_as_soon_as_it_is() {
    let world = World::new();
    let at = whole(&world);
    let check = || {
        let mut command = world.command(&["check", "ROOT", "--format", "json"]);
        command.env("XDG_CACHE_HOME", world.beside("cache")).env("XDG_STATE_HOME", world.beside("state"));
        findings(&serde_json::from_str(&Run::of(command).stdout).expect("JSON"), "R101").len()
    };
    let verdicts = world.beside("cache/layerfit").join(env!("CARGO_PKG_VERSION")).join("verdicts");
    assert_eq!(check(), 0);
    let kept = fs::read(&verdicts).expect("kept");
    for file in ["R/p.rdb", "R/p.rdx", "Meta/package.rds"] {
        let path = world.root().join(&at).join(file);
        let (right, time) =
            (fs::read(&path).expect("read"), fs::metadata(&path).and_then(|m| m.modified()).expect("there"));
        let mut damaged = right.clone();
        damaged.iter_mut().skip(6).for_each(|byte| *byte ^= 0x55);
        // Of the same length and time.
        fs::write(&path, damaged).expect("written");
        fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(time)).expect("set");
        assert_eq!((check(), check()), (1, 1), "{file}");
        fs::write(&path, right).expect("written");
        assert_eq!(check(), 0, "{file}");
    }
    // What is wrong is not kept, nor is anything written for what is known.
    assert_eq!(fs::read(&verdicts).expect("kept"), kept);
}

/// What R records of a DESCRIPTION: `saveRDS(list(DESCRIPTION = c(Package = "p", Version = "1.0")), compress = FALSE)`.
fn recorded(fields: &[(&str, &str)]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let text = |text: &str| [words(&[0x0004_0009, u32::try_from(text.len()).expect("short")]), text.into()].concat();
    let count = u32::try_from(fields.len()).expect("few");
    let names = [words(&[0x402, 1]), text("names"), words(&[16])].concat();
    let mut out = [b"X\n".to_vec(), words(&[2, 0x4_0202, 0x2_0300, 0x213, 1, 0x210, count])].concat();
    out.extend(fields.iter().flat_map(|(_, value)| text(value)));
    out.extend([names, words(&[count])].concat());
    out.extend(fields.iter().flat_map(|(name, _)| text(name)));
    out.extend([words(&[254, 0x402, 0x1ff, 16, 1]), text("DESCRIPTION"), words(&[254])].concat());
    out
}

#[test]
fn r_reads_what_it_recorded_instead_of_a_damaged_description() {
    let world = World::new();
    let at = whole(&world);
    world.package("R/lib/R/library", "user", "1.0", "Imports: p (>= 2.0)\n");
    let description = format!("{at}/DESCRIPTION");
    for content in ["", "no field\n"] {
        world.file(&description, content).file(format!("{at}/Meta/package.rds"), RDS);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1);
        assert_finding(&report, "R101", &description, "library() would reject the package");
        assert_finding(&report, "R102", "pkg:user", "p");
        world.file(format!("{at}/Meta/package.rds"), recorded(&[("Package", "p"), ("Version", "2.1")]));
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 0, "{:#}", report["findings"]);
        assert_finding(&report, "R101", &description, "library() reads Meta/package.rds instead");
        assert_no_finding(&report, "R102");
        assert_no_finding(&report, "R103");
    }
}

#[test]
fn records_of_a_database_are_what_the_index_lists() {
    let world = World::new();
    let at = whole(&world);
    let good = record(RDS);
    let damaged = |bytes: Vec<u8>, words: Option<&str>| {
        let (database, index) = database(&good, &bytes);
        world.file(format!("{at}/R/p.rdb"), database).file(format!("{at}/R/p.rdx"), index);
        let (_, report) = world.json(&["analyze", "ROOT"]);
        match words {
            Some(words) => assert_finding(&report, "R101", &at, words),
            None => assert_no_finding(&report, "R101"),
        }
    };
    let here = format!("at byte {} cannot be read", good.len());
    damaged(good.clone(), None);
    let changed = |position: usize| {
        let mut bytes = good.clone();
        bytes[position] ^= 0x55;
        bytes
    };
    // The length, the method, the object and its checksum.
    for position in [0, 3, 4, 5, 12, good.len() - 1] {
        damaged(changed(position), Some(&here));
    }
    // Of a long database only the beginnings of records are looked at.
    let noise: Vec<u8> = (0..2_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let long = record(&noise);
    assert!(long.len() > 2 << 20);
    damaged(long.clone(), None);
    damaged(vec![0; long.len()], Some(&here));
}

#[test]
fn a_damaged_base_stops_r_itself() {
    let world = World::new();
    world.r().file("R/lib/R/library/base/R/base.rdx", "");
    assert_finding(&world.json(&["analyze", "ROOT"]).1, "R101", "R/lib/R/library/base", "R/base.rdx is empty");
}

#[test]
fn a_package_that_is_a_link_out_of_the_tree_is_not_in_a_layer() {
    let world = World::new();
    let at = whole(&world);
    world.link(&format!("{SITE}/q"), "/usr/lib/R/site-library/q").link(&format!("{SITE}/lock"), "../site-library");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R101", &format!("{SITE}/q"), "a link to /usr/lib/R/site-library/q, outside of /opt");
    fs::remove_file(world.root().join(SITE).join("q")).expect("removed");
    fs::remove_file(world.root().join(SITE).join("lock")).expect("removed");
    // A library that is a link: inside the tree it is loaded, out of it it is missing.
    let library = format!("{at}/libs/p.so");
    fs::rename(world.root().join(&library), world.root().join("lib.so")).expect("moved");
    world.link(&library, "../../../../../../lib.so");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    fs::remove_file(world.root().join(&library)).expect("removed");
    world.link(&library, "/usr/lib/R/site-library/p/libs/p.so");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "R101", &at, "libs/p.so is a link to /usr/lib/R/site-library/p/libs/p.so, which is not in");
}

#[test]
fn a_library_that_is_a_link_out_of_the_tree_has_no_packages_in_a_layer() {
    let world = World::new();
    let at = whole(&world);
    let renviron = "R/lib/R/etc/Renviron";
    world.file(renviron, "R_LIBS_SITE=/opt/mine/library:/usr/lib/R/site-library:/opt/none\n");
    let site = world.root().join(SITE);
    world.link("mine", "/home/user/mine");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let words = "a link leads it to /home/user/mine/library, outside of /opt";
    assert_finding(&report, "R101", "mine/library", words);
    assert_eq!(findings(&report, "R101").len(), 1, "{report:#}");
    // Where nothing searches it, it is a link like others.
    world.file(renviron, "R_LIBS_SITE=/opt/local/lib/R/site-library\n");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "R101");
    // R's own library.
    let own = world.root().join("R/lib/R/library");
    world.program("R/lib/R/bin/exec/R", &[], &[]);
    fs::rename(&own, world.root().join("library")).expect("moved");
    for (target, words) in
        [("/usr/lib/R/library", "a link to /usr/lib/R/library, outside of /opt"), ("gone", "is not in the tree")]
    {
        world.link("R/lib/R/library", target);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1);
        assert_finding(&report, "R101", "R/lib/R/library", words);
        fs::remove_file(&own).expect("removed");
    }
    fs::rename(world.root().join("library"), &own).expect("moved");
    // A link inside the tree is followed.
    fs::rename(&site, world.root().join("packages")).expect("moved");
    world.link(SITE, "../../../packages");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "{at}: {:#}", report["findings"]);
}

#[test]
fn a_packages_library_that_is_not_an_elf_file_is_an_error_that_says_what_it_is() {
    for (content, words) in [
        (&b""[..], "is empty"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "is built for macOS (Mach-O): the loader rejects it, and library(p) fails"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "is built for macOS"),
        (b"MZ\x90\0", "is built for Windows"),
        (LFS.as_bytes(), "is a Git LFS pointer"),
        (b"#!/bin/sh\n", "is not an ELF file"),
    ] {
        let world = World::new();
        let library = format!("{}/libs/p.so", whole(&world));
        world.file(&library, content);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1);
        assert_finding(&report, "L101", &library, words);
    }
}

#[test]
fn modules_of_other_languages_must_be_elf_files_too_unless_they_are_for_another_system() {
    let world = World::new();
    world
        .file("python/a/_a.cpython-312-x86_64-linux-gnu.so", "")
        .file("nodejs/node_modules/b/b.node", LFS)
        .file("nodejs/node_modules/c/prebuilds/linux-x64/c.node", "\u{0}")
        .file("nodejs/node_modules/c/prebuilds/darwin-arm64/c.node", "\u{0}")
        .file("nodejs/node_modules/c/prebuilds/darwin-x64/c.node", b"\xcf\xfa\xed\xfe\x07\0\0\x01")
        .file("python/a/_a.cpython-312-darwin.so", b"\xcf\xfa\xed\xfe\x07\0\0\x01")
        .file("lib/libm.so", "/* GNU ld script */\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let subjects: Vec<String> = findings(&report, "L101").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(
        subjects,
        [
            "nodejs/node_modules/b/b.node",
            "nodejs/node_modules/c/prebuilds/linux-x64/c.node",
            "python/a/_a.cpython-312-x86_64-linux-gnu.so"
        ]
    );
}

#[test]
fn what_the_loader_does_not_take_as_a_library_is_an_error() {
    // e_type: an object file, a program at a fixed address.
    for kind in [1, 2] {
        let world = World::new();
        let at = whole(&world);
        world.change_byte(&format!("{at}/libs/p.so"), 16, |_| kind);
        let (code, report) = world.json(&["check", "ROOT"]);
        assert_eq!(code, 1);
        assert_finding(&report, "L101", &format!("{at}/libs/p.so"), "not a shared library");
    }
    let world = World::new();
    whole(&world);
    world.file("R/lib/R/bin/exec/R", LFS);
    let report = world.json(&["check", "ROOT"]).1;
    assert!(findings(&report, "L101").iter().any(|(path, _)| path.ends_with("bin/exec/R")), "{report:#}");
}

#[test]
fn a_package_with_compiled_code_needs_its_features() {
    let world = World::new();
    let at = whole(&world);
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R101");
    fs::remove_file(world.root().join(format!("{at}/Meta/features.rds"))).expect("removed");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R101", &at, "Meta/features.rds is missing");
    fs::remove_dir_all(world.root().join(format!("{at}/libs"))).expect("removed");
    world.file(format!("{at}/NAMESPACE"), "export(f)\n");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R101");
}

#[test]
fn sources_in_a_library_are_not_a_package() {
    let world = World::new();
    whole(&world);
    world
        .file(format!("{SITE}/q/DESCRIPTION"), "Package: q\nVersion: 1.0\n")
        .file(format!("{SITE}/q/R/f.R"), "f <- 1\n");
    world.file(format!("{SITE}/translations/DESCRIPTION"), "Package: translations\nVersion: 1.0\n");
    let report = world.json(&["check", "ROOT"]).1;
    assert_finding(&report, "R101", &format!("{SITE}/q"), "it is not installed");
    assert_eq!(findings(&report, "R101").len(), 1, "{report:#}");
}

#[test]
fn a_package_that_a_searched_library_links_to_is_found() {
    let world = World::new();
    world.r().package("cache/p/1.0/0a", "p", "1.0", "");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R107", "cache/p/1.0/0a", "contains p");
    world.link("R/lib/R/library/p", "../../../../cache/p/1.0/0a/p");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R107");
}

#[test]
fn an_r_without_the_packages_that_it_starts_with_does_not_start() {
    let world = World::new();
    world.r().program("R/lib/R/bin/exec/R", &[], &[]);
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R102");
    fs::remove_dir_all(world.root().join("R/lib/R/library/compiler")).expect("removed");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_finding(
        &report,
        "R102",
        "R/lib/R",
        "R does not start, because its own library does not have the package compiler",
    );
    assert_eq!(code, 1);
    // Also without the package by which R's home is known.
    fs::remove_dir_all(world.root().join("R/lib/R/library/base")).expect("removed");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R102", "R/lib/R", "the packages base and compiler");
    // Packages alone are a layer for an R in another one.
    fs::remove_file(world.root().join("R/lib/R/bin/exec/R")).expect("removed");
    let (_, report) = world.json(&["check", "ROOT"]);
    assert!(!findings(&report, "R102").iter().any(|(subject, _)| subject == "R/lib/R"), "{report:#}");
}

#[test]
fn a_package_in_a_directory_of_another_name_is_not_found() {
    let world = World::new();
    world.r().package(SITE, "one", "1.0", "");
    fs::rename(world.root().join(SITE).join("one"), world.root().join(SITE).join("one-1.0")).expect("renamed");
    assert_finding(
        &world.json(&["check", "ROOT"]).1,
        "R101",
        "local/lib/R/site-library/one-1.0",
        "R looks for it in a directory named one",
    );
    world.link(&format!("{SITE}/one"), "one-1.0");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R101");
}

#[test]
fn a_package_without_code_exports_only_what_its_data_has() {
    for (exports, damaged) in [(&["f"][..], true), (&["table", "f"], false), (&[], false)] {
        let world = World::new();
        world.r().package(SITE, "p", "1.0", "");
        let at = format!("{SITE}/p");
        for file in ["p", "p.rdb"] {
            fs::remove_file(world.root().join(format!("{at}/R/{file}"))).expect("removed");
        }
        let (index, database) = r_code::database(&[("table", Code::Text("one"))], &[]);
        world.file(format!("{at}/R/sysdata.rdb"), database).file(format!("{at}/R/sysdata.rdx"), index);
        world.file(format!("{at}/Meta/nsInfo.rds"), namespace_exports(exports, "q"));
        world.file(format!("{at}/libs/q.so"), "");
        let report = world.json(&["check", "ROOT"]).1;
        let found = findings(&report, "R101");
        assert_eq!(
            found.iter().any(|(path, text)| *path == at && text.contains("R/p is missing")),
            damaged,
            "{found:?}"
        );
    }
}

#[test]
fn a_library_without_a_name_is_not_loaded() {
    // `R CMD INSTALL --fake` writes it, and `library.dynam("")` loads nothing.
    for (library, damaged) in [("", false), ("gone", true)] {
        let world = World::new();
        world.r().package(SITE, "p", "1.0", "");
        world.file(format!("{SITE}/p/Meta/nsInfo.rds"), namespace_exports(&["f"], library));
        let report = world.json(&["check", "ROOT"]).1;
        if damaged {
            assert_finding(&report, "R101", &format!("{SITE}/p"), "libs/gone.so is missing");
        } else {
            assert_no_finding(&report, "R101");
        }
        let world = World::new();
        world
            .r()
            .package(SITE, "p", "1.0", "")
            .file(format!("{SITE}/p/NAMESPACE"), format!("useDynLib(\"{library}\")\n"));
        assert_eq!(findings(&world.json(&["check", "ROOT"]).1, "R101").is_empty(), !damaged);
    }
}
