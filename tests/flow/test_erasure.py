"""Forgetting a user: who may do it, what it removes, and what the user's apps see afterwards."""

from __future__ import annotations

import pytest

from tests.audit_trail import computed_pseudonym, pseudonym
from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import Interface
from tests.processes import Process
from tests.sandbox_control import Sandbox

SERVICE = "dev-service:eraser"
NOTHING = {"authorizationRequests": 0, "endedRequests": 0, "connections": 0, "accounts": 0, "auditSubjects": 0}
TABLES = ("authorization_request", "ended_request", "connection", "account_owner", "audit_subject")


async def rows_of(database: Database, person: Person) -> list[int]:
    return [await database.value(f"SELECT count(*) FROM {table} WHERE user_id = $1", person.id) for table in TABLES]


async def test_a_service_forgets_a_user(
    api: Interface, gateway: Process, sandbox: Sandbox, someone: Person, another: Person, shared_database: Database
) -> None:
    callback = await begin(api, sandbox, someone)
    connection = (await api.complete(someone.token, **callback)).connection
    unsupported = (await api.complete(someone.token, **await begin(api, sandbox, someone, "concept2"))).connection
    await begin(api, sandbox, someone)
    kept = (await api.complete(another.token, **await begin(api, sandbox, another))).connection
    name = await pseudonym(shared_database, someone.id)
    receipt = (await api.erase(SERVICE, userId=someone.id)).data
    assert (receipt["pseudonym"], receipt["pendingRevocations"]) == (name, 1)
    assert receipt["filePurged"] is (True if shared_database.engine == "sqlite" else None)
    removed = receipt["removed"]
    assert (removed["authorizationRequests"], removed["connections"], removed["auditSubjects"]) == (3, 2, 1)
    assert sorted(receipt["grants"], key=lambda grant: grant["providerSlug"]) == [
        {"connectionId": unsupported["id"], "providerSlug": "concept2", "revocation": "unsupported"},
        {"connectionId": connection["id"], "providerSlug": "sandbox", "revocation": "pending"},
    ]
    assert await rows_of(shared_database, someone) == [0] * len(TABLES)
    # The events stay, under the pseudonym that is computed from the id.
    assert name == await computed_pseudonym(shared_database, gateway, someone.id)
    told = await shared_database.fetch(
        "SELECT action, outcome, actor, client_id FROM audit_event WHERE subject = $1 ORDER BY id", name
    )
    assert sorted(event[0] for event in told[-3:]) == ["disconnect", "disconnect", "erase"]
    assert ("erase", "ok", None, "eraser") in told
    assert (await api.connections(someone.token, userId=someone.id)).data["connections"] == []
    assert (await api.connections(another.token, userId=another.id)).data["connections"] == [kept]


async def test_again_there_is_nothing_to_remove(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    await api.complete(someone.token, **await begin(api, sandbox, someone))
    assert (await api.erase(SERVICE, userId=someone.id)).data["removed"]["connections"] == 1
    again = (await api.erase(SERVICE, userId=someone.id)).data
    assert (again["removed"], again["grants"], again["pendingRevocations"]) == (NOTHING, [], 1)


async def test_a_callback_that_is_sent_again_afterwards_has_no_state(
    api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    completed, pending = [await begin(api, sandbox, someone) for _ in range(2)]
    await api.complete(someone.token, **completed)
    await api.erase(SERVICE, userId=someone.id)
    for callback in (completed, pending):
        assert (await api.complete(someone.token, **callback)).code == "INVALID_STATE"


async def test_a_user_who_comes_back_is_new(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    first = (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection
    name = (await api.erase(SERVICE, userId=someone.id)).data["pseudonym"]
    again = (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection
    assert again["id"] != first["id"]
    assert await pseudonym(shared_database, someone.id) == name


@pytest.mark.parametrize(("token", "code"), [(None, "UNAUTHENTICATED"), ("dev:alice", "INSUFFICIENT_SCOPE")])
async def test_nobody_else_may(any_api: Interface, someone: Person, token: str | None, code: str) -> None:
    assert (await any_api.erase(token, userId=someone.id)).code == code


async def test_the_user_must_be_named(any_api: Interface) -> None:
    assert (await any_api.erase(SERVICE, userId=" ")).code == "VALIDATION_ERROR"
