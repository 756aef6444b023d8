//! `layerfit why`: the question in the arguments, and how the answer is printed.

use std::path::PathBuf;

use super::args::WhyArgs;
use super::exit::Exit;
use super::output;
use super::work::{Shows, with_settings};
use crate::base::error::{Error, Result};
use crate::commands;
use crate::report::why;
use crate::report::why::Question;

pub(super) fn run(arguments: &WhyArgs) -> Result<Exit> {
    let WhyArgs { options, answer, .. } = arguments;
    let (question, root) = question(arguments)?;
    let why = with_settings(options, (&answer.output, Shows::Summary), |settings, progress| {
        commands::why(&root, &question, settings, progress)
    })?;
    output::answer(
        answer,
        |detail, columns| why::table(&why, detail, columns),
        || why::json(&why),
        || why::markdown(&why),
    )
}

/// The question in the arguments, and the directory.
fn question(arguments: &WhyArgs) -> Result<(Question, PathBuf)> {
    let WhyArgs { target, root, if_dropped, all, .. } = arguments;
    let default = || PathBuf::from(crate::base::path::MOUNT);
    match (target, root, if_dropped.as_slice()) {
        (Some(target), root, []) => {
            let question = Question::About { target: target.clone(), all: *all };
            Ok((question, root.clone().unwrap_or_else(default)))
        }
        // The targets are in the option, so that the first argument is the directory.
        (root, None, [_, ..]) => {
            Ok((Question::IfDropped(if_dropped.clone()), root.as_ref().map_or_else(default, PathBuf::from)))
        }
        _ => Err(Error::Usage {
            message: "why explains one target, or previews dropping those given with --if-dropped".to_owned(),
            help: "layerfit why pkg:Matrix /opt, or layerfit why --if-dropped pkg:Matrix,pkg:mgcv /opt".to_owned(),
        }),
    }
}
