# Everything lives in .venv and .cache inside the checkout.
PYTHON ?= python3
BIN := .venv/bin
# Hundreds of processes import the same files: their bytecode is kept, also where the environment says not to.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup sweep test simulate lint format bench fuzz campaign mutations gpu readme dashboard clean

setup: .venv/.stamp

.venv/.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --config-settings editable_mode=compat --editable '.[test]'
	touch $@

sweep: setup
	$(BIN)/workbench sweep --preset quick

test: setup
	$(BIN)/python -m pytest --ignore=tests/simulate -n 2 --dist worksteal

# The simulator's own tests: PTX and machine code executed on the CPU. Its compilation takes a minute.
simulate: setup
	$(BIN)/python -m pytest tests/simulate

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.bench

# A hundred times the mutations of run folders, reports, CSV, cache entries and options that the tests make, and every
# covering case, setting and order of blocks of every kernel, compiled for every architecture, of which they run a slice.
fuzz: setup
	WORKBENCH_FUZZ=100 $(BIN)/python -m pytest -n 2 --dist worksteal -k "broken or odd or hostile or never" tests/store tests/profile tests/compile tests/cli
	WORKBENCH_FUZZ=100 $(BIN)/python -m pytest -n 2 --dist worksteal -k "right or never_waits or rung_claims" tests/kernels tests/compile

# 300 kills and resumes of a small sweep, every distributed scheme beside one process, 20 kills of ranks that train, 30
# machines lost by sweeps on a cluster and 20 kills of those; make campaign KILLS=50 RANK_KILLS=5 MACHINES=3 SEED=3 for
# others.
campaign: setup
	$(BIN)/python -m tests.campaign.kills $(or $(KILLS),300) $(or $(SEED),0)
	$(BIN)/python -m tests.campaign.schemes
	$(BIN)/python -m tests.campaign.ranks $(or $(RANK_KILLS),20) $(or $(SEED),0)
	$(BIN)/python -m tests.campaign.machines $(or $(MACHINES),30) $(or $(SEED),0)

# One thing deleted or weakened in each of twelve kernels, and what the checkers make of it: ten minutes.
mutations: setup
	$(BIN)/python -m tests.campaign.mutations

# On a machine with an NVIDIA GPU; make gpu RESUME=RUN goes on where time ran out.
gpu: setup
	profiles/gpu_run.sh --python $(BIN)/python $(if $(RESUME),--resume $(RESUME))

readme: setup
	$(BIN)/python -m docs.generate

dashboard: setup
	$(BIN)/workbench dashboard

clean:
	rm -rf .venv .cache
