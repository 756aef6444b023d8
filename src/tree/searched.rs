//! Searched: packages of managed runtimes in directories where these do not look. What Lambda searches is in the Developer
//! Guide, "Layer paths for each Lambda runtime".

use super::Tree;
use super::listing::{Listing, extension, is_python_metadata, join};
use super::within::not_found_within;
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;

/// What Lambda looks for in `/opt` by an exact name.
const EXACT: &[&str] = &["bootstrap", "extensions", "python", "nodejs", "ruby", "java", "bin", "lib"];

/// How many names the path of a directory with Python packages has at most: `python/venv/lib/python3.12/site-packages`.
const MAX_PARTS: usize = 5;

/// Whether Lambda would look at something in a tree by itself. Of `lib`, it looks at libraries only.
pub fn is_searched(tree: &Tree) -> bool {
    let mut tops = tree.iter().filter(|(_, entry)| !entry.is_directory()).filter_map(|(_, entry)| {
        let path = entry.path.as_bytes();
        Some((path.split(|byte| *byte == b'/').next()?, path.contains(&b'/')))
    });
    tops.any(|(top, is_below)| {
        let exact = EXACT.iter().any(|name| name.as_bytes() == top);
        exact && top != b"lib" && is_below == (top != b"bootstrap")
    })
}

/// Whether something is at the root that can run its own interpreter, and so name directories itself.
pub(super) fn has_own_program(listing: &Listing<'_>) -> bool {
    ["bootstrap", "extensions", "bin"].iter().any(|name| listing.has("", name))
}

/// Packages of managed runtimes where these do not look. With a program of one's own, it can be what looks there.
pub(super) fn not_searched(listing: &Listing<'_>, own_program: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !own_program {
        findings.extend(python_at_root(listing));
        findings.extend(modules_of_node(listing));
        findings.extend(node_at_root(listing));
        findings.extend(gems(listing));
    }
    findings.extend(python_metadata(listing));
    findings.extend(python_elsewhere(listing, own_program));
    findings.extend(other_case(listing));
    findings.extend(not_found_within(listing, own_program));
    findings
}

fn warning(path: &str, message: String, help: &str) -> Finding {
    Finding::warning(Code::NotSearched, Subject::Path(path.to_owned()), message, help)
}

const INTO_PYTHON: &str = "put the packages into a directory called python: pip install --target python";

/// Packages of Python directly at the root, without metadata.
fn python_at_root(listing: &Listing<'_>) -> Option<Finding> {
    let root = listing.names("")?;
    if root.directories.iter().any(|name| is_python_metadata(name)) {
        return None;
    }
    let package = root.directories.iter().find(|name| listing.has(name, "__init__.py"))?;
    Some(warning(
        package,
        "is a Python package at the root: Python in Lambda looks in /opt/python, and not in /opt".to_owned(),
        INTO_PYTHON,
    ))
}

/// Packages of Python directly at the root, by their metadata.
fn python_metadata(listing: &Listing<'_>) -> Option<Finding> {
    let directories = &listing.names("")?.directories;
    let metadata: Vec<&&str> = directories.iter().filter(|name| is_python_metadata(name)).collect();
    let first = metadata.first()?;
    let packages = match metadata.len() {
        1 => "a Python package is".to_owned(),
        many => format!("{many} Python packages are"),
    };
    let message = format!("{packages} at the root: Python in Lambda looks in /opt/python, and not in /opt");
    Some(warning(first, message, INTO_PYTHON))
}

/// `site-packages` and `dist-packages` where neither Lambda's Python nor one in the tree looks.
fn python_elsewhere(listing: &Listing<'_>, own_program: bool) -> Vec<Finding> {
    // A Python in the tree has its own search path.
    let has_python = |directory: &str| {
        let files = listing.names(directory).into_iter().flat_map(|names| names.files.iter());
        let is_python = |name: &str| {
            let version = name.strip_prefix("python3").or_else(|| name.strip_prefix("python"));
            version.is_some_and(|version| version.chars().all(|c| c == '.' || c.is_ascii_digit()))
        };
        let mut pythons = files.filter(|name| is_python(name));
        pythons.any(|name| directory == "bin" || listing.is_elf(&join(directory, name)))
    };
    if listing.paths().any(|path| (path == "bin" || path.ends_with("/bin")) && has_python(path)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for path in listing.paths() {
        let parts: Vec<&str> = path.split('/').collect();
        let is_one = matches!(parts.last(), Some(&("site-packages" | "dist-packages")));
        let version = |part: &str| part.strip_prefix("python3").is_some_and(|version| version.starts_with('.'));
        let is_searched = matches!(parts.as_slice(), ["python", "lib", python, "site-packages"] if version(python));
        let in_package = (1..parts.len()).any(|end| listing.has(&parts[..end].join("/"), "__init__.py"))
            || parts.contains(&"node_modules");
        if !is_one || is_searched || in_package || parts.len() > MAX_PARTS || !has_content(listing, path) {
            continue;
        }
        // The program can be one that names the directory, unless the directory is that of an installation of Python.
        let is_installed = parts.iter().any(|part| part.starts_with("python3"));
        if own_program && !is_installed {
            continue;
        }
        let (message, help) = match parts.iter().find(|part| version(part)) {
            _ if parts.len() == 1 => (
                format!("Python in Lambda looks in /opt/python, and not in /opt/{path}"),
                "rename the directory to python, so that packages are in /opt/python".to_owned(),
            ),
            Some(python) => (
                format!(
                    "Python in Lambda looks in /opt/python and /opt/python/lib/{python}/site-packages, and not here"
                ),
                match parts.as_slice() {
                    ["lib", ..] => "move lib into a directory called python".to_owned(),
                    _ => format!("move its content into python/ or python/lib/{python}/site-packages/"),
                },
            ),
            None => (
                "Python in Lambda looks in /opt/python and /opt/python/lib/python3.x/site-packages, and not here"
                    .to_owned(),
                "move its content into python/".to_owned(),
            ),
        };
        findings.push(warning(path, message, &help));
    }
    let inner = "python/python";
    if listing.has_python_packages(inner) && !listing.has(inner, "__init__.py") {
        let message = format!("Python in Lambda looks in /opt/python, and not in /opt/{inner}");
        findings.push(warning(inner, message, "move its content one directory up"));
    }
    findings
}

fn has_content(listing: &Listing<'_>, path: &str) -> bool {
    listing.names(path).is_some_and(|names| !names.directories.is_empty() || !names.files.is_empty())
}

/// `node_modules` where Lambda's Node.js does not look, and packages beside it.
fn modules_of_node(listing: &Listing<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let elsewhere = |directory: &str| {
        let parts: Vec<&str> = directory.split('/').collect();
        matches!(
            parts.as_slice(),
            ["node_modules"] | ["lib" | "lib64", "node_modules"] | ["nodejs", "nodejs", "node_modules"]
        ) || matches!(parts.as_slice(), [top, "node_modules"] if top.starts_with("node") && *top != "nodejs")
    };
    for path in listing.paths().filter(|path| elsewhere(path)) {
        let message = format!("Node.js in Lambda looks in /opt/nodejs/node_modules, and not in /opt/{path}");
        let top = path.split('/').next().unwrap_or_default();
        if !listing.has_directory(&format!("{top}/bin")) || top == path {
            findings.push(warning(path, message, "move it into a directory called nodejs"));
        }
    }
    let Some(nodejs) = listing.names("nodejs") else { return findings };
    if !nodejs.directories.iter().any(|name| name.starts_with("node")) {
        let package = nodejs.directories.iter().find(|name| listing.has(&join("nodejs", name), "package.json"));
        findings.extend(package.map(|package| {
            let path = join("nodejs", package);
            let message = format!(
                "require(\"{package}\") looks in /opt/nodejs/node_modules, which is not there, and not in /opt/{path}"
            );
            let help =
                "move the packages into nodejs/node_modules, or ignore this finding if the function names /opt/nodejs";
            warning(&path, message, help)
        }));
    }
    findings
}

/// Packages of Node.js directly at the root, as if the content of `node_modules` had been zipped: nothing else is there, and no
/// application, which would have its own `node_modules`.
fn node_at_root(listing: &Listing<'_>) -> Option<Finding> {
    let root = listing.names("").filter(|root| !root.directories.contains("nodejs"))?;
    let tops = root.directories.iter().filter(|name| !name.starts_with('.'));
    let scoped = |name: &str| {
        let inner = listing.names(name).into_iter().flat_map(|names| names.directories.iter());
        inner.map(|inner| join(name, inner)).collect::<Vec<_>>()
    };
    let paths = tops.flat_map(|name| if name.starts_with('@') { scoped(name) } else { vec![(*name).to_owned()] });
    let paths: Vec<String> = paths.collect();
    let is_package = |path: &String| listing.has(path, "package.json") && !listing.has(path, "node_modules");
    let first = paths.first().filter(|_| paths.iter().all(is_package))?;
    let packages = match paths.len() {
        1 => "is a package of Node.js".to_owned(),
        many => format!("and {} are packages of Node.js", plural(many - 1, "more directory", "more directories")),
    };
    let message =
        format!("{packages} at the root: require() in Lambda looks in /opt/nodejs/node_modules, and not in /opt");
    let help =
        "move the packages into nodejs/node_modules, or ignore this finding if the function names their full paths";
    Some(warning(first, message, help))
}

/// Gems of Ruby outside the directory of a version in `ruby/gems`.
fn gems(listing: &Listing<'_>) -> Option<Finding> {
    let is_home =
        |path: &str| listing.has_directory(&join(path, "gems")) && listing.has_directory(&join(path, "specifications"));
    let is_searched = |path: &str| {
        let version = path.strip_prefix("ruby/gems/");
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    };
    let path = listing.paths().find(|path| path.split('/').count() <= 4 && is_home(path) && !is_searched(path))?;
    let subject = join(path, "gems");
    Some(warning(
        &subject,
        format!("Ruby in Lambda looks for gems in /opt/ruby/gems/VERSION, such as 3.3.0, and not in /opt/{subject}"),
        "put gems and specifications into ruby/gems/VERSION",
    ))
}

/// Directories that Lambda would look for if their names had no capitals.
pub(super) fn other_case(listing: &Listing<'_>) -> Vec<Finding> {
    let Some(root) = listing.names("") else { return Vec::new() };
    let mut findings = Vec::new();
    for name in root.directories.iter().chain(root.files.iter()) {
        let lower = name.to_lowercase();
        if lower == **name || !EXACT.contains(&lower.as_str()) || listing.has("", &lower) {
            continue;
        }
        let Some(inner) = listing.names(name).or_else(|| listing.names("")) else { continue };
        let has_library = || inner.files.iter().any(|file| extension(file) == "so" || file.contains(".so."));
        // Python for Windows has Lib, and applications have directories of any of these names.
        let is_meant = match lower.as_str() {
            "bootstrap" => root.files.contains(name),
            "extensions" | "bin" => !inner.files.is_empty() && root.directories.contains(name),
            "lib" => has_library(),
            "python" => listing.has_python_packages(name) || inner.files.iter().any(|file| extension(file) == "py"),
            "nodejs" => inner.directories.contains("node_modules"),
            "ruby" => inner.directories.contains("gems"),
            _ => inner.directories.contains("lib"),
        };
        if is_meant {
            let message = format!("Lambda looks for /opt/{lower}, and names on Linux are case-sensitive");
            findings.push(warning(name, message, &format!("rename it to {lower}")));
        }
    }
    findings
}
