//! One zip: its central directory as a list of members, and their contents.
//!
//! A zip may be hostile, so its headers are not trusted: the list is bounded, contents are inflated with a limit and
//! compared with the declared length and checksum, and nothing is written to disk. Section numbers are those of PKWARE's
//! APPNOTE.TXT 6.3.10. The zip crate is not used because it merges members of the same name, and its list is not bounded.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use rawzip::extra_fields::{ExtraFieldId, ExtraFields};
use rawzip::{
    CompressionMethod, CreatorSystem, FileReader, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ReaderAt, ZipArchive,
    ZipArchiveEntryWayfinder, ZipEntry, ZipFileHeaderRecord,
};

/// The maximum number of members listed: four times that of a zip without zip64 (4.4.22).
const MAX_MEMBERS: usize = 1 << 18;

/// The maximum length of all names together, in bytes.
const MAX_NAME_BYTES: usize = 1 << 25;

/// How many times the limit for one content all inflated contents of a zip may have.
const INFLATED: u64 = 4;

/// The highest version of the format that a stored or deflated member may need, times ten: Info-ZIP's unzip 6 reads no higher
/// one, and skips the member (`UNZIP_VERSION`, unzpriv.h).
pub(super) const MAX_VERSION: u8 = 46;

/// An open zip.
pub(in crate::tree) struct Archive {
    path: PathBuf,
    zip: ZipArchive<FileReader>,
    /// Its members, in the order of the central directory.
    pub(super) members: Vec<Member>,
    /// The number of members that the end record declares.
    pub(super) claimed_members: u64,
    /// Where the central directory begins, in bytes.
    pub(super) directory: u64,
    /// The same, as the end record declares it: without data before the zip.
    pub(super) claimed_directory: u64,
    /// Where the zip ends, in bytes.
    pub(super) end: u64,
    /// The length of the central directory in bytes, and the length that the end record declares.
    pub(super) directory_length: (u64, u64),
    /// Whether its end record is in the zip64 format (4.3.14).
    pub(super) zip64: bool,
    /// Whether it is declared to be one of several parts ("disks", 4.4.19 to 4.4.21).
    pub(super) in_parts: bool,
}

/// A member, as the central directory describes it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate flag in the zip")]
pub(super) struct Member {
    /// Its name, as stored.
    pub name: Vec<u8>,
    /// File type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Whether it was made on a system with such modes (4.4.2), and has one: Java's zips have none.
    pub has_mode: bool,
    pub encrypted: bool,
    /// The general purpose flags (4.4.4).
    pub flags: u16,
    /// The version of the format that is needed to extract it, times ten (4.4.3).
    pub version: u8,
    /// Whether its extra fields end before their declared lengths (4.5.1).
    pub extra_damaged: bool,
    /// Another name, which some programs take instead (4.6.9).
    pub other_name: Option<Vec<u8>>,
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
    /// The contents before it reach the limit for one zip.
    TotalTooLong,
    /// It is encrypted, compressed with an unknown method, or overlaps another: a separate finding reports it.
    Untrusted,
}

/// A member's local header.
pub(super) struct Local {
    pub name: Vec<u8>,
    pub flags: u16,
    pub extra_damaged: bool,
    /// Another name, which some programs take instead (4.6.9).
    pub other_name: Option<Vec<u8>>,
    pub method: CompressionMethod,
    pub bytes: u64,
    pub compressed: u64,
    pub crc32: u32,
    /// Where the content ends.
    pub end: u64,
}

impl Archive {
    /// Opens a zip and lists its members. Contents longer than `longest` bytes are not inflated.
    ///
    /// # Errors
    /// The problem, as text.
    pub(super) fn open(path: &Path, file: File, longest: u64) -> Result<Self, String> {
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let zip = ZipArchive::from_file(file, &mut buffer).map_err(|error| {
            let text = error.to_string();
            // The standard library's words for an end that comes too early.
            if text.contains("failed to fill whole buffer") { "it ends within its end record".to_owned() } else { text }
        })?;
        let mut members = Vec::new();
        let mut names = 0;
        let mut first_record = None;
        let mut entries = zip.entries(&mut buffer);
        while let Some(record) = entries.next_entry().map_err(|error| format!("its directory is damaged: {error}"))? {
            first_record.get_or_insert(record.central_directory_offset());
            let mut member = Member::new(&record);
            // What the record has no method for: after the signature (4) and "made by" (2), the version, the system, the flags.
            let mut fields = [0; 4];
            let at = record.central_directory_offset() + 6;
            zip.get_ref().read_exact_at(&mut fields, at).map_err(|error| error.to_string())?;
            (member.version, member.flags) = (fields[0], u16::from_le_bytes([fields[2], fields[3]]));
            names += member.name.len();
            if members.len() == MAX_MEMBERS || names > MAX_NAME_BYTES {
                return Err(format!("it lists more than {} entries; the rest are not read", members.len()));
            }
            members.push(member);
        }
        // The offset in the end record (4.3.16); where zip64 has it, all ones.
        let mut claimed = [0; 4];
        zip.get_ref().read_at(&mut claimed, zip.eocd_offset() + 16).map_err(|error| error.to_string())?;
        let (claimed_members, directory, end) = (zip.entries_hint(), zip.directory_offset(), zip.end_offset());
        let EndRecord { at, directory_length, zip64, in_parts } = EndRecord::read(&zip)?;
        let claimed_directory = match u32::from_le_bytes(claimed) {
            u32::MAX if zip64 => directory,
            claimed => claimed.into(),
        };
        let length = at.saturating_sub(first_record.unwrap_or(at));
        let mut archive = Self {
            path: path.to_owned(),
            zip,
            members,
            claimed_members,
            directory,
            claimed_directory,
            end,
            directory_length: (length, directory_length),
            zip64,
            in_parts,
        };
        archive.mark_unread(longest);
        Ok(archive)
    }

    /// Marks the members that are not inflated.
    fn mark_unread(&mut self, longest: u64) {
        let mut before = 0_u64;
        for member in &mut self.members {
            let known = [CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&member.method);
            let sum = before.saturating_add(member.bytes);
            member.unread = if member.encrypted || !known {
                Some(Unread::Untrusted)
            } else if member.bytes > longest {
                Some(Unread::TooLong)
            } else if sum > longest.saturating_mul(INFLATED) {
                Some(Unread::TotalTooLong)
            } else {
                before = sum;
                None
            };
        }
    }

    /// Whether it has no entry.
    pub(in crate::tree) fn is_empty(&self) -> bool {
        self.members.is_empty()
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
            flags: self.local_flags(member)?,
            extra_damaged: is_damaged(header.extra_fields()),
            other_name: other_name(header.extra_fields(), header.file_path().as_bytes()),
            method: header.compression_method(),
            bytes: header.uncompressed_size_hint(),
            compressed: header.compressed_size_hint(),
            crc32: header.crc32(),
            end: entry.compressed_data_range().1,
        })
    }

    /// The general purpose flags of a local header: after signature (4) and version (2).
    fn local_flags(&self, member: &Member) -> Result<u16, String> {
        let mut flags = [0; 2];
        self.zip.get_ref().read_exact_at(&mut flags, member.header + 6).map_err(|error| error.to_string())?;
        Ok(u16::from_le_bytes(flags))
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
        self.with_content(index, |content| {
            let bytes = self.members[index].bytes;
            let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
            // `with_content` bounds it as well; the end, where length and checksum are compared, is one byte behind.
            content.take(bytes.saturating_add(1)).read_to_end(&mut whole).map(|_| whole)
        })?
    }

    /// Calls a function with a reader of the content of the member at `index`, which compares length and CRC-32 at its end.
    ///
    /// # Errors
    /// When it is not inflated, or has no local header.
    pub(in crate::tree) fn with_content<T>(
        &self,
        index: usize,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> std::io::Result<T> {
        let refused = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
        let member = &self.members[index];
        if member.unread.is_some() {
            return Err(refused("it is not extracted: another finding gives the reason".to_owned()));
        }
        let entry = self.entry(member).map_err(refused)?;
        // Reading one byte more than declared detects a wrong length.
        let bound = member.bytes + 1;
        Ok(if member.method == CompressionMethod::STORE {
            read(&mut entry.verifying_reader(entry.reader()).take(bound))
        } else {
            read(&mut entry.verifying_reader(DeflateDecoder::new(entry.reader())).take(bound))
        })
    }
}

impl Member {
    fn new(record: &ZipFileHeaderRecord<'_>) -> Self {
        let made_by = record.version_made_by().creator_system();
        let has_mode =
            [CreatorSystem::UNIX, CreatorSystem::MACOS].contains(&made_by) && record.external_attributes() >> 16 != 0;
        let (bytes, compressed) = (record.uncompressed_size_hint(), record.compressed_size_hint());
        let zip64 = record.extra_fields().any(|(id, _)| id == ExtraFieldId::ZIP64);
        // A number of all ones is in the zip64 field, where it is missing then.
        let is_missing = |number: u64| number == u64::from(u32::MAX);
        let lacks_number = zip64 && [bytes, compressed, record.local_header_offset()].into_iter().any(is_missing);
        let is_directory = record.file_path().as_bytes().ends_with(b"/");
        Self {
            name: record.file_path().as_bytes().to_vec(),
            // Without one, unzip programs give the usual modes.
            mode: match (has_mode, is_directory) {
                (true, _) => record.mode().value(),
                (false, true) => 0o040_755,
                (false, false) => 0o100_644,
            },
            has_mode,
            encrypted: record.flags().is_encrypted() || record.flags().has_strong_encryption(),
            flags: 0,
            version: 0,
            extra_damaged: is_damaged(record.extra_fields()) || lacks_number,
            other_name: other_name(record.extra_fields(), record.file_path().as_bytes()),
            described_after: record.flags().has_data_descriptor(),
            zip64,
            method: record.compression_method(),
            bytes,
            compressed,
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

/// The end record, or that of zip64 where there is one.
struct EndRecord {
    /// Where it is.
    at: u64,
    /// The length of the central directory that it declares.
    directory_length: u64,
    zip64: bool,
    in_parts: bool,
}

impl EndRecord {
    /// Reads it (4.3.14 to 4.3.16).
    fn read(zip: &ZipArchive<FileReader>) -> Result<Self, String> {
        let tail = zip.eocd_offset();
        let read =
            |at: u64, bytes: &mut [u8]| zip.get_ref().read_exact_at(bytes, at).map_err(|error| error.to_string());
        let (mut disks, mut length) = ([0; 4], [0; 4]);
        read(tail + 4, &mut disks)?;
        read(tail + 12, &mut length)?;
        let in_parts = disks != [0; 4];
        let plain = Self { at: tail, directory_length: u32::from_le_bytes(length).into(), zip64: false, in_parts };
        // The locator of zip64 comes right before the end record: signature, disk, and where zip64's end record is.
        let Some(locator_at) = tail.checked_sub(20) else { return Ok(plain) };
        let mut locator = [0; 20];
        read(locator_at, &mut locator)?;
        if !locator.starts_with(b"PK\x06\x07") {
            return Ok(plain);
        }
        let named = locator[8..16].try_into().map_or(0, u64::from_le_bytes);
        // The number of the disk that it is on, and how many there are. Some write zero for one.
        let in_parts = !matches!(disks, [0, 0, 0, 0] | [255, 255, 255, 255])
            || locator[4..8] != [0; 4]
            || locator[16] > 1
            || locator[17..] != [0; 3];
        // With data before the zip, it is not where the locator says, but still right before the locator.
        let places = [Some(named), locator_at.checked_sub(56)].into_iter().flatten();
        for at in places.filter(|at| at.checked_add(48).is_some_and(|end| end <= locator_at)) {
            let mut record = [0; 48];
            read(at, &mut record)?;
            if record.starts_with(b"PK\x06\x06") {
                let length = record.last_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
                let in_parts = in_parts || record[16..24] != [0; 8];
                return Ok(Self { at, directory_length: length, zip64: true, in_parts });
            }
        }
        Ok(plain)
    }
}

/// The name in the extra field for names in UTF-8, if it is not this one. Like Info-ZIP, a field is passed over that is of another
/// version, or for another name (4.6.9).
fn other_name(mut fields: ExtraFields<'_>, name: &[u8]) -> Option<Vec<u8>> {
    let (_, field) = fields.find(|(id, _)| *id == ExtraFieldId::INFO_ZIP_UNICODE_PATH)?;
    let (version, rest) = field.split_first()?;
    let (crc32, other) = rest.split_first_chunk::<4>()?;
    let is_for_it = *version == 1 && u32::from_le_bytes(*crc32) == crc32fast::hash(name);
    (is_for_it && other != name).then(|| other.to_vec())
}

/// Whether extra fields end before their declared lengths. Up to three bytes that are too few for a field are padding.
fn is_damaged(mut fields: ExtraFields<'_>) -> bool {
    fields.by_ref().for_each(drop);
    fields.remaining_bytes().len() >= 4
}
