"""Storing what a provider gave: one connection per user and provider, all or nothing with the request."""

from __future__ import annotations

import re
from datetime import timedelta

import structlog

from models.connection import StoredConnection
from models.connection_tokens import Grant, StoredGrant, set_account, store_grant
from resolvers import audit
from resolvers.attempts import Attempt
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable
from resolvers.exchanging import Received

log = structlog.get_logger("tendon")


async def renew(context: Context, attempt: Attempt, received: Received, scopes: list[str]) -> StoredConnection:
    """Write connection, request and audit row.

    Raises DatabaseDown, and ProviderUnavailable when the lease was lost meanwhile: others were told already to start
    again.
    """
    resources, binding, claim, answer = context.resources, attempt.binding, received.claim, received.answer
    entry = await audit.entry(
        context,
        audit.COMPLETE,
        subject=binding.user_id,
        provider=binding.provider,
        outcome=audit.OK,
        scopes=scopes,
    )
    grant = Grant(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=answer.expires_at,
        account=answer.account,
        granted_at=received.granted_at,
        granted_by=received.granted_at + timedelta(seconds=claim.error),
    )
    version = claim.request.version
    stored = await store_grant(resources.database, resources.vault, binding, attempt.owner, grant, version, entry)
    if stored is None:
        raise ProviderUnavailable
    if stored.superseded:
        log.info("connection.newer", provider=stored.connection.provider)
    _warn(stored)
    return stored.connection


async def name_account(context: Context, connection: StoredConnection, account: str | None) -> None:
    """Add the provider's own id of the user, unless the connection was renewed meanwhile."""
    user, provider = connection.user_id, connection.provider
    entry = await audit.entry(context, audit.COMPLETE, subject=user, provider=provider, outcome=audit.OK)
    stored = await set_account(context.resources.database, connection, account, entry)
    if stored:
        _warn(stored)


def _warn(stored: StoredGrant) -> None:
    """Logs what the audit trail already has. The account itself is not logged."""
    connection = stored.connection
    if stored.account_changed:
        log.warning("account.changed", provider=connection.provider, connection_id=connection.id)
    if stored.account_shared:
        log.warning("account.shared", provider=connection.provider, connection_id=connection.id)


def granted_scopes(received: Received, redirect: str | None, separator: str) -> list[str]:
    """What the user granted: as the token answer says (RFC 6749 5.1), else as the redirect says, else all we asked for.

    The redirect came through the user's browser, so it can narrow what was asked for and never widen it.
    """
    asked = received.claim.request.scopes
    if received.answer.scopes is not None:
        return list(received.answer.scopes)
    named = set(re.split(rf"[\s{re.escape(separator)}]+", redirect or "")) - {""}
    if named:
        return [scope for scope in asked if scope in named]
    return asked
