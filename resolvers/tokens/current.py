"""New tokens for everybody who waits for them: one refresh per connection, in this process and among all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable
from copy import copy
from itertools import count
from typing import Final

from models.token_row import TokenRow, find_tokens
from resolvers.background import backoff
from resolvers.context import Context
from resolvers.errors import ConnectionNotFound, Problem, ProviderMisconfigured, ServiceUnavailable
from resolvers.tokens.refresh import Timing, provider_unavailable, refresh
from wire.waiting import Timeout, waiting

# Seconds between the looks at a row whose lease another process has.
_PAUSES: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
# Seconds in addition to one lease: after the first no refresh is begun any more, and no caller waits beyond the second,
# even if one has begun.
_BEYOND: Final = 2.0
_LONGEST: Final = 2.5
# How many requests may wait for the refresh of one connection, for those at one provider, and for all: a process admits
# 250 requests, and a provider that hangs must leave slots for others.
_WAITERS: Final = 64
_OF_PROVIDER: Final = 96
_OF_ALL: Final = 160


async def refreshed(context: Context, row: TokenRow) -> TokenRow:
    """The row after its tokens have changed, or after the connection has ended or been found lost.

    Raises ProviderUnavailable or ProviderMisconfigured if the refresh failed or must not be tried yet, and
    ServiceUnavailable if another one takes too long or too many wait; each of them may be repeated. Raises
    DatabaseDown.
    """
    resources, loop = context.resources, asyncio.get_running_loop()
    provider = resources.registration(row.provider, row.site).provider
    end = loop.time() + Timing.of(provider, row, resources.provider_timeout).lease + _LONGEST
    limits: dict[Hashable, int] = {row.id: _WAITERS, provider.key: _OF_PROVIDER, None: _OF_ALL}
    while True:
        try:
            with resources.refresh_waiters.joined(limits), waiting():
                async with Timeout(end):
                    found = await resources.refreshes.join(
                        row.id, lambda: resources.background.run(_until_changed(context, row))
                    )
        except TimeoutError:
            raise ServiceUnavailable(retry_after=1) from None
        if isinstance(found, Problem):
            raise copy(found)
        # Callers may join a refresh that began before they read the row, so its result is what they have already.
        if found.version != row.version or not found.is_alive:
            return found


async def _until_changed(context: Context, row: TokenRow) -> TokenRow | Problem:
    try:
        return await _changed(context, row)
    except Problem as problem:
        return problem


async def _changed(context: Context, row: TokenRow) -> TokenRow:
    resources, loop = context.resources, asyncio.get_running_loop()
    provider = resources.registration(row.provider, row.site).provider
    end = loop.time() + Timing.of(provider, row, resources.provider_timeout).lease + _BEYOND
    version = row.version
    for tries in count(1):
        if (wait := _seconds_until_retry(row)) > 0:
            raise _failed_before(row, math.ceil(wait))
        blocked = _seconds_blocked(row, Timing.of(provider, row, resources.provider_timeout).quiet)
        if blocked <= 0:
            await refresh(context, row)
        elif loop.time() >= end or (_is_abandoned(row) and loop.time() + blocked >= end):
            raise ServiceUnavailable(retry_after=max(1, math.ceil(blocked)))
        else:
            await asyncio.sleep(min(backoff(_PAUSES, tries), blocked))
        found = await find_tokens(resources.database, row.id)
        if found is None:
            raise ConnectionNotFound
        row = found
        if row.version != version or not row.is_alive:
            return row
    raise AssertionError


def _seconds_until_retry(row: TokenRow) -> float:
    return (row.retry_at - row.read_at).total_seconds() if row.retry_at else 0.0


def _failed_before(row: TokenRow, retry_after: int) -> Problem:
    """What the last refresh ended with, for those who come before the next one may be sent."""
    if row.failures == 0:
        return ProviderMisconfigured(retry_after=retry_after)
    return provider_unavailable(retry_after)


def _seconds_blocked(row: TokenRow, quiet: float) -> float:
    """Until the lease can be taken, unless its holder ends it before."""
    return (row.leased_until_at - row.read_at).total_seconds() + quiet if row.leased_until_at else 0.0


def _is_abandoned(row: TokenRow) -> bool:
    return row.leased_until_at is not None and row.leased_until_at <= row.read_at
