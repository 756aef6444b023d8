//! Report: one value with all results of a run, and its output formats, which return bytes and print nothing.

mod build;
mod contents;
mod costs;
pub mod diff;
pub mod gate;
mod html;
mod model;
mod render;
mod unit_names;
mod what_if;
pub mod why;

pub use crate::pack::output::SCHEMA;
pub use contents::{ContentFile, ContentPlace, Contents, Group, Kind, Thing};
pub(crate) use costs::SizeIndex;
pub use html::{diff_html, html};
pub use model::{
    Amount, Architecture, Compared, Cost, Count, DirectoryReport, ImageReport, Kept, LayerChangeReport, LayerReport,
    LayerState, LibraryReport, LoadedBy, MovedReport, NeededReport, ObjectReport, PackageReport, Packing, PrunedByRule,
    RecompressedReport, Report, RewrittenReport, Totals, UnitReport, UnusedLibraryReport, WhyUnused,
};
pub use render::{
    Colors, Detail, LINES, Rows, Screen, Sort, annotations, csv, json, junit, manifest, markdown, sarif, schema, table,
    tree, verdict,
};
pub(crate) use render::{
    Section, SectionKind, as_json, folded, markdown_section, markdown_text, schema_of, table_section, wrapped,
};
