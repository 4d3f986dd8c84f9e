"""One callback's attempt to redeem a state, and what it holds once it has the claim."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from models.authorization_request import AuthorizationRequest
from models.statement import loaded
from resolvers.context import Registration
from resolvers.states import state_hash

BINDING: Final = ("state_hash", "user_id", "provider", "redirect_uri", "registration")
"""All that a state is bound to, as the table names it; `Attempt.binding` has the values in this order."""

BOUND: Final = " AND ".join(f"{name} = ${place}" for place, name in enumerate(BINDING, 1))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One callback's wish to redeem a state. `answer_hash` is of what the provider sent: a code, or a refusal."""

    user: str
    registration: Registration
    redirect_uri: str
    key: str
    answer_hash: str
    owner: str

    @classmethod
    def of(cls, user: str, registration: Registration, redirect_uri: str, state: str, answer: str) -> Attempt:
        digest = hashlib.sha256(answer.encode()).hexdigest()
        return cls(user, registration, redirect_uri, state_hash(state), digest, uuid4().hex)

    @property
    def binding(self) -> tuple[str, str, str, str, str]:
        """A callback that differs in any of it is told INVALID_STATE."""
        registration = self.registration
        return self.key, self.user, registration.provider.slug, self.redirect_uri, registration.fingerprint


@dataclass(frozen=True, slots=True)
class Reading:
    """The database's clock, read between two moments of the running loop's, which is wrong by what lies between."""

    moment: datetime
    before: float
    since: float

    @classmethod
    def of(cls, moment: datetime | str, before: float) -> Reading:
        """`before` is the loop's time when it was asked for; SQLite gives a text."""
        read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return cls(read, before, asyncio.get_running_loop().time())

    @property
    def error(self) -> float:
        return self.since - self.before


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that is ours alone to exchange, and the version of the connection that it will renew, 0 for none.

    `claimed_at` is of the database's clock, `since` the same moment of the running loop's.
    """

    request: AuthorizationRequest
    version: int
    claimed_at: datetime
    since: float

    @classmethod
    def of(cls, row: dict[str, Any], reading: Reading) -> Claim:
        return cls(loaded(AuthorizationRequest, row), row["version"] or 0, reading.moment, reading.since)

    def at(self, time: float) -> datetime:
        """What the database's clock said at this time of the running loop."""
        return self.claimed_at + timedelta(seconds=time - self.since)
