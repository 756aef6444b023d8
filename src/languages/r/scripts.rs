//! R code of the tree that is in no package: scripts that the bootstrap runs, and what they read. The packages that it uses are
//! needed as long as it is kept.

use std::collections::BTreeSet;

use super::homes;
use super::needs::ID;
use super::source::{self, Kind, MAX_BYTES};
use crate::languages::{Followed, Packages};
use crate::tree::{EntryId, Kind as EntryKind, Magic, Place, Tree};

/// What a file of R code in the tree leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// A package, by its position.
    Package(usize),
    /// Another file, which it reads as code.
    File(EntryId),
}

/// What each file of R code needs: every copy of the packages that it does not work without, and the files that it reads. R's
/// own files are left out except its profile, as is what packages have: their code is what is loaded.
pub(super) fn uses(packages: &Packages, tree: &Tree) -> Vec<(EntryId, Use)> {
    let profiles =
        packages.installations_of(ID).filter_map(|home| homes::inside(tree, &home.path, "etc/Rprofile.site"));
    let profiles: BTreeSet<EntryId> = profiles.collect();
    let is_code = |id: EntryId| {
        let entry = tree.entry(id);
        let EntryKind::File { bytes, magic, .. } = &entry.kind else { return false };
        let name = String::from_utf8_lossy(entry.path.name());
        let begins = match magic {
            Magic::Script(line) => [&b"#!"[..], &line[..], &b"\n"[..]].concat(),
            _ => Vec::new(),
        };
        let is_source = matches!(Kind::of(&name, &begins), Some(Kind::Script | Kind::Document));
        let is_own = || packages.of_path(&entry.path).is_some() || packages.installation_of(&entry.path).is_some();
        is_source && *bytes <= MAX_BYTES as u64 && (profiles.contains(&id) || !is_own())
    };
    let mut queue: Vec<(EntryId, Option<Followed>)> =
        tree.iter().filter(|(id, _)| is_code(*id)).map(|(id, _)| (id, None)).collect();
    let mut seen: BTreeSet<EntryId> = queue.iter().map(|(id, _)| *id).collect();
    let mut found = Vec::new();
    while let Some((id, followed)) = queue.pop() {
        let path = tree.path(id);
        let name = String::from_utf8_lossy(path.name()).into_owned();
        let Some(Ok(read)) = tree.read(id).ok().and_then(|bytes| source::read(&name, &bytes, followed)) else {
            continue;
        };
        for used in read.uses.iter().filter(|used| !used.optional) {
            found.extend(packages.copies(ID, &used.package).map(|position| (id, Use::Package(position))));
        }
        let above = path.parent().unwrap_or_default().mounted();
        for follow in read.follows.iter().filter(|follow| follow.followed == Followed::Code) {
            let written =
                follow.paths.iter().flat_map(|path| follow.endings.iter().map(move |end| format!("{path}{end}")));
            for written in written {
                let at = if written.starts_with('/') { written } else { format!("{above}/{written}") };
                let Place::Inside(file) = tree.locate(at.as_bytes()) else { continue };
                let is_short = tree.entry(file).is_file() && tree.entry(file).bytes() <= MAX_BYTES as u64;
                if file != id && is_short {
                    found.push((id, Use::File(file)));
                    if seen.insert(file) {
                        queue.push((file, Some(Followed::Code)));
                    }
                }
            }
        }
    }
    found
}
