//! What is wrong with one zip by itself: what Lambda may not unzip, and what two unzippers would not agree about.

use std::collections::BTreeMap;

use rawzip::CompressionMethod;

use super::archive::{Archive, Local, Member, Unread};
use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding, Subject};
use crate::base::path::{TreePath, printable};

/// The longest name of a file, and the longest path (NAME_MAX and PATH_MAX, limits.h), in bytes.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;

/// More entries than these are not named one by one.
const NAMED: usize = 5;

/// Where a member would be in the tree; `None` when its name leads out of it, or is no name of a file.
pub(super) fn path(member: &Member) -> Option<TreePath> {
    let name = &member.name;
    if escapes(name) || impossible(name).is_some() { None } else { TreePath::new(name) }
}

fn escapes(name: &[u8]) -> bool {
    name.starts_with(b"/") || name.split(|b| *b == b'/').any(|part| part == b"..")
}

/// Why no file can have this name.
fn impossible(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        Some("the entry has no name")
    } else if name.contains(&0) {
        Some("the name has a NUL byte in it, where every system ends a name")
    } else if name.len() >= PATH_MAX || name.split(|b| *b == b'/').any(|part| part.len() > NAME_MAX) {
        Some("the name is longer than a file's can be (255 bytes, and 4095 with directories)")
    } else {
        None
    }
}

/// What is wrong with a zip that is `zip_bytes` long. Marks members whose content cannot be trusted, so that it is not read.
pub(super) fn findings(archive: &mut Archive, zip_bytes: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for_each_code(archive, &mut findings);
    findings.extend(names(archive));
    findings.extend(headers(archive));
    let zip = Subject::layer(archive.path().display());
    let members = archive.members.len() as u64;
    if archive.claimed_members != members {
        findings.push(Finding::error(
            Code::HeadersDisagree,
            zip.clone(),
            format!("the zip lists {members} entries and says it has {}", archive.claimed_members),
            "make the zip anew",
        ));
    }
    if archive.claimed_directory > archive.directory {
        findings.push(Finding::error(
            Code::HeadersDisagree,
            zip.clone(),
            format!("its directory begins at {}, not at {}", archive.directory, archive.claimed_directory),
            "make the zip anew: a part of it may be lost",
        ));
    }
    let before = archive.first_header().unwrap_or(archive.directory);
    let after = zip_bytes.saturating_sub(archive.end);
    for (bytes, place) in [(before, "before its first entry"), (after, "after its end")] {
        if bytes > 0 {
            findings.push(Finding::warning(
                Code::StrayBytes,
                zip.clone(),
                format!("{} {place} belong to no entry: is this a zip and nothing else?", size(bytes)),
                "make the zip anew; what is added to a zip is no part of it",
            ));
        }
    }
    findings
}

/// What the directory alone says: what is encrypted, in an unknown form, of zip64, special, or too long.
fn for_each_code(archive: &Archive, findings: &mut Vec<Finding>) {
    let zip = archive.path();
    let mut report = |wrong: &dyn Fn(&Member) -> bool, finding: &dyn Fn(Subject, String) -> Finding| {
        let of_these: Vec<&Member> = archive.members.iter().filter(|member| wrong(member)).collect();
        let Some(first) = of_these.first() else { return };
        let number = match of_these.len() {
            1 => "the entry".to_owned(),
            many => format!("this and {} more", plural(many - 1, "entry", "entries")),
        };
        findings.push(finding(Subject::entry(zip.display(), &first.name), number));
    };
    report(&|member| member.encrypted, &|subject, number| {
        let help = "make the zip anew without a password";
        Finding::error(Code::Encrypted, subject, format!("{number}: encrypted, and Lambda has no password"), help)
    });
    let known = |member: &Member| [CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&member.method);
    report(&|member| !known(member), &|subject, number| {
        let methods: Vec<String> = archive.members.iter().filter(|m| !known(m)).map(|m| m.method.to_string()).collect();
        let message = format!("{number}: compressed by method {}, not deflate", methods[0]);
        Finding::error(Code::UnknownMethod, subject, message, "make the zip anew with deflate: zip, or layerfit pack")
    });
    report(&|member| member.zip64, &|subject, number| {
        let message = format!("{number}: in the form for zips over 4 GB (zip64), which AWS does not say that it reads");
        Finding::warning(Code::Zip64, subject, message, "zip from files and to a file, not through a pipe")
    });
    report(&|member| member.is_special(), &|subject, number| {
        let message = format!("{number}: a FIFO, socket or device, and not unzipped by Lambda");
        Finding::warning(Code::SpecialFile, subject, message, "remove it from the tree")
    });
    report(
        &|member| matches!(member.unread, Some(Unread::Bomb | Unread::TooLong | Unread::Late)),
        &|subject, number| {
            let unread = || archive.members.iter().filter(|member| member.unread.is_some());
            let bytes: u64 = unread().fold(0, |sum, member| sum.saturating_add(member.bytes));
            let compressed: u64 = unread().fold(0, |sum, member| sum.saturating_add(member.compressed));
            let message = format!(
                "{number}: {} of {} in the zip, which is not content of a layer; not unzipped",
                size(bytes),
                size(compressed)
            );
            Finding::error(Code::Bomb, subject, message, "remove it, and see who made the zip")
        },
    );
}

/// Names that lead out of the tree, that no file can have, that occur twice, or that put everything a level too low.
fn names(archive: &Archive) -> Vec<Finding> {
    let zip = archive.path();
    let mut findings = Vec::new();
    let mut twice: BTreeMap<TreePath, usize> = BTreeMap::new();
    let mut backslashes = Vec::new();
    let mut nested = !archive.members.is_empty();
    for member in &archive.members {
        nested &= member.name.starts_with(b"opt/");
        if let Some(why) = impossible(&member.name) {
            let help = "make the zip anew from files that have names";
            let shown = &member.name[..member.name.len().min(NAME_MAX)];
            findings.push(Finding::error(
                Code::NameImpossible,
                Subject::entry(zip.display(), shown),
                format!("{why}; it is passed over"),
                help,
            ));
        } else if escapes(&member.name) {
            findings.push(Finding::error(
                Code::EntryEscapes,
                Subject::entry(zip.display(), &member.name),
                "the name would put the entry outside /opt; it is passed over",
                "make the zip from inside the directory that will be /opt, so that names are relative",
            ));
        } else {
            if member.name.contains(&b'\\') {
                backslashes.push(&member.name);
            }
            if let Some(path) = TreePath::new(&member.name).filter(|path| !path.is_root()) {
                *twice.entry(path).or_default() += 1;
            }
        }
    }
    if let Some(first) = backslashes.first() {
        findings.push(Finding::warning(
            Code::NameImpossible,
            Subject::entry(zip.display(), first),
            format!(
                "{} with a backslash: on Linux it is a letter of the name and divides nothing",
                plural(backslashes.len(), "name", "names")
            ),
            "make the zip with '/' between directories, as the format asks for (4.4.17)",
        ));
    }
    let twice: Vec<TreePath> = twice.into_iter().filter(|(_, times)| *times > 1).map(|(path, _)| path).collect();
    for path in twice.iter().take(NAMED) {
        let more = match twice.len().checked_sub(NAMED) {
            Some(more) if more > 0 => format!("; {more} more names are like it"),
            _ => String::new(),
        };
        findings.push(Finding::error(
            Code::DuplicateEntry,
            Subject::entry(zip.display(), path.as_bytes()),
            format!("the name occurs more than once: which entry is used depends on who unzips{more}"),
            "make the zip anew, each name once",
        ));
    }
    if nested {
        findings.push(Finding::error(
            Code::NestedRoot,
            Subject::layer(zip.display()),
            "everything in it is below opt/, and Lambda unzips it into /opt: it would be in /opt/opt",
            "zip from inside the directory: cd /opt && zip -r -y layer.zip .",
        ));
    }
    findings
}

/// Local headers that say other things than the directory, and entries that share bytes.
fn headers(archive: &mut Archive) -> Vec<Finding> {
    let zip = archive.path().to_owned();
    let mut buffer = vec![0; 2 * usize::from(u16::MAX)];
    let mut unlike = Vec::new();
    let mut unsound = Vec::new();
    let mut ranges = Vec::new();
    for (index, member) in archive.members.iter().enumerate() {
        // Where it cannot be read, reading the content will say so.
        if let Ok(local) = archive.local(member, &mut buffer) {
            unlike.extend(difference(&local, member).map(|what| (index, what)));
            ranges.push((member.header, local.end, index));
        }
        if member.method == CompressionMethod::STORE && member.bytes != member.compressed {
            unlike.push((index, format!("it is stored, with {} bytes in the zip", member.compressed)));
            unsound.push(index);
        }
    }
    let mut findings = Vec::new();
    if let Some((first, what)) = unlike.first() {
        let member = &archive.members[*first];
        findings.push(Finding::error(
            Code::HeadersDisagree,
            Subject::entry(zip.display(), &member.name),
            format!(
                "{} not what the zip's directory says; where this one begins, {what}",
                if unlike.len() == 1 {
                    "is".to_owned()
                } else {
                    format!("and {} are", plural(unlike.len() - 1, "entry", "entries"))
                }
            ),
            "make the zip anew: which of the two is believed depends on who unzips",
        ));
    }
    ranges.sort_unstable();
    let mut overlapping = Vec::new();
    let mut reached = 0;
    for (start, end, index) in ranges {
        if start < reached || end > archive.directory {
            overlapping.push(index);
        }
        reached = reached.max(end);
    }
    if let Some(first) = overlapping.first() {
        findings.push(Finding::error(
            Code::Overlapping,
            Subject::entry(zip.display(), &archive.members[*first].name),
            format!(
                "{} in the zip over bytes of others, as in a bomb; not unzipped",
                if overlapping.len() == 1 {
                    "lies".to_owned()
                } else {
                    format!("and {} lie", plural(overlapping.len() - 1, "entry", "entries"))
                }
            ),
            "make the zip anew, and see who made this one",
        ));
    }
    for index in overlapping.into_iter().chain(unsound) {
        archive.members[index].unread = Some(Unread::Unsound);
    }
    findings
}

/// What a local header says otherwise than the directory.
fn difference(local: &Local, member: &Member) -> Option<String> {
    let lengths = (local.bytes, local.compressed) == (member.bytes, member.compressed);
    if local.name != member.name {
        Some(format!("the name is {}", printable(&local.name)))
    } else if local.method != member.method {
        Some(format!("the method is {}", local.method))
    } else if !member.described_after && !lengths {
        Some(format!("it has {} bytes, {} compressed", local.bytes, local.compressed))
    } else if !member.described_after && local.crc32 != member.crc32 {
        Some("the CRC-32 is another".to_owned())
    } else {
        None
    }
}
