//! Estimate: about what files would be in other forms, from lengths that are known without compressing anything.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::formats::elf::Section;
use crate::languages::r::repack::open_bytes;
use crate::pack::rewrite::Transforms;
use crate::pack::rewrite::strip::StripMode;
use crate::tree::{EntryId, Objects, Tree};

/// The zipped and unzipped bytes of entries, headers included in zips.
type Sizes = BTreeMap<EntryId, (u64, u64)>;

/// How many percent fewer zipped bytes a database of R has when its records are not compressed: measured on those of R 4.2 and
/// 40 packages (17), and of R's own packages (16).
const OPEN_SAVES: u64 = 16;

/// How many percent of a symbol table's length its zipped bytes are: measured on the ELF files of the same tree (28).
const SYMBOLS_ZIPPED: u64 = 28;

/// Shorter databases stay as they are.
const MIN_SAVED: u64 = 64;

/// The packed databases with open records, as long as they have no more than `room` bytes more than now; if they would, a
/// part of what they would save and add.
pub(crate) fn repacked(tree: &Tree, now: &Sizes, room: u64) -> Sizes {
    let databases: Vec<EntryId> = now.keys().copied().filter(|id| tree.path(*id).name().ends_with(b".rdb")).collect();
    let longer = databases.into_par_iter().filter_map(|id| {
        let index = tree.path(id).parent()?.join(&index_name(tree.path(id).name())?)?;
        let index = tree.find(&index).filter(|index| now.contains_key(index))?;
        let open = open_bytes(&tree.read_in_buffer(id).ok()?, &tree.read_in_buffer(index).ok()?)?;
        let (zipped, unzipped) = now[&id];
        let saved = zipped * OPEN_SAVES / 100;
        let more = open.checked_sub(unzipped).filter(|more| *more > 0 && saved >= MIN_SAVED)?;
        Some((id, saved, more))
    });
    let longer: Vec<(EntryId, u64, u64)> = longer.collect();
    let added: u64 = longer.iter().map(|(.., more)| more).sum();
    let share = |bytes: u64| match added {
        0 => 0,
        added => u64::try_from(u128::from(bytes) * u128::from(room.min(added)) / u128::from(added)).unwrap_or(bytes),
    };
    let sizes = longer.into_iter().map(|(id, saved, more)| {
        let (zipped, unzipped) = now[&id];
        (id, (zipped - share(saved), unzipped + share(more)))
    });
    sizes.collect()
}

fn index_name(database: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(database).ok()?;
    Some(format!("{}.rdx", name.strip_suffix(".rdb")?))
}

/// The packed ELF files without symbol tables, and without debug data if `from` is a mode that leaves it in.
pub(crate) fn stripped(tree: &Tree, objects: &Objects, now: &Sizes, (from, to): (StripMode, &Transforms)) -> Sizes {
    let is_removed = |section: &&Section| {
        let is_debug = from == StripMode::None && section.name.starts_with(".debug");
        !section.loaded && (is_debug || [".symtab", ".strtab"].contains(&section.name.as_str()))
    };
    let of_each = now.iter().filter_map(|(id, (zipped, unzipped))| {
        let elf = objects.get(id).filter(|_| to.strips(tree.path(*id)))?;
        let removed: u64 = elf.sections.iter().filter(is_removed).map(|section| section.bytes).sum();
        let (removed, saved) = (removed.min(*unzipped), (removed * SYMBOLS_ZIPPED / 100).min(*zipped));
        (removed > 0).then(|| (*id, (zipped - saved, unzipped - removed)))
    });
    of_each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::path::TreePath;
    use crate::languages::r::rdx::tests::index;
    use crate::tree::scan_directory;

    #[test]
    fn open_databases_save_a_share_of_their_zipped_bytes_and_grow_as_far_as_there_is_room() {
        let root = tempfile::tempdir().expect("a directory");
        // Two records, which are 3,000 and 2,000 bytes long when they are open, as their first four bytes tell.
        let mut database = vec![0; 500];
        database[..4].copy_from_slice(&3000_u32.to_be_bytes());
        database[300..304].copy_from_slice(&2000_u32.to_be_bytes());
        std::fs::write(root.path().join("p.rdb"), &database).expect("written");
        std::fs::write(root.path().join("p.rdx"), index(&[(0, 300), (300, 200)], 1)).expect("written");
        let (tree, findings) = scan_directory(root.path()).expect("scanned");
        assert!(findings.is_empty(), "{findings:?}");
        let id = |name: &str| tree.find(&TreePath::new(name).expect("a path")).expect("there");
        let change = |zipped: u64, room: u64| {
            let now = Sizes::from([(id("p.rdb"), (zipped, 500)), (id("p.rdx"), (90, 100))]);
            repacked(&tree, &now, room)
        };
        let only = |sizes: (u64, u64)| Sizes::from([(id("p.rdb"), sizes)]);
        assert_eq!(change(550, u64::MAX), only((550 - 88, 500 + 4500)));
        assert_eq!(change(550, 2250), only((550 - 44, 500 + 2250)), "half of it where there is room for half");
        assert_eq!(change(390, u64::MAX), Sizes::new(), "62 bytes are not worth it");
        // Without its index, it cannot be changed.
        assert_eq!(repacked(&tree, &only((550, 500)), u64::MAX), Sizes::new());
    }
}
