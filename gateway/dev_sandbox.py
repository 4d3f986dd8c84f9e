"""What dev mode adds to the gateway: the sandbox, mounted at `/sandbox`, and Tendon's registration with it."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway.settings import CatalogueSettings, Settings
from providers.catalogue import BUILT_IN, SANDBOX

if TYPE_CHECKING:
    from starlette.routing import Mount

ORIGIN_VARIABLE: Final = "{origin}"
"""The placeholder for the sandbox's origin in its catalogue entry."""

_PATH: Final = "/sandbox"
_REGISTRATION: Final = ("SANDBOX_ORIGIN", "SANDBOX_CLIENT_ID", "SANDBOX_CLIENT_SECRET")


def redirect_uris(settings: Settings, origin: str) -> list[str]:
    """The redirect URIs to allow: those of the settings and, in dev mode, the connect page, at 127.0.0.1 as well as at
    localhost."""
    return [*_connect_pages(settings, origin), *settings.redirect_uris.split()]


def _connect_pages(settings: Settings, origin: str) -> list[str]:
    if not (settings.dev and settings.with_connect_page):
        return []
    port = origin.rpartition(":")[2]
    return [f"{host}/connect" for host in (origin, f"http://localhost:{port}")]


def with_registration(settings: CatalogueSettings, origin: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with the mounted sandbox's origin and with client credentials that are generated at each start.
    Variables that the operator has set take precedence."""
    if not settings.with_sandbox:
        return environment
    registration = {
        "SANDBOX_ORIGIN": origin + _PATH,
        "SANDBOX_CLIENT_ID": "tendon",
        "SANDBOX_CLIENT_SECRET": secrets.token_urlsafe(24),
    }
    return registration | dict(environment)


def variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Those of `with_registration`, for a process that calls the mounted sandbox from outside."""
    return {name: environment[name] for name in _REGISTRATION if name in environment}


def routes(settings: Settings, environment: Mapping[str, str], redirect_uris: list[str]) -> list[Mount]:
    """The mount of the sandbox; empty if the sandbox is off. `environment` is that of `with_registration`."""
    if not settings.with_sandbox:
        return []
    # Imported here so that production processes don't load the sandbox, and workers no HTTP server.
    from starlette.routing import Mount  # noqa: PLC0415

    from sandbox.app import Client, create_app  # noqa: PLC0415
    from sandbox.dialect import Dialect  # noqa: PLC0415

    text = (BUILT_IN / f"{SANDBOX}.toml").read_text(encoding="utf-8")
    entry = tomllib.loads(text.replace(ORIGIN_VARIABLE, environment["SANDBOX_ORIGIN"]))
    client = Client(environment["SANDBOX_CLIENT_ID"], environment["SANDBOX_CLIENT_SECRET"], tuple(redirect_uris))
    return [Mount(_PATH, create_app([Dialect.read(entry)], {SANDBOX: client}))]
