//! Named: files of the tree that shell scripts name by their paths, such as a text that one prints or a file that it sources. Rules
//! take some of them for documents that nothing reads.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::base::path::TreePath;
use crate::formats::shebang;
use crate::languages::Packages;
use crate::tree::{EntryId, Kind, Magic, Tree};

/// A longer script is not read.
const MAX_BYTES: u64 = 64 << 10;

/// A path below `/opt`, or one relative to a place that the script works out: its own directory, or the one it changes to.
static PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?:(?:^|[\s"'=:<])(?:/opt|\.{1,2})|\$\{?\w+\}?"?|\)"?)((?:/[\w@%+,.-]+)+)"#).ok());

/// The files that shell scripts name, each with the script. An installation of a language has needs of its own, and a script that
/// only builds it may name what is not there for functions.
pub(super) fn files(tree: &Tree, packages: &Packages) -> Vec<(EntryId, EntryId)> {
    let scripts = tree.iter().filter(|(_, entry)| {
        let Kind::File { magic: Magic::Script(line), .. } = &entry.kind else { return false };
        shebang::parse(line).is_some_and(|interpreter| interpreter.is_shell())
            && entry.bytes() <= MAX_BYTES
            && packages.installation_of(&entry.path).is_none()
    });
    let mut found = Vec::new();
    for (script, entry) in scripts {
        let Ok(text) = tree.read_text(script) else { continue };
        let own = entry.path.parent().unwrap_or_default();
        let above = own.parent();
        for named in PATH.iter().flat_map(|pattern| pattern.captures_iter(&text)) {
            let (Some(whole), Some(path)) = (named.get(0), named.get(1)) else { continue };
            // `../x` is relative to the directory above.
            let before = whole.as_bytes().strip_suffix(path.as_bytes()).unwrap_or_default();
            let up: &[u8] = if before.ends_with(b"..") { b".." } else { b"." };
            let bases = [Some(TreePath::default()), Some(own.clone()), above.clone()].into_iter().flatten();
            let paths = bases.filter_map(|base| base.join([up, path.as_bytes()].concat()));
            let files = paths.filter_map(|path| tree.find(&path)).filter(|id| !tree.entry(*id).is_directory());
            found.extend(files.filter(|id| *id != script).map(|id| (script, id)));
        }
    }
    found
}
