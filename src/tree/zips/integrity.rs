//! The integrity of one zip: what Lambda might not extract, and what unzip programs treat differently.

use std::collections::BTreeMap;

use rawzip::CompressionMethod;

use super::archive::{Archive, Local, MAX_VERSION, Member, Unread};
use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::{TreePath, printable};
use crate::base::subject::Subject;

/// The longest name of a file, and the longest path (NAME_MAX and PATH_MAX, limits.h), in bytes.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;

/// Flag bit 5: compressed patched data (4.4.4).
const PATCHED: u16 = 1 << 5;

/// The flags in which both headers of a member must agree, because unzip programs use one header's or the other's: encryption
/// (0, 6, 13), lengths after the content (3), patched data (5), names in UTF-8 (11).
const FLAGS: u16 = 1 | 1 << 3 | PATCHED | 1 << 6 | 1 << 11 | 1 << 13;

/// The shortest lengths that follow a content: CRC-32 and two lengths, without a signature (4.3.9).
const DESCRIPTOR: u64 = 12;

/// Flag bit 11: the name is in UTF-8 (appendix D).
const UTF_8: u16 = 1 << 11;

/// How many duplicate names are reported individually.
const NAMED: usize = 5;

/// A member's path in the tree; `None` when its name leads out of the tree, or is not a valid file name.
pub(super) fn path(member: &Member) -> Option<TreePath> {
    let name = &member.name;
    if escapes(name) || impossible(name).is_some() { None } else { TreePath::new(name) }
}

fn escapes(name: &[u8]) -> bool {
    name.starts_with(b"/") || name.split(|b| *b == b'/').any(|part| part == b"..")
}

/// Why this is not a valid file name; `None` when it is.
fn impossible(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        Some("the entry has no name")
    } else if name.contains(&0) {
        Some("the name contains a NUL byte, which ends a name on every system")
    } else if name.len() >= PATH_MAX || name.split(|b| *b == b'/').any(|part| part.len() > NAME_MAX) {
        Some("the name is too long (at most 255 bytes, and 4095 with directories)")
    } else {
        None
    }
}

/// Findings about a zip of `zip_bytes`. Marks members whose content cannot be trusted, so that it is not read.
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
            format!("the zip lists {members} entries, but its end record declares {}", archive.claimed_members),
            "recreate the zip",
        ));
    }
    if archive.claimed_directory > archive.directory {
        findings.push(Finding::error(
            Code::HeadersDisagree,
            zip.clone(),
            format!(
                "its central directory begins at byte {}, but its end record declares byte {}",
                archive.directory, archive.claimed_directory
            ),
            "recreate the zip: part of it may be missing",
        ));
    }
    if archive.in_parts {
        findings.push(damaged(zip.clone(), "its end record declares it to be one of several parts"));
    }
    let (length, claimed) = archive.directory_length;
    if claimed != length {
        findings.push(Finding::error(
            Code::HeadersDisagree,
            zip.clone(),
            format!("its central directory has {length} bytes, but its end record declares {claimed}"),
            "recreate the zip: unzip programs look for the directory by this length",
        ));
    }
    if archive.zip64 && !archive.members.iter().any(|member| member.zip64) {
        findings.push(Finding::warning(
            Code::Zip64,
            zip.clone(),
            "is in the zip64 format (for more than 65,534 entries or 4 GiB), which AWS does not document as supported",
            "create the zip from fewer files, and write it to a file, not through a pipe",
        ));
    }
    let before = archive.first_header().unwrap_or(archive.directory);
    let after = zip_bytes.saturating_sub(archive.end);
    for (bytes, place) in [(before, "before its first entry"), (after, "after its end")] {
        if bytes > 0 {
            findings.push(Finding::warning(
                Code::StrayBytes,
                zip.clone(),
                format!("{} {place} do not belong to any entry: the file may not be only a zip", size(bytes)),
                "recreate the zip without data before or after it",
            ));
        }
    }
    findings
}

/// A zip or an entry that cannot be extracted, and why.
pub(super) fn damaged(subject: Subject, why: &str) -> Finding {
    Finding::error(
        Code::DamagedZip,
        subject,
        format!("cannot be extracted: {why}"),
        "recreate the zip: Lambda would report \"Could not unzip uploaded file\"",
    )
}

/// Findings from the central directory alone: encryption, unknown methods, zip64, special files, and bombs.
fn for_each_code(archive: &Archive, findings: &mut Vec<Finding>) {
    let zip = archive.path();
    let mut report = |wrong: &dyn Fn(&Member) -> bool, finding: &dyn Fn(Subject, String) -> Finding| {
        let of_these: Vec<&Member> = archive.members.iter().filter(|member| wrong(member)).collect();
        let Some(first) = of_these.first() else { return };
        let verb = match of_these.len() {
            1 => "is".to_owned(),
            many => format!("and {} are", plural(many - 1, "more entry", "more entries")),
        };
        findings.push(finding(Subject::entry(zip.display(), &first.name), verb));
    };
    report(&|member| member.encrypted, &|subject, verb| {
        let help = "recreate the zip without a password";
        Finding::error(Code::Encrypted, subject, format!("{verb} encrypted, but Lambda has no password"), help)
    });
    let known = |member: &Member| [CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&member.method);
    report(&|member| !known(member), &|subject, verb| {
        let methods: Vec<String> = archive.members.iter().filter(|m| !known(m)).map(|m| m.method.to_string()).collect();
        let message = format!("{verb} compressed with method {}, not deflate", methods[0]);
        Finding::error(Code::UnknownMethod, subject, message, "recreate the zip with deflate: zip, or layerfit pack")
    });
    report(&|member| member.version > MAX_VERSION && known(member), &|subject, verb| {
        let versions = archive.members.iter().map(|member| member.version);
        let version = versions.max().unwrap_or(0);
        let message = format!("{verb} for version {}.{} of the zip format: unzip skips it", version / 10, version % 10);
        Finding::error(Code::UnknownMethod, subject, message, "recreate the zip with zip, or layerfit pack")
    });
    report(&|member| member.flags & PATCHED != 0, &|subject, verb| {
        let message = format!("{verb} a patch to other data, which unzip programs do not apply");
        Finding::error(Code::UnknownMethod, subject, message, "recreate the zip with zip, or layerfit pack")
    });
    report(&|member| member.zip64, &|subject, verb| {
        let message =
            format!("{verb} in the zip64 format (for zips over 4 GiB), which AWS does not document as supported");
        Finding::warning(
            Code::Zip64,
            subject,
            message,
            "create the zip from files and write it to a file, not through a pipe",
        )
    });
    report(&|member| member.is_special(), &|subject, verb| {
        let message = format!("{verb} a special file (FIFO, socket or device), which Lambda does not extract");
        Finding::warning(Code::SpecialFile, subject, message, "remove it from the tree")
    });
    report(&|member| matches!(member.unread, Some(Unread::TooLong | Unread::TotalTooLong)), &|subject, verb| {
        let unread = || archive.members.iter().filter(|member| member.unread.is_some());
        let bytes: u64 = unread().fold(0, |sum, member| sum.saturating_add(member.bytes));
        let compressed: u64 = unread().fold(0, |sum, member| sum.saturating_add(member.compressed));
        let message = format!(
            "{verb} not extracted: {} unzipped ({} zipped) are more than a function can have",
            size(bytes),
            size(compressed)
        );
        Finding::error(Code::Bomb, subject, message, "remove it; if it should be small, check where the zip comes from")
    });
}

/// Findings about names: those that lead out of the tree, are not valid or occur twice.
fn names(archive: &Archive) -> Vec<Finding> {
    let zip = archive.path();
    let mut findings = Vec::new();
    let mut twice: BTreeMap<TreePath, usize> = BTreeMap::new();
    let mut backslashes = Vec::new();
    for member in &archive.members {
        if let Some(why) = impossible(&member.name) {
            let help = "recreate the zip with valid file names";
            let shown = &member.name[..member.name.len().min(NAME_MAX)];
            findings.push(Finding::error(
                Code::NameImpossible,
                Subject::entry(zip.display(), shown),
                format!("{why}; the entry is ignored"),
                help,
            ));
        } else if escapes(&member.name) {
            findings.push(Finding::error(
                Code::EntryEscapes,
                Subject::entry(zip.display(), &member.name),
                "the name would put the entry outside /opt; the entry is ignored",
                "create the zip inside the directory that will be /opt, so that names are relative",
            ));
        } else {
            if member.flags & UTF_8 != 0 && std::str::from_utf8(&member.name).is_err() {
                findings.push(Finding::error(
                    Code::NameImpossible,
                    Subject::entry(zip.display(), &member.name),
                    "the name has the flag of UTF-8 and is not: Python and Java cannot open the zip",
                    "recreate the zip with names in UTF-8",
                ));
            }
            if member.name.contains(&b'\\') {
                backslashes.push(member);
            }
            if let Some(path) = TreePath::new(&member.name).filter(|path| !path.is_root()) {
                *twice.entry(path).or_default() += 1;
            }
        }
    }
    if let Some(first) = backslashes.first() {
        // In a zip made on Windows, or with no other separator, they are meant as separators. A zip made on Unix can have a
        // file with a backslash in its name.
        let separators = backslashes.iter().any(|member| !member.has_mode)
            || !archive.members.iter().any(|member| member.name.contains(&b'/'));
        let (severity, consequence) = if separators {
            (Severity::Error, "so everything would be a file in /opt itself")
        } else {
            (Severity::Warning, "and not a separator")
        };
        findings.push(Finding::new(
            severity,
            Code::NameImpossible,
            Subject::entry(zip.display(), &first.name),
            format!(
                "{} with a backslash: on Linux it is part of the name, {consequence}",
                plural(backslashes.len(), "name", "names")
            ),
            "recreate the zip with '/' between directories, as the format requires (APPNOTE 4.4.17)",
        ));
    }
    let twice: Vec<TreePath> = twice.into_iter().filter(|(_, times)| *times > 1).map(|(path, _)| path).collect();
    for path in twice.iter().take(NAMED) {
        let more = match twice.len().checked_sub(NAMED) {
            Some(more) if more > 0 => format!("; so do {more} more names"),
            _ => String::new(),
        };
        findings.push(Finding::error(
            Code::DuplicateEntry,
            Subject::entry(zip.display(), path.as_bytes()),
            format!("the name occurs more than once{more}: which entry is used depends on the unzip program"),
            "recreate the zip with each name once",
        ));
    }
    findings
}

/// Findings about local headers that differ from the central directory, and about entries that overlap.
fn headers(archive: &mut Archive) -> Vec<Finding> {
    let zip = archive.path().to_owned();
    let mut buffer = vec![0; 2 * usize::from(u16::MAX)];
    let mut differing = Vec::new();
    let mut untrusted = Vec::new();
    let mut ranges = Vec::new();
    let mut unreadable = Vec::new();
    for (index, member) in archive.members.iter().enumerate() {
        match archive.local(member, &mut buffer) {
            Ok(local) => {
                differing.extend(difference(&local, member).map(|what| (index, what)));
                ranges.push((member.header, local.end, index, member.described_after));
            }
            Err(why) => unreadable.push((index, why)),
        }
        if member.method == CompressionMethod::STORE && member.bytes != member.compressed {
            // What is encrypted has a header of its own in front.
            if !member.encrypted {
                differing.push((index, format!("it is stored, but has {} bytes in the zip", member.compressed)));
            }
            untrusted.push(index);
        }
    }
    ranges.sort_unstable();
    let starts = ranges.iter().map(|(start, ..)| *start).skip(1).chain([archive.directory]);
    let undescribed = ranges
        .iter()
        .zip(starts)
        .filter(|((_, end, _, described_after), next)| *described_after && end <= next && *end + DESCRIPTOR > *next);
    let no_lengths = |((_, _, index, _), _): (&(u64, u64, usize, bool), u64)| {
        (*index, "it has the flag of lengths that follow its content, and none follow".to_owned())
    };
    differing.extend(undescribed.map(no_lengths));
    let mut findings = Vec::new();
    if let Some((first, what)) = differing.first() {
        let member = &archive.members[*first];
        findings.push(Finding::error(
            Code::HeadersDisagree,
            Subject::entry(zip.display(), &member.name),
            format!(
                "{} the zip's central directory: {what}",
                if differing.len() == 1 {
                    "disagrees with".to_owned()
                } else {
                    format!("and {} disagree with", plural(differing.len() - 1, "more entry", "more entries"))
                }
            ),
            "recreate the zip: which header is used depends on the unzip program",
        ));
    }
    if let Some((first, why)) = unreadable.first() {
        let more = match unreadable.len() {
            1 => String::new(),
            many => format!(" (and {})", plural(many - 1, "more entry", "more entries")),
        };
        findings.push(damaged(Subject::entry(zip.display(), &archive.members[*first].name), &format!("{why}{more}")));
    }
    untrusted.extend(unreadable.into_iter().map(|(index, _)| index));
    let mut overlapping = Vec::new();
    let mut reached = 0;
    for (start, end, index, _) in ranges {
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
                "{} other entries in the zip, as in a zip bomb; not extracted",
                if overlapping.len() == 1 {
                    "overlaps".to_owned()
                } else {
                    format!("and {} overlap", plural(overlapping.len() - 1, "more entry", "more entries"))
                }
            ),
            "recreate the zip, and check where this one comes from",
        ));
    }
    for index in overlapping.into_iter().chain(untrusted) {
        archive.members[index].unread = Some(Unread::Untrusted);
    }
    findings
}

/// How a local header differs from the central directory; `None` when it agrees.
fn difference(local: &Local, member: &Member) -> Option<String> {
    let lengths = (local.bytes, local.compressed) == (member.bytes, member.compressed);
    if local.name != member.name {
        Some(format!("its local header has the name {}", printable(&local.name)))
    } else if let Some(other) = member.other_name.as_ref().or(local.other_name.as_ref()) {
        Some(format!("an extra field has the name {}, which Info-ZIP's unzip takes", printable(other)))
    } else if local.method != member.method {
        Some(format!("its local header has the method {}", local.method))
    } else if !member.described_after && !lengths {
        Some(format!("its local header has {} bytes, {} compressed", local.bytes, local.compressed))
    } else if !member.described_after && local.crc32 != member.crc32 {
        Some("its local header has a different CRC-32".to_owned())
    } else if (local.flags ^ member.flags) & FLAGS != 0 {
        Some(format!("its local header has the flags {:#x}, not {:#x}", local.flags, member.flags))
    } else if local.extra_damaged || member.extra_damaged {
        Some("its extra fields end before their declared lengths".to_owned())
    } else {
        None
    }
}
