//! Literals: which rules can match a path at all, by a text that each of their globs requires. Most paths have none of them, and one
//! search for all is faster than the globs of each rule.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::rules::PruneRule;
use crate::base::path::TreePath;

/// The texts that rules require.
pub(super) struct Literals {
    texts: RegexSet,
    /// The rule of each text, by its position.
    rules: Vec<usize>,
    /// The rules with a glob that requires none.
    always: Vec<usize>,
}

impl Literals {
    /// Those of rules, by their positions.
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a PruneRule>) -> Self {
        let (mut texts, mut rules, mut always) = (Vec::new(), Vec::new(), Vec::new());
        for (position, rule) in all.enumerate() {
            let required: Option<Vec<String>> = rule.globs.iter().map(|glob| literal(glob)).collect();
            match required {
                Some(required) => {
                    rules.resize(rules.len() + required.len(), position);
                    texts.extend(required.iter().map(|text| regex::escape(text)));
                }
                None => always.push(position),
            }
        }
        if let Ok(texts) = RegexSetBuilder::new(&texts).unicode(false).build() {
            return Self { texts, rules, always };
        }
        // A rule of the user's that is too long for that: every rule is tried.
        always.extend(rules);
        always.sort_unstable();
        always.dedup();
        Self { texts: RegexSet::empty(), rules: Vec::new(), always }
    }

    /// The rules that can match a path, in order.
    pub(super) fn rules(&self, path: &TreePath) -> Vec<usize> {
        let found = self.texts.matches(path.as_bytes());
        let mut rules: Vec<usize> =
            found.iter().map(|text| self.rules[text]).chain(self.always.iter().copied()).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

/// The longest text that whatever a glob matches has in it; `None` if that is not known. What is in braces, also a placeholder, is
/// one of several; a `/` beside `**` can be none.
fn literal(glob: &str) -> Option<String> {
    let (mut runs, mut run, mut open) = (Vec::new(), String::new(), 0_usize);
    for c in glob.chars() {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            '*' | '?' => {}
            // What follows is read by other rules, or is what it would not be elsewhere.
            '[' | '\\' => break,
            c if open == 0 => {
                run.push(c);
                continue;
            }
            _ => continue,
        }
        runs.push(std::mem::take(&mut run));
    }
    runs.push(run);
    let runs = runs.iter().map(|run| run.trim_matches('/'));
    runs.max_by_key(|run| run.len()).filter(|run| !run.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::rules::PruneRules;
    use super::*;

    #[test]
    fn a_text_is_in_whatever_the_glob_matches() {
        for (glob, text) in [
            ("**/node_modules/**/*.d.{ts,mts}", Some("node_modules")),
            ("{library}/*/help/{AnIndex,*.rdb}", Some("help")),
            ("{r_home}/share/make/*.mk", Some("share/make")),
            ("**/lib*.so", Some(".so")),
            ("a/**/b", Some("b")),
            ("**/*~", Some("~")),
            ("bin/[ab]/longer", Some("bin")),
            ("bin/\\*/longer", Some("bin")),
            ("{a,b{c,d}}/**", None),
            ("*", None),
        ] {
            assert_eq!(literal(glob).as_deref(), text, "{glob}");
        }
    }

    #[test]
    fn each_rule_can_match_its_examples() {
        let rules = PruneRules::load(&[]).expect("built in");
        let all: Vec<&PruneRule> = rules.iter().map(|(rule, _)| rule).collect();
        let literals = Literals::of(all.iter().copied());
        for (position, rule) in all.iter().enumerate() {
            for path in &rule.drops {
                let path = TreePath::new(path).expect("inside");
                assert!(literals.rules(&path).contains(&position), "{} {path}", rule.code);
            }
        }
        let nothing = literals.rules(&TreePath::new("a/b").expect("inside"));
        assert!(nothing.len() < all.len() / 8, "{nothing:?}");
    }
}
