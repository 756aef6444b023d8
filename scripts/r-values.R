# Run by r_same.py in r-works.sh: read every record of every lazy-load database below
# /opt with R's own lazyLoadDBfetch(), and print what came of it.
#
# A database (.rdb, with its index .rdx) holds a record for each variable and for each
# environment that one of them refers to. R gives environments their names by a hook;
# here each name gets an empty stand-in, and serialize() writes the name again. So the
# sum of a record is that of its whole content (code, byte code, attributes), and
# does not depend on what other records hold. For R 3.6 and later.
#
# Fields are divided by tabs, and encodeString() keeps tabs and ends of lines out of them:
#   database PATH COMPRESSION       that of the index: 0 open, 1 zlib, 2 with bzip2, 3 with xz
#   record   PATH NAME BYTES MD5    or, instead of the sum, why it cannot be read

invisible(compiler::enableJIT(0))       # nothing compiled but what comes compiled
scratch <- tempfile()
say <- function(...) cat(paste(..., sep = "\t"), "\n", sep = "")
why <- function(error) paste("unreadable:", encodeString(conditionMessage(error)))

# The pairs of offset and length in a part of an index, by name. What is only read when
# asked for of a function's source file has keys of its own, in a list in the list.
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
    # External pointers come by here too: serialize() writes them as it does.
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

# Records name namespaces, which R then loads: wherever in the tree they are.
packages <- dirname(dirname(list.files("/opt", "^package[.]rds$", recursive = TRUE, full.names = TRUE)))
.libPaths(unique(c(.libPaths(), dirname(packages))))
for (index in sort(list.files("/opt", "[.]rdx$", recursive = TRUE), method = "radix"))
    records(sub("[.]rdx$", "", index))
cat("end\n")
