"""The connections to one host: the last used is used next, and who comes when all are taken waits in line.

A provider that hangs takes no other's connections, and finding one costs the same however many there are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from wire.http.connection import Connection, Departure
from wire.http.connector import Network
from wire.http.errors import TransportFailure
from wire.http.request import Origin
from wire.http.response_reader import Incoming

MAX_CONNECTIONS: Final = 64
"""To one host, by one process. Who comes then waits for one to be free."""

# Servers keep theirs longer as a rule, so that few requests meet a connection that is just being closed.
_IDLE_SECONDS: Final = 15


class Pool:
    """Idle connections stand from the longest unused to the last used."""

    def __init__(self, origin: Origin, network: Network) -> None:
        self._origin = origin
        self._network = network
        self._idle: deque[Connection] = deque()
        self._taken: set[Connection] = set()
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._closed = False
        self._clearing: asyncio.TimerHandle | None = None

    async def exchange(self, content: bytes, departure: Departure, cap: int) -> Incoming:
        """Raises TransportFailure and UnreadableResponse. Nothing is repeated: a connection that was closed meanwhile
        is noticed before the request begins to leave."""
        async with self._places:
            connection = self._kept() or await self._network.connect(self._origin)
            self._taken.add(connection)
            try:
                self._check_open()
                return await connection.exchange(content, departure, cap)
            finally:
                self._take_back(connection)

    async def aclose(self) -> None:
        """Also breaks off what is under way."""
        self._closed = True
        if self._clearing is not None:
            self._clearing.cancel()
        connections = [*self._idle, *self._taken]
        self._idle.clear()
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in connections))

    def _check_open(self) -> None:
        if self._closed:
            raise TransportFailure("the client is closed", sent=False)

    def _kept(self) -> Connection | None:
        self._drop_old()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet():
                return connection
            connection.abort()
        return None

    def _drop_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().abort()

    def _clear(self) -> None:
        """Also when nobody asks any more: under TLS the other side can keep an idle connection busy."""
        self._drop_old()
        self._clearing = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._clear) if self._idle else None

    def _take_back(self, connection: Connection) -> None:
        self._taken.discard(connection)
        if connection.reusable and not self._closed:
            loop = asyncio.get_running_loop()
            connection.idle_since = loop.time()
            self._idle.append(connection)
            self._clearing = self._clearing or loop.call_later(_IDLE_SECONDS, self._clear)
        else:
            connection.abort()
