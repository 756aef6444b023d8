#!/usr/bin/env python3
"""Compare layerfit's bin packing with an independent solver: OR-Tools CP-SAT.

Generates instances from a fixed seed: 20 to 400 items of nine kinds, loose or full to the byte, with one or both dimensions
binding, every third with items pinned to bins. examples/packing.rs packs them, and each answer is checked with arithmetic
and with CP-SAT:

- every item is in exactly one bin, a pinned one in the bin of its pin, and no bin is overfull;
- a packing reported as optimal is optimal: with one bin fewer, the sums of bytes or CP-SAT prove it infeasible;
- the lower bound is valid: CP-SAT finds no packing below it; and it equals the number of bins if and only if the packing is
  reported as optimal;
- it took no more than a second of processor time.

CP-SAT has a deterministic effort limit instead of a time limit, so results are the same everywhere. Instances that it
cannot decide are counted but not judged, as are packings reported as unproven that CP-SAT improves.

Prints one line for each failure, and a line of figures at the end. Exit 0: no failures; 1: some; 2: wrong arguments; 77:
OR-Tools is missing and cannot be installed. If missing, it is installed from PyPI into a virtual environment.
"""

import argparse
import json
import math
import multiprocessing
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pypi

ROOT = Path(__file__).resolve().parent.parent
ORTOOLS = "ortools==9.15.6755"
SEED = 20240607
# Maximum processor time of an answer, in milliseconds.
MAX_MILLISECONDS = 1000
# CP-SAT's effort limit for one question, in its deterministic units: about as many seconds.
EFFORT = 3.0

COUNTS = (20, 25, 30, 40, 60, 100, 200, 400)
FILLS = (0.7, 0.85, 0.92, 0.96, 0.98, 0.99, 0.995, 0.999, 0.9999)
BINDING = ("zipped", "unzipped", "both")
# Lambda's limits, for kinds of items that are shares of a bin.
LAYER = (50 << 20, 250 << 20)


# --- instances ----------------------------------------------------------------


def packages(rng, number):
    """Zipped and unzipped sizes like those of R packages."""
    zipped = rng.lognormvariate(12.8, 1.5)
    return zipped, zipped * math.exp(rng.gauss(1.0, 0.35))


def large(rng, number):
    """One in twelve is much larger."""
    factor = rng.uniform(10, 40) if rng.random() < 0.08 else 1
    return tuple(factor * size for size in packages(rng, number))


def halves(rng, number):
    """Some have about the same size, and are larger than nearly all others."""
    zipped = rng.uniform(0.8, 1.2) * 2e7 if number < 12 else packages(rng, number)[0]
    return zipped, zipped * math.exp(rng.gauss(1.0, 0.35))


def mixed(rng, number):
    """Shared objects hardly compress, help and data do."""
    zipped = packages(rng, number)[0]
    return zipped, zipped * rng.choice((1.15, 9.0)) * rng.uniform(0.9, 1.1)


def equal(rng, number):
    """Many are of one size."""
    zipped = rng.choice((4e5, 9e5, 2.5e6, 6.1e6, 7.7e6))
    return zipped, zipped * rng.choice((1.5, 2.5, 4.0))


def opposite(rng, number):
    """What is large zipped is small unzipped."""
    share = rng.betavariate(0.6, 0.6)
    return 1e6 * (0.05 + share), 5e6 * (1.05 - share)


def thirds(rng, number):
    """A few of them fill a bin."""
    return tuple(rng.uniform(0.15, 0.5) * size for size in LAYER)


def over_half(rng, number):
    """Some are more than half a bin in one dimension."""
    return tuple(rng.uniform(0.05, 0.7) * size for size in LAYER)


OF_ANY_SIZE = (packages, large, halves, mixed, equal, opposite)
OF_A_BIN = (thirds, over_half)


def cut(rng, bins, count):
    """Items that fill `bins` bins to the byte, in one dimension or both."""
    both = rng.random() < 0.5
    items = []
    for number in range(bins):
        inside = count // bins + (number < count % bins)
        columns = []
        for dimension, size in enumerate(LAYER):
            full = size if dimension == 0 or both else int(size * rng.uniform(0.5, 0.95))
            shares = [rng.lognormvariate(0, 1.2) for _ in range(inside)]
            column = [max(1, int(full * share / sum(shares))) for share in shares]
            column[0] += full - sum(column)
            columns.append(column)
        items += zip(*columns)
    rng.shuffle(items)
    return items


def instances(count):
    """`count` instances; each has its own seed, so none depends on the count."""
    kinds = OF_ANY_SIZE + OF_A_BIN + (cut,)
    for number in range(count):
        rng = random.Random(SEED + number)
        kind = kinds[number % len(kinds)]
        # Two in three have no more bins than Lambda allows layers.
        bins = rng.randint(6, 12) if rng.random() < 1 / 3 else rng.randint(1, 5)
        size = rng.choice(COUNTS)
        capacity = LAYER
        if kind is cut:
            items = cut(rng, bins, size)
            slack = rng.choice((0, 0.0001, 0.001, 0.01))
            capacity = [int(size * (1 + slack)) for size in LAYER]
        elif kind in OF_A_BIN:
            items = [kind(rng, item) for item in range(rng.randint(20, 45))]
        else:
            items = [kind(rng, item) for item in range(size)]
        items = [[int(zipped), int(unzipped)] for zipped, unzipped in items]
        if kind in OF_ANY_SIZE:
            capacity = fitting(rng, items, bins)
        pins = pinned(rng, items, capacity) if rng.random() < 1 / 3 else [None] * len(items)
        yield {
            "capacity": list(capacity),
            "items": [[*item, pin] for item, pin in zip(items, pins)],
        }


def fitting(rng, items, bins):
    """A capacity with which `bins` bins would be filled to some degree."""
    binding = rng.choice(BINDING)
    capacity = []
    for dimension, name in enumerate(("zipped", "unzipped")):
        fill = rng.choice(FILLS)
        if binding not in (name, "both"):
            fill *= rng.uniform(0.4, 0.9)
        sizes = [item[dimension] for item in items]
        capacity.append(max(math.ceil(sum(sizes) / (bins * fill)), max(sizes)))
    return capacity


def pinned(rng, items, capacity):
    """Pins to a few bins for some of the items, which fit there together."""
    left = {number: list(capacity) for number in rng.sample(range(6), rng.randint(1, 4))}
    share = rng.choice((0.05, 0.2, 0.5))
    pins = []
    for item in items:
        number = rng.choice(sorted(left))
        fits = all(size <= residual for size, residual in zip(item, left[number]))
        pins.append(number if fits and rng.random() < share else None)
        if pins[-1] is not None:
            left[number] = [residual - size for size, residual in zip(item, left[number])]
    return pins


# --- judging ------------------------------------------------------------------


def continuous_bound(instance):
    """The lower bound from the sums of bytes and from the pins."""
    least = len({pin for _, _, pin in instance["items"]} - {None})
    for dimension, capacity in enumerate(instance["capacity"]):
        least = max(least, -(-sum(item[dimension] for item in instance["items"]) // capacity))
    return least


def is_feasible(instance, bins):
    """Whether the items fit into `bins` bins, by CP-SAT; None if it cannot decide."""
    from ortools.sat.python import cp_model

    items, capacity = instance["items"], instance["capacity"]
    # The bins that pins name come first.
    pins = sorted({pin for _, _, pin in items} - {None})
    model = cp_model.CpModel()
    inside = [[model.new_bool_var("") for _ in range(bins)] for _ in items]
    free = [number for number, (_, _, pin) in enumerate(items) if pin is None]
    free.sort(key=lambda i: -max(size / most for size, most in zip(items[i], capacity)))
    for number, (_, _, pin) in enumerate(items):
        model.add_exactly_one(inside[number])
        if pin is not None:
            model.add(inside[number][pins.index(pin)] == 1)
    # The others are interchangeable: the largest item is in the first of them, the second in one of the first two, ...
    for order, number in enumerate(free):
        for bin_ in range(len(pins) + order + 1, bins):
            model.add(inside[number][bin_] == 0)
    for bin_ in range(bins):
        for dimension in range(2):
            held = sum(item[dimension] * inside[i][bin_] for i, item in enumerate(items))
            model.add(held <= capacity[dimension])
    solver = cp_model.CpSolver()
    # One thread and a fixed effort, for the same result everywhere.
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = EFFORT
    status = solver.solve(model)
    return {cp_model.OPTIMAL: True, cp_model.FEASIBLE: True, cp_model.INFEASIBLE: False}.get(status)


def wrong(instance, answer):
    """What is wrong with an answer in itself; None if it is a valid packing and consistent."""
    items, packing = instance["items"], answer["packing"]
    if sorted(item for bin_ in packing for item in bin_) != list(range(len(items))):
        return "not every item is in exactly one bin"
    for number, bin_ in enumerate(packing):
        for dimension, capacity in enumerate(instance["capacity"]):
            if sum(items[item][dimension] for item in bin_) > capacity:
                return "a bin is overfull"
        if any(items[item][2] not in (None, number) for item in bin_):
            return "an item is not in the bin of its pin"
    bins, lower_bound, optimal = answer["bins"], answer["lower_bound"], answer["optimal"]
    if bins != sum(1 for bin_ in packing if bin_):
        return "the number of bins is not that of the packing"
    if lower_bound > bins or optimal != (lower_bound == bins):
        return f"the lower bound is {lower_bound} and optimal {optimal}"
    if answer["milliseconds"] > MAX_MILLISECONDS:
        return f"took {answer['milliseconds']} ms"
    return None


def judge(question):
    """What is wrong with an answer, or None; and how it was judged."""
    instance, answer = question
    what = wrong(instance, answer)
    bins, lower_bound, least = answer["bins"], answer["lower_bound"], continuous_bound(instance)
    if what is not None:
        return what, "failed"
    if bins <= least:
        return None, "proven by sums" if answer["optimal"] else "unproven: optimal by sums"
    fewer = is_feasible(instance, bins - 1)
    if answer["optimal"]:
        if fewer:
            return f"CP-SAT needs only {bins - 1} bins", "failed"
        return None, "proven by CP-SAT" if fewer is False else "CP-SAT cannot tell"
    if fewer and lower_bound == bins - 1 or lower_bound <= least:
        below = False
    else:
        below = is_feasible(instance, lower_bound - 1)
    if below:
        return f"CP-SAT needs fewer than the lower bound {lower_bound}", "failed"
    return None, f"unproven: CP-SAT {'finds fewer' if fewer else 'cannot tell' if fewer is None else 'proves it'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packing", type=Path, metavar="PROGRAM", help="the built example (default: run it with cargo)")
    parser.add_argument("--instances", type=int, default=600, metavar="N", help="how many instances (default: %(default)s)")
    parser.add_argument("--print", action="store_true", help="only print the instances as JSON lines")
    options = parser.parse_args()
    problems = list(instances(options.instances))
    lines = "".join(json.dumps(problem) + "\n" for problem in problems)
    if options.print:
        sys.stdout.write(lines)
        return 0
    pypi.enter("packing-truth", [ORTOOLS])
    program = [options.packing] if options.packing else ["cargo", "run", "-q", "--release", "--example", "packing"]
    done = subprocess.run(program, input=lines, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(answers) != len(problems):
        print(f"{program[0]} exits {done.returncode} with {len(answers)} answers to {len(problems)} instances", file=sys.stderr)
        return 2
    tally = Counter()
    with multiprocessing.Pool() as pool:
        for number, (what, how) in enumerate(pool.imap(judge, zip(problems, answers))):
            tally[how] += 1
            if what is not None:
                items, bins = len(problems[number]["items"]), answers[number]["bins"]
                print(f"FAILED instance {number} ({items} items, {bins} bins): {what}")
    slowest = max(answer["milliseconds"] for answer in answers)
    others = ", ".join(f"{count} {how}" for how, count in sorted(tally.items()) if how != "failed")
    print(f"{len(problems)} instances, {tally['failed']} failures: {others}; at most {slowest} ms each")
    return 1 if tally["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
