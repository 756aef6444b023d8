//! Checks of Node.js beyond those of all languages: addons that are built for the ABI of another Node.js.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::builtin::{module_version, node_of};
use super::needs::ID;
use super::platform::platform;
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;
use crate::formats::elf::Elf;
use crate::languages::Packages;
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Objects, Tree};

/// The ABI in the path of an addon: `node.abi115.node`, `node-v115-linux-x64`.
static IN_PATH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:\babi|\bnode-v)(\d{2,3})\b").ok());

/// How the name of the function begins that registers an addon for one ABI; the number follows.
const REGISTERS: &str = "node_register_module_v";

/// What an addon is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BuiltFor {
    /// Any Node.js that has N-API.
    Any,
    /// One NODE_MODULE_VERSION.
    Version(u32),
}

/// Findings about the addons that satisfy `kept`.
pub(super) fn check(
    packages: &Packages,
    tree: &Tree,
    objects: &Objects,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let version = runtime.language.as_ref().filter(|language| language.id == ID.as_str());
    let Some((node, needed)) = version.and_then(|own| Some((&own.version, module_version(&own.version)?))) else {
        return Vec::new();
    };
    // A package can have the same addon for several versions.
    let mut addons: BTreeMap<(usize, String), Vec<(EntryId, BuiltFor)>> = BTreeMap::new();
    for (id, elf) in objects.iter().filter(|(id, _)| kept(**id) && tree.path(**id).name().ends_with(b".node")) {
        let Some(package) = packages.of_path(tree.path(*id)) else { continue };
        let below = tree.path(*id).below(&packages.get(package).directory).unwrap_or_default();
        let below = String::from_utf8_lossy(below).into_owned();
        let platform = platform(&below);
        if let Some(built) = built_for(elf, &below).filter(|_| !platform.musl && !platform.other_system) {
            let same =
                IN_PATH.as_ref().map_or(platform.of.clone(), |abi| abi.replace_all(&platform.of, "").into_owned());
            addons.entry((package, same)).or_default().push((*id, built));
        }
    }
    let finding = |((package, _), builds): ((usize, String), Vec<(EntryId, BuiltFor)>)| {
        let fits = |built: BuiltFor| built == BuiltFor::Any || built == BuiltFor::Version(needed);
        let (id, BuiltFor::Version(built)) =
            *builds.last().filter(|_| !builds.iter().any(|(_, built)| fits(*built)))?
        else {
            return None;
        };
        let package = packages.get(package);
        let of = node_of(built).map(|node| format!("Node.js {node}, ")).unwrap_or_default();
        Some(Finding::error(
            Code::BuiltForAnotherR,
            Subject::package(&package.name),
            format!(
                "{} {} cannot be loaded: {} is built for {of}NODE_MODULE_VERSION {built}, but {} has Node.js {node}, {needed}",
                package.name,
                package.version,
                tree.path(id),
                runtime.name
            ),
            format!("build it with Node.js {node}: npm rebuild {}", package.name),
        ))
    };
    addons.into_iter().filter_map(finding).collect()
}

/// What an addon is built for, by the functions of Node.js that it calls, or else by its path.
fn built_for(elf: &Elf, path: &str) -> Option<BuiltFor> {
    let uses_napi = elf.symbols.undefined().iter().any(|symbol| symbol.name.starts_with("napi_"));
    if uses_napi || elf.symbols.defines("napi_register_module_v1") {
        return Some(BuiltFor::Any);
    }
    let registers = elf.symbols.defined().find_map(|name| name.strip_prefix(REGISTERS)?.parse().ok());
    let in_path = || IN_PATH.as_ref()?.captures(path)?.get(1)?.as_str().parse().ok();
    registers.or_else(in_path).map(BuiltFor::Version)
}
