//! Compressed streams: gzip, Zstandard and xz, recognized by their first bytes. Names and media types are not trusted.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window of a Zstandard frame in bytes, which is in memory: that of all levels but those of `--ultra`.
const MAX_WINDOW: u64 = 32 << 20;

/// The most memory that decompressing xz may take, in bytes: that of all its levels (xz(1)).
const MAX_XZ_MEMORY: u64 = 66 << 20;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952), of one or several members.
    Gzip,
    /// Zstandard (RFC 8878), of one or several frames.
    Zstandard,
    /// xz.
    Xz,
}

impl Compression {
    /// How a stream with these first bytes (at least six, if it has as many) is compressed; `None` if it is not.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // The second is the number of a frame to skip, with which some writers begin (RFC 8878, 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstandard),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            _ => None,
        }
    }

    /// The content of a stream that is compressed like this.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn decompress<'a>(self, from: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::Gzip => Box::new(MultiGzDecoder::new(from)),
            Compression::Zstandard => {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(MAX_WINDOW);
                Box::new(Frames { from, decoder, inside: false })
            }
            Compression::Xz => Box::new(XzDecoder::new_stream(from, Stream::new_stream_decoder(MAX_XZ_MEMORY, 0)?)),
        })
    }
}

/// The contents of all frames of a Zstandard stream.
struct Frames<R> {
    from: R,
    decoder: FrameDecoder,
    /// Whether the decoder is inside a frame.
    inside: bool,
}

impl<R: BufRead> Frames<R> {
    /// Begins the next frame; returns whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.from.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.from) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.from).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                self.inside = self.begin()?;
                if !self.inside {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.from, one).map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let stored = self.decoder.get_checksum_from_data();
            if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
                return Err(io::Error::other("the checksum of a frame does not match"));
            }
            self.inside = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let compression = Compression::of(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        compression.decompress(bytes)?.take(1 << 20).read_to_end(&mut content)?;
        Ok(content)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(content).expect("written");
        writer.finish().expect("finished")
    }

    fn frame(content: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn streams_of_several_members_or_frames_are_read_to_the_end() {
        assert_eq!(read(&[gzip(b"one "), gzip(b"two")].concat()).expect("read"), b"one two");
        // A frame to skip is where some writers keep a table of contents.
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let frames = [&skipped[..], &frame(b"one "), &skipped, &frame(b"two"), &skipped].concat();
        assert_eq!(read(&frames).expect("read"), b"one two");
        assert!(read(&frames[..frames.len() - 1]).is_err(), "a frame is cut off");
        let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        writer.write_all(b"three").expect("written");
        assert_eq!(read(&writer.finish().expect("finished")).expect("read"), b"three");
        assert_eq!(Compression::of(b"PK\x03\x04"), None);
        assert_eq!(Compression::of(b""), None);
    }

    #[test]
    fn a_window_that_would_fill_the_memory_is_refused() {
        // RFC 8878, 3.1.1.1: no single segment, no checksum; a window of 2^(10+20) bytes.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0x00, 0x00];
        let error = read(&frame).expect_err("too large").to_string();
        assert!(error.to_lowercase().contains("window"), "{error}");
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = gzip(&[b'x'; 1000]);
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        assert!(read(&bytes).is_err());
        let frame = frame(&[b'x'; 1000]);
        assert!(read(&frame[..frame.len() - 2]).is_err());
    }
}
