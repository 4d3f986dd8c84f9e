"""Logs: one line an event, JSON in production, readable in dev. Only Tendon's own events go below WARNING."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, TextIO

import structlog

# Below WARNING they write URLs, headers and statements with their values.
_CHATTY: Final = ("asyncio", "httpx", "strawberry", "tortoise", "uvicorn")


def set_up(level: str, *, dev: bool) -> None:
    """Everything to standard error, libraries from WARNING on, Tendon from `level` on."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if dev else structlog.processors.JSONRenderer()
    stream: Any = _Stream(sys.stderr)
    # Straight to the file: the way through `logging` costs five times as much, and what is below the level nothing.
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_trace, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Stream:
    """Drops log lines that can't be written, because their reader has gone or the disk is full: requests must not fail
    for that."""

    def __init__(self, stream: TextIO) -> None:
        self._write = stream.write
        self._flush = stream.flush

    def write(self, text: str) -> None:
        try:  # noqa: SIM105 - `suppress` takes longer than the write
            self._write(text)
        except OSError:
            pass

    def flush(self) -> None:
        try:  # noqa: SIM105
            self._flush()
        except OSError:
            pass


def _without_trace(_logger: Any, _method: str, event: Any) -> Any:
    """An exception's text may hold what a user or a provider sent; its type is enough to find the place."""
    trace: Any = event.pop("exc_info", None)
    if trace and trace[0] is not None:
        event["error"] = trace[0].__qualname__
    event.pop("exc_text", None)
    return event
