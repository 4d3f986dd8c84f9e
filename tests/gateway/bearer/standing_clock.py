"""A clock that moves only when told."""

from __future__ import annotations

from tests.gateway.bearer.token_issuer import NOW


class Clock:
    """`wall` is seconds since the epoch, which calling it gives; `uptime` is what `monotonic` gives."""

    def __init__(self) -> None:
        self.wall = NOW
        self.uptime = 1000.0

    def __call__(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.uptime

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds
