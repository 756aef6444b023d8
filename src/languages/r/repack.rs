//! Repack: rewrites R's lazy-load databases with uncompressed records, so that the zip's deflate sees a whole database
//! instead of many small compressed chunks. R can read them (`compressed = FALSE` in the index; `do_lazyLoadDBfetch` in
//! R's src/main/serialize.c). That costs unzipped bytes and saves zipped ones; records that are compressed with xz save
//! both, but cost time at run time.

use std::collections::{BTreeMap, BTreeSet};

use crate::languages::r::rdb;
use crate::languages::r::rdx::{Compression, Index};

/// The error for a database that would be longer than the caller allows.
pub const TOO_LARGE: &str = "it would be too large";

/// A rewritten database and its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repacked {
    /// The `.rdb`.
    pub database: Vec<u8>,
    /// The `.rdx`.
    pub index: Vec<u8>,
}

/// Rewrites a database with records in the form `to` (uncompressed or xz), to at most `most` bytes; `None` when they already
/// have it.
///
/// # Errors
/// When the database cannot be read; the message gives the reason, and the database should be left unchanged.
pub fn repack(database: &[u8], index: &[u8], to: Compression, most: u64) -> Result<Option<Repacked>, String> {
    let index = Index::parse(index)?;
    if index.compression() == to {
        return Ok(None);
    }
    let records = index.records();
    // Records are written in their order in the file; several variables can share one.
    let mut moved: BTreeMap<(u32, u32), (u32, u32)> = records.iter().map(|record| (*record, (0, 0))).collect();
    let mut out = Vec::new();
    for ((offset, length), new) in &mut moved {
        let start = usize::try_from(*offset).map_err(|_| "a record has an invalid offset")?;
        let end = start.checked_add(usize::try_from(*length).unwrap_or(usize::MAX));
        let record = end.and_then(|end| database.get(start..end)).ok_or("a record is outside the database")?;
        let content = rdb::content(record, index.compression())?;
        let record = match to {
            Compression::Xz => rdb::xz_record(&content).ok_or("a record cannot be compressed")?,
            _ => content,
        };
        let narrow = |number: usize| u32::try_from(number).ok().filter(|n| i32::try_from(*n).is_ok());
        *new = narrow(out.len()).zip(narrow(record.len())).ok_or("it would be too large for R")?;
        if (out.len() + record.len()) as u64 > most {
            return Err(TOO_LARGE.to_owned());
        }
        out.extend(record);
    }
    let records: Vec<(u32, u32)> = records.iter().map(|record| moved[record]).collect();
    Ok(Some(Repacked { index: index.with(&records, to), database: out }))
}

/// How many bytes a database would have with open records, by the lengths that its records begin with; `None` if they are open
/// already, or something in it is not as R writes it.
pub fn open_bytes(database: &[u8], index: &[u8]) -> Option<u64> {
    let index = Index::parse(index).ok().filter(|index| index.compression() != Compression::Open)?;
    let records: BTreeSet<(u32, u32)> = index.records().into_iter().collect();
    let length = |(offset, _): (u32, u32)| {
        let start = usize::try_from(offset).ok()?;
        let head = database.get(start..start.checked_add(4)?)?;
        Some(u64::from(u32::from_be_bytes(head.try_into().ok()?)))
    };
    records.into_iter().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::r::rdx::tests::index;

    #[test]
    fn open_and_xz_databases_hold_the_same_and_shared_records_stay_shared() {
        let parts = [b"one one one one one one one".to_vec(), b"two".to_vec(), vec![7; 5000]];
        let records: Vec<Vec<u8>> = parts.iter().map(|part| rdb::xz_record(part).expect("packed")).collect();
        let mut at = 0;
        let mut keys: Vec<(u32, u32)> = records
            .iter()
            .map(|record| {
                let length = u32::try_from(record.len()).expect("short");
                at += length;
                (at - length, length)
            })
            .collect();
        // In another order than in the file, and one of them twice.
        keys.swap(0, 2);
        keys.push(keys[1]);
        let database = records.concat();
        let from = index(&keys, 3);
        let open = repack(&database, &from, Compression::Open, 1 << 20).expect("read").expect("changed");
        assert_eq!(open.database, parts.concat());
        assert_eq!(open_bytes(&database, &from), Some(open.database.len() as u64));
        assert_eq!(open_bytes(&open.database, &open.index), None);
        let read = |repacked: &Repacked| -> Vec<Vec<u8>> {
            let index = Index::parse(&repacked.index).expect("an index");
            let part = |(offset, length): (u32, u32)| &repacked.database[offset as usize..(offset + length) as usize];
            index.records().into_iter().map(|r| rdb::content(part(r), index.compression()).expect("a record")).collect()
        };
        let expected = vec![parts[2].clone(), parts[1].clone(), parts[0].clone(), parts[1].clone()];
        assert_eq!(read(&open), expected);
        let xz = repack(&open.database, &open.index, Compression::Xz, 1 << 20).expect("read").expect("changed");
        assert_eq!(read(&xz), expected);
        assert_eq!(repack(&open.database, &open.index, Compression::Open, 1 << 20), Ok(None));
        let length = open.database.len() as u64;
        assert_eq!(repack(&database, &from, Compression::Open, length), Ok(Some(open)));
        assert_eq!(repack(&database, &from, Compression::Open, length - 1), Err(TOO_LARGE.to_owned()));
    }

    #[test]
    fn a_database_that_does_not_fit_its_index_is_an_error() {
        assert!(repack(b"short", &index(&[(0, 100)], 1), Compression::Open, 1 << 20).is_err());
        assert!(repack(b"not zlib at all", &index(&[(0, 10)], 1), Compression::Open, 1 << 20).is_err());
        assert!(repack(b"", b"", Compression::Open, 1 << 20).is_err());
    }
}
