//! The file system that a function sees, assembled from mounts: the surrounding system, `/opt` and `/var/task`, all read-only;
//! `/tmp`, empty, writable and of Lambda's size; `/dev` with five devices; `/proc` with the sandbox's processes.
//!
//! All mounts are in the sandbox's own mount namespace, so the host is not changed, and they vanish with it.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::mount::{MountFlags, UnmountFlags};

use super::spec::Spec;

use crate::base::read;

/// The entries of this machine's root that are the surrounding system: programs, libraries and their configuration.
const OF_THE_HOST: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix", "gnu"];

/// Where distributions install R. No Lambda image has one, and this machine's must not be used by accident.
const HOST_R: &[&str] = &["usr/lib/R", "usr/lib64/R", "usr/share/R", "etc/R", "usr/local/lib/R", "usr/local/lib64/R"];

/// The devices in Lambda's `/dev` that are the same everywhere. Lambda has no `/dev/shm`.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];

/// The size of `/tmp`, unless a function is configured with more (AWS Lambda quotas: 512 MB to 10,240 MB).
const TMP: &str = "mode=1777,size=512m";

type Result<T> = std::result::Result<T, String>;

/// Assembles the root and enters it.
pub(super) fn enter(spec: &Spec) -> Result<()> {
    let root = spec.root.as_path();
    tmpfs(root, "mode=755")?;
    match &spec.rootfs {
        Some(system) => {
            mirror(system, root, &["opt", "tmp", "proc", "sys", "dev", "var", "etc"])?;
            directory(&root.join("var"))?;
            if system.join("var").is_dir() {
                mirror(&system.join("var"), &root.join("var"), &["task"])?;
            }
            // Host names are resolved as on this machine: an image does not have these files.
            directory(&root.join("etc"))?;
            if system.join("etc").is_dir() {
                mirror(&system.join("etc"), &root.join("etc"), &["resolv.conf", "hosts"])?;
            }
            for name in ["etc/resolv.conf", "etc/hosts"] {
                let path = Path::new("/").join(name);
                if path.exists() {
                    bind(&path, &root.join(name))?;
                }
            }
        }
        None => of_the_host(root)?,
    }
    for path in ["opt", "var", "var/task", "tmp", "proc", "dev"] {
        directory(&root.join(path))?;
    }
    bind(&spec.layers, &root.join("opt"))?;
    if let Some(code) = &spec.code {
        bind(code, &root.join("var/task"))?;
    }
    read_only(root)?;
    tmpfs(&root.join("tmp"), TMP)?;
    devices(root)?;
    proc(root)?;
    remount_read_only(root)?;
    change_root(root)
}

/// This machine's system. If `/etc/resolv.conf` is a link that leads outside these directories, its target is bound in place.
fn of_the_host(root: &Path) -> Result<()> {
    let all = fs::read_dir("/").map_err(|error| format!("cannot list /: {error}"))?;
    let others: Vec<String> = all
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !OF_THE_HOST.contains(&name.as_str()))
        .collect();
    mirror(Path::new("/"), root, &others.iter().map(String::as_str).collect::<Vec<_>>())?;
    if let Ok(real) = fs::canonicalize("/etc/resolv.conf")
        && !real.starts_with("/etc")
        && let Ok(inside) = real.strip_prefix("/")
        && !OF_THE_HOST.iter().any(|name| inside.starts_with(name))
    {
        let at = root.join(inside);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent).map_err(|error| format!("cannot create {}: {error}", parent.display()))?;
        }
        bind(&real, &at)?;
    }
    for path in HOST_R {
        let at = root.join(path);
        if at.is_dir() {
            tmpfs(&at, "mode=755")?;
        }
    }
    Ok(())
}

/// Mirrors every entry of `from` except these names in `to`: links as links, the rest as bind mounts.
fn mirror(from: &Path, to: &Path, but: &[&str]) -> Result<()> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", from.display());
    for entry in fs::read_dir(from).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let (name, path) = (entry.file_name(), entry.path());
        if but.iter().any(|other| name == *other) {
            continue;
        }
        let at = to.join(&name);
        let kind = entry.file_type().map_err(cannot)?;
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(cannot)?;
            std::os::unix::fs::symlink(target, &at).map_err(cannot)?;
        } else if kind.is_dir() || kind.is_file() {
            bind(&path, &at)?;
        }
    }
    Ok(())
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
fn bind(from: &Path, at: &Path) -> Result<()> {
    if from.is_dir() {
        directory(at)?;
    } else if !at.exists() {
        fs::write(at, "").map_err(|error| format!("cannot create {}: {error}", at.display()))?;
    }
    rustix::mount::mount_bind_recursive(from, at)
        .map_err(|error| format!("cannot bind {} to {}: {error}", from.display(), at.display()))
}

fn tmpfs(at: &Path, options: &str) -> Result<()> {
    let data = CString::new(options).map_err(|error| error.to_string())?;
    rustix::mount::mount("tmpfs", at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(data.as_c_str()))
        .map_err(|error| format!("cannot mount a tmpfs at {}: {error}", at.display()))
}

fn devices(root: &Path) -> Result<()> {
    let dev = root.join("dev");
    tmpfs(&dev, "mode=755")?;
    for name in DEVICES {
        bind(&Path::new("/dev").join(name), &dev.join(name))?;
    }
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        std::os::unix::fs::symlink(Path::new("/proc/self").join(target), dev.join(name))
            .map_err(|error| format!("cannot create /dev/{name}: {error}"))?;
    }
    remount_read_only(&dev)
}

/// Mounts a /proc of the sandbox's processes. In a container that hides a part of its own /proc, the kernel refuses a new
/// one, and the container's is bound instead.
fn proc(root: &Path) -> Result<()> {
    let at = root.join("proc");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if rustix::mount::mount("proc", &at, "proc", flags, None::<&std::ffi::CStr>).is_err() {
        return bind(Path::new("/proc"), &at);
    }
    // If the user is root outside, these files would be writable.
    let sys = at.join("sys");
    bind(&sys, &sys).and_then(|()| remount_read_only(&sys))
}

/// Makes every mount below `root` read-only.
fn read_only(root: &Path) -> Result<()> {
    let mut below: BTreeSet<PathBuf> = BTreeSet::new();
    let table = read::up_to("/proc/self/mountinfo", read::MAX_TEXT)
        .map_err(|error| format!("cannot list the mounts: {error}"))?;
    for line in table.split(|byte| *byte == b'\n') {
        // The fifth field is the mount point (proc_pid_mountinfo(5)).
        let Some(point) = line.split(|byte| *byte == b' ').nth(4) else { continue };
        let point = PathBuf::from(std::ffi::OsStr::from_bytes(&unescaped(point)));
        if point.starts_with(root) && point != root {
            below.insert(point);
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

/// Makes a mount read-only. In a user namespace, flags such as nosuid of a mount from outside are locked, so they are set
/// again (mount_namespaces(7)).
fn remount_read_only(at: &Path) -> Result<()> {
    let cannot = |error: rustix::io::Errno| format!("cannot make {} read-only: {error}", at.display());
    let has = rustix::fs::statvfs(at).map_err(cannot)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for (kept, flag) in [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
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

/// Makes `root` the root directory, and unmounts the old one.
fn change_root(root: &Path) -> Result<()> {
    let cannot = |error: rustix::io::Errno| format!("cannot enter the sandbox's root: {error}");
    rustix::process::chdir(root).map_err(cannot)?;
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
