"""What is logged and how: by the level, in production and in dev, of Tendon and of libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.logs import _Stream
from tests.processes import environment

# In a process of its own, as the format is set once for a process.
_PROGRAM = """
import asyncio, logging, sys, warnings
import structlog
from gateway import logs

logs.set_up(sys.argv[1], dev=sys.argv[2] == "dev")
log = structlog.get_logger("tendon")
log.debug("of.debugging")
with structlog.contextvars.bound_contextvars(request_id="r"):
    log.info("of.interest", number=1)
log.error("of.importance")
for name in ("asyncio", "tortoise", "uvicorn.error", "some.library"):
    logging.getLogger(name).debug("a statement with CANARY")
    logging.getLogger(name).info("a URL with CANARY")
    logging.getLogger(name).warning("%s warns", name)
try:
    raise ZeroDivisionError("CANARY")
except ZeroDivisionError:
    logging.getLogger("asyncio").exception("it failed")
logging.getLogger("asyncio").error("without one", exc_info=True)

loop = asyncio.new_event_loop()
loop.call_exception_handler({"message": "it was lost", "note": "CANARY", "exception": ZeroDivisionError("CANARY")})
loop.close()
"""
LIBRARIES = [
    *("asyncio warns", "tortoise warns", "uvicorn.error warns", "some.library warns"),
    *("it failed", "without one", "it was lost"),
]


def logged(folder: Path, level: str, mode: str = "production") -> str:
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, level, mode],
        cwd=folder,
        env=environment(PYTHONPATH=":".join(path for path in sys.path if path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout == ""
    assert "CANARY" not in run.stderr
    return run.stderr


@pytest.mark.parametrize(
    ("level", "own"),
    [
        ("DEBUG", ["of.debugging", "of.interest", "of.importance"]),
        ("INFO", ["of.interest", "of.importance"]),
        ("ERROR", ["of.importance"]),
    ],
)
def test_production_logs_json_from_its_level_on(tmp_path: Path, level: str, own: list[str]) -> None:
    """Libraries from WARNING on, without the text of an exception."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged(tmp_path, level).splitlines()]
    assert [line["event"] for line in lines] == [*own, *LIBRARIES]
    for line in lines:
        assert line["timestamp"].endswith("Z")
        assert line["level"] in ("debug", "info", "warning", "error")
    found = {line["event"]: line for line in lines}
    if "of.interest" in found:
        assert (found["of.interest"]["number"], found["of.interest"]["request_id"]) == (1, "r")
    assert "request_id" not in found["of.importance"]
    assert found["it failed"]["error"] == "ZeroDivisionError"
    assert "error" not in found["without one"]


def test_dev_logs_lines_for_people(tmp_path: Path) -> None:
    lines = logged(tmp_path, "INFO", "dev").splitlines()
    assert [line.split("] ", 1)[1].split("  ")[0] for line in lines] == ["of.interest", "of.importance", *LIBRARIES]
    assert "number=1" in lines[0]
    assert "\x1b" not in lines[0]


class Broken:
    """A file whose reader has gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_line_that_can_not_be_written_is_dropped() -> None:
    broken: Any = Broken()
    _Stream(broken).write("x")
    _Stream(broken).flush()
