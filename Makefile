# make demo: gets a real R from the Debian or Ubuntu archive, packs it into layers, shows the report.
# make test: every check, the real R included.
# Both need Rust (rustfmt and clippy for the test); they install what else is missing when run as root, or say how.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo test check-code prove prove-examples packing-truth page-works publish-works action-works outputs-work bench reports fuzz mutants static package needs clean

# Where everything goes that is not in the repository.
work := target/demo
tree := $(work)/opt
layerfit := target/release/layerfit
# The demo's R is built for the release of Debian or Ubuntu that runs here, so it is checked against this machine.
runtime := --runtime host
# A function in R, from the packed layers.
hello := --code $(work)/hello --handler hello.handler --event $(work)/hello/event.json --timeout 10 --memory 256
# The program alone: with examples, cargo would build it and its dependencies with the features that dev-dependencies add, and
# so again for each target that builds it otherwise (here, in `cargo install` of the action, and in the demo).
release := cargo build --release --locked

demo: needs
	$(release)
	scripts/demo-tree.sh $(tree)
	@echo; echo '$$ layerfit pack $(tree) -o $(work)/layers $(runtime)'
	@$(layerfit) pack $(tree) -o $(work)/layers $(runtime)
	@echo; echo 'Layers, manifest and report: $(work)/layers'
	@rm -rf $(work)/hello; cp -r examples/hello $(work)/hello; $(layerfit) init --bootstrap $(work)/hello >/dev/null
	@echo; echo '$$ layerfit invoke $(work)/layers $(hello)'
	@$(layerfit) invoke $(work)/layers $(hello) || { [ $$? = 2 ] && echo 'The rest of the demo is done.'; }

test: needs check-code prove page-works outputs-work publish-works action-works

check-code:
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked
	cargo test --locked

# What layerfit promises of a real tree, proven on the demo's (scripts/prove.py says how); R runs from the packed layers.
# Then bootstrap/ serves events with the demo's R, and functions run from the layers as in Lambda (scripts/invoke_works.py).
# The example is the one that `cargo test` has built. With 100 runs killed at random moments: make prove KILLS=100
prove:
	scripts/needs.sh functions
	$(release)
	cargo build --locked --example loader_truth
	scripts/demo-tree.sh $(tree)
	python3 scripts/prove.py --layerfit $(layerfit) $(if $(KILLS),--kills $(KILLS)) $(tree) -- $(runtime)
	python3 scripts/bootstrap_works.py $(tree)
	python3 scripts/invoke_works.py --layerfit $(layerfit) $(tree) -- $(runtime)

# What report.html promises, tried in a browser (scripts/page_works.py says how).
page-works: needs
	scripts/needs.sh browser
	$(release)
	scripts/demo-tree.sh $(tree)
	/usr/bin/python3 scripts/page_works.py --layerfit $(layerfit) $(tree) -- $(runtime)

# SARIF, JUnit and JSON against other people's validators, from PyPI (scripts/outputs_work.py says how).
outputs-work: needs
	scripts/needs.sh python
	$(release)
	python3 scripts/outputs_work.py --layerfit $(layerfit)

# Layers go to a server that speaks for AWS by the real AWS CLI (scripts/publish_works.py says how); both are from PyPI.
publish-works: needs
	scripts/needs.sh python
	$(release)
	python3 scripts/publish_works.py --layerfit $(layerfit)

# action.yml and the pre-commit hook, run as GitHub and pre-commit do (scripts/action_works.py says how).
action-works: needs
	scripts/needs.sh python
	$(release)
	python3 scripts/action_works.py

# R's own examples print the same from the layers as from the tree: some minutes more than `make prove`.
prove-examples: needs
	$(release)
	scripts/demo-tree.sh $(tree)
	python3 scripts/prove.py --layerfit $(layerfit) --examples --only r-reads-the-same-values \
		--only r-does-what-its-examples-did $(tree) -- $(runtime)

# The packer's counts of layers against OR-Tools' CP-SAT, from PyPI, on hundreds of instances; some minutes.
packing-truth: needs
	python3 scripts/packing_truth.py

# layerfit against zip and 7z on the demo's tree, or on another: make bench TREE=DIR
bench:
	scripts/needs.sh bench
	$(release)
	$(if $(TREE),,scripts/demo-tree.sh $(tree))
	python3 benches/peers.py --layerfit $(layerfit) $(or $(TREE),$(tree))

# Half an hour for each reader of files that strangers make: make fuzz MINUTES=30
fuzz: needs
	scripts/needs.sh fuzz
	scripts/fuzz.sh $(or $(MINUTES),30)

# Wrong edits that no test notices (scripts/mutants.py says how). All of them take most of a day; one part of 20, or 60 that are
# drawn by a fixed seed, an hour: make mutants SHARD=0/20, or make mutants SAMPLE=60 SEED=1
mutants: needs
	scripts/needs.sh mutants
	python3 scripts/mutants.py $(if $(SHARD),--shard $(SHARD)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

# One binary that needs no library of the machine it runs on: target/ARCH-unknown-linux-musl/dist/layerfit
static := $(shell uname -m)-unknown-linux-musl
static:
	scripts/needs.sh static
	rustup target add $(static)
	cargo build --profile dist --locked --target $(static)
	! readelf -lW target/$(static)/dist/layerfit | grep INTERP

# The crate as it would be published, built from nothing but what is in it: a file that is embedded and left out fails it.
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
