# The environment lives in .venv; every target sets it up first.
PYTHON ?= python3
BIN := .venv/bin
# compiled modules are kept: each of the many processes that are started would compile anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo bench faults test lint format coverage clean

demo: .venv/installed
	$(BIN)/python -m scenarios

bench: .venv/installed
	$(BIN)/python -m benchmarks all --quick

# seeded runs over real processes, then simulated schedules
SEEDS ?= 200
SCHEDULES ?= 100000

faults: .venv/installed
	$(BIN)/python -m tests.faults --seeds $(SEEDS) --schedules $(SCHEDULES)

test: .venv/installed
	$(BIN)/python -m pytest -n 2

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: .venv/installed
	rm -f .coverage*
	$(BIN)/coverage run -m pytest -p no:xdist
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
