# Run by prove.py through r-works.sh: the dependencies of every installed package, according to R's own tools. One line per
# package: its directory, a tab, and the packages in its Depends and Imports and those that its namespace imports from, sorted and
# separated by spaces.
# Exits with 0, or with 1 if there are no packages.

found <- list.files("/opt", pattern = "^package\\.rds$", recursive = TRUE, full.names = TRUE)
libraries <- sort(unique(dirname(dirname(dirname(found)))))
lines <- character()
for (library in libraries) {
    installed <- installed.packages(lib.loc = library, noCache = TRUE)
    needs <- tools::package_dependencies(rownames(installed), db = installed, which = c("Depends", "Imports"))
    for (package in names(needs)) {
        directory <- file.path(library, package)
        info <- file.path(directory, "Meta", "nsInfo.rds")
        imports <- if (file.exists(info)) vapply(readRDS(info)$imports, function(one) as.character(one[[1L]])[1L], "")
        all <- setdiff(c(needs[[package]], imports), package)
        lines <- c(lines, paste0(directory, "\t", paste(sort(unique(all)), collapse = " ")))
    }
}
writeLines(sort(lines))
quit(status = if (length(lines) > 0) 0 else 1)
