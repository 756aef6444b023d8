#!/usr/bin/env python3
"""Check layerfit's output for other programs with third-party validators.

SARIF is validated against the schema of its standard (OASIS), JUnit XML is read by junitparser, and JSON and layerfit.toml
are validated against layerfit's own schemas in docs/ by jsonschema. Valid documents are also damaged, and must then be
refused: this detects a validator that accepts everything. The packages are installed from PyPI into a virtual environment
under target/.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 77: something is missing and cannot be installed.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import checks
import pypi
from checks import require

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("jsonschema==4.26.0", "junitparser==5.0.3", "tomli==2.5.0")
PATIENCE = 120


class Bench:
    """A tree with errors, warnings and notes, and with names that are special in XML and URIs."""

    def __init__(self, layerfit, temp):
        self.layerfit, self.temp = layerfit, temp
        self.tree = temp / "opt"
        self.add("R/lib/R/bin/R", "#!/bin/sh\nR_HOME_DIR=/opt/R/lib/R\n").chmod(0o755)
        for name in ("base", "stats", "utils"):
            package = f"R/lib/R/library/{name}"
            self.add(f"{package}/DESCRIPTION", f"Package: {name}\nVersion: 4.2.2\nBuilt: R 4.2.2; ; ; unix\n")
            self.add(f"{package}/Meta/package.rds", "rds")
            self.add(f"{package}/help/{name}.rdb", "help" * 50)
        self.add('share/<b> & "ü",%20 x', "x")
        os.symlink("b", self.tree / "share/a")
        os.symlink("a", self.tree / "share/b")
        os.symlink("gone", self.tree / 'share/<i>&amp;"')

    def add(self, path, text):
        path = self.tree / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words, codes=(0, 1)):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.temp), "XDG_CACHE_HOME": str(self.temp / "cache")}
        words = [str(word) for word in words]
        done = subprocess.run(
            [self.layerfit, *words], cwd=self.temp, env=environment, capture_output=True, timeout=PATIENCE
        )
        require(done.returncode in codes, f"layerfit {' '.join(words)} exits {done.returncode}: {done.stderr.decode()}")
        return done.stdout

    def json(self, *words):
        return json.loads(self.run(*words, "--format", "json"))


def errors_of(document, schema):
    from jsonschema import validators

    kind = validators.validator_for(schema)
    kind.check_schema(schema)
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in kind(schema).iter_errors(document)]


def require_valid(document, schema, what):
    errors = errors_of(document, schema)
    require(not errors, f"{what}: {len(errors)} errors, the first is {errors[:1]}")


def require_refused(document, schema, what):
    require(errors_of(document, schema), f"{what} is accepted")


def schema(name):
    return json.loads((ROOT / "docs" / f"{name}.schema.json").read_text())


def sarif_is_as_its_standard_says(bench):
    standard = json.loads((ROOT / "tests/data/sarif-2.1.0.schema.json").read_text())
    results = 0
    for command in (["analyze", bench.tree], ["plan", bench.tree], ["check", bench.tree]):
        document = json.loads(bench.run(*command, "--format", "sarif"))
        require_valid(document, standard, f"{command[0]} --format sarif")
        results += len(document["runs"][0]["results"])
    require(results > 6, f"only {results} results")
    damaged = copy.deepcopy(document)
    damaged["runs"][0]["results"][0]["level"] = "fatal"
    require_refused(damaged, standard, "a level that SARIF does not have")
    return f"{results} results of three commands"


def junit_is_read(bench):
    from junitparser import Failure, JUnitXml

    bench.run("check", bench.tree, "--format", "junit")
    path = bench.temp / "junit.xml"
    path.write_bytes(bench.run("check", bench.tree, "--format", "junit"))
    suites = list(JUnitXml.fromfile(str(path)))
    cases = [case for suite in suites for case in suite]
    failed = {case.name.split()[0] for case in cases if any(isinstance(result, Failure) for result in case.result)}
    found = {f["code"] for f in bench.json("check", bench.tree)["findings"] if f["severity"] == "error"}
    require(failed == found, f"failed cases {sorted(failed)}, codes of errors {sorted(found)}")
    counted = sum(suite.failures for suite in suites)
    require(counted == len(failed), f"the suites count {counted} failures, and {len(failed)} cases failed")
    return f"{len(cases)} cases, {len(failed)} failed"


def json_is_as_its_schema_says(bench):
    report, why, diff = schema("report"), schema("why"), schema("diff")
    out = bench.temp / "out"
    bench.run("pack", bench.tree, "-o", out)
    documents = {
        "analyze": (bench.json("analyze", bench.tree), report),
        "plan": (bench.json("plan", bench.tree, "--select", "extra"), report),
        "check of a tree": (bench.json("check", bench.tree), report),
        "check of zips": (bench.json("check", out), report),
        "manifest.json": (json.loads((out / "manifest.json").read_text()), report),
        "why": (bench.json("why", "pkg:stats", bench.tree), why),
        "why --if-dropped": (bench.json("why", "--if-dropped", "pkg:stats", bench.tree), why),
    }
    bench.add("share/new", "new")
    documents["diff"] = (bench.json("diff", out, bench.tree), diff)
    for name, (document, its) in documents.items():
        require_valid(document, its, name)
        require_refused({**document, "schema": "one"}, its, f"{name} with a wrong schema number")
    return f"{len(documents)} documents: {', '.join(documents)}"


def layerfit_toml_is_as_its_schema_says(bench):
    import tomli

    its = schema("layerfit")
    bench.run("init", bench.tree)
    path = bench.temp / "layerfit.toml"
    text = path.read_text()
    require_valid(tomli.loads(text), its, "what init writes")
    # Settings that init only writes as comments are valid too.
    lines = [line for line in text.splitlines() if " = " in line or line.startswith(("[", "# ["))]
    whole = "\n".join(line.removeprefix("# ") for line in lines)
    keys = tomli.loads(whole)
    require_valid(keys, its, "what init writes as comments")
    wrong = [("runtme = 'host'\n", "a key that is misspelt"), ("level = 'most'\n", "a level that does not exist")]
    for line, what in wrong:
        require_refused(tomli.loads(line), its, what)
        path.write_text(line)
        bench.run("plan", bench.tree, codes=(2,))
    path.unlink()
    return f"{len(keys)} keys and tables"


CHECKS = (
    sarif_is_as_its_standard_says,
    junit_is_read,
    json_is_as_its_schema_says,
    layerfit_toml_is_as_its_schema_says,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layerfit", type=Path, required=True, metavar="PROGRAM", help="the built program")
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    pypi.enter("outputs-work", PACKAGES)
    return checks.run_apart(CHECKS, arguments.only, lambda temp: Bench(arguments.layerfit.resolve(), temp))


if __name__ == "__main__":
    sys.exit(main())
