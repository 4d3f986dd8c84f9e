"""What becomes of tokens that a callback got and that are not stored: they go into a revocation, which decides by
itself whether it may be sent. Where a revocation ends the user's whole grant, it could end a connection in use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import Final

import structlog
from msgspec import Struct

from models.authorization_request import LIFETIME
from models.connection import StoredConnection, Tokens
from models.database import DatabaseDown
from models.grant import find_stored_by
from models.replaced_tokens import ReplacedTokens, Replacement, find_replaced
from models.revocation import Material, NewRevocation
from models.vault import VaultError
from providers.errors import RequestFailed
from providers.revocation import Tokens as Revocable
from providers.revocation import revoke
from providers.token_answer import TokenAnswer
from resolvers.background import backoff
from resolvers.callback.claims import Attempt, end
from resolvers.context import Context
from resolvers.ending.unused_tokens import pending_revocation, surrender
from resolvers.errors import Problem, ProviderUnavailable

log = structlog.get_logger("tendon")

# Seconds between the tries to write a revocation while the database is down.
_PAUSES: Final = (0.2, 0.5, 1, 2, 5)
# Seconds for a provider to revoke tokens. Nobody waits for it.
_REVOKING: Final = 10.0


def give_up(context: Context, attempt: Attempt, answer: TokenAnswer, *, in_doubt: bool = False) -> None:
    """Let the tokens be revoked, in the background. If they may be stored after all, which is `in_doubt`, only once it
    is certain that they are not: then the request has ended, so that nothing can store them later."""
    work = partial(_give_up, context, attempt, answer, in_doubt=in_doubt)
    context.resources.background.start_retrying(_until_written(context, attempt, answer, work))


async def _give_up(context: Context, attempt: Attempt, answer: TokenAnswer, *, in_doubt: bool) -> None:
    """Raises DatabaseDown, and ServiceUnavailable without pseudonyms."""
    if in_doubt:
        ended = await end(context, attempt, ProviderUnavailable())
        if not ended and await find_stored(context, attempt):
            log.info("store.found", provider=attempt.binding.provider)
            return
    binding = attempt.binding
    if attempt.registration.provider.revoke is None:
        log.warning("surrender.impossible", provider=binding.provider)
        return
    tokens = Tokens(answer.access_token, answer.refresh_token)
    await surrender(context, binding.user_id, binding.provider, tokens, account=answer.account, site=binding.site)
    log.warning("surrender.recorded", provider=binding.provider)


async def find_stored(context: Context, attempt: Attempt) -> StoredConnection | None:
    """The connection that this attempt has stored, though no answer to that came."""
    return await find_stored_by(context.resources.database, attempt.binding, attempt.owner, attempt.answer_hash)


async def _until_written(
    context: Context, attempt: Attempt, answer: TokenAnswer, work: Callable[[], Awaitable[None]]
) -> None:
    loop, provider = asyncio.get_running_loop(), attempt.binding.provider
    until = loop.time() + LIFETIME.total_seconds()
    try:
        for tries in count(1):
            try:
                await work()
            except (DatabaseDown, Problem) as fault:
                log.debug("surrender.open", provider=provider, fault=type(fault).__name__)
            else:
                return
            if loop.time() >= until:
                break
            await asyncio.sleep(backoff(_PAUSES, tries))
    except asyncio.CancelledError:
        log.error("surrender.lost", provider=provider, reason="shutdown")  # noqa: TRY400 - nothing failed here
        raise
    await _revoke_now(context, attempt, answer)


async def _revoke_now(context: Context, attempt: Attempt, answer: TokenAnswer) -> None:
    """The last resort, when the database is down for long: only where it ends nothing but these tokens."""
    provider, slug = attempt.registration.provider, attempt.binding.provider
    if not provider.revocation_ends_only_its_tokens:
        log.error("surrender.lost", provider=slug, reason="database")
        return
    tokens = Revocable(answer.access_token, answer.refresh_token, answer.account)
    deadline = asyncio.get_running_loop().time() + _REVOKING
    credentials = attempt.registration.credentials
    try:
        outcome = await revoke(context.resources.client, provider, credentials, tokens, deadline=deadline)
    except RequestFailed as fault:
        log.error("surrender.lost", provider=slug, reason=str(fault))  # noqa: TRY400 - never the text of a traceback
    else:
        log.warning("surrender.sent", provider=slug, outcome=outcome.value)


async def unused_revocation(context: Context, attempt: Attempt, answer: TokenAnswer) -> NewRevocation | None:
    """The revocation of tokens that are not stored because the connection has others, or has ended. None if the
    provider has no way to revoke them. Raises DatabaseDown."""
    if attempt.registration.provider.revoke is None:
        return None
    binding = attempt.binding
    material = Material(answer.access_token, answer.refresh_token, binding.user_id, answer.account)
    return await pending_revocation(context, binding.provider, binding.site, material)


class Replacing(Struct):
    """Makes the revocation of the tokens that the user's connection has, and that others replace. `known` are those
    that it had before the exchange; they are read again whenever it has got others."""

    context: Context
    user: str
    provider: str
    site: str
    by: Tokens | TokenAnswer
    known: ReplacedTokens | None = None

    async def __call__(self) -> Replacement | None:
        """None if there are none, if the provider gave one of them again, or if they can't be decrypted. Raises
        DatabaseDown."""
        replaced, self.known = self.known, None
        if replaced is None:
            database = self.context.resources.database
            replaced = await find_replaced(database, self.user, self.provider, self.site)
        return await self._replacement(replaced) if replaced else None

    async def _replacement(self, replaced: ReplacedTokens) -> Replacement | None:
        try:
            tokens = replaced.open(self.context.resources.vault, self.user, self.provider, self.site)
        except VaultError as fault:
            log.error(  # noqa: TRY400 - the key id is enough
                "surrender.lost", provider=self.provider, connection_id=replaced.connection_id, reason=str(fault)
            )
            return None
        kept = {self.by.access_token, self.by.refresh_token} - {None}
        if kept & {tokens.access_token, tokens.refresh_token}:
            return None
        material = Material(tokens.access_token, tokens.refresh_token, self.user, replaced.account)
        return Replacement(replaced, await pending_revocation(self.context, self.provider, self.site, material))
