//! Files that list packages: DESCRIPTION and renv.lock.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Source, Use, UseKind};
use crate::languages::r::description;

/// The packages of a DESCRIPTION. Those that are only suggested or needed to compile are optional.
pub(super) fn description(bytes: &[u8], source: &mut Source) -> Result<(), String> {
    for named in description::named(bytes)? {
        let optional = !matches!(named.field, "Depends" | "Imports");
        source.uses(Use { line: named.line, package: named.package, kind: UseKind::Named, optional, continues: true });
    }
    Ok(())
}

/// The part of an renv.lock that is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lock<'a> {
    /// The packages by name; of the values only the position is used.
    #[serde(borrow)]
    packages: BTreeMap<String, &'a RawValue>,
}

/// The packages of an renv.lock: all in the project's library.
pub(super) fn lock(text: &str, source: &mut Source) -> Result<(), String> {
    let lock: Lock<'_> = serde_json::from_str(text).map_err(|error| format!("it is not an renv.lock: {error}"))?;
    let mut places: Vec<(usize, String)> = lock
        .packages
        .into_iter()
        .map(|(name, value)| (value.get().as_ptr() as usize - text.as_ptr() as usize, name))
        .collect();
    places.sort();
    let (mut line, mut before) = (1, 0);
    for (place, name) in places {
        line += text[before..place].matches('\n').count();
        before = place;
        source.uses(Use { line, package: name, kind: UseKind::Named, optional: false, continues: true });
    }
    Ok(())
}
