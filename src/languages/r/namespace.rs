//! What `loadNamespace()` of an installed package loads: the namespaces that its own imports from, and its shared libraries.
//!
//! R reads `Meta/nsInfo.rds`, which `R CMD INSTALL` made of NAMESPACE, and NAMESPACE itself only where that file is missing
//! (`loadNamespace` in R's src/library/base/R/namespace.R); so does layerfit. In NAMESPACE a condition is evaluated when it
//! is read: those that ask for the operating system are, and of any other both branches count.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::rdx::uncompressed;
use super::serialize::{self, Value};
use super::source::grammar;

/// A longer NAMESPACE in bytes is not read: R's own longest has 30 KB.
const MAX_BYTES: usize = 1 << 20;

/// What a namespace loads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The packages it imports from: `import()`, `importFrom()`, `importClassesFrom()`, `importMethodsFrom()`.
    pub imports: BTreeSet<String>,
    /// The shared libraries that it loads: `useDynLib()`.
    pub libraries: BTreeSet<String>,
    /// The generic functions that it registers S3 methods for, by `Meta/nsInfo.rds`.
    pub generics: BTreeSet<String>,
    /// What it exports by name, as `Meta/nsInfo.rds` has it.
    pub exports: BTreeSet<String>,
    /// What it imports from each package by name, by `Meta/nsInfo.rds`; an S4 class has [`Namespace::CLASS`] before its name.
    pub imported: BTreeMap<String, BTreeSet<String>>,
    /// The generic functions and S4 classes that it exports, by `Meta/nsInfo.rds`, in the form of `imported`.
    exports_of_methods: BTreeSet<String>,
    /// Whether `Meta/nsInfo.rds` was read and names all that it exports: it has no patterns.
    exports_by_name: bool,
}

impl Namespace {
    /// What R puts before the name of an S4 class (`methods::classMetaName`).
    pub const CLASS: &str = ".__C__";

    /// Whether it certainly does not export this, which another namespace imports from it.
    pub fn certainly_lacks(&self, name: &str) -> bool {
        self.exports_by_name && !self.exports.contains(name) && !self.exports_of_methods.contains(name)
    }
}

/// The directives that name a package to import from in their first argument, or, of `import()`, in each.
const IMPORTS: [&str; 5] = ["import", "importFrom", "importClassFrom", "importClassesFrom", "importMethodsFrom"];

/// Reads `Meta/nsInfo.rds`.
///
/// # Errors
/// When R could not read it, or it is not what `parseNamespaceFile()` returns.
pub fn of_info(file: &[u8]) -> Result<Namespace, String> {
    let info = serialize::read(&uncompressed(file)?)?;
    let Some(Value::List { items, .. }) = info.item("imports") else {
        return Err("it has no imports".to_owned());
    };
    let mut namespace = Namespace::default();
    // An import is a package's name, or a list of it and of what is imported from it.
    let first = |value: &Value| value.strings().first().map(|name| (*name).to_owned());
    namespace.imports.extend(items.iter().filter_map(first));
    imported(items, "", &mut namespace);
    for field in ["importClasses", "importMethods"] {
        if let Some(Value::List { items, .. }) = info.item(field) {
            namespace.imports.extend(items.iter().filter_map(first));
            if field == "importClasses" {
                imported(items, Namespace::CLASS, &mut namespace);
            }
        }
    }
    if let Some(libraries) = info.item("dynlibs") {
        // `library.dynam()` loads nothing for an empty name, which `R CMD INSTALL --fake` writes.
        let named = libraries.strings().into_iter().filter(|name| !name.is_empty());
        namespace.libraries.extend(named.map(str::to_owned));
    }
    let exports = info.item("exports").map(Value::strings).unwrap_or_default();
    namespace.exports.extend(exports.into_iter().map(str::to_owned));
    for (field, prefix) in [("exportMethods", ""), ("exportClasses", Namespace::CLASS)] {
        let names = info.item(field).map(Value::strings).unwrap_or_default();
        namespace.exports_of_methods.extend(names.into_iter().map(|name| format!("{prefix}{name}")));
    }
    let has_none = |field| info.item(field).is_some_and(|patterns| patterns.strings().is_empty());
    namespace.exports_by_name =
        info.item("exports").is_some() && has_none("exportPatterns") && has_none("exportClassPatterns");
    if let Some(methods) = info.item("S3methods") {
        // A matrix of three or four columns, the first of which has the generics; a method has no name where it is the usual one.
        let (Value::Strings(cells), columns) = (methods, [4, 3]) else { return Ok(namespace) };
        let rows =
            columns.into_iter().find(|columns| cells.len() % columns == 0).map_or(0, |columns| cells.len() / columns);
        namespace.generics.extend(cells.iter().take(rows).flatten().map(ToString::to_string));
    }
    Ok(namespace)
}

/// Adds what these imports name: lists of a package and of names in it. Where they have names of their own in the importing
/// namespace, R looks for the values; those of `except` are not imported.
fn imported(imports: &[Value], prefix: &str, namespace: &mut Namespace) {
    for import in imports {
        let Value::List { items, names } = import else { continue };
        if let ([package, imported], None) = (items.as_slice(), names.get(1).and_then(Option::as_deref))
            && let [package] = package.strings().as_slice()
        {
            let of_package = namespace.imported.entry((*package).to_owned()).or_default();
            of_package.extend(imported.strings().into_iter().map(|name| format!("{prefix}{name}")));
        }
    }
}

/// The S3 methods that `Meta/nsInfo.rds` registers: the generic function and the class of each. None if it cannot be read.
pub fn methods_of_info(file: &[u8]) -> Vec<(String, String)> {
    let info = uncompressed(file).and_then(|file| serialize::read(&file));
    let Some(Value::Strings(cells)) = info.as_ref().ok().and_then(|info| info.item("S3methods")) else {
        return Vec::new();
    };
    let rows = [4, 3].into_iter().find(|columns| cells.len() % columns == 0).map_or(0, |columns| cells.len() / columns);
    let column = |at: usize| cells.iter().skip(at * rows).take(rows).flatten().map(ToString::to_string);
    column(0).zip(column(1)).collect()
}

/// Reads a NAMESPACE.
///
/// # Errors
/// When it is not R code.
pub fn of_text(file: &[u8]) -> Result<Namespace, String> {
    if file.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, and a NAMESPACE of more than {MAX_BYTES} is not read", file.len()));
    }
    let text = String::from_utf8_lossy(file);
    let tree = grammar()?.parse(&text).ok_or("it cannot be parsed as R code")?;
    let mut namespace = Namespace::default();
    directives(tree.root_node(), &text, &mut namespace);
    Ok(namespace)
}

fn directives(node: Node<'_>, text: &str, namespace: &mut Namespace) {
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        match child.kind() {
            "call" => directive(child, text, namespace),
            "if_statement" => {
                let condition = child.child_by_field_name("condition").and_then(|node| truth(node, text));
                for (branch, taken) in
                    [("consequence", condition != Some(false)), ("alternative", condition != Some(true))]
                {
                    if let Some(branch) = child.child_by_field_name(branch).filter(|_| taken) {
                        match branch.kind() {
                            "call" => directive(branch, text, namespace),
                            _ => directives(branch, text, namespace),
                        }
                    }
                }
            }
            "braced_expression" => directives(child, text, namespace),
            _ => {}
        }
    }
}

fn directive(call: Node<'_>, text: &str, namespace: &mut Namespace) {
    let name = call.child_by_field_name("function").map(|node| &text[node.byte_range()]);
    let Some(name) = name else { return };
    let Some(arguments) = call.child_by_field_name("arguments") else { return };
    let mut cursor = arguments.walk();
    let values = arguments.named_children(&mut cursor).filter(|node| node.kind() == "argument");
    // `except = c("x")` and `.registration = TRUE` are of the directive; `name = symbol` of useDynLib comes after the first.
    let unnamed = values.filter(|node| node.child_by_field_name("name").is_none());
    let words = unnamed.filter_map(|node| word(node.child_by_field_name("value")?, text));
    if IMPORTS.contains(&name) {
        let how_many = if name == "import" { usize::MAX } else { 1 };
        namespace.imports.extend(words.take(how_many));
    } else if name == "useDynLib" {
        namespace.libraries.extend(words.take(1).filter(|name| !name.is_empty()));
    }
}

/// A name, or a string.
fn word(node: Node<'_>, text: &str) -> Option<String> {
    match node.kind() {
        "identifier" => Some(text[node.byte_range()].trim_matches('`').to_owned()),
        "string" => Some(inside(&text[node.byte_range()])),
        _ => None,
    }
}

/// What stands between the quotes of a string. Names of packages have no escapes.
fn inside(quoted: &str) -> String {
    quoted.trim_matches(['"', '\'']).to_owned()
}

/// Whether a condition is true where Lambda runs; `None` when reading does not tell.
fn truth(node: Node<'_>, text: &str) -> Option<bool> {
    let part = |field: &str| node.child_by_field_name(field);
    match node.kind() {
        "parenthesized_expression" => truth(node.named_child(0)?, text),
        "true" => Some(true),
        "false" => Some(false),
        "identifier" => match &text[node.byte_range()] {
            "T" => Some(true),
            "F" => Some(false),
            _ => None,
        },
        "call" => of_call(node, text),
        "unary_operator" => Some(!truth(part("rhs")?, text)?),
        "binary_operator" => {
            let (left, right) = (part("lhs")?, part("rhs")?);
            match &text[part("operator")?.byte_range()] {
                operator @ ("==" | "!=" | "%in%") => {
                    let (left, right) = (constant(left, text)?, constant(right, text)?);
                    Some((left == right) == (operator != "!="))
                }
                "&&" | "&" => match (truth(left, text), truth(right, text)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                },
                "||" | "|" => match (truth(left, text), truth(right, text)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a call that is a condition returns TRUE. What is imported if a package is installed is not needed where it is not.
fn of_call(call: Node<'_>, text: &str) -> Option<bool> {
    let name = &text[call.child_by_field_name("function")?.byte_range()];
    let arguments = call.child_by_field_name("arguments")?;
    let mut cursor = arguments.walk();
    let values: Vec<Node<'_>> =
        arguments.named_children(&mut cursor).filter_map(|argument| argument.child_by_field_name("value")).collect();
    match (name, values.as_slice()) {
        ("identical", [left, right]) => Some(constant(*left, text)? == constant(*right, text)?),
        ("requireNamespace" | "suppressWarnings" | "nzchar" | "nchar", _)
            if text[call.byte_range()].contains("requireNamespace(")
                || text[call.byte_range()].contains("system.file(") =>
        {
            Some(false)
        }
        _ => None,
    }
}

/// What an operand of a comparison is: a string, or what R tells of the operating system.
fn constant(node: Node<'_>, text: &str) -> Option<String> {
    let written: String = text[node.byte_range()].split_whitespace().collect();
    match written.as_str() {
        ".Platform$OS.type"
        | "tools:::.OStype()"
        | ".OStype()"
        | ".Platform[['OS.type']]"
        | ".Platform[[\"OS.type\"]]" => Some("unix".to_owned()),
        "Sys.info()[['sysname']]"
        | "Sys.info()[[\"sysname\"]]"
        | "Sys.info()[\"sysname\"]"
        | "Sys.info()['sysname']" => Some("Linux".to_owned()),
        "R.version$os" | "version$os" | "R.Version()$os" => Some("linux-gnu".to_owned()),
        _ if node.kind() == "string" => Some(inside(&text[node.byte_range()])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let Namespace { imports, libraries, .. } = of_text(text.as_bytes()).expect("R code");
        (imports.into_iter().collect(), libraries.into_iter().collect())
    }

    fn imports(text: &str) -> Vec<String> {
        read(text).0
    }

    #[test]
    fn each_directive_names_the_package_that_it_imports_from() {
        assert_eq!(imports("import(a, \"b\", except = c(x, y))\n"), ["a", "b"]);
        assert_eq!(imports("importFrom(a, x, y)\nimportFrom(\"b\", \"z\")"), ["a", "b"]);
        assert_eq!(imports("importClassesFrom(a, X)\nimportMethodsFrom(b, show)\nexport(c)"), ["a", "b"]);
        // R reads this name as well.
        assert_eq!(imports("importClassFrom(Matrix, Matrix)"), ["Matrix"]);
        assert_eq!(read("useDynLib(a, .registration = TRUE)\nuseDynLib(\"b\", f, g = h)").1, ["a", "b"]);
        assert_eq!(imports("S3method(knitr::knit_print, x)\n# import(no)\n"), [""; 0]);
    }

    #[test]
    fn a_condition_is_evaluated_as_far_as_it_asks_for_the_system() {
        let both = "if (.Platform$OS.type == \"windows\") import(win) else import(unix)";
        assert_eq!(imports(both), ["unix"]);
        assert_eq!(imports("if(tools:::.OStype() == \"windows\") {\n import(a)\n} else {\n import(b)\n}\n"), ["b"]);
        assert_eq!(imports("if (!(.Platform$OS.type != \"unix\")) { importFrom(a, x) }"), ["a"]);
        assert_eq!(imports("if (getRversion() >= \"4.0\") import(a) else import(b)"), ["a", "b"]);
        assert_eq!(imports("if (FALSE && getRversion() > \"3\") import(a)"), [""; 0]);
        for condition in [
            "F",
            "identical(.Platform$OS.type, 'windows')",
            ".Platform[[\"OS.type\"]] %in% \"windows\"",
            "R.version$os == 'mingw32'",
            "Sys.info()['sysname'] == 'Darwin'",
            "requireNamespace('a', quietly = TRUE)",
            "nzchar(system.file(package = \"a\"))",
        ] {
            assert_eq!(imports(&format!("if ({condition}) import(a) else import(b)")), ["b"], "{condition}");
        }
    }

    #[test]
    fn what_is_not_an_info_file_is_an_error() {
        assert!(of_info(b"x").is_err() && of_info(b"").is_err() && of_info(b"X\n\0\0\0\x02").is_err());
    }
}
