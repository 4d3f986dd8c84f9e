"""`tendon migrate`: applies the pending migrations to the database."""

from __future__ import annotations

import asyncio

import structlog

from gateway import logs
from gateway.database_check import database_errors, warn_of_database
from gateway.output import print_result
from gateway.settings import SettingsError, read_catalogue_settings, read_database_settings, read_environment
from gateway.settings.warnings import unknown_settings
from models.engine import parse_url
from models.migrating import migrate

log = structlog.get_logger("tendon")


def run() -> None:
    settings = read_database_settings()
    logs.set_up(settings.log_level)
    _warn_of_unknown_settings()
    warn_of_database(settings.database_url)
    with database_errors(settings.database_url):
        applied = asyncio.run(migrate(settings.database_url))
    result = f"applied {', '.join(applied)}" if applied else "nothing to apply"
    print_result(f"{parse_url(settings.database_url)}: {result}")


def _warn_of_unknown_settings() -> None:
    """Warn because this command would migrate the default database if TENDON_DATABASE_URL were misspelt."""
    try:
        catalogue = read_catalogue_settings()
    except SettingsError:
        # A migration needs no catalogue.
        catalogue = None
    for warning in unknown_settings(catalogue, read_environment()):
        log.warning(warning.event, name=warning.about, reason=warning.reason)
