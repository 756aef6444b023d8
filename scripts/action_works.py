#!/usr/bin/env python3
"""Test the GitHub Action (action.yml) and the pre-commit hook (.pre-commit-hooks.yaml) without GitHub.

The action's steps run as on GitHub's runner: with its environment, its files for outputs and summaries, and expressions
replaced; actions/cache is left out, so the program is built. pre-commit validates the hook, then builds and runs it from a
clone of this repository. PyYAML and pre-commit are installed from PyPI into a virtual environment under target/. Both builds
use target/, where the dependencies are already built.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 77: something is missing and cannot be installed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import checks
import pypi
from checks import require

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target/action-works"
PACKAGES = ("PyYAML==6.0.3", "pre-commit==4.7.0")
# The time limit of a build, in seconds.
PATIENCE = 1800


def environment(temp):
    """The environment without variables of GitHub Actions and of Git hooks, in which this script may itself run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GIT_", "RUNNER_"))}
    return kept | {"XDG_CACHE_HOME": str(temp / "cache"), "CARGO_TARGET_DIR": str(ROOT / "target")}


class Runner:
    """Looks like one of GitHub's runners to the action."""

    def __init__(self, temp):
        import yaml

        self.action = yaml.safe_load((ROOT / "action.yml").read_text())
        self.temp, self.workspace = temp / "runner", temp / "workspace"
        self.temp.mkdir()
        self.workspace.mkdir()
        self.summary, self.output = self.temp / "summary.md", self.temp / "output"
        self.environment = environment(temp) | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
        }

    def replaced(self, text, inputs):
        """A value with its expressions replaced; others than these are an error."""
        known = {"runner.temp": str(self.temp), "runner.os": "Linux", "runner.arch": "X64"}
        known |= {f"inputs.{name}": value for name, value in inputs.items()}
        known |= {"steps.version.outputs.key": "KEY"}

        def one(match):
            require(match[1] in known, f"action.yml: unknown expression {match[0]}")
            return known[match[1]]

        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", one, text)

    def step(self, name, **inputs):
        """Runs a step; returns exit code, stdout and stderr."""
        for given, declared in self.action["inputs"].items():
            require(given in inputs or not declared.get("required"), f"input {given} is required")
            inputs.setdefault(given, declared.get("default"))
        step = next(step for step in self.action["runs"]["steps"] if step["name"] == name)
        require(step.get("shell") == "bash", f"{name}: a step with `run` needs a shell")
        # Text that is inserted into a script could itself be run.
        require("${{" not in step["run"], f"{name}: an expression in a script")
        values = {name: self.replaced(str(value), inputs) for name, value in step.get("env", {}).items()}
        directory = self.workspace / self.replaced(step.get("working-directory", "."), inputs)
        script = self.temp / "script.sh"
        script.write_text(step["run"])
        # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax: what `shell: bash` runs.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
        done = subprocess.run(
            command, env=self.environment | values, cwd=directory, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.returncode, done.stdout, done.stderr


def tree(directory, *, broken=False):
    """Creates a small tree, which is fine, or has a bootstrap that is not executable."""
    (directory / "lib").mkdir(parents=True)
    (directory / "lib/data").write_text("one\n")
    if broken:
        (directory / "bootstrap").write_text("#!/bin/sh\n")
        (directory / "bootstrap").chmod(0o644)


def the_action_checks(temp):
    """Every step of the action, on trees that pass and one that fails."""
    runner = Runner(temp)
    require(runner.action["runs"]["using"] == "composite", "not a composite action")
    code, out, err = runner.step("Find the version", paths="x")
    require(code == 0, f"Find the version: {out}{err}")
    require(re.fullmatch(r"key=[0-9a-f]{32}\n", runner.output.read_text()), runner.output.read_text())
    cache = next(step for step in runner.action["runs"]["steps"] if step["name"] == "Restore from the cache")
    cached = Path(runner.replaced(cache["with"]["path"], {}))
    require(re.fullmatch(r"layerfit-\w+-\w+-KEY", runner.replaced(cache["with"]["key"], {})), "the cache's key")
    code, out, err = runner.step("Build layerfit", paths="x")
    require(code == 0, f"Build layerfit: {out}{err}")
    require((cached / "bin/layerfit").exists(), f"the cached directory has no layerfit: {cached}")

    tree(runner.workspace / "my tree")
    tree(runner.workspace / "sub/broken", broken=True)
    code, out, err = runner.step("Check", paths="my tree\n", args="--runtime provided.al2\n --jobs 1")
    require(code == 0 and "Runtime: provided.al2." in out, f"a tree that passes: {code} {out}{err}")
    require(runner.summary.read_text().count("# ") > 0, "no summary")
    runner.summary.unlink()
    code, out, err = runner.step("Check", paths="broken", **{"working-directory": "sub"})
    require(code == 1, f"a tree that fails: {code} {out}{err}")
    require(re.search(r"^::error file=.*bootstrap", err, re.M), f"no annotation: {err}")
    require("bootstrap" in runner.summary.read_text(), "the summary lacks the finding")
    # The content of an input is an argument, never a command.
    code, out, err = runner.step("Check", paths="$(touch evil); `touch evil`", args="; touch evil")
    require(code == 2 and not list(runner.workspace.rglob("evil")), f"inputs are run: {code} {out}{err}")
    return "builds, passes and fails as it should, with annotations and summary"


def the_hook_is_sound(temp):
    """pre-commit accepts the hook's manifest."""
    command = [HOME / "bin/pre-commit", "validate-manifest", ".pre-commit-hooks.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    require(done.returncode == 0, done.stdout + done.stderr)
    return "by pre-commit's own rules"


def the_hook_checks(temp):
    """pre-commit builds the hook from a clone, and it passes and fails as it should."""
    outside = environment(temp) | {"PRE_COMMIT_HOME": str(temp / "pre-commit")}

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
    tree(user / "opt/more", broken=False)
    (user / "opt/bootstrap").write_text("#!/bin/sh\n")
    said = run(HOME / "bin/pre-commit", "run", "--all-files", cwd=user, code=1)
    require("Failed" in said and "bootstrap" in said, said)
    return "built by pre-commit; passes, and fails with the finding"


CHECKS = (the_action_checks, the_hook_is_sound, the_hook_checks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    pypi.enter("action-works", PACKAGES)
    return checks.run_apart(CHECKS, arguments.only, lambda temp: temp)


if __name__ == "__main__":
    sys.exit(main())
