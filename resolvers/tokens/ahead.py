"""What the worker does for connections that are due: it refreshes those whose refresh tokens would expire unused, and
marks those that have ended with their access tokens. Safe to run twice, and in several processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import structlog

from models.connection import StatusReason
from models.token_refresh import find_due, mark, postpone
from models.token_row import TokenRow, find_tokens
from resolvers.context import Context
from resolvers.due_work import DueWork
from resolvers.errors import Problem, ProviderUnavailable, ReauthorizationRequired
from resolvers.tokens.current import refreshed
from resolvers.tokens.refresh import audit_entry, mark_if_failing, seconds_until_failing
from resolvers.tokens.schedule import seconds_left

log = structlog.get_logger("tendon")

# Seconds until a connection is looked at again that could not be refreshed now, if nothing else says when.
_WAIT: Final = 60.0


async def due(context: Context, most: int) -> Sequence[DueWork]:
    """Up to `most` connections that are due, the longest due of each provider first. Raises DatabaseDown."""
    found = await find_due(context.resources.database, most)
    # A lease under which nothing was sent leaves the due time as it was.
    return [DueWork(one.id, f"{one.due_at.isoformat()}/{one.epoch}", one.key) for one in found]


async def refresh_ahead(context: Context, connection_id: str) -> None:
    """Do what is due for the connection. Raises DatabaseDown."""
    row = await find_tokens(context.resources.database, connection_id)
    if row is None or not row.is_alive or row.due_at is None or row.due_at > row.read_at:
        return
    if row.refresh_token is None:
        await _end(context, row)
        return
    if row.retry_at is not None and row.retry_at > row.read_at:
        await _until_retry(context, row, (row.retry_at - row.read_at).total_seconds())
        return
    try:
        await refreshed(context, row)
    except Problem as problem:
        # A refresh that failed has moved the due time already. One that was not tried has not.
        await _look_again(context, row, problem)


async def _until_retry(context: Context, row: TokenRow, wait: float) -> None:
    """The provider has asked not to be asked for long. Meanwhile the connection may have been failing for long."""
    if row.failing_since_at is not None:
        await mark_if_failing(context, row, await audit_entry(context, row, ProviderUnavailable.code))
    await postpone(context.resources.database, row.id, min(wait, seconds_until_failing(row) or wait))


async def _end(context: Context, row: TokenRow) -> None:
    if seconds_left(row) > 0:
        await postpone(context.resources.database, row.id, seconds_left(row))
        return
    entry = await audit_entry(context, row, ReauthorizationRequired.code)
    if await mark(context.resources.database, row, None, StatusReason.REAUTHORIZATION_REQUIRED, entry):
        log.info("connection.expired", provider=row.provider, connection_id=row.id)


async def _look_again(context: Context, row: TokenRow, problem: Problem) -> None:
    database = context.resources.database
    found = await find_tokens(database, row.id)
    if found is not None and found.due_at is not None and found.due_at <= found.read_at:
        await postpone(database, row.id, max(problem.retry_after or 0, math.ceil(_WAIT)))
