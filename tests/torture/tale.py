"""Histories written by hand, to see what the checker makes of them."""

from __future__ import annotations

from typing import Any

from tests.torture.calling import REST
from tests.torture.history import OK, Answer, Disturbance, Flow, History, Operation
from tests.torture.record import Exchange, Record, StoredConnection, StoredRequest, Token

LEASE, TIMEOUT, SETTLED = 6.5, 1.5, 50.0
CREATED = "2026-11-23T12:00:00.000Z"
_STATUS = {OK: 201, "INVALID_STATE": 400, "INVALID_GRANT": 400, "SERVICE_UNAVAILABLE": 503, "PROVIDER_UNAVAILABLE": 500}
_PASSING = ("SERVICE_UNAVAILABLE",)


def connection(user: str, provider: str = "sandbox", **changed: Any) -> dict[str, Any]:
    """As both interfaces show it."""
    shown = {"id": f"{user} at {provider}", "userId": user, "providerId": provider, "providerSlug": provider}
    return shown | {"status": "connected", "lastSyncAt": None, "createdAt": CREATED} | changed


class Tale:
    """Times are seconds since the run began; after SETTLED all faults are over."""

    def __init__(self) -> None:
        self.history = History(start=0)
        self.exchanges: list[Exchange] = []
        self.tokens: dict[str, Token] = {}
        self.connections: list[StoredConnection] = []
        self.requests: list[StoredRequest] = []

    def flow(self, user: str = "ann", provider: str = "sandbox", error: str | None = None) -> Flow:
        number = self.history.next_number()
        code = "" if error else f"code-{number}"
        flow = Flow(number, user, provider, f"state-{number}", code, f"account-{number}", error)
        self.history.flows[number] = flow
        return flow

    def callback(self, flow: Flow, outcome: str = OK, at: float = 1, took: float = 0.3, **more: Any) -> None:
        """`more`: answer, user, code, gateway."""
        user, code = more.get("user", flow.user), more.get("code", flow.code)
        data = {"connection": more.get("shown", connection(flow.user, flow.provider))} if outcome == OK else None
        plain = Answer(outcome, _STATUS.get(outcome, 0), outcome in _PASSING, data)
        gateway, answer = more.get("gateway", "gateway-1"), more.get("answer", plain)
        self.history.operations.append(
            Operation(at, at + took, "callback", user, gateway, REST, answer, flow=flow.number, code=code)
        )

    def listing(self, user: str, about: str, at: float, *shown: dict[str, Any], outcome: str = OK) -> None:
        data = {"connections": list(shown)} if outcome == OK else None
        answer = Answer(outcome, 200 if outcome == OK else 403, data=data)
        self.history.operations.append(Operation(at, at + 0.1, "list", user, "gateway-1", REST, answer, about=about))

    def exchange(self, flow: Flow, at: float = 1.1, outcome: str = "issued", **more: Any) -> None:
        self.exchanges.append(Exchange(more.get("code", flow.code), at, outcome, more.get("fault")))
        if outcome == "issued":
            for kind in ("access_token", "refresh_token"):
                value = f"{kind} of {flow.number}"
                self.tokens[value] = Token(value, kind, flow.account, "live")

    def store(self, flow: Flow, **changed: Any) -> None:
        row: dict[str, Any] = {
            "id": f"{flow.user} at {flow.provider}",
            "user": flow.user,
            "provider": flow.provider,
            "status": "connected",
            "created_at": CREATED,
            "access": f"access_token of {flow.number}",
            "refresh": f"refresh_token of {flow.number}",
            "accepted": True,
        }
        self.connections.append(StoredConnection(**row | changed))

    def request(self, flow: Flow, status: str) -> None:
        self.requests.append(StoredRequest(flow.state, flow.user, status))

    def disturbance(self, kind: str, began: float, ended: float, target: str | None = None) -> None:
        self.history.disturbances.append(Disturbance(began, ended, kind, target))

    def connected(self, user: str = "ann", at: float = 1) -> Flow:
        """A flow as it should be, sent once more in the end."""
        flow = self.flow(user)
        self.exchange(flow, at + 0.1)
        self.callback(flow, at=at)
        self.callback(flow, at=SETTLED + at)
        self.request(flow, "completed")
        return flow

    @property
    def record(self) -> Record:
        parts = (self.exchanges, self.tokens, self.connections, self.requests)
        return Record(self.history, *parts, lease=LEASE, provider_timeout=TIMEOUT, settled=SETTLED)
