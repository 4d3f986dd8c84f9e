"""Clears expired requests: those that have ended move to `ended_request`, those that nobody has claimed are deleted,
and claims whose holder died are ended. Rows of `ended_request` are deleted when the retention period is over.

No request waits for it. It runs in batches and is safe to run twice, at the same time and in several processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from models.authorization_request import abandon_request
from models.clock import read_clock
from models.database import DatabaseDown
from models.ended_request import abandoned_claims, find_due, forget_ended, move_ended
from resolvers import audit
from resolvers.clearing_progress import BEGINNING
from resolvers.context import Context
from resolvers.due_work import DueWork
from resolvers.errors import Problem, ProviderUnavailable

log = structlog.get_logger("tendon")

# Seconds between the starts of two runs in a process, and that a run may take before it leaves the rest to the next.
_INTERVAL: Final = 1.0
_BUDGET: Final = 0.5
# Seconds between two searches from the beginning, and for how many times its duration the next one waits at least.
_BEGINNING_INTERVAL: Final = 60.0
_REST_FACTOR: Final = 100
# Rows in one statement: some ten milliseconds on both engines, most of them for the disk. A process that spends its
# budget clears about 5,000 rows a second on PostgreSQL.
_BATCH: Final = 100
# A request is cleared this long after it expired: longer than any lease, which may begin at the last moment.
_AGE: Final = timedelta(seconds=70)


def start_if_due(context: Context) -> None:
    """Start clearing in the background, unless it still runs, or this process began it less than a second ago."""
    progress, now = context.resources.clearing, asyncio.get_running_loop().time()
    if now < progress.due or progress.running:
        return
    progress.due = now + _INTERVAL
    progress.running = True
    context.resources.background.start(_clear_and_log(context))


async def due(_context: Context, _most: int) -> Sequence[DueWork]:
    """Clearing is always due, because to look for rows to clear is most of the work."""
    return [DueWork("requests", "")]


async def run(context: Context, _id: str) -> None:
    """Clear what is due, for a worker. Raises as `clear` does."""
    await clear(context)


async def clear(context: Context) -> None:
    """Clear what is due, for about a second at most. Raises DatabaseDown, and ServiceUnavailable when there can be no
    pseudonyms."""
    loop, progress = asyncio.get_running_loop(), context.resources.clearing
    began = loop.time()
    if began < progress.beginning_due:
        await _clear_since(context, progress.requests_since, progress.ended_since)
        return
    try:
        await _clear_since(context, BEGINNING, BEGINNING)
    finally:
        now = loop.time()
        progress.beginning_due = now + max(_BEGINNING_INTERVAL, _REST_FACTOR * (now - began))


async def _clear_since(context: Context, requests_since: datetime, ended_since: datetime) -> None:
    database, progress = context.resources.database, context.resources.clearing
    now = await read_clock(database)
    expired, forgotten = now - _AGE, now - context.resources.retention
    # If this fails, the next run begins after what it failed of, and one from the beginning will find it.
    progress.requests_since, progress.ended_since = expired, forgotten
    first_request, first_ended = await find_due(database, (requests_since, expired), (ended_since, forgotten))
    if first_request:
        progress.requests_since = await _clear_requests(context, first_request, expired)
    if first_ended:
        progress.ended_since = await _forget(context, first_ended, forgotten)


async def _clear_and_log(context: Context) -> None:
    try:
        await clear(context)
    except (DatabaseDown, Problem) as fault:
        log.warning("purge.failed", error=fault.reason if isinstance(fault, DatabaseDown) else fault.code)
    finally:
        context.resources.clearing.running = False


async def _clear_requests(context: Context, since: datetime, until: datetime) -> datetime:
    database = context.resources.database
    unfinished: list[datetime] = []

    async def clear_batch(since: datetime) -> Sequence[datetime]:
        moved = await move_ended(database, since, until, _BATCH)
        reached = until if len(moved) < _BATCH else max(moved)
        claims = await abandoned_claims(database, since, reached, _BATCH)
        for key, user in claims:
            await abandon(context, key, user)
        if len(claims) == _BATCH:
            unfinished.append(since)
        return moved

    reached = await _in_batches(clear_batch, since, until)
    # There may be more claims to end, which the next run looks for.
    return min(unfinished, default=reached)


async def _forget(context: Context, since: datetime, until: datetime) -> datetime:
    database = context.resources.database
    return await _in_batches(lambda since: forget_ended(database, since, until, _BATCH), since, until)


async def _in_batches(
    clear_batch: Callable[[datetime], Awaitable[Sequence[datetime]]], since: datetime, until: datetime
) -> datetime:
    """Call `clear_batch`, which returns the times of what it cleared, until it clears less than a batch or the budget
    is spent. Returns the time up to which all is cleared."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _BUDGET
    while True:
        cleared = await clear_batch(since)
        if len(cleared) < _BATCH:
            return until
        since = max(cleared)
        if loop.time() >= end:
            return since


async def abandon(context: Context, key: str, user: str) -> None:
    """End a request of `user` whose holder died: the code may be spent. Of several processes that try, one does it."""
    # Whoever comes across it, maybe by an authorize of their own, is not the actor: there is none.
    nobody = replace(context, caller=None)
    entry = await nobody.audit_entry(audit.COMPLETE, subject=user, provider=None, outcome=ProviderUnavailable.code)
    provider = await abandon_request(context.resources.database, key, user, entry)
    if provider is not None:
        log.warning("claim.abandoned", provider=provider)
