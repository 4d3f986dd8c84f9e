"""Logging: one line for each event, as JSON, or readable on a terminal. Libraries log from WARNING on only."""

from __future__ import annotations

import atexit
import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import structlog

from gateway.output import discard
from resolvers.log_context import LOG_CONTEXT

_Log = Callable[[str, str, dict[str, Any]], None]

# Below WARNING, these log URLs, headers, and statements with their values.
_LIBRARIES: Final = ("asyncio", "strawberry", "tortoise", "uvicorn")
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
# The fields that `bind_to_process` adds.
_process: Final[dict[str, int]] = {}


def set_up(level: str) -> None:
    """Log to standard error: Tendon from `level` on, libraries from WARNING on."""
    output = _Output(sys.stderr, _readable() if sys.stderr.isatty() else json_line)
    atexit.register(output.end)
    structlog.configure(wrapper_class=_logger_class(level, output.log), cache_logger_on_first_use=True)
    logging.basicConfig(handlers=[_Handler(output.log)], level=logging.WARNING, force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def bind_to_process(**fields: int) -> None:
    """Add these fields to all lines that this process logs from now on."""
    _process.update(fields)


def _logger_class(level: str, log: _Log) -> Any:
    """structlog's logger with methods that write a line at once. Its own methods pass an event through a list of
    processors, which takes three times as long."""

    def method(name: str) -> Callable[..., None]:
        def write(_self: Any, event: str, **fields: Any) -> None:
            log(name, event, fields)

        return write

    enabled = _LEVELS[_LEVELS.index(level.lower()) :]
    return type("Logger", (structlog.make_filtering_bound_logger(level),), {name: method(name) for name in enabled})


class _Output:
    """Writes log lines. Drops those that can't be written, because the reader has gone or the disk is full: no request
    may fail because of that."""

    def __init__(self, stream: TextIO, render: Callable[[dict[str, Any]], bytes]) -> None:
        self._render = render
        self._stream = stream
        self._write = stream.buffer.write
        self._flush = stream.buffer.flush

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        common = {"timestamp": datetime.now(UTC), "level": level, "event": event, **_process, **LOG_CONTEXT.get()}
        line = self._render(common | fields)
        try:
            self._write(line)
            self._flush()
        except OSError:
            pass

    def end(self) -> None:
        """Drops what is still in the buffer and can't be written, so that the exit status is that of the command."""
        with suppress(ValueError):  # closed
            try:
                self._stream.flush()
            except OSError:
                discard(self._stream)


class _Handler(logging.Handler):
    """Logs what libraries log. Of an exception, it keeps only the type: its text and traceback may contain what a user
    or a provider sent. asyncio repeats the text below its message."""

    def __init__(self, log: _Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - whatever the arguments of a library do
            message = str(record.msg)
        error = record.exc_info[0] if record.exc_info else None
        fields = {"error": error.__qualname__} if error else {}
        self._log(record.levelname.lower(), message.partition("\n")[0], fields)


# What msgspec writes as its repr is. Of other objects it would write what their repr hides, too.
_PLAIN: Final = frozenset((str, int, float, bool, type(None), datetime))
_encode_plain: Final = msgspec.json.Encoder().encode


def json_line(entry: dict[str, Any]) -> bytes:
    """In ASCII, since other characters may control a terminal or end a line. Never raises."""
    if _PLAIN.issuperset(map(type, entry.values())):
        try:
            line = _encode_plain(entry)
        except ValueError:  # half of a surrogate pair, or a number too long
            return _any_json_line(entry)
        if line.isascii():
            return line + b"\n"
    return _any_json_line(entry)


def _any_json_line(entry: dict[str, Any]) -> bytes:
    members = ",".join(f"{_any_json(name)}:{_any_json(value)}" for name, value in entry.items())
    return f"{{{members}}}\n".encode()


def _any_json(value: object) -> str:
    try:
        return _encode_any(value)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, not a number, or an object within itself
        return _encode_any(_described(value))


def _described(value: object) -> str:
    try:
        return msgspec.to_builtins(value) if isinstance(value, datetime) else repr(value)
    except Exception:  # noqa: BLE001 - whatever its repr does
        return type(value).__qualname__


_encode_any: Final = json.JSONEncoder(default=_described, separators=(",", ":"), allow_nan=False).encode


def _readable() -> Callable[[dict[str, Any]], bytes]:
    """Lines for people. Never raises."""
    render = structlog.dev.ConsoleRenderer(colors=True)

    def line(entry: dict[str, Any]) -> bytes:
        try:
            shown = {name: _printable(value) for name, value in entry.items()}
            shown["timestamp"] = _described(entry["timestamp"])
            return f"{render(None, '', shown)}\n".encode(errors="backslashreplace")
        except Exception:  # noqa: BLE001 - whatever the repr of a value does
            return json_line(entry)

    return line


def _printable(value: object) -> object:
    """Without characters that control a terminal. The repr of other objects has none."""
    return value.encode("unicode_escape").decode() if isinstance(value, str) and not value.isprintable() else value
