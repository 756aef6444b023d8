//! Findings about data that is not found, in words.

use std::collections::BTreeMap;

use super::catalogue::CompiledNeed;
use super::lookup::Outcome;
use super::opened::Presence;
use super::references::NamedFile;
use super::uses::{BadSetting, DataUse, shown};
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::subject::Subject;
use crate::languages::{Packages, language};
use crate::resolve::graph::Node;
use crate::tree::{EntryId, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 3;

/// What the messages are about.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) tree: &'a Tree,
    pub(super) packages: &'a Packages,
    /// The name of the image.
    pub(super) image: &'a str,
    /// The libraries of which the image has its own that is found first, with its path.
    pub(super) shadowed: &'a BTreeMap<EntryId, String>,
}

impl Words<'_> {
    /// A finding for each need that is not met, with all its active users.
    pub(super) fn unmet(self, uses: &[DataUse], active: &dyn Fn(&Node) -> bool) -> Vec<Finding> {
        let mut groups: BTreeMap<(&str, &[String]), Vec<&DataUse>> = BTreeMap::new();
        for one in uses.iter().filter(|one| active(&one.user)) {
            if let Outcome::Missing(looked) = &one.outcome
                && one.is_reported()
            {
                groups.entry((&one.need.need.name, looked)).or_default().push(one);
            }
        }
        groups.into_iter().filter_map(|((_, looked), users)| self.unmet_one(looked, &users)).collect()
    }

    fn unmet_one(self, looked: &[String], users: &[&DataUse]) -> Option<Finding> {
        let first = users.first()?;
        let need = first.need;
        let subject = self.subject(first);
        let who = match users.len() {
            1 => String::new(),
            2 => format!(", as does {}", self.name(&users[1].user)),
            more => format!(", as do {} and {} more", self.name(&users[1].user), more - 2),
        };
        let what = match &first.value {
            Some((variable, value)) => format!("{} ({variable}: {value})", need.need.what),
            None => need.need.what.clone(),
        };
        // Of a pattern, only the directory is shown.
        let places = looked.iter().map(|path| path.split_once("/*").map_or(path.as_str(), |(directory, _)| directory));
        let looked = list::some(&places.collect::<Vec<_>>(), MAX_NAMES);
        let without = match need.need.without.as_str() {
            "" => "it is not read".to_owned(),
            without => format!("without that, {without}"),
        };
        let shadowed = match &first.user {
            Node::Entry(id) => self.shadowed.get(id),
            _ => None,
        };
        let when = shadowed.map(|by| format!(" where it is loaded instead of {by}")).unwrap_or_default();
        let brief = format!("does not find {what}{when} at {looked}: {}", need.need.without);
        let brief = brief.trim_end_matches(": ").to_owned();
        let what = format!("{what}{who}{when}");
        let image = self.image;
        let there = if first.is_hollow { "is empty, or a Git LFS pointer" } else { "is not there" };
        Some(if let Some(elsewhere) = first.elsewhere.first() {
            let place = if elsewhere.starts_with("/opt/") { "the tree" } else { image };
            let elsewhere_shown = shown(elsewhere);
            let message =
                format!("opens {what} at {looked}, which {there}; {place} has {elsewhere_shown} instead; {without}");
            let settings = to_set(need, elsewhere);
            let help = if settings.is_empty() { need.need.remedy.clone() } else { help_to_set(&settings) };
            Finding::warning(Code::DataMisplaced, subject, message, help).mended_by(settings).in_short(brief)
        } else if first.is_hollow {
            let message = format!("opens {what} at {looked}, which {there}; {without}");
            Finding::warning(Code::DataMissing, subject, message, need.need.remedy.clone()).in_short(brief)
        } else {
            let message =
                format!("opens {what}, which neither the tree nor {image} has (searched: {looked}); {without}");
            Finding::warning(Code::DataMissing, subject, message, need.need.remedy.clone()).in_short(brief)
        })
    }

    /// A finding for each name in an active configuration file that leads nowhere.
    pub(super) fn dangling(self, named: &[NamedFile], active: &dyn Fn(&NamedFile) -> bool) -> Vec<Finding> {
        let absent = named.iter().filter(|one| one.presence == Presence::Absent && active(one));
        absent
            .map(|one| {
                let reference = &one.reference.reference;
                let message = format!(
                    "names {} {}, which neither the tree nor {} has: {}",
                    reference.what, one.name, self.image, reference.without
                );
                let help = match one.similar.first() {
                    Some(id) => format!(
                        "the tree has {}: write its path, {}",
                        self.tree.path(*id),
                        self.tree.path(*id).mounted()
                    ),
                    None => reference.remedy.clone(),
                };
                Finding::warning(Code::NamedFileMissing, self.tree.path(one.by), message, help).caused_by(&one.name)
            })
            .collect()
    }

    /// A finding for each package that a value of the environment breaks.
    pub(super) fn breaking(self, bad: &[BadSetting], active: &dyn Fn(&Node) -> bool) -> Vec<Finding> {
        let active = bad.iter().filter(|one| active(&Node::Package(one.package)));
        active
            .map(|one| {
                let setting = &one.setting.setting;
                let message = match &one.value {
                    Some(value) => format!("does not work with {}={value}: {}", setting.variable, setting.effect),
                    None => format!("does not work without {}: {}", setting.variable, setting.effect),
                };
                let set = vec![(setting.variable.clone(), setting.set.clone())];
                let subject = self.subject_of(&Node::Package(one.package));
                Finding::warning(Code::SettingBreaks, subject, message, help_to_set(&set)).mended_by(set)
            })
            .collect()
    }

    fn subject(self, one: &DataUse) -> Subject {
        match (&one.user, &one.value) {
            (Node::Runtime(_) | Node::Image(_), Some((variable, _))) => Subject::setting(variable),
            (user, _) => self.subject_of(user),
        }
    }

    fn subject_of(self, node: &Node) -> Subject {
        match node {
            Node::Entry(id) => Subject::from(self.tree.path(*id)),
            Node::Package(position) => Subject::package(&self.packages.get(*position).name),
            other => Subject::whole(self.name(other)),
        }
    }

    fn name(self, node: &Node) -> String {
        match node {
            Node::Runtime(id) => language(*id).name().to_owned(),
            Node::Entry(id) => self.tree.path(*id).to_string(),
            Node::Package(position) => format!("pkg:{}", self.packages.get(*position).name),
            Node::Image(name) | Node::Missing(name) => name.clone(),
        }
    }
}

/// The variables to set so that data at this path is found.
fn to_set(need: &CompiledNeed, path: &str) -> Vec<(String, String)> {
    let directory = path.rsplit_once('/').map_or(path, |(directory, _)| directory);
    let parent = directory.rsplit_once('/').map_or(directory, |(parent, _)| parent);
    let settings = need.need.set.iter().filter_map(|set| set.split_once('='));
    let value =
        |text: &str| text.replace("{file}", path).replace("{directory}/..", parent).replace("{directory}", directory);
    settings.map(|(name, text)| (name.to_owned(), value(text))).collect()
}

/// The help to set variables.
pub(super) fn help_to_set(settings: &[(String, String)]) -> String {
    let assigned: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let lines: Vec<String> = settings.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
    format!(
        "set {} for the function and under [env] in layerfit.toml ({})",
        list::with_last(&assigned, "and"),
        lines.join(", ")
    )
}

/// The files of the tree that configuration names.
pub(super) fn named_entries(named: &[NamedFile]) -> impl Iterator<Item = (EntryId, EntryId)> {
    named.iter().flat_map(|one| one.entries.iter().map(move |id| (one.by, *id)))
}
