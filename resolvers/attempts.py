"""One callback's attempt to redeem a state, and what it holds once it has the claim."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.authorization_request import StateBinding, state_hash
from models.request_claim import ClaimedRequest
from resolvers.context import Registration


@dataclass(frozen=True, slots=True)
class Attempt:
    """One callback's wish to redeem a state. `answer_hash` is of what the provider sent: a code, or a refusal."""

    binding: StateBinding
    registration: Registration
    answer_hash: str
    owner: str

    @classmethod
    def of(cls, user: str, registration: Registration, redirect_uri: str, state: str, answer: str) -> Attempt:
        slug = registration.provider.slug
        binding = StateBinding(state_hash(state), user, slug, redirect_uri, registration.fingerprint)
        digest = hashlib.sha256(answer.encode()).hexdigest()
        return cls(binding, registration, digest, secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Reading:
    """The database's clock, read between two moments of the running loop's, which is wrong by what lies between."""

    moment: datetime
    before: float
    since: float

    @classmethod
    def of(cls, read: datetime, before: float) -> Reading:
        """`before` is the loop's time when it was asked for."""
        return cls(read, before, asyncio.get_running_loop().time())

    @property
    def error(self) -> float:
        return self.since - self.before


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that is ours alone to exchange.

    `claimed_at` is of the database's clock, `since` the same moment of the running loop's, or up to `error` seconds
    after it. The lease lasts until `until` of the loop's time, at least.
    """

    request: ClaimedRequest
    claimed_at: datetime
    since: float
    error: float
    until: float

    @classmethod
    def of(cls, request: ClaimedRequest, reading: Reading, until: float) -> Claim:
        return cls(request, reading.moment, reading.since, reading.error, until)

    def at(self, time: float) -> datetime:
        """What the database's clock said at this time of the running loop, at least."""
        return self.claimed_at + timedelta(seconds=time - self.since)
