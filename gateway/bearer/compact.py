"""A JWS in compact serialization (RFC 7515 7.1), taken apart and not believed: its signature is checked elsewhere."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from wire import strict_json

_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")


@dataclass(frozen=True, slots=True)
class Compact:
    """`header` is the JOSE header, whose `alg` is a string; the three segments are base64url as they came."""

    header: dict[str, Any]
    segments: tuple[str, str, str]


def read_compact(token: str) -> Compact | None:
    """The parts of `token`, None when it is not three base64url parts, the first a JSON object with `alg`."""
    found = _PARTS.fullmatch(token)
    if found is None:
        return None
    header = _read_object(found[1], strict_json.read)
    if header is None or not isinstance(header.get("alg"), str):
        return None
    return Compact(header=header, segments=(found[1], found[2], found[3]))


def read_claims(segment: str) -> dict[str, Any] | None:
    """The JSON object in the payload, None when there is none.

    Unused claims may hold anything. A duplicate claim is `Malformed` to the code that uses it (RFC 7519 4).
    """
    return _read_object(segment, strict_json.read_answer)


def _read_object(segment: str, read: Callable[[bytes], object]) -> dict[str, Any] | None:
    try:
        value = read(decode(segment))
    except (binascii.Error, strict_json.MalformedJSON):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def decode(segment: str) -> bytes:
    """The bytes of base64url without padding (RFC 7515 2). Raises binascii.Error for an impossible length."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
