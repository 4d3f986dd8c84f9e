"""JSON over HTTP, for both interfaces. Requests: a body of limited size, strict JSON, query parameters that occur once,
and the variables that a REST route takes from these. Responses: how values and problems are written, the status of
every error code, and the problems of HTTP itself, which come in addition to those in `resolvers/errors.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, cast
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from resolvers.errors import InsufficientScope, InvalidToken, Problem, QueriesOnly, Unauthenticated, ValidationError
from wire import strict_json

JSON: Final = "application/json"
BODY_LIMIT: Final = 64 * 1024
# Maximum number of commas, and of opening brackets, in a JSON text: 64 KiB of empty objects would take 13 ms to parse.
_MAX_VALUES: Final = 2000
_MAX_QUERY_PARAMETERS: Final = 100
# RFC 9110 8.3.1: `application/json` with any parameters. Possessive quantifiers never backtrack, so no header can make
# matching slow.
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PARAMETER: Final = rf'[ \t]*+;[ \t]*+(?:({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*+"))?+'
_JSON: Final = re.compile(rf"[ \t]*+application/json((?:{_PARAMETER})*+)[ \t]*+", re.IGNORECASE)
_PARAMETERS: Final = re.compile(_PARAMETER)
# Maximum number of characters in a Content-Type or Content-Encoding, whose items are read one by one.
_MAX_FIELD: Final = 512
_UTF_8: Final = frozenset({"utf-8", "utf8"})


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
    "ACCOUNT_TAKEN": 400,
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
    "REAUTHORIZATION_REQUIRED": 409,
    "SCOPES_MISSING": 409,
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


encode: Final = msgspec.json.Encoder().encode
"""Compact UTF-8 JSON of any value."""


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


async def from_body(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The members of the body, and the path's parameters, become the variable `input`. Members that the input does not
    have are ignored, because the published schema is open."""
    given = await json_object(request) | request.path_params
    for name in given.keys() - members:
        del given[name]
    return {"input": given}


async def from_optional_body(request: Request, members: Collection[str]) -> dict[str, Any]:
    """As `from_body`, but there may be no body, and then no Content-Type."""
    if await _has_body(request):
        return await from_body(request, members)
    return {"input": {name: value for name, value in request.path_params.items() if name in members}}


async def _has_body(request: Request) -> bool:
    """By the framing of the request (RFC 9112 6.3); the server gives a chunked body the same form."""
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def from_query(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The parameters of query and path become the variables of the same names. Others are ignored."""
    given = query_parameters(request) | request.path_params
    for name in given.keys() - members:
        del given[name]
    return given


async def input_from_query(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The parameters of query and path become the members of the variable `input`. Others are ignored."""
    return {"input": await from_query(request, members)}


async def json_object(request: Request, limit: int = BODY_LIMIT) -> dict[str, Any]:
    """The body, a JSON object of at most `limit` bytes, not counting white space around it. Raises
    UnsupportedMediaType, PayloadTooLarge and ValidationError."""
    if not _is_json(request.headers.get("content-type", "")):
        raise UnsupportedMediaType
    if not _is_identity(request.headers.get("content-encoding", "")):
        raise UnsupportedMediaType("Send the body without a content encoding.")
    body = await _body(request)
    if len(body) > limit and len(body.strip()) > limit:
        raise PayloadTooLarge
    return object_of(body, "The body")


def object_of(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object in `data`, which error messages call `name`. Raises ValidationError."""
    if data.count(b",") > _MAX_VALUES:
        raise ValidationError(f"{name} has too many members and items.")
    if data.count(b"[") + data.count(b"{") > _MAX_VALUES:
        # With so few commas, most of these must be nested.
        raise ValidationError(f"{name} is nested too deeply.")
    try:
        value = strict_json.read(data)
    except strict_json.MalformedJSON as fault:
        raise ValidationError(f"{name} {fault}.") from None
    if not isinstance(value, dict):
        raise ValidationError(f"{name} must be a JSON object.")
    return cast("dict[str, Any]", value)


def query_parameters(request: Request) -> dict[str, str]:
    """The parameters of the query. Raises ValidationError if one of them occurs twice, or is not UTF-8."""
    query: bytes = request.scope["query_string"]
    if query.count(b"&") >= _MAX_QUERY_PARAMETERS:
        raise ValidationError("There are too many query parameters.")
    try:
        # Not Starlette's, which puts other characters in the place of malformed ones: a user id would be another one.
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise ValidationError("A query parameter is not encoded in UTF-8.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValidationError("A query parameter is given more than once.")
    return found


def _is_json(content_type: str) -> bool:
    """JSON is always UTF-8 (RFC 8259 8.1). Parameters other than `charset` are ignored."""
    found = _JSON.fullmatch(content_type) if len(content_type) <= _MAX_FIELD else None
    if not found:
        return False
    parameters: list[tuple[str, str]] = _PARAMETERS.findall(found[1])
    return all(value.strip('"').lower() in _UTF_8 for name, value in parameters if name.lower() == "charset")


def _is_identity(content_encoding: str) -> bool:
    """Whether the body is without a content coding (RFC 9110 8.4)."""
    if len(content_encoding) > _MAX_FIELD:
        return False
    return all(coding.strip().lower() in ("", "identity") for coding in content_encoding.split(","))


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > BODY_LIMIT:
        raise PayloadTooLarge
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise PayloadTooLarge
    except ClientDisconnect:
        raise ValidationError("The body ended early.") from None
    return bytes(body)
