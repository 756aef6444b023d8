//! Ctrl-C and its like, at whatever moment: the output is the old one or the new one, and nothing lies beside it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::{Run, World, noise};
use rustix::process::{Pid, Signal, kill_process};

/// An output of one file's layer, and a tree that takes a while to pack.
fn world() -> World {
    let world = World::new();
    world.file("a", "old");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "--no-cache"]).code, 0);
    for number in 0..8 {
        world.file(format!("share/{number}"), noise(number, 1_000_000));
    }
    world
}

/// The same command, with signals at their defaults however the tests were started: an ignored signal is inherited, and a
/// shell without job control starts `cmd &` with SIGINT ignored. GNU env can reset them since coreutils 8.32.
fn with_default_signals(command: &Command) -> Command {
    const RESET: &str = "--default-signal=INT,HUP,TERM";
    static CAN_RESET: OnceLock<bool> = OnceLock::new();
    let can_reset = *CAN_RESET
        .get_or_init(|| Command::new("env").args([RESET, "true"]).output().is_ok_and(|output| output.status.success()));
    let mut same = Command::new(if can_reset { "env".as_ref() } else { command.get_program() });
    if can_reset {
        same.arg(RESET).arg(command.get_program());
    }
    same.args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        same.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => same.env(name, value),
            None => same.env_remove(name),
        };
    }
    same
}

fn spawn(world: &World) -> Child {
    let command = world.command(&["pack", "ROOT", "-o", "OUT", "--no-cache", "--level", "max"]);
    with_default_signals(&command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs")
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("sent");
}

/// Waits until something is there, for a while.
fn wait_for(there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn holds_a_file(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut names| names.next().is_some())
}

#[test]
fn a_run_that_is_signalled_dies_of_it_and_leaves_the_old_output_alone() {
    let world = world();
    let before = fs::read(world.beside("out/manifest.json")).expect("read");
    for sent in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut child = spawn(&world);
        wait_for(|| world.beside(".out.layerfit-new").is_dir());
        signal(&child, sent);
        let status = child.wait().expect("ends");
        assert_eq!(status.signal(), Some(sent.as_raw()), "{status:?}");
        assert_eq!(world.names_beside(), ["opt", "out"], "{sent:?}");
        assert_eq!(fs::read(world.beside("out/manifest.json")).expect("read"), before);
    }
}

#[test]
fn a_zip_that_is_being_written_goes() {
    let world = world();
    for sent in [Signal::INT, Signal::TERM] {
        let mut child = spawn(&world);
        wait_for(|| holds_a_file(&world.beside(".out.layerfit-new/new")));
        signal(&child, sent);
        // It may have been about to end.
        let status = child.wait().expect("ends");
        assert!(status.signal() == Some(sent.as_raw()) || status.success(), "{status:?}");
        assert_eq!(world.names_beside(), ["opt", "out"], "{sent:?}");
        assert_eq!(world.run(&["check", "OUT", "--no-cache"]).code, 0);
    }
}

#[test]
fn at_any_moment_the_output_is_whole() {
    let world = world();
    let begun = Instant::now();
    assert!(spawn(&world).wait().expect("ends").success());
    let whole = begun.elapsed();
    fs::remove_dir_all(world.beside("out")).expect("removed");
    let mut ended: Vec<ExitStatus> = Vec::new();
    for moment in 0..16 {
        let mut child = spawn(&world);
        // The last quarter, where zips are written and directories change places, more closely than the rest.
        let share = if moment < 6 { moment * 12 } else { 72 + (moment - 6) * 3 };
        std::thread::sleep(whole * share / 100);
        signal(&child, Signal::INT);
        ended.push(child.wait().expect("ends"));
        let beside = world.names_beside();
        assert!(beside == ["opt"] || beside == ["opt", "out"], "{share} %: {beside:?}");
        if beside.len() == 2 {
            let check = world.run(&["check", "OUT", "--no-cache"]);
            assert_eq!(check.code, 0, "{share} %: {}{}", check.stdout, check.stderr);
        }
    }
    assert!(ended.iter().any(|status| status.signal() == Some(2)), "{ended:?}");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let world = world();
    let direct = world.command(&["pack", "ROOT", "-o", "OUT", "--no-cache"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(direct.get_program()).args(direct.get_args());
    let mut child = shell.stdout(Stdio::null()).spawn().expect("runs");
    wait_for(|| world.beside(".out.layerfit-new").is_dir());
    signal(&child, Signal::HUP);
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(world.names_beside(), ["opt", "out"]);
}

#[test]
fn the_line_of_the_progress_is_cleared() {
    let world = world();
    let direct = world.command(&["pack", "ROOT", "-o", "OUT", "--no-cache", "--level", "max"]);
    let words: Vec<&str> = std::iter::once(direct.get_program())
        .chain(direct.get_args())
        .map(|word| word.to_str().expect("UTF-8"))
        .collect();
    let line = format!("stty rows 24 columns 80; timeout --foreground -s INT 0.7 '{}'; true", words.join("' '"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    let shown = Run::of(with_default_signals(&script)).stdout;
    let drawn = shown.rfind("reading").max(shown.rfind("compressing")).expect("a stage was drawn");
    assert!(shown[drawn..].contains("\u{1b}[2K"), "{shown:?}");
    assert_eq!(world.names_beside(), ["opt", "out"]);
}
