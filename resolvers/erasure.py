"""Forgetting a user: all connections end, the providers are told as after a disconnect, and no row has the user's id
any more. The audit trail keeps pseudonyms that lead to nobody."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from msgspec import Struct, structs

from models.audit_event import record
from models.connection import ConnectionStatus, StatusReason
from models.database import Database, DatabaseDown, Session
from models.disconnect import end_connection
from models.erasure import (
    count_accounts,
    count_pending,
    delete_connections,
    delete_ended_requests,
    delete_requests,
    delete_subjects,
    erasing,
    lock_connections,
)
from models.revocation import RevocationStatus
from models.token_row import find_tokens
from resolvers import audit, inputs
from resolvers.caller import WRITE_ERASURE, with_scope
from resolvers.context import Context
from resolvers.ending.disconnect import prepare_revocation
from resolvers.errors import Forbidden, Problem

log = structlog.get_logger("tendon")


class RemovedRows(Struct, frozen=True):
    """How many rows were removed from each table."""

    authorization_requests: int
    ended_requests: int
    connections: int
    accounts: int
    audit_subjects: int

    @property
    def any(self) -> bool:
        return any(structs.astuple(self))


class EndedGrant(Struct, frozen=True):
    """A connection that was ended, and what becomes of its revocation: `pending`, or why there can be none."""

    connection_id: str
    provider: str
    status: RevocationStatus


class Receipt(Struct, frozen=True):
    """What an erasure has removed, and what is left for some days.

    `pseudonym` is the user's in the audit trail, which stays. `pending` is how many revocations still have tokens,
    account and user, encrypted, until they are delivered: also those of earlier disconnects. `file_purged` says whether
    SQLite's file has no earlier copies any more. It is None on PostgreSQL, which removes them by itself.
    """

    pseudonym: str
    removed: RemovedRows
    grants: Sequence[EndedGrant]
    pending: int
    file_purged: bool | None


async def erase_user(context: Context, user_id: str) -> Receipt:
    """Forget a user, for a service that may do that. Safe to repeat.

    Raises ValidationError, InsufficientScope or Forbidden, ServiceUnavailable, DatabaseDown and Unauthenticated.
    """
    try:
        if not with_scope(context.caller, WRITE_ERASURE).is_service:
            raise Forbidden("Only services can erase users.")
        inputs.text("userId", user_id, inputs.USER)
    except Problem as problem:
        await audit.denied(context, audit.ERASE, problem, subject=user_id)
        raise
    return await erase(context, user_id)


async def erase(context: Context, user_id: str, *, rebuild: bool = False) -> Receipt:
    """Forget a user. With `rebuild`, an SQLite file is rebuilt, which also removes the rare copies in unused parts of
    its pages. Raises DatabaseDown, and ServiceUnavailable without pseudonyms or keys."""
    resources = context.resources
    await resources.check_can_seal()
    entry = await context.audit_entry(audit.ERASE, subject=user_id, provider=None, outcome=audit.OK)
    pseudonym = entry.subject or ""
    async with erasing(resources.database) as transaction:
        receipt = await _erase(context, transaction, user_id, pseudonym)
        if receipt.removed.any:
            await record(transaction, entry)
    if receipt.removed.any:
        log.info("user.erased", connections=receipt.removed.connections, revocations=receipt.pending)
    else:
        await resources.repeats.record(structs.replace(entry, outcome=audit.REPLAYED))
    return structs.replace(receipt, file_purged=await _purge(resources.database, rebuild=rebuild))


async def _erase(context: Context, transaction: Session, user_id: str, pseudonym: str) -> Receipt:
    # From here on, no callback that has begun can store anything.
    requests = await delete_requests(transaction, user_id)
    ended_requests = await delete_ended_requests(transaction, user_id)
    accounts = await count_accounts(transaction, user_id)
    grants = [
        grant
        for connection_id in await lock_connections(transaction, user_id)
        if (grant := await _end(context, transaction, connection_id))
    ]
    connections = await delete_connections(transaction, user_id)
    subjects = await delete_subjects(transaction, user_id)
    removed = RemovedRows(requests, ended_requests, connections, accounts, len(subjects))
    pending = await count_pending(transaction, subjects | {pseudonym})
    return Receipt(pseudonym, removed, grants, pending, None)


async def _end(context: Context, transaction: Session, connection_id: str) -> EndedGrant | None:
    """Disconnect a locked connection. None if it has ended already."""
    row = await find_tokens(transaction, connection_id)
    if row is None or row.status == ConnectionStatus.DISCONNECTED:
        return None
    # The keys that this needs were read before the transaction.
    revocation = await prepare_revocation(context, row)
    entry = await context.audit_entry(
        audit.DISCONNECT, subject=row.user_id, provider=row.provider, outcome=audit.OK, connection_id=row.id
    )
    await end_connection(transaction, row, revocation, StatusReason.BY_SERVICE, entry)
    return EndedGrant(row.id, row.provider, revocation.status)


async def _purge(database: Database, *, rebuild: bool) -> bool | None:
    """The rows are removed by now, so a failure is only reported."""
    try:
        return await database.purge(rebuild=rebuild)
    except DatabaseDown as fault:
        log.warning("erase.file.not.purged", error=fault.reason)
        return False
