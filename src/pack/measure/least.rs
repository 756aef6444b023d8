//! The least that a file can be: its length in the shortest form in which it can be packed, without making that form.

use super::databases::DATABASE_BYTES;
use super::work::STRIP_BYTES;
use crate::pack::rewrite::Transforms;
use crate::tree::{EntryId, Kind, Magic, Objects, Tree};

/// The fewest bytes that an entry can have in any form that these transforms give it. A stripped file keeps everything up to the
/// end of its last segment; of a database, anything can be left out that its index does not name.
pub(crate) fn least_bytes(tree: &Tree, objects: &Objects, id: EntryId, transforms: &Transforms) -> u64 {
    let entry = tree.entry(id);
    let bytes = entry.bytes();
    let Kind::File { magic, .. } = &entry.kind else { return bytes };
    let name = entry.path.name();
    if transforms.repack && bytes <= DATABASE_BYTES && (name.ends_with(b".rdb") || name.ends_with(b".rdx")) {
        return 0;
    }
    if *magic == Magic::Elf && bytes <= STRIP_BYTES && transforms.strips(&entry.path) {
        return objects.get(&id).map_or(0, |elf| elf.segments_end.min(bytes));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::rewrite::strip::StripMode;

    #[test]
    fn the_fewest_bytes_of_a_file_are_those_that_no_form_of_it_can_be_without() {
        let home = tempfile::tempdir().expect("a directory");
        let program = std::env::current_exe().expect("a path");
        std::fs::copy(program, home.path().join("program")).expect("copied");
        for name in ["a.rdb", "a.rdx", "text"] {
            std::fs::write(home.path().join(name), "twelve bytes").expect("written");
        }
        std::fs::write(home.path().join("damaged"), b"\x7fELF twelve").expect("written");
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let (objects, _) = crate::tree::read_objects(&tree);
        let least = |strip, repack| {
            let transforms = Transforms::new(strip, &[], repack).expect("no globs");
            let of = |(id, _)| least_bytes(&tree, &objects, id, &transforms);
            tree.iter().map(of).collect::<Vec<u64>>()
        };
        let whole = tree.iter().map(|(_, entry)| entry.bytes()).collect::<Vec<u64>>();
        let [rdb, rdx, damaged, program, text] = whole[..] else { panic!("{whole:?}") };
        assert_eq!(least(StripMode::None, false), whole);
        assert_eq!(least(StripMode::None, true), [0, 0, damaged, program, text]);
        let stripped = least(StripMode::Debug, false);
        // A program longer than is stripped stays as it is.
        let kept = objects.values().next().expect("a program").segments_end;
        let expected = if program > STRIP_BYTES { program } else { kept };
        assert_eq!(stripped, [rdb, rdx, 0, expected, text]);
    }
}
