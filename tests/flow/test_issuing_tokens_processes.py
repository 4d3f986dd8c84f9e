"""Two processes that need new tokens of one connection: one of them refreshes, both answer alike, and neither sends a
refresh token that the other may have sent."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Person, start_gateway
from tests.databases import Database
from tests.flow.test_issuing_tokens import SERVICE, connect
from tests.interfaces import Answer, GraphQL, Interface, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.waiting import until

PAST = "'2020-01-01 00:00:00.000000+00:00'"
REFRESH = "refresh_token"


@dataclass(frozen=True)
class Pair:
    """Two processes on one database, with an expired connection of `someone`."""

    processes: list[Process]
    interfaces: Sequence[Interface]
    database: Database
    sandbox: Sandbox
    account: str
    connection: str

    async def ask(self, number: int, callers: int = 1) -> list[Answer]:
        """That many callers at once, of this process or, if it is 2, of both. Half of them use each interface."""
        found = self.interfaces if number == 2 else self.interfaces[2 * number : 2 * number + 2]
        calls = [found[caller % len(found)].issue(SERVICE, self.connection) for caller in range(callers)]
        return await asyncio.gather(*calls)

    async def refreshes(self) -> list[dict[str, Any]]:
        return await self.sandbox.refreshes(self.account)

    async def fault(self, name: str, **more: Any) -> None:
        await self.sandbox.fault("sandbox", name, account=self.account, grant_type=REFRESH, **more)

    async def change(self, changes: str) -> None:
        await self.database.fetch(f"UPDATE connection SET {changes}")


@pytest.fixture(params=["25"])
def processes(
    request: pytest.FixtureRequest, settings: dict[str, str], own_database: Database, tmp_path: Path
) -> Generator[list[Process]]:
    # One key for both, as an operator gives it.
    own = settings | {"TENDON_PROVIDER_TIMEOUT": request.param}
    started = [start_gateway(tmp_path, own, own_database) for _ in range(2)]
    yield started
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()


@pytest.fixture
async def pair(
    processes: list[Process], own_database: Database, sandbox: Sandbox, someone: Person, client: httpx.AsyncClient
) -> Pair:
    interfaces = [kind(client, process.origin) for process in processes for kind in (Rest, GraphQL)]
    connection = await connect(interfaces[0], sandbox, someone, access_life=0)
    await sandbox.settings("sandbox", account=someone.id, access_life=3600)
    return Pair(processes, interfaces, own_database, sandbox, someone.id, connection)


async def test_fifty_callers_at_once(pair: Pair) -> None:
    await pair.fault("slow", seconds=0.3)
    answers = await pair.ask(2, 50)
    assert len({answer.data["accessToken"] for answer in answers}) == 1
    assert await pair.sandbox.accepts(answers[0].data["accessToken"])
    assert len(await pair.refreshes()) == 1
    issued = "SELECT count(*) FROM audit_event WHERE action = 'issue_token' AND outcome = 'ok'"
    assert await pair.database.value(issued) == 50


@pytest.mark.parametrize("processes", ["0.5"], indirect=True)
async def test_a_provider_that_does_not_answer(pair: Pair) -> None:
    """All callers are told when to ask again, and nothing is sent while the provider may still handle the first one."""
    await pair.fault("held")
    answers = await pair.ask(2, 20)
    assert {answer.code for answer in answers} <= {"PROVIDER_UNAVAILABLE", "SERVICE_UNAVAILABLE"}
    assert all(answer.retry_after for answer in answers)
    assert len(await pair.refreshes()) == 1
    # It never handles it. Later the same token works.
    await pair.change("retry_at = NULL")
    answers = await pair.ask(2, 10)
    assert len({answer.data["accessToken"] for answer in answers}) == 1
    calls = await pair.refreshes()
    assert [call["sent"] for call in calls] == [calls[0]["sent"]] * 2


async def killed_while_it_waits(pair: Pair) -> None:
    waiting = asyncio.create_task(_hung_up(pair.ask(0)))

    async def is_asked() -> bool:
        return len(await pair.refreshes()) == 1

    await until(is_asked, "the refresh")
    pair.processes[0].kill()
    await waiting


async def _hung_up(call: Any) -> None:
    with suppress(httpx.TransportError):
        await call


async def test_a_killed_holder_whose_request_was_not_handled(pair: Pair) -> None:
    await pair.fault("held")
    await killed_while_it_waits(pair)
    await pair.change(f"lease_until = {PAST}")
    answers = await pair.ask(1, 10)
    assert len({answer.data["accessToken"] for answer in answers}) == 1
    assert len(await pair.refreshes()) == 2
    assert await pair.database.fetch("SELECT status, unsure, epoch FROM connection") == [("connected", 0, 2)]


async def test_a_killed_holder_whose_request_was_handled(pair: Pair) -> None:
    """Nobody has the new tokens, and nobody can get them."""
    await pair.fault("held_answer")
    await killed_while_it_waits(pair)
    await pair.change(f"lease_until = {PAST}")
    answers = await pair.ask(1, 4)
    assert {answer.code for answer in answers} == {"REAUTHORIZATION_REQUIRED"}
    assert all("interrupted" in (answer.message or "") for answer in answers)
    assert len(await pair.refreshes()) == 2
    columns = "SELECT status, status_reason, unsure FROM connection"
    assert await pair.database.fetch(columns) == [("error", "reauthorization_required", 1)]
