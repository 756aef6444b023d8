#!/usr/bin/env python3
"""Compare what layerfit reads of R packages with what R reads: what their namespaces import, and what their code calls.

    calls_truth.py TREE [--debian COUNT] [--work DIR] [--r-calls FILE]

For every package in TREE, an R tree for /opt, and with --debian for COUNT packages of the archive as well (an even sample of
all r-cran-*, r-bioc-* and r-other-*): they are downloaded and unpacked beside the tree's R, and not run. R reads Meta/nsInfo.rds,
parses NAMESPACE, and walks over every function and environment of the lazy-load database (r-calls.R); examples/r_calls.rs is
layerfit's side. R reads a few packages in a process, two at a time. What was downloaded and read is kept in DIR (target/calls), so
that another run continues.

Prints each difference, and a line of figures. Exit 0: no differences; 1: some; 2: wrong arguments; 77: skipped, because this
machine has no apt or does not allow mounts.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "target/calls"
# How many packages one run of apt-get downloads.
AT_ONCE = 20
# How many packages one process of R reads, and how many such processes there are at a time.
PACKAGES, PROCESSES = 20, 2
# Packages whose NAMESPACE imports what their DESCRIPTION does not, or with unusual conditions: always in the sample.
ALWAYS = """aplpack bibtex broom.mixed collapse data.table etm glmmtmb googlevis mgcv rcpp readr repr rslurm rstan satellite segmented
    snow tikzdevice vegan xml2""".split()

# The packages that R starts with: importing from them without naming them in DESCRIPTION is common, and cannot fail.
STARTS = set("base methods datasets utils grDevices graphics stats".split())


class Crash(Exception):
    """R did not reach its end; with what it printed."""

    def __init__(self, message, lines):
        super().__init__(message)
        self.lines = lines


def run(command, **options):
    return subprocess.run([str(word) for word in command], encoding="utf-8", errors="replace", **options)


class Skip(Exception):
    """It cannot run here."""


def debian(count, conf):
    """The library with an unpacked sample of the archive's packages."""
    apt = [] if conf is None else ["-c", conf]
    listed = run(["apt-cache", *apt, "search", "--names-only", "^r-(cran|bioc|other)-"], capture_output=True)
    names = sorted(line.split()[0] for line in listed.stdout.splitlines())
    if not names:
        raise Skip("apt lists no r-cran-* packages; run apt-get update")
    always = [f"r-cran-{name}" for name in ALWAYS if f"r-cran-{name}" in names]
    step = max(1, len(names) / max(1, count - len(always)))
    sample = sorted({*always, *(names[int(number * step)] for number in range(int(len(names) / step)))})
    debs, root = WORK / "debs", WORK / "opt/debian"
    debs.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in sample if not list(debs.glob(f"{name}_*.deb"))]
    for first in range(0, len(wanted), AT_ONCE):
        done = run(["apt-get", *apt, "-q", "download", *wanted[first : first + AT_ONCE]], cwd=debs, capture_output=True)
        if done.returncode:
            raise Skip(f"apt-get download: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    for name in sample:
        for deb in debs.glob(f"{name}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return root / "usr/lib/R/site-library", len(sample)


def by_r(tree, libraries):
    """What R reads, by directory: imports, parsed, calls."""
    directories = [path for library in libraries for path in sorted(library.iterdir()) if (path / "Meta/package.rds").exists()]
    directories = [path for path in directories if (path / "DESCRIPTION").exists()]
    batches = [directories[first : first + PACKAGES] for first in range(0, len(directories), PACKAGES)]
    packages, package, told = {}, None, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for number, lines in enumerate(pool.map(lambda batch: read_by_r(tree, batch), batches)):
            for line in lines:
                kind, *words = line.split(" ")
                if kind == "package":
                    package = packages.setdefault(str(tree / Path(" ".join(words)).relative_to("/opt")), {"calls": {}})
                elif kind == "calls":
                    called, *callers = map(urllib.parse.unquote, words)
                    package["calls"][called] = sorted(callers)
                elif kind == "unreadable":
                    package["calls"] = " ".join(words)
                else:
                    package[kind] = sorted(word for word in words if word)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"calls_truth: R has read {min((number + 1) * PACKAGES, len(directories))} of {len(directories)}", file=sys.stderr)
    return packages


def read_by_r(tree, directories):
    """The lines of r-calls.R about these packages; kept for the same packages and the same script."""
    digest = hashlib.sha256((HERE / "r-calls.R").read_bytes())
    for directory in directories:
        digest.update(f"{directory.relative_to(tree)}\n".encode() + (directory / "Meta/package.rds").read_bytes())
    kept = WORK / "read" / f"{digest.hexdigest()[:16]}.txt"
    if not kept.exists():
        try:
            lines = ask_r(tree, "packages.txt", [f"/opt/{directory.relative_to(tree)}" for directory in directories])
        except Crash as crash:
            # A package with objects of its own namespace is loaded by R when these are read, and can end the process.
            if len(directories) > 1:
                return [line for directory in directories for line in read_by_r(tree, [directory])]
            if not crash.lines:
                raise
            lines = [*crash.lines, "unreadable R did not reach its end"]
        kept.parent.mkdir(exist_ok=True)
        new = kept.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.replace(kept)
    return kept.read_text().split("\n")[:-1]


def ask_r(tree, name, lines):
    """What r-calls.R prints of a file with these lines, which has this name."""
    with tempfile.TemporaryDirectory(prefix="asked-", dir=WORK) as temp:
        asked = Path(temp, name)
        asked.write_text("".join(f"{line}\n" for line in lines))
        done = run([HERE / "r-works.sh", tree, HERE / "r-calls.R", asked], capture_output=True)
    if done.returncode == 77:
        raise Skip(done.stderr.strip().splitlines()[-1])
    # Packages may print as well.
    lines = [line[1:] for line in done.stdout.split("\n") if line.startswith("\x1e")]
    if done.returncode or not lines or lines[-1] != "end":
        raise Crash(f"R did not reach its end: {done.stderr[-2000:]}{done.stdout[-500:]}", lines)
    return lines[:-1]


def confirmed(tree, claims):
    """Those of these (directory, function, called package) of which R's serialize() says that the function names the package."""
    if not claims:
        return set()
    lines = [[f"/opt/{Path(directory).relative_to(tree)}", *rest] for directory, *rest in claims]
    lines = [" ".join(urllib.parse.quote(word, safe="/") for word in line) for line in lines]
    return {claim for claim, verdict in zip(claims, ask_r(tree, "claims.txt", lines), strict=True) if verdict == "holds"}


def main():
    global WORK
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--debian", type=int, metavar="COUNT", default=0)
    parser.add_argument("--work", type=Path, metavar="DIR", default=WORK)
    parser.add_argument("--r-calls", type=Path, metavar="FILE", help="examples/r_calls.rs, built; by default it is built here")
    given = parser.parse_args()
    if not (given.tree / "R/bin/Rscript").exists():
        parser.error(f"{given.tree} does not contain R/bin/Rscript")
    WORK = given.work.resolve()
    WORK.mkdir(parents=True, exist_ok=True)
    # R sees the tree at /opt, so the archive's packages have to be in it: links to its files take no space.
    tree = WORK / "opt"
    for child in tree.iterdir() if tree.exists() else ():
        if child.name != "debian":
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    shutil.copytree(given.tree, tree, symlinks=True, copy_function=link, dirs_exist_ok=True)
    try:
        libraries = sorted({path.parent.parent.parent for path in given_packages(tree)})
        sampled = 0
        if given.debian:
            conf = Path(f"{given.tree}.debs") / "apt/conf"
            library, sampled = debian(given.debian, conf.resolve() if conf.exists() else None)
            libraries = sorted({*libraries, library})
        theirs = by_r(tree, libraries)
    except Skip as why:
        print(f"skipped: {why}", file=sys.stderr)
        return 77
    cargo = ["cargo", "run", "--release", "--locked", "-q", "--example", "r_calls", "--"]
    example = [*([given.r_calls.resolve()] if given.r_calls else cargo), *libraries]
    ours = json.loads(run(example, stdout=subprocess.PIPE, check=True, cwd=HERE.parent).stdout)
    return compare(tree, theirs, ours, sampled)


def link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def given_packages(tree):
    return [path for path in tree.glob("**/Meta/package.rds") if "debian" not in path.relative_to(tree).parts]


def compare(tree, theirs, ours, sampled):
    wrong, figures = 0, dict.fromkeys(("imports", "parsed", "calls"), 0)
    beyond, unread, claims = [], [], []

    def differ(directory, what, of_r, of_layerfit):
        nonlocal wrong
        wrong += 1
        print(f"{Path(directory).name} {what}: R has {of_r}, layerfit {of_layerfit}")

    for directory, package in sorted(theirs.items()):
        read = ours[directory]
        for what in ("imports", "parsed"):
            if what not in package:
                continue
            figures[what] += len(package[what])
            if package[what] == ["?"] and what == "parsed":
                unread.append(Path(directory).name)
            elif package[what] != read[what] and not (what == "parsed" and is_wider(directory, package[what], read[what])):
                differ(directory, what, package[what], read[what])
        declared = set(re.findall(r"[A-Za-z][A-Za-z0-9.]*", description(directory)))
        if set(package.get("imports", ())) - declared - STARTS - {Path(directory).name}:
            beyond.append(Path(directory).name)
        if isinstance(package["calls"], str) and isinstance(read["calls"], dict):
            # R loads packages that classes of this one extend, and they are not there.
            unread.append(Path(directory).name)
            continue
        if isinstance(read["calls"], str):
            differ(directory, "calls", package["calls"], read["calls"])
            continue
        calls = read["calls"] or {}
        for called in sorted(set(calls) | set(package["calls"])):
            of_r, of_layerfit = set(package["calls"].get(called, ())), set(calls.get(called, ()))
            figures["calls"] += len(of_r)
            claims += [(directory, function, called) for function in sorted(of_layerfit - of_r)]
            if of_r - of_layerfit:
                differ(directory, f"calls {called}", sorted(of_r - of_layerfit), [])
    holds = confirmed(tree, claims)
    for directory, function, called in claims:
        if (directory, function, called) not in holds:
            differ(directory, f"calls {called}", [], function)
    print(f"imports beyond DESCRIPTION: {', '.join(beyond)}")
    print(f"R itself cannot read without other packages: {', '.join(unread)}")
    print(
        f"{len(theirs)} packages, {sampled} of them from the archive: {figures['imports']} imports by nsInfo.rds, "
        f"{figures['parsed']} by NAMESPACE, {figures['calls']} calls of another package, {len(holds)} more in promises; "
        f"{wrong} differences"
    )
    return 1 if wrong else 0


def is_wider(directory, of_r, of_layerfit):
    """Whether layerfit has more because a condition in NAMESPACE is not about the operating system: it then reads both branches."""
    text = Path(directory, "NAMESPACE").read_text(encoding="utf-8", errors="replace")
    return set(of_r) < set(of_layerfit) and re.search(r"(?m)^\s*if\s*\(", text)


def description(directory):
    """The fields of DESCRIPTION that name what the package needs."""
    text = Path(directory, "DESCRIPTION").read_text(encoding="utf-8", errors="replace")
    return " ".join(re.findall(r"(?m)^(?:Depends|Imports):((?:.*\n(?:[ \t].*\n)*))", text))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Crash as crash:
        sys.exit(f"calls_truth: {crash}")
