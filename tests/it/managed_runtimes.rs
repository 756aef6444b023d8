//! Functions in Python and JavaScript run as in Lambda's managed runtimes, without a bootstrap: the modules that they find, what
//! they are told, and their errors. A test says so where this machine does not have the interpreter.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::function::{ready, sandboxes_can_be_made};
use crate::support::{Run, World, findings};

fn code(world: &World, name: &str, text: &str) {
    let path = world.beside("code").join(name);
    fs::create_dir_all(path.parent().expect("inside")).expect("made");
    fs::write(path, text).expect("written");
}

fn invoke(world: &World, runtime: &str, handler: &str, more: &[&str]) -> Run {
    world.run(&[&["invoke", "ROOT", "--code", "code", "--handler", handler, "--runtime", runtime], more].concat())
}

fn value(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    serde_json::from_str(run.stdout.lines().next().expect("a line")).expect("JSON")
}

/// The error that a run returned: its type and message, and the code of the finding.
fn assert_failed(run: &Run, kind: &str, message: &str, finding: &str) {
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let error: Value = serde_json::from_str(run.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(error["errorType"], kind, "{error} {}", run.stderr);
    assert!(error["errorMessage"].as_str().expect("text").contains(message), "{error}");
    assert!(run.stderr.contains(&format!("layerfit: error {finding} ")), "{}", run.stderr);
}

#[test]
fn python_searches_the_code_and_then_the_layers_in_lambdas_order() {
    let Some((runtime, version)) = ready("python3") else { return };
    let world = World::new();
    let site = format!("python/lib/python{version}/site-packages");
    world
        .file(format!("{site}/both.py"), "where = 'site-packages'\n")
        .file("python/both.py", "where = 'python'\n")
        .file("python/only.py", "where = 'python'\n")
        .file("python/more.pth", "/opt/python/beside\n")
        .file("python/beside/added.py", "where = 'by a .pth file'\n")
        .file("python/lib/python3.0/site-packages/other.py", "")
        .file("python/code_wins.py", "where = 'python'\n");
    code(&world, "code_wins.py", "where = 'code'\n");
    code(
        &world,
        "app.py",
        "import os, sys, both, only, added, code_wins\nfrom importlib.util import find_spec\n\
         def handler(event, context):\n    return [event, both.where, only.where, added.where, code_wins.where,\n        \
         find_spec('other'), find_spec('pip'), os.environ['AWS_EXECUTION_ENV'], os.environ['PYTHONPATH'],\n        \
         sys.path[:4], os.getcwd()]\n",
    );
    let run = invoke(&world, &runtime, "app.handler", &[]);
    let path = ["/var/task", &format!("/opt/{site}"), "/opt/python", "/var/runtime"];
    let wanted = json!([
        {},
        "site-packages",
        "python",
        "by a .pth file",
        "code",
        null,
        null,
        format!("AWS_Lambda_{runtime}"),
        "/var/runtime",
        path,
        "/var/task"
    ]);
    assert_eq!(value(&run), wanted);
    // With PYTHONPATH, Lambda leaves the layers out.
    let run = invoke(&world, &runtime, "app.handler", &["--env", "PYTHONPATH=/nowhere"]);
    assert_failed(&run, "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'both'", "X104");
}

#[test]
fn a_function_in_python_is_called_with_its_event_and_answers_with_json() {
    let Some((runtime, _)) = ready("python3") else { return };
    let world = World::new();
    code(
        &world,
        "pkg/main.py",
        "import collections, decimal, logging\nlogging.getLogger().setLevel(logging.INFO)\nPoint = collections.namedtuple('Point', 'x y')\n\
         def handler(event, context):\n    logging.info('seen %s', event)\n    print('printed')\n    \
         return {'n': decimal.Decimal('1.50'), 'whole': decimal.Decimal('12'), 'point': Point(1, [2]), 'id': context.aws_request_id,\n        \
         'memory': context.memory_limit_in_mb, 'arn': context.invoked_function_arn, 'left': 1000 < context.get_remaining_time_in_millis() <= 3000}\n\
         def set_(event, context):\n    return {1, 2}\n\
         def fails(event, context):\n    return deeper(event)\n\
         def deeper(event):\n    raise KeyError('näme')\n\
         def sleeps(event, context):\n    import time; time.sleep(5)\n\
         def leaves(event, context):\n    import sys; sys.exit(4)\n",
    );
    let run = invoke(&world, &runtime, "pkg/main.handler", &[]);
    let wanted = json!({
        "n": 1.5, "whole": 12, "point": {"x": 1, "y": [2]}, "id": "00000000-0000-4000-8000-000000000001", "memory": "128",
        "arn": "arn:aws:lambda:us-east-1:012345678912:function:function", "left": true
    });
    assert_eq!(value(&run), wanted);
    assert!(run.stderr.contains("[INFO]\t00000000-0000-4000-8000-000000000001\tseen {}\nprinted\n"), "{}", run.stderr);
    let run = invoke(&world, &runtime, "pkg.main.set_", &[]);
    assert_failed(&run, "Runtime.MarshalError", "Object of type set is not JSON serializable", "X101");

    let run = invoke(&world, &runtime, "pkg.main.fails", &["--repeat", "2"]);
    assert_failed(&run, "KeyError", "'näme'", "X101");
    let error: Value = serde_json::from_str(run.stdout.lines().next().expect("a line")).expect("JSON");
    let trace = error["stackTrace"].as_array().expect("frames");
    assert!(!error["stackTrace"].to_string().contains("^^"), "without underlines, as AWS's client: {trace:?}");
    assert_eq!(trace.len(), 2, "only the function's own frames: {trace:?}");
    assert!(
        trace[1].as_str().expect("text").contains("File \"/var/task/pkg/main.py\", line 14, in deeper"),
        "{trace:?}"
    );
    assert!(run.stderr.contains("[ERROR] KeyError: 'näme'\nTraceback (most recent call last):\n"), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 2, "the process goes on after an error");

    let run = invoke(&world, &runtime, "pkg.main.sleeps", &["--timeout", "1"]);
    assert_failed(&run, "Sandbox.Timedout", "Task timed out after 1.00 seconds", "X102");
    let run = invoke(&world, &runtime, "pkg.main.leaves", &[]);
    assert_failed(&run, "Runtime.ExitError", "Runtime exited with error: exit status 4", "X101");
}

#[test]
fn a_function_in_python_that_does_not_start_fails_as_in_lambda() {
    let Some((runtime, _)) = ready("python3") else { return };
    let world = World::new();
    code(&world, "app.py", "def handler(event, context): pass\n");
    code(&world, "broken.py", "def handler(:\n");
    code(&world, "needs.py", "import boto3\n");
    code(&world, "raises.py", "raise ValueError('at import')\n");
    for (handler, kind, message) in [
        ("app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
        ("sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys"),
        ("nope.handler", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'"),
        ("broken.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'broken'"),
        ("app.other", "Runtime.HandlerNotFound", "Handler 'other' missing on module 'app'"),
        ("raises.handler", "ValueError", "at import"),
        ("needs.handler", "Runtime.ImportModuleError", "No module named 'boto3'"),
    ] {
        assert_failed(&invoke(&world, &runtime, handler, &[]), kind, message, "X104");
    }
    let run = invoke(&world, &runtime, "needs.handler", &[]);
    assert!(run.stderr.contains(&format!("Lambda's image of {runtime} has boto3")), "{}", run.stderr);
}

#[test]
fn node_searches_the_code_and_then_the_layers_for_both_kinds_of_modules() {
    let Some((runtime, version)) = ready("node") else { return };
    let world = World::new();
    let modules = "nodejs/node_modules";
    world
        .file(format!("{modules}/common/package.json"), r#"{"name": "common", "main": "main.js"}"#)
        .file(format!("{modules}/common/main.js"), "module.exports = 'nodejs';\n")
        .file(format!("nodejs/node{version}/node_modules/common/index.js"), "module.exports = 'of the version';\n")
        .file(format!("{modules}/es/package.json"), r#"{"name": "es", "type": "module", "exports": "./main.js"}"#)
        .file(format!("{modules}/es/main.js"), "export default 'es';\n")
        .file(format!("{modules}/wins/index.js"), "module.exports = 'layer';\n");
    code(&world, "node_modules/wins/index.js", "module.exports = 'code';\n");
    code(
        &world,
        "app.js",
        "const found = [require('common'), require('wins')];\n\
         exports.handler = async (event) => [event, ...found, (await import('es')).default, process.env.AWS_EXECUTION_ENV];\n\
         exports.nested = { handler: async () => 'nested' };\n",
    );
    code(
        &world,
        "module.mjs",
        "import es from 'es';\nimport common from 'common';\nexport const handler = async () => [es, common];\n",
    );
    let wanted = json!([{}, "of the version", "code", "es", format!("AWS_Lambda_{runtime}")]);
    assert_eq!(value(&invoke(&world, &runtime, "app.handler", &[])), wanted);
    assert_eq!(value(&invoke(&world, &runtime, "app.nested.handler", &[])), "nested");
    assert_eq!(value(&invoke(&world, &runtime, "module.handler", &[])), json!(["es", "of the version"]));
    let run = invoke(&world, &runtime, "app.handler", &["--env", "NODE_PATH=/nowhere"]);
    assert_failed(&run, "Runtime.ImportModuleError", "Cannot find module 'common'", "X104");
}

#[test]
fn a_function_in_javascript_is_called_in_each_way_that_lambda_has() {
    let Some((runtime, version)) = ready("node") else { return };
    let world = World::new();
    code(
        &world,
        "app.js",
        "exports.context = async (event, context) => { console.log('seen', event); return [context.awsRequestId, context.memoryLimitInMB,\n\
         context.getRemainingTimeInMillis() > 1000]; };\n\
         exports.callback = (event, context, callback) => { setTimeout(() => callback(null, { late: true }), 20); };\n\
         exports.error = (event, context, callback) => callback(new RangeError('by callback'));\n\
         exports.nothing = () => {};\n\
         exports.never = () => new Promise(() => {});\n\
         exports.stream = awslambda.streamifyResponse(async (event, stream) => { stream.write('[1,'); stream.write('2]'); stream.end(); });\n\
         exports.fails = async () => { deeper(); };\n\
         function deeper() { throw new TypeError('deep'); }\n\
         exports.string = async () => { throw 'words'; };\n\
         exports.later = () => { setTimeout(() => { throw new Error('uncaught'); }, 5); return new Promise(() => {}); };\n\
         exports.rejected = async () => { Promise.reject(new Error('unhandled')); await new Promise(r => setTimeout(r, 50)); };\n",
    );
    let old = version.parse::<u32>().is_ok_and(|version| version < 24);
    let run = invoke(&world, &runtime, "app.context", &[]);
    let id = "00000000-0000-4000-8000-000000000001";
    assert_eq!(value(&run), json!([id, "128", true]));
    assert!(run.stderr.contains(&format!("{id}\tINFO\tseen {{}}\n")), "{}", run.stderr);
    if old {
        assert_eq!(value(&invoke(&world, &runtime, "app.callback", &[])), json!({"late": true}));
        assert_failed(&invoke(&world, &runtime, "app.error", &[]), "RangeError", "by callback", "X101");
    }
    for (handler, answer) in [("nothing", Value::Null), ("never", Value::Null), ("stream", json!([1, 2]))] {
        assert_eq!(value(&invoke(&world, &runtime, &format!("app.{handler}"), &[])), answer, "{handler}");
    }
    for (handler, kind, message) in [
        ("fails", "TypeError", "deep"),
        ("string", "string", "words"),
        ("later", "Error", "uncaught"),
        ("rejected", "Runtime.UnhandledPromiseRejection", "unhandled"),
    ] {
        assert_failed(&invoke(&world, &runtime, &format!("app.{handler}"), &[]), kind, message, "X101");
    }
    let run = invoke(&world, &runtime, "app.fails", &[]);
    let error: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let trace = error["trace"].as_array().expect("lines");
    assert!(trace[1].as_str().expect("text").contains("at deeper (/var/task/app.js:9:"), "{trace:?}");
    assert_eq!(trace.len(), 3, "only the function's own frames: {trace:?}");
    assert!(!run.stderr.contains("/var/runtime/"), "{}", run.stderr);
}

#[test]
fn a_function_in_javascript_that_does_not_start_fails_as_in_lambda() {
    let Some((runtime, _)) = ready("node") else { return };
    let world = World::new();
    code(&world, "app.js", "exports.handler = async () => 1; exports.value = 1;\n");
    code(&world, "broken.js", "exports.handler = (;\n");
    code(&world, "needs.mjs", "import '@aws-sdk/client-s3';\nexport const handler = async () => 1;\n");
    for (handler, kind, message) in [
        ("app", "Runtime.MalformedHandlerName", "Bad handler"),
        ("../app.handler", "Runtime.MalformedHandlerName", "'../app.handler' is not a valid handler name"),
        ("nope.handler", "Runtime.ImportModuleError", "Cannot find module 'nope'"),
        ("broken.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        ("app.other", "Runtime.HandlerNotFound", "app.other is undefined or not exported"),
        ("app.value", "Runtime.HandlerNotFound", "app.value is not a function"),
        ("needs.handler", "Error", "Cannot find package '@aws-sdk/client-s3'"),
    ] {
        assert_failed(&invoke(&world, &runtime, handler, &[]), kind, message, "X104");
    }
    let run = invoke(&world, &runtime, "needs.handler", &[]);
    assert!(run.stderr.contains("has @aws-sdk/client-s3, and this system does not"), "{}", run.stderr);
}

#[test]
fn without_the_interpreter_or_the_runtime_there_is_a_remedy() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    code(&world, "app.py", "");
    let invoke = |runtime: &str, path: &Path| {
        let mut command =
            world.command(&["invoke", "ROOT", "--code", "code", "--handler", "app.handler", "--runtime", runtime]);
        command.env("PATH", path);
        Run::of(command)
    };
    // Interpreters of other versions, or that do not answer.
    let bin = world.beside("bin");
    fs::create_dir(&bin).expect("made");
    let answer =
        r#"{"version": "3.11", "prefix": "/usr", "program": "bin/python3", "parts": {}, "hidden": [], "options": []}"#;
    for (name, text) in
        [("python3", format!("echo '{answer}'")), ("python", "echo nonsense".to_owned()), ("node", "exit 1".to_owned())]
    {
        fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).expect("written");
        Command::new("chmod").arg("755").arg(bin.join(name)).status().expect("chmod");
    }
    let run = invoke("python3.13", &bin);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("--runtime python3.13: this machine has no Python 3.13 in PATH, only 3.11 ("),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("uv python install 3.13") && run.stderr.contains("or try --runtime python3.11"),
        "{}",
        run.stderr
    );
    let run = invoke("nodejs22.x", &bin);
    assert!(
        run.stderr.contains("this machine has no Node.js 22 in PATH\n") && run.stderr.contains("--rootfs"),
        "{}",
        run.stderr
    );
    // A function that has no bootstrap, as its runtime is not named.
    let run = world.run(&["invoke", "ROOT", "--code", "code", "--handler", "app.handler"]);
    assert!(run.stderr.contains("name that with --runtime: python3.9, python3.10"), "{}", run.stderr);
    // The configuration names it.
    fs::write(world.beside("layerfit.toml"), "runtime = \"python3.13\"\n").expect("written");
    let mut command = world.command(&["invoke", "ROOT", "--code", "code", "--handler", "app.handler"]);
    command.env("PATH", &bin);
    assert!(Run::of(command).stderr.contains("--runtime python3.13"), "layerfit.toml names the runtime");
}

#[test]
fn a_wrapper_starts_the_interpreter() {
    let Some((runtime, _)) = ready("python3") else { return };
    let world = World::new();
    world.file("wrap", "#!/bin/sh\nexport WRAPPED=\"$0\"\nexec \"$@\"\n").mode("wrap", 0o755);
    code(&world, "app.py", "import os\ndef handler(event, context): return os.environ['WRAPPED']\n");
    let run = invoke(&world, &runtime, "app.handler", &["--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/wrap"]);
    assert_eq!(value(&run), "/opt/wrap");
}

#[test]
fn an_image_runs_the_function_with_its_own_client_or_interpreter() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    code(&world, "app.py", "");
    let root = world.beside("image");
    for directory in ["bin", "var/runtime", "usr/bin"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    let run = invoke(&world, "python3.12", "app.handler", &["--rootfs", "image"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("--rootfs has no Python in /var/lang/bin, /usr/local/bin, /usr/bin or /bin"),
        "{}",
        run.stderr
    );

    // Statically linked, as the image has no libraries: it prints what it was started as, and with what.
    world.c(
        "../image/usr/bin/python3.12",
        "#include <stdio.h>\n#include <stdlib.h>\nint main(int n, char **a) { for (int i = 0; i < n; i++) fprintf(stderr, \"[%s]\", a[i]);\n\
         FILE *f = n > 1 ? fopen(a[n - 1], \"r\") : 0; fprintf(stderr, \"%s %s\\n\", f ? \"readable\" : \"none\", getenv(\"AWS_EXECUTION_ENV\")); return 3; }\n",
        &[],
        &["-static"],
    );
    let run = invoke(&world, "python3.12", "app.handler", &["--rootfs", "image"]);
    let started = "[/usr/bin/python3.12][/var/runtime/bootstrap.py]readable AWS_Lambda_python3.12\n";
    assert!(run.stderr.contains(started), "{}", run.stderr);
    // Lambda's own images have a client.
    fs::copy(root.join("usr/bin/python3.12"), root.join("var/runtime/bootstrap")).expect("copied");
    let run = invoke(&world, "python3.12", "app.handler", &["--rootfs", "image"]);
    assert!(run.stderr.contains("[/var/runtime/bootstrap]none AWS_Lambda_python3.12\n"), "{}", run.stderr);
    assert!(run.stderr.contains("exit status 3"), "{}", run.stderr);
}

#[test]
fn check_runs_a_function_of_a_managed_runtime() {
    let Some((runtime, _)) = ready("python3") else { return };
    let world = World::new();
    world.file("python/dep.py", "");
    code(&world, "app.py", "import dep\ndef handler(event, context): return event['x']\n");
    let (_, report) = world.json(&["check", "ROOT", "--run", "app.handler", "--code", "code", "--runtime", &runtime]);
    assert_eq!(findings(&report, "X101")[0].1, "KeyError: 'x'");
}
