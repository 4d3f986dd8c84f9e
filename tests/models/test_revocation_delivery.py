"""The lease of a delivery, and that of a delivery and a callback that overlap at least one sees the other."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from models.authorization_request import release_claim
from models.database import Database
from models.ids import new_id
from models.revocation import (
    Material,
    NewRevocation,
    RevocationStatus,
    add_revocation,
    delivery_in_progress,
    replace_material,
    seal_material,
)
from models.revocation_delivery import (
    PendingRevocation,
    Postponement,
    find_due,
    find_obstacles,
    find_pending,
    finish,
    keep_tokens,
    postpone,
    take,
)
from tests.models.flows import OWNER, VAULT, add, begin, binding, claim, connect, entry
from tests.models.rows import events, run, value

CONNECTION = "0190163d-8694-739b-aea5-966c26f8ad91"


async def pending(database: Database, site: str = "") -> PendingRevocation:
    id_ = new_id()
    material = seal_material(VAULT, id_, Material("access", "refresh", "alice", "sam"), "oura", site)
    new = NewRevocation(id_, "oura", site, "p-alice", "p-sam", material)
    await add_revocation(database, new, connection_id=CONNECTION, ended_version=1)
    row = await find_pending(database, id_)
    assert row is not None
    return row


async def taken(database: Database, row: PendingRevocation, owner: str = "w1") -> bool:
    return await take(database, row, owner, lease=30, quiet=60)


async def test_one_of_several_gets_the_lease(database: Database) -> None:
    row = await pending(database)
    assert [due.id for due in await find_due(database, 10)] == [row.id]
    owners = [f"w{number}" for number in range(8)]
    assert sorted(await asyncio.gather(*(taken(database, row, owner) for owner in owners))) == [False] * 7 + [True]
    assert await find_due(database, 10) == []


async def test_the_lease_of_a_dead_worker_is_taken_after_the_quiet_time(database: Database) -> None:
    row = await pending(database)
    assert await taken(database, row)
    for since, is_free in ((59, False), (61, True)):
        change = "UPDATE revocation SET due_at = now(), lease_until = after(:since) RETURNING id"
        await run(database, change, since=-since)
        assert await taken(database, row, "w2") is is_free


async def test_material_that_was_changed_is_not_taken(database: Database) -> None:
    row = await pending(database)
    await run(database, "UPDATE revocation SET unsure = true RETURNING id")
    assert await replace_material(database, row.id, b"newer")
    assert not await taken(database, row)


async def test_only_the_holder_writes(database: Database) -> None:
    row = await pending(database)
    assert await taken(database, row)
    assert not await keep_tokens(database, row.id, "w2", b"kept")
    assert not await postpone(database, row.id, "w2", Postponement(1))
    assert not await finish(database, row.id, "w2", RevocationStatus.DELIVERED, entry(action="revoke"), sent=True)
    assert await keep_tokens(database, row.id, "w1", b"kept")
    assert await finish(database, row.id, "w1", RevocationStatus.DELIVERED, entry(action="revoke"), sent=True)
    assert not await finish(database, row.id, "w1", RevocationStatus.FAILED, entry(action="revoke"), sent=True)
    told = [event for event in await events(database, "action, outcome, connection_id") if event[0] == "revoke"]
    assert told == [("revoke", "ok", CONNECTION)]
    assert await find_pending(database, row.id) is None


async def test_how_a_postponement_is_written(database: Database) -> None:
    columns = "SELECT attempts, unsure, owner, lease_until <= now() AS is_over, due_at > now() AS waits FROM revocation"
    row = await pending(database)
    for later, expected in (
        (Postponement(60), (0, 0, None, None, 1)),
        (Postponement(60, sent=True), (1, 0, None, None, 1)),
        (Postponement(60, sent=True, unknown=True), (2, 0, "w1", 1, 1)),
        (Postponement(60, sent=True, unknown=True, unsure=True), (3, 1, "w1", 1, 1)),
        # What is known afterwards does not make the refresh known.
        (Postponement(60, sent=True), (4, 1, None, None, 1)),
    ):
        await run(database, "UPDATE revocation SET due_at = now(), lease_until = after(:over) RETURNING id", over=-61)
        assert await taken(database, row)
        assert await postpone(database, row.id, "w1", later)
        assert await run(database, columns) == [expected]


async def test_the_longest_due_come_first(database: Database) -> None:
    rows = [await pending(database) for _ in range(3)]
    for number, row in enumerate(rows):
        change = "UPDATE revocation SET due_at = after(:since) WHERE id = :id RETURNING id"
        await run(database, change, since=-10.0 + number, id=row.id)
    assert [due.id for due in await find_due(database, 2)] == [rows[0].id, rows[1].id]


async def test_obstacles(database: Database) -> None:
    row = await pending(database)

    async def found(user: str, account: str | None) -> tuple[bool, bool, bool]:
        obstacles = await find_obstacles(database, row, user, account)
        return obstacles.exchanging, obstacles.renewed, obstacles.shared

    assert await found("alice", "sam") == (False, False, False)
    await connect(database, account="sam")
    assert await found("alice", "sam") == (False, True, False)
    assert await found("alice", None) == (False, True, False)
    assert await found("alice", "kim") == (False, False, False)
    assert await found("bob", "sam") == (False, False, True)
    assert await found("bob", None) == (False, False, False)
    # A callback of alice, who is the one with the account.
    await begin(database, binding("s2"))
    assert await found("alice", "kim") == (True, False, False)
    assert await found("bob", "sam") == (True, False, True)
    assert await found("bob", "kim") == (False, False, False)
    await run(database, "UPDATE authorization_request SET provider = 'fitbit' RETURNING user_id")
    assert await found("alice", "kim") == (False, False, False)
    for change in ("status = 'disconnected'", "status = 'error'", "status = 'connected', access_token = NULL"):
        await run(database, f"UPDATE connection SET {change} RETURNING id")
        assert await found("alice", "sam") == (False, False, False), change
    await run(database, "UPDATE connection SET access_token = refresh_token, status = 'pending' RETURNING id")
    assert await found("alice", "sam") == (False, True, False)


SITES = pytest.mark.parametrize(
    ("one", "other", "may_be_the_same"),
    # What has no site is from before the provider had any.
    [("us", "us", True), ("us", "eu", False), ("", "us", True), ("us", "", True)],
)


@SITES
async def test_obstacles_at_sites(database: Database, one: str, other: str, *, may_be_the_same: bool) -> None:
    row = await pending(database, one)
    await connect(database, binding(site=other), account="sam")
    obstacles = [await find_obstacles(database, row, user, "sam") for user in ("alice", "bob")]
    assert [each.renewed for each in obstacles] == [may_be_the_same, False]
    assert [each.shared for each in obstacles] == [False, may_be_the_same]
    await begin(database, binding("s2", site=other))
    assert (await find_obstacles(database, row, "alice", "kim")).exchanging is may_be_the_same
    assert (await find_obstacles(database, row, "bob", "sam")).exchanging is may_be_the_same


@SITES
async def test_a_callback_sees_deliveries_at_sites(
    database: Database, one: str, other: str, *, may_be_the_same: bool
) -> None:
    assert await taken(database, await pending(database, one))
    for subject, account in (("p-alice", None), (None, "p-sam")):
        assert await delivery_in_progress(database, subject, account, "oura", other, 60) is may_be_the_same


async def test_of_a_delivery_and_a_callback_one_sees_the_other(database: Database) -> None:
    """Each commits first what it is about to do, and then looks."""
    await add(database)
    row = await pending(database)
    for number in range(40):

        async def deliver() -> bool:
            assert await taken(database, row)
            return (await find_obstacles(database, row, "alice", "sam")).exchanging

        async def call_back() -> bool:
            assert await claim(database) is not None
            return await delivery_in_progress(database, "p-alice", None, "oura", "", 60)

        first, second = (deliver, call_back) if number % 2 else (call_back, deliver)
        assert any(await asyncio.gather(first(), second()))
        assert await release_claim(database, binding(), OWNER)
        assert await postpone(database, row.id, "w1", Postponement(-1))


async def test_the_age(database: Database) -> None:
    row = await pending(database)
    assert 0 <= row.age < 30
    await run(database, "UPDATE revocation SET created_at = after(:since) RETURNING id", since=-100)
    older = await find_pending(database, row.id)
    assert older is not None
    assert 100 <= older.age < 130
    assert replace(row, read_at=row.created_at).age == 0
    assert await value(database, "SELECT count(*) FROM revocation") == 1
