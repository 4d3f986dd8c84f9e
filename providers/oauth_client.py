"""What Tendon asks a provider for, as its OAuth client: tokens for a code or a refresh token, and the user's account
id. `revocation.py` revokes tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote_plus, urlencode

from providers.credentials import Credentials
from providers.entry.provider import Provider
from providers.entry.token import ClientAuth
from providers.error_answer import read_failure
from providers.token_answer import PresentToken, TokenAnswer, account_at, read_token_answer
from wire.http.client import Client, Headers, Request, basic_credentials, request
from wire.http.errors import UnreadableResponse
from wire.http.response import SUCCESSES
from wire.strict_json import UnfitError, read_object

_ASSERTION: Final = f"client_assertion_type={quote_plus('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')}"
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~-]*")


async def exchange_code(
    client: Client,
    provider: Provider,
    credentials: Credentials,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str | None,
    now: datetime,
    deadline: float,
    latest: float = math.inf,
) -> TokenAnswer:
    """Exchange a code for tokens (RFC 6749 4.1.3). `deadline` and `latest` are as for `Client.send`.

    `now` is the time before the request, from which the lifetime of the tokens counts, so that they never live longer
    than is assumed. It should be of the clock that their expiry is compared with.

    The code is sent once. Raises RequestFailed; only after one with `sent` False may the code be sent again.
    """
    form = f"grant_type=authorization_code&code={_quoted(code)}&redirect_uri={_quoted_redirect_uri(redirect_uri)}"
    if code_verifier is not None:
        form += f"&code_verifier={_quoted(code_verifier)}"
    form += _encoded(provider.token.params)
    headers = credentials.fill(provider.token.headers) if provider.token.headers else ()
    url = provider.token.url
    asking = form_request(url, form, credentials, provider.token.auth, headers=headers, audience=url)
    response = await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)
    return read_token_answer(provider, response, now)


async def refresh_tokens(
    client: Client,
    provider: Provider,
    credentials: Credentials,
    refresh_token: str,
    *,
    now: datetime,
    deadline: float,
    latest: float = math.inf,
    present: PresentToken | None = None,
) -> TokenAnswer:
    """Get new tokens for a refresh token (RFC 6749 6). `now`, `deadline` and `latest` are as for `exchange_code`.

    If the answer has no refresh token, `refresh_token` is None there, and the one that was sent stays in use. `scopes`
    is None if the granted scopes have not changed. `present` is needed for providers that may extend the present access
    token instead (`refresh = "extending"`); it is then in the answer, with its new expiry.

    The refresh token is sent once. Raises RequestFailed: `errors.effect_of` says what it means for the refresh token.
    """
    token = provider.token
    form = f"grant_type=refresh_token&refresh_token={_quoted(refresh_token)}"
    form += _encoded(token.params) + _encoded(token.refresh_params)
    headers = credentials.fill(token.headers)
    url = token.refresh_url or token.url
    asking = form_request(url, form, credentials, token.auth, headers=headers, audience=token.url)
    response = await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)
    return read_token_answer(provider, response, now, present)


def _encoded(params: Mapping[str, str]) -> str:
    return f"&{urlencode(params)}" if params else ""


def _quoted(text: str) -> str:
    """Form-encoded. Codes and tokens rarely need it, and a look is faster than `quote_plus`."""
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


_quoted_redirect_uri = lru_cache(maxsize=256)(quote_plus)
"""Form-encoded. There are few of them."""


async def find_account(
    client: Client, provider: Provider, credentials: Credentials, access_token: str, deadline: float
) -> str | None:
    """The provider's own id of the user, from the endpoint in the entry's `[account]`; None without that table.
    `deadline` is a time of the running loop. Raises RequestFailed."""
    account = provider.account
    if account is None:
        return None
    headers = credentials.fill(account.headers) if account.headers else ()
    form = urlencode(account.form) if account.form else None
    authorization = f"Bearer {access_token}"
    asking = request(account.method, account.url, authorization=authorization, headers=headers, form=form)
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


def form_request(
    url: str,
    form: str,
    credentials: Credentials,
    auth: ClientAuth,
    *,
    method: str = "POST",
    headers: Headers = (),
    personal: bool = False,
    audience: str = "",
) -> Request:
    """A request with a form, which is encoded, and the client's credentials (RFC 6749 2.3.1). They go into a header or
    the body, never into the URL. `headers` and `personal` are as for `wire.http.client.request`. `audience` is the URL
    of the token endpoint, which an assertion is for (RFC 7523 3), at whichever endpoint it is used."""
    if auth == "client_secret_basic":
        authorization = basic_credentials(credentials.client_id, credentials.client_secret or "")
        return request(method, url, authorization=authorization, headers=headers, form=form or None, personal=personal)
    if auth == "private_key_jwt":
        ours = f"{_ASSERTION}&client_assertion={credentials.assertion(audience)}"
    else:
        secret = (credentials.client_secret or "") if auth == "client_secret_post" else None
        ours = _credentials_in_form(credentials.client_id, secret)
    return request(method, url, headers=headers, form=f"{form}&{ours}" if form else ours, personal=personal)


@lru_cache(maxsize=256)
def _credentials_in_form(client_id: str, client_secret: str | None) -> str:
    params = {"client_id": client_id}
    if client_secret is not None:
        params["client_secret"] = client_secret
    return urlencode(params)
