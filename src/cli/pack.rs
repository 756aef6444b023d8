//! `layerfit pack`: writes layers, and a template that has them.

use std::path::{Path, PathBuf};

use clap::ColorChoice;

use super::args::{PackArgs, PlanOptions};
use super::config::Config;
use super::exit::Exit;
use super::next::quoted;
use super::work::with_configuration;
use super::{next, output};
use crate::base::error::{Error, Result};
use crate::base::list;
use crate::base::safe::one_line;
use crate::commands::{self, Other};
use crate::pack::output::{MANIFEST, REPORT};
use crate::publish::sam::{Function, Template};
use crate::report::{Report, wrapped};
use crate::runtime::RuntimeProfile;

pub(super) fn run(arguments: &PackArgs, color: ColorChoice) -> Result<Exit> {
    let PackArgs { root, options, output: directory, template: to, report: shown, .. } = arguments;
    let options = &PlanOptions {
        code: arguments.template_code.clone(),
        default_code: to.as_deref().map(Template::default_code),
        ..options.clone()
    };
    let (report, lock, template, config) = with_configuration(
        options,
        |_| Ok(None),
        shown.shown()?,
        |settings, config, progress| {
            // Before the work, so that a file of the user's is known at once.
            let begin = |path: &PathBuf| Template::begin(path, root, function(arguments, config));
            let template = to.as_ref().map(begin).transpose()?;
            // Only what the file has: a value of --env can be a secret.
            let content = |report: &Report| match &template {
                Some(template) => template.content(directory, report, settings.architecture, &config.env),
                None => Ok(Vec::new()),
            };
            let other = template.as_ref().map(|template| Other { path: template.path(), content: &content });
            let report = commands::pack(root, directory, settings, other, progress)?;
            Ok((report, settings.lock.clone(), template, config.clone()))
        },
    )?;
    let others: Vec<&Path> = [lock.as_deref(), to.as_deref()].into_iter().flatten().collect();
    let written = written(directory, &report, &others, (options, &config), template.as_ref())?;
    output::report(&report, color, shown, &written)
}

/// The function of the template, from the options; what they leave open, from the configuration file.
fn function(arguments: &PackArgs, config: &Config) -> Function {
    let PackArgs { template_code: code, template_handler: handler, template_trigger: trigger, .. } = arguments;
    let file = &config.template;
    Function {
        code: code.clone().or_else(|| file.code.as_ref().map(|path| config.path(path))),
        handler: handler.clone().or_else(|| file.handler.as_ref().map(|handler| handler.0.clone())),
        trigger: trigger.clone().or_else(|| file.trigger.as_ref().map(|trigger| trigger.0.clone())).unwrap_or_default(),
    }
}

/// What was written, and what to do next.
///
/// # Errors
/// When a file that was just written is gone.
fn written(
    directory: &Path,
    report: &Report,
    others: &[&Path],
    settings: (&PlanOptions, &Config),
    template: Option<&Template>,
) -> Result<Vec<u8>> {
    let columns = output::columns();
    let shown = one_line(&directory.to_string_lossy());
    if !report.fits {
        return Ok(format!(
            "\n{}",
            wrapped(&format!("Nothing is written to {shown}: the layers do not fit."), columns)
        )
        .into_bytes());
    }
    let zip = |name: &str| -> Result<String> {
        let path = directory.join(name);
        Ok(format!("{name} ({} bytes)", std::fs::metadata(&path).map_err(Error::io("read", &path))?.len()))
    };
    let zips = report.layers.iter().flatten().map(|layer| zip(&layer.zip));
    let mut named: Vec<String> = zips.collect::<Result<_>>()?;
    named.extend([MANIFEST, REPORT, "report.html"].map(str::to_owned));
    let mut text = format!("Written to {shown}: {}.", named.join(", "));
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|path| one_line(&path.to_string_lossy())).collect();
        text += &format!(" Also {}.", list::with_last(&others, "and"));
    }
    let mut text = format!("\n{}", wrapped(&text, columns));
    if !report.passed() {
        text += &wrapped("Next: correct the errors, and pack again.", columns);
        return Ok(text.into_bytes());
    }
    if let Some(template) = template.filter(|template| !template.code().exists()) {
        text += &missing_code(&template.code(), &quoted(Path::new(template.handler())), report, columns);
    }
    text += &next::commands(directory, report, settings, template);
    Ok(text.into_bytes())
}

/// What has to be in the directory of a function's code, which is not there.
fn missing_code(code: &Path, handler: &str, report: &Report, columns: u16) -> String {
    let by_bootstrap = !RuntimeProfile::load(&report.runtime).is_ok_and(|runtime| runtime.language.is_some());
    let bootstrap = if by_bootstrap {
        format!(
            ", and the bootstrap, which `layerfit init --bootstrap {}` writes for R, unless a layer has one",
            quoted(code)
        )
    } else {
        String::new()
    };
    let text = format!(
        "The function's code does not exist yet: {} needs the file of {handler}{bootstrap}. Name another directory with \
         --template-code.",
        quoted(code)
    );
    wrapped(&text, columns)
}
