"""A bearer token as text: how a request carries it (RFC 6750 2.1), and its parts when it is a JWT (RFC 7515 7.1)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from resolvers.errors import InvalidToken
from wire import strict_json

MAX_TOKEN: Final = 8 * 1024

# RFC 9110 11.1
_SCHEME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# b64token, and `:` and `@` for dev:alice@example.org.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/:@]+=*")
_JWS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")


def read_bearer(headers: Sequence[str]) -> str | None:
    """The token of `Authorization: Bearer …`; None without such a header, and for another scheme (RFC 6750 3.1).

    `headers` are the values of all Authorization headers in the request. Raises InvalidToken when there are several,
    because a proxy in front of this service may have checked another one than this service would. Also raises it for a
    header without a scheme, and for a token that is malformed or longer than MAX_TOKEN.
    """
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidToken("there are two Authorization headers")
    scheme, _, rest = headers[0].partition(" ")
    token = rest.strip(" ")
    if scheme.lower() != "bearer":
        if _SCHEME.fullmatch(scheme):
            return None
        raise InvalidToken("the Authorization header is malformed")
    if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise InvalidToken("the token is malformed")
    return token


@dataclass(frozen=True, slots=True)
class UnverifiedJWS:
    """The parts of a signed token, of which nothing is verified yet. `header` is the JOSE header, whose `alg` is a
    string; `segments` are the three base64url texts of the token."""

    header: dict[str, Any]
    segments: tuple[str, str, str]

    def claims(self) -> dict[str, Any] | None:
        """The JSON object in the payload, None when there is none.

        A duplicate claim is `Malformed`, so that only code which uses it refuses the token (RFC 7519 4).
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
