"""Callbacks that wait for an exchange in the same process learn at once when it ends."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from resolvers.background import Exchanges

# Far above what anything here takes.
PATIENCE = 5


async def test_waiting_ends_with_the_exchange() -> None:
    exchanges = Exchanges()
    began = monotonic()
    with exchanges.in_progress("key"):
        waiting = [asyncio.create_task(exchanges.wait("key", 60)) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not any(one.done() for one in waiting)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)
    assert monotonic() - began < PATIENCE


async def test_waiting_ends_when_the_exchange_fails() -> None:
    exchanges = Exchanges()
    exchange = exchanges.in_progress("key")
    exchange.__enter__()
    waiting = asyncio.create_task(exchanges.wait("key", 60))
    await asyncio.sleep(0)
    assert not exchange.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_an_exchange_that_runs_elsewhere() -> None:
    exchanges = Exchanges()
    began = monotonic()
    with exchanges.in_progress("key"):
        await exchanges.wait("another", 0.05)
    assert 0.04 < monotonic() - began < PATIENCE


async def test_waiting_has_a_time_limit() -> None:
    exchanges = Exchanges()
    began = monotonic()
    with exchanges.in_progress("key"):
        await exchanges.wait("key", 0.01)
    assert 0.009 < monotonic() - began < PATIENCE


async def test_waiting_can_be_cancelled() -> None:
    exchanges = Exchanges()
    with exchanges.in_progress("key"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await exchanges.wait("key", 60)
        waiting = asyncio.create_task(exchanges.wait("key", 60))
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_an_exchange_ends_after_the_next_one_for_the_key_has_begun() -> None:
    """As when a claim is released and taken again before the first has ended."""
    exchanges = Exchanges()
    first, second = exchanges.in_progress("key"), exchanges.in_progress("key")
    first.__enter__()
    with second:
        first.__exit__(None, None, None)
        waiting = asyncio.create_task(exchanges.wait("key", 60))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
    async with asyncio.timeout(PATIENCE):
        await waiting
    assert exchanges._ends == {}
