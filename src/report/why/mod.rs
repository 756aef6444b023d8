//! Why: what one thing is there for, or what dropped it; and what dropping things would free and break. One value, and its
//! readers, as of the report.

mod about;
mod if_dropped;
mod paths;
mod show;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use about::about;
pub(crate) use if_dropped::if_dropped;
pub use show::{json, markdown, schema, table};

use crate::base::finding::Finding;
use crate::base::size::Size;
use crate::report::{Amount, LoadedBy};
use crate::resolve::{Certainty, FoundIn};

/// The form of the JSON. Fields are added, not renamed; the number counts up when that promise is broken.
pub const SCHEMA: u32 = 1;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What one thing is there for.
    About {
        /// A path, a library's name, `pkg:NAME`, or a unit.
        target: String,
        /// Every path to it, not only the shortest.
        all: bool,
    },
    /// What would go, and break, if these were dropped together.
    IfDropped(Vec<String>),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Why {
    /// The form of this document.
    pub schema: u32,
    /// The version of layerfit that wrote it.
    pub layerfit: String,
    /// The tree, as named on the command line.
    pub root: String,
    /// The runtime it was looked at for.
    pub runtime: String,
    /// What was asked about.
    pub targets: Vec<String>,
    /// Everything that the name stands for, sorted; empty when it was asked what dropping would do.
    pub things: Vec<About>,
    /// What dropping would do, when that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_dropped: Option<IfDropped>,
}

/// One thing, and why it is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct About {
    /// What kind of thing it is.
    pub kind: ThingKind,
    /// Its name, as for `--drop`.
    pub name: String,
    /// What became of it.
    pub state: ThingState,
    /// The answer in one sentence.
    pub answer: String,
    /// The rules that drop it or a part of it, in the order of their codes.
    pub dropped_by: Vec<DroppedBy>,
    /// Rules that would drop it, but for what needs it.
    pub held_back: Vec<String>,
    /// Paths from a root to it: the shortest, or all, in the order of their lengths.
    pub paths: Vec<Path>,
    /// Whether there are more paths than are listed.
    pub truncated: bool,
    /// For a library: what needs it, sorted.
    pub needed_by: Vec<NeededBy>,
    /// For a package: the kept packages that import it, sorted.
    pub imported_by: Vec<String>,
    /// What is kept of it.
    pub own: Amount,
    /// What dropping it alone would free.
    pub freed: Amount,
    /// What would go with it, because nothing else needs it, sorted by path.
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

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThingState {
    /// All of it is packed.
    Kept,
    /// All of it is dropped.
    Dropped,
    /// A part of it is dropped.
    Partly,
    /// It is not in the tree, and the image has it.
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
    /// `R`, a handler and its line (`test.R:3`), `Lambda` (which starts the bootstrap and the extensions), `installed` (a package is) or `in the tree` (a file is,
    /// and no rule drops it).
    pub root: String,
    /// The steps from there, the thing itself last.
    pub steps: Vec<Step>,
}

/// A step on a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// How what is before comes to it: `loads`, `imports`, `leads to`, `runs`, `reads`, `has`, `starts`, `uses`, or `is` after a root.
    pub how: String,
    /// A path in the tree, `pkg:NAME`, or a library of the image or of nobody.
    pub name: String,
}

/// A file that needs a library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NeededBy {
    /// The file.
    pub file: String,
    /// The name it asks for.
    pub soname: String,
    /// The process that loads it: a language's name, such as `R`, or `other`.
    #[schemars(with = "String")]
    pub process: LoadedBy,
    /// How certain it is that the file is loaded.
    pub certainty: Certainty,
    /// Where the library is.
    pub found: FoundIn,
    /// The path that the loader opens in Lambda, when it finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The directories that the loader looks in, in order, when it does not.
    pub searched: Vec<String>,
    /// What makes the loader stop, when something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// What dropping things together would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IfDropped {
    /// What they have themselves.
    pub own: Amount,
    /// What would be free, in zips to the byte, as long as there are as many and the same files are compressed harder.
    pub freed: Amount,
    /// What would go with them, sorted by path.
    pub goes_with: Vec<GoesWith>,
    /// Kept packages that could not be loaded any more, sorted.
    pub breaks: Vec<Breaks>,
    /// Packages that a language starts with, and what happens without them.
    pub starts_with: Vec<StartsWith>,
    /// What the checks would report then and do not report now, the worst first.
    pub findings: Vec<Finding>,
    /// How many layers there are.
    pub layers: usize,
    /// How many there would be.
    pub layers_then: usize,
    /// Whether what is left would fit.
    pub fits_then: bool,
}

/// Something that goes with what is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GoesWith {
    /// Where it is.
    pub path: String,
    /// The rule that stands for it: D002 for what nothing else needs, or one that was held back until then.
    pub rule: String,
    /// Its bytes.
    #[serde(flatten)]
    pub size: Size,
}

/// A package that could not be loaded any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Breaks {
    /// The package.
    pub name: String,
    /// What it needs that would be dropped or would not load, sorted.
    pub needs: Vec<String>,
    /// Whether it needs something that is dropped itself; otherwise something that needs that.
    pub directly: bool,
}

/// A package that its language starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StartsWith {
    /// The package.
    pub name: String,
    /// What happens without it.
    pub without: String,
}
