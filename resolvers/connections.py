"""Looking at connections. Whoever may not see one is told that there is none."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models.connection import SHOWN, StoredConnection
from models.statement import Statement
from resolvers import inputs
from resolvers.caller import READ, may_act_for, with_scope
from resolvers.context import Context
from resolvers.errors import ConnectionNotFound, Forbidden

_OF_USER: Final = Statement("SELECT {shown} FROM connection WHERE user_id = :user ORDER BY created_at, id", shown=SHOWN)
_BY_ID: Final = Statement("SELECT {shown} FROM connection WHERE id = :id", shown=SHOWN)


async def list_connections(context: Context, user_id: str) -> list[StoredConnection]:
    """All connections of `user_id`, oldest first. Raises Forbidden for somebody else's, ValidationError."""
    caller = with_scope(context.caller, READ)
    inputs.text("userId", user_id, inputs.USER)
    if not may_act_for(caller, user_id):
        raise Forbidden
    return [StoredConnection.of(row) for row in await _OF_USER.rows(user=user_id)]


async def find_connection(context: Context, connection_id: str) -> StoredConnection:
    """The connection with this id. Raises ConnectionNotFound, also for somebody else's and for what is no id."""
    caller = with_scope(context.caller, READ)
    connection = await connection_by_id(_uuid(connection_id))
    if connection is None or not may_act_for(caller, connection.user_id):
        raise ConnectionNotFound
    return connection


async def connection_by_id(connection_id: UUID | str) -> StoredConnection | None:
    """Whoever's it is."""
    row = await _BY_ID.row(id=str(connection_id))
    return StoredConnection.of(row) if row else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConnectionNotFound from None
