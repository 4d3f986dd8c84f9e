"""The part of HTTP/1.1 that provider and generator need: messages with a Content-Length on persistent connections."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.head[9:12])


class Reader:
    """Reads messages from bytes as they arrive."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Message | None:
        """The message, once it is complete. There is at most one at a time."""
        self._rest += data
        head, end, body = self._rest.partition(b"\r\n\r\n")
        if not end:
            return None
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return None
        self._rest = b""
        return Message(head, body)
