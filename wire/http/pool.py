"""The connections to one origin. The one that was used last is used next, and requests beyond the limit wait in line.

Each origin has its own pool, so that a server that hangs uses up no other's connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from wire.http.connection import Connection
from wire.http.connector import Connector
from wire.http.errors import TransportFailure
from wire.http.request import Origin

MAX_CONNECTIONS: Final = 64
"""To one origin, unless the client says otherwise."""

# Most servers keep connections open for longer, so that few requests meet one that is just being closed.
_IDLE_SECONDS: Final = 15


class Pool:
    def __init__(self, origin: Origin, connector: Connector, max_connections: int) -> None:
        self._origin = origin
        self._connector = connector
        self._slots = asyncio.Semaphore(max_connections)
        # From the one that has been idle for longest to the one that was used last.
        self._idle: deque[Connection] = deque()
        self._in_use: set[Connection] = set()
        self._closed = False
        self._clearing: asyncio.TimerHandle | None = None

    async def acquire(self) -> Connection:
        """An open connection, to be given back with `release`. One that the server has closed while it was idle is
        noticed here, before a request is sent on it. Raises TransportFailure with `sent` False."""
        await self._slots.acquire()
        try:
            connection = self._open_idle() or await self._connector.connect(self._origin)
        except BaseException:
            self._slots.release()
            raise
        self._in_use.add(connection)
        if self._closed:
            self.release(connection)
            raise TransportFailure("the client is closed", sent=False)
        return connection

    def release(self, connection: Connection) -> None:
        """The connection is kept if its last response was complete and nothing follows it."""
        self._in_use.discard(connection)
        self._slots.release()
        if connection.reusable and not self._closed:
            loop = asyncio.get_running_loop()
            connection.idle_since = loop.time()
            self._idle.append(connection)
            self._clearing = self._clearing or loop.call_later(_IDLE_SECONDS, self._clear)
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Requests in progress fail."""
        self._closed = True
        if self._clearing is not None:
            self._clearing.cancel()
        connections = [*self._idle, *self._in_use]
        self._idle.clear()
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in connections))

    def _open_idle(self) -> Connection | None:
        self._close_old()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet():
                return connection
            connection.abort()
        return None

    def _close_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().abort()

    def _clear(self) -> None:
        """Runs while there are idle connections, even without requests: under TLS, the server can keep an idle
        connection busy."""
        self._close_old()
        self._clearing = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._clear) if self._idle else None
