#!/bin/bash
# needs.sh [browser|python|functions|bench|dist|cross|image|mutants|fuzz]: installs what `make demo` and `make test` need besides Rust,
# and what the named targets need in addition. If it cannot, it prints the command that would, and exits with 2.
set -euo pipefail

# command:package
wanted=(cc:gcc ld:binutils python3:python3 zip:zip unzip:unzip unshare:util-linux flock:util-linux dpkg-deb:dpkg
    groff:groff-base script:bsdutils)

command -v cargo >/dev/null || { echo "needs: cargo is missing; install Rust: https://rustup.rs" >&2; exit 2; }

missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
# The tests compile programs and link them with libc.
echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null || missing+=(gcc libc6-dev)
if [ "${1-}" = browser ]; then
    command -v chromium google-chrome google-chrome-stable >/dev/null || missing+=(chromium)
    command -v chromedriver >/dev/null || missing+=(chromium-driver)
    # The package is for the system's Python; another Python may come first in PATH.
    /usr/bin/python3 -c 'import selenium' 2>/dev/null || missing+=(python3-selenium)
fi
# The scripts create virtual environments for packages from PyPI.
case "${1-}" in
    python | functions | dist | cross)
        python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
        command -v git >/dev/null || missing+=(git)
        ;;
esac
if [ "${1-}" = functions ]; then
    command -v strace >/dev/null || missing+=(strace)
    # Functions in JavaScript are run with it.
    command -v node >/dev/null || missing+=(nodejs)
    # The sandbox of `layerfit invoke` is compared with its own.
    command -v bwrap >/dev/null || missing+=(bubblewrap)
    # They make the container images that are read.
    for program in skopeo umoci; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
fi
# 7-Zip is called 7zz in newer packages, and 7z in the older p7zip.
if [ "${1-}" = bench ] && ! command -v 7zz 7z >/dev/null; then
    missing+=("$(apt-cache show 7zip 2>/dev/null | grep -q . && echo 7zip || echo p7zip-full)")
fi
if [ "${1-}" = dist ] || [ "${1-}" = cross ]; then
    command -v rustup >/dev/null || { echo "needs: rustup is missing; it installs Rust's musl target: https://rustup.rs" >&2; exit 2; }
fi
if [ "${1-}" = dist ]; then
    command -v musl-gcc >/dev/null || missing+=(musl-tools)
fi
# zig is the compiler for another architecture; its program prints its own completions and manual pages.
if [ "${1-}" = cross ]; then
    command -v qemu-aarch64-static >/dev/null || missing+=(qemu-user-static)
fi
if [ "${1-}" = image ]; then
    command -v buildah >/dev/null || missing+=(buildah)
fi
# Cargo subcommands from crates.io, which do not need root.
case "${1-}" in
    mutants) command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants ;;
    fuzz) command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz ;;
esac
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "needs: install these first: sudo apt-get install ${missing[*]}" >&2
    exit 2
fi
