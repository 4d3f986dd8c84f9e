"""Replicas and their vault keys: one with different keys is unready itself and does not affect the others."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person, begin
from tests.databases import Database
from tests.interfaces import Answer, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.serving.conftest import KEY, Serve
from tests.serving.serving import becomes, readiness
from tests.vault_keys import vault_key

# The same id, a different key.
ANOTHER = vault_key("k1", "another")
NEWER = vault_key("k2")
RECORDED = "SELECT key_id FROM vault_key ORDER BY key_id"
# A record counts as recent for two minutes.
AGE = "UPDATE vault_key SET created_at = '2020-01-01 00:00:00.000000+00:00'"


class Replicas:
    """Replicas on one database, each with its own keys."""

    def __init__(self, serve: Serve, database: Database, client: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self._serve, self.database, self._client, self._sandbox = serve, database, client, sandbox

    def start(self, *keys: str) -> Process:
        return self._serve(database=self.database, TENDON_VAULT_KEYS=" ".join(keys))

    async def authorize(self, process: Process, person: Person) -> Answer:
        """Seals a verifier."""
        api = Rest(self._client, process.origin)
        return await api.authorize(person.token, provider="sandbox", redirectUri=REDIRECT_URI)

    async def begin(self, process: Process, person: Person) -> dict[str, str]:
        return await begin(Rest(self._client, process.origin), self._sandbox, person)

    async def complete(self, process: Process, person: Person, callback: dict[str, str]) -> Answer:
        return await Rest(self._client, process.origin).complete(person.token, **callback)

    async def connect(self, process: Process, person: Person) -> None:
        """Seals tokens."""
        answer = await self.complete(process, person, await self.begin(process, person))
        assert answer.connection["status"] == "connected"


@pytest.fixture
def replicas(serve: Serve, own_database: Database, client: httpx.AsyncClient, sandbox: Sandbox) -> Replicas:
    return Replicas(serve, own_database, client, sandbox)


async def test_a_key_is_recorded_when_it_seals(replicas: Replicas, someone: Person) -> None:
    process = replicas.start(KEY)
    await becomes(process.origin)
    assert await replicas.database.fetch(RECORDED) == []
    assert (await replicas.authorize(process, someone)).code is None
    assert await replicas.database.fetch(RECORDED) == [("k1",)]


@pytest.mark.parametrize("wrong", [ANOTHER, NEWER], ids=["same id", "other id"])
async def test_a_replica_with_a_wrong_key(replicas: Replicas, someone: Person, another: Person, wrong: str) -> None:
    """It has sealed nothing, so it leaves nothing behind, and the others never notice it."""
    right = replicas.start(KEY)
    await replicas.connect(right, someone)
    astray = replicas.start(wrong)
    await becomes(astray.origin, "keys")
    assert astray.logged("unready")[0]["keys"] == ["k1"]
    answer = await replicas.authorize(astray, another)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "1")
    callback = await replicas.begin(right, another)
    assert (await replicas.complete(astray, another, callback)).code == "SERVICE_UNAVAILABLE"
    assert "(k1)" in astray.logged("vault.failed")[0]["fault"]
    assert wrong.partition(":")[2] not in astray.said
    # Nothing was spent by that, and the others continue.
    assert (await replicas.complete(right, another, callback)).connection["status"] == "connected"
    assert await readiness(right.origin) == (200, [])
    assert await replicas.database.fetch(RECORDED) == [("k1",)]
    assert astray.stop() == 0
    await becomes(replicas.start(KEY).origin)


async def test_of_two_that_seal_first_at_once_one_is_right(replicas: Replicas, someone: Person) -> None:
    """Neither has anything to compare with."""
    processes = [replicas.start(keys) for keys in (KEY, NEWER)]
    answers = await asyncio.gather(*(replicas.authorize(process, someone) for process in processes))
    assert sorted((answer.code or "") for answer in answers) == ["", "SERVICE_UNAVAILABLE"]
    for process, answer in zip(processes, answers, strict=True):
        await becomes(process.origin, *(["keys"] if answer.code else []))
    assert len(await replicas.database.fetch(RECORDED)) == 1


async def test_a_new_key_in_two_rounds(replicas: Replicas, someone: Person, another: Person) -> None:
    """As documented. No user notices which process serves them, and no process is ever unready."""
    old = replicas.start(KEY)
    first = await replicas.begin(old, someone)
    added = replicas.start(KEY, NEWER)
    second = await replicas.begin(added, another)
    assert (await replicas.complete(old, another, second)).code is None
    assert (await replicas.complete(added, someone, first)).code is None
    assert old.stop() == 0
    moved = replicas.start(NEWER, KEY)
    third = await replicas.begin(moved, someone)
    assert (await replicas.complete(added, someone, third)).code is None
    for process in (added, moved):
        await becomes(process.origin)
        assert not process.logged("unready")
    assert await replicas.database.fetch(RECORDED) == [("k1",), ("k2",)]


async def test_a_new_key_that_is_first_at_once(replicas: Replicas, someone: Person, another: Person) -> None:
    """A replica without it is unready while rows are sealed under it, and still serves what its own keys can open."""
    old, new = replicas.start(KEY), replicas.start(NEWER, KEY)
    await replicas.connect(old, someone)
    await becomes(new.origin)
    await replicas.connect(new, another)
    await becomes(old.origin, "keys")
    assert old.logged("unready")[0]["keys"] == ["k2"]
    await replicas.connect(old, someone)


async def test_a_key_that_nothing_is_sealed_under_any_more(replicas: Replicas, someone: Person) -> None:
    """It may be removed from the setting: its record alone does not make a process unready."""
    await replicas.connect(replicas.start(KEY), someone)
    await replicas.connect(replicas.start(NEWER, KEY), someone)
    await replicas.database.fetch("UPDATE authorization_request SET verifier = NULL")
    process = replicas.start(NEWER)
    await becomes(process.origin, "keys")
    await replicas.database.fetch(AGE)
    await becomes(process.origin)
    assert await replicas.database.fetch(RECORDED) == [("k1",), ("k2",)]


@pytest.mark.parametrize("column", ["access_token", "refresh_token"])
async def test_a_key_that_one_value_is_sealed_under(replicas: Replicas, someone: Person, column: str) -> None:
    await replicas.connect(replicas.start(KEY), someone)
    other = {"access_token": "refresh_token", "refresh_token": "access_token"}[column]
    await replicas.database.fetch(f"UPDATE connection SET {other} = NULL")
    await replicas.database.fetch(AGE)
    await becomes(replicas.start(NEWER).origin, "keys")
    await replicas.database.fetch(f"UPDATE connection SET {column} = NULL")
    # One that runs looks again after five seconds.
    await becomes(replicas.start(NEWER).origin)


async def test_a_wrong_key_that_sealed_first_and_is_gone(replicas: Replicas, someone: Person) -> None:
    """A wrong key with the id of the right one. It is forgiven once its rows are gone: a request lives ten minutes."""
    astray = replicas.start(ANOTHER)
    assert (await replicas.authorize(astray, someone)).code is None
    assert astray.stop() == 0
    right = replicas.start(KEY)
    await becomes(right.origin, "keys")
    await replicas.database.fetch(AGE)
    assert await readiness(right.origin) == (503, ["keys"])
    await replicas.database.fetch("UPDATE authorization_request SET expires_at = '2020-01-01 00:00:00.000000+00:00'")
    await becomes(right.origin)
    await replicas.connect(right, someone)
    await becomes(replicas.start(KEY).origin)
    await becomes(replicas.start(ANOTHER).origin, "keys")
