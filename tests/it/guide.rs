//! The guide is walked as it stands there: its blocks of commands are executed in their order, with its files, and every block
//! that is not executed has a remark that says why.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::image::{Layer, TestImage, archive, gzip};
use crate::support::{World, names};

/// A block of the guide: its language, its text, what is said before it, and the remark that it is not executed.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
    before: &'a str,
    not_executed: Option<&'a str>,
}

fn blocks(guide: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = guide;
    while let Some((before, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').expect("a language");
        let (text, after) = after.split_once("```").expect("the end of a block");
        let remark = before.trim_end().rsplit_once('\n').map_or("", |(_, last)| last);
        let not_executed = remark.strip_prefix("<!-- not executed: ").and_then(|remark| remark.strip_suffix(" -->"));
        blocks.push(Block { language, text, before, not_executed });
        rest = after;
    }
    blocks
}

#[test]
fn every_command_of_the_guide_that_can_be_executed_does_what_it_says() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/README.md")).expect("read");
    let world = World::new();
    // The R of the guide: its programs and packages, and a library that only the image has.
    world.r().package("local/lib/R/site-library", "jsonlite", "2.0.0", "");
    world.file("R/bin/Rscript", "#!/bin/sh\n").mode("R/bin/Rscript", 0o755);
    let image = TestImage::new(vec![Layer::of(&world.root(), "opt")]);
    let at = world.beside("work");
    fs::create_dir_all(at.join("hello")).expect("made");
    fs::write(at.join("my-r.tar"), gzip(&archive(&image.docker()))).expect("written");
    let program = Path::new(env!("CARGO_BIN_EXE_layerfit"));
    let path = format!("{}:{}", program.parent().expect("a directory").display(), std::env::var("PATH").expect("set"));
    let mut executed = Vec::new();
    for block in blocks(&guide) {
        let Block { language, text, before, not_executed } = block;
        if let Some(why) = not_executed {
            assert!(why.len() > 20, "{why}");
            continue;
        }
        match language {
            "sh" => {
                let mut shell = Command::new("bash");
                shell.args(["-euxc", text]).current_dir(&at).env("PATH", &path);
                shell.env("XDG_CACHE_HOME", world.beside("cache")).env_remove("GITHUB_ACTIONS");
                let output = shell.output().expect("bash runs");
                let (stdout, stderr) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert!(output.status.success(), "{text}{stdout}{stderr}");
                executed.push(text);
            }
            // Files have their names in the text before them.
            "toml" => fs::write(at.join("layerfit.toml"), text).expect("written"),
            "r" | "json" => {
                let name = before.rsplit('`').nth(1).expect("a name");
                assert!(name.starts_with("hello/"), "{name}");
                fs::write(at.join(name), text).expect("written");
            }
            other => panic!("a block of {other} is not executed, and has no remark"),
        }
    }
    assert!(executed.len() >= 9, "{executed:?}");
    let made = [
        "function",
        "hello",
        "layerfit.baseline.json",
        "layerfit.lock",
        "layerfit.toml",
        "layers",
        "my-r.tar",
        "template.yaml",
    ];
    assert_eq!(names(&at), made);
    assert_eq!(names(&at.join("hello")), ["bootstrap", "event.json", "hello.R", "runtime.R"]);
}
