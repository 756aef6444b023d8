//! Packs instances and says what came out, for `scripts/packing_truth.py`, which holds it against another solver:
//! `cargo run --release --example packing <INSTANCES`.
//!
//! Each line of the input is an instance in JSON: `{"capacity": [ZIPPED, UNZIPPED], "pieces": [[ZIPPED, UNZIPPED, PIN]...]}`
//! in bytes, with the number of a bin or null for the pin. Each line of the output is the answer to it: `bins` with
//! something in them, the `lower_bound`, whether they are `optimal`, the `packing` (for each bin the positions of its
//! pieces), and the `milliseconds` of processor time it took. Ends with 2 at a line that is no instance.

use std::io::BufRead;
use std::process::ExitCode;

use layerfit::pack::bins::{Capacity, Piece, pack_bins};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    capacity: (u64, u64),
    pieces: Vec<(u64, u64, Option<usize>)>,
}

#[derive(Serialize)]
struct Answer {
    bins: usize,
    lower_bound: usize,
    optimal: bool,
    packing: Vec<Vec<usize>>,
    milliseconds: i64,
}

fn main() -> ExitCode {
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.expect("the input can be read");
        let instance: Instance = match serde_json::from_str(&line) {
            Ok(instance) => instance,
            Err(error) => {
                eprintln!("line {}: {error}", number + 1);
                return ExitCode::from(2);
            }
        };
        println!("{}", serde_json::to_string(&answer(instance)).expect("numbers are JSON"));
    }
    ExitCode::SUCCESS
}

fn answer(instance: Instance) -> Answer {
    let capacity = Capacity { zipped: instance.capacity.0, unzipped: instance.capacity.1 };
    let pieces: Vec<Piece> =
        instance.pieces.into_iter().map(|(zipped, unzipped, pin)| Piece { zipped, unzipped, pin }).collect();
    let began = milliseconds();
    let found = pack_bins(&pieces, capacity);
    let milliseconds = milliseconds() - began;
    Answer {
        bins: found.bins.iter().filter(|bin| !bin.is_empty()).count(),
        lower_bound: found.lower_bound,
        optimal: found.optimal,
        packing: found.bins,
        milliseconds,
    }
}

/// The processor time of this process: other processes on the machine do not count.
fn milliseconds() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
