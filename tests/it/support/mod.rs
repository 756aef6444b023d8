//! What the tests are made of: a tree built file by file in a directory of its own, ELF files made by the C compiler, and
//! runs of the real program.

pub(crate) mod elf;
pub(crate) mod function;
pub(crate) mod image;
pub(crate) mod oracle;
pub(crate) mod r_code;
pub(crate) mod raw_zip;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use layerfit::base::finding::Code;
use serde_json::Value;
use tempfile::TempDir;

/// What `saveRDS(NULL, compress = FALSE)` writes.
pub(crate) const RDS: &[u8] = b"X\n\0\0\0\x02\0\x04\x02\x02\0\x02\x03\0\0\0\0\xfe";

/// A tree that will be /opt, and room beside it.
pub(crate) struct World {
    home: TempDir,
}

/// What a run of layerfit came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { home: tempfile::tempdir().expect("a directory") };
        fs::create_dir(world.root()).expect("a root");
        // Other users must get in for the tests that give up root.
        fs::set_permissions(world.home.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
        world
    }

    /// The tree.
    pub(crate) fn root(&self) -> PathBuf {
        self.home.path().join("opt")
    }

    /// A path beside the tree.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Names beside the tree, sorted: what runs leave behind.
    pub(crate) fn names_beside(&self) -> Vec<String> {
        names(self.home.path())
    }

    fn at(&self, path: impl AsRef<OsStr>) -> PathBuf {
        let path = self.root().join(Path::new(path.as_ref()));
        fs::create_dir_all(path.parent().expect("inside")).expect("directories");
        path
    }

    pub(crate) fn file(&self, path: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.at(path);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
        self
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.root().join(path), fs::Permissions::from_mode(mode)).expect("mode");
        self
    }

    pub(crate) fn directory(&self, path: &str) -> &Self {
        fs::create_dir_all(self.root().join(path)).expect("a directory");
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.at(path)).expect("a link");
        self
    }

    /// An installed R package that library() would take, with these further lines in its DESCRIPTION. Its NAMESPACE imports
    /// what they name in Imports.
    pub(crate) fn package(&self, library: &str, name: &str, version: &str, lines: &str) -> &Self {
        let imports = lines.lines().filter_map(|line| line.strip_prefix("Imports:")).flat_map(|names| names.split(','));
        let imports = imports.map(|one| one.split('(').next().unwrap_or_default().trim());
        let namespace: String = imports.map(|package| format!("import({package})\n")).collect();
        let description = format!(
            "Package: {name}\nVersion: {version}\n{lines}{}Built: R 4.2.2; ; 2022-11-24 00:43:29 UTC; unix\n",
            if lines.is_empty() || lines.ends_with('\n') { "" } else { "\n" }
        );
        let at = format!("{library}/{name}");
        self.file(format!("{at}/DESCRIPTION"), description)
            .file(format!("{at}/NAMESPACE"), namespace)
            .file(format!("{at}/Meta/package.rds"), RDS)
            .file(format!("{at}/Meta/features.rds"), RDS)
            .file(format!("{at}/R/{name}"), "loader")
            .file(format!("{at}/R/{name}.rdb"), name.repeat(50))
            .file(format!("{at}/help/{name}.rdb"), "help")
    }

    /// R's home at `R/lib/R`, with the packages a session needs and an `etc/ldpaths` that names /opt/lib.
    pub(crate) fn r(&self) -> &Self {
        let home = "R/lib/R";
        self.file(format!("{home}/bin/R"), "#!/bin/sh\nR_HOME_DIR=/opt/R/lib/R\n")
            .mode("R/lib/R/bin/R", 0o755)
            .file(format!("{home}/etc/Renviron"), "R_PLATFORM=x\n")
            .file(
                format!("{home}/etc/ldpaths"),
                "if test -n \"/opt/lib\"; then\n: ${R_LD_LIBRARY_PATH=${R_HOME}/lib:/opt/lib}\nelse\n\
                 : ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nfi\n\
                 LD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:${LD_LIBRARY_PATH}\"\nexport LD_LIBRARY_PATH\n",
            );
        self.file(format!("{home}/library/base/R/base.rdx"), RDS);
        for name in ["base", "compiler", "methods", "utils", "stats", "graphics", "grDevices"] {
            self.package(&format!("{home}/library"), name, "4.2.2", "Priority: base\n");
        }
        self
    }

    /// A shared library made by the C compiler that needs `needed` (paths in the tree) and nothing else.
    pub(crate) fn library(&self, path: &str, needed: &[&str], flags: &[&str]) -> &Self {
        let soname = Path::new(path).file_name().expect("a name").to_string_lossy().into_owned();
        let soname = format!("-Wl,-soname,{soname}");
        self.compile(path, needed, &[&["-shared", &soname], flags].concat())
    }

    /// A program that needs `needed` (paths in the tree) and nothing else.
    pub(crate) fn program(&self, path: &str, needed: &[&str], flags: &[&str]) -> &Self {
        self.compile(path, needed, &[&["-pie", "-Wl,-e,entry"], flags].concat()).mode(path, 0o755)
    }

    pub(crate) fn compile(&self, path: &str, needed: &[&str], flags: &[&str]) -> &Self {
        self.c(path, "int entry(void) { return 0; }\n", needed, &[&["-nostdlib", "-fPIC"], flags].concat())
    }

    /// An ELF file made of this C source that needs `needed` (paths in the tree).
    pub(crate) fn c(&self, path: &str, source: &str, needed: &[&str], flags: &[&str]) -> &Self {
        let file = self.beside("source.c");
        fs::write(&file, source).expect("written");
        let source = file;
        let _ = fs::remove_file(self.at(path));
        let output = Command::new("cc")
            .args(["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-o"])
            .arg(self.at(path))
            .arg(&source)
            .args(flags)
            .args(needed.iter().map(|path| self.root().join(path)))
            .output()
            .expect("cc is installed (apt-get install gcc libc6-dev)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// Changes one byte of a file.
    pub(crate) fn change_byte(&self, path: &str, at: usize, change: impl Fn(u8) -> u8) -> &Self {
        let path = self.root().join(path);
        let mut bytes = fs::read(&path).expect("read");
        bytes[at] = change(bytes[at]);
        fs::write(&path, bytes).expect("written");
        self
    }

    /// Gives the first entry of this tag in the dynamic section of a 64-bit library another tag.
    pub(crate) fn change_dynamic_tag(&self, path: &str, from: u64, to: u64) -> &Self {
        let path = self.root().join(path);
        let mut bytes = fs::read(&path).expect("read");
        let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let number = |value: u64| usize::try_from(value).expect("a 64-bit machine");
        let headers = number(word(&bytes, 32));
        let segment = (0..usize::from(u16::from_le_bytes([bytes[56], bytes[57]])))
            .map(|header| headers + header * 56)
            .find(|at| bytes[*at] == 2)
            .expect("a dynamic section");
        let start = number(word(&bytes, segment + 8));
        let entry = (start..).step_by(16).find(|at| word(&bytes, *at) == from).expect("the tag");
        bytes[entry..entry + 8].copy_from_slice(&to.to_le_bytes());
        fs::write(&path, bytes).expect("written");
        self
    }

    /// Runs layerfit with these arguments; `ROOT` and `OUT` stand for the tree and for an output directory beside it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_layerfit"));
        for argument in arguments {
            match *argument {
                "ROOT" => command.arg(self.root()),
                "OUT" => command.arg(self.beside("out")),
                other => command.arg(other),
            };
        }
        command.current_dir(self.home.path()).env("XDG_CACHE_HOME", cache_home());
        command.env("XDG_STATE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("state"));
        // What a CI server says of itself changes what is printed.
        for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CLICOLOR_FORCE", "COLUMNS"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs it with `--format json` and gives exit code and report.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let run = self.run(&[arguments, &["--format", "json"]].concat());
        let report = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", run.stdout, run.stderr));
        (run.code, report)
    }
}

/// The cache of all runs: they share it as a user's runs do, and the user's own is left alone. It begins empty, and lies
/// where cargo cleans up: a static is never dropped, and a temporary directory in one would stay.
fn cache_home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).expect("made");
        home
    })
}

impl Run {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().expect("layerfit runs");
        Self {
            code: output.status.code().expect("not killed"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// Bytes that deflate cannot make fewer, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    (0..length).map(|_| next()).collect()
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("listed")
        .map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

thread_local! {
    /// Codes that this test asked reports for, and whether there was a finding: each test has a thread of its own.
    static ASKED: RefCell<BTreeSet<(String, bool)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Asserts that this test has seen a report with a finding of this code, and one without.
#[track_caller]
pub(crate) fn assert_fired_and_nearly_missed(code: Code) {
    for fired in [true, false] {
        let seen = ASKED.with_borrow(|asked| asked.contains(&(code.as_str().to_owned(), fired)));
        assert!(seen, "this test has no report {} {code}", if fired { "with" } else { "without" });
    }
}

/// The findings of a report with this code: subject and message.
pub(crate) fn findings(report: &Value, code: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let found: Vec<(String, String)> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["code"] == code)
        .map(|finding| {
            assert!(!text(&finding["help"]).is_empty(), "a finding names the remedy: {finding}");
            (text(&finding["subject"]), text(&finding["message"]))
        })
        .collect();
    ASKED.with_borrow_mut(|asked| asked.insert((code.to_owned(), !found.is_empty())));
    found
}

/// Asserts that there is exactly one finding with this code, about `subject`, whose message has `words`.
#[track_caller]
pub(crate) fn assert_finding(report: &Value, code: &str, subject: &str, words: &str) {
    let found = findings(report, code);
    assert_eq!(found.len(), 1, "{code}: {found:?} in {:#}", report["findings"]);
    assert_eq!(found[0].0, subject);
    assert!(found[0].1.contains(words), "{:?} lacks {words:?}", found[0].1);
}

/// Asserts that nothing with this code was found.
#[track_caller]
pub(crate) fn assert_no_finding(report: &Value, code: &str) {
    assert_eq!(findings(report, code), Vec::<(String, String)>::new());
}

/// The zip entries of a packed layer: name, Unix mode, content.
pub(crate) fn zip_entries(path: &Path) -> Vec<(String, u32, Vec<u8>)> {
    use std::io::Read;
    let mut archive = zip::ZipArchive::new(fs::File::open(path).expect("opened")).expect("a zip");
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).expect("an entry");
            let mut content = Vec::new();
            file.read_to_end(&mut content).expect("read");
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            (name, file.unix_mode().expect("a mode"), content)
        })
        .collect()
}
