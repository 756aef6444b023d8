//! From arguments to settings, once; everything that is wrong with them is said here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::args::{Architecture, Common, GateArgs, LevelName, StrategyName, StripName};
use super::config::{BudgetConfig, Bytes, Config, FindingConfig, NAME, RelocateConfig, SeverityName};
use crate::base::error::{Error, Result};
use crate::base::finding::Code;
use crate::base::path::TreePath;
use crate::base::severity::{Severities, SeverityRule};
use crate::formats::strace;
use crate::languages::{Arrangement, Relocation};
use crate::pack;
use crate::pack::measure::Level;
use crate::pack::rewrite::Transforms;
use crate::pack::rewrite::strip::StripMode;
use crate::pack::{Group, LayerPolicy, Strategy};
use crate::plan::Settings;
use crate::prune::PruneRules;
use crate::report::gate::{Budget, BudgetScope, Gate};
use crate::runtime::{Limits, RuntimeProfile};

/// The runtime that nobody named another than.
pub(super) const RUNTIME: &str = "provided.al2023";

/// The root that libraries are bundled from.
pub(super) const SYSROOT: &str = "/";

/// The settings that the arguments ask for, and where they say nothing, the configuration file.
pub(super) fn settings(common: &Common, config: &Config) -> Result<Settings> {
    let in_file = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
    let mut limits = Limits::built_in();
    let said = &config.limits;
    limits.layer_zipped = common.max_zipped.or(in_file(said.layer_zipped)).unwrap_or(limits.layer_zipped);
    limits.total_unzipped = common.max_unzipped.or(in_file(said.total_unzipped)).unwrap_or(limits.total_unzipped);
    limits.layers = common.max_layers.or(said.layers).map_or(limits.layers, Into::into);
    limits.function_unzipped = common.function_size.or(in_file(said.function_size)).unwrap_or(0);

    let own_rules = config.rules.iter().map(|path| config.path(path));
    let mut prune = PruneRules::load(&own_rules.chain(common.rules.iter().cloned()).collect::<Vec<_>>())?;
    let mut ignored = Vec::new();
    // The command line comes second, so that it can take back what the file says.
    for (select, ignore, options) in [
        (&config.select, &config.ignore, ["select in", "ignore in"]),
        (&common.select, &common.ignore, ["--select", "--ignore"]),
    ] {
        choose(select, ignore, options, &mut prune, &mut ignored)?;
    }
    let strip = match common.strip.or(config.strip).unwrap_or_default() {
        StripName::None => StripMode::None,
        StripName::Debug => StripMode::Debug,
        StripName::All => StripMode::All,
    };
    let runtime = match (&common.runtime, &config.runtime) {
        (Some(name), _) => RuntimeProfile::load(name)?,
        (None, Some(name)) if RuntimeProfile::is_built_in(name) => RuntimeProfile::load(name)?,
        (None, Some(file)) => RuntimeProfile::load(&config.path(file.as_ref()).to_string_lossy())?,
        (None, None) => RuntimeProfile::load(RUNTIME)?,
    };
    let sysroot = common.sysroot.clone().or_else(|| config.sysroot.as_ref().map(|path| config.path(path)));
    let bundle = common.bundle.or(config.bundle).unwrap_or(false);
    if common.sysroot.is_some() && !bundle {
        return Err(Error::Usage {
            message: "--sysroot is the root that --bundle takes libraries from".to_owned(),
            help: "give both, or neither".to_owned(),
        });
    }
    let not_stripped: Vec<String> = config.no_strip.iter().chain(&common.no_strip).cloned().collect();
    Ok(Settings {
        runtime,
        rules: prune,
        limits,
        architecture: common.arch.or(config.arch).map(Architecture::name),
        transforms: Transforms::new(strip, &not_stripped, common.repack_rdb.or(config.repack_rdb).unwrap_or(false))?,
        level: match common.level.or(config.level).unwrap_or_default() {
            LevelName::Fast => Level::Fast,
            LevelName::Default => Level::Default,
            LevelName::Max => Level::Max,
        },
        use_cache: !common.no_cache,
        arrangement: arrangement(config)?,
        layer_policy: layer_policy(common, config)?,
        lock: common.lock.clone().or_else(|| config.lock.as_ref().map(|path| config.path(path))),
        bundle_from: bundle.then(|| sysroot.unwrap_or_else(|| SYSROOT.into())),
        drop: config.drop.iter().chain(&common.drop).cloned().collect(),
        keep: config.keep.iter().chain(&common.keep).cloned().collect(),
        handlers: config.handler.iter().map(|path| config.path(path)).chain(common.handler.iter().cloned()).collect(),
        opened: opened(config.trace.iter().map(|path| config.path(path)).chain(common.trace.iter().cloned()))?,
        severities: Severities { off: ignored, rules: severity_rules(config)? },
    })
}

fn severity_rules(config: &Config) -> Result<Vec<SeverityRule>> {
    let rule = |said: &FindingConfig| {
        let unsaid = said.reason.trim().is_empty();
        if unsaid && said.severity == SeverityName::Off {
            return Err(Error::Usage {
                message: format!("{NAME}: [[finding]] {} is turned off without a reason", said.code),
                help: "say why, so that the next reader can tell when it is over: reason = \"…\"".to_owned(),
            });
        }
        SeverityRule::new(said.code, said.subject.as_deref(), said.severity.severity())
    };
    config.finding.iter().map(rule).collect()
}

fn gate(config: &Config) -> Result<Gate> {
    let in_file = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
    let budget = |said: &BudgetConfig| {
        if said.zipped.is_none() && said.unzipped.is_none() && said.growth.is_none() {
            return Err(Error::Usage {
                message: format!("{NAME}: the [[budget]] of {} allows everything", said.of),
                help: "say how much it may weigh: zipped, unzipped or growth".to_owned(),
            });
        }
        let growth = said.growth.map(|growth| growth.0);
        Ok(Budget {
            of: BudgetScope::new(&said.of)?,
            zipped: in_file(said.zipped),
            unzipped: in_file(said.unzipped),
            growth,
        })
    };
    Ok(Gate {
        budgets: config.budget.iter().map(budget).collect::<Result<_>>()?,
        baseline: config.baseline.as_ref().map(|path| config.path(path)),
        max_growth: config.max_growth.map(|growth| growth.0),
        headroom: in_file(config.limits.headroom).unwrap_or(0),
        ..Gate::default()
    })
}

/// The gate, with what `check`'s own arguments say of it.
pub(super) fn gate_of(arguments: &GateArgs, gate: &Gate) -> Result<Gate> {
    let gate = Gate {
        budgets: gate.budgets.clone(),
        baseline: arguments.baseline.clone().or_else(|| gate.baseline.clone()),
        max_growth: arguments.max_growth.or(gate.max_growth),
        update_baseline: arguments.update_baseline,
        manifest: arguments.manifest.clone(),
        headroom: arguments.headroom.unwrap_or(gate.headroom),
    };
    let needs = [(arguments.max_growth.is_some(), "--max-growth"), (gate.update_baseline, "--update-baseline")];
    match needs.iter().find(|(said, _)| *said && gate.baseline.is_none()) {
        Some((_, option)) => Err(Error::Usage {
            message: format!("{option}: there is no baseline"),
            help: "name one: --baseline layerfit.baseline.json, or the manifest.json of an earlier run".to_owned(),
        }),
        None => Ok(gate),
    }
}

/// What the runs opened that these logs are of.
fn opened(logs: impl Iterator<Item = PathBuf>) -> Result<BTreeSet<Vec<u8>>> {
    let mut opened = BTreeSet::new();
    for path in logs {
        let log = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let read = strace::parse(&log).map_err(|message| Error::Data {
            file: path.display().to_string(),
            message,
            help: "run the function's test once more under strace, or leave --trace out".to_owned(),
        })?;
        opened.extend(read.paths);
    }
    Ok(opened)
}

/// Turns rules on and off, and notes the checks whose findings are left out.
fn choose(
    select: &[String],
    ignore: &[String],
    [select_option, ignore_option]: [&str; 2],
    rules: &mut PruneRules,
    ignored: &mut Vec<Code>,
) -> Result<()> {
    for name in select {
        if name == "extra" {
            rules.set_level(crate::prune::Level::Extra, true);
        } else if !rules.set(name, true) {
            return Err(unknown(select_option, name, rules));
        }
    }
    for name in ignore {
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == name) {
            ignored.push(*code);
        } else if name == "safe" {
            rules.set_level(crate::prune::Level::Safe, false);
        } else if !rules.set(name, false) {
            return Err(unknown(ignore_option, name, rules));
        }
    }
    Ok(())
}

fn arrangement(config: &Config) -> Result<Arrangement> {
    let inside = |path: &String| {
        // `/opt/local` and `local` are the same place.
        let path_in_tree = TreePath::from_mounted(path.as_bytes()).or_else(|| TreePath::new(path));
        path_in_tree
            .filter(|inside| !inside.is_root() && (!path.starts_with('/') || path.starts_with("/opt/")))
            .ok_or_else(|| Error::Usage {
                message: format!("{NAME}: {path} is no directory of the tree"),
                help: "name a library relative to the tree, such as local/lib/R/site-library".to_owned(),
            })
    };
    let relocation =
        |relocate: &RelocateConfig| Ok(Relocation { packages: relocate.packages.clone(), to: inside(&relocate.to)? });
    Ok(Arrangement {
        relocations: config.relocate.iter().map(relocation).collect::<Result<_>>()?,
        libraries: config.r_libs_user.iter().map(inside).collect::<Result<_>>()?,
    })
}

pub(super) fn gate_default() -> Gate {
    Gate::default()
}

fn layer_policy(common: &Common, config: &Config) -> Result<LayerPolicy> {
    let strategy = match common.strategy.or(config.strategy).unwrap_or_default() {
        StrategyName::Fewest => Strategy::Fewest,
        StrategyName::Kinds => Strategy::Kinds,
    };
    let mut groups = Vec::new();
    for layer in &config.layer {
        // It is the name of a zip too, and what layers without one are called has a meaning of its own.
        let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let wrong = match layer.name.as_str() {
            "" => Some("has no characters"),
            name if !name.chars().all(simple) => Some("has other characters than letters, digits, '-' and '_'"),
            name if name.starts_with("layer-") => Some("is what a layer without a name could be called"),
            name if groups.iter().any(|group: &Group| group.name == name) => Some("is there twice"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::Usage {
                message: format!("{NAME}: the layer name {:?} {wrong}", layer.name),
                help: "give it another name".to_owned(),
            });
        }
        groups.push(Group::new(&layer.name, &layer.holds)?);
    }
    if groups.is_empty() && strategy == Strategy::Kinds {
        groups = pack::kinds()?;
    }
    Ok(LayerPolicy { groups, strategy })
}

fn unknown(option: &str, name: &str, rules: &PruneRules) -> Error {
    let known = rules.iter().flat_map(|(rule, _)| [rule.code.clone(), rule.name.clone()]);
    let known = known.chain(Code::ALL.iter().map(ToString::to_string));
    let close = known.filter(|known| known.eq_ignore_ascii_case(name) || known.contains(name)).min();
    Error::Usage {
        message: format!("{option} {name}: there is no such rule or check"),
        help: match close {
            Some(close) => format!("did you mean {close}? `layerfit rules` lists them all"),
            None => "`layerfit rules` lists them all".to_owned(),
        },
    }
}
