"""How Tendon reaches the current primary: hosts in its URL, HAProxy, or PgBouncer, configured as operators do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from tests.failover.pair import ROLE, Pair
from tests.pgbouncer import PgBouncer
from tests.pgbouncer import program as pgbouncer
from tests.postgres import PostgresServer
from tests.processes import free_port
from tests.serving.test_clients import program
from tests.waiting import until


@asynccontextmanager
async def by_hosts(pair: Pair, folder: Path) -> AsyncGenerator[str]:
    """Both servers, the standby first."""
    first, second = (f"127.0.0.1:{server.port}" for server in reversed(pair.servers))
    yield f"postgres://{ROLE}@{first},{second}/{pair.database}"


@asynccontextmanager
async def by_haproxy(pair: Pair, folder: Path) -> AsyncGenerator[str]:
    """HAProxy asks a monitor of each server whether it is the primary, as with Patroni's."""
    port, monitors = free_port(), [_Monitor(server) for server in pair.servers]
    lines = [f"    server s{one.port} 127.0.0.1:{one.server.port} check port {one.port}" for one in monitors]
    configuration = folder / "haproxy-database.cfg"
    configuration.write_text("\n".join([_HAPROXY.format(port=port), *lines, ""]), encoding="utf-8")
    for monitor in monitors:
        await monitor.open()
    with (folder / "haproxy-database.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program("haproxy"), "-db", "-f", str(configuration), stdout=log, stderr=log
        )
    try:
        await until(lambda: _answers(pair.url_to(port)), "HAProxy")
        yield pair.url_to(port)
    finally:
        process.kill()
        await process.wait()
        for monitor in monitors:
            monitor.close()


@asynccontextmanager
async def by_pgbouncer(pair: Pair, folder: Path) -> AsyncGenerator[str]:
    """In session mode. A scenario reaches it as `pair.pooler`."""
    pair.pooler = PgBouncer(pgbouncer(), pair.primary.port, user=ROLE)
    try:
        await pair.pooler.ready()
        yield pair.pooler.url(pair.database)
    finally:
        pair.pooler.remove()


_HAPROXY = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
listen primary
    bind 127.0.0.1:{port}
    option httpchk GET /primary
    http-check expect status 200
    default-server inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions"""


class _Monitor:
    """Answers 200 while its server is the primary, and 503 otherwise."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.port = free_port()

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._answer, "127.0.0.1", self.port)

    def close(self) -> None:
        self._listening.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            status = "200 OK" if await self._is_primary() else "503 Service Unavailable"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async def _is_primary(self) -> bool:
        try:
            session = await asyncpg.connect(self.server.url("postgres"), timeout=2)
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            return not await session.fetchval("SELECT pg_is_in_recovery()")
        finally:
            session.terminate()


async def _answers(url: str) -> bool:
    try:
        session = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError):
        return False
    session.terminate()
    return True
