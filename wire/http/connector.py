"""Sockets to providers: connected to the addresses that resolution allows, the very ones that were screened."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

import httpx

from wire.deadline import Timeout
from wire.http.connection import Connection
from wire.http.errors import TimedOut, TransportFailure, Unreachable
from wire.http.request import Origin
from wire.http.resolution import Resolve


@cache
def trusted() -> ssl.SSLContext:
    """The authorities that httpx trusts, whatever the environment says. Read once: it takes its time and memory."""
    return httpx.create_ssl_context(trust_env=False)


class Network:
    """What is above it knows hosts by name, so certificates are checked for the name."""

    def __init__(self, resolve: Resolve, tls: ssl.SSLContext, patience: float | None) -> None:
        """`patience` is seconds for each address, handshake included, so that the next one gets its turn."""
        self._resolve = resolve
        self._tls = tls
        self._patience = patience

    async def connect(self, origin: Origin) -> Connection:
        """Tries one address after the other. Raises TransportFailure with `sent` False."""
        *others, last = await self._resolve(origin.host, origin.port)
        for address in others:
            try:
                return await self._connect(address, origin)
            except TransportFailure:
                continue
        return await self._connect(last, origin)

    async def _connect(self, address: str, origin: Origin) -> Connection:
        tls, name = (self._tls, origin.host) if origin.scheme == "https" else (None, None)
        loop = asyncio.get_running_loop()
        limit = Timeout(None if self._patience is None else loop.time() + self._patience)
        try:
            async with limit:
                _, connection = await loop.create_connection(
                    Connection,
                    address,
                    origin.port,
                    ssl=tls,
                    server_hostname=name,
                    # uvloop keeps what is given up in the midst of a handshake for so long, for a minute by default.
                    ssl_handshake_timeout=None if tls is None or self._patience is None else self._patience + 1,
                )
        except TimeoutError:
            raise TimedOut(sent=False, stood_still=limit.stood_still) from None
        except (OSError, UnicodeError):
            # OSError holds those of TLS.
            raise Unreachable from None
        return connection
