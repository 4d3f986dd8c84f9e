"""A failover of PostgreSQL: a primary and its hot standby behind one address, which leads to either of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person
from tests.databases import PostgresDatabase
from tests.interfaces import Interface
from tests.postgres import PostgresServer, programs
from tests.processes import Process
from tests.proxy import Proxy
from tests.serving.conftest import Serve
from tests.serving.serving import becomes
from tests.waiting import until


@pytest.fixture
def primary() -> Generator[PostgresServer]:
    server = PostgresServer(programs())
    yield server
    server.remove()


@pytest.fixture
def standby(primary: PostgresServer) -> Generator[PostgresServer]:
    server = PostgresServer(programs(), primary=primary)
    yield server
    server.remove()


@pytest.fixture
async def address(primary: PostgresServer) -> AsyncGenerator[Proxy]:
    line = Proxy(primary.port)
    await line.open()
    yield line
    await line.close()


class Service:
    """A gateway whose database exists on both servers."""

    def __init__(self, process: Process, api: Interface, person: Person) -> None:
        self.process, self._api, self._person = process, api, person

    async def write(self) -> str | None:
        answer = await self._api.authorize(self._person.token, provider="sandbox", redirectUri=REDIRECT_URI)
        return answer.code

    async def read(self) -> str | None:
        return (await self._api.connections(self._person.token, userId=self._person.id)).code

    async def fill_the_pool(self) -> None:
        """With sessions to the server that the address leads to now."""
        assert set(await asyncio.gather(*(self.read() for _ in range(40)))) == {None}


@pytest.fixture
async def service(
    primary: PostgresServer,
    standby: PostgresServer,
    address: Proxy,
    serve: Serve,
    interface: type[Interface],
    client: httpx.AsyncClient,
    someone: Person,
) -> Service:
    name = (await primary.create_migrated()).rpartition("/")[2]
    process = serve(database=PostgresDatabase(primary.url(name, address.port)))
    service = Service(process, interface(client, process.origin), someone)
    assert await service.write() is None
    await until(lambda: _has_caught_up(standby, name), "the standby to have it all")
    return service


async def _has_caught_up(standby: PostgresServer, name: str) -> bool:
    try:
        return await PostgresDatabase(standby.url(name)).value("SELECT count(*) FROM authorization_request") == 1
    except Exception:  # noqa: BLE001 - neither database nor table may be there yet
        return False


async def test_sessions_that_were_opened_at_a_standby(
    service: Service, primary: PostgresServer, standby: PostgresServer, address: Proxy
) -> None:
    """These sessions survive, and can read. The second write succeeds, however many there are."""
    await becomes(service.process.origin)
    address.target = standby.port
    address.cut()
    await becomes(service.process.origin, "database")
    assert "25006" in service.process.logged("unready")[-1]["error"]
    await service.fill_the_pool()
    assert await service.write() == "SERVICE_UNAVAILABLE"
    await service.fill_the_pool()
    address.target = primary.port
    await service.write()
    assert [await service.write() for _ in range(20)] == [None] * 20
    await becomes(service.process.origin)


async def test_a_standby_that_is_promoted(
    service: Service, primary: PostgresServer, standby: PostgresServer, address: Proxy
) -> None:
    primary.stop("immediate")
    address.target = standby.port
    address.cut()
    try:
        await service.fill_the_pool()
        assert await service.write() == "SERVICE_UNAVAILABLE"
        await becomes(service.process.origin, "database")
        await asyncio.to_thread(standby.promote)
        await service.write()
        assert [await service.write() for _ in range(20)] == [None] * 20
        await becomes(service.process.origin)
    finally:
        primary.start()
