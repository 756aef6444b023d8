#!/usr/bin/env python3
"""Mutation testing: make small wrong edits (mutants), one at a time, and see whether a test fails for each.

cargo-mutants makes the edits and runs the library's unit tests and tests/it; .cargo/mutants.toml lists the files. Without
options, all mutants are tested, which takes many hours; --shard K/N tests one of N parts (K counts from 0), and --sample N a
sample drawn with a fixed seed, always the same. A drawn mutant that does not compile is replaced by the next.

A missed mutant is an error unless tests/mutants-left.toml lists it with a reason (that file describes the format). An entry
there that matches no mutant is an error too.

Everything that is built or reported is below target/mutants. Exit 0: none is missed; 1: some are; 2: it cannot run.
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
# The time limit of a mutant, as a multiple of the tests' time without one; and its minimum, in seconds.
PATIENCE, MIN_PATIENCE = 2, 60
OUTCOMES = {"CaughtMutant": "caught", "MissedMutant": "missed", "Timeout": "timeout", "Unviable": "unviable"}


class CannotTry(Exception):
    """Mutation testing cannot run."""


# --- which mutants --------------------------------------------------------------


def all_mutants():
    """Every mutant, ordered by file and line, with an identity that does not depend on the line."""
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
    """The entries of the checked-in list, by the identity of their mutants. Python has a TOML parser only since 3.11, so this is
    a small one, for tables of one-line strings and numbers."""
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
    """Tests these mutants; returns each with its outcome, and the timeout for further attempts, in seconds.

    Without a timeout, the tests are first run without a mutant.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    tool = "nextest" if shutil.which("cargo-nextest") else "cargo"
    command = ["cargo", "mutants", "--output", WORK, "--test-tool", tool, "--colors", "never", "--no-shuffle"]
    if timeout is None:
        command += ["--timeout-multiplier", str(PATIENCE), "--minimum-test-timeout", str(MIN_PATIENCE)]
    else:
        command += ["--baseline", "skip", "--timeout", str(timeout)]
    for mutant in mutants:
        command += ["--re", f"^{re.escape(mutant['name'])}$"]
    # One target directory for all attempts, so that dependencies are built once. .config/nextest.toml has the profile.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK / "build"), "INSTA_UPDATE": "no", "NEXTEST_PROFILE": "mutants"}
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
            timeout = max(MIN_PATIENCE, round(PATIENCE * seconds))
        elif mutant := by_name.get(outcome["scenario"]["Mutant"]["name"]):
            # cargo-mutants also tests mutants that delete a field, whatever --re says; those that were not drawn do not count.
            results.append((mutant, OUTCOMES[outcome["summary"]]))
    return results, timeout


def attempt_all(mutants, wanted):
    """Tests mutants in this order until `wanted` of them compiled."""
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


# --- the result -----------------------------------------------------------------


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
            print(f"  now caught, so its entry in {LEFT.name} can be removed: {described(identity)}")
    gone = sorted(identity for identity in left if identity not in known)
    for identity in gone:
        print(f"  {LEFT.name} has an entry that matches no mutant: {described(identity)}")
    print(f"{len(of['missed']) - len(new)} left with a reason, {len(new)} missed, {len(gone)} entries without a mutant")
    return 1 if new or gone else 0


def described(identity):
    file, function, what, nth = identity
    inside = "" if function in what else f" in {function}"
    return f"{file}: {what}{inside}{f' ({nth})' if nth > 1 else ''}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shard", type=shard, metavar="K/N", help="only one of N parts, K from 0 to N-1")
    parser.add_argument("--sample", type=int, metavar="N", help="only a sample of N that compile")
    parser.add_argument("--seed", type=int, default=1, metavar="SEED", help="the seed of the sample (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the mutants in the order of testing, and stop")
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
