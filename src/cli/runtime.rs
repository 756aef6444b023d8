//! `layerfit runtime`: profiles of images.

use std::path::Path;

use super::args::{Architecture, RuntimeArgs, RuntimeCommand};
use super::exit::Exit;
use super::{output, progress};
use crate::base::atomic::{can_create, create_file};
use crate::base::error::{Error, Result};
use crate::runtime::RuntimeProfile;
use crate::runtime::capture;

const HEADER: &str = "# A runtime profile, read from a root file system by `layerfit runtime capture`; use it with --runtime FILE.\n\
                      # The environment is that of provided.al2023: correct it when the image sets other variables.\n\n";

/// What to do with a file that is there already.
const EXISTS: &str = "remove it, or name another file with -o; -o - prints the profile";

pub(super) fn run(arguments: &RuntimeArgs) -> Result<Exit> {
    output::done(&profile(&arguments.command)?)
}

/// The profile of a root file system, as TOML without its head.
fn profile_of(root: &Path, name: &str, architecture: Option<&str>) -> Result<String> {
    let progress = progress::bar(false);
    let profile = capture::capture(root, name, architecture, progress.as_ref());
    progress.done();
    profile?.to_toml()
}

/// A profile, or where it was written.
fn profile(command: &RuntimeCommand) -> Result<Vec<u8>> {
    match command {
        RuntimeCommand::Show { name } => Ok(RuntimeProfile::load(name)?.to_toml()?.into_bytes()),
        RuntimeCommand::Capture { sysroot, arch, name, output } => {
            let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || !name.chars().all(simple) || RuntimeProfile::is_built_in(name) {
                return Err(Error::Usage {
                    message: format!("{name:?} cannot be a profile's name"),
                    help: "use letters, digits, '.', '-' and '_', and not a built-in name".to_owned(),
                });
            }
            let file = output.clone().unwrap_or_else(|| format!("{name}.toml").into());
            let is_printed = file.as_os_str() == "-";
            if !is_printed {
                // Before the root file system is read, which can take long.
                can_create(&file, EXISTS)?;
            }
            let text = format!("{HEADER}{}", profile_of(sysroot, name, arch.map(Architecture::name))?);
            if is_printed {
                return Ok(text.into_bytes());
            }
            create_file(&file, text.as_bytes(), 0o644, EXISTS)?;
            Ok(format!("{}: use it with --runtime {}\n", file.display(), file.display()).into_bytes())
        }
    }
}
