"""A flow from the authorization request to the revocation, by Tendon's own functions, and what an author is told at
each step. Nothing is stored, and no token is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from gateway.authors import comparison
from gateway.authors.redaction import Redactor
from gateway.authors.redirect import Arrivals, Authorized, Stopped, authorize
from gateway.authors.report import Report
from gateway.authors.samples import Samples
from gateway.authors.tracing import TracingClient
from providers.after_exchange import find_granted, make_usable
from providers.authorization import new_verifier
from providers.credentials import Credentials
from providers.entry.provider import Provider
from providers.errors import RequestFailed
from providers.oauth_client import exchange_code, find_account, refresh_tokens
from providers.revocation import Tokens, revoke
from providers.token_answer import PresentToken, TokenAnswer

# Seconds for each request.
_TIMEOUT: Final = 30
_MADE_UP: Final = "made-up-by-tendon"

Ask = Callable[[str], Awaitable[bool]]
"""Asks a question that is answered by yes or no."""


class Choices(msgspec.Struct, frozen=True):
    """`refreshes` None means to ask first. With `records`, a made-up code and a made-up refresh token are sent, too, to
    get samples of the provider's errors."""

    redirect_uri: str
    browser: bool
    refreshes: bool | None
    revokes: bool
    records: Path | None


class Walk:
    def __init__(
        self, entry: Provider, credentials: Credentials, client: TracingClient, say: Callable[[str], None], ask: Ask
    ) -> None:
        redactor = Redactor(entry)
        self._entry = entry
        self._credentials = credentials
        self._client = client
        self._ask = ask
        self._report = Report(entry, redactor, say)
        self._samples = Samples(entry, redactor, datetime.now(UTC))

    async def run(self, choices: Choices, arrivals: Arrivals) -> bool:
        """Whether the flow worked. It may differ from the entry all the same."""
        try:
            await self._steps(choices, arrivals)
            worked = True
        except Stopped as stopped:
            self._report.say(f"   {stopped}")
            worked = False
        self._report.conclude(worked=worked)
        for file in self._samples.write(choices.records) if choices.records is not None else ():
            self._report.say(f"Recorded, with made-up values: {file}")
        return worked

    async def _steps(self, choices: Choices, arrivals: Arrivals) -> None:
        authorized = await authorize(
            self._entry, self._credentials, choices.redirect_uri, self._report, arrivals, browser=choices.browser
        )
        answer = await self._exchange(choices.redirect_uri, authorized)
        await self._make_usable(answer)
        account = await self._find_account(answer)
        answer = await self._find_granted(answer)
        answer = await self._refresh(choices, answer)
        if choices.records is not None:
            await self._provoke_errors(choices.redirect_uri)
        if choices.revokes:
            await self._revoke(Tokens(answer.access_token, answer.refresh_token, account))

    async def _exchange(self, redirect_uri: str, authorized: Authorized) -> TokenAnswer:
        report = self._report
        report.begin("Token request")
        try:
            answer = await self._exchange_code(redirect_uri, authorized.redirect["code"], authorized.verifier)
        except RequestFailed as failure:
            last = self._client.exchanged[-1]
            report.show_exchanged(last)
            report.differences += comparison.of_unreadable(self._entry, last.document)
            self._samples.add_error(last, "a code that was refused")
            raise Stopped(f"Tendon reads: {failure}") from None
        last = self._client.exchanged[-1]
        report.show_exchanged(last)
        report.say(f"   Tendon reads: {_summary(answer)}")
        self._samples.add_answer(last)
        report.differences += comparison.of_token_answer(self._entry, last.document, answer, authorized.redirect)
        return answer

    async def _exchange_code(self, redirect_uri: str, code: str, verifier: str | None) -> TokenAnswer:
        return await exchange_code(
            self._client,
            self._entry,
            self._credentials,
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=verifier,
            now=datetime.now(UTC),
            deadline=_deadline(),
        )

    async def _find_account(self, answer: TokenAnswer) -> str | None:
        """The provider's own id of the user."""
        token_document, account = self._client.exchanged[-1].document, answer.account
        account_document: Any = None
        if account is None and self._entry.account is not None:
            self._report.begin("Account")
            try:
                account = await find_account(
                    self._client, self._entry, self._credentials, answer.access_token, _deadline()
                )
            except RequestFailed as failure:
                self._report.say(f"   Tendon reads: {failure}")
            self._report.show_exchanged(self._client.exchanged[-1])
            account_document = self._client.exchanged[-1].document
        if account is not None:
            self._report.say(f"   The user's id at the provider has {len(account)} characters.")
        self._report.differences += comparison.of_account(self._entry, token_document, account_document, account)
        return account

    async def _find_granted(self, answer: TokenAnswer) -> TokenAnswer:
        """The answer with the granted scopes."""
        if self._entry.granted is None:
            return answer
        self._report.begin("Granted scopes")
        try:
            granted = await find_granted(self._client, self._entry, answer.access_token, _deadline())
        except RequestFailed as failure:
            self._report.differences.append(f"the scopes that [granted] asks for can't be read: {failure}")
            granted = None
        self._report.show_exchanged(self._client.exchanged[-1])
        if granted is None:
            return answer
        self._report.say(f"   Tendon reads: scopes {' '.join(granted)}")
        self._report.differences += comparison.of_scopes(self._entry, granted)
        return msgspec.structs.replace(answer, scopes=granted)

    async def _make_usable(self, answer: TokenAnswer) -> None:
        if self._entry.after_exchange is None:
            return
        self._report.begin("After the exchange")
        latest = deadline = _deadline()
        user = str(uuid4())
        try:
            await make_usable(self._client, self._entry, answer.access_token, user, deadline=deadline, latest=latest)
        except RequestFailed as failure:
            self._report.differences.append(f"[after_exchange] failed: {failure}")
        else:
            self._report.say("   Tendon reads: done")
        self._report.show_exchanged(self._client.exchanged[-1])

    async def _refresh(self, choices: Choices, answer: TokenAnswer) -> TokenAnswer:
        """The tokens that are in use afterwards."""
        if answer.refresh_token is None or self._entry.token.refresh == "none" or choices.refreshes is False:
            return answer
        if choices.refreshes is None and not await self._ask("\nRefresh now? It uses the refresh token. [y/N]"):
            return answer
        self._report.begin("Refresh")
        lifetime = None if answer.expires_at is None else answer.expires_at - datetime.now(UTC)
        present = PresentToken(answer.access_token, lifetime) if self._entry.token.refresh == "extending" else None
        try:
            refreshed = await self._refresh_tokens(answer.refresh_token, present)
        except RequestFailed as failure:
            self._report.show_exchanged(self._client.exchanged[-1])
            self._report.differences.append(f"the refresh failed: {failure}")
            return answer
        last = self._client.exchanged[-1]
        self._report.show_exchanged(last)
        self._report.say(f"   Tendon reads: {_summary(refreshed)}")
        self._samples.add_refresh(last)
        self._report.differences += comparison.of_refresh(self._entry, answer, refreshed)
        return msgspec.structs.replace(refreshed, refresh_token=refreshed.refresh_token or answer.refresh_token)

    async def _refresh_tokens(self, refresh_token: str, present: PresentToken | None = None) -> TokenAnswer:
        return await refresh_tokens(
            self._client,
            self._entry,
            self._credentials,
            refresh_token,
            now=datetime.now(UTC),
            deadline=_deadline(),
            present=present,
        )

    async def _provoke_errors(self, redirect_uri: str) -> None:
        """The provider's answers to a code and to a refresh token that it has never issued."""
        self._report.begin("Errors for the samples")
        verifier = new_verifier() if self._entry.authorize.pkce == "S256" else None
        attempts = [("a made-up code", "exchange", self._exchange_code(redirect_uri, _MADE_UP, verifier))]
        if self._entry.token.refresh != "none":
            attempts.append(("a made-up refresh token", "refresh", self._refresh_tokens(_MADE_UP)))
        for name, request, attempt in attempts:
            try:
                await attempt
            except RequestFailed as failure:
                self._report.say(f"   With {name}, Tendon reads: {failure}")
                self._samples.add_error(self._client.exchanged[-1], name, request)
            else:
                self._report.differences.append(f"the provider accepted {name}")

    async def _revoke(self, tokens: Tokens) -> None:
        if self._entry.revoke is None:
            self._report.say("\nThe entry has no [revoke], so the provider still accepts these tokens.")
            return
        self._report.begin("Revocation")
        count = len(self._client.exchanged)
        try:
            outcome = await revoke(self._client, self._entry, self._credentials, tokens, deadline=_deadline())
        except RequestFailed as failure:
            outcome = failure
            self._report.differences.append(f"the revocation failed: {failure}")
        if len(self._client.exchanged) > count:
            self._report.show_exchanged(self._client.exchanged[-1])
            self._samples.add_revocation(self._client.exchanged[-1], outcome)
        if not isinstance(outcome, RequestFailed):
            self._report.say(f"   Tendon reads: {outcome.value}")


def _deadline() -> float:
    return asyncio.get_running_loop().time() + _TIMEOUT


def _summary(answer: TokenAnswer) -> str:
    expiry = "no expiry"
    if answer.expires_at is not None:
        expiry = f"expires in {round((answer.expires_at - datetime.now(UTC)).total_seconds())} seconds"
    refresh = "no refresh token" if answer.refresh_token is None else "a refresh token"
    scopes = "no scopes" if answer.scopes is None else f"scopes {' '.join(answer.scopes)}"
    account = "no account" if answer.account is None else "an account"
    return f"an access token, {expiry}; {refresh}; {scopes}; {account}"
