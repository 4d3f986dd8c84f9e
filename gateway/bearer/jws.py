"""Splits a token that is a JWT into its parts (RFC 7515 7.1), without verifying anything."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from wire import strict_json

_JWS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")


class UnverifiedJWS(msgspec.Struct, frozen=True):
    """The parts of a signed token. Nothing in them is verified. `header` is the JOSE header, whose `alg` is a
    string; `segments` are the three base64url texts of the token."""

    header: dict[str, Any]
    segments: tuple[str, str, str]

    def claims(self) -> dict[str, Any] | None:
        """The JSON object in the payload, None when there is none.

        A duplicate claim (RFC 7519 4) has the value `Malformed`, so that only code that uses the claim rejects the
        token.
        """
        return _read_object(self.segments[1], strict_json.read_answer)


def read_jws(token: str) -> UnverifiedJWS | None:
    """The parts of `token`, None when it is not three base64url parts, the first a JSON object with `alg`."""
    found = _JWS.fullmatch(token)
    if found is None:
        return None
    header = _read_object(found[1], strict_json.read)
    if header is None or not isinstance(header.get("alg"), str):
        return None
    return UnverifiedJWS(header, (found[1], found[2], found[3]))


def _read_object(segment: str, read: Callable[[bytes], object]) -> dict[str, Any] | None:
    try:
        value = read(decode(segment))
    except (binascii.Error, strict_json.MalformedJSON):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def decode(segment: str) -> bytes:
    """The bytes of base64url without padding (RFC 7515 2). Raises binascii.Error for an impossible length."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
