//! The index of R's lazy-load databases (`.rdx`): an RDS file that contains, for each variable and environment, where in
//! the `.rdb` its record begins and how long that is, and how records are compressed (`makeLazyLoadDB` in R's
//! src/library/tools/R/makeLazyLoad.R; the format of RDS: "R Internals", 1.8).
//!
//! Only numbers change when a database is rewritten, so they are replaced in place; the rest of the file stays as R wrote
//! it.

use std::ops::Range;

use libdeflater::Decompressor;

/// The maximum length of an uncompressed index, in bytes.
const MAX_BYTES: usize = 256 << 20;

/// The maximum nesting depth of lists in an index; R's have three levels.
const MAX_DEPTH: usize = 16;

// Types of RDS items (Rinternals.h; src/main/serialize.c).
const SYMSXP: u32 = 1;
const LISTSXP: u32 = 2;
const CHARSXP: u32 = 9;
const LGLSXP: u32 = 10;
const INTSXP: u32 = 13;
const REALSXP: u32 = 14;
const STRSXP: u32 = 16;
const VECSXP: u32 = 19;
const NILVALUE_SXP: u32 = 254;
const REFSXP: u32 = 255;
const HAS_ATTR: u32 = 1 << 9;
const HAS_TAG: u32 = 1 << 10;

/// How the records of a database are compressed: the index's `compressed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Open,
    /// zlib.
    Zlib,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl Compression {
    fn number(self) -> i32 {
        match self {
            Compression::Open => 0,
            Compression::Zlib => 1,
            Compression::Bzip2 => 2,
            Compression::Xz => 3,
        }
    }
}

/// An index.
#[derive(Debug, Clone)]
pub struct Index {
    bytes: Vec<u8>,
    /// The position of each pair of offset and length.
    keys: Vec<usize>,
    /// The position of the item `compressed`: its type, its length 1, its value.
    compressed: Range<usize>,
    compression: Compression,
}

impl Index {
    /// Parses an index.
    ///
    /// # Errors
    /// When it does not have the form that R's own functions write; the message gives the reason.
    pub fn parse(file: &[u8]) -> Result<Self, String> {
        let bytes = uncompressed(file)?;
        let mut reader = Reader { bytes: &bytes, at: 0 };
        if reader.take(2)? != b"X\n" {
            return Err("it is not a binary RDS file".to_owned());
        }
        let version = reader.int()?;
        reader.take(8)?;
        match version {
            2 => {}
            3 => {
                let length = reader.length()?;
                reader.take(length)?;
            }
            other => return Err(format!("its RDS version {other} is unknown")),
        }
        let flags = reader.flags()?;
        if flags & 0xff != VECSXP || reader.length()? != 3 {
            return Err("it is not a list of variables, references and compression".to_owned());
        }
        let mut keys = Vec::new();
        for _ in 0..2 {
            reader.keys(&mut keys, 0)?;
        }
        let start = reader.at;
        // FALSE is uncompressed, TRUE zlib, 2 bzip2 and 3 xz; the last two are integers or doubles, depending on how they
        // were passed (`--data-compress=xz`).
        let number = match (reader.flags()?, reader.length()?) {
            (LGLSXP | INTSXP, 1) => f64::from(reader.int()?),
            (REALSXP, 1) => reader.take(8)?.try_into().map(f64::from_be_bytes).map_err(|_| "it is truncated")?,
            _ => return Err("its compression is not a number".to_owned()),
        };
        let compressed = start..reader.at;
        let forms = [Compression::Open, Compression::Zlib, Compression::Bzip2, Compression::Xz];
        let compression = forms.into_iter().find(|form| f64::from(form.number()).to_bits() == number.to_bits());
        let compression = compression.ok_or_else(|| format!("its compression {number} is unknown"))?;
        if flags & HAS_ATTR != 0 {
            reader.skip(0)?;
        }
        if reader.at != bytes.len() {
            return Err("it has data after its end".to_owned());
        }
        Ok(Self { bytes, keys, compressed, compression })
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The offset and length, in bytes, of each variable's and environment's record, in the order of the index.
    pub fn records(&self) -> Vec<(u32, u32)> {
        self.keys.iter().map(|at| (self.number(*at), self.number(*at + 4))).collect()
    }

    /// The index with other offsets and lengths, in the order of [`Index::records`], and another compression. It is not
    /// compressed itself: R reads it either way, and in a zip it is smaller so.
    pub fn with(&self, records: &[(u32, u32)], compression: Compression) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (at, (offset, length)) in self.keys.iter().zip(records) {
            bytes[*at..*at + 4].copy_from_slice(&offset.to_be_bytes());
            bytes[*at + 4..*at + 8].copy_from_slice(&length.to_be_bytes());
        }
        // TRUE and FALSE are logical, 2 and 3 integers.
        let kind = if compression.number() > 1 { INTSXP } else { LGLSXP };
        // It follows all the keys, so its length may change.
        let item = [kind.to_be_bytes(), 1_u32.to_be_bytes(), compression.number().to_be_bytes()].concat();
        bytes.splice(self.compressed.clone(), item);
        bytes
    }

    fn number(&self, at: usize) -> u32 {
        self.bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
    }
}

/// An RDS file without its gzip or zlib wrapping.
pub(super) fn uncompressed(file: &[u8]) -> Result<Vec<u8>, String> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(file.to_vec());
    }
    // gzip's last four bytes are the length.
    let length = file.last_chunk::<4>().map_or(0, |word| u32::from_le_bytes(*word));
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES).ok_or("it is too long")?;
    let mut out = vec![0; length];
    let read =
        Decompressor::new().gzip_decompress(file, &mut out).map_err(|error| format!("it is damaged: {error}"))?;
    out.truncate(read);
    Ok(out)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).ok_or("it is truncated")?;
        let taken = self.bytes.get(self.at..end).ok_or("it is truncated")?;
        self.at = end;
        Ok(taken)
    }

    fn flags(&mut self) -> Result<u32, String> {
        let word = self.take(4)?.try_into().map_err(|_| "it is truncated")?;
        Ok(u32::from_be_bytes(word))
    }

    fn int(&mut self) -> Result<i32, String> {
        Ok(self.flags()?.cast_signed())
    }

    fn length(&mut self) -> Result<usize, String> {
        usize::try_from(self.int()?).map_err(|_| "a length in it is negative".to_owned())
    }

    /// The positions of the pairs in a list of pairs of integers. An environment that is locked or has special bindings has
    /// lists of such pairs in the list (`eagerKey`, `lazyKeys`).
    fn keys(&mut self, keys: &mut Vec<usize>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("its lists are nested too deeply".to_owned());
        }
        let flags = self.flags()?;
        match flags & 0xff {
            NILVALUE_SXP => return Ok(()),
            INTSXP if depth > 0 => {
                if self.length()? != 2 {
                    return Err("a variable has no offset and length".to_owned());
                }
                keys.push(self.at);
                self.take(8)?;
            }
            VECSXP => {
                for _ in 0..self.length()? {
                    self.keys(keys, depth + 1)?;
                }
            }
            _ => return Err("its variables are not lists".to_owned()),
        }
        if flags & HAS_ATTR != 0 {
            self.skip(0)?;
        }
        Ok(())
    }

    /// Skips one item: an index contains only names besides numbers.
    fn skip(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("its lists are nested too deeply".to_owned());
        }
        loop {
            let flags = self.flags()?;
            match flags & 0xff {
                NILVALUE_SXP => return Ok(()),
                REFSXP => {
                    if flags >> 8 == 0 {
                        self.int()?;
                    }
                    return Ok(());
                }
                SYMSXP => return self.skip(depth + 1),
                CHARSXP => {
                    let length = self.int()?;
                    // -1 is NA_character_.
                    self.take(usize::try_from(length).unwrap_or(0))?;
                    return Ok(());
                }
                LGLSXP | INTSXP => {
                    let length = self.length()?;
                    self.take(length.checked_mul(4).ok_or("it is truncated")?)?;
                }
                STRSXP | VECSXP => {
                    for _ in 0..self.length()? {
                        self.skip(depth + 1)?;
                    }
                }
                LISTSXP => {
                    if flags & HAS_ATTR != 0 {
                        self.skip(depth + 1)?;
                    }
                    if flags & HAS_TAG != 0 {
                        self.skip(depth + 1)?;
                    }
                    self.skip(depth + 1)?;
                    // The rest of the pair list, without going deeper.
                    continue;
                }
                other => return Err(format!("it contains an item of type {other}, which is not valid in an index")),
            }
            if flags & HAS_ATTR != 0 {
                self.skip(depth + 1)?;
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn words(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// The names of a list, as an attribute.
    fn names(of: &[&str]) -> Vec<u8> {
        let mut out = words(&[LISTSXP | HAS_TAG, SYMSXP, CHARSXP, 5]);
        out.extend(b"names");
        out.extend(words(&[STRSXP, u32::try_from(of.len()).expect("few")]));
        for name in of {
            out.extend(words(&[CHARSXP, u32::try_from(name.len()).expect("short")]));
            out.extend(name.as_bytes());
        }
        out.extend(words(&[NILVALUE_SXP]));
        out
    }

    /// An index as R writes one, of variables with these records.
    pub(crate) fn index(records: &[(u32, u32)], compressed: u32) -> Vec<u8> {
        let mut out = b"X\n".to_vec();
        out.extend(words(&[3, 0x4_0202, 0x3_0500, 5]));
        out.extend(b"UTF-8");
        out.extend(words(&[VECSXP | HAS_ATTR, 3, VECSXP | HAS_ATTR, u32::try_from(records.len()).expect("few")]));
        for (offset, length) in records {
            out.extend(words(&[INTSXP, 2, *offset, *length]));
        }
        let variables: Vec<String> = (0..records.len()).map(|number| format!("x{number}")).collect();
        out.extend(names(&variables.iter().map(String::as_str).collect::<Vec<_>>()));
        out.extend(words(&[VECSXP, 0, LGLSXP, 1, compressed]));
        out.extend(names(&["variables", "references", "compressed"]));
        out
    }

    #[test]
    fn an_index_is_read_and_only_its_numbers_change() {
        let file = index(&[(0, 10), (10, 7)], 1);
        let read = Index::parse(&file).expect("an index");
        assert_eq!((read.records(), read.compression()), (vec![(0, 10), (10, 7)], Compression::Zlib));
        let new = read.with(&[(7, 30), (37, 9)], Compression::Open);
        assert_eq!(new, index(&[(7, 30), (37, 9)], 0));
        let xz = Index::parse(&read.with(&[(0, 1), (1, 2)], Compression::Xz)).expect("an index");
        assert_eq!(xz.compression(), Compression::Xz);
    }

    #[test]
    fn keys_in_lists_and_a_compression_that_is_no_whole_number_are_read() {
        let mut file = b"X\n".to_vec();
        file.extend(words(&[2, 0x4_0202, 0x2_0300, VECSXP, 3, VECSXP, 1, INTSXP, 2, 0, 10]));
        // An environment with an eager key and one lazy one.
        file.extend(words(&[
            VECSXP,
            1,
            VECSXP | HAS_ATTR,
            2,
            INTSXP,
            2,
            10,
            5,
            VECSXP | HAS_ATTR,
            1,
            INTSXP,
            2,
            15,
            6,
        ]));
        file.extend(names(&["lines"]));
        file.extend(names(&["eagerKey", "lazyKeys"]));
        file.extend(words(&[REALSXP, 1]));
        file.extend(3.0_f64.to_be_bytes());
        let read = Index::parse(&file).expect("an index");
        assert_eq!((read.records(), read.compression()), (vec![(0, 10), (10, 5), (15, 6)], Compression::Xz));
        let records = [(0, 30), (30, 7), (37, 8)];
        let open = Index::parse(&read.with(&records, Compression::Open)).expect("an index");
        assert_eq!((open.records(), open.compression()), (records.to_vec(), Compression::Open));
        for length in 0..file.len() {
            assert!(Index::parse(&file[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let file = index(&[(0, 10), (10, 7)], 1);
        for length in 0..file.len() {
            assert!(Index::parse(&file[..length]).is_err(), "cut at {length}");
        }
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                let _ = Index::parse(&flipped);
            }
        }
        assert!(Index::parse(&[0x1f, 0x8b, 0, 0]).is_err());
    }
}
