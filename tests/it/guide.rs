//! The guide is walked as it stands there: the blocks of commands of each page are executed in their order, with its files, and
//! every block that is not executed has a remark that says why.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::function::ready;
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

/// Executes the blocks of a page of the guide in a directory, which has this home; returns the commands. What the page calls
/// `names[i].0` is `names[i].1` on this machine.
fn walk(page: &str, world: &World, at: &Path, replaced: &[(&str, &str)]) -> Vec<String> {
    let mut text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide").join(page)).expect("read");
    for (from, to) in replaced {
        text = text.replace(from, to);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_layerfit"));
    let path = format!("{}:{}", program.parent().expect("a directory").display(), std::env::var("PATH").expect("set"));
    let mut executed = Vec::new();
    for block in blocks(&text) {
        let Block { language, text, before, not_executed } = block;
        if let Some(why) = not_executed {
            assert!(why.len() > 20, "{why}");
            continue;
        }
        match language {
            "sh" => {
                let mut shell = Command::new("bash");
                shell.args(["-euxc", text]).current_dir(at).env("PATH", &path);
                shell
                    .env("XDG_CACHE_HOME", world.beside("cache"))
                    .env("XDG_STATE_HOME", world.beside("state"))
                    .env_remove("GITHUB_ACTIONS");
                let output = shell.output().expect("bash runs");
                let (stdout, stderr) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert!(output.status.success(), "{text}{stdout}{stderr}");
                executed.push(format!("{text}{stdout}"));
            }
            // Files have their names in the text before them.
            "toml" => fs::write(at.join("layerfit.toml"), text).expect("written"),
            "r" | "json" | "python" | "js" => {
                let name = before.rsplit('`').nth(1).expect("a name");
                assert!(name.starts_with("hello/") || name.starts_with("fn/"), "{name}");
                fs::create_dir_all(at.join(name).parent().expect("a directory")).expect("made");
                fs::write(at.join(name), text).expect("written");
            }
            other => panic!("a block of {other} is not executed, and has no remark"),
        }
    }
    executed
}

#[test]
fn every_command_of_the_guide_that_can_be_executed_does_what_it_says() {
    let world = World::new();
    // The R of the guide: its programs and packages, and a library that only the image has.
    world.r().package("local/lib/R/site-library", "jsonlite", "2.0.0", "");
    world.file("R/bin/Rscript", "#!/bin/sh\n").mode("R/bin/Rscript", 0o755);
    let image = TestImage::new(vec![Layer::of(&world.root(), "opt")]);
    let at = world.beside("work");
    fs::create_dir_all(&at).expect("made");
    fs::write(at.join("my-r.tar"), gzip(&archive(&image.docker()))).expect("written");
    let executed = walk("README.md", &world, &at, &[]);
    assert!(executed.len() >= 9, "{executed:?}");
    let made =
        ["hello", "layerfit.baseline.json", "layerfit.lock", "layerfit.toml", "layers", "my-r.tar", "template.yaml"];
    assert_eq!(names(&at), made);
    // The last template that the guide writes is the one with the bucket.
    let template = fs::read_to_string(at.join("template.yaml")).expect("read");
    for line in ["      CodeUri: \"hello\"", "      Handler: \"hello.handler\"", "                    Value: \".rds\""]
    {
        assert!(template.lines().any(|found| found == line), "{line}: {template}");
    }
    assert_eq!(names(&at.join("hello")), ["bootstrap", "event.json", "hello.R", "runtime.R"]);
}

#[test]
fn the_guide_for_python_leads_to_a_function_that_answers() {
    let Some((runtime, version)) = ready("python3") else { return };
    let world = World::new();
    let at = world.beside("work");
    let files = [
        ("numpy/__init__.py", "mean = lambda values: sum(values) / len(values)\n"),
        ("numpy-2.0.dist-info/METADATA", "Name: numpy\nVersion: 2.0\n"),
        ("numpy-2.0.dist-info/RECORD", "numpy/__init__.py,,\n"),
        (
            "pandas/__init__.py",
            "import numpy\nclass Series:\n    def __init__(self, values): self.values = values\n    \
             def mean(self): return numpy.mean(self.values)\n",
        ),
        ("pandas-3.0.dist-info/METADATA", "Name: pandas\nVersion: 3.0\nRequires-Dist: numpy\n"),
        ("pandas-3.0.dist-info/RECORD", "pandas/__init__.py,,\n"),
        ("scipy/__init__.py", ""),
        ("scipy-1.0.dist-info/METADATA", "Name: scipy\nVersion: 1.0\n"),
        ("scipy-1.0.dist-info/RECORD", "scipy/__init__.py,,\n"),
    ];
    for (name, text) in files {
        let path = at.join("layer/python").join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, text).expect("written");
    }
    let executed = walk("python.md", &world, &at, &[("python3.13", &runtime), ("3.13", &version)]);
    assert!(executed.len() >= 3 && executed.iter().any(|text| text.contains("{\"mean\": 3.0}")), "{executed:?}");
    assert_eq!(names(&at), ["fn", "layer", "layerfit.toml", "layers"]);
}

#[test]
fn the_guide_for_node_leads_to_a_function_that_answers() {
    let Some((runtime, version)) = ready("node") else { return };
    let world = World::new();
    let at = world.beside("work");
    let files = [
        ("sharp/package.json", r#"{"name": "sharp", "version": "0.35.0", "dependencies": {"detect-libc": "^2"}}"#),
        (
            "sharp/index.js",
            "require('detect-libc');\nmodule.exports = (options) => ({ png: () => ({ toBuffer: async () => \
             Buffer.alloc(options.create.width) }) });\n",
        ),
        ("detect-libc/package.json", r#"{"name": "detect-libc", "version": "2.0.0"}"#),
        ("detect-libc/index.js", ""),
    ];
    for (name, text) in files {
        let path = at.join("layer/nodejs/node_modules").join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, text).expect("written");
    }
    let executed =
        walk("node.md", &world, &at, &[("nodejs22.x", &runtime), ("nodejs:22", &format!("nodejs:{version}"))]);
    assert!(executed.len() >= 3 && executed.iter().any(|text| text.contains("{\"bytes\":32}")), "{executed:?}");
    assert_eq!(names(&at), ["fn", "layer", "layerfit.toml", "layers"]);
}

#[test]
fn the_quick_start_of_the_readme_has_commands_of_the_guide() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("read");
    let (readme, guide) = (read("README.md"), read("docs/guide/python.md"));
    let (_, section) = readme.split_once("## Layers for Python and Node.js").expect("the section");
    let commands = section.split("```sh\n").nth(1).and_then(|block| block.split("```").next()).expect("a block");
    for command in commands.lines() {
        let command = command.split(" #").next().unwrap_or_default().trim_end();
        assert!(guide.lines().any(|line| line == command), "{command}");
    }
}
