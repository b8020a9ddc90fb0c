# One command for each intention; `make` alone lists them. Every target first makes .venv when it is missing or old.
# Settings: PYTHON (3.11 to 3.13), SANDBOX_NAME (another sandbox beside the default one), STAGES (of make test).
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
STAGES ?=
python := .venv/bin/python
export PYTHON

##@ See it work
demo: .venv/.ready ## From nothing to a logged training run, on a local stand-in for Google Cloud
	@$(python) -m sandbox demo

screenshot: .venv/.ready ## Take the README's picture of the running demo (needs Chromium)
	@$(python) scripts/screenshot.py

demo-down: .venv/.ready ## Remove what demo started (images and caches stay)
	@$(python) -m sandbox down

##@ Work on it
test: .venv/.ready ## Every test, with times; some of them: make test STAGES="lint unit"
	@$(python) -m scripts.test $(STAGES)

test-long: .venv/.ready ## Every case of the fault matrix (STAGES=faults: half an hour), and each tampering alone (40 minutes)
	@$(python) -m scripts.test --long $(STAGES)

bench: .venv/.ready ## What a run with nothing to do costs, beside today's other tools
	@$(python) -m scripts.bench

mutations: .venv/.ready ## Break fifty small things in plugins, one at a time, and count what the tests notice
	@$(python) -m scripts.mutation

lint: .venv/.ready ## Style and types alone
	@$(python) -m scripts.test lint

lock: .venv/.ready ## Make all locks anew from pyproject.toml and the roles' requirements
	@$(python) scripts/lock.py

##@ Use the sandbox
sandbox-up: .venv/.ready ## Start the sandbox alone: an empty Google Cloud project and a bare machine
	@$(python) -m sandbox up

sandbox-down: .venv/.ready ## Remove the sandbox (images and caches stay)
	@$(python) -m sandbox down

sandbox-env: .venv/.ready ## Point gcloud and Google's libraries at it: eval "$$(make sandbox-env)"
	@$(python) -m sandbox env

help: ## This list
	@awk -F ':.*## ' '/^##@/ {print "\n" substr($$0, 5)} /^[a-z-]+:.*## / {gsub(/\$$\$$/, "$$", $$2); printf "  make %-13s %s\n", $$1, $$2}' Makefile

# The script decides (by content, not by time) whether there is anything to do.
.venv/.ready: FORCE
	@scripts/bootstrap

FORCE:
.PHONY: demo screenshot demo-down test test-long bench mutations lint lock sandbox-up sandbox-down sandbox-env help FORCE
