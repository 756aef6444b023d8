#!/usr/bin/env python3
"""Measure layerfit on trees that are much larger than any function's, beside a peer in the same run and the limit.

scale.py [--layerfit BIN] [--limit BIN] [--files N] [--copies N] [--only NAME] TREE

Three trees are made in a temporary directory (TMPDIR) and removed:
  small   a million files of some 50 bytes (--files), beside `find` with lstat(2) and `du`
  large   TREE that many times (--copies), each file with other bytes, beside `zip -1`
  noise   three files of 200 MB that deflate does not make shorter, beside `zip -1`

The limit of packing is libdeflate alone (--example deflate_limit), which reads the same files from the page cache, compresses
them at the same level on all cores, and keeps nothing; what layerfit takes besides is said. Shown are the seconds of the whole
process, those that all its threads computed (user and system), and the peak of memory.

Exit 1 when the promise about memory is broken, or a run that could take everything from the cache writes to it: these are the
same on every day. Seconds depend on what else the machine does, so they are only said. With --only cache, `large` is checked and
not packed, so that it takes less room: with --copies 40, it is more than the cache can have. Exit 2: wrong call, or a tool is
missing or fails. TREE is only read.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILT = Path(__file__).resolve().parent.parent / "target/release"
# What README promises.
MEMORY, SECONDS, NEXT_STEPS, WARM = 300, 10, 1.3, 0.15
# Everything in the tree, as it is.
WHOLE = ["--ignore", "safe", "--strip", "none", "--runtime", "host", "-q"]
# Room for all of it in at most five zips: what cannot fit is not compressed, and a zip has at most 65,534 entries. A million files
# are in no five zips: they are measured and divided, and not written.
ROOM = ["--max-zipped", "500MB", "--max-unzipped", "4GB"]
# R reads these from their ends, or whole: with more bytes at their ends, they would be damaged. They are compressed all the same, once
# for all copies.
AS_THEY_ARE = (".rds", ".rdx", ".rda", ".RData", ".gz")


def stop(message):
    print(f"scale: {message}", file=sys.stderr)
    sys.exit(2)


def measured(command, environment=None):
    """Runs a program; gives the seconds of the whole process, those it computed, and its peak of memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    # layerfit says with 1 that a tree does not fit.
    if process.returncode not in (0, 1):
        stop(f"{' '.join(map(str, command))} exits {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def make_small(tree, files):
    """Files in directories of 200, as installed packages have them."""
    number = 0
    while number < files:
        directory = tree / f"app/module{number // 10_000:03}/part-{number // 200 % 50:02}"
        directory.mkdir(parents=True, exist_ok=True)
        for at in range(min(200, files - number)):
            ending = ("json", "txt", "py", "js", "dat")[at % 5]
            value = number * 7919 % 100_003
            (directory / f"item_{at:04}.{ending}").write_text(f'{{"id": {number}, "name": "item {at}", "value": {value}}}\n')
            number += 1


def make_large(tree, source, copies):
    """The source several times, with a few bytes at the end of each file that no other has: nothing is compressed once for all."""
    for copy in range(copies):
        to = tree / f"copy-{copy:03}"
        shutil.copytree(source, to, symlinks=True)
        for directory, _, files in os.walk(to):
            for name in files:
                path = os.path.join(directory, name)
                if not os.path.islink(path) and not name.endswith(AS_THEY_ARE):
                    with open(path, "ab") as file:
                        file.write(b"\n%d" % copy)


def make_noise(tree):
    tree.mkdir(parents=True)
    for number in range(3):
        (tree / f"noise-{number}.bin").write_bytes(random.Random(number).randbytes(200_000_000))


class Table:
    def __init__(self):
        self.memory = 0
        self.rows = {}

    def add(self, name, command, environment=None):
        row = self.rows[name] = measured(command, environment)
        print(f"  {name:28} {row[0]:8.2f} s {row[1]:8.2f} user+sys {row[2]:6.0f} MB", flush=True)
        if name.startswith("layerfit"):
            self.memory = max(self.memory, row[2])
        return row


def say(held, what):
    print(f"  {'held' if held else 'not held in this run'}: {what}")


def written(cache):
    """The files of a cache, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def run_cache(tree, given, temp):
    """Only what the cache saves of checking a tree, and what is written to it."""
    table, cache = Table(), temp / "cache"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(temp / "state")}
    check = [given.layerfit, "check", tree, *WHOLE, "--max-zipped", "1GB", "--max-unzipped", "16GB"]
    table.add("layerfit check, no cache", [*check, "--no-cache"])
    held = True
    before = {}
    for name in ("cold", "warm", "warm again"):
        table.add(f"layerfit check, {name}", check, environment)
        after = written(cache)
        new = sum(before.get(path) != at for path, at in after.items())
        length, gone = sum(path.stat().st_size for path in after), len(before.keys() - after.keys())
        print(f"    {new:,} files written, {gone:,} removed; the cache has {length:,} bytes")
        held &= name == "cold" or after == before
        before = after
    cold, warm = table.rows["layerfit check, cold"], table.rows["layerfit check, warm again"]
    say(warm[1] <= WARM * cold[1], f"with a warm cache, it takes {warm[1] / cold[1]:.3f} of user+sys (promised: {WARM})")
    print(f"  {'held' if held else 'BROKEN'}: a warm run writes nothing to the cache\n")
    return held


def first_file(tree):
    """A file of the tree. Not the first of a list of all: what this process has in memory counts for what it starts (getrusage(2))."""
    return next(Path(directory, min(files)) for directory, _, files in os.walk(tree) if files)


def run(name, tree, given, temp):
    print(f"{name}: {sum(len(files) for *_, files in os.walk(tree)):,} files")
    table, cache, output = Table(), temp / "cache", temp / "layers"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(temp / "state")}
    # Read once, so that nobody pays for the disk. (tar reads no contents for /dev/null.)
    subprocess.run("tar -cf - . | cat >/dev/null", shell=True, cwd=tree, check=True)
    if name == "small":
        table.add("find -printf", ["find", tree, "-printf", "%s %m"])
        table.add("du -s", ["du", "-s", tree])
        analyze = table.add("layerfit analyze", [given.layerfit, "analyze", tree, "--runtime", "host", "-q"])
        say(analyze[0] <= SECONDS, f"analyze takes {analyze[0]:.1f} s (promised: {SECONDS})")
    else:
        archive = temp / "peer.zip"
        table.add("zip -r -1", ["zip", "-r", "-1", "-q", "-y", archive, tree])
        archive.unlink()
        table.add("layerfit analyze", [given.layerfit, "analyze", tree, "--runtime", "host", "-q"])
    limit = table.add("libdeflate alone (limit)", [given.limit, tree])
    whole = [*WHOLE, *([] if name == "small" else ROOM)]
    pack = [given.layerfit, "pack", tree, "-o", output, *whole]
    cold = table.add("layerfit pack, cold", pack, environment)
    before = written(cache)
    warm = table.add("layerfit pack, warm", pack, environment)
    again = table.add("layerfit pack, warm again", pack, environment)
    churns = written(cache) != before
    plan = [given.layerfit, "plan", tree, *whole, "--no-cache"]
    steps = table.add("layerfit plan, no cache", plan)
    no_cache = table.add("layerfit check, no cache", [given.layerfit, "check", tree, *whole, "--no-cache"])
    check = table.add("layerfit check, warm", [given.layerfit, "check", tree, *whole], environment)
    target = first_file(tree)
    table.add("layerfit why, warm", [given.layerfit, "why", target.relative_to(tree), tree, *whole], environment)
    print(f"  pack takes {cold[0] / limit[0]:.2f} times the limit, and {cold[1] / limit[1]:.2f} times by user+sys")
    say(steps[0] <= NEXT_STEPS * cold[0], f"plan with next steps takes {steps[0] / cold[0]:.2f} times what pack takes")
    for what, share in (("pack", max(warm[1], again[1]) / cold[1]), ("check", check[1] / no_cache[1])):
        say(share <= WARM, f"{what} with a warm cache takes {share:.3f} of user+sys (promised: {WARM})")
    print(f"  {'BROKEN: a' if churns else 'held: no'} warm run writes to the cache")
    held = table.memory <= MEMORY
    print(f"  {'held' if held else 'BROKEN'}: the peak of memory is {table.memory:.0f} MB (promised: at most {MEMORY})\n")
    return held and not churns


def main():
    parser = argparse.ArgumentParser(description="Measure layerfit on large trees, beside a peer and the limit.")
    parser.add_argument("--layerfit", metavar="BIN", type=Path, default=BUILT / "layerfit", help="(default: %(default)s)")
    parser.add_argument("--limit", metavar="BIN", type=Path, default=BUILT / "examples/deflate_limit", help="(default: %(default)s)")
    parser.add_argument("--files", metavar="N", type=int, default=1_000_000, help="files of `small` (default: %(default)s)")
    parser.add_argument("--copies", metavar="N", type=int, default=20, help="copies in `large` (default: %(default)s)")
    parser.add_argument("--only", metavar="NAME", choices=("small", "large", "noise", "cache"), help="only this tree")
    parser.add_argument("tree", metavar="TREE", type=Path, help="the directory that `large` has copies of")
    given = parser.parse_args()
    if not given.tree.is_dir():
        stop(f"{given.tree} is not a directory")
    if not shutil.which("zip"):
        stop("zip is missing: scripts/needs.sh bench installs it, or prints how")
    for program in (given.layerfit, given.limit):
        if not program.exists():
            stop(f"{program} is missing: cargo build --release --example deflate_limit, and cargo build --release")
    make = {
        "small": lambda tree: make_small(tree, given.files),
        "large": lambda tree: make_large(tree, given.tree, given.copies),
        "noise": make_noise,
    }
    held = True
    for name in [given.only] if given.only else make:
        with tempfile.TemporaryDirectory(prefix="scale-") as temp:
            tree = Path(temp) / "opt"
            make["large" if name == "cache" else name](tree)
            held &= run_cache(tree, given, Path(temp)) if name == "cache" else run(name, tree, given, Path(temp))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
