"""Requests without a server, as ASGI has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rest.json_http import Request

JSON = {"Content-Type": "application/json"}


class Sent:
    """What a client sends. `read` counts the parts that were asked for. It disconnects after the last one if `whole`
    is not true."""

    def __init__(self, parts: Sequence[bytes] = (b"",), *, whole: bool = True) -> None:
        self._parts = parts
        self._whole = whole
        self.read = 0

    async def receive(self) -> dict[str, Any]:
        if self.read >= len(self._parts):
            return {"type": "http.disconnect"}
        self.read += 1
        more = self.read < len(self._parts) or not self._whole
        return {"type": "http.request", "body": self._parts[self.read - 1], "more_body": more}


def scope_of(
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: Mapping[str, str] = JSON,
    path_params: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "path_params": dict(path_params or {}),
    }


def request(body: bytes | Sent = b"", **options: Any) -> Request:
    sent = body if isinstance(body, Sent) else Sent([body])
    scope = scope_of(**options)
    return Request(scope, sent.receive, dict(scope["headers"]))
