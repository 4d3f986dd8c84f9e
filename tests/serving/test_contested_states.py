"""Two codes for one state, the wrong one first: while it holds the claim nothing is final, and if the provider can't be
reached, it leaves no trace."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import Answer, Interface
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.serving.conftest import Serve
from tests.waiting import until

STATE = "SELECT status, code_hash, owner FROM authorization_request"


class Contest:
    """A callback with the right code and one with a wrong code, for the same state."""

    def __init__(self, api: Interface, person: Person, right: dict[str, str], database: Database) -> None:
        self._api, self._person, self.right, self._database = api, person, right, database
        self.wrong = right | {"code": f"wrong-{person.id}"}

    async def send(self, callback: dict[str, str]) -> Answer:
        return await self._api.complete(self._person.token, **callback)

    async def begin(self, callback: dict[str, str]) -> asyncio.Task[Answer]:
        """Returns once it holds the claim."""
        task = asyncio.create_task(self.send(callback))

        async def is_claimed() -> bool:
            return await self._database.value("SELECT status FROM authorization_request") == "exchanging"

        await until(is_claimed, "the claim")
        return task


@pytest.fixture
async def contest(
    serve: Serve,
    own_database: Database,
    interface: type[Interface],
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
) -> Contest:
    api = interface(client, serve(database=own_database).origin)
    return Contest(api, someone, await begin(api, sandbox, someone), own_database)


async def test_a_wrong_code_while_the_provider_refuses_connections(
    contest: Contest, provider: Proxy, own_database: Database, sandbox: Sandbox
) -> None:
    await provider.refuse()
    provider.cut()
    wrong = await contest.begin(contest.wrong)
    answers = [await contest.send(contest.right), await wrong]
    for answer in answers:
        assert answer.code == "PROVIDER_UNAVAILABLE"
        assert "Send the same callback again" in (answer.message or "")
    assert await own_database.fetch(STATE) == [("pending", None, None)]
    await provider.open()
    assert (await contest.send(contest.right)).connection["status"] == "connected"
    # From here on the wrong code is permanently wrong.
    for _ in range(2):
        assert (await contest.send(contest.wrong)).code == "INVALID_STATE"
    assert len(await sandbox.exchanges(contest.right["code"])) == 1


@pytest.mark.parametrize("first", ["right", "wrong"])
async def test_another_code_waits_for_what_is_final(
    contest: Contest, provider: Proxy, sandbox: Sandbox, first: str
) -> None:
    one, other = (contest.right, contest.wrong) if first == "right" else (contest.wrong, contest.right)
    provider.hold_replies()
    claimed = await contest.begin(one)
    waiting = asyncio.create_task(contest.send(other))
    await asyncio.sleep(1)
    assert not waiting.done()
    provider.flow()
    ended = await claimed
    assert ended.code == (None if first == "right" else "INVALID_GRANT")
    for answer in (await waiting, await contest.send(other)):
        assert answer.code == "INVALID_STATE"
        assert answer.headers.get("retry-after") is None
    assert (await contest.send(one)).code == ended.code
    assert await sandbox.exchanges(other["code"]) == []
