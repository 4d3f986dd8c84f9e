"""`tendon serve`: serves REST, GraphQL and the pages."""

from __future__ import annotations

import asyncio
import gc

from gateway import dev_sandbox, logs
from gateway.address import is_loopback, origin_of
from gateway.app import create_app
from gateway.database_check import check_database
from gateway.greeting import greeting
from gateway.server import run as serve
from gateway.settings import Settings, SettingsError, read_environment, read_settings
from gateway.supervisor import supervise


def run(*, host: str, port: int, workers: int) -> None:
    settings = read_settings()
    _check_host(settings, host)
    _check_workers(settings, workers)
    logs.set_up(settings.log_level, dev=settings.dev)
    origin = origin_of(host, port)
    app = create_app(settings, read_environment(), origin)
    asyncio.run(check_database(settings.database_url, settings.database_limits))
    message = greeting(settings, origin, dev_sandbox.redirect_uris(settings, origin)) if settings.with_sandbox else None
    grace = settings.grace
    # Forked workers share the memory of all objects that exist now, as long as the garbage collector leaves them alone.
    gc.freeze()
    gc.enable()
    keep_alive = settings.keep_alive
    if workers == 1:
        serve(app, host, port, drain=app.drain, greeting=message, grace=grace, keep_alive=keep_alive)
    else:
        supervise(
            app, host, port, workers=workers, drain=app.drain, greeting=message, grace=grace, keep_alive=keep_alive
        )


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
