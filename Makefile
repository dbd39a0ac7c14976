.DEFAULT_GOAL := help
.PHONY: help run setup test check lint demo bench lock clean
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PROJECTS := libs/events libs/ops services/gateway services/parties services/library services/comments
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-annotate --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
ALONE := tests/browser/test_sync.py
PAGES := tests/browser tests/integration/test_bench.py
FAULTS := tests/faults
PAIRWISE := $(BIN)/pytest --numprocesses 2 --dist loadfile
CHECKED := libs services tests $(wildcard bench)

help: ## Show what can be asked for
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: .venv/.runtime ## Start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/matinee up

setup: .venv/.dev ## Make .venv with everything that tests and checks need

test: lint ## Everything: the checks, then every test with real servers
	@ended=0; \
	$(PAIRWISE) $(patsubst %,--ignore=%,$(PAGES) $(FAULTS)) || ended=1; \
	$(PAIRWISE) $(PAGES) --ignore=$(ALONE) || ended=1; \
	$(PAIRWISE) $(FAULTS) || ended=1; \
	$(BIN)/pytest $(ALONE) || ended=1; \
	exit $$ended

check: lint ## Format, lint, types, import direction and unit tests, in seconds
	@$(BIN)/pytest --quiet --numprocesses auto tests/unit

lint: .venv/.dev ## Format, lint, types and import direction
	@$(BIN)/ruff format --check --quiet $(CHECKED)
	@$(BIN)/ruff check --quiet $(CHECKED)
	@$(BIN)/mypy $(CHECKED)
	@$(BIN)/lint-imports --no-logo

demo: .venv/.runtime ## Two guests watch together, against a running `make run`
	@$(BIN)/matinee demo

bench: .venv/.dev ## Run every bench, one after the other
	@$(BIN)/python -m bench

bench-%: .venv/.dev ## Run one bench: make bench-fanout
	@$(BIN)/python -m bench $*

lock: .venv/.dev ## Resolve requirements*.in anew (needs pip-tools)
	@$(PIP) install pip-tools
	@$(COMPILE) --output-file requirements.lock requirements.in
	@$(COMPILE) --output-file requirements-dev.lock requirements-dev.in

clean: ## Remove .venv, caches and the data under .matinee
	@rm -rf .venv .matinee .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: requirements.lock $(PROJECTS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Matinee needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 ...")'
	@echo "Setting up .venv from requirements.lock (once; takes about half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps $(PROJECTS:%=-e %)
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@echo "Adding what tests and checks need from requirements-dev.lock"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
