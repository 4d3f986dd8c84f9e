"""What psycopg is told of a database's URL: the same as asyncpg."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import psycopg
import pytest

from models.engine import PostgresUrl, parse_url
from tests.postgres import PostgresServer
from tests.processes import free_port
from worker.engine_postgres import Connector, connection_arguments


def arguments(url: str, host: int = 0) -> dict[str, object]:
    parsed = parse_url(url)
    assert isinstance(parsed, PostgresUrl)
    return connection_arguments(parsed, parsed.hosts[host], 5)


def connector(url: str, seconds: float = 2) -> Connector:
    parsed = parse_url(url)
    assert isinstance(parsed, PostgresUrl)
    return Connector(parsed, seconds)


@pytest.mark.parametrize(
    ("url", "sslmode", "sslrootcert"),
    [
        ("postgres://u@db.example/d", "verify-full", "system"),
        ("postgres://u@db.example/d?sslrootcert=system", "verify-full", "system"),
        ("postgres://u@db.example/d?sslmode=require", "require", None),
        ("postgres://u@db.example/d?sslmode=disable", "disable", None),
        ("postgres://u@127.0.0.1/d", None, None),
        ("postgres://u@:5432/d?host=/run/postgresql", None, None),
    ],
)
def test_tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, sslmode: str | None, sslrootcert: str | None
) -> None:
    # Where a developer may have certificates.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    found = arguments(url)
    assert (found.get("sslmode"), found.get("sslrootcert")) == (sslmode, sslrootcert)


def test_each_host_has_its_own_default_of_sslmode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    url = "postgres://u:p%2F%3F%23%25%40%3A%27%20%5C@localhost:5433,db.example/d"
    local, remote = arguments(url), arguments(url, 1)
    assert (local["host"], local["port"], local.get("sslmode")) == ("localhost", 5433, None)
    assert (remote["host"], remote["port"], remote["sslmode"]) == ("db.example", 5432, "verify-full")
    assert local["password"] == remote["password"] == "p/?#%@:' \\"


async def test_the_session_is_recognized_and_has_time_limits(postgres: PostgresServer) -> None:
    with connector(await postgres.create()).connect() as session:
        name, limit, isolation = session.execute(
            "SELECT current_setting('application_name'), current_setting('statement_timeout'),"
            " current_setting('default_transaction_isolation')"
        ).fetchone() or ("", "", "")
    assert name.startswith("tendon-worker ")
    assert name.endswith(f"/{os.getpid()}")
    assert (limit, isolation) == ("2s", "read committed")


async def test_the_host_that_accepts_writes_is_used(postgres: PostgresServer) -> None:
    name = (await postgres.create()).rpartition("/")[2]
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{postgres.port}"
    session = connector(f"postgres://tendon@{hosts}/{name}").connect()
    assert session.info.port == postgres.port
    session.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    session.commit()
    session.close()
    with pytest.raises(psycopg.OperationalError, match="the server is not read-write"):
        connector(f"postgres://tendon@{hosts}/{name}").connect()
    connector(f"postgres://tendon@{hosts}/{name}?target_session_attrs=any").connect().close()


async def test_it_waits_for_the_database_until_it_is_closed(postgres: PostgresServer) -> None:
    patient = connector(f"postgres://tendon@127.0.0.1:{free_port()}/d")
    with pytest.raises(psycopg.OperationalError):
        patient.connect()
    patient.patient = True
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with pytest.raises(psycopg.OperationalError):
            patient.connect()
        loop.call_soon_threadsafe(ended.set)

    thread = threading.Thread(target=wait)
    thread.start()
    await asyncio.sleep(0)
    assert not ended.is_set()
    patient.close()
    await ended.wait()
    thread.join()


def test_certificate_authorities_of_the_system_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    connector("postgres://u@db.example/d")
    found = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        # They were set without the help of `monkeypatch`, which forgets what it has not set.
        monkeypatch.setenv(name, "x")
    assert all(found)
