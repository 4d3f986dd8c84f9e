"""Private keys: which files have one that Tendon can sign with, and what it signs."""

from __future__ import annotations

import base64
import json
import time
import traceback
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey, import_key

from providers.client_keys import UnfitKey, _from_native, new_key, read_client_key
from tests.client_keys import as_pem, ec_key, key_of_primes, rsa_key

RSA = rsa_key()
JWK: dict[str, Any] = dict(RSAKey.import_key(as_pem(RSA)).as_dict(private=True))
EC_JWK: dict[str, Any] = dict(ECKey.import_key(as_pem(ec_key(ec.SECP384R1))).as_dict(private=True))
ALL_OF_RSA = ("RS256", "RS384", "RS512")
NO_KEY = "has no private key: write one in PEM (PKCS#8) or as a JWK"
ONLY_PUBLIC = "has only a public key: name the file with the private key"
OTHER_KIND = "has a key of another kind: it must be RSA, or EC with the curve P-256 or P-384"
NOT_TO_SIGN = "has a key that is not for signatures: see its `use` or `key_ops`"


def jwk(key: dict[str, Any] = JWK, **changes: object) -> bytes:
    members = {name: value for name, value in {**key, **changes}.items() if value is not None}
    return json.dumps(members).encode()


def weak_jwk() -> bytes:
    with warnings.catch_warnings(action="ignore"):
        return jwk(dict(RSAKey.import_key(as_pem(key_of_primes(521, 1279))).as_dict(private=True)))


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "algorithms"),
    [
        (as_pem(RSA), ALL_OF_RSA),
        (b"\n" + as_pem(RSA) + b"\n", ALL_OF_RSA),
        (as_pem(ec_key()), ("ES256",)),
        (as_pem(ec_key(ec.SECP384R1)), ("ES384",)),
        (jwk(), ALL_OF_RSA),
        (b"  " + jwk(use="sig", key_ops=["sign"], kid="another", alg="RS384"), ("RS384",)),
        (jwk(EC_JWK), ("ES384",)),
        (jwk(p=None, q=None, dp=None, dq=None, qi=None), ALL_OF_RSA),
    ],
)
def test_a_private_key(content: bytes, algorithms: tuple[str, ...]) -> None:
    assert read_client_key(content).algorithms == algorithms


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", NO_KEY),
        (b"CANARY", NO_KEY),
        (bytes(range(256)), NO_KEY),
        (b"{", NO_KEY),
        (b'{"kty": "RSA", "kty": "RSA", "d": "AQAB"}', NO_KEY),
        (jwk(kty=None), NO_KEY),
        (jwk(d="AQAB"), NO_KEY),
        (jwk(d=7), NO_KEY),
        (jwk(n=None), NO_KEY),
        (jwk(EC_JWK, x="AAAA"), NO_KEY),
        (jwk(kty="oct"), OTHER_KIND),
        (jwk(kty=["RSA"]), OTHER_KIND),
        (as_pem(ed25519.Ed25519PrivateKey.generate()), OTHER_KIND),
        (as_pem(ec_key(ec.SECP521R1)), OTHER_KIND),
        (as_pem(ec_key(ec.SECP256K1)), OTHER_KIND),
        (as_pem(key_of_primes(521, 607)), "has a key of 1128 bits: it must have 2048 to 4096"),
        (weak_jwk(), "has a key of 1800 bits: it must have 2048 to 4096"),
        (public_pem(RSA), ONLY_PUBLIC),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ONLY_PUBLIC),
        (jwk(d=None), ONLY_PUBLIC),
        (
            RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"CANARY")),
            "is encrypted: decrypt it, since Tendon knows no password",
        ),
        (jwk(keys=[]), "is a JWK Set: write each private key into a file of its own"),
        (jwk(use="enc"), NOT_TO_SIGN),
        (jwk(key_ops=["verify"]), NOT_TO_SIGN),
        (jwk(key_ops="sign"), NOT_TO_SIGN),
        (jwk(alg="PS256"), "has a key for another algorithm: see its `alg`"),
        (jwk(alg="ES256"), "has a key for another algorithm: see its `alg`"),
    ],
)
def test_what_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(UnfitKey) as raised:
        read_client_key(content)
    assert str(raised.value) == problem
    shown = "".join(traceback.format_exception(raised.value))
    assert "CANARY" not in shown
    assert JWK["d"] not in shown


def test_a_key_with_which_signing_would_take_long() -> None:
    """It is not read from a file, because that takes long, too."""
    with pytest.raises(UnfitKey, match="has a key of 4484 bits: it must have 2048 to 4096"):
        _from_native(key_of_primes(2203, 2281))


@pytest.mark.parametrize("content", [as_pem(RSA), jwk(kid="another")])
def test_only_the_public_part_is_published(content: bytes) -> None:
    """Under a name that depends on nothing but the key."""
    key = read_client_key(content)
    assert key.public == {
        "kty": "RSA",
        "n": JWK["n"],
        "e": JWK["e"],
        "kid": RSAKey.import_key(as_pem(RSA)).thumbprint(),
        "use": "sig",
    }
    assert repr(key) == f"ClientKey(kid={key.kid!r})"


def test_a_key_with_one_algorithm_is_published_with_it() -> None:
    public = read_client_key(jwk(EC_JWK)).public
    assert public.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (public["alg"], public["x"]) == ("ES384", EC_JWK["x"])
    assert read_client_key(jwk(alg="RS512")).public["alg"] == "RS512"


@pytest.mark.parametrize("algorithm", [*ALL_OF_RSA, "ES256", "ES384"])
def test_an_assertion(algorithm: Any) -> None:
    key = new_key(algorithm)
    assert algorithm in key.algorithms
    before = int(time.time())
    text = key.assertion(algorithm, "client", "https://acme.example/token")
    assert jws.extract_compact(text.encode()).headers() == {"typ": "JWT", "alg": algorithm, "kid": key.kid}
    claims = jwt.decode(text, import_key(dict(key.public)), algorithms=[algorithm]).claims
    issued, jti = claims.pop("iat"), claims.pop("jti")
    assert before <= issued <= time.time()
    assert claims == {
        "iss": "client",
        "sub": "client",
        "aud": "https://acme.example/token",
        "exp": issued + 300,
    }
    assert len(base64.urlsafe_b64decode(jti)) >= 16


def test_each_assertion_has_an_id_of_its_own() -> None:
    key = new_key("ES256")
    ids = [jwt.decode(text, import_key(dict(key.public))).claims["jti"] for text in (sign(key), sign(key))]
    assert len(set(ids)) == 2


def sign(key: Any) -> str:
    return key.assertion("ES256", "client", "https://acme.example/token")
