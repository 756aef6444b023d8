//! Completions and manual pages are of the program as it is, and are what shells and man(1) read.

use std::fs;
use std::process::Command;

use crate::support::{Run, World, names};

/// The commands that a help text lists, but for `help` itself.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1).take_while(|l| !l.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The long options that a help text explains.
fn options(help: &str) -> Vec<&str> {
    help.lines().filter_map(|line| line.trim().split(' ').find_map(|word| word.strip_prefix("--"))).collect()
}

#[test]
fn every_command_has_a_page_with_all_its_options_that_groff_has_nothing_to_say_of() {
    let world = World::new();
    let run = world.run(&["man", "OUT"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let mut paths = vec![vec!["layerfit".to_owned()]];
    let mut seen = 0;
    while let Some(path) = paths.pop() {
        let arguments: Vec<&str> = path[1..].iter().map(String::as_str).chain(["--help"]).collect();
        let help = world.run(&arguments).stdout;
        paths.extend(commands(&help).into_iter().map(|command| [&path[..], &[command]].concat()));
        let name = path.join("-");
        let file = world.beside(&format!("out/{name}.1"));
        let page = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        for option in options(&help) {
            let option = option.trim_end_matches(['.', ',', ';', ':']);
            let written = option.split(['[', '=']).next().unwrap_or(option).replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{written}")), "{name}: --{option}");
        }
        assert!(run.stdout.contains(&format!("{name}.1\n")), "{}", run.stdout);
        for section in ["EXIT STATUS", "ENVIRONMENT", "SEE ALSO"] {
            assert_eq!(
                page.matches(&format!(".SH \"{section}\"\n")).count()
                    + page.matches(&format!(".SH {section}\n")).count(),
                1,
                "{name}: {section}"
            );
        }
        assert!(!page.contains(".SH EXTRA"), "{name}");
        assert_eq!(page.contains(".SH EXAMPLES"), help.contains("Examples:"), "{name}");
        let mut groff = Command::new("groff");
        groff.args(["-man", "-ww", "-z", "-Tutf8"]).arg(&file);
        let groff = Run::of(groff);
        assert_eq!((groff.code, groff.stderr.as_str()), (0, ""), "{name}");
        seen += 1;
    }
    // And the page of the file.
    assert_eq!(seen + 1, names(&world.beside("out")).len(), "no page is of nothing");
    assert!(seen > 8, "{seen}");
}

#[test]
fn the_page_of_the_file_has_every_key_and_is_where_man_looks() {
    let world = World::new();
    let man1 = world.beside("man1");
    assert_eq!(world.run(&["man", man1.to_str().expect("UTF-8")]).code, 0);
    assert!(!man1.join("layerfit.toml.5").exists());
    let file = world.beside("man5/layerfit.toml.5");
    let page = fs::read_to_string(&file).expect("written").replace("\\-", "-");
    let schema = world.run(&["config", "--schema"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    for key in schema["properties"].as_object().expect("keys").keys() {
        assert!(page.contains(&format!("\\fB{key}\\fR")), "{key}: {page}");
    }
    let mut groff = Command::new("groff");
    groff.args(["-man", "-ww", "-z", "-Tutf8"]).arg(&file);
    let groff = Run::of(groff);
    assert_eq!((groff.code, groff.stderr.as_str()), (0, ""));
}

#[test]
fn the_first_page_is_printed_and_pages_of_an_older_layerfit_are_replaced() {
    let world = World::new();
    fs::create_dir(world.beside("out")).expect("made");
    fs::write(world.beside("out/layerfit.1"), "old").expect("written");
    fs::write(world.beside("out/other.1"), "another program's").expect("written");
    assert_eq!(world.run(&["man", "OUT"]).code, 0);
    let printed = world.run(&["man"]).stdout;
    assert!(printed.contains(".SH NAME\n"), "{printed}");
    assert_eq!(fs::read_to_string(world.beside("out/layerfit.1")).expect("read"), printed);
    assert_eq!(fs::read_to_string(world.beside("out/other.1")).expect("read"), "another program's");
    fs::write(world.beside("file"), "").expect("written");
    let run = world.run(&["man", world.beside("file").to_str().expect("UTF-8")]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("help:"), "{}", run.stderr);
}

#[test]
fn bash_completes_commands_options_and_values() {
    let world = World::new();
    let run = world.run(&["completions", "bash"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    fs::write(world.beside("completions"), run.stdout).expect("written");
    for (words, expected) in [
        ("ana", "analyze"),
        ("pack --repack", "--repack-rdb"),
        ("plan --strategy ki", "kinds"),
        ("rules L20", "L201 L202 L203 L204 L205 L206 L207 L208 L209"),
        ("check --select compression-c", "compression-commands"),
    ] {
        let mut bash = Command::new("bash");
        let last = words.split(' ').next_back().unwrap_or_default();
        let before = words.split(' ').rev().nth(1).unwrap_or("layerfit");
        bash.arg("-c").arg(format!(
            "source {:?}; COMP_WORDS=(layerfit {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _layerfit layerfit {last} {before}; echo \"${{COMPREPLY[@]}}\"",
            world.beside("completions")
        ));
        let bash = Run::of(bash);
        assert_eq!((bash.stdout.trim_end(), bash.stderr.as_str()), (expected, ""), "{words}");
    }
}

#[test]
fn every_shell_that_is_offered_gets_its_own() {
    let world = World::new();
    for (shell, sign) in [
        ("bash", "complete -F _layerfit"),
        ("zsh", "#compdef layerfit"),
        ("fish", "complete -c layerfit"),
        ("elvish", "edit:completion:arg-completer[layerfit]"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName 'layerfit'"),
    ] {
        let run = world.run(&["completions", shell]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains(sign) && run.stdout.contains("repack-rdb"), "{shell}");
    }
    assert_eq!(world.run(&["completions", "tcsh"]).code, 2);
}
