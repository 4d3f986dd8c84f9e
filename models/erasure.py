"""Forgetting a user: the statements of the one transaction that removes all rows with the user's id.

Their order matters, because others write at the same time. Without its request, a callback stores nothing. A request
that is moved to `ended_request` meanwhile is found there, as a connection is that was stored before.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Final

from models.connection import ConnectionStatus
from models.database import Database, Session
from models.revocation import STATUSES
from models.statement import Statement

# The key of PostgreSQL's advisory lock. Erasures come one after the other, so that no two wait for each other's rows.
_LOCK: Final = int.from_bytes(b"erasure")

_REQUESTS: Final = Statement("DELETE FROM authorization_request WHERE user_id = :user_id RETURNING provider")
_ENDED_REQUESTS: Final = Statement("DELETE FROM ended_request WHERE user_id = :user_id RETURNING ended_at")
_LOCK_CONNECTIONS: Final = Statement("SELECT id FROM connection WHERE user_id = :user_id ORDER BY id FOR UPDATE")
# Of a connection that was stored since the requests were deleted, nothing is revoked yet, so it stays.
_CONNECTIONS: Final = Statement(
    "DELETE FROM connection WHERE user_id = :user_id AND status = {disconnected} RETURNING id",
    disconnected=f"'{ConnectionStatus.DISCONNECTED}'",
)
# Those of connections that have ended are gone with them. This finds what is left of connections that were deleted.
_ACCOUNTS: Final = Statement(
    """
    DELETE FROM account_owner
    WHERE user_id = :user_id AND NOT EXISTS (SELECT 1 FROM connection AS c WHERE c.id = account_owner.connection_id)
    RETURNING provider"""
)
_COUNT_ACCOUNTS: Final = Statement("SELECT count(*) AS accounts FROM account_owner WHERE user_id = :user_id")
_SUBJECTS: Final = Statement("DELETE FROM audit_subject WHERE user_id = :user_id RETURNING pseudonym")
_COUNT_PENDING: Final = Statement(
    "SELECT count(*) AS pending FROM revocation WHERE subject = :subject AND status = {pending}", **STATUSES
)


def erasing(database: Database) -> AbstractAsyncContextManager[Session]:
    """A transaction for one erasure. Raises DatabaseDown."""
    return database.exclusively(_LOCK)


async def delete_requests(transaction: Session, user_id: str) -> int:
    """The first step. Returns how many there were."""
    return len(await _REQUESTS.rows(transaction, user_id=user_id))


async def delete_ended_requests(transaction: Session, user_id: str) -> int:
    """The second step, after any request was moved there that the first one had to wait for."""
    return len(await _ENDED_REQUESTS.rows(transaction, user_id=user_id))


async def lock_connections(transaction: Session, user_id: str) -> list[str]:
    """The ids of the user's connections. Until the transaction ends, nobody else changes them."""
    return [str(id_) for (id_,) in await _LOCK_CONNECTIONS.rows(transaction, user_id=user_id)]


async def count_accounts(transaction: Session, user_id: str) -> int:
    """How many accounts of providers the user has, before any connection is ended."""
    return (await _COUNT_ACCOUNTS.rows(transaction, user_id=user_id))[0][0]


async def delete_connections(transaction: Session, user_id: str) -> int:
    """Delete the connections that have ended, with what is left of their accounts. Returns how many there were."""
    deleted = await _CONNECTIONS.rows(transaction, user_id=user_id)
    await _ACCOUNTS.rows(transaction, user_id=user_id)
    return len(deleted)


async def delete_subjects(transaction: Session, user_id: str) -> set[str]:
    """Delete what leads from pseudonyms to the user. Returns the pseudonyms."""
    return {pseudonym for (pseudonym,) in await _SUBJECTS.rows(transaction, user_id=user_id)}


async def count_pending(transaction: Session, subjects: Collection[str]) -> int:
    """How many revocations of these pseudonyms are not delivered yet."""
    counts = [await _COUNT_PENDING.rows(transaction, subject=subject) for subject in subjects]
    return sum(rows[0][0] for rows in counts)
