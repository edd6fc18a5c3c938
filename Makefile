# What a clean clone needs: sh, GNU make, python3 >= 3.11 with venv. Go only for the Go client and its tests.
SHELL := /bin/sh
VENV := .venv/bin
export HOME := $(or $(HOME),$(CURDIR)/.tools/home)
# Only reno and its children read RENO_*; where CI is set, a skipped test fails the run.
# Two workers: half of what tests do is wait for processes.
PYTEST := $(VENV)/python -m pytest -n 2 --no-loadscope-reorder --durations=25 --durations-min=5 $(if $(CI),-p tests.house.no_skips)

.PHONY: help demo cassandra test check setup lint format types imports protos breaking generated proto lock clean deploy-check simulate properties faults mutants controls faults-page bench profile regression

help:
	@echo "make demo    the whole mesh on this machine, scene by scene, then it is gone"
	@echo "make cassandra   one Cassandra node in the foreground, for reno up --inbox cassandra"
	@echo "make test    every test          make check   every test and every rule"
	@echo "make deploy-check   the chart and the compose file, as far as this machine can"
	@echo "make simulate   seeded histories against every promise: SEEDS=1000000 FROM=0"
	@echo "make properties   session, lease table, gates, merge and cursor by drawn examples: EXAMPLES=1000000"
	@echo "make faults  runs of faults: RUNS=20 SEED=1 SECONDS=60 RATE=500 KILLS=5 MIX=kill,freeze=2,... SHAPE=fleet JOBS=2 REST=1 TRANSPORT=h2 CROWD=15000     make mutants   wrong products, each to be caught     make controls   CONTROLS=power-loss"
	@echo "make bench   all scenarios and docs/benchmarks.md: SCENARIO=peak QUICK=1 SET=rate=300000     make profile ROLE=ingestion   where its time goes, SCENARIO=peak"
	@echo "make regression   CPU of an event beside a reference loop"
	@echo "make proto   generate from protos/    make lock    requirements.lock from pyproject.toml"
	@echo "make setup   .venv alone         make clean   back to a fresh clone"

demo: setup
	$(VENV)/reno demo

cassandra:
	@scripts/cassandra

test: setup
	$(PYTEST) $(TESTS)

check: lint format types imports protos breaking generated test

deploy-check: setup
	$(PYTEST) tests/deploy

RUNS ?= 1
SEED ?= 1
MINUTES ?= 1
RATE ?= 500
KILLS ?= 0
JOBS ?= 1
SHAPE ?= embedded
SEEDS ?= 10000
FROM ?= 0
simulate: setup
	$(VENV)/python -m tests.simulation --seeds $(SEEDS) --from $(FROM)

EXAMPLES ?= 100000
properties: setup
	EXAMPLES=$(EXAMPLES) $(VENV)/python -m pytest -n 2 --timeout=0 -p tests.house.examples $$($(VENV)/python -m tests.house.examples)

faults: setup
	$(VENV)/python -m tests.faults --runs $(RUNS) --seed $(SEED) --minutes $(MINUTES) $(if $(SECONDS),--seconds $(SECONDS)) --rate $(RATE) --kills $(KILLS) --shape $(SHAPE) $(if $(MIX),--mix $(MIX)) --jobs $(JOBS) $(if $(RESULTS),--results $(RESULTS)) $(if $(REST),--rest) $(if $(TRANSPORT),--transport $(TRANSPORT)) $(if $(CROWD),--crowd $(CROWD))

mutants: setup
	$(VENV)/python -m tests.simulation.catching
	$(VENV)/python -m tests.faults.mutants --seed $(SEED) $(MUTANTS)

controls: setup
	$(VENV)/python -m tests.faults.controls --seed $(SEED) $(CONTROLS)

faults-page: setup
	$(VENV)/python -m tests.faults.report

bench: setup
	$(VENV)/python -m bench.run $(SCENARIO) $(if $(QUICK),--quick) $(SET:%=--set %)
	$(VENV)/python -m bench.page

# A gateway is busy when devices are.
profile: SCENARIO ?= $(if $(filter gateway%,$(ROLE)),push,peak)
profile: setup
	$(VENV)/python -m bench.run $(SCENARIO) --quick $(SET:%=--set %) $(ROLE:%=--profile %)

regression: setup
	-@$(VENV)/python -m bench.regression

setup:
	@scripts/setup

lint: setup
	$(VENV)/ruff check .

format: setup
	$(VENV)/ruff format --check .

types: setup
	$(VENV)/mypy

imports: setup
	$(VENV)/lint-imports --no-logo

protos: setup
	$(VENV)/buf lint

breaking: setup
	scripts/breaking

generated: setup
	scripts/generate --check
	@if [ -n "$(CI)" ] || command -v go >/dev/null; then scripts/generate-go --check; else echo "Go is missing: clients/go not looked at"; fi

proto: setup
	scripts/generate
	@if command -v go >/dev/null; then scripts/generate-go; else echo "Go is missing: clients/go left as it was"; fi

lock:
	scripts/lock

clean:
	rm -rf .venv .tools build clients/go/bin .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
