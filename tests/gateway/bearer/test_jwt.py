"""Signed tokens: which are accepted, and that none of the known tricks gets in (O19, RFC 8725)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.bearer.jwt import JWTVerifier
from resolvers.caller import READ, WRITE, Caller
from resolvers.errors import InvalidToken
from tests.gateway.bearer.authorization_server import AuthorizationServer, answer
from tests.gateway.bearer.standing_clock import Clock
from tests.gateway.bearer.token_issuer import (
    AUDIENCE,
    CLAIMS,
    ISSUER,
    NOW,
    Signer,
    base64url,
    compact,
    ecdsa,
    eddsa,
    hs256,
    ps256,
    rs256,
    segment,
)
from wire.http.client import Client

BOTH = frozenset({READ, WRITE})
READ_AND_X = frozenset({READ, "x"})
ALICE = Caller(user="alice", client_id="app", scopes=BOTH)
SECRET = b"a shared secret that nobody else knows"

# The issuer's keys, by the algorithm that they are for.
KEYS: dict[str, Signer] = {
    "RS256": rs256("rsa"),
    "PS256": ps256("pss"),
    "ES256": ecdsa("p256"),
    "ES384": ecdsa("p384", ec.SECP384R1()),
    "EdDSA": eddsa("old-name"),
    "Ed25519": eddsa("new-name", "Ed25519"),
}
OURS = KEYS["ES256"]
OCT = {"kty": "oct", "k": base64url(SECRET), "kid": "shared", "alg": "HS256"}
JWKS: list[dict[str, Any]] = [*(key.jwk for key in KEYS.values()), OCT]

Publish = Callable[[list[dict[str, Any]]], JWTVerifier]


@pytest.fixture
def publish(server: AuthorizationServer, client: Client, clock: Clock) -> Publish:
    """A verifier of the issuer that publishes these keys."""

    def publish_these(jwks: list[dict[str, Any]]) -> JWTVerifier:
        server.always(answer({"keys": jwks}))
        url = server.url("/jwks")
        return JWTVerifier(client, url, ISSUER, AUDIENCE, clock=clock, monotonic=clock.monotonic)

    return publish_these


@pytest.fixture
def opened(publish: Publish) -> JWTVerifier:
    return publish(JWKS)


@pytest.mark.parametrize("alg", KEYS)
async def test_each_algorithm(opened: JWTVerifier, alg: str) -> None:
    assert await opened.verify(KEYS[alg].token()) == ALICE


@pytest.mark.parametrize(
    "header",
    [
        {"typ": ...},
        {"typ": "JWT"},
        {"typ": "jwt"},
        {"typ": "AT+JWT"},
        {"typ": "application/at+jwt"},
        {"typ": "application/jwt"},
        {"unheard_of": [1]},
        {"x5c": "nonsense"},
        {"x5u": 5},
    ],
)
async def test_headers_that_do_not_matter(opened: JWTVerifier, header: dict[str, object]) -> None:
    assert await opened.verify(OURS.token(header)) == ALICE


@pytest.mark.parametrize(
    "header",
    [
        {"alg": ...},
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "es256"},
        {"alg": "ES256K"},
        {"alg": ["ES256"]},
        {"alg": None},
        {"crit": ["exp"], "exp": NOW},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"crit": ["alg"]},
        {"crit": []},
        {"crit": None},
        {"crit": 5},
        {"crit": [["exp"]]},
        {"typ": "dpop+jwt"},
        {"typ": "id+jwt"},
        {"typ": ""},
        {"typ": None},
        {"typ": ["JWT"]},
        {"kid": "unheard-of"},
        {"kid": ...},
        {"kid": None},
        {"kid": ""},
        {"kid": 1},
        {"kid": ["p256"]},
    ],
)
async def test_refused_headers(opened: JWTVerifier, header: dict[str, object]) -> None:
    with pytest.raises(InvalidToken):
        await opened.verify(OURS.token(header))


@pytest.mark.parametrize(
    ("claims", "caller"),
    [
        ({"aud": [AUDIENCE]}, ALICE),
        ({"aud": ["https://other.example", AUDIENCE]}, ALICE),
        ({"exp": NOW + 0.5}, ALICE),
        ({"exp": NOW - 9.9}, ALICE),
        ({"exp": 10**400}, ALICE),
        ({"nbf": NOW}, ALICE),
        ({"nbf": NOW + 10}, ALICE),
        ({"iat": ...}, ALICE),
        ({"iat": NOW + 10}, ALICE),
        ({"scope": READ}, Caller("alice", "app", frozenset({READ}))),
        ({"scope": ""}, Caller("alice", "app", frozenset())),
        ({"scope": ...}, Caller("alice", "app", frozenset())),
        ({"scope": ..., "scp": [READ, WRITE]}, ALICE),
        ({"scope": ..., "scp": f"{READ} {WRITE}"}, ALICE),
        ({"scope": ..., "scp": [f"{READ} {WRITE}"]}, Caller("alice", "app", frozenset({f"{READ} {WRITE}"}))),
        ({"scope": READ, "scp": [WRITE]}, Caller("alice", "app", frozenset({READ}))),
        ({"sub": "b" * 255}, Caller("b" * 255, "app", BOTH)),
        ({"sub": "Zoë 日本"}, Caller("Zoë 日本", "app", BOTH)),
        ({"client_id": ...}, Caller("alice", None, BOTH)),
        ({"client_id": ..., "azp": "web"}, Caller("alice", "web", BOTH)),
        ({"azp": "app"}, ALICE),
        (
            {"scope": f"{READ} read:tokens read:audit write:erasure issue:sessions x"},
            Caller("alice", "app", READ_AND_X),
        ),
    ],
)
async def test_accepted_claims(opened: JWTVerifier, claims: dict[str, object], caller: Caller) -> None:
    assert await opened.verify(OURS.token(claims=claims)) == caller


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": ...},
        {"iss": ISSUER + "/"},
        {"iss": ISSUER.upper()},
        {"iss": "https://id.example.evil"},
        {"iss": [ISSUER]},
        {"iss": None},
        {"aud": ...},
        {"aud": AUDIENCE + "/"},
        {"aud": "https://other.example"},
        {"aud": []},
        {"aud": ["https://other.example"]},
        {"aud": [[AUDIENCE]]},
        {"aud": {AUDIENCE: 1}},
        {"aud": None},
        {"exp": ...},
        {"exp": NOW - 10},
        {"exp": 0},
        {"exp": -(10**400)},
        {"exp": str(NOW + 600)},
        {"exp": True},
        {"exp": None},
        {"exp": [NOW + 600]},
        {"nbf": NOW + 10.1},
        {"nbf": 10**400},
        {"nbf": "0"},
        {"nbf": None},
        {"iat": NOW + 10.1},
        {"iat": "now"},
        {"iat": False},
        {"scope": [READ]},
        {"scope": None},
        {"scope": ..., "scp": [READ, 5]},
        {"scope": ..., "scp": {READ: True}},
        {"sub": ""},
        {"sub": None},
        {"sub": 5},
        {"sub": "a\x00b"},
        {"sub": "a\x85b"},
        {"sub": "a\n"},
        {"sub": "b" * 256},
        {"client_id": None},
        {"client_id": ""},
        {"client_id": ["app"]},
        {"azp": None},
        {"azp": ["app"]},
        # Not a service: a missing claim never makes a client one.
        {"sub": ...},
        {"sub": "app"},
        {"sub": "web", "client_id": ..., "azp": "web"},
        {"sub": ..., "client_id": ..., "azp": "web"},
        {"sub": ..., "client_id": ...},
        # Two clients.
        {"azp": "web"},
        {"azp": "alice"},
    ],
)
async def test_refused_claims(opened: JWTVerifier, claims: dict[str, object]) -> None:
    with pytest.raises(InvalidToken):
        await opened.verify(OURS.token(claims=claims))


async def test_no_signature(opened: JWTVerifier) -> None:
    for header in ({"alg": "none"}, {"alg": "none", "kid": "p256"}, {"alg": "ES256", "kid": "p256"}):
        with pytest.raises(InvalidToken):
            await opened.verify(compact(header, CLAIMS, lambda _: b""))


@pytest.mark.parametrize("name", ["RS256", "ES256", "EdDSA"])
async def test_public_key_as_shared_secret(opened: JWTVerifier, name: str) -> None:
    key = KEYS[name]
    published = json.dumps(key.jwk).encode()
    for secret in (key.pem, key.pem.strip(), published, key.jwk.get("n", key.jwk.get("x", "")).encode()):
        for alg in ("HS256", name):
            with pytest.raises(InvalidToken):
                await opened.verify(compact({"alg": alg, "kid": key.jwk["kid"]}, CLAIMS, hs256(secret)))


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES256"])
async def test_symmetric_keys_of_the_set_open_nothing(publish: Publish, alg: str) -> None:
    token = compact({"alg": alg, "kid": "shared"}, CLAIMS, hs256(SECRET))
    for jwks in (JWKS, [OCT], [{**OCT, "alg": "ES256"}]):
        with pytest.raises(InvalidToken):
            await publish(jwks).verify(token)


@pytest.mark.parametrize("alg", KEYS)
@pytest.mark.parametrize("kid", [key.jwk["kid"] for key in KEYS.values()])
async def test_key_fits_algorithm(opened: JWTVerifier, alg: str, kid: str) -> None:
    """A token says one algorithm and key, but is signed as its own algorithm's key would."""
    token = KEYS[alg].token({"kid": kid})
    if kid == KEYS[alg].jwk["kid"]:
        assert await opened.verify(token) == ALICE
        return
    if {alg, kid} <= {"RS256", "PS256", "rsa", "pss"}:
        # One RSA key without `alg` stands under both kids here; RFC 7518 allows both schemes with it.
        assert await opened.verify(token) == ALICE
        return
    with pytest.raises(InvalidToken):
        await opened.verify(token)


@pytest.mark.parametrize(
    "limit",
    [
        {"alg": "PS256"},
        {"alg": "RSA-OAEP"},
        {"alg": "HS256"},
        {"alg": 5},
        {"use": "enc"},
        {"use": ["sig"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
    ],
)
async def test_key_for_something_else(publish: Publish, limit: dict[str, object]) -> None:
    key = KEYS["RS256"]
    with pytest.raises(InvalidToken):
        await publish([{**key.jwk, **limit}]).verify(key.token())


async def test_key_that_the_token_brings_along(opened: JWTVerifier, server: AuthorizationServer) -> None:
    theirs = ecdsa("p256")
    brought = {"jwk": theirs.jwk, "jku": server.url("/theirs"), "x5u": server.url("/x5u")}
    for kid in ("p256", "theirs", ...):
        with pytest.raises(InvalidToken):
            await opened.verify(theirs.token({**brought, "kid": kid}))
    assert await opened.verify(OURS.token(brought)) == ALICE
    assert {request.path for request in server.requests} == {"/jwks"}


async def test_touched_tokens(opened: JWTVerifier) -> None:
    header, claims, signature = OURS.token().split(".")
    zeros = base64url(bytes(64))
    touched = [
        f"{header}.{segment({**CLAIMS, 'sub': 'bob'})}.{signature}",
        f"{segment({'alg': 'ES256', 'kid': 'p256'})}.{claims}.{signature}",
        f"{header}.{claims}.{signature[:-4]}",
        f"{header}.{claims}.{zeros}",
        f"{header}.{claims}.",
        f"{header}..{signature}",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature}.{signature}",
        f"{header}.{claims}.{signature}=",
        f"{header}=.{claims}.{signature}",
        f" {header}.{claims}.{signature}",
        f"{header}.{claims}.{signature}\n",
        f"{claims}.{header}.{signature}",
        "",
        "..",
        "a.b.c",
    ]
    for token in touched:
        with pytest.raises(InvalidToken):
            await opened.verify(token)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (b'{"alg":"none","alg":"ES256","kid":"p256"}', CLAIMS),
        (b'{"alg":"ES256","kid":"p256","kid":"p384"}', CLAIMS),
        (b"[" * 3000, CLAIMS),
        (b'{"alg":"ES256","kid":"p256","x":' + b"[" * 2500 + b"]" * 2500 + b"}", CLAIMS),
        ({"alg": "ES256", "kid": "p256"}, json.dumps(CLAIMS).encode()[:-1] + b',"sub":"bob"}'),
        ({"alg": "ES256", "kid": "p256"}, json.dumps(CLAIMS).encode()[:-1] + b',"\\u0073ub":"bob"}'),
        ({"alg": "ES256", "kid": "p256"}, json.dumps(CLAIMS).encode()[:-1] + b',"scope":"a"}'),
        ({"alg": "ES256", "kid": "p256"}, json.dumps(CLAIMS).encode()[:-1] + b',"nbf":NaN}'),
        (b'{"alg":"ES256","kid":"p256","x":"\\ud800"}', CLAIMS),
        ({"alg": "ES256", "kid": "p256"}, json.dumps(CLAIMS).encode("utf-16")),
        ({"alg": "ES256", "kid": "p256"}, b'{"x":' + b"[" * 2500 + b"]" * 2500 + b"}"),
        ({"alg": "ES256", "kid": "p256"}, [CLAIMS]),
        ({"alg": "ES256", "kid": "p256"}, "alice"),
        ({"alg": "ES256", "kid": "p256"}, b""),
    ],
)
async def test_two_readings_or_none(opened: JWTVerifier, header: object, claims: object) -> None:
    with pytest.raises(InvalidToken):
        await opened.verify(compact(header, claims, OURS.sign))


UNUSED = [
    rb'"name":"\ud800"',
    rb'"name":"a\u0000"',
    b'"name":"\xff"',
    b'"x":NaN',
    b'"x":1,"x":2',
    b'"x":[{"sub":1,"sub":2}]',
]


@pytest.mark.parametrize("member", UNUSED)
async def test_a_claim_that_nobody_uses_may_hold_anything(opened: JWTVerifier, member: bytes) -> None:
    claims = json.dumps(CLAIMS).encode()[:-1] + b"," + member + b"}"
    assert await opened.verify(compact({"alg": "ES256", "kid": "p256"}, claims, OURS.sign)) == ALICE


@pytest.mark.parametrize("sub", ["\ud800", "a\udfffb"])
async def test_a_user_that_no_database_takes(opened: JWTVerifier, sub: str) -> None:
    with pytest.raises(InvalidToken):
        await opened.verify(OURS.token(claims={"sub": sub}))


async def test_kid_may_be_left_out_when_there_is_one_key(publish: Publish) -> None:
    other = ecdsa("other")
    assert await publish([OURS.jwk, OCT]).verify(OURS.token({"kid": ...})) == ALICE
    with pytest.raises(InvalidToken):
        await publish([OURS.jwk]).verify(other.token({"kid": ...}))
    with pytest.raises(InvalidToken):
        await publish([OURS.jwk, other.jwk]).verify(OURS.token({"kid": ...}))


async def test_longest_token(opened: JWTVerifier) -> None:
    spare = 8192 - len(OURS.token(claims={"x": ""}))
    longest = OURS.token(claims={"x": "x" * (spare * 3 // 4)})
    assert 8180 < len(longest) <= 8192
    assert await opened.verify(longest) == ALICE


async def test_good_token_is_remembered_for_30_seconds(opened: JWTVerifier, clock: Clock) -> None:
    token = OURS.token()
    await opened.verify(token)
    clock.wall += 10_000  # only a check would notice
    clock.uptime += 29.9
    assert await opened.verify(token) == ALICE
    clock.uptime += 0.2
    with pytest.raises(InvalidToken):
        await opened.verify(token)


async def test_good_token_is_remembered_until_exp(opened: JWTVerifier, clock: Clock) -> None:
    token = OURS.token(claims={"exp": NOW + 12})
    await opened.verify(token)
    clock.wall += 10_000
    clock.uptime += 11.9
    assert await opened.verify(token) == ALICE
    clock.uptime += 0.2
    with pytest.raises(InvalidToken):
        await opened.verify(token)


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        ({"alg": "HS256"}, {}, "alg is not accepted"),
        ({"crit": ["exp"]}, {}, "crit is not supported"),
        ({"kid": 1}, {}, "kid is malformed"),
        ({"typ": "id+jwt"}, {}, "typ is not that of an access token"),
        ({"kid": "x"}, {}, "kid names none of the issuer's keys"),
        ({"kid": "p384"}, {}, "the signature is not valid"),
        ({}, {"iss": "https://other.example"}, "iss is not TENDON_ISSUER"),
        ({}, {"iss": ISSUER + "/"}, "iss and TENDON_ISSUER differ in the slash at the end"),
        ({}, {"aud": "other"}, "aud does not name TENDON_AUDIENCE"),
        ({}, {"exp": ...}, "exp is missing"),
        ({}, {"exp": NOW - 10}, "expired"),
        ({}, {"nbf": NOW + 11}, "not valid yet"),
        ({}, {"iat": "x"}, "iat is malformed"),
        ({}, {"scope": 5}, "scope is malformed"),
        ({}, {"sub": 5}, "sub is malformed"),
        ({}, {"sub": ...}, "it names no user, and TENDON_SERVICES does not name its client"),
        ({}, {"sub": ..., "client_id": ...}, "it names no user, and TENDON_SERVICES does not name its client"),
    ],
)
async def test_why_a_token_is_rejected(
    opened: JWTVerifier, header: dict[str, object], claims: dict[str, object], reason: str
) -> None:
    """For the log: an operator sees what to correct."""
    with pytest.raises(InvalidToken) as refusal:
        await opened.verify(OURS.token(header, claims))
    assert refusal.value.reason == reason


async def test_what_is_no_object_is_rejected_for_that_reason(opened: JWTVerifier) -> None:
    for token, reason in (
        ("a.b.c", "not a JWT"),
        (compact({"alg": "ES256", "kid": "p256"}, [], OURS.sign), "the claims are not a JSON object"),
    ):
        with pytest.raises(InvalidToken) as refusal:
            await opened.verify(token)
        assert refusal.value.reason == reason
