"""How long a caller waits at most when something hangs: the same callback then returns the result."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Person, begin, start_gateway
from tests.databases import PostgresDatabase
from tests.interfaces import Answer, Interface
from tests.postgres import PostgresServer
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox

PROVIDER_TIMEOUT = 2
# The lease (five seconds plus the time-out), and two seconds more for a busy machine.
BOUND = PROVIDER_TIMEOUT + 5 + 2
BUSY = 1.5


class Service:
    """A gateway with a long database time-out, whose database is behind `line`."""

    def __init__(self, api: Interface, line: Proxy) -> None:
        self.api, self.line = api, line

    async def sprung(self) -> None:
        async with asyncio.timeout(20):
            while not self.line.sprung:  # noqa: ASYNC110 - another process sends it
                await asyncio.sleep(0.01)


@pytest.fixture
async def service(
    postgres: PostgresServer,
    settings: dict[str, str],
    tmp_path: Path,
    client: httpx.AsyncClient,
    interface: type[Interface],
) -> AsyncGenerator[Service]:
    database = PostgresDatabase(await postgres.create_migrated())
    line = Proxy(postgres.port)
    await line.open()
    through = PostgresDatabase(postgres.url(urlsplit(database.url).path.removeprefix("/"), line.port))
    patient = settings | {"TENDON_DATABASE_TIMEOUT": "20", "TENDON_PROVIDER_TIMEOUT": str(PROVIDER_TIMEOUT)}
    process = await asyncio.to_thread(start_gateway, tmp_path, patient, through)
    yield Service(interface(client, process.origin), line)
    line.cut()
    line.flow()
    await asyncio.to_thread(process.stop)
    await line.close()


async def _timed(answer: Awaitable[Answer]) -> tuple[Answer, float]:
    began = monotonic()
    return await answer, monotonic() - began


@pytest.mark.parametrize("code", ["right", "wrong"])
async def test_a_database_that_falls_silent_after_the_claim(
    service: Service, sandbox: Sandbox, someone: Person, code: str
) -> None:
    """The provider's result is written, be it tokens or a refused code, but the write is not confirmed."""
    # Prepared by then, the statement takes a single message.
    before, callback = [await begin(service.api, sandbox, someone) for _ in range(2)]
    wrong = {} if code == "right" else {"code": f"wrong-{someone.id}"}
    await service.api.complete(someone.token, **before | wrong)
    callback |= {} if code == "right" else {"code": f"wrong-again-{someone.id}"}
    await sandbox.fault("sandbox", "slow", seconds=0.5)
    answering = asyncio.create_task(_timed(service.api.complete(someone.token, **callback)))
    async with asyncio.timeout(20):
        while not await sandbox.exchanges(callback["code"]):  # noqa: ASYNC110 - another process is called
            await asyncio.sleep(0.02)
    service.line.hold_replies()
    answer, took = await answering
    assert (answer.code, answer.status) == ("SERVICE_UNAVAILABLE", 503 if service.api.name == "rest" else 200)
    assert "Send the same callback again" in (answer.message or "")
    assert took < BOUND + BUSY
    service.line.flow()
    service.line.cut()
    again = await _until_final(service.api, someone, callback)
    assert again.code == (None if code == "right" else "INVALID_GRANT")
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_claim_that_falls_silent(service: Service, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(service.api, sandbox, someone)
    service.line.stall_at_reply(hashlib.sha256(f"code:{callback['code']}".encode()).hexdigest().encode())
    answer, took = await _timed(service.api.complete(someone.token, **callback))
    assert service.line.sprung
    assert answer.code == "SERVICE_UNAVAILABLE"
    assert took < BOUND + BUSY


async def test_the_account_is_not_waited_for_when_the_database_falls_silent(
    service: Service, sandbox: Sandbox, someone: Person
) -> None:
    """The connection is stored by then, and the caller gets it."""
    callback = await begin(service.api, sandbox, someone)
    await sandbox.fault("sandbox", "slow", seconds=0.8)
    await sandbox.fault("sandbox", "slow", endpoint="account", seconds=2)
    service.line.stall_after_reply(b"connected", late=0)
    answer, took = await _timed(service.api.complete(someone.token, **callback))
    assert answer.connection["status"] == "connected"
    assert took < BOUND + BUSY


async def _until_final(api: Interface, person: Person, callback: dict[str, str]) -> Answer:
    async with asyncio.timeout(30):
        while True:
            answer = await api.complete(person.token, **callback)
            if answer.code != "SERVICE_UNAVAILABLE":
                return answer
            await asyncio.sleep(0.2)
