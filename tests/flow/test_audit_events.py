"""The audit trail as a service reads it from a running gateway: by user and by connection, page after page."""

from __future__ import annotations

from typing import Any

import httpx

from tests.audit_trail import pseudonym
from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import Interface, bearer
from tests.processes import Process
from tests.sandbox_control import Sandbox

AUDITOR = "dev-service:auditor"
QUERY = """query($userId: ID, $connectionId: ID, $action: String, $after: String, $first: Int) {
    auditEvents(userId: $userId, connectionId: $connectionId, action: $action, after: $after, first: $first) {
        events {
            at action outcome actor actorPseudonym clientId subject subjectPseudonym provider connectionId scopes count
            requestId
        }
        next } }"""


async def read(client: httpx.AsyncClient, gateway: Process, token: str = AUDITOR, **variables: Any) -> Any:
    """The page, or else the code of the error."""
    asked = {"query": QUERY, "variables": variables}
    answer = (await client.post(f"{gateway.origin}/graphql", json=asked, headers=bearer(token))).json()
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else answer["data"]["auditEvents"]


async def test_what_happened_to_a_user(
    api: Interface,
    client: httpx.AsyncClient,
    gateway: Process,
    sandbox: Sandbox,
    someone: Person,
    another: Person,
    shared_database: Database,
) -> None:
    completed = await api.complete(someone.token, **await begin(api, sandbox, someone, account=f"a-{someone.id}"))
    connection = completed.connection["id"]
    assert (await api.connections(another.token, userId=someone.id)).code == "FORBIDDEN"
    page = await read(client, gateway, userId=someone.id)
    mine, others = [await pseudonym(shared_database, person.id) for person in (someone, another)]
    assert [(event["action"], event["outcome"], event["actor"]) for event in page["events"]] == [
        ("read", "FORBIDDEN", another.id),
        ("complete", "ok", someone.id),
        ("authorize", "ok", someone.id),
    ]
    assert page["events"][0]["actorPseudonym"] == others
    event = page["events"][1]
    assert event.pop("at").endswith("Z")
    assert event.pop("scopes")
    assert event == {
        "action": "complete",
        "outcome": "ok",
        "actor": someone.id,
        "actorPseudonym": mine,
        "clientId": "dev",
        "subject": someone.id,
        "subjectPseudonym": mine,
        "provider": "sandbox",
        "connectionId": connection,
        "count": 1,
        "requestId": completed.headers["x-request-id"],
    }
    of_connection = await read(client, gateway, connectionId=connection, userId=someone.id)
    assert [event["action"] for event in of_connection["events"]] == ["complete"]


async def test_pages_while_events_are_added(
    any_api: Interface, client: httpx.AsyncClient, any_gateway: Process, sandbox: Sandbox, someone: Person
) -> None:
    for _ in range(3):
        await begin(any_api, sandbox, someone)
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = await read(client, any_gateway, userId=someone.id, action="authorize", first=1, after=after)
        seen += [event["requestId"] for event in page["events"]]
        after = page["next"]
        await begin(any_api, sandbox, someone)
    assert len(set(seen)) == 3
    assert after is None


async def test_who_may_not_read_it(client: httpx.AsyncClient, any_gateway: Process, someone: Person) -> None:
    assert await read(client, any_gateway, someone.token) == "INSUFFICIENT_SCOPE"
    assert await read(client, any_gateway, after="page 2") == "VALIDATION_ERROR"
    page = await read(client, any_gateway, userId=someone.id, action="read_audit")
    assert [(event["outcome"], event["actor"]) for event in page["events"]] == [
        ("INSUFFICIENT_SCOPE", someone.id),
    ]
