"""A certificate for a test name, servers that use it, and a client that resolves every name to given addresses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wire.http.client import Client

NAME = "api.acme.example"


def write_certificate(folder: Path) -> Path:
    """A self-signed certificate for NAME, with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    return file


def server_tls(certificate: Path, names: list[str | None]) -> ssl.SSLContext:
    """Notes in `names` the server name (SNI) of every handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def note(_object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note
    return context


def client_to(certificate: Path, *addresses: str, connect_timeout: float | None = None) -> Client:
    """It resolves every name to these addresses."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    tls = ssl.create_default_context(cafile=str(certificate))
    return Client(resolve, tls, https_only=True, connect_timeout=connect_timeout)


async def close_after_handshake(
    tls: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Ends a connection in the same segment in which its handshake ends, as a load balancer may that stops. This is
    the server's side; with TLS 1.2, the server has the last word in a handshake."""
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = tls.wrap_bio(received, to_send, server_side=True)
    while True:
        try:
            connection.do_handshake()
            break
        except ssl.SSLWantReadError:
            writer.write(to_send.read())
            received.write(await reader.read(65536))
    with suppress(ssl.SSLWantReadError):
        connection.unwrap()
    writer.write(to_send.read())
    writer.close()
