"""From a URL to the ORM's configuration of a connection."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from models.engine.limits import Limits
from models.engine.tls import SSLMODES, VERIFIED, authorities_problem, is_local, left_open

_POSTGRES = ("postgres://", "postgresql://")


class UnsupportedDatabase(ValueError):
    """The URL names no database that Tendon can open. The text never quotes it: it may hold a password."""


def configuration(url: str, limits: Limits) -> dict[str, Any]:
    """The connection for `sqlite://PATH` or
    `postgres://[user[:password]@][host][:port]/database[?host=…&sslmode=…&sslrootcert=…]`.

    `host` in the query is a folder with PostgreSQL's socket, or a host; `sslrootcert` is a file of certificates, or
    `system`. `sslmode` defaults to `verify-full`, except on this machine. Raises UnsupportedDatabase.
    """
    if url.startswith("sqlite://"):
        return {"engine": "models.engine.sqlite", "credentials": _sqlite(url, limits)}
    if url.startswith(_POSTGRES):
        return {"engine": "models.engine.asyncpg", "credentials": _postgres(url, limits)}
    raise UnsupportedDatabase("must be sqlite://PATH or postgres://user@host/database")


def named(url: str) -> str:
    """The database without user and password, for the log."""
    if url.startswith("sqlite://"):
        return f"sqlite {url.removeprefix('sqlite://')}"
    server = _postgres(url, Limits())
    return f"postgres {server['host']}:{server['port']}/{server['database']}"


def unverified_sslmode(url: str) -> tuple[str, str] | None:
    """The `sslmode` that leaves a remote server unverified, and what it makes possible."""
    if url.startswith("sqlite://"):
        return None
    server = _postgres(url, Limits())
    sslmode = server["sslmode"]
    if is_local(server["host"]) or sslmode == VERIFIED:
        return None
    return sslmode, left_open(sslmode, server["sslrootcert"])


def _sqlite(url: str, limits: Limits) -> dict[str, Any]:
    path = url.removeprefix("sqlite://")
    if path in ("", ":memory:"):
        raise UnsupportedDatabase("must be sqlite://PATH, with the path of a file")
    return {"file_path": path, "busy_timeout": int((limits.seconds or 60) * 1000)}


def _postgres(url: str, limits: Limits) -> dict[str, Any]:
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
    return {
        "user": unquote(parts.username),
        "password": None if parts.password is None else unquote(parts.password),
        "host": host,
        "port": parts.port or 5432,
        "database": database,
        "sslmode": sslmode,
        "sslrootcert": sslrootcert,
        "limits": limits,
    }


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UnsupportedDatabase(
            "must be a URL: postgres://user:password@host:port/database, with / ? # % @ : in a password percent-encoded"
        ) from None
    return parts
