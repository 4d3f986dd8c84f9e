"""The way of a callback, from top to bottom: check, claim, exchange, store.

1. Check what came, before anything is spent.
2. Claim the authorization request with one conditional UPDATE (`claims.py`). Who doesn't win it gets the result of
   the one who did.
3. Exchange the code. No transaction is open meanwhile.
4. Seal the tokens and write connection, request and audit row in one transaction (`renewal.py`). What can be known only
   by asking again, the provider's own id of the user, comes after.

From the claim on it runs to its end, also when the caller hangs up.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from models.authorization_request import AuthorizationRequest
from models.connection import Connection
from models.database import DATABASE_DOWN
from models.vault import VaultError
from providers.errors import ProviderFault, TransportFailure
from providers.exchange import exchange_code, find_account
from providers.provider import Provider
from providers.token_answer import TokenAnswer
from resolvers import audit, claims, inputs, refusals, renewal
from resolvers.claims import Attempt
from resolvers.context import Context
from resolvers.errors import InternalError, Problem, ServiceUnavailable, ValidationError
from resolvers.failures import database_error

# Seconds that the user is kept waiting for the provider's name for them.
_ACCOUNT: Final = 3.0
# Seconds between the tries to store what was received.
_PAUSES: Final = (0.1, 0.5, 1.0)

log = structlog.get_logger("tendon")


@dataclass(frozen=True, slots=True)
class Callback:
    """What the provider sent the user back with (RFC 6749 4.1.2), as the front end passes it on.

    `iss` is RFC 9207's, `scope` the granted scope that some providers put there, `error` what stands there in place
    of a code when the user or the provider said no (RFC 6749 4.1.2.1); `code` may be empty then.
    """

    provider: str
    code: str
    state: str
    redirect_uri: str
    iss: str | None = None
    scope: str | None = None
    error: str | None = None

    @property
    def answer(self) -> str:
        """What the state is spent on. A repeated callback has to bring the same."""
        return f"error:{self.error}" if self.error else f"code:{self.code}"


async def complete_connection(context: Context, callback: Callback) -> Connection:
    """The connection that this callback makes, or made before.

    Raises ValidationError, ProviderNotFound, InvalidState, InvalidGrant, AccessDenied, ProviderUnavailable,
    ProviderMisconfigured, ServiceUnavailable and what `acting_user` raises.
    """
    user = await audit.acting_user(context, audit.COMPLETE, callback.provider)
    _check(callback)
    registration = context.resources.registration(callback.provider)
    await _check_issuer(context, registration.provider, callback.iss, user)
    attempt = Attempt.of(user, registration, callback.redirect_uri, callback.state, callback.answer)
    return await context.resources.flights.see_through(_redeem(context, attempt, callback))


def _check(callback: Callback) -> None:
    inputs.text("provider", callback.provider, inputs.SLUG)
    if callback.error:
        inputs.text("error", callback.error, inputs.ERROR)
        inputs.optional_text("code", callback.code, inputs.CODE)
    else:
        inputs.text("code", callback.code, inputs.CODE)
    inputs.text("state", callback.state, inputs.STATE)
    inputs.redirect_uri(callback.redirect_uri)
    inputs.optional_text("iss", callback.iss or "", inputs.ISSUER)
    inputs.optional_text("scope", callback.scope or "", inputs.SCOPE)


async def _check_issuer(context: Context, provider: Provider, iss: str | None, user: str) -> None:
    """RFC 9207 2.4: by exact comparison, before anything is spent, so that a mix-up reaches no token endpoint."""
    expected = provider.authorize.iss
    if expected is not None and iss != expected:
        # A mix-up, a front end that leaves it out, or a catalogue that has it wrong: then it happens to everybody.
        log.warning("issuer.refused", provider=provider.slug, given=iss is not None)
        outcome = ValidationError.code
        await audit.record(context, audit.COMPLETE, subject=user, provider=provider.slug, outcome=outcome)
        raise ValidationError("iss must be the issuer that this provider sends.")


async def _redeem(context: Context, attempt: Attempt, callback: Callback) -> Connection:
    request = await claims.claim(context, attempt)
    if request is None:
        return await claims.outcome_of_another(context, attempt)
    with context.resources.flights.under_way(attempt.key):
        try:
            return await _exchange_and_store(context, attempt, request, callback)
        except Problem:
            raise
        except Exception:
            # Unforeseen, and the code may be spent: waiters should not have to sit out the lease.
            await claims.fail(context, attempt, InternalError())
            raise


async def _exchange_and_store(
    context: Context, attempt: Attempt, request: AuthorizationRequest, callback: Callback
) -> Connection:
    if callback.error:
        log.warning("authorization.refused", provider=request.provider, error=refusals.known(callback.error))
        await _give_up(context, attempt, refusals.of_redirect(callback.error))
    verifier = await _open_verifier(context, attempt, request)
    answer = await _exchange(context, attempt, callback, verifier)
    separator = attempt.registration.provider.authorize.scope_separator
    granted = renewal.granted_scopes(request, answer, callback.scope, separator)
    connection = await _store(context, attempt, request, answer, granted)
    await _name_account(context, attempt.registration.provider, answer, connection)
    log.info("connection.completed", provider=connection.provider, connection_id=str(connection.id))
    return connection


async def _exchange(context: Context, attempt: Attempt, callback: Callback, verifier: str | None) -> TokenAnswer:
    registration, resources = attempt.registration, context.resources
    deadline = asyncio.get_running_loop().time() + resources.provider_timeout
    try:
        return await exchange_code(
            resources.client,
            registration.provider,
            registration.credentials,
            code=callback.code,
            redirect_uri=callback.redirect_uri,
            code_verifier=verifier,
            deadline=deadline,
        )
    except ProviderFault as fault:
        log.warning("exchange.failed", provider=registration.provider.slug, fault=str(fault))
        await _after_fault(context, attempt, fault)


async def _after_fault(context: Context, attempt: Attempt, fault: ProviderFault) -> NoReturn:
    """A request that never left can be made again; any other may have spent the code."""
    if isinstance(fault, TransportFailure) and not fault.sent:
        await claims.release(attempt)
        raise claims.unspent() from None
    await _give_up(context, attempt, refusals.of_exchange(fault))


async def _store(
    context: Context, attempt: Attempt, request: AuthorizationRequest, answer: TokenAnswer, granted: list[str]
) -> Connection:
    """The code is spent, so a database that is away for a moment is worth a few tries."""
    for pause in _PAUSES:
        try:
            return await renewal.renew(context, attempt, request, answer, granted)
        except DATABASE_DOWN as fault:
            log.warning("store.failed", error=database_error(fault))
            await asyncio.sleep(pause)
    return await renewal.renew(context, attempt, request, answer, granted)


async def _name_account(context: Context, provider: Provider, answer: TokenAnswer, connection: Connection) -> None:
    """Ask for the provider's own user id where the token answer has none. The tokens are stored by now: this is good to
    have and never worth them."""
    if answer.account is not None or provider.account is None:
        return
    deadline = asyncio.get_running_loop().time() + _ACCOUNT
    try:
        account = await find_account(context.resources.client, provider, answer.access_token, deadline=deadline)
        await renewal.name_account(connection, account)
    except ProviderFault as fault:
        log.warning("account.unknown", provider=provider.slug, fault=str(fault))
    except DATABASE_DOWN as fault:
        log.warning("account.unknown", provider=provider.slug, fault=database_error(fault))


async def _open_verifier(context: Context, attempt: Attempt, request: AuthorizationRequest) -> str | None:
    if request.verifier is None:
        return None
    try:
        return context.resources.vault.open(
            request.verifier, table="authorization_request", row=(attempt.key,), column="verifier"
        )
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id says it all
        await claims.release(attempt)
        raise ServiceUnavailable from None


async def _give_up(context: Context, attempt: Attempt, problem: Problem) -> NoReturn:
    await claims.fail(context, attempt, problem)
    raise problem
