//! What libraries, programs and packages open besides libraries: the data of `rules/data/`, with its patterns compiled.

use std::sync::LazyLock;

use globset::{GlobMatcher, GlobSet};
use regex::Regex;
use serde::Deserialize;

use crate::base::toml::{built_in, built_in_globs, built_in_matcher, built_in_pattern};

/// The files of the catalogue.
const FILES: &[(&str, &str)] = &[
    ("rules/data/certificates.toml", include_str!("../../../rules/data/certificates.toml")),
    ("rules/data/databases.toml", include_str!("../../../rules/data/databases.toml")),
    ("rules/data/documents.toml", include_str!("../../../rules/data/documents.toml")),
    ("rules/data/maps.toml", include_str!("../../../rules/data/maps.toml")),
    ("rules/data/runtimes.toml", include_str!("../../../rules/data/runtimes.toml")),
    ("rules/data/text.toml", include_str!("../../../rules/data/text.toml")),
    ("rules/data/references.toml", include_str!("../../../rules/data/references.toml")),
];

/// Everything in `rules/data/`.
pub(super) struct Catalogue {
    pub(super) needs: Vec<CompiledNeed>,
    pub(super) settings: Vec<CompiledSetting>,
    pub(super) references: Vec<CompiledReference>,
    pub(super) parts: Vec<Part>,
}

/// A file of `rules/data/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataFile {
    #[serde(default)]
    need: Vec<Need>,
    #[serde(default)]
    setting: Vec<Setting>,
    #[serde(default)]
    reference: Vec<Reference>,
    #[serde(default)]
    part: Vec<Part>,
}

/// Data that something opens, and where it looks for it. Places are tried in the order variables, `beside`, `compiled`, `usual`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Need {
    /// A short name, unique in the catalogue.
    pub(super) name: String,
    /// What it is, as the object of "opens".
    pub(super) what: String,
    /// Globs of the file names or sonames of the libraries and programs that open it; with a slash, of their paths.
    #[serde(default)]
    pub(super) by: Vec<String>,
    /// Globs of paths where wheels have it that contain a copy of the library: the package's code passes them on. With them, such
    /// a copy, whose name has a hash in it, opens it too.
    #[serde(default)]
    pub(super) in_wheels: Vec<String>,
    /// The packages that open it: `cran/curl`, as in a Package URL.
    #[serde(default)]
    pub(super) packages: Vec<String>,
    /// Which versions open it, of these packages and of those whose file `by` names: `< 5.2.0`, as the language writes it.
    #[serde(default)]
    pub(super) versions: Option<String>,
    /// Whether every language that is installed opens it.
    #[serde(default)]
    pub(super) languages: bool,
    /// The programs that open it where no language is installed that does.
    #[serde(default)]
    pub(super) programs: Option<Programs>,
    /// The libraries in which the path is compiled, when it is not the one that opens it: those that it loads directly.
    #[serde(default)]
    pub(super) through: Vec<String>,
    /// The functions of it that open it: without a file of the tree that imports one of them, it is not opened.
    #[serde(default)]
    pub(super) when_called: Vec<String>,
    /// Symbols of which its file defines one in a build that has the data built in, and so does not open it.
    #[serde(default)]
    pub(super) built_in_with: Vec<String>,
    /// The variables with any of which it is not opened.
    #[serde(default)]
    pub(super) unless_set: Vec<String>,
    /// The variables that name the place, in the order in which they are read; also options of a language (`options(NAME)`).
    #[serde(default)]
    pub(super) variables: Vec<Variable>,
    /// Places relative to the directory of the library or program, or to that of the package.
    #[serde(default)]
    pub(super) beside: Vec<String>,
    /// A pattern of the compiled-in paths that are such a place; of a package, those that its code has as literal strings.
    #[serde(default)]
    pub(super) compiled: Option<String>,
    /// Places that every build tries, although its strings do not contain them.
    #[serde(default)]
    pub(super) usual: Vec<String>,
    /// The need whose file, if it is found in the tree, lists the places before the usual ones; and a pattern of them.
    #[serde(default)]
    pub(super) listed_in: Option<String>,
    #[serde(default)]
    pub(super) listed: Option<String>,
    /// What a place must have; if empty, a place is the file itself.
    #[serde(default)]
    pub(super) files: Vec<String>,
    /// Whether these files are of no use without content: one that is empty is opened in vain, and no other place is tried.
    #[serde(default)]
    pub(super) not_empty: bool,
    /// What is opened there as well, if it exists.
    #[serde(default)]
    pub(super) also: Vec<String>,
    /// Variables whose value, the first that is set, is `{value}` in `files`.
    #[serde(default)]
    pub(super) value_of: Vec<String>,
    /// A pattern of values that need a file; its first group is `{value}`.
    #[serde(default)]
    pub(super) value: Option<String>,
    /// Globs of paths in the tree where it can be although it is not looked for there.
    #[serde(default)]
    pub(super) elsewhere: Vec<String>,
    /// Whether one of the image's certificate bundles serves as well.
    #[serde(default)]
    pub(super) or_ca_bundle: bool,
    /// Whether it works without: then its absence is not reported.
    #[serde(default)]
    pub(super) optional: bool,
    /// What happens without it.
    #[serde(default)]
    pub(super) without: String,
    /// What to set when it is somewhere else: `NAME={directory}` or `NAME={file}`.
    #[serde(default)]
    pub(super) set: Vec<String>,
    /// What `--bundle` copies.
    #[serde(default)]
    pub(super) bundle: Option<Bundle>,
    /// What to do when it is nowhere.
    #[serde(default)]
    pub(super) remedy: String,
    /// Where these facts come from.
    #[cfg_attr(not(test), expect(dead_code, reason = "it must be there; people read it in the file"))]
    pub(super) source: String,
    /// What the tests try.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests try the examples"))]
    pub(super) example: Vec<Example>,
}

/// Programs that open data through the C library.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Programs {
    /// The functions of the C library that open it.
    pub(super) calling: Vec<String>,
    /// Whether those of the image do, where none in the tree is known to.
    #[serde(default)]
    pub(super) image: bool,
}

/// What `--bundle` copies from the build host when data is nowhere, and to which directory of the tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle {
    pub(super) to: String,
    /// Globs of the files, below the place that the host has, or below its directory if the place is a file. They can contain
    /// `{value}`.
    #[serde(default)]
    pub(super) files: Vec<String>,
    /// How many directories above the place the globs begin, where the place is one of several that belong together.
    #[serde(default)]
    pub(super) above: usize,
    /// Whether these globs are alternatives, the best first: then only the first of them that matches counts.
    #[serde(default)]
    pub(super) first: bool,
    /// The directory of the tree for files that a copied configuration names (by a `[[reference]]`): they are copied too, and
    /// the configuration gets their new paths.
    #[serde(default)]
    pub(super) named: Option<String>,
    /// A configuration that is written instead: its name, and its text.
    #[serde(default)]
    pub(super) write: Option<Written>,
}

/// A configuration that layerfit writes, because the build host's would refer to what is not copied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) text: String,
}

/// A variable that names a place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Whether nothing else is tried when it is set.
    #[serde(default)]
    pub(super) only: bool,
    /// The file in the directory that it names.
    #[serde(default)]
    pub(super) file: Option<String>,
}

/// An example of a need: what is there, and what is opened or missing then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(test), expect(dead_code, reason = "only tests try the examples"))]
pub(super) struct Example {
    /// The path of what opens it.
    #[serde(default)]
    pub(super) by: String,
    /// The files that are there.
    #[serde(default)]
    pub(super) has: Vec<String>,
    /// The paths compiled in.
    #[serde(default)]
    pub(super) compiled: Vec<String>,
    /// The environment.
    #[serde(default)]
    pub(super) env: std::collections::BTreeMap<String, String>,
    /// What is opened.
    #[serde(default)]
    pub(super) opens: Vec<String>,
    /// What is missing: the places that are tried, in order.
    #[serde(default)]
    pub(super) missing: Vec<String>,
}

/// A value of a variable that something does not understand, or a variable that it needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    /// The variable.
    pub(super) variable: String,
    /// A pattern of its bad values; if there is none, the variable has to be set.
    #[serde(default)]
    pub(super) value: Option<String>,
    /// The packages that do not understand it, or need it.
    pub(super) packages: Vec<String>,
    /// What happens.
    pub(super) effect: String,
    /// The value to set.
    pub(super) set: String,
    /// Where these facts come from.
    #[expect(dead_code, reason = "it must be there; people read it in the file")]
    pub(super) source: String,
    /// Values that are bad, and values that are good.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests try the examples"))]
    pub(super) bad: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests try the examples"))]
    pub(super) good: Vec<String>,
}

/// What the names in a configuration file stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A library: a name without a slash is searched for as the loader does.
    Library,
    /// A section of another configuration file: `[NAME]`.
    Section,
}

/// A kind of configuration file that names other files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    /// Globs of the configuration files.
    #[serde(rename = "match")]
    pub(super) globs: Vec<String>,
    /// What reads them; always when empty.
    #[serde(default)]
    pub(super) by: Vec<String>,
    /// A pattern whose first group is a name.
    pub(super) names: String,
    /// What the names stand for.
    pub(super) kind: Kind,
    /// Whether names are relative to the file's directory; otherwise only absolute ones count, and bare libraries.
    #[serde(default)]
    pub(super) relative: bool,
    /// What is appended to a name without it.
    #[serde(default)]
    pub(super) suffix: String,
    /// The name of the file beside it that has the sections; without such a file, nothing is known of them.
    #[serde(default)]
    pub(super) sections: String,
    /// What is named, such as "the ODBC driver".
    pub(super) what: String,
    /// What happens when it is not there.
    pub(super) without: String,
    /// What to do.
    pub(super) remedy: String,
    /// Where these facts come from.
    #[expect(dead_code, reason = "it must be there; people read it in the file")]
    pub(super) source: String,
    /// The content of a file, and the names in it.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests try the examples"))]
    pub(super) example: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests try the examples"))]
    pub(super) example_names: Vec<String>,
}

/// A library that does nothing without the other files of what it is a part of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Its soname.
    pub(super) library: String,
    /// What to do when it is missing.
    pub(super) remedy: String,
    /// Where these facts come from.
    #[expect(dead_code, reason = "it must be there; people read it in the file")]
    pub(super) source: String,
}

/// A need with its patterns.
pub(super) struct CompiledNeed {
    pub(super) need: Need,
    pub(super) by: GlobSet,
    pub(super) through: GlobSet,
    pub(super) compiled: Option<Regex>,
    pub(super) value: Option<Regex>,
    pub(super) listed: Option<Regex>,
    pub(super) files: Vec<Pattern>,
    pub(super) also: GlobSet,
    pub(super) elsewhere: GlobSet,
    pub(super) in_wheels: GlobSet,
}

/// What a place must have.
pub(super) enum Pattern {
    /// A file of this name, which can contain `{value}`.
    Name(String),
    /// Any file that matches.
    Glob(String, GlobMatcher),
}

/// A setting with its pattern.
pub(super) struct CompiledSetting {
    pub(super) setting: Setting,
    pub(super) value: Option<Regex>,
}

impl CompiledSetting {
    /// Whether something fails with this value; `None` if the variable is not set.
    pub(super) fn is_bad(&self, value: Option<&str>) -> bool {
        match (&self.value, value) {
            (Some(pattern), Some(value)) => pattern.is_match(value),
            (None, value) => value.is_none_or(str::is_empty),
            (Some(_), None) => false,
        }
    }
}

/// A reference with its patterns.
pub(super) struct CompiledReference {
    pub(super) reference: Reference,
    pub(super) globs: GlobSet,
    pub(super) by: GlobSet,
    pub(super) names: Regex,
}

impl Catalogue {
    /// The built-in catalogue.
    pub(super) fn built_in() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::read);
        &CATALOGUE
    }

    fn read() -> Self {
        let mut catalogue = Self { needs: Vec::new(), settings: Vec::new(), references: Vec::new(), parts: Vec::new() };
        for (file, text) in FILES {
            let file: DataFile = built_in(file, text);
            catalogue.parts.extend(file.part);
            catalogue.needs.extend(file.need.into_iter().map(CompiledNeed::new));
            catalogue.settings.extend(file.setting.into_iter().map(|setting| {
                let value = setting.value.as_deref().map(built_in_pattern);
                CompiledSetting { setting, value }
            }));
            catalogue.references.extend(file.reference.into_iter().map(|reference| CompiledReference {
                globs: built_in_globs(&reference.globs),
                by: built_in_globs(&reference.by),
                names: built_in_pattern(&reference.names),
                reference,
            }));
        }
        catalogue
    }
}

impl CompiledNeed {
    fn new(need: Need) -> Self {
        let pattern = |text: &String| {
            if text.contains(['*', '[']) {
                Pattern::Glob(text.clone(), built_in_matcher(text))
            } else {
                Pattern::Name(text.clone())
            }
        };
        Self {
            by: built_in_globs(&need.by),
            through: built_in_globs(&need.through),
            compiled: need.compiled.as_deref().map(built_in_pattern),
            value: need.value.as_deref().map(built_in_pattern),
            listed: need.listed.as_deref().map(built_in_pattern),
            files: need.files.iter().map(pattern).collect(),
            also: built_in_globs(&need.also),
            elsewhere: built_in_globs(&need.elsewhere),
            in_wheels: built_in_globs(&need.in_wheels),
            need,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_entry_has_what_a_message_takes() {
        let catalogue = Catalogue::built_in();
        let names: BTreeSet<&str> = catalogue.needs.iter().map(|need| need.need.name.as_str()).collect();
        assert_eq!(names.len(), catalogue.needs.len());
        for CompiledNeed { need, .. } in &catalogue.needs {
            assert!(!need.source.is_empty() && !need.example.is_empty(), "{}", need.name);
            assert!(need.languages || !(need.by.is_empty() && need.packages.is_empty()), "{}", need.name);
            assert!(need.optional || !(need.without.is_empty() || need.remedy.is_empty()), "{}", need.name);
            assert!(need.elsewhere.is_empty() || !(need.set.is_empty() && need.remedy.is_empty()), "{}", need.name);
            // What was copied is found there, or the finding names the variable.
            assert!(need.bundle.is_none() || !need.elsewhere.is_empty(), "{}", need.name);
            if let Some(bundle) = &need.bundle {
                assert!(bundle.files.is_empty() == bundle.write.is_some(), "{}", need.name);
                // Without a value, `{value}` is an alternative with one choice, and so a valid glob.
                built_in_globs(&bundle.files);
            }
        }
    }

    #[test]
    fn settings_and_references_find_what_their_examples_have() {
        let catalogue = Catalogue::built_in();
        for compiled in &catalogue.settings {
            let setting = &compiled.setting;
            assert!(setting.bad.iter().all(|bad| compiled.is_bad(Some(bad))), "{}", setting.variable);
            assert!(!setting.good.iter().any(|good| compiled.is_bad(Some(good))), "{}", setting.variable);
            assert!(!compiled.is_bad(Some(&setting.set)), "{}", setting.variable);
            assert_eq!(compiled.is_bad(None), setting.value.is_none(), "{}", setting.variable);
        }
        for CompiledReference { reference, names, .. } in &catalogue.references {
            let found = names.captures_iter(&reference.example).filter_map(|found| found.get(1));
            let found: Vec<&str> = found.map(|name| name.as_str().trim()).collect();
            assert_eq!(found, reference.example_names, "{:?}", reference.globs);
        }
    }
}
