# tenantmesh: every command a developer or CI runs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
PY := $(BIN)/python
READY := .venv/.ready
PYTEST := $(BIN)/pytest
CODE := libs services deploy tests tools

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2} /^##@ / {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ Begin
.PHONY: setup demo
setup: $(READY) ## Install everything (needs only python3 and a network)

$(READY): uv.lock pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml) tools/setup
	@tools/setup

demo: $(READY) ## Start the stack and walk through what stands today
	$(PY) -m localstack up
	$(PY) tools/demo.py

##@ Contracts
.PHONY: proto proto-check
proto: $(READY) ## Generate the Python stubs from proto/
	$(PY) tools/proto.py generate

proto-check: $(READY) ## Prove that the stubs are current and the contracts keep their rules and promises
	$(PY) tools/proto.py check
	$(PYTEST) -q tests/contract/descriptors

##@ Checks
.PHONY: check lint format type imports env-example isolate
check: lint type imports proto-check isolate ## Everything CI checks without running the product

lint: $(READY) ## Style: code, spelling, YAML, image recipe, manifests, CI workflow
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint deploy/docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	@mkdir -p .local && $(BIN)/kubectl kustomize deploy/k8s/base > .local/k8s.yaml
	$(BIN)/kubernetes-validate --strict --quiet .local/k8s.yaml

format: $(READY) ## Let ruff put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

type: $(READY) ## Types: mypy, strict, on libs, services, the local stack, the gateway and tools
	$(BIN)/mypy $(filter-out libs/contracts/src,$(wildcard libs/*/src)) services/*/src deploy/*/src tools

imports: $(READY) ## Architecture: who may import whom, and no undeclared dependency
	$(BIN)/lint-imports --no-cache
	$(PY) tools/dependencies.py
	$(PYTEST) -q tests/unit/architecture

env-example: $(READY) ## Write .env.example from the settings the code declares
	$(PY) tools/env_example.py write

isolate: $(READY) ## Install each member alone and import it
	$(PY) tools/isolate.py

##@ Tests
.PHONY: test test-unit test-integration test-e2e test-chaos bench
test: $(READY) ## Every test, on real servers, with a floor under the coverage
	@$(PY) -m localstack fetch
	$(PYTEST) tests --cov --cov-report=term

test-unit: $(READY) ## Only what needs no server
	$(PYTEST) -q tests/unit tests/contract

test-integration: $(READY) ## Against real servers
	$(PYTEST) -q tests/integration

test-e2e: $(READY) ## The mesh as separate processes
	$(PYTEST) -q tests/e2e

test-chaos: $(READY) ## Faults, kills and cuts
	$(PYTEST) -q -m chaos tests

bench: $(READY) ## Measure: every benchmark of tests/load, as ratios within one run
	$(PY) tests/load/chain.py
	$(PY) tests/load/postgres.py
	$(PY) tests/load/gateway.py
	$(PY) tests/load/dns.py
	$(PY) tests/load/storage_buckets.py
	$(PY) tests/load/notifications.py
	$(PY) tests/load/identity.py

##@ Local stack
.PHONY: up down status logs
up: $(READY) ## Start every server and wait until all are ready (PROFILE=full, ONLY=a,b)
	@$(PY) -m localstack up --profile $(or $(PROFILE),default) $(if $(ONLY),--only $(ONLY))

down: $(READY) ## Stop the local stack (PURGE=1 also removes its data)
	@$(PY) -m localstack down $(if $(PURGE),--purge)

status: $(READY) ## Show each server: state, addresses, start time, memory
	@$(PY) -m localstack status

logs: $(READY) ## Print a server's log (S=name, F=1 to follow)
	@$(PY) -m localstack logs $(or $(S),supervisor) $(if $(F),--follow)
