# Run by r-works.sh: load every installed package, then check numbers, regular
# expressions, compression, plotting and a few packages. For R 3.6 and later; needs
# no network or display; writes only to the temporary directory. Prints one line and
# exits with 0, or prints a line for each failure and exits with 1.

failures <- character()
passed <- 0L

note <- function(...) cat("note: ", ..., "\n", sep = "", file = stderr())

fail <- function(what, why) {
    why <- gsub("[[:space:]]+", " ", trimws(why))
    failures <<- c(failures, paste0(what, ": ", why))
}

# `expr` must be TRUE.
check <- function(what, expr) {
    result <- tryCatch(suppressWarnings(expr), error = conditionMessage)
    if (isTRUE(result)) passed <<- passed + 1L
    else fail(what, if (is.character(result)) result[1] else "wrong result")
}

near <- function(a, b, tolerance = 1e-12)
    length(a) == length(b) && all(is.finite(a)) && max(abs(a - b)) < tolerance

# --- packages ---------------------------------------------------------------

# Not installed.packages(), which skips packages with a broken description.
# "translations" cannot be loaded: it only has message catalogues.
is_package <- function(dir)
    file.exists(file.path(dir, "DESCRIPTION")) ||
        file.exists(file.path(dir, "Meta", "package.rds"))
dirs <- list.dirs(.libPaths(), recursive = FALSE)
packages <- setdiff(unique(basename(dirs[vapply(dirs, is_package, NA)])), "translations")
# R built without Tcl/Tk still has a tcltk package, which cannot be loaded.
if ("tcltk" %in% packages && !capabilities("tcltk")) {
    packages <- setdiff(packages, "tcltk")
    note("skipped package tcltk: this R was built without Tcl/Tk")
}

loaded <- 0L
for (package in packages) {
    # Warnings (no display for Tk, names masked) are not failures.
    why <- tryCatch({
        suppressWarnings(suppressPackageStartupMessages(
            library(package, character.only = TRUE)))
        NULL
    }, error = conditionMessage)
    if (is.null(why)) loaded <- loaded + 1L
    else fail(paste("package", package), why)
}
has <- function(package) package %in% packages

# Installed in the tree, but not on R's library path?
found <- list.files("/opt", pattern = "^package\\.rds$", recursive = TRUE)
libraries <- unique(dirname(dirname(dirname(file.path("/opt", found)))))
for (library in setdiff(normalizePath(libraries), normalizePath(.libPaths())))
    note(library, " contains packages but is not on R's library path")

# --- numbers: LAPACK and BLAS -----------------------------------------------

a <- matrix(c(4, 1, 2, 1, 5, 3, 2, 3, 6), 3)
check("solve()", near(base::solve(a, a %*% c(1, -2, 3)), c(1, -2, 3)) &&
    near(base::solve(a) %*% a, diag(3)))
check("lm()", {                         # Anscombe's first set
    x <- c(10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5)
    y <- c(8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68)
    slope <- 55.01 / 110
    near(stats::coef(stats::lm(y ~ x)), c(82.51 / 11 - 9 * slope, slope))
})
check("svd()", near(base::svd(matrix(c(3, 4, 0, 5), 2))$d, sqrt(c(45, 5))))
check("eigen()", near(base::eigen(matrix(c(2, 1, 1, 2), 2))$values, c(3, 1)) &&
    near(Im(base::eigen(matrix(c(0, 1, -1, 0), 2))$values), c(1, -1)))

# --- text and time ----------------------------------------------------------

check("regmatches()", identical(
    regmatches("a1b22c333", gregexpr("[0-9]+", "a1b22c333"))[[1]], c("1", "22", "333")))
check("perl regex", identical(
    regmatches("x=12 y=345", gregexpr("(?<=[a-z]=)\\d+", "x=12 y=345", perl = TRUE))[[1]],
    c("12", "345")) && identical(sub("^(\\p{Lu})", "\\L\\1", "\u00c4b", perl = TRUE), "\u00e4b"))
check("iconv()", identical(iconv("\xe4", "latin1", "UTF-8"), "\u00e4"))
# Missing time zone data is a problem of the system, not of the tree.
berlin <- tryCatch(format(as.POSIXct(0, origin = "1970-01-01", tz = "UTC"),
    "%H:%M", tz = "Europe/Berlin"), error = conditionMessage, warning = conditionMessage)
if (!identical(berlin, "01:00")) note("no time zone data for Europe/Berlin: ", berlin)
check("Sys.time()", grepl("^20[0-9]{2}-", format(Sys.time(), tz = "UTC")))

# --- compression ------------------------------------------------------------

bytes <- as.raw(rep(0:255, 40))
for (type in c("gzip", "bzip2", "xz")) {
    check(paste("memCompress()", type), {
        packed <- memCompress(bytes, type)
        length(packed) < length(bytes) && identical(memDecompress(packed, type), bytes)
    })
    check(paste(type, "file"), {
        file <- tempfile()
        to <- switch(type, gzip = gzfile, bzip2 = bzfile, xz = xzfile)(file, "wb")
        writeBin(bytes, to)
        close(to)
        from <- gzfile(file, "rb")      # detects the type
        got <- readBin(from, "raw", 2 * length(bytes))
        close(from)
        unlink(file)
        identical(got, bytes)
    })
}
check("gzcon()", {
    file <- tempfile()
    saveRDS(bytes, file)
    from <- gzcon(rawConnection(readBin(file, "raw", file.size(file))))
    got <- readRDS(from)
    close(from)
    unlink(file)
    identical(got, bytes)
})

# --- plotting without a display ---------------------------------------------

check("pdf(NULL)", {
    grDevices::pdf(NULL)
    graphics::plot(1:10, main = "a title")
    width <- graphics::strwidth("a title", "inches")
    grDevices::dev.off()
    width > 0
})
check("pdf()", {
    file <- tempfile()
    grDevices::pdf(file)
    graphics::plot(1:10, main = "a title")
    grDevices::dev.off()
    identical(readBin(file, "raw", 5), charToRaw("%PDF-"))
})

# --- R starting R, as parallel's workers are --------------------------------

rscript <- file.path(R.home("bin"), "Rscript")
if (file.exists(rscript)) check("Rscript from R", identical(
    system2(rscript, c("-e", shQuote("cat(R.home())")), stdout = TRUE), R.home()))

# --- packages, if installed ---------------------------------------------------

if (capabilities("libcurl")) check("libcurlVersion()", nchar(libcurlVersion()) > 0)
if (has("curl")) check("curl::curl_version()", nchar(curl::curl_version()$version) > 0)
if (has("jsonlite")) check("jsonlite", {
    it <- list(a = 1:3, b = "\u00e4")
    identical(jsonlite::fromJSON(jsonlite::toJSON(it, auto_unbox = TRUE)), it)
})
if (has("xml2")) check("xml2", identical(xml2::xml_text(
    xml2::xml_find_first(xml2::read_xml("<a><b>x</b><b>y</b></a>"), "//b[2]")), "y"))
abc <- "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
if (has("openssl")) check("openssl::sha256()",
    identical(as.character(openssl::sha256("abc")), abc))
if (has("digest")) check("digest::digest()",
    identical(digest::digest("abc", "sha256", serialize = FALSE), abc))

# --- libraries that came from the host ---------------------------------------

# glibc's (gconv's converters too) must be the host's; any other is worth a word.
maps <- tryCatch(readLines("/proc/self/maps"), error = function(e) character())
objects <- unique(sub("^[^/]*", "", grep("/.*\\.so", maps, value = TRUE)))
host <- basename(objects[!startsWith(objects, "/opt/") & !grepl("/gconv/", objects)])
glibc <- "^(ld-linux.*|ld|lib(c|m|mvec|dl|rt|pthread|resolv|util|nsl|anl|nss_.*))[.-]"
host <- grep(glibc, host, value = TRUE, invert = TRUE)
if (length(host)) note("loaded from the host: ", paste(sort(host), collapse = " "))

if (length(failures)) {
    cat(paste0("failed: ", failures, "\n"), sep = "")
    cat("R does not work: ", length(failures), " failures, ", loaded, " packages loaded, ",
        passed, " checks passed, R ", as.character(getRversion()), "\n", sep = "")
    quit(save = "no", status = 1)
}
cat("R works: ", loaded, " packages loaded, ", passed, " checks passed, R ",
    as.character(getRversion()), "\n", sep = "")
