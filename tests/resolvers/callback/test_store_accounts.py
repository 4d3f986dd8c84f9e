"""Accounts where only one user may connect each: the other is refused, and nothing of a connection in use ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from models.connection import StoredConnection
from resolvers.context import Context
from resolvers.errors import AccountTaken, Problem
from tests.resolvers.failing_database import END
from tests.resolvers.world import World

SLUGS = ("naming", "account", "ends-token", "ends-grant")
REVOCATIONS = "SELECT status FROM revocation"


class Rejecting:
    """A world whose accounts belong to one user each."""

    def __init__(self, world: World) -> None:
        self.world = world

    def context(self, user: str) -> Context:
        return self.world.context(user, account_policy="reject")

    async def connect(self, user: str, slug: str, account: str) -> StoredConnection | Problem:
        self.world.provider.account = account
        self.world.provider.tokens = {"user": account}
        callback = await self.world.begin(user, slug)
        try:
            return await self.world.complete(user, callback, self.context(user))
        except Problem as problem:
            refused = problem
        # The same callback gets the same answer.
        assert (await self.world.problem(user, callback, self.context(user))).code == refused.code
        return refused


@pytest.fixture
async def rejecting(world: World) -> AsyncGenerator[Rejecting]:
    yield Rejecting(world)
    await world.drained()


@pytest.mark.parametrize("slug", SLUGS)
async def test_a_second_user_is_refused(rejecting: Rejecting, slug: str) -> None:
    """What it got is erased, and revoked only where that ends nothing but these tokens."""
    world = rejecting.world
    first = await rejecting.connect("alice", slug, "a")
    assert isinstance(first, StoredConnection)
    assert first.account == "a"
    tokens = await world.stored_tokens("alice", slug)
    assert isinstance(await rejecting.connect("bob", slug, "a"), AccountTaken)
    assert await world.outside.fetch("SELECT user_id FROM connection") == [("alice",)]
    assert await world.stored_tokens("alice", slug) == tokens
    await world.drained()
    assert list(await world.outside.fetch(REVOCATIONS)) == ([("pending",)] if slug == "ends-token" else [])
    assert world.provider.asked("/revoke") == []
    told = await world.events("action, outcome, provider")
    assert next(one for one in told if one[1] == "ACCOUNT_TAKEN") == ("complete", "ACCOUNT_TAKEN", slug)
    assert [line["provider"] for line in world.said("account.taken")] == [slug]
    assert isinstance(await rejecting.connect("bob", slug, "b"), StoredConnection)


@pytest.mark.parametrize("slug", ["naming", "account"])
async def test_of_two_users_at_once_one_gets_the_account(rejecting: Rejecting, slug: str) -> None:
    world, users = rejecting.world, ("alice", "bob")
    world.provider.account, world.provider.tokens = "a", {"user": "a"}
    callbacks = [await world.begin(user, slug) for user in users]
    completing = [
        world.complete(user, callback, rejecting.context(user)) for user, callback in zip(users, callbacks, strict=True)
    ]
    outcomes = await asyncio.gather(*completing, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["AccountTaken", "StoredConnection"]
    assert await world.outside.value("SELECT count(*) FROM connection") == 1


async def test_a_user_keeps_the_connection_of_before(rejecting: Rejecting) -> None:
    world = rejecting.world
    await rejecting.connect("alice", "account", "a")
    before = await rejecting.connect("bob", "account", "b")
    tokens = await world.stored_tokens("bob", "account")
    assert isinstance(await rejecting.connect("bob", "account", "a"), AccountTaken)
    assert isinstance(before, StoredConnection)
    assert await world.account_of("bob") == "b"
    assert await world.stored_tokens("bob", "account") == tokens


@pytest.mark.parametrize("slug", ["ends-token", "ends-grant"])
async def test_a_database_that_stumbles_while_a_user_is_refused(rejecting: Rejecting, slug: str) -> None:
    world = rejecting.world
    await rejecting.connect("alice", slug, "a")
    callback = await world.begin("bob", slug)
    world.database.fail(END, times=1)
    with pytest.raises(Exception, match="FAULT"):
        await world.complete("bob", callback, rejecting.context("bob"))
    with world.clock() as clock:
        await clock.until(lambda: world.said("claim.closed"))
    assert (await world.problem("bob", callback, rejecting.context("bob"))).code == "ACCOUNT_TAKEN"


async def test_where_accounts_are_shared_nobody_is_refused(world: World) -> None:
    for user in ("alice", "bob"):
        world.provider.tokens = {"user": "a"}
        assert (await world.connect(user, "naming")).account == "a"
    assert await world.outside.fetch("SELECT user_id FROM account_owner") == [("alice",)]
