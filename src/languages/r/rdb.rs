//! R's lazy-load databases (`.rdb`): one record after another, each its uncompressed length in four bytes and then a zlib
//! stream (`R_compress1` in R's src/main/serialize.c; `makeLazyLoadDB`). Records that are compressed in another way, which
//! is not the default (`--data-compress=xz`), have another form.

use flate2::{Decompress, FlushDecompress};
use libdeflater::Decompressor;
use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

use super::rdx::Compression;

/// A longer record is not read: those of R's own packages are much shorter.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// The records of a database, each uncompressed. Ends at the first that cannot be read.
pub fn records(database: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = database;
    std::iter::from_fn(move || {
        let (length, compressed) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok().filter(|length| *length <= MAX_RECORD_BYTES)?;
        let mut record = Vec::with_capacity(length);
        let mut zlib = Decompress::new(true);
        let status = zlib.decompress_vec(compressed, &mut record, FlushDecompress::Finish).ok()?;
        if status != flate2::Status::StreamEnd || record.len() != length {
            return None;
        }
        rest = compressed.get(usize::try_from(zlib.total_in()).ok()?..)?;
        Some(record)
    })
}

/// The strings of a record that end with `ending`: a serialized string has its length in four bytes before it (CHARSXP in R's
/// src/main/serialize.c).
pub fn strings<'a>(record: &'a [u8], ending: &'a [u8]) -> impl Iterator<Item = &'a str> {
    let ends = record.windows(ending.len()).enumerate().filter(move |(_, window)| *window == ending);
    ends.filter_map(move |(start, _)| {
        let end = start + ending.len();
        // A path is short, so each possible length is tried.
        (ending.len()..=512.min(end.checked_sub(4)?)).find_map(|length| {
            let at = end - length;
            let declared = u32::from_be_bytes(record.get(at.checked_sub(4)?..at)?.try_into().ok()?);
            (usize::try_from(declared) == Ok(length)).then(|| std::str::from_utf8(&record[at..end]).ok()).flatten()
        })
    })
}

/// The bytes of a record that [`begins_a_record`] looks at.
pub const HEAD_BYTES: usize = 6;

/// Whether a record can begin with these bytes, the first [`HEAD_BYTES`] of it: a length and the method of compression, or what a
/// serialized object begins with.
pub fn begins_a_record(head: &[u8], compression: Compression) -> bool {
    if compression == Compression::Open {
        return [b"X\n", b"A\n", b"B\n"].iter().any(|format| head.starts_with(*format));
    }
    let Some((length, rest)) = head.split_first_chunk::<4>() else { return false };
    // An object has more bytes than the two of its format, and its length is a positive `int`.
    let is_length = (3..=i32::MAX.cast_unsigned()).contains(&u32::from_be_bytes(*length));
    let is_method = match (compression, rest) {
        // RFC 1950, 2.2: deflate, and a check of the two bytes.
        (Compression::Zlib, [method, flags, ..]) => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        (Compression::Bzip2 | Compression::Xz, [method, ..]) => b"012Z".contains(method),
        _ => false,
    };
    is_length && is_method
}

/// Whether a record is compressed with bzip2, which [`content`] does not read.
pub fn is_bzip2(record: &[u8], compression: Compression) -> bool {
    matches!(compression, Compression::Bzip2 | Compression::Xz) && record.get(4) == Some(&b'2')
}

/// The content of one record, however it is compressed (`R_decompress1`, `R_decompress3` in R's src/main/connections.c).
///
/// # Errors
/// When it is damaged, too long, or compressed with bzip2, which is rare.
pub fn content(record: &[u8], compression: Compression) -> Result<Vec<u8>, String> {
    let damaged = || "a record is damaged".to_owned();
    if compression == Compression::Open {
        return Ok(record.to_vec());
    }
    let (length, rest) = record.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok().filter(|length| *length <= MAX_RECORD_BYTES);
    let length = length.ok_or("a record is too long")?;
    // Since R supports bzip2 and xz, a letter is the method; a record that would not become smaller is stored.
    let (kind, body) = match compression {
        Compression::Zlib => (b'1', rest),
        _ => rest.split_first().map(|(kind, body)| (*kind, body)).ok_or_else(damaged)?,
    };
    let out = match kind {
        b'0' => body.to_vec(),
        b'1' => {
            let mut out = vec![0; length];
            let read = Decompressor::new().zlib_decompress(body, &mut out).map_err(|_| damaged())?;
            out.truncate(read);
            out
        }
        b'Z' => unxz(body, length).ok_or_else(damaged)?,
        _ => return Err("a record is compressed with bzip2".to_owned()),
    };
    if out.len() == length { Ok(out) } else { Err(damaged()) }
}

/// A record as `R_compress3` creates it: xz if that is smaller, else stored.
pub fn xz_record(content: &[u8]) -> Option<Vec<u8>> {
    let mut record = u32::try_from(content.len()).ok()?.to_be_bytes().to_vec();
    let packed = xz(content)?;
    if packed.len() < content.len() {
        record.push(b'Z');
        record.extend(packed);
    } else {
        record.push(b'0');
        record.extend(content);
    }
    Some(record)
}

/// R's filter: LZMA2 with preset 6, without a header.
fn filters() -> Option<Filters> {
    let mut filters = Filters::new();
    filters.lzma2(&LzmaOptions::new_preset(6).ok()?);
    Some(filters)
}

fn unxz(body: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut stream = Stream::new_raw_decoder(&filters()?).ok()?;
    let mut out = Vec::with_capacity(length);
    loop {
        let before = (stream.total_in(), stream.total_out());
        let rest = body.get(usize::try_from(before.0).ok()?..)?;
        let status = stream.process_vec(rest, &mut out, Action::Run).ok()?;
        if status == Status::StreamEnd {
            return Some(out);
        }
        if out.len() > length || before == (stream.total_in(), stream.total_out()) {
            return (out.len() == length).then_some(out);
        }
    }
}

fn xz(content: &[u8]) -> Option<Vec<u8>> {
    let mut stream = Stream::new_raw_encoder(&filters()?).ok()?;
    let mut out = Vec::with_capacity(content.len() + 1024);
    loop {
        let rest = content.get(usize::try_from(stream.total_in()).ok()?..)?;
        if stream.process_vec(rest, &mut out, Action::Finish).ok()? == Status::StreamEnd {
            return Some(out);
        }
        out.reserve(1 << 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn database(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(u32::try_from(record.len()).expect("short").to_be_bytes());
            let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            zlib.write_all(record).expect("compressed");
            bytes.extend(zlib.finish().expect("compressed"));
        }
        bytes
    }

    #[test]
    fn records_are_read_one_after_another_and_damage_ends_them() {
        let mut bytes = database(&[b"first", b"", b"third"]);
        assert_eq!(records(&bytes).collect::<Vec<_>>(), [b"first".to_vec(), b"".to_vec(), b"third".to_vec()]);
        bytes.truncate(bytes.len() - 3);
        assert_eq!(records(&bytes).count(), 2);
        assert_eq!(records(&[0xff; 40]).count(), 0);
        assert_eq!(records(&[]).count(), 0);
    }

    #[test]
    fn a_string_is_found_only_when_it_is_whole() {
        let record = b"xx\0\0\0\x0e/usr/bin/whichyy\0\0\0\x10/usr/bin/whichzz";
        assert_eq!(strings(record, b"/which").collect::<Vec<_>>(), ["/usr/bin/which"]);
    }

    #[test]
    fn a_record_is_read_whatever_it_is_compressed_with() {
        let content_of = b"some content that repeats, some content that repeats, some content that repeats".to_vec();
        let zlib = database(&[&content_of]);
        assert_eq!(content(&zlib, Compression::Zlib), Ok(content_of.clone()));
        let xz = xz_record(&content_of).expect("packed");
        assert_eq!((xz[4], content(&xz, Compression::Xz)), (b'Z', Ok(content_of.clone())));
        let stored = xz_record(b"ab").expect("packed");
        assert_eq!((stored[4], content(&stored, Compression::Xz)), (b'0', Ok(b"ab".to_vec())));
        assert_eq!(content(&content_of, Compression::Open), Ok(content_of));
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        for (record, compression) in [
            (&b"\0\0"[..], Compression::Zlib),
            (b"\0\0\0\x05abc", Compression::Zlib),
            (b"\0\0\0\x05Zabc", Compression::Xz),
            (b"\0\0\0\x05", Compression::Xz),
            (b"\xff\xff\xff\xff1abc", Compression::Xz),
            (b"\0\0\0\x032abc", Compression::Bzip2),
        ] {
            assert!(content(record, compression).is_err(), "{record:?}");
        }
    }
}
