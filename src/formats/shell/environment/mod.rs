//! The environment that a script leaves: its assignments in the order in which they run, with the expansions and tests that
//! scripts for environments consist of. What depends on anything else has an unknown value, not a guessed one.

mod expansion;
mod exported;
mod recorded;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use self::expansion::{UNKNOWN, words};
use self::exported::kept_back;
pub use self::recorded::Recorded;
use self::recorded::RecordedCommand;
use super::syntax::{parse, string};

/// How many steps are run at most, as loops in loops repeat statements: one for each statement and for each KiB of it that is
/// looked through, and some for each branch that is tried. R's own scripts take some dozens.
const MAX_STEPS: usize = 5_000;

/// How many values a loop has at most; longer ones are not followed.
const MAX_LOOP: usize = 256;

/// How deeply statements and expansions may be nested; deeper ones are unknown.
const MAX_DEPTH: usize = 64;

/// How many steps a file takes that is read into a script, besides its statements, and how many bytes of it are one more: it is
/// parsed each time.
const SOURCED_STEPS: usize = 100;
const SOURCED_BYTES_PER_STEP: usize = 64;

/// How many commands are recorded with their environments at most.
const MAX_RECORDED: usize = 256;

/// The files that a script is run among, by their absolute paths; what is not known is `None`.
pub trait Files {
    /// Whether a path exists.
    fn exists(&self, _path: &str) -> Option<bool> {
        None
    }

    /// A path with its links followed. One for which it is not known is taken to have no links.
    fn real(&self, _path: &str) -> Option<String> {
        None
    }

    /// The content of a file, which the script reads into itself.
    fn content(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }
}

/// Nothing is known of any file.
impl Files for () {}

/// Variables with their values; a value that is not known is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        set(&mut self.0, name, Some(value.into()));
    }

    /// Sets a variable to a value that is not known.
    pub fn forget_value(&mut self, name: &str) {
        set(&mut self.0, name, None);
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        exported::remove(&mut self.0, name);
    }

    /// What is known of a list with colons whose value is not known as a whole: the elements that it certainly has.
    pub fn known_elements(&self, name: &str) -> Vec<String> {
        let value = self.0.get(&partly(name)).and_then(Option::as_deref).unwrap_or_default();
        value
            .split(':')
            .filter(|element| !element.is_empty() && !element.contains(UNKNOWN))
            .map(str::to_owned)
            .collect()
    }

    /// The value of a variable, if it is set and known.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }

    /// Whether a variable is set to a value that is not known.
    pub fn is_unknown(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Option::is_none)
    }

    /// The variables whose values are known.
    pub fn known(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.0.iter().filter(|(name, _)| !name.starts_with(':'));
        variables.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// Sets what a command prints, for `$(COMMAND)`: `uname -m`.
    pub fn set_output(&mut self, command: &str, output: &str) {
        // With `$`, it is not the name of a variable.
        self.set(&format!("${command}"), output);
    }

    /// Runs the assignments of a script, in which whether files exist is not known.
    ///
    /// # Errors
    /// When the text cannot be parsed at all.
    pub fn run(&mut self, script: &[u8]) -> Result<(), String> {
        self.run_among(script, &())
    }

    /// Runs the assignments of a script, and of the files that it reads into itself.
    ///
    /// # Errors
    /// When the text cannot be parsed at all.
    pub fn run_among(&mut self, script: &[u8], files: &dyn Files) -> Result<(), String> {
        self.run_recorded(script, files).map(drop)
    }

    /// The same; also returns the commands that the script runs, each with the environment that it has.
    ///
    /// # Errors
    /// When the text cannot be parsed at all.
    pub fn run_recorded(&mut self, script: &[u8], files: &dyn Files) -> Result<Recorded, String> {
        let tree = parse(script)?;
        let values = std::mem::take(&mut self.0);
        let recorded = RefCell::default();
        let mut run = Run {
            values,
            functions: BTreeMap::new(),
            steps_left: &Cell::new(MAX_STEPS),
            files,
            of_command: Vec::new(),
            recorded: &recorded,
            sourced: false,
        };
        run.statements(tree.root_node(), script, 0);
        self.0 = run.values;
        Ok(Recorded(recorded.into_inner()))
    }
}

/// The name under which what is known of a value is kept that is not known as a whole; with the colon, it is not that of a variable.
fn partly(name: &str) -> String {
    format!(":{name}")
}

/// Sets a variable to a value, which can have parts that are not known.
fn set(values: &mut BTreeMap<String, Option<String>>, name: &str, value: Option<String>) {
    values.remove(&partly(name));
    match value {
        Some(value) if value.contains(UNKNOWN) => {
            values.insert(name.to_owned(), None);
            values.insert(partly(name), Some(value));
        }
        value => {
            values.insert(name.to_owned(), value);
        }
    }
}

/// What a variable was: not set, or its value, if that is known.
#[derive(Clone)]
enum Before {
    Unset,
    Set(Option<String>),
}

/// A script that is run.
#[derive(Clone)]
struct Run<'f> {
    values: BTreeMap<String, Option<String>>,
    /// What the functions that were defined assign.
    functions: BTreeMap<String, BTreeSet<String>>,
    /// How many more steps are run, in all branches together.
    steps_left: &'f Cell<usize>,
    files: &'f dyn Files,
    /// The variables that the last command has only for itself, with their values before it.
    of_command: Vec<(String, Before)>,
    /// The commands that were run so far.
    recorded: &'f RefCell<Vec<RecordedCommand>>,
    /// Whether this is a file that the script reads into itself.
    sourced: bool,
}

impl Run<'_> {
    fn statements(&mut self, node: Node<'_>, text: &[u8], depth: usize) {
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            self.statement(child, text, depth + 1);
        }
    }

    fn statement(&mut self, node: Node<'_>, text: &[u8], depth: usize) {
        self.step(1 + node.byte_range().len() / 1024);
        self.end_command();
        if depth > MAX_DEPTH || self.steps_left.get() == 0 {
            return self.forget(node, text);
        }
        match node.kind() {
            "variable_assignment" => self.assignment(node, text),
            "variable_assignments" | "compound_statement" | "redirected_statement" | "then_clause" | "else_clause" => {
                self.statements(node, text, depth);
            }
            "declaration_command" => {
                self.statements(node, text, depth);
                self.declares(node, text);
            }
            "unset_command" => {
                let mut cursor = node.walk();
                let names: Vec<String> = node.named_children(&mut cursor).map(|name| string(name, text)).collect();
                for name in &names {
                    exported::remove(&mut self.values, name);
                }
            }
            // Assignments before a command are only of its environment. After the last one they stay: a script that ends with
            // `exec` makes that.
            "command" => {
                let mut cursor = node.walk();
                let assignments: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
                for child in assignments.into_iter().filter(|child| child.kind() == "variable_assignment") {
                    self.assign_for_command(&string(child, text));
                }
                self.env(&string(node, text));
                self.record(node, text);
                let assigned = self.functions.get(&name_of_command(node, text)).cloned();
                for assigned in assigned.unwrap_or_default() {
                    set(&mut self.values, &assigned, None);
                }
                match name_of_command(node, text).as_str() {
                    // `: ${NAME=VALUE}` assigns.
                    ":" => {
                        self.expand(&string(node, text), 0);
                    }
                    "set" => self.sets(&words(&string(node, text))),
                    "cd" => self.changes_directory(&words(&string(node, text))),
                    "." | "source" => {
                        let file = node.child_by_field_name("argument");
                        if let Some(path) = file.and_then(|file| self.expand(&string(file, text), 0)) {
                            self.read_into(&path, depth);
                        }
                    }
                    _ => {}
                }
            }
            // A loop whose condition fails at once, as that over arguments does when there are none.
            "while_statement"
                if node.child(0).is_some_and(|word| word.kind() == "while")
                    && node
                        .child_by_field_name("condition")
                        .is_some_and(|condition| self.condition(condition, text, 0) == Some(false)) => {}
            "if_statement" => self.conditional(node, text, depth),
            "for_statement" => self.repeated(node, text, depth),
            "case_statement" => self.cases(node, text, depth),
            // What it assigns is not known after it is called.
            "function_definition" => {
                if let Some(name) = node.child_by_field_name("name") {
                    self.functions.insert(string(name, text), assigned_below(node, text));
                }
            }
            "list" => {
                let (left, right) = (node.named_child(0), node.named_child(1));
                let (Some(left), Some(right)) = (left, right) else { return };
                let mut cursor = node.walk();
                let is_or = node.children(&mut cursor).any(|child| child.kind() == "||");
                self.statement(left, text, depth + 1);
                match self.condition(left, text, 0) {
                    Some(true) if is_or => {}
                    Some(false) if !is_or => {}
                    Some(_) => self.statement(right, text, depth + 1),
                    None => self.perhaps(|environment| environment.statement(right, text, depth + 1)),
                }
            }
            // What is in these is run in another process.
            "subshell" | "pipeline" => {
                self.branch().statements(node, text, depth);
            }
            "comment" | "test_command" | "negated_command" => {}
            _ => self.forget(node, text),
        }
    }

    /// Runs a file as part of the script: `. FILE`.
    fn read_into(&mut self, path: &str, depth: usize) {
        let Some(content) = self.files.content(path) else { return };
        self.step(SOURCED_STEPS + content.len() / SOURCED_BYTES_PER_STEP);
        if self.steps_left.get() == 0 {
            return;
        }
        if let Ok(tree) = parse(&content) {
            let sourced = std::mem::replace(&mut self.sourced, true);
            self.statements(tree.root_node(), &content, depth + 1);
            self.end_command();
            self.sourced = sourced;
        }
    }

    /// Assigns to a variable for the command that runs next.
    fn assign_for_command(&mut self, written: &str) {
        let Some((name, _)) = written.split_once('=') else { return };
        let name = name.strip_suffix('+').unwrap_or(name);
        for name in [name.to_owned(), partly(name), kept_back(name)] {
            let before = self.values.get(&name).cloned().map_or(Before::Unset, Before::Set);
            self.of_command.push((name, before));
        }
        self.assign(written);
        self.values.remove(&kept_back(name));
    }

    /// Takes back what was assigned only for the last command.
    fn end_command(&mut self) {
        while let Some((name, before)) = self.of_command.pop() {
            match before {
                Before::Set(value) => self.values.insert(name, value),
                Before::Unset => self.values.remove(&name),
            };
        }
    }

    /// Records a command of the script with the environment that it has now.
    fn record(&mut self, node: Node<'_>, text: &[u8]) {
        if self.sourced || self.recorded.borrow().len() >= MAX_RECORDED {
            return;
        }
        let words = self.expand_partly(&string(node, text), 0).unwrap_or_default();
        let environment = Environment(self.values.clone());
        self.recorded.borrow_mut().push(RecordedCommand { line: node.start_position().row + 1, words, environment });
    }

    /// `if`, `elif` and `else`.
    fn conditional(&mut self, node: Node<'_>, text: &[u8], depth: usize) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        let condition = node.child_by_field_name("condition");
        let truth = condition.and_then(|condition| self.condition(condition, text, 0));
        let is_else = |child: &Node<'_>| matches!(child.kind(), "else_clause" | "elif_clause");
        let (otherwise, then): (Vec<Node<'_>>, Vec<Node<'_>>) =
            children.into_iter().filter(|child| Some(*child) != condition).partition(is_else);
        let then =
            |environment: &mut Self| then.iter().for_each(|child| environment.statement(*child, text, depth + 1));
        let otherwise = |environment: &mut Self| {
            // Each `elif` is an `if` of its own; what follows the one that is true does not run.
            for child in &otherwise {
                if child.kind() == "else_clause" {
                    return environment.statement(*child, text, depth + 1);
                }
                let condition = child.child_by_field_name("condition").or_else(|| child.named_child(0));
                match condition.and_then(|condition| environment.condition(condition, text, 0)) {
                    Some(true) => return environment.statements(*child, text, depth + 1),
                    Some(false) => {}
                    None => environment.perhaps(|environment| environment.statements(*child, text, depth + 1)),
                }
            }
        };
        match truth {
            Some(true) => then(self),
            Some(false) => otherwise(self),
            None => {
                let mut other = self.branch();
                then(self);
                otherwise(&mut other);
                self.merge(&other);
            }
        }
    }

    fn step(&self, steps: usize) {
        self.steps_left.set(self.steps_left.get().saturating_sub(steps));
    }

    /// A copy, in which something else can happen.
    fn branch(&self) -> Self {
        self.step(self.values.len() / 16);
        self.clone()
    }

    /// Does something that may not happen: what differs then is not known.
    fn perhaps(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.branch();
        act(self);
        self.merge(&before);
    }

    fn merge(&mut self, other: &Self) {
        let names: Vec<String> = self.values.keys().chain(other.values.keys()).cloned().collect();
        for name in names {
            if self.values.get(&name) != other.values.get(&name) {
                self.values.insert(name, None);
            }
        }
    }

    /// `for NAME in WORD...`
    fn repeated(&mut self, node: Node<'_>, text: &[u8], depth: usize) {
        let (variable, body) = (node.child_by_field_name("variable"), node.child_by_field_name("body"));
        let (Some(variable), Some(body)) = (variable, body) else { return self.forget(node, text) };
        let mut cursor = node.walk();
        let words: Vec<Node<'_>> = node.children_by_field_name("value", &mut cursor).collect();
        let values: Option<Vec<Vec<String>>> = words.iter().map(|word| self.fields(*word, text)).collect();
        let values = values.map(|values| values.concat());
        // `for NAME` alone is over the arguments, and a loop that is left early is not followed.
        let leaves = has_command(body, text, &["break", "continue", "return", "exit"]);
        let variable = string(variable, text);
        let values = values.filter(|values| !words.is_empty() && values.len() <= MAX_LOOP && !leaves);
        let Some(values) = values else {
            set(&mut self.values, &variable, None);
            return self.forget(body, text);
        };
        for value in values {
            if self.steps_left.get() == 0 {
                set(&mut self.values, &variable, None);
                return self.forget(body, text);
            }
            set(&mut self.values, &variable, Some(value));
            self.statements(body, text, depth);
        }
    }

    /// The words that a word of a list expands to: an expansion without quotes is split (POSIX 2.6.5). `None` when they are
    /// not known, which patterns of file names are not.
    fn fields(&mut self, word: Node<'_>, text: &[u8]) -> Option<Vec<String>> {
        let value = self.expand(&string(word, text), 0)?;
        let quoted = matches!(word.kind(), "string" | "raw_string");
        if !quoted && value.contains(['*', '?', '[', '{']) {
            return None;
        }
        Some(match word.kind() {
            "simple_expansion" | "expansion" | "concatenation" | "command_substitution" => {
                value.split_whitespace().map(str::to_owned).collect()
            }
            _ => vec![value],
        })
    }

    /// `case WORD in PATTERN) ...;; esac`
    fn cases(&mut self, node: Node<'_>, text: &[u8], depth: usize) {
        let word = node.child_by_field_name("value").and_then(|word| self.expand(&string(word, text), 0));
        let mut cursor = node.walk();
        let items: Vec<Node<'_>> = node.named_children(&mut cursor).filter(|item| item.kind() == "case_item").collect();
        if items.iter().any(|item| item.child_by_field_name("fallthrough").is_some()) {
            return self.forget(node, text);
        }
        // What the items that may be taken leave; nothing is taken if none matches.
        let mut outcomes: Vec<Self> = Vec::new();
        let mut certain = false;
        for item in items {
            let mut cursor = item.walk();
            let patterns: Vec<Node<'_>> = item.children_by_field_name("value", &mut cursor).collect();
            let matches: Vec<Option<bool>> =
                patterns.iter().map(|pattern| self.matches(word.as_deref(), &string(*pattern, text))).collect();
            let matched = if matches.contains(&Some(true)) {
                Some(true)
            } else {
                matches.iter().all(Option::is_some).then_some(false)
            };
            if matched == Some(false) {
                continue;
            }
            let mut taken = self.branch();
            let mut cursor = item.walk();
            for statement in item.named_children(&mut cursor).filter(|child| !patterns.contains(child)) {
                taken.statement(statement, text, depth + 1);
            }
            outcomes.push(taken);
            certain = matched == Some(true);
            if certain {
                break;
            }
        }
        let mut outcomes = outcomes.into_iter();
        if certain && let Some(first) = outcomes.next() {
            *self = first;
        }
        for outcome in outcomes {
            self.merge(&outcome);
        }
    }

    /// Whether a word, if it is known, matches a pattern of `case`; `None` when that is not known.
    fn matches(&mut self, word: Option<&str>, pattern: &str) -> Option<bool> {
        let is_glob = pattern.contains(['*', '?', '[']);
        if pattern == "*" {
            return Some(true);
        }
        if !is_glob {
            return Some(self.expand(pattern, 0)? == word?);
        }
        if pattern.contains(['$', '`', '"', '\'', '\\', '{', '(']) {
            return None;
        }
        let glob = globset::GlobBuilder::new(pattern).literal_separator(false).build().ok()?;
        Some(glob.compile_matcher().is_match(word?))
    }

    /// Whatever is assigned below a statement that is not followed is not known after it.
    fn forget(&mut self, node: Node<'_>, text: &[u8]) {
        for name in assigned_below(node, text) {
            set(&mut self.values, &name, None);
        }
    }

    /// The assignments of `env NAME=VALUE... COMMAND`.
    fn env(&mut self, command: &str) {
        let words = words(command);
        let mut words = words.iter().skip_while(|word| word.as_str() == "exec" || is_assignment(word));
        if !words.next().is_some_and(|word| matches!(word.as_str(), "env" | "/usr/bin/env")) {
            return;
        }
        // The quotes can be around the whole word.
        let words = words.map(|word| word.trim_matches('"'));
        for word in words.take_while(|word| word.starts_with('-') || is_assignment(word)) {
            self.assign_for_command(word);
        }
    }

    fn assignment(&mut self, node: Node<'_>, text: &[u8]) {
        self.assign(&string(node, text));
    }

    fn assign(&mut self, written: &str) {
        let Some((name, value)) = written.split_once('=').filter(|(name, _)| !name.starts_with('-')) else { return };
        let (name, appends) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let value = self.expand_partly(value, 0);
        let before = if appends { self.expand_partly(&format!("${{{name}}}"), 0) } else { Some(String::new()) };
        let value = before.zip(value).map(|(before, value)| before + &value);
        let was_set = self.values.contains_key(name);
        set(&mut self.values, name, value);
        self.assigned(name, was_set);
    }
}

/// The names that are assigned below a node, also by `for` and `cd`.
fn assigned_below(node: Node<'_>, text: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    below(node, |inner| {
        let field = match inner.kind() {
            "variable_assignment" => "name",
            "for_statement" => "variable",
            "command" if matches!(name_of_command(inner, text).as_str(), "cd" | "pushd" | "popd") => {
                names.insert("PWD".to_owned());
                return;
            }
            _ => return,
        };
        names.extend(inner.child_by_field_name(field).map(|name| string(name, text)));
    });
    names
}

/// The name of a command, as it is written.
fn name_of_command(node: Node<'_>, text: &[u8]) -> String {
    node.child_by_field_name("name").map(|name| string(name, text)).unwrap_or_default()
}

/// Whether one of these commands is run below a node.
fn has_command(node: Node<'_>, text: &[u8], names: &[&str]) -> bool {
    let mut found = false;
    below(node, |inner| {
        let name = inner.child_by_field_name("name").filter(|_| inner.kind() == "command");
        found |= name.is_some_and(|name| names.contains(&string(name, text).as_str()));
    });
    found
}

/// Visits a node and all nodes below it.
fn below<'t>(node: Node<'t>, mut visit: impl FnMut(Node<'t>)) {
    let mut cursor = node.walk();
    loop {
        visit(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

/// Whether a word assigns to a variable.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Here;

    impl Files for Here {
        fn exists(&self, path: &str) -> Option<bool> {
            path.starts_with("/opt").then_some(path == "/opt/lib")
        }

        fn content(&self, path: &str) -> Option<Vec<u8>> {
            match path {
                "/opt/a.sh" => Some(b"A=$B/a\nC=c\n".to_vec()),
                "/opt/loop.sh" => Some(b". /opt/loop.sh\n. /opt/loop.sh\nA=x\n".to_vec()),
                _ => None,
            }
        }
    }

    /// The value of A after a script, or what is known of it.
    fn after(script: &str) -> String {
        let mut environment = Environment::default();
        environment.set("HOME_", "/opt/R");
        environment.set("EMPTY", "");
        environment.set_output("uname -m", "x86_64");
        environment.run_among(script.as_bytes(), &Here).expect("parsed");
        match environment.0.get("A") {
            None => "not set".to_owned(),
            Some(None) => "not known".to_owned(),
            Some(Some(value)) => value.clone(),
        }
    }

    #[test]
    fn assignments_run_in_order_with_posix_expansions() {
        for (script, value) in [
            ("A=x\nA=y$A", "yx"),
            (": ${A=${HOME_}/lib}", "/opt/R/lib"),
            (": ${A:=x}\n: ${A:=y}", "x"),
            ("A=${HOME_-x}:${NO-y}:${EMPTY-z}:${EMPTY:-'w v'}", "/opt/R:y::w v"),
            ("A=${NO-${ALSO:-/usr/lib/jvm}}/lib", "/usr/lib/jvm/lib"),
            ("A=\"${NO+x}${HOME_:+y}\"'$Q'", "y$Q"),
            ("export A=1 B=2", "1"),
            ("A=1 exec /opt/R/bin/Rscript x.R", "1"),
            ("A=x; A+=y", "xy"),
            ("if test -n \"\"; then\nA=x\nelse\nA=y\nfi", "y"),
            ("if [ -z \"${NO}\" ]; then A=x; else A=y; fi", "x"),
            ("if [ $HOME_ = /no ]; then A=x; elif test \"$HOME_\" = /opt/R; then A=z; else A=y; fi", "z"),
            ("A=x\nif false; then A=y; fi", "x"),
            ("test -n \"$EMPTY\" || A=y", "y"),
            ("A=x; (A=y); f() { A=z; }", "x"),
            ("A=\\\n/opt/x", "/opt/x"),
            ("exec env -i A=1 B=2 /opt/R/bin/Rscript x.R", "1"),
            ("B=2 env \"A=$HOME_\" x", "/opt/R"),
            ("A=\"$(dirname \"$HOME_\")/lib\"", "/opt/lib"),
            ("A=$(cd \"$(dirname \"$HOME_\")\" >/dev/null 2>&1 && pwd)/lib", "/opt/lib"),
            ("A=$(readlink -f $HOME_)", "/opt/R"),
            ("A=$(dirname \"$(readlink -f -- \"$HOME_\")\")/lib", "/opt/lib"),
            ("A=\"$(cd \"$(dirname \"$HOME_\")/..\"; pwd -P)\"", "/opt/.."),
            ("A=${HOME_%/*}/lib", "/opt/lib"),
            ("for i in 1 2; do A=$A:$i; done", ":1:2"),
            ("D='a b'\nfor i in $D \"c d\" ${EMPTY}; do A=\"$A:$i\"; done", ":a:b:c d"),
            ("for d in lib lib64; do if test -d /opt/$d; then A=$A:/opt/$d; fi; done", ":/opt/lib"),
            ("for i in 1; do for j in 2 3; do A=$A$i$j; done; done", "1213"),
            ("case $HOME_ in /no) A=1;; /opt/*) A=2;; *) A=3;; esac", "2"),
            ("case x in a|x) A=1;; *) A=3;; esac", "1"),
            ("A=0\ncase x in a) A=1;; esac", "0"),
            ("case $(uname -m) in aarch64|arm64) A=arm;; x86_64) A=intel;; esac", "intel"),
            ("case $(some-command) in a) A=1;; *) A=1;; esac", "1"),
            ("case \"$HOME_\" in \"/opt/R\") A=yes;; esac", "yes"),
            ("if test -d /opt/lib; then A=1; else A=2; fi", "1"),
            ("[ -e /opt/no ] || A=y", "y"),
            ("f() { B=1; }\nA=2\nf", "2"),
            ("B=/b\n. /opt/a.sh\nA=$A$C", "/b/ac"),
            ("D=/opt; A=y; source \"$D/a.sh\"", "/a"),
            ("A=y; . /opt/no.sh", "y"),
            ("A=y; while test -n \"${1}\"; do A=$1; shift; done", "y"),
            ("A=`uname -m`", "x86_64"),
        ] {
            assert_eq!(after(script), value, "{script}");
        }
    }

    #[test]
    fn a_file_that_reads_itself_ends() {
        assert_ne!(after(". /opt/loop.sh"), "not set");
    }

    #[test]
    fn loops_in_loops_end() {
        let list = "1 ".repeat(200);
        // What is repeated is long, too.
        let body = "A=1; ".repeat(5000);
        let script = format!("A=0\nfor a in {list}; do for b in {list}; do f() {{ {body} }}; done; A=$b; done");
        assert_eq!(after(&script), "not known");
        let script = format!("for a in {list}; do for b in {list}; do for c in {list}; do A=$c; done; done; done");
        assert_eq!(after(&script), "not known");
    }

    #[test]
    fn what_only_running_tells_is_not_known() {
        for script in [
            "A=$(pwd)",
            "A=$(cd lib && pwd)",
            "A=$(some-command /x)",
            "if test -d /x; then A=1; else A=2; fi",
            "A=0\nif test -d /x; then A=1; fi",
            "for i in *.so; do A=$i; done",
            "for i in $(ls); do A=$i; done",
            "for i; do A=$i; done",
            "for i in 1 2; do A=$i; break; done",
            "for i in 1 2; do while read A; do A=$i; done; done",
            "for ((i = 0; i < 3; i++)); do A=$i; done",
            "case $(some-command) in a) A=1;; esac",
            "A=0\ncase $(some-command) in a) A=1;; *) A=2;; esac",
            "case x in $(some-command)) A=1;; esac",
            "case x in x) A=1;& y) A=2;; esac",
            "f() { A=1; }\nf",
            "A=${NO#x}",
            "test -f x && A=1",
        ] {
            assert_eq!(after(script), "not known", "{script}");
        }
        assert_eq!(after("A=1; unset A"), "not set");
    }
}
