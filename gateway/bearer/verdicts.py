"""Caches what was found out about tokens. The tokens themselves are not kept, so a memory dump contains none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TLRUCache

from resolvers.caller import Caller
from resolvers.errors import InvalidToken

SIZE = 10_000
LONGEST = 30.0  # seconds for which a good token is accepted without asking again


@dataclass(frozen=True, slots=True)
class Verdict:
    """The token's caller, or why it was refused; `seconds` is how long the verdict may be cached."""

    found: Caller | InvalidToken
    seconds: float

    def caller(self) -> Caller:
        """The caller. Raises InvalidToken when there is none."""
        if isinstance(self.found, InvalidToken):
            # A new exception each time: one raised to many callers would collect all their tracebacks.
            raise InvalidToken(self.found.reason, subject=self.found.subject, client_id=self.found.client_id)
        return self.found


class VerdictCache:
    """The verdicts on at most SIZE tokens. The least recently used is dropped first. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._cache: TLRUCache[bytes, Verdict, float] = TLRUCache(SIZE, _expiry, timer=monotonic)

    def get(self, token: str) -> Verdict | None:
        return self._cache.get(_key(token))

    def put(self, token: str, verdict: Verdict) -> None:
        """Cache the verdict until its seconds are over."""
        self._cache[_key(token)] = verdict


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


def _expiry(_key: bytes, verdict: Verdict, now: float) -> float:
    return now + verdict.seconds
