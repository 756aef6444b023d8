//! What the code of installed packages calls by name, beyond what the packages require.

use std::collections::{BTreeMap, BTreeSet};

/// What the code of a package calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// The packages that it calls, each with the functions that do.
    pub callers: BTreeMap<String, BTreeSet<String>>,
    /// The packages that it uses when it is loaded, each with whether that fails without. Not those that it works without.
    pub at_load: BTreeMap<String, bool>,
    /// The packages that it uses when it is attached, as `at_load`.
    pub at_attach: BTreeMap<String, bool>,
    /// The functions of the same package that each of its functions mentions, or dispatches to.
    pub mentions: BTreeMap<String, BTreeSet<String>>,
}

impl Calls {
    /// The functions that these names of functions lead to, themselves included.
    pub fn reached<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut queue: Vec<&str> = names.into_iter().collect();
        while let Some(name) = queue.pop() {
            if reached.insert(name) {
                queue.extend(self.mentions.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_lead_to_those_that_they_mention_and_circles_end() {
        let mentions = [("a", vec!["b"]), ("b", vec!["c", "a"]), ("d", vec!["a"])];
        let mentions = mentions.map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()));
        let calls = Calls { mentions: mentions.into(), ..Calls::default() };
        assert_eq!(calls.reached(["a", "x"]).into_iter().collect::<Vec<_>>(), ["a", "b", "c", "x"]);
    }
}
