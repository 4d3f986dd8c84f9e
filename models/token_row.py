"""What is read of a connection to use, refresh or end its tokens."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

import msgspec

from models.connection import ConnectionStatus, StatusReason, token_field
from models.database import Session
from models.statement import Statement
from models.vault import Vault


class TokenRow(msgspec.Struct, frozen=True):
    """What a connection has for whoever wants its access token. The tokens are sealed.

    `granted_at` and `consent` tell the user's grant apart from later ones of the same row. `read_at` is the time of
    reading, of the database's clock, like all times here but `expires_at`. `leased_until_at` is set while a refresh has
    the lease, and after that if its holder died. `failures` is how many refreshes have failed in a row because of the
    provider: 0 with a `retry_at` if the last one failed because of our registration with it.
    """

    id: str
    user_id: str
    provider: str
    site: str
    status: str
    status_reason: str | None
    requested: str
    granted: str
    access_token: bytes | None
    refresh_token: bytes | None
    expires_at: datetime | None
    version: int
    consent: int
    granted_at: datetime
    refreshed_at: datetime | None
    retry_at: datetime | None
    unsure: int
    first_sent_at: datetime | None
    read_at: datetime
    leased_until_at: datetime | None
    due_at: datetime | None
    account: str | None
    failing_since_at: datetime | None
    failures: int
    pending_grant: str | None

    @property
    def granted_scopes(self) -> list[str]:
        return json.loads(self.granted)

    @property
    def is_alive(self) -> bool:
        """Whether it is connected, as far as is known, or still refreshed."""
        is_failing = self.status == ConnectionStatus.ERROR and self.status_reason == StatusReason.PROVIDER_FAILING
        return is_failing or self.status == ConnectionStatus.CONNECTED

    def open(self, vault: Vault, column: str) -> str:
        """The token in `column`. Raises VaultError."""
        sealed = self.access_token if column == "access_token" else self.refresh_token
        return vault.open(sealed or b"", **token_field(self.user_id, self.provider, self.version, column, self.site))


_FIND: Final = Statement(
    """
    SELECT id, user_id, provider, site, status, status_reason, requested_scopes, granted_scopes, access_token,
        refresh_token, expires_at, version, consent, coalesce(granted_at, created_at) AS granted_at, refreshed_at,
        retry_at, unsure, first_sent_at, now() AS read_at, lease_until AS leased_until_at, due_at, account,
        failing_since AS failing_since_at, failures,
        CAST(pending_grant AS text) AS pending_grant
    FROM connection WHERE id = :id"""
)


async def find_tokens(session: Session, connection_id: str) -> TokenRow | None:
    """Raises DatabaseDown."""
    rows = await _FIND.rows(session, id=connection_id)
    return TokenRow(str(rows[0][0]), *rows[0][1:]) if rows else None
