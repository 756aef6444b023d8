//! Report: one value that says everything, and its readers. Each reader gives bytes; none prints.

mod build;
mod colors;
mod contents;
mod costs;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod model;
mod sarif;
mod sections;
mod table;
mod tree;

pub use colors::Colors;
pub use contents::{ContentFile, ContentPlace, Contents, Group, Kind};
pub use github::annotations;
pub use html::html;
pub use json::{json, manifest, schema};
pub use junit::junit;
pub use markdown::markdown;
pub use model::{
    Cost, Count, DirectoryReport, HardenedReport, Kept, LayerChangeReport, LayerReport, LibraryReport, NeededReport,
    ObjectReport, PackageReport, Packing, PrunedByRule, Report, RewrittenReport, SCHEMA, Totals, UnitReport,
    UnloadedReport,
};
pub use sarif::sarif;
pub use sections::Detail;
pub use table::table;
pub use tree::tree;

pub(crate) use build::of_tree;
pub(crate) use costs::{Scales, Weight};
pub(crate) use json::bytes as as_json;
pub(crate) use markdown::{escape as markdown_text, folded, render as markdown_section};
pub(crate) use sections::Section;
pub(crate) use table::{render as table_section, wrapped};
