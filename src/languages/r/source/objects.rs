//! Objects that a function reads from a file beside it (`saveRDS()`, `save()`): which packages these are of. Classes of S4, and
//! functions and environments of a namespace, name theirs; a class of S3 is only a word, which the packages of a tree are asked
//! for ([`CLASSES`]).

use std::collections::BTreeSet;

use crate::languages::r::rdx::uncompressed;
use crate::languages::r::serialize::{self, STACK_BYTES, Value};
use crate::languages::{Source, Use};

/// What is before the classes of the objects in a file, in place of the name of a package: `class:a/b|c` for an object of the
/// classes `a` and `b` and one of `c`.
pub(in crate::languages::r) const CLASSES: &str = "class:";

/// Classes of R's base package, which has no NAMESPACE that they could be in, and of plain data.
const OF_BASE: &[&str] = &[
    "AsIs",
    "Date",
    "POSIXct",
    "POSIXlt",
    "POSIXt",
    "by",
    "call",
    "character",
    "condition",
    "data.frame",
    "difftime",
    "error",
    "factor",
    "formula",
    "function",
    "hexmode",
    "integer",
    "list",
    "logical",
    "matrix",
    "name",
    "noquote",
    "numeric",
    "numeric_version",
    "octmode",
    "ordered",
    "package_version",
    "R_system_version",
    "rle",
    "simpleError",
    "srcfile",
    "srcfilecopy",
    "srcref",
    "table",
    "terms",
    "warning",
];

/// How many classes of one file are read.
const MAX_CLASSES: usize = 1_000;

/// Whether a class is of R's base package.
pub(in crate::languages::r) fn is_of_base(class: &str) -> bool {
    OF_BASE.contains(&class)
}

/// The packages of the objects in a file, and their classes.
pub(super) fn read(bytes: &[u8]) -> Source {
    let mut source = Source::default();
    // They lie deeper in each other than the stack of this thread allows.
    let found = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || mentions(bytes));
        thread.ok().and_then(|thread| thread.join().ok()).and_then(Result::ok)
    });
    let Some((packages, classes)) = found else {
        source.cannot_tell(1, "the saved objects", "they are in a form that is not read");
        return source;
    };
    let mut uses = |package: String| {
        source.uses.push(Use { line: 1, package, optional: false, continues: true, attaches: false });
    };
    let classes: Vec<String> = classes.into_iter().take(MAX_CLASSES).collect();
    if !classes.is_empty() {
        uses(format!("{CLASSES}{}", classes.join("|")));
    }
    packages.into_iter().for_each(uses);
    source.tidy();
    source
}

/// The packages that objects name, and their classes that are not of R's base package, those of one object with `/`.
fn mentions(bytes: &[u8]) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
    let bytes = uncompressed(bytes)?;
    // `save()` writes its own word before the objects.
    let objects = [b"RDX2\n", b"RDX3\n"].iter().find_map(|magic| bytes.strip_prefix(*magic)).unwrap_or(&bytes);
    let (value, mentions) = serialize::read_with_mentions(objects)?;
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
    };
    let mut packages: BTreeSet<String> = mentions.packages.iter().map(ToString::to_string).collect();
    let mut stack = vec![&value];
    while let Some(value) = stack.pop() {
        if let Value::Call(parts) = value
            && let Some((package, _)) = serialize::qualified(parts)
        {
            packages.insert(package.to_owned());
        }
        stack.extend(value.children());
    }
    packages.retain(|name| is_name(name) && name != "base");
    let is_defined = |class: &str| is_of_base(class) || mentions.defined.iter().any(|defined| &**defined == class);
    let classes = mentions.classes.into_iter().filter(|classes| !classes.split('/').all(is_defined));
    Ok((packages, classes.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NULL: u32 = 254;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().copied().flat_map(u32::to_be_bytes).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        [words(&[9, u32::try_from(text.len()).expect("short")]), text.as_bytes().to_vec()].concat()
    }

    /// A list of these items, with this class.
    fn object(items: &[Vec<u8>], class: &str) -> Vec<u8> {
        let list = words(&[0x213, u32::try_from(items.len()).expect("few")]);
        let attribute =
            [words(&[2 | 1 << 10, 1]), text("class"), words(&[16, 1]), text(class), words(&[NULL])].concat();
        [list, items.concat(), attribute].concat()
    }

    fn used(objects: Vec<u8>) -> (Vec<String>, usize) {
        let source = read(&[b"X\n".to_vec(), words(&[2, 0, 0]), objects].concat());
        (source.uses.into_iter().map(|it| it.package).collect(), source.dynamic.len())
    }

    #[test]
    fn classes_and_namespaces_of_saved_objects_are_used_and_plain_data_uses_nothing() {
        assert_eq!(used(object(&[], "data.frame")), (Vec::new(), 0));
        assert_eq!(used(object(&[object(&[], "Date")], "rpart")), (vec!["class:rpart".to_owned()], 0));
        let namespace = [words(&[249, 0, 2]), text("rpart"), text("4.1")].concat();
        assert_eq!(used(object(&[namespace], "data.frame")), (vec!["rpart".to_owned()], 0));
        assert_eq!(used(vec![0, 0]), (Vec::new(), 1));
    }
}
