//! Packs instances and prints the results for `scripts/packing_truth.py`, which checks them with another solver:
//! `cargo run --release --example packing <INSTANCES`.
//!
//! Each line of the input is an instance in JSON: `{"capacity": [ZIPPED, UNZIPPED], "items": [[ZIPPED, UNZIPPED, PIN]...]}`
//! in bytes, where the pin is the number of a bin or null. Each line of the output is the answer to it: the number of `bins`
//! with something in them, the `lower_bound`, whether the packing is `optimal`, the `packing` (the positions of the items in
//! each bin), and the `milliseconds` of processor time it took. Exits with 2 at a line that is not an instance.

use std::io::BufRead;
use std::process::ExitCode;

use layerfit::pack::bins::{Capacity, Item, pack_bins};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    capacity: (u64, u64),
    items: Vec<(u64, u64, Option<usize>)>,
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
        println!("{}", serde_json::to_string(&solve(instance)).expect("numbers are JSON"));
    }
    ExitCode::SUCCESS
}

fn solve(instance: Instance) -> Answer {
    let capacity = Capacity { zipped: instance.capacity.0, unzipped: instance.capacity.1 };
    let items: Vec<Item> =
        instance.items.into_iter().map(|(zipped, unzipped, pin)| Item { zipped, unzipped, pin }).collect();
    let start = milliseconds();
    let assignment = pack_bins(&items, capacity);
    let milliseconds = milliseconds() - start;
    Answer {
        bins: assignment.bins.iter().filter(|bin| !bin.is_empty()).count(),
        lower_bound: assignment.lower_bound,
        optimal: assignment.optimal,
        packing: assignment.bins,
        milliseconds,
    }
}

/// The processor time of this process: other processes on the machine do not count.
fn milliseconds() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
