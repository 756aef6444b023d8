//! Compares the resolver with the real dynamic loader on a real tree:
//! `cargo run --release --example loader_truth -- TREE [LD_LIBRARY_PATH]`.
//!
//! The tree is bound over /opt in a private mount namespace; every ELF file in it is given to ld.so with
//! LD_TRACE_LOADED_OBJECTS, with R's environment and with that of other programs, and each (soname, path) it prints is
//! held against what the resolver says for `--runtime host`. With LD_LIBRARY_PATH, which a running R was asked for, ld.so
//! searches there for R, while the resolver goes by its own reading of R's start scripts. Prints the count of edges and of differences; exits with 1
//! when there are any, with 77 when this machine allows no mounts.

#[path = "../tests/it/support/oracle.rs"]
mod oracle;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use layerfit::languages::{self, ALL};
use layerfit::resolve::{LoaderView, Process, environment};
use layerfit::runtime::{Image, RuntimeProfile};
use layerfit::tree::{read_objects, scan_directory};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [inside, tree, rest @ ..] if inside == "--inside" => compare(Path::new(tree), rest.first().map(String::as_str)),
        [tree] | [tree, _] => {
            let rest = &arguments[1..];
            let tree = Path::new(tree).canonicalize().expect("the tree is there");
            let Some(mut command) = oracle::command_in(&tree) else { return ExitCode::from(77) };
            let error =
                command.arg(std::env::current_exe().expect("a path")).args(["--inside", "/opt"]).args(rest).exec();
            panic!("unshare: {error}");
        }
        _ => {
            eprintln!("usage: loader_truth TREE [LD_LIBRARY_PATH]");
            ExitCode::from(2)
        }
    }
}

fn compare(root: &Path, path_of_r: Option<&str>) -> ExitCode {
    let profile = RuntimeProfile::load("host").expect("built in");
    let (tree, _) = scan_directory(root).expect("readable");
    let (objects, _) = read_objects(&tree);
    let image = Image::new(&profile);
    let (packages, _) = languages::find(&tree, &profile);
    let view = LoaderView::new(&tree, &objects, &image);

    let mut environments = vec![("other programs", environment(&view, None))];
    for language in ALL {
        for spec in language.processes(&packages, &tree, &objects, &profile) {
            environments.push((language.name(), environment(&view, spec.library_path.as_deref())));
        }
    }
    let (mut edges, mut differences, mut files) = (0, 0, 0);
    for (name, environment) in &mut environments {
        // Lambda's working directory need not be there; no path in a tree like this depends on it.
        "/".clone_into(&mut environment.working_directory);
        let mut real_environment = environment.clone();
        if let Some(path) = path_of_r.filter(|_| *name == "R") {
            real_environment.library_path = path.split(':').map(str::to_owned).collect();
        }
        for id in objects.keys() {
            let path = tree.path(*id).mounted();
            let real = oracle::trace(Command::new("env"), &path, false, &real_environment, false);
            if real.answers.is_empty() {
                println!("{path}: ld.so says: {}", real.errors.trim());
                continue;
            }
            let ours = oracle::answers(&Process::new(&view, environment.clone()).start(*id));
            files += 1;
            edges += real.answers.len();
            for difference in oracle::differences(&real.answers, &ours) {
                differences += 1;
                println!("{path} ({name}): {difference}");
            }
        }
    }
    println!("{files} traces, {edges} edges, {differences} differences");
    if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
