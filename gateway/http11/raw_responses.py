"""Error responses as bytes, for connections on which no request can be run."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from gateway.edge import new_request_id, response_headers
from gateway.error_responses import GRAPHQL_PATH, OVERLOADED, error_response
from gateway.http11.head import BadRequest, Field
from gateway.negotiation import GRAPHQL, JSON
from resolvers.errors import Problem, ServiceUnavailable, ValidationError
from rest.json_http import HeadersTooLarge, RequestTimeout, Response, URITooLong

_PROBLEMS: Final[dict[int, type[Problem]]] = {
    400: ValidationError,
    408: RequestTimeout,
    414: URITooLong,
    431: HeadersTooLarge,
}


def too_many_connections(data: bytes) -> bytes:
    """503. `data` is what has arrived of the first request."""
    target = data.split(b" ", 2)[1:2]
    media = None
    if target and target[0].partition(b"?")[0] == GRAPHQL_PATH.encode():
        media = GRAPHQL if GRAPHQL.encode() in data.lower() else JSON
    return _as_bytes(OVERLOADED[media])


def stopping(scope: Scope) -> bytes:
    """503, for a request that is still arriving when the process has to stop."""
    return _as_bytes(error_response(ServiceUnavailable(), scope))


def bad_request(error: BadRequest, target: bytes, headers: list[Field]) -> bytes:
    """400, 408, 414 or 431. `target` and `headers` are what could be parsed."""
    path = target.partition(b"?")[0].decode("latin-1")
    return _as_bytes(error_response(_PROBLEMS[error.status](error.message), {"path": path, "headers": headers}))


def _as_bytes(response: Response) -> bytes:
    status = HTTPStatus(response.status)
    headers = [
        # RFC 9110 6.6.1
        (b"date", formatdate(usegmt=True).encode()),
        (b"content-length", b"%d" % len(response.body)),
        *response.headers,
        *response_headers(new_request_id()),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(b"%s: %s" % field for field in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + response.body
