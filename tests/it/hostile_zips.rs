//! Zips that are damaged, lie, or mean harm: each is told with its code, none makes layerfit crash, write a file, take
//! much memory, or believe the zip.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use layerfit::tree::scan_zips;
use serde_json::Value;

use crate::support::raw_zip::{End, Part, zip, zip_with};
use crate::support::{Run, World, assert_finding, findings, noise};

/// No run may allocate more memory than this, in KiB (`ulimit -d`: heap, stacks and private mappings).
const MAX_MEMORY_KIB: u32 = 300 << 10;

/// What is done with a hostile zip: what it is, its bytes, and the codes it must be told by.
type Check<'a> = &'a mut dyn FnMut(&str, &[u8], &[&str]);

fn fine() -> Part {
    Part::deflated("lib/fine.txt", "fine ".repeat(100))
}

/// `zip64`'s extra field with these numbers (4.5.3).
fn zip64(numbers: &[u64]) -> Vec<u8> {
    let mut extra = 1_u16.to_le_bytes().to_vec();
    extra.extend(u16::try_from(numbers.len() * 8).expect("few").to_le_bytes());
    extra.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    extra
}

fn names(check: Check<'_>) {
    let name = |name: &[u8]| zip(&[fine(), Part::stored(name, "x")]);
    check("slip", &name(b"../../tmp/layerfit-evil"), &["Z102"]);
    check("slip further in", &name(b"lib/../../layerfit-evil"), &["Z102"]);
    check("absolute", &name(b"/tmp/layerfit-evil"), &["Z102"]);
    check("backslashes", &name(b"..\\..\\layerfit-evil"), &["Z116"]);
    check("drive", &name(b"C:\\layerfit-evil"), &["Z116"]);
    check("no name", &name(b""), &["Z116"]);
    check("NUL in a name", &name(b"lib/a\0.so"), &["Z116"]);
    check("long component", &name(&[b'a'; 256]), &["Z116"]);
    check("long path", &name(&b"abc/".repeat(1025)), &["Z116"]);
    check("longest name", &name(&[b'/', b'a'].repeat(32767)), &["Z116"]);
    check(
        "not in UTF-8 as its flag says",
        &zip(&[Part::stored(b"lib/\xe9", "x").says(|h| h.flags = 1 << 11)]),
        &["Z116"],
    );
    let unicode = |other: &[u8]| {
        let mut extra = vec![0x75, 0x70];
        extra.extend(u16::try_from(5 + other.len()).expect("short").to_le_bytes());
        extra.push(1);
        extra.extend(crc32fast::hash(b"lib/x").to_le_bytes());
        extra.extend(other);
        extra
    };
    for other in [b"../../layerfit-evil".as_slice(), b"lib/fine.txt", b"lib/y", b""] {
        let part = Part::stored("lib/x", "x");
        check(
            "another name in an extra field",
            &zip(&[fine(), part.clone().listed(|h| h.extra = unicode(other))]),
            &["Z110"],
        );
        check("one in front", &zip(&[fine(), part.but(|p| p.local.extra = unicode(other))]), &["Z110"]);
    }
    check("the same name twice", &zip(&[fine(), fine()]), &["Z103"]);
    check("the same place twice", &zip(&[fine(), Part::stored("lib//./fine.txt", "x")]), &["Z103"]);
    check("file and directory of a name", &zip(&[Part::stored("a", "x"), Part::stored("a/", "")]), &["Z103"]);
    check("below a file", &zip(&[Part::stored("a", "x"), Part::stored("a/b/c", "x")]), &["Z117"]);
    check("everything a level too low", &zip(&[Part::stored("opt/lib/x", "x"), Part::stored("opt/a", "")]), &["Z113"]);
    check(
        "escape sequences in a name",
        &zip(&[Part::stored("\x1b]0;evil\x07", "x").listed(|h| h.crc32 = 1)]),
        &["Z110", "Z101"],
    );
}

fn links(check: Check<'_>) {
    check("link out", &zip(&[Part::link("passwd", "../../../../etc/passwd")]), &["S103"]);
    check("link to an absolute place", &zip(&[Part::link("shadow", "/etc/shadow")]), &["S103"]);
    check(
        "link and a file below it",
        &zip(&[Part::link("lib", "/tmp"), Part::stored("lib/layerfit-evil", "x")]),
        &["Z117"],
    );
    check("circle", &zip(&[Part::link("a", "b"), Part::link("b", "a")]), &["S101"]);
    check("link to nothing", &zip(&[Part::link("a", "gone")]), &["S102"]);
    check("link with a long target", &zip(&[Part::link("a", [b'x'; 5000])]), &["Z101"]);
    check("link to no name", &zip(&[fine(), Part::link("a", "")]), &[]);
    check("bomb as a link", &zip(&[Part::deflated("a", vec![0; 1 << 24]).mode(0o120_777)]), &["Z101"]);
    check("FIFO", &zip(&[fine(), Part::stored("a", "").mode(0o010_644)]), &["S104"]);
    check("device", &zip(&[fine(), Part::stored("null", "").mode(0o020_666)]), &["S104"]);
    check("nobody may read", &zip(&[Part::stored("a", "x").mode(0o100_000)]), &["S109"]);
    check("a closed directory", &zip(&[Part::stored("a/", "").mode(0o040_700)]), &["S109"]);
}

fn bombs(check: Check<'_>) {
    let zeros = Part::deflated("zeros", vec![0; 64 << 20]);
    let kernel = Part::stored("a", vec![b'x'; 1 << 16]);
    let mut one_for_all: Vec<Part> = vec![kernel.clone()];
    one_for_all.extend((0..2000).map(|n| {
        let again = Part::stored(format!("b{n}"), vec![b'x'; 1 << 16]);
        again.but(|part| (part.written, part.offset, part.local.name) = (false, Some(0), b"a".to_vec()))
    }));
    // Quoted: the content of the first is the whole of the second.
    let inner = zip(&[Part::stored("inner", "content")]);
    let local = &inner[..inner.len() - 22 - 46 - 5];
    let outer = Part::stored("outer", local);
    let start = u32::try_from(30 + "outer".len()).expect("few");
    let quoted = Part::stored("inner", "content").but(|part| (part.written, part.offset) = (false, Some(start)));
    let many: Vec<Part> = (0..4096)
        .map(|n| {
            Part::stored(format!("{n}"), "").but(|part| {
                part.written = n == 0;
                part.offset = Some(0);
                part.central.bytes = 1 << 20;
            })
        })
        .collect();
    check("zeros within the limits", &zip(std::slice::from_ref(&zeros)), &[]);
    check("zeros over the limit", &zip(&[Part::deflated("zeros", vec![0; 262_144_001])]), &["Z111", "F102"]);
    check("bomb that claims little", &zip(&[zeros.clone().says(|h| h.bytes = 10)]), &["Z101"]);
    check("bomb that claims a little less", &zip(&[zeros.clone().says(|h| h.bytes -= 1)]), &["Z101"]);
    check("a claim of 4 GB", &zip(&[fine().says(|h| h.bytes = u32::MAX - 1)]), &["Z111", "F102"]);
    check("a claim of 200 MB", &zip(&[Part::stored("a", "x").says(|h| h.bytes = 200 << 20)]), &["Z110"]);
    check("one content for 2000 entries", &zip(&one_for_all), &["Z109", "Z110"]);
    check("an entry in an entry", &zip(&[outer, quoted]), &["Z109"]);
    check("4096 claims of 1 MB", &zip(&many), &["Z109", "F102"]);
    check("zip in zip", &zip(&[Part::stored("a.zip", zip(&[zeros]))]), &[]);
    check("large ELF files", &zip(&(0..2).map(large_elf).collect::<Vec<_>>()), &["L101"]);
}

/// Magic, two hundredths of noise, and zeros: as much as can be asked of who reads a whole ELF file.
fn large_elf(number: u64) -> Part {
    let mut content = b"\x7fELF".to_vec();
    content.extend(noise(number, 2 << 20));
    content.resize(100 << 20, 0);
    Part::deflated(format!("lib/lib{number}.so"), content)
}

fn lies(check: Check<'_>) {
    let stored = || Part::stored("a", "content");
    let first = || Part::stored("first", "first");
    let directory = |shift| zip_with(&[stored()], &End { shift, ..End::default() });
    check("wrong CRC-32", &zip(&[stored().says(|h| h.crc32 ^= 1)]), &["Z101"]);
    check("wrong CRC-32 in front", &zip(&[stored().but(|p| p.local.crc32 ^= 1)]), &["Z110"]);
    check("another name in front", &zip(&[stored().but(|p| p.local.name = b"b".to_vec())]), &["Z110"]);
    check("another method in front", &zip(&[fine().but(|p| p.local.method = 0)]), &["Z110"]);
    check("another length in front", &zip(&[stored().but(|p| p.local.bytes += 1)]), &["Z110"]);
    check("stored and longer than it is", &zip(&[stored().says(|h| h.bytes = 900)]), &["Z110"]);
    check("longer than it is", &zip(&[fine().says(|h| h.bytes += 1)]), &["Z101"]);
    check("shorter than it is", &zip(&[fine().says(|h| h.bytes -= 1)]), &["Z101"]);
    check("more compressed bytes", &zip(&[fine().but(|p| p.data.push(0)).says(|h| h.compressed += 1)]), &["Z101"]);
    check("fewer compressed bytes", &zip(&[fine().says(|h| h.compressed -= 1)]), &["Z101"]);
    check(
        "content into the directory",
        &zip(&[first(), stored().says(|h| (h.bytes, h.compressed) = (60, 60))]),
        &["Z109"],
    );
    check("no deflate", &zip(&[stored().says(|h| h.method = 8)]), &["Z101"]);
    check("encrypted", &zip(&[fine().says(|h| h.flags = 1)]), &["Z106"]);
    check("encrypted by AES", &zip(&[fine().says(|h| (h.flags, h.method) = (1, 99))]), &["Z106", "Z107"]);
    check("LZMA", &zip(&[fine().says(|h| h.method = 14)]), &["Z107"]);
    check("Zstandard", &zip(&[fine().says(|h| h.method = 93)]), &["Z107"]);
    check("unknown method", &zip(&[fine().says(|h| h.method = 65535)]), &["Z107"]);
    check(
        "zip64",
        &zip(&[stored().says(|h| {
            (h.bytes, h.compressed, h.extra) = (u32::MAX, u32::MAX, zip64(&[7, 7]));
        })]),
        &["Z108"],
    );
    check(
        "zip64 with huge numbers",
        &zip(&[stored().listed(|h| {
            (h.bytes, h.compressed, h.extra) = (u32::MAX, u32::MAX, zip64(&[u64::MAX, u64::MAX]));
        })]),
        &["Z108", "Z111"],
    );
    check(
        "zip64 cut short",
        &zip(&[stored().listed(|h| {
            (h.bytes, h.compressed, h.extra) = (u32::MAX, u32::MAX, vec![1, 0, 16, 0, 7]);
        })]),
        &["Z109", "Z111"],
    );
    check(
        "zip64 offset beyond the end",
        &zip(&[stored().but(|p| {
            (p.offset, p.central.extra) = (Some(u32::MAX), zip64(&[u64::MAX - 10]));
        })]),
        &["Z101", "Z108"],
    );
    check("offset beyond the end", &zip(&[first(), stored().but(|p| p.offset = Some(9999))]), &["Z101"]);
    check("offset into the content", &zip(&[first(), stored().but(|p| p.offset = Some(31))]), &["Z101"]);
    check("one entry more than listed", &zip_with(&[stored()], &End { more_entries: 1, ..End::default() }), &["Z110"]);
    check(
        "one entry fewer than listed",
        &zip_with(&[stored(), fine()], &End { more_entries: -1, ..End::default() }),
        &["Z110"],
    );
    check("directory elsewhere", &directory(5), &["Z110"]);
    for length in [-7, 7] {
        check("another length of the directory", &zip_with(&[stored()], &End { length, ..End::default() }), &["Z110"]);
    }
    for flags in [1, 1 << 3, 1 << 11] {
        check("other flags in front", &zip(&[stored().but(|p| p.local.flags = flags)]), &["Z110"]);
    }
    let cut = vec![b'U', b'T', 5, 0, 1];
    check("extra field cut short", &zip(&[stored().listed(|h| h.extra.clone_from(&cut))]), &["Z110"]);
    check("extra field cut short in front", &zip(&[stored().but(|p| p.local.extra.clone_from(&cut))]), &["Z110"]);
    check("no lengths after the content", &zip(&[fine(), stored().says(|h| h.flags = 1 << 3)]), &["Z110"]);
    check("a newer version of the format", &zip(&[stored().but(|p| p.version = 63)]), &["Z107"]);
    check("a patch", &zip(&[stored().says(|h| h.flags = 1 << 5)]), &["Z107"]);
    check("directory with a CRC-32", &zip(&[fine(), Part::stored("d/", "").says(|h| h.crc32 = 7)]), &["Z101"]);
    check(
        "no local header of an empty file",
        &zip(&[fine(), Part::stored("e", "").but(|p| p.offset = Some(3))]),
        &["Z101"],
    );
    check(
        "no local header of a directory",
        &zip(&[fine(), Part::stored("d/", "").but(|p| p.offset = Some(3))]),
        &["Z101"],
    );
    let separators = Part::stored("python\\a\\__init__.py", "x");
    check("backslashes for separators", &zip(std::slice::from_ref(&separators)), &["Z116"]);
    check("directory beyond the end", &directory(1 << 30), &["Z101"]);
    check(
        "a longer comment than there is",
        &zip_with(&[stored()], &End { comment_length: Some(9), ..End::default() }),
        &["Z101"],
    );
    check(
        "an end in the comment",
        &zip_with(&[stored()], &End { comment: [b"PK\x05\x06".as_slice(), &[255; 18]].concat(), ..End::default() }),
        &["Z101"],
    );
    check("bytes in front", &[b"#!/bin/sh\nexit\n".to_vec(), zip(&[stored()])].concat(), &["Z112"]);
    check("bytes behind", &[zip(&[stored()]), b"more".to_vec()].concat(), &["Z112"]);
}

fn no_zips(check: Check<'_>) {
    for disks in [[1, 0, 0, 0], [0, 0, 1, 0], [255; 4]] {
        check("one part of several", &zip_with(&[fine()], &End { disks, ..End::default() }), &["Z101"]);
    }
    let listed_once: Vec<Part> = (0..300_000)
        .map(|n| Part::stored(format!("{n}"), "").but(|part| (part.written, part.offset) = (n == 0, Some(0))))
        .collect();
    let long_names: Vec<Part> = (0..600)
        .map(|n| {
            let mut name = vec![b'a'; 60_000];
            name.extend(n.to_string().bytes());
            Part::stored(name, "").but(|part| (part.written, part.offset) = (n == 0, Some(0)))
        })
        .collect();
    check("empty file", &Vec::new(), &["Z101"]);
    check("text", b"not a zip at all", &["Z101"]);
    check("zeros", &vec![0; 1 << 20], &["Z101"]);
    check("no entries", &zip(&[]), &["S108"]);
    check("an end of only ones", &[b"PK\x05\x06".as_slice(), &[255; 18]].concat(), &["Z101"]);
    check("300,000 entries", &zip(&listed_once), &["Z101"]);
    check("36 MB of names", &zip(&long_names), &["Z101"]);
    check("ends in a row", &b"PK\x05\x06".repeat(20_000), &["Z101"]);
}

/// Runs layerfit with no more memory than it may have; it is killed when it asks for more. Its threads have memory of their
/// own, so there are two of them on any machine.
fn limited(world: &World, arguments: &[&str]) -> Run {
    let direct = world.command(arguments);
    let limit = format!("ulimit -d {MAX_MEMORY_KIB} && exec \"$@\" --jobs 2");
    let mut command = Command::new("sh");
    command.args(["-c", &limit, "sh"]).arg(direct.get_program()).args(direct.get_args());
    command.current_dir(direct.get_current_dir().expect("set"));
    command.envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Run::of(command)
}

#[test]
fn each_is_told_by_its_code_with_little_memory_and_nothing_written() {
    let world = World::new();
    let mut cases = 0;
    let mut shown = BTreeSet::new();
    let mut check = |what: &str, bytes: &[u8], codes: &[&str]| {
        cases += 1;
        fs::write(world.beside("hostile.zip"), bytes).expect("written");
        let run = limited(&world, &["check", "hostile.zip", "--format", "json"]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{what}: {e}: {}", run.stderr));
        for code in codes {
            let found = findings(&report, code);
            assert!(!found.is_empty(), "{what}: no {code} in {:#}", report["findings"]);
        }
        let failed = report["findings"].as_array().expect("findings").iter().any(|f| f["severity"] == "error");
        let fits = report["fits"] == true;
        assert_eq!(run.code, i32::from(failed || !fits), "{what}: {:#}", report["findings"]);
        // A terminal is told the same, in words that cannot write to it: once for the same codes about the same names.
        let findings = report["findings"].as_array().expect("findings").iter();
        if shown.insert(findings.map(|f| format!("{} {}", f["code"], f["subject"])).collect::<String>()) {
            let table = limited(&world, &["check", "hostile.zip"]);
            assert_eq!(table.code, run.code, "{what}");
            assert!(!table.stdout.contains('\x1b') && !table.stderr.contains('\x1b'), "{what}: {}", table.stdout);
        }
        assert_eq!(world.names_beside(), ["hostile.zip", "opt"], "{what}");
    };
    for group in [names, links, bombs, lies, no_zips] {
        group(&mut check);
    }
    assert!(cases >= 70, "{cases}");
    assert!(!Path::new("/tmp/layerfit-evil").exists());
}

#[test]
fn an_encrypted_entry_is_told_once() {
    // The header of the encryption makes it longer than the file.
    let encrypted = Part::stored("a", "x".repeat(32)).says(|h| (h.flags, h.bytes) = (1, 20));
    let world = World::new();
    fs::write(world.beside("a.zip"), zip(&[fine(), encrypted])).expect("written");
    let (code, report) = world.json(&["check", "a.zip"]);
    assert_eq!((code, findings(&report, "Z106").len(), findings(&report, "Z110").len()), (1, 1, 0));
    let not = Part::stored("a", "x".repeat(32)).says(|h| h.bytes = 20);
    fs::write(world.beside("a.zip"), zip(&[fine(), not])).expect("written");
    assert_eq!(findings(&world.json(&["check", "a.zip"]).1, "Z110").len(), 1);
}

/// What the reader makes of a zip: kinds and modes of the entries, and the findings without their words. Panics when it
/// does.
fn as_read(zip: &Path) -> String {
    let (tree, layers, findings) = scan_zips(&[zip.to_owned()], 262_144_000, layerfit::languages::package_directory)
        .expect("the file can be read");
    assert_eq!(layers.len(), 1);
    let entries: Vec<_> = tree.iter().map(|(_, entry)| (entry.is_file(), entry.is_directory(), entry.mode)).collect();
    let codes: Vec<_> = findings.iter().map(|finding| (finding.code, finding.severity)).collect();
    format!("{entries:?} {codes:?}")
}

#[test]
fn a_zip_that_is_cut_or_changed_anywhere_is_told_and_nothing_else_happens() {
    let world = World::new();
    let parts = [fine(), Part::stored("lib/", ""), Part::link("lib/link", "fine.txt"), Part::stored("lib/a", "stored")];
    let whole = zip(&parts);
    let zip = world.beside("a.zip");
    fs::write(&zip, &whole).expect("written");
    assert_eq!(world.json(&["check", "a.zip"]).0, 0);
    // The reader has each of them. The whole program, which starts a hundred times more slowly, has one of each outcome.
    let mut seen = BTreeSet::new();
    let mut is_new = |bytes: &[u8]| {
        fs::write(&zip, bytes).expect("written");
        let read = as_read(&zip);
        (seen.insert(read.clone()), read)
    };
    for length in 0..whole.len() {
        let (new, read) = is_new(&whole[..length]);
        assert!(read.contains("DamagedZip"), "cut at {length}: {read}");
        if new {
            let (code, report) = world.json(&["check", "a.zip"]);
            assert_eq!((code, findings(&report, "Z101").is_empty()), (1, false), "cut at {length}");
        }
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        if is_new(&changed).0 {
            let (code, report) = world.json(&["check", "a.zip"]);
            let failed = report["findings"].as_array().expect("findings").iter().any(|f| f["severity"] == "error");
            assert_eq!(code == 1, failed, "changed at {at}: {report:#}");
        }
    }
    assert!(seen.len() > 10, "{seen:#?}");
}

#[test]
fn a_lower_layers_link_takes_no_file_of_a_higher_one() {
    let world = World::new();
    fs::write(world.beside("low.zip"), zip(&[Part::link("lib", "/tmp")])).expect("written");
    fs::write(world.beside("high.zip"), zip(&[Part::stored("lib/layerfit-evil", "x")])).expect("written");
    let (code, report) = world.json(&["check", "low.zip", "high.zip"]);
    assert_eq!(code, 1);
    assert_finding(&report, "Z117", "lib", "is a link in low.zip, but high.zip puts 1 file below it");
    // The other way round it is a file in the place of a directory.
    let (code, report) = world.json(&["check", "high.zip", "low.zip"]);
    assert_eq!(code, 1);
    assert_finding(&report, "Z117", "lib", "is a link in low.zip");
}

#[test]
fn honest_zips_with_what_is_rare_pass() {
    let world = World::new();
    let described = fine().but(|part| {
        part.local.flags = 8;
        part.central.flags = 8;
        let numbers = [part.central.crc32, part.central.compressed, part.central.bytes];
        (part.local.crc32, part.local.compressed, part.local.bytes) = (0, 0, 0);
        part.data.extend(0x0807_4b50_u32.to_le_bytes());
        part.data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    });
    let by_dos = Part::stored("DOS.TXT", "x").but(|part| (part.made_by, part.mode) = (20, 0));
    let timed = Part::stored("timed", "x").says(|h| h.extra = b"UT\x05\x00\x03\0\0\0\0".to_vec());
    // The same name in UTF-8, one of another entry, which is passed over, and lengths without a signature.
    let unicode = |of: &[u8], name: &[u8]| {
        let length = u8::try_from(5 + name.len()).expect("short");
        [&[0x75, 0x70, length, 0, 1], crc32fast::hash(of).to_le_bytes().as_slice(), name].concat()
    };
    let named = Part::stored("named", "x").says(|h| h.extra = unicode(b"named", b"named"));
    let renamed = Part::stored("renamed", "x").says(|h| h.extra = unicode(b"other", b"other"));
    let unsigned = described.clone().but(|part| {
        (part.local.name, part.central.name) = (b"lib/unsigned".to_vec(), b"lib/unsigned".to_vec());
        let signature = part.data.len() - 16;
        part.data.drain(signature..signature + 4);
    });
    let links =
        [Part::stored("lib/libx.so.1", "x"), Part::link("lib/libx.so", "libx.so.1"), Part::link("here", "/opt/lib")];
    let end = End { comment: b"a comment".to_vec(), ..End::default() };
    let many: Vec<Part> = [described, by_dos, timed, named, renamed, unsigned].into_iter().chain(links).collect();
    fs::write(world.beside("a.zip"), zip_with(&many, &end)).expect("written");
    let (code, report) = world.json(&["check", "a.zip"]);
    assert_eq!((code, report["findings"].to_string()), (0, "[]".to_owned()));
    assert_eq!(report["totals"]["scanned"]["files"], 9);
}
