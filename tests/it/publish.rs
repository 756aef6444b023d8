//! What the AWS CLI cannot do is told with a remedy, and without credentials. The `aws` here is a script that says what the
//! real one says; `scripts/publish_works.py` has the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Run, World};

/// A world with one packed layer, and an `aws` that is this script. The script has its operation in `$2`.
fn world(script: &str) -> World {
    let world = World::new();
    world.file("a", "one");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let aws = program(&world);
    fs::create_dir(aws.parent().expect("a directory")).expect("made");
    let log = world.beside("log");
    fs::write(&aws, format!("#!/bin/sh\necho \"$@\" >>{}\n{script}\n", log.display())).expect("written");
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("executable");
    world
}

fn program(world: &World) -> PathBuf {
    world.beside("bin").join("aws")
}

fn publish(world: &World, arguments: &[&str]) -> Run {
    let mut command = world.command(&[&["publish", "OUT"], arguments].concat());
    let path = std::env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{}:{path}", world.beside("bin").display()));
    command.env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    Run::of(command)
}

/// What was run, one command a line.
fn log(world: &World) -> String {
    fs::read_to_string(world.beside("log")).unwrap_or_default()
}

const LISTS: &str = r#"[ "$2" != list-layer-versions ] || { echo '{"LayerVersions": []}'; exit 0; }"#;

/// An `aws` that publishes: its answer has the zip's sha256, with this change of its first byte.
fn publisher(check: &str, change: impl Fn(u8) -> u8) -> World {
    let world = world("");
    let aws = program(&world);
    let answer = world.beside("answer");
    fs::write(&answer, answers(&world, change)).expect("written");
    let begin = fs::read_to_string(&aws).expect("read");
    fs::write(&aws, format!("{begin}{check}\n{LISTS}\ncat {}\n", answer.display())).expect("written");
    world
}

/// An answer of `publish-layer-version`.
fn answers(world: &World, change: impl Fn(u8) -> u8) -> String {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(world.beside("out/manifest.json")).expect("read")).expect("JSON");
    let sha256 = manifest["layers"][0]["sha256"].as_str().expect("a sha256");
    let mut bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&sha256[2 * at..2 * at + 2], 16).expect("hex")).collect();
    bytes[0] = change(bytes[0]);
    let code = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
    format!(
        r#"{{"LayerVersionArn": "arn:aws:lambda:eu-west-1:123456789012:layer:layer-1:1", "Version": 1, "Content": {{"CodeSha256": "{code}"}}}}"#
    )
}

#[test]
fn each_refusal_has_its_remedy() {
    for (said, remedy) in [
        (
            "An error occurred (AccessDeniedException) when calling the PublishLayerVersion operation: User: \
             arn:aws:iam::123456789012:user/x is not authorized to perform: lambda:PublishLayerVersion on resource: y",
            "allow lambda:PublishLayerVersion for the identity that `aws sts get-caller-identity --profile dev` prints",
        ),
        (
            "Error loading SSO Token: Token for https://example.awsapps.com/start does not exist",
            "aws sso login --profile dev",
        ),
        (
            "The SSO session associated with this profile has expired or is otherwise invalid.",
            "aws sso login --profile dev",
        ),
        (
            "An error occurred (ExpiredTokenException) when calling the PublishLayerVersion operation: The security token \
             included in the request is expired",
            "these credentials have expired",
        ),
        (
            "An error occurred (TooManyRequestsException) when calling the PublishLayerVersion operation (reached max \
             retries: 4): Rate exceeded",
            "run this again in a minute; what is published is not published again",
        ),
        (
            "An error occurred (RequestEntityTooLargeException) when calling the PublishLayerVersion operation: Request \
             must be smaller than 70167211 bytes for the PublishLayerVersion operation",
            "--s3-bucket",
        ),
        ("Unable to locate credentials. You can configure credentials by running \"aws configure\".", "aws configure"),
        ("You must specify a region. You can also configure your region by running \"aws configure\".", "--region"),
        ("An error occurred (CodeStorageExceededException) when calling …", "delete-layer-version"),
        ("Something that nobody has heard of", "see the message of the AWS CLI"),
    ] {
        let world = world(&format!("{LISTS}\ncat >&2 <<'END'\n\n{said}\nEND\nexit 254"));
        let run = publish(&world, &["--profile", "dev"]);
        assert_eq!(run.code, 2, "{said}");
        assert!(run.stdout.is_empty(), "{}", run.stdout);
        let first = said.split_whitespace().next().expect("a word");
        let start = format!("layerfit: aws lambda publish-layer-version: {first}");
        assert!(run.stderr.starts_with(&start), "{}", run.stderr);
        let help = run.stderr.rsplit("help: ").next().expect("a help");
        assert!(help.contains(remedy), "{said}: {help}");
        assert!(!world.beside("out/layers.json").exists(), "nothing was published, and nothing is recorded");
    }
}

#[test]
fn a_record_that_cannot_be_written_and_a_directory_without_manifest_are_told_before_anything_is_asked() {
    let world = world("exit 1");
    let record = world.beside("nowhere/layers.json");
    let run = publish(&world, &["-o", &record.to_string_lossy()]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("the record cannot be written there"), "{}", run.stderr);
    // Neither is written through a link, which would only be found out afterwards.
    std::os::unix::fs::symlink("precious", world.beside("link")).expect("linked");
    let run = publish(&world, &["-o", &world.beside("link").to_string_lossy()]);
    assert!(run.code == 2 && run.stderr.contains("link: is a symbolic link"), "{}", run.stderr);
    let run = publish(&world, &["--dry-run", "--format", "json"]);
    assert!(run.code == 2 && run.stderr.contains("--format has no effect with --dry-run"), "{}", run.stderr);
    let run = world.run(&["publish", "ROOT"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("has no manifest.json") && run.stderr.contains("layerfit pack"), "{}", run.stderr);
    for (name, says) in [
        ("nowhere", "`layerfit pack -o layers` writes it"),
        ("out/layer-1.zip", "name the directory that `layerfit pack` wrote"),
    ] {
        let run = world.run(&["publish", name]);
        assert!(run.code == 2 && run.stderr.contains(says), "{}", run.stderr);
    }
    assert_eq!(log(&world), "");
}

#[test]
fn layers_that_were_packed_with_errors_are_published_with_a_warning() {
    let world = world(&format!("{LISTS}\nexit 1"));
    assert!(!publish(&world, &["--dry-run"]).stderr.contains("warning"));
    world.library("lib/libgone.so.1", &[], &[]).program("bin/run", &["lib/libgone.so.1"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so.1")).expect("removed");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 1);
    let run = publish(&world, &["--dry-run"]);
    assert!(
        run.stderr.contains("warning: these layers were packed although there are errors (L201)"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("report.md has them"), "{}", run.stderr);
    assert!(!publish(&world, &["--dry-run", "-q"]).stderr.contains("warning"));
}

#[test]
fn layers_that_were_packed_for_this_machine_are_published_with_a_warning() {
    let world = world(&format!("{LISTS}\nexit 1"));
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", "host"]).code, 0);
    let run = publish(&world, &["--dry-run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for words in [
        "warning: these layers were packed and checked for host",
        "`layerfit check --runtime provided.al2023 ",
        "`layerfit pack --runtime provided.al2023`",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert!(!publish(&world, &["--dry-run", "-q"]).stderr.contains("warning"));
}

#[test]
fn the_region_of_the_environment_is_also_that_of_version_1_of_the_cli() {
    let world = world(&format!("{LISTS}\nexit 1"));
    let region = |variables: &[(&str, &str)], options: &[&str]| {
        let mut command = world.command(&[&["publish", "OUT", "--dry-run"], options].concat());
        command.args(["--aws".as_ref(), program(&world).as_os_str()]);
        command.env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION").envs(variables.iter().copied());
        let run = Run::of(command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let words: Vec<&str> = run.stdout.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "--region");
        at.map(|at| words[at + 1].to_owned())
    };
    assert_eq!(region(&[("AWS_REGION", "eu-central-1")], &[]).as_deref(), Some("eu-central-1"));
    assert_eq!(region(&[("AWS_REGION", "eu-central-1")], &["--region", "eu-west-1"]).as_deref(), Some("eu-west-1"));
    // Where both are set, the CLI has its own order; an empty one is none.
    assert_eq!(region(&[("AWS_REGION", "eu-central-1"), ("AWS_DEFAULT_REGION", "eu-west-1")], &[]), None);
    assert_eq!(region(&[("AWS_REGION", "")], &[]), None);
}

#[test]
fn of_two_runs_at_once_one_is_refused() {
    let world = publisher("", |byte| byte);
    let other = fs::File::open(world.beside("out")).expect("opened");
    other.lock().expect("locked");
    let run = publish(&world, &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("another run of layerfit is publishing it"), "{}", run.stderr);
    assert_eq!(log(&world), "");
    drop(other);
    let run = publish(&world, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn an_accounts_number_is_no_sign_of_another_problem() {
    let said = "An error occurred (ResourceNotFoundException) when calling the GetFunctionConfiguration operation: Function \
                not found: arn:aws:lambda:eu-west-1:123430156413:function:f";
    let world = world(&format!("{LISTS}\necho '{said}' >&2; exit 254"));
    let run = publish(&world, &["--function", "f"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("layerfit publishes layers, but does not create functions"), "{}", run.stderr);
}

#[test]
fn credentials_that_the_cli_writes_are_not_shown() {
    let world = world("echo \"tried AKIAIOSFODNN7EXAMPLE with $AWS_SECRET_ACCESS_KEY\" >&2; exit 255");
    let run = publish(&world, &[]);
    assert!(run.stderr.contains("tried [redacted] with [redacted]"), "{}", run.stderr);
}

#[test]
fn version_2_neither_pages_nor_asks() {
    // Version 2 waits for keys when it has a pager, a prompt or an open stdin.
    let check = "[ -z \"$AWS_PAGER\" ] && [ \"$AWS_CLI_AUTO_PROMPT\" = off ] && ! read -r line || { echo interactive >&2; exit 1; }";
    let world = publisher(check, |byte| byte);
    let run = publish(&world, &["--format", "json", "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:1"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let published: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(published["layers"][0]["version"], 1);
    for line in log(&world).lines() {
        assert!(line.contains("--region eu-west-1 --endpoint-url http://127.0.0.1:1 --output json"), "{line}");
    }
}

#[test]
fn a_version_with_other_content_than_the_zip_is_an_error() {
    let world = publisher("", |byte| byte ^ 1);
    let run = publish(&world, &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("the zip changed while it was being uploaded"), "{}", run.stderr);
}

#[test]
fn a_cli_that_answers_something_else_is_told_of() {
    let run = publish(&world("echo not JSON"), &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("its output is not JSON") && run.stderr.contains("aws --version"), "{}", run.stderr);
}

#[test]
fn a_record_that_is_the_users_is_not_overwritten_and_nothing_is_asked_then() {
    let world = world("exit 1");
    fs::write(world.beside("out/layers.json"), "[1, 2]").expect("written");
    let run = publish(&world, &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("layers.json: is not a record of published layers"), "{}", run.stderr);
    assert_eq!(log(&world), "");
    assert_eq!(fs::read_to_string(world.beside("out/layers.json")).expect("read"), "[1, 2]");
}

#[test]
fn names_that_aws_does_not_take_and_paths_that_the_cli_changes_are_refused() {
    let world = world("exit 1");
    for (arguments, words) in [
        (&["--prefix", "my.team/"][..], "AWS allows letters, digits"),
        (&["--description", &"x".repeat(300)], "has 300 characters, and AWS allows 256"),
        (&["--s3-prefix", "layers/"], "has no effect without a bucket"),
        (&["--s3-bucket", "s3://bucket/x"], "not the name of a bucket"),
    ] {
        let run = publish(&world, arguments);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    fs::rename(world.beside("out"), world.beside("$HOME")).expect("renamed");
    let run = world.run(&["publish", "$HOME"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("would replace a part of this path"), "{}", run.stderr);
    assert_eq!(log(&world), "");
}

#[test]
fn what_the_cli_would_read_as_an_option_or_a_file_is_refused() {
    let world = publisher("", |byte| byte);
    let manifest = world.beside("out/manifest.json");
    let text = fs::read_to_string(&manifest).expect("read");
    let refused = |arguments: &[&str], words: &str| {
        let run = publish(&world, arguments);
        assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains("help:"), "{}", run.stderr);
        assert_eq!(log(&world), "");
    };
    for name in ["--region", "-x"] {
        let other = text.replace("\"name\": \"layer-1\"", &format!("\"name\": {name:?}"));
        assert_ne!(other, text);
        fs::write(&manifest, other).expect("written");
        refused(&[], "would read that as an option");
        refused(&["--dry-run"], "would read that as an option");
    }
    fs::write(&manifest, &text).expect("written");
    for name in ["file:///etc/passwd", "fileb://x", "-x", "--region", "a b"] {
        refused(&[&format!("--compatible-runtimes={name}")], "not the name of a runtime");
    }
    for name in ["file:///etc/passwd", "-x"] {
        refused(&[&format!("--function={name}")], "would read that as an option or a file");
    }
    assert_eq!(publish(&world, &["--compatible-runtimes", "provided.al2023,python3.13"]).code, 0);
}

/// An `aws` with a function that has this `Environment`; it keeps what it gets as standard input.
fn with_function(environment: &str, refusal: &str) -> World {
    let world = publisher("", |byte| byte);
    let (aws, input) = (program(&world), world.beside("input"));
    let begin = fs::read_to_string(&aws).expect("read");
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
    let configuration = format!(r#"{{"FunctionArn": "{arn}", "RevisionId": "r1", "Environment": {environment}}}"#);
    let answers = format!(
        "if [ \"$2\" = get-function-configuration ]; then cat <<'END'\n{configuration}\nEND\nexit 0; fi\n\
         if [ \"$2\" = wait ]; then exit 0; fi\n\
         if [ \"$2\" = update-function-configuration ]; then\ncat /dev/stdin >{}\n{refusal}\necho '{{}}'; exit 0; fi\n",
        input.display()
    );
    let (start, end) = begin.split_once(LISTS).expect("the lists");
    fs::write(&aws, format!("{start}{answers}{LISTS}{end}")).expect("written");
    world
}

fn configure(world: &World, text: &str) {
    fs::write(world.beside("layerfit.toml"), text).expect("written");
}

const SECRETS: &str = r#"{"Variables": {"TOKEN": "secret-of-f", "TZ": ":UTC"}}"#;

#[test]
fn variables_of_env_are_merged_over_those_of_the_function_and_no_value_is_shown() {
    let world = with_function(SECRETS, "");
    configure(&world, "env = { PROJ_DATA = \"/opt/share/proj\" }\n");
    let run = publish(&world, &["--function", "f", "--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let published: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(published["function"]["variables_added"], serde_json::json!(["PROJ_DATA"]));
    assert!(published["function"]["variables_replaced"].is_null());
    assert!(run.stderr.contains("updated f: set PROJ_DATA"), "{}", run.stderr);
    let input: serde_json::Value =
        serde_json::from_slice(&fs::read(world.beside("input")).expect("standard input")).expect("JSON");
    let whole = serde_json::json!({"PROJ_DATA": "/opt/share/proj", "TOKEN": "secret-of-f", "TZ": ":UTC"});
    assert_eq!(input, serde_json::json!({ "Variables": whole }));
    let log = log(&world);
    let update = log.lines().find(|line| line.contains("update-function-configuration")).expect("an update");
    for words in ["--revision-id r1", "--environment file:///dev/stdin", "--layers arn:"] {
        assert!(update.contains(words), "{update}");
    }
    for shown in [&log, &run.stdout, &run.stderr] {
        assert!(!shown.contains("secret-of-f") && !shown.contains("/opt/share/proj"), "{shown}");
    }
}

#[test]
fn a_variable_with_another_value_is_only_replaced_when_asked_for() {
    let world = with_function(SECRETS, "");
    configure(&world, "env = { TZ = \"UTC\" }\n");
    let run = publish(&world, &["--function", "f"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(
        run.stderr.contains("f has TZ in its environment") && run.stderr.contains("--replace-env"),
        "{}",
        run.stderr
    );
    assert!(!log(&world).contains("publish-layer-version"), "nothing is published");
    let run = publish(&world, &["--function", "f", "--replace-env"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("In its environment, this replaced TZ."), "{}", run.stdout);
    let input = fs::read_to_string(world.beside("input")).expect("standard input");
    assert_eq!(input, r#"{"Variables":{"TOKEN":"secret-of-f","TZ":"UTC"}}"#);
}

#[test]
fn without_env_the_environment_is_not_touched() {
    let world = with_function(SECRETS, "");
    assert_eq!(publish(&world, &["--function", "f"]).code, 0);
    assert!(log(&world).contains("update-function-configuration"), "the layers are attached");
    assert!(!log(&world).contains("--environment"), "{}", log(&world));
}

#[test]
fn an_environment_that_aws_cannot_decrypt_is_not_replaced() {
    let world = with_function(r#"{"Error": {"ErrorCode": "AccessDenied", "Message": "KMS access was denied"}}"#, "");
    configure(&world, "env = { TZ = \"UTC\" }\n");
    let run = publish(&world, &["--function", "f", "--replace-env"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("KMS access was denied") && run.stderr.contains("kms:Decrypt"), "{}", run.stderr);
    assert!(!log(&world).contains("publish-layer-version"), "nothing is published");
}

#[test]
fn names_that_only_lambda_sets_are_refused_where_a_function_gets_them() {
    let world = with_function(SECRETS, "");
    configure(&world, "env = { AWS_REGION = \"eu-west-1\" }\n");
    let run = publish(&world, &["--function", "f"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("[env] AWS_REGION: Lambda sets this variable itself"), "{}", run.stderr);
    assert_eq!(log(&world), "");
    assert_eq!(publish(&world, &[]).code, 0, "without a function, it is for invoke");
}

#[test]
fn messages_of_lambda_do_not_show_the_environment() {
    let refusal = "echo 'An error occurred (InvalidParameterValueException): cannot use secret-of-f; String measured: \
                   {\"TOKEN\":\"secret-of-f\"}' >&2; exit 254";
    let world = with_function(SECRETS, refusal);
    configure(&world, "env = { PROJ_DATA = \"/opt/share/proj\" }\n");
    let run = publish(&world, &["--function", "f"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("cannot use [redacted]; String measured: [redacted]"), "{}", run.stderr);
    assert!(!run.stderr.contains("secret-of-f"), "{}", run.stderr);
}

#[test]
fn a_dry_run_prints_a_merge_that_happens_when_its_script_runs() {
    let world = with_function(SECRETS, "");
    configure(&world, "env = { PROJ_DATA = \"/opt/share/proj\" }\n");
    let run = publish(&world, &["--function", "f", "--dry-run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("# in the environment of f, this sets PROJ_DATA"), "{}", run.stdout);
    let merge = "{Variables: merge(Environment.Variables, `{\"PROJ_DATA\":\"/opt/share/proj\"}`)}";
    assert!(run.stdout.contains(merge) && run.stdout.contains("--revision-id r1"), "{}", run.stdout);
    assert!(!run.stdout.contains("secret-of-f"), "{}", run.stdout);
    assert!(!log(&world).contains("update-function-configuration"), "nothing is changed");
}

/// An `aws` with a function whose configuration has these fields too, for layers of these files that are packed with these
/// options.
fn with_function_that(fields: &str, files: &[&str], options: &[&str]) -> World {
    let world = with_function(&format!(r#"{{"Variables": {{}}}}, {fields}"#), "");
    for file in files {
        world.file(file, if *file == "bootstrap" { "#!/bin/sh\n" } else { "x = 1\n" }).mode(file, 0o755);
    }
    let arguments = [&["pack", "ROOT", "-o", "OUT"], options].concat();
    assert_eq!(world.run(&arguments).code, 0);
    fs::write(world.beside("answer"), answers(&world, |byte| byte)).expect("written");
    world
}

#[test]
fn a_function_in_a_runtime_that_cannot_use_the_layers_is_refused_before_anything_is_published() {
    for (fields, files, runtime, says) in [
        (r#""Runtime": "python3.11""#, "python/a.py", "python3.12", "python3.11 is older"),
        (r#""Runtime": "nodejs22.x""#, "python/a.py", "python3.12", "nodejs22.x does not look in python/"),
        (r#""Runtime": "provided.al2023""#, "python/a.py", "python3.12", "provided.al2023 does not look in python/"),
        (r#""Runtime": "java21""#, "python/a.py", "python3.12", "java21 does not look in python/"),
        (r#""Runtime": "python3.12""#, "bootstrap", "provided.al2023", "does not start the bootstrap"),
        (
            r#""Runtime": "python3.13""#,
            "python/lib/python3.12/site-packages/a.py",
            "python3.12",
            "python3.13 does not look in python/lib/python3.12/",
        ),
    ] {
        let world = with_function_that(fields, &[files], &["--runtime", runtime]);
        for more in [&[][..], &["--dry-run"]] {
            let run = publish(&world, &[&["--function", "f"], more].concat());
            assert_eq!(run.code, 1, "{fields}: {}{}", run.stdout, run.stderr);
            let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("R105") && said.contains(says) && said.contains("nothing was published"), "{said}");
            assert!(said.contains(&format!("the layers were packed for {runtime}")), "{said}");
        }
        assert!(!log(&world).contains("publish-layer-version"), "{fields}");
        // Who names both knows better.
        let function = fields.rsplit('"').nth(1).expect("a name");
        let both = format!("{runtime},{function}");
        let run = publish(&world, &["--function", "f", "--compatible-runtimes", &both]);
        assert_eq!(run.code, 0, "{fields}: {}", run.stderr);
    }
}

#[test]
fn compiled_code_is_for_the_runtime_that_it_was_packed_for() {
    let world = with_function_that(r#""Runtime": "provided.al2""#, &[], &[]);
    world.program("bin/run", &[], &[]);
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let run = publish(&world, &["--function", "f"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("provided.al2 has other libraries than provided.al2023"), "{}", run.stderr);
}

#[test]
fn a_function_that_may_use_the_layers_is_warned_of_and_one_in_their_runtime_is_not() {
    for (fields, files, runtime, warns) in [
        (r#""Runtime": "python3.13""#, "python/a.py", "python3.12", true),
        (r#""Runtime": "python3.12""#, "fonts/a.ttf", "provided.al2023", true),
        (r#""Runtime": "python3.12""#, "python/a.py", "python3.12", false),
        (r#""Runtime": "provided.al2023""#, "fonts/a.ttf", "provided.al2023", false),
        (r#""Runtime": "python3.13""#, "fonts/a.ttf", "host", false),
        (r#""PackageType": "Zip""#, "python/a.py", "python3.12", false),
    ] {
        let world = with_function_that(fields, &[files], &["--runtime", runtime]);
        let run = publish(&world, &["--function", "f"]);
        assert_eq!(run.code, 0, "{fields}: {}", run.stderr);
        let said = run.stderr.contains("warning: f: the function runs ") && run.stderr.contains("pack the tree with");
        assert_eq!(said, warns, "{fields}: {}", run.stderr);
    }
}

#[test]
fn a_container_image_cannot_have_layers() {
    let world = with_function_that(r#""PackageType": "Image""#, &[], &[]);
    let run = publish(&world, &["--function", "f"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("f: is a container image") && run.stderr.contains("COPY opt /opt"), "{}", run.stderr);
    assert!(!log(&world).contains("publish-layer-version"), "{}", log(&world));
}

#[test]
fn the_code_and_the_layers_that_a_function_keeps_count() {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:layer";
    let of = |code: u64, other: u64, ours: u64| {
        let fields = format!(
            r#""CodeSize": {code}, "Layers": [{{"Arn": "{arn}:other:1", "CodeSize": {other}}}, {{"Arn": "{arn}:layer-1:1", "CodeSize": {ours}}}]"#
        );
        let world = with_function_that(&fields, &[], &[]);
        let run = publish(&world, &["--function", "f"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stderr.contains("Lambda will probably refuse them")
    };
    assert!(of(200 << 20, 50 << 20, 1));
    assert!(!of(200 << 20, 49 << 20, 1));
    // The version of ours that is replaced does not count.
    assert!(!of(100, 100, 250 << 20));
}
