//! What a source loads for certain when it is loaded itself: by statements that are not in a function or condition, and that it
//! does not do without.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::MAX_BYTES;
use super::conditions::Conditions;
use crate::languages::Source;
use crate::languages::grammar::walk;
use crate::languages::reading;

/// What need not run when the source does.
const APART: &[&str] = &[
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "arrow_function",
    "class_body",
    "ternary_expression",
    "switch_statement",
    "for_statement",
    "for_in_statement",
    "while_statement",
    "do_statement",
    "labeled_statement",
    "catch_clause",
];

/// Functions that fail if what they load is not there.
const REQUIRES: &[&str] = &["require", "require.resolve", "module.require"];

/// The specifiers that a source in JavaScript loads, each with whether by `import`; nothing of what cannot be parsed.
pub(in crate::languages::node) fn loads(bytes: &[u8]) -> BTreeSet<(bool, String)> {
    let mut found = BTreeSet::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return found };
    let language = tree_sitter_javascript::LANGUAGE;
    let tree = Some(text).filter(|text| text.len() <= MAX_BYTES);
    let tree = tree.and_then(|text| reading::tree(&language.into(), text, &mut Source::default()).ok().flatten());
    let Some(tree) = tree.filter(|tree| !tree.root_node().has_error()) else { return found };
    let written = |node: Node<'_>| text.get(node.byte_range()).unwrap_or_default();
    let literal = |node: Node<'_>| {
        let inside = written(node).get(1..written(node).len().checked_sub(1)?)?;
        (node.kind() == "string" && !inside.contains('\\')).then(|| inside.to_owned())
    };
    let conditions = Conditions { text, is_program: false };
    // What follows a `return` of the module itself, or what may end the process, need not run.
    let mut ends = usize::MAX;
    walk(tree.root_node(), |node, _| {
        match node.kind() {
            kind if APART.contains(&kind) => return false,
            "return_statement" | "throw_statement" => ends = ends.min(node.start_byte()),
            "if_statement" => {
                if ["return", "throw", "exit"].iter().any(|word| written(node).contains(word)) {
                    ends = ends.min(node.start_byte());
                }
                return false;
            }
            "binary_expression" => {
                let operator = node.child_by_field_name("operator").map(written);
                return !operator.is_some_and(|operator| matches!(operator, "&&" | "||" | "??"));
            }
            // What catches the failure may load something else.
            "try_statement" => {
                let handler = node.child_by_field_name("handler").map(|handler| handler.child_by_field_name("body"));
                return handler.is_none_or(|body| body.is_some_and(|body| conditions.ends(body)));
            }
            "import_statement" | "export_statement" => {
                if let Some(source) = node.child_by_field_name("source") {
                    found.extend(literal(source).map(|specifier| (true, specifier)));
                    return false;
                }
            }
            "call_expression" if node.start_byte() < ends => {
                let is_require = node.child_by_field_name("function").is_some_and(|it| REQUIRES.contains(&written(it)));
                let first = node.child_by_field_name("arguments").and_then(|arguments| arguments.named_child(0));
                let first = first.filter(|_| is_require && !is_chained(node, text));
                found.extend(first.and_then(literal).map(|specifier| (false, specifier)));
            }
            _ => {}
        }
        true
    });
    found
}

/// Whether a promise or an optional value is made of a call, which can do without it.
fn is_chained(call: Node<'_>, text: &str) -> bool {
    let member = call.parent().filter(|parent| parent.kind() == "member_expression");
    let property = member.and_then(|member| member.child_by_field_name("property"));
    property.is_some_and(|property| matches!(text.get(property.byte_range()), Some("catch" | "then")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_for_certain_is_not_in_a_function_or_condition() {
        let text = "'use strict';\nconst a = require('a'), {\n  b } = t.__importStar(require(\"b/c\"));\n\
                    function f() {\nrequire('in-f');\n}\nconst g = () => require('in-g');\n\
                    try {\nrequire('in-try');\n} catch {\nrequire('in-catch');\n}\n\
                    try { require('f') } catch (e) { if (x) { throw e } else { throw new Error() } }\n\
                    const h = x || require('in-or');\nx ? require('in-cond') : 0;\n/*\nrequire('in-comment');\n*/\n\
                    const s = `\nrequire('in-text');\n`;\nclass C { static x = require('in-class'); }\n\
                    try { require('d') } finally { }\nif (x) {\nrequire('in-if');\n}\nrequire('e');\n\
                    if (y) return;\nrequire('after');\n";
        let found = loads(text.as_bytes());
        assert_eq!(found.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["a", "b/c", "d", "e", "f"]);
        let text = "import a from 'a';\nimport {\n b\n} from \"b\";\nimport 'c';\nexport * from './d.js';\n\
                    export const e = await import('in-call');\n";
        let found = loads(text.as_bytes());
        let expected = [(true, "./d.js"), (true, "a"), (true, "b"), (true, "c")];
        assert_eq!(found, expected.map(|(way, name)| (way, name.to_owned())).into());
        assert!(loads(b"require('a');\n}{").is_empty());
    }
}
