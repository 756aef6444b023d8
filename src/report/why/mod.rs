//! Why: why something is kept or dropped, and what dropping things would free and break. One value and its output formats.

mod about;
mod if_dropped;
mod paths;
mod show;
mod unneeded;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use about::about;
pub(crate) use if_dropped::if_dropped;
pub use show::{json, markdown, schema, table};
pub(crate) use unneeded::unneeded;

use crate::base::finding::Finding;
use crate::base::size::Size;
use crate::report::{Amount, LoadedBy};
use crate::resolve::{Certainty, FoundIn};

/// The version of the JSON. Adding fields does not change it; renaming or removing one does.
pub const SCHEMA: u32 = 1;

/// The question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Why one thing is kept or dropped.
    About {
        /// A path, a library's name, `pkg:NAME`, or a unit.
        target: String,
        /// Every path to it, not only the shortest.
        all: bool,
    },
    /// What dropping these together would free and break.
    IfDropped(Vec<String>),
    /// What nothing in the tree needs.
    Unneeded,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Why {
    /// The version of this document's format.
    pub schema: u32,
    /// The version of layerfit that wrote it.
    pub layerfit: String,
    /// The tree, as named on the command line.
    pub root: String,
    /// The runtime it was analyzed for.
    pub runtime: String,
    /// The targets, as named on the command line.
    pub targets: Vec<String>,
    /// Everything that the target stands for, sorted; empty with `--if-dropped`.
    pub things: Vec<About>,
    /// What dropping the targets would do, with `--if-dropped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_dropped: Option<IfDropped>,
    /// Without a target: what nothing in the tree needs, the largest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unneeded: Option<Vec<Unneeded>>,
}

/// Something that nothing in the tree needs. The function's own code may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unneeded {
    /// `package` or `library`.
    pub kind: ThingKind,
    /// Its name, as for `--drop`.
    pub name: String,
    /// What is kept of it.
    pub own: Amount,
    /// What dropping it would free, together with what only it needs.
    pub freed: Amount,
    /// The packages that only it needs, sorted.
    pub with_it: Vec<String>,
    /// The kept packages that can use it when it is installed, sorted.
    pub option_of: Vec<String>,
    /// For a library: why nothing loads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One thing, and why it is kept or dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct About {
    /// What kind of thing it is.
    pub kind: ThingKind,
    /// Its name, as for `--drop`.
    pub name: String,
    /// Whether it is kept.
    pub state: ThingState,
    /// The answer in one sentence.
    pub answer: String,
    /// The rules that drop it or a part of it, in the order of their codes.
    pub dropped_by: Vec<DroppedBy>,
    /// The targets of `--keep` that it is, or has something of, as they were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_by: Vec<String>,
    /// Rules that match it, but do not drop it because something kept needs it.
    pub held_back: Vec<String>,
    /// Paths from a root to it: the shortest, or all, in the order of their lengths.
    pub paths: Vec<Path>,
    /// Whether there are more paths than are listed.
    pub truncated: bool,
    /// For a library: what needs it, sorted.
    pub needed_by: Vec<NeededBy>,
    /// For a library: the one of the same name that the image has too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_image: Option<InImage>,
    /// For a file, with `--bundle`: the paths compiled into it that the build host has, and neither the tree nor the image.
    pub host_paths: Vec<String>,
    /// For a package: the kept packages that import it, sorted.
    pub imported_by: Vec<String>,
    /// For a package that nothing in the tree needs: what dropping it with what only it needs would free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unneeded: Option<Unneeded>,
    /// The functions of kept packages that call a package, such as `xml2::path_to_connection`, sorted.
    pub called_by: Vec<String>,
    /// What is kept of it.
    pub own: Amount,
    /// What dropping it alone would free.
    pub freed: Amount,
    /// What would be removed with it because nothing else needs it, sorted by path.
    pub goes_with: Vec<String>,
}

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThingKind {
    /// An installed package.
    Package,
    /// A unit of the report.
    Unit,
    /// A directory with everything below it.
    Directory,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// A library, with the links to it.
    Library,
}

/// Whether something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThingState {
    /// All of it is packed.
    Kept,
    /// All of it is dropped.
    Dropped,
    /// Some of it is dropped.
    Partly,
    /// It is not in the tree, but in the image.
    Runtime,
    /// It is neither in the tree nor in the image.
    Missing,
}

/// A rule that drops something, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DroppedBy {
    /// The rule's code.
    pub rule: String,
    /// Its name.
    pub name: String,
    /// How many files and links it drops.
    pub files: usize,
    /// What it drops.
    pub what: String,
    /// Why a function does not need that.
    pub why_safe: String,
    /// What stops working.
    pub breaks: String,
}

/// A dependency path from a root to something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Path {
    /// `R`, a handler and its line (`test.R:3`), `Lambda` (which starts the bootstrap and the extensions), `installed` (for
    /// packages) or `in the tree` (for files that no rule drops).
    pub root: String,
    /// The steps from the root; the last one is the thing itself.
    pub steps: Vec<Step>,
}

/// A step on a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// How the step before leads to this one: `loads`, `imports`, `leads to`, `runs`, `reads`, `has`, `starts`, `uses`, or `is`
    /// after a root.
    pub how: String,
    /// A path in the tree, `pkg:NAME`, or a library of the image or a missing one.
    pub name: String,
}

/// A file that needs a library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NeededBy {
    /// The file.
    pub file: String,
    /// The name in its DT_NEEDED.
    pub soname: String,
    /// The process that loads it: a language's name, such as `R`, or `other`.
    #[schemars(with = "String")]
    pub process: LoadedBy,
    /// How certain it is that the file is loaded.
    pub certainty: Certainty,
    /// Where the library is.
    pub found: FoundIn,
    /// The path that the loader opens in Lambda, if it finds the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The directories that the loader searches, in order, if it does not.
    pub searched: Vec<String>,
    /// Why the loader stops before, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// A library of the image that has the name of one in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InImage {
    /// The name that both have.
    pub soname: String,
    /// Its path in the image.
    pub path: String,
    /// The symbol versions that it does not define, of those that kept files need of this name, sorted; null if none is needed,
    /// or it is not known which it defines. That it defines all does not prove that it has all symbols, or behaves alike.
    pub lacks: Option<Vec<String>>,
}

/// What dropping things together would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IfDropped {
    /// What they have on their own.
    pub own: Amount,
    /// What it would free; exact in zips as long as their number and the files that are compressed harder stay the same.
    pub freed: Amount,
    /// What would be removed with them, sorted by path.
    pub goes_with: Vec<GoesWith>,
    /// Kept packages that would no longer load, sorted.
    pub breaks: Vec<Breaks>,
    /// Packages that a language loads at startup, and what happens without them.
    pub starts_with: Vec<StartsWith>,
    /// Findings that there would be and are not now, the most severe first.
    pub findings: Vec<Finding>,
    /// How many layers there are.
    pub layers: usize,
    /// How many there would be.
    pub layers_then: usize,
    /// Whether the rest would fit.
    pub fits_then: bool,
}

/// Something that is removed with what is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GoesWith {
    /// Where it is.
    pub path: String,
    /// The rule that drops it: D002 for what nothing else needs, or the rule that it matched all along.
    pub rule: String,
    /// Its bytes.
    #[serde(flatten)]
    pub size: Size,
}

/// A package that would no longer load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Breaks {
    /// The package.
    pub name: String,
    /// What it needs that would be dropped or would not load, sorted.
    pub needs: Vec<String>,
    /// Whether it needs something that is dropped itself; otherwise it needs something that would no longer load.
    pub directly: bool,
}

/// A package that its language loads at startup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StartsWith {
    /// The package.
    pub name: String,
    /// What happens without it.
    pub without: String,
}
