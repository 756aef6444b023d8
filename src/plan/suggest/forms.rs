//! Steps about other forms of files: what an option would give what is packed unchanged.

use std::collections::BTreeMap;

use super::step::{Change, Draft, Figures, Setting, Steps, Suggestion};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::pack::measure::{OtherForms, estimate};
use crate::pack::rewrite::Transforms;
use crate::pack::rewrite::strip::StripMode;
use crate::tree::{EntryId, Kind, Magic, Tree};

impl Steps<'_> {
    /// What is packed unchanged, in the forms that an option would give it, measured.
    pub(super) fn other_forms(&self, progress: &dyn Progress) -> Result<Vec<Suggestion>> {
        let tree = self.plan.analysis.tree();
        let is_elf = |id: EntryId| matches!(tree.entry(id).kind, Kind::File { magic: Magic::Elf, .. });
        let mut found = Vec::new();
        if let Some(transforms) = self.stripping_all() {
            found.push(self.strip_all(&self.measured(&transforms, &is_elf, progress)?));
        }
        if let Some(transforms) = self.repacking() {
            found.push(self.repack(&self.measured(&transforms, &|id| is_database(tree, id), progress)?));
        }
        Ok(found)
    }

    /// The same, estimated from lengths that are known.
    pub(super) fn estimated_forms(&self) -> Vec<Suggestion> {
        let tree = self.plan.analysis.tree();
        let mut found = Vec::new();
        if let Some(transforms) = self.stripping_all() {
            let change = estimate::stripped(
                tree,
                self.plan.analysis.objects(),
                &self.sizes(|id| self.plan.analysis.objects().contains_key(&id)),
                (self.settings.transforms.strip, &transforms),
            );
            found.push(Suggestion { figures: Figures::Estimated, ..self.strip_all(&kept(change)) });
        }
        if self.repacking().is_some() {
            let change = estimate::repacked(tree, &self.sizes(|id| is_database(tree, id)), self.unzipped_left());
            found.push(Suggestion { figures: Figures::Estimated, ..self.repack(&kept(change)) });
        }
        found
    }

    /// The transforms with every symbol table removed; `None` if they already are.
    fn stripping_all(&self) -> Option<Transforms> {
        let transforms = &self.settings.transforms;
        let mut all = transforms.clone();
        all.strip = StripMode::All;
        (transforms.strip != StripMode::All).then_some(all)
    }

    /// The transforms with databases in other forms; `None` if they already are.
    fn repacking(&self) -> Option<Transforms> {
        let transforms = &self.settings.transforms;
        let mut repacking = transforms.clone();
        repacking.repack = true;
        (!transforms.repack).then_some(repacking)
    }

    fn strip_all(&self, change: &Change) -> Suggestion {
        let draft = Draft {
            name: "strip-all".to_owned(),
            step: "--strip all".to_owned(),
            what: "removes symbol tables and debug data from ELF files; what is loaded is unchanged".to_owned(),
            risk: "backtraces of native code lack names".to_owned(),
            setting: Some(Setting::Text("strip", "all".to_owned())),
        };
        self.step(draft, change)
    }

    fn repack(&self, change: &Change) -> Suggestion {
        let draft = Draft {
            name: "repack-rdb".to_owned(),
            step: "--repack-rdb".to_owned(),
            what: "stores R's databases uncompressed, so that the zip compresses each as a whole".to_owned(),
            risk: "none known: R reads the same values".to_owned(),
            setting: Some(Setting::On("repack-rdb")),
        };
        let step = self.step(draft, change);
        // Measured in reports/scale.md: with 1.8 times the bytes, unzipping takes 1.5 times the processor time, a function that
        // loads all packages reads 1.9 times the bytes, and R computes no longer.
        let risk = match step.unzipped_bytes {
            ..0 => format!(
                "uses {} of the {} that are left unzipped, which a cold start unzips and reads; R reads the same values",
                size(step.unzipped_bytes.unsigned_abs()),
                size(self.unzipped_left())
            ),
            _ => step.risk.clone(),
        };
        Suggestion { risk, ..step }
    }

    /// How many bytes are left of what the layers can have unzipped.
    fn unzipped_left(&self) -> u64 {
        self.settings.limits.layers_unzipped().saturating_sub(self.unzipped())
    }

    /// How many bytes the layers have unzipped.
    pub(super) fn unzipped(&self) -> u64 {
        self.now.iter().map(|entry| entry.unzipped).sum()
    }

    /// What these transforms would change, of the packed files that satisfy `considered`.
    fn measured(
        &self,
        transforms: &Transforms,
        considered: &(dyn Fn(EntryId) -> bool + Sync),
        progress: &dyn Progress,
    ) -> Result<Change> {
        let tree = self.plan.analysis.tree();
        let wanted = |id: EntryId| self.now.get(id).is_some() && considered(id);
        let others: u64 = self.now.iter().filter(|entry| !wanted(entry.id)).map(|entry| entry.unzipped).sum();
        let other = OtherForms {
            files: &wanted,
            unzipped: self.settings.limits.layers_unzipped().saturating_sub(others),
            level: self.settings.level,
            transforms,
            xz: true,
        };
        let mut change = Change::new();
        for (id, measured) in self.plan.measurements.in_other_forms(tree, &other, progress)? {
            let then = (measured.zipped(tree.path(id)), measured.bytes);
            if then != self.size(id) {
                change.insert(id, Some(then));
            }
        }
        Ok(change)
    }
}

/// Whether a file is named like a database of R, or its index.
fn is_database(tree: &Tree, id: EntryId) -> bool {
    let name = tree.path(id).name();
    tree.entry(id).is_file() && (name.ends_with(b".rdb") || name.ends_with(b".rdx"))
}

/// A change of files that all stay.
fn kept(sizes: BTreeMap<EntryId, (u64, u64)>) -> Change {
    sizes.into_iter().map(|(id, sizes)| (id, Some(sizes))).collect()
}
