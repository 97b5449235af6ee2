# tenantmesh: every command a developer or CI runs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2} /^##@ / {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ Contracts
.PHONY: proto proto-check
proto: ## Generate the Python stubs from proto/
	$(PY) tools/proto.py generate

proto-check: ## Prove the stubs are current; buf lint and buf breaking
	$(PY) tools/proto.py check
