"""A server of connections that are not real, for tests of the pool. No time passes but that of the loop's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from models.engine.pool import Pool
from tests.gateway.virtual_time import VirtualTimeLoop, settle


def on_a_clock_of_its_own(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*values: Any, **named: Any) -> None:
        faults: list[dict[str, Any]] = []

        async def main() -> None:
            loop().set_exception_handler(lambda _, context: faults.append(context))
            await test(*values, **named)

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())
        assert faults == []

    return run


def loop() -> VirtualTimeLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualTimeLoop)
    return running


def running_timers() -> list[asyncio.TimerHandle]:
    timers: list[asyncio.TimerHandle] = loop()._scheduled  # pyright: ignore[reportAttributeAccessIssue]
    return [timer for timer in timers if not timer.cancelled()]


class Connection:
    """What the pool uses of one."""

    generation: int
    idle_since: float

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = ""
        self.silent = False

    def is_closed(self) -> bool:
        return bool(self.closed)

    def terminate(self) -> None:
        self.closed = self.closed or "terminated"

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - as asyncpg has it
        await asyncio.sleep(timeout if self.silent else 0)
        if self.silent:
            self.terminate()
            raise TimeoutError
        self.closed = self.closed or f"closed within {timeout}"


class Server:
    """Opens connections, numbered from 1, as soon as `ready` is set. `limits` are the time limits it was given."""

    def __init__(self, size: int = 2, seconds: float | None = 10) -> None:
        self.limits: list[float | None] = []
        self.opened: list[Connection] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.fault: Exception | None = None
        self.pool = Pool(self._connect, size, seconds, clock=loop().time)

    async def _connect(self, seconds: float | None) -> Connection:
        self.limits.append(seconds)
        await self.ready.wait()
        if self.fault is not None:
            raise self.fault
        self.opened.append(Connection(len(self.opened) + 1))
        return self.opened[-1]

    async def take(self, count: int) -> list[Connection]:
        return [await self.pool.acquire() for _ in range(count)]

    async def free(self) -> int:
        """How many can be taken without a wait. Gives them back."""
        taken: list[Connection] = []
        while True:
            task = asyncio.create_task(self.pool.acquire())
            await settle()
            if not task.done():
                task.cancel()
                await settle()
                break
            taken.append(task.result())
        for connection in taken:
            self.pool.release(connection)
        return len(taken)
