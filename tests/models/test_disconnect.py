"""The statement that ends a connection, beside others that write the same row."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from models.connection import StatusReason
from models.database import Database, Session
from models.disconnect import end_connection
from models.ids import new_id
from models.revocation import Material, NewRevocation, RevocationStatus, seal_material
from models.token_refresh import take
from models.token_row import TokenRow, find_tokens
from tests.models.flows import VAULT, binding, connect, entry, grant
from tests.models.rows import events, run, value, waits_for_a_lock

ROW = "status, status_reason, access_token, refresh_token, expires_at, version, owner, lease_until, unsure, due_at"


async def connected(database: Database, **others: Any) -> TokenRow:
    row = await find_tokens(database, await connect(database, account="sam", **others))
    assert row is not None
    return row


def revocation(row: TokenRow) -> NewRevocation:
    id_ = new_id()
    material = seal_material(VAULT, id_, Material("access", "refresh", row.user_id, row.account), row.provider)
    return NewRevocation(id_, row.provider, row.site, "p-alice", "p-sam", material)


async def end(session: Session, row: TokenRow, new: NewRevocation | None = None) -> bool:
    ended = entry(action="disconnect")
    return await end_connection(session, row, new or revocation(row), StatusReason.BY_USER, ended)


async def test_all_that_belongs_to_it_is_written_together(database: Database) -> None:
    row = await connected(database)
    await run(database, "UPDATE connection SET due_at = now(), retry_at = now(), failures = 3, failing_since = now()")
    consent = await value(database, "SELECT consent FROM connection")
    assert await end(database, row)
    assert await run(database, f"SELECT {ROW} FROM connection") == [
        ("disconnected", "by_user", None, None, None, 2, None, None, 0, None)
    ]
    cleared = "SELECT consent, retry_at, failures, failing_since FROM connection"
    assert await run(database, cleared) == [(consent + 1, None, 0, None)]
    told = "SELECT connection_id, ended_version, provider, status, unsure, attempts FROM revocation"
    assert await run(database, told) == [(row.id, 1, "oura", "pending", 0, 0)]
    assert ("disconnect", "ok", row.id) in await events(database, "action, outcome, connection_id")


async def test_one_without_material_is_never_due(database: Database) -> None:
    row = await connected(database)
    new = structs.replace(revocation(row), material=None, status=RevocationStatus.UNSUPPORTED)
    assert await end(database, row, new)
    assert await run(database, "SELECT status, material, due_at FROM revocation") == [("unsupported", None, None)]


async def test_other_tokens_are_left_alone(database: Database) -> None:
    row = await connected(database)
    for other in (replace(row, version=2), replace(row, account=None), replace(row, account="kim")):
        assert not await end(database, other)
    assert await value(database, "SELECT status FROM connection") == "connected"
    assert await run(database, "SELECT id FROM revocation") == []


async def test_it_ends_once(database: Database) -> None:
    row = await connected(database)
    assert sorted(await asyncio.gather(*(end(database, row) for _ in range(10)))) == [False] * 9 + [True]
    assert await value(database, "SELECT count(*) FROM revocation") == 1
    ended = await find_tokens(database, row.id)
    assert ended is not None
    assert not await end(database, ended)
    assert [told for told in await events(database) if told[0] == "disconnect"] == [("disconnect", "ok")]


async def test_a_refresh_that_begins_at_the_same_moment_is_noticed(database: Database) -> None:
    """It takes its lease without changing the version."""
    row = await connected(database)
    async with database.exclusively(7) as refresher:
        lease = "UPDATE connection SET owner = 'refresher', lease_until = after(:lease), epoch = epoch + 1"
        await run(refresher, f"{lease} RETURNING id", lease=30)
        ending = asyncio.create_task(end(database, row))
        await waits_for_a_lock(refresher, ending)
    assert await ending
    ((unsure, due_at, created_at),) = await run(database, "SELECT unsure, due_at, created_at FROM revocation")
    assert unsure
    assert due_at - created_at > timedelta(seconds=15)
    assert await take(database, row, "another", lease=30, quiet=0) is None


async def test_one_that_stored_new_tokens_at_the_same_moment_is_noticed(database: Database) -> None:
    row = await connected(database)
    async with database.exclusively(7) as refresher:
        await run(refresher, "UPDATE connection SET version = version + 1 RETURNING id")
        ending = asyncio.create_task(end(database, row))
        await waits_for_a_lock(refresher, ending)
    assert not await ending


async def test_resealing_does_not_disturb_it(database: Database) -> None:
    row = await connected(database)
    await run(database, "UPDATE connection SET access_token = refresh_token RETURNING id")
    assert await end(database, row)


async def test_it_is_undone_with_its_transaction(database: Database) -> None:
    """As when a user is forgotten, and one of several connections can't be ended."""
    row = await connected(database)
    await connect(database, binding("s2", provider="fitbit"))

    async def end_and_fail() -> None:
        async with database.exclusively(7) as transaction:
            assert await end(transaction, row)
            raise KeyError

    with pytest.raises(KeyError):
        await end_and_fail()
    assert await run(database, "SELECT id FROM revocation") == []
    assert await run(database, "SELECT status FROM connection") == [("connected",)] * 2


async def test_a_dump_has_no_token(database: Database) -> None:
    granted = await grant(database, "canary-access", refresh_token="canary-refresh")
    row = await connected(database, token=granted.access_token, refresh_token=granted.refresh_token)
    id_ = new_id()
    material = Material("canary-access", "canary-refresh", row.user_id, row.account)
    new = structs.replace(revocation(row), id=id_, material=seal_material(VAULT, id_, material, row.provider))
    assert await end(database, row, new)
    for table in ("connection", "revocation", "audit_event"):
        rows = await run(database, f"SELECT * FROM {table}")
        assert b"canary" not in repr(rows).encode()
