.PHONY: demo test test-long test-model test-runtime test-stories check bench soak mutants docs clean venv

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

demo: $(STAMP)
	$(BIN)/playbill run examples/01_repository_report/pipeline.yaml

# Coverage is measured where its gate is, and there only: CPython 3.11 hangs when a traced process has an exception on
# its way to a thread that sleeps, which is what killing such a handler is.
# Three parts at once for two cores: stories and the runtime's tests wait half of their time, for processes and clocks.
# What each prints stays together.
test: $(STAMP)
	@$(MAKE) --no-print-directory --output-sync=target -j3 test-model test-runtime test-stories

# Hundreds of programs that tests start import playbill: it is compiled once, also where nothing is to be written.
test-model test-runtime test-stories test-long: export PYTHONDONTWRITEBYTECODE =

test-model: $(STAMP)
	$(BIN)/python -m pytest tests/model tests/actors --cov --cov-branch --cov-report= -q
	$(BIN)/coverage report --include='model/*,actors/*' --fail-under=95
	$(BIN)/python -m pytest tests/runtime/simulation tests/contracts -q

test-runtime: $(STAMP)
	$(BIN)/python -m pytest tests -q --ignore=tests/model --ignore=tests/actors \
		--ignore=tests/runtime/simulation --ignore=tests/contracts --ignore=tests/stories

test-stories: $(STAMP)
	$(BIN)/python -m pytest tests/stories -q

# The full numbers of what `make test` tries a share of: mutants, crashes at the writes of simulated journals, real
# kills, and hours of a simulated program that dies now and then. All parts run, and a line tells what came of each.
test-long: POINTS ?= 10000
test-long: KILLS ?= 100
test-long: $(STAMP)
	$(BIN)/python -m tests.soak.long $(JOBS) $(POINTS) $(KILLS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks

JOBS ?= 2

soak: SEEDS ?= 1000000
soak: $(STAMP)
	$(BIN)/python -m tests.soak $(SEEDS) $(JOBS)

# Who breaks the model must be found: PART=3/8 takes every eighth mutant, KIND=simulation or tests one of the scores.
KIND ?=
PART ?= 1/1

mutants: SEEDS ?= 500
mutants: $(STAMP)
	$(BIN)/python -m tests.mutants --kind "$(KIND)" --part $(PART) --seeds $(SEEDS) --jobs $(JOBS)

docs: $(STAMP)
	$(BIN)/python -m tests.architecture.diagrams
	$(BIN)/python -m tests.architecture.house

venv: $(STAMP)

# compat: a plain path instead of an import hook, so that mypy and pyright find playbill in users' programs, too.
$(STAMP): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "playbill needs Python 3.11 or newer, found: $$($(PYTHON) --version 2>/dev/null || echo none);" \
		"name another one: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat -e '.[dev]'
	@touch $@

clean:
	rm -rf build dist reports .playbill *.egg-info .coverage .coverage.* .hypothesis .mutants .*_cache
	find actors model runtime playbill tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
