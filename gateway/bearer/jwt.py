"""Signed access tokens (RFC 9068): checked with the issuer's keys, without asking anybody about the single token.

Importing this imports joserfc, so the gateway does it only when TENDON_AUTH says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import CompactSignature, JWSRegistry, validate_compact

from gateway.bearer.claims import LEEWAY, Claims, caller_of_signed, check_times, is_for, lifetime, refused
from gateway.bearer.compact import Compact, read_claims, read_compact
from gateway.bearer.endpoint import DEADLINE
from gateway.bearer.header import is_token
from gateway.bearer.jwks import ALGORITHMS, Keys, PublicKey
from gateway.bearer.verdicts import LONGEST, Verdict, Verdicts, fingerprint
from gateway.settings.service_clients import NO_SERVICES, ServiceClients
from resolvers.caller import Caller
from resolvers.errors import InvalidToken

_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})


class JWTVerifier:
    """Accepts the access tokens that `issuer` signed for `audience` with a key of its JWK Set at `jwks_url`.

    A good token is cached for at most LONGEST seconds, which saves its signature check. `clock` gives seconds since the
    epoch, `monotonic` those of the caches; `timeout` is for one fetch of the keys. The verifier closes `client`. A
    token whose client is in `services` is a service's and not a user's.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
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
        self._keys = Keys(client, jwks_url, monotonic=monotonic, timeout=timeout)
        self._issuer = issuer
        self._audience = audience
        self._services = services
        self._clock = clock
        self._verdicts = Verdicts(monotonic)

    async def verify(self, token: str) -> Caller:
        if not is_token(token):
            raise InvalidToken
        key = fingerprint(token)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._judge(await self._signed_claims(token))
            self._verdicts.keep(key, verdict)
        return verdict.caller()

    async def close(self) -> None:
        await self._keys.landed()
        await self._client.aclose()

    async def _signed_claims(self, token: str) -> Claims:
        """What the issuer signed. Raises InvalidToken, or ServiceUnavailable when the keys can't be had."""
        compact = read_compact(token)
        if compact is None:
            raise InvalidToken("not a JWT")
        _check_header(compact.header)
        _check_signature(compact, await self._keys.find(compact.header.get("kid")))
        claims = read_claims(compact.segments[1])
        if claims is None:
            raise InvalidToken("the claims are not a JSON object")
        return claims

    def _judge(self, claims: Claims) -> Verdict:
        """RFC 9068 4. Raises InvalidToken; only good tokens are worth remembering."""
        if claims.get("iss") != self._issuer:
            # The claims of another issuer say nothing about our users.
            raise InvalidToken(_other_issuer(claims.get("iss"), self._issuer))
        now = self._clock()
        try:
            self._check(claims, now)
            return Verdict(caller_of_signed(claims, self._services), lifetime(claims, now, LONGEST))
        except InvalidToken as refusal:
            reason = refusal.reason
        raise refused(claims, self._services, reason)

    def _check(self, claims: Claims, now: float) -> None:
        if not is_for(claims.get("aud"), self._audience):
            raise InvalidToken("aud does not name TENDON_AUDIENCE")
        if "exp" not in claims:
            raise InvalidToken("exp is missing")
        check_times(claims, now, after_exp=LEEWAY)


def _other_issuer(iss: object, issuer: str) -> str:
    """The reason for the log: a missing or extra trailing slash in TENDON_ISSUER is easily overlooked."""
    if isinstance(iss, str) and iss.rstrip("/") == issuer.rstrip("/"):
        return "iss and TENDON_ISSUER differ in the slash at the end"
    return "iss is not TENDON_ISSUER"


def _check_header(header: dict[str, Any]) -> None:
    """RFC 8725 3.1, RFC 9068 2.1. Keys that the token brings along (`jwk`, `jku`, `x5u`, `x5c`) are not looked at."""
    if header["alg"] not in ALGORITHMS:
        raise InvalidToken("alg is not accepted")
    if "crit" in header:
        # No extension is understood here, so whatever it names (RFC 7515 4.1.11), the token is not.
        raise InvalidToken("crit is not supported")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidToken("kid is malformed")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidToken("typ is not that of an access token")


class _Registry(JWSRegistry):
    """joserfc's algorithms without its warning about EdDSA: issuers still say so for what RFC 9864 calls Ed25519."""

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name]


_registry = _Registry(algorithms=ALGORITHMS)


def _check_signature(compact: Compact, key: PublicKey) -> None:
    """Raises InvalidToken unless `key` fits the header's `alg` and made the signature (RFC 7515 5.2)."""
    header, payload, signature = (segment.encode("ascii") for segment in compact.segments)
    jws = CompactSignature({"alg": compact.header["alg"]}, b"")
    jws.segments.update(header=header, payload=payload, signature=signature)
    try:
        good = validate_compact(jws, key, registry=_registry)
    except JoseError:
        good = False
    if not good:
        # Outside the except, so that no error carries the token's parts along.
        raise InvalidToken("the signature is not valid")
