//! R code as installed packages have it: lazy-load databases and serialized lists, in R's own form ("R Internals", 1.8).

use tree_sitter::{Node, Parser};

/// A part of a function.
#[derive(Clone)]
pub(crate) enum Code<'a> {
    /// A name.
    Name(&'a str),
    /// A string.
    Text(&'a str),
    /// A call of a function with arguments.
    Call(Vec<Code<'a>>),
    /// An environment that the database has as a record of its own.
    Environment(&'a str),
    /// A vector of strings, as the value of a variable.
    Texts(&'a [&'a str]),
    /// An expression, as it is written in R.
    Written(&'a str),
}

/// `package::name()`
pub(crate) fn qualified<'a>(package: &'a str, name: &'a str) -> Code<'a> {
    Code::Call(vec![Code::Call(vec![Code::Name("::"), Code::Name(package), Code::Name(name)])])
}

/// `function(argument)`
pub(crate) fn call<'a>(function: &'a str, argument: Code<'a>) -> Code<'a> {
    Code::Call(vec![Code::Name(function), argument])
}

const HEAD: &[u32] = &[2, 0x4_0202, 0x2_0300];
const SYMBOL: u32 = 1;
const PAIRS: u32 = 2;
const CLOSURE: u32 = 3;
const CALL: u32 = 6;
const STRING: u32 = 9;
const LOGICAL: u32 = 10;
const INTEGERS: u32 = 13;
const DOUBLES: u32 = 14;
const STRINGS: u32 = 16;
const LIST: u32 = 19;
const PERSISTENT: u32 = 247;
const MISSING: u32 = 251;
const GLOBAL: u32 = 253;
const NULL: u32 = 254;
const WITH_ATTRIBUTES: u32 = 1 << 9;
const WITH_TAG: u32 = 1 << 10;

fn words(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

fn length(of: usize) -> u32 {
    u32::try_from(of).expect("short")
}

fn string(out: &mut Vec<u8>, text: &str) {
    words(out, &[STRING, length(text.len())]);
    out.extend(text.as_bytes());
}

fn strings(out: &mut Vec<u8>, texts: &[&str]) {
    words(out, &[STRINGS, length(texts.len())]);
    for text in texts {
        string(out, text);
    }
}

fn names(out: &mut Vec<u8>, names: &[&str]) {
    words(out, &[PAIRS | WITH_TAG, SYMBOL]);
    string(out, "names");
    strings(out, names);
    words(out, &[NULL]);
}

fn code(out: &mut Vec<u8>, part: &Code<'_>) {
    match part {
        Code::Name(name) => {
            words(out, &[SYMBOL]);
            string(out, name);
        }
        Code::Text(text) => strings(out, &[text]),
        Code::Call(parts) => {
            for (number, part) in parts.iter().enumerate() {
                words(out, &[if number == 0 { CALL } else { PAIRS }]);
                code(out, part);
            }
            words(out, &[NULL]);
        }
        Code::Environment(name) => {
            words(out, &[PERSISTENT, 0, 1]);
            string(out, name);
        }
        Code::Texts(texts) => strings(out, texts),
        Code::Written(text) => {
            let mut parser = Parser::new();
            parser.set_language(&tree_sitter_r::LANGUAGE.into()).expect("a version that fits");
            let tree = parser.parse(text, None).expect("parsed");
            assert!(!tree.root_node().has_error(), "{text}");
            written(out, tree.root_node().named_child(0).expect("an expression"), text);
        }
    }
}

/// A name in code.
fn name(out: &mut Vec<u8>, text: &str) {
    words(out, &[SYMBOL]);
    string(out, text.trim_matches('`'));
}

/// A call of what was written, with these arguments, each with its tag.
fn call_of(
    out: &mut Vec<u8>,
    head: impl FnOnce(&mut Vec<u8>),
    arguments: &[(Option<&str>, Option<Node<'_>>)],
    text: &str,
) {
    words(out, &[CALL]);
    head(out);
    for (tag, value) in arguments {
        words(out, &[if tag.is_some() { PAIRS | WITH_TAG } else { PAIRS }]);
        if let Some(tag) = tag {
            name(out, tag);
        }
        match value {
            Some(value) => written(out, *value, text),
            None => words(out, &[MISSING]),
        }
    }
    words(out, &[NULL]);
}

/// An expression as R parses it ("R Language Definition", 2.1.2 and 3.1.4: statements and operators are calls).
fn written(out: &mut Vec<u8>, node: Node<'_>, text: &str) {
    let of = |node: Node<'_>| &text[node.byte_range()];
    let field = |field: &str| node.child_by_field_name(field);
    let child = |of: &str| (None, Some(field(of).expect(of)));
    let inside = || (0..node.named_child_count()).filter_map(|at| node.named_child(u32::try_from(at).expect("few")));
    match node.kind() {
        "identifier" | "dots" => name(out, of(node)),
        "string" => strings(out, &[field("content").map_or("", of)]),
        "true" => words(out, &[LOGICAL, 1, 1]),
        "false" => words(out, &[LOGICAL, 1, 0]),
        "na" => words(out, &[LOGICAL, 1, 1 << 31]),
        "null" => words(out, &[NULL]),
        "integer" => words(out, &[INTEGERS, 1, of(node).trim_end_matches('L').parse().expect("a number")]),
        "float" => {
            words(out, &[DOUBLES, 1]);
            out.extend(of(node).parse::<f64>().expect("a number").to_be_bytes());
        }
        "next" | "break" => call_of(out, |out| name(out, of(node)), &[], text),
        "namespace_operator" | "extract_operator" | "binary_operator" => {
            let operator = of(field("operator").expect("an operator"));
            call_of(out, |out| name(out, operator), &[child("lhs"), child("rhs")], text);
        }
        "unary_operator" => {
            call_of(out, |out| name(out, of(field("operator").expect("an operator"))), &[child("rhs")], text);
        }
        "parenthesized_expression" => call_of(out, |out| name(out, "("), &[child("body")], text),
        "braced_expression" => {
            let inside: Vec<_> = inside().map(|node| (None, Some(node))).collect();
            call_of(out, |out| name(out, "{"), &inside, text);
        }
        "if_statement" => {
            let alternative = field("alternative").map(|node| (None, Some(node)));
            let parts: Vec<_> = [child("condition"), child("consequence")].into_iter().chain(alternative).collect();
            call_of(out, |out| name(out, "if"), &parts, text);
        }
        "for_statement" => {
            call_of(out, |out| name(out, "for"), &[child("variable"), child("sequence"), child("body")], text);
        }
        "function_definition" => {
            let parameters = field("parameters").expect("parameters");
            words(out, &[CALL]);
            name(out, "function");
            words(out, &[PAIRS]);
            for at in 0..parameters.named_child_count() {
                let parameter = parameters.named_child(u32::try_from(at).expect("few")).expect("a parameter");
                words(out, &[PAIRS | WITH_TAG]);
                name(out, of(parameter.child_by_field_name("name").expect("a name")));
                match parameter.child_by_field_name("default") {
                    Some(default) => written(out, default, text),
                    None => words(out, &[MISSING]),
                }
            }
            words(out, &[NULL, PAIRS]);
            written(out, field("body").expect("a body"), text);
            words(out, &[NULL]);
        }
        "call" | "subset" | "subset2" => {
            let function = field("function").expect("a function");
            let list = field("arguments").expect("arguments");
            let arguments =
                (0..list.named_child_count()).filter_map(|at| list.named_child(u32::try_from(at).expect("few")));
            let arguments = arguments.filter(|argument| argument.kind() == "argument");
            let tag = |name: Node<'_>| text[name.byte_range()].trim_matches('"');
            let mut all: Vec<(Option<&str>, Option<Node<'_>>)> = Vec::new();
            for argument in arguments {
                all.push((argument.child_by_field_name("name").map(tag), argument.child_by_field_name("value")));
            }
            if node.kind() == "call" {
                call_of(out, |out| written(out, function, text), &all, text);
            } else {
                all.insert(0, (None, Some(function)));
                call_of(out, |out| name(out, if node.kind() == "subset" { "[" } else { "[[" }), &all, text);
            }
        }
        other => panic!("{other} in {text}"),
    }
}

fn serialized() -> Vec<u8> {
    let mut out = b"X\n".to_vec();
    words(&mut out, HEAD);
    out
}

/// The index and the database of a package with these functions, each with its body, and these environments, each with what
/// it holds.
pub(crate) fn database(functions: &[(&str, Code<'_>)], environments: &[(&str, Code<'_>)]) -> (Vec<u8>, Vec<u8>) {
    let mut database = Vec::new();
    let mut index = serialized();
    words(&mut index, &[LIST | WITH_ATTRIBUTES, 3]);
    for (of, head) in [(functions, &[CLOSURE | WITH_TAG, GLOBAL, NULL][..]), (environments, &[])] {
        words(&mut index, &[LIST | WITH_ATTRIBUTES, length(of.len())]);
        for (_, body) in of {
            let mut record = serialized();
            words(&mut record, if matches!(body, Code::Texts(_)) { &[] } else { head });
            code(&mut record, body);
            words(&mut index, &[INTEGERS, 2, length(database.len()), length(record.len())]);
            database.extend(record);
        }
        names(&mut index, &of.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    // Records that are not compressed.
    words(&mut index, &[LOGICAL, 1, 0]);
    names(&mut index, &["variables", "references", "compressed"]);
    (index, database)
}

/// `Meta/nsInfo.rds` of a namespace that imports from these packages, and loads a library.
pub(crate) fn namespace_info(imports: &[&str], library: &str) -> Vec<u8> {
    let mut out = serialized();
    words(&mut out, &[LIST | WITH_ATTRIBUTES, 2, LIST, length(imports.len())]);
    for package in imports {
        // `importFrom(package, a)`
        words(&mut out, &[LIST, 2]);
        strings(&mut out, &[package]);
        strings(&mut out, &["a"]);
    }
    strings(&mut out, &[library]);
    names(&mut out, &["imports", "dynlibs"]);
    out
}

/// `Meta/nsInfo.rds` of a namespace that imports nothing, exports these names, and loads a library.
pub(crate) fn namespace_exports(exports: &[&str], library: &str) -> Vec<u8> {
    let mut out = serialized();
    words(&mut out, &[LIST | WITH_ATTRIBUTES, 3, LIST, 0]);
    strings(&mut out, exports);
    strings(&mut out, &[library]);
    names(&mut out, &["imports", "exports", "dynlibs"]);
    out
}

/// `Meta/nsInfo.rds` of a namespace with these imports, each of a package and the names in it, those of classes by
/// themselves, and these exports, generic functions, classes and patterns.
pub(crate) fn namespace_between(
    imports: &[(&str, &[&str])],
    classes: &[(&str, &[&str])],
    [exports, methods, exported_classes, patterns]: [&[&str]; 4],
) -> Vec<u8> {
    let mut out = serialized();
    words(&mut out, &[LIST | WITH_ATTRIBUTES, 7]);
    for of in [imports, classes] {
        words(&mut out, &[LIST, length(of.len())]);
        for (package, imported) in of {
            words(&mut out, &[LIST, 2]);
            strings(&mut out, &[package]);
            strings(&mut out, imported);
        }
    }
    for items in [exports, methods, exported_classes, patterns, &[]] {
        strings(&mut out, items);
    }
    let fields = ["imports", "importClasses", "exports", "exportMethods", "exportClasses", "exportPatterns"];
    names(&mut out, &[&fields[..], &["exportClassPatterns"]].concat());
    out
}
