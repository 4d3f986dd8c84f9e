"""Whatever comes in: a Caller, InvalidToken or ServiceUnavailable comes out, and no error tells the token."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.bearer import Verifier, open_client, read_bearer
from gateway.bearer.introspection import IntrospectionVerifier
from gateway.bearer.jwt import JWTVerifier
from gateway.bearer.verifier import DevVerifier, EitherVerifier
from resolvers.caller import Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from tests.gateway.bearer.authorization_server import AuthorizationServer, Reply, Request, answer
from tests.gateway.bearer.token_issuer import AUDIENCE, CLAIMS, ISSUER, NOW, compact, ecdsa, segment
from wire.http.client import Client

SIGNER = ecdsa("key")
HEADER = {"alg": "ES256", "kid": "key"}

ANY = st.characters(exclude_categories=())  # lone surrogates too
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(ANY) | st.just(10**400)
JSON = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)
TEXTS = st.sampled_from(["alice", "app", ISSUER, AUDIENCE, "read:wearables", "Bearer", "ES256", "key", "JWT"])
VALUES = JSON | TEXTS | st.sampled_from([NOW, NOW + 60, True, AUDIENCE])
CLAIM = st.sampled_from(["sub", "client_id", "azp", "scope", "scp", "exp", "nbf", "iat", "iss", "aud"])
MEMBER = st.sampled_from(["active", "token_type"]) | CLAIM
PARAMETER = st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "jku", "x5c", "b64", "cty", "enc"])
TOKENS = (
    st.text(ANY, max_size=60)
    | st.text("aZ0-._~+/=:@", max_size=60)
    | st.lists(st.text("eyJhbGciOiJub25lIn0-_", max_size=40), min_size=1, max_size=5).map(".".join)
    | st.tuples(JSON, JSON).map(lambda parts: f"{segment(parts[0])}.{segment(parts[1])}.x")
    | st.from_regex(r"dev:[ -~]{0,70}", fullmatch=True)
)


@dataclass
class Running:
    client: Client
    server: AuthorizationServer
    introspection: IntrospectionVerifier
    jwt: JWTVerifier


@pytest_asyncio.fixture(scope="module")
async def running() -> AsyncIterator[Running]:
    async with AuthorizationServer() as server, open_client() as client:
        introspection = IntrospectionVerifier(client, server.url("/introspect"), "tendon", "s3cret", clock=lambda: NOW)
        jwt = JWTVerifier(client, server.url("/jwks"), ISSUER, AUDIENCE, clock=lambda: NOW)
        server.always(answer({"keys": [SIGNER.jwk]}))
        await jwt.verify(compact(HEADER, CLAIMS, SIGNER.sign))
        yield Running(client, server, introspection, jwt)


_numbers = count()


async def _outcome(verifier: Verifier, token: str) -> Caller | None:
    """The caller, or None after one of the two errors; everything else is a failure of the test."""
    try:
        caller = await verifier.verify(token)
    except (InvalidToken, ServiceUnavailable) as problem:
        told = "".join(traceback.format_exception(problem)) + repr(problem.extensions)
        assert len(set(token)) < 6 or token not in told
        return None
    assert isinstance(caller, Caller)
    return caller


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TOKENS)
async def test_any_token(running: Running, text: str) -> None:
    try:
        token = read_bearer([f"Bearer {text}"])
    except InvalidToken:
        return
    assert token is not None
    running.server.reply = _echo
    either = EitherVerifier(running.introspection, running.jwt)
    for verifier in (DevVerifier(), running.introspection, running.jwt, either):
        await _outcome(verifier, token)


@given(header=TOKENS | TOKENS.map(lambda token: f"Bearer {token}"))
def test_any_header(header: str) -> None:
    try:
        token = read_bearer([header])
    except InvalidToken:
        return
    assert (token is None) == (not header.lower().startswith("bearer "))
    assert token is None or (token.isascii() and token.isprintable() and " " not in token)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(reply=st.dictionaries(MEMBER, VALUES), active=st.booleans())
async def test_any_introspection_answer(running: Running, reply: dict[str, object], active: bool) -> None:
    whole = {"active": True, **reply} if active else reply
    running.server.always(answer(whole))
    caller = await _outcome(running.introspection, f"token-{next(_numbers)}")
    if caller is not None:
        assert whole["active"] is True
        assert caller.user == (None if whole.get("sub") == caller.client_id else whole.get("sub"))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(reply=st.binary() | JSON.map(lambda value: segment(value).encode()))
async def test_any_introspection_body(running: Running, reply: bytes) -> None:
    running.server.always(Reply(reply))
    assert await _outcome(running.introspection, f"token-{next(_numbers)}") is None


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(header=st.dictionaries(PARAMETER, VALUES), claims=st.dictionaries(CLAIM, VALUES))
async def test_anything_that_the_issuer_signs(
    running: Running, header: dict[str, object], claims: dict[str, object]
) -> None:
    running.server.always(answer({"keys": [SIGNER.jwk]}))
    whole_header, whole_claims = HEADER | header, CLAIMS | claims
    caller = await _outcome(running.jwt, compact(whole_header, whole_claims, SIGNER.sign))
    if caller is not None:
        assert whole_claims["iss"] == ISSUER
        assert whole_header["alg"] == "ES256"
        assert "crit" not in whole_header


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(header=st.dictionaries(PARAMETER, VALUES), signature=st.binary(max_size=80))
async def test_anything_that_nobody_signed(running: Running, header: dict[str, object], signature: bytes) -> None:
    running.server.always(answer({"keys": [SIGNER.jwk]}))
    for whole in (header, HEADER | header):
        assert await _outcome(running.jwt, compact(whole, CLAIMS, lambda _: signature)) is None


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(keys=st.lists(st.dictionaries(st.sampled_from(["kty", "crv", "x", "n", "e", "kid", "alg", "use"]), VALUES)))
async def test_any_published_keys(running: Running, keys: list[dict[str, object]]) -> None:
    running.server.always(answer({"keys": [{**SIGNER.jwk, **key} for key in keys]}))
    verifier = JWTVerifier(running.client, running.server.url("/jwks"), ISSUER, AUDIENCE, clock=lambda: NOW)
    await _outcome(verifier, compact(HEADER, CLAIMS, SIGNER.sign))


def _echo(request: Request) -> Reply:
    """The worst that a server can do with a token: say it again."""
    return Reply(request.body, status=500, headers={"X-Token": request.body.decode("ascii")[:200]})
