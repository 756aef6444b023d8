//! Whether a bootstrap that is a shell script sends a response whatever became of the function's code.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::syntax::{parse, string};
use super::words::{BUILTINS, RUNNERS};

/// Commands that a bootstrap prepares a request with, and that do not run the function's code.
const HELPERS: &[&str] = &[
    "awk", "base64", "basename", "cat", "chmod", "cp", "curl", "cut", "date", "dirname", "find", "grep", "head", "jq",
    "ln", "ls", "mkdir", "mktemp", "mv", "readlink", "realpath", "rm", "sed", "sleep", "sort", "tail", "touch", "tr",
    "uniq", "wc", "wget", "xargs",
];

/// What shows that a script looks at failures, or reports one: anywhere in it, comments left out.
const HANDLES_FAILURES: &[&str] = &["$?", "${?", "PIPESTATUS", "errexit", "trap ", "/error"];

/// A longer script, in bytes, is not read: those of functions have a few KB, and nested code is looked through repeatedly.
const MAX_BYTES: usize = 64 << 10;

/// How many variables that are set in terms of each other are followed in a row.
const MAX_ROUNDS: usize = 8;

/// A command that runs the function's code, and the response that is sent after it, whether or not it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncheckedAnswer {
    /// The line of the command, from 1.
    pub line: usize,
    /// The command's name, as written.
    pub command: String,
    /// The line that sends the response.
    pub response: usize,
}

/// The first such command of a script. Only what is certain: in a loop over invocations, a command that is given the path or
/// the name of the handler (made of `LAMBDA_TASK_ROOT` or `_HANDLER`), with nothing that looks at its status, and after it
/// the response. `None` for what cannot be parsed or is too long, and for a script with `set -e`.
pub fn unchecked(script: &[u8]) -> Option<UncheckedAnswer> {
    if script.len() > MAX_BYTES || !String::from_utf8_lossy(script).contains("/response") {
        return None;
    }
    let tree = parse(script).ok()?;
    let root = tree.root_node();
    if root.has_error() || stops_on_failure(root, script) {
        return None;
    }
    let code = without_comments(root, script);
    let written = String::from_utf8_lossy(&code);
    if HANDLES_FAILURES.iter().any(|sign| written.contains(sign)) {
        return None;
    }
    let of_handler = variables_of_handler(root, &code);
    nodes(root).into_iter().filter(|node| node.kind() == "do_group").find_map(|body| {
        let mut cursor = body.walk();
        let statements: Vec<Node<'_>> = body.named_children(&mut cursor).collect();
        statements.iter().enumerate().find_map(|(position, statement)| {
            let command = runs_handler(*statement, &code, &of_handler)?;
            let after = &statements[position + 1..];
            let response = after.iter().find(|later| string(**later, &code).contains("/response"))?;
            Some(UncheckedAnswer {
                line: command.start_position().row + 1,
                command: string(command.child_by_field_name("name").unwrap_or(command), &code),
                response: response.start_position().row + 1,
            })
        })
    })
}

/// Whether a script ends when a command fails: `set -e`, or the option in its first line.
fn stops_on_failure(root: Node<'_>, script: &[u8]) -> bool {
    let has_option = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains('e');
    let first = script.split(|b| *b == b'\n').next().filter(|line| line.starts_with(b"#!"));
    let first = String::from_utf8_lossy(first.unwrap_or_default()).into_owned();
    let sets = |node: Node<'_>| {
        let text = string(node, script);
        let mut words = text.split_whitespace();
        node.kind() == "command" && words.next() == Some("set") && words.any(has_option)
    };
    first.split_whitespace().skip(1).any(has_option) || nodes(root).into_iter().any(sets)
}

/// The script with spaces in place of its comments.
fn without_comments(root: Node<'_>, script: &[u8]) -> Vec<u8> {
    let mut code = script.to_vec();
    for comment in nodes(root).into_iter().filter(|node| node.kind() == "comment") {
        if let Some(bytes) = code.get_mut(comment.byte_range()) {
            bytes.fill(b' ');
        }
    }
    code
}

/// The variables whose values are made of the handler's path or name, with those of Lambda.
fn variables_of_handler(root: Node<'_>, code: &[u8]) -> BTreeSet<String> {
    let mut known = BTreeSet::from(["LAMBDA_TASK_ROOT".to_owned(), "_HANDLER".to_owned()]);
    let assignments: Vec<(String, String)> = nodes(root)
        .into_iter()
        .filter(|node| node.kind() == "variable_assignment")
        .filter_map(|node| {
            let (name, value) = (node.child_by_field_name("name")?, node.child_by_field_name("value")?);
            Some((string(name, code), string(value, code)))
        })
        .collect();
    // A variable can be set in terms of one that is assigned further down, in a loop.
    for _ in 0..MAX_ROUNDS {
        let before = known.len();
        for (name, value) in &assignments {
            if mentions(value, &known) {
                known.insert(name.clone());
            }
        }
        if known.len() == before {
            break;
        }
    }
    known
}

/// Whether a text expands one of these variables.
fn mentions(text: &str, variables: &BTreeSet<String>) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = text[at + 1..].trim_start_matches('{');
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        variables.contains(&rest[..end])
    })
}

/// The command of a statement that runs the handler, where the statement does nothing about a failure.
fn runs_handler<'t>(statement: Node<'t>, code: &[u8], of_handler: &BTreeSet<String>) -> Option<Node<'t>> {
    let plain = ["command", "redirected_statement", "pipeline", "variable_assignment", "declaration_command"];
    if !plain.contains(&statement.kind()) {
        return None;
    }
    let inside = nodes(statement);
    let decides = ["list", "if_statement", "negated_command", "case_statement", "while_statement"];
    if inside.iter().any(|node| decides.contains(&node.kind())) {
        return None;
    }
    inside.into_iter().filter(|node| node.kind() == "command").find(|command| {
        let name = command.child_by_field_name("name").map(|name| string(name, code)).unwrap_or_default();
        let name = name.trim_matches('"');
        let name = name.rsplit('/').next().unwrap_or(name);
        // What `exec` starts takes the script's place.
        let is_runner = name != "exec" && RUNNERS.iter().any(|(runner, _)| *runner == name);
        let is_other = (BUILTINS.contains(&name) && !is_runner) || HELPERS.contains(&name);
        !is_other && mentions(&string(*command, code), of_handler)
    })
}

/// A node and all nodes below it, in the order of the text.
fn nodes(node: Node<'_>) -> Vec<Node<'_>> {
    let mut all = Vec::new();
    let mut cursor = node.walk();
    loop {
        all.push(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return all;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bootstrap with this line where it runs the function's code.
    fn bootstrap(run: &str) -> String {
        format!(
            "#!/bin/sh\n# set -e, and send to /error, would be better\n\
             SCRIPT=$LAMBDA_TASK_ROOT/$(echo \"$_HANDLER\" | cut -d. -f1).r\nwhile true\ndo\n    HEADERS=\"$(mktemp)\"\n    \
             EVENT=$(curl -sS -LD \"$HEADERS\" -X GET \"http://${{AWS_LAMBDA_RUNTIME_API}}/2018-06-01/runtime/invocation/next\")\n    \
             ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id \"$HEADERS\" | tr -d '[:space:]' | cut -d: -f2)\n    {run}\n    \
             curl -X POST \"http://${{AWS_LAMBDA_RUNTIME_API}}/2018-06-01/runtime/invocation/$ID/response\" -d OK\ndone\n"
        )
    }

    #[test]
    fn a_response_that_follows_whatever_happened_is_found() {
        for (run, command) in [
            ("/opt/R/bin/Rscript $SCRIPT", "/opt/R/bin/Rscript"),
            ("/opt/R/bin/Rscript \"$SCRIPT\" > /tmp/out 2>&1", "/opt/R/bin/Rscript"),
            ("RESPONSE=$(Rscript \"$SCRIPT\" \"$EVENT\")", "Rscript"),
            ("Rscript ${SCRIPT} | tee /tmp/log", "Rscript"),
            ("timeout 10 Rscript $SCRIPT", "timeout"),
            ("python3 -m \"$_HANDLER\"", "python3"),
        ] {
            let found = unchecked(bootstrap(run).as_bytes()).unwrap_or_else(|| panic!("{run}"));
            assert_eq!((found.line, found.command.as_str(), found.response), (9, command, 10), "{run}");
        }
    }

    #[test]
    fn a_script_that_looks_at_the_failure_or_runs_nothing_is_not() {
        for run in [
            "if Rscript $SCRIPT; then RESPONSE=OK; else RESPONSE=failed; fi",
            "Rscript $SCRIPT || exit 1",
            "RESPONSE=$(Rscript $SCRIPT || echo failed)",
            "Rscript $SCRIPT\n    STATUS=$?",
            "Rscript $SCRIPT\n    [ -s /tmp/failed ] && curl -X POST http://x/invocation/$ID/error",
            "! Rscript $SCRIPT",
            "cat $SCRIPT",
            "cd $LAMBDA_TASK_ROOT",
            ". $SCRIPT",
            "Rscript /opt/other.R",
            "exec Rscript $SCRIPT",
            "if (",
        ] {
            assert_eq!(unchecked(bootstrap(run).as_bytes()), None, "{run}");
        }
        let run = bootstrap("Rscript $SCRIPT");
        for stops in ["set -e", "set -euo pipefail", "set -o errexit", "trap 'fail' EXIT"] {
            assert_eq!(unchecked(run.replacen("SCRIPT=", &format!("{stops}\nSCRIPT="), 1).as_bytes()), None, "{stops}");
        }
        assert_eq!(unchecked(run.replacen("/bin/sh", "/bin/sh -e", 1).as_bytes()), None);
        assert_eq!(unchecked(run.replace("/response", "/x").as_bytes()), None);
    }
}
