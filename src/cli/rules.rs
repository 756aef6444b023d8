//! `layerfit rules`: the catalogue, and the page of one rule or check.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::args::{AnswerFormat, RulesArgs};
use super::exit::Exit;
use super::output;
use crate::error::{Error, Result};
use crate::report::markdown_text;
use crate::rules::{CheckPage, Level, PruneRule, PruneRules, asked_rules, check_pages};

pub(super) fn run(arguments: &RulesArgs) -> Result<Exit> {
    output::done(&page(arguments)?)
}

/// The catalogue, or the page of one code.
fn page(arguments: &RulesArgs) -> Result<Vec<u8>> {
    let RulesArgs { code, rules: files, format } = arguments;
    let (code, format) = (code.as_deref(), *format);
    let rules = PruneRules::load(files)?;
    let (asked, checks) = (asked_rules()?, check_pages()?);
    let all = || asked.iter().chain(rules.iter().map(|(rule, _)| rule));
    let Some(code) = code else { return catalogue(all(), &checks, format) };
    let is = |c: &str, name: &str| c.eq_ignore_ascii_case(code) || name == code;
    if let Some(rule) = all().find(|rule| is(&rule.code, &rule.name)) {
        return Ok(rule_page(rule, format));
    }
    if let Some(check) = checks.iter().find(|check| is(check.code.as_str(), &check.name)) {
        return Ok(check_page(check, format));
    }
    Err(Error::Usage {
        message: format!("no rule or check is called {code}"),
        help: "`layerfit rules` lists them all".to_owned(),
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Safe => "safe",
        Level::Extra => "extra",
        Level::Asked => "--drop",
    }
}

fn catalogue<'a>(
    rules: impl Iterator<Item = &'a PruneRule>,
    checks: &[CheckPage],
    format: AnswerFormat,
) -> Result<Vec<u8>> {
    let rows = rules.map(|rule| [rule.code.clone(), rule.name.clone(), level(rule.level).into(), rule.what.clone()]);
    let checks = checks.iter().map(|c| [c.code.to_string(), c.name.clone(), c.severity.to_string(), c.what.clone()]);
    let rows: Vec<[String; 4]> = rows.chain(checks).collect();
    match format {
        AnswerFormat::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|[code, name, level, what]| json!({"code": code, "name": name, "level": level, "what": what}))
                .collect();
            let mut bytes = serde_json::to_vec_pretty(&rows).map_err(|error| Error::Data {
                file: "rules".to_owned(),
                message: error.to_string(),
                help: "report this".to_owned(),
            })?;
            bytes.push(b'\n');
            Ok(bytes)
        }
        AnswerFormat::Markdown => {
            let mut text = "| code | name | level | what |\n| --- | --- | --- | --- |\n".to_owned();
            for row in rows {
                text += &format!("| {} |\n", row.map(|cell| markdown_text(&cell)).join(" | "));
            }
            Ok(text.into_bytes())
        }
        AnswerFormat::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
            table.set_header(["code", "name", "level", "what"]);
            table.add_rows(rows);
            let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            let note =
                "\nRules that are safe are on; --select CODE turns on an extra one, --ignore CODE turns one off.\n";
            Ok((text + note).into_bytes())
        }
    }
}

/// The headings of a rule's page that have globs and paths below them, a line each.
const PATHS: [&str; 4] = ["Matches", "Spares", "For example, it drops", "and keeps"];

fn rule_page(rule: &PruneRule, format: AnswerFormat) -> Vec<u8> {
    let parts = [
        ("What it drops", rule.what.clone()),
        ("Why that is safe", rule.why_safe.clone()),
        ("What it breaks", rule.breaks.clone()),
        (PATHS[0], rule.globs.join("\n")),
        (PATHS[1], rule.unless.join("\n")),
        (PATHS[2], rule.drops.join("\n")),
        (PATHS[3], rule.keeps.join("\n")),
    ];
    let title = format!("{} {} (prune rule, {})", rule.code, rule.name, level(rule.level));
    render(&title, &parts, format)
}

fn check_page(check: &CheckPage, format: AnswerFormat) -> Vec<u8> {
    let parts = [
        ("What it means", check.what.clone()),
        ("Why it matters", check.why.clone()),
        ("What to do", check.help.clone()),
    ];
    render(&format!("{} {} (check, {})", check.code, check.name, check.severity), &parts, format)
}

fn render(title: &str, parts: &[(&str, String)], format: AnswerFormat) -> Vec<u8> {
    let parts = parts.iter().filter(|(_, text)| !text.is_empty());
    match format {
        AnswerFormat::Json => {
            let mut object = serde_json::Map::new();
            object.insert("title".to_owned(), json!(title));
            object.extend(parts.map(|(heading, text)| ((*heading).to_owned(), json!(text))));
            format!("{:#}\n", serde_json::Value::Object(object)).into_bytes()
        }
        AnswerFormat::Markdown => {
            let mut page = format!("# {title}\n");
            for (heading, text) in parts {
                let text = if PATHS.contains(heading) { format!("```text\n{text}\n```") } else { markdown_text(text) };
                page += &format!("\n## {heading}\n\n{text}\n");
            }
            page.into_bytes()
        }
        AnswerFormat::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
            for (heading, text) in parts {
                table.add_row([*heading, text.as_str()]);
            }
            let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            format!("{title}\n\n{text}").into_bytes()
        }
    }
}
