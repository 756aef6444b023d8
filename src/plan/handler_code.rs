//! Whether the directories of the function's sources leave room for its layers. What `--handler` names can be the directory of a
//! whole project, of which not everything is deployed, so it does not count as the function's code does: it is only a
//! warning if all of it would be too much, and there is none where the size of the code is known.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use crate::base::bytes::size;
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;
use crate::languages::handlers::NOT_ENTERED;
use crate::tree::{TreeInput, unzipped_size};

/// A warning for each directory of handlers whose files are over the unzipped limit together with layers of so many bytes.
pub(super) fn findings(input: &TreeInput, settings: &Settings, layers: u64) -> Vec<Finding> {
    let limits = &settings.limits;
    if limits.function_unzipped > 0 || limits.code_unzipped.is_some() {
        return Vec::new();
    }
    let tree = match input {
        TreeInput::Directory(root) => Some(root.as_path()),
        TreeInput::Image(image, _) => Some(image.path.as_path()),
    };
    let tree = tree.and_then(|path| path.canonicalize().ok());
    let finding = |handler: &PathBuf| {
        let directory = handler.canonicalize().ok().filter(|path| path.is_dir())?;
        // The tree can be in the directory of the project, and is not deployed with it.
        let is_counted = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            Some(path) != tree.as_deref() && !NOT_ENTERED.iter().any(|left_out| name == OsStr::new(left_out))
        };
        let code = unzipped_size(&directory, is_counted)?;
        let over = layers.saturating_add(code).checked_sub(limits.total_unzipped).filter(|over| *over > 0)?;
        Some(Finding::warning(
            Code::UnzippedTooLarge,
            Subject::file(handler.display()),
            format!(
                "its {} and the {} of the layers unzipped are {} over the limit of {}, if all of it is the function's code",
                size(code),
                size(layers),
                size(over),
                size(limits.total_unzipped)
            ),
            "set --function-size to what the deployed code has unzipped, or name its directory as `code` in [template] of \
             layerfit.toml",
        ))
    };
    settings.handlers.iter().filter_map(finding).collect()
}
