"""Tokens of a user at a place, got and used by Tendon's own client, without a service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.authorization import authorization_url, challenge, new_state, new_verifier
from providers.catalogue import Catalogue, Credentials, Provider, read_credentials
from providers.credentials import SigningKey
from providers.oauth_client import exchange_code, refresh_tokens
from providers.revocation import Tokens
from providers.token_answer import PresentToken, TokenAnswer
from tests.conftest import REDIRECT_URI, credentials
from tests.contract.flow import new_account
from tests.contract.places import VENDORS, Place
from tests.sandbox_control import Sandbox
from wire.http.client import Client


def soon(seconds: float = 20) -> float:
    return asyncio.get_running_loop().time() + seconds


@dataclass(frozen=True)
class Registered:
    """Our registration at a place that the sandbox plays."""

    client: Client
    sandbox: Sandbox
    place: Place
    provider: Provider
    credentials: Credentials

    async def consent(self, account: str, **more: str) -> tuple[str, str | None]:
        """A code, and the verifier that belongs to it."""
        verifier = new_verifier() if self.provider.authorize.pkce == "S256" else None
        url = authorization_url(
            self.provider,
            self.credentials,
            redirect_uri=REDIRECT_URI,
            state=new_state(),
            code_challenge=challenge(verifier) if verifier else None,
        )
        return (await self.sandbox.approve(url, account=account, **more))["code"], verifier

    async def exchange(self, code: str, verifier: str | None, credentials: Credentials | None = None) -> TokenAnswer:
        return await exchange_code(
            self.client,
            self.provider,
            credentials or self.credentials,
            code=code,
            redirect_uri=REDIRECT_URI,
            code_verifier=verifier,
            now=datetime.now(UTC),
            deadline=soon(),
        )

    async def tokens(self, account: str | None = None, **more: str) -> Tokens:
        """The tokens of a new consent. The account is known, whether or not the answer has it."""
        account = account or new_account()
        answer = await self.exchange(*await self.consent(account, **more))
        return Tokens(answer.access_token, answer.refresh_token, account)

    async def refresh(self, tokens: Tokens) -> TokenAnswer:
        assert tokens.refresh_token is not None
        return await refresh_tokens(
            self.client,
            self.provider,
            self.credentials,
            tokens.refresh_token,
            now=datetime.now(UTC),
            deadline=soon(),
            present=PresentToken(tokens.access_token, timedelta(hours=1)),
        )

    async def families(self, tokens: Tokens) -> list[dict[str, Any]]:
        """What was granted for the account of these tokens, oldest first."""
        return await self.sandbox.families(tokens.account or "", self.place.slug)


def registered(client: Client, sandbox: Sandbox, catalogue: Catalogue, place: Place, key: SigningKey) -> Registered:
    entry = catalogue[place.slug]
    provider = entry.at_sites[place.site] if place.site else entry
    ours = read_credentials(provider, credentials(VENDORS), (key,))
    assert ours is not None
    return Registered(client, sandbox, place, provider, ours)
