"""From settings to a verifier, and the verifier that takes both kinds of token."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest

from gateway.bearer import open_verifier, read_bearer
from gateway.bearer.verifier import DevVerifier
from gateway.settings import Settings
from gateway.settings.reading import settings_of
from resolvers.caller import PLATFORM_SCOPES, READ, SERVICE_SCOPES, WRITE, Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from tests.gateway.bearer.authorization_server import AuthorizationServer, Reply, Request, answer
from tests.gateway.bearer.token_issuer import AUDIENCE, ISSUER, ecdsa

SIGNER = ecdsa("key")


VALUES: dict[str, Any] = {
    "introspection_url": "https://id.example/introspect",
    "introspection_client_id": "tendon",
    "introspection_client_secret": "s3cret",
    "jwks_url": "https://id.example/jwks",
    "issuer": ISSUER,
    "audience": AUDIENCE,
}
INTROSPECTION = ("introspection_url", "introspection_client_id", "introspection_client_secret")
JWT = ("jwks_url", "issuer", "audience")
NEEDED = {"introspection": INTROSPECTION, "jwt": JWT, "introspection+jwt": INTROSPECTION + JWT}


@pytest.mark.parametrize(("auth", "name"), [(auth, name) for auth, names in NEEDED.items() for name in names])
def test_missing_settings_are_named(auth: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is missing"):
        open_verifier(_settings(auth, **{name: None}))


async def test_dev_needs_nothing_and_takes_nothing_else() -> None:
    verifier = open_verifier(settings_of(Settings, {"auth": "dev"}))
    assert await verifier.verify("dev:alice") == Caller("alice", "dev", frozenset({READ, WRITE}))
    everything = PLATFORM_SCOPES | SERVICE_SCOPES
    assert await verifier.verify("dev-service:reporting") == Caller(None, "reporting", everything)
    for token in ("dev-service:", "dev-service:a b", f"dev-service:{'x' * 65}", "dev-services:x", "service:x"):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
    with pytest.raises(InvalidToken):
        await verifier.verify(SIGNER.token())


@pytest.mark.parametrize("user", ["alice", "a", "A.b-c_d@example.org", "0", "x" * 64])
async def test_dev(user: str) -> None:
    verifier = DevVerifier()
    assert await verifier.verify(f"dev:{user}") == Caller(user, "dev", frozenset({READ, WRITE}))
    await verifier.close()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "dev",
        "dev:",
        "alice",
        "Dev:alice",
        "dev:alice:read:wearables",
        "dev: alice",
        "dev:alice\n",
        "dev:é",
        "dev:a/b",
        "dev:" + "x" * 65,
        " dev:alice",
        "dev:dev:alice",
    ],
)
async def test_no_dev_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        await DevVerifier().verify(token)


@pytest.mark.parametrize("auth", NEEDED)
async def test_dev_tokens_open_nothing_elsewhere(server: AuthorizationServer, auth: str) -> None:
    server.reply = _authority
    verifier = open_verifier(_at(server, auth))
    for token in ("dev:alice", "dev-service:reporting"):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
    await verifier.close()


async def test_introspection(server: AuthorizationServer) -> None:
    server.reply = _authority
    verifier = open_verifier(_at(server, "introspection"))
    assert await verifier.verify("opaque") == Caller("ida", "app", frozenset({READ}))
    assert server.requests[0].basic == ("tendon", "s3cret")
    await verifier.close()


async def test_jwt(server: AuthorizationServer) -> None:
    server.reply = _authority
    verifier = open_verifier(_at(server, "jwt"))
    assert (await verifier.verify(_token())).user == "alice"
    with pytest.raises(InvalidToken):
        await verifier.verify("opaque")
    assert [request.path for request in server.requests] == ["/jwks"]
    await verifier.close()


def test_opened_before_there_is_a_loop() -> None:
    """As the command line does it: the settings are read first, the server starts later."""
    verifier = open_verifier(_settings("introspection", introspection_url="http://127.0.0.1:9/x"))

    async def serve() -> None:
        outcomes = await asyncio.gather(*(verifier.verify(f"t{n}") for n in range(20)), return_exceptions=True)
        assert {type(each) for each in outcomes} == {ServiceUnavailable}
        await verifier.close()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()


async def test_each_token_goes_its_way(server: AuthorizationServer) -> None:
    server.reply = _authority
    verifier = open_verifier(_at(server, "introspection+jwt"))
    assert (await verifier.verify(_token())).user == "alice"
    assert [request.path for request in server.requests] == ["/jwks"]
    _, claims, signature = _token().split(".")
    lookalikes = ["opaque", "a.b.c", "lph_at_a.b.c", f"e30.{claims}.{signature}", f"{_token()}.x", f"{_token()}.x.y"]
    for number, opaque in enumerate(lookalikes, start=2):
        assert (await verifier.verify(opaque)).user == "ida"
        assert server.requests[-1].form["token"] == [opaque]
        assert len(server.requests) == number
    await verifier.close()


async def test_a_refused_jwt_is_not_tried_the_other_way(server: AuthorizationServer) -> None:
    server.reply = _authority
    verifier = open_verifier(_at(server, "introspection+jwt"))
    for refused in (ecdsa("key").token(), SIGNER.token({"alg": "none"}), SIGNER.token({"alg": "HS256"})):
        with pytest.raises(InvalidToken):
            await verifier.verify(refused)
    assert {request.path for request in server.requests} == {"/jwks"}
    await verifier.close()


async def test_one_way_down_leaves_the_other(server: AuthorizationServer) -> None:
    server.reply = lambda request: Reply(status=500) if request.path == "/introspect" else _authority(request)
    verifier = open_verifier(_at(server, "introspection+jwt"))
    with pytest.raises(ServiceUnavailable):
        await verifier.verify("opaque")
    assert (await verifier.verify(_token())).user == "alice"
    await verifier.close()


def test_joserfc_is_imported_for_jwt_only() -> None:
    program = (
        "import sys; from gateway.settings import Settings; from gateway.bearer import open_verifier;"
        "open_verifier(Settings(auth='introspection', introspection_url='https://id.example',"
        "introspection_client_id='a', introspection_client_secret='b')); print('joserfc' in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"


def _at(server: AuthorizationServer, auth: str) -> Settings:
    return _settings(auth, introspection_url=server.url("/introspect"), jwks_url=server.url("/jwks"))


def _settings(auth: str, **values: Any) -> Settings:
    given = {"auth": auth, **VALUES, **values}
    return settings_of(Settings, {name: value for name, value in given.items() if value is not None})


def _authority(request: Request) -> Reply:
    if request.path == "/jwks":
        return answer({"keys": [SIGNER.jwk]})
    active = not request.form["token"][0].startswith("dev")
    return answer({"active": active, "sub": "ida", "client_id": "app", "scope": READ})


def _token(**claims: object) -> str:
    return SIGNER.token(claims={"iat": time.time(), "exp": time.time() + 60, **claims})


async def test_the_settings_reach_each_verifier(server: AuthorizationServer) -> None:
    """Audience and services, for either kind of token."""
    server.reply = lambda request: (
        answer({"keys": [SIGNER.jwk]})
        if request.path == "/jwks"
        else answer({"active": True, **request_claims(request)})
    )
    values = {"introspection_url": server.url("/introspect"), "jwks_url": server.url("/jwks")}
    verifier = open_verifier(_settings("introspection+jwt", services=f"reporting={READ}", **values))
    assert (await verifier.verify(_token(client_id="reporting"))).is_service
    assert not (await verifier.verify("alice.app.ours")).is_service
    for refused in (_token(aud="https://other.example"), "alice.app.other", "alice.reporting.ours"):
        with pytest.raises(InvalidToken):
            await verifier.verify(refused)
    await verifier.close()


def request_claims(request: Request) -> dict[str, object]:
    """Of a token that says them, so that the answer depends on it: user, client, and whether it is for Tendon."""
    user, client, audience = request.form["token"][0].split(".")
    return {"sub": user, "client_id": client, "aud": AUDIENCE if audience == "ours" else "https://other.example"}


@pytest.mark.parametrize("auth", NEEDED)
async def test_a_closed_verifier_asks_nobody(server: AuthorizationServer, auth: str) -> None:
    server.reply = _authority
    verifier = open_verifier(_at(server, auth))
    await verifier.close()
    tokens = {"introspection": ["opaque"], "jwt": [_token()], "introspection+jwt": ["opaque", _token()]}
    for token in tokens[auth]:
        with pytest.raises(ServiceUnavailable):
            await verifier.verify(token)
    assert server.requests == []


async def test_a_dev_token_is_explained() -> None:
    with pytest.raises(InvalidToken) as refusal:
        await DevVerifier().verify("alice")
    assert refusal.value.reason == "not a dev token"
    assert "write dev:NAME" in refusal.value.message


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (["Bearer x", "Bearer x"], "there are two Authorization headers"),
        (["Bearer\tx"], "the Authorization header is malformed"),
        (["Bearer x y"], "the token is malformed"),
        (["Bearer " + "x" * 8193], "the token is malformed"),
    ],
)
def test_why_a_header_is_rejected(headers: list[str], reason: str) -> None:
    with pytest.raises(InvalidToken) as refusal:
        read_bearer(headers)
    assert refusal.value.reason == reason
