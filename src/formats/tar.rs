//! Tar archives: one member after the other, with GNU's and POSIX's long names, and with bounds.
//!
//! The tar crate reads the blocks; its own handling of long names is not used, as it reads them without a bound, and splits
//! POSIX's records at line breaks, which values of extended attributes can contain. Where programs that extract archives would
//! read a header in different ways, the archive is refused.

use std::io::{self, Read, Seek};

use tar::{Archive, Entries, Entry, EntryType};

/// The longest name in bytes (PATH_MAX, limits.h).
const MAX_NAME: u64 = 4096;

/// The longest extended header in bytes: a file can have extended attributes of 64 KiB each (xattr(7)).
const MAX_EXTENDED: u64 = 1 << 20;

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, as stored.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Its permission bits (the low twelve of `st_mode`).
    pub mode: u32,
    /// The length of its content in bytes; 0 for everything but a file.
    pub bytes: u64,
    /// Where its content begins in the archive, in bytes.
    pub position: u64,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// Another name of an earlier member, with that name.
    HardLink(Vec<u8>),
    /// A symbolic link, with its target.
    Link(Vec<u8>),
    /// A directory.
    Directory,
    /// A device or FIFO, in words.
    Special(&'static str),
}

/// The members of an archive, in its order.
pub struct Members<'a, R: 'a + Read> {
    entries: Entries<'a, R>,
}

impl<'a, R: Read> Members<'a, R> {
    /// Reads an archive from one end to the other.
    ///
    /// # Errors
    /// When something was read from the archive before.
    pub fn of(archive: &'a mut Archive<R>) -> io::Result<Self> {
        Ok(Self { entries: archive.entries()?.raw(true) })
    }

    /// Reads the headers of an archive only, passing over contents that are not read.
    ///
    /// # Errors
    /// When something was read from the archive before.
    pub fn seeking(archive: &'a mut Archive<R>) -> io::Result<Self>
    where
        R: Seek,
    {
        Ok(Self { entries: archive.entries_with_seek()?.raw(true) })
    }

    /// The next member, and its content to be read before the one after it; `None` at the end.
    ///
    /// # Errors
    /// When the archive cannot be read, is damaged, or has what can be read in different ways.
    pub fn next(&mut self) -> io::Result<Option<(Member, Entry<'a, R>)>> {
        let mut long = Long::default();
        loop {
            let Some(entry) = self.entries.next() else {
                return if long == Long::default() { Ok(None) } else { Err(wrong("it ends after a long name")) };
            };
            let mut entry = entry?;
            match entry.header().entry_type() {
                EntryType::GNULongName => once(&mut long.name, text(&mut entry)?)?,
                EntryType::GNULongLink => once(&mut long.target, text(&mut entry)?)?,
                EntryType::XHeader => {
                    let records = bounded(&mut entry, MAX_EXTENDED)?;
                    long.take(&records)?;
                }
                // What it sets for all members is neither a name nor a length in any known archive.
                EntryType::XGlobalHeader => drop(bounded(&mut entry, MAX_EXTENDED)?),
                kind => return member(&entry, kind, long).map(|member| Some((member, entry))),
            }
        }
    }
}

/// What the headers before a member say of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Long {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    bytes: Option<u64>,
}

impl Long {
    /// Reads the records of an extended header: `LENGTH KEY=VALUE\n` (POSIX, pax, "pax Extended Header").
    fn take(&mut self, mut records: &[u8]) -> io::Result<()> {
        let damaged = || wrong("an extended header is damaged");
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(damaged)?;
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|length| length.parse::<usize>().ok());
            let record = length.and_then(|length| records.get(space + 1..length)).ok_or_else(damaged)?;
            let (key, value) = record.split_at(record.iter().position(|byte| *byte == b'=').ok_or_else(damaged)?);
            let value = value[1..].strip_suffix(b"\n").ok_or_else(damaged)?;
            match key {
                b"path" => once(&mut self.name, value.to_vec())?,
                b"linkpath" => once(&mut self.target, value.to_vec())?,
                b"size" => {
                    let bytes = std::str::from_utf8(value).ok().and_then(|bytes| bytes.parse().ok());
                    self.bytes = Some(bytes.ok_or_else(damaged)?);
                }
                _ if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
            records = &records[space + 1 + record.len()..];
        }
        Ok(())
    }
}

/// Puts together what the headers have of a member.
fn member<R: Read>(entry: &Entry<'_, R>, kind: EntryType, long: Long) -> io::Result<Member> {
    let header = entry.header();
    let name = long.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let shown = String::from_utf8_lossy(&name).into_owned();
    if name.len() as u64 > MAX_NAME || name.contains(&0) {
        return Err(wrong("a name is longer than any path, or has a zero byte"));
    }
    let mut bytes = header.entry_size()?;
    if long.bytes.is_some_and(|long| long != bytes) {
        return Err(wrong(&format!("{shown} has two lengths")));
    }
    let target = || -> io::Result<Vec<u8>> {
        let target = long.target.clone().or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let target = target.filter(|target| !target.is_empty() && !target.contains(&0));
        target
            .filter(|target| target.len() as u64 <= MAX_NAME)
            .ok_or_else(|| wrong(&format!("{shown} is a link without a usable target")))
    };
    let kind = match kind {
        // Before POSIX, a directory was a file whose name ends with a slash.
        EntryType::Regular if name.ends_with(b"/") => MemberKind::Directory,
        EntryType::Regular | EntryType::Continuous => MemberKind::File,
        EntryType::Link => MemberKind::HardLink(target()?),
        EntryType::Symlink => MemberKind::Link(target()?),
        EntryType::Directory => MemberKind::Directory,
        EntryType::Char | EntryType::Block => MemberKind::Special("a device"),
        EntryType::Fifo => MemberKind::Special("a FIFO"),
        EntryType::GNUSparse => return Err(sparse()),
        other => return Err(wrong(&format!("{shown} is of the unknown type {:?}", char::from(other.as_byte())))),
    };
    if kind != MemberKind::File {
        // Some programs would read what follows as its content, and some as the next header.
        if bytes != 0 {
            return Err(wrong(&format!("{shown} is not a file, but has a length")));
        }
        bytes = 0;
    }
    Ok(Member { name, kind, mode: header.mode()? & 0o7777, bytes, position: entry.raw_file_position() })
}

/// The content of a header that holds a name.
fn text(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut name = bounded(entry, MAX_NAME + 1)?;
    // It ends with a zero byte.
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn bounded(entry: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    entry.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(wrong("a header is longer than any name and attribute"));
    }
    Ok(content)
}

fn once(field: &mut Option<Vec<u8>>, value: Vec<u8>) -> io::Result<()> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(wrong("a member has two long names")),
    }
}

fn wrong(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn sparse() -> io::Error {
    wrong("it has sparse files: archive it without --sparse")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    /// The members of an archive, and their contents.
    fn read(archive: &[u8]) -> io::Result<Vec<(Member, Vec<u8>)>> {
        let mut archive = Archive::new(archive);
        let mut members = Members::of(&mut archive)?;
        let mut all = Vec::new();
        while let Some((member, entry)) = members.next()? {
            let mut content = Vec::new();
            entry.take(1 << 20).read_to_end(&mut content)?;
            all.push((member, content));
        }
        Ok(all)
    }

    fn header(kind: EntryType, name: &str, bytes: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o100_755);
        header.set_size(bytes);
        header.set_cksum();
        header
    }

    fn archive(members: &[(Header, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (header, content) in members {
            builder.append(header, *content).expect("appended");
        }
        builder.into_inner().expect("finished")
    }

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let length = (1..).find(|length| format!("{length}").len() + rest.len() == *length).expect("a length");
        [format!("{length}").as_bytes(), &rest].concat()
    }

    fn extended(records: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
        archive(&[
            (header(EntryType::XHeader, "pax", records.len() as u64), records),
            (header(EntryType::Regular, name, content.len() as u64), content),
        ])
    }

    #[test]
    fn members_have_their_long_names_and_contents() {
        let long = format!("opt/{}", "d/".repeat(300));
        let mut builder = Builder::new(Vec::new());
        let mut file = header(EntryType::Regular, "x", 2);
        builder.append_data(&mut file, format!("{long}file"), &b"hi"[..]).expect("appended");
        let mut link = header(EntryType::Symlink, "x", 0);
        builder.append_link(&mut link, "opt/link", format!("{long}target")).expect("appended");
        let all = read(&builder.into_inner().expect("finished")).expect("read");
        assert_eq!(all[0].0.name, format!("{long}file").as_bytes());
        assert_eq!((all[0].0.bytes, all[0].0.mode, all[0].1.as_slice()), (2, 0o755, &b"hi"[..]));
        assert_eq!(all[1].0.kind, MemberKind::Link(format!("{long}target").into_bytes()));
        // The value of an attribute can have line breaks.
        let records = [record("SCHILY.xattr.security.capability", b"\x01\n\x002"), record("path", "opt/é".as_bytes())];
        let all = read(&extended(&records.concat(), "short", b"hi")).expect("read");
        assert_eq!((all[0].0.name.as_slice(), all[0].1.as_slice()), ("opt/é".as_bytes(), &b"hi"[..]));
    }

    #[test]
    fn what_programs_read_in_different_ways_is_refused() {
        let refused = |archive: &[u8], why: &str| {
            let error = read(archive).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(&extended(&record("size", b"1"), "opt/x", b"hi"), "two lengths");
        refused(&archive(&[(header(EntryType::Link, "opt/x", 512), &[0; 512])]), "link without a usable target");
        refused(&archive(&[(header(EntryType::Directory, "opt/x", 512), &[0; 512])]), "but has a length");
        refused(&archive(&[(header(EntryType::GNUSparse, "opt/x", 0), &[])]), "--sparse");
        refused(&extended(&record("GNU.sparse.major", b"1"), "opt/x", b""), "--sparse");
        refused(&archive(&[(header(EntryType::new(b'Z'), "opt/x", 0), &[])]), "unknown type 'Z'");
        refused(&extended(b"99 path=x\n", "opt/x", b""), "extended header is damaged");
        refused(&extended(&record("path", b"a\0b"), "opt/x", b""), "zero byte");
        let names = || (header(EntryType::GNULongName, "././@LongLink", 2), &b"a\0"[..]);
        refused(&archive(&[names(), names()]), "two long names");
        refused(&archive(&[names()]), "ends after a long name");
        let mut damaged = archive(&[(header(EntryType::Regular, "opt/x", 0), &[])]);
        damaged[0] ^= 1;
        refused(&damaged, "checksum");
        let cut = &archive(&[(header(EntryType::Regular, "opt/x", 2000), &[b'x'; 2000])])[..1024];
        assert_eq!(read(cut).map(|all| all[0].1.len()).unwrap_or(0), 512, "a content that is cut off is shorter");
    }

    #[test]
    fn a_header_that_would_fill_the_memory_is_refused() {
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader] {
            let long = header(kind, "x", 1 << 40);
            let endless = long.as_bytes().chain(io::repeat(b'a'));
            let mut archive = Archive::new(endless);
            let error = Members::of(&mut archive).expect("begun").next().map(|_| ()).expect_err("refused");
            assert!(error.to_string().contains("longer than any name"), "{error}");
        }
    }
}
