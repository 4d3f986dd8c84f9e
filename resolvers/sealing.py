"""What has to hold before anything is sealed for the database."""

from __future__ import annotations

import structlog

from models.vault import VaultError
from resolvers.context import Context
from resolvers.errors import ServiceUnavailable

log = structlog.get_logger("tendon")


async def check_seal(context: Context) -> None:
    """Raises ServiceUnavailable when what is sealed here could not be opened elsewhere, and DatabaseDown. Nothing is
    spent by then, and another process may be able to do it."""
    try:
        await context.resources.vault_keys.check_active()
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key ids say it all
        raise ServiceUnavailable from None
