"""The database engines, SQLite and PostgreSQL, behind one interface.

Both raise DatabaseDown for whatever their driver raises when the database is unavailable, bound every wait, and leave
no transaction open when a task is cancelled.
"""

from models.engine.errors import DatabaseDown
from models.engine.interface import Database, Limits, Row, Script, Session, Step, Values
from models.engine.tls import CERTIFICATE_REFUSED, TLS_REFUSED
from models.engine.url import DatabaseUrl, PostgresUrl, SqliteUrl, UnsupportedDatabase, parse_url

__all__ = [
    "CERTIFICATE_REFUSED",
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
    "connect",
    "parse_url",
]


def connect(url: DatabaseUrl, limits: Limits) -> Database:
    """The database, not yet connected to: that is done on first use."""
    if isinstance(url, SqliteUrl):
        from models.engine.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(url, limits)
    # A process on SQLite never loads the driver.
    from models.engine.postgres import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase(url, limits)
