"""SingleFlight: tasks that want the same answer share one call, whichever of them leaves."""

from __future__ import annotations

import asyncio
import gc

import pytest

from resolvers.single_flight import SingleFlight
from tests.loop_clock import settled


class Upstream:
    """Answers once `ready` is set, and counts its calls."""

    def __init__(self, failure: BaseException | None = None) -> None:
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


@pytest.mark.parametrize("failure", [ValueError("no"), asyncio.CancelledError()], ids=["failed", "cancelled"])
async def test_a_failure_without_callers_is_not_reported_by_asyncio(failure: BaseException) -> None:
    """Neither as never retrieved, which asyncio notices when the task is collected, nor as a fault of a callback."""
    flight, upstream = SingleFlight[int](), Upstream(failure)
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
        del task
        gc.collect()
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


async def test_without_a_limit_it_is_never_full() -> None:
    flight, upstream = SingleFlight[int](), Upstream()
    tasks = await _waiting(flight, upstream, *(str(number) for number in range(100)))
    assert not flight.is_full("0")
    assert not flight.is_full("another")
    upstream.ready.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(("keys", "full_for_a", "full_for_another"), [("a", False, False), ("aa", True, True)])
async def test_callers_of_one_call_count(keys: str, *, full_for_a: bool, full_for_another: bool) -> None:
    flight, upstream = SingleFlight[int](2), Upstream()
    tasks = await _waiting(flight, upstream, *keys)
    assert (flight.is_full("a"), flight.is_full("another")) == (full_for_a, full_for_another)
    upstream.ready.set()
    await asyncio.gather(*tasks)
    assert not flight.is_full("a")


async def test_a_call_that_its_callers_have_left_may_be_joined() -> None:
    """It counts among the calls, and takes no more than it does."""
    flight, upstream = SingleFlight[int](2), Upstream()
    for task in await _waiting(flight, upstream, "a", "b"):
        task.cancel()
    await asyncio.sleep(0)
    assert (flight.is_full("a"), flight.is_full("b"), flight.is_full("c")) == (False, False, True)
    upstream.ready.set()
    await flight.drain()


async def test_draining_waits_for_every_call() -> None:
    flight, upstream, other = SingleFlight[int](), Upstream(), Upstream()
    tasks = [*await _waiting(flight, upstream, "a"), *await _waiting(flight, other, "b")]
    draining = asyncio.create_task(flight.drain())
    upstream.ready.set()
    await asyncio.gather(tasks[0])
    await settled()
    assert not draining.done()
    other.ready.set()
    await draining
    await asyncio.gather(*tasks)


async def test_a_call_that_is_done_is_not_joined() -> None:
    """Even before the loop has told anybody: who joins again and again, for a newer result, must not stop the loop."""
    flight, results = SingleFlight[int](), iter((1, 2))

    async def call() -> int:
        return next(results)

    first = asyncio.create_task(flight.join("key", call))
    await asyncio.sleep(0)
    # The call ends in the next step, and those who wait for it are told in the one after.
    await asyncio.sleep(0)
    assert not first.done()
    assert await flight.join("key", call) == 2
    assert await first == 1
    await flight.drain()
