"""Revocations: tokens of connections that have ended, which the provider is still to be told about.

`models/revocation_delivery.py` has the statements of the delivery.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from models.connection import Tokens
from models.database import Database, Session
from models.sites import same_site
from models.statement import Statement
from models.vault import SealedField, Vault


class RevocationStatus(StrEnum):
    """pending -> one of the others. Only a pending one has its tokens still."""

    PENDING = "pending"
    DELIVERED = "delivered"
    """The provider confirmed it."""
    NOT_NEEDED = "not_needed"
    """The grant was over already, or another connection uses it."""
    UNSUPPORTED = "unsupported"
    """The provider can't be told, or there was no token to revoke."""
    FAILED = "failed"
    """The provider did not confirm it in time, or the tokens could not be decrypted."""


TRIED: Final = timedelta(days=7)
"""For how long a revocation is tried. After that it has failed, and its tokens are erased."""

TRIED_UNSENT: Final = 2 * TRIED
"""The same while nothing can be sent for reasons that are ours, such as a missing key: whoever starts the first worker
after a long time must be able to correct a setting."""

STATUSES: Final = {status.value: f"'{status}'" for status in RevocationStatus}
"""Each as a fragment of SQL, for a Statement."""


class Material(Tokens, frozen=True):
    """What a revocation needs: the tokens, and whose they are. `account` is None if it is not known."""

    user: str
    account: str | None

    def with_tokens(self, tokens: Tokens) -> Material:
        return replace(self, access_token=tokens.access_token, refresh_token=tokens.refresh_token)


def material_field(revocation_id: str, provider: str, site: str = "") -> SealedField:
    """The field of the sealed material. It opens in its own row only, and as long as that is to be sent to the same
    provider and site."""
    return {"table": "revocation", "row": (revocation_id, provider, site), "column": "material"}


def seal_material(vault: Vault, revocation_id: str, material: Material, provider: str, site: str = "") -> bytes:
    text = json.dumps([material.access_token, material.refresh_token, material.user, material.account])
    return vault.seal(text, **material_field(revocation_id, provider, site))


def open_material(vault: Vault, revocation_id: str, sealed: bytes, provider: str, site: str = "") -> Material:
    """Raises VaultError."""
    # The material of a pending grant (`models/pending_grant.py`) has more.
    return Material(*json.loads(vault.open(sealed, **material_field(revocation_id, provider, site)))[:4])


class NewRevocation(Struct, frozen=True):
    """A revocation to be added. Without `material`, its status is final."""

    id: str
    provider: str
    site: str
    subject: str | None
    account_subject: str | None
    material: bytes | None
    status: RevocationStatus = RevocationStatus.PENDING

    def values(self) -> Mapping[str, Any]:
        """By the names that statements use for them."""
        return {
            "revocation": self.id,
            "provider": self.provider,
            "site": self.site,
            "subject": self.subject,
            "account_subject": self.account_subject,
            "material": self.material,
            "revocation_status": self.status,
            "is_pending": self.status is RevocationStatus.PENDING,
        }


# A lease of a delivery that is over, whether its holder said so or not.
_UNLEASED: Final = "(owner IS NULL OR lease_until <= now())"
_ADD: Final = Statement(
    """
    INSERT INTO revocation (id, connection_id, ended_version, provider, site, subject, account_subject, material,
        status, due_at, created_at)
    SELECT :revocation, :connection_id, :ended_version, :provider, :site, :subject, :account_subject, :material,
        {pending}, now(), now()
    RETURNING id""",
    **STATUSES,
)
_FIND_PENDING: Final = Statement(
    """
    SELECT id FROM revocation
    WHERE connection_id = :connection_id AND ended_version = :ended_version AND status = {pending} AND unsure
        AND {unleased}
    ORDER BY id LIMIT 1""",
    unleased=_UNLEASED,
    **STATUSES,
)
# Another owner, so that a delivery that was held up for longer than its lease can't finish with the older tokens. The
# lease stays: what that delivery sent may still be handled. If it is not `unsure`, a delivery has refreshed its tokens:
# then they are as new as those that come late, and both have to be revoked.
_REPLACE: Final = Statement(
    """
    UPDATE revocation SET material = :material, unsure = false,
        owner = CASE WHEN owner IS NULL THEN NULL ELSE 'replaced' END,
        due_at = CASE WHEN owner IS NULL THEN now() ELSE due_at END
    WHERE id = :id AND status = {pending} AND unsure AND {unleased}
    RETURNING id""",
    unleased=_UNLEASED,
    **STATUSES,
)
_IN_PROGRESS: Final = Statement(
    """
    SELECT 1 AS found FROM revocation AS r
    WHERE subject = :subject AND provider = :provider AND {here} AND lease_until > after(:minus_quiet)
    UNION ALL
    SELECT 1 FROM revocation AS r
    WHERE account_subject = :account_subject AND provider = :provider AND {here}
        AND lease_until > after(:minus_quiet)
    LIMIT 1""",
    here=same_site("r"),
)
_LATEST: Final = Statement(
    """
    SELECT c.id AS connection_id, r.status, r.attempts, r.delivered_at
    FROM connection AS c JOIN revocation AS r ON r.id = (
        SELECT id FROM revocation WHERE connection_id = c.id ORDER BY id DESC LIMIT 1)
    WHERE c.user_id = :user_id AND c.status = 'disconnected'"""
)
# Ids are in the order of time. A revocation is pending for two weeks at most, so few of the old ones are.
_OLDEST: Final = Statement(
    "SELECT id FROM revocation WHERE id < :before AND status <> {pending} ORDER BY id LIMIT 1", **STATUSES
)
_FORGET: Final = Statement(
    """
    DELETE FROM revocation WHERE id IN (
        SELECT id FROM revocation WHERE id < :before AND status <> {pending} ORDER BY id LIMIT :most)
    RETURNING id""",
    **STATUSES,
)


async def add_revocation(
    session: Session, new: NewRevocation, *, connection_id: str | None = None, ended_version: int = 0
) -> None:
    """Add a pending revocation, due at once. Raises DatabaseDown."""
    await _ADD.rows(session, **{**new.values(), "connection_id": connection_id, "ended_version": ended_version})


async def find_pending_of(database: Database, connection_id: str, ended_version: int) -> str | None:
    """The id of the pending revocation of the tokens that the connection had with this version, if they may have been
    replaced and no delivery has the lease."""
    row = await _FIND_PENDING.row(database, connection_id=connection_id, ended_version=ended_version)
    return str(row[0]) if row else None


async def replace_material(database: Database, revocation_id: str, material: bytes) -> bool:
    """Put newer tokens of the same grant into a pending revocation. False if it is not pending any more, its tokens are
    known to be new, or a delivery has the lease."""
    return bool(await _REPLACE.rows(database, id=revocation_id, material=material))


async def delivery_in_progress(
    database: Database, subject: str | None, account_subject: str | None, provider: str, site: str, quiet: float
) -> bool:
    """Whether a revocation for this user or account is being sent, or may still be handled by the provider: until
    `quiet` seconds after the end of its lease."""
    values = {"subject": subject, "account_subject": account_subject, "provider": provider, "site": site}
    return bool(await _IN_PROGRESS.rows(database, minus_quiet=-quiet, **values))


class ShownRevocation(Struct, frozen=True):
    """A revocation as it is shown."""

    status: str
    attempts: int
    delivered_at: datetime | None


async def find_latest_of_user(database: Database, user_id: str) -> dict[str, ShownRevocation]:
    """The latest revocation of each of the user's disconnected connections, by the connection's id."""
    rows = await _LATEST.rows(database, user_id=user_id)
    return {str(connection_id): ShownRevocation(*shown) for connection_id, *shown in rows}


async def find_ended_before(database: Database, before: str) -> str | None:
    """The id of the oldest revocation with a final status, if it is below `before`."""
    row = await _OLDEST.row(database, before=before)
    return str(row[0]) if row else None


async def forget_revocations(database: Database, before: str, most: int) -> Sequence[str]:
    """Delete up to `most` revocations with a final status and an id below `before`. Returns their ids."""
    return [str(id_) for (id_,) in await _FORGET.rows(database, before=before, most=most)]
