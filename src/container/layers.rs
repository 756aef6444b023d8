//! Reading the layers of an image: each is a tar archive, compressed or not. The content of a compressed one is written to a
//! temporary file without a name, of which nothing is left however the process ends; that of another one stays where it is.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::root::{Change, Layer, Node, NodeKind};
use crate::base::bytes::{hex, size};
use crate::base::error::{Error, Result};
use crate::base::part::Part;
use crate::base::path::{TreePath, printable};
use crate::base::progress::Progress;
use crate::formats::compressed::Compression;
use crate::formats::oci::Digest;
use crate::formats::tar::{Member, MemberKind, Members};

/// The most bytes that all layers of an image may have without compression: the largest image that Lambda itself takes has
/// 10 GB (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_UNPACKED: u64 = 10 << 30;

/// The most members that all layers of an image may have: several times those of a distribution with everything for R.
const MAX_MEMBERS: u64 = 1 << 19;

/// The most bytes that all their names and the targets of links may have.
const MAX_NAMES: u64 = 64 << 20;

/// How many bytes are read or written at once.
const CHUNK: usize = 256 << 10;

/// What a layer has before its name to remove it from the layers below (OCI image-spec, layer.md).
const WHITEOUT: &[u8] = b".wh.";

/// What an archive that is read is, for messages, and what is left of the bounds.
pub(super) struct Reading<'a> {
    /// The archive or directory that the user named.
    pub(super) path: &'a Path,
    pub(super) progress: &'a dyn Progress,
    unpacked: AtomicU64,
    members: AtomicU64,
    names: AtomicU64,
}

/// A layer before it is read.
pub(super) struct Packed {
    /// Its bytes.
    pub(super) content: Part,
    /// Its name, for messages.
    pub(super) name: String,
    /// The digest that its bytes must have, as they are.
    pub(super) digest: Option<Digest>,
    /// The digest that they must have without compression.
    pub(super) unpacked: Option<Digest>,
    /// Whether it can remove what lower layers have.
    pub(super) is_layer: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(path: &'a Path, progress: &'a dyn Progress) -> Self {
        let none = AtomicU64::default;
        Self { path, progress, unpacked: none(), members: none(), names: none() }
    }

    /// An error about the image.
    pub(super) fn error(&self, message: String, help: &str) -> Error {
        Error::Data { file: self.path.display().to_string(), message, help: help.to_owned() }
    }

    /// The error for a layer that cannot be read: the system's, or damage.
    pub(super) fn not_read(&self, name: &str, error: io::Error) -> Error {
        match error.raw_os_error() {
            Some(_) => Error::io("read", self.path)(error),
            None => self.error(format!("{name} is damaged: {error}"), "save the image again"),
        }
    }

    /// Takes from one of the bounds.
    fn take(&self, from: &AtomicU64, amount: u64, most: u64, what: &str) -> Result<()> {
        if from.fetch_add(amount, Ordering::Relaxed).saturating_add(amount) > most {
            return Err(self.error(format!("has more than {what}"), "name another image, or a directory with its /opt"));
        }
        Ok(())
    }

    fn take_unpacked(&self, bytes: u64) -> Result<()> {
        self.take(&self.unpacked, bytes, MAX_UNPACKED, &format!("{} without compression", size(MAX_UNPACKED)))
    }

    /// Writes the content of a compressed archive to a temporary file.
    ///
    /// # Errors
    /// When it is damaged, has too many bytes, or cannot be written.
    pub(super) fn unpack(&self, archive: &Part, compression: Compression) -> Result<Part> {
        let shown = || "the archive";
        let input = BufReader::with_capacity(CHUNK, archive.reader());
        let mut from = compression.decompress(input).map_err(|error| self.not_read(shown(), error))?;
        let mut spool = Spool::new()?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer).map_err(|error| self.not_read(shown(), error))?;
            if read == 0 {
                return spool.finish();
            }
            self.take_unpacked(read as u64)?;
            spool.write(&buffer[..read])?;
        }
    }

    /// Reads a layer, and compares it with its digests.
    ///
    /// # Errors
    /// When it is damaged, has another digest, exceeds a bound, or has an entry that leads out of the image.
    pub(super) fn read(&self, packed: &Packed) -> Result<Layer> {
        let head = packed.content.head(6).map_err(|error| self.not_read(&packed.name, error))?;
        let stored =
            Hashing::new(Advancing { from: packed.content.reader(), progress: self.progress }, packed.digest.is_some());
        match Compression::of(&head) {
            None => {
                let mut content = Hashing::new(BufReader::with_capacity(CHUNK, stored), packed.unpacked.is_some());
                let layer = self.members(packed, &mut content, &mut Contents::Stored(&packed.content))?;
                self.compare(packed, packed.unpacked.as_ref(), content.hash)?;
                self.compare(packed, packed.digest.as_ref(), content.from.into_inner().hash)?;
                Ok(layer)
            }
            Some(compression) => {
                let mut stored = BufReader::with_capacity(CHUNK, stored);
                let spool = Spool::new()?;
                let file = Arc::clone(&spool.file);
                let mut contents = Contents::Unpacked { spool, file };
                let (layer, hash) = {
                    let content = compression.decompress(&mut stored);
                    let content = content.map_err(|error| self.not_read(&packed.name, error))?;
                    let mut content = Hashing::new(content, packed.unpacked.is_some());
                    (self.members(packed, &mut content, &mut contents)?, content.hash)
                };
                self.compare(packed, packed.unpacked.as_ref(), hash)?;
                // The decompressor may have stopped before the end.
                io::copy(&mut stored, &mut io::sink()).map_err(|error| self.not_read(&packed.name, error))?;
                self.compare(packed, packed.digest.as_ref(), stored.into_inner().hash)?;
                if let Contents::Unpacked { spool, .. } = contents {
                    spool.finish()?;
                }
                Ok(layer)
            }
        }
    }

    fn compare(&self, packed: &Packed, wanted: Option<&Digest>, hash: Option<Sha256>) -> Result<()> {
        let (Some(wanted), Some(hash)) = (wanted, hash) else { return Ok(()) };
        let found = hex(&hash.finalize());
        if found == wanted.hex() {
            return Ok(());
        }
        Err(self.error(
            format!("{} is damaged: its digest is sha256:{found}, and must be {wanted}", packed.name),
            "save the image again",
        ))
    }

    /// The members of an archive as changes, with their contents put away.
    fn members(&self, packed: &Packed, from: &mut impl Read, contents: &mut Contents<'_>) -> Result<Layer> {
        let not_read = |error: io::Error| self.not_read(&packed.name, error);
        let mut layer = Layer::default();
        let mut archive = tar::Archive::new(&mut *from);
        let mut members = Members::of(&mut archive).map_err(not_read)?;
        let mut end = 0;
        while let Some((member, mut content)) = members.next().map_err(not_read)? {
            self.take(&self.members, 1, MAX_MEMBERS, &format!("{MAX_MEMBERS} files"))?;
            let target = match &member.kind {
                MemberKind::Link(target) | MemberKind::HardLink(target) => target.len(),
                _ => 0,
            };
            let names = (member.name.len() + target) as u64;
            self.take(&self.names, names, MAX_NAMES, &format!("{} of file names", size(MAX_NAMES)))?;
            // Headers count too, so that an archive of nothing else ends.
            let next = member.position.saturating_add(member.bytes);
            self.take_unpacked(next.saturating_sub(end))?;
            end = next;
            let path = self.path_of(packed, &member.name)?;
            if packed.is_layer && path.name().starts_with(WHITEOUT) {
                self.whiteout(packed, &path, &mut layer)?;
                continue;
            }
            let change = match member.kind.clone() {
                MemberKind::HardLink(target) => Change::HardLink(self.path_of(packed, &target)?),
                kind => Change::Put(self.node(packed, &member, kind, &mut content, contents)?),
            };
            layer.added.push((path, change));
        }
        // What follows the end of an archive belongs to its digest.
        let mut rest = from.take(MAX_UNPACKED);
        let rest = io::copy(&mut rest, &mut io::sink()).map_err(not_read)?;
        self.take_unpacked(rest)?;
        Ok(layer)
    }

    fn node(
        &self,
        packed: &Packed,
        member: &Member,
        kind: MemberKind,
        content: &mut impl Read,
        contents: &mut Contents<'_>,
    ) -> Result<Node> {
        let kind = match kind {
            MemberKind::File => {
                let content = contents.keep(member, content, |error| self.not_read(&packed.name, error))?;
                if content.bytes() != member.bytes {
                    return Err(self.not_read(&packed.name, io::Error::other("it is cut off")));
                }
                NodeKind::File { content, hard: None }
            }
            MemberKind::Link(target) => NodeKind::Link(target),
            MemberKind::Special(what) => NodeKind::Special(what),
            MemberKind::Directory | MemberKind::HardLink(_) => NodeKind::Directory,
        };
        Ok(Node { kind, mode: member.mode })
    }

    /// The path of a member in the root.
    fn path_of(&self, packed: &Packed, name: &[u8]) -> Result<TreePath> {
        TreePath::new(name).ok_or_else(|| {
            self.error(
                format!("{} has {}, which leads out of the image", packed.name, printable(name)),
                "do not extract it; build the image again from sources that you trust",
            )
        })
    }

    /// Records what a whiteout removes.
    fn whiteout(&self, packed: &Packed, path: &TreePath, layer: &mut Layer) -> Result<()> {
        let directory = path.parent().unwrap_or_default();
        match path.name().strip_prefix(WHITEOUT).unwrap_or_default() {
            b".wh..opq" => layer.opaque.push(directory),
            // What AUFS keeps for itself.
            name if name.starts_with(WHITEOUT) => {}
            name @ (b"" | b"." | b"..") => {
                return Err(self.error(
                    format!("{} has {path}, which removes {:?}", packed.name, String::from_utf8_lossy(name)),
                    "do not extract it; build the image again from sources that you trust",
                ));
            }
            name => layer.removed.extend(directory.join(name)),
        }
        Ok(())
    }
}

/// Where the contents of an archive's files are kept.
enum Contents<'a> {
    /// In the archive itself.
    Stored(&'a Part),
    /// In a temporary file.
    Unpacked { spool: Spool, file: Arc<File> },
}

impl Contents<'_> {
    fn keep(
        &mut self,
        member: &Member,
        content: &mut impl Read,
        not_read: impl Fn(io::Error) -> Error,
    ) -> Result<Part> {
        match self {
            Contents::Stored(archive) => Ok(archive.within(member.position, member.bytes)),
            Contents::Unpacked { spool, file } => {
                let start = spool.end;
                let mut buffer = vec![0; CHUNK.min(usize::try_from(member.bytes).unwrap_or(CHUNK))];
                loop {
                    let read = content.read(&mut buffer).map_err(&not_read)?;
                    if read == 0 {
                        return Ok(Part::new(Arc::clone(file), start, spool.end - start));
                    }
                    spool.write(&buffer[..read])?;
                }
            }
        }
    }
}

/// A temporary file without a name that is written from its beginning to its end.
struct Spool {
    file: Arc<File>,
    writer: BufWriter<File>,
    end: u64,
}

impl Spool {
    fn new() -> Result<Self> {
        let failed = || Error::io("make a temporary file in", std::env::temp_dir());
        let file = tempfile::tempfile().map_err(failed())?;
        let writer = BufWriter::with_capacity(CHUNK, file.try_clone().map_err(failed())?);
        Ok(Self { file: Arc::new(file), writer, end: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.end += bytes.len() as u64;
        self.writer.write_all(bytes).map_err(Self::not_written)
    }

    /// Writes what is still in memory; all of it is a part then.
    fn finish(mut self) -> Result<Part> {
        self.writer.flush().map_err(Self::not_written)?;
        Ok(Part::new(self.file, 0, self.end))
    }

    fn not_written(error: io::Error) -> Error {
        Error::io("write to a temporary file in", std::env::temp_dir())(error)
    }
}

/// Reports what is read.
struct Advancing<'a, R> {
    from: R,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Advancing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.advance(read as u64);
        Ok(read)
    }
}

/// Hashes what is read, if that is wanted.
struct Hashing<R> {
    from: R,
    hash: Option<Sha256>,
}

impl<R> Hashing<R> {
    fn new(from: R, wanted: bool) -> Self {
        Self { from, hash: wanted.then(Sha256::new) }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..read]);
        }
        Ok(read)
    }
}
