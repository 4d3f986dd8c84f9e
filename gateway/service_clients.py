"""Reads TENDON_SERVICES: which clients are services, with which scopes. A token of any other client is never a
service's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from resolvers.caller import PLATFORM_SCOPES, SERVICE_SCOPES

ServiceClients = Mapping[str, frozenset[str]]
"""Scopes by client id."""

NO_SERVICES: Final[ServiceClients] = MappingProxyType({})
KNOWN_SCOPES: Final = (*sorted(PLATFORM_SCOPES), *sorted(SERVICE_SCOPES))

_FORM: Final = "write client_id=scope,scope and separate clients with spaces"
# RFC 6749 A.1, without the space, which separates entries.
_CLIENT_ID: Final = re.compile(r"[!-~]{1,255}")
# Without this check, two entries joined by a comma or semicolon would read as one client with a strange id.
_TWO_ENTRIES: Final = re.compile(rf"=(?:{'|'.join(KNOWN_SCOPES)})[,;]")


def read_service_clients(setting: str) -> ServiceClients:
    """Read `client_id=scope,scope …`; a client id may contain `=`. Raises ValueError, which never quotes the
    setting."""
    clients: dict[str, frozenset[str]] = {}
    for number, entry in enumerate(setting.split(), 1):
        client_id, equals, scopes = entry.rpartition("=")
        if not equals:
            raise ValueError(f"entry {number} has no `=`: {_FORM}")
        if _TWO_ENTRIES.search(client_id + equals):
            raise ValueError(f"entry {number} holds several clients: separate them with spaces")
        if not _CLIENT_ID.fullmatch(client_id):
            raise ValueError(f"entry {number} has no client id of 1 to 255 printable ASCII characters: {_FORM}")
        if client_id in clients:
            raise ValueError(f"entry {number} names a client that an earlier entry names: give each client one entry")
        clients[client_id] = _scopes(number, scopes)
    return MappingProxyType(clients)


def granted(listed: frozenset[str], token: frozenset[str]) -> frozenset[str]:
    """A service's scopes: of the platform's scopes, those in both its entry and its token; of ours, those in its
    entry."""
    return (listed & token & PLATFORM_SCOPES) | (listed & SERVICE_SCOPES)


def _scopes(number: int, text: str) -> frozenset[str]:
    if not text:
        raise ValueError(f"entry {number} has no scope: {_FORM}; the scopes are {', '.join(KNOWN_SCOPES)}")
    scopes = text.split(",")
    for place, scope in enumerate(scopes, 1):
        if not scope:
            raise ValueError(f"entry {number} has an empty scope: remove the extra comma")
        if scope not in KNOWN_SCOPES:
            raise ValueError(f"entry {number}, scope {place} {_unknown(scope)}")
        if scope in scopes[: place - 1]:
            raise ValueError(f"entry {number} has the scope {scope} twice: write it once")
    return frozenset(scopes)


def _unknown(scope: str) -> str:
    nearest = get_close_matches(scope, KNOWN_SCOPES, n=1)
    hint = f"did you mean {nearest[0]}? The scopes" if nearest else "the scopes"
    return f"is not a scope: {hint} are {', '.join(KNOWN_SCOPES)}"
