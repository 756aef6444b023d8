//! From arguments to settings, once; everything that is wrong with them is said here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::args::{Architecture, Common, LevelName, StrategyName, StripName};
use super::config::{Bytes, Config, NAME, RelocateConfig};
use crate::arrange::{Arrangement, Relocation};
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::formats::strace;
use crate::measure::Level;
use crate::pack::{self, Group, Strategy, Wishes};
use crate::path::TreePath;
use crate::pipeline::Settings;
use crate::rules::{self, Limits, PruneRules, RuntimeProfile};
use crate::transform::Transforms;
use crate::transform::strip::StripMode;

/// The settings that the arguments ask for, and where they say nothing, the configuration file.
pub(super) fn settings(common: &Common, config: &Config) -> Result<Settings> {
    let in_file = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
    let mut limits = Limits::built_in()?;
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
        (None, None) => RuntimeProfile::load("provided.al2023")?,
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
        wishes: wishes(common, config)?,
        lock: common.lock.clone().or_else(|| config.lock.as_ref().map(|path| config.path(path))),
        bundle_from: bundle.then(|| sysroot.unwrap_or_else(|| "/".into())),
        drop: config.drop.iter().chain(&common.drop).cloned().collect(),
        keep: config.keep.iter().chain(&common.keep).cloned().collect(),
        handlers: config.handler.iter().map(|path| config.path(path)).chain(common.handler.iter().cloned()).collect(),
        opened: opened(config.trace.iter().map(|path| config.path(path)).chain(common.trace.iter().cloned()))?,
        ignored,
    })
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
            rules.set_level(rules::Level::Extra, true);
        } else if !rules.set(name, true) {
            return Err(unknown(select_option, name, rules));
        }
    }
    for name in ignore {
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == name) {
            ignored.push(*code);
        } else if name == "safe" {
            rules.set_level(rules::Level::Safe, false);
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

fn wishes(common: &Common, config: &Config) -> Result<Wishes> {
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
    Ok(Wishes { groups, strategy })
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

/// Reads a number of bytes: `52428800`, `50MB`. A KB is 1024 bytes and a MB 1024 KB, as in Lambda's quotas.
pub(super) fn bytes(text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let factor: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err(format!("{unit:?} is no unit: B, KB, MB or GB (a KB is 1024 bytes)")),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| format!("{text:?} is no number of bytes, such as 52428800 or 50MB"))?;
    let part = match fraction {
        "" => 0,
        digits => {
            let value: u64 =
                digits.get(..digits.len().min(9)).and_then(|d| d.parse().ok()).ok_or("no number of bytes")?;
            let scale = 10_u64.pow(u32::try_from(digits.len().min(9)).unwrap_or(9));
            u64::try_from(u128::from(value) * u128::from(factor) / u128::from(scale)).unwrap_or(u64::MAX)
        }
    };
    whole.checked_mul(factor).and_then(|bytes| bytes.checked_add(part)).ok_or_else(|| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_aws_writes_them() {
        for (text, value) in [
            ("52428800", 52_428_800),
            ("50MB", 52_428_800),
            ("50 mb", 52_428_800),
            ("1.5KB", 1536),
            ("0", 0),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
        for text in ["", "MB", "-1", "5 apples", "1.x", "99999999999999999999", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
