#!/usr/bin/env python3
"""Verify layerfit on some hundred R packages of the Debian or Ubuntu archive, laid out as /opt with their native libraries.

    archive_work.py [--layerfit FILE] [--work DIR] [--all | --sample N [--seed N]] [--examples N] [--minutes N]
                    [--report FILE] [--only STEP]... [--list]

The packages are those of scripts/archive.toml, with --all all that the archive has, with --sample N an even choice of N; apt adds
what they depend on (scripts/demo-tree.sh), which is not loaded on its own with --sample. The steps, in this order:

  the-tree-is-laid-out           downloads and unpacks
  packages-are-as-r-says         the packages and what they need, by layerfit and by R (r-packages.R)
  calls-are-as-r-says            NAMESPACE and calls of other packages, by layerfit and by R (calls_truth.py)
  the-loader-agrees              each library that an ELF file needs, by layerfit and by ld.so with the LD_LIBRARY_PATH that a
                                 running R has (examples/loader_truth.rs)
  the-forms-are-packed           packs with safe rules; with --strip all --repack-rdb; with --select extra, and with that but data sets
  handlers-run                   each handler of archive.toml prints the same from the tree, from the second and the last, and from
                                 exactly what --handler keeps
  packages-load                  each package is loaded in a process of its own, every object forced and every data set loaded
                                 (r-load.R), from the tree and from the first three
  examples-do-the-same           the examples of N packages chosen at random, from the tree and from what
                                 --strip all --repack-rdb packed; only those that differ are run again, to see why

A difference is a failure unless [[explained]] of archive.toml has an explanation of it.

R runs as in Lambda, without network, with the tree read-only at /opt, in a /tmp, HOME and process namespace of its own (r-works.sh),
with a time limit, two at a time. What is done is kept in DIR (by default target/archive), so that another start goes on; after
--minutes N no further R is started, and what remains is left to the next start. With --report, what is known is written as Markdown.

Each step prints how far it is to standard error, and one line: "ok NAME: figures", "FAILED NAME: what" or "skipped NAME: why".
Exit 0: none failed; 1: some failed; 2: wrong arguments; 77: skipped, because this machine has no apt or allows no mounts.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

import checks
import r_same
from checks import MISSING, Failed, NothingWorksHere, Skipped, require

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIST = HERE / "archive.toml"

# The tree is larger than any function's.
LARGE = "--runtime host --max-unzipped 32GiB --max-zipped 1GiB --max-layers 50 --level fast --config /dev/null".split()
FORMS = {
    "safe": [],
    "repacked": ["--strip", "all", "--repack-rdb"],
    "extra": ["--select", "extra"],
    "but-data": ["--select", "extra", "--ignore", "D801,D802"],
}
# Those that packages are loaded from, in the order of what they change; and those that handlers run from: without any data sets
# hardly one would.
LOADED, SNIPPETS = ("repacked", "extra", "safe"), ("repacked", "but-data")
SAID = {
    "safe": "safe rules",
    "repacked": "safe rules, `--strip all --repack-rdb`",
    "extra": "`--select extra`",
    "but-data": "`--select extra --ignore D801,D802`",
    "examples": "examples, safe rules with `--strip all --repack-rdb`",
    "handler": "`--handler`",
}
AT_ONCE = 2
# Two entries of zips with one name are the same if these fields of the manifest are.
SAME = ("size", "crc32", "mode", "link")
# Files that unzip is given by name.
AT_A_TIME = 500
# At the end of what examples printed, if the time limit ended them.
LATE = "\n\x1elate\n"
# Time limits in seconds: of loading a package, of a package's examples, and of a handler.
LOADING, EXAMPLES, HANDLING = 180, 90, 300
# A reason for more differences than this has their names only.
MANY = 12
# Lines that begin with the same so many characters say the same: some packages greet with a saying that is chosen at random.
ALIKE = 50
# How often a step tells how far it is, in seconds.
PROGRESS = 30
# Seconds after which layerfit and the comparisons with R are given up.
PATIENCE = 3600
# Namespaces around r-works.sh: no network but the loopback device, and no process survives the first.
OFFLINE = [
    "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
    "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh",
]  # fmt: skip
AS_ROOT = ["unshare", "--user", "--map-root-user"]
# What a handler does not print the same twice.
NEVER_THE_SAME = (*r_same.NEVER_THE_SAME, (r"\b(?:[0-9.]+ ?m?s(?:ecs?)?|[0-9:]+ elapsed)\b", "TIME"))


def say(text):
    print(f"archive: {text}", file=sys.stderr, flush=True)


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def normalized(text, patterns=r_same.NEVER_THE_SAME):
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text)
    return text


class Archive:
    """The tree, what layerfit makes of it, and what is known of both."""

    def __init__(self, given):
        described = tomllib.loads(LIST.read_text())
        self.given, self.layerfit = given, given.layerfit.resolve()
        self.groups, self.handlers, self.explained = (described.get(key, []) for key in ("group", "handler", "explained"))
        self.work = given.work.resolve()
        self.tree = self.work / "opt"
        self.ends = time.monotonic() + given.minutes * 60 if given.minutes else None
        self.facts, self.used = {}, set()
        (self.work / "results").mkdir(parents=True, exist_ok=True)
        # Another start may run a step of its own at the same time.
        self.temp = Path(tempfile.mkdtemp(prefix="tmp-", dir=self.work))
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.temp)

    def listed(self):
        """The packages of the list that are asked for, and those that the archive does not have."""
        if not shutil.which("apt-cache"):
            raise NothingWorksHere("this machine has no apt")
        found = call("apt-cache", "search", "--names-only", "^r-(cran|bioc|other)-").stdout
        there = sorted(line.split()[0] for line in found.splitlines())
        if not there:
            raise NothingWorksHere("apt lists no r-cran-* packages; run apt-get update")
        wanted = sorted({f"r-{name.lower()}" for group in self.groups for name in group["packages"].split()})
        lacking = sorted(set(wanted) - set(there))
        if self.given.all:
            return there, lacking
        wanted = [name for name in wanted if name in there]
        chosen = random.Random(self.given.seed)
        if self.given.sample:
            wanted = sorted(chosen.sample(wanted, min(self.given.sample, len(wanted))))
            self.handlers = chosen.sample(self.handlers, min(len(self.handlers), max(1, self.given.sample // 3)))
        needed = {f"r-{name.lower()}" for handler in self.handlers for name in handler["packages"].split()}
        return sorted({*wanted, *needed} & set(there)), lacking

    def key(self):
        """What identifies the tree."""
        return sha256((self.work / "opt.stamp").read_bytes())

    def program(self):
        return sha256(self.layerfit.read_bytes())

    def known(self, name, key, compute):
        """What `compute` returns, or returned in an earlier run with the same key; None if the time is over."""
        path = self.work / "results" / f"{name}.json"
        earlier = json.loads(path.read_text()) if path.exists() else {}
        if earlier.get("key") != key:
            if self.over():
                return None
            earlier = {"key": key, "data": compute()}
            write(path, json.dumps(earlier, indent=1))
        self.facts[name] = earlier["data"]
        return earlier["data"]

    def root(self, form):
        return self.tree if form == "tree" else self.work / form / "opt"

    def form_key(self, form):
        """What identifies the content of the tree or of a form, whatever program packed it."""
        return self.key() if form == "tree" else (self.work / form / "content").read_text()

    def report_of(self, form):
        return json.loads((self.work / form / "pack.json").read_text())

    def packages(self):
        """The directory of each package below the tree by its name: those asked for first."""
        found = {path.parent.parent.name: path.parent.parent for path in sorted(self.tree.glob("**/Meta/package.rds"))}
        found.pop("translations", None)  # has only message catalogues
        asked = self.asked()
        return dict(sorted(found.items(), key=lambda item: (item[0].lower() not in asked, item[0].lower())))

    def asked(self):
        """The names of the packages that are asked for, in lower case."""
        return {re.sub("^r-[a-z]+-", "", deb) for deb in self.facts["tree"]["listed"]}

    def named(self):
        """The names of the packages that archive.toml names, in lower case."""
        return {re.sub("^[a-z]+-", "", name.lower()) for group in self.groups for name in group["packages"].split()}

    def explanation(self, form, subject, line):
        """Why a difference is one that rules state; None if nothing explains it."""
        for number, entry in enumerate(self.explained):
            if form not in entry["forms"].split() or not re.fullmatch(entry["subject"], subject):
                continue
            if re.search(entry["line"], line):
                self.used.add(number)
                return number
        return None

    def told(self, form, subject, lines):
        """The lines that differ, each with the number of its explanation.

        What is not printed or loaded after an error has the explanation of that error.
        """
        found = [{"form": form, "subject": subject, "line": line, "why": self.explanation(form, subject, line)} for line in lines]
        errors = [one["why"] for one in found if re.match(r"\+ (error |stopped |Error)", one["line"]) and one["why"] is not None]
        for one in found:
            if one["why"] is None and errors:
                one["why"] = errors[0]
        return found

    def over(self):
        return self.ends is not None and time.monotonic() > self.ends

    def in_turns(self, what, jobs, function, late=False):
        """Calls the function with each job, two at a time; tells how far it is. With `late`, also when the time is over."""
        done, told, lock = 0, time.monotonic(), threading.Lock()

        def one(job):
            nonlocal done, told
            if self.over() and not late:
                return False
            function(*job)
            with lock:
                done += 1
                if time.monotonic() - told > PROGRESS:
                    told = time.monotonic()
                    say(f"{what}: {done} of {len(jobs)}, the last {' '.join(map(str, job))[:60]}")
            return True

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, jobs))


def write(path, text):
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def call(*command, **options):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace",
        **{"timeout": PATIENCE, **options},
    )  # fmt: skip


def started(root, script, files=(), **outputs):
    """Starts an R script offline with `root` at /opt, in a process group of its own."""
    prefix = [*([] if os.geteuid() == 0 else AS_ROOT), *OFFLINE]
    command = [*prefix, HERE / "r-works.sh", root, script, *files]
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, start_new_session=True, **outputs)


def r(root, script, files=(), limit=LOADING):
    """Runs an R script offline with `root` at /opt; returns its exit code (None at the time limit), output and error output."""
    process = started(root, script, files, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    code = None
    try:
        out, err = process.communicate(timeout=limit)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
    out, err = (text.decode("utf-8", "backslashreplace") for text in (out, err))
    ran(code, err)
    return code, out, err


def ran(code, err):
    """Raises if R could not be run, or the disk is full: what came of it would be taken for what the package does."""
    if code == MISSING:
        raise NothingWorksHere(last_line(err))
    require("No space left on device" not in err, f"R cannot be run: {last_line(err)}")


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "(no output)"


# --- the tree ------------------------------------------------------------------


def the_tree_is_laid_out(archive):
    listed, lacking = archive.listed()
    if not (archive.work / "opt.stamp").exists():
        say(f"laying out {len(listed)} packages with what they depend on")
    done = subprocess.run([HERE / "demo-tree.sh", archive.tree, *listed], env=os.environ | {"JAVA": "1"})
    require(done.returncode == 0, f"demo-tree.sh exits {done.returncode}")
    versions = dict(line.split()[:2] for line in (archive.work / "opt.stamp").read_text().splitlines()[1:])
    archive.facts["tree"] = {"listed": listed, "lacking": lacking, "versions": versions}
    packages = archive.packages()
    files = [path for path in archive.tree.rglob("*") if path.is_file() and not path.is_symlink()]
    figures = {"packages": len(packages), "files": len(files), "bytes": sum(path.stat().st_size for path in files)}
    archive.facts["tree"] |= figures
    said = f", without {' '.join(lacking)}, which the archive does not have" if lacking else ""
    return f"{len(listed)} packages are asked for{said}; {figures['packages']} R packages with their closure, {figures['files']} files"


# --- what needs what -------------------------------------------------------------


def not_late(found):
    if found is None:
        raise Skipped("the time is over")


def packages_are_as_r_says(archive):
    def compute():
        code, out, err = r(archive.tree, HERE / "r-packages.R", limit=PATIENCE)
        require(code == 0, f"r-packages.R: exit {code}: {last_line(out + err)}")
        theirs = {path: set(needs.split()) for path, needs in (line.split("\t") for line in out.splitlines())}
        done = call(archive.layerfit, "analyze", archive.tree, "--format", "json", "--runtime", "host", "--config", "/dev/null")
        require(done.returncode in (0, 1), f"analyze: exit {done.returncode}: {done.stderr[-600:]}")
        report = json.loads(done.stdout)
        ours = {f"/opt/{p['path']}": set(p["needs"]) for p in report["packages"]}
        # What a package's .onLoad needs is in no list of R: R has it loaded when the package is.
        hooks = {path: needs - theirs[path] for path, needs in ours.items() if path in theirs and needs - theirs[path]}
        for path, needs in hooks.items():
            lines = read(loaded(archive, "tree", path.rpartition("/")[2]))
            namespaces = next((line.split(" ")[1:] for line in lines if line.startswith("namespaces ")), [])
            theirs[path] |= needs & set(namespaces)
        differences = [
            f"{path}: R has {' '.join(sorted(theirs.get(path, ())))!r}, layerfit {' '.join(sorted(ours.get(path, ())))!r}"
            for path in sorted(theirs.keys() | ours.keys())
            if theirs.get(path) != ours.get(path)
        ]
        findings = collections.Counter(f"{finding['severity']} {finding['code']}" for finding in report["findings"])
        edges = sum(map(len, theirs.values()))
        return {"packages": len(theirs), "edges": edges, "differences": differences, "findings": findings}

    found = archive.known("packages", sha256(archive.key(), archive.program()), compute)
    not_late(found)
    require(not found["differences"], f"{len(found['differences'])} differences: {'; '.join(found['differences'][:5])}")
    return f"{found['packages']} packages, {found['edges']} needs, no difference"


def calls_are_as_r_says(archive):
    if not archive.given.r_calls.exists():
        raise Skipped(f"{archive.given.r_calls} is not built: cargo build --example r_calls")

    def compute():
        script = [sys.executable, HERE / "calls_truth.py", archive.tree, "--work", archive.work / "calls"]
        done = subprocess.run([*script, "--r-calls", archive.given.r_calls.resolve()], stdout=subprocess.PIPE, text=True)
        if done.returncode == MISSING:
            raise Skipped("calls_truth.py cannot run here")
        # Without its figures it did not reach its end, and what it has read is kept.
        require(done.returncode in (0, 1) and " differences" in done.stdout, f"calls_truth.py: exit {done.returncode}")
        if done.returncode == 0:
            shutil.rmtree(archive.work / "calls", ignore_errors=True)
        return {"code": done.returncode, "lines": done.stdout.splitlines()}

    scripts = [(HERE / name).read_bytes() for name in ("calls_truth.py", "r-calls.R")]
    found = archive.known("calls", sha256(archive.key(), archive.given.r_calls.read_bytes(), *scripts), compute)
    not_late(found)
    require(found["code"] == 0, "; ".join(found["lines"][:5]))
    return found["lines"][-1]


def the_loader_agrees(archive):
    if not archive.given.loader_truth.exists():
        raise Skipped(f"{archive.given.loader_truth} is not built: cargo build --example loader_truth")

    def compute():
        script = archive.temp / "path.R"
        script.write_text('cat("\\036", Sys.getenv("LD_LIBRARY_PATH"), "\\n", sep = "")\n')
        _, out, err = r(archive.tree, script)
        path = re.search("(?m)^\x1e(.+)$", out)
        require(path, f"R does not tell its LD_LIBRARY_PATH: {last_line(err)}")
        done = call(archive.given.loader_truth.resolve(), archive.tree, path[1])
        if done.returncode == MISSING:
            raise Skipped(last_line(done.stderr))
        return {"code": done.returncode, "lines": done.stdout.splitlines() or [last_line(done.stderr)], "path": path[1]}

    found = archive.known("loader", sha256(archive.key(), archive.given.loader_truth.read_bytes()), compute)
    not_late(found)
    require(found["code"] == 0, f"{last_line(chr(10).join(found['lines']))}: {'; '.join(found['lines'][:5])}")
    return f"{found['lines'][-1]} with LD_LIBRARY_PATH={found['path']}"


# --- the forms -------------------------------------------------------------------


def the_forms_are_packed(archive):
    figures = []
    for form in FORMS:
        packed(archive, form)
        totals = archive.report_of(form)["totals"]
        kept = totals["kept"]
        archive.facts.setdefault("forms", {})[form] = totals
        figures.append(f"{form}: {kept['files']} files, {kept['unzipped_bytes'] / 1e6:.0f} MB, {kept['zipped_bytes'] / 1e6:.0f} MB in zips")
    return "; ".join(figures)


def packed(archive, form):
    """Packs the tree in a form and unzips the layers, unless that was done with the same tree and program."""
    home = archive.work / form
    key = sha256(archive.key(), archive.program(), *FORMS[form], *LARGE)
    if (home / "key").exists() and (home / "key").read_text() == key:
        return
    say(f"packing: {SAID[form]}")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    like = None if form == "safe" else "safe"
    report = pack(archive, home, archive.tree, *FORMS[form], like=like)
    write(home / "pack.json", json.dumps(report))
    content = sorted([entry["path"], *(entry.get(field) for field in SAME)] for entry in entries_of(archive, form))
    write(home / "content", sha256(json.dumps(content)))
    write(home / "key", key)


def pack(archive, home, *words, like=None):
    """Packs to home/layers, makes home/opt of the zips, and deletes them; returns the report.

    Files that the form `like` has too, which are most, become links to those: that saves space and time.
    """
    # Handlers have most of R in common.
    environment = {**os.environ, "XDG_CACHE_HOME": str(archive.work / "cache"), "XDG_STATE_HOME": str(archive.work / "state")}
    command = [archive.layerfit, "pack", *words, "-o", home / "layers", "--format", "json", *LARGE]
    done = call(*command, env=environment)
    require(done.returncode in (0, 1), f"pack {' '.join(map(str, words))}: exit {done.returncode}: {done.stderr[-600:]}")
    report = json.loads(done.stdout)
    require(report["fits"], f"pack {' '.join(map(str, words))}: it does not fit")
    there = {entry["path"]: entry for entry in entries_of(archive, like)} if like else {}
    for layer in json.loads((home / "layers/manifest.json").read_text())["layers"]:
        path = home / "layers" / layer["zip"]
        others = []
        for entry in layer["entries"]:
            same, target = there.get(entry["path"]), home / "opt" / entry["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry["mode"].startswith("04"):
                target.mkdir(exist_ok=True)
            elif same and all(same.get(field) == entry.get(field) for field in SAME):
                os.link(archive.root(like) / entry["path"], target, follow_symlinks=False)
            else:
                others.append(entry["path"])
        # unzip takes names as patterns; without names, it unzips everything.
        names = [re.sub(r"([\\\[\]*?])", r"\\\1", name) for name in others] if like else []
        for first in range(0, len(names) or 1, AT_A_TIME):
            unzip = call("unzip", "-qo", path, *names[first : first + AT_A_TIME], "-d", home / "opt")
            require(unzip.returncode == 0, f"unzip {path.name}: {last_line(unzip.stderr)}")
        path.unlink()
    return report


def entries_of(archive, form):
    layers = json.loads((archive.work / form / "layers/manifest.json").read_text())["layers"]
    return [entry for layer in layers for entry in layer["entries"]]


# --- loading ---------------------------------------------------------------------


def path_of(archive, form, name, again=""):
    key = sha256(archive.form_key(form), (HERE / "r-load.R").read_bytes())
    return archive.work / "load" / key[:16] / f"{name}{again}.txt"


def loaded(archive, form, package, again=""):
    """The file with what loading the package from the form gave, which is run if it was not."""
    path = path_of(archive, form, package, again)
    if not path.exists():
        with tempfile.TemporaryDirectory(prefix="load-") as temp:
            listed = Path(temp, "packages")
            listed.write_text(f"{package}\n")
            code, out, err = r(archive.root(form), HERE / "r-load.R", [listed])
        lines = [line for line in normalized(out).split("\n") if line.startswith("\x1e")]
        if lines[-1:] != ["\x1eend"]:
            why = f"not ended in {LOADING} s" if code is None else f"exit {code}: {normalized(last_line(err))}"
            lines.append(f"\x1estopped {why}")
        write(path, "\n".join(line[1:] for line in lines) + "\n")
    return path


def load_together(archive, form, packages):
    """Loads packages from the form in processes forked from one, and writes the files of those that load.

    The others have no file then: what went wrong can be of the fork, so `loaded` runs them alone.
    """
    done, told = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="load-") as temp:
        listed, errors = Path(temp, "packages"), Path(temp, "errors")
        listed.write_text("".join(f"{name}\n" for name in packages))
        with errors.open("wb") as err:
            process = started(archive.root(form), HERE / "r-load.R", [listed], stdout=subprocess.PIPE, stderr=err)
        lines = []
        for line in process.stdout:
            line = normalized(line.decode("utf-8", "backslashreplace").removesuffix("\n"))
            if line.startswith("\x1epackage "):
                lines = []
            if line.startswith("\x1e"):
                lines.append(line[1:])
            if line == "\x1eend" and lines[0].startswith("package ") and state(lines) == "loads":
                write(path_of(archive, form, lines[0].removeprefix("package ")), "\n".join(lines) + "\n")
                done += 1
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                say(f"packages ({form}): {done} of {len(packages)} in forked processes")
            if archive.over():
                os.killpg(process.pid, 9)
        ran(process.wait(), errors.read_text("utf-8", "backslashreplace"))


def read(path):
    return path.read_text().splitlines()


def state(lines):
    if any(line.startswith("stopped") for line in lines):
        return "stopped"
    return "fails" if any(line.startswith("error ") for line in lines) else "loads"


def packages_load(archive):
    packages = list(archive.packages())
    if archive.given.sample:
        # Those that they depend on are loaded with them.
        packages = [name for name in packages if name.lower() in archive.asked()]
    forms = ["tree", *LOADED]
    forms = [form for form in forms if form == "tree" or (archive.work / form / "key").exists()]
    kept = {form: {p["name"] for p in archive.report_of(form)["packages"] if p["kept"]} for form in forms[1:]}
    # First the packages that are asked for, with --all those that archive.toml does not name. Safe rules alone come last, after the
    # two forms that change more.
    asked = archive.asked()
    first = asked - archive.named() if archive.given.all else asked
    jobs = sorted(
        ((archive, form, name) for name in packages for form in forms if form == "tree" or name in kept[form]),
        key=lambda job: (job[2].lower() not in first, LOADED.index(job[1]) if job[1] in LOADED else 0),
    )

    def waiting():
        return [job[1:] for job in jobs if not path_of(*job).exists()]

    together = collections.defaultdict(list)
    for form, name in waiting():
        together[name.lower() not in first, form].append(name)
    archive.in_turns("packages", [(form, names) for (_, form), names in together.items()], lambda *job: load_together(archive, *job))
    archive.in_turns("packages alone", waiting(), lambda form, name: loaded(archive, form, name))
    counts, differences = {form: collections.Counter() for form in forms}, []
    objects = collections.Counter()
    for name in packages:
        if not path_of(archive, "tree", name).exists():
            counts["tree"]["not run"] += 1
            continue
        before = read(path_of(archive, "tree", name))
        counts["tree"][state(before)] += 1
        objects.update(line.split(" ")[0] for line in before)
        for form in forms[1:]:
            if name not in kept[form]:
                counts[form]["dropped"] += 1
                continue
            path = path_of(archive, form, name)
            if not path.exists():
                counts[form]["not run"] += 1
                continue
            after = read(path)
            counts[form][state(after)] += 1
            if before != after:
                differences += differing(archive, form, name, before, after)
    missing = [name for name in packages if path_of(archive, "tree", name).exists() and state(read(path_of(archive, "tree", name))) != "loads"]
    failing = {name: next((l for l in read(path_of(archive, "tree", name)) if l.startswith(("error ", "stopped"))), "") for name in missing}
    findings = [f for f in archive.report_of("safe")["findings"] if f["severity"] in ("error", "warning")]
    needs = {package["name"]: package["needs"] for package in archive.report_of("safe")["packages"]}

    def about(name):
        """The codes of the findings about a package; if there are none, of those about what it needs."""
        codes, seen, queue = set(), {name}, [name]
        while queue and not codes:
            codes = {f["code"] for one in queue for f in findings if f"/{one}/" in f["subject"] or f["subject"] == f"pkg:{one}"}
            queue = sorted({need for one in queue for need in needs.get(one, ())} - seen)
            seen |= set(queue)
        return sorted(codes)

    reported = {name: about(name) for name in failing}
    causes = {name: archive.explanation("tree", name, line) for name, line in failing.items()}
    archive.facts["load"] = {
        "asked_left": {form: sum(job[1] == form and job[2].lower() in asked and not path_of(*job).exists() for job in jobs) for form in forms},
        "counts": counts, "objects": objects, "differences": differences, "failing": failing, "reported": reported, "causes": causes,
    }  # fmt: skip
    wrong = [f"{d['subject']} ({d['form']}): {d['line']}" for d in differences if d["why"] is None]
    silent = [name for name in failing if causes[name] is None and not reported[name]]
    wrong += [f"{name} does not load from the tree, and no finding is about it" for name in silent]
    figures = "; ".join(f"{form}: {', '.join(f'{count} {what}' for what, count in sorted(counts[form].items()))}" for form in forms)
    of = f"{objects['object'] + objects['exported']} objects and {objects['data']} objects of data sets; {len(differences)} lines differ"
    require(not wrong, f"{len(wrong)} lines that nothing explains: {'; '.join(wrong[:5])}; {figures}; {of}")
    return f"{figures}; {of}, all explained"


def differing(archive, form, name, before, after):
    """The lines that differ, with the number of their explanation. If there is none, it is run again from the tree: lines that
    differ in two such runs are left out."""
    lines = [f"- {line}" for line in before if line not in set(after)] + [f"+ {line}" for line in after if line not in set(before)]
    found = archive.told(form, name, lines)
    if all(one["why"] is not None for one in found):
        return found
    unstable = {line[:ALIKE] for line in set(before) ^ set(read(loaded(archive, "tree", name, ".again")))}
    return archive.told(form, name, [line for line in lines if line[2:][:ALIKE] not in unstable])


# --- examples --------------------------------------------------------------------


def examples_do_the_same(archive):
    names = [name for name in archive.packages() if not archive.given.sample or name.lower() in archive.asked()]
    chosen = random.Random(archive.given.seed).sample(names, min(archive.given.examples, len(names)))
    scripts = example_scripts(archive, chosen)
    chosen = [name for name in chosen if name in scripts]
    jobs = [(form, name) for name in chosen for form in ("tree", "repacked")]
    waiting = [job for job in jobs if not examples_path(archive, *job).exists()]
    archive.in_turns("examples", waiting, lambda form, name: run_examples(archive, form, name, scripts[name]))
    counts, differences, ran = collections.Counter(), [], 0
    for name in chosen:
        if not all(examples_path(archive, form, name).exists() for form in ("tree", "repacked")):
            continue
        ran += 1
        topics = r_same.topics_of(scripts[name])
        runs = [topics_in(archive, form, name) for form in ("tree", "repacked")]
        if any(runs[0].get(topic) != runs[1].get(topic) for topic in topics):
            if not examples_path(archive, "tree", name, ".again").exists():
                run_examples(archive, "tree", name, scripts[name], ".again")
            if not examples_path(archive, "whole", name).exists():
                put_back(archive)
                run_examples(archive, "whole", name, scripts[name])
            runs += [topics_in(archive, "tree", name, ".again"), topics_in(archive, "whole", name)]
        late = is_late(archive, "repacked", name)
        for topic in topics:
            kind, said = r_same.verdict(f"{name}/{topic}", *(run.get(topic) for run in runs))
            if late and topic not in runs[1]:
                kind = "unreached"
            counts[kind] += 1
            if kind in ("pruned", "different"):
                # Which lines part, whatever restoring the files did.
                said = r_same.parting(runs[0][topic], runs[1].get(topic))
                differences += archive.told("examples", f"{name}/{topic}", [f"{kind}: {said}"])
    archive.facts["examples"] = {"packages": ran, "chosen": len(chosen), "counts": counts, "differences": differences}
    wrong = [f"{d['subject']}: {d['line']}" for d in differences if d["why"] is None]
    figures = f"{ran} of {len(chosen)} packages, topics: {', '.join(f'{count} {what}' for what, count in sorted(counts.items()))}"
    require(not wrong, f"{len(wrong)} topics differ and nothing explains it: {'; '.join(wrong[:5])}; {figures}")
    return figures


def example_scripts(archive, names):
    """The examples of the packages, as text for r-examples.R."""
    with tempfile.TemporaryDirectory(prefix="examples-") as temp:
        listed = Path(temp, "packages")
        listed.write_text("".join(f"{name}\n" for name in names))

        def compute():
            code, out, err = r(archive.tree, HERE / "r-examples.R", [listed], limit=PATIENCE)
            require(code == 0 and "\x1eend" in out, f"r-examples.R: exit {code}: {last_line(err)}")
            parts = out[: out.rindex("\x1eend")].split("\x1epackage ")[1:]
            return {part.split("\n", 1)[0]: f"\x1epackage {part}" for part in parts if r_same.topics_of(part)}

        found = archive.known("example-scripts", sha256(archive.key(), *names), compute)
        not_late(found)
        return found


def examples_path(archive, form, name, again=""):
    key = sha256("whole", archive.form_key("repacked")) if form == "whole" else archive.form_key(form)
    return archive.work / "examples" / key[:16] / f"{name}{again}.txt"


def run_examples(archive, form, name, script, again=""):
    with tempfile.TemporaryDirectory(prefix="examples-") as temp:
        file = Path(temp, "examples")
        file.write_text(script)
        code, out, err = r(archive.root(form), HERE / "r-examples.R", [file], limit=EXAMPLES)
    write(examples_path(archive, form, name, again), out + (LATE if code is None else ""))


def is_late(archive, form, name):
    """Whether the time limit ended the examples of a package, and not R."""
    return examples_path(archive, form, name).read_text().endswith(LATE)


def topics_in(archive, form, name, again=""):
    return r_same.by_topic(examples_path(archive, form, name, again).read_text())


def put_back(archive):
    """Makes the form "whole": what --strip all --repack-rdb packed, with the pruned files restored; all of it links."""
    home = archive.work / "whole"
    key = archive.form_key("repacked")
    if (home / "key").exists() and (home / "key").read_text() == key:
        return
    shutil.rmtree(home, ignore_errors=True)
    packed_root, whole = archive.root("repacked"), home / "opt"
    for directory, directories, files in os.walk(archive.tree):
        below = Path(directory).relative_to(archive.tree)
        (whole / below).mkdir(parents=True)
        for name in [*files, *(name for name in directories if Path(directory, name).is_symlink())]:
            source = packed_root / below / name
            if not os.path.lexists(source):
                source = Path(directory, name)
            if source.is_symlink():
                os.symlink(os.readlink(source), whole / below / name)
            else:
                os.link(source, whole / below / name)
    write(home / "key", key)


# --- handlers --------------------------------------------------------------------


def handlers_run(archive):
    there = {name.lower() for name in archive.packages()}
    chosen = [h for h in archive.handlers if all(re.sub("^[a-z]+-", "", n.lower()) in there for n in h["packages"].split())]
    if not chosen:
        raise Skipped("the tree has the packages of no handler")
    results = {}

    def run(name, form):
        handler = described[name]
        key = sha256(archive.key(), archive.program() if form == "handler" else archive.form_key(form), handler["code"])
        if form == "handler":
            found = archive.known(f"handler-{name}", key, lambda: run_handler(archive, handler))
            if found is not None:
                results[name] = {**found, "ran": ["handler"]}
        elif name in results:

            def compute():
                return parted(form, results[name]["before"], printed(archive, handler, archive.root(form)))

            differs = archive.known(f"handler-{name}-{form}", key, compute)
            if differs is not None:
                results[name]["ran"].append(form)
                results[name]["differences"] = results[name]["differences"] + differs

    described = {handler["name"]: handler for handler in chosen}
    for form in ("handler", *SNIPPETS):
        archive.in_turns(f"handlers ({form})", [(name, form) for name in described], run, late=True)
    differences, wrong = [], []
    for name, result in results.items():
        if result["broken"]:
            wrong.append(f"{name} does not run from the tree: {result['broken']}")
        by_form = collections.defaultdict(list)
        for form, line in result["differences"]:
            by_form[form].append(line)
        for form, lines in by_form.items():
            differences += archive.told(form, name, lines)
    wrong += [f"{d['subject']} ({SAID[d['form']]}): {d['line']}" for d in differences if d["why"] is None]
    archive.facts["handlers"] = {"results": results, "differences": differences, "chosen": len(chosen)}
    of = archive.facts["tree"]["packages"]
    kept = sorted(result["kept"] for result in results.values())
    figures = f"{len(results)} of {len(chosen)} handlers, of {of} packages {kept[0]} to {kept[-1]} are kept" if kept else "none ran"
    require(not wrong, f"{len(wrong)} differences that nothing explains: {'; '.join(wrong[:5])}; {figures}")
    return f"{figures}; {len(differences)} explained differences"


def printed(archive, handler, root):
    """The exit code, and the lines that a handler prints on both outputs."""
    with tempfile.TemporaryDirectory(prefix="handler-") as temp:
        script = Path(temp, "handler.R")
        script.write_text(handler["code"].lstrip("\n"))
        code, out, err = r(root, script, limit=HANDLING)
    return [code, normalized(out, NEVER_THE_SAME).splitlines(), normalized(err, NEVER_THE_SAME).splitlines()]


def parted(form, before, after):
    """The form and each line that differs."""
    if before == after:
        return []
    one, other = before[1] + before[2], after[1] + after[2]
    lines = [f"- {line}" for line in one if line not in other] + [f"+ {line}" for line in other if line not in one]
    lines += [f"+ exit {after[0]}"] if before[0] != after[0] else []
    return [[form, line] for line in lines or ["+ other order of the same lines"]]


def run_handler(archive, handler):
    """Runs a handler from the tree, and from exactly what --handler keeps."""
    home = archive.work / "handlers" / handler["name"]
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    script = home / "handler.R"
    script.write_text(handler["code"].lstrip("\n"))
    before = printed(archive, handler, archive.tree)
    report = pack(archive, home, archive.tree, "--handler", script, like="safe")
    kept = {package["name"] for package in report["packages"] if package["kept"]}
    result = {
        "before": before,
        "broken": None if before[0] == 0 and before[1] else f"exit {before[0]}, {'; '.join(before[2][-3:])}",
        "kept": len(kept),
        "bytes": report["totals"]["kept"]["unzipped_bytes"],
        "differences": parted("handler", before, printed(archive, handler, home / "opt")),
        "findings": collections.Counter(finding["code"] for finding in report["findings"]),
    }
    shutil.rmtree(home)
    return result


# --- the report --------------------------------------------------------------------


def write_report(archive, path):
    facts, tree = archive.facts, archive.facts["tree"]
    lines = ["# R packages of the distribution's archive", ""]

    def add(*more):
        lines.extend([*more, ""])

    def table(head, rows, right=True):
        lines.append(f"| {' | '.join(head)} |")
        lines.append(f"| --- |{' ---: |' * (len(head) - 1) if right else ' --- |' * (len(head) - 1)}")
        lines.extend(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)
        lines.append("")

    base = tree["versions"].get("r-base-core", "?")
    add(
        f"What `make prove-archive{' ALL=1' if archive.given.all else ''}` found (scripts/archive_work.py): "
        f"{'all R packages of the archive' if archive.given.all else 'the packages of scripts/archive.toml'} with their closure, laid out as",
        f"/opt with their native libraries. R {base}; {len(tree['listed'])} packages are asked for, the tree has {tree['packages']} R packages,",
        f"{tree['files']} files, {tree['bytes'] / 1e9:.2f} GB."
        + (f" The archive does not have {', '.join(tree['lacking'])}." if tree["lacking"] else ""),
    )
    add("## What needs what")
    rows = []
    if "packages" in facts:
        found = facts["packages"]
        rows.append(("packages and what they need, against R", f"{found['packages']} packages, {found['edges']} needs", len(found["differences"])))
    if "calls" in facts:
        text = facts["calls"]["lines"][-1]
        rows.append(("NAMESPACE and calls, against R", re.sub(r"; \d+ differences$", "", text), re.findall(r"\d+", text)[-1]))
    if "loader" in facts:
        text = facts["loader"]["lines"][-1]
        rows.append(("libraries, against ld.so", re.sub(r", \d+ differences$", "", text), re.findall(r"\d+", text)[-1]))
    table(("what", "compared", "differences"), rows)
    if "loader" in facts:
        add(f"ld.so searched what a running R has in LD_LIBRARY_PATH: `{facts['loader']['path']}`.")
    if "forms" in facts:
        add("## Forms")
        rows = [("the tree", tree["files"], f"{tree['bytes'] / 1e6:.0f}", "")]
        for form, totals in facts["forms"].items():
            kept = totals["kept"]
            rows.append((SAID[form], kept["files"], f"{kept['unzipped_bytes'] / 1e6:.0f}", f"{kept['zipped_bytes'] / 1e6:.0f}"))
        table(("form", "files", "MB", "MB in zips"), rows)
    if "load" in facts:
        load = facts["load"]
        add("## Loading")
        add(
            "Each package in a process of its own, forked from one that has loaded what the package imports: library(), then every object",
            "of its namespace and every data set. What does not load there is loaded again in a new process. Compared are errors, warnings,",
            "messages, loaded namespaces, search(), and the type, class and length of each object.",
        )
        kinds = ("loads", "fails", "stopped", "dropped", "not run")
        rows = [
            ("the tree" if form == "tree" else SAID[form], *(counts.get(kind, 0) for kind in kinds)) for form, counts in load["counts"].items()
        ]
        table(("form", *kinds), rows)
        objects = load["objects"]
        add(f"From the tree: {objects['object'] + objects['exported']} objects, {objects['data']} objects of data sets.")
        if load["failing"]:
            add("What does not load from the tree itself:")
            for name, line in load["failing"].items():
                codes, why = ", ".join(load["reported"][name]), load["causes"][name]
                told = f": {' '.join(archive.explained[why]['why'].split())}" if why is not None else ""
                lines.append(f"- {name}: {shown(line, 260)}; {f'reported ({codes})' if codes else 'not reported'}{told}")
            lines.append("")
    if "examples" in facts:
        found = facts["examples"]
        add("## Examples")
        add(
            f"The examples of {found['packages']} packages (of {found['chosen']} chosen at random), {EXAMPLES} s for each package, from the",
            "tree and from safe rules with `--strip all --repack-rdb`: what each topic prints and plots.",
        )
        said = {
            "equal": "print the same", "error": "raise the same error", "unstable": "differ between two runs from the tree",
            "pruned": "differ because files are pruned", "different": "differ otherwise", "unreached": "not reached in the time limit",
        }  # fmt: skip
        table(("topics", "count"), [(said[kind], found["counts"][kind]) for kind in said if found["counts"].get(kind)])
    if "handlers" in facts:
        found = facts["handlers"]
        add("## Handlers")
        add("Each prints the same from the tree, from `--strip all --repack-rdb`, from `--select extra` with data sets, and from exactly what `--handler` keeps, except for what is told below.")
        differs = collections.defaultdict(set)
        for difference in found["differences"]:
            differs[difference["subject"]].add(SAID[difference["form"]])
        rows = [
            (name, result["kept"], f"{result['bytes'] / 1e6:.0f}", len(result["ran"]), ", ".join(sorted(differs[name])) or "nowhere")
            for name, result in sorted(found["results"].items())
        ]
        add(f"{len(rows)} of {found['chosen']} ran; \"forms\" are how many of these three each ran from.")
        table(("handler", "packages kept", "MB", "forms", "differs"), rows)
    differences = [d for part in ("load", "examples", "handlers") for d in facts.get(part, {}).get("differences", [])]
    add("## Differences")
    if not differences:
        add("None.")
    by_reason = collections.defaultdict(list)
    for difference in differences:
        by_reason[difference["why"]].append(difference)
    for why in sorted(by_reason, key=lambda why: (why is not None, why or 0)):
        add(f"**{'Not explained' if why is None else ' '.join(archive.explained[why]['why'].split())}**")
        groups = collections.defaultdict(list)
        for difference in by_reason[why]:
            groups[difference["form"], difference["subject"]].append(difference["line"])
        if len(groups) > MANY:
            for form in sorted({form for form, _ in groups}):
                names = sorted({subject for of, subject in groups if of == form}, key=str.lower)
                add(f"{sum(len(told) for (of, _), told in groups.items() if of == form)} lines of {len(names)} ({SAID[form]}): {', '.join(names)}")
            continue
        for (form, subject), told in sorted(groups.items()):
            more = f" and {len(told) - 1} more lines" if len(told) > 1 else ""
            lines.append(f"- {subject} ({SAID[form]}): {shown(told[0])}{more}")
        lines.append("")
    add("## What this run left out")
    lines.extend(left_out(facts) or ["Nothing of scripts/archive.toml; the examples are a sample."])
    write(path, "\n".join(lines).rstrip("\n") + "\n")
    say(f"the report is {path}")


def left_out(facts):
    """What was not run, as the time was over or something is missing."""
    left = []
    for name, what in (("packages", "packages and what they need"), ("calls", "NAMESPACE and calls, against R"), ("loader", "ld.so")):
        if name not in facts:
            left.append(f"- {what}: not compared")
    if "calls" in facts and int(facts["calls"]["lines"][-1].split()[0]) < facts["tree"]["packages"]:
        left.append(f"- NAMESPACE and calls: compared for {facts['calls']['lines'][-1].split()[0]} of {facts['tree']['packages']} packages")
    for form, counts in facts.get("load", {}).get("counts", {}).items():
        if counts.get("not run"):
            where = "the tree" if form == "tree" else SAID[form]
            asked = facts["load"]["asked_left"][form]
            left.append(f"- loading: {counts['not run']} packages are not loaded on their own from {where}, {asked} of them of the list itself")
    handlers = facts.get("handlers")
    if handlers is None:
        left.append("- handlers: not run")
        handlers = {"results": {}, "chosen": 0}
    missing = [name for name in ("handler", *SNIPPETS) if sum(name in r["ran"] for r in handlers["results"].values()) != handlers["chosen"]]
    for form in missing:
        ran = sum(form in result["ran"] for result in handlers["results"].values())
        left.append(f"- handlers: {ran} of {handlers['chosen']} ran from {SAID[form]}")
    examples = facts.get("examples")
    if examples is None:
        left.append("- examples: not run")
    elif examples["packages"] < examples["chosen"] or not examples["chosen"]:
        left.append(f"- examples: of {examples['packages']} packages of {examples['chosen']} chosen")
    return left


def shown(line, length=160):
    line = " ".join(line.split()).replace("`", "'")
    return f"`{line if len(line) <= length else line[:length] + '...'}`"


# --- the program -----------------------------------------------------------------

STEPS = (
    the_tree_is_laid_out,
    packages_are_as_r_says,
    calls_are_as_r_says,
    the_loader_agrees,
    the_forms_are_packed,
    handlers_run,
    packages_load,
    examples_do_the_same,
)
# Those that the others need, and that are quick if they were done.
ALWAYS = (the_tree_is_laid_out,)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layerfit", metavar="FILE", type=Path, default=ROOT / "target/release/layerfit")
    built = ROOT / "target/debug/examples"
    parser.add_argument("--loader-truth", metavar="FILE", type=Path, default=built / "loader_truth", help="the built example")
    parser.add_argument("--r-calls", metavar="FILE", type=Path, default=built / "r_calls", help="the built example")
    parser.add_argument("--work", metavar="DIR", type=Path, default=ROOT / "target/archive", help="default: %(default)s")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="all R packages of the archive, instead of those of archive.toml")
    which.add_argument("--sample", metavar="N", type=int, default=0, help="N of the packages, and fewer handlers")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of what is chosen (default: %(default)s)")
    parser.add_argument("--examples", metavar="N", type=int, default=100, help="packages whose examples are run (default: %(default)s)")
    parser.add_argument("--minutes", metavar="N", type=float, help="start no further R after this time")
    parser.add_argument("--report", metavar="FILE", type=Path)
    checks.add_arguments(parser, STEPS)
    given = parser.parse_args()
    if not given.layerfit.exists():
        parser.error(f"{given.layerfit} is not built: cargo build --release")
    os.umask(0o022)
    sys.stdout.reconfigure(errors="backslashreplace")
    archive = Archive(given)
    code = checks.run(STEPS, given.only, archive, always=ALWAYS, vital=ALWAYS)
    shutil.rmtree(archive.temp, ignore_errors=True)
    if given.report and code != MISSING:
        write_report(archive, given.report)
    unused = [entry["why"] for number, entry in enumerate(archive.explained) if number not in archive.used]
    if unused and not (given.only or given.sample or given.minutes):
        say(f"{len(unused)} explanations explain nothing: {'; '.join(' '.join(why.split())[:60] for why in unused)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
