"""What is written down of a run: every operation of a user and every disturbance, with times and what came of it."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

OK = "ok"
# Beside these and OK an outcome is a code of the contract.
REFUSED = "refused"  # no connection could be made, so nothing was sent
LOST = "lost"  # sent, and no answer came
HUNG_UP = "hung up"  # sent, and the user did not wait for the answer
GARBLED = "garbled"  # an answer that is none of the contract's


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user heard. `retry_after` is whether they were told that sending the same again is worth it."""

    outcome: str
    status: int = 0
    retry_after: bool = False
    data: Any = None

    @property
    def passing(self) -> bool:
        """It says "later" or nothing at all, so the same may be sent again."""
        if self.outcome == "PROVIDER_UNAVAILABLE":
            return self.retry_after
        return self.outcome in (REFUSED, LOST, HUNG_UP, "SERVICE_UNAVAILABLE", "RATE_LIMITED")


@dataclass(frozen=True, slots=True)
class Flow:
    """One authorization request. `account` is the user's id at the provider, another one for every flow, so that a
    token tells which flow it came from. `error` is what the provider sent in place of a code."""

    number: int
    user: str
    provider: str
    state: str
    code: str
    account: str
    error: str | None = None
    iss: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """`began` and `ended` are seconds since the run began. `flow` and `code` belong to callbacks, `about` to lists."""

    began: float
    ended: float
    action: str
    user: str
    gateway: str
    interface: str
    answer: Answer
    flow: int | None = None
    code: str | None = None
    about: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.began:9.3f} to {self.ended:7.3f}  {self.action} by {self.user} at {self.gateway}"]
        parts.append(f"({self.interface})")
        parts.extend(f"{name} {value}" for name, value in self._details() if value is not None)
        later = ", may be sent again" if self.answer.retry_after else ""
        return f"{' '.join(parts)} -> {self.answer.outcome}{later}"

    def _details(self) -> tuple[tuple[str, Any], ...]:
        return (("flow", self.flow), ("code", self.code), ("of", self.about))


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A fault that was put in. `target` is a gateway's name, None when it concerns them all."""

    began: float
    ended: float
    kind: str
    target: str | None = None

    def __str__(self) -> str:
        return f"{self.began:9.3f} to {self.ended:7.3f}  {self.kind} {self.target or ''}".rstrip()


@dataclass
class History:
    """Times are of this machine's clock, which the gateways' own may be made to differ from."""

    start: float = field(default_factory=time.time)
    flows: dict[int, Flow] = field(default_factory=dict[int, Flow])
    operations: list[Operation] = field(default_factory=list[Operation])
    disturbances: list[Disturbance] = field(default_factory=list[Disturbance])
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def now(self) -> float:
        return time.time() - self.start

    def next_number(self) -> int:
        return next(self._numbers)

    @contextmanager
    def disturbance(self, kind: str, target: str | None = None) -> Generator[None]:
        """Notes a fault that lasts as long as the block."""
        began = self.now()
        try:
            yield
        finally:
            self.disturbances.append(Disturbance(began, self.now(), kind, target))

    def callbacks(self, flow: Flow) -> list[Operation]:
        return [one for one in self.operations if one.flow == flow.number]

    def __str__(self) -> str:
        events: list[Operation | Disturbance] = [*self.operations, *self.disturbances]
        return "\n".join(str(one) for one in sorted(events, key=lambda one: one.began))
