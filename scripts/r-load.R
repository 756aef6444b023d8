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
# A single package is loaded in this process. Several have a process each, forked from one that has loaded only namespaces that
# library() of the package loads in any case (and parallel, which forks, with what that imports; a single package finds it loaded,
# too). So packages that import the same load that once: for packages of Bioconductor, loading it takes most of the time.
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

    # What library() loads: what the namespace imports from (Meta/nsInfo.rds, which loadNamespace() reads), and Depends, which are
    # attached.
    needs <- function(package) {
        home <- system.file(package = package)
        read <- function(file) if (file.exists(file.path(home, "Meta", file))) readRDS(file.path(home, "Meta", file))
        of <- read("nsInfo.rds")
        first <- function(part) vapply(part, function(one) as.character(one[[1L]])[1L], "")
        from <- unlist(lapply(of[c("imports", "importClasses", "importMethods")], first))
        setdiff(unique(c(from, names(read("package.rds")$Depends))), c("base", "R", package))
    }

    # The packages that loading each loads before it, in one order for all: those that more load come first. A package is loaded
    # by whatever loads one that imports it, so what it imports itself always comes before it.
    chains_of <- function(packages) {
        known <- list()
        closure <- function(package, above) {
            if (package %in% above) return(NULL)
            if (is.null(known[[package]])) {
                direct <- needs(package)
                known[[package]] <<- unique(c(character(), unlist(lapply(direct, closure, c(above, package))), direct))
            }
            known[[package]]
        }
        all <- lapply(packages, closure, NULL)
        often <- table(unlist(all))
        depth <- lengths(known)[names(often)]
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

    # The packages whose chains begin with the `loaded` namespaces that this process has loaded.
    visit <- function(packages, loaded) {
        repeat {
            ready <- lengths(chain[packages]) == loaded
            for (package in packages[ready]) forked(function() load(package), LIMIT)
            packages <- packages[!ready]
            if (length(packages) == 0L) return()
            following <- vapply(chain[packages], function(one) one[loaded + 1L], "")
            if (length(unique(following)) > 1L) break
            preload(following[1L])
            loaded <- loaded + 1L
        }
        for (one in unique(following)) forked(function() {
            preload(one)
            visit(packages[following == one], loaded + 1L)
        })
    }
    # What fails here fails again in the package's own process, and is told there.
    preload <- function(package) tryCatch(suppressWarnings(suppressMessages(loadNamespace(package))), error = function(e) NULL)

    loadNamespace("parallel")
    if (length(packages) == 1L) load(packages) else {
        chain <- chains_of(packages)
        visit(packages, 0L)
    }
}, envir = new.env(parent = baseenv()))
# Finalizers of packages are not what is tested.
quit(save = "no", runLast = FALSE)
