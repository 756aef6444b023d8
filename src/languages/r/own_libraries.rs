//! R's own libraries, which its packages are linked with: they come from the R that the packages were built with, and a copy from
//! another R, or from a package of the distribution, does not do.

use super::homes;
use super::needs::ID;
use crate::base::list;
use crate::base::path::TreePath;
use crate::languages::Packages;
use crate::tree::{Kind, Magic, Tree};

/// What R installs in `R_HOME/lib`, if it is configured with `--enable-R-shlib`, and without an external BLAS or LAPACK (R Installation
/// and Administration, "Configuration options").
const OWN: &[&str] = &["libR.so", "libRblas.so", "libRlapack.so"];

/// How many packages a remedy names.
const MAX_NAMES: usize = 4;

/// What to do about one of R's own libraries that these files do not find.
pub(super) fn remedy(packages: &Packages, tree: &Tree, soname: &str, needed_by: &[&TreePath]) -> Option<String> {
    if !OWN.contains(&soname) {
        return None;
    }
    let of_file = |path: &&&TreePath| packages.installations_of(ID).find(|home| path.below(&home.path).is_some());
    let home = needed_by.iter().find_map(|path| of_file(&path)).or_else(|| packages.installations_of(ID).next());
    let Some(home) = home else {
        return Some(
            "it comes only with the R that this was built with: put that into the tree, or into another layer"
                .to_owned(),
        );
    };
    let directory = home.path.join("lib")?;
    let there = directory.join(soname)?;
    if let Some(file) = homes::inside(tree, &directory, soname) {
        // A file that the loader does not take has a remedy like any other.
        return matches!(tree.entry(file).kind, Kind::File { magic: Magic::Elf, .. }).then(|| {
            format!(
                "{there} is in no searched directory: start R with {}/bin/R, whose etc/ldpaths puts {} into LD_LIBRARY_PATH, or \
                 set that where this is started",
                home.path.mounted(),
                directory.mounted()
            )
        });
    }
    let own = |path: &&&TreePath| {
        path.below(&home.path).is_some()
            && packages.of_path(path).is_none_or(|at| homes::is_base_package(&packages.get(at).name))
    };
    if needed_by.iter().any(|path| own(&path)) {
        return Some(format!("it is a part of R: copy it to {directory}/ from the R that the tree was taken from"));
    }
    let mut names: Vec<&str> =
        needed_by.iter().filter_map(|path| Some(packages.get(packages.of_path(path)?).name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let who = if names.is_empty() { "it".to_owned() } else { list::some(&names, MAX_NAMES) };
    Some(format!("install {who} again with the R of the tree, which has no {soname}: another R's would not do"))
}
