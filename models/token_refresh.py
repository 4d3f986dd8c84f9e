"""Refreshing a connection's tokens: which process may send the refresh token, and what becomes of the answer.

A refresh has a lease in the connection's row, with a number, the epoch. It decides who may send, never who may store:
tokens that a provider gave are stored whenever they are the newest of the same consent. Each function is one
conditional UPDATE, by the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from models.audit_event import RECORDED_WITH_ID, AuditEntry
from models.connection import ConnectionStatus, StatusReason, Tokens, seal_tokens
from models.database import Database
from models.due_rows import ASKED, LOOKED_AT, share
from models.statement import Statement
from models.token_row import TokenRow
from models.vault import Vault

_WORDS: Final = {
    "connected": f"'{ConnectionStatus.CONNECTED}'",
    "error": f"'{ConnectionStatus.ERROR}'",
    "disconnected": f"'{ConnectionStatus.DISCONNECTED}'",
    "over": f"'{StatusReason.REAUTHORIZATION_REQUIRED}'",
    "failing": f"'{StatusReason.PROVIDER_FAILING}'",
    # A connection whose refreshes have failed for long is refreshed like a connected one.
    # The previous version leaves the reason as it is when it stores a new grant, so it counts only with its status.
    "alive": f"(status = '{ConnectionStatus.CONNECTED}' OR (status = '{ConnectionStatus.ERROR}'"
    f" AND status_reason = '{StatusReason.PROVIDER_FAILING}'))",
    # On SQLite, earlier versions wrote a time without a fraction if it is a whole second.
    "same_consent": "consent = :consent AND coalesce(granted_at, created_at) IN (:granted_at, :granted_before)",
}
_MINE: Final = "CASE WHEN owner = :owner THEN NULL ELSE {column} END"
_LEFT: Final = ", ".join(f"{column} = {_MINE.format(column=column)}" for column in ("owner", "lease_until"))
"""Ends the lease if it is the owner's."""


class Lease(msgspec.Struct, frozen=True):
    """A refresh that may be sent. `failures` is how many have failed in a row before it, and `unsure` how many of those
    with the same refresh token the provider may have handled. `taken_at` is of the database's clock."""

    owner: str
    epoch: int
    failures: int
    unsure: int
    taken_at: datetime


class Failure(msgspec.Struct, frozen=True):
    """A refresh that was sent and gave no tokens. `wait` is seconds until the next one may be sent, and `due_in` until
    the worker sends it, None for never.

    `counts` says that the provider failed; else our registration with it is at fault, and no failures are counted until
    the provider fails again. `unknown` says that the provider may have handled the refresh all the same.
    """

    wait: float
    due_in: float | None
    counts: bool
    unknown: bool


class Stored(msgspec.Struct, frozen=True):
    """New tokens were stored. `recovered` says that the connection had an error before."""

    recovered: bool


class Fate(StrEnum):
    """What became of a connection whose new tokens could not be stored."""

    STORED = "stored"
    """They were stored before, though no answer came."""
    NEWER = "newer"
    """It has newer tokens of the same consent."""
    RENEWED = "renewed"
    """The user has connected again."""
    ENDED = "ended"


class NewTokens(msgspec.Struct, frozen=True):
    """What a refresh gave. `scopes` is JSON as it is stored, and `due_in` the seconds until the worker should refresh
    again, None for never."""

    tokens: Tokens
    expires_at: datetime | None
    scopes: str
    status_reason: StatusReason | None
    due_in: float | None


# Of a holder that never came back, it is not known whether the provider handled its request. Until `quiet` has passed
# since the end of its lease, the provider may handle it still, so the same refresh token must not be sent again.
_TAKE: Final = Statement(
    """
    UPDATE connection SET owner = :owner, lease_until = after(:lease), epoch = epoch + 1,
        unsure = CASE WHEN owner IS NULL THEN unsure ELSE unsure + 1 END,
        first_sent_at = coalesce(first_sent_at, now()), due_at = after(:due_in)
    WHERE id = :id AND version = :version AND {alive} AND refresh_token IS NOT NULL
        AND (owner IS NULL OR lease_until <= after(:minus_quiet)) AND (retry_at IS NULL OR retry_at <= now())
    RETURNING epoch, failures, unsure, now() AS taken_at""",
    **_WORDS,
)
# Not only the holder of the lease may store: an answer that comes late is as good. Of two, the later epoch has newer
# tokens.
_NEW_TOKENS: Final = """
    UPDATE connection SET access_token = :access_token, refresh_token = :refresh_token, expires_at = :expires_at,
        granted_scopes = :scopes, version = :version + 1, status = {connected}, status_reason = :status_reason,
        refreshed_by = :epoch, refreshed_at = now(), updated_at = now(), due_at = after(:due_in), {left}, unsure = 0,
        first_sent_at = NULL, retry_at = NULL, failures = 0, failing_since = NULL
    WHERE id = :id AND {same_consent} AND status = {before} AND version = :version
        AND (version = :sent_version OR refreshed_by < :epoch)
    RETURNING id"""
_STORE: Final = Statement(_NEW_TOKENS, before=_WORDS["connected"], left=_LEFT, **_WORDS)
_RECOVER: Final = Statement(_NEW_TOKENS, RECORDED_WITH_ID, before=_WORDS["error"], left=_LEFT, **_WORDS)
_FATE: Final = Statement(
    """
    SELECT status <> {disconnected} AS lives, {same_consent} AS same_consent, refreshed_by = :epoch AS stored
    FROM connection WHERE id = :id""",
    **_WORDS,
)
_RELEASE: Final = Statement(
    """
    UPDATE connection SET owner = NULL, lease_until = NULL, due_at = :due_at,
        first_sent_at = CASE WHEN unsure = 0 THEN NULL ELSE first_sent_at END
    WHERE id = :id AND owner = :owner RETURNING id"""
)
_FAIL: Final = Statement(
    """
    UPDATE connection SET owner = NULL, lease_until = NULL, unsure = unsure + :unknown,
        first_sent_at = CASE WHEN unsure + :unknown = 0 THEN NULL ELSE first_sent_at END,
        retry_at = after(:wait), due_at = after(:due_in),
        failures = CASE WHEN :counted = 0 THEN 0 ELSE failures + 1 END,
        failing_since = CASE WHEN :counted = 0 THEN failing_since ELSE coalesce(failing_since, now()) END
    WHERE id = :id AND owner = :owner RETURNING id"""
)
_MARK: Final = Statement(
    """
    UPDATE connection SET status = {error}, status_reason = :reason, updated_at = now(),
        due_at = CASE WHEN :reason = {over} THEN NULL ELSE due_at END, {left}
    WHERE id = :id AND version = :version AND {alive}
        AND (status <> {error} OR status_reason <> :reason)
    RETURNING id""",
    RECORDED_WITH_ID,
    left=_LEFT,
    **_WORDS,
)
_DUE: Final = Statement(
    """
    SELECT id, {asked}, due_at, epoch FROM connection
    WHERE due_at <= now() ORDER BY due_at LIMIT :looked_at""",
    asked=ASKED,
)
_POSTPONE: Final = Statement(
    """
    UPDATE connection SET due_at = CASE WHEN due_at IS NULL THEN NULL ELSE after(:wait) END
    WHERE id = :id RETURNING id"""
)


class DueConnection(msgspec.Struct, frozen=True):
    """A connection that the worker has something to do for, since `due_at`. `key` is that of its provider, at its site
    if that has several, and `epoch` the number of its last lease."""

    id: str
    key: str
    due_at: datetime
    epoch: int


async def take(database: Database, row: TokenRow, owner: str, *, lease: float, quiet: float) -> Lease | None:
    """The right to send the refresh token of `row`, for `lease` seconds. None if the row has changed, a refresh has the
    lease or may still be handled, or the next one is not due yet.

    `quiet` is how many seconds after its lease a stray request may still be handled where that does harm, else 0.
    """
    # Unless its holder ends the lease, the worker looks at the connection.
    values = {"lease": lease, "minus_quiet": -quiet, "due_in": lease + quiet}
    found = await _TAKE.row(database, id=row.id, version=row.version, owner=owner, **values)
    return Lease(owner, *found) if found else None


async def store(
    database: Database, vault: Vault, row: TokenRow, lease: Lease, new: NewTokens, entry: AuditEntry
) -> Stored | None:
    """Write the tokens that the refresh of `row` gave, if they are the newest of this consent; `entry` is recorded if
    that brings back a connection that had an error. None also if the row has them already."""
    for version in (row.version, row.version + 1):
        values = {
            **asdict(entry),
            **seal_tokens(vault, row.user_id, row.provider, version + 1, new.tokens, row.site),
            "id": row.id,
            "version": version,
            "sent_version": row.version,
            **_consent(database, row),
            "owner": lease.owner,
            "epoch": lease.epoch,
            "expires_at": new.expires_at,
            "scopes": new.scopes,
            "status_reason": new.status_reason,
            "due_in": new.due_in,
        }
        for statement in (_STORE, _RECOVER):
            if await statement.rows(database, **values):
                return Stored(recovered=statement is _RECOVER)
    return None


def _consent(database: Database, row: TokenRow) -> dict[str, Any]:
    granted_before = str(row.granted_at) if database.dialect == "sqlite" else row.granted_at
    return {"consent": row.consent, "granted_at": row.granted_at, "granted_before": granted_before}


async def find_fate(database: Database, row: TokenRow, lease: Lease) -> Fate:
    """Why `store` has not stored. Raises DatabaseDown."""
    found = await _FATE.row(database, id=row.id, epoch=lease.epoch, **_consent(database, row))
    if found is None or not found[0]:
        return Fate.ENDED
    _, same_consent, stored = found
    if not same_consent:
        return Fate.RENEWED
    return Fate.STORED if stored else Fate.NEWER


async def release(database: Database, row: TokenRow, lease: Lease) -> None:
    """End a lease under which nothing was sent."""
    await _RELEASE.rows(database, id=row.id, owner=lease.owner, due_at=row.due_at)


async def fail(database: Database, row: TokenRow, lease: Lease, failure: Failure) -> None:
    """End a lease under which a request was sent that gave no tokens."""
    counts = {"counted": int(failure.counts), "unknown": int(failure.unknown)}
    await _FAIL.rows(database, id=row.id, owner=lease.owner, wait=failure.wait, due_in=failure.due_in, **counts)


async def mark(database: Database, row: TokenRow, owner: str | None, reason: StatusReason, entry: AuditEntry) -> bool:
    """Give the connection the status `error` for this reason, if it still has the tokens of `row`, and end the owner's
    lease. Tokens and version stay, so that new tokens that come late bring it back. Returns whether it was changed."""
    values = {**asdict(entry), "id": row.id, "version": row.version, "owner": owner, "reason": reason}
    return bool(await _MARK.rows(database, **values))


async def find_due(database: Database, most: int) -> Sequence[DueConnection]:
    """Up to `most` connections that the worker has something to do for, the longest due of each provider first."""
    rows = share(await _DUE.rows(database, looked_at=LOOKED_AT), most)
    return [DueConnection(str(id_), key, due_at, epoch) for id_, key, due_at, epoch in rows]


async def postpone(database: Database, connection_id: str, wait: float) -> None:
    """Let the worker look at a due connection in `wait` seconds again."""
    await _POSTPONE.rows(database, id=connection_id, wait=wait)
