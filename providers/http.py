"""One HTTP exchange with a provider: one deadline for all of it, a cap on what comes back, and only safe errors."""

from __future__ import annotations

import asyncio
import logging
import zlib
from dataclasses import replace
from typing import Final

import httpcore
import httpx

from providers.answer import Answer
from providers.errors import ProviderFault, TimedOut, TransportFailure, Unreachable, UnreadableAnswer
from providers.resolution import PublicAddresses, as_written
from providers.transport import ProviderTransport

__all__ = ["Answer", "open_client", "send", "send_patiently"]

CAP: Final = 256 * 1024
"""Bytes of an answer's body, before and after decompression."""

_PAUSE: Final = 0.2
"""Seconds before a refused connection is tried again: a provider that restarts a process is back by then."""

# OSError, because httpcore lets failures of TLS in mid-stream through as they are.
_BROKEN: Final = (httpcore.NetworkError, httpcore.ProtocolError, OSError)

_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Tendon"}


def open_client(*, allow_private: bool, timeout: float) -> httpx.AsyncClient:
    """The one client that all requests share; to be closed with `aclose`. Keeps nothing between them but connections.

    `timeout` is seconds for one step, for connecting a third of it so that a second address gets its turn; `send`
    bounds the whole. Outside `allow_private` only https to public addresses is possible.
    """
    # At DEBUG these two would log the provider's headers, which may hold what we sent.
    for name in ("httpcore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    resolve = as_written if allow_private else PublicAddresses()
    tls = httpx.create_ssl_context(trust_env=False)
    return httpx.AsyncClient(
        transport=ProviderTransport(resolve, tls, https_only=not allow_private),
        headers=_HEADERS,
        timeout=httpx.Timeout(timeout, connect=timeout / 3),
        follow_redirects=False,
        trust_env=False,
    )


async def send(client: httpx.AsyncClient, request: httpx.Request, *, deadline: float, cap: int = CAP) -> Answer:
    """The answer, whatever its status. Nothing is followed and nothing repeated.

    `deadline` is a time of the running loop and holds for all from connecting to the last byte; `cap` is bytes of the
    body. Raises TransportFailure and UnreadableAnswer.
    """
    departure = _Departure()
    request.extensions = {**request.extensions, "trace": departure.note}
    try:
        async with asyncio.timeout_at(deadline):
            return replace(await _receive(client, request, cap), sent_at=departure.at)
    except ProviderFault:
        raise
    except (TimeoutError, httpcore.TimeoutException):
        raise TimedOut(sent=departure.begun) from None
    except httpcore.ConnectError:
        raise Unreachable from None
    except _BROKEN:
        raise TransportFailure("the connection broke or did not speak HTTP", sent=departure.begun) from None


async def send_patiently(client: httpx.AsyncClient, request: httpx.Request, *, deadline: float) -> Answer:
    """`send`, and once more after a refused connection, for nothing had left; never after anything else."""
    try:
        return await send(client, request, deadline=deadline)
    except Unreachable:
        if asyncio.get_running_loop().time() + _PAUSE >= deadline:
            raise
    await asyncio.sleep(_PAUSE)
    return await send(client, request, deadline=deadline)


class _Departure:
    """Whether a request has begun to leave: told by httpcore before its first byte is written, on each connection."""

    begun = False
    at = 0.0

    async def note(self, event: str, _info: object) -> None:
        if event.endswith("send_request_headers.started"):
            self.begun, self.at = True, asyncio.get_running_loop().time()


async def _receive(client: httpx.AsyncClient, request: httpx.Request, cap: int) -> Answer:
    response = await client.send(request, stream=True)
    try:
        body = _Body(response, cap)
        async for part in response.aiter_raw():
            body.add(part)
        return Answer(response.status_code, body.whole())
    finally:
        await response.aclose()


class _Body:
    """Gathers a body and decompresses it in step, never further than the cap.

    We ask for no compression. What comes all the same is read if it is gzip or deflate.
    """

    def __init__(self, response: httpx.Response, cap: int) -> None:
        self._status = response.status_code
        self._room = self._raw_room = cap
        self._parts: list[bytes] = []
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise UnreadableAnswer("the body has an unknown encoding", self._status)
        # 32 above the window size: both formats, told apart by their headers.
        self._inflate = None if encoding in ("identity", "") else zlib.decompressobj(32 + zlib.MAX_WBITS)

    def add(self, part: bytes) -> None:
        self._raw_room -= len(part)
        plain = self._inflated(part)
        self._room -= len(plain)
        if self._room < 0 or self._raw_room < 0:
            raise UnreadableAnswer("the body is too large", self._status)
        self._parts.append(plain)

    def whole(self) -> bytes:
        if self._inflate is not None and (not self._inflate.eof or self._inflate.unused_data):
            raise UnreadableAnswer("the body is not compressed as it says", self._status)
        return b"".join(self._parts)

    def _inflated(self, part: bytes) -> bytes:
        if self._inflate is None:
            return part
        try:
            # One byte more than there is room for shows that there is more.
            return self._inflate.decompress(part, self._room + 1)
        except zlib.error:
            raise UnreadableAnswer("the body is not compressed as it says", self._status) from None
