#!/usr/bin/env python3
"""Verify that bootstrap/ runs functions in R as documented in runtime.R, with the R of a real tree.

usage: bootstrap_works.py [--root DIR] [--only NAME]... TREE

This script serves a small Runtime API like Lambda's, and r-works.sh starts the bootstrap with TREE at /opt, once for each
check; with --root, everything else is from DIR, which image_root.py creates.

Each check prints one line: "ok NAME: figures" or "FAILED NAME: what"; the last line counts them. Exit 0: none failed;
1: some failed; 2: wrong arguments; 77: skipped, for the reason that r-works.sh prints.
"""

import argparse
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import checks
from checks import NothingWorksHere, require, require_same, short

HERE = Path(__file__).resolve().parent
BOOTSTRAP = HERE.parent / "bootstrap"
MB = 1 << 20

# The time limit of a check, in seconds: R is waiting for something that never comes.
PATIENCE = 240
# Maximum processor time of a small event, in seconds, and memory growth over 900 of them, in bytes.
MAX_SECONDS, MAX_GROWTH = 0.02, 8 * MB


# --- the Runtime API ----------------------------------------------------------


class Api(http.server.ThreadingHTTPServer):
    """Hands out `events` (bytes) one after the other and records the answers.

    As in Lambda, an event is handed out again until it is answered, and an answer to any other one is refused. `framing` is
    how the end of an event is marked: "length", "chunks" or "end" of the connection. `headers` are sent with the first.
    Responses of more than `refuse` bytes are refused.
    """

    daemon_threads = True

    def __init__(self, events, framing="length", headers=(), refuse=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.events, self.framing, self.extra, self.refuse = events, framing, dict(headers), refuse
        self.answers, self.seconds, self.said, self.init_errors = [], [], [], []
        self.handed_out, self.requests = 0.0, 0
        self.lock = threading.Lock()
        self.all_answered = threading.Event()

    @property
    def request_id(self):
        return f"id-{len(self.answers)}"

    def handle_error(self, request, client_address):
        """R may close connections early."""


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it would delay what follows the header by 40 ms

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        api = self.server
        api.requests += 1
        if self.path != "/2018-06-01/runtime/invocation/next":
            return self.say(404, b"no such path")
        if len(api.answers) == len(api.events):
            return self.say(500, b"no more events")
        headers = {
            "Lambda-Runtime-Aws-Request-Id": api.request_id,
            "LAMBDA-RUNTIME-DEADLINE-MS": str(int(time.time() * 1000) + 3000),
            "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
            **({} if api.answers else api.extra),
        }
        api.handed_out = time.perf_counter()
        self.say(200, api.events[len(api.answers)], headers, api.framing)

    def do_POST(self):
        api = self.server
        api.requests += 1
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return self.say(400, b"chunks are not accepted")
        length = int(self.headers["Content-Length"])
        if api.refuse and length > api.refuse:
            # Lambda does not read a body to its end if it is too large.
            self.close_connection = True
            self.finish_event("refused", b"")
            return self.say(413, b"too large")
        body = self.rfile.read(length)
        if self.path == "/2018-06-01/runtime/init/error":
            api.init_errors.append(json.loads(body))
            return self.say(202)
        found = re.fullmatch("/2018-06-01/runtime/invocation/(.*)/(response|error)", self.path)
        if not found or found.group(1) != api.request_id or len(api.answers) == len(api.events):
            return self.say(400, b"no such invocation")
        self.finish_event(found.group(2), body)
        self.say(202, b'{"status":"OK"}\n')

    def finish_event(self, kind, body):
        api = self.server
        api.seconds.append(time.perf_counter() - api.handed_out)
        api.said.append(self.headers)
        api.answers.append((kind, body))
        if len(api.answers) == len(api.events):
            api.all_answered.set()

    def say(self, status, body=b"", headers=(), framing="length"):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if framing == "length":
            self.send_header("Content-Length", str(len(body)))
        elif framing == "chunks":
            self.send_header("transfer-encoding", "Chunked")
        self.end_headers()
        if framing != "chunks":
            self.wfile.write(body)
            self.close_connection = self.close_connection or framing == "end"
            return
        at, size = 0, 1
        while at < len(body):
            piece = body[at : at + size]
            self.wfile.write(b"%X;extension=1\r\n%b\r\n" % (len(piece), piece))
            at, size = at + size, min(size * 7, 300_000)
        self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")


# --- running a function -------------------------------------------------------


class Run:
    """The answers, log and exit code of a function."""

    def __init__(self, api, status, log):
        self.api, self.status, self.log = api, status, log

    def response(self, index=0):
        kind, body = self.api.answers[index] if index < len(self.api.answers) else ("none", b"")
        require(kind == "response", f"event {index} was answered with {kind} {short(body)}; the log: {short(self.log)}")
        return body

    def value(self, index=0):
        return json.loads(self.response(index))

    def error(self, index=0):
        kind, body = self.api.answers[index] if index < len(self.api.answers) else ("none", b"")
        require(kind == "error", f"event {index} was answered with {kind} {short(body)}; the log: {short(self.log)}")
        error = json.loads(body)
        require_same(set(error), {"errorMessage", "errorType", "stackTrace"}, "members of an error")
        header = self.api.said[index]["Lambda-Runtime-Function-Error-Type"]
        require_same(header, error["errorType"], "error type in the header")
        return error

    def init_error(self):
        require_same(len(self.api.init_errors), 1, f"errors before the first event (the log: {short(self.log)})")
        require_same(self.status, 1, "exit code")
        return self.api.init_errors[0]


class Bench:
    """Runs functions for checks, with a tree, and in a root if there is one."""

    def __init__(self, tree, root, temp):
        self.tree, self.root, self.temp = tree, root, temp
        self.runs = 0

    def run(self, files, events, handler="main.handler", in_layer=False, environment=(), during=None, **options):
        """Runs the function in `files` (names and text) until all `events` are answered, or R has ended."""
        self.runs += 1
        task = self.temp / f"task-{self.runs}"
        task.mkdir()
        for name, text in files.items():
            (task / name).parent.mkdir(exist_ok=True)
            (task / name).write_text(text, encoding="utf-8")
        if not in_layer:
            for name in ("bootstrap", "runtime.R"):
                shutil.copy(BOOTSTRAP / name, task / name)
        events = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
        api = Api(events, **options)
        threading.Thread(target=api.serve_forever, daemon=True).start()
        command = [HERE / "r-works.sh", *(("--root", self.root) if self.root else ()), "--task", task, self.tree]
        environment = {
            **os.environ,
            "_HANDLER": handler,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
            "LANG": "C.UTF-8",
            **dict(environment),
        }
        log = open(self.temp / f"log-{self.runs}", "w+b")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                   start_new_session=True)  # fmt: skip
        try:
            if during:
                during(api, self.temp / f"log-{self.runs}")
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
            api.shutdown()
            api.server_close()
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
        log.close()
        if status == checks.MISSING:
            raise NothingWorksHere(text.strip())
        require(status is not None, f"R did not end; the log: {short(text[-2000:])}")
        return Run(api, status, text)


# --- the checks ---------------------------------------------------------------


def hello(bench):
    run = bench.run({"main.R": 'handler <- function() "Hello from planet lambdar"'}, [{}])
    require_same(run.response(), b'"Hello from planet lambdar"', "response")
    require_same(run.api.said[0]["Content-Type"], "application/json", "content type")
    require_same(run.status, 1, "exit code after status 500")
    return f"first answer {run.api.seconds[0] * 1000:.0f} ms after its event"


EVENTS = [
    {"text": "äöü € 😀 \u2028 \" \\ / \b\f\n\r\t \u0001 \x7f", "n": [0, -1, 1.5, 1e-300, 123456789012345, 0.1]},
    {"nested": [[[]], {}, [{}], {"a": {"b": [None, True, False, "x", {"": 1}]}}], "null": None},
    [], {}, "", "text", 0, 17, -2.5, True, False, None, [1], ["a"], [[1, 2], [3, 4]], {"a": [{"b": 1}, {"b": None}]},
]  # fmt: skip


def echo_is_the_same(bench):
    escaped = [json.dumps(event, ensure_ascii=True).encode() for event in EVENTS]
    plain = [json.dumps(event, ensure_ascii=False, indent=2).encode() for event in EVENTS]
    for locale in ("C.UTF-8", "C"):
        code = "options(warn = 2)\nhandler <- function(event) event"  # runtime.R itself must not raise warnings
        run = bench.run({"main.R": code}, escaped + plain, environment={"LANG": locale})
        for index, event in enumerate(EVENTS + EVENTS):
            require_same(run.value(index), event, f"echo with LANG={locale}")
    return f"{len(EVENTS)} events, escaped or not, in UTF-8 and in C"


def event_is_what_it_says(bench):
    code = r"""
        handler <- function(event) list(
            text = identical(event$text, "\u00e9\U1F600\\u0041\n") && Encoding(event$text) == "UTF-8",
            array = identical(event$array, list(1, "a", NULL, TRUE)), number = identical(event$number, 5),
            object = identical(event$object, list(b = list())),
            empty = identical(event$empty, structure(list(), names = character())),
            null = "null" %in% names(event) && is.null(event$null), sum = sum(unlist(event$numbers)),
            lone = identical(event$lone, "\ufffdx"), long = event$long == 2^53)
    """
    event = br"""{"text": "\u00E9\ud83d\ude00\\u0041\n", "array": [1, "a", null, true], "number": 5, "lone": "\uD800x",
        "object": {"b": []}, "empty": {}, "null": null, "numbers": [1, 2, 3.5], "long": 9007199254740992}"""
    value = bench.run({"main.R": code}, [event]).value()
    wrong = [name for name, right in value.items() if right is not True and name != "sum"]
    require(not wrong and value["sum"] == 6.5, f"the event differs in {wrong or 'sum'}")
    return "objects, arrays, strings, numbers, null"


VALUES = {
    "NULL": "null", "NA": "null", "c(1, NA, Inf, NaN)": "[1,null,null,null]", "1:3": "[1,2,3]", "2L": "2",
    "I(2)": "[2]", "NA_character_": "null", "character()": "[]", "list()": "[]", "c(a = 1, b = 2)": '{"a":1,"b":2}',
    "list(a = NULL, b = list(1), c = 'x')": '{"a":null,"b":[1],"c":"x"}', "list(1, a = 2)": '{"":1,"a":2}',
    "factor(c('x', NA, 'y'))": '["x",null,"y"]', "pi": "3.141592653589793", "0.1 + 0.2": "0.30000000000000004",
    "1e5": "100000", "1e-9": "1e-09", "123456789012": "123456789012", "2^53": "9007199254740992", "-1e300": "-1e+300",
    "as.Date(c('2024-02-29', NA))": '["2024-02-29",null]', "TRUE": "true", "c(TRUE, NA)": "[true,null]",
    "as.POSIXct('2024-02-29 12:00:00.25', tz = 'UTC')": '"2024-02-29T12:00:00.250Z"',
    "as.POSIXlt('2024-02-29 12:00:00', tz = 'UTC')": '"2024-02-29T12:00:00Z"', "as.POSIXct(NA)": "null",
    "data.frame(a = 1:2, b = c('x', NA), c = I(list(1, 2:3)))": '[{"a":1,"b":"x","c":1},{"a":2,"b":null,"c":[2,3]}]',
    "data.frame(a = 1)[0, , drop = FALSE]": "[]", "data.frame()": "[]", "list(data.frame(a = 1))": '[[{"a":1}]]',
    "{ d <- data.frame(a = 1:2); d$m <- matrix(1:4, 2); d$e <- data.frame(p = 1:2); d }":
        '[{"a":1,"m":[1,3],"e":{"p":1}},{"a":2,"m":[2,4],"e":{"p":2}}]',
    "{ d <- data.frame(a = 1:2); d$t <- as.POSIXlt(c(0, 1), origin = '1970-01-01', tz = 'UTC'); d }":
        '[{"a":1,"t":"1970-01-01T00:00:00Z"},{"a":2,"t":"1970-01-01T00:00:01Z"}]',
    "matrix(1:6, 2)": "[[1,3,5],[2,4,6]]", "array(1:8, c(2, 2, 2))": "[[[1,5],[3,7]],[[2,6],[4,8]]]",
    "matrix(1, 3, 0)": "[[],[],[]]", "matrix(1, 0, 3)": "[]", "matrix(1, 1, 1)": "[[1]]",
    "table(c('a', 'b', 'a'))": '{"a":2,"b":1}',
    "as.difftime(3, units = 'mins')": "3", "structure('{\"x\": 1 }', class = 'json')": '{"x": 1 }',
    "list(a = structure('[1]', class = 'json'))": '{"a":[1]}', "'\\u00e9\\u0001\"\\\\'": '"é\\u0001\\"\\\\"',
    "'\\xff'": '"\ufffd"', "{ x <- '\\xe9'; Encoding(x) <- 'latin1'; x }": '"é"', "setNames(list(1), NA)": '{"NA":1}',
    "structure(list(), names = character())": "{}", "invisible(7)": "7", "as.raw(c(123, 125, 10))": "{}\n", "raw()": "",
}  # fmt: skip


def responses_are_what_it_says(bench):
    run = bench.run({"main.R": "handler <- function(event) eval(parse(text = event))"}, list(VALUES))
    for index, (code, text) in enumerate(VALUES.items()):
        require_same(run.response(index).decode(), text, code)
    return f"{len(VALUES)} values"


def unfit_responses_are_errors(bench):
    codes = ["sum", "function(x) x", "globalenv()", "quote(a)", "list(as.raw(1))", "list(list(b = 1i))",
             "{ setClass('P', representation(x = 'numeric')); new('P', x = 1) }"]  # fmt: skip
    if not list(bench.tree.glob("**/bit64")):
        codes.append("structure(4.9406564584124654e-324, class = 'integer64')")
    run = bench.run({"main.R": "handler <- function(event) eval(parse(text = event))"}, codes + ["1"])
    for index, code in enumerate(codes):
        error = run.error(index)
        require_same(error["errorType"], "Runtime.MarshalError", f"type of the error for {code}")
        require_same(error["stackTrace"], [], "its stack")
    require_same(run.value(len(codes)), 1, "the next response")
    return f"{len(codes)} of them; the process continues"


def large_events(bench):
    rows = [{"id": i, "name": f"näme {i}", "v": [1.5, 2, i], "ok": True, "x": None} for i in range(55_000)]
    numbers = [i / 7 for i in range(250_000)]
    events = [rows, {"text": "é\\\n" * (5 * MB // 6)}, {"numbers": numbers}, "x" * (6 * MB - 2)]
    events = [json.dumps(event, ensure_ascii=False).encode() for event in events]
    code = """
        handler <- function(event) event
        peak <- function() as.numeric(gsub("[^0-9]", "", grep("VmHWM", readLines("/proc/self/status"), value = TRUE)))
        used <- function(event) if (length(event)) 0 else c(peak() * 1024, sum(proc.time()[1:2]))
    """
    for framing in ("length", "chunks", "end"):
        run = bench.run({"main.R": code}, events, framing=framing)
        for index, event in enumerate(events):
            require_same(run.value(index), json.loads(event), f"echo of a large event ({framing})")
    figures = []
    for event in events:
        run = bench.run({"main.R": code}, [[], event, []], handler="main.used")
        before, after = run.value(0), run.value(2)
        seconds = after[1] - before[1]
        figures.append(f"{len(event) / MB:.1f} MB in {seconds:.1f} s and {(after[0] - before[0]) / MB:.0f} MB")
    return f"the same by length, in chunks and until the end; read: {', '.join(figures)}"


def errors_are_told(bench):
    code = """
        deep <- function(x) {
            if (x > 0) deep(x - 1) else stop("bottom of ", x, " \u00e4")
        }
        handler <- function(event) {
            switch(event,
                stop = deep(2),
                plain = stop("no call", call. = FALSE),
                class = stop(structure(class = c("not found!", "error", "condition"), list(message = "m"))),
                internal = 1 + "a",
                missing = no_such_function(),
                match = match.arg("x", c("a", "b")),
                warning = { options(warn = 2); on.exit(options(warn = 1)); as.integer("x") },
                many = deep(100),
                endless = (f <- function() f())(),
                large = do.call(deep, list(x = runif(1e6))),
                caught = tryCatch(stop("inside"), error = function(e) "caught"))
        }
    """.replace("\n        ", "\n")
    cases = ["stop", "plain", "class", "internal", "missing", "match", "warning", "many", "endless", "large", "caught"]
    run = bench.run({"main.R": code.lstrip()}, cases)
    require_same(run.value(cases.index("caught")), "caught", "what the function itself catches")
    got = {case: run.error(index) for index, case in enumerate(cases) if case not in ("caught", "class")}
    stop = got["stop"]
    require_same(stop["errorMessage"], "bottom of 0 ä", "message")
    require_same(stop["errorType"], "simpleError", "type")
    trace = ['stop("bottom of ", x, " ä") at main.R#2', "deep(x - 1) at main.R#2", "deep(x - 1) at main.R#2",
             "deep(2) at main.R#5", "handler(event)"]  # fmt: skip
    require_same(stop["stackTrace"], trace, "stack")
    require("simpleError: bottom of 0 ä\n    stop(" in run.log, f"the error is not in the log: {short(run.log)}")
    require_same(got["plain"]["errorMessage"], "no call", "message")
    require_same(got["plain"]["stackTrace"][0], 'stop("no call", call. = FALSE) at main.R#5', "stack of call. = FALSE")
    kind, body = run.api.answers[cases.index("class")]
    require_same(json.loads(body)["errorType"], "not found!", "the class of a condition")
    header = run.api.said[cases.index("class")]["Lambda-Runtime-Function-Error-Type"]
    require_same(header, "not_found_", "the class in a header")
    require_same(got["internal"]["errorMessage"], "non-numeric argument to binary operator", "message of R's own")
    require_same(got["internal"]["stackTrace"], ["handler(event)"], "stack of an error of R's own")
    require("no_such_function" in got["missing"]["errorMessage"], "a missing function is not named")
    require(got["match"]["stackTrace"][1].startswith("match.arg("), "match.arg() is not in the stack")
    require("NAs introduced" in got["warning"]["errorMessage"], "a warning made an error has another message")
    require_same(len(got["many"]["stackTrace"]), 50, "calls of a deep recursion")
    # R does not record the calls of this one.
    require(re.search("stack usage|too deeply", got["endless"]["errorMessage"]), "message of infinite recursion")
    require(max(map(len, got["large"]["stackTrace"])) < 300, "a call that contains its data is not truncated")
    return f"{len(cases)} kinds, including infinite recursion"


def errors_before_the_first_event(bench):
    def wanted(files, kind, message, handler="main.handler"):
        error = bench.run(files, [1], handler=handler).init_error()
        require_same(error["errorType"], kind, f"type of the error with {list(files)} and {handler}")
        require(re.search(message, error["errorMessage"]), f"{message} is not in {error['errorMessage']}")
        return error

    wanted({}, "Runtime.ImportModuleError", "neither main.r nor main.R is in /var/task")
    wanted({"main.R": "f <- function() 1"}, "Runtime.HandlerNotFound", "main.R defines no function 'run'", "main.run")
    wanted({"main.R": "run <- 1"}, "Runtime.HandlerNotFound", "no function 'run'", "main.run")
    wanted({"main.R": "handler <- function( {"}, "Runtime.UserCodeSyntaxError", "main.R:1:22: unexpected '{'")
    wanted({"main.R": ""}, "Runtime.MalformedHandlerName", "is not file.function", "")
    wanted({"main.R": ""}, "Runtime.MalformedHandlerName", "is not file.function", ".R")
    code = "f <- function() stop('at once')\nf()\nhandler <- function() 1\n"
    error = wanted({"main.R": code}, "simpleError", "at once")
    require_same(error["stackTrace"], ["stop(\"at once\") at main.R#1", "f() at main.R#2"], "stack")
    wanted({"main.R": "library(nosuch); handler <- function() 1"}, "packageNotFoundError", "nosuch")
    return "missing file or function, bad name, bad syntax, an error or a missing package: reported, exit 1"


def handlers_of_every_kind(bench):
    files = {
        "main.R": """
            none <- function() nargs()
            one <- function(event) c(nargs(), event)
            two <- function(event, context) c(nargs(), event)
            many <- function(...) c(nargs(), ..1)
            more <- function(event, context, other = 3) c(nargs(), event)
            my.dotted <- function(event) "dotted"
            builtin <- identity
        """,
        "lib/more.R": "handler <- function() 'below'",
        "old.r": "handler <- function() 'small r'",
        "other.R": "source('lib/there.R')",
        "lib/there.R": "there <- function(event) 'from another file'",
    }
    handlers = {
        "main.none": 0, "main.one": [1, 7], "main.two": [2, 7], "main.many": [2, 7], "main.more": [2, 7],
        "main.my.dotted": "dotted", "main.builtin": 7, "lib/more": "below", "lib/more.handler": "below",
        "old.handler": "small r", "other.there": "from another file",
    }  # fmt: skip
    for handler, value in handlers.items():
        require_same(bench.run(files, [7], handler=handler).value(), value, handler)
    return f"{len(handlers)} of them"


def context_is_known(bench):
    code = """
        handler <- function(event, context) {
            before <- context$remaining_ms()
            Sys.sleep(0.2)
            c(context[names(context) != "remaining_ms"], before = before, after = context$remaining_ms(),
                trace = Sys.getenv("_X_AMZN_TRACE_ID", NA), directory = getwd())
        }
    """
    headers = {
        "lambda-runtime-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
        "Lambda-Runtime-Client-Context": '{"custom": {"k": ["v"]}}',
        "Lambda-Runtime-Cognito-Identity": '{"id": "x"}',
    }
    run = bench.run({"main.R": code}, [1, 2], headers=headers)
    value, without = run.value(0), run.value(1)
    require_same(value["request_id"], "id-0", "request id")
    require_same(value["function_arn"], "arn:aws:lambda:eu-west-1:123456789012:function:f", "function ARN")
    require_same(value["trace_id"], headers["lambda-runtime-trace-id"], "trace id")
    require_same(value["trace"], headers["lambda-runtime-trace-id"], "_X_AMZN_TRACE_ID")
    require_same(value["client_context"], {"custom": {"k": ["v"]}}, "client context")
    require_same(value["identity"], {"id": "x"}, "identity")
    require_same(value["directory"], "/var/task", "directory")
    require(0 < value["after"] < value["before"] - 190 <= 2810, f"time left: {value['before']}, {value['after']}")
    require(abs(value["deadline_ms"] / 1000 - time.time()) < 60, f"deadline: {value['deadline_ms']}")
    require_same([without[name] for name in ("trace_id", "client_context", "identity")], [None] * 3, "what is not sent")
    require_same(without["request_id"], "id-1", "the next request id")
    require_same(without["trace"], None, "_X_AMZN_TRACE_ID without a trace")
    return f"{value['before']:.0f} of 3000 ms were left, then {value['after']:.0f}"


def late_answers_are_sent(bench):
    code = "handler <- function(event, context) { while (context$remaining_ms() > -500) Sys.sleep(0.1); 'late' }"
    run = bench.run({"main.R": code}, [1, 2])
    require_same([run.value(0), run.value(1)], ["late", "late"], "responses half a second after the deadline")
    return "Lambda enforces the deadline; the answer is sent"


def odd_events(bench):
    events = [b"", b" \n", b"not JSON", b'{"a":1,}', b'{"a" 1}', b"[1 2]", b'"\xff"', b'"a\x00"', rb'"\u0000"',
              b'["\t"]', b"[1]]", b"[[1]", b"{]", b"01", b"1 2", b"1,2", b"nul", b'{"a":1,"b"}', b'{1:2}', b'"a":1',
              b"[,1]", b'"a', b"[1,]",
              rb'"\x41"', rb'"\u12"', b"'a'", b"NaN", b"+1", b"1.", b".5", b"{}{}", b":", b","]  # fmt: skip
    run = bench.run({"main.R": "handler <- function(event) list(event)"}, events + [b"[" * 500 + b"]" * 500])
    require_same(run.value(0), [None], "an empty event")
    for index in range(1, len(events)):
        require_same(run.error(index)["errorType"], "Runtime.InvalidEvent", f"type of the error for {events[index]!r}")
    require_same(run.error(3)["errorMessage"], "the event is not JSON: see byte 8", "message")
    require_same(run.response(len(events)), b"[" * 501 + b"]" * 501, "500 nested arrays")
    return f"{len(events) - 1} invalid events are errors, an empty one is NULL"


def the_log_is_immediate(bench):
    code = """
        handler <- function() {
            print("printed"); cat("no end of line"); message("said"); warning("warned")
            system("echo from a shell")
            Sys.sleep(5)
            1
        }
    """
    seen = {}

    def during(api, log):
        wanted = ("printed", "no end of line", "said", "warned", "from a shell")
        began = time.monotonic()
        while not all(word in log.read_text() for word in wanted):
            require(time.monotonic() - began < PATIENCE, f"in the log: {short(log.read_text())}")
            time.sleep(0.02)
        seen["answered"] = bool(api.answers)

    run = bench.run({"main.R": code}, [1], during=during)
    require_same(run.value(), 1, "response")
    require(not seen["answered"], "the log came with the answer, not before it")
    require("Warning in handler() : warned" in run.log, f"the warning is not in the log: {short(run.log)}")
    return "output, messages and warnings before the answer"


def quit_ends_the_process(bench):
    run = bench.run({"main.R": "handler <- function() quit('no', 3)"}, [1])
    require_same((run.status, run.api.answers), (3, []), "exit code and answers")
    return "without a response, as documented"


def a_thousand_events(bench):
    code = """
        handler <- function(event) {
            line <- grep("^VmRSS", readLines("/proc/self/status"), value = TRUE)
            list(rss = as.numeric(gsub("[^0-9]", "", line)) * 1024, connections = length(getAllConnections()) - 3,
                n = event$n, seconds = sum(proc.time()[1:2]))
        }
    """
    run = bench.run({"main.R": code}, [{"n": n, "text": "x" * 2000, "list": list(range(50))} for n in range(1000)])
    values = [run.value(index) for index in range(1000)]
    require_same([value["n"] for value in values], list(range(1000)), "events answered")
    growth = values[-1]["rss"] - values[99]["rss"]
    require(growth < MAX_GROWTH, f"R grew by {growth} bytes from the 100th event to the last")
    require_same({value["connections"] for value in values}, {0}, "open connections in the function")
    seconds = (values[-1]["seconds"] - values[99]["seconds"]) / 900
    require(seconds < MAX_SECONDS, f"an event takes {seconds:.3f} s of processor time")
    taken = sorted(run.api.seconds)[500]
    figures = f"{seconds * 1000:.1f} ms of processor time each, answered after {taken * 1000:.1f} ms"
    return f"{figures}; {values[-1]['rss'] / MB:.0f} MB of memory, {growth / MB:+.1f} MB since the 100th"


def a_script_that_prints(bench):
    """As in the recipe: test.r prints, and the handler is test.handler."""
    code = 'library(stats)\nx <- 6\nprint("Hello from planet lambdar")\nx * 7\ninvisible(3)\n'
    run = bench.run({"test.r": code}, [{}, b"not JSON", 1], handler="test.handler")
    for index in range(3):
        require_same(run.response(index), b"OK", "response")
    require_same(run.log.count('[1] "Hello from planet lambdar"\n[1] 42\n'), 3, "times it printed")
    code = 'if (exists("x")) stop("twice")\nx <- "/tmp/x"\nif (file.exists(x)) stop("stopped")\nfile.create(x)'
    run = bench.run({"test.R": code}, [1, 2], handler="test")
    require_same(run.response(0), b"OK", "response")
    error = run.error(1)
    require_same(error["stackTrace"], ['stop("stopped") at test.R#3'], "stack of its error")
    return "runs for each event, in a new environment; answers OK; its errors are reported"


def a_script_that_fetches_its_events(bench):
    """As in the recipe: the script fetches the event and posts the response itself."""
    plain = r"""
        # The recipe uses httr, which not every layer has.
        api <- strsplit(Sys.getenv("AWS_LAMBDA_RUNTIME_API"), ":")[[1]]
        ask <- function(...) {
            connection <- socketConnection(api[1], as.integer(api[2]), open = "r+b", blocking = TRUE, timeout = 600)
            on.exit(close(connection))
            writeLines(c(..., ""), connection, sep = "\r\n")
            readLines(connection, warn = FALSE)
        }
        event <- ask("GET /2018-06-01/runtime/invocation/next HTTP/1.0")
        if (!grepl(" 200 ", event[1])) quit("no", 5)
        id <- sub(".*: ", "", grep("aws-request-id", event, ignore.case = TRUE, value = TRUE))
        ask(paste0("POST /2018-06-01/runtime/invocation/", id, "/response HTTP/1.0"), "Content-Length: 14", "",
            '{"average": 1}')
    """
    httr = r"""
        library(httr)
        ROOT <- Sys.getenv("AWS_LAMBDA_RUNTIME_API")
        EVENT_DATA <- httr::GET(paste0("http://", ROOT, "/2018-06-01/runtime/invocation/next"))
        if (httr::status_code(EVENT_DATA) != 200) quit("no", 5)
        REQUEST_ID <- EVENT_DATA$headers$`lambda-runtime-aws-request-id`
        res <- httr::content(EVENT_DATA)
        res <- httr::POST(paste0("http://", ROOT, "/2018-06-01/runtime/invocation/", REQUEST_ID, "/response"),
            body = '{"average": 1}', encode = "raw")
    """
    scripts = {"sockets": plain, "httr": httr if list(bench.tree.glob("*/lib*/R/*library/httr")) else None}
    for name, code in scripts.items():
        if code is None:
            continue
        run = bench.run({"watcher.r": code}, [1, 2, 3], handler="watcher.handler")
        for index in range(3):
            require_same(run.value(index), {"average": 1}, f"response by {name}")
        require_same(run.api.requests, 10, f"requests of a script with {name}, for three events and the end")
    # An error is sent for the event that the script had fetched, and is only logged if it has responded already.
    fetch, respond = plain.split("        ask(paste0(", 1)
    failing = {
        "before it": "stop('before it')\n" + plain,
        "on the way": fetch + "stop('on the way')\n        ask(paste0(" + respond,
    }
    for message, code in failing.items():
        run = bench.run({"watcher.r": code}, [1, 2], handler="watcher.handler")
        for index in range(2):
            require_same(run.error(index)["errorMessage"], message, "an error of the script")
        require("failed with status" not in run.log, f"a rejection is logged: {short(run.log)}")
    run = bench.run({"watcher.r": plain + "\nstop('after it')"}, [1, 2], handler="watcher.handler")
    require_same([run.value(0), run.value(1)], [{"average": 1}] * 2, "responses before an error")
    require("after it" in run.log and "failed with status" not in run.log, f"the log: {short(run.log)}")
    run = bench.run({"watcher.r": fetch}, [1], handler="watcher.handler")
    require_same(run.error(0)["errorType"], "Runtime.NoResponse", "an event without a response")
    done = " and ".join(name for name, code in scripts.items() if code)
    return f"three events with {done}; errors are sent for the event that was fetched"


def too_large_a_response(bench):
    code = "handler <- function(event) if (event == 1) strrep('x', 7e6) else 'small'"
    run = bench.run({"main.R": code}, [1, 2], refuse=6 * MB + 100)
    require_same([kind for kind, _ in run.api.answers], ["refused", "response"], "answers")
    require_same(run.value(1), "small", "the second answer")
    return "is refused, and the next event is answered"


def packages_are_as_ever(bench):
    code = """
        handler <- function() list(
            search = search(), which = unname(Sys.which("sh")), none = unname(Sys.which("no-such-command")),
            global = ls(globalenv()), packages = Sys.getenv("R_DEFAULT_PACKAGES", NA), libraries = .libPaths(),
            child = system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote("cat(2 + 2)")), stdout = TRUE))
    """
    value = bench.run({"main.R": code}, [1]).value()
    names = ["stats", "graphics", "grDevices", "utils", "datasets", "methods"]
    wanted = [".GlobalEnv", *(f"package:{name}" for name in names), "Autoloads", "package:base"]
    require_same(value["search"], wanted, "what is attached")
    require_same((value["which"][-3:], value["none"]), ("/sh", ""), "Sys.which()")
    require_same(value["global"], "handler", "the global environment")
    require_same(value["packages"], None, "R_DEFAULT_PACKAGES")
    libraries = value["libraries"] if isinstance(value["libraries"], list) else [value["libraries"]]
    if (bench.tree / "local/lib/R/site-library").is_dir():
        require_same(libraries[0], "/opt/local/lib/R/site-library", "the first library")
    require_same(value["child"], "4", "R started from R")
    return "attached as in R itself, and only the function is in the global environment"


def in_a_layer(bench):
    """From /opt: a copy of the tree with the bootstrap in it."""
    layer = bench.temp / "layer"
    subprocess.run(["cp", "-a", "--reflink=auto", bench.tree, layer], check=True)
    for name in ("bootstrap", "runtime.R"):
        shutil.copy(BOOTSTRAP / name, layer / name)
    inside = Bench(layer, bench.root, bench.temp)
    inside.runs = 1000
    run = inside.run({"main.R": "handler <- function(event) commandArgs()"}, [1], in_layer=True)
    require("--file=/opt/runtime.R" in run.value(), f"R was started with {run.value()}")
    shutil.rmtree(layer)
    return "/opt/bootstrap finds /opt/runtime.R"


CHECKS = (
    hello,
    echo_is_the_same,
    event_is_what_it_says,
    responses_are_what_it_says,
    unfit_responses_are_errors,
    large_events,
    errors_are_told,
    errors_before_the_first_event,
    handlers_of_every_kind,
    context_is_known,
    late_answers_are_sent,
    odd_events,
    the_log_is_immediate,
    quit_ends_the_process,
    a_thousand_events,
    a_script_that_prints,
    a_script_that_fetches_its_events,
    too_large_a_response,
    packages_are_as_ever,
    in_a_layer,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="a root that image_root.py created")
    parser.add_argument("tree", type=Path, help="a tree that belongs at /opt, with R in R/")
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    if not (arguments.tree / "R/bin/Rscript").exists():
        parser.error(f"{arguments.tree} does not contain R/bin/Rscript")
    with tempfile.TemporaryDirectory(prefix="bootstrap-") as temp:
        return checks.run(CHECKS, arguments.only, Bench(arguments.tree.resolve(), arguments.root, Path(temp)))


if __name__ == "__main__":
    sys.exit(main())
