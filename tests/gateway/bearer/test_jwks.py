"""The issuer's keys: when they are fetched, how rarely, and what holds while they can't be (O19)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.bearer import open_client
from gateway.bearer.jwks import MAX_ANSWER, WAITING, read_keys
from gateway.bearer.jwt import JWTVerifier
from resolvers.caller import Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from tests.gateway.bearer.authorization_server import BAD_REPLIES, SLOW_REPLIES, AuthorizationServer, Reply, answer
from tests.gateway.bearer.slot import Slot
from tests.gateway.bearer.standing_clock import Clock
from tests.gateway.bearer.token_issuer import AUDIENCE, ISSUER, Signer, base64url, ecdsa, eddsa, rs256
from wire.http.client import Client

FIRST = ecdsa("first")
SECOND = ecdsa("second")

Open = Callable[..., JWTVerifier]


@pytest.fixture
def opened(server: AuthorizationServer, client: Client, clock: Clock) -> Open:
    _publish(server, FIRST)

    def open_one(timeout: float = 3.0) -> JWTVerifier:
        url = server.url("/jwks")
        return JWTVerifier(client, url, ISSUER, AUDIENCE, clock=clock, monotonic=clock.monotonic, timeout=timeout)

    return open_one


def _publish(server: AuthorizationServer, *signers: Signer) -> None:
    server.always(answer({"keys": [signer.jwk for signer in signers]}))


def _fresh(signer: Signer, clock: Clock, **header: object) -> str:
    """A token that no verdict is remembered about and that is good at this time."""
    fresh = {"jti": str(time.perf_counter_ns()), "iat": clock.wall, "exp": clock.wall + 60}
    return signer.token(dict(header), fresh)


async def _user(verifier: JWTVerifier, token: str) -> str | None:
    return (await verifier.verify(token)).user


async def test_fetched_when_first_needed_and_kept_10_minutes(
    server: AuthorizationServer, opened: Open, clock: Clock
) -> None:
    verifier = opened()
    assert server.requests == []
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/jwks", b"")
    assert "authorization" not in request.headers
    clock.advance(599)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    assert len(server.requests) == 1
    clock.advance(1)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    assert len(server.requests) == 2


@pytest.mark.parametrize("header", [{"alg": "none"}, {"crit": ["x"]}, {"typ": "dpop+jwt"}, {"kid": None}, {"kid": 1}])
async def test_hopeless_tokens_fetch_nothing(
    server: AuthorizationServer, opened: Open, header: dict[str, object]
) -> None:
    for token in (FIRST.token(header), "opaque", "a.b.c"):
        with pytest.raises(InvalidToken):
            await opened().verify(token)
    assert server.requests == []


async def test_50_at_once_are_one_fetch(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    callers = await asyncio.gather(*(verifier.verify(_fresh(FIRST, clock)) for _ in range(50)))
    assert {caller.user for caller in callers} == {"alice"}
    assert len(server.requests) == 1


async def test_flood_of_unknown_kids(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    clock.advance(60)
    tokens = [_fresh(FIRST, clock, kid=f"unknown-{number}") for number in range(200)]
    at_once = await asyncio.gather(*(verifier.verify(token) for token in tokens[:100]), return_exceptions=True)
    assert all(isinstance(each, InvalidToken) for each in at_once)
    for token in tokens[100:]:
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
    assert len(server.requests) == 2
    clock.advance(9.9)
    with pytest.raises(InvalidToken):
        await verifier.verify(tokens[0])
    assert len(server.requests) == 2
    clock.advance(0.1)
    for token in tokens:
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
    assert len(server.requests) == 3
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"


async def test_flood_before_any_key(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    tokens = [_fresh(FIRST, clock, kid=f"unknown-{number}") for number in range(200)]
    outcomes = await asyncio.gather(*(verifier.verify(token) for token in tokens), return_exceptions=True)
    assert [type(each) for each in outcomes] == [InvalidToken] * WAITING + [ServiceUnavailable] * (200 - WAITING)
    assert len(server.requests) == 1


async def test_only_so_many_wait_for_keys(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    """Who needs no other keys than those at hand is not kept waiting or rejected."""
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    clock.advance(60)
    held = asyncio.Event()
    server.always(answer({"keys": [FIRST.jwk]}, held=held))
    tokens = [_fresh(FIRST, clock, kid=f"unknown-{number}") for number in range(WAITING)]
    waiting = [asyncio.create_task(verifier.verify(token)) for token in tokens]
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable) as raised:
        await verifier.verify(_fresh(FIRST, clock, kid="unknown"))
    assert raised.value.retry_after == 2
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    # Keys that are due to be fetched again are good for a while yet.
    clock.advance(600)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    held.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in outcomes} == {InvalidToken}
    assert len(server.requests) == 2


async def test_rotation(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    clock.advance(10)
    _publish(server, FIRST, SECOND)
    assert await _user(verifier, _fresh(SECOND, clock)) == "alice"
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    assert len(server.requests) == 2
    _publish(server, SECOND)
    clock.advance(600)
    with pytest.raises(InvalidToken):
        await verifier.verify(_fresh(FIRST, clock))
    assert await _user(verifier, _fresh(SECOND, clock)) == "alice"


async def test_another_key_under_the_same_kid(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    with pytest.raises(InvalidToken):
        await verifier.verify(_fresh(SECOND, clock, kid="first"))


async def test_known_keys_outlive_the_endpoint_by_an_hour(
    server: AuthorizationServer, opened: Open, clock: Clock, log: list[MutableMapping[str, Any]]
) -> None:
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    await server.stop()
    clock.advance(600)
    for _ in range(20):
        assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    assert [event["event"] for event in log] == ["bearer.jwks_failed"]
    with pytest.raises(ServiceUnavailable) as raised:
        await verifier.verify(_fresh(SECOND, clock))
    assert raised.value.retry_after == 10
    clock.advance(2999)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    clock.advance(1)
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(_fresh(FIRST, clock))
    await server.start_again()
    clock.advance(10)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    with pytest.raises(InvalidToken):
        await verifier.verify(_fresh(SECOND, clock))


@pytest.mark.parametrize("name", ["kty", "kid", "alg", "use", "crv", "x", "y"])
async def test_a_malformed_member_costs_no_key_but_its_own(
    server: AuthorizationServer, opened: Open, name: str
) -> None:
    second = f'{json.dumps(SECOND.jwk)[:-1]},"{name}":1,"{name}":"\\ud800"}}'
    first = f'{json.dumps(FIRST.jwk)[:-1]},"x5u":"\\ud800","x5c":1,"x5c":2}}'
    server.always(Reply(f'{{"x":1,"x":2,"keys":[{second},{first}]}}'.encode()))
    verifier = opened()
    assert await _user(verifier, FIRST.token()) == "alice"
    with pytest.raises(InvalidToken):
        await verifier.verify(SECOND.token())


@pytest.mark.parametrize("name", [*BAD_REPLIES, "no keys"])
async def test_bad_answers_are_no_verdict(
    server: AuthorizationServer, opened: Open, clock: Clock, name: str, log: list[MutableMapping[str, Any]]
) -> None:
    server.always(BAD_REPLIES.get(name, answer({"keys": {"first": FIRST.jwk}})))
    verifier = opened(timeout=0.5 if name in SLOW_REPLIES else 30)
    for _ in range(5):
        with pytest.raises(ServiceUnavailable) as raised:
            await verifier.verify(_fresh(FIRST, clock))
        assert raised.value.retry_after == 1
    # The others did not wait for an answer.
    assert len(server.requests) == 1
    assert [(event["event"], event["log_level"]) for event in log] == [("bearer.jwks_failed", "warning")]
    assert {request.path for request in server.requests} == {"/jwks"}
    _publish(server, FIRST)
    clock.advance(0.9)
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(_fresh(FIRST, clock))
    assert len(server.requests) == 1
    clock.advance(0.1)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"


async def test_a_redirect_to_good_keys_is_not_followed(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    keys = answer({"keys": [FIRST.jwk]})
    server.reply = lambda asked: (
        Reply(status=302, headers={"Location": "/elsewhere"}) if asked.path == "/jwks" else keys
    )
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(_fresh(FIRST, clock))
    assert [asked.path for asked in server.requests] == ["/jwks"]


@pytest.mark.parametrize("excess", [0, 1])
async def test_the_longest_answer(server: AuthorizationServer, opened: Open, clock: Clock, excess: int) -> None:
    assert MAX_ANSWER == 262_144
    text = json.dumps({"keys": [FIRST.jwk], "x": ""}).encode()
    verifier = opened()
    server.always(Reply(text[:-2] + b"x" * (MAX_ANSWER - len(text) + excess) + text[-2:]))
    if not excess:
        assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
        return
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(_fresh(FIRST, clock))


async def test_while_keys_are_fetched_other_requests_may_run(
    server: AuthorizationServer, opened: Open, clock: Clock
) -> None:
    """In place of all that wait for them."""
    held = asyncio.Event()
    server.always(answer({"keys": [FIRST.jwk]}, held=held))
    verifier = opened()
    slots = [Slot() for _ in range(3)]
    calls = [asyncio.create_task(slot.run(verifier.verify(_fresh(FIRST, clock)))) for slot in slots]
    await server.asked.wait()
    assert [slot.released for slot in slots] == [True] * 3
    held.set()
    await asyncio.gather(*calls)
    assert [slot.released for slot in slots] == [False] * 3
    fresh = Slot()
    await fresh.run(verifier.verify(_fresh(FIRST, clock)))
    assert fresh.releases == 0


async def test_a_failed_fetch_is_over_when_the_next_one_succeeds(
    server: AuthorizationServer, opened: Open, clock: Clock
) -> None:
    """Then an unknown key is unknown, and the token is invalid."""
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    server.always(Reply(status=500))
    clock.advance(10)
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(_fresh(SECOND, clock))
    _publish(server, FIRST)
    clock.advance(10)
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await verifier.verify(_fresh(SECOND, clock))
    assert len(server.requests) == 3


async def test_a_missing_kid_is_named(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    _publish(server, FIRST, SECOND)
    with pytest.raises(InvalidToken) as refusal:
        await verifier.verify(_fresh(FIRST, clock, kid=...))
    assert refusal.value.reason == "kid is missing"


def modulus(bits: int) -> str:
    return base64url(((1 << bits) - 1).to_bytes((bits + 7) // 8))


@pytest.mark.parametrize(("bits", "used"), [(2047, False), (2048, True), (8192, True), (8193, False)])
def test_the_sizes_of_rsa_keys(bits: int, used: bool) -> None:
    keys = read_keys({"keys": [{"kty": "RSA", "n": modulus(bits), "e": "AQAB", "kid": "key"}]})
    assert [key.kid for key in keys] == (["key"] if used else [])


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"use": "sig", "key_ops": ["verify"], "alg": "ES256"},
        {"key_ops": ["sign", "verify"]},
        {"alg": "ES384"},
    ],
)
def test_what_a_key_may_say_about_its_use(members: dict[str, object]) -> None:
    jwk = {name: value for name, value in FIRST.jwk.items() if name != "use"}
    assert [key.kid for key in read_keys({"keys": [{**jwk, **members}]})] == ["first"]


@pytest.mark.parametrize(
    "members", [{"use": "enc"}, {"key_ops": []}, {"key_ops": "verify"}, {"alg": "HS256"}, {"alg": ["ES256"]}]
)
def test_what_makes_a_key_one_for_something_else(members: dict[str, object]) -> None:
    assert read_keys({"keys": [{**FIRST.jwk, **members}]}) == []


async def test_a_bad_answer_does_not_replace_the_keys(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    server.always(answer({"keys": None}))
    clock.advance(600)
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    assert len(server.requests) == 2


async def test_an_empty_set_revokes_all(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    verifier = opened()
    await verifier.verify(_fresh(FIRST, clock))
    _publish(server)
    clock.advance(600)
    with pytest.raises(InvalidToken):
        await verifier.verify(_fresh(FIRST, clock))


async def test_a_caller_who_leaves_does_not_end_the_fetch(
    server: AuthorizationServer, opened: Open, clock: Clock
) -> None:
    held = asyncio.Event()
    server.always(answer({"keys": [FIRST.jwk]}, held=held))
    verifier = opened()
    first, *others = [asyncio.create_task(verifier.verify(_fresh(FIRST, clock))) for _ in range(5)]
    await server.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    held.set()
    assert {caller.user for caller in await asyncio.gather(*others)} == {"alice"}
    assert len(server.requests) == 1


async def test_unusable_keys_are_passed_over(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    weak = rs256("weak", 1024)
    ed = eddsa("ed")
    unusable: list[object] = [
        weak.jwk,
        None,
        "key",
        [],
        {},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "post-quantum"},
        {**FIRST.jwk, "kty": None},
        {**FIRST.jwk, "crv": "P-521"},
        {**FIRST.jwk, "crv": ["P-256"]},
        {**FIRST.jwk, "x": base64url(bytes(32))},
        {**FIRST.jwk, "x": 5},
        {**FIRST.jwk, "x": "é"},
        {**FIRST.jwk, "y": ""},
        {**FIRST.jwk, "kid": ["first"]},
        {"kty": "EC", "crv": "P-256", "kid": "first"},
        {**ed.jwk, "x": "AA", "kid": "short"},
        {**ed.jwk, "crv": "X25519", "kid": "x25519"},
        {**rs256("sha-512").jwk, "alg": "RS512"},
        ecdsa("p521", ec.SECP521R1()).jwk,
        {"kty": "RSA", "e": "AQAB", "kid": "nothing"},
        {"kty": "RSA", "n": 5, "e": "AQAB", "kid": "number"},
        {"kty": "RSA", "n": base64url(b"\xff" * 256), "e": "AA", "kid": "exponent"},
        {"kty": "RSA", "n": base64url(b"\xff" * 2048), "e": "AQAB", "kid": "enormous"},
    ]
    server.always(answer({"keys": [*unusable, FIRST.jwk]}))
    verifier = opened()
    assert await _user(verifier, _fresh(FIRST, clock)) == "alice"
    for signer, kid in ((weak, "weak"), (ed, "x25519"), (ed, "short")):
        with pytest.raises(InvalidToken):
            await verifier.verify(_fresh(signer, clock, kid=kid))
    # It is the only one, so that a token need not even name it.
    assert await _user(verifier, _fresh(FIRST, clock, kid=...)) == "alice"


async def test_private_halves_are_not_even_read(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    server.always(answer({"keys": [{**FIRST.jwk, "d": "not a number"}]}))
    assert await _user(opened(), _fresh(FIRST, clock)) == "alice"


async def test_closing_waits_for_the_fetch_under_way(server: AuthorizationServer) -> None:
    held = asyncio.Event()
    server.always(answer({"keys": [FIRST.jwk]}, held=held))
    client = open_client()
    verifier = JWTVerifier(client, server.url("/jwks"), ISSUER, AUDIENCE)
    now = time.time()
    call = asyncio.create_task(verifier.verify(FIRST.token(claims={"iat": now, "exp": now + 60})))
    await server.asked.wait()
    closing = asyncio.create_task(verifier.close())
    held.set()
    await closing
    assert isinstance(await call, Caller)
    assert client.closed
