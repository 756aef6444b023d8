//! What a source does for certain when it is loaded itself: its statements that are in no block.

use std::collections::BTreeSet;

use tree_sitter::{Node, Tree};

use super::MAX_BYTES;
use crate::languages::Source;
use crate::languages::grammar::walk;
use crate::languages::reading;

/// Functions that load a library by its name.
const LOADS: &[&str] = &["CDLL", "PyDLL", "LoadLibrary", "dlopen"];

fn tree(bytes: &[u8]) -> Option<(&str, Tree)> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES)?;
    let tree = reading::tree(&tree_sitter_python::LANGUAGE.into(), text, &mut Source::default()).ok().flatten()?;
    (!tree.root_node().has_error()).then_some((text, tree))
}

/// Where the statements that are in no block begin, in bytes; none of a source that cannot be parsed, or after what may end it.
pub(in crate::languages::python) fn module_level(bytes: &[u8]) -> BTreeSet<usize> {
    let Some((text, tree)) = tree(bytes) else { return BTreeSet::new() };
    let root = tree.root_node();
    let mut cursor = root.walk();
    let ends = |node: &Node<'_>| {
        let written = text.get(node.byte_range()).unwrap_or_default();
        node.kind() == "raise_statement"
            || ["sys.exit(", "exit(", "os._exit("].iter().any(|exit| written.starts_with(exit))
    };
    root.named_children(&mut cursor).take_while(|node| !ends(node)).map(|node| node.start_byte()).collect()
}

/// The names of the libraries that a source loads by a literal, each with whether it does when it is loaded itself: not in a
/// function. What it tries, or does under a condition, is left out.
pub(in crate::languages::python) fn library_calls(bytes: &[u8]) -> BTreeSet<(String, bool)> {
    let mut found = BTreeSet::new();
    let Some((text, tree)) = tree(bytes) else { return found };
    let written = |node: Node<'_>| text.get(node.byte_range()).unwrap_or_default();
    let mut in_function = 0;
    walk(tree.root_node(), |node, _| {
        match node.kind() {
            "try_statement"
            | "if_statement"
            | "conditional_expression"
            | "boolean_operator"
            | "with_statement"
            | "for_statement"
            | "while_statement"
            | "match_statement" => return false,
            "function_definition" | "lambda" => in_function = in_function.max(node.end_byte()),
            "call" => {
                let function = node.child_by_field_name("function").map(written).unwrap_or_default();
                let is_load = LOADS.contains(&function.rsplit('.').next().unwrap_or(function));
                let first = node.child_by_field_name("arguments").and_then(|arguments| arguments.named_child(0));
                let literal = first.filter(|first| is_load && first.kind() == "string").map(written);
                let name = literal.map(|literal| literal.trim_matches(['"', '\'']).to_owned());
                found.extend(name.map(|name| (name, node.start_byte() >= in_function)));
            }
            _ => {}
        }
        true
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_in_no_block_are_certain() {
        let text = b"\"\"\"\nimport a\n\"\"\"\nimport b\nif x:\n    import c\ndef f():\n    import d\nfrom e import f\nraise X\n\
                     import g\n";
        let found = module_level(text);
        let lines: Vec<&str> = found
            .iter()
            .map(|at| std::str::from_utf8(&text[*at..]).expect("text").lines().next().unwrap_or_default())
            .collect();
        assert_eq!(lines, ["\"\"\"", "import b", "if x:", "def f():", "from e import f"]);
        assert!(module_level(b"import a\nx = = 1\n").is_empty());
    }

    #[test]
    fn libraries_are_loaded_at_once_or_in_functions() {
        let text = b"a = ctypes.CDLL('liba.so.1')\ndef f():\n    return cdll.LoadLibrary('libb.so')\ntry:\n    CDLL('libc.so')\n\
                     except OSError:\n    pass\nd = CDLL(name)\n";
        let found = library_calls(text);
        assert_eq!(found, [("liba.so.1".to_owned(), true), ("libb.so".to_owned(), false)].into());
    }
}
