"""All that a run is judged by: what callers did and heard, what the provider logged, and what is there in the end.

Times are seconds since the run began, by the clock of this machine. Tokens are named by their ids in the sandbox's log.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.torture.history import Answer, Disturbance

# Some time passes until a process is dead, and until it listens again.
KILL, RESTART = "kill -9 of", "restart of"
CONNECT, DISCONNECT, ISSUE = "connect", "disconnect", "issue"
# Seconds from the answer of the provider to the commit, at most, as far as a kill in between is concerned.
_COMMIT = 1.0


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody asked a gateway for. `user` is whose connection it is about. If a token was issued, `token` is its
    id, and `accepted` whether the provider accepted it at `checked`."""

    began: float
    ended: float
    action: str
    user: str
    gateway: str
    answer: Answer
    token: str | None = None
    accepted: bool | None = None
    checked: float = 0.0

    def __str__(self) -> str:
        told = {None: "", True: ", accepted", False: ", not accepted"}[self.accepted]
        token = f" {self.token}{told}" if self.token else ""
        outcome = self.answer.outcome
        times = f"{self.began:9.3f} to {self.ended:7.3f}"
        return f"{times}  {self.action} for {self.user} at {self.gateway} -> {outcome}{token}"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that reached the provider's endpoint for tokens or revocations. `via` is the process that sent it."""

    seq: int
    endpoint: str
    grant_type: str | None
    family: int | None
    sent: str | None
    issued: tuple[str, ...]
    at: float
    closed: float | None
    hung_up: float | None
    outcome: str
    fault: str | None = None
    reuse: bool = False
    ended: tuple[int, ...] = ()
    via: str | None = None

    @property
    def end(self) -> float:
        """When the client had its answer or was gone."""
        return self.hung_up or self.closed or math.inf

    @property
    def stray(self) -> bool:
        """Whether the client was gone before the request was read. It may have been sent long before."""
        return self.hung_up is not None and self.hung_up <= self.at

    @property
    def refreshes(self) -> bool:
        return self.grant_type == "refresh_token"

    def __str__(self) -> str:
        spoiled = f" under the fault {self.fault}" if self.fault else ""
        gone = f", the client was gone at {self.hung_up:.3f}" if self.hung_up else ""
        ended = f", which ended {self.ended}" if self.ended else ""
        asked = f"{self.grant_type or self.endpoint} of family {self.family} by {self.via} with {self.sent}"
        given = f"{self.outcome}{spoiled} {' '.join(self.issued)}"
        return f"{self.at:9.3f} to {self.end:7.3f}  provider: {asked} -> {given}{ended}{gone}"


@dataclass(frozen=True, slots=True)
class Family:
    """All tokens of one consent. `ended` is why they ended, None while they are valid."""

    number: int
    provider: str
    account: str
    ended: str | None = None
    ended_at: float | None = None

    def __str__(self) -> str:
        state = f"ended at {self.ended_at:.3f} ({self.ended})" if self.ended else "is valid"
        return f"      end             family {self.number} of {self.account} at {self.provider} {state}"


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    family: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Row:
    """A connection as it is stored. `access` and `refresh` are the ids of its tokens."""

    id: str
    user: str
    provider: str
    status: str
    reason: str | None
    access: str | None
    refresh: str | None
    unsure: int = 0

    def __str__(self) -> str:
        state = f"{self.status} ({self.reason})" if self.reason else self.status
        return f"      end             stored: connection of {self.user} at {self.provider} is {state}, {self.refresh}"


@dataclass(frozen=True, slots=True)
class Revocation:
    connection: str
    provider: str
    status: str

    def __str__(self) -> str:
        return f"      end             stored: revocation of {self.connection} at {self.provider} is {self.status}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: of a lease, of a stray request's life, and of what a caller may wait in addition to a lease."""

    lease: float
    quiet: float
    patience: float = 10.0


@dataclass(frozen=True)
class Record:
    """`settled` is when all faults had ended. `only_tokens` are the providers whose revocations end only the tokens of
    one consent, and `leaks` are places where a token was found in plain text."""

    timing: Timing
    settled: float
    only_tokens: frozenset[str]
    acts: list[Act] = field(default_factory=list[Act])
    disturbances: list[Disturbance] = field(default_factory=list[Disturbance])
    calls: list[Call] = field(default_factory=list[Call])
    families: dict[int, Family] = field(default_factory=dict[int, Family])
    tokens: dict[str, Token] = field(default_factory=dict[str, Token])
    rows: list[Row] = field(default_factory=list[Row])
    revocations: list[Revocation] = field(default_factory=list[Revocation])
    leaks: list[str] = field(default_factory=list[str])

    def of(self, user: str, *actions: str) -> list[Act]:
        """In the order of their beginning."""
        found = [act for act in self.acts if act.user == user and act.action in (actions or (act.action,))]
        return sorted(found, key=lambda act: act.began)

    def refreshes(self, family: int | None = None) -> list[Call]:
        """In the order of their arrival."""
        return [one for one in self.calls if one.refreshes and family in (None, one.family)]

    def issuing(self, family: int) -> list[Call]:
        """What gave tokens of the family, in order."""
        return [one for one in self.calls if one.family == family and one.issued]

    def first_use(self, token: str) -> Call | None:
        """The call that used it up."""
        return next((one for one in self.calls if one.refreshes and one.sent == token and one.issued), None)

    def unheard(self, call: Call) -> bool:
        """Whether the answer may not have been stored: it never came, or the client died on it."""
        if call.hung_up is not None or call.fault == "lost":
            return True
        return any(
            one.kind == KILL
            and one.target == call.via
            and one.ended >= call.at
            and one.began <= (call.closed or call.at) + _COMMIT
            for one in self.disturbances
        )

    def family_of(self, row: Row) -> Family | None:
        token = self.tokens.get(row.refresh or "") or self.tokens.get(row.access or "")
        return self.families.get(token.family) if token else None

    def story(self, *families: int, user: str | None = None) -> Iterable[object]:
        """What concerns them, in the order of time."""
        calls = [one for one in self.calls if one.family in families]
        timed: list[tuple[float, object]] = [(one.at, one) for one in calls]
        timed += [(one.began, one) for one in self.of(user)] if user else []
        senders = {one.via for one in calls}
        timed += [
            (one.began, one)
            for one in self.disturbances
            if one.target in senders and any(call.at - 1 <= one.began <= call.end + 1 for call in calls)
        ]
        ordered = [event for _, event in sorted(timed, key=lambda pair: pair[0])]
        rows = [row for row in self.rows if row.user == user]
        return [*ordered, *(self.families[one] for one in families if one in self.families), *rows]
