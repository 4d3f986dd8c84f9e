# Two commands on a fresh machine: `make run` and `make test`. The others are for developers of Tendon.
# They need only Python 3.11 and make; every target creates .venv if necessary, from the pinned packages:
# requirements.lock is for running Tendon, requirements-build.lock for building and installing it, requirements-dev.lock
# adds tests and checks to both. `make run PYTHON=python3.12` chooses the Python of .venv.

PYTHON ?= python3
BIN := .venv/bin
# Marks in .venv of what is installed: enough to run, or enough to test and for everything else.
RUN := .venv/.run
READY := .venv/.ready
PORT ?= 8000

.PHONY: run test lint types layers sdl lock vendor migrations torture bench growth regression clean again

run: $(RUN)
	@echo "Migrating the database"
	@TENDON_AUTH=$${TENDON_AUTH:-dev} $(BIN)/tendon migrate
	@echo "Starting Tendon on http://127.0.0.1:$(PORT)"
	@TENDON_AUTH=$${TENDON_AUTH:-dev} $(BIN)/tendon serve --port $(PORT)

# Much of a test is waiting, so four at once also pay on two cores.
test: $(READY)
	$(BIN)/pytest -n 4 --dist worksteal

# The long torture run, on one engine after the other. ENGINES, KILLS and SEED say how: `make torture ENGINES=sqlite KILLS=20`.
ENGINES ?= sqlite postgres
KILLS ?= 200
SEED ?=
torture: $(READY)
	for engine in $(ENGINES); do \
		$(BIN)/python -m tests.torture --engine $$engine --kills $(KILLS) $(if $(SEED),--seed $(SEED)) || exit 1; \
	done

# Tendon beside the floor and its peers at the same work, on both engines: a quarter of an hour on a machine that does nothing
# else. `make bench QUICK=1` proves in two minutes that it works. ROUNDS, SECONDS, ENGINES and PEERS say how:
# `make bench ROUNDS=3 SECONDS=2 ENGINES=sqlite PEERS="apollo yoga"`; PEERS=floor is Tendon and the floor alone.
bench: $(READY)
	$(BIN)/python -m benchmarks --engines $(ENGINES) $(if $(PEERS),--peers $(PEERS)) $(if $(QUICK),--quick) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

# How cost grows with processes, rows and lists. `make growth QUICK=1` proves in two minutes that it works.
growth: $(READY)
	$(BIN)/python -m benchmarks.growth --engines $(ENGINES) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

# Fails when Tendon has become slower: CPU in times of the floor's, never seconds.
regression: $(READY)
	$(BIN)/python -m benchmarks.regression

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/pyright

layers: $(READY)
	$(BIN)/lint-imports

# Print the schema anew. A test fails when the file differs from the code.
sdl: $(READY)
	$(BIN)/python -c 'from schema.execution import Executor; print(Executor(explore=True).sdl, end="")' > schema.graphql

# Pin the requirements of pyproject.toml, with hashes and without an index URL. Pinned packages keep their version, which is
# the same in all three files; `make lock UPGRADE=1` pins the newest versions.
LOCK = $(BIN)/uv pip compile --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q \
	$(if $(UPGRADE),--upgrade)
lock: $(READY)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --group build -c requirements.lock -o requirements-build.lock
	$(LOCK) pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock

# Write the migration that brings the tables to what models/ says.
migrations: $(READY)
	$(BIN)/tortoise -c models.migrating.CONFIGURATION makemigrations

# Fetch GraphiQL's files again, each checked against its pinned hash.
vendor: $(READY)
	$(BIN)/python -m web.vendor

MAKE_VENV = TARGET="$(or $(firstword $(MAKECMDGOALS)),run)" PYTHON="$(PYTHON)" CHOSEN="$(if $(filter command,$(origin PYTHON)),$(PYTHON))" scripts/make-venv

$(RUN): requirements.lock requirements-build.lock pyproject.toml
	@$(MAKE_VENV) run

$(READY): $(RUN) requirements-dev.lock
	@$(MAKE_VENV) test

# A .venv whose Python is gone, or differs from the one given on the command line, is created again.
ifneq ($(shell $(MAKE_VENV) fits),yes)
$(RUN): again
endif

clean:
	rm -rf .venv .tendon .bench
