//! Adding to a file that someone else named, which can also be a pipe or a terminal: nothing is waited for without end.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::{Error, Result};

/// How long a pipe's reader may take for what is already in it.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Adds this to the end of a file, which is created if there is none; on a line of its own, if the last one does not end.
///
/// # Errors
/// When it cannot be written, is a disk, or is a pipe from which nothing reads.
pub(crate) fn append(path: &Path, content: &[u8]) -> Result<()> {
    let io = || Error::io("write", path);
    let no_reader = || Error::NoReader(path.to_owned());
    // Opening a FIFO would wait for a reader.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = match File::options().append(true).create(true).custom_flags(nonblocking).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => return Err(no_reader()),
        opened => opened.map_err(io())?,
    };
    let kind = file.metadata().map_err(io())?.file_type();
    if kind.is_block_device() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    let content = if kind.is_file() && ends_within_line(path) { [b"\n", content].concat() } else { content.to_vec() };
    let mut left = content.as_slice();
    while !left.is_empty() {
        match file.write(left) {
            Ok(0) => return Err(io()(ErrorKind::WriteZero.into())),
            Ok(written) => left = &left[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut pipe = [PollFd::new(&file, PollFlags::OUT)];
                if rustix::event::poll(&mut pipe, Some(&PATIENCE)).map_err(|error| io()(error.into()))? == 0 {
                    return Err(no_reader());
                }
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(no_reader()),
            Err(error) => return Err(io()(error)),
        }
    }
    Ok(())
}

/// Whether the last line of a regular file does not end; not if it cannot be read.
fn ends_within_line(path: &Path) -> bool {
    let last = || -> std::io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    last().is_ok_and(|byte| byte != b'\n')
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_file_grows_and_a_pipe_needs_a_reader() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        append(&path("file"), b"one\n").expect("created");
        append(&path("file"), b"two\n").expect("written");
        assert_eq!(std::fs::read_to_string(path("file")).expect("read"), "one\ntwo\n");
        append(&path("file"), b"three").expect("written");
        append(&path("file"), b"four").expect("written");
        assert_eq!(std::fs::read_to_string(path("file")).expect("read"), "one\ntwo\nthree\nfour");
        append(Path::new("/dev/null"), b"x").expect("written");
        assert!(append(Path::new("/dev/full"), b"x").is_err());
        assert!(append(directory.path(), b"x").is_err());

        let pipe = path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("made");
        let error = append(&pipe, b"x").expect_err("nothing reads").to_string();
        assert!(
            error.contains("pipe: is a pipe or socket from which nothing reads") && error.contains("help: "),
            "{error}"
        );
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("made");
        assert!(matches!(append(&path("socket"), b"x"), Err(Error::NoReader(_))));

        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut read = Vec::new();
                File::open(pipe).and_then(|mut pipe| pipe.read_to_end(&mut read)).expect("read");
                read.len()
            }
        });
        // More than fits into a pipe.
        let long = vec![b'x'; 1 << 20];
        while append(&pipe, &long).is_err() {
            std::thread::yield_now();
        }
        assert_eq!(reader.join().expect("ended"), 1 << 20);
    }
}
