//! What strangers named stays text: in no format does a name write to the terminal, make a line of its own or become a command
//! of a CI server. And nothing that they made stalls a run or fills the memory: not a device in place of a file, not a glob,
//! not the names in an ELF file.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::elf::Elf;
use crate::support::function::sandboxes_can_be_made;
use crate::support::{Run, World, assert_finding, noise};

/// What can do harm where a name is printed.
const HOSTILE: [&str; 14] = [
    "\n::error title=x::y",
    "\r::warning::y",
    " ::error::z",
    "\u{2028}::error::u",
    "##[error]",
    "##vso[task.complete]",
    "\u{1b}[31m",
    "\u{1b}]0;title\u{7}",
    "\u{202e}gpj",
    "\u{9b}2J",
    "\u{8}\u{8}",
    "\n  help: run rm",
    "<b>|`",
    "a",
];

/// Names that are put together of these, always the same ones.
fn names(count: usize) -> Vec<String> {
    let mut numbers = noise(7, count * 16).into_iter().map(usize::from);
    let mut number = |below: usize| numbers.next().unwrap_or_default() % below;
    let mut names = Vec::new();
    for at in 0..count {
        let mut name = "n".repeat(number(60));
        for _ in 0..=number(3) {
            name += HOSTILE[number(HOSTILE.len())];
        }
        names.push(format!("{name}{at}"));
    }
    names
}

/// What is wrong with an output: lines that would be commands, and characters that are controls.
fn faults(output: &str) -> Vec<String> {
    let control = |c: char| {
        (c.is_control() && c != '\t') || ['\u{202e}', '\u{2028}', '\u{2029}', '\u{2066}', '\u{200f}'].contains(&c)
    };
    let is_command = |line: &str| {
        let own = ["::error file=", "::warning file="].iter().any(|own| line.starts_with(own));
        (line.trim_start().starts_with("::") && !own) || line.contains("##[") || line.contains("##vso[")
    };
    output.split('\n').filter(|line| is_command(line) || line.contains(control)).map(str::to_owned).collect()
}

fn assert_harmless(run: &Run, what: &str) {
    for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        let faults = faults(text);
        assert!(faults.is_empty(), "{what}: {stream}: {:?}", &faults[..faults.len().min(3)]);
    }
}

/// A tree in which everything that can have a name has a hostile one.
fn hostile() -> World {
    let world = World::new();
    world.r().elf("lib/liba.so", &Elf::library("liba.so"));
    for (at, name) in names(24).iter().enumerate() {
        // A file name has no slash.
        let file = name.replace('/', "_");
        world.file(format!("share/{file}"), name);
        world.link(&format!("links/{file}"), &format!("/nowhere/{name}"));
        world.elf(&format!("bin/p{at}"), &Elf::program().needs(name).runpath(name).needs_version("libc.so.6", name));
        world.elf(&format!("lib/{file}.so"), &Elf::library(name).needs(name));
        world.file(format!("bin/s{at}"), format!("#!/bin/{name}\n{name}\n")).mode(&format!("bin/s{at}"), 0o755);
        let one_line = name.replace(['\n', '\r'], " ");
        let lines = format!("Imports: {one_line}, b{one_line} (>= 2)\n");
        world.package("R/lib/R/library", &format!("p{at}"), &format!("1.{one_line}"), &lines);
    }
    world
}

fn in_github(world: &World, arguments: &[&str]) -> Run {
    let mut command = world.command(arguments);
    command.env("GITHUB_ACTIONS", "true");
    Run::of(command)
}

#[test]
fn no_name_of_a_tree_is_more_than_text_in_any_format() {
    let world = hostile();
    for format in ["table", "markdown", "html", "junit", "sarif", "json"] {
        for command in [&["analyze", "ROOT"][..], &["plan", "ROOT"], &["check", "ROOT"]] {
            let run = in_github(&world, &[command, &["--format", format]].concat());
            assert!(run.code <= 1, "{command:?} --format {format}: {}", run.stderr);
            assert_harmless(&run, &format!("{command:?} --format {format}"));
        }
    }
    assert_harmless(&in_github(&world, &["plan", "ROOT", "-v"]), "plan -v");
    assert_harmless(&in_github(&world, &["plan", "ROOT", "--tree"]), "plan --tree");
}

#[test]
fn no_name_is_more_than_text_in_answers_about_a_tree() {
    let world = hostile();
    let other = names(1).remove(0).replace('/', "_");
    let copy = world.beside(&format!("copy{other}"));
    fs::create_dir(&copy).expect("made");
    fs::write(copy.join("b"), "x").expect("written");
    for format in ["table", "markdown", "json"] {
        for name in names(6) {
            let run = in_github(&world, &["why", &name, "ROOT", "--format", format]);
            assert_harmless(&run, &format!("why --format {format}"));
        }
        let mut command = world.command(&["diff", "ROOT"]);
        command.arg(&copy).args(["-v", "--format", format]).env("GITHUB_ACTIONS", "true");
        let run = Run::of(command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_harmless(&run, &format!("diff --format {format}"));
    }
}

#[test]
fn the_reports_that_pack_writes_are_text_too() {
    let world = World::new();
    for (at, name) in names(24).iter().enumerate() {
        world.file(format!("share/{at}{}", name.replace('/', "_")), name);
        world.elf(&format!("lib/l{at}"), &Elf::library(name).needs(name));
    }
    assert_harmless(&in_github(&world, &["pack", "ROOT", "-o", "OUT"]), "pack");
    for name in ["report.md", "report.html", "manifest.json"] {
        let faults = faults(&fs::read_to_string(world.beside("out").join(name)).expect("written"));
        assert!(faults.is_empty(), "{name}: {:?}", &faults[..faults.len().min(3)]);
    }
}

#[test]
fn no_argument_and_no_line_of_a_file_is_more_than_text() {
    let world = World::new();
    world.file("a", "x");
    for (at, name) in names(12).iter().enumerate() {
        for arguments in [
            &["plan", name.as_str()][..],
            &["plan", "ROOT", "--lock", name, "--no-such-option", name],
            &["plan", "ROOT", "--select", name],
            &["check", "ROOT", "--baseline", name, "--max-growth", name],
            &["why", name, "ROOT"],
            &["rules", name],
            &["diff", name, name],
            &["plan", "ROOT", "--runtime", name],
            &["invoke", "ROOT", "--handler", "h", "--env", name],
            &[name],
        ] {
            assert_harmless(&in_github(&world, arguments), &format!("{arguments:?}"));
        }
        // In each kind of file that is named: as its content, and as its own name.
        let file = world.beside(&format!("f{at}{}", name.replace('/', "_")));
        fs::write(&file, format!("version = 1\n{name} = [\nselect = [\"{name}\"]\n")).expect("written");
        for option in ["--lock", "--rules", "--config", "--baseline", "--trace", "--handler"] {
            let command = if option == "--baseline" { "check" } else { "plan" };
            let mut command = world.command(&[command, "ROOT", option]);
            command.arg(&file).env("GITHUB_ACTIONS", "true");
            assert_harmless(&Run::of(command), option);
        }
    }
}

#[test]
fn colours_are_of_layerfit_alone() {
    let world = World::new();
    world.elf("bin/p", &Elf::program().needs("lib\u{1b}[31mred.so"));
    let run = world.run(&["--color", "always", "check", "ROOT"]);
    assert!(run.stdout.contains("\u{1b}[31merror"), "{}", run.stdout);
    assert!(run.stdout.contains("lib\\u{1b}[31mred.so"), "{}", run.stdout);
    let run = world.run(&["--color", "always", "plan", "--\u{1b}[31mred"]);
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
}

#[test]
fn what_the_aws_cli_says_is_text() {
    let world = World::new();
    world.file("a", "x");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "-q"]).code, 0);
    let aws = world.beside("aws");
    let script = "#!/bin/sh\nprintf 'first\\n::error::from aws\\n\\033[31m##[error]x\\n' >&2\nexit 1\n";
    fs::write(&aws, script).expect("written");
    fs::set_permissions(&aws, PermissionsExt::from_mode(0o755)).expect("mode");
    let mut command = world.command(&["publish", "OUT", "--aws"]);
    command.arg(&aws).env("GITHUB_ACTIONS", "true");
    let run = Run::of(command);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("from aws"), "{}", run.stderr);
    assert_harmless(&run, "publish");
}

#[test]
fn what_a_function_says_is_text_and_its_response_is_data() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap(
        r###"
print("log\n::error::from the log\n\x1b[31m##[error]x", flush=True)
id, event = next()
answer(id, "##[error]")
id, event = next()
ask("POST", f"invocation/{id}/error", json.dumps({"errorMessage": "m\n::error::x\x1b[31m" + "y" * 1000000}),
    {"Lambda-Runtime-Function-Error-Type": "T ::error::x"})
next()
"###,
    );
    fs::write(world.beside("events"), "1\n2\n").expect("written");
    let arguments = ["invoke", "ROOT", "--handler", "main.handler", "--event", "events"];
    let run = in_github(&world, &arguments);
    assert_harmless(&run, "invoke");
    let response = run.stdout.lines().next().unwrap_or_default();
    assert_eq!(serde_json::from_str::<String>(response).expect("JSON"), "##[error]");
    assert!(run.stderr.len() < 20_000, "an error of a megabyte is cut: {} bytes", run.stderr.len());
    assert!(world.run(&arguments).stdout.starts_with("\"##[error]\"\n"), "for a program, it is what the function sent");
}

#[test]
fn a_device_in_place_of_a_file_is_an_error_at_once() {
    let world = World::new();
    world.file("a", "x");
    for option in ["--lock", "--rules", "--baseline", "--trace", "--handler", "--config"] {
        for device in ["/dev/zero", "/dev/full"] {
            let command = if option == "--baseline" { "check" } else { "plan" };
            let run = world.run(&[command, "ROOT", option, device]);
            assert_eq!(run.code, 2, "{option}: {}", run.stderr);
            assert!(run.stderr.contains(device) && run.stderr.contains("help: "), "{option}: {}", run.stderr);
        }
    }
    let run = world.run(&["check", "ROOT", "--baseline", "/dev/full", "--update-baseline"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    let run = world.run(&["diff", "/dev/zero", "ROOT"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
}

/// A FIFO to which nothing is ever written.
fn fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o644)).expect("made");
}

#[test]
fn a_pipe_without_a_writer_is_an_error_and_not_waited_for_without_end() {
    let world = World::new();
    world.file("a", "x");
    fifo(&world.beside("pipe"));
    fs::create_dir(world.beside("in")).expect("made");
    fifo(&world.beside("in/layerfit.toml"));
    // Each waits for a writer: all at the same time.
    let runs = ["--lock", "--config", "layerfit.toml"].map(|of| {
        let arguments: &[&str] =
            if of == "layerfit.toml" { &["plan", "../opt"] } else { &["plan", "ROOT", of, "pipe"] };
        let mut command = world.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        if of == "layerfit.toml" {
            command.current_dir(world.beside("in"));
        }
        (of, command.spawn().expect("started"))
    });
    for (of, run) in runs {
        let output = run.wait_with_output().expect("ended");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{of}: {message}");
        assert!(
            message.contains(": is a pipe to which nothing was written within a second\n  help: "),
            "{of}: {message}"
        );
    }
    for arguments in [
        &["check", "pipe"][..],
        &["diff", "ROOT", "pipe"],
        &["invoke", "pipe", "--handler", "a.b"],
        &["invoke", "ROOT", "--handler", "a.b", "--code", "pipe"],
        &["pack", "ROOT", "-o", "OUT", "--template", "pipe"],
    ] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("help: "), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_summary_that_is_not_a_file_is_an_error_with_a_remedy() {
    let world = World::new();
    world.file("a", "x");
    fifo(&world.beside("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(world.beside("socket")).expect("made");
    for (name, message) in [
        ("pipe", "pipe: is a pipe or socket from which nothing reads"),
        ("socket", "socket: is a pipe or socket from which nothing reads"),
        ("/dev/full", "cannot write /dev/full: "),
        ("opt", "cannot write opt: "),
    ] {
        let mut command = world.command(&["check", "ROOT"]);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", name);
        let run = Run::of(command);
        assert_eq!(run.code, 2, "{name}: {}", run.stderr);
        assert!(run.stderr.contains(message) && run.stderr.contains("help: "), "{name}: {}", run.stderr);
        assert!(run.stdout.starts_with("PASS"), "{name}: the report is printed: {}", run.stdout);
    }
}

#[test]
fn a_bootstrap_that_is_a_pipe_ends_the_run() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.file("a", "x");
    fifo(&world.root().join("bootstrap"));
    world.mode("bootstrap", 0o755);
    let run = world.run(&["invoke", "ROOT", "--handler", "a.b"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("fork/exec /opt/bootstrap: permission denied"), "{}", run.stderr);
}

#[test]
fn a_pipe_with_a_name_is_read_once_it_has_a_writer() {
    let world = World::new();
    world.file("a", "x");
    fifo(&world.beside("pipe"));
    let pipe = world.beside("pipe");
    let writer = std::thread::spawn(move || fs::write(pipe, "no-such-key = 1\n"));
    let run = world.run(&["plan", "ROOT", "--config", "pipe"]);
    assert!(run.stderr.contains("no-such-key"), "{}", run.stderr);
    writer.join().expect("ended").expect("written");
}

#[test]
fn a_zip_longer_than_any_layers_and_a_library_longer_than_any_are_not_read() {
    let world = World::new();
    world.file("a", "x");
    for (name, bytes) in [("z.zip", 10 << 30), ("root/lib64/ld-linux-x86-64.so.2", 1 << 32)] {
        fs::create_dir_all(world.beside(name).parent().expect("a parent")).expect("made");
        fs::File::create(world.beside(name)).expect("made").set_len(bytes).expect("long");
    }
    for arguments in [&["check", "z.zip"][..], &["diff", "z.zip", "ROOT"], &["invoke", "z.zip", "--handler", "a.b"]] {
        let run = at_once(&world, arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("is larger than 4.00 GiB"), "{arguments:?}: {}", run.stderr);
    }
    let run = at_once(&world, &["runtime", "capture", "x", "--sysroot", "root", "-o", "-"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn what_init_writes_has_no_setting_of_others() {
    let world = World::new();
    world.r();
    world.elf("bin/p", &Elf::program().needs("libx.so\nhandler = [\"evil\"]\n#"));
    let root = world.beside("opt\nlock = \"evil\"");
    fs::rename(world.root(), &root).expect("renamed");
    let mut command = world.command(&["init"]);
    let run = Run::of({
        command.arg(&root);
        command
    });
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.lines().count() == 1, "{}", run.stdout);
    let text = fs::read_to_string(world.beside("layerfit.toml")).expect("written");
    assert!(text.contains("Missing here: libx.so\\nhandler"), "{text}");
    let set: Vec<&str> = text.lines().filter(|line| line.contains("evil") && !line.starts_with('#')).collect();
    assert!(set.is_empty(), "{set:?}");
    let run = Run::of({
        let mut command = world.command(&["init", "--bootstrap"]);
        command.arg(world.beside("\u{1b}[31mred"));
        command
    });
    assert_eq!((run.code, run.stdout.contains('\u{1b}')), (0, false), "{}", run.stdout);
}

#[test]
fn a_message_repeats_only_the_beginning_of_a_long_setting() {
    let world = World::new();
    world.file("a", "x");
    let long = "x".repeat(200_000);
    for key in ["drop", "keep", "select", "ignore"] {
        fs::write(world.beside("layerfit.toml"), format!("{key} = [\"{long}\"]\n")).expect("written");
        let run = world.run(&["check", "ROOT"]);
        assert_eq!(run.code, 2, "{key}");
        assert!(run.stderr.len() < 10_000 && run.stderr.contains("help: "), "{key}: {} bytes", run.stderr.len());
    }
}

/// A file of a gibibyte that takes no space.
fn sparse(path: &Path) {
    let file = fs::File::options().write(true).create(true).truncate(false).open(path).expect("opened");
    file.set_len(1 << 30).expect("long");
}

#[test]
fn a_file_that_is_larger_than_any_of_its_kind_is_an_error_that_names_the_bound() {
    let world = World::new();
    world.r().package("R/lib/R/library", "huge", "1.0", "");
    sparse(&world.beside("large"));
    for option in ["--lock", "--rules", "--baseline", "--trace", "--config"] {
        let command = if option == "--baseline" { "check" } else { "plan" };
        let run = world.run(&[command, "ROOT", option, "large"]);
        assert_eq!(run.code, 2, "{option}: {}", run.stderr);
        let expected = ["large: is larger than ", " MiB", "help: "];
        assert!(expected.iter().all(|word| run.stderr.contains(word)), "{option}: {}", run.stderr);
    }
    sparse(&world.root().join("R/lib/R/library/huge/DESCRIPTION"));
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "S105", "R/lib/R/library/huge/DESCRIPTION", "larger than 16.00 MiB");
}

#[test]
fn a_pipe_is_read_like_a_file_and_the_empty_device_is_an_empty_file() {
    let world = World::new();
    world.file("a", "x");
    let mut command = world.command(&["plan", "ROOT", "--config", "/dev/stdin", "-q"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(b"no-such-key = 1\n").expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-key"), "the pipe was read");
    let run = world.run(&["plan", "ROOT", "--config", "/dev/null", "--lock", "none.lock"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_glob_of_any_size_is_an_error_wherever_globs_are_written() {
    let world = World::new();
    world.file("a", "x");
    let nested = "{a,".repeat(200) + &"}".repeat(200);
    for glob in [nested, "?".repeat(200_000)] {
        for config in [
            format!("[[finding]]\ncode = \"L201\"\nreason = \"r\"\nseverity = \"off\"\nsubject = \"{glob}\"\n"),
            format!("[[budget]]\nof = \"{glob}\"\nzipped = 1\n"),
            format!("[[layer]]\nname = \"z\"\nholds = [\"{glob}\"]\n"),
            format!("no-strip = [\"{glob}\"]\n"),
        ] {
            fs::write(world.beside("layerfit.toml"), &config).expect("written");
            let run = world.run(&["check", "ROOT"]);
            assert_eq!(run.code, 2, "{}: {}", &config[..30], &run.stderr[..run.stderr.len().min(500)]);
            assert!(run.stderr.contains("help: "), "{}", &run.stderr[..run.stderr.len().min(500)]);
            assert!(run.stderr.len() < 2000, "only the beginning is shown: {} bytes", run.stderr.len());
        }
    }
}

/// A run that takes milliseconds; without the bounds, these took minutes.
fn at_once(world: &World, arguments: &[&str]) -> Run {
    let start = Instant::now();
    let run = world.run(arguments);
    assert!(start.elapsed() < Duration::from_secs(60), "{arguments:?} took {:?}", start.elapsed());
    run
}

#[test]
fn names_in_elf_files_that_no_file_can_have_are_findings() {
    let long = "n".repeat(3_000_000);
    for (elf, what) in [
        (Elf::library(&long), "its soname has 3000000 bytes"),
        (Elf::library("x").needs(&long), "its DT_NEEDED has 3000000 bytes"),
        (Elf::library("x").runpath(&long), "its RUNPATH has 3000000 bytes"),
        (Elf::library("x").rpath(&long), "its RPATH has 3000000 bytes"),
        (Elf::library("x").needs_version("libc.so.6", &long), "its needed version has 3000000 bytes"),
        (Elf::program().interpreter(&long), "the path of its program interpreter has 3000000 bytes"),
    ] {
        let world = World::new();
        world.elf("lib/x", &elf);
        let (code, report) = world.json(&["check", "ROOT"]);
        assert_eq!(code, 1);
        assert_finding(&report, "L101", "lib/x", what);
        let run = at_once(&world, &["plan", "ROOT", "-v"]);
        assert!(run.stdout.len() < 10_000, "{}", run.stdout.len());
    }
    // As long as a path can be, it is only missing.
    let world = World::new();
    world.elf("bin/p", &Elf::program().needs(&"n".repeat(4096)));
    let (_, report) = world.json(&["check", "ROOT"]);
    assert_finding(&report, "L201", "bin/p", "needs nnn");
}

#[test]
fn many_needed_libraries_and_many_directories_are_neither_slow_nor_long() {
    let world = World::new();
    let directories: Vec<String> = (0..5000).map(|at| format!("/opt/{at}")).collect();
    let mut elf = Elf::program().runpath(&directories.join(":"));
    for at in 0..2000 {
        elf = elf.needs(&format!("lib{at}.so"));
    }
    world.elf("bin/p", &elf);
    let run = at_once(&world, &["check", "ROOT"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains(" more"), "how many more directories were searched");
    assert!(run.stdout.len() < 4_000_000, "{}", run.stdout.len());
    let run = at_once(&world, &["why", "lib7.so", "ROOT"]);
    assert!(run.stdout.len() < 20_000, "{}", run.stdout.len());
}

#[test]
fn files_of_packages_that_are_longer_than_any_are_not_read() {
    let world = World::new();
    world.r().package("R/lib/R/library", "long", "1.0", "");
    let site = "python/lib/python3.12/site-packages";
    world.file(format!("{site}/d-1.dist-info/METADATA"), "Metadata-Version: 2.1\nName: d\nVersion: 1\n");
    for file in [
        "R/lib/R/library/long/NAMESPACE",
        "R/lib/R/library/long/Meta/nsInfo.rds",
        "R/lib/R/etc/Rprofile.site",
        &format!("{site}/d-1.dist-info/RECORD"),
        &format!("{site}/e-1.dist-info/METADATA"),
        "nodejs/node_modules/a/package.json",
        "lib/libx.so",
        "bootstrap",
    ] {
        world.file(file, "");
        let file = fs::File::options().write(true).open(world.root().join(file)).expect("opened");
        file.set_len(20 << 30).expect("long");
    }
    world.elf("bin/p", &Elf::program().needs("libx.so").runpath("/opt/lib"));
    // In so little memory that one of them, read, would end the run.
    let mut command = std::process::Command::new("prlimit");
    let direct = world.command(&["check", "ROOT"]);
    command.arg("--as=8000000000").arg(direct.get_program()).args(direct.get_args());
    command
        .current_dir(direct.get_current_dir().expect("set"))
        .env("XDG_CACHE_HOME", world.beside("cache"))
        .env("XDG_STATE_HOME", world.beside("state"));
    let run = Run::of(command);
    assert_eq!(run.code, 1, "{}", run.stderr);
}

#[test]
fn many_requirements_of_one_package_are_not_slow() {
    let world = World::new();
    let many: Vec<String> = (0..150_000).map(|number| format!("q{number} (>= {number})")).collect();
    world.r().package("R/lib/R/library", "many", "1.0", &format!("Imports: {}\n", many.join(", ")));
    let run = at_once(&world, &["check", "ROOT", "-q"]);
    assert!(run.code <= 1, "{}", run.stderr);
}

#[test]
fn objects_of_r_that_are_nested_without_end_are_not_read() {
    let world = World::new();
    world.r().package("R/lib/R/library", "deep", "1.0", "");
    // Lists in lists: kind 19, of one item.
    let mut object = b"X\n\0\0\0\x02\0\x04\x02\x02\0\x02\x03\0".to_vec();
    object.extend(b"\0\0\0\x13\0\0\0\x01".repeat(300_000));
    for file in ["Meta/package.rds", "Meta/nsInfo.rds", "R/deep.rdx", "R/sysdata.rdx"] {
        world.file(format!("R/lib/R/library/deep/{file}"), &object);
    }
    fs::write(world.beside("main.R"), "deep::f()\n").expect("written");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R101", "R/lib/R/library/deep", "package.rds");
    let run = world.run(&["plan", "ROOT", "--repack-rdb", "--handler", "main.R"]);
    assert!(run.code <= 1, "{}", run.stderr);
    let run = world.run(&["why", "pkg:deep", "ROOT"]);
    assert!(run.code <= 1, "{}", run.stderr);
}

#[test]
fn files_longer_than_any_layer_are_not_read() {
    let world = World::new();
    for number in 0..12 {
        world.file(format!("share/{number}"), "");
        let file = fs::File::options().write(true).open(world.root().join(format!("share/{number}"))).expect("opened");
        file.set_len(10 << 30).expect("long");
    }
    for command in ["plan", "check"] {
        let run = at_once(&world, &[command, "ROOT"]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stdout.contains("120.00 GiB unzipped are"), "{}", run.stdout);
    }
}

#[test]
fn a_name_that_is_not_text_can_still_be_told_apart() {
    let world = World::new();
    world.file(Path::new("share").join(std::ffi::OsStr::from_bytes(b"x\xff\x1by")), "x");
    let (_, report) = world.json(&["check", "ROOT"]);
    assert_finding(&report, "S106", "share/x\\xff\\u{1b}y", "UTF-8");
}

#[test]
fn numbers_of_any_size_in_a_manifest_are_added_up() {
    let world = World::new();
    world.file("lib/a", "a").file("lib/b", "b").file("lib/c", "c");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "-q"]).code, 0);
    let path = world.beside("out/manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    for entry in manifest["layers"][0]["entries"].as_array_mut().expect("entries") {
        (entry["size"], entry["compressed"]) = (u64::MAX.into(), u64::MAX.into());
    }
    (manifest["layers"][0]["unzipped_bytes"], manifest["layers"][0]["zipped_bytes"]) =
        (u64::MAX.into(), u64::MAX.into());
    fs::write(world.beside("large.json"), manifest.to_string()).expect("written");
    for arguments in [
        &["diff", "large.json", "large.json"][..],
        &["diff", "OUT", "large.json"],
        &["diff", "large.json", "OUT"],
        &["check", "ROOT", "--baseline", "large.json", "--max-growth", "1%"],
    ] {
        let run = world.run(arguments);
        assert!(run.code < 2, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn each_attack_of_the_page_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/hostile.md")).expect("read");
    let mut sources = Vec::new();
    for entry in ["src", "tests/it"].iter().flat_map(|top| walkdir::WalkDir::new(root.join(top))) {
        let path = entry.expect("listed").into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push((fs::read_to_string(&path).expect("text"), path));
        }
    }
    let is_test = |module: &str, name: &str| {
        let is_there = |text: &str| {
            text.contains(&format!("#[test]\nfn {name}()")) || text.contains(&format!("#[test]\n    fn {name}()"))
        };
        sources.iter().any(|(text, path)| {
            is_there(text) && (module.is_empty() || path.file_stem().is_some_and(|stem| stem == module))
        })
    };
    let tests = regex::Regex::new(r"`(?:([a-z_]+)::)?([a-z]+(?:_[a-z0-9]+){3,})`").expect("a pattern");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 45, "{}", rows.len());
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().expect("a cell");
        for found in tests.captures_iter(last) {
            let module = found.get(1).map_or("", |module| module.as_str());
            assert!(is_test(module, &found[2]), "{row}");
        }
        assert!(last.contains('`') || last.starts_with("the same"), "{row}");
    }
}
