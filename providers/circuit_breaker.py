"""Whether a provider is asked at all: not while it doesn't answer in time (a circuit breaker).

Of the libraries pybreaker, aiobreaker, purgatory and circuitbreaker, only purgatory has types and is made for asyncio;
but half-open it lets every call through, its pause can't grow, and a call can't end without a verdict.

Each process has a state of its own on purpose: it learns within a few timeouts, without anything shared that could fail
in turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from providers.errors import CircuitOpen

TIMEOUTS: Final = 5
"""As many timeouts in a row, without any answer in between, open the circuit."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds from opening to a probe. Each failed probe doubles them."""

log = structlog.get_logger("tendon")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call that was let through. `period` is how many times the circuit had been closed before."""

    period: int


class CircuitBreaker:
    """Closed, it lets every call through; open, none; half-open, one at a time, as a probe.

    Any answer shows that the provider is alive, even a refusal, nonsense or a broken connection: it came quickly and
    kept nobody waiting. `clock` returns seconds.
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
