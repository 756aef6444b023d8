//! Pickled objects (pickle, joblib): the modules that reading them imports. Nothing is unpickled: the operations are read one after
//! another, and only the names are taken from them (Lib/pickletools.py of CPython documents the operations).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::formats::compressed::Compression;
use crate::languages::{Source, Use};

/// How much of a compressed file is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// How many texts are kept, to which names refer.
const MAX_TEXTS: usize = 100_000;

/// The longest name of a module.
const MAX_NAME: usize = 200;

/// Modules of Python 2 that pickles of protocol 2 and older name for those of Python 3.
const OLD: &[&str] =
    &["copy_reg", "exceptions", "cPickle", "UserDict", "UserList", "UserString", "StringIO", "cStringIO"];

/// Whether a name is that of a file with pickled objects.
pub(super) fn is_name(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(before, ending)| !before.is_empty() && matches!(ending, "pkl" | "pickle" | "joblib" | "dill"))
}

/// The modules that reading the objects in a file imports. `is_read`: code of the function reads this file.
pub(super) fn read(bytes: &[u8], is_read: bool) -> Source {
    let mut source = Source { only_declares: true, ..Source::default() };
    let why = "the objects in it cannot be read, so the packages that they are of are not known";
    let is_text = bytes.first().is_some_and(|first| matches!(first, b'{' | b'[' | b'<' | b'#' | b'"'));
    let Some(content) = content(bytes) else {
        if is_read {
            source.cannot_tell(1, "the pickled objects", why);
        }
        return source;
    };
    let mut modules = BTreeSet::new();
    let is_whole = operations(&content, &mut modules).is_some();
    // Arrays of joblib are between the operations.
    anywhere(&content, &mut modules);
    let has_arrays = modules.iter().any(|name| name.starts_with("joblib."));
    if is_read && !is_whole && !has_arrays && !is_text {
        source.cannot_tell(1, "the pickled objects", why);
    }
    for package in modules {
        let top = package.split('.').next().unwrap_or(&package);
        if !top.starts_with("__") && !OLD.contains(&top) {
            source.uses.push(Use { line: 1, package, optional: false, continues: !is_read, attaches: false });
        }
    }
    source.tidy();
    source
}

/// The content of a file that may be compressed; `None` if it cannot be decompressed.
fn content(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let from: Box<dyn Read + '_> = match (bytes, Compression::of(bytes)) {
        (_, Some(compression)) => compression.decompress(bytes).ok()?,
        // zlib, as joblib compresses: the first two bytes are a multiple of 31 (RFC 1950).
        ([first @ 0x78, second, ..], _) if u16::from_be_bytes([*first, *second]) % 31 == 0 => {
            Box::new(ZlibDecoder::new(bytes))
        }
        ([b'B', b'Z', b'h', ..] | [0x5d, 0, 0, ..], _) => return None,
        _ => return Some(bytes.to_vec()),
    };
    from.take(MAX_BYTES).read_to_end(&mut content).ok()?;
    Some(content)
}

/// What an operation has after its code.
enum Argument {
    Nothing,
    /// So many bytes.
    Bytes(usize),
    /// As many bytes as a number of this many bytes says; whether they are text.
    Counted(usize, bool),
    /// So many lines.
    Lines(usize),
}

/// What the operation of a code has; `None` if there is none.
fn argument(code: u8) -> Option<Argument> {
    Some(match code {
        b'('
        | b'.'
        | b'0'
        | b'1'
        | b'2'
        | b'N'
        | b'Q'
        | b'R'
        | b'a'
        | b'b'
        | b'd'
        | b'e'
        | b'l'
        | b'o'
        | b's'
        | b't'
        | b'u'
        | b'}'
        | b']'
        | b')'
        | 0x81
        | 0x85..=0x89
        | 0x8f..=0x94
        | 0x97
        | 0x98 => Argument::Nothing,
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Argument::Bytes(1),
        b'M' | 0x83 => Argument::Bytes(2),
        b'J' | b'j' | b'r' | 0x84 => Argument::Bytes(4),
        b'G' | 0x95 => Argument::Bytes(8),
        b'U' | b'C' | 0x8a => Argument::Counted(1, false),
        b'T' | b'B' | 0x8b => Argument::Counted(4, false),
        0x8e | 0x96 => Argument::Counted(8, false),
        0x8c => Argument::Counted(1, true),
        b'X' => Argument::Counted(4, true),
        0x8d => Argument::Counted(8, true),
        b'F' | b'I' | b'L' | b'P' | b'S' | b'V' | b'g' | b'p' => Argument::Lines(1),
        b'c' | b'i' => Argument::Lines(2),
        _ => return None,
    })
}

/// Adds the modules that the operations name; `None` where one is not known.
fn operations(bytes: &[u8], modules: &mut BTreeSet<String>) -> Option<()> {
    let mut rest = bytes;
    let mut memory: BTreeMap<usize, String> = BTreeMap::new();
    let mut next = 0;
    // The last texts: those that the next operation may take.
    let mut texts: [Option<String>; 2] = [None, None];
    let mut is_last = false;
    while let Some((code, after)) = rest.split_first() {
        let (taken, text) = match argument(*code)? {
            Argument::Nothing => (0, None),
            Argument::Bytes(count) => (count, None),
            Argument::Counted(width, is_text) => {
                let counted = after.get(..width)?.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
                let end = usize::try_from(counted).ok()?.checked_add(width)?;
                (end, after.get(width..end).filter(|_| is_text))
            }
            Argument::Lines(count) => {
                let ends: Vec<usize> = memchr::memchr_iter(b'\n', after).take(count).collect();
                (ends.get(count - 1)? + 1, after.get(..*ends.first()?).filter(|_| count == 1 && *code == b'V'))
            }
        };
        let argument = after.get(..taken)?;
        let number = || argument.iter().rev().fold(0, |sum: usize, byte| (sum << 8) | usize::from(*byte));
        match code {
            b'.' => return Some(()),
            b'c' | b'i' => {
                modules.extend(name(argument.split(|byte| *byte == b'\n').next()?));
                is_last = false;
            }
            // STACK_GLOBAL takes two texts: the module and the name.
            0x93 => {
                modules.extend(texts[0].take());
                is_last = false;
            }
            // MEMOIZE, PUT, BINPUT, LONG_BINPUT.
            0x94 | b'p' | b'q' | b'r' => {
                let at = match code {
                    0x94 => next,
                    b'p' => std::str::from_utf8(argument).ok()?.trim().parse().ok()?,
                    _ => number(),
                };
                next += 1;
                if let Some(text) = texts[1].clone().filter(|_| is_last && memory.len() < MAX_TEXTS) {
                    memory.insert(at, text);
                }
            }
            _ => {
                let text = match code {
                    b'h' | b'j' => memory.get(&number()).cloned(),
                    b'g' => memory.get(&std::str::from_utf8(argument).ok()?.trim().parse().ok()?).cloned(),
                    _ => text.and_then(name),
                };
                // FRAME is between others.
                if *code != 0x95 {
                    is_last = text.is_some();
                    texts = [texts[1].take(), text];
                }
            }
        }
        rest = &after[taken..];
    }
    None
}

/// Adds the modules of protocol 4 and newer that are named anywhere: a text, and another one that is a name, are taken together.
fn anywhere(bytes: &[u8], modules: &mut BTreeSet<String>) {
    for at in memchr::memchr_iter(0x8c, bytes) {
        let text = |at: usize| {
            let length = usize::from(*bytes.get(at + 1).filter(|_| bytes.get(at) == Some(&0x8c))?);
            let end = at + 2 + length;
            let text = name(bytes.get(at + 2..end)?)?;
            Some((text, end + usize::from(bytes.get(end) == Some(&0x94))))
        };
        let Some((module, end)) = text(at) else { continue };
        let after = match bytes.get(end) {
            Some(b'h') => Some(end + 2),
            Some(b'j') => Some(end + 5),
            _ => text(end).map(|(_, end)| end),
        };
        if after.is_some_and(|after| bytes.get(after) == Some(&0x93)) {
            modules.insert(module);
        }
    }
}

/// The name that a text is, with its dots.
fn name(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_NAME)?;
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(is_part).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> (Vec<String>, usize) {
        let source = read(bytes, true);
        (source.uses.into_iter().map(|used| used.package).collect(), source.dynamic.len())
    }

    /// What pickle of Python 3.11 writes for `[collections.OrderedDict(), collections.Counter()]` in protocols 0, 2 and 4, and with
    /// another text between.
    #[test]
    fn names_are_those_of_the_operations() {
        let old = b"(lp0\nccollections\nOrderedDict\np1\n(tRp2\na.";
        let two =
            b"\x80\x02]q\0(ccollections\nOrderedDict\nq\x01)Rq\x02ccollections\nCounter\nq\x03}q\x04\x85q\x05Rq\x06e.";
        let four = b"\x80\x04\x95G\0\0\0\0\0\0\0]\x94(\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94h\x01\x8c\x07Counter\
                     \x94\x93\x94}\x94\x85\x94R\x94e.";
        for bytes in [&old[..], two, four] {
            assert_eq!(of(bytes), (vec!["collections".to_owned()], 0), "{bytes:?}");
        }
        // A text that looks like an operation is none.
        assert_eq!(of(b"\x80\x04X\x0c\0\0\0cpa\nsub\nrest.."), (vec![], 0));
        // What is cut off, or compressed in another way, is not known.
        assert_eq!(of(b"\x80\x04X\x0c\0\0\0c"), (vec![], 1));
        assert_eq!(of(b"BZh9"), (vec![], 1));
        assert_eq!(of(b"{\"a\": 1}"), (vec![], 0));
    }

    #[test]
    fn names_between_arrays_are_found() {
        let mut bytes = b"\x80\x04\x8c\x13joblib.numpy_pickle\x94\x8c\x11NumpyArrayWrapper\x94\x93\x94".to_vec();
        bytes.extend([0xff; 40]);
        bytes.extend(b"\x8c\x02pb\x94\x8c\x01C\x94\x93.");
        assert_eq!(of(&bytes), (vec!["joblib.numpy_pickle".to_owned(), "pb".to_owned()], 0));
    }
}
