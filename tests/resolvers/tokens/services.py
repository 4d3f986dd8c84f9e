"""Services that ask for access tokens, and the connections that they ask for."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from models.connection import StoredConnection
from models.token_row import TokenRow, find_tokens
from resolvers.caller import READ_TOKENS
from resolvers.context import Context
from resolvers.errors import Problem
from resolvers.single_flight import SingleFlight
from resolvers.tokens.issue import IssuedToken, issue_access_token
from tests.resolvers.world import World

TAKE: Final = "SET owner ="
STORE: Final = "status = 'connected' AND version"
"""A part of the statement that stores new tokens, and of none that stores those of a connection with an error."""
FAIL: Final = "unsure = unsure +"
FIND: Final = "SELECT id, user_id, provider, site"
FATE: Final = "AS same_consent"
MARK: Final = "SET status = 'error'"

_TIMES: Final = ("expires_at", "lease_until", "first_sent_at", "refreshed_at", "retry_at", "failing_since", "due_at")


def service(world: World, **changes: Any) -> Context:
    return world.context(None, scopes=frozenset({READ_TOKENS}), **changes)


def another_process(world: World) -> Context:
    """A service's request to another process with the same database."""
    return service(world, refreshes=SingleFlight())


async def issue(
    world: World, connection: StoredConnection, *, context: Context | None = None, **others: Any
) -> IssuedToken:
    return await issue_access_token(context or service(world), connection.id, **others)


async def problem(call: Awaitable[Any]) -> Problem:
    """What it is refused with."""
    try:
        await call
    except Problem as found:
        return found
    raise AssertionError("it was not refused")


async def expired(world: World, slug: str = "acme", user: str = "alice") -> StoredConnection:
    """A connection whose access token has expired. What it gets by a refresh is valid for an hour."""
    world.provider.tokens = {"expires_in": 0}
    connection = await world.connect(user, slug)
    world.provider.tokens = {}
    return connection


async def row_of(world: World, connection: StoredConnection) -> TokenRow:
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    return row


async def columns(world: World, names: str) -> tuple[Any, ...]:
    """Of the only connection."""
    (row,) = await world.outside.fetch(f"SELECT {names} FROM connection")
    return tuple(row)


async def hold(world: World) -> None:
    """Another process has the lease, until the test ends it."""
    held = "owner = 'another', epoch = epoch + 1, lease_until = '2199-01-01 00:00:00.000000+00:00'"
    await world.outside.fetch(f"UPDATE connection SET {held}")


def short_lease(world: World, grace: int = 1) -> Context:
    """A process in which `grace` has a refresh token that works for so many seconds after its use."""
    registrations = dict(world.resources.registrations)
    entry = registrations["grace"].provider
    entry = structs.replace(entry, token=structs.replace(entry.token, refresh_grace=grace))
    registrations["grace"] = replace(registrations["grace"], provider=entry)
    return service(world, registrations=registrations)


async def pass_time(world: World, seconds: float, *names: str) -> None:
    """For all connections, as far as their rows tell: all times but those of the user's consent are so much earlier."""
    now = "strftime('%Y-%m-%d %H:%M:%f000+00:00', {}, '-{} seconds')"
    earlier = now if world.outside.engine == "sqlite" else "{} - interval '{} seconds'"
    changes = ", ".join(f"{name} = {earlier.format(name, seconds)}" for name in names or _TIMES)
    await world.outside.fetch(f"UPDATE connection SET {changes}")
