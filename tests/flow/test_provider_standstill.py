"""A gateway that stands still while a provider answers reads what lies in the socket before it judges the time-out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from providers.provider_limit import TIMEOUTS
from tests.conftest import Person, begin, held, start_gateway
from tests.interfaces import Answer, GraphQL, Interface, Rest
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox

# Seconds until an exchange is given up. All have to begin, and the gateway to stop, within that time.
TIMEOUT = 2
# Half a second longer, which is no delay of a busy machine any more, and shorter than the lease.
STANDSTILL = TIMEOUT + 0.5


@pytest.fixture
def own_gateway(tmp_path: Path, settings: dict[str, str], catalogue: Path) -> Generator[Process]:
    """On one engine, since none is involved while it stands still."""
    process = start_gateway(tmp_path, settings | held(catalogue) | {"TENDON_PROVIDER_TIMEOUT": str(TIMEOUT)})
    yield process
    process.kill()


@pytest.fixture
def callers(client: httpx.AsyncClient, own_gateway: Process) -> list[Interface]:
    """As many as open the circuit when their callbacks time out, over each interface in turn."""
    kinds = (Rest, GraphQL)
    return [kinds[number % 2](client, own_gateway.origin) for number in range(TIMEOUTS)]


async def meanwhile_stopped(
    own_gateway: Process, callers: list[Interface], sandbox: Sandbox, provider: Proxy, *, answering: bool
) -> list[Answer]:
    """The answers to a callback of each. The gateway stops once the provider was asked for all, and until their time is
    over. The provider's answers come meanwhile if it is `answering`."""
    people = [Person(f"still-{number}") for number in range(len(callers))]
    callbacks = [await begin(api, sandbox, person) for api, person in zip(callers, people, strict=True)]
    provider.hold_replies()
    completing = [
        asyncio.create_task(api.complete(person.token, **callback))
        for api, person, callback in zip(callers, people, callbacks, strict=True)
    ]
    for callback in callbacks:
        await sandbox.asked(callback["code"])
    own_gateway.tell(signal.SIGSTOP)
    if answering:
        provider.flow()
    await asyncio.sleep(STANDSTILL)
    own_gateway.tell(signal.SIGCONT)
    return await asyncio.gather(*completing)


async def test_an_answer_that_came_meanwhile_is_read(
    own_gateway: Process, callers: list[Interface], sandbox: Sandbox, provider: Proxy
) -> None:
    answers = await meanwhile_stopped(own_gateway, callers, sandbox, provider, answering=True)
    assert [answer.connection["status"] for answer in answers] == ["connected"] * len(callers)


async def test_a_time_out_after_a_standstill_does_not_open_the_circuit(
    own_gateway: Process, callers: list[Interface], sandbox: Sandbox, provider: Proxy, someone: Person
) -> None:
    answers = await meanwhile_stopped(own_gateway, callers, sandbox, provider, answering=False)
    assert [answer.code for answer in answers] == ["PROVIDER_UNAVAILABLE"] * len(callers)
    assert own_gateway.said.count("this process stood still meanwhile") == len(callers)
    provider.flow()
    for api in callers[:2]:
        answer = await api.complete(someone.token, **await begin(api, sandbox, someone))
        assert answer.code is None
    assert "provider.circuit" not in own_gateway.said
