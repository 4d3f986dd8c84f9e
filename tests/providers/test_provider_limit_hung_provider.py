"""One provider accepts connections and never answers: others are not affected, and it is asked less and less often."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

from providers.errors import Busy, CircuitOpen, TimedOut
from providers.oauth_client import exchange_code
from providers.provider_limit import LIMIT, TIMEOUTS, ProviderLimits
from tests.providers.entries import CREDENTIALS, provider
from tests.wire.http.loopback import Asked, Loopback, answering, loopback
from wire.http.client import Client, open_client

TOKENS = b'{"access_token": "abc", "expires_in": 60}'
TIMEOUT = 2.0


class World:
    """Two providers and one client."""

    def __init__(self, client: Client, hung: Loopback, well: Loopback) -> None:
        self.client = client
        self.servers = {"hung": hung, "well": well}
        self.full = asyncio.Event()
        self.awake = asyncio.Event()
        self.limits = ProviderLimits()
        self.timeout = TIMEOUT

    async def exchange(self, slug: str) -> float:
        """Returns the seconds that it took."""
        began = time.monotonic()
        with await self.limits.of(slug).permit(0.5):
            deadline = asyncio.get_running_loop().time() + self.timeout
            await exchange_code(
                self.client,
                provider(origin=self.servers[slug].origin),
                CREDENTIALS,
                code="code",
                redirect_uri="https://us.example/done",
                code_verifier=None,
                deadline=deadline,
            )
        return time.monotonic() - began

    async def median_of_the_other(self) -> float:
        return statistics.median([await self.exchange("well") for _ in range(50)])

    async def outcomes(self, count: int) -> Counter[type]:
        tasks = (self.exchange("hung") for _ in range(count))
        return Counter(type(outcome) for outcome in await asyncio.gather(*tasks, return_exceptions=True))


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(hung.asked) == LIMIT:
            world.full.set()
        if not world.awake.is_set():
            await asyncio.Event().wait()
        await answering(TOKENS)(asked, writer)

    async with (
        loopback(hang) as hung,
        loopback(answering(TOKENS)) as well,
        open_client(allow_private=True, timeout=TIMEOUT) as client,
    ):
        world = World(client, hung, well)
        yield world


async def test_a_hung_provider_slows_down_no_other(world: World) -> None:
    before = await world.median_of_the_other()
    asking = asyncio.create_task(world.outcomes(200))
    async with asyncio.timeout(20):
        await world.full.wait()
    during = await world.median_of_the_other()
    assert not asking.done()
    assert during < max(2 * before, 0.1)
    # Those that got a slot timed out, the others failed soon.
    assert await asking == {TimedOut: LIMIT, Busy: 200 - LIMIT}
    assert len(world.servers["hung"].asked) == LIMIT
    # Now none of them waits.
    began = time.monotonic()
    assert await world.outcomes(200) == {CircuitOpen: 200}
    assert time.monotonic() - began < 0.5
    assert len(world.servers["hung"].asked) == LIMIT
    assert await world.median_of_the_other() < max(2 * before, 0.1)


async def test_a_hung_provider_is_probed_until_it_answers_again(world: World) -> None:
    world.timeout = 0.5
    assert await world.outcomes(TIMEOUTS) == {TimedOut: TIMEOUTS}
    assert await world.outcomes(1) == {CircuitOpen: 1}
    hung = world.servers["hung"]
    outcomes: Counter[type] = Counter()
    while len(hung.asked) == TIMEOUTS:
        await asyncio.sleep(0.02)
        # Of many at once, one is let through.
        outcomes = await world.outcomes(20)
    assert outcomes == {TimedOut: 1, CircuitOpen: 19}
    assert len(hung.asked) == TIMEOUTS + 1
    world.awake.set()
    outcomes = await world.outcomes(1)
    while outcomes == {CircuitOpen: 1}:
        await asyncio.sleep(0.02)
        outcomes = await world.outcomes(1)
    assert outcomes == {float: 1}
    assert await world.outcomes(40) == {float: 40}
