//! `layerfit rules`: prints the catalogue of prune rules and checks, or the page of one of them.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::args::{AnswerFormat, RulesArgs};
use super::exit::Exit;
use super::output;
use crate::base::check_pages::{CheckPage, check_pages};
use crate::base::error::{Error, Result};
use crate::base::wrap;
use crate::prune::{Level, PruneRule, PruneRules, requested_rules};
use crate::report::{as_json, cell, markdown_text};

/// What the levels in the catalogue mean, for a terminal.
const LEVELS: &str = "Safe rules are on by default. --select CODE turns on an extra rule,
--ignore CODE turns off a rule or a check. Requested rules stand for what --drop
and --handler remove.
";

pub(super) fn run(arguments: &RulesArgs) -> Result<Exit> {
    output::done(&page(arguments)?)
}

/// The catalogue, or the page of one code.
fn page(arguments: &RulesArgs) -> Result<Vec<u8>> {
    let RulesArgs { code, rules: files, format } = arguments;
    let (code, format) = (code.as_deref(), *format);
    let rules = PruneRules::load(files)?;
    let (asked, checks) = (requested_rules(), check_pages());
    let all = || asked.iter().chain(rules.iter().map(|(rule, _)| rule));
    let Some(code) = code else { return catalogue(all(), checks, format) };
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
        Level::Requested => "requested",
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
            as_json(&rows)
        }
        AnswerFormat::Markdown => {
            let mut text = "| code | name | level | what |\n| --- | --- | --- | --- |\n".to_owned();
            for row in rows {
                text += &format!("| {} |\n", row.map(|cell| prose(&cell)).join(" | "));
            }
            Ok(text.into_bytes())
        }
        AnswerFormat::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
            table.set_header(["code", "name", "level", "what"]);
            table.add_rows(rows.iter().map(|row| row.each_ref().map(|text| cell(text))));
            let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            Ok(format!("{text}\n{LEVELS}").into_bytes())
        }
    }
}

/// What a part of a page is made of.
enum Body {
    /// Sentences, with commands in backticks.
    Prose(String),
    /// Lines that stay as they are, in a language that Markdown knows.
    Lines(&'static str, String),
}

impl Body {
    fn text(&self) -> &str {
        match self {
            Body::Prose(text) | Body::Lines(_, text) => text.trim_end(),
        }
    }
}

fn rule_page(rule: &PruneRule, format: AnswerFormat) -> Vec<u8> {
    let paths = |paths: &[String]| Body::Lines("text", paths.join("\n"));
    let contents: Vec<&str> = rule.content.iter().map(|content| content.describe()).collect();
    let mut required: Vec<String> = if contents.is_empty() { Vec::new() } else { vec![contents.join("; or ")] };
    if rule.share_of_prefix {
        required.push(
            "in the share directory of the root, usr, local, a language's installation, or of a directory with ELF files in its \
             bin or lib"
                .to_owned(),
        );
    }
    let parts = [
        ("What it drops", Body::Prose(rule.what.clone())),
        ("Why it is safe", Body::Prose(rule.why_safe.clone())),
        ("What it breaks", Body::Prose(rule.breaks.clone())),
        ("Matches", paths(&rule.globs)),
        ("Excludes", paths(&rule.unless)),
        ("Required of a file", Body::Prose(required.join("; and "))),
        ("Examples it drops", paths(&rule.drops)),
        ("Examples it keeps", paths(&rule.keeps)),
    ];
    let title = format!("{} {} (prune rule, {})", rule.code, rule.name, level(rule.level));
    render(&title, &parts, format)
}

fn check_page(check: &CheckPage, format: AnswerFormat) -> Vec<u8> {
    let parts = [
        ("What it means", Body::Prose(check.what.clone())),
        ("Why it matters", Body::Prose(check.why.clone())),
        ("What to do", Body::Prose(check.help.clone())),
        ("R code", Body::Lines("r", check.r_code.clone())),
    ];
    render(&format!("{} {} (check, {})", check.code, check.name, check.severity), &parts, format)
}

/// A page; parts without text are left out.
fn render(title: &str, parts: &[(&str, Body)], format: AnswerFormat) -> Vec<u8> {
    let parts = parts.iter().filter(|(_, body)| !body.text().is_empty());
    match format {
        AnswerFormat::Json => {
            let mut object = serde_json::Map::new();
            object.insert("title".to_owned(), json!(title));
            object.extend(parts.map(|(heading, body)| ((*heading).to_owned(), json!(body.text()))));
            format!("{:#}\n", serde_json::Value::Object(object)).into_bytes()
        }
        AnswerFormat::Markdown => {
            let mut page = format!("# {title}\n");
            for (heading, body) in parts {
                let text = match body {
                    Body::Prose(_) => prose(body.text()),
                    Body::Lines(language, _) => format!("```{language}\n{}\n```", body.text()),
                };
                page += &format!("\n## {heading}\n\n{text}\n");
            }
            page.into_bytes()
        }
        AnswerFormat::Table => {
            let mut page = format!("{title}\n");
            for (heading, body) in parts {
                page += &format!("\n{heading}\n");
                // Lines are not wrapped, so that they can be copied.
                let lines = match body {
                    Body::Prose(_) => wrap::prose(body.text(), 78),
                    Body::Lines(..) => body.text().to_owned(),
                };
                page.extend(lines.lines().map(|line| format!("  {line}\n")));
            }
            page.into_bytes()
        }
    }
}

/// Text as Markdown, in which only what stands between two backticks is markup.
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // A backtick without a second one is text: the loader quotes `GLIBC_2.35'.
    if parts.len().is_multiple_of(2) {
        return markdown_text(text);
    }
    let spans = parts.iter().enumerate().map(|(number, part)| match number % 2 {
        0 => markdown_text(part),
        // In a table, a bar ends the cell even in code.
        _ => format!("`{}`", part.replace('|', "\\|")),
    });
    spans.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_code_and_a_lone_backtick_is_text() {
        assert_eq!(prose("run `zip -r *`, not *"), "run `zip -r *`, not \\*");
        assert_eq!(prose("version `GLIBC_2.35' not found"), markdown_text("version `GLIBC_2.35' not found"));
    }

    #[test]
    fn code_to_copy_keeps_its_lines_in_every_format() {
        for format in [AnswerFormat::Table, AnswerFormat::Markdown] {
            let page = String::from_utf8(
                page(&RulesArgs { code: Some("C103".to_owned()), rules: Vec::new(), format }).expect("built in"),
            )
            .expect("UTF-8");
            assert!(page.lines().any(|line| line.trim_start() == "base <- baseenv()"), "{page}");
        }
    }

    #[test]
    fn every_rule_and_check_has_a_page_of_80_columns() {
        let ask = |code: Option<&str>, format| {
            let page = page(&RulesArgs { code: code.map(str::to_owned), rules: Vec::new(), format });
            String::from_utf8(page.expect("a page")).expect("text")
        };
        let catalogue: serde_json::Value = serde_json::from_str(&ask(None, AnswerFormat::Json)).expect("JSON");
        let codes = catalogue.as_array().expect("rows").iter().filter_map(|row| row["code"].as_str());
        let codes: Vec<&str> = codes.collect();
        assert!(codes.contains(&"D101") && codes.contains(&"L201"));
        for code in codes {
            let text = ask(Some(code), AnswerFormat::Table);
            assert!(text.starts_with(code) && text.lines().count() > 4, "{text}");
            // Globs and code are not broken: they are there to be copied.
            let fits = |line: &str| line.chars().count() <= 80 || !line.trim().contains(' ');
            assert!(text.lines().all(fits), "{text}");
        }
    }
}
