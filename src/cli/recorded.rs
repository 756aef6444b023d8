//! What a manifest records of the run that wrote it: the options of its command line that shape layers. A tree that is compared
//! with the layers is shaped with them too, where neither an option nor layerfit.toml sets something else, which is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::args::PlanOptions;
use super::config::{Config, RUNTIME};
use super::next::quoted;
use crate::base::finding::Code;
use crate::base::list;
use crate::pack::output::{GivenOption, GivenOptions, PackedFor};
use crate::report::gate::Growth;
use crate::runtime::Limits;

/// What layers are packed for and shaped with, and where that is recorded.
pub(super) struct Recorded {
    /// What is recorded.
    pub(super) packed: PackedFor,
    /// If a tree is compared with the layers: their manifest, and what to do about options that it does not record.
    of_tree: Option<(PathBuf, &'static str)>,
}

impl Recorded {
    /// What finished layers have, which nothing shapes any more.
    pub(super) fn of_layers(packed: PackedFor) -> Self {
        Self { packed: packed.of_finished_layers(), of_tree: None }
    }

    /// What layers have that a tree is compared with, in this manifest; with what to do about options that it does not record.
    pub(super) fn of_tree(packed: PackedFor, manifest: PathBuf, remedy: &'static str) -> Self {
        Self { packed, of_tree: Some((manifest, remedy)) }
    }

    /// What a tree takes from the manifest, and what it cannot take.
    pub(super) fn messages(&self, options: &PlanOptions, config: &Config) -> Vec<String> {
        let Some((manifest, remedy)) = &self.of_tree else { return Vec::new() };
        let manifest = manifest.display();
        let mut messages = Vec::new();
        let taken = [self.taken_for(options, config), taken(options, config, &self.packed.options)].concat();
        if !taken.is_empty() {
            messages.push(format!("from {manifest}: {}", taken.join(" ")));
        }
        let is_set = set_again(options, config);
        let missing: Vec<&str> =
            self.packed.options.not_recorded.iter().map(String::as_str).filter(|name| !is_set.contains(name)).collect();
        if !missing.is_empty() {
            messages.push(format!(
                "packed with {}, of which {manifest} has the name only: what that changed counts as a difference\n  help: {remedy}",
                list::with_last(&missing, "and")
            ));
        }
        messages
    }

    /// The runtime, the architecture and the limits that are taken and are not the defaults, as options.
    fn taken_for(&self, options: &PlanOptions, config: &Config) -> Vec<String> {
        let PackedFor { runtime, architecture, limits: recorded, .. } = &self.packed;
        let (given, built_in) = (&options.limits, Limits::built_in());
        let runtime = runtime
            .as_deref()
            .filter(|name| options.input.runtime.is_none() && config.runtime.is_none() && *name != RUNTIME);
        let architecture = architecture.filter(|_| options.content.arch.is_none() && config.arch.is_none());
        let bytes = |recorded: Option<u64>, is_set: bool, default: u64| {
            recorded.filter(|bytes| !is_set && *bytes != default).map(|bytes| format!("{bytes}B"))
        };
        let is_set = (
            given.max_zipped.is_some() || config.max_zipped.is_some(),
            given.max_unzipped.is_some() || config.max_unzipped.is_some(),
            given.max_layers.is_some() || config.max_layers.is_some(),
            given.function_size.is_some() || config.function_size.is_some(),
        );
        let layers = recorded.layers.filter(|layers| !is_set.2 && *layers != built_in.layers);
        let all = [
            ("--runtime", runtime.map(|name| quoted(Path::new(name)))),
            ("--arch", architecture.map(str::to_owned)),
            ("--max-zipped", bytes(recorded.layer_zipped, is_set.0, built_in.layer_zipped)),
            ("--max-unzipped", bytes(recorded.total_unzipped, is_set.1, built_in.total_unzipped)),
            ("--max-layers", layers.map(|layers| layers.to_string())),
            ("--function-size", bytes(recorded.function_unzipped, is_set.3, 0)),
        ];
        all.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", value?))).collect()
    }
}

/// The options of a command line that shape layers.
pub(super) fn given(options: &PlanOptions) -> GivenOptions {
    let PlanOptions { variables, content, rules, targets, traces, size, layers, .. } = options;
    let is_rule = |name: &&String| !Code::ALL.iter().any(|code| code.as_str() == name.as_str());
    let files = [
        ("--rules", !rules.rules.is_empty()),
        ("--handler", !targets.handler.is_empty()),
        ("--trace", !traces.trace.is_empty()),
        ("--sysroot", content.sysroot.is_some()),
        ("--lock", layers.lock.is_some()),
        ("--env", !variables.env.is_empty()),
    ];
    GivenOptions {
        level: name(size.level),
        strip: name(size.strip),
        no_strip: size.no_strip.clone(),
        repack_rdb: size.repack_rdb,
        bundle: content.bundle,
        select: rules.select.clone(),
        ignore: rules.ignore.iter().filter(is_rule).cloned().collect(),
        drop: targets.drop.clone(),
        autoremove: targets.autoremove,
        keep: targets.keep.clone(),
        strategy: name(layers.strategy),
        slack: layers.slack.map(exact),
        not_recorded: files.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned()).collect(),
    }
}

/// The name of an option's value.
fn name<T: ValueEnum>(value: Option<T>) -> Option<String> {
    value?.to_possible_value().map(|value| value.get_name().to_owned())
}

/// A growth as text that is read as the same again.
fn exact(growth: Growth) -> String {
    match growth {
        Growth::Bytes(bytes) => format!("{bytes}B"),
        Growth::BasisPoints(_) => growth.to_string(),
    }
}

/// A value that is recorded, if this layerfit knows it.
fn value<T: ValueEnum>(recorded: Option<&String>) -> Option<T> {
    T::from_str(recorded?, false).ok()
}

/// The options with those that are recorded, where neither an option nor the file sets something else. Lists of the file are
/// added to either. Rules are left out: whether there still are such is not known yet.
pub(super) fn over(options: &PlanOptions, config: &Config, recorded: &GivenOptions) -> PlanOptions {
    let mut all = options.clone();
    let PlanOptions { content, targets, size, layers, .. } = &mut all;
    size.level = size.level.or(value(recorded.level.as_ref().filter(|_| config.level.is_none())));
    size.strip = size.strip.or(value(recorded.strip.as_ref().filter(|_| config.strip.is_none())));
    size.repack_rdb = size.repack_rdb.or(recorded.repack_rdb.filter(|_| config.repack_rdb.is_none()));
    content.bundle = content.bundle.or(recorded.bundle.filter(|_| config.bundle.is_none()));
    layers.strategy = layers.strategy.or(value(recorded.strategy.as_ref().filter(|_| config.strategy.is_none())));
    let slack = recorded.slack.as_ref().filter(|_| config.slack.is_none());
    layers.slack = layers.slack.or_else(|| slack?.parse().ok());
    for (list, recorded) in [
        (&mut size.no_strip, &recorded.no_strip),
        (&mut targets.drop, &recorded.drop),
        (&mut targets.keep, &recorded.keep),
    ] {
        if list.is_empty() {
            list.clone_from(recorded);
        }
    }
    // It has no effect without a target, and the file may have had those.
    let drops = !targets.drop.is_empty() || !config.drop.is_empty();
    targets.autoremove = targets.autoremove.or(recorded.autoremove.filter(|_| drops && config.autoremove.is_none()));
    all
}

/// The targets of [`over`] that only the manifest has: a tree that lacks them by now is as if they had been dropped or kept.
pub(super) fn passed_over(options: &PlanOptions, config: &Config, recorded: &GivenOptions) -> BTreeSet<String> {
    let targets = &options.targets;
    let lists = [(&targets.drop, &recorded.drop, &config.drop), (&targets.keep, &recorded.keep, &config.keep)];
    let taken = lists.into_iter().filter(|(given, _, _)| given.is_empty());
    taken
        .flat_map(|(_, recorded, file)| recorded.iter().filter(move |target| !file.contains(target)))
        .cloned()
        .collect()
}

/// The options that are set by an option or the file, apart from lists, to which those of the file are added.
fn set(options: &PlanOptions, config: &Config) -> GivenOptions {
    let given = given(options);
    GivenOptions {
        level: given.level.or_else(|| name(config.level)),
        strip: given.strip.or_else(|| name(config.strip)),
        repack_rdb: given.repack_rdb.or(config.repack_rdb),
        bundle: given.bundle.or(config.bundle),
        autoremove: given.autoremove.or(config.autoremove),
        strategy: given.strategy.or_else(|| name(config.strategy)),
        slack: given.slack.or_else(|| config.slack.map(|slack| exact(slack.0))),
        ..given
    }
}

/// The options that name files or set variables, and are set by an option or the file.
fn set_again(options: &PlanOptions, config: &Config) -> BTreeSet<&'static str> {
    let PlanOptions { variables, content, rules, targets, traces, layers, .. } = options;
    let all = [
        ("--rules", !rules.rules.is_empty() || !config.rules.is_empty()),
        ("--handler", !targets.handler.is_empty() || !config.handler.is_empty()),
        ("--trace", !traces.trace.is_empty() || !config.trace.is_empty()),
        ("--sysroot", content.sysroot.is_some() || config.sysroot.is_some()),
        ("--lock", layers.lock.is_some() || config.lock.is_some()),
        ("--env", !variables.env.is_empty() || !config.env.is_empty()),
    ];
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

/// The recorded options that are taken, as words of a command line.
fn taken(options: &PlanOptions, config: &Config, recorded: &GivenOptions) -> Vec<String> {
    let set = set(options, config).recorded();
    let is_set = |option: &str| set.iter().any(|(name, _)| *name == option);
    recorded.recorded().iter().filter(|(option, _)| !is_set(option)).map(words).collect()
}

/// The recorded options that are set to something else: as they were, and as they are, as words of a command line.
pub(super) fn differing(options: &PlanOptions, config: &Config, recorded: &GivenOptions) -> Vec<(String, String)> {
    let set = set(options, config).recorded();
    let recorded = recorded.recorded();
    let pairs = recorded.iter().filter_map(|was| Some((was, set.iter().find(|is| is.0 == was.0)?)));
    pairs.filter(|(was, is)| was != is).map(|(was, is)| (words(was), words(is))).collect()
}

/// An option as words of a command line.
fn words((option, values): &GivenOption) -> String {
    let with = |value: &String| match value.as_str() {
        "false" => format!("{option}=false"),
        value => format!("{option} {}", quoted(Path::new(value))),
    };
    let words: Vec<String> = values.iter().map(with).collect();
    if words.is_empty() { (*option).to_owned() } else { words.join(" ") }
}
