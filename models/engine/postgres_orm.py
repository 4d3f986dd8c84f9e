"""The ORM on an open PostgreSQL transaction, for migrations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from tortoise.backends.asyncpg.client import AsyncpgDBClient

from models.engine.errors import translating
from models.engine.postgres import PostgresTransaction
from models.engine.postgres_errors import outage


class Client(AsyncpgDBClient):
    """The ORM's own has a pool of its own."""

    def __init__(self, transaction: PostgresTransaction, **options: Any) -> None:
        super().__init__(**options)
        self._transaction = transaction.connection

    async def close(self) -> None:
        """Leaves the transaction to whoever opened it."""

    def _in_transaction(self) -> Any:
        return nullcontext(self)

    def acquire_connection(self) -> Any:
        return _for_one_statement(self._transaction)


@asynccontextmanager
async def _for_one_statement(connection: Any) -> AsyncGenerator[Any]:
    """After an error the transaction goes on, since the ORM asks its table of migrations before that exists."""
    with translating(outage):
        await connection.execute("SAVEPOINT statement")
        try:
            yield connection
        except Exception:
            await connection.execute("ROLLBACK TO statement")
            raise
        await connection.execute("RELEASE statement")


client_class = Client
