//! Looked for: what a run of a function looked for in vain, and the build host has; and which absolute paths can be data at all.

use std::collections::BTreeSet;

use super::sysroot::Sysroot;
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;
use crate::formats::strace::Opened;

/// Directories that programs name without a need for what is in them at run time: documentation, headers, programs, and the
/// directories of libraries and configuration as such.
const NOT_DATA: [&str; 12] = [
    "/bin/",
    "/sbin/",
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/local/bin/",
    "/usr/include/",
    "/usr/src/",
    "/usr/share/doc/",
    "/usr/share/man/",
    "/usr/share/info/",
    "/usr/share/locale/",
    "/usr/lib/debug/",
];

/// Directories of the machine and of the function, which are not the build host's.
const NOT_OF_THE_HOST: [&str; 9] = ["/opt/", "/var/", "/proc/", "/sys/", "/dev/", "/run/", "/tmp/", "/home/", "/root/"];

/// Files that are made for each machine, and that everything works without.
const OF_A_MACHINE: [&str; 5] =
    ["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/resolv.conf", "gconv-modules.cache"];

/// Ends of the paths of directories in which languages look for packages, whether they are there or not (`.libPaths()` of R, `sys.path`).
const OF_PACKAGES: [&str; 5] = ["/R/library", "/R/site-library", "/site-packages", "/dist-packages", "/node_modules"];

/// How many components a directory has at least to be one program's own: `/usr/share/proj`, not `/usr/share`.
const OWN_DIRECTORY: usize = 3;

/// Whether a path can be data that a program opens.
pub fn may_be_data(path: &str) -> bool {
    let below = format!("{path}/");
    // Debian's directory of libraries has the machine in its name.
    !path.ends_with("-linux-gnu") && !NOT_DATA.iter().chain([&"/opt/"]).any(|directory| below.starts_with(directory))
}

/// Whether a path is a file of a root, or a directory of one program that is neither empty nor one in which a language looks for
/// packages: what it looks for there has findings of its own.
pub fn is_data_of(host: &Sysroot, path: &str) -> bool {
    if OF_PACKAGES.iter().any(|directory| path.ends_with(directory)) {
        return false;
    }
    host.is_file(path) || (path.matches('/').count() >= OWN_DIRECTORY && !host.list(path).is_empty())
}

/// The paths that a run looked for in vain and that the build host has, sorted. What was found under the same name in another
/// place does not count, and neither does the search for libraries, which other findings are about.
pub fn only_on_host(run: &Opened, host: &Sysroot) -> Vec<String> {
    fn last(path: &[u8]) -> &[u8] {
        path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
    }
    let found: BTreeSet<&[u8]> = run.paths.iter().map(|path| last(path)).collect();
    let missing = run.missing.keys().filter(|path| !found.contains(last(path)));
    let missing = missing.filter_map(|path| std::str::from_utf8(path).ok());
    let is_library = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with("lib") && name.split('.').any(|part| part == "so")
    };
    let may_count = |path: &&str| {
        may_be_data(path)
            && !is_library(path)
            && !NOT_OF_THE_HOST.iter().any(|directory| path.starts_with(directory))
            && !OF_A_MACHINE.iter().any(|file| path.ends_with(file))
    };
    missing.filter(may_count).filter(|path| is_data_of(host, path)).map(str::to_owned).collect()
}

/// The finding that a run looked for this path in vain; `image` is the name of what is around the layers.
pub fn finding(path: &str, image: &str) -> Finding {
    Finding::warning(
        Code::LookedForInVain,
        Subject::whole(path),
        format!("the run looked for it; the build host has it, and neither the layers nor {image} has it"),
        "copy it into the tree and set the variable that names its place: `layerfit check TREE` reports what is known of it, and \
         `layerfit pack --bundle` copies that",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::strace;

    #[test]
    fn only_data_of_the_host_that_was_found_nowhere_counts() {
        let host = tempfile::tempdir().expect("a directory");
        let files = [
            "usr/share/proj/proj.db",
            "usr/share/zoneinfo/UTC",
            "usr/share/doc/x/copyright",
            "usr/lib/own/libx.so.1",
            "etc/ld.so.cache",
            "etc/fonts/conf.d/a.conf",
            "usr/share/found/a.dat",
            "opt/x",
            "usr/local/lib/R/site-library/a/DESCRIPTION",
        ];
        for file in files {
            let file = host.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            std::fs::write(file, "x").expect("written");
        }
        std::fs::create_dir_all(host.path().join("usr/share/own/empty")).expect("made");
        let looked = [
            "/usr/share/own/empty",
            "/usr/local/lib/R/site-library",
            "/usr/local/lib/R/site-library/a/DESCRIPTION",
            "/usr/share/proj/proj.db",
            "/usr/share/gone/x",
            "/usr/share/doc/x/copyright",
            "/usr/lib/own/libx.so.1",
            "/opt/x",
            "/etc/ld.so.cache",
            "/etc/fonts/conf.d",
            "/usr/share/found/a.dat",
            "/usr/share",
        ];
        let mut log: String =
            looked.iter().map(|path| format!("open(\"{path}\", O_RDONLY) = -1 ENOENT (No such)\n")).collect();
        log += "open(\"/opt/share/a.dat\", O_RDONLY) = 3\n";
        let run = strace::parse(log.as_bytes()).expect("a log");
        let found = only_on_host(&run, &Sysroot::new(host.path()));
        assert_eq!(
            found,
            ["/etc/fonts/conf.d", "/usr/local/lib/R/site-library/a/DESCRIPTION", "/usr/share/proj/proj.db"]
        );
    }
}
