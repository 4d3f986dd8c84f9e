"""Verifies opaque tokens by introspection (RFC 7662), and caches the results for a short time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import structlog

from gateway.bearer.endpoint import DEADLINE, Endpoint, NoAnswerError
from gateway.bearer.token_claims import (
    Claims,
    are_readable,
    caller_from_introspection,
    check_times,
    lifetime,
    names_audience,
    rejection,
)
from gateway.bearer.verdicts import MAX_CACHED, Verdict, VerdictCache
from gateway.settings.service_clients import NO_SERVICES, ServiceClients
from resolvers.caller import Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from resolvers.single_flight import SingleFlight
from wire.http.client import Client, basic_credentials, request
from wire.waiting import waiting

MAX_ANSWER = 64 * 1024
REJECTION_CACHED = 5.0  # seconds for which the rejection of a token is cached
RETRY_AFTER = 2  # seconds
# Maximum number of verifications that wait for an answer at the same time, of the 250 requests that a process admits.
WAITING = 64

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tendon")


class IntrospectionVerifier:
    """Sends tokens to the introspection endpoint at `url`, as the client `client_id`.

    Concurrent verifications of one token share one call. At most WAITING verifications wait at the same time; further
    ones fail at once, unless the verdict is cached. A failure (no answer within `timeout` seconds, a status other than
    200, such as for wrong client credentials, or an unreadable answer) is ServiceUnavailable and never cached.

    With `audience`, tokens for other audiences are rejected. Tokens of `services` are rejected, since services use
    signed ones. The verifier closes `client`. `clock` returns seconds since the epoch, `monotonic` the time for the
    cache, in seconds.
    """

    def __init__(
        self,
        client: Client,
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
        self._url = url
        self._authorization = basic_credentials(client_id, client_secret)
        self._audience = audience
        self._services = services
        self._clock = clock
        self._endpoint = Endpoint(client, limit=MAX_ANSWER, seconds=timeout)
        self._monotonic = monotonic
        self._logged_at = -math.inf
        self._verdicts = VerdictCache(monotonic)
        self._calls = SingleFlight[Verdict | None](WAITING)

    async def verify(self, token: str) -> Caller:
        verdict = self._verdicts.get(token) or await self._shared_call(token)
        if verdict is None:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        return verdict.caller()

    async def close(self) -> None:
        await self._calls.drain()
        await self._client.aclose()

    async def _shared_call(self, token: str) -> Verdict | None:
        """The verdict on the token, from one call that all concurrent verifications of this token share. None when
        there is no usable answer, and at once when too many verifications wait."""
        if self._calls.is_full(token):
            self._log_too_many_waiting()
            return None
        with waiting():
            return await self._calls.join(token, partial(self._introspect_and_cache, token))

    def _log_too_many_waiting(self) -> None:
        """Logs at most once a second, because unauthenticated callers can cause this at any rate."""
        now = self._monotonic()
        if now >= self._logged_at + 1:
            self._logged_at = now
            _log.warning("bearer.introspection_failed", reason="too many waiting")

    async def _introspect_and_cache(self, token: str) -> Verdict | None:
        """Introspects the token, and caches and returns the verdict. None when the endpoint gave no usable answer."""
        try:
            verdict = self._judge(await self._introspect(token))
        except NoAnswerError as failure:
            _log.warning("bearer.introspection_failed", reason=failure.reason)
            return None
        self._verdicts.put(token, verdict)
        return verdict

    async def _introspect(self, token: str) -> Claims:
        """The endpoint's answer (RFC 7662 2.2). Only `active` is checked, to be a boolean. Raises NoAnswerError."""
        form = urlencode({"token": token, "token_type_hint": "access_token"})
        answer = await self._endpoint.ask(request("POST", self._url, authorization=self._authorization, form=form))
        if not isinstance(answer.get("active"), bool):
            raise NoAnswerError("active is not true or false")
        if not are_readable(answer):
            raise NoAnswerError("a member is malformed")
        return answer

    def _judge(self, answer: Claims) -> Verdict:
        if answer["active"] is not True:
            # An inactive answer has no other members that could be relied on (RFC 7662 2.2).
            return Verdict(InvalidToken("the authorization server says that it is not active"), REJECTION_CACHED)
        now = self._clock()
        try:
            self._check(answer, now)
            return Verdict(caller_from_introspection(answer, self._services), lifetime(answer, now, MAX_CACHED))
        except InvalidToken as refusal:
            return Verdict(rejection(answer, self._services, refusal.reason), REJECTION_CACHED)

    def _check(self, answer: Claims, now: float) -> None:
        token_type = answer.get("token_type", "Bearer")
        if not isinstance(token_type, str) or token_type.lower() != "bearer":
            raise InvalidToken("token_type is not Bearer")
        if self._audience is not None and "aud" in answer and not names_audience(answer["aud"], self._audience):
            raise InvalidToken("aud does not name TENDON_AUDIENCE")
        # The server has checked the times by its own clock, so the token may seem not yet valid by ours. That is
        # tolerated within LEEWAY, but no token is accepted after `exp`.
        check_times(answer, now, after_exp=0)
