"""A short run with a provider that is not ours: connections are used, renewed and ended while processes are killed.
And what that provider knows of its clients."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.torture.databases import Sqlite
from tests.torture.foreign.provider import SLUG, ForeignControl, Server, installed, start
from tests.torture.life import trial
from tests.torture.life.record import Record
from tests.torture.life.rules import RULES, violations
from tests.torture.life.summary import Summary
from tests.torture.life.trial import Plan
from tests.torture.life.world import opened
from tests.waiting import until

# Seconds that an answer takes.
_SLOW = 0.3


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def server(tmp_path: Path, packages: Path) -> Generator[Server]:
    running = Server(tmp_path, packages)
    yield running
    running.kill()


async def test_the_promises_hold_with_a_foreign_provider(tmp_path: Path, packages: Path) -> None:
    """On one engine: the provider makes no difference to the other one. `make torture` has both."""
    async with opened(tmp_path, Sqlite(tmp_path), start=partial(start, packages=packages)) as world:
        record = await trial.run(world, Plan("short", seconds=4, people=9, enough=_much_happened))
    told = "\n\n".join([str(_summary(record)), *violations(record)])
    assert not violations(record), told
    # A run that did nothing has found nothing.
    assert _much_happened(record), told


async def test_an_answer_that_came_and_was_not_stored_is_found(tmp_path: Path, packages: Path) -> None:
    """The gateways throw away what a refresh gave. Nothing else is wrong."""
    broken = "tests.torture.life.broken_store"
    provider = partial(start, packages=packages)
    async with opened(tmp_path, Sqlite(tmp_path), workers=0, instead=broken, start=provider) as world:
        record = await trial.run(world, Plan("short", seconds=1, people=3, calm=True, enough=_lost_for_nothing))
    assert _lost_for_nothing(record)


async def test_a_client_that_went_while_the_provider_was_suspended_has_heard_nothing(
    server: Server, client: httpx.AsyncClient
) -> None:
    """Its answer is due by the time that the provider goes on, and can be written to the line that it has closed."""
    control = ForeignControl(client, server.origin)
    while True:
        await control.fault(SLUG, "slow", seconds=_SLOW)
        line = _asking(server)
        await until(partial(_is, control, lambda call: call["outcome"] != "pending"), "the request")
        _suspend(server)
        if not _has_answer(line):
            break
        # It was suspended too late.
        server.tell(signal.SIGCONT)
    line.close()
    went = time.time()
    await asyncio.sleep(_SLOW)
    server.tell(signal.SIGCONT)
    await until(partial(_is, control, _is_over), "the end of the request")
    call = (await control.calls(SLUG, "token"))[-1]
    assert call["closed_at"] is None
    # Not when it was found out.
    assert call["hung_up_at"] <= went


async def test_a_client_that_went_before_its_request_was_read_has_heard_nothing(
    server: Server, client: httpx.AsyncClient
) -> None:
    control = ForeignControl(client, server.origin)
    _suspend(server)
    _asking(server).close()
    server.tell(signal.SIGCONT)
    await until(partial(_is, control, _is_over), "the end of the request")
    assert (await control.calls(SLUG, "token"))[-1]["closed_at"] is None


def _asking(server: Server) -> socket.socket:
    """A connection on which a refresh was sent."""
    form = b"grant_type=refresh_token&refresh_token=unknown"
    line = socket.create_connection(("127.0.0.1", server.port))
    line.sendall(
        f"POST /token HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: {len(form)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode()
        + form
    )
    return line


def _has_answer(line: socket.socket) -> bool:
    return bool(select.select([line], [], [], 0)[0])


def _suspend(server: Server) -> None:
    server.tell(signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED)


async def _is(control: ForeignControl, condition: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether it holds for the last request."""
    calls = await control.calls(SLUG, "token")
    return bool(calls) and condition(calls[-1])


def _is_over(call: dict[str, Any]) -> bool:
    return (call["closed_at"] or call["hung_up_at"]) is not None


def _lost_for_nothing(record: Record) -> bool:
    return any(RULES["losses are explained"](record))


def _much_happened(record: Record) -> bool:
    summary = _summary(record)
    return summary.kills >= 3 and summary.struck >= 1 and summary.refreshes >= 15 and summary.disconnects >= 2


def _summary(record: Record) -> Summary:
    summary = Summary()
    summary.add(record)
    return summary
