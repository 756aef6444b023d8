//! One zip: its central directory as a list of members, and their contents.
//!
//! A zip may be hostile, so its headers are not trusted: the list is bounded, contents are inflated with a limit and
//! compared with the declared length and checksum, and nothing is written to disk. Section numbers are those of PKWARE's
//! APPNOTE.TXT 6.3.10. The zip crate is not used because it merges members of the same name, and its list is not bounded.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use rawzip::extra_fields::ExtraFieldId;
use rawzip::{
    CompressionMethod, CreatorSystem, FileReader, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ReaderAt, ZipArchive,
    ZipArchiveEntryWayfinder, ZipEntry, ZipFileHeaderRecord,
};

/// The maximum number of members listed: four times that of a zip without zip64 (4.4.22).
const MOST_MEMBERS: usize = 1 << 18;

/// The maximum length of all names together, in bytes.
const MOST_NAME_BYTES: usize = 1 << 25;

/// The maximum length of a content that is inflated, in bytes: Lambda's limit (`total_unzipped` in `rules/limits.toml`).
const MOST_CONTENT_BYTES: u64 = 262_144_000;

/// The maximum length of all inflated contents of one zip, in bytes: four times Lambda's limit.
const MOST_INFLATED_BYTES: u64 = 4 * MOST_CONTENT_BYTES;

/// A content of at least this length that the zip compresses to less than a hundredth is not inflated.
const BOMB_BYTES: u64 = 1 << 24;
const BOMB_RATIO: u64 = 100;

/// An open zip.
pub(in crate::tree) struct Archive {
    path: PathBuf,
    zip: ZipArchive<FileReader>,
    /// Its members, in the order of the central directory.
    pub(super) members: Vec<Member>,
    /// The number of members that the end record declares.
    pub(super) claimed_members: u64,
    /// Where its directory begins, in bytes, and where the zip says it does, before what stands in front of the zip.
    pub(super) directory: u64,
    pub(super) claimed_directory: u64,
    /// Where it ends.
    pub(super) end: u64,
}

/// A member, as the central directory describes it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate flag in the zip")]
pub(super) struct Member {
    /// Its name, as stored.
    pub name: Vec<u8>,
    /// File type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Whether it was made on a system with such modes (4.4.2).
    pub has_mode: bool,
    pub encrypted: bool,
    /// Bit 3: lengths and CRC-32 follow the content (4.4.4).
    pub described_after: bool,
    /// Whether it has a zip64 field (4.5.3).
    pub zip64: bool,
    pub method: CompressionMethod,
    /// Its length in bytes, and in the zip.
    pub bytes: u64,
    pub compressed: u64,
    pub crc32: u32,
    /// Where its local header begins.
    pub header: u64,
    way: ZipArchiveEntryWayfinder,
    /// Why its content is not inflated, when it is not.
    pub unread: Option<Unread>,
}

/// The reason why a content is not inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is longer than Lambda accepts.
    TooLong,
    /// It is more than a hundred times as long as its compressed content.
    Bomb,
    /// The contents before it reach the limit for one zip.
    TotalTooLong,
    /// It is encrypted, compressed with an unknown method, or overlaps another: a separate finding reports it.
    Untrusted,
}

/// A member's local header.
pub(super) struct Local {
    pub name: Vec<u8>,
    pub method: CompressionMethod,
    pub bytes: u64,
    pub compressed: u64,
    pub crc32: u32,
    /// Where the content ends.
    pub end: u64,
}

impl Archive {
    /// Opens a zip and lists its members.
    ///
    /// # Errors
    /// The problem, as text.
    pub(super) fn open(path: &Path, file: File) -> Result<Self, String> {
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let zip = ZipArchive::from_file(file, &mut buffer).map_err(|error| error.to_string())?;
        let mut members = Vec::new();
        let mut names = 0;
        let mut entries = zip.entries(&mut buffer);
        while let Some(record) = entries.next_entry().map_err(|error| format!("its directory is damaged: {error}"))? {
            let member = Member::new(&record);
            names += member.name.len();
            if members.len() == MOST_MEMBERS || names > MOST_NAME_BYTES {
                return Err(format!("it lists more than {} entries; the rest are not read", members.len()));
            }
            members.push(member);
        }
        // The offset in the end record (4.3.16); where zip64 has it, all ones.
        let mut claimed = [0; 4];
        zip.get_ref().read_at(&mut claimed, zip.eocd_offset() + 16).map_err(|error| error.to_string())?;
        let (claimed_members, directory, end) = (zip.entries_hint(), zip.directory_offset(), zip.end_offset());
        let claimed_directory = match u32::from_le_bytes(claimed) {
            u32::MAX => directory,
            claimed => claimed.into(),
        };
        let mut archive =
            Self { path: path.to_owned(), zip, members, claimed_members, directory, claimed_directory, end };
        archive.mark_unread();
        Ok(archive)
    }

    /// Marks the members that are not inflated.
    fn mark_unread(&mut self) {
        let mut before = 0_u64;
        for member in &mut self.members {
            let known = [CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&member.method);
            let sum = before.saturating_add(member.bytes);
            member.unread = if member.encrypted || !known {
                Some(Unread::Untrusted)
            } else if member.bytes > MOST_CONTENT_BYTES {
                Some(Unread::TooLong)
            } else if member.bytes >= BOMB_BYTES && member.bytes / BOMB_RATIO > member.compressed {
                Some(Unread::Bomb)
            } else if sum > MOST_INFLATED_BYTES {
                Some(Unread::TotalTooLong)
            } else {
                before = sum;
                None
            };
        }
    }

    /// The zip's path.
    pub(in crate::tree) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the first local header begins.
    pub(super) fn first_header(&self) -> Option<u64> {
        self.members.iter().map(|member| member.header).filter(|header| *header < self.directory).min()
    }

    fn entry(&self, member: &Member) -> Result<ZipEntry<'_, FileReader>, String> {
        self.zip.get_entry(member.way).map_err(|error| format!("its local header cannot be read: {error}"))
    }

    /// A member's local header.
    ///
    /// # Errors
    /// The problem, as text.
    pub(super) fn local(&self, member: &Member, buffer: &mut [u8]) -> Result<Local, String> {
        let entry = self.entry(member)?;
        let header = entry.local_header(buffer).map_err(|error| format!("its local header cannot be read: {error}"))?;
        Ok(Local {
            name: header.file_path().as_bytes().to_vec(),
            method: header.compression_method(),
            bytes: header.uncompressed_size_hint(),
            compressed: header.compressed_size_hint(),
            crc32: header.crc32(),
            end: entry.compressed_data_range().1,
        })
    }

    /// Reads a content to its end and compares length and CRC-32. Returns its first `head` bytes.
    ///
    /// # Errors
    /// The problem, as text.
    pub(super) fn verify(&self, member: &Member, head: u64) -> Result<Vec<u8>, String> {
        let mut first = Vec::new();
        let in_words = |error: std::io::Error| error.to_string();
        let mut read = |reader: &mut dyn Read| {
            reader.take(head).read_to_end(&mut first).map_err(in_words)?;
            std::io::copy(reader, &mut std::io::sink()).map_err(in_words)
        };
        let entry = self.entry(member)?;
        if member.method == CompressionMethod::STORE {
            read(&mut entry.verifying_reader(entry.reader()))?;
        } else {
            let mut reader = entry.verifying_reader(DeflateDecoder::new(entry.reader()));
            read(&mut reader)?;
            let used = reader.into_inner().total_in();
            if used != member.compressed {
                return Err(format!("its content ends after {used} of {} compressed bytes", member.compressed));
            }
        }
        Ok(first)
    }

    /// The whole content of the member at `index`.
    ///
    /// # Errors
    /// When it cannot be read, or is not inflated.
    pub(in crate::tree) fn read(&self, index: usize) -> std::io::Result<Vec<u8>> {
        let refused = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
        let member = &self.members[index];
        if member.unread.is_some() {
            return Err(refused("it is not extracted: another finding gives the reason".to_owned()));
        }
        let entry = self.entry(member).map_err(refused)?;
        let mut content = Vec::with_capacity(usize::try_from(member.bytes).unwrap_or(0));
        // Reading one byte more than declared detects a wrong length.
        let bound = member.bytes + 1;
        if member.method == CompressionMethod::STORE {
            entry.verifying_reader(entry.reader()).take(bound).read_to_end(&mut content)?;
        } else {
            let inflated = DeflateDecoder::new(entry.reader());
            entry.verifying_reader(inflated).take(bound).read_to_end(&mut content)?;
        }
        Ok(content)
    }
}

impl Member {
    fn new(record: &ZipFileHeaderRecord<'_>) -> Self {
        let made_by = record.version_made_by().creator_system();
        Self {
            name: record.file_path().as_bytes().to_vec(),
            mode: record.mode().value(),
            has_mode: [CreatorSystem::UNIX, CreatorSystem::MACOS].contains(&made_by),
            encrypted: record.flags().is_encrypted(),
            described_after: record.flags().has_data_descriptor(),
            zip64: record.extra_fields().any(|(id, _)| id == ExtraFieldId::ZIP64),
            method: record.compression_method(),
            bytes: record.uncompressed_size_hint(),
            compressed: record.compressed_size_hint(),
            crc32: record.crc32(),
            header: record.local_header_offset(),
            way: record.wayfinder(),
            unread: None,
        }
    }

    /// Whether it is a directory: by its name, as in every unzip program (attributes depend on the system, 4.4.15).
    pub(super) fn is_directory(&self) -> bool {
        self.name.ends_with(b"/")
    }

    /// Whether it is a symbolic link.
    pub(super) fn is_link(&self) -> bool {
        self.has_mode && self.mode & 0o170_000 == 0o120_000
    }

    /// Whether it is a FIFO, a socket or a device.
    pub(super) fn is_special(&self) -> bool {
        self.has_mode && matches!(self.mode & 0o170_000, 0o010_000 | 0o020_000 | 0o060_000 | 0o140_000)
    }
}
