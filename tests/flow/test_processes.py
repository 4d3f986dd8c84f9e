"""Several processes on one database: one of them exchanges, all answer alike, and none is missed when it dies."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Person, begin, held, start_gateway
from tests.databases import Database, SqliteFile, create_migrated_file
from tests.interfaces import Answer, GraphQL, Interface, Rest
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.waiting import until

# Of the lease, in seconds: the provider's time-out and five for writing.
LEASE = 25 + 5
PAST = "'2020-01-01 00:00:00.000000+00:00'"


@pytest.fixture
def pair(settings: dict[str, str], own_database: Database, tmp_path: Path, catalogue: Path) -> Generator[list[Process]]:
    # One key for both, as an operator gives it.
    first, second = [start_gateway(tmp_path, settings | held(catalogue), own_database) for _ in range(2)]
    yield [first, second]
    first.kill()
    second.kill()


@dataclass(frozen=True)
class Midway:
    """A callback in the middle of its exchange at the process that is its `holder`. `answer` is the caller's."""

    holder: Interface
    other: Interface
    callback: dict[str, Any]
    answer: asyncio.Task[Answer | None]


@pytest.fixture
async def midway(
    pair: list[Process], sandbox: Sandbox, provider: Proxy, someone: Person, client: httpx.AsyncClient
) -> Midway:
    holder, other = (Rest(client, process.origin) for process in pair)
    callback = await begin(holder, sandbox, someone)
    provider.hold_replies()
    answer = asyncio.create_task(_hung_up(holder, someone, callback))
    await sandbox.asked(callback["code"])
    return Midway(holder, other, callback, answer)


def interfaces(client: httpx.AsyncClient, processes: list[Process]) -> list[Interface]:
    return [kind(client, process.origin) for process in processes for kind in (Rest, GraphQL)]


async def test_fifty_at_once_over_two_processes(
    pair: list[Process], sandbox: Sandbox, someone: Person, client: httpx.AsyncClient, own_database: Database
) -> None:
    doors = interfaces(client, pair)
    callback = await begin(doors[0], sandbox, someone)
    await sandbox.fault("sandbox", "slow", seconds=0.4)
    answers = await asyncio.gather(*(doors[number % 4].complete(someone.token, **callback) for number in range(50)))
    assert {answer.payload for answer in answers} == {answers[0].payload}
    assert answers[0].connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1
    assert await own_database.value("SELECT count(*) FROM connection") == 1
    done = "SELECT action, outcome FROM audit_event WHERE outcome = 'ok' ORDER BY id"
    assert await own_database.fetch(done) == [("authorize", "ok"), ("complete", "ok")]
    # Each process writes its first row at once, and counts the others.
    replayed = await own_database.value("SELECT count(*) FROM audit_event WHERE outcome = 'replayed'")
    assert 1 <= replayed <= len(pair)
    assert [process.stop() for process in pair] == [0, 0]
    assert await own_database.value("SELECT sum(count) FROM audit_event WHERE outcome = 'replayed'") == 49


async def test_a_refusal_is_the_same_everywhere(
    pair: list[Process], sandbox: Sandbox, someone: Person, client: httpx.AsyncClient
) -> None:
    doors = interfaces(client, pair)
    never_given = f"never-given-{someone.id}"
    callback = await begin(doors[0], sandbox, someone) | {"code": never_given}
    answers = await asyncio.gather(*(door.complete(someone.token, **callback) for door in doors * 5))
    assert {(answer.code, answer.message) for answer in answers} == {(answers[0].code, answers[0].message)}
    assert (answers[0].code, len(await sandbox.exchanges(never_given))) == ("INVALID_GRANT", 1)


async def test_a_holder_that_is_killed(
    pair: list[Process], midway: Midway, sandbox: Sandbox, provider: Proxy, someone: Person, own_database: Database
) -> None:
    """Those who wait at another process hear at the end of its lease, and whoever comes later at once."""
    waiting = asyncio.create_task(midway.other.complete(someone.token, **midway.callback))
    pair[0].kill()
    await midway.answer
    lease_until = await own_database.value("SELECT lease_until FROM authorization_request")
    assert 0 < (datetime.fromisoformat(str(lease_until)) - datetime.now(UTC)).total_seconds() < LEASE
    assert not waiting.done()
    await own_database.fetch(f"UPDATE authorization_request SET lease_until = {PAST}")
    assert (await waiting).code == "PROVIDER_UNAVAILABLE"
    again = await midway.other.complete(someone.token, **midway.callback)
    assert (again.code, "retry-after" in again.headers) == ("PROVIDER_UNAVAILABLE", False)
    assert len(await sandbox.exchanges(midway.callback["code"])) == 1
    assert await own_database.fetch("SELECT status FROM authorization_request") == [("failed",)]
    provider.flow()
    assert (await midway.other.complete(someone.token, **await begin(midway.other, sandbox, someone))).connection


async def test_a_holder_that_stands_still_for_longer_than_its_lease(
    pair: list[Process], midway: Midway, sandbox: Sandbox, provider: Proxy, someone: Person, own_database: Database
) -> None:
    """Others have told the user to start again by then, so what it received is worth nothing and given back."""
    os.kill(pair[0].pid, signal.SIGSTOP)
    await own_database.fetch(f"UPDATE authorization_request SET lease_until = {PAST}")
    assert (await midway.other.complete(someone.token, **midway.callback)).code == "PROVIDER_UNAVAILABLE"
    provider.flow()
    os.kill(pair[0].pid, signal.SIGCONT)
    told = await midway.answer
    assert told
    assert told.code == "PROVIDER_UNAVAILABLE"
    await until(lambda: "surrender.recorded" in pair[0].said, "the tokens to be given back")
    assert await own_database.fetch("SELECT * FROM connection") == []
    assert len(await sandbox.exchanges(midway.callback["code"])) == 1


async def test_a_holder_that_stands_still_until_its_lease_is_over(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    settings: dict[str, str],
    catalogue: Path,
    provider: Proxy,
    sandbox: Sandbox,
    someone: Person,
    client: httpx.AsyncClient,
) -> None:
    """The same by its own clock, on one engine. Another process waits for the end of the lease."""
    hasty = settings | held(catalogue) | {"TENDON_PROVIDER_TIMEOUT": "0.5"}
    database = SqliteFile(create_migrated_file(tmp_path / "tendon.db"))
    processes = [start_gateway(tmp_path, hasty, database) for _ in range(2)]
    for process in processes:
        request.addfinalizer(process.kill)
    holder, other = (Rest(client, process.origin) for process in processes)
    callback = await begin(holder, sandbox, someone)
    provider.hold_replies()
    answer = asyncio.create_task(holder.complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    processes[0].tell(signal.SIGSTOP)
    provider.flow()
    assert (await other.complete(someone.token, **callback)).code == "PROVIDER_UNAVAILABLE"
    processes[0].tell(signal.SIGCONT)
    assert (await answer).code in ("PROVIDER_UNAVAILABLE", "SERVICE_UNAVAILABLE")
    ending = re.compile(r"surrender.recorded|exchange.failed")
    await until(lambda: bool(ending.search(processes[0].said)), "the end of the exchange")
    assert await database.fetch("SELECT * FROM connection") == []
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_claims_of_the_dead_are_ended_though_nobody_asks(
    pair: list[Process], midway: Midway, sandbox: Sandbox, someone: Person, own_database: Database
) -> None:
    pair[0].kill()
    await midway.answer
    await own_database.fetch(f"UPDATE authorization_request SET lease_until = {PAST}, expires_at = {PAST}")
    failed = "SELECT count(*) FROM authorization_request WHERE status = 'failed'"

    async def is_ended() -> bool:
        return await own_database.value(failed) == 1

    # The first authorize after a start clears whatever is past.
    await begin(midway.other, sandbox, someone)
    await until(is_ended, "the clearing")
    # The caller who noticed it is not recorded as the actor.
    actors = "SELECT actor, subject FROM audit_event WHERE outcome = 'PROVIDER_UNAVAILABLE'"
    pseudonym = await own_database.value("SELECT pseudonym FROM audit_subject WHERE user_id = $1", someone.id)
    assert await own_database.fetch(actors) == [(None, pseudonym)]


async def _hung_up(api: Interface, person: Person, callback: dict[str, str]) -> Answer | None:
    with suppress(httpx.HTTPError):
        return await api.complete(person.token, **callback)
    return None
