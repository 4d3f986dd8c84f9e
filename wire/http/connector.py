"""Opens connections: TCP to one of the addresses that resolution allows, then TLS for the name of the host."""

from __future__ import annotations

import asyncio
import ssl

from wire.http.addresses import Resolve
from wire.http.connection import Connection
from wire.http.errors import TimedOut, TransportFailure, Unreachable
from wire.http.request import Origin
from wire.waiting import Timeout


class Connector:
    """Connects to exactly the addresses that were screened. Certificates are checked for the name of the host."""

    def __init__(self, resolve: Resolve, tls: ssl.SSLContext, timeout: float | None) -> None:
        """`timeout` is seconds for each address, including the TLS handshake, so that the next one can be tried."""
        self._resolve = resolve
        self._tls = tls
        self._timeout = timeout

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
        limit = Timeout(None if self._timeout is None else loop.time() + self._timeout)
        try:
            async with limit:
                _, connection = await loop.create_connection(
                    Connection,
                    address,
                    origin.port,
                    ssl=tls,
                    server_hostname=name,
                    # uvloop keeps the socket of a cancelled handshake open for this long, by default a minute.
                    ssl_handshake_timeout=None if tls is None or self._timeout is None else self._timeout + 1,
                )
        except TimeoutError:
            raise TimedOut(sent=False, stood_still=limit.stood_still) from None
        except (OSError, UnicodeError):
            # The errors of TLS are OSErrors.
            raise Unreachable from None
        return connection
