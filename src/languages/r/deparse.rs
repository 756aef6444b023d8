//! R code as text, made of the values that it is stored as: installed packages have their functions as such, and what functions
//! of handlers use is read from text ([`super::source`]). One reader serves both.
//!
//! The text only has to mean the same to that reader. What [`super::serialize`] passes over, such as vectors of numbers, is NULL.

use std::fmt::Write as _;

use super::serialize::{Argument, Value};

/// Operators between two operands: all of R's, but `::` and what begins with `@` or `$`, which take names.
const BETWEEN: &[&str] = &[
    "<-", "<<-", "=", "->", "->>", "+", "-", "*", "/", "^", "==", "!=", "<", ">", "<=", ">=", "&", "&&", "|", "||",
    ":", "~", "?", ":=", "|>",
];

/// What is written without parentheses after its name.
const STATEMENTS: &[&str] = &["if", "for", "while", "repeat", "function", "next", "break", "!"];

/// Words that are not names unless they are quoted.
const RESERVED: &[&str] = &[
    "if",
    "else",
    "repeat",
    "while",
    "function",
    "for",
    "next",
    "break",
    "TRUE",
    "FALSE",
    "NULL",
    "Inf",
    "NaN",
    "NA",
    "NA_integer_",
    "NA_real_",
    "NA_complex_",
    "NA_character_",
    "in",
];

/// The text of code.
pub(super) fn text(code: &Value) -> String {
    let mut out = String::new();
    expression(code, &mut out);
    out
}

/// The text of `name <- value`, where the value is these strings.
pub(super) fn constant(name: &str, strings: &[&str]) -> String {
    let mut out = String::new();
    symbol(name, &mut out);
    out.push_str(" <- c(");
    separated(strings, &mut out, |one, out| string(one, out));
    out.push_str(")\n");
    out
}

/// The text of a function that does not do anything, with this name.
pub(super) fn own_function(name: &str) -> String {
    let mut out = String::new();
    symbol(name, &mut out);
    out.push_str(" <- function(...) NULL\n");
    out
}

fn expression(code: &Value, out: &mut String) {
    match code {
        Value::Symbol(name) => symbol(name, out),
        Value::Strings(strings) => match strings.as_slice() {
            [one] => maybe_string(one.as_deref(), out),
            strings => {
                out.push_str("c(");
                separated(strings, out, |one, out| maybe_string(one.as_deref(), out));
                out.push(')');
            }
        },
        Value::Logicals(logicals) => match logicals.as_slice() {
            [Some(true)] => out.push_str("TRUE"),
            [Some(false)] => out.push_str("FALSE"),
            [None] => out.push_str("NA"),
            _ => out.push_str("NULL"),
        },
        Value::Integers(integers) => match integers.as_slice() {
            [one] if *one >= 0 => _ = write!(out, "{one}L"),
            _ => out.push_str("NULL"),
        },
        Value::Number(number) if number.is_finite() && *number >= 0.0 => _ = write!(out, "{number}"),
        Value::Call(parts) => call(parts, out),
        Value::Closure { formals, body } => {
            function(formals, out);
            expression(body, out);
        }
        // Code with attributes, and byte code, whose first constant is the code that was compiled.
        Value::Holder(parts) => expression(parts.first().unwrap_or(&Value::Nothing), out),
        Value::Nothing | Value::Number(_) | Value::Pairs(_) | Value::List { .. } | Value::Reference(_) => {
            out.push_str("NULL");
        }
    }
}

/// `function(x, y = 1) `
fn function(formals: &Value, out: &mut String) {
    out.push_str("function(");
    if let Value::Pairs(formals) = formals {
        separated(formals, out, |formal, out| {
            symbol(formal.tag.as_deref().unwrap_or("..."), out);
            if formal.value != Value::Nothing {
                out.push_str(" = ");
                expression(&formal.value, out);
            }
        });
    }
    out.push_str(") ");
}

fn call(parts: &[Argument], out: &mut String) {
    let Some((head, arguments)) = parts.split_first() else { return out.push_str("NULL") };
    let values: Vec<&Value> = arguments.iter().map(|argument| &argument.value).collect();
    let name = if let Value::Symbol(name) = &head.value { &**name } else { "" };
    match (name, values.as_slice()) {
        ("{", _) => {
            out.push_str("{\n");
            for value in values {
                expression(value, out);
                out.push('\n');
            }
            out.push('}');
        }
        ("(", [inside]) => words(out, "(", inside, ")"),
        ("function", [formals, body, ..]) => {
            function(formals, out);
            expression(body, out);
        }
        ("if", [condition, then, otherwise @ ..]) => {
            words(out, "if (", condition, ") ");
            block(then, out);
            if let [otherwise] = otherwise {
                out.push_str(" else ");
                block(otherwise, out);
            }
        }
        ("for", [Value::Symbol(variable), sequence, body]) => {
            out.push_str("for (");
            symbol(variable, out);
            words(out, " in ", sequence, ") ");
            block(body, out);
        }
        ("while", [condition, body]) => {
            words(out, "while (", condition, ") ");
            block(body, out);
        }
        ("repeat", [body]) => {
            out.push_str("repeat ");
            block(body, out);
        }
        ("next" | "break", []) => out.push_str(name),
        ("::" | ":::", [package, item]) => {
            part_name(package, out);
            out.push_str(name);
            part_name(item, out);
        }
        ("$" | "@", [object, item]) => {
            operand(object, out);
            out.push_str(name);
            match item {
                Value::Symbol(_) | Value::Strings(_) => part_name(item, out),
                item => operand(item, out),
            }
        }
        ("[" | "[[", [object, ..]) => {
            operand(object, out);
            out.push_str(name);
            list(arguments.get(1..).unwrap_or_default(), out);
            out.push_str(if name == "[" { "]" } else { "]]" });
        }
        ("-" | "+" | "!" | "~" | "?", [operand_of]) => {
            out.push_str(name);
            operand(operand_of, out);
        }
        (between, [left, right]) if BETWEEN.contains(&between) || is_percent(between) => {
            operand(left, out);
            _ = write!(out, " {between} ");
            operand(right, out);
        }
        _ => {
            match &head.value {
                value @ (Value::Symbol(_) | Value::Strings(_) | Value::Call(_)) => expression(value, out),
                value => {
                    out.push('(');
                    expression(value, out);
                    out.push(')');
                }
            }
            out.push('(');
            list(arguments, out);
            out.push(')');
        }
    }
}

/// Whether a name is one of an operator such as `%in%`.
fn is_percent(name: &str) -> bool {
    name.len() > 1 && name.starts_with('%') && name.ends_with('%') && !name.contains(['\n', '\r'])
}

fn words(out: &mut String, before: &str, value: &Value, after: &str) {
    out.push_str(before);
    expression(value, out);
    out.push_str(after);
}

/// Code in braces, unless it has them: an `else` then always belongs to its `if`.
fn block(value: &Value, out: &mut String) {
    match value {
        Value::Call(parts) if matches!(&parts[..], [Argument { value: Value::Symbol(name), .. }, ..] if &**name == "{") =>
        {
            expression(value, out);
        }
        value => words(out, "{\n", value, "\n}"),
    }
}

/// Code in parentheses, unless it is a name, a constant or a call that is not written as an operator or a statement.
fn operand(value: &Value, out: &mut String) {
    let is_whole = match value {
        Value::Call(parts) => parts.first().is_some_and(|head| match &head.value {
            Value::Symbol(name) => !STATEMENTS.contains(&&**name) && !BETWEEN.contains(&&**name) && !is_percent(name),
            _ => true,
        }),
        Value::Closure { .. } | Value::Holder(_) => false,
        _ => true,
    };
    if is_whole { expression(value, out) } else { words(out, "(", value, ")") }
}

fn list(arguments: &[Argument], out: &mut String) {
    separated(arguments, out, |argument, out| {
        if let Some(tag) = &argument.tag {
            symbol(tag, out);
            out.push_str(" = ");
        }
        expression(&argument.value, out);
    });
}

fn separated<T>(items: &[T], out: &mut String, mut each: impl FnMut(&T, &mut String)) {
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        each(item, out);
    }
}

/// A name on a side of `::` or `$`, which may be a string there.
fn part_name(value: &Value, out: &mut String) {
    match value {
        Value::Symbol(name) => symbol(name, out),
        value => expression(value, out),
    }
}

fn maybe_string(value: Option<&str>, out: &mut String) {
    match value {
        Some(text) => string(text, out),
        None => out.push_str("NA_character_"),
    }
}

fn string(text: &str, out: &mut String) {
    quoted(text, '"', out);
}

/// A name, in backquotes where R needs them.
fn symbol(name: &str, out: &mut String) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic())
        || name.strip_prefix('.').is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
    if begins && name.chars().all(is_plain) && !RESERVED.contains(&name) {
        out.push_str(name);
    } else {
        quoted(name, '`', out);
    }
}

fn quoted(text: &str, quote: char, out: &mut String) {
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            // A source with a NUL is binary.
            '\0' => {}
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}
