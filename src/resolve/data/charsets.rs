//! Character sets that the function's sources name for conversions by the C library: for most of them it loads a module (gconv),
//! from its own directory or from those of `GCONV_PATH`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::Data;
use super::uses::shown;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::base::toml::built_in;
use crate::languages::handlers::Place;
use crate::runtime::Image;
use crate::tree::{EntryId, Tree};

/// The variable with the directories that are searched before the C library's own.
const VARIABLE: &str = "GCONV_PATH";

/// The file that lists the modules of a directory.
const LIST: &str = "gconv-modules";

/// `rules/data/charsets.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Charsets {
    without: String,
    remedy: String,
    #[expect(dead_code, reason = "it must be there; people read it in the file")]
    source: String,
    /// The character sets of each module, with their aliases.
    modules: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

fn known() -> &'static Charsets {
    static KNOWN: LazyLock<Charsets> =
        LazyLock::new(|| built_in("rules/data/charsets.toml", include_str!("../../../rules/data/charsets.toml")));
    &KNOWN
}

/// The module for a character set as iconv_open() gets it; `None` if it needs none, or is not known.
fn module_for(name: &str) -> Option<&'static str> {
    static MODULES: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
        let sets = known().modules.iter().flat_map(|(module, sets)| sets.iter().map(move |set| (module, set)));
        let names = sets.flat_map(|(module, (set, aliases))| {
            std::iter::once(set).chain(aliases).map(move |name| (name.as_str(), module.as_str()))
        });
        names.collect()
    });
    // `//TRANSLIT` and `//IGNORE` follow the name; case does not matter (iconv_open(3)).
    let name = name.split("//").next().unwrap_or(name).trim_end_matches('/').to_ascii_uppercase();
    MODULES.get(name.as_str()).copied()
}

/// A character set whose module the image does not have.
pub struct MissingCharset {
    /// As the source names it.
    pub name: String,
    /// The module's name, without `.so`.
    pub module: &'static str,
    /// Where it is named first.
    pub place: Place,
    /// The directory of the tree with the module, as an absolute path, which `GCONV_PATH` does not name.
    pub elsewhere: Option<String>,
}

impl MissingCharset {
    /// The lines of a `gconv-modules` for the modules of these character sets.
    pub fn list(charsets: &[&Self]) -> String {
        // Several names can be of one module.
        let modules: BTreeSet<&str> = charsets.iter().map(|charset| charset.module).collect();
        let mut lines = Vec::new();
        for module in modules {
            for (set, aliases) in known().modules.get(module).into_iter().flatten() {
                lines.extend(aliases.iter().map(|alias| format!("alias {alias}// {set}//")));
                lines.push(format!("module {set}// INTERNAL {module} 1"));
                lines.push(format!("module INTERNAL {set}// {module} 1"));
            }
        }
        lines.join("\n") + "\n"
    }

    /// The finding about it; `refused` is the reason why `--bundle` did not copy it.
    fn finding(&self, image: &str, refused: Option<&str>) -> Finding {
        let Self { name, module, place, elsewhere } = self;
        let Charsets { without, remedy, .. } = known();
        let subject = Subject::file(&place.file);
        let names =
            format!("line {} names the character set {name}, for which the C library loads {module}.so", place.line);
        if let Some(directory) = elsewhere {
            let set = vec![(VARIABLE.to_owned(), directory.clone())];
            let message = format!(
                "{names}, which {image} does not have; the tree has it in {}; without it, {without}",
                shown(directory)
            );
            return Finding::warning(Code::DataMisplaced, subject, message, super::words::help_to_set(&set))
                .mended_by(set);
        }
        let refused = refused.map(|why| format!(" ({why})")).unwrap_or_default();
        let message = format!("{names}, which neither the tree nor {image} has{refused}: {without}");
        Finding::warning(Code::DataMissing, subject, message, remedy.clone())
    }
}

/// The character sets among these that need a module which the image does not have, and that is not where it is looked for.
pub(super) fn missing(
    data: &Data,
    tree: &Tree,
    image: &Image<'_>,
    named: &BTreeMap<String, Place>,
) -> Vec<MissingCharset> {
    let mut missing = Vec::new();
    for (name, place) in named {
        let Some(module) = module_for(name).filter(|module| image.has_charset_module(module) == Some(false)) else {
            continue;
        };
        let directories: Vec<String> = tree.iter().filter_map(|(id, _)| directory_of(tree, id, module)).collect();
        if directories.iter().any(|directory| data.charset_directories.contains(directory)) {
            continue;
        }
        let elsewhere = directories.into_iter().next();
        missing.push(MissingCharset { name: name.clone(), module, place: place.clone(), elsewhere });
    }
    missing
}

/// The directory of an entry that is this module, and beside which there is a list, as an absolute path.
fn directory_of(tree: &Tree, id: EntryId, module: &str) -> Option<String> {
    let path = tree.path(id);
    (path.name().strip_suffix(b".so") == Some(module.as_bytes())).then_some(())?;
    let directory: TreePath = path.parent()?;
    let has = |name: &str| directory.join(name).is_some_and(|path| tree.find(&path).is_some());
    (has(LIST) || has("gconv-modules.d")).then(|| directory.mounted())
}

/// Findings about character sets; `refused` is the reason why `--bundle` copied no module.
pub(in crate::resolve) fn findings(missing: &[MissingCharset], image: &str, refused: Option<&str>) -> Vec<Finding> {
    missing.iter().map(|charset| charset.finding(image, refused)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_lead_to_modules_and_what_is_built_in_to_none() {
        for (name, module) in [
            ("CP1250", Some("CP1250")),
            ("windows-1250//TRANSLIT", Some("CP1250")),
            ("SHIFT_JIS", Some("SJIS")),
            ("latin1", Some("ISO8859-1")),
            ("UTF-16LE", Some("UTF-16")),
            ("GB18030", Some("GB18030")),
            ("KOI8-R", Some("KOI8-R")),
            ("UTF-8", None),
            ("ASCII//TRANSLIT", None),
            ("UCS-2LE", None),
            ("", None),
            ("UTF-8-BOM", None),
        ] {
            assert_eq!(module_for(name), module, "{name}");
        }
    }

    #[test]
    fn a_list_has_the_lines_that_glibc_reads() {
        let place = Place { file: "h.R".to_owned(), line: 1 };
        let named = |name: &str| MissingCharset {
            name: name.to_owned(),
            module: "CP1250",
            place: place.clone(),
            elsewhere: None,
        };
        assert_eq!(
            MissingCharset::list(&[&named("cp1250"), &named("windows-1250")]),
            "alias MS-EE// CP1250//\nalias WINDOWS-1250// CP1250//\nmodule CP1250// INTERNAL CP1250 1\nmodule INTERNAL CP1250// \
             CP1250 1\n"
        );
    }
}
