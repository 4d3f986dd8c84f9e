"""What the engine logs: where, and what kind of error, never a text."""

from __future__ import annotations

import logging

import structlog

from worker.engine_log import take_over_logs


def test_the_text_of_the_engine_is_left_out() -> None:
    take_over_logs()
    with structlog.testing.capture_logs() as logged:
        engine = logging.getLogger("dbos")
        for _ in range(2):
            engine.warning("CANARY %s", "CANARY", exc_info=RuntimeError("CANARY"))
        engine.info("CANARY")
        logging.getLogger("sqlalchemy.pool").error("CANARY")
    here = "test_engine_log.test_the_text_of_the_engine_is_left_out"
    assert logged == [{"event": "work.engine", "log_level": "warning", "at": here, "error": "RuntimeError"}]
