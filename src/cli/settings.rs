//! From options and layerfit.toml to settings, once; everything that is wrong with them is reported here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{
    Architecture, GateOptions, Layers, LevelName, LimitOptions, PlanOptions, StrategyName, StripName, Targets,
};
use super::config::{BudgetConfig, Bytes, Config, FindingConfig, LimitBytes, RUNTIME, RelocateConfig, SeverityName};
use super::{env, recorded};
use crate::base::error::{Error, Result};
use crate::base::finding::Code;
use crate::base::path::TreePath;
use crate::base::read;
use crate::base::severity::{Severities, SeverityRule};
use crate::base::similar::nearest;
use crate::formats::strace::{self, Opened};
use crate::languages::{Arrangement, Relocation};
use crate::pack;
use crate::pack::measure::{Level, SharedCache};
use crate::pack::output::{GivenOptions, MANIFEST, PackedFor};
use crate::pack::rewrite::Transforms;
use crate::pack::rewrite::strip::StripMode;
use crate::pack::{Group, LayerPolicy, Strategy};
use crate::plan::{BuildHost, Settings};
use crate::prune::{Level as RuleLevel, PruneRules};
use crate::report::gate::{Budget, BudgetScope, Gate};
use crate::runtime::{Limits, RuntimeProfile};
use crate::tree::{start_files, unzipped_size};

/// The default root that libraries are bundled from, where the tree is not from an image.
pub(super) const SYSROOT: &str = "/";

/// The cache that several machines share. A directory in the file is relative to that of the file.
fn shared_cache(given: Option<&str>, config: &Config) -> Result<Option<Arc<SharedCache>>> {
    let in_file = config.shared_cache.as_ref().map(|url| {
        let is_url = url.contains("://") || url.is_empty();
        if is_url { url.clone() } else { config.path(Path::new(url)).display().to_string() }
    });
    let url = given.map(str::to_owned).or(in_file);
    Ok(url.map(|url| SharedCache::open(&url)).transpose()?.map(Arc::new))
}

/// The settings from the options; if an option is not given, from the configuration file, and then from what finished layers,
/// or those that a tree is compared with, are packed for and shaped with.
pub(super) fn settings(given: &PlanOptions, config: &Config, packed: Option<&PackedFor>) -> Result<Settings> {
    let recorded = packed.map(|packed| packed.options.clone()).unwrap_or_default();
    let options = &recorded::over(given, config, &recorded);
    let PlanOptions { input, variables, content, targets, traces, size, layers, .. } = options;
    let variables = env::variables(variables, config)?;
    let mut runtime = runtime(input.runtime.as_deref(), config, packed)?;
    for (name, value) in &variables {
        runtime.environment.set(name, value);
    }
    let (prune, ignored) = rules_and_checks(options, config, &recorded)?;
    let sysroot = content.sysroot.clone().or_else(|| config.sysroot.as_ref().map(|path| config.path(path)));
    let host = sysroot.map_or(BuildHost::OfTheTree, BuildHost::Named);
    let bundle = content.bundle.or(config.bundle).unwrap_or(false);
    if content.sysroot.is_some() && !bundle {
        return Err(Error::Usage {
            message: "--sysroot has no effect without --bundle".to_owned(),
            help: "add --bundle, or leave --sysroot out".to_owned(),
        });
    }
    let from_file = |paths: &[PathBuf]| -> Vec<PathBuf> { paths.iter().map(|path| config.path(path)).collect() };
    let mut limits = limits(&options.limits, config, packed)?;
    let code = code(options.code.as_deref(), config, options.default_code.as_deref());
    limits.code_unzipped = code.as_deref().and_then(|code| unzipped_size(code, |_| true));
    runtime.environment.code = code.as_deref().map(start_files).unwrap_or_default();
    let architecture = content.arch.or(config.arch).map(Architecture::name);
    Ok(Settings {
        runtime,
        variables,
        rules: prune,
        limits,
        packed_for: packed.cloned(),
        options: recorded::given(given),
        architecture: architecture.or_else(|| packed.and_then(|packed| packed.architecture)),
        transforms: transforms(options, config)?,
        level: match size.level.or(config.level).unwrap_or_default() {
            LevelName::Fast => Level::Fast,
            LevelName::Default => Level::Default,
            LevelName::Max => Level::Max,
        },
        use_cache: !size.no_cache,
        shared_cache: if size.no_cache { None } else { shared_cache(size.shared_cache.as_deref(), config)? },
        weigh_pruned: size.weigh_pruned,
        contents: false,
        arrangement: arrangement(config)?,
        layer_policy: layer_policy(layers, config, limits.layer_zipped)?,
        lock: file("lock", layers.lock.as_ref(), config.lock.as_ref(), config)?,
        bundle_from: bundle.then(|| host.clone()),
        host,
        drop: [&config.drop[..], &targets.drop].concat(),
        autoremove: autoremove(targets, config)?,
        passed_over: recorded::passed_over(given, config, &recorded),
        keep: [&config.keep[..], &targets.keep].concat(),
        handlers: [from_file(&config.handler), targets.handler.clone()].concat(),
        run: opened(&[from_file(&config.trace), traces.trace.clone()].concat())?,
        // Without a file, findings are shown where one would be.
        config: input.config.clone().filter(|path| path != Path::new("/dev/null")),
        severities: Severities { off: ignored, rules: severity_rules(config)? },
        tree_options: tree_options(given),
    })
}

/// The file that an option or the key of the same name has, which an earlier run wrote or this one writes.
fn file(key: &str, option: Option<&PathBuf>, in_config: Option<&PathBuf>, config: &Config) -> Result<Option<PathBuf>> {
    match (option, in_config) {
        (Some(path), _) => require_file(key, &format!("--{key}"), path, path.clone()).map(Some),
        (None, Some(path)) => {
            require_file(key, &format!("{}: {key}", config.place(key, 0)), path, config.path(path)).map(Some)
        }
        (None, None) => Ok(None),
    }
}

/// A path that has to be that of a file, as it is written at a place, and as it is opened.
fn require_file(key: &str, place: &str, written: &Path, path: PathBuf) -> Result<PathBuf> {
    let why = if written.as_os_str().is_empty() {
        "is empty".to_owned()
    } else if path.is_dir() {
        format!("is a directory ({})", written.display())
    } else {
        return Ok(path);
    };
    let manifest = written.join(MANIFEST);
    let help = match key {
        "lock" => "name a file, such as layerfit.lock, or leave it out".to_owned(),
        _ if path.join(MANIFEST).is_file() => format!("name its manifest: {}", manifest.display()),
        _ => "name a file, such as layerfit.baseline.json, or leave it out".to_owned(),
    };
    Err(Error::Usage { message: format!("{place} {why}, and has to name a file"), help })
}

/// Whether packages that only dropped ones need are dropped with them.
fn autoremove(targets: &Targets, config: &Config) -> Result<bool> {
    let asked = targets.autoremove == Some(true);
    if asked && targets.drop.is_empty() && config.drop.is_empty() {
        return Err(Error::Usage {
            message: "--autoremove has no effect without --drop".to_owned(),
            help: "name what to drop with --drop; `layerfit why` lists packages that nothing needs".to_owned(),
        });
    }
    Ok(targets.autoremove.or(config.autoremove).unwrap_or(false))
}

/// The options that change what is kept of a tree.
fn tree_options(options: &PlanOptions) -> Vec<&'static str> {
    let PlanOptions { content, rules, targets, .. } = options;
    let given = [
        (content.bundle == Some(true), "--bundle"),
        (!rules.rules.is_empty(), "--rules"),
        (!rules.select.is_empty(), "--select"),
        (!targets.drop.is_empty(), "--drop"),
        (targets.autoremove == Some(true), "--autoremove"),
        (!targets.keep.is_empty(), "--keep"),
        (!targets.handler.is_empty(), "--handler"),
    ];
    given.into_iter().filter_map(|(given, option)| given.then_some(option)).collect()
}

/// The limits that the layers must stay within.
pub(super) fn limits(given: &LimitOptions, config: &Config, packed: Option<&PackedFor>) -> Result<Limits> {
    let recorded = packed.map(|packed| packed.limits).unwrap_or_default();
    let mut limits = Limits::built_in();
    let zipped = given.max_zipped.or(limit(config.max_zipped)).or(recorded.layer_zipped);
    limits.layer_zipped = zipped.unwrap_or(limits.layer_zipped);
    let unzipped = given.max_unzipped.or(limit(config.max_unzipped)).or(recorded.total_unzipped);
    limits.total_unzipped = unzipped.unwrap_or(limits.total_unzipped);
    let layers = given.max_layers.or(config.max_layers).map(Into::into).or(recorded.layers);
    limits.layers = layers.unwrap_or(limits.layers);
    let function = given.function_size.or(bytes(config.function_size)).or(recorded.function_unzipped);
    limits.function_unzipped = function.unwrap_or(0);
    if limits.layers_unzipped() == 0 {
        let set_by = if given.function_size.is_some() {
            "--function-size".to_owned()
        } else if config.function_size.is_some() {
            format!("{}: function-size", config.place("function-size", 0))
        } else {
            format!("{MANIFEST} of the layers: function-size")
        };
        let [function, total] = [limits.function_unzipped, limits.total_unzipped].map(crate::base::bytes::size);
        return Err(Error::Usage {
            message: format!("{set_by}: the function's {function} leave nothing of {total} for layers"),
            help: "give the unzipped size of the function's own code alone, without its layers".to_owned(),
        });
    }
    Ok(limits)
}

/// The function's code: what an option names, or the file, or its default place; it may not be there.
fn code(given: Option<&Path>, config: &Config, default: Option<&Path>) -> Option<PathBuf> {
    let in_file = || config.template.code.as_ref().map(|path| config.path(path));
    given.map(Path::to_owned).or_else(in_file).or_else(|| default.map(Path::to_owned))
}

/// The unzipped bytes of the function's code, which an option or the file names; `None` if neither does, or it is not there.
pub(super) fn code_size(given: Option<&Path>, config: &Config) -> Option<u64> {
    unzipped_size(&code(given, config, None)?, |_| true)
}

fn limit(size: Option<LimitBytes>) -> Option<u64> {
    size.map(|size| size.0)
}

fn bytes(size: Option<Bytes>) -> Option<u64> {
    size.map(|size| size.0)
}

/// The runtime that an option or the file names, or else the one that finished layers are packed for.
///
/// # Errors
/// When there is no such profile; or when the layers are packed for one that is not built in, as its file is not known.
pub(super) fn runtime(option: Option<&str>, config: &Config, packed: Option<&PackedFor>) -> Result<RuntimeProfile> {
    let (name, file) = match (option, &config.runtime) {
        (Some(name), _) => (name, PathBuf::from(name)),
        (None, Some(name)) => (name.as_str(), config.path(Path::new(name))),
        (None, None) => {
            let name = packed.and_then(|packed| packed.runtime.as_deref()).unwrap_or(RUNTIME);
            if !RuntimeProfile::is_built_in(name) {
                return Err(Error::Usage {
                    message: format!("the layers are packed for {name}, and no built-in runtime is called that"),
                    help: "name the file of its profile with --runtime, or as `runtime` in layerfit.toml".to_owned(),
                });
            }
            return RuntimeProfile::load(name);
        }
    };
    if RuntimeProfile::is_built_in(name) {
        return RuntimeProfile::load(name);
    }
    if file.is_file() {
        return RuntimeProfile::load(&file.to_string_lossy());
    }
    let set_by =
        if option.is_some() { "--runtime".to_owned() } else { format!("{}: runtime", config.place("runtime", 0)) };
    let names: Vec<&str> = RuntimeProfile::names().collect();
    let all = format!("the built-in ones are {}; or give the path of a profile", names.join(", "));
    Err(Error::Usage {
        message: format!("{set_by}: no runtime and no file is called {name}"),
        help: match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near}? {all}"),
            None => all,
        },
    })
}

/// How files are rewritten.
fn transforms(options: &PlanOptions, config: &Config) -> Result<Transforms> {
    let size = &options.size;
    let strip = match size.strip.or(config.strip).unwrap_or_default() {
        StripName::None => StripMode::None,
        StripName::Debug => StripMode::Debug,
        StripName::All => StripMode::All,
    };
    let not_stripped = [&config.no_strip[..], &size.no_strip].concat();
    Transforms::new(strip, &not_stripped, size.repack_rdb.or(config.repack_rdb).unwrap_or(false))
}

/// The prune rules, each on or off, and the checks whose findings are hidden.
fn rules_and_checks(
    options: &PlanOptions,
    config: &Config,
    recorded: &GivenOptions,
) -> Result<(PruneRules, Vec<Code>)> {
    let given = &options.rules;
    let from_file = config.rules.iter().map(|path| config.path(path));
    let mut rules = PruneRules::load(&from_file.chain(given.rules.iter().cloned()).collect::<Vec<_>>())?;
    let mut ignored = Vec::new();
    // The command line comes second, so that it can undo what the file does.
    for (element, name) in config.select.iter().enumerate() {
        if !select(name, &mut rules) {
            return Err(unknown(&format!("{}: select", config.place("select", element)), name, &rules));
        }
    }
    for (element, name) in config.ignore.iter().enumerate() {
        if !ignore(name, &mut rules, &mut ignored) {
            return Err(unknown(&format!("{}: ignore", config.place("ignore", element)), name, &rules));
        }
    }
    // A rule that is not there any more, or is in a file of rules that was not named again, changes nothing.
    for name in recorded.select.iter().filter(|_| given.select.is_empty()) {
        select(name, &mut rules);
    }
    for name in recorded.ignore.iter().filter(|_| given.ignore.is_empty()) {
        ignore(name, &mut rules, &mut Vec::new());
    }
    if let Some(name) = given.select.iter().find(|name| !select(name, &mut rules)) {
        return Err(unknown("--select", name, &rules));
    }
    if let Some(name) = given.ignore.iter().find(|name| given.select.contains(name)) {
        return Err(Error::Usage {
            message: format!("--select {name} and --ignore {name} contradict each other"),
            help: "leave out one of them".to_owned(),
        });
    }
    if let Some(name) = given.ignore.iter().find(|name| !ignore(name, &mut rules, &mut ignored)) {
        return Err(unknown("--ignore", name, &rules));
    }
    Ok((rules, ignored))
}

/// Turns rules on; returns whether there is one of that name.
fn select(name: &str, rules: &mut PruneRules) -> bool {
    if name == "extra" {
        rules.set_level(RuleLevel::Extra, true);
        return true;
    }
    rules.set(name, true)
}

/// Turns rules off, or notes the check whose findings are hidden; returns whether there is one of that name.
fn ignore(name: &str, rules: &mut PruneRules, ignored: &mut Vec<Code>) -> bool {
    if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == name) {
        ignored.push(*code);
        return true;
    }
    if name == "safe" {
        rules.set_level(RuleLevel::Safe, false);
        return true;
    }
    rules.set(name, false)
}

fn unknown(set_by: &str, name: &str, rules: &PruneRules) -> Error {
    if Code::ALL.iter().any(|code| code.as_str() == name) {
        return Error::Usage {
            message: format!("{set_by}: {name} is a check, and not a prune rule"),
            help: "checks are always on; `ignore` hides their findings".to_owned(),
        };
    }
    let known = rules.iter().flat_map(|(rule, _)| [rule.code.as_str(), rule.name.as_str()]);
    let known = known.chain(Code::ALL.iter().map(|code| code.as_str()));
    Error::Usage {
        message: format!("{set_by}: no rule or check is called {name}"),
        help: match nearest(name, known) {
            Some(near) => format!("did you mean {near}? `layerfit rules` lists them all"),
            None => "`layerfit rules` lists them all".to_owned(),
        },
    }
}

/// An error about an element of the file, with its place.
fn at(config: &Config, key: &str, element: usize) -> impl FnOnce(Error) -> Error {
    let place = config.place(key, element);
    move |error| match error {
        Error::Usage { message, help } => Error::Usage { message: format!("{place}: {message}"), help },
        other => other,
    }
}

fn severity_rules(config: &Config) -> Result<Vec<SeverityRule>> {
    let rule = |(element, entry): (usize, &FindingConfig)| {
        if entry.reason.trim().is_empty() && entry.severity == SeverityName::Off {
            return Err(Error::Usage {
                message: format!(
                    "{}: [[finding]] {} is turned off without a reason",
                    config.place("finding", element),
                    entry.code
                ),
                help: "add one, so that readers can tell when it no longer applies: reason = \"…\"".to_owned(),
            });
        }
        SeverityRule::new(entry.code, entry.subject.as_deref(), entry.severity.severity())
            .map_err(at(config, "finding", element))
    };
    config.finding.iter().enumerate().map(rule).collect()
}

pub(super) fn gate(config: &Config) -> Result<Gate> {
    let budget = |(element, entry): (usize, &BudgetConfig)| {
        if entry.zipped.is_none() && entry.unzipped.is_none() && entry.growth.is_none() {
            return Err(Error::Usage {
                message: format!("{}: the [[budget]] of {} limits nothing", config.place("budget", element), entry.of),
                help: "set zipped, unzipped or growth".to_owned(),
            });
        }
        Ok(Budget {
            of: BudgetScope::new(&entry.of).map_err(at(config, "budget", element))?,
            zipped: bytes(entry.zipped),
            unzipped: bytes(entry.unzipped),
            growth: entry.growth.map(|growth| growth.0),
        })
    };
    Ok(Gate {
        budgets: config.budget.iter().enumerate().map(budget).collect::<Result<_>>()?,
        baseline: file("baseline", None, config.baseline.as_ref(), config)?,
        max_growth: config.max_growth.map(|growth| growth.0),
        headroom: bytes(config.headroom).unwrap_or(0),
        ..Gate::default()
    })
}

/// The gate, with the options of `check` over it.
pub(super) fn gate_of(options: &GateOptions, gate: &Gate) -> Result<Gate> {
    let named = |path: &PathBuf| require_file("baseline", "--baseline", path, path.clone());
    let gate = Gate {
        budgets: gate.budgets.clone(),
        baseline: options.baseline.as_ref().map(named).transpose()?.or_else(|| gate.baseline.clone()),
        max_growth: options.max_growth.or(gate.max_growth),
        update_baseline: options.update_baseline,
        manifest: options.manifest.clone(),
        headroom: options.headroom.unwrap_or(gate.headroom),
    };
    let needs = [
        (options.max_growth.is_some(), "--max-growth"),
        (gate.update_baseline, "--update-baseline"),
        (gate.max_growth.is_some(), "max-growth in layerfit.toml"),
        (gate.budgets.iter().any(|budget| budget.growth.is_some()), "the growth of a [[budget]]"),
    ];
    match needs.iter().find(|(given, _)| *given && gate.baseline.is_none()) {
        Some((_, option)) => Err(Error::Usage {
            message: format!("{option} has no effect without a baseline"),
            help: "name one, in layerfit.toml (baseline = \"layerfit.baseline.json\") or with --baseline: a file that \
                   --update-baseline wrote, or the manifest.json of an earlier run"
                .to_owned(),
        }),
        None => Ok(gate),
    }
}

/// What was opened, and looked for in vain, in the runs of these logs.
fn opened(logs: &[PathBuf]) -> Result<Opened> {
    let mut opened = Opened::default();
    for path in logs {
        opened.add(log(path)?);
    }
    Ok(opened)
}

/// A log of a run.
///
/// # Errors
/// When it cannot be read, or has no call in strace's format.
pub(super) fn log(path: &Path) -> Result<Opened> {
    let log = read::bytes(path, read::MAX_TRACE)?;
    strace::parse(&log).map_err(|message| Error::Data {
        file: path.display().to_string(),
        message,
        help: "run the test under strace again, or leave --trace out".to_owned(),
    })
}

fn arrangement(config: &Config) -> Result<Arrangement> {
    let inside = |path: &String, key: &str, element: usize| {
        // `/opt/local` and `local` are the same place.
        let path_in_tree = TreePath::from_mounted(path.as_bytes()).or_else(|| TreePath::new(path));
        path_in_tree
            .filter(|inside| !inside.is_root() && (!path.starts_with('/') || path.starts_with("/opt/")))
            .ok_or_else(|| Error::Usage {
                message: format!("{}: {path} is not a directory of the tree", config.place(key, element)),
                help: "name a library relative to the tree, such as local/lib/R/site-library".to_owned(),
            })
    };
    let relocation = |(element, entry): (usize, &RelocateConfig)| {
        Ok(Relocation { packages: entry.packages.clone(), to: inside(&entry.to, "relocate", element)? })
    };
    let library = |(element, path): (usize, &String)| inside(path, "r-libs-user", element);
    Ok(Arrangement {
        relocations: config.relocate.iter().enumerate().map(relocation).collect::<Result<_>>()?,
        libraries: config.r_libs_user.iter().enumerate().map(library).collect::<Result<_>>()?,
    })
}

fn layer_policy(options: &Layers, config: &Config, layer_zipped: u64) -> Result<LayerPolicy> {
    let slack = options.slack.or(config.slack.map(|slack| slack.0));
    let slack = slack.map_or(0, |slack| slack.limit(layer_zipped) - layer_zipped);
    let strategy = match options.strategy.or(config.strategy).unwrap_or_default() {
        StrategyName::Fewest => Strategy::Fewest,
        StrategyName::Kinds => Strategy::Kinds,
    };
    let mut groups = Vec::new();
    for (element, layer) in config.layer.iter().enumerate() {
        // It must differ from the names of unnamed layers.
        let wrong = match layer.name.as_str() {
            "" => Some("is empty"),
            name if !pack::is_layer_name(name) => Some("has characters other than letters, digits, '-' and '_'"),
            name if name.starts_with("layer-") => Some("is reserved for layers without a name"),
            name if groups.iter().any(|group: &Group| group.name == name) => Some("is used twice"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::Usage {
                message: format!("{}: the layer name {:?} {wrong}", config.place("layer", element), layer.name),
                help: "choose another name".to_owned(),
            });
        }
        groups.push(Group::new(&layer.name, &layer.holds).map_err(at(config, "layer", element))?);
    }
    if groups.is_empty() && strategy == Strategy::Kinds {
        groups = pack::kinds();
    }
    let published = config.publish.names.keys().cloned().collect();
    Ok(LayerPolicy { groups, strategy, slack, published })
}
