//! What a run opened, from strace's log of it (`strace -f -e trace=file -o FILE`; strace(1)).
//!
//! What was opened are the calls that succeeded and that open, execute or read a file; a test for its existence does not count.
//! What was looked for in vain are such calls and tests that failed because nothing is there. Calls that another process
//! interrupted are reassembled. Relative paths count where the working directory is known from a
//! `chdir()` of the same process.

use std::collections::{BTreeMap, BTreeSet};

/// A file system path may have this many bytes (PATH_MAX); strace prints paths whole.
const MAX_PATH_BYTES: usize = 4096;

/// What a run opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Absolute paths that were opened, executed or followed, as passed to the call.
    pub paths: BTreeSet<Vec<u8>>,
    /// Absolute paths where nothing is; `true` if a call was to open, execute or follow it, not only to test for it.
    pub missing: BTreeMap<Vec<u8>, bool>,
    /// The number of lines that contain a call.
    pub calls: usize,
    /// The number of calls with a relative path whose directory is not known.
    pub relative: usize,
}

impl Opened {
    /// Adds what another run opened. What one run found was not in vain.
    pub fn add(&mut self, other: Self) {
        self.paths.extend(other.paths);
        for (path, used) in other.missing {
            *self.missing.entry(path).or_default() |= used;
        }
        let Self { paths, missing, .. } = self;
        missing.retain(|path, _| !paths.contains(path));
        self.calls += other.calls;
        self.relative += other.relative;
    }
}

/// Parses a log.
///
/// # Errors
/// When it contains no call in strace's format.
pub fn parse(log: &[u8]) -> Result<Opened, String> {
    let mut opened = Opened::default();
    let mut unfinished: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    let mut directories: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for line in log.split(|byte| *byte == b'\n') {
        let (process, rest) = process(line);
        if let Some(begun) = strip_end(rest, b"<unfinished ...>") {
            unfinished.insert(process, begun.to_vec());
            continue;
        }
        let joined = resumed(rest).and_then(|end| {
            let mut whole = unfinished.remove(process)?;
            whole.extend_from_slice(end);
            Some(whole)
        });
        let Some(call) = Call::parse(joined.as_deref().unwrap_or(rest)) else { continue };
        opened.calls += 1;
        if !call.succeeded && !call.nothing_there {
            continue;
        }
        let Some(path) = &call.path else { continue };
        let Some(path) = absolute(path, call.directory.as_deref().or(directories.get(process).map(Vec::as_slice)))
        else {
            opened.relative += usize::from(call.succeeded && call.uses());
            continue;
        };
        if call.nothing_there {
            if path.len() <= MAX_PATH_BYTES && (call.uses() || call.tests()) {
                *opened.missing.entry(path).or_default() |= call.uses();
            }
        } else if call.name == b"chdir" {
            directories.insert(process.to_vec(), path);
        } else if call.uses() && path.len() <= MAX_PATH_BYTES {
            opened.paths.insert(path);
        }
    }
    if opened.calls == 0 {
        return Err("it contains no call in strace's format; record one with: strace -f -e trace=file -o FILE COMMAND"
            .to_owned());
    }
    Ok(opened)
}

/// One call of the log.
struct Call<'a> {
    name: &'a [u8],
    /// The first string among its arguments.
    path: Option<Vec<u8>>,
    /// The directory that its path is relative to, if logged (`strace -y`).
    directory: Option<Vec<u8>>,
    succeeded: bool,
    /// Whether it failed because there is no such file.
    nothing_there: bool,
}

impl<'a> Call<'a> {
    /// `NAME(ARGUMENTS) = RESULT`
    fn parse(text: &'a [u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let name = &text[..open];
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return None;
        }
        let arguments = &text[open + 1..];
        let (path, end) = first_string(arguments)?;
        let before = &arguments[..arguments.iter().position(|byte| *byte == b'"')?];
        let directory = before.iter().position(|byte| *byte == b'<').and_then(|start| {
            let inside = &before[start + 1..];
            Some(inside[..inside.iter().rposition(|byte| *byte == b'>')?].to_vec())
        });
        // The result follows the last " = ": strings among the arguments may contain one too.
        let rest = &arguments[end..];
        let result = rest.windows(3).rposition(|window| window == b" = ").map(|at| &rest[at + 3..])?;
        let succeeded = result.first().is_some_and(u8::is_ascii_digit);
        let nothing_there = result.starts_with(b"-1 ENOENT");
        Some(Self { name, path, directory, succeeded, nothing_there })
    }

    /// Whether the call tests for what it names.
    fn tests(&self) -> bool {
        matches!(
            self.name,
            b"access"
                | b"faccessat"
                | b"faccessat2"
                | b"stat"
                | b"stat64"
                | b"lstat"
                | b"newfstatat"
                | b"fstatat64"
                | b"statx"
        )
    }

    /// Whether the call opens, executes or follows what it names.
    fn uses(&self) -> bool {
        matches!(
            self.name,
            b"open" | b"openat" | b"openat2" | b"execve" | b"execveat" | b"readlink" | b"readlinkat" | b"uselib"
        )
    }
}

/// What precedes a call: `1234 `, `[pid 1234] `, and times (`-t`, `-r`).
fn process(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii();
    let (pid, mut rest) = match line.strip_prefix(b"[pid") {
        Some(inside) => match inside.iter().position(|byte| *byte == b']') {
            Some(end) => (inside[..end].trim_ascii(), inside[end + 1..].trim_ascii_start()),
            None => (&b""[..], line),
        },
        None => match line.iter().position(|byte| !byte.is_ascii_digit()) {
            Some(end) if end > 0 && line[end] == b' ' => (&line[..end], line[end..].trim_ascii_start()),
            _ => (&b""[..], line),
        },
    };
    while let Some(end) = rest.iter().position(|byte| !(byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'+')))
        && end > 0
        && rest[end] == b' '
    {
        rest = rest[end..].trim_ascii_start();
    }
    (pid, rest)
}

/// What follows `<... NAME resumed>`.
fn resumed(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"<... ")?;
    let mark = b" resumed>";
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some(&text[at + mark.len()..])
}

fn strip_end<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    text.trim_ascii_end().strip_suffix(end)
}

/// The first string of a call's arguments, unescaped, and where it ends; `None` for the string when strace truncated it.
fn first_string(arguments: &[u8]) -> Option<(Option<Vec<u8>>, usize)> {
    let mut at = arguments.iter().position(|byte| *byte == b'"')? + 1;
    let mut string = Vec::new();
    loop {
        match *arguments.get(at)? {
            b'"' => break,
            b'\\' => {
                at += 1;
                let digits: Vec<u8> =
                    arguments[at..].iter().take(3).copied().take_while(|b| (b'0'..=b'7').contains(b)).collect();
                if digits.is_empty() {
                    string.push(match *arguments.get(at)? {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b'v' => 11,
                        b'f' => 12,
                        b'a' => 7,
                        b'b' => 8,
                        other => other,
                    });
                    at += 1;
                } else {
                    at += digits.len();
                    let value = digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                    string.push(u8::try_from(value).ok()?);
                }
            }
            byte => {
                string.push(byte);
                at += 1;
            }
        }
    }
    let cut = arguments[at + 1..].starts_with(b"...");
    Some(((!cut).then_some(string), at + 1))
}

fn absolute(path: &[u8], directory: Option<&[u8]>) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return Some(path.to_vec());
    }
    let directory = directory.filter(|directory| directory.starts_with(b"/") && !path.is_empty())?;
    Some([directory, b"/", path].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(log: &str) -> Vec<String> {
        let opened = parse(log.as_bytes()).expect("a log");
        opened.paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn what_is_opened_executed_or_followed_counts_and_what_is_asked_for_does_not() {
        let log = "execve(\"/opt/R/bin/R\", [\"R\"], 0x7ffd /* 20 vars */) = 0\n\
                   openat(AT_FDCWD, \"/opt/lib/libz.so.1\", O_RDONLY|O_CLOEXEC) = 3\n\
                   readlink(\"/opt/lib/libz.so\", \"libz.so.1\", 4095) = 9\n\
                   access(\"/opt/asked\", R_OK) = 0\n\
                   newfstatat(AT_FDCWD, \"/opt/looked-at\", {st_mode=S_IFREG|0644, st_size=1}, 0) = 0\n\
                   open(\"/opt/gone\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
                   --- SIGCHLD {si_signo=SIGCHLD} ---\n+++ exited with 0 +++\n";
        assert_eq!(paths(log), ["/opt/R/bin/R", "/opt/lib/libz.so", "/opt/lib/libz.so.1"]);
    }

    #[test]
    fn what_was_looked_for_in_vain_is_what_is_not_there() {
        let log = "openat(AT_FDCWD, \"/usr/share/proj/proj.db\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
                   access(\"/etc/fonts/fonts.conf\", R_OK) = -1 ENOENT (No such file or directory)\n\
                   open(\"/etc/shadow\", O_RDONLY) = -1 EACCES (Permission denied)\n\
                   openat(AT_FDCWD, \"relative\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
                   unlink(\"/tmp/gone\") = -1 ENOENT (No such file or directory)\n";
        let opened = parse(log.as_bytes()).expect("a log");
        let missing: Vec<(&[u8], bool)> = opened.missing.iter().map(|(path, used)| (path.as_slice(), *used)).collect();
        assert_eq!(missing, [(&b"/etc/fonts/fonts.conf"[..], false), (b"/usr/share/proj/proj.db", true)]);
        assert_eq!((opened.paths.len(), opened.relative), (0, 0));
    }

    #[test]
    fn processes_times_and_interrupted_calls_are_read() {
        let log = "[pid 12] 10:11:12.5 openat(AT_FDCWD, \"/opt/a\", O_RDONLY) = 3\n\
                   13 1700000000.1 openat(AT_FDCWD, \"/opt/b\", O_RDONLY <unfinished ...>\n\
                   14 openat(AT_FDCWD, \"/opt/c\", O_RDONLY <unfinished ...>\n\
                   13 <... openat resumed>) = 4\n\
                   14 <... openat resumed>) = -1 ENOENT (No such file or directory)\n\
                   15      0.000012 open(\"/opt/d\", O_RDONLY) = 3</opt/d>\n";
        assert_eq!(paths(log), ["/opt/a", "/opt/b", "/opt/d"]);
    }

    #[test]
    fn relative_paths_count_where_the_directory_is_known() {
        let log = "7 openat(AT_FDCWD, \"x\", O_RDONLY) = 3\n7 chdir(\"/opt/R\") = 0\n\
                   7 openat(AT_FDCWD, \"y\", O_RDONLY) = 3\n\
                   7 openat(5</opt/lib>, \"z\", O_RDONLY) = 3\n";
        assert_eq!(paths(log), ["/opt/R/y", "/opt/lib/z"]);
        assert_eq!(parse(log.as_bytes()).expect("a log").relative, 1);
    }

    #[test]
    fn escapes_are_read_and_what_is_no_log_is_refused() {
        let log = "open(\"/opt/a\\\"b\\303\\251\\n = 3\", O_RDONLY) = 3\n";
        assert_eq!(paths(log), ["/opt/a\"bé\n = 3"]);
        for text in ["", "hello\n", "open(\"/opt/x\n", "open(\"\\777\") = 3\n", "(\"x\") = 3\n"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
