"""The statements of a revocation's delivery: its lease, what prevents it, and its end.

A delivery that ends more than its own tokens must not overlap a callback for the same user or account. Neither locks
the other out: each first commits what it is about to do, its lease or its claim, and then looks for the other's. Of two
that overlap, at least one sees the other, and gives up its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import asdict

from models.audit_event import RECORDED_WITH_CONNECTION_ID, AuditEntry
from models.authorization_request import STATUSES as REQUEST_STATUSES
from models.connection import ConnectionStatus, StatusReason
from models.database import Database
from models.due_rows import ASKED, LOOKED_AT, share
from models.revocation import STATUSES, RevocationStatus
from models.sites import same_site
from models.statement import Statement

# A connection whose tokens are in use, as far as is known.
_LIVES: Final = (
    f"c.access_token IS NOT NULL AND (c.status IN ('{ConnectionStatus.CONNECTED}', '{ConnectionStatus.PENDING}')"
    f" OR c.status_reason = '{StatusReason.PROVIDER_FAILING}')"
)
_HELD: Final = f"id = :id AND status = {STATUSES['pending']} AND owner = :owner"


class PendingRevocation(msgspec.Struct, frozen=True):
    """A revocation that is not delivered yet. `material` is sealed. `is_awaited` says that its tokens are those of a
    pending grant, so they are not to be revoked."""

    id: str
    connection_id: str | None
    provider: str
    site: str
    subject: str
    material: bytes
    unsure: bool
    created_at: datetime
    read_at: datetime
    is_awaited: bool = False

    @property
    def age(self) -> float:
        """In seconds, when it was read."""
        return (self.read_at - self.created_at).total_seconds()


class DueRevocation(msgspec.Struct, frozen=True):
    """A revocation whose delivery may begin, since `due_at`. `key` is that of its provider, at its site if that has
    several."""

    id: str
    key: str
    due_at: datetime


class Obstacles(msgspec.Struct, frozen=True):
    """What prevents a revocation that ends more than its own tokens.

    `exchanging`: a callback of the user, or of another user of the account, is at the provider, or has got tokens of an
    account that is not known yet. `renewed`: the user's
    own connection has tokens of the account again. `shared`: another user's connection has.
    """

    exchanging: bool
    renewed: bool
    shared: bool


class Postponement(msgspec.Struct, frozen=True):
    """How a delivery ended that is to be tried again in `wait` seconds.

    `sent` says that the provider was asked. `unknown` says that it may still handle a request, so the end of the lease
    is kept, and `unsure` that this request was a refresh.
    """

    wait: float
    sent: bool = False
    unknown: bool = False
    unsure: bool = False


_DUE: Final = Statement(
    "SELECT id, {asked}, due_at FROM revocation WHERE due_at <= now() ORDER BY due_at LIMIT :looked_at", asked=ASKED
)
_FIND: Final = Statement(
    """
    SELECT id, connection_id, provider, site, subject, material, unsure, created_at, now() AS read_at,
        EXISTS (SELECT 1 FROM connection AS c
            WHERE c.id = revocation.connection_id AND c.pending_grant = revocation.id) AS is_awaited
    FROM revocation WHERE id = :id AND status = {pending}""",
    **STATUSES,
)
# Due again once a request of a holder that never came back can't be handled any more.
_TAKE: Final = Statement(
    """
    UPDATE revocation SET owner = :owner, lease_until = after(:lease), due_at = after(:lease_and_quiet)
    WHERE id = :id AND status = {pending} AND due_at <= now() AND material = :material
        AND (owner IS NULL OR lease_until <= after(:minus_quiet))
    RETURNING id""",
    **STATUSES,
)
_OBSTACLES: Final = Statement(
    """
    SELECT
        EXISTS (SELECT 1 FROM authorization_request AS r
            WHERE r.user_id = :user AND r.provider = :provider AND {begun_here} AND r.status = {exchanging})
        OR EXISTS (SELECT 1 FROM connection AS c JOIN authorization_request AS r ON r.user_id = c.user_id
            WHERE c.account = :account AND c.provider = :provider AND {here}
                AND r.provider = :provider AND {begun_here} AND r.status = {exchanging})
        OR EXISTS (SELECT 1 FROM connection AS c
            WHERE c.user_id = :user AND c.provider = :provider AND {here} AND c.pending_grant IS NOT NULL)
        AS exchanging,
        EXISTS (SELECT 1 FROM connection AS c
            WHERE c.user_id = :user AND c.provider = :provider AND {here} AND {lives}
                AND coalesce(c.account = :account, true)) AS renewed,
        EXISTS (SELECT 1 FROM connection AS c
            WHERE c.account = :account AND c.provider = :provider AND {here} AND {lives}
                AND c.user_id <> :user) AS shared""",
    lives=_LIVES,
    here=same_site("c"),
    begun_here=same_site("r"),
    exchanging=REQUEST_STATUSES["exchanging"],
)
_KEEP: Final = Statement(
    "UPDATE revocation SET material = :material, unsure = false WHERE {held} RETURNING id",
    held=_HELD,
)
_POSTPONE: Final = Statement(
    """
    UPDATE revocation SET due_at = after(:wait), attempts = attempts + :sent,
        unsure = CASE WHEN :unsure = 1 THEN true ELSE unsure END,
        owner = CASE WHEN :unknown = 1 THEN owner END, lease_until = CASE WHEN :unknown = 1 THEN now() END
    WHERE {held} RETURNING id""",
    held=_HELD,
)
_FINISH: Final = Statement(
    """
    UPDATE revocation SET status = :status, material = NULL, due_at = NULL, attempts = attempts + :sent,
        delivered_at = CASE WHEN CAST(:status AS varchar) = {delivered} THEN now() END,
        owner = CASE WHEN :unknown = 1 THEN owner END, lease_until = CASE WHEN :unknown = 1 THEN now() END
    WHERE {held} RETURNING connection_id""",
    RECORDED_WITH_CONNECTION_ID,
    held=_HELD,
    **STATUSES,
)


async def find_due(database: Database, most: int) -> Sequence[DueRevocation]:
    """Up to `most` revocations whose delivery may begin, the longest due of each provider first. Raises
    DatabaseDown."""
    rows = share(await _DUE.rows(database, looked_at=LOOKED_AT), most)
    return [DueRevocation(str(id_), key, due_at) for id_, key, due_at in rows]


async def find_pending(database: Database, revocation_id: str) -> PendingRevocation | None:
    row = await _FIND.row(database, id=revocation_id)
    if row is None:
        return None
    id_, connection_id, provider, site, subject, material, unsure, created_at, read_at, is_awaited = row
    return PendingRevocation(
        str(id_),
        None if connection_id is None else str(connection_id),
        provider,
        site,
        subject,
        bytes(material),
        bool(unsure),
        created_at,
        read_at,
        bool(is_awaited),
    )


async def take(database: Database, row: PendingRevocation, owner: str, *, lease: float, quiet: float) -> bool:
    """Take the right to send a revocation that is due, for `lease` seconds. False if it was changed since it was read,
    another delivery has the lease, or what that one sent may still be handled: `quiet` seconds after its lease."""
    times = {"lease": lease, "lease_and_quiet": lease + quiet, "minus_quiet": -quiet}
    return bool(await _TAKE.rows(database, id=row.id, material=row.material, owner=owner, **times))


async def find_obstacles(database: Database, row: PendingRevocation, user: str, account: str | None) -> Obstacles:
    """To be called after the lease is committed."""
    values = {"provider": row.provider, "site": row.site, "user": user, "account": account}
    exchanging, renewed, shared = (await _OBSTACLES.rows(database, **values))[0]
    return Obstacles(bool(exchanging), bool(renewed), bool(shared))


async def keep_tokens(database: Database, revocation_id: str, owner: str, material: bytes) -> bool:
    """Write down tokens that a refresh during the delivery gave, before they are used. False if the lease was lost."""
    return bool(await _KEEP.rows(database, id=revocation_id, owner=owner, material=material))


async def postpone(database: Database, revocation_id: str, owner: str, later: Postponement) -> bool:
    """End the lease. Returns whether it was still the owner's."""
    flags = {"sent": int(later.sent), "unknown": int(later.unknown), "unsure": int(later.unsure)}
    return bool(await _POSTPONE.rows(database, id=revocation_id, owner=owner, wait=later.wait, **flags))


async def finish(
    database: Database,
    revocation_id: str,
    owner: str,
    status: RevocationStatus,
    entry: AuditEntry,
    *,
    sent: bool,
    unknown: bool = False,
) -> bool:
    """Give the revocation a final status, erase its tokens, and record it. Returns whether the lease was still the
    owner's."""
    values = {**asdict(entry), "id": revocation_id, "owner": owner, "status": status}
    return bool(await _FINISH.rows(database, sent=int(sent), unknown=int(unknown), **values))
