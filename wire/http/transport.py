"""The way to all providers: a pool of connections for each host, asked directly or through httpx."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import httpx

from wire.deadline import Timeout
from wire.http.connection import Departure
from wire.http.connector import Network
from wire.http.errors import ForbiddenAddress, RequestFailed, TimedOut, TransportFailure, UnreadableResponse
from wire.http.pool import Pool
from wire.http.request import Origin, Request, of_httpx
from wire.http.resolution import Resolve
from wire.http.response import decoded
from wire.http.response_reader import Incoming

CAP: Final = 256 * 1024
"""Bytes of an answer's body, before and after decompression."""

# No redirect is followed and no cookie kept, one user's least of all for another's request. httpx would read them all
# the same, and trips over some. The others say how the body travelled, and it has arrived.
_NEVER_HEEDED: Final = (b"location", b"set-cookie", b"content-encoding", b"content-length", b"transfer-encoding")


class ProviderTransport(httpx.AsyncBaseTransport):
    """`patience` is seconds for connecting to one address. Outside `https_only` http is spoken, too."""

    def __init__(
        self, resolve: Resolve, tls: ssl.SSLContext, *, https_only: bool, patience: float | None = None
    ) -> None:
        tls.set_alpn_protocols(["http/1.1"])
        self._network = Network(resolve, tls, patience)
        self._https_only = https_only
        self._pools: dict[Origin, Pool] = {}
        self._closed = False

    async def exchange(self, request: Request, departure: Departure, *, cap: int = CAP) -> Incoming:
        """The answer, its body as it came. `departure` says when the request left. Raises TransportFailure and
        UnreadableResponse."""
        origin = request.origin
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new_pool(origin)
        return await pool.exchange(request.content, departure, cap)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For httpx, with its exceptions: the body is whole and decoded. The time-out for reading holds for all."""
        content = await request.aread()
        try:
            async with _limit(request):
                incoming = await self.exchange(of_httpx(request, content), Departure())
            body = decoded(incoming, CAP)
        except (TimeoutError, TimedOut):
            raise httpx.ReadTimeout("it took too long") from None
        except (TransportFailure, UnreadableResponse) as fault:
            raise _as_httpx(fault) from None
        headers = [(name, value) for name, value in incoming.fields if name not in _NEVER_HEEDED]
        return httpx.Response(incoming.status, headers=headers, stream=httpx.ByteStream(body))

    async def aclose(self) -> None:
        """Also breaks off what is under way."""
        self._closed = True
        while self._pools:
            await self._pools.popitem()[1].aclose()

    def _new_pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise TransportFailure("the client is closed", sent=False)
        if self._https_only and origin.scheme != "https":
            raise ForbiddenAddress
        return Pool(origin, self._network)


def _limit(request: httpx.Request) -> Timeout:
    seconds = request.extensions.get("timeout", {}).get("read")
    return Timeout(None if seconds is None else asyncio.get_running_loop().time() + seconds)


def _as_httpx(fault: RequestFailed) -> httpx.TransportError:
    if isinstance(fault, TransportFailure) and not fault.sent:
        return httpx.ConnectError(str(fault))
    return httpx.RemoteProtocolError(str(fault))
