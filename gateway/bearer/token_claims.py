"""Reads caller, scopes and validity from the members of an introspection answer (RFC 7662 2.2) or the claims of a JWT
(RFC 7519 4.1, RFC 9068 2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from gateway.settings.service_clients import ServiceClients
from resolvers.caller import PLATFORM_SCOPES, SERVICE_SCOPES, Caller
from resolvers.errors import InvalidToken
from wire.strict_json import Malformed

Claims = Mapping[str, object]

LEEWAY = 10.0  # seconds by which our clock and the issuer's may differ

_USED = ("active", "token_type", "sub", "client_id", "azp", "scope", "scp", "aud", "exp", "nbf", "iat")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# No control characters, and no lone surrogates, which databases can't store.
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")


def are_readable(claims: Claims) -> bool:
    """Whether every claim that is used is well-formed JSON without duplicates. Other claims are not checked."""
    return not any(_is_unreadable(claims.get(name)) for name in _USED)


def _is_unreadable(value: object) -> bool:
    return isinstance(value, Malformed) or (isinstance(value, str) and _SURROGATE.search(value) is not None)


def caller_from_jwt(claims: Claims, services: ServiceClients) -> Caller:
    """The caller with a verified JWT: a service if its client is in `services`, whatever `sub` is; otherwise a user.

    Raises InvalidToken.
    """
    client_id = _client(claims)
    listed = None if client_id is None else services.get(client_id)
    if listed is None:
        return _user(claims, client_id)
    return Caller(user=None, client_id=client_id, scopes=service_scopes(listed, _scopes(claims)))


def caller_from_introspection(claims: Claims, services: ServiceClients) -> Caller:
    """The caller with an opaque token, always a user. Raises InvalidToken for services, which must use signed ones."""
    client_id = _client(claims)
    if client_id in services:
        raise InvalidToken("an opaque token of a service, whose tokens must be signed")
    return _user(claims, client_id)


def service_scopes(listed: frozenset[str], token: frozenset[str]) -> frozenset[str]:
    """A service's scopes: PLATFORM_SCOPES that are in its TENDON_SERVICES entry as well as in its token, and
    SERVICE_SCOPES that are in its entry."""
    return (listed & token & PLATFORM_SCOPES) | (listed & SERVICE_SCOPES)


def rejection(claims: Claims, services: ServiceClients, reason: str) -> InvalidToken:
    """The error for a token whose claims are verified but not accepted. For the audit trail it names the user and the
    client, if they are readable.

    It names no user for a service's token, or if `sub` equals the client.
    """
    names = {claim: _readable_name(claims, claim) for claim in ("sub", "client_id", "azp")}
    clients = {name for claim, name in names.items() if claim != "sub" and name is not None}
    user = None if names["sub"] in clients or not clients.isdisjoint(services) else names["sub"]
    return InvalidToken(reason, subject=user, client_id=clients.pop() if len(clients) == 1 else None)


def _user(claims: Claims, client_id: str | None) -> Caller:
    """The user named by `sub`, without scopes that are reserved for services.

    A token without `sub`, or whose `sub` is its client, was issued by the client credentials grant (RFC 9068 2.2 and 5)
    and has no user. It is rejected: a missing claim must not turn a caller into a service, and a client that can choose
    its own id could choose that of a user.
    """
    sub = _name(claims, "sub")
    if sub is None or sub == client_id:
        raise InvalidToken("it names no user, and TENDON_SERVICES does not name its client")
    return Caller(user=sub, client_id=client_id, scopes=_scopes(claims) - SERVICE_SCOPES)


def _client(claims: Claims) -> str | None:
    """The client that holds the token: `client_id`, else `azp`. Raises InvalidToken when the two differ."""
    client_id, azp = _name(claims, "client_id"), _name(claims, "azp")
    if client_id is not None and azp is not None and client_id != azp:
        raise InvalidToken("client_id and azp differ")
    return client_id or azp


def names_audience(aud: object, audience: str) -> bool:
    """Whether `aud`, one string or a list of them (RFC 7519 4.1.3), names the audience."""
    return aud == audience or (isinstance(aud, list) and audience in aud)


def check_times(claims: Claims, now: float, *, after_exp: float) -> None:
    """Raises InvalidToken unless the token is valid at `now`, in seconds since the epoch.

    `exp` may be up to `after_exp` seconds ago, `nbf` and `iat` up to LEEWAY seconds ahead. Each may be absent.
    """
    exp, nbf, iat = (_numeric_date(claims, name) for name in ("exp", "nbf", "iat"))
    if exp is not None and exp <= now - after_exp:
        raise InvalidToken("expired")
    if any(begin is not None and begin > now + LEEWAY for begin in (nbf, iat)):
        raise InvalidToken("not valid yet")


def lifetime(claims: Claims, now: float, longest: float) -> float:
    """Seconds from `now` to the token's `exp`, at most `longest`; `longest` if it has no `exp`."""
    exp = _numeric_date(claims, "exp")
    if exp is None:
        return longest
    # The minimum comes first because a huge integer can't be subtracted from a float.
    return min(exp, now + longest) - now


def _scopes(claims: Claims) -> frozenset[str]:
    """The scopes in `scope`, a space-separated string (RFC 6749 3.3), or else in `scp`, such a string or a list."""
    if "scope" not in claims and isinstance(claims.get("scp"), list):
        items = cast("list[object]", claims["scp"])
    else:
        text = claims.get("scope", claims.get("scp", ""))
        items = text.split(" ") if isinstance(text, str) else [text]
    scopes = [item for item in items if isinstance(item, str)]
    if len(scopes) != len(items):
        raise InvalidToken("scope is malformed")
    return frozenset(scopes) - {""}


def _name(claims: Claims, claim: str) -> str | None:
    if claim not in claims:
        return None
    name = _readable_name(claims, claim)
    if name is None:
        raise InvalidToken(f"{claim} is malformed")
    return name


def _readable_name(claims: Claims, claim: str) -> str | None:
    value = claims.get(claim)
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _numeric_date(claims: Claims, claim: str) -> int | float | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"{claim} is malformed")
    return value
