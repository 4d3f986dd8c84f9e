"""Pending grants: which one a connection has, and which statement may end it."""

from __future__ import annotations

from typing import Any

import pytest

from models.database import Database
from models.ids import new_id
from models.pending_grant import Held, PendingGrant, drop_grant, hold_grant, promote_grant
from models.revocation import NewRevocation
from models.token_row import TokenRow, find_tokens
from tests.models.flows import OWNER, VAULT, begin, binding, connect, entry, grant, store
from tests.models.rows import now, run


async def hold(database: Database, state: str, version: int) -> tuple[TokenRow, PendingGrant]:
    """The connection, and its pending grant."""
    of, read_at, id_ = binding(state), await now(database), new_id()
    pending = PendingGrant("access", "refresh", of.user_id, ["sleep"], [], None, read_at)
    revocation = NewRevocation(id_, of.provider, "", "p-alice", None, pending.seal(VAULT, id_, of.provider))
    stored = await hold_grant(database, of, OWNER, Held(revocation, read_at, read_at, 5.0), version, entry())
    assert stored is not None
    row = await find_tokens(database, stored.id)
    assert row is not None
    assert row.pending_grant == id_
    return row, pending


async def promote(database: Database, row: TokenRow, pending: PendingGrant) -> bool:
    options: dict[str, Any] = {"due_in": None, "exclusive": True, "replacement": None}
    return await promote_grant(database, VAULT, row, pending, "a", entry(), **options) is not None


async def ids(database: Database) -> list[str]:
    return [str(id_) for (id_,) in await run(database, "SELECT id FROM revocation ORDER BY id")]


@pytest.mark.parametrize("connected", [True, False])
async def test_only_the_newest_grant_is_promoted_or_dropped(database: Database, *, connected: bool) -> None:
    if connected:
        await connect(database)
    first, pending = await hold(database, "s2", (await begin(database, binding("s2"))).version)
    second, newest = await hold(database, "s3", (await begin(database, binding("s3"))).version)
    assert not await promote(database, first, pending)
    assert not await drop_grant(database, first, entry(), revokes=True)
    assert await run(database, "SELECT CAST(pending_grant AS text) AS id FROM connection") == [(second.pending_grant,)]
    assert await promote(database, second, newest)
    found = await find_tokens(database, first.id)
    assert found is not None
    assert (found.status, found.status_reason, found.pending_grant) == ("connected", "scopes_missing", None)
    assert await ids(database) == [first.pending_grant]


async def test_tokens_that_change_meanwhile_are_not_replaced_unread(database: Database) -> None:
    await connect(database)
    row, pending = await hold(database, "s2", (await begin(database, binding("s2"))).version)
    await run(database, "UPDATE connection SET version = version + 1")
    assert not await promote(database, row, pending)
    assert await ids(database) == [row.pending_grant]


async def test_a_late_callback_does_not_end_a_newer_grant(database: Database) -> None:
    """Its connection was disconnected, and then connected again."""
    identity = await connect(database)
    late = await begin(database, binding("late"))
    granted = await grant(database)
    await run(database, "UPDATE connection SET status = 'disconnected', access_token = NULL, version = version + 1")
    ended = await find_tokens(database, identity)
    assert ended is not None
    await hold(database, "s2", (await begin(database, binding("s2"))).version)
    assert await store(database, granted, late.version, binding("late")) is None
    # Neither does one that began between the two.
    between = await begin(database, binding("between"))
    assert between.version > ended.version
