"""The queries. Those in `PUBLIC_FIELDS` require no bearer token."""

from __future__ import annotations

from typing import Final

import strawberry

from resolvers import connections, directory
from schema.types import Connection, Info, Provider

PUBLIC_FIELDS: Final = frozenset({"providers", "provider"})


@strawberry.type
class Query:
    @strawberry.field(description="All providers in the catalogue, sorted by slug.")
    def providers(self, info: Info) -> list[Provider]:
        return [Provider(row=entry) for entry in directory.list_providers(info.context)]

    @strawberry.field(description="One provider. PROVIDER_NOT_FOUND if it is not in the catalogue.")
    def provider(self, info: Info, slug: str) -> Provider | None:
        return Provider(row=directory.find_provider(info.context, slug))

    @strawberry.field(description="A user's connections, oldest first.")
    async def connections(self, info: Info, user_id: strawberry.ID) -> list[Connection]:
        return [Connection.of(row) for row in await connections.list_connections(info.context, user_id)]

    @strawberry.field(description="One connection. CONNECTION_NOT_FOUND if it does not exist or is not yours to read.")
    async def connection(self, info: Info, id: strawberry.ID) -> Connection | None:  # noqa: A002 - GraphQL's name
        return Connection.of(await connections.find_connection(info.context, id))
