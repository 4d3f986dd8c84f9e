"""Callbacks that wait for an exchange in the same process learn at once when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

import pytest

from resolvers.background import Exchanges
from tests.loop_clock import LoopClock, held_clock, settled
from wire.waiting import release_slot


@pytest.fixture(autouse=True)
async def clock() -> AsyncGenerator[LoopClock]:
    with held_clock() as clock:
        yield clock


@contextmanager
def in_progress(exchanges: Exchanges) -> Generator[None]:
    exchanges.begin("key", "owner")
    yield
    exchanges.end("key", "owner")


async def wait(exchanges: Exchanges, seconds: float = 60, key: str = "key") -> asyncio.Task[None]:
    task = asyncio.create_task(exchanges.wait(key, seconds))
    await settled()
    return task


async def test_waiting_ends_with_the_exchange() -> None:
    exchanges = Exchanges()
    with in_progress(exchanges):
        waiting = [await wait(exchanges) for _ in range(3)]
        assert not any(one.done() for one in waiting)
    await settled()
    assert all(one.done() for one in waiting)


async def test_an_exchange_that_runs_elsewhere_is_waited_for_as_long_as_it_is_said(clock: LoopClock) -> None:
    exchanges = Exchanges()
    with in_progress(exchanges):
        waiting = await wait(exchanges, 0.3, "another")
        await clock.advance(0.25)
        assert not waiting.done()
        await clock.advance(0.1)
        assert waiting.done()


@pytest.mark.parametrize(("seconds", "takes"), [(0.01, 1), (3, 3)])
async def test_an_exchange_here_is_waited_for_for_a_second_at_least(
    clock: LoopClock, seconds: float, takes: float
) -> None:
    """Its end is told at once, and the database is rarely asked in vain."""
    exchanges = Exchanges()
    with in_progress(exchanges):
        waiting = await wait(exchanges, seconds)
        await clock.advance(takes - 0.1)
        assert not waiting.done()
        await clock.advance(0.2)
        assert waiting.done()
        assert waiting.exception() is None


async def test_an_exchange_that_has_ended_is_not_in_progress(clock: LoopClock) -> None:
    """Whoever waits for the key then waits for another process."""
    exchanges = Exchanges()
    with in_progress(exchanges):
        pass
    waiting = await wait(exchanges, 0.3)
    assert not waiting.done()
    await clock.advance(0.4)
    assert waiting.done()


async def test_waiting_can_be_cancelled() -> None:
    exchanges = Exchanges()
    with in_progress(exchanges):
        cancelled = await wait(exchanges)
        cancelled.cancel()
        await settled()
        assert cancelled.cancelled()
        waiting = await wait(exchanges)
    await settled()
    assert waiting.done()


async def test_how_many_wait_is_known(clock: LoopClock) -> None:
    exchanges = Exchanges()
    with in_progress(exchanges):
        assert exchanges.waiting("key") == 0
        waiting = [await wait(exchanges) for _ in range(3)]
        await wait(exchanges, key="another")
        assert (exchanges.waiting("key"), exchanges.waiting("another")) == (3, 1)
        waiting.pop().cancel()
        await settled()
        assert exchanges.waiting("key") == 2
        await clock.advance(61, step=1)
        assert (exchanges.waiting("key"), exchanges.waiting("another")) == (0, 0)
        waiting = [await wait(exchanges)]
    await settled()
    assert exchanges.waiting("key") == 0


async def test_whoever_waits_leaves_the_slot_of_the_request_to_others() -> None:
    exchanges, released = Exchanges(), list[str]()

    @contextmanager
    def released_slot() -> Generator[None]:
        released.append("begin")
        yield
        released.append("end")

    token = release_slot.set(released_slot)
    with in_progress(exchanges):
        waiting = await wait(exchanges)
        assert released == ["begin"]
    release_slot.reset(token)
    await settled()
    assert (released, waiting.done()) == (["begin", "end"], True)


async def test_an_exchange_ends_after_the_next_one_for_the_key_has_begun() -> None:
    """As when a claim is released and taken again before the first has ended."""
    exchanges = Exchanges()
    exchanges.begin("key", "first")
    early = await wait(exchanges)
    exchanges.begin("key", "second")
    exchanges.end("key", "first")
    await settled()
    assert early.done()
    waiting = await wait(exchanges)
    assert not waiting.done()
    exchanges.end("key", "second")
    await settled()
    assert waiting.done()


async def test_an_exchange_that_never_began_does_not_end_another() -> None:
    exchanges = Exchanges()
    with in_progress(exchanges):
        waiting = await wait(exchanges)
        exchanges.end("key", "another")
        await settled()
        assert not waiting.done()
    await settled()
    assert waiting.done()
