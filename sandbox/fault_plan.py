"""The planned faults: which calls they are for, and in which order they happen; and the calls that are held."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.calls import Call

SCRIPTED = "scripted"
"""The name of the fault whose answer the script supplies."""


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer that a script defined. It is sent unchanged instead of the correct one."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, eq=False)
class PlannedFault:
    """For calls to one endpoint, and only for those of one `grant_type`, `account` or `site` if these are given.

    The first `skip` of them are answered correctly, then `times` get the fault; None means until it is cleared.

    `seconds` is for faults with a duration, `row` for `entry_error`, `answer` for SCRIPTED.
    """

    slug: str
    endpoint: str
    fault: str
    times: int | None
    seconds: float | None
    grant_type: str | None = None
    account: str | None = None
    skip: int = 0
    row: int = 0
    answer: ScriptedAnswer | None = None
    site: str | None = None

    def matches(self, call: Call) -> bool:
        return (
            (self.slug, self.endpoint) == (call.slug, call.endpoint)
            and self.site in (None, call.site)
            and self.grant_type in (None, call.grant_type)
            and self.account in (None, call.account)
        )

    def duration(self, default: float) -> float:
        return default if self.seconds is None else self.seconds


class FaultPlan:
    """The planned faults that have not happened yet, in the order in which they were planned."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []
        self._held: dict[Call, asyncio.Event] = {}

    def add(self, planned: PlannedFault) -> None:
        self._planned.append(planned)

    def clear(self) -> None:
        """Forget what is planned, and release all calls that are held."""
        self._planned.clear()
        self.release({})

    def take(self, call: Call) -> PlannedFault | None:
        """The first fault for this call, which counts as one time. A fault that skips the call leaves it to others."""
        for planned in self._planned:
            if not planned.matches(call):
                continue
            if planned.skip == 0:
                self._use(planned)
                return planned
            planned.skip -= 1
        return None

    async def hold(self, call: Call) -> None:
        """Wait until the call is released."""
        released = self._held[call] = asyncio.Event()
        await released.wait()

    def release(self, wanted: Mapping[str, Any]) -> int:
        """Release the held calls that match: field name to value. Returns how many."""
        found = [call for call in self._held if all(getattr(call, name) == wanted[name] for name in wanted)]
        for call in found:
            self._held.pop(call).set()
        return len(found)

    def listing(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in asdict(one).items() if name != "answer"} for one in self._planned]

    def _use(self, planned: PlannedFault) -> None:
        if planned.times is not None:
            planned.times -= 1
            if planned.times == 0:
                self._planned.remove(planned)
