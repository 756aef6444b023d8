//! What documents show is tried: each block of commands is executed, each configuration is read, and a block that is not has a
//! remark that says why. The steps of the guides are in `guide.rs`, and those to a red and a green run in `readme_gate.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bundle_and_capture::host;
use crate::support::function::sandboxes_can_be_made;
use crate::support::image::{Layer, TestImage, archive};
use crate::support::{Run, World, noise};
use walkdir::WalkDir;

/// A block of code.
#[derive(Debug)]
struct Block {
    file: String,
    /// The heading above it.
    heading: String,
    language: String,
    text: String,
    /// Why it is not executed, if a remark above it says so.
    not_executed: Option<String>,
}

impl Block {
    fn is_in(&self, file: &str, heading: &str) -> bool {
        self.file == file && self.heading == heading
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every document that people read; the pages of rules are generated, and tried where they come from.
fn documents() -> Vec<String> {
    let root = repository("");
    let below = ["docs", "examples", "reports"].map(|name| root.join(name));
    let files = below.iter().flat_map(|directory| WalkDir::new(directory).sort_by_file_name());
    let files = files.map(|entry| entry.expect("read").into_path());
    let at_root = fs::read_dir(&root).expect("read").map(|entry| entry.expect("read").path());
    let mut names: Vec<String> = files
        .chain(at_root)
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.strip_prefix(&root).expect("inside").display().to_string())
        .filter(|name| !name.starts_with("docs/rules/"))
        .collect();
    names.sort();
    names
}

fn blocks(file: &str) -> Vec<Block> {
    const REMARK: (&str, &str) = ("<!-- not executed: ", " -->");
    let text = fs::read_to_string(repository(file)).expect("read");
    let (mut blocks, mut heading, mut last) = (Vec::new(), String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix('#') {
            title.trim_start_matches('#').trim().clone_into(&mut heading);
        }
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let inside = lines.by_ref().take_while(|line| line.trim() != "```");
            let text = inside.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
            let remark = last.trim().strip_prefix(REMARK.0).and_then(|rest| rest.strip_suffix(REMARK.1));
            blocks.push(Block {
                file: file.to_owned(),
                heading: heading.clone(),
                language: language.to_owned(),
                text,
                not_executed: remark.map(str::to_owned),
            });
        }
        if !line.trim().is_empty() {
            line.clone_into(&mut last);
        }
    }
    blocks
}

#[test]
fn every_block_is_executed_or_says_why_it_is_not() {
    let mut seen = 0;
    for block in documents().iter().flat_map(|file| blocks(file)) {
        seen += 1;
        let is_executed = match (block.file.as_str(), block.heading.as_str(), block.language.as_str()) {
            ("docs/guide/README.md" | "docs/guide/python.md" | "docs/guide/node.md", ..)
            | ("README.md", "Layers for Python and Node.js", "sh") => continue,
            ("docs/guide/layerfit.toml.md" | "README.md", _, "toml")
            | ("README.md", "Use it" | "Start from an image" | "Keep CI red while something is wrong", "sh") => true,
            _ => false,
        };
        match &block.not_executed {
            Some(why) => assert!(!is_executed && why.len() > 20, "{block:#?}"),
            None => assert!(is_executed, "is not executed, and has no remark: {block:#?}"),
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn every_configuration_is_accepted() {
    let mut seen = 0;
    for block in documents().iter().flat_map(|file| blocks(file)).filter(|block| block.language == "toml") {
        let world = World::new();
        // What the examples name.
        for (name, text) in [
            ("our-rules.toml", "rule = []\n"),
            ("handler.R", "1\n"),
            ("opened.log", "1 open(\"/opt/x\", O_RDONLY) = 3\n"),
        ] {
            fs::write(world.beside(name), text).expect("written");
        }
        fs::write(world.beside("layerfit.toml"), &block.text).expect("written");
        let run = world.run(&["config"]);
        assert_eq!(run.code, 0, "{block:#?}\n{}", run.stderr);
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

/// A place where commands of README work: a tree, an image of it, the function's code, an event, and an AWS CLI.
struct Place {
    world: World,
    /// The programs that commands find first.
    bin: PathBuf,
}

impl Place {
    fn new() -> Self {
        let world = World::new();
        world.r().package("R/lib/R/library", "mgcv", "1.9", "Priority: recommended\n");
        world.library("lib/libgfortran.so.5", &[], &[]);
        world.library("R/lib/R/library/mgcv/libs/mgcv.so", &["lib/libgfortran.so.5"], &[]);
        let image = TestImage::new(vec![Layer::of(&world.root(), "opt")]);
        fs::write(world.beside("my-r.tar"), archive(&image.docker())).expect("written");
        let image = TestImage::new(vec![Layer::of(&host(&world), "")]);
        for name in ["image.tar", "al2023.tar"] {
            fs::write(world.beside(name), archive(&image.docker())).expect("written");
        }
        fs::write(world.beside("event.json"), "{\"x\": 1}").expect("written");
        let bin = world.beside("bin");
        fs::create_dir_all(&bin).expect("made");
        let place = Self { world, bin };
        place.program("bin/aws", "#!/bin/sh\ncase $2 in\nlist-layer-versions) echo '{\"LayerVersions\": []}' ;;\n*) echo '{\"FunctionArn\": \"arn:aws:lambda:eu-west-1:123456789012:function:my-function\", \"Layers\": []}' ;;\nesac\n");
        place
    }

    fn program(&self, path: &str, text: &str) {
        let path = self.world.beside(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// Runs a line as it stands in the document, with this tree as /opt.
    fn run(&self, line: &str) -> Run {
        let program = Path::new(env!("CARGO_BIN_EXE_layerfit")).parent().expect("a directory").display();
        let path = std::env::var("PATH").expect("a PATH");
        let mut shell = Command::new("bash");
        shell.arg("-euc").arg(line.replace("/opt", &self.world.root().to_string_lossy()));
        shell.current_dir(self.world.beside("")).env("PATH", format!("{}:{program}:{path}", self.bin.display()));
        shell
            .env("XDG_CACHE_HOME", self.world.beside("cache"))
            .env("XDG_STATE_HOME", self.world.beside("state"))
            .env_remove("GITHUB_ACTIONS");
        Run::of(shell)
    }
}

/// The blocks of commands under a heading of README.
fn commands(heading: &str) -> Vec<String> {
    let blocks = blocks("README.md").into_iter().filter(|block| block.is_in("README.md", heading));
    blocks.filter(|block| block.language == "sh").map(|block| block.text).collect()
}

#[test]
fn each_command_of_the_overview_does_its_work() {
    let place = Place::new();
    let world = &place.world;
    let config = world.beside("layerfit.toml");
    let sandbox = sandboxes_can_be_made();
    let mut seen = 0;
    for line in commands("Use it").iter().flat_map(|block| block.lines()) {
        let (command, comment) = line.split_once('#').unwrap_or_else(|| panic!("no comment: {line}"));
        let command = command.trim();
        assert!(command.starts_with("layerfit ") && comment.len() > 9, "{line}");
        let runs_a_function = command.contains(" invoke ") || command.contains(" --run ");
        if runs_a_function && !sandbox {
            continue;
        }
        // The interpreter of that version may not be installed; `managed_runtimes.rs` runs those that are.
        if command.contains("--runtime python") {
            continue;
        }
        let mut command = command.to_owned();
        if command.contains("--apply") {
            // A tree that such steps are listed for.
            world.elf("bin/needy", &crate::support::elf::Elf::program().needs("libgone.so.1").debug(&noise(1, 5000)));
        }
        if command.contains("init /opt") {
            let _ = fs::remove_file(&config);
        }
        if command.contains("--bootstrap DIR") {
            fs::create_dir_all(world.beside("DIR")).expect("made");
        }
        if command.contains("publish ") {
            command += " --dry-run";
        }
        if runs_a_function {
            world.bootstrap("serve(lambda event: event)\n");
            fs::rename(world.root().join("bootstrap"), world.beside("DIR/bootstrap")).expect("moved");
        }
        let run = place.run(&command);
        assert_eq!(run.code, 0, "{command}\n{}{}", run.stdout, run.stderr);
        if command.contains("--apply") {
            fs::remove_file(&config).expect("written by it");
            fs::remove_file(world.root().join("bin/needy")).expect("removed");
        }
        if command == "layerfit pack /opt -o layers" {
            fs::rename(world.beside("layers"), world.beside("old")).expect("moved");
            for (name, from) in [("low.zip", "old/layer-1.zip"), ("high.zip", "old/layer-1.zip")] {
                fs::copy(world.beside(from), world.beside(name)).expect("copied");
            }
            assert_eq!(place.run(&command).code, 0);
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
    assert!(world.beside("NAME.toml").is_file() && world.beside("layerfit.lock").is_file() && config.is_file());
}

#[test]
fn the_commands_about_images_work_on_images() {
    let place = Place::new();
    let mut seen = 0;
    for line in commands("Start from an image").iter().flat_map(|block| block.lines()) {
        // The images are there: what builds and saves them is not layerfit.
        if line.starts_with("docker ") {
            continue;
        }
        // In an image, /opt is what is below it.
        let run = place.run(line);
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
        seen += 1;
    }
    assert_eq!(seen, 4);
}
