//! Links: following them inside a tree the way the kernel will once the tree is at `/opt` (path_resolution(7)).

use super::{EntryId, Kind, Tree};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::{MOUNT, TreePath, printable};

/// How many links the kernel follows before it fails with ELOOP (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To this file or directory of the tree, every link followed.
    Inside(EntryId),
    /// To the root of the tree itself.
    Root,
    /// Out of the tree, to this absolute path in Lambda.
    Outside(Vec<u8>),
    /// To a path that does not exist.
    Nowhere,
    /// In a loop.
    Loop,
}

impl Tree {
    /// Where an absolute path in Lambda leads, once the tree is at `/opt`.
    pub fn locate(&self, absolute: &[u8]) -> Place {
        self.walk(absolute)
    }

    /// Where a path of the tree leads, with every link followed.
    pub fn locate_inside(&self, path: &TreePath) -> Place {
        self.walk(&[MOUNT.as_bytes(), b"/", path.as_bytes()].concat())
    }

    /// Where the link `id` leads; an entry that is not a link leads to itself.
    pub fn follow(&self, id: EntryId) -> Place {
        self.locate_inside(self.path(id))
    }

    /// The entry that the link `id` points to directly, which can be another link; `None` when it is not a link, or its
    /// target's text alone does not lead to an entry.
    pub fn next_hop(&self, id: EntryId) -> Option<EntryId> {
        let entry = self.entry(id);
        let Kind::Link { target } = &entry.kind else { return None };
        let path = match target.first()? {
            b'/' => TreePath::from_mounted(target)?,
            _ => entry.path.parent()?.join(target)?,
        };
        self.find(&path)
    }

    /// Walks an absolute path one component at a time, as the kernel does; a link's target replaces its name.
    fn walk(&self, absolute: &[u8]) -> Place {
        /// The components that are left, the next one last.
        fn push<'a>(left: &mut Vec<&'a [u8]>, path: &'a [u8]) {
            let parts = path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".");
            left.extend(parts.rev());
        }
        let mut left: Vec<&[u8]> = Vec::with_capacity(16);
        push(&mut left, absolute);
        // The path so far, each component after a `/`.
        let mut done: Vec<u8> = Vec::with_capacity(absolute.len());
        let mut links = 0;
        let mut here = None;
        while let Some(part) = left.pop() {
            let before = done.len();
            if part == b".." {
                done.truncate(done.iter().rposition(|b| *b == b'/').unwrap_or(0));
            } else {
                done.push(b'/');
                done.extend(part);
            }
            here = None;
            let Some(inside) = inside(&done).filter(|inside| !inside.is_empty()) else { continue };
            let Some(id) = self.find_bytes(inside).filter(|id| !self.is_hidden(*id)) else { return Place::Nowhere };
            match &self.entry(id).kind {
                Kind::Link { target } => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Place::Loop;
                    }
                    if target.starts_with(b"/") {
                        done.clear();
                    } else {
                        done.truncate(before);
                    }
                    push(&mut left, target);
                }
                Kind::Directory => here = Some(id),
                Kind::File { .. } if left.is_empty() => here = Some(id),
                Kind::File { .. } => return Place::Nowhere,
            }
        }
        // A relative link in the root can end at `/opt` itself or above it, with no component left to check.
        match (here, inside(&done)) {
            (_, Some([])) => Place::Root,
            (Some(id), Some(_)) => Place::Inside(id),
            (None, Some(path)) => {
                self.find_bytes(path).filter(|id| !self.is_hidden(*id)).map_or(Place::Nowhere, Place::Inside)
            }
            (_, None) if done.is_empty() => Place::Outside(b"/".to_vec()),
            (_, None) => Place::Outside(done),
        }
    }
}

/// The path in the tree of an absolute path without `.` and `..`; `None` if it is outside.
fn inside(absolute: &[u8]) -> Option<&[u8]> {
    match absolute.strip_prefix(MOUNT.as_bytes())? {
        [] => Some(&[]),
        [b'/', inside @ ..] => Some(inside),
        _ => None,
    }
}

/// Directories in which Lambda, the loader or a runtime looks for names: a loop fails what looks for it.
const LOOKED_IN: &[&str] = &["bin", "extensions", "lib", "lib64", "nodejs/node_modules", "python"];

/// Endings of names by which code and libraries are loaded.
const LOADED: &[&str] = &[".cjs", ".js", ".json", ".mjs", ".node", ".py", ".R", ".rdb", ".rds", ".rdx"];

/// Whether something looks for a name of its own accord. Any other link fails only a function that opens it.
fn is_looked_for(path: &TreePath) -> bool {
    let Some(path) = path.as_str() else { return false };
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    path == "bootstrap"
        || LOOKED_IN.contains(&directory)
        || directory.ends_with("/bin")
        || name.contains(".so")
        || LOADED.iter().any(|ending| name.ends_with(ending))
}

/// Findings about link loops, dangling links, and links that lead out of `/opt`.
pub fn link_findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, entry) in tree.iter() {
        let Kind::Link { target } = &entry.kind else { continue };
        let shown = printable(target);
        match tree.follow(id) {
            Place::Inside(_) | Place::Root => {}
            Place::Loop => {
                let is_looked_for = is_looked_for(&entry.path);
                findings.push(Finding::new(
                    if is_looked_for { Severity::Error } else { Severity::Warning },
                    Code::LinkLoop,
                    &entry.path,
                    format!(
                        "the link to {shown} is part of a loop{}",
                        if is_looked_for { ", and its name is looked for" } else { "" }
                    ),
                    "remove the link, or point it to a file",
                ));
            }
            Place::Nowhere => findings.push(Finding::warning(
                Code::DanglingLink,
                &entry.path,
                format!("the link points to {shown}, which is not in the tree"),
                "remove the link, or add its target",
            )),
            Place::Outside(end) => findings.push(Finding::warning(
                Code::LinkLeavesRoot,
                &entry.path,
                format!(
                    "the link points to {}, outside /opt: in Lambda it leads to whatever the image has there",
                    printable(&end)
                ),
                "copy the target into the tree, or point the link to a path inside the tree",
            )),
        }
    }
    findings
}
