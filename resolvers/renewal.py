"""Storing what a provider gave: sealed, one row per user and provider, in one transaction with the request."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import uuid6

from models.authorization_request import AuthorizationRequest
from models.connection import Connection, ConnectionStatus, seal_row
from models.database import transaction
from models.vault import Vault
from providers.token_answer import TokenAnswer
from resolvers import audit, claims
from resolvers.claims import Attempt
from resolvers.context import Context

# Connecting again keeps `id` and `created_at` and renews these.
_RENEWED: Final = (
    "status",
    "account",
    "requested_scopes",
    "granted_scopes",
    "access_token",
    "refresh_token",
    "expires_at",
    "updated_at",
)


async def renew(
    context: Context, attempt: Attempt, request: AuthorizationRequest, answer: TokenAnswer, granted: list[str]
) -> Connection:
    """Write connection, request and audit row. The upsert comes first: a transaction on SQLite begins with a write."""
    row = _row(context.resources.vault, request, answer, granted)
    async with transaction():
        await Connection.bulk_create([row], on_conflict=["user_id", "provider"], update_fields=_RENEWED)
        connection = await Connection.get(user_id=row.user_id, provider=row.provider)
        await claims.finish(attempt, connection.id)
        await audit.record(
            context,
            audit.COMPLETE,
            subject=row.user_id,
            provider=row.provider,
            outcome=audit.OK,
            scopes=granted,
        )
    return connection


async def name_account(connection: Connection, account: str | None) -> None:
    """Add the provider's own id of the user, unless the connection was renewed meanwhile."""
    await Connection.filter(id=connection.id, updated_at=connection.updated_at).update(account=account)
    connection.account = account


def granted_scopes(
    request: AuthorizationRequest, answer: TokenAnswer, redirect: str | None, separator: str
) -> list[str]:
    """What the user granted: as the token answer says (RFC 6749 5.1), else as the redirect says, else all we asked for.

    The redirect came through the user's browser, so it can narrow what was asked for and never widen it.
    """
    if answer.scopes is not None:
        return list(answer.scopes)
    if redirect:
        named = set(re.split(rf"[\s{re.escape(separator)}]+", redirect))
        return [scope for scope in request.scopes if scope in named]
    return request.scopes


def _row(vault: Vault, request: AuthorizationRequest, answer: TokenAnswer, granted: list[str]) -> Connection:
    now = datetime.now(UTC)
    return Connection(
        id=uuid6.uuid7(),
        user_id=request.user_id,
        provider=request.provider,
        status=ConnectionStatus.CONNECTED,
        account=answer.account,
        requested_scopes=request.scopes,
        granted_scopes=granted,
        access_token=_sealed(vault, request, "access_token", answer.access_token),
        refresh_token=_sealed(vault, request, "refresh_token", answer.refresh_token),
        expires_at=answer.expires_at,
        last_sync_at=None,
        created_at=now,
        updated_at=now,
    )


def _sealed(vault: Vault, request: AuthorizationRequest, column: str, token: str | None) -> bytes | None:
    if token is None:
        return None
    return vault.seal(token, table="connection", row=seal_row(request.user_id, request.provider), column=column)
