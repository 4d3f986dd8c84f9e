"""The fields that all log lines of a request, or of a unit of work, have in common.

A task inherits them from the task that starts it. One that is not about the same request starts with an empty
`contextvars.Context`."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

LOG_CONTEXT: Final[ContextVar[Mapping[str, str]]] = ContextVar("log_context", default={})  # noqa: B039 - never changed
