//! Within: content of the directories that Lambda and its runtimes look for, where they do not look inside them. What they search
//! is in the Developer Guide, "Layer paths for each Lambda runtime" and "Lambda extensions".

use super::listing::{Listing, extension, join};
use super::nesting::is_description;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::subject::Subject;

/// Files from which packages are installed; a function cannot use them.
const OF_PYTHON: &[&str] =
    &["pyproject.toml", "setup.py", "setup.cfg", "poetry.lock", "uv.lock", "Pipfile", "Pipfile.lock"];
const OF_NODE: &[&str] =
    &["package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", ".npmrc", ".yarnrc"];
/// What version control and installers leave beside packages.
const OF_TOOLS: &[&str] = &[".gitattributes", ".gitignore", ".gitkeep", ".lock"];

/// How deep below `java` jars and classes are looked for.
const MAX_PARTS: usize = 5;

/// Whether a file at the root of a tree, or in a directory there, only describes packages, or is what they are installed from.
pub(crate) fn is_about_packages(path: &TreePath) -> bool {
    let Some((name, depth)) =
        path.as_str().map(|path| (path.rsplit('/').next().unwrap_or(path), path.matches('/').count()))
    else {
        return false;
    };
    let is_of_tools = || OF_TOOLS.contains(&name) || is_description(name);
    depth < 2 && (is_source(OF_PYTHON, name) || is_source(OF_NODE, name) || is_of_tools())
}

/// Whether packages are installed from a file of this name.
fn is_source(sources: &[&str], name: &str) -> bool {
    sources.contains(&name) || (name.starts_with("requirements") && extension(name) == "txt")
}

/// Content that nothing looks for, although it is in a directory that is looked for.
pub(super) fn not_found_within(listing: &Listing<'_>, own_program: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(nothing(listing));
    findings.extend(extensions(listing));
    findings.extend(in_opt_too(listing));
    findings.extend(links_lost(listing));
    // Something at the root that runs its own interpreter can name these directories itself.
    if !own_program {
        findings.extend(java(listing));
        findings.extend(node(listing));
        findings.extend(not_installed(
            listing,
            "python",
            OF_PYTHON,
            "pip install --target python -r python/requirements.txt",
        ));
        findings.extend(not_installed(listing, "nodejs", OF_NODE, "npm install --prefix nodejs"));
    }
    findings
}

fn warning(path: &str, message: String, help: &str) -> Finding {
    Finding::warning(Code::NotSearched, Subject::Path(path.to_owned()), message, help)
}

/// No file at all, but directories or what the archiver of macOS adds.
fn nothing(listing: &Listing<'_>) -> Option<Finding> {
    listing.has_no_file().then(|| {
        Finding::warning(
            Code::EmptyTree,
            Subject::whole("layers"),
            "has no file, but only directories or what macOS adds to archives",
            "add the content, and exclude __MACOSX and .DS_Store: zip -x '__MACOSX/*' '*.DS_Store'",
        )
    })
}

/// Programs in a directory below `extensions`, or in one whose name is in the singular.
fn extensions(listing: &Listing<'_>) -> Option<Finding> {
    let program = |directory: &str| {
        let mut files = listing.names(directory)?.files.iter().map(|name| join(directory, name));
        files.find(|path| listing.is_program(path))
    };
    if let Some(names) = listing.names("extensions") {
        if !names.files.is_empty() {
            return None;
        }
        let path = names.directories.iter().find_map(|name| program(&join("extensions", name)))?;
        let message = "Lambda starts the files directly in /opt/extensions as extensions, and not those deeper in it";
        return Some(warning(&path, message.to_owned(), "move it to extensions/"));
    }
    let root = listing.names("")?;
    let path = program("extension").filter(|_| root.directories.len() == 1)?;
    let message = "Lambda starts the files in /opt/extensions, and not those in /opt/extension".to_owned();
    Some(warning(&path, message, "rename the directory to extensions"))
}

/// Packages, programs or libraries in `opt` beside others that are where they belong.
fn in_opt_too(listing: &Listing<'_>) -> Option<Finding> {
    let is_twice = |name: &&&str| {
        let inner = join("opt", name);
        let has_content = match **name {
            "python" => listing.has_python_packages(&inner) || listing.has_python_modules(&inner),
            "nodejs" => listing.has_directory(&join(&inner, "node_modules")),
            _ => listing.has_objects(&inner),
        };
        has_content && listing.has_directory(name)
    };
    let name = ["python", "nodejs", "bin", "lib"].iter().find(is_twice)?;
    let path = join("opt", name);
    let message =
        format!("Lambda extracts layers into /opt: this would be in /opt/{path}, and only /opt/{name} is searched");
    Some(warning(
        &path,
        message,
        &format!("move its content into {name}/; if its full path is used, ignore this finding"),
    ))
}

/// A store of pnpm without the links to it, by which packages are found: zip follows them, or leaves them out, without -y.
fn links_lost(listing: &Listing<'_>) -> Option<Finding> {
    let stores = listing.paths().filter(|path| path.ends_with("node_modules/.pnpm") || *path == "node_modules/.pnpm");
    let path = stores.into_iter().find_map(|store| {
        let modules = store.strip_suffix("/.pnpm")?;
        let names = listing.names(modules)?;
        let has_packages =
            listing.names(store)?.directories.iter().any(|name| {
                *name != "node_modules" && listing.has_directory(&join(&join(store, name), "node_modules"))
            });
        let is_found = |name: &&str| !name.starts_with('.') && listing.is_link(&join(modules, name));
        let is_empty =
            !names.directories.iter().any(|name| !name.starts_with('.')) && !names.files.iter().any(is_found);
        (has_packages && is_empty).then_some(modules)
    })?;
    let message = format!(
        "{path} has pnpm's store .pnpm, but none of the links to it by which Node.js finds the packages: none of them can be loaded"
    );
    Some(warning(
        path,
        message,
        "keep the links: zip -r -y, or cp -a; or install with pnpm install --config.node-linker=hoisted",
    ))
}

/// Jars and classes that are not directly in `java/lib`.
fn java(listing: &Listing<'_>) -> Option<Finding> {
    let jars = |directory: &str| {
        let files = listing.names(directory).into_iter().flat_map(|names| names.files.iter());
        files.copied().find(|name| matches!(extension(name), "jar" | "class")).map(|name| join(directory, name))
    };
    let is_below = |path: &&str| *path == "java" || path.starts_with("java/");
    // A Java installation has its own places.
    let is_installation = |path: &str| path.ends_with("/bin");
    if jars("java/lib").is_some() || listing.paths().filter(is_below).any(is_installation) {
        return None;
    }
    let path = listing.paths().filter(is_below).filter(|path| path.split('/').count() <= MAX_PARTS).find_map(jars)?;
    let message = "Java in Lambda looks for jars directly in /opt/java/lib, and not here".to_owned();
    let help =
        "put jars into java/lib, and classes into a jar there; ignore this finding if the function names the full path";
    Some(warning(&path, message, help))
}

/// `node_modules` one directory too deep.
fn node(listing: &Listing<'_>) -> Option<Finding> {
    let inner = "nodejs/node_modules/node_modules";
    if listing.names(inner).is_some_and(|names| !names.directories.is_empty()) {
        let message = format!("Node.js in Lambda looks in /opt/nodejs/node_modules, and not in /opt/{inner}");
        return Some(warning(inner, message, "move its content one directory up"));
    }
    let directories = &listing.names("nodejs")?.directories;
    if directories.iter().any(|name| name.starts_with("node")) {
        return None;
    }
    let paths = directories.iter().map(|name| join(&join("nodejs", name), "node_modules"));
    let path = paths.into_iter().find(|path| listing.has_directory(path))?;
    let message = format!("Node.js in Lambda looks in /opt/nodejs/node_modules, and not in /opt/{path}");
    Some(warning(&path, message, "move it to nodejs/node_modules"))
}

/// A directory that has only what packages are installed from.
fn not_installed(listing: &Listing<'_>, directory: &str, sources: &[&str], help: &str) -> Option<Finding> {
    let names = listing.names(directory).filter(|names| names.directories.is_empty() && !names.files.is_empty())?;
    let first = names.files.iter().next()?;
    names.files.iter().all(|name| is_source(sources, name)).then(|| {
        let message = format!("{directory} has no package, but only what packages are installed from");
        warning(&join(directory, first), message, &format!("install them first: {help}"))
    })
}
