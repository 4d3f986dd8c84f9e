"""The clock that tests hold."""

from __future__ import annotations

import asyncio
import sys

from tests.loop_clock import held_clock


async def test_a_loop_tells_the_time_after_any_number_of_tests() -> None:
    """Each test that held the clock left the loop a clock around the last one: a thousand ended all tests."""
    loop = asyncio.new_event_loop()
    tests = sys.getrecursionlimit() + 100

    async def hold() -> float:
        began = loop.time()
        for _ in range(tests):
            with held_clock() as clock:
                clock.now += 1
        return loop.time() - began

    try:
        passed = await asyncio.to_thread(loop.run_until_complete, hold())
    finally:
        loop.close()
    assert tests <= passed < tests + 60
