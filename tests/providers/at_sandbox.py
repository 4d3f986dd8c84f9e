"""The catalogue's entries at the sandbox, and the tokens of a user who has connected there."""

from __future__ import annotations

from datetime import UTC, datetime

from providers.authorization import authorization_url, challenge, new_state, new_verifier
from providers.catalogue import Credentials, Provider, read_catalogue
from providers.oauth_client import exchange_code
from providers.revocation import Tokens
from tests.conftest import REDIRECT_URI, SECRET, further_secrets
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.wire.http.fetching import soon
from wire.http.client import Client


def of_sandbox(process: Process, slug: str) -> tuple[Provider, Credentials]:
    catalogue = read_catalogue(process.folder / "catalogue", variables={}, allow_private=True)
    return catalogue[slug], Credentials(f"client-{slug}", SECRET, further_secrets(slug))


async def connected(client: Client, sandbox: Sandbox, entry: Provider, credentials: Credentials) -> Tokens:
    verifier = new_verifier() if entry.authorize.pkce == "S256" else None
    url = authorization_url(
        entry,
        credentials,
        redirect_uri=REDIRECT_URI,
        state=new_state(),
        code_challenge=challenge(verifier) if verifier else None,
    )
    code = (await sandbox.approve(url))["code"]
    answer = await exchange_code(
        client,
        entry,
        credentials,
        code=code,
        redirect_uri=REDIRECT_URI,
        code_verifier=verifier,
        now=datetime.now(UTC),
        deadline=soon(),
    )
    return Tokens(answer.access_token, answer.refresh_token, answer.account)
