//! layerfit takes a runtime built under `/opt` (R first of all) and turns it into AWS Lambda layers that fit and load,
//! with a report that says what is in them and why.
//!
//! The stages, in the order data flows; each knows those before it and none after it ([`pipeline`] puts them together):
//!
//! - [`scan`]: a directory, or layer zips merged as Lambda merges them, becomes a [`scan::Tree`].
//! - [`arrange`]: packages put into another library, and R told of it.
//! - [`formats`] and [`facts`]: what ELF files and R packages say of themselves.
//! - [`handlers`]: which packages the function's own sources use.
//! - [`resolve`]: who needs whom, as the dynamic loader and R would find it, in one graph.
//! - [`bundle`]: libraries that only the build host has, taken into the tree; [`capture`]: profiles of images.
//! - [`rules`] and [`prune`]: what may go, and the guard that keeps what is needed.
//! - [`measure`]: every file deflated once; its compressed bytes are what goes into a zip.
//! - [`pack`]: the fewest layers, with a proof.
//! - [`suggest`]: what to do next, and what each step would save.
//! - [`mod@write`]: zips and manifest, whole or not at all.
//! - [`gate`]: budgets, growth and headroom, and what is other in one set of layers than in another.
//! - [`template`]: layers and an example function for AWS SAM.
//! - [`publish`]: what is to be done so that AWS has the layers, and the AWS CLI, which does it.
//! - [`invoke`]: a function run from what was written, as Lambda would.
//! - [`report`]: one value, and its readers; [`why`]: another, that answers for one thing, or for what dropping would do.

// Bad input must end in a finding or an error that names the path, and one place prints.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::exit)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod base;
pub mod cli;
pub mod commands;
pub mod formats;
pub mod invoke;
pub mod languages;
pub mod pack;
pub mod plan;
pub mod prune;
pub mod publish;
pub mod report;
pub mod resolve;
pub mod runtime;
pub mod tree;
