# Run by r_same.py and archive_work.py in r-works.sh, in one of two ways. For R 3.6 and later.
#
# Without a file /tmp/examples: print the examples in the help pages of R's own packages
# (Priority base or recommended), or of those that a file /tmp/packages names. Lines that this script adds begin with "\036":
# "\036package NAME", and "\036topic NAME" before each topic's lines.
#
# With such a file, which has the examples of one package: run them. Their output is
# not redirected; a plot is printed as a checksum. "\036topic NAME" is printed before
# each topic, "\036error" where one raises an error, and "\036end" at the end.

file <- "/tmp/examples"

list_examples <- function() {
    named <- if (file.exists("/tmp/packages")) readLines("/tmp/packages")
    found <- sort(list.files("/opt", "^DESCRIPTION$", recursive = TRUE, full.names = TRUE), method = "radix")
    for (dir in dirname(found)) {
        if (!file.exists(file.path(dir, "Meta", "package.rds"))) next
        # "translations" cannot be loaded: it only has message catalogues.
        wanted <- if (length(named)) basename(dir) %in% named
            else read.dcf(file.path(dir, "DESCRIPTION"), "Priority")[[1]] %in% c("base", "recommended")
        if (!wanted || basename(dir) == "translations") next
        cat("\036package ", basename(dir), "\n", sep = "")
        if (!file.exists(file.path(dir, "help", paste0(basename(dir), ".rdx")))) next
        pages <- tools::Rd_db(basename(dir), lib.loc = dirname(dir))
        for (name in names(pages)) {
            # As in R CMD check, without \dontrun and \donttest.
            script <- utils::capture.output(tools::Rd2ex(pages[[name]], commentDonttest = TRUE))
            if (length(script)) writeLines(c(paste("\036topic", sub("[.]Rd$", "", name)), script))
        }
    }
    cat("\036end\n")
}

read_examples <- function(lines) {
    starts <- startsWith(lines, "\036topic ")
    scripts <- split(lines[!starts], factor(cumsum(starts)[!starts], seq_len(sum(starts))))
    names(scripts) <- substring(lines[starts], 8)
    scripts
}

# Each topic begins, as in R CMD check, without anything that the previous one left behind.
run_examples <- function(package, examples) {
    tryCatch(library(package, character.only = TRUE),
        error = function(e) cat("\n\036error\n", conditionMessage(e), "\n", sep = ""))
    plots <- character()
    options(warn = 1, browser = function(url) cat("browse", url, "\n"), device = function(...) {
        plots <<- c(plots, sprintf("/tmp/plots-%d.pdf", length(plots)))
        grDevices::pdf(plots[length(plots)], compress = FALSE)
    })
    # Examples must not wait.
    attach(list(Sys.sleep = function(time) invisible()), name = "no sleep", warn.conflicts = FALSE)
    kept <- list(options = options(), search = search(), dir = getwd(), connections = getAllConnections())
    # An error ends its expression, but not the topic.
    failed <- function(e) cat("\n\036error\n", conditionMessage(e), "\n", sep = "")
    for (topic in names(examples)) {
        cat("\n\036topic ", topic, "\n", sep = "")
        RNGkind("default", "default", "default")
        set.seed(1)
        script <- tryCatch(parse(text = examples[[topic]], keep.source = FALSE), error = failed)
        for (expression in script) tryCatch({
            result <- withVisible(eval(expression, globalenv()))
            # As at top level, where S4 objects are shown.
            if (result$visible) if (isS4(result$value)) methods::show(result$value) else print(result$value)
        }, error = failed)
        rm(list = ls(globalenv(), all.names = TRUE), envir = globalenv())
        sink(type = "message")
        while (sink.number() > 0) sink()
        for (i in setdiff(getAllConnections(), kept$connections)) close(getConnection(i))
        grDevices::graphics.off()
        for (plot in plots[file.exists(plots)]) {
            lines <- readLines(plot, warn = FALSE, skipNul = TRUE)
            writeLines(grep("^/(Creation|Mod)Date ", lines, useBytes = TRUE, invert = TRUE, value = TRUE),
                plot, useBytes = TRUE)
            cat("plots:", tools::md5sum(plot), "\n")
            unlink(plot)
        }
        plots <- character()
        for (name in setdiff(search(), kept$search))
            tryCatch(detach(name, character.only = TRUE), error = identity)
        options(kept$options)
        setwd(kept$dir)
    }
    cat("\n\036end\n")
}
# It must not see what the examples define or attach, except their methods for print().
environment(run_examples) <- new.env(parent = .BaseNamespaceEnv)

if (file.exists(file)) {
    lines <- readLines(file)
    run_examples(sub("^\036package ", "", lines[[1]]), read_examples(lines[-1]))
} else {
    list_examples()
}
