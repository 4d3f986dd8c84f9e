# Two commands on a fresh machine: `make run` and `make test`. The rest is for those who change Tendon.
# Nothing but Python 3.11 and make is needed; every target makes .venv from requirements.lock when it has to.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PORT ?= 8000

.PHONY: run test lint types layers sdl lock vendor migrations torture bench growth regression clean

run: $(READY)
	@TENDON_AUTH=$${TENDON_AUTH:-dev} $(BIN)/tendon migrate
	@TENDON_AUTH=$${TENDON_AUTH:-dev} $(BIN)/tendon serve --port $(PORT)

test: $(READY)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal

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

# Pin every dependency again, with hashes and no index address.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --universal --python-version 3.11 \
		--no-emit-index-url --no-header --upgrade -q -o requirements.lock

# Write the migration that brings the tables to what models/ says.
migrations: $(READY)
	$(BIN)/tortoise -c models.migrating.CONFIGURATION makemigrations

# Fetch GraphiQL's files again, each checked against its pinned hash.
vendor: $(READY)
	$(BIN)/python -m web.vendor

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

clean:
	rm -rf .venv .tendon .bench
