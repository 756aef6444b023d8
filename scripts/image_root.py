#!/usr/bin/env python3
"""Create a root directory with only what a Lambda image has.

The libraries, commands and data that the runtime profile PROFILE.toml (one of rules/runtimes) lists are copied from this
machine, if it has them, to the new directory DEST; r-works.sh --root DEST runs R in it. A program that starts there has found
every library in the image or in /opt. This proves nothing about versions: the files are those of this machine's
distribution, not Amazon's.

The loader of Debian or Ubuntu searches /lib/x86_64-linux-gnu and the like by default, where DEST has nothing: programs
in DEST find libraries only with LD_LIBRARY_PATH=/lib64:/usr/lib64, which Lambda always sets.

Prints how much was copied, then what was not, and why. Exit 0: DEST was created; 2: it could not be.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

MULTIARCH = f"{platform.machine()}-linux-gnu"
DIRECTORIES = [f"/lib/{MULTIARCH}", f"/usr/lib/{MULTIARCH}", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
COMMANDS = "/usr/bin:/bin"
# The loader's path, which is fixed for each architecture.
INTERPRETERS = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]

# glibc's converters in the image: those of its main package, as listed in the file that the profile names. The others are
# in a package that the image does not have.
CONVERTERS = ["ANSI_X3.110", "CP1252", "ISO8859-1", "ISO8859-15", "UNICODE", "UTF-16", "UTF-32", "UTF-7"]

# Where Debian has what the image has elsewhere.
CA_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt"]
ELSEWHERE = [
    ("/usr/share/terminfo", "/lib/terminfo"),
    ("/usr/share/misc", "/usr/lib/file"),
    ("/etc/pki/tls", "/etc/ssl"),
    ("/etc/pki/java", "/etc/ssl/certs/java"),
]

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "group": "root:x:0:\nnobody:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def die(why):
    print(f"image_root: {why}", file=sys.stderr)
    sys.exit(2)


def strings(profile, key):
    """A list of strings in the profile. Python has a TOML parser only since 3.11, so this is a small one."""
    found = re.search(rf'^{key}\s*=\s*\[((?:\s*"[^"]*"\s*,?)*)\s*\]', profile, re.MULTILINE)
    return re.findall(r'"([^"]*)"', found.group(1)) if found else []


# --- this machine's files -----------------------------------------------------


def first_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read(128)
    except OSError:
        return b""


def machine(path):
    """The class, byte order and machine of an ELF file; None if it is not one."""
    head = first_bytes(path)
    return head[4:6] + head[18:20] if head[:4] == b"\x7fELF" else None


THIS_MACHINE = machine("/proc/self/exe")


def loader_cache():
    """Where the loader finds libraries outside the usual directories."""
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if not ldconfig:
        return {}
    lines = subprocess.run([ldconfig, "-p"], stdout=subprocess.PIPE, encoding="utf-8", errors="surrogateescape").stdout
    found = {}
    for name, path in re.findall(r"^\s+(\S+) \(.*\) => (.+)$", lines, re.MULTILINE):
        found.setdefault(name, []).append(path)
    return found


def library(name, cache):
    for path in [f"{directory}/{name}" for directory in DIRECTORIES] + cache.get(name, []):
        if machine(path) == THIS_MACHINE:
            return path
    return None


def script_program(path):
    """The interpreter of a script; None if env has to search for it, as for perl and the like."""
    words = re.match(rb"#!\s*([^\s]+)", first_bytes(path))
    return os.fsdecode(words.group(1)) if words and not words.group(1).endswith(b"/env") else None


# --- the root -----------------------------------------------------------------


class Root:
    def __init__(self, dest, interpreter):
        self.dest = dest
        self.interpreter = interpreter
        for name in ("usr/bin", "usr/lib", "usr/lib64", "etc", "tmp", "opt", "proc", "dev", "var/task"):
            (dest / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            (dest / name).symlink_to(f"usr/{name}")
        (dest / "tmp").chmod(0o1777)
        for name, text in ETC.items():
            (dest / "etc" / name).write_text(text)
        self.copy(interpreter, interpreter)

    def has(self, path):
        return (self.dest / path.lstrip("/")).exists()

    def copy(self, source, path):
        dest = self.dest / path.lstrip("/")
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, dest)  # follows links, keeps the mode

    def lacks(self, source):
        """The libraries that a file needs but the root does not have, according to the loader itself."""
        command = [self.interpreter, "--inhibit-cache", "--library-path", "usr/lib64", "--list", str(source)]
        done = subprocess.run(command, cwd=self.dest, env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        needed = re.findall(r"^\s*(\S+) => (\S+)", os.fsdecode(done.stdout), re.MULTILINE)
        return sorted(name for name, path in needed if not path.startswith("usr/lib64/"))


def add_libraries(root, names):
    """Copies libraries; returns those that this machine lacks, and what each of those left out would need."""
    cache = loader_cache()
    found = {name: library(name, cache) for name in names}
    present = {name for name in names if found[name]}
    for name in present:
        root.copy(found[name], f"/usr/lib64/{name}")
    # A library here may need more than Amazon's does: Debian's libcurl needs libldap, which the image does not have.
    # Without it the library cannot be loaded, so it is left out, and so are the libraries that need it.
    out = {}
    while True:
        useless = {name: root.lacks(root.dest / "usr/lib64" / name) for name in present - set(out)}
        useless = {name: lacks for name, lacks in useless.items() if lacks}
        if not useless:
            return sorted(set(names) - present), out
        for name in useless:
            (root.dest / "usr/lib64" / name).unlink()
        out.update(useless)


def add_commands(root, names):
    """Copies commands; returns those that this machine lacks, and what each of those left out would need."""
    found = {name: shutil.which(name, path=COMMANDS) for name in names}
    present = [name for name in names if found[name]]
    out = {}
    for name in present:
        if machine(found[name]) != THIS_MACHINE:
            continue
        lacks = root.lacks(found[name])
        if lacks:
            out[name] = lacks
        else:
            root.copy(found[name], f"/usr/bin/{name}")
    if root.has("/usr/bin/bash") and "sh" in names:
        # Amazon Linux's sh is bash; Debian's is dash.
        (root.dest / "usr/bin/sh").unlink(missing_ok=True)
        (root.dest / "usr/bin/sh").symlink_to("bash")
    for name in present:
        if name in out or root.has(f"/usr/bin/{name}"):
            continue
        program = script_program(found[name])
        if program and root.has(program):
            root.copy(found[name], f"/usr/bin/{name}")
        else:
            out[name] = [program or "another interpreter"]
    return [name for name in names if not found[name] and not root.has(f"/usr/bin/{name}")], out


def add_files_of_glibc(root):
    """Copies glibc's data files to the paths that this machine's glibc has compiled in."""
    for gconv in (f"/usr/lib/{MULTIARCH}/gconv", "/usr/lib64/gconv", "/usr/lib/gconv"):
        for name in ["gconv-modules", *(f"{converter}.so" for converter in CONVERTERS)]:
            if os.path.exists(f"{gconv}/{name}"):
                root.copy(f"{gconv}/{name}", f"{gconv}/{name}")
    for locale in ("/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"):
        if os.path.isdir(locale):
            shutil.copytree(locale, root.dest / locale.lstrip("/"))
            # The image has this one too; what differs from C.UTF-8 in it matters to none of the tests.
            if not root.has("/usr/lib/locale/en_US.utf8"):
                shutil.copytree(locale, root.dest / "usr/lib/locale/en_US.utf8")


def add_data(root, profile):
    """Copies the other files that the profile lists; returns those of which this machine has no equivalent."""
    found = {}
    for path in strings(profile, "ca_bundle"):
        found[path] = next((bundle for bundle in (path, *CA_BUNDLES) if os.path.isfile(bundle)), None)
    for key in ("terminfo", "magic", "configuration", "fonts"):
        for path in strings(profile, key):
            elsewhere = [directory + path.removeprefix(prefix) for prefix, directory in ELSEWHERE if path.startswith(prefix)]
            found[path] = next((file for file in (path, *elsewhere) if os.path.isfile(file)), None)
    for path, file in found.items():
        if file and not root.has(path):
            root.copy(file, path)
    for zoneinfo in strings(profile, "zoneinfo"):
        if os.path.isdir(zoneinfo) and not root.has(zoneinfo):
            shutil.copytree(zoneinfo, root.dest / zoneinfo.lstrip("/"), symlinks=True)
        found[zoneinfo] = os.path.isdir(zoneinfo)
    return sorted(path for path, file in found.items() if not file and not root.has(path))


def listed(title, names):
    if names:
        print(f"image_root: {title}: {' '.join(names)}")


def needing(out):
    return [f"{name} ({out[name][0]})" for name in sorted(out)]


def main():
    if len(sys.argv) != 3:
        die("usage: image_root.py PROFILE.toml DEST")
    source, dest = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
    try:
        profile = source.read_text("utf-8")
    except OSError as error:
        die(error)
    sonames, commands = strings(profile, "sonames"), strings(profile, "names")
    if not sonames or not commands:
        die(f"{source} lists no libraries or no commands")
    interpreter = next((path for path in INTERPRETERS if machine(path) == THIS_MACHINE), None)
    if not THIS_MACHINE or not interpreter:
        die(f"this machine has none of {' and '.join(INTERPRETERS)}")
    if dest.exists():
        die(f"{dest} exists; name a new directory")

    os.umask(0o022)
    try:
        root = Root(dest, interpreter)
        lacking, useless = add_libraries(root, sonames)
        no_commands, unusable = add_commands(root, commands)
        add_files_of_glibc(root)
        no_data = add_data(root, profile)
    except OSError as error:
        die(error)
    libraries = len(sonames) - len(lacking) - len(useless)
    programs = len(commands) - len(no_commands) - len(unusable)
    print(f"image_root: {libraries} of {len(sonames)} libraries and {programs} of {len(commands)} commands copied")
    listed("libraries that this machine lacks", lacking)
    listed("libraries left out, as this machine's need more", needing(useless))
    listed("commands left out, as this machine's need more", needing(unusable))
    listed("data that this machine lacks", no_data)


if __name__ == "__main__":
    main()
