#!/usr/bin/env python3
"""Verify what layerfit reports and bundles of the data that R packages open at run time, with packages of Debian's archive.

usage: data_work.py [--layerfit PROGRAM] [--keep DIR] [--only NAME]... TREE

TREE is a tree of scripts/demo-tree.sh with the packages that `data_work.py --packages` lists, and TREE.debs has their archives.
From these a build host is unpacked: a root directory with all of their files, and fonts, certificates and drivers as their
installation sets them up. Another root has only what Lambda's image has (scripts/image_root.py).

Each check is a function in R. It answers
 1. on the build host, with the tree at /opt: that is the right answer;
 2. in the image, from what `pack --handler` keeps: if something is reported that the check expects, the answer must differ, and if
    it differs, something must be reported; what is reported besides must be a need of R itself or of a library that the function
    loads;
 3. in the image, from what `pack --handler --bundle` writes, with the variables set that its findings name: the right answer,
    and no such finding is left.

Pictures are compared byte by byte; with --keep DIR they are written to DIR, so that they can be looked at.

Each check prints one line: "ok NAME: figures", "FAILED NAME: what" or "skipped NAME: why". Exit 0: none failed; 1: some failed;
2: wrong arguments; 77: skipped, because this machine does not allow user namespaces.
"""

import argparse
import base64
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import checks
from checks import Skipped, require, require_same, short

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300

# Codes of findings about data, and about libraries: what is missing at run time.
DATA = {"N101", "N102", "N103", "N104"}
LIBRARIES = {"L201", "L202", "L203"}

# Packages of the archive besides those of the demo, by the checks that need them.
PACKAGES = [
    "r-cran-sf", "r-cran-terra", "r-cran-ggplot2", "r-cran-ragg", "r-cran-svglite", "r-cran-lubridate", "r-cran-stringi",
    "r-cran-curl", "r-cran-openssl", "r-cran-rsqlite", "r-cran-rodbc", "libsqliteodbc", "r-cran-rjava", "r-cran-magick",
    "r-cran-hunspell", "r-cran-xml2", "fonts-dejavu-core", "shared-mime-info", "tzdata", "ca-certificates",
]  # fmt: skip

PICTURE = """
picture <- function(draw, device, extension) {
    file <- tempfile(fileext = extension)
    device(file)
    draw()
    grDevices::dev.off()
    bytes <- readBin(file, "raw", file.size(file))
    # Base64, in R alone.
    alphabet <- c(LETTERS, letters, 0:9, "+", "/")
    padded <- c(bytes, raw(-length(bytes) %% 3))
    bits <- matrix(as.integer(padded), nrow = 3)
    sextets <- rbind(bits[1, ] %/% 4, bits[1, ] %% 4 * 16 + bits[2, ] %/% 16, bits[2, ] %% 16 * 4 + bits[3, ] %/% 64, bits[3, ] %% 64)
    text <- alphabet[sextets + 1]
    pad <- -length(bytes) %% 3
    if (pad) text[length(text) - seq_len(pad) + 1] <- "="
    list(picture = paste(text, collapse = ""), extension = extension)
}
"""

# What R itself loads for functions that these may not call: png() with letters, and url() with https.
OF_R = ("libfontconfig", "lib/libcurl.so.4")

# The functions: what must be reported before (parts of a finding), what may be as well, because the function does not do all
# that its libraries can; the variables that it needs; and what remains to be reported although the function answers.
FUNCTIONS = {
    "sf_transforms": {
        "code": """
library(sf)
handler <- function() {
    point <- st_sfc(st_point(c(13.4, 52.5)), crs = 4326)
    round(as.numeric(st_coordinates(st_transform(point, 25833))), 2)
}""",
        "expects": ["PROJ's database"],
        "allows": ["lib/libgdal.so", "odbcinst.ini"],
    },
    "terra_projects": {
        "code": """
library(terra)
handler <- function() {
    raster <- rast(nrows = 4, ncols = 4, xmin = 13, xmax = 14, ymin = 52, ymax = 53, crs = "EPSG:4326", vals = 1:16)
    projected <- project(raster, "EPSG:25833")
    list(size = dim(projected), sum = round(sum(values(projected), na.rm = TRUE), 3), crs = crs(projected, describe = TRUE)$code)
}""",
        "expects": ["PROJ's database"],
        "allows": ["lib/libgdal.so", "odbcinst.ini"],
    },
    "ggplot2_draws_with_ragg": {
        "code": PICTURE + """
library(ggplot2)
handler <- function() {
    plot <- ggplot(mtcars, aes(wt, mpg)) + geom_point() + labs(title = "Letters in a picture", x = "Weight", y = "Miles")
    picture(function() print(plot), function(file) ragg::agg_png(file, 480, 320), ".png")
}""",
        "expects": ["opens fonts"],
    },
    "ggplot2_draws_with_svglite": {
        "code": PICTURE + """
library(ggplot2)
handler <- function() {
    plot <- ggplot(mtcars, aes(wt, mpg)) + geom_point() + labs(title = "Letters in a picture", x = "Weight", y = "Miles")
    picture(function() print(plot), function(file) svglite::svglite(file), ".svg")
}""",
        "expects": ["opens fonts"],
    },
    "base_r_draws_with_cairo": {
        "code": PICTURE + """
handler <- function() {
    draw <- function() plot(1:3, main = "Letters in a picture", xlab = "One", ylab = "Two")
    picture(draw, function(file) grDevices::png(file, 480, 320, type = "cairo"), ".png")
}""",
        "expects": ["opens fonts"],
    },
    "lubridate_in_berlin": {
        "code": """
library(lubridate)
handler <- function() {
    time <- ymd_hms("2024-07-01 12:34:56", tz = "UTC")
    list(berlin = format(with_tz(time, "Europe/Berlin"), "%Y-%m-%d %H:%M:%S %Z"),
         floor = format(floor_date(as.POSIXct(1719837296, origin = "1970-01-01"), "hour"), "%Y-%m-%d %H:%M %Z"))
}""",
        "env": {"TZ": "Europe/Berlin"},
        "before": {"TZ": None},
        "expects": ["TZ=:UTC"],
    },
    "stringi_transliterates": {
        "code": """
library(stringi)
handler <- function() {
    list(latin = stri_trans_general("K\\u00f6ln \\u041f\\u0440\\u0438\\u0432\\u0435\\u0442", "Any-Latin; Latin-ASCII"),
         sorted = stri_sort(c("z", "\\u00e4", "a"), locale = "de_DE"))
}""",
    },
    "r_reads_https": {
        "code": """
handler <- function(event) readLines(url(event$url, method = "libcurl"))""",
        "server": True,
        "expects": ["lib/libcurl.so.4"],
    },
    "curl_reads_https": {
        "code": """
library(curl)
handler <- function(event) {
    bundle <- Sys.getenv("CURL_CA_BUNDLE")
    handle <- if (nzchar(bundle)) new_handle(cainfo = bundle) else new_handle()
    rawToChar(curl_fetch_memory(event$url, handle)$content)
}""",
        "server": True,
        "expects": ["curl/libs/curl.so"],
        "left": ["curl/libs/curl.so"],
    },
    "openssl_hashes_and_reads_keys": {
        "code": """
library(openssl)
handler <- function() {
    key <- rsa_keygen(1024)
    message <- serialize("text", NULL)
    list(hash = paste(md4("text"), sha256("text")), verified = signature_verify(message, signature_create(message, sha256, key), sha256, key$pubkey))
}""",
        "expects": ["legacy.so"],
    },
    "rsqlite_queries": {
        "code": """
library(RSQLite)
handler <- function() {
    connection <- dbConnect(SQLite(), ":memory:")
    dbWriteTable(connection, "cars", mtcars)
    dbGetQuery(connection, "SELECT cyl, COUNT(*) AS n FROM cars GROUP BY cyl")
}""",
    },
    "rodbc_queries_by_the_name_of_a_driver": {
        "code": """
library(RODBC)
handler <- function() {
    connection <- odbcDriverConnect("Driver=SQLite3;Database=/tmp/test.sqlite")
    sqlQuery(connection, "CREATE TABLE t (n INTEGER)")
    sqlQuery(connection, "INSERT INTO t VALUES (42)")
    sqlQuery(connection, "SELECT n FROM t")$n[1]
}""",
        "expects": ["odbcinst.ini"],
    },
    "magick_writes_and_converts": {
        "code": """
library(magick)
handler <- function() {
    image <- image_border(image_blank(200, 60, "white"), "navy", "20x10")
    png <- image_write(image, format = "png")
    jpeg <- image_write(image_read(png), format = "jpeg")
    info <- image_info(image_read(jpeg))
    list(format = info$format, size = c(info$width, info$height),
         dark = sum(as.integer(image_data(image_read(png), "gray")) < 128))
}""",
        "expects": ["ImageMagick's coders"],
        "allows": ["ImageMagick", "mime.cache", "curl/libs/curl.so"],
        "left": ["curl/libs/curl.so"],
    },
    # A whole Java runtime is not copied, and would leave no room for R: that it is missing must be reported, and what is to be
    # done by hand must work.
    "rjava_starts_a_jvm": {
        "code": """
library(rJava)
handler <- function() {
    .jinit()
    .jcall("java/lang/Math", "I", "max", 3L, 4L)
}""",
        "env": {"R_JAVA_LD_LIBRARY_PATH": "/usr/lib/jvm/default-java/lib/server"},
        "expects": ["libjvm.so"],
        "by_hand": ("jvm", {"R_JAVA_LD_LIBRARY_PATH": "/opt/jvm/lib/server"}),
    },
    "hunspell_checks": {
        "code": """
library(hunspell)
handler <- function() list(right = hunspell_check(c("letters", "lettres")), suggested = hunspell_suggest("lettres")[[1]][1])""",
    },
    "tcltk_evaluates": {
        "code": """
library(tcltk)
handler <- function() tclvalue(tcl("expr", "6 * 7"))""",
        "expects": ["Tcl's scripts"],
    },
    "xml2_parses": {
        "code": """
library(xml2)
handler <- function() xml_text(xml_find_all(read_xml("<a><b>1</b><b>2</b></a>"), "//b"))""",
    },
    "iconv_converts": {
        "code": """
handler <- function() {
    text <- "K\\u00f6ln"
    list(latin1 = as.integer(charToRaw(iconv(text, "UTF-8", "latin1"))), utf16 = length(iconv(text, "UTF-8", "UTF-16LE", toRaw = TRUE)[[1]]))
}""",
    },
    # The C library of the image is this machine's, which modules for character sets have to match: the profile is captured.
    "iconv_converts_with_modules_of_glibc": {
        "code": """
handler <- function() {
    text <- "\\u0141\\u00f3d\\u017a"
    list(cp1250 = as.integer(charToRaw(iconv(text, "UTF-8", "CP1250"))),
         japanese = as.integer(charToRaw(iconv("\\u65e5\\u672c", "UTF-8", "EUC-JP"))))
}""",
        "expects": ["character set CP1250", "character set EUC-JP"],
        "captured": True,
    },
}


# --- roots --------------------------------------------------------------------------


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, **options)


def build_host(tree, image, root):
    """A root with every file of the packages of the tree, over a copy of the commands that the image has as well."""
    shutil.copytree(image, root, symlinks=True)
    debs = tree.with_name(f"{tree.name}.debs")
    stamp = tree.with_name(f"{tree.name}.stamp").read_text().splitlines()[1:]
    for line in stamp:
        name, version, architecture = line.split()
        deb = debs / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as files:
            done = run("tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", root, stdin=files.stdout)
        require(done.returncode == 0, f"{deb}: {done.stderr.decode()[-300:]}")
    # The C library is this machine's, with all of its modules for character sets.
    for modules in Path("/usr/lib").glob("*-linux-gnu/gconv"):
        shutil.copytree(modules, root / modules.relative_to("/"), dirs_exist_ok=True)
    # What the installation of packages generates.
    (root / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    drivers = sorted(root.glob("usr/lib/*-linux-gnu/odbc/libsqlite3odbc.so"))
    if drivers:
        driver = f"/{drivers[0].relative_to(root)}"
        (root / "etc/odbcinst.ini").write_text(f"[SQLite3]\nDescription=SQLite 3\nDriver={driver}\nSetup={driver}\n")
    return root


def with_certificate(root, certificate):
    """Adds an authority to the bundles of a root, as if it was one that everybody trusts."""
    for path in ("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt"):
        bundle = root / path
        if bundle.exists():
            bundle.write_text(bundle.read_text() + certificate)


def as_installed(tree, copy):
    """A copy of the demo's tree without what demo-tree.sh does about data: only what the packages have in it."""
    done = run("cp", "-al", tree, copy)
    require(done.returncode == 0, done.stderr.decode())
    for path in ("share/fonts", "lib/ossl-modules", *(str(p.relative_to(copy)) for p in copy.glob("share/tcl*"))):
        shutil.rmtree(copy / path, ignore_errors=True)
    renviron = copy / "R/lib/R/etc/Renviron"
    kept = [line for line in renviron.read_text().splitlines(True) if not re.match("TCL_LIBRARY|OPENSSL_MODULES|FONTCONFIG_FILE", line)]
    renviron.unlink()  # a hard link to that of the tree
    renviron.write_text("".join(kept))
    return copy


class Server:
    """An https server on loopback, with a certificate of an authority made for this run."""

    def __init__(self, temp):
        key, self.file = temp / "key.pem", temp / "certificate.pem"
        made = run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", self.file,
        )  # fmt: skip
        require(made.returncode == 0, made.stderr.decode())
        self.certificate = self.file.read_text()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"verified\n"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


# --- the checks -----------------------------------------------------------------------


class Bench:
    def __init__(self, layerfit, tree, temp, keep):
        self.layerfit, self.temp, self.keep = layerfit, temp, keep
        profile = ROOT / "rules/runtimes/provided.al2023.toml"
        self.image = temp / "image"
        made = run(sys.executable, ROOT / "scripts/image_root.py", profile, self.image)
        require(made.returncode == 0, made.stderr.decode())
        self.host = build_host(tree, self.image, temp / "host")
        self.server = Server(temp)
        with_certificate(self.image, self.server.certificate)
        with_certificate(self.host, self.server.certificate)
        self.tree = as_installed(tree, tree.with_name(f"{tree.name}.as-installed"))
        self.captured = temp / "captured.toml"
        made = run(self.layerfit, "runtime", "capture", "--sysroot", self.image, "captured", cwd=temp)
        require(made.returncode == 0, made.stderr.decode())

    def close(self):
        shutil.rmtree(self.tree)

    def code(self, name, text):
        code = self.temp / f"code-{name}"
        code.mkdir()
        (code / "main.R").write_text(text, encoding="utf-8")
        done = run(self.layerfit, "init", "--bootstrap", code)
        require_same(done.returncode, 0, "exit code of init --bootstrap")
        code.chmod(0o755)
        return code

    def invoke(self, layers, code, root, variables, event, profile=()):
        command = [self.layerfit, "invoke", layers, "--handler", "main.handler", "--code", code, "--rootfs", root]
        command += ["--memory", "1024", "--timeout", "60", "--event", event, *profile]
        for name, value in variables.items():
            command += ["--env", f"{name}={value}"]
        done = run(*command, stdin=subprocess.DEVNULL, timeout=PATIENCE)
        log = done.stderr.decode("utf-8", "replace")
        value = json.loads(done.stdout.decode().splitlines()[0]) if done.returncode in (0, 1) and done.stdout else None
        return done.returncode, value, log

    def pack(self, code, out, variables, more=(), tree=None):
        command = [self.layerfit, "pack", tree or self.tree, "-o", out, "--format", "json", "--strip", "none", "--level", "fast"]
        command += ["--handler", code / "main.R", "--handler", code / "runtime.R", "--select", "unloaded-libraries", *more]
        for name, value in variables.items():
            command += ["--env", f"{name}={value}"]
        done = run(*command)
        require(done.returncode in (0, 1), f"pack: exit {done.returncode}: {done.stderr.decode()[-600:]}")
        return json.loads(done.stdout)

    def function(self, name, function):
        code = self.code(name, function["code"])
        event = self.temp / f"{name}.json"
        event.write_text(json.dumps({"url": self.server.url} if function.get("server") else {}))
        wanted = function.get("env", {})
        status, right, log = self.invoke(self.tree, code, self.host, wanted, event)
        require_same(status, 0, f"exit code on the build host (the log: {log[-1500:]})")
        if self.keep and isinstance(right, dict) and "picture" in right:
            self.write(f"{name}-host", right)

        # As it is.
        before = self.temp / f"before-{name}"
        variables = {key: value for key, value in {**wanted, **function.get("before", {})}.items() if value is not None}
        profile = ["--runtime", self.captured if function.get("captured") else "provided.al2023"]
        report = self.pack(code, before, variables, profile)
        found = findings(report, DATA | LIBRARIES)
        status, answer, log = self.invoke(before, code, self.image, variables, event, profile)
        differs = status != 0 or answer != right
        expected, allowed = function.get("expects", ()), (*OF_R, *function.get("allows", ()))
        for part in expected:
            require(any(part in finding for finding in found), f"{part} is not among what is reported: {found}")
        others = [finding for finding in found if not any(part in finding for part in (*expected, *allowed))]
        require(not others, f"this is reported as well: {others}")
        require(differs or not expected, f"it answers the same in the image, but this is reported: {found}")
        require(expected or not differs, f"nothing is expected, but the answer in the image is {short(answer)} ({found}; the log: {log[-1500:]})")

        if "by_hand" in function:
            return self.by_hand(name, code, right, *function["by_hand"])

        # Mended.
        after = self.temp / f"after-{name}"
        bundle = [*profile, "--bundle", "--sysroot", self.host]
        report = self.pack(code, after, wanted, bundle)
        named = to_set(report)
        variables = {**wanted, **named}
        if named:
            report = self.pack(code, after, variables, bundle)
        left = findings(report, DATA | LIBRARIES)
        status, answer, log = self.invoke(after, code, self.image, variables, event, profile)
        if self.keep and isinstance(answer, dict) and "picture" in answer:
            self.write(f"{name}-image", answer)
        require_same(status, 0, f"exit code with what is bundled, and {variables} (left: {left}; the log: {log[-1500:]})")
        require_same(answer, right, f"the answer with what is bundled, and {variables} (left: {left})")
        remaining = function.get("left", ())
        require(all(any(part in finding for part in remaining) for finding in left), f"it answers, but this is still reported: {left}")
        data = [bundled for bundled in report["bundled"] if not re.search(r"\.so(\.|$)", bundled["path"])]
        figures = f"{len(report['bundled'])} files bundled, {sum(b['bytes'] for b in data):,} bytes of data"
        set_ = f", {' '.join(sorted(named))} set" if named else ""
        before = f"; before: {', '.join(expected)}" if expected else "; nothing was missing"
        return f"{figures}{set_}{before}"

    def by_hand(self, name, code, right, directory, variables):
        """The function with a small Java runtime in this directory of the tree, made as the finding describes."""
        jlink = shutil.which("jlink", path=os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/jvm").glob("*/bin"))]))
        if not jlink:
            return "reported; not mended, as this machine has no jlink"
        tree, layers, event = self.temp / f"tree-{name}", self.temp / f"after-{name}", self.temp / f"{name}.json"
        done = run("cp", "-a", self.tree, tree)
        require(done.returncode == 0, done.stderr.decode())
        options = ["--add-modules", "java.base", "--strip-debug", "--no-man-pages", "--no-header-files"]
        done = run(jlink, *options, "--output", tree / directory)
        require(done.returncode == 0, (done.stdout + done.stderr).decode())
        report = self.pack(code, layers, variables, ["--runtime", "provided.al2023"], tree)
        left = [finding for finding in findings(report, DATA | LIBRARIES) if not any(part in finding for part in OF_R)]
        status, answer, log = self.invoke(layers, code, self.image, variables, event)
        require_same(status, 0, f"exit code with what was put there by hand (left: {left}; the log: {log[-1500:]})")
        require_same(answer, right, "the answer with what was put there by hand")
        require(not left, f"it answers, but this is still reported: {left}")
        size = sum(path.stat().st_size for path in (tree / directory).rglob("*") if path.is_file())
        shutil.rmtree(tree)
        return f"reported; the right answer with {directory}/ by jlink ({size:,} bytes) and {' '.join(variables)} set"

    def write(self, name, answer):
        self.keep.mkdir(parents=True, exist_ok=True)
        (self.keep / f"{name}{answer['extension']}").write_bytes(base64.b64decode(answer["picture"]))


def findings(report, codes):
    return [f"{f['code']} {f['subject']}: {f['message']}" for f in report["findings"] if f["code"] in codes and f["severity"] != "off"]


def to_set(report):
    """The variables that findings say are to be set."""
    named = {}
    for finding in report["findings"]:
        named.update(finding.get("env", {}))
    return named


def check_of(name, function):
    def check(bench):
        return bench.function(name, function)

    check.__name__ = name
    return check


def main():
    all_checks = [check_of(name, function) for name, function in FUNCTIONS.items()]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layerfit", type=Path, default=ROOT / "target/release/layerfit", metavar="PROGRAM")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write pictures to this directory")
    parser.add_argument("--packages", action="store_true", help="print the packages that the tree must have")
    checks.add_arguments(parser, all_checks)
    parser.add_argument("tree", type=Path, nargs="?", help="a tree of demo-tree.sh with these packages")
    arguments = parser.parse_args()
    if arguments.packages:
        print(" ".join(PACKAGES))
        return 0
    if not arguments.tree or not (arguments.tree / "R/bin/Rscript").exists():
        parser.error(f"{arguments.tree} does not contain R/bin/Rscript")
    space = ["unshare", "--user", "--map-user=993", "--map-group=990", "--keep-caps", "--mount", "--pid", "--fork", "true"]
    if subprocess.run(space, stderr=subprocess.DEVNULL).returncode:
        print("skipped: layerfit invoke needs user namespaces, which are not allowed here", file=sys.stderr)
        return checks.MISSING
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="data-work-", dir=arguments.tree.resolve().parent) as temp:
        os.chmod(temp, 0o755)
        bench = Bench(arguments.layerfit.resolve(), arguments.tree.resolve(), Path(temp), arguments.keep)
        try:
            return checks.run(all_checks, arguments.only, bench)
        finally:
            bench.close()


if __name__ == "__main__":
    sys.exit(main())
