"""An issuer of signed tokens, written with the bare primitives so that it can also make the ones no library would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000.0
ISSUER = "https://id.example"
AUDIENCE = "https://tendon.example"
CLAIMS: dict[str, object] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "alice",
    "client_id": "app",
    "scope": "read:wearables write:wearables",
    "iat": NOW,
    "exp": NOW + 600,
}

Sign = Callable[[bytes], bytes]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def segment(value: object) -> str:
    """A value as JSON in base64url; bytes go in as they are."""
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def compact(header: object, claims: object, sign: Sign) -> str:
    signed = f"{segment(header)}.{segment(claims)}"
    return f"{signed}.{base64url(sign(signed.encode('ascii')))}"


def hs256(secret: bytes) -> Sign:
    return lambda signed: hmac.digest(secret, signed, hashlib.sha256)


@dataclass(frozen=True)
class Signer:
    """A key pair of the issuer: `jwk` is the published half, `sign` uses the other."""

    alg: str
    jwk: dict[str, Any]
    pem: bytes
    sign: Sign

    def token(self, header: Mapping[str, object] | None = None, claims: Mapping[str, object] | None = None) -> str:
        """A token with the given members changed or added; a member that is `...` is left out."""
        whole = _changed({"alg": self.alg, "kid": self.jwk["kid"], "typ": "at+jwt"}, header)
        return compact(whole, _changed(CLAIMS, claims), self.sign)


def _changed(base: dict[str, object], changes: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in {**base, **(changes or {})}.items() if value is not ...}


def ecdsa(kid: str, curve: ec.EllipticCurve | None = None) -> Signer:
    """ES256 with P-256, or ES384 with P-384; other curves only to be refused."""
    curve = curve or ec.SECP256R1()
    key = ec.generate_private_key(curve)
    size = (curve.key_size + 7) // 8
    algorithm = ec.ECDSA(hashes.SHA256() if size == 32 else hashes.SHA384())

    def sign(signed: bytes) -> bytes:
        return b"".join(part.to_bytes(size) for part in decode_dss_signature(key.sign(signed, algorithm)))

    numbers = key.public_key().public_numbers()
    x, y = (base64url(part.to_bytes(size)) for part in (numbers.x, numbers.y))
    jwk = {"kty": "EC", "crv": f"P-{curve.key_size}", "x": x, "y": y, "kid": kid, "use": "sig"}
    return Signer(f"ES{curve.key_size}", jwk, _pem(key.public_key()), sign)


def eddsa(kid: str, alg: str = "EdDSA") -> Signer:
    key = ed25519.Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().public_bytes_raw()), "kid": kid}
    return Signer(alg, jwk, _pem(key.public_key()), key.sign)


def rs256(kid: str, bits: int = 2048) -> Signer:
    key = _rsa(bits)
    return Signer("RS256", _rsa_jwk(key, kid), _pem(key.public_key()), _rsa_sign(key, padding.PKCS1v15()))


def ps256(kid: str) -> Signer:
    key = _rsa(2048)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return Signer("PS256", _rsa_jwk(key, kid), _pem(key.public_key()), _rsa_sign(key, scheme))


@cache
def _rsa(bits: int) -> rsa.RSAPrivateKey:
    """Slow to make, so there is one of each size."""
    return rsa.generate_private_key(65537, bits)


def _rsa_sign(key: rsa.RSAPrivateKey, scheme: padding.AsymmetricPadding) -> Sign:
    return lambda signed: key.sign(signed, scheme, hashes.SHA256())


def _rsa_jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    n, e = numbers.n.to_bytes(key.key_size // 8), numbers.e.to_bytes(3)
    return {"kty": "RSA", "n": base64url(n), "e": base64url(e), "kid": kid, "use": "sig"}


def _pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
