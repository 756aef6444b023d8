#!/bin/bash
# r-works.sh [--root DIR] TREE [CHECK.R [FILE...]]: prove that the R in TREE works when seen at /opt.
# r-works.sh [--root DIR] --task TASK TREE: run the function in TASK as Lambda would.
#
# In a mount namespace of its own, TREE is bound read-only over /opt, a private
# directory over /tmp, and R runs CHECK.R (r-works.R beside this script, if none is
# named) in the environment of an AWS Lambda function. The host is not changed.
# CHECK.R finds copies of the FILEs in /tmp, under the names that they have.
# R_LIBS, if set, is handed on: a function can be given a variable too.
# With --root, DIR (made by image_root.py) is all that R sees besides TREE and /tmp:
# nothing of the host's file system is there, but for two devices and /proc.
# With --task, TASK is seen at /var/task, and its bootstrap runs, or else TREE's;
# _HANDLER, AWS_LAMBDA_RUNTIME_API and LANG are handed on.
#
# Exit 0: R works; 1: it does not; 2: wrong call; 77: not tried, because this
# machine allows neither root's mounts nor a user namespace. With --task, what the
# bootstrap exits with.
set -euo pipefail

die() { printf 'r-works: %s\n' "$2" >&2; exit "$1"; }

if [ "${1-}" != --inside ]; then
    image=
    if [ "${1-}" = --root ] && [ $# -gt 1 ]; then
        image=$(realpath -- "$2") || exit 2
        shift 2
        for path in opt tmp dev proc; do [ -d "$image/$path" ] || die 2 "$image holds no $path"; done
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
    [ -e "$tree/R/bin/Rscript" ] || die 2 "$1 holds no R/bin/Rscript"
    for file in "$check" "${files[@]}"; do [ -f "$file" ] || die 2 "there is no $file"; done

    space=(unshare --mount)
    [ "$(id -u)" = 0 ] || space=(unshare --user --map-root-user --mount)
    "${space[@]}" true 2>/dev/null ||
        die 77 "skipped: '${space[*]}' is not allowed here; run this as root or allow user namespaces"

    # Lambda's /tmp: private, writable, and with no .Rprofile of anyone's in it.
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

# --- inside the namespace, where mounts are seen by nobody else ---------------
tree=$2 tmp=$3 image=$4 task=$5
cannot() { die 77 "skipped: $1"; }

# A mount made by someone else keeps its nosuid and the like in a user namespace:
# dropping them while making it read-only is refused, so name them again.
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
    # In a user namespace only a copy of the host's can be had.
    mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc" 2>/dev/null ||
        printf 'r-works: R runs without /proc, which cannot be mounted here\n' >&2
elif [ ! -d /opt ]; then
    # No place to bind to, and none to be made on the host: put together a root
    # directory which has one, of the host's own directories.
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
    # By way of /tmp, as $task may be in what is hidden next.
    mkdir "$tmp/tmp/task"
    mount --bind -- "$task" "$tmp/tmp/task" || cannot "cannot bind $task"
fi
mount --rbind -- "$tmp/tmp" "$root/tmp" || cannot "cannot bind a private /tmp"

# An R of the host's own must not lend a hand. (An image has none.)
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
    # An image has the directory, the host has not, and nothing in its /var is R's.
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
