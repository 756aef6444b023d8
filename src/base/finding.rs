//! Findings: what a check reports, with a stable code, a subject, and a remedy.
//!
//! The catalogue of codes is this one enum; the page of each (what it means, why it matters, what to do) is data in
//! `rules/checks.toml`, and a test checks that both list the same codes.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::safe::one_line;
use super::subject::{Subject, SubjectText};

/// The severity of a finding. Only `Error` makes a run exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The layers would not fit, load or run.
    Error,
    /// Something that is probably unintended, or fails in some uses.
    Warning,
    /// Worth knowing; nothing to do.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        })
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// The code of a check. A code, once released, keeps its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code as printed, for example `L201`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }
        }
    };
}

codes! {
    /// A chain of links that is a loop.
    LinkLoop = "S101",
    /// A link to something that is not in the tree.
    DanglingLink = "S102",
    /// A link that points out of `/opt`.
    LinkLeavesRoot = "S103",
    /// A FIFO, socket or device, which a layer cannot contain.
    SpecialFile = "S104",
    /// A file or directory that cannot be read.
    Unreadable = "S105",
    /// A name that is not UTF-8.
    NameNotUtf8 = "S106",
    /// One file under several names, which a zip stores as copies.
    HardLinks = "S107",
    /// Nothing at all in the tree.
    EmptyTree = "S108",
    /// Modes in a zip that Lambda's user cannot read.
    ModeUnreadable = "S109",
    /// Packages of a language where its runtime does not look.
    NotSearched = "S110",
    /// Whiteouts of a container image.
    Whiteout = "S111",
    /// Nothing but archives in the tree.
    OnlyArchives = "S112",
    /// Nothing in the tree is known.
    NothingKnown = "S113",
    /// An ELF file the loader would reject.
    DamagedElf = "L101",
    /// A shared library that the loader would not find.
    MissingLibrary = "L201",
    /// A program interpreter that the image does not have.
    MissingInterpreter = "L202",
    /// A library that the image may not have.
    UncertainLibrary = "L203",
    /// A symbol version that the loaded library does not define.
    VersionTooNew = "L204",
    /// A symbol that no loaded library defines.
    UndefinedSymbol = "L205",
    /// Libraries that nothing loads.
    UnloadedLibraries = "L206",
    /// A part of one build of glibc used with another build.
    PrivateVersion = "L207",
    /// A library without symbol versions where some are needed.
    NoVersionInformation = "L208",
    /// A library that was copied from the build host.
    Bundled = "L209",
    /// Files for a different machine than the rest, or than `--arch`.
    WrongMachine = "L301",
    /// Data that something opens is nowhere.
    DataMissing = "N101",
    /// Data that something opens is not where it looks for it.
    DataMisplaced = "N102",
    /// A configuration file names a file that is nowhere.
    NamedFileMissing = "N103",
    /// A variable of the environment has a value that breaks something.
    SettingBreaks = "N104",
    /// Paths that are compiled in and only the build host has.
    CompiledPaths = "N105",
    /// Variables of a container image name places in /opt, and the function does not have them.
    ImageVariables = "N106",
    /// A path that a run looked for in vain, and that only the build host has.
    LookedForInVain = "N107",
    /// A script whose interpreter is missing.
    ScriptInterpreterMissing = "C101",
    /// A command that a script runs and that is missing.
    CommandMissing = "C102",
    /// The `which` that R runs is missing.
    WhichMissing = "C103",
    /// A script whose commands cannot all be determined.
    NotFollowed = "C104",
    /// A bootstrap or an extension that the kernel would not start.
    DoesNotStart = "C105",
    /// R without a bootstrap to start it.
    NoBootstrap = "C106",
    /// A program in `bin` that is not executable.
    NotExecutable = "C107",
    /// A bootstrap that sends a response although the function's code failed.
    FailureAnswered = "C108",
    /// An installed package that R could not load: files that it reads are missing or damaged.
    DamagedPackage = "R101",
    /// A package that an installed one needs is missing.
    MissingPackage = "R102",
    /// A package is older than required.
    PackageTooOld = "R103",
    /// The same package in two libraries.
    DuplicatePackage = "R104",
    /// A package that was built for a different R.
    BuiltForAnotherR = "R105",
    /// R was configured for a different path.
    HomeElsewhere = "R106",
    /// A library that R does not search.
    LibraryNotSearched = "R107",
    /// A package that a handler uses is missing.
    HandlerPackageMissing = "R108",
    /// A handler whose packages cannot all be determined.
    HandlerNotFollowed = "R109",
    /// Packages that kept ones call or suggest, and that are not kept.
    SuggestedAndDropped = "R110",
    /// A package that the handler's calls of another lead to, and that is not kept.
    OptionNotKept = "R111",
    /// A module that is found before one of the language's own.
    HidesStandardModule = "R112",
    /// Packages of a language that neither the tree nor the runtime has.
    LanguageNotThere = "R113",
    /// A rule would have dropped something that is needed.
    RuleHeldBack = "P101",
    /// A rule matched nothing.
    RuleMatchedNothing = "P102",
    /// A unit that is not in the layer it was assigned to.
    NotInItsLayer = "P103",
    /// Something that `--drop` removes is needed by something that is kept.
    DroppedThoughNeeded = "P104",
    /// Rules would have dropped files that a recorded run opened.
    OpenedInRun = "P105",
    /// An ignored finding does not occur.
    UnusedIgnore = "P106",
    /// A named layer that holds nothing.
    HoldsNothing = "P107",
    /// A layer's zip is over the limit.
    LayerTooLarge = "F101",
    /// Function and layers together are over the limit unzipped.
    UnzippedTooLarge = "F102",
    /// More layers than a function can have.
    TooManyLayers = "F103",
    /// One file that does not fit in any layer.
    FileTooLarge = "F104",
    /// More entries than a zip can have.
    TooManyEntries = "F105",
    /// The layers fit, but with less headroom than requested.
    LittleHeadroom = "F106",
    /// The layers are within limits that were set higher than Lambda's, and over Lambda's.
    OverLambdasLimit = "F107",
    /// Something is larger than its budget.
    OverBudget = "B101",
    /// Something is larger than in the baseline.
    Grew = "B102",
    /// A budget that matches nothing.
    UnmatchedBudget = "B103",
    /// The layers are smaller than in the baseline.
    CanShrink = "B104",
    /// An ELF file that is packed with debug data.
    NotStripped = "T101",
    /// An R database that is packed unchanged.
    NotRepacked = "T102",
    /// A package that is packed into a different library.
    Relocated = "T103",
    /// R's environment file is packed with changed libraries.
    RenvironChanged = "T104",
    /// A zip that cannot be read.
    DamagedZip = "Z101",
    /// An entry that would be extracted outside `/opt`.
    EntryEscapes = "Z102",
    /// One name twice in a zip.
    DuplicateEntry = "Z103",
    /// A layer replaces a file of an earlier layer with different content.
    Overwritten = "Z104",
    /// A zip that differs from the manifest.
    ManifestMismatch = "Z105",
    /// An entry that is encrypted.
    Encrypted = "Z106",
    /// An entry that is neither stored nor deflated.
    UnknownMethod = "Z107",
    /// An entry in the zip64 format.
    Zip64 = "Z108",
    /// Entries that overlap in the zip.
    Overlapping = "Z109",
    /// An entry whose two headers disagree.
    HeadersDisagree = "Z110",
    /// An entry that is longer than Lambda accepts.
    Bomb = "Z111",
    /// Bytes of a zip that do not belong to an entry.
    StrayBytes = "Z112",
    /// Everything in one directory, which should be the root.
    NestedRoot = "Z113",
    /// Files that are the same in two layers.
    Repeated = "Z114",
    /// Copies of libraries instead of links.
    FlattenedLinks = "Z115",
    /// A name that is not a valid file name.
    NameImpossible = "Z116",
    /// An entry below a file or a link.
    ParentNotDirectory = "Z117",
    /// A function that was run returned an error, or exited.
    FunctionFailed = "X101",
    /// A function that was run took too long.
    FunctionTimedOut = "X102",
    /// A function that was run exceeded its memory.
    FunctionOutOfMemory = "X103",
    /// A function that was run did not reach its first event.
    FunctionDoesNotStart = "X104",
}

/// What a check is about: the letter of its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// `S`: files, links and modes.
    Files,
    /// `L`: ELF files and shared libraries.
    Libraries,
    /// `N`: the data and configuration that is needed besides libraries.
    Data,
    /// `C`: commands and scripts.
    Commands,
    /// `R`: packages and the runtimes of languages.
    Packages,
    /// `P`: pruning.
    Pruning,
    /// `F`: Lambda's limits.
    Limits,
    /// `B`: budgets and growth.
    Budgets,
    /// `T`: files that are packed in a different form than in the tree.
    Transforms,
    /// `Z`: zips.
    Zips,
    /// `X`: functions that were run.
    Runs,
}

impl Category {
    /// Its name in machine-readable output: `libraries`.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Files => "files",
            Category::Libraries => "libraries",
            Category::Data => "data",
            Category::Commands => "commands",
            Category::Packages => "packages",
            Category::Pruning => "pruning",
            Category::Limits => "limits",
            Category::Budgets => "budgets",
            Category::Transforms => "transforms",
            Category::Zips => "zips",
            Category::Runs => "runs",
        }
    }
}

impl Code {
    /// The category of its letter.
    pub fn category(self) -> Category {
        match self.as_str().as_bytes()[0] {
            b'S' => Category::Files,
            b'L' => Category::Libraries,
            b'N' => Category::Data,
            b'C' => Category::Commands,
            b'R' => Category::Packages,
            b'P' => Category::Pruning,
            b'F' => Category::Limits,
            b'B' => Category::Budgets,
            b'T' => Category::Transforms,
            b'Z' => Category::Zips,
            _ => Category::Runs,
        }
    }

    /// Whether it reports that layers are over a limit of Lambda.
    pub(crate) fn is_limit(self) -> bool {
        self.category() == Category::Limits && !matches!(self, Code::LittleHeadroom | Code::OverLambdasLimit)
    }

    /// Whether it only occurs in zips.
    pub(crate) fn is_zip_only(self) -> bool {
        self == Code::ModeUnreadable || self.category() == Category::Zips && self != Code::NestedRoot
    }

    /// Whether only the gate of `check` reports it.
    pub(crate) fn is_gate_only(self) -> bool {
        self == Code::LittleHeadroom || self.category() == Category::Budgets
    }

    /// Whether planning a tree checks for it.
    pub(crate) fn is_plan_check(self) -> bool {
        !self.is_zip_only() && !self.is_gate_only() && self.category() != Category::Runs
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a check reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The check that reports it.
    pub code: Code,
    /// What it is about.
    #[serde(flatten)]
    #[schemars(with = "SubjectText")]
    pub subject: Subject,
    /// What causes it: the name of the missing library, the version that is too new, the package that is missing. Findings
    /// of one code and cause are one problem with one remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The environment variables that are to be set for the function, if that is what to do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The message without details that a short list leaves out, if it has any.
    #[serde(skip)]
    pub(super) brief: Option<String>,
    /// Whether `--bundle` may copy what is missing from the build host.
    #[serde(skip)]
    pub(crate) for_bundle: bool,
    /// Whether the tree is certainly not the one that was meant: what would not load in it says nothing.
    #[serde(skip)]
    pub(crate) of_another_tree: bool,
}

impl Finding {
    /// An error about `subject`.
    pub fn error(code: Code, subject: impl Into<Subject>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, subject, message, help)
    }

    /// A warning about `subject`.
    pub fn warning(
        code: Code,
        subject: impl Into<Subject>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, subject, message, help)
    }

    /// A note about `subject`.
    pub fn info(code: Code, subject: impl Into<Subject>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, subject, message, help)
    }

    /// A finding about `subject`.
    pub fn new(
        severity: Severity,
        code: Code,
        subject: impl Into<Subject>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        // Both can contain names and texts of others. A path is as long as it is; anything else is cut.
        let (message, help) = (one_line(&message.into()), one_line(&help.into()));
        Self {
            severity,
            code,
            subject: subject.into().shown(),
            cause: None,
            message,
            help,
            env: BTreeMap::new(),
            brief: None,
            for_bundle: false,
            of_another_tree: false,
        }
    }

    /// The same finding, with a shorter message for short lists.
    #[must_use]
    pub fn in_short(self, brief: impl Into<String>) -> Self {
        Self { brief: Some(one_line(&brief.into())), ..self }
    }

    /// The message, without details that a short list leaves out.
    pub fn brief(&self) -> &str {
        self.brief.as_deref().unwrap_or(&self.message)
    }

    /// The same finding, with the environment variables that mend it.
    #[must_use]
    pub fn mended_by(self, env: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { env: env.into_iter().collect(), ..self }
    }

    /// The same finding, of a tree that is certainly not the one that was meant.
    #[must_use]
    pub(crate) fn of_another_tree(self) -> Self {
        Self { of_another_tree: true, ..self }
    }

    /// These findings; if one is an error that the tree is another than was meant, without what would not load in it.
    pub(crate) fn without_consequences(findings: Vec<Self>) -> Vec<Self> {
        let is_error = |finding: &Self| finding.of_another_tree && finding.severity == Severity::Error;
        // Of several, one in a file that the others are about is enough.
        let Some(first) = findings.iter().filter(|finding| is_error(finding)).map(|finding| finding.code).max() else {
            return findings;
        };
        let follows = |finding: &Self| finding.code.as_str().starts_with(['L', 'N', 'C', 'R']);
        let stays = |finding: &Self| !follows(finding) || finding.of_another_tree && finding.code == first;
        findings.into_iter().filter(stays).collect()
    }

    /// The same finding, with its cause.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(one_line(&cause.into())), ..self }
    }
}
