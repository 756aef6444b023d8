//! The pipeline: the only place that puts the stages in order.
//!
//! scan → arrange → facts → resolve → prune → measure → pack → write, and a [`Report`] of what they found.

mod dropping;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arrange::{Arrangement, arrange};
use crate::bundle::{self, Bundled, Bundler};
use crate::bytes::size;
use crate::error::{Error, Result};
use crate::facts::{Facts, read_facts};
use crate::finding::{Code, Finding, Severity};
use crate::gate::{Diff, Gate, Snapshot};
use crate::handlers::Handlers;
use crate::measure::{Cache, Level, Measurements, Options};
use crate::pack::{self, Lock, Plan, Unit, Wishes};
use crate::progress::Progress;
use crate::prune::{Pruning, prune};
use crate::report::{self, Report};
use crate::resolve::{Asked, Image, Resolution, resolve};
use crate::rules::{Limits, Plugins, PruneRules, RNeeds, RuntimeProfile};
use crate::scan::{EntryId, LayerZip, Tree, scan_directory, scan_zips};
use crate::severities::Severities;
use crate::suggest::suggestions;
use crate::transform::Transforms;
use crate::why::{self, Question, Why};
use crate::write::{MANIFEST, Manifest, ManifestEntry, Output, layer_entries, write_layer};

/// What every command is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The image that the layers will be attached to.
    pub runtime: RuntimeProfile,
    /// The prune rules, each on or off.
    pub rules: PruneRules,
    /// What the layers must stay within.
    pub limits: Limits,
    /// The architecture of the function, by Lambda's name: `x86_64` or `arm64`; the one of most files when not said.
    pub architecture: Option<&'static str>,
    /// What is packed in another form than it has in the tree.
    pub transforms: Transforms,
    /// How hard to compress.
    pub level: Level,
    /// Whether what was compressed in earlier runs is looked up, and this run's remembered.
    pub use_cache: bool,
    /// The root file system to take missing libraries from; none are taken when not said.
    pub bundle_from: Option<PathBuf>,
    /// How packages are put into other libraries.
    pub arrangement: Arrangement,
    /// How units are divided into layers.
    pub wishes: Wishes,
    /// The file that remembers which unit is in which layer.
    pub lock: Option<PathBuf>,
    /// What is dropped whatever needs it: packages, libraries, paths, units.
    pub drop: Vec<String>,
    /// What no rule drops, and what does not go with what is dropped.
    pub keep: Vec<String>,
    /// The function's own sources: packages that they do not use are dropped. None: all are kept.
    pub handlers: Vec<PathBuf>,
    /// The paths that runs of the function opened.
    pub opened: BTreeSet<Vec<u8>>,
    /// How bad findings are.
    pub severities: Severities,
    /// What `check` holds layers to besides the limits.
    pub gate: Gate,
}

/// A tree, what is known of it, and what was found on the way.
pub(crate) struct Analyzed<'a> {
    pub(crate) tree: Tree,
    pub(crate) facts: Facts,
    pub(crate) resolution: Resolution,
    pub(crate) image: Image<'a>,
    pub(crate) bundled: Vec<Bundled>,
    /// What the function's sources say, when there are any.
    pub(crate) handlers: Option<Arc<Handlers>>,
    asked: Asked,
    findings: Vec<Finding>,
}

/// What stays of a tree, and what there is to say about that.
type Decided = (Vec<Finding>, Pruning);

/// A tree with what stays of it, measured and divided into layers.
pub(crate) struct Planned<'a> {
    pub(crate) analyzed: Analyzed<'a>,
    pub(crate) pruning: Pruning,
    pub(crate) measurements: Measurements,
    pub(crate) units: Vec<Unit>,
    pub(crate) plan: Plan,
}

/// What is in the tree at `root`, what needs what, and what is missing. Nothing is pruned.
///
/// # Errors
/// When the tree cannot be read.
pub fn analyze(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    let keep_all = |analyzed: &Analyzed<'_>| {
        Ok((Vec::new(), Pruning::none(&analyzed.tree, dropping::on_request(analyzed, settings))))
    };
    let (analyzed, said, pruning) = bundle_tree(scan(root, settings, progress)?, settings, progress, keep_all)?;
    let mut findings = analyzed.findings.clone();
    findings.extend(said);
    findings.extend(analyzed.what_is_missing(&pruning));
    let mut report = report::of_tree(&root.display().to_string(), settings, &analyzed, &pruning, None);
    report.set_findings(findings, &settings.severities);
    Ok(report)
}

/// How to measure, as the settings have it, with these transforms.
pub(crate) fn measuring<'a>(settings: &Settings, transforms: &'a Transforms) -> Options<'a> {
    Options {
        longest: settings.limits.total_unzipped.max(settings.limits.layer_zipped),
        unzipped: settings.limits.layers_unzipped(),
        level: settings.level,
        transforms,
        cache: if settings.use_cache { Cache::of_the_user() } else { None },
        only: None,
    }
}

/// How `root` would be packed. Nothing is written.
///
/// # Errors
/// When the tree cannot be read.
pub fn plan(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    let (planned, mut report) = plan_tree(root, settings, progress)?;
    report.suggestions = suggestions(&planned, settings, true, progress)?;
    Ok(report)
}

/// What something in `root` is there for, or what dropping things would do. Nothing is written.
///
/// # Errors
/// When the tree cannot be read, or what is asked about is not there.
pub fn why(root: &Path, question: &Question, settings: &Settings, progress: &dyn Progress) -> Result<Why> {
    let (planned, report) = plan_tree(root, settings, progress)?;
    let targets = match question {
        Question::About { target, all } => return why::about(&planned, &report, target, *all),
        Question::IfDropped(targets) => targets,
    };
    // What breaks is found in the tree as it would be then.
    let mut dropping = settings.clone();
    dropping.drop.extend(targets.iter().cloned());
    let (analyzed, said, pruning) = decided_tree(root, &dropping, progress)?;
    let then = findings_of(&analyzed, said, &pruning);
    why::if_dropped(&planned, &report, targets, settings, (&report.findings, then))
}

/// Packs `root` into the directory `output`, when it fits; when it does not, nothing is written and the report says why.
///
/// # Errors
/// When the tree cannot be read or the output cannot be written. What was in `output` is then as it was.
pub fn pack(root: &Path, output: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    refuse_output_in_tree(root, output)?;
    // Before the work, so that a place that cannot be written is known at once.
    let out = Output::begin(output)?;
    let (planned, mut report) = plan_tree(root, settings, progress)?;
    report.suggestions = suggestions(&planned, settings, !report.fits, progress)?;
    if !report.fits {
        return Ok(report);
    }
    progress.stage("writing", 0);
    let mut entries: Vec<Vec<ManifestEntry>> = Vec::new();
    for (layer, shown) in planned.plan.layers.iter().zip(report.layers.iter_mut().flatten()) {
        let path = out.path(&shown.zip);
        let (sha256, written) = write_layer(&path, &planned.analyzed.tree, layer, &planned.measurements)?;
        shown.sha256 = Some(sha256);
        entries.push(written);
    }
    out.write(MANIFEST, &report::manifest(&report, entries)?)?;
    out.write("report.md", &report::markdown(&report))?;
    out.write("report.html", &report::html(&report)?)?;
    out.commit()?;
    if let Some(path) = &settings.lock {
        planned.plan.lock.store(path)?;
    }
    progress.done();
    Ok(report)
}

/// Whether a tree, a directory that `pack` wrote, or layer zips (lowest first) fit and would load, and are within budgets.
///
/// # Errors
/// When they cannot be read, or are a mixture of directories and zips; or when a baseline cannot be read or written.
pub fn check(paths: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    let (mut report, entries) = weigh(paths, settings, progress)?;
    let snapshot = Snapshot::new(&report, entries);
    let findings = settings.gate.findings(&snapshot, &settings.limits, report.passed())?;
    let of_the_gate = |code: Code| code.is_of_the_gate();
    let unused = settings.severities.unused(&findings, of_the_gate);
    report.add_findings(findings.into_iter().chain(unused).collect(), &settings.severities);
    Ok(report)
}

/// What is other in `new` than in `old`: each is a tree, a directory that `pack` wrote, a manifest, or a zip.
///
/// # Errors
/// When one of them cannot be read.
pub fn diff(old: &[PathBuf], new: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<Diff> {
    Ok(Diff::new(&snapshot(old, settings, progress)?, &snapshot(new, settings, progress)?))
}

fn snapshot(paths: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<Snapshot> {
    let is_json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    match paths {
        [manifest] if is_json(manifest) => Snapshot::load(manifest),
        // What pack knew of the tree is more than its zips say.
        [packed] if packed.join(MANIFEST).is_file() => {
            let mismatches = Manifest::read(packed)?.mismatches(packed)?;
            whole(&mismatches)?;
            Ok(Snapshot { root: packed.display().to_string(), ..Snapshot::load(&packed.join(MANIFEST))? })
        }
        _ => {
            let (report, entries) = weigh(paths, settings, progress)?;
            whole(&report.findings)?;
            Ok(Snapshot::new(&report, entries))
        }
    }
}

/// What cannot be read as a whole cannot be compared: it would look as if something had gone.
fn whole(findings: &[Finding]) -> Result<()> {
    let broken = |finding: &&Finding| matches!(finding.code, Code::DamagedZip | Code::ManifestMismatch);
    match findings.iter().find(broken) {
        Some(finding) => Err(Error::Data {
            file: finding.subject.clone(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }),
        None => Ok(()),
    }
}

/// The report of a tree, a directory that `pack` wrote, or layer zips, with the entries of each layer.
fn weigh(paths: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<(Report, Vec<Vec<ManifestEntry>>)> {
    let (directories, files): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| path.is_dir());
    match (directories.as_slice(), files.as_slice()) {
        ([directory], []) if directory.join(MANIFEST).is_file() => check_packed(directory, settings, progress),
        ([directory], []) => {
            let (planned, mut report) = plan_tree(directory, settings, progress)?;
            report.suggestions = suggestions(&planned, settings, !report.fits, progress)?;
            let entries = |layer| layer_entries(&planned.analyzed.tree, layer, &planned.measurements);
            Ok((report, planned.plan.layers.iter().map(entries).collect()))
        }
        ([], [_, ..]) => {
            if let Some(missing) = paths.iter().find(|path| !path.exists()) {
                return Err(Error::RootMissing(missing.clone()));
            }
            check_zips(paths, Vec::new(), settings, progress)
        }
        _ => Err(Error::Usage {
            message: "check takes one directory, or zips".to_owned(),
            help: "layerfit check /opt, layerfit check layers/, or layerfit check low.zip high.zip".to_owned(),
        }),
    }
}

fn check_packed(
    directory: &Path,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<(Report, Vec<Vec<ManifestEntry>>)> {
    let manifest = Manifest::read(directory)?;
    let findings = manifest.mismatches(directory)?;
    let zips = manifest.layers.iter().map(|layer| directory.join(&layer.zip)).filter(|zip| zip.is_file());
    let zips: Vec<PathBuf> = zips.collect();
    check_zips(&zips, findings, settings, progress)
}

fn check_zips(
    zips: &[PathBuf],
    mut findings: Vec<Finding>,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<(Report, Vec<Vec<ManifestEntry>>)> {
    if settings.bundle_from.is_some() {
        return Err(Error::Usage {
            message: "--bundle adds to a tree, and these are zips".to_owned(),
            help: "give it to pack, which makes the zips".to_owned(),
        });
    }
    if !(settings.drop.is_empty() && settings.keep.is_empty() && settings.handlers.is_empty()) {
        return Err(Error::Usage {
            message: "--drop, --keep and --handler are for a tree, and these are zips".to_owned(),
            help: "give them to pack, which makes the zips".to_owned(),
        });
    }
    progress.stage("reading", 0);
    let (tree, layers, found) = scan_zips(zips)?;
    findings.extend(found);
    findings.extend(over_limits(&layers, &settings.limits));
    let analyzed = analyze_tree((tree, findings), settings, progress)?;
    let pruning = Pruning::none(&analyzed.tree, BTreeSet::new());
    let mut findings = analyzed.findings.clone();
    findings.extend(analyzed.what_is_missing(&pruning));
    let names: Vec<String> = zips.iter().map(|zip| zip.display().to_string()).collect();
    let mut report = report::of_tree(&names.join(" "), settings, &analyzed, &pruning, None);
    report.set_zips(&layers);
    findings.extend(settings.severities.unused(&findings, Code::is_of_zips));
    report.set_findings(findings, &settings.severities);
    let entries = layers.iter().map(|layer| layer.contents.iter().map(ManifestEntry::from).collect());
    Ok((report, entries.collect()))
}

fn over_limits(layers: &[LayerZip], limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in layers.iter().filter(|layer| layer.zipped_bytes > limits.layer_zipped) {
        findings.push(Finding::error(
            Code::LayerTooLarge,
            layer.path.display(),
            format!(
                "{} zipped are {} over the {} of a layer",
                size(layer.zipped_bytes),
                size(layer.zipped_bytes - limits.layer_zipped),
                size(limits.layer_zipped)
            ),
            "prune the tree and divide it again: layerfit pack",
        ));
    }
    if layers.len() > limits.layers {
        findings.push(Finding::error(
            Code::TooManyLayers,
            "layers",
            format!("these are {} layers, and a function can have {}", layers.len(), limits.layers),
            "pack the tree again: layerfit pack finds the fewest",
        ));
    }
    let unzipped: u64 = layers.iter().map(|layer| layer.unzipped_bytes).sum();
    findings.extend(pack::unzipped_too_large(unzipped, limits, ""));
    findings
}

/// The tree at `root` as it will be at `/opt`.
fn scan(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<(Tree, Vec<Finding>)> {
    progress.stage("reading", 0);
    let (mut tree, mut findings) = scan_directory(root)?;
    findings.extend(arrange(&mut tree, &settings.arrangement, &RNeeds::built_in()?)?);
    Ok((tree, findings))
}

/// Analyzes a tree, decides what is kept, and takes into the tree what that needs of the build host, until nothing is
/// missing that the host has; then leaves out what is to be dropped. Gives what `decide` gave at last.
fn bundle_tree<'a>(
    (mut tree, scanned): (Tree, Vec<Finding>),
    settings: &'a Settings,
    progress: &dyn Progress,
    decide: impl Fn(&Analyzed<'a>) -> Result<Decided>,
) -> Result<(Analyzed<'a>, Vec<Finding>, Pruning)> {
    let mut bundler = settings.bundle_from.as_deref().map(Bundler::new).transpose()?;
    let handlers = match settings.handlers.as_slice() {
        [] => None,
        named => Some(Arc::new(Handlers::read(named)?)),
    };
    loop {
        let mut analyzed = analyze_tree((tree, scanned.clone()), settings, progress)?;
        analyzed.handlers.clone_from(&handlers);
        let decided = decide(&analyzed)?;
        if let Some(bundler) = &mut bundler {
            let kept = |id| decided.1.keeps(id);
            if bundler.take(&mut analyzed.tree, &analyzed.facts, &analyzed.resolution, kept)? {
                tree = analyzed.tree;
                continue;
            }
        }
        analyzed.bundled = bundler.map(Bundler::into_taken).unwrap_or_default();
        let (mut analyzed, (said, pruning)) =
            dropping::leave_out(analyzed, decided, scanned, (settings, progress), decide)?;
        analyzed.findings.extend(bundle::findings(&analyzed.bundled));
        return Ok((analyzed, said, pruning));
    }
}

fn analyze_tree<'a>(
    (tree, mut findings): (Tree, Vec<Finding>),
    settings: &'a Settings,
    progress: &dyn Progress,
) -> Result<Analyzed<'a>> {
    progress.stage("resolving", 0);
    let needs = RNeeds::built_in()?;
    let (facts, damaged) = read_facts(&tree);
    findings.extend(damaged);
    let image = Image::new(&settings.runtime);
    let (resolution, found) = resolve(&tree, &facts, &image, &needs, &Plugins::built_in()?);
    findings.extend(found);
    progress.done();
    let asked = Asked { architecture: settings.architecture, bundling: settings.bundle_from.is_some() };
    Ok(Analyzed { tree, facts, resolution, image, bundled: Vec::new(), handlers: None, asked, findings })
}

impl Analyzed<'_> {
    fn what_is_missing(&self, pruning: &Pruning) -> Vec<Finding> {
        let keeps = |id| pruning.keeps(id);
        let mut findings = self.resolution.findings(&self.tree, &self.facts, &self.image, self.asked, keeps);
        if let Some(handlers) = &self.handlers {
            findings.extend(handlers.findings(&self.resolution.r));
        }
        findings
    }
}

/// The tree at `root` as the rules and the command line leave it.
fn decided_tree<'a>(
    root: &Path,
    settings: &'a Settings,
    progress: &dyn Progress,
) -> Result<(Analyzed<'a>, Vec<Finding>, Pruning)> {
    let by_rules = |analyzed: &Analyzed<'_>| {
        let spared = dropping::spared(analyzed, settings);
        let (tree, facts, resolution) = (&analyzed.tree, &analyzed.facts, &analyzed.resolution);
        let (pruning, pruned) = prune(tree, facts, resolution, &settings.rules, spared)?;
        Ok((pruned, pruning))
    };
    bundle_tree(scan(root, settings, progress)?, settings, progress, by_rules)
}

/// What there is to say of what is kept.
fn findings_of(analyzed: &Analyzed<'_>, said: Vec<Finding>, pruning: &Pruning) -> Vec<Finding> {
    // What is wrong with a file that a rule drops does not matter any more.
    let dropped = |finding: &Finding| {
        let path = crate::path::TreePath::new(&finding.subject);
        path.and_then(|path| analyzed.tree.find_even_hidden(&path)).is_some_and(|id| !pruning.keeps(id))
    };
    let mut findings: Vec<Finding> = analyzed.findings.iter().filter(|finding| !dropped(finding)).cloned().collect();
    findings.extend(said);
    findings.extend(analyzed.what_is_missing(pruning));
    findings
}

fn plan_tree<'a>(root: &Path, settings: &'a Settings, progress: &dyn Progress) -> Result<(Planned<'a>, Report)> {
    let (analyzed, pruned, pruning) = decided_tree(root, settings, progress)?;
    let keeps = |id: EntryId| pruning.keeps(id);
    let options = measuring(settings, &settings.transforms);
    let (mut measurements, transformed) = Measurements::take(&analyzed.tree, keeps, options, progress)?;
    let mut units = pack::units(&analyzed.tree, &analyzed.resolution.r, keeps, &measurements);
    let lock = settings.lock.as_deref().map(Lock::load).transpose()?.flatten();
    let (mut plan, mut does_not_fit) = pack::plan(&units, &settings.limits, &settings.wishes, lock.as_ref());
    if let Some(wanted) = pack::saves_a_layer(&plan, &settings.limits).filter(|_| settings.level == Level::Default) {
        let softer = measurements.harden(&analyzed.tree, keeps, &settings.transforms, wanted, progress)?;
        let harder = pack::units(&analyzed.tree, &analyzed.resolution.r, keeps, &measurements);
        let planned = pack::plan(&harder, &settings.limits, &settings.wishes, lock.as_ref());
        if planned.0.layers.len() < plan.layers.len() {
            units = harder;
            (plan, does_not_fit) = planned;
        } else {
            // For nothing: and a layer that is compressed otherwise would have to be published again.
            measurements.soften(softer);
        }
    }

    let mut findings = findings_of(&analyzed, pruned, &pruning);
    findings.extend(transformed);
    let fits = !does_not_fit.iter().any(|finding| finding.severity == Severity::Error);
    findings.extend(does_not_fit);

    let planned = Planned { analyzed, pruning, measurements, units, plan };
    let root = root.display().to_string();
    let mut report = report::of_tree(&root, settings, &planned.analyzed, &planned.pruning, Some(&planned));
    report.fits = fits;
    let looked_for = |code: Code| !code.is_of_zips() && !code.is_of_the_gate() && !code.is_of_runs();
    findings.extend(settings.severities.unused(&findings, looked_for));
    report.set_findings(findings, &settings.severities);
    Ok((planned, report))
}

/// An output directory inside the tree would be packed by the next run.
fn refuse_output_in_tree(root: &Path, output: &Path) -> Result<()> {
    let root = std::fs::canonicalize(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::RootMissing(root.to_owned()),
        _ => Error::io("read", root)(error),
    })?;
    let absolute = std::path::absolute(output).map_err(Error::io("find", output))?;
    // The directory may not be there yet: the nearest one above it that is, counts.
    let above = absolute.ancestors().find_map(|path| Some((std::fs::canonicalize(path).ok()?, path)));
    let inside = above.is_some_and(|(real, _)| real.starts_with(&root) || root.starts_with(&real) && absolute.exists());
    if inside {
        return Err(Error::Usage {
            message: format!("-o {}: is in the tree to be packed, or holds it", output.display()),
            help: "give a directory outside of it, such as -o layers beside it".to_owned(),
        });
    }
    Ok(())
}
