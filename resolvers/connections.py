"""Reads connections. A caller without access gets ConnectionNotFound, and a read by anyone but the connection's user is
recorded in the audit trail before it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict
from uuid import UUID

from models.connection import ListedConnection, StoredConnection, find_by_id, find_of_user, list_of_user
from resolvers import audit, inputs
from resolvers.caller import READ, Caller, may_act_for, with_scope
from resolvers.context import Context
from resolvers.errors import ConnectionNotFound, Forbidden, Problem


class _About(TypedDict):
    subject: str | None
    provider: str | None
    connection_id: str


async def list_connections(
    context: Context, user_id: str, *, in_full: bool = True
) -> Sequence[StoredConnection] | Sequence[ListedConnection]:
    """All connections of `user_id`, oldest first, each a StoredConnection if `in_full`. Raises ValidationError, and
    Forbidden for those of another user."""
    caller = await _reader(context, user_id)
    inputs.text("userId", user_id, inputs.USER)
    if not may_act_for(caller, user_id):
        await audit.denied(context, audit.READ, Forbidden(), subject=user_id)
        raise Forbidden
    if caller.user != user_id:
        await audit.record(context, audit.READ, subject=user_id)
    return await (find_of_user if in_full else list_of_user)(context.resources.database, user_id)


async def find_connection(context: Context, connection_id: str) -> StoredConnection:
    """The connection with this id. Raises ConnectionNotFound, also for another user's connection
    and for a malformed id."""
    caller = await _reader(context)
    named = parse_id(connection_id)
    connection = await find_by_id(context.resources.database, named)
    if connection is None or not may_act_for(caller, connection.user_id):
        await audit.denied(context, audit.READ, ConnectionNotFound(), **_about(named, connection))
        raise ConnectionNotFound
    if caller.user != connection.user_id:
        await audit.record(context, audit.READ, **_about(named, connection))
    return connection


async def _reader(context: Context, user_id: str | None = None) -> Caller:
    """The caller, if it may read at all. `user_id` is whose connections it asks for, if that is known."""
    try:
        return with_scope(context.caller, READ)
    except Problem as problem:
        await audit.denied(context, audit.READ, problem, subject=user_id)
        raise


def _about(connection_id: str, connection: StoredConnection | None) -> _About:
    """The values of an audit row. One with an id that does not exist is written as often as one with another user's,
    since the time that an answer takes would tell them apart otherwise."""
    if connection is None:
        return {"subject": None, "provider": None, "connection_id": connection_id}
    return {"subject": connection.user_id, "provider": connection.provider, "connection_id": connection_id}


def parse_id(text: str) -> str:
    """The id of a connection, in the usual form. Raises ConnectionNotFound if it is malformed."""
    try:
        return str(UUID(text))
    except ValueError:
        raise ConnectionNotFound from None
