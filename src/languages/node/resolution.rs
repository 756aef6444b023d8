//! What a specifier of `require()` or `import` leads to, as Node.js documents it: Modules: CommonJS modules ("All together"), and
//! Modules: ECMAScript modules ("Resolution algorithm").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::builtin::{is_builtin, lacks};
use super::exports::{self, WAYS};
use super::image::{has_program, is_in_image};
use super::needs::ID;
use super::packages::{Search, manifest};
use super::source::package_of;
use crate::base::path::TreePath;
use crate::languages::Packages;
use crate::tree::{EntryId, Place, Tree};

/// The first version of Node.js that does not take `"./lib/"` in `exports` for all that is in the directory.
const WITHOUT_FOLDERS: u32 = 17;

/// How a module is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Way {
    /// By `require()`.
    Require,
    /// By a statement `import` or `export … from`.
    Import,
}

impl Way {
    /// What a source does, as messages have it.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Require => "requires",
            Self::Import => "imports",
        }
    }

    fn name(self) -> &'static str {
        WAYS[self as usize].0
    }

    /// The conditions of `exports` and `imports` that it meets.
    fn conditions(self) -> &'static [&'static str] {
        WAYS[self as usize].1
    }
}

/// What a specifier leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leads {
    /// To something that is there: a module of Node.js or of the image, or one of several files.
    Somewhere,
    /// To this file.
    To(EntryId),
    /// To nothing: loading it fails.
    Nowhere(Fault),
}

/// Why a specifier leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// What follows the specifier in a message: `, which is not in the tree`.
    pub(super) why: String,
    /// The package that it names, if no directory that is searched has that.
    pub(super) absent: Option<String>,
    /// The package that it names, if that is there and does not have it.
    pub(super) of: Option<String>,
    /// Whether Node.js itself does not have it.
    pub(super) of_node: bool,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), absent: None, of: None, of_node: false }
    }
}

/// Resolves the specifiers of the code in a tree.
pub(super) struct Resolver<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    search: Search<'a>,
    has_node: bool,
    /// The package.json files that were read.
    manifests: Mutex<HashMap<EntryId, Arc<Value>>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(packages: &'a Packages, tree: &'a Tree) -> Self {
        let search = Search::of(packages, tree);
        Self { packages, tree, search, has_node: has_program(tree), manifests: Mutex::default() }
    }

    /// What a specifier in a file leads to.
    pub(super) fn resolve(&self, from: EntryId, specifier: &str, way: Way) -> Leads {
        let Some(directory) = self.tree.path(from).parent() else { return Leads::Somewhere };
        let found = self.resolve_from(&directory, specifier, way);
        // What compilers leave as `import` in a file that is not a module of ECMAScript is compiled to `require()`.
        if way == Way::Import && matches!(found, Leads::Nowhere(_)) && !self.is_module(from) {
            return match self.resolve_from(&directory, specifier, Way::Require) {
                Leads::Nowhere(_) => found,
                other => other,
            };
        }
        found
    }

    /// What `require()` of an absolute path below /opt leads to.
    pub(super) fn at_path(&self, path: &str) -> Leads {
        let Some(at) = TreePath::from_mounted(path.as_bytes()) else { return Leads::Somewhere };
        let found = self.by_path(&at, path.ends_with('/'));
        found.unwrap_or_else(|| Leads::Nowhere(Fault::new(", which is not in the tree")))
    }

    /// Whether no directory has a package that a function searches.
    pub(super) fn is_nowhere(&self, name: &str) -> bool {
        self.search.find(name).is_none()
    }

    fn resolve_from(&self, directory: &TreePath, specifier: &str, way: Way) -> Leads {
        let specifier = if way == Way::Import { specifier.split('?').next().unwrap_or(specifier) } else { specifier };
        if matches!(specifier, "." | "..") || specifier.starts_with("./") || specifier.starts_with("../") {
            // What is above the tree is the function's.
            let Some(path) = directory.join(specifier) else { return Leads::Somewhere };
            let found = match way {
                Way::Require => self.by_path(&path, specifier.ends_with(['/', '.'])),
                Way::Import => self.file(&path),
            };
            return found.unwrap_or_else(|| Leads::Nowhere(Fault::new(", which is not in the tree")));
        }
        if specifier.starts_with('#') {
            return self.imported(directory, specifier, way);
        }
        if let Some((why, _)) = lacks(specifier, self.packages.runtime_version(ID)) {
            return Leads::Nowhere(Fault { of_node: true, ..Fault::new(format!(", {why}")) });
        }
        // Other specifiers with a colon are URLs, or modules of Node.js.
        match package_of(specifier).filter(|_| !specifier.contains([':', '%', '\\'])) {
            Some(name) => self.in_package(directory, specifier, name, way),
            None => Leads::Somewhere,
        }
    }

    /// The file that a specifier that names a package leads to.
    fn in_package(&self, directory: &TreePath, specifier: &str, name: &str, way: Way) -> Leads {
        if is_builtin(name) && !specifier.ends_with('/') {
            return Leads::Somewhere;
        }
        let subpath = format!(".{}", &specifier[name.len()..]);
        if let Some((own, declared)) = self.scope(directory)
            && declared["name"].as_str() == Some(name)
            && !declared["exports"].is_null()
        {
            return self.exported(&own, &declared, &subpath, way);
        }
        let mut there = None;
        for searched in self.search.searched(directory, way == Way::Require) {
            let Some(at) = searched.join(name) else { continue };
            let found = match self.tree.locate(at.mounted().as_bytes()) {
                Place::Inside(found) if self.tree.entry(found).is_directory() => self.tree.path(found).clone(),
                Place::Nowhere if way == Way::Require => match self.by_path(&at, false) {
                    Some(found) if subpath == "." => return found,
                    _ => continue,
                },
                Place::Nowhere => continue,
                _ => return Leads::Somewhere,
            };
            let declared = self.declared(&found);
            if let Some(declared) = declared.as_ref().filter(|declared| !declared["exports"].is_null()) {
                return self.exported(&found, declared, &subpath, way);
            }
            let Some(path) = found.join(subpath.trim_start_matches("./")) else { return Leads::Somewhere };
            let file = match way {
                Way::Require => self.by_path(&path, subpath == "." || subpath.ends_with('/')),
                Way::Import if subpath == "." => self.as_directory(&found),
                Way::Import => self.file(&path),
            };
            match file {
                Some(file) => return file,
                // `require()` goes on to the next directory that is searched.
                None => there = there.or(Some(found)),
            }
            if way == Way::Import {
                break;
            }
        }
        if is_in_image(self.packages, self.has_node, name) {
            return Leads::Somewhere;
        }
        Leads::Nowhere(match there {
            Some(at) => Fault { of: Some(name.to_owned()), ..Fault::new(format!(", which {at} does not have")) },
            None => Fault { absent: Some(name.to_owned()), ..Fault::new(", which is not in the tree") },
        })
    }

    /// What a package has for a path in its `exports`.
    fn exported(&self, directory: &TreePath, declared: &Value, subpath: &str, way: Way) -> Leads {
        let own = declared["name"].as_str().map(str::to_owned);
        let fault = |why: String| Leads::Nowhere(Fault { of: own.clone(), ..Fault::new(why) });
        let not_exported = || {
            fault(format!(
                ", which {directory}/package.json does not export for {} (ERR_PACKAGE_PATH_NOT_EXPORTED)",
                way.name()
            ))
        };
        let exports = &declared["exports"];
        let is_table = exports.as_object().is_some_and(|table| table.keys().any(|key| key.starts_with('.')));
        let (value, star) = if is_table {
            if self.has_folder(exports, subpath) {
                return Leads::Somewhere;
            }
            match exports::entry(exports, subpath) {
                Some(found) => found,
                None => return not_exported(),
            }
        } else if subpath == "." {
            (exports, "")
        } else {
            return not_exported();
        };
        self.target(directory, value, star, way, None).unwrap_or_else(not_exported)
    }

    /// Whether `exports` may have a path by that of a directory, which older versions of Node.js accept.
    fn has_folder(&self, exports: &Value, subpath: &str) -> bool {
        let version = self.packages.runtime_version(ID).and_then(|version| version.split('.').next()?.parse().ok());
        let mut keys = exports.as_object().into_iter().flat_map(|table| table.keys());
        version.is_none_or(|version: u32| version < WITHOUT_FOLDERS)
            && keys.any(|key| key.ends_with('/') && subpath.starts_with(key.as_str()))
    }

    /// What a name that begins with `#` stands for in the package of a directory.
    fn imported(&self, directory: &TreePath, specifier: &str, way: Way) -> Leads {
        let Some((own, declared)) = self.scope(directory) else { return Leads::Somewhere };
        let undefined = || {
            Leads::Nowhere(Fault::new(format!(
                ", which {own}/package.json does not define (ERR_PACKAGE_IMPORT_NOT_DEFINED)"
            )))
        };
        let Some((value, star)) = exports::entry(&declared["imports"], specifier) else { return undefined() };
        let other = |name: &str| self.resolve_from(&own, name, Way::Import);
        self.target(&own, value, star, way, Some(&other)).unwrap_or_else(undefined)
    }

    /// What a value of `exports` or `imports` leads to; `None` if it is not for these conditions. `other` is for what is not a path.
    fn target(
        &self,
        directory: &TreePath,
        value: &Value,
        star: &str,
        way: Way,
        other: Option<&dyn Fn(&str) -> Leads>,
    ) -> Option<Leads> {
        let outcomes = exports::outcomes(value, way.conditions());
        let mut found: Vec<Leads> = Vec::new();
        for target in outcomes.into_iter().flatten() {
            let target = target.replace('*', star);
            found.push(match (target.strip_prefix("./"), other) {
                (Some(path), _) => {
                    let path = directory.join(path)?;
                    let gone = || {
                        let why =
                            format!(", which {directory}/package.json leads to {target}, and that is not in the tree");
                        Leads::Nowhere(Fault::new(why))
                    };
                    // Declarations of types are not code.
                    if target.ends_with(".d.ts") { Leads::Somewhere } else { self.file(&path).unwrap_or_else(gone) }
                }
                (None, Some(other)) if !target.starts_with(['.', '/']) => other(&target),
                _ => Leads::Somewhere,
            });
        }
        // Which of several is taken is not known.
        let first = found.first()?.clone();
        let is_same =
            found.iter().all(|one| *one == first || matches!((one, &first), (Leads::Nowhere(_), Leads::Nowhere(_))));
        Some(if is_same { first } else { Leads::Somewhere })
    }

    /// What `require()` gets by a path: the file, or else the directory.
    fn by_path(&self, path: &TreePath, is_directory: bool) -> Option<Leads> {
        let as_file = || self.as_file(path);
        (!is_directory).then(as_file).flatten().or_else(|| self.as_directory(path))
    }

    fn as_file(&self, path: &TreePath) -> Option<Leads> {
        let with = |ending: &str| {
            let mut name = path.as_bytes().to_vec();
            name.extend_from_slice(ending.as_bytes());
            self.file(&TreePath::new(&name)?)
        };
        ["", ".js", ".json", ".node"].into_iter().find_map(with)
    }

    fn as_directory(&self, path: &TreePath) -> Option<Leads> {
        let directory = match self.tree.locate(path.mounted().as_bytes()) {
            Place::Inside(found) if self.tree.entry(found).is_directory() => self.tree.path(found).clone(),
            Place::Inside(_) | Place::Nowhere => return None,
            _ => return Some(Leads::Somewhere),
        };
        let index = |directory: &TreePath| self.as_file(&directory.join("index")?);
        let declared = self.declared(&directory);
        let main = declared.as_ref().and_then(|declared| declared["main"].as_str()).filter(|main| !main.is_empty());
        let main = main.and_then(|main| directory.join(main));
        main.and_then(|main| self.as_file(&main).or_else(|| index(&main))).or_else(|| index(&directory))
    }

    /// The file at a path; `None` if there is none.
    fn file(&self, path: &TreePath) -> Option<Leads> {
        match self.tree.locate(path.mounted().as_bytes()) {
            Place::Inside(found) if self.tree.entry(found).is_directory() => None,
            Place::Inside(found) => Some(Leads::To(found)),
            Place::Root | Place::Nowhere => None,
            Place::Outside(_) | Place::Loop => Some(Leads::Somewhere),
        }
    }

    /// The package that a directory is in, and its package.json: the next one above, but for that of another package.
    fn scope(&self, directory: &TreePath) -> Option<(TreePath, Arc<Value>)> {
        let mut above = directory.ancestors().take_while(|above| above.name() != b"node_modules");
        above.find_map(|above| Some((above.clone(), self.declared(&above)?)))
    }

    /// Whether a file is a module of ECMAScript.
    fn is_module(&self, file: EntryId) -> bool {
        let path = self.tree.path(file);
        let of_scope = || {
            let scope = path.parent().and_then(|directory| self.scope(&directory));
            scope.is_some_and(|(_, declared)| declared["type"].as_str() == Some("module"))
        };
        path.name().ends_with(b".mjs") || path.name().ends_with(b".js") && of_scope()
    }

    /// What the package.json of a directory declares.
    fn declared(&self, directory: &TreePath) -> Option<Arc<Value>> {
        let id = self.tree.find(&directory.join("package.json")?)?;
        let known = |manifests: &HashMap<EntryId, Arc<Value>>| manifests.get(&id).cloned();
        if let Some(known) = known(&self.manifests.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(known);
        }
        let read = Arc::new(manifest(self.tree, id).unwrap_or_default());
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&read));
        Some(read)
    }
}
