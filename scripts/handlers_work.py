#!/usr/bin/env python3
"""Run functions from exactly what layerfit --handler keeps, and from the whole tree: they print the same.

    handlers_work.py --layerfit FILE TREE -- OPTION...

TREE is an R tree for /opt with the packages of these functions (scripts/demo-tree.sh TREE r-cran-tidyverse ...). Each of them
loads a package whose NAMESPACE imports what its DESCRIPTION does not name, or calls a function that calls one of R's own
packages without declaring it. Each is packed with --handler, and R runs it from the unzipped layers at /opt (r-works.sh).

The packages of LOADED, whose NAMESPACE imports more than their DESCRIPTION names, are loaded from exactly their layers too, and
have the same imports and objects there.

Prints one line for each. Exit 0: none failed; 1: some; 2: wrong arguments; 77: this machine does not allow mounts.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import checks
from checks import MISSING, Failed, NothingWorksHere, require

HERE = Path(__file__).resolve().parent

# The function, the package that it would lack if only DESCRIPTION was read, and its source.
FUNCTIONS = {
    "tidyverse": ("parallel", 'library(tidyverse)\nprint(read_csv(I("a,b\\n1,2\\n"), show_col_types = FALSE))\n'),
    "vegan": ("parallel", "library(vegan)\nprint(round(diversity(c(1, 2, 3)), 6))\nprint(class(rda(matrix(c(1, 4, 2, 8, 5, 7), 3))))\n"),
    "glmmtmb": ("TMB", "library(glmmTMB)\nprint(signif(fixef(glmmTMB(mpg ~ wt, data = mtcars))$cond, 3))\n"),
    "segmented": (
        "splines",
        "library(segmented)\nset.seed(1)\nx <- 1:50\ny <- pmin(x, 25) + rnorm(50) / 10\n"
        "print(round(segmented(lm(y ~ x), seg.Z = ~x)$psi[, 2]))\n",
    ),
    "aplpack": ("tcltk", "library(aplpack)\nstem.leaf(c(10, 11, 22, 23, 31, 47))\n"),
    "xml2": ("tools", 'library(xml2)\nf <- tempfile(fileext = ".xml")\nwriteLines("<a>1</a>", f)\nprint(xml_text(read_xml(f)))\n'),
}

# Packages whose NAMESPACE imports from what is nowhere in the closure of their DESCRIPTION, and one such package of each.
LOADED = {
    "aplpack": "tcltk",
    "bibtex": "tools",
    "broom.mixed": "splines",
    "collapse": "parallel",
    "etm": "parallel",
    "glmmTMB": "TMB",
    "googleVis": "tools",
    "repr": "tools",
    "rslurm": "parallel",
    "rstan": "StanHeaders",
    "satellite": "raster",
    "segmented": "splines",
    "snow": "parallel",
    "tikzDevice": "grid",
    "vegan": "tools",
}

# What a package is loaded with: what it imports, what it attaches, and everything that it exports.
LOAD = """suppressPackageStartupMessages(library({0}))
objects <- mget(getNamespaceExports("{0}"), envir = asNamespace("{0}"), inherits = TRUE)
print(sort(unique(names(getNamespaceImports("{0}")))))
print(sort(search()))
print(table(vapply(objects, function(object) class(object)[1], "")))
"""


class Bench:
    def __init__(self, given, temp):
        self.layerfit, self.tree, self.options, self.temp = given.layerfit.resolve(), given.tree.resolve(), given.options, temp

    def r(self, tree, script):
        done = subprocess.run(
            [HERE / "r-works.sh", tree, script], capture_output=True, encoding="utf-8", errors="replace"
        )
        if done.returncode == MISSING:
            raise NothingWorksHere(done.stderr.strip().splitlines()[-1])
        return done

    def function(self, name, needed, source):
        script = self.temp / f"{name}.R"
        script.write_text(source)
        before = self.r(self.tree, script)
        out = self.temp / "layers"
        packed = subprocess.run(
            [self.layerfit, "pack", self.tree, "-o", out, "--handler", script, "--format", "json", *self.options],
            capture_output=True,
            encoding="utf-8",
        )
        require(packed.returncode in (0, 1), f"pack: exit {packed.returncode}: {packed.stderr[-600:]}")
        report = json.loads(packed.stdout)
        packages = report["packages"]
        content = self.temp / "opt"
        for path in sorted(out.glob("*.zip")):
            subprocess.run(["unzip", "-qo", path, "-d", content], check=True)
        kept = {package["name"] for package in packages if package["kept"]}
        require(needed in kept, f"{needed} is not kept")
        after = self.r(content, script)
        if before.returncode != 0:
            # What the tree itself cannot load is an error before it is tried.
            errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
            require(errors, f"it does not run from the tree, and no finding says why: {before.stderr[-600:]}")
            last = [done.stderr.strip().splitlines()[-1:] for done in (before, after)]
            require(after.returncode != 0 and last[0] == last[1], f"{last[1]} from the layers, {last[0]} from the tree")
            return f"{needed} is kept; it fails from the tree and from the layers, as {errors[0]['code']} says"
        require(after.returncode == 0, f"it does not run from the layers: {after.stderr[-600:]}")
        if before.stdout != after.stdout:
            raise Failed(f"it prints {after.stdout[-300:]!r} from the layers, {before.stdout[-300:]!r} from the tree")
        all_packages = len(list(self.tree.glob("**/Meta/package.rds")))
        return f"{len(kept)} of {all_packages} packages are kept; it prints the same {len(after.stdout)} bytes"


def check_of(name, needed, source):
    def check(bench):
        return bench.function(name, needed, source)

    check.__name__ = name
    return check


def main():
    all_checks = [check_of(name, needed, source) for name, (needed, source) in FUNCTIONS.items()]
    all_checks += [check_of(f"load_{name}", needed, LOAD.format(name)) for name, needed in LOADED.items()]
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layerfit", type=Path, default=HERE.parent / "target/release/layerfit")
    parser.add_argument("tree", type=Path)
    checks.add_arguments(parser, all_checks)
    given = parser.parse_args(words[:cut])
    given.options = words[cut + 1 :]
    if not (given.tree / "R/bin/Rscript").exists():
        parser.error(f"{given.tree} does not contain R/bin/Rscript")
    return checks.run_apart(all_checks, given.only, lambda temp: Bench(given, temp))


if __name__ == "__main__":
    sys.exit(main())
