"""How requests share connections: each host has its own, the last used is used next.

httpcore's pool looks at every connection for every request, which costs more than the exchange itself once some
dozens are in flight. Here a request looks at two, and a provider that hangs takes no other's connections.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import httpcore
import httpx

from providers.errors import ForbiddenAddress, UnreadableAnswer
from providers.network import Network, Stream
from providers.resolution import Resolve

MAX_CONNECTIONS: Final = 64
"""To one host, by one process. Who comes then waits for one to be free."""

MAX_FIELDS: Final = 100
"""Header fields of an answer. h11 sets no limit to them."""

# Servers keep theirs longer as a rule, so that few requests meet a connection that is just being closed.
_IDLE_SECONDS: Final = 15

# No redirect is followed and no cookie kept, one user's least of all for another's request. httpx would read them all
# the same, and trips over some.
_NEVER_HEEDED: Final = (b"location", b"set-cookie")


class ProviderTransport(httpx.AsyncBaseTransport):
    """For `http.send`, which knows httpcore's exceptions: they come through as they are."""

    def __init__(self, resolve: Resolve, tls: ssl.SSLContext, *, https_only: bool) -> None:
        self._network = Network(resolve)
        self._tls = tls
        self._https_only = https_only
        self._hosts: dict[tuple[bytes, bytes, int | None], _Host] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if self._https_only and url.scheme != "https":
            raise ForbiddenAddress
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        key = (url.raw_scheme, url.raw_host, url.port)
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(target.origin, self._tls, self._network)
        return await host.handle(
            httpcore.Request(
                request.method,
                target,
                headers=request.headers.raw,
                content=cast("httpx.AsyncByteStream", request.stream),
                extensions=request.extensions,
            )
        )

    async def aclose(self) -> None:
        while self._hosts:
            await self._hosts.popitem()[1].aclose()


class _Host:
    """The connections to one host, idle ones from the longest unused to the last used."""

    def __init__(self, origin: httpcore.Origin, tls: ssl.SSLContext, network: Network) -> None:
        self._origin = origin
        self._tls = tls
        self._network = network
        self._idle: deque[httpcore.AsyncHTTPConnection] = deque()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def handle(self, request: httpcore.Request) -> httpx.Response:
        await self._free.acquire()
        connection = None
        try:
            connection = await self._connection()
            response = await connection.handle_async_request(request)
            _check_head(response)
        except BaseException:
            await self.take_back(connection)
            raise
        headers = [(name, value) for name, value in response.headers if name.lower() not in _NEVER_HEEDED]
        return httpx.Response(response.status, headers=headers, stream=_Body(response, self, connection))

    async def take_back(self, connection: httpcore.AsyncHTTPConnection | None) -> None:
        """To be used again if its last answer came to its end."""
        self._free.release()
        if connection is None:
            return
        if connection.is_idle() and not connection.is_closed() and not _has_more(connection):
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()

    async def _connection(self) -> httpcore.AsyncHTTPConnection:
        while self._idle and self._idle[0].has_expired():
            await self._idle.popleft().aclose()
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            self._origin, self._tls, keepalive_expiry=_IDLE_SECONDS, network_backend=self._network
        )


def _check_head(response: httpcore.Response) -> None:
    if len(response.headers) > MAX_FIELDS:
        raise UnreadableAnswer("the head has too many fields", response.status)
    stream: Stream = cast("Any", response).extensions["network_stream"]
    stream.head_is_over()


def _has_more(connection: httpcore.AsyncHTTPConnection) -> bool:
    """Whether bytes came after the answer's end. On the next request they would pass for its answer: one user's tokens
    for another. Only h11's state tells, since they are read already."""
    protocol: Any = connection
    return bool(protocol._connection._h11_state.trailing_data[0])  # noqa: SLF001


class _Body(httpx.AsyncByteStream):
    """The body of an answer; its end gives the connection back."""

    def __init__(self, response: httpcore.Response, host: _Host, connection: httpcore.AsyncHTTPConnection) -> None:
        self._response = response
        self._host = host
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
        finally:
            await self._host.take_back(self._connection)
