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

# What every commit is to see, in minutes: each kernel, page, command and distributed scheme once, and a slice of cases.
# `make fuzz` has the rest: a test marked `thorough` waits for it, one marked `sliced` has all its cases there.
# Three processes on two cores: many a test waits for others, and for one to end.
test: setup
	$(BIN)/python -m pytest --ignore=tests/simulate -m "not thorough" -n 3 --dist worksteal

# The simulator's own tests: PTX and machine code executed on the CPU. Its compilation takes a minute.
simulate: setup
	$(BIN)/python -m pytest tests/simulate -m "not thorough"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.bench

# Whatever `make test` and `make simulate` leave out, wherever it is marked. Twenty times the mutations of run folders,
# reports, CSV, cache entries and options; every covering case, setting and order of blocks of every kernel, compiled for
# every architecture; every kernel from PTX and machine code, in each dtype, for sm_89 and sm_90; every form of PTX in
# random straight lines; every planted bug; pages at other widths, commands under other signals, and other ranks. It takes
# about an hour; make fuzz ROOM=tests/store TIMES=100 has one folder or file of them, and a hundred times the mutations.
ROOM ?= tests
TIMES ?= 20
fuzz: setup
	WORKBENCH_FUZZ=$(TIMES) $(BIN)/python -m pytest $(ROOM) -m "thorough or sliced" -n 2 --dist worksteal

# 300 kills and resumes of a small sweep, every distributed scheme beside one process, 20 kills of ranks that train, 30
# machines lost by sweeps on a cluster and 20 kills of those; make campaign KILLS=50 RANK_KILLS=5 MACHINES=3 SEED=3 for
# others.
campaign: setup
	$(BIN)/python -m tests.campaign.kills $(or $(KILLS),300) $(or $(SEED),0)
	$(BIN)/python -m tests.campaign.schemes
	$(BIN)/python -m tests.campaign.ranks $(or $(RANK_KILLS),20) $(or $(SEED),0)
	$(BIN)/python -m tests.campaign.machines $(or $(MACHINES),30) $(or $(SEED),0)

# One thing deleted or weakened in each of twelve kernels, and what the checkers make of it; a minute. Fails where fewer
# than 95 % of what can be seen is found and named, or where what is said to change nothing is seen.
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
