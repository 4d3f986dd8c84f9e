"""Tokens that nobody will use: they came too late, or could not be stored. They become revocations, and are never sent
to the provider right away, where a revocation may end more than these tokens."""

from __future__ import annotations

import structlog

from models.connection import Tokens
from models.ids import new_id
from models.revocation import (
    Material,
    NewRevocation,
    add_revocation,
    find_pending_of,
    replace_material,
    seal_material,
)
from models.token_row import TokenRow
from resolvers.context import Context

log = structlog.get_logger("tendon")


async def add_late(context: Context, row: TokenRow, tokens: Tokens) -> None:
    """Revoke what a refresh of `row` gave after the connection had ended. Raises DatabaseDown.

    The tokens take the place of the older ones in the connection's own revocation. If that is being sent just now, has
    been sent, or got other tokens from a refresh of its own, they get one of their own.
    """
    resources = context.resources
    if not _can_be_revoked(context, row.provider):
        return
    material = Material(tokens.access_token, tokens.refresh_token, row.user_id, row.account)
    pending = await find_pending_of(resources.database, row.id, row.version)
    if pending is not None:
        sealed = seal_material(resources.vault, pending, material, row.provider, row.site)
        if await replace_material(resources.database, pending, sealed):
            return
    await _add(context, row.provider, row.site, material, connection_id=row.id, ended_version=row.version)


async def surrender(
    context: Context, user: str, provider: str, tokens: Tokens, *, account: str | None, site: str = ""
) -> None:
    """Revoke what a callback got and could not store. Raises DatabaseDown."""
    if _can_be_revoked(context, provider):
        await _add(context, provider, site, Material(tokens.access_token, tokens.refresh_token, user, account))


def _can_be_revoked(context: Context, provider: str) -> bool:
    entry = context.resources.catalogue.get(provider)
    if entry is not None and entry.revoke is not None:
        return True
    log.warning("revocation.unsupported", provider=provider)
    return False


async def _add(
    context: Context,
    provider: str,
    site: str,
    material: Material,
    *,
    connection_id: str | None = None,
    ended_version: int = 0,
) -> None:
    new = await pending_revocation(context, provider, site, material)
    await add_revocation(context.resources.database, new, connection_id=connection_id, ended_version=ended_version)


async def pending_revocation(context: Context, provider: str, site: str, material: Material) -> NewRevocation:
    """A revocation of these tokens, sealed, to be added. Raises DatabaseDown."""
    resources, id_ = context.resources, new_id()
    return NewRevocation(
        id_,
        provider,
        site,
        await resources.pseudonyms.of(material.user),
        await resources.pseudonyms.of_account(provider, site, material.account),
        seal_material(resources.vault, id_, material, provider, site),
    )
