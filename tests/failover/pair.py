"""A primary and its hot standby, and the ways that lead to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer, programs
from tests.proxy import Proxy
from tests.torture.databases import Database
from tests.waiting import until

ROLE = "tendon_app"
"""As docs/operating.md calls the role of `tendon serve`. No other session of a server has it."""
(_GRANTS,) = (
    block
    for block in re.findall(r"```sql\n(.*?)```", Path("docs/operating.md").read_text(encoding="utf-8"), re.DOTALL)
    if f"TO {ROLE}" in block
)


class Pair(Database):
    """`line` leads to the current primary, and `replication` from the standby to the first primary.

    `url` is what Tendon is given.
    """

    name = "postgres"
    pooler: PgBouncer

    def __init__(self, primary: PostgresServer, database: str) -> None:
        self.primary = primary
        """The current one."""
        self.database = database
        self.line = Proxy(primary.port)
        self.replication = Proxy(primary.port)
        self.servers = [primary]
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def opened(cls, *, standby: bool = True, **settings: str) -> AsyncGenerator[Pair]:
        """`settings` are those of the servers, which are removed in the end, whatever state they are in."""
        found = programs()
        # Instead of five seconds, which a promotion may have to wait for, too.
        settings = {"wal_retrieve_retry_interval": "100ms"} | settings
        primary = await asyncio.to_thread(PostgresServer, found, settings=settings)
        pair: Pair | None = None
        try:
            pair = cls(primary, (await primary.create_migrated()).rpartition("/")[2])
            await pair.line.open()
            await pair.replication.open()
            await pair._grant()
            if standby:
                await pair._add_standby(found, settings)
            yield pair
        finally:
            for server in pair.servers if pair else [primary]:
                await asyncio.to_thread(server.remove)
            if pair:
                await pair.line.close()
                await pair.replication.close()

    @property
    def standby(self) -> PostgresServer:
        return next(server for server in self.servers if server is not self.primary)

    def url_to(self, port: int) -> str:
        return f"postgres://{ROLE}@127.0.0.1:{port}/{self.database}"

    async def wait_for_standby(self) -> None:
        """From now on each COMMIT waits for the standby."""
        await self.administer("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        await until(self._is_synchronous, "the standby to be synchronous")

    async def catch_up(self) -> None:
        """Waits until the standby has everything that is committed now."""
        [(position,)] = await self.administer("SELECT pg_current_wal_lsn()::text")
        has_it = f"SELECT flush_lsn >= '{position}' FROM pg_stat_replication"

        async def is_so() -> bool:
            return [tuple(row) for row in await self.administer(has_it)] == [(True,)]

        await until(is_so, "the standby to catch up")

    async def administer(self, *statements: str) -> list[Any]:
        """What the last statement returns. The administrator's own writes wait for no standby."""
        session = await asyncpg.connect(self.primary.url(self.database))
        try:
            await session.execute("SET synchronous_commit = local")
            rows: list[Any] = []
            for statement in statements:
                rows = await session.fetch(statement)
            return rows
        finally:
            await session.close()

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.administer(f"SELECT * FROM {table}")]

    async def promote(self) -> None:
        """The standby becomes the primary, and the line leads to it. The first primary must have ended."""
        assert not self.primary.is_running
        standby = self.standby
        await asyncio.to_thread(standby.promote)
        self.primary = standby
        self.line.target = standby.port

    async def close(self) -> None:
        """`opened` removes the servers."""

    async def _add_standby(self, programs: Path, settings: dict[str, str]) -> None:
        through = self.replication.port
        server = await asyncio.to_thread(
            PostgresServer, programs, primary=self.primary, through=through, settings=settings
        )
        self.servers.append(server)

    async def _grant(self) -> None:
        await self.administer(f"CREATE ROLE {ROLE} LOGIN", "CREATE ROLE tendon_retention", "CREATE ROLE tendon_export")
        session = await asyncpg.connect(self.primary.url(self.database))
        try:
            await session.execute(_GRANTS)
        finally:
            await session.close()

    async def _is_synchronous(self) -> bool:
        with suppress(OSError):
            return ("sync",) in [tuple(row) for row in await self.administer(_STATES)]
        return False


_STATES = "SELECT sync_state FROM pg_stat_replication"
