"""Parses database URLs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from models.engine.tls import SSLMODES, VERIFIED, authorities_problem, is_local, sslmode_risk

_POSTGRES = ("postgres://", "postgresql://")


class UnsupportedDatabase(ValueError):
    """The URL is not of a database that Tendon supports. The message never quotes it, because it may contain a
    password."""


@dataclass(frozen=True, slots=True)
class SqliteUrl:
    """`sqlite://PATH`"""

    path: str

    def __str__(self) -> str:
        return f"sqlite {self.path}"

    def unverified_sslmode(self) -> None:
        """There is no server to verify."""


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """`postgres://[user[:password]@][host][:port]/database[?host=…&sslmode=…&sslrootcert=…]`

    `host` in the query is a folder with PostgreSQL's socket, or a host; `sslrootcert` is a file of certificates, or
    `system`. `sslmode` defaults to `verify-full`, except on this machine.
    """

    user: str
    password: str | None
    host: str
    port: int
    database: str
    sslmode: str | None
    sslrootcert: str | None

    def __str__(self) -> str:
        return f"postgres {self.host}:{self.port}/{self.database}"

    def unverified_sslmode(self) -> tuple[str, str] | None:
        """The `sslmode` if it doesn't verify a remote server, and the risk; None if it does."""
        if self.sslmode is None or self.sslmode == VERIFIED or is_local(self.host):
            return None
        return self.sslmode, sslmode_risk(self.sslmode, self.sslrootcert)


DatabaseUrl = SqliteUrl | PostgresUrl
"""`str` of it contains neither user nor password, so it can be logged."""


def parse_url(url: str) -> DatabaseUrl:
    """Raises UnsupportedDatabase."""
    if url.startswith("sqlite://"):
        return _sqlite(url)
    if url.startswith(_POSTGRES):
        return _postgres(url)
    raise UnsupportedDatabase("must be sqlite://PATH or postgres://user@host/database")


def _sqlite(url: str) -> SqliteUrl:
    path = url.removeprefix("sqlite://")
    if path in ("", ":memory:"):
        raise UnsupportedDatabase("must be sqlite://PATH, with the path of a file")
    return SqliteUrl(path)


def _postgres(url: str) -> PostgresUrl:
    parts = _split(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    host, sslmode = options.pop("host", None) or parts.hostname, options.pop("sslmode", None)
    sslrootcert = options.pop("sslrootcert", None)
    if options or parts.fragment:
        raise UnsupportedDatabase("may have host, sslmode and sslrootcert after the question mark, and nothing else")
    if sslmode not in (None, *SSLMODES):
        raise UnsupportedDatabase(f"must have one of {', '.join(SSLMODES)} as sslmode")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or not host or not parts.username:
        raise UnsupportedDatabase("must name user, host and database: postgres://user@host/database")
    if sslmode is None and not is_local(host):
        sslmode = VERIFIED
    if (problem := authorities_problem(sslmode, sslrootcert)) is not None:
        raise UnsupportedDatabase(problem)
    password = None if parts.password is None else unquote(parts.password)
    return PostgresUrl(unquote(parts.username), password, host, parts.port or 5432, database, sslmode, sslrootcert)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UnsupportedDatabase(
            "must be a URL: postgres://user:password@host:port/database, with / ? # % @ : in a password percent-encoded"
        ) from None
    return parts
