"""Which faults are still to come, in the order they were planned."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCRIPTED = "scripted"
"""The name of the fault whose answer the script supplies."""


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer that is sent as given, in place of the right one."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Planned:
    """`times` None means until it is cleared; `seconds` is for faults with a duration, `answer` for SCRIPTED."""

    slug: str
    endpoint: str
    fault: str
    times: int | None
    seconds: float | None
    answer: ScriptedAnswer | None = None


class Plan:
    def __init__(self) -> None:
        self._planned: list[Planned] = []

    def add(self, planned: Planned) -> None:
        self._planned.append(planned)

    def clear(self) -> None:
        self._planned.clear()

    def take(self, slug: str, endpoint: str) -> Planned | None:
        """The next fault for a call to this endpoint, used up by one."""
        for planned in self._planned:
            if (planned.slug, planned.endpoint) == (slug, endpoint):
                self._use(planned)
                return planned
        return None

    def listing(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in asdict(one).items() if name != "answer"} for one in self._planned]

    def _use(self, planned: Planned) -> None:
        if planned.times is not None:
            planned.times -= 1
            if planned.times == 0:
                self._planned.remove(planned)
