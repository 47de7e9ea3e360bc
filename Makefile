# Everything runs in .venv, which is created from constraints.txt; nothing is installed elsewhere.
# A user's environment holds requirements.txt alone; the developer's tools would make it five times as large.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := $(VENV)/.installed
DEVELOPER := $(VENV)/.developer
PACKAGES := pyproject.toml constraints.txt requirements.txt $(wildcard plugins/*/pyproject.toml)
# Much of the time of the tests is spent waiting, so that two cores have work for four.
WORKERS ?= 4
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(INSTALLED)  ## create .venv with the core and every plugin, editable, versions pinned

develop: $(DEVELOPER)  ## the same, with the kits and what tests and linters need

$(INSTALLED): $(PACKAGES)
	$(call install,requirements.txt,less than a minute)
	@touch $(INSTALLED)

$(DEVELOPER): $(PACKAGES) requirements-dev.txt $(wildcard kits/*/pyproject.toml)
	$(call install,requirements-dev.txt,a minute or two)
	@touch $(INSTALLED) $(DEVELOPER)

# $(call install,FILE,HOW LONG)
define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; name one: make setup PYTHON=python3.12"; exit 1; }
@echo "installing $(1) into $(VENV), once; this takes $(2) ..."
@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
@$(PIP) install -c constraints.txt setuptools
@$(BIN)/python .ci/build.py editable $(1) $(VENV)/editable
@$(PIP) --quiet uninstall --yes -r $(VENV)/editable/names.txt
@$(PIP) install --no-compile -c constraints.txt -r $(VENV)/editable/requirements.txt
endef

demo: setup  ## a simulated line -> memory_buffer -> sqlite_sink, one status line per second; Ctrl-C ends it
	@exec $(BIN)/tagferry run agent.yaml --status-every 1s

plant: develop  ## the main job: a Modbus server of 3,491 tags -> agent -> Oracle stand-in, compared row by row
	@PYTHONPATH=tests $(BIN)/python -m runs.reference_plant

test: develop  ## every test but the drills and the long ones, in under 5 minutes; WORKERS=0 for one process
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

drills: develop  ## the agent as a process: killed at each moment, the database or the disk away, replays
	@$(BIN)/python -m pytest -m "drill and not chaos" tests/runs -n $(WORKERS) --dist worksteal

browser: develop  ## the dashboard in a real Chromium
	@$(BIN)/python -m pytest -m browser plugins/http_monitor

lint: develop  ## ruff, mypy --strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: develop  ## every benchmark, as ratios within one run
	@for file in tests/benchmarks/*.py plugins/*/benchmarks/*.py; do \
		echo "== $$file"; $(BIN)/python $$file || exit 1; done

chaos: develop  ## the fault tests at full length
	@$(BIN)/python -m pytest -m chaos

simulate: develop  ## deterministic histories of the agent: SEEDS=1000, SEED=7 for one with its last points, or MONTH=1
	@PYTHONPATH=tests $(BIN)/python -m simulation $(if $(MONTH),--days 30) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --go-on)

planted: develop  ## bugs planted in the agent's code, one after another: the histories must find each
	@PYTHONPATH=tests $(BIN)/python -m simulation --mutants $(if $(QUICK),--quick)

mutants: develop  ## small changes to the critical files: the tests must notice; FILES="csv_sink line.py" BUDGET=30 RESUME=1
	@PYTHONPATH=tests $(BIN)/python -m mutation $(FILES) $(if $(BUDGET),--budget $(BUDGET)) \
		$(if $(SAMPLE),--sample $(SAMPLE)) $(if $(RESUME),--resume)

alone: develop  ## each distribution: built, alone, and removed; the quick tests of each
	@$(BIN)/python -m pytest -m alone tests/distributions tests/runs/removed_plugin -n $(WORKERS) --dist worksteal

isolation: develop  ## every plugin and kit alone, with what its metadata names and nothing else
	@$(BIN)/python -m pytest -m isolation tests/distributions -n $(WORKERS) --dist worksteal

drivers: develop  ## the Oracle driver's published behaviour on its oldest and newest version, and node-oracledb
	@$(BIN)/python -m oracle_standin.check_drivers

dist: setup  ## wheels and source distributions of the core, the plugins and the kits, into dist/
	@$(BIN)/python .ci/build.py dist dist

clean:  ## remove .venv, dist and what the tools left behind
	@rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.PHONY: help setup develop demo plant test drills browser lint bench chaos simulate planted mutants alone isolation drivers dist clean
