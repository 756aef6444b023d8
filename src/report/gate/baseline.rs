//! The baseline: the sizes of layers that were accepted earlier. It is the manifest of an earlier run, or a small file that is
//! committed and only ratchets down.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::budget::{Budget, BudgetScope, Growth};
use crate::base::bytes::{plural, size, sizes_apart};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::read;
use crate::base::size::Size;
use crate::base::subject::Subject;
use crate::pack::output::MANIFEST;
use crate::report::diff::{RecordedSizes, Side, Snapshot, percent};

/// How many of the packages that grew are named.
const MAX_NAMES: usize = 3;

/// Which bytes of a size are counted: zipped or unzipped.
type Bytes = fn(&Size) -> u64;

/// The sizes from which growth is counted.
#[derive(Debug, Clone)]
pub(super) struct Baseline {
    path: PathBuf,
    recorded: RecordedSizes,
    /// Whether it is a baseline file, which can be updated.
    ratchet: bool,
}

/// What `--update-baseline` did to the baseline file.
#[derive(Debug, Clone)]
pub struct Recorded {
    path: PathBuf,
    what: &'static str,
    /// How many sizes grew, within what is allowed, and are recorded as they were.
    kept: usize,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)?;
        if self.kept == 0 {
            return Ok(());
        }
        let sizes = plural(self.kept, "size that grew is", "sizes that grew are");
        write!(f, "; {sizes} recorded as before (to accept growth, remove the file first)")
    }
}

impl Baseline {
    /// Reads a manifest, or a baseline file; `None` when there is no file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or is neither.
    pub(super) fn load(path: &Path, budgets: &[Budget]) -> Result<Option<Self>> {
        if path.is_dir() {
            let manifest = path.join(MANIFEST);
            let help = if manifest.is_file() {
                format!("name its manifest: --baseline {}", word(&manifest.to_string_lossy()))
            } else {
                "name a file: that of an earlier --update-baseline, or the manifest.json of packed layers".to_owned()
            };
            return Err(Error::Usage { message: format!("baseline {}: is a directory", path.display()), help });
        }
        let Some(text) = read::text_if_there(path, read::MAX_MANIFEST)? else { return Ok(None) };
        let (recorded, ratchet) = match Side::of_text(path, &text)? {
            Side::Baseline { recorded, .. } => (recorded, true),
            Side::Layers(snapshot) => (sizes(&snapshot, budgets), false),
        };
        Ok(Some(Self { path: path.to_owned(), recorded, ratchet }))
    }

    /// The size that it records of something.
    pub(super) fn recorded(&self, name: &str) -> Option<Size> {
        self.recorded.sizes.get(name).copied()
    }

    /// The names of everything that it records.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.recorded.sizes.keys().map(String::as_str)
    }

    /// A finding if something grew by more than is allowed, in zips or unzipped.
    pub(super) fn grown(&self, subject: &Subject, now: Size, growth: Growth, snapshot: &Snapshot) -> Option<Finding> {
        let before = self.recorded.sizes.get(subject.as_str())?;
        let counted: [(Bytes, &str); 2] =
            [(|size| size.zipped_bytes, "zipped"), (|size| size.unzipped_bytes, "unzipped")];
        let over = |(bytes, _): &(Bytes, &str)| bytes(&now) > growth.limit(bytes(before));
        let over: Vec<(Bytes, &str)> = counted.into_iter().filter(over).collect();
        let (first, _) = over.first()?;
        let parts: Vec<String> = over
            .iter()
            .map(|(bytes, how)| {
                let (before, now) = (bytes(before), bytes(&now));
                let (now_shown, before_shown) = sizes_apart(now, before);
                let more = match growth {
                    Growth::BasisPoints(_) if before > 0 => {
                        format!("{} ({})", percent(now - before, before), size(now - before))
                    }
                    _ => size(now - before),
                };
                format!("{now_shown} {how} are {more} more than {before_shown}")
            })
            .collect();
        Some(Finding::error(
            Code::Grew,
            subject.clone(),
            format!(
                "{} in {}, and +{growth} is allowed{}",
                parts.join(", and "),
                self.path.display(),
                self.most_grown(subject, snapshot, *first)
            ),
            format!(
                "`layerfit diff {} {}` shows what grew; if that is intended, {}",
                word(&self.path.to_string_lossy()),
                // The names of several zips are separated by spaces.
                if snapshot.root.contains(' ') { "NEW".to_owned() } else { word(&snapshot.root) },
                self.acceptance(),
            ),
        ))
    }

    /// How growth is accepted.
    fn acceptance(&self) -> String {
        if self.ratchet {
            format!("remove {} and check again with --update-baseline", self.path.display())
        } else {
            "name the manifest of the layers that have it as the baseline".to_owned()
        }
    }

    /// The packages that grew most in these bytes, as text.
    fn most_grown(&self, subject: &Subject, snapshot: &Snapshot, bytes: Bytes) -> String {
        if *subject != Subject::whole("total") {
            return String::new();
        }
        let grown = snapshot.package_sizes().into_iter().filter_map(|(name, now)| {
            let before = self.recorded.sizes.get(&format!("pkg:{name}")).copied().unwrap_or_default();
            Some((bytes(&now).checked_sub(bytes(&before)).filter(|more| *more > 0)?, name))
        });
        let mut grown: Vec<(u64, &str)> = grown.collect();
        grown.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let named: Vec<String> =
            grown.iter().take(MAX_NAMES).map(|(more, name)| format!("{name} +{}", size(*more))).collect();
        if named.is_empty() { String::new() } else { format!("; largest increases: {}", named.join(", ")) }
    }

    /// A note if the layers are smaller than the baseline, so that it can be ratcheted down.
    pub(super) fn slack(&self, snapshot: &Snapshot) -> Option<Finding> {
        let before = self.recorded.sizes.get("total")?.zipped_bytes;
        let less = before.checked_sub(snapshot.total().zipped_bytes).filter(|less| *less > 0)?;
        self.ratchet.then(|| {
            Finding::info(
                Code::CanShrink,
                Subject::file(self.path.display()),
                format!("the layers are {} zipped smaller than it records", size(less)),
                "--update-baseline records the smaller sizes",
            )
        })
    }

    /// Records the sizes of the layers in the file at `path`, where they are not larger than the recorded ones. What was removed
    /// from the layers is removed from the file, and what was added is added.
    ///
    /// # Errors
    /// When the file is a manifest, or cannot be written; it is then unchanged.
    pub(super) fn update(old: Option<&Self>, path: &Path, budgets: &[Budget], snapshot: &Snapshot) -> Result<Recorded> {
        if old.is_some_and(|old| !old.ratchet) {
            return Err(Error::Usage {
                message: format!("{}: is a manifest, which --update-baseline does not overwrite", path.display()),
                help: "give a separate file, such as --baseline layerfit.baseline.json".to_owned(),
            });
        }
        let mut new = sizes(snapshot, budgets);
        let mut kept = 0;
        for (name, size) in &mut new.sizes {
            if let Some(before) = old.and_then(|old| old.recorded.sizes.get(name)) {
                let least = Size {
                    zipped_bytes: size.zipped_bytes.min(before.zipped_bytes),
                    unzipped_bytes: size.unzipped_bytes.min(before.unzipped_bytes),
                };
                kept += usize::from(least != *size);
                *size = least;
            }
        }
        if old.is_some_and(|old| old.recorded == new) {
            return Ok(Recorded { path: path.to_owned(), what: "unchanged", kept });
        }
        let bytes = crate::report::as_json(&new)?;
        crate::base::atomic::replace_file(path, &bytes)?;
        let what = if old.is_some() { "updated" } else { "written; commit it" };
        Ok(Recorded { path: path.to_owned(), what, kept })
    }
}

/// The sizes that a baseline of these layers has.
fn sizes(snapshot: &Snapshot, budgets: &[Budget]) -> RecordedSizes {
    let mut sizes = BTreeMap::from([("total".to_owned(), snapshot.total())]);
    sizes.extend(snapshot.layers.iter().map(|layer| (format!("layer:{}", layer.name), layer.size())));
    sizes.extend(snapshot.package_sizes().into_iter().map(|(name, size)| (format!("pkg:{name}"), size)));
    let paths = budgets.iter().filter(|budget| matches!(budget.of, BudgetScope::Paths(_)));
    sizes.extend(
        paths.flat_map(|budget| {
            budget.of.sizes(snapshot).into_iter().map(|(subject, size)| (subject.to_string(), size))
        }),
    );
    RecordedSizes::new(sizes)
}

/// A path as a word of a command line.
fn word(path: &str) -> String {
    shlex::try_quote(path).map_or_else(|_| path.to_owned(), Into::into)
}
