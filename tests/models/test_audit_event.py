"""The rows of the audit trail that have no statement of their own."""

from __future__ import annotations

from typing import Any

import pytest

from models.audit_event import record
from models.database import Database
from tests.models.flows import entry
from tests.models.rows import now, run

ALL = "actor, client_id, subject, action, provider, connection_id, scopes, outcome, request_id, count"
SUBJECTS = "SELECT pseudonym, user_id FROM audit_subject ORDER BY pseudonym"
IDENTITY = "00000000-0000-7000-8000-000000000001"


async def test_a_row_says_all_of_its_entry(database: Database) -> None:
    before = await now(database)
    values = entry("ok", action="read", actor="p-bob", user="bob", subject="p-alice", connection_id=IDENTITY)
    await record(database, values)
    assert await run(database, f"SELECT {ALL} FROM audit_event") == [
        ("p-bob", "app", "p-alice", "read", "oura", IDENTITY, '["sleep"]', "ok", "r1", 1)
    ]
    ((at,),) = await run(database, "SELECT at AS written_at FROM audit_event")
    assert before <= at <= await now(database)
    assert await run(database, SUBJECTS) == [("p-bob", "bob")]


async def test_a_row_stands_for_several_calls(database: Database) -> None:
    await record(database, entry(), 7)
    assert await run(database, "SELECT count FROM audit_event") == [(7,)]


async def test_a_service_has_no_pseudonym(database: Database) -> None:
    await record(database, entry(actor=None, user=None, subject="p-alice"))
    assert await run(database, f"SELECT {ALL} FROM audit_event") == [
        (None, "app", "p-alice", "complete", "oura", None, '["sleep"]', "ok", "r1", 1)
    ]
    assert await run(database, SUBJECTS) == []


async def test_callers_are_mapped_once(database: Database) -> None:
    for actor in ("alice", "bob", "alice"):
        await record(database, entry(actor=f"p-{actor}", user=actor))
    assert await run(database, SUBJECTS) == [("p-alice", "alice"), ("p-bob", "bob")]
    assert await run(database, "SELECT count(*) FROM audit_event") == [(3,)]


@pytest.mark.parametrize("member", ["client_id", "subject", "provider"])
async def test_what_is_unknown_is_left_out(database: Database, member: str) -> None:
    values: dict[str, Any] = {member: None}
    await record(database, entry(**values))
    assert await run(database, f"SELECT {member} FROM audit_event") == [(None,)]
