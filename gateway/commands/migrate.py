"""`tendon migrate`: the database, brought to the newest schema."""

from __future__ import annotations

import asyncio

from gateway import logs
from gateway.check import told, warn_of_database
from gateway.commands.refusing import refusing
from gateway.output import print_answer
from gateway.settings import read_database_settings
from models.migrating import migrate


def run() -> None:
    with refusing():
        settings = read_database_settings()
        logs.set_up(settings.log_level, dev=True)
        warn_of_database(settings.database_url)
        with told(settings.database_url):
            applied = asyncio.run(migrate(settings.database_url))
    print_answer(f"applied {', '.join(applied)}" if applied else "nothing to apply")
