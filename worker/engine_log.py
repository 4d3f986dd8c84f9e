"""What the engine and its libraries log, as events of Tendon's log."""

from __future__ import annotations

import logging
import time
from typing import Final

import structlog

log = structlog.get_logger("tendon")

_LOGGERS: Final = ("dbos", "sqlalchemy", "psycopg")
# Seconds for which an event is not logged again. While the database is away, each thread logs one for each attempt.
_QUIET: Final = 60.0


def take_over_logs() -> None:
    """Log warnings and errors of the engine as `work.engine`, without their texts, which may contain statements with
    their values. `at` is the engine's function that logged it."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [_HANDLER]
        logger.propagate = False


class _Handler(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._quiet_until: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        at = f"{record.module}.{record.funcName}"
        now = time.monotonic()
        if now < self._quiet_until.get(at, 0):
            return
        self._quiet_until[at] = now + _QUIET
        error = record.exc_info[0] if record.exc_info else None
        log.warning("work.engine", at=at, **({"error": error.__qualname__} if error else {}))


# There is one, since the engine is started again and again while the database refuses it.
_HANDLER: Final = _Handler(logging.WARNING)
