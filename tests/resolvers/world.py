"""The resolvers as the gateway runs them, without HTTP around them: with a real database that fails when a test says
so, and a provider that answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from structlog.testing import capture_logs
from structlog.typing import EventDict

from models.authorization_request import state_hash
from models.connection import StoredConnection, token_field
from models.database import Database
from models.vault import Vault
from providers.catalogue import Credentials
from resolvers.authorize import Authorization, authorize_connection
from resolvers.background import Background
from resolvers.callback.complete import Callback, complete_connection
from resolvers.caller import READ, WRITE, Caller
from resolvers.clearing import clear
from resolvers.clearing_progress import ClearingProgress
from resolvers.context import Context, Registration, Resources
from resolvers.errors import Problem
from resolvers.redirects import RedirectAllowList
from tests.conftest import REDIRECT_URI
from tests.databases import Database as Outside
from tests.loop_clock import LoopClock, held_clock
from tests.resolvers.failing_database import FailingDatabase
from tests.resolvers.fake_provider import FakeProvider, entries
from tests.wire.http.fetching import private_client

BOTH = frozenset({READ, WRITE})
TIMEOUT = 10.0
"""The provider's time-out, in seconds."""
LEASE = TIMEOUT + 5
PAST = "'2020-01-01 00:00:00.000000+00:00'"


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

    async def authorize(
        self, user: str, slug: str = "acme", context: Context | None = None, site: str | None = None
    ) -> Authorization:
        return await authorize_connection(context or self.context(user), slug, REDIRECT_URI, site)

    async def begin(
        self, user: str, slug: str = "acme", context: Context | None = None, site: str | None = None
    ) -> Callback:
        """Authorize. Returns the callback that is due."""
        authorization = await self.authorize(user, slug, context, site)
        return Callback(slug, f"code-{uuid4().hex}", authorization.state, REDIRECT_URI)

    async def complete(self, user: str, callback: Callback, context: Context | None = None) -> StoredConnection:
        return await complete_connection(context or self.context(user), callback)

    async def connect(self, user: str, slug: str = "acme", site: str | None = None) -> StoredConnection:
        return await self.complete(user, await self.begin(user, slug, site=site))

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
        """Make all requests and revocations so much older, as if that time had passed."""
        columns = {
            "authorization_request": ("created_at", "expires_at", "lease_until"),
            "ended_request": ("ended_at",),
            "revocation": ("created_at", "due_at", "lease_until"),
        }
        now = "strftime('%Y-%m-%d %H:%M:%f000+00:00', {}, '-{} seconds')"
        older = now if self.outside.engine == "sqlite" else "{} - interval '{} seconds'"
        for table, names in columns.items():
            changes = ", ".join(f"{name} = {older.format(name, seconds)}" for name in names)
            await self.outside.fetch(f"UPDATE {table} SET {changes}")

    async def clear(self) -> None:
        """As another process does that has just started."""
        await clear(self.context("someone", clearing=ClearingProgress()))

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


@asynccontextmanager
async def open_world(database: Database, outside: Outside) -> AsyncGenerator[World]:
    failing, fake = FailingDatabase(database), FakeProvider()
    async with fake, private_client() as client:
        catalogue = entries(fake.server.origin)
        credentials = Credentials("client", "secret", {"key": "CANARY-key"})
        resources = Resources(
            catalogue=MappingProxyType(catalogue),
            registrations={
                one.key: Registration(one, credentials) for entry in catalogue.values() for one in entry.everywhere
            },
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
