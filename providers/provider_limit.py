"""Limits how many exchanges with one provider are in progress, so that a provider that hangs holds up only few
requests, all of which are for itself.

A permit is acquired before anything is spent on an exchange. `circuit_breaker.py` decides when there are none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from providers.circuit_breaker import Call, CircuitBreaker
from providers.errors import Busy, CircuitOpen, ErrorAnswer, HeldBack, RequestFailed, TimedOut
from wire.waiting import waiting

LIMIT: Final = 48
"""Exchanges in progress with one provider, per process. Fewer than `pool.MAX_CONNECTIONS`, so that none of them waits
for a connection while its time runs out."""


class Permit:
    """Permission to ask the provider once, within a `with` block. How the block ends tells the circuit breaker about
    the provider.

    TimedOut is a timeout, and so is an error answer of which only the head arrived. Any other RequestFailed and a
    normal end are answers. Other exceptions, such as a cancellation or a failure of the database, say nothing about the
    provider; neither does a timeout while this process was suspended.
    """

    def __init__(self, breaker: CircuitBreaker, call: Call, slots: asyncio.Semaphore | None) -> None:
        """A slot in `slots` is released at the end."""
        self._breaker = breaker
        self._call = call
        self._slots = slots
        self._unused = False
        self._fault: RequestFailed | None = None

    def leave_unused(self) -> None:
        """The provider is not asked after all, so the end of the block says nothing about it."""
        self._unused = True

    def note(self, fault: RequestFailed) -> None:
        """Use `fault` instead of the exception that leaves the block."""
        self._fault = fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = self._fault or error
        if self._unused or isinstance(outcome, HeldBack) or (isinstance(outcome, TimedOut) and outcome.stood_still):
            self._breaker.ended(self._call)
        elif isinstance(outcome, TimedOut) or (isinstance(outcome, ErrorAnswer) and outcome.overdue):
            self._breaker.timed_out(self._call)
        elif outcome is None or isinstance(outcome, RequestFailed):
            self._breaker.answered()
        else:
            self._breaker.ended(self._call)
        if self._slots is not None:
            self._slots.release()


class ProviderLimit:
    """The limit for one provider. It lasts as long as the process. `clock` returns seconds."""

    def __init__(self, provider: str, *, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._breaker = CircuitBreaker(provider, clock)
        self._slots = asyncio.Semaphore(limit)

    async def permit(self, wait: float) -> Permit:
        """A permit, to be entered at once. Waits up to `wait` seconds for a free slot. Raises Busy if none became free,
        and CircuitOpen without waiting."""
        # Probes need no slot: exchanges that hang may hold them all.
        slots = self._slots if self._breaker.state == "closed" else None
        if slots is not None:
            await _acquire(slots, wait)
        try:
            return Permit(self._breaker, self._breaker.begin(), slots)
        except CircuitOpen:
            if slots is not None:
                slots.release()
            raise


async def _acquire(slots: asyncio.Semaphore, wait: float) -> None:
    if not slots.locked():
        await slots.acquire()
        return
    try:
        with waiting():
            async with asyncio.timeout(wait):
                await slots.acquire()
    except TimeoutError:
        raise Busy from None


class ProviderLimits:
    """One limit per provider of the catalogue, by its slug."""

    def __init__(self) -> None:
        self._by_slug: dict[str, ProviderLimit] = {}

    def of(self, slug: str) -> ProviderLimit:
        if slug not in self._by_slug:
            self._by_slug[slug] = ProviderLimit(slug)
        return self._by_slug[slug]
