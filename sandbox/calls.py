"""The log of every call that reached the provider, in order: the truth that tests judge by. It holds raw values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(slots=True)
class Call:
    """One request. `time` is in epoch seconds; `auth` the client authentication it used.

    `outcome` is what came of it: `pending`, `issued`, `extended`, an RFC error code, `shown`, `approved`, `denied`,
    `served`, `revoked` …, or the fault's name when that kept it from being processed. `code` is the one presented at
    the token endpoint, or given at the authorization endpoint.
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


class Calls:
    def __init__(self) -> None:
        self._calls: list[Call] = []

    def open(self, **parts: Any) -> Call:
        call = Call(seq=len(self._calls) + 1, **parts)
        self._calls.append(call)
        return call

    def clear(self) -> None:
        self._calls.clear()

    def listing(self, wanted: Mapping[str, str] = MappingProxyType({})) -> list[dict[str, Any]]:
        """In order, those whose fields have the wanted values."""
        return [asdict(call) for call in self._calls if all(getattr(call, name) == wanted[name] for name in wanted)]
