"""Requests (RFC 9112), and the client that sends them: one deadline for all of a request, a limit on the size of the
response, and errors that are safe to log."""

from __future__ import annotations

import asyncio
import base64
import math
import ssl
from functools import lru_cache
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx
import msgspec

from wire.http.addresses import PublicAddresses, Resolve, unscreened
from wire.http.connecting import Connector
from wire.http.connections import MAX_CONNECTIONS, Connection, Origin, Pool
from wire.http.errors import (
    ForbiddenAddress,
    RequestFailed,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
)
from wire.http.response import ERRORS, Response
from wire.http.response_reader import ResponseReader
from wire.waiting import Timeout, waiting

MAX_BODY: Final = 256 * 1024
"""Bytes of a response's body, before and after decompression."""

_RETRY_AFTER: Final = 0.2
"""Seconds after which a refused connection is tried again. A server that restarts a process is back by then."""

_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "Tendon",
}
"""Sent with every request, unless it has others of the same names."""

Headers = tuple[tuple[str, str], ...]
"""Header fields, each a name and a value."""


class Request(msgspec.Struct, frozen=True):
    """`content` is the head and the body as they are sent. What is the same for every request to one URL is formatted
    only once."""

    origin: Origin
    content: bytes

    def __repr__(self) -> str:
        return f"Request(origin={self.origin})"


def request(
    method: str,
    url: str,
    *,
    authorization: str | None = None,
    headers: Headers = (),
    form: str | None = None,
    json: bytes | None = None,
    personal: bool = False,
) -> Request:
    """A request for JSON, with these header fields in addition to those of every request, or instead of them. `form` is
    already form-encoded, and therefore ASCII; `json` is an encoded document, instead of a form.

    What begins all requests with this URL and these header fields is kept in memory, unless it is `personal`, because
    it contains a user's id or token.

    Raises ValueError if `authorization` or a header field is not printable ASCII.
    """
    origin, head = (_start.__wrapped__ if personal else _start)(method, url, headers)
    if authorization is not None:
        head = f"{head}Authorization: {_field_value(authorization)}\r\n"
    if json is not None:
        head = f"{head}Content-Type: application/json\r\nContent-Length: {len(json)}\r\n"
        return Request(origin, f"{head}\r\n".encode("ascii") + json)
    if form is not None:
        head = f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    elif method == "POST":
        head += "Content-Length: 0\r\n"
    return Request(origin, f"{head}\r\n{form or ''}".encode("ascii"))


def _field_value(text: str) -> str:
    if not (text and text.isascii() and text.isprintable()):
        # The text may be a secret.
        raise ValueError("a value can't be sent in a header")
    return text


@lru_cache(maxsize=256)
def basic_credentials(client_id: str, client_secret: str) -> str:
    """An OAuth client's credentials for the Authorization header (RFC 6749 2.3.1): HTTP Basic with both parts
    form-encoded. A space becomes `%20`, since not all servers decode `+`."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"


@lru_cache(maxsize=256)
def _start(method: str, url: str, headers: Headers) -> tuple[Origin, str]:
    """The request line, and the header fields that don't depend on the content."""
    parsed = httpx.URL(url)
    target, host = parsed.raw_path.decode("ascii"), parsed.netloc.decode("ascii")
    given = {name.lower() for name, _ in headers}
    ours = [(name, value) for name, value in _HEADERS.items() if name.lower() not in given]
    fields = "".join(f"{name}: {_field_value(value)}\r\n" for name, value in (*ours, *headers))
    port = parsed.port if parsed.port is not None else 443 if parsed.scheme == "https" else 80
    origin = Origin(parsed.scheme, parsed.raw_host.decode("ascii"), port)
    return origin, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}"


class Client:
    """Shared by all requests of a kind, and closed with `aclose`. It keeps nothing between requests but connections:
    no cookies, no redirects, no retries except the one that `send` describes."""

    def __init__(
        self,
        resolve: Resolve,
        tls: ssl.SSLContext | None,
        *,
        https_only: bool,
        connect_timeout: float | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """Without `tls`, servers are those that `trusted_authorities` knows. `connect_timeout` is seconds for each
        address of a host, `max_connections` the limit per origin."""
        self.closed = False
        self._connect = Connector(resolve, tls, connect_timeout).connect
        self._https_only = https_only
        self._max_connections = max_connections
        self._pools: dict[Origin, Pool] = {}

    async def send(
        self,
        request: Request,
        *,
        deadline: float,
        latest: float = math.inf,
        max_body: int = MAX_BODY,
        retry_refused: bool = False,
    ) -> Response:
        """Send the request and return the response, whatever its status.

        `deadline` is a time of the running loop and applies to everything from resolving the name to the last byte. If
        this process is suspended, the deadline is extended up to `latest`, so that a response that has arrived is read.
        An error response (4xx, 5xx) is returned even if its body is larger than `max_body` bytes, incomplete or can't
        be decoded; the body is then left out. With `retry_refused` the request is sent once more after a refused
        connection, as nothing was sent, and never after anything else.

        Raises TransportFailure, and UnreadableResponse for such a body in any other response.
        """
        if asyncio.get_running_loop().time() >= deadline:
            raise TimedOut(sent=False)
        pool = self._pools.get(request.origin) or self._new_pool(request.origin)
        reader = ResponseReader(max_body)
        try:
            with waiting():
                while True:
                    try:
                        connection = pool.acquire_idle() or await _connection(pool, deadline, latest)
                        try:
                            failure = await connection.exchange(request.content, reader, deadline, latest)
                        finally:
                            pool.release(connection)
                        break
                    except Unreachable:
                        if not retry_refused or asyncio.get_running_loop().time() + _RETRY_AFTER >= deadline:
                            raise
                    retry_refused = False
                    await asyncio.sleep(_RETRY_AFTER)
            if failure is None:
                return reader.response()
        except UnreadableResponse as unreadable:
            failure = unreadable
        finally:
            reader.close()
        return _without_body(reader, failure)

    async def aclose(self) -> None:
        """Requests in progress fail with TransportFailure."""
        self.closed = True
        while self._pools:
            await self._pools.popitem()[1].aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _new_pool(self, origin: Origin) -> Pool:
        if self.closed:
            raise TransportFailure("the client is closed", sent=False)
        if self._https_only and origin.scheme != "https":
            raise ForbiddenAddress
        pool = self._pools[origin] = Pool(origin, self._connect, self._max_connections)
        return pool


def open_client(*, allow_private: bool, timeout: float, max_connections: int = MAX_CONNECTIONS) -> Client:
    """A client for requests that take up to `timeout` seconds. A third of that is for connecting to each address of a
    host, so that the next one can be tried. Unless `allow_private`, only https to public addresses is possible."""
    resolve = unscreened if allow_private else PublicAddresses()
    return Client(
        resolve,
        tls=None,
        https_only=not allow_private,
        connect_timeout=timeout / 3,
        max_connections=max_connections,
    )


async def _connection(pool: Pool, deadline: float, latest: float) -> Connection:
    """A connection that has to be waited for. `Client.send` describes the arguments."""
    limit = Timeout(deadline, latest=latest)
    try:
        async with limit:
            return await pool.acquire()
    except TimeoutError:
        raise TimedOut(sent=False, stood_still=limit.stood_still) from None


def _without_body(reader: ResponseReader, failure: RequestFailed) -> Response:
    """The response without its body if it is an error. Raises `failure` otherwise."""
    if not reader.has_head or reader.status not in ERRORS:
        raise failure from None
    overdue = isinstance(failure, TimedOut) and not failure.stood_still
    return Response(reader.status, b"", reader.headers, sent_at=reader.sent_at, overdue=overdue)
