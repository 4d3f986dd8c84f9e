"""The provider: a token endpoint that answers at once, and checks code, verifier and client. It refreshes any token.

python -m benchmarks.provider_stub PORT
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import cast
from urllib.parse import parse_qs

import uvloop

from benchmarks import workload
from benchmarks.http1 import Message, Reader

_PAIR = f"{workload.CLIENT_ID}:{workload.CLIENT_SECRET}".encode()
_AUTHORIZATION = b"authorization: basic " + base64.b64encode(_PAIR).lower()
_ANSWER = b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%b"


class TokenEndpoint(asyncio.Protocol):
    """`GET /` returns the number of codes that were exchanged."""

    exchanged = 0

    def __init__(self) -> None:
        self._reader = Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        request = self._reader.feed(data)
        if request is not None:
            status, body = _answer(request)
            self._transport.write(_ANSWER % (status, len(body), body))


def _answer(request: Message) -> tuple[int, bytes]:
    if request.head.startswith(b"GET"):
        return 200, b"%d" % TokenEndpoint.exchanged
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    if form.get("grant_type") == "refresh_token":
        return 200, _tokens(int(form["refresh_token"].split("-")[1]))
    number = int(form.get("code", "code-0").removeprefix("code-"))
    if not _is_right(request.head.lower(), form, number):
        return 400, b'{"error":"invalid_grant"}'
    TokenEndpoint.exchanged += 1
    return 200, _tokens(number)


def _is_right(head: bytes, form: dict[str, str], number: int) -> bool:
    return _AUTHORIZATION in head and (
        form.get("grant_type"),
        form.get("code_verifier"),
        form.get("redirect_uri"),
    ) == ("authorization_code", workload.verifier(number), workload.REDIRECT_URI)


def _tokens(number: int) -> bytes:
    tokens = {
        "access_token": workload.access_token(number),
        "token_type": "Bearer",
        "expires_in": 28800,
        "refresh_token": workload.refresh_token(number),
        "scope": " ".join(workload.SCOPES),
    }
    return json.dumps(tokens).encode()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(TokenEndpoint, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
