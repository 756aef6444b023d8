#!/usr/bin/env python3
"""Compares `layerfit check` on mutated zips with Info-ZIP's unzip and Python's zipfile.

zips_truth.py [--layerfit BIN] [--count N] [--seed S] [--seconds T] [--keep DIR]

A zip that layerfit passes must be one that both others extract without an error; a zip that both extract must only be refused
for one of the REASONS below. Prints a line for each disagreement, with the mutant's number (the same for the same seed), and
writes these mutants to DIR; then the figures. Exit 1 if there is a disagreement, 77 if unzip is missing.
"""

import argparse
import collections
import concurrent.futures
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

# Why layerfit refuses what both others accept, by the code of the finding: each is stricter on purpose.
REASONS = {
    "F101": "it is over a limit of Lambda's",
    "F102": "it is over a limit of Lambda's",
    "S109": "a mode is one with which Lambda cannot read the file",
    "Z101": "a length, checksum or record of an entry is wrong, where the others do not look",
    "Z102": "a name leads out of /opt; the others change it and go on",
    "Z103": "a name occurs twice, and programs differ in which entry they use",
    "Z106": "it is encrypted, as far as one header says",
    "Z107": "the others skip this entry",
    "Z109": "entries overlap",
    "Z110": "local header or end record and central directory disagree, and programs differ in which they use",
    "Z111": "an entry is longer than a function can have",
    "Z116": "a name is not one that a file can have; the others change it and go on",
}

# The signatures of records, near which most mutations are.
SIGNATURES = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08")
# Values that a field is set to.
VALUES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def with_python(entries, **options):
    """A zip written by Python: (name, content, mode, method, extra)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as zip_file:
        for name, content, mode, method, extra in entries:
            info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr, info.compress_type, info.extra = 3, mode << 16, method, extra
            zip_file.writestr(info, content)
        zip_file.comment = b"a comment" if len(entries) > 3 else b""
    return out.getvalue()


def seeds():
    """Zips of the kinds that are around: each is fine."""
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    text = b"0,0,0,0\n" * 300
    times = struct.pack("<HHBI", 0x5455, 5, 1, 1_700_000_000)
    yield with_python([("bin/x", b"#!/bin/sh\n", 0o100755, deflated, b""), ("share/t.csv", text, 0o100644, deflated, b"")])
    yield with_python([("a", b"x", 0o100644, stored, b""), ("d/", b"", 0o40755, stored, b""), ("d/e", b"", 0o100644, stored, b"")])
    yield with_python(
        [
            ("lib/f.txt", text, 0o100644, deflated, times),
            ("lib/l", b"f.txt", 0o120777, stored, times),
            ("empty", b"", 0o100644, deflated, times),
            ("\u00fc.txt", b"y", 0o100644, stored, b""),
        ]
    )
    # The name once more in UTF-8, in the extra field of Info-ZIP.
    named = struct.pack("<HHBI", 0x7075, 5 + 5, 1, zlib.crc32(b"lib/u")) + b"lib/u"
    yield with_python([("lib/u", text, 0o100644, deflated, named), ("lib/v", b"v", 0o100644, stored, named)])
    with tempfile.TemporaryDirectory() as home:
        tree = Path(home, "t")
        (tree / "lib/deep").mkdir(parents=True)
        (tree / "lib/deep/data.txt").write_bytes(text)
        (tree / "lib/empty").touch()
        (tree / "run").write_text("#!/bin/sh\nexit\n")
        for options in (["-y"], ["-0"], ["-X", "-D"], ["-fz"], ["-fd"]):
            subprocess.run(["zip", "-q", "-r", *options, "../z.zip", "."], cwd=tree, check=True)
            yield Path(home, "z.zip").read_bytes()
            Path(home, "z.zip").unlink()
        yield subprocess.run(["zip", "-q", "-r", "-", "."], cwd=tree, check=True, stdout=subprocess.PIPE).stdout


def mutant(seed_zips, seed, number):
    """A zip with one to four mutations."""
    rng = random.Random(f"{seed}/{number}")
    data = bytearray(rng.choice(seed_zips))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        places = [at for mark in SIGNATURES for at in range(len(data)) if data[at : at + 4] == mark]
        kind = rng.randrange(10)
        near = (rng.choice(places) if places else 0) + rng.randrange(4, 50)
        at = min(near if kind < 8 else rng.randrange(len(data) or 1), max(len(data) - 1, 0))
        if not data:
            break
        if kind < 3:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 5:
            data[at] = rng.choice((0, 1, 0xFF, rng.randrange(256)))
        elif kind < 8:
            width = rng.choice((2, 4))
            value = rng.choice((*VALUES, rng.randrange(len(data))))
            data[at : at + width] = (value & (256**width - 1)).to_bytes(width, "little")
        elif kind == 8:
            del data[at : at + rng.randrange(1, 30)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 30))
    return bytes(data)


def python_refuses(path):
    """Why Python does not extract the zip; None if it does."""
    try:
        with zipfile.ZipFile(path) as zip_file:
            for info in zip_file.infolist():
                # testzip() passes over what a directory claims.
                with zip_file.open(info) as entry:
                    entry.read()
        return None
    except Exception as error:  # every exception is a refusal
        return f"{type(error).__name__}: {error}"


def unzip_refuses(path):
    """Why unzip does not extract the zip; None if it does, also with a warning (exit code 1)."""
    run = subprocess.run(["unzip", "-tqq", "-P", "x", path], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if run.returncode in (0, 1):
        return None
    lines = (run.stdout + run.stderr).decode(errors="replace").split("\n")
    return f"exit {run.returncode}: {' '.join(' '.join(lines).split())[:160]}"


def compare(job):
    """The result of one mutant: (number, kind, what was seen)."""
    layerfit, home, number, data = job
    path = Path(home, f"{number}.zip")
    path.write_bytes(data)
    try:
        command = [layerfit, "check", path.name, "--format", "json", "--config", "/dev/null"]
        run = subprocess.run(command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        if run.returncode not in (0, 1, 2):
            return number, "crash", f"layerfit exits {run.returncode}: {run.stderr[-300:]!r}"
        passed = run.returncode == 0
        refused = {"Python": python_refuses(path), "unzip": None}
        if passed or not refused["Python"]:
            refused["unzip"] = unzip_refuses(path)
        others = "; ".join(f"{name}: {why}" for name, why in refused.items() if why)
        if passed and others:
            return number, "passed by layerfit alone", others
        if not passed and not others:
            found = json.loads(run.stdout)["findings"] if run.returncode == 1 else []
            errors = [finding for finding in found if finding["severity"] == "error"]
            if any(finding["code"] in REASONS for finding in errors):
                return number, "stricter", errors[0]["code"]
            messages = [f"{finding['code']} {finding['message']}" for finding in errors[:1]]
            return number, "refused by layerfit alone", messages or run.stderr[-200:].decode(errors="replace")
        return number, "passed by all" if passed else "refused", ""
    except subprocess.TimeoutExpired as error:
        return number, "crash", f"{error}"
    finally:
        path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--layerfit", default="target/release/layerfit")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--keep", help="directory for the mutants about which there is a disagreement")
    options = parser.parse_args()
    missing = [program for program in ("zip", "unzip") if not shutil.which(program)]
    if missing:
        print(f"skipped zips_truth: {' and '.join(missing)} is missing")
        sys.exit(77)
    layerfit = str(Path(options.layerfit).resolve())
    seed_zips = list(seeds())
    end = time.monotonic() + options.seconds
    kinds, codes, wrong = collections.Counter(), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as home, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, data in enumerate(seed_zips):
            _, kind, seen = compare((layerfit, home, f"seed-{number}", data))
            if kind != "passed by all":
                sys.exit(f"FAILED zips_truth: seed {number}: {kind}: {seen}")
        jobs = ((layerfit, home, n, mutant(seed_zips, options.seed, n)) for n in range(options.count))
        while time.monotonic() < end and (batch := [job for job, _ in zip(jobs, range(200))]):
            for (number, kind, seen), job in zip(pool.map(compare, batch), batch):
                kinds[kind] += 1
                if kind == "stricter":
                    codes[seen] += 1
                elif kind in ("crash", "passed by layerfit alone", "refused by layerfit alone"):
                    wrong += 1
                    print(f"{number}: {kind}: {seen}", flush=True)
                    if options.keep:
                        Path(options.keep).mkdir(parents=True, exist_ok=True)
                        Path(options.keep, f"{number}.zip").write_bytes(job[3])
    for code, count in sorted(codes.items()):
        print(f"stricter: {count} with {code}: {REASONS[code]}")
    figures = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{'FAILED' if wrong else 'ok'} zips_truth: {sum(kinds.values())} mutants of {len(seed_zips)} zips: {figures}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
