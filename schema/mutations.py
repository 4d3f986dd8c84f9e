"""What can be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import strawberry
from graphql import FieldNode, OperationDefinitionNode

from resolvers import audit
from resolvers.authorize import authorize_connection
from resolvers.complete import complete_connection
from schema.types import (
    AuthorizeConnectionInput,
    AuthorizeConnectionPayload,
    CompleteConnectionInput,
    CompleteConnectionPayload,
    Connection,
    Info,
)

_ACTIONS: Final = {"authorizeConnection": audit.AUTHORIZE, "completeConnection": audit.COMPLETE}


def actions(operation: OperationDefinitionNode) -> Iterator[str]:
    """The actions of the operation's mutations, as the audit trail names them."""
    for selection in operation.selection_set.selections:
        if isinstance(selection, FieldNode) and selection.name.value in _ACTIONS:
            yield _ACTIONS[selection.name.value]


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Begin: the URL to send the user to, good for ten minutes.")
    async def authorize_connection(self, info: Info, input: AuthorizeConnectionInput) -> AuthorizeConnectionPayload:  # noqa: A002 - GraphQL's name
        return AuthorizeConnectionPayload.of(
            await authorize_connection(info.context, input.provider, input.redirect_uri)
        )

    @strawberry.mutation(
        description="End: turn the provider's callback into a connection. Sent again, it answers the same."
    )
    async def complete_connection(self, info: Info, input: CompleteConnectionInput) -> CompleteConnectionPayload:  # noqa: A002 - GraphQL's name
        return CompleteConnectionPayload(
            connection=Connection.of(await complete_connection(info.context, input.callback()))
        )
