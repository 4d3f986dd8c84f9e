"""Tokens that a callback replaces: where a revocation ends nothing but the token, the provider is told of them.

Without that, the tokens of before would stay valid for as long as the provider lets them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from models.connection import Tokens, token_field
from models.database import Database
from models.revocation import NewRevocation
from models.statement import Statement
from models.vault import Vault


class ReplacedTokens(Struct, frozen=True):
    """The sealed tokens of a connection. `unsure` says that a refresh may have been handled whose result is unknown,
    and `leased_until` until when one may be in progress. Each lease of a refresh has another `epoch`."""

    connection_id: str
    version: int
    epoch: int
    access_token: bytes
    refresh_token: bytes | None
    account: str | None
    unsure: bool
    leased_until: datetime | None

    def open(self, vault: Vault, user_id: str, provider: str, site: str = "") -> Tokens:
        """Raises VaultError."""
        access, refresh = [
            token_field(user_id, provider, self.version, column, site) for column in ("access_token", "refresh_token")
        ]
        opened = None if self.refresh_token is None else vault.open(self.refresh_token, **refresh)
        return Tokens(vault.open(self.access_token, **access), opened)


class Replacement(Struct, frozen=True):
    """A revocation of replaced tokens, for the statement that replaces them."""

    tokens: ReplacedTokens
    revocation: NewRevocation

    def values(self) -> dict[str, Any]:
        tokens = self.tokens
        state = {"epoch": tokens.epoch, "unsure": tokens.unsure, "leased_until": tokens.leased_until}
        return {**self.revocation.values(), **state}


IF_NO_REFRESH_BEGAN: Final = "AND connection.epoch = :epoch"
"""A condition: no refresh has taken a lease since the tokens were read."""
REVOKED: Final = """
    INSERT INTO revocation (id, connection_id, ended_version, provider, site, subject, account_subject, material,
        unsure, status, due_at, created_at)
    SELECT :revocation, done.id, :version, :provider, :site, :subject, :account_subject, :material,
        :unsure, :revocation_status, coalesce(:leased_until, now()), now()
    FROM done"""
"""Follows from a statement that replaced the tokens of `version`. What a refresh in progress gives is put into this
revocation, so it waits for the end of that one's lease."""

_FIND: Final = Statement(
    """
    SELECT id, version, epoch, access_token, refresh_token, account, owner IS NOT NULL OR unsure > 0 AS is_unsure,
        lease_until AS leased_until_at
    FROM connection
    WHERE user_id = :user_id AND provider = :provider AND site = :site AND access_token IS NOT NULL"""
)


async def find_replaced(database: Database, user_id: str, provider: str, site: str = "") -> ReplacedTokens | None:
    """The tokens that the user's connection has now. Raises DatabaseDown."""
    row = await _FIND.row(database, user_id=user_id, provider=provider, site=site)
    if row is None:
        return None
    id_, version, epoch, access, refresh, account, unsure, leased_until = row
    return ReplacedTokens(
        str(id_),
        version,
        epoch,
        bytes(access),
        None if refresh is None else bytes(refresh),
        account,
        bool(unsure),
        leased_until,
    )
