//! `layerfit runtime`: profiles of images.

use std::io::Write;
use std::path::Path;

use super::args::RuntimeCommand;
use crate::base::error::{Error, Result};
use crate::runtime::RuntimeProfile;
use crate::runtime::capture;

const HEADER: &str = "# A runtime profile, read off a root file system by `layerfit runtime capture`; use it with --runtime FILE.\n\
                      # The environment is that of provided.al2023: correct it when the image sets other variables.\n\n";

/// Does what the command says; gives what to print.
pub(super) fn run(command: &RuntimeCommand) -> Result<Vec<u8>> {
    match command {
        RuntimeCommand::Show { name } => Ok(RuntimeProfile::load(name)?.to_toml()?.into_bytes()),
        RuntimeCommand::Capture { sysroot, name, output } => {
            let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if name.is_empty() || !name.chars().all(simple) || RuntimeProfile::is_built_in(name) {
                return Err(Error::Usage {
                    message: format!("{name:?} cannot be a profile's name"),
                    help: "letters, digits, '.', '-' and '_', and none of the built-in names".to_owned(),
                });
            }
            let text = format!("{HEADER}{}", capture::capture(sysroot, name)?.to_toml()?);
            let file = output.clone().unwrap_or_else(|| format!("{name}.toml").into());
            if file.as_os_str() == "-" {
                return Ok(text.into_bytes());
            }
            write_new(&file, text.as_bytes(), 0o644)?;
            Ok(format!("{}: use it with --runtime {}\n", file.display(), file.display()).into_bytes())
        }
    }
}

/// Writes a file that was not there before, whole or not at all.
pub(super) fn write_new(file: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".layerfit-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
        .tempfile_in(directory)
        .map_err(Error::io("write to", directory))?;
    temporary.write_all(bytes).map_err(Error::io("write", file))?;
    temporary.as_file().sync_all().map_err(Error::io("write", file))?;
    temporary.persist_noclobber(file).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Usage {
            message: format!("{}: is there already", file.display()),
            help: "remove it, or give another file with -o; -o - prints the profile".to_owned(),
        },
        _ => Error::io("write", file)(error.error),
    })?;
    Ok(())
}
