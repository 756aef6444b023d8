//! The root file system of an image: its layers, merged. It is a list of paths; contents stay where they are, so nothing of an
//! image is ever created on this machine, and no link in it can lead out of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;

use crate::base::part::Part;
use crate::base::path::TreePath;

/// How many links are followed before the kernel fails with ELOOP (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// A file, directory or link of an image.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Its permission bits (the low twelve of `st_mode`).
    pub mode: u32,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its content.
        content: Part,
        /// A number that all names of the file have, if it has several.
        hard: Option<u64>,
    },
    /// A symbolic link, with its target.
    Link(Vec<u8>),
    /// A device or FIFO, in words.
    Special(&'static str),
}

impl Node {
    fn is_directory(&self) -> bool {
        matches!(self.kind, NodeKind::Directory)
    }
}

/// What a layer puts at a path, in the order of its archive.
#[derive(Debug)]
pub(super) enum Change {
    /// A node, in place of what was there.
    Put(Node),
    /// Another name of the file at this path.
    HardLink(TreePath),
}

/// One layer: what it removes of the layers below it, and what it adds.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The paths that it removes, with everything below them.
    pub(super) removed: Vec<TreePath>,
    /// The directories whose content in lower layers it removes.
    pub(super) opaque: Vec<TreePath>,
    /// What it adds, in order.
    pub(super) added: Vec<(TreePath, Change)>,
}

/// A root file system.
#[derive(Debug, Default)]
pub struct Root {
    nodes: BTreeMap<TreePath, Node>,
    /// The last number given to a file with several names.
    hard: u64,
}

/// Where a path leads to that may be created.
struct Parent {
    /// The path as a layer has it, and where it leads.
    asked: TreePath,
    real: TreePath,
}

impl Root {
    /// What is at exactly this path; links are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Where a path leads inside the root, with every link followed, if that is a directory.
    pub fn directory(&self, path: &TreePath) -> Option<TreePath> {
        self.followed(path).ok().filter(|path| path.is_root() || self.get(path).is_some_and(Node::is_directory))
    }

    /// Everything below a directory, at any depth, sorted by path.
    pub fn below(&self, directory: &TreePath) -> impl Iterator<Item = (&TreePath, &Node)> {
        let (start, end) = ends(directory);
        between(&self.nodes, &start, &end)
    }

    /// The names in a directory, sorted by their bytes.
    pub fn names(&self, directory: &TreePath) -> Vec<&[u8]> {
        let (start, end) = ends(directory);
        let mut names = Vec::new();
        let mut range = between(&self.nodes, &start, &end);
        while let Some((path, _)) = range.next() {
            let below = path.below(directory).unwrap_or_default();
            match below.iter().position(|byte| *byte == b'/') {
                None => names.push(below),
                // What is below an entry is passed over at once.
                Some(length) => {
                    let entry = &path.as_bytes()[..path.as_bytes().len() - below.len() + length];
                    range = between(&self.nodes, &[entry, b"0"].concat(), &end);
                }
            }
        }
        names
    }

    /// Applies a layer.
    ///
    /// # Errors
    /// When it cannot be extracted over the layers below it; the message names the path.
    pub(super) fn apply(&mut self, layer: Layer) -> Result<(), String> {
        // What a layer removes is of the layers below it, wherever in its archive that is said (OCI image-spec, layer.md).
        for path in layer.removed {
            if let Ok(path) = self.real(&path) {
                self.remove_below(&path);
                self.nodes.remove(&path);
            }
        }
        for directory in layer.opaque {
            if let Ok(directory) = self.followed(&directory) {
                self.remove_below(&directory);
            }
        }
        let mut last: Option<Parent> = None;
        for (path, change) in layer.added {
            if path.is_root() {
                continue;
            }
            let parent = path.parent().unwrap_or_default();
            let real = match &last {
                Some(known) if known.asked == parent => known.real.clone(),
                _ => {
                    let real = self.followed(&parent)?;
                    self.make_directories(&real);
                    last = Some(Parent { asked: parent, real: real.clone() });
                    real
                }
            };
            let Some(real) = real.join(path.name()) else { continue };
            let node = match change {
                Change::Put(node) => node,
                Change::HardLink(target) => self.linked(&path, &target)?,
            };
            // Of a directory in two layers, the content is merged.
            match self.nodes.get(&real) {
                Some(old) if old.is_directory() && !node.is_directory() => {
                    self.remove_below(&real);
                    last = None;
                }
                // What was a link may be a directory now.
                Some(old) if !matches!(old.kind, NodeKind::File { .. }) => last = None,
                _ => {}
            }
            self.nodes.insert(real, node);
        }
        Ok(())
    }

    /// The file at `target`, for another name of it.
    fn linked(&mut self, path: &TreePath, target: &TreePath) -> Result<Node, String> {
        let missing = || format!("{path} is a hard link to {target}, which is not a file of this or a lower layer");
        let real = self.real(target)?;
        let node = self.nodes.get_mut(&real).ok_or_else(missing)?;
        match &mut node.kind {
            NodeKind::Directory => return Err(missing()),
            NodeKind::File { hard, .. } if hard.is_none() => {
                self.hard += 1;
                *hard = Some(self.hard);
            }
            _ => {}
        }
        Ok(node.clone())
    }

    fn remove_below(&mut self, directory: &TreePath) {
        let paths: Vec<TreePath> = self.below(directory).map(|(path, _)| path.clone()).collect();
        for path in paths {
            self.nodes.remove(&path);
        }
    }

    /// A path whose directories are where links lead; the last name is not followed.
    fn real(&self, path: &TreePath) -> Result<TreePath, String> {
        let parent = self.followed(&path.parent().unwrap_or_default())?;
        Ok(parent.join(path.name()).unwrap_or_default())
    }

    /// Where a path leads inside the root, with every link followed as the kernel would with this root. What does not exist is
    /// taken for a directory.
    fn followed(&self, path: &TreePath) -> Result<TreePath, String> {
        let mut left: Vec<Vec<u8>> = components(path.as_bytes());
        let mut done = TreePath::default();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == b".." {
                done = done.parent().unwrap_or_default();
                continue;
            }
            let next = done.join(&name).unwrap_or_default();
            match self.nodes.get(&next).map(|node| &node.kind) {
                Some(NodeKind::Link(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(format!("{path} is below links that lead to each other"));
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::default();
                    }
                    left.extend(components(target));
                }
                Some(NodeKind::File { .. } | NodeKind::Special(_)) => {
                    return Err(format!("{next} is not a directory, but a layer has files below it"));
                }
                Some(NodeKind::Directory) | None => done = next,
            }
        }
        Ok(done)
    }

    /// Creates a directory and those above it that no archive lists: extraction creates them.
    fn make_directories(&mut self, directory: &TreePath) {
        for path in directory.ancestors().filter(|path| !path.is_root()) {
            if self.nodes.contains_key(&path) {
                break;
            }
            self.nodes.insert(path, Node { kind: NodeKind::Directory, mode: 0o755 });
        }
    }
}

/// The names of a path, the last first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.rev().map(<[u8]>::to_vec).collect()
}

/// The texts between which the paths below a directory are: `/` is followed by `0`. (`dir-x` comes before `dir/x`.)
fn ends(directory: &TreePath) -> (Vec<u8>, Vec<u8>) {
    if directory.is_root() {
        // No name begins with the highest byte there is and then more of them than a path can have.
        return (Vec::new(), vec![0xff; 4097]);
    }
    ([directory.as_bytes(), b"/"].concat(), [directory.as_bytes(), b"0"].concat())
}

fn between<'a>(nodes: &'a BTreeMap<TreePath, Node>, start: &[u8], end: &[u8]) -> Range<'a, TreePath, Node> {
    nodes.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("inside")
    }

    fn file(bytes: u64) -> Change {
        let nothing = Arc::new(File::open("/dev/null").expect("opened"));
        let content = Part::new(nothing, 0, bytes);
        Change::Put(Node { kind: NodeKind::File { content, hard: None }, mode: 0o644 })
    }

    fn directory() -> Change {
        Change::Put(Node { kind: NodeKind::Directory, mode: 0o755 })
    }

    fn link(target: &str) -> Change {
        Change::Put(Node { kind: NodeKind::Link(target.into()), mode: 0o777 })
    }

    fn layer(added: Vec<(&str, Change)>) -> Layer {
        let added = added.into_iter().map(|(at, change)| (path(at), change)).collect();
        Layer { added, ..Layer::default() }
    }

    fn merged(layers: Vec<Layer>) -> Result<Root, String> {
        let mut root = Root::default();
        layers.into_iter().try_for_each(|layer| root.apply(layer))?;
        Ok(root)
    }

    fn all(root: &Root) -> Vec<String> {
        root.below(&TreePath::default()).map(|(path, _)| path.to_string()).collect()
    }

    fn length(root: &Root, at: &str) -> Option<u64> {
        match &root.get(&path(at))?.kind {
            NodeKind::File { content, .. } => Some(content.bytes()),
            _ => None,
        }
    }

    #[test]
    fn a_layer_removes_what_lower_layers_have_and_never_what_it_has_itself() {
        let lower =
            layer(vec![("opt/a", file(1)), ("opt/d/old", file(1)), ("opt/d/sub/old", file(1)), ("opt/e", file(1))]);
        let mut upper = layer(vec![("opt/d/new", file(2)), ("opt/a", file(2))]);
        upper.removed = vec![path("opt/a"), path("opt/e"), path("opt/nothing/there")];
        upper.opaque = vec![path("opt/d")];
        let root = merged(vec![lower, upper]).expect("merged");
        assert_eq!(all(&root), ["opt", "opt/a", "opt/d", "opt/d/new"]);
        assert_eq!(length(&root, "opt/a"), Some(2));
    }

    #[test]
    fn directories_are_merged_and_whatever_else_is_replaced_with_everything_below() {
        let lower = layer(vec![("opt/d/x", file(1)), ("opt/f/x", file(1)), ("opt/l", link("d"))]);
        let upper =
            layer(vec![("opt/d", directory()), ("opt/f", file(3)), ("opt/l", directory()), ("opt/l/y", file(4))]);
        let root = merged(vec![lower, upper]).expect("merged");
        assert_eq!(all(&root), ["opt", "opt/d", "opt/d/x", "opt/f", "opt/l", "opt/l/y"]);
    }

    #[test]
    fn directories_that_are_links_are_followed_inside_the_root() {
        let lower = layer(vec![("usr/lib64/x", file(1)), ("lib64", link("/usr/lib64")), ("up", link("../../../usr"))]);
        let mut upper =
            layer(vec![("lib64/y", file(1)), ("up/z", file(1)), ("gone", link("/new/place")), ("gone/w", file(1))]);
        upper.removed = vec![path("lib64/x")];
        let root = merged(vec![lower, upper]).expect("merged");
        let all = all(&root);
        assert_eq!(
            all,
            ["gone", "lib64", "new", "new/place", "new/place/w", "up", "usr", "usr/lib64", "usr/lib64/y", "usr/z"]
        );
    }

    #[test]
    fn hard_links_reach_into_lower_layers_and_keep_their_content() {
        let lower = layer(vec![("opt/a", file(7))]);
        let middle = layer(vec![("opt/b", Change::HardLink(path("opt/a")))]);
        let upper = layer(vec![("opt/a", file(1))]);
        let root = merged(vec![lower, middle, upper]).expect("merged");
        assert_eq!((length(&root, "opt/a"), length(&root, "opt/b")), (Some(1), Some(7)));
        for target in ["opt/none", "opt"] {
            let wrong = layer(vec![("opt/x", file(1)), ("opt/c", Change::HardLink(path(target)))]);
            let error = merged(vec![wrong]).expect_err("refused");
            assert!(error.contains("opt/c is a hard link to"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_extracted_is_an_error() {
        let error = merged(vec![layer(vec![("opt/f", file(1)), ("opt/f/x", file(1))])]).expect_err("refused");
        assert!(error.contains("opt/f is not a directory, but a layer has files below it"), "{error}");
        let circle = layer(vec![("a", link("b")), ("b", link("a")), ("a/x", file(1))]);
        assert!(merged(vec![circle]).expect_err("refused").contains("lead to each other"));
    }

    #[test]
    fn the_names_in_a_directory_are_those_right_below_it() {
        let names = ["d/b/x/y", "d/b-c", "d/b.d/z", "d/b0", "d/b0/q", "d0", "d-e/x"];
        let root = merged(vec![layer(names.iter().map(|name| (*name, directory())).collect())]).expect("merged");
        let text =
            |names: Vec<&[u8]>| names.into_iter().map(|n| String::from_utf8_lossy(n).into_owned()).collect::<Vec<_>>();
        assert_eq!(text(root.names(&path("d"))), ["b", "b-c", "b.d", "b0"]);
        assert_eq!(text(root.names(&TreePath::default())), ["d", "d-e", "d0"]);
        assert_eq!(text(root.names(&path("d/b-c"))), Vec::<String>::new());
    }
}
