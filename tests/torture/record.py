"""All that a run is judged by: the history, what the provider logged and gave, what lies in the database in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from tests.torture.history import Disturbance, Flow, History, Operation

_SHORTLY = 0.5


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that reached the token endpoint. `at` is seconds since the run began, `outcome` the sandbox's word."""

    code: str
    at: float
    outcome: str
    fault: str | None = None

    def __str__(self) -> str:
        spoiled = f" under the fault {self.fault}" if self.fault else ""
        return (
            f"{self.at:9.3f}             the provider is asked for tokens with {self.code} -> {self.outcome}{spoiled}"
        )


@dataclass(frozen=True, slots=True)
class Token:
    """What the provider gave, and its `state` there in the end: live, rotated, expired or revoked."""

    value: str
    kind: str
    account: str
    state: str


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A row, its tokens opened. `unreadable` says why they could not be; `accepted` is the provider's word."""

    id: str
    user: str
    provider: str
    status: str
    created_at: str
    access: str | None
    refresh: str | None
    accepted: bool
    unreadable: str | None = None

    def __str__(self) -> str:
        state = self.unreadable or ("accepted by the provider" if self.accepted else "not accepted by the provider")
        return f"      end             stored: {self.id} of {self.user} at {self.provider}, {self.status}, {state}"


@dataclass(frozen=True, slots=True)
class StoredRequest:
    state_hash: str
    user: str
    status: str

    def __str__(self) -> str:
        return f"      end             stored: the request of {self.user} is {self.status}"


@dataclass(frozen=True)
class Record:
    """`lease` and `provider_timeout` are in seconds. `settled` is when all faults had ended."""

    history: History
    exchanges: list[Exchange]
    tokens: dict[str, Token]
    connections: list[StoredConnection]
    requests: list[StoredRequest]
    lease: float
    provider_timeout: float
    settled: float

    @property
    def flows(self) -> Iterable[Flow]:
        return self.history.flows.values()

    def callbacks(self, flow: Flow) -> list[Operation]:
        """What was sent for the flow, by whomever and with whatever code, in the order of the answers."""
        return sorted(self.history.callbacks(flow), key=lambda one: one.ended)

    def right(self, flow: Flow) -> list[Operation]:
        """The callbacks as they should be: the user's own, with the code that the provider gave."""
        return [one for one in self.callbacks(flow) if one.user == flow.user and one.code == flow.code]

    def others(self, flow: Flow) -> list[Operation]:
        """What the user sent with another code."""
        return [one for one in self.callbacks(flow) if one.user == flow.user and one.code != flow.code]

    def final(self, flow: Flow) -> list[Operation]:
        """The right callbacks with a final answer. INVALID_STATE is final: it is never sent while another code, which
        may yet be released unspent, holds the state."""
        return [one for one in self.right(flow) if not one.answer.passing]

    def acknowledged(self, flow: Flow) -> list[Operation]:
        return [one for one in self.final(flow) if one.answer.outcome == "ok"]

    def exchanges_of(self, flow: Flow) -> list[Exchange]:
        sent = {one.code for one in self.callbacks(flow)}
        return [one for one in self.exchanges if one.code in sent]

    def issued(self, flow: Flow) -> list[Exchange]:
        """The exchanges that gave tokens for the flow's own code."""
        return [one for one in self.exchanges if one.code == flow.code and one.outcome == "issued"]

    def stored(self, user: str, provider: str) -> list[StoredConnection]:
        return [one for one in self.connections if (one.user, one.provider) == (user, provider)]

    def flow_of_account(self, account: str) -> Flow | None:
        return next((flow for flow in self.flows if flow.account == account), None)

    def disturbed(self, tried: Iterable[Operation]) -> list[Disturbance]:
        """The faults that fell into the time of these operations."""
        tried = list(tried)
        began, ended = min(one.began for one in tried), max(one.ended for one in tried)
        return [one for one in self.history.disturbances if one.began <= ended and one.ended >= began]

    def story(self, flow: Flow) -> Iterator[object]:
        """All that concerns a flow, in order of time."""
        callbacks = sorted(self.callbacks(flow), key=lambda one: one.began)
        timed: list[tuple[float, object]] = [(one.began, one) for one in callbacks]
        timed.extend((one.at, one) for one in self.exchanges_of(flow))
        if callbacks:
            timed.extend((one.began, one) for one in self.history.disturbances if _falls_into(one, callbacks))
        ordered = [event for _, event in sorted(timed, key=lambda pair: pair[0])]
        return chain(ordered, self.stored(flow.user, flow.provider))


def _falls_into(fault: Disturbance, callbacks: list[Operation]) -> bool:
    """Whether it may have to do with one of them: it concerns their gateway or all, just before or while they ran."""
    return any(
        fault.target in (None, one.gateway) and fault.began <= one.ended and fault.ended >= one.began - _SHORTLY
        for one in callbacks
    )
