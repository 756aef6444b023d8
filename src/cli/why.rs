//! `layerfit why`: what is asked, and how the answer is printed.

use std::path::{Path, PathBuf};

use super::args::Common;
use crate::base::error::{Error, Result};
use crate::report::why;
use crate::report::why::{Question, Why};

/// What the arguments ask, and of which directory.
pub(super) fn question(
    target: Option<&str>,
    root: Option<&Path>,
    all: bool,
    if_dropped: &[String],
) -> Result<(Question, PathBuf)> {
    let default = || PathBuf::from(crate::base::path::MOUNT);
    match (target, root, if_dropped) {
        (Some(target), root, []) => {
            let question = Question::About { target: target.to_owned(), all };
            Ok((question, root.map_or_else(default, Path::to_owned)))
        }
        // What is named is dropped together, so there is no other target.
        (root, None, [_, ..]) => {
            Ok((Question::IfDropped(if_dropped.to_vec()), root.map_or_else(default, PathBuf::from)))
        }
        _ => Err(Error::Usage {
            message: "why asks about one thing, or with --if-dropped about what that names".to_owned(),
            help: "layerfit why pkg:Matrix /opt, or layerfit why --if-dropped pkg:Matrix,pkg:mgcv /opt".to_owned(),
        }),
    }
}

/// The answer, as the arguments want it.
pub(super) fn show(answer: &Why, common: &Common) -> Result<Vec<u8>> {
    super::in_three_formats(
        "why",
        common,
        |detail| why::table(answer, detail),
        || why::json(answer),
        || why::markdown(answer),
    )
}
