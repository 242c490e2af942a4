# What a person does with this checkout.  `make` alone lists it.

PYTHON ?= python3
VENV := .venv
TESTBED := $(VENV)/bin/testbed
TOPOLOGY ?= topologies/two-access.yaml
RESPONSES ?= $(wildcard ../shared/data/at-responses.json)
READY := $(VENV)/ready
SETUP_FROM := pyproject.toml $(shell find ansible -type f)

.DEFAULT_GOAL := help
.PHONY: help setup demo kernel test lint bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## prepare this machine: Debian packages and .venv (root, or sudo); does nothing when that is done

# Only where one of the files it follows from has changed: a second `make demo` starts at once.
$(READY): $(SETUP_FROM)
	@ansible/bootstrap "$(PYTHON)"
	@touch $@

demo: setup ## one seamless handoff, measured; then the same trigger without the proposal
	@$(TESTBED) run global-reregistration --topology $(TOPOLOGY)
	@$(TESTBED) run release7 --topology $(TOPOLOGY)

kernel: setup ## the rig kernel, for simulated time; takes some minutes once, then it is in your cache folder
	@$(TESTBED) kernel build

test: lint kernel ## everything that checks the project; rig tests run in a guest where the host's kernel cannot
	$(VENV)/bin/pytest

lint: setup ## style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

bench: setup ## figures: bring-up, core, registration, handoff over floor, analysis, AT channel
	@$(TESTBED) bench $(addprefix --responses ,$(RESPONSES))

clean: ## undo what a dead run left, and remove what builds and tests left in the checkout; keeps runs/ and .venv
	@if [ -x $(TESTBED) ]; then $(TESTBED) clean; fi
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
