"""The Authorization header of a caller (RFC 6750 2.1) and what a token in it may look like."""

from __future__ import annotations

import re

from resolvers.errors import InvalidToken

MAX_TOKEN = 8 * 1024

# RFC 9110 11.1
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# b64token, and `:` and `@` for dev:alice@example.org.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/:@]+=*")


def read_bearer(header: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` header, None without the header or with another scheme (RFC 6750 3.1).

    Raises InvalidToken for a header without a scheme, and for a token that is malformed or above MAX_TOKEN bytes.
    """
    if header is None:
        return None
    scheme, _, rest = header.partition(" ")
    token = rest.strip(" ")
    if scheme.lower() != "bearer":
        if _SCHEME.fullmatch(scheme):
            return None
        raise InvalidToken("the Authorization header is malformed")
    if not is_token(token):
        raise InvalidToken("the token is malformed")
    return token


def is_token(text: str) -> bool:
    """Whether `text` can be a bearer token at all: such ASCII characters only, at most MAX_TOKEN of them."""
    return len(text) <= MAX_TOKEN and _TOKEN.fullmatch(text) is not None
