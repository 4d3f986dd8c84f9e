"""What is logged and how: by the level, of Tendon and of libraries, to a file and to a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.logs import json_line
from tests.processes import environment

# In a process of its own, as the format is set once for a process.
_PROGRAM = """
import asyncio, logging, sys, warnings
import structlog
from gateway import logs
from resolvers.log_context import LOG_CONTEXT

logs.set_up(sys.argv[1])
log = structlog.get_logger("tendon")
log.debug("of.debugging")

async def request():
    LOG_CONTEXT.set({"request_id": "r"})
    await asyncio.create_task(logs_in_background())

async def logs_in_background():
    log.info("of.interest", number=1, text="\\x1b[2J\\n\\ud800")

class Broken:
    def __repr__(self):
        raise ValueError("CANARY")

asyncio.run(request())
logs.bind_to_process(worker=7)
log.error("of.importance", broken=Broken())
for name in ("asyncio", "tortoise", "uvicorn.error", "some.library"):
    logging.getLogger(name).debug("a statement with CANARY")
    logging.getLogger(name).info("a URL with CANARY")
    logging.getLogger(name).warning("%s warns", name)
try:
    raise ZeroDivisionError("CANARY")
except ZeroDivisionError:
    logging.getLogger("asyncio").exception("it failed")
logging.getLogger("asyncio").error("without one", exc_info=True)
logging.getLogger("asyncio").error("its arguments don't fit %d", "CANARY")

loop = asyncio.new_event_loop()
loop.call_exception_handler({"message": "it was lost", "note": "CANARY", "exception": ZeroDivisionError("CANARY")})
loop.close()
"""
LIBRARIES = [
    *("asyncio warns", "tortoise warns", "uvicorn.error warns", "some.library warns"),
    *("it failed", "without one", "its arguments don't fit %d", "it was lost"),
]


def start(folder: Path, level: str, stderr: int) -> subprocess.Popen[str]:
    own = environment(PYTHONPATH=":".join(path for path in sys.path if path))
    command = [sys.executable, "-c", _PROGRAM, level]
    return subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=stderr, text=True)


def logged(folder: Path, level: str) -> str:
    with start(folder, level, subprocess.PIPE) as process:
        out, lines = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "CANARY" not in lines
    return lines


def shown(folder: Path) -> str:
    """What a terminal gets."""
    terminal, end = os.openpty()
    with start(folder, "INFO", end), os.fdopen(terminal, encoding="utf-8", newline="\n") as screen:
        os.close(end)
        lines = ""
        # Linux reports the end as an error.
        with suppress(OSError):
            for line in screen:
                lines += line
    return lines


@pytest.mark.parametrize(
    ("level", "own"),
    [
        ("DEBUG", ["of.debugging", "of.interest", "of.importance"]),
        ("INFO", ["of.interest", "of.importance"]),
        ("ERROR", ["of.importance"]),
    ],
)
def test_json_is_logged_from_its_level_on(tmp_path: Path, level: str, own: list[str]) -> None:
    """Libraries from WARNING on, without the text of an exception."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged(tmp_path, level).splitlines()]
    assert [line["event"] for line in lines] == [*own, *LIBRARIES]
    for line in lines:
        assert list(line)[:3] == ["timestamp", "level", "event"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", line["timestamp"])
        assert line["level"] in ("debug", "info", "warning", "error")
    found = {line["event"]: line for line in lines}
    if "of.interest" in found:
        assert (found["of.interest"]["number"], found["of.interest"]["request_id"]) == (1, "r")
        assert "worker" not in found["of.interest"]
    assert "request_id" not in found["of.importance"]
    assert {line["worker"] for name, line in found.items() if name in ("of.importance", *LIBRARIES)} == {7}
    assert found["it failed"]["error"] == "ZeroDivisionError"
    assert "error" not in found["without one"]


def test_a_terminal_gets_lines_for_people(tmp_path: Path) -> None:
    """In colours, but nothing that is logged controls it."""
    written = shown(tmp_path)
    assert "CANARY" not in written
    assert "\x1b[2J" not in written
    plain = re.sub(r"\x1b\[\d*m", "", written)
    lines = plain.split("\r\n")[:-1]
    # A line that can't be made readable is written as elsewhere.
    assert json.loads(lines.pop(1))["broken"] == "Broken"
    assert [line.split("] ", 1)[1].split("  ")[0] for line in lines] == ["of.interest", *LIBRARIES]
    assert "number=1 request_id=r text=\\x1b[2J\\n\\ud800" in lines[0]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z \[", line) for line in lines)


# On Linux, writing to it fails as on a full disk.
@pytest.mark.parametrize("output", ["/dev/full", "a pipe that nobody reads"])
def test_a_line_that_can_not_be_written_is_dropped(output: str) -> None:
    """Without an exception, and the exit status is that of the command."""
    program = "from gateway import logs; logs.set_up('INFO'); import structlog\n"
    program += (
        "for number in range(1000): structlog.get_logger().info('of.interest', number=number)\nraise SystemExit(5)"
    )
    if output == "/dev/full":
        written = os.open(output, os.O_WRONLY)
    else:
        read, written = os.pipe()
        os.close(read)
    try:
        run = subprocess.run([sys.executable, "-c", program], stderr=written, timeout=60, check=False)
    finally:
        os.close(written)
    assert run.returncode == 5


def entry(**fields: Any) -> dict[str, Any]:
    return {"timestamp": datetime(2026, 11, 30, 12, 0, 0, 5, UTC), "level": "info", "event": "of.interest", **fields}


def read(line: bytes) -> dict[str, Any]:
    """One line, and only of characters that every terminal and collector takes for what they are."""
    assert line.isascii()
    assert line.endswith(b"\n")
    text = line[:-1].decode()
    assert not re.search(r"[\x00-\x1f]", text)
    members: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list, parse_constant=pytest.fail)
    assert [name for name, _ in members][:3] == ["timestamp", "level", "event"]
    assert members[0][1] == "2026-11-30T12:00:00.000005Z"
    return dict(members)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
OTHERS = st.binary() | st.decimals() | st.dates() | st.complex_numbers()
NESTED = st.lists(PLAIN | OTHERS) | st.dictionaries(st.text() | st.integers() | st.binary(), PLAIN | OTHERS)
# No name of a field comes from outside.
FIELDS = st.dictionaries(st.sampled_from("abcd"), PLAIN | OTHERS | NESTED)


@given(st.text(), FIELDS)
def test_any_field_is_logged_as_one_ascii_line(event: str, fields: dict[str, Any]) -> None:
    found = read(json_line({**entry(), "event": event, **fields}))
    assert found["event"] == event
    assert list(found) == ["timestamp", "level", "event", *fields]
    for name, value in fields.items():
        if isinstance(value, str | bool | None):
            assert found[name] == value


class Unprintable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


def within_itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        ("a\nb", "a\nb"),
        ("\x9b31m\u2028\u202e\U0001f600", "\x9b31m\u2028\u202e\U0001f600"),
        ("half \ud800", "half \ud800"),
        (2**64, 2**64),
        (1.5, 1.5),
        (["a", ("b",)], ["a", ["b"]]),
        (b"x", "b'x'"),
        (float("nan"), None),
        ([float("nan")], "[nan]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (within_itself(), "[[...]]"),
        pytest.param(deep(), "list", id="deep"),
        pytest.param(10**5000, "int", id="too long a number"),
        (Unprintable(), "Unprintable"),
    ],
)
def test_a_value_is_logged_as_json_or_else_as_its_repr(value: Any, logged: Any) -> None:
    assert read(json_line(entry(value=value)))["value"] == logged


class Secret(msgspec.Struct):
    text: str

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass
class HiddenSecret:
    text: str = field(repr=False)


@pytest.mark.parametrize("secret", [Secret("CANARY"), HiddenSecret("CANARY")])
@pytest.mark.parametrize("event", ["of.interest", "é"])
def test_what_a_repr_hides_is_not_logged(secret: object, event: str) -> None:
    for value in (secret, [secret], {"it": secret}):
        assert b"CANARY" not in json_line(entry(value=value, event=event))
