"""`tendon migrate`: the database, brought to the newest schema."""

from __future__ import annotations

import asyncio

import structlog

from gateway import logs
from gateway.check import told, warn_of_database
from gateway.commands.refusing import refusing
from gateway.output import print_answer
from gateway.settings import SettingsError, read_catalogue_settings, read_database_settings, read_environment
from gateway.settings.warnings import unknown_settings
from models.engine import parse_url
from models.migrating import migrate

log = structlog.get_logger("tendon")


def run() -> None:
    with refusing():
        settings = read_database_settings()
        logs.set_up(settings.log_level, dev=True)
        _warn_of_unknown_settings()
        warn_of_database(settings.database_url)
        with told(settings.database_url):
            applied = asyncio.run(migrate(settings.database_url))
    done = f"applied {', '.join(applied)}" if applied else "nothing to apply"
    print_answer(f"{parse_url(settings.database_url)}: {done}")


def _warn_of_unknown_settings() -> None:
    """A misspelt TENDON_DATABASE_URL would migrate the default database."""
    try:
        catalogue = read_catalogue_settings()
    except SettingsError:
        # A migration needs no catalogue.
        catalogue = None
    for warning in unknown_settings(catalogue, read_environment()):
        log.warning(warning.event, name=warning.about, reason=warning.reason)
