#!/usr/bin/env python3
"""Verify that `layerfit invoke` runs functions from packed layers as Lambda would, with the R of a real tree.

usage: invoke_works.py [--layerfit PROGRAM] [--only NAME]... TREE [-- PACK OPTIONS]

TREE is packed with --strip all --repack-rdb and these options, bootstrap/ is copied into each function, and the functions
run from the zips. The AWS CLI invokes them, and one uses Lambda's own Rust runtime; examples/s3-watcher reads and writes
objects on a local S3 server (moto) that checks signatures.

awscli and moto are installed from PyPI into target/invoke-works if they are missing. Each check prints one line:
"ok NAME: figures", "FAILED NAME: what" or "skipped NAME: why". A table of cold starts follows, before and after pruning,
stripping and repacking; the last line counts the checks. Exit 0: none failed; 1: some failed; 2: wrong arguments;
77: skipped, because this machine does not allow user namespaces.
"""

import argparse
import base64
import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import checks
import pypi
from checks import Skipped, require, require_in, require_same, short

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ["awscli==1.45.11", "moto[server]==5.2.1"]
MB = 1 << 20

# How much R's memory may grow from the 100th event to the 1,000th, in bytes.
MAX_GROWTH = 8 * MB
# The number of cold starts per form, of which the table has the median.
STARTS = 5
# The time limit of a run, in seconds.
PATIENCE = 300


class Run:
    """A finished run of layerfit."""

    def __init__(self, done):
        self.code, self.out, self.log = done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")

    def values(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def value(self):
        require_same(self.code, 0, f"exit code (the log: {self.log[-1500:]})")
        return self.values()[0]

    def error(self, kind, message, code):
        require_same(self.code, 1, f"exit code (the log: {self.log[-1500:]})")
        error = self.values()[0]
        require_same(error["errorType"], kind, "error type")
        require_in(message, error["errorMessage"], "error message")
        require_in(f"layerfit: error {code} ", self.log, "the finding")
        return error

    def report(self, name):
        """A number in the REPORT line."""
        found = re.search(rf"\t{name}: ([0-9.]+) ", self.log)
        require(found, f"REPORT has no {name}: {short(self.log[-800:])}")
        return float(found[1])


class Bench:
    """Layers, and functions to run from them."""

    def __init__(self, layerfit, tree, options, temp):
        self.layerfit, self.tree, self.options, self.temp = layerfit, tree, options, temp
        self.functions = 0
        self.layers = self.pack("layers", tree, ["--strip", "all", "--repack-rdb"])

    def pack(self, name, tree, more, for_an_image=False):
        """Packs a tree with more options; `for_an_image`, with libraries bundled, and without the caller's options."""
        layers = self.temp / name
        options = ["--runtime", "provided.al2023", "--bundle"] if for_an_image else self.options
        command = [self.layerfit, "pack", tree, "-o", layers, "--quiet", *more, *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        # 1: some finding is an error for that image; the layers are still written if they fit.
        require(done.returncode in (0, 1) and layers.is_dir(), f"pack: {done.stdout.decode()[-1000:]}")
        return layers

    def code(self, files):
        """A directory with these files (a dict, or a directory to copy) and the bootstrap."""
        self.functions += 1
        code = self.temp / f"function-{self.functions}"
        if isinstance(files, Path):
            shutil.copytree(files, code)
        else:
            code.mkdir()
            for name, text in files.items():
                (code / name).write_text(text, encoding="utf-8")
        done = subprocess.run([self.layerfit, "init", "--bootstrap", code], capture_output=True)
        require_same(done.returncode, 0, "exit code of init --bootstrap")
        code.chmod(0o755)
        return code

    def command(self, code, handler, more=(), layers=None):
        command = [self.layerfit, "invoke", layers or self.layers, "--handler", handler, "--code", code, *more]
        # Enough for any version of R on a slow machine, unless a check sets its own.
        for option, value in (("--memory", "256"), ("--timeout", "20")):
            command += [] if option in more else [option, value]
        return command

    def run(self, files, events=None, handler="main.handler", more=(), layers=None, prefix=()):
        code = files if isinstance(files, Path) else self.code({"main.R": files})
        more = list(more)
        if events is not None:
            path = self.temp / "events"
            path.write_text("".join(json.dumps(event) + "\n" for event in events))
            more += ["--event", path]
        command = [*prefix, *self.command(code, handler, more, layers)]
        return Run(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE))


def with_clients():
    """The directory of the programs of awscli and moto, which are installed if they are missing."""
    return pypi.environment("invoke-works", CLIENTS)


# Credentials for AWS's tools and for functions: those of AWS's documentation.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def client_environment(more=()):
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**ours, **CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", **dict(more)}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# --- the checks ---------------------------------------------------------------


def hello(bench):
    code = bench.code(ROOT / "examples/hello")
    run = bench.run(code, handler="hello.handler", more=["--event", ROOT / "examples/hello/event.json"])
    value = run.value()
    require(re.fullmatch(r"Hello Lambda, from R \d+\.\d+\.\d+", value["message"]), f"the message is {value['message']}")
    require_same(value["sum"], 6.5, "sum")
    require_same(run.log.count("REPORT RequestId: "), 1, "REPORT lines")
    figures = f"init {run.report('Init Duration'):.0f} ms, {run.report('Duration'):.0f} ms"
    return f"{value['message']!r}; {figures}, {run.report('Max Memory Used'):.0f} MB"


def the_readme(bench):
    """Runs the commands of the README's first example in a directory like a checkout, and compares what they print."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split("## Run it before you deploy it", 1)[1].split("```text\n", 1)[1].split("```", 1)[0].splitlines()
    commands = [line.removeprefix("$ ").split("#")[0].split() for line in block if line.startswith("$ ")]
    printed = [line for line in block if not line.startswith("$ ")]
    home = bench.temp / "readme"
    shutil.copytree(ROOT / "examples", home / "examples")
    (home / "layers").symlink_to(bench.layers)
    for words in commands:
        require_same(words[0], "layerfit", "the command")
        command = [bench.layerfit.resolve(), *words[1:]]
        done = subprocess.run(command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        require_same(done.returncode, 0, f"exit code of {' '.join(words)} ({done.stderr[-800:]})")
    plain = lambda text: re.sub(r"[0-9]+(\.[0-9]+)*", "N", text)
    require_same(plain(done.stdout + done.stderr).splitlines(), [plain(line) for line in printed], "what it prints")
    return f"{len(commands)} commands print what the README shows"


def json_in_and_out(bench):
    events = [{"a": [1, None, {"b": "ü€😀\n"}], "n": 1.5}, [], {}, "text", 0, True, None, [[1], ["x"]]]
    run = bench.run("handler <- function(event) event", events)
    require_same(run.code, 0, f"exit code ({run.log[-800:]})")
    require_same(run.values(), events, "echo")
    return f"{len(events)} events are returned unchanged"


def an_r_error(bench):
    code = "inner <- function(x) stop('no luck: ', x)\nhandler <- function(event) inner(event$x)\n"
    run = bench.run(code, [{"x": 7}])
    error = run.error("simpleError", "no luck: 7", "X101")
    stack = ["stop(\"no luck: \", x) at main.R#1", "inner(event$x) at main.R#2", "handler(event)"]
    require_same([line for line in error["stackTrace"]][: len(stack)], stack, "stack")
    require_in("    inner(event$x) at main.R#2\n", run.log, "the log")
    return "its message, type and calls, in the response and in the log"


def a_timeout(bench):
    began = time.monotonic()
    run = bench.run("handler <- function() { cat('begun\\n'); Sys.sleep(60) }", more=["--timeout", "2"])
    run.error("Sandbox.Timedout", "Task timed out after 2.00 seconds", "X102")
    require_in("begun\n", run.log, "the log")
    require_in("Task timed out after 2.00 seconds\n", run.log, "the log")
    require_same(run.report("Duration"), 2000.0, "duration")
    require(time.monotonic() - began < 30, f"the run took {time.monotonic() - began:.0f} s")
    return f"ended after 2 s, the whole run after {time.monotonic() - began:.1f}"


def out_of_memory(bench):
    code = "handler <- function(event) { x <- numeric(event * 131072); x[] <- 1; length(x) }"  # MB
    run = bench.run(code, [300], more=["--memory", "200", "--timeout", "60"])
    run.error("Runtime.ExitError", "Runtime exited with error: signal: killed", "X103")
    enough = bench.run(code, [300], more=["--memory", "1024", "--timeout", "60"])
    require_same(enough.value(), 300 * 131072, "with enough")
    used = enough.report("Max Memory Used")
    require(300 < used < 800, f"with enough, it used {used} MB")
    return f"300 MB in a function of 200 MB: killed; in one of 1,024 MB: answered, {used:.0f} MB used"


def image_root(bench):
    """A root with only what an image has; created once."""
    root = bench.temp / "image"
    if not root.exists():
        profile = ROOT / "rules/runtimes/provided.al2023.toml"
        done = subprocess.run([sys.executable, ROOT / "scripts/image_root.py", profile, root], capture_output=True)
        if done.returncode:
            raise Skipped(f"cannot create a root with only what an image has: {done.stderr.decode()[-400:]}")
    return root


def bundled(bench):
    """Layers that need only what an image has; packed once."""
    layers = bench.temp / "bundled"
    return layers if layers.exists() else bench.pack("bundled", bench.tree, ["--strip", "all"], for_an_image=True)


def in_an_image(bench):
    """With only what the image has around the layers; --bundle copies the rest from this machine."""
    root = image_root(bench)
    layers = bundled(bench)
    code = "handler <- function() list(sum = sum(solve(diag(3))), shell = nzchar(Sys.which('sh')))"
    run = bench.run(code, layers=layers, more=["--rootfs", root])
    require_same(run.value()["sum"], 3, "sum of solve(diag(3))")
    return "answers with --rootfs, a root with only what provided.al2023 has"


def a_missing_library(bench):
    """Without libgfortran in layers and system, the message names it."""
    root = image_root(bench)
    name = "libgfortran.so.5"
    tree = bench.temp / "without"
    layers = bundled(bench)
    for layer in json.loads((layers / "manifest.json").read_text())["layers"]:
        subprocess.run(["unzip", "-q", "-o", layers / layer["zip"], "-d", tree], check=True)
    gone = list(tree.rglob(f"{name}*"))
    require(gone, f"the layers have no {name}")
    for path in gone:
        path.unlink()
    code = "handler <- function() sum(solve(diag(3)))"
    run = bench.run(code, layers=tree, more=["--rootfs", root])
    require_same(run.code, 1, f"exit code ({run.log[-500:]})")
    require_in(f"{name}: cannot open shared object file", run.log, "the log")
    require_in(f"help: {name} is in neither the layers nor the system around them", run.log, "the help")
    kind = run.values()[0]["errorType"]
    return f"{name} is named by {kind}'s message and by the help"


def a_thousand_events(bench):
    code = """
        handler <- function(event) {
            line <- grep("^VmRSS", readLines("/proc/self/status"), value = TRUE)
            list(rss = as.numeric(gsub("[^0-9]", "", line)) * 1024, n = event$n)
        }
    """
    began = time.monotonic()
    run = bench.run(code, [{"n": n, "text": "x" * 2000, "list": list(range(50))} for n in range(1000)])
    taken = time.monotonic() - began
    require_same(run.code, 0, f"exit code ({run.log[-800:]})")
    values = run.values()
    require_same([value["n"] for value in values], list(range(1000)), "events answered")
    growth = values[-1]["rss"] - values[99]["rss"]
    require(growth < MAX_GROWTH, f"R grew by {growth} bytes from the 100th event to the last")
    require_same(run.log.count("Init Duration"), 1, "starts")
    used = [int(mb) for mb in re.findall(r"Max Memory Used: (\d+) MB", run.log)]
    require_same(len(used), 1000, "REPORT lines")
    durations = sorted(float(ms) for ms in re.findall(r"\tDuration: ([0-9.]+) ms", run.log))
    growth = f"{growth / MB:+.1f} MB since the 100th"
    return f"{taken:.1f} s in total, {durations[500]:.1f} ms each (median), {used[-1]} MB, {growth}, one start"


def without_root(bench):
    if os.geteuid() != 0:
        return "all checks run without root"
    code = bench.code({"main.R": "handler <- function() 'me'"})
    prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "TMPDIR=/tmp"]
    require_same(bench.run(code, prefix=prefix).value(), "me", "response to user 65534")
    return "works for user 65534"


@contextlib.contextmanager
def listening(bench, code, handler, more=()):
    command = bench.command(code, handler, ["--listen", "127.0.0.1:0", *more])
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = []
    try:
        first = process.stderr.readline()
        found = re.search(r"http://\S+", first)
        require(found, f"it does not listen: {first}")
        yield found[0], lines
    finally:
        process.terminate()
        lines += process.communicate(timeout=PATIENCE)[1].splitlines()
    require_same(process.returncode, -signal.SIGTERM, "how it ends when it is terminated")


def the_aws_cli(bench):
    programs = with_clients()
    code = bench.code({"main.R": """
        handler <- function(event, context) {
            if (identical(event$fail, TRUE)) stop("as asked")
            cat("the log\n")
            list(event = event, client = context$client_context$custom, id = context$request_id)
        }
    """})  # fmt: skip
    out = bench.temp / "out.json"
    with listening(bench, code, "main.handler") as (url, lines):
        def invoke(payload, *more):
            command = [programs / "aws", "lambda", "invoke", "--endpoint-url", url, "--function-name", "any", *more,
                       "--payload", payload, out]  # fmt: skip
            done = subprocess.run(command, capture_output=True, env=client_environment(), timeout=PATIENCE)
            require_same(done.returncode, 0, f"exit code of aws: {done.stderr.decode()}")
            return json.loads(done.stdout), out.read_text()

        said, body = invoke('{"x": [1, "ü"]}', "--log-type", "Tail", "--client-context", "eyJjdXN0b20iOnsiayI6InYifX0=")
        require_same((said["StatusCode"], said["ExecutedVersion"]), (200, "$LATEST"), "status and version")
        require("FunctionError" not in said, f"aws says {said}")
        value = json.loads(body)
        require_same((value["event"], value["client"]), ({"x": [1, "ü"]}, {"k": "v"}), "event and client context")
        log = base64.b64decode(said["LogResult"]).decode()
        require(log.startswith(f"START RequestId: {value['id']}") and "the log\n" in log and "\nREPORT " in log, log)
        said, body = invoke('{"fail": true}')
        require_same(said["FunctionError"], "Unhandled", "FunctionError")
        require_same(json.loads(body)["errorMessage"], "as asked", "errorMessage")
        said, body = invoke('"later"', "--invocation-type", "Event")
        require_same((said["StatusCode"], body), (202, ""), "an asynchronous event")
        value = json.loads(invoke("{}")[1])
        require(value["id"].endswith("4"), f"the asynchronous event was not run before: {value['id']}")
    require_same(len([line for line in lines if line.startswith("REPORT ")]), 4, "invocations in the log")
    version = subprocess.run([programs / "aws", "--version"], capture_output=True, text=True)
    return f"{(version.stdout or version.stderr).split()[0]}: response, log, client context, error, Event"


def lambdas_rust_runtime(bench):
    crate = ROOT / "tests/rust-function"
    build = ["cargo", "build", "-q", "--locked", "--manifest-path", crate / "Cargo.toml"]
    target = ROOT / "target/rust-function"
    done = subprocess.run(build, env={**os.environ, "CARGO_TARGET_DIR": str(target)}, capture_output=True)
    require_same(done.returncode, 0, f"exit code of cargo: {done.stderr.decode()[-800:]}")
    code = bench.temp / "rust"
    code.mkdir()
    shutil.copy(target / "debug/rust-function", code / "bootstrap")
    (bench.temp / "empty").mkdir()
    events = [{"x": 1}, {"do": "fail"}, {"do": "panic"}, {"big": "x" * 5_000_000}, {"x": 2}]
    run = bench.run(code, events, layers=bench.temp / "empty", more=["--memory", "256"])
    require_same(run.code, 1, f"exit code ({run.log[-800:]})")
    values = run.values()
    arn = "arn:aws:lambda:us-east-1:012345678912:function:function"
    for index in (0, 3, 4):
        wanted = {"event": events[index], "request_id": f"00000000-0000-4000-8000-{index + 1:012x}", "arn": arn,
                  "traced": True, "deadline": True, "memory": 256, "name": "function"}  # fmt: skip
        require_same(values[index], wanted, f"response {index}")
    for index in (1, 2):
        require_in("as it was asked to", values[index]["errorMessage"], f"error {index}")
    require_in('the event is {"x":1}\n', run.log, "the log")
    version = re.search(r'name = "lambda_runtime"\nversion = "([^"]+)"', (crate / "Cargo.lock").read_text())[1]
    return f"lambda_runtime {version}: responses, an error, a panic and 5 MB; init {run.report('Init Duration'):.0f} ms"


@contextlib.contextmanager
def s3_server(programs, temp):
    """moto on loopback. After seven requests, which create the buckets and a user, it checks signatures as AWS does."""
    port = free_port()
    environment = client_environment({"INITIAL_NO_AUTH_ACTION_COUNT": "7"})
    command = [programs / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    log = open(temp / "moto", "wb")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        began = time.monotonic()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                require(process.poll() is None and time.monotonic() - began < 60, "moto does not start")
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()
        log.close()


# The bootstrap that recipes for R on Lambda hand on: a loop in sh that runs SCRIPT.r for each event, and answers OK.
LOOP = """#!/bin/sh

# uncomment the following to stop execution on first error
#set -euo pipefail

# we can add python dependencies here later if needed
export PYTHONPATH=/opt/python

# Convert ".handler" to ".r" (isn't technically needed, but allows us to name scripts with .r suffix like usual)
SCRIPT=$LAMBDA_TASK_ROOT/$(echo "$_HANDLER" | cut -d. -f1).r

while true
do
    # Get an event
    HEADERS="$(mktemp)"
    EVENT_DATA=$(curl -sS -LD "$HEADERS" -X GET "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
    REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)

    echo "About to run $SCRIPT"
    # Execute the handler function from the script
    RESULT=$(mktemp)
    /opt/R/bin/Rscript $SCRIPT
    RESPONSE="OK"

    # Send the response
    curl -X POST "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response"  -d "$RESPONSE"
done
"""

# What it runs: the average of an object becomes another object, whose name is new each time.
OF_AN_OBJECT = """source("s3.R")
numbers <- unserialize(memDecompress(s3_get("rlam1", "in/some numbers.rds"), "gzip"))
s3_put("rlam1-output", basename(tempfile("average")), charToRaw(paste("Average =", mean(numbers))))
"""


def ten_times_in_128_mb(bench, variables, aws):
    """A loop in sh that starts R for each of ten events, in the least memory that a function has; returns that it took."""
    code = bench.temp / "loop"
    code.mkdir(mode=0o755)
    (code / "bootstrap").write_text(LOOP)
    (code / "bootstrap").chmod(0o755)
    (code / "average.r").write_text(OF_AN_OBJECT)
    shutil.copy(ROOT / "examples/s3-watcher/s3.R", code)
    more = ["--memory", "128"]
    for name, value in variables.items():
        more += ["--env", f"{name}={value}"]
    run = bench.run(code, events=[{}] * 10, handler="average.handler", more=more)
    require_same((run.code, run.out.split()), (0, ["OK"] * 10), f"answers (the log: {run.log[-1500:]})")
    made = json.loads(aws("s3api", "list-objects-v2", "--bucket", "rlam1-output", "--prefix", "average"))
    require_same(len(made["Contents"]), 10, "objects")
    return max(float(used) for used in re.findall(r"\tMax Memory Used: ([0-9.]+) ", run.log))


def s3_watcher(bench):
    """examples/s3-watcher: an RDS file's average, from one bucket into another; and a script that does so ten times in 128 MB."""
    if not list(bench.tree.glob("*/lib*/R/*library/httr")):
        raise Skipped("the tree has no httr")
    programs = with_clients()
    code = bench.code(ROOT / "examples/s3-watcher")
    rds = bench.temp / "numbers.rds"
    # The numbers 1 to 20, as saveRDS() writes them.
    value = bench.run("handler <- function() { f <- tempfile(); saveRDS(as.numeric(1:20), f);"
                      " as.integer(readBin(f, 'raw', 1e6)) }").value()  # fmt: skip
    rds.write_bytes(bytes(value))
    require(gzip.decompress(rds.read_bytes()).startswith(b"X\n"), "saveRDS() wrote something else")
    with s3_server(programs, bench.temp) as url:
        environment = client_environment()

        def aws(*arguments):
            command = [programs / "aws", "--endpoint-url", url, *arguments]
            done = subprocess.run(command, capture_output=True, env=environment, timeout=PATIENCE)
            require_same(done.returncode, 0, f"exit code of aws {arguments[:2]}: {done.stderr.decode()}")
            return done.stdout

        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        aws("s3api", "create-bucket", "--bucket", "rlam1")
        aws("s3api", "create-bucket", "--bucket", "rlam1-output")
        aws("s3api", "put-object", "--bucket", "rlam1", "--key", "in/some numbers.rds", "--body", rds)
        aws("iam", "create-user", "--user-name", "f")
        aws("iam", "put-user-policy", "--user-name", "f", "--policy-name", "p", "--policy-document", json.dumps(policy))
        key = json.loads(aws("iam", "create-access-key", "--user-name", "f"))["AccessKey"]
        urllib.request.urlopen(f"{url}/rlam1").close()  # the seventh: from here on, signatures are checked
        variables = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                     "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}  # fmt: skip

        def watch(variables):
            more = ["--event", code / "event.json"]
            for name, value in variables.items():
                more += ["--env", f"{name}={value}"]
            return bench.run(code, handler="s3_watcher.handler", more=more)

        run = watch(variables)
        wanted = {"averages": [{"bucket": "rlam1", "key": "in/some numbers.rds", "average": 10.5}]}
        value = run.value()
        value["averages"] = value["averages"] if isinstance(value["averages"], list) else [value["averages"]]
        require_same(value, wanted, "response")
        environment.update({name: variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")})
        aws("s3api", "get-object", "--bucket", "rlam1-output", "--key", "in/some numbers.txt", bench.temp / "average")
        require_same((bench.temp / "average").read_text(), "Average = 10.5", "the object")
        wrong = watch({**variables, "AWS_SECRET_ACCESS_KEY": "x" * 40})
        wrong.error("simpleError", "SignatureDoesNotMatch", "X101")
        used = ten_times_in_128_mb(bench, variables, aws)
    return (f"Average = 10.5 of an object in moto, which checks the signature; {run.report('Duration'):.0f} ms; "
            f"R started for each of ten events in 128 MB, of which {used:.0f} MB are used")  # fmt: skip


# --- the table ----------------------------------------------------------------

FORMS = (
    ("as it is", ["--ignore", "safe", "--strip", "none"]),
    ("pruned", ["--strip", "none"]),
    ("and stripped (--strip all)", ["--strip", "all"]),
    ("and repacked (--repack-rdb)", ["--strip", "all", "--repack-rdb"]),
)


def cold_starts(bench):
    """Cold starts of each form of the tree, in turns, so that other load affects all alike."""
    code = bench.code({"main.R": "handler <- function() 1"})
    forms = []
    for number, (name, more) in enumerate(FORMS):
        layers = bench.pack(f"form-{number}", bench.tree, more)
        manifest = json.loads((layers / "manifest.json").read_text())
        zipped = sum(layer["zipped_bytes"] for layer in manifest["layers"])
        unzipped = sum(layer["unzipped_bytes"] for layer in manifest["layers"])
        forms.append((name, layers, len(manifest["layers"]), zipped, unzipped, []))
    for _ in range(STARTS):
        for form in forms:
            run = bench.run(code, layers=form[1])
            require_same(run.value(), 1, "response")
            form[5].append(run.report("Init Duration"))
    rows = [f"  {'form of the tree':<28} {'layers':>6} {'zipped':>12} {'unzipped':>12} {'init ms':>8}"]
    for name, _, count, zipped, unzipped, starts in forms:
        rows.append(f"  {name:<28} {count:>6} {zipped:>12,} {unzipped:>12,} {statistics.median(starts):>8.0f}")
    return f"median init of {STARTS} starts each\n" + "\n".join(rows)


CHECKS = (
    hello,
    the_readme,
    json_in_and_out,
    an_r_error,
    a_timeout,
    out_of_memory,
    in_an_image,
    a_missing_library,
    a_thousand_events,
    without_root,
    the_aws_cli,
    lambdas_rust_runtime,
    s3_watcher,
    cold_starts,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layerfit", type=Path, default=ROOT / "target/release/layerfit", metavar="PROGRAM")
    checks.add_arguments(parser, CHECKS)
    parser.add_argument("tree", type=Path, help="a tree that belongs at /opt, with R in R/")
    parser.add_argument("options", nargs="*", help="options for pack, after --")
    arguments = parser.parse_args()
    if not (arguments.tree / "R/bin/Rscript").exists():
        parser.error(f"{arguments.tree} does not contain R/bin/Rscript")
    space = ["unshare", "--user", "--map-user=993", "--map-group=990", "--keep-caps", "--mount", "--pid", "--fork", "true"]
    if subprocess.run(space, stderr=subprocess.DEVNULL).returncode:
        print("skipped: layerfit invoke needs user namespaces, which are not allowed here", file=sys.stderr)
        return checks.MISSING
    with tempfile.TemporaryDirectory(prefix="invoke-works-") as temp:
        os.chmod(temp, 0o755)
        bench = Bench(arguments.layerfit.resolve(), arguments.tree.resolve(), arguments.options, Path(temp))
        return checks.run(CHECKS, arguments.only, bench)


if __name__ == "__main__":
    sys.exit(main())
