//! What layerfit promises, tested from outside: most tests build a tree and run the program on it.
//!
//! One module per promise, which its first lines state. All of them are one program: build it once, and run a part of it with
//! `cargo test --test it loader_rules::`. They share that process, so a test hands an environment, a working directory, a
//! limit or another user to the program that it starts, and changes nothing of its own.

// The fuzz targets, which are modules of fuzz_targets.rs, import their macro from a crate of this name.
extern crate self as libfuzzer_sys;
pub(crate) use fuzz_targets::fuzz_target;

mod support;

mod architecture;
mod bad_input;
mod bundle_and_capture;
mod cache_size;
mod check_zips;
mod code_pages;
mod colors;
mod command_line;
mod commands;
mod compiled_modules;
mod completions_and_manual;
mod conditions_in_sources;
mod config_sources;
mod configuration;
mod counted_files;
mod damaged_packages;
mod data_needs;
mod distributions;
mod documents;
mod drop_and_keep;
mod each_code_fires;
mod each_zip;
mod extension_modules;
mod fewest_layers;
mod findings_for_tools;
mod freed_by_dropping;
mod function_code;
mod function_memory;
mod fuzz_targets;
mod gate;
mod guard;
mod guide;
mod handlers;
mod handlers_in_python_and_js;
mod hostile_functions;
mod hostile_text;
mod hostile_zips;
mod how_packages_were_installed;
mod how_r_is_started;
mod images;
mod invoke;
mod libraries;
mod loaded_at_run_time;
mod loader_rules;
mod loads_that_fail;
mod lock;
mod managed_runtimes;
mod next_steps;
mod one_screen;
mod output_is_whole;
mod packages;
mod packed_for;
mod page;
mod preloads;
mod publish;
mod r_homes;
mod readme_gate;
mod reviewed_outputs;
mod rewritten_files;
mod runtime_api;
mod safe_rules;
mod sandbox;
mod scale;
mod schemas;
mod shaped_with;
mod signals;
mod template;
mod unreached;
mod verdict;
mod versions_and_symbols;
mod what_r_loads;
mod why;
mod written_together;
mod zips;
mod zips_of_no_layer;
