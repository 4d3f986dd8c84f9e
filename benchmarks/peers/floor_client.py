"""The floor's HTTP client: one prepared request on persistent connections, without time-out or size limit."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import cast
from urllib.parse import quote, urlsplit

import httptools

from benchmarks.peers.work import WORK

_URL = urlsplit(WORK.token_url)
_BASIC = base64.b64encode(f"{WORK.client_id}:{WORK.client_secret}".encode()).decode()
_HEAD = (
    f"POST {_URL.path} HTTP/1.1\r\nHost: {_URL.netloc}\r\nAccept: application/json\r\nAuthorization: Basic {_BASIC}\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
).encode()
_needs_no_encoding = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_FORM = f"grant_type=authorization_code&redirect_uri={quote(WORK.redirect_uri, safe='')}&code="


class _Line(asyncio.Protocol):
    """One connection, with at most one request in flight. It is in `_idle` in between, until the provider closes it."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._body = b""
        self._answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        _idle.append(self)
        self._answer.set_result((self._parser.get_status_code(), self._body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in _idle:
            _idle.remove(self)
        elif not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())


_idle: list[_Line] = []


async def exchange(code: str, verifier: str) -> bytes:
    """The body of the token answer."""
    encoded = code if _needs_no_encoding(code) else quote(code, safe="")
    form = f"{_FORM}{encoded}&code_verifier={verifier}".encode()
    line = _idle.pop() if _idle else await _connect()
    status, body = await line.ask(b"%b%d\r\n\r\n%b" % (_HEAD, len(form), form))
    if status != 200:
        raise ConnectionError
    return body


async def _connect() -> _Line:
    host, port = _URL.hostname or "", _URL.port or 80
    return (await asyncio.get_running_loop().create_connection(_Line, host, port))[1]
