//! Nesting: content that lies one or more directories deeper than in a layer, or inside an archive.

use super::listing::{Listing, extension, is_content, join};
use super::{Entry, Tree};
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::path::TreePath;
use crate::base::subject::Subject;

/// What Lambda or a managed runtime looks for directly in `/opt` (AWS Lambda Developer Guide, "Packaging your layer content"
/// and "Lambda extensions"): in any other directory it is not found.
pub(super) const FOUND_BY_LAMBDA: &[&str] = &["bootstrap", "extensions", "python", "nodejs", "ruby", "java"];

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

/// What archives of releases have beside their content.
const BESIDE: &[&str] = &["doc", "docs", "test", "tests", "examples"];

/// Endings of archives, which Lambda does not unpack inside a layer.
const ARCHIVES: &[&str] =
    &[".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar", ".whl"];

/// Directories that build systems write archives to. In others, an archive can be data.
const OF_BUILDS: &[&str] =
    &["dist", "build", "out", "output", "target", "release", "layer", "layers", "artifact", "artifacts"];

/// Names and endings of files that describe an archive.
const ABOUT: &[&str] = &["readme", "license", "licence", "copying", "notice", "changelog", "authors"];
const ABOUT_ENDINGS: &[&str] = &[".md", ".txt", ".sha256", ".md5", ".asc", ".sig"];

/// How many names a finding lists.
const MAX_NAMES: usize = 3;

/// How many directories around a layer are seen through.
const MAX_AROUND: usize = 4;

/// Content that is deeper than in a layer: in a directory beside files that nothing looks for, or in `opt`.
pub(super) fn nested(listing: &Listing<'_>) -> Option<Finding> {
    if listing.names("")?.files.contains("bootstrap") {
        return None;
    }
    if let Some(finding) = opt_beside_others(listing) {
        return Some(finding);
    }
    let mut around = String::new();
    for depth in 0..MAX_AROUND {
        let name = only_directory(listing, &around)?;
        let top = join(&around, name);
        if name == "opt" {
            return Some(in_opt(&top, true));
        }
        if depth == 0
            && let Some(finding) = in_usr(listing, name)
        {
            return Some(finding);
        }
        let usual = FOUND_BY_LAMBDA.iter().chain(USUAL).any(|usual| name == *usual);
        if usual || is_installation(name) {
            return None;
        }
        let found = found_by_lambda(listing, &top);
        if !found.is_empty() {
            let names = list::some(&found, MAX_NAMES);
            let message =
                format!("everything is in {top}/: Lambda would not find {names}, which it looks for directly in /opt");
            let is_certain = depth < 2;
            let finding = if is_certain { Finding::error } else { Finding::warning };
            let finding = finding(Code::NestedRoot, Subject::Path(top.clone()), message, zip_inside(&top));
            return Some(if is_certain { finding.of_another_tree() } else { finding });
        }
        let of_a_layer: Vec<&&str> =
            OF_A_LAYER.iter().filter(|name| listing.has_directory(&join(&top, name))).collect();
        if !of_a_layer.is_empty() {
            return (depth == 0).then(|| used_by_its_path(&top, &list::some(&of_a_layer, MAX_NAMES)));
        }
        around = top;
    }
    None
}

/// The remedy for zips: in the directory where the content is.
pub(super) fn zip_inside(directory: &str) -> String {
    let up = "../".repeat(directory.split('/').count());
    format!("create the zip inside the directory: cd {directory} && zip -r -y {up}layer.zip .")
}

fn in_opt(path: &str, is_error: bool) -> Finding {
    let message =
        format!("everything is in {path}/, but Lambda extracts layers into /opt: the content would be in /opt/{path}");
    let finding = if is_error { Finding::error } else { Finding::warning };
    let finding = finding(Code::NestedRoot, Subject::Path(path.to_owned()), message, zip_inside(path));
    if is_error { finding.of_another_tree() } else { finding }
}

fn used_by_its_path(top: &str, names: &str) -> Finding {
    Finding::warning(
        Code::NestedRoot,
        Subject::Path(top.to_owned()),
        format!(
            "everything is in {top}/, which looks like the content of a layer: {names} would be in /opt/{top}, which is in no \
             search path"
        ),
        format!("{}; if the function uses /opt/{top} by its full path, ignore this finding", zip_inside(top)),
    )
}

/// Programs and libraries in `usr`, as installations for a whole system have them: no search path of Lambda leads there.
fn in_usr(listing: &Listing<'_>, top: &str) -> Option<Finding> {
    let prefixes = ["usr/local", "usr"].into_iter().filter(|_| top == "usr");
    let places = |prefix: &str| ["bin", "lib", "lib64"].map(|name| join(prefix, name));
    let prefix = prefixes.into_iter().find(|prefix| places(prefix).iter().any(|place| listing.has_objects(place)))?;
    // An installation of a language finds what is its own.
    let is_installation = places(prefix).iter().any(|lib| {
        listing
            .names(lib)
            .is_some_and(|names| names.directories.iter().any(|name| *name == "R" || is_installation(name)))
    });
    let of_a_layer = OF_A_LAYER.iter().copied().filter(|name| listing.has_directory(&join(prefix, name)));
    (!is_installation).then(|| used_by_its_path(prefix, &list::some(&of_a_layer.collect::<Vec<_>>(), MAX_NAMES)))
}

/// `opt` beside directories that Lambda does not look for, such as those of a root file system.
fn opt_beside_others(listing: &Listing<'_>) -> Option<Finding> {
    let found = found_by_lambda(listing, "opt");
    let has_usual = |directory: &str| OF_A_LAYER.iter().any(|name| listing.has_directory(&join(directory, name)));
    // A prefix of its own can have an opt/ with more of them.
    let looks_like_one = has_usual("opt") && !has_usual("");
    let is_layer = found_by_lambda(listing, "").is_empty() && (!found.is_empty() || looks_like_one);
    (is_layer && only_directory(listing, "") != Some("opt")).then(|| {
        let message =
            "looks like the content of a layer, but Lambda extracts layers into /opt: it would be in /opt/opt";
        let finding = if found.is_empty() { Finding::warning } else { Finding::error };
        finding(Code::NestedRoot, Subject::Path("opt".to_owned()), message, zip_inside("opt"))
    })
}

/// The only directory in a directory but for those that archives of releases have beside their content.
fn only_directory<'a>(listing: &Listing<'a>, directory: &str) -> Option<&'a str> {
    let directories = &listing.names(directory)?.directories;
    let is_beside = |name: &str| name.starts_with('.') || BESIDE.contains(&name);
    let mut content = directories.iter().filter(|name| !is_beside(name));
    let (first, second) = (content.next(), content.next());
    match (first, second) {
        (Some(only), None) => Some(only),
        (None, _) if directories.len() == 1 => directories.first().copied(),
        _ => None,
    }
}

/// What a directory has that Lambda looks for directly in `/opt`, and that is what Lambda looks for.
fn found_by_lambda(listing: &Listing<'_>, directory: &str) -> Vec<&'static str> {
    let is_what_it_looks_for = |name: &str| {
        let path = join(directory, name);
        let names = listing.names(&path);
        let has = |below: &[&str]| below.iter().any(|below| listing.has(&path, below));
        match name {
            "bootstrap" => listing.names(directory).is_some_and(|names| names.files.contains("bootstrap")),
            "extensions" => names.is_some_and(|names| !names.files.is_empty()),
            "python" => {
                let is_module = |name: &&str| matches!(extension(name), "py" | "so");
                listing.has_python_packages(&path)
                    || names.is_some_and(|names| names.files.iter().any(is_module))
                    || names.is_some_and(|_| has(&["lib"]) && !has(&["bin"]))
            }
            "nodejs" => names.is_some_and(|names| names.directories.iter().any(|name| name.starts_with("node"))),
            "ruby" => has(&["gems", "lib"]),
            "java" => has(&["lib"]) && !has(&["bin"]),
            _ => false,
        }
    };
    FOUND_BY_LAMBDA.iter().filter(|name| is_what_it_looks_for(name)).copied().collect()
}

/// Whether a directory is an installation that is used by its full path: `jre17`, `jdk-17.0.2`, `node-v22`, `perl5`.
fn is_installation(name: &str) -> bool {
    ["jre", "jdk", "jvm", "java", "node", "perl", "php", "python", "ruby", "dotnet"].iter().any(|installation| {
        let rest = name.strip_prefix(installation);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| !c.is_ascii_alphabetic()))
    })
}

/// Nothing but archives, which stay packed, among the entries that satisfy `of`, of which `listing` is.
pub(super) fn only_archives(listing: &Listing<'_>, tree: &Tree, of: &dyn Fn(&Entry) -> bool) -> Option<Finding> {
    let root = listing.names("")?;
    if root.files.contains("bootstrap") {
        return None;
    }
    let mut archives = Vec::new();
    for (id, entry) in
        tree.iter().filter(|(_, entry)| of(entry) && !entry.is_directory() && is_content(entry) && !is_about(entry))
    {
        let name = String::from_utf8_lossy(entry.path.name()).to_lowercase();
        let is_named = ARCHIVES.iter().any(|ending| name.ends_with(ending));
        // Artifacts of CI systems have a name without an ending.
        let is_zip = || tree.read_head(id, 4).is_ok_and(|head| head == b"PK\x03\x04");
        let top = entry.path.as_bytes().split(|b| *b == b'/').next().and_then(|top| std::str::from_utf8(top).ok());
        let is_at_root = entry.path.parent().is_none_or(|parent| parent.is_root());
        let of_build = is_at_root
            || top.is_some_and(|top| OF_BUILDS.contains(&top))
            || (top == Some("python") && (extension(&name) == "whl" || name.ends_with(".tar.gz")))
            || (top == Some("nodejs") && extension(&name) == "tgz");
        if !(of_build && (is_named || (!name.contains('.') && entry.is_file() && is_zip()))) {
            return None;
        }
        archives.push(&entry.path);
    }
    let first: &TreePath = archives.first()?;
    Some(Finding::warning(
        Code::OnlyArchives,
        first,
        format!(
            "the content is only {}: Lambda unzips a layer once, so it would be a file in /opt",
            plural(archives.len(), "archive", "archives")
        ),
        "make the layer of what is in the archive",
    ))
}

/// Whether a file only describes an archive beside it.
fn is_about(entry: &Entry) -> bool {
    let name = String::from_utf8_lossy(entry.path.name()).to_lowercase();
    is_description(&name) || ABOUT_ENDINGS.iter().any(|end| name.ends_with(end))
}

/// Whether a file of this name describes what it lies beside, and is no data.
pub(super) fn is_description(name: &str) -> bool {
    let name = name.to_lowercase();
    ABOUT.iter().any(|start| name.starts_with(start))
}
