"""The check before anything is sealed for the database."""

from __future__ import annotations

import structlog

from models.vault import VaultError
from resolvers.context import Context
from resolvers.errors import ServiceUnavailable

log = structlog.get_logger("tendon")


async def check_seal(context: Context) -> None:
    """Raises ServiceUnavailable when other processes could not open what is sealed here, and DatabaseDown. Nothing has
    been spent at this point, so another process may still complete the request."""
    try:
        await context.resources.vault_keys.check_active()
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key ids are enough
        raise ServiceUnavailable from None
