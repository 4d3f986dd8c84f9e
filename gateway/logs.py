"""Logging: one line for each event, as JSON in production and readable in dev. Libraries log from WARNING on only."""

from __future__ import annotations

import atexit
import logging
import sys
from contextlib import suppress
from typing import Any, Final, TextIO

import structlog

from gateway.output import discard

# Below WARNING, these log URLs, headers, and statements with their values.
_LIBRARIES: Final = ("asyncio", "strawberry", "tortoise", "uvicorn")


def set_up(level: str, *, dev: bool) -> None:
    """Log to standard error: Tendon from `level` on, libraries from WARNING on."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if dev else structlog.processors.JSONRenderer()
    stream: Any = _Stream(sys.stderr)
    atexit.register(stream.end)
    # Not through `logging`, which costs five times as much. Events below the level cost nothing.
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
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Stream:
    """Drops log lines that can't be written, because the reader has gone or the disk is full: no request may fail
    because of that."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
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

    def end(self) -> None:
        """Drops what is still in the buffer and can't be written, so that the exit status is that of the command."""
        with suppress(ValueError):  # closed
            try:
                self._flush()
            except OSError:
                discard(self._stream)


def _without_trace(_logger: Any, _method: str, event: Any) -> Any:
    """Keeps only the type of an exception: its text and traceback may contain what a user or a provider sent. asyncio
    repeats the text below its message."""
    event["event"] = event["event"].partition("\n")[0]
    trace: Any = event.pop("exc_info", None)
    if trace and trace[0] is not None:
        event["error"] = trace[0].__qualname__
    event.pop("exc_text", None)
    return event
