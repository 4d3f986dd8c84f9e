"""What is shown of the revocations of a user's connections."""

from __future__ import annotations

from functools import partial

from models.connection import ConnectionStatus, StoredConnection
from models.revocation import ShownRevocation, find_latest_of_user
from resolvers.context import Context


async def latest_revocation(context: Context, connection: StoredConnection) -> ShownRevocation | None:
    """How the provider is told that the connection has ended. None if it is not disconnected, or was so long ago
    that the revocation has been deleted.

    All connections of a user that a request shows are read by one statement.
    """
    if connection.status != ConnectionStatus.DISCONNECTED:
        return None
    resources, user = context.resources, connection.user_id
    find = partial(find_latest_of_user, resources.database, user)
    found = await resources.revocation_reads.join((context.request_id, user), find)
    return found.get(connection.id)
