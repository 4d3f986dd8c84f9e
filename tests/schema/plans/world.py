"""The schema's executor with all that a gateway gives it, without HTTP around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from msgspec import structs

from models.database import Limits, open_database
from models.vault import Vault
from providers.catalogue import Credentials, read_catalogue, read_credentials
from resolvers.authorize import authorize_connection
from resolvers.background import Background
from resolvers.caller import READ, WRITE, Caller
from resolvers.context import Context, Registration, Resources
from resolvers.errors import RateLimited
from resolvers.redirects import RedirectAllowList
from rest.routes import ROUTES
from tests.conftest import REDIRECT_URI
from tests.sandbox_control import Sandbox
from tests.schema.plans.both_ways import observe, with_plan
from wire.http.client import open_client

DOCUMENTS = {route.operation: route.document for route in ROUTES}
COMPLETE, AUTHORIZE = DOCUMENTS["CompleteConnection"], DOCUMENTS["AuthorizeConnection"]
LIST = DOCUMENTS["ListConnections"]
_USUAL = Limits()
BOTH = frozenset({READ, WRITE})


def _refused(_operations: int) -> None:
    raise RateLimited(retry_after=7)


@dataclass(frozen=True)
class World:
    resources: Resources
    sandbox: Sandbox
    others: list[Resources] = field(default_factory=list[Resources])
    """Changed copies, each of which counts repetitions of audit rows for itself."""

    def __repr__(self) -> str:
        """Hypothesis prints it. All that a world holds is megabytes."""
        return "World()"

    def changed(self, **changes: Any) -> Resources:
        changed = replace(self.resources, **changes)
        self.others.append(changed)
        return changed

    async def close(self) -> None:
        await self.resources.background.drain()
        for resources in (self.resources, *self.others):
            await resources.repeats.close()

    def who(self, user: str | None, *, scopes: frozenset[str] = BOTH) -> Context:
        return Context(self.resources, Caller(user, "app", scopes), "test")

    def nobody(self) -> Context:
        return Context(self.resources, None, "test")

    def hasty(self, user: str) -> Context:
        """One more operation is one too many."""
        return structs.replace(self.who(user), spend=_refused)

    def rejected(self, user: str) -> Context:
        """The sandbox does not know this client's secret."""
        known = self.resources.registrations["sandbox"]
        wrong = replace(known, credentials=Credentials(known.credentials.client_id, "wrong"))
        return structs.replace(self.who(user), resources=self.changed(registrations={"sandbox": wrong}))

    def broken(self, user: str) -> Context:
        """Without resources a resolver fails as only a bug can."""
        nothing: Any = None
        return structs.replace(self.who(user), resources=nothing)

    def without_catalogue(self, user: str) -> Context:
        """Nothing is known of any provider."""
        nothing: Any = None
        return structs.replace(self.who(user), resources=self.changed(catalogue=nothing))

    def half_broken(self, user: str) -> Context:
        """Nobody can say which providers are available."""
        nothing: Any = None
        return structs.replace(self.who(user), resources=self.changed(registrations=nothing))

    async def begin(self, context: Context, slug: str = "sandbox", **decision: str) -> dict[str, str]:
        """Authorize, and let the user decide at the provider: the members of the callback that is due."""
        authorization = await authorize_connection(context, slug, REDIRECT_URI)
        members = {"provider": slug, "redirectUri": REDIRECT_URI, "code": "", "state": authorization.state}
        if slug == "unreachable":
            return members | {"code": uuid4().hex}
        back = await self.sandbox.approve(authorization.url, **decision)
        return members | {name: back[name] for name in ("code", "state", "iss", "scope", "error") if name in back}


@asynccontextmanager
async def open_world(
    url: str, sandbox: Sandbox, settings: dict[str, str], limits: Limits = _USUAL
) -> AsyncGenerator[World]:
    """On a database that is migrated."""
    catalogue = read_catalogue(Path(settings["TENDON_CATALOGUE"]), variables=settings, allow_private=True)
    client = open_client(allow_private=True, timeout=5)
    async with open_database(url, limits) as database:
        resources = Resources(
            catalogue=catalogue,
            registrations={
                slug: Registration(entry, credentials)
                for slug, entry in catalogue.items()
                if (credentials := read_credentials(entry, settings)) is not None
            },
            redirects=RedirectAllowList([REDIRECT_URI]),
            database=database,
            vault=Vault({"key": bytes(32)}),
            client=client,
            provider_timeout=5,
            background=Background(),
        )
        world = World(resources, sandbox)
        yield world
        await world.close()
    await client.aclose()


async def connected(world: World, user: str, slug: str = "sandbox") -> dict[str, str]:
    """The callback that made a connection."""
    callback = await world.begin(world.who(user), slug)
    assert (await observe(with_plan(COMPLETE), {"input": callback}, world.who(user))).codes == []
    return callback
