"""Whether a provider is asked at all: not while it leaves us without an answer in time (a circuit breaker).

It is ours because none of the libraries fits: of pybreaker, aiobreaker, purgatory and circuitbreaker only purgatory is
typed and made for asyncio, and half-open it lets everybody through, its pause can't grow, and there is no leaving
without a verdict.

States are the process's own on purpose: each finds out by itself after a few time-outs, and nothing has to be shared
for it that could fail in its turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from providers.errors import CircuitOpen

TIME_OUTS: Final = 5
"""So many in a row, without a sign of life between them, open the circuit."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds from the opening to a probe; each probe that fails doubles them."""

State = Literal["closed", "open", "half-open"]

log = structlog.get_logger("tendon")


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """One exchange that was let through. `period` counts the closings before it."""

    period: int


class Circuit:
    """Closed, everybody is let through. Open, nobody. Half-open, one at a time as a probe.

    Any answer is a sign of life, also a refusal, nonsense or a cut connection: it came quickly, so it keeps nobody
    waiting. `clock` gives seconds.
    """

    def __init__(self, provider: str, clock: Callable[[], float]) -> None:
        self._provider = provider
        self._clock = clock
        self._state: State = "closed"
        self._period = 0
        self._time_outs = 0
        self._pause = FIRST_PAUSE
        self._open_until = 0.0
        self._probe: Admission | None = None

    @property
    def is_closed(self) -> bool:
        return self._state == "closed"

    def admit(self) -> Admission:
        """To be ended by one of the three below. Raises CircuitOpen."""
        admission = Admission(self._period)
        if self.is_closed:
            return admission
        left = self._open_until - self._clock()
        if left > 0 or self._probe is not None:
            raise CircuitOpen(max(1, math.ceil(left)))
        self._probe = admission
        self._turn("half-open")
        return admission

    def answered(self) -> None:
        """Whenever it was let through: it closes the circuit."""
        self._time_outs = 0
        if not self.is_closed:
            self._period += 1
            self._pause, self._probe = FIRST_PAUSE, None
            self._turn("closed")

    def timed_out(self, admission: Admission) -> None:
        """Only what is news counts: when it isn't closed just the probe, and nothing from before the last closing."""
        if admission is self._probe:
            self._probe = None
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._open()
        elif self.is_closed and admission.period == self._period:
            self._time_outs += 1
            if self._time_outs == TIME_OUTS:
                self._open()

    def left(self, admission: Admission) -> None:
        """It ended without a verdict."""
        if admission is self._probe:
            self._probe = None

    def _open(self) -> None:
        self._open_until = self._clock() + self._pause
        self._turn("open")

    def _turn(self, state: State) -> None:
        if state == self._state:
            return
        self._state = state
        if state == "open":
            log.warning("provider.circuit", provider=self._provider, state=state, seconds=self._pause)
        else:
            log.info("provider.circuit", provider=self._provider, state=state)
