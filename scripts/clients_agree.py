#!/usr/bin/env python3
"""Verify that functions in Python and JavaScript answer in `layerfit invoke` as they do with AWS's own runtime clients.

usage: clients_agree.py [--layerfit PROGRAM] [--only NAME]...

The clients (awslambdaric from PyPI, aws-lambda-ric from npm) are downloaded into target/clients. Each function runs twice in the
sandbox of `layerfit invoke`: with layerfit's client, and with AWS's, which a module of the function starts instead. Responses,
types and messages of errors are the same, and so are stack traces, up to the frames of the clients. AWS's client for Node.js has
a native part that only its build makes; here, a few lines of JavaScript do what that does.

Each check prints one line: "ok NAME: figures", "FAILED NAME: what" or "skipped NAME: why". Exit 0: none failed; 1: some failed;
2: wrong arguments.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import checks
from checks import Skipped, require_same

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target/clients"
PYTHON_CLIENT = ["awslambdaric==4.2.2", "simplejson==3.20.2", "snapshot-restore-py==1.0.0"]
NODE_CLIENT = "aws-lambda-ric@3.3.0"

PYTHON = r"""
import collections, decimal, json
Point = collections.namedtuple("Point", "x y")
class Own(Exception): pass
def echo(event, context): return event
def numbers(event, context): return [decimal.Decimal("12"), decimal.Decimal("0.5"), 1e300, 2**70, True, None, float("inf")]
def text(event, context): return {"ä": "€\u2028\U0001f600", "tab": "\t", 1: [(), {}], None: ""}
def named(event, context): return Point(1, Point([2], "z"))
def nothing(event, context): pass
def raw(event, context): return b"[1]"
def bad(event, context): return {"a": {1}}
def cycle(event, context):
    value = []; value.append(value); return value
def fails(event, context):
    return deeper(event)
def deeper(event): raise Own("ä", 1)
def empty(event, context): raise ValueError
def chained(event, context):
    try: deeper(event)
    except Own as error: raise KeyError("outer") from error
def context(event, context):
    return [context.aws_request_id, context.function_name, context.function_version, context.memory_limit_in_mb, context.log_group_name,
        context.log_stream_name, context.invoked_function_arn, context.client_context, context.identity.cognito_identity_id]
"""

PYTHON_SHIM = r"""
import os, sys
sys.path.insert(0, "/opt/client")
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient
bootstrap.run(os.environ["REAL_HANDLER"], LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))
"""

NODE = r"""
class Own extends Error { constructor(text) { super(text); this.name = "Own"; this.code = 5; } }
exports.echo = async (event) => event;
exports.values = async () => ({ a: undefined, b: NaN, c: new Date(0), d: [undefined, () => 1], e: "€\u2028", f: 1e300 });
exports.nothing = async () => {};
exports.sync = () => 5;
exports.never = () => new Promise(() => {});
exports.callback = (event, context, callback) => setTimeout(() => callback(null, [1]), 5);
exports.callbackError = (event, context, callback) => callback(new Own("by callback"));
exports.callbackText = (event, context, callback) => callback("text");
exports.done = (event, context) => context.done(null, "done");
exports.failed = (event, context) => context.fail(new Own("failed"));
exports.cycle = async () => { const value = {}; value.value = value; return value; };
exports.big = async () => ({ n: 10n });
exports.fails = async () => deeper();
function deeper() { throw new Own("deep"); }
exports.thrown = () => deeper();
exports.text = async () => { throw "text"; };
exports.object = async () => { throw { a: 1 }; };
exports.later = () => { setTimeout(() => { throw new Own("uncaught"); }, 5); return new Promise(() => {}); };
exports.rejected = async () => { Promise.reject(new Own("unhandled")); await new Promise((done) => setTimeout(done, 50)); };
exports.stream = awslambda.streamifyResponse(async (event, stream) => { stream.setContentType("application/json"); stream.write("[1,"); stream.write("2]"); stream.end(); });
exports.context = async (event, context) => [context.awsRequestId, context.functionName, context.functionVersion, context.memoryLimitInMB,
  context.logGroupName, context.logStreamName, context.invokedFunctionArn, context.clientContext, context.identity, context.callbackWaitsForEmptyEventLoop];
exports.nested = { deep: { handler: async () => "nested" } };
"""

NODE_SHIM = r"""
import http from "node:http";
import Module from "node:module";
for (const name of ["uncaughtException", "unhandledRejection", "beforeExit"]) process.removeAllListeners(name);
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
let posted = Promise.resolve();
const ask = (method, path, body, headers) => new Promise((resolve, reject) => {
  const request = http.request({ host, port, method, path: "/2018-06-01/runtime/invocation/" + path, headers, agent: false }, (response) => {
    let text = ""; response.setEncoding("utf8"); response.on("data", (part) => (text += part)); response.on("end", () => resolve({ bodyJson: text, headers: response.headers }));
  });
  request.on("error", reject); request.end(body);
});
const native = {
  initializeClient() {},
  next: () => posted.then(() => ask("GET", "next")),
  done: (id, body) => { posted = ask("POST", id + "/response", body, { "Content-Type": "application/json" }); },
  error: (id, body) => { posted = ask("POST", id + "/error", body, { "Lambda-Runtime-Function-Error-Type": JSON.parse(body).errorType }); },
};
// What the native part posts is sent when it returns.
const exit = process.exit.bind(process);
process.exit = (code) => { posted.finally(() => exit(code)); };
Module._extensions[".node"] = (module) => { module.exports = native; };
const { run } = await import("/opt/client/package/dist/index.mjs");
await run("/var/task", process.env.REAL_HANDLER);
await new Promise(() => {});
"""

# Handlers that do not start.
PYTHON_WRONG = ["cases", "sys.exit", "nope.handler", "syntax.handler", "cases.other", "raises.handler", "imports.handler"]
NODE_WRONG = ["cases", "../cases.echo", "nope.handler", "syntax.handler", "cases.other", "raises.handler", "imports.handler"]


def download():
    """The clients, in a directory that will be /opt/client."""
    for language in ("python", "node"):
        # awslambdaric has a native part, which is for one version of Python.
        wanted = " ".join([*PYTHON_CLIENT, NODE_CLIENT, *map(str, sys.version_info[:2])])
        stamp = WORK / language / "installed"
        if stamp.exists() and stamp.read_text() == wanted:
            continue
        new = WORK / f"{language}.new"
        shutil.rmtree(new, ignore_errors=True)
        (new / "client").mkdir(parents=True)
        if language == "python":
            done = subprocess.run(["python3", "-m", "pip", "install", "--quiet", "--target", new / "client", *PYTHON_CLIENT], check=False)
        else:
            done = subprocess.run(["npm", "pack", "--silent", NODE_CLIENT], cwd=new, stdout=subprocess.DEVNULL, check=False)
            for archive in new.glob("*.tgz"):
                shutil.unpack_archive(archive, new / "client", "gztar", **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
                (new / "client/package/dist/rapid-client.node").write_text("")
        if done.returncode:
            raise Skipped("the registry cannot be reached")
        (new / "installed").write_text(wanted)
        shutil.rmtree(WORK / language, ignore_errors=True)
        new.rename(WORK / language)


def answers(layerfit, language, runtime, handler, aws):
    with tempfile.TemporaryDirectory(prefix="layerfit-") as temporary:
        code = Path(temporary)
        code.chmod(0o755)
        suffix, cases, shim = (".py", PYTHON, PYTHON_SHIM) if language == "python" else (".js", NODE, NODE_SHIM)
        (code / f"cases{suffix}").write_text(cases)
        (code / f"syntax{suffix}").write_text("def (:\n" if language == "python" else "exports = (;\n")
        (code / f"raises{suffix}").write_text('raise ValueError("at import")\n' if language == "python" else 'throw new TypeError("at import");\n')
        (code / f"imports{suffix}").write_text("import nowhere.x\n" if language == "python" else 'require("nowhere");\n')
        (code / ("shim.py" if language == "python" else "shim.mjs")).write_text(shim)
        (code / "event.json").write_text('{"a": [1, 2.5, "ä", null, true, 123456789012345678]}')
        given = ["--handler", "shim.handler", "--env", f"REAL_HANDLER={handler}"] if aws else ["--handler", handler]
        command = [layerfit, "invoke", WORK / language, "--code", code, "--runtime", runtime, "--event", code / "event.json", "--timeout", "120", *given]
        # _HANDLER is in no answer.
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stdout.decode().strip(), done.stderr.decode()


def compared(layerfit, language, runtime, handlers):
    download()
    for handler in handlers:
        ours, theirs = (answers(layerfit, language, runtime, handler, aws) for aws in (False, True))
        require_same(ours[0], theirs[0], f"exit code of {handler} ({ours[1]} {ours[2][-400:]} / {theirs[1]} {theirs[2][-400:]})")
        if ours[1] == theirs[1]:
            continue
        a, b = json.loads(ours[1]), json.loads(theirs[1])
        if all(isinstance(answer, dict) and "trace" in answer for answer in (a, b)):
            # Their own frames are below.
            traces = [[line.replace(" [as handler]", "") for line in answer.pop("trace")] for answer in (a, b)]
            # The modules that require what is missing are those of the clients.
            traces = [trace[: trace.index("Require stack:")] if "Require stack:" in trace else trace for trace in traces]
            require_same(traces[0][1:], traces[1][1 : len(traces[0])], f"the trace of {handler}")
        if isinstance(a, dict) and "Require stack" in a.get("errorMessage", ""):
            a["errorMessage"], b["errorMessage"] = (text["errorMessage"].split("\n")[0] for text in (a, b))
        require_same(a, b, f"the answer of {handler}")
    return f"{len(handlers)} functions answer alike in {runtime}"


def names(code, before):
    import re

    return re.findall(before, code, re.MULTILINE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layerfit", default=ROOT / "target/release/layerfit")

    def functions_in_python_answer_alike():
        runtime = "python%d.%d" % sys.version_info[:2]
        handlers = [f"cases.{name}" for name in names(PYTHON, r"^def (\w+)\(event, context\)")]
        return compared(arguments.layerfit, "python", runtime, handlers + PYTHON_WRONG)

    def functions_in_javascript_answer_alike():
        if not shutil.which("node"):
            raise Skipped("there is no node")
        version = subprocess.run(["node", "-p", "process.versions.node.split('.')[0]"], stdout=subprocess.PIPE, check=True)
        handlers = [f"cases.{name}" for name in names(NODE, r"^exports\.(\w+) =") if name != "nested"] + ["cases.nested.deep.handler"]
        return compared(arguments.layerfit, "node", f"nodejs{version.stdout.decode().strip()}.x", handlers + NODE_WRONG)

    all_checks = [functions_in_python_answer_alike, functions_in_javascript_answer_alike]
    checks.add_arguments(parser, all_checks)
    arguments = parser.parse_args()
    return checks.run(all_checks, arguments.only)


if __name__ == "__main__":
    sys.exit(main())
