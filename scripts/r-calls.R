# Run by calls_truth.py, in R: what installed packages load and call, by R's own reading, for comparison with layerfit.
#
# Lines that begin with \x1e, for each package whose directory packages.txt names, one a line:
#   package DIRECTORY
#   imports NAME...    what its namespace imports from: Meta/nsInfo.rds, which loadNamespace() reads
#   parsed NAME...     the same by parseNamespaceFile(), which reads NAMESPACE
#   calls NAME F...    the variables whose functions name the package NAME: by ::, :::, library(NAME), require(NAME), or as a
#                      literal string that is the package of one of the functions below, also by do.call(), lapply() or a loop
# or, instead of calls, "unreadable WHY". Nothing of a package is run: its code is read with lazyLoad().

say <- function(...) cat("\x1e", paste(c(...), collapse = " "), "\n", sep = "")
# Names can contain spaces: `a b` <- function() NULL.
coded <- function(names) vapply(names, utils::URLencode, "", reserved = TRUE)

imports <- function(info) {
    first <- function(part) vapply(part, function(one) as.character(one[[1L]])[1L], "")
    sort(unique(c(first(info$imports), first(info$importClasses), first(info$importMethods))))
}

literal <- function(x) if (is.character(x) && length(x) == 1L && !is.na(x)) x

# The functions of R that take the name of a package, with their own formal arguments, and the argument that it is.
takes <- function(argument, ...) lapply(c(...), function(name) list(name = name, argument = argument))
TAKES <- c(
    takes("package", "requireNamespace", "loadNamespace", "library", "require", "library.dynam", "system.file", "find.package",
          "path.package", "data", "vignette", "browseVignettes", "demo", "example", "citation", "news"),
    takes("ns", "attachNamespace", "asNamespace", "getExportedValue", "getNamespaceExports", "getNamespaceImports", "getNamespaceInfo",
          "getNamespaceVersion", "getFromNamespace", "assignInNamespace", "fixInNamespace"),
    takes("name", "getNamespace"),
    takes("pkg", "maintainer", "packageVersion", "packageDate", "packageDescription"))
TAKES <- setNames(TAKES, vapply(TAKES, function(one) one$name, ""))
APPLIES <- list(lapply = c("X", "FUN"), sapply = c("X", "FUN"), vapply = c("X", "FUN"), Filter = c("x", "f"))

# The name of a function that is called or passed on.
name_of <- function(f) {
    if (is.call(f) && length(f) == 3L && (identical(f[[1L]], quote(`::`)) || identical(f[[1L]], quote(`:::`)))) f <- f[[3L]]
    if (is.symbol(f)) as.character(f) else literal(f)
}

# The strings of a literal vector.
literals <- function(x) {
    if (is.call(x) && identical(x[[1L]], quote(c))) x <- unlist(lapply(as.list(x)[-1L], function(one) if (is.character(one)) one else NA))
    if (is.character(x) && !anyNA(x)) x
}

# The arguments of a call, matched by R itself to those of the function of this name.
matched <- function(name, call) {
    definition <- get0(name, asNamespace("utils"), mode = "function")
    if (is.primitive(definition) || is.null(definition)) return(NULL)
    tryCatch(as.list(match.call(definition, call, expand.dots = FALSE))[-1L], error = function(e) NULL)
}

# All functions that named() knows, in an environment: a package has a million calls.
KNOWN <- list2env(lapply(c(TAKES, APPLIES, list(do.call = 0, `::` = 0, `:::` = 0)), function(one) TRUE))

# The packages that a call names, unless the package has a function of its own by this name.
named <- function(call, own) {
    f <- name_of(call[[1L]])
    if (is.null(f) || !nzchar(f) || is.null(KNOWN[[f]])) return(NULL)
    if (f %in% c("::", ":::")) return(if (length(call) == 3L && is.symbol(call[[1L]])) as.character(call[[2L]]))
    if (f %in% own) return(NULL)
    if (f == "do.call") {
        at <- matched(f, call)
        f <- if (!is.null(at$what)) name_of(at$what)
        if (is.null(f) || !f %in% names(TAKES) || f %in% own || !is.call(at$args) || !identical(at$args[[1L]], quote(list))) return(NULL)
        return(packages(as.call(c(as.name(f), as.list(at$args)[-1L])), f, TRUE))
    }
    if (f %in% names(APPLIES)) {
        at <- matched(f, call)
        f <- if (!is.null(at[[APPLIES[[f]][2L]]])) name_of(at[[APPLIES[[f]][2L]]])
        return(if (!is.null(f) && f %in% names(TAKES) && !f %in% own) literals(at[[if (is.null(at$X)) "x" else "X"]]))
    }
    if (f %in% names(TAKES)) packages(call, f, FALSE)
}

packages <- function(call, f, by_value) {
    at <- matched(f, call)
    argument <- at[[TAKES[[f]]$argument]]
    if (is.null(argument) || identical(argument, quote(expr = ))) return(NULL)
    if (!is.null(literals(argument))) return(literals(argument))
    quoted <- f %in% c("library", "require") && is.null(at$character.only) && !by_value
    if (quoted && is.symbol(argument)) as.character(argument)
}

# The body of a loop over a literal vector, with each of its values.
unrolled <- function(call) {
    if (!identical(call[[1L]], quote(`for`)) || length(call) != 4L) return(NULL)
    lapply(literals(call[[3L]]), function(one) do.call(substitute, list(call[[4L]], setNames(list(one), as.character(call[[2L]])))))
}

# Calls `found` with each package that a value names: in functions, their environments, attributes, lists.
walk <- function(value, found, top, own) {
    stack <- list(value)
    # Environments, compared by identity; a list is slow where there are thousands (before R 4.2, there is nothing else).
    hashed <- exists("hashtab", asNamespace("utils"))
    seen <- if (hashed) utils::hashtab() else list()
    again <- function(x) if (hashed) !is.null(utils::gethash(seen, x)) else any(vapply(seen, identical, NA, x))
    size <- 1L
    push <- function(x) {
        if (is.null(x) || identical(x, quote(expr = ))) return()
        size <<- size + 1L
        stack[[size]] <<- x
    }
    while (size > 0L) {
        x <- stack[[size]]
        size <- size - 1L
        at <- attributes(x)
        for (name in names(at)) if (!name %in% c("srcref", "srcfile", "wholeSrcref", "names")) push(at[[name]])
        if (is.environment(x)) {
            known <- isNamespace(x) || identical(x, top) || identical(x, globalenv()) || identical(x, baseenv()) ||
                identical(x, emptyenv()) || again(x)
            if (known) next
            if (hashed) utils::sethash(seen, x, TRUE) else seen <- c(seen, x)
            for (name in ls(x, all.names = TRUE, sorted = FALSE)) {
                # Of a promise, the database has the expression; get() would compute its value.
                written <- tryCatch(do.call(substitute, list(as.name(name), x)), error = function(e) NULL)
                if (!missing(written) && is.language(written)) {
                    push(written)
                    next
                }
                inner <- tryCatch(get(name, envir = x, inherits = FALSE), error = function(e) NULL)
                if (!missing(inner)) push(inner)
            }
            push(parent.env(x))
        } else if (is.function(x)) {
            if (is.primitive(x)) next
            push(environment(x))
            push(body(x))
            for (argument in as.list(formals(x))) if (!missing(argument)) push(argument)
        } else if (is.call(x)) {
            for (package in named(x, own)) found(package)
            for (body in unrolled(x)) push(body)
            for (part in as.list(x)) if (!missing(part)) push(part)
        } else if (is.pairlist(x) || is.expression(x) || is.list(x)) {
            for (part in if (is.list(x)) unclass(x) else as.list(x)) if (!missing(part)) push(part)
        }
    }
}

# The methods of an S4 generic are in a table of their own.
generic <- function(name) sub("^\\.__T__(.*):[^:]*$", "\\1", name)

# With claims.txt (a line each: DIRECTORY FUNCTION NAME, encoded): whether what the function holds names that package. No R code
# can look into promises and their environments, but serialize() writes them too. A variable that is a promise itself is its value
# wherever R code sees it: for that, the bytes of its record are searched.
record <- function(base, name) {
    index <- readRDS(paste0(base, ".rdx"))
    place <- index$variables[[name]]
    if (!is.numeric(place) || !isTRUE(index$compressed)) return(raw())
    file <- file(paste0(base, ".rdb"), "rb")
    on.exit(close(file))
    seek(file, place[1L] + 4L)
    memDecompress(readBin(file, "raw", place[2L] - 4L), "gzip")
}

# Whether a name consists of whole strings, as paste() makes it: "org.Ag.eg.db" of "org.Ag.eg", "." and "db".
is_pasted <- function(name, strings) {
    strings <- strings[nzchar(strings) & vapply(strings, grepl, NA, name, fixed = TRUE)]
    ends <- 0L
    done <- integer()
    while (length(ends) > 0L) {
        at <- ends[1L]
        done <- c(done, at)
        following <- strings[startsWith(substring(name, at + 1L), strings)]
        ends <- setdiff(c(ends[-1L], at + nchar(following)), done)
    }
    nchar(name) %in% done
}

if (file.exists("claims.txt")) {
    claims <- strsplit(readLines("claims.txt"), " ", fixed = TRUE)
    tops <- list()
    for (claim in claims) {
        claim <- vapply(claim, utils::URLdecode, "")
        base <- file.path(claim[1L], "R", basename(claim[1L]))
        if (is.null(tops[[base]])) {
            tops[[base]] <- new.env(hash = TRUE, parent = baseenv())
            lazyLoad(base, tops[[base]])
        }
        all <- ls(tops[[base]], all.names = TRUE)
        of <- all[vapply(all, generic, "") == claim[2L]]
        values <- mget(of, envir = tops[[base]])
        written <- strsplit(rawToChar(serialize(values, NULL, ascii = TRUE)), "\n", fixed = TRUE)[[1L]]
        # A constant of the package has the name where the function mentions it.
        mentioned <- unique(unlist(lapply(Filter(is.function, values), function(one) all.names(body(one)))))
        constants <- Filter(is.character, mget(as.character(intersect(mentioned, all)), envir = tops[[base]]))
        holds <- is_pasted(claim[3L], unique(c(written, unlist(constants)))) || any(vapply(of, function(name)
            length(grepRaw(charToRaw(claim[3L]), record(base, name), fixed = TRUE)) > 0L, NA))
        say(if (holds) "holds" else "lacks")
    }
    say("end")
    quit()
}

for (directory in readLines("packages.txt")) {
    package <- basename(directory)
    info <- file.path(directory, "Meta", "nsInfo.rds")
    base <- file.path(directory, "R", package)
    say("package", directory)
    if (file.exists(info)) say("imports", imports(readRDS(info)))
    if (file.exists(file.path(directory, "NAMESPACE")))
        say("parsed", tryCatch(imports(parseNamespaceFile(package, dirname(directory))), error = function(e) "?"))
    if (!file.exists(paste0(base, ".rdx"))) next
    top <- new.env(hash = TRUE, parent = baseenv())
    calls <- list()
    why <- tryCatch({
        lazyLoad(base, top)
        own <- ls(top, all.names = TRUE)
        for (name in own) {
            value <- get(name, envir = top, inherits = FALSE)
            walk(value, function(called) calls[[called]] <<- c(calls[[called]], generic(name)), top, own)
        }
        NULL
    }, error = conditionMessage)
    if (is.null(why)) for (called in sort(names(calls))) say("calls", coded(called), coded(sort(unique(calls[[called]]))))
    else say("unreadable", gsub("[[:space:]]+", " ", why))
}
say("end")
