//! Capture: reads a runtime profile from a root file system: its loader, its libraries with the versions they define, its
//! commands. Nothing in the root is run, so it may be the root of another machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goblin::elf::header::{EM_AARCH64, EM_X86_64};
use regex::bytes::Regex;

use super::profile::LOCALES;
use crate::base::error::{Error, Result};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::read;
use crate::formats::elf::{Elf, Machine, Type};
use crate::formats::{ld_so_cache, symbol_version};
use crate::runtime::sysroot::Sysroot;
use crate::runtime::{Commands, Files, Libraries, LibrarySource, LoaderFacts, RuntimeProfile};

/// The paths of the interpreters of Lambda's two machines (fixed by their ABIs).
const INTERPRETERS: &[&str] = &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// How many files of a directory are looked at.
const MAX_FILES: usize = 10_000;

/// Where distributions keep the certificates of authorities, in one file.
const CA_BUNDLES: &[&str] = &[
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// Where distributions keep the C library's modules for character sets.
const GCONV: &[&str] = &["/usr/lib64/gconv", "/usr/lib/x86_64-linux-gnu/gconv", "/usr/lib/aarch64-linux-gnu/gconv"];

/// Configuration that libraries read at paths compiled into them.
const CONFIGURATION: &[&str] = &[
    "/etc/krb5.conf",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/services",
    "/etc/protocols",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/localtime",
    "/etc/odbcinst.ini",
    "/etc/odbc.ini",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/java/cacerts",
    "/etc/ssl/certs/java/cacerts",
    "/usr/share/mime/mime.cache",
];

/// The properties of a processor that decide which subdirectories the loader searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// The levels of x86-64 above the baseline that it supports, the highest first.
    pub levels: Vec<&'static str>,
    /// Its platform to glibc before 2.37.
    pub platform: &'static str,
    /// Whether glibc before 2.37 detects AVX-512.
    pub avx512: bool,
}

impl Processor {
    /// What every x86-64 processor in Lambda has: AVX2, and so the third level.
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-avx2.html>)
    pub fn of_lambda() -> Self {
        Self { levels: vec!["x86-64-v3", "x86-64-v2"], platform: "x86_64", avx512: false }
    }

    /// The processor of this machine, from /proc/cpuinfo.
    pub fn of_this_machine() -> Self {
        Self::read(&read::kernel("/proc/cpuinfo").unwrap_or_default())
    }

    /// Reads /proc/cpuinfo as glibc reads the processor (sysdeps/x86/dl-hwcap.h, cpu_features.c).
    fn read(text: &str) -> Self {
        let field = |name: &str| {
            text.lines().find_map(|line| line.split_once(':').filter(|(n, _)| n.trim() == name)).map_or("", |(_, v)| v)
        };
        let flags: BTreeSet<&str> = field("flags").split_whitespace().collect();
        let all = |names: &[&str]| names.iter().all(|name| flags.contains(name));
        let mut levels = Vec::new();
        let second = all(&["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]);
        let third = second && all(&["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"]);
        let fourth = third && all(&["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]);
        levels.extend(fourth.then_some("x86-64-v4"));
        levels.extend(third.then_some("x86-64-v3"));
        levels.extend(second.then_some("x86-64-v2"));
        let intel = field("vendor_id").trim() == "GenuineIntel";
        let haswell = all(&["avx2", "bmi1", "bmi2", "abm", "movbe", "popcnt", "fma"]);
        Self {
            levels,
            platform: if intel && haswell { "haswell" } else { "x86_64" },
            avx512: intel && all(&["avx512cd", "avx512bw", "avx512dq", "avx512vl"]),
        }
    }
}

/// The loaders of a root, one for each machine, with their compiled-in directories and the subdirectories for `processor`.
pub fn loaders(root: &Sysroot, processor: &Processor) -> Vec<LoaderFacts> {
    let mut found = Vec::new();
    for interpreter in INTERPRETERS {
        let Ok(bytes) = root.read(interpreter) else { continue };
        let Ok(elf) = Elf::parse(&bytes) else { continue };
        let directories = compiled_in_directories(&bytes);
        let first = directories.first().cloned().unwrap_or_default();
        found.push(LoaderFacts {
            machine: elf.machine.name(),
            interpreter: (*interpreter).to_owned(),
            // $LIB is the first of them without slashes (DL_DST_LIB in elf/Makefile is derived from the same slibdir).
            lib: first.trim_start_matches('/').to_owned(),
            platform: if elf.machine.machine == EM_X86_64 { processor.platform } else { "aarch64" }.to_owned(),
            subdirectories: subdirectories(elf.machine, glibc_minor(root, &directories), processor),
            directories,
            source: format!("read from {interpreter}"),
        });
    }
    found
}

/// The directories compiled into a loader: glibc stores them as one array of strings, each with a trailing slash
/// (`system_dirs` in elf/dl-load.c).
fn compiled_in_directories(loader: &[u8]) -> Vec<String> {
    let Ok(array) = Regex::new(r"(?-u)(?:/[A-Za-z0-9_./+-]*lib[A-Za-z0-9_./+-]*/\x00)+") else { return Vec::new() };
    let longest = array.find_iter(loader).map(|found| found.as_bytes()).max_by_key(|found| found.len());
    let strings = longest.unwrap_or_default().split(|b| *b == 0).filter(|directory| !directory.is_empty());
    strings.map(|directory| String::from_utf8_lossy(directory).trim_end_matches('/').to_owned()).collect()
}

/// The release of a root's glibc, such as `2.36`, with its loaders.
pub fn glibc(root: &Sysroot, loaders: &[LoaderFacts]) -> Option<String> {
    let minor = loaders.iter().find_map(|loader| glibc_minor(root, &loader.directories))?;
    Some(format!("2.{minor}"))
}

/// The directory of a root's gconv modules that has this file, and the directory's path.
pub fn charset_directory(root: &Sysroot, file: &str) -> Option<&'static str> {
    GCONV.iter().copied().find(|directory| root.is_file(&format!("{directory}/{file}")))
}

/// N of the root's glibc 2.N, from the banner in its C library.
fn glibc_minor(root: &Sysroot, directories: &[String]) -> Option<u32> {
    let libc = directories.iter().find_map(|directory| root.read(&format!("{directory}/libc.so.6")).ok())?;
    let banner = Regex::new(r"(?-u)release version 2\.([0-9]{1,3})\b").ok()?;
    let minor = banner.captures(&libc)?.get(1)?;
    std::str::from_utf8(minor.as_bytes()).ok()?.parse().ok()
}

/// The subdirectories of every directory that are searched before it, in order: `glibc-hwcaps` since glibc 2.33, and until
/// 2.36 every combination of "tls", platform and capability (`_dl_important_hwcaps` in elf/dl-hwcaps.c).
pub fn subdirectories(machine: Machine, glibc_minor: Option<u32>, processor: &Processor) -> Vec<String> {
    let minor = glibc_minor.unwrap_or(u32::MAX);
    let x86 = machine.machine == EM_X86_64;
    let mut all = Vec::new();
    if x86 && minor >= 33 {
        all.extend(processor.levels.iter().map(|level| format!("glibc-hwcaps/{level}")));
    }
    if minor <= 36 {
        let mut names = if x86 { vec!["x86_64"] } else { vec!["atomics"] };
        if x86 && processor.avx512 {
            names.insert(0, "avx512_1");
        }
        names.extend([if x86 { processor.platform } else { "aarch64" }, "tls"]);
        for chosen in (1_u32..1 << names.len()).rev() {
            let parts = (0..names.len()).rev().filter(|bit| chosen & (1 << bit) != 0).map(|bit| names[bit]);
            all.push(parts.collect::<Vec<_>>().join("/"));
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|subdirectory| seen.insert(subdirectory.clone()));
    all
}

/// The flags of a machine's libraries in the loader's cache (`_DL_CACHE_DEFAULT_ID`, sysdeps/*/dl-cache.h).
pub fn cache_flags(machine: Machine) -> Option<i32> {
    match machine.machine {
        EM_X86_64 if machine.is_64 => Some(0x303),
        EM_AARCH64 if machine.is_64 => Some(0xa03),
        _ => None,
    }
}

/// The loader cache's paths for each soname (ldconfig(8)); empty when it is missing or damaged, as for the loader.
pub fn loader_cache(root: &Sysroot) -> BTreeMap<String, Vec<(i32, String)>> {
    let mut cache: BTreeMap<String, Vec<(i32, String)>> = BTreeMap::new();
    let bytes = root.read("/etc/ld.so.cache").unwrap_or_default();
    for entry in ld_so_cache::parse(&bytes).unwrap_or_default() {
        cache.entry(entry.name.to_owned()).or_default().push((entry.flags, entry.path.to_owned()));
    }
    cache
}

/// The root file system that `--sysroot` names: a directory, or an image, of several that for `architecture`.
///
/// # Errors
/// When it is neither, or an image cannot be read.
pub fn named_root(root: &Path, architecture: Option<&str>, progress: &dyn Progress) -> Result<Sysroot> {
    let found = Sysroot::open(root, architecture, progress)?;
    found.ok_or_else(|| refused(root, "is neither a directory nor an image"))
}

/// The loaders of a root that libraries are copied from or that is captured; `named` is what the user named.
///
/// # Errors
/// When it does not contain a loader for Lambda's machines.
pub fn loaders_of(sysroot: &Sysroot, named: &Path) -> Result<Vec<LoaderFacts>> {
    let loaders = loaders(sysroot, &Processor::of_lambda());
    if loaders.is_empty() {
        return Err(refused(named, &format!("contains none of {}", INTERPRETERS.join(", "))));
    }
    Ok(loaders)
}

fn refused(root: &Path, why: &str) -> Error {
    Error::Usage {
        message: format!("--sysroot {}: {why}", root.display()),
        help: "name an image that was saved (docker save), or the root of an unpacked one: the directory that contains its \
               etc, lib64 and usr"
            .to_owned(),
    }
}

/// Captures the profile called `name` from the root file system at `root`, a directory or an image.
///
/// The environment is that of `provided.al2023`, unless it is an image of Lambda's, whose configuration has the variables that
/// functions get: a root does not contain the variables of its processes.
///
/// # Errors
/// When the root is neither a directory nor an image, or does not contain a loader for Lambda's machines.
pub fn capture(root: &Path, name: &str, architecture: Option<&str>, progress: &dyn Progress) -> Result<RuntimeProfile> {
    let sysroot = named_root(root, architecture, progress)?;
    let loader = loaders_of(&sysroot, root)?;
    let mut like = RuntimeProfile::load("provided.al2023")?;
    let variables = sysroot.image().and_then(|image| image.about.as_ref()).map_or(&[][..], |about| &about.variables);
    // Only Lambda's images have it.
    if variables.iter().any(|(name, _)| name == "LAMBDA_RUNTIME_DIR") {
        for (name, value) in variables.iter().filter(|(name, _)| !name.starts_with("LAMBDA_")) {
            like.environment.set(name, value);
        }
    }
    let source = "read from the root by `layerfit runtime capture`";
    let (directories, defines) = libraries(&sysroot, &loader, &like.environment.ld_library_path);
    Ok(RuntimeProfile {
        name: name.to_owned(),
        closed: false,
        language: None,
        what: "A root file system, read by `layerfit runtime capture`".to_owned(),
        checked: String::new(),
        support: String::new(),
        loader,
        libraries: Libraries {
            from: LibrarySource::List,
            directories,
            sonames: BTreeSet::new(),
            only_in: BTreeMap::new(),
            only_for: BTreeMap::new(),
            defines,
            uncertain: BTreeSet::new(),
            uncertain_why: String::new(),
            source: source.to_owned(),
        },
        versions: Vec::new(),
        packages: Vec::new(),
        commands: commands(&sysroot, &like.environment.path, source),
        files: files(&sysroot, source),
        environment: like.environment,
    })
}

/// The directories that contain libraries, and each library in them with the versions it defines.
fn libraries(
    root: &Sysroot,
    loaders: &[LoaderFacts],
    library_path: &[String],
) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let cached = loader_cache(root).into_values().flatten();
    let in_cache = cached.filter_map(|(_, path)| Some(path.rsplit_once('/')?.0.to_owned()));
    let searched = loaders.iter().flat_map(|loader| loader.directories.clone()).chain(in_cache);
    let mut directories: Vec<String> = Vec::new();
    for directory in searched.chain(library_path.iter().cloned()) {
        let subdirectories = loaders.iter().flat_map(|loader| &loader.subdirectories);
        let below: Vec<String> = subdirectories.map(|below| format!("{directory}/{below}")).collect();
        for directory in [vec![directory], below].concat() {
            let below_mount = TreePath::from_mounted(directory.as_bytes()).is_some();
            if !below_mount && !directories.contains(&directory) && root.is_directory(&directory) {
                directories.push(directory);
            }
        }
    }
    let mut defines = BTreeMap::new();
    for directory in &directories {
        for file in root.list(directory).into_iter().filter(|file| file.contains(".so")) {
            let path = format!("{directory}/{file}");
            let Some(elf) = root.read(&path).ok().and_then(|bytes| Elf::parse(&bytes).ok()) else { continue };
            let for_a_loader = loaders.iter().any(|loader| loader.machine == elf.machine.name());
            if elf.kind == Type::Shared && for_a_loader {
                let mut versions = elf.defined_versions;
                versions.sort_by_key(|version| symbol_version::key(version));
                defines.insert(path, versions);
            }
        }
    }
    (directories, defines)
}

/// Whether a file's name has one of these extensions.
fn ends(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

/// The data and configuration that programs look for in every image.
fn files(root: &Sysroot, source: &str) -> Files {
    let there = |paths: &[&str]| -> Vec<String> {
        paths.iter().filter(|path| root.is_file(path)).map(|path| (*path).to_owned()).collect()
    };
    let below = |directories: &[&str], wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let found = directories.iter().flat_map(|directory| {
            let names = root.walk(directory, MAX_FILES).into_iter().filter(|name| wanted(name));
            names.map(move |name| format!("{directory}/{name}"))
        });
        let found: BTreeSet<String> = found.collect();
        found.into_iter().collect()
    };
    let mut locales: Vec<String> =
        root.list(LOCALES).into_iter().filter(|name| root.is_directory(&format!("{LOCALES}/{name}"))).collect();
    locales.extend(archived_locales(root));
    locales.sort();
    locales.dedup();
    Files {
        ca_bundle: there(CA_BUNDLES),
        locales,
        zoneinfo: ["/usr/share/zoneinfo"]
            .into_iter()
            .filter(|path| root.is_file(&format!("{path}/UTC")))
            .map(str::to_owned)
            .collect(),
        gconv: below(GCONV, &|name| ends(name, &["so"]) || name.starts_with("gconv-modules")),
        terminfo: below(&["/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo"], &|_| true),
        fonts: below(&["/usr/share/fonts", "/usr/local/share/fonts"], &|name| {
            ends(name, &["ttf", "otf", "ttc", "pfb", "t1"])
        }),
        magic: there(&["/usr/share/misc/magic.mgc", "/usr/share/file/magic.mgc", "/etc/magic"]),
        configuration: [there(CONFIGURATION), below(&["/etc/fonts"], &|name| ends(name, &["conf"]))].concat(),
        complete: true,
        source: source.to_owned(),
    }
}

/// The names of the locales in glibc's archive (locale/locarchive.h): a table of hashes with offsets of names. Names are read
/// as the strings that look like those of locales, which nothing else in the archive's string table does.
fn archived_locales(root: &Sysroot) -> BTreeSet<String> {
    let Ok(archive) = root.read(&format!("{LOCALES}/locale-archive")) else { return BTreeSet::new() };
    // The header: magic, serial, then namehash offset/used/size and string offset/used/size, 32 bits each in native order.
    let word = |at: usize| archive.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let (Some(start), Some(used)) = (word(20), word(24)) else { return BTreeSet::new() };
    let names = archive.get(start..start.saturating_add(used)).unwrap_or_default();
    let names = names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether a file of a locale, by its path in a directory of its own, is in glibc's archive instead.
pub(super) fn has_locale(root: &Sysroot, path: &str) -> bool {
    let below = path.strip_prefix(LOCALES).and_then(|below| below.strip_prefix('/'));
    below.and_then(|below| below.split('/').next()).is_some_and(|name| archived_locales(root).contains(name))
}

/// The commands in the directories of PATH.
fn commands(root: &Sysroot, path: &[String], source: &str) -> Commands {
    let directories = path.iter().filter(|directory| TreePath::from_mounted(directory.as_bytes()).is_none());
    let directories: Vec<String> = directories.filter(|directory| root.is_directory(directory)).cloned().collect();
    let names = directories.iter().flat_map(|directory| {
        let names = root.list(directory).into_iter();
        names.filter(move |name| root.is_file(&format!("{directory}/{name}")))
    });
    Commands { names: names.collect(), directories, complete: true, source: source.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86: Machine = Machine { is_64: true, little_endian: true, machine: EM_X86_64 };

    #[test]
    fn the_subdirectories_are_those_that_the_loader_prints() {
        // LD_DEBUG=libs on glibc 2.36 and a processor of another make than Intel's.
        let processor = Processor { levels: vec!["x86-64-v3", "x86-64-v2"], platform: "x86_64", avx512: false };
        assert_eq!(
            subdirectories(X86, Some(36), &processor),
            [
                "glibc-hwcaps/x86-64-v3",
                "glibc-hwcaps/x86-64-v2",
                "tls/x86_64/x86_64",
                "tls/x86_64",
                "tls",
                "x86_64/x86_64",
                "x86_64"
            ]
        );
        let intel = Processor { platform: "haswell", ..processor };
        assert_eq!(
            subdirectories(X86, Some(26), &intel),
            ["tls/haswell/x86_64", "tls/haswell", "tls/x86_64", "tls", "haswell/x86_64", "haswell", "x86_64"]
        );
        assert_eq!(subdirectories(X86, Some(39), &intel), ["glibc-hwcaps/x86-64-v3", "glibc-hwcaps/x86-64-v2"]);
    }

    #[test]
    fn a_loaders_own_directories_are_read_out_of_it() {
        let loader = b"x\0/lib64/ld-linux-x86-64.so.2\0/lib/\0\0/lib64/\0/usr/lib64/\0\0rest";
        assert_eq!(compiled_in_directories(loader), ["/lib64", "/usr/lib64"]);
        assert_eq!(compiled_in_directories(b"nothing"), Vec::<String>::new());
    }

    #[test]
    fn a_processor_is_read_as_glibc_reads_it() {
        let third = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe";
        let read = |vendor: &str| Processor::read(&format!("vendor_id : {vendor}\nflags : fpu {third}\n"));
        assert_eq!(read("AuthenticAMD"), Processor::of_lambda());
        assert_eq!(read("GenuineIntel").platform, "haswell");
        assert_eq!(Processor::read("").levels, Vec::<&str>::new());
    }
}
