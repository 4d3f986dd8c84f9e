"""Looking at connections. Whoever may not see one is told that there is none."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models.connection import Connection
from models.statement import Statement, loaded
from resolvers import inputs
from resolvers.caller import READ, may_act_for, with_scope
from resolvers.context import Context
from resolvers.errors import ConnectionNotFound, Forbidden

_OF_USER: Final = Statement("SELECT * FROM connection WHERE user_id = $1 ORDER BY created_at, id")
_BY_ID: Final = Statement("SELECT * FROM connection WHERE id = $1")


async def list_connections(context: Context, user_id: str) -> list[Connection]:
    """All connections of `user_id`, oldest first. Raises Forbidden for somebody else's, ValidationError."""
    caller = with_scope(context.caller, READ)
    inputs.text("userId", user_id, inputs.USER)
    if not may_act_for(caller, user_id):
        raise Forbidden
    return [loaded(Connection, row) for row in await _OF_USER.rows(user_id)]


async def find_connection(context: Context, connection_id: str) -> Connection:
    """The connection with this id. Raises ConnectionNotFound, also for somebody else's and for what is no id."""
    caller = with_scope(context.caller, READ)
    connection = await connection_by_id(_uuid(connection_id))
    if connection is None or not may_act_for(caller, connection.user_id):
        raise ConnectionNotFound
    return connection


async def connection_by_id(connection_id: UUID) -> Connection | None:
    """Whoever's it is."""
    row = await _BY_ID.row(connection_id)
    return loaded(Connection, row) if row else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConnectionNotFound from None
