//! The command that R itself executes: `which`, by a path compiled into it.

use super::needs::ID;
use super::rdb;
use crate::base::finding::Code;
use crate::languages::{Installation, OwnCommand, Packages};
use crate::tree::Tree;

/// The commands of each home.
pub(super) fn commands(packages: &Packages, tree: &Tree) -> Vec<OwnCommand> {
    packages.installations_of(ID).filter_map(|home| which(tree, home)).collect()
}

/// The path of `which` compiled into R. `Sys.which()` runs it, and utils calls that when it is loaded (`.onLoad` and
/// `.osVersion` in R's src/library/utils/R): without it neither utils nor stats is attached.
fn which(tree: &Tree, home: &Installation) -> Option<OwnCommand> {
    // A profile that replaces the function is trusted.
    let profiles =
        ["etc/Rprofile.site", "library/base/R/Rprofile"].into_iter().filter_map(|below| home.path.join(below));
    let replaced = profiles.filter_map(|path| tree.read_text(tree.find(&path)?).ok());
    if replaced.into_iter().any(|text| text.windows(9).any(|window| window == b"Sys.which")) {
        return None;
    }
    let base = tree.find(&home.path.join("library/base/R/base.rdb")?)?;
    let database = tree.read_text(base).ok()?;
    let path = rdb::records(&database)
        .find_map(|record| rdb::strings(&record, b"/which").find(|path| path.starts_with('/')).map(str::to_owned))?;
    Some(OwnCommand {
        by: base,
        path,
        code: Code::WhichMissing,
        caller: "Sys.which()",
        consequence: "R can neither load utils nor attach stats",
        help: "configure R with WHICH=/opt/bin/which and put a which there, or replace Sys.which in etc/Rprofile.site: \
               layerfit rules C103 has the lines",
    })
}
