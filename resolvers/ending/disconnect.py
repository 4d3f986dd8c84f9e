"""Disconnecting: the tokens are erased at once, and what is needed to revoke them is recorded with that. The provider
is told later, by the worker."""

from __future__ import annotations

from typing import Any, Final

import structlog

from models.connection import ConnectionStatus, StatusReason, StoredConnection, Tokens, find_by_id
from models.disconnect import end_connection
from models.ids import new_id
from models.revocation import Material, NewRevocation, RevocationStatus, seal_material
from models.token_row import TokenRow, find_tokens
from models.vault import VaultError
from resolvers import audit, inputs
from resolvers.caller import WRITE, Caller, may_act_for, with_scope
from resolvers.connections import parse_id
from resolvers.context import Context
from resolvers.errors import ConnectionNotFound, Forbidden, Problem

log = structlog.get_logger("tendon")

_REASONS: Final = {False: StatusReason.BY_USER, True: StatusReason.BY_SERVICE}


async def disconnect_connection(context: Context, connection_id: str, user_id: str) -> StoredConnection:
    """End a connection of `user_id`. One that is disconnected already stays as it is.

    Raises ValidationError, Forbidden for another user's connections, before anything is looked up, ConnectionNotFound,
    ServiceUnavailable, and what `with_scope` raises.
    """
    try:
        caller = with_scope(context.caller, WRITE)
        inputs.text("userId", user_id, inputs.USER)
        if not may_act_for(caller, user_id):
            raise Forbidden
    except Problem as problem:
        await audit.denied(context, audit.DISCONNECT, problem, subject=user_id)
        raise
    named = None
    try:
        named = parse_id(connection_id)
        return await _disconnect(context, caller, named, user_id)
    except _NotTheirs as found:
        about: dict[str, Any] = {
            "subject": found.row.user_id,
            "provider": found.row.provider,
            "connection_id": found.row.id,
        }
        await audit.denied(context, audit.DISCONNECT, ConnectionNotFound(), **about)
        raise ConnectionNotFound from None
    except ConnectionNotFound as problem:
        # With the id, so that the answer takes as long as for an id of another user's connection.
        await audit.denied(context, audit.DISCONNECT, problem, subject=user_id, connection_id=named)
        raise


class _NotTheirs(Exception):
    """The connection is another user's."""

    def __init__(self, row: TokenRow) -> None:
        self.row = row
        super().__init__()


async def _disconnect(context: Context, caller: Caller, connection_id: str, user_id: str) -> StoredConnection:
    database = context.resources.database
    while True:
        # Read again whenever the connection has changed since: its tokens are opened and sealed outside of the
        # transaction.
        row = await find_tokens(database, connection_id)
        if row is None:
            raise ConnectionNotFound
        if row.user_id != user_id:
            raise _NotTheirs(row)
        if row.status == ConnectionStatus.DISCONNECTED:
            return await _again(context, connection_id)
        await context.resources.check_can_seal()
        revocation = await prepare_revocation(context, row)
        entry = await context.audit_entry(
            audit.DISCONNECT, subject=user_id, provider=row.provider, outcome=audit.OK, connection_id=row.id
        )
        if await end_connection(database, row, revocation, _REASONS[caller.is_service], entry):
            log.info(
                "connection.disconnected",
                provider=row.provider,
                connection_id=row.id,
                by="service" if caller.is_service else "user",
                revocation=revocation.status.value,
            )
            return await _find(context, connection_id)


async def _again(context: Context, connection_id: str) -> StoredConnection:
    connection = await _find(context, connection_id)
    await audit.replayed(context, connection, audit.DISCONNECT)
    return connection


async def _find(context: Context, connection_id: str) -> StoredConnection:
    """The connection may be deleted at any time."""
    connection = await find_by_id(context.resources.database, connection_id)
    if connection is None:
        raise ConnectionNotFound
    return connection


async def prepare_revocation(context: Context, row: TokenRow) -> NewRevocation:
    """The revocation of the tokens of `row`, sealed.

    Without anything to revoke, or without a way to do it, its status is `unsupported`. If a token can't be decrypted it
    is `failed`: no more than this is lost, since nobody can use such a token.
    """
    pseudonyms = context.resources.pseudonyms
    if row.access_token is None and row.pending_grant is not None:
        # Its only tokens are in this revocation already.
        id_, status, material = row.pending_grant, RevocationStatus.PENDING, None
    else:
        id_ = new_id()
        status, material = _material(context, row, id_)
    return NewRevocation(
        id_,
        row.provider,
        row.site,
        await pseudonyms.of(row.user_id),
        await pseudonyms.of_account(row.provider, row.site, row.account),
        material,
        status,
    )


def _material(context: Context, row: TokenRow, revocation_id: str) -> tuple[RevocationStatus, bytes | None]:
    entry, vault = context.resources.catalogue.get(row.provider), context.resources.vault
    if row.access_token is None or entry is None or entry.revoke is None:
        return RevocationStatus.UNSUPPORTED, None
    try:
        tokens = _open(context, row)
    except VaultError as fault:
        log.error(  # noqa: TRY400 - the key id is enough
            "revocation.failed", provider=row.provider, connection_id=row.id, reason="vault", fault=str(fault)
        )
        return RevocationStatus.FAILED, None
    material = Material(tokens.access_token, tokens.refresh_token, row.user_id, row.account)
    return RevocationStatus.PENDING, seal_material(vault, revocation_id, material, row.provider, row.site)


def _open(context: Context, row: TokenRow) -> Tokens:
    vault = context.resources.vault
    refresh_token = None if row.refresh_token is None else row.open(vault, "refresh_token")
    return Tokens(row.open(vault, "access_token"), refresh_token)
