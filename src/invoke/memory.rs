//! How much memory the processes of a sandbox use, read from /proc outside the sandbox.
//!
//! Resident memory counts, as in Lambda. For one process it is the peak that the kernel records (VmHWM), so nothing is missed
//! between two samples; for several together it is their memory at the time of a sample, with shared memory counted once
//! (Pss, read only where the sum of all would be a new peak). Files in `/tmp` do not count, as they are on a disk in Lambda;
//! nor does memory of the kernel, such as its page cache.

use std::fs;

use crate::base::read;

/// Watches the descendants of a process.
#[derive(Debug)]
pub(super) struct Meter {
    /// Process 1 of the sandbox, by its id outside. It is layerfit itself and does not count.
    first: i32,
    /// The peak so far, in bytes.
    pub peak: u64,
}

impl Meter {
    /// A meter for the sandbox whose process 1 has this id outside.
    pub(super) fn new(first: i32) -> Self {
        Self { first, peak: 0 }
    }

    /// Takes a sample; returns the peak so far, in bytes.
    pub(super) fn sample(&mut self) -> u64 {
        let processes = descendants(self.first);
        let mut together = 0;
        for process in &processes {
            // A process can end at any time, and then uses none.
            let Ok(status) = read::kernel(format!("/proc/{process}/status")) else { continue };
            together += kilobytes(&status, "VmRSS:");
            self.peak = self.peak.max(kilobytes(&status, "VmHWM:"));
        }
        if together > self.peak {
            if processes.len() > 1 {
                let shares = processes.iter().map(|process| {
                    let rollup = read::kernel(format!("/proc/{process}/smaps_rollup"));
                    rollup.map_or(0, |rollup| kilobytes(&rollup, "Pss:"))
                });
                together = shares.sum();
            }
            self.peak = self.peak.max(together);
        }
        self.peak
    }
}

/// A line such as `VmRSS:    1234 kB`, in bytes; 0 when there is none.
fn kilobytes(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.map_or(0, |kilobytes| kilobytes * 1024)
}

/// The descendants of the process `first`.
fn descendants(first: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut left = vec![first];
    while let Some(process) = left.pop() {
        // Each thread has its own list of children.
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten() {
            let children = read::kernel(thread.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                found.push(child);
                left.push(child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_counts_with_the_most_it_ever_had() {
        let us = i32::try_from(std::process::id()).expect("a number");
        let script = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ${#x}; x=; read y";
        let mut child = std::process::Command::new("bash")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("bash");
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        let peak = Meter::new(us).sample();
        drop(child.stdin.take());
        child.wait().expect("ended");
        assert_eq!(line, "30000000\n");
        assert!(peak > 30_000_000, "{peak}");
    }
}
