"""Lets another request be processed while one waits for another system.

A server that limits how many requests it processes at a time sets `release_slot` for each request. Tasks that a request
starts inherit it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

release_slot: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar("release_slot", default=nullcontext)
"""Returns a context manager that releases the slot of the current request until its block ends. Nested blocks release
the slot once."""


def waiting() -> AbstractContextManager[None]:
    """For the `with` statement around code that waits for another system, or for the result of another request."""
    return release_slot.get()()
