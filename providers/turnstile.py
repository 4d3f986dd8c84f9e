"""How many may ask one provider at a time: one that hangs holds up its own callers only, and few of them.

To be passed before anything is spent on an exchange. `circuit.py` says when it lets nobody through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from providers.circuit import Admission, Circuit
from providers.errors import Busy, HeldBack, ProviderFault, TimedOut

LIMIT: Final = 48
"""Exchanges under way with one provider, by one process. Fewer than `pool.MAX_CONNECTIONS`, so that none of them
waits for a connection with its time running."""


class Permit:
    """Leave to ask the provider once. How its block ends says how that went, unless it was told otherwise."""

    def __init__(self) -> None:
        self.unused = False
        self.fault: ProviderFault | None = None

    def leave_unused(self) -> None:
        """The provider is not asked after all, so the block's end says nothing about it."""
        self.unused = True

    def note(self, fault: ProviderFault) -> None:
        """For a fault that doesn't leave the block as it is."""
        self.fault = fault


class Turnstile:
    """The way to one provider, held by the process for as long as it runs. `clock` gives seconds."""

    def __init__(self, provider: str, *, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._circuit = Circuit(provider, clock)
        self._places = asyncio.Semaphore(limit)

    @asynccontextmanager
    async def enter(self, wait: float) -> AsyncGenerator[Permit]:
        """Waits up to `wait` seconds for a free place. Raises Busy when there was none, CircuitOpen at once.

        The verdict is the block's end: TimedOut is a failure; any other ProviderFault and a normal end are signs of
        life. Any other exception says nothing, be it a cancellation or the database.
        """
        async with self._place(wait):
            admission = self._circuit.admit()
            permit = Permit()
            try:
                yield permit
            except BaseException as outcome:
                self._judge(admission, permit, outcome)
                raise
            self._judge(admission, permit, None)

    @asynccontextmanager
    async def _place(self, wait: float) -> AsyncGenerator[None]:
        """Probes need none: exchanges that hang may hold them all."""
        if not self._circuit.is_closed:
            yield
            return
        try:
            async with asyncio.timeout(wait):
                await self._places.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            self._places.release()

    def _judge(self, admission: Admission, permit: Permit, outcome: BaseException | None) -> None:
        outcome = permit.fault or outcome
        if permit.unused or isinstance(outcome, HeldBack):
            self._circuit.left(admission)
        elif isinstance(outcome, TimedOut):
            self._circuit.timed_out(admission)
        elif outcome is None or isinstance(outcome, ProviderFault):
            self._circuit.answered()
        else:
            self._circuit.left(admission)


class Turnstiles:
    """One for each provider, made when it is first asked for. `of` knows no strangers: slugs are the catalogue's."""

    def __init__(self) -> None:
        self._by_slug: dict[str, Turnstile] = {}

    def of(self, slug: str) -> Turnstile:
        if slug not in self._by_slug:
            self._by_slug[slug] = Turnstile(slug)
        return self._by_slug[slug]
