//! A function for `layerfit invoke` to run: a bootstrap in Python that speaks to the Runtime API by itself, so that a test
//! can do what no runtime of Lambda's would.

use std::process::Command;

use super::{Run, World};

/// Has `ask(method, path, body, headers)`, which gives status, headers and body; `next()`, which gives an event's id and
/// the event; and `answer(id, body)`. What follows is the test's.
const PYTHON: &str = r#"#!/usr/bin/env python3
import http.client, json, os, signal, subprocess, sys, time

def ask(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()

def next():
    status, headers, body = ask("GET", "invocation/next")
    return headers["Lambda-Runtime-Aws-Request-Id"], json.loads(body)

def answer(id, value):
    return ask("POST", f"invocation/{id}/response", json.dumps(value))

def serve(handler):
    while True:
        id, event = next()
        answer(id, handler(event))

"#;

/// Whether this machine lets anybody make a sandbox; says so when not.
pub(crate) fn sandboxes_can_be_made() -> bool {
    let arguments =
        ["--user", "--map-user=993", "--map-group=990", "--keep-caps", "--mount", "--pid", "--fork", "true"];
    let can = Command::new("unshare").args(arguments).output().is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("not tried: user namespaces are not allowed here");
    }
    can
}

/// The runtime of the interpreter that this machine has, and its version.
fn runtime(program: &str) -> Option<(String, String)> {
    let (arguments, name): (&[&str], _) = match program {
        "python3" => (&["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], ("python", "")),
        _ => (&["-p", "process.versions.node.split('.')[0]"], ("nodejs", ".x")),
    };
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let runtime = version.as_ref().map(|version| format!("{}{version}{}", name.0, name.1));
    let known = runtime.filter(|runtime| layerfit::runtime::RuntimeProfile::load(runtime).is_ok());
    if known.is_none() {
        eprintln!("not tried: there is no {program} of a version that Lambda has");
    }
    known.zip(version)
}

/// The runtime and the version of an interpreter, where this machine has it and lets anybody make a sandbox; says so when not.
pub(crate) fn ready(program: &str) -> Option<(String, String)> {
    sandboxes_can_be_made().then(|| runtime(program)).flatten()
}

impl World {
    /// A bootstrap in the tree, made of this Python.
    pub(crate) fn bootstrap(&self, code: &str) -> &Self {
        self.file("bootstrap", format!("{PYTHON}{code}")).mode("bootstrap", 0o755)
    }

    /// Runs `layerfit invoke` on the tree.
    pub(crate) fn invoke(&self, more: &[&str]) -> Run {
        self.run(&[&["invoke", "ROOT", "--handler", "main.handler"], more].concat())
    }
}
