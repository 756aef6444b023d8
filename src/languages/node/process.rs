//! The process of Node.js, which is not in the tree, and the addons that it loads.
//!
//! A package can have its addon for many platforms, each below `prebuilds/` or in a package of its own. Node.js loads the one
//! for Linux, glibc and its machine: the others are never loaded, and what they lack does not matter. What addons bring
//! (`libvips-cpp.so.42`) is loaded by an addon that needs it, whose RPATH leads to it.
//!
//! cmake-ts has those of a package in a manifest, and tries each that is listed for the platform until one loads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::builtin::symbols;
use super::platform::{Platform, platform};
use crate::base::path::TreePath;
use crate::formats::elf::{Elf, Type};
use crate::languages::{Dlopen, ProcessSpec};
use crate::tree::{EntryId, Objects, Tree};

/// What holds packages.
const NODE_MODULES: &[u8] = b"node_modules/";

/// A function that each Node.js defines for addons.
const NAPI: &str = "napi_create_object";

/// Addons that are the same for several platforms, by the directory above `node_modules` and the path below it without its
/// platform.
type Families = BTreeMap<(Vec<u8>, String), Vec<(EntryId, Platform)>>;

/// The process that loads the addons of a tree.
pub(super) fn processes(tree: &Tree, objects: &Objects) -> Vec<ProcessSpec> {
    let has_napi = |(id, elf): (&EntryId, &Arc<Elf>)| tree.path(*id).name() == b"node" && elf.symbols.defines(NAPI);
    // The symbols of a Node.js in the tree are known.
    let defines: &[&str] = if objects.iter().any(has_napi) { &[] } else { symbols() };
    let mut spec =
        ProcessSpec { answered: Some("libnode"), defines: Some(defines), lazy: true, ..ProcessSpec::default() };
    let mut families = Families::new();
    let mut manifests: BTreeMap<EntryId, (Option<BTreeSet<String>>, Vec<EntryId>)> = BTreeMap::new();
    for (id, entry) in tree.iter().filter(|(_, entry)| !entry.is_directory()) {
        let is_addon = entry.path.name().ends_with(b".node");
        let Some((above, below)) = in_package(&entry.path) else {
            if is_addon {
                // A function's own, or a program's.
                spec.loads.push(Dlopen { entry: id, optional: true, module: true });
            }
            continue;
        };
        let platform = platform(&below);
        if !is_addon {
            let is_library = objects.get(&id).is_some_and(|elf| elf.kind == Type::Shared && !elf.is_program());
            let of = if platform.other_system { &mut spec.never } else { &mut spec.dependencies };
            of.extend(is_library.then_some(id));
        } else if platform.other_system || is_left_over(&below) {
            spec.never.push(id);
        } else if let Some((manifest, path)) = manifest_of(tree, &entry.path)
            && let (Some(tried), found) =
                manifests.entry(manifest).or_insert_with(|| (tried(tree, manifest), Vec::new()))
        {
            if tried.contains(&path) { found.push(id) } else { spec.never.push(id) }
        } else {
            families.entry((above, platform.of.clone())).or_default().push((id, platform));
        }
    }
    for (_, found) in manifests.into_values() {
        spec.loads.extend(found.iter().map(|id| Dlopen { entry: *id, optional: true, module: true }));
        if found.len() > 1 {
            spec.variants.push(found);
        }
    }
    for ((_, of), members) in families {
        add(&mut spec, tree, &of, members);
    }
    vec![spec]
}

/// Adds the addons that are one for several platforms.
fn add(spec: &mut ProcessSpec, tree: &Tree, of: &str, members: Vec<(EntryId, Platform)>) {
    let has_glibc = members.iter().any(|(_, platform)| !platform.musl);
    let (taken, never): (Vec<_>, Vec<_>) = members.into_iter().partition(|(_, platform)| !has_glibc || !platform.musl);
    spec.never.extend(never.iter().map(|(id, _)| *id));
    // node-gyp-build takes what was built here before what was built before. Which of those for several versions is taken is
    // not known.
    let optional = |id: EntryId| {
        is_prebuilt(of) && has_own_build(tree, tree.path(id))
            || of.split(['.', '/']).any(|word| word.starts_with("abi"))
    };
    spec.loads.extend(taken.iter().map(|(id, _)| Dlopen { entry: *id, optional: optional(*id), module: true }));
    if taken.len() > 1 {
        spec.variants.push(taken.iter().map(|(id, _)| *id).collect());
    }
}

/// The directory above the innermost `node_modules` that a path is below, and the path below that.
fn in_package(path: &TreePath) -> Option<(Vec<u8>, String)> {
    let bytes = path.as_bytes();
    let at = bytes.windows(NODE_MODULES.len()).rposition(|window| window == NODE_MODULES)?;
    if at > 0 && bytes[at - 1] != b'/' {
        return None;
    }
    let below = String::from_utf8_lossy(&bytes[at + NODE_MODULES.len()..]).into_owned();
    Some((bytes[..at].to_vec(), below))
}

/// The `build/manifest.json` above an addon, and the addon's path from there.
fn manifest_of(tree: &Tree, addon: &TreePath) -> Option<(EntryId, String)> {
    let build = addon.ancestors().find(|directory| directory.name() == b"build")?;
    let manifest = tree.find(&build.join("manifest.json")?)?;
    let below = addon.as_bytes().strip_prefix(build.as_bytes())?.strip_prefix(b"/")?;
    tree.entry(manifest).is_file().then(|| (manifest, String::from_utf8_lossy(below).into_owned()))
}

/// The addons that the loader of cmake-ts tries on Linux with glibc: it has the path of each by its configuration, which is JSON
/// in a key (`findCompatibleConfigs()` in cmake-ts's src/loader.ts). `None` if this is another manifest.
fn tried(tree: &Tree, manifest: EntryId) -> Option<BTreeSet<String>> {
    let listed: BTreeMap<String, String> = serde_json::from_slice(&tree.read_text(manifest).ok()?).ok()?;
    let mut tried = BTreeSet::new();
    for (configuration, path) in listed {
        let configuration: serde_json::Value = serde_json::from_str(&configuration).ok()?;
        let is = |name: &str, value: &str| configuration.get(name).and_then(serde_json::Value::as_str) == Some(value);
        // Old versions do not write the C library.
        if is("os", "linux") && (is("libc", "glibc") || configuration.get("libc").is_none()) {
            tried.insert(path.replace('\\', "/"));
        }
    }
    Some(tried)
}

/// Whether a build left an addon behind that nothing loads: node-gyp's objects, and builds for Electron.
fn is_left_over(below: &str) -> bool {
    below.contains("/obj.target/") || below.rsplit('/').next().is_some_and(|name| name.starts_with("electron."))
}

fn is_prebuilt(of: &str) -> bool {
    of.contains("/prebuilds/")
}

/// Whether the package of a prebuilt addon has one in `build/Release`.
fn has_own_build(tree: &Tree, path: &TreePath) -> bool {
    let package = path.ancestors().find(|directory| directory.name() == b"prebuilds").and_then(|found| found.parent());
    let release = package.and_then(|package| package.join("build/Release"));
    release.is_some_and(|release| {
        tree.below(&release)
            .any(|(_, entry)| entry.path.name().ends_with(b".node") && entry.path.parent().as_ref() == Some(&release))
    })
}
