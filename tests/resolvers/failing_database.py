"""A real database that fails when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from models.database import Database, DatabaseDown
from models.engine import Row, Script, Session, Values

# The statements, as a test names them to let one fail: each by a part of its SQL that only it has.
CLAIM = "SET status = 'exchanging'"
RELEASE = "SET status = 'pending'"
END = "SET status = 'failed'"
STORE = "INSERT INTO connection "
FIND = "SELECT status, code_hash"
ADD = "INSERT INTO authorization_request"
RECORD = "INSERT INTO audit_event"
SET_ACCOUNT = "SET account ="
CLOCK = "AS read_at"
REVOKE = "INSERT INTO revocation"
REPLACED = "AS is_unsure"

Meanwhile = Callable[[], Awaitable[Any]]


@dataclass
class Fault:
    """What happens to the statements that contain `part`, `times` times: the fault `error`, and before it `meanwhile`.
    With `done`, the statement takes effect nevertheless, and without `error` it answers as well, with no row if it was
    not done."""

    part: str
    error: Exception | None
    times: float
    done: bool
    meanwhile: Meanwhile | None

    def hits(self, script: Script) -> bool:
        return self.times > 0 and self.part in script.steps[0].text


class FailingDatabase(Database):
    """A real database, and what a test wants to happen to it."""

    def __init__(self, database: Database) -> None:
        self.away = False
        self.running = 0
        self.ran: list[tuple[float, str]] = []
        self._database = database
        self._faults: list[Fault] = []
        self._on_their_way: list[tuple[Script, Values]] = []
        # The class has it for each engine; this one is of both.
        setattr(self, "dialect", database.dialect)  # noqa: B010

    def fail(
        self,
        part: str,
        *,
        times: float = 1,
        done: bool = False,
        in_doubt: bool = False,
        error: Exception | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> None:
        """The next statement with `part` fails. What was not done may still be done later, by `arrive`."""
        self._faults.append(Fault(part, error or DatabaseDown("FAULT", in_doubt=in_doubt), times, done, meanwhile))

    def delay(self, part: str, meanwhile: Meanwhile, *, times: float = 1) -> None:
        """The next statement with `part` is done, and its answer comes after `meanwhile`."""
        self._faults.append(Fault(part, None, times, True, meanwhile))

    def miss(self, part: str, *, times: float = 1) -> None:
        """The next statement with `part` finds no row."""
        self._faults.append(Fault(part, None, times, False, None))

    async def arrive(self) -> None:
        """What failed without effect takes effect now, as if it had been on its way."""
        while self._on_their_way:
            await self._run(*self._on_their_way.pop(0))

    async def purge(self, *, rebuild: bool = False) -> bool | None:
        return await self._database.purge(rebuild=rebuild)

    def mend(self) -> None:
        self.away = False
        self._faults.clear()

    def count(self, part: str) -> int:
        """How many statements with `part` were tried."""
        return len(self.moments(part))

    def moments(self, part: str) -> list[float]:
        """When they were tried, by the loop's time."""
        return [moment for moment, text in self.ran if part in text]

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        self.ran.append((asyncio.get_running_loop().time(), script.steps[0].text))
        if self.away:
            raise DatabaseDown("AWAY")
        fault = next((fault for fault in self._faults if fault.hits(script)), None)
        if fault is None:
            return await self._run(script, values)
        fault.times -= 1
        if not fault.done:
            self._on_their_way.append((script, values))
        rows = await self._run(script, values) if fault.done else []
        if fault.meanwhile is not None:
            await fault.meanwhile()
        if fault.error is not None:
            raise fault.error
        return rows

    async def _run(self, script: Script, values: Values) -> Sequence[Row]:
        self.running += 1
        try:
            return await self._database.run(script, values)
        finally:
            self.running -= 1

    async def check_writable(self) -> None:
        await self._database.check_writable()

    def exclusively(
        self, lock: int, on_wait: Callable[[], object] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        return self._exclusively(lock, on_wait)

    @asynccontextmanager
    async def _exclusively(self, lock: int, on_wait: Callable[[], object] | None) -> AsyncGenerator[Session]:
        if self.away:
            raise DatabaseDown("AWAY")
        self.running += 1
        try:
            async with self._database.exclusively(lock, on_wait) as session:
                yield session
        finally:
            self.running -= 1

    async def close(self) -> None:
        await self._database.close()
