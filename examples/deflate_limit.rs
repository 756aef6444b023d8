//! The limit of packing: compresses every regular file of a tree with libdeflate alone, on all cores, and keeps nothing. What
//! `layerfit pack` takes besides that is its own.
//!
//! `cargo run --release --example deflate_limit -- TREE [LEVEL]` prints the bytes before and after.

use std::path::PathBuf;

use libdeflater::{CompressionLvl, Compressor};
use rayon::prelude::*;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(tree), level) = (arguments.next(), arguments.next()) else {
        eprintln!("deflate_limit TREE [LEVEL]");
        std::process::exit(2);
    };
    let level = level.and_then(|level| level.to_str()?.parse().ok()).unwrap_or(6);
    let files = walkdir::WalkDir::new(tree).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    let mut files: Vec<(u64, PathBuf)> =
        files.map(|entry| (entry.metadata().map_or(0, |metadata| metadata.len()), entry.into_path())).collect();
    // The largest first, as layerfit does.
    files.sort_by(|a, b| b.cmp(a));
    let level = CompressionLvl::new(level).unwrap_or_default();
    let lengths = files.par_iter().by_uniform_blocks(64).map_init(
        || Compressor::new(level),
        |compressor, (_, path)| {
            let content = std::fs::read(path).unwrap_or_default();
            let mut deflated = vec![0; compressor.deflate_compress_bound(content.len())];
            let length = compressor.deflate_compress(&content, &mut deflated).unwrap_or(content.len());
            (content.len() as u64, length.min(content.len()) as u64)
        },
    );
    let (before, after) = lengths.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    println!("{} files, {before} bytes, {after} deflated", files.len());
}
