"""Reading the audit trail: who may, which events a user's id finds, cursors, and the record of each read."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from models.database import DatabaseDown
from resolvers.audit_trail import DEFAULT, MOST, AuditPage, Query, read_audit_trail
from resolvers.caller import READ, READ_AUDIT, WRITE
from resolvers.connections import list_connections
from resolvers.context import Context
from resolvers.errors import Problem
from tests.resolvers.failing_database import RECORD
from tests.resolvers.world import World

AUDITOR = frozenset({READ_AUDIT})
UNKNOWN = "0190163d-8694-739b-aea5-966c26f8ad91"


def auditor(world: World) -> Context:
    return world.context(None, scopes=AUDITOR)


async def read(world: World, **query: Any) -> AuditPage:
    return await read_audit_trail(auditor(world), Query(**query))


def told(page: AuditPage) -> list[tuple[Any, ...]]:
    return [(found.event.action, found.event.outcome, found.actor_user, found.subject_user) for found in page.events]


async def refusal(context: Context, **query: Any) -> tuple[str, str]:
    with pytest.raises(Problem) as raised:
        await read_audit_trail(context, Query(**query))
    return raised.value.code, raised.value.message


async def test_a_users_events(world: World) -> None:
    await world.connect("alice")
    await world.connect("bob")
    page = await read(world, user_id="alice")
    assert told(page) == [("complete", "ok", "alice", "alice"), ("authorize", "ok", "alice", "alice")]
    assert page.next is None


async def test_a_connections_events(world: World) -> None:
    connection = await world.connect("alice")
    await world.connect("bob")
    await list_connections(world.context(None, scopes=frozenset({READ})), "alice")
    assert told(await read(world, connection_id=connection.id.upper())) == [("complete", "ok", "alice", "alice")]
    assert told(await read(world, action="read")) == [("read", "ok", None, "alice")]
    assert told(await read(world, user_id="bob", connection_id=connection.id)) == []
    assert told(await read(world, connection_id=UNKNOWN)) == []


async def test_each_read_is_recorded_but_not_on_its_own_page(world: World) -> None:
    await world.connect("alice")
    assert "read_audit" not in [action for action, *_ in told(await read(world))]
    await read(world, user_id="alice", connection_id=UNKNOWN, action="complete")
    columns = "action, outcome, actor, client_id, subject, connection_id"
    subject = await world.resources.pseudonyms.of("alice")
    assert [(*row, str(id_ or "")) for *row, id_ in (await world.events(columns))[2:]] == [
        ("read_audit", "ok", None, "app", None, ""),
        ("read_audit", "ok", None, "app", subject, UNKNOWN),
    ]


async def test_a_read_that_can_not_be_recorded_is_not_answered(any_world: World) -> None:
    any_world.database.fail(RECORD)
    with pytest.raises(DatabaseDown):
        await read(any_world)


async def test_a_forgotten_user_is_found_under_the_pseudonym(world: World) -> None:
    await world.connect("alice")
    await world.outside.fetch("DELETE FROM audit_subject")
    page = await read(world, user_id="alice")
    assert told(page) == [("complete", "ok", None, None), ("authorize", "ok", None, None)]
    pseudonym = await world.resources.pseudonyms.of("alice")
    assert {(found.event.actor, found.event.subject) for found in page.events} == {(pseudonym, pseudonym)}


async def test_all_pseudonyms_of_a_user(world: World) -> None:
    """There is a second one if the key of the first was lost."""
    await world.connect("alice")
    await world.outside.fetch("UPDATE audit_event SET actor = 'former', subject = 'former'")
    await world.outside.fetch("UPDATE audit_subject SET pseudonym = 'former'")
    await world.authorize("alice")
    assert told(await read(world, user_id="alice")) == [
        ("authorize", "ok", "alice", "alice"),
        ("complete", "ok", "alice", "alice"),
        ("authorize", "ok", "alice", "alice"),
    ]


async def test_pages(world: World) -> None:
    for _ in range(3):
        await world.authorize("alice")
    first = await read(world, user_id="alice", first=2)
    assert len(first.events) == 2
    assert first.next is not None
    await world.authorize("alice")
    last = await read(world, user_id="alice", first=2, after=first.next)
    assert (len(last.events), last.next) == (1, None)
    ids = [found.event.id for found in (*first.events, *last.events)]
    assert ids == sorted(set(ids), reverse=True)


async def test_how_many_events_a_page_has(any_world: World) -> None:
    insert = (
        "INSERT INTO audit_event (at, action, scopes, outcome, request_id) SELECT {at}, 'a', '[]', 'ok', 'r' FROM n"
    )
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {MOST}) "
    await any_world.outside.fetch(numbers + insert.format(at="'2026-01-01 00:00:00.000000+00:00'"))
    assert len((await read(any_world)).events) == DEFAULT
    assert len((await read(any_world, first=1)).events) == 1
    assert len((await read(any_world, first=MOST)).events) == MOST


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"first": 0}, "first must be from 1 to 200."),
        ({"first": -1}, "first must be from 1 to 200."),
        ({"first": 201}, "first must be from 1 to 200."),
        ({"user_id": ""}, "userId must not be empty."),
        ({"user_id": "x" * 256}, "userId must have at most 255 characters."),
        ({"connection_id": ""}, "connectionId must be the id of a connection."),
        ({"connection_id": "no id"}, "connectionId must be the id of a connection."),
        ({"action": " "}, "action must not be empty."),
        ({"action": "x" * 33}, "action must have at most 32 characters."),
        ({"action": "a\0"}, "action must not hold control characters."),
    ],
)
async def test_malformed_queries(any_world: World, query: dict[str, Any], message: str) -> None:
    assert await refusal(auditor(any_world), **query) == ("VALIDATION_ERROR", message)


@pytest.mark.parametrize(
    "after",
    [
        "",
        " ",
        "x",
        "é",
        "\ud800",
        "1",
        "AAAA",
        "A" * 12,
        "AAAAAAAAAAB",
        "A\nAAAAAAAAAA",
        "_" * 11,
        "_" * 12,
        "A" * 5000,
    ],
)
async def test_malformed_cursors(any_world: World, after: str) -> None:
    expected = ("VALIDATION_ERROR", "after must be the `next` of another page.")
    assert await refusal(auditor(any_world), after=after) == expected


@pytest.mark.parametrize("scopes", [frozenset({READ, WRITE}), AUDITOR])
async def test_no_user_reads_the_trail(any_world: World, scopes: frozenset[str]) -> None:
    """Whatever the token says. The attempt is recorded."""
    code, message = await refusal(any_world.context("bob", scopes=scopes), user_id="alice")
    assert code == ("FORBIDDEN" if scopes == AUDITOR else "INSUFFICIENT_SCOPE")
    assert message
    actor, subject = [await any_world.resources.pseudonyms.of(user) for user in ("bob", "alice")]
    assert await any_world.events("action, outcome, actor, subject") == [("read_audit", code, actor, subject)]


async def test_a_service_needs_the_scope(any_world: World) -> None:
    code, message = await refusal(any_world.context(None, scopes=frozenset({READ})))
    assert (code, message) == ("INSUFFICIENT_SCOPE", "The bearer token lacks the scope read:audit.")
    assert await any_world.events("action, outcome, client_id") == [("read_audit", "INSUFFICIENT_SCOPE", "app")]


async def test_nobody_reads_the_trail(any_world: World) -> None:
    nobody = replace(auditor(any_world), caller=None)
    assert (await refusal(nobody))[0] == "UNAUTHENTICATED"
    assert await any_world.events() == []
