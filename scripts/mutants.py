#!/usr/bin/env python3
"""Make small wrong edits (mutants), one at a time, and see whether a test fails for each: what is missed is not tested.

cargo-mutants makes them and runs the library's unit tests and tests/it; .cargo/mutants.toml says in which files. Without
options all of them are tried, which takes many hours; --shard K/N tries one of N parts (K counts from 0), and --sample N as
many, drawn by a fixed seed: the same ones every time. One that does not compile says nothing, so the next that is drawn
takes its place.

A mutant may be left alone when it is in tests/mutants-left.toml with a reason; that file says how. One that is missed and
is not there is an error, and so is an entry that names no mutant.

Everything that is built or reported is below target/mutants. Exit 0: none is missed; 1: some are; 2: it cannot be tried.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target/mutants"
LEFT = ROOT / "tests/mutants-left.toml"
KEYS = {"file": str, "function": str, "what": str, "nth": int, "kind": str, "why": str}
KINDS = ("equivalent", "not worth it")
# Of the tests' own time without a mutant, after which a mutant is taken to run for ever; and never less than so many seconds.
PATIENCE, LEAST_PATIENCE = 2, 60
OUTCOMES = {"CaughtMutant": "caught", "MissedMutant": "missed", "Timeout": "timeout", "Unviable": "unviable"}


class CannotTry(Exception):
    """There is nothing to go by."""


# --- which mutants --------------------------------------------------------------


def all_mutants():
    """Every mutant, in the order of files and lines, with what identifies it whatever line it is in."""
    done = subprocess.run(["cargo", "mutants", "--list", "--json"], cwd=ROOT, stdout=subprocess.PIPE)
    if done.returncode:
        raise CannotTry("cargo mutants --list failed")
    mutants = sorted(json.loads(done.stdout), key=lambda m: (m["file"], place(m), m["name"]))
    count = Counter()
    for mutant in mutants:
        function = (mutant["function"] or {}).get("function_name", "")
        what = mutant["name"].split(": ", 1)[1]
        count[mutant["file"], function, what] += 1
        mutant["id"] = (mutant["file"], function, what, count[mutant["file"], function, what])
    return mutants


def place(mutant):
    start = mutant["span"]["start"]
    return start["line"], start["column"]


def shard(text):
    """K/N as two numbers."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text} is not K/N, with K from 0 to N-1")
    return int(found[1]), int(found[2])


def left_alone():
    """The entries of the checked-in list, by what identifies their mutants. Python has had a reader for TOML since 3.11 only,
    so this is a small one, for tables of one-line strings and numbers."""
    entries, entry = {}, None
    text = LEFT.read_text() if LEFT.exists() else ""
    for number, line in enumerate([*text.splitlines(), "[[left]]"], 1):
        line = line.strip()
        if line == "[[left]]":
            if entry is not None:
                identity = tuple(entry.pop(key, 1 if key == "nth" else None) for key in ("file", "function", "what", "nth"))
                if None in identity or not entry.get("why") or entry.get("kind") not in KINDS:
                    raise CannotTry(f"{LEFT.name}:{number - 1}: it ends an entry without file, function, what, why, or kind")
                entries[identity] = entry
            entry = {}
        elif line and not line.startswith("#"):
            key, equals, value = (part.strip() for part in line.partition("="))
            try:
                value = value[1:-1] if re.fullmatch("'[^']*'", value) else json.loads(value)
            except ValueError:
                value = None
            if entry is None or not equals or not isinstance(value, KEYS.get(key, ())):
                raise CannotTry(f"{LEFT.name}:{number}: {line} is not one of {', '.join(KEYS)} with a value on one line")
            entry[key] = value
    return entries


# --- trying them ----------------------------------------------------------------


def attempt(mutants, timeout):
    """Tries these mutants; yields each with its outcome. Without a timeout, the tests are run as they are first.

    Returns the timeout for further attempts, in seconds.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    tool = "nextest" if shutil.which("cargo-nextest") else "cargo"
    command = ["cargo", "mutants", "--output", WORK, "--test-tool", tool, "--colors", "never", "--no-shuffle"]
    if timeout is None:
        command += ["--timeout-multiplier", str(PATIENCE), "--minimum-test-timeout", str(LEAST_PATIENCE)]
    else:
        command += ["--baseline", "skip", "--timeout", str(timeout)]
    for mutant in mutants:
        command += ["--re", f"^{re.escape(mutant['name'])}$"]
    # The tests' profile with less to write and to link; one target directory for all attempts, so that dependencies are built once.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_PROFILE_DEV_DEBUG": "0", "INSTA_UPDATE": "no"}
    code = subprocess.run(command, cwd=ROOT, env=environment).returncode
    # 2: some were missed; 3: some ran for too long (https://mutants.rs/exit-codes.html).
    if code not in (0, 2, 3):
        raise CannotTry(f"cargo mutants exits {code}: the tests fail without a mutant, or see above")
    outcomes = json.loads((WORK / "mutants.out/outcomes.json").read_text())["outcomes"]
    by_name = {mutant["name"]: mutant for mutant in mutants}
    results = []
    for outcome in outcomes:
        if outcome["scenario"] == "Baseline":
            seconds = sum(phase["duration"] for phase in outcome["phase_results"] if phase["phase"] == "Test")
            timeout = max(LEAST_PATIENCE, round(PATIENCE * seconds))
        else:
            results.append((by_name[outcome["scenario"]["Mutant"]["name"]], OUTCOMES[outcome["summary"]]))
    return results, timeout


def attempt_all(mutants, wanted):
    """Tries mutants in this order until so many compiled, or all of them."""
    results, timeout, begun = [], None, 0
    while begun < len(mutants):
        viable = sum(outcome != "unviable" for _, outcome in results)
        batch = mutants[begun : begun + wanted - viable]
        if not batch:
            break
        begun += len(batch)
        more, timeout = attempt(batch, timeout)
        results += more
    return results


# --- what came of it ------------------------------------------------------------


def judge(results, left, known):
    """Prints counts and what is missed; returns the exit code."""
    of = {name: sorted(mutant["id"] for mutant, outcome in results if outcome == name) for name in OUTCOMES.values()}
    counts = ", ".join(f"{len(of[name])} {name}" for name in OUTCOMES.values())
    print(f"\n{len(results)} mutants: {counts}")
    new = [identity for identity in of["missed"] if identity not in left]
    for identity in of["missed"]:
        reason = left.get(identity)
        print(f"  {'left' if reason else 'MISSED'}: {described(identity)}{': ' + reason['why'] if reason else ''}")
    for identity in of["caught"]:
        if identity in left:
            print(f"  caught now, so its entry in {LEFT.name} can go: {described(identity)}")
    gone = sorted(identity for identity in left if identity not in known)
    for identity in gone:
        print(f"  {LEFT.name} names a mutant that there is not: {described(identity)}")
    print(f"{len(of['missed']) - len(new)} left with a reason, {len(new)} missed, {len(gone)} entries without a mutant")
    return 1 if new or gone else 0


def described(identity):
    file, function, what, nth = identity
    inside = "" if function in what else f" in {function}"
    return f"{file}: {what}{inside}{f' ({nth})' if nth > 1 else ''}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shard", type=shard, metavar="K/N", help="only one of N parts, K from 0 to N-1")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many that compile, drawn by the seed")
    parser.add_argument("--seed", type=int, default=1, metavar="SEED", help="what they are drawn by (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the mutants in the order they would be tried, and stop")
    arguments = parser.parse_args()
    try:
        left = left_alone()
        mutants = every = all_mutants()
        if arguments.sample is not None:
            mutants = random.Random(arguments.seed).sample(every, len(every))
        if arguments.shard:
            part, parts = arguments.shard
            mutants = mutants[part::parts]
        wanted = len(mutants) if arguments.sample is None else arguments.sample
        if arguments.list:
            print("\n".join(mutant["name"] for mutant in mutants))
            return 0
        results = attempt_all(mutants, wanted)
    except CannotTry as why:
        print(f"mutants: {why}", file=sys.stderr)
        return 2
    return judge(results, left, {mutant["id"] for mutant in every})


if __name__ == "__main__":
    sys.exit(main())
