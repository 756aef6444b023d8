//! Layout: whether a tree is what a layer is, as far as its names tell. Lambda extracts a layer into `/opt` as it is, so content
//! that lies one directory deeper, or elsewhere than a runtime looks, is extracted without a word and never found.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Kind, Magic, Tree};
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Subject};
use crate::base::list;
use crate::base::path::TreePath;

/// What Lambda or a managed runtime looks for directly in `/opt` (AWS Lambda Developer Guide, "Packaging your layer content"
/// and "Lambda extensions"): in any other directory it is not found.
const FOUND_BY_LAMBDA: &[&str] = &["bootstrap", "extensions", "python", "nodejs", "ruby", "java"];

/// Other names at the root of a layer: directories of the search paths, installations that are used by their full path, and
/// the usual directories of an installation prefix.
const USUAL: &[&str] = &[
    "bin",
    "lib",
    "lib64",
    "R",
    "local",
    "share",
    "etc",
    "usr",
    "var",
    "sbin",
    "libexec",
    "include",
    "dotnet",
    "dotnetcore",
];

/// What makes a directory look like the root of a layer.
const OF_A_LAYER: &[&str] = &["bin", "lib", "R"];

/// Endings of archives, which Lambda does not unpack inside a layer.
const ARCHIVES: &[&str] =
    &[".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar", ".whl"];

/// How many names a finding lists.
const MAX_NAMES: usize = 3;

/// What the `.wh.` files of container images begin with (OCI image specification, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout that hides everything in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Findings about where things are in a tree that will be `/opt`.
pub fn layout_findings(tree: &Tree) -> Vec<Finding> {
    let root = Root::of(tree);
    let mut findings = Vec::new();
    findings.extend(root.nested());
    findings.extend(root.only_archives());
    findings.extend(root.not_searched());
    findings.extend(whiteouts(tree));
    findings.extend(not_executable(tree));
    findings
}

/// The names at the root of a tree.
struct Root<'a> {
    /// The directories, and the names in each.
    directories: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The files and links.
    files: BTreeSet<&'a str>,
    tree: &'a Tree,
}

impl<'a> Root<'a> {
    fn of(tree: &'a Tree) -> Self {
        let (mut directories, mut files) = (BTreeMap::<&str, BTreeSet<&str>>::new(), BTreeSet::new());
        for (_, entry) in tree.iter() {
            let Ok(path) = std::str::from_utf8(entry.path.as_bytes()) else { continue };
            match path.split_once('/') {
                // What the archiver of macOS adds is not content.
                Some(("__MACOSX", _)) => {}
                Some((top, below)) => {
                    let name = below.split('/').next().unwrap_or_default();
                    directories.entry(top).or_default().insert(name);
                }
                None if entry.is_directory() && path != "__MACOSX" => {
                    directories.entry(path).or_default();
                }
                None if !entry.is_directory() && path != ".DS_Store" => {
                    files.insert(path);
                }
                None => {}
            }
        }
        Self { directories, files, tree }
    }

    fn has(&self, name: &str) -> bool {
        self.directories.contains_key(name) || self.files.contains(name)
    }

    /// A single directory, beside files that nothing looks for, that holds what belongs at the root.
    fn nested(&self) -> Option<Finding> {
        let mut directories = self.directories.iter();
        let (Some((top, names)), None) = (directories.next(), directories.next()) else { return None };
        if self.files.contains("bootstrap") {
            return None;
        }
        let subject = Subject::Path((*top).to_owned());
        let help = format!("create the zip inside the directory: cd {top} && zip -r -y ../layer.zip .");
        if *top == "opt" {
            return Some(Finding::error(
                Code::NestedRoot,
                subject,
                "everything is in opt/, but Lambda extracts layers into /opt: the content would be in /opt/opt",
                help,
            ));
        }
        let usual = FOUND_BY_LAMBDA.iter().chain(USUAL).any(|usual| top == usual);
        if usual || is_installation(top) {
            return None;
        }
        let found_by_lambda: Vec<&&str> = FOUND_BY_LAMBDA.iter().filter(|name| names.contains(**name)).collect();
        if !found_by_lambda.is_empty() {
            return Some(Finding::error(
                Code::NestedRoot,
                subject,
                format!(
                    "everything is in {top}/: Lambda would not find {}, which it looks for directly in /opt",
                    list::some(&found_by_lambda, MAX_NAMES)
                ),
                help,
            ));
        }
        let of_a_layer: Vec<&&str> = OF_A_LAYER.iter().filter(|name| names.contains(**name)).collect();
        (!of_a_layer.is_empty()).then(|| {
            Finding::warning(
                Code::NestedRoot,
                subject,
                format!(
                    "everything is in {top}/, which looks like the content of a layer: {} would be in /opt/{top}, which is \
                     in no search path",
                    list::some(&of_a_layer, MAX_NAMES)
                ),
                format!("{help}; if the function uses /opt/{top} by its full path, ignore this finding"),
            )
        })
    }

    /// Nothing but archives, which stay packed.
    fn only_archives(&self) -> Option<Finding> {
        let is_archive = |name: &&&str| {
            let lower = name.to_lowercase();
            ARCHIVES.iter().any(|ending| lower.ends_with(ending))
        };
        let archives: Vec<&&str> = self.files.iter().filter(is_archive).collect();
        let first = archives.first().filter(|_| self.directories.is_empty() && !self.files.contains("bootstrap"))?;
        Some(Finding::warning(
            Code::OnlyArchives,
            Subject::Path((**first).to_owned()),
            format!(
                "the content is only {}: Lambda unzips a layer once, so it would be a file in /opt",
                plural(archives.len(), "archive", "archives")
            ),
            "make the layer of what is in the archive",
        ))
    }

    /// Packages of managed runtimes where these do not look.
    fn not_searched(&self) -> Vec<Finding> {
        let warning = |path: &str, message: String, help: &str| {
            Finding::warning(Code::NotSearched, Subject::Path(path.to_owned()), message, help)
        };
        let mut findings = Vec::new();
        // Something at the root that runs its own interpreter can name these directories itself.
        let own_program = self.has("bootstrap") || self.has("extensions") || self.has("bin");
        if self.directories.contains_key("site-packages") && !own_program {
            findings.push(warning(
                "site-packages",
                "Python in Lambda looks in /opt/python, and not in /opt/site-packages".to_owned(),
                "rename the directory to python, so that packages are in /opt/python",
            ));
        }
        if self.directories.contains_key("node_modules") && !own_program {
            findings.push(warning(
                "node_modules",
                "Node.js in Lambda looks in /opt/nodejs/node_modules, and not in /opt/node_modules".to_owned(),
                "move it into a directory called nodejs",
            ));
        }
        let is_metadata = |name: &&&str| name.ends_with(".dist-info") || name.ends_with(".egg-info");
        let metadata: Vec<&&str> = self.directories.keys().filter(is_metadata).collect();
        if let Some(first) = metadata.first() {
            findings.push(warning(
                first,
                format!(
                    "{} at the root: Python in Lambda looks in /opt/python, and not in /opt",
                    match metadata.len() {
                        1 => "a Python package is".to_owned(),
                        many => format!("{many} Python packages are"),
                    }
                ),
                "put the packages into a directory called python: pip install --target python",
            ));
        }
        findings.extend(self.python_of_another_prefix());
        findings
    }

    /// `lib/python3.12/site-packages` is searched by a Python in `bin` of the same prefix, and by nothing else.
    fn python_of_another_prefix(&self) -> Option<Finding> {
        let directory = self.directories.get("lib").into_iter().flatten().find(|name| {
            let version = name.strip_prefix("python3").unwrap_or("x");
            version.is_empty() || version.starts_with('.')
        })?;
        let path = format!("lib/{directory}/site-packages");
        TreePath::new(path.as_bytes()).and_then(|path| self.tree.find(&path))?;
        let has_interpreter = self.directories.get("bin").into_iter().flatten().any(|name| name.starts_with("python"));
        (!has_interpreter).then(|| {
            Finding::warning(
                Code::NotSearched,
                Subject::Path(path.clone()),
                format!(
                    "Python in Lambda looks in /opt/python and /opt/python/lib/{directory}/site-packages, and not here"
                ),
                "move lib into a directory called python",
            )
        })
    }
}

/// Whether a directory is an installation that is used by its full path: `jre17`, `jdk-17.0.2`, `node-v22`, `perl5`.
fn is_installation(name: &str) -> bool {
    ["jre", "jdk", "jvm", "java", "node", "perl", "php", "python", "ruby", "dotnet"].iter().any(|installation| {
        let rest = name.strip_prefix(installation);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| !c.is_ascii_alphabetic()))
    })
}

/// Whiteouts: files by which layers of container images delete files of lower ones. Lambda gives them no meaning.
fn whiteouts(tree: &Tree) -> Option<Finding> {
    let found: Vec<&Entry> =
        tree.iter().map(|(_, entry)| entry).filter(|entry| entry.path.name().starts_with(WHITEOUT)).collect();
    let first = found.first()?;
    // A file that should be gone, and is still there, is the better example.
    let deleted = |entry: &Entry| {
        let name = entry.path.name().strip_prefix(WHITEOUT).filter(|_| entry.path.name() != OPAQUE)?;
        let path = entry.path.parent()?.join(name)?;
        tree.find(&path).map(|_| path)
    };
    let still_there = found.iter().find_map(|entry| Some((*entry, deleted(entry)?)));
    let example = still_there.as_ref().map_or(&first.path, |(entry, _)| &entry.path);
    let more = match found.len() {
        1 => String::new(),
        many => format!(" ({many} in all)"),
    };
    let message = match &still_there {
        Some((_, path)) => {
            format!("is a whiteout of a container image{more}: it means that {path} was deleted, but it is here")
        }
        None => format!("is a whiteout of a container image{more}, which means nothing in a Lambda layer"),
    };
    Some(Finding::warning(
        Code::Whiteout,
        example,
        message,
        "copy the tree out of the merged file system of a container (docker cp), or delete .wh.* and what they name",
    ))
}

/// Programs directly in `bin` that no user may execute.
fn not_executable(tree: &Tree) -> Option<Finding> {
    let bin = TreePath::new(b"bin")?;
    let is_program = |entry: &Entry| match &entry.kind {
        Kind::File { magic: Magic::Script(_), .. } => true,
        // A library can be in bin, and is not executed.
        Kind::File { magic: Magic::Elf, .. } => !entry.path.name().windows(3).any(|part| part == b".so"),
        _ => false,
    };
    let programs = tree.iter().map(|(_, entry)| entry).filter(|entry| entry.path.parent().as_ref() == Some(&bin));
    let paths: Vec<String> = programs
        .filter(|entry| is_program(entry) && !entry.is_executable())
        .map(|entry| entry.path.to_string())
        .collect();
    let first = paths.first()?;
    let others = match paths.len() {
        1 => "is not executable".to_owned(),
        many => format!("and {} are not executable", plural(many - 1, "more program in bin", "more programs in bin")),
    };
    Some(Finding::warning(
        Code::NotExecutable,
        Subject::Path(first.clone()),
        format!("{others}: running it by its name fails with \"Permission denied\""),
        "chmod a+x before packing; zip on Windows does not record the permission",
    ))
}
