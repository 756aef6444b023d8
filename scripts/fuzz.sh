#!/bin/bash
# fuzz.sh [MINUTES [TARGET...]]: fuzz the parsers of untrusted files, by default all of them for 30 minutes each, one per
# processor at a time, seeded with real files.
#
# A crash, a hang of 10 seconds, or use of more than 512 MB ends a target with an error, and the input stays in
# fuzz/artifacts: turn it into a test. Needs cargo-fuzz (cargo install cargo-fuzz). The stable compiler is enough:
# RUSTC_BOOTSTRAP makes it accept the flags that fuzzing needs.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-30}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(elf description runtime rules shell rdx r_source zips report)
command -v cargo-fuzz >/dev/null || { echo "fuzz: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 2; }
export RUSTC_BOOTSTRAP=1

# --- seeds --------------------------------------------------------------------
seed() { mkdir -p "fuzz/corpus/$1"; cp -- "$2" "fuzz/corpus/$1/$(sha1sum <"$2" | cut -c 1-16)"; }
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
# Small ELF files of every kind that the loader distinguishes.
echo 'int used(void); int weak(void) __attribute__((weak)); int f(void) { return used() + (weak ? weak() : 0); }' >"$work/a.c"
echo 'extern int f(void); int main(void) { return f(); }' >"$work/b.c"
printf 'V1 { global: used; local: *; };\n' >"$work/map"
echo 'int used(void) { return 1; }' >"$work/u.c"
cc -shared -fPIC -nostdlib -Wl,--version-script="$work/map" -Wl,-soname,libu.so.1 -o "$work/libu.so" "$work/u.c"
cc -shared -fPIC -nostdlib -Wl,-soname,liba.so.1 -o "$work/liba.so" "$work/a.c" "$work/libu.so"
cc -shared -fPIC -nostdlib -Wl,--hash-style=sysv -Wl,--disable-new-dtags -Wl,-rpath,'$ORIGIN/../lib' \
    -o "$work/libs.so" "$work/a.c" "$work/libu.so"
cc -o "$work/program" "$work/b.c" "$work/a.c" "$work/u.c" -Wl,-rpath,'$ORIGIN'
cc -static -nostdlib -Wl,-e,f -o "$work/static" "$work/u.c" "$work/a.c"
cc -c -o "$work/object.o" "$work/a.c"
for file in "$work"/*.so "$work/program" "$work/static" "$work/object.o"; do
    strip -o "$work/stripped" "$file"
    seed elf "$file"
    seed elf "$work/stripped"
done
find target/demo/opt -name DESCRIPTION -size -16k 2>/dev/null | sort | while IFS= read -r file; do
    seed description "$file"
done
printf 'Package: a\nVersion: 1.0-2\nEncoding: latin1\nAuthor: M\374ller\nDepends: R (>= 3.5), b (> 1)\n' >"$work/d"
seed description "$work/d"
for file in rules/runtimes/*.toml; do seed runtime "$file"; done
for file in rules/prune/*.toml; do seed rules "$file"; done
for file in scripts/*.sh .ci/run; do seed shell "$file"; done
find target/demo/opt -name R -type f -size -64k 2>/dev/null | sort | while IFS= read -r file; do seed shell "$file"; done
find target/demo/opt -name '*.rdx' -size -2k 2>/dev/null | sort | head -n 20 | while IFS= read -r file; do
    seed rdx "$file"
    gzip -dc <"$file" >"$work/index"
    seed rdx "$work/index"
done
# Zips with everything that zip can write: links, zip64, encryption, another method, sizes after the content.
mkdir "$work/layer" "$work/layer/lib" "$work/layer/empty"
cp -- "$work/libu.so" "$work/layer/lib/libu.so.1"
ln -s libu.so.1 "$work/layer/lib/libu.so"
printf '#!/bin/sh\nexit\n' >"$work/layer/bootstrap"
chmod 755 "$work/layer/bootstrap"
for options in '' '-y' '-0' '-fz -y' '-P secret' '-Z bzip2' '-fd' '-X -D'; do
    rm -f -- "$work/layer.zip"
    # shellcheck disable=SC2086 # some are two words
    (cd "$work/layer" && zip -q -r $options "$work/layer.zip" .)
    seed zips "$work/layer.zip"
done
(cd "$work/layer" && zip -q -r - . | cat >"$work/piped.zip")
seed zips "$work/piped.zip"
# R sources, each prefixed with the letter of its kind.
source_seed() { { printf %s "$1"; cat -- "$2"; } >"$work/source"; seed r_source "$work/source"; }
find target/demo/opt -size -16k \( -name '*.R' -o -name '*.Rmd' -o -name '*.Rnw' \) 2>/dev/null | sort |
    while IFS= read -r file; do
        case $file in
            *.Rmd) source_seed m "$file" ;;
            *.Rnw) source_seed w "$file" ;;
            *) source_seed s "$file" ;;
        esac
    done
printf 'ps <- c("aa", paste0("b", "b"))\nfor (p in ps) if (!require(p, character.only = TRUE)) stop()\naa::f(x)\n' >"$work/s"
source_seed s "$work/s"
printf 'box::use(./m[f], aa)\ntry(lapply(ps, \\(p) library(p)), TRUE)\neval(parse(text = "source(\047x.R\047)"))\n' >"$work/s"
source_seed s "$work/s"
printf -- '---\noutput: aa::f\np: !r bb::g\n---\n```{r x, eval=FALSE}\n#| a: b\ncc::f\n```\n`r dd::f`\n' >"$work/s"
source_seed m "$work/s"
printf 'Imports: aa,\n  bb (>= 1)\n' >"$work/s"
source_seed d "$work/s"
printf '{"Packages": {"aa": {"Package": "aa"}}}\n' >"$work/s"
source_seed l "$work/s"
# Names of a report, one on each line.
printf 'lib/a.so\n ::error::x\n##[error]\n\033[31m\n\xe2\x80\xaegpj\n<b>|`\n' >"$work/s"
seed report "$work/s"

# --- run ----------------------------------------------------------------------
cargo fuzz build --release --sanitizer none
run() {
    local dictionary=()
    [ ! -f "fuzz/$1.dict" ] || dictionary=("-dict=fuzz/$1.dict")
    if cargo fuzz run --release --sanitizer none "$1" -- -max_total_time=$((minutes * 60)) -timeout=10 \
        -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 "${dictionary[@]}" >"fuzz/artifacts/$1.log" 2>&1; then
        echo "ok fuzz $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz/artifacts/$1.log") inputs in" \
            "$minutes minutes, $(sed -n 's/^stat::peak_rss_mb: *//p' "fuzz/artifacts/$1.log") MB peak memory"
    else
        echo "FAILED fuzz $1: $(grep -aE 'ERROR|panicked|Test unit written' "fuzz/artifacts/$1.log" | head -n 3 | tr '\n' ' ')"
        return 1
    fi
}
mkdir -p fuzz/artifacts
export -f run
export minutes
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
