"""Requests and connections, as the tests of their statements make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from models.audit_event import AuditEntry
from models.authorization_request import ClaimedRequest, StateBinding, add_request, claim_request
from models.connection import StoredConnection
from models.database import Database
from models.ended_request import move_ended
from models.grant import Grant, StoredGrant, keep_connection, store_grant
from models.vault import Vault
from tests.models.rows import now

VAULT: Final = Vault({"k1": bytes(range(32))})
USER: Final = "alice"
PROVIDER: Final = "oura"
OWNER: Final = "owner-1"
LEASE: Final = 60.0


def binding(state: str = "s1", *, user: str = USER, provider: str = PROVIDER, site: str = "") -> StateBinding:
    return StateBinding(state, user, provider, "https://app.example/cb", "our-client", site)


def entry(outcome: str = "ok", *, action: str = "complete", **others: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "actor": "p-alice",
        "user": USER,
        "client_id": "app",
        "subject": "p-alice",
        "provider": PROVIDER,
        "request_id": "r1",
        "scopes": '["sleep"]',
    }
    return AuditEntry(action=action, outcome=outcome, **{**values, **others})


async def add(database: Database, of: StateBinding | None = None, **entry_values: Any) -> None:
    await add_request(database, of or binding(), b"sealed", entry(action="authorize", **entry_values))


def code_of(owner: str = OWNER) -> str:
    """The hash of the code that this owner claims with."""
    return f"code of {owner}"


async def claim(
    database: Database, of: StateBinding | None = None, owner: str = OWNER, lease: float = LEASE
) -> ClaimedRequest | None:
    return await claim_request(database, of or binding(), code_hash=code_of(owner), owner=owner, lease=lease)


async def begin(database: Database, of: StateBinding | None = None, owner: str = OWNER) -> ClaimedRequest:
    """A request that is claimed."""
    await add(database, of)
    claimed = await claim(database, of, owner)
    assert claimed is not None
    return claimed


async def grant(database: Database, token: str = "access", **others: Any) -> Grant:
    """Requested just now."""
    read_at = await now(database)
    values: dict[str, Any] = {
        "refresh_token": "refresh",
        "expires_at": read_at + timedelta(hours=1),
        "account": None,
        "granted_at": read_at,
        "granted_by": read_at,
    }
    return Grant(access_token=token, **{**values, **others})


async def store(
    database: Database,
    granted: Grant,
    version: int,
    of: StateBinding | None = None,
    owner: str = OWNER,
    *,
    exclusive: bool = False,
    **entry_values: Any,
) -> StoredGrant | None:
    recorded = entry(**entry_values)
    return await store_grant(database, VAULT, of or binding(), owner, granted, version, recorded, exclusive=exclusive)


async def keep(
    database: Database, of: StateBinding | None = None, owner: str = OWNER, **entry_values: Any
) -> StoredConnection | None:
    return await keep_connection(database, of or binding(), owner, entry(**entry_values))


async def connect(database: Database, of: StateBinding | None = None, token: str = "access", **others: Any) -> str:
    """A whole flow. Returns the connection's id."""
    claimed = await begin(database, of)
    stored = await store(database, await grant(database, token, **others), claimed.version, of)
    assert stored is not None
    return stored.connection.id


async def move_all(database: Database) -> None:
    """As clearing does with requests that have expired: here, with all."""
    await move_ended(database, datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC), 1000)
