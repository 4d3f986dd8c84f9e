"""The resolvers as the gateway runs them, without HTTP around them: with a real database that fails when a test says
so, and a provider that answers as a test says."""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from structlog.testing import capture_logs
from structlog.typing import EventDict

from models.authorization_request import state_hash
from models.connection import StoredConnection, token_field
from models.database import Database, DatabaseDown
from models.engine import Row, Script, Session, Values
from models.vault import Vault
from providers.catalogue import Credentials, Provider
from resolvers.authorize import Authorization, authorize_connection
from resolvers.background import Background
from resolvers.callback.complete import Callback, complete_connection
from resolvers.caller import READ, WRITE, Caller
from resolvers.context import Context, Registration, Resources
from resolvers.errors import Problem
from resolvers.redirects import RedirectAllowList
from tests.conftest import REDIRECT_URI
from tests.databases import Database as Outside
from tests.loop_clock import LoopClock, held_clock
from tests.providers.entries import provider
from tests.wire.http.fetching import private_client
from tests.wire.http.loopback import Asked, Loopback, answering, loopback

BOTH = frozenset({READ, WRITE})
TIMEOUT = 10.0
"""The provider's time-out, in seconds."""
LEASE = TIMEOUT + 5
PAST = "'2020-01-01 00:00:00+00:00'"
NUMBERS = count()

# The statements, as a test names them to let one fail: each by a part of its SQL that only it has.
CLAIM = "SET status = 'exchanging'"
RELEASE = "SET status = 'pending'"
END = "SET status = 'failed'"
STORE = "INSERT INTO connection "
FIND = "SELECT status, code_hash"
ADD = "INSERT INTO authorization_request"
RECORD = "INSERT INTO audit_event"
SET_ACCOUNT = "SET account ="
CLOCK = "AS read_at"

Meanwhile = Callable[[], Awaitable[Any]]


@dataclass
class Fault:
    """What happens to the statements that contain `part`, `times` times: the fault `error`, and before it `meanwhile`.
    With `done`, the statement takes effect nevertheless, and without `error` it answers as well, with no row if it was
    not done."""

    part: str
    error: Exception | None
    times: float
    done: bool
    meanwhile: Meanwhile | None

    def hits(self, script: Script) -> bool:
        return self.times > 0 and self.part in script.steps[0].text


class FailingDatabase(Database):
    """A real database, and what a test wants to happen to it."""

    def __init__(self, database: Database) -> None:
        self.away = False
        self.running = 0
        self.ran: list[tuple[float, str]] = []
        self._database = database
        self._faults: list[Fault] = []
        self._on_their_way: list[tuple[Script, Values]] = []
        # The class has it for each engine; this one is of both.
        setattr(self, "dialect", database.dialect)  # noqa: B010

    def fail(
        self,
        part: str,
        *,
        times: float = 1,
        done: bool = False,
        in_doubt: bool = False,
        error: Exception | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> None:
        """The next statement with `part` fails. What was not done may still be done later, by `arrive`."""
        self._faults.append(Fault(part, error or DatabaseDown("FAULT", in_doubt=in_doubt), times, done, meanwhile))

    def delay(self, part: str, meanwhile: Meanwhile, *, times: float = 1) -> None:
        """The next statement with `part` is done, and its answer comes after `meanwhile`."""
        self._faults.append(Fault(part, None, times, True, meanwhile))

    def miss(self, part: str, *, times: float = 1) -> None:
        """The next statement with `part` finds no row."""
        self._faults.append(Fault(part, None, times, False, None))

    async def arrive(self) -> None:
        """What failed without effect takes effect now, as if it had been on its way."""
        while self._on_their_way:
            await self._run(*self._on_their_way.pop(0))

    def mend(self) -> None:
        self.away = False
        self._faults.clear()

    def count(self, part: str) -> int:
        """How many statements with `part` were tried."""
        return len(self.moments(part))

    def moments(self, part: str) -> list[float]:
        """When they were tried, by the loop's time."""
        return [moment for moment, text in self.ran if part in text]

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        self.ran.append((asyncio.get_running_loop().time(), script.steps[0].text))
        if self.away:
            raise DatabaseDown("AWAY")
        fault = next((fault for fault in self._faults if fault.hits(script)), None)
        if fault is None:
            return await self._run(script, values)
        fault.times -= 1
        if not fault.done:
            self._on_their_way.append((script, values))
        rows = await self._run(script, values) if fault.done else []
        if fault.meanwhile is not None:
            await fault.meanwhile()
        if fault.error is not None:
            raise fault.error
        return rows

    async def _run(self, script: Script, values: Values) -> Sequence[Row]:
        self.running += 1
        try:
            return await self._database.run(script, values)
        finally:
            self.running -= 1

    async def check_writable(self) -> None:
        await self._database.check_writable()

    def exclusively(
        self, lock: int, on_wait: Callable[[], object] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        return self._exclusively(lock, on_wait)

    @asynccontextmanager
    async def _exclusively(self, lock: int, on_wait: Callable[[], object] | None) -> AsyncGenerator[Session]:
        if self.away:
            raise DatabaseDown("AWAY")
        self.running += 1
        try:
            async with self._database.exclusively(lock, on_wait) as session:
                yield session
        finally:
            self.running -= 1

    async def close(self) -> None:
        await self._database.close()


class FakeProvider(AsyncExitStack):
    """Answers requests for tokens with the usual ones and `tokens`, or with `raw`, and others as the test says.

    What is in `meanwhile` for a path runs once, after the request and before the answer. While `leave` is not set, who
    asks for tokens is kept waiting.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server = Loopback()
        self.status = "200 OK"
        self.headers: tuple[str, ...] = ()
        self.tokens: dict[str, Any] = {}
        self.raw: bytes | None = None
        self.account: Any = "sam"
        self.account_status = "200 OK"
        self.revoke_status = "200 OK"
        self.leave = asyncio.Event()
        self.leave.set()
        self.meanwhile: dict[str, Meanwhile] = {}
        self.issued: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Listen, on the same port as before."""
        asked = self.server.asked
        self.server = await self.enter_async_context(loopback(self.respond, port=self.server.port))
        self.server.asked = asked

    async def stop(self) -> None:
        """Nobody listens any more."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def respond(self, asked: Asked, writer: StreamWriter) -> None:
        path = asked.line.split(" ")[1]
        if meanwhile := self.meanwhile.pop(path, None):
            await meanwhile()
        if path == "/token":
            await self.leave.wait()
            await self._answer_tokens(asked, writer)
        elif path == "/me":
            body = json.dumps({"id": self.account}).encode()
            await answering(body, status=self.account_status)(asked, writer)
        else:
            await answering(b"{}", status=self.revoke_status)(asked, writer)

    async def _answer_tokens(self, asked: Asked, writer: StreamWriter) -> None:
        number = next(NUMBERS)
        usual = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600}
        body = {name: value for name, value in (usual | self.tokens).items() if value is not None}
        self.issued.append(body)
        content = json.dumps(body).encode() if self.raw is None else self.raw
        await answering(content, status=self.status, headers=self.headers)(asked, writer)

    def asked(self, path: str = "/token") -> list[Asked]:
        return [asked for asked in self.server.asked if asked.line.split(" ")[1] == path]

    def exchanges(self, code: str) -> list[dict[str, list[str]]]:
        return [asked.form for asked in self.asked() if asked.form["code"] == [code]]

    @property
    def last(self) -> tuple[str | None, str | None]:
        """The access token and the refresh token that it issued last."""
        return self.issued[-1]["access_token"], self.issued[-1].get("refresh_token")

    def refuse(self, error: str, status: str = "400 Bad Request", *headers: str) -> None:
        self.raw, self.status, self.headers = json.dumps({"error": error}).encode(), status, headers


class World:
    """`resources` are those of one process on the database. All its users are new ones."""

    def __init__(
        self, resources: Resources, database: FailingDatabase, outside: Outside, provider: FakeProvider
    ) -> None:
        self.resources = resources
        self.database = database
        self.outside = outside
        self.provider = provider
        self.logged: list[EventDict] = []
        self._others: list[Resources] = []

    def context(self, user: str | None, *, scopes: frozenset[str] = BOTH, **changes: Any) -> Context:
        """Of a user, or of a service if there is none. With `changes`, other resources than the world's."""
        resources = self.resources
        if changes:
            resources = replace(resources, **changes)
            self._others.append(resources)
        return Context(resources, Caller(user, "app", scopes), uuid4().hex)

    def said(self, event: str) -> list[EventDict]:
        return [line for line in self.logged if line["event"] == event]

    async def authorize(self, user: str, slug: str = "acme", context: Context | None = None) -> Authorization:
        return await authorize_connection(context or self.context(user), slug, REDIRECT_URI)

    async def begin(self, user: str, slug: str = "acme", context: Context | None = None) -> Callback:
        """Authorize. Returns the callback that is due."""
        authorization = await self.authorize(user, slug, context)
        return Callback(slug, f"code-{uuid4().hex}", authorization.state, REDIRECT_URI)

    async def complete(self, user: str, callback: Callback, context: Context | None = None) -> StoredConnection:
        return await complete_connection(context or self.context(user), callback)

    async def connect(self, user: str, slug: str = "acme") -> StoredConnection:
        return await self.complete(user, await self.begin(user, slug))

    async def problem(self, user: str, callback: Callback, context: Context | None = None) -> Problem:
        """What the callback is refused with."""
        try:
            await complete_connection(context or self.context(user), callback)
        except Problem as problem:
            return problem
        raise AssertionError("it was not refused")

    async def code(self, user: str, callback: Callback) -> str | None:
        """The code of the refusal, None if there is none."""
        try:
            await self.complete(user, callback)
        except Problem as problem:
            return problem.code
        return None

    async def stored_tokens(self, user: str, slug: str = "acme") -> tuple[str | None, str | None]:
        """The access token and the refresh token of the row, opened."""
        columns = "SELECT access_token, refresh_token, version FROM connection WHERE user_id = $1 AND provider = $2"
        ((access, refresh, version),) = await self.outside.fetch(columns, user, slug)
        names = {"access_token": access, "refresh_token": refresh}
        opened = [
            None
            if sealed is None
            else self.resources.vault.open(bytes(sealed), **token_field(user, slug, version, name))
            for name, sealed in names.items()
        ]
        return opened[0], opened[1]

    async def account_of(self, user: str, slug: str = "account") -> Any:
        columns = "SELECT account FROM connection WHERE user_id = $1 AND provider = $2"
        return await self.outside.value(columns, user, slug)

    async def status(self, user: str) -> list[str]:
        """Of the user's requests."""
        columns = "SELECT status FROM authorization_request WHERE user_id = $1 ORDER BY created_at"
        return [status for (status,) in await self.outside.fetch(columns, user)]

    def waiting(self, callback: Callback) -> int:
        """How many callbacks wait for the exchange of this one's state."""
        return self.resources.exchanges.waiting(state_hash(callback.state))

    async def events(self, columns: str = "action, outcome") -> list[tuple[Any, ...]]:
        return list(await self.outside.fetch(f"SELECT {columns} FROM audit_event ORDER BY id"))

    async def change_requests(self, change: str) -> None:
        await self.outside.fetch(f"UPDATE authorization_request SET {change}")

    async def turn_back(self, seconds: float) -> None:
        """Make all requests so much older, as if that time had passed."""
        columns = ("created_at", "expires_at", "lease_until", "purge_after")
        now = "strftime('%Y-%m-%d %H:%M:%f000+00:00', {}, '-{} seconds')"
        older = now if self.outside.engine == "sqlite" else "{} - interval '{} seconds'"
        await self.change_requests(", ".join(f"{name} = {older.format(name, seconds)}" for name in columns))

    def clock(self) -> AbstractContextManager[LoopClock]:
        """The loop's clock, which stands still while the database is at work."""
        return held_clock(lambda: self.database.running)

    async def drained(self) -> None:
        await self.resources.background.drain()

    async def close(self) -> None:
        """No task or timer of this world is left to the next one."""
        with self.clock() as clock:
            draining = asyncio.create_task(self.drained())
            await clock.until(draining.done)
        for resources in (self.resources, *self._others):
            await resources.repeats.close()


def entries(origin: str) -> dict[str, Provider]:
    """Two that differ in their slugs, and one of each kind that a test needs."""
    usual = provider(authorize='scopes = ["sleep", "offline"]', origin=origin)
    with_account = provider(tables=f'[account]\nurl = "{origin}/me"\nfield = "id"', origin=origin)
    revoking = f'[revoke]\nurl = "{origin}/revoke"\ntoken = "refresh_token"'
    kinds = {
        "acme": usual,
        "other": usual,
        "account": with_account,
        "revoking": provider(tables=revoking, origin=origin),
        "both": provider(
            token='account = "user"', tables=f'[account]\nurl = "{origin}/me"\nfield = "id"', origin=origin
        ),
        "naming": provider(token='account = "user"', origin=origin),
        "without-pkce": provider(authorize='pkce = "none"', origin=origin),
        "issuing": provider(authorize=f'iss = "{origin}"', origin=origin),
        "comma": provider(authorize='scopes = ["a", "b", "c"]\nscope_separator = ","', origin=origin),
        "dot": provider(authorize='scopes = ["a", "b", "c"]\nscope_separator = "."', origin=origin),
    }
    return {slug: entry.model_copy(update={"slug": slug}) for slug, entry in kinds.items()}


@asynccontextmanager
async def open_world(database: Database, outside: Outside) -> AsyncGenerator[World]:
    failing, fake = FailingDatabase(database), FakeProvider()
    async with fake, private_client() as client:
        catalogue = entries(fake.server.origin)
        credentials = Credentials("client", "secret")
        resources = Resources(
            catalogue=MappingProxyType(catalogue),
            registrations={slug: Registration(entry, credentials) for slug, entry in catalogue.items()},
            redirects=RedirectAllowList([REDIRECT_URI]),
            database=failing,
            vault=Vault({"key": bytes(range(32))}),
            client=client,
            provider_timeout=TIMEOUT,
            background=Background(),
        )
        world = World(resources, failing, outside, fake)
        with capture_logs() as world.logged:
            yield world
            failing.mend()
            fake.leave.set()
            await world.close()


def parameters(url: str) -> dict[str, str]:
    """Of a URL's query, each of which is there once."""
    found = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}
