"""Waiting for what is bound to come, in another process or another task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 60
"""Seconds after which a test fails. Nothing takes a tenth of it, unless the machine is very busy."""


# Seconds. A condition that takes long, such as one that opens a session, is looked at less often: a fifth of the time.
_PAUSE = 0.02
_SHARE = 4


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Waits until the condition holds. It may be async."""
    end = time.monotonic() + PATIENCE
    while (began := time.monotonic()) < end:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(max(_PAUSE, _SHARE * (time.monotonic() - began)))
    raise AssertionError(f"not within {PATIENCE} seconds: {what}")
