"""How long a caller waits at most when something hangs: the same callback then returns the result.

Both interfaces wait at the same time, as each test lasts as long as the lease.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Person, begin, held, start_gateway
from tests.databases import PostgresDatabase
from tests.interfaces import Answer, GraphQL, Interface, Rest
from tests.postgres import PostgresServer
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.waiting import until

PROVIDER_TIMEOUT = 2
# A caller waits for the lease, which is five seconds more, and for two seconds on top of it, but not for the database.
DATABASE_TIMEOUT = 60


@dataclass(frozen=True)
class Caller:
    """Calls a gateway of its own over one of the interfaces."""

    api: Interface
    person: Person
    sandbox: Sandbox

    async def begin(self) -> dict[str, Any]:
        return await begin(self.api, self.sandbox, self.person)

    async def complete(self, callback: dict[str, Any]) -> Answer:
        return await self.api.complete(self.person.token, **callback)

    async def until_final(self, callback: dict[str, Any]) -> Answer:
        answer = await self.complete(callback)

        async def is_final() -> bool:
            nonlocal answer
            answer = await self.complete(callback)
            return answer.code != "SERVICE_UNAVAILABLE"

        await until(is_final, "the result")
        return answer


@pytest.fixture
async def line(postgres: PostgresServer) -> AsyncGenerator[Proxy]:
    line = Proxy(postgres.port)
    await line.open()
    yield line
    await line.close()


@pytest.fixture
async def callers(
    postgres: PostgresServer,
    line: Proxy,
    settings: dict[str, str],
    catalogue: Path,
    tmp_path: Path,
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
) -> AsyncGenerator[list[Caller]]:
    """One for each interface. Their database is behind `line`, and they would wait long for it."""
    name = urlsplit(await postgres.create_migrated()).path.removeprefix("/")
    times = {"TENDON_DATABASE_TIMEOUT": str(DATABASE_TIMEOUT), "TENDON_PROVIDER_TIMEOUT": str(PROVIDER_TIMEOUT)}
    through = PostgresDatabase(postgres.url(name, line.port))
    own = settings | held(catalogue) | times
    processes = [await asyncio.to_thread(start_gateway, tmp_path, own, through) for _ in range(2)]
    yield [
        Caller(kind(client, process.origin), Person(f"{someone.id}-{kind.name}"), sandbox)
        for kind, process in zip((Rest, GraphQL), processes, strict=True)
    ]
    for process in processes:
        process.kill()


async def in_time(answers: list[Awaitable[Answer]]) -> list[Answer]:
    began = monotonic()
    found = await asyncio.gather(*answers)
    assert monotonic() - began < DATABASE_TIMEOUT / 2
    return found


@pytest.mark.parametrize("code", ["right", "wrong"])
async def test_a_database_that_falls_silent_after_the_claim(
    callers: list[Caller], line: Proxy, sandbox: Sandbox, provider: Proxy, code: str
) -> None:
    """The provider's result is written, be it tokens or a refused code, but the write is not confirmed."""
    due: list[dict[str, Any]] = []
    for caller in callers:
        # Prepared by then, the statement takes a single message. Connecting again has one of its own.
        flows = [await caller.begin() for _ in range(3)]
        if code == "wrong":
            flows = [flow | {"code": f"wrong-{number}-{caller.person.id}"} for number, flow in enumerate(flows)]
        for flow in flows[:-1]:
            await caller.complete(flow)
        due.append(flows[-1])
    provider.hold_replies()
    answering = [asyncio.create_task(caller.complete(callback)) for caller, callback in zip(callers, due, strict=True)]
    for callback in due:
        await sandbox.asked(callback["code"])
    line.hold_replies()
    provider.flow()
    for caller, answer in zip(callers, await in_time(list(answering)), strict=True):
        assert (answer.code, answer.status) == ("SERVICE_UNAVAILABLE", 503 if caller.api.name == "rest" else 200)
        assert "Send the same callback again" in (answer.message or "")
    line.flow()
    line.cut()
    for caller, callback in zip(callers, due, strict=True):
        again = await caller.until_final(callback)
        assert again.code == (None if code == "right" else "INVALID_GRANT")
        assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_claim_that_falls_silent(callers: list[Caller], line: Proxy) -> None:
    due = [await caller.begin() for caller in callers]
    line.stall_at_reply(hashlib.sha256(f"code:{due[0]['code']}".encode()).hexdigest().encode())
    waiting = asyncio.create_task(callers[0].complete(due[0]))
    await until(lambda: line.sprung, "the claim")
    answers = await in_time([waiting, callers[1].complete(due[1])])
    assert [answer.code for answer in answers] == ["SERVICE_UNAVAILABLE"] * 2


@pytest.mark.parametrize("kind", [Rest, GraphQL])
async def test_the_account_is_not_waited_for_when_the_database_falls_silent(
    callers: list[Caller], line: Proxy, sandbox: Sandbox, kind: type[Interface]
) -> None:
    """The connection is stored by then, and the caller gets it."""
    (caller,) = (caller for caller in callers if isinstance(caller.api, kind))
    callback = await caller.begin()
    await sandbox.fault("sandbox", "slow", endpoint="account", seconds=2)
    line.stall_after_reply(b"connected", late=0)
    (answer,) = await in_time([caller.complete(callback)])
    assert answer.connection["status"] == "connected"
