"""How a connection to a server is opened: to one of the addresses that resolution allows."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Final

import httpx

from wire.http.addresses import Resolve
from wire.http.connections import Connection, Origin
from wire.http.errors import TimedOut, TransportFailure, Unreachable
from wire.waiting import Timeout

_PROTOCOLS: Final = ("http/1.1",)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """The certificate authorities that httpx trusts, whatever the environment says. Loading them takes 20 ms and 2 MB,
    so it is done once: when the first connection needs them, unless the process did it at its start."""
    tls = httpx.create_ssl_context(trust_env=False)
    tls.set_alpn_protocols(_PROTOCOLS)
    return tls


class Connector:
    """Connects to exactly the addresses that were screened. Certificates are checked for the name of the host."""

    def __init__(self, resolve: Resolve, tls: ssl.SSLContext | None, timeout: float | None) -> None:
        """Without `tls`, servers are those that `trusted_authorities` knows. `timeout` is seconds for each address,
        including the TLS handshake, so that the next one can be tried."""
        if tls is not None:
            tls.set_alpn_protocols(_PROTOCOLS)
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
        tls, name = (self._tls or trusted_authorities(), origin.host) if origin.scheme == "https" else (None, None)
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
