#!/bin/bash
# demo-tree.sh DEST [PACKAGE...]: build a real R tree, laid out like a Lambda /opt, from
# the Debian or Ubuntu archive that this machine already uses.
#
# Nothing is installed and root is not needed: apt works on private state, the
# packages are only downloaded (apt checks their signatures) and unpacked. If DEST
# is complete, nothing is done; remove DEST to rebuild it.
#
#   DEST         the tree for /opt: R/, local/, lib/, share/
#   PACKAGE      further packages of the archive: r-cran-vegan
#   JAVA=1       in the environment: with the Java virtual machine that they need
#   DEST.stamp   "complete" and the package versions in it
#   DEST.debs    the downloaded packages and apt's lists, kept for the next build
#   DEST.new     scratch, removed at the end
#
# Needs apt-get, dpkg, coreutils, findutils, sed, flock. Exit 0: the tree is
# complete; 2: it could not be built.
set -euo pipefail
export LC_ALL=C
umask 022

wanted=(r-base-core r-recommended r-cran-httr "${@:2}")

say() { printf 'demo-tree: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

[ -n "${1-}" ] || die "usage: demo-tree.sh DEST [PACKAGE...]"
for tool in apt-get dpkg dpkg-deb flock; do
    command -v "$tool" >/dev/null || die "$tool is missing; run this on Debian or Ubuntu"
done
mkdir -p -- "$(dirname -- "$1")" 2>/dev/null || die "cannot create the directory of $1"
dest=$(realpath -m -- "$1")
# apt's configuration cannot quote these.
case $dest in *[[:space:]\"\;]*) die "DEST must not contain spaces, quotes or semicolons" ;; esac
new=$dest.new debs=$dest.debs stamp=$dest.stamp

# An edited script, or other packages, may build a different tree, so the stamp has a checksum of both.
self=$({ cat -- "${BASH_SOURCE[0]}"; printf '%s\n' "${wanted[@]}"; } | sha256sum)
self=${self%% *}
complete() {
    [ -d "$dest" ] && [ -f "$stamp" ] && [ "$(head -n 1 -- "$stamp")" = "complete $self" ]
}
done_already() { say "$dest is already complete (remove it to rebuild it)"; exit 0; }
complete && done_already

# Only replace what an earlier run of this script has made.
if [ ! -f "$stamp" ]; then
    rmdir -- "$dest" 2>/dev/null || true
    for path in "$dest" "$new"; do
        [ ! -e "$path" ] || die "$path exists, and this script did not create it; name another DEST"
    done
fi

state=$debs/apt
mkdir -p "$debs/partial" "$state/lists/partial" "$state/dpkg" 2>/dev/null || die "cannot write to $debs"
exec 9<"$debs"
flock 9                 # a second run waits here ...
if complete; then done_already; fi # ... and finds the work done

echo incomplete >"$stamp"
rm -rf -- "$new" # from a run that was killed
trap 'rm -rf -- "$new"' EXIT
root=$new/root opt=$new/opt
mkdir -p "$root" "$opt"

# --- which packages -----------------------------------------------------------
# Sources, keyrings, pins and proxies are the system's (/etc/apt); lists, cache
# and dpkg status are ours. The status is empty, so the closure is complete whatever
# the machine has installed. A file given with -c is read after /etc/apt/apt.conf.d
# and, unlike -o, can clear hooks that would touch the system's own cache.
: >"$state/dpkg/status"
cat >"$state/conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Post-Invoke-Stats;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architectures { "$(dpkg --print-architecture)"; };
// apt's own user may not have access to this directory
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Acquire::Retries "2";
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$state/dpkg/status";
Dir::Cache "$state";
Dir::Cache::pkgcache "$state/pkgcache.bin";
Dir::Cache::srcpkgcache "$state/srcpkgcache.bin";
Dir::Cache::archives "$debs";
Dir::Log "$state";
CONF

log=$state/log
: >"$log"
apt() { apt-get -c "$state/conf" -q -y "$@" 2>>"$log" 9<&-; }
give_up() {
    local why='' kind
    for kind in '[EW]: Failed to fetch' 'E:' 'W:'; do
        [ -n "$why" ] || why=$(grep -a -m 1 "^$kind" "$log" | tr -s '[:space:]' ' ' || true)
    done
    die "$1 (${why:-no reason given}); check the network and the sources in /etc/apt" \
        "(Ubuntu needs 'universe'), then run this again"
}

say "reading the package lists"
apt update >/dev/null || give_up "cannot read the package archive"
apt -s install "${wanted[@]}" >"$new/plan" || give_up "the archive does not have ${wanted[*]}"
# "Inst NAME (VERSION ARCHIVE [ARCH])" -> "NAME VERSION ARCH"
sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([a-z0-9-]*\)\]).*/\1 \2 \3/p' "$new/plan" |
    sort >"$new/packages"
[ -s "$new/packages" ] || give_up "apt named no packages"

say "downloading $(wc -l <"$new/packages") packages, except those downloaded before"
apt --download-only install "${wanted[@]}" >/dev/null || give_up "the download failed"

# --- unpack -------------------------------------------------------------------
say "unpacking"
while read -r name version arch; do
    # glibc and its loader must be the host's: the loader's path is fixed in every
    # program, and it only works with its own glibc. Nothing is compiled in the tree.
    case $name in libc6 | libc6-* | libc-bin | libc-dev-bin | libc-l10n | *-dev) continue ;; esac
    deb=$debs/${name}_${version//:/%3a}_$arch.deb # apt encodes an epoch's colon
    [ -f "$deb" ] || die "apt did not download $deb"
    dpkg-deb -x "$deb" "$root" ||
        die "cannot unpack ${deb##*/}; remove it and run this again"
done <"$new/packages"

# --- R's home: R/lib/R --------------------------------------------------------
say "laying out $dest"
touch "$new/begun" # anything newer is created below
home=$root/usr/lib/R
share=$root/usr/share/R
for path in "$home/bin/exec/R" "$home/bin/R" "$share/share"; do
    [ -e "$path" ] || die "r-base-core does not contain ${path#"$root"}"
done

# Debian keeps R's configuration in /etc/R and its licence elsewhere, with links
# that would lead out of the tree: these are replaced by the files themselves.
for top in "$home" "$share"; do
    while IFS= read -r link; do
        target=$(readlink "$link")
        case $target in
            /*) file=$root$target ;;
            *) file=$(realpath -m "$(dirname "$link")/$target") ;;
        esac
        case $target:$file in /*:*) ;; *:"$top"/*) continue ;; esac # stays inside
        # created at installation, from a template beside the link
        [ -e "$file" ] || file=$home/etc/${target##*/}.ucf
        # base-files is not in the closure, but R has its own copies of the licences
        [ -e "$file" ] || file=$share/share/licenses/${target##*/}
        if [ ! -e "$file" ]; then
            # What a package's sources are compiled with is in packages for development, which are left out above.
            case $link in */site-library/*) rm "$link" && say "left out: a link ${link#"$root"} to $target" && continue ;; esac
            die "$link leads to $target, which no package contains"
        fi
        rm "$link"
        cp -RL --preserve=mode,timestamps "$file" "$link"
    done < <(find "$top" -type l | sort)
done
rm -f "$home"/etc/*.ucf

for part in doc include share; do # links or absent, depending on the release
    rm -rf "${home:?}/$part"
    mv "$share/$part" "$home/$part"
done

mkdir -p "$opt/R/lib" "$opt/R/bin" "$opt/local/lib/R/site-library" "$opt/lib" "$opt/share"
for library in "$home/site-library" "$share/library" "$share/site-library"; do
    [ -d "$library" ] || continue
    find "$library" -mindepth 1 -maxdepth 1 -exec mv -t "$opt/local/lib/R/site-library" {} +
    rmdir "$library"
done
mv "$home" "$opt/R/lib/R"
home=$opt/R/lib/R

# The paths R was configured with, in its scripts and settings.
while IFS= read -r file; do
    sed -i -e 's#/usr/lib/R\b#/opt/R/lib/R#g' -e 's#/usr/share/R\b#/opt/R/lib/R#g' \
        -e 's#/etc/R\b#/opt/R/lib/R/etc#g' "$file"
done < <(grep -rIlE '/usr/(lib|share)/R\b|/etc/R\b' "$home/bin" "$home/etc" | sort)
# bin/R finds lib64 itself. Rscript, a binary, has /usr/lib/R compiled in but reads
# RHOME, so RHOME is exported for everything that R starts, such as parallel's workers.
# shellcheck disable=SC2016 # ${libnn} is the script's own
sed -i -e 's#/usr/${libnn#/opt/R/${libnn#g' \
    -e '0,/^R_HOME_DIR=/s##RHOME=/opt/R/lib/R\nexport RHOME\n&#' "$home/bin/R"
# The R home's libraries, then the tree's.
sed -i -e 's#/usr/lib/[a-z0-9_]*-linux-gnu[a-z0-9]*#/opt/lib#g' "$home/etc/ldpaths"
# Java, if it is asked for with JAVA=1 and the closure has it: what its configuration in /etc is linked from becomes a file. Links to what no package contains
# (the certificates that its installation makes, sources, documentation) are removed.
java='' in_java=''
for jvm in "$root"/usr/lib/jvm/java-*-openjdk-*; do
    [ -n "${JAVA:-}" ] || break
    [ -x "$jvm/bin/java" ] && [ ! -L "$jvm" ] || continue
    while IFS= read -r link; do
        target=$(readlink "$link")
        case $target in
            /*) file=$root$target ;;
            *) file=$(realpath -m "$(dirname "$link")/$target") ;;
        esac
        case $target:$file in /*:*) ;; *:"$jvm"/*) continue ;; esac # stays inside
        rm "$link"
        [ ! -e "$file" ] || cp -RL --preserve=mode,timestamps "$file" "$link"
    done < <(find "$jvm" -type l | sort)
    mkdir -p "$opt/lib/jvm"
    mv "$jvm" "$opt/lib/jvm/"
    # shellcheck disable=SC2016 # ${JAVA_HOME} is the script's own
    java=/opt/lib/jvm/${jvm##*/} in_java='${JAVA_HOME}/lib/server'
done
# shellcheck disable=SC2016
sed -i -e "s#^: \${JAVA_HOME=.*#: \${JAVA_HOME=$java}#" \
    -e "s#^: \${R_JAVA_LD_LIBRARY_PATH=.*#: \${R_JAVA_LD_LIBRARY_PATH=$in_java}#" "$home/etc/ldpaths"
# Packages are only in the tree; Renviron.site would add the system's libraries.
sed -i '/^R_LIBS_SITE=/d' "$home/etc/Renviron" "$home/etc/Renviron.site"
renviron() { printf "%s=\${%s:-'%s'}\n" "$1" "$1" "$2" >>"$home/etc/Renviron"; }
printf '\n## Paths in this tree\n' >>"$home/etc/Renviron"
renviron R_LIBS_SITE /opt/local/lib/R/site-library

# Lambda's images have no `which`. Sys.which() runs it, and utils calls that when it is loaded (layerfit rules C103).
[ -f "$home/etc/Rprofile.site" ] || : >"$home/etc/Rprofile.site"
cat >>"$home/etc/Rprofile.site" <<'RPROFILE'

## Without `which`, search PATH in R
if (!file.exists("/usr/bin/which")) local({
    base <- baseenv()
    unlockBinding("Sys.which", base)
    assign("Sys.which", function(names) {
        dirs <- strsplit(Sys.getenv("PATH"), ":", fixed = TRUE)[[1L]]
        vapply(as.character(names), function(name) {
            paths <- if (grepl("/", name, fixed = TRUE)) name else file.path(dirs, name)
            c(paths[file.access(paths, 1L) == 0L & !dir.exists(paths)], "")[1L]
        }, "")
    }, envir = base)
    lockBinding("Sys.which", base)
})
RPROFILE

ln -s ../lib/R/bin/R "$opt/R/bin/R"
cat >"$opt/R/bin/Rscript" <<'RSCRIPT'
#!/bin/sh
# Rscript has a different home compiled in, but reads this variable.
RHOME=/opt/R/lib/R
export RHOME
exec /opt/R/lib/R/bin/Rscript "$@"
RSCRIPT
chmod 755 "$opt/R/bin/Rscript"

# --- shared libraries: lib ----------------------------------------------------
# All libraries of the closure except glibc. A few are needed only by other programs
# of the closure (dpkg, ucf, xdg-utils, zip), not by R: some 3 MB of 87. They are kept,
# as trees made by hand have such libraries too, and finding them is layerfit's job.
# Most of X11 is needed even without a display: grDevices' cairo.so, which draws
# png() and svg() in memory, is linked with it; so are tcltk and modules/R_X11.so.
# Only directories that the loader itself searches are copied, and blas and lapack,
# to which update-alternatives would have linked.
for dir in "$root"/{,usr/}lib{,/*-linux-gnu*{,/blas,/lapack}}; do
    [ -d "$dir" ] || continue
    # libR.so is a link into R's home, which bin/R searches.
    find "$dir" -maxdepth 1 \( -type f -o -type l \) -name 'lib*.so*' ! -name libR.so \
        -exec cp -P --preserve=mode,timestamps -t "$opt/lib" {} +
done
# Some are links to a directory of their package, such as libpmix's.
while IFS= read -r link; do
    for dir in "$root"/{,usr/}lib{,/*-linux-gnu*}; do
        if [ -f "$dir/${link##*/}" ]; then
            cp -L --remove-destination --preserve=mode,timestamps "$dir/${link##*/}" "$link"
            continue 2
        fi
    done
    rm "$link" && say "left out: ${link##*/}, a link to what no package contains"
done < <(find "$opt/lib" -maxdepth 1 -xtype l | sort)
for name in libblas.so.3 liblapack.so.3; do
    [ -e "$opt/lib/$name" ] || die "no package of the closure contains $name"
done

# --- files that libraries look for at compiled-in paths -----------------------
# library(tcltk) starts an interpreter, which reads Tcl's startup script. Tk's
# scripts are left out: they are only read with a display.
for dir in "$root"/usr/share/tcltk/tcl[0-9]*; do
    [ -f "$dir/init.tcl" ] || continue
    mv "$dir" "$opt/share/"
    renviron TCL_LIBRARY "/opt/share/${dir##*/}"
done
# R's openssl package makes OpenSSL load its module of legacy ciphers.
for dir in "$root"/usr/lib/*-linux-gnu*/ossl-modules; do
    [ -d "$dir" ] || continue
    mv "$dir" "$opt/lib/"
    renviron OPENSSL_MODULES /opt/lib/ossl-modules
done
# Without any font, png() and svg() draw boxes instead of letters; the host may have none.
if [ -d "$root/usr/share/fonts/truetype" ]; then
    mkdir "$opt/share/fonts"
    mv "$root/usr/share/fonts/truetype" "$opt/share/fonts/"
    cat >"$opt/share/fonts/fonts.conf" <<'FONTS'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/opt/share/fonts</dir>
  <cachedir>/tmp/fontconfig</cachedir>
  <alias><family>Helvetica</family><prefer><family>DejaVu Sans</family></prefer></alias>
</fontconfig>
FONTS
    renviron FONTCONFIG_FILE /opt/share/fonts/fonts.conf
fi

# --- check the result ---------------------------------------------------------
while IFS= read -r link; do
    case $(readlink "$link") in /*) die "${link#"$opt"} is an absolute link" ;; esac
    [ -e "$link" ] || die "${link#"$opt"} leads nowhere"
    case $(realpath "$link") in "$opt"/*) ;; *) die "${link#"$opt"} leads out of the tree" ;; esac
done < <(find "$opt" -type l | sort)
# Configuration and startup scripts must not refer to the system's R or libraries.
if grep -HnE '/usr/(local/)?(lib|share)/|/etc/R\b' \
    "$home/bin/R" "$home/etc/ldpaths" "$home/etc/Renviron" "$home/etc/Renviron.site" |
    grep -v ':[0-9]*: *#' >&2; then
    die "these lines still have paths outside /opt"
fi
for line in 'R_HOME_DIR=/opt/R/lib/R' 'R_SHARE_DIR=/opt/R/lib/R/share' \
    'R_INCLUDE_DIR=/opt/R/lib/R/include' 'R_DOC_DIR=/opt/R/lib/R/doc' \
    'RHOME=/opt/R/lib/R'; do
    grep -qx "$line" "$home/bin/R" || die "R's start script lacks $line"
done

# The same archive yields the same tree: modes follow one rule, and files created
# here get the date of R itself.
chmod -R u=rwX,go=rX "$opt"
find "$opt" -newer "$new/begun" -exec touch -h -r "$home/bin/exec/R" {} +

rm -rf -- "$dest"
mv -- "$opt" "$dest"
{
    echo "complete $self"
    cat "$new/packages"
} >"$new/stamp"
mv -- "$new/stamp" "$stamp"
say "$dest is ready: $(du -sm -- "$dest" | cut -f 1) MiB," \
    "$(find "$dest" -type f | wc -l) files and $(find "$dest" -type l | wc -l) links"
