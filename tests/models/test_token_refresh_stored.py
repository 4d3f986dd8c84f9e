"""New tokens that a refresh gave: when they are stored, and what became of a connection when they are not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from models.connection import StatusReason, Tokens
from models.database import Database
from models.token_refresh import Fate, Lease, NewTokens, Stored, find_fate, mark, store, take
from models.token_row import TokenRow
from tests.models.flows import VAULT, binding, connect, entry
from tests.models.refreshes import connected, expect, row_of, update
from tests.models.rows import events, run


async def taken(database: Database, row: TokenRow, owner: str = "me") -> Lease:
    """Also if another one has the lease, as after its end."""
    await update(database, "lease_until = after(:wait)", wait=-1)
    lease = await take(database, row, owner, lease=30, quiet=0)
    assert lease is not None
    return lease


def new_tokens(row: TokenRow, name: str = "new", **others: Any) -> NewTokens:
    values: dict[str, Any] = {
        "tokens": Tokens(f"{name}-access", f"{name}-refresh"),
        "expires_at": row.read_at + timedelta(hours=2),
        "scopes": '["sleep"]',
        "status_reason": None,
        "due_in": None,
    }
    return NewTokens(**{**values, **others})


async def stored(database: Database, row: TokenRow, lease: Lease, name: str = "new", **others: Any) -> Stored | None:
    recorded = entry(action="refresh")
    return await store(database, VAULT, row, lease, new_tokens(row, name, **others), recorded)


async def tokens_of(database: Database, row: TokenRow) -> tuple[str, str]:
    found = await row_of(database, row)
    return found.open(VAULT, "access_token"), found.open(VAULT, "refresh_token")


async def refreshes(database: Database) -> list[tuple[Any, ...]]:
    found = await events(database, "action, outcome, connection_id")
    return [event for event in found if event[0] == "refresh"]


async def test_all_that_belongs_to_them_is_written_together(database: Database) -> None:
    row = await connected(database)
    lease = await taken(database, row)
    await update(database, "unsure = 2, failures = 3, failing_since = now(), retry_at = now()")
    assert await stored(database, row, lease, due_in=60.0, status_reason=StatusReason.SCOPES_MISSING) == Stored(
        recovered=False
    )
    assert await tokens_of(database, row) == ("new-access", "new-refresh")
    names = "status, status_reason, granted_scopes, version, consent, refreshed_by"
    await expect(database, names, ("connected", "scopes_missing", '["sleep"]', 2, row.consent, lease.epoch))
    names = "owner, lease_until, unsure, first_sent_at, retry_at, failures, failing_since"
    await expect(database, names, (None, None, 0, None, None, 0, None))
    found = await row_of(database, row)
    assert found.granted_at == row.granted_at
    assert found.expires_at == new_tokens(row).expires_at
    assert found.refreshed_at is not None
    assert found.refreshed_at >= row.read_at
    assert found.due_at is not None
    assert timedelta(seconds=50) < found.due_at - found.read_at <= timedelta(seconds=60)
    # A usual refresh is no event.
    assert await refreshes(database) == []


async def test_they_are_never_due_where_nothing_is_to_be_done(database: Database) -> None:
    row = await connected(database)
    await update(database, "due_at = now()")
    await stored(database, row, await taken(database, row))
    await expect(database, "due_at", (None,))


async def test_an_answer_after_the_lease_is_as_good(database: Database) -> None:
    """Another process has the lease by then, and keeps it."""
    row = await connected(database)
    lease = await taken(database, row)
    await taken(database, row, "another")
    assert await stored(database, row, lease)
    assert await tokens_of(database, row) == ("new-access", "new-refresh")
    await expect(database, "owner, version", ("another", 2))
    assert (await row_of(database, row)).leased_until_at is not None


async def test_the_later_of_two_answers_is_the_newer(database: Database) -> None:
    row = await connected(database)
    first, second = await taken(database, row), await taken(database, row, "another")
    assert await stored(database, row, first, "first")
    assert await stored(database, row, second, "second")
    assert await tokens_of(database, row) == ("second-access", "second-refresh")
    await expect(database, "version, refreshed_by", (3, second.epoch))
    # The first one comes once more.
    assert await stored(database, row, first, "first") is None
    assert await find_fate(database, row, first) is Fate.NEWER


async def test_the_earlier_of_two_answers_comes_too_late(database: Database) -> None:
    row = await connected(database)
    first, second = await taken(database, row), await taken(database, row, "another")
    assert await stored(database, row, second, "second")
    assert await stored(database, row, first, "first") is None
    assert await tokens_of(database, row) == ("second-access", "second-refresh")
    assert await find_fate(database, row, first) is Fate.NEWER


async def test_tokens_are_stored_once(database: Database) -> None:
    """The answer to COMMIT may be lost."""
    row = await connected(database)
    lease = await taken(database, row)
    assert await stored(database, row, lease)
    assert await stored(database, row, lease) is None
    assert await find_fate(database, row, lease) is Fate.STORED
    await expect(database, "version", (2,))


@pytest.mark.parametrize(
    ("change", "is_stored"),
    [
        ("version = version + 1", False),
        ("version = version + 1, refreshed_by = 0", True),
        ("version = version + 1, refreshed_by = 1", False),
        ("version = version + 1, refreshed_by = 2", False),
        ("version = version + 2, refreshed_by = 0", False),
        ("version = version - 1, refreshed_by = 0", False),
        ("refreshed_by = 5", True),
        ("epoch = 7, owner = NULL, lease_until = NULL", True),
        ("consent = consent + 1", False),
        ("consent = consent - 1", False),
        ("granted_at = now()", False),
        ("status = 'disconnected'", False),
        ("status = 'pending'", False),
        ("status = 'error'", True),
        # As resealing does it.
        ("access_token = refresh_token, refresh_token = access_token", True),
    ],
)
async def test_what_may_change_while_the_provider_answers(database: Database, change: str, *, is_stored: bool) -> None:
    row = await connected(database)
    lease = await taken(database, row)
    assert lease.epoch == 1
    await update(database, change)
    before = await run(database, "SELECT * FROM connection")
    assert bool(await stored(database, row, lease)) == is_stored
    assert (await run(database, "SELECT * FROM connection") != before) == is_stored


async def test_a_grant_of_the_previous_version_is_not_replaced(database: Database) -> None:
    """It knows of neither consents nor epochs."""
    row = await connected(database)
    lease_before = await taken(database, row)
    assert await stored(database, row, lease_before)
    row = await row_of(database, row)
    lease = await taken(database, row)
    await update(database, "version = version + 1, granted_at = now(), refreshed_by = 1")
    assert await stored(database, row, lease) is None
    assert await find_fate(database, row, lease) is Fate.RENEWED


async def test_a_grant_without_a_time_is_refreshed(database: Database) -> None:
    """Of a version before the column."""
    row = await connected(database)
    await update(database, "granted_at = NULL")
    row = await row_of(database, row)
    assert await stored(database, row, await taken(database, row))


async def test_a_whole_second_as_earlier_versions_wrote_it(database: Database) -> None:
    row = await connected(database)
    text = "'2026-01-01 00:00:00.000000+00:00'"
    await update(database, f"granted_at = {text}")
    row = await row_of(database, row)
    lease = await taken(database, row)
    assert await stored(database, row, lease)
    assert await stored(database, row, lease) is None
    assert await find_fate(database, row, lease) is Fate.STORED


async def test_a_time_with_all_its_digits_is_the_same(database: Database) -> None:
    row = await connected(database)
    moment = row.read_at.replace(microsecond=123_456)
    await update(database, "granted_at = :moment", moment=moment)
    row = await row_of(database, row)
    assert await stored(database, row, await taken(database, row))


@pytest.mark.parametrize("reason", [StatusReason.REAUTHORIZATION_REQUIRED, StatusReason.PROVIDER_FAILING])
async def test_a_connection_with_an_error_recovers(database: Database, reason: StatusReason) -> None:
    row = await connected(database)
    lease = await taken(database, row)
    assert await mark(database, row, None, reason, entry("X", action="refresh"))
    assert await stored(database, row, lease) == Stored(recovered=True)
    await expect(database, "status, status_reason, version", ("connected", None, 2))
    assert await tokens_of(database, row) == ("new-access", "new-refresh")
    assert sorted(await refreshes(database)) == [("refresh", "X", row.id), ("refresh", "ok", row.id)]


async def test_the_user_has_connected_again(database: Database) -> None:
    row = await connected(database)
    lease = await taken(database, row)
    assert await connect(database, binding("s2"), "again") == row.id
    assert await stored(database, row, lease) is None
    assert await find_fate(database, row, lease) is Fate.RENEWED
    assert (await tokens_of(database, row))[0] == "again"


@pytest.mark.parametrize("change", ["status = 'disconnected'", "status = 'disconnected', consent = consent + 1"])
async def test_the_connection_has_ended(database: Database, change: str) -> None:
    row = await connected(database)
    lease = await taken(database, row)
    await update(database, change)
    assert await find_fate(database, row, lease) is Fate.ENDED


async def test_the_user_is_forgotten(database: Database) -> None:
    row = await connected(database)
    lease = await taken(database, row)
    await run(database, "DELETE FROM connection")
    assert await stored(database, row, lease) is None
    assert await find_fate(database, row, lease) is Fate.ENDED


async def test_nobody_elses_tokens_are_touched(database: Database) -> None:
    row = await connected(database)
    other = await connect(database, binding("s2", user="bob"))
    same = "UPDATE connection SET granted_at = :moment RETURNING id"
    assert len(await run(database, same, moment=row.granted_at)) == 2
    before = await run(database, "SELECT * FROM connection WHERE id = :id", id=other)
    lease = await take(database, row, "me", lease=30, quiet=0)
    assert lease is not None
    assert await stored(database, row, lease)
    assert await run(database, "SELECT * FROM connection WHERE id = :id", id=other) == before


async def test_a_grant_that_is_kept_is_sealed_anew(database: Database) -> None:
    """Sealed tokens open only with the version that they were written with."""
    row = await connected(database)
    kept = replace(new_tokens(row), tokens=Tokens("new-access", row.open(VAULT, "refresh_token")))
    assert await store(database, VAULT, row, await taken(database, row), kept, entry(action="refresh"))
    assert await tokens_of(database, row) == ("new-access", "refresh")
