"""A rate limit for each caller, counted in this process: with N processes, a caller may have N times as many.

The generic cell rate algorithm (ITU-T I.371, A.1): a token bucket of which only one number is stored, the time at which
it will be full. The library `limits` goes through all callers that it knows after every hit: with 100,000 callers and
500 hits a second, that takes a whole core.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from resolvers.caller import Caller
from resolvers.errors import RateLimited

log = structlog.get_logger("tendon")

# Callers that are remembered. Each takes about 200 bytes.
REMEMBERED: Final = 50_000
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
_NOTATION: Final = re.compile(rf"([1-9][0-9]{{0,6}})/({'|'.join(_SECONDS)})")


class Rate:
    """`count` operations every `seconds`, which may come at once after a pause of that length."""

    def __init__(
        self, count: int, seconds: float, *, remembered: int = REMEMBERED, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._interval = seconds / count
        self._whole = seconds
        self._remembered = remembered
        self._clock = clock
        self._full_again: OrderedDict[str, float] = OrderedDict()

    def spend(self, caller: Caller | None, operations: int = 1) -> None:
        """Count operations of a caller. Raises RateLimited, and then counts nothing.

        All requests without a bearer token count as one caller. Addresses would not tell callers apart: an attacker may
        have many of them, and everybody may come through one proxy.
        """
        seconds = self.wait(_name(caller), operations)
        if seconds:
            log.info("caller.limited", seconds=seconds)
            raise RateLimited(retry_after=seconds)

    def wait(self, name: str, operations: int = 1) -> int:
        """0 when the operations are allowed, which counts them; otherwise the seconds until they will be.

        More operations than the bucket holds count as a full bucket, or they would never be allowed.
        """
        now = self._clock()
        full_again = max(self._full_again.get(name, now), now) + min(operations, self._count) * self._interval
        excess = full_again - now - self._whole
        # Tolerates the rounding of floats.
        if excess > 1e-9 * self._whole:
            return math.ceil(excess)
        self._full_again[name] = full_again
        self._full_again.move_to_end(name)
        self._forget(now)
        return 0

    def _forget(self, now: float) -> None:
        """Forget callers whose bucket is full, which come to the front, and the least recent ones beyond the limit."""
        names = self._full_again
        for _ in range(2):
            oldest = next(iter(names), None)
            if oldest is None or (names[oldest] > now and len(names) <= self._remembered):
                break
            del names[oldest]


def read_rate(text: str) -> Rate | None:
    """`100/second`, `6000/minute`, `100000/hour`, or `off`, which is None. Raises ValueError, whose message quotes
    nothing."""
    if text == "off":
        return None
    found = _NOTATION.fullmatch(text.replace(" ", ""))
    if found is None:
        raise ValueError("must be off or a rate such as 100/second, 6000/minute or 100000/hour")
    return Rate(int(found[1]), _SECONDS[found[2]])


def _name(caller: Caller | None) -> str:
    """With the kind of caller: a user and an app may have the same id."""
    if caller is None:
        return "anonymous"
    return f"app {caller.client_id}" if caller.user is None else f"user {caller.user}"
