//! Work: all jobs done on all cores, each file in the form in which it is packed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::contents::Contents;
use super::databases::{Database, choose_forms};
use super::files::Files;
use super::jobs::Job;
use super::measured::{Measured, Rewritten, Want};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::pack::rewrite::strip::{Stripped, strip};
use crate::pack::rewrite::{Form, Transforms};
use crate::tree::{EntryId, Kind, Magic};

/// ELF files of more bytes are not stripped, as both forms are in memory then.
pub(super) const STRIP_BYTES: u64 = 96 << 20;

/// The results of all jobs.
pub(super) struct Gathered {
    pub(super) files: Files,
    pub(super) rewritten: BTreeMap<EntryId, Rewritten>,
    databases: Vec<Database>,
    /// By the file that they are about.
    pub(super) findings: BTreeMap<EntryId, Finding>,
}

/// What every job needs.
pub(super) struct Work<'a> {
    pub(super) contents: Contents<'a>,
    pub(super) transforms: &'a Transforms,
    /// What is needed of the contents that are packed.
    pub(super) want: Want,
    /// Whether the forms that stripped files have in the tree are compressed as well.
    pub(super) weigh: bool,
    /// Whether databases are also compressed with xz, if the others are too long.
    pub(super) xz: bool,
}

/// The results of all jobs, on all cores.
struct Results(Mutex<Gathered>);

impl Results {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, id: EntryId, finding: Finding) {
        self.lock().findings.insert(id, finding);
    }

    fn done(&self, id: EntryId, measured: Measured) {
        self.lock().files.insert(id, measured);
    }
}

impl Work<'_> {
    /// Does all jobs; the databases are in the form that is the smallest zipped, within `unzipped` bytes for what is kept.
    pub(super) fn measure_all(
        &self,
        jobs: Vec<Job>,
        kept: &(impl Fn(EntryId) -> bool + Sync),
        unzipped: u64,
        progress: &dyn Progress,
    ) -> Result<Gathered> {
        let (tree, engine) = (self.contents.tree, self.contents.engine);
        progress.stage("compressing", jobs.iter().map(|job| job.bytes(tree)).sum());
        let results = Results(Mutex::new(Gathered {
            files: Files::of(tree),
            rewritten: BTreeMap::new(),
            databases: Vec::new(),
            findings: BTreeMap::new(),
        }));
        // Short blocks in order: splitting by halves would start with the smallest files as well.
        jobs.into_par_iter().by_uniform_blocks(64).try_for_each(|job| -> Result<()> {
            match job {
                Job::File(id) => self.file(id, kept(id), &results)?,
                Job::Database { database, index } => {
                    let (measured, finding) = Database::measure(self.contents, [database, index], self.want)?;
                    let mut gathered = results.lock();
                    gathered.databases.push(measured);
                    gathered.findings.extend(finding.map(|finding| (database, finding)));
                }
            }
            progress.advance(job.bytes(tree));
            Ok(())
        })?;
        let mut gathered = results.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let others: u64 = gathered.files.iter(tree).filter(|(id, _)| kept(*id)).map(|(_, file)| file.bytes).sum();
        let room = unzipped.saturating_sub(others);
        choose_forms(self.contents, &mut gathered.databases, (room, self.xz), self.want)?;
        for (id, measured, rewritten) in std::mem::take(&mut gathered.databases).into_iter().flat_map(Database::files) {
            gathered.rewritten.extend(rewritten.map(|rewritten| (id, rewritten)));
            gathered.files.insert(id, measured);
        }
        engine.finish();
        Ok(gathered)
    }

    fn file(&self, id: EntryId, kept: bool, results: &Results) -> Result<()> {
        let Contents { tree, engine, .. } = self.contents;
        let entry = tree.entry(id);
        let want = if kept { self.want } else { Want::Length };
        if let Kind::Link { target } = &entry.kind {
            results.done(id, self.contents.made(id, target, want)?);
            return Ok(());
        }
        let is_elf = matches!(entry.kind, Kind::File { magic: Magic::Elf, .. });
        let strips = kept && is_elf && self.transforms.strips(&entry.path);
        if !strips || entry.bytes() > STRIP_BYTES {
            if strips {
                results.found(id, not_stripped(&entry.path, &format!("it is longer than {}", size(STRIP_BYTES))));
            }
            results.done(id, self.contents.unchanged(id, want)?);
            return Ok(());
        }
        let _permit = engine.acquire(2 * entry.bytes());
        let content = tree.read_in_buffer(id)?;
        let measured = match strip(&content, self.transforms.strip) {
            Stripped::Smaller(stripped) => {
                let before = self.weigh.then(|| self.contents.made(id, &content, Want::Length)).transpose()?;
                let compressed = before.map(|before| before.compressed);
                let form = Rewritten { form: Form::Stripped, bytes: content.len() as u64, compressed };
                drop(content);
                results.lock().rewritten.insert(id, form);
                self.contents.made(id, &stripped, want)?
            }
            Stripped::Nothing => self.contents.of_file(id, &content, want)?,
            Stripped::LeftAlone(why) => {
                results.found(id, not_stripped(&entry.path, &why));
                self.contents.of_file(id, &content, want)?
            }
        };
        results.done(id, measured);
        Ok(())
    }
}

/// The finding about an ELF file that is not stripped.
fn not_stripped(path: &TreePath, why: &str) -> Finding {
    Finding::info(
        Code::NotStripped,
        path,
        format!("is packed with its debug data: {why}"),
        "strip it when it is built, before other tools change it",
    )
}
