"""Where an account may belong to one user only, another user is refused, and may connect another account."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Person, begin, start_gateway
from tests.databases import Database
from tests.interfaces import GraphQL, Interface, Rest
from tests.sandbox_control import Sandbox


@pytest.fixture(params=[Rest, GraphQL])
async def rejecting(
    request: pytest.FixtureRequest,
    client: httpx.AsyncClient,
    tmp_path: Path,
    settings: dict[str, str],
    own_database: Database,
) -> AsyncGenerator[Interface]:
    process = start_gateway(tmp_path, settings | {"TENDON_ACCOUNT_POLICY": "reject"}, own_database)
    yield request.param(client, process.origin)
    process.kill()


@pytest.mark.parametrize("slug", ["fitbit", "sandbox"])
async def test_another_users_account_is_refused(
    rejecting: Interface, sandbox: Sandbox, someone: Person, another: Person, slug: str, own_database: Database
) -> None:
    account = f"one-{someone.id[-20:]}"
    first = await rejecting.complete(someone.token, **await begin(rejecting, sandbox, someone, slug, account=account))
    callback = await begin(rejecting, sandbox, another, slug, account=account)
    for _ in range(2):
        refused = await rejecting.complete(another.token, **callback)
        assert (refused.code, refused.message) == (
            "ACCOUNT_TAKEN",
            "Another user is connected to this account at the provider. Connect another account.",
        )
        assert refused.status == (400 if rejecting.name == "rest" else 200)
    again = await rejecting.complete(someone.token, **await begin(rejecting, sandbox, someone, slug, account=account))
    assert again.connection["id"] == first.connection["id"]
    other = await begin(rejecting, sandbox, another, slug, account=f"other-{another.id[-20:]}")
    assert (await rejecting.complete(another.token, **other)).connection["status"] == "connected"
    assert await own_database.value("SELECT count(*) FROM connection") == 2
