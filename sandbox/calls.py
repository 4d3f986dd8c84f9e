"""The log of calls: what reached the providers, when, with which tokens, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(slots=True, eq=False)
class Call:
    """One request with its raw values; times are in epoch seconds. `headers` are those that the entry names.

    `time` is when it was read, `handled_at` when it was processed (None if it was not), `closed_at` when the answer had
    been sent or the connection was closed, and `hung_up_at` when the client was seen to have gone before that. It is
    `time` if the client had gone when the request was read.
    `auth` is the client authentication that it used.

    `outcome` is the result: `pending`, `issued`, `extended`, an RFC error code, `shown`, `approved`, `denied`,
    `served`, `revoked` …, or the name of the fault that prevented processing; `detail` says why an error was sent.
    `code` is the code that the token endpoint received or the authorization endpoint issued.

    `grant`, `family` and `account` are those of the token or code that was sent; `sent` is its id, and `issued` has the
    ids of the tokens in the answer. `reuse` says that it was used before and no longer works, and `ended` lists the
    families that the call ended.
    """

    seq: int
    slug: str
    site: str
    endpoint: str
    method: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]
    authorization: str | None
    auth: str
    grant_type: str | None
    code: str | None
    grant: int | None = None
    family: int | None = None
    account: str | None = None
    sent: str | None = None
    issued: list[str] = field(default_factory=list[str])
    reuse: bool = False
    ended: list[int] = field(default_factory=list[int])
    time: float = field(default_factory=time.time)
    handled_at: float | None = None
    closed_at: float | None = None
    hung_up_at: float | None = None
    fault: str | None = None
    outcome: str = "pending"
    detail: str | None = None


FILTERS = ("slug", "site", "endpoint", "code", "grant_type", "account", "family", "sent", "outcome")


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

    def listing(self, filters: Mapping[str, str] = MappingProxyType({}), *, after: int = 0) -> list[dict[str, Any]]:
        """The calls after that number that match the filters: field name to value."""
        return [
            asdict(call)
            for call in self._calls[after:]
            if all(str(getattr(call, name)) == filters[name] for name in filters)
        ]
