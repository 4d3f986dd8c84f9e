"""Reads requests: a body of limited size, strict JSON, query parameters that occur once, and the variables of an
operation, which a route takes from these."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, cast

from starlette.requests import ClientDisconnect, Request

from resolvers.errors import ValidationError
from rest.answers import PayloadTooLarge, UnsupportedMediaType
from wire import strict_json

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


async def from_body(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The members of the body, and the path's parameters, become the variable `input`. Members that the input does not
    have are ignored, because the published schema is open."""
    given = await json_object(request) | request.path_params
    return {"input": {name: value for name, value in given.items() if name in members}}


async def from_query(request: Request, members: Collection[str]) -> dict[str, Any]:
    """The parameters of query and path become the variables of the same names. Others are ignored."""
    given = query_parameters(request) | request.path_params
    return {name: value for name, value in given.items() if name in members}


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
    """The parameters of the query. Raises ValidationError if one of them occurs twice."""
    if request.scope["query_string"].count(b"&") >= _MAX_QUERY_PARAMETERS:
        raise ValidationError("There are too many query parameters.")
    pairs = request.query_params.multi_items()
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
