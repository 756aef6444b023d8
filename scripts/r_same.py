#!/usr/bin/env python3
"""Verify that R reads the same values, and does the same, from what layerfit packed as from the tree.

    r_same.py values TREE PACKED...   every record of every lazy-load database in PACKED has its value in TREE
    r_same.py examples TREE PACKED    the examples of R's own packages print and plot the same

TREE is an R tree for /opt, PACKED a directory that layerfit packed it into (or the unzipped content of its zips). Each is
bound over /opt in its own mount namespace (r-works.sh), in which R runs.

values: R's own lazyLoadDBfetch() reads each record, and the bytes that serialize() returns are compared (r-values.R).

examples: those in the help pages of TREE (r-examples.R), run one topic after another with the same seed. If a topic differs,
its package is run twice more, from TREE again, and from PACKED with the pruned files restored:
  unstable   two runs from TREE also differ, so nothing can be concluded
  pruned     nothing differs when pruned files are restored
  different  anything else
The topics behind the figures go to standard error.

Prints one line for each PACKED. Exit 0: no differences; 1: some, or R did not run; 2: wrong arguments; 77: skipped, because
this machine does not allow mounts.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Maximum number of differences shown.
SHOWN = 5
# The time limit for a package's examples, in seconds: mgcv's take two minutes on an idle machine.
LONGEST = 1200
# Output that differs in each run, and its replacement.
NEVER_THE_SAME = (
    (r"0x[0-9a-f]{6,}", "ADDRESS"),
    (r"Rtmp\w{6}", "RtmpNAME"),
    (r"(RtmpNAME/+[A-Za-z_.-]*?)[0-9a-f]{8,}", r"\1NAME"),
    (r"\b(file|test)[0-9a-f]{9,}", r"\1NAME"),
    (r"(?m)^( *user +system +elapsed *\n).*", r"\1TIMES"),
    # The width of columns depends on such names.
    (r"[ \t]+", " "),
    (r"(?m) $", ""),
)


class Stop(Exception):
    """R cannot be run; with the exit code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def r(root, script, *files):
    """Runs an R script with `root` at /opt; returns its output."""
    command = [HERE / "r-works.sh", root, HERE / script, *files]
    # On timeout the process group is killed: R is not the direct child.
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Files that a killed process leaves are removed with the others.
        env={**os.environ, "TMPDIR": tempfile.gettempdir()},
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, _ = process.communicate()
    out = out.decode("utf-8", "backslashreplace")
    if process.returncode in (2, 77):
        raise Stop(process.returncode, last_line(out))
    return out


def last_line(text):
    lines = text.strip("\n").split("\n")  # not splitlines(), which splits at \x1e too
    return lines[-1] or "(no output)"


def some(things):
    """The first few, in parentheses."""
    shown = "; ".join(things[:SHOWN])
    return f" ({shown}{'; ...' if len(things) > SHOWN else ''})" if things else ""


def note(what, things):
    if things:
        print(f"note: {len(things)} {what}: {' '.join(things)}", file=sys.stderr)


# --- values --------------------------------------------------------------------


def read_values(root):
    """The compression of each database below `root`, and the length and checksum of each record's value."""
    out = r(root, "r-values.R")
    lines = out.strip("\n").split("\n")
    if lines[-1] != "end":
        raise Stop(1, f"cannot read the values in {root}: {last_line(out)}")
    databases, records = {}, {}
    for line in lines:
        fields = line.split("\t")
        if fields[0] == "database":
            databases[fields[1]] = fields[2]
        elif fields[0] == "record":
            records[fields[1], fields[2]] = (int(fields[3]), fields[4])
    return databases, records


def values(tree, packed, _temp):
    before = read_values(tree)
    return max([same_values(*before, *read_values(directory)) for directory in packed])


def same_values(databases, records, packed_databases, packed_records):
    wrong = [f"{path} is not in the tree" for path in packed_databases.keys() - databases.keys()]
    for path, name in sorted(records.keys() | packed_records.keys()):
        before, after = records.get((path, name)), packed_records.get((path, name))
        if path not in packed_databases and after is None:
            continue  # pruned
        if before is None or after is None:
            wrong.append(f"{path} {name}: is only in {'what is packed' if before is None else 'the tree'}")
        elif before != after:
            wrong.append(f"{path} {name}: {before[0]} bytes, {before[1]}, became {after[0]} bytes, {after[1]}")
    both = [key for key, value in packed_records.items() if records.get(key) == value]
    note("records that R cannot read in either", [" ".join(key) for key in both if not is_sum(packed_records[key])])
    both = [key for key in both if is_sum(packed_records[key])]
    forms = collections.Counter(
        form for path, form in packed_databases.items() if path in databases and form != databases[path]
    )
    print(
        f"{len(packed_databases)} of {len(databases)} databases are packed, {forms['0']} rewritten open and "
        f"{forms['3']} with xz; {len(both)} records ({sum(packed_records[key][0] for key in both)} bytes serialized) "
        f"are equal, {len(wrong)} are not{some(wrong)}"
    )
    return 0 if both and not wrong else 1


def is_sum(value):
    return re.fullmatch("[0-9a-f]{32}", value[1])


# --- examples --------------------------------------------------------------------


def examples(tree, packed, temp):
    if len(packed) != 1:
        raise Stop(2, "examples are run from one directory only")
    packed = packed[0]
    scripts, without_help = read_examples(tree)
    note("packages have no help pages in the tree, and so no examples", without_help)
    if not scripts:
        raise Stop(2, f"{tree} has no help pages: use the tree as it was built")
    whole = temp / "whole"
    put_back(tree, packed, whole)

    def one(package):
        file = temp / package / "examples"
        file.parent.mkdir()
        file.write_text(scripts[package], "utf-8")
        runs = {"tree": run_examples(tree, file), "packed": run_examples(packed, file)}
        topics = topics_of(scripts[package])
        if any(runs["tree"].get(topic) != runs["packed"].get(topic) for topic in topics):
            runs |= {"again": run_examples(tree, file), "whole": run_examples(whole, file)}
        return [verdict(f"{package}/{topic}", *(run.get(topic) for run in runs.values())) for topic in topics]

    found = collections.defaultdict(list)
    # The longest first, so that they are not the last to start.
    packages = sorted(scripts, key=lambda package: -len(scripts[package]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for verdicts in pool.map(one, packages):
            for kind, topic in verdicts:
                found[kind].append(topic)
    note("topics raise an error in both", found["error"])
    note("topics differ between two runs from the tree", found["unstable"])
    note("topics differ only because files are pruned", found["pruned"])
    note("topics were not reached", found["unreached"])
    same, wrong = found["equal"] + found["error"], found["different"]
    print(
        f"{len(scripts)} packages, {sum(map(len, found.values()))} topics: {len(same)} print the same, "
        f"{len(found['pruned'])} do with pruned files restored, {len(found['unstable'])} are unstable, "
        f"{len(found['unreached'])} not reached, {len(wrong)} different{some(wrong)}"
    )
    return 0 if same and not wrong else 1


def read_examples(tree):
    """The examples of each package, as text for r-examples.R; and the packages without help pages."""
    out = r(tree, "r-examples.R")
    if last_line(out) != "\x1eend":
        raise Stop(1, f"cannot read the examples in {tree}: {last_line(out)}")
    # Without anything that R printed before or after.
    parts = out[: out.rindex("\x1eend")].split("\x1epackage ")[1:]
    named = {part.split("\n", 1)[0]: f"\x1epackage {part}" for part in parts}
    return {name: text for name, text in named.items() if topics_of(text)}, [
        name for name, text in named.items() if not topics_of(text)
    ]


def topics_of(text):
    return re.findall(r"(?m)^\x1etopic (.*)$", text)


def run_examples(root, file):
    """The output of each topic; without those that did not run to their end."""
    return by_topic(r(root, "r-examples.R", file))


def by_topic(out):
    """What r-examples.R printed for each topic; without those that did not run to their end."""
    for pattern, replacement in NEVER_THE_SAME:
        out = re.sub(pattern, replacement, out)
    parts = re.split(r"(?m)^\x1e(?:topic (.*)|end)\n", out)
    # Text before the first topic, then each topic and its text; at the end None, if R reached it.
    return {topic: text for topic, text in zip(parts[1:-2:2], parts[2:-2:2]) if topic is not None}


def verdict(topic, tree, packed, again=None, whole=None):
    if tree is None:
        return "unreached", topic
    if tree == packed:
        return "error" if "\n\x1eerror\n" in tree else "equal", topic
    if tree != again:
        return "unstable", topic
    if tree == whole:
        return "pruned", topic
    return "different", f"{topic}: {parting(tree, whole)}"


def parting(before, after):
    """The first lines in which two texts differ."""
    if after is None:
        return "R did not reach its end"
    pairs = zip(before.split("\n") + ["(end)"], after.split("\n") + ["(end)"])
    return next(f'"{one}" became "{other}"' for one, other in pairs if one != other)


def put_back(tree, packed, whole):
    """Copies PACKED with its pruned files restored, and with the times of TREE's, which some examples print."""
    shutil.copytree(tree, whole, symlinks=True)
    for directory, _, names in os.walk(packed):
        for name in names:
            path = Path(directory, name)
            if path.is_symlink():
                continue
            below = path.relative_to(packed)
            target = whole / below
            if target.is_file():
                before = target.stat()
                shutil.copy(path, target)
                os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


# --- the program -------------------------------------------------------------------


def unzipped(directory, content):
    """The unzipped content of the zips in a directory; or the directory itself, if there are none."""
    zips = sorted(directory.glob("*.zip"))
    if not zips:
        return directory
    for path in zips:
        subprocess.run(["unzip", "-qo", path, "-d", content], check=True)
    return content


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s values|examples TREE PACKED..."
    )
    parser.add_argument("what", choices=("values", "examples"))
    parser.add_argument("tree", type=Path)
    parser.add_argument("packed", type=Path, nargs="+")
    given = parser.parse_args()
    for directory in (given.tree, *given.packed):
        if not directory.is_dir():
            parser.error(f"{directory} is not a directory")
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    with tempfile.TemporaryDirectory(prefix="r-same-") as temp:
        temp = Path(temp).resolve()
        tempfile.tempdir = str(temp)
        try:
            compare = values if given.what == "values" else examples
            packed = [unzipped(path.resolve(), temp / f"packed-{number}") for number, path in enumerate(given.packed)]
            return compare(given.tree.resolve(), packed, temp)
        except Stop as stop:
            print(f"r_same: {stop}", file=sys.stderr)
            return stop.code


if __name__ == "__main__":
    sys.exit(main())
