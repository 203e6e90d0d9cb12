# Everything from nothing: each target makes the virtual environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
POOL := examples/sample.jsonl
OUT := demo
BENCH :=
MATRIX :=

.PHONY: help demo test test-matrix lint fix docs bench clean

help:
	@echo "make demo   measure the bundled sample, select 100 rows, compare before and after"
	@echo "make test   all tests"
	@echo "make test-matrix   the tests on every Python that is installed, the newest and oldest dependencies, and without extras"
	@echo "            MATRIX='-s oldest plain' and other options of nox; the first run downloads gigabytes"
	@echo "make lint   ruff, mypy   |   make fix   ruff with corrections"
	@echo "make docs   refresh the tables and help texts in README.md and docs/"
	@echo "make bench  our time beside peers' and the bare matrix product's, in one table (minutes)"
	@echo "            BENCH='--rows 50000 --vectors FILE.npy' and other options of benchmarks/table.py; the other scripts"
	@echo "            in benchmarks/ run by hand, for example $(BIN)/python benchmarks/scaling.py --help"

# Three marks: what users install, what developers need on top, and what benchmarks compare with.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.developed: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $@

$(VENV)/.benchmarked: $(VENV)/.installed benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/requirements.txt
	@touch $@

demo: $(VENV)/.installed
	@mkdir -p $(OUT)
	@echo "1. Choose the 100 most diverse of the sample's 400 rows"
	$(BIN)/variegate select $(POOL) --size 100 -o $(OUT)/subset.jsonl
	@echo
	@echo "2. Before and after, at equal size: five random draws of 100 rows against the 100 chosen"
	$(BIN)/variegate measure $(POOL) $(OUT)/subset.jsonl --reference $(POOL) --topics domain --size-matched 100 --seeds 5
	@$(BIN)/python examples/duplicates_left.py $(POOL) $(OUT)/subset.jsonl
	@echo "The subset is in $(OUT)/subset.jsonl, ready for training."

test: $(VENV)/.developed
	$(BIN)/python -m pytest

test-matrix: $(VENV)/.developed
	$(BIN)/nox $(MATRIX)

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(VENV)/.developed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.developed
	$(BIN)/python docs/refresh.py

bench: $(VENV)/.benchmarked
	$(BIN)/python benchmarks/table.py $(BENCH)

clean:
	rm -rf $(VENV) .nox $(OUT) .mypy_cache .ruff_cache .pytest_cache
