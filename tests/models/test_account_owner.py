"""Whose account it is: the first user's who connects it, of any number at once, whatever the policy is."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from models.account_owner import TakenAccount
from models.database import Database
from models.grant import Grant, StoredGrant
from tests.models.flows import begin, binding, connect, grant, store
from tests.models.rows import events, run, value, waits_for_a_lock

USERS = [f"user-{number}" for number in range(8)]


async def owners(database: Database) -> list[tuple[Any, ...]]:
    return sorted(await run(database, "SELECT account, user_id FROM account_owner"))


async def stored(database: Database, user: str, granted: Grant, *, exclusive: bool) -> StoredGrant | str:
    """What comes of a flow of this user that has got these tokens."""
    of = binding(f"of {user}", user=user)
    try:
        found = await store(database, granted, 0, of, user, exclusive=exclusive)
    except TakenAccount:
        return "taken"
    assert found is not None
    return found


async def test_an_account_has_the_first_user_as_its_owner(database: Database) -> None:
    identity = await connect(database, account="a")
    await connect(database, binding("b", user="bob"), account="a")
    await connect(database, binding("f", provider="fitbit"), account="a")
    await connect(database, binding("n", user="nobody"))
    names = "SELECT provider, site, account, user_id, connection_id FROM account_owner WHERE provider = 'oura'"
    assert await run(database, names) == [("oura", "", "a", "alice", identity)]
    assert await owners(database) == [("a", "alice"), ("a", "alice")]


@pytest.mark.parametrize(
    ("one", "other", "is_taken"), [("us", "us", True), ("us", "eu", False), ("", "us", True), ("us", "", True)]
)
async def test_an_account_at_a_site(database: Database, one: str, other: str, *, is_taken: bool) -> None:
    """What has no site is from before the provider had any, so the account may be the same."""
    await connect(database, binding(site=one), account="a")
    of = binding("b", user="bob", site=other)
    await begin(database, of)
    if is_taken:
        with pytest.raises(TakenAccount):
            await store(database, await grant(database, account="a"), 0, of, exclusive=True)
    found = await store(database, await grant(database, account="a"), 0, of, exclusive=not is_taken)
    assert found is not None
    assert found.account_shared is is_taken


async def test_another_account_releases_the_one_before(database: Database) -> None:
    await connect(database, account="a")
    await connect(database, binding("f", provider="fitbit"), account="a")
    await connect(database, binding("s2"))
    assert await owners(database) == [("a", "alice"), ("a", "alice")]
    await connect(database, binding("s3"), account="b")
    assert await run(database, "SELECT provider, account FROM account_owner ORDER BY provider") == [
        ("fitbit", "a"),
        ("oura", "b"),
    ]


@pytest.mark.parametrize("exclusive", [True, False])
async def test_of_many_users_at_once_one_is_the_owner(database: Database, *, exclusive: bool) -> None:
    for user in USERS:
        await begin(database, binding(f"of {user}", user=user), user)
    granted = await grant(database, account="a")
    outcomes = await asyncio.gather(*(stored(database, user, granted, exclusive=exclusive) for user in USERS))
    first = [one for one in outcomes if isinstance(one, StoredGrant) and not one.account_shared]
    assert len(first) == 1
    assert await owners(database) == [("a", first[0].connection.user_id)]
    if exclusive:
        assert outcomes.count("taken") == len(USERS) - 1
        assert await value(database, "SELECT count(*) FROM connection") == 1
        waiting = "SELECT count(*) FROM authorization_request WHERE status = 'exchanging'"
        assert await value(database, waiting) == len(USERS) - 1
    shared = [action for action, _ in await events(database) if action == "account_shared"]
    assert len(shared) == (0 if exclusive else len(USERS) - 1)


@pytest.mark.parametrize("exclusive", [True, False])
async def test_of_two_users_at_once_the_second_waits_for_the_first(database: Database, *, exclusive: bool) -> None:
    """It can't see the connection of the first one, which is not committed; the key decides."""
    for user in ("alice", "bob"):
        await begin(database, binding(f"of {user}", user=user), user)
    granted = await grant(database, account="a")
    async with database.exclusively(3) as transaction:
        await stored(cast("Database", transaction), "alice", granted, exclusive=exclusive)
        storing = asyncio.create_task(stored(database, "bob", granted, exclusive=exclusive))
        await waits_for_a_lock(transaction, storing)
    found = await storing
    assert found == "taken" if exclusive else isinstance(found, StoredGrant) and found.account_shared
    assert await owners(database) == [("a", "alice")]


async def test_an_exclusive_account_of_a_connection_without_a_row(database: Database) -> None:
    """The previous version, which may run beside this one during an update, writes none."""
    await connect(database, account="a")
    await run(database, "DELETE FROM account_owner")
    await begin(database, binding("of bob", user="bob"), "bob")
    granted = await grant(database, account="a")
    assert await stored(database, "bob", granted, exclusive=True) == "taken"
    await run(database, "UPDATE connection SET status = 'disconnected', access_token = NULL")
    found = await stored(database, "bob", granted, exclusive=True)
    assert isinstance(found, StoredGrant)
    assert not found.account_shared


async def test_of_users_who_share_an_account_its_owner_may_go_on(database: Database) -> None:
    """When the policy changes, connections that are there already stay."""
    await connect(database, account="a")
    await connect(database, binding("b", user="bob"), account="a")
    for user in ("alice", "bob"):
        await begin(database, binding(f"of {user}", user=user), user)
    granted = await grant(database, account="a")
    again = await store(database, granted, 1, binding("of alice"), "alice", exclusive=True)
    assert again is not None
    assert again.account_shared
    with pytest.raises(TakenAccount):
        await store(database, granted, 1, binding("of bob", user="bob"), "bob", exclusive=True)


async def test_a_refused_user_keeps_the_connection_of_before(database: Database) -> None:
    await connect(database, account="a")
    await connect(database, binding("b", user="bob"), account="b")
    before = await run(database, "SELECT * FROM connection ORDER BY user_id")
    await begin(database, binding("of bob", user="bob"), "bob")
    granted = await grant(database, account="a")
    with pytest.raises(TakenAccount):
        await store(database, granted, 1, binding("of bob", user="bob"), "bob", exclusive=True)
    assert await run(database, "SELECT * FROM connection ORDER BY user_id") == before
    assert await owners(database) == [("a", "alice"), ("b", "bob")]


async def test_users_who_exchange_their_accounts_at_once(database: Database) -> None:
    """Whatever order their statements take, each account has one owner, who has it."""
    for user, account in (("alice", "a"), ("bob", "b")):
        await connect(database, binding(user, user=user), account=account)
        await begin(database, binding(f"of {user}", user=user), user)

    async def move(user: str, account: str) -> object:
        try:
            granted = await grant(database, account=account)
            return await store(database, granted, 1, binding(f"of {user}", user=user), user, exclusive=True)
        except Exception as fault:  # noqa: BLE001 - a deadlock is retried by the caller
            return fault

    await asyncio.gather(move("alice", "b"), move("bob", "a"))
    have = await run(database, "SELECT account, user_id FROM connection")
    assert await owners(database) == sorted(have)
