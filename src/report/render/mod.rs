//! Output formats for terminals, pull requests, programs and CI servers: each is a function from a [`Report`] to bytes.
//!
//! [`Report`]: super::Report

mod bars;
mod colors;
mod csv;
mod github;
mod groups;
mod json;
mod junit;
mod markdown;
mod sarif;
pub(super) mod sections;
mod shorter;
mod table;
mod tree;

pub use colors::{Colors, Screen};
pub use csv::csv;
pub use github::annotations;
pub(crate) use json::{bytes as as_json, schema_of};
pub use json::{json, manifest, schema};
pub use junit::junit;
pub use markdown::markdown;
pub(crate) use markdown::{escape as markdown_text, folded, render as markdown_section};
pub use sarif::sarif;
pub use sections::{Detail, Rows, Sort};
pub(crate) use sections::{Section, SectionKind};
pub use table::{LINES, table};
pub(crate) use table::{render as table_section, wrapped};
pub use tree::tree;

/// The verdict in one line: whether a run passes, and why not.
pub fn verdict(report: &super::Report) -> String {
    sections::verdict(report)
}
