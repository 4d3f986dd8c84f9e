"""The issuer's published keys (RFC 7517): fetched when first needed, when they are old, and for an unknown `kid`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, cast

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.bearer.endpoint import DEADLINE, Endpoint, NoAnswerError
from gateway.bearer.jws import decode
from resolvers.errors import InvalidToken, ServiceUnavailable
from resolvers.single_flight import SingleFlight
from wire.http.client import Client, request
from wire.waiting import waiting

# The asymmetric algorithms that issuers sign access tokens with (RFC 7518 3.1, RFC 8037, RFC 9864).
ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"})
RSA_BITS = range(2048, 8192 + 1)

MAX_ANSWER = 256 * 1024
FRESH = 600.0  # seconds for which fetched keys are used without fetching them again
STALE = 3600.0  # seconds after which they are not used any more, even if the endpoint fails
PAUSE = 10.0  # seconds between two fetches while there are usable keys, however many unknown kids arrive
PAUSE_WITHOUT_KEYS = 1.0  # the same without usable keys, when every token has to wait for the endpoint
# Maximum number of verifications that wait for the keys at the same time, of the 250 requests that a process admits.
# When a process starts, many requests need the keys at once.
WAITING = 125
RETRY_AFTER = 2  # seconds, when too many wait for the keys

PublicKey = RSAKey | ECKey | OKPKey

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tendon")


class SigningKeys:
    """The issuer's JWK Set at `url`. A fetch may take `timeout` seconds. `monotonic` returns the time in seconds."""

    def __init__(
        self,
        client: Client,
        url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: float = DEADLINE,
    ) -> None:
        self._url = url
        self._monotonic = monotonic
        self._endpoint = Endpoint(client, limit=MAX_ANSWER, seconds=timeout)
        self._calls = SingleFlight[None](WAITING)
        self._keys: list[PublicKey] = []
        self._fetched = -math.inf
        self._not_before = -math.inf
        self._failed = False

    async def find(self, kid: str | None) -> PublicKey:
        """The key named `kid`; without one, the only key there is.

        Raises InvalidToken when the issuer has no such key, ServiceUnavailable when the keys can't be fetched now.
        """
        refreshed = (self._age() < FRESH and self._pick(kid) is not None) or await self._refresh()
        key = self._pick(kid) if self._age() < STALE else None
        if key is not None:
            return key
        if not refreshed:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        if self._failed:
            # The issuer may have published this key meanwhile, so the token is not known to be invalid.
            raise ServiceUnavailable(retry_after=math.ceil(self._pause()))
        raise InvalidToken("kid is missing" if kid is None else "kid names none of the issuer's keys")

    async def drain(self) -> None:
        """Wait for a fetch in progress."""
        await self._calls.drain()

    def _age(self) -> float:
        return self._monotonic() - self._fetched

    def _pause(self) -> float:
        return PAUSE if self._age() < STALE else PAUSE_WITHOUT_KEYS

    def _pick(self, kid: str | None) -> PublicKey | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == kid), None)

    async def _refresh(self) -> bool:
        """Fetch the keys, or wait for the fetch in progress, unless the last fetch ended only just now. False when too
        many verifications wait already."""
        if self._monotonic() < self._not_before:
            return True
        if self._calls.is_full(self._url):
            return False
        with waiting():
            await self._calls.join(self._url, self._fetch)
        return True

    async def _fetch(self) -> None:
        try:
            self._keys = read_keys(await self._endpoint.ask(request("GET", self._url)))
            self._fetched = self._monotonic()
            self._failed = False
        except NoAnswerError as failure:
            self._failed = True
            _log.warning("bearer.jwks_failed", reason=failure.reason)
        self._not_before = self._monotonic() + self._pause()


def read_keys(answer: dict[str, object]) -> list[PublicKey]:
    """The keys of a JWK Set (RFC 7517 5) for one of ALGORITHMS. Others are ignored, as the RFC recommends.

    Raises NoAnswerError when `answer` is not a JWK Set.
    """
    members = answer.get("keys")
    if not isinstance(members, list):
        raise NoAnswerError("no keys")
    jwks = [cast("dict[str, Any]", jwk) for jwk in cast("list[object]", members) if isinstance(jwk, dict)]
    return [key for jwk in jwks if (key := _read_key(jwk)) is not None]


def _read_key(jwk: dict[str, Any]) -> PublicKey | None:
    if not _is_for_signatures(jwk):
        return None
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "RSA", _ if int.from_bytes(decode(jwk["n"]), "big").bit_length() in RSA_BITS:
                return RSAKey.import_key(_members(jwk, "n", "e"))
            case "EC", "P-256" | "P-384":
                return ECKey.import_key(_members(jwk, "crv", "x", "y"))
            case "OKP", "Ed25519":
                return OKPKey.import_key(_members(jwk, "crv", "x"))
            case _:
                return None
    except (JoseError, KeyError, TypeError, UnsupportedAlgorithm, ValueError):
        return None


def _is_for_signatures(jwk: dict[str, Any]) -> bool:
    """Whether the optional `use`, `key_ops` and `alg` (RFC 7517 4.2 to 4.4) allow it to verify tokens."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in cast("list[object]", operations)
        and ("alg" not in jwk or (isinstance(jwk["alg"], str) and jwk["alg"] in ALGORITHMS))
    )


def _members(jwk: dict[str, Any], *names: str) -> dict[str, Any]:
    """Only the public members, so that this process never holds a private key that was published by mistake."""
    return {name: jwk[name] for name in ("kty", "kid", "alg", *names) if name in jwk}
