"""What the scripts that try layerfit with other people's tools share: checks that hold or fail, each told in one line."""

import subprocess
import sys
import tempfile
from pathlib import Path


class Failed(Exception):
    """A check found something wrong."""


def require(condition, what):
    if not condition:
        raise Failed(what)


def require_same(found, expected, what):
    require(found == expected, f"{what}: {found!r}, and not {expected!r}")


def add_argument(parser, checks):
    """An argument that names some of the checks."""
    names = [check.__name__ for check in checks]
    parser.add_argument("check", nargs="*", help=f"of {', '.join(names)}; all, if none is given")


def make(checks, wanted, prepare):
    """Makes those of the checks that are wanted, or all; `prepare` makes of an empty directory what a check takes, and is
    closed after it. Each prints "ok NAME: what" or "FAILED NAME: what", and the last line counts them. Gives the exit code."""
    unknown = set(wanted) - {check.__name__ for check in checks}
    if unknown:
        print(f"there is no check {', '.join(sorted(unknown))}; --help names them", file=sys.stderr)
        return 2
    failed = passed = 0
    for check in checks:
        if wanted and check.__name__ not in wanted:
            continue
        name = check.__name__.replace("_", "-")
        with tempfile.TemporaryDirectory(prefix="layerfit-") as temp:
            bench = prepare(Path(temp))
            try:
                print(f"ok {name}: {check(bench)}", flush=True)
                passed += 1
            except (Failed, subprocess.TimeoutExpired) as error:
                print(f"FAILED {name}: {error}", flush=True)
                failed += 1
            finally:
                if hasattr(bench, "close"):
                    bench.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
