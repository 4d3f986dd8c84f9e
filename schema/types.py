"""The GraphQL types, the queries and the mutations. The first seven fields of `Connection` are what REST returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import strawberry
from graphql import FieldNode, GraphQLError, OperationDefinitionNode

from models.connection import ConnectionStatus, StatusReason, StoredConnection
from providers.provider import provider_id
from resolvers import audit, connections, directory
from resolvers.authorize import Authorization, authorize_connection
from resolvers.callback.complete import Callback, complete_connection
from resolvers.ending.disconnect import disconnect_connection
from resolvers.ending.shown import latest_revocation
from resolvers.erasure import erase_user
from resolvers.tokens.issue import issue_access_token
from schema.audit_types import AuditQuery
from schema.erasure_types import EraseUserInput, EraseUserPayload
from schema.info import Info
from schema.provider_types import Provider
from schema.revocations import Revocation
from schema.token_types import IssueAccessTokenInput, IssueAccessTokenPayload

strawberry.enum(ConnectionStatus, description="The status of a connection.", graphql_name_from="value")
strawberry.enum(StatusReason, description="Why a connection has its status.", graphql_name_from="value")


def _serialize(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse(value: Any) -> datetime:
    """Raises GraphQLError, so that it counts as the client's mistake."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("DateTime must be written as RFC 3339 does.") from None


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An RFC 3339 timestamp in UTC with milliseconds, such as `2026-11-23T12:00:00.000Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_serialize,
        parse_value=_parse,
    )
}


@lru_cache(maxsize=256)
def _provider_id(slug: str) -> strawberry.ID:
    """Cached, because computing it takes as long as all other fields of a connection together."""
    return strawberry.ID(str(provider_id(slug)))


@strawberry.type(description="The scopes of a connection. `missing` are those that were requested and not granted.")
class ConnectionScopes:
    requested: list[str]
    granted: list[str]
    missing: list[str]


@strawberry.type(description="A user's connection to a provider.")
class Connection:
    row: strawberry.Private[StoredConnection]
    id: strawberry.ID
    user_id: strawberry.ID
    provider_id: strawberry.ID
    provider_slug: str
    status: ConnectionStatus
    last_sync_at: datetime | None
    created_at: datetime

    @strawberry.field(description="The provider. Null if it is no longer in the catalogue.")
    def provider(self, info: Info) -> Provider | None:
        entry = info.context.resources.catalogue.get(self.provider_slug)
        return None if entry is None else Provider(row=entry)

    @strawberry.field(description="Why it has its status, where the status alone doesn't say.")
    def status_reason(self) -> StatusReason | None:
        return None if self.row.status_reason is None else StatusReason(self.row.status_reason)

    @strawberry.field(description="The site of a provider that has several, such as a hospital. Null for all others.")
    def site(self) -> str | None:
        return self.row.site or None

    @strawberry.field(description="The scopes that the user was asked for, and those that were granted.")
    def scopes(self) -> ConnectionScopes:
        requested, granted = self.row.requested_scopes, self.row.granted_scopes
        missing = [scope for scope in requested if scope not in granted]
        return ConnectionScopes(requested=requested, granted=granted, missing=missing)

    @strawberry.field(
        description="When the access token expires. It is refreshed when a service asks for it. Null if it never"
        " expires, or the provider doesn't say."
    )
    def expires_at(self) -> datetime | None:
        return self.row.expires_at

    @strawberry.field(description="When the tokens were last refreshed.")
    def refreshed_at(self) -> datetime | None:
        return self.row.refreshed_at

    @strawberry.field(
        description="The scopes that the user was asked to grant.", deprecation_reason="Use `scopes.requested`."
    )
    def requested_scopes(self) -> list[str]:
        return self.row.requested_scopes

    @strawberry.field(description="The scopes that the user granted.", deprecation_reason="Use `scopes.granted`.")
    def granted_scopes(self) -> list[str]:
        return self.row.granted_scopes

    @strawberry.field(description="The user's id at the provider. Null if the provider does not report it.")
    def account_id(self) -> strawberry.ID | None:
        return None if self.row.account is None else strawberry.ID(self.row.account)

    @strawberry.field(
        description="How the provider is told that the connection has ended. Null if it is not disconnected, or"
        " was disconnected some weeks ago."
    )
    async def revocation(self, info: Info) -> Revocation | None:
        found = await latest_revocation(info.context, self.row)
        return None if found is None else Revocation.of(found)

    @strawberry.field(description="When something that is shown of the connection last changed.")
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


@strawberry.input(description="The provider to connect to, and where it sends the user back to.")
class AuthorizeConnectionInput:
    provider: str = strawberry.field(description="The provider's slug.")
    redirect_uri: str = strawberry.field(description="An absolute URI that is on this service's allow-list.")


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
    code: str = strawberry.field(description="The authorization code. May be empty if `error` is given.")
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
    connection: Connection


@strawberry.input(description="The connection to end, and the user whose connection it is.")
class DisconnectConnectionInput:
    connection_id: strawberry.ID
    user_id: strawberry.ID


@strawberry.type
class DisconnectConnectionPayload:
    success: bool = strawberry.field(description="Always true: what can't be done is an error.")
    connection: Connection


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

    @strawberry.field(description="A user's connections, oldest first.")
    async def connections(self, info: Info, user_id: strawberry.ID) -> list[Connection]:
        return [Connection.of(row) for row in await connections.list_connections(info.context, user_id)]

    @strawberry.field(description="One connection. CONNECTION_NOT_FOUND if it does not exist or is not yours to read.")
    async def connection(self, info: Info, id: strawberry.ID) -> Connection | None:  # noqa: A002 - GraphQL's name
        return Connection.of(await connections.find_connection(info.context, id))


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
        return DisconnectConnectionPayload(success=True, connection=Connection.of(ended))

    @strawberry.mutation(
        description="Forget a user: end and revoke all connections, and remove every row with the user's id. Safe to"
        " retry. For services with the scope `write:erasure`."
    )
    async def erase_user(self, info: Info, input: EraseUserInput) -> EraseUserPayload:  # noqa: A002 - GraphQL's name
        return EraseUserPayload.of(await erase_user(info.context, input.user_id))
