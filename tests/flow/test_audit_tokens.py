"""What the audit trail records of services, and of refused tokens whose user or client is known."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from gateway.app import Gateway
from gateway.resources import Configuration
from gateway.settings import Settings
from models.migrating import migrate
from models.vault import Vault, new_key, read_keys
from resolvers.caller import Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from resolvers.redirects import RedirectAllowList
from rest.json_http import Request
from tests.conftest import REDIRECT_URI, Person, start_gateway
from tests.databases import Database
from tests.gateway.bearer.authorization_server import AuthorizationServer, answer
from tests.gateway.bearer.token_issuer import AUDIENCE, ISSUER, Signer, ecdsa
from tests.interfaces import Interface
from tests.processes import Process
from tests.rest.requests import Sent
from tests.sandbox_control import Sandbox

SIGNER: Signer = ecdsa("key")


def token(subject: str, client_id: str, *scopes: str) -> str:
    now = time.time()
    claims = {"sub": subject, "client_id": client_id, "scope": " ".join(scopes), "iat": now, "exp": now + 600}
    return SIGNER.token(claims=claims)


@pytest.fixture
async def jwt_gateway(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], own_database: Database
) -> AsyncGenerator[Process]:
    async with AuthorizationServer() as server:
        server.always(answer({"keys": [SIGNER.jwk]}))
        process = start_gateway(
            tmp_path_factory.mktemp("jwt"),
            settings
            | {
                "TENDON_AUTH": "jwt",
                "TENDON_JWKS_URL": server.url("/jwks"),
                "TENDON_ISSUER": ISSUER,
                "TENDON_AUDIENCE": AUDIENCE,
                "TENDON_SERVICES": "reports=read:wearables",
                "TENDON_VAULT_KEYS": new_key("k1"),
                "TENDON_ALLOW_PRIVATE_PROVIDERS": "1",
            },
            own_database,
        )
        yield process
        process.kill()


async def test_a_service_reads(
    jwt_gateway: Process,
    own_database: Database,
    interface: type[Interface],
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
) -> None:
    """Every read is recorded, with the name of the service. Users who read their own connections are not recorded."""
    api = interface(client, jwt_gateway.origin)
    users = token(someone.id, "app", "read:wearables", "write:wearables")
    services = token("reports", "reports", "read:wearables")
    state = (await api.authorize(users, provider="fitbit", redirectUri=REDIRECT_URI)).data
    assert state["state"]
    for _ in range(2):
        assert (await api.connections(services, userId=someone.id)).data == {"connections": []}
    assert (await api.connections(users, userId=someone.id)).data == {"connections": []}
    assert (await api.complete(services, **await callback(api, sandbox, users))).code in (
        "FORBIDDEN",
        "INSUFFICIENT_SCOPE",
    )
    name = await own_database.value("SELECT pseudonym FROM audit_subject")
    columns = "actor, client_id, subject, action, outcome, count"
    told = f"SELECT {columns} FROM audit_event WHERE client_id = 'reports' ORDER BY id"
    assert list(await own_database.fetch(told))[:2] == [(None, "reports", name, "read", "ok", 1)] * 2
    assert [row[2:4] for row in await own_database.fetch(told)] == [(name, "read")] * 2 + [(None, "complete")]
    assert await own_database.value("SELECT count(*) FROM audit_event WHERE action = 'read'") == 2
    assert await own_database.value("SELECT count(*) FROM audit_subject") == 1


async def callback(api: Interface, sandbox: Sandbox, users: str) -> dict[str, Any]:
    members = {"provider": "fitbit", "redirectUri": REDIRECT_URI}
    url = (await api.authorize(users, **members)).data["url"]
    back = await sandbox.approve(url)
    return members | {"code": back["code"], "state": back["state"]}


async def test_an_expired_token(
    jwt_gateway: Process, own_database: Database, interface: type[Interface], client: httpx.AsyncClient, someone: Person
) -> None:
    """The issuer has signed whose token it is. A token with another signature identifies nobody, so it leaves no
    row."""
    api = interface(client, jwt_gateway.origin)
    claims = {"sub": someone.id, "client_id": "app", "iat": time.time() - 900, "exp": time.time() - 600}
    for bearer in (SIGNER.token(claims=claims), ecdsa("key").token(claims=claims)):
        assert (await api.connections(bearer, userId=someone.id)).code == "INVALID_TOKEN"
    name = await own_database.value("SELECT pseudonym FROM audit_subject")
    told = "SELECT actor, client_id, subject, action, outcome FROM audit_event"
    assert list(await own_database.fetch(told)) == [(name, "app", name, "authenticate", "INVALID_TOKEN")]


class Refusing:
    """A verifier that identifies a token's user and client, and refuses it."""

    async def verify(self, token: str) -> Caller:
        subject, _, client_id = token.partition("@")
        raise InvalidToken("expired", subject=subject or None, client_id=client_id or None)

    async def close(self) -> None:
        """Nothing to close."""


def refusing_gateway(database_url: str) -> Gateway:
    settings = Settings(auth="dev", database_url=database_url)
    vault = Vault(read_keys(new_key("k1")))
    return Gateway(Configuration(settings, vault, {}, {}, RedirectAllowList([])), Refusing())


def request(bearer: str) -> Request:
    headers = [(b"authorization", f"Bearer {bearer}".encode())]
    return Request({"headers": headers, "state": {"request_id": "r"}}, Sent().receive, dict(headers))


async def test_a_refused_token(own_database: Database) -> None:
    """The gateway opens the context of a request the same way for both interfaces."""
    await migrate(own_database.url)
    gateway = refusing_gateway(own_database.url)
    async with gateway.lifespan(None):  # pyright: ignore[reportArgumentType] - it looks at no app
        for bearer in ("alice@app", "alice@app", "@service", "bob@"):
            with pytest.raises(InvalidToken):
                await gateway.open_context(request(bearer))
    names = dict(await own_database.fetch("SELECT user_id, pseudonym FROM audit_subject"))
    told = "SELECT actor, client_id, subject, action, outcome, count FROM audit_event ORDER BY id"
    assert list(await own_database.fetch(told)) == [
        (names["alice"], "app", names["alice"], "authenticate", "INVALID_TOKEN", 1),
        (None, "service", None, "authenticate", "INVALID_TOKEN", 1),
        (names["bob"], None, names["bob"], "authenticate", "INVALID_TOKEN", 1),
        (names["alice"], "app", names["alice"], "authenticate", "INVALID_TOKEN", 1),
    ]


async def test_more_refused_tokens_than_can_be_told_apart(own_database: Database) -> None:
    """Each is counted, but 2,000 users at most have rows and names of their own."""
    await migrate(own_database.url)
    gateway = refusing_gateway(own_database.url)
    async with gateway.lifespan(None):  # pyright: ignore[reportArgumentType] - it looks at no app
        for number in [*range(2_100), *range(1_990, 2_100)]:
            with pytest.raises(InvalidToken):
                await gateway.open_context(request(f"user-{number}@app"))
        assert await own_database.value("SELECT count(*) FROM audit_event") == 2_001
    assert await own_database.value("SELECT count(*) FROM audit_subject") == 2_000
    told = "SELECT sum(count) FROM audit_event WHERE subject IS {} NULL"
    assert await own_database.value(told.format("NOT")) == 2_010
    assert await own_database.value(told.format("")) == 200
    columns = "actor, client_id, action, provider, outcome, count"
    counted = await own_database.fetch(f"SELECT {columns} FROM audit_event WHERE subject IS NULL ORDER BY id")
    nobody = (None, None, "authenticate", None, "INVALID_TOKEN")
    assert list(counted) == [(*nobody, 1), (*nobody, 199)]


async def test_a_refused_token_while_the_database_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A denial that can't be recorded is not sent."""
    url = f"sqlite://{tmp_path_factory.mktemp('unmigrated')}/tendon.db"
    gateway = refusing_gateway(url)
    async with gateway.lifespan(None):  # pyright: ignore[reportArgumentType] - it looks at no app
        with pytest.raises(ServiceUnavailable):
            await gateway.open_context(request("alice@app"))
