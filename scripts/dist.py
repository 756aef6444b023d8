#!/usr/bin/env python3
"""Make what is released, in target/released: the wheel, the archive and their checksums; and from archives, the container image.

  wheel     maturin builds the static program and puts it into the wheel, with an SBOM (CycloneDX) of the crates in it
  archive   the program and the SBOM of the wheel, shell completions, manual pages, licences and README
  sums      SHA256SUMS, of every wheel and archive
  image     an OCI archive (target/image/layerfit.tar) for the architectures of all archives, by buildah
  notes     prints the changelog of this version, if the tag and the repository of the workflow that runs it are right

Without a step: wheel, archive and sums. The same sources in the same directory give the same wheel and archive, to the byte.
maturin is installed from PyPI into a virtual environment under target/, and rustup adds the musl target. --arch builds for
another architecture than this machine's: with zig, also from PyPI, and qemu-user-static to print the completions.

Exit 0: done; 1: a tool failed; 2: wrong arguments; 77: something is missing and cannot be installed.
"""

import argparse
import functools
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pypi

ROOT = Path(__file__).resolve().parent.parent
DIST, IMAGE = ROOT / "target/released", ROOT / "target/image"
MATURIN, ZIG = ("maturin==1.16.0",), ("ziglang==0.17.1",)
# The oldest systems whose pip takes the wheel: the static program runs on any.
SYSTEMS = ("manylinux2014", "musllinux_1_1")
# Names of architectures: the kernel's, and those of container images.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Files of the repository in the archive.
TEXTS = ("CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md")
# Where each shell's completions are in the archive.
COMPLETIONS = {"bash": "layerfit.bash", "zsh": "_layerfit", "fish": "layerfit.fish"}


def run(*command, **more):
    """Runs a command; the script ends if it fails."""
    done = subprocess.run([str(word) for word in command], **more)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr or b"")
        stop(f"{command[0]} exits with {done.returncode}")
    return done.stdout


def stop(why):
    print(f"dist: {why}", file=sys.stderr)
    sys.exit(1)


@functools.cache
def package():
    """What Cargo.toml says about the package."""
    command = ("cargo", "metadata", "--no-deps", "--format-version", "1", "--offline")
    (package,) = json.loads(run(*command, cwd=ROOT, stdout=subprocess.PIPE))["packages"]
    return package


def target(arch):
    return f"{arch}-unknown-linux-musl"


def archive_name(arch):
    """The archive's name without .tar.gz, which is also that of the directory in it."""
    return f"layerfit-{package()['version']}-{target(arch)}"


def only(pattern):
    """The one file of target/released with this name."""
    found = sorted(DIST.glob(pattern))
    if len(found) != 1:
        stop(f"{len(found)} files {pattern} in target/released: make dist")
    return found[0]


# --- the steps ------------------------------------------------------------------


def wheel(arch):
    """The wheel of an architecture, and the static program on the way."""
    foreign = arch != platform.machine()
    programs = pypi.programs("maturin-zig" if foreign else "maturin", MATURIN + (ZIG if foreign else ()))
    run("rustup", "target", "add", target(arch))
    for old in DIST.glob(f"*_{arch}.whl"):
        old.unlink()
    # maturin sets the date in the SBOM, and leaves out the random serial number.
    environment = os.environ | {"SOURCE_DATE_EPOCH": "0", "PATH": f"{programs}:{os.environ['PATH']}"}
    command = [programs / "maturin", "build", "--locked", "--profile", "dist", "--features", "shared-cache"]
    command += ["--target", target(arch), "--out", DIST]
    run(*command, "--compatibility", *SYSTEMS, *(["--zig"] if foreign else []), cwd=ROOT, env=environment)


def archive(arch):
    """The archive of an architecture, from its wheel."""
    with zipfile.ZipFile(only(f"layerfit-{package()['version']}-*_{arch}.whl")) as packed:
        contents = {name.split("/", 1)[1]: packed.read(name) for name in packed.namelist()}
    program, sbom = contents["scripts/layerfit"], contents["sboms/layerfit.cyclonedx.json"]
    # The package is named by where it was built.
    sbom = sbom.replace(f"path+file://{ROOT}#".encode(), b"path+file:///layerfit#")
    emulator = () if arch == platform.machine() else (f"qemu-{arch}-static",)
    files = archive_files(program, emulator) | {"layerfit.cyclonedx.json": (0o644, sbom)}
    write_archive(DIST / f"{archive_name(arch)}.tar.gz", archive_name(arch), files)


def archive_files(program, emulator=()):
    """What an archive contains besides the SBOM: permissions and content by name."""
    files = {"layerfit": (0o755, program)} | {name: (0o644, (ROOT / name).read_bytes()) for name in TEXTS}
    with tempfile.TemporaryDirectory() as temp:
        layerfit = Path(temp) / "layerfit"
        layerfit.write_bytes(program)
        layerfit.chmod(0o755)
        for shell, name in COMPLETIONS.items():
            text = run(*emulator, layerfit, "completions", shell, stdout=subprocess.PIPE)
            files[f"completions/{name}"] = (0o644, text)
        run(*emulator, layerfit, "man", Path(temp) / "man", stdout=subprocess.DEVNULL)
        files |= {f"man/{page.name}": (0o644, page.read_bytes()) for page in (Path(temp) / "man").iterdir()}
    return files


def write_archive(path, top, files, effort=9):
    """A .tar.gz with a directory `top`, the same for the same files: sorted, without dates and owners."""
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", effort, raw, mtime=0) as packed:
        write_tar(packed, {f"{top}/{name}": file for name, file in files.items()})


def write_tar(to, files):
    with tarfile.open(fileobj=to, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (mode, content) in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.mode = mode
            if content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def sums(*_):
    """SHA256SUMS, for `sha256sum --check`."""
    files = sorted([*DIST.glob("*.tar.gz"), *DIST.glob("*.whl")])
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (DIST / "SHA256SUMS").write_text("".join(lines))
    print(f"target/released: {', '.join(file.name for file in files)}, SHA256SUMS")


def image(*_):
    """The OCI archive, from the archives of this version."""
    shutil.rmtree(IMAGE, ignore_errors=True)
    IMAGE.mkdir(parents=True)
    platforms = []
    for arch, name in ARCHITECTURES.items():
        path = DIST / f"{archive_name(arch)}.tar.gz"
        if path.exists():
            (IMAGE / f"{name}.tar").write_bytes(image_root(path, archive_name(arch)))
            platforms.append(f"linux/{name}")
    if not platforms:
        stop("no archive of this version in target/released: make dist")
    # The storage is the image's own; nothing is executed in it, so it needs no rights.
    buildah = ("buildah", "--root", IMAGE / "storage", "--runroot", IMAGE / "run", "--storage-driver", "vfs")
    tag, to = "localhost/layerfit", f"oci-archive:{IMAGE / 'layerfit.tar'}"
    # By this label, the registry shows the image with the repository.
    label = f"org.opencontainers.image.source={package()['repository']}"
    steps = (
        ("bud", "--isolation", "chroot", "--timestamp", "0", "--label", label, "--platform", ",".join(platforms),
         "--manifest", tag, "--file", ROOT / "Containerfile", IMAGE),
        ("manifest", "push", "--quiet", "--all", tag, to),
        ("rmi", "--all", "--force"),
    )
    for step in steps:
        run(*buildah, *step, capture_output=True)
    print(f"target/image/layerfit.tar: {', '.join(platforms)}")


def image_root(path, top):
    """The root of the image as a tar, which keeps the permissions of /tmp."""
    with tarfile.open(path) as tar:
        content = {name: tar.extractfile(f"{top}/{name}").read() for name in ("layerfit", "LICENSE-APACHE", "LICENSE-MIT")}
    files = {"bin": (0o755, None), "tmp": (0o1777, None), "bin/layerfit": (0o755, content.pop("layerfit"))}
    files |= {f"licenses/{name}": (0o644, text) for name, text in content.items()} | {"licenses": (0o755, None)}
    packed = io.BytesIO()
    write_tar(packed, files)
    return packed.getvalue()


def notes(*_):
    """What the GitHub release says: the section of this version in the changelog."""
    version, tag = package()["version"], os.environ["GITHUB_REF_NAME"]
    repository = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    if tag != f"v{version}":
        stop(f"the tag is {tag}, and the version in Cargo.toml is {version}")
    if package()["repository"] != repository:
        stop(f"the repository is {repository}, and that in Cargo.toml is {package()['repository']}")
    readme = (ROOT / "README.md").read_text()
    if f"layerfit=={version}" not in readme or "OWNER" in readme:
        stop(f"README.md has another version than {version}, or OWNER instead of the owner")
    sections = re.split(r"^## (.*)\n", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    titled = dict(zip(sections[1::2], sections[2::2]))
    found = [text for title, text in titled.items() if title.split()[0] == version]
    if len(found) != 1:
        stop(f"CHANGELOG.md has {len(found)} sections `## {version}`")
    print(found[0].strip())


STEPS = {"wheel": wheel, "archive": archive, "sums": sums, "image": image, "notes": notes}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=ARCHITECTURES, default=platform.machine(), help="default: this machine's")
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    arguments = parser.parse_args()
    for step in arguments.steps:
        if step not in STEPS:
            parser.error(f"no step is called {step}")
    for step in arguments.steps or ("wheel", "archive", "sums"):
        STEPS[step](arguments.arch)


if __name__ == "__main__":
    main()
