"""Lets another request run while one waits for another system.

A server that limits how many requests it works on sets what releases a request's slot. What a request starts, such as a
background task, inherits it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

release_slot: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar("release_slot", default=nullcontext)
"""Releases the slot of the current request until the block ends. Nested blocks release it once."""


def waiting() -> AbstractContextManager[None]:
    """Surrounds what waits for another system: a provider, an authorization server, or another request's result."""
    return release_slot.get()()
