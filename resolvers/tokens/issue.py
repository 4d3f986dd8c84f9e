"""Issuing access tokens to services, which fetch the users' data with them. Each one is recorded in the audit trail."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from models.connection import ConnectionStatus, StatusReason
from models.token_refresh import mark
from models.token_row import TokenRow, find_tokens
from models.vault import VaultError
from providers.entry.calls import Api
from providers.entry.provider import Provider
from resolvers import audit, inputs
from resolvers.caller import READ_TOKENS, with_scope
from resolvers.connections import parse_id
from resolvers.context import Context
from resolvers.errors import (
    ConnectionNotFound,
    Problem,
    ProviderNotFound,
    ProviderUnavailable,
    ReauthorizationRequired,
    ScopesMissing,
    ServiceUnavailable,
    ValidationError,
)
from resolvers.tokens.current import refreshed
from resolvers.tokens.refresh import audit_entry, was_interrupted
from resolvers.tokens.schedule import has_margin, seconds_left

log = structlog.get_logger("tendon")

# Seconds that must have passed since the last refresh before a rejected token is refreshed: a provider that rejects
# what it has just issued is not asked over and over again.
_REJECTED_INTERVAL: Final = 30.0
# The same for a token that had expired before it was stored: it was issued so, or the answer took too long.
_EXPIRED_INTERVAL: Final = 5.0
# Seconds that an access token must be valid for to be issued while it can't be refreshed.
_LEAST: Final = 5.0


class ApiHeader(msgspec.Struct, frozen=True):
    """A header field that the provider's API requires. The value may be one of our secrets there."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"ApiHeader(name={self.name!r})"


class IssuedToken(msgspec.Struct, frozen=True):
    """`expires_at` is null if the token doesn't expire, or the provider doesn't say; `api_base` if it isn't known.
    `api_headers` are required in addition to the token."""

    access_token: str
    expires_at: datetime | None
    scopes: list[str]
    api_base: str | None
    api_headers: list[ApiHeader]
    token_type: str = "Bearer"  # noqa: S105 - the type of all of them (RFC 6750)

    def __repr__(self) -> str:
        """Without the token."""
        return "IssuedToken()"


async def issue_access_token(
    context: Context, connection_id: str, scopes: Sequence[str] = (), rejected_token: str | None = None
) -> IssuedToken:
    """An access token of the connection that has all of `scopes`. `rejected_token` is one that the provider has just
    rejected: if it still is the connection's, it is refreshed first.

    Raises ValidationError, ConnectionNotFound, ReauthorizationRequired, ScopesMissing, ProviderNotFound,
    ProviderUnavailable, ProviderMisconfigured, ServiceUnavailable, DatabaseDown, and what `with_scope` raises.
    """
    row: TokenRow | None = None
    try:
        with_scope(context.caller, READ_TOKENS)
        _check(scopes, rejected_token)
        row = await find_tokens(context.resources.database, parse_id(connection_id))
        if row is None:
            raise ConnectionNotFound
        row = await _usable(context, row, scopes, rejected_token)
        api = _api(context, row)
        headers = _headers(context, row, api)
    except Problem as problem:
        await audit.denied(context, audit.ISSUE_TOKEN, problem, **_about(row, connection_id))
        raise
    token = IssuedToken(
        access_token=_open(context, row),
        expires_at=row.expires_at,
        scopes=row.granted_scopes,
        api_base=api.base if api else None,
        api_headers=headers,
    )
    await audit.record(
        context,
        audit.ISSUE_TOKEN,
        subject=row.user_id,
        provider=row.provider,
        connection_id=row.id,
        scopes=row.granted_scopes,
    )
    return token


def _api(context: Context, row: TokenRow) -> Api | None:
    provider = context.resources.entry(row.provider, row.site)
    return None if provider is None else provider.api


def _headers(context: Context, row: TokenRow, api: Api | None) -> list[ApiHeader]:
    """Raises ProviderNotFound if there are any, and the credentials for them are gone."""
    if api is None or not api.headers:
        return []
    credentials = context.resources.registration(row.provider, row.site).credentials
    return [ApiHeader(name, value) for name, value in credentials.fill(api.headers)]


def _about(row: TokenRow | None, connection_id: str) -> dict[str, Any]:
    """What is known of the connection that was asked for: the id at least, unless it is malformed, even if the caller
    may not know whether there is one."""
    if row is not None:
        return {"subject": row.user_id, "provider": row.provider, "connection_id": row.id}
    try:
        return {"connection_id": parse_id(connection_id)}
    except ConnectionNotFound:
        return {}


def _check(scopes: Sequence[str], rejected_token: str | None) -> None:
    if len(scopes) > inputs.SCOPES:
        raise ValidationError(f"scopes must have at most {inputs.SCOPES} entries.")
    for scope in scopes:
        inputs.text("scopes", scope, inputs.SCOPE)
    if rejected_token is not None:
        inputs.text("rejectedToken", rejected_token, inputs.TOKEN)


async def _usable(context: Context, row: TokenRow, scopes: Sequence[str], rejected_token: str | None) -> TokenRow:
    """The row, refreshed if necessary."""
    provider = context.resources.entry(row.provider, row.site)
    if provider is None:
        raise ProviderNotFound
    _check_state(provider, row, scopes)
    if rejected_token is not None and _is_current(context, row, rejected_token):
        found = await _instead_of_rejected(context, row)
    elif has_margin(provider, row):
        return row
    else:
        found = await _in_time(context, row)
    _check_state(provider, found, scopes)
    if seconds_left(found) <= 0:
        log.warning("token.expired", provider=found.provider, connection_id=found.id)
        raise _issued_expired(_EXPIRED_INTERVAL)
    return found


def _is_current(context: Context, row: TokenRow, token: str) -> bool:
    # As bytes: a token from a caller may be any text.
    return secrets.compare_digest(_open(context, row).encode(), token.encode())


def _check_state(provider: Provider, row: TokenRow, scopes: Sequence[str]) -> None:
    """Raises ReauthorizationRequired unless the connection is alive, and ScopesMissing."""
    if row.status == ConnectionStatus.PENDING or (row.pending_grant is not None and not row.is_alive):
        raise ServiceUnavailable("The provider has not said yet whose account this is. Try again later.")
    if row.status == ConnectionStatus.DISCONNECTED:
        raise ReauthorizationRequired("The connection was ended. The user has to connect again.")
    if not row.is_alive:
        raise ReauthorizationRequired(_INTERRUPTED if was_interrupted(provider, row.unsure) else None)
    if not set(scopes) <= set(row.granted_scopes):
        raise ScopesMissing


_INTERRUPTED: Final = "The renewal of the tokens was interrupted. The user has to connect again."


async def _in_time(context: Context, row: TokenRow) -> TokenRow:
    """For a token that expires soon. As long as it is valid, it is better than none."""
    if row.refresh_token is None:
        if seconds_left(row) > _LEAST:
            return row
        return await _expired(context, row)
    if (wait := _seconds_held(row)) > 0:
        raise _issued_expired(wait)
    try:
        return await refreshed(context, row)
    except Problem as problem:
        if seconds_left(row) <= _LEAST:
            raise
        log.info("token.short", provider=row.provider, connection_id=row.id, error=problem.code)
        return row


def _seconds_held(row: TokenRow) -> float:
    """Until a token that had expired before it was stored is refreshed again."""
    if row.refreshed_at is None or row.expires_at is None or row.expires_at > row.refreshed_at:
        return 0
    return _EXPIRED_INTERVAL - (row.read_at - row.refreshed_at).total_seconds()


def _issued_expired(wait: float) -> ProviderUnavailable:
    return ProviderUnavailable(
        "The provider issues tokens that have expired already. Try again later.", retry_after=math.ceil(wait)
    )


async def _instead_of_rejected(context: Context, row: TokenRow) -> TokenRow:
    if row.refresh_token is None:
        # Only the provider could say whether the grant is over.
        raise ReauthorizationRequired
    since = (row.read_at - (row.refreshed_at or row.granted_at)).total_seconds()
    if since < _REJECTED_INTERVAL:
        raise ProviderUnavailable(
            "The provider rejects a token that it has only just issued. Try again later.",
            retry_after=int(_REJECTED_INTERVAL - since) + 1,
        )
    return await refreshed(context, row)


async def _expired(context: Context, row: TokenRow) -> TokenRow:
    """A connection without refresh token ends with its access token."""
    if seconds_left(row) <= 0:
        entry = await audit_entry(context, row, ReauthorizationRequired.code)
        await mark(context.resources.database, row, None, StatusReason.REAUTHORIZATION_REQUIRED, entry)
    raise ReauthorizationRequired


def _open(context: Context, row: TokenRow) -> str:
    try:
        return row.open(context.resources.vault, "access_token")
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
        raise ServiceUnavailable from None
