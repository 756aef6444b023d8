//! Reading whole files, with a bound: a device that never ends, or a file that is larger than anything of its kind, is an
//! error at once and never fills the memory. Nothing else in layerfit reads a file that is not of the tree as a whole;
//! `tests/it/architecture.rs` holds that.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::{Error, Result};

/// A bound in bytes, for files that people write: settings, rules, locks, profiles, sources.
pub const MAX_TEXT: u64 = 16 << 20;

/// A bound in bytes, for a manifest, which lists each file of every layer, and for a baseline, which can be one.
pub const MAX_MANIFEST: u64 = 64 << 20;

/// A bound in bytes, for the log of strace, which has a line for each file that a run opened or looked for.
pub const MAX_TRACE: u64 = 256 << 20;

/// How long a pipe that has a name (a FIFO) is waited for: it may never have a writer.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A regular file, open, for what is read in parts: a zip.
///
/// # Errors
/// When it cannot be opened, or is a device or a pipe.
pub fn regular(path: &Path) -> Result<File> {
    let file = opened(path).map_err(Error::io("read", path))?;
    if !file.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    Ok(file)
}

/// The content of a file of at most `most` bytes. A pipe can be read like a file (`--lock <(…)`, `/dev/stdin`), and so can
/// `/dev/null`.
///
/// # Errors
/// When it cannot be read, is another device, or has more bytes.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let io = || Error::io("read", path);
    let file = opened(path).map_err(io())?;
    let metadata = file.metadata().map_err(io())?;
    if is_endless(&metadata) {
        return Err(Error::NotAFile(path.to_owned()));
    }
    if metadata.is_file() && metadata.len() > most {
        return Err(Error::TooLarge { path: path.to_owned(), most });
    }
    if metadata.file_type().is_fifo() && !has_writer(&file).map_err(io())? {
        return Err(Error::NoWriter(path.to_owned()));
    }
    // From here on, what is not there yet is waited for.
    rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(|error| io()(error.into()))?;
    rest(file, path, most)
}

/// Opens what was a regular file when it was looked at. If it no longer is, no link is followed and no FIFO is waited for.
///
/// # Errors
/// When it cannot be opened; [`ErrorKind::InvalidInput`] when it is not a regular file any more.
pub(crate) fn still_regular(path: &Path) -> std::io::Result<File> {
    let no_longer = || std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file any more");
    let file = opened_with(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)
        .map_err(|error| if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) { no_longer() } else { error })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_longer()) }
}

/// Opens a file for reading. Opening a FIFO would wait for a writer, so nothing is waited for.
fn opened(path: &Path) -> std::io::Result<File> {
    opened_with(path, OFlags::NONBLOCK)
}

fn opened_with(path: &Path, flags: OFlags) -> std::io::Result<File> {
    // The bits of a flag fit its type in C, whose sign Rust's standard library keeps.
    File::options().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(path)
}

/// Waits until a pipe has something to read, or had a writer. One without a name (`<(…)`, `/dev/stdin`) has a writer from the
/// beginning, which can take its time.
fn has_writer(pipe: &File) -> std::io::Result<bool> {
    // PIPEFS_MAGIC, linux/magic.h.
    if rustix::fs::fstatfs(pipe)?.f_type == 0x5049_5045 {
        return Ok(true);
    }
    Ok(rustix::event::poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&PATIENCE))? > 0)
}

/// What is left to read, of at most `most` bytes, from what `path` names in messages.
///
/// # Errors
/// When it cannot be read, or has more bytes.
pub fn rest(from: impl Read, path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    // A file can grow while it is read, and the length of a pipe is not known.
    from.take(most + 1).read_to_end(&mut content).map_err(Error::io("read", path))?;
    if content.len() as u64 > most {
        return Err(Error::TooLarge { path: path.to_owned(), most });
    }
    Ok(content)
}

/// The content of a text file of at most `most` bytes.
///
/// # Errors
/// As for [`bytes`], and when it is not UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(bytes(path, most)?).map_err(|error| Error::Data {
        file: path.display().to_string(),
        message: format!("is not text: byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1),
        help: "save it as UTF-8, or name another file".to_owned(),
    })
}

/// The content of a text file, if there is one.
///
/// # Errors
/// As for [`text`]; a file that does not exist is not an error.
pub fn text_if_there(path: &Path, most: u64) -> Result<Option<String>> {
    match text(path, most) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The first bytes of a regular file, at most `most`.
///
/// # Errors
/// When it cannot be read, or is not a regular file.
pub fn up_to(path: impl AsRef<Path>, most: u64) -> std::io::Result<Vec<u8>> {
    let file = opened(path.as_ref())?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // With a byte more than it has, the end is found without more memory.
    let mut content =
        Vec::with_capacity(usize::try_from(metadata.len().min(most).saturating_add(1)).unwrap_or_default());
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// The content of a text file of the kernel in `/proc` or `/sys`, which makes it when it is read.
///
/// # Errors
/// When it cannot be read.
pub fn kernel(path: impl AsRef<Path>) -> std::io::Result<String> {
    String::from_utf8(up_to(path, MAX_TEXT)?).map_err(|_| ErrorKind::InvalidData.into())
}

/// Whether it is a device other than a terminal and `/dev/null`.
fn is_endless(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    // Documentation/admin-guide/devices.txt in the kernel's source: 1:3 is /dev/null, 4 are virtual consoles, 5 is the terminal
    // of the process, 136 to 143 are pseudoterminals.
    let major = rustix::fs::major(metadata.rdev());
    let minor = rustix::fs::minor(metadata.rdev());
    let harmless = (major, minor) == (1, 3) || matches!(major, 4 | 5 | 136..=143);
    kind.is_block_device() || (kind.is_char_device() && !harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_bound_is_read_and_one_byte_more_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x");
        std::fs::write(&path, [b'a'; 10]).expect("written");
        assert_eq!(bytes(&path, 10).expect("read").len(), 10);
        let error = text(&path, 9).expect_err("too large").to_string();
        assert!(error.contains("x: ") && error.contains("9 B") && error.contains("help: "), "{error}");
    }

    #[test]
    fn a_device_without_end_is_refused_and_the_empty_one_is_read() {
        for device in ["/dev/zero", "/dev/full", "/dev/urandom"] {
            let error = bytes(Path::new(device), 10).expect_err("refused").to_string();
            assert!(error.contains(device) && error.contains("help: "), "{error}");
        }
        assert_eq!(text(Path::new("/dev/null"), 10).expect("read"), "");
    }

    #[test]
    fn what_has_become_a_link_or_a_pipe_is_not_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "x").expect("written");
        std::os::unix::fs::symlink("file", path("link")).expect("linked");
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).expect("made");
        assert!(still_regular(&path("file")).is_ok());
        for name in ["link", "pipe"] {
            assert_eq!(still_regular(&path(name)).expect_err("refused").kind(), ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(still_regular(&path("none")).expect_err("refused").kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_is_not_there_is_told_from_what_cannot_be_read() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(text_if_there(&directory.path().join("none"), 10).expect("none"), None);
        assert!(text_if_there(directory.path(), 10).is_err());
    }
}
