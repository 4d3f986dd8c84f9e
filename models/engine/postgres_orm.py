"""The ORM on an open PostgreSQL transaction, for migrations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from tortoise.backends.asyncpg.client import AsyncpgDBClient

from models.engine.errors import translated_errors
from models.engine.postgres import PostgresTransaction
from models.engine.postgres_errors import outage


class Client(AsyncpgDBClient):
    """Replaces the ORM's client, which would open a pool of its own."""

    def __init__(self, transaction: PostgresTransaction, **options: Any) -> None:
        super().__init__(**options)
        self._transaction = transaction.connection

    async def close(self) -> None:
        """Does nothing: the code that opened the transaction ends it."""

    def _in_transaction(self) -> Any:
        return nullcontext(self)

    def acquire_connection(self) -> Any:
        return _for_one_statement(self._transaction)


@asynccontextmanager
async def _for_one_statement(connection: Any) -> AsyncGenerator[Any]:
    """A savepoint for each statement, so that the transaction survives an error: the ORM reads its table of migrations
    before the table exists."""
    with translated_errors(outage):
        await connection.execute("SAVEPOINT statement")
        try:
            yield connection
        except Exception:
            await connection.execute("ROLLBACK TO statement")
            raise
        await connection.execute("RELEASE statement")


client_class = Client
