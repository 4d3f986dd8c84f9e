"""Inserts rows before a measurement: authorization requests for callbacks, and connections to list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from benchmarks import workload
from benchmarks.databases import Database, Record
from models.authorization_request import StateBinding, state_hash
from models.connection import token_field
from models.ids import new_id
from models.vault import Vault

# With microseconds, as real times have: whole seconds would be shorter to read and to write.
_THEN: Final = datetime(2026, 1, 1, 9, 30, 15, 123457, tzinfo=UTC)
# No request expires or is deleted during a measurement.
_LATER: Final = datetime(2099, 1, 1, 9, 30, 15, 123457, tzinfo=UTC)
_SCOPES: Final = json.dumps(list(workload.SCOPES))

_REQUEST: Final = (
    *("state_hash", "user_id", "provider", "redirect_uri", "registration", "scopes", "verifier", "status"),
    *("created_at", "expires_at"),
)
_CONNECTION: Final = (
    *("id", "user_id", "provider", "status", "requested_scopes", "granted_scopes", "access_token", "refresh_token"),
    *("version", "last_sync_at", "created_at", "updated_at"),
)


def listed_slugs(listed: int = workload.LISTED) -> list[str]:
    return [f"p{number:03}" for number in range(listed)]


def seed_requests(database: Database, vault: Vault, registration: str, first: int, last: int) -> None:
    """Insert the authorization requests with the numbers from `first` up to `last`."""
    database.insert("authorization_request", _REQUEST, _requests(vault, registration, first, last))


def seed_lists(database: Database, vault: Vault, listed: int = workload.LISTED) -> None:
    """Insert a connection to each of `listed` providers for every reader."""
    database.insert("connection", _CONNECTION, _connections(vault, listed))


def _requests(vault: Vault, registration: str, first: int, last: int) -> Iterator[Record]:
    for number in range(first, last):
        bound = (state_hash(workload.state(number)), workload.user(number), workload.SLUG, workload.REDIRECT_URI)
        binding = StateBinding(*bound, registration)
        sealed = vault.seal(workload.verifier(number), **binding.verifier_field)
        yield (*bound, registration, _SCOPES, sealed, "pending", _THEN, _LATER)


def _connections(vault: Vault, listed: int) -> Iterator[Record]:
    for number in range(workload.READERS):
        user = workload.reader(number, listed)
        for at, slug in enumerate(listed_slugs(listed)):
            tokens = [
                vault.seal(workload.access_token(at), **token_field(user, slug, 1, column))
                for column in ("access_token", "refresh_token")
            ]
            made = _THEN + timedelta(minutes=at, microseconds=at * 7919)
            yield (UUID(new_id()), user, slug, "connected", _SCOPES, _SCOPES, *tokens, 1, made, made, made)
