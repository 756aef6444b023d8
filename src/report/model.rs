//! The report as a value: all results of a run, with the names of its JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter::Sum;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::contents::{Contents, is_own};
use crate::base::bytes::plural;
use crate::base::finding::{Finding, Severity};
use crate::base::list;
use crate::base::severity::Severities;
use crate::base::size::Size;
use crate::formats::elf::NeededVersion;
use crate::languages::{LanguageId, language};
use crate::pack::output::{GivenOptions, ManifestEntry, PackedFor};
use crate::pack::rewrite::Form;
use crate::plan::bundle::Bundled;
use crate::plan::suggest::Suggestion;
use crate::resolve::{FoundIn, ProcessKind};
use crate::runtime::Limits;
use crate::tree::LayerZip;

/// All results of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The version of this document's format.
    pub schema: u32,
    /// The version of layerfit that wrote it.
    pub layerfit: String,
    /// The tree or zips, as named on the command line.
    pub root: String,
    /// The image that the tree is from, if it is from one that says which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReport>,
    /// The runtime it was checked for.
    pub runtime: String,
    /// The architecture it was checked for; `None` when nothing in it depends on one.
    pub architecture: Option<Architecture>,
    /// The limits of the layers.
    pub limits: Limits,
    /// What the manifest of finished layers, or of those that a tree is compared with, records that they are packed for. It holds
    /// where no option and no setting differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed_for: Option<PackedFor>,
    /// The options of the command line that shape the layers. In a manifest, they hold for a tree that is compared with the layers.
    #[serde(skip_serializing_if = "GivenOptions::is_empty")]
    pub options: GivenOptions,
    /// Whether the layers are within the limits.
    pub fits: bool,
    /// What was scanned, pruned and kept.
    pub totals: Totals,
    /// What each rule that was on dropped, in the order of their codes.
    pub pruned: Vec<PrunedByRule>,
    /// The ELF files that are kept, sorted by path.
    pub objects: Vec<ObjectReport>,
    /// What is packed in another form than it has in the tree, by form.
    pub rewritten: Vec<RewrittenReport>,
    /// What compressing harder saved, when it saved a layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recompressed: Option<RecompressedReport>,
    /// The libraries that are kept although nothing loads them, and links to them, sorted by path.
    pub unused_libraries: Vec<UnusedLibraryReport>,
    /// The libraries that `--bundle` copied from the build host, sorted by path.
    pub bundled: Vec<Bundled>,
    /// The packages of the tree, sorted by name.
    pub packages: Vec<PackageReport>,
    /// The units that layers are made of, sorted by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<UnitReport>>,
    /// The layers, in the order to attach them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<LayerReport>>,
    /// The number of layers, and its lower bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packing: Option<Packing>,
    /// The directories with kept files, and what dropping each alone would free, sorted by path.
    pub directories: Vec<DirectoryReport>,
    /// The libraries that are only loaded as dependencies, and what dropping each alone would free, sorted by path.
    pub libraries: Vec<LibraryReport>,
    /// What is kept and is in no layer, because no layer can hold it (F104, F102); in zips, it would add these bytes to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_no_layer: Option<Amount>,
    /// Changes since the lock file, by layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<LayerChangeReport>>,
    /// Sizes compared with the baseline of `check`: all layers together, each layer, what has a budget, and the packages that
    /// changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Vec<Compared>>,
    /// What could be done next, the most useful first.
    pub suggestions: Vec<Suggestion>,
    /// The findings, the most severe first.
    pub findings: Vec<Finding>,
    /// How many findings `--ignore` removed.
    pub ignored: usize,
    /// The configuration file that was named, where findings about settings are shown; and not in the JSON.
    #[serde(skip)]
    pub config: Option<String>,
    /// Every file and dependency: for the page, and not in the JSON.
    #[serde(skip)]
    pub contents: Contents,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageReport {
    /// Its name, such as `my-r:latest`, if it has one.
    pub name: Option<String>,
    /// The digest of its configuration, which is its id in Docker: `sha256:…`.
    pub config: String,
    /// What it is for: `linux/amd64`.
    pub platform: String,
    /// How many layers it has.
    pub layers: usize,
}

/// An architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Architecture {
    /// Lambda's name for it, `x86_64` or `arm64`; or the machine's, when Lambda has no such machine.
    pub name: String,
    /// Whether it is assumed, because most files are for it, and not set by `--arch`.
    pub assumed: bool,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.assumed { f.write_str(", as its files") } else { Ok(()) }
    }
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// How many files and links.
    pub files: usize,
    /// The sum of their lengths in bytes.
    pub bytes: u64,
}

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// How many files and links.
    pub files: usize,
    /// The sum of their lengths in bytes.
    pub unzipped_bytes: u64,
    /// The sum of the zips' lengths in bytes; known only with a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zipped_bytes: Option<u64>,
}

/// What was scanned, copied, pruned and kept. Links are files, directories are not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Totals {
    /// Everything in the tree, without what `--bundle` copied.
    pub scanned: Count,
    /// What `--bundle` copied from the build host, if anything. It is pruned or kept, as what was scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundled: Option<Count>,
    /// What rules dropped.
    pub pruned: Count,
    /// What is kept.
    pub kept: Kept,
}

/// What one rule dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PrunedByRule {
    /// The rule's code.
    pub rule: String,
    /// Its name.
    pub name: String,
    /// How many files and links it dropped.
    pub files: usize,
    /// The sum of their lengths in bytes.
    pub bytes: u64,
    /// What they would add to a zip in bytes, headers included; null unless they were weighed (`--weigh-pruned`).
    pub zipped_bytes: Option<u64>,
}

/// An ELF file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ObjectReport {
    /// Where it is.
    pub path: String,
    /// Its soname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// The machine it runs on.
    pub machine: String,
    /// Bytes of sections that are not loaded: debug data, symbol tables, and what else a program keeps in its file.
    pub strippable_bytes: u64,
    /// The symbol versions it needs of other libraries, sorted.
    pub needed_versions: Vec<NeededVersion>,
    /// The symbol versions it defines, sorted.
    pub defined_versions: Vec<String>,
    /// What it needs, sorted; a library that R and other programs find in different places is there twice.
    pub needed: Vec<NeededReport>,
}

/// A library that an ELF file needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NeededReport {
    /// Its name, as in DT_NEEDED.
    pub soname: String,
    /// Where it is.
    pub found: FoundIn,
    /// The path that the loader opens in Lambda.
    pub path: Option<String>,
    /// The process that loads it: a language's name, such as `R`, `other`, or `any` when all find the same.
    #[schemars(with = "String")]
    pub process: LoadedBy,
}

/// Files that are packed in another form than they have in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RewrittenReport {
    /// The form.
    pub form: Form,
    /// The files, sorted.
    pub paths: Vec<String>,
    /// The sum of their lengths in the tree, in bytes.
    pub bytes_before: u64,
    /// The sum of their lengths in the layers, in bytes.
    pub bytes: u64,
    /// What they would add to zips in the form of the tree, in bytes, headers included; null unless that was measured
    /// (`--weigh-pruned`).
    pub zipped_bytes_before: Option<u64>,
    /// What they add to zips, in bytes, headers included.
    pub zipped_bytes: u64,
}

/// What compressing harder saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecompressedReport {
    /// How many files are smaller in zips.
    pub files: usize,
    /// How many bytes smaller they are in zips.
    pub saved_bytes: u64,
}

/// A library that nothing loads, or a link to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnusedLibraryReport {
    /// Where it is.
    pub path: String,
    /// Why nothing loads it.
    pub why: WhyUnused,
    /// The library of the image that is loaded instead, when it is shadowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it adds to a zip in bytes, headers included; known only with a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zipped_bytes: Option<u64>,
}

/// A number of packed files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Amount {
    /// How many files and links.
    pub files: usize,
    /// Their bytes, and in zips also those of empty directories; zipped bytes are 0 if they were not measured.
    #[serde(flatten)]
    pub size: Size,
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts
            .fold(Self::default(), |sum, amount| Self { files: sum.files + amount.files, size: sum.size + amount.size })
    }
}

/// The size of something, and what dropping it alone would free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cost {
    /// The sum of the lengths of its kept files, in bytes.
    pub unzipped_bytes: u64,
    /// What they add to zips in bytes, headers included; known only with a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zipped_bytes: Option<u64>,
    /// What dropping it alone would free in bytes: all of it, and libraries that nothing else needs. What needs it stays, and
    /// would break.
    pub retained_unzipped_bytes: u64,
    /// The same in zips, headers included; known only with a plan. It is exact as long as the number of zips
    /// and the files that are compressed harder stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retained_zipped_bytes: Option<u64>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageReport {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The language it is of: `r`.
    #[schemars(with = "String")]
    pub language: LanguageId,
    /// Its directory.
    pub path: String,
    /// `base` or `recommended` for R's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The packages it needs to load; for R, Depends, Imports, what its namespace imports from, and what its .onLoad fails without.
    pub needs: Vec<String>,
    /// Those of them that are missing.
    pub missing: Vec<String>,
    /// Whether it is kept.
    pub kept: bool,
    /// The size of its files, and what dropping them would free.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A directory with kept files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DirectoryReport {
    /// Where it is.
    pub path: String,
    /// The unit that everything in it belongs to, if it is a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How many kept files and links are in it, at any depth.
    pub files: usize,
    /// The size of its content, and what dropping it would free.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A library that is only loaded as a dependency, with the links to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LibraryReport {
    /// Where its file is.
    pub path: String,
    /// The links to it, sorted.
    pub links: Vec<String>,
    /// The size of file and links, and what dropping them would free.
    #[serde(flatten)]
    pub cost: Cost,
}

/// A unit of packing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitReport {
    /// Its name: `pkg:Matrix`.
    pub name: String,
    /// The layers it is in; several only if no layer can hold it whole.
    pub layers: Vec<String>,
    /// How many files and links it has.
    pub files: usize,
    /// The sum of their lengths in bytes.
    pub unzipped_bytes: u64,
    /// What it adds to a zip in bytes, headers included.
    pub zipped_bytes: u64,
    /// The units that need something in it, sorted; a language needs what its sessions load at startup.
    pub needed_by: Vec<String>,
    /// What dropping it alone would free in bytes: its entries, and libraries that nothing else needs.
    pub retained_unzipped_bytes: u64,
    /// The same in zips, headers included. It is exact as long as the number of zips and the files that are
    /// compressed harder stay the same.
    pub retained_zipped_bytes: u64,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LayerReport {
    /// Its name.
    pub name: String,
    /// Its zip.
    pub zip: String,
    /// The sha256 of the zip in hexadecimal, once it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How many files and links it has.
    pub files: usize,
    /// How many directories have an entry in it: in zips that layerfit packs, those that are empty.
    #[serde(skip_serializing_if = "is_zero")]
    pub directories: usize,
    /// The sum of their lengths in bytes.
    pub unzipped_bytes: u64,
    /// The length of the zip in bytes.
    pub zipped_bytes: u64,
    /// The units in it, sorted.
    pub units: Vec<String>,
    /// The entries of the zip, in its order; only in a manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<ManifestEntry>>,
}

/// Whether a count is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The number of layers, and its lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Packing {
    /// How many there are.
    pub layers: usize,
    /// No division of the units has fewer than this.
    pub lower_bound: usize,
    /// Whether fewer layers are proven impossible.
    pub optimal: bool,
}

/// The process that loads something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadedBy {
    /// A language's.
    Language(LanguageId),
    /// Any other program's.
    Other,
    /// Any process: all have the same result.
    Any,
}

impl From<ProcessKind> for LoadedBy {
    fn from(kind: ProcessKind) -> Self {
        match kind {
            ProcessKind::Language(id) => LoadedBy::Language(id),
            ProcessKind::Plain => LoadedBy::Other,
        }
    }
}

impl fmt::Display for LoadedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LoadedBy::Language(id) => language(*id).name(),
            LoadedBy::Other => "other",
            LoadedBy::Any => "any",
        })
    }
}

impl Serialize for LoadedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why nothing loads a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhyUnused {
    /// The loader finds a library of the image first.
    Shadowed,
    /// Nothing needs it.
    Unreached,
}

/// How a layer changed since the lock file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayerState {
    /// It is byte for byte the same.
    Unchanged,
    /// Its content is different.
    Changed,
    /// It was added.
    New,
    /// It was removed.
    Removed,
}

impl fmt::Display for LayerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LayerState::Unchanged => "unchanged",
            LayerState::Changed => "changed",
            LayerState::New => "new",
            LayerState::Removed => "removed",
        })
    }
}

/// The size of something, compared with the baseline and with its budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Compared {
    /// `total`, `layer:NAME`, `pkg:NAME`, or a glob of paths.
    pub name: String,
    /// Its size now; `None` if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Size>,
    /// Its size in the baseline; `None` if it is new, or there is no baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Size>,
    /// Its maximum in zips in bytes, by a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_zipped: Option<u64>,
    /// Its maximum unzipped in bytes, by a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_unzipped: Option<u64>,
}

/// How a layer changed since the lock file was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LayerChangeReport {
    /// The layer's name.
    pub layer: String,
    /// How it changed.
    pub state: LayerState,
    /// Units that were added to it.
    pub added: Vec<String>,
    /// Units that were removed from it.
    pub removed: Vec<String>,
    /// Units whose content changed.
    pub updated: Vec<String>,
    /// Units that were in another layer before.
    pub moved_in: Vec<MovedReport>,
    /// Units that are in another layer now.
    pub moved_out: Vec<MovedReport>,
}

/// A unit that moved from one layer to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MovedReport {
    /// The unit.
    pub unit: String,
    /// The other layer.
    pub layer: String,
    /// For one that moved in: whether the layer where it was has no room for it any more.
    pub full: bool,
}

impl Report {
    /// Sets the findings, sorted, as the user has them.
    pub(crate) fn set_findings(&mut self, findings: Vec<Finding>, severities: &Severities) {
        (self.findings, self.ignored) = severities.apply(findings);
        self.findings.sort();
        self.findings.dedup();
    }

    /// Adds findings to those that were set.
    pub(crate) fn add_findings(&mut self, findings: Vec<Finding>, severities: &Severities) {
        let ignored = self.ignored;
        let all = std::mem::take(&mut self.findings).into_iter().chain(severities.apply(findings).0).collect();
        self.set_findings(all, &Severities::default());
        self.ignored = ignored;
    }

    /// Sets the layers to zips that were read, and whether they fit.
    pub(crate) fn set_zips(&mut self, zips: &[LayerZip], fits: bool) {
        let layers = zips.iter().map(|zip| LayerReport {
            name: zip.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            zip: zip.path.display().to_string(),
            sha256: Some(zip.sha256.clone()),
            files: zip.contents.iter().filter(|entry| !entry.is_directory()).count(),
            directories: zip.contents.iter().filter(|entry| entry.is_directory()).count(),
            unzipped_bytes: zip.unzipped_bytes,
            zipped_bytes: zip.zipped_bytes,
            units: Vec::new(),
            entries: None,
        });
        self.layers = Some(layers.collect());
        self.totals.kept.zipped_bytes = Some(zips.iter().map(|zip| zip.zipped_bytes).sum());
        self.fits = fits;
    }

    /// The number of packages of each language, as text: `29 R packages`. Those that are a part of their language do not count.
    pub(crate) fn package_counts(&self) -> String {
        let mut counts: BTreeMap<LanguageId, usize> = BTreeMap::new();
        for package in self.packages.iter().filter(|package| !is_own(package.priority.as_deref())) {
            *counts.entry(package.language).or_default() += 1;
        }
        let count = |(id, count): (LanguageId, usize)| {
            let name = language(id).name();
            plural(count, &format!("{name} package"), &format!("{name} packages"))
        };
        let counts: Vec<String> = counts.into_iter().map(count).collect();
        if !counts.is_empty() {
            return counts.join(", ");
        }
        let own: BTreeSet<&str> = self.packages.iter().map(|package| language(package.language).name()).collect();
        let own: Vec<String> = own.into_iter().map(|name| format!("{name}'s own")).collect();
        let besides = if own.is_empty() { String::new() } else { format!(" besides {}", list::with_last(&own, "and")) };
        format!("no packages{besides}")
    }

    /// How many findings are errors.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// Whether the run passes: the layers fit, and no finding is an error.
    pub fn passed(&self) -> bool {
        self.fits && self.errors() == 0
    }
}
