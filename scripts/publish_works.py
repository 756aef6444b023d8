#!/usr/bin/env python3
"""Test `layerfit publish` and `layerfit pack --template` with the real AWS CLI and a local AWS server.

Layers of a small tree are packed and published with the AWS CLI (version 1, from PyPI) to a moto server on the loopback
interface; the CLI then reads back what the server has, which is compared with the zips. Templates are checked by cfn-lint.
All three are installed from PyPI into a virtual environment under target/ if they are missing.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 2: wrong arguments; 77: something is missing and cannot be installed.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import checks
import pypi
from aws_server import AwsServer
from checks import Failed, require, require_same

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target/publish-works"
PACKAGES = ("awscli==1.46.3", "moto[server]==5.2.5", "cfn-lint==1.58.0")
REGION = "eu-central-1"
# Maximum size of a direct upload, in bytes (rules/limits.toml).
DIRECT = 52_428_800
# The example credentials of AWS's documentation.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
# The time limit of a command, in seconds.
PATIENCE = 120


class Bench:
    """A local AWS server, an empty home directory, and trees to pack."""

    def __init__(self, layerfit, temp):
        self.layerfit, self.temp, self.number = layerfit, temp, 0
        self.server = AwsServer(
            HOME / "bin/moto_server",
            temp,
            f"{HOME / 'bin'}:{os.environ['PATH']}",
            XDG_CACHE_HOME=str(temp / "cache"),
            XDG_STATE_HOME=str(temp / "state"),
            AWS_ACCESS_KEY_ID=KEY,
            AWS_SECRET_ACCESS_KEY=SECRET,
            AWS_DEFAULT_REGION=REGION,
        )
        self.endpoint, self.environment = self.server.endpoint, self.server.environment

    def close(self):
        self.server.close()

    def reset(self):
        """Deletes everything that the server has."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def aws(self, *arguments):
        """The output of the CLI."""
        command = ["aws", *arguments, "--endpoint-url", self.endpoint, "--output", "json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        require(done.returncode == 0, f"aws {' '.join(arguments[:2])}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def run(self, *arguments, code=0, endpoint=True, **environment):
        """Runs layerfit; returns its stdout and stderr."""
        command = [self.layerfit, *map(str, arguments)]
        if endpoint and arguments[0] == "publish":
            command += ["--endpoint-url", self.endpoint]
        done = subprocess.run(
            command, env=self.environment | environment, capture_output=True, text=True, timeout=PATIENCE, cwd=self.temp
        )
        require(done.returncode == code, f"{arguments[:2]} exits {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def published(self, *arguments, **environment):
        """Publishes; returns what layerfit prints as JSON."""
        return json.loads(self.run("publish", *arguments, "--format", "json", **environment)[0])

    def tree(self, **packages):
        """A tree of R packages with this content."""
        self.number += 1
        tree = self.temp / f"opt-{self.number}"
        for name, content in packages.items():
            package = tree / "library" / name
            (package / "Meta").mkdir(parents=True)
            built = "R 4.2.2; ; 2022-11-24 00:43:29 UTC; unix"
            (package / "DESCRIPTION").write_text(f"Package: {name}\nVersion: 1.0\nBuilt: {built}\n")
            for file in ("NAMESPACE", "Meta/package.rds", "Meta/features.rds"):
                (package / file).write_text(f"{file}\n")
            (package / "data.bin").write_bytes(content)
        return tree

    def pack(self, tree, name, *arguments):
        """Packs a tree into one layer per package, with the package's name; returns their directory."""
        names = sorted(path.name for path in (tree / "library").iterdir())
        layers = "".join(f'[[layer]]\nname = "{name.replace(".", "-")}"\nholds = ["pkg:{name}"]\n\n' for name in names)
        config = self.temp / f"{name}.toml"
        config.write_text(f'strategy = "kinds"\nlock = "{name}.lock"\n\n{layers}')
        directory = self.temp / name
        # Its packages have nothing that R could load.
        self.run("pack", tree, "-o", directory, "--config", config, "--ignore", "R101", *arguments)
        return directory

    def versions(self, layer):
        """The numbers of a layer's versions in AWS, and the sha256 of the newest."""
        try:
            listed = self.aws("lambda", "list-layer-versions", "--layer-name", layer)["LayerVersions"]
        except Failed as error:
            require("ResourceNotFound" in str(error), str(error))
            return [], None
        numbers = sorted(version["Version"] for version in listed)
        if not numbers:
            return [], None
        newest = self.aws("lambda", "get-layer-version", "--layer-name", layer, "--version-number", str(numbers[-1]))
        return numbers, base64.b64decode(newest["Content"]["CodeSha256"]).hex()

    def function(self, name, layers, runtime="provided.al2023"):
        """A function with these layers, in this runtime."""
        code = self.temp / "code.zip"
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("test.R", "handler <- function(event) event\n")
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]}
        role = self.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", json.dumps(trust))
        command = ["lambda", "create-function", "--function-name", name, "--runtime", runtime]
        command += ["--handler", "test.handler", "--role", role["Role"]["Arn"], "--zip-file", f"fileb://{code}"]
        self.aws(*command, *(["--layers", *layers] if layers else []))

    def variables(self, name, **variables):
        """Sets the environment of a function, if variables are given; returns it."""
        if variables:
            environment = json.dumps({"Variables": variables})
            self.aws("lambda", "update-function-configuration", "--function-name", name, "--environment", environment)
        found = self.aws("lambda", "get-function-configuration", "--function-name", name)
        return found.get("Environment", {}).get("Variables", {})

    def layers_of(self, name):
        """The ARNs of a function's layers."""
        found = self.aws("lambda", "get-function-configuration", "--function-name", name).get("Layers", [])
        return [layer["Arn"] for layer in found]

    def foreign(self, name):
        """Publishes a layer that is not layerfit's; returns its ARN."""
        zip_ = self.temp / f"{name}.zip"
        with zipfile.ZipFile(zip_, "w") as archive:
            archive.writestr(name, name)
        arguments = ["--layer-name", name, "--zip-file", f"fileb://{zip_}"]
        return self.aws("lambda", "publish-layer-version", *arguments)["LayerVersionArn"]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def noise(seed, length):
    return random.Random(seed).randbytes(length)


# --- publish ------------------------------------------------------------------


def what_is_new_is_published(bench):
    """All layers the first time, none the second, one after one package changed."""
    tree = bench.tree(a=b"one", b=b"two")
    layers = bench.pack(tree, "layers")
    arguments = [layers, "--prefix", "my-", "--description", "R, 'quoted' $HOME", "--license-info", "MIT"]
    first = bench.published(*arguments)
    require_same([(layer["name"], layer["published"]) for layer in first["layers"]], [("my-a", True), ("my-b", True)], "first")
    for layer in first["layers"]:
        zip_ = layers / f"{layer['name'].removeprefix('my-')}.zip"
        require_same((layer["sha256"], layer["version"]), (sha256(zip_), 1), layer["name"])
        require_same(bench.versions(layer["name"]), ([1], sha256(zip_)), f"{layer['name']} in AWS")
        there = bench.aws("lambda", "get-layer-version", "--layer-name", layer["name"], "--version-number", "1")
        require_same(there["LayerVersionArn"], layer["arn"], "ARN")
        require_same(there["CompatibleRuntimes"], ["provided.al2023"], "runtimes")
        require_same((there["Description"], there["LicenseInfo"]), ("R, 'quoted' $HOME", "MIT"), "description, licence")
    require_same(json.loads((layers / "layers.json").read_text()), first, "layers.json")

    again, said = bench.run("publish", *arguments)
    require(again.startswith("Nothing to publish"), again)
    require("published" not in said, said)
    require_same(bench.versions("my-a")[0], [1], "versions after a second run")

    (tree / "library/b/data.bin").write_bytes(b"changed")
    layers = bench.pack(tree, "layers")
    require((layers / "layers.json").exists(), "pack left layers.json behind")
    changed = bench.published(*arguments)
    require_same([layer["published"] for layer in changed["layers"]], [False, True], "after a change")
    require_same(bench.versions("my-a")[0], [1], "versions of the unchanged layer")
    require_same(bench.versions("my-b"), ([1, 2], sha256(layers / "b.zip")), "versions of the changed layer")
    return "2 of 2 layers, then none, then the 1 that changed"


def the_function_gets_them(bench):
    """A function's layers are replaced, other layers stay, and a layer that is no longer packed is removed."""
    below, above = bench.foreign("below"), bench.foreign("above")
    tree = bench.tree(a=b"one", b=b"two", c=b"three")
    layers = bench.pack(tree, "layers")
    bench.function("f", [below])
    first = bench.published(layers, "--function", "f")
    arns = [layer["arn"] for layer in first["layers"]]
    require_same(bench.layers_of("f"), [below, *arns], "layers of the function")
    require_same(first["function"], {"name": "f", "layers": [below, *arns], "updated": True}, "what is said")
    require("function" not in json.loads((layers / "layers.json").read_text()), "layers.json has the function")

    # Another layer is added above ours; then a package changes.
    bench.aws("lambda", "update-function-configuration", "--function-name", "f", "--layers", below, *arns, above)
    (tree / "library/b/data.bin").write_bytes(b"changed")
    layers = bench.pack(tree, "layers")
    second = bench.published(layers, "--function", "f")
    expected = [below, arns[0], second["layers"][1]["arn"], arns[2], above]
    require(expected[2] != arns[1], "b was not published")
    require_same(bench.layers_of("f"), expected, "layers after a change")
    again = bench.published(layers, "--function", "f")
    require_same(again["function"]["updated"], False, "updated unnecessarily")

    shutil.rmtree(tree / "library/c")
    layers = bench.pack(tree, "layers")
    third = bench.published(layers, "--function", "f")
    require_same(third["retired"], ["c"], "retired")
    require_same(bench.layers_of("f"), [*expected[:3], above], "layers without c")
    return "ours are replaced between other layers; one that was ours is removed"


def what_the_function_cannot_use_is_refused(bench):
    """If a function would have six layers, or has a different architecture or runtime, nothing is published."""
    layers = bench.pack(bench.tree(a=b"one", b=b"two"), "layers")
    bench.function("f", [bench.foreign(f"other{number}") for number in range(4)])
    before = bench.layers_of("f")
    _, said = bench.run("publish", layers, "--function", "f", code=1)
    require("F103" in said and "other3" in said, said)
    bench.function("g", [])
    _, said = bench.run("publish", layers, "--function", "g", "--arch", "arm64", code=1)
    require("L301" in said and "for x86_64" in said, said)
    tree = bench.tree(a=b"one", b=b"two")
    (tree / "bootstrap").write_text("#!/bin/sh\n")
    (tree / "bootstrap").chmod(0o755)
    started = bench.pack(tree, "started")
    bench.function("h", [], runtime="python3.12")
    _, said = bench.run("publish", started, "--function", "h", code=1)
    require("R105" in said and "python3.12 does not start the bootstrap" in said, said)
    require_same((bench.versions("a")[0], bench.layers_of("f")), ([], before), "after it was refused")
    return "and nothing is published"


def large_zips_go_by_s3(bench):
    """Only a zip too large for a direct upload goes through the bucket."""
    tree = bench.tree(big=noise(1, DIRECT + 1), small=b"one")
    layers = bench.pack(tree, "layers", "--max-zipped", "250MiB", "--level", "fast")
    _, said = bench.run("publish", layers, code=2)
    require("--s3-bucket" in said, said)
    require_same(bench.versions("small")[0], [], "versions although one layer cannot be sent")
    place = f"LocationConstraint={REGION}"
    bench.aws("s3api", "create-bucket", "--bucket", "bucket", "--create-bucket-configuration", place)
    done = bench.published(layers, "--s3-bucket", "bucket", "--s3-prefix", "layers/")
    require_same([layer["published"] for layer in done["layers"]], [True, True], "published")
    key = f"layers/big-{sha256(layers / 'big.zip')}.zip"
    keys = [object_["Key"] for object_ in bench.aws("s3api", "list-objects-v2", "--bucket", "bucket")["Contents"]]
    require_same(keys, [key], "what is in the bucket")
    require_same(bench.versions("big"), ([1], sha256(layers / "big.zip")), "the large layer")
    return f"{(layers / 'big.zip').stat().st_size} bytes through the bucket, the small layer directly"


def a_dry_run_changes_nothing(bench):
    """The printed script does what publish would have done."""
    layers = bench.pack(bench.tree(a=b"one", b=b"two"), "layers it's")
    other = bench.foreign("other")
    bench.function("f", [other])
    arguments = [layers, "--function", "f", "--description", "it's $HOME", "--license-info", "https://example.org/$x"]
    script, _ = bench.run("publish", *arguments, "--dry-run")
    require_same((bench.versions("a")[0], bench.layers_of("f")), ([], [other]), "after a dry run")
    require(not (layers / "layers.json").exists(), "a dry run wrote layers.json")
    for word in (KEY, SECRET):
        require(word not in script, "credentials are printed")
    done = subprocess.run(["sh", "-c", script], env=bench.environment, capture_output=True, text=True, cwd=bench.temp, timeout=PATIENCE)
    require(done.returncode == 0, f"the script fails: {script}{done.stderr}")
    require_same(bench.versions("a"), ([1], sha256(layers / "a.zip")), "what the script published")
    require_same([arn.split(":")[6] for arn in bench.layers_of("f")], ["other", "a", "b"], "what the script attached")
    there = bench.aws("lambda", "get-layer-version", "--layer-name", "a", "--version-number", "1")
    require_same(
        (there["Description"], there["LicenseInfo"]), ("it's $HOME", "https://example.org/$x"), "description, licence"
    )
    script, _ = bench.run("publish", *arguments, "--dry-run")
    require("# nothing to do" in script and "aws" not in script, script)
    after = bench.published(*arguments)
    require_same([layer["published"] for layer in after["layers"]], [False, False], "published after the script")
    return "and its script publishes"


def the_function_gets_variables(bench):
    """[env] is merged over a function's environment, by publish and by the script of a dry run; no value is shown."""
    layers = bench.pack(bench.tree(a=b"one"), "layers")
    config = bench.temp / "env.toml"
    config.write_text('[env]\nTZ = "UTC"\nPROJ_DATA = "/opt/share/proj"\nODD = \'it"s `$HOME` \\ é\'\n')
    ours = {"TZ": "UTC", "PROJ_DATA": "/opt/share/proj", "ODD": 'it"s `$HOME` \\ é'}
    secret = 'se`cr"et $HOME\\n\n\'é'
    theirs = {"TOKEN": secret, "TZ": ":UTC", "LEVEL": "1"}
    arguments = [layers, "--config", config]
    for name, there in (("none", {}), ("some", theirs)):
        for way in ("publish", "script"):
            function = f"{name}-{way}"
            bench.function(function, [])
            bench.variables(function, **there)
            if there:
                _, said = bench.run("publish", *arguments, "--function", function, code=2)
                require("TZ" in said and "--replace-env" in said and ":UTC" not in said, said)
                require_same(bench.variables(function), there, "after it was refused")
            rest = [*arguments, "--function", function, "--replace-env"]
            if way == "publish":
                out, said = bench.run("publish", *rest)
            else:
                out, said = bench.run("publish", *rest, "--dry-run")
                require_same(bench.variables(function), there, "after a dry run")
                done = subprocess.run(
                    ["sh", "-c", out], env=bench.environment, capture_output=True, text=True, cwd=bench.temp, timeout=PATIENCE
                )
                require(done.returncode == 0, f"the script fails: {out}{done.stderr}")
                said += done.stdout + done.stderr
            require_same(bench.variables(function), there | ours, f"the environment of {function}")
            require("cr" + '"et' not in out + said and "se`cr" not in out + said, "a secret is shown")
            again = bench.published(*rest)
            require_same(again["function"]["updated"], False, f"{function} updated unnecessarily")
    # The script of a dry run fails when it cannot read what is there, rather than removing it.
    bench.function("gone", [])
    bench.variables("gone", **theirs)
    script, _ = bench.run("publish", *arguments, "--function", "gone", "--replace-env", "--dry-run")
    bench.aws("lambda", "update-function-configuration", "--function-name", "gone", "--environment", '{"Variables": {}}')
    bench.variables("gone", OTHER="x")
    bench.aws("lambda", "delete-function", "--function-name", "gone")
    done = subprocess.run(["sh", "-c", script], env=bench.environment, capture_output=True, text=True, cwd=bench.temp, timeout=PATIENCE)
    require(done.returncode != 0 and done.stderr.count("error occurred") == 1, f"it goes on: {done.stderr}")
    return "by publish and by its script, with and without variables before; other values stay and are not shown"


def a_killed_run_can_be_run_again(bench):
    """Killed after one of three layers was published: the next run publishes the other two."""
    layers = bench.pack(bench.tree(a=b"one", b=b"two", c=b"three"), "layers")
    # The CLI, but it waits before the second layer, so that publish is killed between two layers.
    slow, waiting = bench.temp / "slow-aws", bench.temp / "waiting"
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *publish-layer-version*"--layer-name b"*) touch {waiting}; exec sleep 60;; esac\n'
        f'exec {HOME / "bin/aws"} "$@"\n'
    )
    slow.chmod(0o755)
    command = [bench.layerfit, "publish", layers, "--endpoint-url", bench.endpoint, "--aws", slow]
    run = subprocess.Popen(
        command, env=bench.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE
    while not waiting.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    require(waiting.exists(), f"it ended before the second layer: {run.poll()}")
    # The whole process group, so that the CLI ends too.
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    require_same([bench.versions(name)[0] for name in "abc"], [[1], [], []], "versions when it was killed")
    require_same(sorted(path.name for path in layers.iterdir() if path.name.startswith(".")), [], "what was left behind")
    again = bench.published(layers)
    require_same([layer["published"] for layer in again["layers"]], [False, True, True], "published by the next run")
    require_same([bench.versions(name)[0] for name in "abc"], [[1], [1], [1]], "versions after the next run")
    return "the next run publishes what is missing, nothing twice"


def what_is_not_as_the_manifest_says_is_refused(bench):
    layers = bench.pack(bench.tree(a=b"one", b=b"two"), "layers")
    with open(layers / "b.zip", "ab") as zip_:
        zip_.write(b"more")
    _, said = bench.run("publish", layers, code=1)
    require("Z105 b.zip" in said, said)
    require_same(bench.versions("a")[0], [], "versions after it was refused")
    return "and nothing is published"


def credentials_are_not_shown(bench):
    """No output contains keys, whatever the CLI writes."""
    layers = bench.pack(bench.tree(a=b"one"), "layers")
    # --debug writes the request with the access key id and the signature; what is printed of a message has a bound.
    loud = bench.temp / "loud-aws"
    loud.write_text(f'#!/bin/sh\n{HOME / "bin/aws"} "$@" --debug 2>&1 >/dev/null | grep -o "AWS4-HMAC-SHA256 .*" | head -n 2 >&2\necho "secret $AWS_SECRET_ACCESS_KEY" >&2\nexit 255\n')
    loud.chmod(0o755)
    out, said = bench.run("publish", layers, "--aws", loud, code=2)
    require("AWS4-HMAC-SHA256" in said and "[redacted]" in said, "the CLI's own messages are not shown")
    for secret in (KEY, SECRET):
        require(secret not in out + said, "a credential is shown")
    # No credentials, and a profile that does not exist.
    _, said = bench.run("publish", layers, code=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    require("redentials" in said and "help: set up credentials for the AWS CLI" in said, said)
    _, said = bench.run("publish", layers, "--profile", "nobody", code=2)
    require("nobody" in said and "aws configure list-profiles" in said, said)
    return "redacted in the CLI's messages; missing credentials and a wrong profile have a remedy"


def the_cli_has_to_be_there(bench):
    layers = bench.pack(bench.tree(a=b"one"), "layers")
    empty = bench.temp / "empty"
    empty.mkdir()
    _, said = bench.run("publish", layers, code=2, PATH=str(empty))
    require("aws: no such program" in said and "--aws PATH" in said, said)
    _, said = bench.run("publish", layers, "--endpoint-url", "http://127.0.0.1:9", endpoint=False, code=2, AWS_MAX_ATTEMPTS="1")
    require("Could not connect" in said and "--endpoint-url" in said, said)
    return "and must reach AWS"


def the_configuration_says_it(bench):
    """[publish] of layerfit.toml, which the command line overrides."""
    layers = bench.pack(bench.tree(a=b"one", b=b"two"), "layers")
    config = bench.temp / "publish.toml"
    config.write_text('[publish]\nprefix = "team-"\nnames = { a = "r" }\nlicense-info = "MIT"\n')
    done = bench.published(layers, "--config", config)
    require_same([layer["name"] for layer in done["layers"]], ["team-r", "team-b"], "names")
    done = bench.published(layers, "--config", config, "--prefix", "my-", "-o", bench.temp / "mine.json")
    require_same([layer["name"] for layer in done["layers"]], ["my-r", "my-b"], "names")
    require_same(json.loads((bench.temp / "mine.json").read_text()), done, "the record")
    return "names and prefix"


# --- the template -------------------------------------------------------------


def the_template_is_sound(bench):
    """cfn-lint reports nothing about templates, except that a runtime is old (W2531)."""
    tree = bench.tree(**{"a": b"one", "b.c": b"two", "bC": b"three"})
    cases = [
        ("provided.al2023", "none"), ("provided.al2023", "s3"), ("provided.al2023", "s3:.rds"), ("provided.al2", "none"),
        ("python3.13", "none"),
    ]
    for runtime, trigger in cases:
        template = bench.temp / f"{runtime}.yaml"
        bench.pack(tree, "layers", "--template", template, "--runtime", runtime, "--template-trigger", trigger)
        old = ["--ignore-checks", "W2531"] if runtime == "provided.al2" else []
        done = subprocess.run([HOME / "bin/cfn-lint", template, *old], capture_output=True, text=True, timeout=PATIENCE)
        require(done.returncode == 0 and not done.stdout.strip(), f"cfn-lint of {runtime}, {trigger}: {done.stdout}{done.stderr}")
    # cfn-lint does report a template that is wrong.
    wrong = bench.temp / "wrong.yaml"
    wrong.write_text(template.read_text().replace("!Ref LayerA", "!Ref LayerX"))
    done = subprocess.run([HOME / "bin/cfn-lint", wrong], capture_output=True, text=True, timeout=PATIENCE)
    require(done.returncode != 0, "cfn-lint accepts a layer that does not exist")
    return "for three runtimes and each trigger, without errors or warnings"


CHECKS = (
    what_is_new_is_published,
    the_function_gets_them,
    what_the_function_cannot_use_is_refused,
    large_zips_go_by_s3,
    a_dry_run_changes_nothing,
    the_function_gets_variables,
    a_killed_run_can_be_run_again,
    what_is_not_as_the_manifest_says_is_refused,
    credentials_are_not_shown,
    the_cli_has_to_be_there,
    the_configuration_says_it,
    the_template_is_sound,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layerfit", type=Path, required=True, metavar="PROGRAM", help="the built program")
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    pypi.programs("publish-works", PACKAGES)
    return checks.run_apart(CHECKS, arguments.only, lambda temp: Bench(arguments.layerfit.resolve(), temp))


if __name__ == "__main__":
    sys.exit(main())
