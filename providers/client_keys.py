"""Tendon's own private keys, by which it authenticates at providers with signed assertions (RFC 7523 2.2, OpenID
Connect Core 9).

This module imports joserfc, so it is imported only where there are such keys.
"""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from providers.entry.token import AssertionAlgorithm
from wire import strict_json

LIFETIME: Final = 300
"""Seconds for which an assertion is valid."""

_RSA: Final[tuple[AssertionAlgorithm, ...]] = ("RS256", "RS384", "RS512")
_CURVES: Final[dict[str, AssertionAlgorithm]] = {"secp256r1": "ES256", "secp384r1": "ES384"}
# Signing with more bits takes many milliseconds, during which the process does nothing else.
_LEAST_BITS: Final = 2048
_MOST_BITS: Final = 4096
_RANDOM_BYTES: Final = 24


class UnfitKey(ValueError):
    """A file without a key that Tendon can sign with. The message says why, and quotes nothing of it."""


class ClientKey(msgspec.Struct, frozen=True):
    """A private key. `kid` is its thumbprint (RFC 7638), and `public` its public part as a JWK."""

    private: RSAKey | ECKey
    algorithms: tuple[AssertionAlgorithm, ...]
    kid: str
    public: dict[str, str]

    def __repr__(self) -> str:
        return f"ClientKey(kid={self.kid!r})"

    def assertion(self, algorithm: AssertionAlgorithm, client_id: str, audience: str) -> str:
        """A new assertion of the client for `audience`, which may be used once.

        It is signed in the caller's thread: the 0.3 ms of an RSA key of 2048 bits are less than a thread would save.
        """
        now = int(time.time())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(_RANDOM_BYTES),
            "iat": now,
            "exp": now + LIFETIME,
        }
        return jwt.encode({"alg": algorithm, "kid": self.kid}, claims, self.private, algorithms=[algorithm])


def new_key(algorithm: AssertionAlgorithm) -> ClientKey:
    """A key of the right kind, for a provider that is only imitated."""
    curves: dict[str, Callable[[], ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}
    curve = curves.get(algorithm)
    return _from_native(
        rsa.generate_private_key(65537, _LEAST_BITS) if curve is None else ec.generate_private_key(curve())
    )


def read_client_key(content: bytes) -> ClientKey:
    """The key in a file, which is PEM without a password, or a JWK. Raises UnfitKey."""
    if content.lstrip().startswith(b"{"):
        return _from_jwk(content)
    try:
        native = load_pem_private_key(content, None)
    except TypeError:
        raise UnfitKey("is encrypted: decrypt it, since Tendon knows no password") from None
    except (UnsupportedAlgorithm, ValueError):
        is_public = _is_public(content)
    else:
        return _from_native(native)
    raise UnfitKey("has only a public key: name the file with the private key" if is_public else _NO_KEY)


_NO_KEY: Final = "has no private key: write one in PEM (PKCS#8) or as a JWK"
_OTHER_KIND: Final = "has a key of another kind: it must be RSA, or EC with the curve P-256 or P-384"


def _is_public(content: bytes) -> bool:
    try:
        load_pem_public_key(content)
    except (UnsupportedAlgorithm, ValueError):
        return b"BEGIN CERTIFICATE" in content
    return True


def _from_jwk(content: bytes) -> ClientKey:
    try:
        jwk = cast("dict[str, Any]", strict_json.read(content))
    except strict_json.MalformedJSON:
        raise UnfitKey(_NO_KEY) from None
    if "keys" in jwk:
        raise UnfitKey("is a JWK Set: write each private key into a file of its own")
    kinds = {"RSA": RSAKey, "EC": ECKey}
    kind = kinds.get(str(jwk.get("kty")))
    if kind is None:
        raise UnfitKey(_OTHER_KIND if "kty" in jwk else _NO_KEY)
    if "d" not in jwk:
        raise UnfitKey("has only a public key: name the file with the private key")
    operations = jwk.get("key_ops", ["sign"])
    if jwk.get("use", "sig") != "sig" or not (isinstance(operations, list) and "sign" in operations):
        raise UnfitKey("has a key that is not for signatures: see its `use` or `key_ops`")
    members = ("kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi")
    try:
        # joserfc warns of a weak key, which is refused below.
        with warnings.catch_warnings(action="ignore"):
            key = kind.import_key({name: value for name, value in jwk.items() if name in members})  # pyright: ignore[reportArgumentType] - checked by joserfc
        native = key.private_key
    except (JoseError, KeyError, TypeError, UnsupportedAlgorithm, ValueError):
        native = None
    if native is None:
        # Outside the except block, so that an error that holds parts of the key is not attached.
        raise UnfitKey(_NO_KEY)
    return _from_native(native, jwk.get("alg"))


def _from_native(native: object, only: object = None) -> ClientKey:
    """`only` is the algorithm that the key is meant for. Raises UnfitKey."""
    if isinstance(native, rsa.RSAPrivateKey):
        if not _LEAST_BITS <= native.key_size <= _MOST_BITS:
            raise UnfitKey(f"has a key of {native.key_size} bits: it must have {_LEAST_BITS} to {_MOST_BITS}")
        kind: type[RSAKey | ECKey] = RSAKey
        algorithms: tuple[AssertionAlgorithm, ...] = _RSA
    elif isinstance(native, ec.EllipticCurvePrivateKey) and native.curve.name in _CURVES:
        kind, algorithms = ECKey, (_CURVES[native.curve.name],)
    else:
        raise UnfitKey(_OTHER_KIND)
    if only is not None:
        algorithms = tuple(algorithm for algorithm in algorithms if algorithm == only)
        if not algorithms:
            raise UnfitKey("has a key for another algorithm: see its `alg`")
    private = kind.import_key(native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    kid = private.thumbprint()
    public: dict[str, Any] = {**private.as_dict(private=False), "kid": kid, "use": "sig"}
    if len(algorithms) == 1:
        public["alg"] = algorithms[0]
    return ClientKey(private, algorithms, kid, public)
