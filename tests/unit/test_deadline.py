"""A time limit by `asyncio` and its late timers: the process here stands still by blocking its event loop."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from wire.deadline import SECOND_LOOK, Timeout


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_expires() -> None:
    began = now()
    limit = Timeout(began + 0.05)
    with pytest.raises(TimeoutError):
        async with limit:
            await asyncio.sleep(20)
    assert 0.05 <= now() - began < 5


async def test_no_limit() -> None:
    async with Timeout(None) as limit:
        await asyncio.sleep(0.05)
    assert not limit.stood_still


async def test_what_ends_in_time_leaves_nothing_behind() -> None:
    async with Timeout(now() + SECOND_LOOK):
        await asyncio.sleep(0)
    await asyncio.sleep(3 * SECOND_LOOK)


async def test_another_error_and_a_cancellation_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Timeout(now() + 20):
            _ = 1 / 0

    async def limited() -> None:
        async with Timeout(now() + 20):
            await asyncio.sleep(20)

    task = asyncio.create_task(limited())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_beside_the_expiry_is_a_cancellation() -> None:
    async def limited() -> None:
        task = asyncio.current_task()
        assert task is not None
        async with Timeout(now() + 0.01):
            try:
                await asyncio.sleep(20)
            finally:
                # Somebody else cancels, too, before the limit is left.
                task.cancel()

    task = asyncio.create_task(limited())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_arrived_during_a_standstill_is_read() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    async with Timeout(now() + 0.1):
        theirs.send(b"x")
        time.sleep(0.3)  # noqa: ASYNC251 - this is the standstill
        assert await reader.readexactly(1) == b"x"
    theirs.close()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("latest", "granted"), [(20.0, 0.2), (0.5, 0.1), (0.0, SECOND_LOOK)])
async def test_a_late_timer_grants_as_much_again_but_nothing_beyond_the_latest(latest: float, granted: float) -> None:
    """The limit is 0.2 seconds, and the process stands still until 0.4."""
    began = now()
    resumed = 0.0
    limit = Timeout(began + 0.2, latest=began + latest)

    async def stand_still() -> None:
        nonlocal resumed
        async with limit:
            time.sleep(0.4)  # noqa: ASYNC251 - this is the standstill
            resumed = now()
            await asyncio.sleep(20)

    with pytest.raises(TimeoutError):
        await stand_still()
    assert limit.stood_still
    assert granted - 0.05 <= now() - resumed < granted + 0.09


@pytest.mark.parametrize("loaded", [0.0, 0.005])
async def test_a_busy_event_loop_is_no_standstill(loaded: float) -> None:
    limit = Timeout(now() + 0.5)

    async def work() -> None:
        async with limit:
            while True:
                time.sleep(loaded)  # noqa: ASYNC251 - this is the load
                await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await work()
    assert not limit.stood_still
