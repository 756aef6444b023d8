#!/usr/bin/env python3
"""Verify layerfit's promises on a real tree.

Each check prints one line: "ok NAME: figures", "FAILED NAME: what" or "skipped
NAME: why". The last line counts them. Exit 0: none failed; 1: some failed;
2: wrong arguments. Expected results are computed here, with Python's zipfile and
Info-ZIP's zip and unzip, not with layerfit's code. The tree is only read;
everything is written to a temporary directory (set by TMPDIR; it needs about
six times the size of the tree).
"""

import argparse
import filecmp
import hashlib
import json
import os
import random
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time
import types
import zipfile
from pathlib import Path

import checks
from checks import MISSING, Failed, Skipped, require, require_same

HERE = Path(__file__).resolve().parent
MB = 1 << 20

# How many times faster than `zip -r -9` pack has to be.
MIN_RATIO = 5
# When the runs of killed_runs are killed, as shares of the duration of a whole one.
KILLED_AT = (0.1, 0.3, 0.5, 0.7, 0.9)
# The limits of too_small_is_refused.
SMALL_LAYER, FEW_LAYERS = 5 * MB, 2
# The image of r_works_in_the_image.
IMAGE = "provided.al2023"
# The checks of bootstrap_works.py that run there, too.
SERVED = ("hello", "errors-are-told", "a-script-that-fetches-its-events", "packages-are-as-ever")
# Findings that mean that R would not work there: a missing library, or the missing `which` that R runs.
FATAL = ("L201", "C103")
# How many units dropping_frees_what_was_reported drops, and the length of a zip's end record (APPNOTE.TXT 4.3.16).
UNITS_DROPPED, END_RECORD = 6, 22
# The options that set limits.
LIMITS = ("--max-zipped", "--max-unzipped", "--max-layers", "--function-size")
# How much of the output the full file systems have room for, as shares of it.
ROOM = (0, 0.5)
PAGE = os.sysconf("SC_PAGE_SIZE")
# Options of layerfit that this script sets.
RESERVED = ("--format", "-o", "--output", "--jobs")


def require_none(paths, what):
    paths = sorted(paths)
    require(not paths, f"{len(paths)} {what}, the first is {paths[0] if paths else ''}")


# --- running programs ---------------------------------------------------------


def run(command, **options):
    """Runs a program until it ends; returns its exit code, output and error output."""
    command = [str(word) for word in command]
    if not shutil.which(command[0]):
        raise Failed(f"{command[0]} is not installed; install it (apt-get install {command[0]})")
    options = {"capture_output": True, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run(command, encoding="utf-8", errors="backslashreplace", **options)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "(no output)"


def layerfit_json(proof, command, *arguments, options=None):
    """Runs layerfit with --format json; returns its exit code and its report."""
    if options is None:
        options = checks.for_analyze(proof.options) if command == "analyze" else proof.options
    done = run([proof.layerfit, command, *arguments, "--format", "json", *options])
    require(done.returncode in (0, 1), f"layerfit {command} exits {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def pack_command(proof, output, *more, tree=None):
    # Without the cache, so that each run does all the work.
    words = ["pack", tree or proof.tree, "-o", output, "--format", "json", "--no-cache"]
    return [proof.layerfit, *words, *proof.options, *more]


def pack(proof, output, *more, tree=None):
    """Packs; returns the actual sha256 of each zip in `output`."""
    done = run(pack_command(proof, output, *more, tree=tree))
    require_same(done.returncode, proof.pack_exit, f"exit code of pack {' '.join(more)} and of the first pack")
    return whole_directory(output)


def pack_other(proof, output):
    """Packs less content than `pack`; returns the actual sha256 of each zip."""
    done = run(pack_command(proof, output, "--select", "extra"))
    require(done.returncode in (0, 1), f"pack --select extra exits {done.returncode}: {done.stderr}")
    return whole_directory(output)


def timed(command, exit_code, **options):
    """Runs a program that has to end with this exit code; returns its duration in seconds."""
    began = time.perf_counter()
    done = run(command, **options)
    seconds = time.perf_counter() - began
    said = last_line(done.stdout + done.stderr)
    require(done.returncode == exit_code, f"{Path(command[0]).name} exits {done.returncode}: {said}")
    return seconds


def unzip(directory, to):
    """Extracts the zips of a packed directory, which has to be complete."""
    for name in whole_directory(directory):
        done = run(["unzip", "-qo", Path(directory) / name, "-d", to])
        require(done.returncode == 0, f"unzip {name}: {last_line(done.stderr)}")


# --- reading what is on disk --------------------------------------------------


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(MB)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def walk(root):
    """Every path below `root` with its lstat, relative to it; links are not followed."""
    found = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = os.lstat(path)
    return found


def files_and_links(found):
    return {path for path, s in found.items() if stat.S_ISREG(s.st_mode) or stat.S_ISLNK(s.st_mode)}


def digest_of(root):
    """A digest over names, modes, sizes, times and link targets, the root's own included."""
    digest = hashlib.sha256()
    for path, s in sorted({**walk(root), ".": os.lstat(root)}.items()):
        target = os.readlink(os.path.join(root, path)) if stat.S_ISLNK(s.st_mode) else ""
        digest.update(repr((path, s.st_mode, s.st_size, s.st_mtime_ns, target)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def whole_directory(directory):
    """Requires that a packed directory is complete; returns the sha256 of each of its zips."""
    directory = Path(directory)
    require((directory / "manifest.json").is_file(), f"{directory.name} has no manifest.json")
    layers = json.loads((directory / "manifest.json").read_text("utf-8"))["layers"]
    listed = {layer["zip"]: layer["sha256"] for layer in layers}
    there = {path.name: sha256_of(path) for path in sorted(directory.glob("*.zip"))}
    require_same(there, listed, "zips in the directory and in the manifest")
    return there


def name_bytes(info):
    """The bytes of an entry's name, without the slash that marks a directory."""
    return info.filename.rstrip("/").encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def count_of(things, name):
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def missing_libraries(report):
    return sorted((f["subject"], f["message"]) for f in report["findings"] if f["code"] == "L201")


# --- the checks ---------------------------------------------------------------


def pack_and_its_memory(proof):
    """Packs for the other checks. It is the first, as a child's peak memory starts at this process's, which is still small."""
    command = [str(word) for word in pack_command(proof, proof.packed)]
    with open(proof.temp / "pack.json", "wb") as out, open(proof.temp / "pack.err", "wb") as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = proof.pack_exit = os.waitstatus_to_exitcode(status)
    said = (proof.temp / "pack.err").read_text("utf-8", "replace")
    require(proof.pack_exit in (0, 1), f"layerfit pack exits {proof.pack_exit}: {said}")
    proof.pack = json.loads((proof.temp / "pack.json").read_text("utf-8"))
    require(proof.pack["fits"], "the tree does not fit, so there is nothing to verify: use other options")
    proof.manifest = json.loads((proof.packed / "manifest.json").read_text("utf-8"))
    proof.zips = [proof.packed / layer["zip"] for layer in proof.pack["layers"]]
    proof.sha256 = {path.name: sha256_of(path) for path in proof.zips}
    return f"exit code {proof.pack_exit}, {usage.ru_maxrss / 1024:.0f} MB peak memory"  # ru_maxrss is in KB


def plan_says_what_pack_writes(proof):
    proof.plan_exit, proof.plan = layerfit_json(proof, "plan", proof.tree)
    require_same(proof.plan_exit, proof.pack_exit, "exit codes of plan and pack")
    limit = proof.plan["limits"]["layer_zipped"]
    names = [layer["zip"] for layer in proof.plan["layers"]]
    require_same(names, [layer["zip"] for layer in proof.pack["layers"]], "zips of plan and pack")
    require_same(names, [layer["zip"] for layer in proof.manifest["layers"]], "zips of plan and manifest")
    written = sorted(path.name for path in proof.packed.iterdir())
    require_same(written, sorted(names + ["manifest.json", "report.html", "report.md"]), "files written and expected")

    for planned, packed, manifest in zip(proof.plan["layers"], proof.pack["layers"], proof.manifest["layers"]):
        name = planned["zip"]
        path = proof.packed / name
        length, sha256 = path.stat().st_size, sha256_of(path)
        require_same(length, planned["zipped_bytes"], f"{name}: size and planned size")
        require(length <= limit, f"{name}: {length} bytes are over the limit of {limit}")
        require_same(sha256, packed["sha256"], f"{name}: sha256 and that of pack")
        require_same(sha256, manifest["sha256"], f"{name}: sha256 and that of the manifest")
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            require_same(len(infos), planned["files"] + planned.get("directories", 0), f"{name}: entries and planned files")
            unzipped = sum(info.file_size for info in infos)
            require_same(unzipped, planned["unzipped_bytes"], f"{name}: bytes unzipped and planned")
            require_same(len(infos), len(manifest["entries"]), f"{name}: entries and entries in the manifest")
            for info, entry in zip(infos, manifest["entries"]):
                require_same(as_in_manifest(archive, info), entry, f"{name}: entry and manifest")
    kept = proof.plan["totals"]["kept"]["zipped_bytes"]
    total = sum(path.stat().st_size for path in proof.zips)
    require_same(total, kept, "bytes of all zips and planned")
    entries = sum(layer["files"] + layer.get("directories", 0) for layer in proof.plan["layers"])
    return f"{count_of(names, 'zip')}, {total} bytes and {entries} entries, as planned to the byte"


def as_in_manifest(archive, info):
    """An entry as the manifest should have it."""
    mode = info.external_attr >> 16
    entry = {
        "path": name_bytes(info).decode("utf-8"),
        "size": info.file_size,
        "compressed": info.compress_size,
        "crc32": f"{info.CRC:08x}",
        "mode": f"{mode:06o}",
    }
    if stat.S_ISLNK(mode):
        entry["link"] = archive.read(info).decode("utf-8")
    return entry


def zips_are_sound(proof):
    seen = {}
    for path in proof.zips:
        done = run(["unzip", "-tqq", path])
        require(done.returncode == 0, f"unzip -t {path.name}: {last_line(done.stdout + done.stderr)}")
        with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
            require(archive.testzip() is None, f"{path.name}: {archive.testzip()} has a wrong CRC-32")
            require(not archive.comment, f"{path.name} has a comment")
            names = [name_bytes(info) for info in archive.infolist()]
            require(names == sorted(names), f"{path.name}: entries are not sorted by name")
            for info in archive.infolist():
                entry_is_plain(raw, info)
                where = seen.setdefault(info.filename, path.name)
                require(where == path.name, f"{info.filename} is in {where} and in {path.name}")
            require(len(names) == len(set(names)), f"{path.name} has two entries of one name")
    return f"{len(seen)} entries pass unzip -t and testzip, sorted, dated 1980-01-01, without extra fields or comments"


def entry_is_plain(raw, info):
    mode = info.external_attr >> 16
    right = 0o040755 if info.is_dir() else 0o120777 if stat.S_ISLNK(mode) else 0o100755 if mode & 0o111 else 0o100644
    raw.seek(info.header_offset)
    local = struct.unpack("<4s5H3L2H", raw.read(30))
    require(mode == right, f"{info.filename}: its mode is {mode:o} and should be {right:o}")
    require(info.date_time == (1980, 1, 1, 0, 0, 0), f"{info.filename}: its date is {info.date_time}")
    require(not info.extra and local[-1] == 0, f"{info.filename} has extra fields")
    require(not info.comment, f"{info.filename} has a comment")
    require(info.create_system == 3, f"{info.filename}: its creator system is {info.create_system}, not Unix")


def content_is_what_is_kept(proof):
    for path in proof.zips:
        done = run(["unzip", "-qo", path, "-d", proof.extracted])
        require(done.returncode == 0, f"unzip {path.name}: {last_line(done.stderr)}")
    source, result = walk(proof.tree), walk(proof.extracted)
    entries = {entry["path"]: entry for layer in proof.manifest["layers"] for entry in layer["entries"]}
    directories = {path for path, entry in entries.items() if entry["mode"].startswith("04")}
    kept = set(entries) - directories

    require_none(kept - files_and_links(result), "files were not extracted")
    require_none(files_and_links(result) - kept, "files were extracted but are not in the manifest")
    require_none(kept - files_and_links(source), "files are kept but not in the tree")
    wanted = directories | {str(parent) for path in entries for parent in Path(path).parents} - {"."}
    require_same(set(result) - kept, wanted, "directories extracted and expected")
    require_none((d for d in directories if os.listdir(proof.tree / d)), "directories in zips are not empty in the tree")

    forms = {form["form"]: set(form["paths"]) for form in proof.pack["rewritten"]}
    stripped, rewritten = forms.get("stripped", set()), set().union(*forms.values())
    for path in kept:
        before, after = proof.tree / path, proof.extracted / path
        mode = result[path].st_mode
        require_same(stat.S_IFMT(mode), stat.S_IFMT(source[path].st_mode), f"{path}: type extracted and in the tree")
        if stat.S_ISLNK(mode):
            require_same(os.readlink(after), os.readlink(before), f"{path}: target extracted and in the tree")
            require_same(entries[path].get("link"), os.readlink(before), f"{path}: target in manifest and tree")
            continue
        if path in stripped:
            require_same_when_loaded(path, before.read_bytes(), after.read_bytes())
        elif path not in rewritten:
            require(filecmp.cmp(before, after, shallow=False), f"{path}: its content differs from the tree's")
        right = 0o755 if source[path].st_mode & 0o111 else 0o644
        require(stat.S_IMODE(mode) == right, f"{path}: its mode is {stat.S_IMODE(mode):o} and should be {right:o}")

    scanned = files_and_links(source)
    dropped = scanned - kept
    totals, pruned = proof.pack["totals"], proof.pack["pruned"]

    def bytes_of(paths, where=source):
        return sum(where[path].st_size for path in paths)

    for name, paths, length, where in (
        ("scanned", scanned, "bytes", source),
        ("kept", kept, "unzipped_bytes", result),
        ("pruned", dropped, "bytes", source),
    ):
        require_same(totals[name]["files"], len(paths), f"files {name}, as reported and as counted")
        require_same(totals[name][length], bytes_of(paths, where), f"bytes {name}, as reported and as counted")
    require_same(sum(rule["files"] for rule in pruned), len(dropped), "files of all rules and files dropped")
    require_same(sum(rule["bytes"] for rule in pruned), bytes_of(dropped), "bytes of all rules and bytes dropped")
    figures = f"{len(kept)} kept, + {len(dropped)} pruned = {len(scanned)} scanned"
    return f"{figures}; {len(stripped)} stripped, equal in everything that is loaded; the rest equal to the tree's"


def require_same_when_loaded(path, before, after):
    """Requires equal program headers, and equal bytes in every segment: the loader sees no difference (elf(5))."""
    require(before[:4] == b"\x7fELF" and before[4] == 2 and before[5] == 1, f"{path}: it is not a 64-bit ELF file")
    phoff, phentsize, phnum = *struct.unpack_from("<Q", before, 32), *struct.unpack_from("<HH", before, 54)
    end = phoff + phentsize * phnum
    for number in range(phnum):
        offset, length = *struct.unpack_from("<Q", before, phoff + 56 * number + 8), *struct.unpack_from(
            "<Q", before, phoff + 56 * number + 32
        )
        end = max(end, offset + length)

    def loaded(content):
        # Without the fields about section headers, which are not loaded: e_shoff, e_shnum, e_shstrndx.
        return content[:40] + content[48:60] + content[64:end]

    require(loaded(before) == loaded(after), f"{path}: its loaded content differs from the tree's")
    require(len(after) < len(before), f"{path}: stripping did not make it smaller")


def same_bytes_every_time(proof):
    copy = proof.temp / "copy"
    copy_otherwise(proof.tree, copy)
    ways = {
        "a second run": ([], None),
        "--jobs 1": (["--jobs", "1"], None),
        "--jobs 2": (["--jobs", "2"], None),
        "a copy of the tree": ([], copy),
    }
    for way, (more, tree) in ways.items():
        sha256 = pack(proof, proof.temp / "again", *more, tree=tree)
        require(sha256 == proof.sha256, f"{way} gives different zips: {sha256}, before {proof.sha256}")
    shutil.rmtree(copy)
    digest = proof.sha256[proof.zips[0].name]
    return f"{', '.join(ways)}: the same {count_of(proof.zips, 'zip')}, the first with sha256 {digest[:16]}..."


def copy_otherwise(tree, copy):
    """Makes a copy with the same names, contents and modes, in a different order and with different times."""
    copy.mkdir()
    for path, s in sorted(walk(tree).items(), reverse=True):
        if not stat.S_ISDIR(s.st_mode):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(s.st_mode):
            os.symlink(os.readlink(tree / path), copy / path)
        elif stat.S_ISREG(s.st_mode):
            shutil.copy(tree / path, copy / path)
        elif stat.S_ISDIR(s.st_mode):
            (copy / path).mkdir(parents=True, exist_ok=True)
            shutil.copymode(tree / path, copy / path)


def check_agrees_with_plan(proof):
    code, checked = layerfit_json(proof, "check", proof.packed)
    require_same(code, proof.plan_exit, "exit codes of check and plan")
    require_same(missing_libraries(checked), missing_libraries(proof.plan), "missing libraries of check and plan")
    return f"exit code {code}, missing libraries: {len(missing_libraries(checked))}, as in the plan"


def zips_made_by_hand_are_checked(proof):
    """Zips made with zip, which follows links: check finds the same missing libraries as in the tree, and the links."""
    output = proof.temp / "by-hand"
    output.mkdir()
    names = sorted(os.listdir(proof.tree))
    groups = {"r": ["R"], "r_lib": ["local"], "subsystem": [name for name in names if name not in ("R", "local")]}
    zips = []
    for zip_name, group in groups.items():
        group = [name for name in group if name in names]
        if group:
            zips.append(output / f"{zip_name}.zip")
            done = run(["zip", "-q", "-r", zips[-1], *group], cwd=proof.tree)
            # 18: a dangling link was left out.
            require(done.returncode in (0, 18), f"zip exits {done.returncode}: {last_line(done.stderr)}")
    code, checked = layerfit_json(proof, "check", *zips)
    _, analyzed = layerfit_json(proof, "analyze", proof.tree)
    missing = {needed["soname"] for elf in checked["objects"] for needed in elf["needed"] if not needed["path"]}
    there = {needed["soname"] for elf in analyzed["objects"] for needed in elf["needed"] if not needed["path"]}
    require_same(sorted(missing), sorted(there), "missing libraries of zips and tree")
    sizes = [path.stat().st_size for path in zips]
    require_same([layer["zipped_bytes"] for layer in checked["layers"]], sizes, "sizes of zips, as reported and on disk")
    codes = [finding["code"] for finding in checked["findings"]]
    limit = checked["limits"]["layer_zipped"]
    require_same(codes.count("F101"), sum(size > limit for size in sizes), "findings F101 and zips over the limit")
    followed = [f for f in checked["findings"] if f["code"] == "Z115"]
    links = {elf["path"] for elf in checked["objects"]} - {elf["path"] for elf in analyzed["objects"]}
    require(bool(links) == bool(followed), f"{len(links)} links were followed, and {len(followed)} findings Z115")
    require(code == 1 or not missing_libraries(checked), "exit code 0 though libraries are missing")
    shutil.rmtree(output)
    return f"{len(zips)} zips of {sum(sizes)} bytes: {', '.join(sorted(set(codes)))}"


def too_small_is_refused(proof):
    if proof.plan["totals"]["kept"]["zipped_bytes"] <= SMALL_LAYER * FEW_LAYERS:
        raise Skipped(f"the tree fits in {FEW_LAYERS} layers of {SMALL_LAYER} bytes")
    small = ["--max-zipped", f"{SMALL_LAYER // MB}MiB", "--max-layers", str(FEW_LAYERS)]
    options = without(proof.options, ("--max-zipped", "--max-layers")) + small
    code, report = layerfit_json(proof, "check", proof.tree, options=options)
    require_same(code, 1, "exit code and that of content that does not fit")
    require_same(report["fits"], False, "fits")
    findings = [finding for finding in report["findings"] if finding["code"] == "F103"]
    require_same(len(findings), 1, "findings F103 and expected")
    message, help_text = findings[0]["message"], findings[0]["help"]
    layers = report["layers"]
    packed = sum(layer["zipped_bytes"] for layer in layers)
    counts = [f"{len(layers)} layers are needed", f"{FEW_LAYERS} are allowed", f"{FEW_LAYERS} layers of"]
    sizes = [f"{size / MB:.2f} MiB" for size in (SMALL_LAYER, packed, packed - FEW_LAYERS * SMALL_LAYER)]
    silent = [words for words in counts + sizes if words not in message]
    require(not silent, f"F103 does not mention {silent}: {message}")
    largest = max(report["units"], key=lambda unit: unit["zipped_bytes"])["name"]
    require(largest in help_text, f"F103 does not name the largest unit, {largest}: {help_text}")
    return message


def without(options, names):
    """Options without those of these names and their values."""
    rest, words = [], iter(options)
    for word in words:
        if word in names:
            next(words, None)
        elif word.split("=")[0] not in names:
            rest.append(word)
    return rest


def r_works(proof):
    if not (proof.tree / "R/bin/Rscript").exists():
        raise Skipped("the tree has no R/bin/Rscript")
    require(proof.extracted.is_dir(), "nothing was extracted")
    return f"from the extracted layers: {run_r_works(proof, proof.extracted)}"


def run_r_works(proof, extracted):
    environment = dict(os.environ)
    if proof.r_libs:
        environment["R_LIBS"] = proof.r_libs
    done = run([HERE / "r-works.sh", extracted], env=environment)
    if done.returncode == MISSING:
        raise Skipped(last_line(done.stderr))
    require(done.returncode == 0, f"exit {done.returncode}: {last_line(done.stdout + done.stderr)}")
    return last_line(done.stdout)


def r_works_in_the_image(proof):
    """Runs R from layers with bundled libraries, in a root with only what the image has."""
    if not (proof.tree / "R/bin/Rscript").exists():
        raise Skipped("the tree has no R/bin/Rscript")
    layers, extracted, root = (proof.temp / "image" / name for name in ("layers", "extracted", "root"))
    options = [word for word in without(proof.options, ("--runtime",)) if word != "--bundle"]
    layers.parent.mkdir()
    options += ["--runtime", IMAGE, "--bundle", "-o", layers]
    _, report = layerfit_json(proof, "pack", proof.tree, options=options)
    unzip(layers, extracted)
    made = run([sys.executable, HERE / "image_root.py", HERE.parent / f"rules/runtimes/{IMAGE}.toml", root])
    require(made.returncode == 0, f"image_root.py exits {made.returncode}: {last_line(made.stderr)}")
    environment = {**os.environ, "R_LIBS": proof.r_libs or os.environ.get("R_LIBS", "")}
    done = run([HERE / "r-works.sh", "--root", root, extracted], env=environment)
    if done.returncode == MISSING:
        raise Skipped(last_line(done.stderr))
    # Versions do not count: the root has this machine's libraries.
    predicted = [f"{f['code']} {f['subject']}" for f in report["findings"] if f["code"] in FATAL and is_error(f)]
    require(done.returncode or not predicted, f"R works, although layerfit reports {', '.join(predicted)}")
    if done.returncode and not predicted:
        raise why_not(done, made.stdout.split())
    if predicted:
        shutil.rmtree(layers.parent)
        return f"R does not work with only what {IMAGE} has, as layerfit reports: {', '.join(predicted)}"
    only = [word for name in SERVED for word in ("--only", name)]
    served = run([sys.executable, HERE / "bootstrap_works.py", "--root", root, *only, extracted], env=environment)
    require(served.returncode == 0, f"bootstrap_works.py exits {served.returncode}: {served.stdout[-1000:]}")
    shutil.rmtree(layers.parent)
    figures = made.stdout.splitlines()[0].partition(": ")[2]
    works = f"{last_line(done.stdout)}; checks of the bootstrap: {last_line(served.stdout)}"
    return f"only what {IMAGE} has ({figures}), and the layers with --bundle: {works}"


def is_error(finding):
    return finding["severity"] == "error"


def why_not(done, not_copied):
    """What to raise if R does not work in the image's root; `not_copied` names what this machine does not have."""
    said = done.stdout + done.stderr
    lacking = set(re.findall(r"(lib\S+): cannot open shared object file", said))
    ours = sorted(lacking.intersection(not_copied))
    if ours and len(ours) == len(lacking):
        return Skipped(f"{IMAGE} has {', '.join(ours)}, and this machine has no substitute")
    if lacking:
        return Failed(f"neither the layers nor {IMAGE} have {', '.join(sorted(lacking))}")
    return Failed(f"exit {done.returncode}: {last_line(said)}")


def packages_are_as_r_says(proof):
    """Compares the packages that layerfit finds, and their dependencies, with R's own tools::package_dependencies()."""
    if not (proof.tree / "R/bin/Rscript").exists():
        raise Skipped("the tree has no R/bin/Rscript")
    done = run([HERE / "r-works.sh", proof.tree, HERE / "r-packages.R"])
    if done.returncode == MISSING:
        raise Skipped(last_line(done.stderr))
    require(done.returncode == 0, f"exit {done.returncode}: {last_line(done.stdout + done.stderr)}")
    # Sorted here, as R sorts by locale.
    lines = (line.split("\t") for line in done.stdout.splitlines())
    theirs = {path: " ".join(sorted(needs.split())) for path, needs in lines}
    # analyze applies no rules, some of which drop whole packages.
    _, report = layerfit_json(proof, "analyze", proof.tree)
    ours = {f"/opt/{p['path']}": " ".join(sorted(set(p["needs"]))) for p in report["packages"]}
    require_none(set(ours) ^ set(theirs), "packages are known only to R, or only to layerfit")
    for path, needs in theirs.items():
        require_same(ours[path], needs, f"what {path} needs, by layerfit and by R")
    count = sum(len(needs.split()) for needs in theirs.values())
    libraries = {os.path.dirname(path) for path in theirs}
    return f"{len(theirs)} packages in {', '.join(sorted(libraries))} have {count} dependencies, as in R"


def dropping_frees_what_was_reported(proof):
    """Drops six units, one at a time, and packs again: the zips shrink by what the plan reported, to the byte."""
    # At this level, no file is compressed harder to save a layer, which would change the sizes of other files.
    options = without(proof.options, ("--level",)) + ["--level", "fast", "-o", proof.temp / "dropped"]
    _, before = layerfit_json(proof, "pack", proof.tree, options=options)
    zipped, unzipped = in_zips(proof.temp / "dropped")
    units = sorted(before["units"], key=lambda unit: unit["name"])
    telling = [unit for unit in units if unit["retained_zipped_bytes"] != unit["zipped_bytes"]]
    others = [unit for unit in units if unit not in telling]
    random.Random(1).shuffle(others)
    chosen = (telling[: UNITS_DROPPED // 2] + others)[:UNITS_DROPPED]
    freed = 0
    for unit in chosen:
        name = unit["name"]
        _, after = layerfit_json(proof, "pack", proof.tree, options=[*options, "--drop", name])
        require(after["fits"], f"without {name} it does not fit")
        now = in_zips(proof.temp / "dropped")
        said = unit["retained_zipped_bytes"], unit["retained_unzipped_bytes"]
        require_same((zipped - now[0], unzipped - now[1]), said, f"bytes that dropping {name} frees, and reported")
        freed += said[0]
    shutil.rmtree(proof.temp / "dropped")
    names = ", ".join(unit["name"] for unit in chosen)
    with_others = sum(unit in telling for unit in chosen)
    return f"{len(chosen)} units, {with_others} of them with dependencies only they have, {freed} bytes in zips: {names}"


def in_zips(directory):
    """The bytes of all zips without their end records, and of the files in them."""
    zipped = unzipped = 0
    for name in whole_directory(directory):
        zipped += (directory / name).stat().st_size - END_RECORD
        with zipfile.ZipFile(directory / name) as archive:
            unzipped += sum(info.file_size for info in archive.infolist())
    return zipped, unzipped


def r_reads_the_same_values(proof):
    """Repacks R's databases, and has R compare every value in them with the tree's (r_same.py)."""
    if not (proof.tree / "R/bin/Rscript").exists():
        raise Skipped("the tree has no R/bin/Rscript")
    options = [word for word in without(proof.options, LIMITS) if word != "--repack-rdb"] + ["--repack-rdb"]
    # Help pages are databases too. If there is only room for the databases as they are, xz is used.
    ways = {
        "everything": [*options, "--ignore", "safe", "--max-zipped", "4GiB", "--max-unzipped", "4GiB"],
        "in little room": [*options, "--max-unzipped", str(proof.pack["totals"]["kept"]["unzipped_bytes"])],
    }
    if not proof.examples:
        # xz takes R long to read. Tests have it; `make prove-examples` has R read it.
        del ways["in little room"]
    expected, extracted = {}, []
    for way, words in ways.items():
        layers = proof.temp / "repacked" / way
        layers.parent.mkdir(exist_ok=True)
        _, report = layerfit_json(proof, "pack", proof.tree, options=[*words, "--no-cache", "-o", layers])
        require(report["fits"], f"{way}: the tree does not fit with --repack-rdb")
        forms = {form["form"]: len(form["paths"]) // 2 for form in report["rewritten"]}  # a database has two files
        expected[way] = (forms.get("open", 0), forms.get("xz", 0))
        extracted.append(layers.with_name(f"{way}.unzipped"))
        unzip(layers, extracted[-1])
    require(any(map(any, expected.values())), "no database was repacked")
    proof.repacked = extracted[-1]

    done = run([sys.executable, HERE / "r_same.py", "values", proof.tree, *extracted])
    if done.returncode == MISSING:
        raise Skipped(last_line(done.stderr))
    require(done.returncode == 0, f"exit {done.returncode}: {done.stdout} {last_line(done.stderr)}")
    lines = done.stdout.splitlines()
    for (way, forms), line in zip(expected.items(), lines, strict=True):
        read = tuple(map(int, re.search(r"(\d+) rewritten open and (\d+) with xz", line).groups()))
        require_same(read, forms, f"{way}: databases open and with xz, as R reads them and as reported")
    works = run_r_works(proof, proof.repacked)
    for other in extracted[:-1]:
        shutil.rmtree(other)
    return f"{'; '.join(f'{way}: {line}' for way, line in zip(ways, lines))}; {works}"


def r_does_what_its_examples_did(proof):
    """Runs the examples in R's help pages from the tree and from layers with repacked databases (r_same.py)."""
    if not proof.examples:
        raise Skipped("it takes minutes: add --examples")
    require(proof.repacked, "nothing was repacked")
    done = run([sys.executable, HERE / "r_same.py", "examples", proof.tree, proof.repacked])
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode == MISSING:
        raise Skipped(last_line(done.stderr))
    require(done.returncode == 0, f"exit {done.returncode}: {last_line(done.stdout + done.stderr)}")
    return last_line(done.stdout)


def the_loader_agrees(proof):
    """Compares layerfit's result for each library with what ld.so does (examples/loader_truth.rs)."""
    if not proof.loader_truth.exists():
        raise Skipped(f"{proof.loader_truth} is not built: cargo build --example loader_truth")
    done = run([proof.loader_truth, proof.tree])
    if done.returncode == MISSING:
        raise Skipped(last_line(done.stderr))
    require(done.returncode == 0, last_line(done.stdout + done.stderr))
    return last_line(done.stdout)


def analyze_and_ldd(proof):
    """Requires that analyze takes no longer than a loop of ldd over the tree's ELF files."""
    if not proof.speed:
        raise Skipped("--no-speed")
    files = [proof.tree / item["path"] for item in layerfit_json(proof, "analyze", proof.tree)[1]["objects"]]
    loop = ["bash", "-c", 'for file; do ldd "$file"; done; exit 0', "bash", *files]
    theirs = timed(loop, 0)
    analyze = [proof.layerfit, "analyze", proof.tree, "-q", *checks.for_analyze(proof.options)]
    code = run(analyze).returncode
    ours = min(timed(analyze, code) for _ in range(2))
    figures = f"analyze takes {ours:.2f} s, ldd on each of {len(files)} ELF files {theirs:.2f} s"
    require(ours <= theirs, figures)
    return f"{figures}, {theirs / ours:.1f} times as long"


def speed(proof):
    if not proof.speed:
        raise Skipped("--no-speed")
    archive = proof.temp / "tree.zip"
    theirs = timed(["zip", "-r", "-9", "-q", archive, "."], 0, cwd=proof.tree)
    archive.unlink()
    ours = min(timed(pack_command(proof, proof.temp / "again"), proof.pack_exit) for _ in range(2))
    ratio = theirs / ours
    figures = f"zip -r -9 takes {theirs:.2f} s, layerfit pack {ours:.2f} s, {ratio:.1f} times faster"
    require(ratio >= MIN_RATIO, f"{figures}, and {MIN_RATIO} is the minimum")
    return figures


def size(proof):
    require(proof.extracted.is_dir(), "nothing was extracted")
    archive = proof.temp / "kept.zip"
    done = run(["zip", "-r", "-9", "-q", "-y", "-D", "-X", archive, "."], cwd=proof.extracted)
    require(done.returncode == 0, f"zip exits {done.returncode}: {last_line(done.stdout + done.stderr)}")
    ours, theirs = sum(path.stat().st_size for path in proof.zips), archive.stat().st_size
    archive.unlink()
    figures = f"the same files are {theirs} bytes with zip -r -9 and {ours} with layerfit ({ours / theirs:.2%})"
    require(ours <= theirs, figures)
    return figures


def the_cache_changes_nothing(proof):
    """Requires the same bytes with an empty cache, a full one, and one in which every entry is damaged."""
    cache, output = proof.temp / "cache", proof.temp / "cached"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(proof.temp / "state")}
    command = [word for word in pack_command(proof, output) if word != "--no-cache"]
    seconds = {}
    for state in ("cold", "warm", "damaged"):
        if state == "damaged":
            for path in cache.rglob("*"):
                if path.is_file():
                    path.write_bytes(path.read_bytes()[:-1] + b"?")
        seconds[state] = timed(command, proof.pack_exit, env=environment)
        require_same(whole_directory(output), proof.sha256, f"zips with a {state} cache and without one")
    entries = sum(path.is_file() for path in cache.rglob("*"))
    shutil.rmtree(cache)
    times = ", ".join(f"{state} {time:.2f} s" for state, time in seconds.items())
    return f"{entries} entries; {times}: the same zips each time"


def killed_runs(proof):
    """Kills runs that would replace an older, different DIR: afterwards it is the old or the new one, complete.

    Every second one uses a cache, empty before: the next run with that cache gives the same bytes.
    """
    older_layers, beside, cache = (proof.temp / name for name in ("older", "killed", "killed-cache"))
    output = beside / "layers"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(proof.temp / "state")}
    command = [str(word) for word in pack_command(proof, output)]
    cached = [word for word in command if word != "--no-cache"]
    older = pack_other(proof, older_layers)
    seconds = [timed(words, proof.pack_exit, env=environment) for words in (command, cached)]
    in_time = half = 0
    found = {"old": 0, "new": 0}
    moments = [random.Random(number).random() for number in range(proof.kills)] or KILLED_AT
    for number, share in enumerate(moments):
        with_cache = number % 2
        words = cached if with_cache else command
        what = f"killed at {share:.0%}{' with a cache' if with_cache else ''}"
        for path in (output, cache):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(older_layers, output)
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, env=environment, **silent)
        time.sleep(share * seconds[with_cache])
        process.kill()
        in_time += process.wait() < 0
        half += len(os.listdir(beside)) > 1
        there = whole_directory(output)
        require(there in (older, proof.sha256), f"{what}, DIR is neither the old one nor the new one")
        found["old" if there == older else "new"] += 1
        timed(words, proof.pack_exit, env=environment)
        require_same(whole_directory(output), proof.sha256, f"{what}: zips of the next run and of the first")
        require_same(os.listdir(beside), [output.name], f"{what}: entries beside DIR and expected")
    require(in_time > 0, "every run ended before it was killed")
    killed = f"{in_time} of {len(moments)} killed within the {seconds[0]:.2f} s of a pack ({seconds[1]:.2f} s with a cache)"
    whole = f"DIR always complete, {found['old']} times the old one and {found['new']} times the new one"
    return f"{killed}; {whole}; {half} left a directory, which the next run removed"


def full_file_systems(proof):
    """Packs without enough disk space: exit code 2 with path and remedy, and existing output is unchanged."""
    older_layers, beside = proof.temp / "older", proof.temp / "beside"
    older = pack_other(proof, older_layers)
    zips, files = (sum(pages(path.stat().st_size) for path in paths) for paths in (proof.zips, proof.packed.iterdir()))
    times = 0

    def pack_there(place, room, seed=None):
        """Packs with a full file system at `place`; returns the finished process, the directory with DIR, and that place."""
        nonlocal times
        times += 1
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(older_layers, beside / "layers")
        full = proof.temp / "full"
        output = full if place == "-o" else beside
        words = [str(word) for word in pack_command(proof, output / "layers")]
        environment = dict(os.environ)
        if place == "XDG_CACHE_HOME":
            words.remove("--no-cache")
        if place != "-o":
            environment[place] = str(full)
        done, after = on_a_full_file_system(proof, full, room, seed, words, environment)
        return done, after if place == "-o" else beside, after

    def fails_whole(place, room, seed=None):
        done, output, after = pack_there(place, room, seed)
        what = f"{place} with room for {room} bytes"
        require_same(done.returncode, 2, f"{what}: exit code and that of a failed run")
        for words in ("No space left", str(proof.temp / "full"), "help: free some space"):
            require(words in done.stderr, f"{what}: its message has no {words!r}: {done.stderr}")
        require_same(os.listdir(output), ["layers"], f"{what}: entries beside DIR and expected")
        require_same(whole_directory(output / "layers"), older, f"{what}: zips now and before")
        if place != "-o":
            require_same(os.listdir(after), [], f"{what}: files left behind and expected")

    # There is no room for the zips, or for some of them, or for all but not for the files written after them.
    for share in (*ROOM, 1):
        fails_whole("-o", int(share * zips), beside)
    for share in ROOM:
        fails_whole("TMPDIR", int(share * zips))
    # The cache is optional: nothing fails, and no unfinished entry stays.
    for share in ROOM:
        room = int(share * zips)
        done, output, after = pack_there("XDG_CACHE_HOME", room)
        what = f"the cache with room for {room} bytes"
        require_same(done.returncode, proof.pack_exit, f"{what}: exit code and that of the first pack")
        require_same(whole_directory(output / "layers"), proof.sha256, f"{what}: zips and those without it")
        entries = [path for path in walk(after) if path.rpartition("/")[2].startswith(".new-")]
        require_none(entries, "entries of the cache are unfinished")
        environment = {**os.environ, "XDG_CACHE_HOME": str(after)}
        words = [word for word in pack_command(proof, beside / "layers") if word != "--no-cache"]
        timed(words, proof.pack_exit, env=environment)
        require_same(whole_directory(beside / "layers"), proof.sha256, f"{what}: zips of the next run and without it")
    # With enough room it works, so the failures were due to disk space.
    done, output, _ = pack_there("-o", files, beside)
    require_same(done.returncode, proof.pack_exit, "exit code with enough room and that of the first pack")
    require_same(whole_directory(output / "layers"), proof.sha256, "zips with enough room and those of the first pack")
    return f"{times} runs with too little or just enough room for DIR, TMPDIR or the cache: all complete, with path and remedy"


def pages(length):
    """The bytes that a file of this length occupies on a tmpfs."""
    return -(-length // PAGE) * PAGE


def on_a_full_file_system(proof, full, room, seed, command, environment):
    """Runs a program where the directory `full` has room for `room` bytes besides a copy of `seed`.

    Returns the finished process, and a copy of `full`: the file system is only visible in the program's namespace.
    """
    after = proof.temp / "full-after"
    for path in (full, after):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    seeded = sum(pages(s.st_size) for s in walk(seed).values() if stat.S_ISREG(s.st_mode)) if seed else 0
    size = max(seeded + room, PAGE)  # 0 would be no limit
    space = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    script = """
        size=$1 full=$2 after=$3 seed=$4
        shift 4
        mount -t tmpfs -o "size=$size" tmpfs "$full" || exit 77
        [ -z "$seed" ] || cp -a "$seed/." "$full/" || exit 78
        code=0
        "$@" || code=$?
        cp -a "$full/." "$after/" || exit 78
        exit "$code"
    """
    done = run([*space, "bash", "-c", script, "bash", size, full, after, seed or "", *command], env=environment)
    if done.returncode not in (0, 1, 2):
        reason = f"cannot mount a tmpfs: {last_line(done.stderr)}"
        raise Skipped(reason) if done.returncode in (1, MISSING) else Failed(reason)
    return done, after


def foreign_files_survive(proof):
    output = proof.temp / "foreign"
    pack(proof, output)
    (output / "more").mkdir()
    files = {output / "notes.txt": "mine\n", output / "more/notes.txt": "mine too\n"}
    for path, text in files.items():
        path.write_text(text)
    for pack_again in (pack_other, pack):
        pack_again(proof, output)
        for path, text in files.items():
            name = path.relative_to(output)
            require(path.is_file() and path.read_text() == text, f"{name} is missing or changed after packing again")
    require_same(whole_directory(output), proof.sha256, "zips beside other files and without them")
    return f"{', '.join(str(path.relative_to(output)) for path in files)} are unchanged after packing twice more"


def tree_is_unchanged(proof):
    same = digest_of(proof.tree) == proof.digest
    require(same, "names, modes, sizes, times or links in the tree have changed")
    return f"names, modes, sizes, times and links are as before ({proof.digest[:16]}...)"


CHECKS = (
    pack_and_its_memory,
    plan_says_what_pack_writes,
    zips_are_sound,
    content_is_what_is_kept,
    same_bytes_every_time,
    check_agrees_with_plan,
    zips_made_by_hand_are_checked,
    too_small_is_refused,
    r_works,
    r_works_in_the_image,
    packages_are_as_r_says,
    dropping_frees_what_was_reported,
    r_reads_the_same_values,
    r_does_what_its_examples_did,
    the_loader_agrees,
    analyze_and_ldd,
    speed,
    size,
    the_cache_changes_nothing,
    killed_runs,
    full_file_systems,
    foreign_files_survive,
    tree_is_unchanged,
)


# Those that others need, or that are essential: they run with --only, too.
ALWAYS = (pack_and_its_memory, plan_says_what_pack_writes, content_is_what_is_kept, tree_is_unchanged)


# --- the program --------------------------------------------------------------


def built_binary():
    built = HERE.parent / "target/release/layerfit"
    return str(built) if built.exists() else "layerfit"


def arguments():
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description="Verify layerfit's promises on a real tree.",
        usage="prove.py [--layerfit BIN] [--loader-truth BIN] [--r-libs PATH] [--kills N] [--examples] [--no-speed] "
        "[--only NAME]... TREE [-- LAYERFIT OPTIONS...]",
    )
    parser.add_argument("--layerfit", metavar="BIN", default=built_binary(), help="the program (default: %(default)s)")
    parser.add_argument(
        "--loader-truth", metavar="BIN", type=Path, default=HERE.parent / "target/debug/examples/loader_truth",
        help="the built example of this name (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--r-libs", metavar="PATH", help="R_LIBS for r-works.sh, below /opt")
    parser.add_argument("--kills", metavar="N", type=int, default=0, help="kill N runs at random moments")
    parser.add_argument("--examples", action="store_true", help="run the examples in R's help pages, which takes minutes")
    checks.add_arguments(parser, CHECKS)
    parser.add_argument("--no-speed", action="store_true", help="skip the checks of speed, on a busy machine")
    parser.add_argument("tree", metavar="TREE", type=Path, help="the directory that will be /opt")
    given = parser.parse_args(words[:end])
    given.options = words[end + 1 :]
    given.layerfit = shutil.which(given.layerfit)
    if not given.layerfit:
        parser.error("layerfit was not found: build it (cargo build --release), or name it with --layerfit")
    if not given.tree.is_dir():
        parser.error(f"{given.tree} is not a directory")
    for word in given.options:
        if word.split("=")[0] in RESERVED:
            parser.error(f"{word}: prove.py sets this option itself")
    return given


def main():
    given = arguments()
    os.umask(0o022)
    sys.stdout.reconfigure(errors="backslashreplace")
    with tempfile.TemporaryDirectory(prefix="prove-") as temp:
        temp = Path(temp).resolve()
        proof = types.SimpleNamespace(
            layerfit=os.path.abspath(given.layerfit),
            loader_truth=given.loader_truth.resolve(),
            tree=given.tree.resolve(),
            options=given.options,
            r_libs=given.r_libs,
            kills=given.kills,
            examples=given.examples,
            repacked=None,
            speed=not given.no_speed,
            temp=temp,
            packed=temp / "layers",
            extracted=temp / "extracted",
        )
        proof.digest = digest_of(proof.tree)
        # Without a pack there is nothing to check.
        return checks.run(CHECKS, given.only, proof, always=ALWAYS, vital=(pack_and_its_memory,))


if __name__ == "__main__":
    sys.exit(main())
