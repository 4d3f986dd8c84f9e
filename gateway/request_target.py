"""The request line (RFC 9112 3), where llhttp takes too much: other protocols, and targets of any length."""

from __future__ import annotations

import re
from typing import Final

import httptools

from gateway.framing import Unreadable

# Bytes of a request target (RFC 9112 3.2): nginx takes as many by default, RFC 9110 4.1 asks for 8,000. Its path is
# decoded whatever it is, so it has a limit of its own, far above that of any path of ours.
TARGET_LIMIT: Final = 8 * 1024
PATH_LIMIT: Final = 1024
# RFC 3986 2.1
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class RequestLine:
    """Checks that a request line, which may come in several pieces, is one of HTTP: llhttp takes those of RTSP and ICE,
    too, and doesn't say so."""

    def __init__(self) -> None:
        self._before = b""
        self._whole = False

    def read(self, piece: bytes) -> None:
        """Of a head from its beginning. Raises Unreadable."""
        if self._whole:
            return
        before = self._before
        text = before + piece if before else piece
        end = text.find(b"\r\n")
        if end < 0:
            # A blank, the version, and half a line end.
            self._before = text[-10:]
            return
        self._whole = True
        if text[max(end - 9, 0) : end].rpartition(b"/")[0] != b" HTTP":
            raise Unreadable("The request is not valid HTTP/1.1.")


def check_target_length(target: bytes) -> None:
    """Of as much as has come. Raises Unreadable."""
    if len(target) > TARGET_LIMIT:
        raise Unreadable("The request target is too long.", 414)
    if len(target) > PATH_LIMIT and len(target.partition(b"?")[0]) > PATH_LIMIT:
        raise Unreadable("The path is too long.", 414)


def check_target(target: bytes) -> None:
    """A path, or a whole URI with one (RFC 9112 3.2). Raises Unreadable."""
    if b"%" in target and _BAD_ESCAPE.search(target):
        raise Unreadable("The request target has a malformed percent-encoding.")
    if not target.startswith(b"/") and not _has_path(target):
        raise Unreadable("The request target is malformed.")


def _has_path(target: bytes) -> bool:
    try:
        return bool(httptools.parse_url(target).path)
    except httptools.HttpParserInvalidURLError:
        return False
