"""The database engines, SQLite and PostgreSQL, behind one interface.

Both raise DatabaseDown in place of the driver's exceptions when the database is unavailable, and Violation for a
constraint that is broken. Both limit the duration of every wait, and leave no transaction open when a task is
cancelled.

interface.py         the interface: Database, Session, and the Script that they run
url.py, tls.py       parse the database URL, and TLS to PostgreSQL
errors.py            DatabaseDown, Violation
digest.py            the hash that both compute in SQL
postgres.py          PostgreSQL, with pool.py (its connections), postgres_hosts.py and postgres_connection.py (how they
                     are opened), unanswered.py (those whose statement was given up), postgres_poolers.py (whether
                     sessions are shared) and postgres_errors.py (what asyncpg's exceptions mean)
sqlite.py            SQLite, with sqlite_scripts.py (runs the SQL) and sqlite_errors.py (what sqlite3's exceptions mean)
*_orm.py             the ORM on an open transaction, for migrations
"""

from models.engine.digest import digest
from models.engine.errors import SHARED_SESSIONS, DatabaseDown, Violation
from models.engine.interface import Database, Limits, Row, Script, Session, Step, Values
from models.engine.tls import CERTIFICATE_REFUSED, TLS_REFUSED
from models.engine.url import DatabaseUrl, PostgresUrl, SqliteUrl, UnsupportedDatabase, parse_url

__all__ = [
    "CERTIFICATE_REFUSED",
    "SHARED_SESSIONS",
    "TLS_REFUSED",
    "Database",
    "DatabaseDown",
    "DatabaseUrl",
    "Limits",
    "PostgresUrl",
    "Row",
    "Script",
    "Session",
    "SqliteUrl",
    "Step",
    "UnsupportedDatabase",
    "Values",
    "Violation",
    "connect",
    "digest",
    "parse_url",
]


def connect(url: DatabaseUrl, limits: Limits) -> Database:
    """The database. It connects on first use."""
    if isinstance(url, SqliteUrl):
        from models.engine.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(url, limits)
    # Imported here so that a process on SQLite doesn't load asyncpg.
    from models.engine.postgres import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase(url, limits)
