"""What the members of an introspection answer (RFC 7662 2.2) or a JWT (RFC 7519 4.1, RFC 9068 2.2) say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from resolvers.caller import Caller
from resolvers.errors import InvalidToken
from wire.strict_json import Malformed

Claims = Mapping[str, object]

LEEWAY = 10.0  # seconds by which two clocks may differ

_USED = ("active", "token_type", "sub", "client_id", "azp", "scope", "scp", "aud", "exp", "nbf", "iat")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Without controls, and without lone surrogates, which no database takes.
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")


def are_readable(claims: Claims) -> bool:
    """Whether each claim that is used can be read in one way only. Others may hold anything."""
    return not any(_is_unreadable(claims.get(name)) for name in _USED)


def _is_unreadable(value: object) -> bool:
    return isinstance(value, Malformed) or (isinstance(value, str) and _SURROGATE.search(value) is not None)


def caller_from_claims(claims: Claims) -> Caller:
    """Who holds the token: the one place that tells users from services.

    The user is `sub`. A token without `sub`, or whose `sub` is its own client (`client_id`, else `azp`), was issued
    by the client credentials grant (RFC 9068 2.2 and 5) and has no user: a service. A `sub` that is there but is
    not 1 to 255 characters without controls is InvalidToken, never a service; so is such a `client_id`, and a token
    that names neither user nor client.
    """
    sub = _name(claims, "sub")
    client_id = _name(claims, "client_id") or _name(claims, "azp")
    if sub is None and client_id is None:
        raise InvalidToken("neither user nor client")
    user = None if sub == client_id else sub
    return Caller(user=user, client_id=client_id, scopes=_scopes(claims))


def is_for(aud: object, audience: str) -> bool:
    """RFC 7519 4.1.3: one string, or several of which one is us."""
    return aud == audience or (isinstance(aud, list) and audience in aud)


def check_times(claims: Claims, now: float, *, after_exp: float) -> None:
    """Raises InvalidToken unless `now` (seconds since the epoch) is in the token's time.

    `exp` may lie up to `after_exp` seconds back, `nbf` and `iat` up to LEEWAY ahead. Each may be absent.
    """
    exp, nbf, iat = (_numeric_date(claims, name) for name in ("exp", "nbf", "iat"))
    if exp is not None and exp <= now - after_exp:
        raise InvalidToken("expired")
    if any(begin is not None and begin > now + LEEWAY for begin in (nbf, iat)):
        raise InvalidToken("not valid yet")


def lifetime(claims: Claims, now: float, longest: float) -> float:
    """Seconds from `now` to the token's `exp`, at most `longest`; `longest` when it has none."""
    exp = _numeric_date(claims, "exp")
    if exp is None:
        return longest
    # The smaller first: an absurdly large integer can't be subtracted from a float.
    return min(exp, now + longest) - now


def _name(claims: Claims, claim: str) -> str | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise InvalidToken("claims")
    return value


def _scopes(claims: Claims) -> frozenset[str]:
    """`scope` as one string with spaces between (RFC 6749 3.3), else `scp` as such a string or a list of strings."""
    if "scope" not in claims and isinstance(claims.get("scp"), list):
        items = cast("list[object]", claims["scp"])
    else:
        text = claims.get("scope", claims.get("scp", ""))
        items = text.split(" ") if isinstance(text, str) else [text]
    scopes = [item for item in items if isinstance(item, str)]
    if len(scopes) != len(items):
        raise InvalidToken("claims")
    return frozenset(scopes) - {""}


def _numeric_date(claims: Claims, claim: str) -> int | float | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken("claims")
    return value
