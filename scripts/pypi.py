"""Virtual environments under target/ with packages from PyPI, for the scripts that test layerfit with third-party tools."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from checks import MISSING, Skipped

ROOT = Path(__file__).resolve().parent.parent


class Unavailable(Skipped):
    """The packages cannot be installed."""


def environment(name, packages):
    """Creates target/NAME unless it has exactly these packages; returns the directory of its programs."""
    home = ROOT / "target" / name
    stamp = home / "installed"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        try:
            venv.create(home, with_pip=True, clear=True)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"cannot create a virtual environment (package python3-venv): {error}") from error
        install = [home / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        if subprocess.run(install).returncode:
            raise Unavailable(f"cannot install {', '.join(packages)} from PyPI")
        stamp.write_text("\n".join(packages))
    return home / "bin"


def programs(name, packages):
    """Like `environment`, but ends the script if the packages cannot be installed."""
    try:
        return environment(name, packages)
    except Unavailable as why:
        print(f"skipped: {why}", file=sys.stderr)
        sys.exit(MISSING)


def enter(name, packages):
    """Restarts the script in the environment, so that it can import the packages."""
    python = programs(name, packages) / "python"
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [python, *sys.argv])
