# Run by calls_truth.py, in R: what installed packages load and call, by R's own reading, for comparison with layerfit.
#
# Lines that begin with \x1e, for each package whose directory packages.txt names, one a line:
#   package DIRECTORY
#   imports NAME...    what its namespace imports from: Meta/nsInfo.rds, which loadNamespace() reads
#   parsed NAME...     the same by parseNamespaceFile(), which reads NAMESPACE
#   calls NAME F...    the variables whose functions name the package NAME by ::, :::, requireNamespace(), loadNamespace(),
#                      library() or require() with a literal name
# or, instead of calls, "unreadable WHY". Nothing of a package is run: its code is read with lazyLoad().

say <- function(...) cat("\x1e", paste(c(...), collapse = " "), "\n", sep = "")
# Names can contain spaces: `a b` <- function() NULL.
coded <- function(names) vapply(names, utils::URLencode, "", reserved = TRUE)

imports <- function(info) {
    first <- function(part) vapply(part, function(one) as.character(one[[1L]])[1L], "")
    sort(unique(c(first(info$imports), first(info$importClasses), first(info$importMethods))))
}

literal <- function(x) if (is.character(x) && length(x) == 1L && !is.na(x)) x

# The package that a call names.
named <- function(call) {
    f <- call[[1L]]
    if (is.call(f) && length(f) == 3L && (identical(f[[1L]], quote(`::`)) || identical(f[[1L]], quote(`:::`)))) f <- f[[3L]]
    if (!is.symbol(f)) return(NULL)
    f <- as.character(f)
    if (f %in% c("::", ":::")) return(if (length(call) == 3L) as.character(call[[2L]]))
    if (!f %in% c("requireNamespace", "loadNamespace", "library", "require") || length(call) < 2L) return(NULL)
    arguments <- as.list(call)[-1L]
    tags <- if (is.null(names(arguments))) rep("", length(arguments)) else names(arguments)
    at <- c(which(tags == "package"), which(tags == ""))[1L]
    if (is.na(at)) return(NULL)
    argument <- arguments[[at]]
    if (identical(argument, quote(expr = ))) return(NULL)
    if (!is.null(literal(argument))) return(argument)
    if (is.symbol(argument) && f %in% c("library", "require") && !"character.only" %in% tags) as.character(argument)
}

# Calls `found` with each package that a value names: in functions, their environments, attributes, lists.
walk <- function(value, found, top) {
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
        for (name in setdiff(names(at), c("srcref", "srcfile", "wholeSrcref", "names"))) push(at[[name]])
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
            package <- named(x)
            if (length(package) == 1L) found(package)
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
        holds <- claim[3L] %in% written || any(vapply(of, function(name)
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
        for (name in ls(top, all.names = TRUE)) {
            value <- get(name, envir = top, inherits = FALSE)
            walk(value, function(called) calls[[called]] <<- c(calls[[called]], generic(name)), top)
        }
        NULL
    }, error = conditionMessage)
    if (is.null(why)) for (called in sort(names(calls))) say("calls", coded(called), coded(sort(unique(calls[[called]]))))
    else say("unreadable", gsub("[[:space:]]+", " ", why))
}
say("end")
