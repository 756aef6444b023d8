//! layerfit takes a runtime built under `/opt` (primarily R) and turns it into AWS Lambda layers that fit and load,
//! with a report that says what is in them and why.
//!
//! The rooms, from the ground up: each imports itself and those above it (`tests/it/architecture.rs` holds that):
//!
//! | room | responsibility |
//! | --- | --- |
//! | [`base`] | paths, sizes, lists, globs, errors, findings, severities, files written whole, signals, progress |
//! | [`formats`] | bytes become facts that no language owns: ELF files, shell scripts, shebangs, logs of strace |
//! | [`container`] | the image that a tree was built in: its layers, merged into one list of paths, with bounds |
//! | [`runtime`] | the image that a function runs in: profiles, limits, a root file system, capturing a profile |
//! | [`tree`](mod@tree) | a directory, or layer zips merged as Lambda merges them, becomes a [`tree::Tree`] |
//! | [`languages`] | what is installed of each language, what it loads, and what a function's sources use |
//! | [`resolve`] | what depends on what, as the dynamic loader, the kernel and the languages would find it, in one graph |
//! | [`prune`] | what may go, the guard that keeps what is needed, and what goes with what |
//! | [`pack`] | kept files become the fewest layers, with a proof: rewritten, compressed once, written whole |
//! | [`plan`] | settings become an analysis, and an analysis a plan |
//! | [`report`] | one value for people and programs, and its readers; answers to `why`, `diff` and the gate |
//! | [`commands`] | one file for each command: puts the stages in order |
//! | [`invoke`] | a function run from finished layers, as Lambda would |
//! | [`publish`] | publishing to AWS: the AWS CLI, the template for AWS SAM |
//! | [`cli`] | arguments and `layerfit.toml` become settings, once; the only place that prints |

// Bad input must end in a finding or an error that names the path, and one place prints.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::exit)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod base;
pub mod cli;
pub mod commands;
pub mod container;
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
