# Everything lands in this folder: .tools (uv), .venv (Python packages), .postavka (servers, jars, data).
PYTHON ?= $(shell sh deploy/find-python.sh)
UV := .tools/bin/uv
RUN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help install copies develop lock clients up demo test quick check debian bench faults cluster attack pictures clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed  ## what the product needs at run time (demo and up call it themselves)

copies: .venv/.copies  ## beside it, what `postavka backup`, `restore` and exports in Parquet need

develop: .venv/.developing  ## beside it, what checks, tests and the benchmark need (they call it themselves)

$(UV):
	@echo "Installing uv into .tools, for $(PYTHON) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/uv-requirements.lock

# Installing anew takes nothing away that developing needs.
.venv/.installed: requirements.lock pyproject.toml | $(UV)
	@test -x .venv/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@echo "Installing Python packages into .venv (half a minute on a fast line) ..."
	@$(UV) pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes --requirements requirements.lock
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.copies: requirements-copies.lock | .venv/.installed
	@$(UV) pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes --requirements requirements-copies.lock
	@touch $@

.venv/.developing: requirements-dev.lock pyproject.toml | $(UV)
	@test -x .venv/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@echo "Installing Python packages for tests into .venv (half a minute on a fast line) ..."
	@$(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements-dev.lock
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch .venv/.installed .venv/.copies $@

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock: | $(UV)  ## pin every package anew after a change to pyproject.toml
	$(COMPILE) --upgrade --extra copies --extra dev pyproject.toml deploy/build-requirements.in -o requirements-dev.lock
	$(COMPILE) --constraints requirements-dev.lock pyproject.toml deploy/build-requirements.in -o requirements.lock
	echo pyarrow | $(COMPILE) --constraints requirements-dev.lock - -o requirements-copies.lock

clients: develop  ## clients for programs, in Python and TypeScript, out of the API's description (docs/clients.md)
	@$(RUN)/python -m clients.generate

up: install  ## start everything and stay up until Ctrl-C
	@$(RUN)/postavka up

demo: install  ## the same, with sample data and real requests walked through the log
	@$(RUN)/postavka demo

check: develop  ## linters, types and import contracts
	@$(RUN)/ruff check . && $(RUN)/ruff format --check . && $(RUN)/mypy && $(RUN)/lint-imports

debian:  ## Debian packages that some tests use (a browser, GOST signatures): installed where the system allows
	@deploy/debian-packages.sh

quick: develop  ## all tests that need no server and no browser
	@$(RUN)/python -m tests --quick -q

test: check debian  ## checks and all tests, against real servers started for the run
	@$(RUN)/python -m tests

bench: develop  ## measure this machine: requests/s, latency, rebuild
	@$(RUN)/python -m bench

SECONDS ?= 300
STARVED ?= 600
faults: develop  ## break everything at random for SECONDS, then take the processor away for STARVED (docs/faults.md); SEED=
	@$(RUN)/python -m tests.faults --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	@$(RUN)/python -m tests.faults.starvation --seconds $(STARVED)

cluster: develop  ## break three brokers and two PostgreSQL under load, drill by drill (docs/cluster.md); DRILL="promotion pause"
	@$(RUN)/python -m tests.cluster $(if $(DRILL),--drill $(DRILL))

attack: develop  ## 20,000 hostile records and 7,000 foreign probes beside honest traffic: nothing counts, nothing is shown; SEED=
	@$(RUN)/python -m tests.attack $(if $(SEED),--seed $(SEED))

PICTURES = .postavka/pictures
pictures: develop debian  ## take the pictures of docs/pages.md anew, as the browser tests go through the procedure
	@POSTAVKA_SCREENSHOTS=$(PICTURES) $(RUN)/pytest -q tests/browser
	@grep -o 'screenshots/[a-z-]*[.]png' docs/pages.md | sort -u | while read each; do cp $(PICTURES)/$${each#screenshots/} docs/$$each; done

clean:  ## remove everything installed and all data
	rm -rf .tools .venv .postavka clients/python clients/typescript
