//! Prune rules: which files can be dropped, why that is safe, and what it breaks.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use globset::{Candidate, GlobSet};
use regex::Regex;
use serde::Deserialize;

use super::content::{Content, Prefixes};
use crate::base::error::{Error, Result};
use crate::base::globs;
use crate::base::path::TreePath;
use crate::base::read;
use crate::base::toml::{built_in, from_toml};
use crate::languages::{ALL, Roots};
use crate::tree::{EntryId, Tree};

/// The rule files that belong to no language.
const BUILT_IN: &[(&str, &str)] = &[
    ("rules/prune/system-docs.toml", include_str!("../../rules/prune/system-docs.toml")),
    ("rules/prune/development.toml", include_str!("../../rules/prune/development.toml")),
    ("rules/prune/foreign.toml", include_str!("../../rules/prune/foreign.toml")),
    ("rules/prune/optional.toml", include_str!("../../rules/prune/optional.toml")),
    ("rules/prune/libraries.toml", include_str!("../../rules/prune/libraries.toml")),
];

/// Whether a rule is on by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// On by default.
    Safe,
    /// Off by default: some functions need what it drops.
    Extra,
    /// Cannot be turned on or off: it stands for an option of the command line.
    #[serde(skip)]
    Requested,
}

/// What a rule can require of a file in addition to its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It is a library that nothing kept loads.
    Unloaded,
    /// It is data for something that the sources given with `--handler` do not name.
    Unnamed,
    /// No process of its language can use it in a layer. Such processes may open it to find that out, so that a run has opened it
    /// means nothing.
    NeverUsed,
}

/// A rule as written, with the reasons and examples that every rule must have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneRule {
    /// Its stable code: `D101`.
    pub code: String,
    /// Its short name.
    pub name: String,
    /// What the files are.
    pub what: String,
    /// Why a function does not need them.
    pub why_safe: String,
    /// What stops working.
    pub breaks: String,
    /// Whether it is on by default.
    pub level: Level,
    /// Globs of what it drops. `{NAME}` stands for every directory that a language gives that name, such as `{library}`
    /// or `{r_home}`.
    #[serde(rename = "match")]
    pub globs: Vec<String>,
    /// Globs of what it does not drop.
    #[serde(default)]
    pub unless: Vec<String>,
    /// A regular expression that a path must match as well; empty when unused.
    #[serde(default)]
    pub pattern: String,
    /// What a file must be, one of these; empty when its path alone decides.
    #[serde(default)]
    pub content: Vec<Content>,
    /// Whether the `share` directory that a file is in must be that of an installation prefix, as `share` at the root, and
    /// not one of an application or of a package of an interpreted language.
    #[serde(default)]
    pub share_of_prefix: bool,
    /// What a file must satisfy in addition to its path.
    #[serde(default)]
    pub only: Option<Condition>,
    /// Paths it must drop, given that the files are what `content` requires: tried when the rule is loaded.
    pub drops: Vec<String>,
    /// Similar paths that it must not drop, whatever the files are: tried as well.
    pub keeps: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    rule: Vec<PruneRule>,
}

/// What is dropped on request, described as a rule for the report and its page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestedRule {
    code: String,
    name: String,
    what: String,
    why_safe: String,
    breaks: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestedFile {
    rule: [RequestedRule; 3],
}

/// The rules that stand for `--drop` and `--handler` in reports: what `--drop` names, what goes because nothing else needs
/// it, and what no handler uses.
pub fn requested_rules() -> &'static [PruneRule; 3] {
    static RULES: LazyLock<[PruneRule; 3]> = LazyLock::new(|| {
        let file: RequestedFile = built_in("rules/requested.toml", include_str!("../../rules/requested.toml"));
        file.rule.map(|rule| PruneRule {
            code: rule.code,
            name: rule.name,
            what: rule.what,
            why_safe: rule.why_safe,
            breaks: rule.breaks,
            level: Level::Requested,
            globs: Vec::new(),
            unless: Vec::new(),
            pattern: String::new(),
            content: Vec::new(),
            share_of_prefix: false,
            only: None,
            drops: Vec::new(),
            keeps: Vec::new(),
        })
    });
    &RULES
}

/// Rules in the order of their codes, each on or off.
#[derive(Debug, Clone)]
pub struct PruneRules {
    rules: Vec<(PruneRule, bool)>,
    /// The codes of those that were turned off by name.
    refused: BTreeSet<String>,
}

impl PruneRules {
    /// The built-in rules and those in `files`; the safe ones are on.
    ///
    /// # Errors
    /// When a file cannot be read, is not a rule file, or repeats a code or a name.
    pub fn load(files: &[std::path::PathBuf]) -> Result<Self> {
        let mut rules = Self { rules: Vec::new(), refused: BTreeSet::new() };
        let of_languages = ALL.iter().flat_map(|language| language.rules());
        for (file, text) in BUILT_IN.iter().chain(of_languages) {
            rules.add(file, text)?;
        }
        for path in files {
            let text = read::text(path, read::MAX_TEXT)?;
            rules.add(&path.display().to_string(), &text)?;
        }
        Ok(rules)
    }

    /// The rules of one text alone; `file` names it in messages.
    ///
    /// # Errors
    /// When the text is not a rule file, or repeats a code or a name.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let mut rules = Self { rules: Vec::new(), refused: BTreeSet::new() };
        rules.add(file, text)?;
        Ok(rules)
    }

    fn add(&mut self, file: &str, text: &str) -> Result<()> {
        for rule in from_toml::<RuleFile>(file, text)?.rule {
            check(file, &rule)?;
            let mut known = self.rules.iter().map(|(rule, _)| rule).chain(requested_rules());
            if let Some(old) = known.find(|old| old.code == rule.code || old.name == rule.name) {
                return Err(wrong(file, &rule, &format!("there is already a rule {} ({})", old.code, old.name)));
            }
            let on = rule.level == Level::Safe;
            self.rules.push((rule, on));
        }
        self.rules.sort_by(|(a, _), (b, _)| a.code.cmp(&b.code));
        Ok(())
    }

    /// Every rule, and whether it is on, in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = (&PruneRule, bool)> {
        self.rules.iter().map(|(rule, on)| (rule, *on))
    }

    /// Turns the rule with this code or name on or off; returns whether there is one.
    pub fn set(&mut self, code_or_name: &str, on: bool) -> bool {
        let Some((rule, state)) =
            self.rules.iter_mut().find(|(rule, _)| rule.code == code_or_name || rule.name == code_or_name)
        else {
            return false;
        };
        *state = on;
        if on {
            self.refused.remove(&rule.code);
        } else {
            self.refused.insert(rule.code.clone());
        }
        true
    }

    /// Whether a rule was turned off by its code or name, so that it is not to be suggested.
    pub fn is_refused(&self, rule: &PruneRule) -> bool {
        self.refused.contains(&rule.code)
    }

    /// Turns every rule of a level on or off.
    pub fn set_level(&mut self, level: Level, on: bool) {
        for (rule, state) in &mut self.rules {
            if rule.level == level {
                *state = on;
            }
        }
    }

    /// All rules, compiled for a tree with these roots, and which of them are on.
    ///
    /// # Errors
    /// When a glob or pattern cannot be compiled.
    pub fn compile(&self, roots: &Roots) -> Result<CompiledRules> {
        let rules: Vec<CompiledRule> =
            self.rules.iter().map(|(rule, _)| CompiledRule::new(rule, roots)).collect::<Result<_>>()?;
        Ok(CompiledRules { rules: rules.into(), on: self.rules.iter().map(|(_, on)| *on).collect() })
    }
}

/// Rules compiled for one tree, in the order of their codes, each on or off. Cloning does not compile them again.
#[derive(Clone)]
pub struct CompiledRules {
    rules: Arc<[CompiledRule]>,
    on: Vec<bool>,
}

impl CompiledRules {
    /// Every rule, and whether it is on, in the order of their positions.
    pub fn all(&self) -> impl Iterator<Item = (&CompiledRule, bool)> {
        self.rules.iter().zip(self.on.iter().copied())
    }

    /// The rules that are on.
    pub fn on(&self) -> impl Iterator<Item = &CompiledRule> {
        self.rules.iter().zip(&self.on).filter(|(_, on)| **on).map(|(rule, _)| rule)
    }
}

/// A path as globs match it.
pub(super) fn candidate(path: &TreePath) -> Candidate<'_> {
    Candidate::new(path.as_path())
}

/// A rule with its globs and pattern compiled for a tree.
pub struct CompiledRule {
    /// The rule as written.
    pub rule: PruneRule,
    globs: GlobSet,
    unless: GlobSet,
    pattern: Option<Regex>,
}

impl CompiledRule {
    fn new(rule: &PruneRule, roots: &Roots) -> Result<Self> {
        let bad = |error: &dyn std::fmt::Display| wrong("rules", rule, &error.to_string());
        Ok(Self {
            globs: compile_globs(&rule.globs, roots).map_err(|e| bad(&e))?,
            unless: compile_globs(&rule.unless, roots).map_err(|e| bad(&e))?,
            pattern: match rule.pattern.as_str() {
                "" => None,
                pattern => Some(Regex::new(pattern).map_err(|e| bad(&e))?),
            },
            rule: rule.clone(),
        })
    }

    /// Whether the rule could drop a file or link at this path, depending on what it is.
    pub fn could_drop(&self, path: &TreePath) -> bool {
        self.could_drop_candidate(path, &candidate(path))
    }

    /// The same of a path that is ready to be matched: what that takes is done once for all rules.
    fn could_drop_candidate(&self, path: &TreePath, candidate: &Candidate<'_>) -> bool {
        self.globs.is_match_candidate(candidate)
            && !self.unless.is_match_candidate(candidate)
            && self.pattern.as_ref().is_none_or(|pattern| path.as_str().is_some_and(|text| pattern.is_match(text)))
            && (self.rule.content.is_empty() || self.rule.content.iter().any(|content| content.fits_name(path)))
            && (!self.rule.share_of_prefix || Prefixes::could_contain(path))
    }

    /// Whether the rule would drop this file or link. Its content is only examined if its path could be one that is dropped.
    pub(super) fn drops(&self, tree: &Tree, prefixes: &Prefixes, id: EntryId, candidate: &Candidate<'_>) -> bool {
        let path = tree.path(id);
        let is_of = |content: &Content| content.fits_name(path) && content.is_in(tree, id);
        self.could_drop_candidate(path, candidate)
            && (!self.rule.share_of_prefix || prefixes.contain(path))
            && (self.rule.content.is_empty() || self.rule.content.iter().any(is_of))
    }
}

/// Compiles globs after replacing each placeholder by its roots. A glob whose placeholder has no roots matches nothing.
fn compile_globs(globs: &[String], roots: &Roots) -> std::result::Result<GlobSet, globs::GlobError> {
    let mut all = Vec::new();
    for glob in globs {
        let mut expanded = vec![glob.clone()];
        for (placeholder, paths) in roots.iter().filter(|(placeholder, _)| glob.contains(placeholder)) {
            let put = |glob: &String, path: &str| match path {
                // An installation can be the root itself.
                "" => glob.replace(&format!("{placeholder}/"), ""),
                path => glob.replace(placeholder, &globset::escape(path)),
            };
            let each = |glob: &String| paths.iter().filter_map(|path| Some(put(glob, path.as_str()?))).collect();
            expanded = expanded.iter().flat_map::<Vec<String>, _>(each).collect();
        }
        all.extend(expanded);
    }
    globs::set(&all)
}

fn check(file: &str, rule: &PruneRule) -> Result<()> {
    for (field, empty) in [
        ("code", rule.code.is_empty()),
        ("name", rule.name.is_empty()),
        ("what", rule.what.is_empty()),
        ("why_safe", rule.why_safe.is_empty()),
        ("breaks", rule.breaks.is_empty()),
        ("match", rule.globs.is_empty()),
        ("drops", rule.drops.is_empty()),
        ("keeps", rule.keeps.is_empty()),
    ] {
        if empty {
            return Err(wrong(file, rule, &format!("\"{field}\" is empty: a rule needs its reasons and examples")));
        }
    }
    // Globs and examples are tried now: a rule that contradicts its examples is never applied to a tree.
    let example =
        |path: &str| TreePath::new(path).ok_or_else(|| wrong(file, rule, &format!("{path:?} leaves the tree")));
    let roots = ALL.iter().fold(Roots::default(), |roots, language| roots.with(&language.example_roots()));
    let compiled = CompiledRule::new(rule, &roots)?;
    for path in &rule.drops {
        if !compiled.could_drop(&example(path)?) {
            return Err(wrong(file, rule, &format!("it does not drop its own example {path:?}")));
        }
    }
    for path in &rule.keeps {
        if compiled.could_drop(&example(path)?) {
            return Err(wrong(
                file,
                rule,
                &format!("it drops {path:?}, which is one of its examples of what it keeps"),
            ));
        }
    }
    Ok(())
}

fn wrong(file: &str, rule: &PruneRule, message: &str) -> Error {
    Error::Data {
        file: file.to_owned(),
        message: format!("rule {} ({}): {message}", rule.code, rule.name),
        help: "correct the rule; `layerfit rules CODE` shows a built-in one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"
        [[rule]]
        code = "X1"
        name = "notes"
        what = "notes"
        why_safe = "unused at run time"
        breaks = "nothing known"
        level = "safe"
        match = ["{library}/*/notes/**", "**/*.note"]
        unless = ["**/keep.note"]
        drops = ["R/lib64/R/library/stats/notes/a"]
        keeps = ["R/lib64/R/library/notes/R/notes.rdb"]
    "#;

    fn load(text: &str) -> Result<PruneRules> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        PruneRules::load(&[file.path().to_owned()])
    }

    #[test]
    fn every_built_in_rule_agrees_with_its_examples() {
        // Loading tries every example; this test gives a failure a name.
        let rules = PruneRules::load(&[]).expect("the built-in rules hold");
        for (rule, _) in rules.iter() {
            // A narrow terminal shows the first clause alone, which must not deny what follows it.
            assert!(!rule.breaks.starts_with("nothing;") && !rule.breaks.starts_with("nothing:"), "{}", rule.code);
        }
        assert!(rules.iter().count() > 20);
    }

    #[test]
    fn placeholders_stand_for_every_library_and_escape_its_name() {
        let rules = load(RULE).expect("a rule");
        let path = |text: &str| TreePath::new(text).expect("a path");
        let mut roots = Roots::default();
        roots.add("{library}", [path("a[b]/library"), path("site")]);
        let compiled = rules.compile(&roots).expect("compiles");
        let rule = compiled.on().find(|c| c.rule.code == "X1").expect("there");
        assert!(rule.could_drop(&path("a[b]/library/x/notes/deep/er")));
        assert!(rule.could_drop(&path("site/x/notes/a")));
        assert!(!rule.could_drop(&path("ab/library/x/notes/a")));
        assert!(rule.could_drop(&path("any/where.note")) && !rule.could_drop(&path("any/keep.note")));
    }

    #[test]
    fn a_rule_without_reasons_or_that_fails_its_examples_is_refused() {
        for (from, to, expected) in [
            ("unused at run time", "", "why_safe"),
            ("stats/notes/a", "stats/R/a", "its own example"),
            ("notes/R/notes.rdb", "a/notes/b", "examples of what it keeps"),
            ("level", "leevl", "leevl"),
            ("**/*.note", "[", "rule X1"),
        ] {
            let error = load(&RULE.replace(from, to)).expect_err(expected).to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
