# runtime.R: Lambda's runtime client for R. It runs a function for one event after another, in one R process.
#
# The handler "file.function" is a function in file.r or file.R in LAMBDA_TASK_ROOT, which becomes R's working
# directory; "dir/file" means dir/file.handler. How it is run depends on the file's code (comments are ignored):
#
#   1. The code mentions the function's name: the file runs once, in the global environment. For each event the function
#      is called as f(), f(event) or f(event, context), by the number of its arguments; its value is the response.
#   2. Otherwise, the code mentions AWS_LAMBDA_RUNTIME_API: the file fetches the event and sends the response itself. It
#      runs for each event, in a new environment. runtime.R has fetched the event before, so that it can send an error;
#      an event that has no response yet is handed out again.
#   3. Otherwise, the function's name is "handler": the file runs for each event, in a new environment. Its output goes
#      to the log; the response is OK, without quotes.
#   4. Otherwise as in case 1: the file may load the function from another file or from a package.
#
# An error is logged and sent with its class and R's call stack, the innermost call first (R keeps no stack for infinite
# recursion). Then the next event is awaited, but before the first event the process ends. quit() ends it too, without a
# response: Lambda reports Runtime.ExitError. Warnings are logged immediately. Loaded packages, options and global
# variables persist between events.
#
# `context` is a list: request_id, function_arn, trace_id (also in _X_AMZN_TRACE_ID), client_context and identity, both
# parsed, deadline_ms, since 1970, and the function remaining_ms(). What Lambda does not send is NULL.
#
# From JSON: an object becomes a named list, an array a list without names (use unlist() for a vector), a string
# character, a number double (as in JavaScript: integers beyond 2^53 lose digits), null NULL; \u0000 is an error, as
# strings in R cannot contain it. An empty event is NULL.
#
# To JSON: a list or vector with names becomes an object; a list without names an array, and so does a vector, except
# one of length 1 that is not I(x). NULL, NA, NaN and infinite numbers become null; numbers have as many digits as they
# need. A data frame becomes an array with an object for each row, a matrix an array of its rows, a factor its labels, a
# Date "2024-02-29", a time "2024-02-29T12:00:00Z", in UTC and to the millisecond. Values that JSON cannot represent are
# an error: a function, environment, S4 object, language object, complex number, or raw vector in a list. A function
# that returns its event therefore responds with the same JSON. A raw vector, or an object of class "json" as from
# jsonlite, is sent as it is.
#
# All this needs of R is base and modules/internet.so, with the libraries that it is linked with.

# Everything is kept out of the global environment, which belongs to the function.
local(envir = new.env(parent = baseenv()), {

# --- HTTP -----------------------------------------------------------------------------------------------------------

api <- Sys.getenv("AWS_LAMBDA_RUNTIME_API")
a_year <- 31536000L # seconds: R's sockets cannot wait forever

# Reads `size` bytes or, without a size, until the end.
receive <- function(connection, size = Inf) {
    pieces <- list()
    while (size > 0 && length(piece <- readBin(connection, "raw", min(size, 1048576)))) {
        pieces[[length(pieces) + 1L]] <- piece
        size <- size - length(piece)
    }
    if (is.finite(size) && size > 0) stop("the connection ended in the middle of a response")
    as.raw(unlist(pieces))
}

# Sends one request to the Runtime API. Each request has its own connection, so that none can time out while the process
# is frozen, and none is left open.
request <- function(method, path, body = raw(), headers = character()) {
    port <- as.integer(sub(".*:", "", api))
    if (is.na(port)) stop("AWS_LAMBDA_RUNTIME_API is not HOST:PORT; Lambda sets it")
    connection <- socketConnection(sub(":[0-9]*$", "", api), port, open = "r+b", blocking = TRUE, timeout = a_year)
    on.exit(close(connection))
    head <- c(paste0(method, " /2018-06-01/runtime/", path, " HTTP/1.1"), paste0("Host: ", api), "Connection: close",
        headers, if (method == "POST") paste0("Content-Length: ", length(body)))
    writeBin(c(charToRaw(paste0(c(head, "", ""), collapse = "\r\n")), body), connection)

    line <- function() sub("\r$", "", readLines(connection, 1L, warn = FALSE), useBytes = TRUE)
    status <- suppressWarnings(as.integer(sub("^HTTP/[0-9.]+ ([0-9]+).*", "\\1", line(), useBytes = TRUE)))
    if (!length(status) || is.na(status)) stop("the response is not HTTP")
    fields <- character()
    while (length(field <- line()) && nzchar(field)) fields <- c(fields, field)
    Encoding(fields) <- "UTF-8"
    values <- as.list(trimws(sub("^[^:]*:", "", fields)))
    names(values) <- tolower(sub(":.*", "", fields))

    if (identical(tolower(values[["transfer-encoding"]]), "chunked")) {
        chunks <- list()
        repeat {
            size <- strtoi(sub("[; ].*", "", line()), 16L)
            if (!length(size) || is.na(size)) stop("the connection ended in the middle of a response")
            if (size == 0L) break
            chunks[[length(chunks) + 1L]] <- receive(connection, size)
            line()
        }
        content <- as.raw(unlist(chunks))
    } else {
        size <- values[["content-length"]]
        content <- receive(connection, if (is.null(size)) Inf else as.numeric(size))
    }
    list(status = status, headers = values, body = content)
}

say <- function(...) cat("runtime.R: ", ..., "\n", sep = "", file = stderr())

# Sends a result. If Lambda rejects it (too large, too late), that is logged, except with a status that is `expected`; at
# status 500 the process must exit.
post <- function(path, body, headers = character(), expected = integer()) {
    answer <- tryCatch(request("POST", path, body, c("Content-Type: application/json", headers)), error = identity)
    if (inherits(answer, "error")) return(say("cannot send to ", path, ": ", conditionMessage(answer)))
    if (answer$status >= 300L && !answer$status %in% expected) say(path, " failed with status ", answer$status, ": ", rawToChar(answer$body))
    if (answer$status >= 500L) quit("no", 1L, FALSE)
}

# Raises an error whose class, which is sent as its type, is the type that Lambda's other runtimes use for it.
fail <- function(type, ...)
    stop(structure(class = c(type, "error", "condition"), list(message = paste0(...), call = NULL)))

# --- JSON to R ------------------------------------------------------------------------------------------------------

# A string, a punctuation character, a number, a word, or else a single byte that is invalid. Matching never backtracks
# (++, *+), so that a long string needs no more stack than a short one.
token <- paste0('"(?:[^"\\\\\\x00-\\x1f]++|\\\\(?:["\\\\/bfnrt]|u[0-9a-fA-F]{4}))*+"|[{}\\[\\]:,]|',
    "-?(?:0|[1-9][0-9]*+)(?:\\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null|[^ \\t\\r\\n]")

# Kinds of token by number: 1 to 5 { } [ ] : 6 a comma in an object, 7 a string, 8 another single value, 9 a comma in an
# array, 10 a key, 11 any other comma, 0 the start and the end. Kind b may follow kind a if may_follow[a + 1, b + 1].
value_kinds <- c(1L, 3L, 7L, 8L)
may_follow <- matrix(FALSE, 12L, 12L)
may_follow[c(0, 5, 3, 9) + 1, value_kinds + 1L] <- TRUE
may_follow[c(2, 4, 7, 8) + 1, c(0, 2, 4, 6, 9) + 1] <- TRUE
may_follow[cbind(c(1, 1, 10, 6, 3), c(2, 10, 5, 10, 4)) + 1] <- TRUE

plain <- c('"', "/", "\b", "\f", "\n", "\r", "\t")
escape <- c('\\"', "\\/", "\\b", "\\f", "\\n", "\\r", "\\t")

# Returns the text of quoted strings.
unquote <- function(x) {
    x <- substring(x, 2L, nchar(x, "bytes") - 1L)
    Encoding(x) <- "UTF-8"
    escaped <- grep("\\", x, fixed = TRUE)
    if (!length(escaped)) return(x)
    # An escaped backslash must not be mistaken for the start of another escape.
    text <- gsub("\\\\", "\\u005c", x[escaped], fixed = TRUE)
    for (i in seq_along(plain)) text <- gsub(escape[i], plain[i], text, fixed = TRUE)
    coded <- grep("\\u", text, fixed = TRUE)
    text[coded] <- vapply(strsplit(text[coded], "\\u", fixed = TRUE), decoded, "")
    x[escaped] <- text
    x
}

# Joins text that was split at each \u. A surrogate pair is one character, a lone surrogate becomes U+FFFD.
decoded <- function(parts) {
    code <- strtoi(substr(parts[-1L], 1L, 4L), 16L)
    rest <- substring(parts[-1L], 5L)
    if (any(code == 0L)) fail("Runtime.InvalidEvent", "the event contains \\u0000, which a string in R cannot contain")
    high <- code >= 0xD800L & code < 0xDC00L
    low <- code >= 0xDC00L & code < 0xE000L
    pair <- which(high & c(low[-1L], FALSE) & rest == "")
    code[pair] <- 0x10000L + (code[pair] - 0xD800L) * 0x400L + code[pair + 1L] - 0xDC00L
    code[setdiff(which(high | low), c(pair, pair + 1L))] <- 0xFFFDL
    code[pair + 1L] <- NA
    char <- intToUtf8(code, multiple = TRUE)
    paste0(c(parts[1L], paste0(ifelse(is.na(char), "", char), rest)), collapse = "")
}

# Parses a JSON text, given as bytes. A loop over its characters would take R seconds for a large event, so all tokens
# are processed at once, and the only loop is over objects and arrays, from the last to the first.
from_json <- function(bytes) {
    wrong <- function(at) fail("Runtime.InvalidEvent", "the event is not JSON: see byte ", at)
    if (length(nul <- which(bytes == 0))) wrong(nul[1L])
    text <- rawToChar(bytes)
    if (!validUTF8(text)) fail("Runtime.InvalidEvent", "the event is not valid UTF-8")
    found <- gregexpr(token, text, perl = TRUE, useBytes = TRUE)[[1L]]
    if (found[1L] < 0L) wrong(length(bytes))
    Encoding(text) <- "bytes"
    tokens <- substring(text, found, found + attr(found, "match.length") - 1L)
    first <- substr(tokens, 1L, 1L)
    kind <- match(first, c("{", "}", "[", "]", ":", ",", '"'), nomatch = 8L)
    wrong_ones <- which(attr(found, "match.length") == 1L & (kind == 7L | kind == 8L & !first %in% 0:9))
    if (length(wrong_ones)) wrong(found[wrong_ones[1L]])

    # The depth of each token, including its own bracket. With the tokens sorted by depth, each token is inside the
    # last opening bracket before it.
    opens <- kind == 1L | kind == 3L
    closes <- kind == 2L | kind == 4L
    depth <- cumsum(opens) - cumsum(closes) + closes
    if (any(depth[closes] < 1L)) wrong(found[closes & depth < 1L][1L])
    if (sum(opens) != sum(closes)) wrong(length(bytes))
    by_depth <- order(depth, method = "radix")
    inside <- integer(length(tokens))
    inside[by_depth] <- c(0L, by_depth[opens[by_depth]])[cumsum(opens[by_depth]) + 1L]
    around <- c(0L, kind)[inside + 1L]
    if (any(unmatched <- closes & kind != around + 1L)) wrong(found[unmatched][1L])
    kind[kind == 6L & around != 1L] <- 9L
    kind[kind == 9L & around != 3L] <- 11L
    kind[kind == 7L & c(kind[-1L], 0L) == 5L] <- 10L
    follows <- may_follow[cbind(c(0L, kind), c(kind, 0L)) + 1L]
    if (!all(follows)) wrong(c(found, length(bytes))[!follows][1L])

    values <- vector("list", length(tokens))
    values[kind == 7L] <- as.list(unquote(tokens[kind == 7L]))
    number <- kind == 8L & !first %in% c("t", "f", "n")
    values[number] <- as.list(as.numeric(tokens[number]))
    values[kind == 8L & first == "t"] <- list(TRUE)
    values[kind == 8L & first == "f"] <- list(FALSE)
    key <- which(kind == 10L)
    labels <- character(length(tokens))
    labels[key + 2L] <- unquote(tokens[key])

    brackets <- which(opens)
    members <- which(kind %in% value_kinds)
    parent <- match(c(0L, inside)[members], brackets)
    members <- split(members, structure(parent, levels = as.character(brackets), class = "factor"))
    for (i in rev(seq_along(brackets))) {
        value <- values[members[[i]]]
        if (kind[brackets[i]] == 1L) names(value) <- labels[members[[i]]]
        values[[brackets[i]]] <- value
    }
    values[[1L]]
}

# --- R to JSON ------------------------------------------------------------------------------------------------------

# Returns quoted strings, as UTF-8; invalid bytes become U+FFFD.
quoted <- function(x) {
    if (!length(x)) return(character())
    Encoding(x) <- ifelse(Encoding(x) == "latin1", "latin1", "UTF-8")
    x <- enc2utf8(x)
    if (length(bad <- which(!validUTF8(x)))) x[bad] <- iconv(x[bad], "UTF-8", "UTF-8", sub = "\ufffd")
    special <- grep('["\\\\\001-\037]', x)
    if (length(special)) {
        text <- gsub("\\", "\\\\", x[special], fixed = TRUE)
        for (i in seq_along(plain)[-2L]) text <- gsub(plain[i], escape[i], text, fixed = TRUE)
        if (any(grepl("[\001-\037]", text)))
            for (code in 1:31) text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
        x[special] <- text
    }
    paste0('"', x, '"')
}

# Returns one JSON text for each element of a vector.
scalars <- function(x) {
    if (inherits(x, "POSIXct")) {
        ms <- round(as.numeric(x) * 1000)
        second <- format(.POSIXct(ms %/% 1000, "UTC"), "%Y-%m-%dT%H:%M:%S")
        x <- ifelse(is.finite(ms), paste0(second, ifelse(ms %% 1000 == 0, "", sprintf(".%03.0f", ms %% 1000)), "Z"), NA)
    } else if (inherits(x, "Date") || is.factor(x)) {
        x <- as.character(x)
    }
    # Integers of the package bit64 are stored in the bits of a double, which only that package can read.
    type <- if (!inherits(x, "integer64")) typeof(x) else if (requireNamespace("bit64", quietly = TRUE)) "bit64" else ""
    text <- switch(type,
        character = quoted(x),
        logical = ifelse(x, "true", "false"),
        integer = sprintf("%d", unclass(x)),
        bit64 = as.character(x),
        double = {
            x <- as.vector(unclass(x))
            x[!is.finite(x)] <- NA
            exact <- sprintf("%.15g", x)
            short <- which(!is.na(x))
            for (format in c("%.16g", "%.17g")) {
                short <- short[as.numeric(exact[short]) != x[short]]
                exact[short] <- sprintf(format, x[short])
            }
            exact
        },
        list = return(texts(unclass(x))),
        fail("Runtime.MarshalError", "the response contains a value that JSON cannot represent: ", class(x)[1L]))
    text[is.na(x)] <- "null"
    as.vector(text)
}

# Returns one JSON text for each element of a vector, or row of a data frame or of an array with two or more dimensions.
elements <- function(x) {
    row_of <- function(open, columns, close, n) {
        text <- if (length(columns)) do.call(paste, c(unname(columns), sep = ",")) else character(n)
        if (n > 0L) paste0(open, text, close) else character()
    }
    if (inherits(x, "POSIXlt")) x <- as.POSIXct(x)
    if (is.data.frame(x)) {
        column <- function(name, values) if (nrow(x)) paste0(quoted(name), ":", elements(values))
        return(row_of("{", Map(column, names(x), unclass(x)), "}", nrow(x)))
    }
    text <- scalars(x)
    size <- dim(x)
    while (length(size) > 1L) { # the last dimension is collapsed
        dim(text) <- c(prod(size[-length(size)]), size[length(size)])
        text <- row_of("[", lapply(seq_len(ncol(text)), function(i) text[, i]), "]", nrow(text))
        size <- size[-length(size)]
    }
    text
}

# Returns lists as objects if they have labels (names or NULL, one for each list), otherwise as arrays. `parts` has the
# texts of their items, of one list after the other, and `count` the number of items of each list.
collected <- function(labels, count, parts) {
    named <- !vapply(labels, is.null, NA)
    inside <- rep(named, count)
    parts[inside] <- paste0(quoted(unlist(labels)), ":", parts[inside])
    lists <- split(parts, factor(rep(seq_along(count), count), seq_along(count)))
    paste0(ifelse(named, "{", "["), vapply(lists, paste0, "", collapse = ","), ifelse(named, "}", "]"))
}

# Returns one JSON text for each item of a list. Single values and plain lists, which are the most common, are processed
# together, so that R calls a few functions for each level of lists instead of for each value.
texts <- function(items) {
    text <- rep(NA_character_, length(items))
    type <- vapply(items, typeof, "")
    extras <- lapply(items, function(x) names(attributes(x)))
    text[type == "NULL"] <- "null"
    single <- lengths(extras) == 0L & lengths(items) == 1L
    for (kind in c("character", "double", "integer", "logical")) {
        these <- which(single & type == kind)
        if (length(these)) text[these] <- scalars(unlist(items[these], use.names = FALSE))
    }
    lists_at <- which(type == "list" & vapply(extras, function(x) all(x == "names"), NA))
    if (length(lists_at)) {
        lists <- items[lists_at]
        parts <- texts(unlist(lists, FALSE, FALSE))
        text[lists_at] <- collected(lapply(lists, names), lengths(lists), parts)
    }
    for (i in which(is.na(text))) {
        x <- if (inherits(items[[i]], "POSIXlt")) as.POSIXct(items[[i]]) else items[[i]]
        parts <- if (inherits(x, "json")) paste0(x, collapse = "") else elements(x)
        labels <- if (!is.data.frame(x) && length(dim(x)) < 2L) names(x)
        alone <- length(parts) == 1L && is.null(dim(x)) && is.null(labels) && !is.list(x) && !inherits(x, "AsIs")
        text[i] <- if (alone) parts else collected(list(labels), length(parts), parts)
    }
    text
}

to_json <- function(x) texts(list(x))

# Returns the bytes of a response.
response <- function(value) if (is.raw(value)) value else charToRaw(enc2utf8(to_json(value)))

# --- errors ---------------------------------------------------------------------------------------------------------

# Returns the value of a function without arguments, or its error and the call stack from this function on.
attempt <- function(work) {
    calls <- NULL
    tryCatch(list(value = withCallingHandlers(work(), error = function(e) calls <<- sys.calls())),
        error = function(e) list(error = e, calls = calls))
}

# Returns a call as one line, with its position in the file if that is known.
frame <- function(call) {
    line <- substr(deparse(call, nlines = 1L)[1L], 1L, 200L)
    place <- attr(call, "srcref")
    if (is.null(place)) line else paste0(line, " at ", basename(attr(place, "srcfile")$filename), "#", place[1L])
}

# Logs an error and sends it. The stack omits calls from this file and those by which R calls error handlers. It has at
# most fifty calls, which is enough to recognise infinite recursion.
report <- function(path, failed, expected = integer()) {
    name <- function(call) if (is.name(call[[1L]])) as.character(call[[1L]]) else ""
    calls <- as.list(failed$calls)
    names <- vapply(calls, name, "")
    end <- length(calls) - 1L
    while (end > 0L && names[end] == ".handleSimpleError") end <- end - 1L
    begin <- match("work", names, length(calls)) + 1L
    ours <- c("run", "response", "alone", "evaluate", "withVisible", "eval")
    while (begin <= end && names[begin] %in% ours) begin <- begin + 1L
    type <- class(failed$error)[1L]
    stack <- if (begin <= end && !startsWith(type, "Runtime."))
        vapply(rev(calls[begin:end])[seq_len(min(50L, end - begin + 1L))], frame, "")
    message <- conditionMessage(failed$error)
    cat(c(paste0(type, ": ", message), if (length(stack)) paste0("    ", stack)), sep = "\n", file = stderr())
    body <- to_json(list(errorMessage = message, errorType = type, stackTrace = as.list(stack)))
    header <- paste0("Lambda-Runtime-Function-Error-Type: ", gsub("[^A-Za-z0-9._-]", "_", type))
    post(path, charToRaw(enc2utf8(body)), header, expected)
}

# --- the function ---------------------------------------------------------------------------------------------------

# Attaches the packages that R would attach at startup, if not for R_DEFAULT_PACKAGES=NULL. Without `which`, Sys.which()
# fails, and utils calls it when it is loaded, so Sys.which is first replaced by a function that searches PATH itself.
attach_packages <- function() {
    if (!identical(Sys.getenv("R_DEFAULT_PACKAGES"), "NULL")) return()
    if (inherits(try(Sys.which("sh"), silent = TRUE), "try-error")) {
        unlockBinding("Sys.which", baseenv())
        assign("Sys.which", envir = baseenv(), function(names) {
            dirs <- strsplit(Sys.getenv("PATH"), ":", fixed = TRUE)[[1L]]
            vapply(as.character(names), function(name) {
                paths <- if (grepl("/", name, fixed = TRUE)) name else file.path(dirs, name)
                c(paths[file.access(paths, 1L) == 0L & !dir.exists(paths)], "")[1L]
            }, "")
        })
        lockBinding("Sys.which", baseenv())
    }
    Sys.unsetenv("R_DEFAULT_PACKAGES") # an R started from here attaches its packages as usual
    packages <- c("methods", "datasets", "utils", "grDevices", "graphics", "stats")
    options(defaultPackages = packages[-1L])
    for (package in packages) require(package, quietly = TRUE, warn.conflicts = FALSE, character.only = TRUE)
}

# Whether the file fetches its events itself (case 2).
fetches <- FALSE

# Finds the handler's file, its code and the name of its function.
find_code <- function(handler) {
    parts <- regmatches(handler, regexec("^((.*/)?[^./]+)([.]([^/]+))?$", handler))[[1L]]
    if (!length(parts)) fail("Runtime.MalformedHandlerName", "the handler '", handler, "' is not file.function")
    paths <- paste0(parts[2L], c(".r", ".R"))
    path <- paths[file.exists(paths)][1L]
    if (is.na(path)) fail("Runtime.ImportModuleError", "neither ", paths[1L], " nor ", paths[2L], " is in ", getwd())
    code <- tryCatch(parse(path, keep.source = TRUE, encoding = "UTF-8"), error = function(e)
        fail("Runtime.UserCodeSyntaxError", conditionMessage(e)))
    list(path = path, code = code, name = if (nzchar(parts[5L])) parts[5L] else "handler")
}

# Runs code as Rscript does, printing visible values.
evaluate <- function(code, environment) {
    for (i in seq_along(code)) {
        result <- withVisible(eval(code[i], environment))
        if (result$visible) print(result$value)
    }
}

# Returns the function that turns an event into a response. Both are bytes: in case 3, an event is not parsed. In case 2 it
# has no value, as the file itself sends the response.
load_function <- function() {
    attach_packages()
    setwd(Sys.getenv("LAMBDA_TASK_ROOT", "."))
    found <- find_code(Sys.getenv("_HANDLER"))
    alone <- function() evaluate(found$code, new.env(parent = globalenv()))
    if (!found$name %in% all.names(found$code)) {
        if (any(grepl("AWS_LAMBDA_RUNTIME_API", as.character(found$code), fixed = TRUE))) {
            say(found$path, " fetches its events itself")
            fetches <<- TRUE
            return(function(bytes, context) alone())
        }
        if (found$name == "handler") {
            say(found$path, " has no function 'handler', so the whole file runs for each event")
            return(function(bytes, context) {
                alone()
                charToRaw("OK")
            })
        }
    }
    evaluate(found$code, globalenv())
    handler <- get0(found$name, globalenv(), mode = "function")
    if (is.null(handler)) fail("Runtime.HandlerNotFound", found$path, " defines no function '", found$name, "'")
    takes <- names(formals(args(handler)))
    takes <- if ("..." %in% takes) 2L else length(takes)
    # R compiles a function when it is called repeatedly: better now, while Lambda provides a full CPU.
    for (i in 1:2) response(from_json(charToRaw('{"a":[1,{},"\\n",null,true]}')))
    function(bytes, context) {
        event <- if (length(bytes)) from_json(bytes)
        response(if (takes == 0L) handler() else if (takes == 1L) handler(event) else handler(event, context))
    }
}

# Returns the context of an invocation.
context_of <- function(headers) {
    header <- function(name) headers[[paste0("lambda-runtime-", name)]]
    parsed <- function(text) if (!is.null(text)) from_json(charToRaw(text))
    deadline <- as.numeric(header("deadline-ms"))
    list(request_id = header("aws-request-id"), function_arn = header("invoked-function-arn"),
        trace_id = header("trace-id"), client_context = parsed(header("client-context")),
        identity = parsed(header("cognito-identity")), deadline_ms = deadline,
        remaining_ms = function() deadline - as.numeric(Sys.time()) * 1000)
}

# By default, R would hold warnings back until the end of the loop, which never comes.
options(warn = max(1L, getOption("warn")))
loaded <- attempt(load_function)
if (!is.null(loaded$error)) {
    report("init/error", loaded)
    quit("no", 1L, FALSE)
}
run <- loaded$value
last <- ""
repeat {
    invocation <- tryCatch(request("GET", "invocation/next"), error = identity)
    if (!identical(invocation$status, 200L)) {
        why <- if (inherits(invocation, "error")) conditionMessage(invocation) else invocation$status
        say("cannot get the next event: ", why)
        quit("no", 1L, FALSE)
    }
    trace <- invocation$headers[["lambda-runtime-trace-id"]]
    if (is.null(trace)) Sys.unsetenv("_X_AMZN_TRACE_ID") else Sys.setenv("_X_AMZN_TRACE_ID" = trace)
    id <- paste0("invocation/", invocation$headers[["lambda-runtime-aws-request-id"]])
    done <- attempt(function() {
        if (fetches && id == last) fail("Runtime.NoResponse", "the script ended without responding to the event")
        run(invocation$body, context_of(invocation$headers))
    })
    last <- id
    if (!is.null(done$error)) {
        # A file that sends its own response may have done so before the error, which Lambda rejects then.
        report(paste0(id, "/error"), done, if (fetches) c(400L, 403L))
    } else if (!fetches) {
        post(paste0(id, "/response"), done$value)
    }
    rm(invocation, done)
}
})
