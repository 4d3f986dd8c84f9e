"""An app that echoes the request it received, and requests with bodies in either framing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from rest.json_http import answer

SWALLOWED = b"GET /swallowed HTTP/1.1\r\nHost: test\r\nX-Swallow: "


class Echo:
    """Answers with the request. `ran` collects all of them."""

    def __init__(self) -> None:
        self.ran: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        self.ran.append({"path": scope["path"], "headers": headers, "body": body.decode("latin-1")})
        await answer(self.ran[-1])(scope, receive, send)


def answers(received: bytes) -> list[dict[str, Any]]:
    """The contents of consecutive answers by `Echo`. Fails on any other answer."""
    found: list[dict[str, Any]] = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            received = rest
            continue
        assert head.startswith(b"HTTP/1.1 200 "), received
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        found.append(json.loads(rest[:length]))
        received = rest[length:]
    return found


def statuses(received: bytes) -> list[int]:
    """The statuses of all responses. No body may look like a status line."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


@dataclass(frozen=True)
class Post:
    """A request with a body. `headers` are lines without line ends."""

    body: bytes
    chunked: bool = False
    headers: tuple[str, ...] = ()
    chunk: int = 7
    extension: bytes = b""
    trailers: bytes = b""
    path: str = "/post"

    @property
    def sent(self) -> bytes:
        framing = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(self.body)}"
        head = "\r\n".join([f"POST {self.path} HTTP/1.1", "Host: test", *self.headers, framing, "", ""])
        return head.encode("latin-1") + (self._chunks if self.chunked else self.body)

    @property
    def _chunks(self) -> bytes:
        pieces = [self.body[at : at + self.chunk] for at in range(0, len(self.body), self.chunk)]
        written = (b"%x%b\r\n%b\r\n" % (len(piece), self.extension, piece) for piece in pieces)
        return b"".join(written) + b"0\r\n" + self.trailers + b"\r\n"
