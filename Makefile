# otomax-gateway: `make demo` shows the whole job, `make test` proves it. Nothing needs to be installed before:
# the first call makes .venv from the package index that pip is set up for, the second one starts at once.

VENV := .venv
BIN := $(VENV)/bin
# The newest Python on this machine that is at least 3.11.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test browser days proof bench guide screenshots lint format clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/run.stamp ## the whole job on this machine alone (make demo ARGS=--once ends by itself)
	@$(BIN)/otomax-gateway demo $(ARGS)

test: $(VENV)/dev.stamp ## every test (make test ARGS="tests/protocol -k order" for some of them)
	@$(BIN)/pytest $(ARGS)

browser: $(VENV)/dev.stamp ## the dashboard in a real browser, Chromium (make browser ARGS="-k receipt" for some of it)
	@$(BIN)/pytest tests/browser $(ARGS)

days: $(VENV)/dev.stamp ## what takes whole minutes: the guide typed from end to end, gateways that share a journal measured
	@$(BIN)/pytest tests/days $(ARGS)

proof: $(VENV)/dev.stamp ## the long proof, some 25 minutes, one table at the end (KILLS=1000, ARGS="kills power", STORAGE=postgresql)
	@$(BIN)/python -m tests.proof.run_proof $(ARGS)

bench: $(VENV)/run.stamp ## the figures beside a bare proxy, some 10 minutes (make bench ARGS=--fast for a quick look)
	@$(BIN)/otomax-gateway bench $(ARGS)

guide: $(VENV)/dev.stamp ## write the pages of docs/ that are made from the program's own tables
	@$(BIN)/python -m tests.docs.run_pages

screenshots: $(VENV)/dev.stamp ## take the pictures of docs/images with this machine's Chromium
	@$(BIN)/python -m tests.browser.run_screenshots $(ARGS)

lint: $(VENV)/dev.stamp ## ruff, mypy strict, import contracts, known holes in what is installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.supply.run_audit

format: $(VENV)/dev.stamp ## lay the code out and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "otomax-gateway needs Python 3.11 or newer; none was found (set PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON) (once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf $(VENV); exit 1; }

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what the gateway runs with (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what the tests run with (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/run.stamp
