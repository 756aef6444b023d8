//! `pack --template` writes a SAM template of the layers, whole or not at all, and over nothing of the user's.

use std::fs;

use crate::support::{Run, World, noise};

fn template(world: &World, file: &str, more: &[&str]) -> Run {
    let file = world.beside(file);
    world.run(&[&["pack", "ROOT", "-o", "OUT", "--template", &file.to_string_lossy()], more].concat())
}

#[test]
fn each_layer_is_there_in_the_functions_order_with_its_zip_as_seen_from_the_template() {
    let world = World::new();
    world.file("a/x", noise(1, 4000)).file("b/y", noise(2, 4000));
    fs::create_dir(world.beside("sam")).expect("made");
    assert_eq!(template(&world, "sam/template.yaml", &["--max-zipped", "5KB", "--arch", "arm64"]).code, 0);
    let text = fs::read_to_string(world.beside("sam/template.yaml")).expect("read");
    assert!(text.starts_with("# Written by `layerfit pack --template`"), "{text}");
    for line in [
        "      ContentUri: \"../out/layer-1.zip\"",
        "      ContentUri: \"../out/layer-2.zip\"",
        "      CompatibleRuntimes: [\"provided.al2023\"]",
        "      CompatibleArchitectures: [\"arm64\"]",
        "      RetentionPolicy: Retain",
        "      Runtime: \"provided.al2023\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(text.contains("      Layers:\n        - !Ref Layer1\n        - !Ref Layer2\n"), "{text}");
}

/// A function as of examples/hello has no bucket; one that watches a bucket has it when it is asked for.
#[test]
fn the_function_is_the_one_that_is_named_and_nothing_triggers_it_unless_that_is_asked_for() {
    let world = World::new();
    world.file("a", "one");
    for made in ["sam", "code/hello"] {
        fs::create_dir_all(world.beside(made)).expect("made");
    }
    let write = |more: &[&str]| {
        let run = template(&world, "sam/template.yaml", more);
        assert_eq!(run.code, 0, "{}", run.stderr);
        (fs::read_to_string(world.beside("sam/template.yaml")).expect("read"), run.stdout)
    };
    let has = |text: &str, line: &str| text.lines().any(|found| found == line);
    let (text, printed) = write(&[]);
    assert!(!text.contains("Bucket") && !text.contains("Events:") && !text.contains("Parameters:"), "{text}");
    assert!(has(&text, "      CodeUri: \"function\"") && has(&text, "      Handler: \"test.handler\""), "{text}");
    let flat = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("The function's code does not exist yet: ") && flat.contains("sam/function needs"),
        "{printed}"
    );
    assert!(flat.contains("layerfit init --bootstrap ") && flat.contains("--template-code"), "{printed}");
    assert!(flat.contains("sam deploy --guided --capabilities CAPABILITY_IAM --template-file "), "{printed}");

    let code = world.beside("code/hello");
    let code = code.to_string_lossy();
    let named = ["--template-code", &code, "--template-handler", "hello.handler"];
    let (text, printed) = write(&named);
    assert!(has(&text, "      CodeUri: \"../code/hello\"") && has(&text, "      Handler: \"hello.handler\""), "{text}");
    assert!(!text.contains("Bucket"), "{text}");
    assert!(printed.contains(&format!("--code {code} --handler hello.handler")), "{printed}");
    assert!(!printed.contains("does not exist yet"), "{printed}");

    let (all, _) = write(&[&named[..], &["--template-trigger", "s3"]].concat());
    assert!(has(&all, "  BucketName:") && has(&all, "            Events: s3:ObjectCreated:*"), "{all}");
    assert!(!all.contains("Filter:"), "{all}");
    let (some, _) = write(&[&named[..], &["--template-trigger", "s3:.rds"]].concat());
    assert!(some.contains("                  - Name: suffix\n                    Value: \".rds\"\n"), "{some}");

    // The file has the same, from its own directory; an option comes first.
    fs::write(
        world.beside("layerfit.toml"),
        "[template]\ncode = \"code/hello\"\nhandler = \"hello.handler\"\ntrigger = \"s3:.rds\"\n",
    )
    .expect("written");
    assert_eq!(write(&[]).0, some);
    assert!(!write(&["--template-trigger", "none"]).0.contains("Bucket"));
}

/// A managed runtime has no bootstrap to write.
#[test]
fn the_function_of_a_managed_runtime_needs_no_bootstrap() {
    let world = World::new();
    world.file("python/a.py", "");
    let run = template(&world, "template.yaml", &["--runtime", "python3.13"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("does not exist yet") && !run.stdout.contains("bootstrap"), "{}", run.stdout);
    let text = fs::read_to_string(world.beside("template.yaml")).expect("read");
    assert!(text.contains("      Runtime: \"python3.13\"\n") && !text.contains("bootstrap"), "{text}");
}

#[test]
fn a_function_that_cannot_be_deployed_is_refused_before_the_work() {
    let world = World::new();
    world.file("a", "one");
    let root = world.root();
    let root = root.to_string_lossy();
    for (options, words) in [
        (&["--template-code", "nowhere", "--template-handler", "a.b"][..], "nowhere: no such directory or zip"),
        (&["--template-code", &root], "has no handler\n  help: name it, such as --template-handler hello.handler"),
        (&["--template-handler", "a b"], "not a handler such as hello.handler"),
        (&["--template-trigger", "sqs"], "not a trigger: use none, s3, or s3:SUFFIX"),
        (&["--template-trigger", "s3:"], "the suffix is empty; s3 alone is for all objects"),
    ] {
        let run = template(&world, "template.yaml", options);
        assert!(run.code == 2 && run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--template-trigger", "s3"]);
    assert!(run.code == 2 && run.stderr.contains("--template <FILE>"), "{}", run.stderr);
    fs::write(world.beside("layerfit.toml"), "[template]\ntrigger = \"sqs\"\n").expect("written");
    let run = template(&world, "template.yaml", &[]);
    assert!(run.code == 2 && run.stderr.contains("layerfit.toml:2:11: not a trigger"), "{}", run.stderr);
    assert_eq!(world.names_beside(), ["layerfit.toml", "opt"]);
}

#[test]
fn the_function_gets_the_environment_of_the_file_and_no_value_of_the_command_line() {
    let world = World::new();
    world.file("a", "one");
    fs::write(world.beside("layerfit.toml"), "[env]\nTZ = \"UTC\"\nPROJ_DATA = \"/opt/share/proj\"\n")
        .expect("written");
    assert_eq!(template(&world, "template.yaml", &["--env", "TOKEN=secret"]).code, 0);
    let text = fs::read_to_string(world.beside("template.yaml")).expect("read");
    let lines = "      Environment:\n        Variables: {\"PROJ_DATA\":\"/opt/share/proj\",\"TZ\":\"UTC\"}\n";
    assert!(text.replace("\": \"", "\":\"").replace(", \"", ",\"").contains(lines), "{text}");
    assert!(!text.contains("secret"), "{text}");
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    assert_eq!(template(&world, "template.yaml", &[]).code, 0);
    assert!(!fs::read_to_string(world.beside("template.yaml")).expect("read").contains("Environment"));
}

#[test]
fn the_way_to_the_zips_is_told_from_any_directory_and_by_any_name() {
    let world = World::new();
    world.file("a", "one");
    fs::create_dir(world.beside("sub")).expect("made");
    std::os::unix::fs::symlink("sub", world.beside("link")).expect("linked");
    for (template, zip) in [("../template.yaml", "sub/out/layer-1.zip"), ("../link/template.yaml", "out/layer-1.zip")] {
        let mut command = world.command(&["pack", "ROOT", "-o", "out", "--template", template]);
        command.current_dir(world.beside("sub"));
        assert_eq!(Run::of(command).code, 0);
        let text = fs::read_to_string(world.beside("sub").join(template)).expect("read");
        assert!(text.contains(&format!("ContentUri: \"{zip}\"")), "{template}: {text}");
    }
}

#[test]
fn a_template_in_the_tree_is_refused() {
    let world = World::new();
    world.file("lib/a", "one");
    for file in ["opt/template.yaml", "opt/lib/template.yaml"] {
        let run = template(&world, file, &[]);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains("is in the tree to be packed"), "{}", run.stderr);
    }
    assert_eq!(world.names_beside(), ["opt"]);
}

#[test]
fn the_architecture_is_that_of_the_files() {
    let world = World::new();
    world.program("bin/tool", &[], &[]);
    let run = template(&world, "template.yaml", &["--runtime", "host"]);
    let text = fs::read_to_string(world.beside("template.yaml")).expect("read");
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    assert!(text.contains(&format!("CompatibleArchitectures: [\"{machine}\"]")), "{}{text}", run.stderr);
    // What this machine has is no runtime of Lambda's.
    assert!(!text.contains("CompatibleRuntimes"), "{text}");
}

#[test]
fn a_template_is_written_anew_and_a_file_of_the_users_is_not() {
    let world = World::new();
    world.file("a", "one");
    assert_eq!(template(&world, "template.yaml", &[]).code, 0);
    let before = fs::read(world.beside("template.yaml")).expect("read");
    assert_eq!(template(&world, "template.yaml", &[]).code, 0);
    assert_eq!(fs::read(world.beside("template.yaml")).expect("read"), before);
    assert_eq!(world.names_beside(), ["opt", "out", "template.yaml"]);

    fs::remove_dir_all(world.beside("out")).expect("removed");
    fs::write(world.beside("template.yaml"), "AWSTemplateFormatVersion: mine\n").expect("written");
    let run = template(&world, "template.yaml", &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("template.yaml: layerfit did not write this file"), "{}", run.stderr);
    assert!(!world.beside("out").exists(), "it is known before anything is written");
    let run = template(&world, "nowhere/template.yaml", &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("create the directory"), "{}", run.stderr);
}

#[test]
fn what_does_not_fit_has_no_template() {
    let world = World::new();
    world.file("a", noise(3, 9000));
    assert_eq!(template(&world, "template.yaml", &["--max-zipped", "1KB"]).code, 1);
    assert!(!world.beside("template.yaml").exists());
}
