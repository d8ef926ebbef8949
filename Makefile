# make demo | make test | make lint | make bench | make bench-check | make gpu-check; each sets .venv up once.
FITS := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12), (3, 13)))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint bench bench-check gpu-check clean

demo: $(READY)
	$(BIN)/neurohw demo

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/neurohw bench

bench-check: $(READY)
	OMP_NUM_THREADS=2 $(BIN)/neurohw bench --check reports/bench/cpu.json

gpu-check: $(READY)
	@$(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available() and "gpu-check: torch sees no GPU here")'
	$(BIN)/python -m pytest tests/test_cuda.py
	$(BIN)/neurohw bench card --json

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo 'neurohw needs Python 3.11, 3.12 or 3.13, and none was found. Name one: make PYTHON=/path/to/python3.12'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist
