//! Steps about other forms of files: what an option would give what is packed unchanged.

use std::collections::BTreeMap;

use super::step::{Change, Draft, Figures, Setting, Steps, Suggestion};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::pack::measure::{Measurements, estimate};
use crate::pack::rewrite::Transforms;
use crate::pack::rewrite::strip::StripMode;
use crate::tree::{EntryId, Kind, Magic};

impl Steps<'_> {
    /// What is packed unchanged, in the forms that an option would give it, measured.
    pub(super) fn other_forms(&self, progress: &dyn Progress) -> Result<Vec<Suggestion>> {
        let tree = self.plan.analysis.tree();
        let is_elf = |id: EntryId| matches!(tree.entry(id).kind, Kind::File { magic: Magic::Elf, .. });
        let is_database = |id: EntryId| {
            let name = tree.path(id).name();
            tree.entry(id).is_file() && (name.ends_with(b".rdb") || name.ends_with(b".rdx"))
        };
        let mut found = Vec::new();
        if let Some(transforms) = self.stripping_all() {
            found.push(self.strip_all(&self.measured(&transforms, &is_elf, progress)?));
        }
        if let Some(transforms) = self.repacking() {
            found.push(self.repack(&self.measured(&transforms, &is_database, progress)?));
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
                &self.now,
                (self.settings.transforms.strip, &transforms),
            );
            found.push(Suggestion { figures: Figures::Estimated, ..self.strip_all(&kept(change)) });
        }
        if self.repacking().is_some() {
            let change = estimate::repacked(tree, &self.now, self.unzipped_left());
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
        let risk = match step.unzipped_bytes {
            ..0 => format!(
                "uses {} of the {} that are left unzipped; R reads the same values",
                size(step.unzipped_bytes.unsigned_abs()),
                size(self.unzipped_left())
            ),
            _ => step.risk.clone(),
        };
        Suggestion { risk, ..step }
    }

    /// How many bytes are left of what the layers can have unzipped.
    fn unzipped_left(&self) -> u64 {
        let unzipped: u64 = self.now.values().map(|(_, unzipped)| unzipped).sum();
        self.settings.limits.layers_unzipped().saturating_sub(unzipped)
    }

    /// What these transforms would change, of the packed files that satisfy `considered`.
    fn measured(
        &self,
        transforms: &Transforms,
        considered: &(dyn Fn(EntryId) -> bool + Sync),
        progress: &dyn Progress,
    ) -> Result<Change> {
        let tree = self.plan.analysis.tree();
        let wanted = |id: EntryId| self.now.contains_key(&id) && considered(id);
        let others: u64 = self.now.iter().filter(|(id, _)| !wanted(**id)).map(|(_, (_, unzipped))| unzipped).sum();
        let mut options = self.settings.measure_options(transforms);
        options.unzipped = options.unzipped.saturating_sub(others);
        options.only = Some(&wanted);
        let (measurements, _) = Measurements::take(tree, wanted, options, progress)?;
        let mut change = Change::new();
        for (id, now) in self.now.iter().filter(|(id, _)| wanted(**id)) {
            let Some(measured) = measurements.get(*id) else { continue };
            let then = (measured.zipped(tree.path(*id)), measured.bytes);
            if then != *now {
                change.insert(*id, Some(then));
            }
        }
        Ok(change)
    }
}

/// A change of files that all stay.
fn kept(sizes: BTreeMap<EntryId, (u64, u64)>) -> Change {
    sizes.into_iter().map(|(id, sizes)| (id, Some(sizes))).collect()
}
