"""Whether a provider may be asked now. A limit on the requests in progress with it makes one that hangs hold up only
few callers, all of whom ask for it, and a circuit breaker keeps requests from one that doesn't answer in time.

Code exchanges, refreshes and revocations have limits of their own, so that many of one kind don't hold up the others.
They share the circuit breaker: a provider that is down is down for all of them. The endpoints that say whose account it
is, and which scopes were granted, have a limit and a circuit breaker each: often they are at another server, and a
callback can do without them.

A permit is acquired before anything is spent on a request. Each process has a state of its own on purpose: it learns
within a few timeouts, without anything shared that could fail in turn.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
import structlog

from providers.errors import Busy, CircuitOpen, ErrorAnswer, HeldBack, RequestFailed, TimedOut
from wire.waiting import Slots, waiting


class Use(StrEnum):
    """What a provider is asked for. Each has slots of its own."""

    EXCHANGE = "exchange"
    REFRESH = "refresh"
    REVOCATION = "revocation"
    ACCOUNT = "account"
    GRANTED = "granted"


LIMITS: Final[Mapping[Use, int]] = {Use.EXCHANGE: 48, Use.REFRESH: 24, Use.REVOCATION: 8}
ACCOUNT_LIMITS: Final[Mapping[Use, int]] = {Use.ACCOUNT: 16}
GRANTED_LIMITS: Final[Mapping[Use, int]] = {Use.GRANTED: 16}
"""Requests in progress with one provider, per process. Together no more than MAX_CONNECTIONS to an origin, so that none
of them waits for a connection while its time runs out."""

# Seconds to wait for one of these for the account or the granted scopes.
_ASKING_WAIT: Final = 0.5

TIMEOUTS: Final = 5
"""As many timeouts in a row, without any answer in between, open the circuit."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds from opening to a probe. Each failed probe doubles them."""

log = structlog.get_logger("tendon")


class ProviderLimits:
    """The limits of each provider of the catalogue, by its slug."""

    def __init__(self) -> None:
        self._by_slug: dict[str, ProviderLimit] = {}
        self._of_accounts: dict[str, ProviderLimit] = {}
        self._of_granted: dict[str, ProviderLimit] = {}

    def of(self, slug: str) -> ProviderLimit:
        if slug not in self._by_slug:
            self._by_slug[slug] = ProviderLimit(slug)
        return self._by_slug[slug]

    def account_permit(self, slug: str) -> Awaitable[Permit]:
        """A permit to ask whose account it is. Raises as `ProviderLimit.permit` does."""
        if slug not in self._of_accounts:
            self._of_accounts[slug] = ProviderLimit(f"{slug} (account)", limits=ACCOUNT_LIMITS)
        return self._of_accounts[slug].permit(_ASKING_WAIT, Use.ACCOUNT)

    def granted_permit(self, slug: str) -> Awaitable[Permit]:
        """A permit to ask which scopes were granted. Raises as `ProviderLimit.permit` does."""
        if slug not in self._of_granted:
            self._of_granted[slug] = ProviderLimit(f"{slug} (granted)", limits=GRANTED_LIMITS)
        return self._of_granted[slug].permit(_ASKING_WAIT, Use.GRANTED)


class ProviderLimit:
    """The limit for one provider. It lasts as long as the process. `clock` returns seconds."""

    def __init__(
        self, provider: str, *, limits: Mapping[Use, int] = LIMITS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._breaker = CircuitBreaker(provider, clock)
        self._slots = {use: Slots(limit) for use, limit in limits.items()}

    def permit_now(self, use: Use = Use.EXCHANGE) -> Permit | None:
        """A permit, to be entered at once. None if no slot is free. Raises CircuitOpen."""
        if self._breaker.state != "closed":
            # Probes need no slot: requests that hang may hold them all.
            return Permit(self._breaker, self._breaker.begin(), None)
        slots = self._slots[use]
        return Permit(self._breaker, self._breaker.begin(), slots) if slots.acquire_now() else None

    async def permit(self, wait: float, use: Use = Use.EXCHANGE) -> Permit:
        """As `permit_now`, but waits up to `wait` seconds for a free slot. Raises Busy if none became free, and
        CircuitOpen without waiting."""
        permit = self.permit_now(use)
        if permit is not None:
            return permit
        slots = self._slots[use]
        try:
            with waiting():
                async with asyncio.timeout(wait):
                    await slots.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            return Permit(self._breaker, self._breaker.begin(), slots)
        except CircuitOpen:
            slots.release()
            raise


class Permit(msgspec.Struct, eq=False):
    """Permission to ask the provider once, within a `with` block. How the block ends tells the circuit breaker about
    the provider.

    TimedOut is a timeout, and so is an error answer of which only the head arrived. Any other RequestFailed and a
    normal end are answers. Other exceptions, such as a cancellation or a failure of the database, say nothing about the
    provider; neither does a timeout while this process was suspended. A slot in `_slots` is released at the end.
    """

    _breaker: CircuitBreaker
    _call: Call
    _slots: Slots | None
    _unused: bool = False
    _fault: RequestFailed | None = None

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
        if outcome is None and not self._unused:
            self._breaker.answered()
        elif self._unused or isinstance(outcome, HeldBack) or (isinstance(outcome, TimedOut) and outcome.stood_still):
            self._breaker.ended(self._call)
        elif isinstance(outcome, TimedOut) or (isinstance(outcome, ErrorAnswer) and outcome.overdue):
            self._breaker.timed_out(self._call)
        elif isinstance(outcome, RequestFailed):
            self._breaker.answered()
        else:
            self._breaker.ended(self._call)
        if self._slots is not None:
            self._slots.release()


class Call(msgspec.Struct, frozen=True, eq=False):
    """A call that was let through. `period` is how many times the circuit had been closed before."""

    period: int


class CircuitBreaker:
    """Closed, it lets every call through; open, none; half-open, one at a time, as a probe.

    Any answer shows that the provider is alive, even a refusal, nonsense or a broken connection: it came quickly and
    kept nobody waiting. `clock` returns seconds.

    Of the libraries pybreaker, aiobreaker, purgatory and circuitbreaker, only purgatory has types and is made for
    asyncio; but half-open it lets every call through, its pause can't grow, and a call can't end without a verdict.
    """

    def __init__(self, provider: str, clock: Callable[[], float]) -> None:
        self.state: Literal["closed", "open", "half-open"] = "closed"
        self._provider = provider
        self._clock = clock
        self._period = 0
        self._timeouts = 0
        self._pause = FIRST_PAUSE
        self._open_until = 0.0
        self._probe: Call | None = None

    def begin(self) -> Call:
        """Let a call through, to be ended by one of the three methods below. Raises CircuitOpen."""
        call = Call(self._period)
        if self.state == "closed":
            return call
        left = self._open_until - self._clock()
        if left > 0 or self._probe is not None:
            raise CircuitOpen(max(1, math.ceil(left)))
        self._probe = call
        self._change("half-open")
        return call

    def answered(self) -> None:
        """The provider answered. This closes the circuit, no matter when the call began."""
        self._timeouts = 0
        if self.state != "closed":
            self._period += 1
            self._pause, self._probe = FIRST_PAUSE, None
            self._change("closed")

    def timed_out(self, call: Call) -> None:
        """The call timed out. While the circuit is not closed, only the probe counts; while it is closed, only calls
        that began since it was last closed."""
        if call is self._probe:
            self._probe = None
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._open()
        elif self.state == "closed" and call.period == self._period:
            self._timeouts += 1
            if self._timeouts == TIMEOUTS:
                self._open()

    def ended(self, call: Call) -> None:
        """The call ended without a verdict on the provider."""
        if call is self._probe:
            self._probe = None

    def _open(self) -> None:
        self._open_until = self._clock() + self._pause
        self._change("open")

    def _change(self, state: Literal["closed", "open", "half-open"]) -> None:
        if state == self.state:
            return
        self.state = state
        if state == "open":
            log.warning("provider.circuit", provider=self._provider, state=state, seconds=self._pause)
        else:
            log.info("provider.circuit", provider=self._provider, state=state)
