//! Rewrite: files that are packed in another form than that of the tree. Bytes in, bytes out; the tree is never changed.

pub mod strip;

use std::collections::BTreeSet;

use globset::GlobSet;
use schemars::JsonSchema;
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::globs;
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use strip::StripMode;

/// The form in which a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// That of the tree.
    AsItIs,
    /// An ELF file without sections that no process loads.
    Stripped,
    /// An R database whose records are not compressed.
    Open,
    /// An R database whose records are compressed by xz.
    Xz,
}

/// Which files are packed in another form.
#[derive(Debug, Clone, Default)]
pub struct Transforms {
    /// What is removed from ELF files.
    pub strip: StripMode,
    /// Whether R's databases can get another form.
    pub repack: bool,
    not_stripped: GlobSet,
    /// The globs of `not_stripped`, as they were written.
    written: Vec<String>,
}

impl Transforms {
    /// These transforms; ELF files that match one of the globs `not_stripped` are not stripped.
    ///
    /// # Errors
    /// When one of the globs is not valid.
    pub fn new(strip: StripMode, not_stripped: &[String], repack: bool) -> Result<Self> {
        let set = globs::set(not_stripped).map_err(|error| Error::Usage {
            message: format!("--no-strip: {error}"),
            help: "give globs of paths in the tree, such as '**/libboost_*.so*'".to_owned(),
        })?;
        Ok(Self { strip, repack, not_stripped: set, written: not_stripped.to_vec() })
    }

    /// A finding for each glob of what is not stripped that no ELF file matches.
    pub(crate) fn unmatched<'p>(&self, objects: impl Iterator<Item = &'p TreePath>) -> Vec<Finding> {
        let mut left: BTreeSet<usize> = (0..self.written.len()).collect();
        for path in objects {
            if left.is_empty() {
                break;
            }
            for matched in self.not_stripped.matches(path.as_path()) {
                left.remove(&matched);
            }
        }
        let finding = |at: usize| {
            let message = format!("no-strip: no ELF file matches {}, so it has no effect", self.written[at]);
            let help =
                "correct the glob, which is compared with whole paths in the tree, such as **/libx.so*; or remove it";
            Finding::warning(Code::HoldsNothing, Subject::setting("no-strip"), message, help)
        };
        left.into_iter().map(finding).collect()
    }

    /// Whether the ELF file at this path is stripped.
    pub fn strips(&self, path: &TreePath) -> bool {
        self.strip != StripMode::None && !self.not_stripped.is_match(path.as_path())
    }
}
