"""Verifies signed access tokens (RFC 9068) with the issuer's keys, without a request for each token.

This module imports joserfc, so it is imported only where TENDON_AUTH requires it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import CompactSignature, JWSRegistry, validate_compact

from gateway.bearer.endpoint import DEADLINE
from gateway.bearer.jwks import ALGORITHMS, PublicKey, SigningKeys
from gateway.bearer.jws import UnverifiedJWS, read_jws
from gateway.bearer.token_claims import (
    LEEWAY,
    Claims,
    caller_from_jwt,
    check_times,
    lifetime,
    names_audience,
    rejection,
)
from gateway.bearer.verdicts import MAX_CACHED, Verdict, VerdictCache
from gateway.settings.service_clients import NO_SERVICES, ServiceClients
from resolvers.caller import Caller
from resolvers.errors import InvalidToken
from wire.http.client import Client

_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})


class JWTVerifier:
    """Accepts the access tokens that `issuer` signed for `audience` with a key of its JWK Set at `jwks_url`.

    Valid tokens are cached for at most MAX_CACHED seconds, so that their signatures are not checked again. A token
    whose client is in `services` belongs to a service, not to a user. The verifier closes `client`. `timeout` is for
    one fetch of the keys; `clock` returns seconds since the epoch, `monotonic` the time for the caches, in seconds.
    """

    def __init__(
        self,
        client: Client,
        jwks_url: str,
        issuer: str,
        audience: str,
        *,
        services: ServiceClients = NO_SERVICES,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: float = DEADLINE,
    ) -> None:
        self._client = client
        self._keys = SigningKeys(client, jwks_url, monotonic=monotonic, timeout=timeout)
        self._issuer = issuer
        self._audience = audience
        self._services = services
        self._clock = clock
        self._verdicts = VerdictCache(monotonic)

    async def verify(self, token: str) -> Caller:
        verdict = self._verdicts.get(token)
        if verdict is None:
            verdict = self._judge(await self._signed_claims(token))
            self._verdicts.put(token, verdict)
        return verdict.caller()

    async def close(self) -> None:
        await self._keys.drain()
        await self._client.aclose()

    async def _signed_claims(self, token: str) -> Claims:
        """The claims, after the signature is verified. Raises InvalidToken, and ServiceUnavailable when no keys are
        available."""
        jws = read_jws(token)
        if jws is None:
            raise InvalidToken("not a JWT")
        _check_header(jws.header)
        _check_signature(jws, await self._keys.find(jws.header.get("kid")))
        claims = jws.claims()
        if claims is None:
            raise InvalidToken("the claims are not a JSON object")
        return claims

    def _judge(self, claims: Claims) -> Verdict:
        """The verdict on valid claims (RFC 9068 4). Raises InvalidToken for others, because only valid tokens
        are cached."""
        if claims.get("iss") != self._issuer:
            # Another issuer's `sub` is not one of our users, so the rejection names none.
            raise InvalidToken(_other_issuer(claims.get("iss"), self._issuer))
        now = self._clock()
        try:
            self._check(claims, now)
            return Verdict(caller_from_jwt(claims, self._services), lifetime(claims, now, MAX_CACHED))
        except InvalidToken as refusal:
            reason = refusal.reason
        raise rejection(claims, self._services, reason)

    def _check(self, claims: Claims, now: float) -> None:
        if not names_audience(claims.get("aud"), self._audience):
            raise InvalidToken("aud does not name TENDON_AUDIENCE")
        if "exp" not in claims:
            raise InvalidToken("exp is missing")
        check_times(claims, now, after_exp=LEEWAY)


def _other_issuer(iss: object, issuer: str) -> str:
    """The reason for the log. A missing or extra slash at the end of TENDON_ISSUER is easily overlooked."""
    if isinstance(iss, str) and iss.rstrip("/") == issuer.rstrip("/"):
        return "iss and TENDON_ISSUER differ in the slash at the end"
    return "iss is not TENDON_ISSUER"


def _check_header(header: dict[str, Any]) -> None:
    """Raises InvalidToken (RFC 8725 3.1, RFC 9068 2.1). Keys in the token (`jwk`, `jku`, `x5u`, `x5c`) are ignored."""
    if header["alg"] not in ALGORITHMS:
        raise InvalidToken("alg is not accepted")
    if "crit" in header:
        # It lists extensions that must be supported (RFC 7515 4.1.11), and Tendon supports none.
        raise InvalidToken("crit is not supported")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidToken("kid is malformed")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidToken("typ is not that of an access token")


class _Registry(JWSRegistry):
    """joserfc's algorithms without its deprecation warning for EdDSA, the name that issuers still use for Ed25519."""

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name]


_registry = _Registry(algorithms=ALGORITHMS)


def _check_signature(jws: UnverifiedJWS, key: PublicKey) -> None:
    """Raises InvalidToken unless `key` fits the header's `alg` and made the signature (RFC 7515 5.2)."""
    header, payload, signature = (segment.encode("ascii") for segment in jws.segments)
    signed = CompactSignature({"alg": jws.header["alg"]}, b"")
    signed.segments.update(header=header, payload=payload, signature=signature)
    try:
        good = validate_compact(signed, key, registry=_registry)
    except JoseError:
        good = False
    if not good:
        # Outside the except block, so that joserfc's error, which holds parts of the token, is not attached.
        raise InvalidToken("the signature is not valid")
