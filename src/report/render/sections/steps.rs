//! What could be done next.

use super::rows::Rows;
use super::section::{Detail, Section, SectionKind, TIGHTEST};
use crate::base::bytes::{rough_size, size};
use crate::base::finding::Code;
use crate::plan::suggest::{Figures, Setting, Suggestion};
use crate::report::Report;
use crate::report::render::shorter;

/// How many next steps a short report lists, by how tight it is.
const STEPS_SHOWN: [usize; TIGHTEST + 1] = [5, 3, 2];

/// What could be done next: each step with what it saves, the option that takes it, and what it risks. A short report has for each
/// one sentence besides.
pub(super) fn next_steps(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    let shown = if detail == Detail::Full { usize::MAX } else { STEPS_SHOWN[rows.tight] };
    let steps = || report.suggestions.iter().take(shown);
    let layers = steps().any(|step| step.layers > 0);
    let zipped = steps().any(|step| step.zipped_bytes.is_some());
    // A short report has the size that matters first, and may have no room for the other.
    let unzipped_first =
        detail == Detail::Full || report.findings.iter().any(|finding| finding.code == Code::UnzippedTooLarge);
    let rows: Vec<Vec<String>> = steps()
        .map(|step| {
            let saves = if step.layers > 0 { saved_layers(step) } else { String::new() };
            let mut sizes = vec![saved(step.unzipped_bytes, step)];
            sizes.extend(step.zipped_bytes.map(|bytes| saved(bytes, step)));
            if !unzipped_first {
                sizes.reverse();
            }
            let mut row = [&[step.name.clone()][..], &sizes].concat();
            row.extend(layers.then_some(saves));
            row.push(step.step.clone());
            match detail {
                Detail::Full => row.extend([step.what.clone(), step.risk.clone()]),
                Detail::Short => row.push(risk_in_short(step)),
            }
            row
        })
        .collect();
    let mut header = vec!["step", "unzipped"];
    header.extend(zipped.then_some("zipped"));
    if !unzipped_first {
        header[1..].reverse();
    }
    header.extend(layers.then_some("layers"));
    header.push("option");
    let numbers = (1..header.len() - 1).collect();
    header.extend(match detail {
        Detail::Full => ["what it does", "risk"].as_slice(),
        Detail::Short => &["risk"],
    });
    let mut notes = Vec::new();
    let more = report.suggestions.len().saturating_sub(rows.len());
    match detail {
        Detail::Short if more > 0 => notes.push(format!("-v: what each does, and {more} more.")),
        Detail::Short => notes.push("-v: what each does.".to_owned()),
        Detail::Full if steps().any(|step| step.figures == Figures::Estimated) => {
            notes.push("~: estimated.".to_owned());
        }
        Detail::Full => {}
    }
    let file = report.config.as_deref().unwrap_or("layerfit.toml");
    notes.push(format!("`plan --apply STEP` writes it to {file}."));
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::NextSteps,
        shares: Vec::new(),
        title: "Next steps (each on its own)".to_owned(),
        numbers,
        header,
        rows,
        note: Some(notes.join(" ")),
    })
}

/// The risk of a step in its first words; of one that corrects findings, what it corrects.
fn risk_in_short(step: &Suggestion) -> String {
    let shortest = |text: &str| shorter::forms(text).pop().unwrap_or_default();
    match &step.setting {
        _ if step.corrects > 0 => step.what.clone(),
        // What its name does not tell is what is to be named.
        Some(Setting::Paths(_)) => format!("{}: {}", step.step, shortest(&step.risk)),
        _ => shortest(&step.risk),
    }
}

/// Saved bytes, with how they are known.
pub(in crate::report) fn saved(bytes: i64, step: &Suggestion) -> String {
    let sign = if bytes < 0 { "+" } else { "-" };
    let bytes = bytes.unsigned_abs();
    match step.figures {
        Figures::Exact => format!("{sign}{}", size(bytes)),
        Figures::Estimated => format!("~{sign}{}", rough_size(bytes)),
        Figures::AtMost => format!("up to {sign}{}", size(bytes)),
        Figures::Unknown => "unknown".to_owned(),
    }
}

pub(in crate::report) fn saved_layers(step: &Suggestion) -> String {
    match step.figures {
        Figures::Exact => format!("-{}", step.layers),
        Figures::Estimated => format!("~-{}", step.layers),
        Figures::AtMost => format!("up to -{}", step.layers),
        Figures::Unknown => "unknown".to_owned(),
    }
}
