"""The audit trail records every change, denial, replay and foreign read, by either interface, and never contains a
name."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.audit_trail import computed_pseudonym, events, pseudonym
from tests.conftest import REDIRECT_URI, Person, begin, start_gateway
from tests.databases import Database
from tests.interfaces import Interface
from tests.processes import Process
from tests.sandbox_control import Sandbox

GOOD: dict[str, Any] = {"provider": "sandbox", "redirectUri": REDIRECT_URI}
CALLBACK: dict[str, Any] = GOOD | {"code": "c", "state": "s", "iss": "http://127.0.0.1"}
DENIED: dict[str, tuple[str, dict[str, Any], str, str | None]] = {
    "authorize at an unknown provider": ("authorize", {"provider": "nobody"}, "PROVIDER_NOT_FOUND", "?"),
    "authorize with a relative URI": ("authorize", {"redirectUri": "/cb"}, "VALIDATION_ERROR", "sandbox"),
    "authorize with a malformed URI": ("authorize", {"redirectUri": "https://a b/"}, "VALIDATION_ERROR", "sandbox"),
    "authorize with another's URI": ("authorize", {"redirectUri": "https://x.example/"}, "VALIDATION_ERROR", "sandbox"),
    "authorize with an empty slug": ("authorize", {"provider": ""}, "VALIDATION_ERROR", "?"),
    "authorize with a wrong type": ("authorize", {"redirectUri": ["x"]}, "VALIDATION_ERROR", None),
    "complete at an unknown provider": ("complete", {"provider": "nobody"}, "PROVIDER_NOT_FOUND", "?"),
    "complete with a malformed URI": ("complete", {"redirectUri": "cb"}, "VALIDATION_ERROR", "sandbox"),
    "complete without a code": ("complete", {"code": ""}, "VALIDATION_ERROR", "sandbox"),
    "complete without a state": ("complete", {"state": " "}, "VALIDATION_ERROR", "sandbox"),
    "complete with another issuer": ("complete", {"iss": "https://x.example"}, "VALIDATION_ERROR", "sandbox"),
    "complete with a wrong type": ("complete", {"code": 5}, "VALIDATION_ERROR", None),
    "complete with an unknown state": ("complete", {"provider": "fitbit"}, "INVALID_STATE", "fitbit"),
}


@pytest.mark.parametrize("name", DENIED)
async def test_a_denied_call_leaves_a_row(
    api: Interface, someone: Person, shared_database: Database, name: str
) -> None:
    action, members, code, provider = DENIED[name]
    call = {"authorize": api.authorize, "complete": api.complete}[action]
    answer = await call(someone.token, **{"authorize": GOOD, "complete": CALLBACK}[action] | members)
    assert answer.code == code
    told = await events(shared_database, someone.id, "action, outcome, provider, count, actor, client_id, request_id")
    actor = await pseudonym(shared_database, someone.id)
    assert told == [(action, code, provider, 1, actor, "dev", answer.headers["x-request-id"])]


async def test_a_flow_from_begin_to_end(
    api: Interface, sandbox: Sandbox, someone: Person, another: Person, shared_database: Database
) -> None:
    callback = await begin(api, sandbox, someone, account=f"a-{someone.id}")
    assert (await api.complete(another.token, **callback)).code == "INVALID_STATE"
    connection = (await api.complete(someone.token, **callback)).connection
    assert (await api.complete(someone.token, **callback)).connection == connection
    assert await events(shared_database, another.id) == [("complete", "INVALID_STATE")]
    told = await events(shared_database, someone.id, "action, outcome, connection_id")
    assert [(action, outcome, str(id_ or "")) for action, outcome, id_ in told] == [
        ("authorize", "ok", ""),
        ("complete", "ok", connection["id"]),
        ("complete", "replayed", connection["id"]),
    ]


async def test_a_failure_and_its_repetition(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    callback = await begin(api, sandbox, someone) | {"code": f"never-given-{someone.id}"}
    for _ in range(3):
        assert (await api.complete(someone.token, **callback)).code == "INVALID_GRANT"
    # The first row is written when the request ends, and one for its first repetition.
    told = [("authorize", "ok"), ("complete", "INVALID_GRANT"), ("complete", "INVALID_GRANT")]
    assert await events(shared_database, someone.id) == told


async def test_somebody_elses_connections(
    api: Interface, someone: Person, another: Person, shared_database: Database, gateway: Process
) -> None:
    assert (await api.connections(someone.token, userId=another.id)).code == "FORBIDDEN"
    actor = await pseudonym(shared_database, someone.id)
    subject = await computed_pseudonym(shared_database, gateway, another.id)
    told = await shared_database.fetch("SELECT subject, action, outcome FROM audit_event WHERE actor = $1", actor)
    assert list(told) == [(subject, "read", "FORBIDDEN")]
    # A user id that a caller typed is not stored.
    assert await pseudonym(shared_database, another.id) is None
    assert (await api.connections(someone.token, userId=someone.id)).data == {"connections": []}
    assert len(await shared_database.fetch("SELECT id FROM audit_event WHERE actor = $1", actor)) == 1


async def test_somebody_elses_connection_by_its_id(
    client: httpx.AsyncClient, gateway: Process, interface: type[Interface], sandbox: Sandbox, shared_database: Database
) -> None:
    """REST has no such route."""
    someone, another = Person(f"one-{interface.name}"), Person(f"other-{interface.name}")
    api = interface(client, gateway.origin)
    mine = (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection["id"]
    unknown = str(uuid4())
    for identifier in (mine, unknown):
        response = await client.post(
            f"{gateway.origin}/graphql",
            json={"query": f'{{ connection(id: "{identifier}") {{ id }} }}'},
            headers={"Authorization": f"Bearer {another.token}"},
        )
        assert response.json()["errors"][0]["extensions"]["code"] == "CONNECTION_NOT_FOUND"
    told = await shared_database.fetch(
        "SELECT subject, action, provider, outcome, connection_id FROM audit_event WHERE actor = $1 ORDER BY id",
        await pseudonym(shared_database, another.id),
    )
    subjects = [await pseudonym(shared_database, person.id) for person in (someone, another)]
    assert [(*row, str(id_ or "")) for *row, id_ in told] == [
        (subjects[0], "read", "sandbox", "CONNECTION_NOT_FOUND", mine),
        (subjects[1], "read", None, "CONNECTION_NOT_FOUND", unknown),
    ]


async def test_nobody_is_named(
    api: Interface, sandbox: Sandbox, someone: Person, another: Person, shared_database: Database
) -> None:
    account = f"account-{someone.id[-12:]}"
    callback = await begin(api, sandbox, someone, "fitbit", account=account)
    for person in (another, someone, someone):
        await api.complete(person.token, **callback)
    await api.connections(another.token, userId=someone.id)
    written = str(await shared_database.fetch("SELECT * FROM audit_event"))
    name = await pseudonym(shared_database, someone.id)
    assert name is not None
    assert name in written
    for secret in (someone.id, another.id, account):
        assert secret not in written


@pytest.fixture
def own_gateway(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], own_database: Database) -> Process:
    return start_gateway(tmp_path_factory.mktemp("gateway"), settings, own_database)


async def test_one_who_repeats(
    own_gateway: Process, own_database: Database, someone: Person, interface: type[Interface], client: httpx.AsyncClient
) -> None:
    """The first is written at once; the count of the others when the process ends."""
    api = interface(client, own_gateway.origin)
    assert (await api.complete(someone.token, **CALLBACK | {"provider": "fitbit"})).code == "INVALID_STATE"
    repeated = [api.complete(someone.token, **CALLBACK | {"provider": "fitbit"}) for _ in range(60)]
    assert {answer.code for answer in await asyncio.gather(*repeated)} == {"INVALID_STATE"}
    assert (await api.complete(someone.token, **CALLBACK | {"provider": "strava"})).code == "INVALID_STATE"
    columns = "provider, outcome, count"
    first = [("fitbit", "INVALID_STATE", 1), ("strava", "INVALID_STATE", 1)]
    assert await events(own_database, someone.id, columns) == first
    assert await asyncio.to_thread(own_gateway.stop) == 0
    assert await events(own_database, someone.id, columns) == [*first, ("fitbit", "INVALID_STATE", 60)]


async def test_one_who_asks_for_everybody(
    own_gateway: Process, own_database: Database, someone: Person, interface: type[Interface], client: httpx.AsyncClient
) -> None:
    """The caller chooses whose connections to ask for, so these don't each get a row."""
    api = interface(client, own_gateway.origin)
    for number in range(100):
        assert (await api.connections(someone.token, userId=f"stranger-{number}")).code == "FORBIDDEN"
    assert await own_database.value("SELECT count(*) FROM audit_event") == 33
    assert await asyncio.to_thread(own_gateway.stop) == 0
    assert await own_database.value("SELECT sum(count) FROM audit_event") == 100
    assert await own_database.value("SELECT sum(count) FROM audit_event WHERE subject IS NULL") == 68
    assert await own_database.fetch("SELECT user_id FROM audit_subject") == [(someone.id,)]
