"""Refusals sent before the app runs, in the format of the API that was called. Those sent under load are built once."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from starlette.responses import Response
from starlette.types import Scope

from gateway.negotiation import GRAPHQL, JSON
from gateway.refusals import GRAPHQL_PATH, graphql_refusal, media_of
from gateway.refusals import refusal as refusal_of
from resolvers.errors import Problem, ServiceUnavailable, ValidationError
from rest.answers import problem_answer
from rest.problems import HeadersTooLarge, RequestTimeout, URITooLong

_FULL: Final = ServiceUnavailable("The service is overloaded. Try again shortly.")
_REST: Final = problem_answer(_FULL)
_BY_MEDIA: Final = {media: graphql_refusal(_FULL, media) for media in (JSON, GRAPHQL)}
_UNREADABLE: Final[dict[int, type[Problem]]] = {
    400: ValidationError,
    408: RequestTimeout,
    414: URITooLong,
    431: HeadersTooLarge,
}


def refusal(scope: Scope) -> Response:
    """503 with Retry-After, for a request."""
    media = media_of(scope)
    return _REST if media is None else _BY_MEDIA[media]


def early_refusal(head: bytes) -> bytes:
    """The same as bytes, for a connection that is one too many. `head` is what came of its first request."""
    target = head.split(b" ", 2)[1:2]
    graphql = bool(target) and target[0].partition(b"?")[0] == GRAPHQL_PATH.encode()
    return _written(_BY_MEDIA[GRAPHQL if GRAPHQL.encode() in head.lower() else JSON] if graphql else _REST)


def late_refusal(scope: Scope) -> bytes:
    """503 as bytes, for a request that is still arriving when the process has to end."""
    return _written(refusal_of(ServiceUnavailable(), scope))


def unreadable_refusal(status: int, message: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """400, 408, 414 or 431 as bytes, for data that is not a request. `target` and `headers` were parsed of it."""
    path = target.partition(b"?")[0].decode("latin-1")
    return _written(refusal_of(_UNREADABLE[status](message), {"path": path, "headers": headers}))


def _written(answer: Response) -> bytes:
    status = HTTPStatus(answer.status_code)
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
    # RFC 9110 6.6.1
    lines.append(b"date: " + formatdate(usegmt=True).encode())
    lines += [b"%s: %s" % pair for pair in answer.raw_headers]
    lines += [b"cache-control: no-store", b"referrer-policy: no-referrer", b"x-content-type-options: nosniff"]
    lines += [b"x-request-id: " + uuid4().hex.encode(), b"connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)
