"""The GraphQL type of providers."""

from __future__ import annotations

import strawberry

from providers.entry.provider import Provider as CatalogueEntry
from resolvers import directory
from schema.info import Info


@strawberry.type(description="A health-data provider that users can connect to.")
class Provider:
    row: strawberry.Private[CatalogueEntry]

    @strawberry.field(description="A UUID derived from the slug, so it is the same in every installation.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="The name that inputs refer to, such as `oura`.")
    def slug(self) -> str:
        return self.row.slug

    @strawberry.field(description="The name to show to people.")
    def name(self) -> str:
        return self.row.name

    @strawberry.field(description="The URL of the provider's OAuth documentation.")
    def docs(self) -> str:
        return self.row.docs

    @strawberry.field(description="The scopes that users are asked to grant.")
    def scopes(self) -> list[str]:
        return list(self.row.authorize.scopes)

    @strawberry.field(description="Whether users can connect to it here: whether this service has credentials for it.")
    def available(self, info: Info) -> bool:
        return directory.is_available(info.context, self.row)
