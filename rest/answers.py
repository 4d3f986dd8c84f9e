"""JSON responses: how values and problems are written, the status of every error code, and the problems of HTTP itself,
which come in addition to those in `resolvers/errors.py`."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.responses import Response

from resolvers.errors import InsufficientScope, InvalidToken, Problem, QueriesOnly, Unauthenticated

JSON: Final = "application/json"


class NotFound(Problem):
    code = "NOT_FOUND"
    default = "There is nothing at this address."


class MethodNotAllowed(Problem):
    code = "METHOD_NOT_ALLOWED"
    default = "This method is not allowed here."

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__(f"Allowed here: {allow}.")


class NotAcceptable(Problem):
    code = "NOT_ACCEPTABLE"
    default = "Accept application/graphql-response+json or application/json."


class PayloadTooLarge(Problem):
    code = "PAYLOAD_TOO_LARGE"
    default = "The body is too large."


class RequestTimeout(Problem):
    code = "REQUEST_TIMEOUT"
    default = "The request took too long to arrive."


class URITooLong(Problem):
    code = "URI_TOO_LONG"
    default = "The request target is too long."


class HeadersTooLarge(Problem):
    code = "HEADERS_TOO_LARGE"
    default = "The headers are too large."


class UnsupportedMediaType(Problem):
    code = "UNSUPPORTED_MEDIA_TYPE"
    default = "Send the body as application/json in UTF-8."


class PersistedQueryNotSupported(Problem):
    """The client sent only a hash (Apollo's automatic persisted queries). Clients recognize the message, which is that
    of Apollo Server, and then send the whole document."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    default = "PersistedQueryNotSupported"


STATUS: Final = {
    "VALIDATION_ERROR": 400,
    "INVALID_STATE": 400,
    "INVALID_GRANT": 400,
    "ACCESS_DENIED": 400,
    "UNAUTHENTICATED": 401,
    "INVALID_TOKEN": 401,
    "INSUFFICIENT_SCOPE": 403,
    "FORBIDDEN": 403,
    "PROVIDER_NOT_FOUND": 404,
    "CONNECTION_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "REQUEST_TIMEOUT": 408,
    "PAYLOAD_TOO_LARGE": 413,
    "URI_TOO_LONG": 414,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "HEADERS_TOO_LARGE": 431,
    "PROVIDER_UNAVAILABLE": 500,
    "PROVIDER_MISCONFIGURED": 500,
    "INTERNAL_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
    # Apollo Server's status. Some clients ignore the message of a response with another one.
    "PERSISTED_QUERY_NOT_SUPPORTED": 200,
}


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def answer(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type=JSON)


def problem_answer(problem: Problem) -> Response:
    """The REST body of a problem: `{"error": code in lower case, "message": …}`."""
    body = {"error": problem.code.lower(), "message": problem.message}
    return Response(encode(body), STATUS[problem.code], problem_headers(problem), media_type=JSON)


def problem_headers(problem: Problem) -> dict[str, str]:  # noqa: PLR0911 - one for each kind of problem
    """The header fields that a problem's response needs besides its body (RFC 9110, RFC 6750 3)."""
    match problem:
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="tendon"'}
        case InvalidToken():
            return {"WWW-Authenticate": 'Bearer realm="tendon", error="invalid_token"'}
        case InsufficientScope():
            return {"WWW-Authenticate": f'Bearer realm="tendon", error="insufficient_scope", scope="{problem.scope}"'}
        case QueriesOnly():
            return {"Allow": "POST"}
        case MethodNotAllowed():
            return {"Allow": problem.allow}
        case Problem(retry_after=int(seconds)):
            return {"Retry-After": str(seconds)}
        case _:
            return {}
