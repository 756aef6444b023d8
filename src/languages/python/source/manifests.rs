//! Files in which a function declares the distributions that it requires: requirements.txt, pyproject.toml, Pipfile and its
//! lock. Only what the function itself requires counts: no groups for development, no extras of the project.

use std::path::Path;

use serde_json::Value as Json;
use toml::Value;

use super::DISTRIBUTION;
use crate::languages::python::markers::{Declared, Environments, Holds};
use crate::languages::{Follow, Followed, From, Source, Use};

/// How many lines of one file are read: a real one has some hundred.
const MAX_LINES: usize = 5_000;

/// Whether a name is that of such a file.
pub(super) fn is_name(name: &str) -> bool {
    matches!(name, "requirements.txt" | "pyproject.toml" | "Pipfile" | "Pipfile.lock")
}

/// What such a file declares; `None` when it is another file. One that is damaged declares nothing: what installs it tells.
pub(super) fn read(name: &str, bytes: &[u8]) -> Option<Result<Source, String>> {
    let text = String::from_utf8_lossy(bytes);
    let mut declared = Declarations { text: &text, source: Source::default(), environments: Environments::new(None) };
    match name {
        "pyproject.toml" => declared.pyproject(),
        "Pipfile" => declared.pipfile(),
        "Pipfile.lock" => declared.lock(),
        name if Path::new(name).extension().is_some_and(|extension| extension == "txt") => declared.requirements(),
        _ => return None,
    }
    let mut source = declared.source;
    source.only_declares = true;
    source.tidy();
    Some(Ok(source))
}

struct Declarations<'t> {
    text: &'t str,
    source: Source,
    environments: Environments,
}

impl Declarations<'_> {
    /// Adds a requirement as PEP 508 writes it.
    fn add(&mut self, line: usize, requirement: &str) {
        let Some(declared) = Declared::parse(requirement) else { return };
        if declared.holds(&self.environments, &[]) == Holds::Never {
            return;
        }
        let extras: Vec<String> = declared.extras().iter().map(ToString::to_string).collect();
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        let package = format!("{DISTRIBUTION}{}{extras}", declared.name);
        self.source.uses.push(Use { line, package, optional: true, continues: true, attaches: false });
    }

    /// The first line that has a text, from 1; the first of all where none has.
    fn line_of(&self, text: &str) -> usize {
        self.text.find(text).map_or(1, |at| 1 + self.text[..at].matches('\n').count())
    }

    /// The first line that begins with a key of a table.
    fn line_of_key(&self, name: &str) -> usize {
        let has = |line: &str| {
            let rest = line.trim_start().trim_start_matches('"').strip_prefix(name);
            rest.is_some_and(|rest| rest.trim_start_matches('"').trim_start().starts_with(['=', '.']))
        };
        self.text.lines().position(has).map_or(1, |at| at + 1)
    }

    /// pip's format: a requirement a line, which `\` continues, or an option.
    fn requirements(&mut self) {
        let mut whole = String::new();
        let text = self.text;
        for (at, line) in text.lines().take(MAX_LINES).enumerate() {
            // `#` begins a comment after white space, and is a part of a URL otherwise.
            let line = if line.trim_start().starts_with('#') { "" } else { line };
            let line = line.split(" #").next().unwrap_or(line);
            if let Some(line) = line.strip_suffix('\\') {
                whole.push_str(line);
                continue;
            }
            whole.push_str(line);
            let requirement = std::mem::take(&mut whole);
            let requirement = requirement.trim();
            let other = ["--requirement", "-r"].iter().find_map(|option| requirement.strip_prefix(option));
            if let Some(path) = other.map(|path| path.trim_start_matches('=').trim()).filter(|it| !it.is_empty()) {
                self.source.follows.push(Follow {
                    line: at + 1,
                    paths: vec![path.to_owned()],
                    endings: &[""],
                    from: From::Source,
                    followed: Followed::ByName,
                    optional: true,
                    otherwise: None,
                });
            } else if !requirement.starts_with('-') {
                // Options can follow: `a==1 --hash=sha256:...`.
                self.add(at + 1, requirement.split(" --").next().unwrap_or_default());
            }
        }
    }

    /// The dependencies of a project (PEP 621), and those of Poetry before its version 2.
    fn pyproject(&mut self) {
        let Ok(project) = self.text.parse::<toml::Table>() else { return };
        let of = |table: Option<&Value>, key: &str| table.and_then(|table| table.get(key)).cloned();
        let listed = of(project.get("project"), "dependencies");
        for requirement in listed.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str) {
            self.add(self.line_of(requirement), requirement);
        }
        let poetry = of(of(project.get("tool"), "poetry").as_ref(), "dependencies");
        self.table(poetry.as_ref());
    }

    fn pipfile(&mut self) {
        let Ok(file) = self.text.parse::<toml::Table>() else { return };
        self.table(file.get("packages"));
    }

    /// Requirements as the keys of a table, each with its versions, or with a table of those and of extras.
    fn table(&mut self, table: Option<&Value>) {
        for (name, value) in table.and_then(Value::as_table).into_iter().flatten().take(MAX_LINES) {
            let is_optional = value.get("optional").and_then(Value::as_bool) == Some(true);
            if name == "python" || is_optional {
                continue;
            }
            let extras: Vec<&str> =
                value.get("extras").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let marker = value.get("markers").and_then(Value::as_str).map_or(String::new(), |it| format!("; {it}"));
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            self.add(self.line_of_key(name), &format!("{name}{extras}{marker}"));
        }
    }

    fn lock(&mut self) {
        let Ok(lock) = serde_json::from_str::<Json>(self.text) else { return };
        for (name, locked) in lock["default"].as_object().into_iter().flatten().take(MAX_LINES) {
            let marker = locked["markers"].as_str().map_or(String::new(), |marker| format!("; {marker}"));
            self.add(self.line_of(&format!("\"{name}\"")), &format!("{name}{marker}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str, text: &str) -> Vec<String> {
        let source = read(name, text.as_bytes()).expect("one").expect("read");
        source.uses.into_iter().map(|it| format!("{}:{}", it.line, it.package)).collect()
    }

    #[test]
    fn what_a_function_declares_is_read_without_what_is_for_its_development() {
        let text = "# b\n--index-url https://x/y\nA_b[C,d]==1.0 \\\n  --hash=sha256:00\n-e ./own\nb>1 # why\n\
                    c; sys_platform == 'win32'\nd @ https://x/d.whl\n";
        assert_eq!(declared("requirements.txt", text), ["4:dist:a-b[c,d]", "6:dist:b", "8:dist:d"]);
        let other = read("requirements.txt", b"-r base.txt\n").expect("one").expect("read");
        assert_eq!(other.follows[0].paths, ["base.txt"]);
        assert_eq!(declared("base.txt", "a"), ["1:dist:a"]);
        let text = "[project]\nname = \"x\"\ndependencies = [\n  \"a>1\",\n]\n[project.optional-dependencies]\nt = [\"t\"]\n\
                    [dependency-groups]\ndev = [\"v\"]\n[tool.poetry.dependencies]\npython = \"^3.9\"\n\
                    p = {version = \"1\", extras = [\"e\"]}\no = {version = \"1\", optional = true}\n";
        assert_eq!(declared("pyproject.toml", text), ["4:dist:a", "12:dist:p[e]"]);
        assert_eq!(declared("Pipfile", "[packages]\na = \"*\"\n[dev-packages]\nb = \"*\"\n"), ["2:dist:a"]);
        let lock = "{\"default\": {\n\"a\": {},\n\"w\": {\"markers\": \"os_name == 'nt'\"}}, \"develop\": {\"b\": {}}}";
        assert_eq!(declared("Pipfile.lock", lock), ["2:dist:a"]);
        assert_eq!(declared("pyproject.toml", "]["), [""; 0]);
    }
}
