"""Storing what a refresh gave, whoever has the lease by then.

While the database is down, this goes on after the callers have their answer: the refresh token that was sent may be
worthless now. Until it has ended, this process sends no other refresh for the connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import Final

import structlog
from msgspec.structs import replace

from models.audit_event import AuditEntry
from models.connection import StatusReason, Tokens
from models.database import DatabaseDown
from models.token_refresh import Fate, Lease, NewTokens, find_fate, mark, release, store
from models.token_row import TokenRow
from providers.entry.provider import Provider
from providers.refresh_time import due_in
from providers.token_answer import TokenAnswer
from resolvers.background import backoff
from resolvers.context import Context
from resolvers.ending.unused_tokens import add_late
from resolvers.errors import ReauthorizationRequired, ServiceUnavailable

log = structlog.get_logger("tendon")

# Seconds between the tries to store while the database is down, and for how long. They stay short: another process may
# send the old refresh token as soon as the database is back, if the lease has ended for long enough.
_PAUSES: Final = (0.05, 0.1, 0.25, 0.5, 1)
_STORING: Final = 600.0


async def store_answer(
    context: Context,
    provider: Provider,
    row: TokenRow,
    lease: Lease,
    answer: TokenAnswer,
    sent: str,
    entry: AuditEntry,
) -> None:
    """Store what the provider gave for the refresh token that was sent. `entry` is recorded if that brings back a
    connection that had an error. Raises ServiceUnavailable while the database is down."""
    if row.account is not None and answer.account not in (None, row.account):
        await _refuse(context, row, lease, entry)
        return
    new = _new_tokens(provider, row, lease, answer, sent)
    write = partial(_store_once, context, provider, row, lease, new, replace(entry, scopes=new.scopes))
    try:
        await write()
    except DatabaseDown as fault:
        log.warning("refresh.store.failed", provider=row.provider, connection_id=row.id, error=fault.reason)
        context.resources.unstored.add(row.id)
        context.resources.background.start_retrying(_retry(context, row, write))
        raise ServiceUnavailable from None


async def _refuse(context: Context, row: TokenRow, lease: Lease, entry: AuditEntry) -> None:
    """The tokens are of another account, so nobody must get them for this user. They are not revoked either, since that
    may end somebody else's grant."""
    log.error("refresh.account.changed", provider=row.provider, connection_id=row.id)
    over = replace(entry, outcome=ReauthorizationRequired.code)
    database = context.resources.database
    if not await mark(database, row, lease.owner, StatusReason.REAUTHORIZATION_REQUIRED, over):
        await release(database, row, lease)


def _new_tokens(provider: Provider, row: TokenRow, lease: Lease, answer: TokenAnswer, sent: str) -> NewTokens:
    """A refresh token that the answer leaves out stays in use (RFC 6749 6), and so do the scopes. With `[granted]`, the
    scopes of token answers name something else."""
    scopes = None if provider.granted is not None else answer.scopes
    granted = row.granted if scopes is None else json.dumps(list(scopes))
    missing = set(json.loads(row.requested)) - set(json.loads(granted))
    return NewTokens(
        Tokens(answer.access_token, answer.refresh_token or sent),
        answer.expires_at,
        granted,
        StatusReason.SCOPES_MISSING if missing else None,
        due_in(
            provider.token, answer.expires_at, f"{row.id} {lease.epoch}", now=lease.taken_at, has_refresh_token=True
        ),
    )


async def _store_once(
    context: Context, provider: Provider, row: TokenRow, lease: Lease, new: NewTokens, entry: AuditEntry
) -> None:
    """Raises DatabaseDown. Tokens that nobody needs any more are revoked, where that harms nobody."""
    database, vault = context.resources.database, context.resources.vault
    named = {"provider": row.provider, "connection_id": row.id}
    if stored := await store(database, vault, row, lease, new, entry):
        log.info("connection.recovered" if stored.recovered else "connection.refreshed", **named)
        return
    match await find_fate(database, row, lease):
        case Fate.STORED:
            log.info("connection.refreshed", **named)
        case Fate.NEWER:
            log.info("refresh.superseded", **named)
        case Fate.RENEWED if provider.revocation_ends_other_tokens:
            # A revocation would end the grant that the user has just given.
            log.info("refresh.superseded", **named)
        case Fate.RENEWED | Fate.ENDED:
            log.info("refresh.late", **named)
            await add_late(context, row, new.tokens)


async def _retry(context: Context, row: TokenRow, write: Callable[[], Awaitable[None]]) -> None:
    reason: str | None = "fault"
    try:
        reason = await _until_written(write)
    except asyncio.CancelledError:
        reason = "the process ended"
        raise
    finally:
        context.resources.unstored.discard(row.id)
        if reason:
            log.error("refresh.lost", provider=row.provider, connection_id=row.id, error=reason)


async def _until_written(write: Callable[[], Awaitable[None]]) -> str | None:
    """Why it was given up, None if it was not."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _STORING
    for tries in count(1):
        await asyncio.sleep(backoff(_PAUSES, tries))
        try:
            return await write()
        except DatabaseDown as fault:
            if loop.time() >= until:
                return fault.reason
    raise AssertionError
