//! What every room is built on: paths in a tree, buffers, sizes, lists in prose, globs, errors, findings with typed subjects and
//! their severities, the pages of the checks, verdicts on contents, text that is safe to print, text in lines, bounded reads, directories by
//! handle, atomic writes, additions to files, signals and progress. It knows nothing about layers.

pub(crate) mod append;
pub(crate) mod atomic;
pub(crate) mod buffers;
pub mod bytes;
pub mod check_pages;
pub(crate) mod directory;
pub mod error;
pub mod finding;
pub mod globs;
pub mod interrupt;
pub mod list;
pub mod part;
pub mod path;
pub mod progress;
pub mod read;
pub mod safe;
pub mod severity;
pub(crate) mod similar;
pub mod size;
pub mod subject;
pub(crate) mod toml;
pub mod verdicts;
pub mod wrap;

pub use check_pages::{CheckPage, check_pages};
