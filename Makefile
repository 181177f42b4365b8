# One door for people and for CI: every command below sets up what it needs first.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PATHS := src tests $(wildcard examples bench tools)

##@ Use
.PHONY: run
run: $(READY) ## Backtest an example on the embedded market and write a report
	@$(BIN)/interlock demo

##@ Verify
.PHONY: check
check: $(READY) ## Format, lint, types, floors and tidy rules (seconds)
	@step() { printf '%-8s' "$$1"; shift; "$$@"; }
	step format $(BIN)/ruff format --check --quiet $(PATHS) && echo 'as ruff writes it'
	step lint $(BIN)/ruff check $(PATHS)
	step types $(BIN)/mypy
	step floors $(BIN)/python tools/floors.py
	step tidy $(BIN)/python -m pytest tests/tidy -q -p no:randomly

.PHONY: test
test: check ## Everything in check, then the whole test suite
	@$(BIN)/python -m pytest -n 2 -q

.PHONY: capabilities
capabilities: $(READY) ## Promises proved by a test / total, by section
	@$(BIN)/python tools/capabilities.py

.PHONY: bench
bench: $(READY) ## Measure speed and memory against floors and peers, in one run
	@$(BIN)/python -m bench

##@ Maintain
.PHONY: setup
setup: $(READY) ## Create .venv and install the locked dependencies

.PHONY: format
format: $(READY) ## Rewrite the sources as ruff formats them
	@$(BIN)/ruff check --select I --fix --quiet $(PATHS)
	$(BIN)/ruff format $(PATHS)

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew into requirements.lock (needs uv)
	@uv=$$(command -v uv || echo $(BIN)/uv)
	[ -x "$$uv" ] || $(BIN)/python -m pip install --quiet uv
	"$$uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --group build --group dev pyproject.toml \
	    --output-file requirements.lock

.PHONY: clean
clean: ## Remove .venv and every cache in this folder; results and your data stay
	@rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests tools bench examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	echo

# The stamp is newer than the lock and the project settings, or set-up runs again.
$(READY): requirements.lock pyproject.toml
	@bash tools/setup.sh $(PYTHON) $(VENV)
	touch $@
