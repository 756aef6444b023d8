//! Loads what was named on the command line of `check` and `diff`: a tree, an image with one, a directory that `pack` wrote, or layer zips; each
//! becomes a report with the entries of every layer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::progress::Progress;
use crate::base::subject::Subject;
use crate::container::Image;
use crate::languages::package_directory;
use crate::pack::output::{MANIFEST, Manifest, ManifestEntry, has_manifest, layer_entries};
use crate::pack::verdict::{LayerSize, over_limits};
use crate::plan::suggest::suggestions;
use crate::plan::{Analysis, Plan, Settings};
use crate::prune::Pruning;
use crate::report::Report;
use crate::runtime::Limits;
use crate::tree::{LayerZip, TreeInput, layout_findings, layout_findings_of_zips, scan_zips};

/// A report, and the entries of each of its layers.
pub(super) type Loaded = (Report, Vec<Vec<ManifestEntry>>);

/// What is wanted of a tree besides its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Report,
    /// The entries of each layer: there can be a million.
    Entries,
    /// The entries with their sizes in zips, even if the tree is far too long to fit.
    EverySize,
}

/// Whether what was named is a tree, and not layers.
///
/// # Errors
/// When a directory cannot be read.
pub fn is_tree(paths: &[PathBuf]) -> Result<bool> {
    match paths {
        [directory] if directory.is_dir() => Ok(!has_manifest(directory)?),
        [file] if file.exists() => Image::is_at(file),
        _ => Ok(false),
    }
}

/// The report of a tree, a directory that `pack` wrote, or layer zips, with the entries of each layer if they are wanted.
pub(super) fn load_layers(
    paths: &[PathBuf],
    settings: &Settings,
    wanted: Wanted,
    progress: &dyn Progress,
) -> Result<Loaded> {
    let (directories, files): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| path.is_dir());
    match (directories.as_slice(), files.as_slice()) {
        // That an image is in separate files is said of it as of any other tree.
        ([directory], []) if has_manifest(directory)? && !Image::is_unpacked(directory) => {
            check_packed(directory, settings, progress)
        }
        ([tree], []) | ([], [tree]) if tree.is_dir() || Image::is_at(tree)? => {
            let input = TreeInput::open(tree, settings.architecture, progress)?;
            let plan = match wanted {
                Wanted::EverySize => Plan::with_every_size(&input, settings, progress)?,
                Wanted::Report | Wanted::Entries => Plan::new(&input, settings, progress)?,
            };
            let mut report = Report::of_plan(&tree.display().to_string(), input.image(), settings, &plan);
            report.suggestions = suggestions(&plan, settings, !report.fits, progress)?;
            let entries = |layer| {
                match wanted {
                    Wanted::Report => Vec::new(),
                    _ => layer_entries(plan.analysis.tree(), layer, &plan.measurements),
                }
            };
            Ok((report, plan.layout.layers.iter().map(entries).collect()))
        }
        ([], [_, ..]) => {
            if let Some(missing) = paths.iter().find(|path| !path.exists()) {
                return Err(Error::RootMissing(missing.clone()));
            }
            if let Some(manifest) = paths.iter().find(|path| path.file_name().is_some_and(|name| name == MANIFEST)) {
                let directory = manifest.parent().filter(|parent| !parent.as_os_str().is_empty());
                return Err(Error::Usage {
                    message: format!("{}: is a manifest, and not a zip", manifest.display()),
                    help: format!("name its directory: {}", directory.unwrap_or(Path::new(".")).display()),
                });
            }
            check_zips(paths, Vec::new(), settings, progress)
        }
        _ => Err(Error::Usage {
            message: "give one directory, one image, or zips".to_owned(),
            help: "layerfit check /opt, layerfit check my-r.tar, layerfit check layers/, or layerfit check low.zip high.zip"
                .to_owned(),
        }),
    }
}

fn check_packed(directory: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Loaded> {
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
) -> Result<Loaded> {
    if let [first, others @ ..] = settings.tree_options.as_slice() {
        let (verb, them) = if others.is_empty() { ("applies", "it") } else { ("apply", "them") };
        return Err(Error::Usage {
            message: format!("{} {verb} to a tree, not to zips", [&[*first], others].concat().join(" and ")),
            help: format!("use {them} with `layerfit pack`, or name the tree"),
        });
    }
    progress.stage("reading", 0);
    let longest = settings.limits.total_unzipped.max(Limits::built_in().total_unzipped);
    let (tree, layers, found) = scan_zips(zips, longest, package_directory)?;
    findings.extend(found);
    findings.extend(if are_of_one_tree(zips) { layout_findings(&tree) } else { layout_findings_of_zips(&tree) });
    let does_not_fit = too_large(&layers, &settings.limits);
    let fits = !does_not_fit.iter().any(|finding| finding.severity == Severity::Error);
    findings.extend(does_not_fit);
    let analysis = Analysis::new((tree, findings), settings, progress).of_finished_layers();
    let pruning = Pruning::none(analysis.tree(), BTreeSet::new());
    let mut findings = analysis.findings.clone();
    findings.extend(analysis.resolution_findings(&pruning));
    analysis.raise_unreached(&pruning, &mut findings);
    findings.extend(analysis.looked_for(None, |id| pruning.keeps(id), settings, progress)?);
    let names: Vec<String> = zips.iter().map(|zip| zip.display().to_string()).collect();
    let mut report = Report::of_analysis(&names.join(" "), None, settings, &analysis, &pruning);
    report.set_zips(&layers, fits);
    findings.extend(settings.severities.unused(&findings, Code::is_zip_only));
    report.set_findings(findings, &settings.severities);
    let entries = layers.iter().map(|layer| layer.contents.iter().map(ManifestEntry::from).collect());
    Ok((report, entries.collect()))
}

/// Whether `pack` made all of these zips of one tree, by the manifest beside them: what is in one can need what is in another.
fn are_of_one_tree(zips: &[PathBuf]) -> bool {
    let Some(directory) = zips.first().and_then(|zip| zip.parent()) else { return false };
    let of_working_directory = directory.as_os_str().is_empty();
    let Ok(manifest) = Manifest::read(if of_working_directory { Path::new(".") } else { directory }) else {
        return false;
    };
    let is_listed = |zip: &PathBuf| manifest.layers.iter().any(|layer| *zip == directory.join(&layer.zip));
    zips.iter().all(is_listed)
}

/// A finding for each limit that finished zips exceed.
fn too_large(layers: &[LayerZip], limits: &Limits) -> Vec<Finding> {
    let layer = |layer: &LayerZip| LayerSize {
        subject: Subject::layer(layer.path.display()),
        entries: layer.entries,
        zipped_bytes: layer.zipped_bytes,
    };
    let sizes: Vec<LayerSize> = layers.iter().map(layer).collect();
    let unzipped: u64 = layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.unzipped_bytes));
    let too_many = || {
        Finding::error(
            Code::TooManyLayers,
            Subject::whole("layers"),
            format!("{} layers are more than the {} that a function can have", layers.len(), limits.layers),
            "pack the tree again: `layerfit pack` finds the fewest layers",
        )
    };
    over_limits(&sizes, unzipped, limits, "", too_many)
}
