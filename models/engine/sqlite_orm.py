"""The ORM on an open SQLite transaction, for migrations. The ORM derives the dialect from the name of this module."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from tortoise.backends.sqlite.client import SqliteClient

from models.engine.sqlite import SqliteTransaction


class Client(SqliteClient):
    """Replaces the ORM's client, which would open a connection of its own in another thread."""

    def __init__(self, transaction: SqliteTransaction, **options: Any) -> None:
        super().__init__("", **options)
        self._transaction = transaction.connection

    async def close(self) -> None:
        """Does nothing: the code that opened the transaction ends it."""

    def _in_transaction(self) -> Any:
        return nullcontext(self)

    async def execute_insert(self, query: str, values: list[Any]) -> int | None:
        return self._execute(query, values).lastrowid

    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[dict[str, Any]]]:
        cursor = self._execute(query, values)
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return max(cursor.rowcount, len(rows)), rows

    async def execute_script(self, query: str) -> None:
        """Runs the statements one by one, because sqlite3's `executescript` would commit the transaction first."""
        for statement in query.split(";"):
            self._execute(statement)

    def _execute(self, query: str, values: Sequence[Any] | None = None) -> sqlite3.Cursor:
        parameters = [
            value.isoformat(" ", "microseconds") if isinstance(value, datetime) else value for value in values or ()
        ]
        return self._transaction.execute(query, parameters)


client_class = Client
