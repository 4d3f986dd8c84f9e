"""What a serving process loads: what its settings have no use for would cost time at every start, and memory for ever.

Told by the interpreter itself, which lists what it imports, of the real command. A list of names doesn't depend on how
busy the machine is, as seconds do.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.conftest import start_gateway
from tests.databases import Database
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

# What every process serves with,
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
MODULES = 1250


@pytest.mark.parametrize(
    ("settings", "used", "unused"),
    [
        pytest.param(INTROSPECTION, {"gateway.bearer.introspection"}, {"joserfc", "sandbox"}, id="introspection"),
        pytest.param(JWT, {"joserfc"}, {"sandbox"}, id="jwt"),
        pytest.param(LAPTOP, {"sandbox"}, {"joserfc"}, id="laptop"),
    ],
)
def test_what_is_loaded(tmp_path: Path, settings: dict[str, str], used: set[str], unused: set[str]) -> None:
    _check(_loaded(tmp_path, settings), used, unused | {"asyncpg"})


async def test_a_database_server_needs_its_own_driver_only(own_database: Database, tmp_path: Path) -> None:
    engines = {"models.engine.sqlite", "models.engine.postgres"}
    used = {f"models.engine.{own_database.engine}"}
    _check(_loaded(tmp_path, INTROSPECTION, own_database), used, engines - used)


def _check(loaded: set[str], used: set[str], unused: set[str]) -> None:
    assert (SERVING | used) - loaded == set()
    assert (NEVER | unused) & loaded == set()
    assert len(loaded) <= MODULES


def _loaded(folder: Path, settings: dict[str, str], database: Database | None = None) -> set[str]:
    """The names of all modules that a gateway has imported by the time that it is ready."""
    gateway = start_gateway(folder, settings | {"PYTHONPROFILEIMPORTTIME": "1"}, database)
    assert httpx.get(f"{gateway.origin}/readyz", trust_env=False, timeout=30).status_code == 200
    assert gateway.stop() == 0
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", gateway.said, re.MULTILINE))
