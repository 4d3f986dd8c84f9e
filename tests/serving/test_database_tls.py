"""Remote PostgreSQL: its certificate and name are verified before it gets a password, unless the URL disables that.

It is reached at 0.0.0.0, which leads to this machine and is not a loopback address.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import asyncpg
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models.engine import PostgresUrl, parse_url
from tests.postgres import PostgresServer, programs
from tests.processes import free_port, log_lines, tendon
from tests.serving.conftest import Serve
from tests.serving.serving import becomes
from worker.engine_postgres import Connector

HERE = "0.0.0.0"
PASSWORD = "CANARY-5e1f"
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class Authority:
    """Signs certificates for servers. `file` is its own."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._sign(self._name, self._key, constraints)
        self.file = folder / f"authority-{certificate.serial_number}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def certify(self, name: x509.GeneralName) -> tuple[bytes, bytes]:
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        certificate = self._sign(subject, key, x509.SubjectAlternativeName([name]))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM), private

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
async def server(authority: Authority) -> AsyncGenerator[PostgresServer]:
    """A server with a valid certificate. It asks for a password, and accepts only TLS."""
    server = PostgresServer(programs())
    session = await asyncpg.connect(server.url("postgres"))
    await session.execute(f"ALTER ROLE tendon PASSWORD '{PASSWORD}'")
    await session.close()
    server.give("data/pg_hba.conf", b"hostssl all all 127.0.0.1/32 scram-sha-256\n")
    _restart(server, *authority.certify(x509.IPAddress(ip_address(HERE))))
    yield server
    server.remove()


def _restart(server: PostgresServer, certificate: bytes, key: bytes) -> None:
    files = {"ssl_cert_file": server.give("tls.crt", certificate), "ssl_key_file": server.give("tls.key", key)}
    server.stop()
    server.settings |= {"ssl": "on", **{name: str(path) for name, path in files.items()}}
    server.start()


@pytest.fixture
def misnamed(server: PostgresServer, authority: Authority) -> Generator[PostgresServer]:
    """Its certificate is valid, but for another server."""
    _restart(server, *authority.certify(x509.DNSName("database.example")))
    yield server
    _restart(server, *authority.certify(x509.IPAddress(ip_address(HERE))))


def _url(port: int, **options: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgres://tendon:{PASSWORD}@{HERE}:{port}/postgres{'?' if query else ''}{query}"


def _migrate(folder: Path, url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    run = tendon("migrate", cwd=folder, settings={"TENDON_DATABASE_URL": url, "HOME": str(folder), **environment})
    assert "Traceback" not in run.stderr
    assert PASSWORD not in run.stderr
    return run


def test_an_authority_that_is_named(server: PostgresServer, authority: Authority, tmp_path: Path) -> None:
    run = _migrate(tmp_path, _url(server.port, sslrootcert=authority.file))
    assert run.returncode == 0, run.stderr
    assert "database.unverified" not in run.stderr


def test_the_authorities_of_the_system(server: PostgresServer, authority: Authority, tmp_path: Path) -> None:
    run = _migrate(tmp_path, _url(server.port), SSL_CERT_FILE=str(authority.file))
    assert run.returncode == 0, run.stderr
    assert "database.unverified" not in run.stderr


def test_the_authority_of_libpq(server: PostgresServer, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_bytes(authority.file.read_bytes())
    run = _migrate(tmp_path, _url(server.port))
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("system", [True, False], ids=["of the system", "another"])
def test_an_authority_that_is_not_trusted(server: PostgresServer, folder: Path, tmp_path: Path, system: bool) -> None:
    another = {} if system else {"sslrootcert": Authority(folder).file}
    run = _migrate(tmp_path, _url(server.port, **another))
    assert run.returncode == 2
    assert "SSLCertVerificationError" in run.stderr
    assert "sslrootcert=PATH" in run.stderr


def test_another_servers_certificate(misnamed: PostgresServer, authority: Authority, tmp_path: Path) -> None:
    run = _migrate(tmp_path, _url(misnamed.port, sslrootcert=authority.file))
    assert run.returncode == 2
    assert "SSLCertVerificationError" in run.stderr
    # With this URL, the name need not match, which is logged as a warning.
    run = _migrate(tmp_path, _url(misnamed.port, sslrootcert=authority.file, sslmode="verify-ca"))
    assert run.returncode == 0, run.stderr
    assert "database.unverified" in run.stderr


def _reach(url: str) -> None:
    """As a worker does it, with another driver."""
    parsed = parse_url(url)
    assert isinstance(parsed, PostgresUrl)
    Connector(parsed, 5).connect().close()


def test_a_worker_verifies_the_same(
    server: PostgresServer,
    authority: Authority,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _reach(_url(server.port, sslrootcert=authority.file))
    with pytest.raises(psycopg.OperationalError, match="SSL error"):
        _reach(_url(server.port, sslrootcert=Authority(folder).file))
    # Those of the system.
    with pytest.raises(psycopg.OperationalError, match="SSL error"):
        _reach(_url(server.port))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    _reach(_url(server.port))


def test_a_worker_notices_another_servers_certificate(
    misnamed: PostgresServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(psycopg.OperationalError, match="does not match"):
        _reach(_url(misnamed.port, sslrootcert=authority.file))
    _reach(_url(misnamed.port, sslrootcert=authority.file, sslmode="verify-ca"))


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("some words\n", encoding="utf-8")
    problem = "must name a file of certificates in PEM (`-----BEGIN CERTIFICATE-----`) as"
    run = _migrate(tmp_path, _url(5432, sslrootcert=tmp_path / "words.txt"))
    assert f"TENDON_DATABASE_URL: {problem} sslrootcert" in run.stderr
    run = _migrate(tmp_path, _url(5432), PGSSLROOTCERT=str(tmp_path / "words.txt"))
    assert f"TENDON_DATABASE_URL: {problem} PGSSLROOTCERT" in run.stderr
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_text("some words\n", encoding="utf-8")
    run = _migrate(tmp_path, _url(5432))
    assert f"TENDON_DATABASE_URL: {problem} ~/.postgresql/root.crt" in run.stderr
    run = _migrate(tmp_path, _url(5432), PGSSLROOTCERT="/nowhere")
    assert "TENDON_DATABASE_URL: must name a readable file, or system, as PGSSLROOTCERT" in run.stderr


def test_no_authority_where_one_is_needed(tmp_path: Path) -> None:
    run = _migrate(tmp_path, _url(5432, sslmode="verify-ca"))
    assert run.returncode == 2
    assert (
        "name it by sslrootcert=PATH (PGSSLROOTCERT is not set, and there is no ~/.postgresql/root.crt)" in run.stderr
    )


@pytest.mark.parametrize(
    ("sslmode", "named", "reason"),
    [
        ("verify-ca", True, "the server's host name is not checked"),
        ("require", True, "the server's host name is not checked"),
        ("require", False, "the server's certificate is not verified"),
        ("prefer", False, "if TLS fails the password and all data are sent in clear text"),
        ("allow", False, "the first attempt uses no TLS"),
        ("disable", False, "the password and all data are sent in clear text"),
    ],
)
def test_what_each_mode_leaves_open(
    authority: Authority, tmp_path: Path, sslmode: str, named: bool, reason: str
) -> None:
    options = {"sslmode": sslmode} | ({"sslrootcert": authority.file} if named else {})
    run = _migrate(tmp_path, _url(free_port(), **options))
    (warning,) = log_lines(run.stderr, "database.unverified")
    assert warning["sslmode"] == sslmode
    assert reason in warning["reason"]


async def test_what_the_url_leaves_open_is_warned_about_at_every_start(
    server: PostgresServer, serve: Serve, tmp_path: Path
) -> None:
    url = _url(server.port, sslmode="require")
    migrated = await asyncio.to_thread(_migrate, tmp_path, url)
    assert migrated.returncode == 0, migrated.stderr
    assert "database.unverified" in migrated.stderr
    process = serve(TENDON_DATABASE_URL=url)
    await becomes(process.origin)
    assert process.logged("database.unverified")[0]["sslmode"] == "require"
    assert PASSWORD not in process.said


class Listener:
    """Answers everything with `reply` until it has the password, and records what it receives."""

    def __init__(self, reply: bytes) -> None:
        self.port = free_port()
        self.heard: list[bytes] = []
        self._reply = reply

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            self.heard.append(chunk)
            if PASSWORD.encode() in chunk:
                break
            # AuthenticationCleartextPassword, which asks for a password in clear.
            writer.write(self._reply if chunk == SSL_REQUEST else b"R\x00\x00\x00\x08\x00\x00\x00\x03")
        writer.close()


@pytest.mark.parametrize("sslmode", [None, "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("reply", [b"N", b"E\x00\x00\x00\x05\x00", b"NN", b"R\x00\x00\x00\x08\x00\x00\x00\x03"])
async def test_a_server_without_tls_hears_no_password(
    authority: Authority, tmp_path: Path, sslmode: str | None, reply: bytes
) -> None:
    listener = Listener(reply)
    options = {"sslrootcert": authority.file} | ({} if sslmode is None else {"sslmode": sslmode})
    async with await listener.open():
        run = await asyncio.to_thread(_migrate, tmp_path, _url(listener.port, **options))
    assert run.returncode == 2
    assert listener.heard == [SSL_REQUEST]
    if reply == b"N":
        assert "the server offers no TLS" in run.stderr


async def test_serve_does_not_start_without_tls(serve: Serve) -> None:
    listener = Listener(b"N")
    async with await listener.open():
        with pytest.raises(RuntimeError, match="the server offers no TLS"):
            await asyncio.to_thread(serve, TENDON_DATABASE_URL=_url(listener.port))
    assert listener.heard == [SSL_REQUEST]


async def test_clear_text_that_was_sent_before_tls_was_asked_for(tmp_path: Path) -> None:
    """By sslmode=allow. The server refuses what it got, and TLS as well."""
    heard: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1000):
            heard.append(chunk)
            if chunk == SSL_REQUEST:
                writer.write(b"N")
            elif PASSWORD.encode() in chunk:
                fields = b"SFATAL\0VFATAL\0C28000\0Mno encryption\0\0"
                writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
            else:
                writer.write(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
        writer.close()

    port = free_port()
    async with await asyncio.start_server(refuse, "127.0.0.1", port):
        run = await asyncio.to_thread(_migrate, tmp_path, _url(port, sslmode="allow"))
    assert PASSWORD.encode() in b"".join(heard)
    assert heard[-1] == SSL_REQUEST
    assert "with `sslmode=allow` the password may already have been sent in clear text: change it" in run.stderr
    assert "would be sent" not in run.stderr


async def test_clear_text_is_sent_only_where_the_url_says_so(tmp_path: Path) -> None:
    """Proves that the listener would have received it."""
    listener = Listener(b"N")
    async with await listener.open():
        run = await asyncio.to_thread(_migrate, tmp_path, _url(listener.port, sslmode="disable"))
    assert PASSWORD.encode() in b"".join(listener.heard)
    assert "database.unverified" in run.stderr
