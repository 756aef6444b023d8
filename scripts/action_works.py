#!/usr/bin/env python3
"""Test the GitHub Action (action.yml) and the pre-commit hook (.pre-commit-hooks.yaml) without GitHub.

The action's steps run as on GitHub's runner: in order, with its environment, its files for outputs, paths and summaries, their
conditions, and expressions replaced. A server on the loopback interface has a release, whose archive is made by scripts/dist.py
from the program in target/release, and the comments of a pull request. actions/cache is left out, so what has no release is
built. The hook's manifest is validated by pre-commit, which then runs it from a clone of this repository, and from a wheel.
PyYAML and pre-commit are installed from PyPI into a virtual environment under target/.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 77: something is missing and cannot be installed.
"""

import argparse
import functools
import hashlib
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import checks
import dist
import pypi
from checks import require, require_in, require_same

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target/action-works"
LAYERFIT = ROOT / "target/release/layerfit"
PACKAGES = ("PyYAML==6.0.3", "pre-commit==4.7.0")
# The time limit of a command, in seconds.
PATIENCE = 1800
# The repository of the action, and the one that uses it.
ACTION, USER = "owner/layerfit", "user/layers"


def environment(temp):
    """The environment without variables of GitHub Actions and of Git hooks, in which this script may itself run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GIT_", "RUNNER_"))}
    homes = {"XDG_CACHE_HOME": str(temp / "cache"), "XDG_STATE_HOME": str(temp / "state")}
    return kept | homes | {"CARGO_TARGET_DIR": str(ROOT / "target")}


class GitHub:
    """A server with releases (files by path) and with the comments of pull request 7, which only a token may write."""

    TOKEN = "secret-token"

    def __init__(self):
        self.releases, self.comments, self.requests = {}, [], []
        github = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                if path == f"/api/repos/{USER}/issues/7/comments":
                    page = int(dict(pair.split("=") for pair in query.split("&"))["page"])
                    self.answer(200, json.dumps(github.comments[100 * (page - 1) : 100 * page]).encode())
                else:
                    content = github.releases.get(path)
                    self.answer(404 if content is None else 200, content or b"Not Found")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["Authorization"] != f"Bearer {github.TOKEN}":
                    self.answer(403, b"{}")
                elif self.path == f"/api/repos/{USER}/issues/7/comments":
                    github.comments.append({"id": len(github.comments) + 1, **body})
                    self.answer(201, b"{}")
                else:
                    number = int(self.path.removeprefix(f"/api/repos/{USER}/issues/comments/"))
                    github.comments[number - 1] |= body
                    self.answer(200, b"{}")

            do_PATCH = do_POST

            def answer(self, status, content):
                github.requests.append((self.command, self.path, status))
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def release(self, version, archive):
        """Adds a release with an archive and its checksum."""
        path = f"/{ACTION}/releases/download/v{version}"
        name = f"layerfit-{version}-{dist.target(platform.machine())}.tar.gz"
        self.releases[f"{path}/{name}"] = archive
        sums = f"{'0' * 64}  another.whl\n{hashlib.sha256(archive).hexdigest()}  {name}\n"
        self.releases[f"{path}/SHA256SUMS"] = sums.encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Runner:
    """Runs the action as one of GitHub's runners."""

    def __init__(self, temp):
        import yaml

        self.action = yaml.safe_load((ROOT / "action.yml").read_text())
        require_same(self.action["runs"]["using"], "composite", "runs.using")
        self.github = GitHub()
        self.temp, self.workspace = temp / "runner", temp / "workspace"
        self.workspace.mkdir()
        self.environment = environment(temp) | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": f"{self.github.url}/api",
            "GITHUB_REPOSITORY": USER,
            "GITHUB_SERVER_URL": self.github.url,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
        }

    def close(self):
        self.github.close()

    def value(self, expression):
        """The value of an expression of contexts, operators and literals; others than these contexts are an error."""

        def context(match):
            name = match[0]
            if name.startswith("'") or name == "cancelled":
                return name
            step = re.fullmatch(r"steps\.(\w+)\.outputs\.([\w-]+)", name)
            require(step or name in self.contexts, f"action.yml: unknown context {name}")
            return repr(self.outputs.get(step[1], {}).get(step[2], "") if step else self.contexts[name])

        python = re.sub(r"'[^']*'|[a-zA-Z][\w.-]*", context, expression)
        python = python.replace("&&", " and ").replace("||", " or ").replace("!cancelled()", "True")
        return eval(python)

    def replaced(self, text):
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: str(self.value(match[1])), str(text))

    def run(self, *, repository=ACTION, event="pull_request", **inputs):
        """Runs the action; returns its exit code, its outputs and what it prints. Inputs have `_` instead of `-`."""
        shutil.rmtree(self.temp, ignore_errors=True)
        self.temp.mkdir()
        self.outputs, self.ran, self.summary, printed, failed = {}, [], "", "", 0
        self.contexts = {
            "github.action_repository": repository, "github.event_name": event, "github.event.number": "7",
            "github.job": "layers", "github.token": GitHub.TOKEN, "github.workflow": "ci",
            "runner.arch": "X64", "runner.os": "Linux", "runner.temp": str(self.temp),
        }
        inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        require(set(inputs) <= set(self.action["inputs"]), f"unknown inputs in {set(inputs)}")
        for name, declared in self.action["inputs"].items():
            require(name in inputs or not declared.get("required"), f"input {name} is required")
            self.contexts[f"inputs.{name}"] = inputs.get(name, self.replaced(declared.get("default", "")))
        for step in self.action["runs"]["steps"]:
            # GitHub adds `success() &&` to a condition that has no such function.
            condition = step.get("if", "!cancelled()" if not failed else "")
            if (failed and "cancelled()" not in condition) or not self.value(condition):
                continue
            self.ran.append(step["name"])
            if "uses" in step:
                self.cached = {name: self.replaced(value) for name, value in step["with"].items()}
                continue
            code, said = self.step(step)
            printed, failed = printed + said, failed or code
        outputs = {name: self.replaced(declared["value"]) for name, declared in self.action["outputs"].items()}
        return failed, outputs, printed

    def step(self, step):
        """Runs a step; returns its exit code and what it prints."""
        name = step["name"]
        require_same(step.get("shell"), "bash", f"{name}: the shell")
        # Text that is inserted into a script could itself be run.
        require("${{" not in step["run"], f"{name}: an expression in a script")
        files = {key: self.temp / f"_{key.lower()}" for key in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        values = {name: self.replaced(value) for name, value in step.get("env", {}).items()}
        directory = self.workspace / self.replaced(step.get("working-directory", "."))
        script = self.temp / "_script.sh"
        script.write_text(step["run"])
        # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax: what `shell: bash` runs.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
        variables = self.environment | {key: str(file) for key, file in files.items()} | values
        done = subprocess.run(command, env=variables, cwd=directory, capture_output=True, text=True, timeout=PATIENCE)
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        self.outputs[step.get("id", name)] = dict(line.split("=", 1) for line in lines)
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return done.returncode, done.stdout + done.stderr


def tree(directory, *, broken=False):
    """Creates a small tree, which is fine, or has a bootstrap that is not executable."""
    (directory / "lib").mkdir(parents=True)
    (directory / "lib/data").write_text("one\n")
    if broken:
        (directory / "bootstrap").write_text("#!/bin/sh\n")
        (directory / "bootstrap").chmod(0o644)


@functools.cache
def archive():
    """The archive of a release of this version, made from the built program."""
    name, path = dist.archive_name(platform.machine()), HOME / "archive.tar.gz"
    dist.write_archive(path, name, {"layerfit": (0o755, LAYERFIT.read_bytes())}, effort=1)
    return path.read_bytes()


def version():
    return dist.package()["version"]


def the_action_takes_a_release(temp):
    """The program of the release is checked and installed, nothing is built, and the checks pass and fail as they should."""
    runner = Runner(temp)
    runner.github.release(version(), archive())
    code, outputs, said = runner.run()
    require_same((code, outputs["version"]), (0, version()), said)
    require_same(runner.ran, ["Download layerfit", "Install layerfit"], "without paths, the steps")

    tree(runner.workspace / "my tree")
    tree(runner.workspace / "sub/broken", broken=True)
    code, outputs, said = runner.run(paths="my tree\n", args="--runtime provided.al2\n --jobs 1", event="push")
    require(code == 0 and "Runtime: provided.al2" in said, f"a tree that passes: {code} {said}")
    require_same(runner.ran, ["Download layerfit", "Install layerfit", "Check"], "the steps")
    require_same(outputs["result"], "pass", "the result")
    require(runner.summary.count("# ") > 0, "no summary")
    require_same(Path(outputs["report"]).read_text(), runner.summary, "the report")

    code, outputs, said = runner.run(paths="broken", working_directory="sub")
    require_same((code, outputs["result"]), (1, "fail"), f"a tree that fails: {said}")
    require(re.search(r"^::error file=.*bootstrap", said, re.M), f"no annotation: {said}")
    require_in("bootstrap", runner.summary, "the summary")
    # The content of an input is an argument, never a command.
    code, outputs, said = runner.run(paths="$(touch evil); `touch evil`", args="; touch evil")
    require_same((code, outputs["result"]), (2, "error"), said)
    require(not list(temp.rglob("evil")), f"inputs are run: {said}")
    return "passes and fails as it should, with annotations, summary and outputs"


def the_action_refuses_a_wrong_archive(temp):
    """An archive with another checksum, or one that was asked for and is not there, ends the job."""
    runner = Runner(temp)
    runner.github.release("0.0.1", archive())
    for name in runner.github.releases:
        if name.endswith(".tar.gz"):
            runner.github.releases[name] += b"x"
    code, _, said = runner.run(version="0.0.1")
    require_same((code, runner.ran), (1, ["Download layerfit"]), said)
    require_in("FAILED", said, "another checksum")
    runner.github.releases = {name: file for name, file in runner.github.releases.items() if "SUMS" not in name}
    for wrong in ("0.0.1", "v0.0.2"):
        code, _, said = runner.run(version=wrong)
        require_same((code, runner.ran), (1, ["Download layerfit"]), said)
        require_in("::error title=layerfit::", said, f"version {wrong}")
    return "wrong checksum, no checksum, no such release"


def the_action_comments_once(temp):
    """The comment is made once and then changed, whatever else is there; without the permission, the check still counts."""
    runner = Runner(temp)
    runner.github.release(version(), archive())
    tree(runner.workspace / "good")
    tree(runner.workspace / "bad", broken=True)
    comments = runner.github.comments
    comments += [{"id": number, "body": "<!-- other -->"} for number in range(1, 151)]
    for paths, code, count in (("good", 0, 151), ("bad", 1, 152), ("bad", 1, 152), ("good", 0, 152)):
        found, _, said = runner.run(paths=paths, comment="true")
        require_same((found, len(comments), runner.ran[-1]), (code, count, "Comment"), f"{paths}: {said}")
        require(GitHub.TOKEN not in said, f"the token is printed: {said}")
    require_in("C105", comments[151]["body"], "the comment")
    # The same use with another outcome: the same comment.
    (runner.workspace / "bad/bootstrap").chmod(0o755)
    runner.run(paths="bad", comment="true")
    require_same(len(comments), 152, "the number of comments")
    require("C105" not in comments[151]["body"], f"the old report: {comments[151]['body']}")
    code, _, said = runner.run(paths="good", comment="true", token="")
    require(code == 0 and "::warning title=layerfit::" in said, f"without a token: {code} {said}")
    runner.run(paths="good", comment="true", event="push")
    require_same(runner.ran[-1], "Check", "the last step after a push")
    return "made, found on the second page of comments, and changed"


def the_action_builds_from_source(temp):
    """What was not released is built from the sources, into the directory that is cached."""
    runner = Runner(temp)
    tree(runner.workspace / "opt")
    code, outputs, said = runner.run(paths="opt")
    require_same((code, outputs["result"], outputs["version"]), (0, "pass", version()), said)
    require_in("is built from source", said, "the log")
    require_in("Build layerfit", runner.ran, "the steps")
    require(re.fullmatch(r"layerfit-Linux-X64-[0-9a-f]{32}", runner.cached["key"]), f"the key {runner.cached['key']}")
    require((Path(runner.cached["path"]) / "bin/layerfit").exists(), f"{runner.cached['path']} has no layerfit")
    asked = len(runner.github.requests)
    runner.run(version="source")
    require_same(len(runner.github.requests), asked, "requests for `version: source`")
    return "with a cache key of its sources"


def the_hook_is_sound(temp):
    """pre-commit accepts the hook's manifest."""
    command = [HOME / "bin/pre-commit", "validate-manifest", ".pre-commit-hooks.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    require(done.returncode == 0, done.stdout + done.stderr)
    return "by pre-commit's own rules"


# Instead of cargo, as building a clone takes minutes: puts the built program where `cargo install` would.
CARGO = """#!/bin/bash
[ "$1" = install ] || exec {cargo} "$@"
echo "$*" >"$0.log"
while [ $# -gt 1 ] && [ "$1" != --root ]; do shift; done
install -D {layerfit} "$2/bin/layerfit"
"""


def the_hook_checks(temp):
    """pre-commit installs the hook from a clone with cargo, and it passes and fails as it should."""
    cargo = temp / "bin/cargo"
    cargo.parent.mkdir()
    cargo.write_text(CARGO.format(cargo=shutil.which("cargo"), layerfit=LAYERFIT))
    cargo.chmod(0o755)
    outside = environment(temp) | {"PRE_COMMIT_HOME": str(temp / "pre-commit")}
    outside["PATH"] = f"{cargo.parent}:{outside['PATH']}"

    def run(*command, cwd, code=0):
        done = subprocess.run(command, cwd=cwd, env=outside, capture_output=True, text=True, timeout=PATIENCE)
        said = done.stdout + done.stderr
        require(done.returncode == code, f"{command[:3]} exits {done.returncode}: {said}")
        return said

    # A new repository of the working tree, with changes that are not committed.
    source = temp / "layerfit"
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), listed):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    user = temp / "user"
    tree(user / "opt")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for repository in (source, user):
        run("git", "init", "-q", cwd=repository)
        run("git", "add", "-A", cwd=repository)
        run("git", *who, "commit", "-qm", "x", cwd=repository)
    revision = run("git", "rev-parse", "HEAD", cwd=source).strip()
    (user / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks:\n  - id: layerfit-check\n    args: [opt]\n"
    )
    run("git", "add", "-A", cwd=user)
    said = run(HOME / "bin/pre-commit", "run", "--all-files", cwd=user)
    require("Passed" in said, said)
    require_in("install --bins --root", Path(f"{cargo}.log").read_text(), "pre-commit runs cargo")
    tree(user / "opt/more", broken=False)
    (user / "opt/bootstrap").write_text("#!/bin/sh\n")
    said = run(HOME / "bin/pre-commit", "run", "--all-files", cwd=user, code=1)
    require("Failed" in said and "bootstrap" in said, said)
    return "installed by pre-commit; passes, and fails with the finding"


CHECKS = (
    the_action_takes_a_release,
    the_action_refuses_a_wrong_archive,
    the_action_comments_once,
    the_action_builds_from_source,
    the_hook_is_sound,
    the_hook_checks,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    pypi.enter("action-works", PACKAGES)
    return checks.run_apart(CHECKS, arguments.only, lambda temp: temp)


if __name__ == "__main__":
    sys.exit(main())
