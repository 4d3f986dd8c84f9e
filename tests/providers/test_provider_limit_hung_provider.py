"""One provider accepts connections and never answers: others are not affected, and it is asked less and less often."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from providers.errors import Busy, CircuitOpen, TimedOut
from providers.oauth_client import exchange_code
from providers.provider_limit import LIMITS, TIMEOUTS, ProviderLimit, Use
from tests.providers.entries import CREDENTIALS, provider
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import TOKENS, private_client
from tests.wire.http.loopback import Asked, Loopback, answering, loopback
from wire.http.client import Client
from wire.waiting import SECOND_LOOK

TIMEOUT = 2.0


class World:
    """Two providers and one client, in a loop whose clock leaps."""

    def __init__(self, client: Client, hung: Loopback, well: Loopback) -> None:
        self.client = client
        self.servers = {"hung": hung, "well": well}
        self.full = asyncio.Event()
        self.awake = asyncio.Event()
        clock = asyncio.get_running_loop().time
        self.limits = {slug: ProviderLimit(slug, clock=clock) for slug in self.servers}

    async def exchange(self, slug: str) -> tuple[type, float]:
        """How it ended, and the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with await self.limits[slug].permit(0.5):
                await exchange_code(
                    self.client,
                    provider(origin=self.servers[slug].origin),
                    CREDENTIALS,
                    code="code",
                    redirect_uri="https://us.example/done",
                    code_verifier=None,
                    now=datetime.now(UTC),
                    deadline=loop.time() + TIMEOUT,
                )
        except (Busy, CircuitOpen, TimedOut) as failure:
            return type(failure), round(loop.time() - began, 6)
        return float, round(loop.time() - began, 6)

    async def outcomes(self, slug: str, count: int) -> Counter[tuple[type, float]]:
        return Counter(await asyncio.gather(*(self.exchange(slug) for _ in range(count))))


@asynccontextmanager
async def a_world() -> AsyncGenerator[World]:
    async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(hung.asked) == LIMITS[Use.EXCHANGE]:
            world.full.set()
        await world.awake.wait()
        await answering(TOKENS)(asked, writer)

    async with loopback(hang) as hung, loopback(answering(TOKENS)) as well, private_client() as client:
        world = World(client, hung, well)
        yield world


TIMED_OUT = (TimedOut, TIMEOUT + SECOND_LOOK)
WELL = (float, 0)


@on_a_leaping_clock
async def test_a_hung_provider_slows_down_no_other() -> None:
    async with a_world() as world:
        asking = asyncio.create_task(world.outcomes("hung", 200))
        await world.full.wait()
        assert await world.outcomes("well", 20) == {WELL: 20}
        assert not asking.done()
        # Those that got a slot timed out, the others failed soon.
        assert await asking == {TIMED_OUT: LIMITS[Use.EXCHANGE], (Busy, 0.5): 200 - LIMITS[Use.EXCHANGE]}
        assert len(world.servers["hung"].asked) == LIMITS[Use.EXCHANGE]
        # Now none of them waits.
        assert await world.outcomes("hung", 200) == {(CircuitOpen, 0): 200}
        assert len(world.servers["hung"].asked) == LIMITS[Use.EXCHANGE]
        assert await world.outcomes("well", 20) == {WELL: 20}


@on_a_leaping_clock
async def test_a_hung_provider_is_probed_until_it_answers_again() -> None:
    async with a_world() as world:
        assert await world.outcomes("hung", TIMEOUTS) == {TIMED_OUT: TIMEOUTS}
        for pause in (1, 2, 4):
            await asyncio.sleep(pause - 0.01)
            assert await world.outcomes("hung", 20) == {(CircuitOpen, 0): 20}
            await asyncio.sleep(0.01)
            # Of many at once, one is let through.
            assert await world.outcomes("hung", 20) == {TIMED_OUT: 1, (CircuitOpen, 0): 19}
        assert len(world.servers["hung"].asked) == TIMEOUTS + 3
        world.awake.set()
        assert await world.outcomes("hung", 1) == {(CircuitOpen, 0): 1}
        await asyncio.sleep(8)
        assert await world.outcomes("hung", 1) == {WELL: 1}
        assert await world.outcomes("hung", 40) == {WELL: 40}


@pytest.mark.parametrize("seconds", [1.0, 7.0])
@on_a_leaping_clock
async def test_the_time_out_bounds_an_exchange_to_itself_and_a_second_look(seconds: float) -> None:
    async with a_world() as world:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimedOut):
            await exchange_code(
                world.client,
                provider(origin=world.servers["hung"].origin),
                CREDENTIALS,
                code="code",
                redirect_uri="https://us.example/done",
                code_verifier=None,
                now=datetime.now(UTC),
                deadline=began + seconds,
            )
        assert loop.time() - began == pytest.approx(seconds + SECOND_LOOK)
