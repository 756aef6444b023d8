#!/bin/bash
# r-works.sh [--root DIR] TREE [CHECK.R [FILE...]]: verify that the R in TREE works at /opt.
# r-works.sh [--root DIR] --task TASK TREE: run the function in TASK as Lambda would.
#
# In its own mount namespace, TREE is bound read-only over /opt, a private directory
# over /tmp, and R runs CHECK.R (by default r-works.R beside this script) in the
# environment of an AWS Lambda function. The host is not changed.
# CHECK.R finds copies of the FILEs in /tmp, with their names.
# R_LIBS, if set, is passed on, as a function can have such a variable.
# With --root, R sees only DIR (created by image_root.py), TREE and /tmp: nothing of
# the host's file system except two devices and /proc.
# With --task, TASK is bound to /var/task, and its bootstrap runs, or else TREE's;
# _HANDLER, AWS_LAMBDA_RUNTIME_API and LANG are passed on.
#
# Exit 0: R works; 1: it does not; 2: wrong arguments; 77: skipped, because this
# machine allows neither mounts as root nor user namespaces. With --task, the exit
# code of the bootstrap.
set -euo pipefail

die() { printf 'r-works: %s\n' "$2" >&2; exit "$1"; }

if [ "${1-}" != --inside ]; then
    image=
    if [ "${1-}" = --root ] && [ $# -gt 1 ]; then
        image=$(realpath -- "$2") || exit 2
        shift 2
        for path in opt tmp dev proc; do [ -d "$image/$path" ] || die 2 "$image does not contain $path"; done
    fi
    task=
    if [ "${1-}" = --task ] && [ $# -eq 3 ]; then
        task=$(realpath -- "$2") || exit 2
        shift 2
    fi
    if [ $# -lt 1 ]; then die 2 "usage: r-works.sh [--root DIR] [--task TASK] TREE [CHECK.R [FILE...]]"; fi
    here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
    tree=$(realpath -- "$1") || exit 2
    check=${2:-$here/r-works.R} files=("${@:3}")
    [ -e "$tree/R/bin/Rscript" ] || die 2 "$1 does not contain R/bin/Rscript"
    for file in "$check" "${files[@]}"; do [ -f "$file" ] || die 2 "no such file: $file"; done

    space=(unshare --mount)
    [ "$(id -u)" = 0 ] || space=(unshare --user --map-root-user --mount)
    "${space[@]}" true 2>/dev/null ||
        die 77 "skipped: '${space[*]}' is not allowed here; run this as root or allow user namespaces"

    # Lambda's /tmp: private, writable, and without an .Rprofile.
    tmp=$(mktemp -d)
    trap 'rm -rf -- "$tmp"' EXIT
    mkdir "$tmp/tmp" "$tmp/root"
    [ ${#files[@]} = 0 ] || cp -- "${files[@]}" "$tmp/tmp/"
    cp -- "$check" "$tmp/tmp/check.R"
    status=0
    "${space[@]}" bash -- "${BASH_SOURCE[0]}" --inside "$tree" "$tmp" "$image" "$task" || status=$?
    [ -z "$task" ] || exit "$status"
    case $status in
        0 | 1 | 77) exit "$status" ;;
        *) die 1 "R did not run to its end (exit $status)" ;;
    esac
fi

# --- inside the namespace, where mounts are private ---------------------------
tree=$2 tmp=$3 image=$4 task=$5
cannot() { die 77 "skipped: $1"; }

# In a user namespace, flags such as nosuid of a mount from outside are locked:
# dropping them while making it read-only is refused, so they are set again.
read_only() {
    local kept=
    mount -o remount,bind,ro "$1" 2>/dev/null && return
    kept=$(findmnt -n -o VFS-OPTIONS --mountpoint "$1" | tail -n 1 | tr , '\n' |
        grep -xE 'nosuid|nodev|noexec|noatime|nodiratime|relatime' | paste -sd , || true)
    mount -o "remount,bind,ro${kept:+,$kept}" "$1"
}

root=
if [ -n "$image" ]; then
    root=$tmp/root
    mount --bind -- "$image" "$root" || cannot "cannot bind $image"
    read_only "$root" || cannot "cannot make $image read-only"
    # R's scripts write to the first, packages read random bytes from the second.
    mount -t tmpfs -o mode=755 tmpfs "$root/dev" || cannot "cannot mount a tmpfs"
    for path in /dev/null /dev/urandom; do
        : >"$root$path"
        mount --bind -- "$path" "$root$path" || cannot "cannot bind $path"
    done
    # In a user namespace, the host's may have to be bound instead.
    mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc" 2>/dev/null ||
        printf 'r-works: R runs without /proc, which cannot be mounted here\n' >&2
elif [ ! -d /opt ]; then
    # There is no /opt to bind to, and the host must not be changed: assemble a root
    # directory that has one from the host's directories.
    root=$tmp/root
    mount -t tmpfs tmpfs "$root" || cannot "cannot mount a tmpfs"
    for path in /*; do
        if [ -L "$path" ]; then
            cp -P -- "$path" "$root/"
        elif [ -d "$path" ]; then
            mkdir -- "$root$path"
            mount --rbind -- "$path" "$root$path" || cannot "cannot bind $path"
        fi
    done
    mkdir "$root/opt"
    [ -d "$root/tmp" ] || mkdir "$root/tmp"
fi
mount --bind -- "$tree" "$root/opt" || cannot "cannot bind $tree over /opt"
read_only "$root/opt" || cannot "cannot make /opt read-only"
if [ -n "$task" ]; then
    # Through /tmp, as $task may be in a directory that is hidden next.
    mkdir "$tmp/tmp/task"
    mount --bind -- "$task" "$tmp/tmp/task" || cannot "cannot bind $task"
fi
mount --rbind -- "$tmp/tmp" "$root/tmp" || cannot "cannot bind a private /tmp"

# The host's own R must not be used by accident. (An image has none.)
for path in /usr/lib/R /usr/lib64/R /usr/share/R /etc/R /usr/local/lib/R /var/lib/R; do
    if [ -d "$root$path" ]; then
        mount -t tmpfs tmpfs "$root$path" || cannot "cannot hide the host's $path"
    fi
done

lambda=(
    PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin
    LD_LIBRARY_PATH=/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib
    LANG=C.UTF-8 TZ=UTC HOME=/tmp TMPDIR=/tmp
    ${R_LIBS:+"R_LIBS=$R_LIBS"})
program=(/opt/R/bin/Rscript /tmp/check.R) place=/tmp
if [ -n "$task" ]; then
    # An image has /var/task; the host does not, and R needs nothing of its /var.
    if [ -z "$image" ]; then
        mount -t tmpfs tmpfs "$root/var" || cannot "cannot hide the host's /var"
        mkdir "$root/var/task"
    fi
    mount --bind -- "$root/tmp/task" "$root/var/task" || cannot "cannot bind $task over /var/task"
    read_only "$root/var/task" || cannot "cannot make /var/task read-only"
    program=(/var/task/bootstrap) place=/var/task
    [ -e "$root/var/task/bootstrap" ] || program=(/opt/bootstrap)
    lambda+=(LAMBDA_TASK_ROOT=/var/task "_HANDLER=${_HANDLER-}"
        "AWS_LAMBDA_RUNTIME_API=${AWS_LAMBDA_RUNTIME_API-}" "LANG=${LANG:-C.UTF-8}")
fi
# shellcheck disable=SC2016 # $1 and what follows are the inner shell's
within='cd "$1" && shift && exec "$@"'
if [ -n "$image" ]; then
    # Even the first program in there needs LD_LIBRARY_PATH.
    exec env -i "${lambda[@]}" "$(type -P chroot)" "$root" \
        /bin/sh -c "$within" sh "$place" "${program[@]}" </dev/null
fi
run=(env -i "${lambda[@]}" "${program[@]}")
if [ -n "$root" ]; then
    exec chroot "$root" bash -c "$within" bash "$place" "${run[@]}" </dev/null
fi
cd "$place"
exec "${run[@]}" </dev/null
