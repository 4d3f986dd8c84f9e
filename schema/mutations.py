"""What can be done."""

from __future__ import annotations

import strawberry

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
