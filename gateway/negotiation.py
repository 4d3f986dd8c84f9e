"""Which media type an answer from `/graphql` takes (RFC 9110 12.5.1, GraphQL over HTTP 6.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

GRAPHQL: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"


# Characters. Browsers need some hundred.
_LONGEST: Final = 1024


def preferred(accept: str | None, *offers: str) -> str | None:
    """The offer that the caller likes best, the first of equals, None when none is acceptable."""
    if not accept:
        return offers[0]
    return _preferred(accept, offers) if len(accept) <= _LONGEST else None


@lru_cache(maxsize=64)
def _preferred(accept: str, offers: tuple[str, ...]) -> str | None:
    # Empty elements are no elements (RFC 9110 5.6.1.2), and of an empty list there is nothing to choose by.
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
        # In this order NaN becomes 0.
        return min(max(0.0, float(text)), 1.0)
    except ValueError:
        return 0.0


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The most specific range that matches decides."""
    wider = f"{offer.partition('/')[0]}/*"
    for pattern in (offer, wider, "*/*"):
        found = [quality for media, quality in ranges if media == pattern]
        if found:
            return max(found)
    return 0.0
