//! Damaged packages: what R reads to load an installed package, and whether it can read it.
//!
//! What is required was measured with R 4.2.2, each file of a package removed, emptied, cut in half and replaced by text:
//! DESCRIPTION and NAMESPACE must exist, Meta/package.rds must be readable, and so must Meta/features.rds of a package with
//! libs/, Meta/nsInfo.rds if it exists, and every library that the namespace loads must be there. A lazy-load database (`R/PKG`, if
//! the package's loader reads one, `R/sysdata`, `data/Rdata`) needs a readable index. Its records must lie inside the database to be
//! read when they are used: `library()` itself succeeds without them, unless a hook or an S4 class or generic is among them. R finds
//! its own packages without DESCRIPTION (`find.package`), and base is not loaded as a package at all. The records of short databases
//! are decompressed, and those of long ones are recognized by their first bytes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::calls;
use super::namespace::{self, Namespace};
use super::needs::{ID, NEEDS};
use super::rdb;
use super::rdx::{Compression, Index, uncompressed};
use super::serialize;
use crate::base::buffers::Buffer;
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::path::{TreePath, printable};
use crate::formats::foreign::is_lfs_pointer;
use crate::languages::{Package, Packages};
use crate::tree::{EntryId, Kind, Place, Tree};

/// How many files of a package a message lists.
const MAX_FILES: usize = 5;

/// A longer file is not read to see whether it is damaged: in bytes, over ten times the longest index of a CRAN package.
const MAX_BYTES: u64 = 64 << 20;

/// The records of a database of up to this many bytes are decompressed.
const WHOLE_BYTES: u64 = 1 << 20;

/// What the loader of a package's code begins with: R copies its own file of this name.
const LOADER: &[u8] = b"nspackloader.R";

/// What the database of a package's code has.
const FUNCTIONS: &str = "functions";

/// What is kept of objects and of databases that can be read, in this version of how they are examined.
const READABLE_OBJECT: &str = "layerfit 1: an object that readRDS() reads";
const READABLE_DATABASE: &str = "layerfit 1: a lazy-load database of which each record can be read, and its index";

/// Findings about packages that satisfy `kept` and that R could not load.
pub(super) fn check(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let there: Vec<&Package> = packages.of_language(ID).filter(|package| kept(package.entry)).collect();
    let found: Vec<Option<Finding>> = there.par_iter().map(|package| damaged(tree, package)).collect();
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    findings.extend(there.iter().filter_map(|package| renamed(tree, package)));
    findings.extend(without_description(tree, kept));
    findings.extend(links_out(packages, tree, kept));
    findings.extend(own_libraries_out(tree, kept));
    findings.extend(sources(packages, tree, kept));
    findings
}

/// The remedy for a package of which parts are missing or damaged.
fn reinstall(name: &str) -> String {
    format!("install {name} again with R CMD INSTALL, or copy its whole directory again")
}

/// Something that R cannot read.
struct Damage {
    /// What is wrong with which file.
    what: String,
    /// What fails when it is used, where the package is loaded nevertheless.
    used: Option<&'static str>,
    /// Whether a hook may use it, which runs when the package is loaded.
    in_hook: bool,
}

impl From<String> for Damage {
    /// Damage without which the package is not loaded.
    fn from(what: String) -> Self {
        Self { what, used: None, in_hook: false }
    }
}

fn damaged(tree: &Tree, package: &Package) -> Option<Finding> {
    let reading = Reading { tree, directory: &package.directory };
    let mut wrong = Vec::new();
    let mut databases: Vec<Damage> = Vec::new();
    let name = &package.name;
    if name == "base" {
        wrong.extend(reading.database("R/base", true, FUNCTIONS).map(|damage| damage.what));
    } else {
        wrong.extend(reading.required("NAMESPACE"));
        wrong.extend(reading.required("Meta/package.rds").or_else(|| reading.object("Meta/package.rds")));
        wrong.extend(["Meta/nsInfo.rds", "Meta/features.rds"].into_iter().filter_map(|file| reading.object(file)));
        let has_libraries = reading.directory.join("libs").is_some_and(|libs| tree.find(&libs).is_some());
        wrong.extend(has_libraries.then(|| reading.required("Meta/features.rds")).flatten());
        databases.extend(reading.code(name));
        let others = [("R/sysdata", "internal data"), ("data/Rdata", "data sets")];
        databases.extend(others.into_iter().filter_map(|(base, used)| reading.database(base, false, used)));
        let namespace = namespace_of(tree, package);
        let has_code = [format!("R/{name}"), format!("R/{name}.rdb")];
        if !namespace.exports.is_empty()
            && !has_code.iter().any(|file| reading.file(file).is_some())
            && !reading.has_any("R/sysdata", &namespace.exports)
        {
            wrong.push(format!("R/{name} is missing"));
        }
        let libraries = namespace.libraries;
        wrong.extend(libraries.iter().filter_map(|library| reading.required(&format!("libs/{library}.so"))));
    }
    let used: Vec<&str> = databases.iter().filter_map(|damage| damage.used).collect();
    let is_loaded = wrong.is_empty() && used.len() == databases.len();
    wrong.extend(databases.iter().map(|damage| damage.what.clone()));
    (!wrong.is_empty()).then(|| {
        let files = list::some_parts(&wrong, MAX_FILES);
        let message = if is_loaded {
            let may_fail = databases.iter().any(|damage| damage.in_hook);
            let loaded = if may_fail { "may fail, and" } else { "succeeds, but" };
            let used = list::with_last(&used, "and");
            format!("library({name}) {loaded} its {used} cannot be read when used: {files}")
        } else {
            format!("library({name}) fails: {files}")
        };
        Finding::error(Code::DamagedPackage, &package.directory, message, reinstall(name))
    })
}

/// The functions that R runs when it loads or attaches a package.
const HOOKS: &[&str] = &[".onLoad", ".onAttach"];

/// How the names of S4 classes and of tables of S4 methods begin, which R reads when it loads a package
/// (`methods:::cacheMetaData`).
const S4: &[&str] = &[".__C__", ".__T__"];

/// An installed package whose directory has another name: R looks for a directory with the package's name, and refuses one whose
/// Meta/package.rds names another package (`find.package` and `loadNamespace` in R). A link with its name is as good.
fn renamed(tree: &Tree, package: &Package) -> Option<Finding> {
    let Package { name, directory, .. } = package;
    if directory.name() == name.as_bytes() || package.built.is_none() {
        return None;
    }
    let leads_to_it = |id| matches!(tree.follow(id), Place::Inside(place) if tree.path(place) == directory);
    let mut links = tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. }));
    if links.any(|(id, entry)| entry.path.name() == name.as_bytes() && leads_to_it(id)) {
        return None;
    }
    let message = format!("library({name}) fails: R looks for it in a directory named {name}");
    Some(Finding::error(Code::DamagedPackage, directory, message, format!("rename the directory to {name}")))
}

/// What the namespace of a package loads, as R reads it; nothing when neither of its files can be read.
pub(super) fn namespace_of(tree: &Tree, package: &Package) -> Namespace {
    let reading = Reading { tree, directory: &package.directory };
    let info = reading.read("Meta/nsInfo.rds").and_then(|file| namespace::of_info(&file).ok());
    info.or_else(|| namespace::of_text(&reading.read("NAMESPACE")?).ok()).unwrap_or_default()
}

/// Reads the files of one package.
struct Reading<'a> {
    tree: &'a Tree,
    directory: &'a TreePath,
}

impl Reading<'_> {
    /// The file at a path below the package, links followed.
    fn file(&self, below: &str) -> Option<EntryId> {
        match self.tree.follow(self.tree.find(&self.directory.join(below)?)?) {
            Place::Inside(id) if self.tree.entry(id).is_file() => Some(id),
            _ => None,
        }
    }

    fn read(&self, below: &str) -> Option<Vec<u8>> {
        let id = self.file(below)?;
        (self.tree.entry(id).bytes() <= MAX_BYTES).then(|| self.tree.read(id).ok())?
    }

    fn read_and_hash(&self, below: &str) -> Option<(Buffer<'_>, Option<blake3::Hash>)> {
        let id = self.file(below)?;
        (self.tree.entry(id).bytes() <= MAX_BYTES).then(|| self.tree.read_and_hash(id).ok())?
    }

    /// A file that must exist.
    fn required(&self, below: &str) -> Option<String> {
        if self.file(below).is_some() {
            return None;
        }
        let link = self.tree.find(&self.directory.join(below)?).map(|id| &self.tree.entry(id).kind);
        Some(match link {
            Some(Kind::Link { target }) => {
                format!("{below} is a link to {}, which is not in the tree", printable(target))
            }
            Some(_) => format!("{below} is not a file"),
            None => format!("{below} is missing"),
        })
    }

    /// Whether a lazy-load database has any of these objects. One that cannot be read may have them: it has a finding of its own.
    fn has_any(&self, base: &str, names: &BTreeSet<String>) -> bool {
        if self.file(&format!("{base}.rdb")).is_none() {
            return false;
        }
        let index = self.read(&format!("{base}.rdx")).and_then(|file| serialize::read(&uncompressed(&file).ok()?).ok());
        match index.as_ref().and_then(|index| index.item("variables")) {
            Some(serialize::Value::List { names: known, .. }) => {
                known.iter().flatten().any(|known| names.contains(&**known))
            }
            _ => true,
        }
    }

    /// An object that R reads if it exists (`readRDS()`).
    fn object(&self, below: &str) -> Option<String> {
        let (bytes, hash) = self.read_and_hash(below)?;
        self.wrong_object(below, &bytes, hash)
    }

    /// Why R cannot read an object with this content.
    fn wrong_object(&self, below: &str, bytes: &[u8], hash: Option<blake3::Hash>) -> Option<String> {
        let unreadable = |what: &str| Some(format!("{below} {what}"));
        let is_readable = || match uncompressed(bytes) {
            // R also reads its text form and native binary.
            Ok(object) if object.starts_with(b"A\n") || object.starts_with(b"B\n") => true,
            Ok(object) => serialize::read(&object).is_ok(),
            Err(_) => false,
        };
        match bytes {
            [] => unreadable("is empty"),
            _ if is_lfs_pointer(bytes) => unreadable("is a Git LFS pointer, not the file itself"),
            // Both are rare, and not read here (`gzcon()` and `readRDS()` take them).
            [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] => None,
            _ if self.tree.passes(READABLE_OBJECT, &[hash], is_readable) => None,
            _ => unreadable("is truncated or damaged"),
        }
    }

    /// The package's code: `R/PKG`, which is the code itself or reads the database beside it.
    fn code(&self, name: &str) -> Option<Damage> {
        let loader = format!("R/{name}");
        let text = self.read(&loader);
        let beside = self.file(&format!("R/{name}.rdb")).is_some();
        match text {
            None if beside => Some(self.required(&loader)?.into()),
            Some(text) if text.is_empty() && beside => Some(format!("{loader} is empty").into()),
            Some(text) if text.windows(8).any(|window| window == b"lazyLoad") => {
                self.database(&loader, true, FUNCTIONS)
            }
            Some(text) if is_lfs_pointer(&text) => {
                Some(format!("{loader} is a Git LFS pointer, not the file itself").into())
            }
            // What R writes there reads the database in its last lines; without them, the namespace stays empty.
            Some(text) if beside && text.windows(LOADER.len()).any(|window| window == LOADER) => {
                Some(format!("{loader} is damaged: it does not read {loader}.rdb").into())
            }
            _ => None,
        }
    }

    /// A lazy-load database: `.rdb`, and its index `.rdx`. One that is not required is read if one of them exists. `holds` is what it
    /// has.
    fn database(&self, base: &str, required: bool, holds: &'static str) -> Option<Damage> {
        let (database, index) = (format!("{base}.rdb"), format!("{base}.rdx"));
        let file = self.file(&database);
        if file.is_none() && !required && self.file(&index).is_none() {
            return None;
        }
        // Without the index, the package is not loaded.
        if let Some(what) = self.required(&index) {
            return Some(what.into());
        }
        let (map, of_index) = self.read_and_hash(&index)?;
        let examine = |content: Option<&[u8]>| match self.wrong_object(&index, &map, of_index) {
            Some(what) => Some(what.into()),
            None => self.damage([&database, &index], (file, content), (required, holds), &map),
        };
        let Some(short) = file.filter(|file| self.tree.entry(*file).bytes() <= WHOLE_BYTES) else {
            return examine(None);
        };
        let (content, hash) = self.tree.read_and_hash(short).ok()?;
        let mut damage = None;
        self.tree.passes(READABLE_DATABASE, &[hash, of_index], || {
            damage = examine(Some(content.as_slice()));
            damage.is_none()
        });
        damage
    }

    /// What is wrong with a lazy-load database that has this index. `content` is that of a short one, whose records are all
    /// decompressed.
    fn damage(
        &self,
        [database, index]: [&String; 2],
        (file, content): (Option<EntryId>, Option<&[u8]>),
        (required, holds): (bool, &'static str),
        map: &[u8],
    ) -> Option<Damage> {
        let when_read = |what: String, is_damaged: &dyn Fn((u32, u32)) -> bool| {
            if holds != FUNCTIONS {
                return Some(Damage { what, used: Some(holds), in_hook: false });
            }
            let variables = calls::variables(map);
            let info = self.read("Meta/nsInfo.rds").and_then(|info| namespace::of_info(&info).ok());
            let generics = info.map(|namespace| namespace.generics).unwrap_or_default();
            // R looks at the package's own generic functions to register methods for them (`registerS3methods`).
            let is_read = |name: &str| {
                HOOKS.contains(&name) || generics.contains(name) || S4.iter().any(|prefix| name.starts_with(prefix))
            };
            let mut damaged = variables.iter().filter(|(_, records)| records.iter().any(|record| is_damaged(*record)));
            let fails = damaged.any(|(name, _)| is_read(name));
            let in_hook = variables.iter().any(|(name, _)| HOOKS.contains(&name.as_str()));
            Some(Damage { what, used: (!fails).then_some(holds), in_hook })
        };
        let parsed = Index::parse(map).ok()?;
        let records = records(&parsed);
        let needed = records.iter().copied().map(end).max().unwrap_or_default();
        let Some(file) = file else {
            let what = self.required(database).filter(|_| required || needed > 0)?;
            return when_read(what, &|_| true);
        };
        let length = self.tree.entry(file).bytes();
        match length {
            0 if needed > 0 => when_read(format!("{database} is empty"), &|_| true),
            1..=1024 if content.is_some_and(is_lfs_pointer) => {
                when_read(format!("{database} is a Git LFS pointer, not the file itself"), &|_| true)
            }
            _ if length >= needed => {
                let damaged = match content {
                    Some(content) => unreadable_records(content, &records, parsed.compression()),
                    None => self.strange_records(file, &records, parsed.compression()),
                };
                let offset = damaged.first()?;
                let what =
                    format!("{database} is damaged: the record that {index} lists at byte {offset} cannot be read");
                when_read(what, &|(offset, _)| damaged.contains(&offset))
            }
            _ => {
                let what = format!("{database} is truncated: it has {length} bytes, and {index} lists {needed}");
                when_read(what, &|record| end(record) > length)
            }
        }
    }

    /// Where the records of a long database are that do not begin as one does, in order.
    fn strange_records(&self, file: EntryId, records: &[(u32, u32)], compression: Compression) -> Vec<u32> {
        let Ok(heads) = self.heads(file, records) else { return Vec::new() };
        let is_damaged = |head: &[u8]| !head.is_empty() && !rdb::begins_a_record(head, compression);
        records.iter().zip(heads).filter(|(_, head)| is_damaged(head)).map(|((offset, _), _)| *offset).collect()
    }

    /// The first bytes of each of the records, which are sorted.
    fn heads(&self, database: EntryId, records: &[(u32, u32)]) -> Result<Vec<Vec<u8>>> {
        let mut heads: Vec<Vec<u8>> = vec![Vec::new(); records.len()];
        let (mut at, mut next) = (0_u64, 0);
        self.tree.read_in_chunks_and_hash(database, &mut |chunk| {
            let end = at + chunk.len() as u64;
            while let Some(((offset, length), head)) = records.get(next).zip(heads.get_mut(next)) {
                let wanted = rdb::HEAD_BYTES.min(usize::try_from(*length).unwrap_or(usize::MAX));
                let from = u64::from(*offset) + head.len() as u64;
                // Records of R do not overlap; what begins before this part was passed over.
                let Some(from) = from.checked_sub(at) else {
                    next += 1;
                    continue;
                };
                let rest = usize::try_from(from).ok().and_then(|from| chunk.get(from..)).unwrap_or_default();
                head.extend(&rest[..rest.len().min(wanted - head.len())]);
                if head.len() < wanted {
                    break;
                }
                next += 1;
            }
            at = end;
            Ok(if next == records.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(heads)
    }
}

/// The records that an index lists, each once, in the order of the database.
fn records(index: &Index) -> Vec<(u32, u32)> {
    let mut records = index.records();
    records.sort_unstable();
    records.dedup();
    records
}

/// Where a record ends.
fn end((offset, length): (u32, u32)) -> u64 {
    u64::from(offset) + u64::from(length)
}

/// Where the records of a database are that cannot be decompressed, in order.
fn unreadable_records(content: &[u8], records: &[(u32, u32)], compression: Compression) -> Vec<u32> {
    let is_readable = |(offset, length): (u32, u32)| {
        let (start, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
        let record = content.get(start..start.checked_add(length)?)?;
        let head = &record[..record.len().min(rdb::HEAD_BYTES)];
        // Whoever compresses with bzip2 gets no look inside.
        let is_whole = rdb::begins_a_record(head, compression)
            && (rdb::is_bzip2(record, compression) || rdb::content(record, compression).is_ok());
        is_whole.then_some(())
    };
    let damaged = records.iter().filter(|record| is_readable(**record).is_none());
    damaged.map(|(offset, _)| *offset).collect()
}

/// Directories with a package's metadata and no DESCRIPTION: R does not see a package there.
fn without_description(tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let metadata = tree.iter().filter(|(id, entry)| entry.path.name() == b"package.rds" && kept(*id));
    let finding = |(_, entry): (EntryId, &crate::tree::Entry)| {
        let meta = entry.path.parent().filter(|meta| meta.name() == b"Meta")?;
        let directory = meta.parent()?;
        let name = String::from_utf8_lossy(directory.name()).into_owned();
        // A DESCRIPTION that cannot be read has a finding of its own.
        let description = tree.find(&directory.join("DESCRIPTION")?).is_some();
        if description || NEEDS.standard.base.contains(&name) {
            return None;
        }
        let message = format!("library({name}) fails, \"there is no package called\": DESCRIPTION is missing");
        Some(Finding::error(Code::DamagedPackage, &directory, message, reinstall(&name)))
    };
    metadata.filter_map(finding).collect()
}

/// Packages in a library that are not installed there: the directory has their sources.
fn sources(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let libraries: BTreeSet<&TreePath> = packages.of_language(ID).map(|package| &package.library).collect();
    let installed: BTreeSet<&TreePath> = packages.of_language(ID).map(|package| &package.directory).collect();
    let descriptions = tree.iter().filter(|(id, entry)| entry.path.name() == b"DESCRIPTION" && kept(*id));
    let finding = |(id, entry): (EntryId, &crate::tree::Entry)| {
        let directory = entry.path.parent()?;
        if installed.contains(&directory) || !libraries.contains(&directory.parent()?) {
            return None;
        }
        let name = String::from_utf8_lossy(directory.name()).into_owned();
        let text = tree.read_text(id).ok()?;
        let field = format!("Package: {name}");
        let code = directory.join("R")?;
        let is_source = |path: &TreePath| matches!(path.name(), [.., b'.', b'R' | b'r']);
        let has_sources = tree.below(&code).any(|(_, entry)| entry.is_file() && is_source(&entry.path));
        (has_sources && text.split(|b| *b == b'\n').any(|line| line.trim_ascii_end() == field.as_bytes())).then(|| {
            let message =
                format!("library({name}) fails: the directory has the package's sources, it is not installed");
            let help = "build the package and install it: R CMD INSTALL --library=LIBRARY SOURCES";
            Finding::error(Code::DamagedPackage, &directory, message, help)
        })
    };
    descriptions.filter_map(finding).collect()
}

/// Links in place of R's own library that do not lead to one in the tree: without base, there is no R at all.
fn own_libraries_out(tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let links = tree.iter().filter(|(id, entry)| {
        let home = entry.path.parent().filter(|_| entry.path.name() == b"library");
        let program = home.and_then(|home| home.join("bin/exec/R"));
        matches!(entry.kind, Kind::Link { .. }) && program.is_some_and(|path| tree.find(&path).is_some()) && kept(*id)
    });
    let finding = |(id, entry): (EntryId, &crate::tree::Entry)| {
        let end = match tree.follow(id) {
            Place::Outside(end) => format!("{}, outside of /opt", printable(&end)),
            Place::Nowhere => "a directory that is not in the tree".to_owned(),
            _ => return None,
        };
        let message = format!("R cannot start: its own library is a link to {end}, and will not be in a layer");
        Some(Finding::error(Code::DamagedPackage, &entry.path, message, "copy R's library into the tree"))
    };
    links.filter_map(finding).collect()
}

/// Links in a library that should lead to a package and lead out of the tree.
fn links_out(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let libraries: BTreeSet<&TreePath> = packages.of_language(ID).map(|package| &package.library).collect();
    let links = tree.iter().filter(|(id, entry)| {
        let in_library = || entry.path.parent().is_some_and(|parent| libraries.contains(&parent));
        matches!(entry.kind, Kind::Link { .. }) && in_library() && kept(*id)
    });
    let finding = |(id, entry): (EntryId, &crate::tree::Entry)| {
        let Place::Outside(end) = tree.follow(id) else { return None };
        let name = String::from_utf8_lossy(entry.path.name()).into_owned();
        let is_package = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        is_package.then(|| {
            let message = format!(
                "library({name}) fails: the package is a link to {}, outside of /opt, and will not be in a layer",
                printable(&end)
            );
            Finding::error(Code::DamagedPackage, &entry.path, message, "copy the package's directory into the tree")
        })
    };
    links.filter_map(finding).collect()
}
