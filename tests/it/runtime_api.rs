//! What `layerfit invoke` serves: the Runtime API to the function, and the invoke endpoint to AWS's clients. Other people's
//! clients talk to both in scripts/invoke_works.py.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::World;
use crate::support::function::sandboxes_can_be_made;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[test]
fn events_come_with_their_headers_and_again_until_they_are_answered() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap(
        r#"
status, headers, body = ask("GET", "invocation/next")
again = ask("GET", "invocation/next")
left = int(headers["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000
id = headers["Lambda-Runtime-Aws-Request-Id"]
answer(id, {"names": sorted(name for name in headers if name.startswith(("Lambda", "Content-T"))), "event": json.loads(body),
    "arn": headers["Lambda-Runtime-Invoked-Function-Arn"], "trace": headers["Lambda-Runtime-Trace-Id"],
    "left": 0 < left <= 3000, "again": again[2] == body and again[1]["Lambda-Runtime-Aws-Request-Id"] == id})
next()
"#,
    );
    fs::write(world.beside("event"), "{\n  \"a\": [1]\n}\n").expect("written");
    let run = world.invoke(&["--event", "event"]);
    let value: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        value["names"],
        json!([
            "Content-Type",
            "Lambda-Runtime-Aws-Request-Id",
            "Lambda-Runtime-Deadline-Ms",
            "Lambda-Runtime-Invoked-Function-Arn",
            "Lambda-Runtime-Trace-Id"
        ])
    );
    assert_eq!(value["event"], json!({"a": [1]}));
    assert_eq!(value["arn"], "arn:aws:lambda:us-east-1:012345678912:function:function");
    assert!(value["trace"].as_str().is_some_and(|trace| trace.starts_with("Root=1-")));
    assert_eq!((&value["left"], &value["again"]), (&json!(true), &json!(true)));
}

#[test]
fn what_lambda_refuses_is_refused_in_its_words() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap(
        r#"
seen = []
def note(answer):
    try:
        seen.append([answer[0], json.loads(answer[2])])
    except ValueError:
        seen.append([answer[0], answer[2].decode()])
note(ask("POST", "invocation/x/response", "1"))
id, _ = next()
note(ask("POST", "init/error", "{}"))
note(ask("POST", "invocation/other/response", "1"))
note(ask("POST", "invocation/other/error", "1"))
note(ask("GET", "nothing"))
note(ask("GET", f"invocation/{id}/response"))
note(answer(id, "first"))
note(answer(id, "second"))
note(ask("POST", f"invocation/{id}/error", "{}"))
id, _ = next()
answer(id, seen)
next()
"#,
    );
    fs::write(world.beside("events"), "1\n2\n").expect("written");
    let run = world.invoke(&["--event", "events"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0], "first");
    let id = json!({"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"});
    let state = |from: &str, to: &str| {
        let why = "Error: State transition is not allowed";
        let message = format!("State transition from {from} to {to} failed for runtime. {why}");
        json!([403, {"errorMessage": message, "errorType": "InvalidStateTransition"}])
    };
    assert_eq!(
        lines[1],
        json!([
            state("Started", "InvocationResponse"),
            state("Running", "InitError"),
            [400, id],
            [400, id],
            [404, {"errorMessage": "No such path: /2018-06-01/runtime/nothing", "errorType": "NotFound"}],
            [405, {"errorMessage": "Method not allowed", "errorType": "MethodNotAllowed"}],
            [202, {"status": "OK"}],
            state("ResponseSent", "InvocationResponse"),
            state("ResponseSent", "InvocationErrorResponse")
        ])
    );
}

#[test]
fn a_response_may_have_six_megabytes_and_a_hundred_bytes() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("serve(lambda event: (print(ask('POST', 'x')[0], flush=True), 'x' * event)[1])");
    // Two of the bytes are quotes.
    fs::write(world.beside("events"), "6291554\n6291555\n1\n").expect("written");
    let run = world.invoke(&["--event", "events", "--memory", "512", "--timeout", "20"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!((lines[0].len(), lines[2]), (6_291_556, "\"x\""));
    let error: Value = serde_json::from_str(lines[1]).expect("JSON");
    let message = "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes).";
    assert_eq!(error, json!({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}));
}

#[test]
fn errors_are_answered_as_the_function_sent_them() {
    if !sandboxes_can_be_made() {
        return;
    }
    let sent = r#"{"errorMessage": "bad\u001b[31m", "errorType": "Mine", "stackTrace": ["f()"]}"#;
    let world = World::new();
    world.bootstrap(&format!(
        "id, _ = next()\nask('POST', f'invocation/{{id}}/error', {sent:?}, \
         {{'Lambda-Runtime-Function-Error-Type': 'Function.Mine'}})\nid, _ = next()\nanswer(id, 2)\nnext()\n"
    ));
    fs::write(world.beside("events"), "1\n2\n").expect("written");
    let run = world.invoke(&["--event", "events"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, format!("{sent}\n2\n").as_str()));
    assert!(run.stderr.contains("error X101 main.handler: Function.Mine: bad\\u{1b}[31m\n"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("Init Duration").count(), 1, "the same process goes on");

    let init = World::new();
    init.bootstrap(&format!("ask('POST', 'init/error', {sent:?})\nsys.exit(1)\n"));
    let run = init.invoke(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (1, format!("{sent}\n").as_str()));
    assert!(run.stderr.contains("error X104 main.handler: Mine: "), "{}", run.stderr);
}

/// `layerfit invoke --listen`, until it is dropped.
struct Endpoint {
    child: Child,
    address: String,
}

impl Endpoint {
    fn start(world: &World) -> Self {
        let mut command = world.command(&["invoke", "ROOT", "--handler", "x", "--listen", "127.0.0.1:0"]);
        // Beside the tree, so that it is seen what stays there.
        command.env("TMPDIR", world.beside("."));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("started");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        log.read_line(&mut line).expect("a line");
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address").to_owned();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    /// Status, header lines in lower case, and body.
    fn post(&self, path: &str, headers: &[&str], body: &[u8]) -> (u16, Vec<String>, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}");
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.lines().map(str::to_lowercase);
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        (status, lines.collect(), answer[end + 4..].to_vec())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has(headers: &[String], line: &str) -> bool {
    headers.iter().any(|header| header == line)
}

#[test]
fn the_endpoint_answers_as_the_api_of_invoke_says() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap(
        r#"
count = 0
while True:
    status, headers, body = ask("GET", "invocation/next")
    event, id = json.loads(body), headers["Lambda-Runtime-Aws-Request-Id"]
    count += 1
    print("event", event, flush=True)
    if event == "fail":
        ask("POST", f"invocation/{id}/error", '{"errorMessage": "no", "errorType": "Mine"}')
    else:
        answer(id, [event, count, headers.get("Lambda-Runtime-Client-Context")])
"#,
    );
    let endpoint = Endpoint::start(&world);
    let path = "/2015-03-31/functions/any-name/invocations";
    let (status, headers, body) = endpoint.post(path, &["X-Amz-Log-Type: Tail"], b"{\"a\": 1}");
    assert_eq!((status, String::from_utf8_lossy(&body).as_ref()), (200, "[{\"a\": 1}, 1, null]"));
    assert!(has(&headers, "x-amz-executed-version: $latest"), "{headers:?}");
    assert!(!headers.iter().any(|header| header.starts_with("x-amz-function-error")), "{headers:?}");
    let log = endpoint.post(path, &["X-Amz-Log-Type: Tail"], b"\"x\"").1;
    let log: Vec<&String> = log.iter().filter(|header| header.starts_with("x-amz-log-result: ")).collect();
    assert_eq!(log.len(), 1);

    // Nothing that a web page sends, or that is not UTF-8, is an event.
    for (headers, body, wanted) in [
        (&["Origin: http://evil.example", "Content-Type: text/plain"][..], &b"{}"[..], 403),
        (&["Origin: null"], b"{}", 403),
        (&[], b"\"\xff\"", 400),
    ] {
        let (status, _, answer) = endpoint.post(path, headers, body);
        assert_eq!(status, wanted, "{}", String::from_utf8_lossy(&answer));
    }

    let (status, headers, body) = endpoint.post(path, &[], b"\"fail\"");
    assert_eq!((status, body.as_slice()), (200, &b"{\"errorMessage\": \"no\", \"errorType\": \"Mine\"}"[..]));
    assert!(has(&headers, "x-amz-function-error: unhandled"), "{headers:?}");

    let context = format!("X-Amz-Client-Context: {}", STANDARD.encode("{\"k\":1}"));
    let (_, _, body) = endpoint.post(path, &[&context], b"");
    assert_eq!(String::from_utf8_lossy(&body), "[{}, 4, \"{\\\"k\\\":1}\"]");

    let (status, _, body) = endpoint.post(path, &["X-Amz-Invocation-Type: Event"], b"5");
    assert_eq!((status, body.len()), (202, 0));
    assert_eq!(endpoint.post(path, &["X-Amz-Invocation-Type: DryRun"], b"7").0, 204);
    // The one that nobody waited for came first, and the dry run not at all.
    assert_eq!(endpoint.post(path, &[], b"6").2, b"[6, 6, null]");

    for (path, headers, body, status, kind) in [
        (path, &[][..], &b"{\"a\":"[..], 400, "invalidrequestcontentexception"),
        (path, &["X-Amz-Client-Context: {"], b"1", 400, "invalidrequestcontentexception"),
        (path, &["X-Amz-Invocation-Type: Later"], b"1", 400, "invalidparametervalueexception"),
        (path, &[], &vec![b' '; (6 << 20) + 1], 413, "requesttoolargeexception"),
        (path, &["X-Amz-Invocation-Type: Event"], &vec![b' '; (1 << 20) + 1], 413, "requesttoolargeexception"),
        ("/2015-03-31/functions//invocations", &[], b"1", 404, "resourcenotfoundexception"),
        ("/", &[], b"1", 404, "resourcenotfoundexception"),
    ] {
        let (got, headers, _) = endpoint.post(path, headers, body);
        assert_eq!(got, status, "{path}");
        assert!(has(&headers, &format!("x-amzn-errortype: {kind}")), "{headers:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_a_signal_ends_the_endpoint() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("serve(lambda event: event)");
    let mut endpoint = Endpoint::start(&world);
    let run = world.run(&["invoke", "ROOT", "--handler", "x", "--listen", &endpoint.address]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("cannot listen on") && run.stderr.contains("use another port"), "{}", run.stderr);
    let child = i32::try_from(endpoint.child.id()).expect("a number");
    let process = rustix::process::Pid::from_raw(child).expect("a process");
    rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("sent");
    let status = endpoint.child.wait().expect("ended");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert_eq!(world.names_beside(), ["opt"], "what was made for it is removed");
}
