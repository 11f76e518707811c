# make report : run this project's own plan, phase after phase, and print the path of the index of its reports
# make test   : everything that CI checks
# make faults : every fault as often and as hard as promised, about ten minutes
# Each sets up .venv on a machine that has python3 and make, and starts at once when that is done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
PLAN := gradient-flow
STAMP := $(VENV)/.installed

.PHONY: report test faults lint lab clean

report: $(STAMP)
	$(BIN)/nanobrag-workbook plan run $(PLAN)

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2

faults: $(STAMP)
	$(BIN)/python -m pytest tests/faults --faults full

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(STAMP)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/gradient_flow/phase_a_baseline.ipynb

# torch first and pinned: anything else that asks for torch would pull a build of several gigabytes.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[io,workbook,dev]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
