# Everything a developer runs. `make demo` and `make test` do all the set-up themselves, with Python and make alone.

VENV   ?= .venv
PYTHON ?= python3
PY      = $(VENV)/bin/python
STAMP   = $(VENV)/.installed

.PHONY: help demo test check fix bench soak clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "nexq needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## Start everything in one process, with demo handlers and a little traffic
	$(PY) -m nexq up --demo

test: $(STAMP) ## The whole suite: lint, types, contract, faults
	$(PY) -m pytest -n 2 --dist loadfile --durations=10

check: $(STAMP) ## Lint and types only
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy && $(PY) -m pyright

fix: $(STAMP) ## Format, and fix what can be fixed
	$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

bench: $(STAMP) ## All benchmarks, beside the floor and the peers (installs the peers on first use)
	$(PY) -m benchmarks.run

soak: $(STAMP) ## 10,000 worker kills; 200 bridge kills and 10 restarts of RabbitMQ with 100,000 messages; 1,000 programs that try to stay; on Pogocache 10,000 dropped replies, 200 ends of the server
	NEXQ_SOAK_KILLS=10000 $(PY) -m pytest tests/faults/test_kills.py -s
	NEXQ_BRIDGE_KILLS=200 NEXQ_BRIDGE_RESTARTS=10 NEXQ_BRIDGE_MESSAGES=100000 $(PY) -m pytest tests/bridges/test_kills.py -s
	SOAK_PROGRAMS=1000 $(PY) -m pytest tests/modules/test_shell.py -k soak -s
	NEXQ_SOAK_DROPS=10000 NEXQ_SOAK_POGOCACHE_KILLS=200 \
	  $(PY) -m pytest tests/pogocache/test_lost_replies.py tests/pogocache/test_server_ends.py -s

clean: ## Remove the virtual environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist .nexq
