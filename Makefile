# Everything runs in .venv, which `make setup` creates from constraints.txt; nothing is installed elsewhere.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(sort $(wildcard plugins/*/pyproject.toml)))
STAMP := $(VENV)/.installed
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

setup: $(STAMP)  ## create .venv with the core and every shipped plugin, editable, versions pinned

$(STAMP): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: rm -r $(VENV) && make setup PYTHON=python3.12"; exit 1; }
	@echo "installing the core and $(words $(PLUGINS)) plugins into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools wheel
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation \
		-r requirements-dev.txt -e . $(addprefix -e ./,$(PLUGINS))
	@touch $@

demo: setup  ## a simulated line -> memory_buffer -> sqlite_sink; a status line a second; Ctrl-C ends it
	@exec $(BIN)/agent run agent.yaml --status-every 1s

test: setup  ## every test but the long ones, under 5 minutes
	@$(BIN)/python -m pytest

lint: setup  ## ruff, mypy --strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean:  ## remove .venv and what tools left behind
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.PHONY: help setup demo test lint clean
