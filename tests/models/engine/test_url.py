"""The URLs of databases: which are accepted, and what they mean."""

from __future__ import annotations

import pytest

from models.database import UnsupportedDatabase
from models.engine import PostgresUrl, SqliteUrl, parse_url
from models.engine.url import Host


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
        "postgres://user:CANARY@[database.example]/tendon",
        "postgres://user:CANARY@[::1]x/tendon",
        "postgres://user:CANARY@::1/tendon",
        "postgres://user:CANARY@one,/tendon",
        "postgres://user:CANARY@one,,two/tendon",
        "postgres://user:CANARY@one,two:99999/tendon",
        f"postgres://user:CANARY@one:{'9' * 5000}/tendon",
        "postgres://user:CANARY@:1,:2/tendon?host=one",
        "postgres://user:CANARY@one,two/tendon?host=one,",
        "postgres://user:CANARY@one/tendon?target_session_attrs=CANARY",
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
        ("postgres://me:@DB.example:/tendon", ("me", "", "db.example", 5432, "tendon", "verify-full")),
        ("postgres://me:a:b@db.example/tendon", ("me", "a:b", "db.example", 5432, "tendon", "verify-full")),
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
    parsed = parse_url(url)
    assert isinstance(parsed, PostgresUrl)
    user, password, name, port, database, sslmode = meant
    assert (parsed.user, parsed.password, parsed.database) == (user, password, database)
    assert parsed.hosts == (Host(name, port),)
    assert parsed.sslmode_for(parsed.hosts[0]) == sslmode
    assert (parsed.sslrootcert, parsed.target_session_attrs) == (None, "any")


@pytest.mark.parametrize(
    ("authority", "hosts"),
    [
        ("one,two", [("one", 5432), ("two", 5432)]),
        ("one:1,two:2,three", [("one", 1), ("two", 2), ("three", 5432)]),
        ("[::1]:1,two:2", [("::1", 1), ("two", 2)]),
        ("one,[2001:db8::1]", [("one", 5432), ("2001:db8::1", 5432)]),
    ],
)
def test_several_hosts(authority: str, hosts: list[tuple[str, int]]) -> None:
    parsed = parse_url(f"postgres://me@{authority}/tendon")
    assert isinstance(parsed, PostgresUrl)
    assert parsed.hosts == tuple(Host(*host) for host in hosts)
    assert parsed.target_session_attrs == "read-write"


@pytest.mark.parametrize(
    ("authority", "names", "hosts"),
    [
        ("", "one,/run/postgresql", [("one", 5432), ("/run/postgresql", 5432)]),
        (":7", "one,two", [("one", 7), ("two", 7)]),
        (":7,:8", "one,two", [("one", 7), ("two", 8)]),
    ],
)
def test_several_hosts_in_the_query(authority: str, names: str, hosts: list[tuple[str, int]]) -> None:
    parsed = parse_url(f"postgres://me@{authority}/tendon?host={names}")
    assert isinstance(parsed, PostgresUrl)
    assert parsed.hosts == tuple(Host(*host) for host in hosts)


@pytest.mark.parametrize("wanted", ["any", "read-write", "primary"])
@pytest.mark.parametrize("authority", ["one", "one,two"])
def test_which_host_is_wanted(authority: str, wanted: str) -> None:
    parsed = parse_url(f"postgres://me@{authority}/tendon?target_session_attrs={wanted}")
    assert isinstance(parsed, PostgresUrl)
    assert parsed.target_session_attrs == wanted


def test_hosts_on_this_machine_need_no_certificate_and_others_do() -> None:
    parsed = parse_url("postgres://me@localhost,db.example/tendon")
    assert isinstance(parsed, PostgresUrl)
    assert [parsed.sslmode_for(host) for host in parsed.hosts] == [None, "verify-full"]
    assert parsed.unverified_sslmode() is None
    unverified = parse_url("postgres://me@localhost,db.example/tendon?sslmode=require").unverified_sslmode()
    assert unverified is not None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://CANARY:CANARY@db.example:6/tendon", "postgres db.example:6/tendon"),
        ("postgres://CANARY@/tendon?host=/run/postgresql", "postgres /run/postgresql:5432/tendon"),
        ("postgres://CANARY:CANARY@one,[::1]:7/tendon", "postgres one:5432,[::1]:7/tendon"),
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
            "may have host, sslmode, sslrootcert and target_session_attrs after the question mark, and nothing else",
        ),
        (
            "postgres://user@db.example/tendon#x",
            "may have host, sslmode, sslrootcert and target_session_attrs after the question mark, and nothing else",
        ),
        (
            "postgres://user@db.example/tendon?sslmode=on",
            "must have one of disable, allow, prefer, require, verify-ca, verify-full as sslmode",
        ),
        (
            "postgres://user@one,two/tendon?target_session_attrs=standby",
            "must have any, read-write or primary as target_session_attrs, because Tendon writes to the database",
        ),
        ("postgres://user@:1,:2/tendon?host=one,two,three", "must have as many hosts as ports"),
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
