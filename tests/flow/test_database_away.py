"""A database that goes away: before the exchange nothing is spent, after it what was received is kept or given back,
and an answer that got lost on the line is no reason to do anything twice."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from models.connection import token_field
from models.vault import Vault, read_keys
from tests.conftest import Person, begin, held, start_gateway
from tests.databases import Database, PostgresDatabase, SqliteFile
from tests.interfaces import Answer, Interface, Rest
from tests.postgres import PostgresServer
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.waiting import until

RETRIED = "SERVICE_UNAVAILABLE"
IN_DOUBT = "The connection may have been stored. Send the same callback again to find out."


class Line:
    """A gateway whose PostgreSQL is at the other end of a line that the test holds."""

    def __init__(self, proxy: Proxy, database: PostgresDatabase, process: Process, client: httpx.AsyncClient) -> None:
        self.proxy = proxy
        self.database = database
        self.process = process
        self.api: Interface = Rest(client, process.origin)


@pytest.fixture
async def line(
    postgres: PostgresServer, settings: dict[str, str], catalogue: Path, tmp_path: Path, client: httpx.AsyncClient
) -> AsyncGenerator[Line]:
    database = PostgresDatabase(await postgres.create_migrated())
    proxy = Proxy(postgres.port)
    await proxy.open()
    through = PostgresDatabase(postgres.url(urlsplit(database.url).path.removeprefix("/"), proxy.port))
    # The provider's time-out is part of how long the storing goes on.
    hasty = settings | held(catalogue) | {"TENDON_DATABASE_TIMEOUT": "1", "TENDON_PROVIDER_TIMEOUT": "2"}
    process = await asyncio.to_thread(start_gateway, tmp_path, hasty, through)
    yield Line(proxy, database, process, client)
    process.kill()
    await proxy.close()


@pytest.fixture
def hasty_gateway(
    settings: dict[str, str], own_database: Database, catalogue: Path, tmp_path: Path
) -> Generator[Process]:
    hasty = settings | held(catalogue) | {"TENDON_PROVIDER_TIMEOUT": "1", "TENDON_DATABASE_TIMEOUT": "0.5"}
    process = start_gateway(tmp_path, hasty, own_database)
    yield process
    process.kill()


async def test_away_before_the_exchange(line: Line, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(line.api, sandbox, someone)
    await line.proxy.refuse()
    line.proxy.cut()
    answer = await line.api.complete(someone.token, **callback)
    assert (answer.code, answer.status, answer.headers["retry-after"]) == (RETRIED, 503, "1")
    assert await sandbox.exchanges(callback["code"]) == []
    await line.proxy.open()
    assert (await line.api.complete(someone.token, **callback)).connection["status"] == "connected"


async def test_a_database_that_says_nothing(line: Line, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(line.api, sandbox, someone)
    line.proxy.stall()
    answer = await line.api.complete(someone.token, **callback)
    assert (answer.code, await sandbox.exchanges(callback["code"])) == (RETRIED, [])
    line.proxy.cut()
    line.proxy.flow()
    assert (await _insist(line.api, someone, callback)).connection["status"] == "connected"


async def test_a_claim_whose_answer_got_lost(line: Line, sandbox: Sandbox, someone: Person) -> None:
    """It was made, by an attempt that will never use it: so it is given back, and the state is as good as before."""
    callback = await begin(line.api, sandbox, someone)
    line.proxy.cut_replies(hashlib.sha256(f"code:{callback['code']}".encode()).hexdigest().encode(), 1)
    assert (await line.api.complete(someone.token, **callback)).code == RETRIED
    assert line.proxy.sprung
    assert (await _insist(line.api, someone, callback)).connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_commit_whose_answer_got_lost(line: Line, sandbox: Sandbox, someone: Person) -> None:
    """The connection is there, and it is this caller's."""
    callback = await begin(line.api, sandbox, someone)
    line.proxy.cut_replies(b"connected", 1)
    answer = await line.api.complete(someone.token, **callback)
    assert line.proxy.sprung
    assert answer.connection["status"] == "connected"
    assert (await line.api.complete(someone.token, **callback)).payload == answer.payload
    assert len(await sandbox.exchanges(callback["code"])) == 1
    completed = "SELECT count(*) FROM audit_event WHERE action = 'complete' AND outcome = 'ok'"
    assert await line.database.value(completed) == 1


async def test_a_commit_that_nobody_hears_of_in_time(line: Line, sandbox: Sandbox, someone: Person) -> None:
    """The answer must not say that it was not stored: the same callback finds it, and its tokens are not revoked."""
    callback = await begin(line.api, sandbox, someone)
    revoked = len(await sandbox.calls("sandbox", "revoke"))
    line.proxy.stall_at_reply(b"connected")
    answer = await line.api.complete(someone.token, **callback)
    assert (answer.code, answer.message, answer.headers["retry-after"]) == (RETRIED, IN_DOUBT, "1")
    line.proxy.cut()
    line.proxy.flow()
    assert (await _insist(line.api, someone, callback)).connection["status"] == "connected"
    await until(lambda: "store.found" in line.process.said, "the connection to be found")
    assert len(await sandbox.calls("sandbox", "revoke")) == revoked


async def test_a_commit_that_is_still_at_work_when_its_line_breaks(
    line: Line, sandbox: Sandbox, someone: Person
) -> None:
    """The next try waits for it, and finds it done."""
    await line.database.fetch(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END'"
    )
    await line.database.fetch(
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON connection DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    callback = await begin(line.api, sandbox, someone)
    line.proxy.stall_at_reply(b"connected")
    waiting = asyncio.create_task(line.api.complete(someone.token, **callback))
    await until(lambda: line.proxy.sprung, "the statement")
    line.proxy.flow()
    line.proxy.cut()
    answer = await waiting
    assert answer.connection["status"] == "connected"
    assert (await line.api.complete(someone.token, **callback)).payload == answer.payload


async def test_the_newest_tokens_stay_though_a_claims_answer_is_slow(
    request: pytest.FixtureRequest,
    line: Line,
    sandbox: Sandbox,
    someone: Person,
    client: httpx.AsyncClient,
    settings: dict[str, str],
    catalogue: Path,
) -> None:
    """Its process must not take the time of the claim for that of the answer: another flow ran from begin to end."""
    direct = settings | held(catalogue) | {"TENDON_DATABASE_URL": line.database.url}
    other = await asyncio.to_thread(Process, "serve", folder=line.process.folder, settings=direct)
    request.addfinalizer(other.kill)
    slow, quick = [await begin(line.api, sandbox, someone) for _ in range(2)]
    line.proxy.stall_at_reply(hashlib.sha256(f"code:{slow['code']}".encode()).hexdigest().encode())
    waiting = asyncio.create_task(line.api.complete(someone.token, **slow))
    await until(lambda: line.proxy.sprung, "the statement")
    assert (await Rest(client, other.origin).complete(someone.token, **quick)).connection
    line.proxy.flow()
    assert (await waiting).connection
    vault = Vault(read_keys((line.process.folder / ".tendon" / "vault.keys").read_text()))
    ((sealed, version),) = await line.database.fetch("SELECT access_token, version FROM connection")
    stored = vault.open(sealed, **token_field(someone.id, "sandbox", version, "access_token"))
    issued = [token["value"] for token in await sandbox.tokens() if token["kind"] == "access_token"]
    assert stored == issued[-1]


async def test_the_provider_is_asked_soon_after_a_claim_or_not_at_all(
    line: Line, sandbox: Sandbox, someone: Person
) -> None:
    """To read the clock again and again on a line that fell silent must not use up the lease: others end it then."""
    callback = await begin(line.api, sandbox, someone)
    line.proxy.stall_after_reply(hashlib.sha256(f"code:{callback['code']}".encode()).hexdigest().encode(), late=0.2)
    waiting = asyncio.create_task(line.api.complete(someone.token, **callback))
    await until(lambda: line.proxy.sprung, "the statement")
    # With too little of the lease left, it would not be asked.
    await sandbox.asked(callback["code"])
    line.proxy.flow()
    assert (await waiting).connection["status"] == "connected"


async def test_a_migration_while_it_serves(
    hasty_gateway: Process, own_database: Database, sandbox: Sandbox, someone: Person, client: httpx.AsyncClient
) -> None:
    """What the server planned before no longer fits; nobody notices."""
    api = Rest(client, hasty_gateway.origin)
    for number in range(2):
        first = await begin(api, sandbox, someone)
        assert (await api.complete(someone.token, **first)).code is None
        for table in ("authorization_request", "connection", "audit_event"):
            await own_database.fetch(f"ALTER TABLE {table} ADD COLUMN later_{number} integer")
    second = await begin(api, sandbox, someone)
    assert (await api.complete(someone.token, **second)).connection["status"] == "connected"
    assert (await api.complete(someone.token, **second)).connection["status"] == "connected"


async def test_a_commit_that_did_not_happen(line: Line, sandbox: Sandbox, provider: Proxy, someone: Person) -> None:
    callback = await begin(line.api, sandbox, someone)
    provider.hold_replies()
    waiting = asyncio.create_task(line.api.complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    await line.proxy.refuse()
    line.proxy.cut()
    provider.flow()
    await until(lambda: "store.failed" in line.process.said, "a try to store")
    await line.proxy.open()
    assert (await waiting).connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_connections_that_all_break_at_once(line: Line, sandbox: Sandbox, someone: Person) -> None:
    """Whoever comes next is served: what broke is not in the pool any more."""
    for _ in range(3):
        await asyncio.gather(*(line.api.connections(someone.token, userId=someone.id) for _ in range(10)))
        line.proxy.cut()
        await asyncio.sleep(0.1)
        assert (await line.api.connections(someone.token, userId=someone.id)).code is None


async def test_away_after_the_exchange_for_too_long(
    hasty_gateway: Process,
    own_database: Database,
    sandbox: Sandbox,
    provider: Proxy,
    someone: Person,
    client: httpx.AsyncClient,
) -> None:
    """Never a success that isn't stored: the user starts again, and the tokens are given back."""
    api = Rest(client, hasty_gateway.origin)
    callback = await begin(api, sandbox, someone)
    provider.hold_replies()
    waiting = asyncio.create_task(api.complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    async with _locked(own_database):
        provider.flow()
        answer = await waiting
        assert (answer.code, answer.message) == (RETRIED, "The connection could not be stored. Start it again.")
        assert "retry-after" in answer.headers
    await until(lambda: "surrender.recorded" in hasty_gateway.said, "the tokens to be given back")
    assert await own_database.fetch("SELECT * FROM connection") == []
    again = await api.complete(someone.token, **callback)
    assert (again.code, len(await sandbox.exchanges(callback["code"]))) == ("PROVIDER_UNAVAILABLE", 1)
    assert list(await own_database.fetch("SELECT provider, ended_version FROM revocation")) == [("sandbox", 0)]
    assert (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection["status"] == "connected"


@asynccontextmanager
async def _locked(database: Database) -> AsyncGenerator[None]:
    """Nobody can write meanwhile."""
    if isinstance(database, SqliteFile):
        with closing(sqlite3.connect(database.path, isolation_level=None)) as outside:
            outside.execute("BEGIN IMMEDIATE")
            yield
    else:
        await database.fetch("ALTER TABLE connection RENAME TO elsewhere")
        try:
            yield
        finally:
            await database.fetch("ALTER TABLE elsewhere RENAME TO connection")


async def _insist(api: Interface, person: Person, callback: dict[str, str]) -> Answer:
    """As a client does that is told when to come again."""
    answers: list[Answer] = []

    async def is_final() -> bool:
        answers.append(await api.complete(person.token, **callback))
        return answers[-1].code is None or "retry-after" not in answers[-1].headers

    await until(is_final, "the result")
    return answers[-1]
