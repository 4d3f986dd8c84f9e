"""Logs what nobody catches, on any thread, as one event without the texts of exceptions. Python would print them."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import TracebackType
from typing import Any

import structlog

from resolvers.exception_details import exception_details

log = structlog.get_logger("tendon")


def log_uncaught() -> None:
    """For exceptions that end this process or a thread, and those of finalizers. `logs.set_up` comes before it."""
    sys.excepthook = _ends_process
    threading.excepthook = _ends_thread
    sys.unraisablehook = _ignored


def log_uncaught_of(loop: asyncio.AbstractEventLoop) -> None:
    """For exceptions of tasks that nobody waits for, and of callbacks. asyncio's own handler logs their texts."""
    loop.set_exception_handler(_of_loop)


def _ends_process(_kind: type[BaseException], fault: BaseException, _trace: TracebackType | None) -> None:
    _report(fault)


def _ends_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        _report(args.exc_value)


def _ignored(args: Any) -> None:
    _report(args.exc_value)


def _of_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _report(context.get("exception"), context.get("message"))


def _report(fault: BaseException | None, message: str | None = None) -> None:
    """`message` is asyncio's own, a fixed text."""
    log.error("fault", **(exception_details(fault) if fault else {"error": message or "unknown"}))
