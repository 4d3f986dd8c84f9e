"""What was found out about tokens lately. The tokens themselves are not kept: a memory dump of it opens nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TLRUCache

from resolvers.caller import Caller
from resolvers.errors import InvalidToken

SIZE = 10_000
LONGEST = 30.0  # seconds that a good token is believed without asking again


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


class Verdicts:
    """The verdicts on at most `size` tokens, the least recently used forgotten first."""

    def __init__(self, monotonic: Callable[[], float], size: int = SIZE) -> None:
        self._cache: TLRUCache[bytes, Verdict, float] = TLRUCache(size, _until, timer=monotonic)

    def get(self, key: bytes) -> Verdict | None:
        return self._cache.get(key)

    def keep(self, key: bytes, verdict: Verdict) -> None:
        """Remember it, unless its time is over already."""
        self._cache[key] = verdict


def fingerprint(token: str) -> bytes:
    """The key of a token in the memory: its SHA-256."""
    return hashlib.sha256(token.encode("ascii")).digest()


def _until(_key: bytes, verdict: Verdict, now: float) -> float:
    return now + verdict.seconds
