"""Storing what a provider gave. The code is spent, so a database that is down is worth waiting for, and tokens that
can't be stored are given up (`giving_up.py`)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NoReturn

import structlog

from models.account_owner import TakenAccount
from models.audit_event import AuditEntry
from models.connection import ConnectionStatus, StatusReason, StoredConnection
from models.database import DatabaseDown
from models.grant import Grant, keep_connection, set_account, store_grant
from providers.entry.provider import Provider
from providers.errors import RequestFailed
from providers.oauth_client import find_account
from providers.refresh_time import due_in
from providers.token_answer import TokenAnswer
from resolvers import audit
from resolvers.background import backoff
from resolvers.callback.claims import Attempt, fail
from resolvers.callback.exchange import Received
from resolvers.callback.giving_up import Replacing, find_stored, give_up, unused_revocation
from resolvers.callback.pending import ACCOUNT_TIMEOUT, hold
from resolvers.context import Context, Registration
from resolvers.errors import AccountTaken, Problem, ProviderUnavailable, ServiceUnavailable
from wire.waiting import waiting

log = structlog.get_logger("tendon")

# Seconds between the tries to store.
_PAUSES: Final = (0.05, 0.1, 0.25, 0.5, 1)
# Seconds that the storing ends before the lease does, which began a little earlier than we know.
_MARGIN: Final = 0.5
# Seconds that the account may take after the lease, and for storing it at least.
_ACCOUNT_BEYOND: Final = 0.5
_ACCOUNT_STORING: Final = 0.2


async def store(context: Context, attempt: Attempt, received: Received) -> StoredConnection:
    """Store the connection, with the granted scopes. Retries until shortly before the lease ends.

    Tokens that are not stored are revoked, as far as the provider supports it and nothing else ends with them. Raises
    AccountTaken; ServiceUnavailable if the database fails, with a time to wait when the connection may have been stored
    after all; and ProviderUnavailable when the lease was lost meanwhile: others have been told already to start again.
    """
    tries = _Tries(context, attempt, received, _granted_scopes(attempt, received))
    try:
        return await tries.until(received.claim.until - _MARGIN)
    except TakenAccount:
        await _refuse(context, attempt, received)
    except BaseException as fault:
        # A COMMIT may have been done, or be on its way still.
        in_doubt = tries.in_doubt or not isinstance(fault, Problem)
        give_up(context, attempt, received.answer, in_doubt=in_doubt)
        raise


async def _refuse(context: Context, attempt: Attempt, received: Received) -> NoReturn:
    """Where a revocation ends more than these tokens, it would end the other user's connection, so they are only
    erased: nobody has them now."""
    log.warning("account.taken", provider=attempt.binding.provider)
    if not attempt.registration.provider.revocation_ends_other_tokens:
        give_up(context, attempt, received.answer)
    problem = AccountTaken()
    await fail(context, attempt, problem)
    raise problem


def _granted_scopes(attempt: Attempt, received: Received) -> Sequence[str]:
    """What the user granted: as the token answer says (RFC 6749 5.1), else as the redirect says, else all we asked for.

    The redirect came through the user's browser, so it can narrow what was asked for and never widen it.
    """
    asked = received.claim.request.scopes
    if received.answer.scopes is not None:
        return received.answer.scopes
    provider = attempt.registration.provider
    separators, prefix = rf"[\s{re.escape(provider.authorize.scope_separator)}]+", provider.token.scope_prefix
    named = {scope.removeprefix(prefix) for scope in re.split(separators, attempt.callback.scope or "")} - {""}
    return [scope for scope in asked if scope in named] if named else asked


class _Tries:
    """The tries to store. `in_doubt` says that one of them may have done it, though no answer came."""

    def __init__(self, context: Context, attempt: Attempt, received: Received, scopes: Sequence[str]) -> None:
        self.in_doubt = False
        self._context = context
        self._attempt = attempt
        self._received = received
        self._scopes = scopes
        self._failed = 0

    async def until(self, deadline: float) -> StoredConnection:
        """`deadline` is a time of the running loop."""
        provider = self._attempt.binding.provider
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    stored = await _store_once(self._context, self._attempt, self._received, self._scopes)
                    if stored is None and self._failed:
                        # A COMMIT of this attempt may have gone through though no answer came.
                        stored = await find_stored(self._context, self._attempt)
                if stored is not None:
                    return stored
                # The lease is lost.
                raise ProviderUnavailable
            except (DatabaseDown, TimeoutError) as fault:
                self._failed += 1
                is_outage = isinstance(fault, DatabaseDown)
                self.in_doubt = self.in_doubt or not is_outage or fault.in_doubt
                error = fault.reason if is_outage else type(fault).__name__
                log.warning("store.failed", provider=provider, error=error)
            pause = backoff(_PAUSES, self._failed)
            if asyncio.get_running_loop().time() + pause >= deadline:
                log.error("store.given.up", provider=provider, tries=self._failed, in_doubt=self.in_doubt)
                raise self._given_up()
            # The slot of the request is free for others meanwhile.
            with waiting():
                await asyncio.sleep(pause)

    def _given_up(self) -> Problem:
        """Sending the callback again resolves a write in doubt. What was not stored is lost: the request has ended."""
        if self.in_doubt:
            return ServiceUnavailable("The connection may have been stored. Send the same callback again to find out.")
        return ServiceUnavailable("The connection could not be stored. Start it again.")


async def _store_once(
    context: Context, attempt: Attempt, received: Received, scopes: Sequence[str]
) -> StoredConnection | None:
    resources, binding, claim, answer = context.resources, attempt.binding, received.claim, received.answer
    provider = attempt.registration.provider
    entry = await context.audit_entry(
        audit.COMPLETE,
        subject=binding.user_id,
        provider=binding.provider,
        outcome=audit.OK,
        scopes=scopes,
    )
    if resources.account_policy == "reject" and answer.account is None and provider.account is not None:
        return await hold(context, attempt, received, scopes, entry) or await _keep(context, attempt, answer, entry)
    are_missing = not set(claim.request.scopes) <= set(scopes)
    grant = Grant(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=answer.expires_at,
        account=answer.account,
        granted_at=received.granted_at,
        granted_by=received.granted_at + timedelta(seconds=claim.error),
        status_reason=StatusReason.SCOPES_MISSING if are_missing else None,
        due_in=due_in(
            provider.token,
            answer.expires_at,
            binding.state_hash,
            now=received.granted_at,
            has_refresh_token=answer.refresh_token is not None,
        ),
    )
    replaces = revokes_replaced(provider, claim.request.account, answer.account)
    stored = await store_grant(
        resources.database,
        resources.vault,
        binding,
        attempt.owner,
        grant,
        claim.request.version,
        entry,
        exclusive=resources.account_policy == "reject",
        replacement=Replacing(context, binding.user_id, provider.slug, provider.site, answer, claim.replaced)
        if replaces
        else None,
    )
    if stored is None:
        return await _keep(context, attempt, answer, entry)
    if stored.account_changed or stored.account_shared:
        for event in stored.account_events:
            log.warning(event, provider=provider.slug, connection_id=stored.connection.id)
    return stored.connection


def revokes_replaced(provider: Provider, before: str | None, now: str | None) -> bool:
    """Whether tokens that a user's new grant replaces get a revocation. `before` and `now` are the accounts of the two
    grants, None if they aren't known."""
    # The grant of another account ends with no other. Whether it may be revoked is decided when the revocation is sent.
    changes = provider.revoke is not None and len({before, now} - {None}) > 1
    return changes or provider.revocation_ends_only_its_tokens


async def _keep(context: Context, attempt: Attempt, answer: TokenAnswer, entry: AuditEntry) -> StoredConnection | None:
    """Complete the request with the connection as it is."""
    provider = attempt.registration.provider
    kept = await keep_connection(
        context.resources.database,
        attempt.binding,
        attempt.owner,
        entry,
        unused=await unused_revocation(context, attempt, answer),
        always=provider.revocation_ends_only_its_tokens,
    )
    if kept is not None:
        event = "connection.ended" if kept.status == ConnectionStatus.DISCONNECTED else "connection.newer"
        log.info(event, provider=kept.provider)
    return kept


async def add_account(
    context: Context, registration: Registration, received: Received, connection: StoredConnection
) -> None:
    """Store the account, unless the connection was renewed meanwhile. The tokens are stored by now, so a failure is
    only logged."""
    if connection.granted_at != received.granted_at:
        # The stored tokens are newer ones, maybe of another account.
        return
    resources, loop, provider = context.resources, asyncio.get_running_loop(), registration.provider
    token = received.answer.access_token
    deadline = min(loop.time() + ACCOUNT_TIMEOUT, received.claim.until + _ACCOUNT_BEYOND)
    try:
        with await resources.provider_limits.account_permit(provider.key):
            account = await find_account(resources.client, provider, registration.credentials, token, deadline)
        # This process may have stood still until the deadline or beyond it.
        async with asyncio.timeout(max(deadline - loop.time(), _ACCOUNT_STORING)):
            entry = await context.audit_entry(
                audit.COMPLETE, subject=connection.user_id, provider=provider.slug, outcome=audit.OK
            )
            stored = await set_account(resources.database, connection, account, entry)
    except TimeoutError:
        log.warning("account.unknown", provider=provider.key, fault="the database took too long")
    except RequestFailed as fault:
        log.warning("account.unknown", provider=provider.key, fault=str(fault))
    except DatabaseDown as fault:
        log.warning("account.unknown", provider=provider.key, fault=fault.reason)
    else:
        for event in stored.account_events if stored else ():
            log.warning(event, provider=provider.slug, connection_id=connection.id)
