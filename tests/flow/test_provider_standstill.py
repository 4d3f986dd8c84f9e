"""A gateway that stands still while a provider answers reads what lies in the socket before it judges the time-out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from providers.provider_limit import TIMEOUTS
from tests.conftest import Person, begin, start_gateway
from tests.databases import Database
from tests.interfaces import Answer, Interface
from tests.processes import Process
from tests.sandbox_control import Sandbox

# Longer than the provider's time-out of 2 seconds, and shorter than the lease of 7.
STANDSTILL = 3.0


@pytest.fixture
def own_gateway(tmp_path: Path, settings: dict[str, str], own_database: Database) -> Generator[Process]:
    process = start_gateway(tmp_path, settings, own_database)
    yield process
    process.kill()


@pytest.fixture
def own_api(interface: type[Interface], client: httpx.AsyncClient, own_gateway: Process) -> Interface:
    return interface(client, own_gateway.origin)


async def meanwhile_stopped(
    own_gateway: Process, api: Interface, sandbox: Sandbox, people: list[Person], fault: str, seconds: float | None
) -> list[Answer]:
    """The answers to a callback of each, which all meet the fault. The gateway stops once the provider was asked."""
    callbacks = [await begin(api, sandbox, person) for person in people]
    for _ in people:
        await sandbox.fault("sandbox", fault, seconds=seconds)
    completing = [
        asyncio.create_task(api.complete(person.token, **callback))
        for person, callback in zip(people, callbacks, strict=True)
    ]
    for callback in callbacks:
        async with asyncio.timeout(5):
            while not await sandbox.exchanges(callback["code"]):  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.01)
    own_gateway.tell(signal.SIGSTOP)
    await asyncio.sleep(STANDSTILL)
    own_gateway.tell(signal.SIGCONT)
    return await asyncio.gather(*completing)


async def test_an_answer_that_came_meanwhile_is_read(
    own_gateway: Process, own_api: Interface, sandbox: Sandbox, own_database: Database
) -> None:
    people = [Person(f"still-{number}") for number in range(TIMEOUTS)]
    answers = await meanwhile_stopped(own_gateway, own_api, sandbox, people, "slow", 0.6)
    assert [answer.code for answer in answers] == [None] * len(people)
    assert await own_database.value("SELECT count(*) FROM connection WHERE access_token IS NOT NULL") == len(people)


async def test_a_time_out_after_a_standstill_does_not_open_the_circuit(
    own_gateway: Process, own_api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    people = [Person(f"still-{number}") for number in range(TIMEOUTS)]
    answers = await meanwhile_stopped(own_gateway, own_api, sandbox, people, "hang", None)
    assert [answer.code for answer in answers] == ["PROVIDER_UNAVAILABLE"] * len(people)
    assert own_gateway.said.count("this process stood still meanwhile") == len(people)
    answer = await own_api.complete(someone.token, **await begin(own_api, sandbox, someone))
    assert answer.code is None
    assert "provider.circuit" not in own_gateway.said
