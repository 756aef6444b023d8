//! How much memory the processes of a sandbox use, read from /proc by its process 1, which may read that of any of them.
//!
//! Resident memory counts, as in Lambda, and each page once, however many processes share it:
//!
//! - For one process it is the peak that the kernel records (VmHWM), so nothing is missed between two samples. The kernel counts a page
//!   there for each of its mappings (mm counters are changed with page table entries); those that a process has again are subtracted.
//! - For several it is their memory at the time of a sample, with each shared page divided among those that map it (Pss).
//!   That division knows address spaces, not processes: a child of `vfork` has that of its parent until it starts a program,
//!   so each address space counts once.
//! - Shared memory that belongs to no process (memfd, System V) counts in full, mapped or not, and so do messages of System V.
//!
//! Files in `/tmp` do not count, as they are on a disk in Lambda; nor does other memory of the kernel, such as its page cache.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::base::read;

/// More than the mappings of any process fill: 65,530 of them (vm.max_map_count) with 1 KiB each.
const MAX_SMAPS_BYTES: u64 = 64 << 20;

/// How long a sample looks at processes. A function with a thousand of them, or with as many mappings, is measured over several
/// samples: none takes so long that a limit would not be watched.
const SAMPLE: Duration = Duration::from_millis(300);

/// Watches the descendants of a process.
#[derive(Debug)]
pub(super) struct Meter {
    /// The ancestor: process 1 of the sandbox, by its id in /proc. It is layerfit itself and does not count.
    first: i32,
    /// The peak so far, in bytes.
    peak: u64,
    /// The number of samples so far.
    samples: u64,
    /// What is known of each process, by its id.
    known: BTreeMap<i32, Known>,
}

/// What is known of a process, perhaps since an earlier sample.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The memfds that it has open: the bytes of each, by device and inode.
    files: Vec<((u64, u64), u64)>,
    /// The sample in which they were listed.
    listed: u64,
    /// Its memory beside shared objects, in bytes.
    memory: u64,
    /// The sample in which that was read.
    measured: u64,
    /// The most that it had mapped again at a time, in bytes.
    again: u64,
}

impl Meter {
    /// A meter for the descendants of the process with this id in /proc.
    pub(super) fn new(first: i32) -> Self {
        Self { first, peak: 0, samples: 0, known: BTreeMap::new() }
    }

    /// Takes a sample; returns the peak so far, in bytes.
    pub(super) fn sample(&mut self) -> u64 {
        self.sample_until(Instant::now() + SAMPLE / 2, Instant::now() + SAMPLE)
    }

    /// Takes a sample: lists shared objects until one moment, and measures processes until another, but at least one each. Those that
    /// were not seen for the longest time come first.
    fn sample_until(&mut self, listing: Instant, measuring: Instant) -> u64 {
        self.samples += 1;
        let processes = descendants(self.first);
        let living: BTreeSet<i32> = processes.iter().copied().collect();
        self.known.retain(|process, _| living.contains(process));
        let mut resident = 0;
        for process in &processes {
            // A process can end at any time, and then uses none.
            let Ok(status) = read::kernel(format!("/proc/{process}/status")) else { continue };
            resident += kilobytes(&status, "VmRSS:");
            let most = kilobytes(&status, "VmHWM:");
            if most > self.peak {
                let mappings = read::up_to(format!("/proc/{process}/smaps"), MAX_SMAPS_BYTES).unwrap_or_default();
                let known = self.known.entry(*process).or_default();
                known.again = known.again.max(mapped_again(&String::from_utf8_lossy(&mappings)));
                self.peak = self.peak.max(most.saturating_sub(known.again));
            }
        }
        for process in self.longest_ago(&processes, |known| known.listed) {
            let files = memfds(process);
            let known = self.known.entry(process).or_default();
            (known.files, known.listed) = (files, self.samples);
            if Instant::now() >= listing {
                break;
            }
        }
        let objects = Objects::new(self.known.values().flat_map(|known| known.files.iter().copied()));
        if resident + objects.bytes() > self.peak {
            let spaces = address_spaces(&processes);
            let forth = self.measure(&spaces, &objects, measuring);
            let memory = if Instant::now() < measuring {
                // Memory that one process frees and another then allocates is in one of the two sums only once.
                let back: Vec<i32> = spaces.iter().rev().copied().collect();
                forth.min(self.measure(&back, &objects, measuring))
            } else {
                forth
            };
            self.peak = self.peak.max(memory + objects.bytes());
        }
        self.peak
    }

    /// Measures these processes until a moment, and returns the sum of what is known of all of them then.
    fn measure(&mut self, processes: &[i32], objects: &Objects, until: Instant) -> u64 {
        for process in self.longest_ago(processes, |known| known.measured) {
            let memory = objects.memory_beside(process);
            let known = self.known.entry(process).or_default();
            (known.memory, known.measured) = (memory, self.samples);
            if Instant::now() >= until {
                break;
            }
        }
        processes.iter().filter_map(|process| self.known.get(process)).map(|known| known.memory).sum()
    }

    /// These processes, those first for which this sample is the earliest; others keep their order.
    fn longest_ago(&self, processes: &[i32], sample: impl Fn(&Known) -> u64) -> Vec<i32> {
        let mut sorted = processes.to_vec();
        sorted.sort_by_key(|process| self.known.get(process).map_or(0, &sample));
        sorted
    }
}

/// The memfds that a process has open: the bytes of each, by device and inode.
fn memfds(process: i32) -> Vec<((u64, u64), u64)> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
    let paths = descriptors.into_iter().flatten().flatten().map(|entry| entry.path());
    let is_memfd = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"))
    };
    let files = paths.filter(is_memfd).filter_map(|path| fs::metadata(path).ok());
    files.map(|file| ((file.dev(), file.ino()), file.blocks() * 512)).collect()
}

/// Shared memory that exists whether or not a process maps it.
#[derive(Debug, Default)]
struct Objects {
    /// The bytes of each memfd, by device and inode.
    files: BTreeMap<(u64, u64), u64>,
    /// The bytes of all System V segments and messages.
    system_v: u64,
}

impl Objects {
    /// These memfds, and what is in the IPC namespace that this process is in.
    fn new(files: impl Iterator<Item = ((u64, u64), u64)>) -> Self {
        let table = |name: &str| read::kernel(format!("/proc/sysvipc/{name}")).unwrap_or_default();
        Self { files: files.collect(), system_v: sum(&table("shm"), "rss") + sum(&table("msg"), "cbytes") }
    }

    fn bytes(&self) -> u64 {
        self.files.values().sum::<u64>() + self.system_v
    }

    /// The memory of a process without these objects, in bytes.
    fn memory_beside(&self, process: i32) -> u64 {
        if self.bytes() == 0 {
            let rollup = read::kernel(format!("/proc/{process}/smaps_rollup"));
            return rollup.map_or(0, |rollup| kilobytes(&rollup, "Pss:"));
        }
        let mappings = read::up_to(format!("/proc/{process}/smaps"), MAX_SMAPS_BYTES).unwrap_or_default();
        self.beside(&String::from_utf8_lossy(&mappings))
    }

    /// The memory of mappings (proc_pid_smaps(5)) of anything but these objects, in bytes.
    fn beside(&self, mappings: &str) -> u64 {
        let mut bytes = 0;
        let mut counts = true;
        for line in mappings.lines() {
            if line.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_lowercase()) {
                // ADDRESSES PERMISSIONS OFFSET MAJOR:MINOR INODE NAME
                let mut fields = line.split_ascii_whitespace().skip(3);
                let device = fields.next().and_then(|device| device.split_once(':'));
                let inode = fields.next().and_then(|inode| inode.parse().ok());
                let number = |text| u32::from_str_radix(text, 16).ok();
                let file = device
                    .and_then(|(major, minor)| Some((rustix::fs::makedev(number(major)?, number(minor)?), inode?)));
                let segment = fields.next().is_some_and(|name| name.starts_with("/SYSV"));
                counts = !segment && file.is_none_or(|file| !self.files.contains_key(&file));
            } else if counts && line.starts_with("Pss:") {
                bytes += kilobytes(line, "Pss:");
            }
        }
        bytes
    }
}

/// A mapping of a file, as /proc has it.
#[derive(Debug, Default)]
struct Mapping {
    /// The part of the file, in bytes.
    from: u64,
    to: u64,
    /// Its resident memory, and that with each page divided among all its mappings, in bytes.
    rss: u64,
    pss: u64,
}

/// The resident memory of mappings (proc_pid_smaps(5)) that is of pages which the same process has in another mapping too, in bytes:
/// parts of one file, or of one shared object, that are mapped at several addresses. At most what overlaps counts, and nothing that
/// was copied when it was written to.
fn mapped_again(mappings: &str) -> u64 {
    let mut by_file: BTreeMap<(&str, &str), Vec<Mapping>> = BTreeMap::new();
    let mut file = None;
    for line in mappings.lines() {
        if line.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_lowercase()) {
            // ADDRESSES PERMISSIONS OFFSET MAJOR:MINOR INODE NAME
            let fields: Vec<&str> = line.split_ascii_whitespace().take(5).collect();
            let number = |text| u64::from_str_radix(text, 16).ok();
            file = None;
            if let [addresses, _, offset, device, inode] = fields[..]
                && inode != "0"
                && let Some((begin, end)) = addresses.split_once('-')
                && let (Some(begin), Some(end), Some(from)) = (number(begin), number(end), number(offset))
            {
                let to = from.saturating_add(end.saturating_sub(begin));
                by_file.entry((device, inode)).or_default().push(Mapping { from, to, ..Mapping::default() });
                file = Some((device, inode));
            }
        } else if let Some(mapping) = file.and_then(|file| by_file.get_mut(&file)?.last_mut()) {
            mapping.rss += kilobytes(line, "Rss:");
            mapping.pss += kilobytes(line, "Pss:");
        }
    }
    by_file.into_values().map(again).sum()
}

/// The resident memory of a process's mappings of one file that is of pages in several of them, in bytes.
fn again(mut mappings: Vec<Mapping>) -> u64 {
    mappings.sort_by_key(|mapping| mapping.from);
    let (mut overlap, mut end) = (0, 0);
    for mapping in &mappings {
        overlap += end.min(mapping.to).saturating_sub(mapping.from);
        end = end.max(mapping.to);
    }
    let total: u64 = mappings.iter().map(|mapping| mapping.rss).sum();
    let once = mappings.iter().map(|mapping| mapping.rss).max().unwrap_or(0);
    // Of pages that no other process has, the divided memory is that of each page once; of others it is less.
    let divided: u64 = mappings.iter().map(|mapping| mapping.pss).sum();
    overlap.min(total - once.max(divided).min(total))
}

/// The sum of a column of a table in /proc/sysvipc, whose first line has the names.
fn sum(table: &str, column: &str) -> u64 {
    let mut lines = table.lines();
    let column = lines.next().and_then(|names| names.split_whitespace().position(|name| name == column));
    let Some(column) = column else { return 0 };
    lines.filter_map(|line| line.split_whitespace().nth(column)?.parse::<u64>().ok()).sum()
}

/// One process of each address space.
fn address_spaces(processes: &[i32]) -> Vec<i32> {
    let mut by_layout: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for process in processes {
        // Only processes of the same layout can share one: a fork, or a child of `vfork`. If that starts a program after its
        // layout is read, it no longer shares one when they are compared; and if it does so later, it is too small to matter.
        by_layout.entry(layout(*process).unwrap_or_else(|| process.to_string())).or_default().push(*process);
    }
    let ours: BTreeSet<i32> = by_layout.into_values().flat_map(|group| distinct(&group)).collect();
    processes.iter().copied().filter(|process| ours.contains(process)).collect()
}

/// One process of each address space, of processes that are alike: a thousand forks of one process are.
///
/// Comparing all of them with each other would take minutes. Each is marked instead, and those that then have the same mark are
/// compared: that of the last one that was marked in their address space.
fn distinct(processes: &[i32]) -> Vec<i32> {
    if let [only] = processes {
        return vec![*only];
    }
    let before: Vec<Option<u32>> = processes.iter().map(|process| dump_filter(*process)).collect();
    let mut marks: Vec<Vec<Option<u32>>> = vec![Vec::new(); processes.len()];
    let mut step = 1;
    while step < processes.len() {
        for (number, process) in processes.iter().enumerate() {
            let mark = u32::try_from(number / step % MARKS).unwrap_or(0);
            let _ = set_dump_filter(*process, mark);
        }
        for (marks, process) in marks.iter_mut().zip(processes) {
            marks.push(dump_filter(*process));
        }
        step *= MARKS;
    }
    for (process, before) in processes.iter().zip(&before) {
        let _ = before.map(|before| set_dump_filter(*process, before));
    }
    let mut by_mark: BTreeMap<&[Option<u32>], Vec<i32>> = BTreeMap::new();
    for (marks, process) in marks.iter().zip(processes) {
        by_mark.entry(marks).or_default().push(*process);
    }
    let of_each = by_mark.into_values().flat_map(|alike| {
        let first = alike[0];
        // Processes can change the marks themselves.
        alike.into_iter().filter(move |process| *process == first || !share_memory(first, *process))
    });
    of_each.collect()
}

/// The addresses of a process's program, heap, stack, arguments and environment (proc_pid_stat(5), fields 26 to 28 and 45 to
/// 51): random for each program that is started, and the same in all that share an address space.
fn layout(process: i32) -> Option<String> {
    let stat = read::up_to(format!("/proc/{process}/stat"), 4096).ok()?;
    // The second field, the program's name in parentheses, can contain anything.
    let stat = String::from_utf8_lossy(&stat).rsplit_once(')')?.1.to_owned();
    let fields: Vec<&str> = stat.split_ascii_whitespace().collect();
    Some([fields.get(23..26)?, fields.get(42..49)?].concat().join(" "))
}

/// How many values the flags have that mark an address space: seven of them, as since Linux 2.6.28 (core(5)).
const MARKS: usize = 128;

/// Which kinds of mappings a core dump of a process has: flags of its address space, which can be changed and seen through /proc. The
/// kernel numbers address spaces nowhere, and nothing in the sandbox dumps core.
fn dump_filter(process: i32) -> Option<u32> {
    u32::from_str_radix(read::kernel(format!("/proc/{process}/coredump_filter")).ok()?.trim(), 16).ok()
}

fn set_dump_filter(process: i32, value: u32) -> std::io::Result<()> {
    fs::write(format!("/proc/{process}/coredump_filter"), format!("{value:#x}"))
}

/// Whether two processes have the same address space.
fn share_memory(one: i32, other: i32) -> bool {
    let Some(value) = dump_filter(one).filter(|value| dump_filter(other) == Some(*value)) else { return false };
    if set_dump_filter(one, value ^ 1).is_err() {
        return false;
    }
    let same = dump_filter(other) == Some(value ^ 1);
    // Either may have ended, or have started a program, which has inherited the flag.
    for process in [one, other] {
        if dump_filter(process) == Some(value ^ 1) {
            let _ = set_dump_filter(process, value);
        }
    }
    same
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

    /// A process of its own, whose children are all that a meter finds: this program may run other tests, with other children.
    /// Each child has had this much memory. All of them end with its standard input.
    fn parent_of(children: usize, bytes: usize, then: &str) -> std::process::Child {
        let child = format!("x=$(head -c {bytes} /dev/zero | tr '\\0' x); echo ${{#x}}; {then}read y <&3");
        let script = format!("exec 3<&0; for n in $(seq {children}); do ({child}) & done; wait");
        let mut parent = std::process::Command::new("bash")
            .args(["-c", &script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("bash");
        let out = std::io::BufReader::new(parent.stdout.take().expect("piped"));
        let lines: Vec<String> =
            std::io::BufRead::lines(out).take(children).map(|line| line.expect("a line")).collect();
        assert_eq!(lines, vec![bytes.to_string(); children]);
        parent
    }

    fn meter_of(parent: &std::process::Child) -> Meter {
        Meter::new(i32::try_from(parent.id()).expect("a number"))
    }

    #[test]
    fn a_child_counts_with_the_most_it_ever_had() {
        let mut parent = parent_of(1, 30_000_000, "x=; ");
        let peak = meter_of(&parent).sample();
        drop(parent.stdin.take());
        parent.wait().expect("ended");
        assert!(peak > 30_000_000, "{peak}");
    }

    #[test]
    fn mappings_of_an_object_do_not_count_again() {
        let objects = Objects { files: [((rustix::fs::makedev(0, 1), 77), 8192)].into(), system_v: 4096 };
        let mappings = "\
7f0000000000-7f0000002000 rw-s 00000000 00:01 77                         /memfd:x (deleted)\nRss: 8 kB\nPss: 8 kB\n\
7f0000002000-7f0000003000 rw-s 00000000 00:01 3                          /SYSV00000000 (deleted)\nPss: 4 kB\n\
7f0000003000-7f0000004000 rw-s 00000000 00:01 78                         /dev/zero (deleted)\nPss: 2 kB\nPss_Dirty: 2 kB\n\
a00000000000-a00000001000 rw-p 00000000 00:00 0 \nPss: 1 kB\nSwapPss: 1 kB\n";
        assert_eq!((objects.beside(mappings), objects.bytes()), (3072, 12_288));
    }

    #[test]
    fn pages_that_a_process_maps_twice_count_once() {
        let mapping = |at: u64, kib: u64, offset: u64, file: &str, rss: u64, pss: u64| {
            let end = at + kib * 1024;
            format!("{at:x}-{end:x} rw-s {offset:08x} {file} x\nSize: {kib} kB\nRss: {rss} kB\nPss: {pss} kB\n")
        };
        let memfd = "00:01 77";
        for (what, mappings, kib) in [
            ("twice", vec![mapping(0x10_0000, 64, 0, memfd, 64, 32), mapping(0x20_0000, 64, 0, memfd, 64, 32)], 64),
            (
                "a part of it",
                vec![mapping(0x10_0000, 64, 0, memfd, 16, 8), mapping(0x20_0000, 64, 0, memfd, 16, 8)],
                16,
            ),
            (
                "other pages",
                vec![mapping(0x10_0000, 64, 0, memfd, 64, 64), mapping(0x20_0000, 64, 0, "00:01 78", 64, 64)],
                0,
            ),
            (
                "other parts",
                vec![mapping(0x10_0000, 64, 0, memfd, 64, 64), mapping(0x20_0000, 64, 0x1_0000, memfd, 64, 64)],
                0,
            ),
            (
                "copies",
                vec![mapping(0x10_0000, 64, 0, "08:01 5", 64, 64), mapping(0x20_0000, 64, 0, "08:01 5", 64, 64)],
                0,
            ),
            (
                "nothing",
                vec![mapping(0x10_0000, 64, 0, "00:00 0", 64, 64), mapping(0x20_0000, 64, 0, "00:00 0", 64, 64)],
                0,
            ),
            // A library that a hundred processes have: its segments are other parts of one file, but for a page.
            (
                "segments",
                vec![mapping(0x10_0000, 64, 0, "08:01 9", 64, 1), mapping(0x20_0000, 64, 0xf000, "08:01 9", 64, 1)],
                4,
            ),
        ] {
            assert_eq!(mapped_again(&mappings.concat()), kib * 1024, "{what}");
        }
    }

    #[test]
    fn tables_of_system_v_are_read_by_the_names_of_their_columns() {
        let table = "       key      shmid perms                  size  cpid  rss swap\n 0 1 600 9 4 4096 0\n 0 2 600 9 4 8192 0\n";
        assert_eq!(sum(table, "rss"), 12_288);
        assert_eq!(sum("key shmid\n1 2\n", "rss"), 0);
    }

    #[test]
    fn a_sample_that_is_cut_short_goes_on_where_the_last_one_ended() {
        let mut parent = parent_of(3, 20_000_000, "");
        let mut meter = meter_of(&parent);
        let past = Instant::now();
        // One process is measured each time.
        let peaks: Vec<u64> = (0..4).map(|_| meter.sample_until(past, past)).collect();
        drop(parent.stdin.take());
        parent.wait().expect("ended");
        assert!(peaks[0] < 50_000_000 && peaks[2] > 60_000_000 && peaks[3] == peaks[2], "{peaks:?}");
    }

    #[test]
    fn processes_that_are_alike_are_told_apart_and_keep_their_flags() {
        // More than there are marks.
        let children: Vec<_> =
            (0..300).map(|_| std::process::Command::new("sleep").arg("100").spawn().expect("sleep")).collect();
        let ids: Vec<i32> = children.iter().map(|child| i32::try_from(child.id()).expect("a number")).collect();
        let before: Vec<_> = ids.iter().map(|id| dump_filter(*id)).collect();
        let mut apart = distinct(&ids);
        let after: Vec<_> = ids.iter().map(|id| dump_filter(*id)).collect();
        for mut child in children {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
        apart.sort_unstable();
        assert_eq!(apart, ids);
        assert!(before == after && before.iter().all(Option::is_some), "{before:?} {after:?}");
    }
}
