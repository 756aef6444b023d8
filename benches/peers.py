#!/usr/bin/env python3
"""Measure layerfit against zip and 7z, on the same files in the same run.

peers.py [--layerfit BIN] [--runs N] TREE: every file and link of the tree, unpruned and unstripped, is packed by each.
zip and 7z get them as a list, because layerfit keeps directories only where they are empty; what is in each archive is
counted. Tools take turns, and the best of N runs counts, so that a busy moment does not decide. Shown are the seconds of the
whole process, those that all its threads computed (user and system), bytes, and the peak of memory.

At the end come the promises that README makes. Exit 1 when one about bytes or memory is broken: those are the same on
every day. How much faster it is depends on what else the machine does, so that is only said. Exit 2: wrong call, or a
tool is missing or fails. The tree is only read.
"""

import argparse
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

BUILT = Path(__file__).resolve().parent.parent / "target/release/layerfit"
# Everything in the tree, as it is, into one zip of whatever size.
WHOLE = ["--ignore", "safe", "--strip", "none", "--max-zipped", "4GB", "--max-unzipped", "4GB", "--runtime", "host", "-q"]
ZIP, SEVEN = "zip -r -9", "7z -tzip -mx=9 -mmt"
LEVELS = ("fast", "default", "max")
# What README promises.
FASTER_THAN_ZIP, FASTER_THAN_SEVEN, WARM, MEMORY = 10, 2, 0.1, 300


class Row:
    """The best that a tool did in all runs."""

    def __init__(self):
        self.seconds = self.cpu = float("inf")
        self.bytes = self.memory = 0

    def add(self, seconds, usage, length):
        self.seconds = min(self.seconds, seconds)
        self.cpu = min(self.cpu, usage.ru_utime + usage.ru_stime)
        self.memory = max(self.memory, usage.ru_maxrss / 1024)  # ru_maxrss is in KB
        if self.bytes not in (0, length):
            stop(f"one tool made {self.bytes} bytes in one run and {length} in another")
        self.bytes = length


def stop(message):
    print(f"peers: {message}", file=sys.stderr)
    sys.exit(2)


def measured(command, cwd, environment=None, stdin=None):
    """Runs a program; gives the seconds of the whole process and what it used."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdin=open(stdin, "rb") if stdin else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    # layerfit says with 1 that a finding is an error; zip and 7z say it for files that they could not read.
    if process.returncode not in (0, 1 if "pack" in command else 0):
        stop(f"{' '.join(map(str, command))} exits {process.returncode}")
    return seconds, usage


def files_of(tree):
    """Every file and link below the tree, relative to it, and their lengths together."""
    names, length = [], 0
    for directory, directories, files in os.walk(tree):
        for name in directories + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                names.append(os.path.relpath(path, tree))
                length += status.st_size
    return sorted(names), length


def check(path, names, length, what):
    """Every archive holds the same: as many entries, besides directories, and as many bytes."""
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    found = (len(infos), sum(info.file_size for info in infos))
    if found != (len(names), length):
        stop(f"{what} packed {found[0]} files of {found[1]} bytes, and there are {len(names)} of {length}")


def measure(layerfit, tree, seven, runs, temp):
    names, length = files_of(tree)
    listing = temp / "files"
    listing.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in names))
    print(f"{len(names)} files and links, {length:,} bytes; {os.cpu_count()} cores; the best of {runs} runs\n", flush=True)
    # Read once, so that nobody pays for the disk.
    subprocess.run(["tar", "-cf", "/dev/null", "."], cwd=tree, check=True)
    archive, output = temp / "peer.zip", temp / "layers"
    peers = {
        ZIP: (["zip", "-r", "-9", "-q", "-y", "-X", archive, "-@"], listing),
        SEVEN: ([seven, "a", "-tzip", "-mx=9", "-mmt=on", "-snl", "-bd", archive, f"@{listing}"], None),
    }
    rows = {name: Row() for name in [*peers, *(f"layerfit {level}, {state}" for level in LEVELS for state in ("cold", "warm"))]}
    for run in range(runs):
        for name, (command, stdin) in peers.items():
            archive.unlink(missing_ok=True)
            rows[name].add(*measured(command, tree, stdin=stdin), archive.stat().st_size)
            if run == 0:
                check(archive, names, length, name)
        for level in LEVELS:
            cache = temp / "cache"
            shutil.rmtree(cache, ignore_errors=True)
            command = [layerfit, "pack", tree, "-o", output, "--level", level, *WHOLE]
            for state in ("cold", "warm"):
                name = f"layerfit {level}, {state}"
                homes = {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(temp / "state")}
                used = measured(command, temp, {**os.environ, **homes})
                zips = sorted(output.glob("*.zip"))
                rows[name].add(*used, sum(path.stat().st_size for path in zips))
                if len(zips) != 1:
                    stop(f"layerfit made {len(zips)} zips: the tree is too large for one")
                check(zips[0], names, length, name)
    return rows


def show(rows):
    zip_ = rows[ZIP]
    print(f"{'':24} {'seconds':>8} {'user+sys':>8} {'x zip':>6} {'bytes':>13} {'of zip':>8} {'peak':>7}")
    for name, row in rows.items():
        print(
            f"{name:24} {row.seconds:8.2f} {row.cpu:8.2f} {zip_.seconds / row.seconds:6.1f} {row.bytes:13,} "
            f"{row.bytes / zip_.bytes:8.2%} {row.memory:4.0f} MB"
        )
    print()


def promises(rows):
    """Says of each promise whether it is held; gives whether all that do not depend on the day are."""
    zip_, seven = rows[ZIP], rows[SEVEN]
    default, most = rows["layerfit default, cold"], rows["layerfit max, cold"]
    memory = max(row.memory for name, row in rows.items() if name.startswith("layerfit"))
    broken = 0

    def say(held, what, of_the_day=False):
        nonlocal broken
        broken += not held and not of_the_day
        word = "held" if held else "not held in this run" if of_the_day else "BROKEN"
        print(f"{word}: {what}")

    def faster(peer, ours, least, what):
        times = peer.seconds / ours.seconds
        say(
            times >= least,
            f"{what}: {times:.1f} times as fast (promised: {least}), {peer.cpu / ours.cpu:.1f} times by user+sys",
            True,
        )

    faster(zip_, default, FASTER_THAN_ZIP, f"default and {ZIP}")
    say(default.bytes < zip_.bytes, f"default makes fewer bytes than {ZIP}: {default.bytes - zip_.bytes:+,}")
    faster(seven, most, FASTER_THAN_SEVEN, f"max and {SEVEN}")
    say(most.bytes <= seven.bytes, f"max makes no more bytes than {SEVEN}: {most.bytes - seven.bytes:+,}")
    for level in LEVELS:
        cold, warm = (rows[f"layerfit {level}, {state}"] for state in ("cold", "warm"))
        # A fast level has less to save: the promise is of the slowest.
        share = warm.seconds / cold.seconds
        if level == "max":
            say(share <= WARM, f"{level} with a warm cache takes {share:.3f} of the time with a cold one (promised: {WARM})", True)
        else:
            print(f"      {level} with a warm cache takes {share:.3f} of the time with a cold one")
    say(memory <= MEMORY, f"layerfit's peak of memory is {memory:.0f} MB (promised: at most {MEMORY})")
    return not broken


def main():
    parser = argparse.ArgumentParser(description="Measure layerfit against zip and 7z on the same files in the same run.")
    parser.add_argument("--layerfit", metavar="BIN", type=Path, default=BUILT, help="the program (default: %(default)s)")
    parser.add_argument("--runs", metavar="N", type=int, default=3, help="how many runs of each (default: 3)")
    parser.add_argument("tree", metavar="TREE", type=Path, help="the directory to pack")
    given = parser.parse_args()
    seven = shutil.which("7zz") or shutil.which("7z")
    if not given.tree.is_dir():
        stop(f"{given.tree} is not a directory")
    if not seven or not shutil.which("zip"):
        stop("zip or 7z is missing: scripts/needs.sh bench installs them, or prints how")
    if not given.layerfit.exists():
        stop(f"{given.layerfit} is missing: cargo build --release")
    with tempfile.TemporaryDirectory(prefix="bench-") as temp:
        rows = measure(given.layerfit.resolve(), given.tree.resolve(), seven, max(given.runs, 1), Path(temp).resolve())
    show(rows)
    return 0 if promises(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
