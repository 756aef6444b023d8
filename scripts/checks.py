"""Shared by the scripts that test layerfit from outside: assertions, and a runner of checks.

A check is a function named after what it verifies. It returns a short summary, raises `Failed` if it fails, and `Skipped` if
it cannot run here. Each is reported in one line, "ok NAME: figures", "FAILED NAME: what" or "skipped NAME: why"; the last
line counts them.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

# The exit code of a script that cannot run here: something is missing that cannot be installed.
MISSING = 77
# Maximum length of the line about a failure, in characters: it may quote a log.
MAX_LINE = 4000


class Failed(Exception):
    """A check failed."""


class Skipped(Exception):
    """A check cannot run here."""


class NothingWorksHere(Exception):
    """No check of the script can run here."""


def require(condition, what):
    if not condition:
        raise Failed(what)


def require_same(found, expected, what):
    require(found == expected, f"{what}: {short(found)} is not {short(expected)}")


def require_in(part, whole, what):
    require(part in whole, f"{what}: {short(part)} is not in {short(whole[-1500:])}")


def short(value):
    text = repr(value)
    return text if len(text) < 1600 else f"{text[:1600]}... ({len(text)} characters)"


# --- options of layerfit --------------------------------------------------------

# The options of `layerfit analyze`, which refuses the others that `plan` and `pack` have.
ANALYZE = ("--config", "--runtime", "--arch", "--bundle", "--sysroot", "--drop", "--keep", "--handler")


def for_analyze(options):
    """Those of these options of `plan` or `pack` that `analyze` has, with their values."""
    chosen, has = [], False
    for word in options:
        if word.startswith("-"):
            has = word.split("=")[0] in ANALYZE
        if has:
            chosen.append(word)
    return chosen


# --- the command line -----------------------------------------------------------


def name_of(check):
    return check.__name__.replace("_", "-")


def add_arguments(parser, checks):
    """Adds --only NAME, which can be repeated, and --list, which needs no other argument."""
    names = [name_of(check) for check in checks]

    def known(text):
        name = text.replace("_", "-")
        if name not in names:
            raise argparse.ArgumentTypeError(f"no check is called {text}; --list prints the names")
        return name

    class List(argparse.Action):
        def __call__(self, *_):
            print("\n".join(names))
            parser.exit()

    parser.add_argument(
        "--only", metavar="NAME", type=known, action="append", default=[], help="run only this check (repeatable)"
    )
    parser.add_argument("--list", nargs=0, action=List, help="print the names of the checks")


# --- the runner -----------------------------------------------------------------


def run(checks, only, *given, always=(), vital=()):
    """Calls the checks named in `only` and those in `always`, or all if none is named, each with `given`.

    If one in `vital` does not pass, the checks after it are left out. Returns the exit code.
    """
    return run_each(checks, only, lambda: contextlib.nullcontext(given), always, vital)


def run_apart(checks, only, prepare):
    """The same, but each check gets what `prepare` returns for its own empty directory; that is closed afterwards."""

    @contextlib.contextmanager
    def apart():
        with tempfile.TemporaryDirectory(prefix="layerfit-") as temp:
            bench = prepare(Path(temp))
            try:
                yield (bench,)
            finally:
                if hasattr(bench, "close"):
                    bench.close()

    return run_each(checks, only, apart)


def run_each(checks, only, context, always=(), vital=()):
    outcomes = {"ok": [], "FAILED": [], "skipped": []}
    for check in checks:
        name = name_of(check)
        if only and name not in only and check not in always:
            continue
        try:
            with context() as given:
                outcome, text = "ok", check(*given)
        except NothingWorksHere as why:
            print(f"skipped: {why}", file=sys.stderr)
            return MISSING
        except Skipped as why:
            outcome, text = "skipped", one_line(why)
        except (Failed, subprocess.TimeoutExpired) as why:
            outcome, text = "FAILED", one_line(why)
        except Exception as error:  # a bug in the check, or unexpected data: the others still run
            traceback.print_exc()
            outcome, text = "FAILED", f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        outcomes[outcome].append(name)
        print(f"{outcome} {name}: {text}", flush=True)
        if check in vital and outcome != "ok":
            break
    failed = outcomes["FAILED"]
    if failed:
        print(f"failed: {', '.join(failed)}")
    skipped = f", {len(outcomes['skipped'])} skipped" if outcomes["skipped"] else ""
    print(f"{len(outcomes['ok'])} passed, {len(failed)} failed{skipped}")
    return 1 if failed else 0


def one_line(text):
    text = " ".join(str(text).split())
    return text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}..."
