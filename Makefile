# Everything lives in .venv and .cache inside the checkout.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup sweep test lint format bench gpu readme dashboard clean

setup: .venv/.stamp

.venv/.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --config-settings editable_mode=compat --editable '.[test]'
	touch $@

sweep: setup
	$(BIN)/workbench sweep --preset quick

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.bench

# On a machine with an NVIDIA GPU; make gpu RESUME=RUN goes on where time ran out.
gpu: setup
	profiles/gpu_run.sh --python $(BIN)/python $(if $(RESUME),--resume $(RESUME))

readme: setup
	$(BIN)/python -m docs.generate

dashboard: setup
	$(BIN)/workbench dashboard

clean:
	rm -rf .venv .cache
