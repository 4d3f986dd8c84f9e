"""Our requests to a provider: the code for tokens (RFC 6749 4.1.3), and who the user is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx

from providers.answer import UnfitError, member_at, read_account, read_object, reading
from providers.client_authentication import form_request
from providers.credentials import Credentials
from providers.errors import ErrorAnswer
from providers.http import send_patiently
from providers.provider import Provider
from providers.token_answer import TokenAnswer, read_token_answer


async def exchange_code(
    client: httpx.AsyncClient,
    provider: Provider,
    credentials: Credentials,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str | None,
    deadline: float,
) -> TokenAnswer:
    """The tokens for a code. Calls the token endpoint once; `deadline` is a time of the running loop.

    Raises ProviderFault. After one with `sent` False, and only then, the code may be sent again.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if code_verifier is not None:
        form["code_verifier"] = code_verifier
    form |= provider.token.params
    # Before sending: a token never lives longer than we think.
    now = datetime.now(UTC)
    request = form_request(client, provider.token.url, form, credentials, provider.token.auth)
    answer = await send_patiently(client, request, deadline=deadline)
    return replace(read_token_answer(provider, answer, now), sent_at=answer.sent_at)


async def find_account(client: httpx.AsyncClient, provider: Provider, access_token: str, deadline: float) -> str | None:
    """The provider's own id of the user, from where `[account]` says; None without that table. Raises ProviderFault."""
    account = provider.account
    if account is None:
        return None
    request = client.build_request("GET", account.url, headers={"Authorization": f"Bearer {access_token}"})
    answer = await send_patiently(client, request, deadline=deadline)
    if answer.failed:
        raise ErrorAnswer(None, answer.status)
    with reading(answer):
        found = read_account(member_at(read_object(answer.content), account.field))
        if found is None:
            raise UnfitError("the account id is missing")
        return found
