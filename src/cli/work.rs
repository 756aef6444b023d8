//! Runs work on a tree or on layers, with the settings from options and layerfit.toml, the number of threads, and a progress
//! bar.

use std::path::PathBuf;

use super::args::{Output, PlanOptions, ReportFormat, ReportOutput, SortName};
use super::config::Config;
use super::recorded::{self, Recorded};
use super::{output, progress, settings};
use crate::base::error::{Error, Result};
use crate::base::path::printable;
use crate::base::progress::Progress;
use crate::languages::r::serialize::STACK_BYTES;
use crate::pack::measure::Cache;
use crate::pack::output::Now;
use crate::plan::Settings;
use crate::report::{Rows, Sort};

/// The configuration file that applies: the one named, or the nearest.
///
/// # Errors
/// When it cannot be read, or is wrong.
pub(super) fn configuration(named: Option<&PathBuf>, quiet: bool) -> Result<Config> {
    let (config, file) = Config::find(named.map(PathBuf::as_path), &working_directory()?)?;
    if let Some(file) = file.filter(|_| !quiet && named.is_none()) {
        output::message(format_args!("settings from {}", file.display()));
    }
    Ok(config)
}

/// The path of the configuration file that applies, if there is one.
///
/// # Errors
/// When it cannot be read, or is wrong.
pub(super) fn configuration_file(named: Option<&PathBuf>) -> Result<Option<PathBuf>> {
    Ok(Config::find(named.map(PathBuf::as_path), &working_directory()?)?.1)
}

/// The working directory.
///
/// # Errors
/// When it no longer exists.
pub(super) fn working_directory() -> Result<PathBuf> {
    std::env::current_dir().map_err(Error::io("find", "the working directory"))
}

/// Prints a remark if layers are `done` (checked …) for something else than they are packed for, or with other options.
pub(super) fn remark(done: &str, settings: &Settings, (options, config): (&PlanOptions, &Config), quiet: bool) {
    let Settings { runtime, architecture, limits, packed_for, .. } = settings;
    let Some(packed) = packed_for.as_ref().filter(|_| !quiet) else { return };
    let options = recorded::differing(options, config, &packed.options);
    let now = Now { runtime: &runtime.name, architecture: *architecture, limits: Some(limits), options: &options };
    if let Some(remark) = packed.remark(done, now) {
        output::message(remark);
    }
}

/// What becomes of a report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// Every file and dependency is shown: on the page, or as a tree.
    Contents,
    /// Anything else.
    Summary,
}

impl ReportOutput {
    /// How much is printed, and what becomes of the report.
    ///
    /// # Errors
    /// When rows are chosen for a format that does not let one choose.
    pub(super) fn shown(&self) -> Result<(&Output, Shows)> {
        let chooses = self.sort.map(|_| "--sort").or(self.top.map(|_| "--top"));
        match (chooses, self.format) {
            (None, _) | (_, ReportFormat::Table | ReportFormat::Csv) => {}
            (Some(option), _) => {
                return Err(Error::Usage {
                    message: format!("{option} has no effect on this format"),
                    help: "leave it out, or use --format table or csv".to_owned(),
                });
            }
        }
        Ok((&self.output, if self.format == ReportFormat::Html { Shows::Contents } else { Shows::Summary }))
    }

    /// Which units or packages are shown.
    pub(super) fn rows(&self) -> Rows {
        let sort = self.sort.map(|sort| match sort {
            SortName::Zipped => Sort::Zipped,
            SortName::Unzipped => Sort::Unzipped,
            SortName::Frees => Sort::Frees,
            SortName::Files => Sort::Files,
            SortName::Name => Sort::Name,
        });
        Rows::new(self.top.map(Into::into), sort)
    }
}

/// Remarks about what the configuration file names, and is not there, although nothing reads it now.
fn absent(options: &PlanOptions, config: &Config) -> Vec<String> {
    let code = config.template.code.as_ref().filter(|_| options.code.is_none());
    let bundle = options.content.bundle.or(config.bundle).unwrap_or(false);
    let sysroot = config.sysroot.as_ref().filter(|_| !bundle && options.content.sysroot.is_none());
    let named = [
        ("template", "code", code, "its size does not count against the limits"),
        ("sysroot", "", sysroot, "--bundle needs it"),
    ];
    let remark = |(key, inner, path, what): (&str, &str, Option<&PathBuf>, &str)| {
        let path = config.path(path?);
        let name = if inner.is_empty() { key.to_owned() } else { format!("{key}.{inner}") };
        let shown = printable(path.as_os_str().as_encoded_bytes()).into_owned();
        (!path.exists()).then(|| format!("{}: {name}: {shown} is not there: {what}", config.place(key, 0)))
    };
    named.into_iter().filter_map(remark).collect()
}

/// Does work with settings.
///
/// # Errors
/// When the settings are wrong, or the work fails.
pub(super) fn with_settings<T: Send>(
    options: &PlanOptions,
    output: (&Output, Shows),
    work: impl Fn(&Settings, &dyn Progress) -> Result<T> + Send + Sync,
) -> Result<T> {
    with_configuration(options, |_| Ok(None), output, |settings, _, progress| work(settings, progress))
}

/// Does work with settings, which are those that layers are packed for where nothing else is set, and with the configuration
/// file. What a tree takes from a manifest is told.
///
/// # Errors
/// When the settings are wrong, or the work fails.
pub(super) fn with_configuration<T: Send>(
    options: &PlanOptions,
    recorded: impl FnOnce(&Config) -> Result<Option<Recorded>>,
    (output, shows): (&Output, Shows),
    work: impl Fn(&Settings, &Config, &dyn Progress) -> Result<T> + Send + Sync,
) -> Result<T> {
    let config = configuration(options.input.config.as_ref(), output.quiet)?;
    let recorded = recorded(&config)?;
    let mut settings = settings::settings(options, &config, recorded.as_ref().map(|recorded| &recorded.packed))?;
    if let Some(recorded) = recorded.filter(|_| !output.quiet) {
        recorded.messages(options, &config).iter().for_each(output::message);
    }
    settings.contents = shows == Shows::Contents;
    if !output.quiet {
        absent(options, &config).into_iter().for_each(output::message);
    }
    if settings.use_cache
        && let Some(directory) = Cache::distrusted()
    {
        settings.use_cache = false;
        if !output.quiet {
            output::message(format_args!(
                "the cache is not used: {} belongs to another user, or others can write to it\n  \
                 help: remove it, or run chmod go-w on it if it is yours, or point XDG_CACHE_HOME to another directory",
                directory.display()
            ));
        }
    }
    let progress = progress::bar(output.quiet);
    // Without a number, rayon would look for one in the environment.
    let jobs = output.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, std::num::NonZero::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).stack_size(STACK_BYTES).build().map_err(|error| {
        Error::Usage {
            message: format!("cannot start {jobs} threads: {error}"),
            help: "give a smaller number with --jobs".to_owned(),
        }
    })?;
    let done = pool.install(|| work(&settings, &config, progress.as_ref()));
    progress.done();
    if let Some((shared, problem)) = settings.shared_cache.as_ref().and_then(|shared| Some((shared, shared.problem()?)))
        && !output.quiet
    {
        output::message(format_args!(
            "the shared cache {} could not be used: {}\n  \
             help: see to it that this machine can read and write there, or leave --shared-cache out; the result is the same",
            shared.name(),
            printable(problem.as_bytes())
        ));
    }
    done
}
