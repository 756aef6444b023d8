//! What was published, as a table, Markdown or JSON; and what would be done, as a script. Everything is returned, and nothing
//! printed.

use super::aws::Aws;
use super::command::{Command, variable};
use super::environment;
use super::plan::{Function, Layer, Step, Version};
use super::record::Published;
use crate::base::bytes::plural;
use crate::base::error::Result;
use crate::report::{Section, SectionKind, as_json, markdown_section, markdown_text, table_section, wrapped};

/// What was published, as a table. Each ARN is on its own line, so it can be copied.
pub fn table(published: &Published, columns: u16) -> Vec<u8> {
    let mut out = wrapped(&summary(published), columns) + &table_section(&section(published), columns);
    out += "\nARNs, in the order to attach them\n";
    for layer in &published.layers {
        out += &format!(" {}\n", layer.arn);
    }
    if let Some(function) = &published.function {
        out += &format!("\nLayers of {}, the lowest first\n", function.name);
        for arn in &function.layers {
            out += &format!(" {arn}\n");
        }
    }
    out.into_bytes()
}

/// What was published, as Markdown.
pub fn markdown(published: &Published) -> Vec<u8> {
    let mut section = section(published);
    section.header.push("ARN");
    for (row, layer) in section.rows.iter_mut().zip(&published.layers) {
        row.push(layer.arn.clone());
    }
    format!("# Published layers\n\n{}\n{}", markdown_text(&summary(published)), markdown_section(&section)).into_bytes()
}

/// What was published, as JSON, ending with a newline.
///
/// # Errors
/// When a value cannot be written as JSON, which the types rule out.
pub fn json(published: &Published) -> Result<Vec<u8>> {
    as_json(published)
}

fn summary(published: &Published) -> String {
    let new = published.layers.iter().filter(|layer| layer.published).count();
    let all = plural(published.layers.len(), "layer", "layers");
    let mut text = match new {
        0 => format!("Nothing to publish: AWS already has the content of {all}."),
        _ => format!("Published {new} of {all}."),
    };
    if let Some(function) = &published.function {
        let what = if function.updated { "now has them" } else { "already had them" };
        text += &format!(" {} {what}.", function.name);
        let variables = &function.variables_added;
        let variables = environment::summary(variables, &function.variables_replaced, environment::PAST);
        if !variables.is_empty() {
            text += &format!(" In its environment, this {variables}.");
        }
    }
    text
}

fn section(published: &Published) -> Section {
    let rows = published.layers.iter().map(|layer| {
        let what = if layer.published { "published" } else { "unchanged" };
        vec![layer.name.clone(), layer.version.to_string(), what.to_owned(), layer.sha256[..12].to_owned()]
    });
    Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Layers".to_owned(),
        header: vec!["layer", "version", "what", "sha256"],
        numbers: vec![1],
        rows: rows.collect(),
        note: None,
    }
}

/// What would be done, as a shell script: the steps that change something, and comments on layers that do not change.
/// They cannot contain what a function has in its environment: the script asks for that when it runs.
pub(super) fn script(
    known: &[(Layer, Option<Version>)],
    steps: &[Step],
    function: Option<&Function>,
    aws: &Aws,
) -> String {
    let mut lines = Vec::new();
    for (layer, newest) in known {
        if let Some(newest) = newest.as_ref().filter(|newest| newest.sha256 == layer.sha256) {
            lines.push(format!("# {} is unchanged: version {} has this content", layer.name, newest.version));
        }
    }
    for step in steps {
        if let (Step::Update(_, Some(change)), Some(function)) = (step, function) {
            lines.push(format!("# in the environment of {}, this {}", function.name, change.summary()));
        }
    }
    if steps.is_empty() {
        lines.push("# nothing to do".to_owned());
        return lines.join("\n") + "\n";
    }
    // Version 2 would show each output in a pager.
    let mut commands = vec!["export AWS_PAGER=".to_owned()];
    for step in steps {
        commands.push(match step {
            Step::Publish(number, command) if function.is_some() => {
                let command = aws.shell(command, &["--query", "LayerVersionArn", "--output", "text"]);
                format!("{}=$({command})", variable(*number))
            }
            Step::Update(command, Some(change)) => {
                let name = function.map(|function| function.name.as_str()).unwrap_or_default();
                let get = Command::new(&["lambda", "get-function-configuration", "--function-name", name]);
                let get = aws.shell(&get, &["--query", &change.query(), "--output", "json"]);
                // printf is a part of the shell: what it prints is in no list of processes.
                format!("environment=$({get}) &&\nprintf %s \"$environment\" | {} >/dev/null", aws.shell(command, &[]))
            }
            Step::Upload(command) | Step::Publish(_, command) | Step::Update(command, None) | Step::Wait(command) => {
                aws.shell(command, &[])
            }
        });
    }
    // A command that fails must not be followed by those that need it.
    lines.push(commands.join(" &&\n"));
    lines.join("\n") + "\n"
}
