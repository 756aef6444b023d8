//! Looks for the data of a need where its user looks for it, in that order.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{CompiledNeed, Pattern};
use super::opened::{Files, Presence};

/// The values that variables can have; a script can assign several.
pub(super) type Environment = BTreeMap<String, BTreeSet<String>>;

/// What opens data.
pub(super) struct User {
    /// Its directory.
    pub(super) directory: String,
    /// The paths compiled into it, or into the library through which it opens the data.
    pub(super) compiled: Vec<String>,
    /// The places that a configuration lists.
    pub(super) listed: Vec<String>,
    /// Whether it is a copy of a library in a wheel.
    pub(super) in_wheel: bool,
}

/// The result of looking for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// These files are opened.
    Found(Vec<String>),
    /// It is not where it is looked for: at these paths.
    Missing(Vec<String>),
    /// It is not known: no place is known, or the image's files are not.
    Unknown,
}

/// Looks for data; `value` is the value of the variable that selects it.
pub(super) fn look_up(
    need: &CompiledNeed,
    user: &User,
    value: Option<&str>,
    environment: &Environment,
    files: &dyn Files,
) -> Outcome {
    let mut looked = Vec::new();
    let mut unknown = false;
    for place in places(need, user, environment) {
        if let Some(path) = hollow(need, &place, value, files) {
            return Outcome::Missing(vec![path]);
        }
        match in_place(need, &place, value, files) {
            Outcome::Found(files) => return Outcome::Found(files),
            Outcome::Missing(paths) => looked.extend(paths.into_iter().take(1)),
            Outcome::Unknown => unknown = true,
        }
    }
    if unknown || looked.is_empty() { Outcome::Unknown } else { Outcome::Missing(looked) }
}

/// The value that selects the data: of the first of its variables that is set. `None` when none needs a file.
pub(super) fn value(need: &CompiledNeed, environment: &Environment) -> Option<(String, String)> {
    let variables = need.need.value_of.iter();
    let set =
        variables.filter_map(|name| Some((name, environment.get(name)?.first()?))).find(|(_, v)| !v.is_empty())?;
    let found = need.value.as_ref()?.captures(set.1)?;
    Some((set.0.clone(), as_named(found.get(1)?.as_str())))
}

/// A value as the directories of locales are named: `en_US.UTF-8` is in `en_US.utf8` (_nl_normalize_codeset in glibc's
/// intl/l10nflist.c). Other values have no dot.
fn as_named(value: &str) -> String {
    let Some((name, codeset)) = value.split_once('.') else { return value.to_owned() };
    let (codeset, modifier) =
        codeset.split_once('@').map_or((codeset, None), |(codeset, modifier)| (codeset, Some(modifier)));
    let codeset: String = codeset.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let modifier = modifier.map(|modifier| format!("@{modifier}")).unwrap_or_default();
    format!("{name}.{codeset}{modifier}")
}

/// The places, in the order in which they are tried.
pub(super) fn places(need: &CompiledNeed, user: &User, environment: &Environment) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for variable in &need.need.variables {
        let values = environment.get(&variable.name).into_iter().flatten().filter(|value| !value.is_empty());
        let named = values.flat_map(|value| value.split(':')).filter(|place| place.starts_with('/'));
        let named: Vec<String> = named
            .map(|place| match &variable.file {
                Some(file) => format!("{}/{file}", place.trim_end_matches('/')),
                None => place.to_owned(),
            })
            .collect();
        let is_set = !named.is_empty();
        places.extend(named);
        if is_set && variable.only {
            return without_repeats(places);
        }
    }
    places.extend(need.need.beside.iter().map(|beside| format!("{}/{beside}", user.directory)));
    if let Some(pattern) = &need.compiled {
        places.extend(user.compiled.iter().filter(|path| pattern.is_match(path)).cloned());
    }
    places.extend(user.listed.iter().cloned());
    places.extend(need.need.usual.iter().cloned());
    without_repeats(places)
}

fn without_repeats(places: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let places = places.into_iter().map(|place| normalized(&place));
    places.filter(|place| seen.insert(place.clone())).collect()
}

/// A path without `.` and `..`, by its text.
fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The first file of a place that is there, and has none of the content without which it is opened in vain.
fn hollow(need: &CompiledNeed, place: &str, value: Option<&str>, files: &dyn Files) -> Option<String> {
    let names = need.files.iter().filter(|_| need.need.not_empty).filter_map(|file| match file {
        Pattern::Name(name) => Some(format!("{place}/{}", name.replace("{value}", value.unwrap_or_default()))),
        Pattern::Glob(..) => None,
    });
    names.into_iter().find(|path| files.is_hollow(path))
}

/// Whether a place has everything; missing are the files that it lacks.
fn in_place(need: &CompiledNeed, place: &str, value: Option<&str>, files: &dyn Files) -> Outcome {
    if need.files.is_empty() {
        return match files.presence(place) {
            Presence::There => Outcome::Found(vec![place.to_owned()]),
            Presence::Absent => Outcome::Missing(vec![place.to_owned()]),
            Presence::Unknown => Outcome::Unknown,
        };
    }
    let mut found = Vec::new();
    let listed = files.below(place);
    for file in &need.files {
        match file {
            Pattern::Name(name) => {
                let path = format!("{place}/{}", name.replace("{value}", value.unwrap_or_default()));
                match files.presence(&path) {
                    Presence::There => found.push(path),
                    Presence::Absent => return Outcome::Missing(vec![path]),
                    Presence::Unknown => return Outcome::Unknown,
                }
            }
            Pattern::Glob(text, glob) => {
                let matching = listed.iter().filter(|below| glob.is_match(below));
                let before = found.len();
                found.extend(matching.map(|below| format!("{place}/{below}")));
                if found.len() == before {
                    // The content of a directory of an image that is not known cannot be listed.
                    let absent = files.presence(&format!("{place}/{text}")) == Presence::Absent;
                    return if absent { Outcome::Missing(vec![format!("{place}/{text}")]) } else { Outcome::Unknown };
                }
            }
        }
    }
    let also = listed.iter().filter(|below| need.also.is_match(below)).map(|below| format!("{place}/{below}"));
    found.extend(also.collect::<Vec<_>>());
    found.sort();
    found.dedup();
    Outcome::Found(found)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Catalogue;
    use super::*;

    /// Files that are listed.
    struct Listed<'a>(&'a [String]);

    impl Files for Listed<'_> {
        fn presence(&self, path: &str) -> Presence {
            if self.0.iter().any(|listed| listed == path) { Presence::There } else { Presence::Absent }
        }

        fn below(&self, directory: &str) -> Vec<String> {
            let below = |path: &String| Some(path.strip_prefix(directory)?.strip_prefix('/')?.to_owned());
            self.0.iter().filter_map(below).collect()
        }
    }

    #[test]
    fn every_example_of_the_catalogue_comes_out_as_it_says() {
        for need in &Catalogue::built_in().needs {
            let mut came_out = BTreeSet::new();
            for example in &need.need.example {
                let name = example.by.rsplit('/').next().expect("a name");
                let directory = example.by.rsplit_once('/').map_or("", |(directory, _)| directory);
                let named = need.by.is_match(name) || need.by.is_match(example.by.trim_start_matches("/opt/"));
                assert!(named || need.need.by.is_empty(), "{}: {} is not a user of it", need.need.name, example.by);
                let environment: Environment =
                    example.env.iter().map(|(name, value)| (name.clone(), [value.clone()].into())).collect();
                let directory = if need.need.by.is_empty() { &example.by } else { directory };
                let user = User {
                    directory: directory.to_owned(),
                    compiled: example.compiled.clone(),
                    listed: Vec::new(),
                    in_wheel: false,
                };
                let value = value(need, &environment);
                let outcome =
                    look_up(need, &user, value.as_ref().map(|(_, v)| v.as_str()), &environment, &Listed(&example.has));
                let expected = match (example.opens.as_slice(), example.missing.as_slice()) {
                    ([], []) => Outcome::Unknown,
                    ([], missing) => Outcome::Missing(missing.to_vec()),
                    (opens, _) => Outcome::Found(opens.to_vec()),
                };
                assert_eq!(outcome, expected, "{}", need.need.name);
                came_out.insert(matches!(outcome, Outcome::Found(_)));
            }
            assert!(came_out.len() == 2 || need.need.optional, "{} has no example of both", need.need.name);
        }
    }

    #[test]
    fn a_place_is_written_without_dots() {
        assert_eq!(normalized("/opt/lib/../share//proj/."), "/opt/share/proj");
        assert_eq!(normalized("/../a"), "/a");
    }
}
