# Run by r_same.py in r-works.sh: read every record of every lazy-load database below
# /opt with R's own lazyLoadDBfetch(), and print a checksum of its value.
#
# A database (.rdb, with its index .rdx) has a record for each variable, and for each
# environment that one of them refers to. R refers to environments by name, through a
# hook; here each name gets an empty stand-in, and serialize() writes the name again. So
# the checksum of a record covers its whole content (code, byte code, attributes), and
# does not depend on other records. For R 3.6 and later.
#
# Fields are separated by tabs; encodeString() keeps tabs and newlines out of them:
#   database PATH COMPRESSION       from the index: 0 none, 1 zlib, 2 bzip2, 3 xz
#   record   PATH NAME BYTES MD5    or, instead of the checksum, why it cannot be read

invisible(compiler::enableJIT(0))       # compile nothing beyond what is already compiled
scratch <- tempfile()
say <- function(...) cat(paste(..., sep = "\t"), "\n", sep = "")
why <- function(error) paste("unreadable:", encodeString(conditionMessage(error)))

# The pairs of offset and length in a part of an index, by name. The parts of a function's
# source file that are read on demand have their own keys, in a nested list.
pairs <- function(keys, name) {
    if (!is.list(keys)) return(structure(list(keys), names = name))
    parts <- lapply(seq_along(keys), function(i) pairs(keys[[i]], paste(name, encodeString(names(keys)[[i]]))))
    do.call(c, parts)
}

records <- function(path) {
    base <- file.path("/opt", path)
    index <- tryCatch(readRDS(paste0(base, ".rdx")), error = why)
    if (is.character(index)) {
        say("record", path, "index", 0, index)
        return(invisible())
    }
    say("database", path, as.integer(index$compressed))
    stand_ins <- new.env()
    stand_in <- function(name) {
        key <- name[[1]]
        if (!exists(key, envir = stand_ins, inherits = FALSE)) {
            made <- new.env(parent = emptyenv())
            attr(made, "record") <- name
            assign(key, made, envir = stand_ins)
        }
        get(key, envir = stand_ins, inherits = FALSE)
    }
    # External pointers come here too, and are left to serialize().
    name_of <- function(it) if (is.environment(it)) attr(it, "record")
    for (kind in c("variables", "references")) {
        keys <- pairs(index[[kind]], kind)
        for (name in sort(as.character(names(keys)), method = "radix")) {
            bytes <- 0
            sum <- tryCatch({
                value <- lazyLoadDBfetch(keys[[name]], paste0(base, ".rdb"), index$compressed, stand_in)
                content <- serialize(value, NULL, version = 3, refhook = name_of)
                bytes <- length(content)
                writeBin(content, scratch)
                unname(tools::md5sum(scratch))
            }, error = why)
            say("record", path, name, bytes, sum)
        }
    }
}

# Records refer to namespaces, which R then loads from anywhere in the tree.
packages <- dirname(dirname(list.files("/opt", "^package[.]rds$", recursive = TRUE, full.names = TRUE)))
.libPaths(unique(c(.libPaths(), dirname(packages))))
for (index in sort(list.files("/opt", "[.]rdx$", recursive = TRUE), method = "radix"))
    records(sub("[.]rdx$", "", index))
cat("end\n")
