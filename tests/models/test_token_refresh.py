"""The lease of a refresh: who gets it, and how it ends without new tokens."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from models.connection import StatusReason
from models.database import Database
from models.token_refresh import Failure, Lease, fail, find_due, mark, postpone, release, take
from models.token_row import TokenRow
from tests.models.flows import binding, connect, entry
from tests.models.refreshes import connected, expect, row_of, update
from tests.models.rows import events, now, run

LEASE = 30.0
QUIET = 60.0
COUNTED = Failure(wait=10, due_in=10, counts=True, unknown=False)
UNKNOWN = Failure(wait=10, due_in=10, counts=True, unknown=True)


async def taken(database: Database, row: TokenRow, owner: str = "me", **others: Any) -> Lease | None:
    return await take(database, row, owner, **{"lease": LEASE, "quiet": QUIET, **others})


async def test_the_worker_looks_at_a_lease_that_nobody_ends(database: Database) -> None:
    """Whatever was due before, and due again if nothing was sent."""
    row = await connected(database)
    lease = await held(database, row)
    found = await row_of(database, row)
    assert found.due_at is not None
    assert found.leased_until_at is not None
    assert found.due_at - found.leased_until_at == timedelta(seconds=QUIET)
    await release(database, row, lease)
    await expect(database, "due_at", (None,))


async def held(database: Database, row: TokenRow, owner: str = "me") -> Lease:
    lease = await taken(database, row, owner)
    assert lease is not None
    return lease


async def test_a_lease_is_anybodys_once(database: Database) -> None:
    row = await connected(database)
    found = await asyncio.gather(*(taken(database, row, f"owner-{number}") for number in range(10)))
    (lease,) = [one for one in found if one]
    assert (lease.epoch, lease.failures, lease.unsure) == (1, 0, 0)
    before = row.read_at
    row = await row_of(database, row)
    assert row.leased_until_at is not None
    assert timedelta(seconds=LEASE) <= row.leased_until_at - before
    assert row.leased_until_at - row.read_at <= timedelta(seconds=LEASE)
    assert row.first_sent_at is not None
    await expect(database, "owner, epoch, unsure, version", (lease.owner, 1, 0, 1))


async def test_each_lease_has_another_number(database: Database) -> None:
    row = await connected(database)
    epochs: list[int] = []
    for _ in range(3):
        lease = await held(database, row)
        epochs.append(lease.epoch)
        await release(database, row, lease)
    assert epochs == [1, 2, 3]


async def test_other_tokens_are_not_sent(database: Database) -> None:
    row = await connected(database)
    for version in (0, 2):
        assert await taken(database, replace(row, version=version)) is None
    await expect(database, "epoch", (0,))


@pytest.mark.parametrize(
    ("status", "reason", "refreshed"),
    [
        ("connected", None, True),
        ("connected", "scopes_missing", True),
        # The previous version leaves the reason when it stores a grant.
        ("connected", "reauthorization_required", True),
        ("error", "provider_failing", True),
        ("error", "reauthorization_required", False),
        ("error", None, False),
        ("pending", "account_unknown", False),
        ("disconnected", "by_user", False),
        ("disconnected", "provider_failing", False),
    ],
)
async def test_the_status_decides_what_is_refreshed(
    database: Database, status: str, reason: str | None, *, refreshed: bool
) -> None:
    row = await connected(database)
    await update(database, "status = :status, status_reason = :reason", status=status, reason=reason)
    row = await row_of(database, row)
    assert row.is_alive == refreshed
    assert (await taken(database, row) is not None) == refreshed


async def test_nothing_to_send(database: Database) -> None:
    row = await connected(database, refresh_token=None)
    assert await taken(database, row) is None


async def test_a_holder_that_never_came_back(database: Database) -> None:
    """The provider may still handle what it sent, and that is counted."""
    row = await connected(database)
    await held(database, row, "dead")
    for ended in (-5.0, QUIET - 5):
        await update(database, "lease_until = after(:wait)", wait=-ended)
        assert await taken(database, row) is None
    await update(database, "lease_until = after(:wait), first_sent_at = after(:sent)", wait=-QUIET, sent=-100)
    first_sent = (await row_of(database, row)).first_sent_at
    lease = await held(database, row)
    assert (lease.epoch, lease.unsure) == (2, 1)
    assert (await row_of(database, row)).first_sent_at == first_sent


async def test_a_lease_that_lasts_is_respected_without_quiet(database: Database) -> None:
    row = await connected(database)
    await held(database, row, "another")
    assert await taken(database, row, quiet=0) is None
    await update(database, "lease_until = after(:wait)", wait=-0.01)
    lease = await taken(database, row, quiet=0)
    assert lease is not None
    assert lease.unsure == 1


async def test_no_refresh_before_its_time(database: Database) -> None:
    row = await connected(database)
    await update(database, "retry_at = after(:wait)", wait=5)
    assert await taken(database, row) is None
    await update(database, "retry_at = after(:wait)", wait=-0.01)
    assert await taken(database, row) is not None


async def test_what_was_not_sent_leaves_no_trace(database: Database) -> None:
    row = await connected(database)
    await release(database, row, await held(database, row))
    await expect(
        database, "owner, lease_until, first_sent_at, unsure, retry_at, failures", (None, None, None, 0, None, 0)
    )


async def test_an_earlier_doubt_stays_when_nothing_is_sent(database: Database) -> None:
    row = await connected(database)
    await update(database, "unsure = 1, first_sent_at = now()")
    await release(database, row, await held(database, row))
    assert (await row_of(database, row)).first_sent_at is not None
    await expect(database, "unsure", (1,))


async def test_the_lease_of_another_is_left_alone(database: Database) -> None:
    row = await connected(database)
    mine = await held(database, row)
    await update(database, "owner = 'another', due_at = now()")
    before = await run(database, "SELECT * FROM connection")
    await release(database, row, mine)
    await fail(database, row, mine, UNKNOWN)
    assert await run(database, "SELECT * FROM connection") == before


async def test_a_failure_ends_the_lease(database: Database) -> None:
    row = await connected(database)
    await fail(database, row, await held(database, row), COUNTED)
    await expect(database, "owner, lease_until, first_sent_at, unsure, failures", (None, None, None, 0, 1))
    row = await row_of(database, row)
    assert row.retry_at is not None
    assert timedelta(seconds=5) < row.retry_at - row.read_at <= timedelta(seconds=10)
    assert row.failing_since_at is not None
    assert row.failing_since_at <= row.read_at


async def test_a_doubt_is_counted(database: Database) -> None:
    row = await connected(database)
    for unsure in (1, 2):
        lease = await held(database, row)
        assert lease.unsure == unsure - 1
        assert lease.failures == unsure - 1
        await fail(database, row, lease, UNKNOWN)
        await expect(database, "unsure", (unsure,))
        row = await row_of(database, row)
        assert row.first_sent_at is not None
        await update(database, "retry_at = NULL")
    # And stays, whatever comes after it.
    await fail(database, row, await held(database, row), COUNTED)
    await expect(database, "unsure, failures", (2, 3))
    assert (await row_of(database, row)).first_sent_at == row.first_sent_at


async def test_what_is_not_the_providers_failure_is_not_counted(database: Database) -> None:
    row = await connected(database)
    await fail(database, row, await held(database, row), Failure(10, None, counts=False, unknown=False))
    await expect(database, "failures, failing_since", (0, None))


async def test_the_first_failure_is_remembered(database: Database) -> None:
    row = await connected(database)
    await update(database, "failing_since = after(:wait), failures = 3", wait=-100)
    since = (await row_of(database, row)).failing_since_at
    lease = await held(database, row)
    assert lease.failures == 3
    await fail(database, row, lease, COUNTED)
    assert (await row_of(database, row)).failing_since_at == since


async def test_the_worker_waits_as_long_as_others(database: Database) -> None:
    row = await connected(database)
    await update(database, "due_at = now()")
    await fail(database, row, await held(database, row), COUNTED)
    row = await row_of(database, row)
    assert row.due_at is not None
    assert row.due_at == row.retry_at


OVER = StatusReason.REAUTHORIZATION_REQUIRED
FAILING = StatusReason.PROVIDER_FAILING


async def marked(database: Database, row: TokenRow, reason: StatusReason = OVER, owner: str | None = "me") -> bool:
    return await mark(database, row, owner, reason, entry("X", action="refresh"))


async def test_a_connection_is_marked_and_recorded_once(database: Database) -> None:
    row = await connected(database)
    await update(database, "due_at = now()")
    await held(database, row)
    assert await asyncio.gather(*(marked(database, row) for _ in range(3))) in (
        [True, False, False],
        [False, True, False],
        [False, False, True],
    )
    names = "status, status_reason, owner, lease_until, due_at, version"
    await expect(database, names, ("error", OVER, None, None, None, 1))
    found = await events(database, "action, outcome, connection_id")
    assert [event for event in found if event[0] == "refresh"] == [("refresh", "X", row.id)]
    # Tokens stay, in case newer ones come.
    assert (await row_of(database, row)).refresh_token is not None


async def test_one_that_is_failing_stays_due(database: Database) -> None:
    row = await connected(database)
    await update(database, "due_at = now()")
    assert await marked(database, row, FAILING)
    assert not await marked(database, row, FAILING)
    found = await row_of(database, row)
    assert (found.status, found.status_reason) == ("error", FAILING)
    assert found.due_at is not None
    assert found.is_alive
    # It may still be found to be over.
    assert await marked(database, row)
    assert not await marked(database, row, FAILING)
    await expect(database, "status_reason", (OVER,))


async def test_only_the_tokens_that_were_refused_are_marked(database: Database) -> None:
    row = await connected(database)
    for version in (0, 2):
        assert not await marked(database, replace(row, version=version))
    await expect(database, "status", ("connected",))


@pytest.mark.parametrize("status", ["disconnected", "pending", "error"])
async def test_what_has_ended_is_not_marked(database: Database, status: str) -> None:
    row = await connected(database)
    await update(database, "status = :status", status=status)
    assert not await marked(database, row)
    await expect(database, "status, status_reason", (status, None))


async def test_a_reason_that_the_previous_version_left_changes_nothing(database: Database) -> None:
    """It stores a grant without a look at the reason."""
    row = await connected(database)
    await update(database, "status_reason = :reason", reason=OVER)
    assert await marked(database, row)
    await expect(database, "status, status_reason", ("error", OVER))


@pytest.mark.parametrize("owner", ["another", None])
async def test_marking_leaves_the_lease_of_another(database: Database, owner: str | None) -> None:
    row = await connected(database)
    await held(database, row)
    assert await marked(database, row, FAILING, owner)
    await expect(database, "owner", ("me",))
    assert (await row_of(database, row)).leased_until_at is not None


async def test_what_is_due_comes_in_order(database: Database) -> None:
    rows = [await connected(database, of=binding(f"s{number}", user=f"user-{number}")) for number in range(4)]
    for row, wait in zip(rows, (-10, -30, -20, 30), strict=True):
        await run(
            database, "UPDATE connection SET due_at = after(:wait) WHERE id = :id RETURNING id", wait=wait, id=row.id
        )
    # And one that is never due.
    await connect(database, binding("s9", user="user-9"))
    found = await find_due(database, 10)
    assert [one.id for one in found] == [rows[1].id, rows[2].id, rows[0].id]
    assert [one.id for one in await find_due(database, 2)] == [rows[1].id, rows[2].id]
    assert {one.key for one in found} == {"oura"}
    assert found[0].due_at < await now(database)


async def test_what_is_being_refreshed_is_not_due(database: Database) -> None:
    row = await connected(database)
    await update(database, "due_at = now()")
    await held(database, row)
    assert await find_due(database, 10) == []
    await update(database, "due_at = after(:wait)", wait=-0.01)
    (due,) = await find_due(database, 10)
    assert due.epoch == 1


async def test_a_due_connection_can_wait(database: Database) -> None:
    row = await connected(database)
    await postpone(database, row.id, 60)
    await expect(database, "due_at", (None,))
    await update(database, "due_at = now()")
    await postpone(database, row.id, 60)
    assert await find_due(database, 10) == []
    found = await row_of(database, row)
    assert found.due_at is not None
    assert timedelta(seconds=50) < found.due_at - found.read_at <= timedelta(seconds=60)
