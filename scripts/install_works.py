#!/usr/bin/env python3
"""Install what `make dist` and `make image` made as README says, each in an environment that has nothing else, and run it there.

The archive is downloaded from a local server; it and the image are unpacked into a root directory of their own, with a small tree
and no other file. The wheel is installed by pip, uv and pre-commit (from PyPI). Each installation is timed. Nothing is mounted,
and root is not needed; user namespaces are. The SBOM is validated with cyclonedx-python-lib, from PyPI.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 2: wrong arguments; 77: something is missing and cannot be installed.
"""

import argparse
import contextlib
import functools
import http.server
import json
import os
import platform
import re
import shutil
import ssl
import struct
import subprocess
import sys
import tarfile
import threading
import time
import venv
from pathlib import Path

import checks
import dist
import pypi
from checks import Skipped, require, require_in, require_same

PACKAGES = ("uv==0.13.8", "pre-commit==4.7.0", "cyclonedx-python-lib[json-validation]==11.12.0")
README = dist.ROOT / "README.md"
HOME = dist.ROOT / "target/install-works"
# The time limit of a command, in seconds.
PATIENCE = 300
# The architecture of what is run.
ARCH = platform.machine()


def run(*command, code=0, **more):
    """What a command prints; its environment is empty unless `env` is given."""
    more.setdefault("env", {})
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, **more)
    require_same(done.returncode, code, f"{' '.join(words[:4])}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def tree(directory):
    """A tree that passes `layerfit check`, but not if its data were larger than a layer."""
    (directory / "lib").mkdir(parents=True)
    (directory / "lib/data").write_text("one\n" * 1000)
    return directory


def works(layerfit, opt, **more):
    """The program prints its version, plans, packs and checks; `layerfit` is what comes before its arguments."""
    version = run(*layerfit, "--version", **more)
    require_same(version, f"layerfit {dist.package()['version']}\n", "the version")
    require_in("PASS", run(*layerfit, "plan", opt, **more), "plan")
    run(*layerfit, "pack", opt, "-o", f"{opt}.layers", **more)
    require_in("PASS", run(*layerfit, "check", f"{opt}.layers", **more), "check")


def inside(root, program):
    """What runs a program in a root directory: as its root, who is the user outside."""
    return ("/usr/bin/unshare", "--user", "--map-root-user", f"--root={root}", "--wd=/", program)


def archive():
    path = dist.DIST / f"{dist.archive_name(ARCH)}.tar.gz"
    require(path.exists(), f"{path} does not exist: make dist")
    return path


def block(language, begins):
    """The code block of README that begins with this line."""
    (found,) = re.findall(rf"^```{language}\n({re.escape(begins)}.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    return found


@contextlib.contextmanager
def served(directory, tls=None):
    """A server on the loopback interface with the files of a directory; by HTTPS if an SSL context is given."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
    # cargo-binstall asks whether a file is there by beginning to download it.
    server.handle_error = lambda *_: None
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def seconds(since):
    return f"{time.perf_counter() - since:.1f} s"


# --- the checks -----------------------------------------------------------------


def checksums_match(_):
    """sha256sum accepts SHA256SUMS, which lists every file."""
    said = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist.DIST, env={"PATH": os.environ["PATH"]})
    listed = {line.split(":")[0] for line in said.splitlines()}
    require_same(listed | {"SHA256SUMS"}, {path.name for path in dist.DIST.iterdir()}, "the files")
    return f"{len(listed)} files"


def the_archive_is_complete(temp):
    """It has the files that README promises, and the shells and groff read them."""
    with tarfile.open(archive()) as tar:
        members = {member.name.split("/", 1)[1]: member for member in tar}
        require(all(member.mtime == member.uid == member.gid == 0 for member in members.values()), "dates or owners")
        require_same(sorted(members), list(members), "the order")
        tar.extractall(temp, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    top = temp / dist.archive_name(ARCH)
    for name in (*dist.TEXTS, "layerfit", "layerfit.cyclonedx.json", "man/layerfit.1", "man/layerfit-pack.1"):
        require(name in members, f"no {name}")
    path = {"PATH": os.environ["PATH"]}
    sections = run("readelf", "--wide", "--sections", "--program-headers", top / "layerfit", env=path)
    for word, what in (("INTERP", "static"), (".symtab", "stripped")):
        require(word not in sections, f"the program is not {what}")
    completed = run("bash", "-c", f". {top}/completions/layerfit.bash; complete -p layerfit", env=path)
    require_in("layerfit", completed, "bash's completions")
    for shell, name in (("zsh", "_layerfit"), ("fish", "layerfit.fish")):
        require((top / "completions" / name).stat().st_size > 1000, f"{shell}'s completions")
        if shutil.which(shell):
            run(shell, "-n", top / "completions" / name, env=path)
    require_same(run("groff", "-man", "-ww", "-z", "-Tutf8", top / "man/layerfit.1", env=path), "", "groff")
    return f"{len(members)} files"


def the_sbom_lists_every_crate(_):
    """The SBOM is valid CycloneDX, and has exactly the crates that cargo compiles into the program."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with tarfile.open(archive()) as tar:
        text = tar.extractfile(f"{dist.archive_name(ARCH)}/layerfit.cyclonedx.json").read().decode()
    require(str(dist.ROOT) not in text, "it has the path of the build directory")
    sbom = json.loads(text)
    wrong = JsonStrictValidator(SchemaVersion.from_version(sbom["specVersion"])).validate_str(text)
    require(wrong is None, f"not CycloneDX: {wrong}")
    listed = {f"{component['name']} v{component['version']}" for component in sbom["components"]}
    command = ("cargo", "tree", "--locked", "--features", "shared-cache", "--edges", "normal", "--prefix", "none")
    lines = run(*command, "--target", dist.target(ARCH), "--format", "{p}", cwd=dist.ROOT, env=os.environ).splitlines()
    compiled = {" ".join(line.split()[:2]) for line in lines if line} - {f"layerfit v{dist.package()['version']}"}
    require(compiled <= listed, f"crates that it lacks: {sorted(compiled - listed)}")
    unlicensed = [component["name"] for component in sbom["components"] if not component.get("licenses")]
    require_same(unlicensed, [], "crates without a licence")
    return f"CycloneDX {sbom['specVersion']}, {len(listed)} crates, {len(compiled)} of them in the program"


def the_archive_runs_with_nothing(temp):
    """README's commands install the archive, and its program runs in a root directory with only a tree and a /tmp beside it."""
    with served(dist.DIST) as url:
        commands = re.sub(r"^FILES=.*", f"FILES={url}", block("sh", "VERSION="), flags=re.MULTILINE)
        since = time.perf_counter()
        run("bash", "-euo", "pipefail", "-c", commands, cwd=temp, env={"PATH": os.environ["PATH"]})
        took = seconds(since)
    root = temp / dist.archive_name(ARCH)
    (root / "tmp").mkdir()
    tree(root / "opt")
    works(inside(root, "/layerfit"), "/opt")
    return f"installed in {took}; no library, no shell, no /proc"


def binstall_finds_the_archive(temp):
    """The URL and the path that Cargo.toml has for cargo-binstall are those of the archive and of the program in it."""
    package = dist.package()
    known = {"repo": package["repository"], "name": "layerfit", "version": package["version"], "bin": "layerfit"}
    known["target"] = dist.target(ARCH)
    url, program = (
        re.sub(r"\{ (\S+) \}", lambda match: known[match[1]], package["metadata"]["binstall"][key])
        for key in ("pkg-url", "bin-dir")
    )
    # As .github/workflows/release.yml names the release.
    require_same(url, f"{package['repository']}/releases/download/v{package['version']}/{archive().name}", "pkg-url")
    with tarfile.open(archive()) as tar:
        require(program in tar.getnames(), f"bin-dir: the archive has no {program}")
    return url.rsplit("/", 1)[1]


def binstall_needs_no_compiler(temp):
    """cargo-binstall installs the archive by what Cargo.toml says, from a server in GitHub's place, with a PATH that has no cargo."""
    binstall = shutil.which("cargo-binstall")
    if not binstall:
        raise Skipped("no cargo-binstall: cargo install --locked cargo-binstall")
    release = temp / f"releases/download/v{dist.package()['version']}"
    release.mkdir(parents=True)
    shutil.copy(archive(), release)
    # cargo-binstall takes nothing by HTTP.
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=local"
    command += " -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    run(*command.split(), "-keyout", temp / "key.pem", "-out", temp / "cert.pem", env={"PATH": os.environ["PATH"]})
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(temp / "cert.pem", temp / "key.pem")
    (temp / "bin").mkdir()
    with served(temp, tls) as url:
        manifest = (dist.ROOT / "Cargo.toml").read_text()
        repository = f'repository = "{dist.package()["repository"]}"'
        require_in(repository, manifest, "Cargo.toml")
        (temp / "Cargo.toml").write_text(manifest.replace(repository, f'repository = "{url}"'))
        (temp / "src").mkdir()
        (temp / "src/main.rs").touch()
        command = (binstall, "layerfit", "--manifest-path", temp / "Cargo.toml", "--no-confirm", "--disable-telemetry")
        command += ("--strategies", "crate-meta-data", "--root-certificates", temp / "cert.pem", "--root", temp)
        since = time.perf_counter()
        run(*command, env={"PATH": str(temp / "bin"), "HOME": str(temp)})
        took = seconds(since)
    works((temp / "bin/layerfit",), tree(temp / "opt"), env={})
    return f"installed in {took}"


def pip_needs_no_compiler(temp):
    """pip installs the wheel into a new environment, with a PATH that has nothing else."""
    tree(temp / "opt")
    since = time.perf_counter()
    venv.create(temp / "venv", with_pip=True)
    made, since = seconds(since), time.perf_counter()
    alone = {"PATH": str(temp / "venv/bin"), "HOME": str(temp)}
    command = (temp / "venv/bin/python", "-m", "pip", "install", "--no-index", "--find-links", dist.DIST, "layerfit")
    run(*command, env=alone)
    took = seconds(since)
    works((temp / "venv/bin/layerfit",), temp / "opt", env=alone)
    return f"installed in {took}, after {made} for the environment"


def uvx_needs_no_compiler(temp):
    """uvx runs the wheel, with a PATH that has nothing else."""
    tree(temp / "opt")
    alone = {"PATH": str(HOME / "bin"), "HOME": str(temp), "UV_CACHE_DIR": str(temp / "cache"), "UV_OFFLINE": "1"}
    uvx = (HOME / "bin/uvx", "--no-index", "--find-links", dist.DIST, "--python", sys.executable, "layerfit")
    since = time.perf_counter()
    run(*uvx, "--version", env=alone)
    took = seconds(since)
    works(uvx, temp / "opt", env=alone)
    return f"the first run takes {took}"


def pre_commit_needs_no_compiler(temp):
    """README's hook installs the wheel, and passes and fails as it should."""
    (temp / ".pre-commit-config.yaml").write_text(f"repos:\n{block('yaml', '- repo: local')}")
    alone = {"PATH": f"{HOME / 'bin'}:/usr/bin:/bin", "HOME": str(temp), "PIP_FIND_LINKS": str(dist.DIST)}
    run("git", "init", "-q", cwd=temp, env=alone)
    run("git", "add", ".pre-commit-config.yaml", cwd=temp, env=alone)
    tree(temp / "layers")
    since = time.perf_counter()
    run(HOME / "bin/pre-commit", "run", "--all-files", cwd=temp, env=alone)
    took = seconds(since)
    (temp / "layers/bootstrap").write_text("#!/bin/sh\n")
    require_in("C105", run(HOME / "bin/pre-commit", "run", "--all-files", cwd=temp, env=alone, code=1), "a tree that fails")
    return f"the first run takes {took}"


def the_image_runs(temp):
    """The image has a platform for each archive, and its program runs in its root, also for a user who is not root there."""
    packed = dist.IMAGE / "layerfit.tar"
    if not packed.exists():
        raise Skipped("no image: make image")
    with tarfile.open(packed) as tar:
        def blob(digest):
            return tar.extractfile(f"blobs/{digest.replace(':', '/')}")

        index = json.load(tar.extractfile("index.json"))["manifests"][0]
        manifests = json.load(blob(index["digest"]))["manifests"]
        ours = {manifest["platform"]["architecture"]: manifest["digest"] for manifest in manifests}
        archives = {name for arch, name in dist.ARCHITECTURES.items() if (dist.DIST / f"{dist.archive_name(arch)}.tar.gz").exists()}
        require_same(set(ours), archives, "the platforms")
        for name, digest in ours.items():
            manifest = json.load(blob(digest))
            config = json.load(blob(manifest["config"]["digest"]))
            require_same(config["architecture"], name, "the architecture")
            require_same(config["config"]["Entrypoint"], ["/bin/layerfit"], "the entry point")
            root = temp / name
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=blob(layer["digest"])) as content:
                    content.extractall(root)
            # e_machine of the program's header: EM_X86_64, EM_AARCH64.
            machine = struct.unpack_from("<H", (root / "bin/layerfit").read_bytes(), 18)[0]
            require_same(machine, {"amd64": 62, "arm64": 183}[name], f"the machine of {name}")
            require_same((root / "tmp").stat().st_mode & 0o7777, 0o1777, "the mode of /tmp")
    root = temp / dist.ARCHITECTURES[ARCH]
    directory = config["config"]["WorkingDir"]
    tree(root / directory.lstrip("/") / "opt")
    works(inside(root, config["config"]["Entrypoint"][0]), f"{directory}/opt")
    return f"{', '.join(sorted(ours))}; {packed.stat().st_size / 2**20:.1f} MiB"


CHECKS = (
    checksums_match,
    the_archive_is_complete,
    the_sbom_lists_every_crate,
    the_archive_runs_with_nothing,
    binstall_finds_the_archive,
    binstall_needs_no_compiler,
    pip_needs_no_compiler,
    uvx_needs_no_compiler,
    pre_commit_needs_no_compiler,
    the_image_runs,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    pypi.enter("install-works", PACKAGES)
    return checks.run_apart(CHECKS, arguments.only, lambda temp: temp)


if __name__ == "__main__":
    sys.exit(main())
