"""The pseudonyms of users in the audit trail: HMAC-SHA-256 of the user's id, so that a user can be forgotten without
changing the trail."""

from __future__ import annotations

import hmac
from typing import Final

import structlog

from models.audit_key import audit_key
from models.database import Database
from models.vault import VaultError
from models.vault_key import VaultKeys
from resolvers.errors import ServiceUnavailable
from resolvers.single_flight import SingleFlight

# Half of the digest, the minimum of RFC 2104 (5): each row stores two of them, and an index one more.
_BYTES: Final = 16

log = structlog.get_logger("tendon")


class Pseudonyms:
    """Caches the key, which never changes, for the life of the process."""

    def __init__(self, database: Database, keys: VaultKeys) -> None:
        self._database = database
        self._keys = keys
        self._key: bytes | None = None
        self._reading = SingleFlight[bytes]()

    async def of(self, user: str | None) -> str | None:
        """The user's pseudonym, None without a user. Raises DatabaseDown, and ServiceUnavailable when the vault can't
        open the key."""
        if user is None:
            return None
        key = self._key or await self._reading.join("key", self._read)
        return hmac.digest(key, user.encode(errors="surrogatepass"), "sha256")[:_BYTES].hex()

    async def _read(self) -> bytes:
        try:
            self._key = await audit_key(self._database, self._keys)
        except VaultError as fault:
            log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
            raise ServiceUnavailable from None
        return self._key
