"""What TENDON_AUTH=dev adds to the gateway: the sandbox, mounted under `/sandbox`, and our registration with it."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping
from typing import Final

from starlette.routing import Mount

from gateway.settings import CatalogueSettings, Settings
from providers.catalogue import BUILT_IN, SANDBOX

ORIGIN_VARIABLE: Final = "{origin}"
"""Stands in the sandbox's catalogue entry for its origin."""

_PATH: Final = "/sandbox"


def redirect_uris(settings: Settings, origin: str) -> list[str]:
    """The redirect URIs to allow: those of the settings, and in dev our own connect page, under both names of this
    machine."""
    return [*_connect_pages(settings, origin), *settings.redirect_uris.split()]


def _connect_pages(settings: Settings, origin: str) -> list[str]:
    if not (settings.dev and settings.with_connect_page):
        return []
    port = origin.rpartition(":")[2]
    return [f"{host}/connect" for host in (origin, f"http://localhost:{port}")]


def with_registration(settings: CatalogueSettings, origin: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the mounted sandbox's origin, and with client credentials that are new at each start. What
    the operator set takes precedence."""
    if not settings.with_sandbox:
        return environment
    registration = {
        "SANDBOX_ORIGIN": origin + _PATH,
        "SANDBOX_CLIENT_ID": "tendon",
        "SANDBOX_CLIENT_SECRET": secrets.token_urlsafe(24),
    }
    return registration | dict(environment)


def routes(settings: Settings, environment: Mapping[str, str], redirect_uris: list[str]) -> list[Mount]:
    """The mounted sandbox, none where it is switched off. `environment` has the registration."""
    if not settings.with_sandbox:
        return []
    # Imported here so that it is not loaded in production.
    from sandbox.app import Client, create_app  # noqa: PLC0415
    from sandbox.dialect import Dialect  # noqa: PLC0415

    text = (BUILT_IN / f"{SANDBOX}.toml").read_text(encoding="utf-8")
    entry = tomllib.loads(text.replace(ORIGIN_VARIABLE, environment["SANDBOX_ORIGIN"]))
    client = Client(environment["SANDBOX_CLIENT_ID"], environment["SANDBOX_CLIENT_SECRET"], tuple(redirect_uris))
    return [Mount(_PATH, create_app([Dialect.read(entry)], {SANDBOX: client}))]
