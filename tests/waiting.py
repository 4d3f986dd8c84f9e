"""Waiting for what is bound to come, in another process or another task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 60
"""Seconds after which a test fails. Nothing takes a tenth of it, unless the machine is very busy."""


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Waits until the condition holds. It may be async."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} seconds: {what}")
