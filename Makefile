# `make run` starts Tendon and `make test` runs its tests; the other targets are for developers of Tendon.
# They need only Python 3.11 or newer and make. Every target creates .venv if necessary and installs the pinned packages:
# requirements.lock is for running Tendon, requirements-build.lock for building and installing it, and
# requirements-dev.lock adds tests and checks to both. Only `make fuzz` installs requirements-fuzz.lock.
# `make run PYTHON=python3.12` selects the Python for .venv.

PYTHON ?= python3
BIN := .venv/bin
# Files in .venv that mark what is installed: enough to run Tendon, enough for tests and most targets, or the fuzzer, too.
RUN := .venv/.run
READY := .venv/.ready
FUZZER := .venv/.fuzzer
PORT ?= 8000

.PHONY: run test lint types layers sdl schema providers-docs lock vendor migrations torture failover model mutants fuzz bench growth regression breakdown clean again

run: $(RUN)
	@echo "Migrating the database"
	@TENDON_AUTH=$${TENDON_AUTH:-dev} $(BIN)/tendon migrate
	@echo "Starting Tendon on http://127.0.0.1:$(PORT)"
	@TENDON_AUTH=$${TENDON_AUTH:-dev} $(BIN)/tendon serve --port $(PORT)

# Tests spend much of their time waiting, so four at once are faster even on two cores. Python keeps what it compiles, even
# if this shell says otherwise: without that, each worker compiles all tests again in each run.
test: $(READY)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 4 --dist worksteal

# A long torture run on each engine: of callbacks, of the life of connections, and of that with a provider that is not
# ours, which needs Node. RUNS, ENGINES, KILLS, REFRESHES and SEED are options: `make torture RUNS=life ENGINES=sqlite
# KILLS=20`.
RUNS ?= callbacks life foreign
ENGINES ?= sqlite postgres
KILLS ?= 200
REFRESHES ?= 1000
SEED ?=
torture: $(READY)
	for run in $(RUNS); do for engine in $(ENGINES); do \
		case $$run in \
			callbacks) module=tests.torture; more= ;; \
			life) module=tests.torture.life; more= ;; \
			foreign) module=tests.torture.life; more="--provider foreign --people 40 --refreshes $(REFRESHES)" ;; \
		esac; \
		$(BIN)/python -m $$module --engine $$engine --kills $(KILLS) $$more $(if $(SEED),--seed $(SEED)) || exit 1; \
	done; done

# A primary and a standby that fail over, vanish, fall silent, and run out of sessions or space, under load, and a table of
# what callers noticed. It needs root for one scenario. SCENARIO and SECONDS are options: `make failover
# SCENARIO="silent standby" SECONDS=60`.
failover: $(READY)
	$(BIN)/python -m tests.failover $(if $(SCENARIO),--scenario "$(SCENARIO)") $(if $(SECONDS),--seconds $(SECONDS))

# Explores every order in which refreshes, callbacks, disconnects and revocations may meet, with all kinds of providers, and
# then drops each rule to see what breaks without it. SCENARIO and PROCESSES are options: `make model
# SCENARIO="siblings on an account" PROCESSES=1`.
model: $(READY)
	$(BIN)/python -m tests.model $(if $(SCENARIO),--scenario "$(SCENARIO)") $(if $(PROCESSES),--processes $(PROCESSES))

# Plants small faults in the code, one at a time and in a copy, and reports those that no test notices. It takes hours, on
# a machine that is otherwise idle. PACKAGE, COUNT and SEED are options: `make mutants PACKAGE="resolvers schema/plans"
# COUNT=40 SEED=7`; QUICK=1 runs only the tests of a fault's own package.
mutants: $(READY)
	$(BIN)/python -m tests.mutants $(if $(PACKAGE),--package $(PACKAGE)) $(if $(COUNT),--count $(COUNT)) \
		$(if $(SEED),--seed $(SEED)) $(if $(QUICK),--quick)

# Looks for inputs on which Tendon's readers and their references disagree, guided by coverage. It needs Linux on x86-64.
# SECONDS and TARGET are options: `make fuzz SECONDS=600 TARGET="uri strict_json"`. REPLAY=FILE checks one input again, and
# KEEP=1 adds what reached new code to the corpus in tests/fuzz/.
fuzz: $(FUZZER)
	$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TARGET),--target $(TARGET)) \
		$(if $(REPLAY),--replay $(REPLAY)) $(if $(KEEP),--keep)

# Compares Tendon with the floor and its peers at the same work on both engines. It takes a quarter of an hour, on a machine
# that is otherwise idle. `make bench QUICK=1` only checks that it works, in two minutes. ROUNDS, SECONDS, ENGINES and PEERS
# are options: `make bench ROUNDS=3 SECONDS=2 ENGINES=sqlite PEERS="apollo yoga"`; PEERS=floor measures no peers.
bench: $(READY)
	$(BIN)/python -m benchmarks --engines $(ENGINES) $(if $(PEERS),--peers $(PEERS)) $(if $(QUICK),--quick) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

# Measures how costs grow with processes, rows and lists. `make growth QUICK=1` only checks that it works, in two minutes.
growth: $(READY)
	$(BIN)/python -m benchmarks.growth --engines $(ENGINES) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

# Fails if Tendon has become slower, measured as instructions of a request relative to the floor's. It needs Valgrind, and
# takes three minutes. `make regression REPEATS=3 ENGINES=sqlite` counts three times, and on one engine.
regression: $(READY)
	$(BIN)/python -m benchmarks.regression --engines $(ENGINES) $(if $(REPEATS),--repeats $(REPEATS))

# Shows what a request consists of: instructions by library and function of C, calls and byte codes by function of Python.
# OPERATION, ENGINE, CONTENDER, LINES and AGAINST are options: `make breakdown OPERATION=list ENGINE=sqlite LINES=60`;
# AGAINST=FILE shows the differences from a file of an earlier run, and CALLS=1 leaves out instructions, which takes a
# few seconds.
breakdown: $(READY)
	$(BIN)/python -m benchmarks.breakdown $(if $(OPERATION),--operation $(OPERATION)) $(if $(ENGINE),--engine $(ENGINE)) \
		$(if $(CONTENDER),--contender $(CONTENDER)) $(if $(LINES),--lines $(LINES)) \
		$(if $(AGAINST),--against $(AGAINST)) $(if $(CALLS),--calls-only)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/pyright

layers: $(READY)
	$(BIN)/lint-imports

# Writes schema.graphql. A test fails if the file differs from the code.
sdl: $(READY)
	$(BIN)/python -c 'from schema.execution import Executor; print(Executor(explore=True).sdl, end="")' > schema.graphql

# Writes docs/catalogue.schema.json. A test fails if the file differs from the code.
schema: $(READY)
	$(BIN)/tendon providers schema > docs/catalogue.schema.json

# Writes docs/providers/ from the catalogue. A test fails if the pages differ from the entries.
providers-docs: $(READY)
	$(BIN)/python -m scripts.provider_docs

# Pins the requirements of pyproject.toml, with hashes and without an index URL. Pinned packages keep their version, which
# is the same in all files; `make lock UPGRADE=1` pins the newest versions.
LOCK = $(BIN)/uv pip compile --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q \
	$(if $(UPGRADE),--upgrade)
lock: $(READY)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --group build -c requirements.lock -o requirements-build.lock
	$(LOCK) pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock
	$(LOCK) --group fuzz -c requirements-dev.lock -o requirements-fuzz.lock

# Writes the migration that the current models need.
migrations: $(READY)
	$(BIN)/tortoise -c models.migrating.CONFIGURATION makemigrations

# Downloads GraphiQL's files again and checks each against its pinned hash.
vendor: $(READY)
	$(BIN)/python -m web.vendor

MAKE_VENV = TARGET="$(or $(firstword $(MAKECMDGOALS)),run)" PYTHON="$(PYTHON)" CHOSEN="$(if $(filter command,$(origin PYTHON)),$(PYTHON))" scripts/make-venv

$(RUN): requirements.lock requirements-build.lock pyproject.toml
	@$(MAKE_VENV) run

$(READY): $(RUN) requirements-dev.lock
	@$(MAKE_VENV) test

$(FUZZER): $(READY) requirements-fuzz.lock
	@$(MAKE_VENV) fuzz

# A .venv is created again if its Python no longer exists, or is not the one given on the command line.
ifneq ($(shell $(MAKE_VENV) fits),yes)
$(RUN): again
endif

clean:
	rm -rf .venv .tendon .bench .fuzz
