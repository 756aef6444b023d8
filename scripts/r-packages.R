# Run by prove.py through r-works.sh: what every installed package needs to load, as R's own tools say. One line a
# package: its directory, a tab, and the packages that its Depends and Imports name, sorted and separated by spaces.
# Exits 0, or 1 when there is no package at all.

found <- list.files("/opt", pattern = "^package\\.rds$", recursive = TRUE, full.names = TRUE)
libraries <- sort(unique(dirname(dirname(dirname(found)))))
lines <- character()
for (library in libraries) {
    installed <- installed.packages(lib.loc = library, noCache = TRUE)
    needs <- tools::package_dependencies(rownames(installed), db = installed, which = c("Depends", "Imports"))
    for (package in names(needs)) {
        directory <- file.path(library, package)
        lines <- c(lines, paste0(directory, "\t", paste(sort(unique(needs[[package]])), collapse = " ")))
    }
}
writeLines(sort(lines))
quit(status = if (length(lines) > 0) 0 else 1)
