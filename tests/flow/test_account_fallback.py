"""An entry that names the account in both ways: where the token answer has no account id, `[account]` is asked."""

from __future__ import annotations

from asyncio import StreamWriter
from collections.abc import AsyncGenerator, Generator
from uuid import uuid4

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person, new_database, start_gateway
from tests.databases import ENGINES, Database
from tests.interfaces import Interface
from tests.processes import Process
from tests.wire.http.loopback import Asked, Loopback, answering, loopback

ENTRY = """
slug = "both"
name = "Both ways"
docs = "https://both.example/docs"
[authorize]
url = "{origin}/authorize"
[token]
url = "{origin}/token"
account = "user.id"
[account]
url = "{origin}/me"
field = "id"
"""


class BothWays:
    """A provider whose token answer has this `user`, and which has this at `/me`."""

    def __init__(self) -> None:
        self.user = self.me = b"null"
        self.server: Loopback

    async def respond(self, asked: Asked, writer: StreamWriter) -> None:
        if asked.line.startswith("GET /me"):
            body = b'{"id": %b}' % self.me
        else:
            body = b'{"access_token": "made-up", "user": %b}' % self.user
        await answering(body)(asked, writer)


@pytest.fixture(scope="module")
async def provider() -> AsyncGenerator[BothWays]:
    provider = BothWays()
    async with loopback(provider.respond) as provider.server:
        yield provider


@pytest.fixture(scope="module", params=ENGINES)
async def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Of this process alone: another on the same database would need the same vault key."""
    return await new_database(request, tmp_path_factory.mktemp("database"), request.param)


@pytest.fixture(scope="module")
def connecting(
    tmp_path_factory: pytest.TempPathFactory,
    settings: dict[str, str],
    database: Database,
    provider: BothWays,
) -> Generator[Process]:
    folder = tmp_path_factory.mktemp("both")
    (folder / "both.toml").write_text(ENTRY.format(origin=provider.server.origin), encoding="utf-8")
    own = {"BOTH_CLIENT_ID": "client", "BOTH_CLIENT_SECRET": "secret", "TENDON_CATALOGUE": str(folder)}
    process = start_gateway(folder, settings | own, database)
    yield process
    process.kill()


@pytest.fixture
def both(connecting: Process, interface: type[Interface], client: httpx.AsyncClient) -> Interface:
    return interface(client, connecting.origin)


@pytest.mark.parametrize(
    ("me", "account"),
    [(b'"from-me"', "from-me"), (b"12.0", "12"), (b"1.5", None), (b'"\\u0007"', None)],
)
async def test_the_account_is_asked_for_where_the_tokens_name_none(
    both: Interface, provider: BothWays, database: Database, me: bytes, account: str | None
) -> None:
    provider.me = me
    for provider.user in [b"null", b'"text"', b'{"id": ""}', b'{"id": {}}', b'{"id": 1.5}', b'{"id": 1e999}']:
        before = len(provider.server.asked)
        person = Person(f"both-{uuid4().hex}")
        begun = await both.authorize(person.token, provider="both", redirectUri=REDIRECT_URI)
        callback = {"provider": "both", "redirectUri": REDIRECT_URI, "code": "c", "state": begun.data["state"]}
        assert (await both.complete(person.token, **callback)).connection["status"] == "connected"
        stored = await database.value("SELECT account FROM connection WHERE user_id = $1", person.id)
        assert (stored, len(provider.server.asked) - before) == (account, 2)


async def test_an_account_beside_the_tokens_is_enough(
    both: Interface, provider: BothWays, database: Database, someone: Person
) -> None:
    provider.user, provider.me = b'{"id": 1e2}', b'"from-me"'
    before = len(provider.server.asked)
    begun = await both.authorize(someone.token, provider="both", redirectUri=REDIRECT_URI)
    callback = {"provider": "both", "redirectUri": REDIRECT_URI, "code": "c", "state": begun.data["state"]}
    assert (await both.complete(someone.token, **callback)).connection["status"] == "connected"
    assert await database.value("SELECT account FROM connection WHERE user_id = $1", someone.id) == "100"
    assert len(provider.server.asked) - before == 1
