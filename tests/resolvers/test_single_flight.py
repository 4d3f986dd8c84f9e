"""SingleFlight: tasks that want the same answer share one call, whichever of them leaves."""

from __future__ import annotations

import asyncio

import pytest

from resolvers.single_flight import SingleFlight


class Upstream:
    """Answers once `ready` is set, and counts its calls."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls = 0
        self.ready = asyncio.Event()
        self._failure = failure

    async def __call__(self) -> int:
        self.calls += 1
        await self.ready.wait()
        if self._failure:
            raise self._failure
        return self.calls


async def _waiting(flight: SingleFlight[int], upstream: Upstream, *keys: str) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(flight.join(key, upstream)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_callers_with_one_key_share_a_call() -> None:
    flight, upstream = SingleFlight[int](), Upstream()
    tasks = await _waiting(flight, upstream, "a", "a", "a")
    upstream.ready.set()
    assert await asyncio.gather(*tasks) == [1, 1, 1]
    assert await flight.join("a", upstream) == 2


async def test_a_cancelled_caller_does_not_cancel_the_call() -> None:
    flight, upstream = SingleFlight[int](), Upstream()
    first, second = await _waiting(flight, upstream, "a", "a")
    first.cancel()
    upstream.ready.set()
    assert await second == 1


async def test_every_caller_gets_the_failure_and_the_next_one_tries_again() -> None:
    flight, upstream = SingleFlight[int](), Upstream(ValueError("no"))
    tasks = await _waiting(flight, upstream, "a", "a")
    upstream.ready.set()
    assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [ValueError, ValueError]
    with pytest.raises(ValueError, match="no"):
        await flight.join("a", upstream)
    assert upstream.calls == 2


async def test_a_failure_without_callers_is_not_reported_by_asyncio() -> None:
    flight, upstream = SingleFlight[int](), Upstream(ValueError("no"))
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    try:
        (task,) = await _waiting(flight, upstream, "a")
        task.cancel()
        upstream.ready.set()
        await flight.drain()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(before)
    assert reported == []


async def test_the_limit_counts_callers_and_calls() -> None:
    flight, upstream = SingleFlight[int](2), Upstream()
    first, second = await _waiting(flight, upstream, "a", "b")
    assert flight.is_full("a")
    first.cancel()
    await asyncio.sleep(0)
    assert not flight.is_full("a")
    # Its caller has left, but the call for "a" continues.
    assert flight.is_full("c")
    upstream.ready.set()
    assert await second == 2
    await flight.drain()
    assert not flight.is_full("c")
