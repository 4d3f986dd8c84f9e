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
from starlette.types import Receive, Scope, Send

from resolvers.errors import InsufficientScope, InvalidToken, Problem, QueriesOnly, Unauthenticated, ValidationError
from wire import strict_json

Field = tuple[bytes, bytes]

JSON: Final = "application/json"
JSON_TYPE: Final[Field] = (b"content-type", JSON.encode())
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


class Request(msgspec.Struct, frozen=True):
    """A request as ASGI has it. `fields` are its header fields by name: the server combines those that are repeated,
    all but Authorization and Cookie, of which `fields` has the last one."""

    scope: Scope
    receive: Receive
    fields: dict[bytes, bytes]


class Response(msgspec.Struct, frozen=True):
    """A response, which can be sent any number of times. `headers` has all of its fields but Content-Length."""

    status: int
    body: bytes
    headers: tuple[Field, ...] = (JSON_TYPE,)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """As an ASGI app."""
        headers = [(b"content-length", b"%d" % len(self.body)), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def answer(value: Any, status: int = 200) -> Response:
    return Response(status, encode(value))


def problem_answer(problem: Problem) -> Response:
    """The REST body of a problem: `{"error": code in lower case, "message": …}`."""
    body = {"error": problem.code.lower(), "message": problem.message}
    return Response(STATUS[problem.code], encode(body), (JSON_TYPE, *problem_headers(problem)))


def problem_headers(problem: Problem) -> tuple[Field, ...]:  # noqa: PLR0911 - one for each kind of problem
    """The header fields that a problem's response needs besides its body (RFC 9110, RFC 6750 3)."""
    match problem:
        case Unauthenticated():
            return (_challenge(),)
        case InvalidToken():
            return (_challenge(', error="invalid_token"'),)
        case InsufficientScope():
            return (_challenge(f', error="insufficient_scope", scope="{problem.scope}"'),)
        case QueriesOnly():
            return ((b"allow", b"POST"),)
        case MethodNotAllowed():
            return ((b"allow", problem.allow.encode()),)
        case Problem(retry_after=int(seconds)):
            return ((b"retry-after", b"%d" % seconds),)
        case _:
            return ()


def _challenge(error: str = "") -> Field:
    return b"www-authenticate", f'Bearer realm="tendon"{error}'.encode()


async def from_body(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The members of the body, and the path's parameters, become the variable `input`. Members that the input does not
    have are ignored, because the published schema is open."""
    given = await json_object(request)
    given |= request.scope.get("path_params", {})
    for name in given.keys() - members:
        del given[name]
    return {"input": given}


async def from_optional_body(request: Request, members: Collection[str]) -> dict[str, Any]:
    """As `from_body`, but there may be no body, and then no Content-Type."""
    if _has_body(request):
        return await from_body(request, members)
    return {"input": {name: value for name, value in request.scope.get("path_params", {}).items() if name in members}}


def _has_body(request: Request) -> bool:
    """By the framing of the request (RFC 9112 6.3); the server gives a chunked body the same form."""
    fields = request.fields
    return fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields


async def from_query(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The parameters of query and path become the variables of the same names. Others are ignored."""
    given: dict[str, Any] = query_parameters(request) | request.scope.get("path_params", {})
    for name in given.keys() - members:
        del given[name]
    return given


async def input_from_query(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The parameters of query and path become the members of the variable `input`. Others are ignored."""
    return {"input": await from_query(request, members)}


async def json_object(request: Request, limit: int = BODY_LIMIT) -> dict[str, Any]:
    """The body, a JSON object of at most `limit` bytes, not counting white space around it. Raises
    UnsupportedMediaType, PayloadTooLarge and ValidationError."""
    media_type = request.fields.get(b"content-type", b"")
    if media_type != JSON_TYPE[1] and not _is_json(media_type.decode("latin-1")):
        raise UnsupportedMediaType
    coding = request.fields.get(b"content-encoding")
    if coding is not None and not _is_identity(coding.decode("latin-1")):
        raise UnsupportedMediaType("Send the body without a content encoding.")
    body: bytes | None = request.scope.get("state", {}).get("body")
    if body is None:
        body = await _arriving_body(request)
    if len(body) > BODY_LIMIT or (len(body) > limit and len(body.strip()) > limit):
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


async def _arriving_body(request: Request) -> bytes:
    declared = request.fields.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > BODY_LIMIT:
        raise PayloadTooLarge
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ValidationError("The body ended early.")
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise PayloadTooLarge
        more = message.get("more_body", False)
    return bytes(body)
