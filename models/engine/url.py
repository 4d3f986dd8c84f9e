"""Parses database URLs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Final, NoReturn
from urllib.parse import parse_qsl, unquote

import msgspec

from models.engine.tls import SSLMODES, VERIFIED, authorities_problem, is_local, sslmode_risk

_POSTGRES: Final = re.compile(r"postgres(?:ql)?://([^/?#]*)(?:/([^?#]*))?(?:\?([^#]*))?(#.*)?", re.DOTALL)
_HOST: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::([0-9]{0,5}))?")
_OPTIONS: Final = ("host", "sslmode", "sslrootcert", "target_session_attrs")
_ATTRIBUTES: Final = ("any", "read-write", "primary")
_PORT: Final = 5432
_HIGHEST_PORT: Final = 65535


class UnsupportedDatabase(ValueError):
    """The URL is not of a database that Tendon supports. The message never quotes it, because it may contain a
    password."""


class SqliteUrl(msgspec.Struct, frozen=True):
    """`sqlite://PATH`"""

    path: str

    def __str__(self) -> str:
        return f"sqlite {self.path}"

    def unverified_sslmode(self) -> None:
        """There is no server to verify."""


class Host(msgspec.Struct, frozen=True):
    """A host name, an address, or a folder with PostgreSQL's socket; and a port."""

    name: str
    port: int = _PORT

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{name}:{self.port}"


class PostgresUrl(msgspec.Struct, frozen=True):
    """`postgres://[user[:password]@][host[:port]][,…]/database[?host=…&sslmode=…&sslrootcert=…&target_session_attrs=…]`

    As in libpq's URLs, there may be several hosts, and `host` in the query replaces their names. Tendon uses the first
    that is what `target_session_attrs` asks for: `any`, `read-write` or `primary`. With several hosts the default is
    `read-write`, because Tendon writes; with a single host it is `any`. `sslrootcert` is a file of certificates, or
    `system`. `sslmode` defaults to `verify-full`, except for hosts on this machine.
    """

    user: str
    password: str | None
    hosts: tuple[Host, ...]
    database: str
    sslmode: str | None = None
    sslrootcert: str | None = None
    target_session_attrs: str = "any"

    def __str__(self) -> str:
        return f"postgres {','.join(map(str, self.hosts))}/{self.database}"

    def sslmode_for(self, host: Host) -> str | None:
        """None stands for the driver's default, which is for this machine only."""
        return self.sslmode or (None if is_local(host.name) else VERIFIED)

    def unverified_sslmode(self) -> tuple[str, str] | None:
        """The `sslmode` if it doesn't verify a remote server, and the risk; None if it does."""
        if self.sslmode in (None, VERIFIED) or all(is_local(host.name) for host in self.hosts):
            return None
        return self.sslmode, sslmode_risk(self.sslmode, self.sslrootcert)


DatabaseUrl = SqliteUrl | PostgresUrl
"""`str` of it contains neither user nor password, so it can be logged."""


def parse_url(url: str) -> DatabaseUrl:
    """Raises UnsupportedDatabase."""
    if url.startswith("sqlite://"):
        return _sqlite(url)
    if found := _POSTGRES.fullmatch(url):
        return _postgres(*found.groups(default=""))
    raise UnsupportedDatabase("must be sqlite://PATH or postgres://user@host/database")


def _sqlite(url: str) -> SqliteUrl:
    path = url.removeprefix("sqlite://")
    if path in ("", ":memory:"):
        raise UnsupportedDatabase("must be sqlite://PATH, with the path of a file")
    return SqliteUrl(path)


def _postgres(authority: str, path: str, query: str, fragment: str) -> PostgresUrl:
    login, _, listed = authority.rpartition("@")
    user, colon, password = login.partition(":")
    hosts = _hosts(listed)
    options = dict(parse_qsl(query, keep_blank_values=True))
    if fragment or not set(options) <= set(_OPTIONS):
        raise UnsupportedDatabase(f"may have {_listed(_OPTIONS, 'and')} after the question mark, and nothing else")
    if names := options.get("host"):
        hosts = _renamed(hosts, names.split(","))
    sslmode, sslrootcert = options.get("sslmode"), options.get("sslrootcert")
    if sslmode not in (None, *SSLMODES):
        raise UnsupportedDatabase(f"must have one of {', '.join(SSLMODES)} as sslmode")
    wanted = options.get("target_session_attrs", "any" if len(hosts) == 1 else "read-write")
    if wanted not in _ATTRIBUTES:
        raise UnsupportedDatabase(
            f"must have {_listed(_ATTRIBUTES, 'or')} as target_session_attrs, because Tendon writes to the database"
        )
    database = unquote(path)
    if not database or "/" in database or not all(host.name for host in hosts) or not user:
        raise UnsupportedDatabase("must name user, host and database: postgres://user@host/database")
    verified = sslmode or (None if all(is_local(host.name) for host in hosts) else VERIFIED)
    if (problem := authorities_problem(verified, sslrootcert)) is not None:
        raise UnsupportedDatabase(problem)
    secret = unquote(password) if colon else None
    return PostgresUrl(unquote(user), secret, hosts, database, sslmode, sslrootcert, wanted)


def _hosts(text: str) -> tuple[Host, ...]:
    return tuple(_host(one) for one in text.split(","))


def _host(text: str) -> Host:
    found = _HOST.fullmatch(text)
    if found is None:
        _reject()
    address, name, digits = found.groups()
    port = int(digits) if digits else _PORT
    if port > _HIGHEST_PORT:
        _reject()
    if address is not None:
        try:
            IPv6Address(address)
        except ValueError:
            _reject()
    return Host(address or unquote(name or "").lower(), port)


def _renamed(hosts: tuple[Host, ...], names: list[str]) -> tuple[Host, ...]:
    """`names` with the ports of `hosts`. A single port is for all of them."""
    if len(hosts) == 1:
        hosts *= len(names)
    if len(hosts) != len(names):
        raise UnsupportedDatabase("must have as many hosts as ports")
    return tuple(Host(name, host.port) for name, host in zip(names, hosts, strict=True))


def _reject() -> NoReturn:
    raise UnsupportedDatabase(
        "must be a URL: postgres://user:password@host:port/database, with / ? # % @ : in a password percent-encoded"
    )


def _listed(words: Sequence[str], joint: str) -> str:
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"
