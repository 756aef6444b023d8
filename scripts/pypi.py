"""Environments under target/ with packages from PyPI, for the scripts that try layerfit with other people's tools."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from checks import MISSING, Skipped

ROOT = Path(__file__).resolve().parent.parent


class Unavailable(Skipped):
    """The packages cannot be had."""


def environment(name, packages):
    """Makes target/NAME, when it does not have just these packages; gives the directory of its programs."""
    home = ROOT / "target" / name
    stamp = home / "installed"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        try:
            venv.create(home, with_pip=True, clear=True)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"no environment for Python can be made (package python3-venv): {error}") from error
        install = [home / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        if subprocess.run(install).returncode:
            raise Unavailable(f"{', '.join(packages)} cannot be installed from PyPI")
        stamp.write_text("\n".join(packages))
    return home / "bin"


def programs(name, packages):
    """As `environment`; without the packages the script ends."""
    try:
        return environment(name, packages)
    except Unavailable as why:
        print(f"skipped: {why}", file=sys.stderr)
        sys.exit(MISSING)


def enter(name, packages):
    """Goes on in the environment, so that the script can import the packages."""
    python = programs(name, packages) / "python"
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [python, *sys.argv])
