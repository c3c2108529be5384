# Chores. `make` alone lists them; ARGS="…" is passed on, for example: make test ARGS="-k feedback".
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Processes that tests run in: one more than there are processors, since tests often wait for something.
WORKERS ?= $(shell echo $$(($$(nproc) + 1)))

export PIP_ROOT_USER_ACTION := ignore
export PIP_DISABLE_PIP_VERSION_CHECK := 1

INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --requirement
# The package itself: editable, from this folder, built by the setuptools that the lock file brought.
INSTALL_SELF := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
SOURCES := $(shell find ingestbox -type f ! -name '*.pyc')
RELEASE := $(shell find packaging/release -type f ! -name '*.pyc')
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
EPOCH = SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 315532800)

.PHONY: help run setup test check bench evaluate faults soak binary reproducible deb man pictures docs lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.runtime ## Install what is needed into .venv and start the box (data in ./ingestbox-data).
	@$(BIN)/ingestbox serve $(ARGS)

setup: $(VENV)/.development ## Install the box and its development tools into .venv, editable.

test: $(VENV)/.development ## Install and run the tests (they build the binary when it is out of date).
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.development ## Lint, formatting and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@# Every test can be loaded; and what is compiled for that, the processes of `make test` need not each compile.
	@mkdir -p build && $(BIN)/python -m pytest --collect-only -qq >build/tests || { cat build/tests; exit 1; }

bench: $(VENV)/.development ## Measure the box and, in the same run, the floors it stands on.
	@$(BIN)/python -m benchmarks $(ARGS)

evaluate: $(VENV)/.development ## Measure the analyses against the labelled samples (ARGS=--errors lists what is wrong).
	@$(BIN)/python -m benchmarks.evaluate $(ARGS)

faults: $(VENV)/.development ## Power loss, failing disks, kill at each fsync (needs root and loop devices).
	@$(BIN)/python -m pytest -m privileged -s tests/faults tests/binary $(ARGS)

soak: $(VENV)/.development ## The long forms of tests that `make test` runs in a short one: more records, other seeds.
	@$(BIN)/python -m pytest -m soak $(ARGS)

# One at a time, whoever else asks for it in this folder.
binary: ## Build the program into dist: a single file, a folder, what is inside, licences, sums.
	@mkdir -p build
	@flock build/.lock $(MAKE) --no-print-directory dist/SHA256SUMS

reproducible: ## Build the binary twice, in other folders, from what is committed, and compare.
	@packaging/reproducible.sh $(ARGS)

deb: binary man ## Build the Debian package into dist, with the folder form.
	@package=$$(PYTHONPATH=. $(EPOCH) build/venv/bin/python packaging/deb.py build/program/folder dist/ingestbox.1 dist \
		--licences dist/licences.txt) && cd dist && package=$${package#dist/} && \
		{ sed '/\.deb$$/d' SHA256SUMS; sha256sum "$$package"; } > SHA256SUMS.part && mv SHA256SUMS.part SHA256SUMS

man: build/venv/.made ## Write the man page into dist, from the commands' help.
	@mkdir -p dist
	@PYTHONPATH=. $(EPOCH) build/venv/bin/python packaging/man.py > dist/ingestbox.1

pictures: $(VENV)/.development ## Take README's pictures of the console anew (needs chromium).
	@$(BIN)/python -m tests.console.pictures

docs: $(VENV)/.development ## Write docs/configuration.md anew from the settings' own descriptions.
	@$(BIN)/python packaging/configuration.py

lock: $(VENV)/.development ## Resolve the dependencies of pyproject.toml into the lock files.
	$(BIN)/pip-compile $(LOCKING) --build-deps-for editable --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCKING) --extra build --output-file requirements-build.lock pyproject.toml
	$(BIN)/pip-compile $(LOCKING) --extra dev --output-file requirements-dev.lock pyproject.toml

clean: ## Remove what was built and cached; .venv and data folders stay.
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find ingestbox tests benchmarks packaging -name __pycache__ -prune -exec rm -rf {} +

LOCKING := --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

define PYTHON_SERVES
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "ingestbox needs Python 3.11 or later; $(PYTHON) is older or missing. Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2; exit 1; }
endef

$(BIN)/python:
	$(PYTHON_SERVES)
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) …" >&2
	@$(INSTALL) requirements.lock
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.development: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV), with the development tools …" >&2
	@$(INSTALL) requirements-dev.lock
	@$(INSTALL_SELF)
	@touch $@ $(VENV)/.runtime

# What the program is built in: what the lock file names and nothing else. It is made anew when that, or Python, changes.
build/venv/.made: requirements-build.lock
	$(PYTHON_SERVES)
	@mkdir -p build
	@{ $(PYTHON) -VV; cat requirements-build.lock; } > build/venv.wanted
	@cmp --silent build/venv.wanted $@ || { \
		echo "Installing into build/venv …" >&2; \
		$(PYTHON) -m venv --clear build/venv && \
		build/venv/bin/python -m pip install --quiet --no-compile --require-hashes --requirement $<; }
	@mv build/venv.wanted $@

# What the single file unpacks itself with.
build/bootloader: packaging/bootloader/build.py packaging/bootloader/room.c build/venv/.made
	@echo "Building $@ …" >&2
	@build/venv/bin/python packaging/bootloader/build.py requirements-build.lock $@

# Equal sources build equal files: the hash seed and the time stamp are fixed. Both forms, the folder in build/program/folder.
build/program/ingestbox: ingestbox.spec build/bootloader pyproject.toml build/venv/.made $(SOURCES)
	@echo "Building $@ …" >&2
	@rm -rf build/pyinstaller build/program
	@touch build/.began
	@env -u PYTHONPATH PYTHONHASHSEED=1 $(EPOCH) build/venv/bin/python -m PyInstaller --noconfirm --log-level WARN \
		--workpath build/pyinstaller --distpath build/program ingestbox.spec
	@touch --reference build/.began $@  # what was changed meanwhile is built again

# What is published: only what was looked into, has its licences in order, and is listed.
dist/SHA256SUMS: build/program/ingestbox LICENSE $(RELEASE)
	@PYTHONPATH=packaging $(EPOCH) build/venv/bin/python -m release \
		--program $< --folder build/program/folder --version $(VERSION) --to dist

dist/ingestbox: dist/SHA256SUMS ;

