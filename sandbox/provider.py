"""An imitated provider with its settings; and the log of calls and the planned faults, which all providers share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from sandbox.client import Client
from sandbox.dialect import Dialect
from sandbox.token_store import TokenStore

SCRIPTED = "scripted"
"""The name of the fault whose answer the script supplies."""


@dataclass(slots=True)
class Settings:
    """What a script can change on a running provider.

    `decision` answers all authorization requests without asking. Lifetimes are in seconds and apply to codes and tokens
    that are issued from then on.
    """

    decision: str | None = None
    scope_in_answer: bool = True
    code_life: float = 60
    access_life: float = 3600


@dataclass(slots=True)
class Call:
    """One request with its raw values. `time` is in epoch seconds; `auth` is the client authentication that it used.

    `outcome` is the result: `pending`, `issued`, `extended`, an RFC error code, `shown`, `approved`, `denied`,
    `served`, `revoked` …, or the name of the fault that prevented processing. `code` is the code that the token
    endpoint received or the authorization endpoint issued.
    """

    seq: int
    slug: str
    endpoint: str
    method: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    authorization: str | None
    auth: str
    grant_type: str | None
    code: str | None
    time: float = field(default_factory=time.time)
    fault: str | None = None
    outcome: str = "pending"


class CallLog:
    """Every request that reached a provider, in order. Tests use it to find out what Tendon really sent."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def open(self, **parts: Any) -> Call:
        call = Call(seq=len(self._calls) + 1, **parts)
        self._calls.append(call)
        return call

    def clear(self) -> None:
        self._calls.clear()

    def listing(self, filters: Mapping[str, str] = MappingProxyType({})) -> list[dict[str, Any]]:
        """The calls that match the filters: field name to value."""
        return [asdict(call) for call in self._calls if all(getattr(call, name) == filters[name] for name in filters)]


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer that a script defined. It is sent unchanged instead of the correct one."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class PlannedFault:
    """`times` None means until it is cleared. `seconds` is for faults with a duration, `answer` for SCRIPTED."""

    slug: str
    endpoint: str
    fault: str
    times: int | None
    seconds: float | None
    answer: ScriptedAnswer | None = None


class FaultPlan:
    """The planned faults that have not happened yet, in the order in which they were planned."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []

    def add(self, planned: PlannedFault) -> None:
        self._planned.append(planned)

    def clear(self) -> None:
        self._planned.clear()

    def take(self, slug: str, endpoint: str) -> PlannedFault | None:
        """The next fault for a call to this endpoint, which counts as one time."""
        for planned in self._planned:
            if (planned.slug, planned.endpoint) == (slug, endpoint):
                self._use(planned)
                return planned
        return None

    def listing(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in asdict(one).items() if name != "answer"} for one in self._planned]

    def _use(self, planned: PlannedFault) -> None:
        if planned.times is not None:
            planned.times -= 1
            if planned.times == 0:
                self._planned.remove(planned)


@dataclass(slots=True)
class Provider:
    """A provider without a `client` rejects every app. All providers share `tokens`, `calls` and `faults`."""

    dialect: Dialect
    client: Client | None
    settings: Settings
    tokens: TokenStore
    calls: CallLog
    faults: FaultPlan

    @property
    def slug(self) -> str:
        return self.dialect.slug
