//! Colours come where they are asked for, or on a terminal unless the environment says no; and never into what is kept.

use std::process::Command;

use crate::support::{Run, World};

const ESCAPE: char = '\u{1b}';
const RED: &str = "\u{1b}[31merror";

fn world() -> World {
    let world = World::new();
    world.file("lib/bad.so", b"\x7fELF");
    world
}

/// A run without what the environment says of colours, but for these.
fn run_with(world: &World, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    Run::of(set(world.command(arguments), environment))
}

fn set(mut command: Command, environment: &[(&str, &str)]) -> Command {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "GITHUB_ACTIONS"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm").envs(environment.iter().copied());
    command
}

/// The same on a terminal of 80 columns, which script(1) makes: what it shows.
fn on_terminal(world: &World, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let direct = world.command(arguments);
    let words = std::iter::once(direct.get_program()).chain(direct.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().expect("UTF-8"))).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty columns 80; {}", line.join(" ")), "/dev/null"]);
    script
        .current_dir(direct.get_current_dir().expect("set"))
        .env("XDG_CACHE_HOME", world.beside("cache"))
        .env("XDG_STATE_HOME", world.beside("state"));
    Run::of(set(script, environment)).stdout
}

#[test]
fn a_terminal_shows_errors_in_red_and_every_line_as_long_as_without() {
    let world = world();
    let shown = on_terminal(&world, &["analyze", "ROOT", "-q"], &[]);
    assert!(!shown.contains("lib/bad.so"), "{shown}");
    let shown = on_terminal(&world, &["analyze", "ROOT"], &[]);
    assert!(shown.contains(RED), "{shown:?}");
    // What the progress drew was cleared before.
    let table = &shown[shown.find("FAIL").expect("the verdict")..];
    let plain: String = strip(table).replace('\r', "");
    assert_eq!(plain, run_with(&world, &["analyze", "ROOT"], &[]).stdout);
}

/// Text without escape sequences (`ESC [ … m`).
fn strip(text: &str) -> String {
    let mut parts = text.split(ESCAPE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn the_environment_is_heeded_as_no_color_org_has_it() {
    let world = world();
    for (environment, coloured) in [
        (&[("NO_COLOR", "1")][..], false),
        (&[("NO_COLOR", "")], true),
        (&[("TERM", "dumb")], false),
        (&[("CLICOLOR", "0")], false),
        (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
    ] {
        let shown = on_terminal(&world, &["analyze", "ROOT"], environment);
        assert_eq!(shown.contains(RED), coloured, "{environment:?}: {shown:?}");
    }
    assert!(!run_with(&world, &["analyze", "ROOT"], &[]).stdout.contains(ESCAPE), "a pipe is no terminal");
    assert!(run_with(&world, &["analyze", "ROOT"], &[("CLICOLOR_FORCE", "1")]).stdout.contains(RED));
}

#[test]
fn the_command_line_comes_before_the_environment() {
    let world = world();
    assert!(run_with(&world, &["analyze", "ROOT", "--color", "always"], &[("NO_COLOR", "1")]).stdout.contains(RED));
    assert!(run_with(&world, &["--color=always", "analyze", "ROOT"], &[]).stdout.contains(RED));
    let never = run_with(&world, &["analyze", "ROOT", "--color=never"], &[("CLICOLOR_FORCE", "1")]);
    assert!(!never.stdout.contains(ESCAPE), "{}", never.stdout);
    assert!(!on_terminal(&world, &["analyze", "ROOT", "--color=never"], &[]).contains(RED));
    assert_eq!(run_with(&world, &["analyze", "ROOT", "--color=blue"], &[]).code, 2);
}

#[test]
fn help_and_errors_follow_it_too() {
    let world = world();
    for arguments in [&["--help"][..], &["plan", "--help"], &["nonsense"], &["plan", "nowhere"]] {
        let always = run_with(&world, &[arguments, &["--color=always"]].concat(), &[]);
        assert!((always.stdout + &always.stderr).contains(ESCAPE), "{arguments:?}");
        let never = run_with(&world, &[arguments, &["--color=never"]].concat(), &[("CLICOLOR_FORCE", "1")]);
        assert!(!(never.stdout + &never.stderr).contains(ESCAPE), "{arguments:?}");
    }
}

#[test]
fn what_is_kept_or_read_by_programs_never_has_any() {
    let world = world();
    for format in ["json", "markdown", "sarif", "junit", "html"] {
        let run = run_with(&world, &["plan", "ROOT", "--format", format, "--color=always"], &[("CLICOLOR_FORCE", "1")]);
        assert!(run.stdout.contains("bad.so") && !run.stdout.contains(ESCAPE), "{format}");
    }
    for arguments in [&["rules", "--format", "json"][..], &["man"], &["completions", "bash"]] {
        let run = run_with(&world, &[arguments, &["--color=always"]].concat(), &[("CLICOLOR_FORCE", "1")]);
        assert!(run.code == 0 && !run.stdout.contains(ESCAPE), "{arguments:?}");
    }
    let summary = world.beside("summary.md");
    let on_github = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().expect("UTF-8"))];
    let run = run_with(&world, &["pack", "ROOT", "-o", "OUT", "--color=always"], &on_github);
    assert!(run.stdout.contains(RED) && run.stderr.contains("::error") && !run.stderr.contains(ESCAPE));
    let files = ["out/manifest.json", "out/report.md", "out/report.html", "summary.md"];
    for file in files {
        let text = std::fs::read_to_string(world.beside(file)).expect("read");
        assert!(text.contains("bad.so") && !text.contains(ESCAPE), "{file}");
    }
}

#[test]
fn a_terminal_shows_the_stage_that_takes_the_time() {
    let world = world();
    world.file("share/data", crate::support::noise(1, 50_000));
    let shown = on_terminal(&world, &["pack", "ROOT", "-o", "OUT", "--no-cache"], &[]);
    for stage in ["reading", "compressing", "writing"] {
        assert!(shown.contains(stage), "{stage}: {shown:?}");
    }
    // It is gone before the report is printed.
    let report = &shown[shown.find("layer-1").expect("the report")..];
    assert!(!report.contains("compressing") && !report.contains("writing"), "{report:?}");
}
