"""Millions of rows, which the engine generates itself: as wide as Tendon's own rows, with random keys."""

from __future__ import annotations

from typing import Final

from benchmarks.databases import Database

# `i` is a number of the series. Times are `shift` seconds from now.
_PIECES: Final = {
    "postgres": {
        "hash": "md5(random()::text) || md5(random()::text)",
        "uuid": "gen_random_uuid()",
        "pseudonym": "md5((i % {users})::text)",
        "digest": "decode(md5(random()::text), 'hex')",
        "sealed": "decode(repeat(md5(i::text), 7), 'hex')",
        "moment": "now() + ({shift}) * interval '1 second'",
    },
    "sqlite": {
        "hash": "lower(hex(randomblob(32)))",
        "pseudonym": "printf('%032x', (i % {users}) * 2654435761)",
        "uuid": "lower(printf('%s-%s-7%s-8%s-%s', hex(randomblob(4)), hex(randomblob(2)), "
        "substr(hex(randomblob(2)), 2), substr(hex(randomblob(2)), 2), hex(randomblob(6))))",
        "digest": "randomblob(16)",
        "sealed": "randomblob(112)",
        "moment": "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now', ({shift}) || ' seconds')",
    },
}
_SERIES: Final = "WITH RECURSIVE series(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < {count})"

_ENDED: Final = """
    INSERT INTO ended_request (ended_at, user_id, state_hash, code_hash, connection_id)
    {series} SELECT {then}, 'filled-' || (i % {users}), {digest}, {digest}, {uuid}
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

# In the last six days, so that none is forgotten during the measurement.
_THEN: Final = "-(i % 518400)"


def fill(database: Database, engine: str, rows: int) -> None:
    """Insert `rows` rows into each table that grows, for a tenth as many users."""
    tables = (_ENDED, _CONNECTIONS, _EVENTS)
    database.run(*(_statement(engine, table, rows) for table in tables))
    database.settle()


def _statement(engine: str, table: str, rows: int) -> str:
    users = max(rows // 10, 1)
    pieces = {name: piece.replace("{users}", str(users)) for name, piece in _PIECES[engine].items()}
    moment = pieces.pop("moment")
    series = _SERIES.format(count=rows)
    return table.format(series=series, users=users, then=moment.format(shift=_THEN), **pieces)
