//! The step that copies missing libraries from the build host.

use std::collections::BTreeSet;

use super::step::{Change, Draft, Figures, Setting, Steps, Suggestion, signed};
use crate::base::bytes::plural;
use crate::base::finding::{Code, Severity};
use crate::base::list;
use crate::plan::bundle::wanted;
use crate::plan::bundle_offer::{BundleOffer, offer};
use crate::tree::{Kind, Magic};

/// How many names a sentence lists.
const MAX_NAMES: usize = 4;

impl Steps<'_> {
    /// Copying missing libraries from the build host, if it has some that would load in the image, or if it is not known what it
    /// has.
    pub(super) fn libraries(&self) -> Option<Suggestion> {
        let analysis = &self.plan.analysis;
        let kept = |id| self.plan.pruning.keeps(id);
        match (&analysis.offered_host, self.settings.bundle_from.is_some()) {
            (Some(host), _) => self.copied(&offer(&analysis.resolution, host, kept)?),
            (None, false) => self.looked_up(wanted(&analysis.resolution, kept).iter().map(|one| one.soname.as_str())),
            (None, true) => None,
        }
    }

    /// What is copied from a build host that is known.
    fn copied(&self, offer: &BundleOffer) -> Option<Suggestion> {
        let corrected = self.corrected(&offer.sonames.iter().map(String::as_str).collect());
        let draft = bundle(
            format!("corrects {}: copies {}", counted(&corrected), list::some(&offer.sonames, MAX_NAMES)),
            "none known, if the tree was built on this machine",
        );
        (!corrected.is_empty()).then(|| Suggestion {
            files: offer.files,
            unzipped_bytes: -signed(offer.bytes),
            zipped_bytes: self.plan.is_measured().then(|| -signed(self.zipped_elf(offer.bytes))),
            figures: Figures::Estimated,
            corrects: corrected.len(),
            ..self.step(draft, &Change::new())
        })
    }

    /// What is only looked up when it is copied: the same plan on every machine.
    fn looked_up<'s>(&self, sonames: impl Iterator<Item = &'s str>) -> Option<Suggestion> {
        // Of some that the tree has elsewhere, another remedy is known.
        // In another tree than was meant, nothing tells what is missing.
        if self.plan.findings.iter().any(|finding| finding.of_another_tree && finding.severity == Severity::Error) {
            return None;
        }
        let advised = self.plan.findings.iter().filter(|finding| finding.for_bundle);
        let advised: BTreeSet<&str> = advised.filter_map(|finding| finding.cause.as_deref()).collect();
        let sonames: BTreeSet<&str> = sonames.filter(|soname| advised.contains(soname)).collect();
        let corrected = self.corrected(&sonames);
        let names: Vec<&str> = sonames.into_iter().collect();
        let draft = bundle(
            format!("corrects up to {}: copies {}", counted(&corrected), list::some(&names, MAX_NAMES)),
            "libraries of a machine on which the tree was not built",
        );
        (!corrected.is_empty()).then(|| Suggestion {
            files: 0,
            figures: Figures::Unknown,
            corrects: corrected.len(),
            ..self.step(draft, &Change::new())
        })
    }

    /// The findings about these missing libraries.
    fn corrected(&self, sonames: &BTreeSet<&str>) -> Vec<Severity> {
        let findings = self.plan.findings.iter().filter(|finding| finding.code == Code::MissingLibrary);
        let about = findings.filter(|finding| finding.cause.as_deref().is_some_and(|cause| sonames.contains(cause)));
        about.map(|finding| finding.severity).filter(|severity| *severity != Severity::Info).collect()
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

fn bundle(what: String, risk: &str) -> Draft {
    Draft {
        name: "bundle".to_owned(),
        step: "--bundle".to_owned(),
        what,
        risk: risk.to_owned(),
        setting: Some(Setting::On("bundle")),
    }
}

/// How many errors and warnings these are.
fn counted(severities: &[Severity]) -> String {
    let errors = severities.iter().filter(|severity| **severity == Severity::Error).count();
    let counted = [(errors, "error", "errors"), (severities.len() - errors, "warning", "warnings")];
    let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
    let counted: Vec<String> = counted.map(|(count, one, many)| plural(count, one, many)).collect();
    list::with_last(&counted, "and")
}
