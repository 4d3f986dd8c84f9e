"""Services on a running gateway: what a named one may do with users' connections, and that no other client is one."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from gateway.bearer.introspection import WAITING
from tests.conftest import Person, begin, start_gateway
from tests.databases import Database
from tests.gateway.bearer.authorization_server import AuthorizationServer, Reply, Request, answer
from tests.gateway.bearer.token_issuer import AUDIENCE, ISSUER, ecdsa
from tests.interfaces import GraphQL, Interface, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox

SIGNER = ecdsa("key")
NEVER = asyncio.Event()
SCOPES = "read:wearables write:wearables"
KEYCLOAK = "d952cf23-bf92-4c8f-a3ff-4972b4f2bc5b"


def _authority(request: Request) -> Reply:
    """Publishes its key, and introspects a token that is a user's name as that user's, for the app in it."""
    if request.path == "/jwks":
        return answer({"keys": [SIGNER.jwk]})
    if request.form["token"][0].startswith("stranger"):
        return answer({"active": False}, held=NEVER)
    user, _, client_id = request.form["token"][0].partition(":")
    return answer({"active": True, "sub": user, "client_id": client_id or "app", "scope": SCOPES})


def signed(**claims: object) -> str:
    now = time.time()
    return SIGNER.token(claims={"iat": now, "exp": now + 60, "scope": SCOPES, **claims})


def service(client_id: str, **claims: object) -> str:
    """A token in Keycloak's form: the subject is a service account, and `azp` names the client."""
    return signed(**{"client_id": ..., "azp": client_id, "sub": KEYCLOAK, **claims})


@pytest.fixture
async def served(
    settings: dict[str, str], own_database: Database, tmp_path: Path
) -> AsyncGenerator[tuple[Process, AuthorizationServer]]:
    """A gateway as in production, on each engine."""
    async with AuthorizationServer() as authority:
        authority.reply = _authority
        production = settings | {
            "TENDON_AUTH": "introspection+jwt",
            "TENDON_ALLOW_PRIVATE_PROVIDERS": "1",
            "TENDON_VAULT_KEYS": "k1:" + base64.b64encode(os.urandom(32)).decode(),
            "TENDON_INTROSPECTION_URL": authority.url("/introspect"),
            "TENDON_INTROSPECTION_CLIENT_ID": "tendon",
            "TENDON_INTROSPECTION_CLIENT_SECRET": "s3cret",
            "TENDON_JWKS_URL": authority.url("/jwks"),
            "TENDON_ISSUER": ISSUER,
            "TENDON_AUDIENCE": AUDIENCE,
            "TENDON_SERVICES": f"reporting=read:wearables exporter={SCOPES.replace(' ', ',')} tokens-only=read:tokens",
        }
        process = await asyncio.to_thread(start_gateway, tmp_path, production, own_database)
        yield process, authority
        assert process.stop() == 0


async def test_who_is_a_service(
    served: tuple[Process, AuthorizationServer],
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    someone: Person,
    another: Person,
) -> None:
    process, _ = served
    interfaces: list[Interface] = [Rest(client, process.origin), GraphQL(client, process.origin)]
    alice = Person(someone.id)
    connection = await _connect(interfaces[0], sandbox, alice)
    for api in interfaces:
        for token in (service("reporting"), service("exporter"), signed(client_id="reporting", sub="reporting")):
            assert (await api.connections(token, userId=alice.id)).data == {"connections": [connection]}
        # The user's own token, opaque or signed, shows only the user's own connections.
        for token in (alice.id, signed(sub=alice.id)):
            assert (await api.connections(token, userId=alice.id)).data == {"connections": [connection]}
            assert (await api.connections(token, userId=another.id)).code == "FORBIDDEN"
        # Both the list and the token must contain a scope of the platform.
        for token in (service("reporting", scope="write:wearables"), service("tokens-only")):
            assert (await api.connections(token, userId=alice.id)).code == "INSUFFICIENT_SCOPE"
        # A service account that is not named is a user of its own, without access to other users' connections.
        stranger = service("unnamed")
        assert (await api.connections(stranger, userId=alice.id)).code == "FORBIDDEN"
        # A missing claim never makes a client a service.
        for token in (
            signed(sub=...),
            signed(sub="app"),
            signed(sub=..., client_id=..., azp="app"),
            signed(sub=..., client_id=...),
            signed(client_id="app", azp="reporting"),
            "app:app",
            f"{alice.id}:reporting",
            "reporting:reporting",
        ):
            refused = await api.connections(token, userId=alice.id)
            assert (refused.status, refused.code) == (401, "INVALID_TOKEN")
            assert refused.message == "The bearer token is not valid."


async def test_a_service_never_acts_as_a_user(
    served: tuple[Process, AuthorizationServer], client: httpx.AsyncClient, sandbox: Sandbox, someone: Person
) -> None:
    """Not even as the user that its token names."""
    process, _ = served
    for api in (Rest(client, process.origin), GraphQL(client, process.origin)):
        callback = await begin(api, sandbox, _Opaque(someone.id))
        for sub in (someone.id, KEYCLOAK, "exporter"):
            token = service("exporter", sub=sub)
            begun = await api.authorize(token, provider="sandbox", redirectUri=callback["redirectUri"])
            assert begun.code == "FORBIDDEN"
            assert (await api.complete(token, **callback)).code == "FORBIDDEN"
        assert (await api.complete(someone.id, **callback)).connection["userId"] == someone.id


async def test_what_the_log_says(
    served: tuple[Process, AuthorizationServer], client: httpx.AsyncClient, someone: Person
) -> None:
    process, _ = served
    api = Rest(client, process.origin)
    assert (await api.connections(signed(sub="app"), userId=someone.id)).code == "INVALID_TOKEN"
    assert '"reporting=read:wearables"' in process.said
    assert '"exporter=read:wearables,write:wearables"' in process.said
    (line,) = process.logged("bearer.refused")
    assert line["reason"] == "it names no user, and TENDON_SERVICES does not name its client"
    assert line["client"] == "app"


async def test_a_service_on_a_laptop(api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(api, sandbox, someone)
    assert (await api.complete("dev-service:reporting", **callback)).code == "FORBIDDEN"
    connection = (await api.complete(someone.token, **callback)).connection
    assert (await api.connections("dev-service:reporting", userId=someone.id)).data == {"connections": [connection]}


class _Opaque(Person):
    @property
    def token(self) -> str:
        return self.id


async def _connect(api: Interface, sandbox: Sandbox, person: Person) -> dict[str, object]:
    callback = await begin(api, sandbox, _Opaque(person.id))
    return (await api.complete(person.id, **callback)).connection


async def test_an_introspection_that_hangs_keeps_out_no_other_callers(
    served: tuple[Process, AuthorizationServer], client: httpx.AsyncClient, someone: Person
) -> None:
    """Strangers with random tokens, more than a process admits requests, and callers whose tokens need no answer."""
    process, authority = served
    api = Rest(client, process.origin)
    known = [service("reporting"), someone.id]
    for token in known:
        assert (await api.connections(token, userId=someone.id)).data == {"connections": []}
    port = int(process.origin.rpartition(":")[2])
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(400)]
    for number, (_, writer) in enumerate(connections):
        writer.write(b"GET /v1/connections HTTP/1.1\r\nHost: x\r\n")
        writer.write(b"Authorization: Bearer stranger-%d\r\nConnection: close\r\n\r\n" % number)
    answers = [asyncio.create_task(reader.read()) for reader, _ in connections]
    # All but those that may wait are answered while the endpoint still hangs.
    for _, answered in zip(range(400 - WAITING), asyncio.as_completed(answers), strict=False):
        head = await answered
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in head.lower()
    for token in (*known, service("reporting")):
        assert (await api.connections(token, userId=someone.id)).data == {"connections": []}
    assert not all(task.done() for task in answers)
    assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in await asyncio.gather(*answers))
    for _, writer in connections:
        writer.close()
    asked = [request for request in authority.requests if request.path == "/introspect"]
    assert len(asked) <= 1 + WAITING
