"""From a disconnect to the provider: a gateway with a worker beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.audit_trail import events
from tests.conftest import Person, begin, start_gateway
from tests.databases import Database
from tests.interfaces import GraphQL, Interface, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.waiting import until


@pytest.fixture
async def working(tmp_path: Path, settings: dict[str, str], own_database: Database) -> AsyncGenerator[Process]:
    """On each engine."""
    process = await asyncio.to_thread(start_gateway, tmp_path, settings | {"TENDON_WORKER": "1"}, own_database)
    yield process
    assert process.stop() == 0


async def connect(api: Interface, sandbox: Sandbox, person: Person, slug: str) -> str:
    callback = await begin(api, sandbox, person, slug, account=person.id)
    return (await api.complete(person.token, **callback)).connection["id"]


async def test_the_provider_is_told(
    working: Process,
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
    another: Person,
    own_database: Database,
) -> None:
    """One ends a connection whose revocation ends its own tokens, one whose revocation ends all that the app has. A
    third one fails at first."""
    rest, graphql = Rest(client, working.origin), GraphQL(client, working.origin)
    ended = {slug: await connect(rest, sandbox, someone, slug) for slug in ("sandbox", "fitbit", "whoop")}
    kept = await connect(rest, sandbox, another, "fitbit")
    await sandbox.fault("whoop", "status_429", endpoint="revoke", account=someone.id)
    for api, id_ in zip((rest, graphql, rest), ended.values(), strict=True):
        assert (await api.disconnect(someone.token, id_, userId=someone.id)).data == {"success": True}

    async def told() -> dict[str, Any]:
        query = f'{{ connections(userId: "{someone.id}") {{ providerSlug revocation {{ status attempts }} }} }}'
        headers = {"Authorization": f"Bearer {someone.token}"}
        response = await client.post(f"{working.origin}/graphql", json={"query": query}, headers=headers)
        return {row["providerSlug"]: row["revocation"] for row in response.json()["data"]["connections"]}

    async def all_delivered() -> bool:
        return all(revocation["status"] == "delivered" for revocation in (await told()).values())

    await until(all_delivered, "the deliveries")
    assert {slug: revocation["attempts"] for slug, revocation in (await told()).items()} == {
        "sandbox": 1,
        "fitbit": 1,
        "whoop": 2,
    }
    for slug in ended:
        assert all(family["ended"] for family in await sandbox.families(someone.id, slug))
    assert not any(family["ended"] for family in await sandbox.families(another.id, "fitbit"))
    assert await own_database.value("SELECT status FROM connection WHERE id = $1", kept) == "connected"
    assert await own_database.value("SELECT count(*) FROM revocation WHERE material IS NOT NULL") == 0
    trail = [event for event in await events(own_database, someone.id) if event[0] == "revoke"]
    assert trail == [("revoke", "ok")] * 3
