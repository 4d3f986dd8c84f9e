"""The whole way of a callback, cancelled wherever it waits: no connection, lock or claim is left behind, the code is
exchanged once at most, and sent again the callback gets the connection or a final answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from models.connection import StoredConnection
from models.database import open_database
from models.migrating import migrate
from models.vault import Vault
from providers.catalogue import read_catalogue, read_credentials
from resolvers.authorize import authorize_connection
from resolvers.background import Background
from resolvers.callback.claims import Attempt
from resolvers.callback.complete import Callback, _redeem, complete_connection
from resolvers.caller import WRITE, Caller
from resolvers.context import Context, Registration, Resources
from resolvers.errors import Problem
from resolvers.redirects import RedirectAllowList
from tests.conftest import REDIRECT_URI
from tests.databases import Database
from tests.models.engine.promises import assert_nothing_is_held
from tests.sandbox_control import Sandbox
from tests.suspended import run_and_cancel
from wire.http.client import open_client

PATIENCE = 20


class World:
    """The resolvers as the gateway runs them, without HTTP around them."""

    def __init__(self, resources: Resources, sandbox: Sandbox, database: Database) -> None:
        self.resources = resources
        self.sandbox = sandbox
        self.database = database

    def context(self, user: str) -> Context:
        return Context(self.resources, Caller(user, "app", frozenset({WRITE})), "test")

    async def begin(self, user: str) -> Callback:
        authorization = await authorize_connection(self.context(user), "sandbox", REDIRECT_URI)
        back = await self.sandbox.approve(authorization.url)
        return Callback("sandbox", back["code"], back["state"], REDIRECT_URI, back["iss"])

    async def complete(self, user: str, callback: Callback) -> StoredConnection:
        async with asyncio.timeout(PATIENCE):
            return await complete_connection(self.context(user), callback)

    async def drained(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.resources.background.drain()


@pytest.fixture
async def world(own_database: Database, sandbox: Sandbox, settings: dict[str, str]) -> AsyncGenerator[World]:
    await migrate(own_database.url)
    catalogue = read_catalogue(Path(settings["TENDON_CATALOGUE"]), variables=settings, allow_private=True)
    credentials = read_credentials(catalogue["sandbox"], settings)
    assert credentials is not None
    client = open_client(allow_private=True, timeout=5)
    async with open_database(own_database.url) as database:
        resources = Resources(
            catalogue=catalogue,
            registrations={"sandbox": Registration(catalogue["sandbox"], credentials)},
            redirects=RedirectAllowList([REDIRECT_URI]),
            database=database,
            vault=Vault({"key": bytes(32)}),
            client=client,
            provider_timeout=5,
            background=Background(),
        )
        yield World(resources, sandbox, own_database)
        await resources.repeats.close()
    await client.aclose()


async def test_a_caller_who_leaves_wherever_it_waits(world: World) -> None:
    """The exchange goes on without them, and their next callback finds its result."""
    for place in count(1):
        user = f"leaving-{place}"
        callback = await world.begin(user)
        ended, suspensions = await run_and_cancel(_nothing(world.complete(user, callback)), place)
        await world.drained()
        assert (await world.complete(user, callback)).status == "connected"
        assert len(await world.sandbox.exchanges(callback.code)) == 1
        await assert_nothing_is_held(world.resources.database, world.database)
        if ended and suspensions < place:
            break


async def test_a_process_that_ends_wherever_the_exchange_waits(world: World) -> None:
    """Nothing is shielded from that. A claim that stays behind ends with its lease, and the user starts again."""
    outcomes: list[str] = []
    for place in count(1):
        user = f"ending-{place}"
        callback = await world.begin(user)
        attempt = _attempt(world, user, callback)
        ended, suspensions = await run_and_cancel(_nothing(_redeem(world.context(user), attempt)), place)
        await world.drained()
        await assert_nothing_is_held(world.resources.database, world.database)
        await world.database.fetch(END_OF_LEASES)
        outcomes.append(await _outcome(world, user, callback))
        assert outcomes[-1] == await _outcome(world, user, callback)
        assert len(await world.sandbox.exchanges(callback.code)) <= 1
        if ended and suspensions < place:
            break
    assert set(outcomes) == {"connected", "PROVIDER_UNAVAILABLE"}
    assert outcomes[-1] == "connected"


PAST = "'2020-01-01 00:00:00.000000+00:00'"
END_OF_LEASES = f"UPDATE authorization_request SET lease_until = {PAST} WHERE status = 'exchanging'"


def _attempt(world: World, user: str, callback: Callback) -> Attempt:
    registration = world.resources.registration(callback.provider)
    return Attempt.of(world.context(user), user, registration, callback)


async def _outcome(world: World, user: str, callback: Callback) -> str:
    try:
        return (await world.complete(user, callback)).status
    except Problem as problem:
        return problem.code


async def _nothing(work: Coroutine[Any, Any, Any]) -> None:
    await work


async def test_authorize_cancelled_wherever_it_waits(world: World) -> None:
    # The pseudonyms' key is read to its end, even if the first task to ask for it is cancelled.
    await world.begin("asking")
    for place in count(1):
        user = f"asking-{place}"
        work = authorize_connection(world.context(user), "sandbox", REDIRECT_URI)
        ended, suspensions = await run_and_cancel(_nothing(work), place)
        await assert_nothing_is_held(world.resources.database, world.database)
        if ended and suspensions < place:
            break
