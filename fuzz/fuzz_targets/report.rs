//! Any text as the names and messages of a report: in every format it stays text. No control character is written, and no line
//! is a command of a CI server.
#![no_main]

use layerfit::base::finding::{Code, Finding};
use layerfit::base::subject::Subject;
use layerfit::base::size::Size;
use layerfit::pack::output::GivenOptions;
use layerfit::plan::bundle::{Bundled, ChangedPath};
use layerfit::plan::suggest::{Figures, Suggestion};
use layerfit::report::{self, Amount, Architecture, Colors, Compared, Contents, Detail, ImageReport, LayerReport, Report, Screen, Totals, UnitReport};
use layerfit::runtime::Limits;
use libfuzzer_sys::fuzz_target;

/// A terminal of the usual width.
const SCREEN: Screen = Screen { colors: Colors::None, columns: 80, lines: report::LINES };

/// A report in which everything is named after these texts, in turn.
fn of(texts: &[&str]) -> Report {
    let text = |at: usize| texts[at % texts.len()].to_owned();
    let findings = texts.iter().enumerate().map(|(at, name)| {
        let subject = [Subject::package(name), Subject::layer(name), Subject::file(name), Subject::entry(name, name.as_bytes())];
        let finding = Finding::error(Code::ALL[at % Code::ALL.len()], subject[at % 4].clone(), text(at + 1), text(at + 2));
        finding.caused_by(text(at + 3))
    });
    let layer = |name: &str| LayerReport {
        name: name.to_owned(),
        zip: format!("{name}.zip"),
        sha256: None,
        files: 1,
        directories: 0,
        unzipped_bytes: 1,
        zipped_bytes: 1,
        units: vec![text(1)],
        entries: None,
    };
    let unit = |name: &str| UnitReport {
        name: name.to_owned(),
        layers: vec![text(0)],
        files: 1,
        unzipped_bytes: 1,
        zipped_bytes: 1,
        retained_unzipped_bytes: 1,
        retained_zipped_bytes: 1,
        needed_by: vec![text(1)],
    };
    let changed = ChangedPath { from: text(0), to: text(1) };
    let bundled = Bundled { path: text(0), from: text(1), needed_by: text(2), bytes: 1, changed: vec![changed] };
    let suggestion = Suggestion {
        name: text(3),
        step: text(0),
        what: text(1),
        risk: text(2),
        files: 1,
        unzipped_bytes: 1,
        zipped_bytes: Some(1),
        layers: 0,
        figures: Figures::Estimated,
        corrects: 1,
        forms: Vec::new(),
        setting: None,
    };
    let size = Size { zipped_bytes: 1, unzipped_bytes: 1 };
    let compared = Compared {
        name: text(0),
        now: Some(size),
        before: Some(size),
        budget_zipped: Some(1),
        budget_unzipped: None,
    };
    let image = ImageReport { name: Some(text(0)), config: text(1), platform: text(2), layers: 1 };
    Report {
        schema: 1,
        layerfit: text(0),
        root: text(1),
        image: Some(image),
        runtime: text(2),
        architecture: Some(Architecture { name: text(0), assumed: true }),
        limits: Limits::built_in(),
        packed_for: None,
        options: GivenOptions { drop: vec![text(0)], level: Some(text(1)), ..GivenOptions::default() },
        fits: false,
        totals: Totals::default(),
        pruned: Vec::new(),
        objects: Vec::new(),
        rewritten: Vec::new(),
        recompressed: None,
        unused_libraries: Vec::new(),
        bundled: vec![bundled],
        packages: Vec::new(),
        units: Some(texts.iter().map(|name| unit(name)).collect()),
        layers: Some(texts.iter().map(|name| layer(name)).collect()),
        packing: None,
        directories: Vec::new(),
        libraries: Vec::new(),
        changes: None,
        compared: Some(vec![compared]),
        suggestions: vec![suggestion],
        findings: findings.collect(),
        ignored: 1,
        config: Some(text(0)),
        in_no_layer: Some(Amount { files: 1, size }),
        contents: Contents::default(),
    }
}

fuzz_target!(|text: &str| {
    // The units of a report are in its layers: what is written is one text for each line of the input, and the input whole.
    let texts: Vec<&str> = text.lines().take(16).chain([text]).collect();
    let report = of(&texts);
    let rows = report::Rows::default();
    let outputs = [
        report::table(&report, (Detail::Full, rows), SCREEN),
        report::table(&report, (Detail::Short, rows), SCREEN),
        report::tree(&report, Detail::Full),
        report::markdown(&report),
        report::csv(&report, rows).expect("CSV"),
        report::json(&report).expect("JSON"),
        report::sarif(&report).expect("SARIF"),
        report::junit(&report).expect("XML"),
        report::html(&report).expect("a page"),
    ];
    for output in outputs {
        let output = String::from_utf8(output).expect("UTF-8");
        for line in output.split('\n') {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
            assert!(!line.contains(|c: char| c != '\t' && layerfit::base::safe::is_control(c)), "{line:?}");
        }
    }
    for line in String::from_utf8(report::annotations(&report)).expect("UTF-8").lines() {
        assert!(line.starts_with("::error ") || line.starts_with("::warning "), "{line:?}");
    }
});
