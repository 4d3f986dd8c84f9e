"""Reading a request: a bounded body, strict JSON, and query parameters that are given once."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from starlette.requests import ClientDisconnect, Request

from resolvers.errors import ValidationError
from rest.problems import PayloadTooLarge, UnsupportedMediaType
from wire import strict_json

BODY_LIMIT: Final = 64 * 1024
# Limit for commas, and for opening brackets, of a JSON text: 64 KiB of empty objects would take 13 ms to read.
_VALUES: Final = 2000
# Maximum number of query parameters.
_QUERY_PARAMETERS: Final = 100
# RFC 9110 8.3.1: `application/json` with any parameters. The possessive `++` never backtracks, so that no header makes
# matching slow.
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PARAMETER: Final = rf'[ \t]*+;[ \t]*+(?:({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*+"))?+'
_JSON: Final = re.compile(rf"[ \t]*+application/json((?:{_PARAMETER})*+)[ \t]*+", re.IGNORECASE)
_PARAMETERS: Final = re.compile(_PARAMETER)
# Characters of a Content-Type or Content-Encoding: what they list is read one by one.
_LONGEST_FIELD: Final = 512
_UTF_8: Final = frozenset({"utf-8", "utf8"})


async def json_object(request: Request, most: int = BODY_LIMIT) -> dict[str, Any]:
    """The body, a JSON object of at most `most` bytes. Surrounding white space is ignored. Raises UnsupportedMediaType,
    PayloadTooLarge and ValidationError."""
    if not _is_json(request.headers.get("content-type", "")):
        raise UnsupportedMediaType
    if not _is_plain(request.headers.get("content-encoding", "")):
        raise UnsupportedMediaType("Send the body without a content encoding.")
    body = await _body(request)
    if len(body) > most and len(body.strip()) > most:
        raise PayloadTooLarge
    return object_of(body, "The body")


def object_of(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object out of `data`, which a message calls `name`."""
    if data.count(b",") > _VALUES:
        raise ValidationError(f"{name} has too many members and items.")
    if data.count(b"[") + data.count(b"{") > _VALUES:
        # With fewer commas than that, most of the brackets can only be nested.
        raise ValidationError(f"{name} is nested too deeply.")
    try:
        value = strict_json.read(data)
    except strict_json.MalformedJSON as fault:
        raise ValidationError(f"{name} {fault}.") from None
    if not isinstance(value, dict):
        raise ValidationError(f"{name} must be a JSON object.")
    return cast("dict[str, Any]", value)


def parameters(request: Request) -> dict[str, str]:
    """The query's parameters. Raises ValidationError for one that is given twice."""
    if request.scope["query_string"].count(b"&") >= _QUERY_PARAMETERS:
        raise ValidationError("There are too many query parameters.")
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValidationError("A query parameter is given more than once.")
    return found


def _is_json(content_type: str) -> bool:
    """JSON is always UTF-8 (RFC 8259 8.1). Other parameters have no meaning."""
    found = _JSON.fullmatch(content_type) if len(content_type) <= _LONGEST_FIELD else None
    if not found:
        return False
    parameters: list[tuple[str, str]] = _PARAMETERS.findall(found[1])
    return all(value.strip('"').lower() in _UTF_8 for name, value in parameters if name.lower() == "charset")


def _is_plain(content_encoding: str) -> bool:
    """Whether the body has no content coding (RFC 9110 8.4)."""
    if len(content_encoding) > _LONGEST_FIELD:
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
