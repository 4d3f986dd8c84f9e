"""Applies migrations, which change the tables to match the models. Only one process at a time does so."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from tortoise.context import TortoiseContext
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.migrations.executor import MigrationExecutor

from models.database import Database, Limits, Session, open_database
from models.engine import Script, Step

log = structlog.get_logger("tendon")

APPS: Final[dict[str, Any]] = {
    "models": {
        "models": [
            "models.tables.account_owner",
            "models.tables.audit_event",
            "models.tables.audit_export",
            "models.tables.audit_key",
            "models.tables.audit_subject",
            "models.tables.authorization_request",
            "models.tables.connection",
            "models.tables.ended_request",
            "models.tables.revocation",
            "models.tables.vault_key",
        ],
        "migrations": "models.migrations",
        "default_connection": "default",
    }
}
CONFIGURATION: Final = {
    "connections": {
        "default": {"engine": "tortoise.backends.sqlite", "credentials": {"file_path": ".tendon/migrations.db"}}
    },
    "apps": APPS,
}
"""The ORM's configuration for `make migrations`, whose tool opens the file but stores nothing in it."""

# The key of PostgreSQL's advisory lock: "tendon" in ASCII.
_LOCK: Final = int.from_bytes(b"tendon")
# Other servers that speak PostgreSQL's protocol may accept an advisory lock and ignore it. There, the row of the first
# migration is the lock. Before there is one, all processes but one fail to create the tables, and then try again.
_FIND_TABLE: Final = Script((Step("SELECT to_regclass('tortoise_migrations') IS NOT NULL", ()),), writes=False)
_FIRST_ROW: Final = "SELECT FROM tortoise_migrations ORDER BY id LIMIT 1 FOR UPDATE"
_LOCK_ROW: Final = Script((Step(_FIRST_ROW, ()),), writes=True)
_LOCK_ROW_IF_FREE: Final = Script((Step(f"{_FIRST_ROW} SKIP LOCKED", ()),), writes=True)
# No time limit, because building an index on a large table may take long.
_UNBOUNDED: Final = Limits(connections=1, seconds=None)


async def migrate(url: str) -> list[str]:
    """Applies all pending migrations in one transaction, and returns their names.

    Processes that do this at the same time wait for each other. Raises DatabaseDown.
    """
    async with open_database(url, _UNBOUNDED) as database:
        if database.dialect == "sqlite" or await _has_table(database):
            return await _apply_pending(database)
        try:
            return await _apply_pending(database)
        except (IntegrityError, OperationalError):
            # Nothing was applied. If another process has created the tables meanwhile, that was the reason.
            if not await _has_table(database):
                raise
            return await _apply_pending(database)


async def _apply_pending(database: Database) -> list[str]:
    applied: list[str] = []

    def on_progress(event: str, _app: str, name: str) -> None:
        if event == "apply_done":
            applied.append(name)

    async with database.exclusively(_LOCK, _log_waiting) as transaction, _orm_on(transaction) as orm:
        if transaction.dialect == "postgres" and await _has_table(transaction):
            await _lock_row(transaction)
        await MigrationExecutor(orm.db("default"), APPS).migrate(direction="forward", progress=on_progress)
    return applied


async def _has_table(session: Session) -> bool:
    ((exists,),) = await session.run(_FIND_TABLE, {})
    return exists


async def _lock_row(transaction: Session) -> None:
    if not await transaction.run(_LOCK_ROW_IF_FREE, {}):
        _log_waiting()
        await transaction.run(_LOCK_ROW, {})


@asynccontextmanager
async def _orm_on(transaction: Session) -> AsyncGenerator[TortoiseContext]:
    """The ORM, on the open transaction."""
    connection = {
        "engine": f"models.engine.{transaction.dialect}_orm",
        "credentials": {"transaction": transaction},
    }
    async with TortoiseContext() as orm:
        await orm.init({"connections": {"default": connection}, "apps": APPS}, use_tz=True)
        yield orm


def _log_waiting() -> None:
    log.info("migrate.waiting")
