//! Settings: the command line and layerfit.toml, combined once for every stage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::base::severity::Severities;
use crate::base::verdicts::Verdicts;
use crate::formats::strace::Opened;
use crate::languages::Arrangement;
use crate::pack::LayerPolicy;
use crate::pack::measure::{Cache, Level, Options, SharedCache, Want};
use crate::pack::output::{GivenOptions, PackedFor};
use crate::pack::rewrite::Transforms;
use crate::prune::PruneRules;
use crate::runtime::sysroot::Sysroot;
use crate::runtime::{Limits, RuntimeProfile, capture};

/// The root file system of the machine that built the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildHost {
    /// The image that the tree is from, or else this machine.
    OfTheTree,
    /// The directory or image at this path.
    Named(PathBuf),
}

impl BuildHost {
    /// Its root; without a name, this machine's. `architecture` chooses from the images of an archive, by Lambda's name.
    ///
    /// # Errors
    /// When what is named is neither a directory nor an image, or cannot be read.
    pub fn root(&self, architecture: Option<&str>, progress: &dyn Progress) -> Result<Sysroot> {
        match self {
            BuildHost::Named(path) => capture::named_root(path, architecture, progress),
            BuildHost::OfTheTree => Ok(Sysroot::new("/")),
        }
    }
}

/// The settings of a command.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Settings {
    /// The image that the layers will be attached to, with the function's own environment.
    pub runtime: RuntimeProfile,
    /// The function's own environment variables.
    pub variables: BTreeMap<String, String>,
    /// The prune rules, each on or off.
    pub rules: PruneRules,
    /// The limits of the layers.
    pub limits: Limits,
    /// What the layers are packed for, if they are finished, or those that a tree is compared with.
    pub packed_for: Option<PackedFor>,
    /// The options of the command line that shape the layers.
    pub options: GivenOptions,
    /// The architecture of the function, by Lambda's name: `x86_64` or `arm64`; `None` for that of most files.
    pub architecture: Option<&'static str>,
    /// What is packed in another form than it has in the tree.
    pub transforms: Transforms,
    /// How hard to compress.
    pub level: Level,
    /// Whether the compression cache is read and written.
    pub use_cache: bool,
    /// The compression cache that several machines share, if any.
    pub shared_cache: Option<Arc<SharedCache>>,
    /// The machine that built the tree.
    pub host: BuildHost,
    /// Where missing libraries are copied from; `None` to copy none.
    pub bundle_from: Option<BuildHost>,
    /// Which packages are moved to other libraries.
    pub arrangement: Arrangement,
    /// How units are divided into layers.
    pub layer_policy: LayerPolicy,
    /// The lock file, which records which unit is in which layer.
    pub lock: Option<PathBuf>,
    /// What is dropped even if something needs it: packages, libraries, paths, units.
    pub drop: Vec<String>,
    /// Whether packages are dropped as well that only what `drop` names needs.
    pub autoremove: bool,
    /// Which of what `drop` and `keep` name is passed over where the tree has nothing of that name: a manifest has these targets.
    pub passed_over: BTreeSet<String>,
    /// What is kept even if a rule matches it or its last dependent is dropped.
    pub keep: Vec<String>,
    /// The function's own sources: packages that they do not use are dropped. If empty, all packages are kept.
    pub handlers: Vec<PathBuf>,
    /// What runs of the function opened, and looked for in vain.
    pub run: Opened,
    /// Whether what is not packed is compressed as well, to report what it would take in zips.
    pub weigh_pruned: bool,
    /// Whether reports list every file and dependency, which only the page and the tree view show.
    pub contents: bool,
    /// The configuration file, if one was named: what a finding about a setting is shown at.
    pub config: Option<PathBuf>,
    /// The severities of findings.
    pub severities: Severities,
    /// The options of the command line that only apply to a tree. What layerfit.toml sets for trees is not among them: it is
    /// set for every command, and passed over where there is no tree.
    pub tree_options: Vec<&'static str>,
}

impl Settings {
    /// The verdicts on contents that earlier runs kept in the cache.
    pub(crate) fn verdicts(&self) -> Option<Arc<dyn Verdicts>> {
        if self.use_cache { Cache::of_the_user()?.verdicts() } else { None }
    }

    /// The options for measuring files under these settings, with these transforms.
    pub(crate) fn measure_options<'a>(&self, transforms: &'a Transforms, want: Want) -> Options<'a> {
        Options {
            longest: self.limits.longest_file(),
            unzipped: self.limits.layers_unzipped(),
            level: self.level,
            transforms,
            cache: if self.use_cache { Cache::of_the_user() } else { None },
            shared: self.shared_cache.clone(),
            want,
            weigh: self.weigh_pruned,
        }
    }
}
