//! `layerfit why`: the question in the arguments, and how the answer is printed.

use std::path::{Path, PathBuf};

use super::args::WhyArgs;
use super::exit::Exit;
use super::output;
use super::work::{Shows, with_settings};
use crate::base::error::{Error, Result};
use crate::commands;
use crate::plan::Settings;
use crate::report::why;
use crate::report::why::Question;

pub(super) fn run(arguments: &WhyArgs) -> Result<Exit> {
    let WhyArgs { options, answer, .. } = arguments;
    let (question, root) = question(arguments)?;
    let mut options = options.clone();
    // What is previewed is as if it were named by --drop.
    let previews = matches!(question, Question::IfDropped(_));
    let autoremove = options.targets.autoremove.take_if(|_| previews);
    let why = with_settings(&options, (&answer.output, Shows::Summary), |settings, progress| match autoremove {
        None => commands::why(&root, &question, settings, progress),
        Some(autoremove) => commands::why(&root, &question, &Settings { autoremove, ..settings.clone() }, progress),
    });
    let why = why.map_err(|error| as_tree(error, arguments))?;
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
        (None, None, []) => Ok((Question::Unneeded, default())),
        (Some(root), None, []) if is_root(root) => Ok((Question::Unneeded, PathBuf::from(root))),
        (Some(target), root, []) => {
            let question = Question::About { target: target.clone(), all: *all };
            Ok((question, root.clone().unwrap_or_else(default)))
        }
        // The targets are in the option, so that the first argument is the directory.
        (root, None, [_, ..]) => {
            Ok((Question::IfDropped(if_dropped.clone()), root.as_ref().map_or_else(default, PathBuf::from)))
        }
        _ => Err(Error::Usage {
            message:
                "why explains one target, previews dropping those given with --if-dropped, or lists what nothing needs"
                    .to_owned(),
            help: "layerfit why pkg:Matrix /opt, or layerfit why --if-dropped pkg:Matrix,pkg:mgcv /opt".to_owned(),
        }),
    }
}

/// The error of a question about something that is not in /opt, where it is a directory beside the user: that may be the tree.
fn as_tree(error: Error, arguments: &WhyArgs) -> Error {
    match (error, arguments.target.as_deref(), &arguments.root) {
        (Error::Usage { message, .. }, Some(target), None) if !is_root(target) && Path::new(target).is_dir() => {
            let help = format!(
                "for the tree in the directory {target}: layerfit why ./{target}, or layerfit why TARGET {target}"
            );
            Error::Usage { message, help }
        }
        (error, ..) => error,
    }
}

/// Whether the only argument is a tree, not something in /opt: an existing directory that is named by a path outside of /opt, or
/// /opt itself.
fn is_root(argument: &str) -> bool {
    let path = Path::new(argument);
    let named_as_path = argument == "." || argument.contains('/');
    let in_opt = path.starts_with(crate::base::path::MOUNT) && path != Path::new(crate::base::path::MOUNT);
    named_as_path && path.is_dir() && !in_opt
}
