"""Chooses the media type of a response from `/graphql` (RFC 9110 12.5.1, GraphQL over HTTP 6.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

GRAPHQL: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"

# The longest Accept header that is read, in characters. Browsers send some hundred.
_MAX_ACCEPT: Final = 1024


def preferred(accept: str | None, *offers: str) -> str | None:
    """The offer that the Accept header prefers, the first of several that it prefers equally, None when it accepts
    none."""
    if not accept:
        return offers[0]
    return _preferred(accept, offers) if len(accept) <= _MAX_ACCEPT else None


@lru_cache(maxsize=64)
def _preferred(accept: str, offers: tuple[str, ...]) -> str | None:
    # Empty elements of a list are ignored (RFC 9110 5.6.1.2). An empty list is the same as no header.
    ranges = [_range(part) for part in accept.split(",") if part.strip(" \t")]
    if not ranges:
        return offers[0]
    quality = {offer: _quality(offer, ranges) for offer in offers}
    best = max(offers, key=lambda offer: quality[offer])
    return best if quality[best] > 0 else None


def _range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            return media, _number(parameter[2:])
    return media, 1.0


def _number(text: str) -> float:
    try:
        # The order of the arguments makes NaN 0.
        return min(max(0.0, float(text)), 1.0)
    except ValueError:
        return 0.0


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that matches."""
    wider = f"{offer.partition('/')[0]}/*"
    for pattern in (offer, wider, "*/*"):
        found = [quality for media, quality in ranges if media == pattern]
        if found:
            return max(found)
    return 0.0
