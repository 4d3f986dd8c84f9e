"""`tendon serve`: serves REST, GraphQL and the pages."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from gateway import dev_sandbox, logs
from gateway.address import is_loopback, origin_of
from gateway.app import create_app
from gateway.database_check import check_database
from gateway.edge import Edge
from gateway.greeting import greeting
from gateway.output import print_notice
from gateway.server import run as serve
from gateway.settings import Settings, SettingsError, read_environment, read_settings
from gateway.supervisor import supervise
from gateway.worker_process import WorkerProcess


def run(*, host: str, port: int, workers: int) -> None:
    settings = read_settings()
    _check_host(settings, host)
    _check_workers(settings, workers)
    logs.set_up(settings.log_level)
    origin = origin_of(host, port)
    # Credentials that are generated are those of the worker, too.
    environment = dev_sandbox.with_registration(settings, origin, read_environment())
    app = create_app(settings, environment, origin)
    asyncio.run(check_database(settings.database_url, settings.database_limits))
    grace, keep_alive = settings.grace, settings.keep_alive
    background = WorkerProcess(dev_sandbox.variables(environment)) if settings.with_worker else None

    def announce() -> None:
        if settings.with_sandbox:
            print_notice(greeting(settings, origin, dev_sandbox.redirect_uris(settings, origin)))

    # Forked workers share the memory of all objects that exist now, as long as the garbage collector leaves them alone.
    gc.freeze()
    gc.enable()
    if workers > 1:
        supervise(
            app,
            host,
            port,
            workers=workers,
            drain=app.drain,
            announce=announce,
            background=background,
            grace=grace,
            keep_alive=keep_alive,
        )
    elif background is None:
        serve(app, host, port, drain=app.drain, announce=announce, grace=grace, keep_alive=keep_alive)
    else:
        _serve_beside(background, app, host, port, announce, grace, keep_alive)


def _serve_beside(
    background: WorkerProcess,
    app: Edge,
    host: str,
    port: int,
    announce: Callable[[], None],
    grace: float,
    keep_alive: int,
) -> None:
    def begin() -> None:
        announce()
        background.watch(asyncio.get_running_loop())

    async def drain() -> None:
        background.begin_stop()
        await app.drain()

    try:
        serve(app, host, port, drain=drain, announce=begin, grace=grace, keep_alive=keep_alive)
    finally:
        background.stop(grace)


def _check_host(settings: Settings, host: str) -> None:
    if settings.dev and not is_loopback(host):
        raise SettingsError(
            "TENDON_AUTH: dev accepts any user without a password, so it serves on a loopback address only"
        )


def _check_workers(settings: Settings, workers: int) -> None:
    if workers > 1 and settings.with_sandbox:
        raise SettingsError(
            "--workers: the included sandbox works with a single process only: set TENDON_SANDBOX=0, and run"
            " `tendon sandbox` separately"
        )
