"""Disconnecting, by REST and GraphQL: whose connections, what is left of them, and what the provider is to be told."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.audit_trail import events
from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import GraphQL, Interface, Rest
from tests.sandbox_control import Sandbox
from tests.waiting import until

SHOWN = """query($userId: ID!) { connections(userId: $userId) {
    id providerSlug status updatedAt revocation { status attempts deliveredAt } } }"""


async def connect(api: Interface, sandbox: Sandbox, person: Person, slug: str = "sandbox") -> dict[str, Any]:
    return (await api.complete(person.token, **await begin(api, sandbox, person, slug))).connection


async def shown(api: Interface, person: Person) -> list[dict[str, Any]]:
    response = await api._client.post(
        f"{api.origin}/graphql",
        json={"query": SHOWN, "variables": {"userId": person.id}},
        headers={"Authorization": f"Bearer {person.token}"},
    )
    return response.json()["data"]["connections"]


async def test_a_user_disconnects(api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database) -> None:
    connection = await connect(api, sandbox, someone)
    answer = await api.disconnect(someone.token, connection["id"], userId=someone.id)
    assert answer.status == 200
    assert answer.payload == b'{"success":true}'
    listed = (await api.connections(someone.token, userId=someone.id)).data["connections"]
    assert listed == [connection | {"status": "disconnected"}]
    assert await status_of(shared_database, connection) == ("disconnected", "by_user")
    told = await events(shared_database, someone.id, "action, outcome, provider, connection_id, client_id")
    assert [(*event[:3], str(event[3]), event[4]) for event in told][-1] == (
        *("disconnect", "ok", "sandbox"),
        *(connection["id"], "dev"),
    )


async def status_of(database: Database, connection: dict[str, Any]) -> tuple[Any, ...]:
    columns = "SELECT status, status_reason FROM connection WHERE id = $1"
    return (await database.fetch(columns, connection["id"]))[0]


async def test_a_service_disconnects_for_a_named_user(
    api: Interface, sandbox: Sandbox, someone: Person, another: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone)
    missing = await api.disconnect("dev-service:cleanup", connection["id"], userId=another.id)
    assert missing.code == "CONNECTION_NOT_FOUND"
    assert (await api.disconnect("dev-service:cleanup", connection["id"], userId=someone.id)).data == {"success": True}
    assert await status_of(shared_database, connection) == ("disconnected", "by_service")
    told = await events(shared_database, someone.id, "action, outcome, actor, client_id")
    assert told[-2:] == [
        ("disconnect", "CONNECTION_NOT_FOUND", None, "cleanup"),
        ("disconnect", "ok", None, "cleanup"),
    ]


async def test_nothing_of_the_tokens_is_left_in_the_connection(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone)
    await api.disconnect(someone.token, connection["id"], userId=someone.id)
    columns = "access_token, refresh_token, expires_at, owner, lease_until, retry_at, due_at, version, consent"
    (row,) = await shared_database.fetch(f"SELECT {columns} FROM connection WHERE id = $1", connection["id"])
    assert row == (*[None] * 7, 2, row[8])
    columns = "status, ended_version, unsure, attempts, material IS NULL, due_at IS NULL, owner"
    ended = await shared_database.fetch(f"SELECT {columns} FROM revocation WHERE connection_id = $1", connection["id"])
    assert [tuple(ended[0])] == [("pending", 1, False, 0, False, False, None)]


async def test_disconnecting_again_answers_the_same_and_changes_nothing(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone)
    first = await api.disconnect(someone.token, connection["id"], userId=someone.id)
    before = await shown(api, someone)
    for interface in (Rest, GraphQL):
        again = interface(api._client, api.origin)
        assert (await again.disconnect(someone.token, connection["id"], userId=someone.id)).payload == first.payload
    assert await shown(api, someone) == before
    counted = "SELECT count(*) FROM revocation WHERE connection_id = $1"
    assert await shared_database.value(counted, connection["id"]) == 1
    told = [event for event in await events(shared_database, someone.id) if event[0] == "disconnect"]
    assert told == [("disconnect", "ok"), ("disconnect", "replayed")]


async def test_fifty_at_once_end_it_once(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    connection = await connect(api, sandbox, someone)
    answers = await asyncio.gather(
        *(api.disconnect(someone.token, connection["id"], userId=someone.id) for _ in range(50))
    )
    assert {answer.payload for answer in answers} == {b'{"success":true}'}
    counted = "SELECT count(*) FROM revocation WHERE connection_id = $1"
    assert await shared_database.value(counted, connection["id"]) == 1


async def test_what_is_not_theirs(
    api: Interface, sandbox: Sandbox, someone: Person, another: Person, shared_database: Database
) -> None:
    """Another's user id is refused before anything is looked up, so that nothing can be learnt from the answer."""
    connection = await connect(api, sandbox, someone)
    for id_ in (connection["id"], str(uuid4()), "nonsense"):
        refused = await api.disconnect(another.token, id_, userId=someone.id)
        assert refused.code == "FORBIDDEN"
        assert refused.status == (403 if isinstance(api, Rest) else 200)
        missing = await api.disconnect(another.token, id_, userId=another.id)
        assert missing.code == "CONNECTION_NOT_FOUND"
        assert missing.status == (404 if isinstance(api, Rest) else 200)
    assert await status_of(shared_database, connection) == ("connected", None)


@pytest.mark.parametrize(
    ("token", "code", "status"),
    [
        (None, "UNAUTHENTICATED", 401),
        ("dev:alice", "VALIDATION_ERROR", 400),
    ],
)
async def test_what_is_refused(any_api: Interface, token: str | None, code: str, status: int) -> None:
    refused = await any_api.disconnect(token, str(uuid4()), userId=" ")
    assert refused.code == code
    if isinstance(any_api, Rest):
        assert refused.status == status


async def test_the_user_must_be_named(any_api: Interface, someone: Person) -> None:
    assert (await any_api.disconnect(someone.token, str(uuid4()))).code == "VALIDATION_ERROR"


async def test_connecting_again_is_a_fresh_start_of_the_same_connection(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    first = await connect(api, sandbox, someone)
    await api.disconnect(someone.token, first["id"], userId=someone.id)
    assert await connect(api, sandbox, someone) == first
    (row,) = await shown(api, someone)
    assert (row["status"], row["revocation"]) == ("connected", None)
    await api.disconnect(someone.token, first["id"], userId=someone.id)
    counted = "SELECT count(*) FROM revocation WHERE connection_id = $1"
    assert await shared_database.value(counted, first["id"]) == 2


async def test_a_callback_that_is_sent_again_after_that_answers_the_connection_as_it_is(
    api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    callback = await begin(api, sandbox, someone)
    connection = (await api.complete(someone.token, **callback)).connection
    await api.disconnect(someone.token, connection["id"], userId=someone.id)
    assert (await api.complete(someone.token, **callback)).connection == connection | {"status": "disconnected"}


async def test_what_is_shown_of_the_revocation(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    """Concept2 has no way to revoke a token."""
    ids = {slug: (await connect(api, sandbox, someone, slug))["id"] for slug in ("concept2", "sandbox", "strava")}
    before = {row["providerSlug"]: row for row in await shown(api, someone)}
    for slug in ("concept2", "sandbox"):
        await api.disconnect(someone.token, ids[slug], userId=someone.id)
    after = {row["providerSlug"]: row for row in await shown(api, someone)}
    told = {slug: row["revocation"] for slug, row in after.items()}
    assert told == {
        "concept2": {"status": "unsupported", "attempts": 0, "deliveredAt": None},
        "sandbox": {"status": "pending", "attempts": 0, "deliveredAt": None},
        "strava": None,
    }
    assert after["sandbox"]["updatedAt"] > before["sandbox"]["updatedAt"]
    assert after["strava"] == before["strava"]


async def test_the_mutation_returns_the_connection(
    client: httpx.AsyncClient, api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    connection = await connect(api, sandbox, someone)
    mutation = """mutation($input: DisconnectConnectionInput!) { disconnectConnection(input: $input) {
        success connection { id status revocation { status } } } }"""
    response = await client.post(
        f"{api.origin}/graphql",
        json={
            "query": mutation,
            "variables": {"input": {"connectionId": connection["id"], "userId": someone.id}},
        },
        headers={"Authorization": f"Bearer {someone.token}"},
    )
    assert response.json() == {
        "data": {
            "disconnectConnection": {
                "success": True,
                "connection": {
                    "id": connection["id"],
                    "status": "disconnected",
                    "revocation": {"status": "pending"},
                },
            }
        }
    }


async def test_a_refresh_in_progress_brings_nothing_back(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    """The provider has handled it already. What it gives is revoked, and not used."""
    await sandbox.settings("sandbox", account=someone.id, access_life=0)
    callback = await begin(api, sandbox, someone, account=someone.id)
    connection = (await api.complete(someone.token, **callback)).connection
    await sandbox.fault("sandbox", "held_answer", account=someone.id, grant_type="refresh_token")
    issuing = asyncio.create_task(api.issue("dev-service:etl", connection["id"]))

    async def is_asked() -> bool:
        return bool(await sandbox.refreshes(someone.id))

    await until(is_asked, "the refresh")
    assert (await api.disconnect(someone.token, connection["id"], userId=someone.id)).data == {"success": True}
    columns = "status, unsure, material FROM revocation WHERE connection_id = $1"
    (before,) = await shared_database.fetch(f"SELECT {columns}", connection["id"])
    assert (before[0], bool(before[1])) == ("pending", True)
    await sandbox.release(account=someone.id)
    assert (await issuing).code == "REAUTHORIZATION_REQUIRED"
    assert await status_of(shared_database, connection) == ("disconnected", "by_user")

    async def is_handed_over() -> bool:
        (after,) = await shared_database.fetch(f"SELECT {columns}", connection["id"])
        return (after[0], bool(after[1])) == ("pending", False) and after[2] != before[2]

    await until(is_handed_over, "the new tokens in the revocation")
    left = "SELECT access_token, refresh_token FROM connection WHERE id = $1"
    assert await shared_database.fetch(left, connection["id"]) == [(None, None)]
    refused = await api.issue("dev-service:etl", connection["id"])
    assert refused.code == "REAUTHORIZATION_REQUIRED"
