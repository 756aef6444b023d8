//! Guards: where a script tests whether a command or file exists before it uses it.

use tree_sitter::Node;

use super::syntax::string;

/// The commands that `command -v X`, `type X`, `hash X` and `which X` test for.
pub(super) fn tested_commands(node: Node<'_>, text: &[u8]) -> Vec<String> {
    let mut cursor = node.walk();
    let name = node.child_by_field_name("name").map(|name| string(name, text)).unwrap_or_default();
    let arguments = node.children_by_field_name("argument", &mut cursor).map(|word| string(word, text));
    let (options, names): (Vec<String>, Vec<String>) = arguments.partition(|word| word.starts_with('-'));
    let tests = match name.as_str() {
        "command" => options.iter().any(|option| option.to_ascii_lowercase().contains('v')),
        "type" | "hash" | "which" => true,
        "test" => return tested_files(&string(node, text)),
        _ => false,
    };
    if tests { names } else { Vec::new() }
}

/// The files that `[ -f X ]`, `[[ -x X ]]` and `test -e X` test for.
pub(super) fn tested_files(written: &str) -> Vec<String> {
    let words: Vec<&str> = written.split_whitespace().collect();
    let tests = |word: &str| matches!(word, "-e" | "-f" | "-r" | "-s" | "-x");
    let pairs = words.windows(2).filter(|pair| tests(pair[0]));
    pairs.map(|pair| pair[1].trim_matches(['"', '\'']).to_owned()).collect()
}

/// Where the left side of `||` ends, or 0 when there is none.
pub(super) fn left_of_or(list: Node<'_>) -> usize {
    let mut cursor = list.walk();
    list.children(&mut cursor).find(|child| child.kind() == "||").map_or(0, |or| or.start_byte())
}
