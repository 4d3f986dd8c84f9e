"""What `tendon serve` logs when it starts: its main settings, and warnings about settings that may be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

import structlog

from gateway.database_check import warn_of_database
from gateway.resources import Configuration
from gateway.settings import Settings
from gateway.settings.service_clients import as_entries
from gateway.settings.warnings import SettingsWarning
from models.engine import parse_url

log = structlog.get_logger("tendon")


def log_start(configuration: Configuration, warnings: Iterable[SettingsWarning]) -> None:
    settings = configuration.settings
    log.info(
        "started",
        auth=settings.auth,
        database=str(parse_url(settings.database_url)),
        providers=sorted(configuration.registrations),
        services=as_entries(settings.service_clients),
        version=version("tendon"),
    )
    warn_of_database(settings.database_url)
    if not settings.dev and "database_url" not in settings.given:
        log.warning("database.default", reason="TENDON_DATABASE_URL is not set")
    _warn_of_plain_http(settings)
    if not configuration.redirects:
        log.warning("nothing.to.redirect.to", reason="TENDON_REDIRECT_URIS is empty, so nobody can connect")
    if not configuration.registrations and not settings.dev:
        log.warning(
            "no.providers",
            reason="no provider has credentials, so nobody can connect: set <SLUG>_CLIENT_ID and"
            " <SLUG>_CLIENT_SECRET; `tendon providers` lists the names",
        )
    for warning in warnings:
        log.warning(warning.event, name=warning.about, reason=warning.reason)


def _warn_of_plain_http(settings: Settings) -> None:
    for way, url in {"introspection": settings.introspection_url, "jwt": settings.jwks_url}.items():
        if way in settings.auth and (url or "").startswith("http:"):
            log.warning("plain.http", way=way, reason="tokens or keys are sent unencrypted")
