"""The mutations, and their names in the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import strawberry
from graphql import FieldNode, OperationDefinitionNode

from resolvers import audit
from resolvers.authorize import authorize_connection
from resolvers.callback.complete import complete_connection
from schema.types import (
    AuthorizeConnectionInput,
    AuthorizeConnectionPayload,
    CompleteConnectionInput,
    CompleteConnectionPayload,
    Connection,
    Info,
)

ONCE: Final = "completeConnection"
"""The mutation that an operation can have once only."""

_ACTIONS: Final = {"authorizeConnection": audit.AUTHORIZE, "completeConnection": audit.COMPLETE}


def actions(operation: OperationDefinitionNode) -> Iterator[str]:
    """The names in the audit trail of the mutations that the operation selects."""
    for selection in operation.selection_set.selections:
        if isinstance(selection, FieldNode) and selection.name.value in _ACTIONS:
            yield _ACTIONS[selection.name.value]


@strawberry.type
class Mutation:
    @strawberry.mutation(
        description="Start a connection. Returns the URL to send the user to, which is valid for ten minutes."
    )
    async def authorize_connection(self, info: Info, input: AuthorizeConnectionInput) -> AuthorizeConnectionPayload:  # noqa: A002 - GraphQL's name
        return AuthorizeConnectionPayload.of(
            await authorize_connection(info.context, input.provider, input.redirect_uri)
        )

    @strawberry.mutation(
        description="Complete a connection with the parameters of the provider's redirect. Safe to retry: the same"
        " parameters return the same connection."
    )
    async def complete_connection(self, info: Info, input: CompleteConnectionInput) -> CompleteConnectionPayload:  # noqa: A002 - GraphQL's name
        return CompleteConnectionPayload(
            connection=Connection.of(await complete_connection(info.context, input.callback()))
        )
