"""The URLs of databases: which are accepted, and what they mean."""

from __future__ import annotations

import pytest

from models.database import UnsupportedDatabase
from models.engine import PostgresUrl, SqliteUrl, parse_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite",
        "sqlite:",
        "sqlite:/",
        "sqlite://",
        "sqlite://:memory:",
        "SQLITE://tendon.db",
        " sqlite://tendon.db",
        "file:tendon.db",
        "tendon.db",
        "mysql://user:CANARY@database.example/tendon",
        "postgres:/CANARY",
        "postgres://",
        "postgres://user:CANARY@database.example",
        "postgres://user:CANARY@database.example/",
        "postgres://user:CANARY@/tendon",
        "postgres://:CANARY@database.example/tendon",
        "postgres://user:CANARY@database.example:port/tendon",
        "postgres://user:CANARY@database.example:99999/tendon",
        "postgres://user:CANARY@database.example/a/b",
        "postgres://user:CANARY@[database.example/tendon",
        "postgres://user:CANARY@database.example/tendon#x",
        "postgres://user:CANARY@database.example/tendon?password=CANARY",
        "postgres://user:CANARY@database.example/tendon?sslmode=CANARY",
        "postgres://user:CANARY@database.example/tendon?sslrootcert=/nothing/CANARY",
        "postgres://user:CANARY@database.example/tendon?sslmode=require&sslrootcert=system",
    ],
)
def test_other_urls(url: str) -> None:
    with pytest.raises(UnsupportedDatabase) as raised:
        parse_url(url)
    assert str(raised.value).startswith("m")
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("path", ["tendon.db", ".tendon/tendon.db", "/var/lib/tendon.db", "a b?c=d&e#f%20.db"])
def test_a_path_is_taken_as_it_stands(path: str) -> None:
    assert parse_url(f"sqlite://{path}") == SqliteUrl(path)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("postgres://me@db.example/tendon", ("me", None, "db.example", 5432, "tendon", "verify-full")),
        ("postgresql://me:p%40ss%2F@db.example:6/t%20n", ("me", "p@ss/", "db.example", 6, "t n", "verify-full")),
        ("postgres://me@192.0.2.1/tendon", ("me", None, "192.0.2.1", 5432, "tendon", "verify-full")),
        ("postgres://me@localhost.example/tendon", ("me", None, "localhost.example", 5432, "tendon", "verify-full")),
        ("postgres://me@/tendon?host=db.example", ("me", None, "db.example", 5432, "tendon", "verify-full")),
        ("postgres://me@localhost/tendon?host=db.example", ("me", None, "db.example", 5432, "tendon", "verify-full")),
        ("postgres://me@db.example/tendon?sslmode=disable", ("me", None, "db.example", 5432, "tendon", "disable")),
        ("postgres://me@localhost/tendon", ("me", None, "localhost", 5432, "tendon", None)),
        ("postgres://me@127.9.9.9/tendon", ("me", None, "127.9.9.9", 5432, "tendon", None)),
        ("postgres://me@[::1]/tendon", ("me", None, "::1", 5432, "tendon", None)),
        ("postgres://me@/tendon?host=/run/postgresql", ("me", None, "/run/postgresql", 5432, "tendon", None)),
        ("postgres://me@[::1]/tendon?sslmode=require", ("me", None, "::1", 5432, "tendon", "require")),
    ],
)
def test_a_servers_url(url: str, meant: tuple[str, str | None, str, int, str, str | None]) -> None:
    assert parse_url(url) == PostgresUrl(*meant, sslrootcert=None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://CANARY:CANARY@db.example:6/tendon", "postgres db.example:6/tendon"),
        ("postgres://CANARY@/tendon?host=/run/postgresql", "postgres /run/postgresql:5432/tendon"),
        ("sqlite://.tendon/tendon.db", "sqlite .tendon/tendon.db"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert str(parse_url(url)) == f"{parse_url(url)}" == shown


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://user@db.example/tendon", "must be sqlite://PATH or postgres://user@host/database"),
        ("sqlite://", "must be sqlite://PATH, with the path of a file"),
        ("sqlite://:memory:", "must be sqlite://PATH, with the path of a file"),
        ("postgres://db.example/tendon", "must name user, host and database: postgres://user@host/database"),
        ("postgres://user@/tendon", "must name user, host and database: postgres://user@host/database"),
        ("postgres://user@db.example/", "must name user, host and database: postgres://user@host/database"),
        ("postgres://user@db.example/a/b", "must name user, host and database: postgres://user@host/database"),
        (
            "postgres://user@db.example/tendon?application_name=x",
            "may have host, sslmode and sslrootcert after the question mark, and nothing else",
        ),
        (
            "postgres://user@db.example/tendon#x",
            "may have host, sslmode and sslrootcert after the question mark, and nothing else",
        ),
        (
            "postgres://user@db.example/tendon?sslmode=on",
            "must have one of disable, allow, prefer, require, verify-ca, verify-full as sslmode",
        ),
        (
            "postgres://user:a/b@db.example/tendon",
            "must be a URL: postgres://user:password@host:port/database, with / ? # % @ : in a password"
            " percent-encoded",
        ),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, problem: str) -> None:
    with pytest.raises(UnsupportedDatabase) as raised:
        parse_url(url)
    assert str(raised.value) == problem


def test_a_file_has_no_server_to_verify() -> None:
    assert parse_url("sqlite://tendon.db").unverified_sslmode() is None
