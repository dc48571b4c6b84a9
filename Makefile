# Everything a developer types. `make help` lists it.

PYTHON ?= python3
UV ?= uv
ARGS ?=
# More test processes than cores: most tests wait for servers, clocks and other processes. Each gets its tests one by
# one: of those handed out in advance, the long ones would all be in one queue.
JOBS ?= 4
BIN := .venv/bin
# What both lock files have in common; the one in deploy/ is of the image, without servers and tools.
HASHED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
LOCKING := $(HASHED) --extra a2a --extra alerts --extra telemetry --extra sentry

.DEFAULT_GOAL := help
.PHONY: help setup up down test test-browser chaos chaos-controls bench check clean lock mutants audit

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## .venv with the locked packages (the others do this themselves)
	@sh .ci/setup "$(PYTHON)"

up: setup ## the whole stack on this machine, until Ctrl-C; its data stays in .slotbeat
	@exec $(BIN)/slotbeat up $(ARGS)

down: setup ## stops what `make up` started elsewhere
	@exec $(BIN)/python -m console.local.down .slotbeat

test: setup ## the test suite, on servers of its own (ARGS="tests/rules -x" for a part)
	@exec $(BIN)/python -m pytest -n $(JOBS) --maxschedchunk=1 $(ARGS)

test-browser: setup ## the dashboard in a real browser (needs Chromium: apt-get install chromium)
	@exec $(BIN)/python -m pytest -p no:xdist tests/browser $(ARGS)

chaos: setup ## faults at random under load (CHAOS_SECONDS, default 600; CHAOS_SEED for the same plan again)
	@exec $(BIN)/python -m tests.chaos

chaos-controls: setup ## copies broken on purpose, which the chaos run must turn red (fifteen minutes)
	@exec $(BIN)/python -m tests.chaos.controls

bench: setup ## ours beside peers and limits (BENCH="claim upkeep" for some); writes bench/results/latest.json
	@exec $(BIN)/python -m bench

mutants: setup ## small changes of the code that a test must notice (MUTANTS=100 MUTANTS_SEED=1 ONLY=workers/guard.py)
	@exec $(BIN)/python -m tests.mutation

check: setup ## format, lint, imports, types, sizes, dead code
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/python .ci/limits.py
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/basedpyright

lock: ## requirements.lock again from pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	$(UV) pip compile pyproject.toml $(LOCKING) --extra embedded --extra dev --output-file requirements.lock $(ARGS)
	$(UV) pip compile pyproject.toml $(LOCKING) --constraints requirements.lock --output-file deploy/requirements.lock
	printf 'cyclonedx-bom>=7\npip-audit>=2.10\n' | $(UV) pip compile - $(HASHED) --output-file .ci/audit.lock

audit: ## known vulnerabilities of what is locked, and a list of it (sbom.json); fails where nobody can know
	@sh .ci/audit "$(PYTHON)"

clean: ## removes .venv and every cache; the data in .slotbeat stays
	rm -rf .venv .venv-audit sbom.json .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
