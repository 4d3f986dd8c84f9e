"""Our requests to a provider: the code for tokens (RFC 6749 4.1.3), and who the user is there."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from urllib.parse import quote_plus, urlencode

from providers.answer import UnfitError, account_at, read_object, reading
from providers.client_authentication import form_request
from providers.credentials import Credentials
from providers.error_answer import read_failure
from providers.provider import Provider
from providers.token_answer import TokenAnswer, read_token_answer
from wire.http.client import ProviderClient, send_patiently
from wire.http.request import request


async def exchange_code(
    client: ProviderClient,
    provider: Provider,
    credentials: Credentials,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str | None,
    deadline: float,
    latest: float = math.inf,
) -> TokenAnswer:
    """The tokens for a code. Calls the token endpoint once; `deadline` and `latest` are as for `send`.

    Raises ProviderFault. After one with `sent` False, and only then, the code may be sent again.
    """
    form = f"grant_type=authorization_code&code={quote_plus(code)}&redirect_uri={quote_plus(redirect_uri)}"
    if code_verifier is not None:
        form += f"&code_verifier={quote_plus(code_verifier)}"
    if provider.token.params:
        form += f"&{urlencode(provider.token.params)}"
    # Before sending: a token never lives longer than we think.
    now = datetime.now(UTC)
    asking = form_request(provider.token.url, form, credentials, provider.token.auth)
    answer = await send_patiently(client, asking, deadline=deadline, latest=latest)
    return read_token_answer(provider, answer, now)


async def find_account(client: ProviderClient, provider: Provider, access_token: str, deadline: float) -> str | None:
    """The provider's own id of the user, from where `[account]` says; None without that table. Raises ProviderFault."""
    account = provider.account
    if account is None:
        return None
    asking = request("GET", account.url, authorization=f"Bearer {access_token}")
    answer = await send_patiently(client, asking, deadline=deadline)
    if answer.failed:
        raise read_failure((), answer)
    with reading(answer):
        found = account_at(read_object(answer.content), account.field)
        if found is None:
            raise UnfitError("the account id is missing, or is neither printable text nor a whole number, or too long")
        return found
