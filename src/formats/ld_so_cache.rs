//! The loader's cache, `/etc/ld.so.cache` (ldconfig(8)): which file it loads for a soname.
//!
//! The format is glibc's own: `struct cache_file_new` and `struct file_entry_new` in sysdeps/generic/dl-cache.h, written by
//! `save_cache` in elf/cache.c and read by `_dl_load_cache_lookup` in elf/dl-cache.c. Until glibc 2.31 ldconfig wrote it
//! after a table in the format of ld.so 1.7.0 by default, which is skipped: every glibc that Lambda has used prefers the
//! new one. A file with only the old table is rejected.

use scroll::{LE, Pread};

/// `CACHEMAGIC`: the old table begins with it. One byte of padding and the number of entries follow.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
/// `sizeof (struct cache_file)`.
const OLD_HEADER: usize = 16;
/// `sizeof (struct file_entry)`: flags, key and value.
const OLD_ENTRY: usize = 12;
/// `__alignof__ (struct cache_file_new)` on machines of 64 bits, to which `ALIGN_CACHE` rounds the old table up.
const ALIGNMENT: usize = 8;

/// `CACHEMAGIC_VERSION_NEW`: the number of entries follows, the length of the strings, flags, and unused fields.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// `sizeof (struct cache_file_new)`.
const HEADER: usize = 48;
/// Where `flags` is in the header.
const FLAGS: usize = 28;
/// `sizeof (struct file_entry_new)`: flags, key, value, the operating system's version and capabilities.
const ENTRY: usize = 24;
/// `cache_file_new_flags_endian_mask`, and the two values that a little-endian loader accepts: not set (before glibc
/// 2.33), and little-endian. Both of Lambda's machines are little-endian.
const ENDIAN_MASK: u8 = 3;
const ENDIANS: [u8; 2] = [0, 2];

/// A cache with more entries than this is rejected; distributions with everything installed have about ten thousand.
const MAX_ENTRIES: usize = 1 << 16;
/// A file system path has fewer bytes than this (PATH_MAX).
const MAX_STRING: usize = 4096;

/// The cache's entry for one library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The kind of library and the machine it is for (`FLAG_ELF_LIBC6`, `FLAG_X8664_LIB64` and the like).
    pub flags: i32,
    /// The soname.
    pub name: &'a str,
    /// The absolute path.
    pub path: &'a str,
}

/// Parses a cache. As in the loader, an entry whose strings are outside the file is skipped; so is one whose strings are
/// unterminated, longer than a path, or not UTF-8.
///
/// # Errors
/// When it has a different format or byte order, or is truncated.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let cache = new_format(bytes).ok_or("it is not a cache in the format glibc-ld.so.cache1.1")?;
    let truncated = |error: scroll::Error| format!("it is truncated: {error}");
    let count = cache.pread_with::<u32>(MAGIC.len(), LE).map_err(truncated)? as usize;
    let flags: u8 = cache.pread(FLAGS).map_err(truncated)?;
    if !ENDIANS.contains(&(flags & ENDIAN_MASK)) {
        return Err("its byte order is not little-endian".to_owned());
    }
    let room = cache.len().saturating_sub(HEADER) / ENTRY;
    if count > room.min(MAX_ENTRIES) {
        return Err(format!("it claims {count} entries, has room for {room}, and the maximum is {MAX_ENTRIES}"));
    }
    let entries = (0..count).filter_map(|index| {
        let at = HEADER + index * ENTRY;
        let flags = cache.pread_with(at, LE).ok()?;
        let name = string(cache, cache.pread_with(at + 4, LE).ok()?)?;
        let path = string(cache, cache.pread_with(at + 8, LE).ok()?)?;
        Some(Entry { flags, name, path })
    });
    Ok(entries.collect())
}

/// The table in the new format, up to the end of the file: offsets of strings count from its first byte.
fn new_format(bytes: &[u8]) -> Option<&[u8]> {
    let start = if bytes.starts_with(OLD_MAGIC) {
        let count = bytes.pread_with::<u32>(OLD_HEADER - 4, LE).ok()? as usize;
        count.checked_mul(OLD_ENTRY)?.checked_add(OLD_HEADER)?.checked_next_multiple_of(ALIGNMENT)?
    } else {
        0
    };
    bytes.get(start..).filter(|cache| cache.starts_with(MAGIC))
}

/// The string at this offset, up to its zero byte.
fn string(cache: &[u8], offset: u32) -> Option<&str> {
    let rest = cache.get(offset as usize..)?;
    let rest = &rest[..rest.len().min(MAX_STRING)];
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == 0)?]).ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A cache as `save_cache` writes it.
    fn cache(entries: &[(i32, &str, &str)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let mut table = Vec::new();
        let start = HEADER + entries.len() * ENTRY;
        let mut offset_of = |text: &str| {
            let offset = start + strings.len();
            strings.extend(text.bytes().chain([0]));
            u32::try_from(offset).unwrap()
        };
        for (flags, name, path) in entries {
            table.extend(flags.to_le_bytes());
            table.extend(offset_of(name).to_le_bytes());
            table.extend(offset_of(path).to_le_bytes());
            table.extend([0; 12]);
        }
        let mut cache = MAGIC.to_vec();
        cache.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
        cache.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
        cache.extend([2, 0, 0, 0]);
        cache.resize(HEADER, 0);
        [cache, table, strings].concat()
    }

    /// The same behind an old table of so many entries.
    fn behind_old(old_entries: u32, new: &[u8]) -> Vec<u8> {
        let mut bytes = OLD_MAGIC.to_vec();
        bytes.push(0);
        bytes.extend(old_entries.to_le_bytes());
        bytes.resize((OLD_HEADER + old_entries as usize * OLD_ENTRY).next_multiple_of(ALIGNMENT), 0);
        bytes.extend(new);
        bytes
    }

    const TWO: &[(i32, &str, &str)] =
        &[(0x303, "libm.so.6", "/lib64/libm.so.6"), (0xa03, "libc.so.6", "/lib64/libc.so.6")];

    /// Parses what has to be a cache; flags, names and paths.
    fn parsed(bytes: &[u8]) -> Vec<(i32, &str, &str)> {
        parse(bytes).unwrap().into_iter().map(|entry| (entry.flags, entry.name, entry.path)).collect()
    }

    #[test]
    fn both_layouts_are_read() {
        let new = cache(TWO);
        assert_eq!(parsed(&new), TWO);
        // Odd and even numbers of old entries: with and without padding between the tables.
        for old_entries in 0..4 {
            assert_eq!(parsed(&behind_old(old_entries, &new)), TWO, "behind {old_entries} old entries");
        }
        assert_eq!(parsed(&cache(&[])), []);
    }

    #[test]
    fn another_format_is_refused() {
        for bytes in [&b""[..], b"glibc-ld.so.cache1.0", b"ld.so-1.7.0", &[0; 100]] {
            assert_eq!(parse(bytes).unwrap_err(), "it is not a cache in the format glibc-ld.so.cache1.1");
        }
        // The old table alone, and one whose count leads beyond the file.
        assert!(parse(&behind_old(2, b"")).is_err());
        let mut beyond = behind_old(0, &cache(TWO));
        beyond[12..16].copy_from_slice(&[0xff; 4]);
        assert!(parse(&beyond).is_err());
    }

    #[test]
    fn only_little_endian_is_read() {
        let mut bytes = cache(TWO);
        // Neither set nor big-endian: as before glibc 2.33. The other bits say who wrote it.
        for flags in [0, 2, 0x82] {
            bytes[FLAGS] = flags;
            assert_eq!(parsed(&bytes), TWO, "flags {flags:#x}");
        }
        for flags in [1, 3] {
            bytes[FLAGS] = flags;
            assert_eq!(parse(&bytes).unwrap_err(), "its byte order is not little-endian");
        }
    }

    #[test]
    fn a_truncated_cache_is_never_read_beyond_its_end() {
        let whole = cache(TWO);
        let table_end = HEADER + TWO.len() * ENTRY;
        for length in 0..whole.len() {
            match parse(&whole[..length]) {
                Ok(entries) => {
                    assert!(length >= table_end, "{length} bytes have no room for the entries");
                    assert!(entries.len() < TWO.len(), "{length} bytes do not have the last string's end");
                }
                Err(_) => assert!(length < table_end, "{length} bytes have room for the entries"),
            }
        }
    }

    #[test]
    fn counts_are_bounded() {
        let mut bytes = cache(TWO);
        for count in [6_u32, u32::MAX] {
            bytes[20..24].copy_from_slice(&count.to_le_bytes());
            assert!(parse(&bytes).unwrap_err().starts_with(&format!("it claims {count} entries, has room for")));
        }
        let mut large = vec![0; HEADER + (MAX_ENTRIES + 1) * ENTRY];
        large[..HEADER].copy_from_slice(&cache(&[])[..HEADER]);
        for (count, is_read) in [(MAX_ENTRIES, true), (MAX_ENTRIES + 1, false)] {
            large[20..24].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
            assert_eq!(parse(&large).is_ok(), is_read, "{count} entries");
        }
    }

    #[test]
    fn an_entry_with_a_bad_string_is_passed_over() {
        let good = cache(TWO);
        let second = &TWO[1..];
        for offset in [u32::try_from(good.len()).unwrap(), u32::MAX] {
            for field in [4, 8] {
                let mut bytes = good.clone();
                bytes[HEADER + field..][..4].copy_from_slice(&offset.to_le_bytes());
                assert_eq!(parsed(&bytes), second, "offset {offset} at {field}");
            }
        }
        let mut bytes = good.clone();
        bytes[HEADER + TWO.len() * ENTRY] = 0xff;
        assert_eq!(parsed(&bytes), second, "a name that is not UTF-8");

        let long = |length: usize| "x".repeat(length);
        let paths = [long(MAX_STRING - 1), long(MAX_STRING)];
        let bytes = cache(&[(3, "a", &paths[0]), (3, "b", &paths[1])]);
        assert_eq!(parsed(&bytes), [(3, "a", paths[0].as_str())]);

        let mut unterminated = good;
        assert_eq!(unterminated.pop(), Some(0));
        assert_eq!(parsed(&unterminated), &TWO[..1]);
    }

    #[test]
    fn this_machines_cache_is_what_ldconfig_prints() {
        let ldconfig =
            ["/sbin/ldconfig", "/usr/sbin/ldconfig"].into_iter().find(|path| std::path::Path::new(path).exists());
        let (Some(ldconfig), Ok(bytes)) = (ldconfig, std::fs::read("/etc/ld.so.cache")) else {
            return; // not every system has them
        };
        let printed = Command::new(ldconfig).arg("-p").output().unwrap();
        let text = String::from_utf8(printed.stdout).unwrap();
        // "\tlibc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6"
        let theirs: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| {
                let (name, rest) = line.strip_prefix('\t')?.split_once(" (")?;
                Some((name, rest.split_once(") => ")?.1))
            })
            .collect();
        let ours: Vec<(&str, &str)> = parse(&bytes).unwrap().iter().map(|entry| (entry.name, entry.path)).collect();
        assert_eq!(ours, theirs);
    }
}
