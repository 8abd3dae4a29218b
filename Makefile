# Every target sets up what it needs; `make demo` and `make test` are all that a newcomer has to know.
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := shared/contracts shared/counting shared/runtime shared/collecting shared/readmodel shared/judging shared/rollouts services/collector services/analyzer services/controller services/console services/notifier simulator cli
EDITABLE := $(foreach member,$(MEMBERS),-e ./$(member))
PROJECTS := $(foreach member,$(MEMBERS),$(member)/pyproject.toml)

SEED ?=
RUNS ?= 200
MINUTES ?= 10
SECONDS ?= 120

.PHONY: help install demo test test-long servers bare check bench chaos soak lock schemas docs clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: .venv/.installed  ## create .venv from the hashed lock, with uv where there is one, else with pip

.venv/.installed: requirements.lock $(PROJECTS)
	@if command -v uv >/dev/null 2>&1; then \
	  set -e; [ -x $(BIN)/python ] || uv venv --quiet --python '>=3.11' .venv; \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE); \
	else \
	  set -e; [ -x $(BIN)/python ] || $(PYTHON) -m venv .venv; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLE); \
	fi
	@touch $@

demo: install  ## a good canary promoted, a bad and a slow one aborted, one without metrics held
	@$(BIN)/serinus demo

test: install  ## all tests that this machine can run in some minutes
	@$(BIN)/pytest -n 3 --dist worksteal -m 'not long'

test-long: install  ## whole releases under faults, kills and failovers
	@$(BIN)/pytest -n 2 --dist worksteal -m long

servers:  ## build Prometheus 3, VictoriaMetrics, Thanos (needs Go), count over each for a while (SECONDS=1200)
	@GOBIN=$(CURDIR)/.servers go install github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v1.151.0
	@GOBIN=$(CURDIR)/.servers go install -tags remove_all_sd,slicelabels github.com/prometheus/prometheus/cmd/prometheus@v0.316.0
	@# Thanos replaces modules of others, which go install refuses; without the tag it panics.
	@[ -x .servers/thanos ] || { set -e; rm -rf .servers/source; \
	  cp -r "$$(go mod download -json github.com/thanos-io/thanos@v0.42.4 | sed -n 's/.*"Dir": "\(.*\)",/\1/p')" .servers/source; \
	  chmod -R u+w .servers/source; (cd .servers/source && go build -tags slicelabels -o ../thanos ./cmd/thanos); }
	@SERINUS_TEST_SERVERS_SECONDS=$(SECONDS) $(BIN)/pytest -s -m servers tests/system/test_servers.py

bare:  ## demo and test in a fresh clone, with nothing but Python, make and git
	@PYTHON=$(PYTHON) .ci/bare

check: install  ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: install  ## every benchmark in its quick form
	@set -e; for file in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) --quick; done

chaos: install  ## 200 releases while everything goes wrong (SEED=7 RUNS=200)
	@$(BIN)/python -m tests.chaos --runs $(RUNS) $(if $(SEED),--seed $(SEED))

soak: install  ## 200 live runs for ten minutes: no process grows (MINUTES=60)
	@$(BIN)/python -m tests.chaos.soak --runs $(RUNS) --minutes $(MINUTES)

schemas: install  ## write JSON Schemas, AsyncAPI, OpenAPI, the chart's schema and the custom resource anew
	@$(BIN)/python -m serinus_contracts.schemas docs/schemas
	@$(BIN)/python -m serinus_console.openapi > docs/openapi.json
	@$(BIN)/python -m tools.chart
	@mkdir -p deploy/crd
	@$(BIN)/python -c 'import sys, yaml; from serinus_contracts.crd import custom_resource_definition as crd; \
	  yaml.safe_dump(crd(), sys.stdout, sort_keys=False, width=110)' > deploy/crd/canarypolicies.yaml

docs: schemas  ## write the reference pages anew, from models and commands
	@$(BIN)/python -m tools.reference docs/reference

lock:  ## resolve requirements.lock and the hashes of uv anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  $(shell grep -ho '^name = "serinus[a-z-]*"' $(PROJECTS) | sed -E 's/name = "(.*)"/--no-emit-package \1/') \
	  --custom-compile-command 'make lock' --group dev pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make lock' -c requirements.lock --group packaging -o tools/packaging.txt
	@(sed -n '/^#/p' tools/requirements.txt; sed -n 's/^\(uv==[0-9.]*\).*/\1/p' tools/requirements.txt \
	  | uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url -) > tools/.made
	@mv tools/.made tools/requirements.txt

clean:  ## remove the environment and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
