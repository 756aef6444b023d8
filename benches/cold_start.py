#!/usr/bin/env python3
"""Measure what the form of a packed tree costs when a function starts cold.

cold_start.py [--layerfit BIN] [--runs N] [--memory MB] [--only RUN] [--import MODULES] [TREE]

TREE has R in it, or packages of Python in `python/`. Without TREE, the same bytes are divided into few files and into many. It is
packed in several forms, and each is unzipped to a directory on a disk. Of Python they are: without `__pycache__`; with what pip
wrote there; and with what `compileall --invalidation-mode unchecked-hash` writes. Before each run, the pages of
the zips or of the unzipped files are dropped from the page cache (posix_fadvise), and mincore(2), by way of fincore, has to find
none. What a run then reads is counted in the same way: the pages that are in the cache after it, readahead included. A run is one
of these:
  unzip   Info-ZIP's unzip, from the zips; what Lambda itself takes is not known, but it has to inflate the same bytes
  start   R starts with its default packages, in a private mount namespace with the directory at /opt
  all     R starts, and loads the namespace of every package of the tree, as a function that uses all of it would; Python imports
          MODULES (by default, all packages that are not below others); without TREE, every file is read

Forms take turns; shown is the median of N runs: seconds of the whole process, and user and system, which do not depend on the
disk. Memory is limited as in a function (RLIMIT_DATA). Exit 2: wrong call, or a tool is missing or fails. TREE is only read.
"""

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILT = Path(__file__).resolve().parent.parent / "target/release/layerfit"
R_FORMS = {
    "default": [],
    "--strip all": ["--strip", "all"],
    "--repack-rdb": ["--repack-rdb"],
    "both": ["--strip", "all", "--repack-rdb"],
}
RUNS = ("unzip", "start", "all")
# As many bytes in so many files, in directories of 200.
BYTES, FILES = 64 << 20, (1000, 20_000)
READ = "import os, sys\nfor d, _, names in os.walk('/opt'):\n    for name in names:\n        open(os.path.join(d, name), 'rb').read()"
START = "invisible(search())"
ALL = "for (p in sort(rownames(installed.packages()))) suppressWarnings(suppressMessages(try(loadNamespace(p), silent = TRUE)))"


def stop(message):
    print(f"cold_start: {message}", file=sys.stderr)
    sys.exit(2)


def files_below(directory):
    return [path for path in sorted(directory.rglob("*")) if path.is_file() and not path.is_symlink()]


def resident(files):
    """The bytes of files that are in the page cache, and of how many files any are."""
    found = []
    for start in range(0, len(files), 500):
        command = ["fincore", "--bytes", "--noheadings", "--output", "RES", "--", *files[start : start + 500]]
        found += [int(line) for line in subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()]
    return sum(found), sum(1 for bytes_ in found if bytes_)


def drop(files):
    """Drops the pages of files from the page cache."""
    for path in files:
        opened = os.open(path, os.O_RDONLY)
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(opened)
    left, _ = resident(files)
    if left:
        stop(f"{left} bytes stay in the page cache: something else uses these files")


def measured(command, memory, environment):
    """Runs a program; gives the seconds of the whole process, and those it computed."""

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], env=environment, preexec_fn=limit, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        stop(f"{' '.join(map(str, command))} exits {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


class Form:
    """The layers of a tree in one form, and what they unzip to."""

    def __init__(self, layerfit, tree, options, home):
        home.mkdir()
        self.layers, self.root, self.unzipped_to = home / "layers", home / "opt", home / "again"
        limits = ["--max-zipped", "1GB", "--max-unzipped", "4GB", "--runtime", "host", "-q"]
        packed = subprocess.run([layerfit, "pack", tree, "-o", self.layers, *limits, *options], stdout=subprocess.DEVNULL)
        self.zips = sorted(self.layers.glob("*.zip"))
        if not self.zips:
            stop(f"nothing is packed: pack exits {packed.returncode}")
        self.unzip(self.root)
        self.files = files_below(self.root)
        self.length = sum(path.stat().st_size for path in self.files)
        self.runs = {}
        os.sync()

    def command(self, name):
        """What a run starts, and its environment."""
        programs = list(self.root.rglob("bin/exec/R"))
        if len(programs) != 1:
            stop(f"the tree has {len(programs)} installations of R")
        r = Path("/opt") / programs[0].parents[2].relative_to(self.root)
        code = START if name == "start" else ALL
        homes = {
            "R_HOME": str(r), "TMPDIR": "/tmp", "LD_LIBRARY_PATH": f"{r}/lib:/opt/lib", "R_LIBS_SITE": "/opt/local/lib/R/site-library",
        }
        return [f"{r}/bin/exec/R", "--no-echo", "--no-restore", "--no-save", "-e", code], homes

    def unzip(self, to):
        to.mkdir()
        for zip_ in self.zips:
            subprocess.run(["unzip", "-q", "-o", zip_, "-d", to], check=True)

    def run(self, name, memory):
        if name == "unzip":
            shutil.rmtree(self.unzipped_to, ignore_errors=True)
            self.unzipped_to.mkdir()
            files, environment = self.zips, dict(os.environ)
            # unzip has no pattern for several archives that a path could not be.
            command = ["sh", "-c", 'for zip; do unzip -q -o "$zip" -d "$0"; done', self.unzipped_to, *self.zips]
        else:
            files = self.files
            started, variables = self.command(name)
            environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/tmp", **variables}
            # As in Lambda, nothing can be written there, such as compiled modules.
            mount = 'mount --bind "$0" /opt && mount -o remount,bind,ro /opt && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", mount, self.root, *started]
        drop(files)
        seconds, computed = measured(command, memory, environment)
        self.runs.setdefault(name, []).append((seconds, computed, *resident(files)))

    def row(self, name):
        return [statistics.median(column) for column in zip(*self.runs[name])]


class PythonForm(Form):
    modules = ""

    def command(self, name):
        code = f"import {self.modules}" if name == "all" else "pass"
        # OpenBLAS would start a thread for each processor.
        return [sys.executable, "-s", "-c", code], {"PYTHONPATH": "/opt/python", "OPENBLAS_NUM_THREADS": "1"}


class FilesForm(Form):
    def command(self, name):
        return [sys.executable, "-I", "-S", "-c", READ if name == "all" else "pass"], {}


def python_forms(given, temp):
    """The forms of a tree with packages of Python."""
    if not any(given.tree.glob("python/**/__pycache__/*.pyc")):
        stop("pip wrote no __pycache__ there: it was told not to (--no-compile, PYTHONDONTWRITEBYTECODE)")
    packages = sorted(path.parent.name for path in given.tree.glob("python/*/__init__.py"))
    PythonForm.modules = given.modules or ", ".join(packages)
    unchecked = temp / "unchecked"
    shutil.copytree(given.tree, unchecked, symlinks=True)
    compileall = [sys.executable, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", unchecked / "python"]
    # It exits 1 when a file is no module of this Python, as some templates and tests are.
    subprocess.run(compileall, stdout=subprocess.DEVNULL)
    return {
        "none": PythonForm(given.layerfit, given.tree, ["--select", "python-bytecode"], temp / "none"),
        "of pip": PythonForm(given.layerfit, given.tree, ["--ignore", "python-stale-bytecode"], temp / "pip"),
        "unchecked-hash": PythonForm(given.layerfit, unchecked, [], temp / "hash"),
    }


def files_forms(given, temp):
    """The same bytes in few files and in many."""
    forms = {}
    for count in FILES:
        tree, length = temp / f"tree-{count}", BYTES // count
        for number in range(count):
            directory = tree / f"app/part-{number // 200:03}"
            directory.mkdir(parents=True, exist_ok=True)
            # Half of it is random: deflate makes it about half as long.
            content = bytearray(length)
            content[::2] = random.Random(number).randbytes((length + 1) // 2)
            (directory / f"item-{number % 200:03}.dat").write_bytes(content)
        forms[f"{count:,} files"] = FilesForm(given.layerfit, tree, ["--ignore", "safe"], temp / f"{count}")
    return forms


def main():
    parser = argparse.ArgumentParser(description="Measure what the form of a packed tree costs when a function starts cold.")
    parser.add_argument("--layerfit", metavar="BIN", type=Path, default=BUILT, help="(default: %(default)s)")
    parser.add_argument("--runs", metavar="N", type=int, default=7, help="runs of each (default: %(default)s)")
    parser.add_argument("--memory", metavar="MB", type=int, default=512, help="memory of the function (default: %(default)s)")
    parser.add_argument("--only", metavar="RUN", choices=RUNS, help="only this run")
    parser.add_argument("--import", dest="modules", metavar="MODULES", help="what Python imports, with commas")
    parser.add_argument("tree", metavar="TREE", type=Path, nargs="?", help="a tree with R, or with packages in python/")
    given = parser.parse_args()
    given.layerfit = given.layerfit.resolve()
    for tool in ("fincore", "unshare", "unzip"):
        if not shutil.which(tool):
            stop(f"{tool} is missing")
    if os.geteuid() != 0:
        stop("root is needed to mount the directory at /opt, in a namespace of its own")
    # Of tmpfs, no page can be dropped.
    with tempfile.TemporaryDirectory(prefix="cold-start-") as temp:
        temp = Path(temp)
        if given.tree is None:
            forms = files_forms(given, temp)
        elif (given.tree / "python").is_dir():
            forms = python_forms(given, temp)
        else:
            each = enumerate(R_FORMS.items())
            forms = {name: Form(given.layerfit, given.tree, options, temp / str(number)) for number, (name, options) in each}
        names = [given.only] if given.only else RUNS
        for _ in range(given.runs):
            for name in names:
                for form in forms.values():
                    form.run(name, given.memory << 20)
        print(f"median of {given.runs} runs, {given.memory} MB of memory, {os.cpu_count()} cores")
        print(f"{'form':14} {'zipped':>12} {'unzipped':>12} {'files':>6}  ", end="")
        print(f"{'run':6} {'seconds':>8} {'user+sys':>9} {'read':>12} {'of files':>9}")
        for label, form in forms.items():
            zipped = sum(path.stat().st_size for path in form.zips)
            for name in names:
                seconds, computed, read, touched = form.row(name)
                print(
                    f"{label:14} {zipped:12,} {form.length:12,} {len(form.files):6}  {name:6} {seconds:8.3f} {computed:9.3f} "
                    f"{int(read):12,} {int(touched):9}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
