"""Connections that end, and what becomes of their revocations, as the tests of this package look at them."""

from __future__ import annotations

from typing import Any

from models.connection import StoredConnection
from models.revocation import Material, open_material
from resolvers.context import Context
from resolvers.ending.delivery import deliver, due
from resolvers.ending.disconnect import disconnect_connection
from tests.resolvers.world import World

WEEK = 7 * 24 * 3600.0
QUIET = 60.0


async def connect(world: World, user: str, slug: str, account: str | None = "sam") -> StoredConnection:
    """A new connection, or the same one renewed, to this account."""
    world.provider.tokens = {"user": account}
    return await world.connect(user, slug)


async def disconnect(world: World, user: str, connection: StoredConnection) -> StoredConnection:
    return await disconnect_connection(world.context(user), connection.id, user)


async def ended(world: World, user: str, slug: str, account: str | None = "sam") -> StoredConnection:
    """A connection that is disconnected."""
    return await disconnect(world, user, await connect(world, user, slug, account))


async def deliver_due(world: World, context: Context | None = None) -> int:
    """As a worker does. Returns how many were due."""
    context = context or world.context(None)
    found = await due(context, 100)
    for work in found:
        await deliver(context, work.id)
    return len(found)


async def revocations(world: World, columns: str = "status, attempts") -> list[tuple[Any, ...]]:
    """Oldest first."""
    rows = await world.outside.fetch(f"SELECT {columns} FROM revocation ORDER BY id")
    return [
        tuple(str(value) if hasattr(value, "hex") and hasattr(value, "int") else value for value in row) for row in rows
    ]


async def materials(world: World) -> list[Material | None]:
    """What the revocations have to be sent with, opened."""
    rows = await world.outside.fetch("SELECT id, material, provider FROM revocation ORDER BY id")
    return [
        None if sealed is None else open_material(world.resources.vault, str(id_), bytes(sealed), provider)
        for id_, sealed, provider in rows
    ]


def sent(world: World) -> list[str]:
    """The requests since the exchange of the last code, as `revoke TOKEN` and `refresh TOKEN`."""
    told: list[str] = []
    for asked in world.provider.server.asked:
        form = asked.form if asked.body else {}
        if asked.line.split(" ")[1] == "/revoke":
            bearer = asked.headers["authorization"].removeprefix("Bearer ")
            told.append(f"revoke {form['token'][0] if 'token' in form else bearer}")
        elif form["grant_type"] == ["refresh_token"]:
            told.append(f"refresh {form['refresh_token'][0]}")
        elif form["grant_type"] == ["authorization_code"]:
            told.clear()
    return told
