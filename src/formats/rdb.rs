//! R's lazy-load databases (`.rdb`): one record after another, each its uncompressed length in four bytes and then a zlib
//! stream (`R_compress1` in R's src/main/serialize.c; `makeLazyLoadDB`). Records that are compressed in another way, which
//! has to be asked for (`--data-compress=xz`), are not read.

use flate2::{Decompress, FlushDecompress, Status};

/// A longer record is not read: no function of R's own packages comes near.
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
        if status != Status::StreamEnd || record.len() != length {
            return None;
        }
        rest = compressed.get(usize::try_from(zlib.total_in()).ok()?..)?;
        Some(record)
    })
}

/// Whether a record holds this string whole: a serialized string has its length in four bytes before it (CHARSXP in R's
/// src/main/serialize.c).
pub fn strings<'a>(record: &'a [u8], ending: &'a [u8]) -> impl Iterator<Item = &'a str> {
    let ends = record.windows(ending.len()).enumerate().filter(move |(_, window)| *window == ending);
    ends.filter_map(move |(start, _)| {
        let end = start + ending.len();
        // A path is short: each length that the four bytes before could say is tried.
        (ending.len()..=512.min(end.checked_sub(4)?)).find_map(|length| {
            let at = end - length;
            let says = u32::from_be_bytes(record.get(at.checked_sub(4)?..at)?.try_into().ok()?);
            (usize::try_from(says) == Ok(length)).then(|| std::str::from_utf8(&record[at..end]).ok()).flatten()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;

    fn database(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(u32::try_from(record.len()).expect("short").to_be_bytes());
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
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
}
