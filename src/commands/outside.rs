//! Refuses to write into the tree: the next run would pack what is written.

use std::path::Path;

use crate::base::error::{Error, Result};

/// Refuses a file inside the tree, which `option` names. The file need not exist.
///
/// # Errors
/// When it is inside, or the root or the file cannot be looked up.
pub(super) fn refuse_in_tree(root: &Path, file: &Path, option: &str) -> Result<()> {
    if is_inside(root, file)? {
        return Err(Error::Usage {
            message: format!("{option} {}: is inside the tree, and would be packed by the next run", file.display()),
            help: "name a file outside the tree".to_owned(),
        });
    }
    Ok(())
}

/// Refuses an output directory inside the tree, or around it.
///
/// # Errors
/// When it is inside or around it, or the root or the directory cannot be looked up.
pub(super) fn refuse_output_in_tree(root: &Path, output: &Path) -> Result<()> {
    let around =
        output.canonicalize().is_ok_and(|output| root.canonicalize().is_ok_and(|root| root.starts_with(output)));
    if is_inside(root, output)? || around {
        return Err(Error::Usage {
            message: format!("-o {}: is inside the tree to be packed, or contains it", output.display()),
            help: "give a directory outside the tree, such as -o layers".to_owned(),
        });
    }
    Ok(())
}

fn is_inside(root: &Path, path: &Path) -> Result<bool> {
    let root = root.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::RootMissing(root.to_owned()),
        _ => Error::io("read", root)(error),
    })?;
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    // It need not exist yet, so the nearest existing ancestor is compared.
    let above = absolute.ancestors().find_map(|path| path.canonicalize().ok());
    Ok(above.is_some_and(|above| above.starts_with(&root)))
}
