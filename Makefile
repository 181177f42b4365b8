# One door for people and for CI: every command below sets up what it needs first.
.DEFAULT_GOAL := help
SHELL := bash
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := src tests tools $(wildcard bench examples)

##@ Use
.PHONY: run
run: $(READY) ## Watch a strategy trade on an exchange on this machine, faults included
	@# On a terminal in a process group of its own: Ctrl-C ends the demonstration, and not make.
	@if [ -t 0 ]; then set -m; fi; $(BIN)/interlock demo; exit $$?

##@ Verify
.PHONY: check
check: $(READY) ## Format, lint, types, floors and tidy rules (seconds)
	@echo "format" && $(BIN)/ruff format --check $(SOURCES)
	@echo "lint" && $(BIN)/ruff check $(SOURCES)
	@echo "types" && $(BIN)/mypy
	@echo "floors" && $(BIN)/lint-imports --no-logo --cache-dir .cache/import_linter
	@echo "tidy" && $(BIN)/python -m pytest tests/tidy -q

.PHONY: test
test: check ## Everything in check, then the whole test suite
	@$(BIN)/python -m pytest -n 2 -q

.PHONY: scenarios
scenarios: $(READY) ## Complaints of bot users against a real exchange and engine (minutes)
	@$(BIN)/interlock scenario run --all

.PHONY: kill-tests
kill-tests: $(READY) ## Kill the engine at every point of a session and its requests (minutes)
	@$(BIN)/python -m tests.end_to_end.kill_sweep

.PHONY: simulate
simulate: $(READY) ## The whole system under 2,000 seeds of faults, in virtual time (an hour or less)
	@$(BIN)/interlock simulate --seeds 2000

.PHONY: capabilities
capabilities: $(READY) ## Promises proved by a test / total, by section
	@$(BIN)/python tools/capabilities.py

.PHONY: coverage
coverage: $(READY) ## Branches of the kernel, the model, comparison and recovery (minutes)
	@$(BIN)/python tools/branches.py

.PHONY: bench
bench: $(READY) ## Measure speed and memory against floors and peers, in one run
	@$(BIN)/python -m bench

.PHONY: bench-peers
bench-peers: $(READY) ## Install the libraries that bench compares with, each in its own place
	@$(BIN)/python -m bench.setup

##@ Maintain
.PHONY: setup
setup: $(READY) ## Create .venv and install the locked dependencies

.PHONY: format
format: $(READY) ## Rewrite the sources as ruff formats them
	@$(BIN)/ruff check --select I --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group build --group dev pyproject.toml --output-file requirements.lock

.PHONY: clean
clean: ## Remove .venv and the caches of this folder; results and your data stay
	@rm -rf $(VENV) .cache
	@find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is older than the lock or the settings only when set-up must run again.
$(READY): requirements.lock pyproject.toml
	@bash tools/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@
