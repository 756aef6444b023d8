//! Zips made by hand, byte for byte, with every field free to lie (PKWARE APPNOTE.TXT).

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// What a local or central header says.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc32: u32,
    pub(crate) compressed: u32,
    pub(crate) bytes: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) extra: Vec<u8>,
}

/// An entry: what stands before its content, what stands in the directory, and the content as it is in the zip.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) local: Header,
    pub(crate) central: Header,
    pub(crate) data: Vec<u8>,
    /// "Made by", in the directory.
    pub(crate) made_by: u16,
    /// `st_mode`, in the directory.
    pub(crate) mode: u32,
    /// Where the directory says the local header is; where it is, when not said.
    pub(crate) offset: Option<u32>,
    /// The version needed, in the directory.
    pub(crate) version: u16,
    /// Whether it is written at all, or only listed.
    pub(crate) written: bool,
}

impl Part {
    /// An honest file that is stored.
    pub(crate) fn stored(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(name.as_ref(), 0, content.as_ref(), content.as_ref().to_vec())
    }

    /// An honest file that is deflated.
    pub(crate) fn deflated(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content.as_ref()).expect("in memory");
        Self::new(name.as_ref(), 8, content.as_ref(), encoder.finish().expect("in memory"))
    }

    /// An honest link.
    pub(crate) fn link(name: &str, target: impl AsRef<[u8]>) -> Self {
        Self::stored(name, target).mode(0o120_777)
    }

    fn new(name: &[u8], method: u16, content: &[u8], data: Vec<u8>) -> Self {
        let number = |length: usize| u32::try_from(length).expect("under 4 GB");
        let header = Header {
            flags: 0,
            method,
            crc32: crc32fast::hash(content),
            compressed: number(data.len()),
            bytes: number(content.len()),
            name: name.to_vec(),
            extra: Vec::new(),
        };
        let mode = if name.ends_with(b"/") { 0o040_755 } else { 0o100_644 };
        Self {
            local: header.clone(),
            central: header,
            data,
            made_by: 0x0314,
            mode,
            offset: None,
            version: 20,
            written: true,
        }
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Changes both headers.
    pub(crate) fn says(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }

    /// Changes the directory's.
    pub(crate) fn listed(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.central);
        self
    }

    /// Changes anything.
    pub(crate) fn but(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// What the end of the directory says, and what stands around it.
#[derive(Clone, Default)]
pub(crate) struct End {
    /// How many more entries it claims than there are.
    pub(crate) more_entries: i32,
    /// How much further on it says that the directory begins.
    pub(crate) shift: i64,
    /// How many more bytes it says that the directory has.
    pub(crate) length: i64,
    pub(crate) comment: Vec<u8>,
    /// The length of the comment, when it is not that.
    pub(crate) comment_length: Option<u16>,
    /// Before the end: where zip64 has its own.
    pub(crate) before: Vec<u8>,
    /// The numbers of this disk and of the one where the directory begins, of an archive in several parts.
    pub(crate) disks: [u8; 4],
}

/// The zip of these parts.
pub(crate) fn zip(parts: &[Part]) -> Vec<u8> {
    zip_with(parts, &End::default())
}

pub(crate) fn zip_with(parts: &[Part], end: &End) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for part in parts {
        let at = u32::try_from(out.len()).expect("under 4 GB");
        if part.written {
            out.extend(0x0403_4b50_u32.to_le_bytes());
            out.extend(20_u16.to_le_bytes());
            out.extend(fields(&part.local));
            out.extend(&part.local.name);
            out.extend(&part.local.extra);
            out.extend(&part.data);
        }
        directory.extend(0x0201_4b50_u32.to_le_bytes());
        directory.extend(part.made_by.to_le_bytes());
        directory.extend(part.version.to_le_bytes());
        directory.extend(fields(&part.central));
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.extend((part.mode << 16).to_le_bytes());
        directory.extend(part.offset.unwrap_or(at).to_le_bytes());
        directory.extend(&part.central.name);
        directory.extend(&part.central.extra);
    }
    let start = i64::try_from(out.len()).expect("short");
    let length = i64::try_from(directory.len()).expect("short") + end.length;
    let length = u32::try_from(length).expect("under 4 GB");
    out.extend(directory);
    out.extend(&end.before);
    out.extend(0x0605_4b50_u32.to_le_bytes());
    out.extend(end.disks);
    let entries = i32::try_from(parts.len()).expect("few") + end.more_entries;
    // Of more entries than the field holds, it holds the rest: that is how zips of zippers without zip64 look.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the field has 16 bits")]
    let entries = (entries as u16).to_le_bytes();
    out.extend(entries);
    out.extend(entries);
    out.extend(length.to_le_bytes());
    out.extend(u32::try_from(start + end.shift).expect("in range").to_le_bytes());
    let comment_length = u16::try_from(end.comment.len()).expect("short");
    out.extend(end.comment_length.unwrap_or(comment_length).to_le_bytes());
    out.extend(&end.comment);
    out
}

/// From the flags to the length of the extra field, the same in both headers.
fn fields(header: &Header) -> Vec<u8> {
    let mut out = Vec::new();
    for field in [header.flags, header.method, 0, 0x21] {
        out.extend(field.to_le_bytes());
    }
    for field in [header.crc32, header.compressed, header.bytes] {
        out.extend(field.to_le_bytes());
    }
    for length in [header.name.len(), header.extra.len()] {
        out.extend(u16::try_from(length).expect("short").to_le_bytes());
    }
    out
}
