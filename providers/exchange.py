"""Our requests to a provider: the code for tokens (RFC 6749 4.1.3), and who the user is there."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

import httpx

from providers.answer import Answer, UnfitError, member_at, read_account, read_object, reading
from providers.credentials import Credentials
from providers.errors import ErrorAnswer, Unreachable
from providers.http import send
from providers.provider import ClientAuth, Provider
from providers.token_answer import TokenAnswer, read_token_answer

_PAUSE: Final = 0.2
"""Seconds before a refused connection is tried again: a provider that restarts a process is back by then."""


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
    request = _form_request(client, provider.token.url, form, credentials, provider.token.auth)
    return read_token_answer(provider, await _send(client, request, deadline), now)


async def find_account(client: httpx.AsyncClient, provider: Provider, access_token: str, deadline: float) -> str | None:
    """The provider's own id of the user, from where `[account]` says; None without that table. Raises ProviderFault."""
    account = provider.account
    if account is None:
        return None
    request = client.build_request("GET", account.url, headers={"Authorization": f"Bearer {access_token}"})
    answer = await _send(client, request, deadline)
    if answer.failed:
        raise ErrorAnswer(None, answer.status)
    with reading(answer):
        found = read_account(member_at(read_object(answer.content), account.field))
        if found is None:
            raise UnfitError("the account id is missing")
        return found


def _form_request(
    client: httpx.AsyncClient, url: str, form: Mapping[str, str], credentials: Credentials, auth: ClientAuth
) -> httpx.Request:
    """A POST with the client's authentication (RFC 6749 2.3.1). Secrets go into the body or a header, never the URL."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    ours: dict[str, str] = {}
    secret = credentials.client_secret or ""
    match auth:
        case "client_secret_basic":
            pair = f"{_encoded(credentials.client_id)}:{_encoded(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"
        case "client_secret_post":
            ours = {"client_id": credentials.client_id, "client_secret": secret}
        case "none":
            ours = {"client_id": credentials.client_id}
    return client.build_request("POST", url, content=urlencode({**form, **ours}).encode("ascii"), headers=headers)


def _encoded(text: str) -> str:
    """Form-encoded (RFC 6749 2.3.1), a space as `%20`: servers that should read `+` don't all do so."""
    return quote(text, safe="")


async def _send(client: httpx.AsyncClient, request: httpx.Request, deadline: float) -> Answer:
    """Once more after a refused connection, for nothing had left; never after anything else."""
    try:
        return await send(client, request, deadline=deadline)
    except Unreachable:
        if asyncio.get_running_loop().time() + _PAUSE >= deadline:
            raise
    await asyncio.sleep(_PAUSE)
    return await send(client, request, deadline=deadline)
