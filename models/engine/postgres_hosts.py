"""Connects to that host of a URL which is the primary at the moment, without waiting long for one that is gone."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched

from models.engine.postgres_connection import Connection, open_connection
from models.engine.url import Host, PostgresUrl

# Seconds after which the next host is tried beside those that have not answered yet (as in RFC 8305, section 5).
_NEXT: Final = 0.3


class Connector:
    """Opens connections. `limit` is the time limit for their statements in seconds; None sets none."""

    def __init__(self, url: PostgresUrl, limit: float | None) -> None:
        self._url = url
        self._limit = limit
        self._hosts = list(url.hosts)
        """The host that was connected to last comes first."""

    async def open(self, seconds: float | None) -> Connection:
        """A connection, within `seconds`. Raises TimeoutError, and what asyncpg raises: of the failures of several
        hosts, the one that says most."""
        if len(self._hosts) == 1:
            return await open_connection(self._url, self._hosts[0], seconds, self._limit)
        host, connection = await _Race(self._url, list(self._hosts), seconds, self._limit).run()
        self._hosts.remove(host)
        self._hosts.insert(0, host)
        return connection


class _Race:
    """Attempts to connect to several hosts, of which the first that succeeds wins. A host is tried when the one before
    has failed, or has not answered in time, and the attempts go on side by side."""

    def __init__(self, url: PostgresUrl, hosts: list[Host], seconds: float | None, limit: float | None) -> None:
        self._url = url
        self._waiting = hosts
        self._deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self._limit = limit
        self._attempts: dict[asyncio.Task[Connection], Host] = {}
        self._failures: list[BaseException] = []

    async def run(self) -> tuple[Host, Connection]:
        try:
            while self._waiting or self._attempts:
                self._start_next()
                done, _ = await asyncio.wait(
                    self._attempts, timeout=_NEXT if self._waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in done:
                    if (failure := attempt.exception()) is None:
                        return self._attempts.pop(attempt), attempt.result()
                    del self._attempts[attempt]
                    self._failures.append(failure)
            raise min(self._failures, key=_rank)
        finally:
            self._stop()

    def _start_next(self) -> None:
        if self._waiting:
            host = self._waiting.pop(0)
            left = None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
            attempt = asyncio.create_task(open_connection(self._url, host, left, self._limit))
            self._attempts[attempt] = host

    def _stop(self) -> None:
        """No attempt may leave a connection behind. This doesn't wait for them, because if the task were cancelled
        meanwhile, the connection that has won would be lost."""
        for attempt in self._attempts:
            attempt.cancel()
            attempt.add_done_callback(_close)


def _close(attempt: asyncio.Task[Connection]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def _rank(failure: BaseException) -> int:
    """What a server has answered says more than that it is no primary, and that more than that a host is silent."""
    if isinstance(failure, asyncpg.PostgresError | ssl.SSLError):
        return 0
    return 1 if isinstance(failure, TargetServerAttributeNotMatched) else 2
