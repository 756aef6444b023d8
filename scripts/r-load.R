# Run by archive_work.py in r-works.sh: load each package that /tmp/packages names, one a line, and say what came of it.
# For R 3.6 and later, as root or not, on Linux.
#
# Lines that begin with \036 and a kind; fields are separated by tabs, and encodeString() keeps tabs and newlines out of them:
#   package NAME                               what follows is about this package
#   error WHAT, warning WHAT, message WHAT     of library()
#   namespaces NAME..., search NAME...         what is loaded and attached then
#   object NAME TYPE CLASS LENGTH              each object of the namespace, forced
#   exported NAME TYPE CLASS LENGTH            each object of the attached package that the namespace does not have, forced: its data
#   data ITEM NAME TYPE CLASS LENGTH           each object that data() loads; or data ITEM error WHAT
#   end
# Without "end", the package crashed or took longer than LIMIT.
#
# A single package is loaded in this process. Several have a process each, forked from one that has loaded and attached only what
# library() of the package loads and attaches before it in any case (and has loaded parallel, which forks, with what that imports; a
# single package finds it loaded, too). So packages that need the same load it once: for those of Bioconductor that takes seconds.
# Only base, utils and parallel are used, so that nothing is loaded that the package would have to load itself. All is in an
# environment below base's, as a package may mask what is called here (pbdZMQ has an ls() of its own).

local({
    packages <- readLines("/tmp/packages")
    # Seconds for one package.
    LIMIT <- 60
    say <- function(...) cat("\036", paste(encodeString(c(...)), collapse = "\t"), "\n", sep = "")
    failed <- function(kind) function(e) say(kind, "error", conditionMessage(e))

    # What an object is. length() of an object with a class may be a method, which could do anything.
    described <- function(value) c(typeof(value), paste(class(value), collapse = "/"), if (!is.object(value)) length(value))

    forced <- function(kind, names, from) for (name in sort(names, method = "radix"))
        tryCatch(suppressWarnings({
            value <- get(name, envir = from, inherits = FALSE)
            say(kind, name, if (missing(value)) "missing" else described(value))
        }), error = failed(c(kind, name)))

    load <- function(package) {
        # The package before it may have left a line without its end.
        cat("\n")
        say("package", package)
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
    }

    # What library() does before the package itself, in one order for all packages: "NAME" loads a namespace, "package:NAME" attaches a
    # package. A namespace loads those that it imports from (Meta/nsInfo.rds, which loadNamespace() reads); a package that is attached
    # attaches its Depends before it. What more packages do comes first, so that it is shared; what another one needs is done by at
    # least as many, and comes before that in any case.
    chains_of <- function(packages) {
        read <- function(package, file) {
            path <- file.path(system.file(package = package), "Meta", file)
            if (file.exists(path)) readRDS(path)
        }
        first <- function(part) vapply(part, function(one) as.character(one[[1L]])[1L], "")
        known <- new.env()
        once <- function(step, needs) {
            if (is.null(known[[step]])) {
                known[[step]] <- character()
                all <- unlist(lapply(needs(), function(need) c(steps_of(need), need)))
                known[[step]] <- unique(c(character(), all))
            }
            known[[step]]
        }
        imports <- function(name) {
            info <- read(name, "nsInfo.rds")
            setdiff(unlist(lapply(info[c("imports", "importClasses", "importMethods")], first)), c("base", name))
        }
        attached <- function(name) setdiff(paste0("package:", names(read(name, "package.rds")$Depends)), c("package:", search()))
        steps_of <- function(step) {
            name <- sub("^package:", "", step)
            once(step, function() if (name == step) imports(name) else c(attached(name), name))
        }
        all <- lapply(paste0("package:", packages), steps_of)
        # The package itself is what is tested.
        all <- Map(setdiff, all, packages)
        often <- table(unlist(all))
        depth <- vapply(names(often), function(step) length(steps_of(step)), 1L)
        order <- names(often)[order(-often, depth, names(often), method = "radix")]
        chains <- lapply(all, function(one) order[order %in% one])
        names(chains) <- packages
        chains
    }

    # Runs a function in a forked process and waits for its end, at most so long.
    forked <- function(f, limit = NULL) {
        job <- parallel::mcparallel(f(), mc.set.seed = FALSE, silent = FALSE)
        if (!is.null(limit) && is.null(parallel::mccollect(job, wait = FALSE, timeout = limit))) tools::pskill(job$pid, 9L)
        suppressWarnings(parallel::mccollect(job))
    }

    # Loads the packages whose chains begin with the `done` steps that this process has taken.
    visit <- function(packages, done) {
        repeat {
            ready <- lengths(chain[packages]) == done
            for (package in packages[ready]) forked(function() load(package), LIMIT)
            packages <- packages[!ready]
            if (length(packages) == 0L) return()
            following <- vapply(chain[packages], function(one) one[done + 1L], "")
            if (length(unique(following)) > 1L) break
            take(following[1L])
            done <- done + 1L
        }
        for (one in unique(following)) forked(function() {
            take(one)
            visit(packages[following == one], done + 1L)
        })
    }
    # What fails here fails again in the package's own process, and is told there.
    take <- function(step) tryCatch(suppressWarnings(suppressMessages({
        name <- sub("^package:", "", step)
        if (name == step) loadNamespace(name) else library(name, character.only = TRUE)
    })), error = function(e) NULL)

    loadNamespace("parallel")
    if (length(packages) == 1L) load(packages) else {
        chain <- chains_of(packages)
        visit(packages, 0L)
    }
}, envir = new.env(parent = baseenv()))
# Finalizers of packages are not what is tested.
quit(save = "no", runLast = FALSE)
