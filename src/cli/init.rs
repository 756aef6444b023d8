//! `layerfit init`: a commented layerfit.toml for what is in a tree.

use std::path::Path;

use super::config::NAME;
use crate::base::bytes::size;
use crate::base::error::{Error, Result};
use crate::base::finding::Code;
use crate::report::Report;

/// Writes the configuration beside which `layerfit plan` needs no options; gives what to print.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub(super) fn write(report: &Report) -> Result<Vec<u8>> {
    super::runtime::write_new(Path::new(NAME), configuration(report).as_bytes(), 0o644)?;
    Ok(format!("{NAME}: every value is what this tree needs; `layerfit plan {}` now takes them\n", report.root)
        .into_bytes())
}

/// What answers Lambda's events in R, and whether it is executable.
const BOOTSTRAP: [(&str, &str, u32); 2] = [
    ("runtime.R", include_str!("../../bootstrap/runtime.R"), 0o644),
    ("bootstrap", include_str!("../../bootstrap/bootstrap"), 0o755),
];

/// Writes the bootstrap and what it runs into a directory; gives what to print.
///
/// # Errors
/// When one of them is there already, or cannot be written; what was written before is taken back.
pub(super) fn bootstrap(directory: &Path) -> Result<Vec<u8>> {
    let mut written = Vec::new();
    for (name, text, mode) in BOOTSTRAP {
        let path = directory.join(name);
        if let Err(error) = super::runtime::write_new(&path, text.as_bytes(), mode) {
            for path in written {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
            return Err(error);
        }
        written.push(path);
    }
    Ok(format!(
        "{} and {}: a handler is a function of the event; the head of runtime.R says how it is called\n",
        directory.join("bootstrap").display(),
        directory.join("runtime.R").display()
    )
    .into_bytes())
}

/// The configuration, as text.
fn configuration(report: &Report) -> String {
    let kept = &report.totals.kept;
    let layers = report.packing.map_or(0, |packing| packing.layers);
    let mut text = format!(
        "# How layerfit packs {}: {} packages of R, {} of what is kept in {layers} {}, {} zipped.\n\
         # What the command line says comes before what stands here. Paths are relative to this file.\n\n\
         # The image the layers are for: provided.al2023, host (this machine), or a profile's path.\n\
         runtime = {:?}\n\n",
        report.root,
        report.packages.len(),
        size(kept.unzipped_bytes),
        if layers == 1 { "layer" } else { "layers" },
        size(kept.zipped_bytes.unwrap_or(0)),
        report.runtime,
    );
    let bundled: Vec<&str> = report
        .findings
        .iter()
        .filter(|f| f.code == Code::MissingLibrary && f.help.starts_with("--bundle"))
        .map(|f| f.subject.as_str())
        .collect();
    text += "# Take libraries that neither the tree nor the image has from the machine that built the tree.\n";
    text += &match bundled.first() {
        Some(first) => format!("# {first} needs one.\nbundle = true\n\n"),
        None => "# bundle = true\n\n".to_owned(),
    };
    let unnamed: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.code == Code::LibraryNotSearched)
        .map(|finding| format!("{:?}", finding.subject))
        .collect();
    text += "# Libraries that R_LIBS_USER in etc/Renviron is to name, besides R's own.\n";
    text += &match unnamed.as_slice() {
        [] => "# r-libs-user = [\"local/lib/R/site-library\"]\n\n".to_owned(),
        libraries => format!("r-libs-user = [{}]\n\n", libraries.join(", ")),
    };
    text += "# Remember which unit is in which layer, so that a change publishes as few layers anew as possible.\n\
             lock = \"layerfit.lock\"\n\n\
             # Smaller zips: R's databases opened for the zip's deflate, symbol tables out of ELF files, all the time it takes.\n\
             # repack-rdb = true\n# strip = \"all\"\n# level = \"max\"\n\n\
             # Prune rules to turn on, and rules and checks to leave out: `layerfit rules` lists them.\n\
             # select = [\"datasets\"]\n# ignore = [\"D105\", \"L206\"]\n\n\
             # What check compares weights with: `layerfit check --update-baseline` writes the file, which then only shrinks.\n\
             # baseline = \"layerfit.baseline.json\"\n# max-growth = \"2%\"\n\n\
             # Lambda's limits, and room for the function's own code.\n\
             [limits]\n# function-size = \"3MB\"\n# layer-zipped = \"250MB\"   # when layers are uploaded through S3\n\n";
    text += "# Budgets: of total, layer:NAME, pkg:NAME, or a glob of paths.\n\
             # [[budget]]\n# of = \"pkg:*\"\n# zipped = \"5MB\"\n\n\
             # Findings that are worse or less bad here than layerfit thinks, or left out with a reason.\n\
             # [[finding]]\n# code = \"L201\"\n# subject = \"R/lib64/R/library/nlme/**\"\n# severity = \"off\"\n\
             # reason = \"nothing loads nlme\"\n\n";
    let movable = report.packages.iter().filter(|package| package.priority.as_deref() != Some("base"));
    let largest = movable.max_by_key(|package| (package.cost.zipped_bytes, std::cmp::Reverse(&package.name)));
    if let Some(package) = largest.map(|package| &package.name) {
        text += &format!(
            "# Pack packages into another library than they are installed in.\n\
             # [[relocate]]\n# packages = [{package:?}]\n# to = \"local/lib/R/site-library\"\n\n"
        );
    }
    text += "# Layers with names, and the units they hold (`layerfit plan -v` lists them).\n\
             # [[layer]]\n# name = \"runtime\"\n# holds = [\"r\", \"lib:*\"]\n\n\
             # What `layerfit publish` takes: names are the prefix and the layer's.\n\
             [publish]\n# prefix = \"r-\"\n# license-info = \"MIT\"\n# function = \"my-function\"\n";
    text
}
