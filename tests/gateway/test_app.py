"""The whole service in this process: what is served where, and how a request's caller is found."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from gateway.app import Gateway, create_app
from gateway.bearer.verifier import DevVerifier
from gateway.edge import Edge
from gateway.resources import configure
from gateway.settings import Settings
from gateway.settings.reading import settings_of
from models.vault import new_key
from tests.client_keys import as_pem, ec_key, rsa_key
from tests.databases import SqliteFile, create_migrated_file
from tests.gateway.bearer.authorization_server import AuthorizationServer, answer
from tests.gateway.bearer.token_issuer import AUDIENCE, ISSUER, ecdsa
from tests.gateway.http11.loopback_app import head
from tests.gateway.http11.memory_connection import MemoryServer

SIGNER = ecdsa("key")
ORIGIN = "http://127.0.0.1:8000"


@asynccontextmanager
async def serving(app: Edge) -> AsyncGenerator[MemoryServer]:
    """The app between its lifespan's start and end."""
    received: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan"}, received.get, sent.put))
    received.put_nowait({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    try:
        yield MemoryServer(app)
    finally:
        received.put_nowait({"type": "lifespan.shutdown"})
        assert (await sent.get())["type"] == "lifespan.shutdown.complete"
        await task


@pytest.fixture
async def issuer() -> AsyncGenerator[AuthorizationServer]:
    async with AuthorizationServer() as server:
        server.always(answer({"keys": [SIGNER.jwk]}))
        yield server


@pytest.fixture
def database(tmp_path: Path) -> SqliteFile:
    return SqliteFile(create_migrated_file(tmp_path / "tendon.db"))


def settings(database: SqliteFile, issuer: AuthorizationServer, **values: str) -> Settings:
    jwt = {"auth": "jwt", "jwks_url": issuer.url("/jwks"), "issuer": ISSUER, "audience": AUDIENCE}
    stored = {"database_url": database.url, "vault_keys": new_key("k1")}
    return settings_of(Settings, {**jwt, **stored, "redirect_uris": "https://app.example/cb", **values})


@pytest.fixture
async def server(database: SqliteFile, issuer: AuthorizationServer) -> AsyncGenerator[MemoryServer]:
    async with serving(create_app(settings(database, issuer), {}, ORIGIN)) as server:
        yield server


Answer = tuple[int, dict[str, str], bytes]


async def ask(server: MemoryServer, method: str, path: str, body: bytes = b"", *lines: str) -> Answer:
    connection = server.connect()
    framing = ["Host: test", "Connection: close", f"Content-Length: {len(body)}"]
    await connection.send(head(*framing, *lines, start=f"{method} {path} HTTP/1.1") + body)
    fields, _, body = (await connection.ended()).partition(b"\r\n\r\n")
    first, *named = fields.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in named), body


def token(**claims: object) -> str:
    now = time.time()
    return SIGNER.token(claims={"iat": now, "exp": now + 60, **claims})


async def code(server: MemoryServer, path: str, bearer: str) -> tuple[int, str]:
    """Status and code of an error, by the interface at this path."""
    authorization = f"Authorization: Bearer {bearer}"
    if path == "/graphql":
        query = json.dumps({"query": '{ connections(userId: "alice") { id } }'}).encode()
        status, _, body = await ask(server, "POST", path, query, authorization, "Content-Type: application/json")
        return status, json.loads(body)["errors"][0]["extensions"]["code"].lower()
    status, _, body = await ask(server, "GET", f"{path}?userId=alice", b"", authorization)
    return status, json.loads(body)["error"]


INTERFACES = pytest.mark.parametrize("path", ["/v1/connections", "/graphql"])


@INTERFACES
async def test_a_token_that_names_neither_user_nor_client_is_401(
    server: MemoryServer, database: SqliteFile, path: str
) -> None:
    """The log says why. There is nobody whom the audit trail could name."""
    with capture_logs() as logged:
        assert await code(server, path, token(sub=..., client_id=...)) == (401, "invalid_token")
    [refused] = [event for event in logged if event["event"] == "bearer.refused"]
    assert refused == {
        "event": "bearer.refused",
        "log_level": "info",
        "reason": "it names no user, and TENDON_SERVICES does not name its client",
    }
    assert await database.value("SELECT count(*) FROM audit_event") == 0


@INTERFACES
async def test_a_refused_token_that_names_its_client_is_recorded(
    server: MemoryServer, database: SqliteFile, path: str
) -> None:
    with capture_logs() as logged:
        assert await code(server, path, token(sub=..., client_id="app")) == (401, "invalid_token")
    assert [event["client"] for event in logged if event["event"] == "bearer.refused"] == ["app"]
    told = "SELECT actor, client_id, action, outcome FROM audit_event"
    assert [tuple(row) for row in await database.fetch(told)] == [(None, "app", "authenticate", "INVALID_TOKEN")]


@INTERFACES
async def test_a_refusal_that_can_not_be_recorded_is_503(server: MemoryServer, database: SqliteFile, path: str) -> None:
    await database.fetch("ALTER TABLE audit_event RENAME TO elsewhere")
    with capture_logs() as logged:
        assert await code(server, path, token(exp=time.time() - 60)) == (503, "service_unavailable")
    assert [event["log_level"] for event in logged if event["event"] == "database.down"] == ["error"]


@INTERFACES
async def test_a_caller_is_limited_and_others_are_not(
    database: SqliteFile, issuer: AuthorizationServer, path: str
) -> None:
    app = create_app(settings(database, issuer, rate_limit="1/hour"), {}, ORIGIN)
    async with serving(app) as server:
        for user in ("bob", "carol"):
            assert (await code(server, path, token(sub=user)))[0] in (200, 403)
            assert await code(server, path, token(sub=user)) == (429, "rate_limited")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/openapi.json", 200),
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/unknown", 404),
        ("GET", "/openapi.json/", 404),
        ("GET", "/v1/connections/", 404),
        # Only in dev.
        ("GET", "/", 404),
        ("GET", "/connect", 404),
        ("GET", "/web/connect.js", 404),
        ("GET", "/sandbox/", 404),
    ],
)
async def test_what_is_served(server: MemoryServer, method: str, path: str, status: int) -> None:
    """No path redirects to another: clients would send code and state to wherever a Host header says."""
    found, headers, body = await ask(server, method, path)
    assert found == status
    assert "location" not in headers
    assert status == 200 or json.loads(body)["error"] == "not_found"


JWK_SET = "/.well-known/jwks.json"


async def test_our_public_keys_are_published(database: SqliteFile, issuer: AuthorizationServer, tmp_path: Path) -> None:
    """To anybody, for a while, and nothing that is secret."""
    files = [tmp_path / "rsa.pem", tmp_path / "ec.pem"]
    for file, key in zip(files, (rsa_key(), ec_key()), strict=True):
        file.write_bytes(as_pem(key))
        file.chmod(0o600)
    ours = settings(database, issuer, client_keys=" ".join(map(str, files)))
    async with serving(create_app(ours, {}, ORIGIN)) as server:
        status, headers, body = await ask(server, "GET", JWK_SET)
        assert (status, headers["content-type"]) == (200, "application/json")
        assert headers["cache-control"] == "public, max-age=300"
        found = json.loads(body)["keys"]
        assert [each.keys() for each in found] == [
            {"kty", "n", "e", "kid", "use"},
            {"kty", "crv", "x", "y", "kid", "use", "alg"},
        ]
        assert [each["kid"] for each in found] == [key.public["kid"] for key in ours.client_keys]
        assert (await ask(server, "HEAD", JWK_SET))[0] == 200
        assert (await ask(server, "POST", JWK_SET))[0] == 405
        document = json.loads((await ask(server, "GET", "/openapi.json"))[2])
        assert document["paths"][JWK_SET]["get"]["security"] == []
    described = document["paths"][JWK_SET]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert jsonschema_rs.is_valid(described, json.loads(body))


async def test_without_keys_none_are_published(server: MemoryServer) -> None:
    status, headers, body = await ask(server, "GET", JWK_SET)
    assert (status, json.loads(body)["error"], headers["cache-control"]) == (404, "not_found", "no-store")
    assert JWK_SET not in json.loads((await ask(server, "GET", "/openapi.json"))[2])["paths"]


async def test_another_method(server: MemoryServer) -> None:
    """The allowed ones are named in order."""
    for path, allowed in (
        ("/openapi.json", "GET, HEAD"),
        ("/v1/connections", "GET, HEAD"),
        ("/graphql", "GET, HEAD, POST"),
    ):
        status, headers, body = await ask(server, "DELETE", path)
        assert (status, headers["allow"]) == (405, allowed)
        assert ("errors" in json.loads(body)) == (path == "/graphql")


async def test_dev_has_pages_and_the_sandbox(
    database: SqliteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The keys of dev are made in the current directory.
    monkeypatch.chdir(tmp_path)
    app = create_app(Settings(auth="dev", database_url=database.url), {}, ORIGIN)
    async with serving(app) as server:
        for path in ("/", "/connect", "/web/connect.js", "/openapi.json"):
            assert (await ask(server, "GET", path))[0] == 200
        status, headers, body = await ask(server, "GET", "/graphql", b"", "Accept: text/html")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"graphiql" in body.lower()
        # It answers itself.
        assert "x-request-id" in (await ask(server, "GET", "/sandbox/unknown"))[1]
        query = json.dumps({"query": "{ providers { slug } }"}).encode()
        _, _, body = await ask(server, "POST", "/graphql", query, "Content-Type: application/json")
        assert "sandbox" in [each["slug"] for each in json.loads(body)["data"]["providers"]]


class Watched(DevVerifier):
    """A verifier that records what the database is like when it is closed."""

    def __init__(self) -> None:
        self.closed: list[bool] = []
        self.gateway: Gateway | None = None

    async def close(self) -> None:
        assert self.gateway is not None
        await self.gateway.resources.database.ping()
        self.closed.append(True)


@pytest.mark.parametrize("fault", [None, ZeroDivisionError])
async def test_the_verifier_is_closed_before_the_database(
    database: SqliteFile, issuer: AuthorizationServer, fault: type[Exception] | None
) -> None:
    """However the lifespan ends."""
    verifier = Watched()
    verifier.gateway = gateway = Gateway(configure(settings(database, issuer), {}), verifier)
    with pytest.raises(fault) if fault else nullcontext():
        async with gateway.lifespan(Starlette()):
            assert verifier.closed == []
            if fault:
                raise fault
    assert verifier.closed == [True]


async def test_the_start_is_logged(database: SqliteFile, issuer: AuthorizationServer) -> None:
    with capture_logs() as logged:
        async with serving(
            create_app(settings(database, issuer), {"OURA_CLIENT_ID": "a", "OURA_CLIENT_SECRET": "b"}, ORIGIN)
        ):
            pass
    events = {event["event"]: event for event in logged}
    assert events["started"]["providers"] == ["oura"]
    assert events["plain.http"]["way"] == "jwt"
