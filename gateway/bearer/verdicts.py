"""A cache of verification results by the token's hash. It keeps no tokens, so that a memory dump contains none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec
from cachetools import TLRUCache

from resolvers.caller import Caller
from resolvers.errors import InvalidToken

SIZE = 10_000
MAX_CACHED = 30.0  # maximum seconds for which the result for a valid token is cached


class Verdict(msgspec.Struct, frozen=True):
    """The result of verifying a token: its caller, or why it was rejected. It may be cached for `seconds`."""

    found: Caller | InvalidToken
    seconds: float

    def caller(self) -> Caller:
        """The caller. Raises InvalidToken if the token was rejected."""
        if isinstance(self.found, InvalidToken):
            # A new exception each time: one that is raised repeatedly would accumulate tracebacks.
            raise InvalidToken(self.found.reason, subject=self.found.subject, client_id=self.found.client_id)
        return self.found


class VerdictCache:
    """The verdicts on at most SIZE tokens. The least recently used one is evicted first. `monotonic` returns the time
    in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._cache: TLRUCache[bytes, Verdict, float] = TLRUCache(SIZE, _expiry, timer=monotonic)

    def get(self, token: str) -> Verdict | None:
        return self._cache.get(_key(token))

    def put(self, token: str, verdict: Verdict) -> None:
        """Cache the verdict for its `seconds`."""
        self._cache[_key(token)] = verdict


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


def _expiry(_key: bytes, verdict: Verdict, now: float) -> float:
    return now + verdict.seconds
