"""Opaque tokens: the authorization server is asked about each (RFC 7662), and its answer believed for a short while."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import httpx
import structlog

from gateway.bearer.claims import Claims, are_readable, caller_of_opaque, check_times, is_for, lifetime, refused
from gateway.bearer.endpoint import DEADLINE, Endpoint, NoAnswerError
from gateway.bearer.header import is_token
from gateway.bearer.verdicts import LONGEST, Verdict, Verdicts, fingerprint
from gateway.settings.service_clients import NO_SERVICES, ServiceClients
from resolvers.caller import Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from resolvers.single_flight import SingleFlight

MAX_ANSWER = 64 * 1024
REFUSED_FOR = 5.0  # seconds that a refused token stays refused without asking again
RETRY_AFTER = 2  # seconds
WAITING = 64  # verifications that wait for an answer at once, out of the 250 requests that a process admits

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tendon")


class IntrospectionVerifier:
    """Asks the introspection endpoint at `url` as the client `client_id`.

    Concurrent verifications of one token share one call. At most WAITING verifications wait at once; further ones fail
    at once, unless the answer is cached. A failure (no answer within `timeout` seconds, any status but 200, our own
    credentials refused, an unreadable answer) is ServiceUnavailable and never cached. `clock` gives seconds since the
    epoch, `monotonic` those of the cache. The verifier closes `client`. With `audience`, a token that is only for
    others is refused. Tokens of `services` are refused, since services use signed ones.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        audience: str | None = None,
        services: ServiceClients = NO_SERVICES,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: float = DEADLINE,
    ) -> None:
        self._client = client
        self._url = httpx.URL(url)
        self._authorization = _basic(client_id, client_secret)
        self._audience = audience
        self._services = services
        self._clock = clock
        self._endpoint = Endpoint(client, limit=MAX_ANSWER, seconds=timeout)
        self._monotonic = monotonic
        self._logged_at = -math.inf
        self._verdicts = Verdicts(monotonic)
        self._calls = SingleFlight[Verdict | None](WAITING)

    async def verify(self, token: str) -> Caller:
        if not is_token(token):
            raise InvalidToken
        key = fingerprint(token)
        verdict = self._verdicts.get(key) or await self._ask(key, token)
        if verdict is None:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        return verdict.caller()

    async def close(self) -> None:
        await self._calls.drain()
        await self._client.aclose()

    async def _ask(self, key: bytes, token: str) -> Verdict | None:
        """As `_find_out`, together with others who ask about the same token. None at once when too many wait."""
        if self._calls.is_full(key):
            self._log_rejection()
            return None
        return await self._calls.join(key, partial(self._find_out, key, token))

    def _log_rejection(self) -> None:
        """Once a second, since strangers decide how many there are."""
        now = self._monotonic()
        if now >= self._logged_at + 1:
            self._logged_at = now
            _log.warning("bearer.introspection_failed", reason="too many waiting")

    async def _find_out(self, key: bytes, token: str) -> Verdict | None:
        """The verdict on the token, now remembered; None when the endpoint gave no usable answer."""
        try:
            verdict = self._judge(await self._introspect(token))
        except NoAnswerError as failure:
            _log.warning("bearer.introspection_failed", reason=failure.reason)
            return None
        self._verdicts.keep(key, verdict)
        return verdict

    async def _introspect(self, token: str) -> Claims:
        """RFC 7662 2.1. Nothing of the answer but `active` is known to be well-formed. Raises NoAnswerError."""
        request = self._client.build_request(
            "POST",
            self._url,
            data={"token": token, "token_type_hint": "access_token"},
            headers={"Authorization": self._authorization},
        )
        answer = await self._endpoint.ask(request)
        if not isinstance(answer.get("active"), bool):
            raise NoAnswerError("active is not true or false")
        if not are_readable(answer):
            raise NoAnswerError("a member is malformed")
        return answer

    def _judge(self, answer: Claims) -> Verdict:
        if answer["active"] is not True:
            # No other member of an inactive answer is verified (RFC 7662 2.2).
            return Verdict(InvalidToken("the authorization server says that it is not active"), REFUSED_FOR)
        now = self._clock()
        try:
            self._check(answer, now)
            return Verdict(caller_of_opaque(answer, self._services), lifetime(answer, now, LONGEST))
        except InvalidToken as refusal:
            return Verdict(refused(answer, self._services, refusal.reason), REFUSED_FOR)

    def _check(self, answer: Claims, now: float) -> None:
        token_type = answer.get("token_type", "Bearer")
        if not isinstance(token_type, str) or token_type.lower() != "bearer":
            raise InvalidToken("token_type is not Bearer")
        if self._audience is not None and "aud" in answer and not is_for(answer["aud"], self._audience):
            raise InvalidToken("aud does not name TENDON_AUDIENCE")
        # The server's clock decides on `active`; by ours a token may look too new, but never too old.
        check_times(answer, now, after_exp=0)


def _basic(client_id: str, client_secret: str) -> str:
    """HTTP Basic as OAuth has it: both parts form-encoded first (RFC 6749 2.3.1), a space as `%20`, which all read."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
