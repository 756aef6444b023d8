//! `layerfit invoke`: where a function runs, what it is told, and what becomes of it. The functions are Python's; R's are
//! run by scripts/invoke_works.py.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::function::sandboxes_can_be_made;
use crate::support::raw_zip::{Part, zip};
use crate::support::{Run, World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, names};
use layerfit::base::finding::Code;
use serde_json::{Value, json};

/// Values in the lines of stdout.
fn values(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn value(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    values(run).remove(0)
}

fn assert_failed(run: &Run, kind: &str, message: &str, code: &str) {
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let id = "00000000-0000-4000-8000-000000000001";
    let wanted = json!({ "errorType": kind, "errorMessage": format!("RequestId: {id} Error: {message}") });
    assert_eq!(values(run), [wanted], "{}", run.stderr);
    assert!(
        run.stderr.contains(&format!("layerfit: error {code} main.handler: {kind}: {message}\n")),
        "{}",
        run.stderr
    );
}

#[test]
fn the_response_is_on_stdout_and_lambdas_log_on_stderr() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("def handler(event):\n    print('seen', event, flush=True)\n    return event\nserve(handler)\n");
    fs::write(world.beside("events"), "{\"n\": 1}\n\n[2, \"ü\"]\n").expect("written");
    let run = world.invoke(&["--event", "events", "--repeat", "2", "--memory", "256"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(values(&run), [json!({"n": 1}), json!([2, "ü"]), json!({"n": 1}), json!([2, "ü"])]);
    let id = |n: u32| format!("00000000-0000-4000-8000-{n:012x}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 16, "{}", run.stderr);
    for (at, n) in (1..=4).enumerate() {
        let [start, seen, end, report] = &lines[at * 4..at * 4 + 4] else { unreachable!() };
        assert_eq!(*start, format!("START RequestId: {} Version: $LATEST", id(n)));
        assert!(seen.starts_with("seen "));
        assert_eq!(*end, format!("END RequestId: {}", id(n)));
        let fields: Vec<&str> = report.split('\t').map(|field| field.split(": ").next().expect("a name")).collect();
        let mut wanted =
            vec!["REPORT RequestId", "Duration", "Billed Duration", "Memory Size", "Max Memory Used", "Init Duration"];
        wanted.truncate(if n == 1 { 6 } else { 5 });
        assert_eq!(fields, wanted, "{report}");
        assert!(report.contains("Memory Size: 256 MB"), "{report}");
    }
}

#[test]
fn a_function_is_told_and_may_do_what_it_is_in_lambda() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.file("data", "layer").bootstrap(
        r#"
import resource
def fails(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return error.strerror
status = open("/proc/self/status").read()
serve(lambda event: {
    "environment": {k: v for k, v in os.environ.items() if k != "AWS_LAMBDA_RUNTIME_API"},
    "directory": os.getcwd(), "ids": [os.getuid(), os.getgid()], "pid": os.getpid() < 10,
    "capabilities": [line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapAmb"))],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "written": [fails(path) for path in ("/opt/x", "/var/task/x", "/usr/x", "/etc/x", "/x", "/var/x", "/dev/x", "/tmp/x")],
    "top": sorted(set(os.listdir("/")) - {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix", "gnu", "run", "mnt"}),
    "opt": sorted(os.listdir("/opt")), "task": os.listdir("/var/task"), "dev": sorted(os.listdir("/dev")),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]) < 5,
    "room": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize,
})
"#,
    );
    fs::create_dir(world.beside("code")).expect("made");
    fs::write(world.beside("code/main.txt"), "").expect("written");
    let run = world.invoke(&["--code", "code", "--env", "MINE=a=b", "--env", "LANG=C.UTF-8", "--memory", "200"]);
    let value = value(&run);
    assert_eq!(
        value["environment"],
        json!({
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
            "LANG": "C.UTF-8", "TZ": ":UTC", "MINE": "a=b", "_HANDLER": "main.handler",
            "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": "function", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "200", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function", "AWS_LAMBDA_LOG_STREAM_NAME": "layerfit/[$LATEST]",
        })
    );
    assert_eq!(value["directory"], "/var/task");
    assert_eq!(value["ids"], json!([993, 990]));
    assert_eq!(value["pid"], true);
    assert_eq!(value["capabilities"], json!(vec!["0000000000000000"; 3]));
    assert_eq!(value["files"], json!([1024, 1024]));
    let refused = "Read-only file system";
    assert_eq!(value["written"], json!([refused, refused, refused, refused, refused, refused, refused, null]));
    assert_eq!(value["top"], json!(["dev", "opt", "proc", "tmp", "var"]));
    assert_eq!(value["opt"], json!(["bootstrap", "data"]));
    assert_eq!(value["task"], json!(["main.txt"]));
    let devices = ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"];
    assert_eq!(value["dev"], json!(devices));
    assert_eq!(value["processes"], true);
    assert_eq!(value["room"], 512 << 20);
    assert!(!world.root().join("x").exists());
}

#[test]
fn layers_are_merged_with_links_and_modes_and_nothing_lands_outside() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap(
        r#"
def state(path):
    try:
        return open(path).read()
    except OSError as error:
        return error.strerror
serve(lambda event: [state("/opt/both"), os.readlink("/opt/link"), state("/opt/link"), oct(os.stat("/opt/run").st_mode),
    state("/opt/mine"), state("/opt/closed/x"), sorted(os.listdir("/opt")), os.path.exists("/escaped")])
"#,
    );
    let bootstrap = fs::read(world.root().join("bootstrap")).expect("read");
    let low = zip(&[
        Part::deflated("both", "low"),
        Part::stored("low", "low"),
        Part::deflated("bootstrap", &bootstrap).mode(0o100_755),
    ]);
    let high = zip(&[
        Part::deflated("both", "high"),
        Part::link("link", "both"),
        Part::stored("run", "").mode(0o100_751),
        Part::stored("mine", "secret").mode(0o100_600),
        Part::stored("closed/", "").mode(0o040_700),
        Part::stored("closed/x", ""),
        Part::stored("../escaped", "x"),
        Part::link("out", "/tmp"),
        Part::stored("out/through", "x"),
    ]);
    fs::write(world.beside("low.zip"), low).expect("written");
    fs::write(world.beside("high.zip"), high).expect("written");
    let temporary = world.beside("temporary");
    fs::create_dir(&temporary).expect("made");
    let mut command = world.command(&["invoke", "low.zip", "high.zip", "--handler", "main.handler"]);
    command.env("TMPDIR", &temporary);
    let run = Run::of(command);
    assert_eq!(
        value(&run),
        json!([
            "high",
            "both",
            "high",
            "0o100351",
            "Permission denied",
            "Permission denied",
            ["bootstrap", "both", "closed", "link", "low", "mine", "out", "run"],
            false
        ])
    );
    assert!(run.stderr.contains("error Z102") && run.stderr.contains("error Z117"), "{}", run.stderr);
    assert!(!world.beside("escaped").exists() && !std::path::Path::new("/tmp/through").exists());
    assert_eq!(names(&temporary), [""; 0], "what was unzipped is removed, closed directories too");
}

#[test]
fn what_pack_wrote_answers_and_so_does_code_from_a_zip() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("serve(lambda event: open('/var/task/a').read())\n");
    let pack = world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", "host"]);
    assert_eq!(pack.code, 0, "{}{}", pack.stdout, pack.stderr);
    fs::write(world.beside("code.zip"), zip(&[Part::deflated("a", "from a zip")])).expect("written");
    let run = world.run(&["invoke", "OUT", "--handler", "main.handler", "--code", "code.zip"]);
    assert_eq!(value(&run), "from a zip");
}

#[test]
fn failures_are_in_lambdas_words() {
    if !sandboxes_can_be_made() {
        return;
    }
    let exit = "Runtime.ExitError";
    for (code, message) in [
        ("next(); sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("next(); sys.exit(0)", "Runtime exited without providing a reason"),
        ("next(); os.kill(os.getpid(), signal.SIGSEGV)", "Runtime exited with error: signal: segmentation fault"),
    ] {
        let world = World::new();
        assert_failed(&world.bootstrap(code).invoke(&[]), exit, message, "X101");
    }
    let world = World::new();
    let run = world.bootstrap("sys.exit('no such thing')").invoke(&[]);
    assert_failed(&run, exit, "Runtime exited with error: exit status 1", "X104");
    assert!(
        run.stderr.contains("no such thing\n")
            && run.stderr.contains("\tStatus: error\tError Type: Runtime.ExitError\n")
    );

    // An error that the function reports may be that it has no code.
    let error = "ask('POST', 'init/error', b'{\"errorMessage\": \"no file\"}')\nsys.exit(1)\n";
    let world = World::new();
    std::fs::create_dir(world.beside("code")).expect("made");
    let without = world.bootstrap(error).invoke(&[]).stderr;
    assert!(without.contains("no code was given, so /var/task is empty: --code DIR"), "{without}");
    let with = world.invoke(&["--code", "code"]).stderr;
    assert!(!with.contains("no code") && with.contains("the log above shows where it failed"), "{with}");

    let slow = World::new();
    let run = slow.bootstrap("next(); print('waits', end='', flush=True); time.sleep(60)").invoke(&["--timeout", "1"]);
    assert_failed(&run, "Sandbox.Timedout", "Task timed out after 1.00 seconds", "X102");
    assert!(run.stderr.contains("\nwaits\n") && run.stderr.contains("Duration: 1000.00 ms\t"), "{}", run.stderr);
    assert!(run.stderr.contains("\tStatus: timeout\n"), "{}", run.stderr);

    // In two processes, neither of which has too much by itself.
    for code in ["x = b'x' * 300_000_000", "x = b'x' * 80_000_000\nos.fork()\nx = b'y' * 80_000_000"] {
        let fat = World::new();
        let run = fat.bootstrap(&format!("id, _ = next()\n{code}\ntime.sleep(60)")).invoke(&["--timeout", "20"]);
        assert_failed(&run, exit, "Runtime exited with error: signal: killed", "X103");
    }
    // What processes share counts once.
    let shared = World::new();
    shared
        .bootstrap("x = b'x' * 80_000_000\nif os.fork() == 0: time.sleep(60)\ntime.sleep(0.1)\nserve(lambda event: 1)");
    assert_eq!(value(&shared.invoke(&[])), 1);
}

#[test]
fn a_bootstrap_that_does_not_start_is_told_with_its_reason() {
    if !sandboxes_can_be_made() {
        return;
    }
    let entry = "Runtime.InvalidEntrypoint";
    let world = World::new();
    world.file("x", "").directory("bootstrap");
    let run = world.invoke(&[]);
    let message = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    assert_failed(&run, entry, message, "X104");
    assert!(run.stderr.contains("`layerfit init --bootstrap DIR`"), "{}", run.stderr);

    for (content, mode, why, help) in [
        ("#!/bin/sh\n", 0o644, "permission denied", "chmod 755"),
        ("#!/bin/sh\r\n", 0o755, "no such file or directory", "use LF"),
        ("#!/no/such\n", 0o755, "no such file or directory", "its interpreter /no/such does not exist"),
        ("\0\0\0\0", 0o755, "exec format error", "layerfit check"),
    ] {
        let world = World::new();
        world.file("bootstrap", content).mode("bootstrap", mode);
        let run = world.invoke(&[]);
        assert_failed(&run, entry, &format!("fork/exec /opt/bootstrap: {why}"), "X104");
        assert!(run.stderr.contains(help), "{}", run.stderr);
    }
    // The function's own comes first, and a directory is passed over.
    let world = World::new();
    world.bootstrap("serve(lambda event: __file__)");
    fs::create_dir_all(world.beside("code/bootstrap")).expect("made");
    assert_eq!(value(&world.invoke(&["--code", "code"])), "/opt/bootstrap");
    fs::create_dir(world.beside("own")).expect("made");
    fs::copy(world.root().join("bootstrap"), world.beside("own/bootstrap")).expect("copied");
    assert_eq!(value(&world.invoke(&["--code", "own"])), "/var/task/bootstrap");
}

#[test]
fn a_library_that_cannot_be_loaded_is_named() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.library("lib/libgone.so.1", &[], &[]).program("bootstrap", &["lib/libgone.so.1"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so.1")).expect("removed");
    let run = world.invoke(&[]);
    assert_failed(&run, "Runtime.ExitError", "Runtime exited with error: exit status 127", "X104");
    assert!(run.stderr.contains("libgone.so.1: cannot open shared object file"), "{}", run.stderr);
    assert!(run.stderr.contains("help: libgone.so.1 is in neither the layers nor the system"), "{}", run.stderr);
}

#[test]
fn a_function_that_ended_is_started_anew_for_the_next_event() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap(
        r#"
count = 0
while True:
    id, event = next()
    count += 1
    if event == "exit": sys.exit(1)
    if event == "sleep": time.sleep(60)
    answer(id, [event, count])
    if event == "leave": sys.exit(0)
"#,
    );
    fs::write(world.beside("events"), "1\n2\n\"exit\"\n3\n\"sleep\"\n4\n\"leave\"\n5\n6\n").expect("written");
    let run = world.invoke(&["--event", "events", "--timeout", "1"]);
    assert_eq!(run.code, 1);
    let answers: Vec<Value> = values(&run).into_iter().filter(Value::is_array).collect();
    assert_eq!(
        answers,
        [json!([1, 1]), json!([2, 2]), json!([3, 1]), json!([4, 1]), json!(["leave", 2]), json!([5, 1]), json!([6, 2])]
    );
    assert_eq!(run.stderr.matches("Init Duration").count(), 4, "{}", run.stderr);
}

#[test]
fn no_process_outlives_the_run() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    // A name that no other process has.
    let mark = format!("mark-{}", std::process::id());
    let code =
        format!("subprocess.Popen(['setsid', 'bash', '-c', 'exec -a {mark} sleep 300'])\nserve(lambda event: 1)\n");
    world.bootstrap(&code);
    let alive = || {
        let all = fs::read_dir("/proc").expect("listed").flatten();
        let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.starts_with(mark.as_bytes())).count()
    };
    let until = |count: usize| {
        let began = Instant::now();
        while alive() != count && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(alive(), count);
    };
    assert_eq!(world.invoke(&[]).code, 0);
    until(0);
    // Killed, with no time to clean up.
    world.bootstrap(&code.replace("serve(lambda event: 1)", "time.sleep(300)"));
    let mut command: Command = world.command(&["invoke", "ROOT", "--handler", "x", "--timeout", "100"]);
    // It cannot remove what it made either, which goes with the tree here.
    command.env("TMPDIR", world.beside("."));
    let mut child = command.spawn().expect("started");
    until(1);
    child.kill().expect("killed");
    child.wait().expect("ended");
    until(0);
}

#[test]
fn a_start_of_more_than_ten_seconds_begins_again_at_the_expense_of_the_event() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    // The first start, within ten seconds of this, does not come to an end; the second needs a second.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    world.bootstrap("time.sleep(60 if time.time() < int(os.environ['NOW']) + 10 else 1)\nserve(lambda event: 1)\n");
    let run = world.invoke(&["--timeout", "30", "--env", &format!("NOW={now}")]);
    assert_eq!(value(&run), 1);
    assert!(run.stderr.starts_with("INIT_REPORT Init Duration: 10"), "{}", run.stderr);
    let duration = run.stderr.split("\tDuration: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    assert!(duration.is_some_and(|ms| ms > 1000.0), "{}", run.stderr);
}

#[test]
fn what_a_run_opened_is_what_plan_keeps() {
    if !sandboxes_can_be_made() || Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not tried: there is no sandbox, or no strace");
        return;
    }
    let world = World::new();
    world.file("share/man/man1/x.1", ".PP\n").file("share/man/man1/y.1", ".PP\n");
    world.bootstrap("serve(lambda event: open('/opt/share/man/man1/x.1').read())\n");
    assert_eq!(value(&world.invoke(&["--trace", "log", "--timeout", "60"])), ".PP\n");
    let (_, report) = world.json(&["plan", "ROOT", "--runtime", "host", "--trace", "log", "-v"]);
    assert_finding(&report, "P105", "D401 man-pages", "share/man/man1/x.1");
}

#[test]
fn what_a_checked_run_looks_for_in_vain_is_a_finding() {
    if !sandboxes_can_be_made() || Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not tried: there is no sandbox, or no strace");
        return;
    }
    let world = World::new();
    // The system around the layers is this machine's, which has no such directory; the build host has.
    let host = world.beside("host");
    fs::create_dir_all(host.join("usr/share/own-of-test")).expect("made");
    fs::write(host.join("usr/share/own-of-test/data.bin"), "data").expect("written");
    fs::write(world.beside("layerfit.toml"), format!("sysroot = {host:?}\n")).expect("written");
    let check = ["check", "ROOT", "--runtime", "host", "--run", "main.handler", "--timeout", "60"];
    world.bootstrap("serve(lambda event: os.path.exists('/usr/share/own-of-test/data.bin'))\n");
    let (code, report) = world.json(&check);
    assert_eq!(code, 0, "{report}");
    assert_finding(&report, "N107", "/usr/share/own-of-test/data.bin", "the run looked for it");
    // A failure is told beside it, and nothing of the log stays.
    world.bootstrap("os.path.exists('/usr/share/own-of-test/data.bin'); sys.exit(3)\n");
    let (code, report) = world.json(&check);
    assert_eq!((code, findings(&report, "X104").len(), findings(&report, "N107").len()), (1, 1, 1), "{report}");
    world.bootstrap("serve(lambda event: os.path.exists('/usr/share/own-of-test/other.bin'))\n");
    assert_no_finding(&world.json(&check).1, "N107");
}

#[test]
fn an_event_in_place_of_its_file_is_told() {
    let world = World::new();
    world.file("bin/x", "x");
    let run = world.run(&["invoke", "ROOT", "--handler", "main.handler", "--event", "{\"name\": \"x\"}"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--event takes the file") && run.stderr.contains("standard input"), "{}", run.stderr);
    let run = world.run(&["invoke", "ROOT", "--handler", "main.handler", "--event", "event.json"]);
    assert!(run.code == 2 && run.stderr.contains("cannot read event.json"), "{}", run.stderr);
}

#[test]
fn check_runs_the_function_too() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("id, event = next()\nif event: sys.exit(2)\nanswer(id, 1)\nnext()\n");
    let check = ["check", "ROOT", "--runtime", "host", "--run", "main.handler"];
    let (code, report) = world.json(&check);
    assert_eq!(code, 0, "{report}");
    assert_no_finding(&report, "X101");
    assert_no_finding(&report, "X102");
    assert_no_finding(&report, "X103");
    assert_no_finding(&report, "X104");
    fs::write(world.beside("event"), "1").expect("written");
    let with_event = [&check[..], &["--event", "event"]].concat();
    let (code, report) = world.json(&with_event);
    assert_eq!(code, 1);
    assert_finding(&report, "X101", "main.handler", "Runtime.ExitError: Runtime exited with error: exit status 2");
    let (code, report) = world.json(&[&with_event[..], &["--ignore", "X101"]].concat());
    assert_eq!((code, findings(&report, "X101").len()), (0, 0));
    for (bootstrap, timeout, code) in [
        ("next(); time.sleep(60)", "1", "X102"),
        ("next(); x = b'x' * 300_000_000; time.sleep(60)", "20", "X103"),
        ("sys.exit(3)", "20", "X104"),
    ] {
        world.bootstrap(bootstrap);
        let (_, report) = world.json(&[&check[..], &["--timeout", timeout]].concat());
        assert_eq!(findings(&report, code).len(), 1, "{code}: {:#}", report["findings"]);
    }
    assert_fired_and_nearly_missed(Code::FunctionFailed);
    assert_fired_and_nearly_missed(Code::FunctionTimedOut);
    assert_fired_and_nearly_missed(Code::FunctionOutOfMemory);
    assert_fired_and_nearly_missed(Code::FunctionDoesNotStart);
}

#[test]
fn what_makes_no_sense_is_said_before_anything_runs() {
    let world = World::new();
    world.file("x", "");
    fs::write(world.beside("bad"), "{\"a\": 1}\n{\"a\": }\n").expect("written");
    fs::write(world.beside("cut"), "{\n\"a\":").expect("written");
    fs::write(world.beside("empty"), "\n").expect("written");
    fs::write(world.beside("large"), format!("\"{}\"", "x".repeat(6 << 20))).expect("written");
    for (more, words) in [
        (&["--event", "bad"][..], "bad, line 2: the event is not JSON"),
        (&["--event", "cut"], "cut: the event is not JSON"),
        (&["--event", "empty"], "contains no event"),
        (&["--event", "large"], "Lambda's limit of 6 MB"),
        (&["--event", "none"], "cannot read none"),
        (&["--env", "AWS_LAMBDA_X=1"], "Lambda sets this variable itself"),
        (&["--env", "1X=1"], "not the name of a variable"),
        (&["--env", "LAYERFIT_NOT_SET"], "environment variable not found"),
        (&["--timeout", "901"], "901 is not in 1..=900"),
        (&["--memory", "64"], "64 is not in 128..=10240"),
        (&["--code", "none"], "--code none: no such directory or zip"),
        (
            &["--code", "bad"],
            "--code bad: is a file, but not a zip\n  help: name its directory: --code . --handler bad.FUNCTION",
        ),
        (&["--rootfs", "none"], "cannot find none"),
        (&["--rootfs", "/"], "not an image, nor the directory of an unpacked image"),
        (&["--listen", "nowhere"], "invalid socket address"),
    ] {
        let run = world.invoke(more);
        assert_eq!(run.code, 2, "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(words) && run.stdout.is_empty(), "{more:?}: {}", run.stderr);
    }
    let run = world.run(&["check", "ROOT", "--timeout", "3"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("name the function to run: --run HANDLER"), "{}", run.stderr);
}
