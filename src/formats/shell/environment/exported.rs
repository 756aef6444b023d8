//! Which variables a script passes on to what it runs: those that it was started with, and those that it exports (POSIX 2.5.3,
//! `export` and `set -a`).

use std::collections::BTreeMap;

use tree_sitter::Node;

use super::super::syntax::string;
use super::{Environment, Run, partly};

/// The name under which it is kept whether all variables are exported that are assigned (`set -a`).
const ALL: &str = ":set -a";

/// What is kept under [`kept_back`] of a variable that is exported before it has a value.
const EXPORTED: &str = "exported";

/// The name under which it is kept that a variable is not exported, or, without a value, that this is not known; with the colon,
/// it is not that of a variable.
pub(super) fn kept_back(name: &str) -> String {
    format!(":own {name}")
}

impl Environment {
    /// What a process has that a script with these variables starts: a variable of the script's own is not in it, and one that may
    /// be exported has a value that is not known.
    #[must_use]
    pub fn passed_on(&self) -> Self {
        let mut passed = self.clone();
        for (name, value) in &self.0 {
            let Some(variable) = name.strip_prefix(&kept_back("")) else { continue };
            passed.0.remove(name);
            passed.0.remove(&partly(variable));
            match value.as_deref() {
                Some(EXPORTED) => {}
                Some(_) => {
                    passed.0.remove(variable);
                }
                None => {
                    passed.0.insert(variable.to_owned(), None);
                }
            }
        }
        passed.0.remove(ALL);
        passed
    }
}

impl Run<'_> {
    /// Records that a script assigns to a variable: it is the script's own if the script was not started with it.
    pub(super) fn assigned(&mut self, name: &str, was_set: bool) {
        let all = self.values.get(ALL).cloned();
        match (was_set, all) {
            (_, Some(Some(_))) => self.export(name, true),
            (true, _) => {}
            (false, _) if self.values.contains_key(&kept_back(name)) => {}
            (false, Some(None)) => {
                self.values.insert(kept_back(name), None);
            }
            (false, None) => self.export(name, false),
        }
    }

    fn export(&mut self, name: &str, exports: bool) {
        if exports && self.values.contains_key(name) {
            self.values.remove(&kept_back(name));
        } else if exports {
            self.values.insert(kept_back(name), Some(EXPORTED.to_owned()));
        } else {
            self.values.insert(kept_back(name), Some(String::new()));
        }
    }

    /// `export NAME=VALUE`, `export NAME`, `export -n NAME`, `declare -x NAME`.
    pub(super) fn declares(&mut self, node: Node<'_>, text: &[u8]) {
        let command = node.child(0).map(|word| string(word, text)).unwrap_or_default();
        let mut cursor = node.walk();
        let words: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        let has = |letter: char| {
            let written = words.iter().map(|word| string(*word, text));
            written.into_iter().any(|word| word.starts_with('-') && word.contains(letter))
        };
        let exports = match command.as_str() {
            "export" => Some(!has('n')),
            "declare" | "typeset" | "local" | "readonly" => has('x').then_some(true),
            _ => None,
        };
        let names = words.into_iter().filter_map(|word| match word.kind() {
            "variable_assignment" => word.child_by_field_name("name"),
            "variable_name" => Some(word),
            _ => None,
        });
        for name in names.map(|name| string(name, text)).collect::<Vec<_>>() {
            if let Some(exports) = exports {
                self.export(&name, exports);
            }
        }
    }

    /// `set -a`, `set -o allexport` and their opposites.
    pub(super) fn sets(&mut self, words: &[String]) {
        for (at, word) in words.iter().enumerate().skip(1) {
            let on = word.starts_with('-');
            if word == "--" || !(on || word.starts_with('+')) {
                break;
            }
            let long = word[1..].contains('o') && words.get(at + 1).is_some_and(|next| next == "allexport");
            if word[1..].contains('a') || long {
                if on {
                    self.values.insert(ALL.to_owned(), Some(String::new()));
                } else {
                    self.values.remove(ALL);
                }
            }
        }
    }

    /// `cd DIRECTORY`: where commands with relative paths are looked for after it.
    pub(super) fn changes_directory(&mut self, words: &[String]) {
        let mut named = words.iter().skip(1).filter(|word| !matches!(word.as_str(), "--" | "-P" | "-L" | "-e"));
        let (first, more) = (named.next().cloned(), named.next());
        let path = first.filter(|path| more.is_none() && path != "-").and_then(|path| self.expand(&path, 0));
        let before = self.values.get("PWD").cloned().flatten();
        let now = path.and_then(|path| {
            if path.starts_with('/') { Some(path) } else { before.map(|before| format!("{before}/{path}")) }
        });
        self.values.insert("PWD".to_owned(), now.map(|path| path.trim_end_matches('/').to_owned()));
    }
}

/// Removes a variable, and what is known of it.
pub(super) fn remove(values: &mut BTreeMap<String, Option<String>>, name: &str) {
    values.remove(name);
    values.remove(&partly(name));
    values.remove(&kept_back(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of A that a process has which a script starts at its end.
    fn passed_on(script: &str) -> String {
        let mut environment = Environment::default();
        environment.set("SET", "x");
        environment.run(script.as_bytes()).expect("parsed");
        match environment.passed_on().0.get("A") {
            None => "not set".to_owned(),
            Some(None) => "not known".to_owned(),
            Some(Some(value)) => value.clone(),
        }
    }

    #[test]
    fn a_process_has_what_its_script_was_started_with_or_exports() {
        for (script, value) in [
            ("A=1", "not set"),
            ("export A=1", "1"),
            ("A=1\nexport A", "1"),
            ("export A\nA=1", "1"),
            ("A=1 x", "1"),
            ("A=0\nA=1 x", "1"),
            ("A=1 x\ny", "not set"),
            ("A=0\nA=1 x\ny", "not set"),
            ("export A=0\nA=1 x\ny", "0"),
            ("env A=1 x", "1"),
            ("set -a\nA=1", "1"),
            ("set -ae; A=1", "1"),
            ("set -o allexport\nA=1\nset +o allexport\nB=1", "1"),
            ("set -a\nset +a\nA=1", "not set"),
            ("set -eu\nA=1", "not set"),
            (": ${A:=1}", "not set"),
            (": ${A:=1}\nexport A", "1"),
            ("export A=1\nunset A\nA=2", "not set"),
            ("export A=1\nexport -n A", "not set"),
            ("declare -x A=1", "1"),
            ("declare A=1", "not set"),
            ("readonly A=1", "not set"),
            ("A=1\nif x; then export A; fi", "not known"),
            ("f() { export A=1; }\nf", "not known"),
            ("A=$(x)\nexport A", "not known"),
            ("A=$(x)", "not set"),
        ] {
            assert_eq!(passed_on(script), value, "{script}");
        }
        // What it was started with stays exported.
        let mut environment = Environment::default();
        environment.set("A", "x");
        environment.run(b"A=1:$A\nB=2").expect("parsed");
        let passed = environment.passed_on();
        assert_eq!((passed.get("A"), passed.get("B")), (Some("1:x"), None));
        assert!(passed.known().eq([("A", "1:x")]));
    }

    #[test]
    fn the_working_directory_is_followed() {
        for (script, directory) in [
            ("cd /opt/R/bin", Some("/opt/R/bin")),
            ("cd /opt/R\ncd bin/", Some("/opt/R/bin")),
            // Whether the first fails is not known.
            ("cd /opt/R && cd bin", None),
            ("D=/opt\ncd -P \"$D/x\"", Some("/opt/x")),
            ("cd \"$(x)\"", None),
            ("cd /opt\ncd -", None),
            ("f() { cd /tmp; }\nf", None),
            ("(cd /opt)", Some("/var/task")),
        ] {
            let mut environment = Environment::default();
            environment.set("PWD", "/var/task");
            environment.run(script.as_bytes()).expect("parsed");
            assert_eq!(environment.get("PWD"), directory, "{script}");
        }
    }
}
