#!/usr/bin/env python3
"""Measure layerfit against zip and 7z on the same tree in the same run.

peers.py TREE: the whole tree is packed, unpruned and unstripped, by each. Prints seconds of the whole process (the least
of the runs), bytes, and the peak of memory; then the ratios that README promises, each "ok" or "MISSED". Exit 1 when one
is missed. Needs zip, and 7z or 7zz (apt-get install zip 7zip). The tree is only read.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LAYERFIT = Path(__file__).resolve().parent.parent / "target/release/layerfit"
# Everything in the tree, as it is, into layers of whatever size.
WHOLE = ["--ignore", "safe", "--strip", "none", "--max-zipped", "4GB", "--max-unzipped", "4GB", "--runtime", "host", "-q"]


def timed(command, cwd, environment=None):
    """The seconds of a whole process and the peak of its memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{command[0]} exits {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main():
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: peers.py TREE")
    tree = Path(sys.argv[1]).resolve()
    seven = shutil.which("7z") or shutil.which("7zz")
    if not seven or not shutil.which("zip"):
        sys.exit("install zip and 7z first: apt-get install zip 7zip")
    if not LAYERFIT.exists():
        sys.exit(f"build it first: cargo build --release ({LAYERFIT} is missing)")
    with tempfile.TemporaryDirectory(prefix="bench-") as temp:
        return measure(tree, seven, Path(temp))


def measure(tree, seven, temp):
    rows = {}

    def row(name, seconds, memory, length):
        rows[name] = (seconds, length)
        print(f"{name:28} {seconds:7.2f} s  {length:11,} bytes  {memory:5.0f} MB", flush=True)

    # Read once, so that nobody pays for the disk.
    subprocess.run(["tar", "-cf", "/dev/null", "."], cwd=tree, check=True)
    archive = temp / "peer.zip"
    for name, command in (
        ("zip -r -9", ["zip", "-r", "-9", "-q", "-y", archive, "."]),
        ("7z -tzip -mx=9 -mmt", [seven, "a", "-tzip", "-mx=9", "-mmt=on", "-snl", "-bd", archive, "."]),
    ):
        seconds, memory = timed(command, tree)
        row(name, seconds, memory, archive.stat().st_size)
        archive.unlink()
    for level in ("fast", "default", "max"):
        environment = {**os.environ, "XDG_CACHE_HOME": str(temp / f"cache-{level}")}
        output = temp / "layers"
        command = [LAYERFIT, "pack", tree, "-o", output, "--level", level, *WHOLE]
        for state, runs in (("cold", 1), ("warm", 3)):
            seconds, memory = min(timed(command, temp, environment) for _ in range(runs))
            row(f"layerfit {level}, {state}", seconds, memory, sum(p.stat().st_size for p in output.glob("*.zip")))

    def ratio(what, value, promise, kept):
        print(f"{'ok' if kept else 'MISSED'}: {what}: {value} ({promise})")
        return kept

    zip_, seven_ = rows["zip -r -9"], rows["7z -tzip -mx=9 -mmt"]
    default, most = rows["layerfit default, cold"], rows["layerfit max, cold"]
    warm = rows["layerfit max, warm"][0] / most[0]
    kept = [
        ratio("default against zip -r -9", f"{zip_[0] / default[0]:.1f} times as fast", "10 or more", zip_[0] >= 10 * default[0]),
        ratio("bytes of default and zip -r -9", f"{default[1] / zip_[1]:.4f}", "below 1", default[1] < zip_[1]),
        ratio("max against 7z", f"{seven_[0] / most[0]:.1f} times as fast", "2 or more", seven_[0] >= 2 * most[0]),
        ratio("bytes of max and 7z", f"{most[1] / seven_[1]:.4f}", "1 or less", most[1] <= seven_[1]),
        ratio("warm and cold cache at max", f"{warm:.3f}", "0.1 or less", warm <= 0.1),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
