"""The claim of an authorization request: one conditional UPDATE decides which attempt may exchange its code.

A claim is a lease that belongs to an `owner`. Whatever ends it requires that it is still that owner's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.audit_event import RECORDED, AuditEntry
from models.authorization_request import BOUND, RETENTION, STATUSES, StateBinding
from models.database import Database
from models.statement import Statement

HELD: Final = f"state_hash = :state_hash AND owner = :owner AND status = {STATUSES['exchanging']}"
"""A claim that is still the owner's."""
COMPLETED: Final = (
    f"status = {STATUSES['completed']}, error = NULL, verifier = NULL, lease_until = NULL,"
    " purge_after = after(:retention)"
)
"""What a completed request has, beside its connection."""

_CLAIM: Final = Statement(
    """
    UPDATE authorization_request
    SET status = {exchanging}, code_hash = :code_hash, owner = :owner, lease_until = after(:lease),
        purge_after = after(:lease)
    WHERE {bound} AND status = {pending} AND expires_at > now()
    RETURNING scopes, verifier, now() AS claimed_at,
        (SELECT version FROM connection AS c WHERE c.user_id = :user_id AND c.provider = :provider) AS version""",
    bound=BOUND,
    **STATUSES,
)
_RELEASE: Final = Statement(
    """
    UPDATE authorization_request
    SET status = {pending}, code_hash = NULL, owner = NULL, lease_until = NULL, purge_after = expires_at
    WHERE {held} RETURNING status""",
    held=HELD,
    **STATUSES,
)
_FAIL: Final = Statement(
    """
    UPDATE authorization_request
    SET status = {failed}, error = :outcome, verifier = NULL, lease_until = NULL, purge_after = after(:retention)
    WHERE {held} RETURNING status""",
    RECORDED,
    held=HELD,
    **STATUSES,
)
_CLOCK: Final = Statement("SELECT now() AS read_at")


@dataclass(frozen=True, slots=True)
class ClaimedRequest:
    """What a claim returns. `verifier` is sealed; `version` is that of the user's connection to the provider, 0 if
    there is none."""

    scopes: list[str]
    verifier: bytes | None
    claimed_at: datetime
    version: int


async def claim_request(
    database: Database, binding: StateBinding, *, code_hash: str, owner: str, lease: float
) -> ClaimedRequest | None:
    """Claim a pending request for `lease` seconds. None if there is none, or somebody else has claimed it."""
    rows = await _CLAIM.rows(database, code_hash=code_hash, owner=owner, lease=lease, **binding.values())
    if not rows:
        return None
    scopes, verifier, claimed_at, version = rows[0]
    return ClaimedRequest(json.loads(scopes), verifier, claimed_at, version or 0)


async def release_claim(database: Database, key: str, owner: str) -> bool:
    """Make the request pending again. Returns whether the claim was still the owner's."""
    return await _RELEASE.row(database, state_hash=key, owner=owner) is not None


async def fail_claim(database: Database, key: str, owner: str, entry: AuditEntry) -> bool:
    """End the request with the outcome of `entry` as its error, and record it. Returns whether the claim was still the
    owner's."""
    retention = RETENTION.total_seconds()
    return await _FAIL.row(database, state_hash=key, owner=owner, retention=retention, **entry.values()) is not None


async def read_clock(database: Database) -> datetime:
    rows = await _CLOCK.rows(database)
    return rows[0][0]
