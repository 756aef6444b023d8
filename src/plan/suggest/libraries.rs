//! The step that copies missing libraries from the build host.

use super::step::{Change, Draft, Figures, Setting, Steps, Suggestion, signed};
use crate::base::bytes::plural;
use crate::base::finding::{Code, Severity};
use crate::base::list;
use crate::plan::bundle_offer::offer;
use crate::tree::{Kind, Magic};

/// How many names a sentence lists.
const MAX_NAMES: usize = 4;

impl Steps<'_> {
    /// Copying missing libraries from the build host, if it has some that would load in the image.
    pub(super) fn libraries(&self) -> Option<Suggestion> {
        let analysis = &self.plan.analysis;
        let host = analysis.offered_host.as_ref()?;
        let offer = offer(&analysis.resolution, host, |id| self.plan.pruning.keeps(id))?;
        let is_corrected =
            |cause: Option<&str>| cause.is_some_and(|cause| offer.sonames.iter().any(|name| name == cause));
        let corrected: Vec<Severity> = self
            .plan
            .findings
            .iter()
            .filter(|finding| finding.code == Code::MissingLibrary && is_corrected(finding.cause.as_deref()))
            .map(|finding| finding.severity)
            .filter(|severity| *severity != Severity::Info)
            .collect();
        let errors = corrected.iter().filter(|severity| **severity == Severity::Error).count();
        let warnings = corrected.len() - errors;
        let counted = [(errors, "error", "errors"), (warnings, "warning", "warnings")];
        let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
        let counted: Vec<String> = counted.map(|(count, one, many)| plural(count, one, many)).collect();
        let draft = Draft {
            name: "bundle".to_owned(),
            step: "--bundle".to_owned(),
            what: format!(
                "corrects {}: copies {}",
                list::with_last(&counted, "and"),
                list::some(&offer.sonames, MAX_NAMES)
            ),
            risk: "none known, if the tree was built on this machine".to_owned(),
            setting: Some(Setting::On("bundle")),
        };
        (!corrected.is_empty()).then(|| Suggestion {
            files: offer.files,
            unzipped_bytes: -signed(offer.bytes),
            zipped_bytes: self.plan.is_measured().then(|| -signed(self.zipped_elf(offer.bytes))),
            figures: Figures::Estimated,
            corrects: corrected.len(),
            ..self.step(draft, &Change::new())
        })
    }

    /// About what ELF files of these bytes have in zips, as those of the tree do.
    fn zipped_elf(&self, bytes: u64) -> u64 {
        let tree = self.plan.analysis.tree();
        let is_elf = |id| matches!(tree.entry(id).kind, Kind::File { magic: Magic::Elf, .. });
        let elf = self.now.iter().filter(|entry| is_elf(entry.id));
        let (zipped, unzipped) =
            elf.fold((0, 0), |sum: (u64, u64), entry| (sum.0 + entry.zipped, sum.1 + entry.unzipped));
        match unzipped {
            0 => bytes / 2,
            unzipped => u64::try_from(u128::from(bytes) * u128::from(zipped) / u128::from(unzipped)).unwrap_or(bytes),
        }
    }
}
