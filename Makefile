# make report   : run this project's own plan, phase after phase, and print the path of the index of its reports
# make test     : everything that CI checks, coverage at the end
# make docs     : the documentation site in site/, warnings as errors, every link checked
# make tour     : build the wheel, install it into an empty environment, and try every command in an empty folder
# make pythons  : the quick tests on every Python from 3.11 to 3.13 that is found
# make faults   : every fault as often and as hard as promised, about forty minutes, and a table of what went wrong
# Each sets up .venv on a machine that has python3 and make, and starts at once when that is done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
PLAN := gradient-flow
# The notebook that make lab opens; all others, plans and reports can be reached from it.
FIRST := notebooks/gradient_flow/phase_a_baseline.ipynb
STAMP := $(VENV)/.installed
PIP := -m pip --disable-pip-version-check --quiet
# Where it is on the path, it installs all but torch, in a quarter of the time.
UV := $(shell command -v uv 2>/dev/null)
ALL := "$(TORCH)" --editable ".[io,workbook,dev,docs,models,triton]"
# Rooms whose branch coverage must be at least FLOOR percent.
COVERED := nanobrag_torch/physics/*,nanobrag_torch/doctor/*,nanobrag_torch/workbook/*
FLOOR := 90

# Without bytecode every process, of which the tests start hundreds, compiles all of the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: report test tests docs gallery tour pythons faults lint lab clean

report: $(STAMP)
	$(BIN)/nanobrag-workbook plan run $(PLAN)

test: lint tests

tests: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --cov --durations=0 --durations-min=3
	$(BIN)/coverage report --include='$(COVERED)' --fail-under=$(FLOOR) --skip-covered

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python docs/check_links.py site

# Notebooks that the site shows, the tutorials excepted, which the tests execute.
gallery: $(STAMP)
	$(BIN)/python docs/hooks/gallery.py

tour: $(STAMP)
	rm -rf build/wheel build/tour
	$(BIN)/python $(PIP) wheel --no-build-isolation --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/tour
	build/tour/bin/python $(PIP) install "$(TORCH)"
	build/tour/bin/python $(PIP) install "$$(echo build/wheel/*.whl)[workbook]"
	$(PYTHON) tests/wheel_tour.py build/tour/bin

pythons: $(STAMP)
	$(BIN)/python tests/pythons.py "$(TORCH)"

faults: $(STAMP)
	$(BIN)/python -m pytest tests/faults --faults full

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(STAMP)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir="$(CURDIR)" $(FIRST)

# torch first and pinned: anything else that asks for torch would pull a build of several gigabytes. Bytecode of what is
# imported is made then; that of all files takes a minute.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) install --no-compile "$(TORCH)"
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python $(ALL) ||) $(BIN)/python $(PIP) install --no-compile $(ALL)
	touch $@

clean:
	rm -rf $(VENV) build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
