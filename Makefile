# Everything runs in .venv, which `make setup` creates from constraints.txt; nothing is installed elsewhere.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed
# Most of the time of the tests is spent waiting, so that two cores have work for three.
WORKERS ?= 3
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP)  ## create .venv with the core and every shipped plugin, editable, versions pinned

$(STAMP): pyproject.toml constraints.txt requirements.txt requirements-dev.txt $(wildcard plugins/*/pyproject.toml kits/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make setup PYTHON=python3.12"; exit 1; }
	@echo "installing the core and its plugins into $(VENV), once; this takes a minute or two ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt setuptools wheel
	@$(PIP) install -c constraints.txt --no-build-isolation -r requirements-dev.txt
	@touch $@

demo: setup  ## a simulated line -> memory_buffer -> sqlite_sink, a status line a second; Ctrl-C ends it
	@exec $(BIN)/tagferry run agent.yaml --status-every 1s

plant: setup  ## the main job: a Modbus server of 3,491 tags -> agent -> Oracle stand-in, compared row by row
	@PYTHONPATH=tests $(BIN)/python -m runs.reference_plant

test: setup  ## every test but the long ones, in under 5 minutes; WORKERS=0 for one process
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

browser: setup  ## the dashboard in a real Chromium
	@$(BIN)/python -m pytest -m browser plugins/http_monitor

lint: setup  ## ruff, mypy --strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup  ## every benchmark, as ratios within one run
	@for file in tests/benchmarks/*.py plugins/*/benchmarks/*.py; do \
		echo "== $$file"; $(BIN)/python $$file || exit 1; done

chaos: setup  ## the fault tests at full length
	@$(BIN)/python -m pytest -m chaos

isolation: setup  ## every plugin and kit alone, with what its metadata names and nothing else
	@$(BIN)/python -m pytest -m isolation tests/distributions -n $(WORKERS) --dist worksteal

drivers: setup  ## the Oracle driver's published behaviour, on the oldest and the newest supported version
	@$(BIN)/python -m oracle_standin.check_drivers

dist: $(STAMP)  ## wheels and source distributions of the core, the plugins and the kits, into dist/
	@$(BIN)/python .ci/build.py dist

clean:  ## remove .venv and what the tools left behind
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.PHONY: help setup demo plant test browser lint bench chaos isolation drivers dist clean
