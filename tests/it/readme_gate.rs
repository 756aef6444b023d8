//! The path in README from `layerfit init` to a red and then green run of CI is walked as it stands there: each command, with
//! the exit code that its comment begins with.

use std::fs;
use std::process::Command;

use crate::support::{Run, World, noise};

/// The first block of commands below the heading.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("read");
    let (_, section) = readme.split_once("## Keep CI red").expect("the section");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    block.split_once("```").expect("its end").0.lines().map(str::to_owned).collect()
}

#[test]
fn from_init_to_a_red_and_then_a_green_run() {
    let world = World::new();
    world.r().package("R/lib/R/library", "digest", "0.6", "").library("lib/libneeded.so", &[], &[]);
    let library = fs::read(world.root().join("lib/libneeded.so")).expect("read");
    let mut changes = vec![
        Box::new(|| {
            world.package("R/lib/R/library", "added", "1.0", "");
            world.library("R/lib/R/library/added/libs/added.so", &["lib/libneeded.so"], &[]);
            world.file("R/lib/R/library/added/R/added.rdb", noise(1, 50_000));
            fs::remove_file(world.root().join("lib/libneeded.so")).expect("removed");
        }) as Box<dyn Fn()>,
        Box::new(|| {
            world.file("lib/libneeded.so", &library);
        }),
        Box::new(|| {}),
    ]
    .into_iter();
    let mut seen = Vec::new();
    for line in commands() {
        let (command, comment) = line.split_once('#').unwrap_or((&line, ""));
        let words: Vec<String> =
            command.split_whitespace().map(|word| word.replace("/opt", &world.root().to_string_lossy())).collect();
        let Some((program, arguments)) = words.split_first() else {
            changes.next().expect("a change for each remark")();
            continue;
        };
        let mut run = match program.as_str() {
            "layerfit" => world.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()),
            other => {
                let mut command = Command::new(other);
                command.args(arguments).current_dir(world.beside(""));
                command
            }
        };
        run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", world.beside("summary.md"));
        let run = Run::of(run);
        let expected = comment.trim().split_once(':').map_or(0, |(code, _)| code.parse().expect("an exit code"));
        assert_eq!(run.code, expected, "{line}\n{}{}", run.stdout, run.stderr);
        // What a comment promises to be told is told, to people and to the runner.
        for code in ["L201", "B102"].iter().filter(|code| comment.contains(**code)) {
            assert!(run.stdout.contains(code), "{line}\n{}", run.stdout);
            let annotation = run.stderr.lines().find(|line| line.starts_with("::error") && line.contains(code));
            assert!(annotation.is_some(), "{line}\n{}", run.stderr);
            assert!(fs::read_to_string(world.beside("summary.md")).expect("read").contains(code));
        }
        seen.push((words[1].clone(), run.code, run.stdout));
    }
    assert!(changes.next().is_none());
    let codes: Vec<i32> = seen.iter().map(|(_, code, _)| *code).collect();
    assert_eq!(codes, [0, 0, 0, 1, 1, 0, 0, 0]);
    assert!(seen[5].2.contains("added (new)"), "{}", seen[5].2);
    assert!(world.beside("layerfit.toml").is_file() && world.beside("layerfit.baseline.json").is_file());
}

/// The block of layerfit.toml in the section is taken by every command that the section shows: with what its commands have written
/// before.
#[test]
fn the_settings_of_the_section_pass_in_its_commands() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("read");
    let (_, section) = readme.split_once("## Keep CI red").expect("the section");
    let (_, block) = section.split_once("```toml\n").expect("a block");
    let settings = block.split_once("```").expect("its end").0;
    let (_, action) = block.split_once("    args: ").expect("the arguments of the action");
    let (_, hook) = block.split_once("    entry: layerfit ").expect("the command of the hook");
    let words = |text: &'static str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let first_line = |text: &str| words(Box::leak(text.lines().next().expect("a line").to_owned().into_boxed_str()));
    let world = World::new();
    world.r().package("R/lib/R/library", "digest", "0.6", "");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "layers"]).code, 0);
    fs::write(world.beside("layerfit.toml"), settings).expect("written");
    let commands = [
        words("check ROOT --update-baseline"),
        words("check layers"),
        [words("check layers"), first_line(action)].concat(),
        first_line(hook),
        words("check ROOT --max-growth 2%"),
        words("plan ROOT"),
        words("pack ROOT -o layers"),
    ];
    for command in commands {
        let run = world.run(&command.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(run.code, 0, "{command:?}\n{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_tree_that_fails_gets_no_baseline_and_that_is_said() {
    let world = World::new();
    world.r().library("lib/libgone.so", &[], &[]).program("bin/x", &["lib/libgone.so"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let update = ["check", "ROOT", "--baseline", "layerfit.baseline.json", "--update-baseline"];
    let run = world.run(&update);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stderr.contains("layerfit: layerfit.baseline.json: not written, as the check fails"), "{}", run.stderr);
    assert!(!world.beside("layerfit.baseline.json").exists());
    world.library("lib/libgone.so", &[], &[]);
    let run = world.run(&update);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(!run.stderr.contains("not written") && world.beside("layerfit.baseline.json").is_file(), "{}", run.stderr);
}
