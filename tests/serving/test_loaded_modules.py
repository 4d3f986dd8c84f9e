"""What a serving process loads: what its settings have no use for would cost time at every start, and memory for ever.

Told by the interpreter itself, which lists what it imports, of the real command. A list of names doesn't depend on how
busy the machine is, as seconds do.
"""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from tests.conftest import Person, begin, start_gateway
from tests.databases import Database
from tests.house.test_locks import RUNTIME, normal, pins
from tests.interfaces import GraphQL, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.vault_keys import vault_key

PRODUCTION = {
    "TENDON_VAULT_KEYS": vault_key("k1"),
    "TENDON_REDIRECT_URIS": "https://app.example/callback",
    "OURA_CLIENT_ID": "x",
    "OURA_CLIENT_SECRET": "y",
}
INTROSPECTION = PRODUCTION | {
    "TENDON_AUTH": "introspection",
    "TENDON_INTROSPECTION_URL": "https://id.example/introspect",
    "TENDON_INTROSPECTION_CLIENT_ID": "tendon",
    "TENDON_INTROSPECTION_CLIENT_SECRET": "secret",
}
JWT = PRODUCTION | {
    "TENDON_AUTH": "jwt",
    "TENDON_JWKS_URL": "https://id.example/jwks",
    "TENDON_ISSUER": "https://id.example",
    "TENDON_AUDIENCE": "tendon",
}
LAPTOP = {"TENDON_AUTH": "dev"}

# Lets the interpreter say what it imports.
TRACED = {"PYTHONPROFILEIMPORTTIME": "1"}

# What only the sandbox needs, which checks requests to its control API with it.
PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}

# The packages of others that every process may serve with,
LIBRARIES = {
    "_cffi_backend",
    "anyio",
    "cachetools",
    "certifi",
    "click",
    "cryptography",
    "dateutil",
    "dotenv",
    "graphql",
    "greenlet",
    "httptools",
    "httpx",
    "idna",
    "msgspec",
    "starlette",
    "strawberry",
    "structlog",
    "typing_extensions",
    "uvicorn",
    "uvloop",
}
# modules that each does,
SERVING = {"gateway.app", "graphql", "strawberry", "uvicorn", "uvloop"}
# what none does,
NEVER = {
    "aiosqlite",
    "dbos",
    "gateway.commands.migrate",
    "gateway.commands.providers",
    "gateway.commands.sandbox",
    "jinja2",
    "models.migrating",
    "models.migrations.0001_initial",
    "models.tables",
    "pypika_tortoise",
    "psycopg",
    "pytest",
    "sqlalchemy",
    "starlette.templating",
    "starlette.testclient",
    "strawberry.codegen",
    "strawberry.experimental.pydantic",
    "strawberry.federation.schema_directives",
    "tortoise",
    "httpcore",
    "typer",
    "websockets",
    "worker",
    "wsproto",
}
# and how many modules it takes at most, the interpreter's own among them.
MODULES = 1105


@pytest.mark.parametrize(
    ("settings", "used", "unused"),
    [
        pytest.param(
            INTROSPECTION,
            {"certifi", "gateway.bearer.introspection"},
            {"joserfc", "pydantic", "sandbox"},
            id="introspection",
        ),
        pytest.param(JWT, {"certifi", "joserfc"}, {"pydantic", "sandbox"}, id="jwt"),
        pytest.param(LAPTOP, {"sandbox", *PYDANTIC}, {"certifi", "joserfc"}, id="laptop"),
    ],
)
def test_what_is_loaded(tmp_path: Path, settings: dict[str, str], used: set[str], unused: set[str]) -> None:
    _check(_loaded(tmp_path, settings), used, unused | {"asyncpg"})


async def test_a_database_server_needs_its_own_driver_only(own_database: Database, tmp_path: Path) -> None:
    engines = {"models.engine.sqlite", "models.engine.postgres"}
    used = {f"models.engine.{own_database.engine}"}
    driver = {"asyncpg"} if own_database.engine == "postgres" else set[str]()
    _check(_loaded(tmp_path, INTROSPECTION, own_database), used | driver, engines - used)


async def test_the_first_requests_load_nothing_more(
    own_database: Database,
    tmp_path: Path,
    client: httpx.AsyncClient,
    settings: dict[str, str],
    sandbox: Sandbox,
    someone: Person,
) -> None:
    """Their callers would wait for it, and everybody else beside them."""
    gateway = start_gateway(tmp_path, settings | TRACED, own_database)
    before = _loaded_by(gateway)
    for api in (Rest(client, gateway.origin), GraphQL(client, gateway.origin)):
        begun = await begin(api, sandbox, someone, account=someone.id)
        connection = (await api.complete(someone.token, **begun)).connection["id"]
        listed = await api.connections(someone.token, userId=someone.id)
        assert [one["id"] for one in listed.data["connections"]] == [connection]
        assert (await api.issue("dev-service:etl", connection)).data["accessToken"]
        assert (await api.disconnect(someone.token, connection, userId=someone.id)).data["success"]
    assert gateway.stop() == 0
    assert _loaded_by(gateway) - before == set()
    _check(before, {"asyncpg"} if own_database.engine == "postgres" else set(), set())


def _check(loaded: set[str], used: set[str], unused: set[str]) -> None:
    assert (SERVING | used) - loaded == set()
    assert (NEVER | unused) & loaded == set()
    assert _libraries(loaded) - LIBRARIES - used == set()
    assert len(loaded) <= MODULES


def _libraries(loaded: set[str]) -> set[str]:
    """The packages that are installed with Tendon: others, which a machine may have, are not ours to choose."""
    pinned = pins(RUNTIME).keys()
    owners = packages_distributions()
    return {name for name in loaded if any(normal(owner) in pinned for owner in owners.get(name, ()))}


def _loaded(folder: Path, settings: dict[str, str], database: Database | None = None) -> set[str]:
    """The names of all modules that a gateway has imported by the time that it is ready."""
    gateway = start_gateway(folder, settings | TRACED, database)
    assert httpx.get(f"{gateway.origin}/readyz", trust_env=False, timeout=30).status_code == 200
    assert gateway.stop() == 0
    return _loaded_by(gateway)


def _loaded_by(gateway: Process) -> set[str]:
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", gateway.said, re.MULTILINE))
