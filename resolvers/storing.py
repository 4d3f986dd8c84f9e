"""Keeping what a provider gave: the code is spent, so a database that is away is worth waiting for. What can't be kept
is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from models.connection import StoredConnection
from models.connection_tokens import find_stored_by
from models.database import DatabaseDown
from providers.errors import ProviderFault
from providers.oauth_client import Tokens, revoke
from providers.token_answer import TokenAnswer
from resolvers import claims
from resolvers.attempts import Attempt
from resolvers.backoff import Backoff, sleep
from resolvers.context import Context
from resolvers.errors import Problem, ProviderUnavailable, ServiceUnavailable
from resolvers.exception_details import database_outage
from resolvers.exchanging import Received
from resolvers.renewal import renew

log = structlog.get_logger("tendon")

# Seconds between the tries to store.
_PAUSES: Final = (0.05, 0.1, 0.25, 0.5, 1)
# Seconds that the storing ends before the lease does, which began a little earlier than we heard of it.
_MARGIN: Final = 0.5
# Seconds for a provider to take tokens back. Nobody waits for it.
_REVOKING: Final = 10.0


async def store(context: Context, attempt: Attempt, received: Received, scopes: list[str]) -> StoredConnection:
    """Store the connection, with the granted scopes. Retries until shortly before the lease ends.

    If that fails, the tokens are revoked, as far as the provider supports it. Raises ServiceUnavailable then, with a
    time to wait when the connection may have been stored after all, and what `renew` raises.
    """
    tries = _Tries(context, attempt, partial(renew, context, attempt, received, scopes))
    try:
        return await tries.until(received.claim.until - _MARGIN)
    except BaseException as fault:
        surrender = partial(_surrender, context, attempt, received.answer)
        if tries.in_doubt or not isinstance(fault, Problem):
            # A COMMIT may have been done, or be on its way still.
            claims.retry_until_written(context, attempt, partial(_surrender_unless_stored, context, attempt, surrender))
        else:
            context.resources.background.start(surrender())
        raise


class _Tries:
    """To write what was received. `in_doubt` says that one of them may have done it, though nobody heard so."""

    def __init__(self, context: Context, attempt: Attempt, write: Callable[[], Awaitable[StoredConnection]]) -> None:
        self.in_doubt = False
        self._context = context
        self._attempt = attempt
        self._write = write
        self._failed = 0
        self._backoff = Backoff(*_PAUSES)

    async def until(self, deadline: float) -> StoredConnection:
        """`deadline` is a time of the running loop."""
        provider = self._attempt.registration.provider.slug
        while True:
            stored = await self._try(deadline, provider)
            if stored is not None:
                return stored
            pause = self._backoff.next()
            if asyncio.get_running_loop().time() + pause >= deadline:
                log.error("store.given.up", provider=provider, tries=self._failed, in_doubt=self.in_doubt)
                raise self._given_up()
            await sleep(pause)

    async def _try(self, deadline: float, provider: str) -> StoredConnection | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._written()
        except (DatabaseDown, TimeoutError) as fault:
            self._failed += 1
            self.in_doubt = self.in_doubt or not isinstance(fault, DatabaseDown) or fault.in_doubt
            log.warning("store.failed", provider=provider, error=database_outage(fault) or type(fault).__name__)
            return None

    def _given_up(self) -> Problem:
        """Sending the callback again resolves a write in doubt. What was not stored is lost: the request has ended."""
        if self.in_doubt:
            return ServiceUnavailable("The connection may have been stored. Send the same callback again to find out.")
        return ServiceUnavailable("The connection could not be stored. Start it again.")

    async def _written(self) -> StoredConnection:
        try:
            return await self._write()
        except ProviderUnavailable:
            # The lease is lost, or a COMMIT of ours went through that nobody told us of.
            database = self._context.resources.database
            found = await find_stored_by(database, self._attempt.binding, self._attempt.owner) if self._failed else None
            if found is None:
                raise
            return found


async def _surrender_unless_stored(
    context: Context, attempt: Attempt, surrender: Callable[[], Awaitable[None]]
) -> None:
    database = context.resources.database
    ended = await claims.end(context, attempt, ProviderUnavailable())
    if ended or await find_stored_by(database, attempt.binding, attempt.owner) is None:
        await surrender()


async def _surrender(context: Context, attempt: Attempt, answer: TokenAnswer) -> None:
    """The tokens stand nowhere, and nobody should be able to use them."""
    registration = attempt.registration
    slug = registration.provider.slug
    tokens = Tokens(answer.access_token, answer.refresh_token)
    deadline = asyncio.get_running_loop().time() + _REVOKING
    try:
        done = await revoke(
            context.resources.client, registration.provider, registration.credentials, tokens, deadline=deadline
        )
    except ProviderFault as fault:
        log.warning("surrender.failed", provider=slug, fault=str(fault))
    else:
        log.warning("surrender.done" if done else "surrender.impossible", provider=slug)
