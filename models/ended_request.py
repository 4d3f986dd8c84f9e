"""Requests that have ended: what is remembered of them, so that a repeated callback gets the same answer.

Clearing moves them here once they could no longer be pending. Several processes may clear at the same time: each takes
rows that no other has locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from models.authorization_request import STATUSES
from models.database import Database
from models.statement import Statement

RETENTION: Final = timedelta(days=7)
"""For how long ended requests are remembered, unless a setting says otherwise."""


# Each with a limit and in the order of the index, or PostgreSQL may read all of a table.
_DUE: Final = Statement(
    """
    SELECT
        (SELECT expires_at FROM authorization_request
            WHERE expires_at >= :requests_since AND expires_at <= :requests_until ORDER BY expires_at LIMIT 1)
            AS request_at,
        (SELECT ended_at FROM ended_request WHERE ended_at >= :ended_since AND ended_at <= :ended_until
            ORDER BY ended_at LIMIT 1) AS ended_at"""
)
_MOVE: Final = Statement(
    """
    WITH past AS MATERIALIZED (
        SELECT state_hash, user_id FROM authorization_request
        WHERE expires_at >= :since AND expires_at <= :until AND status <> {exchanging}
        ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED)
    DELETE FROM authorization_request WHERE (state_hash, user_id) IN (SELECT state_hash, user_id FROM past)
    RETURNING user_id, digest(state_hash) AS state_hash,
        digest(provider, redirect_uri, registration, code_hash) AS code_hash, connection_id, error, expires_at,
        status <> {pending} AS has_ended""",
    """
    INSERT INTO ended_request (ended_at, user_id, state_hash, code_hash, connection_id, error)
    SELECT now(), done.user_id, done.state_hash, done.code_hash, done.connection_id, done.error
    FROM done WHERE done.has_ended ON CONFLICT DO NOTHING""",
    **STATUSES,
)
_CLAIMS: Final = Statement(
    """
    SELECT state_hash, user_id FROM (
        SELECT state_hash, user_id, status, lease_until FROM authorization_request
        WHERE expires_at >= :since AND expires_at <= :until ORDER BY expires_at LIMIT :most) AS past
    WHERE status = {exchanging} AND lease_until <= now()""",
    **STATUSES,
)
_FORGET: Final = Statement(
    """
    WITH past AS MATERIALIZED (
        SELECT user_id, state_hash FROM ended_request WHERE ended_at >= :since AND ended_at <= :until
        ORDER BY ended_at LIMIT :most FOR UPDATE SKIP LOCKED)
    DELETE FROM ended_request WHERE (user_id, state_hash) IN (SELECT user_id, state_hash FROM past)
    RETURNING ended_at"""
)


async def find_due(
    database: Database, expired: tuple[datetime, datetime], ended: tuple[datetime, datetime]
) -> tuple[datetime | None, datetime | None]:
    """The first time at which a request expired in that period, and at which an ended one was moved in its own."""
    times = {"requests_since": expired[0], "requests_until": expired[1]}
    rows = await _DUE.rows(database, **times, ended_since=ended[0], ended_until=ended[1])
    request_at, ended_at = rows[0]
    return request_at, ended_at


async def move_ended(database: Database, since: datetime, until: datetime, most: int) -> Sequence[datetime]:
    """Move up to `most` requests that have ended and expired in that time, the first first, and delete those that
    nobody has claimed. Returns when each expired."""
    rows = await _MOVE.rows(database, since=since, until=until, most=most)
    return [row[5] for row in rows]


async def abandoned_claims(
    database: Database, since: datetime, until: datetime, most: int
) -> Sequence[tuple[str, str]]:
    """State hash and user of the requests whose claim's lease is over, among the first `most` that expired in that
    time. After a move, only claims are left there, and what others have locked."""
    return [(key, user) for key, user in await _CLAIMS.rows(database, since=since, until=until, most=most)]


async def forget_ended(database: Database, since: datetime, until: datetime, most: int) -> Sequence[datetime]:
    """Delete up to `most` rows that ended in that time, the first first. Returns when each ended."""
    return [ended_at for (ended_at,) in await _FORGET.rows(database, since=since, until=until, most=most)]
