//! From arguments to settings, once; everything that is wrong with them is said here.

use super::args::{Architecture, Common, LevelName, StripName};
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::measure::Level;
use crate::pipeline::Settings;
use crate::rules::{self, Limits, PruneRules, RuntimeProfile};
use crate::transform::Transforms;
use crate::transform::strip::StripMode;

/// The settings that the arguments ask for.
pub(super) fn settings(common: &Common) -> Result<Settings> {
    let mut limits = Limits::built_in()?;
    limits.layer_zipped = common.max_zipped.unwrap_or(limits.layer_zipped);
    limits.total_unzipped = common.max_unzipped.unwrap_or(limits.total_unzipped);
    limits.layers = common.max_layers.map_or(limits.layers, Into::into);
    limits.function_unzipped = common.function_size.unwrap_or(0);

    let mut prune = PruneRules::load(&common.rules)?;
    for name in &common.select {
        if name == "extra" {
            prune.set_level(rules::Level::Extra, true);
        } else if !prune.set(name, true) {
            return Err(unknown("--select", name, &prune));
        }
    }
    let mut ignored = Vec::new();
    for name in &common.ignore {
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == name) {
            ignored.push(*code);
        } else if name == "safe" {
            prune.set_level(rules::Level::Safe, false);
        } else if !prune.set(name, false) {
            return Err(unknown("--ignore", name, &prune));
        }
    }
    let strip = match common.strip {
        StripName::None => StripMode::None,
        StripName::Debug => StripMode::Debug,
        StripName::All => StripMode::All,
    };
    Ok(Settings {
        runtime: RuntimeProfile::load(&common.runtime)?,
        rules: prune,
        limits,
        architecture: common.arch.map(Architecture::name),
        transforms: Transforms::new(strip, &common.no_strip, common.repack_rdb)?,
        level: match common.level {
            LevelName::Fast => Level::Fast,
            LevelName::Default => Level::Default,
            LevelName::Max => Level::Max,
        },
        use_cache: !common.no_cache,
        lock: common.lock.clone(),
        bundle_from: common.bundle.then(|| common.sysroot.clone()),
        ignored,
    })
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
    let factor: u64 = match unit.trim().to_ascii_uppercase().as_str() {
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
