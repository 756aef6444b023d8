//! Deflate: contents that are in memory are compressed as a whole by libdeflate, and inflated again by zlib-rs, which shares no code
//! with it.

use std::borrow::Cow;
use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor};

use super::measured::Method;
use super::record::Facts;
use crate::base::error::Error;
use crate::base::path::TreePath;

/// How many bytes are inflated at once. With 8 KiB, inflating takes 7 % more processor time: the last 32 KiB are copied after each part.
const INFLATED_BYTES: usize = 64 << 10;

/// Calls `work` with the compressor of this thread: to make one takes longer than to compress a short content.
fn with_compressor<T>(level: i32, work: impl FnOnce(&mut Compressor) -> T) -> T {
    thread_local! {
        static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some((of, compressor)) if *of == level => work(compressor),
        _ => {
            let compressor = Compressor::new(CompressionLvl::new(level).unwrap_or_default());
            work(&mut kept.insert((level, compressor)).1)
        }
    })
}

/// Compresses a content at libdeflate's `level`, or stores it.
pub(super) fn compress(content: &[u8], level: i32) -> (Facts, Cow<'_, [u8]>) {
    let (mut deflated, length) = with_compressor(level, |compressor| {
        let mut deflated = vec![0; compressor.deflate_compress_bound(content.len())];
        let length = compressor.deflate_compress(content, &mut deflated).unwrap_or(usize::MAX);
        (deflated, length)
    });
    let (method, payload) = if length < content.len() {
        deflated.truncate(length);
        (Method::Deflated, Cow::Owned(deflated))
    } else {
        (Method::Stored, Cow::Borrowed(content))
    };
    let crc32 = crc32fast::hash(content);
    (Facts { method, crc32, bytes: content.len() as u64, compressed: payload.len() as u64 }, payload)
}

/// Whether a deflated payload is this content.
pub(super) fn inflates_to(payload: &[u8], content: &[u8]) -> bool {
    thread_local! {
        static INFLATE: RefCell<(Decompress, Vec<u8>)> = RefCell::new((Decompress::new(false), vec![0; INFLATED_BYTES]));
    }
    // To make one takes longer than to inflate a short content.
    INFLATE.with_borrow_mut(|(inflate, buffer)| {
        inflate.reset(false);
        inflates_with(inflate, buffer, payload, content)
    })
}

fn inflates_with(inflate: &mut Decompress, buffer: &mut [u8], payload: &[u8], content: &[u8]) -> bool {
    let (mut payload, mut content) = (payload, content);
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let Ok(status) = inflate.decompress(payload, buffer, FlushDecompress::None) else { return false };
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let (read, written) = (count(inflate.total_in(), read), count(inflate.total_out(), written));
        let (Some(rest), Some(part)) = (payload.get(read..), buffer.get(..written)) else { return false };
        let Some(left) = content.strip_prefix(part) else { return false };
        (payload, content) = (rest, left);
        if status == Status::StreamEnd {
            return payload.is_empty() && content.is_empty();
        }
        if read == 0 && written == 0 {
            return false;
        }
    }
}

/// The error for compressed bytes that inflate to something else.
pub(super) fn not_the_content(path: &TreePath) -> Error {
    Error::Data {
        file: path.to_string(),
        message: "was compressed, and what the compressed bytes inflate to is not its content".to_owned(),
        help:
            "check the memory of this machine, and pack again; if the same happens on another machine, please report it"
                .to_owned(),
    }
}
