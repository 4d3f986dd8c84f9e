"""Rows by the million, made by the engine itself: as wide as Tendon's own, their keys in no order."""

from __future__ import annotations

from typing import Final

from benchmarks.databases import Database

# A number of the series is `i`. The moments are `shift` seconds from now.
_PIECES: Final = {
    "postgres": {
        "hash": "md5(random()::text) || md5(random()::text)",
        "uuid": "gen_random_uuid()",
        "pseudonym": "md5((i % {users})::text)",
        "sealed": "decode(repeat(md5(i::text), 7), 'hex')",
        "moment": "now() + ({shift}) * interval '1 second'",
    },
    "sqlite": {
        "hash": "lower(hex(randomblob(32)))",
        "pseudonym": "printf('%032x', (i % {users}) * 2654435761)",
        "uuid": "lower(printf('%s-%s-7%s-8%s-%s', hex(randomblob(4)), hex(randomblob(2)), "
        "substr(hex(randomblob(2)), 2), substr(hex(randomblob(2)), 2), hex(randomblob(6))))",
        "sealed": "randomblob(112)",
        "moment": "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now', ({shift}) || ' seconds')",
    },
}
_SERIES: Final = "WITH RECURSIVE series(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < {count})"

_REQUESTS: Final = """
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, status,
        code_hash, owner, connection_id, created_at, expires_at, purge_after)
    {series} SELECT {hash}, 'filled-' || (i % {users}), 'bench', 'https://app.example/oauth/callback', {hash},
        '["sleep", "offline"]', 'completed', {hash}, '0123456789abcdef0123456789abcdef', {uuid}, {then}, {then}, {purge}
    FROM series"""
_CONNECTIONS: Final = """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, access_token,
        refresh_token, expires_at, version, granted_at, created_at, updated_at)
    {series} SELECT {uuid}, 'filled-' || (i % {users}), 'p' || (i / {users}), 'connected', '["sleep", "offline"]',
        '["sleep", "offline"]', {sealed}, {sealed}, {then}, 1, {then}, {then}, {then}
    FROM series"""
_EVENTS: Final = """
    INSERT INTO audit_event (at, actor, client_id, subject, action, provider, scopes, outcome, request_id)
    {series} SELECT {then}, {pseudonym}, 'dev', {pseudonym}, 'complete', 'bench',
        '["sleep", "offline"]', 'ok', {hash}
    FROM series"""

# A day from now, and spread over a week: none of them runs out while it is measured.
_KEPT: Final = "86400 + i % 604800"
_THEN: Final = "-(i % 604800)"
_PAST: Final = "-60"
_IS_PAST: Final = "purge_after < CURRENT_TIMESTAMP"
_CLEARED: Final = f"DELETE FROM authorization_request WHERE {_IS_PAST}"


def fill(database: Database, engine: str, rows: int) -> None:
    """So many rows in each table that grows. A tenth as many users."""
    tables = (_REQUESTS, _CONNECTIONS, _EVENTS)
    database.run(*(_statement(engine, table, rows, purge=_KEPT) for table in tables))
    database.settle()


def make_past(database: Database, engine: str, rows: int) -> None:
    """So many requests more that may go, and none besides."""
    database.run(_CLEARED, _statement(engine, _REQUESTS, rows, purge=_PAST))


def past(database: Database) -> int:
    """How many requests may go."""
    return int(database.rows(f"SELECT COUNT(*) FROM authorization_request WHERE {_IS_PAST}")[0][0])


def _statement(engine: str, table: str, rows: int, *, purge: str) -> str:
    users = max(rows // 10, 1)
    pieces = {name: piece.replace("{users}", str(users)) for name, piece in _PIECES[engine].items()}
    moment = pieces.pop("moment")
    moments = {"then": moment.format(shift=_THEN), "purge": moment.format(shift=purge)}
    series = _SERIES.format(count=rows)
    return table.format(series=series, users=users, **pieces, **moments)
