"""The GraphQL types. `Connection` means the domain object only; its first seven fields are the REST shape."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import strawberry

from models.connection import ConnectionStatus, StoredConnection
from providers.provider import Provider as CatalogueEntry
from providers.provider import provider_id
from resolvers import directory
from resolvers.authorize import Authorization
from resolvers.complete import Callback
from resolvers.context import Context

if TYPE_CHECKING:

    class Info(Protocol):
        """What resolvers may know of a request. A compiled plan has no more to give (`plans/fields.py`)."""

        @property
        def context(self) -> Context: ...

else:
    # Strawberry knows the parameter by its own type.
    Info = strawberry.Info[Context, None]

strawberry.enum(ConnectionStatus, description="Where a connection stands.", graphql_name_from="value")


@lru_cache(maxsize=256)
def _provider_id(slug: str) -> strawberry.ID:
    """Making it costs as much as all else of a connection."""
    return strawberry.ID(str(provider_id(slug)))


@strawberry.type(description="A health-data provider that people can connect to.")
class Provider:
    row: strawberry.Private[CatalogueEntry]

    @strawberry.field(description="Stable everywhere: a UUID made from the slug.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="The name that inputs take, such as `oura`.")
    def slug(self) -> str:
        return self.row.slug

    @strawberry.field(description="The name that people know.")
    def name(self) -> str:
        return self.row.name

    @strawberry.field(description="Where the provider documents its OAuth endpoints.")
    def docs(self) -> str:
        return self.row.docs

    @strawberry.field(description="The scopes that a user is asked for.")
    def scopes(self) -> list[str]:
        return list(self.row.authorize.scopes)

    @strawberry.field(description="Whether this service has credentials for it.")
    def available(self, info: Info) -> bool:
        return directory.is_available(info.context, self.row)


@strawberry.type(description="One user's link to one provider.")
class Connection:
    row: strawberry.Private[StoredConnection]
    id: strawberry.ID
    user_id: strawberry.ID
    provider_id: strawberry.ID
    provider_slug: str
    status: ConnectionStatus
    last_sync_at: datetime | None
    created_at: datetime

    @strawberry.field(description="The provider's entry in the catalogue, null when it has left the catalogue.")
    def provider(self, info: Info) -> Provider | None:
        entry = info.context.resources.catalogue.get(self.provider_slug)
        return None if entry is None else Provider(row=entry)

    @strawberry.field(description="The scopes that the user was asked for.")
    def requested_scopes(self) -> list[str]:
        return self.row.requested_scopes

    @strawberry.field(description="The scopes that the user granted.")
    def granted_scopes(self) -> list[str]:
        return self.row.granted_scopes

    @strawberry.field(description="The provider's own id of the user, where it tells.")
    def account_id(self) -> strawberry.ID | None:
        return None if self.row.account is None else strawberry.ID(self.row.account)

    @strawberry.field(description="When the connection was made or renewed last.")
    def updated_at(self) -> datetime:
        return self.row.updated_at

    @classmethod
    def of(cls, row: StoredConnection) -> Connection:
        return cls(
            row=row,
            id=strawberry.ID(str(row.id)),
            user_id=strawberry.ID(row.user_id),
            provider_id=_provider_id(row.provider),
            provider_slug=row.provider,
            status=ConnectionStatus(row.status),
            last_sync_at=row.last_sync_at,
            created_at=row.created_at,
        )


@strawberry.input(description="Where to connect, and where the provider is to send the user back.")
class AuthorizeConnectionInput:
    provider: str = strawberry.field(description="The provider's slug.")
    redirect_uri: str = strawberry.field(description="An absolute URI on this service's allow-list.")


@strawberry.type(description="Where to send the user. The provider returns the state with them.")
class AuthorizeConnectionPayload:
    url: str
    state: str

    @classmethod
    def of(cls, authorization: Authorization) -> AuthorizeConnectionPayload:
        return cls(url=authorization.url, state=authorization.state)


@strawberry.input(description="What the provider sent the user back with, passed on as it came.")
class CompleteConnectionInput:
    provider: str = strawberry.field(description="The provider's slug.")
    code: str = strawberry.field(description="The code. May be empty when `error` is there.")
    state: str = strawberry.field(description="The state that `authorizeConnection` gave.")
    redirect_uri: str = strawberry.field(description="The one that was authorized, exactly.")
    iss: str | None = strawberry.field(
        default=strawberry.UNSET, description="The issuer (RFC 9207), where the redirect had it."
    )
    scope: str | None = strawberry.field(
        default=strawberry.UNSET, description="The granted scope, where the redirect had it."
    )
    error: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The error, where the redirect had it in place of a code: ends the request.",
    )

    def callback(self) -> Callback:
        return Callback(
            provider=self.provider,
            code=self.code,
            state=self.state,
            redirect_uri=self.redirect_uri,
            iss=self.iss or None,
            scope=self.scope or None,
            error=self.error or None,
        )


@strawberry.type
class CompleteConnectionPayload:
    connection: Connection
