//! The libraries that R searches: what `.libPaths()` returns in a session that the bootstrap starts.
//!
//! R_LIBS, R_LIBS_USER and R_LIBS_SITE come from the bootstrap and R's environment files, in that order, with the conversions
//! of `?.libPaths` (`%v`, `%U`, ...); R's own library is the last (library/base/R/Rprofile). R code can add more: the paths in
//! its text, and those that its calls of `.libPaths()` certainly make, are taken to be searched. What else it adds is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::renviron;
use super::source::{self, Session, Source};
use super::start::Start;
use crate::base::path::TreePath;
use crate::base::toml::built_in_pattern;
use crate::formats::shell::Environment;
use crate::languages::Installation;
use crate::tree::{Place, Tree};

/// A longer file is not read: R's own have some KB.
const MAX_BYTES: u64 = 1 << 20;

fn read(tree: &Tree, path: &TreePath) -> Option<String> {
    let Place::Inside(id) = tree.locate_inside(path) else { return None };
    let entry = tree.entry(id);
    let text = (entry.is_file() && entry.bytes() <= MAX_BYTES).then(|| tree.read(id).ok()).flatten()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The libraries of the tree that R in `home` searches.
#[derive(Debug, Default)]
pub(super) struct Searched {
    /// Those that the environment names, where they are in the tree, links followed.
    libraries: BTreeSet<TreePath>,
    /// What R code and the bootstrap's commands may name.
    code: String,
    /// Those that are links out of the tree, or lie below one, with where they lead.
    outside: BTreeMap<TreePath, Vec<u8>>,
    /// What adds libraries that are not known.
    unknown: Option<String>,
}

impl Searched {
    /// Whether R searches a library.
    pub(super) fn has(&self, library: &TreePath) -> bool {
        self.libraries.contains(library) || names_path(&self.code, &library.mounted())
    }

    /// The searched libraries below `/opt` that a link leads out of the tree, and where to: no layer has their packages.
    pub(super) fn outside(&self) -> &BTreeMap<TreePath, Vec<u8>> {
        &self.outside
    }

    /// What adds libraries that only running it tells, in words, if anything does.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }
}

/// The libraries that R in `home` searches, if it is started like this.
pub(super) fn searched(tree: &Tree, home: &Installation, start: &Start) -> Searched {
    let mut environment = start.environment.clone();
    let r_home = home.path.mounted();
    environment.set("R_HOME", r_home.clone());
    let file = |below: &str| read(tree, &home.path.join(below)?);
    // R reads the system's file first, so that a default of the site's is one only if the system's has none.
    let apply = |text: Option<String>, environment: &mut Environment| {
        renviron::apply(&text.unwrap_or_default(), environment);
    };
    apply(file("etc/Renviron"), &mut environment);
    let named = |variable: &str, environment: &Environment| {
        let path = environment.get(variable).filter(|path| !path.is_empty()).map(str::to_owned);
        path.map(|path| TreePath::from_mounted(path.as_bytes()).and_then(|path| read(tree, &path)))
    };
    if start.reads_environ() {
        let site = named("R_ENVIRON", &environment).unwrap_or_else(|| file("etc/Renviron.site"));
        apply(site, &mut environment);
        let user = named("R_ENVIRON_USER", &environment).flatten();
        apply(user, &mut environment);
    }

    let mut places: Vec<String> = vec![format!("{r_home}/library")];
    let split = |value: &str| value.split(':').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    places.extend(environment.get("R_LIBS").map(split).unwrap_or_default());
    for variable in ["R_LIBS_USER", "R_LIBS_SITE"] {
        let value = environment.get(variable).filter(|value| *value != "NULL");
        places.extend(value.map(|value| split(&converted(value, home, &environment))).unwrap_or_default());
    }
    // Before R 4.2, the site's library is the default without any file that sets it.
    if environment.get("R_LIBS_SITE").is_none() {
        places.push(format!("{r_home}/site-library"));
    }
    let mut code = String::new();
    // R's own profile sets what is concluded here from the environment.
    let own = file("library/base/R/Rprofile");
    let site = named("R_PROFILE", &environment).unwrap_or_else(|| file("etc/Rprofile.site"));
    let site = site.filter(|_| start.reads_site_profile());
    let site = site.map(|text| ("the site's profile (etc/Rprofile.site)".to_owned(), without_late_variables(&text)));
    let user = named("R_PROFILE_USER", &environment).flatten();
    let user = user.filter(|_| start.reads_user_profile());
    let user = user.map(|text| ("the profile that R_PROFILE_USER names".to_owned(), without_late_variables(&text)));
    let bootstrap = TreePath::new("bootstrap").and_then(|path| read(tree, &path));
    let bootstrap = bootstrap.unwrap_or_default();
    // The sources beside the bootstrap that it names.
    let beside = tree.iter().map(|(_, entry)| &entry.path).filter(|path| {
        let name = String::from_utf8_lossy(path.name());
        path.parent().is_some_and(|parent| parent.is_root())
            && name.to_ascii_lowercase().ends_with(".r")
            && bootstrap.contains(&*name)
    });
    let beside = beside.filter_map(|path| Some((path.to_string(), without_late_variables(&read(tree, path)?))));
    let scripts: Vec<(String, String)> = site.into_iter().chain(user).chain(beside).collect();
    let variable = |name: &str| match environment.get(name) {
        _ if environment.is_unknown(name) => None,
        value => Some(value.unwrap_or_default().to_owned()),
    };
    let session = Session { home: Some(&r_home), variable: &variable };
    let mut unknown = None;
    for (name, text) in &scripts {
        let Ok(read) = Source::parse_in(source::Kind::Script, text.as_bytes(), &session) else { continue };
        places.extend(read.libraries.paths);
        let line = read.libraries.unknown;
        unknown = unknown.or(line.map(|line| format!("line {line} of {name} adds a library whose path is computed")));
    }
    let libraries = places.iter().filter_map(|place| match tree.locate(place.as_bytes()) {
        Place::Inside(id) if tree.entry(id).is_directory() => Some(tree.path(id).clone()),
        _ => None,
    });
    let libraries = libraries.collect();
    let outside = places.iter().filter_map(|place| match tree.locate(place.as_bytes()) {
        Place::Outside(end) => Some((TreePath::from_mounted(place.as_bytes())?, end)),
        _ => None,
    });
    let outside = outside.collect();
    for text in own.into_iter().chain(scripts.into_iter().map(|(_, text)| text)).chain([bootstrap]) {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        code.extend(lines.map(|line| line.replace("${R_HOME}", &r_home) + "\n"));
    }
    // What the environment's files set to a value that is not known may be any library that they name.
    if ["R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"].iter().any(|variable| environment.is_unknown(variable)) {
        let site = start.reads_environ().then_some("etc/Renviron.site");
        let files = ["etc/Renviron"].into_iter().chain(site).filter_map(file);
        code.extend(files.flat_map(|text| {
            text.lines()
                .filter(|line| !line.trim_start().starts_with('#'))
                .map(|line| format!("{line}\n"))
                .collect::<Vec<_>>()
        }));
    }
    let variable = ["R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"].into_iter().find(|name| environment.is_unknown(name));
    let unknown = unknown.or(variable.map(|name| format!("{name} is set to a value that is computed")));
    Searched { libraries, code, outside, unknown }
}

/// R code without its calls that set a variable which R has already read, for the libraries that it searches.
fn without_late_variables(text: &str) -> String {
    static CALL: LazyLock<Regex> =
        LazyLock::new(|| built_in_pattern(r#"\bSys\.setenv\(\s*["'`]?R_LIBS(?:_SITE|_USER)?["'`]?\s*="#));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(call) = CALL.find(rest) {
        out += &rest[..call.start()];
        out += "NULL";
        rest = &rest[call.end()..];
        rest = &rest[end_of_call(rest)..];
    }
    out + rest
}

/// Where a call ends whose opening parenthesis is before `text`.
fn end_of_call(text: &str) -> usize {
    let (mut open, mut quote) = (1_usize, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(begin)) if c == begin => quote = None,
            ('(', None) => open += 1,
            (')', None) if open == 1 => return at + 1,
            (')', None) => open -= 1,
            _ => {}
        }
    }
    text.len()
}

/// A value of R_LIBS_USER or R_LIBS_SITE with the conversions of `.expand_R_libs_env_var()`.
fn converted(value: &str, home: &Installation, environment: &Environment) -> String {
    let short = home.version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let (arch, os) = home.platform.split_once('-').unwrap_or((&home.platform, ""));
    // R.version$os has no vendor: x86_64-pc-linux-gnu is linux-gnu.
    let os = os.split_once('-').map_or(os, |(_, os)| os);
    let user =
        environment.get("HOME").map(|home_directory| format!("{home_directory}/R/{}-library/{short}", home.platform));
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('V') => out += &home.version,
            Some('v') => out += &short,
            Some('p') => out += &home.platform,
            Some('a') => out += arch,
            Some('o') => out += os,
            Some('U') => out += user.as_deref().unwrap_or_default(),
            Some('S') => out += &format!("{}/site-library", home.path.mounted()),
            Some('%') | None => out.push('%'),
            Some(other) => out.extend(['%', other]),
        }
    }
    out
}

/// Whether a text contains a path, not only a longer one that begins with it.
fn names_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let rest = text[at + path.len()..].trim_start_matches('/');
        !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::LanguageId;

    #[test]
    fn conversions_are_those_of_r() {
        let home = Installation {
            language: LanguageId("r"),
            path: TreePath::new("R").expect("a path"),
            version: "4.2.2".to_owned(),
            platform: "x86_64-pc-linux-gnu".to_owned(),
            library_path: Vec::new(),
            library_path_is_known: true,
        };
        let mut environment = Environment::default();
        environment.set("HOME", "/root");
        for (value, expected) in [
            ("%U:/x/%v", "/root/R/x86_64-pc-linux-gnu-library/4.2:/x/4.2"),
            ("/opt/%p/%V/%a/%o", "/opt/x86_64-pc-linux-gnu/4.2.2/x86_64/linux-gnu"),
            ("/opt/%%v/%x%S", "/opt/%v/%x/opt/R/site-library"),
        ] {
            assert_eq!(converted(value, &home, &environment), expected);
        }
    }
}
