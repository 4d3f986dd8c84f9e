"""The names that users have in the audit trail: HMAC-SHA-256 of the user's id, so that a user can be forgotten and the
trail left as it is."""

from __future__ import annotations

import asyncio
import hmac
from typing import Final

import structlog

from models.audit_key import audit_key
from models.vault import VaultError
from models.vault_key import VaultKeys
from resolvers.errors import ServiceUnavailable

# Half of the digest, the least that RFC 2104 (5) wants: two rows carry two of them each, and an index one more.
_BYTES: Final = 16

log = structlog.get_logger("tendon")


class Pseudonyms:
    """Keeps the key, which never changes, for as long as the process runs."""

    def __init__(self) -> None:
        self._key: bytes | None = None
        self._reading: asyncio.Task[bytes] | None = None

    async def of(self, keys: VaultKeys, user: str | None) -> str | None:
        """None for nobody. Raises DatabaseDown, and ServiceUnavailable when the vault can't open the key."""
        if user is None:
            return None
        key = self._key or await self._read(keys)
        return hmac.digest(key, user.encode(errors="surrogatepass"), "sha256")[:_BYTES].hex()

    async def _read(self, keys: VaultKeys) -> bytes:
        """Once for all that wait for it, also when one of them leaves."""
        if self._reading is None:
            self._reading = asyncio.create_task(_opened(keys))
            self._reading.add_done_callback(self._was_read)
        return await asyncio.shield(self._reading)

    def _was_read(self, reading: asyncio.Task[bytes]) -> None:
        self._reading = None
        if not reading.cancelled() and reading.exception() is None:
            self._key = reading.result()


async def _opened(keys: VaultKeys) -> bytes:
    try:
        return await audit_key(keys)
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id says it all
        raise ServiceUnavailable from None
