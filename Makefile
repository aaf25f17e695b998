# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 3
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test check unit bench lock clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

install: $(VENV)/.installed ## Create the virtual environment with the locked dependencies

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.bench: $(VENV)/.installed requirements-bench.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

demo: install ## Start an embedded fleet, run agents on it, drain a node, tidy up
	$(BIN)/phoenixctl demo run

test: install check ## Everything CI runs: checks, then every test, JOBS at a time
	rm -rf .pytest_cache
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup || $(BIN)/python -m tests.alone $$?

unit: install ## The tests that need nothing but Python, in seconds
	$(BIN)/python -m pytest tests/unit tests/scenarios tests/architecture

check: install ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check phoenixctl tests
	$(BIN)/ruff format --check phoenixctl tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.bench ## Benchmarks: ratios against peers measured in the same run
	$(BIN)/python -m tests.benchmarks

lock: ## Resolve the dependencies anew into the lock files
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --disable-pip-version-check pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --extra dev --extra opt --extra parquet --extra plot --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options -o requirements.lock pyproject.toml
	$(VENV)-lock/bin/pip-compile --quiet --extra bench --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options -c requirements.lock -o requirements-bench.lock pyproject.toml

clean: ## Remove what make created
	rm -rf $(VENV) $(VENV)-lock .mypy_cache .ruff_cache .pytest_cache
