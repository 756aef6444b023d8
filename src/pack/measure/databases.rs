//! Databases of R and their indexes: the forms that they can be packed in, and which of these is chosen.

use std::cmp::Reverse;

use rayon::prelude::*;

use super::contents::Contents;
use super::measured::{Measured, Rewritten, Want};
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::languages::r::rdx::Compression;
use crate::languages::r::repack::{TOO_LARGE, repack};
use crate::pack::rewrite::Form;
use crate::tree::{EntryId, Tree};

/// The lowest of libdeflate's levels for open databases. On an R tree, level 8 makes them 7 % smaller than level 6, and level
/// 9 one percent smaller still; other files only gain half a percent.
const OPEN_LEVEL: i32 = 8;

/// Databases of more bytes stay as they are, as both forms are in memory while one is made from the other. R's own
/// are much shorter.
pub(super) const DATABASE_BYTES: u64 = 32 << 20;

/// A database that would have more bytes with open records stays as it is.
const OPEN_BYTES: u64 = 64 << 20;

/// What compressing with xz takes in memory, in bytes, besides contents: preset 6 takes 94 MiB of address space (xz(1)), and less
/// is touched for short records.
const XZ_BYTES: u64 = 64 << 20;

/// An R database and its index, and the forms they can be packed in.
pub(super) struct Database {
    rdb: EntryId,
    rdx: EntryId,
    /// The first is that of the tree.
    forms: Vec<(Form, [Measured; 2])>,
    chosen: usize,
}

impl Database {
    /// How many bytes both have in the tree.
    fn bytes(&self, tree: &Tree) -> u64 {
        tree.entry(self.rdb).bytes() + tree.entry(self.rdx).bytes()
    }

    /// Both files in the form that was chosen; with what they were, if that is another one.
    pub(super) fn files(self) -> impl Iterator<Item = (EntryId, Measured, Option<Rewritten>)> {
        let Self { rdb, rdx, mut forms, chosen } = self;
        let before = forms[0].1.clone();
        let (form, measured) = forms.swap_remove(chosen);
        [rdb, rdx].into_iter().zip(measured).zip(before).map(move |((id, new), old)| {
            let rewritten = Rewritten { form, bytes: old.bytes, compressed: Some(old.compressed) };
            (id, new, (chosen > 0).then_some(rewritten))
        })
    }

    fn zipped(&self, form: usize) -> u64 {
        self.forms[form].1.iter().map(|measured| measured.compressed).sum()
    }

    fn unzipped(&self, form: usize) -> u64 {
        self.forms[form].1.iter().map(|measured| measured.bytes).sum()
    }

    /// Measures a database and its index as they are and with open records. Returns with them why the latter was not possible.
    pub(super) fn measure(
        contents: Contents<'_>,
        [database, index]: [EntryId; 2],
        want: Want,
    ) -> Result<(Self, Option<Finding>)> {
        let Contents { tree, engine, level } = contents;
        let length = tree.entry(database).bytes() + tree.entry(index).bytes();
        // Open, a database is about three times as long. One that is longer waits for room of its own.
        let most = (4 * length).min(OPEN_BYTES);
        let mut permit = engine.acquire(2 * most.max(length));
        let (content, map) = (tree.read(database)?, tree.read(index)?);
        let as_it_is = [contents.made(database, &content, want)?, contents.made(index, &map, want)?];
        let mut open = repack(&content, &map, Compression::Open, most);
        drop(content);
        if most < OPEN_BYTES && open.as_ref().is_err_and(|why| why == TOO_LARGE) {
            drop(permit);
            permit = engine.acquire(2 * OPEN_BYTES);
            open = repack(&tree.read(database)?, &map, Compression::Open, OPEN_BYTES);
        }
        let (mut forms, mut finding) = (vec![(Form::AsItIs, as_it_is)], None);
        match open {
            Ok(Some(open)) => {
                let harder = Contents { level: level.max(OPEN_LEVEL), ..contents };
                let measured = [harder.made(database, &open.database, want)?, contents.made(index, &open.index, want)?];
                forms.push((Form::Open, measured));
            }
            Ok(None) => {}
            Err(why) => {
                finding = Some(Finding::info(
                    Code::NotRepacked,
                    tree.path(database),
                    format!("is packed unchanged: {why}"),
                    "install the package again if R cannot read it either",
                ));
            }
        }
        drop(permit);
        Ok((Self { rdb: database, rdx: index, forms, chosen: 0 }, finding))
    }
}

/// Chooses the form of each database: the smallest zipped, within `room` bytes unzipped for all. `xz` is whether they are also
/// compressed with xz, which is slow, if the others are too long.
///
/// That is a multiple-choice knapsack. It is solved greedily by marginal price: while the forms exceed the room, the
/// change of form that costs the fewest zipped bytes for each unzipped byte saved is made.
///
/// # Errors
/// When a file cannot be read, or the temporary file cannot be written.
pub(super) fn choose_forms(
    contents: Contents<'_>,
    databases: &mut [Database],
    (room, xz): (u64, bool),
    want: Want,
) -> Result<()> {
    let Contents { tree, engine, .. } = contents;
    // In the order of the jobs, which does not depend on which was done first.
    databases.sort_by_key(|database| (Reverse(database.bytes(tree)), database.rdb));
    for database in &mut *databases {
        let forms = 0..database.forms.len();
        database.chosen = forms.min_by_key(|form| database.zipped(*form)).unwrap_or(0);
    }
    let total = |databases: &[Database]| databases.iter().map(|d| d.unzipped(d.chosen)).sum::<u64>();
    if total(databases) <= room {
        return Ok(());
    }
    // The xz forms are slow to make, and only needed now.
    let with_xz: &mut [Database] = if xz { &mut *databases } else { &mut [] };
    with_xz.par_iter_mut().try_for_each(|database| -> Result<()> {
        let (rdb, rdx) = (database.rdb, database.rdx);
        let length = database.bytes(tree);
        let _permit = engine.acquire(3 * length + XZ_BYTES);
        let (content, map) = (tree.read(rdb)?, tree.read(rdx)?);
        // With xz it is shorter than with anything else that R has.
        if let Ok(Some(xz)) = repack(&content, &map, Compression::Xz, 2 * length) {
            let measured = [contents.made(rdb, &xz.database, want)?, contents.made(rdx, &xz.index, want)?];
            database.forms.push((Form::Xz, measured));
        }
        Ok(())
    })?;
    while total(databases) > room {
        let mut best: Option<(u128, usize, usize)> = None;
        for (position, database) in databases.iter().enumerate() {
            for form in 0..database.forms.len() {
                let saved = database.unzipped(database.chosen).saturating_sub(database.unzipped(form));
                let cost = database.zipped(form).saturating_sub(database.zipped(database.chosen));
                if saved > 0 {
                    // Zipped bytes for each million of unzipped bytes.
                    let price = u128::from(cost) * 1_000_000 / u128::from(saved);
                    best = best.min(Some((price, position, form))).or(Some((price, position, form)));
                }
            }
        }
        let Some((_, position, form)) = best else { break };
        databases[position].chosen = form;
    }
    Ok(())
}
