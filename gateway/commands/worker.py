"""`tendon worker`: runs what is due beside requests."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from typing import Final

import structlog

from gateway import dev_sandbox, logs
from gateway.address import origin_of
from gateway.database_check import check_database, warn_of_database
from gateway.resources import Configuration, configure, open_resources
from gateway.settings import Settings, SettingsError, read_environment, read_settings
from gateway.uncaught import log_uncaught, log_uncaught_of
from models.engine import parse_url
from worker.engine_sqlite import EngineRefused
from worker.unpickling import refuse_pickles
from worker.worker import Worker

log = structlog.get_logger("tendon")

# Exit status when units of work were cancelled, or after a second signal.
_ABORTED: Final = 1
# Nothing is served, so the value doesn't matter.
_ORIGIN: Final = origin_of("127.0.0.1", 8000)


def run(*, until_eof: bool) -> None:
    settings = read_settings()
    logs.set_up(settings.log_level)
    # The engine has threads of its own.
    log_uncaught()
    refuse_pickles()
    configuration = configure(settings, dev_sandbox.with_registration(settings, _ORIGIN, read_environment()))
    gc.enable()
    cancelled = asyncio.run(_work(settings, configuration, until_eof=until_eof))
    # Threads of the engine may still wait for the database.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_ABORTED if cancelled else 0)


async def _work(settings: Settings, configuration: Configuration, *, until_eof: bool) -> int:
    log_uncaught_of(asyncio.get_running_loop())
    await check_database(settings.database_url, settings.database_limits)
    warn_of_database(settings.database_url)
    stop = asyncio.Event()
    _stop_on_signals(stop)
    if until_eof:
        _stop_at_eof(stop)
    async with open_resources(configuration) as resources:
        worker = Worker(
            resources,
            parse_url(settings.database_url),
            seconds=settings.database_timeout,
            grace=settings.grace,
        )
        try:
            return await worker.run(stop)
        except EngineRefused as fault:
            raise SettingsError(f"TENDON_DATABASE_URL: {fault}") from None


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal drains, the second ends the process at once."""

    def note() -> None:
        if stop.is_set():
            os._exit(_ABORTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, note)


def _stop_at_eof(stop: asyncio.Event) -> None:
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(stdin, 1024):
            loop.remove_reader(stdin)
            stop.set()

    loop.add_reader(stdin, read)
