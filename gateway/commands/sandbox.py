"""`tendon sandbox`: the sandbox alone, in the dialect of every provider."""

from __future__ import annotations

import gc
from pathlib import Path

from gateway import logs
from gateway.commands.origin import is_loopback, origin_of
from gateway.commands.refusing import refusing
from gateway.greeting import sandbox_greeting
from gateway.practice import standalone
from gateway.server import run as serve
from gateway.settings import SettingsError, read_environment, read_sandbox_settings
from resolvers.redirects import RedirectAllowList


def run(*, host: str, port: int, redirect_uri: list[str] | None, write_catalogue: Path | None) -> None:
    origin = origin_of(host, port)
    with refusing():
        if not is_loopback(host):
            raise SettingsError(
                "--host: the sandbox tells everybody everything, so it serves on a loopback address only"
            )
        logs.set_up("INFO", dev=True)
        app = standalone(
            read_sandbox_settings(),
            read_environment(),
            origin,
            redirect_uris=_checked(redirect_uri or []),
            written=write_catalogue,
        )
    gc.enable()
    serve(app, host, port, greeting=sandbox_greeting(origin, write_catalogue))


def _checked(redirect_uris: list[str]) -> list[str]:
    try:
        RedirectAllowList(redirect_uris)
    except ValueError as fault:
        raise SettingsError("\n".join(f"--redirect-uri: {line}" for line in str(fault).splitlines())) from None
    return redirect_uris
