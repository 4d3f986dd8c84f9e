"""The clock by which a process knows that a lease of its own, which the database's clock ends, still lasts."""

from __future__ import annotations

import time


def lease_clock() -> float:
    """Seconds that also pass while the machine is suspended, as they do for the database."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
