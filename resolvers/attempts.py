"""One callback's attempt to redeem a state, and what it holds once it has the claim."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from models.statement import Row, moment
from resolvers.context import Registration
from resolvers.states import state_hash

BINDING: Final = ("state_hash", "user_id", "provider", "redirect_uri", "registration")
"""All that a state is bound to, as the table names it; `Attempt.binding` has the values by these names."""

BOUND: Final = " AND ".join(f"{name} = :{name}" for name in BINDING)


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
        return cls(user, registration, redirect_uri, state_hash(state), digest, secrets.token_hex(16))

    @property
    def binding(self) -> dict[str, str]:
        """A callback that differs in any of it is told INVALID_STATE."""
        registration = self.registration
        bound = (self.key, self.user, registration.provider.slug, self.redirect_uri, registration.fingerprint)
        return dict(zip(BINDING, bound, strict=True))


@dataclass(frozen=True, slots=True)
class Reading:
    """The database's clock, read between two moments of the running loop's, which is wrong by what lies between."""

    moment: datetime
    before: float
    since: float

    @classmethod
    def of(cls, read: datetime | str, before: float) -> Reading:
        """`before` is the loop's time when it was asked for."""
        return cls(moment(read), before, asyncio.get_running_loop().time())

    @property
    def error(self) -> float:
        return self.since - self.before


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is known of an authorization request that is ours. `verifier` is sealed."""

    user_id: str
    provider: str
    scopes: list[str]
    verifier: bytes | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that is ours alone to exchange, and the version of the connection that it will renew, 0 for none.

    `claimed_at` is of the database's clock, `since` the same moment of the running loop's, or up to `error` seconds
    after it. The lease lasts until `until` of the loop's time, at least.
    """

    request: Claimed
    version: int
    claimed_at: datetime
    since: float
    error: float
    until: float

    @classmethod
    def of(cls, attempt: Attempt, row: Row, reading: Reading, until: float) -> Claim:
        """A row of scopes, verifier, claimed_at and version."""
        scopes, verifier, _, version = row
        request = Claimed(attempt.user, attempt.registration.provider.slug, json.loads(scopes), verifier)
        return cls(request, version or 0, reading.moment, reading.since, reading.error, until)

    def at(self, time: float) -> datetime:
        """What the database's clock said at this time of the running loop, at least."""
        return self.claimed_at + timedelta(seconds=time - self.since)
