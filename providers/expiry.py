"""When an access token expires, in the ways that providers say it."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from providers.answer import UnfitError, read_object

LONGEST: Final = timedelta(days=36_525)
"""A hundred years. What claims to live longer is a mistake, and dates would overflow."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_expiry(
    told: Literal["expires_in", "expires_at", "jwt", "never"], token: dict[str, object], now: datetime
) -> datetime | None:
    """In UTC; None when the answer doesn't say or the token never expires. Raises UnfitError.

    `expires_in` is seconds from `now` (RFC 6749 5.1), `expires_at` seconds since 1970, and `jwt` the claim `exp` of an
    access token that is a JWT (RFC 7519 4.1.4). Fractions of a second are dropped, so that no token is used after it
    expires.
    """
    match told:
        case "expires_in":
            return _moment(token.get("expires_in"), since=now.astimezone(UTC), now=now)
        case "expires_at":
            return _moment(token.get("expires_at"), since=_EPOCH, now=now)
        case "jwt":
            return _moment(_claims(str(token.get("access_token"))).get("exp"), since=_EPOCH, now=now)
        case "never":
            return None


def _moment(seconds: object, *, since: datetime, now: datetime) -> datetime | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise UnfitError("the expiry is not a number")
    seconds = math.floor(seconds)
    if not 0 <= seconds <= (now + LONGEST - since).total_seconds():
        raise UnfitError("the expiry is negative or too far away")
    return since + timedelta(seconds=seconds)


def _claims(jwt: str) -> dict[str, object]:
    """The payload, not verified: it only says how long the token is worth trying."""
    try:
        _header, payload, _signature = jwt.split(".")
        decoded = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise UnfitError("the access token is not a JWT") from None
    return read_object(decoded)
