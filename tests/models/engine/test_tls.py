"""TLS to PostgreSQL: where authorities come from, what each mode leaves open, and what can't be verified."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from models.engine import PostgresUrl, UnsupportedDatabase, parse_url
from models.engine.tls import SSLMODES, authorities, is_local, tls
from models.engine.url import Host

PEM = "".join(ssl.DER_cert_to_PEM_cert(der) for der in ssl.create_default_context().get_ca_certs(binary_form=True)[:1])
REMOTE = "postgres://user@db.example/tendon"
NO_AUTHORITIES = (
    "needs the file of a certificate authority for sslmode=verify-ca: name it by sslrootcert=PATH"
    " (PGSSLROOTCERT is not set, and there is no ~/.postgresql/root.crt)"
)
NO_PEM = "must name a file of certificates in PEM (`-----BEGIN CERTIFICATE-----`) as {}"
UNREADABLE = "must name a readable file, or system, as {}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of this machine's user counts."""
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def authority(tmp_path: Path) -> str:
    if not PEM:
        pytest.skip("this machine trusts nobody")
    (tmp_path / "authority.pem").write_text(PEM)
    return str(tmp_path / "authority.pem")


def usual(home: Path, text: str) -> str:
    (home / ".postgresql").mkdir()
    file = home / ".postgresql" / "root.crt"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("/run/postgresql", True),
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("db.example", False),
        ("localhost.example", False),
    ],
)
def test_what_stays_on_this_machine(host: str, *, local: bool) -> None:
    assert is_local(host) == local


def test_authorities_are_those_of_the_url_else_of_the_environment_else_of_the_user(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert authorities(None) is None
    file = usual(home, "")
    assert authorities(None) == file
    monkeypatch.setenv("PGSSLROOTCERT", "/of/the/environment")
    assert authorities(None) == "/of/the/environment"
    assert authorities("/of/the/url") == "/of/the/url"


# What is passed to asyncpg


@pytest.mark.parametrize("root", [None, "system"])
def test_the_authorities_of_the_system_verify_certificate_and_name(root: str | None) -> None:
    arguments = tls("verify-full", root)
    context = arguments["ssl"]
    assert arguments.keys() == {"ssl"}
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    # Reading all authorities takes long.
    assert tls("verify-full", root)["ssl"] is context


def test_other_authorities_are_read_by_asyncpg(home: Path) -> None:
    assert tls("verify-full", "/a b") == {"ssl": "verify-full", "dsn": "postgres://?sslrootcert=%2Fa+b"}
    assert tls("require", None) == {"ssl": "require"}
    assert tls(None, None) == {"ssl": None}
    usual(home, "")
    assert tls("verify-full", None) == {"ssl": "verify-full"}


# What can't be verified


def problem(query: str) -> str | None:
    try:
        parse_url(f"{REMOTE}?{query}")
    except UnsupportedDatabase as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("mode", SSLMODES)
def test_an_authority_is_needed_only_to_verify_by_it(mode: str) -> None:
    assert problem(f"sslmode={mode}") == (NO_AUTHORITIES if mode == "verify-ca" else None)


@pytest.mark.parametrize("mode", SSLMODES)
def test_an_authority_that_is_named_must_be_one_whatever_the_mode(mode: str, authority: str, home: Path) -> None:
    assert problem(f"sslmode={mode}&sslrootcert={authority}") is None
    assert problem(f"sslmode={mode}&sslrootcert=/nothing") == UNREADABLE.format("sslrootcert")
    (home / "text").write_text("no certificate")
    assert problem(f"sslmode={mode}&sslrootcert={home}/text") == NO_PEM.format("sslrootcert")
    refused = "may have sslrootcert=system with sslmode=verify-full only"
    assert problem(f"sslmode={mode}&sslrootcert=system") == (None if mode == "verify-full" else refused)


@pytest.mark.parametrize("mode", SSLMODES)
def test_an_authority_of_the_environment_counts_where_it_is_used(
    mode: str, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = mode in ("require", "verify-ca", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", authority)
    assert problem(f"sslmode={mode}") is None
    monkeypatch.setenv("PGSSLROOTCERT", "/nothing")
    assert problem(f"sslmode={mode}") == (UNREADABLE.format("PGSSLROOTCERT") if used else None)
    monkeypatch.setenv("PGSSLROOTCERT", "system")
    refused = "may have PGSSLROOTCERT=system with sslmode=verify-full only"
    assert problem(f"sslmode={mode}") == (refused if mode in ("require", "verify-ca") else None)


def test_the_file_of_the_user_is_named_when_it_is_wrong(home: Path) -> None:
    usual(home, "no certificate")
    assert problem("sslmode=require") == NO_PEM.format("~/.postgresql/root.crt")
    assert problem("sslmode=prefer") is None


# What is left open


@pytest.mark.parametrize(
    ("mode", "risk"),
    [
        ("verify-ca", "the server's host name is not checked: any server with a certificate of the same authority"),
        ("require", "the server's certificate is not verified: anyone who impersonates it could read and change"),
        ("prefer", "nothing is verified, and if TLS fails the password and all data are sent in clear text"),
        ("allow", "nothing is verified, and the first attempt uses no TLS: the password and all data may be sent"),
        ("disable", "the password and all data are sent in clear text"),
    ],
)
def test_what_a_mode_leaves_open(mode: str, risk: str, authority: str) -> None:
    for host, is_open in (("db.example", True), ("localhost", False), ("/run/postgresql", False)):
        root = authority if mode == "verify-ca" else None
        found = PostgresUrl("user", None, (Host(host),), "tendon", mode, root).unverified_sslmode()
        if not is_open:
            assert found is None
            continue
        assert found is not None
        assert found[0] == mode
        assert found[1].startswith(risk)


def test_a_mode_that_verifies_leaves_nothing_open(authority: str) -> None:
    for host, mode in (("db.example", "verify-full"), ("localhost", None)):
        assert PostgresUrl("user", None, (Host(host),), "tendon", mode).unverified_sslmode() is None
    # `require` with an authority is `verify-ca`.
    required = PostgresUrl("user", None, (Host("db.example"),), "tendon", "require", authority).unverified_sslmode()
    assert required is not None
    assert required[0] == "require"
    assert required[1].startswith("the server's host name is not checked")
