//! JavaScript and TypeScript sources: which packages they load, which of them are the function's own files, and what of that
//! cannot be determined statically.
//!
//! Code is parsed with tree-sitter's grammars and never run. What counts: `import` and `export ... from`, and with literal
//! names `import()`, `require()`, `require.resolve()` and the functions that `createRequire()` returns. Types are not loaded:
//! `import type` is nothing, nor is an import in TypeScript of what is only used as a type. Files of the function are read as
//! well, also those that `Worker` and `fork()` run, and packages of its own `node_modules` are not missing.
//!
//! | source | concluded |
//! | --- | --- |
//! | `require("a/b")` | the package `a` |
//! | `require("./a")` | `./a.js`, `./a/index.js` ... of the function |
//! | `require("a")` in `try`, where `catch` does not throw | `a` is optional |
//! | `import("a").catch(...)` | `a` is optional, unless that throws |
//! | `if (require.main === module) require("a")` | `a` is optional, unless the source is run as a program (`conditions.rs`) |
//! | `if (process.platform === "win32") require("a")` | nothing |
//! | `require(path.join(__dirname, "a"))` | the file `./a` of the function |
//! | `import "#a"` | what the function's package.json has under `imports` |
//! | `require(name)` | `name` if it is a constant with a literal, or else reported |
//! | `register(require)` | reported: `require` is called where it is not seen (`loaders.rs`) |
//! | `"/opt/nodejs/node_modules/a/b.json"` | the package that has the file |
//! | `require("/opt/nodejs/shared")` | that file of the layer, with what it loads |
//!
//! The `dependencies` of a package.json beside the code are used where they are in the tree.

pub(super) mod at_start;
mod conditions;
mod loaders;
mod reader;
mod values;

use std::path::Path;

use serde_json::Value;

use crate::languages::{Follow, Followed, From, Source, Use, reading};

/// The longest source that is read, in bytes: the tree of crafted code needs 600 times its length in memory.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// A dialect, by the ending of a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// JavaScript, with JSX.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
}

impl Dialect {
    /// The dialect of a file of this name.
    fn of(name: &str) -> Option<Self> {
        let (before, ending) = name.rsplit_once('.')?;
        match ending {
            "js" | "mjs" | "cjs" | "jsx" => Some(Self::JavaScript),
            // Declarations have no code.
            "ts" | "mts" | "cts" if before.rsplit_once('.').is_none_or(|(_, kind)| kind != "d") => {
                Some(Self::TypeScript)
            }
            "tsx" => Some(Self::Tsx),
            _ => None,
        }
    }
}

/// What is before the name of a package that is used where it is in the tree, and not missed otherwise: it is declared.
pub(super) const IF_INSTALLED: &str = "npm:";

/// What is before the path of a file below /opt that is loaded as code.
pub(super) const LOADED_FILE: &str = "load:";

/// Whether a name is that of a source, or of a list of what sources require.
pub(super) fn is_listed(name: &str) -> bool {
    is_name(name) || name == "package.json"
}

/// Whether a name is that of a source.
pub(super) fn is_name(name: &str) -> bool {
    Dialect::of(name).is_some()
}

/// Whether a file below a named directory is for its development: tests, and the configuration of tools.
pub(super) fn is_beside_code(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let has = |word: &str| name.contains(&format!(".{word}."));
    let directories = path.parent().into_iter().flat_map(Path::components);
    has("test")
        || has("spec")
        || has("config")
        || matches!(&*name, ".eslintrc.js" | ".eslintrc.cjs" | "gulpfile.js" | "Gruntfile.js")
        || directories
            .into_iter()
            .any(|above| matches!(above.as_os_str().to_str(), Some("tests" | "test" | "__tests__")))
}

/// What a source loads; `None` when the file is not a source.
pub(super) fn read(name: &str, bytes: &[u8], followed: Option<Followed>) -> Option<Result<Source, String>> {
    match followed {
        Some(Followed::Code) if name == "package.json" => return Some(Ok(imports(bytes))),
        Some(Followed::Manifest) if name == "package.json" => return Some(Ok(manifest(bytes))),
        Some(Followed::ByName) if name == "package.json" => return Some(Ok(directory(bytes))),
        None if name == "package.json" => return Some(Ok(declared(bytes))),
        _ => {}
    }
    let runs = |program: &str| matches!(program, "node" | "nodejs");
    let script = || reading::is_script(bytes, runs).then_some(Dialect::JavaScript);
    let dialect = Dialect::of(name).or_else(|| if followed == Some(Followed::Code) { None } else { script() })?;
    let is_program = followed == Some(Followed::Program);
    Some(reading::source(bytes, "JavaScript", MAX_BYTES, |text, source| {
        reader::read(text, dialect, is_program, source)
    }))
}

/// What the code of a source that is loaded loads.
///
/// # Errors
/// When it is not text.
#[cfg(test)]
pub(super) fn parse(bytes: &[u8], dialect: Dialect) -> Result<Source, String> {
    reading::source(bytes, "JavaScript", MAX_BYTES, |text, source| reader::read(text, dialect, false, source))
}

/// What a package of the function's own `node_modules` requires: it is there as well, or in a layer.
fn manifest(bytes: &[u8]) -> Source {
    let mut source = Source::default();
    let declared = json(bytes).unwrap_or_default();
    for key in ["dependencies", "optionalDependencies", "peerDependencies"] {
        for name in declared[key].as_object().into_iter().flatten().map(|(name, _)| name) {
            source.follows.push(package(1, name, true));
        }
    }
    source.tidy();
    source
}

/// What the package.json of a function declares: npm installs it with the code, or it is in a layer.
fn declared(bytes: &[u8]) -> Source {
    let mut source = Source { only_declares: true, ..Source::default() };
    let declared = json(bytes).unwrap_or_default();
    // A package with `exports` finds itself by its own name.
    let name = declared["name"].as_str().filter(|_| !declared["exports"].is_null());
    source.own_names.extend(name.map(str::to_owned));
    let text = String::from_utf8_lossy(bytes);
    for key in ["dependencies", "optionalDependencies", "peerDependencies"] {
        for name in declared[key].as_object().into_iter().flatten().map(|(name, _)| name) {
            // A name can be in another table as well: the first line with it is near enough.
            let at = text.find(&format!("\"{name}\"")).unwrap_or(0);
            let line = 1 + text[..at].matches('\n').count();
            let package = format!("{IF_INSTALLED}{name}");
            source.uses.push(Use { line, package, optional: true, continues: true, attaches: false });
        }
    }
    source.tidy();
    source
}

/// What `require()` loads of a directory with this package.json: its `main`, or else `index` (LOAD_AS_DIRECTORY in the
/// documentation of Node.js, Modules: CommonJS modules).
fn directory(bytes: &[u8]) -> Source {
    let declared = json(bytes).unwrap_or_default();
    let main = declared["main"].as_str().filter(|main| !main.is_empty());
    let relative = |path: &str| format!("./{}", path.trim_start_matches("./"));
    let mut source = Source::default();
    source.follows.push(Follow {
        line: 1,
        paths: main.into_iter().chain(["index"]).map(relative).collect(),
        endings: reader::ENDINGS,
        from: From::Source,
        followed: Followed::ByName,
        optional: false,
        otherwise: None,
    });
    source
}

/// What a package.json declares. As in Node.js, a byte order mark may be before it.
pub(super) fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)).ok()
}

/// Conditions of package.json that Node.js does not meet.
const OTHER_CONDITIONS: &[&str] =
    &["browser", "types", "deno", "bun", "react-native", "worker", "electron", "development"];

/// How many targets of a package.json are read: a real one has some hundred.
const MAX_TARGETS: usize = 5_000;

/// What the names that begin with `#` stand for in the function's package.json.
fn imports(bytes: &[u8]) -> Source {
    let mut source = Source::default();
    let declared = json(bytes).unwrap_or_default();
    for (name, target) in declared["imports"].as_object().into_iter().flatten() {
        for path in targets(target) {
            let optional = !target.is_string();
            match package_of(path) {
                Some(installed) => source.follows.push(package(1, installed, optional)),
                None if path.contains('*') => source.cannot_tell(1, name, "it stands for several files"),
                None => source.follows.push(Follow {
                    line: 1,
                    paths: vec![path.to_owned()],
                    endings: &[""],
                    from: From::Source,
                    followed: Followed::ByName,
                    optional,
                    otherwise: None,
                }),
            }
        }
    }
    source.tidy();
    source
}

/// What a value of `imports` or `exports` in a package.json can lead to in Node.js.
pub(super) fn targets(value: &Value) -> Vec<&str> {
    let (mut found, mut queue) = (Vec::new(), vec![value]);
    while let Some(next) = queue.pop().filter(|_| found.len() < MAX_TARGETS) {
        match next {
            Value::String(path) => found.push(path.as_str()),
            Value::Array(several) => queue.extend(several),
            Value::Object(conditions) => {
                let met = conditions.iter().filter(|(name, _)| !OTHER_CONDITIONS.contains(&name.as_str()));
                queue.extend(met.map(|(_, value)| value));
            }
            _ => {}
        }
    }
    found
}

/// A package: one of the function's own `node_modules`, or else an installed one.
fn package(line: usize, name: &str, optional: bool) -> Follow {
    Follow {
        line,
        paths: vec![format!("node_modules/{name}/package.json")],
        endings: &[""],
        from: From::WorkingDirectory,
        followed: Followed::Manifest,
        optional,
        otherwise: Some(name.to_owned()),
    }
}

/// The package that `require()` loads by this name; `None` when it is not the name of one.
pub(super) fn package_of(specifier: &str) -> Option<&str> {
    let mut parts = specifier.split('/');
    let first = parts.next()?;
    let length = match first.strip_prefix('@') {
        Some(scope) => first.len() + 1 + parts.next().filter(|name| !name.is_empty() && !scope.is_empty())?.len(),
        None => first.len(),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '@' | '/');
    let name = &specifier[..length];
    (!name.is_empty() && !name.starts_with(['.', '~']) && name.chars().all(is_name)).then_some(name)
}

#[cfg(test)]
mod tests;
