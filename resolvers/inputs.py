"""Checks of inputs beyond their type, and their maximum lengths.

A message names the field and never quotes the value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from resolvers.errors import ValidationError
from wire import uri

SLUG: Final = 63
STATE: Final = 512
CODE: Final = 8192
USER: Final = 255
SCOPE: Final = 4096
ISSUER: Final = 2048
ERROR: Final = 256
TOKEN: Final = 16 * 1024
SCOPES: Final = 100
"""The most scopes that a caller may ask for at once."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def text(field: str, value: str, longest: int) -> str:
    """`value`, unless it consists of spaces, is longer than `longest` characters or has a control character."""
    if not value.strip(" "):
        raise ValidationError(f"{field} must not be empty.")
    # Almost all are: the rest takes several times as long.
    if len(value) <= longest and value.isprintable():
        return value
    return optional_text(field, value, longest)


def optional_text(field: str, value: str, longest: int) -> str:
    """The same for a value that may be empty."""
    if len(value) > longest:
        raise ValidationError(f"{field} must have at most {longest} characters.")
    if _UNPRINTABLE.search(value):
        raise ValidationError(f"{field} must not hold control characters.")
    return value


# The pattern of a URI takes long to match, and clients have few redirect URIs.
@lru_cache(maxsize=256)
def redirect_uri(value: str) -> str:
    """`value`, if it is an absolute URI without a fragment (RFC 6749 3.1.2)."""
    if not uri.is_absolute(text("redirectUri", value, uri.MAX_LENGTH)):
        raise ValidationError("redirectUri must be an absolute URI without a fragment.")
    return value
