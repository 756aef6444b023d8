//! The file system that a function sees, assembled from mounts: the surrounding system, `/opt` and `/var/task`, all read-only;
//! `/tmp`, empty, writable and of Lambda's size; `/dev` with five devices; `/proc` with the sandbox's processes, without what
//! shows or changes the kernel. There is no `/sys`.
//!
//! All mounts are in the sandbox's own mount namespace, so the host is not changed, and they vanish with it. Whoever runs
//! layerfit may be allowed to read what the function's user is not, such as a directory in root's home, and only the function's
//! user can create files in these mounts: so the first opens everything ([`Sources::open`]), and the second mounts it
//! ([`Sources::enter`]).

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{MountFlags, UnmountFlags};

use super::spec::{GROUP, Spec, USER};

use crate::base::read;

/// The entries of this machine's root that are the surrounding system: programs, libraries and their configuration.
const OF_THE_HOST: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix", "gnu"];

/// Where distributions install R. No Lambda image has one, and this machine's must not be used by accident.
const HOST_R: &[&str] = &["usr/lib/R", "usr/lib64/R", "usr/share/R", "etc/R", "usr/local/lib/R", "usr/local/lib64/R"];

/// The devices in Lambda's `/dev` that are the same everywhere. Lambda has no `/dev/shm`.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];

/// The size of `/tmp`, unless a function is configured with more (AWS Lambda quotas: 512 MB to 10,240 MB), and a bound of its
/// files, which are memory of the kernel: as many as a small ext4 of that size has, one for 4 KiB (mke2fs.conf(5)).
const TMP: &str = "mode=1777,size=512m,nr_inodes=131072";

/// The accounts in Lambda's `/etc/passwd` that a function can have to do with: root, and its own, without a home directory that
/// exists. Those of this machine are of no concern to it.
const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n";

/// Their groups.
const GROUPS: &str = "root:x:0:\nsbx_user1051:x:990:\n";

/// Directories of `/proc` that show what is the machine's, as in a container of Docker (moby, oci/defaults.go), and files that do.
const HIDDEN: &[&str] = &[
    "acpi",
    "asound",
    "driver",
    "interrupts",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "modules",
    "sched_debug",
    "scsi",
    "slabinfo",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];

/// What in `/proc` changes the machine, if a user may write to it (the same list, and bubblewrap's).
const READ_ONLY: &[&str] = &["bus", "fs", "irq", "mtrr", "sys", "sysrq-trigger"];

/// Where the root is assembled: the first of these that exists. Only the sandbox sees the mount on it.
const WORKSHOPS: &[&str] = &["/tmp", "/mnt", "/usr"];

type Result<T> = std::result::Result<T, String>;

/// Something to put into the root.
#[derive(Debug)]
enum Source {
    /// A directory, or another file, of this machine.
    Opened { file: OwnedFd, is_directory: bool },
    /// A link with this target.
    Link(PathBuf),
}

/// All that comes from outside, each with its path in the root.
#[derive(Debug, Default)]
pub(super) struct Sources {
    entries: Vec<(PathBuf, Source)>,
    /// Whether they are of this machine's system, not of an image.
    of_the_host: bool,
    root: PathBuf,
    /// Directories that are covered.
    hidden: Vec<PathBuf>,
    /// A file with this content.
    file: Option<(PathBuf, String)>,
}

impl Sources {
    /// Opens everything, and mounts an empty root to put it in, which is the working directory from here on.
    pub(super) fn open(spec: &Spec) -> Result<Self> {
        let mut sources = Self { of_the_host: spec.rootfs.is_none(), ..Self::default() };
        match &spec.rootfs {
            Some(system) => {
                sources.mirror(system, Path::new(""), &["opt", "tmp", "proc", "sys", "dev", "var", "etc"])?;
                // The directory of the file is the file's alone.
                let own = spec.file.as_ref().and_then(|(path, _)| path.iter().nth(2)?.to_str());
                let var: Vec<&str> = std::iter::once("task").chain(own).collect();
                // A link here would lead to a directory of this machine.
                for (name, but) in [("var", var.as_slice()), ("etc", &["resolv.conf", "hosts"])] {
                    let path = system.join(name);
                    if fs::symlink_metadata(&path).is_ok_and(|kind| kind.is_dir()) {
                        sources.mirror(&path, Path::new(name), but)?;
                    }
                }
                // Host names are resolved as on this machine: an image does not have these files.
                for name in ["etc/resolv.conf", "etc/hosts"] {
                    let path = Path::new("/").join(name);
                    if path.exists() {
                        sources.add(&path, name)?;
                    }
                }
            }
            None => sources.this_machine()?,
        }
        for (from, at) in &spec.mounts {
            sources.add(from, at.strip_prefix("/").unwrap_or(at))?;
        }
        sources.hidden = spec.hidden.iter().filter_map(|path| Some(path.strip_prefix("/").ok()?.to_owned())).collect();
        sources.file.clone_from(&spec.file);
        sources.add(&spec.layers, "opt")?;
        if let Some(code) = &spec.code {
            sources.add(code, "var/task")?;
        }
        let workshop = WORKSHOPS.iter().map(Path::new).find(|path| path.is_dir());
        let workshop = workshop.ok_or_else(|| format!("none of {} is a directory", WORKSHOPS.join(", ")))?;
        sources.root =
            workshop.canonicalize().map_err(|error| format!("cannot find {}: {error}", workshop.display()))?;
        tmpfs(&sources.root, &format!("mode=755,uid={USER},gid={GROUP}"))?;
        rustix::process::chdir(&sources.root).map_err(|error| format!("cannot enter the new root: {error}"))?;
        Ok(sources)
    }

    /// Opens a file that will be at this path of the root.
    fn add(&mut self, from: &Path, at: impl Into<PathBuf>) -> Result<()> {
        self.open_with(from, at, OFlags::empty())
    }

    fn open_with(&mut self, from: &Path, at: impl Into<PathBuf>, flags: OFlags) -> Result<()> {
        let cannot = |error: rustix::io::Errno| format!("cannot open {}: {error}", from.display());
        let file = rustix::fs::open(from, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty()).map_err(cannot)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(cannot)?.st_mode);
        self.entries.push((at.into(), Source::Opened { file, is_directory: kind == FileType::Directory }));
        Ok(())
    }

    /// This machine's system. If `/etc/resolv.conf` is a link that leads outside these directories, its target is opened too.
    fn this_machine(&mut self) -> Result<()> {
        let all = fs::read_dir("/").map_err(|error| format!("cannot list /: {error}"))?;
        let others: Vec<String> = all
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !OF_THE_HOST.contains(&name.as_str()))
            .collect();
        self.mirror(Path::new("/"), Path::new(""), &others.iter().map(String::as_str).collect::<Vec<_>>())?;
        if let Ok(real) = fs::canonicalize("/etc/resolv.conf")
            && !real.starts_with("/etc")
            && let Ok(inside) = real.strip_prefix("/")
            && !OF_THE_HOST.iter().any(|name| inside.starts_with(name))
        {
            self.add(&real, inside)?;
        }
        Ok(())
    }

    /// Adds every entry of `from` except these names to `to`: links as links, the rest opened.
    fn mirror(&mut self, from: &Path, to: &Path, but: &[&str]) -> Result<()> {
        let cannot = |error: std::io::Error| format!("cannot read {}: {error}", from.display());
        for entry in fs::read_dir(from).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name();
            if but.iter().any(|other| name == *other) {
                continue;
            }
            let kind = entry.file_type().map_err(cannot)?;
            if kind.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(cannot)?;
                self.entries.push((to.join(name), Source::Link(target)));
            } else if kind.is_dir() || kind.is_file() {
                // It can have become a link since it was listed.
                self.open_with(&entry.path(), to.join(name), OFlags::NOFOLLOW)?;
            }
        }
        Ok(())
    }

    /// Assembles the root and makes it the root directory.
    pub(super) fn enter(self) -> Result<()> {
        for path in ["etc", "opt", "var", "var/task", "tmp", "proc", "dev"] {
            // A directory of the system, or a link to one, takes this place.
            if !self.entries.iter().any(|(at, _)| at == Path::new(path)) {
                directory(Path::new(path))?;
            }
        }
        for (at, source) in &self.entries {
            if let Some(parent) = at.parent() {
                fs::create_dir_all(Path::new(".").join(parent))
                    .map_err(|error| format!("cannot create /{}: {error}", parent.display()))?;
            }
            match source {
                Source::Opened { file, is_directory } => {
                    bind(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), at, *is_directory)?;
                }
                Source::Link(target) => std::os::unix::fs::symlink(target, at)
                    .map_err(|error| format!("cannot create /{}: {error}", at.display()))?,
            }
        }
        let of_r = if self.of_the_host { HOST_R } else { &[] };
        for path in of_r.iter().map(Path::new).chain(self.hidden.iter().map(PathBuf::as_path)) {
            if path.is_dir() {
                tmpfs(path, "mode=755")?;
            }
        }
        if let Some((at, content)) = &self.file {
            let at = at.strip_prefix("/").unwrap_or(at);
            at.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(at, content))
                .map_err(|error| format!("cannot write /{}: {error}", at.display()))?;
        }
        for (name, accounts) in [("etc/passwd", USERS), ("etc/group", GROUPS)] {
            cover(Path::new(name), accounts)?;
        }
        read_only(&self.root)?;
        tmpfs(Path::new("tmp"), TMP)?;
        devices()?;
        proc()?;
        remount_read_only(Path::new("."))?;
        change_root()
    }
}

/// Whether a path of this machine is in the system that the function sees around its layers.
pub(super) fn is_of_the_system(path: &Path) -> bool {
    let first = path.iter().nth(1).and_then(|name| name.to_str());
    path.is_absolute() && first.is_some_and(|name| OF_THE_HOST.contains(&name))
}

fn directory(at: &Path) -> Result<()> {
    match fs::create_dir(at) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(format!("cannot create {}: {error}", at.display()))
        }
        _ => Ok(()),
    }
}

/// Bind-mounts `from` at `at`, which is created.
fn bind(from: &Path, at: &Path, is_directory: bool) -> Result<()> {
    if is_directory {
        directory(at)?;
    } else if !at.exists() {
        fs::write(at, "").map_err(|error| format!("cannot create {}: {error}", at.display()))?;
    }
    rustix::mount::mount_bind_recursive(from, at)
        .map_err(|error| format!("cannot bind {} to {}: {error}", from.display(), at.display()))
}

/// Puts a file with this content over an existing one.
fn cover(at: &Path, content: &str) -> Result<()> {
    let cannot = |error: std::io::Error| format!("cannot cover /{}: {error}", at.display());
    if !at.is_file() {
        return Ok(());
    }
    let ours = Path::new("cover");
    fs::write(ours, content).map_err(cannot)?;
    bind(ours, at, false)?;
    // What is mounted stays.
    fs::remove_file(ours).map_err(cannot)
}

fn tmpfs(at: &Path, options: &str) -> Result<()> {
    let data = CString::new(options).map_err(|error| error.to_string())?;
    rustix::mount::mount("tmpfs", at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(data.as_c_str()))
        .map_err(|error| format!("cannot mount a tmpfs at {}: {error}", at.display()))
}

fn devices() -> Result<()> {
    let dev = Path::new("dev");
    tmpfs(dev, "mode=755")?;
    for name in DEVICES {
        let at = dev.join(name);
        bind(&Path::new("/dev").join(name), &at, false)?;
        // They can be written to, and nothing about them can be changed, such as their times.
        remount(&at, MountFlags::empty())?;
    }
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        std::os::unix::fs::symlink(Path::new("/proc/self").join(target), dev.join(name))
            .map_err(|error| format!("cannot create /dev/{name}: {error}"))?;
    }
    remount_read_only(dev)
}

/// Mounts a /proc of the sandbox's processes. In a container that hides a part of its own /proc, the kernel refuses a new
/// one, and the container's is bound instead.
fn proc() -> Result<()> {
    let at = Path::new("proc");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if rustix::mount::mount("proc", at, "proc", flags, None::<&std::ffi::CStr>).is_err() {
        bind(Path::new("/proc"), at, true)?;
    }
    // A nested user namespace would give the function all capabilities there, with all that they open of the kernel. It cannot
    // raise this limit again. A container whose /proc is read-only keeps its own.
    let _ = fs::write(at.join("sys/user/max_user_namespaces"), "0");
    for path in HIDDEN.iter().map(|name| at.join(name)).filter(|path| path.exists()) {
        if path.is_dir() {
            tmpfs(&path, "mode=755")?;
            remount_read_only(&path)?;
        } else {
            bind(Path::new("/dev/null"), &path, false)?;
        }
    }
    for path in READ_ONLY.iter().map(|name| at.join(name)).filter(|path| path.exists()) {
        bind(&path, &path, path.is_dir())?;
        remount_read_only(&path)?;
    }
    Ok(())
}

/// Makes every mount below the working directory read-only, which is `root` in the table of mounts.
fn read_only(root: &Path) -> Result<()> {
    let mut below: BTreeSet<PathBuf> = BTreeSet::new();
    let table = read::up_to("/proc/self/mountinfo", read::MAX_TEXT)
        .map_err(|error| format!("cannot list the mounts: {error}"))?;
    for line in table.split(|byte| *byte == b'\n') {
        // The fifth field is the mount point (proc_pid_mountinfo(5)).
        let Some(point) = line.split(|byte| *byte == b' ').nth(4) else { continue };
        let point = PathBuf::from(std::ffi::OsStr::from_bytes(&unescaped(point)));
        if let Ok(inside) = point.strip_prefix(root)
            && inside != Path::new("")
        {
            below.insert(inside.to_owned());
        }
    }
    below.iter().try_for_each(|point| remount_read_only(point))
}

/// Decodes blanks and backslashes, which mountinfo writes as three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\').then(|| after.get(..3)).flatten();
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    out
}

/// Makes a mount read-only, and what only root's programs need without effect: set-user-ID bits, and devices, except for those in
/// `/dev`. In a user namespace, flags such as noexec of a mount from outside are locked, so they are set again
/// (mount_namespaces(7)).
fn remount_read_only(at: &Path) -> Result<()> {
    remount(at, MountFlags::NODEV)
}

/// The same with these flags besides.
fn remount(at: &Path, flags: MountFlags) -> Result<()> {
    let cannot = |error: rustix::io::Errno| format!("cannot make {} read-only: {error}", at.display());
    let has = rustix::fs::statvfs(at).map_err(cannot)?.f_flag;
    let mut flags = flags | MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
    for (kept, flag) in [
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if has.contains(kept) {
            flags |= flag;
        }
    }
    rustix::mount::mount_remount(at, flags, "").map_err(cannot)
}

/// Makes the working directory the root directory, and unmounts the old one.
fn change_root() -> Result<()> {
    let cannot = |error: rustix::io::Errno| format!("cannot enter the sandbox's root: {error}");
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(cannot)?,
        // The initial root file system cannot be pivoted (pivot_root(2)).
        Err(rustix::io::Errno::INVAL) => {
            rustix::mount::mount_move(".", "/").map_err(cannot)?;
            rustix::process::chroot(".").map_err(cannot)?;
        }
        Err(error) => return Err(cannot(error)),
    }
    rustix::process::chdir("/").map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        assert_eq!(unescaped(br"/tmp/a\040b\134c"), br"/tmp/a b\c");
        assert_eq!(unescaped(br"/tmp/\9"), br"/tmp/\9");
    }
}
