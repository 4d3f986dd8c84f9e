"""How many may ask one provider at a time: one that hangs holds up its own callers only, and few of them.

To be passed before anything is spent on an exchange. `circuit.py` says when it lets nobody through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from providers.circuit import Admission, Circuit
from providers.errors import Busy, CircuitOpen, ErrorAnswer, HeldBack, ProviderFault, TimedOut
from wire.waiting import waiting

LIMIT: Final = 48
"""Exchanges under way with one provider, by one process. Fewer than `pool.MAX_CONNECTIONS`, so that none of them
waits for a connection with its time running."""


class Permit:
    """Leave to ask the provider once, for as long as its block runs. How that ends is the verdict, unless it was told
    otherwise: TimedOut is a failure, and so is an error answer that was never whole; any other ProviderFault and a
    normal end are signs of life. Any other exception says nothing, be it a cancellation or the database, and neither
    does a time-out after this process stood still.
    """

    def __init__(self, circuit: Circuit, admission: Admission, places: asyncio.Semaphore | None) -> None:
        """`places` gets its place back in the end."""
        self._circuit = circuit
        self._admission = admission
        self._places = places
        self._unused = False
        self._fault: ProviderFault | None = None

    def leave_unused(self) -> None:
        """The provider is not asked after all, so the block's end says nothing about it."""
        self._unused = True

    def note(self, fault: ProviderFault) -> None:
        """For a fault that doesn't leave the block as it is."""
        self._fault = fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, outcome: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._judge(self._fault or outcome)
        if self._places is not None:
            self._places.release()

    def _judge(self, outcome: BaseException | None) -> None:
        if self._unused or isinstance(outcome, HeldBack) or (isinstance(outcome, TimedOut) and outcome.stood_still):
            self._circuit.left(self._admission)
        elif isinstance(outcome, TimedOut) or (isinstance(outcome, ErrorAnswer) and outcome.overdue):
            self._circuit.timed_out(self._admission)
        elif outcome is None or isinstance(outcome, ProviderFault):
            self._circuit.answered()
        else:
            self._circuit.left(self._admission)


class Turnstile:
    """The way to one provider, held by the process for as long as it runs. `clock` gives seconds."""

    def __init__(self, provider: str, *, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._circuit = Circuit(provider, clock)
        self._places = asyncio.Semaphore(limit)

    async def permit(self, wait: float) -> Permit:
        """To be entered at once. Waits up to `wait` seconds for a free place. Raises Busy when there was none,
        CircuitOpen at once."""
        # Probes need none: exchanges that hang may hold them all.
        places = self._places if self._circuit.is_closed else None
        if places is not None:
            await _take_place(places, wait)
        try:
            return Permit(self._circuit, self._circuit.admit(), places)
        except CircuitOpen:
            if places is not None:
                places.release()
            raise


async def _take_place(places: asyncio.Semaphore, wait: float) -> None:
    if not places.locked():
        await places.acquire()
        return
    try:
        with waiting():
            async with asyncio.timeout(wait):
                await places.acquire()
    except TimeoutError:
        raise Busy from None


class Turnstiles:
    """One for each provider, made when it is first asked for. `of` knows no strangers: slugs are the catalogue's."""

    def __init__(self) -> None:
        self._by_slug: dict[str, Turnstile] = {}

    def of(self, slug: str) -> Turnstile:
        if slug not in self._by_slug:
            self._by_slug[slug] = Turnstile(slug)
        return self._by_slug[slug]
