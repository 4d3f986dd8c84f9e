"""Reading a request: a bounded body, strict JSON, and query parameters that are given once."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from starlette.requests import ClientDisconnect, Request

from resolvers.errors import ValidationError
from rest.problems import PayloadTooLarge, UnsupportedMediaType
from wire import strict_json

BODY_LIMIT: Final = 64 * 1024
# Each run of blanks can stand in one place only, so that no header makes the matching slow.
_JSON_IN_UTF8 = re.compile(r'application/json[ \t]*(?:;[ \t]*charset=(?:utf-?8|"utf-?8")[ \t]*)?;?', re.IGNORECASE)


async def json_object(request: Request) -> dict[str, Any]:
    """The body, a JSON object. Raises UnsupportedMediaType, PayloadTooLarge and ValidationError."""
    if not _JSON_IN_UTF8.fullmatch(request.headers.get("content-type", "")):
        raise UnsupportedMediaType
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a content encoding.")
    return object_of(await _body(request), "The body")


def object_of(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object out of `data`, which a message calls `name`."""
    try:
        value = strict_json.read(data)
    except strict_json.MalformedJSON as fault:
        raise ValidationError(f"{name} {fault}.") from None
    if not isinstance(value, dict):
        raise ValidationError(f"{name} must be a JSON object.")
    return cast("dict[str, Any]", value)


def parameters(request: Request) -> dict[str, str]:
    """The query's parameters. Raises ValidationError for one that is given twice."""
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValidationError("A query parameter is given more than once.")
    return found


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
