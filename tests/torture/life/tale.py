"""Records written by hand, to see what the rules make of them."""

from __future__ import annotations

import math
from typing import Any

from tests.torture.history import OK, Answer, Disturbance
from tests.torture.life.record import CONNECT, KILL, RESTART, Act, Call, Family, Record, Revocation, Row, Timing, Token

SETTLED = 50.0
TIMING = Timing(lease=6.5, quiet=1)
# Of providers whose revocation ends one consent, or all that the app has.
NARROW, WIDE = "sandbox", "fitbit"


class Tale:
    """Of one user unless told otherwise. The first token of family 1 is `r1.0`, the next one `r1.1`."""

    def __init__(self) -> None:
        self.record = Record(TIMING, SETTLED, frozenset({NARROW}))

    def consent(self, number: int = 1, user: str = "ann", at: float = 1, **more: Any) -> Family:
        """The user connects, and the code is exchanged."""
        family = Family(number, more.pop("provider", NARROW), user, **more)
        self.record.families[number] = family
        self.act(CONNECT, at=at, user=user)
        self._token(f"r{number}.0", number)
        self._call(number, None, f"r{number}.0", at=at, grant_type="authorization_code")
        return family

    def refresh(self, use: int, at: float, family: int = 1, **more: Any) -> Call:
        """The refresh that uses the token of that number."""
        issued = None
        if more.get("outcome", "issued") == "issued":
            issued = f"r{family}.{use + 1}"
            self._token(issued, family)
        return self._call(family, f"r{family}.{use}", issued, at=at, grant_type="refresh_token", **more)

    def reuse(self, use: int, at: float, family: int = 1, **more: Any) -> None:
        """It is sent again, and ends the family."""
        self.refresh(use, at, family, outcome="invalid_grant", reuse=True, ended=(family,), **more)
        old = self.record.families[family]
        self.record.families[family] = Family(family, old.provider, old.account, "reuse", at)

    def act(self, action: str, outcome: str = OK, at: float = 1, took: float = 0.2, **more: Any) -> None:
        token = more.get("token")
        accepted = more.get("accepted", None if token is None else True)
        user, gateway = more.get("user", "ann"), more.get("gateway", "gateway-1")
        act = Act(at, at + took, action, user, gateway, Answer(outcome), token, accepted, at + took)
        self.record.acts.append(act)

    def store(self, token: str | None, status: str = "connected", user: str = "ann", **more: Any) -> None:
        provider = more.pop("provider", NARROW)
        self.record.rows.append(Row(f"of {user}", user, provider, status, None, token, token, **more))

    def revocation(self, status: str) -> None:
        self.record.revocations.append(Revocation("of ann", NARROW, status))

    def kill(self, at: float, target: str = "gateway-1") -> None:
        dead = at + 0.01
        self.record.disturbances.append(Disturbance(at, dead, KILL, target))
        self.record.disturbances.append(Disturbance(dead, at + 0.5, RESTART, target))

    def expire(self, token: str, at: float) -> None:
        self.record.tokens[token] = Token(token, self.record.tokens[token].family, at)

    def _token(self, name: str, family: int) -> None:
        self.record.tokens[name] = Token(name, family, math.inf)

    def _call(self, family: int, sent: str | None, issued: str | None, at: float, **more: Any) -> Call:
        call = Call(
            seq=len(self.record.calls) + 1,
            endpoint="token",
            family=family,
            sent=sent,
            issued=(issued,) if issued else (),
            at=at,
            closed=more.pop("closed", at + 0.1),
            hung_up=more.pop("hung_up", None),
            outcome=more.pop("outcome", "issued"),
            via=more.pop("via", "gateway-1"),
            **more,
        )
        self.record.calls.append(call)
        return call
