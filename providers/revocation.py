"""Giving tokens back that nobody will use (RFC 7009, or what the provider has in its place)."""

from __future__ import annotations

from urllib.parse import urlencode

from providers.answer import reading
from providers.client_authentication import form_request
from providers.credentials import Credentials
from providers.error_answer import read_failure
from providers.http import ProviderClient, send_patiently
from providers.provider import Provider, Revoke
from providers.request import Request, request
from providers.token_answer import TokenAnswer


async def revoke(
    client: ProviderClient, provider: Provider, credentials: Credentials, answer: TokenAnswer, *, deadline: float
) -> bool:
    """Whether the provider said that it has revoked what `answer` holds. `deadline` is a time of the running loop.

    False, and nobody is asked, when the entry has no `[revoke]` or the answer lacks the token that is wanted there.
    An unknown token counts as revoked (RFC 7009 2.2). Raises ProviderFault.
    """
    rule = provider.revoke
    if rule is None:
        return False
    form = _form(rule, answer)
    if form is None:
        return False
    asking = _request(rule, credentials, answer.access_token, form)
    given = await send_patiently(client, asking, deadline=deadline)
    if given.failed:
        raise read_failure((), given)
    with reading(given):
        return True


def _form(rule: Revoke, answer: TokenAnswer) -> dict[str, str] | None:
    """None when the answer lacks the token that belongs in it."""
    if rule.token is None:
        return dict(rule.params)
    token = {"access_token": answer.access_token, "refresh_token": answer.refresh_token}[rule.token]
    return None if token is None else {**rule.params, "token": token}


def _request(rule: Revoke, credentials: Credentials, access_token: str, form: dict[str, str]) -> Request:
    encoded = urlencode(form)
    if rule.auth != "bearer":
        return form_request(rule.url, encoded, credentials, rule.auth, method=rule.method)
    return request(rule.method, rule.url, authorization=f"Bearer {access_token}", form=encoded or None)
