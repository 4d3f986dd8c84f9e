"""Looking at connections. Whoever may not see one is told that there is none."""

from __future__ import annotations

from uuid import UUID

from models.connection import Connection
from resolvers import inputs
from resolvers.caller import READ, may_act_for, with_scope
from resolvers.context import Context
from resolvers.errors import ConnectionNotFound, Forbidden


async def list_connections(context: Context, user_id: str) -> list[Connection]:
    """All connections of `user_id`, oldest first. Raises Forbidden for somebody else's, ValidationError."""
    caller = with_scope(context.caller, READ)
    inputs.text("userId", user_id, inputs.USER)
    if not may_act_for(caller, user_id):
        raise Forbidden
    return await Connection.filter(user_id=user_id).order_by("created_at", "id")


async def find_connection(context: Context, connection_id: str) -> Connection:
    """The connection with this id. Raises ConnectionNotFound, also for somebody else's and for what is no id."""
    caller = with_scope(context.caller, READ)
    connection = await Connection.get_or_none(id=_uuid(connection_id))
    if connection is None or not may_act_for(caller, connection.user_id):
        raise ConnectionNotFound
    return connection


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ConnectionNotFound from None
