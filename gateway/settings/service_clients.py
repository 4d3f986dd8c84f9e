"""Reads TENDON_SERVICES: which clients are services, and the scopes of each. All other clients act for a user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from resolvers.caller import PLATFORM_SCOPES, SERVICE_SCOPES

ServiceClients = Mapping[str, frozenset[str]]
"""Scopes by client id."""

NO_SERVICES: Final[ServiceClients] = MappingProxyType({})
KNOWN_SCOPES: Final = (*sorted(PLATFORM_SCOPES), *sorted(SERVICE_SCOPES))

_SYNTAX: Final = "write client_id=scope,scope and separate clients with spaces"
# RFC 6749 A.1, without the space, which separates entries.
_CLIENT_ID: Final = re.compile(r"[!-~]{1,255}")
# Without this check, two entries joined by a comma or semicolon would read as one client with a strange id.
_TWO_ENTRIES: Final = re.compile(rf"=(?:{'|'.join(KNOWN_SCOPES)})[,;]")


def read_service_clients(setting: str) -> ServiceClients:
    """Read `client_id=scope,scope …`; a client id may contain `=`. Raises ValueError with a line for each mistake;
    it never quotes the setting."""
    clients: dict[str, frozenset[str]] = {}
    problems: list[str] = []
    for number, entry in enumerate(setting.split(), 1):
        client_id, _, scopes = entry.rpartition("=")
        if problem := _problem(entry, clients):
            problems.append(f"entry {number} {problem}")
        else:
            problems += (f"entry {number}{problem}" for problem in _scope_problems(scopes))
        clients[client_id] = frozenset(scopes.split(","))
    if problems:
        raise ValueError("\n".join(problems))
    return MappingProxyType(clients)


def _problem(entry: str, earlier: ServiceClients) -> str | None:
    """What is wrong with the entry, apart from its scopes."""
    client_id, equals, _ = entry.rpartition("=")
    if not equals:
        return f"has no `=`: {_SYNTAX}"
    if _TWO_ENTRIES.search(client_id + equals):
        return "holds several clients: separate them with spaces"
    if not _CLIENT_ID.fullmatch(client_id):
        return f"has no client id of 1 to 255 printable ASCII characters: {_SYNTAX}"
    if client_id in earlier:
        return "names a client that an earlier entry names: give each client one entry"
    return None


def as_entries(clients: ServiceClients) -> list[str]:
    """One entry for each client, as TENDON_SERVICES takes them."""
    return [f"{client}={','.join(sorted(scopes))}" for client, scopes in clients.items()]


def _scope_problems(text: str) -> Iterator[str]:
    """What is wrong with an entry's scopes. Each text continues the message after the entry's number."""
    if not text:
        yield f" has no scope: {_SYNTAX}; the scopes are {', '.join(KNOWN_SCOPES)}"
        return
    scopes = text.split(",")
    if "" in scopes:
        yield " has an empty scope: remove the extra comma"
    for position, scope in enumerate(scopes, 1):
        if scope and scope not in KNOWN_SCOPES:
            yield f", scope {position} {_unknown(scope)}"
        elif scope and scopes[: position - 1].count(scope) == 1:
            yield f" has the scope {scope} twice: write it once"


def _unknown(scope: str) -> str:
    nearest = get_close_matches(scope, KNOWN_SCOPES, n=1)
    hint = f"did you mean {nearest[0]}? The scopes" if nearest else "the scopes"
    return f"is not a scope: {hint} are {', '.join(KNOWN_SCOPES)}"
