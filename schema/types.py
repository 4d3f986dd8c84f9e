"""The GraphQL types, the queries and the mutations. The first seven fields of `Connection` are what REST returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import strawberry
from graphql import FieldNode, OperationDefinitionNode

from models.connection import ConnectionStatus, ListedConnection, StatusReason, StoredConnection
from providers.entry.provider import provider_id
from resolvers import audit, connections, directory
from resolvers.authorize import Authorization, authorize_connection
from resolvers.callback.complete import Callback, complete_connection
from resolvers.ending.disconnect import disconnect_connection
from resolvers.ending.shown import latest_revocation
from resolvers.erasure import erase_user
from resolvers.tokens.issue import issue_access_token
from schema.audit_types import AuditQuery
from schema.erasure_types import EraseUserInput, EraseUserPayload
from schema.info import Info, selected
from schema.provider_types import Provider
from schema.revocations import Revocation
from schema.token_types import IssueAccessTokenInput, IssueAccessTokenPayload

Row = strawberry.Parent[StoredConnection]

strawberry.enum(ConnectionStatus, description="The status of a connection.", graphql_name_from="value")
strawberry.enum(StatusReason, description="Why a connection has its status.", graphql_name_from="value")


@strawberry.type(description="The scopes of a connection. `missing` are those that were requested and not granted.")
class ConnectionScopes:
    requested: list[str]
    granted: list[str]
    missing: list[str]


def _provider(row: Row, info: Info) -> Provider | None:
    entry = info.context.resources.catalogue.get(row.provider)
    return None if entry is None else Provider(row=entry)


def _provider_id(row: Row) -> strawberry.ID:
    return _id_of(row.provider)


@lru_cache(maxsize=256)
def _id_of(slug: str) -> strawberry.ID:
    """Cached, because computing it takes as long as all other fields of a connection together."""
    return strawberry.ID(str(provider_id(slug)))


def _site(row: Row) -> str | None:
    return row.site or None


def _scopes(row: Row) -> ConnectionScopes:
    requested, granted = row.requested_scopes, row.granted_scopes
    missing = [scope for scope in requested if scope not in granted]
    return ConnectionScopes(requested=requested, granted=granted, missing=missing)


async def _revocation(row: Row, info: Info) -> Revocation | None:
    found = await latest_revocation(info.context, row)
    return None if found is None else Revocation.of(found)


@strawberry.type(description="A user's connection to a provider.")
class Connection:
    """What is shown of a StoredConnection. There are no objects of this class: what has no resolver is an attribute of
    the stored one."""

    id: strawberry.ID
    user_id: strawberry.ID
    provider_id: strawberry.ID = strawberry.field(resolver=_provider_id)
    provider: str = strawberry.field(name="providerSlug")
    status: ConnectionStatus
    last_sync_at: datetime | None
    created_at: datetime
    catalogue_entry: Provider | None = strawberry.field(
        resolver=_provider, name="provider", description="The provider. Null if it is no longer in the catalogue."
    )
    status_reason: StatusReason | None = strawberry.field(
        description="Why it has its status, where the status alone doesn't say."
    )
    site: str | None = strawberry.field(
        resolver=_site, description="The site of a provider that has several, such as a hospital. Null for all others."
    )
    scopes: ConnectionScopes = strawberry.field(
        resolver=_scopes, description="The scopes that the user was asked for, and those that were granted."
    )
    expires_at: datetime | None = strawberry.field(
        description="When the access token expires. It is refreshed when a service asks for it. Null if it never"
        " expires, or the provider doesn't say."
    )
    refreshed_at: datetime | None = strawberry.field(description="When the tokens were last refreshed.")
    requested_scopes: list[str] = strawberry.field(
        description="The scopes that the user was asked to grant.", deprecation_reason="Use `scopes.requested`."
    )
    granted_scopes: list[str] = strawberry.field(
        description="The scopes that the user granted.", deprecation_reason="Use `scopes.granted`."
    )
    account: strawberry.ID | None = strawberry.field(
        name="accountId", description="The user's id at the provider. Null if the provider does not report it."
    )
    revocation: Revocation | None = strawberry.field(
        resolver=_revocation,
        description="How the provider is told that the connection has ended. Null if it is not disconnected, or"
        " was disconnected some weeks ago.",
    )
    updated_at: datetime = strawberry.field(description="When something that is shown of the connection last changed.")


@strawberry.input(description="The provider to connect to, and where it sends the user back to.")
class AuthorizeConnectionInput:
    provider: str = strawberry.field(description="The provider's slug.")
    redirect_uri: str = strawberry.field(description="An absolute URI that is on this service's allow-list.")
    site: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The id of one of the provider's sites, such as `eu`. May be left out if it has only one. Not for a"
        " provider without sites.",
    )


@strawberry.type(description="The URL to send the user to, and the state that the provider sends back with them.")
class AuthorizeConnectionPayload:
    url: str
    state: str

    @classmethod
    def of(cls, authorization: Authorization) -> AuthorizeConnectionPayload:
        return cls(url=authorization.url, state=authorization.state)


@strawberry.input(description="The parameters of the provider's redirect, unchanged.")
class CompleteConnectionInput:
    provider: str = strawberry.field(description="The provider's slug.")
    code: str = strawberry.field(
        description="The authorization code. Empty if the redirect has none: then it has `error`, or, with some"
        " providers, only `state`, which says that access was refused."
    )
    state: str = strawberry.field(description="The state that `authorizeConnection` returned.")
    redirect_uri: str = strawberry.field(
        description="The redirect URI that was passed to `authorizeConnection`, exactly."
    )
    iss: str | None = strawberry.field(
        default=strawberry.UNSET, description="The redirect's `iss` parameter (RFC 9207), if it had one."
    )
    scope: str | None = strawberry.field(
        default=strawberry.UNSET, description="The redirect's `scope` parameter, if it had one."
    )
    error: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The redirect's `error` parameter, if it had one instead of a code. It ends the authorization"
        " request.",
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
    connection: StoredConnection = strawberry.field(graphql_type=Connection)


@strawberry.input(description="The connection to end, and the user whose connection it is.")
class DisconnectConnectionInput:
    connection_id: strawberry.ID
    user_id: strawberry.ID


@strawberry.type
class DisconnectConnectionPayload:
    success: bool = strawberry.field(description="Always true: what can't be done is an error.")
    connection: StoredConnection = strawberry.field(graphql_type=Connection)


_LISTED: Final = frozenset(
    {"__typename", "id", "userId", "providerId", "providerSlug", "status", "lastSyncAt", "createdAt", "provider"}
)
"""The fields of a connection that a ListedConnection has."""

PUBLIC_FIELDS: Final = frozenset({"providers", "provider"})
"""The queries that require no bearer token."""


@strawberry.type
class Query(AuditQuery):
    @strawberry.field(description="All providers in the catalogue, sorted by slug.")
    def providers(self, info: Info) -> list[Provider]:
        return [Provider(row=entry) for entry in directory.list_providers(info.context)]

    @strawberry.field(description="One provider. PROVIDER_NOT_FOUND if it is not in the catalogue.")
    def provider(self, info: Info, slug: str) -> Provider | None:
        return Provider(row=directory.find_provider(info.context, slug))

    @strawberry.field(description="A user's connections, oldest first.", graphql_type=list[Connection])
    async def connections(
        self, info: Info, user_id: strawberry.ID
    ) -> Sequence[StoredConnection] | Sequence[ListedConnection]:
        shown = selected(info)
        return await connections.list_connections(info.context, user_id, in_full=shown is None or not shown <= _LISTED)

    @strawberry.field(
        description="One connection. CONNECTION_NOT_FOUND if it does not exist or is not yours to read.",
        graphql_type=Connection | None,
    )
    async def connection(self, info: Info, id: strawberry.ID) -> StoredConnection:  # noqa: A002 - GraphQL's name
        return await connections.find_connection(info.context, id)


ONCE: Final = "completeConnection"
"""The mutation that an operation can have once only."""

_ACTIONS: Final = {
    "authorizeConnection": audit.AUTHORIZE,
    "completeConnection": audit.COMPLETE,
    "issueAccessToken": audit.ISSUE_TOKEN,
    "disconnectConnection": audit.DISCONNECT,
    "eraseUser": audit.ERASE,
}


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
            await authorize_connection(info.context, input.provider, input.redirect_uri, input.site or None)
        )

    @strawberry.mutation(
        description="Complete a connection with the parameters of the provider's redirect. Safe to retry: the same"
        " parameters return the same connection."
    )
    async def complete_connection(self, info: Info, input: CompleteConnectionInput) -> CompleteConnectionPayload:  # noqa: A002 - GraphQL's name
        return CompleteConnectionPayload(connection=await complete_connection(info.context, input.callback()))

    @strawberry.mutation(
        description="Get an access token of a connection, for a service that fetches the user's data. It is refreshed"
        " first if it expires soon. For services with the scope `read:tokens`."
    )
    async def issue_access_token(self, info: Info, input: IssueAccessTokenInput) -> IssueAccessTokenPayload:  # noqa: A002 - GraphQL's name
        rejected = None if input.rejected_token is strawberry.UNSET else input.rejected_token
        return IssueAccessTokenPayload.of(
            await issue_access_token(info.context, input.connection_id, input.scopes or (), rejected)
        )

    @strawberry.mutation(
        description="Disconnect a connection. Its tokens are erased, and the provider is asked to revoke them. Safe to"
        " retry. Connecting again renews the same connection."
    )
    async def disconnect_connection(self, info: Info, input: DisconnectConnectionInput) -> DisconnectConnectionPayload:  # noqa: A002 - GraphQL's name
        ended = await disconnect_connection(info.context, input.connection_id, input.user_id)
        return DisconnectConnectionPayload(success=True, connection=ended)

    @strawberry.mutation(
        description="Forget a user: end and revoke all connections, and remove every row with the user's id. Safe to"
        " retry. For services with the scope `write:erasure`."
    )
    async def erase_user(self, info: Info, input: EraseUserInput) -> EraseUserPayload:  # noqa: A002 - GraphQL's name
        return EraseUserPayload.of(await erase_user(info.context, input.user_id))
