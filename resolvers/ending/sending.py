"""The requests of one delivery, and what the provider's answers mean for the revocation.

Usually there is one request. If the access token that authorizes it has expired, or an earlier refresh may have
replaced the tokens, they are refreshed, and the new ones are written down before they are used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from models.connection import Tokens
from models.database import DatabaseDown
from models.revocation import Material, RevocationStatus, seal_material
from models.revocation_delivery import PendingRevocation, keep_tokens
from providers.errors import Effect, RequestFailed, effect_of, wait_of
from providers.oauth_client import refresh_tokens
from providers.provider_limit import Permit
from providers.revocation import RevocationOutcome, revoke
from providers.revocation import Tokens as Revocable
from providers.token_answer import PresentToken
from resolvers.context import Context, Registration
from resolvers.ending.unused_tokens import surrender
from resolvers.lease_clock import lease_clock

log = structlog.get_logger("tendon")

# Seconds of a lease for the writing.
_WRITING: Final = 5.0
# The most requests of one delivery: a revocation, a refresh, and a revocation with the new tokens.
_REQUESTS: Final = 3


class Done(msgspec.Struct, frozen=True):
    """The revocation has ended. `sent` says that the provider was asked."""

    status: RevocationStatus
    sent: bool


class Later(msgspec.Struct, frozen=True):
    """The revocation is to be tried again, in `wait` seconds at least. The flags are those of `Postponement`."""

    reason: str
    wait: float = 0
    sent: bool = False
    unknown: bool = False
    unsure: bool = False


class SendingTime:
    """The time in which a delivery may send: a request must end, and its result be written, before the lease ends.

    To be made before the lease is taken. It also passes while the machine is suspended, as the lease does, if `clock`
    does.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = lease_clock) -> None:
        self.lease = _REQUESTS * timeout + _WRITING
        self._timeout = timeout
        self._clock = clock
        self._end = clock() + self.lease - timeout - _WRITING / 2

    def request(self) -> dict[str, float] | None:
        """The time limits of a request that is sent now. None if it is too late for one."""
        left = self._end - self._clock()
        if left < 0:
            return None
        now = asyncio.get_running_loop().time()
        return {"deadline": now + self._timeout, "latest": now + left + self._timeout}


class _Postponed(Exception):
    def __init__(self, later: Later) -> None:
        self.later = later
        super().__init__(later.reason)


class Prepared(msgspec.Struct, frozen=True):
    """All that a delivery needs besides its lease."""

    registration: Registration
    material: Material
    permit: Permit


class Sender:
    """Sends one revocation, under the lease of `owner`."""

    def __init__(
        self, context: Context, row: PendingRevocation, prepared: Prepared, owner: str, time_left: SendingTime
    ) -> None:
        self._context = context
        self._row = row
        self._provider = prepared.registration.provider
        self._credentials = prepared.registration.credentials
        self._material = prepared.material
        self._permit = prepared.permit
        self._owner = owner
        self._time = time_left
        self._sent = False

    async def send(self) -> Done | Later:
        try:
            status = await self._send()
        except _Postponed as postponed:
            return postponed.later
        return Done(status, self._sent)

    async def _send(self) -> RevocationStatus:
        is_over = False
        if self._row.unsure and self._provider.token.replaces_refresh_tokens:
            is_over = not await self._refresh()
        outcome = await self._revoke()
        if outcome is RevocationOutcome.CREDENTIAL_REFUSED and not is_over:
            if self._material.refresh_token is None:
                return RevocationStatus.UNSUPPORTED
            is_over = not await self._refresh()
            if not is_over:
                outcome = await self._revoke()
        return self._status(outcome, is_over=is_over)

    def _status(self, outcome: RevocationOutcome, *, is_over: bool) -> RevocationStatus:
        if outcome is RevocationOutcome.CONFIRMED:
            return RevocationStatus.DELIVERED
        if outcome is RevocationOutcome.IMPOSSIBLE:
            return RevocationStatus.UNSUPPORTED
        if is_over:
            # Neither of the tokens is valid any more.
            return RevocationStatus.NOT_NEEDED
        raise _Postponed(Later("a new access token was refused", sent=True))

    async def _revoke(self) -> RevocationOutcome:
        material = self._material
        tokens = Revocable(material.access_token, material.refresh_token, material.account)
        times = self._times()
        try:
            outcome = await revoke(self._context.resources.client, self._provider, self._credentials, tokens, **times)
        except RequestFailed as fault:
            raise _Postponed(self._later(fault, "revocation")) from None
        self._sent = self._sent or outcome is not RevocationOutcome.IMPOSSIBLE
        return outcome

    async def _refresh(self) -> bool:
        """Whether there are new tokens. There are none if the grant is over."""
        token, times = self._material.refresh_token, self._times()
        if token is None:
            return False
        client = self._context.resources.client
        try:
            answer = await refresh_tokens(
                client,
                self._provider,
                self._credentials,
                token,
                # Nobody stores when these expire.
                now=datetime.now(UTC),
                deadline=times["deadline"],
                latest=times["latest"],
                present=PresentToken(self._material.access_token, None),
            )
        except RequestFailed as fault:
            self._sent = True
            if effect_of(fault) is Effect.REFUSED:
                return False
            raise _Postponed(self._later(fault, "refresh", unsure=True)) from None
        self._sent = True
        # A refresh token that the answer leaves out stays in use (RFC 6749 6).
        self._material = self._material.with_tokens(Tokens(answer.access_token, answer.refresh_token or token))
        await self._keep()
        return True

    async def _keep(self) -> None:
        """If the database is down, the new tokens are used nevertheless: nobody else will have them."""
        resources, material, row = self._context.resources, self._material, self._row
        sealed = seal_material(resources.vault, row.id, material, row.provider, row.site)
        try:
            if await keep_tokens(resources.database, row.id, self._owner, sealed):
                return
            await surrender(
                self._context, material.user, row.provider, material, account=material.account, site=row.site
            )
        except DatabaseDown as fault:
            log.warning("revocation.not.written", provider=row.provider, revocation_id=row.id, error=fault.reason)
            return
        raise _Postponed(Later("the lease was lost", sent=True))

    def _times(self) -> dict[str, float]:
        times = self._time.request()
        if times is None:
            raise _Postponed(Later("too little of the lease was left", sent=self._sent))
        return times

    def _later(self, fault: RequestFailed, request: str, *, unsure: bool = False) -> Later:
        self._permit.note(fault)
        effect = effect_of(fault)
        if effect is Effect.MISCONFIGURED:
            log.error(
                "revocation.misconfigured", provider=self._provider.key, revocation_id=self._row.id, fault=str(fault)
            )
        unknown = effect is Effect.UNKNOWN
        return Later(
            f"{request}: {fault}",
            wait=wait_of(fault) or 0,
            sent=self._sent or effect is not Effect.NOT_SENT,
            unknown=unknown,
            unsure=unsure and unknown,
        )
