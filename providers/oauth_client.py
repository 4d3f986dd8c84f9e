"""What Tendon asks a provider for, as its OAuth client: tokens for a code, the user's account id, and revocation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

from providers.credentials import Credentials
from providers.error_answer import read_failure
from providers.provider import ClientAuth, Provider, Revoke
from providers.token_answer import TokenAnswer, account_at, read_token_answer
from wire.http.client import Client, Request, basic_credentials, request
from wire.http.errors import UnreadableResponse
from wire.http.response import SUCCESSES
from wire.strict_json import UnfitError, read_object


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one connection. `refresh_token` is None if the provider issued none."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


async def exchange_code(
    client: Client,
    provider: Provider,
    credentials: Credentials,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str | None,
    deadline: float,
    latest: float = math.inf,
) -> TokenAnswer:
    """Exchange a code for tokens (RFC 6749 4.1.3). `deadline` and `latest` are as for `Client.send`.

    The code is sent once. Raises RequestFailed; only after one with `sent` False may the code be sent again.
    """
    form = f"grant_type=authorization_code&code={quote_plus(code)}&redirect_uri={quote_plus(redirect_uri)}"
    if code_verifier is not None:
        form += f"&code_verifier={quote_plus(code_verifier)}"
    if provider.token.params:
        form += f"&{urlencode(provider.token.params)}"
    # The time before the request: a token never lives longer than we assume.
    now = datetime.now(UTC)
    asking = _form_request(provider.token.url, form, credentials, provider.token.auth)
    response = await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)
    return read_token_answer(provider, response, now)


async def find_account(client: Client, provider: Provider, access_token: str, deadline: float) -> str | None:
    """The provider's own id of the user, from the endpoint in the entry's `[account]`; None without that table.
    `deadline` is a time of the running loop. Raises RequestFailed."""
    account = provider.account
    if account is None:
        return None
    asking = request("GET", account.url, authorization=f"Bearer {access_token}")
    response = await client.send(asking, deadline=deadline, retry_refused=True)
    if response.status not in SUCCESSES:
        raise read_failure((), response)
    try:
        found = account_at(read_object(response.content), account.field)
    except UnfitError as unfit:
        raise UnreadableResponse(str(unfit), response.status) from None
    if found is None:
        reason = "the account id is missing, or is neither printable text nor a whole number, or too long"
        raise UnreadableResponse(reason, response.status)
    return found


async def revoke(
    client: Client, provider: Provider, credentials: Credentials, tokens: Tokens, *, deadline: float
) -> bool:
    """Revoke `tokens`, by RFC 7009 or whatever the provider has in its place. Returns whether the provider confirmed
    it. `deadline` is a time of the running loop.

    Returns False without a request if the entry has no `[revoke]`, or if the token that it names is None. The provider
    confirms unknown tokens, too (RFC 7009 2.2). Raises RequestFailed.
    """
    rule = provider.revoke
    if rule is None:
        return False
    form = _revocation_form(rule, tokens)
    if form is None:
        return False
    if rule.auth == "bearer":
        authorization = f"Bearer {tokens.access_token}"
        asking = request(rule.method, rule.url, authorization=authorization, form=urlencode(form) or None)
    else:
        asking = _form_request(rule.url, urlencode(form), credentials, rule.auth, method=rule.method)
    response = await client.send(asking, deadline=deadline, retry_refused=True)
    if response.status not in SUCCESSES:
        raise read_failure((), response)
    return True


def _revocation_form(rule: Revoke, tokens: Tokens) -> dict[str, str] | None:
    """None if the token that belongs in it is None."""
    if rule.token is None:
        return dict(rule.params)
    token = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}[rule.token]
    return None if token is None else {**rule.params, "token": token}


def _form_request(url: str, form: str, credentials: Credentials, auth: ClientAuth, *, method: str = "POST") -> Request:
    """A request with a form, which is encoded and not empty, and the client's credentials (RFC 6749 2.3.1). They go
    into a header or the body, never into the URL."""
    if auth == "client_secret_basic":
        authorization = basic_credentials(credentials.client_id, credentials.client_secret or "")
        return request(method, url, authorization=authorization, form=form)
    return request(method, url, form=f"{form}&{_credentials_in_form(credentials, auth)}")


@lru_cache(maxsize=256)
def _credentials_in_form(credentials: Credentials, auth: ClientAuth) -> str:
    params = {"client_id": credentials.client_id}
    if auth == "client_secret_post":
        params["client_secret"] = credentials.client_secret or ""
    return urlencode(params)
