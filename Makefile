# make demo: get R from the Debian or Ubuntu archive, pack it into layers, and run a function from them.
# make test: run every check, including those with a real R.
# Both need Rust (rustfmt and clippy for the tests). Other missing prerequisites are installed when run as root; otherwise the
# command that installs them is printed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo test check-code proofs prove prove-layers prove-functions prove-examples prove-calls prove-handlers prove-archive prove-languages prove-data packing-truth prove-zips page-works publish-works action-works outputs-work shared-cache-works bench bench-scale bench-cold-start reports fuzz mutants dist wheel image try-install advisories package needs clean

# Everything that is generated is below target/.
work := target/demo
tree := $(work)/opt
layerfit := target/release/layerfit
# The demo's R is built for this machine's release of Debian or Ubuntu, so it is checked against this machine.
runtime := --runtime host
# Options of an example function in R.
hello := --code $(work)/hello --handler hello.handler --event $(work)/hello/event.json --timeout 10 --memory 256
# Without examples: with them, cargo would also enable the features that dev-dependencies need, and so rebuild everything
# between this and the targets that build the program alone (such as `cargo install` in the action).
release := cargo build --release --locked

# The demo's program is that of `cargo build`, and of the tests: it compiles in a fraction of the time, and packs as fast, as
# the crates in which packing spends its time are optimized in that profile too.
built := target/debug/layerfit
demo:
	@echo 'This compiles layerfit, downloads an R with its libraries from the archive of your distribution (90 MB), packs it'
	@echo 'into layers, and runs a function in R from them. It takes up to 3 minutes on 2 cores, the next time some seconds,'
	@echo 'and 1.5 GB under target/.'; echo
	@scripts/needs.sh
	cargo build --locked
	scripts/demo-tree.sh $(tree)
	@echo; echo '$$ layerfit pack $(tree) -o $(work)/layers $(runtime)'
	@$(built) pack $(tree) -o $(work)/layers $(runtime)
	@rm -rf $(work)/hello; cp -r examples/hello $(work)/hello; $(built) init --bootstrap $(work)/hello >/dev/null
	@echo; echo '$$ layerfit invoke $(work)/layers $(hello)'
	@$(built) invoke $(work)/layers $(hello) \
		&& echo && echo 'That was R, which answered an event from the layers. What next:' \
		|| { [ $$? = 2 ] && echo && echo 'The function could not run here; everything else is done. What next:'; }
	@echo '  open $(work)/layers/report.html in a browser: where the bytes are, what needs what, and what else could go'
	@echo '  $(built) plan /opt: would your own tree fit and load? `pack /opt -o layers` writes its layers'

# The proofs mostly wait for programs that use one processor, such as R and the AWS CLI, or for time limits, so three of them run at a
# time. What they share is installed and built before.
test: needs check-code
	scripts/needs.sh functions
	scripts/needs.sh browser
	$(release)
	cargo build --locked --example loader_truth
	scripts/demo-tree.sh $(tree)
	$(MAKE) --no-print-directory -j 3 --output-sync=target proofs

proofs: prove-layers publish-works prove-functions page-works action-works outputs-work

check-code:
	scripts/needs.sh functions
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked
	cargo test --locked
	@# Dependencies and workflows. Where the programs cannot be installed, this is left out, but not in CI.
	python3 scripts/lint.py || { [ $$? = 77 ] && [ -z "$${CI:-}" ]; }

# RustSec's advisories about the dependencies.
advisories: needs
	python3 scripts/lint.py --only no-advisory-concerns-a-crate

# layerfit's promises on a real R.
prove: prove-layers prove-functions

# Verifies layerfit's promises on the demo's tree (see scripts/prove.py), and R from the packed layers.
# With 100 runs killed at random moments: make prove KILLS=100
prove-layers:
	scripts/needs.sh functions
	$(release)
	cargo build --locked --example loader_truth
	scripts/demo-tree.sh $(tree)
	python3 scripts/prove.py --layerfit $(layerfit) $(if $(KILLS),--kills $(KILLS)) $(tree) -- $(runtime)

# bootstrap/ serves events with the demo's R, and functions run from the layers as in Lambda (scripts/invoke_works.py).
prove-functions:
	scripts/needs.sh functions
	$(release)
	scripts/demo-tree.sh $(tree)
	python3 scripts/bootstrap_works.py $(tree)
	python3 scripts/invoke_works.py --layerfit $(layerfit) $(tree) -- $(runtime)

# Tests report.html in a browser (see scripts/page_works.py).
page-works: needs
	scripts/needs.sh browser
	$(release)
	scripts/demo-tree.sh $(tree)
	/usr/bin/python3 scripts/page_works.py --layerfit $(layerfit) $(tree) -- $(runtime)

# Validates SARIF, JUnit XML and JSON with third-party validators from PyPI (see scripts/outputs_work.py).
outputs-work: needs
	scripts/needs.sh python
	$(release)
	python3 scripts/outputs_work.py --layerfit $(layerfit)

# Publishes layers to a local AWS server with the AWS CLI, both from PyPI (see scripts/publish_works.py).
publish-works: needs
	scripts/needs.sh python
	$(release)
	python3 scripts/publish_works.py --layerfit $(layerfit)

# Shares compressed contents through a local S3 server from PyPI (see scripts/shared_cache_works.py). It builds layerfit with 80 more
# crates, so it runs every week, not with the tests.
shared-cache-works: needs
	scripts/needs.sh python
	cargo build --locked --features shared-cache --target-dir target/shared-cache
	python3 scripts/shared_cache_works.py --layerfit target/shared-cache/debug/layerfit

# Runs action.yml and the pre-commit hook as GitHub and pre-commit do (see scripts/action_works.py).
action-works: needs
	scripts/needs.sh python
	$(release)
	python3 scripts/action_works.py

# Compares what R's own examples print from the layers and from the tree; takes some minutes more than `make prove`.
prove-examples: needs
	$(release)
	scripts/demo-tree.sh $(tree)
	python3 scripts/prove.py --layerfit $(layerfit) --examples --only r-reads-the-same-values \
		--only r-does-what-its-examples-did $(tree) -- $(runtime)

# Compares what layerfit reads of R packages with what R reads, for the demo's tree and 400 packages of the archive; takes some
# minutes, or: make prove-calls DEBIAN=1300
prove-calls: needs
	$(release) --example r_calls
	scripts/demo-tree.sh $(tree)
	python3 scripts/calls_truth.py $(tree) --debian $(or $(DEBIAN),400)

# Runs functions in R from exactly what --handler keeps (see scripts/handlers_work.py).
handled := $(addprefix r-cran-,tidyverse vegan glmmtmb segmented aplpack bibtex broom.mixed collapse etm googlevis repr rslurm \
	rstan satellite snow tikzdevice)
prove-handlers: needs
	$(release)
	scripts/demo-tree.sh $(work)/handlers/opt $(handled)
	python3 scripts/handlers_work.py --layerfit $(layerfit) $(work)/handlers/opt -- $(runtime)

# Compares layerfit with R on some 700 packages of the archive (scripts/archive.toml): what they need, load and print, before and
# after packing (see scripts/archive_work.py). Takes an hour and 15 GB; what is done is kept, so a second start goes on. A sample takes
# some minutes: make prove-archive SAMPLE=20; all 1300 of the archive take two hours: make prove-archive ALL=1
archive := target/archive$(if $(ALL),-all)$(if $(SAMPLE),-sample)
prove-archive:
	scripts/needs.sh functions
	$(release)
	cargo build --locked --example loader_truth --example r_calls
	python3 scripts/archive_work.py --layerfit $(layerfit) --work $(archive) $(if $(ALL),--all) \
		$(if $(SAMPLE),--sample $(SAMPLE) --examples 10) --report $(if $(SAMPLE),$(archive).md,reports/archive$(if $(ALL),-all).md)

# Compares layerfit with the dynamic loader, and packed layers with what was packed, on 18 trees from PyPI and 17 from npm
# (scripts/languages.toml), and `invoke` with AWS's runtime clients; takes 10 GB and half an hour. One tree:
# make prove-languages ONLY=python-science
prove-languages: needs
	scripts/needs.sh functions
	$(release)
	python3 scripts/languages_work.py --layerfit $(layerfit) $(if $(ONLY),--only $(ONLY),--report reports/languages.md)
	$(if $(ONLY),,python3 scripts/clients_agree.py --layerfit $(layerfit))

# Runs functions that open data (maps, fonts, certificates, time zones, drivers) in a root with only what Lambda's image has,
# before and after --bundle, and compares them with a build host (see scripts/data_work.py); packages of Debian's archive.
prove-data: needs
	scripts/needs.sh functions
	$(release)
	scripts/demo-tree.sh $(work)/data/opt $$(python3 scripts/data_work.py --packages)
	python3 scripts/data_work.py --layerfit $(layerfit) --keep $(work)/data/pictures $(work)/data/opt
	scripts/demo-tree.sh $(tree)
	python3 scripts/data_work.py --layerfit $(layerfit) --only r-reads-https --only curl-reads-https $(tree)

# Compares the packer with OR-Tools' CP-SAT, from PyPI, on hundreds of instances; takes some minutes.
packing-truth: needs
	python3 scripts/packing_truth.py

# Compares layerfit with zip and 7z on the demo's tree, or on another: make bench TREE=DIR
bench:
	scripts/needs.sh bench
	$(release)
	$(if $(TREE),,scripts/demo-tree.sh $(tree))
	python3 benches/peers.py --layerfit $(layerfit) $(or $(TREE),$(tree))

# Measures layerfit on trees that are much larger than any function's (see benches/scale.py); takes 5 GB below TMPDIR.
# One of them: make bench-scale ONLY=small
bench-scale:
	scripts/needs.sh bench
	$(release)
	cargo build --release --locked --example deflate_limit
	$(if $(TREE),,scripts/demo-tree.sh $(tree))
	python3 benches/scale.py --layerfit $(layerfit) $(if $(ONLY),--only $(ONLY)) $(or $(TREE),$(tree))

# What the form of a packed R costs when a function starts cold, and how many files there are (see benches/cold_start.py); needs
# root. TREE can have packages of Python in python/ instead.
bench-cold-start: needs
	$(release)
	scripts/demo-tree.sh $(tree)
	python3 benches/cold_start.py --layerfit $(layerfit) $(or $(TREE),$(tree))
	python3 benches/cold_start.py --layerfit $(layerfit)

# Compares `check` on 20,000 mutated zips with unzip and Python's zipfile (see scripts/zips_truth.py).
prove-zips: needs
	$(release)
	python3 scripts/zips_truth.py --layerfit $(layerfit)

# Fuzzes each parser of untrusted files for half an hour, or: make fuzz MINUTES=5
fuzz: needs
	scripts/needs.sh fuzz
	scripts/fuzz.sh $(or $(MINUTES),30)

# Mutation testing (see scripts/mutants.py). All mutants take most of a day; one of 20 shards, or a sample of 60, takes an hour:
# make mutants SHARD=0/20, or make mutants SAMPLE=60 SEED=1
mutants: needs
	scripts/needs.sh mutants
	python3 scripts/mutants.py $(if $(SHARD),--shard $(SHARD)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

# What is released, in target/released: the archive with the static program, the wheel, checksums (see scripts/dist.py). For another
# architecture: make dist ARCH=aarch64
arch := $(if $(ARCH),--arch $(ARCH))
dist:
	scripts/needs.sh $(if $(ARCH),cross,dist)
	python3 scripts/dist.py $(arch)

# The wheel alone.
wheel:
	scripts/needs.sh $(if $(ARCH),cross,dist)
	python3 scripts/dist.py $(arch) wheel

# The container image, for the architecture of each archive that `make dist` made.
image:
	scripts/needs.sh image
	python3 scripts/dist.py image

# Installs what is in target/released in bare environments, and runs it (see scripts/install_works.py).
try-install: dist
	scripts/needs.sh image
	python3 scripts/dist.py image
	python3 scripts/install_works.py

# Builds the crate from its package alone, which fails if an embedded file is not packaged.
package: needs
	cargo package --locked

reports: needs
	$(release)
	scripts/demo-tree.sh $(tree)
	cd $(work) && ../release/layerfit plan opt $(runtime) >../../reports/demo.txt
	cd $(work) && ../release/layerfit plan opt $(runtime) --format markdown >../../reports/demo.md
	cd $(work) && ../release/layerfit plan opt $(runtime) --format json >../../reports/demo.json

needs:
	@scripts/needs.sh

clean:
	rm -rf target
