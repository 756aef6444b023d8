# Run by archive_work.py in r-works.sh: load the package that /tmp/package names, and say what came of it. For R 3.6 and later.
#
# Lines that begin with \036 and a kind; fields are separated by tabs, and encodeString() keeps tabs and newlines out of them:
#   error WHAT, warning WHAT, message WHAT     of library()
#   namespaces NAME..., search NAME...         what is loaded and attached then
#   object NAME TYPE CLASS LENGTH              each object of the namespace, forced
#   exported NAME TYPE CLASS LENGTH            each object of the attached package that the namespace does not have, forced: its data
#   data ITEM NAME TYPE CLASS LENGTH           each object that data() loads; or data ITEM error WHAT
#   end
# Only base and utils are used, so that nothing is loaded that the package would have to load itself. All is in an environment below
# base's, as a package may mask what is called here (pbdZMQ has an ls() of its own).

local({
    package <- readLines("/tmp/package")
    say <- function(...) cat("\036", paste(encodeString(c(...)), collapse = "\t"), "\n", sep = "")
    failed <- function(kind) function(e) say(kind, "error", conditionMessage(e))

    # What an object is. length() of an object with a class may be a method, which could do anything.
    described <- function(value) c(typeof(value), paste(class(value), collapse = "/"), if (!is.object(value)) length(value))

    forced <- function(kind, names, from) for (name in sort(names, method = "radix"))
        tryCatch(suppressWarnings({
            value <- get(name, envir = from, inherits = FALSE)
            say(kind, name, if (missing(value)) "missing" else described(value))
        }), error = failed(c(kind, name)))

    loaded <- tryCatch(withCallingHandlers({
        library(package, character.only = TRUE)
        TRUE
    }, warning = function(w) {
        say("warning", conditionMessage(w))
        invokeRestart("muffleWarning")
    }, message = function(m) {
        say("message", conditionMessage(m))
        invokeRestart("muffleMessage")
    }), error = function(e) {
        say("error", conditionMessage(e))
        FALSE
    })
    say("namespaces", sort(loadedNamespaces(), method = "radix"))
    say("search", search())
    if (loaded) {
        space <- asNamespace(package)
        forced("object", ls(space, all.names = TRUE), space)
        attached <- as.environment(paste0("package:", package))
        forced("exported", setdiff(ls(attached, all.names = TRUE), ls(space, all.names = TRUE)), attached)
    }
    items <- tryCatch(suppressWarnings(utils::data(package = package))$results[, "Item"], error = failed("data"))
    # "NAME (FILE)" is an object of a file with another name.
    items <- sort(unique(sub("^.* \\((.*)\\)$", "\\1", items)), method = "radix")
    for (item in items) tryCatch(suppressWarnings(suppressMessages({
        into <- new.env(parent = globalenv())
        utils::data(list = item, package = package, envir = into)
        forced(c("data", item), ls(into, all.names = TRUE), into)
    })), error = failed(c("data", item)))
    say("end")
}, envir = new.env(parent = baseenv()))
# Finalizers of packages are not what is tested.
quit(save = "no", runLast = FALSE)
