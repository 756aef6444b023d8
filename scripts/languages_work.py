#!/usr/bin/env python3
"""Verify layerfit on trees of Python and Node.js from PyPI and npm.

usage: languages_work.py [--layerfit PROGRAM] [--work DIR] [--report FILE] [--only-libraries] [--only NAME]... [--list]

Each tree of scripts/languages.toml is installed below DIR (by default target/languages), as wheels for this machine's Python and
as npm packages for its Node.js. For each:

 1. For every extension module and addon, the libraries that `layerfit check` reports as missing are those that the dynamic
    loader reports (`ldd`) in a root that has only the libraries of Lambda's image (scripts/image_root.py).
 2. Every module is imported, and a function does some work, in `layerfit invoke`: from the tree as it is, and from the
    layers that `layerfit pack` makes of it by default, with --strip all, and with --strip all --select extra. What is imported
    is the same, but for the modules that are dropped; the work prints the same, also from the layers that `--strip all` and
    `--handler` leave for the source of the work alone.

Each tree has one line: "ok NAME: figures", "FAILED NAME: what" or "skipped NAME: why". The figures of a tree are also kept below
DIR, until it fails or its packages change: --report writes a table in Markdown with those of all trees, so they can be run one by
one. Exit 0: none failed; 1: some failed; 2: wrong arguments; 77: skipped, because this machine cannot do it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import checks
from checks import MISSING, Failed, require, require_same, short

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IMAGE = "provided.al2023"
LOADERS = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
# Options of layerfit for all trees: some are larger than a function may be.
LARGE = ["--max-unzipped", "4GiB", "--max-zipped", "250MiB", "--level", "fast"]
FORMS = {"default": [], "strip": ["--strip", "all"], "extra": ["--strip", "all", "--select", "extra"]}
# For the source of the work alone: other packages are not there to be imported.
HANDLER = {"handler": ["--strip", "all", "--handler", "handler"]}
# The time limit of a run in seconds, and of the function.
PATIENCE = 1500
TIMEOUT = 900

# Imports each module of the packages in a process for each top-level package, and prints what became of it as JSON.
PYTHON_IMPORTS = r"""
import contextlib, importlib, io, json, os, pkgutil, re, sys, warnings
warnings.simplefilter("ignore")
top, found = sys.argv[1], {}
# What a module prints or reads is not of interest, nor is what it does when it ends.
out = os.fdopen(os.dup(1), "w")
os.dup2(os.open("/dev/null", os.O_WRONLY), 1); os.dup2(1, 2)
def load(name):
    try:
        importlib.import_module(name)
        found[name] = "ok"
    except BaseException as error:
        found[name] = re.sub(r"0x[0-9a-f]+|/tmp/\S+", "_", f"{type(error).__name__}: {error}")[:300]
load(top)
def walk(name):
    module = sys.modules.get(name)
    for path in getattr(module, "__path__", []):
        for entry in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            stem, dot, suffix = entry.partition(".")
            is_package = not dot and os.path.isfile(os.path.join(path, entry, "__init__.py"))
            if stem in ("__init__", "__main__", "__pycache__") or not (is_package or suffix == "py" or suffix.endswith("so")):
                continue
            child = f"{name}.{stem}"
            if child in found or re.search(r"(^|\.)(tests?|testing|conftest|setup|benchmarks?)(\.|$)", child): continue
            load(child)
            if is_package: walk(child)
walk(top)
out.write(json.dumps(found)); out.flush()
os._exit(0)
"""

# Traces what the loader loads for each file on standard input, in a root with a tree at /opt.
TRACE = r"""
import os, subprocess, sys
tree, root, loader = sys.argv[1:]
subprocess.run(["mount", "--bind", tree, root + "/opt"], check=True)
for file in sys.stdin.read().splitlines():
    print("== " + file, flush=True)
    child = os.fork()
    if child == 0:
        os.chroot(root)
        os.chdir("/")
        os.dup2(1, 2)
        # Unlike --list, it goes on after a library that is missing.
        environment = {"LD_LIBRARY_PATH": "/lib64:/usr/lib64:/opt/lib", "LD_TRACE_LOADED_OBJECTS": "1"}
        os.execve(loader, [loader, "--inhibit-cache", file], environment)
    os.waitpid(child, 0)
"""

PYTHON_PROBE = r"""
import json, os, subprocess, sys
def handler(event, context):
    environment = dict(os.environ, PYTHONPATH=":".join(path for path in sys.path if path), HOME="/tmp", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    def run(*arguments):
        return subprocess.run([sys.executable, *arguments], env=environment, cwd="/tmp", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    modules = {}
    for top in event["modules"]:
        done = run("-c", event["imports"], top)
        modules.update(json.loads(done.stdout) if done.returncode == 0 else {top: f"exit {done.returncode} {done.stderr[-300:]}"})
    done = run("-c", event["work"])
    print(done.stderr.decode("utf-8", "replace")[-3000:])
    return {"modules": modules, "work": done.stdout.decode(), "code": done.returncode}
"""

NODE_PROBE = r"""
const { spawnSync } = require("child_process"), fs = require("fs"), path = require("path");
exports.handler = async (event) => {
  const run = (code, type, ...more) => spawnSync(process.execPath, ["--input-type=" + type, "-e", code, ...more], { cwd: "/tmp", env: { ...process.env, HOME: "/tmp" }, encoding: "utf8" });
  const modules = {};
  for (const name of event.modules) {
    const done = run(`
      const fs = require("fs"); const log = fs.writeSync.bind(fs, 1);
      let outcome; try { const value = require(process.argv[1]); outcome = typeof value + " " + Object.keys(value ?? {}).sort().slice(0, 40); }
      catch (error) { outcome = error.code + " " + String(error.message).split("\\n")[0]; }
      log(outcome); process.exit(0);`, "commonjs", name);
    modules[name] = done.status === 0 ? done.stdout.slice(-500) : "exit " + done.status + done.stderr.slice(-300);
  }
  const done = run(event.work, "commonjs");
  console.log(done.stderr.slice(-3000));
  return { modules, work: done.stdout, code: done.status };
};
"""


def call(*command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, **more)


def is_elf(path):
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def needed(paths):
    """The libraries that each file names in DT_NEEDED."""
    found = {}
    for start in range(0, len(paths), 200):
        some = paths[start : start + 200]
        text = call("readelf", "-W", "-d", *some).stdout.decode("utf-8", "replace")
        current = some[0]
        for line in text.splitlines():
            if line.startswith("File: "):
                current = Path(line[6:])
            elif match := re.search(r"\(NEEDED\).*\[(.*)\]", line):
                found.setdefault(current, set()).add(match[1])
    return found


def machine_of(path):
    with open(path, "rb") as file:
        return file.read(20)[18:20]


class Tree:
    """A tree that is installed, and what is done with it."""

    def __init__(self, bench, kind, described):
        self.bench, self.kind = bench, kind
        self.packages, self.work = described["packages"], described["work"]
        self.home = bench.work / kind / described["name"]
        self.root = self.home / "opt"
        # The row of the report, beside what it depends on.
        self.figures = self.home / "figures.json"

    def wanted(self):
        return json.dumps([self.packages, self.bench.versions[self.kind]])

    def row(self):
        """The figures of the last run, if the tree is still that one and passed."""
        if not self.figures.exists():
            return None
        wanted, row = json.loads(self.figures.read_text())
        return row if wanted == self.wanted() else None

    def install(self):
        stamp = self.home / "installed"
        wanted = self.wanted()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.home, ignore_errors=True)
        if self.kind == "python":
            target = self.root / "python"
            target.mkdir(parents=True)
            options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--target", target]
            done = call("python3", "-m", "pip", "install", *options, *self.packages)
        else:
            target = self.root / "nodejs"
            target.mkdir(parents=True)
            (target / "package.json").write_text('{"private": true}\n')
            # Scripts of packages download or compile what is not in them.
            done = call("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *self.packages, cwd=target)
        require(done.returncode == 0, f"cannot be installed: {done.stderr.decode()[-1500:]}")
        stamp.write_text(wanted)

    def elf_files(self):
        return sorted(path for path in self.root.rglob("*") if not path.is_symlink() and path.is_file() and is_elf(path))

    def loaded(self, files):
        """The files that code loads by itself: extension modules, addons and the libraries that nothing links."""
        own = machine_of("/proc/self/exe")
        files = [path for path in files if machine_of(path) == own]
        links = needed(files)
        linked = set().union(*links.values()) if links else set()
        chosen = []
        for path in files:
            is_musl = any("musl" in name for name in links.get(path, ()))
            if self.kind == "python":
                version = re.search(r"\.cpython-(\d+)-", path.name)
                fits = not version or version[1] == self.bench.python.replace(".", "")
                is_root = ".so" in path.name and not path.parent.name.endswith(".libs") and path.name not in linked and fits
            else:
                # Bionic is Android's C library.
                is_android = "libc.so" in links.get(path, ()) or "android" in str(path)
                is_root = path.suffix == ".node" and not is_musl and not is_android
            if is_root:
                chosen.append(path)
        return chosen, links

    def truth(self):
        """What the loader does not find: pairs of a file and a library; and how many files were tried."""
        chosen, links = self.loaded(self.elf_files())
        inside = ["/opt/" + str(path.relative_to(self.root)) for path in chosen]
        done = call(*self.bench.space, sys.executable, "-c", TRACE, self.root, self.bench.image, self.bench.loader, input="\n".join(inside).encode())
        pairs, objects, missing = set(), [], []

        def finish():
            for name in missing:
                pairs.update((path, name) for path in objects if name in links.get(self.root / path, ()))

        for line in done.stdout.decode("utf-8", "replace").splitlines():
            if line.startswith("== /opt/"):
                finish()
                objects, missing = [line[8:]], []
            elif match := re.match(r"\s*(\S+) => not found", line):
                missing.append(match[1])
            elif match := re.match(r"\s*\S+ => /opt/(\S+) ", line):
                # As the loader writes it, with `..`.
                real = os.path.realpath(self.root / match[1])
                objects.append(os.path.relpath(real, os.path.realpath(self.root)))
        finish()
        require(len(chosen) == done.stdout.count(b"== /opt/"), f"the loader did not run: {short(done.stderr)}")
        return len(chosen), pairs

    def reported(self):
        done = call(self.bench.layerfit, "check", self.root, "--runtime", self.bench.runtime(self.kind), *LARGE, "--format", "json", cwd=self.home)
        require(done.returncode in (0, 1), f"check fails: {done.stderr.decode()[-1500:]}")
        report = json.loads(done.stdout)
        missing = {}
        for finding in report["findings"]:
            if finding["code"] == "L201" and finding["severity"] in ("error", "warning"):
                # needs liba.so (x.so, y.so and 3 more need it too), which ...
                names = re.search(r"needs ([^ ,]+)(?: \((.*?) needs? it too\))?, ", finding["message"])
                require(names, f"a finding that names no library: {finding['message']}")
                others = re.split(", | and ", names[2]) if names[2] else []
                more = int(others.pop().split()[0]) if others and others[-1].endswith(" more") else 0
                missing[names[1]] = ({finding["subject"], *others}, more)
        return report, missing

    def modules(self):
        if self.kind == "python":
            names = set()
            for entry in (self.root / "python").iterdir():
                stem = entry.name.split(".")[0]
                if entry.is_dir() and (entry / "__init__.py").exists() or entry.suffix == ".py" or ".so" in entry.name and entry.is_file():
                    names.add(stem)
            return sorted(names - {"conftest", "setup"})
        names = []
        modules = self.root / "nodejs" / "node_modules"
        for entry in sorted(modules.iterdir()):
            if entry.name.startswith("@"):
                names += [f"{entry.name}/{child.name}" for child in sorted(entry.iterdir()) if child.is_dir()]
            elif (entry / "package.json").exists():
                names.append(entry.name)
        return names

    def run(self, layers, names):
        code = self.home / "code"
        shutil.rmtree(code, ignore_errors=True)
        code.mkdir()
        name, probe = ("probe.py", PYTHON_PROBE) if self.kind == "python" else ("probe.js", NODE_PROBE)
        (code / name).write_text(probe)
        event = self.home / "event.json"
        event.write_text(json.dumps({"modules": names, "imports": PYTHON_IMPORTS, "work": self.work}))
        runtime = f"python{self.bench.python}" if self.kind == "python" else self.bench.runtime("node")
        limits = ["--timeout", TIMEOUT, "--memory", 10240, "--network", "none"]
        done = call(self.bench.layerfit, "invoke", layers, "--code", code, "--handler", "probe.handler", "--runtime", runtime, "--event", event, *limits, cwd=self.home)
        require(done.returncode == 0, f"invoke fails: {done.stdout.decode()[-500:]} {done.stderr.decode()[-2500:]}")
        answer = json.loads(done.stdout)
        require(answer["code"] == 0, f"the work fails: {done.stderr.decode()[-2500:]}")
        return answer

    def check(self):
        self.figures.unlink(missing_ok=True)
        self.install()
        count, truth = self.truth()
        report, reported = self.reported()
        by_name = {name: {path for path, other in truth if other == name} for _, name in truth}
        require_same(sorted(reported), sorted(by_name), "the libraries that are reported as missing")
        for name, (named, more) in reported.items():
            require(named <= by_name[name], f"{name}: {short(named - by_name[name])} is reported, and does not lack it")
            require_same(len(named) + more, len(by_name[name]), f"the number of files that lack {name}")
        if self.bench.only_libraries:
            return f"{count} files loaded, {len(truth)} libraries missing, all reported"
        names = self.modules()
        before = self.run(self.root, names)
        shutil.rmtree(self.home / "handler", ignore_errors=True)
        (self.home / "handler").mkdir()
        (self.home / "handler" / ("work.py" if self.kind == "python" else "work.js")).write_text(self.work)
        sizes, gone = [], []
        for form, options in (FORMS | HANDLER).items():
            layers = self.home / "layers"
            shutil.rmtree(layers, ignore_errors=True)
            done = call(self.bench.layerfit, "pack", self.root, "-o", layers, "--runtime", self.bench.runtime(self.kind), *LARGE, *options, cwd=self.home)
            require(done.returncode in (0, 1) and (layers / "manifest.json").exists(), f"pack {form} fails: {(done.stdout + done.stderr).decode()[-1500:]}")
            sizes.append(sum(path.stat().st_size for path in layers.glob("*.zip")))
            after = self.run(layers, [] if form in HANDLER else names)
            require(after["work"] == before["work"], f"the work prints something else with {form}: {short(after['work'])} instead of {short(before['work'])}")
            if form in HANDLER:
                continue
            lost = {name for name in before["modules"] if name not in after["modules"]}
            differ = {
                name: (before["modules"][name], after["modules"][name])
                for name in before["modules"]
                if name in after["modules"] and before["modules"][name] != after["modules"][name]
            }
            differ = {name: what for name, what in differ.items() if not any(re.fullmatch(pattern, name) for pattern in self.bench.differ)}
            require(not differ, f"{len(differ)} modules differ with {form}: {short(dict(sorted(differ.items())[:10]))}")
            gone.append(len(lost))
            require(form == "extra" or not lost, f"{len(lost)} modules are gone with {form}: {short(sorted(lost)[:10])}")
        require(before["modules"], "nothing is imported")
        loads = sum(what == "ok" or what.startswith(("object", "function")) for what in before["modules"].values())
        row = [count, len(truth), len(before["modules"]), loads, gone[2], *(f"{size / 2**20:.1f}" for size in sizes)]
        self.figures.write_text(json.dumps([self.wanted(), row]))
        return (
            f"{count} files loaded, {len(truth)} libraries missing, all reported; {len(before['modules'])} modules ({loads} load), the same in "
            f"{len(FORMS)} forms ({gone[2]} dropped by extra rules), the work also with --handler; {', '.join(f'{size / 2**20:.1f}' for size in sizes)} MiB"
        )


class Bench:
    def __init__(self, layerfit, work, only_libraries, differ):
        self.only_libraries, self.differ = only_libraries, differ
        self.layerfit, self.work = Path(layerfit).resolve(), Path(work).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.python = "%d.%d" % sys.version_info[:2]
        node = shutil.which("node")
        self.node = call(node, "-p", "process.versions.node.split('.')[0]").stdout.decode().strip() if node else None
        self.versions = {"python": self.python, "node": self.node}
        self.loader = next(path for path in LOADERS if os.path.exists(path))
        self.space = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        self.image = self.work / "image"
        if not self.image.exists():
            made = call(sys.executable, HERE / "image_root.py", ROOT / "rules/runtimes" / f"{IMAGE}.toml", self.image)
            require(made.returncode == 0, made.stderr.decode())
        # The libraries of this image, and the version of this machine's Python, whatever Lambda combines.
        profile = (ROOT / "rules/runtimes" / f"{IMAGE}.toml").read_text()
        own = f'[language]\nid = "python"\nversion = "{self.python}"\nsource = "this machine"\n'
        (self.work / "python.toml").write_text(f"{profile}\n{own}")

    def runtime(self, kind):
        return str(self.work / "python.toml") if kind == "python" else f"nodejs{self.node}.x"

    def check_of(self, kind, described):
        def check():
            require(self.versions[kind], "there is no interpreter")
            return Tree(self, kind, described).check()

        check.__name__ = f"{kind}_{described['name']}"
        return check

    def report(self, named):
        trees = [Tree(self, kind, described) for kind, described in named if self.versions[kind]]
        rows = [(f"{tree.kind}: {' '.join(tree.packages)}", *row) for tree in trees if (row := tree.row())]
        left = [f"{tree.kind}-{tree.home.name}" for tree in trees if not tree.row()]
        lines = [
            "# Trees of Python and Node.js",
            "",
            "What `make prove-languages` found (scripts/languages_work.py): the work printed the same, and every module that was imported before",
            "was imported after, from the layers of each form; with `--strip all --handler`, the layers are for the work alone. The libraries",
            "that are missing are those that the dynamic loader does not find in a root with only the image's. An empty cell: not run in that form.",
            *([f"Not in the table, as they did not run: {', '.join(left)}."] if left else []),
            "",
            f"Python {self.python} and Node.js {self.node}, with the libraries of {IMAGE}. Sizes are those of the zips in MiB, with `--level fast`.",
            "",
            "| tree | files loaded | libraries missing, all reported | modules | that load | dropped by extra rules | default | `--strip all` | `--select extra` | `--handler` |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
        return "\n".join(lines) + "\n"


def main():
    if sys.version_info < (3, 11):
        print("languages_work: skipped: reading TOML takes Python 3.11", file=sys.stderr)
        return MISSING
    import tomllib

    trees = tomllib.loads((HERE / "languages.toml").read_text())
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layerfit", default=ROOT / "target/release/layerfit")
    parser.add_argument("--work", default=ROOT / "target/languages")
    parser.add_argument("--only-libraries", action="store_true", help="leave the second part out")
    parser.add_argument("--report", type=Path, help="write a table in Markdown to this file")
    named = [(kind, described) for kind in ("python", "node") for described in trees[kind]]
    names = [lambda: None for _ in named]
    for function, (kind, described) in zip(names, named):
        function.__name__ = f"{kind}_{described['name']}"
    checks.add_arguments(parser, names)
    arguments = parser.parse_args()
    try:
        bench = Bench(arguments.layerfit, arguments.work, arguments.only_libraries, trees["differ"])
    except Failed as why:
        print(f"languages_work: skipped: {why}", file=sys.stderr)
        return MISSING
    status = checks.run([bench.check_of(*one) for one in named], arguments.only)
    if arguments.report:
        arguments.report.write_text(bench.report(named))
    return status


if __name__ == "__main__":
    sys.exit(main())
